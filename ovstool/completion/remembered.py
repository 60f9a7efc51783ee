"""Names of ports kept from one Tab to the next: ``$XDG_CACHE_HOME/ovstool/ports-N``, or the same below ``~/.cache``.

They are stored with the versions of their bridges' rows, and are valid while the switch has these versions (``names.PortNames``): a file is
never out of date, whoever wrote it for whichever switch. It is read only if no other user can have written it, and errors are not
reported: then all names are read from the switch again.
"""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ovstool.switch.names import PortNames

_LEAST = 500  # ports; fewer are read from the switch as fast as from here
_MOST_BYTES = 2**22
_FILES = 16  # at most; if two switches share one, the last is cached
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def ports(switch: str) -> PortNames | None:
    """The cached names of a switch; None if there are none, or they are unusable."""
    with suppress(OSError, ValueError, TypeError, RecursionError), _folder(make=False) as folder:
        fd = os.open(_file(switch), os.O_RDONLY | _FILE, dir_fd=folder)
        try:
            versions, names = json.loads(_content(fd))
        finally:
            os.close(fd)
        if {type(versions), type(names)} == {list} and set(map(type, versions + names)) <= {str}:
            return PortNames(frozenset(versions), names)
    return None


def keep(switch: str, found: PortNames) -> None:
    """Cache these names, if there are many of them and the cache can be written."""
    text = json.dumps([sorted(found.versions), found.names]).encode()
    if len(found.names) >= _LEAST and len(text) <= _MOST_BYTES:
        with suppress(OSError), _folder(make=True) as folder:
            _write(folder, _file(switch), text)


def _write(folder: int, name: str, text: bytes) -> None:
    """Write a file as a whole or not at all. Raises OSError."""
    unfinished = f"unfinished-{os.getpid()}"
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, 0o600, dir_fd=folder)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(text)
        os.replace(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:  # no space
        os.unlink(unfinished, dir_fd=folder)
        raise


def _file(switch: str) -> str:
    return f"ports-{sum(switch.encode(errors='surrogateescape')) % _FILES}"


def _content(fd: int) -> bytes:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_size > _MOST_BYTES:
        raise PermissionError
    return os.read(fd, _MOST_BYTES)


@contextmanager
def _folder(make: bool) -> Iterator[int]:
    """The descriptor of the folder, created with ``make``. Raises OSError unless it and its parents are this user's and nobody else can write there.

    So root leaves nothing in another user's HOME, which sudo(8) may keep.
    """
    root, *below = _path()
    fd = os.open(root, _FOLDER)
    try:
        for name in below:
            _require_own(fd)
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=fd)
            above, fd = fd, os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=fd)
            os.close(above)
        _require_own(fd, 0o022)
        yield fd
    finally:
        os.close(fd)


def _path() -> list[str]:
    """The folder of the XDG Base Directory Specification, which ignores relative paths."""
    cache, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", "")
    return [cache, "ovstool"] if cache.startswith("/") else [home, ".cache", "ovstool"]


def _require_own(fd: int, forbidden: int = 0) -> None:
    found = os.fstat(fd)
    if found.st_uid != os.geteuid() or found.st_mode & forbidden:
        raise PermissionError
