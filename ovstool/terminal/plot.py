"""Drawings of recordings: rates over time, as an image by matplotlib, or as text.

A rate is an average over the time between two readings, and is drawn over exactly that time. Where nothing is known, nothing is drawn:
over a reset, and while nobody recorded.
"""

import math
import os
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from heapq import nlargest
from itertools import chain
from typing import Any, NamedTuple

from ovstool import rates
from ovstool.errors import NotFound, Refused, UsageError, one_line, quote, quote_some
from ovstool.recording.files import failed, shown

STYLES = ("step", "line")
MOST_PORTS = 12

_IMAGES = (".svg", ".png")
_DIRECTIONS = ("rx", "tx")
_BREAK = 5  # times the usual time between readings; above that nobody recorded
_NEAR = 5  # intervals before, and after, that tell what is usual
_SCALES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""))
_NICE = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_MOST_SPANS = 2**13  # of a port and direction; more could not be seen
_MOST_NAMES, _OF_A_NAME = 50 * 2**20, 2**10  # bytes of memory for all ports, and for one besides its name
_MOST_OTHERS = 10_000  # ports that are not asked for, and yet named when one is not there
_PIXELS = 1500  # columns in which an image shows more readings than that
_NARROWEST = 48  # characters of a terminal
_LONGEST_NAME = 32  # characters of a port's name
_COLOURS = {"rx": "#0072B2", "tx": "#D55E00"}  # Okabe and Ito's, which the colour-blind tell apart
_BLOCKS, _FRAME = " ▁▂▃▄▅▆▇█", "░┤└─"
_PLAIN_BLOCKS, _PLAIN = " .:#", "'|+-"
_ANSI = {"rx": "\x1b[36m", "tx": "\x1b[33m"}


Recording = Iterable[tuple[str, rates.Reading]]  # of host and reading; read twice
Key = tuple[str, str, str]  # host, bridge and port


class Span(NamedTuple):
    """A rate from ``begin`` to ``end``, Unix time in s; ``low`` and ``high`` differ from it where it covers several readings."""

    begin: float
    end: float
    mean: float
    low: float
    high: float


class Interval(NamedTuple):
    """The rates of a port from one reading to the next, rx and tx; None where one is not counted, or altogether over a reset."""

    begin: float
    end: float
    rates: tuple[float | None, float | None] | None


class Trace:
    """The rates of a port: a Span for each interval and direction, or of a long recording for several, and no more than _MOST_SPANS.

    An interval in which nobody recorded, because it is much longer than the ones around it, is left out.
    """

    name = ""

    def __init__(self) -> None:
        self.resets: list[tuple[float, float]] = []  # the readings before and after
        self.begin, self.end = math.inf, -math.inf
        self.lengths = array("d")  # of intervals, in s; of very many every other one, again and again
        self._nth = 1  # of the intervals is in lengths
        self._count = 0
        self._spans: dict[str, list[Span | None]] = {direction: [] for direction in _DIRECTIONS}
        self._joined = 1  # intervals in a span
        self._in_last = 0
        self._pending: deque[Interval] = deque()  # whose neighbours have not come yet
        self._near: deque[float] = deque(maxlen=2 * _NEAR + 1)  # the lengths of those and of some before

    def add(self, interval: Interval) -> None:
        """Take what lies between two readings; ``finish`` takes the last of it."""
        if interval.rates is None:
            if len(self.resets) >= _MOST_SPANS:
                del self.resets[1:-1:2]  # of very many every other one is as good
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
        """The times in which the rate of a direction is known."""
        return (span for span in self._spans[direction] if span)

    def _settle(self) -> None:
        """Keep the oldest, unless it is a break."""
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
    """What is drawn: traces in ``unit`` from ``begin`` to ``end``, usual averages being over ``interval_s`` seconds.

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
        """What it is a picture of, and what its rates are averages over."""
        begin, end = (_clock(moment, "%Y-%m-%d %H:%M:%S") for moment in (self.begin, self.end))
        end = end.removeprefix(f"{begin[:10]} ")  # the same day
        return f"{self.title}   {begin} to {end} {_zone(self.begin)}" + (
            f"   averages over {self.interval_s:.2g} s" if self.interval_s else ""
        )


def picture(path: str, readings: Recording, ports: Sequence[str], packets: bool) -> Picture:
    """What the recording at ``path`` shows of ``ports``, or of all, in bit/s or packets/s.

    Of more than MOST_PORTS those with the most traffic are shown. Raises NotFound for a port that is not in it, or nothing to draw.
    """
    unit, what, factor = ("packets/s", "packets", 1) if packets else ("bit/s", "bytes", 8)
    totals, traces = _survey(path, readings, ports, partial(_intervals, what=what, factor=factor))
    if not totals:
        raise NotFound(shown(path), "there are no readings in it")
    known = {key: total for key, total in totals.items() if total is not None}
    if not known:
        raise NotFound(shown(path), "a rate needs two readings of a port, and there is only one of each")
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


def require_image(target: str) -> None:
    """Raise UsageError for a name that is no image's, NotFound when there is nothing to draw it with."""
    if os.path.splitext(target)[1].lower() not in _IMAGES:
        raise UsageError(shown(target), f"the name of a drawing ends in {' or '.join(_IMAGES)}")
    if os.path.isdir(target):
        raise UsageError(shown(target), "a directory")
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError as error:
        if error.path or error.__cause__:  # it is there, and cannot be loaded for a reason of its own
            raise
        raise NotFound("matplotlib", "draws images, and is not installed", "pip install 'ovstool[plot]', or no -o to draw here") from error


