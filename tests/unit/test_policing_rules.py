"""Problems of policing found in the database and in tc: for each rule a state that it reports, and states that it does not.

Open vSwitch's behaviour in each state was read from lib/netdev-linux.c and lib/netdev-dpdk.c of v2.13.0 to v3.7.1, and from Linux'
act_police.
"""

import pytest
from severity import DISABLING, severity_of

from ovstool import remedy
from ovstool.errors import UsageError
from ovstool.host import Tls
from ovstool.switch import police
from ovstool.switch.checks import policing
from ovstool.switch.checks.datapath import Policer, Qdisc
from ovstool.switch.checks.interface_state import HIGHEST_BPS, InterfaceState
from ovstool.switch.checks.policing_state import PolicedInterface

HERE = remedy.Naming(None, False, None, None, Tls())
ETH = InterfaceState("eth1", "system", 1, None, 10**10, "veth", 1500, None, None, 0, 0)
BOTH, PACKETS, HELD = (
    "a rate and a packet rate together",
    "packet burst much larger than the rate",
    "rate above what this Open vSwitch can hold",
)
XDP, DPDK, LARGE = (
    "policing has no effect on ports of AF_XDP",
    "a packet rate on a port of DPDK",
    "burst above what this Open vSwitch can hold",
)
WAY = "policing of an internal port limits the other direction"


def policed(
    kbps=0, kbit=0, kpps=0, kpkts=0, kind="system", version=(3, 1), datapath="system", offloads=False, qdiscs=None, policers=None
) -> PolicedInterface:
    interface = ETH._replace(type=kind)
    return PolicedInterface(interface, "br0", datapath, kbps, kbit, kpps, kpkts, False, offloads, version, qdiscs, policers)


CLSACT, INGRESS = Qdisc("clsact", "ffff:", False, None, 0, 0, 0), Qdisc("ingress", "ffff:", False, None, 0, 0, 0)
BITS, PPS = Policer(10**7, 2_112_000, None, None, 0), Policer(None, None, 5000, 2000, 0)


def at(port: PolicedInterface, **more) -> PolicedInterface:
    """The same limits on another interface."""
    return port._replace(interface=port.interface._replace(**more))


