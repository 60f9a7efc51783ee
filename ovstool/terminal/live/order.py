"""The visible rows of a live table: their order, the filter, the part on the screen, and the selected row."""

import time
from collections.abc import Hashable, Sequence

from ovstool.terminal.live.page import Scroll
from ovstool.terminal.live.readings import State
from ovstool.terminal.live.view import View

_ORDER_S = 1.0  # rows that move more often cannot be read
_LONG_AGO = float("-inf")


class Order:
    """The rows that are shown, by key. ``filter`` is a text that each name contains, ignoring case."""

    def __init__(self, view: View):
        self.filter = ""
        self.keys: Sequence[Hashable] = ()  # as last drawn
        self.index = 0  # of the row that is selected
        self.scroll = Scroll()
        self._view = view
        self._selected: Hashable = None  # None: always the first row
        self._sorted_state: State | None = None  # the state that ``_sorted`` belongs to
        self._other_state: State | None = None  # a later state with the same rows, sorted later
        self._sorted: list[Hashable] = []
        self._sorted_at = _LONG_AGO
        self._found: tuple[list[Hashable] | None, str] = None, ""  # the order and filter that ``keys`` belongs to

    def update(self, state: State, room: int) -> Sequence[Hashable]:
        """Sort, filter and scroll; returns the keys of the rows that fit on the screen."""
        if state is not self._sorted_state or self._sorted_at == _LONG_AGO:
            self._sort(state)
        if self._found[0] is not self._sorted or self._found[1] != self.filter:
            self.keys = self._filtered(state)
            self._found = self._sorted, self.filter
        self._find_selected()
        self.scroll.top = min(max(self.scroll.top, self.index - room + 1), self.index)
        seen = self.scroll.fit(len(self.keys), room)
        return self.keys[seen.start : seen.stop]

    def sort_anew(self) -> None:
        """Sort for the next drawing, even if the last sort was recent."""
        self._sorted_at = _LONG_AGO

    def move(self, step: int) -> None:
        self.select(self.index + step)

    def page(self, screens: int) -> None:
        """Move by one screen, less a row for orientation."""
        step = screens * max(self.scroll.room - 1, 1)
        self.scroll.top += step
        self.move(step)

    def select(self, index: int) -> None:
        """Select the row at this index; index 0 means always the first row, even when the order changes."""
        self.index = max(min(index, len(self.keys) - 1), 0)
        self._selected = self.keys[self.index] if self.index else None

    @property
    def selected(self) -> Hashable:
        return self.keys[self.index] if self.keys else None

    def _sort(self, state: State) -> None:
        now = time.monotonic()
        if now - self._sorted_at < _ORDER_S and (state is self._other_state or state.rows.keys() == set(self._sorted)):
            self._other_state = state
            return
        self._sorted_at, self._sorted_state = now, state
        values = dict(zip(state.rows, self._view.values(state.rows.values()), strict=True))
        known = [key for key, value in values.items() if value is not None]
        known.sort(key=values.__getitem__, reverse=self._view.descending)
        self._sorted = known + [key for key, value in values.items() if value is None]

    def _filtered(self, state: State) -> Sequence[Hashable]:
        if not self.filter:
            return self._sorted
        text, name = self.filter.casefold(), self._view.name
        return [key for key in self._sorted if text in name(state.rows[key]).casefold()]

    def _find_selected(self) -> None:
        """Keep the row selected wherever it moves; if it is gone, select the one in its place."""
        if self._selected is None:
            self.index = 0
        elif self.index >= len(self.keys) or self.keys[self.index] != self._selected:
            try:
                self.index = self.keys.index(self._selected)
            except ValueError:
                self.select(self.index)
