"""Dumped flows as lines of a file: what is kept, what is written differently, and what is reported as lost."""

import pytest

from ovstool.errors import Refused
from ovstool.openflow.syntax import flow_file, names

HEAD = " cookie=0x0, duration=1.5s, table=0, n_packets=3, n_bytes=180, "


def listed(*dumped: str, ports: dict[str, str] | None = None) -> tuple[list[str], set[str]]:
    lost: set[str] = set()
    return list(flow_file.lines(dumped, ports or {}, lost)), lost


@pytest.mark.parametrize(
    ("dumped", "line"),
    [
        ("actions=drop", "table=0,priority=32768 actions=drop"),
        ("idle_age=5, hard_age=7, priority=5,ip actions=drop", "table=0,priority=5,ip actions=drop"),
        ("idle_timeout=60, check_overlap reset_counts no_packet_counts importance=7, idle_age=1, ip,in_port=1 actions=output:2",
         "table=0,priority=32768,idle_timeout=60,no_packet_counts,importance=7,ip,in_port=eth1 actions=output:2"),
        ("gtpu_flags=0x30 actions=drop", "table=0,priority=32768,tun_gtpu_flags=0x30 actions=drop"),
        ("mpls actions=set_field:3/0x7->mpls_tc", "table=0,priority=32768,mpls actions=load:0x3->mpls_tc[0..2]"),
    ],
)  # fmt: skip
def test_a_flow_as_a_line(dumped, line):
    assert listed(HEAD + dumped, ports={"1": "eth1"}) == ([line], set())


def test_what_a_line_cannot_hold():
    lines, lost = listed(f"{HEAD}weight=5, send_flow_rem 0x20 ip actions=drop", HEAD.replace("table=0", "table=254") + "actions=drop")
    assert lines == ["table=0,priority=32768,send_flow_rem,ip actions=drop"]
    assert lost == {f"{word} of flows, which ovstool does not support" for word in ("weight=5", "0x20")} | {
        "the flows of table 254, which are Open vSwitch's own"
    }


def test_headers_are_not_flows():
    assert listed("OFPST_FLOW reply (OF1.5) (xid=0x2): flags=[more]", "") == ([], set())
    with pytest.raises(Refused):
        listed(" nonsense")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("eth1", "eth1"), ("eth1.5", '"eth1.5"'), ("99", '"99"'), ("local", '"local"'), ("LOCAL", '"LOCAL"'), ("action1", '"\\u0061ction1"'),
        ("my-action", '"my\\u002d\\u0061ction"'), ("a:b", '"a\\u003ab"'), ("é", '"\\u00e9"'), ("a\nb", '"a\\u000ab"'),
    ],
)  # fmt: skip
def test_the_name_of_a_port(name, written):
    assert names.as_ofctl_reads(name) == written
