"""Changes that are undone unless they are confirmed in time (``--confirm-within``)."""

import time
from collections.abc import Sequence

from ovstool.errors import NotFound, quote, quote_some
from ovstool.ovsdb.transaction import Query, Transaction
from ovstool.ovsdb.values import mapping, one, to_map
from ovstool.switch import Change, Switch, lookup
from ovstool.switch.confirm import keys
from ovstool.switch.confirm.keys import Pending

_ROOT = Query("Open_vSwitch", [], ("_uuid", "external_ids"))


def confirm(switch: Switch, ids: Sequence[str]) -> list[Change]:
    """Keep the changes of the commands with these IDs, or all that are pending; all or none. It does not wait for ovs-vswitchd.

    Raises NotFound for an ID with nothing pending: its changes were confirmed before, or have been undone.
    """
    switch.wait = False  # what is confirmed is in the database, and there is nothing to apply
    confirmed = switch.write(lambda txn: _confirm(txn, lookup.unique(ids)))
    now = time.strftime(keys.TIME, time.gmtime())
    switch.notes += [f"{pending.id}: {pending.change}; {_when(pending, now, switch.dry_run)}" for pending in confirmed]
    return [Change(each, "updated") for each in lookup.unique(pending.id for pending in confirmed)]


def _when(pending: Pending, now: str, dry_run: bool) -> str:
    if pending.until < now:
        return f"was to be undone at {pending.until}, but others have changed the same since, or the host was restarted"
    return f"is undone at {pending.until} unless confirmed" if dry_run else f"would have been undone at {pending.until}"


def _confirm(txn: Transaction, ids: Sequence[str]) -> list[Pending]:
    rows = txn.read(_ROOT)
    found = [pending for row in rows for pending in keys.pending(row["external_ids"])]
    for id in ids:
        _require(id, found)
    confirmed = [pending for pending in found if pending.id in ids or not ids]
    if confirmed:
        txn.hold(_ROOT, rows)
        gone = {pending.key for pending in confirmed}
        rest = {key: value for key, value in mapping(rows[0]["external_ids"]).items() if key not in gone}
        txn.update("Open_vSwitch", one(rows[0]["_uuid"]), {"external_ids": to_map(rest)})
    return confirmed


def _require(id: str, found: Sequence[Pending]) -> None:
    if not any(pending.id == id for pending in found):
        others = lookup.unique(pending.id for pending in found)
        why = "no change with this ID is pending: it was confirmed before, or its time was over and it is undone"
        raise NotFound(quote(id), f"{why}; pending: {quote_some(others) or 'none'}", "ovstool confirm --dry-run")
