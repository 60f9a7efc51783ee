"""The rules of sflow check, each with evidence that a switch may give."""

import ast
import struct
from pathlib import Path

import pytest
from severity import SFLOW_ERRORS, SFLOW_WARNINGS

import ovstool
from ovstool.sflow import datagram
from ovstool.switch.checks.sflow import datagrams, delivery, rules
from ovstool.switch.checks.sflow.datagrams import Heard
from ovstool.switch.checks.sflow.delivery import Delivery
from ovstool.switch.checks.sflow.state import Export, Host, SampledInterface
from ovstool.switch.iproute import Link
from ovstool.switch.sflow import vswitchd
from ovstool.switch.sflow.host_answers import HostAnswers, Route
from ovstool.switch.sflow.vswitchd import Logged, UdpSocket, Vswitchd

ETH1 = SampledInterface("eth1", "system", 1, 11)
EXPORT = Export("br0", "row", "eth0", ["10.0.0.5:6343"], 400, 30, 128, "00000000000000aa", [ETH1])
SOCKET = UdpSocket("10.0.0.1", 40000, "10.0.0.5", 6343, 7)
DAEMON = Vswitchd(100, "S", [SOCKET], frozenset([7, 8]), [])
ROUTE = Route("eth0", "10.0.0.1", "unicast")
ANSWERS = HostAnswers({}, {"10.0.0.5": ROUTE}, {"eth0": ["10.0.0.1"]}, False, {})
HOST = Host(ANSWERS, DAEMON, True)


def host(**answers) -> Host:
    return HOST._replace(answers=ANSWERS._replace(**answers))


def checked(export: Export, at: Host = HOST, *others: Export) -> list[tuple[str, bool]]:
    """The problems found without datagrams, each with whether no datagram can arrive; checks that severities are as expected."""
    found = [*rules.findings(export, [export, *others], at), *delivery.findings(export, at, Delivery(at.vswitchd))]
    for finding in found:
        assert finding.severity == ("error" if finding.problem in SFLOW_ERRORS else "warning")
        assert finding.problem in SFLOW_ERRORS | SFLOW_WARNINGS and finding.evidence and finding.port == export.bridge
    return [(finding.problem, finding.disables) for finding in found]


def test_every_problem_has_one_severity():
    phrases = set()
    for module in ("rules", "datagrams", "delivery", "probe"):
        tree = ast.parse((Path(ovstool.__file__).parent / f"switch/checks/sflow/{module}.py").read_text())
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Finding":
                phrases |= {node.value for node in ast.walk(call.args[2]) if isinstance(node, ast.Constant)}
    phrases |= {"the agent has no address", "the agent is no interface of this host"}  # alternatives, chosen by the code
    assert phrases == SFLOW_ERRORS | SFLOW_WARNINGS
    assert not SFLOW_ERRORS & SFLOW_WARNINGS


def test_nothing_is_wrong():
    assert checked(EXPORT) == []
    assert checked(EXPORT._replace(agent=None)) == []
    assert checked(EXPORT._replace(agent="192.0.2.1")) == []
    assert checked(EXPORT, HOST._replace(vswitchd=None)) == []
    assert checked(EXPORT, HOST._replace(vswitchd=DAEMON._replace(state=None, sockets=[]))) == [], (
        "it answers, but its sockets cannot be read"
    )
    assert checked(EXPORT, HOST._replace(answers=None)) == [], "ip cannot be run"


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"sampling": 0}, [("sampling out of range", True)]),
        ({"sampling": -1}, [("sampling out of range", False)]),
        ({"sampling": 2**32}, [("sampling out of range", True)]),
        ({"sampling": 42_949_673}, [("sampling out of range", False)]),
        ({"sampling": 42_949_672}, []),
        ({"header": 613}, [("header too long", False)]),
        ({"header": 612}, []),
        ({"header": -1}, [("header too long", False)]),
        ({"header": 473, "interfaces": [SampledInterface("vx", "vxlan", 2, None)]}, [("header too long for tunnels", False)]),
        ({"header": 472, "interfaces": [SampledInterface("vx", "vxlan", 2, None)]}, []),
        ({"header": 33}, [("header too short", False)]),
        ({"header": 34}, []),
        ({"polling_s": -1}, [("polling out of range", False)]),
        ({"polling_s": 2**32}, [("polling out of range", False)]),
        ({"polling_s": 2**32 - 1}, []),
        ({"polling_s": 0}, []),
        ({"datapath_id": None}, [("ovs-vswitchd has not set up the bridge", True)]),
        ({"targets": ["x y"]}, [("not the address of a collector", True)]),
        ({"targets": ["10.0.0.5:6343", "[fe80::1]"]}, [("not the address of a collector", False)]),
        ({"agent": "eth9"}, [("the agent is no interface of this host", False)]),
    ],
)
def test_rows(changed, found):
    assert checked(EXPORT._replace(**changed)) == found


