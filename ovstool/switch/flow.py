"""The OpenFlow flows of a bridge, through ovs-ofctl(8) on the switch's host: the syntax of flows is Open vSwitch's own."""

import re
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from dataclasses import replace as replace_
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from ovstool.errors import Conflict, OvstoolError, Refused, Unreachable, UsageError, one_line, quote
from ovstool.host import Finished, local
from ovstool.openflow.syntax import actions, forms, prerequisites, text, whole, words
from ovstool.ovsdb.values import many
from ovstool.switch import Change, Switch, lookup

if TYPE_CHECKING:
    from ovstool.openflow.syntax.trace import Trace

COLUMNS = text.COLUMNS

_OF_PROGRAM = re.compile(r"\(Open vSwitch\) (([0-9]{1,3})\.([0-9]{1,3})\S*)")
# What an ovs-ofctl says to what it does not know yet, and since when there is what (ofp-actions.h, meta-flow.h and ofp-actions.c at each
# release; there is no more since 2.13).
_LATER = {
    "unknown action delete_field": ("delete_field", 2, 14),
    "tun_gtpu_flags": ("tun_gtpu_flags", 2, 14),
    "tun_gtpu_msgtype": ("tun_gtpu_msgtype", 2, 14),
    "Encap hdr not supported": ("encap(mpls)", 2, 17),
}
_VERSIONS = "OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15"
_WITH_BUNDLES = {"OpenFlow13", "OpenFlow14", "OpenFlow15"}  # in 1.3 as an extension (ONF extension 230)
# What a flow is sent as, in the words of ovs-ofctl's -F; the format in which it also reads flows back.
_FORMATS = {"1.0": "NXM+table_id", "1.1": "OpenFlow11", **{f"1.{minor}": f"OXM-OpenFlow1{minor}" for minor in (2, 3, 4, 5)}}
_NEEDS = "a field needs the protocol that has it, such as tcp (ovs-fields(7))"
_BESIDE_THE_MATCH = (*words.FLAGS, "cookie", "idle_timeout", "hard_timeout", "importance")
_COMMANDS = ("add", "modify", "modify_strict", "delete", "delete_strict")
_FIRST = re.compile(r"[^, \t\r\n]*")
_HIDDEN = 254  # table with flows of Open vSwitch's own, which nobody may delete; it tells of them when asked for a whole cookie
_MOST_ASKED = 100  # matches in one process
_MOST_UNREADABLE = 100  # flows that ovs-ofctl writes and does not read; each costs a process
_STDIN = "/dev/stdin"  # diff-flows takes "-" for a bridge
_LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z\|\d+\|(\w+)\|\w+\|(.*)")
_AT_LINE = re.compile(rf"(?:-|<stdin>|{_STDIN}):([0-9]{{1,9}}): (.*)", re.DOTALL)
_FLOW_ERROR = re.compile(r"Error (OFP\w+) for: (?:OFPT_FLOW_MOD .*?: (?:\w+ )?(.*))?")
_PLAIN_ERROR = re.compile(r"OFPT_ERROR (?:\([^()]*\) ?)*: (OFP\w+)(?:\n(?:OFPT_FLOW_MOD .*?: (?:\w+ )?)?(.*))?")
_DECODE_ERROR = re.compile(r"decode error: (OFP\w+)")
# enum ofperr of ofp-errors.h, the ones that a flow meets
_WORDS = {
    "OFPBAC_BAD_OUT_GROUP": "there is no such group",
    "OFPBAC_BAD_OUT_PORT": "there is no such port",
    "OFPBAC_BAD_QUEUE": "there is no such queue",
    "OFPBAC_MATCH_INCONSISTENT": "an action does not fit the match",
    "OFPBAC_TOO_MANY": "it has too many actions",
    "OFPBIC_BAD_TABLE_ID": "it goes to a table that does not exist or comes before its own",
    "OFPBMC_BAD_PREREQ": "a field needs another one that the match lacks",
    "OFPBRC_BAD_TABLE_ID": "there is no such table",
    "OFPBRC_EPERM": "the switch does not permit it",
    "OFPFMFC_BAD_COMMAND": "the switch does not know the command",
    "OFPFMFC_EPERM": "the switch does not permit it",
    "OFPFMFC_BAD_TABLE_ID": "there is no such table",
    "OFPFMFC_OVERLAP": "it overlaps another flow of the same priority",
    "OFPFMFC_TABLE_FULL": "the table is full",
    "OFPMMFC_INVALID_METER": "there is no such meter",
    "OFPMMFC_UNKNOWN_METER": "there is no such meter",
}


