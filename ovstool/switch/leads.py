"""The flows that lead to the queues of ports: those that select a queue, themselves or in a group, on the bridge or before a patch port.

A packet passes a patch port with the queue that was selected for it, so the flows of all bridges that are joined count.
"""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

from ovstool.errors import Refused, quote
from ovstool.openflow import text
from ovstool.ovsdb.transaction import Query
from ovstool.ovsdb.values import mapping, one
from ovstool.switch import Switch, flow, lookup

_WHAT = "which flows lead to queues"
_MOST = 2**18  # ways of a bridge; a flow may go to many groups, and a group has many buckets


@dataclass(frozen=True)
class Lead:
    """A flow that leads to a queue; ``certain`` when it names the port itself, else it forwards as NORMAL does, to a group, and so on."""

    queue: int
    certain: bool
    bridge: str
    table: int | str
    priority: int
    cookie: str
    packets: int | None
    match: str
    actions: str


class Leads(NamedTuple):
    """The flows that lead to queues of a bridge's ports: by OpenFlow port those that name it, by queue those that may send to any."""

    named: Mapping[str, list[Lead]]
    anywhere: Mapping[int, list[Lead]]


class _Patches(NamedTuple):
    """The bridges that each bridge is joined with by patch ports, however many are between, and the patch ports of these by number."""

    joined: dict[str, set[str]]
    ofports: dict[str, set[str]]


class Asked:
    """What bridges were asked; their answers come meanwhile."""

    def __init__(self, switch: Switch, pool: Executor, bridges: Sequence[str]):
        self._patches = _joined(switch, bridges)
        # The database is asked here, since its connection is for one thread.
        connections = {name: switch.attempt(_WHAT, flow.Connection.of, switch, name) for name in [*bridges, *self._patches.ofports]}
        known = {name: connection for name, connection in connections.items() if connection}
        self._selecting = {name: pool.submit(switch.attempt, _WHAT, _selecting, connection) for name, connection in known.items()}

    def of(self, bridge: str) -> Leads | None:
        """The flows that lead to queues of a bridge's ports, one of those that were asked about; None: not all of them can be known."""
        named: dict[str, list[Lead]] = {}
        anywhere: dict[int, dict[Lead, None]] = {}
        for name in (bridge, *sorted(self._patches.joined[bridge])):
            selecting = self._selecting[name].result() if name in self._selecting else None
            if selecting is None:
                return None
            for lead, to in selecting:
                if name == bridge:
                    for ofport in to.ports:
                        named.setdefault(ofport, []).append(replace(lead, certain=True))
                if to.others or (name != bridge and not self._patches.ofports[name].isdisjoint(to.ports)):
                    anywhere.setdefault(lead.queue, {})[lead] = None
        return Leads(named, {queue: list(leads) for queue, leads in anywhere.items()})


def _selecting(connection: flow.Connection) -> list[tuple[Lead, text.Queueing]]:
    """The flows of a bridge that select queues, themselves or by a group, and where they send then."""
    rows = list(connection.flows_to_queues())
    groups = _groups(connection) if any("group:" in row[7] for row in rows) else {}
    found = (
        (Lead(to.queue, False, connection.bridge, table, priority, cookie, packets, match, actions), to)
        for table, priority, cookie, packets, _, _, match, actions in rows
        for to in chain(text.queueing(actions), *(groups.get(group, ()) for group in text.groups_of(actions)))
    )
    leads, ways = [], 0
    for lead, to in found:
        leads.append((lead, to))
        ways += 1 + len(to.ports)
        if ways > _MOST:
            raise Refused(f"bridge {quote(connection.bridge)}", f"more than {_MOST} ways from flows to ports by a queue")
    return leads


def _groups(connection: flow.Connection) -> dict[str, list[text.Queueing]]:
    """The groups of a bridge that select queues; none where its OpenFlow has no groups."""
    try:
        return text.queueing_groups(connection.run("dump-groups", "--", connection.socket).stdout)
    except Refused:
        return {}


def _joined(switch: Switch, bridges: Collection[str]) -> _Patches:
    """How these bridges are joined with others."""
    rows = switch.read(Query("Interface", [["type", "==", "patch"]], ("_uuid", "name", "ofport", "options"))) if bridges else []
    at = lookup.bridges_of(switch, rows) if rows else {}
    of = {row["name"]: at[one(row["_uuid"])] for row in rows if one(row["_uuid"]) in at}
    beside: dict[str, set[str]] = {}
    for row in rows:
        ends = {of[name] for name in (row["name"], mapping(row["options"]).get("peer")) if name in of}
        for end in ends:
            beside.setdefault(end, set()).update(ends)
    found = _Patches({}, {})
    for bridge in bridges:
        reached = [bridge]
        for near in reached:  # which grows meanwhile
            reached += sorted(beside.get(near, set()).difference(reached))
        found.joined[bridge] = set(reached[1:])
    for bridge in set().union(*found.joined.values()):
        found.ofports[bridge] = {str(one(row["ofport"])) for row in rows if of.get(row["name"]) == bridge}
    return found
