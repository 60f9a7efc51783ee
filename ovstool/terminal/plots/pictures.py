"""The contents of a recording, ready to be drawn: the rates of the busiest ports over time.

A rate is an average between two readings, and is drawn over exactly that time. There are gaps where it is unknown: at a reset, and while
nothing was recorded.
"""

import math
import os
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import nlargest
from itertools import chain
from typing import NamedTuple

from ovstool import rates, units
from ovstool.errors import NotFound, Refused, one_line, quote, quote_some
from ovstool.recording.files import shown

MOST_PORTS = 12

DIRECTIONS = ("rx", "tx")
_BREAK = 5  # multiple of the usual interval between readings, above which it is a break in the recording
_NEAR = 5  # intervals before and after, which define the usual interval
_MOST_SPANS = 2**13  # of a port and direction; more would not be visible
_MOST_NAMES, _OF_A_NAME = 50 * 2**20, 2**10  # bytes of memory for all ports, and for one besides its name
_MOST_OTHERS = 10_000  # ports that are not drawn but suggested when a name is not found
_LONGEST_NAME = 32  # characters of a port's name


Readings = Iterable[tuple[str, rates.Reading]]  # of host and reading; read twice
Key = tuple[str, str, str]  # host, bridge and port


class Span(NamedTuple):
    """A rate from ``begin`` to ``end``, Unix time in s; ``low`` and ``high`` differ from it where it covers several readings."""

    begin: float
    end: float
    mean: float
    low: float
    high: float


class Interval(NamedTuple):
    """The rates of a port from one reading to the next, rx and tx; None if not counted, and both None at a reset."""

    begin: float
    end: float
    rates: tuple[float | None, float | None] | None


