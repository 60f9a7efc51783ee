"""What was typed in earlier shells, in a file that nobody else can read or change.

It is ``$XDG_STATE_HOME/ovstool/history`` (XDG Base Directory Specification). Each line is added as it is typed, so that shells that run at the same
time lose nothing of each other's.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, NamedTuple

from ovstool import own_folder
from ovstool.errors import escape

MOST_LINES = 1000
_MOST_BYTES = 2**20  # of the file; what is in front of that is not read
_NAME = "history"


class Folder(NamedTuple):
    """Where the file is: ``below`` a directory that is not created."""

    root: str
    below: list[str]

    def __str__(self) -> str:
        return os.path.join(self.root, *self.below)


def folder() -> Folder | None:
    """Where the history is kept: None where the user has no home."""
    state = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(state):
        root, name = os.path.split(state.rstrip("/"))
        return Folder(state, ["ovstool"]) if os.path.isdir(state) else Folder(root, [name, "ovstool"])
    home = os.path.expanduser("~")
    return Folder(home, [".local", "state", "ovstool"]) if os.path.isabs(home) and os.path.isdir(home) else None


def load(path: Folder) -> list[str]:
    """The last lines, the oldest first, once the file is no longer than that. Raises OSError when it is not the user's own."""
    with _locked(path, make=True) as fd:
        with _own_file(fd) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _MOST_BYTES, 0))
            data = file.read(_MOST_BYTES)
        lines = data.decode(errors="replace").splitlines()
        kept = [line for line in lines[-MOST_LINES:] if line]
        if len(lines) > MOST_LINES or size > _MOST_BYTES:
            own_folder.replace(fd, _NAME, _written(kept))
    return kept


def add(path: Folder, line: str) -> None:
    """Add a line. Raises OSError."""
    with _locked(path, make=False) as fd, _own_file(fd) as file:
        file.write(_written([line]))


@contextmanager
def _locked(path: Folder, make: bool) -> Iterator[int]:
    """The folder, which no other shell changes meanwhile: one that shortens the file would lose what another one adds."""
    with own_folder.opened(*path, make=make) as fd:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd


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


def _written(lines: list[str]) -> bytes:
    """Each on a line of its own, with nothing in it that would steer a terminal."""
    return "".join(f"{escape(line, keep=chr(92))}\n" for line in lines).encode(errors="replace")
