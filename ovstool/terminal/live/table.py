"""A live table on a screen of any size: its head, the columns that fit, rows and key hints; and the keys."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from ovstool.errors import OvstoolError, of_a_bug, of_the_machine
from ovstool.pace import Pace
from ovstool.terminal.live.cells import BOLD, BOLD_REVERSE, DIM, MARK, REVERSE, Cell, cell_len, joined, spaced
from ovstool.terminal.live.order import Order
from ovstool.terminal.live.page import Key, Page, help_page
from ovstool.terminal.live.readings import HISTORY, Readings, State
from ovstool.terminal.live.view import Column, Seen, View

_LEAST_TEXT = 6  # characters of a name that are of any use
_LOW = 8  # lines; a lower screen has no room for explanations
_MOVES = ("up", "down", "page up", "page down", "home", "end")
_IN_SHORT = ("q quit", "? help", "/ filter", "enter {enter}", "s sort", "r reverse", "space pause", "+/- interval")


class Table:
    """The table of a view. All methods but ``note`` belong to one thread, which ``wake`` wakes when there is something to draw.

    ``details`` returns the page of a row, as lines; it may be slow, and raise OvstoolError.
    """

    def __init__(
        self,
        view: View,
        title: str,
        has_keyboard: bool,
        pace: Pace | None = None,
        details: Callable[[Seen], Iterable[str]] | None = None,
    ):
        self.view = view
        self.note = ""
        self.wake: Callable[[], None] = lambda: None
        self._title, self._has_keyboard, self._pace, self._details = title, has_keyboard, pace, details
        self._readings = Readings(view)
        self._paused: State | None = None
        self._order = Order(view)
        self._is_typing = False
        self._page: Page | None = None
        self._longest: tuple[State | None, list[int]] = None, []  # texts of the columns that have some
        self.keys = self._all_keys()
        self._acts = {name: key.act for key in self.keys for name in key.names}

    def take(self, samples: Sequence[Sequence[Seen]]) -> None:
        self._readings.take(samples)

    def press(self, key: str) -> bool:
        """Handle a key; False if it ends the view."""
        if self._page:
            if key == "q" and not self._page.any_key_leaves:
                return False
            self._page = self._page if self._page.press(key) else None
            return True
        if self._is_typing and key not in _MOVES:
            self._type(key)
            return True
        # Several keys may be pressed between two drawings, and each applies to the result of the one before.
        self._order.update(self._state, self._order.scroll.room)
        if act := self._acts.get(key):
            act()
        return key != "q"

    def lines(self, width: int, height: int) -> list[list[Cell]]:
        """The contents of a screen of this size."""
        if self._page and self._page.failure:
            self.note, self._page = self._page.failure, None
        return self._page.lines(width, height) if self._page else self._table_lines(width, height)

    @property
    def _state(self) -> State:
        return self._paused or self._readings.now

    # --- what is drawn

    def _table_lines(self, width: int, height: int) -> list[list[Cell]]:
        columns = self._fitting(width)
        bottom = self._bottom(columns, width, height)
        room = max(height - 2 - len(bottom), 0)
        shown = self._order.update(self._state, room)
        body = []
        for place, key in enumerate(shown, self._order.scroll.top):
            line = self._state.line(key)
            cells = spaced((column.cell(line, wide), wide) for column, wide in columns)
            body.append(_highlighted(cells, width) if self._has_keyboard and place == self._order.index else cells)
        if not shown and room:
            body.append([(self._clip(self._nothing(), width), DIM)])
        titles = [(column.header.ljust(wide if column.text else 0), column.sorts, wide) for column, wide in columns]
        top = [
            [(self._clip(self._head(width), width), REVERSE)],
            spaced(((title, BOLD_REVERSE if self.view.sort in sorts else BOLD), wide) for title, sorts, wide in titles),
        ]
        return [*top, *body, *[[] for _ in range(room - len(body))], *bottom][:height]

    def _head(self, width: int) -> str:
        """The title line; on a narrow screen the time is left out first, then the order."""
        state, order = self._state, self._order
        how_many = order.scroll.position() or len(order.keys)
        which = f" with {self.view.characters.printable(order.filter)!r}" if order.filter else ""
        parts = [*(["PAUSED"] if self._paused else []), self.view.characters.printable(self._title)]
        moment = [time.strftime("%H:%M:%S", time.localtime(state.time)), f"every {state.interval_s:.3f} s"] if state.interval_s else []
        count = [f"{how_many} {self.view.noun}{'s' * (how_many != 1)}{which}"]
        by = [f"by {self.view.sort}, {'descending' if self.view.descending else 'ascending'}"]
        for whole in ([*parts, *moment, *count, *by], [*parts, *count, *by], [*parts, *count]):
            if cell_len("  ".join(whole)) <= width:
                return "  ".join(whole)
        return joined([*count, *parts], width)

    def _nothing(self) -> str:
        if self._order.filter:
            return f"no {self.view.noun} has {self.view.characters.printable(self._order.filter)!r} in its {self.view.found_by}"
        return self.view.nothing if self._state.readings else ""

    def _bottom(self, columns: Sequence[tuple[Column, int]], width: int, height: int) -> list[list[Cell]]:
        state, printable = self._state, self.view.characters.printable
        lines = [[(self._clip(printable(self.note), width), MARK)]] if self.note else []
        if height >= _LOW and state.interval_s and any(column.is_history for column, _ in columns):
            caption = f"history: each bar is one reading, {state.interval_s:.3f} s"
            if state.readings > 1:
                span = f"{state.readings} readings, {state.readings * state.interval_s:.3f} s"
                caption = f"rates: mean of {span}; history: each bar is the highest of them"
            lines.append([(self._clip(caption, width), DIM)])
        if self._is_typing:
            text = f"/{printable(self._order.filter)}"
            while cell_len(text) > max(width - 1, 0):  # keeps the end of the text visible
                text = text[1:]
            lines.append([(self._clip(text, width - 1), BOLD), (" ", REVERSE)])
        elif height >= _LOW and self._has_keyboard:
            lines.append([(joined((key.format(enter=self.view.enter) for key in _IN_SHORT), width), DIM)])
        return lines

    def _fitting(self, width: int) -> list[tuple[Column, int]]:
        """The columns that fit, and their widths: rank by rank, then what is left over for long texts, then for sparklines."""
        columns = self._readable(width)
        room, chosen = width + 1, list[Column]()
        for rank in sorted({column.rank for column in columns}):
            ranked = [column for column in columns if column.rank == rank]
            wanted = sum(column.width + 1 for column in ranked)
            if rank and wanted > room:
                break
            room -= wanted
            chosen += ranked
        more = self._grown([column for column in columns if column in chosen and column.text], room)
        room = max(room - sum(more.values()), 0)
        histories = sum(column.is_history for column in chosen)
        sizes = {column.header: column.width + more.get(column.header, 0) for column in chosen}
        sparkline = min(room // max(histories, 1), HISTORY)
        return [(c, max(sizes[c.header] + sparkline * c.is_history, 1)) for c in columns if c in chosen]

    def _readable(self, width: int) -> list[Column]:
        """The columns, without some that would leave no room for a text; the one that is sorted by stays."""
        columns = self.view.columns()
        spare = [column for column in columns if column.is_spare]
        spare.sort(key=lambda column: self.view.sort in column.sorts, reverse=True)
        least = [min(column.width, _LEAST_TEXT) if column.text else column.width for column in columns if column.rank == 0]
        missing = sum(least) + len(least) - 1 - width
        for column in spare[1:] if missing > 0 else ():
            columns.remove(column)
        return columns

    def _grown(self, columns: Sequence[Column], room: int) -> dict[str, int]:
        """How much wider columns of text become: up to the longest text, in equal parts. Less than nothing on a very narrow screen."""
        wanted = {column.header: max(longest - column.width, 0) for column, longest in zip(columns, self._measured(columns), strict=True)}
        grown = {}
        for left, header in zip(range(len(wanted), 0, -1), sorted(wanted, key=wanted.__getitem__), strict=True):
            grown[header] = min(wanted[header], room // left) if room > 0 else room // left
            room -= grown[header]
        return grown

    def _measured(self, columns: Sequence[Column]) -> list[int]:
        """The longest text of each; those of ten thousand rows are not measured for every key."""
        state, known = self._longest
        if state is not self._state or len(known) != len(columns):
            rows = self._state.rows.values()
            known = [self.view.characters.longest(list(map(column.text, rows))) for column in columns if column.text]
            self._longest = self._state, known
        return known

    def _clip(self, text: str, width: int) -> str:
        return self.view.characters.clip(text, width)

    # --- what keys do

    def _all_keys(self) -> list[Key]:
        order, view = self._order, self.view
        details = [Key(("enter",), f"{view.enter} of the selected row; esc or enter returns", self._open_details)]
        pace = [
            Key(("+",), "a longer interval between readings", lambda: self._say(self._pace.longer() if self._pace else "")),
            Key(("-",), "a shorter interval, if the source allows it", lambda: self._say(self._pace.shorter() if self._pace else "")),
        ]
        return [
            Key(("up", "k"), "select the row above", partial(order.move, -1)),
            Key(("down", "j"), "select the row below", partial(order.move, 1)),
            Key(("page up",), "one screen up", partial(order.page, -1)),
            Key(("page down",), "one screen down", partial(order.page, 1)),
            Key(("home", "g"), "the first row, even when the order changes", partial(order.select, 0)),
            Key(("end", "G"), "the last row", lambda: order.select(len(order.keys) - 1)),
            *(details if self._details else []),
            Key(("/",), f"filter by text in the {view.found_by}; enter keeps it, esc clears it", self._begin_filter),
            Key(("esc",), "clear the filter", partial(self._set_filter, "")),
            Key(("s", "right"), "sort by the next column", partial(self._sort, 1)),
            Key(("left",), "sort by the previous column", partial(self._sort, -1)),
            Key(("r",), "reverse the order", self._reverse),
            Key((" ",), "pause or resume", self._pause),
            *(pace if self._pace else []),
            Key(("?",), "this page", self._open_help),
            Key(("q",), "quit", lambda: None),
        ]

    def _type(self, key: str) -> None:
        text = self._order.filter
        if key in ("enter", "esc"):
            self._is_typing = False
            self._set_filter(text if key == "enter" else "")
        elif key in ("backspace", "ctrl-u"):
            self._set_filter(text[:-1] if key == "backspace" else "")
        elif len(key) == 1 and key.isprintable():
            self._set_filter(text + key)

    def _begin_filter(self) -> None:
        self._is_typing = True

    def _set_filter(self, text: str) -> None:
        self._order.filter = text

    def _sort(self, step: int) -> None:
        orders = self.view.orders
        self.view.sort = orders[(orders.index(self.view.sort) + step) % len(orders)]
        self._order.sort_anew()

    def _reverse(self) -> None:
        self.view.descending = not self.view.descending
        self._order.sort_anew()

    def _pause(self) -> None:
        self._paused = self._readings.now if self._paused is None else None

    def _say(self, text: str) -> None:
        self.note = text

    def _open_help(self) -> None:
        more = ["While you type a filter, the arrow and page keys still work. Ctrl-C quits too, Ctrl-Z suspends until fg."]
        self._page = help_page(self.keys, more, self.view.characters)

    def _open_details(self) -> None:
        """Show the page of the selected row, which a separate thread requests."""
        if (key := self._order.selected) is None:
            return
        seen = self._state.rows[key]
        page = self._page = Page(f"{self.view.enter} {self.view.name(seen)}", ["..."], self.view.characters)
        threading.Thread(target=self._ask, args=(seen, page), daemon=True).start()

    def _ask(self, seen: Seen, page: Page) -> None:
        try:
            page.text = list(self._details(seen) if self._details else ())
        except OvstoolError as error:
            page.failure = str(error)
        except Exception as error:
            page.failure = of_the_machine(error) or of_a_bug(error)
        self.wake()


def _highlighted(cells: Sequence[Cell], width: int) -> list[Cell]:
    """A whole line in reverse video."""
    rest = width - sum(cell_len(text) for text, _ in cells)
    return [*((text, style + REVERSE) for text, style in cells), (" " * max(rest, 0), REVERSE)]
