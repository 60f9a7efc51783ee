"""Host key verification: no login is attempted before the server's key has been verified.

A changed or revoked key is always refused. So is the key of an unknown host, unless ``--accept-new-host-key`` is given;
then it is saved. No option turns this off.
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
    """The known keys of a host: under its own name, and, if it uses another port than 22, under its name at port 22."""

    name: str
    entries: list[Entry]
    at_usual_port: list[Entry]

    @property
    def kinds(self) -> list[str]:
        """The kinds of the keys that the host should have."""
        return [entry.kind for entry in self.entries or self.at_usual_port if not entry.marker]


def known(hop: Hop) -> KnownKeys:
    """The known keys of a server. Raises Unreachable for a file that cannot be read completely, TimedOut.

    The unread part could hold a different key for the host.
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
    """Refuse a server whose host key is not a known one. Raises Unreachable, TimedOut."""
    shown = f"{kind} {fingerprint(key)}"
    verdict, place = judge(keys.entries, key)
    if verdict is Verdict.UNKNOWN and keys.at_usual_port:
        # As in ssh, a key known at port 22 is accepted at other ports, but a different key there is not a mismatch.
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
    """The verdict of a host's known_hosts lines on the key that it presented, and the place of the deciding line.

    If any other key is known for the host, of whatever type, the key has changed: otherwise an impostor would only need a key of
    another type. A certificate authority is not a host key, and is ignored.
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
        f"ask whoever runs the host, and only if the new key is right: {shlex.join(['ssh-keygen', '-R', name])}",
    )


def _unknown_key(hop: Hop, shown: str) -> Unreachable:
    hint = f"compare the fingerprint, then {hop.command('ssh')} once, or --accept-new-host-key"
    return Unreachable(hop.name, f"its host key is unknown: {shown}", hint)


def _accept_new_key(hop: Hop, name: str, kind: str, key: bytes) -> None:
    path = next(iter(hop.settings.user_known_hosts), None)
    if path:
        try:
            known_hosts.remember(path, name, kind, key, hop.settings.hash_known_hosts, hop.deadline)
        except TimeoutError as error:
            raise TimedOut(f"{hop.name}: {path}", str(error.strerror)) from error
        except OSError as error:
            raise Unreachable(hop.name, f"its new host key cannot be written to {path}: {error.strerror}") from error
    LOG.warning("%s: new host key %s %s, %s", hop.name, kind, fingerprint(key), f"saved in {path}" if path else "not saved")
