"""What the database tells to be wrong with the QoS of a port: each rule with a state in which it is heard and those beside it in which it is silent.

What Open vSwitch does in each was read in its source: lib/netdev-linux.c, lib/netdev-dpdk.c and vswitchd/bridge.c of v2.13.0, v2.17.0,
v3.0.0, v3.1.0, v3.2.0, v3.3.0 and v3.7.1; the functions are named at the rules.
"""

import pytest
from severity import severity_of

from ovstool import remedy
from ovstool.host import Tls
from ovstool.switch.checks import shaping_rules
from ovstool.switch.checks.interface_state import InterfaceState
from ovstool.switch.checks.port_state import PortState, QueueRow
from ovstool.switch.checks.queue_flows import QueueFlow

GBIT = 10**9
HERE = remedy.Naming(None, False, None, None, Tls())
ETH = InterfaceState("eth1", "system", 1, None, 10 * GBIT, "veth", 1500, None, None, 0, 0)
NIC = ETH._replace(driver="ixgbe")
TAP = ETH._replace(driver="tun", link_speed=10**7)
DUMB = ETH._replace(link_speed=None, driver="")
DPDK = ETH._replace(type="dpdk", driver="net_ixgbe")
XDP = ETH._replace(type="afxdp", driver="ixgbe")


def shaped(config="", queues="", kind="linux-htb", interface=ETH, datapath="system", version=(3, 1), **more) -> PortState:
    """``shaped("max-rate=1", "0 1:min-rate=8,dscp=5")``, as the columns have it."""
    made = {}
    for queue in queues.split():
        number, _, values = queue.partition(":")
        other = dict(pair.split("=") for pair in values.split(",") if pair)
        dscp = other.pop("dscp", None)
        made[int(number)] = QueueRow(other, int(dscp) if dscp else None)
    other_config = dict(pair.split("=") for pair in config.split(",") if pair)
    return PortState(
        "eth1", "br0", datapath, False, [interface], version, uuid="u", type=kind, other_config=other_config, queues=made, **more
    )


def flow_to(queue: int) -> QueueFlow:
    return QueueFlow(queue, True, "br0", 0, 1, "0x0", 0, "ip", f"set_queue:{queue},NORMAL")