def test_agents():
    lacking = host(addresses={"eth0": []})
    assert checked(EXPORT, lacking) == [("the agent has no address", False)]
    assert checked(EXPORT, host(addresses={})) == [("the agent is no interface of this host", False)]
    nowhere = host(addresses={"eth0": []}, routes={})
    assert checked(EXPORT, nowhere) == [("the agent has no address", True), ("no route to a collector", True)]
    assert checked(EXPORT._replace(local_addresses=["10.9.0.1"]), nowhere)[0] == ("the agent has no address", False), (
        "the local address towards a controller is used"
    )
    loopback = host(addresses={"eth0": ["127.0.0.1"]})
    assert checked(EXPORT, loopback) == [("the agent's address is a loopback address", False)]
    here, own = EXPORT._replace(targets=["127.0.0.1:6343"]), host(addresses={"eth0": ["127.0.0.1"]}, routes={"127.0.0.1": ROUTE})
    local = UdpSocket("127.0.0.1", 40000, "127.0.0.1", 6343, 7)
    assert checked(here, own._replace(vswitchd=DAEMON._replace(sockets=[local]))) == [], "the collector is on this host"


def test_routes_and_sockets():
    two = EXPORT._replace(targets=["10.0.0.5", "10.9.0.9:7"])
    assert checked(two, HOST) == [("no route to a collector", False)]
    reached = host(routes={"10.0.0.5": ROUTE, "10.9.0.9": ROUTE})
    missing = "ovs-vswitchd does not send to a collector"
    assert checked(two, reached) == [(missing, False)]
    assert checked(EXPORT, HOST._replace(vswitchd=DAEMON._replace(sockets=[]))) == [(missing, True)]
    assert checked(EXPORT, HOST._replace(vswitchd=DAEMON._replace(own=frozenset([8])))) == [(missing, True)], "a socket of another program"
    assert checked(EXPORT, HOST._replace(vswitchd=DAEMON._replace(own=frozenset()))) == [], "its owner is unknown"
    second = EXPORT._replace(bridge="br1")
    assert checked(EXPORT, HOST, second) == [(missing, False)], "two bridges, but one socket"
    both = DAEMON._replace(sockets=[SOCKET, SOCKET._replace(local_port=40001, inode=8)])
    assert checked(EXPORT, HOST._replace(vswitchd=both), second) == []
    for off in ({"sampling": 0}, {"datapath_id": None}):
        assert checked(EXPORT, HOST, second._replace(**off)) == [], "the other bridge needs no socket"
    mapped = DAEMON._replace(sockets=[SOCKET._replace(local="::ffff:10.0.0.1", remote="::ffff:10.0.0.5")])
    assert checked(EXPORT._replace(targets=["[::ffff:10.0.0.5]:6343"]), HOST._replace(vswitchd=mapped)) == []
    named = EXPORT._replace(targets=["collector.example"])
    assert checked(named, host(resolved={"collector.example": "10.0.0.5"})) == []
    assert checked(named, HOST) == [("not the address of a collector", True)]
    assert checked(named, host(resolved={"collector.example": "10.7.0.1"})) == [("no route to a collector", True)]
    assert checked(EXPORT, host(routes={"10.0.0.5": ROUTE._replace(type="broadcast")})) == [("not the address of a collector", False)]


