"""The log of a database, which is the file that ovsdb-server keeps it in (ovsdb(5), "Standalone Format"). Pure.

The file holds the schema and then a record for each transaction: the rows that it changed, its time and its comment. ovsdb-server compacts
the file now and then, into one record with all rows.
"""

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ovstool.errors import Unreachable
from ovstool.ovsdb.inverse import Columns, Row, RowChange, key_of, members
from ovstool.ovsdb.values import Json

_HEADER = b"OVSDB JSON "
_LONGEST = 256 * 2**20  # bytes of a record; the whole database of a switch with 10,000 ports is about 30 MB


class Record(NamedTuple):
    """A transaction: ``time`` in seconds since 1970, the changed columns by table and UUID (None: the row was deleted).

    ``is_diff``: of a set or a map it has the members that were added or removed, and no others (from Open vSwitch 2.17 on).
    """

    time: float
    comment: str
    tables: dict[str, dict[str, Row | None]]
    is_diff: bool


def bodies(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The records of a file, or of the end of one, as they are written there; one that is being written is left out.

    Raises Unreachable for a record that is too long, or that others follow and that is not as long as its header says: without it, what
    a row was like before later ones is not known.
    """
    rest = b""
    length = None  # of the record that the last header announced, until it was there
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(_HEADER):
                if length:
                    raise Unreachable("the database's log", "damaged: a record is not as long as its header says")
                length = line.split()[2:3]
            elif length == [str(len(line) + 1).encode()]:
                yield line
                length = None
        if len(rest) > _LONGEST:
            raise Unreachable("the database's log", f"a record of more than {_LONGEST >> 20} MiB")


def parse(body: bytes) -> Record | Columns:
    """A record, or the schema that comes first. Raises Unreachable for anything else."""
    try:
        found = json.loads(body)
        if "_date" not in found and type(found.get("tables")) is dict:
            return Columns(found)
        tables = {table: rows for table, rows in found.items() if table[:1] != "_"}
        if not all(type(row) in (dict, type(None)) for rows in tables.values() for row in rows.values()):
            raise ValueError
        return Record(float(found.get("_date", 0)) / 1000, str(found.get("_comment", "")), tables, bool(found.get("_is_diff")))
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise Unreachable("the database's log", "not a valid OVSDB record") from error


class Replay:
    """The rows of a database after the records that were applied; of these UUIDs only, as a large database has many."""

    def __init__(self, wanted: set[str]):
        self.rows: dict[tuple[str, str], Row] = {}
        self.columns = Columns({"tables": {}})
        self._wanted = wanted

    def apply(self, record: Record) -> list[RowChange]:
        """Apply a record; returns what it did to the rows."""
        return [
            self._changed(table, u, row, record.is_diff)
            for table, rows in record.tables.items()
            for u, row in rows.items()
            if u in self._wanted
        ]

    def _changed(self, table: str, u: str, written: Row | None, is_diff: bool) -> RowChange:
        old = self.rows.get((table, u))
        if written is None:
            self.rows.pop((table, u), None)
            return RowChange(table, u, old, None)
        if old is None:
            self.rows[table, u] = written
            return RowChange(table, u, None, written)
        before = {column: old.get(column, self.columns.default(table, column)) for column in written}
        is_part = [column for column in written if is_diff and self.columns.has_members(table, column)]
        after = written | {column: _applied(before[column], written[column]) for column in is_part}
        self.rows[table, u] = old | after
        return RowChange(table, u, before, after)


def _applied(value: Json, diff: Json) -> Json:
    """A set or map with a difference applied (ovsdb_datum_apply_diff): what both have goes, the rest of the difference is added."""
    kind, changed = members(diff)
    _, old = members(value)
    removed = {repr(member) for member in old} & {repr(member) for member in changed}
    replaced = {key_of(kind, member) for member in changed}
    kept = [member for member in old if key_of(kind, member) not in replaced]
    return [kind, [*kept, *(member for member in changed if repr(member) not in removed)]]
