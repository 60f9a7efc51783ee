"""Readings of counters, and what follows from two of them: rates, resets, bursts (pure).

A rate is an average over the time between two readings. That time is the measured one, never the requested interval.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

COUNTERS = ("rx_packets", "rx_bytes", "rx_dropped", "rx_errors", "tx_packets", "tx_bytes", "tx_dropped", "tx_errors")

_WRAP = 2**32
_SMALLEST, _LARGEST = 14, 2**16 + 2**8  # bytes of a packet: a bare Ethernet header, and the largest that segmentation offload produces
_FULL = 0.95  # share of the limit above which a link counts as full
_AGE_SLACK_S = 0.05  # ages come from a clock that ovs-vswitchd reads now and then
_BUSY_S = 1.0  # how long a busy ovs-vswitchd may not have read it


class Reading(NamedTuple):
    """The counters of a port, or of one of its queues, at one moment.

    ``time`` is Unix time in seconds; within a command it advances with the monotonic clock, so setting the clock changes no rate.
    ``duration_s`` is the age of the port or queue on the switch, None if not reported. A counter that is not supported is missing
    from ``counters``. ``gap``: the connection was lost, so it is unknown what happened since the previous reading.
    """

    time: float
    bridge: str
    port: str
    duration_s: float | None
    counters: Mapping[str, int]
    queue: int | None = None
    gap: bool = False


class Rate(NamedTuple):
    """The rates of a port between two readings: bit/s and packets/s. None: not supported, or reset.

    ``time`` is that of the later reading. ``reset``: the counters started again from 0 in between (or may have, in a gap), so no rate is known.
    """

    time: float
    port: str
    interval_s: float
    rx_bps: float | None
    tx_bps: float | None
    rx_pps: float | None
    tx_pps: float | None
    rx_dropped_ps: float | None
    tx_dropped_ps: float | None
    rx_errors_ps: float | None
    tx_errors_ps: float | None
    reset: bool


class QueueRate(NamedTuple):
    """The rates of a queue between two readings: bit/s and packets/s."""

    time: float
    port: str
    queue: int | None
    interval_s: float
    tx_bps: float | None
    tx_pps: float | None
    reset: bool


def between(before: Reading, after: Reading) -> Rate:
    """The rates of a port from one reading to the next."""
    interval_s = after.time - before.time
    deltas = differences(before, after)

    def per_second(counter: str, factor: int = 1) -> float | None:
        delta = deltas.get(counter) if deltas else None
        return None if delta is None or interval_s <= 0 else round(delta * factor / interval_s, 3)

    return Rate(
        time=round(after.time, 6),
        port=after.port,
        interval_s=round(interval_s, 6),
        rx_bps=per_second("rx_bytes", 8),
        tx_bps=per_second("tx_bytes", 8),
        rx_pps=per_second("rx_packets"),
        tx_pps=per_second("tx_packets"),
        rx_dropped_ps=per_second("rx_dropped"),
        tx_dropped_ps=per_second("tx_dropped"),
        rx_errors_ps=per_second("rx_errors"),
        tx_errors_ps=per_second("tx_errors"),
        reset=deltas is None,
    )


def of_queue(before: Reading, after: Reading) -> QueueRate:
    """The rates of a queue from one reading to the next."""
    rate = between(before, after)
    return QueueRate(rate.time, rate.port, after.queue, rate.interval_s, rate.tx_bps, rate.tx_pps, rate.reset)


def differences(before: Reading, after: Reading) -> dict[str, int] | None:
    """How much each of COUNTERS went up; None when they started again from 0, or may have.

    A 32-bit counter that wrapped is corrected if the result is plausible, with possible packet sizes. Otherwise a counter that
    went backwards means a reset. Other counters of a device may go up and down freely.
    """
    if after.gap:
        return None
    if before.duration_s is not None and after.duration_s is not None:
        aged_s = after.duration_s - before.duration_s
        if aged_s < max(after.time - before.time - _BUSY_S, 0) - _AGE_SLACK_S:
            return None
    deltas = {}
    wrapped = set()
    for name in COUNTERS:
        old, new = before.counters.get(name), after.counters.get(name)
        if old is None or new is None:
            continue
        if new < old:
            if old >= _WRAP or not name.endswith(("bytes", "packets")):
                return None
            new += _WRAP
            wrapped.add(name[:2])
        deltas[name] = new - old
    return deltas if all(_is_traffic(deltas, way) for way in wrapped) else None


def _is_traffic(deltas: Mapping[str, int], way: str) -> bool:
    """Whether the bytes and packets of one direction are plausible together."""
    octets, packets = deltas.get(f"{way}_bytes"), deltas.get(f"{way}_packets")
    return octets is not None and packets is not None and _SMALLEST * packets <= octets <= _LARGEST * packets


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of values in ascending order."""
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(int(rank), 1) - 1]


class Burst(NamedTuple):
    """How evenly a port received (rx) or sent (tx): rates in bit/s over windows of about ``interval_s`` seconds.

    The mean is that of the whole time. ``limit_bps`` is the lower of the link's speed and the QoS's max-rate, ``longest_above_s`` the
    longest time without a window below 95% of it; None where no limit is known.
    """

    port: str
    direction: str
    windows: int
    interval_s: float | None
    mean_bps: float | None
    p50_bps: float | None
    p95_bps: float | None
    p99_bps: float | None
    max_bps: float | None
    limit_bps: int | None
    longest_above_s: float | None


def burst(port: str, direction: str, measured: Sequence[Rate], limit_bps: int | None) -> Burst:
    """The distribution of the rates of a port in one direction. Windows without a rate (a reset) are left out."""
    windows = [(getattr(rate, f"{direction}_bps"), rate.interval_s) for rate in measured]
    known = [(bps, interval_s) for bps, interval_s in windows if bps is not None]
    if not known:
        return Burst(port, direction, 0, None, None, None, None, None, None, limit_bps, None)
    total_s = sum(interval_s for _, interval_s in known)
    ordered = sorted(bps for bps, _ in known)
    longest = running = 0.0
    for bps, interval_s in windows:
        running = running + interval_s if limit_bps and bps is not None and bps >= _FULL * limit_bps else 0.0
        longest = max(longest, running)
    return Burst(
        port=port,
        direction=direction,
        windows=len(known),
        interval_s=round(total_s / len(known), 6),
        mean_bps=round(sum(bps * interval_s for bps, interval_s in known) / total_s, 3),
        p50_bps=percentile(ordered, 50),
        p95_bps=percentile(ordered, 95),
        p99_bps=percentile(ordered, 99),
        max_bps=ordered[-1],
        limit_bps=limit_bps,
        longest_above_s=round(longest, 6) if limit_bps else None,
    )