class Trace:
    """The rates of a port: a Span for each interval and direction, or for several in a long recording, at most _MOST_SPANS.

    A break in the recording, an interval much longer than the ones around it, is left out.
    """

    name = ""

    def __init__(self) -> None:
        self.resets: list[tuple[float, float]] = []  # the readings before and after
        self.begin, self.end = math.inf, -math.inf
        self.lengths = array("d")  # of intervals, in s; thinned by half whenever there are too many
        self._nth = 1  # of the intervals is in lengths
        self._count = 0
        self._spans: dict[str, list[Span | None]] = {direction: [] for direction in DIRECTIONS}
        self._joined = 1  # intervals in a span
        self._in_last = 0
        self._pending: deque[Interval] = deque()  # whose next neighbours are still missing
        self._near: deque[float] = deque(maxlen=2 * _NEAR + 1)  # the lengths of those and of some before

    def add(self, interval: Interval) -> None:
        """Add the interval between two readings; ``finish`` adds the last ones."""
        if interval.rates is None:
            if len(self.resets) >= _MOST_SPANS:
                del self.resets[1:-1:2]  # half of so many is enough
            self.resets.append((interval.begin, interval.end))
            self._reach(interval)
            return
        self._pending.append(interval)
        self._near.append(interval.end - interval.begin)
        if len(self._pending) > _NEAR:
            self._settle()

    def finish(self, name: str) -> None:
        self.name = name
        while self._pending:
            self._settle()

    def spans(self, direction: str) -> Iterator[Span]:
        """The spans in which the rate of a direction is known."""
        return (span for span in self._spans[direction] if span)

    def _settle(self) -> None:
        """Keep the oldest pending interval, unless it is a break."""
        place = len(self._near) - len(self._pending)
        interval = self._pending.popleft()
        length = interval.end - interval.begin
        if length > _BREAK * min(self._near):
            lengths = list(self._near)
            near = sorted(lengths[max(place - _NEAR, 0) : place] + lengths[place + 1 : place + 1 + _NEAR])
            if near and length > _BREAK * near[len(near) // 2]:
                return
        self._reach(interval)
        self._count_length(length)
        joins = 0 < self._in_last < self._joined
        if not joins and len(self._spans["rx"]) >= _MOST_SPANS:
            self._join_pairs()
        self._in_last = self._in_last + 1 if joins else 1
        for spans, rate in zip(self._spans.values(), interval.rates or (), strict=True):
            span = None if rate is None else Span(interval.begin, interval.end, rate, rate, rate)
            if joins:
                spans[-1] = _join(spans[-1], span)
            else:
                spans.append(span)

    def _reach(self, interval: Interval) -> None:
        self.begin, self.end = min(self.begin, interval.begin), max(self.end, interval.end)

    def _count_length(self, length: float) -> None:
        if len(self.lengths) >= _MOST_SPANS:
            self.lengths, self._nth = self.lengths[::2], 2 * self._nth
        if self._count % self._nth == 0:
            self.lengths.append(length)
        self._count += 1

    def _join_pairs(self) -> None:
        self._joined *= 2
        for direction, spans in self._spans.items():
            self._spans[direction] = [_join(*pair) for pair in zip(spans[::2], spans[1::2], strict=True)]


@dataclass(frozen=True)
class Picture:
    """A picture to draw: traces in ``unit`` from ``begin`` to ``end``, usually averaged over ``interval_s`` seconds.

    ``left_out`` ports had less traffic than those.
    """

    title: str
    unit: str
    traces: Sequence[Trace]
    begin: float
    end: float
    interval_s: float
    left_out: int

    @property
    def heading(self) -> str:
        """The title of the picture, and the interval of its averages."""
        begin, end = (clock(moment, "%Y-%m-%d %H:%M:%S") for moment in (self.begin, self.end))
        end = end.removeprefix(f"{begin[:10]} ")  # the same day
        return f"{self.title}   {begin} to {end} {zone(self.begin)}" + (
            f"   averages over {self.interval_s:.2g} s" if self.interval_s else ""
        )


def picture(path: str, readings: Readings, ports: Sequence[str], packets: bool) -> Picture:
    """The picture of ``ports``, or all ports, in the recording at ``path``, in bit/s or packets/s.

    Of more than MOST_PORTS, those with the most traffic are shown. Raises NotFound for an unknown port, or if there is nothing to draw.
    """
    unit, what, factor = ("packets/s", "packets", 1) if packets else ("bit/s", "bytes", 8)
    totals, traces = _survey(path, readings, ports, partial(_intervals, what=what, factor=factor))
    if not totals:
        raise NotFound(shown(path), "no readings in this file")
    known = {key: total for key, total in totals.items() if total is not None}
    if not known:
        raise NotFound(shown(path), "a rate needs two readings of a port, and each port has only one")
    if len(totals) > MOST_PORTS:
        busiest = set(nlargest(MOST_PORTS, known, key=known.__getitem__))
        traces = {key: Trace() for key in known if key in busiest}
        of_busiest = ((host, reading) for host, reading in readings if (host, reading.bridge, reading.port) in traces)
        for key, interval in _intervals(of_busiest, what, factor):
            traces[key].add(interval)
    same = Counter(port for _, _, port in totals)
    for key, trace in traces.items():
        trace.finish(_name(key, same[key[2]] > 1))
    drawn = list(traces.values())
    begin, end = min(trace.begin for trace in drawn), max(trace.end for trace in drawn)
    lengths = sorted(chain.from_iterable(trace.lengths for trace in drawn)) or [0]
    return Picture(one_line(os.path.basename(path)), unit, drawn, begin, end, lengths[len(lengths) // 2], len(known) - len(drawn))


def _survey(
    path: str, readings: Readings, ports: Sequence[str], intervals: Callable[[Readings], Iterable[tuple[Key, Interval]]]
) -> tuple[dict[Key, float | None], dict[Key, Trace]]:
    """The traffic of each port, or of each requested one, while it was recorded, None without two readings; and traces.

    Those are whole when there are no more than MOST_PORTS. Raises NotFound for a port that is not in it, Refused for more ports than are
    compared.
    """
    asked = set(ports)
    others: set[str] = set()
    totals: dict[Key, float | None] = {}
    traces: dict[Key, Trace] = {}
    room = _MOST_NAMES

    def of_asked() -> Readings:
        nonlocal room
        for host, reading in readings:
            if asked and reading.port not in asked:
                if len(others) < _MOST_OTHERS:
                    others.add(reading.port)
                continue
            key = host, reading.bridge, reading.port
            if key not in totals:
                totals[key] = None
                room -= _OF_A_NAME + sum(map(len, key))
                if room < 0:
                    raise Refused(shown(path), f"{len(totals)} ports are too many to compare", "naming the ports to draw")
            yield host, reading

    for key, interval in intervals(of_asked()):
        totals[key] = (totals[key] or 0.0) + sum(rate or 0.0 for rate in interval.rates or ()) * (interval.end - interval.begin)
        if len(totals) <= MOST_PORTS:
            if key not in traces:
                traces[key] = Trace()
            traces[key].add(interval)
    there = {port for _, _, port in totals}
    for port in ports:
        if port not in there:
            known = sorted(others | there)
            raise NotFound(f"port {quote(port)}", f"not in {shown(path)}", quote_some(known, 10) or None)
    return totals, traces


def _intervals(readings: Readings, what: str, factor: int) -> Iterator[tuple[Key, Interval]]:
    """The intervals between successive readings of each port."""
    last: dict[Key, rates.Reading] = {}
    rx, tx = f"rx_{what}", f"tx_{what}"
    for host, reading in readings:
        key = host, reading.bridge, reading.port
        before = last.get(key)
        last[key] = reading
        if before is None or reading.time <= before.time:  # the clock was set back between two recordings
            continue
        deltas = rates.differences(before, reading)
        per_second = factor / (reading.time - before.time)
        counted = None
        if deltas is not None:
            counted = deltas[rx] * per_second if rx in deltas else None, deltas[tx] * per_second if tx in deltas else None
        yield key, Interval(before.time, reading.time, counted)


def _name(key: Key, several: bool) -> str:
    """The label of a port in a drawing, with its host and bridge if ``several`` ports have its name."""
    name = one_line(" ".join(filter(None, key)) if several else key[2])
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


def _join(first: Span | None, second: Span | None) -> Span | None:
    """Two spans joined into one."""
    if first is None or second is None:
        return first or second
    lengths = first.end - first.begin, second.end - second.begin
    mean = (first.mean * lengths[0] + second.mean * lengths[1]) / sum(lengths)
    begin, end = min(first.begin, second.begin), max(first.end, second.end)
    return Span(begin, end, mean, min(first.low, second.low), max(first.high, second.high))


def in_columns(spans: Iterable[Span], begin: float, end: float, count: int) -> list[Span | None]:
    """The rates in each of ``count`` equal parts of the time; None if unknown."""
    width = (end - begin) / count
    weights, sums = [0.0] * count, [0.0] * count
    lows, highs = [math.inf] * count, [0.0] * count
    for span in spans:
        first = min(int((span.begin - begin) / width), count - 1)
        last = min(int((span.end - begin) / width), count - 1)
        for i in range(first, last + 1):
            seconds = span.end - span.begin
            if first < last:
                seconds = min(span.end, begin + (i + 1) * width) - max(span.begin, begin + i * width)
            if seconds > 0:
                weights[i] += seconds
                sums[i] += seconds * span.mean
                lows[i] = min(lows[i], span.low)
                highs[i] = max(highs[i], span.high)
    return [
        Span(begin + i * width, begin + (i + 1) * width, sums[i] / weights[i], lows[i], highs[i]) if weights[i] else None
        for i in range(count)
    ]


def summary(spans: Sequence[Span], unit: str) -> str:
    if not spans:
        return "no rate known"
    mean = sum(span.mean * (span.end - span.begin) for span in spans) / sum(span.end - span.begin for span in spans)
    return f"mean {units.human(mean, unit)}, max {units.human(max(span.high for span in spans), unit)}"


def clock(moment: float, form: str) -> str:
    return time.strftime(form, time.localtime(moment))


def zone(moment: float) -> str:
    return clock(moment, "%Z" if time.localtime(moment).tm_gmtoff == 0 else "%Z (UTC%z)")
