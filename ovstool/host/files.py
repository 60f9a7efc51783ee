"""Files from the user, or from somebody else who can write where ovstool reads.

Each is opened once, and every decision about it, such as whether its owner is trusted, is made about the open file.
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
    """Open a regular file or /dev/null for reading; with ``pipes`` also a named pipe. Raises OSError, also for any other kind.

    Reading another kind of file might never end, or never start. Opening never blocks, whatever the file is.
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
    """The content of a regular file. Raises OSError, also when it is larger than ``most`` bytes."""
    with opened(path) as file:
        return content(file, path, most)


def content(file: BinaryIO, path: str, most: int) -> bytes:
    """The content of a file from ``opened``. Raises OSError, also when it is larger than ``most`` bytes."""
    data = file.read(most + 1)
    if len(data) > most:
        raise _too_large(path, most)
    return data


def read_pipe(path: str, most: int, deadline: Deadline) -> bytes:
    """The content of a regular file or a pipe, read before the deadline. Raises OSError, also when it is larger than ``most`` bytes."""
    with opened(path, pipes=True) as file:
        data = bytearray()
        poll = select.poll()
        poll.register(file, select.POLLIN)
        while True:
            if not poll.poll(deadline.remaining_s() * 1000):
                raise TimeoutError(errno.ETIMEDOUT, "the program writing to it did not finish", path)
            chunk = os.read(file.fileno(), _CHUNK)
            if not chunk:
                return bytes(data)
            data += chunk
            if len(data) > most:
                raise _too_large(path, most)


def _too_large(path: str, most: int) -> OSError:
    return OSError(errno.EFBIG, f"larger than {most:,} bytes", path)


def home() -> str | None:
    """The user's home: $HOME, else from the password database. None when neither is absolute: a relative path could be anywhere."""
    path = os.environ.get("HOME", "")
    if not path.startswith("/"):
        try:
            path = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            return None
    return path if path.startswith("/") else None


def own_name() -> str:
    """The user's name, or the number if the password database has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
