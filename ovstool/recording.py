"""Recordings: files to which readings are appended as they come, and from which they are read again.

They hold raw counters with their times, so that whoever reads them chooses what to average over. By the file's ending:

    .csv                    a header line, then one line for each port and beat
    .db .sqlite .sqlite3    a SQLite database with the same columns in one table, ``readings``

Each beat is written as a whole or not at all. A killed process or a full disk leaves nothing torn behind that the next run would not
put right.
"""

import csv
import errno
import fcntl
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from typing import Any, BinaryIO

from ovstool.errors import Conflict, NotFound, OvstoolError, Refused, UsageError, escape, quote
from ovstool.rates import COUNTERS, Reading
from ovstool.terminal.output import spreadsheet_meant, spreadsheet_text

COLUMNS = ("time", "host", "bridge", "port", "duration_s", *COUNTERS)  # host: empty for the only one

_CSV = (".csv",)
_SQLITE = (".db", ".sqlite", ".sqlite3")
_HEADER = (",".join(COLUMNS) + "\n").encode()
_TABLE = (
    "CREATE TABLE readings (time REAL NOT NULL, host TEXT, bridge TEXT NOT NULL, port TEXT NOT NULL, duration_s REAL, "
    + ", ".join(f"{counter} INTEGER" for counter in COUNTERS)
    + ")"
)
_FOREIGN = "not a recording of ovstool"
_FULL = "the disk is full"
_DAMAGED = "damaged, or not written by ovstool"
_BLOCK = 2**20
_LONGEST_LINE = 2**16  # ours have some 200 bytes; what is longer was written by something else
_LATEST = 10**11  # seconds since 1970: what lies beyond is no time, and nothing can show it
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_PATIENCE_S = 1.0  # how long these are not heard again
_NAMED = 6  # ports in the words about a recording


class Recorder:
    """A recording that is being written, and what has been written to it."""

    def __init__(self, path: str, fd: int):
        self.path = path
        self.readings = 0
        self._fd = fd
        self.ports: dict[str, None] = {}
        self.begin = self.end = 0.0

    def add(self, beat: Sequence[Reading], host: str | None = None) -> None:
        """Append readings of a host as one: all of them or none. Raises Refused when the disk is full, or the file is gone."""
        if not beat:
            return
        # A signal between the two would leave readings in the file that the summary does not count.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, *_ENDING])
        try:
            self._require_file()
            try:
                self._write(beat, host)
            except OvstoolError:
                self._require_file()  # what SQLite says of a file that has gone is no help
                raise
            if not self.readings:
                self.begin = beat[0].time
            self.end = beat[-1].time
            self.readings += len(beat)
            self.ports.update(dict.fromkeys([f"{host} {reading.port}" if host else reading.port for reading in beat]))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)

    def summary(self) -> str:
        """What was written, for people. Raises Refused when it is not in the file of that name any more."""
        self._require_file()
        ports = [quote(port) for port in self.ports]
        more = f" and {len(ports) - _NAMED} more" if len(ports) > _NAMED else ""
        of = f" of {', '.join(ports[:_NAMED])}{more} over {self.end - self.begin:.6g} s" if ports else ""
        return f"{self.readings} reading{'' if self.readings == 1 else 's'}{of} in {shown(self.path)}"

    def close(self) -> None:
        """Leave the file as other tools like to find it."""

    def _write(self, beat: Sequence[Reading], host: str | None) -> None:
        raise NotImplementedError

    def _require_file(self) -> None:
        with _os_errors(self.path):
            if not _is_named(self.path, self._fd):
                raise Refused(shown(self.path), "was removed, or replaced by another file, while it was written")


@contextmanager
def append(path: str, note: Callable[[str], None]) -> Iterator[Recorder]:
    """A recording to add readings to, new or from before; no other process may record into it meanwhile.

    A file that is new and stays empty is removed again. ``note`` is told what had to be put right. Raises UsageError for an unknown
    ending, NotFound, Conflict for a file that is something else or in use, Refused when it cannot be written.
    """
    kind = _CsvRecorder if _is_csv(path) else _SqliteRecorder
    fd, created = _open_locked(path)
    recorder: Recorder | None = None
    try:
        with _ended_by_signals():
            recorder = kind(path, fd, note)
            with closing(recorder):
                yield recorder
    finally:
        with suppress(OSError):
            if created and not (recorder and recorder.readings) and _is_named(path, fd):
                os.unlink(path)
        os.close(fd)  # last: closing any descriptor of a file drops SQLite's own locks on it (fcntl(2))


