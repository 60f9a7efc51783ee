"""Recordings: files to which readings are appended as they come, and from which they are read again.

They hold raw counters with their times, so that whoever reads them chooses what to average over. By the file's ending:

    .csv                    a header line, then one line for each port and sample (``csv_format``)
    .db .sqlite .sqlite3    a SQLite database with the same columns in one table, ``readings`` (``sqlite_format``)

Each sample is written as a whole or not at all. A killed process or a full disk leaves nothing torn behind that the next run would not
put right.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from typing import BinaryIO, NamedTuple

from ovstool.errors import UsageError
from ovstool.rates import Reading
from ovstool.recording.files import is_named, open_locked, os_errors, shown
from ovstool.recording.recorder import Recorder, ended_by_signals

_CSV = (".csv",)
_SQLITE = (".db", ".sqlite", ".sqlite3")


class _Format(NamedTuple):
    """How a kind of file is written and read; the last argument of both is told what there is to note."""

    recorder: Callable[[str, int, Callable[[str], None]], Recorder]
    read: Callable[[str, BinaryIO, Callable[[str], None]], Iterator[tuple[str, Reading]]]


@contextmanager
def append(path: str, note: Callable[[str], None]) -> Iterator[Recorder]:
    """A recording to add readings to, new or from before; no other process may record into it meanwhile.

    A file that is new and stays empty is removed again. ``note`` is told what had to be put right. Raises UsageError for an unknown
    ending, NotFound, Conflict for a file that is something else or in use, Refused when it cannot be written.
    """
    kind = _format_of(path).recorder
    fd, created = open_locked(path)
    recorder: Recorder | None = None
    try:
        with ended_by_signals():
            recorder = kind(path, fd, note)
            with closing(recorder):
                yield recorder
    finally:
        with suppress(OSError):
            if created and not (recorder and recorder.readings) and is_named(path, fd):
                os.unlink(path)
        os.close(fd)  # last: closing any descriptor of a file drops SQLite's own locks on it (fcntl(2))


def read(path: str, note: Callable[[str], None]) -> Iterator[tuple[str, Reading]]:
    """The host and the reading of each line, in the order in which they were written.

    A last line without its end is passed over, and ``note`` is told. Raises UsageError for an unknown ending, NotFound, Refused, and
    Conflict for a file that is something else, naming the line that is damaged.
    """
    kind = _format_of(path)
    with os_errors(path), open(path, "rb", opener=_opened_at_once) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise UsageError(shown(path), "not a regular file")
        yield from kind.read(path, file, note)


class Recording:
    """The readings in a file, which may be gone through again; what there is to note about it is noted once."""

    def __init__(self, path: str, note: Callable[[str], None]):
        self._path = path
        self._note = cache(note)

    def __iter__(self) -> Iterator[tuple[str, Reading]]:
        return read(self._path, self._note)


def _opened_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # of a FIFO nobody may ever write into the other end


def _format_of(path: str) -> _Format:
    """The format that the name of a file says. Raises UsageError when it says none."""
    ending = os.path.splitext(path)[1].lower()
    if ending in _CSV:
        from ovstool.recording import csv_format  # one of the two is enough

        return _Format(csv_format.CsvRecorder, csv_format.read)
    if ending in _SQLITE:
        from ovstool.recording import sqlite_format

        return _Format(sqlite_format.SqliteRecorder, sqlite_format.read)
    raise UsageError(shown(path), f"a recording's name ends in {', '.join((*_CSV, *_SQLITE[:-1]))} or {_SQLITE[-1]}")
