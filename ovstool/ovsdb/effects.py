"""What a transaction will do to the database, computed before it is sent: the changes of its own operations, and what the server adds.

When the server commits, a row that has lost its last strong reference disappears unless its table is a root table, and weak references
to rows that are gone disappear too (RFC 7047, section 3.2; ovsdb-server(7), section 4.1). With a port goes its Interface row, and a
mirror loses the port that it selects.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from ovstool.ovsdb.inverse import Columns, RowChange
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import Json, atoms, malformed, many, mapping, one, same, uuid

Place = tuple[str, str]  # a table and the UUID of a row there

# Not held: what prepares the undo writes there between the computation and the commit.
_UNHELD = ("Open_vSwitch", "external_ids")


class Reference(NamedTuple):
    """A column that refers to rows of the table ``to``; ``is_value``: the values of a map do."""

    table: str
    column: str
    to: str
    is_strong: bool
    is_value: bool


class TooManyRows(Exception):
    """More rows change than were allowed."""


def changes(txn: Transaction, schema: Json, most_rows: int) -> list[RowChange]:
    """What the writes of a transaction, which have chosen the UUIDs of their rows (``Transaction.choose_uuids``), do to each row.

    All that this was computed from is held: if it changes before the commit, the commit fails. Ephemeral columns are left out.
    Raises TooManyRows, and Unreachable for rows or a schema that no OVSDB server sends.
    """
    database = _Database(txn, schema, most_rows)
    database.load(_targets(txn.writes))
    for write in txn.writes:
        database.apply(write)
    database.collect()
    database.unlink()
    return database.changes()


def _targets(writes: Sequence[dict]) -> list[Place]:
    return [(write["table"], str(one(write["where"][0][2]))) for write in writes if write["op"] != "insert"]


class _Database:
    """The rows that matter, as they are and as they will be; None where there is no such row."""

    def __init__(self, txn: Transaction, schema: Json, most_rows: int):
        self._most_rows = most_rows
        self._txn = txn
        self._columns = Columns(schema)
        self._tables = schema["tables"]
        self._references = list(references(schema))
        self._before: dict[Place, Row | None] = {}
        self._after: dict[Place, Row | None] = {}
        self._referrers: dict[Place, set[Place]] = {}

    def load(self, places: Sequence[Place]) -> None:
        """Read the rows that are not known yet."""
        new = [place for place in dict.fromkeys(places) if place not in self._before]
        if len(self._before) + len(new) > self._most_rows:
            raise TooManyRows
        found = self._txn.read_all([Query(table, [["_uuid", "==", uuid(u)]], self._columns.persistent(table), True) for table, u in new])
        for place, rows in zip(new, found, strict=True):
            self._before[place] = rows[0] if rows else None
            self._after[place] = dict(rows[0]) if rows else None

    def apply(self, write: dict) -> None:
        """One operation of the transaction."""
        table = write["table"]
        if write["op"] == "insert":
            place = table, write["uuid"]
            self._before[place], self._after[place] = None, dict(write["row"])
            return
        place = table, str(one(write["where"][0][2]))
        row = self._after[place]
        if row is None:  # the operation matches no row
            return
        if write["op"] == "delete":
            self._after[place] = None
        row.update(write.get("row", {}))
        for column, mutator, members in write.get("mutations", ()):
            row[column] = _mutated(row[column], mutator, members)

    def collect(self) -> None:
        """Delete the rows that nothing refers to any more, and the rows that only those referred to."""
        while True:
            lost = [place for place in self._released() if not self._tables[place[0]].get("isRoot")]
            self.load(lost)
            kept = set().union(*(self._strong(table, row) for (table, _), row in self._after.items()))
            gone = [place for place in lost if self._after[place] is not None and place not in kept and not self._has_others(place)]
            if not gone:
                return
            self._after |= dict.fromkeys(gone)

    def _released(self) -> list[Place]:
        """New rows, and rows to which some row refers and will refer no more."""
        new = [place for place, row in self._before.items() if row is None]
        rows = [(table, self._before[table, u], self._after[table, u]) for table, u in self._before]
        referred = [self._strong(table, before) - self._strong(table, after) for table, before, after in rows]
        return list(dict.fromkeys([*new, *chain.from_iterable(map(sorted, referred))]))

    def _strong(self, table: str, row: Row | None) -> set[Place]:
        found = [ref for ref in self._references if ref.table == table and ref.is_strong and row and ref.column in row]
        return {(ref.to, u) for ref in found for u in referred(ref, (row or {})[ref.column])}

    def _has_others(self, place: Place) -> bool:
        """Whether a row that the transaction leaves alone refers to this one."""
        if place not in self._referrers:
            self._referrers[place] = {at for _, at in self._referring(place, is_strong=True)}
        return any(other not in self._before for other in self._referrers[place])

    def _referring(self, place: Place, is_strong: bool) -> list[tuple[Reference, Place]]:
        """The rows of the database that refer to a row, with the column that does; they are held."""
        table, u = place
        asked = [ref for ref in self._references if ref.to == table and ref.is_strong == is_strong]
        queries = [_query(ref, u) for ref in asked]
        answers = self._txn.read_all(queries)
        for query, rows in zip(queries, answers, strict=True):
            self._txn.hold(query, rows)
        pairs = [(ref, row) for ref, rows in zip(asked, answers, strict=True) for row in rows]
        return [(ref, (ref.table, str(one(row["_uuid"])))) for ref, row in pairs if not ref.is_value or u in referred(ref, row[ref.column])]

    def unlink(self) -> None:
        """Remove the weak references to the rows that are gone."""
        for place in [place for place, row in self._after.items() if row is None and self._before[place]]:
            found = self._referring(place, is_strong=False)
            self.load([at for _, at in found])
            for ref, at in found:
                row = self._after[at]
                if row is not None:
                    row[ref.column] = _mutated(row[ref.column], "delete", uuid(place[1]))

    def changes(self) -> list[RowChange]:
        """The changes of all rows; what they rely on is held."""
        found = [self._change(place) for place in self._before]
        return [change for change in found if change]

    def _change(self, place: Place) -> RowChange | None:
        table, u = place
        before, after = self._before[place], self._after[place]
        if before is None:
            return None if after is None else RowChange(table, u, None, after)
        if after is None:
            self._hold(place, before)
            return RowChange(table, u, {c: value for c, value in before.items() if not same(value, self._columns.default(table, c))}, None)
        changed = [column for column, value in after.items() if not same(value, before[column])]
        if not changed:
            return None
        was = {column: before[column] for column in changed}
        self._hold(place, {column: value for column, value in was.items() if (table, column) != _UNHELD})
        return RowChange(table, u, was, {column: after[column] for column in changed})

    def _hold(self, place: Place, values: Row) -> None:
        if values:
            self._txn.hold(Query(place[0], [["_uuid", "==", uuid(place[1])]], tuple(values)), [values])


def references(schema: Json) -> Iterator[Reference]:
    """The columns that refer to rows. Raises Unreachable for a schema that no OVSDB server sends."""
    try:
        for table, of_table in schema["tables"].items():
            for column, of_column in of_table["columns"].items():
                kind = of_column["type"]
                for part in ("key", "value") if type(kind) is dict else ():
                    of_part = kind.get(part)
                    if type(of_part) is dict and "refTable" in of_part:
                        yield Reference(table, column, of_part["refTable"], of_part.get("refType") != "weak", part == "value")
    except (AttributeError, KeyError, TypeError) as error:
        raise malformed("a schema without columns") from error


def _query(ref: Reference, u: str) -> Query:
    """The rows that may refer to a row in this column: there is no condition for "some value of the map"."""
    if ref.is_value:
        return Query(ref.table, [], ("_uuid", ref.column), True)
    return Query(ref.table, [[ref.column, "includes", uuid(u)]], ("_uuid",), True)


def referred(ref: Reference, value: Json) -> list[str]:
    """The UUIDs of the rows to which a value of the column refers."""
    return list(mapping(value).values()) if ref.is_value else many(value)


def _mutated(value: Json, mutator: str, given: Json) -> Json:
    """A set or a map after the mutators ``insert`` and ``delete`` (RFC 7047, section 5.1)."""
    if value[:1] == ["map"]:
        pairs = {repr(key): [key, item] for key, item in value[1]}
        named = {repr(pair[0]): pair for pair in given[1]} if given[0] == "map" else {repr(key): None for key in atoms(given)}
        if mutator == "insert":
            return ["map", list((named | pairs).values())]
        return ["map", [pair for key, pair in pairs.items() if key not in named or named[key] not in (None, pair)]]
    present, others = atoms(value), atoms(given)
    if mutator == "insert":
        return ["set", [*present, *(atom for atom in others if atom not in present)]]
    return ["set", [atom for atom in present if atom not in others]]