def image(picture: Picture, target: str, style: str) -> None:
    """Draw into an SVG or PNG file, which is replaced as a whole or not at all: a panel for each port, over one time axis.

    ``style`` is one of STYLES: ``step`` draws each average over its own interval, ``line`` joins their middles.
    Raises NotFound for a folder that is not there, Refused when the file cannot be written.
    """
    import logging
    import warnings

    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells when it looks for fonts
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that the font lacks
        matplotlib.rcdefaults()  # the same drawing for everybody
        matplotlib.rcParams |= {"text.parse_math": False, "svg.hashsalt": "ovstool", "font.size": 9}
        count = len(picture.traces)
        figure = Figure(figsize=(10, 1 + max(4 / count, 1.25) * count), layout="constrained")
        axes = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
        for axis, trace in zip(axes, picture.traces, strict=True):
            _draw(axis, trace, picture, style)
        _time_axis(axes[-1], picture)
        figure.suptitle(picture.heading, fontsize=11)
        _save(figure, target)


def has_blocks(encoding: str) -> bool:
    """Whether text in this encoding can hold what ``text`` draws with."""
    try:
        return bool((_BLOCKS + _FRAME).encode(encoding))
    except (UnicodeEncodeError, LookupError):
        return False


def text(picture: Picture, width: int, ascii_only: bool, colour: bool) -> str:
    """Draw with characters, ``width`` of them wide, at the least _NARROWEST: a panel for each port and direction.

    A full block is the mean of what lies in its column, a light one reaches to the highest rate there.
    """
    height = 6 if len(picture.traces) <= 4 else 4
    lines = [picture.heading]
    for trace in picture.traces:
        for direction in _DIRECTIONS:
            lines += ["", *_panel(trace, direction, picture, max(width, _NARROWEST), height, ascii_only, colour)]
    shade = (_PLAIN if ascii_only else _FRAME)[0]
    keys = [f"{shade} up to the highest rate in the time of a column"] if any(shade in line for line in lines) else []
    keys += ["R the counters began anew"] if any(trace.resets for trace in picture.traces) else []
    lines += ["", ", ".join(keys)] if keys else []
    return "\n".join(lines) + "\n"


def _survey(
    path: str, readings: Recording, ports: Sequence[str], intervals: Callable[[Recording], Iterable[tuple[Key, Interval]]]
) -> tuple[dict[Key, float | None], dict[Key, Trace]]:
    """How much each port, or each that is asked for, received and sent while it was recorded, None where no two readings tell; and traces.

    Those are whole when there are no more than MOST_PORTS. Raises NotFound for a port that is not in it, Refused for more ports than are
    compared.
    """
    asked = set(ports)
    others: set[str] = set()
    totals: dict[Key, float | None] = {}
    traces: dict[Key, Trace] = {}
    room = _MOST_NAMES

    def of_asked() -> Recording:
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
                    raise Refused(shown(path), f"{len(totals)} ports are more than can be compared", "the names of those to draw")
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


