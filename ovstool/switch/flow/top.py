"""The flows of a bridge with the most traffic, once or again and again."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ovstool.errors import NotFound, Refused, TimedOut, Unreachable, UsageError, quote
from ovstool.openflow.syntax import names, text
from ovstool.switch import Switch
from ovstool.switch.ofctl import OfctlBridge, matches

if TYPE_CHECKING:
    from ovstool.pace import Pace

_LAG_S = 0.5  # how far the counters of flows lag behind the traffic (max-revalidator in ovs-vswitchd.conf.db(5))
_FlowKey = tuple[Any, int, str]  # table, priority and match


class TopFlow(NamedTuple):
    """A row of ``flow top``: bit/s and packets/s over ``interval_s``."""

    table: int | str
    priority: int
    cookie: str
    match: str
    actions: str
    bps: float
    pps: float
    interval_s: float


class _Counters(NamedTuple):
    """The counters of a flow at one moment, and its age then."""

    packets: int
    bytes: int
    duration_s: float

    @classmethod
    def of(cls, row: text.FlowRow) -> "_Counters":
        return cls(row.packets or 0, row.bytes or 0, row.duration_s)


class TopSpec(NamedTuple):
    """Which flows to rank: those of a bridge that a match covers, the first ``limit`` of them, ``by`` bytes or packets."""

    bridge: str
    match: str | None
    table: int | None
    by: str
    limit: int


def top(switch: Switch, wanted: TopSpec, interval_s: float) -> list[TopFlow]:
    """The flows with the most traffic in an interval. Raises NotFound, UsageError, TimedOut.

    The time of each flow is taken from the switch's clock. A flow that is new, or whose counters were reset, counts from that moment.
    """
    reached = OfctlBridge.of(switch, wanted.bridge)
    match = matches.checked(reached, wanted.match, wanted.table)
    if interval_s >= switch.remaining_s():
        raise UsageError(f"--interval {interval_s:g}", f"longer than the time allowed ({switch.timeout_s:g} s)", f"-t {interval_s + 30:g}")
    started, before = time.monotonic(), _counters(reached, match)
    time.sleep(max(started + interval_s - time.monotonic(), 0))
    return _rates(reached, wanted, _flows(reached, match), before, time.monotonic() - started)


def watch_top(switch: Switch, wanted: TopSpec, pace: "Pace") -> Iterator[list[TopFlow]]:
    """The flows with the most traffic, again and again. Raises NotFound, UsageError, and what the first reading raises.

    A bridge that cannot be read later has no flows until it is back, which is noted. After a slow reading it pauses as long.
    """
    reached = OfctlBridge.of(switch, wanted.bridge)
    match = matches.checked(reached, wanted.match, wanted.table)
    pace.limit(_LAG_S, "the counters of flows lag that far behind")
    started = time.monotonic()
    before: dict[_FlowKey, _Counters] | None = _counters(reached, match)
    took_s = time.monotonic() - started
    while True:
        interval_s = pace.interval_s
        if not pace.wait(started + max(interval_s, 2 * took_s), interval_s):
            continue
        switch.rearm()
        elapsed_s, started = time.monotonic() - started, time.monotonic()
        now: dict[_FlowKey, _Counters] = {}
        try:
            rates = _rates(reached, wanted, _kept(_flows(reached, match), now), before or {}, elapsed_s)
        except (NotFound, Refused, TimedOut, Unreachable) as error:
            if before is not None:
                switch.notes.append(f"{error.what}: {error.why}; waiting for it")
            before, rates = None, []
        else:
            if before is None:
                switch.notes.append(f"bridge {quote(wanted.bridge)}: back")
                rates = []  # over an unknown time
            before = now
        took_s = time.monotonic() - started
        yield rates


def _flows(bridge: OfctlBridge, match: str) -> Iterator[text.FlowRow]:
    return text.bounded(bridge.flows(match, with_names=False))


def _kept(rows: Iterable[text.FlowRow], counters: dict[_FlowKey, _Counters]) -> Iterator[text.FlowRow]:
    """Pass the rows on after storing their counters."""
    for row in rows:
        counters[row.table, row.priority, row.match] = _Counters.of(row)
        yield row


def _counters(bridge: OfctlBridge, match: str) -> dict[_FlowKey, _Counters]:
    counters: dict[_FlowKey, _Counters] = {}
    for _ in _kept(_flows(bridge, match), counters):
        pass
    return counters


def _rates(
    bridge: OfctlBridge, wanted: TopSpec, rows: Iterable[text.FlowRow], before: Mapping[_FlowKey, _Counters], elapsed_s: float
) -> list[TopFlow]:
    """The rates of the flows that had traffic since ``before``, the first of them."""
    rates = []
    for row in rows:
        packets, octets, seconds = _between(before.get((row.table, row.priority, row.match)), _Counters.of(row), elapsed_s)
        if packets or octets:
            bps, pps = round(octets * 8 / seconds, 3), round(packets / seconds, 3)
            rates.append(TopFlow(row.table, row.priority, row.cookie, row.match, row.actions, bps, pps, round(seconds, 3)))
    rates.sort(key=lambda rate: rate.bps if wanted.by == "bytes" else rate.pps, reverse=True)
    return _with_port_names(bridge, rates[: wanted.limit])


def _with_port_names(bridge: OfctlBridge, rates: Sequence[TopFlow]) -> list[TopFlow]:
    if not rates:
        return []
    ports = bridge.port_names()
    return [rate._replace(match=names.with_names(rate.match, ports), actions=names.with_names(rate.actions, ports)) for rate in rates]


def _between(before: _Counters | None, now: _Counters, elapsed_s: float) -> tuple[int, int, float]:
    """Packets, bytes and seconds from one reading to the next."""
    if before is None or now.packets < before.packets or now.bytes < before.bytes:
        return now.packets, now.bytes, max(now.duration_s, 0.001)
    # A flow that was added again keeps its counters, but its age starts again.
    seconds = now.duration_s - before.duration_s
    return now.packets - before.packets, now.bytes - before.bytes, seconds if seconds > 0 else elapsed_s
