"""Counters of interfaces and queues: once, repeatedly, and as rates and bursts.

``sampling`` has how they are read and how old they may be, ``ovstool.rates`` what follows from two readings.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from itertools import count as numbers_from
from typing import TYPE_CHECKING

from ovstool.errors import OvstoolError, Unreachable, UsageError, quote_some
from ovstool.ovsdb.values import mapping, one
from ovstool.rates import Burst, QueueRate, Rate, Reading, between, burst, of_queue
from ovstool.switch import Switch, lookup, sampling
from ovstool.switch.sampling import Meter, SamplingSpec

if TYPE_CHECKING:
    from ovstool.pace import Pace


def counters(switch: Switch, spec: SamplingSpec) -> list[Reading]:
    """The counters of each interface now. A device that existed before the interface keeps its earlier counts.

    Raises NotFound; Unreachable, Refused and TimedOut with the source ``openflow``.
    """
    if spec.source == "ovsdb":
        rows, moment = lookup.interface_rows(switch, spec.ports, spec.bridge, ("name", "statistics")), time.time()
        return [Reading(moment, spec.bridge or "", row["name"], None, mapping(row["statistics"])) for row in rows]
    with closing(Meter(switch, spec)) as meter:
        found = {reading.port: reading for reading in meter.read()}
    return [found.get(at.port) or Reading(time.time(), at.bridge, at.port, None, {}) for at in meter.interfaces]


def queues(switch: Switch, spec: SamplingSpec) -> list[Reading]:
    """The counters of each queue now, available only over OpenFlow. Raises NotFound, Unreachable, Refused, TimedOut.

    The source ``auto`` differs from ``openflow`` in that it gives up sooner.
    """
    with closing(Meter(switch, spec._replace(queues=True))) as meter:
        return meter.read()


def readings(switch: Switch, spec: SamplingSpec, are_all_needed: bool = True) -> Iterator[list[Reading]]:
    """Read the counters every ``interval_s`` seconds, ``times`` times, for ``for_s`` seconds, or forever: the first at once.

    A sample that comes too late is left out. An interface or a bridge that is gone has no readings until it returns, which is noted;
    the first one after that has ``gap`` set. Each reading gets the full timeout of the switch.
    Raises UsageError for an interval in which the counters in the database, or those of a named tunnel or patch port, do not change;
    without names such a port has no counters, which is noted. With ``bursts`` this holds for any interval.
    Raises Unreachable at the end if ``are_all_needed`` and an interface has no readings then.
    """
    if spec.source == "ovsdb":
        _require_updates(switch, spec.interval_s)
    with closing(Meter(switch, spec)) as meter:
        meter.set_interval(spec.interval_s)
        first = meter.read()
        if spec.pace:
            spec.pace.limit(*_shortest(switch, spec, meter))
            due = _due_at_pace(switch, spec.pace, meter, time.monotonic())
        else:
            due = _due(spec, time.monotonic())
        yield first
        for _ in due:
            switch.rearm()
            yield meter.read_again()
        if are_all_needed:
            _require_present(meter)


def rates(samples: Iterable[list[Reading]]) -> Iterator[list[Rate]]:
    """The rates of ports between each reading and the one before; nothing for the first."""
    return _differences(samples, between)


def queue_rates(samples: Iterable[list[Reading]]) -> Iterator[list[QueueRate]]:
    """The rates of queues between each reading and the one before; nothing for the first."""
    return _differences(samples, of_queue)


def bursts(samples: Iterable[list[Reading]], limit_bps: Callable[[str, str], int | None]) -> list[Burst]:
    """How evenly each port received and sent; ``limit_bps`` gives the limit of a port's direction (rx, tx)."""
    measured: dict[str, list[Rate]] = {}
    for of_ports in rates(samples):
        for rate in of_ports:
            measured.setdefault(rate.port, []).append(rate)
    return [burst(port, way, windows, limit_bps(port, way)) for port, windows in measured.items() for way in ("rx", "tx")]


def link_speeds(switch: Switch, spec: SamplingSpec) -> dict[str, int]:
    """The speed of the link of each interface in bit/s, for those that have one (ovs-vswitchd.conf.db(5), Interface.link_speed)."""
    rows = lookup.interface_rows(switch, spec.ports, spec.bridge, ("name", "link_speed"))
    return {row["name"]: one(row["link_speed"]) for row in rows if one(row["link_speed"])}


def _due(spec: SamplingSpec, begin: float) -> Iterator[None]:
    """Wait until each next sample is due, until there have been enough; the first was at ``begin``, on the monotonic clock."""
    sample = 0
    for _ in range(spec.times - 1) if spec.times is not None else numbers_from():
        sample = max(sample + 1, int((time.monotonic() - begin) / spec.interval_s) + 1)
        if spec.for_s is not None and sample * spec.interval_s > spec.for_s * (1 + 1e-9):
            return
        time.sleep(max(begin + sample * spec.interval_s - time.monotonic(), 0))
        yield


def _shortest(switch: Switch, spec: SamplingSpec, meter: Meter) -> tuple[float, str]:
    """The shortest interval possible for what is read, in seconds, and why."""
    if meter.in_database:
        updated_s = sampling.updated_s(switch)
        return updated_s, f"the counters in the database change every {updated_s:g} s"
    if spec.ports and any(at.is_pushed for at in meter.interfaces):
        return meter.pushed_s, f"ovs-vswitchd updates the counters of tunnels and patch ports only every {meter.pushed_s:g} s"
    return sampling.SHORTEST_S, ""


def _due_at_pace(switch: Switch, pace: "Pace", meter: Meter, before: float) -> Iterator[None]:
    """Wait until each next sample is due, forever, at the current interval of ``pace``; the first was at ``before``."""
    while True:
        interval_s = pace.interval_s
        due = before + interval_s * (int((time.monotonic() - before) / interval_s) + 1)
        if pace.wait(due, interval_s):
            before = due
            yield
        else:
            switch.rearm()
            with suppress(OvstoolError):  # the notes can wait
                meter.set_interval(pace.interval_s)


def _differences(samples: Iterable[list[Reading]], difference: Callable) -> Iterator[list]:
    before: dict[tuple, Reading] = {}
    for number, sample in enumerate(samples):
        rows = [difference(before[key], reading) for reading in sample if (key := (reading.port, reading.queue)) in before]
        before |= {(reading.port, reading.queue): reading for reading in sample}
        if number:
            yield rows


def _require_present(meter: Meter) -> None:
    """Raise Unreachable when a port is missing at the end: a script must not mistake silence for no traffic."""
    if absent := meter.absent():
        raise Unreachable(quote_some(absent), "could no longer be read at the end", "ovstool show")


def _require_updates(switch: Switch, interval_s: float) -> None:
    """Raises UsageError for an interval in which the counters in the database may not change at all; otherwise notes the accuracy."""
    updated_s = sampling.updated_s(switch)
    if interval_s < updated_s:
        why = f"the counters in the database change every {updated_s:g} s"
        raise UsageError(f"--interval {interval_s:g}", why, f"--interval {2 * updated_s:g}, or --source openflow")
    switch.notes.append(
        f"the counters in the database change every {updated_s:g} s, so these rates may be off by {updated_s / interval_s:.0%}"
    )
