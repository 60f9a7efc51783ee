"""The directory of a sandbox, by descriptors: what was checked is what is used, whatever happens to names meanwhile.

The daemons use its path, so nobody else may be able to change where that leads. Each folder on the path belongs to root or
to the user, and others cannot write to any of them, except where the sticky bit (of /tmp) limits them to their own files.
"""

import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from ovstool.errors import Refused, TimedOut, UsageError, quote

MARKER = "sandbox.json"
UNFINISHED = f"{MARKER}.new"  # its name until it is complete

# Files created here by ovstool, by the daemons, and by ovs-vswitchd for each bridge.
_FILES = re.compile(
    rf"{re.escape(MARKER)}(\.new)?|\.?conf\.db(\.tmp)?(\.~lock~)?|(ovs-vswitchd|ovsdb-server)\.(log|pid(\.tmp[0-9]+)?)",
)
_SOCKETS = re.compile(r"db\.sock|(ovs-vswitchd|ovsdb-server)\.[0-9]+\.ctl|.+\.(mgmt|snoop)", re.DOTALL)

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC  # opens anything, without blocking or permission to read it
_LINKS = 40  # as many as the kernel follows, path_resolution(7)
_SOCKET_BYTES = 107  # sun_path in unix(7), less its final NUL
_LONGEST_SOCKET = "/ovs-vswitchd.4194304.ctl"  # 2^22 is the largest pid, proc(5)
_LONGEST = _SOCKET_BYTES - len(_LONGEST_SOCKET)
_BEAT_S = 0.01  # between two attempts to lock


@dataclass(frozen=True)
class Place:
    """A directory that is held open, and its parent folder."""

    path: Path  # without links
    fd: int
    folder: int
    made: bool = False  # created just now


@contextmanager
def opened(directory: Path) -> Iterator[Place | None]:
    """Open the directory of a sandbox; None if there is none.

    Raises UsageError for an unsuitable path, Refused for a directory that others can change or redirect.
    """
    with _above(directory) as (folder, path):
        fd = None if folder is None else _open(folder, path)
        if folder is None or fd is None:
            yield None
            return
        try:
            yield Place(path, fd, folder)
        finally:
            os.close(fd)


@contextmanager
def locked(directory: Path, deadline: float, create: bool = False) -> Iterator[Place | None]:
    """A sandbox's directory, locked against other ovstools that start or stop here; ``create`` makes it, and removes it if the block fails.

    Raises TimedOut if another one holds the lock until the deadline.
    """
    with _above(directory) as (folder, path):
        if folder is None and create:
            raise Refused(quote(str(path)), "its parent folder does not exist", "another --dir")
        while folder is not None:
            made = create and _make(folder, path)
            fd = _open(folder, path)
            if fd is None and not create:
                break
            if fd is not None:
                try:
                    _lock(fd, path, deadline)
                    if _is_still_there(fd, folder, path):
                        with _unmade_on_failure(folder, path) if made else nullcontext():
                            yield Place(path, fd, folder, made)
                        return
                finally:
                    os.close(fd)
            # Another ovstool removed it in between, or while we waited: the lock was on a deleted directory.
            if time.monotonic() > deadline:
                raise TimedOut(quote(str(path)), "keeps being removed")
        yield None


def read(place: Place, name: str, limit: int, end: bool = False) -> bytes | None:
    """A file that the user or root wrote here, None if there is none; with ``end`` only its last ``limit`` bytes.

    Raises Refused for anything else: a link, a FIFO, another user's file, one of more than ``limit`` bytes.
    """
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place.fd)
    except FileNotFoundError:
        return None
    except OSError as error:
        why = "is a link" if error.errno == errno.ELOOP else error.strerror
        raise Refused(quote(str(place.path)), f"{name}: {why}", "inspect the directory and remove it") from error
    try:
        found = os.fstat(fd)
        why = None
        if not stat.S_ISREG(found.st_mode):
            why = "is not a regular file"
        elif found.st_uid != os.geteuid() or found.st_nlink != 1:
            why = "belongs to another user, or has several hard links"
        elif found.st_size > limit and not end:
            why = f"is too large ({found.st_size} bytes)"
        if why:
            raise Refused(quote(str(place.path)), f"{name} {why}", "inspect the directory and remove it")
        return os.pread(fd, limit, max(0, found.st_size - limit))
    finally:
        os.close(fd)