class _Ended(BaseException):
    """A signal is to end the process."""


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does, and then the process as they always do."""
    since: float | None = None

    def end(signum: int, frame: object) -> None:
        nonlocal since
        if since is None:
            since = time.monotonic()
            raise _Ended(signum)
        if time.monotonic() - since > _PATIENCE_S:  # the tidying up hangs
            _die(signum)

    caught = [number for number in _ENDING if signal.getsignal(number) == signal.SIG_DFL]  # not what nohup ignores
    for number in caught:
        signal.signal(number, end)
    try:
        yield
    except _Ended as ended:
        _die(ended.args[0])
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def _die(signum: int) -> None:
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)


def read(path: str, note: Callable[[str], None]) -> Iterator[tuple[str, Reading]]:
    """The host and the reading of each line, in the order in which they were written.

    A last line without its end is passed over, and ``note`` is told. Raises UsageError for an unknown ending, NotFound, Refused, and
    Conflict for a file that is something else, naming the line that is damaged.
    """
    is_csv = _is_csv(path)
    with _os_errors(path), open(path, "rb", opener=_opened_at_once) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise UsageError(shown(path), "not a regular file")
        yield from _read_csv(path, file, note) if is_csv else _read_sqlite(path, file.fileno())


class Recording:
    """The readings in a file, which may be gone through again; what there is to note about it is noted once."""

    def __init__(self, path: str, note: Callable[[str], None]):
        self._path = path
        self._note = cache(note)

    def __iter__(self) -> Iterator[tuple[str, Reading]]:
        return read(self._path, self._note)


def _opened_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # of a FIFO nobody may ever write into the other end


class _CsvRecorder(Recorder):
    def __init__(self, path: str, fd: int, note: Callable[[str], None]):
        super().__init__(path, fd)
        self._names: dict[tuple[str, str, str], str] = {}
        with _os_errors(path):
            self._put_right(note)

    def _put_right(self, note: Callable[[str], None]) -> None:
        """Refuse what is not ours, and cut off what a killed process or a full disk has left of a last line."""
        fd, path = self._fd, self.path
        size = os.fstat(fd).st_size
        head = os.pread(fd, len(_HEADER), 0)
        if head != _HEADER and (size > len(head) or not _HEADER.startswith(head)):
            raise Conflict(shown(path), _FOREIGN, "another file")
        tail = os.pread(fd, _LONGEST_LINE, max(size - _LONGEST_LINE, 0))
        torn = len(tail) - 1 - tail.rfind(b"\n")
        if torn == _LONGEST_LINE:
            raise Conflict(shown(path), f"{_FOREIGN}, or damaged: its last line has no end", "another file")
        if torn:
            os.ftruncate(fd, size - torn)
            note(f"{shown(path)}: the last line was torn; its {torn} bytes are cut off")

    def _write(self, beat: Sequence[Reading], host: str | None) -> None:
        state = os.fstat(self._fd)
        # The header again where others have emptied the file, as logrotate does.
        data = (b"" if state.st_size else _HEADER) + "".join([self._line(reading, host) for reading in beat]).encode()
        done = 0
        try:
            while done < len(data):  # a second time only on a full disk, to be told why
                done += os.write(self._fd, data[done:])
        except OSError as error:
            raise failed(self.path, error) from error
        finally:
            if done < len(data):
                os.ftruncate(self._fd, state.st_size)

    def _line(self, reading: Reading, host: str | None) -> str:
        # csv.writer takes twice as long.
        key = host or "", reading.bridge, reading.port
        names = self._names.get(key)
        if names is None:
            names = self._names[key] = ",".join(map(_field, key))
        age = "" if reading.duration_s is None else f"{reading.duration_s:.6f}"
        counter = reading.counters.get
        return f"{reading.time:.6f},{names},{age},{','.join([str(counter(name, '')) for name in COUNTERS])}\n"


class _SqliteRecorder(Recorder):
    def __init__(self, path: str, fd: int, note: Callable[[str], None]):
        import sqlite3

        super().__init__(path, fd)
        self._insert = f"INSERT INTO readings VALUES ({', '.join('?' * len(COLUMNS))})"
        with _sqlite_errors(path):
            self._db = sqlite3.connect(path, isolation_level=None)
        try:
            with _sqlite_errors(path):
                _limit(self._db)
                is_new = self._db.execute("SELECT 1 FROM sqlite_master").fetchone() is None
                if not is_new and not (_is_recording(self._db) and _takes_rows_as_they_are(self._db)):
                    raise Conflict(shown(path), _FOREIGN, "another file")
                self._require_file()  # which may have been another when SQLite opened it
                self._db.execute("PRAGMA journal_mode = WAL")  # others may read while it is written
                self._db.execute("PRAGMA synchronous = NORMAL")
                if is_new:
                    self._db.execute(_TABLE)
        except OvstoolError:
            self._db.close()
            self._require_file()
            raise

    def _write(self, beat: Sequence[Reading], host: str | None) -> None:
        with _sqlite_errors(self.path), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(self._insert, [self._row(reading, host) for reading in beat])

    def _row(self, reading: Reading, host: str | None) -> tuple[Any, ...]:
        # SQLite's integers are signed; no real counter of bytes comes near that.
        counters = [value if (value := reading.counters.get(name)) is None or value < 2**63 else None for name in COUNTERS]
        return round(reading.time, 6), host, _printable(reading.bridge), _printable(reading.port), reading.duration_s, *counters

    def close(self) -> None:
        import sqlite3

        # One file, which can be copied and read anywhere. Of one that was moved the log stays, whose name may be another file's by now.
        tidy = "journal_mode = DELETE" if _is_named(self.path, self._fd) else "wal_checkpoint"
        with suppress(sqlite3.Error):  # a reader is at it, or the disk is full: the next run or reader takes the log in
            self._db.execute(f"PRAGMA {tidy}")
        self._db.close()


def _read_csv(path: str, file: BinaryIO, note: Callable[[str], None]) -> Iterator[tuple[str, Reading]]:
    head = file.read(len(_HEADER))
    if head != _HEADER:
        if not _HEADER.startswith(head):
            raise Conflict(shown(path), _FOREIGN)
        return
    number, rest = 1, b""
    while block := file.read(_BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        for number, line in enumerate(lines, number + 1):  # noqa: B020 - goes on counting in the next block
            try:
                yield _parse(line)
            except (ValueError, csv.Error) as error:
                raise Conflict(f"{shown(path)}, line {number}", _DAMAGED) from error
        if len(rest) > _LONGEST_LINE:
            raise Conflict(f"{shown(path)}, line {number + 1}", "damaged: it has no end")
    if rest:
        note(f"{shown(path)}: the last line is torn and passed over")


def _parse(line: bytes) -> tuple[str, Reading]:
    """A line of a CSV recording. Raises ValueError or csv.Error."""
    fields: list[Any] = line.split(b",")
    if len(fields) != len(COLUMNS) or b'"' in line:
        if len(line) > _LONGEST_LINE:
            raise ValueError(line)
        (quoted,) = csv.reader([line.decode()], strict=True)
        fields = [field.encode() for field in quoted]
    time, host, bridge, port, age, *values = fields
    # float() and int() would take signs, exponents, "nan" and underscores too.
    if len(values) != len(COUNTERS) or b"".join([time, age, *values]).translate(None, b"0123456789."):
        raise ValueError(line)
    seconds = float(time)
    counters = (
        dict(zip(COUNTERS, map(int, values), strict=True))
        if all(values)
        else {c: int(v) for c, v in zip(COUNTERS, values, strict=True) if v}
    )
    if seconds >= _LATEST or max(counters.values(), default=0) >= 2**64:
        raise ValueError(line)
    names = host.decode(), bridge.decode(), port.decode()
    if b"'" in line:
        names = spreadsheet_meant(names[0]), spreadsheet_meant(names[1]), spreadsheet_meant(names[2])
    return names[0], Reading(seconds, names[1], names[2], float(age) if age else None, counters)


def _read_sqlite(path: str, fd: int) -> Iterator[tuple[str, Reading]]:
    import sqlite3
    from urllib.parse import quote as percent_encode

    if not os.fstat(fd).st_size:
        return
    uri = f"file:{percent_encode(os.path.abspath(path))}?mode=ro"
    with _sqlite_errors(path), closing(sqlite3.connect(uri, uri=True)) as db:
        _limit(db)
        if not _is_recording(db):
            raise Conflict(shown(path), _FOREIGN)
        last = None
        for number, *row in db.execute(f"SELECT rowid, {', '.join(COLUMNS)} FROM readings ORDER BY rowid"):
            time, host, bridge, port, age, *values = row
            if not (
                (last is None or number > last)  # pages that refer to each other in a circle would have no end
                and _is_time(time)
                and (age is None or _is_time(age))
                and isinstance(bridge, str)
                and isinstance(port, str)
                and all(value is None or (isinstance(value, int) and value >= 0) for value in values)
            ):
                raise Conflict(f"{shown(path)}, row {number}", _DAMAGED)
            last = number
            counters = {name: value for name, value in zip(COUNTERS, values, strict=True) if value is not None}
            yield host or "", Reading(time, bridge, port, age, counters)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < _LATEST


def _limit(db: Any) -> None:
    """What somebody else has written into a database is not run, and no value is longer than any of ours."""
    import sqlite3

    db.execute("PRAGMA trusted_schema = OFF")
    if hasattr(db, "setlimit"):  # from Python 3.11 on
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _BLOCK)


def _is_recording(db: Any) -> bool:
    """Whether its readings are a table with our columns: no view, which may go on for ever, and none of it generated."""
    kinds = db.execute("SELECT type, rootpage > 0 FROM sqlite_master WHERE lower(name) = 'readings'").fetchall()
    columns = tuple((name, hidden) for _, name, _, _, _, _, hidden in db.execute("PRAGMA table_xinfo(readings)"))
    return kinds == [("table", 1)] and columns == tuple((name, 0) for name in COLUMNS)


def _takes_rows_as_they_are(db: Any) -> bool:
    """Whether nothing happens to what is inserted."""
    changed = "SELECT 1 FROM sqlite_master WHERE lower(tbl_name) = 'readings' AND (type = 'trigger' OR (type = 'table' AND sql <> ?))"
    return db.execute(changed, [_TABLE]).fetchone() is None


def _is_csv(path: str) -> bool:
    """Whether the name says CSV, else SQLite. Raises UsageError when it says neither."""
    ending = os.path.splitext(path)[1].lower()
    if ending not in (*_CSV, *_SQLITE):
        raise UsageError(shown(path), f"a recording's name ends in {', '.join((*_CSV, *_SQLITE[:-1]))} or {_SQLITE[-1]}")
    return ending in _CSV


def _open_locked(path: str) -> tuple[int, bool]:
    """A descriptor that holds the lock on the file, and whether the file is new."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
    with _os_errors(path):
        try:
            fd, created = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666), True
        except FileExistsError:
            fd, created = os.open(path, flags), False
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise UsageError(shown(path), "not a regular file")
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(fd)
            raise Conflict(shown(path), "another ovstool records into it", "another file") from error
        except BaseException:
            os.close(fd)
            raise
        return fd, created


