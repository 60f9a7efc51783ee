"""Parsing what tc and qos/show print: texts of iproute2 6.1 and of Open vSwitch 3.1 on Linux 6.1's datapath."""

import pytest

from ovstool.openflow.syntax import queue_selection
from ovstool.switch.checks.datapath import DatapathQueue, Policer, Qdisc, TcClass, classes_shown, policers_shown, qdiscs_shown, queues_shown

QDISCS = """\
qdisc noqueue 0: dev lo root refcnt 2 
 Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) 
 backlog 0b 0p requeues 0
qdisc htb 1: dev eth1 root refcnt 2 r2q 10 default 0x1 direct_packets_stat 0 direct_qlen 1000
 Sent 8323516 bytes 5529 pkt (dropped 3, overlimits 280 requeues 0) 
 backlog 0b 0p requeues 0
qdisc ingress ffff: dev eth1 parent ffff:fff1 ---------------- 
 Sent 112 bytes 2 pkt (dropped 0, overlimits 0 requeues 0) 
 backlog 0b 0p requeues 0
qdisc hfsc 1: dev eth2 root refcnt 2 default 1 
 Sent 8316500 bytes 5524 pkt (dropped 0, overlimits 295 requeues 0) 
 backlog 0b 0p requeues 0
"""  # noqa: W291
HTB = """\
class htb 1:1 parent 1:fffe prio 0 rate 10Mbit ceil 20Mbit burst 1500b cburst 1500b 
 Sent 5369602 bytes 3562 pkt (dropped 1, overlimits 143 requeues 0) 
 backlog 0b 0p requeues 0

class htb 1:fffe root rate 50Mbit ceil 50Mbit burst 1500b cburst 1500b 
 Sent 8323516 bytes 5529 pkt (dropped 0, overlimits 0 requeues 0) 
 backlog 0b 0p requeues 0

class htb 1:b parent 1:fffe prio 2 rate 12Kbit ceil 1500bit burst 1563b cburst 1562b 
 Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) 
 backlog 0b 0p requeues 0
"""  # noqa: W291
HFSC = """\
class hfsc 1: root 
 Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) 
 period 0 level 2 

class hfsc 1:fffe parent 1: sc m1 0bit d 0us m2 50Mbit ul m1 0bit d 0us m2 50Mbit 
 Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) 

class hfsc 1:1 parent 1:fffe sc m1 0bit d 0us m2 10Mbit ul m1 0bit d 0us m2 20Mbit 
 Sent 5362586 bytes 3557 pkt (dropped 0, overlimits 0 requeues 0) 
"""  # noqa: W291
FILTER = """\
filter protocol all pref 1 matchall chain 0 
filter protocol all pref 1 matchall chain 0 handle 0x1 
  not_in_hw (rule hit 5964)
	action order 1:  police 0x1 rate 10Mbit burst 375Kb mtu 64Kb action drop/continue overhead 0b 
	ref 1 bind 1  installed 4 sec used 0 sec firstused 4 sec
	Action statistics:
	Sent 11508274 bytes 7861 pkt (dropped 3691, overlimits 3691 requeues 0) 
"""  # noqa: W291
SHOWN = """\
QoS: eth2 linux-htb
max-rate: 50000000

Default:
  burst: 12512
  min-rate: 10000000
  max-rate: 20000000
  tx_packets: 3562
  tx_bytes: 5369602
  tx_errors: 0

Queue 10:
  burst: 12512
  min-rate: 5000000
"""


def test_qdiscs():
    found = qdiscs_shown(QDISCS, ["eth1", "eth2"])
    assert found == {
        "eth1": [Qdisc("htb", "1:", True, 1, 5529, 3, 280), Qdisc("ingress", "ffff:", False, None, 2, 0, 0)],
        "eth2": [Qdisc("hfsc", "1:", True, 1, 5524, 0, 295)],
    }
    assert qdiscs_shown(QDISCS.replace("dev eth1 ", ""), ["eth1"], "eth1")["eth1"] == found["eth1"]
    assert qdiscs_shown('Cannot find device "eth9"', ["eth9"], "eth9") == {}


def test_classes():
    assert classes_shown(HTB) == {0: TcClass(10_000_000, 20_000_000, 3562, 1), 10: TcClass(12_000, 1500, 0, 0)}
    assert classes_shown(HFSC) == {0: TcClass(10_000_000, 20_000_000, 3557, 0)}
    assert classes_shown("") == {}


