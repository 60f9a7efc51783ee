"""What was typed in earlier shells, in a file that nobody else can read or change.

It is ``$XDG_STATE_HOME/ovstool/history`` (XDG Base Directory Specification). Each line is added as it is typed, so that shells that run at the same
time lose nothing of each other's.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from ovstool.errors import escape

MOST_LINES = 1000
_MOST_BYTES = 2**20  # of the file; what is in front of that is not read
_NAME = "history"


def folder() -> str | None:
    """Where it is kept: None where the user has no home."""
    state = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(state):
        return f"{state}/ovstool"
    home = os.path.expanduser("~")
    return f"{home}/.local/state/ovstool" if os.path.isabs(home) else None


def load(path: str) -> list[str]:
    """The last lines, the oldest first, once the file is no longer than that. Raises OSError when it is not the user's own."""
    os.makedirs(path, 0o700, exist_ok=True)
    with _own_folder(path) as fd:
        with _own_file(fd) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _MOST_BYTES, 0))
            data = file.read(_MOST_BYTES)
        lines = data.decode(errors="replace").splitlines()
        kept = [line for line in lines[-MOST_LINES:] if line]
        if len(lines) > MOST_LINES or size > _MOST_BYTES:
            _replace(fd, kept)
    return kept


def add(path: str, line: str) -> None:
    """Add a line. Raises OSError."""
    with _own_folder(path) as fd, _own_file(fd) as file:
        file.write(_written([line]))


@contextmanager
def _own_folder(path: str) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise PermissionError(errno.EPERM, "another user owns it or may write to it", path)
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _own_file(folder_fd: int) -> Iterator[BinaryIO]:
    # Opening must not wait, as it would for a named pipe.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    with open(os.open(_NAME, flags, 0o600, dir_fd=folder_fd), "r+b", buffering=0) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink != 1:
            raise PermissionError(errno.EPERM, "not a plain file of this user's alone", _NAME)
        if found.st_mode & 0o077:
            os.fchmod(file.fileno(), 0o600)
        yield file


def _replace(folder_fd: int, lines: list[str]) -> None:
    new = f"{_NAME}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(new, flags, 0o600, dir_fd=folder_fd), "wb") as file:
            file.write(_written(lines))
        os.rename(new, _NAME, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
    except BaseException:
        with suppress(OSError):
            os.unlink(new, dir_fd=folder_fd)
        raise


def _written(lines: list[str]) -> bytes:
    """Each on a line of its own, with nothing in it that would steer a terminal."""
    return "".join(f"{escape(line, keep=chr(92))}\n" for line in lines).encode(errors="replace")
