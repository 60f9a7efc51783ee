"""Changes of rows as a monitor reports them: ``<table-updates>`` (RFC 7047, 4.1.6) and ``<table-updates2>`` (ovsdb-server(7)). Pure.

A peer's data takes no more memory than a valid update: rows are checked against the requested columns before more is read.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ovstool.ovsdb import columns
from ovstool.ovsdb.reply import OF_MESSAGE, Broken, Reading, ReplyReader
from ovstool.ovsdb.values import Json, malformed

Row = dict[str, Any]  # values of Python: a set is a frozenset, a map a dict, and what may be empty None where it is
Updates = dict[str, dict[str, Any]]  # by table and UUID, as on the wire
Changes = dict[str, dict[str, Row | None]]  # rows as they are now by table and UUID; None: the row was deleted
_LONGEST_LIST = 4  # items of a reply, or of the parameters of a notification
_WHOLE = ("initial", "insert", "new")


class UpdateReader(ReplyReader):
    """Reads the replies to a monitor and its notifications; ``tables`` has the requested columns."""

    def _read_message(self) -> Reading:
        if (yield from self._peek()) != "{":
            raise Broken("data that is not JSON-RPC")
        return (yield from self._object(OF_MESSAGE, lambda key: self._body() if key in ("result", "params") else self._value()))

    def _body(self) -> Reading:
        """A value that is table updates, or a list with some; any other is read as usual."""
        char = yield from self._peek()
        if not self.tables or char not in ("{", "["):
            return (yield from self._value())
        if char == "{":
            return (yield from self._updates())
        items: list[Json] = []
        while (yield from self._more("[" if not items else ",", "]")):
            is_object = (yield from self._peek()) == "{"
            items.append((yield from (self._updates() if is_object else self._value())))
            if len(items) > _LONGEST_LIST:
                raise malformed("a list that is too long")
        return items

    def _updates(self) -> Reading:
        return (yield from self._object(tuple(self.tables), self._rows_of))

    def _rows_of(self, table: str) -> Reading:
        """The updates of a table; each chunk is checked before the next is read."""
        if table not in self.tables or (yield from self._peek()) != "{":
            raise malformed("a table that was not requested")
        found: dict[str, Json] = {}
        while (yield from self._more("," if found else "{", "}")):
            new = self._plain_rows("{}", "}}}", '}},"') or dict([(yield from self._member())])
            if not found.keys().isdisjoint(new):
                raise malformed("a duplicate row")
            _check(table, self.tables[table], new)
            found |= new
        return found


def _check(table: str, names: Sequence[str], updates: Mapping[str, Json]) -> None:
    """Check the updates of rows against the requested columns. Raises Unreachable."""
    rows: dict[str, Json] = {}
    for u, update in updates.items():
        match update:
            case {"initial": dict(row)} | {"insert": dict(row)} | {"modify": dict(row)} if len(update) == 1:
                rows[u] = row
            case {"new": dict(row)} if update.keys() <= {"new", "old"}:
                rows[u] = row
            case {"delete": _} | {"old": _} if len(update) == 1:
                rows[u] = {}
            case _:
                raise malformed("a row update of an unknown kind")
    columns.check_parts(table, names, rows)


def changes(before: Callable[[str, str], Row | None], defaults: Mapping[str, Row], updates: Updates) -> Changes:
    """What rows become by these updates; ``before`` has a row by table and UUID. Raises Unreachable for an update of no row."""
    return {table: {u: _row(table, before(table, u), defaults[table], update) for u, update in of.items()} for table, of in updates.items()}


def _row(table: str, before: Row | None, defaults: Row, update: Json) -> Row | None:
    ((kind, cells), *_) = sorted(update.items())  # "new" comes before "old"
    if kind in ("delete", "old"):
        return None
    if kind in _WHOLE:
        return defaults | {column: columns.decoded(table, column, value) for column, value in cells.items()}
    if before is None:
        raise malformed("a change of a row that is not there")
    return before | {column: _changed(table, column, before[column], value) for column, value in cells.items()}


def _changed(table: str, column: str, before: Any, value: Json) -> Any:
    """A value after a modification, which for a set or a map has only the members that were added or removed (ovsdb-server(7))."""
    new = columns.decoded(table, column, value)
    if isinstance(new, frozenset):
        return before ^ new
    if isinstance(new, dict):
        removed = {key for key, item in new.items() if before.get(key, new) == item}
        return {key: item for key, item in (before | new).items() if key not in removed}
    return new
