"""The results of adding, deleting, replacing and comparing flows, on one switch for all these tests; checked with ovs-ofctl."""

import io
import json
import shlex
import time
from types import SimpleNamespace

import pytest
from test_flow import NORMAL, ofctl

from ovstool.errors import Refused, Unreachable, UsageError
from ovstool.openflow.syntax import text
from ovstool.shell import App
from ovstool.switch import flow
from ovstool.switch.flow import top

OVS_OFCTL = ("ovs-ofctl", "-O", "OpenFlow14")


class Bridge:
    """br0 of a switch with eth1, eth2 and eth3."""

    def __init__(self, switch):
        self.switch = switch
        self.file = switch.box.directory / "given.flows"

    def begin(self, *lines: str) -> None:
        """Replace all flows with these."""
        self.file.write_text("".join(f"{line}\n" for line in lines))
        self.switch.tool(*OVS_OFCTL, "replace-flows", f"unix:{self.switch.box.directory}/br0.mgmt", str(self.file))

    def give(self, *lines: str) -> str:
        """Arguments that name a file with these flows."""
        self.file.write_text("".join(f"{line}\n" for line in lines))
        return f"--file {self.file}"

    def run(self, command: str) -> tuple[int, str, str]:
        """The exit code, what was printed, and the notes or the error."""
        out, err = io.StringIO(), io.StringIO()
        code = App(out, err).run(["--db", self.switch.box.db, "flow", *shlex.split(command)])
        return int(code), out.getvalue(), err.getvalue().replace(f" --db {self.switch.box.db}", "")

    def rows(self, command: str) -> list[list[str]]:
        """The printed words of each row; fails if there are notes."""
        code, printed, said = self.run(command)
        assert (code, said) == (0, ""), said
        return [line.split() for line in printed.splitlines()]

    def appctl(self, *words: str) -> None:
        control = next(self.switch.box.directory.glob("ovs-vswitchd.*.ctl"))
        self.switch.tool("ovs-appctl", "-t", str(control), *words)

    @property
    def flows(self) -> list[str]:
        return ofctl(self.switch, "--names")

    def refuses(self, command: str) -> tuple[int, str]:
        """The exit code and the error of a command that must change nothing."""
        before = self.flows
        code, printed, said = self.run(command)
        assert (printed, self.flows) == ("", before)
        return code, said.removeprefix("ovstool: ").removesuffix("\n")


@pytest.fixture(scope="module")
def shared(running_switch):
    with running_switch("dummy", ["eth1", "eth2", "eth3"]) as switch:
        yield Bridge(switch)


@pytest.fixture
def br0(shared):
    shared.begin(NORMAL)
    return shared


def note(*lines: str) -> str:
    return "".join(f"ovstool: note: {line}\n" for line in lines)


def test_flows_given_one_by_one(br0):
    first, second = "table=1,priority=5,ip,actions=drop", "table=1,priority=6,ip,actions=drop"
    assert br0.run(f"add br0 {first} -n") == (0, "+table=1 priority=5,ip actions=drop\n", note(f"{first}: would be created"))
    assert br0.run(f"add br0 {first}") == (0, f"{first}: created\n", "")
    assert br0.run(f"add br0 {first} -n") == (0, "", note(f"{first}: would be unchanged"))
    changed = "table=1,priority=5,ip,actions=eth1"
    assert br0.run(f"add br0 {changed} {second} -n") == (
        0, "-table=1 priority=5,ip actions=drop\n+table=1 priority=5,ip actions=output:eth1\n+table=1 priority=6,ip actions=drop\n",
        note(f"{changed}: would be updated", f"{second}: would be created"),
    )  # fmt: skip
    assert br0.run(f"add br0 {changed} {second}") == (0, f"{changed}: updated\n{second}: created\n", "")
    assert br0.run(f"add br0 {second} {first}") == (0, f"{second}: unchanged\n{first}: updated\n", "")
    assert br0.run(f"add br0 cookie=7,{second}") == (0, f"cookie=7,{second}: updated\n", "")
    assert br0.flows == sorted([NORMAL, "table=1, priority=5,ip actions=drop", "cookie=0x7, table=1, priority=6,ip actions=drop"])
    assert br0.refuses(f"add br0 {first} {changed}")[0] == 2  # the second one would replace the first


