"""What the live table of rates shows, on a screen of any size: columns, rows in order, sparklines and bars.

Cells are rich Segments of a width settled before: no markup to be misread in a name, and a fraction of the time that rich's Table
takes, which would be a fifth of a core for 45 rows.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.style import Style

from ovstool.errors import escape
from ovstool.rates import QueueRate, Rate
from ovstool.units import human_size

_ORDER_S = 1.0  # rows that change places more often cannot be read
_RESET, _RESET_S = " reset", 5.0  # what is said behind the name, and for how long
_SPEED, _BAR = 1, 4  # ranks of the columns that need the speed of a link
_HISTORY = 128  # columns of a sparkline at most
_LOW = 8  # lines; a lower screen has no room for explanations
_BLOCKS, _EIGHTHS = "▁▂▃▄▅▆▇█", " ▏▎▍▌▋▊▉█"
_BLOCKS_ASCII, _EIGHTHS_ASCII = "_.:-=+*#", "    ----#"
_PLAIN, _BOLD, _REVERSE, _BOLD_REVERSE = Style.null(), Style(bold=True), Style(reverse=True), Style(bold=True, reverse=True)
_DIM, _SPARK, _BAD, _MARK = Style(dim=True), Style(color="cyan"), Style(color="red", bold=True), Style(color="yellow", bold=True)
_LOADS = ((90, Style(color="red")), (70, Style(color="yellow")), (0, Style(color="green")))  # from so many percent on
Cell = tuple[str, Style]


class _Line(NamedTuple):
    """What is known of a port or queue."""

    rate: Any
    highest: dict[str, tuple[float | None, ...]]  # of each direction, bit/s, a column of the sparkline each
    reset_at: float


class _State(NamedTuple):
    """What there is to show; never changed, so a paused table only has to keep it."""

    lines: dict[Any, _Line] = {}
    time: float = 0.0
    interval_s: float = 0.0  # between readings
    readings: int = 0  # that the numbers are the mean of


class _Column(NamedTuple):
    header: str
    width: int  # the least
    rank: int  # when the screen is too narrow, the highest ranks are left out
    cell: Callable[[_Line, int], Cell]  # of a line and the width
    sorts: Sequence[str] = ()  # the orders that are by this column


class Screen:
    """What is on the screen, of any size; rich asks for it."""

    def __init__(
        self, rate_class: type[Rate] | type[QueueRate], sort: str | None, descending: bool, title: str, encoding: str, keyboard: bool
    ):
        names = rate_class._fields
        self._encoding, self._keyboard, self._title = encoding, keyboard, title
        self._what = "queue" if "queue" in names else "port"
        self._directions = [name for name in ("rx", "tx") if f"{name}_bps" in names]
        self._rates = [name for name in names if name.endswith("ps")]
        both = ["rx+tx"] if len(self._directions) > 1 else []
        self.orders = [*both, *(name for name in names if name not in ("time", "interval_s") or name == sort)]
        self.sort = sort or (*both, "tx_bps")[0]
        self.descending = descending
        self.speeds: dict[str, int | None] = {}
        self.note = ""
        self.ordered_at = float("-inf")
        self._order: list[Any] = []
        self._now = _State()
        self._paused: _State | None = None
        plain = "?" in (_BLOCKS + _EIGHTHS + "…").encode(encoding, "replace").decode(encoding)
        self._blocks, self._eighths, self._cut = (_BLOCKS_ASCII, _EIGHTHS_ASCII, "~") if plain else (_BLOCKS, _EIGHTHS, "…")
        self._columns = self._all_columns()

    def pause(self) -> None:
        self._paused = self._now if self._paused is None else None

    def take(self, samples: Sequence[Sequence[Any]]) -> None:
        """Take readings, all that came since the last time: numbers are their mean, a column of a sparkline is their highest."""
        by_key: dict[Any, list[Any]] = {self._key(row): [] for row in samples[-1]}  # a port that is not in the last is gone
        for row in (row for rows in samples for row in rows):
            if (key := self._key(row)) in by_key:
                by_key[key].append(row)
        lines = {key: self._line(self._now.lines.get(key), rows) for key, rows in by_key.items()}
        if firsts := [rows[0] for rows in samples if rows]:
            interval_s = sum(row.interval_s for row in firsts) / len(firsts)
            self._now = _State(lines, firsts[-1].time, interval_s, len(firsts))

    def _key(self, row: Any) -> Any:
        return (row.port, row.queue) if self._what == "queue" else row.port

    def _line(self, old: _Line | None, rows: Sequence[Any]) -> _Line:
        highest = {}
        for direction in self._directions:
            known = [value for row in rows if (value := getattr(row, f"{direction}_bps")) is not None]
            highest[direction] = (*(old.highest[direction][1 - _HISTORY :] if old else ()), max(known, default=None))
        last = rows[-1]
        reset_at = last.time if any(row.reset for row in rows) else old.reset_at if old else float("-inf")
        mean = last if len(rows) == 1 else last._replace(**{name: _mean(rows, name) for name in self._rates})
        return _Line(mean, highest, reset_at)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for cells in self._text(*console.size):
            yield from (Segment(text, style) for text, style in cells)
            yield Segment.line()

    def _text(self, width: int, height: int) -> list[list[Cell]]:
        state = self._paused or self._now
        lines = self._sorted(state.lines)
        head = [*(["PAUSED"] if self._paused else []), self._printable(self._title)]
        if state.readings:
            head += [time.strftime("%H:%M:%S", time.localtime(state.time)), f"every {state.interval_s:.3f} s"]
        head += [f"{len(lines)} {self._what}s", f"by {self.sort}, {'descending' if self.descending else 'ascending'}"]
        columns = self._fitting(width, lines)
        titles = [(column.header.ljust(wide if column.header == "port" else 0), column.sorts, wide) for column, wide in columns]
        top = [
            [(self._clip(_joined(head, width), width), _REVERSE)],
            _spaced(((title, _BOLD_REVERSE if self.sort in sorts else _BOLD), wide) for title, sorts, wide in titles),
        ]
        bottom = [[(self._clip(self._printable(self.note), width), _MARK)]] if self.note else []
        if height >= _LOW and any(column.header == "history" for column, _ in columns):
            caption = f"history: a column is one reading, {state.interval_s:.3f} s"
            if state.readings > 1:
                span = f"{state.readings} readings, {state.readings * state.interval_s:.3f} s"
                caption = f"rates: mean of {span}; history: a column is the highest of them"
            bottom.append([(self._clip(caption, width), _DIM)])
        if height >= _LOW and self._keyboard:
            bottom.append([(_joined(("q quit", "s sort", "r reverse", "space pause", "left/right sort column"), width), _DIM)])
        room = max(height - len(top) - len(bottom), 0)
        shown = lines if len(lines) <= room else lines[: max(room - 1, 0)]
        body = [_spaced((column.cell(line, wide), wide) for column, wide in columns) for line in shown]
        if len(shown) < len(lines):
            body.append([(f"{len(lines) - len(shown)} more", _DIM)])
        return [*top, *body, *[[] for _ in range(room - len(body))], *bottom][:height]

    def _sorted(self, lines: dict[Any, _Line]) -> list[_Line]:
        now = time.monotonic()
        if now - self.ordered_at >= _ORDER_S or lines.keys() != set(self._order):
            self.ordered_at = now
            value = partial(_total, names=("rx_bps", "tx_bps")) if self.sort == "rx+tx" else attrgetter(self.sort)
            values: dict[Any, Any] = {key: value(line.rate) for key, line in lines.items()}
            known = sorted((key for key in lines if values[key] is not None), key=values.__getitem__, reverse=self.descending)
            self._order = known + [key for key in lines if values[key] is None]
        return [lines[key] for key in self._order]

    def _all_columns(self) -> list[_Column]:
        columns = [_Column("port", 14, 0, self._port, ["port"])]
        if self._what == "queue":
            columns.append(_Column("queue", 10, 0, lambda line, _: (str(line.rate.queue), _PLAIN), ["queue"]))
        for direction in self._directions:
            columns += [
                _Column(f"{direction} bit/s", 8, 0, partial(_per_second, [f"{direction}_bps"], _BOLD), [f"{direction}_bps", "rx+tx"]),
                _Column("history", 8, 3, partial(self._sparkline, direction)),
                _Column("", 6, _BAR, partial(self._bar, direction)),
                _Column(f"{direction} %", 4, _SPEED, partial(self._percent, direction)),
            ]
        for direction in self._directions:
            name = f"{direction}_pps"
            columns.append(_Column(f"{direction} pkt/s", 8, 5, partial(_per_second, [name], _PLAIN), [name]))
        for header, what in () if self._what == "queue" else (("drops/s", "dropped"), ("errors/s", "errors")):
            names = [f"rx_{what}_ps", f"tx_{what}_ps"]
            columns.append(_Column(header, 8, 2, partial(_per_second, names, _BAD), names))
        return columns

    def _fitting(self, width: int, lines: Sequence[_Line]) -> list[tuple[_Column, int]]:
        """The columns that fit, and their widths: rank by rank, then what is left over for long names, then for sparklines."""
        room, chosen = width + 1, set()
        for rank in range(max(column.rank for column in self._columns) + 1):
            wanted = sum(column.width + 1 for column in self._columns if column.rank == rank)
            if rank in (_SPEED, _BAR) and not any(self.speeds.values()):
                continue
            if rank and wanted > room:
                break
            room -= wanted
            chosen.add(rank)
        longest = max((cell_len(self._printable(line.rate.port)) + len(_RESET) for line in lines), default=0)
        grow = min(room, max(longest - self._columns[0].width, 0))  # less than nothing on a very narrow screen
        each = max(room - grow, 0) // len(self._directions)
        more = {"port": grow, "history": min(each, _HISTORY)}
        return [(column, max(column.width + more.get(column.header, 0), 1)) for column in self._columns if column.rank in chosen]

    def _port(self, line: _Line, width: int) -> Cell:
        name = self._printable(line.rate.port)
        if line.rate.time - line.reset_at >= _RESET_S:
            return self._clip(name, width), _PLAIN
        mark = _RESET if cell_len(name + _RESET) <= width else "!"
        return self._clip(name, width - len(mark)) + mark, _MARK

    def _sparkline(self, direction: str, line: _Line, width: int) -> Cell:
        values = line.highest[direction][-width:]
        top = max((value for value in values if value), default=1)
        # Nothing at all looks different from next to nothing, and both from what is not known.
        steps = (" " if value is None else self._blocks[1 + int(value / top * 6.999) if value else 0] for value in values)
        return "".join(steps), _SPARK

    def _bar(self, direction: str, line: _Line, width: int) -> Cell:
        percent, style = self._load(direction, line)
        full, rest = divmod(-int(-min(percent or 0, 100) * width * 8 // 100), 8)
        return (self._eighths[8] * full + (self._eighths[rest] if rest else "")).ljust(width), style

    def _percent(self, direction: str, line: _Line, width: int) -> Cell:
        percent, style = self._load(direction, line)
        return "-" if percent is None else "<1%" if 0 < percent < 1 else f"{min(percent, 999):.0f}%", style

    def _load(self, direction: str, line: _Line) -> tuple[float | None, Style]:
        speed, bps = self.speeds.get(line.rate.port), getattr(line.rate, f"{direction}_bps")
        percent = 100 * bps / speed if speed and bps is not None else None
        return percent, next(style for limit, style in _LOADS if percent >= limit) if percent else _DIM

    def _printable(self, text: str) -> str:
        """Text of a switch's as this terminal can show it, in as many characters as we count."""
        return (text if text.isprintable() else escape(text)).encode(self._encoding, "backslashreplace").decode(self._encoding)

    def _clip(self, text: str, width: int) -> str:
        """Exactly so wide."""
        return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + self._cut


def _per_second(names: Sequence[str], style: Style, line: _Line, width: int) -> Cell:
    value = _total(line.rate, names)
    return "-" if value is None else human_size(float(value)).removesuffix("bit").strip(), style if value else _DIM


def _total(rate: Any, names: Sequence[str]) -> float | None:
    """What the columns add up to, None when none is known."""
    known = [value for name in names if (value := getattr(rate, name)) is not None]
    return sum(known) if known else None


def _mean(rows: Sequence[Any], name: str) -> float | None:
    known = [(value, row.interval_s) for row in rows if (value := getattr(row, name)) is not None]
    return sum(value * span for value, span in known) / sum(span for _, span in known) if known else None


def _joined(parts: Iterable[str], width: int) -> str:
    """As many of them as fit, one at least."""
    text = ""
    for part in parts:
        longer = f"{text}  {part}" if text else part
        if text and cell_len(longer) > width:
            break
        text = longer
    return text


def _spaced(cells: Iterable[tuple[Cell, int]]) -> list[Cell]:
    """A line of cells, each as wide as its column."""
    return [part for (text, style), width in cells for part in ((" " * (width - cell_len(text)) + text, style), (" ", _PLAIN))][:-1]