TEN = "max-rate=10000000"
UNKNOWN, TAPS, SPEED = "link speed unknown and no max-rate", "link speed of a tap and no max-rate", "max-rate above the link's speed"
SELECTED = "queues cannot be selected on the userspace datapath"
HELD, SUM, LEAST = "rate above what this Open vSwitch can hold", "sum of min rates above the max rate", "rate of a queue under the least"
HFSC, TOO_NEW = "queues of linux-hfsc without a max on a fast port", "a key that this Open vSwitch does not read"
NO_RATE, RANGE, LONG, XDP_PORT = (
    "a rate that is none",
    "value out of range",
    "burst longer than tc can hold",
    "QoS has no effect on ports of AF_XDP",
)
PRIORITY, TYPE, MTU = "priority of a queue too high", "QoS type not supported by this interface", "burst under the MTU"
SPELT = "a key that is spelt wrong"
# A port, the problem, a word of the evidence and of the remedy.
HEARD = [
    (shaped("max_rate=10000000", interface=NIC), SPELT, "max-rate is one", "--max-rate 10mbit"),
    (shaped(TEN, "0:Min-Rate=1000000", interface=NIC), SPELT, "queue 0: Min-Rate", "--queue 0:min=1mbit"),
    (shaped(interface=DUMB), UNKNOWN, "10 Gbit/s", "--max-rate 1gbit"),
    (shaped(interface=DUMB, version=(3, 0)), UNKNOWN, "100 Mbit/s", "--max-rate 1gbit"),
    (shaped(interface=DUMB, version=None), UNKNOWN, "10 Gbit/s (100 Mbit/s before 3.1)", "--max-rate 1gbit"),
    (shaped(interface=TAP), TAPS, "10 Mbit/s", "--max-rate 1gbit"),
    (shaped(interface=TAP, version=(3, 2)), TAPS, "limited to 8 Mbit/s", "--max-rate 1gbit"),
    (shaped("max-rate=0", kind="linux-hfsc", interface=TAP), TAPS, "10 Mbit/s", "--max-rate 1gbit"),
    (shaped("max-rate=40000000000", "0:min-rate=1000000000", interface=NIC, version=(3, 3)), SPEED, "40 Gbit/s", "--max-rate 10gbit"),
    (shaped(TEN, "0 1:min-rate=1000000", datapath="netdev"), SELECTED, "no class of linux-htb", "--max-rate 10mbit --queue 0"),
    (shaped(TEN, "0 1:max-rate=1000000,dscp=5", datapath="netdev"), SELECTED, "dscp is marked all the same", "--queue 0 --queue 1:dscp=5"),
    (shaped(TEN, "0 1", datapath="netdev"), SELECTED, "queue 0", "--queue 0"),
    (shaped(TEN, interface=XDP, datapath="netdev"), XDP_PORT, "afxdp", "qos clear eth1"),
    (shaped("max-rate=40000000000", "0"), HELD, "Open vSwitch 3.1 holds up to 34359738.36", "--max-rate 34359738.36kbit"),
    (shaped("", "0 1:max-rate=40000000000", version=(2, 13)), HELD, "queue 1", "--queue 1:max=34359738.36kbit"),
    (shaped("max-rate=40000000000", "0:max-rate=1000000", kind="linux-hfsc", version=(3, 7)), HELD, "linux-hfsc holds", "34359738.36kbit"),
    (shaped("max-rate=10000000000", "0 1:max-rate=5000000", kind="linux-hfsc", version=(3, 7)), HFSC, "queue 0: without a max ovs-vswitchd makes 1410065.408", "0:max=10gbit"),
    (shaped("", "0", kind="linux-hfsc", interface=ETH), HFSC, "of the port's 10 Gbit/s", "--queue 0:max=10gbit"),
    (shaped("latency=5,jitter=5", kind="linux-netem"), TOO_NEW, "from 3.2 on, and this is Open vSwitch 3.1", "netem --other-config latency=5"),
    (shaped(TEN, "0:max-rate=7"), NO_RATE, "queue 0: max-rate is 7", "--max-rate 10mbit --queue 0"),
    (shaped("max-rate=7", "0"), NO_RATE, "max-rate is 7", "--type linux-htb --queue 0"),
    (shaped(TEN, "0:min-rate=5", kind="linux-hfsc"), NO_RATE, "min-rate is 5", "--queue 0"),
    (shaped(TEN, "0:min-rate=11999"), LEAST, "no queue of linux-htb has less than 12 kbit/s", "--queue 0:min=12kbit"),
    (shaped(TEN, "0:min-rate=20000,max-rate=30000", interface=ETH._replace(mtu=9000)), LEAST, "72 kbit/s", "0:min=72kbit,max=72kbit"),
    (shaped("max-rate=20000", "0 1"), SUM, "2 queues have 12 kbit/s each", "--max-rate 24kbit"),
    (shaped(TEN, "0:min-rate=7000000 1:min-rate=6000000"), SUM, "13 Mbit/s", "--queue 0:min=5.384mbit"),
    (shaped(TEN, "0:priority=8"), PRIORITY, "priority 8", "--queue 0:priority=7"),
    (shaped("flows=70000", kind="linux-fq_codel"), RANGE, "1 to 65536 flows", "--type linux-fq_codel"),
    (shaped("quantum=100", kind="linux-fq_codel"), RANGE, "256 to 1048576 bytes", "linux-fq_codel"),
    (shaped("quantum=300000", kind="linux-sfq"), RANGE, "1 to 262136 bytes", "linux-sfq"),
    (shaped("latency=300000000", kind="linux-netem"), RANGE, "0 to 274877906 microseconds", "linux-netem"),
    (shaped(TEN, "0:min-rate=12000,burst=4000000"), LONG, "lasts 333 s", "--queue 0:burst=3.296mbit"),
    (shaped(TEN, "0:burst=8000"), MTU, "1000 bytes", "burst=12.512kbit"),
    (shaped("cir=1000,cbs=2048", kind="egress-policer"), TYPE, "linux- types alone", "--type linux-htb"),
    (shaped(TEN, interface=DPDK, datapath="netdev"), TYPE, "egress-policer and trtcm-policer alone", "--type egress-policer"),
]  # fmt: skip
HEALTHY = [
    shaped(f"{TEN},min_rate=1", "0", interface=NIC),  # which is a key of queues alone
    shaped(TEN, "0"),
    shaped(TEN, interface=DUMB),
    shaped("max-rate=1000000000", interface=TAP),
    shaped("", kind="linux-fq_codel", interface=TAP),
    shaped("", interface=TAP._replace(link_speed=10**10)),  # from Linux 6.2 on
    shaped("", "0", interface=NIC._replace(link_speed=10**7)),  # which is one of 10 Mbit/s
    shaped("max-rate=40000000000", "0:min-rate=1000000000", version=(3, 2)),  # a veth has no line
    shaped("max-rate=40000000000", "0:min-rate=1000000000", version=None),
    shaped("max-rate=40000000000", interface=NIC, version=(3, 3)),  # nothing is promised
    shaped("max-rate=10000000000", "0:min-rate=1000000000", interface=NIC),
    shaped(TEN, "0 1:dscp=5", datapath="netdev"),  # which marks
    shaped("cir=1000,cbs=2048,eir=0,ebs=0", "0:cir=500,cbs=2048 1:cir=500,cbs=2048", "trtcm-policer", DPDK, "netdev"),
    shaped("", kind="linux-noop", interface=XDP, datapath="netdev"),
    shaped("max-rate=34359738360", "0:max-rate=34359738360"),
    shaped("max-rate=34359738360", "0:max-rate=34359738360", kind="linux-hfsc"),
    shaped("max-rate=4000000000", "0 1", kind="linux-hfsc"),
    shaped("max-rate=10000000000", "0:max-rate=10000000000", kind="linux-hfsc"),
    shaped("max-rate=10000000000", "0 1"),
    shaped("latency=5,jitter=5", kind="linux-netem", version=(3, 2)),
    shaped("latency=5,jitter=5", kind="linux-netem", version=None),
    shaped(TEN, "0:min-rate=12000,max-rate=12000"),
    shaped(TEN, "0:min-rate=8,max-rate=1000", kind="linux-hfsc"),
    shaped("max-rate=8000", "0:min-rate=8000"),  # the port's is no less
    shaped("max-rate=24000", "0 1"),
    shaped(TEN, "0 1:min-rate=10000000"),  # by no more than what everybody has
    shaped(TEN, "0:priority=7 1:priority=0"),
    shaped("flows=65536,quantum=256", kind="linux-fq_codel"),
    shaped("quantum=262136,perturb=10", kind="linux-sfq"),
    shaped("latency=274877906,loss=100", kind="linux-netem"),
    shaped(TEN, "0:min-rate=12000,burst=3296000"),
    shaped(TEN, "0:max-rate=1000000,burst=4000000"),
    shaped("max-rate=1000000000", "0:min-rate=1000000,burst=4000000"),
]  # fmt: skip


