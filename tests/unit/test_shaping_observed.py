"""Problems of a port's QoS found in tc and in flows, and the text of 'qos explain' for each state."""

import pytest
from severity import DISABLING, severity_of
from test_shaping_rules import DPDK, ETH, HERE, TEN, shaped

from ovstool import remedy
from ovstool.openflow import steering
from ovstool.switch import Finding
from ovstool.switch.checks import explain, shaping
from ovstool.switch.checks.datapath import DatapathQueue, Qdisc, TcClass
from ovstool.switch.checks.explain import ExplainedQueue, InstalledQueue, RequestedQueue
from ovstool.switch.checks.port_state import PortState, QueueRow
from ovstool.switch.checks.queue_flows import QueueFlow

HTB = Qdisc("htb", "1:", True, 1, 5, 1, 2)
INGRESS = Qdisc("ingress", "ffff:", False, None, 0, 0, 0)
OURS = hex(steering.cookie("eth1"))


def flow(queue: int, match: str = "ip", cookie: str = "0x0", certain: bool = False) -> QueueFlow:
    return QueueFlow(queue, certain, "br0", 0, 7, cookie, 3, match, f"set_queue:{queue},NORMAL")


# A port, the problem, and for each finding the evidence and the remedy without the program's name.
HEARD = [
    (shaped(TEN, qdiscs={"eth1": []}), "the qdisc is not installed",
     [("tc has no root qdisc on eth1; for linux-htb it should be htb 1: with the default class 1:1", "qos set eth1 --type linux-htb --max-rate 10mbit --force")]),
    (shaped(TEN, qdiscs={}), "the qdisc is not installed",
     [("tc cannot find eth1 where ovs-vswitchd runs; a device in another network namespace gets no QoS", "port show eth1")]),
    (shaped(TEN, interface=ETH._replace(is_here=True), qdiscs={}), "the qdisc is not installed",
     [("tc has no root qdisc on eth1; for linux-htb it should be htb 1: with the default class 1:1", "qos set eth1 --type linux-htb --max-rate 10mbit --force")]),
    (shaped(TEN, qdiscs={"eth1": [INGRESS]}), "the qdisc is not installed",
     [("tc has no root qdisc on eth1; for linux-htb it should be htb 1: with the default class 1:1", "qos set eth1 --type linux-htb --max-rate 10mbit --force")]),
    (shaped(TEN, qdiscs={"eth1": [Qdisc("htb", "1:", True, 0x30, 0, 0, 0)]}), "a foreign qdisc is in the way",
     [("tc has htb 1: with the default class 1:30 on eth1; for linux-htb it should be htb 1: with the default class 1:1", "qos set eth1 --type linux-htb --max-rate 10mbit --force")]),
    (shaped(TEN, qdiscs={"eth1": [Qdisc("htb", "2:", True, 1, 0, 0, 0)]}), "a foreign qdisc is in the way",
     [("tc has htb 2: with the default class 1:1 on eth1; for linux-htb it should be htb 1: with the default class 1:1", "qos set eth1 --type linux-htb --max-rate 10mbit --force")]),
    (shaped(TEN, qdiscs={"eth1": [Qdisc("noqueue", "0:", True, None, 0, 0, 0)]}), "the qdisc is not installed",
     [("tc has noqueue 0: on eth1; for linux-htb it should be htb 1: with the default class 1:1", "qos set eth1 --type linux-htb --max-rate 10mbit --force")]),
    (shaped(TEN, qdiscs={"eth1": [Qdisc("hfsc", "1:", True, 1, 0, 0, 0)]}), "a foreign qdisc is in the way",
     [("tc has hfsc 1: with the default class 1:1 on eth1; for linux-htb it should be htb 1: with the default class 1:1", "qos set eth1 --type linux-htb --max-rate 10mbit --force")]),
    (shaped("", kind="linux-sfq", qdiscs={"eth1": [Qdisc("htb", "1:", True, 1, 0, 0, 0)]}), "a foreign qdisc is in the way",
     [("tc has htb 1: with the default class 1:1 on eth1; for linux-sfq it should be sfq 1:", "qos set eth1 --type linux-sfq --force")]),
    (shaped(TEN, "0 1", queue_flows=[]), "no flow leads to a queue",
     [("queue 1: no flow on br0 uses set_queue:1 or enqueue for it; the match in the remedy is only an example", "qos steer eth1 --queue 1 --match ip,ip_dscp=46")]),
    (shaped(TEN, "0 1 2", queue_flows=[], anywhere={5: [flow(5, "ip,nw_tos=184")]}), "no flow leads to a queue",
     [("queue 1: no flow on br0 uses set_queue:1 or enqueue for it; the match in the remedy is only an example", "qos steer eth1 --queue 1 --match ip,ip_dscp=34"), ("queue 2: no flow on br0 uses set_queue:2 or enqueue for it; the match in the remedy is only an example", "qos steer eth1 --queue 2 --match ip,ip_dscp=26")]),
    (shaped(TEN, "0 1", queue_flows=[])._replace(is_owned=True), "no flow leads to a queue",
     [("queue 1: no flow on br0 uses set_queue:1 or enqueue for it; adding one is up to whoever manages the flows of br0, which are not just NORMAL or belong to a controller", "flow list br0")]),
    (shaped(TEN, "0 61439", queue_flows=[]), "no flow leads to a queue",
     [("queue 61439: no flow on br0 uses set_queue:61439 or enqueue for it; the match in the remedy is only an example", "qos steer eth1 --queue 61439 --match ip,ip_dscp=46")]),
    (shaped(TEN, "0 1:dscp=5", datapath="netdev", queue_flows=[]), "no flow leads to a queue",
     [("queue 1: no flow on br0 uses set_queue:1 or enqueue for it; the match in the remedy is only an example", "qos steer eth1 --queue 1 --match ip,ip_dscp=46")]),
    (shaped("cir=1000,cbs=2048,eir=0,ebs=0", "0:cir=500,cbs=2048 1:cir=500,cbs=2048", "trtcm-policer", DPDK, "netdev", queue_flows=[]), "no flow leads to a queue",
     [("queue 1: no flow on br0 uses set_queue:1 or enqueue for it; the match in the remedy is only an example", "qos steer eth1 --queue 1 --match ip,ip_dscp=46")]),
    (shaped(TEN, "0:dscp=10", queue_flows=[]), "dscp of queue 0 marks nothing by itself",
     [("queue 0 has dscp 10, but only traffic that a flow puts into it with set_queue:0 or enqueue is marked", "qos steer eth1 --queue 0 --match ip")]),
    (shaped(TEN, "0:dscp=10", queue_flows=[])._replace(is_owned=True), "dscp of queue 0 marks nothing by itself",
     [("queue 0 has dscp 10, but only traffic that a flow puts into it with set_queue:0 or enqueue is marked", "flow list br0")]),
    (shaped(TEN, "0", queue_flows=[flow(5, certain=True), flow(5, "arp", certain=True)]), "a flow leads to a queue that is not there",
     [("flow priority=7,ip actions=set_queue:5,NORMAL selects queue 5, which the port does not have, so its traffic goes to queue 0", "qos set eth1 --merge --queue 5")]),
    (shaped(TEN, "0", queue_flows=[flow(1, certain=True)]), "a flow leads to a queue that is not there",
     [("flow priority=7,ip actions=set_queue:1,NORMAL selects queue 1, which the port does not have, so its traffic goes to queue 0", "qos set eth1 --merge --queue 1")]),
    (shaped(TEN, qdiscs={})._replace(interfaces=[ETH._replace(name="eth0", ofport=None), ETH._replace(name="gre1", type="gre"), ETH]), "the qdisc is not installed",
     [("tc cannot find eth1 where ovs-vswitchd runs; a device in another network namespace gets no QoS", "port show eth1")]),
    (shaped(TEN, "0", queue_flows=[flow(61439, "", certain=True)]), "a flow leads to a queue that is not there",
     [("flow priority=7 actions=set_queue:61439,NORMAL selects queue 61439, which the port does not have, so its traffic goes to queue 0", "qos set eth1 --merge --queue 61439")]),
    (shaped(TEN, "0", queue_flows=[], anywhere={5: [flow(5, "ip", OURS), flow(5, "arp", OURS)]}), "a flow leads to a queue that is not there",
     [("'qos steer' added flow priority=7,ip actions=set_queue:5,NORMAL, but the port no longer has queue 5", "qos unsteer eth1 --queue 5")]),
    (shaped(TEN, "0", queue_flows=[], anywhere={0: [flow(0, "ip", OURS)], 6: [flow(6, "ip", OURS)]}), "a flow leads to a queue that is not there",
     [("'qos steer' added flow priority=7,ip actions=set_queue:6,NORMAL, but the port no longer has queue 6", "qos unsteer eth1 --queue 6")]),
]  # fmt: skip
SILENT = [
    shaped(TEN),
    shaped(TEN, qdiscs={"eth1": [INGRESS, HTB]}),
    shaped(TEN, datapath="dummy", qdiscs={}),
    shaped(TEN, interface=ETH._replace(ofport=None), qdiscs={}),
    shaped(TEN, interface=ETH._replace(type="gre"), qdiscs={}),
    shaped("", kind="linux-noop", qdiscs={"eth1": []}),
    shaped("", kind="linux-sfq", qdiscs={"eth1": [Qdisc("sfq", "1:", True, None, 0, 0, 0)]}),
    shaped("cir=1000,cbs=2048", kind="egress-policer", interface=DPDK, qdiscs={}),
    shaped(TEN, "0 1"),
    shaped(TEN, "0 1", queue_flows=[flow(1, certain=True)]),
    shaped(TEN, "0 1", queue_flows=[], anywhere={1: [flow(1)]}),
    shaped(TEN, "0 1", datapath="netdev", queue_flows=[]),
    shaped(TEN, "0 61440", queue_flows=[]),
    shaped("", "0 1", kind="linux-sfq", queue_flows=[]),
    shaped(TEN, "0:dscp=10"),
    shaped(TEN, "0", queue_flows=[flow(61440, certain=True), flow(0, certain=True)]),
    shaped(TEN, "1", queue_flows=[flow(0, certain=True), flow(1, certain=True)]),  # ovs-vswitchd creates queue 0 itself
    shaped("", kind="linux-sfq", queue_flows=[flow(5, certain=True)], anywhere={5: [flow(5, "ip", OURS)]}),
    shaped(TEN, "0", queue_flows=[], anywhere={5: [flow(5)], 0: [flow(0, "ip", OURS)]}),
]


