"""What a live table shows, apart from the screen that it is shown on: the rows, their columns, and the orders that they can be in."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from ovstool.terminal.live.cells import Cell, Characters


class Seen(NamedTuple):
    """A row that was measured, and the host that it is of where there are several."""

    host: str | None
    row: Any


class Line(NamedTuple):
    """A row with what is known of it from before: the last values of a field, and when there was something to point out."""

    seen: Seen
    last: Callable[[str, int], Sequence[float | None]]
    marked_at: float

    @property
    def row(self) -> Any:
        return self.seen.row


class Column(NamedTuple):
    header: str
    width: int  # the least
    rank: int  # when the screen is too narrow, the highest ranks are left out
    cell: Callable[[Line, int], Cell]  # of a line and the width
    sorts: Sequence[str] = ()  # the orders that are by this column
    text: Callable[[Seen], str] | None = None  # of a column of text, which is as wide as the longest where there is room
    is_spare: bool = False  # left out, all such but one, before there is no room for a text
    is_history: bool = False  # a column of sparklines, which takes what room is left


class View:
    """What is shown of rows of one kind: these are called ``noun``, and ``nothing`` is said where there are none.

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
        """What a row is known by from one reading to the next."""
        raise NotImplementedError

    def name(self, seen: Seen) -> str:
        """What people call a row, as the switch has it."""
        raise NotImplementedError

    def moment(self, seen: Seen) -> tuple[float, float]:
        """When a row was measured, in Unix time, and over how many seconds."""
        return seen.row.time, seen.row.interval_s

    def is_marked(self, seen: Seen) -> bool:
        """Whether there is something to point out for a while."""
        return False

    def values(self, rows: Iterable[Seen]) -> Iterable[Any]:
        """What the rows are sorted by; None where it is not known."""
        return map(attrgetter(f"row.{self.sort}"), rows)

    def of_host(self, seen: Seen, text: str) -> str:
        return f"{seen.host} {text}" if seen.host else text
