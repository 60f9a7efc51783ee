"""A whole switch: the configuration in its database, and the flows, groups and meters of its bridges, taken and restored."""

import time
from contextlib import suppress
from typing import NamedTuple

from ovstool.errors import NotFound, OvstoolError, Refused, TimedOut, Unreachable, quote
from ovstool.ovsdb.columns import Kinds
from ovstool.ovsdb.transaction import Query, Transaction
from ovstool.ovsdb.values import ofport, one
from ovstool.switch import Change, Switch, brought_up
from ovstool.switch.changes.alone import alone
from ovstool.switch.ofctl import OfctlBridge
from ovstool.switch.snapshot import contents, database
from ovstool.switch.snapshot.contents import Contents
from ovstool.switch.snapshot.database import Rows

_MOST_NAMED = 5  # ports in a note
_REST = "Open_vSwitch"  # the object of a change outside the bridges


class Snapshot(NamedTuple):
    """A switch as it was; ``bridges`` are the contents by bridge. The rest says where it comes from: ``time`` is UTC in ISO 8601."""

    time: str
    host: str
    ovs_version: str | None
    schema_version: str | None
    rows: Rows
    bridges: dict[str, Contents]


def take(switch: Switch) -> Snapshot:
    """The switch as it is: the database at one moment, then the contents of the bridges, one after the other.

    Raises Unreachable where programs cannot be run on the switch's host, or ovs-vswitchd does not answer for a bridge.
    """
    switch.require_host("OpenFlow")
    schema = switch.client.get_schema()
    kinds = database.kinds(switch.client, schema)
    *answers, roots = switch.read_all([*database.queries(kinds), Query(database.ROOT, [], ("ovs_version",))])
    rows = database.rows(kinds, answers)
    bridges = {}
    for name in sorted(database.bridges(rows)):
        lost: set[str] = set()
        bridges[name] = contents.read(OfctlBridge.of(switch, name), lost)
        switch.notes += [f"{name}: left out: {what}" for what in sorted(lost)]
    version = one(roots[0]["ovs_version"]) if roots else None
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return Snapshot(now, switch.run(["uname", "-n"]).stdout.strip(), version, schema.get("version"), rows, bridges)


def restore(switch: Switch, wanted: Snapshot) -> list[Change]:
    """Make the switch what a snapshot says: the database in one transaction, then the contents of each bridge.

    If the contents cannot be restored, the database and the contents become what they were. Raises Conflict when another ovstool
    takes too long to restore one, Refused for a table or column that this Open vSwitch lacks, and at the end for a device that cannot be opened.
    """
    switch.require_host("OpenFlow")
    with alone(switch):
        schema = switch.client.get_schema()
        kinds = database.kinds(switch.client, schema)
        database.require_fitting(schema, wanted.rows)
        before = _State.of(switch, kinds)
        changes = _changes(before, wanted)
        is_written = switch.write(lambda txn: _written(txn, kinds, wanted.rows))
        _note_identity(switch, wanted.rows, before.rows)
        if switch.dry_run:
            return changes
        try:
            _restore_contents(switch, kinds, wanted, None if is_written else before)
        except OvstoolError as error:
            raise _put_back(switch, kinds, before, error) from error
        _require_up(switch, wanted.rows)
    return changes


class _State(NamedTuple):
    """What a switch has before or after a change; contents are None where ovs-vswitchd does not say."""

    rows: Rows
    bridges: dict[str, Contents | None]

    @classmethod
    def of(cls, switch: Switch, kinds: Kinds) -> "_State":
        rows = database.rows(kinds, switch.read_all(database.queries(kinds)))
        bridges: dict[str, Contents | None] = dict.fromkeys(sorted(database.bridges(rows)))
        for name in bridges:
            with suppress(NotFound, Refused, Unreachable):
                bridges[name] = contents.read(OfctlBridge.of(switch, name), set())
        return cls(rows, bridges)

    def expects(self, name: str, wanted: Snapshot) -> Contents:
        """The contents that a bridge is to have, with the port numbers of now."""
        now = database.ports(self.rows, name)
        then = database.ports(wanted.rows, name)
        return contents.renumbered(wanted.bridges[name], {then[p]: now[p] for p in then if now.get(p, then[p]) != then[p]})


