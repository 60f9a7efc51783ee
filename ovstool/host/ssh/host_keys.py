"""The rule about host keys: nothing is said to a server before its key has been found to be the known one.

A changed or a revoked key is always refused. So is a key of a host of which none is known, unless ``--accept-new-host-key`` is given;
then it is written down. No option turns this off.
"""

import base64
import hashlib
import logging
import shlex
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from ovstool.errors import TimedOut, Unreachable
from ovstool.host.ssh import known_hosts
from ovstool.host.ssh.known_hosts import Entry
from ovstool.host.ssh.route import Hop

LOG = logging.getLogger(__name__)


class Verdict(Enum):
    """What is known about a key."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    CHANGED = "changed"
    REVOKED = "revoked"


class KnownKeys(NamedTuple):
    """What the files say about a host: under its own name, and under its name at the usual port when it is not at that."""

    name: str
    entries: list[Entry]
    at_usual_port: list[Entry]

    @property
    def kinds(self) -> list[str]:
        """The kinds of the keys that the host should have."""
        return [entry.kind for entry in self.entries or self.at_usual_port if not entry.marker]


def known(hop: Hop) -> KnownKeys:
    """What the files say about a server. Raises Unreachable for a file that cannot be read to its end, TimedOut.

    Such a file could say that the host's key is another.
    """
    settings = hop.settings
    alias, plain = settings.host_key_alias, settings.hostname.lower()
    name = alias or known_hosts.name_of(settings.hostname, settings.port)
    paths = [*settings.user_known_hosts, *settings.global_known_hosts]
    try:
        entries = known_hosts.find(paths, name, hop.deadline)
        return KnownKeys(name, entries, known_hosts.find(paths, plain, hop.deadline) if not alias and plain != name else [])
    except TimeoutError as error:
        raise TimedOut(f"{hop.name}: {error.filename}", str(error.strerror)) from error
    except OSError as error:
        why = f"cannot be read, so no host key is known: {error.strerror}"
        raise Unreachable(f"{hop.name}: {error.filename}", why) from error


def check(hop: Hop, keys: KnownKeys, kind: str, key: bytes) -> None:
    """Refuse a server that is not known by the key that it has proved to hold. Raises Unreachable, TimedOut."""
    shown = f"{kind} {fingerprint(key)}"
    verdict, place = judge(keys.entries, key)
    if verdict is Verdict.UNKNOWN and keys.at_usual_port:
        # As with ssh, a key of the host at the usual port is good for its other ports, but its lack says nothing about them.
        other, place = judge(keys.at_usual_port, key)
        verdict = other if other in (Verdict.KNOWN, Verdict.REVOKED) else verdict
    if verdict is Verdict.REVOKED:
        raise Unreachable(hop.name, f"its host key is revoked in {place} ({shown}); do not trust this host")
    if verdict is Verdict.CHANGED:
        raise _changed_key(hop, keys.name, place, shown)
    if verdict is Verdict.UNKNOWN:
        if not hop.accept_new_key:
            raise _unknown_key(hop, shown)
        _accept_new_key(hop, keys.name, kind, key)


def judge(entries: Sequence[Entry], key: bytes) -> tuple[Verdict, str]:
    """What the lines about a host say of the key that it showed, and the place of the line that says so.

    A host of which any other key is known has changed, of whatever type that key is: else an unknown key of another type would do
    for an impostor. A certificate authority is not a key of the host and vouches for nothing here.
    """
    for entry in entries:
        if entry.marker == "@revoked" and entry.key == key:
            return Verdict.REVOKED, entry.place
    own = [entry for entry in entries if not entry.marker]
    for entry in own:
        if entry.key == key:
            return Verdict.KNOWN, entry.place
    return (Verdict.CHANGED, own[0].place) if own else (Verdict.UNKNOWN, "")


def fingerprint(key: bytes) -> str:
    """The SHA256 fingerprint as ssh-keygen prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def _changed_key(hop: Hop, name: str, place: str, shown: str) -> Unreachable:
    return Unreachable(
        hop.name,
        f"its host key is not the one in {place}; it is now {shown}, and somebody may be intercepting the connection",
        f"ask who runs the host, and only if the key is right: {shlex.join(['ssh-keygen', '-R', name])}",
    )


def _unknown_key(hop: Hop, shown: str) -> Unreachable:
    hint = f"compare the fingerprint, then {hop.command('ssh')} once, or --accept-new-host-key"
    return Unreachable(hop.name, f"its host key is not known: {shown}", hint)


def _accept_new_key(hop: Hop, name: str, kind: str, key: bytes) -> None:
    path = next(iter(hop.settings.user_known_hosts), None)
    if path:
        try:
            known_hosts.remember(path, name, kind, key, hop.settings.hash_known_hosts, hop.deadline)
        except TimeoutError as error:
            raise TimedOut(f"{hop.name}: {path}", str(error.strerror)) from error
        except OSError as error:
            raise Unreachable(hop.name, f"its new host key cannot be written to {path}: {error.strerror}") from error
    LOG.warning("%s: new host key %s %s, now in %s", hop.name, kind, fingerprint(key), path or "no file")