def found(port: PortState) -> list[Finding]:
    return [finding for rule in shaping._RULES for finding in rule(port)]


@pytest.mark.parametrize(("port", "problem", "said"), HEARD)
def test_a_state_that_a_rule_reports(port, problem, said):
    assert [(finding.evidence, remedy.text(finding.remedy, HERE)) for finding in found(port)] == [
        (evidence, f"ovstool {command}") for evidence, command in said
    ]
    for finding in found(port):
        assert (finding.problem, finding.severity) == (problem, severity_of(problem))
        assert (finding.disables, finding.may_pass) == (problem in DISABLING, False)


@pytest.mark.parametrize("port", SILENT)
def test_a_healthy_state(port):
    assert found(port) == []


def test_each_queue_gets_another_example_as_long_as_there_are_some():
    port = shaped(TEN, " ".join(map(str, range(17))), queue_flows=[])
    used = [finding.remedy[0][-1] for finding in found(port)]
    first = [46, 34, 26, 18, 10]
    assert used == [f"ip,ip_dscp={dscp}" for dscp in (*first, *range(1, 10), 46, 46)]


def test_the_flows_to_a_queue_are_each_named_once():
    port = shaped(queue_flows=[flow(1, certain=True), flow(2, "tcp", certain=True)], anywhere={1: [flow(1), flow(1, "udp")], 3: [flow(3)]})
    assert port.flows_to(1) == [flow(1, certain=True), flow(1, "udp")]
    assert port.flows_to(2) == [flow(2, "tcp", certain=True)]
    assert port.flows_to(3) == [flow(3)] and port.flows_to(4) == []


