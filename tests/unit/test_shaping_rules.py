"""Problems of a port's QoS found in the database: for each rule states that it reports, and similar ones that it does not.

Open vSwitch's behaviour in each was read from its source: lib/netdev-linux.c, lib/netdev-dpdk.c and vswitchd/bridge.c of v2.13.0, v2.17.0,
v3.0.0, v3.1.0, v3.2.0, v3.3.0 and v3.7.1; the functions are named at the rules.
"""

import pytest
from severity import DISABLING, severity_of

from ovstool import remedy
from ovstool.host import Tls
from ovstool.switch.checks import shaping_remedies, shaping_rules
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
    """A port such as ``shaped("max-rate=1", "0 1:min-rate=8,dscp=5")``, with values as in the columns."""
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
# A port, the problem, the evidence, and the remedy without the program's name.
HEARD = [
    (shaped("max_rate=10000000", interface=NIC), SPELT,
     "linux-htb does not read max_rate; the key is spelled max-rate", "qos set eth1 --type linux-htb --max-rate 10mbit"),
    (shaped(TEN, "0:Min-Rate=1000000", interface=NIC), SPELT,
     "queue 0: linux-htb does not read Min-Rate; the key is spelled min-rate", "qos set eth1 --type linux-htb --max-rate 10mbit --queue 0:min=1mbit"),
    (shaped(interface=DUMB), UNKNOWN,
     "eth1 reports no usable link speed, so ovs-vswitchd assumes 10 Gbit/s", "qos set eth1 --merge --max-rate 1gbit"),
    (shaped(interface=DUMB, version=(3, 0)), UNKNOWN,
     "eth1 reports no usable link speed, so ovs-vswitchd assumes 100 Mbit/s", "qos set eth1 --merge --max-rate 1gbit"),
    (shaped(interface=DUMB, version=None), UNKNOWN,
     "eth1 reports no usable link speed, so ovs-vswitchd assumes 10 Gbit/s (100 Mbit/s before 3.1)", "qos set eth1 --merge --max-rate 1gbit"),
    (shaped(interface=TAP), TAPS,
     "eth1 reports 10 Mbit/s, as taps do whatever their real speed; traffic sent to it is limited to 10 Mbit/s", "qos set eth1 --merge --max-rate 1gbit"),
    (shaped(interface=TAP, version=(3, 2)), TAPS,
     "eth1 reports 10 Mbit/s, as taps do whatever their real speed; traffic sent to it is limited to 8 Mbit/s", "qos set eth1 --merge --max-rate 1gbit"),
    (shaped("max-rate=0", kind="linux-hfsc", interface=TAP), TAPS,
     "eth1 reports 10 Mbit/s, as taps do whatever their real speed; traffic sent to it is limited to 10 Mbit/s", "qos set eth1 --merge --max-rate 1gbit"),
    (shaped("max-rate=40000000000", "0:min-rate=1000000000", interface=NIC, version=(3, 3)), SPEED,
     "the max-rate is 40 Gbit/s, and the link of eth1 runs at 10 Gbit/s, so no queue's min is guaranteed", "qos set eth1 --merge --max-rate 10gbit"),
    (shaped(TEN, "0 1:min-rate=1000000", datapath="netdev"), SELECTED,
     "br0 uses the userspace datapath (netdev), where set_queue cannot select a class of linux-htb: all traffic goes through queue 0; the kernel datapath (datapath_type=system) supports queues; the command below keeps only queue 0", "qos set eth1 --type linux-htb --max-rate 10mbit --queue 0"),
    (shaped(TEN, "0 1:max-rate=1000000,dscp=5", datapath="netdev"), SELECTED,
     "br0 uses the userspace datapath (netdev), where set_queue cannot select a class of linux-htb: all traffic goes through queue 0; its dscp is still marked; the kernel datapath (datapath_type=system) supports queues; the command below keeps only queue 0", "qos set eth1 --type linux-htb --max-rate 10mbit --queue 0 --queue 1:dscp=5"),
    (shaped(TEN, "0 1", datapath="netdev"), SELECTED,
     "br0 uses the userspace datapath (netdev), where set_queue cannot select a class of linux-htb: all traffic goes through queue 0; the kernel datapath (datapath_type=system) supports queues; the command below keeps only queue 0", "qos set eth1 --type linux-htb --max-rate 10mbit --queue 0"),
    (shaped(TEN, interface=XDP, datapath="netdev"), XDP_PORT,
     "traffic that eth1 (type afxdp) sends through its XDP socket bypasses the qdisc that ovs-vswitchd installs", "qos clear eth1"),
    (shaped("max-rate=40000000000", "0"), HELD,
     "max-rate is 40 Gbit/s, and Open vSwitch 3.1 can hold at most 34359738.36 kbit/s", "qos set eth1 --merge --max-rate 34359738.36kbit"),
    (shaped("", "0 1:max-rate=40000000000", version=(2, 13)), HELD,
     "queue 1 is 40 Gbit/s, and Open vSwitch 2.13 can hold at most 34359738.36 kbit/s", "qos set eth1 --merge --queue 1:max=34359738.36kbit"),
    (shaped("max-rate=40000000000", "0:max-rate=1000000", kind="linux-hfsc", version=(3, 7)), HELD,
     "max-rate is 40 Gbit/s, and linux-hfsc can hold at most 34359738.36 kbit/s", "qos set eth1 --merge --max-rate 34359738.36kbit"),
    (shaped("max-rate=10000000000", "0 1:max-rate=5000000", kind="linux-hfsc", version=(3, 7)), HFSC,
     "queue 0: with no max, ovs-vswitchd uses the port's 10 Gbit/s, which overflows 32 bits and becomes 1410065.408 kbit/s", "qos set eth1 --merge --queue 0:max=10gbit"),
    (shaped("", "0", kind="linux-hfsc", interface=ETH), HFSC,
     "queue 0: with no max, ovs-vswitchd uses the port's 10 Gbit/s, which overflows 32 bits and becomes 1410065.408 kbit/s", "qos set eth1 --merge --queue 0:max=10gbit"),
    (shaped("latency=5,jitter=5", kind="linux-netem"), TOO_NEW,
     "linux-netem supports jitter from Open vSwitch 3.2 on, and this is 3.1", "qos set eth1 --type linux-netem --other-config latency=5"),
    (shaped(TEN, "0:max-rate=7"), NO_RATE,
     "queue 0: max-rate is 7 bit/s, less than one byte per second, which ovs-vswitchd treats as no rate", "qos set eth1 --type linux-htb --max-rate 10mbit --queue 0"),
    (shaped("max-rate=7", "0"), NO_RATE,
     "max-rate is 7 bit/s, less than one byte per second, which ovs-vswitchd treats as no rate", "qos set eth1 --type linux-htb --queue 0"),
    (shaped(TEN, "0:min-rate=5", kind="linux-hfsc"), NO_RATE,
     "queue 0: min-rate is 5 bit/s, less than one byte per second, which ovs-vswitchd treats as no rate", "qos set eth1 --type linux-hfsc --max-rate 10mbit --queue 0"),
    (shaped(TEN, "0:min-rate=11999"), LEAST,
     "queue 0: min 11.999 kbit/s; with an MTU of 1500, linux-htb gives every queue at least 12 kbit/s", "qos set eth1 --merge --queue 0:min=12kbit"),
    (shaped(TEN, "0:min-rate=20000,max-rate=30000", interface=ETH._replace(mtu=9000)), LEAST,
     "queue 0: min 20 kbit/s and max 30 kbit/s; with an MTU of 9000, linux-htb gives every queue at least 72 kbit/s", "qos set eth1 --merge --queue 0:min=72kbit,max=72kbit"),
    (shaped("max-rate=20000", "0 1"), SUM,
     "2 queues with at least 12 kbit/s each, more than the port's 20 kbit/s", "qos set eth1 --merge --max-rate 24kbit"),
    (shaped(TEN, "0:min-rate=7000000 1:min-rate=6000000"), SUM,
     "the queues are guaranteed 13 Mbit/s in total, and the port has 10 Mbit/s", "qos set eth1 --merge --queue 0:min=5.384mbit --queue 1:min=4.615mbit"),
    (shaped(TEN, "0:priority=8"), PRIORITY,
     "queue 0: priority 8; the kernel treats priorities above 7 as 7", "qos set eth1 --type linux-htb --max-rate 10mbit --queue 0:priority=7"),
    (shaped("flows=70000", kind="linux-fq_codel"), RANGE,
     "flows is 70000; the kernel accepts 1 to 65536 flows", "qos set eth1 --type linux-fq_codel"),
    (shaped("quantum=100", kind="linux-fq_codel"), RANGE,
     "quantum is 100; the kernel accepts 256 to 1048576 bytes", "qos set eth1 --type linux-fq_codel"),
    (shaped("quantum=300000", kind="linux-sfq"), RANGE,
     "quantum is 300000; the kernel accepts 1 to 262136 bytes", "qos set eth1 --type linux-sfq"),
    (shaped("latency=300000000", kind="linux-netem"), RANGE,
     "latency is 300000000; the kernel accepts 0 to 274877906 microseconds", "qos set eth1 --type linux-netem"),
    (shaped(TEN, "0:min-rate=12000,burst=4000000"), LONG,
     "queue 0: at its min of 12 kbit/s the burst of 4 Mbit lasts 333 s, and tc can hold 274 s; a longer one wraps around", "qos set eth1 --merge --queue 0:burst=3.296mbit"),
    (shaped(TEN, "0:burst=8000"), MTU,
     "queue 0: the burst is 1000 bytes, and a frame can have 1500; ovs-vswitchd uses 1564 instead", "qos set eth1 --merge --queue 0:burst=12.512kbit"),
    (shaped("cir=1000,cbs=2048", kind="egress-policer"), TYPE,
     "the type is egress-policer, and eth1 (type system) supports only the linux- types", "qos set eth1 --type linux-htb --max-rate 8kbit"),
    (shaped(TEN, interface=DPDK, datapath="netdev"), TYPE,
     "the type is linux-htb, and eth1 (type dpdk) supports only egress-policer and trtcm-policer", "qos set eth1 --type egress-policer --max-rate 10mbit"),
    (shaped(TEN, kind="my-qos"), "QoS type not known",
     "the type is my-qos, which ovs-vswitchd silently ignores unless it was built with support for it", "qos set eth1 --type linux-htb --max-rate 10mbit"),
    (shaped("max-rate=10000000,a=b", "0:min-rate=8000000,burst=20000,priority=3,dscp=5 1", kind="my-qos"), "QoS type not known",
     "the type is my-qos, which ovs-vswitchd silently ignores unless it was built with support for it", "qos set eth1 --type linux-htb --max-rate 10mbit --other-config a=b --queue 0:min=8mbit,burst=20kbit,priority=3,dscp=5 --queue 1"),
    (shaped(TEN, interface=ETH._replace(type="gre")), TYPE,
     "eth1 is of type gre, which does not support QoS", "qos clear eth1"),
    (shaped(TEN, interface=ETH._replace(type="gre", received=2_000_000)), TYPE,
     "eth1 is of type gre, which does not support QoS", "qos clear eth1"),
    (shaped(TEN, interface=ETH._replace(type="internal", received=2_000_000)), "QoS on an internal port limits the other direction",
     "its qdisc limits what this host sends into br0 through eth1; policing would limit what the host receives from it", "qos clear eth1"),
    (shaped("", kind="egress-policer", interface=ETH._replace(link_speed=None)), TYPE,
     "the type is egress-policer, and eth1 (type system) supports only the linux- types", "qos set eth1 --type linux-htb --max-rate 1gbit"),
    (shaped("cir=1000,cbs=2048", kind="egress-policer", interface=ETH._replace(type="internal")), TYPE,
     "the type is egress-policer, and eth1 (type internal) supports only the linux- types", "qos set eth1 --type linux-htb --max-rate 8kbit"),
    (shaped("", interface=ETH._replace(type="dpdkvhostuser", driver="x"), datapath="netdev"), TYPE,
     "the type is linux-htb, and eth1 (type dpdkvhostuser) supports only egress-policer and trtcm-policer", "qos set eth1 --type egress-policer --max-rate 10gbit"),
    (shaped(TEN, interface=ETH._replace(type="internal")), "QoS on an internal port limits the other direction",
     "its qdisc limits what this host sends into br0 through eth1; policing would limit what the host receives from it", "qos clear eth1"),
    (shaped(TEN, interface=ETH._replace(type="internal"), datapath="dummy", qdiscs={}), "QoS on an internal port limits the other direction",
     "its qdisc limits what this host sends into br0 through eth1; policing would limit what the host receives from it", "qos clear eth1"),
    (shaped(TEN, interface=ETH._replace(type="internal"), qdiscs={"eth1": []}), "QoS on an internal port limits the other direction",
     "its qdisc limits what this host sends into br0 through eth1; policing would limit what the host receives from it", "qos clear eth1"),
    (shaped(TEN, interface=ETH._replace(ofport=None)), "the interface is not open",
     "eth1 has no OpenFlow port number", "port show eth1"),
    (shaped(TEN, interface=ETH._replace(ofport=None, error="could not open network device")), "the interface is not open",
     "could not open network device", "port show eth1"),
    (shaped("max-rate=1e6", interface=NIC), "value not an integer",
     "max-rate is 1e6, which ovs-vswitchd ignores", "qos set eth1 --type linux-htb --max-rate 1mbit"),
    (shaped("max-rate=10mbit", interface=NIC), "value not an integer",
     "max-rate is 10mbit, which ovs-vswitchd ignores", "qos set eth1 --type linux-htb --max-rate 10mbit"),
    (shaped("max-rate=x", "", interface=NIC), "value not an integer",
     "max-rate is x, which ovs-vswitchd ignores", "qos set eth1 --type linux-htb --max-rate 10gbit"),
    (shaped(TEN, "0:burst=x", interface=NIC), "value not an integer",
     "queue 0: burst is x, which ovs-vswitchd ignores", "qos set eth1 --type linux-htb --max-rate 10mbit --queue 0"),
    (shaped("quantum=x", kind="linux-sfq"), "value not an integer",
     "quantum is x, which ovs-vswitchd ignores", "qos set eth1 --type linux-sfq"),
    (shaped("Quantum=1514", kind="linux-sfq"), SPELT,
     "linux-sfq does not read Quantum; the key is spelled quantum", "qos set eth1 --type linux-sfq"),
    (shaped("quantum=262137", kind="linux-sfq"), RANGE,
     "quantum is 262137; the kernel accepts 1 to 262136 bytes", "qos set eth1 --type linux-sfq"),
    (shaped("flows=65537", kind="linux-fq_codel"), RANGE,
     "flows is 65537; the kernel accepts 1 to 65536 flows", "qos set eth1 --type linux-fq_codel"),
    (shaped("loss=101", kind="linux-netem"), RANGE,
     "loss is 101; the kernel accepts 0 to 100 percent", "qos set eth1 --type linux-netem"),
    (shaped("latency=5,jitter=5", kind="linux-netem", version=(3, 1)), TOO_NEW,
     "linux-netem supports jitter from Open vSwitch 3.2 on, and this is 3.1", "qos set eth1 --type linux-netem --other-config latency=5"),
    (shaped(TEN, "0 61440:min-rate=12000"), "number of a queue too high",
     "queue 61440; ovs-vswitchd installs queues up to 61439, because tc has no class number for higher ones", "qos set eth1 --type linux-htb --max-rate 10mbit --queue 0"),
    (shaped(TEN, "0 1")._replace(queues={0: QueueRow(), 1: QueueRow(is_gone=True)}), "the row of a queue is gone",
     "queue 1 refers to a Queue row that does not exist", "qos set eth1 --type linux-htb --max-rate 10mbit --queue 0 --queue 1"),
    (shaped(TEN, "0:min-rate=8"), LEAST,
     "queue 0: min 8 bit/s; with an MTU of 1500, linux-htb gives every queue at least 12 kbit/s", "qos set eth1 --merge --queue 0:min=12kbit"),
    (shaped(TEN, "0:min-rate=9000,max-rate=11999"), LEAST,
     "queue 0: min 9 kbit/s and max 11.999 kbit/s; with an MTU of 1500, linux-htb gives every queue at least 12 kbit/s", "qos set eth1 --merge --queue 0:min=12kbit,max=12kbit"),
    (shaped("max-rate=11000", "0:min-rate=8"), LEAST,
     "queue 0: min 8 bit/s; with an MTU of 1500, linux-htb gives every queue at least 11 kbit/s", "qos set eth1 --merge --queue 0:min=11kbit"),
    (shaped(TEN, "0:min-rate=2000000,max-rate=1999999"), "min above max",
     "queue 0: min 2 Mbit/s, max 1999.999 kbit/s; the min wins", "qos set eth1 --merge --queue 0:min=1999.999kbit"),
    (shaped(TEN, "0:min-rate=2000000,max-rate=1000000", kind="linux-hfsc"), "min above max",
     "queue 0: min 2 Mbit/s, max 1 Mbit/s; the min wins", "qos set eth1 --merge --queue 0:min=1mbit"),
    (shaped(TEN, "0:min-rate=10000001"), SUM,
     "the queues are guaranteed 10000.001 kbit/s in total, and the port has 10 Mbit/s", "qos set eth1 --merge --queue 0:min=10mbit"),
    (shaped("max-rate=30000", "0:min-rate=16000 1:min-rate=15000"), SUM,
     "the queues are guaranteed 31 kbit/s in total, and the port has 30 kbit/s", "qos set eth1 --merge --queue 0:min=15kbit --queue 1:min=14kbit"),
    (shaped("", "0:min-rate=9000000000 1:min-rate=2000000000", interface=NIC), SUM,
     "the queues are guaranteed 11 Gbit/s in total, and the port has 10 Gbit/s", "qos set eth1 --merge --queue 0:min=8181.818mbit --queue 1:min=1818.181mbit"),
    (shaped("max-rate=23999", "0 1"), SUM,
     "2 queues with at least 12 kbit/s each, more than the port's 23.999 kbit/s", "qos set eth1 --merge --max-rate 24kbit"),
    (shaped("max-rate=20", "0:min-rate=24 1:min-rate=8", kind="linux-hfsc"), SUM,
     "the queues are guaranteed 32 bit/s in total, and the port has 20 bit/s", "qos set eth1 --merge --queue 0:min=15bit --queue 1:min=8bit"),
    (shaped(TEN, "0:min-rate=10000000,max-rate=12000000"), "queue's max above the port's",
     "queue 0 has a max of 12 Mbit/s, the port 10 Mbit/s; the port's limit wins", "qos set eth1 --merge --queue 0:max=10mbit"),
    (shaped(TEN, "0:max-rate=10000001"), "queue's max above the port's",
     "queue 0 has a max of 10000.001 kbit/s, the port 10 Mbit/s; the port's limit wins", "qos set eth1 --merge --queue 0:max=10mbit"),
    (shaped(TEN, "0:burst=12511"), MTU,
     "queue 0: the burst is 1563 bytes, and a frame can have 1500; ovs-vswitchd uses 1564 instead", "qos set eth1 --merge --queue 0:burst=12.512kbit"),
    (shaped("cir=1000,cbs=1499", kind="egress-policer", interface=DPDK, datapath="netdev"), MTU,
     "the burst is 1499 bytes, and a larger packet never passes; packets can have 1500", "qos set eth1 --merge --burst 12kbit"),
    (shaped(TEN, "0:min-rate=12000,burst=3304001"), LONG,
     "queue 0: at its min of 12 kbit/s the burst of 3304.001 kbit lasts 275 s, and tc can hold 274 s; a longer one wraps around", "qos set eth1 --merge --queue 0:burst=3.296mbit"),
    (shaped(TEN, "0:min-rate=24000,burst=9000000"), LONG,
     "queue 0: at its min of 24 kbit/s the burst of 9 Mbit lasts 375 s, and tc can hold 274 s; a longer one wraps around", "qos set eth1 --merge --queue 0:burst=6.592mbit"),
    (shaped("max-rate=34359738361", "0:max-rate=34359738360"), HELD,
     "max-rate is 34359738.361 kbit/s, and Open vSwitch 3.1 can hold at most 34359738.36 kbit/s", "qos set eth1 --merge --max-rate 34359738.36kbit"),
    (shaped("max-rate=40000000000", "0:max-rate=39000000000 1:max-rate=38000000000"), HELD,
     "max-rate is 40 Gbit/s, and Open vSwitch 3.1 can hold at most 34359738.36 kbit/s", "qos set eth1 --merge --max-rate 34359738.36kbit --queue 0:max=34359738.36kbit --queue 1:max=34359738.36kbit"),
    (shaped("max-rate=4294967296", "0", kind="linux-hfsc"), HFSC,
     "queue 0: with no max, ovs-vswitchd uses the port's 4294967.296 kbit/s, which overflows 32 bits and becomes 0 bit/s", "qos set eth1 --merge --queue 0:max=4294967.296kbit"),
    (shaped("max-rate=34359738360", "0", kind="linux-hfsc"), HFSC,
     "queue 0: with no max, ovs-vswitchd uses the port's 34359738.36 kbit/s, which overflows 32 bits and becomes 4294967.288 kbit/s", "qos set eth1 --merge --queue 0:max=34359738.36kbit"),
    (shaped(TEN, "1"), "no queue 0 for unclassified traffic",
     "traffic that no flow puts into a queue goes to queue 0; the one that ovs-vswitchd creates itself has a min rate of 12 kbit/s", "qos set eth1 --merge --queue 0"),
    (shaped(TEN, "2:max-rate=1000000", kind="linux-hfsc"), "no queue 0 for unclassified traffic",
     "traffic that no flow puts into a queue goes to queue 0; the one that ovs-vswitchd creates itself has a min rate of 8 bit/s", "qos set eth1 --merge --queue 0"),
    (shaped("max-rate=00", interface=DUMB), UNKNOWN,
     "eth1 reports no usable link speed, so ovs-vswitchd assumes 10 Gbit/s", "qos set eth1 --merge --max-rate 1gbit"),
    (shaped(interface=TAP, version=None), TAPS,
     "eth1 reports 10 Mbit/s, as taps do whatever their real speed; traffic sent to it is limited to 10 Mbit/s", "qos set eth1 --merge --max-rate 1gbit"),
    (shaped("max-rate=10000000001", "0:min-rate=1000000000", interface=NIC), SPEED,
     "the max-rate is 10000000.001 kbit/s, and the link of eth1 runs at 10 Gbit/s, so no queue's min is guaranteed", "qos set eth1 --merge --max-rate 10gbit"),
    (shaped(TEN, others=["eth2", "eth3"]), "QoS row shared by several ports",
     "QoS u is also used by eth2, eth3; each port gets the full rate, and changing one changes all", "qos set eth1 --type linux-htb --max-rate 10mbit --force"),
    (shaped("max-rate=10000000,x=y", "0:min-rate=1000000,dscp=46 7:max-rate=2000000,burst=20000,priority=2", others=["eth2"]), "QoS row shared by several ports",
     "QoS u is also used by eth2; each port gets the full rate, and changing one changes all", "qos set eth1 --type linux-htb --max-rate 10mbit --other-config x=y --queue 0:min=1mbit,dscp=46 --queue 7:max=2mbit,burst=20kbit,priority=2 --force"),
    (shaped(TEN, interface=ETH._replace(received=1_000_001)), "traffic goes in the other direction than the limit",
     "eth1 has received 1000001 bytes and sent 0; QoS limits what is sent, policing what is received", "police set eth1 --rate 10mbit"),
    (shaped("max-rate=10000999", interface=ETH._replace(received=2_000_001, sent=100_000)), "traffic goes in the other direction than the limit",
     "eth1 has received 2000001 bytes and sent 100000; QoS limits what is sent, policing what is received", "police set eth1 --rate 10mbit"),
    (shaped("max-rate=999", interface=ETH._replace(received=2_000_001, sent=100_000)), "traffic goes in the other direction than the limit",
     "eth1 has received 2000001 bytes and sent 100000; QoS limits what is sent, policing what is received", "police set eth1 --rate 1kbit"),
    (shaped("", interface=NIC._replace(received=2_000_001)), "traffic goes in the other direction than the limit",
     "eth1 has received 2000001 bytes and sent 0; QoS limits what is sent, policing what is received", "police set eth1 --rate 1gbit"),
    (shaped(TEN, interface=ETH._replace(received=1_000_001), datapath="netdev"), "traffic goes in the other direction than the limit",
     "eth1 has received 1000001 bytes and sent 0; QoS limits what is sent, policing what is received", "stats eth1 --rate"),
]  # fmt: skip
HEALTHY = [
    shaped(f"{TEN},min_rate=1", "0", interface=NIC),  # a key of queues only
    shaped(TEN, "0"),
    shaped(TEN, interface=DUMB),
    shaped("max-rate=1000000000", interface=TAP),
    shaped("", kind="linux-fq_codel", interface=TAP),
    shaped("", interface=TAP._replace(link_speed=10**10)),  # from Linux 6.2 on
    shaped("", "0", interface=NIC._replace(link_speed=10**7)),  # a real link of 10 Mbit/s
    shaped("max-rate=40000000000", "0:min-rate=1000000000", version=(3, 2)),  # a veth has no physical line
    shaped("max-rate=40000000000", "0:min-rate=1000000000", version=None),
    shaped("max-rate=40000000000", interface=NIC, version=(3, 3)),  # no min rates are promised
    shaped("max-rate=10000000000", "0:min-rate=1000000000", interface=NIC),
    shaped(TEN, "0 1:dscp=5", datapath="netdev"),  # this marks packets
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
    shaped("max-rate=8000", "0:min-rate=8000"),  # the port's rate is no lower
    shaped("max-rate=24000", "0 1"),
    shaped(TEN, "0 1:min-rate=10000000"),  # the excess is only the minimum of the other queues
    shaped(TEN, "0:priority=7 1:priority=0"),
    shaped("flows=65536,quantum=256", kind="linux-fq_codel"),
    shaped("quantum=262136,perturb=10", kind="linux-sfq"),
    shaped("latency=274877906,loss=100", kind="linux-netem"),
    shaped(TEN, "0:min-rate=12000,burst=3296000"),
    shaped(TEN, "0:max-rate=1000000,burst=4000000"),
    shaped("max-rate=1000000000", "0:min-rate=1000000,burst=4000000"),
    # Just within the limits that the states above exceed.
    shaped(TEN, "0:min-rate=12000,burst=3304000"),
    shaped(TEN, "0:burst=12512"),
    shaped("cir=1000,cbs=1500", kind="egress-policer", interface=DPDK, datapath="netdev"),
    shaped(TEN, "0:max-rate=8", kind="linux-hfsc"),
    shaped(TEN, "0 61439"),
    shaped(TEN, "0:min-rate=2000000,max-rate=2000000"),
    shaped("max-rate=30000", "0:min-rate=15000 1:min-rate=15000"),
    shaped(TEN, "0:max-rate=10000000"),
    shaped("max-rate=4294967295", "0", kind="linux-hfsc"),
    shaped("max-rate=40000000000", "0:min-rate=1000000000", version=(3, 2)),
    shaped("max-rate=9223372036854775807", "0", version=(3, 2)),
    shaped(TEN, interface=ETH._replace(received=1_000_000)),
    shaped(TEN, interface=ETH._replace(received=2_000_000, sent=100_000)),
    shaped(TEN, interface=ETH._replace(received=2_000_000, police_rate=1000)),
    shaped(TEN, interface=ETH._replace(received=2_000_000, police_packet_rate=1000)),
    shaped("", kind="linux-sfq", interface=ETH._replace(received=2_000_000)),  # a type without a rate limit
    shaped(TEN, interface=ETH._replace(type="tap"), datapath="netdev"),
    shaped("", kind="linux-noop", interface=ETH._replace(type="internal")),
    shaped("latency=0", kind="linux-netem"),
    shaped("perturb=2147483,quantum=1", kind="linux-sfq"),
    shaped("", "", interface=NIC._replace(link_speed=10**7 + 1)),
    shaped("", "", interface=TAP._replace(link_speed=10**7 + 1)),
]  # fmt: skip


