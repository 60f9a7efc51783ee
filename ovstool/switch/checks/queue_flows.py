"""The flows that lead to the queues of ports: those that select a queue, themselves or in a group, on the bridge or before a patch port.

A packet passes a patch port with the queue that was selected for it, so the flows of all bridges that are joined count. It leaves a tunnel
with it too, by whatever port the host sends it then, so those count that send into a tunnel.
"""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

from ovstool.errors import Refused, quote
from ovstool.openflow.syntax import text
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


class _Joined(NamedTuple):
    """The bridges that each bridge is joined with by patch ports and tunnels, however many are between.

    ``ways`` are the numbers of these ports on each bridge, ``tunnels`` of the tunnels alone: what is sent there may leave by any bridge.
    """

    bridges: dict[str, set[str]]
    ways: dict[str, set[str]]
    tunnels: dict[str, set[str]]


class Asked:
    """What bridges were asked; their answers come meanwhile."""

    def __init__(self, switch: Switch, pool: Executor, bridges: Sequence[str]):
        self._joined = _joined(switch, bridges)
        asked = chain(bridges, *self._joined.bridges.values())
        # The database is asked here, since its connection is for one thread.
        connections = {name: switch.attempt(_WHAT, flow.Connection.of, switch, name) for name in lookup.unique(asked)}
        known = {name: connection for name, connection in connections.items() if connection}
        self._selecting = {name: pool.submit(switch.attempt, _WHAT, _selecting, connection) for name, connection in known.items()}

    def of(self, bridge: str) -> Leads | None:
        """The flows that lead to queues of a bridge's ports, one of those that were asked about; None: not all of them can be known."""
        named: dict[str, list[Lead]] = {}
        anywhere: dict[int, dict[Lead, None]] = {}
        for name in (bridge, *sorted(self._joined.bridges[bridge])):
            selecting = self._selecting[name].result() if name in self._selecting else None
            if selecting is None:
                return None
            for lead, to in selecting:
                if name == bridge:
                    for ofport in to.ports:
                        named.setdefault(ofport, []).append(replace(lead, certain=True))
                away = (self._joined.tunnels if name == bridge else self._joined.ways).get(name, set())
                if to.others or not away.isdisjoint(to.ports):
                    anywhere.setdefault(lead.queue, {})[lead] = None
        return Leads(named, {queue: list(leads) for queue, leads in anywhere.items()})


def _selecting(connection: flow.Connection) -> list[tuple[Lead, text.Queueing]]:
    """The flows of a bridge that select queues, themselves or by a group, and where they send then."""
    rows = list(connection.flows_to_queues())
    groups = _groups(connection) if any("group:" in row[7] for row in rows) else {}
    found = (
        (Lead(to.queue, False, connection.bridge, table, priority, cookie, packets, match, actions), to)
        for table, priority, cookie, packets, _, _, match, actions in rows
        for to in chain(text.queueing(actions, goes_on=table != 0), *(groups.get(group, ()) for group in text.groups_of(actions)))
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


def _joined(switch: Switch, bridges: Collection[str]) -> _Joined:
    """How these bridges are joined with others."""
    rows = switch.read(Query("Interface", [["type", "!=", ""]], ("_uuid", "name", "type", "ofport", "options"))) if bridges else []
    names = {row["name"] for row in rows if "remote_ip" in mapping(row["options"])}  # which all tunnels need (netdev-vport.c)
    rows = [row for row in rows if row["type"] == "patch" or row["name"] in names]
    at = lookup.bridges_of(switch, rows) if rows else {}
    of = {row["name"]: at[one(row["_uuid"])] for row in rows if one(row["_uuid"]) in at}
    beside: dict[str, set[str]] = {}
    found = _Joined({}, {}, {})
    for row in rows:
        ends = {of[name] for name in (row["name"], mapping(row["options"]).get("peer")) if name in of}
        for end in ends:
            beside.setdefault(end, set()).update(ends)
        for numbers in [found.ways, *([found.tunnels] if row["name"] in names else [])]:
            numbers.setdefault(of.get(row["name"], ""), set()).add(str(one(row["ofport"])))
    for bridge in bridges:
        reached = lookup.unique([bridge, *sorted(found.tunnels.keys() - {""})])
        for near in reached:  # which grows meanwhile
            reached += sorted(beside.get(near, set()).difference(reached))
        found.bridges[bridge] = set(reached[1:])
    return found
