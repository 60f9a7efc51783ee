"""Which flows steer, which priority a new one needs, and what prevents it; tests/switch/test_steer.py tests the effect on a switch."""

import pytest

from ovstool.errors import Conflict, Refused
from ovstool.openflow import steering
from ovstool.openflow.steering import MatchToSteer
from ovstool.openflow.syntax.text import FlowRow, flows, key_of

ETH1 = "0x6f76737482bef934"  # "ovst", and the CRC-32 of eth1


def row(match: str, priority: int = 0, actions: str = "NORMAL", cookie: str = "0x0", table: int = 0) -> FlowRow:
    return FlowRow(table, priority, cookie, 0, 0, 0.0, match, actions)


def steered(match: str, queue: int = 1, priority: int = 1, cookie: str = ETH1) -> FlowRow:
    return row(match, priority, f"set_queue:{queue},NORMAL", cookie)


def to_steer(*rows: FlowRow, match: str = "tcp", queue: int = 1, expiring: tuple = (), ports: dict | None = None) -> MatchToSteer:
    return MatchToSteer(f"typed {match}", match, queue, list(rows), set(expiring), ports or {})


def refusal(error: type, judge) -> tuple[str, str, str | None]:
    with pytest.raises(error) as caught:
        judge()
    return caught.value.what, caught.value.why, caught.value.hint


def test_a_cookie_identifies_the_owner():
    assert f"{steering.cookie('eth1'):#x}" == ETH1
    assert steering.COOKIE == 0x6F76737400000000 and steering.MASK == 0xFFFFFFFF00000000


@pytest.mark.parametrize(
    "actions, cookie, queue",
    [
        ("set_queue:1,NORMAL", ETH1, 1),
        ("set_queue:0,NORMAL", "0x6f76737400000000", 0),
        ("set_queue:4294967294,NORMAL", "0x6f767374ffffffff", 4294967294),
        ("set_queue:1,NORMAL", "0x6f76737500000000", None),
        ("set_queue:1,NORMAL", "0x6f767373ffffffff", None),
        ("set_queue:1,NORMAL", "0x0", None),
        ("set_queue:1,NORMAL,drop", ETH1, None),
        ("drop,set_queue:1,NORMAL", ETH1, None),
        ("set_queue:1,output:2", ETH1, None),
        ("NORMAL", ETH1, None),
    ],
)
def test_which_flows_steer(actions, cookie, queue):
    assert steering.queue_of(row("tcp", 1, actions, cookie)) == queue


def test_the_flow_and_its_lines_for_ovs_ofctl():
    new = steering.flow_to_add("eth1", 7, "tcp,tp_dst=80", 101)
    assert new == (0, 101, ETH1, 0, 0, 0.0, "tcp,tp_dst=80", "set_queue:7,NORMAL")
    assert steering.addition(new) == f"add,table=0,priority=101,cookie={ETH1},tcp,tp_dst=80,actions=set_queue:7,NORMAL"
    assert steering.deletion(new) == f"delete_strict,table=0,priority=101,cookie={ETH1}/-1,tcp,tp_dst=80"
    assert steering.hint(7) == "set_queue:7 in the flow that forwards this"


# --- the priority


@pytest.mark.parametrize(
    "rows, priority",
    [
        ([row("")], 1),
        ([row("", 65534)], 65535),
        # The highest NORMAL flow that matches, and below flows that drop.
        ([row("", 5), row("tcp,tp_dst=80", 9)], 10),
        ([row("", 5), row("tcp,tp_dst=80", 9), row("tcp,tp_dst=81", 11, "drop")], 10),
        ([row("", 5), row("tcp,tp_dst=81", 7, "drop")], 6),
        # A flow below one that covers its match is never reached; a flow that only overlaps may be.
        ([row("", 3, "output:1"), row("ip", 4)], 5),
        ([row("", 3, "drop"), row("ip", 4), row("", 4)], 5),
        ([row("arp", 9, "output:1"), row("udp", 9, "drop"), row("")], 1),
        # Steering flows do not count, whoever added them.
        ([row(""), steered("tcp", 2, 50), steered("ip", 2, 60, "0x6f76737400000000")], 1),
    ],
)
def test_the_priority_is_just_above_what_forwards(rows, priority):
    assert to_steer(*rows).priority() == priority


NO_FLOW = "no flow forwards all of it, and traffic that matches no flow is dropped"
HINT = "set_queue:1 in the flow that forwards this"


