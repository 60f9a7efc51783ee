"""All flows of a bridge, as a document declares them: checked, listed, compared and made, with their flags."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from ovstool.errors import Refused, UsageError, quote
from ovstool.openflow.accepts import actions
from ovstool.openflow.syntax import given_flows, lexer, names, text
from ovstool.openflow.syntax.given_flows import GivenFlows
from ovstool.switch import Switch, flow
from ovstool.switch.ofctl import OfctlBridge, comparison

MAX_SIZE = 48 * 2**20  # bytes of flows to keep, about 400,000 flows
_PLACE = r"table=(\d+),priority=(\d+)"
_REQUESTS = {"check_overlap", "reset_counts"}  # what a switch is to do once, which no flow has
_LAST_PORT = 0xFEFF  # of OpenFlow 1.0: the numbers above have meanings of their own


class Differing(NamedTuple):
    """How the flows of a bridge differ from those wanted; ``flagged`` are the places of those to send again for their flags."""

    flows: text.Difference
    flagged: list[tuple[int, str, set[str]]]

    def __bool__(self) -> bool:
        return bool(self.flows or self.flagged)

    def counts(self) -> list[str]:
        """A note of how many flows change."""
        changed = self.flows.updated
        return flow.counts(len(self.flows.plus) - changed, changed, len(self.flows.minus) - changed, len(self.flagged))

    def pairs(self, wanted: GivenFlows) -> list[tuple[str | None, str | None]]:
        """Each flow that differs: as it is on the switch, and as it is wanted; None for nothing."""
        flagged = [(_with_flags(wanted.lines[at], there), wanted.lines[at]) for at, _, there in self.flagged]
        return [*flow.pairs(self.flows), *flagged]


@cache
def _check() -> Callable[[str], str]:
    return given_flows.checker()


def checked(line: str) -> str:
    """A flow as it can be declared, without the command ``add``. Raises UsageError for what ovs-ofctl would misread."""
    found = _check()(line.strip())
    if "action" not in lexer.without_comment(found):
        raise UsageError(f"flow {quote(line)}", "has no actions", "actions=drop, or actions=output:PORT")
    if "\0" in found:
        raise UsageError(f"flow {quote(line)}", "contains a NUL character, so it is not text")
    if requests := sorted(lexer.flags(found) & _REQUESTS):
        raise UsageError(f"flow {quote(line)}", f"{requests[0]} is a request and nothing that a flow has", "the flow without it")
    return found


def identity(line: str) -> frozenset[str]:
    """What tells a flow from others, as it is written: two flows that have the same are one."""
    return given_flows.table_priority_and_match(line)


def as_lines(switch: Switch, bridge: str) -> list[str]:
    """The flows of a bridge as lines to declare, with ports by name, sorted; notes what they cannot express. Raises Refused for too many."""
    before = len(switch.notes)
    found = bounded(bridge, flow.list_for_file(switch, bridge, None, None, with_names=True))
    switch.notes[before:] = [f"{bridge}: {note}" for note in switch.notes[before:]]
    return sorted(found, key=place)


def bounded(bridge: str, lines: Iterator[str]) -> list[str]:
    """Lines to keep in memory. Raises Refused when they are too large."""
    found = []
    room = MAX_SIZE
    for line in lines:
        room -= len(line)
        if room < 0:
            raise Refused(f"bridge {quote(bridge)}", f"its flows are larger than {MAX_SIZE >> 20} MiB, the most that ovstool keeps")
        found.append(line)
    return found


def place(line: str) -> tuple[int, int, str]:
    """Where a line of a flow file is among the others: by table, then from the highest priority down."""
    found = re.match(_PLACE, line)
    return (int(found[1]), -int(found[2]), line) if found else (0, 0, line)


def difference(bridge: OfctlBridge, wanted: GivenFlows, new_ports: Sequence[str] = ()) -> Differing:
    """How the flows of a bridge differ from those wanted, which may name ports that the bridge is yet to get.

    Flags are compared where a flow is wanted with some. Raises UsageError for what Open vSwitch would misread, Refused.
    """
    numbers = dict(zip(new_ports, map(str, range(_LAST_PORT, 0, -1)), strict=False))
    numbered = wanted._replace(lines=[_numbered(line, numbers) for line in wanted.lines]) if numbers else wanted
    found = comparison.difference(bridge, numbered, refusing=True)
    flow.require_zeros_kept(numbered, found)
    known = set(map(text.key, found.plus))
    flagged = [differing for differing in flow.with_other_flags(bridge, numbered) if differing[1] not in known]
    by_number = {number: name for name, number in numbers.items()}
    plus = [names.escaped(names.with_names(line, by_number)) for line in found.plus] if numbers else found.plus
    return Differing(text.Difference(found.minus, plus), flagged)


def named(line: str, ports: Collection[str]) -> list[str]:
    """Those of these ports that a flow names."""
    return [port for port in ports if _numbered(line, {port: "0"}) not in (line, names.escaped(line))]


def _numbered(line: str, numbers: dict[str, str]) -> str:
    try:
        numbered = names.with_numbers(line, numbers)
    except names.AmbiguousName:  # of OpenFlow's own ports, such as LOCAL
        return line
    return names.with_outputs(numbered, {name: number for name, number in numbers.items() if name.lower() not in actions.ACTIONS})


def make(bridge: OfctlBridge, wanted: GivenFlows, found: Differing) -> None:
    """Make the flows of a bridge these, in one bundle, but for their flags. ``found``: how they differ.

    Flows that stay keep their counters. Raises Refused with the flow that the switch refuses.
    """
    if found and not wanted.lines:
        bridge.change("del-flows")
    elif found.flows:
        bridge.change("--bundle", "replace-flows", flows=wanted)


def make_flags(bridge: OfctlBridge, wanted: GivenFlows, found: Differing) -> None:
    """Give flows that are there the flags wanted, which ovs-ofctl does not replace. ``found``: how they differed before ``make``."""
    if found and (flagged := _still_flagged(bridge, wanted, found)):
        some = [wanted.lines[at] for at in flagged]
        bridge.change("--bundle", "add-flows", flows=wanted._replace(lines=some, places=[wanted.places[at] for at in flagged]))


def _still_flagged(bridge: OfctlBridge, wanted: GivenFlows, found: Differing) -> list[int]:
    """The places of the flows that now have other flags; in a dry run of those that may have, as the bridge may not be there."""
    if bridge.switch.dry_run:
        differing = {at for at, _, _ in found.flagged}
        return [at for at, line in enumerate(wanted.lines) if at in differing or lexer.flags(line) & flow.NOT_REPLACED]
    return sorted(at for at, _, _ in flow.with_other_flags(bridge, wanted))


def _with_flags(line: str, flags: set[str]) -> str:
    """A flow with other flags."""
    before, action, after = line.partition("action")
    kept = re.sub(rf"\b(?:{'|'.join(lexer.FLAGS)})\b[, \t]*", "", before)
    return ",".join([*sorted(flags), kept]) + action + after