@dataclass(frozen=True)
class Given:
    """Flows that the user gave: the text, a flow a line, and what it is called in messages; a file's name, else None."""

    lines: Sequence[str]
    file: str | None = None

    @property
    def text(self) -> str:
        """All of them for ovs-ofctl."""
        text = "\n".join([*self.lines, ""])
        return "".join(f"{words.escaped(line)}\n" for line in self.lines) if '"' in text else text

    def place(self, number: int) -> str:
        if self.file is None:
            return f"flow {quote(self.lines[number - 1]) if 0 < number <= len(self.lines) else number}"
        return f"{self.file}:{number}"


@dataclass(frozen=True)
class Written:
    """What happened, and the flows that differ as lines of ``flow diff``."""

    changes: list[Change]
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Top:
    """A row of ``flow top``: bit/s and packets/s over ``interval_s``."""

    table: int | str
    priority: int
    cookie: str
    match: str
    actions: str
    bps: float
    pps: float
    interval_s: float


def given(lines: Sequence[str], file: str | None = None) -> Given:
    """Check what of the syntax is ours to check; ovs-ofctl checks the rest.

    Of the commands that a line may begin with for ``ovs-ofctl add-flows``, ``add`` is what happens anyway, and the others would do
    something else than was asked for. Raises UsageError, also when there is no flow at all.
    """
    checked = []
    found, misfit = Given(lines, file), actions.misfit_of_flow
    if file is not None:
        from ovstool.openflow.syntax.alike import Alike

        misfit = Alike().misfit
    for number, line in enumerate(lines, 1):
        flow = words.without_comment(line)
        if file is None and (not flow or len(line.splitlines()) > 1):
            raise UsageError(found.place(number), "not one flow")
        command = _FIRST.match(flow)[0]  # type: ignore[index]  # it matches nothing, too
        if command and command != "add" and any(known.startswith(command) for known in _COMMANDS):  # ovs-ofctl takes any beginning of one
            raise UsageError(found.place(number), f"{quote(command)} is not a flow to add", "ovstool flow del, or ovs-ofctl add-flows")
        bare = flow[3:].lstrip(", \t") if command == "add" else flow
        if wrong := misfit(bare):
            raise UsageError(found.place(number), words.unescaped(wrong))
        checked.append(bare if command == "add" else line)
    if not any(map(words.without_comment, checked)):
        raise UsageError(quote(file or "flow"), "holds no flow")
    return Given(checked, file)


def list_all(switch: Switch, bridge: str, match: str | None, table: int | None, names: bool, parsed: bool, held: bool) -> Iterator[tuple]:
    """The flows as tuples of ``COLUMNS``, as the switch sends them; none is held here.

    ``held``: the caller keeps them, so there is an end to how many they may be.
    ``names``: ports and tables by name. ``parsed``: match and actions as objects, as ``ovs.flow`` has them.
    Raises NotFound, Unreachable, UsageError for a match that ovs-ofctl does not take, or takes as another one.
    """
    connection = Connection.of(switch, bridge)
    rows = connection.flows(connection.whole(match, table), names)
    rows = text.held(rows) if held else rows
    return text.parsed(rows) if parsed else rows


def add(switch: Switch, bridge: str, flows: Given) -> Written:
    """Add flows, all or none (one bundle). Those that are there already are not sent when they are given one by one.

    Raises NotFound, UsageError with the line, Refused with the flow.
    """
    connection = Connection.of(switch, bridge)
    connection.require_bundles()
    if flows.file is None:
        _require_different(flows)
    found = connection.difference(flows, refusing=True)
    if flows.file is None:
        alone = len(flows.lines) == 1 or not found.plus  # then what was found is so for each
        one = [Given([line]) for line in flows.lines]
        changes = [Change(flow.lines[0], connection.status(flow, found if alone else connection.difference(flow))) for flow in one]
        sent = Given([change.object for change in changes if change.change != "unchanged"])
    else:
        changes = [Change(bridge, connection.status(flows, found))]
        sent = flows
        switch.notes.append(f"flows: {len(found.plus) - found.updated} new, {found.updated} with other actions, cookie or timeouts")
    if any(change.change != "unchanged" for change in changes) and not switch.dry_run:
        connection.change("add-flows", sent)
    return Written(changes, _signed(found, added_only=True) if switch.dry_run else [])


def _require_different(flows: Given) -> None:
    """Raise UsageError when two flows have one match: the later one would replace the earlier, which nobody means."""
    seen: dict[frozenset[str], str] = {}
    for line in flows.lines:
        head = frozenset(word.text for word in words.words(words.head(line)) if word.name not in _BESIDE_THE_MATCH)
        if head in seen:
            raise UsageError(f"flow {quote(line)}", f"has the match of another one, {quote(seen[head])}", "one of them")
        seen[head] = line