def problems(port: PortState) -> list[str]:
    found = shaping_rules.findings(port)
    assert all(finding.severity == severity_of(finding.problem) for finding in found if finding.problem != MTU)
    return [finding.problem for finding in found]


@pytest.mark.parametrize(("port", "problem", "evidence", "command"), HEARD)
def test_a_state_in_which_a_rule_is_heard(port, problem, evidence, command):
    assert problems(port) == [problem]
    (finding,) = shaping_rules.findings(port)
    assert evidence in finding.evidence and command in remedy.text(finding.remedy, HERE)


@pytest.mark.parametrize("port", HEALTHY)
def test_a_state_in_which_none_is(port):
    assert problems(port) == []


def test_the_queue_0_that_is_made_up():
    for port, rate in (
        (shaped(TEN, "1"), "12 kbit/s"),
        (shaped(TEN, "1", interface=ETH._replace(mtu=9000)), "72 kbit/s"),
        (shaped(TEN, "1", kind="linux-hfsc"), "8 bit/s"),
    ):
        (finding,) = shaping_rules.findings(port)
        assert finding.problem == "no queue 0 for unclassified traffic" and finding.evidence.endswith(f"a min rate of {rate}")


def test_a_dscp_of_queue_0():
    """Measured by what ofproto/trace tells in test_check_rules.py, and read in dpif_netlink_ and dpif_netdev_queue_to_priority."""
    port = shaped(TEN, "0:dscp=10")
    (finding,) = shaping_rules.dscp_of_queue_0(port)
    assert finding.problem == "dscp of queue 0 marks nothing by itself" and "--queue 0 --match ip" in remedy.text(finding.remedy, HERE)
    for silent in (
        shaped(TEN, "0 1:dscp=10"),
        shaped(TEN, "0:dscp=10", datapath="netdev"),
        shaped(TEN, "0:dscp=10", queue_flows=[flow_to(0)]),
    ):
        assert list(shaping_rules.dscp_of_queue_0(silent)) == []
