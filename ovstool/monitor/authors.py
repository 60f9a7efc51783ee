"""Who made a change: the comments in the log of the database, read when a change of the configuration was reported and only then."""

from collections.abc import Iterator, Sequence

from ovstool.errors import OvstoolError
from ovstool.monitor.rows import Rows
from ovstool.ovsdb import columns, log
from ovstool.ovsdb.updates import Changes
from ovstool.switch import Switch
from ovstool.switch.changes import history

Cell = tuple[str, str, str]  # table, UUID and column of the configuration; without a column the row is deleted
_EMPTY = object()
_LAST = 2**17  # bytes at the end of the log: some hundred transactions
_MOST = 200  # changes at once; of more it is not looked up who made them
_LATEST_S = 1.0  # after a transaction, its changes have been reported
_REPORTED = {"admin_state", "link_state", "is_connected", "role"}  # columns that ovs-vswitchd writes, beside columns.REPORTED


class Authors:
    """The comments of transactions; reading them fails once, with a note, and then they are not known."""

    def __init__(self, switch: Switch):
        self._switch = switch
        self._is_readable = switch.host_is_known
        self._last = b""  # record that was there the last time
        self._pending: list[log.Record] = []  # whose changes may not have been reported yet
        self._begun = False
        self._problem = ""  # to be noted once somebody has changed something

    def of(self, reported: Sequence[set[Cell]]) -> list[str | None]:
        """The comment of each of these changes, given by the cells that it changed; None where it is not certain.

        ovsdb-server may report several transactions as one change.
        """
        if not self._begun:
            self._begun = True
            self._new()
        if any(reported) and self._problem:
            self._switch.notes.append(self._problem)
            self._problem = ""
        if not self._is_readable or not any(reported):
            return [None] * len(reported)
        self._pending += self._new()
        if max(len(reported), len(self._pending)) > _MOST:
            self._pending.clear()
        newest_s = max((record.time for record in self._pending), default=0)
        self._pending = [record for record in self._pending if record.time >= newest_s - _LATEST_S]
        return [self._comment(cells) for cells in reported]

    def _comment(self, cells: set[Cell]) -> str | None:
        """The comment of the only transactions that may have made a change; the first of them is taken off the list."""
        these = [record for record in self._pending if not cells.isdisjoint(_cells(record))]
        if len({record.comment for record in these}) != 1:
            return None
        self._pending.remove(these[0])
        return these[0].comment or None

    def _new(self) -> list[log.Record]:
        """The changes of the configuration since the last call; none when they are not all in the end of the log."""
        if not self._is_readable:
            return []
        try:
            self._switch.rearm()
            bodies = [*history.bodies(self._switch, _LAST)]
            last, self._last = self._last, bodies[-1] if bodies else self._last
            if last not in bodies:
                self._pending.clear()
                return []
            place = len(bodies) - bodies[::-1].index(last)
            found = history.records(self._switch, bodies[place:])
            return [record for record in found if isinstance(record, log.Record) and history.is_change(record)]
        except OvstoolError as error:
            self._is_readable = False
            self._problem = f"{error.what}: {error.why}; who made a change is not known"
            return []


def configured(rows: Rows, changes: Changes) -> set[Cell]:
    """The cells whose configuration changes to come will change."""
    found: set[Cell] = set()
    for table, of in changes.items():
        ignored = _REPORTED | columns.REPORTED.get(table, set())
        for u, after in of.items():
            before = rows.tables[table].get(u, {})
            names = [column for column in after if column not in ignored and after[column] != before.get(column, _EMPTY)] if after else [""]
            found.update((table, u, column) for column in names if not after or before or after[column])
    return found


def _cells(record: log.Record) -> Iterator[Cell]:
    return ((table, u, column) for table, rows in record.tables.items() for u, row in rows.items() for column in (row or [""]))
