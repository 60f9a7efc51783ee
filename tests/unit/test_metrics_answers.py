"""What ovs-vswitchd and proc(5) say, as metrics; and OpenFlow's statistics of tables, groups and meters."""

import socket
import struct

import pytest

from ovstool.errors import OvstoolError, Refused, Unreachable
from ovstool.host import Finished
from ovstool.metrics import answers, daemons
from ovstool.metrics.database import Database
from ovstool.metrics.reading import Reading
from ovstool.openflow import statistics
from ovstool.openflow.messages import Malformed, Part
from ovstool.switch import Switch

DPCTL = """\
netdev@ovs-netdev:
  lookups: hit:57723 missed:132 lost:20
  flows: 76
  port 0: ovs-netdev (tap)
system@ovs-system:
  lookups: hit:1 missed:2 lost:3
  flows: 4
  masks: hit:5 total:6 hit/pkt:1.67
  cache: hit:7 hit-rate:8.00%
  caches:
    masks-cache: size:256
  port 0: ovs-system (internal)
"""
UPCALLS = """\
system@ovs-system:
  flows         : (current 76) (avg 70) (max 90) (limit 200000)
  offloaded flows : 3
  dump duration : 25ms
  ufid enabled : true

  10: (keys 76)
"""
PMDS = """\

Time: 14:42:15.168
Measurement duration: 184304.299 s

pmd thread numa_id 0 core_id 3:

  Iterations:         2184304299142  (2.35 us/it)
  - Used TSC cycles:  997990776491190  ( 99.8 % of total cycles)
  - idle iterations:  157612371830  (  7.3 % of used cycles)
  - busy iterations:   26691927312  ( 92.7 % of used cycles)
  Sleep time (us):               0  (  0 us/iteration avg.)
  Rx packets:         1553492231479  (3572 Kpps, 595 cycles/pkt)
  Datapath passes:    1553492231480  (1.00 passes/pkt)
  - PHWOL hits:                 31  (  0.0 %)
  - MFEX Opt hits:              32  (  0.0 %)
  - Simple Match hits:1234567890123  (  0.0 %)
  - EMC hits:                   33  (  0.0 %)
  - SMC hits:                   34  (  0.0 %)
  - Megaflow hits:              35  (  0.0 %, 1.00 subtbl lookups/hit)
  - Upcalls:                     2  (  0.0 %, 0.0 us/upcall)
  - Lost upcalls:                1  (  0.0 %)
  Tx packets:         1553492699287  (3572 Kpps)
  Tx batches:                    36  (32.00 pkts/batch)

main thread:

  Rx packets:                    9  (0 Kpps)
"""
BONDS = """\
---- bond0 ----
bond_mode: active-backup
lacp_status: negotiated
active slave mac: 00:00:00:00:00:01(eth8)

slave eth8: enabled
  active slave
  may_enable: true

slave eth9: disabled
  may_enable: false

---- bond1 ----
lacp_status: off

member eth5: enabled
  active member
  may_enable: true
"""
STAT = "77 (ovs-vswitchd) S 1 77 77 0 -1 4194624 9 0 0 0 250 50 0 0 20 0 4 0 12345 99 88 18446744073709551615 1 1"
SCRIPT = (
    f"\x1eprocess ovs-vswitchd 77\n{STAT}\nName:\tovs-vswitchd\nVmRSS:\t   2048 kB\n"
    "\x1ethread pmd-c03/id:12\nnonvoluntary_ctxt_switches:\t17\n\x1eprocess ovsdb-server 78\n\x1eboot\nbtime 1700000000\n"
)


def added(take, *args) -> dict:
    reading = Reading({})
    take(*args, reading)
    return reading.samples


def test_datapaths():
    netdev, system = ("netdev", "ovs-netdev"), ("system", "ovs-system")
    assert added(answers.add_datapaths, DPCTL) == {
        "ovs_datapath_lookup_hits_total": {netdev: 57723, system: 1},
        "ovs_datapath_lookup_missed_total": {netdev: 132, system: 2},
        "ovs_datapath_lookup_lost_total": {netdev: 20, system: 3},
        "ovs_datapath_flows_total": {netdev: 76, system: 4},
        "ovs_datapath_mask_hits_total": {system: 5},
        "ovs_datapath_masks": {system: 6},
    }