def _is_named(path: str, fd: int) -> bool:
    """Whether the path still leads to the file of the descriptor."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except (FileNotFoundError, NotADirectoryError):
        return False


@contextmanager
def _os_errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise failed(path, error) from error


def shown(path: str) -> str:
    """A file's name in a message: whole, because the end of a path says most."""
    return path if path and path.isprintable() else quote(path)


def failed(path: str, error: OSError) -> OvstoolError:
    """What a failure of the operating system means for a file."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotFound(shown(path), "no such file or folder")
    if isinstance(error, IsADirectoryError):
        return UsageError(shown(path), "a directory")
    if error.errno == errno.ENOSPC:
        return Refused(shown(path), _FULL)
    return Refused(shown(path), (error.strerror or str(error)).lower())


@contextmanager
def _sqlite_errors(path: str) -> Iterator[None]:
    import sqlite3

    try:
        yield
    except sqlite3.OperationalError as error:
        raise Refused(shown(path), _FULL if str(error) == "database or disk is full" else str(error)) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter over a message of SQLite's own
        raise Conflict(shown(path), f"{_FOREIGN}, or damaged ({error})") from error


def _field(name: str) -> str:
    """A field of CSV: quoted where RFC 4180 asks for it, and no formula."""
    name = spreadsheet_text(_printable(name))
    return '"' + name.replace('"', '""') + '"' if '"' in name or "," in name else name


def _printable(name: str) -> str:
    """A name may hold anything, but a line of a recording has to stay a line."""
    return name if name.isprintable() else escape(name)
