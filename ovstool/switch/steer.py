"""Flows that put traffic into a queue of a port and leave to the switch where it goes.

Such a flow is ``MATCH actions=set_queue:N,NORMAL`` in table 0. NORMAL forwards and learns as before (ovs-actions(7)); set_queue is for
whatever port the packet leaves by, and takes effect where that port has a queue N. It changes no packet's way as long as NORMAL is
what the packet would have met without it. So a steering flow has a priority just above the NORMAL flow that it stands in for, and is
refused where another flow would have decided: one that forwards in another way, a drop that it would overrule, no flow at all, or
for a time only, as a flow with a timeout does.
It is never a copy of a flow that outputs to a port, which would go on sending there after the original had changed.

Its cookie is COOKIE with the CRC-32 of the port's name in the lower 32 bits. The flow does not name the port, and what else could stand
for it changes: an OpenFlow port number is another port's once the port has been added again. The queue is in the actions. Names that
differ in no more than four bytes on end, as eth1 and eth2 do, never have the same CRC-32.
"""

import re
import zlib
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ovstool import units
from ovstool.errors import Conflict, NotFound, OvstoolError, Refused, UsageError, quote
from ovstool.openflow.syntax import match as matches
from ovstool.openflow.syntax import text, words
from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, mapping, one
from ovstool.switch import WARNING, Change, Finding, Switch, flow, lookup

COOKIE = 0x6F767374 << 32  # "ovst"
MASK = 0xFFFFFFFF << 32

_HIGHEST = 65535  # priority
_LAST_VLAN = 4095
_ACTIONS = re.compile(r"set_queue:(\d+),NORMAL")
_LEADS_ON = re.compile(r"resubmit|goto_table|table=")  # to other flows: resubmit, goto_table, learn, ct
_OF_PIPELINES = re.compile(r"x?x?reg\d|metadata|ct_|conj_id|actset_output")
# Words that ovs-ofctl takes along with a match, where they would make it another flow.
_NO_FIELDS = (
    "table", "priority", "cookie", "out_port", "out_group", "idle_timeout", "hard_timeout", "importance", "action", "actions",
    "duration", "n_packets", "n_bytes", "idle_age", "hard_age", *words.FLAGS,
)  # fmt: skip


class Place(NamedTuple):
    """A port as it was named, its own name, and the bridge that it is on."""

    named: str
    port: str
    bridge: str


def cookie(port: str) -> int:
    """The cookie of the flows that steer into queues of this port, for which it has its own name."""
    return COOKIE | zlib.crc32(port.encode())


def places(reader: lookup.Reader, names: Sequence[str]) -> list[Place]:
    """Where ports are; those that are on no bridge are left out. Raises NotFound, Conflict."""
    named = lookup.ports(reader, names, ())
    bridges = lookup.bridges_of_ports(reader, [row for _, (row,) in named])
    return [Place(name, row["name"], bridges[u]) for name, (row,) in named if (u := str(one(row["_uuid"]))) in bridges]


def place(reader: lookup.Reader, name: str) -> Place:
    """Where a port is. Raises NotFound, Conflict."""
    found = places(reader, [name])
    if not found:
        raise NotFound(f"port {quote(name)}", "is on no bridge", "ovstool port list")
    return found[0]


