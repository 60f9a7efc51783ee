"""Which host keys are known, from files as OpenSSH keeps them (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""

import base64
import binascii
import errno
import fcntl
import functools
import hashlib
import hmac
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import Enum
from typing import NamedTuple

from ovstool.host import files
from ovstool.host.deadline import Deadline

_MAX_LINE = 2**20  # bytes
_BETWEEN = 1000  # lines, between looks at the time
_LOCK_S = 30  # for others to write theirs
_TICK_S = 0.02
_BLANK = b" \t"  # what separates words for ssh, which is less than for Python


class Verdict(Enum):
    """What is known about a key."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    CHANGED = "changed"
    REVOKED = "revoked"


class Entry(NamedTuple):
    """A line about the host: ``marker`` is "", "@revoked" or "@cert-authority"; ``key`` is the blob that RFC 4253, section 6.6 describes."""

    marker: str
    kind: str
    key: bytes
    place: str  # FILE:LINE


def name_of(host: str, port: int) -> str:
    """What a host is called in the files."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def fingerprint(key: bytes) -> str:
    """The SHA256 fingerprint as ssh-keygen prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def find(paths: Sequence[str], name: str, deadline: Deadline | None = None) -> list[Entry]:
    """All lines about the host, in the order of the files.

    A file that is not there knows no host. One that cannot be read to its end might: raises OSError, of which TimeoutError is one.
    """
    return [entry for path in paths for entry in _read(path, name.encode(), deadline)]


def judge(entries: Sequence[Entry], key: bytes) -> tuple[Verdict, str]:
    """What the lines about a host say of the key that it showed, and the line that says so.

    A host of which any other key is known has changed, of whatever type that key is: else an unknown key of another type would do
    for an impostor. A certificate authority is not a key of the host and vouches for nothing here.
    """
    for entry in entries:
        if entry.marker == "@revoked" and entry.key == key:
            return Verdict.REVOKED, entry.place
    known = [entry for entry in entries if not entry.marker]
    for entry in known:
        if entry.key == key:
            return Verdict.KNOWN, entry.place
    return (Verdict.CHANGED, known[0].place) if known else (Verdict.UNKNOWN, "")


def remember(path: str, name: str, kind: str, key: bytes, hashed: bool, deadline: Deadline | None = None) -> None:
    """Append a line for a host. Raises OSError; TimeoutError when somebody else keeps the lock.

    The line is one write to the end of the file, under a lock: several of us at once, and ssh beside us, lose nothing.
    """
    if folder := os.path.dirname(path):
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    line = f"{_hashed(name) if hashed else name} {kind} {base64.b64encode(key).decode()}\n".encode()
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return  # /dev/null; what else there is has been refused when it was to be read
        _lock(fd, deadline or Deadline(_LOCK_S))
        end = os.fstat(fd).st_size
        if end and os.pread(fd, 1, end - 1) != b"\n":
            line = b"\n" + line  # an editor left the last line without its end
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
                raise TimeoutError(errno.ETIMEDOUT, "another program keeps it locked") from None
            time.sleep(_TICK_S)


def _read(path: str, name: bytes, deadline: Deadline | None) -> Iterator[Entry]:
    try:
        with files.opened(path) as file:
            for number, line in enumerate(iter(functools.partial(file.readline, _MAX_LINE), b""), 1):
                if len(line) == _MAX_LINE:
                    raise OSError(errno.EFBIG, f"line {number} is longer than {_MAX_LINE >> 20} MiB", path)
                if deadline and number % _BETWEEN == 0 and not deadline.remaining_s():
                    raise TimeoutError(errno.ETIMEDOUT, "too large to be read in time", path)
                if entry := _entry(line, name, f"{path}:{number}"):
                    yield entry
    except (FileNotFoundError, NotADirectoryError):
        return


def _entry(line: bytes, name: bytes, place: str) -> Entry | None:
    """What a line says about the host, if anything; in C, where ssh reads it, it ends with a NUL."""
    words = re.split(rb"[ \t]+", line.partition(b"\0")[0].lstrip(_BLANK).rstrip(_BLANK + b"\r\n"), maxsplit=4)
    marker = words.pop(0) if words[0].startswith(b"@") else b""
    if len(words) < 3 or words[0].startswith(b"#") or not _fits(words[0], name):
        return None
    try:
        return Entry(marker.decode("latin-1"), words[1].decode("latin-1"), base64.b64decode(words[2], validate=True), place)
    except binascii.Error:
        return None


def _fits(patterns: bytes, name: bytes) -> bool:
    """Whether a line's first word is about the host: one hashed name, or patterns of which none that excludes it fits."""
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


def matches(pattern: str, text: str) -> bool:
    """Whether the text fits a pattern with ``*`` and ``?`` (ssh_config(5), PATTERNS); brackets are just brackets."""
    if "*" not in pattern:
        return len(pattern) == len(text) and _is_at(pattern, text, 0)
    first, *middle, last = pattern.split("*")
    place, end = len(first), len(text) - len(last)
    if place > end or not _is_at(first, text, 0) or not _is_at(last, text, end):
        return False
    # Each piece as early as it can be leaves the most for the next: nothing is ever tried again.
    for piece in filter(None, middle):
        while not _is_at(piece, text, place):
            place += 1
            if place + len(piece) > end:
                return False
        place += len(piece)
    return place <= end


def _is_at(piece: str, text: str, place: int) -> bool:
    """Whether a piece without ``*`` is in the text at this place."""
    if "?" not in piece:
        return text.startswith(piece, place)
    return place + len(piece) <= len(text) and all(a in (b, "?") for a, b in zip(piece, text[place:], strict=False))


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
