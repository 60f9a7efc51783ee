"""The OpenFlow flows of a bridge: listed, added, deleted, replaced, compared and traced."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ovstool import units
from ovstool.errors import Refused, Unreachable, UsageError, one_line, quote
from ovstool.openflow.accepts import match_probes
from ovstool.openflow.syntax import lexer, names, ofctl_errors, text
from ovstool.openflow.syntax.given_flows import GivenFlows
from ovstool.ovsdb.values import many, ofport
from ovstool.switch import Change, Switch, lookup
from ovstool.switch.ofctl import OfctlBridge, comparison, matches

if TYPE_CHECKING:
    from ovstool.openflow.syntax.trace import Trace

COLUMNS = text.COLUMNS

_HIDDEN_TABLE = 254  # Open vSwitch's own flows, which nobody may delete; it lists them when asked for an exact cookie
NOT_REPLACED = text.KEPT_FLAGS - {"send_flow_rem"}  # read_flows_from_file of ovs-ofctl.c
_ANY_OPTION = r"\b(tun_metadata\d+)(?![\d=])"
_ZERO_OPTION = r"\b(tun_metadata\d+)=0+(?:x0+)?(?![/\w])"
_NOT_A_FLOW = r"syntax|unknown (?:field|keyword)|bad value|parse"  # in the errors of ofproto/trace for something that is not a flow


class FlowChanges(NamedTuple):
    """The changes, and the flows that differ as lines of ``flow diff``."""

    changes: list[Change]
    lines: Sequence[str] = ()


def list_all(
    switch: Switch, bridge: str, match: str | None, table: int | None, with_names: bool, parsed: bool, kept: bool
) -> Iterator[tuple]:
    """The flows as tuples of ``COLUMNS``, as the switch sends them; none is held here.

    ``kept``: the caller keeps them in memory, so their number is limited.
    ``with_names``: ports and tables by name. ``parsed``: match and actions as objects, as ``ovs.flow`` has them.
    Raises NotFound, Unreachable, UsageError for a match that ovs-ofctl rejects or reads as a different one.
    """
    reached = OfctlBridge.of(switch, bridge)
    rows = reached.flows(matches.checked(reached, match, table), with_names)
    rows = text.bounded(rows) if kept else rows
    if not parsed:
        return rows
    from ovstool.openflow.syntax import objects

    return objects.parsed(rows)


def list_for_file(switch: Switch, bridge: str, match: str | None, table: int | None, with_names: bool) -> Iterator[str]:
    """The flows as lines of a file for ``add``, ``replace`` and ``diff``, as the switch sends them; notes what such lines cannot express.

    ``with_names``: ports by name; tables are numbers. Raises as ``list_all`` does.
    """
    from ovstool.openflow.syntax import flow_file

    reached = OfctlBridge.of(switch, bridge)
    if not reached.tells_flags:
        switch.notes.append(f"left out: flags of flows, such as send_flow_rem, which {', '.join(reached.protocols)} does not report")
    dumped = reached.dumped_lines(matches.checked(reached, match, table), with_names=False)
    lost: set[str] = set()
    yield from flow_file.lines(dumped, _port_names(switch, bridge) if with_names else {}, lost)
    switch.notes += [f"left out: {what}" for what in sorted(lost)]


def _port_names(switch: Switch, bridge: str) -> dict[str, str]:
    """The OpenFlow name of each port by its number, without the local port (LOCAL) and without names that two ports share.

    The database has full names; ``ovs-ofctl show`` cuts a name at the first character that is not ASCII.
    """
    from ovstool.switch.accepts import port_types

    rows = lookup.interface_rows(switch, [], bridge, ("name", "ofport"))
    names_of = {number: port_types.cut(row["name"]) for row in rows if (number := ofport(row["ofport"]))}
    shared = Counter(names_of.values())
    return {str(number): name for number, name in names_of.items() if number < lookup.LOCAL and shared[name] == 1}


def add(switch: Switch, bridge: str, flows: GivenFlows) -> FlowChanges:
    """Add flows, all or none (one bundle). When given one by one, flows that exist already are not sent.

    Raises NotFound, UsageError with the line, Refused with the flow.
    """
    reached = OfctlBridge.of(switch, bridge)
    reached.require_bundles()
    if flows.file is None:
        flows.require_different()
    found = comparison.difference(reached, flows, refusing=True)
    if flows.file is None:
        changes = _changes_one_by_one(reached, flows, found)
        sent = GivenFlows([change.object for change in changes if change.change != "unchanged"])
    else:
        changes = [Change(bridge, _change_by_adding(reached, flows, found))]
        sent = flows
        switch.notes += counts(len(found.plus) - found.updated, found.updated)
    if any(change.change != "unchanged" for change in changes):
        reached.change("--bundle", "add-flows", flows=sent)
    return FlowChanges(changes, _signed(found, added_only=True) if switch.dry_run else [])


def _changes_one_by_one(bridge: OfctlBridge, flows: GivenFlows, found: text.Difference) -> list[Change]:
    """The effect of adding each of these flows; ``found``: how all of them differ from those of the bridge."""
    is_so_for_each = len(flows.lines) == 1 or not found.plus
    each = [GivenFlows([line]) for line in flows.lines]
    return [
        Change(one.lines[0], _change_by_adding(bridge, one, found if is_so_for_each else comparison.difference(bridge, one)))
        for one in each
    ]


def _change_by_adding(bridge: OfctlBridge, flows: GivenFlows, found: text.Difference) -> str:
    """The effect of adding flows: created, updated or unchanged; ``found``: how they differ from those of the bridge."""
    if found.plus:
        return "updated" if found.updated else "created"
    return "updated" if _flags_differ(bridge, flows) else "unchanged"


def _flags_differ(bridge: OfctlBridge, flows: GivenFlows) -> bool:
    """Whether flows that the bridge has are given with other flags, which ovs-ofctl does not compare, or counters are to be reset."""
    return any("reset_counts" in lexer.flags(line) for line in flows.lines) or bool(with_other_flags(bridge, flows))


def with_other_flags(bridge: OfctlBridge, flows: GivenFlows) -> list[tuple[int, str, set[str]]]:
    """The flows given with flags that the bridge has with others, or not at all: their places in ``lines``, their ``text.key``,
    and the flags that they have there.
    """
    flagged = [at for at, line in enumerate(flows.lines) if lexer.flags(line)]
    if not flagged:
        return []
    dumped = (line for line in bridge.dumped_lines("", with_names=True) if lexer.flags(line))
    theirs = {names.escaped(text.key_of(row)): lexer.flags(line) & text.KEPT_FLAGS for line in dumped for row in text.flows([line])}
    first = comparison.nobodys_cookie()  # each flow is recognized by a cookie of its own
    probes = [lexer.probe(flows.lines[at], first + number) for number, at in enumerate(flagged)]
    found = []
    for flow in comparison.difference(bridge, GivenFlows(probes)).plus:
        at, key = flagged[text.cookie(flow) - first], text.key(flow)
        if lexer.flags(flows.lines[at]) & text.KEPT_FLAGS != (there := theirs.get(key, set())):
            found.append((at, key, there))
    return found


def delete(switch: Switch, bridge: str, match: str | None, strict: bool) -> FlowChanges:
    """Delete the flows that a match covers, or all; ``strict``: only the one with exactly this match and priority.

    Raises NotFound, and UsageError before anything is sent, also for a match that ovs-ofctl would read only in part.
    """
    reached = OfctlBridge.of(switch, bridge)
    named = match or f"all flows of {bridge}"
    if match and not strict and "priority" in match_probes.beside_fields(match):
        raise UsageError(f"match {quote(match)}", "unknown keyword priority: a priority is matched only with --strict")
    match = matches.checked(reached, match, None, deletes=True)
    # With names ovs-ofctl keeps all flows in memory; counting does not need them.
    rows = _strictly_matching(reached, match) if strict else reached.flows(match, with_names=switch.dry_run)
    in_any_table = "table" not in match_probes.beside_fields(match)
    lines = []
    count = 0
    for row in rows:
        if in_any_table and row.table == _HIDDEN_TABLE:
            continue
        count += 1
        if switch.dry_run:
            lines.append(f"-{text.line_of(row)}")
    if count:
        reached.change(*(["--strict"] if strict else []), "del-flows", match=match)
    switch.notes.append(f"{units.counted(count, 'flow')}{'' if switch.dry_run else ' deleted'}")
    if not match and not switch.dry_run and not many(lookup.bridges(switch, [bridge], ("controller",))[0]["controller"]):
        again = f"ovstool flow add {quote(bridge)} priority=0,actions=NORMAL"
        switch.notes.append(f"{quote(bridge)} has no flows and drops everything; to forward as a learning switch again: {again}")
    return FlowChanges([Change(named, "deleted" if count else "unchanged")], lines)


def _strictly_matching(bridge: OfctlBridge, match: str) -> Iterator[text.FlowRow]:
    """The flows that a strict deletion takes: one, or one in each table when the match names none."""
    if not match:
        raise UsageError("--strict", "needs a match", "ovstool flow del BRIDGE table=0,priority=5,ip --strict")
    said = lexer.words(match)
    loose = ",".join(word.text for word in said if word.name != "priority")
    exact = ",".join(word.text for word in said if word.name not in ("cookie", "out_port", "out_group"))
    probe = comparison.difference(bridge, GivenFlows([lexer.probe(exact, comparison.nobodys_cookie())]), match=match)
    wanted = text.key(probe.plus[0]) if probe.plus else ""
    in_any_table = "table" not in match_probes.beside_fields(match)
    for row in bridge.flows(loose, with_names=True):
        key = names.escaped(text.key_of(row))
        if key == wanted or (in_any_table and key.partition(" ")[2] == wanted.partition(" ")[2]):
            yield row


def replace(switch: Switch, bridge: str, flows: GivenFlows) -> FlowChanges:
    """Make the bridge have these flows and no others, in one bundle. Flows that stay keep their counters.

    Raises NotFound, UsageError with the line and for a match that Open vSwitch would widen, Refused with the flow.
    """
    reached = OfctlBridge.of(switch, bridge)
    reached.require_bundles()
    found = replaced(reached, flows)
    if found:
        unsent = sorted({flag for line in flows.lines for flag in lexer.flags(line)} & NOT_REPLACED)
        if unsent and not switch.dry_run:
            again = f"ovstool flow add {quote(bridge)} --file {quote(flows.file or '-')}"
            switch.notes.append(f"ovs-ofctl ignores {' and '.join(unsent)} when it replaces flows; try: {again}")
    new, gone = len(found.plus) - found.updated, len(found.minus) - found.updated
    switch.notes += counts(new, found.updated, gone)
    return FlowChanges([Change(bridge, "updated" if found else "unchanged")], _signed(found) if switch.dry_run else [])


def replaced(bridge: OfctlBridge, flows: GivenFlows) -> text.Difference:
    """How the flows of a bridge differed from these, which it has now, without some of their flags: ovs-ofctl replaces no flags.

    Raises UsageError with the line and for a match that Open vSwitch would widen, Refused with the flow.
    """
    found = comparison.difference(bridge, flows, refusing=True)
    require_zeros_kept(flows, found)
    if found:
        bridge.change("--bundle", "replace-flows", flows=flows)
    return found


def require_zeros_kept(flows: GivenFlows, found: text.Difference) -> None:
    """Raise UsageError for a flow that ovs-ofctl would send with any value of a tunnel option in place of 0 (minimatch_expand of match.c)."""
    doubtful = " ".join(lexer.before_actions(flow) for flow in found.plus if "tun_metadata" in flow)
    for option in dict.fromkeys(re.findall(_ANY_OPTION, doubtful)):
        for number, line in enumerate(flows.lines, 1):
            if option in re.findall(_ZERO_OPTION, lexer.before_actions(line)):
                why = f"ovs-ofctl replace-flows would match any value in place of {option}=0"
                raise UsageError(flows.place(number), why, f"{option}=0/0xffffffff, with a mask as long as the option")


def diff(switch: Switch, bridge: str, flows: GivenFlows) -> list[tuple[str, str]]:
    """The differences: ``+`` and a flow that only the file has, ``-`` and one that only the switch has.

    Raises NotFound, UsageError with the line and for a match that Open vSwitch would widen.
    """
    return [(line[0], line[1:]) for line in _signed(comparison.difference(OfctlBridge.of(switch, bridge), flows, refusing=True))]


def follow(switch: Switch, bridge: str, flow: str) -> "Trace":
    """What ovs-vswitchd would do with a packet (``ofproto/trace``, ovs-vswitchd(8)). Raises NotFound, UsageError, Unreachable."""
    from ovstool.openflow.accepts import actions
    from ovstool.openflow.syntax import trace

    OfctlBridge.of(switch, bridge)
    if not flow.strip() or flow.lstrip().startswith("-"):
        raise UsageError(f"flow {quote(flow)}", "not a flow", "in_port=PORT,ip,nw_dst=10.0.0.2")
    if wrong := actions.misfit_of_packet(names.escaped(flow)):
        raise UsageError(f"flow {quote(flow)}", names.unescaped(wrong))
    done = switch.appctl("ofproto/trace", "--names", bridge, flow)
    ports = None
    if done.status and "--names: unknown option" in done.stderr:  # new in Open vSwitch 3.1 (NEWS)
        done = switch.appctl("ofproto/trace", bridge, flow)
        if not done.status:
            dpif_show = switch.appctl("dpif/show").stdout
            ports = trace.port_names(bridge, dpif_show, switch.appctl("dpctl/show", trace.datapath_of(bridge, dpif_show)).stdout)
    if done.status:
        raise _trace_error(flow, ofctl_errors.message(done.stderr))
    return trace.parse(done.stdout, ports)


def _trace_error(flow: str, said: str) -> UsageError | Unreachable | Refused:
    if re.search(_NOT_A_FLOW, said):
        why = said.partition(f"syntax: {one_line(flow)}: ")[2] or said
        return UsageError(f"flow {quote(flow)}", why, match_probes.with_protocol(flow) if "prerequisites" in why else None)
    if "cannot connect" in said or "pidfile" in said:
        return Unreachable("ovs-vswitchd", said, "is it running?")
    return Refused("ofproto/trace", said)


def counts(new: int, updated: int, gone: int = 0, flagged: int = 0) -> list[str]:
    """A note of how many flows change, if any do; ``flagged``: only in their flags."""
    parts = ((new, "new"), (updated, "with other actions, cookie or timeouts"), (flagged, "with other flags"), (gone, "deleted"))
    said = ", ".join(f"{count} {what}" for count, what in parts if count)
    return [f"flows: {said}"] if said else []


def _signed(found: text.Difference, added_only: bool = False) -> list[str]:
    """Lines of a difference: a flow that changed is a line with ``-`` and one with ``+`` after it."""
    lines = []
    for was, now in pairs(found):
        if now or not added_only:
            lines += [f"{sign}{flow}" for sign, flow in (("-", was), ("+", now)) if flow]
    return lines


def pairs(found: text.Difference) -> Iterator[tuple[str | None, str | None]]:
    """A difference flow by flow: as it is on the switch, and as it is to be; None where it is only in the other."""
    new = {text.key(flow): flow for flow in found.plus}
    for flow in found.minus:
        changed = new.pop(text.key(flow), None)
        yield names.unescaped(flow), changed and names.unescaped(changed)
    yield from ((None, names.unescaped(flow)) for flow in new.values())