def steer(switch: Switch, port: str, queue: int, match: str) -> flow.Written:
    """Put what matches into a queue of a port wherever NORMAL sends it out there.

    Raises NotFound without the port or the queue, UsageError for what is no match of its own or matches everything, Conflict when the
    match is another flow's, Refused where the flow would change what is forwarded and where to.
    """
    row = lookup.ports(switch, [port], ("qos",))[0].rows[0]
    _require_queue(switch, port, row, queue)
    bridge = lookup.bridges(switch, [place(switch, port).bridge], ("controller", "fail_mode", "ports"))[0]
    _require_no_owner(bridge, queue)
    connection = flow.Connection.of(switch, bridge["name"])
    connection.require_bundles()
    written = connection.written(_only_a_match(match))
    if not written:
        why = "matches everything, and for all that no flow puts elsewhere there is queue 0"
        raise UsageError(f"match {quote(match)}", why, f"ovstool qos set {quote(port)} --merge --queue 0:max=RATE")
    for field in filter(_OF_PIPELINES.match, matches.fields(written)):
        raise UsageError(f"match {quote(match)}", f"{field} is the same for all packets that come to table 0")
    asked = _asked(connection, match, written, queue)
    asked.require_one_table(bridge["name"])
    new = (0, asked.priority(), f"{cookie(row['name']):#x}", 0, 0, 0.0, written, f"set_queue:{queue},NORMAL")
    old = asked.steered()
    for other in old:
        if other[2] != new[2]:
            name = _names_of_cookies(switch).get(int(other[2], 16))
            whose = f"port {quote(name)}" if name else "a port that is gone"
            hint = f"ovstool qos unsteer {quote(name)}" if name else f"ovstool flow del {quote(bridge['name'])} cookie={other[2]}/-1"
            raise Conflict(asked.what, f"is steered for {whose}, by a flow that is for all ports ({asked.shown(other)})", hint)
    asked.require_no_rival()
    _note_other_ports(switch, bridge, row, queue)
    _note_no_tag(switch, bridge, row, asked)

    stale = [row for row in old if (row[1], row[7]) != (new[1], new[7])]
    if old and not stale:
        return flow.Written([Change(port, "unchanged")])
    if not switch.dry_run:
        # Not with check_overlap: the switch would keep that with the flow, and a dump with it is refused by whoever reads it back.
        added = f"add,table=0,priority={new[1]},cookie={new[2]},{written},actions={new[7]}"
        connection.change("add-flows", flow.Given([*(_deletion(row) for row in stale if row[1] != new[1]), added]))
    lines = [*(f"-{asked.shown(row)}" for row in stale), f"+{asked.shown(new)}"]
    return flow.Written([Change(port, "updated" if old else "created")], lines if switch.dry_run else [])


def is_open(switch: Switch, bridge: str, match: str) -> bool:
    """Whether the flows of a bridge, which nobody is known to own, leave what matches to NORMAL, so that it can be steered."""
    try:
        connection = flow.Connection.of(switch, bridge)
        connection.require_bundles()
        asked = _asked(connection, match, connection.written(match), 0)
        asked.require_one_table(bridge)
        asked.priority()
    except OvstoolError:
        return False
    return True


def unsteer(switch: Switch, port: str, queue: int | None, match: str | None) -> flow.Written:
    """Delete the flows that steer into queues of a port: all, or those of one queue or of exactly this match. Raises NotFound, UsageError."""
    at = place(switch, port)
    connection = flow.Connection.of(switch, at.bridge)
    wanted = None if match is None else words.renamed(connection.written(_only_a_match(match)), connection.port_names())
    rows = [
        row
        for row in _rows(connection, cookie(at.port))
        if (queue is None or _queue(row) == queue) and (wanted is None or row[6] == wanted)
    ]
    if rows and not switch.dry_run:
        _delete(connection, rows)
    switch.notes.append(f"{len(rows)} flow{'s' * (len(rows) != 1)}{'' if switch.dry_run else ' deleted'}")
    return flow.Written(
        [Change(port, "deleted" if rows else "unchanged")], [f"-{text.line_of(row)}" for row in rows] if switch.dry_run else []
    )


def clear(switch: Switch, cleared: Sequence[Place]) -> set[str]:
    """Delete the flows that steer into queues of these ports, whose QoS is gone; which ports had some, as they were named.

    What steers where OpenFlow cannot be had stays, and is noted: the QoS is gone all the same.
    """
    had = set()
    for bridge, here in _by_bridge(cleared).items():
        owners = {cookie(at.port): at.named for at in here}
        try:
            connection = flow.Connection.of(switch, bridge)
            # Mostly there are none, so names of ports, which are more to ask for, are left for later.
            rows = [row for row in _rows(connection, *_mask_for(owners), names=None) if int(row[2], 16) in owners]
            ports = connection.port_names() if rows else {}
            if rows and not switch.dry_run:
                _delete(connection, rows)
        except OvstoolError as error:
            switch.notes.append(
                f"{error.what}: {error.why}; flows that steer into queues of {_names([at.named for at in here])}, if any, stay"
            )
            continue
        for row in rows:
            switch.notes.append(f"steering flow {words.renamed(text.line_of(row), ports)}: {'would be ' if switch.dry_run else ''}deleted")
        had |= {owners[int(row[2], 16)] for row in rows}
    return had


