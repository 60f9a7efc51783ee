"""What switches answered, as values: an Answer from each host, and how those of several become one table (pure)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ovstool.switch import Finding

if TYPE_CHECKING:
    from ovstool.host.address import Target


class Table(NamedTuple):
    """Rows, each a dataclass or a tuple, in the order of ``columns``."""

    columns: Sequence[str]
    rows: Iterable[Any]


@dataclass(frozen=True)
class Answer:
    """What the switch on one host answers: the ``result`` of a command's function, and what is said beside it.

    ``target`` is where the switch is, None for this machine; ``host`` is its name where several are asked, else None. ``notes``, ``found``
    and ``planned`` are those of the Switch, which adds to them while it is asked: they are there before the result, and without one.
    """

    target: "Target | None" = None
    host: str | None = None
    result: Any = None
    notes: list[str] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)
    planned: list[dict] = field(default_factory=list)

    def held(self) -> "Answer":
        """The answer with all its rows, of which some may still be coming."""
        return replace(self, result=list(self.result)) if isinstance(self.result, Iterator) else self

    def samples(self) -> Iterator["Answer"]:
        """What the result yields, an answer each, with what was said since the one before."""
        for result in self.result:
            yield replace(self, result=result, notes=_taken(self.notes), found=_taken(self.found))


def one_table(tables: Sequence[tuple[str | None, Table]]) -> Table:
    """The tables of all hosts as one with a column ``host``; a host that lacks a column of another has None there.

    The table of the only switch that was asked, whose host is None, stays as it is, and its rows may still be coming.
    """
    if tables[0][0] is None:
        (_, table), *_ = tables
        return Table(table.columns, map(cells, table.rows))
    columns = list(dict.fromkeys(column for _, table in tables for column in table.columns))
    rows = []
    for host, table in tables:
        for row in table.rows:
            by_column = dict(zip(table.columns, cells(row), strict=True))
            rows.append([host, *map(by_column.get, columns)])
    return Table(["host", *columns], rows)


def cells(row: Any) -> Sequence[Any]:
    """The values of a row, as JSON has them."""
    return row if isinstance(row, (list, tuple)) else [plain(getattr(row, f.name)) for f in fields(row)]


def plain(value: Any) -> Any:
    """A value as JSON has it: dataclasses become objects, tuples lists."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _taken(said: list) -> list:
    taken = said.copy()
    said.clear()
    return taken