@pytest.mark.parametrize(
    ("port", "limit", "least", "mtu"),
    [
        (shaped(TEN), 10**7, 12_000, 1500),
        (shaped("max-rate=11999"), 11_999, 11_999, 1500),
        (shaped(TEN, kind="linux-hfsc"), 10**7, 8, 1500),
        (shaped("", interface=ETH._replace(mtu=9000, link_speed=10**9)), 10**9, 72_000, 9000),
        (shaped("", interface=ETH._replace(link_speed=None), version=(3, 0)), 10**8, 12_000, 1500),
        (shaped("", interface=ETH._replace(link_speed=None), version=(3, 1)), 10**10, 12_000, 1500),
        (shaped("", interface=ETH._replace(link_speed=None), version=None), 10**10, 12_000, 1500),
        (shaped("", interface=ETH._replace(link_speed=15_999_999), version=(3, 1)), 15_999_999, 12_000, 1500),
        (shaped("", interface=ETH._replace(link_speed=15_999_999), version=(3, 2)), 8 * 10**6, 12_000, 1500),
        (shaped("", interface=ETH._replace(link_speed=16_000_000), version=(3, 2)), 16 * 10**6, 12_000, 1500),
        (shaped("", interface=ETH._replace(link_speed=7_999_999), version=(3, 2)), 10**10, 12_000, 1500),
        (shaped("")._replace(interfaces=[]), None, 12_000, 1500),
        (shaped("")._replace(interfaces=[ETH._replace(mtu=1400, link_speed=5), ETH._replace(link_speed=6)]), 6, 6, 1500),
    ],
)
def test_what_all_queues_share_and_what_each_has_at_least(port, limit, least, mtu):
    assert (port.limit, port.least_rate, port.mtu) == (limit, least, mtu)