def problems(port: PortState) -> list[str]:
    found = shaping_rules.findings(port)
    assert all(finding.severity == severity_of(finding.problem) for finding in found if finding.problem != MTU)
    return [finding.problem for finding in found]


@pytest.mark.parametrize(("port", "problem", "evidence", "command"), HEARD)
def test_a_state_that_a_rule_reports(port, problem, evidence, command):
    assert problems(port) == [problem]
    (finding,) = shaping_rules.findings(port)
    assert (finding.evidence, remedy.text(finding.remedy, HERE)) == (evidence, f"ovstool {command}")
    assert (finding.disables, finding.may_pass) == (problem in DISABLING, problem == "the interface is not open")


@pytest.mark.parametrize("port", HEALTHY)
def test_a_healthy_state(port):
    assert problems(port) == []


def test_what_is_wrong_with_one_of_many_ports_is_found_whichever_is_before_it():
    received = ETH._replace(name="eth7", ofport=7, received=10**9)
    like = [
        port._replace(name="eth7", bridge="br7", uuid="v", interfaces=[i._replace(name="eth7", ofport=7) for i in port.interfaces])
        for port in HEALTHY
    ]
    for sick in [port for port, *_ in HEARD] + [shaped(TEN, "0:dscp=5"), shaped(TEN, "0", interface=received)]:
        found = [*shaping_rules.findings(sick), *shaping_rules.dscp_of_queue_0(sick)]
        other = sick._replace(name="eth8")
        twice = shaping_rules.findings_of_all(port for pair in zip(HEALTHY, like, strict=True) for port in (*pair, sick, other))
        assert len(found) > 0 and len(twice) == 2 * len(found) * len(HEALTHY) and twice[: len(found)] == found, sick