def _intervals(readings: Recording, what: str, factor: int) -> Iterator[tuple[Key, Interval]]:
    """What lies between each two readings of a port."""
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
    """What a port is called in a drawing; with its host and bridge where ``several`` have its name."""
    name = one_line(" ".join(filter(None, key)) if several else key[2])
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


def _join(first: Span | None, second: Span | None) -> Span | None:
    """What both say together."""
    if first is None or second is None:
        return first or second
    lengths = first.end - first.begin, second.end - second.begin
    mean = (first.mean * lengths[0] + second.mean * lengths[1]) / sum(lengths)
    begin, end = min(first.begin, second.begin), max(first.end, second.end)
    return Span(begin, end, mean, min(first.low, second.low), max(first.high, second.high))


def _columns(spans: Iterable[Span], begin: float, end: float, count: int) -> list[Span | None]:
    """The rates in each of ``count`` equal parts of the time; None where none is known."""
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


def _summary(spans: Sequence[Span], unit: str) -> str:
    if not spans:
        return "no rate is known"
    mean = sum(span.mean * (span.end - span.begin) for span in spans) / sum(span.end - span.begin for span in spans)
    return f"mean {_human(mean, unit)}, max {_human(max(span.high for span in spans), unit)}"


def _scale(value: float) -> tuple[float, str]:
    return next((pair for pair in _SCALES if value >= pair[0]), _SCALES[-1])


def _human(value: float, unit: str) -> str:
    factor, prefix = _scale(value)
    return f"{value / factor:.4g} {prefix}{unit}"


def _clock(moment: float, form: str) -> str:
    return time.strftime(form, time.localtime(moment))


def _zone(moment: float) -> str:
    return _clock(moment, "%Z" if time.localtime(moment).tm_gmtoff == 0 else "%Z (UTC%z)")


def _draw(axis: Any, trace: Trace, picture: Picture, style: str) -> None:
    """One port's panel: rx as an area, tx as a line, so that they can be told apart without colour."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    top, band, handles, labels = 0.0, None, [], []
    for direction in _DIRECTIONS:
        spans = list(trace.spans(direction))
        top = max([top, *(span.high for span in spans)])
        label = f"{trace.name} {direction}: {_summary(spans, picture.unit)}"
        colour = _COLOURS[direction]
        if len(spans) > _PIXELS:
            spans = [span for span in _columns(spans, picture.begin, picture.end, _PIXELS) if span]
            days, lows, highs = _outline(spans, style, "low", "high")
            band = axis.fill_between(days, lows, highs, color=colour, alpha=0.3, linewidth=0)
        days, means = _outline(spans, style, "mean")
        (line,) = axis.plot(days, means, color=colour, linewidth=1.2 if len(spans) < 300 else 0.8, solid_joinstyle="miter")
        area = axis.fill_between(days, means, color=colour, alpha=0.2, linewidth=0) if direction == "rx" else None
        handles.append((area, line) if area else line)
        labels.append(f" {label}" if label.startswith("_") else label)  # matplotlib hides labels with an underscore in front
    if band:
        handles.append(band)
        labels.append("lowest to highest")
    seconds = picture.end - picture.begin
    resets = {round((after - picture.begin) / seconds * _PIXELS): after for _, after in trace.resets}
    for after in resets.values():
        line = axis.axvline(after / 86400, color="black", linestyle=(0, (4, 3)), linewidth=1)
    if trace.resets:
        handles.append(line)
        labels.append("reset")
    factor, prefix = _scale(top)
    axis.set_ylim(-0.03 * (top or 1), 1.05 * (top or 1))  # a rate of zero is a line that is seen; nothing known is no line
    axis.yaxis.set_major_locator(MaxNLocator(5 if len(picture.traces) < 4 else 3, steps=[1, 2, 2.5, 5, 10]))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / factor:g}"))
    axis.set_ylabel(f"{prefix}{picture.unit}")
    axis.grid(axis="y", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    columns = 4 if sum(map(len, labels)) < 110 else 2  # what is wider than the figure would make it narrow
    axis.legend(handles, labels, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, borderaxespad=0.2, borderpad=0)


def _outline(spans: Sequence[Span], style: str, *values: str) -> tuple[list[float], ...]:
    """The corners of a curve in matplotlib's days, and its height there; NaN where it is broken."""
    days: list[float] = []
    heights: tuple[list[float], ...] = tuple([] for _ in values)
    end = None
    for span in spans:
        new = [] if end is None or end == span.begin else [math.nan]
        new += [span.begin, span.end] if style == "step" else [(span.begin + span.end) / 2]
        days += [moment / 86400 for moment in new]
        for column, value in zip(heights, values, strict=True):
            column += [getattr(span, value)] * len(new)
        end = span.end
    return days, *heights