# --- explained


NO_DEFAULT = "there are no queues to choose from"
NONE_IN_EFFECT = "there are no queues, because the QoS is not in effect"
SHAPED = "yes: tc has htb 1: on eth1, which has sent 5 packets, held back 2 and dropped 1"


@pytest.mark.parametrize(
    ("port", "effect", "unclassified"),
    [
        (shaped()._replace(type=None), (False, "nothing is shaped"), NO_DEFAULT),
        (shaped(TEN, datapath="dummy"), (False, "no: the dummy datapath shapes nothing"), NONE_IN_EFFECT),
        (shaped(TEN, kind="my-qos", qdiscs={}), (False, "no: QoS type not known"), NONE_IN_EFFECT),
        (shaped(TEN, qdiscs={"eth1": []}), (False, "no: the qdisc is not installed"), NONE_IN_EFFECT),
        (shaped("", kind="linux-noop", qdiscs={}), (None, "linux-noop leaves the queueing of the port to other software"), NO_DEFAULT),
        (shaped(TEN, "0"), (None, "not known here"), "traffic that no flow puts into another queue goes to queue 0"),
        (shaped("cir=1000,cbs=2048", kind="egress-policer", interface=DPDK, qdiscs={}), (None, "not known here"), NO_DEFAULT),
        (shaped(TEN, "0", qdiscs={"eth1": [INGRESS, HTB]}), (True, SHAPED), "traffic that no flow puts into another queue goes to queue 0"),
        (
            shaped(TEN, "1", qdiscs={"eth1": [HTB]}),
            (True, SHAPED),
            "traffic that no flow puts into a queue goes to the queue 0 that ovs-vswitchd creates itself, with a min rate of 12 kbit/s",
        ),
        (
            shaped("", kind="linux-sfq", qdiscs={"eth1": [Qdisc("sfq", "1:", True, None, 0, 0, 0)]}),
            (True, "yes: tc has sfq 1: on eth1, which has sent 0 packets, held back 0 and dropped 0"),
            NO_DEFAULT,
        ),
    ],
)
def test_the_effect_in_words(port, effect, unclassified):
    problems = [*shaping.shaping_rules.findings(port), *found(port)] if port.type else []
    assert explain._effect(port, problems) == effect
    assert explain._unclassified(port, effect[0]) == unclassified


def test_queues_as_configured_and_as_installed():
    port = shaped(
        TEN,
        "1:min-rate=8,max-rate=16,burst=24,priority=3,dscp=5",
        queue_flows=[flow(1)],
        datapath_queues={0: DatapathQueue(1, 2, 3, 4, 5, 6)},
        classes={0: TcClass(7, 8, 9, 10)},
    )
    port = port._replace(queues=dict(port.queues) | {2: QueueRow(is_gone=True)})
    assert explain._queues(port) == [
        ExplainedQueue(0, None, InstalledQueue(1, 2, 3), TcClass(7, 8, 9, 10), 4, 5, 6, []),
        ExplainedQueue(1, RequestedQueue(8, 16, 24, 3, 5), None, None, None, None, None, [flow(1)]),
        ExplainedQueue(2, None, None, None, None, None, None, []),
    ]
    (unknown,) = explain._queues(shaped(TEN, "0"))
    assert unknown.flows is None
