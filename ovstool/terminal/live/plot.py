"""Rolling charts of port rates: a panel for each port and direction, a column for each reading, the newest on the right."""

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from ovstool import units
from ovstool.pace import Pace
from ovstool.terminal.live.cells import DIM, MARK, REVERSE, Cell, Characters, Style, joined
from ovstool.terminal.live.page import Key, Page, Scroll, help_page
from ovstool.terminal.live.view import Seen
from ovstool.terminal.plots.pictures import DIRECTIONS, Span, clock, summary
from ovstool.terminal.plots.plot_text import MARGIN, Paper, cell, nice, paper

MOST_PORTS = 8
_WIDEST = 1000  # readings kept; no screen shows more
_LOWEST, _HIGHEST = 2, 8  # lines of a panel
_NARROW = 48  # characters; a narrower screen has no room for an axis
_STYLES = {"rx": Style(color="cyan"), "tx": Style(color="yellow")}


class _Column(NamedTuple):
    """The readings of one moment, or of several between two drawings: the rates of each port, None at a reset or if not counted."""

    begin: float
    end: float
    spans: Mapping[Hashable, Mapping[str, Span | None]]
    resets: frozenset[Hashable]


class Plot:
    """The charts on a screen of any size, and their keys."""

    def __init__(self, title: str, packets: bool, characters: Characters, has_keyboard: bool, pace: Pace):
        self.note = ""
        self.wake: Callable[[], None] = lambda: None
        self._title, self._characters, self._has_keyboard = title, characters, has_keyboard
        self._unit, self._field = ("packets/s", "pps") if packets else ("bit/s", "bps")
        self._columns: deque[_Column] = deque(maxlen=_WIDEST)
        self._paused: Sequence[_Column] | None = None
        self._scroll = Scroll()
        self._page: Page | None = None
        self.keys = [
            Key((" ",), "pause or resume", self._pause),
            Key(("+",), "a longer interval between readings", lambda: self._say(pace.longer())),
            Key(("-",), "a shorter interval, if the source allows it", lambda: self._say(pace.shorter())),
            Key(("up", "k", "page up", "home", "g"), "scroll up", lambda: None),
            Key(("down", "j", "page down", "end", "G"), "scroll down", lambda: None),
            Key(("?",), "this page", self._open_help),
            Key(("q",), "quit", lambda: None),
        ]
        self._acts = {name: key.act for key in self.keys for name in key.names}

    def take(self, samples: Sequence[Sequence[Seen]]) -> None:
        """Add all readings since the last call, as one column."""
        by_port: dict[Hashable, list[Any]] = {}
        for seen in chain(*samples):
            by_port.setdefault((seen.host, seen.row.port), []).append(seen.row)
        if not by_port:
            return
        every = list(chain(*by_port.values()))
        begin, end = min(row.time - row.interval_s for row in every), max(row.time for row in every)
        spans = {port: {way: self._span(rows, way) for way in DIRECTIONS} for port, rows in by_port.items()}
        resets = frozenset(port for port, rows in by_port.items() if any(row.reset for row in rows))
        self._columns.append(_Column(begin, end, spans, resets))

    def press(self, key: str) -> bool:
        """Handle a key; False if it ends the view."""
        if self._page:
            self._page = self._page if self._page.press(key) else None
            return True
        if not self._scroll.press(key) and (act := self._acts.get(key)):
            act()
        return key != "q"

    def lines(self, width: int, height: int) -> list[list[Cell]]:
        """The contents of a screen of this size."""
        if self._page:
            return self._page.lines(width, height)
        columns = self._columns if self._paused is None else self._paused
        bottom = self._bottom(width)
        charts = self._charts(columns, width, max(height - 1 - len(bottom), 0))
        seen = self._scroll.fit(len(charts), max(height - 1 - len(bottom), 0))
        body = charts[seen.start : seen.stop]
        blank: list[list[Cell]] = [[] for _ in range(height - 1 - len(bottom) - len(body))]
        head = joined(self._head(columns), width)
        return [[(self._characters.clip(head, width), REVERSE)], *body, *blank, *bottom][:height]

    def _head(self, columns: Sequence[_Column]) -> list[str]:
        parts = [*(["PAUSED"] if self._paused is not None else []), self._characters.printable(self._title)]
        if columns:
            parts.append(f"every {columns[-1].end - columns[-1].begin:.3f} s")
        return parts + ([f"lines {self._scroll.position()}"] if self._scroll.position() else [])

    def _bottom(self, width: int) -> list[list[Cell]]:
        clip = self._characters.clip
        lines = [[(clip(self._characters.printable(self.note), width), MARK)]] if self.note else []
        keys = ("q quit", "? help", "space pause", "+/- interval", "up/down scroll")
        return [*lines, [(clip(joined(keys, width), width), DIM)]] if self._has_keyboard else lines

    def _charts(self, columns: Sequence[_Column], width: int, height: int) -> list[list[Cell]]:
        """A panel for each port and direction, as high as all fit, and the line of times below them."""
        if not columns:
            return []
        ports = list(dict.fromkeys(port for column in columns for port in column.spans))
        panel_height = min(max((height - 1) // (2 * len(ports)) - 1, _LOWEST), _HIGHEST)
        margin = MARGIN + 2 if width >= _NARROW else 0
        sheet = paper(width, panel_height, self._characters.is_plain, False)
        drawn = list(columns)[-max(width - margin, 1) :]
        lines = [line for port in ports for way in DIRECTIONS for line in self._panel(drawn, port, way, sheet, margin)]
        room = max(width - margin, 1)
        begin, end = clock(drawn[0].begin, "%H:%M:%S"), clock(drawn[-1].end, "%H:%M:%S")
        times = f"{begin}{end:>{len(drawn) - len(begin)}}" if len(drawn) >= 2 * len(end) else end
        return [*lines, [(" " * margin + f"{times:>{room}}"[-room:], DIM)]]

    def _panel(self, columns: Sequence[_Column], port: Any, way: str, sheet: Paper, margin: int) -> list[list[Cell]]:
        clip, name = self._characters.clip, self._characters.printable(" ".join(filter(None, port)))
        spans = [column.spans[port][way] if port in column.spans else None for column in columns]
        known = [span for span in spans if span]
        top = nice(max((span.high for span in known), default=0))
        now = f"now {units.human(spans[-1].mean, self._unit)}, " if spans[-1] else ""
        lines = [[(clip(f"{name} {way}   {now}{summary(known, self._unit)}", sheet.width), _STYLES[way])]]
        factor, prefix = units.scale(top)
        labels = {sheet.height - 1: f"{top / factor:g} {prefix}{self._unit}", 0: "0"}
        room = max(sheet.width - margin, 1)
        for row in reversed(range(sheet.height)):
            marks = [
                "R" if row == 0 and port in column.resets else cell(span, row, top, sheet)
                for column, span in zip(columns, spans, strict=True)
            ]
            label = f"{labels.get(row, ''):>{MARGIN}} {sheet.frame.left}" if margin else ""
            lines.append([(label, DIM), (f"{''.join(marks):>{room}}", _STYLES[way])])
        return lines

    def _span(self, rows: Sequence[Any], way: str) -> Span | None:
        """The mean and the highest of the rates of a port."""
        rates = [(getattr(row, f"{way}_{self._field}"), row.interval_s, row.time) for row in rows]
        known = [(rate, span_s, end) for rate, span_s, end in rates if rate is not None]
        if not known:
            return None
        mean = sum(rate * span_s for rate, span_s, _ in known) / sum(span_s for _, span_s, _ in known)
        values = [rate for rate, _, _ in known]
        return Span(known[0][2] - known[0][1], known[-1][2], mean, min(values), max(values))

    def _pause(self) -> None:
        self._paused = list(self._columns) if self._paused is None else None

    def _say(self, text: str) -> None:
        self.note = text

    def _open_help(self) -> None:
        more = [
            "A column is one reading, or the mean of several; a light block reaches up to the highest of them.",
            "R: counters were reset.",
        ]
        self._page = help_page(self.keys, more, self._characters)