@pytest.mark.parametrize(
    ("first", "second", "problem", "evidence"),
    [
        (ETH, ETH._replace(type="gre"), TYPE, "eth2 is of type gre, which does not support QoS"),
        (ETH, XDP, XDP_PORT, "traffic that eth2 (type afxdp) sends through its XDP socket bypasses the qdisc that ovs-vswitchd installs"),
        (ETH, ETH._replace(ofport=None), "the interface is not open", "eth2 has no OpenFlow port number"),
        (NIC, NIC._replace(link_speed=10**6), SPEED, "the max-rate is 10 Mbit/s, and the link of eth2 runs at 1 Mbit/s, so no queue's min is guaranteed"),
    ],
)  # fmt: skip
def test_each_interface_of_a_bond_is_looked_at(first, second, problem, evidence):
    port = shaped(TEN, "0:min-rate=1000000", interface=first)
    for interfaces in ([first, second._replace(name="eth2")], [second._replace(name="eth2"), first]):
        (finding,) = shaping_rules.findings(port._replace(interfaces=interfaces))
        assert (finding.problem, finding.evidence) == (problem, evidence)


@pytest.mark.parametrize("passed_over", [ETH._replace(ofport=None), ETH._replace(type="gre")])
def test_a_link_speed_is_checked_after_an_interface_that_is_skipped(passed_over):
    port = shaped("", interface=passed_over)
    port = port._replace(interfaces=[passed_over._replace(link_speed=None), DUMB._replace(name="eth2")])
    said = [finding.evidence for finding in shaping_rules.findings(port) if finding.problem == UNKNOWN]
    assert said == ["eth2 reports no usable link speed, so ovs-vswitchd assumes 10 Gbit/s"]