def delete(switch: Switch, bridge: str, match: str | None, strict: bool) -> Written:
    """Delete the flows that a match covers, or all; ``strict``: the one with exactly this match and priority.

    Raises NotFound, and UsageError before anything is sent, also for a match of which ovs-ofctl would take less than it says.
    """
    connection = Connection.of(switch, bridge)
    match = connection.whole(match, None, deletes=True)
    # With names ovs-ofctl holds all flows in memory; to count them it need not.
    rows = connection.matching_exactly(match) if strict else connection.flows(match, names=switch.dry_run)
    in_any_table = "table" not in whole.beside(match)
    lines = []
    count = 0
    for row in rows:
        if in_any_table and row[0] == _HIDDEN:
            continue
        count += 1
        if switch.dry_run:
            lines.append(f"-{text.line_of(row)}")
    if count and not switch.dry_run:
        options = ["--strict"] if strict else []
        connection.run(*options, "del-flows", "--", connection.socket, *([match] if match else []), match=match)
    switch.notes.append(f"{count} flow{'s' * (count != 1)}{'' if switch.dry_run else ' deleted'}")
    return Written([Change(bridge, "deleted" if count else "unchanged")], lines)


def replace(switch: Switch, bridge: str, flows: Given) -> Written:
    """Make the bridge have these flows and no others, in one bundle. Flows that stay keep their counters.

    Raises as ``add``, and UsageError for a match that Open vSwitch would widen.
    """
    connection = Connection.of(switch, bridge)
    connection.require_bundles()
    found = connection.difference(flows, refusing=True)
    if found and not switch.dry_run:
        connection.change("replace-flows", flows)
    new, gone = len(found.plus) - found.updated, len(found.minus) - found.updated
    switch.notes.append(f"flows: {new} new, {found.updated} with other actions, cookie or timeouts, {gone} deleted")
    return Written([Change(bridge, "updated" if found else "unchanged")], _signed(found) if switch.dry_run else [])


def diff(switch: Switch, bridge: str, flows: Given) -> list[tuple[str, str]]:
    """What differs: ``+`` and a flow that only the file has, ``-`` and one that only the switch has. Raises as ``replace``."""
    return [(line[0], line[1:]) for line in _signed(Connection.of(switch, bridge).difference(flows, refusing=True))]


def follow(switch: Switch, bridge: str, flow: str) -> "Trace":
    """What ovs-vswitchd would do with a packet (``ofproto/trace``, ovs-vswitchd(8)). Raises NotFound, UsageError, Unreachable."""
    from ovstool.openflow.syntax import trace

    Connection.of(switch, bridge)
    if not flow.strip() or flow.lstrip().startswith("-"):
        raise UsageError(f"flow {quote(flow)}", "not a flow", "in_port=PORT,ip,nw_dst=10.0.0.2")
    if wrong := actions.misfit_of_packet(words.escaped(flow)):
        raise UsageError(f"flow {quote(flow)}", words.unescaped(wrong))
    done = switch.appctl("ofproto/trace", "--names", bridge, flow)
    ports = None
    if done.status and "--names: unknown option" in done.stderr:  # Open vSwitch has it from 3.1 on (NEWS)
        done = switch.appctl("ofproto/trace", bridge, flow)
        if not done.status:  # with the names of the ports that it tells of by number
            bridges = switch.appctl("dpif/show").stdout
            ports = trace.ports(bridge, bridges, switch.appctl("dpctl/show", trace.datapath_of(bridge, bridges)).stdout)
    if done.status:
        said = _words(done.stderr)
        if re.search(r"syntax|unknown (?:field|keyword)|bad value|parse", said):
            raise UsageError(f"flow {quote(flow)}", said.partition(f"syntax: {one_line(flow)}: ")[2] or said)
        if "cannot connect" in said or "pidfile" in said:
            raise Unreachable("ovs-vswitchd", said, "is it running?")
        raise Refused("ofproto/trace", said)
    return trace.parse(done.stdout, ports)


def as_object(bridge: str, flow: str, traced: "Trace") -> dict[str, Any]:
    """A trace as JSON has it."""
    names = ("verdict", "outputs", "steps", "final_flow", "megaflow", "datapath_actions")
    return {"bridge": bridge, "flow": flow} | {name: value for name, value in asdict(traced).items() if name in names}


def explained(traced: "Trace") -> list[str]:
    """A trace for people, the verdict first."""
    tail = [("final flow", traced.final_flow), ("megaflow", traced.megaflow)]
    tail += [("datapath actions", actions) for actions in traced.datapath_actions.splitlines()]
    return [one_line(line) for line in (traced.verdict, "", *traced.lines, "", *(f"{name}: {value}" for name, value in tail))]


class _Counted(NamedTuple):
    packets: int
    bytes: int
    duration_s: float