def _written(txn: Transaction, kinds: Kinds, rows: Rows) -> bool:
    database.write(txn, kinds, rows)
    return bool(txn.writes)


def _changes(before: _State, wanted: Snapshot) -> list[Change]:
    had, has = database.parts(before.rows), database.parts(database.fitted(wanted.rows, before.rows))
    rest = Change(_REST, "unchanged" if had.pop("") == has.pop("") else "updated")
    changes = []
    for name in sorted({*had, *has}):
        if name not in had or name not in has:
            change = "deleted" if name in had else "created"
        else:
            is_same = had[name] == has[name] and before.bridges[name] == before.expects(name, wanted)
            change = "unchanged" if is_same else "updated"
        changes.append(Change(name, change))
    return [*changes, rest]


def _restore_contents(switch: Switch, kinds: Kinds, wanted: Snapshot, known: _State | None) -> None:
    """Restore the contents of each bridge; ``known`` is the state of the switch if the database was not changed."""
    rows = known.rows if known else database.rows(kinds, switch.read_all(database.queries(kinds)))
    now = known or _State(rows, {})
    for name in wanted.bridges:
        expected = now.expects(name, wanted)
        if now.bridges.get(name) != expected:
            contents.make(OfctlBridge.of(switch, name), expected)
        _note_numbers(switch, name, database.ports(rows, name), database.ports(wanted.rows, name))


def _put_back(switch: Switch, kinds: Kinds, before: _State, error: OvstoolError) -> OvstoolError:
    """Undo a restoration that has failed, as far as possible; returns the error to raise."""
    kind = type(error) if isinstance(error, TimedOut | Unreachable) else Refused
    switch.rearm()
    try:
        switch.write(lambda txn: _written(txn, kinds, before.rows))
        for name, had in before.bridges.items():
            if had is not None:
                contents.make(OfctlBridge.of(switch, name), had)
    except OvstoolError as again:
        why = f"{error.why}; the switch could not be put back as it was ({again.what}: {again.why})"
        return kind(error.what, why, "'ovstool snapshot restore' again")
    return kind(error.what, f"{error.why}; the switch was put back as it was", error.hint)


def _note_identity(switch: Switch, wanted: Rows, now: Rows) -> None:
    if database.is_of_another(wanted, now):
        switch.notes.append(
            f"the snapshot is of another switch (system-id {database.system_id(wanted)}, this one is {database.system_id(now)}): "
            "this one keeps its own system-id, hostname and rundir"
        )


def _note_numbers(switch: Switch, bridge: str, now: dict[str, str], then: dict[str, str]) -> None:
    moved = [f"{quote(port)} is {now[port]} (was {then[port]})" for port in sorted(then) if now.get(port, then[port]) != then[port]]
    if moved:
        more = [f"and {len(moved) - _MOST_NAMED} more"] if len(moved) > _MOST_NAMED else []
        said = ", ".join([*moved[:_MOST_NAMED], *more])
        switch.notes.append(f"{bridge}: OpenFlow port numbers that differ from the snapshot, also in the restored flows: {said}")


def _require_up(switch: Switch, wanted: Rows) -> None:
    """Raise Refused for interfaces that had an OpenFlow port number in the snapshot and could not be opened now."""
    names = {row.get("name") for row in wanted.get("Interface", {}).values() if ofport(row.get("ofport"))}
    rows = switch.read(Query("Interface", [], ("name", "type", "ofport", "error")))
    brought_up.require(row for row in rows if row["name"] in names)