def test_flows_of_a_file_are_added(br0):
    br0.begin("table=9 actions=drop")
    words = br0.give("table=1,priority=5,ip actions=drop", "table=1,priority=6,ip actions=drop")
    assert br0.run(f"add br0 {words}") == (0, "br0: created\n", note("flows: 2 new"))
    assert br0.run(f"add br0 {words}") == (0, "br0: unchanged\n", "")
    words = br0.give("table=1,priority=5,ip actions=eth1", "table=1,priority=6,ip actions=drop", "table=1,priority=7,ip actions=drop")
    lines = "-table=1 priority=5,ip actions=drop\n+table=1 priority=5,ip actions=output:eth1\n+table=1 priority=7,ip actions=drop\n"
    code, printed, said = br0.run(f"add br0 {words} -n")
    assert (code, printed) == (0, lines)
    both = "flows: 1 new, 1 with other actions, cookie or timeouts"
    assert said == note("br0: would be updated", both)
    assert br0.run(f"add br0 {words}") == (0, "br0: updated\n", note(both))
    assert len(br0.flows) == 4
    assert br0.run(f"add br0 {br0.give(*['table=3 actions=drop'] * 2)}")[:2] == (0, "br0: created\n")


@pytest.mark.parametrize("as_file", [False, True])
def test_flags_are_compared(br0, as_file):
    """ovs-ofctl does not compare flags."""

    def added(*flags: str) -> str:
        line = ",".join(["table=1", *flags, "ip,in_port=eth1", "actions=drop"])
        code, printed, _ = br0.run(f"add br0 {br0.give(line) if as_file else line}")
        return printed.rpartition(": ")[2].strip() if code == 0 else "refused"

    assert [added("send_flow_rem"), added("send_flow_rem")] == ["created", "unchanged"]
    assert [added("send_flow_rem", "no_byte_counts"), added("no_byte_counts", "send_flow_rem")] == ["updated", "unchanged"]
    assert "send_flow_rem no_byte_counts" in "".join(br0.flows)
    assert [added(), added("send_flow_rem"), added("no_packet_counts")] == ["unchanged", "updated", "updated"]
    assert [added("no_packet_counts", "reset_counts"), added("no_packet_counts")] == ["updated", "unchanged"]


def test_different_flags_of_several_flows(br0):
    same = ["table=1,priority=1,send_flow_rem,ip,actions=drop", "table=1,priority=2,no_byte_counts,ip,actions=drop"]
    assert br0.run(f"add br0 {br0.give(*same)}")[1] == "br0: created\n"
    assert br0.run(f"add br0 {br0.give(*same)}")[1] == "br0: unchanged\n"
    assert br0.run(f"add br0 {br0.give(same[0], same[1].replace('no_byte', 'no_packet'))}")[1] == "br0: updated\n"


def test_what_a_match_covers_is_deleted(br0):
    lines = [*(f"table=1,priority={i},tcp,in_port=eth1,actions=drop" for i in (1, 2)), "table=2,cookie=5,ip,actions=drop", NORMAL]
    br0.begin(*lines)
    code, printed, said = br0.run("del br0 table=1 -n")
    assert (code, sorted(printed.splitlines())) == (0, [f"-table=1 priority={i},tcp,in_port=eth1 actions=drop" for i in (1, 2)])
    assert said == note("table=1: would be deleted", "2 flows")
    assert len(br0.flows) == 4
    assert br0.run("del br0 udp") == (0, "udp: unchanged\n", note("0 flows deleted"))
    assert br0.run("del br0 cookie=5/-1") == (0, "cookie=5/-1: deleted\n", note("1 flow deleted"))
    assert br0.run("del br0 tcp,in_port=eth1") == (0, "tcp,in_port=eth1: deleted\n", note("2 flows deleted"))
    assert br0.flows == [NORMAL]
    drops = "br0 has no flows and drops everything; to forward as a learning switch again: ovstool flow add br0 priority=0,actions=NORMAL"
    assert br0.run("del br0") == (0, "all flows of br0: deleted\n", note("1 flow deleted", drops))
    assert br0.run("del br0") == (0, "all flows of br0: unchanged\n", note("0 flows deleted", drops))