def test_the_state_and_log_of_ovs_vswitchd():
    assert checked(EXPORT, HOST._replace(vswitchd=DAEMON._replace(state=None), is_running=False)) == [("ovs-vswitchd is not running", True)]
    assert checked(EXPORT, HOST._replace(vswitchd=DAEMON._replace(state="T", sockets=[]))) == [("ovs-vswitchd is stopped", True)]
    failed = "10.0.0.1:40000<->10.0.0.5:6343: sending to collector failed ({})"
    for why, age_s, found in (
        ("Operation not permitted", 3, [("sending to a collector fails", False)]),
        ("Operation not permitted", 300, []),
        ("Connection refused", 3, [("a collector refuses datagrams", False)]),
        ("Connection refused", 300, []),
    ):
        assert checked(EXPORT, HOST._replace(vswitchd=DAEMON._replace(log=[Logged(age_s, failed.format(why))]))) == found
    others = [Logged(3, failed.format("Operation not permitted").replace("40000", "40009"))]
    assert checked(EXPORT, HOST._replace(vswitchd=DAEMON._replace(log=others))) == [], "the log line is of a closed socket"


def test_an_address_that_is_gone():
    failed = "10.0.0.1:40000<->10.0.0.5:6343: sending to collector failed (Network is unreachable)"
    there = HOST._replace(links=[Link("eth0", True, ["10.0.0.1/24"])], vswitchd=DAEMON._replace(log=[Logged(3, failed)]))
    assert checked(EXPORT, there) == [("sending to a collector fails", False)]
    moved = there._replace(links=[Link("eth0", True, ["10.0.0.2/24"])])
    assert checked(EXPORT, moved) == [("ovs-vswitchd sends from an address that is gone", False)], "the missing address is the cause"
    (finding,) = rules.findings(EXPORT, [EXPORT], moved)
    assert finding.remedy == EXPORT.anew


def test_log_lines_of_another_configuration_are_ignored():
    logging = DAEMON._replace(log=[Logged(3, "bridge br0: no collectors could be initialized")])
    two = EXPORT._replace(targets=["10.0.0.5", "10.9.0.9:7"])
    reached = host(routes={"10.0.0.5": ROUTE, "10.9.0.9": ROUTE})._replace(vswitchd=logging)
    (finding,) = rules.findings(two, [two], reached)
    assert "logged" not in finding.evidence, "one collector could be initialized"
    off, *_ = rules.findings(two, [two], reached._replace(vswitchd=logging._replace(sockets=[])))
    assert "3s ago ovs-vswitchd logged: bridge br0: no collectors" in off.evidence
    before = logging._replace(sockets=[], begun_s=1)
    off, *_ = rules.findings(two, [two], reached._replace(vswitchd=before))
    assert "logged" not in off.evidence, "the log line is of an older configuration"
    assert before.logged_since("no collectors") is None and before._replace(begun_s=2).logged_since("no collectors")


def test_samples_that_are_dropped_are_logged():
    logging = HOST._replace(vswitchd=DAEMON._replace(log=[Logged(3, "sFlow agent error: receiver: flow sample too big for datagram")]))
    assert checked(EXPORT._replace(header=500), logging) == [("header too long", False)]
    assert checked(EXPORT, logging) == [], "the log line is of another bridge"
    assert checked(EXPORT._replace(header=500)) == []


def test_remedies_keep_the_other_settings():
    asked = EXPORT._replace(targets=["10.0.0.5:7", "[2001:db8::5]"], sampling=64, polling_s=0, header=700)
    (finding,) = rules._header(asked)
    enable = "ovstool sflow enable br0 --collector 10.0.0.5:7 --collector [2001:db8::5] --agent eth0 --sampling 64 --polling 0 --header 472"
    assert [" ".join(words) for words in finding.remedy] == [enable]
    assert [" ".join(words) for words in EXPORT.anew] == [
        "ovstool sflow disable br0",
        "ovstool sflow enable br0 --collector 10.0.0.5:6343 --agent eth0",
    ]