def test_upcalls():
    labels = ("system", "ovs-system")
    assert added(answers.add_upcalls, UPCALLS) == {
        "ovs_upcall_flows": {labels: 76},
        "ovs_upcall_flow_limit": {labels: 200000},
        "ovs_upcall_dump_duration_seconds": {labels: 0.025},
    }


def test_memory():
    found = added(answers.add_memory, "handlers:29 idl-cells-Open_vSwitch:7351 ports:114 revalidators:11 rules:190 udpif keys:76\n")
    assert {name: value for name, samples in found.items() for value in samples.values()} == {
        "ovs_memory_handlers_total": 29,
        "ovs_memory_ports_total": 114,
        "ovs_memory_revalidators_total": 11,
        "ovs_memory_rules_total": 190,
        "ovs_memory_keys_total": 76,
    }


def test_pmds():
    found = added(answers.add_pmds, PMDS, daemons.parsed(SCRIPT))
    assert {name: value for name, samples in found.items() for value in samples.values()} == {
        "ovs_pmd_total_iterations": 2184304299142,
        "ovs_pmd_idle_iterations": 157612371830,
        "ovs_pmd_busy_iterations": 26691927312,
        "ovs_pmd_rx_packets": 1553492231479,
        "ovs_pmd_tx_packets": 1553492699287,
        "ovs_pmd_datapath_passes": 1553492231480,
        "ovs_pmd_phwol_hits": 31,
        "ovs_pmd_mfex_opt_hits": 32,
        "ovs_pmd_simple_match_hits": 1234567890123,
        "ovs_pmd_emc_hits": 33,
        "ovs_pmd_smc_hits": 34,
        "ovs_pmd_megaflow_hits": 35,
        "ovs_pmd_tx_batches": 36,
        "ovs_pmd_total_upcalls": 2,
        "ovs_pmd_lost_upcalls": 1,
        "ovs_pmd_nonvol_context_switches": 17,
    }
    assert {labels for samples in found.values() for labels in samples} == {("0", "3")}
    first = added(answers.add_pmds, PMDS.replace("core_id 3", "core_id 0"), {"thread pmd-c00/id:9": "nonvoluntary_ctxt_switches: 5\n"})
    assert first["ovs_pmd_nonvol_context_switches"] == {("0", "0"): 5}


def test_bonds():
    """In the words of 2.15 and of older versions; only of the members that are asked for."""
    labels = {"u8": ("br0", "bond0", "eth8", "system", ""), "u5": ("br1", "bond1", "eth5", "dpdk", "")}
    assert added(answers.add_bonds, BONDS, Database({}, labels, {}, False)) == {
        "ovs_bond_members": {("br0", "bond0"): 2, ("br1", "bond1"): 1},
        "ovs_bond_members_enabled": {("br0", "bond0"): 1, ("br1", "bond1"): 1},
        "ovs_bond_member_enabled": {("br0", "bond0", "eth8"): 1, ("br1", "bond1", "eth5"): 1},
        "ovs_bond_member_active": {("br0", "bond0", "eth8"): 1, ("br1", "bond1", "eth5"): 1},
        "ovs_bond_lacp_negotiated": {("br0", "bond0"): 1},
    }


@pytest.mark.parametrize("take", [answers.add_datapaths, answers.add_upcalls, answers.add_memory])
@pytest.mark.parametrize("text", ["", "\n", "nonsense", "a@b:\n  flows: many\n", "a@b:\n" * 9])
def test_other_text_adds_nothing(take, text):
    assert added(take, text) == {}


def test_the_script_of_the_host():
    parts = daemons.parsed(SCRIPT)
    assert parts["thread pmd-c03/id:12"] == "nonvoluntary_ctxt_switches:\t17\n" and parts["process ovsdb-server 78"] == ""
    assert added(daemons.add_processes, parts) == {
        "ovs_daemon_up": {("ovs-vswitchd",): 1, ("ovsdb-server",): 0},
        "ovs_daemon_cpu_seconds_total": {("ovs-vswitchd",): 3.0},
        "ovs_daemon_start_time_seconds": {("ovs-vswitchd",): 1700000123.45},
        "ovs_daemon_resident_memory_bytes": {("ovs-vswitchd",): 2 * 2**20},
    }


