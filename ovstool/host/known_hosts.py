"""Which host keys are known, from files as OpenSSH keeps them (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""

import base64
import binascii
import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import Enum
from typing import NamedTuple

_MAX_FILE = 64 * 2**20  # bytes; some 200,000 hosts


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


def find(files: Sequence[str], name: str) -> list[Entry]:
    """All lines about the host, in the order of the files. A file that cannot be read knows no host."""
    return [entry for path in files for entry in _read(path, name)]


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


def remember(path: str, name: str, kind: str, key: bytes, hashed: bool) -> None:
    """Append a line for a host. Raises OSError.

    The line is one write to the end of the file, under a lock: several of us at once, and ssh beside us, lose nothing.
    """
    if folder := os.path.dirname(path):
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    line = f"{_hashed(name) if hashed else name} {kind} {base64.b64encode(key).decode()}\n".encode()
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        end = os.fstat(fd).st_size
        if end and os.pread(fd, 1, end - 1) != b"\n":
            line = b"\n" + line  # an editor left the last line without its end
        os.write(fd, line)
    finally:
        os.close(fd)


def _read(path: str, name: str) -> Iterator[Entry]:
    try:
        with open(path, "rb") as file:
            lines = file.read(_MAX_FILE).decode(errors="replace").splitlines()
    except OSError:
        return
    for number, line in enumerate(lines, 1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or line.lstrip().startswith("#") or not _fits(words[0], name):
            continue
        try:
            yield Entry(marker, words[1], base64.b64decode(words[2], validate=True), f"{path}:{number}")
        except binascii.Error:
            continue


def _fits(patterns: str, name: str) -> bool:
    """Whether a line's first word is about the host: one hashed name, or patterns of which none that excludes it fits."""
    if patterns.startswith("|"):
        return _fits_hash(patterns, name)
    fits = False
    for pattern in patterns.lower().split(","):
        if not pattern.startswith("!"):
            fits = fits or matches(pattern, name)
        elif matches(pattern[1:], name):
            return False
    return fits


def matches(pattern: str, text: str) -> bool:
    """Whether the text fits a pattern with ``*`` and ``?`` (ssh_config(5), PATTERNS); brackets are just brackets."""
    if "*" not in pattern and "?" not in pattern:
        return pattern == text
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL) is not None


def _fits_hash(word: str, name: str) -> bool:
    try:
        _, version, salt, digest = word.split("|")
        return version == "1" and hmac.compare_digest(_hmac(base64.b64decode(salt), name), base64.b64decode(digest))
    except (ValueError, binascii.Error):
        return False


def _hashed(name: str) -> str:
    salt = secrets.token_bytes(20)
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(_hmac(salt, name)).decode()}"


def _hmac(salt: bytes, name: str) -> bytes:
    return hmac.digest(salt, name.encode(), "sha1")