def note_lost(switch: Switch, names: Sequence[str]) -> None:
    """Note the flows that steer into queues that these ports have no more. Says nothing where OpenFlow cannot be had: it is advice."""
    named = lookup.ports(switch, names, ("qos",))
    queues = {name: _queues(switch, row) for name, (row,) in named}
    for bridge, here in _by_bridge(places(switch, names)).items():
        owners = {cookie(at.port): at.named for at in here}
        try:
            rows = list(_rows(flow.Connection.of(switch, bridge), *_mask_for(owners)))
        except OvstoolError:
            return
        for row in rows:
            name = owners.get(int(row[2], 16))
            if name and _queue(row) not in queues[name]:
                evidence = f"a flow steers {row[6]} into queue {_queue(row)}, which is gone"
                remedy = ("ovstool", "qos", "unsteer", name, "--queue", str(_queue(row)))
                switch.found.append(Finding(name, WARNING, "a flow leads to a queue that is not there", evidence, (remedy,)))


def _asked(connection: flow.Connection, match: str, written: str, queue: int) -> "_Asked":
    expiring: set[str] = set()
    rows = list(text.held(connection.flows_noting(expiring)))
    return _Asked(match, written, queue, rows, expiring, connection.port_names())


@dataclass(frozen=True)
class _Asked:
    """A match to steer into a queue, and the flows of the bridge, ports by number; ``names`` are those of the ports.

    ``expiring`` are the flows that have a timeout, by what ``text.head_of`` tells of them.
    """

    match: str
    written: str
    queue: int
    rows: list[text.Row]
    expiring: Container[str]
    names: Mapping[str, str]

    @property
    def what(self) -> str:
        return f"match {quote(self.match)}"

    def shown(self, row: text.Row) -> str:
        return words.renamed(text.line_of(row), self.names)

    def require_one_table(self, bridge: str) -> None:
        """Raises Refused when a packet may meet more than one flow."""
        tables = sorted({int(row[0]) for row in self.rows if row[0] != 0})
        leading = [row for row in self.rows if _LEADS_ON.search(row[7])]
        if tables or leading:
            why = f"in the tables 0, {', '.join(map(str, tables[:10]))}" if tables else f"that lead on to others ({self.shown(leading[0])})"
            raise Refused(
                f"bridge {quote(bridge)}", f"it has flows {why}, so not one flow alone decides where traffic goes", _hint(self.queue)
            )

    def priority(self) -> int:
        """The priority just above the NORMAL flow that all of it meets now, below the flows that drop some. Raises Refused, Conflict."""
        met = self._met()
        for row in met:
            if row[6] == self.written:
                raise Conflict(self.what, f"is that of a flow of someone else ({self.shown(row)})", _hint(self.queue))
        for row in met:
            if row[7] not in ("NORMAL", "drop"):
                why = f"a flow that is not NORMAL decides where some of it goes ({self.shown(row)})"
                raise Refused(self.what, why, _hint(self.queue))
        normals = [row for row in met if row[7] == "NORMAL"]
        drops = [row for row in met if row[7] == "drop"]
        if not normals:
            raise Refused(self.what, f"all of it is dropped ({self.shown(drops[0])})")
        for row in normals:
            if text.head_of(row) in self.expiring:
                why = f"what forwards it is there for a time ({self.shown(row)}), and the steering flow would go on after that"
                raise Refused(self.what, why, _hint(self.queue))
        normal = max(normals, key=lambda row: row[1])
        priority = normal[1] + 1
        if priority > _HIGHEST:
            raise Refused(self.what, f"no priority is above that of the flow which forwards it ({self.shown(normal)})", _hint(self.queue))
        for drop in drops:
            if drop[1] <= priority:
                why = f"dropped by {self.shown(drop)}, and there is no priority between that and {self.shown(normal)}"
                raise Refused(self.what, f"some of it is {why}", f"a priority above {priority} for the flow that drops")
        return priority

    def _met(self) -> list[text.Row]:
        """The flows that some of it may meet, but for those of ovstool; none that all of it passes by. Raises Refused."""
        asked = matches.fields(self.written)
        others = [row for row in self.rows if _queue(row) is None and not matches.apart(matches.fields(row[6]), asked)]
        floor = max((row[1] for row in others if matches.covers(matches.fields(row[6]), asked)), default=None)
        if floor is None:
            raise Refused(self.what, "no flow forwards all of it, and what meets no flow is dropped", _hint(self.queue))
        return [row for row in others if row[1] >= floor]

    def steered(self) -> list[text.Row]:
        """The steering flows with this match."""
        return [row for row in self.rows if row[6] == self.written and _queue(row) is not None]

    def require_no_rival(self) -> None:
        """Raises Conflict when another steering flow leads some of it to another queue."""
        asked = matches.fields(self.written)
        for row in self.rows:
            if _queue(row) in (None, self.queue) or row[6] == self.written or matches.apart(matches.fields(row[6]), asked):
                continue
            why = f"some of it is steered into queue {_queue(row)}, and of two such flows neither comes first ({self.shown(row)})"
            raise Conflict(self.what, why, "matches that no packet has both of")


