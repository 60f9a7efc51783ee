"""What takes a transaction back: operations that restore rows, and the conditions under which they may. Pure.

Rows keep their UUIDs: a row that was deleted is inserted with the UUID that it had (``uuid`` of the insert operation, ovsdb-server(7),
section 5.2.1; Open vSwitch 2.13 or newer), so that no reference to it has to be found. Of a column that holds a set or a map only the
members that the transaction added or removed are restored; what other programs have added to it since stays.
"""

from collections.abc import Iterable
from typing import NamedTuple

from ovstool.ovsdb import schema as schemas
from ovstool.ovsdb.values import Json, same, uuid

Row = dict[str, Json]


class RowChange(NamedTuple):
    """What a transaction did to a row: the columns that it changed, as they were and as they became (JSON as on the wire).

    ``before`` is None for a row that it inserted, ``after`` for one that it deleted; the other one then has all columns that differ from
    their default.
    """

    table: str
    uuid: str
    before: Row | None
    after: Row | None


class Columns:
    """Which columns hold sets and maps, by the server's schema (RFC 7047, section 3.2)."""

    def __init__(self, schema: Json):
        self._tables = schema["tables"]

    def default(self, table: str, column: str) -> Json:
        """The value of a column in a row that was inserted without one; empty text for an unknown column. Raises as ``schema.kind``."""
        of_column = self._type(table, column)
        return "" if of_column is None else schemas.kind(of_column).default

    def persistent(self, table: str) -> list[str]:
        """The columns of a table that the log of the database has."""
        columns = self._tables.get(table, {}).get("columns", {})
        return [name for name, column in columns.items() if not (column.get("ephemeral") or name.startswith("_"))]

    def has_members(self, table: str, column: str) -> bool:
        """Whether it holds a map, or a set of any number of values."""
        of_column = self._type(table, column)
        return type(of_column) is dict and of_column.get("max", 1) != 1

    def _type(self, table: str, column: str) -> Json:
        return self._tables.get(table, {}).get("columns", {}).get(column, {}).get("type")


def writes(changes: Iterable[RowChange], columns: Columns) -> list[dict]:
    """The operations that restore the rows as they were before these changes."""
    return [operation for change in changes for operation in _restored(change, columns)]


def guards(changes: Iterable[RowChange], columns: Columns) -> list[dict]:
    """``wait`` operations (RFC 7047, section 5.2.6) that fail unless all that these changes wrote is still there."""
    return [operation for change in changes for operation in _guards(change, columns)]


def changed_since(change: RowChange, now: Row | None, columns: Columns) -> list[str]:
    """The columns of a row that others have changed since, as COLUMN or COLUMN:KEY; ``_uuid`` if it was deleted or inserted again.

    ``now`` has the columns of the change, or is None if there is no such row. Members added to a set or a map since are no obstacle,
    except in a row that the change inserted: restoring deletes it with them.
    """
    if (now is None) != (change.after is None):
        return ["_uuid"]
    if now is None or change.after is None:
        return []
    if change.before is None:
        return [column for column, value in change.after.items() if not same(now[column], value)]
    found = []
    for column, after in change.after.items():
        if columns.has_members(change.table, column):
            found += _members_changed(column, change.before[column], after, now[column])
        elif not same(now[column], after):
            found.append(column)
    return found


def names(change: RowChange) -> set[str]:
    """What it changed in a row that existed before and after, as COLUMN, or COLUMN:KEY of a map."""
    found = set()
    for column, before in (change.before or {}).items():
        (kind, old), (_, new) = members(before), members((change.after or {}).get(column, before))
        changed = [*_minus(old, new), *_minus(new, old)]
        found |= {f"{column}:{key}" for key, _ in changed} if kind == "map" else {column} if changed else set()
    return found


