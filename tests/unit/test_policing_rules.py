"""What the database, and what tc has, tell to be wrong with policing: each rule with a state in which it is heard and those in which it is not.

What Open vSwitch does in each was read in lib/netdev-linux.c and lib/netdev-dpdk.c of v2.13.0 to v3.7.1, and Linux' act_police.
"""

import pytest
from severity import severity_of

from ovstool import remedy
from ovstool.errors import UsageError
from ovstool.host import Tls
from ovstool.switch import police
from ovstool.switch.checks import policing
from ovstool.switch.checks.datapath import Policer, Qdisc
from ovstool.switch.checks.interface_state import InterfaceState
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


HEARD = [
    (policed(kpps=1), [PACKETS], "16000 packets (ovs-vswitchd's own, for 0), 16 s", "police set eth1 --packet-rate 1000"),
    (policed(kpps=2, kpkts=5), [PACKETS], "5000 packets, 2.5 s", "--packet-rate 2000"),
    (policed(10_000, 2112, kpps=5, kpkts=2), [BOTH], "the kernel takes one alone", "police clear eth1 && ovstool police set eth1 --rate 10mbit"),
    (policed(10_000, 2112, kpps=5, kpkts=2, version=None), [BOTH], "takes one alone", "--rate 10mbit"),
    (policed(10_000, 2112, kpps=5, kpkts=2, kind="dpdk"), [DPDK], "type dpdk", "police clear eth1 && ovstool police set eth1 --rate 10mbit"),
    (policed(kpps=5, kpkts=2, kind="dpdkvhostuserclient"), [DPDK], "in bits alone", "police clear eth1"),
    (policed(10_000, 2112, kind="afxdp", datapath="netdev"), [XDP], "XDP takes its packets", "police clear eth1"),
    (policed(40_000_000, 4_194_303), [HELD], "Open vSwitch 3.1 holds up to 34359.738", "--rate 34359.738mbit"),
    (policed(30_000_000, 6_300_012), [LARGE], "4194.303 Mbit can be handed to tc", "--rate 30gbit --burst 4194.303mbit"),
    (policed(300_000_000, 63_000_012, version=(3, 3)), [LARGE], "33554.431 Mbit can be handed to tc", "--burst 33554.431mbit"),
    (policed(10_000, 2112, kind="internal"), [WAY], "this host receives", "police clear eth1"),
]  # fmt: skip
HEALTHY = [
    policed(10_000, 2112),
    policed(kpps=5, kpkts=2),
    policed(kpps=16),  # a second of the rate
    policed(kpps=1, kpkts=1),
    policed(10_000, 2112, kpps=5, kpkts=2, version=(2, 17)),  # two actions
    policed(10_000, 2112, kpps=5, kpkts=2, policers=[Policer(10**7, None, None, None, 0)]),
    policed(10_000, 2112, kind="dpdk", datapath="netdev"),
    policed(40_000_000, 8_400_012, version=(3, 2)),
    policed(40_000_000, 8_400_012, kind="dpdk", datapath="netdev"),
    policed(30_000_000, 4_194_303),
]  # fmt: skip


@pytest.mark.parametrize(("port", "problems", "evidence", "commands"), HEARD)
def test_a_state_in_which_a_rule_is_heard(port, problems, evidence, commands):
    found = policing.findings(port)
    assert [(finding.problem, finding.severity) for finding in found] == [(problem, severity_of(problem)) for problem in problems]
    assert evidence in found[0].evidence and commands in remedy.text(found[0].remedy, HERE)


@pytest.mark.parametrize("port", HEALTHY)
def test_a_state_in_which_none_is(port):
    assert policing.findings(port) == []


CLSACT, INGRESS = Qdisc("clsact", "ffff:", False, None, 0, 0, 0), Qdisc("ingress", "ffff:", False, None, 0, 0, 0)
BITS, PPS = Policer(10**7, 2_112_000, None, None, 0), Policer(None, None, 5000, 2000, 0)


@pytest.mark.parametrize(
    ("port", "problems"),
    [
        # With hw-offload ovs-vswitchd adds clsact to internal ports itself (netdev_tc_init_flow_api), and polices there.
        (policed(10_000, 2112, kind="internal", offloads=True, qdiscs=[CLSACT], policers=[BITS]), []),
        (policed(10_000, 2112, kind="internal", offloads=True, qdiscs=[CLSACT], policers=[]), ["policing is not installed"]),
        (policed(10_000, 2112, kind="internal", qdiscs=[CLSACT], policers=[]), ["a foreign qdisc is in the way"]),
        (policed(10_000, 2112, offloads=True, qdiscs=[INGRESS], policers=[BITS]), []),
        (policed(10_000, 2112, kpps=5, kpkts=2, version=(2, 17), qdiscs=[INGRESS], policers=[BITS, PPS]), []),
        (policed(10_000, 2112, qdiscs=[INGRESS], policers=[PPS]), ["policing is not installed"]),
    ],
)
def test_what_tc_has(port, problems):
    found = list(policing._tc(port))
    assert [finding.problem for finding in found] == problems
    assert not (port.offloads and any("qdisc del" in remedy.text(finding.remedy, HERE) for finding in found))


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        # Ticks of 64 ns in 32 bits are 274 s, of which tc_bytes_to_ticks keeps the rest; kpkts times 1000 has 32 bits.
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
