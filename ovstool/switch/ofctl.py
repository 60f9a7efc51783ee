"""A bridge as ovs-ofctl(8) on the switch's host reaches it: its flows dumped, changed, and compared with flows that are given.

The syntax of flows is Open vSwitch's own, so what a match or a flow means is asked of ovs-ofctl, not decided here.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from ovstool.errors import Conflict, Refused, UsageError, quote
from ovstool.host import Finished, local
from ovstool.openflow.accepts import match_probes
from ovstool.openflow.syntax import lexer, names, ofctl_errors, spelling, text
from ovstool.openflow.syntax.given_flows import GivenFlows
from ovstool.openflow.syntax.ofctl_errors import STDIN, Request
from ovstool.ovsdb.values import many
from ovstool.switch import Switch, lookup

_VERSIONS = "OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15"
_WITH_BUNDLES = {"OpenFlow13", "OpenFlow14", "OpenFlow15"}  # in 1.3 as an extension (ONF extension 230)
_WITH_FLAGS = _WITH_BUNDLES  # in what they tell of a flow
# What a flow is sent as, in the words of ovs-ofctl's -F; the format in which it also reads flows back.
_FORMATS = {"1.0": "NXM+table_id", "1.1": "OpenFlow11", **{f"1.{minor}": f"OXM-OpenFlow1{minor}" for minor in (2, 3, 4, 5)}}
_NEEDS = "a field needs its protocol, such as tcp (ovs-fields(7))"
_MOST_ASKED = 100  # matches in one process
_MOST_NOTED = 10  # matches that Open vSwitch took as others
_MOST_UNREADABLE = 100  # flows that ovs-ofctl writes and does not read; each costs a process


class OfctlBridge(NamedTuple):
    """A bridge, the socket by which ovs-ofctl reaches it, and the OpenFlow versions that it allows; ``of`` makes one.

    No ``protocols`` named: what its Open vSwitch allows by default.
    """

    switch: Switch
    name: str
    socket: str
    protocols: tuple[str, ...]

    @classmethod
    def of(cls, switch: Switch, bridge: str) -> "OfctlBridge":
        """Raises NotFound, and Unreachable when programs cannot be run where the switch is."""
        switch.require_host("OpenFlow")
        row = lookup.bridges(switch, [bridge], ("protocols",))[0]
        return cls(switch, bridge, switch.management_socket(bridge), tuple(many(row["protocols"])))

    @property
    def tells_flags(self) -> bool:
        """Whether a dump has the flags of flows."""
        return not self.protocols or not _WITH_FLAGS.isdisjoint(self.protocols)

    def flows(self, match: str, with_names: bool | None) -> Iterator[text.FlowRow]:
        """Dump flows, each parsed as it comes. ``with_names`` None: nor are there any in the match, which spares asking for them."""
        return text.flows(self.dumped_lines(match, with_names))

    def flows_noting(self, expiring: set[str]) -> Iterator[text.FlowRow]:
        """All flows, with ports by number; of those that have a timeout ``expiring`` gets the ``text.key_of``."""
        for line in self.dumped_lines("", with_names=False):
            rows = list(text.flows([line]))
            if text.expires(line):
                expiring.update(map(text.key_of, rows))
            yield from rows

    def dumped_lines(self, match: str, with_names: bool | None, versions: str = _VERSIONS) -> Iterator[str]:
        """Dump flows as lines, as they come; the parameters as for ``flows``."""
        return text.lines(self._dumped(match, with_names, versions))

    def dumped_lines_for_many(self) -> Iterator[str]:
        """Dump all flows as lines, without names, in the OpenFlow version in which that is quickest."""
        # A switch takes half as long again to tell all of its flows in OpenFlow 1.5 as in 1.4.
        versions = _VERSIONS if self.protocols == ("OpenFlow15",) else _VERSIONS.removesuffix(",OpenFlow15")
        return self.dumped_lines("", None, versions)

    def _dumped(self, match: str, with_names: bool | None, versions: str) -> Iterator[bytes]:
        options = ["--no-names"] if with_names is None else ["--names"] if with_names else []  # the first allows none in the match either
        words = [*options, "dump-flows", "--", self.socket, *([match] if match else [])]
        done = yield from self.switch.stream(["ovs-ofctl", "-O", versions, *words])
        self._check(done, match=match)

    def groups(self) -> str:
        """What ``ovs-ofctl dump-groups`` prints. Raises Refused where the bridge's OpenFlow has no groups."""
        return self.run("dump-groups", "--", self.socket).stdout

    def port_names(self) -> dict[str, str]:
        """The name of each port by its number, both as ovs-ofctl prints them."""
        return text.port_names(self._show())

    def _show(self) -> str:
        return self.run("show", "--", self.socket).stdout

    def checked_match(self, match: str | None, table: int | None, deletes: bool = False) -> str:
        """A match for ovs-ofctl, which takes all that it says; notes a word that says nothing.

        Raises UsageError for one that is empty, which a script's unset variable is, or that ovs-ofctl would take for another one;
        when it ``deletes`` also for one that is for all flows.
        """
        if match is None:
            return "" if table is None else f"table={table}"
        if not lexer.words(match) or match.strip() == "-":
            raise UsageError(f"match {quote(match)}", "does not match on anything", "no MATCH at all for all flows")
        beside = match_probes.beside_fields(match)
        if table is not None and "table" in beside:
            raise UsageError(f"--table {table}", "the match names a table too")
        if not self.taken_match(match) and not beside:
            if deletes:
                raise UsageError(f"match {quote(match)}", "matches all flows", "no MATCH at all for all flows")
            self.switch.notes.append(f"{quote(match)} matches all flows")
        return lexer.with_names_quoted(match if table is None else f"table={table},{match}")

    def taken_match(self, match: str, flow: str = "") -> str:
        """What ovs-ofctl makes of the fields of a match. Raises UsageError when that is another one; notes a word that says nothing.

        ``flow``: what messages call the flow that has the match, of which nothing is noted.
        """
        what = flow or f"match {quote(names.unescaped(match))}"
        if why := match_probes.why_refused(match):
            raise UsageError(what, why)
        said = match_probes.field_words(match)
        if not said:
            return ""
        done = self._parse_flows(match_probes.probes(said))
        if done.status:
            wrong, unshared = ofctl_errors.at_line(done.stderr), match_probes.unshared(said)
            if wrong and 0 <= wrong.number - 3 - len(said) < len(unshared) and "MATCH_INCONSISTENT" in wrong.why:
                raise self._reduced(what, match, said)
            raise ofctl_errors.explained(done.stderr, self._request(match=match))
        taken = _parsed_matches(done)
        self._require_taken(what, match, said, taken)
        for word in match_probes.without_effect(said, taken[: 2 + len(said)]) if taken[0] and not flow else ():
            self.switch.notes.append(f"{quote(word.text)} does not change the match")
        return taken[0]

    def _require_taken(self, what: str, match: str, said: Sequence[lexer.Word], taken: Sequence[str]) -> None:
        """Raises UsageError when the match is not what ovs-ofctl has made of its probes."""
        taken = taken[: 2 + len(said)]
        if len(taken) < 2 + len(said):
            raise Refused("ovs-ofctl", f"does not say how it reads {quote(match)}")
        if ofctl_errors.decode_error(taken[0]):
            raise self._reduced(what, match, said)
        if taken[0] != taken[1]:
            raise UsageError(what, "sets one field twice, of which ovs-ofctl uses the last")
        if match_probes.first_lost(said, taken):
            raise self._reduced(what, match, said)

    def _reduced(self, what: str, match: str, said: Sequence[lexer.Word]) -> UsageError:
        """The error for a match of which ovs-ofctl passes over a part, or takes a field for another one."""
        done = self._parse_flows(match_probes.probes(said)[:1])
        taken = next(iter(_parsed_matches(done)), "")
        was, now = match_probes.as_given(match, next(ofctl_errors.reduced_matches(done.stderr), (match, taken)))
        why = ofctl_errors.decode_error(taken) or f"{quote(was)} would be taken as {quote(now)}: {_NEEDS}"
        return UsageError(what, why, match_probes.with_protocol(names.unescaped(match)))

    def _require_each_taken(self, flows: GivenFlows) -> None:
        """Raises UsageError when ovs-ofctl would take a match for another one; of many flows one of each kind is looked at."""
        from ovstool.openflow.accepts import prerequisites  # for flows that are given alone

        doubtful = []
        for number, before in prerequisites.one_of_each_kind(flows.lines):
            said = prerequisites.match_words(lexer.words(spelling.readable(before)))
            if said and not prerequisites.are_plainly_met(said):
                doubtful.append((flows.place(number), ",".join(word.text for word in said)))
        for first in range(0, len(doubtful), _MOST_ASKED):
            self._require_some_taken(doubtful[first : first + _MOST_ASKED])

    def _require_some_taken(self, matches: Sequence[tuple[str, str]]) -> None:
        """Raises UsageError when ovs-ofctl would take one of these matches for another one; each comes after the flow that has it."""
        said = [[] if match_probes.why_refused(match) else match_probes.field_words(match) for _, match in matches]
        probes = [match_probes.probes(words) if words else [] for words in said]
        done = self._parse_flows([probe for some in probes for probe in some])
        taken = iter(_parsed_matches(done))
        for (flow, match), words, some in zip(matches, said, probes, strict=True):
            if done.status or not words:
                self.taken_match(match, flow)  # to tell which it is
            else:
                self._require_taken(flow, match, words, list(islice(taken, len(some))))

    def canonical_match(self, match: str) -> str:
        """A match as the switch writes it in table 0, with ports by number; of what is the same there are many spellings.

        Raises UsageError for what ovs-ofctl does not take, or takes as another match.
        """
        self.taken_match(match)
        probe = f"table=0,priority=0,cookie={nobodys_cookie()},{lexer.with_names_quoted(match)},actions=drop"
        plus = self._diff(GivenFlows([probe]), match).plus
        if not plus:
            raise Refused("ovs-ofctl", f"does not say how it reads {quote(match)}")
        shown = self._show()
        numbered = self._with_port_numbers([f"priority=0,{text.match_of(plus[0])} actions=drop"], shown)
        return text.match_of(self._as_sent(numbered, text.openflow_version(shown))[0] or numbered[0])

    def require_bundles(self) -> None:
        """Raises Refused when the bridge allows only versions that cannot change flows as a whole."""
        if self.protocols and not _WITH_BUNDLES.intersection(self.protocols):
            raise Refused(
                f"bridge {quote(self.name)}",
                f"all flows or none needs OpenFlow 1.3 or newer, and its protocols are {', '.join(self.protocols)}",
                f"ovstool bridge set {quote(self.name)} --protocols {','.join([*self.protocols, 'OpenFlow14'])}",
            )

    def change(self, *command: str, flows: GivenFlows | None = None, match: str = "") -> None:
        """Let ovs-ofctl change flows: those given, or those that match; not in a dry run. Raises what its words mean."""
        if not self.switch.dry_run:
            self.run(*command, "--", self.socket, *(["-"] if flows else [match] if match else []), flows=flows, match=match)
        if self.switch.as_ovs:
            from ovstool.openflow import ofctl_line  # which most commands do without

            self.switch.same_lines.append(ofctl_line.line(self._place(), self.protocols, command, flows, match))

    def _place(self) -> str:
        """What a person would call the bridge for ovs-ofctl: its name, where that does."""
        db, here = self.switch.db or "", self.switch.host is local
        is_found = not db.startswith("unix:") or (here and local.is_default(db))
        return self.name if is_found and ":" not in self.name else self.socket  # a colon ends the kind of a socket

    def difference(self, flows: GivenFlows, match: str = "", refusing: bool = False) -> text.Difference:
        """How the flows given differ from those of the bridge; ``refusing``: raises UsageError for a match that ovs-ofctl takes for another.

        ovs-ofctl compares what is written, and a switch writes some things differently (``mod_dl_dst``, ``load``, ``note``). So
        what seems to be missing is compared again in the form in which ovs-ofctl would send it and read it back.
        """
        found = self._diff(flows, match)
        if refusing and found.plus:  # a flow that would become another one is never there
            self._require_each_taken(flows)
        places = set(map(text.table_and_priority, found.minus))  # a flow in no such place is new however it is written
        doubtful = [flow for flow in found.plus if text.table_and_priority(flow) in places] if places else []
        if not doubtful:
            return found
        same, sent = self._compared(doubtful, found.minus)
        theirs = set(same.values())
        minus = [flow for flow in found.minus if flow not in theirs]
        return text.Difference(minus, [sent.get(flow, flow) for flow in found.plus if flow not in same])

    def _compared(self, plus: Sequence[str], minus: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Which flows of a difference the switch has all the same, and as which; and how the others would be sent."""
        shown = self._show()
        ours, theirs = self._with_port_numbers(plus, shown), self._with_port_numbers(minus, shown)
        joined = {at: flow for at, flow in enumerate(map(spelling.with_joined_loads, ours)) if flow != ours[at]}
        sent = self._as_sent([*ours, *joined.values()], text.openflow_version(shown))
        reported = dict(zip(theirs, minus, strict=True))
        pairs = list(zip([*plus, *(plus[at] for at in joined)], sent, strict=True))
        same = {flow: reported[as_sent.lstrip()] for flow, as_sent in pairs if as_sent.lstrip() in reported}
        if left := [(flow, as_sent) for flow, as_sent in pairs if as_sent and flow not in same]:
            same |= self._same_in_canonical_form(left, reported)
        port_names = text.port_names(shown)
        differing = [(flow, as_sent) for flow, as_sent in zip(plus, sent, strict=False) if as_sent and flow not in same]
        return same, {flow: names.escaped(names.with_names(as_sent, port_names)).lstrip() for flow, as_sent in differing}

    def _same_in_canonical_form(self, sent: Sequence[tuple[str, str]], reported: dict[str, str]) -> dict[str, str]:
        """Which flows, each with how it would be sent, the switch reports in another spelling, and as which."""
        lengths = {}
        if any("tun_metadata" in as_sent for _, as_sent in sent):
            lengths = spelling.option_lengths(self.run("dump-tlv-map", "--", self.socket).stdout)
        known = {spelling.canonical(flow, lengths): as_shown for flow, as_shown in reported.items()}
        found = ((flow, known.get(spelling.canonical(as_sent, lengths))) for flow, as_sent in sent)
        return {flow: as_shown for flow, as_shown in found if as_shown}

    def _diff(self, flows: GivenFlows, match: str) -> text.Difference:
        done = self._run_reading("--names", "diff-flows", "--", self.socket, STDIN, flows=flows.text)
        if done.status == 2:  # they differ
            self._note_reduced(done.stderr)
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
            done = self._parse_flows([flows[at] for at in left], _FORMATS.get(version, "any"))
            if done.status and spelling.is_unreadable(done.stderr) and (readable := [spelling.readable(flow) for flow in flows]) != flows:
                flows = readable
                continue
            printed = [next(iter(text.sent_flows(line)), "") for line in _flow_mods(done)]
            if not done.status and len(printed) == len(left):
                for at, flow in zip(left, printed, strict=True):
                    sent[at] = flow
                break
            # One flow that ovs-ofctl does not take keeps it from telling of the others.
            wrong = ofctl_errors.at_line(done.stderr)
            left.pop(wrong.number - 1 if wrong and 0 < wrong.number <= len(left) else -1)
            if not left:
                break
        return sent

    def _with_port_numbers(self, flows: Sequence[str], shown: str) -> list[str]:
        """Flows of a difference with ports by number. Raises Conflict for a port's name that cannot be told from another port."""
        try:
            return names.with_numbers("\n".join(flows), text.port_numbers(shown)).split("\n")
        except names.AmbiguousName as error:
            why = "there is also a port of this name, and ovs-ofctl shows both alike"
            raise Conflict(f"port {error}", why, "another name for that port") from error

    def _parse_flows(self, flows: Sequence[str], form: str = "OXM-OpenFlow15") -> Finished:
        """What ovs-ofctl says it would send for these flows, with ports by number."""
        # parse-flows is in no manual. It has been in every ovs-ofctl since 2010.
        argv = ["ovs-ofctl", "-O", _VERSIONS, "-F", form, "parse-flows", "--", STDIN]
        return self.switch.run(argv, "".join(f"{flow}\n" for flow in flows).encode())

    def run(self, *argv: str, flows: GivenFlows | None = None, match: str = "") -> Finished:
        """Run ovs-ofctl, with flows on its standard input. Raises what its words mean."""
        done = self._run_reading(*argv, flows=flows.text if flows else "")
        self._check(done, flows, match)
        return done

    def _run_reading(self, *argv: str, flows: str) -> Finished:
        """Run ovs-ofctl with flows on its standard input; again, in words that it reads, when it complains about some that it writes."""
        command = ["ovs-ofctl", "-O", _VERSIONS, *argv]
        done = self.switch.run(command, flows.encode())
        if done.status and spelling.is_unreadable(done.stderr):
            return self.switch.run(command, spelling.readable(flows).encode())
        return done

    def _check(self, done: Finished, flows: GivenFlows | None = None, match: str = "") -> None:
        if done.status:
            raise ofctl_errors.explained(done.stderr, self._request(flows, match))
        self._note_reduced(done.stderr)

    def _request(self, flows: GivenFlows | None = None, match: str = "") -> Request:
        permission = local.as_root(self.switch.address) if self.switch.host is local else "--sudo"
        return Request(self.name, self.protocols, flows, match, self._program, permission)

    def _program(self) -> str:
        return self.switch.run(["ovs-ofctl", "--version"]).stdout

    def _note_reduced(self, stderr: str) -> None:
        """Open vSwitch drops what a match says without saying what it needs, and only logs that, at most ten times at once."""
        for was, now in islice(ofctl_errors.reduced_matches(stderr), _MOST_NOTED):
            note = f"{quote(was)} was taken as {quote(now)}: {_NEEDS}"
            if note not in self.switch.notes:
                self.switch.notes.append(note)


def _parsed_matches(parsed: Finished) -> list[str]:
    """What parse-flows makes of the matches of flows; the error, where it cannot read one back."""
    return [next(iter(text.sent_flows(line)), line.rpartition(": ***")[2]).partition("actions=")[0].strip() for line in _flow_mods(parsed)]


def _flow_mods(parsed: Finished) -> list[str]:
    return [line for line in parsed.stdout.split("\n") if line.startswith("OFPT_FLOW_MOD")]


def nobodys_cookie() -> int:
    """With such a cookie a flow differs from any that is there, so that it is printed as Open vSwitch writes it."""
    return int.from_bytes(os.urandom(8), "big") >> 1 | 1
