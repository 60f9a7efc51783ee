"""The files of recordings: locked while they are written, with errors of the operating system translated."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ovstool.errors import Conflict, NotFound, OvstoolError, Refused, UsageError
from ovstool.rates import COUNTERS
from ovstool.whole_file import shown

COLUMNS = ("time", "host", "bridge", "port", "duration_s", *COUNTERS)  # host: empty if there is only one
FOREIGN = "not a recording of ovstool"
FULL = "the disk is full"
DAMAGED = "damaged, or not written by ovstool"
BLOCK = 2**20  # bytes read at once, and the maximum length of a value
LATEST = 10**11  # seconds since 1970; larger values are invalid and cannot be displayed


def open_locked(path: str) -> tuple[int, bool]:
    """A descriptor that holds the lock on the file, and whether the file is new."""
    flags = os.O_RDWR | os.O_APPEND | os.O_NONBLOCK
    with os_errors(path):
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
            raise Conflict(shown(path), "another ovstool is recording to this file", "another file") from error
        except BaseException:
            os.close(fd)
            raise
        return fd, created


def is_named(path: str, fd: int) -> bool:
    """Whether the path still refers to the file of the descriptor."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except (FileNotFoundError, NotADirectoryError):
        return False


@contextmanager
def os_errors(path: str) -> Iterator[None]:
    """Translate an error of the operating system within the block."""
    try:
        yield
    except OSError as error:
        raise failed(path, error) from error


def failed(path: str, error: OSError) -> OvstoolError:
    """The error to raise for an error of the operating system with a file."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotFound(shown(path), "no such file or folder")
    if isinstance(error, IsADirectoryError):
        return UsageError(shown(path), "a directory")
    if error.errno == errno.ENOSPC:
        return Refused(shown(path), FULL)
    return Refused(shown(path), (error.strerror or str(error)).lower())