def test_the_flow_that_is_named_exactly_is_deleted(br0):
    br0.begin(*(f"table={table},priority={i},tcp,in_port=eth1,actions=drop" for table in (0, 3) for i in (1, 2)), NORMAL)
    one = "priority=2,tcp,in_port=eth1"
    assert br0.run("del br0 table=3,tcp,priority=2 --strict") == (0, "table=3,tcp,priority=2: unchanged\n", note("0 flows deleted"))
    assert br0.run(f"del br0 table=3,{one},out_port=eth2 --strict") == (
        0,
        f"table=3,{one},out_port=eth2: unchanged\n",
        note("0 flows deleted"),
    )
    assert br0.run(f"del br0 table=3,{one},out_group=5 --strict") == (0, f"table=3,{one},out_group=5: unchanged\n", note("0 flows deleted"))
    assert br0.run(f"del br0 table=3,{one},cookie=5/-1 --strict") == (0, f"table=3,{one},cookie=5/-1: unchanged\n", note("0 flows deleted"))
    assert br0.run(f"del br0 table=3,{one} --strict") == (0, f"table=3,{one}: deleted\n", note("1 flow deleted"))
    assert br0.run(f"del br0 table=3,{one} --strict") == (0, f"table=3,{one}: unchanged\n", note("0 flows deleted"))
    assert br0.run("del br0 priority=1,tcp,in_port=eth1 --strict") == (0, "priority=1,tcp,in_port=eth1: deleted\n", note("2 flows deleted"))
    assert br0.flows == sorted([NORMAL, "priority=2,tcp,in_port=eth1 actions=drop"])
    assert br0.refuses("del br0 --strict") == (2, "--strict: needs a match; try: ovstool flow del BRIDGE table=0,priority=5,ip --strict")


def test_flows_that_open_vswitch_keeps_for_itself_are_not_counted(br0):
    """A switch lists them when the match has all bits of the cookie, and does not allow deleting them."""
    br0.begin("table=1,ip,actions=drop", NORMAL)
    assert br0.run("del br0 cookie=0/-1 -n")[2] == note("cookie=0/-1: would be deleted", "2 flows")
    assert br0.run("del br0 cookie=0/-1") == (0, "cookie=0/-1: deleted\n", note("2 flows deleted"))
    assert br0.run("del br0 cookie=0/-1") == (0, "cookie=0/-1: unchanged\n", note("0 flows deleted"))


def test_replaced_and_compared(br0):
    kept = "table=1,priority=4,udp actions=drop"
    br0.begin("table=1,priority=5,ip actions=drop", "table=1,priority=6,ip actions=drop", kept)
    words = br0.give("table=1,priority=5,ip actions=eth1", "table=1,priority=7,ip actions=drop", kept)
    pair = ("-table=1 priority=5,ip actions=drop", "+table=1 priority=5,ip actions=output:eth1")
    lines = [*pair, "-table=1 priority=6,ip actions=drop", "+table=1 priority=7,ip actions=drop"]
    said = "flows: 1 new, 1 with other actions, cookie or timeouts, 1 deleted"
    code, printed, notes = br0.run(f"replace br0 {words} -n")
    assert (code, sorted(printed.splitlines())) == (0, sorted(lines))
    assert printed.splitlines().index(pair[1]) == printed.splitlines().index(pair[0]) + 1  # related changes are adjacent
    assert notes == note("br0: would be updated", said)
    code, printed, notes = br0.run(f"diff br0 {words}")
    assert (code, sorted(printed.splitlines()), notes) == (1, sorted(f"{line[0]} {line[1:]}" for line in lines), "")
    assert br0.run(f"replace br0 {words}") == (0, "br0: updated\n", note(said))
    assert br0.run(f"replace br0 {words}") == (0, "br0: unchanged\n", "")
    assert br0.run(f"replace br0 {words} -n") == (0, "", note("br0: would be unchanged"))
    assert br0.run(f"diff br0 {words}") == (0, "", "")


