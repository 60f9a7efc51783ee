"""The page of 'qos explain', line by line: what is configured, what is in effect, what is unknown."""

from ovstool.commands.qos_explain import page
from ovstool.remedy import FindingRow
from ovstool.switch.checks.datapath import TcClass
from ovstool.switch.checks.explain import Explained, ExplainedInterface, ExplainedQueue, InstalledQueue, RequestedQueue
from ovstool.switch.checks.queue_flows import QueueFlow

ETH = ExplainedInterface("eth1", "system", 1, 10**9, 1500, None)
FLOW = QueueFlow(1, True, "br0", 0, 7, "0x0", 3, "ip", "set_queue:1,NORMAL")
ZERO = ExplainedQueue(0, None, None, None, None, None, None, None)
ONE = ExplainedQueue(
    1, RequestedQueue(8000, 16_000, 24_000, 3, 46), InstalledQueue(8000, 16_000, 24_000), TcClass(8000, 16_000, 5, 2), 5, 500, 0, [FLOW]
)
PORT = Explained(
    "eth1", "br0", "kernel", [ETH], "linux-htb", 10**7, {}, "u-1", [], True, "yes", [ZERO, ONE], "to queue 0", None, None, None, []
)  # fmt: skip


def lines(**changed) -> list[str]:
    return list(page(PORT._replace(**changed), []))


def of_queue(queue: ExplainedQueue, **changed) -> list[str]:
    shown = lines(queues=[queue], **changed)
    begin = next(number for number, line in enumerate(shown) if line.startswith("  queue "))
    return shown[begin : shown.index("", begin)]


def test_all_of_it():
    problem = FindingRow("eth1", "warning", "no flow", "queue 0: none", "ovstool qos steer")
    assert list(page(PORT, [problem])) == [
        "eth1 on bridge br0, kernel datapath",
        "  interface     eth1 (type system), OpenFlow port 1, link 1 Gbit/s, MTU 1500",
        "  asked         linux-htb, 10 Mbit/s for all queues together (QoS u-1, used by no other port)",
        "  in effect     yes",
        "",
        "  queue 0       asked  nothing: ovs-vswitchd created it on its own, or its row is gone",
        "                has    not known",
        "                sent   not known",
        "                flows  not known",
        "",
        "  queue 1       asked  min 8 kbit/s, max 16 kbit/s, burst 24 kbit, priority 3, dscp 46",
        "                has    min 8 kbit/s, max 16 kbit/s, burst 24 kbit; tc: rate 8 kbit/s, ceil 16 kbit/s, 5 packets sent, 2 dropped",
        "                sent   5 packets, 500 bytes",
        "                flows  priority=7,ip actions=set_queue:1,NORMAL (3 packets)",
        "",
        "  unclassified  to queue 0",
        "  received      not policed",
        "",
        "  warning       no flow",
        "                queue 0: none",
        "                try: ovstool qos steer",
    ]


def test_a_port_without_qos():
    assert lines(type=None, max_rate=None, queues=[]) == [
        "eth1 on bridge br0, kernel datapath",
        "  interface     eth1 (type system), OpenFlow port 1, link 1 Gbit/s, MTU 1500",
        "  asked         nothing: the port has no QoS",
        "  in effect     yes",
        "",
        "  unclassified  to queue 0",
        "  received      not policed",
    ]


def test_interfaces_and_rates():
    shown = lines(interfaces=[ETH._replace(ofport=None), ETH._replace(link_speed=None)], shared_with=["eth2", "eth3"])
    assert shown[1:4] == [
        "  interface     eth1 (type system), not open, link 1 Gbit/s, MTU 1500",
        "  interface     eth1 (type system), OpenFlow port 1, link speed unknown, MTU 1500",
        "  asked         linux-htb, 10 Mbit/s for all queues together on each interface (QoS u-1, shared with eth2, eth3)",
    ]
    assert lines(max_rate=None)[2] == "  asked         linux-htb, no max-rate (QoS u-1, used by no other port)"


def test_policing():
    assert lines(police_rate=10**6, police_in_effect=True)[-1] == "  received      policed to 1 Mbit/s"
    assert (
        lines(police_packet_rate=1000, police_in_effect=False)[-1] == "  received      policed to 1000 packets/s, but that is not in effect"
    )
    both = lines(police_rate=10**6, police_packet_rate=1000, police_in_effect=True)
    assert both[-1] == "  received      policed to 1 Mbit/s and 1000 packets/s"


def test_what_a_queue_has():
    asked = ZERO._replace(asked=RequestedQueue(None, None, None, 0, None))
    assert of_queue(asked)[0] == "  queue 0       asked  priority 0"
    assert (
        of_queue(asked._replace(asked=RequestedQueue(None, None, None, None, None)))[0] == "  queue 0       asked  no settings of its own"
    )
    assert of_queue(ZERO, in_effect=False)[1] == "                has    nothing"
    assert of_queue(ZERO, in_effect=None)[1] == "                has    not known"
    bare = ONE._replace(tc=None)
    assert of_queue(bare)[1] == "                has    min 8 kbit/s, max 16 kbit/s, burst 24 kbit"
    assert of_queue(bare, in_effect=False)[1] == "                has    min 8 kbit/s, max 16 kbit/s, burst 24 kbit; tc: nothing"
    assert (
        of_queue(ZERO._replace(tc=TcClass(8, None, 1, 0)))[1]
        == "                has    not known; tc: rate 8 bit/s, 1 packet sent, 0 dropped"
    )


def test_what_a_queue_has_sent():
    assert of_queue(ONE._replace(tx_errors=2))[2] == "                sent   5 packets, 500 bytes; 2 errors"
    assert of_queue(ONE._replace(tx_packets=0, tx_bytes=0))[2] == "                sent   0 packets, 0 bytes"


def test_the_flows_to_a_queue():
    assert of_queue(ZERO._replace(flows=[]))[3:] == [
        "                flows  none; it gets all traffic that no flow puts into another queue"
    ]
    assert of_queue(ONE._replace(flows=[]))[3:] == ["                flows  none"]
    elsewhere = FLOW._replace(bridge="br1", certain=False, match="")
    assert of_queue(ONE._replace(flows=[FLOW, elsewhere]))[3:] == [
        "                flows  priority=7,ip actions=set_queue:1,NORMAL (3 packets)",
        "                       br1: priority=7 actions=set_queue:1,NORMAL (3 packets, on any output port)",
    ]
    assert len(of_queue(ONE._replace(flows=[FLOW] * 10))) == 13
    assert of_queue(ONE._replace(flows=[FLOW] * 12))[13:] == ["                       and 2 more"]
