"""Recordings: files to which readings are appended as they arrive, and from which they are read again.

They contain raw counters with timestamps, so that the reader chooses what to average over. The file's extension selects the format:

    .csv                    a header line, then one line for each port and sample (``csv_format``)
    .db .sqlite .sqlite3    a SQLite database with the same columns in one table, ``readings`` (``sqlite_format``)

Each sample is written as a whole or not at all. If a killed process or a full disk leaves an incomplete line, the next run repairs it.
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
    """How a kind of file is written and read; the last argument of both functions takes notes for the user."""

    recorder: Callable[[str, int, Callable[[str], None]], Recorder]
    read: Callable[[str, BinaryIO, Callable[[str], None]], Iterator[tuple[str, Reading]]]


@contextmanager
def append(path: str, note: Callable[[str], None]) -> Iterator[Recorder]:
    """A new or existing recording to add readings to; no other process may record to it meanwhile.

    A new file that stays empty is removed again. ``note`` is called with each repair. Raises UsageError for an unknown extension,
    NotFound, Conflict for a file that is something else or in use, Refused if it cannot be written.
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

    An incomplete last line is ignored, with a call of ``note``. Raises UsageError for an unknown extension, NotFound, Refused, and
    Conflict for a file that is something else, naming the damaged line.
    """
    kind = _format_of(path)
    with os_errors(path), open(path, "rb", opener=_opened_at_once) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise UsageError(shown(path), "not a regular file")
        yield from kind.read(path, file, note)


class Recording:
    """The readings in a file, which may be iterated over repeatedly; notes about it are made only once."""

    def __init__(self, path: str, note: Callable[[str], None]):
        self._path = path
        self._note = cache(note)

    def __iter__(self) -> Iterator[tuple[str, Reading]]:
        return read(self._path, self._note)


def _opened_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a FIFO may never get a writer


def _format_of(path: str) -> _Format:
    """The format for the extension of a file. Raises UsageError for an unknown one."""
    ending = os.path.splitext(path)[1].lower()
    if ending in _CSV:
        from ovstool.recording import csv_format  # only one of the two is needed

        return _Format(csv_format.CsvRecorder, csv_format.read)
    if ending in _SQLITE:
        from ovstool.recording import sqlite_format

        return _Format(sqlite_format.SqliteRecorder, sqlite_format.read)
    raise UsageError(shown(path), f"the name of a recording must end in {', '.join((*_CSV, *_SQLITE[:-1]))} or {_SQLITE[-1]}")