def write(place: Place, name: str, text: str) -> None:
    """Write a file as a whole or not at all."""
    with suppress(FileNotFoundError):
        os.unlink(UNFINISHED, dir_fd=place.fd)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(UNFINISHED, "w", opener=lambda path, _: os.open(path, flags, 0o600, dir_fd=place.fd)) as new:
        new.write(text)
    os.rename(UNFINISHED, name, src_dir_fd=place.fd, dst_dir_fd=place.fd)


def clear(place: Place) -> None:
    """Remove the files of a sandbox, and nothing else; the marker last, because without it nothing may be removed."""
    for name in sorted(os.listdir(place.fd), key=lambda name: name == MARKER):
        with suppress(FileNotFoundError):  # gone meanwhile
            if _is_made_here(place, name):
                os.unlink(name, dir_fd=place.fd)


def may_be_left(place: Place) -> bool:
    """Whether a stopped sandbox can have left it: accessible only to the user, as every sandbox, and without a sandbox's files."""
    alone = not os.fstat(place.fd).st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    return alone and not any(_is_made_here(place, name) for name in os.listdir(place.fd) if name != UNFINISHED)


def remove(place: Place) -> None:
    """Remove the directory itself, unless it still contains something."""
    try:
        os.rmdir(place.path.name, dir_fd=place.folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise


def is_own(folder: Path) -> bool:
    """Whether only the user can write to a folder."""
    try:
        fd, _ = _walk(folder, folder)
    except (OSError, Refused):
        return False
    try:
        found = os.fstat(fd)
        return found.st_uid == os.geteuid() and not _others_may_write(fd, found) and os.access(_by_fd(fd), os.W_OK)
    finally:
        os.close(fd)


# --- the path to the directory


@contextmanager
def _above(directory: Path) -> Iterator[tuple[int | None, Path]]:
    """The parent folder of the directory, None if there is none, and the directory's path without links."""
    what = quote(str(directory))
    fd = None
    try:
        fd, path = _way(directory)
        yield fd, path
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UsageError(what, "the path is too long", "a shorter --dir") from error
        where = f"{quote(str(error.filename))}: " if error.filename else ""
        raise Refused(what, f"{where}{error.strerror or error}", "another --dir") from error
    finally:
        if fd is not None:
            os.close(fd)


def _way(directory: Path) -> tuple[int | None, Path]:
    fd = None
    path = Path(os.path.abspath(directory))
    with suppress(FileNotFoundError):
        fd, real = _walk(path.parent, directory)
        path = real / path.name
    length = len(os.fsencode(path))
    try:
        if length > _LONGEST:
            why = f"the path is too long for a Unix socket in it ({length} bytes, at most {_LONGEST})"
            raise UsageError(quote(str(directory)), why, "a shorter --dir")
        if not str(path).isprintable():
            raise UsageError(quote(str(directory)), "the path contains unprintable characters", "another --dir")
    except UsageError:
        if fd is not None:
            os.close(fd)
        raise
    return fd, path


def _walk(folder: Path, directory: Path) -> tuple[int, Path]:
    """Open a folder step by step, and return it with its path without links. Raises Refused if others could change the path."""
    fd, real, links = None, Path("/"), 0
    steps = list(reversed(folder.parts))
    try:
        while steps:
            name = steps.pop()
            real = Path("/") if name.startswith("/") else real.parent if name == ".." else real / name
            step = os.open(name, _LOOK, dir_fd=fd)
            try:
                found = os.fstat(step)
                _require_firm(step, found, real, directory)
                if stat.S_ISLNK(found.st_mode):
                    links += 1
                    if links > _LINKS:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(real))
                    steps += reversed(Path(os.readlink("", dir_fd=step)).parts)
                    real = real.parent
                elif stat.S_ISDIR(found.st_mode):
                    fd, step = step, fd
                else:
                    raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(real))
            finally:
                if step is not None:
                    os.close(step)
    except BaseException:
        if fd is not None:
            os.close(fd)
        raise
    assert fd is not None
    return fd, real