def test_remedies_are_accepted_whatever_else_is_wrong():
    every = EXPORT._replace(agent="nosuch", targets=["10.0.0.5", "10.9.9.9", "gone.example"], sampling=0, polling_s=-1, header=9999)
    told = HOST.told(every)
    assert (told.refused, told.nameless, told.is_agent_unfit) == ({"10.9.9.9"}, {"gone.example"}, True)
    kept = "ovstool sflow enable br0 --collector 10.0.0.5 --collector 10.9.9.9"
    remedies = {finding.problem: " ".join(finding.remedy[-1]) for finding in rules.findings(told, [told], HOST)}
    for problem in ("sampling out of range", "polling out of range", "header too long", "the agent is no interface of this host"):
        assert remedies[problem] == f"{kept} --sampling 400 --polling 30 --header 472 --force"
    fine = HOST.told(EXPORT)
    assert fine == EXPORT and "--force" not in fine.anew[-1]
    lost = HOST.told(EXPORT._replace(targets=["gone.example"]))
    assert "gone.example" in lost.mended(), "at least one collector must be kept"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"targets": ["10.0.0.1:sflow"], "sampling": 64}, "--collector 10.0.0.1:6343 --agent eth0 --sampling 64"),
        ({"targets": ["10.0.0.1:7:8"]}, "--collector 10.0.0.1:6343 --agent eth0"),
        ({"targets": ["10.0.0.1:99999", "10.0.0.5"]}, "--collector 10.0.0.1:6343 --collector 10.0.0.5 --agent eth0"),
        ({"targets": ["2001:db8::5"]}, "--collector [2001:db8::5]:6343 --agent eth0"),
        ({"targets": ["[2001:db8::5]:x", ""]}, "--collector [2001:db8::5]:6343 --agent eth0"),
        ({"sampling": 0}, "--collector 10.0.0.5:6343 --agent eth0 --sampling 400"),
        ({"header": 20, "polling_s": -1}, "--collector 10.0.0.5:6343 --agent eth0 --polling 30 --header 128"),
        ({"header": 500, "interfaces": [SampledInterface("vx", "vxlan", 2, None)]}, "--collector 10.0.0.5:6343 --agent eth0 --header 472"),
    ],
)
def test_one_command_fixes_all_known_errors(changed, words):
    export = EXPORT._replace(**changed)
    assert " ".join(export.mended()) == f"ovstool sflow enable br0 {words}"
    for finding in rules.of_row(export):
        assert finding.remedy == (export.mended(),)


def test_without_a_known_collector_the_remedy_disables_the_export():
    for target in ("", "x y", "0.0.0.0"):
        (finding,) = rules.of_row(EXPORT._replace(targets=[target]))
        assert finding.remedy == (("ovstool", "sflow", "disable", "br0"),) and finding.disables
        assert ("a target is empty" in finding.evidence) == (not target)


def test_no_remedy_keeps_a_loopback_agent():
    told = host(addresses={"eth0": ["127.0.0.1"]}).told(EXPORT._replace(header=20))
    assert told.is_agent_unfit and "--agent" not in told.mended()


def test_an_interface_that_is_down_is_the_cause_and_has_one_row():
    down = host(routes={})._replace(links=[Link("br0", False, ["10.0.0.1/24", "fe80::1/64", "x/y"])])
    assert checked(EXPORT, down) == [("the interface to a collector is down", True)]
    (finding,) = rules.findings(EXPORT, [EXPORT], down._replace(network=("nsenter",)))
    assert finding.remedy == (("nsenter", "ip", "link", "set", "br0", "up"),)
    up = down._replace(links=[Link("br0", True, ["10.0.0.1/24"])])
    assert checked(EXPORT, up) == [("no route to a collector", True)]


REFUSED = "10.0.0.1:{}<->10.0.0.5:6343: sending to collector failed (Connection refused)"