@pytest.mark.parametrize(
    ("old", "new", "missing"),
    [
        ("boot\nbtime 1700000000", "boot\n", ["ovs_daemon_start_time_seconds"]),
        (" 12345 99 ", " x 99 ", ["ovs_daemon_start_time_seconds"]),
        (" 250 50 ", " x 50 ", ["ovs_daemon_cpu_seconds_total"]),
        (" 250 50 ", " 250 x ", ["ovs_daemon_cpu_seconds_total"]),
        ("VmRSS:", "VmSwap:", ["ovs_daemon_resident_memory_bytes"]),
    ],
)
def test_what_a_host_does_not_tell(old, new, missing):
    """The rest is there."""
    whole, found = (added(daemons.add_processes, daemons.parsed(text)) for text in (SCRIPT, SCRIPT.replace(old, new)))
    assert sorted(whole.keys() - found.keys()) == missing and found.items() <= whole.items()


@pytest.mark.parametrize("heading", ["process bash 77", "thread ovs-vswitchd 77", "thread bash"])
def test_only_the_two_daemons_are_told(heading):
    assert added(daemons.add_processes, {heading: STAT.replace("ovs-vswitchd", heading.split()[1])}) == {}


def test_a_process_about_which_too_little_is_told():
    short = STAT[: STAT.index(" 12345 ")]
    assert ("ovs-vswitchd",) not in added(daemons.add_processes, daemons.parsed(SCRIPT.replace(STAT, short)))["ovs_daemon_up"]


def test_an_answer_or_why_there_is_none():
    refusal, lost = Refused("ovs-appctl memory/show", "not a valid command"), Unreachable("ovs-vswitchd", "connection lost")
    asked = daemons.Asked({}, {"dpctl/show": "said\n", "memory/show": refusal, "bond/show": lost, "upcall/show": lost})
    assert asked.answer("dpctl/show") == "said\n"
    for question, error in (("memory/show", refusal), ("bond/show", lost), ("upcall/show", lost)):
        with pytest.raises(OvstoolError) as raised:
            asked.answer(question)
        assert raised.value is error


class Host:
    """A host that says ``said`` when the script runs, or fails with ``status``, and whose control socket is ``stream``."""

    def __init__(self, said: str, stream: socket.socket | None = None, status: int = 0):
        self.said = said
        self.stream = stream
        self.status = status
        self.opened: list[tuple[str, str]] = []
        self.ran: list[list[str]] = []

    def run(self, argv, timeout_s: float, stdin: bytes = b"") -> Finished:
        self.ran.append(argv)
        return Finished(self.status, "", self.said) if self.status else Finished(0, self.said, "")

    def open(self, address: str, timeout_s: float, tls, server: str):
        self.opened.append((address, server))
        assert timeout_s <= 7
        return self.stream

    def ask(self, *questions: str) -> daemons.Asked:
        return daemons.ask(Switch("unix:/run/ovs/db.sock", host=self), questions)


def test_the_socket_of_the_process_is_asked():
    ours, daemon_s = socket.socketpair()
    with daemon_s:
        daemon_s.sendall(b'{"id":0,"result":"yes","error":null}{"id":1,"result":null,"error":"no such\\n"}')
        daemon_s.shutdown(socket.SHUT_WR)
        host = Host("\x1eprocess ovs-vswitchd 77\n", ours)
        asked = host.ask("dpctl/show", "pmd -nh", "bond/show")
        assert host.opened == [("unix:/run/ovs/ovs-vswitchd.77.ctl", "ovs-vswitchd")] and host.ran[0][-1] == "/run/ovs"
        assert daemon_s.recv(1000) == (
            b'{"id":0,"method":"dpctl/show","params":[]}{"id":1,"method":"pmd","params":["-nh"]}{"id":2,"method":"bond/show","params":[]}'
        )
        assert asked.answer("dpctl/show") == "yes"
        with pytest.raises(Refused, match=r"^ovs-appctl pmd -nh: no such$"):
            asked.answer("pmd -nh")
        with pytest.raises(Unreachable, match=r"^ovs-vswitchd: connection lost: closed by the server"):
            asked.answer("bond/show")


