"""Ports whose names are numbers or keywords of ovs-ofctl, or contain separators."""

import io
import json
from typing import NamedTuple

import pytest
from ovs_version import OVS

from ovstool.shell import App

MEMBERS = "members" if OVS >= (2, 15) else "slaves"  # lib/bundle.c
VERSIONS = "OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15"
NAMES = ["99", "IN_PORT", "a#b", "x cookie=1 ", "myaction", 'q"\\', "a(b", "a,b=c", "a actions=d", "[é]", "a:b"]


class Result(NamedTuple):
    code: int
    stdout: str
    stderr: str


def ovstool(switch, words: list[str]) -> Result:
    """Run ovstool in this process, because there are many of these."""
    out, err = io.StringIO(), io.StringIO()
    return Result(App(out, err).run(["--db", f"unix:{switch.box.directory}/db.sock", *words]), out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def odd(running_switch):
    with running_switch("dummy") as switch:
        argv = [word for name in NAMES for word in ("--", "add-port", "br0", name, "--", "set", "interface", name, "type=dummy")]
        switch.tool("ovs-vsctl", "--timeout=20", *argv)
        yield switch


def flows(switch, *options: str) -> list[str]:
    out = switch.tool("ovs-ofctl", "-O", VERSIONS, "--no-stats", *options, "dump-flows", f"unix:{switch.box.directory}/br0.mgmt")
    return sorted(line.strip() for line in out.splitlines() if "reply" not in line)


def number(switch, name: str) -> str:
    return switch.tool("ovs-vsctl", "get", "interface", name, "ofport")


@pytest.mark.parametrize("name", NAMES)
def test_a_port_with_an_odd_name(odd, name):
    """Flows with it are added and found again by any of its names, and no other flow changes."""
    odd.tool("ovs-ofctl", "del-flows", f"unix:{odd.box.directory}/br0.mgmt")
    quoted = json.dumps(name, ensure_ascii=False)
    given = f"table=1,priority=5,in_port={quoted},ip actions=output:{quoted},resubmit({quoted},3)"
    at = number(odd, name)
    there = f"table=1, priority=5,ip,in_port={at} actions=output:{at},resubmit({at},3)"
    for change in ("created", "unchanged"):
        assert ovstool(odd, ["flow", "add", "br0", given]).stdout.endswith(f": {change}\n")
        assert flows(odd, "--no-names") == [there]
    path = odd.box.directory / "odd.flows"
    path.write_text(f"{given}\n")
    assert ovstool(odd, ["flow", "diff", "br0", "--file", str(path)]).code == 0
    assert ovstool(odd, ["flow", "replace", "br0", "--file", str(path)]).stdout == "br0: unchanged\n"
    quoted = name if name.isalpha() and name.isascii() else quoted
    (row,) = json.loads(ovstool(odd, ["flow", "list", "br0", "--names", "-f", "json"]).stdout)
    assert (row["table"], row["priority"], row["match"]) == (1, 5, f"ip,in_port={quoted}")
    assert row["actions"] == f"output:{quoted},resubmit({quoted},3)"
    match = f"table=1,priority=5,ip,in_port={json.dumps(name, ensure_ascii=False)}"
    shown = ovstool(odd, ["flow", "del", "br0", "--strict", "--dry-run", match])
    assert shown.stdout == f"-table=1 priority=5,ip,in_port={quoted} actions={row['actions']}\n"
    assert ovstool(odd, ["flow", "del", "br0", "table=1,in_port=60000"]).stdout == "table=1,in_port=60000: unchanged\n"
    assert ovstool(odd, ["flow", "del", "br0", "--strict", match]).stdout.endswith(": deleted\n")
    assert flows(odd) == []


def test_flows_of_odd_names_can_be_added_again(odd):
    """Also as lines that ovs-ofctl reads; a name that OpenFlow truncates to another port's is not used."""
    odd.vsctl("add-port br0 a-name-of-16-bytes1 -- set interface a-name-of-16-bytes1 type=dummy")
    odd.vsctl("add-port br0 a-name-of-16-bytes2 -- set interface a-name-of-16-bytes2 type=dummy")
    ports = [number(odd, name) for name in (*NAMES, "a-name-of-16-bytes1", "a-name-of-16-bytes2")]
    given = "".join(
        f"priority={at},in_port={port},ip actions=output:{port},enqueue:{port}:3,resubmit({port},3),set_field:{port}->in_port,"
        f"learn(table=5,in_port={port}),bundle(eth_src,50,hrw,ofport,{MEMBERS}:{port},1)\n"
        for at, port in enumerate(ports)
    )
    path = odd.box.directory / "listed.flows"
    path.write_text(given)
    socket = f"unix:{odd.box.directory}/br0.mgmt"
    odd.tool("ovs-ofctl", "replace-flows", socket, str(path))
    there = flows(odd, "--no-names")
    listed = ovstool(odd, ["flow", "list", "br0", "-f", "flows"]).stdout
    assert 'in_port="99" ' in listed and 'in_port="my\\u0061ction" ' in listed and listed.isascii()
    assert "a-name-of-16" not in listed
    path.write_text(listed)
    odd.tool("ovs-ofctl", "del-flows", socket)
    odd.tool("ovs-ofctl", "add-flows", socket, str(path))
    assert flows(odd, "--no-names") == there
    assert ovstool(odd, ["flow", "replace", "br0", "--file", str(path)]).stdout == "br0: unchanged\n"
    odd.vsctl("del-port a-name-of-16-bytes1 -- del-port a-name-of-16-bytes2")


def test_a_number_is_a_number(odd):
    """ovs-ofctl takes 99 for port 99, even if a port has that name."""
    odd.tool("ovs-ofctl", "del-flows", f"unix:{odd.box.directory}/br0.mgmt")
    at = number(odd, "99")
    assert at != "99"
    path = odd.box.directory / "number.flows"
    path.write_text('in_port="99",actions=drop\n')
    assert ovstool(odd, ["flow", "add", "br0", 'in_port="99",actions=drop']).stdout.endswith(": created\n")
    path.write_text('in_port="99",actions=drop\nin_port=99,actions=drop\n')
    assert ovstool(odd, ["flow", "diff", "br0", "--file", str(path)]).code == 1
    assert ovstool(odd, ["flow", "add", "br0", "in_port=99,actions=drop"]).stdout.endswith(": created\n")
    assert flows(odd, "--no-names") == sorted([f"in_port={at} actions=drop", "in_port=99 actions=drop"])
    assert ovstool(odd, ["flow", "replace", "br0", "--file", str(path)]).stdout == "br0: unchanged\n"
    assert ovstool(odd, ["flow", "del", "br0", "in_port=99"]).stdout == "in_port=99: deleted\n"
    assert flows(odd, "--no-names") == [f"in_port={at} actions=drop"]


def test_a_name_like_that_of_the_local_port(running_switch):
    """ovs-ofctl shows both as LOCAL, so nothing that differs is reported as unchanged."""
    with running_switch("dummy") as switch:
        switch.vsctl("add-port br0 LOCAL -- set interface LOCAL type=dummy")
        at = number(switch, "LOCAL")
        assert ovstool(switch, ["flow", "add", "br0", 'in_port="LOCAL",actions=drop']).stdout.endswith(": created\n")
        assert f"in_port={at} actions=drop" in flows(switch, "--no-names")
        assert ovstool(switch, ["flow", "add", "br0", "in_port=LOCAL,actions=output:1"]).code in (0, 4)
        again = ovstool(switch, ["flow", "add", "br0", "in_port=LOCAL,actions=output:2"])
        assert again.code == 4 and "port LOCAL: there is also a port of this name" in again.stderr
        assert ovstool(switch, ["flow", "del", "br0", "in_port=LOCAL"]).code == 0
        assert f"in_port={at} actions=drop" in flows(switch, "--no-names")


def test_steering_by_an_odd_name(odd):
    odd.tool("ovs-ofctl", "del-flows", f"unix:{odd.box.directory}/br0.mgmt")
    odd.tool("ovs-ofctl", "add-flow", f"unix:{odd.box.directory}/br0.mgmt", "priority=0,actions=NORMAL")
    ovstool(odd, ["qos", "set", "eth1", "--type", "htb", "--max-rate", "10mbit", "--queue", "1:max=5mbit"])
    for name in ("99", "a#b", "x cookie=1 ", "myaction"):
        match = f"arp,in_port={json.dumps(name, ensure_ascii=False)}"
        for change in ("created", "unchanged"):
            assert ovstool(odd, ["qos", "steer", "eth1", "--queue", "1", "--match", match]).stdout == f"eth1: {change}\n", name
        assert any(f"arp,in_port={number(odd, name)} " in flow for flow in flows(odd, "--no-names"))
        assert ovstool(odd, ["qos", "unsteer", "eth1", "--match", match]).stdout == "eth1: deleted\n"
    assert len(flows(odd)) == 1