def top(switch: Switch, bridge: str, match: str | None, table: int | None, interval_s: float, by: str, limit: int) -> list[Top]:
    """The flows with the most traffic in an interval, ``by`` bytes or packets. Raises NotFound, UsageError, TimedOut.

    The time of each flow is taken from the switch's clock. A flow that is new, or whose counters began anew, counts from then.
    """
    connection = Connection.of(switch, bridge)
    match = connection.whole(match, table)
    if interval_s >= switch.remaining_s():
        raise UsageError(f"--interval {interval_s:g}", f"longer than the time allowed ({switch.timeout_s:g} s)", f"-t {interval_s + 30:g}")
    before, started = {}, time.monotonic()
    for row in text.held(connection.flows(match, names=False)):
        before[row[0], row[1], row[6]] = _Counted(row[3] or 0, row[4] or 0, row[5])
    time.sleep(max(started + interval_s - time.monotonic(), 0))
    elapsed_s = time.monotonic() - started
    rates = []
    for row in text.held(connection.flows(match, names=False)):
        now = _Counted(row[3] or 0, row[4] or 0, row[5])
        packets, octets, seconds = _between(before.get((row[0], row[1], row[6])), now, elapsed_s)
        if packets or octets:
            table_, priority, cookie, *_, shown, actions = row
            bps, pps = round(octets * 8 / seconds, 3), round(packets / seconds, 3)
            rates.append(Top(table_, priority, cookie, shown, actions, bps, pps, round(seconds, 3)))
    rates.sort(key=lambda rate: rate.bps if by == "bytes" else rate.pps, reverse=True)
    return connection.named(rates[:limit])


def _between(before: _Counted | None, now: _Counted, elapsed_s: float) -> tuple[int, int, float]:
    """Packets, bytes and seconds from one reading to the next."""
    if before is None or now.packets < before.packets or now.bytes < before.bytes:
        return now.packets, now.bytes, max(now.duration_s, 0.001)
    # A flow that was added again keeps its counters, and its age begins anew.
    seconds = now.duration_s - before.duration_s
    return now.packets - before.packets, now.bytes - before.bytes, seconds if seconds > 0 else elapsed_s