# A port, the problem, the evidence, and the remedy.
HEARD = [
    (policed(kpps=1), PACKETS,
     "the burst is 16000 packets (ovs-vswitchd's default for 0), as much as the rate allows in 16 s; all of it passes before anything is dropped", "ovstool police set eth1 --packet-rate 1000"),
    (policed(kpps=2, kpkts=5), PACKETS,
     "the burst is 5000 packets, as much as the rate allows in 2.5 s; all of it passes before anything is dropped", "ovstool police set eth1 --packet-rate 2000"),
    (policed(10_000, 2112, kpps=5, kpkts=2), BOTH,
     "the kernel accepts a rate or a packet rate and refuses both at once, so neither is in effect", "ovstool police clear eth1 && ovstool police set eth1 --rate 10mbit"),
    (policed(10_000, 2112, kpps=5, kpkts=2, version=None), BOTH,
     "the kernel accepts a rate or a packet rate and refuses both at once, so neither is in effect", "ovstool police clear eth1 && ovstool police set eth1 --rate 10mbit"),
    (policed(10_000, 2112, kpps=5, kpkts=2, kind="dpdk"), DPDK,
     "eth1 is of type dpdk, which Open vSwitch polices by bit rate only", "ovstool police clear eth1 && ovstool police set eth1 --rate 10mbit"),
    (policed(kpps=5, kpkts=2, kind="dpdkvhostuserclient"), DPDK,
     "eth1 is of type dpdkvhostuserclient, which Open vSwitch polices by bit rate only", "ovstool police clear eth1"),
    (policed(10_000, 2112, kind="afxdp", datapath="netdev"), XDP,
     "eth1 is of type afxdp: XDP takes its packets before tc polices them; an OpenFlow meter works there", "ovstool police clear eth1"),
    (policed(40_000_000, 4_194_303), HELD,
     "the rate is 40 Gbit/s, and Open vSwitch 3.1 can hold at most 34359.738 Mbit/s", "ovstool police set eth1 --rate 34359.738mbit --burst 4194.303mbit"),
    (policed(30_000_000, 6_300_012), LARGE,
     "the burst is 6300.012 Mbit, but tc has 32 bits for it and can hold at most 4194.303 Mbit", "ovstool police set eth1 --rate 30gbit --burst 4194.303mbit"),
    (policed(300_000_000, 63_000_012, version=(3, 3)), LARGE,
     "the burst is 63000.012 Mbit, but tc has 32 bits for it and can hold at most 33554.431 Mbit", "ovstool police set eth1 --rate 300gbit --burst 33554.431mbit"),
    (policed(10_000, 2112, kind="internal"), WAY,
     "tc polices what this host receives from br0 through eth1; QoS would limit what it sends there", "ovstool police clear eth1"),
    (policed(kbit=5), "a burst without a rate",
     "without a rate nothing is limited", "ovstool police clear eth1"),
    (policed(kpkts=5), "a burst without a rate",
     "without a rate nothing is limited", "ovstool police clear eth1"),
    (policed(10_000, 2112, kind="gre"), "policing not supported by this interface",
     "eth1 is of type gre, which Open vSwitch does not police", "ovstool police clear eth1"),
    (policed(10_000, 2112, datapath="netdev"), "policing has no effect on the userspace datapath",
     "br0 has datapath_type netdev, which receives packets before tc polices them, whatever tc counts; an OpenFlow meter works there", "ovstool police clear eth1"),
    (policed(10_000, 2112, kind="tap", datapath="netdev"), "policing has no effect on the userspace datapath",
     "br0 has datapath_type netdev, which receives packets before tc polices them, whatever tc counts; an OpenFlow meter works there", "ovstool police clear eth1"),
    (policed(10_000, 2112, kind="afxdp-nonpmd", datapath="netdev"), XDP,
     "eth1 is of type afxdp-nonpmd: XDP takes its packets before tc polices them; an OpenFlow meter works there", "ovstool police clear eth1"),
    (policed(10_000, 2112, kpps=5, kpkts=2, kind="dpdk", datapath="netdev"), DPDK,
     "eth1 is of type dpdk, which Open vSwitch polices by bit rate only", "ovstool police clear eth1 && ovstool police set eth1 --rate 10mbit"),
    (policed(kpps=5, kpkts=2, kind="dpdkvhostuserclient", datapath="netdev"), DPDK,
     "eth1 is of type dpdkvhostuserclient, which Open vSwitch polices by bit rate only", "ovstool police clear eth1"),
    (policed(10_000, 2112, kind="internal"), WAY,
     "tc polices what this host receives from br0 through eth1; QoS would limit what it sends there", "ovstool police clear eth1"),
    (at(policed(10_000, 2112), ofport=None), "the interface is not open",
     "eth1 has no OpenFlow port number", "ovstool port show eth1"),
    (at(policed(10_000, 2112), ofport=None, error="no such device"), "the interface is not open",
     "no such device", "ovstool port show eth1"),
    (policed(10_000, 2112, kpps=5, kpkts=2, version=(3, 0)), BOTH,
     "the kernel accepts a rate or a packet rate and refuses both at once, so neither is in effect", "ovstool police clear eth1 && ovstool police set eth1 --rate 10mbit"),
    (policed(10_000, 11), "burst under the MTU",
     "the burst is 11 kbit, and a larger frame never passes; frames can have 1500 bytes", "ovstool police set eth1 --rate 10mbit"),
    (policed(10_000, 12), "burst too small for TCP",
     "the burst is 12 kbit; at 10 Mbit/s one TCP flow needs 2.112 Mbit to reach the rate", "ovstool police set eth1 --rate 10mbit"),
    (at(policed(10_000, 12), mtu=1501), "burst under the MTU",
     "the burst is 12 kbit, and a larger frame never passes; frames can have 1501 bytes", "ovstool police set eth1 --rate 10mbit"),
    (policed(800, 161), "burst too small for TCP",
     "the burst is 161 kbit; at 800 kbit/s one TCP flow needs 180 kbit to reach the rate", "ovstool police set eth1 --rate 800kbit"),
    (policed(10_000, 1900), "burst too small for TCP",
     "the burst is 1.9 Mbit; at 10 Mbit/s one TCP flow needs 2.112 Mbit to reach the rate", "ovstool police set eth1 --rate 10mbit"),
    (policed(10_000, 10_001), "burst much larger than the rate",
     "the burst is 10.001 Mbit, as much as the rate allows in 1 s; all of it passes before anything is dropped", "ovstool police set eth1 --rate 10mbit"),
    (policed(7_999), "burst much larger than the rate",
     "the burst is 8 Mbit (ovs-vswitchd's default for 0), as much as the rate allows in 1 s; all of it passes before anything is dropped", "ovstool police set eth1 --rate 7.999mbit"),
    (policed(100, 129), "burst much larger than the rate",
     "the burst is 129 kbit, as much as the rate allows in 1.29 s; all of it passes before anything is dropped", "ovstool police set eth1 --rate 100kbit"),
    (policed(30_000_000, 4_194_304), LARGE,
     "the burst is 4194.304 Mbit, but tc has 32 bits for it and can hold at most 4194.303 Mbit", "ovstool police set eth1 --rate 30gbit --burst 4194.303mbit"),
    (policed(300_000_000, 33_554_432, version=(3, 2)), LARGE,
     "the burst is 33554.432 Mbit, but tc has 32 bits for it and can hold at most 33554.431 Mbit", "ovstool police set eth1 --rate 300gbit --burst 33554.431mbit"),
    (policed(kpps=15), PACKETS,
     "the burst is 16000 packets (ovs-vswitchd's default for 0), as much as the rate allows in 1.07 s; all of it passes before anything is dropped", "ovstool police set eth1 --packet-rate 15000"),
    (policed(kpps=2, kpkts=3), PACKETS,
     "the burst is 3000 packets, as much as the rate allows in 1.5 s; all of it passes before anything is dropped", "ovstool police set eth1 --packet-rate 2000"),
    (policed(34_359_739, 4_194_303), HELD,
     "the rate is 34359.739 Mbit/s, and Open vSwitch 3.1 can hold at most 34359.738 Mbit/s", "ovstool police set eth1 --rate 34359.738mbit --burst 4194.303mbit"),
    (at(policed(10_000, 2112, kind="internal"), sent=1_000_001), WAY,
     "tc polices what this host receives from br0 through eth1; QoS would limit what it sends there", "ovstool police clear eth1"),
    (at(policed(10_000, 2112, kind="gre"), sent=1_000_001), "policing not supported by this interface",
     "eth1 is of type gre, which Open vSwitch does not police", "ovstool police clear eth1"),
    (policed(10_000, 2112, datapath="netdev", qdiscs=[], policers=[]), "policing has no effect on the userspace datapath",
     "br0 has datapath_type netdev, which receives packets before tc polices them, whatever tc counts; an OpenFlow meter works there", "ovstool police clear eth1"),
    (at(policed(10_000, 2112), sent=1_000_001), "traffic goes in the other direction than the limit",
     "eth1 has sent 1000001 bytes and received 0; policing limits what is received, QoS what is sent", "ovstool qos set eth1 --max-rate 10mbit"),
    (at(policed(10_000, 2112), sent=2_000_001, received=100_000), "traffic goes in the other direction than the limit",
     "eth1 has sent 2000001 bytes and received 100000; policing limits what is received, QoS what is sent", "ovstool qos set eth1 --max-rate 10mbit"),
    (at(policed(kpps=5, kpkts=2), sent=1_000_001), "traffic goes in the other direction than the limit",
     "eth1 has sent 1000001 bytes and received 0; policing limits what is received, QoS what is sent", "ovstool qos set eth1 --max-rate 1gbit"),
    (policed(10_000, 2112, qdiscs=[], policers=[]), "policing is not installed",
     "tc cannot find eth1 where ovs-vswitchd runs; a device in another network namespace is not policed", "ovstool port show eth1"),
    (policed(10_000, 2112, qdiscs=[INGRESS], policers=[Policer(9_899_999, 2_112_000, None, None, 0)]), "policing is not installed",
     "tc has police rate 9899.999 kbit/s on eth1 instead of police rate 10 Mbit/s", "ovstool police clear eth1 && ovstool police set eth1 --rate 10mbit --burst 2.112mbit"),
    (policed(10_000, 2112, qdiscs=[INGRESS], policers=[Policer(10_100_001, 2_112_000, None, None, 0)]), "policing is not installed",
     "tc has police rate 10100.001 kbit/s on eth1 instead of police rate 10 Mbit/s", "ovstool police clear eth1 && ovstool police set eth1 --rate 10mbit --burst 2.112mbit"),
    (policed(10_000, 2112, qdiscs=[INGRESS], policers=[PPS]), "policing is not installed",
     "tc has 5000 packets/s on eth1 instead of police rate 10 Mbit/s", "ovstool police clear eth1 && ovstool police set eth1 --rate 10mbit --burst 2.112mbit"),
    (policed(kpps=5, kpkts=2, qdiscs=[INGRESS], policers=[BITS]), "policing is not installed",
     "tc has police rate 10 Mbit/s on eth1 instead of 5000 packets/s", "ovstool police clear eth1 && ovstool police set eth1 --packet-rate 5000 --packet-burst 2000"),
    (policed(10_000, 2112, kpps=5, kpkts=2, version=(2, 17), qdiscs=[INGRESS], policers=[BITS]), "policing is not installed",
     "tc has police rate 10 Mbit/s on eth1 instead of police rate 10 Mbit/s and 5000 packets/s", "ovstool police clear eth1 && ovstool police set eth1 --rate 10mbit --burst 2.112mbit --packet-rate 5000 --packet-burst 2000"),
    (policed(10_000, 2112, kpps=5, kpkts=2, version=(2, 17), qdiscs=[INGRESS], policers=[PPS]), "policing is not installed",
     "tc has 5000 packets/s on eth1 instead of police rate 10 Mbit/s and 5000 packets/s", "ovstool police clear eth1 && ovstool police set eth1 --rate 10mbit --burst 2.112mbit --packet-rate 5000 --packet-burst 2000"),
    (policed(10_000, 2112, kpps=5, kpkts=2, version=(2, 17), qdiscs=[INGRESS], policers=[Policer(10**7, 1, 4000, 1, 0)]), "policing is not installed",
     "tc has police rate 10 Mbit/s and 4000 packets/s on eth1 instead of police rate 10 Mbit/s and 5000 packets/s", "ovstool police clear eth1 && ovstool police set eth1 --rate 10mbit --burst 2.112mbit --packet-rate 5000 --packet-burst 2000"),
    (at(policed(10_000, 2112, qdiscs=[CLSACT], policers=[]), is_here=True), "a foreign qdisc is in the way",
     "tc has clsact on eth1 in place of the ingress qdisc that ovs-vswitchd would add", "tc qdisc del dev eth1 clsact && ovstool police clear eth1 && ovstool police set eth1 --rate 10mbit --burst 2.112mbit"),
    (policed(10_000, 2112, kpps=5, kpkts=2, qdiscs=[CLSACT], policers=[BITS])._replace(tc=("ip", "netns", "exec", "x", "tc")), "a foreign qdisc is in the way",
     "tc has clsact on eth1 in place of the ingress qdisc that ovs-vswitchd would add", "ip netns exec x tc qdisc del dev eth1 clsact && ovstool police clear eth1 && ovstool police set eth1 --rate 10mbit --burst 2.112mbit --packet-rate 5000 --packet-burst 2000"),
    (policed(10_000, 2112, offloads=True, qdiscs=[Qdisc("x", "ffff:", False, None, 0, 0, 0)], policers=[]), "a foreign qdisc is in the way",
     "tc has x on eth1 in place of the ingress qdisc that ovs-vswitchd would add", "tc qdisc del dev eth1 x && ovstool police clear eth1 && ovstool police set eth1 --rate 10mbit --burst 2.112mbit"),
    (at(policed(10_000, 2112, qdiscs=[], policers=[]), is_here=True), "policing is not installed",
     "tc has no police action on eth1 instead of police rate 10 Mbit/s", "ovstool police clear eth1 && ovstool police set eth1 --rate 10mbit --burst 2.112mbit"),
]  # fmt: skip
HEALTHY = [
    policed(10_000, 2112),
    policed(kpps=5, kpkts=2),
    policed(kpps=16),  # a burst of one second
    policed(kpps=1, kpkts=1),
    policed(10_000, 2112, kpps=5, kpkts=2, version=(2, 17)),  # two actions in tc
    policed(10_000, 2112, kpps=5, kpkts=2, policers=[Policer(10**7, None, None, None, 0)]),
    policed(10_000, 2112, kind="dpdk", datapath="netdev"),
    policed(40_000_000, 8_400_012, version=(3, 2)),
    policed(40_000_000, 8_400_012, kind="dpdk", datapath="netdev"),
    policed(30_000_000, 4_194_303),
    # Just within the limits that the states above exceed.
    policed(10_000, 1901),
    policed(800, 162),
    policed(10_000, 10_000),
    policed(8000),
    policed(100, 128),
    policed(300_000_000, 33_554_431, version=(3, 2)),
    policed(kpps=2, kpkts=2),
    policed(34_359_738, 4_194_303),
    policed(40_000_000, 8_400_012, version=None),
    policed(10_000, 2112, kpps=5, kpkts=2, version=(2, 17)),
    policed(kpps=1, kind="dummy-pmd"),  # tc is not involved
    policed(40_000_000, 4_194_303, kind="dpdk", datapath="netdev"),
    at(policed(10_000, 2112), sent=1_000_000),
    at(policed(10_000, 2112), sent=2_000_000, received=100_000),
    at(policed(10_000, 2112)._replace(is_shaped=True), sent=2_000_000),
    policed(10_000, 2112, qdiscs=[INGRESS], policers=[Policer(9_900_000, 1, None, None, 0)]),
    policed(10_000, 2112, qdiscs=[INGRESS], policers=[Policer(10_100_000, 1, None, None, 0)]),
    policed(10_000, 2112, datapath="dummy", qdiscs=[], policers=[]),
    policed(10_000, 2112, kind="dpdk", datapath="netdev", qdiscs=[], policers=[]),
    policed(kpps=5, kpkts=2, qdiscs=[INGRESS], policers=[PPS]),
    policed(10_000, 2112, kpps=5, kpkts=2, version=(2, 17), qdiscs=[INGRESS], policers=[PPS, BITS]),
    policed(10_000, 2112, kpps=5, kpkts=2, version=(2, 17), qdiscs=[INGRESS], policers=[Policer(10**7, 1, 5000, 1, 0)]),
]  # fmt: skip