@pytest.mark.parametrize(
    "rows, error, why, hint",
    [
        ([], Refused, NO_FLOW, HINT),
        ([row("udp"), row("tcp,tp_dst=80", 9)], Refused, NO_FLOW, HINT),
        ([steered("tcp", 2)], Refused, NO_FLOW, HINT),
        ([row("", 4, "drop"), row("", 3)], Refused, "all of this traffic is dropped (priority=4 actions=drop)", None),
        ([row("", 65535)], Refused, "no priority is higher than that of the flow that forwards it (priority=65535 actions=NORMAL)", HINT),
        ([row("", 4), row("tcp", 9)], Conflict, "is the same as that of another flow (priority=9,tcp actions=NORMAL)", HINT),
        (
            [row("", 4), row("ip", 4, "output:2")],
            Refused,
            "a flow other than NORMAL decides where some of it goes (priority=4,ip actions=output:eth2)",
            HINT,
        ),
        (
            [row("", 4), row("tcp,tp_dst=80", 5, "drop")],
            Refused,
            "some of it is dropped by priority=5,tcp,tp_dst=80 actions=drop, and there is no priority between that and priority=4 actions=NORMAL",
            "a priority above 5 for the flow that drops it",
        ),
    ],
)
def test_why_there_is_no_priority(rows, error, why, hint):
    assert refusal(error, to_steer(*rows, ports={"2": "eth2"}).priority) == ('match "typed tcp"', why, hint)


def test_a_flow_with_a_timeout_is_not_replaced():
    rows = [row("", 4), row("tcp,tp_dst=80", 9), row("tcp,tp_dst=81", 11, "drop"), row("udp", 9), row("", 3)]
    assert to_steer(*rows, expiring=(key_of(rows[2]), key_of(rows[3]), key_of(rows[4]))).priority() == 10
    why = "the flow that forwards it has a timeout (priority=9,tcp,tp_dst=80 actions=NORMAL), and the steering flow would outlive it"
    assert refusal(Refused, to_steer(*rows, expiring=(key_of(rows[1]),)).priority) == ('match "typed tcp"', why, HINT)


# --- one table, and other steering flows


@pytest.mark.parametrize(
    "actions", ["resubmit(,1)", "resubmit:2", "goto_table:1", "learn(table=0,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[])", "ct(table=0)"]
)
def test_flows_that_lead_on_to_others(actions):
    judged = to_steer(row(""), row("arp", 9, actions), queue=3)
    why = f"it has flows that pass packets on to others (priority=9,arp actions={actions}), so no single flow decides where traffic goes"
    assert refusal(Refused, lambda: judged.require_one_table("br0")) == ("bridge br0", why, "set_queue:3 in the flow that forwards this")


def test_flows_in_other_tables():
    to_steer(row(""), row("arp", 9, "drop")).require_one_table("br0")
    judged = to_steer(row(""), *(row("", table=table) for table in (12, 5, 5, *range(20, 40))))
    why = "it has flows in tables 0, 5, 12, 20, 21, 22, 23, 24, 25, 26, 27, so no single flow decides where traffic goes"
    assert refusal(Refused, lambda: judged.require_one_table("br0")) == ("bridge br0", why, HINT)


def test_the_steering_flows_with_a_match():
    rows = [row(""), steered("tcp", 1), steered("tcp", 2, cookie="0x6f76737400000000"), steered("udp"), row("tcp", 7)]
    assert to_steer(*rows).steered() == rows[1:3]


@pytest.mark.parametrize("other", [steered("tcp", 2), steered("ip", 1), steered("udp", 2), row("ip", 9, "set_queue:2,NORMAL"), row("ip")])
def test_flows_that_are_not_rivals(other):
    to_steer(row(""), other).require_no_rival()


@pytest.mark.parametrize("match", ["ip", "tcp,tp_dst=80", "in_port=2"])
def test_a_rival(match):
    judged = to_steer(row(""), steered("arp", 2), steered(match, 2), ports={"2": "eth2"})
    shown = f"priority=1,{match} cookie={ETH1} actions=set_queue:2,NORMAL".replace("in_port=2", "in_port=eth2")
    why = f"some of it is steered into queue 2, and which of two such flows wins is undefined ({shown})"
    assert refusal(Conflict, judged.require_no_rival) == ('match "typed tcp"', why, "matches that do not overlap")


def test_a_dump_of_what_was_added_is_a_steering_flow():
    (dumped,) = flows([f" cookie={ETH1}, duration=1.5s, table=0, n_packets=0, n_bytes=0, priority=1,tcp actions=set_queue:1,NORMAL"])
    assert (steering.queue_of(dumped), to_steer(dumped).steered()) == (1, [dumped])