def test_the_queue_0_that_ovs_vswitchd_creates():
    for port, rate in (
        (shaped(TEN, "1"), "12 kbit/s"),
        (shaped(TEN, "1", interface=ETH._replace(mtu=9000)), "72 kbit/s"),
        (shaped(TEN, "1", kind="linux-hfsc"), "8 bit/s"),
    ):
        (finding,) = shaping_rules.findings(port)
        assert finding.problem == "no queue 0 for unclassified traffic" and finding.evidence.endswith(f"a min rate of {rate}")


@pytest.mark.parametrize(
    ("port", "words"),
    [
        (shaped("max-rate=8", "0:min-rate=8,max-rate=8"), "linux-htb --max-rate 8bit --queue 0:min=8bit,max=8bit"),
        (shaped("max-rate=7", "0:min-rate=7,max-rate=7"), "linux-htb --queue 0"),  # too low to be rates
        (shaped(TEN, "0 61439:priority=9 61440"), "linux-htb --max-rate 10mbit --queue 0 --queue 61439:priority=7"),
        (shaped("cir=1000,cbs=2048", kind="egress-policer"), "egress-policer --max-rate 8kbit --burst 16.384kbit"),
        (shaped("cir=1000,cbs=2048,eir=500,ebs=2048", "0:cir=500,cbs=2048", "trtcm-policer"),
         "trtcm-policer --max-rate 12kbit --burst 16.384kbit --queue 0:min=4kbit,max=4kbit,burst=16.384kbit"),
        (shaped(f"{TEN},a=b", kind="linux-hfsc"), "linux-hfsc --max-rate 10mbit --other-config a=b"),
        (shaped("target=5000,x=y", kind="linux-codel"), "linux-codel --other-config target=5000"),
        # As they were intended; what no 64-bit integer can hold had no valid intention, so the link's rate is used.
        (shaped("max-rate=250000000.0", "0:Min_Rate=1e6"), "linux-htb --max-rate 250mbit --queue 0:min=1mbit"),
        (shaped("max-rate=9223372036854775808.0"), "linux-htb --max-rate 10gbit"),
        (shaped("max-rate=x"), "linux-htb --max-rate 10gbit"),
        (shaped("max-rate=nan"), "linux-htb --max-rate 10gbit"),
    ],
)  # fmt: skip
def test_the_qos_that_a_port_has_as_a_command(port, words):
    assert shaping_remedies.whole(port) == (("ovstool", "qos", "set", "eth1", "--type", *words.split()),)
    assert shaping_remedies.reinstall(port) == (("ovstool", "qos", "set", "eth1", "--type", *words.split(), "--force"),)


