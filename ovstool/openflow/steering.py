"""Flows that steer into a queue: whether such a flow would change forwarding, and which priority it needs (pure).

A steering flow is ``MATCH actions=set_queue:N,NORMAL`` in table 0. It changes no packet's path as long as the packet would have matched
a NORMAL flow without it. So its priority is just above that of the NORMAL flow that it overrides, and it is refused where another flow
would have applied: one that does not forward with NORMAL, a drop that it would override, a flow with a timeout, or none.

Its cookie is COOKIE with the CRC-32 of the port's name in the lower 32 bits. The flow itself does not name the port, and an OpenFlow
port number is not stable: it can belong to another port once the port has been added again. The queue is in the actions. Names that
differ in at most four consecutive bytes, such as eth1 and eth2, never have the same CRC-32.
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
# Strings, so that re compiles them only when the first flow is checked.
_ACTIONS = r"set_queue:(\d+),NORMAL"
_GOES_ON = r"resubmit|goto_table|table="  # continues in other flows: resubmit, goto_table, learn, ct


def cookie(port: str) -> int:
    """The cookie of the flows that steer into queues of this port."""
    return COOKIE | zlib.crc32(port.encode())


def queue_of(row: text.FlowRow) -> int | None:
    """The queue that a flow steers into; None for a flow that is not ovstool's steering."""
    found = re.fullmatch(_ACTIONS, row.actions)
    return int(found[1]) if found and int(row.cookie, 16) & MASK == COOKIE else None


def flow_to_add(port: str, queue: int, match: str, priority: int) -> text.FlowRow:
    """The flow that steers matching traffic into a queue of a port."""
    return text.FlowRow(0, priority, f"{cookie(port):#x}", 0, 0, 0.0, match, f"set_queue:{queue},NORMAL")


def addition(row: text.FlowRow) -> str:
    """The line for ``ovs-ofctl add-flows`` that adds a flow."""
    # Without check_overlap: the switch would store it with the flow, and then refuse a dump of the flow when it is added again.
    return f"add,table=0,priority={row.priority},cookie={row.cookie},{row.match},actions={row.actions}"


def deletion(row: text.FlowRow) -> str:
    """The line for ``ovs-ofctl add-flows`` that deletes a flow, unless someone else has put one in its place."""
    return f"delete_strict,table=0,priority={row.priority},cookie={row.cookie}/-1,{row.match}"


class MatchToSteer(NamedTuple):
    """A match to steer into a queue, as typed and in the switch's own notation, and the flows of the bridge, with ports by number.

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
        """Its name in messages."""
        return f"match {quote(self.match)}"

    def shown(self, row: text.FlowRow) -> str:
        """A flow for a message, with ports by name."""
        return names.with_names(text.line_of(row), self.port_names)

    def require_one_table(self, bridge: str) -> None:
        """Raises Refused when a packet may match more than one flow."""
        tables = sorted({int(row.table) for row in self.rows if row.table != 0})
        going_on = [row for row in self.rows if re.search(_GOES_ON, row.actions)]
        if tables or going_on:
            why = (
                f"in tables 0, {', '.join(map(str, tables[:10]))}"
                if tables
                else f"that pass packets on to others ({self.shown(going_on[0])})"
            )
            raise Refused(f"bridge {quote(bridge)}", f"it has flows {why}, so no single flow decides where traffic goes", hint(self.queue))

    def priority(self) -> int:
        """The priority just above the NORMAL flow that the traffic matches now, below any drop flows. Raises Refused, Conflict."""
        met = self._met()
        self._require_normal_or_dropped(met)
        normals = [row for row in met if row.actions == "NORMAL"]
        drops = [row for row in met if row.actions == "drop"]
        if not normals:
            raise Refused(self.what, f"all of this traffic is dropped ({self.shown(drops[0])})")
        self._require_lasting(normals)
        normal = max(normals, key=lambda row: row.priority)
        priority = normal.priority + 1
        if priority > _HIGHEST:
            raise Refused(
                self.what, f"no priority is higher than that of the flow that forwards it ({self.shown(normal)})", hint(self.queue)
            )
        for drop in drops:
            if drop.priority <= priority:
                why = f"dropped by {self.shown(drop)}, and there is no priority between that and {self.shown(normal)}"
                raise Refused(self.what, f"some of it is {why}", f"a priority above {priority} for the flow that drops it")
        return priority

    def _met(self) -> list[text.FlowRow]:
        """The flows other than ovstool's own that some of the traffic may match, without those hidden by a flow above. Raises Refused."""
        wanted = matches.fields(self.canonical)
        others = [row for row in self.rows if queue_of(row) is None and not matches.apart(matches.fields(row.match), wanted)]
        floor = max((row.priority for row in others if matches.covers(matches.fields(row.match), wanted)), default=None)
        if floor is None:
            raise Refused(self.what, "no flow forwards all of it, and traffic that matches no flow is dropped", hint(self.queue))
        return [row for row in others if row.priority >= floor]

    def _require_normal_or_dropped(self, met: list[text.FlowRow]) -> None:
        """Raises Conflict when one of these flows has this match, Refused when one neither drops nor forwards with NORMAL."""
        for row in met:
            if row.match == self.canonical:
                raise Conflict(self.what, f"is the same as that of another flow ({self.shown(row)})", hint(self.queue))
        for row in met:
            if row.actions not in ("NORMAL", "drop"):
                why = f"a flow other than NORMAL decides where some of it goes ({self.shown(row)})"
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
        """Raises Conflict when another steering flow selects another queue for some of the traffic."""
        wanted = matches.fields(self.canonical)
        for row in self.rows:
            if queue_of(row) in (None, self.queue) or row.match == self.canonical or matches.apart(matches.fields(row.match), wanted):
                continue
            why = f"some of it is steered into queue {queue_of(row)}, and which of two such flows wins is undefined ({self.shown(row)})"
            raise Conflict(self.what, why, "matches that do not overlap")


def hint(queue: int) -> str:
    """The hint where a flow of another owner decides."""
    return f"set_queue:{queue} in the flow that forwards this"
