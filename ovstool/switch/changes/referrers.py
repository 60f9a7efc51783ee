"""References between rows that stand in the way of undoing a change: ovsdb-server would refuse it, in words about UUIDs."""

from collections.abc import Iterator, Sequence

from ovstool.errors import quote
from ovstool.ovsdb import effects
from ovstool.ovsdb.effects import Reference
from ovstool.ovsdb.inverse import RowChange
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import Json, one, uuid


def obstacle(txn: Transaction, schema: Json, changes: Sequence[RowChange]) -> str | None:
    """Which other row refers to one that undoing the changes deletes, or which row that it refers to is gone; None if all is well."""
    strong = [reference for reference in effects.references(schema) if reference.is_strong]
    return next(_in_use(txn, strong, changes), None) or next(_gone(txn, strong, changes), None)


def _in_use(txn: Transaction, strong: Sequence[Reference], changes: Sequence[RowChange]) -> Iterator[str]:
    own = {(change.table, change.uuid) for change in changes}
    for change in changes:
        for reference in strong if change.before is None else ():
            if reference.to != change.table:
                continue
            # There is no condition for "some value of the map".
            where = [] if reference.is_value else [[reference.column, "includes", uuid(change.uuid)]]
            for row in txn.read(Query(reference.table, where, ("_uuid", reference.column, "name"), unlisted=True)):
                if change.uuid in effects.referred(reference, row[reference.column]) and (reference.table, one(row["_uuid"])) not in own:
                    yield f"{_name(reference.table, row)} uses the {change.table} that it created"


def _gone(txn: Transaction, strong: Sequence[Reference], changes: Sequence[RowChange]) -> Iterator[str]:
    restored = {(change.table, change.uuid) for change in changes if change.before is not None}
    for change in changes:
        for reference in strong:
            if reference.table != change.table:
                continue
            before, after = (_referred(reference, row) for row in (change.before, change.after))
            for u in sorted(before - after):
                if (reference.to, u) not in restored and not txn.read(Query(reference.to, [["_uuid", "==", uuid(u)]], unlisted=True)):
                    row = {"_uuid": uuid(change.uuid), "name": None, **(change.before or {})}
                    yield f"the {reference.to} that {_name(change.table, row)} had was deleted since"


def _referred(reference: Reference, row: Row | None) -> set[str]:
    return set(effects.referred(reference, row[reference.column])) if row and reference.column in row else set()


def _name(table: str, row: Row) -> str:
    return f"{table} {quote(str(row['name'] or one(row['_uuid'])))}"