def test_listed_by_number_and_by_name(br0):
    br0.begin("table=1,priority=10,cookie=0x5,tcp,in_port=eth1,actions=output:eth2", NORMAL)
    number = {name: br0.switch.vsctl(f"get interface {name} ofport") for name in ("eth1", "eth2")}
    words = "-f value -c table -c priority -c cookie -c match -c actions"
    assert br0.rows(f"list br0 tcp {words}") == [["1", "10", "0x5", f"tcp,in_port={number['eth1']}", f"output:{number['eth2']}"]]
    assert br0.rows(f"list br0 in_port=eth1,tcp --names {words}") == [["1", "10", "0x5", "tcp,in_port=eth1", "output:eth2"]]
    assert br0.rows(f"list br0 --table 1 {words}") == br0.rows(f"list br0 cookie=5/-1 {words}") != br0.rows(f"list br0 {words}")
    assert br0.rows("list br0 udp --table 1 -f value") == br0.rows("list br0 --table 7 -f value") == []
    assert br0.rows("list br0 --table 1 --names --parsed -f value -c actions") == [['[{"output":{"port":"eth2"}}]']]
    assert br0.run(f"list br0 ip,nw_src=0.0.0.0/0 {words}")[2] == note("nw_src=0.0.0.0/0 does not change the match")


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("list br0 table=3 --table 4", 2, "--table 4: the match names a table too"),
        ("list br0 -- -", 2, "match -: does not match on anything; try: no MATCH, for all flows"),
        ("del br0 ,", 2, "match ,: does not match on anything; try: no MATCH, for all flows"),
        ("del br0 eth", 2, "match eth: matches all flows; try: no MATCH, for all flows"),
        ("del br0 tcp_dst=80", 2, 'match tcp_dst=80: tp_dst=80 would be taken as "": a field needs its protocol, such as tcp '
         "(ovs-fields(7)); try: tcp,tcp_dst=80"),
        ("del br0 ip,ip,nw_dst=10.0.0.1,nw_dst=10.0.0.2", 2, "match ip,ip,nw_dst=10.0.0.1,nw_dst=10.0.0.2: sets one field twice, "
         "and ovs-ofctl uses the last value"),
        ("add br0 table=1,tcp_dst=80,actions=drop", 2, 'flow table=1,tcp_dst=80,actions=drop: tp_dst=80 would be taken as "": a field needs '
         "its protocol, such as tcp (ovs-fields(7)); try: tcp,tcp_dst=80"),
        ("add br0 ip,actions=drop nonsense", 2, "flow nonsense: must specify an action"),
        ("trace br0 ' '", 2, 'flow " ": not a flow; try: in_port=PORT,ip,nw_dst=10.0.0.2'),
        ("trace br0 -- -generate", 2, "flow -generate: not a flow; try: in_port=PORT,ip,nw_dst=10.0.0.2"),
        ("trace br0 nw_dst=10.0.0.1", 2, "flow nw_dst=10.0.0.1: prerequisites not met for setting nw_dst; try: ip,nw_dst=10.0.0.1"),
        ("trace br0 ip,tcp_dst=80", 2, "flow ip,tcp_dst=80: prerequisites not met for setting tcp_dst; try: tcp,tcp_dst=80"),
        ("del br0 priority=9,tcp", 2, "match priority=9,tcp: unknown keyword priority: a priority is matched only with --strict"),
        ("add br0 /etc/passwd", 2, "flow /etc/passwd: a file, not a flow; try: --file /etc/passwd"),
        ("trace br0 tcp,tcp_dst=x", 2, "flow tcp,tcp_dst=x: tcp_dst=x does not fit: 0 to 65535"),
        ("trace nosuch ip", 3, "bridge nosuch: no such bridge; try: "),
        ("top br0 --interval 40", 2, "--interval 40: longer than the time allowed (30 s); try: -t 70"),
        ("top br0 -t 3 --interval 3", 2, "--interval 3: longer than the time allowed (3 s); try: -t 33"),
    ],
)  # fmt: skip
def test_what_is_refused(br0, command, code, said):
    found = br0.refuses(command)
    assert (found[0], found[1][: len(said)]) == (code, said)


def test_a_bridge_whose_openflow_has_no_bundles(br0):
    br0.switch.vsctl("set bridge br0 protocols=OpenFlow10,OpenFlow12")
    try:
        said = (
            "bridge br0: changing all flows or none needs OpenFlow 1.3 or newer, and its protocols are OpenFlow10, OpenFlow12; "
            "try: ovstool bridge set br0 --protocols OpenFlow10,OpenFlow12,OpenFlow14"
        )
        code, printed, error = br0.run("add br0 ip,actions=drop")
        assert (code, printed, error) == (6, "", f"ovstool: {said}\n")
        assert br0.run(f"replace br0 {br0.give(NORMAL)}") == (6, "", f"ovstool: {said}\n")
    finally:
        br0.switch.vsctl("clear bridge br0 protocols")


def test_spellings_of_one_flow_are_the_same(br0):
    """ovs-ofctl takes them for two flows, because the switch prints them differently."""
    for given in (
        "table=1,tcp,in_port=eth1,actions=mod_dl_dst:02:00:00:00:00:01,mod_nw_tos:16,eth2",
        "table=1,udp,actions=load:5->NXM_NX_REG0[],set_tunnel:7,resubmit(eth2,2)",
        "table=1,arp,actions=note:01.02,output:eth1",
        "table=1,ipv6,actions=push_vlan:0x8100,set_field:4101->vlan_vid,eth3",
    ):
        assert br0.run(f"add br0 '{given}'") == (0, f"{given}: created\n", "")
        assert br0.run(f"add br0 '{given}'") == (0, f"{given}: unchanged\n", "")
        assert br0.run(f"add br0 '{given.replace('actions=', 'actions=eth3,')}' -n")[2].endswith("would be updated\n")
    words = br0.give("table=1,udp,actions=load:5->NXM_NX_REG0[],set_tunnel:8,eth3")
    assert br0.run(f"add br0 {words} -n")[1].splitlines() == [
        "-table=1 udp actions=set_field:0x5->reg0,set_field:0x7->tun_id,resubmit(eth2,2)",
        "+table=1 udp actions=set_field:0x5->reg0,set_field:0x8->tun_id,output:eth3",
    ]


