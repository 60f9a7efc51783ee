"""OpenSSH's known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). ``host_keys`` decides what follows from them."""

import base64
import binascii
import errno
import fcntl
import functools
import hmac
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from ovstool.host import files
from ovstool.host.deadline import Deadline
from ovstool.host.ssh.config_file import matches

_MAX_LINE = 2**20  # bytes
_LINES_BETWEEN = 1000  # checks of the deadline
_TICK_S = 0.02
_BLANK = b" \t"  # the separators of ssh, fewer than Python's


class Entry(NamedTuple):
    """A line about a host."""

    marker: str  # "", "@revoked" or "@cert-authority"
    kind: str
    key: bytes  # the blob of RFC 4253, section 6.6
    place: str  # FILE:LINE


def name_of(host: str, port: int) -> str:
    """The name of a host in the files."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def find(paths: Sequence[str], name: str, deadline: Deadline) -> list[Entry]:
    """All lines for the host of that name, in the order of the files.

    A missing file is empty. A file that cannot be read completely might have more lines: raises OSError (TimeoutError is one).
    """
    return [entry for path in paths for entry in _read(path, name.encode(), deadline)]


def remember(path: str, name: str, kind: str, key: bytes, hashed: bool, deadline: Deadline) -> None:
    """Append a line for a host. Raises OSError; TimeoutError when another program keeps the file locked.

    The line is written in one write and under a lock, so concurrent writers, ssh included, lose nothing.
    """
    if folder := os.path.dirname(path):
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    line = f"{_hashed(name) if hashed else name} {kind} {base64.b64encode(key).decode()}\n".encode()
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return  # /dev/null; any other kind of file was refused when it was read
        _lock(fd, deadline)
        end = os.fstat(fd).st_size
        if end and os.pread(fd, 1, end - 1) != b"\n":
            line = b"\n" + line  # an editor left the last line unterminated
        if os.write(fd, line) < len(line):
            os.ftruncate(fd, end)  # half a key is worse than none
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    finally:
        os.close(fd)


def _lock(fd: int, deadline: Deadline) -> None:
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not deadline.remaining_s():
                raise TimeoutError(errno.ETIMEDOUT, "another program has it locked") from None
            time.sleep(_TICK_S)


def _read(path: str, name: bytes, deadline: Deadline) -> Iterator[Entry]:
    try:
        with files.opened(path) as file:
            for number, line in enumerate(iter(functools.partial(file.readline, _MAX_LINE), b""), 1):
                if len(line) == _MAX_LINE:
                    raise OSError(errno.EFBIG, f"line {number} is longer than {_MAX_LINE >> 20} MiB", path)
                if number % _LINES_BETWEEN == 0 and not deadline.remaining_s():
                    raise TimeoutError(errno.ETIMEDOUT, "too large to read in time", path)
                if entry := _entry(line, name, f"{path}:{number}"):
                    yield entry
    except (FileNotFoundError, NotADirectoryError):
        return


def _entry(line: bytes, name: bytes, place: str) -> Entry | None:
    """The line as an entry, if it is for the host. A NUL ends it, as in ssh, which is written in C."""
    words = re.split(rb"[ \t]+", line.partition(b"\0")[0].lstrip(_BLANK).rstrip(_BLANK + b"\r\n"), maxsplit=4)
    marker = words.pop(0) if words[0].startswith(b"@") else b""
    if len(words) < 3 or words[0].startswith(b"#") or not _fits(words[0], name):
        return None
    try:
        return Entry(marker.decode("latin-1"), words[1].decode("latin-1"), base64.b64decode(words[2], validate=True), place)
    except binascii.Error:
        return None


def _fits(patterns: bytes, name: bytes) -> bool:
    """Whether a line's first word, a hashed name or a list of patterns, matches the host; a pattern after ``!`` excludes it."""
    if patterns.startswith(b"|"):
        return _fits_hash(patterns, name)
    fits = False
    text = name.decode("latin-1")
    for pattern in patterns.lower().decode("latin-1").split(","):
        if not pattern.startswith("!"):
            fits = fits or matches(pattern, text)
        elif matches(pattern[1:], text):
            return False
    return fits


def _fits_hash(word: bytes, name: bytes) -> bool:
    try:
        _, version, salt, digest = word.split(b"|")
        return version == b"1" and hmac.compare_digest(_hmac(base64.b64decode(salt), name), base64.b64decode(digest))
    except (ValueError, binascii.Error):
        return False


def _hashed(name: str) -> str:
    salt = secrets.token_bytes(20)
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(_hmac(salt, name.encode())).decode()}"


def _hmac(salt: bytes, name: bytes) -> bytes:
    return hmac.digest(salt, name, "sha1")
