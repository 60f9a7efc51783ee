"""The flows that lead to the queues of ports: those that select a queue, themselves or in a group, on the bridge or before a patch port.

A packet keeps its queue when it passes a patch port, so the flows of all connected bridges count. It also keeps the queue through a tunnel,
whichever port the host then sends it out of, so flows that send into a tunnel count too.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from itertools import chain
from typing import NamedTuple

from ovstool.errors import Refused, quote
from ovstool.openflow.syntax import queue_selection, text
from ovstool.openflow.syntax.queue_selection import QueueSelection
from ovstool.ovsdb.transaction import Query
from ovstool.ovsdb.values import mapping, one
from ovstool.switch import Switch, lookup
from ovstool.switch.ofctl import OfctlBridge

_WHAT = "which flows lead to queues"
_MOST = 2**18  # paths on a bridge; a flow may use many groups, and a group has many buckets


class QueueFlow(NamedTuple):
    """A flow that leads to a queue; ``certain`` when it names the port itself, not when it forwards with NORMAL, to a group, and so on."""

    queue: int
    certain: bool
    bridge: str
    table: int | str
    priority: int
    cookie: str
    packets: int | None
    match: str
    actions: str


class QueueFlows(NamedTuple):
    """The flows that lead to queues of a bridge's ports: those that name a port, by OpenFlow port; those that may use any port, by queue."""

    named: Mapping[str, list[QueueFlow]]
    anywhere: Mapping[int, list[QueueFlow]]


# Tunnels have a remote_ip, patch ports a peer; most other ports have no options at all.
_TO_OTHERS = Query("Interface", [["type", "!=", ""], ["options", "!=", ["map", []]]], ("_uuid", "name", "type", "ofport", "options"))


class _Joined(NamedTuple):
    """The bridges that each bridge is connected to by patch ports and tunnels, directly or through others.

    ``ways`` are the numbers of these ports on each bridge, ``tunnels`` those of tunnels only: what is sent there may leave by any bridge.
    """

    bridges: dict[str, set[str]]
    ways: dict[str, set[str]]
    tunnels: dict[str, set[str]]


class QueueFlowQuery:
    """A query of bridges for their flows, which runs in the background."""

    def __init__(self, switch: Switch, pool: Executor, bridges: Sequence[str]):
        self._joined = _joined(switch, bridges)
        names = lookup.unique(chain(bridges, *self._joined.bridges.values()))
        # The database is read here because its connection belongs to one thread.
        reached = {name: switch.attempt(_WHAT, OfctlBridge.of, switch, name) for name in names}
        known = {name: bridge for name, bridge in reached.items() if bridge}
        self._selecting = {name: pool.submit(switch.attempt, _WHAT, _selecting, bridge) for name, bridge in known.items()}

    def of(self, bridge: str) -> QueueFlows | None:
        """The flows that lead to queues of the ports of one of these bridges; None when not all of them can be read."""
        named: dict[str, list[QueueFlow]] = {}
        anywhere: dict[int, dict[QueueFlow, None]] = {}
        for name in (bridge, *sorted(self._joined.bridges[bridge])):
            selecting = self._selecting[name].result() if name in self._selecting else None
            if selecting is None:
                return None
            for flow, to in selecting:
                if name == bridge:
                    for ofport in to.ports:
                        named.setdefault(ofport, []).append(flow._replace(certain=True))
                away = (self._joined.tunnels if name == bridge else self._joined.ways).get(name, set())
                if to.others or not away.isdisjoint(to.ports):
                    anywhere.setdefault(flow.queue, {})[flow] = None
        return QueueFlows(named, {queue: list(flows) for queue, flows in anywhere.items()})


def _selecting(bridge: OfctlBridge) -> list[tuple[QueueFlow, QueueSelection]]:
    """The flows of a bridge that select queues, directly or in a group, and where they send to."""
    # Filtered before they are parsed: there may be very many others.
    rows = list(text.bounded(text.flows(filter(queue_selection.may_select, bridge.dumped_lines_for_many()))))
    groups = _groups(bridge) if any("group:" in row.actions for row in rows) else {}
    flows, ways = [], 0
    for row in rows:
        for to in _selections(row, groups):
            flows.append((_queue_flow(bridge.name, row, to.queue), to))
            ways += 1 + len(to.ports)
            if ways > _MOST:
                raise Refused(f"bridge {quote(bridge.name)}", f"too many paths from flows through queues to ports (more than {_MOST})")
    return flows


def _selections(row: text.FlowRow, groups: Mapping[str, list[QueueSelection]]) -> Iterator[QueueSelection]:
    """The queues that a flow selects, then those that its groups select."""
    yield from queue_selection.of_actions(row.actions, goes_on=row.table != 0)
    for group in queue_selection.groups(row.actions):
        yield from groups.get(group, ())


def _queue_flow(bridge: str, row: text.FlowRow, queue: int) -> QueueFlow:
    return QueueFlow(queue, False, bridge, row.table, row.priority, row.cookie, row.packets, row.match, row.actions)


def _groups(bridge: OfctlBridge) -> dict[str, list[QueueSelection]]:
    """The groups of a bridge that select queues; empty where its OpenFlow version has no groups."""
    try:
        return queue_selection.of_groups(bridge.groups())
    except Refused:
        return {}


def _joined(switch: Switch, bridges: Collection[str]) -> _Joined:
    """How these bridges are connected to others."""
    rows = switch.read(_TO_OTHERS) if bridges else []
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
        for near in reached:  # the list grows meanwhile
            reached += sorted(beside.get(near, set()).difference(reached))
        found.bridges[bridge] = set(reached[1:])
    return found
