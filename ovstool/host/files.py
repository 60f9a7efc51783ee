"""Files that a user, or somebody else, has put where we read.

Each is opened once, and what is decided about it, such as whether its owner may be trusted, is decided about what was opened.
"""

import errno
import os
import pwd
import select
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ovstool.host.deadline import Deadline

_CHUNK = 2**18


@contextmanager
def opened(path: str, pipes: bool = False) -> Iterator[BinaryIO]:
    """A plain file, or /dev/null, to read; with ``pipes`` also a named pipe. Raises OSError, also for anything else.

    Other kinds of file may never end, or never begin. Opening does not wait, whatever the file is.
    """
    try:
        file = open(path, "rb", opener=_without_waiting)
    except ValueError as error:  # a NUL in the path
        raise OSError(errno.EINVAL, str(error), path) from error
    with file:
        found = os.fstat(file.fileno())
        null = stat.S_ISCHR(found.st_mode) and found.st_rdev == os.makedev(1, 3)
        if not (stat.S_ISREG(found.st_mode) or null or (pipes and stat.S_ISFIFO(found.st_mode))):
            raise OSError(errno.EINVAL, "not a regular file", path)
        yield file


def _without_waiting(path: str, _: int) -> int:
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)


def read(path: str, most: int) -> bytes:
    """What is in a plain file. Raises OSError, also when that is more than ``most`` bytes."""
    with opened(path) as file:
        return content(file, path, most)


def content(file: BinaryIO, path: str, most: int) -> bytes:
    """What is in a file that ``opened`` gave. Raises OSError, also when that is more than ``most`` bytes."""
    data = file.read(most + 1)
    if len(data) > most:
        raise _too_large(path, most)
    return data


def read_pipe(path: str, most: int, deadline: Deadline) -> bytes:
    """What is in a plain file or comes by a pipe before the deadline. Raises OSError, also when that is more than ``most`` bytes."""
    with opened(path, pipes=True) as file:
        data = bytearray()
        poll = select.poll()
        poll.register(file, select.POLLIN)
        while True:
            if not poll.poll(deadline.remaining_s() * 1000):
                raise TimeoutError(errno.ETIMEDOUT, "the program that writes it does not finish", path)
            chunk = os.read(file.fileno(), _CHUNK)
            if not chunk:
                return bytes(data)
            data += chunk
            if len(data) > most:
                raise _too_large(path, most)


def _too_large(path: str, most: int) -> OSError:
    return OSError(errno.EFBIG, f"larger than {most:,} bytes", path)


def home() -> str | None:
    """The user's home: $HOME, else what the system knows. None when neither is absolute: a relative path could be anywhere."""
    path = os.environ.get("HOME", "")
    if not path.startswith("/"):
        try:
            path = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            return None
    return path if path.startswith("/") else None


def own_name() -> str:
    """The name of the user, or the number where the system knows no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
