"""Taking a change of ovstool back, by the log of the database."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from ovstool.errors import Conflict, NotFound, quote
from ovstool.ovsdb import inverse, log
from ovstool.ovsdb.columns import REPORTED
from ovstool.ovsdb.inverse import Row, RowChange, members
from ovstool.ovsdb.transaction import Query, Transaction
from ovstool.ovsdb.values import Json, mapping, one, to_set, uuid
from ovstool.switch import WARNING, Change, Finding, Switch
from ovstool.switch.changes import history, referrers
from ovstool.switch.changes.comment import AND_FLOWS, PUT_BACK
from ovstool.switch.changes.history import Entry
from ovstool.switch.confirm import keys

Place = tuple[str, str]  # a table and the UUID of a row in it

_NAMED = ("Bridge", "Port", "Interface")  # tables in which no two rows have the same name
_MANY = 20  # names or UUIDs; each takes a search of a whole table or of the log, so above this all of it is read
# Commands that are not undone unless their ID is given: those that undo and confirm, and those that leave nothing behind.
_PASSED = tuple(f"ovstool {words}" for words in ("undo", "confirm", "sflow check", "sflow list"))
_COUNTERS = {"next_cfg", "cur_cfg"}  # of Open_vSwitch: they only go up


class Done(NamedTuple):
    """A change by ovstool as the log has it: what it did to each row, and what later transactions did to the same rows.

    ``rows`` are those rows after the last transaction, for their names.
    """

    entry: Entry
    changes: list[RowChange]
    later: list[tuple[Entry, list[RowChange]]]
    rows: dict[Place, Row]
    columns: inverse.Columns


def undo(switch: Switch, change_id: str | None) -> list[Change]:
    """Restore what a change by ovstool has changed, by default its last one, in one transaction.

    Raises NotFound when the log has no such change, Conflict when others have changed the same since, and as ``history.bodies``.
    """
    bodies = list(history.bodies(switch))
    done = _done(switch, bodies, *_found(bodies, change_id))
    entry = done.entry
    if switch.comment:
        switch.comment = switch.comment._replace(words=("undo", str(entry.id)))
    if switch.write(lambda txn: _undo(switch, txn, done)):
        switch.notes.append(f"{entry.id}: {'would undo' if switch.dry_run else 'undone'}: {entry.command} (by {entry.who})")
        if _is_about(entry, AND_FLOWS):
            switch.notes.append(
                "the flows that it changed are not restored, as flows are in no database; 'ovstool apply' of another document changes them"
            )
        return [Change(str(entry.id), "updated")]
    try:
        before, _ = _found(bodies, None, entry)
    except NotFound:
        switch.notes.append(f"{entry.id}: nothing left to undo; the log has no change by ovstool before it")
    else:
        evidence = f"the change before it is {before.id}, '{before.command}'"
        switch.found.append(Finding(entry.id, WARNING, "nothing left to undo", evidence, (("ovstool", "undo", str(before.id)),)))
    return [Change(str(entry.id), "unchanged")]


def _undo(switch: Switch, txn: Transaction, done: Done) -> bool:
    """Whether there is anything to restore."""
    queries = [_query(change) for change in done.changes]
    answers = txn.read_all(queries)
    now = [rows[0] if rows else None for rows in answers]
    gone = [change for change, row in zip(done.changes, now, strict=True) if row is None and change.table in _NAMED and _name(change)]
    made = {change.uuid for change in done.changes if change.before is None}
    if replaced := _replaced(txn, gone, made):
        raise _conflict(done, replaced, ["_uuid"])
    if all(inverse.is_restored(change, row, done.columns) for change, row in zip(done.changes, now, strict=True)):
        return False
    for change, row in zip(done.changes, now, strict=True):
        if columns := inverse.changed_since(change, row, done.columns):
            raise _conflict(done, change, columns)
    # Others rarely refer to the rows, so this is only looked at in a dry run and once the server has refused it.
    if txn.thorough and (obstacle := referrers.obstacle(txn, switch.client.get_schema(), done.changes)):
        raise Conflict(f"change {done.entry.id}", f"{obstacle}, so nothing was undone", "ovstool history")
    for query, rows in zip(queries, answers, strict=True):
        txn.hold(query, rows)
    txn.add([], inverse.writes(done.changes, done.columns))
    _no_longer_pending(txn, str(done.entry.id))
    for change in done.changes:
        if change.table == "Interface" and change.before:
            txn.watch(Query("Interface", [["_uuid", "==", uuid(change.uuid)]], ("name", "ofport", "error")))
    return True


def _no_longer_pending(txn: Transaction, change_id: str) -> None:
    """Delete the keys by which the change waits to be confirmed: nothing is left for a watchdog to undo."""
    for root in txn.read(Query("Open_vSwitch", [], ("_uuid", "external_ids"))):
        found = [key for key in mapping(root["external_ids"]) if key.startswith(f"{keys.PREFIX}{change_id}")]
        if found:
            txn.mutate("Open_vSwitch", one(root["_uuid"]), [["external_ids", "delete", to_set(found)]])


def _query(change: RowChange) -> Query:
    columns = {"_uuid": None, **(change.before or {}), **(change.after or {})}
    return Query(change.table, [["_uuid", "==", uuid(change.uuid)]], tuple(columns), unlisted=True)


def _replaced(txn: Transaction, gone: Sequence[RowChange], made: Collection[str]) -> RowChange | None:
    """One of these rows, which are not there, whose name another row has that the change has not ``made`` itself (by UUIDs)."""
    if len(gone) <= _MANY:
        queries = [Query(change.table, [["name", "==", _name(change)]], ("_uuid", "name"), unlisted=True) for change in gone]
    else:
        queries = [Query(table, [], ("_uuid", "name"), unlisted=True) for table in sorted({change.table for change in gone})]
    answers = txn.read_all(queries)
    named = [(query.table, row) for query, rows in zip(queries, answers, strict=True) for row in rows]
    taken = {(table, row["name"]) for table, row in named if one(row["_uuid"]) not in made}
    return next((change for change in gone if (change.table, _name(change)) in taken), None)


def _name(change: RowChange) -> Json:
    """The name of a row that was inserted or deleted; None for one that was updated, whose name no change has."""
    return (change.after or change.before or {}).get("name")


def _conflict(done: Done, change: RowChange, columns: Sequence[str]) -> Conflict:
    place = change.table, change.uuid
    deleted = [later.before for _, made in done.later for later in made if (later.table, later.uuid) == place]
    named = [row["name"] for row in (done.rows.get(place), change.before, change.after, *deleted) if row and "name" in row]
    name = f"{change.table} {quote(str(next(iter(named), change.uuid)))}"
    what = (
        f"{name} was deleted or created again"
        if "_uuid" in columns
        else f"{', '.join(columns)} of {name} {'was' if len(columns) == 1 else 'were'} changed"
    )
    others = [entry for entry, made in done.later if any(_concerns(later, change, columns) for later in made)]
    by = f" by {_named(others[-1])}" if others else ""
    hint = f"ovstool undo {others[-1].id}" if others and others[-1].id else "ovstool history"
    return Conflict(f"change {done.entry.id}", f"{what} since{by}, so nothing was undone", hint)


def _concerns(later: RowChange, change: RowChange, columns: Sequence[str]) -> bool:
    """Whether a later change of the same row changed one of these, each COLUMN, COLUMN:KEY or ``_uuid``."""
    if (later.table, later.uuid) != (change.table, change.uuid):
        return False
    made = inverse.names(later)
    return "_uuid" in columns or any(name in made or any(one.startswith(f"{name}:") for one in made) for name in columns)


def _named(entry: Entry) -> str:
    return f"'{entry.command}'" if entry.command else "a program that left no comment"


def _found(bodies: Sequence[bytes], change_id: str | None, before: Entry | None = None) -> tuple[Entry, set[Place]]:
    """The change with this ID, or the last one, or the last one ``before`` another; with the rows that its transactions changed."""
    found: Entry | None = None
    places: set[Place] = set()
    put_back: set[str | None] = set()  # changes that ovstool itself took back
    is_before = before is None
    for body in reversed(bodies):
        record = log.parse(body) if b"ovstool[" in body else None
        if not isinstance(record, log.Record):
            continue
        entry = history.entry(record)
        if before and entry.id == before.id:
            is_before = True
        elif found is None and is_before and entry.id:
            put_back |= {entry.id} if _is_about(entry, PUT_BACK) else set()
            is_passed = str(entry.command).startswith(_PASSED) or entry.id in put_back
            found = entry if entry.id == change_id or not (change_id or is_passed) else None
        if found and entry.id == found.id:
            places |= {(table, u) for table, rows in record.tables.items() for u in rows}
    if found:
        return found, places
    what = f"change {change_id}" if change_id else "a change by ovstool"
    raise NotFound(what, "not in the log of the database, which ovsdb-server compacts from time to time", "ovstool history")


def _is_about(entry: Entry, what: str) -> bool:
    return str(entry.command).endswith(f" ({what})")


def _about(bodies: Iterable[bytes], wanted: Collection[str]) -> Iterator[bytes]:
    """The schema and the records in which one of these UUIDs occurs; of a few the search takes a tenth of the time of parsing."""
    sought = [u.encode() for u in wanted]
    is_schema = True  # the first record
    for body in bodies:
        if is_schema or len(sought) > _MANY or any(u in body for u in sought):
            yield body
        is_schema = False


def _done(switch: Switch, bodies: Sequence[bytes], wanted: Entry, places: set[Place]) -> Done:
    """What a change did to its rows, and which transactions changed them later."""
    replay = log.Replay({u for _, u in places})
    changes: dict[Place, RowChange] = {}
    later: list[tuple[Entry, list[RowChange]]] = []
    for record in history.records(switch, _about(bodies, {u for _, u in places})):
        if isinstance(record, inverse.Columns):
            replay.columns = record
            continue
        now = replay.apply(record)
        entry = history.entry(record)
        if entry.id == wanted.id:
            for change in now:
                _add(changes, change)
        elif changes and now and history.is_change(record):
            later.append((entry, now))
    found = [_whole(change, replay.columns) for change in map(_own, changes.values()) if change.before != change.after]
    found.sort(key=_rank)
    return Done(wanted, found, later, replay.rows, replay.columns)


def _rank(change: RowChange) -> int:
    """A conflict is best told of a bridge, else of a port."""
    return _NAMED.index(change.table) if change.table in _NAMED else len(_NAMED)


def _add(changes: dict[Place, RowChange], change: RowChange) -> None:
    """Several transactions of a command are one change: from before the first to after the last."""
    place = change.table, change.uuid
    first = changes.get(place)
    if first is None:
        changes[place] = change
        return
    before = None if first.before is None else (change.before or {}) | first.before
    after = None if change.after is None else (first.after or {}) | change.after
    changes[place] = change._replace(before=before, after=after)


def _whole(change: RowChange, columns: inverse.Columns) -> RowChange:
    """With all configuration of a row that it inserted: undoing deletes the row, with what others have written to it since."""
    if change.before is not None or change.after is None:
        return change
    defaults = {column: columns.default(change.table, column) for column in columns.persistent(change.table)}
    return change._replace(after=_without(defaults | change.after, REPORTED.get(change.table, ())))


def _own(change: RowChange) -> RowChange:
    """The change without what is no configuration: counters, and the keys by which a change waits to be confirmed."""
    if change.table != "Open_vSwitch" or change.before is None or change.after is None:
        return change
    before, after = _configuration(change.before), _configuration(change.after)
    same = [column for column, value in before.items() if after[column] == value]
    return change._replace(before=_without(before, same), after=_without(after, same))


def _configuration(row: Row) -> Row:
    kept = _without(row, _COUNTERS)
    if "external_ids" in kept:
        pairs = [pair for pair in members(kept["external_ids"])[1] if not str(pair[0]).startswith(keys.PREFIX)]
        kept["external_ids"] = ["map", pairs]
    return kept


def _without(row: Row, columns: Collection[str]) -> Row:
    return {column: value for column, value in row.items() if column not in columns}