@pytest.mark.parametrize(
    ("printed", "rate"),
    [("8bit", 8), ("1500bit", 1500), ("12Kbit", 12_000), ("1.5Mbit", 1_500_000), ("34.3597Gbit", 34_359_700_000), ("2Gbit", 2 * 10**9), ("3Tbit", 3 * 10**12)],
)  # fmt: skip
def test_rates_as_tc_prints_them(printed, rate):
    assert classes_shown(HTB.replace("rate 10Mbit", f"rate {printed}"))[0].rate == rate
    assert policers_shown(FILTER.replace("rate 10Mbit", f"rate {printed}"))[0].rate == rate


@pytest.mark.parametrize(
    ("printed", "bits"), [("375Kb", 375 * 1024 * 8), ("1500b", 12_000), ("2Mb", 2 * 1024**2 * 8), ("1.5Kb", 1536 * 8), ("x", None)]
)
def test_bursts_as_tc_prints_them(printed, bits):
    """tc's letters stand for bytes here, with K and M as 1024s."""
    assert policers_shown(FILTER.replace("burst 375Kb", f"burst {printed}"))[0].burst == bits


def test_the_default_class_is_in_hexadecimal():
    for printed in ("0x30", "30"):
        (htb, _) = qdiscs_shown(QDISCS.replace("default 0x1", f"default {printed}"), ["eth1"])["eth1"]
        assert htb.default == 0x30
    (none, _) = qdiscs_shown(QDISCS.replace("default 0x1", "default x"), ["eth1"])["eth1"]
    assert none.default is None


def test_queues_of_many_digits_in_tc():
    assert list(classes_shown(HTB.replace("class htb 1:b ", "class htb 1:f000 "))) == [0, 61439]
    assert list(classes_shown(HTB.replace("class htb 1:b ", "class htb 1:fffd "))) == [0, 65532]


def test_two_policers_of_a_device():
    """Open vSwitch 2.16 and 2.17 use two: one for bits and one for packets."""
    second = FILTER.replace("police 0x1 rate 10Mbit burst 375Kb", "police 0x2 rate 0bit burst 0b").replace(
        "mtu 64Kb", "mtu 64Kb pkts_rate 5 pkts_burst 6"
    )
    assert policers_shown(FILTER + second) == [Policer(10_000_000, 375 * 1024 * 8, None, None, 3691), Policer(None, None, 5, 6, 3691)]


def test_policers():
    assert policers_shown(FILTER) == [Policer(10_000_000, 375 * 1024 * 8, None, None, 3691)]
    packets = FILTER.replace("rate 10Mbit burst 375Kb mtu 64Kb", "rate 0bit burst 0b mtu 64Kb pkts_rate 1000 pkts_burst 500")
    assert policers_shown(packets) == [Policer(None, None, 1000, 500, 3691)]
    assert policers_shown("") == policers_shown(FILTER.replace("(dropped 3691", "(")) == policers_shown(FILTER.replace("burst", "")) == []


def test_queues():
    assert queues_shown(SHOWN) == {
        0: DatapathQueue(10_000_000, 20_000_000, 12_512, 3562, 5_369_602, 0),
        10: DatapathQueue(5_000_000, None, 12_512, None, None, None),
    }
    assert queues_shown("QoS not configured on eth1\n") is None
    assert queues_shown("QoS: eth2 linux-codel\nlimit: 900\ninterval: 100000\ntarget: 6000\n") == {}


@pytest.mark.parametrize(
    ("actions", "leads"),
    [
        ("drop", []),
        ("NORMAL", []),
        ("set_queue:1,NORMAL", [(1, [], True)]),
        ("set_queue:1,output:2,pop_queue,output:3", [(1, ["2"], False)]),
        ("enqueue:1:4", [(4, ["1"], False)]),
        ("output:9,set_queue:2,output:1,set_queue:3,LOCAL", [(2, ["1"], False), (3, ["LOCAL"], False)]),
        ("write_actions(set_queue:1,output:12)", [(1, ["12"], False)]),
        ("write_actions(set_queue:1),goto_table:3", [(1, [], True)]),
        ("set_queue:1,output:NXM_NX_REG0[]", [(1, [], True)]),
        ("set_queue:1,group:3", [(1, [], True)]),
        ("set_queue:1,resubmit(,2)", [(1, [], True)]),
        ("set_queue:9,clone(output:7),ct(commit,table=2)", [(9, ["7"], True)]),
    ],
)
def test_the_queues_that_actions_lead_to(actions, leads):
    assert [(found.queue, sorted(found.ports), found.others) for found in queue_selection.of_actions(actions)] == leads
