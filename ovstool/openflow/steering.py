"""Flows that steer into a queue, judged: whether such a flow would change what is forwarded, and which priority it needs (pure).

A steering flow is ``MATCH actions=set_queue:N,NORMAL`` in table 0. It changes no packet's way as long as NORMAL is what the packet would
have met without it. So it has a priority just above the NORMAL flow that it stands in for, and is refused where another flow would have
decided: one that forwards in another way, a drop that it would overrule, no flow at all, or for a time only, as a flow with a timeout does.

Its cookie is COOKIE with the CRC-32 of the port's name in the lower 32 bits. The flow does not name the port, and what else could stand
for it changes: an OpenFlow port number is another port's once the port has been added again. The queue is in the actions. Names that
differ in no more than four bytes on end, as eth1 and eth2 do, never have the same CRC-32.
"""

import re
import zlib
from collections.abc import Container, Mapping
from typing import NamedTuple

from ovstool.errors import Conflict, Refused, quote
from ovstool.openflow.syntax import match as matches
from ovstool.openflow.syntax import names, text

COOKIE = 0x6F767374 << 32  # "ovst"
MASK = 0xFFFFFFFF << 32

_HIGHEST = 65535  # priority
# Texts, which re compiles when the first flow is judged.
_ACTIONS = r"set_queue:(\d+),NORMAL"
_GOES_ON = r"resubmit|goto_table|table="  # to other flows: resubmit, goto_table, learn, ct


def cookie(port: str) -> int:
    """The cookie of the flows that steer into queues of this port, for which it has its own name."""
    return COOKIE | zlib.crc32(port.encode())


def queue_of(row: text.FlowRow) -> int | None:
    """The queue that a flow steers into; None for a flow that is not ovstool's steering."""
    found = re.fullmatch(_ACTIONS, row.actions)
    return int(found[1]) if found and int(row.cookie, 16) & MASK == COOKIE else None


def flow_to_add(port: str, queue: int, match: str, priority: int) -> text.FlowRow:
    """The flow that steers what matches into a queue of a port."""
    return text.FlowRow(0, priority, f"{cookie(port):#x}", 0, 0, 0.0, match, f"set_queue:{queue},NORMAL")


def addition(row: text.FlowRow) -> str:
    """The line for ``ovs-ofctl add-flows`` that adds a flow."""
    # Not with check_overlap: the switch would keep that with the flow, and a dump with it is refused by whoever reads it back.
    return f"add,table=0,priority={row.priority},cookie={row.cookie},{row.match},actions={row.actions}"


def deletion(row: text.FlowRow) -> str:
    """The line for ``ovs-ofctl add-flows`` that deletes a flow, unless someone else has put one in its place."""
    return f"delete_strict,table=0,priority={row.priority},cookie={row.cookie}/-1,{row.match}"


class MatchToSteer(NamedTuple):
    """A match to steer into a queue, as typed and in the spelling of the switch, and the flows of the bridge, with ports by number.

    ``expiring`` are the flows that have a timeout, by ``text.key_of``; ``port_names`` are by number.
    """

    match: str
    canonical: str
    queue: int
    rows: list[text.FlowRow]
    expiring: Container[str]
    port_names: Mapping[str, str]

    @property
    def what(self) -> str:
        """What messages call it."""
        return f"match {quote(self.match)}"

    def shown(self, row: text.FlowRow) -> str:
        """A flow for a message, with ports by name."""
        return names.with_names(text.line_of(row), self.port_names)

    def require_one_table(self, bridge: str) -> None:
        """Raises Refused when a packet may meet more than one flow."""
        tables = sorted({int(row.table) for row in self.rows if row.table != 0})
        going_on = [row for row in self.rows if re.search(_GOES_ON, row.actions)]
        if tables or going_on:
            why = (
                f"in the tables 0, {', '.join(map(str, tables[:10]))}" if tables else f"that lead on to others ({self.shown(going_on[0])})"
            )
            raise Refused(f"bridge {quote(bridge)}", f"it has flows {why}, so no single flow decides where traffic goes", hint(self.queue))

    def priority(self) -> int:
        """The priority just above the NORMAL flow that all of it meets now, below the flows that drop some. Raises Refused, Conflict."""
        met = self._met()
        self._require_normal_or_dropped(met)
        normals = [row for row in met if row.actions == "NORMAL"]
        drops = [row for row in met if row.actions == "drop"]
        if not normals:
            raise Refused(self.what, f"all of it is dropped ({self.shown(drops[0])})")
        self._require_lasting(normals)
        normal = max(normals, key=lambda row: row.priority)
        priority = normal.priority + 1
        if priority > _HIGHEST:
            raise Refused(self.what, f"no priority is above that of the flow which forwards it ({self.shown(normal)})", hint(self.queue))
        for drop in drops:
            if drop.priority <= priority:
                why = f"dropped by {self.shown(drop)}, and there is no priority between that and {self.shown(normal)}"
                raise Refused(self.what, f"some of it is {why}", f"a priority above {priority} for the flow that drops")
        return priority

    def _met(self) -> list[text.FlowRow]:
        """The flows that some of it may meet, but for those of ovstool; none that all of it passes by. Raises Refused."""
        wanted = matches.fields(self.canonical)
        others = [row for row in self.rows if queue_of(row) is None and not matches.apart(matches.fields(row.match), wanted)]
        floor = max((row.priority for row in others if matches.covers(matches.fields(row.match), wanted)), default=None)
        if floor is None:
            raise Refused(self.what, "no flow forwards all of it, and what meets no flow is dropped", hint(self.queue))
        return [row for row in others if row.priority >= floor]

    def _require_normal_or_dropped(self, met: list[text.FlowRow]) -> None:
        """Raises Conflict when one of these flows has this match, Refused when one forwards in another way than NORMAL."""
        for row in met:
            if row.match == self.canonical:
                raise Conflict(self.what, f"is the same as that of another flow ({self.shown(row)})", hint(self.queue))
        for row in met:
            if row.actions not in ("NORMAL", "drop"):
                why = f"a flow that is not NORMAL decides where some of it goes ({self.shown(row)})"
                raise Refused(self.what, why, hint(self.queue))

    def _require_lasting(self, normals: list[text.FlowRow]) -> None:
        """Raises Refused when one of these flows has a timeout."""
        for row in normals:
            if text.key_of(row) in self.expiring:
                why = f"the flow that forwards it has a timeout ({self.shown(row)}), and the steering flow would outlive it"
                raise Refused(self.what, why, hint(self.queue))

    def steered(self) -> list[text.FlowRow]:
        """The steering flows with this match."""
        return [row for row in self.rows if row.match == self.canonical and queue_of(row) is not None]

    def require_no_rival(self) -> None:
        """Raises Conflict when another steering flow leads some of it to another queue."""
        wanted = matches.fields(self.canonical)
        for row in self.rows:
            if queue_of(row) in (None, self.queue) or row.match == self.canonical or matches.apart(matches.fields(row.match), wanted):
                continue
            why = f"some of it is steered into queue {queue_of(row)}, and two such flows have no order ({self.shown(row)})"
            raise Conflict(self.what, why, "matches that do not overlap")


def hint(queue: int) -> str:
    """What to try where a flow of somebody's decides."""
    return f"set_queue:{queue} in the flow that forwards this"
