"""A change that is undone unless it is confirmed: what undoes it, computed before it is sent (``watchdog`` says how it is decided)."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count

from ovstool.errors import OvstoolError, Refused
from ovstool.host import Finished
from ovstool.ovsdb import DATABASE, effects, inverse
from ovstool.ovsdb.client import Client, OperationFailed
from ovstool.ovsdb.inverse import RowChange
from ovstool.ovsdb.transaction import COUNT_UP, Query, Stale, Transaction
from ovstool.ovsdb.values import Json, mapping, to_map
from ovstool.switch.confirm import keys, watchdog
from ovstool.switch.finding import WARNING, Finding

_MOST_ROWS = 1000  # more never fit: each takes some 200 bytes
_ROOT: dict = {"table": "Open_vSwitch", "where": []}


def add_undo(txn: Transaction, schema: Json, within_s: int, comment: str, dry_run: bool) -> watchdog.Task:
    """Add to a transaction the key by which it can be confirmed. Raises Refused if it is too large to be undone in this way.

    ``comment`` is the text of a ``Comment``. In a dry run the transaction does not require that a watchdog is armed.
    """
    txn.choose_uuids()
    try:
        changes = effects.changes(txn, schema, _MOST_ROWS)
    except effects.TooManyRows as error:
        raise _too_large(f"of more than {_MOST_ROWS} rows") from error
    txn.require_held()  # not to start a watchdog for a change that cannot be committed
    columns = inverse.Columns(schema)
    prefix, _, said = comment.partition(" ")
    key = f"{keys.PREFIX}{_free(txn, prefix.removeprefix('ovstool[').removesuffix(']'))}"
    value = f"{time.strftime(keys.TIME, time.gmtime(time.time() + within_s))} {said}"
    armed, pending = to_map({key: keys.NOT_YET + value}), to_map({key: value})
    who, _, command = said.partition(": ")
    why = f"{prefix} {who}: not confirmed within {within_s} s: {command}"
    undone = [*inverse.guards(changes, columns), *inverse.writes(changes, columns)]
    transactions = watchdog.Transactions(
        arm=_text([_wait(armed, "excludes"), _mutate("insert", armed), _wait(armed)]),
        look=_text([_ROOT | {"op": "select", "columns": ["external_ids"]}]),
        abandon=_text([_wait(armed), _mutate("delete", armed)]),
        give_up=_text([_wait(pending), _mutate("delete", pending), _comment(f"{why}; not undone, as others have changed the same since")]),
        undo=_text([_wait(pending), *undone, _mutate("delete", pending), COUNT_UP, _comment(why)]),
    )
    if len(transactions.undo) > watchdog.LONGEST:
        raise _too_large(f"of {len(transactions.undo) >> 10} KiB")
    if dry_run:
        txn.add([], [_mutate("insert", pending)])
    else:
        txn.add([_wait(armed)], [_mutate("delete", armed), _mutate("insert", pending)])
    return watchdog.Task(within_s, key, value, transactions, _devices(txn, changes))


@contextmanager
def armed(
    undo: watchdog.Task, run: Callable[[Sequence[str], bytes], Finished], db: str, client: Client, found: list[Finding]
) -> Iterator[None]:
    """Start the watchdog, for a block that commits the change; what the user should know is ``found``, even if the connection breaks.

    If nothing was committed, the watchdog soon ends.
    """
    watchdog.start(run, db, undo)
    said = Finding(None, WARNING, f"undone in {undo.within_s} s unless confirmed", "", (("ovstool", "confirm", keys.id_of(undo.key)),))
    before = found.copy()
    found += [] if said in before else [said]  # once for all transactions of a command
    try:
        yield
    except (OperationFailed, Stale):
        found[:] = before
        with suppress(OperationFailed, OvstoolError):  # else it ends when its time is over
            client.transact(json.loads(undo.transactions.abandon)[1:])
        raise


def _devices(txn: Transaction, changes: Iterable[RowChange]) -> list[str]:
    """The devices that Open vSwitch may delete with this change, and create again when it is undone: local ports, other internal ports."""
    bridges = [str(row["name"]) for row in txn.read(Query("Bridge", [], ("name",)))]
    gone = [change.before for change in changes if change.table == "Interface" and change.before and change.after is None]
    return list(dict.fromkeys([*bridges, *(str(row["name"]) for row in gone if row.get("type") == "internal")]))


def _free(txn: Transaction, id: str) -> str:
    """The ID, with a number if the command has armed a watchdog before: for another transaction, or for one that was not committed."""
    used = {key for row in txn.read(Query("Open_vSwitch", [], ("external_ids",))) for key in mapping(row["external_ids"])}
    return next(name for name in _numbered(id) if f"{keys.PREFIX}{name}" not in used)


def _numbered(id: str) -> Iterator[str]:
    yield id
    yield from (f"{id}-{number}" for number in count(2))


def _too_large(size: str) -> Refused:
    why = f"undoing this change takes a transaction {size}, and ovsdb-client takes at most {watchdog.LONGEST >> 10} KiB, so nothing was changed"
    return Refused("--confirm-within", why, "the change in several commands")


def _text(operations: list[dict]) -> str:
    return json.dumps([DATABASE, *operations], separators=(",", ":"))


def _wait(pair: Json, function: str = "includes") -> dict:
    """Fails unless external_ids includes the pair; with ``excludes`` unless it does not."""
    where = [["external_ids", function, pair]]
    return {"op": "wait", "timeout": 0, "table": "Open_vSwitch", "where": where, "columns": ["_uuid"], "until": "!=", "rows": []}


def _mutate(mutator: str, pair: Json) -> dict:
    return _ROOT | {"op": "mutate", "mutations": [["external_ids", mutator, pair]]}


def _comment(text: str) -> dict:
    return {"op": "comment", "comment": text}
