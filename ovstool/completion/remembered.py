"""Names of ports kept from one Tab to the next: ``$XDG_CACHE_HOME/ovstool/ports-N``, or the same below ``~/.cache``.

They are stored with the versions of their bridges' rows, and are valid while the switch has these versions (``names.PortNames``): a file is
never out of date, whoever wrote it for whichever switch. A file has a line of versions, a line for each name, and the versions again,
without which it is not complete. It is read only if no other user can have written it, and errors are not reported: then all names are
read from the switch again.
"""

import os
import stat
from contextlib import suppress

from ovstool import own_folder
from ovstool.switch.names import PortNames

_LEAST = 500  # ports; fewer are read from the switch as fast as from here
_MOST_BYTES = 2**22
_FILES = 19  # at most, a prime so that each character counts; if two switches share one, the last is cached


def ports(switch: str) -> PortNames | None:
    """The cached names of a switch; None if there are none, or they are unusable."""
    with suppress(OSError, ValueError), own_folder.opened(*_path(), make=False) as folder:
        fd = os.open(_file(switch), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            text = _content(fd).decode()
        finally:
            os.close(fd)
        versions = text[: text.find("\n")]
        if versions and text.endswith(f"\n{versions}"):
            return PortNames(versions, text[len(versions) : -len(versions)])
    return None


def keep(switch: str, found: PortNames) -> None:
    """Cache these names, if there are many of them and the cache can be written."""
    with suppress(OSError, ValueError):  # ValueError: a name that is not valid UTF-8
        text = f"{found.versions}{found.lines}{found.versions}".encode()
        if found.lines.count("\n") > _LEAST and len(text) <= _MOST_BYTES:
            with own_folder.opened(*_path(), make=True) as folder:
                own_folder.replace(folder, _file(switch), text)


def _file(switch: str) -> str:
    return f"ports-{int.from_bytes(switch.encode(errors='surrogateescape'), 'big') % _FILES}"


def _content(fd: int) -> bytes:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_size > _MOST_BYTES:
        raise PermissionError
    return os.read(fd, _MOST_BYTES)


def _path() -> tuple[str, list[str]]:
    """The folder of the XDG Base Directory Specification, which ignores relative paths."""
    cache, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", "")
    return (cache, ["ovstool"]) if cache.startswith("/") else (home, [".cache", "ovstool"])