@pytest.mark.parametrize(("port", "problem", "evidence", "commands"), HEARD)
def test_a_state_that_a_rule_reports(port, problem, evidence, commands):
    (finding,) = policing.findings(port)
    assert (finding.problem, finding.severity) == (problem, severity_of(problem))
    assert (finding.evidence, remedy.text(finding.remedy, HERE)) == (evidence, commands)
    assert (finding.disables, finding.may_pass) == (problem in DISABLING, problem == "the interface is not open")


@pytest.mark.parametrize("port", HEALTHY)
def test_a_healthy_state(port):
    assert policing.findings(port) == []


@pytest.mark.parametrize(
    ("port", "problems"),
    [
        # With hw-offload, ovs-vswitchd adds clsact to internal ports itself (netdev_tc_init_flow_api), and polices there.
        (policed(10_000, 2112, kind="internal", offloads=True, qdiscs=[CLSACT], policers=[BITS]), []),
        (policed(10_000, 2112, kind="internal", offloads=True, qdiscs=[CLSACT], policers=[]), ["policing is not installed"]),
        (policed(10_000, 2112, kind="internal", qdiscs=[CLSACT], policers=[]), ["a foreign qdisc is in the way"]),
        (policed(10_000, 2112, offloads=True, qdiscs=[INGRESS], policers=[BITS]), []),
        (policed(10_000, 2112, kpps=5, kpkts=2, version=(2, 17), qdiscs=[INGRESS], policers=[BITS, PPS]), []),
        (policed(10_000, 2112, qdiscs=[INGRESS], policers=[PPS]), ["policing is not installed"]),
        # Other rules report these: a rate truncated to 32 bits of bytes/s, and one that the kernel refused together with a packet rate.
        (policed(40_000_000, 4_194_303, qdiscs=[INGRESS], policers=[Policer(HIGHEST_BPS, 1, None, None, 0)]), []),
        (policed(40_000_000, 4_194_303, qdiscs=[INGRESS], policers=[Policer(5_640_261_640, 1, None, None, 0)]), []),
        (
            policed(40_000_000, 4_194_303, qdiscs=[INGRESS], policers=[Policer(HIGHEST_BPS + 8, 1, None, None, 0)]),
            ["policing is not installed"],
        ),
        (policed(34_359_738, 4_194_303, qdiscs=[INGRESS], policers=[Policer(10**9, 1, None, None, 0)]), ["policing is not installed"]),
        (policed(10_000, 2112, kpps=5, kpkts=2, qdiscs=[INGRESS], policers=[]), []),
        (policed(10_000, 2112, qdiscs=[INGRESS], policers=[]), ["policing is not installed"]),
        (policed(kpps=5, kpkts=2, qdiscs=[INGRESS], policers=[]), ["policing is not installed"]),
        # On the userspace datapath, tc polices only taps and internal ports; packets of a system device are read before tc sees them.
        (policed(10_000, 2112, kind="tap", datapath="netdev", qdiscs=[INGRESS], policers=[]), ["policing is not installed"]),
        (policed(10_000, 2112, kind="internal", datapath="netdev", qdiscs=[INGRESS], policers=[]), ["policing is not installed"]),
        (policed(10_000, 2112, datapath="netdev", qdiscs=[INGRESS], policers=[]), []),
        # Nothing is checked that is not open, not configured, or not known.
        (at(policed(10_000, 2112, qdiscs=[INGRESS], policers=[]), ofport=None), []),
        (policed(kbit=5, kpkts=5, qdiscs=[INGRESS], policers=[]), []),
        (policed(10_000, 2112, qdiscs=[INGRESS]), []),
        (policed(10_000, 2112, policers=[]), []),
    ],
)
def test_what_tc_has(port, problems):
    found = list(policing._tc(port))
    assert [finding.problem for finding in found] == problems
    assert not (port.offloads and any("qdisc del" in remedy.text(finding.remedy, HERE) for finding in found))


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        # 32 bits of ticks of 64 ns are 274 s, and tc_bytes_to_ticks truncates; kpkts times 1000 must fit into 32 bits.
        ((1000, 1_000_000, None, None), "267kbit"),
        ((None, None, 1000, 275_000), "274000"),
        ((None, None, 4_294_968_000, None), "4294967000"),
        ((None, None, 4_294_967_000, 4_294_968_000), "4294967000"),
    ],
)
def test_what_tc_cannot_hold_is_refused(asked, near):
    with pytest.raises(UsageError, match=near):
        police.spec(*asked)