@pytest.mark.parametrize(
    ("port", "age_s", "is_refused", "is_found"),
    [
        (40000, 119, None, True), (40000, 121, None, False), (40009, 3, None, False),
        (40009, 179, True, True), (40009, 181, True, False), (40000, 3, False, False),
    ],
)  # fmt: skip
def test_a_collector_that_refuses(port, age_s, is_refused, is_found):
    """Log lines of closed sockets count only while ICMP errors keep arriving; if none arrive, no line counts."""
    logging = DAEMON._replace(log=[Logged(age_s, REFUSED.format(port))])
    found = list(delivery.findings(EXPORT, HOST, Delivery(logging, is_refused=is_refused)))
    assert [finding.problem for finding in found] == ["a collector refuses datagrams"] * is_found
    assert all(f"; {age_s // 60}m {age_s % 60}s ago" in finding.evidence or age_s < 60 for finding in found)
    other = logging._replace(log=[Logged(age_s, REFUSED.format(port).replace("10.0.0.5", "127.0.0.1"))])
    assert list(delivery.findings(EXPORT, HOST, Delivery(other, is_refused=is_refused))) == [], "the target of the check itself"


def test_a_next_hop_that_does_not_answer():
    def found(gateway: str | None, *unanswered: tuple[str, str]) -> list[str]:
        failing = DAEMON._replace(log=[Logged(3, "10.0.0.1:40000<->10.0.0.5:6343: sending to collector failed (No route to host)")])
        at = host(routes={"10.0.0.5": ROUTE._replace(gateway=gateway)})._replace(vswitchd=failing)
        return [finding.problem for finding in delivery.findings(EXPORT, at, Delivery(failing, frozenset(unanswered)))]

    silent = ["the next hop to a collector does not answer"]
    assert found(None, ("10.0.0.5", "eth0")) == found("10.0.0.9", ("10.0.0.9", "eth0")) == silent, "the silent next hop is the cause"
    assert found("10.0.0.9", ("10.0.0.5", "eth0")) == found(None, ("10.0.0.5", "eth1")) == ["sending to a collector fails"]


def test_proofs_state_only_what_was_seen():
    assert list(datagrams.proofs([HEARD])) == [
        "br0: datagram from agent 10.0.0.1 caught: sampling 1 in 400, 1 packet sampled, counters of 1 port agree"
    ]
    idle = HEARD._replace(datagrams=[sent()], before=None)
    assert list(datagrams.proofs([idle])) == ["br0: datagram from agent 10.0.0.1 caught"]
    wrong = HEARD._replace(datagrams=[sent(flow(64))])
    assert list(datagrams.proofs([wrong, HEARD._replace(datagrams=[])])) == []
    assert list(datagrams.proofs([idle] * 7))[5:] == ["datagrams of 2 more bridges caught, with which nothing is wrong"]


SHOWN = """state S 4711
udp    sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
udp  5740: FE00000A:EAC6 0909090A:18C7 01 00000000:00000000 00:00000000 00000000     0        0 124977511 2 000000004c126488 0
udp   sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt
icmp InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds
icmp 70 0 0 69 1
icmp6 	2
udp  1234: 00000000000000000000000001000000:9C40 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 9 2 0 0
own 124977511
own 5
log 2026-11-22T09:44:06.832Z|00048|sflow|INFO|creating sFlow agent 0
log 2026-11-22T10:00:20.294Z|00086|collectors|WARN|10.0.0.254:60102<->10.9.9.9:6343: sending to collector failed (Connection refused)
log 2026-11-22T10:00:50.000Z|00087|sflow(handler7)|ERR|could not determine IP address for sFlow agent
log garbage
now 2026-11-22T10:01:00
"""


