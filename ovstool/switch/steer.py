"""Flows that put traffic into a queue of a port without changing where it is forwarded; openflow/steering.py defines them.

NORMAL forwards and learns as before (ovs-actions(7)); set_queue applies to whatever port the packet leaves by, and takes effect where that
port has a queue of this number. A steering flow is never a copy of a flow that outputs to a port, because it would keep sending there after
the original had changed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ovstool import units
from ovstool.errors import Conflict, NotFound, OvstoolError, Refused, UsageError, quote, quote_some
from ovstool.openflow import steering
from ovstool.openflow.syntax import lexer, text
from ovstool.openflow.syntax import match as matches
from ovstool.openflow.syntax.names import with_names
from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, mapping, one
from ovstool.switch import WARNING, Change, Finding, Switch, flow, lookup
from ovstool.switch.ofctl import OfctlBridge, comparison

_LAST_VLAN = 4095
_OF_PIPELINES = re.compile(r"x?x?reg\d|metadata|ct_|conj_id|actset_output")
# Words that ovs-ofctl accepts in a match, but that would make it a different flow.
_NO_FIELDS = (
    "table", "priority", "cookie", "out_port", "out_group", "idle_timeout", "hard_timeout", "importance", "action", "actions",
    "duration", "n_packets", "n_bytes", "idle_age", "hard_age", *lexer.FLAGS,
)  # fmt: skip


class PortOnBridge(NamedTuple):
    """A port: the name that the user gave, its real name, and its bridge."""

    named: str
    port: str
    bridge: str


def ports_on_bridges(reader: lookup.Reader, names: Sequence[str]) -> list[PortOnBridge]:
    """The bridges of ports; ports on no bridge are left out. Raises NotFound, Conflict."""
    named = lookup.ports(reader, names, ())
    bridges = lookup.bridges_of_ports(reader, [row for _, (row,) in named])
    return [PortOnBridge(name, row["name"], bridges[u]) for name, (row,) in named if (u := str(one(row["_uuid"]))) in bridges]


def port_on_bridge(reader: lookup.Reader, name: str) -> PortOnBridge:
    """The bridge of a port. Raises NotFound, Conflict."""
    found = ports_on_bridges(reader, [name])
    if not found:
        raise NotFound(f"port {quote(name)}", "is on no bridge", "ovstool port list")
    return found[0]


def steer(switch: Switch, port: str, queue: int, match: str) -> flow.FlowChanges:
    """Put matching traffic into a queue of a port, wherever NORMAL sends it out of that port.

    Raises NotFound without the port or the queue, UsageError for what is not just a match or matches everything, Conflict when another
    flow has this match, Refused where the flow would change what is forwarded and where to.
    """
    row = lookup.ports(switch, [port], ("qos",))[0].rows[0]
    _require_queue(switch, port, row, queue)
    bridge_row = lookup.bridges(switch, [port_on_bridge(switch, port).bridge], ("controller", "fail_mode", "ports"))[0]
    _require_no_owner(bridge_row, queue)
    bridge = OfctlBridge.of(switch, bridge_row["name"])
    bridge.require_bundles()
    canonical = comparison.canonical_match(bridge, _only_a_match(match))
    _require_of_some_packets(port, match, canonical)
    wanted = _match_to_steer(bridge, match, canonical, queue)
    wanted.require_one_table(bridge.name)
    new = steering.flow_to_add(row["name"], queue, canonical, wanted.priority())
    old = wanted.steered()
    _require_same_owner(switch, wanted, old, new, bridge.name)
    wanted.require_no_rival()
    _note_other_ports(switch, bridge_row, row, queue)
    _note_no_tag(switch, bridge_row, row, wanted)

    stale = [row for row in old if (row.priority, row.actions) != (new.priority, new.actions)]
    if old and not stale:
        return flow.FlowChanges([Change(port, "unchanged")])
    deletions = [steering.deletion(row) for row in stale if row.priority != new.priority]
    bridge.change("--bundle", "add-flows", flows=flow.GivenFlows([*deletions, steering.addition(new)]))
    lines = [*(f"-{wanted.shown(row)}" for row in stale), f"+{wanted.shown(new)}"]
    return flow.FlowChanges([Change(port, "updated" if old else "created")], lines if switch.dry_run else [])


def is_open(switch: Switch, bridge: str, match: str) -> bool:
    """Whether the flows of a bridge leave matching traffic to NORMAL, so that it can be steered; the bridge has no known owner."""
    try:
        reached = OfctlBridge.of(switch, bridge)
        reached.require_bundles()
        wanted = _match_to_steer(reached, match, comparison.canonical_match(reached, match), 0)
        wanted.require_one_table(bridge)
        wanted.priority()
    except OvstoolError:
        return False
    return True


def unsteer(switch: Switch, port: str, queue: int | None, match: str | None) -> flow.FlowChanges:
    """Delete the flows that steer into queues of a port: all, or those of one queue or of exactly this match. Raises NotFound, UsageError."""
    at = port_on_bridge(switch, port)
    bridge = OfctlBridge.of(switch, at.bridge)
    wanted = None if match is None else with_names(comparison.canonical_match(bridge, _only_a_match(match)), bridge.port_names())
    rows = [
        row
        for row in _steering_flows(bridge, steering.cookie(at.port))
        if (queue is None or steering.queue_of(row) == queue) and (wanted is None or row.match == wanted)
    ]
    if rows:
        _delete(bridge, rows)
    switch.notes.append(f"{units.counted(len(rows), 'flow')}{'' if switch.dry_run else ' deleted'}")
    lines = [f"-{text.line_of(row)}" for row in rows] if switch.dry_run else []
    return flow.FlowChanges([Change(port, "deleted" if rows else "unchanged")], lines)


def clear(switch: Switch, cleared: Sequence[PortOnBridge]) -> set[str]:
    """Delete the flows that steer into queues of these ports, after their QoS was removed; returns the ports that had some, as named.

    Flows stay, with a note, where OpenFlow is not available: the QoS is removed anyway.
    """
    had = set()
    for bridge, here in _by_bridge(cleared).items():
        owners = {steering.cookie(at.port): at.named for at in here}
        try:
            reached = OfctlBridge.of(switch, bridge)
            # Usually there are none, so the names of ports, which cost another request, are read later.
            rows = [row for row in _steering_flows(reached, *_mask_for(owners), with_names=None) if int(row.cookie, 16) in owners]
            ports = reached.port_names() if rows else {}
            if rows:
                _delete(reached, rows)
        except OvstoolError as error:
            whose = quote_some([at.named for at in here])
            said = f"{error.what}: {error.why}; any flows that steer into queues of {whose} remain"
            if said not in switch.notes:  # called again when a transaction is retried
                switch.notes.append(said)
            continue
        for row in rows:
            switch.notes.append(f"steering flow {with_names(text.line_of(row), ports)}: {'would be ' if switch.dry_run else ''}deleted")
        had |= {owners[int(row.cookie, 16)] for row in rows}
    return had


def note_lost(switch: Switch, names: Sequence[str]) -> None:
    """Note the flows that steer into queues that these ports no longer have. Advice only: silent where OpenFlow is not available."""
    named = lookup.ports(switch, names, ("qos",))
    queues = dict(zip([port.name for port in named], _queues(switch, [port.rows[0] for port in named]), strict=True))
    for bridge, here in _by_bridge(ports_on_bridges(switch, names)).items():
        owners = {steering.cookie(at.port): at.named for at in here}
        try:
            rows = list(_steering_flows(OfctlBridge.of(switch, bridge), *_mask_for(owners)))
        except OvstoolError:
            return
        for row in rows:
            name, queue = owners.get(int(row.cookie, 16)), steering.queue_of(row)
            if name and queue not in queues[name]:
                evidence = f"a flow steers {row.match} into queue {queue}, which no longer exists"
                remedy = ("ovstool", "qos", "unsteer", name, "--queue", str(queue))
                switch.found.append(Finding(name, WARNING, "a flow leads to a queue that is not there", evidence, (remedy,)))


def _match_to_steer(bridge: OfctlBridge, match: str, canonical: str, queue: int) -> steering.MatchToSteer:
    expiring: set[str] = set()
    rows = list(text.bounded(bridge.flows_noting(expiring)))
    return steering.MatchToSteer(match, canonical, queue, rows, expiring, bridge.port_names())


def _steering_flows(bridge: OfctlBridge, cookie: int, mask: int = -1, with_names: bool | None = True) -> Iterator[text.FlowRow]:
    """The steering flows with a cookie; the switch filters, because it may have very many other flows."""
    match = f"cookie={cookie:#x}/{'-1' if mask == -1 else f'{mask:#x}'}"
    return (row for row in bridge.flows(match, with_names) if steering.queue_of(row) is not None)


def _mask_for(owners: Mapping[int, str]) -> tuple[int, int]:
    """A cookie and mask that match the flows with these cookies, and possibly those of other ports."""
    return (next(iter(owners)), -1) if len(owners) == 1 else (steering.COOKIE, steering.MASK)


def _delete(bridge: OfctlBridge, rows: Sequence[text.FlowRow]) -> None:
    # Not in a bundle, which older protocols lack; a rerun deletes what an interrupted deletion left.
    deletions = flow.GivenFlows([steering.deletion(row) for row in rows])
    bridge.change("add-flows", flows=deletions)


def _by_bridge(wanted: Sequence[PortOnBridge]) -> dict[str, list[PortOnBridge]]:
    found: dict[str, list[PortOnBridge]] = {}
    for at in wanted:
        found.setdefault(at.bridge, []).append(at)
    return found


def _only_a_match(match: str) -> str:
    """The match on one line. Raises UsageError when it is empty or contains more than a match."""
    said = lexer.words(match)
    if not said:
        raise UsageError(f"match {quote(match)}", "does not match on anything", "ip,nw_dst=10.0.0.2")
    for word in said:
        if word.name in _NO_FIELDS:
            raise UsageError(
                f"match {quote(match)}", f"{word.name} is not a match field; table, priority, cookie and actions are set by ovstool here"
            )
    if any("#" in word.text for word in said if word.name not in lexer.PORT_WORDS):
        raise UsageError(f"match {quote(match)}", "# starts a comment")
    return lexer.with_names_quoted(match)


def _require_queue(switch: Switch, port: str, row: Row, queue: int) -> None:
    if not many(row["qos"]):
        raise NotFound(f"port {quote(port)}", "has no QoS, so it has no queues", f"ovstool qos set {quote(port)} --queue {queue}:max=RATE")
    [queues] = _queues(switch, [row])
    if queue not in queues:
        there = f"has the queues {', '.join(map(str, sorted(queues)[:10]))}" if queues else "has no queues"
        hint = f"ovstool qos set {quote(port)} --merge --queue {queue}:max=RATE"
        raise NotFound(f"queue {queue}", f"the QoS of port {quote(port)} {there}", hint)


def _queues(switch: Switch, port_rows: Sequence[Row]) -> list[set[int]]:
    """The numbers of the queues that each of these ports has."""
    found = lookup.by_uuid(switch, "QoS", [u for row in port_rows for u in many(row["qos"])], ("queues",))
    return [{number for u in many(row["qos"]) if u in found for number in mapping(found[u]["queues"])} for row in port_rows]


def _require_of_some_packets(port: str, match: str, canonical: str) -> None:
    """Raises UsageError for a match on all packets in table 0."""
    if not canonical:
        why = "matches everything; traffic that no flow puts into another queue goes to queue 0 anyway"
        raise UsageError(f"match {quote(match)}", why, f"ovstool qos set {quote(port)} --merge --queue 0:max=RATE")
    for field in filter(_OF_PIPELINES.match, matches.fields(canonical)):
        raise UsageError(f"match {quote(match)}", f"{field} is the same for all packets in table 0")


def _require_same_owner(switch: Switch, wanted: steering.MatchToSteer, old: Sequence[text.FlowRow], new: text.FlowRow, bridge: str) -> None:
    """Raises Conflict when a flow with this match steers for another port."""
    for other in old:
        if other.cookie == new.cookie:
            continue
        names = {steering.cookie(row["name"]): row["name"] for row in switch.read(Query("Port", [], ("name",)))}
        name = names.get(int(other.cookie, 16))
        whose = f"port {quote(name)}" if name else "a port that is gone"
        hint = f"ovstool qos unsteer {quote(name)}" if name else f"ovstool flow del {quote(bridge)} cookie={other.cookie}/-1"
        raise Conflict(wanted.what, f"is already steered for {whose}, by a flow that applies to all ports ({wanted.shown(other)})", hint)


def _require_no_owner(bridge: Row, queue: int) -> None:
    """Raises Refused when somebody else manages the flows of a bridge."""
    what = f"bridge {quote(bridge['name'])}"
    if many(bridge["controller"]):
        raise Refused(
            what,
            "a controller manages its flows, and would not know about this one or keep it",
            f"set_queue:{queue} in the controller's flows",
        )
    if one(bridge["fail_mode"]) == "secure":
        raise Refused(what, "its fail_mode is secure: it forwards only what its flows say", steering.hint(queue))


def _note_other_ports(switch: Switch, bridge: Row, port_row: Row, queue: int) -> None:
    """Note which other ports have a queue of this number, because set_queue applies to them too, also beyond patch ports."""
    shaped, qos_rows, patches = switch.read_all(
        [
            lookup.ports_with_qos(("_uuid", "name", "qos")),
            Query("QoS", [], ("_uuid", "queues")),
            Query("Interface", [["type", "==", "patch"]]),
        ]
    )
    having = {one(row["_uuid"]) for row in qos_rows if queue in mapping(row["queues"])}
    here = many(bridge["ports"])
    others = [row for row in shaped if one(row["qos"]) in having and row["_uuid"] != port_row["_uuid"]]
    names = sorted(row["name"] for row in others if patches or one(row["_uuid"]) in here)
    if names:
        switch.notes.append(
            f"{quote_some(names)} also {'has' if len(names) == 1 else 'have'} a queue {queue}, and matching traffic that leaves there uses it; "
            "try: a queue number that only this port has"
        )


def _note_no_tag(switch: Switch, bridge: Row, port_row: Row, wanted: steering.MatchToSteer) -> None:
    """Note a match on a VLAN tag that no packet arrives with: an access port accepts only untagged packets (input_vid_is_valid)."""
    fields = matches.fields(wanted.canonical)
    vid = units.whole_number(fields.get("dl_vlan", ""), 1, _LAST_VLAN)
    if vid is None:
        return
    here = many(bridge["ports"])
    rows = switch.read(Query("Port", [], ("_uuid", "name", "tag", "trunks", "vlan_mode")))
    # NORMAL never sends a packet back out of its input port; the local port accepts all tags, but this machine rarely sends any.
    others = [row for row in rows if one(row["_uuid"]) in here and row["name"] not in (port_row["name"], bridge["name"])]
    if in_port := fields.get("in_port"):
        others = [row for row in rows if row["name"] == wanted.port_names.get(in_port, in_port)] or others
    if not any(_takes_in(row, vid) for row in others):
        evidence = (
            f"dl_vlan={vid} matches the tag that a packet arrives with, and no other port accepts packets with that tag; packets from access ports "
            f"have no tag yet: leave dl_vlan out to match all VLANs, or use in_port=PORT to match one access port"
        )
        remedy = ("ovstool", "qos", "unsteer", str(port_row["name"]), "--queue", str(wanted.queue), "--match", wanted.match)
        switch.found.append(Finding(str(port_row["name"]), WARNING, "no packet matches this", evidence, (remedy,)))


def _takes_in(port: Row, vid: int) -> bool:
    """Whether a port accepts packets tagged with this VLAN (bridge.c, port_configure; ofproto-dpif-xlate.c, input_vid_is_valid)."""
    tag, trunks, mode = one(port["tag"]), many(port["trunks"]), one(port["vlan_mode"])
    mode = mode or ("trunk" if tag is None else "access")
    return mode != "access" and (not trunks or vid in trunks or (mode.startswith("native") and vid == tag))
