"""Files that are whole at any moment: read with a limit, and replaced in one step."""

import os
import stat
import sys
from contextlib import suppress

from ovstool.errors import Refused, UsageError, quote


def read(path: str, most: int) -> tuple[bytes, str]:
    """The content of a file and its name in messages; ``-`` is standard input. Raises UsageError, also for more than ``most`` bytes."""
    name = "standard input" if path == "-" else shown(path)
    try:
        if path == "-":
            data = sys.stdin.buffer.read(most + 1)
        else:
            with open(path, "rb") as opened:
                data = opened.read(most + 1)
    except (OSError, ValueError) as error:
        raise UsageError(name, getattr(error, "strerror", None) or str(error)) from error
    if len(data) > most:
        raise UsageError(name, f"larger than {most >> 20} MiB")
    return data, name


def shown(path: str) -> str:
    """A file's name in a message: complete, because the end of a path matters most."""
    return path if path and path.isprintable() else quote(path)


def replace(path: str, content: bytes, beginning: bytes, mode: int = 0o600) -> bool:
    """Write a file, which by default only its owner can read; whether it is new. A crash leaves the old file or the new one, and so does a full disk.

    Only a file that has this ``beginning``, or is empty, is replaced. Raises UsageError for another one, Refused.
    """
    path = os.path.realpath(path)
    try:
        is_new = not _is_replaceable(path, beginning)
        _write(path, content, mode)
    except (OSError, ValueError) as error:
        raise Refused(shown(path), getattr(error, "strerror", None) or str(error)) from error
    return is_new


def _is_replaceable(path: str, beginning: bytes) -> bool:
    """Whether a file exists, and may be replaced."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    with open(fd, "rb") as opened:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise UsageError(shown(path), "not a regular file", "- for standard output")
        start = opened.read(len(beginning))
    if start and start != beginning:
        raise UsageError(shown(path), "exists and is something else, so it was not replaced", "another FILE")
    return True


def _write(path: str, content: bytes, mode: int) -> None:
    folder, name = os.path.split(path)
    passing = os.path.join(folder, f".{name[:200]}.{os.getpid()}.{os.urandom(4).hex()}")
    fd = os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as opened:
            os.fchmod(fd, mode)
            opened.write(content)
            opened.flush()
            os.fsync(fd)
        os.replace(passing, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(passing)
        raise
    with suppress(OSError):  # the new name outlives a power failure, too
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
