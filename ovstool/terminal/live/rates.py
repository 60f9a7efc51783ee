"""The live table of the rates of ports or of their queues: sparklines, and bars if the link speed is known."""

from collections.abc import Hashable, Iterable, Sequence
from functools import partial
from typing import Any

from ovstool.rates import QueueRate, Rate
from ovstool.terminal.live.cells import BAD, BOLD, DIM, MARK, PLAIN, SPARK, Cell, Characters, Style, cell_len
from ovstool.terminal.live.view import Column, Line, Seen, View
from ovstool.units import human_size

_RESET, _RESET_S = " reset", 5.0  # shown after the name, and for how long
_SPEED, _BAR = 1, 4  # ranks of the columns that need the link speed
_LOADS = ((90, Style(color="red")), (70, Style(color="yellow")), (0, Style(color="green")))  # thresholds in percent


class RatesView(View):
    enter = "qos explain"

    def __init__(self, rate_class: type[Rate] | type[QueueRate], sort: str | None, descending: bool, characters: Characters):
        names = rate_class._fields
        self.noun = "queue" if "queue" in names else "port"
        self._directions = [name for name in ("rx", "tx") if f"{name}_bps" in names]
        self.histories = [f"{name}_bps" for name in self._directions]
        self.rates = [name for name in names if name.endswith("ps")]
        both = ["rx+tx"] if len(self._directions) > 1 else []
        super().__init__([*both, *(name for name in names if name not in ("time", "interval_s"))], sort, descending, characters)
        self.sort = sort or (*both, "tx_bps")[0]

    def key(self, seen: Seen) -> Hashable:
        if self.noun == "queue":
            return seen.host, seen.row.port, seen.row.queue
        return (seen.host, seen.row.port) if seen.host else seen.row.port

    def name(self, seen: Seen) -> str:
        return self.of_host(seen, seen.row.port)

    def is_marked(self, seen: Seen) -> bool:
        return seen.row.reset

    def values(self, rows: Iterable[Seen]) -> Iterable[Any]:
        if self.sort == "rx+tx":
            return [_sum(row.rx_bps, row.tx_bps) for _, row in rows]
        return map(self.name, rows) if self.sort == "port" else super().values(rows)

    def columns(self) -> list[Column]:
        """The columns; those for link load only if a link speed is known."""
        columns = [Column("port", 14, 0, self._port, ["port"], lambda seen: self.name(seen) + _RESET)]
        if self.noun == "queue":
            columns.append(Column("queue", 10, 0, lambda line, _: (str(line.row.queue), PLAIN), ["queue"]))
        for direction in self._directions:
            columns += self._columns_of(direction)
        for direction in self._directions:
            name = f"{direction}_pps"
            columns.append(Column(f"{direction} pkt/s", 8, 5, partial(per_second, [name], PLAIN), [name]))
        for header, what in () if self.noun == "queue" else (("drops/s", "dropped"), ("errors/s", "errors")):
            names = [f"rx_{what}_ps", f"tx_{what}_ps"]
            columns.append(Column(header, 8, 2, partial(per_second, names, BAD), names))
        is_known = any(any(speeds.values()) for speeds in self.link_speeds.values())
        return [column for column in columns if is_known or column.rank not in (_SPEED, _BAR)]

    def _columns_of(self, direction: str) -> list[Column]:
        name = f"{direction}_bps"
        return [
            Column(f"{direction} bit/s", 8, 0, partial(per_second, [name], BOLD), [name, "rx+tx"], is_spare=True),
            Column("history", 8, 3, partial(self._sparkline, name), is_history=True),
            Column("", 6, _BAR, partial(self._bar, direction)),
            Column(f"{direction} %", 4, _SPEED, partial(self._percent, direction)),
        ]

    def _port(self, line: Line, width: int) -> Cell:
        name, clip = self.characters.printable(self.name(line.seen)), self.characters.clip
        if line.row.time - line.marked_at >= _RESET_S:
            return clip(name, width), PLAIN
        mark = _RESET if cell_len(name + _RESET) <= width else "!"
        return clip(name, width - len(mark)) + mark, MARK

    def _sparkline(self, name: str, line: Line, width: int) -> Cell:
        return self.characters.sparkline(line.last(name, width)), SPARK

    def _bar(self, direction: str, line: Line, width: int) -> Cell:
        percent, style = self._load(direction, line)
        return self.characters.bar(percent or 0, width), style

    def _percent(self, direction: str, line: Line, width: int) -> Cell:
        percent, style = self._load(direction, line)
        return "-" if percent is None else "<1%" if 0 < percent < 1 else f"{min(percent, 999):.0f}%", style

    def _load(self, direction: str, line: Line) -> tuple[float | None, Style]:
        speed, bps = self.link_speeds.get(line.seen.host, {}).get(line.row.port), getattr(line.row, f"{direction}_bps")
        percent = 100 * bps / speed if speed and bps is not None else None
        return percent, next(style for limit, style in _LOADS if percent >= limit) if percent else DIM


def per_second(names: Sequence[str], style: Style, line: Line, width: int) -> Cell:
    value = total(line.row, names)
    return "-" if value is None else human_size(float(value)).removesuffix("bit").strip(), style if value else DIM


def total(row: Any, names: Iterable[str]) -> float | None:
    """The sum of the fields, None if none is known."""
    known = [value for name in names if (value := getattr(row, name)) is not None]
    return sum(known) if known else None


def _sum(rx: float | None, tx: float | None) -> float | None:
    return rx + tx if rx is not None and tx is not None else tx if rx is None else rx