def _time_axis(axis: Any, picture: Picture) -> None:
    from dateutil.tz import tzlocal
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=tzlocal(), minticks=4, maxticks=10)
    axis.xaxis.set_major_locator(locator)
    # For ticks at years, months, days, hours, minutes, seconds; the heading has the whole date.
    ticks = ["%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M", "%H:%M:%S.%f"]
    zeros = ["", "%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M:%S.%f"]
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator, tzlocal(), ticks, zero_formats=zeros, show_offset=False))
    axis.set_xlim(picture.begin / 86400, picture.end / 86400)
    axis.set_xlabel(f"local time, {_zone(picture.begin)}")


def _save(figure: Any, target: str) -> None:
    """Write beside the target first, so that there is the old drawing or the new one, and never half of one."""
    folder, name = os.path.split(os.path.realpath(target))
    temporary = os.path.join(folder, f".{name}.{os.getpid()}")
    kind = os.path.splitext(target)[1].lower()[1:]
    try:
        with open(temporary, "xb") as file:
            figure.savefig(file, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
        os.replace(temporary, os.path.join(folder, name))
    except OSError as error:
        raise failed(target, error) from error
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def _panel(trace: Trace, direction: str, picture: Picture, width: int, height: int, ascii_only: bool, colour: bool) -> list[str]:
    blocks = _PLAIN_BLOCKS if ascii_only else _BLOCKS
    shade, left, corner, line = list(_PLAIN if ascii_only else _FRAME)
    on, off = (_ANSI[direction], "\x1b[0m") if colour else ("", "")
    spans = list(trace.spans(direction))
    top = _nice(max((span.high for span in spans), default=0))
    factor, prefix = _scale(top)
    margin = 15  # of "1000 packets/s"
    labels = {height: f"{top / factor:g} {prefix}{picture.unit}", height // 2: f"{top / 2 / factor:g}"}
    room = width - margin - 2
    columns = _columns(spans, picture.begin, picture.end, room)
    resets = {min(int((after - picture.begin) / (picture.end - picture.begin) * room), room - 1) for _, after in trace.resets}

    def cell(column: Span | None, row: int) -> str:
        """What stands in a row, counted from 0 at the bottom."""
        if column is None:
            return " "
        mean, high = (value / top * height - row for value in (column.mean, column.high))
        eighths = round(min(max(mean, 0), 1) * (len(blocks) - 1))
        if eighths == 0 and row == 0 and high > 0:
            return blocks[1]  # little, and yet not nothing
        return blocks[eighths] if eighths or high < 0.25 else shade

    lines = [f"{on}{trace.name} {direction}{off}   {_summary(spans, picture.unit)}"]
    for row in reversed(range(height)):
        cells = "".join(cell(column, row) for column in columns).rstrip()
        lines.append(f"{labels.get(row + 1, ''):>{margin}} {left}{on}{cells}{off}")
    bottom = "".join("R" if i in resets else line if column else " " for i, column in enumerate(columns)).rstrip()
    lines.append(f"{'0':>{margin}} {corner}{bottom}")
    seconds = picture.end - picture.begin
    moments = [_short(moment, seconds) for moment in (picture.begin, picture.begin + seconds / 2, picture.end)]
    between = room - len(moments[0]) - len(moments[2])
    middle = moments[1] if len(moments[1]) < between - 1 else ""
    lines.append(f"{'':{margin + 2}}{moments[0]}{middle:^{between}}{moments[2]}")
    return lines


def _nice(value: float) -> float:
    """The smallest round number that is not visibly below."""
    if value <= 0:
        return 1
    decade = 10.0 ** math.floor(math.log10(value))
    return next((factor * decade for factor in _NICE if factor * decade >= 0.999 * value), 10 * decade)


def _short(moment: float, seconds: float) -> str:
    """A moment, as exact as the axis is long."""
    if seconds < 10:
        return f"{_clock(moment, '%H:%M:%S')}.{int(moment % 1 * 1000):03}"
    return _clock(moment, "%H:%M:%S" if seconds < 86400 else "%m-%d %H:%M")
