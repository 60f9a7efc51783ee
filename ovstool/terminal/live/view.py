"""The contents of a live table, independent of the screen: the rows, their columns and sort orders."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from ovstool.terminal.live.cells import Cell, Characters


class Seen(NamedTuple):
    """A measured row, and its host if there are several."""

    host: str | None
    row: Any


class Line(NamedTuple):
    """A row with its history: the recent values of a field, and when it was last marked."""

    seen: Seen
    last: Callable[[str, int], Sequence[float | None]]
    marked_at: float

    @property
    def row(self) -> Any:
        return self.seen.row


class Column(NamedTuple):
    header: str
    width: int  # the minimum
    rank: int  # if the screen is too narrow, the highest ranks are left out
    cell: Callable[[Line, int], Cell]  # of a line and the width
    sorts: Sequence[str] = ()  # the sort orders of this column
    text: Callable[[Seen], str] | None = None  # for a column of text, which is as wide as its longest text if there is room
    is_spare: bool = False  # all such columns but one are left out before a text gets no room
    is_history: bool = False  # a column of sparklines, which takes the remaining room


class View:
    """The view of one kind of rows: these are called ``noun``, and ``nothing`` is the message if there are none.

    ``histories`` are the fields that have sparklines, ``rates`` those of which several readings have a mean. ``enter`` is what the Enter
    key shows of a row, ``found_by`` what the filter is looked for in.
    """

    noun = "row"
    nothing = ""
    enter = ""
    found_by = "name"
    histories: Sequence[str] = ()
    rates: Sequence[str] = ()

    def __init__(self, orders: Sequence[str], sort: str | None, descending: bool, characters: Characters):
        self.sort = sort or orders[0]
        self.orders = [*orders, *([] if self.sort in orders else [self.sort])]
        self.descending = descending
        self.characters = characters
        self.link_speeds: dict[str | None, Mapping[str, int]] = {}  # in bit/s, by host and port

    def columns(self) -> list[Column]:
        raise NotImplementedError

    def key(self, seen: Seen) -> Hashable:
        """The key that identifies a row in each reading."""
        raise NotImplementedError

    def name(self, seen: Seen) -> str:
        """The name of a row, as the switch reports it."""
        raise NotImplementedError

    def moment(self, seen: Seen) -> tuple[float, float]:
        """When a row was measured, in Unix time, and over which interval in seconds."""
        return seen.row.time, seen.row.interval_s

    def is_marked(self, seen: Seen) -> bool:
        """Whether the row is to be marked for a while."""
        return False

    def values(self, rows: Iterable[Seen]) -> Iterable[Any]:
        """The sort keys of the rows; None if unknown."""
        return map(attrgetter(f"row.{self.sort}"), rows)

    def of_host(self, seen: Seen, text: str) -> str:
        return f"{seen.host} {text}" if seen.host else text