@dataclass(frozen=True)
class Connection:
    """How ovs-ofctl reaches a bridge; ``of`` makes one."""

    switch: Switch
    bridge: str
    socket: str
    protocols: tuple[str, ...]  # the OpenFlow versions that the bridge allows; none named: what its Open vSwitch does by default

    @classmethod
    def of(cls, switch: Switch, bridge: str) -> "Connection":
        """Raises NotFound, and Unreachable when programs cannot be run where the switch is."""
        switch.require_host("OpenFlow")
        row = lookup.bridges(switch, [bridge], ("protocols",))[0]
        return cls(switch, bridge, switch.management_socket(bridge), tuple(many(row["protocols"])))

    def flows(self, match: str, names: bool | None) -> Iterator[text.Row]:
        """Dump flows, each parsed as it comes. ``names`` None: nor are there any in the match, which spares asking for them."""
        return text.flows(self.lines(match, names))

    def flows_noting(self, expiring: set[str]) -> Iterator[text.Row]:
        """All flows, with ports by number; of those that have a timeout ``expiring`` gets what ``text.head_of`` tells."""
        for line in self.lines("", names=False):
            rows = list(text.flows([line]))
            if text.expires(line):
                expiring.update(map(text.head_of, rows))
            yield from rows

    def lines(self, match: str, names: bool | None, versions: str = _VERSIONS) -> Iterator[str]:
        """The same unparsed."""
        return text.lines(self._dumped(match, names, versions))

    def flows_to_queues(self) -> Iterator[text.Row]:
        """The flows whose actions select a queue, or lead to a group that may, picked out of all before they are parsed."""
        # A switch takes half as long again to tell all of its flows in OpenFlow 1.5 as in 1.4.
        versions = _VERSIONS if self.protocols == ("OpenFlow15",) else _VERSIONS.removesuffix(",OpenFlow15")
        return text.held(text.flows(filter(text.may_select_queue, self.lines("", None, versions))))

    def _dumped(self, match: str, names: bool | None, versions: str) -> Iterator[bytes]:
        # With --no-names ovs-ofctl does not take names in the match either.
        options = ["--no-names"] if names is None else ["--names"] if names else []
        only = [match] if match else []
        done = yield from self.switch.stream(["ovs-ofctl", "-O", versions, *options, "dump-flows", "--", self.socket, *only])
        self._check(done, match=match)

    def whole(self, match: str | None, table: int | None, deletes: bool = False) -> str:
        """A match for ovs-ofctl, which takes all that it says; notes a word that says nothing.

        Raises UsageError for one that is empty, which a script's unset variable is, or that ovs-ofctl would take for another one;
        when it ``deletes`` also for one that is for all flows.
        """
        if match is None:
            return "" if table is None else f"table={table}"
        if not words.words(match) or match.strip() == "-":
            raise UsageError(f"match {quote(match)}", "says nothing to match", "no MATCH at all for all flows")
        beside = whole.beside(match)
        if table is not None and "table" in beside:
            raise UsageError(f"--table {table}", "the match names a table too")
        form = self.form(match)
        if not form and not beside:
            if deletes:
                raise UsageError(f"match {quote(match)}", "matches all flows", "no MATCH at all for all flows")
            self.switch.notes.append(f"{quote(match)} matches all flows")
        return words.with_names_quoted(match if table is None else f"table={table},{match}")

    def form(self, match: str, what: str = "") -> str:
        """What ovs-ofctl makes of the fields of a match. Raises UsageError when that is another one; notes a word that says nothing.

        ``what``: the flow that has the match, of which nothing is noted.
        """
        named = what or f"match {quote(match)}"
        if why := whole.refused(match):
            raise UsageError(named, why)
        said = whole.fields(match)
        if not said:
            return ""
        done = self._parse(whole.probes(said))
        if done.status:
            found = _AT_LINE.match(_words(done.stderr))
            read = whole.read(said)
            at = int(found[1]) - 3 - len(said) if found else -1
            if found and 0 <= at < len(read) and "MATCH_INCONSISTENT" in found[2]:
                raise self._reduced(named, match, said)
            raise self._error(done.stderr, None, match)
        made = _forms(done)
        self._require_said(named, match, said, made)
        for word in whole.idle(said, made[: 2 + len(said)]) if made[0] and not what else ():
            self.switch.notes.append(f"{quote(word.text)} leaves the match as it is")
        return made[0]

    def _require_said(self, named: str, match: str, said: Sequence[words.Word], made: Sequence[str]) -> None:
        """Raises UsageError when the match is not what ovs-ofctl has made of its probes."""
        made = made[: 2 + len(said)]
        if len(made) < 2 + len(said):
            raise Refused("ovs-ofctl", f"does not tell what it makes of {quote(match)}")
        if _DECODE_ERROR.match(made[0]):
            raise self._reduced(named, match, said)
        if made[0] != made[1]:
            raise UsageError(named, "says two things about one field, of which ovs-ofctl takes the last")
        if whole.unsaid(said, made):
            raise self._reduced(named, match, said)

    def _reduced(self, named: str, match: str, said: Sequence[words.Word]) -> UsageError:
        """The error for a match of which ovs-ofctl passes over a part, or takes a field for another one."""
        done = self._parse(whole.probes(said)[:1])
        form = next(iter(_forms(done)), "")
        was, now = next(_normalized(done.stderr), (match, form))
        if error := _DECODE_ERROR.match(form):
            why = f"{_WORDS.get(error[1], 'the switch would refuse it')} ({error[1]})"
        else:
            why = f"{quote(match if was == now else was)} would be taken as {quote(now)}: {_NEEDS}"
        return UsageError(named, why, whole.with_protocol(match))

    def matching_exactly(self, match: str) -> Iterator[text.Row]:
        """The flows that a strict deletion takes: one, or one in each table when the match names none."""
        if not match:
            raise UsageError("--strict", "needs a match", "ovstool flow del BRIDGE table=0,priority=5,ip --strict")
        said = words.words(match)
        loose = ",".join(word.text for word in said if word.name != "priority")
        exact = ",".join(word.text for word in said if word.name not in ("cookie", "out_port", "out_group"))
        probe = self.difference(Given([words.probe(exact, _nobodys_cookie())]), match=match)
        wanted = text.head(probe.plus[0]) if probe.plus else ""
        in_any_table = "table" not in whole.beside(match)
        for row in self.flows(loose, names=True):
            head = words.escaped(text.head_of(row))
            if head == wanted or (in_any_table and head.partition(" ")[2] == wanted.partition(" ")[2]):
                yield row

    def named(self, rates: Sequence[Top]) -> list[Top]:
        """With port names in place of numbers."""
        if not rates:
            return []
        names = self.port_names()
        return [replace_(rate, match=words.renamed(rate.match, names), actions=words.renamed(rate.actions, names)) for rate in rates]

    def port_names(self) -> dict[str, str]:
        """The name of each port by its number, both as ovs-ofctl prints them."""
        return {number: name for name, number in text.ports(self.run("show", "--", self.socket).stdout).items()}

    def written(self, match: str) -> str:
        """A match as the switch writes it in table 0, with ports by number; of what is the same there are many spellings.

        Raises UsageError for what ovs-ofctl does not take, or takes as another match.
        """
        self.form(match)
        probe = f"table=0,priority=0,cookie={_nobodys_cookie()},{words.with_names_quoted(match)},actions=drop"
        plus = self._diff(Given([probe]), match).plus
        if not plus:
            raise Refused("ovs-ofctl", f"does not tell what it makes of {quote(match)}")
        shown = self.run("show", "--", self.socket).stdout
        numbered = self._numbered([f"priority=0,{text.match_of(plus[0])} actions=drop"], shown)
        return text.match_of(self._as_sent(numbered, text.version(shown))[0] or numbered[0])

    def require_bundles(self) -> None:
        """Raises Refused when the bridge allows only versions that cannot change flows as a whole."""
        if self.protocols and not _WITH_BUNDLES.intersection(self.protocols):
            raise Refused(
                f"bridge {quote(self.bridge)}",
                f"all flows or none needs OpenFlow 1.3 or newer, and its protocols are {', '.join(self.protocols)}",
                f"ovstool bridge set {quote(self.bridge)} --protocols {','.join([*self.protocols, 'OpenFlow14'])}",
            )

    def change(self, command: str, flows: Given) -> None:
        """Send flows in one bundle."""
        self.run("--bundle", command, "--", self.socket, "-", flows=flows)

    def status(self, flows: Given, found: text.Difference) -> str:
        """What adding flows does, when that is how they differ from those of the bridge."""
        if found.plus:
            return "updated" if found.updated else "created"
        return "updated" if self._flags_differ(flows) else "unchanged"

    def _flags_differ(self, flows: Given) -> bool:
        """Whether flows that the bridge has are given with other flags, which ovs-ofctl does not compare, or counters are to be reset."""
        wanted: dict[frozenset[str], list[str]] = {}
        for line in flows.lines:
            if flags := words.flags(line):
                wanted.setdefault(frozenset(flags & text.KEPT_FLAGS), []).append(words.probe(line, _nobodys_cookie()))
                if "reset_counts" in flags:
                    return True
        if not wanted:
            return False
        flagged = (line for line in self.lines("", names=True) if words.flags(line))
        theirs = {words.escaped(text.head_of(row)): words.flags(line) & text.KEPT_FLAGS for line in flagged for row in text.flows([line])}
        return any(
            theirs.get(text.head(flow), set()) != flags for flags, probes in wanted.items() for flow in self.difference(Given(probes)).plus
        )

    def difference(self, flows: Given, match: str = "", refusing: bool = False) -> text.Difference:
        """How the flows given differ from those of the bridge; ``refusing``: raises UsageError for a match that ovs-ofctl takes for another.

        ovs-ofctl compares what is written, and a switch writes some things differently (``mod_dl_dst``, ``load``, ``note``). So
        what seems to be missing is compared again in the form in which ovs-ofctl would send it and read it back.
        """
        found = self._diff(flows, match)
        if refusing and found.plus:  # a flow that would become another one is never there
            self._require_whole(flows)
        places = set(map(text.place, found.minus))  # a flow in no such place is new however it is written
        doubtful = [flow for flow in found.plus if text.place(flow) in places] if places else []
        if not doubtful:
            return found
        same, sent = self._compared(doubtful, found.minus)
        theirs = set(same.values())
        minus = [flow for flow in found.minus if flow not in theirs]
        return text.Difference(minus, [sent.get(flow, flow) for flow in found.plus if flow not in same])

    def _require_whole(self, flows: Given) -> None:
        """Raises UsageError when ovs-ofctl would take a match for another one; of many flows one of each kind is looked at."""
        asked = []
        for number, head in prerequisites.kinds(flows.lines):
            said = prerequisites.match(words.words(forms.readable(head)))
            if said and not prerequisites.plain(said):
                asked.append((flows.place(number), ",".join(word.text for word in said)))
        for first in range(0, len(asked), _MOST_ASKED):
            self._require_each(asked[first : first + _MOST_ASKED])

    def _require_each(self, asked: Sequence[tuple[str, str]]) -> None:
        """The same of some matches, each with the flow that has it."""
        said = [[] if whole.refused(match) else whole.fields(match) for _, match in asked]
        probes = [whole.probes(fields) if fields else [] for fields in said]
        done = self._parse([probe for some in probes for probe in some])
        made = iter(_forms(done))
        for (what, match), fields, some in zip(asked, said, probes, strict=True):
            if done.status or not fields:
                self.form(match, what)  # to tell which it is
            else:
                self._require_said(what, match, fields, list(islice(made, len(some))))

    def _compared(self, plus: Sequence[str], minus: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Which flows of a difference the switch has all the same, and as which; and how the others would be sent."""
        shown = self.run("show", "--", self.socket).stdout
        ours, theirs = self._numbered(plus, shown), self._numbered(minus, shown)
        joined = {at: flow for at, flow in enumerate(map(forms.joined, ours)) if flow != ours[at]}
        sent = self._as_sent([*ours, *joined.values()], text.version(shown))
        as_told = dict(zip(theirs, minus, strict=True))
        pairs = list(zip([*plus, *(plus[at] for at in joined)], sent, strict=True))
        same = {flow: as_told[as_sent.lstrip()] for flow, as_sent in pairs if as_sent.lstrip() in as_told}
        if left := [(flow, as_sent) for flow, as_sent in pairs if as_sent and flow not in same]:
            lengths = {}
            if any("tun_metadata" in as_sent for _, as_sent in left):
                lengths = forms.option_lengths(self.run("dump-tlv-map", "--", self.socket).stdout)
            known = {forms.canonical(flow, lengths): as_shown for flow, as_shown in as_told.items()}
            found = ((flow, known.get(forms.canonical(as_sent, lengths))) for flow, as_sent in left)
            same |= {flow: as_shown for flow, as_shown in found if as_shown}
        names = {number: name for name, number in text.ports(shown).items()}
        differing = [(flow, as_sent) for flow, as_sent in zip(plus, sent, strict=False) if as_sent and flow not in same]
        return same, {flow: words.escaped(words.renamed(as_sent, names)).lstrip() for flow, as_sent in differing}

    def _diff(self, flows: Given, match: str) -> text.Difference:
        done = self._fed("--names", "diff-flows", "--", self.socket, _STDIN, flows=flows.text)
        if done.status == 2:  # they differ
            self._take_notes(done.stderr)
        else:
            self._check(done, flows, match)
        found = text.difference(done.stdout)
        if bool(found) != (done.status == 2):
            raise Refused("ovs-ofctl", f"not a difference as this version of ovstool knows them: {quote(done.stdout)}")
        return found

    def _as_sent(self, flows: Sequence[str], version: str) -> list[str]:
        """Flows with ports by number as they would go over the wire in a version of OpenFlow; "" for one that ovs-ofctl cannot tell."""
        sent = [""] * len(flows)
        left = list(range(len(flows)))
        for _ in range(_MOST_UNREADABLE):
            done = self._parse([flows[at] for at in left], _FORMATS.get(version, "any"))
            if done.status and forms.is_unreadable(done.stderr) and (readable := [forms.readable(flow) for flow in flows]) != flows:
                flows = readable
                continue
            printed = [next(iter(text.sent(line)), "") for line in done.stdout.split("\n") if line.startswith("OFPT_FLOW_MOD")]
            if not done.status and len(printed) == len(left):
                for at, flow in zip(left, printed, strict=True):
                    sent[at] = flow
                break
            # One flow that ovs-ofctl does not take keeps it from telling of the others.
            found = _AT_LINE.match(_words(done.stderr))
            left.pop(int(found[1]) - 1 if found and 0 < int(found[1]) <= len(left) else -1)
            if not left:
                break
        return sent

    def _numbered(self, flows: Sequence[str], shown: str) -> list[str]:
        """Flows of a difference with ports by number. Raises Conflict for a port's name that cannot be told from another port."""
        try:
            return words.numbered("\n".join(flows), text.ports(shown)).split("\n")
        except words.Ambiguous as error:
            why = "there is also a port of this name, and ovs-ofctl shows both alike"
            raise Conflict(f"port {error}", why, "another name for that port") from error

    def _parse(self, flows: Sequence[str], form: str = "OXM-OpenFlow15") -> Finished:
        """What ovs-ofctl says it would send for these flows, with ports by number."""
        # parse-flows is in no manual. It has been in every ovs-ofctl since 2010.
        argv = ["ovs-ofctl", "-O", _VERSIONS, "-F", form, "parse-flows", "--", _STDIN]
        return self.switch.run(argv, "".join(f"{flow}\n" for flow in flows).encode())

    def _fed(self, *argv: str, flows: str) -> Finished:
        """Run ovs-ofctl with flows on its standard input; again, in words that it reads, when it complains about some that it writes."""
        done = self.switch.run([*self._argv, *argv], flows.encode())
        if done.status and forms.is_unreadable(done.stderr):
            return self.switch.run([*self._argv, *argv], forms.readable(flows).encode())
        return done

    def run(self, *argv: str, flows: Given | None = None, match: str = "") -> Finished:
        """Run ovs-ofctl, with flows on its standard input. Raises what its words mean."""
        done = self._fed(*argv, flows=flows.text if flows else "")
        self._check(done, flows, match)
        return done

    @property
    def _argv(self) -> list[str]:
        return ["ovs-ofctl", "-O", _VERSIONS]

    def _check(self, done: Finished, flows: Given | None = None, match: str = "") -> None:
        if done.status:
            raise self._error(done.stderr, flows, match)
        self._take_notes(done.stderr)

    def _take_notes(self, stderr: str) -> None:
        """Open vSwitch drops what a match says without saying what it needs, and only logs that, at most ten times at once."""
        for was, now in islice(_normalized(stderr), 10):
            note = f"{quote(was)} was taken as {quote(now)}: {_NEEDS}"
            if note not in self.switch.notes:
                self.switch.notes.append(note)

    def _error(self, stderr: str, flows: Given | None, match: str) -> OvstoolError:
        said = _words(stderr)
        bridge = f"bridge {quote(self.bridge)}"
        if "version negotiation failed" in stderr:
            allowed = f"; its protocols are {', '.join(self.protocols)}" if self.protocols else ""
            return Refused(
                bridge, f"no OpenFlow version in common{allowed}", f"ovstool bridge set {quote(self.bridge)} --protocols OpenFlow13"
            )
        if found := _FLOW_ERROR.search(stderr) or _PLAIN_ERROR.search(stderr):
            name, flow = found.groups()
            return Refused(
                f"flow {_shown(flow)}" if flow else bridge, f"{_WORDS.get(name, 'the switch refused it')} ({name}); nothing was changed"
            )
        if found := _AT_LINE.match(said):
            number, why = int(found[1]), one_line(found[2])
            if flows is None or flows.file is None:
                what = f"match {quote(match)}" if match else flows.place(number) if flows else bridge
            else:
                what = flows.place(number)
            return self._lacking(what, why) or UsageError(what, why)
        if "usable flow formats" in said:
            what = quote(flows.file or "flows") if flows else f"match {quote(match)}"
            allowed = f", of those that the bridge allows ({', '.join(self.protocols)})" if self.protocols else ""
            hint = "a match on the protocol whose fields an action changes, such as ip" if flows else None
            return Refused(what, f"no version of OpenFlow from 1.3 on{allowed} can say all of this; nothing was changed", hint)
        if re.search(r"connect|not a bridge or a socket|Connection (?:refused|reset)|Broken pipe|End of file", said):
            if "ermission denied" in said:
                hint = "sudo ovstool" if self.switch.host is local else "--sudo"
                return Unreachable(bridge, "permission denied", f"{hint}, or a user who may open the socket")
            why = "its management socket does not answer" + (f" ({found[1]})" if (found := re.search(r"\(([^()]*)\)$", said)) else "")
            return Unreachable(bridge, why, "is ovs-vswitchd running?")
        if match and said:
            return UsageError(f"match {quote(words.unescaped(match))}", words.unescaped(said))
        return Refused("ovs-ofctl", said or "failed without a word")

    def _lacking(self, what: str, why: str) -> Refused | None:
        """The error for a word that a newer ovs-ofctl knows; None when this one is new enough."""
        later = next((since for said, since in _LATER.items() if said in why), None)
        found = _OF_PROGRAM.search(self.switch.run(["ovs-ofctl", "--version"]).stdout) if later else None
        if later is None or found is None or (int(found[2]), int(found[3])) >= later[1:]:
            return None
        return Refused(what, f"{later[0]} needs Open vSwitch {later[1]}.{later[2]} or newer, and this is {found[1]}")


def _forms(parsed: Finished) -> list[str]:
    """What parse-flows makes of the matches of flows; the error, where it cannot read one back."""
    printed = [line for line in parsed.stdout.split("\n") if line.startswith("OFPT_FLOW_MOD")]
    return [next(iter(text.sent(line)), line.rpartition(": ***")[2]).partition("actions=")[0].strip() for line in printed]


def _normalized(stderr: str) -> Iterator[tuple[str, str]]:
    """The matches that Open vSwitch has taken as others, of which it only logs: what they were and what they are."""
    logged = list(map(_LOG_LINE.match, stderr.splitlines()))
    for first, before, after in zip(logged, logged[1:], logged[2:], strict=False):
        if first and before and after and "normalization changed" in first[2]:
            yield before[2].partition(":")[2].strip(), after[2].partition(":")[2].strip()


def _words(stderr: str) -> str:
    """What a tool of Open vSwitch says, without its name and what it logs."""
    lines = [line for line in stderr.splitlines() if not _LOG_LINE.match(line) and not line.endswith("server returned an error")]
    return one_line(" ".join(line.removeprefix("ovs-ofctl: ").removeprefix("ovs-appctl: ").strip() for line in lines))


def _shown(flow: str) -> str:
    """A flow that OVS prints, which may be long; it is printed whole up to a width that is still a line."""
    flow = one_line(flow.strip())
    return flow if len(flow) <= 200 else f"{flow[:200]}..."


def _nobodys_cookie() -> int:
    """With such a cookie a flow differs from any that is there, so that it is printed as Open vSwitch writes it."""
    return secrets.randbits(63) | 1


def _signed(found: text.Difference, added_only: bool = False) -> list[str]:
    """Lines of a difference: a flow that changed is a line with ``-`` and one with ``+`` after it."""
    new = {text.head(flow): flow for flow in found.plus}
    lines = []
    for flow in found.minus:
        changed = new.pop(text.head(flow), None)
        if changed:
            lines += [f"-{flow}", f"+{changed}"]
        elif not added_only:
            lines.append(f"-{flow}")
    return list(map(words.unescaped, lines + [f"+{flow}" for flow in new.values()]))
