"""The user's keys, from agents and identity files, in the order in which ssh tries them."""

import base64
import functools
import io
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from ovstool.errors import TimedOut, one_line, quote
from ovstool.host import files
from ovstool.host.deadline import Deadline
from ovstool.host.ssh import prompt
from ovstool.host.ssh.config import SshSettings
from ovstool.host.ssh.transport.agent import Agent  # before paramiko: it skips the slow part of that import

# isort: split
from paramiko.agent import AgentKey
from paramiko.ecdsakey import ECDSAKey
from paramiko.ed25519key import Ed25519Key
from paramiko.pkey import PKey, UnknownKeyType
from paramiko.rsakey import RSAKey
from paramiko.ssh_exception import PasswordRequiredException, SSHException

LOG = logging.getLogger(__name__)

_MAX_FILE = 2**20  # bytes, as in OpenSSH
_MAX_QUESTIONS = 3  # as ssh asks for a passphrase
_SHOWN = 200  # characters of an agent's error message to repeat

_KINDS = {RSAPrivateKey: RSAKey, Ed25519PrivateKey: Ed25519Key, EllipticCurvePrivateKey: ECDSAKey}
_loaded: dict[
    tuple[str, int], PKey
] = {}  # by path and modification time; many hosts use the same key, and its passphrase is asked for once
_loading = threading.Lock()


class Candidate(NamedTuple):
    """A key to try. ``load`` takes a function that asks the user for a passphrase; it returns None when the key cannot be loaded."""

    label: str
    load: "Callable[[Callable[[str], str]], PKey | None]"


def candidates(settings: SshSettings, deadline: Deadline, tried: list[str]) -> Iterator[Candidate]:
    """Configured keys, the agent's keys, the default files, and keys with a passphrase, in this order. Raises TimedOut.

    The reason why a key cannot be tried is added to ``tried``.
    """
    locked: list[str] = []
    in_agent: set[bytes] = set()
    if not settings.identities_are_default:
        yield from _in_files(settings.identity_files, in_agent, locked, tried)
    wanted = {_public_half(path) for path in settings.identity_files} if settings.identities_only else None
    for key in _in_agent(settings, deadline):
        if wanted is None or key.blob in wanted:
            in_agent.add(key.blob)
            yield _candidate(f"agent's {quote(key.comment or key.get_name())}", key)
    if settings.identities_are_default:
        yield from _in_files(settings.identity_files, in_agent, locked, tried)
    for path in locked:
        if _public_half(path) in in_agent:
            continue
        if prompt.may_ask(settings.batch):
            yield Candidate(_short(path), functools.partial(_unlock, path))
        else:
            tried.append(f"{_short(path)} has a passphrase")


def _in_files(paths: Sequence[str], in_agent: set[bytes], locked: list[str], tried: list[str]) -> Iterator[Candidate]:
    """The keys without a passphrase that have not been tried through the agent; those with one are added to ``locked``."""
    for path in paths:
        key = _load(path, locked, tried)
        if key is not None and key.asbytes() not in in_agent:
            yield _candidate(_short(path), key)


def _candidate(label: str, key: PKey) -> Candidate:
    return Candidate(label, lambda ask: key)


def _in_agent(settings: SshSettings, deadline: Deadline) -> Sequence[AgentKey]:
    if not settings.identity_agent:
        return ()
    try:
        return Agent(settings.identity_agent, deadline).get_keys()
    except (OSError, SSHException, ValueError) as error:
        why = one_line(str(error))[:_SHOWN]
        if not deadline.remaining_s():
            raise TimedOut(f"{settings.name}: the agent at {quote(settings.identity_agent)}", why, "IdentityAgent none") from error
        LOG.info("%s: the agent at %s does not answer: %s", settings.name, quote(settings.identity_agent), why)
        return ()


def _load(path: str, locked: list[str], tried: list[str]) -> PKey | None:
    """The key in a file; None if there is no usable key, or it has a passphrase: then its path is added to ``locked``."""
    with _loading:
        try:
            with files.opened(path) as file:
                found = os.fstat(file.fileno())
                if found.st_uid == os.getuid() and found.st_mode & 0o077:
                    tried.append(f"{_short(path)} is readable by other users, so it is not used")  # as ssh does
                    return None
                return _decoded(path, files.content(file, path, _MAX_FILE), found.st_mtime_ns, None)
        except FileNotFoundError:
            pass
        except PermissionError:
            tried.append(f"{_short(path)} may not be read by this user")
        except (TypeError, PasswordRequiredException):
            locked.append(path)
        except (OSError, ValueError, SSHException, UnknownKeyType, UnsupportedAlgorithm):
            if not _public_half(path):  # otherwise the key is in an agent, selected by its public half
                tried.append(f"{_short(path)} cannot be read")
        return None


def _decoded(path: str, data: bytes, mtime_ns: int, passphrase: bytes | None) -> PKey:
    """The private key in the content of a file, with the certificate beside the file.

    Raises TypeError or PasswordRequiredException if it needs a passphrase, OSError, and the errors of cryptography and paramiko.
    """
    if (path, mtime_ns) not in _loaded:
        try:
            decoded: Any = load_ssh_private_key(data, passphrase)
        except ValueError:
            decoded = load_pem_private_key(data, passphrase)
        kind = next((kind for backend, kind in _KINDS.items() if isinstance(decoded, backend)), None)
        if kind is None:
            raise ValueError("unsupported key type")
        key = kind.from_private_key(io.StringIO(data.decode()), passphrase)
        with suppress(FileNotFoundError):
            key.load_certificate(files.read(f"{path}-cert.pub", _MAX_FILE).decode())
        _loaded[path, mtime_ns] = key
    return _loaded[path, mtime_ns]


def _unlock(path: str, ask: Callable[[str], str]) -> PKey | None:
    """Ask for the passphrase of a key, at most three times. Other hosts that use the key wait for the result."""
    with _loading, suppress(OSError), files.opened(path) as file:
        mtime_ns = os.fstat(file.fileno()).st_mtime_ns
        data = files.content(file, path, _MAX_FILE)
        for _ in range(_MAX_QUESTIONS):
            if (path, mtime_ns) in _loaded:
                return _loaded[path, mtime_ns]
            passphrase = ask(f"Enter passphrase for key '{one_line(path)}': ")
            if not passphrase:
                break
            with suppress(ValueError, SSHException):
                return _decoded(path, data, mtime_ns, os.fsencode(passphrase))
    return None


def _public_half(path: str) -> bytes:
    """The public key in the .pub file beside a private key; empty without one."""
    try:
        return base64.b64decode(files.read(path if path.endswith(".pub") else f"{path}.pub", _MAX_FILE).split(b"\n")[0].split()[1])
    except (OSError, ValueError, IndexError):
        return b""


def _short(path: str) -> str:
    return quote(os.path.basename(path))