def _require_firm(fd: int, found: os.stat_result, real: Path, directory: Path) -> None:
    """Raise Refused for a folder or link on the path that somebody else could replace, or could replace something in."""
    why = None
    # In a user namespace root's files show another owner, that of /.
    if found.st_uid not in (0, os.geteuid(), os.stat("/").st_uid):
        why = f"{quote(str(real))}, on the path to it, belongs to another user"
    elif stat.S_ISDIR(found.st_mode) and not found.st_mode & stat.S_ISVTX and _others_may_write(fd, found):
        why = f"other users may write to {quote(str(real))}, on the path to it"
    if why:
        raise Refused(quote(str(directory)), why, "another --dir")


def _others_may_write(fd: int, found: os.stat_result) -> bool:
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _is_private(fd, found.st_gid)


def _is_private(fd: int, gid: int) -> bool:
    """Whether a group has no members but the user and root: on many systems each user has a group of the same name."""
    import grp
    import pwd

    try:
        if "system.posix_acl_access" in os.listxattr(_by_fd(fd)):  # then the group bits are the mask of an ACL
            return False
        user = pwd.getpwuid(os.geteuid()).pw_name
        group = grp.getgrgid(gid)
    except (OSError, KeyError):
        return False
    return group.gr_name in (user, "root") and set(group.gr_mem) <= {user, "root"}


def _by_fd(fd: int) -> str:
    return f"/proc/self/fd/{fd}"  # for calls that take no descriptor of O_PATH


# --- the directory itself


def _make(folder: int, path: Path) -> bool:
    """Create the directory; False if it exists."""
    try:
        os.mkdir(path.name, 0o700, dir_fd=folder)
    except FileExistsError:
        return False
    return True


@contextmanager
def _unmade_on_failure(folder: int, path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):  # not empty, so it stays
            os.rmdir(path.name, dir_fd=folder)
        raise


def _open(folder: int, path: Path) -> int | None:
    """Open the directory; None if there is none. Raises Refused for another user's, or one that others can write to."""
    try:
        look = os.open(path.name or ".", _LOOK, dir_fd=folder)
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(look)
        why = None
        if not stat.S_ISDIR(found.st_mode):
            why = "not a directory (links are not followed)"
        elif found.st_uid != os.geteuid():
            why = "the directory belongs to another user"
        elif _others_may_write(look, found):
            why = "other users may write to the directory"
        if why:
            raise Refused(quote(str(path)), why, "another --dir")
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=look)
    finally:
        os.close(look)


def _lock(fd: int, path: Path, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                why = "locked by another process, perhaps an ovstool that is starting or stopping it"
                raise TimedOut(quote(str(path)), why, "a longer --timeout, or another --dir") from None
            time.sleep(_BEAT_S)


def _is_still_there(fd: int, folder: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path.name or ".", dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _is_made_here(place: Place, name: str) -> bool:
    found = os.stat(name, dir_fd=place.fd, follow_symlinks=False)
    is_file = stat.S_ISREG(found.st_mode) and _FILES.fullmatch(name)
    is_socket = stat.S_ISSOCK(found.st_mode) and _SOCKETS.fullmatch(name)
    return bool(is_file or is_socket) and found.st_uid == os.geteuid()