def test_the_flows_with_the_most_traffic(br0, monkeypatch):
    br0.begin("priority=5,in_port=eth2,ip,actions=output:eth1", "priority=4,arp,actions=drop", "priority=3,ipv6,actions=drop", NORMAL)
    assert br0.rows("top br0 --interval 0.05 -f value") == []
    waited = []

    def sleep(seconds: float) -> None:
        """Inject three small packets of one kind and a large one of another, instead of waiting."""
        waited.append(seconds)
        for kind, octets, count in (("0800", 60, 3), ("0806", 1000, 1)):
            frame = f"ffffffffffff020000000001{kind}".ljust(2 * octets, "0")
            for _ in range(count):
                br0.appctl("netdev-dummy/receive", "eth2", frame)
        br0.appctl("revalidator/purge")

    monkeypatch.setattr(top, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    code, printed, said = br0.run("top br0 --interval 0.5 -f json")
    arp, ip = json.loads(printed)
    assert (code, said) == (0, "") and len(waited) == 1 and 0.3 < waited[0] <= 0.5
    assert [(row["table"], row["priority"], row["cookie"]) for row in (arp, ip)] == [(0, 4, "0x0"), (0, 5, "0x0")]
    assert [(row["match"], row["actions"]) for row in (arp, ip)] == [("arp", "drop"), ("ip,in_port=eth2", "output:eth1")]
    for row, octets, count in ((arp, 1000, 1), (ip, 180, 3)):
        assert row["bps"] == round(octets * 8 / row["interval_s"], 3) and row["pps"] == round(count / row["interval_s"], 3)
        assert 0 < row["interval_s"] < 30
    assert br0.rows("top br0 --by packets -f value -c match --limit 1") == [["ip,in_port=eth2"]]
    assert br0.rows("top br0 ipv6 -f value") == br0.rows("top br0 --table 1 -f value") == []


def test_an_interval_in_the_counters_of_a_flow():
    assert top._between(None, top._Counters(3, 300, 2.0), 1.0) == (3, 300, 2.0)  # a new flow counts from its creation
    assert top._between(None, top._Counters(3, 300, 0.0), 1.0) == (3, 300, 0.001)
    then = top._Counters(10, 1000, 5.0)
    assert top._between(then, top._Counters(12, 1200, 6.5), 1.0) == (2, 200, 1.5)
    assert top._between(then, top._Counters(12, 1200, 5.0), 1.25) == (2, 200, 1.25)  # added again, counters kept
    assert top._between(then, top._Counters(12, 1200, 0.5), 1.25) == (2, 200, 1.25)
    assert top._between(then, top._Counters(10, 1000, 6.0), 1.0) == (0, 0, 1.0)
    assert top._between(then, top._Counters(9, 1000, 0.5), 1.25) == (9, 1000, 0.5)  # and with counters reset
    assert top._between(then, top._Counters(10, 999, 0.5), 1.25) == (10, 999, 0.5)
    row = text.FlowRow(0, 5, "0x0", None, None, 2.5, "ip", "drop")  # with no_packet_counts a switch reports none
    assert top._Counters.of(row) == (0, 0, 2.5)
    assert top._Counters.of(row._replace(packets=7, bytes=70)) == (7, 70, 2.5)


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        ("syntax: tcp,x: unknown field x", UsageError, "flow tcp,x: unknown field x"),
        ("tcp,x: bad value for x", UsageError, "flow tcp,x: tcp,x: bad value for x"),
        ("cannot connect to somewhere", Unreachable, "ovs-vswitchd: cannot connect to somewhere; try: is it running?"),
        ("pidfile is gone", Unreachable, "ovs-vswitchd: pidfile is gone; try: is it running?"),
        ("a packet-out is too long", Refused, "ofproto/trace: a packet-out is too long"),
    ],
)
def test_why_there_is_no_trace(said, error, text):
    found = flow._trace_error("tcp,x", said)
    assert (type(found), str(found)) == (error, text)