def _hint(queue: int) -> str:
    return f"set_queue:{queue} in the flow that forwards this"


def _rows(connection: flow.Connection, value: int, mask: int = -1, names: bool | None = True) -> Iterator[text.Row]:
    """The steering flows with a cookie, filtered by the switch, which may have very many others."""
    words = f"{value:#x}/{'-1' if mask == -1 else f'{mask:#x}'}"
    return (row for row in connection.flows(f"cookie={words}", names) if _queue(row) is not None)


def _names_of_cookies(switch: Switch) -> dict[int, str]:
    return {cookie(row["name"]): row["name"] for row in switch.read(Query("Port", [], ("name",)))}


def _mask_for(owners: Mapping[int, str]) -> tuple[int, int]:
    return (next(iter(owners)), -1) if len(owners) == 1 else (COOKIE, MASK)


def _queue(row: text.Row) -> int | None:
    """The queue that a flow steers into; None for a flow that is not ovstool's steering."""
    found = _ACTIONS.fullmatch(row[7])
    return int(found[1]) if found and int(row[2], 16) & MASK == COOKIE else None


def _delete(connection: flow.Connection, rows: Sequence[text.Row]) -> None:
    # Not in a bundle, which older protocols lack; what is left of half of it goes the next time.
    connection.run("add-flows", "--", connection.socket, "-", flows=flow.Given([_deletion(row) for row in rows]))


def _deletion(row: text.Row) -> str:
    """The line for ``ovs-ofctl add-flows`` that deletes a flow, unless someone else has put one in its place."""
    return f"delete_strict,table=0,priority={row[1]},cookie={row[2]}/-1,{row[6]}"


def _by_bridge(wanted: Sequence[Place]) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for at in wanted:
        found.setdefault(at.bridge, []).append(at)
    return found


def _only_a_match(match: str) -> str:
    """The match on one line. Raises UsageError when it says something else too, or nothing."""
    said = words.words(match)
    if not said:
        raise UsageError(f"match {quote(match)}", "says nothing to match", "ip,nw_dst=10.0.0.2")
    for word in said:
        if word.name in _NO_FIELDS:
            raise UsageError(
                f"match {quote(match)}", f"{word.name} is no field to match; table, priority, cookie and actions are ovstool's here"
            )
    if any("#" in word.text for word in said if word.name not in words.PORTS):
        raise UsageError(f"match {quote(match)}", "a # begins a comment")
    return words.with_names_quoted(match)


def _require_queue(switch: Switch, port: str, row: Row, queue: int) -> None:
    if not many(row["qos"]):
        raise NotFound(f"port {quote(port)}", "has no QoS, so it has no queues", f"ovstool qos set {quote(port)} --queue {queue}:max=RATE")
    queues = _queues(switch, row)
    if queue not in queues:
        there = f"has the queues {', '.join(map(str, sorted(queues)[:10]))}" if queues else "has no queues"
        hint = f"ovstool qos set {quote(port)} --merge --queue {queue}:max=RATE"
        raise NotFound(f"queue {queue}", f"the QoS of port {quote(port)} {there}", hint)


