"""Who made a change: the comments in the log of the database, read when a change of the configuration was reported and only then."""

import time
from collections.abc import Iterator, Sequence
from itertools import takewhile

from ovstool.errors import OvstoolError, TimedOut
from ovstool.monitor import feed
from ovstool.monitor.rows import Rows
from ovstool.ovsdb import columns, log
from ovstool.ovsdb.updates import Changes
from ovstool.switch import Switch
from ovstool.switch.changes import comment, history

Cell = tuple[str, str, str]  # table, UUID and column of the configuration; without a column the row is deleted
_EMPTY = object()
_LAST = 2**17  # bytes at the end of the log: some hundred transactions
_MOST = 200  # changes at once; of more it is not looked up who made them
_CHANCES = 2
_LATEST_S = 1.0  # after a transaction, its changes have been reported
_REPORTED = {"admin_state", "link_state", "is_connected", "role"}  # columns that ovs-vswitchd writes, beside columns.REPORTED


class Authors:
    """The comments of transactions; once reading them fails again and again, which is noted, they are not known until ``begin``."""

    def __init__(self, switch: Switch):
        self._switch = switch
        self._is_readable = False
        self._chances = 0  # how often it may fail: as while ovsdb-server is being restarted
        self._last = b""  # record that was there the last time
        self._pending: list[tuple[float, log.Record]] = []  # whose changes may not have been reported yet, and when they were read
        self._sure_s = self._previous_s = 0.0  # of reports from when on all records are there, and when the previous reports were received
        self._problem = self._noted = ""  # to be noted once somebody has changed something

    def begin(self) -> None:
        """Note what is in the log now, before the rows are read: what comes later is a change, or is in the rows already."""
        self._is_readable = self._switch.host_is_known
        self._chances, self._problem = 0, ""
        self._new()
        self._pending, self._sure_s = [], 0.0

    def of(self, reported: Sequence[set[Cell]]) -> list[str | None]:
        """The comment of each of these changes, given by the cells that it changed; None where it is not certain.

        ovsdb-server may report several transactions as one change.
        """
        now_s = time.monotonic()
        is_sure, self._previous_s = self._previous_s >= self._sure_s, now_s
        if any(reported):
            self._note_problem()
            self._pending += [(time.monotonic(), record) for record in self._new()]
            if max(len(reported), len(self._pending)) > _MOST:
                self._forget()
        found = [self._comment(cells) if is_sure else None for cells in reported]
        self._pending = [(read_s, record) for read_s, record in self._pending if read_s > now_s - _LATEST_S]
        return found

    def _comment(self, cells: set[Cell]) -> str | None:
        """The comment of the only transactions that may have made a change; the first of them is taken off the list."""
        these = [pending for pending in self._until_deleted(cells) if not cells.isdisjoint(_cells(pending[1]))]
        if len({record.comment for _, record in these}) != 1:
            return None
        self._pending.remove(these[0])
        return comment.without_secret(these[0][1].comment) or None

    def _until_deleted(self, cells: set[Cell]) -> Iterator[tuple[float, log.Record]]:
        """The pending transactions up to the first that deletes a row that is there after the change: that one and the rest came later."""
        deletions = {(table, u, "") for table, u, column in cells if column}
        return takewhile(lambda pending: deletions.isdisjoint(_cells(pending[1])), self._pending)

    def _new(self) -> list[log.Record]:
        """The changes of the configuration since the last call; none when they are not all in the end of the log."""
        if not self._is_readable:
            return []
        try:
            self._switch.give_until(time.monotonic() + feed.patience_s(self._switch))
            bodies = [*history.bodies(self._switch, _LAST)]
            self._chances = _CHANCES
            last, self._last = self._last, bodies[-1] if bodies else self._last
            if last not in bodies:
                self._forget()
                return []
            place = len(bodies) - bodies[::-1].index(last)
            found = history.records(self._switch, bodies[place:])
            return [record for record in found if isinstance(record, log.Record) and history.is_change(record)]
        except OvstoolError as error:
            self._fail(error)
            return []

    def _forget(self) -> None:
        """Start over without the records up to now; until their changes have been reported, a later record may be taken for one of them."""
        self._pending.clear()
        self._sure_s = time.monotonic() + _LATEST_S

    def _fail(self, error: OvstoolError) -> None:
        if self._chances and not isinstance(error, TimedOut):
            self._chances -= 1
            return
        self._is_readable = False
        hint = f"; try: {error.hint}" if error.hint else ""
        self._problem = f"{error.what}: {error.why}; who made a change is not known{hint}"

    def _note_problem(self) -> None:
        if self._problem not in ("", self._noted):
            self._switch.notes.append(self._problem)
            self._noted = self._problem


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
