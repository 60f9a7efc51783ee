"""Names of ports kept from one Tab to the next: ``$XDG_CACHE_HOME/ovstool/ports-N``, or the same below ``~/.cache``.

They stand beside the versions of the bridges that had them, and hold for as long as a switch has these versions (``names.PortNames``): a file
is never out of date, whoever wrote it for whichever switch. It is read only if nobody but this user can have written it, and what is wrong
with it is never told: then the switch is asked for all names again.
"""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ovstool.switch.names import PortNames

_LEAST = 500  # ports; fewer are asked for as soon as they are read here
_MOST_BYTES = 2**22
_FILES = 16  # so many at most; of two switches that share one, the last is remembered
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def ports(switch: str) -> PortNames | None:
    """What is remembered under the name of a switch; None when that is nothing, or of no use."""
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
    """Remember these names, if there are many of them and that is possible."""
    text = json.dumps([sorted(found.versions), found.names]).encode()
    if len(found.names) >= _LEAST and len(text) <= _MOST_BYTES:
        with suppress(OSError), _folder(make=True) as folder:
            _write(folder, _file(switch), text)


def _write(folder: int, name: str, text: bytes) -> None:
    """Write a file whole or not at all. Raises OSError."""
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
    """The descriptor of the folder, made if asked for. Raises OSError unless it is this user's, as what it is in, and nobody else can write there.

    So what root does with another user's HOME, as under sudo(8), leaves nothing there.
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
    """XDG Base Directory Specification; a relative path in it is no path."""
    cache, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", "")
    return [cache, "ovstool"] if cache.startswith("/") else [home, ".cache", "ovstool"]


def _require_own(fd: int, forbidden: int = 0) -> None:
    found = os.fstat(fd)
    if found.st_uid != os.geteuid() or found.st_mode & forbidden:
        raise PermissionError