NUMBERS = ("max-rate", "min-rate", "burst", "priority", "cir", "cbs", "eir", "ebs")  # of ovs-vswitchd.conf.db(5), tables QoS and Queue


@pytest.mark.parametrize("key", NUMBERS)
def test_each_number_of_the_manual_is_checked(key):
    of_port, of_queue = shaped(f"{key}=x"), shaped(TEN, f"0:{key}=x")
    for port, said in (
        (of_port, f"{key} is x, which ovs-vswitchd ignores"),
        (of_queue, f"queue 0: {key} is x, which ovs-vswitchd ignores"),
    ):
        assert [finding.evidence for finding in shaping_rules.findings(port) if finding.problem == "value not an integer"] == [said]


@pytest.mark.parametrize(
    ("port", "words"),
    [
        (shaped("max-rate=1e7", "0:min-rate=1e6,max-rate=2e6,burst=8e3,priority=3.0"),
         "linux-htb --max-rate 10mbit --queue 0:min=1mbit,max=2mbit,burst=8kbit,priority=3"),
        (shaped("cir=1e3,cbs=2e3,eir=1e3,ebs=2e3", "0:cir=1e2,cbs=2e3,eir=1e2,ebs=3e3", kind="trtcm-policer"),
         "trtcm-policer --max-rate 16kbit --burst 16kbit --queue 0:min=800bit,max=1.6kbit,burst=16kbit"),
        (shaped("eir=1e3,ebs=2e3", kind="trtcm-policer"), "trtcm-policer --max-rate 8kbit --burst 16kbit"),
    ],
)  # fmt: skip
def test_each_number_is_corrected(port, words):
    assert shaping_remedies.whole(port) == (("ovstool", "qos", "set", "eth1", "--type", *words.split()),)