def test_what_it_can():
    assert police.spec(1000, 267_000, None, None).burst_kbit == 267
    assert police.spec(None, None, 1000, 274_000).packet_burst_kpkts == 274
    assert police.spec(None, None, 4_294_967_000, None) == police.PoliceSpec(None, None, 4_294_967, 901_944)


@pytest.mark.parametrize(
    ("port", "depends"),
    [
        (policed(10_000, 2112), False),
        (policed(kpps=5, kpkts=2), False),
        (policed(10_000, 2112, kpps=5), True),
        (policed(34_359_738, 5), True),  # the default burst is more than older versions can hold
        (policed(19_972_000, 4_194_303), False),
        (policed(10_000, 4_194_303), False),
        (policed(10_000, 4_194_304), True),
    ],
)
def test_whether_the_result_depends_on_the_version(port, depends):
    assert policing._depends_on_version(port) is depends


@pytest.mark.parametrize(
    ("port", "words"),
    [
        (policed(10_000, 2112), "--rate 10mbit --burst 2.112mbit"),
        (policed(10_000), "--rate 10mbit"),
        (policed(kpps=5, kpkts=2), "--packet-rate 5000 --packet-burst 2000"),
        (policed(kpps=5), "--packet-rate 5000"),
        (policed(kbit=5, kpkts=2), ""),
        (policed(10_000, 2112, 5, 2), "--rate 10mbit --burst 2.112mbit --packet-rate 5000 --packet-burst 2000"),
    ],
)
def test_the_command_for_the_present_limits(port, words):
    assert port.set_command == ("ovstool", "police", "set", "eth1", *words.split())
    assert port.clear_command == ("ovstool", "police", "clear", "eth1")
    assert policed(10_000).with_rate("--burst", "5kbit") == ("ovstool", "police", "set", "eth1", "--rate", "10mbit", "--burst", "5kbit")


@pytest.mark.parametrize(
    ("kind", "can_have_qos", "is_dpdk", "is_afxdp", "is_tc"),
    [
        ("system", True, False, False, True), ("internal", True, False, False, True), ("tap", True, False, False, True),
        ("dpdk", True, True, False, False), ("dpdkvhostuser", True, True, False, False), ("dummy-pmd", True, False, False, False),
        ("afxdp-nonpmd", True, False, True, False), ("gre", False, False, False, False), ("patch", False, False, False, False),
    ],
)  # fmt: skip
def test_the_limits_possible_for_an_interface_type(kind, can_have_qos, is_dpdk, is_afxdp, is_tc):
    port = policed(kind=kind)
    assert (port.interface.can_have_qos, port.interface.is_dpdk, port.interface.is_afxdp, port.is_tc) == (
        can_have_qos,
        is_dpdk,
        is_afxdp,
        is_tc,
    )
