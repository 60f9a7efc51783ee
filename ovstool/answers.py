"""The answers of switches: an Answer from each host, and how several become one table (pure)."""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ovstool.host import CommandLine
from ovstool.switch import Finding

if TYPE_CHECKING:
    from ovstool.host.address import Target


_ALIKE = 5  # findings of one problem that are noted in full; a change of 1,000 ports may have 1,000 of them


class Table(NamedTuple):
    """Rows, each a tuple of JSON values in the order of ``columns``."""

    columns: Sequence[str]
    rows: Iterable[Any]


class Answer(NamedTuple):
    """The answer of the switch on one host: the ``result`` of a command's function, with notes and findings.

    ``target`` is where the switch is, None for this machine; ``host`` is its name if several hosts are queried, else None. ``notes``,
    ``found``, ``planned`` and ``same_lines`` are those of the Switch, which adds to them during the query, even if there is no result.
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
        """An empty answer, before the switch is queried."""
        return cls(target, host, None, [], [], [], [])

    def noted(self) -> tuple[list[Finding], list[str]]:
        """The findings to note in full, the first of each problem, and a note of how many more have it."""
        seen: Counter[str] = Counter()
        first = []
        for finding in self.found:
            seen[finding.problem] += 1
            if seen[finding.problem] <= _ALIKE:
                first.append(finding)
        return first, [f"{count - _ALIKE} more with this problem: {problem}" for problem, count in seen.items() if count > _ALIKE]

    def held(self) -> "Answer":
        """The answer with all its rows, once the last has arrived."""
        return self._replace(result=list(self.result)) if isinstance(self.result, Iterator) else self

    def samples(self) -> Generator["Answer", None, None]:
        """An answer for each item that the result yields, with the notes since the previous one."""
        try:
            for result in self.result:
                yield self._replace(result=result, notes=_taken(self.notes), found=_taken(self.found))
        finally:
            if isinstance(self.result, Generator):
                self.result.close()  # its final notes are added now, not at garbage collection


def one_table(tables: Sequence[tuple[str | None, Table]]) -> Table:
    """The tables of all hosts as one with a column ``host``; columns that only other hosts have are None.

    The table of a single switch, whose host is None, is returned unchanged, and its rows may still be arriving.
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
    """A value for JSON: named tuples become objects, other tuples lists."""
    if hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _taken(said: list) -> list:
    taken = said.copy()
    said.clear()
    return taken
