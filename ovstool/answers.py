"""What switches answered, as values: an Answer from each host, and how those of several become one table (pure)."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ovstool.host import CommandLine
from ovstool.switch import Finding

if TYPE_CHECKING:
    from ovstool.host.address import Target


class Table(NamedTuple):
    """Rows, each a tuple of values as JSON has them, in the order of ``columns``."""

    columns: Sequence[str]
    rows: Iterable[Any]


class Answer(NamedTuple):
    """What the switch on one host answers: the ``result`` of a command's function, and what is said beside it.

    ``target`` is where the switch is, None for this machine; ``host`` is its name where several are asked, else None. ``notes``, ``found``,
    ``planned`` and ``same_lines`` are those of the Switch, which adds to them while it is asked: they are there before the result, and without one.
    """

    target: "Target | None"
    host: str | None
    result: Any
    notes: list[str]
    found: list[Finding]
    planned: list[dict]
    same_lines: list[CommandLine]

    @classmethod
    def awaited(cls, target: "Target | None", host: str | None = None) -> "Answer":
        """The answer before anything is asked or said."""
        return cls(target, host, None, [], [], [], [])

    def held(self) -> "Answer":
        """The answer with all its rows, of which some may still be coming."""
        return self._replace(result=list(self.result)) if isinstance(self.result, Iterator) else self

    def samples(self) -> Generator["Answer", None, None]:
        """What the result yields, an answer each, with what was said since the one before."""
        try:
            for result in self.result:
                yield self._replace(result=result, notes=_taken(self.notes), found=_taken(self.found))
        finally:
            if isinstance(self.result, Generator):
                self.result.close()  # what it says at its end is said in time


def one_table(tables: Sequence[tuple[str | None, Table]]) -> Table:
    """The tables of all hosts as one with a column ``host``; a host that lacks a column of another has None there.

    The table of the only switch that was asked, whose host is None, stays as it is, and its rows may still be coming.
    """
    (only_host, only_table), *_ = tables
    if only_host is None:
        return only_table
    columns = list(dict.fromkeys(column for _, table in tables for column in table.columns))
    rows = []
    for host, table in tables:
        for row in table.rows:
            by_column = dict(zip(table.columns, row, strict=True))
            rows.append([host, *map(by_column.get, columns)])
    return Table(["host", *columns], rows)


def plain(value: Any) -> Any:
    """A value as JSON has it: named tuples become objects, other tuples lists."""
    if hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _taken(said: list) -> list:
    taken = said.copy()
    said.clear()
    return taken