def test_parsing_the_state_of_ovs_vswitchd():
    found = vswitchd.shown(SHOWN)
    assert (found.pid, found.state, found.own) == (4711, "S", {124977511, 5})
    assert found.sockets == [UdpSocket("10.0.0.254", 60102, "10.9.9.9", 6343, 124977511), UdpSocket("::1", 40000, "::", 0, 9)]
    assert found.to("10.9.9.9", 6343) == found.sockets[:1] and found.to("::", 0) == []
    assert [line.age_s for line in found.log] == [40, 10]
    assert (found.begun_s, found.unreachable) == (16 * 60 + 54, 71)
    assert vswitchd.shown("icmp InDestUnreachs").unreachable is vswitchd.shown("icmp InDestUnreachs\nicmp -").unreachable is None
    assert found.logged("sFlow agent").text == "could not determine IP address for sFlow agent"
    swapped = "order 256\nudp 1: 0A0000FE:EAC6 0A000005:18C7 1 0 0 0 0 0 7 0 0"
    assert vswitchd.shown(swapped).sockets == [UdpSocket("10.0.0.254", 60102, "10.0.0.5", 6343, 7)], "a host with the other byte order"
    assert vswitchd.shown(SHOWN.replace("state S", "state Z")).state is None, "ovs-vswitchd has exited"
    lies = "state S x\nown 1e9\nudp 1: zz:1 1:1 2 3 4 5 6 7 8 9\nudp 1: 00000000:0 1 2 3 4 5 6 7 8 9\nnow never\nlog 2026-99-22T09:44:06.8Z|1|sflow|WARN|x\n\udcff"
    assert vswitchd.shown(lies) == vswitchd.shown("") == Vswitchd(None, None, [], frozenset(), [])
    assert vswitchd.shown("own 5\nnow 2026-11-22T10:01:00\n").own == frozenset(), "the process that read it"


def flow(rate: int) -> bytes:
    return struct.pack("!2I8I", 1, 32, 1, 0x02000000 | 1000, rate, rate, 0, 11, 12, 0)


def counters(if_index: int, received: int, sent: int, datapath: int = 0xAA) -> bytes:
    generic = struct.pack("!IIQIIQ6IQ6I", if_index, 6, 10**9, 1, 3, received, *[0] * 6, sent, *[0] * 6)
    port = struct.pack("!QI", datapath, 1)
    records = struct.pack("!2I", 1, len(generic)) + generic + struct.pack("!2I", 1004, len(port)) + port
    return struct.pack("!2I3I", 2, 12 + len(records), 1, if_index, 2) + records


def sent(*samples: bytes, agent: str = "10.0.0.1", sub_agent: int = 0) -> datagram.Datagram:
    address = bytes(map(int, agent.split(".")))
    return datagram.decode(struct.pack("!2I4s4I", 5, 1, address, sub_agent, 1, 1000, len(samples)) + b"".join(samples))


BEFORE, AFTER = {1: {"rx_bytes": 100, "tx_bytes": 200, "rx_packets": 1}}, {1: {"rx_bytes": 110, "tx_bytes": 210, "rx_packets": 3}}
HEARD = Heard(EXPORT, [sent(counters(11, 105, 210), flow(400))], 3.0, {"10.0.0.1"}, BEFORE, AFTER)


def judged(heard: Heard) -> list[str]:
    found = list(datagrams.findings(heard))
    for finding in found:
        assert finding.severity == ("error" if finding.problem in SFLOW_ERRORS else "warning") and finding.evidence and finding.remedy
    return [finding.problem for finding in found]


def test_datagrams_that_match_the_configuration():
    assert judged(HEARD) == [] and list(datagrams.notes([HEARD])) == []
    assert judged(HEARD._replace(agents=set())) == [] and judged(HEARD._replace(before=None)) == []
    assert judged(HEARD._replace(agents={"10.0.0.1", "2001:db8::1"})) == []


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"datagrams": []}, ["no datagram leaves ovs-vswitchd"]),
        ({"datagrams": [], "export": EXPORT._replace(polling_s=0)}, []),
        ({"datagrams": [], "export": EXPORT._replace(interfaces=[])}, []),
        ({"datagrams": [sent(flow(400), agent="10.0.0.2")]}, ["datagrams have another agent address"]),
        ({"datagrams": [sent(flow(64))]}, ["samples have another sampling rate"]),
        ({"datagrams": [sent(counters(11, 99, 200), flow(400))]}, ["counters differ from the switch's"]),
        ({"datagrams": [sent(counters(11, 100, 211), flow(400))]}, ["counters differ from the switch's"]),
        ({"datagrams": [sent(counters(11, 111, 211), flow(400))], "after": {1: {"rx_bytes": 5, "tx_bytes": 5}}}, []),
        ({"datagrams": [sent(counters(12, 99, 200), flow(400))]}, []),
        ({"datagrams": [sent(counters(11, 99, 200), flow(400))], "export": EXPORT._replace(interfaces=[ETH1, ETH1])}, []),
        ({"shared_with": ["br1"]}, ["bridges have one sub-agent"]),
        ({"datagrams": [datagram.decode(b"\0\0\0\4" * 9)]}, ["datagrams are malformed"]),
        (
            {"datagrams": [sent(counters(11, 105, 205))], "after": {1: {"rx_bytes": 32 * 400 * 65536 + 100}}},
            ["packets pass and none is sampled"],
        ),
        ({"datagrams": [sent(counters(11, 105, 205))], "after": {1: {"rx_bytes": 31 * 400 * 65536}}}, []),
    ],
)
def test_datagrams_that_do_not_match(changed, found):
    assert judged(HEARD._replace(**changed)) == found


