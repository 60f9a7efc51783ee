"""Folders that ovstool keeps in the user's home, for files that nobody else can read or change."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(root: str, below: Sequence[str], make: bool) -> Iterator[int]:
    """The descriptor of the folder ``below`` root, created with ``make``.

    Raises OSError unless it and its parents up to root are this user's and nobody else can write there. So root leaves nothing in another
    user's HOME, which sudo(8) may keep.
    """
    fd = os.open(root, _FOLDER)
    try:
        for place, name in enumerate(below, 1):
            _require_own(fd, root)
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=fd)
            links = os.O_NOFOLLOW if place == len(below) else 0
            above, fd = fd, os.open(name, _FOLDER | links, dir_fd=fd)
            os.close(above)
        _require_own(fd, root, 0o022)
        yield fd
    finally:
        os.close(fd)


def replace(folder: int, name: str, content: bytes) -> None:
    """Write a file of such a folder as a whole or not at all; no other user can read it. Raises OSError."""
    unfinished = f"{name}.{os.getpid()}"  # a name of its own, as another process may be writing the same file
    with suppress(FileNotFoundError):
        os.unlink(unfinished, dir_fd=folder)  # of a process that was killed
    try:
        with open(os.open(unfinished, _NEW, 0o600, dir_fd=folder), "wb") as file:
            file.write(content)
        os.replace(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished, dir_fd=folder)
        raise


def _require_own(fd: int, root: str, forbidden: int = 0) -> None:
    found = os.fstat(fd)
    if found.st_uid != os.geteuid() or found.st_mode & forbidden:
        raise PermissionError(errno.EPERM, "another user owns the directory, or may write to it", root)