def test_all_that_a_daemon_answers():
    ours, daemon_s = socket.socketpair()
    with daemon_s:
        daemon_s.sendall(b'{"id":0,"result":"yes","error":null}{"id":1,"result":"no","error":null}')
        asked = Host("\x1eprocess ovs-vswitchd 77\n\x1eboot\nbtime 5\n", ours).ask("dpctl/show", "bond/show")
    assert asked == ({"process ovs-vswitchd 77": "", "boot": "btime 5\n"}, {"dpctl/show": "yes", "bond/show": "no"})
    assert ours.fileno() == -1


@pytest.mark.parametrize(
    ("stderr", "why"), [("sh: 1: cat:\nnot found\n", "sh: 1: cat:\\nnot found"), (" \n", "ended with status 127"), ("x" * 999, "x" * 200)]
)
def test_a_host_without_the_programs_of_the_script(stderr, why):
    with pytest.raises(Refused) as raised:
        Host(stderr, status=127).ask("dpctl/show")
    assert (raised.value.what, raised.value.why) == ("sh", why)


@pytest.mark.parametrize(
    "said", ["", "\x1eprocess ovs-vswitchd \n", "\x1eprocess ovs-vswitchd 1/../x\n", f"\x1eprocess ovs-vswitchd {'9' * 11}\n"]
)
def test_no_process_to_ask(said):
    host = Host(said)
    with pytest.raises(Unreachable, match=r"^ovs-vswitchd: its pid file in '?/run/ovs'? is missing or cannot be read"):
        host.ask("dpctl/show").answer("dpctl/show")
    assert host.opened == []


def test_a_host_may_say_anything():
    for text in (
        "",
        "\x1e",
        "\x1eboot\nbtime x",
        f"\x1eprocess ovsdb-server 1\n1 (ovsdb-server) S {'x ' * 40}",
    ):
        assert added(daemons.add_processes, daemons.parsed(text)).keys() <= {"ovs_daemon_up"}


@pytest.mark.parametrize("state", "ZX")
def test_a_process_that_has_ended(state):
    """A zombie still has its name, but no daemon."""
    found = added(daemons.add_processes, daemons.parsed(SCRIPT.replace(") S", f") {state}")))
    assert found == {"ovs_daemon_up": {("ovs-vswitchd",): 0, ("ovsdb-server",): 0}}


def test_a_process_that_has_another_name_is_not_told():
    """The number in a stale pid file may meanwhile be another process."""
    asked = daemons.parsed(SCRIPT.replace("(ovs-vswitchd)", "(bash)"))
    assert ("ovs-vswitchd",) not in added(daemons.add_processes, asked)["ovs_daemon_up"]


def part(kind: int, body: bytes) -> list[Part]:
    return [Part(kind, False, memoryview(body))]


NEVER = 2**64 - 1
GROUP = struct.pack("!H2xI4x4xQQII", 56, 7, 3, NEVER, 1, 2) + bytes(16)
METER = struct.pack("!IH6xIQQII", 1, 56, 0, 10, 20, 1, 2) + struct.pack("!QQ", 4, NEVER)


def test_openflow_statistics():
    assert statistics.groups(6, part(6, GROUP * 2)) == [(7, 3, None, [])] * 2
    assert statistics.meters(4, part(9, METER * 2)) == [(1, 10, 20, [(4, None)])] * 2
    assert statistics.groups(6, part(6, GROUP[:40].replace(b"\0\x38", b"\0\x28", 1))) == [(7, 3, None, [])]
    assert statistics.meters(4, part(9, METER[:40].replace(b"\0\x38", b"\0\x28", 1))) == [(1, 10, 20, [])]
    assert statistics.tables(4, part(3, struct.pack("!B3xIQQ", 5, 1, 2, 3))) == [(5, 1, 2, 3)]
    assert statistics.tables(1, part(3, struct.pack("!B43xIQQ", 5, 1, 2, 3))) == [(5, 1, 2, 3)]


@pytest.mark.parametrize(
    "parse, kind, body", [(statistics.groups, 6, GROUP), (statistics.meters, 9, METER), (statistics.tables, 3, b"\7" * 24)]
)
def test_malformed_statistics(parse, kind, body):
    with pytest.raises(Malformed):
        parse(6, part(4, body))
    for end in range(1, len(body)):
        with pytest.raises(Malformed):
            parse(6, part(kind, body[:end]))
    if parse is not statistics.tables:
        with pytest.raises(Malformed):
            parse(6, part(kind, bytes(len(body))))  # lengths of 0 would never end