def test_what_could_not_be_checked_is_reported():
    idle = HEARD._replace(datagrams=[sent(counters(11, 105, 205))])
    assert list(datagrams.notes([idle])) == ["br0: no packet was sampled in 3.0 s; 2 packets came in, and one in 400 is sampled"]
    assert list(datagrams.notes([idle._replace(after=BEFORE)])) == ["br0: no packet was sampled in 3.0 s, as none came in"]
    assert list(datagrams.notes([idle._replace(after=None)])) == ["br0: no packet was sampled in 3.0 s"]
    silent = idle._replace(datagrams=[], export=EXPORT._replace(polling_s=0))
    assert len(list(datagrams.notes([silent]))) == 3


def test_a_note_about_several_bridges_is_printed_once():
    def named(heard: Heard, *numbers: int) -> list[Heard]:
        return [heard._replace(export=heard.export._replace(bridge=f"br{n}")) for n in numbers]

    idle = HEARD._replace(datagrams=[sent(counters(11, 105, 205))])
    quiet = idle._replace(after=BEFORE, seconds=3.2)
    rare = quiet._replace(export=EXPORT._replace(sampling=9), after=AFTER)
    every = [*named(idle, 0, 1), *named(quiet, *range(2, 14)), *named(quiet._replace(seconds=3.1), 14), *named(rare, 15), *named(HEARD, 16)]
    assert list(datagrams.notes(every)) == [
        "br0, br1: no packet was sampled in 3.0 s; 4 packets came in, and one in 400 is sampled",
        "br2, br3, br4, br5, br6 and 8 more: no packet was sampled in 3.1 s, as none came in",
        "br15: no packet was sampled in 3.2 s; 2 packets came in, and one in 9 is sampled",
    ]
    mute = idle._replace(datagrams=[], export=EXPORT._replace(polling_s=0))
    assert [note.partition(":")[0] for note in datagrams.notes(named(mute, *range(9)))] == ["br0, br1, br2, br3, br4 and 4 more"] * 3


def test_bridges_that_share_a_row_are_told_apart_by_their_counters():
    other = EXPORT._replace(bridge="br1", datapath_id="00000000000000bb")
    mine, theirs, nobodys = sent(counters(11, 1, 1)), sent(counters(21, 1, 1, 0xBB), sub_agent=1), sent(flow(400), sub_agent=2)
    later = sent(flow(400), sub_agent=1)
    assert datagrams.by_bridge([EXPORT, other], [mine, theirs, nobodys, later]) == {"br0": [mine], "br1": [theirs, later]}
    assert datagrams.by_bridge([EXPORT], [mine, nobodys]) == {"br0": [mine, nobodys]}


def test_the_datapath_s_counters_are_nobody_s():
    record = struct.pack("!2I6I", 2207, 24, *range(6))
    of_datapath = struct.pack("!2I3I", 2, 12 + len(record), 1, 2 << 24 | 11, 1) + record
    heard = HEARD._replace(datagrams=[sent(of_datapath, flow(400))])
    assert "ovs_dp_stats" in heard.datagrams[0].samples[0].fields()
    assert heard.counters == [] and len(HEARD.counters) == 1
