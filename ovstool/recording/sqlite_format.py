"""Recordings as SQLite: a database with one table, ``readings``, which can be read while it is being written."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, BinaryIO
from urllib.parse import quote as percent_encode

from ovstool.errors import Conflict, OvstoolError, Refused
from ovstool.rates import COUNTERS, Reading
from ovstool.recording.files import BLOCK, COLUMNS, DAMAGED, FOREIGN, FULL, LATEST, is_named, shown
from ovstool.recording.recorder import Recorder, printable

TABLE = (
    "CREATE TABLE readings (time REAL NOT NULL, host TEXT, bridge TEXT NOT NULL, port TEXT NOT NULL, duration_s REAL, "
    + ", ".join(f"{counter} INTEGER" for counter in COUNTERS)
    + ")"
)


class SqliteRecorder(Recorder):
    """Inserts rows, one transaction per sample."""

    def __init__(self, path: str, fd: int, note: Callable[[str], None]):
        super().__init__(path, fd)
        self._insert = f"INSERT INTO readings VALUES ({', '.join('?' * len(COLUMNS))})"
        with _sqlite_errors(path):
            self._db = sqlite3.connect(path, isolation_level=None)
        try:
            with _sqlite_errors(path):
                _limit(self._db)
                is_new = self._db.execute("SELECT 1 FROM sqlite_master").fetchone() is None
                if not is_new and not (_is_recording(self._db) and _takes_rows_as_they_are(self._db)):
                    raise Conflict(shown(path), FOREIGN, "another file")
                self._require_file()  # SQLite may have opened another file of this name
                self._db.execute("PRAGMA journal_mode = WAL")  # others may read while it is written
                self._db.execute("PRAGMA synchronous = NORMAL")
                if is_new:
                    self._db.execute(TABLE)
        except OvstoolError:
            self._db.close()
            self._require_file()
            raise

    def _write(self, sample: Sequence[Reading], host: str | None) -> None:
        with _sqlite_errors(self.path), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(self._insert, [self._row(reading, host) for reading in sample])

    def _row(self, reading: Reading, host: str | None) -> tuple[Any, ...]:
        # SQLite's integers are signed; no real byte counter comes near that.
        counters = [value if (value := reading.counters.get(name)) is None or value < 2**63 else None for name in COUNTERS]
        return round(reading.time, 6), host, printable(reading.bridge), printable(reading.port), reading.duration_s, *counters

    def close(self) -> None:
        # Leaves a single file, which can be copied and read anywhere. If it was moved, its log stays: that name may belong to another file now.
        tidy = "journal_mode = DELETE" if is_named(self.path, self._fd) else "wal_checkpoint"
        with suppress(sqlite3.Error):  # in use by a reader, or the disk is full: the next run or reader merges the log
            self._db.execute(f"PRAGMA {tidy}")
        self._db.close()


def read(path: str, file: BinaryIO, note: Callable[[str], None]) -> Iterator[tuple[str, Reading]]:
    """The host and the reading of each row. Raises Conflict, naming the damaged row."""
    if not os.fstat(file.fileno()).st_size:
        return
    uri = f"file:{percent_encode(os.path.abspath(path))}?mode=ro"
    with _sqlite_errors(path), closing(sqlite3.connect(uri, uri=True)) as db:
        _limit(db)
        if not _is_recording(db):
            raise Conflict(shown(path), FOREIGN)
        last = None
        for number, *row in db.execute(f"SELECT rowid, {', '.join(COLUMNS)} FROM readings ORDER BY rowid"):
            time, host, bridge, port, age, *values = row
            if not (
                (last is None or number > last)  # pages that refer to each other in a loop would never end
                and _is_time(time)
                and (age is None or _is_time(age))
                and isinstance(bridge, str)
                and isinstance(port, str)
                and all(value is None or (isinstance(value, int) and value >= 0) for value in values)
            ):
                raise Conflict(f"{shown(path)}, row {number}", DAMAGED)
            last = number
            counters = {name: value for name, value in zip(COUNTERS, values, strict=True) if value is not None}
            yield host or "", Reading(time, bridge, port, age, counters)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < LATEST


def _limit(db: sqlite3.Connection) -> None:
    """Never run code from the database, and accept no value longer than any of ours."""
    db.execute("PRAGMA trusted_schema = OFF")
    if hasattr(db, "setlimit"):  # from Python 3.11 on
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, BLOCK)


def _is_recording(db: sqlite3.Connection) -> bool:
    """Whether ``readings`` is a table with our columns: not a view, which may be endless, and without generated columns."""
    kinds = db.execute("SELECT type, rootpage > 0 FROM sqlite_master WHERE lower(name) = 'readings'").fetchall()
    columns = tuple((name, hidden) for _, name, _, _, _, _, hidden in db.execute("PRAGMA table_xinfo(readings)"))
    return kinds == [("table", 1)] and columns == tuple((name, 0) for name in COLUMNS)


def _takes_rows_as_they_are(db: sqlite3.Connection) -> bool:
    """Whether inserted rows stay unchanged: no triggers or constraints."""
    changed = "SELECT 1 FROM sqlite_master WHERE lower(tbl_name) = 'readings' AND (type = 'trigger' OR (type = 'table' AND sql <> ?))"
    return db.execute(changed, [TABLE]).fetchone() is None


@contextmanager
def _sqlite_errors(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Refused(shown(path), FULL if str(error) == "database or disk is full" else str(error)) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # UnicodeDecodeError comes from one of SQLite's own messages
        raise Conflict(shown(path), f"{FOREIGN}, or damaged ({error})") from error