def test_a_dscp_of_queue_0():
    """ofproto/trace confirms it in test_check_rules.py; the code is in dpif_netlink_ and dpif_netdev_queue_to_priority."""
    port = shaped(TEN, "0:dscp=10")
    (finding,) = shaping_rules.dscp_of_queue_0(port)
    assert finding.problem == "dscp of queue 0 marks nothing by itself" and "--queue 0 --match ip" in remedy.text(finding.remedy, HERE)
    for silent in (
        shaped(TEN, "0 1:dscp=10"),
        shaped(TEN, "0:dscp=10", datapath="netdev"),
        shaped(TEN, "0:dscp=10", queue_flows=[flow_to(0)]),
    ):
        assert list(shaping_rules.dscp_of_queue_0(silent)) == []


@pytest.mark.parametrize(
    ("port", "depends"),
    [
        (shaped(TEN, "0:max-rate=34359738360"), False),
        (shaped(TEN, "0:max-rate=34359738361"), True),
        (shaped("max-rate=34359738360"), False),
        (shaped("max-rate=34359738361"), True),
        (shaped(""), True),  # the default of an unknown link
        (shaped("", kind="linux-sfq"), False),
        (shaped("latency=5", kind="linux-netem"), False),
        (shaped("jitter=5", kind="linux-netem"), True),
        (shaped("jitter=5", kind="linux-sfq"), False),
    ],
)
def test_whether_the_result_depends_on_the_version(port, depends):
    assert shaping_rules.depend_on_version(port) is depends