def _queues(switch: Switch, port_row: Row) -> set[int]:
    found = lookup.by_uuid(switch, "QoS", many(port_row["qos"]), ("queues",))
    return {number for row in found.values() for number in mapping(row["queues"])}


def _require_no_owner(bridge: Row, queue: int) -> None:
    """Raises Refused when the flows of a bridge are somebody's."""
    what = f"bridge {quote(bridge['name'])}"
    if many(bridge["controller"]):
        raise Refused(
            what, "a controller owns it, and neither knows of this flow nor keeps it", f"set_queue:{queue} in the controller's flows"
        )
    if one(bridge["fail_mode"]) == "secure":
        raise Refused(what, "its fail_mode is secure: it forwards what somebody's flows say and nothing else", _hint(queue))


def _note_other_ports(switch: Switch, bridge: Row, port_row: Row, queue: int) -> None:
    """Note which other ports have a queue of this number, because set_queue is for them too; it also goes through patch ports."""
    shaped, qos_rows, patches = switch.read_all(
        [
            Query("Port", [["qos", "!=", ["set", []]]], ("_uuid", "name", "qos")),
            Query("QoS", [], ("_uuid", "queues")),
            Query("Interface", [["type", "==", "patch"]], ("_uuid",)),
        ]
    )
    having = {one(row["_uuid"]) for row in qos_rows if queue in mapping(row["queues"])}
    here = many(bridge["ports"])
    others = [row for row in shaped if one(row["qos"]) in having and row["_uuid"] != port_row["_uuid"]]
    names = sorted(row["name"] for row in others if patches or one(row["_uuid"]) in here)
    if names:
        switch.notes.append(
            f"{_names(names)} {'has' if len(names) == 1 else 'have'} a queue {queue} too, which what matches and leaves there goes through; "
            "try: a number of its own"
        )


def _note_no_tag(switch: Switch, bridge: Row, port_row: Row, asked: _Asked) -> None:
    """Note a match on a VLAN tag that no packet comes in with: an access port takes in packets without one alone (input_vid_is_valid)."""
    fields = matches.fields(asked.written)
    vid = units.whole_number(fields.get("dl_vlan", ""), 1, _LAST_VLAN)
    if vid is None:
        return
    here = many(bridge["ports"])
    rows = switch.read(Query("Port", [], ("_uuid", "name", "tag", "trunks", "vlan_mode")))
    # NORMAL sends nothing back to where it came from; the local port takes in all tags, and that this machine sends some is rare.
    others = [row for row in rows if one(row["_uuid"]) in here and row["name"] not in (port_row["name"], bridge["name"])]
    if in_port := fields.get("in_port"):
        others = [row for row in rows if row["name"] == asked.names.get(in_port, in_port)] or others
    if not any(_takes_in(row, vid) for row in others):
        evidence = (
            f"dl_vlan={vid} is the tag that a packet comes in with, and no other port takes in packets with that one; those of access ports "
            f"have none yet: a match without it is for all VLANs, and in_port=PORT for one of those ports"
        )
        remedy = ("ovstool", "qos", "unsteer", str(port_row["name"]), "--queue", str(asked.queue), "--match", asked.match)
        switch.found.append(Finding(str(port_row["name"]), WARNING, "a match that no packet has", evidence, (remedy,)))


def _takes_in(port: Row, vid: int) -> bool:
    """Whether a port takes in packets with a tag of this VLAN (bridge.c, port_configure; ofproto-dpif-xlate.c, input_vid_is_valid)."""
    tag, trunks, mode = one(port["tag"]), many(port["trunks"]), one(port["vlan_mode"])
    mode = mode or ("trunk" if tag is None else "access")
    return mode != "access" and (not trunks or vid in trunks or (mode.startswith("native") and vid == tag))


def _names(names: Sequence[str]) -> str:
    shown = [quote(name) for name in names]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")
