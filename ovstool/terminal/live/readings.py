"""The readings of a live table: the current rows, and the recent values for the sparklines."""

from array import array
from collections import deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import chain
from math import isnan, nan
from operator import attrgetter
from typing import Any, NamedTuple

from ovstool.terminal.live.view import Line, Seen, View

HISTORY = 128  # maximum columns of a sparkline
_SPARE = 1000  # removed rows that may keep their place

Place = Mapping[Hashable, int]


class State(NamedTuple):
    """The data to show; immutable, so a paused table only has to keep it."""

    rows: Mapping[Any, Seen] = {}
    marks: Mapping[Any, float] = {}  # when there was something to point out
    places: Place = {}  # of a row in each array
    columns: Sequence[Mapping[str, array]] = ()  # of sparklines, the newest last: the values of all rows, by field; nan is unknown
    time: float = 0.0
    interval_s: float = 0.0  # between readings
    readings: int = 0  # that the numbers are the mean of

    def line(self, key: Hashable) -> Line:
        """A row for one drawing."""
        return Line(self.rows[key], lambda name, count: list(self._last(key, name, count)), self.marks.get(key, float("-inf")))

    def _last(self, key: Hashable, name: str, count: int) -> Iterator[float | None]:
        place = self.places[key]
        for column in self.columns[-count:]:
            values = column[name]
            value = values[place] if place < len(values) else nan
            yield None if isnan(value) else value


class Readings:
    """Collects readings as they arrive; ``now`` is the resulting state."""

    def __init__(self, view: View):
        self._view = view
        self._columns: deque[Mapping[str, array]] = deque(maxlen=HISTORY)
        self._places: dict[Hashable, int] = {}
        self.now = State()

    def take(self, samples: Sequence[Sequence[Seen]]) -> None:
        """Add all readings since the last call: numbers are their mean, a column of a sparkline is their maximum."""
        view = self._view
        last = samples[-1]  # rows missing from it are gone
        rows = dict(zip(map(view.key, last), last, strict=True))
        if len(samples) == 1:
            highest = {name: list(map(attrgetter(f"row.{name}"), rows.values())) for name in view.histories}
        else:
            rows, highest = self._joined(rows, samples)
        marks = {key: at for key, at in self.now.marks.items() if key in rows}
        marks |= {view.key(seen): view.moment(seen)[0] for seen in chain(*samples) if view.is_marked(seen)}
        self._add_column(list(rows), highest)
        if moments := [view.moment(sample[0]) for sample in samples if sample]:
            interval_s = sum(span_s for _, span_s in moments) / len(moments)
            self.now = State(rows, marks, self._places, tuple(self._columns), moments[-1][0], interval_s, len(moments))
        else:
            self.now = self.now._replace(rows=rows, readings=1)

    def _joined(
        self, rows: dict[Hashable, Seen], samples: Sequence[Sequence[Seen]]
    ) -> tuple[dict[Hashable, Seen], dict[str, list[float | None]]]:
        """The mean and the maximum of several readings."""
        by_key: dict[Hashable, list[Any]] = {key: [] for key in rows}
        for seen in chain(*samples):
            if (measured := by_key.get(self._view.key(seen))) is not None:
                measured.append(seen.row)
        means = {
            key: rows[key]._replace(row=of[-1]._replace(**{name: _mean(of, name) for name in self._view.rates}))
            for key, of in by_key.items()
        }
        return means, {name: [_highest(of, name) for of in by_key.values()] for name in self._view.histories}

    def _add_column(self, keys: list[Hashable], highest: Mapping[str, Sequence[float | None]]) -> None:
        if keys != list(self._places):
            self._make_places(keys)
        in_order = keys == list(self._places)
        column = {}
        for name, values in highest.items():
            known = array("f", [nan if value is None else value for value in values])
            column[name] = known if in_order else array("f", [nan]) * len(self._places)
            for key, value in () if in_order else zip(keys, known, strict=True):
                column[name][self._places[key]] = value
        self._columns.append(column)

    def _make_places(self, keys: list[Hashable]) -> None:
        """A place for each row; if most places belong to removed rows, all are reassigned."""
        new = [key for key in keys if key not in self._places]
        places = self._places | {key: place for place, key in enumerate(new, len(self._places))}
        if len(places) > 2 * len(keys) + _SPARE:
            kept = [places[key] for key in keys]
            places = {key: number for number, key in enumerate(keys)}
            moved = [
                {name: array("f", [of[at] if at < len(of) else nan for at in kept]) for name, of in column.items()}
                for column in self._columns
            ]
            self._columns = deque(moved, HISTORY)
        self._places = places  # another one: a paused state keeps the one before


def _mean(rows: Sequence[Any], name: str) -> float | None:
    known = [(value, row.interval_s) for row in rows if (value := getattr(row, name)) is not None]
    return sum(value * span for value, span in known) / sum(span for _, span in known) if known else None


def _highest(rows: Sequence[Any], name: str) -> float | None:
    return max((value for row in rows if (value := getattr(row, name)) is not None), default=None)