def is_restored(change: RowChange, now: Row | None, columns: Columns) -> bool:
    """Whether a row is as it was before the change already; members that others added to a set or a map since do not count."""
    if now is None or change.before is None:
        return now is None and change.before is None
    return all(
        _is_back(value, change.after[column], now[column])
        if change.after is not None and columns.has_members(change.table, column)
        else same(now[column], value)
        for column, value in change.before.items()
    )


def _is_back(before: Json, after: Json, now: Json) -> bool:
    """Whether the members that a change added to a column, or removed, are as they were before it."""
    (kind, old), (_, new), (_, found) = members(before), members(after), members(now)
    touched = {key_of(kind, member) for member in [*_minus(new, old), *_minus(old, new)]}
    return not any(key_of(kind, member) in touched for member in [*_minus(old, found), *_minus(found, old)])


def _members_changed(column: str, before: Json, after: Json, now: Json) -> list[str]:
    """Of the members that were added those that are gone, and of the keys that were removed those that are back with another value."""
    (kind, old), (_, new), (_, found) = members(before), members(after), members(now)
    gone = _minus(_minus(new, old), found)
    removed = {key_of(kind, member) for member in old} - {key_of(kind, member) for member in new}
    back = [member for member in _minus(found, old) if key_of(kind, member) in removed]
    if kind == "map":
        return [f"{column}:{key}" for key, _ in [*gone, *back]]
    return [column] if gone else []


def _restored(change: RowChange, columns: Columns) -> list[dict]:
    on_row = {"table": change.table, "where": [["_uuid", "==", uuid(change.uuid)]]}
    if change.before is None:
        return [{"op": "delete", **on_row}]
    if change.after is None:
        return [{"op": "insert", "table": change.table, "uuid": change.uuid, "row": change.before}]
    row: Row = {}
    mutations: list[list] = []
    for column, before in change.before.items():
        if columns.has_members(change.table, column):
            mutations += _mutations(column, before, change.after[column])
        else:
            row[column] = before
    updated = [{"op": "update", **on_row, "row": row}] if row else []
    return updated + ([{"op": "mutate", **on_row, "mutations": mutations}] if mutations else [])


def _mutations(column: str, before: Json, after: Json) -> list[list]:
    (kind, old), (_, new) = members(before), members(after)
    both = [("delete", _minus(new, old)), ("insert", _minus(old, new))]
    if kind == "set":
        both.reverse()  # each mutation must leave the least number of members; of a map, insert would not replace the value of a key
    return [[column, how, [kind, changed]] for how, changed in both if changed]


def _guards(change: RowChange, columns: Columns) -> list[dict]:
    is_row = ["_uuid", "==", uuid(change.uuid)]
    held: dict = {"op": "wait", "timeout": 0, "table": change.table, "until": "=="}
    if change.after is None:
        return [held | {"where": [is_row], "columns": ["_uuid"], "rows": []}]
    if change.before is None:
        return [held | {"where": [is_row], "columns": list(change.after), "rows": [change.after]}]
    whole: Row = {}
    parts = []
    for column, value in change.after.items():
        if not columns.has_members(change.table, column):
            whole[column] = value
            continue
        kind, new = members(value)
        if added := _minus(new, members(change.before[column])[1]):
            parts.append([column, "includes", [kind, added]])
    found = [held | {"where": [is_row], "columns": list(whole), "rows": [whole]}] if whole else []
    return [*found, held | {"where": [is_row, *parts], "columns": ["_uuid"], "rows": [{"_uuid": uuid(change.uuid)}]}]


def members(value: Json) -> tuple[str, list]:
    """Whether a value is a "set" or a "map", and its atoms or pairs, as on the wire."""
    return (value[0], value[1]) if type(value) is list and value[0] in ("set", "map") else ("set", [value])


def key_of(kind: str, member: Json) -> str:
    """What identifies a member of a set, or the key of a pair, to compare it: on the wire a reference is a list."""
    return repr(member[0] if kind == "map" else member)


def _minus(some: list, others: list) -> list:
    known = set(map(repr, others))
    return [member for member in some if repr(member) not in known]
