"""A connection to an SSH server, by paramiko: host key, authentication, channels.

The server is not trusted: what it sends is bounded in size, and every wait in time.
"""

import base64
import errno
import functools
import io
import logging
import os
import select
import shlex
import socket
import struct
import sys
import termios
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from ovstool.errors import TimedOut, Unreachable, one_line, quote
from ovstool.host import files, known_hosts
from ovstool.host.deadline import Deadline
from ovstool.host.known_hosts import Entry, Verdict
from ovstool.host.ssh_config import Settings
from ovstool.lazy_imports import hidden

# paramiko wants invoke only for "Match exec" in ssh_config, which is read without it; importing it takes as long as all the rest.
with hidden("invoke"), warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of ciphers that are old, which is nothing to tell a user
    from paramiko.agent import AgentKey, AgentSSH
    from paramiko.auth_handler import AuthHandler
    from paramiko.channel import Channel as _Channel
    from paramiko.common import (
        MSG_CHANNEL_CLOSE,
        MSG_CHANNEL_DATA,
        MSG_CHANNEL_EXTENDED_DATA,
        MSG_CHANNEL_REQUEST,
        cMSG_CHANNEL_OPEN,
        cMSG_CHANNEL_REQUEST,
        cMSG_CHANNEL_WINDOW_ADJUST,
    )
    from paramiko.ecdsakey import ECDSAKey
    from paramiko.ed25519key import Ed25519Key
    from paramiko.message import Message
    from paramiko.packet import Packetizer
    from paramiko.pkey import PKey, UnknownKeyType
    from paramiko.rsakey import RSAKey
    from paramiko.ssh_exception import (
        PartialAuthentication,
        PasswordRequiredException,
        SSHException,
    )
    from paramiko.transport import Transport

LOG = logging.getLogger(__name__)
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)  # what matters of its words is in our errors

_WINDOW = 2**24  # bytes that may be on the way; 2 MiB, ssh's own, would slow a long line
_PACKET = 2**15
_LONGEST_PACKET = 2**18 + 2**10  # what OpenSSH itself takes, and some
_BEFORE_LOGIN = 2**20  # bytes; a server has no more to say before it knows who we are
_CHUNK = 2**16
_MAX_WORDS = 2**18  # bytes of a program's stderr
_GRACE_S = 0.2  # for a server to take what is sent after the time allowed, such as that we go
_TICK_S = 0.1
_PROMPTS = 3  # for a password, as in ssh
_SHOWN = 200  # characters of a server's own words worth repeating
_MAX_KEYS = 1000  # in an agent
_MAX_REPLY = 2**18  # bytes of an agent, as in OpenSSH
_MAX_KEY_FILE = 2**20  # bytes, as in OpenSSH
_REQUEST_IDENTITIES, _IDENTITIES_ANSWER = 11, 12
_AGENT_S = 20  # for one that asks its user
_CTRL_C = b"\x03"
_interrupted = 0.0  # when a question was last answered with Ctrl-C
_prompting = threading.Lock()  # one question at a time, whichever host it is for


class Wire:
    """A socket for paramiko, or a channel that leads on to the next host.

    The kernel would wait 40 ms with each acknowledgement, and the other end with its next packet: so TCP_QUICKACK, which lasts until
    the next packet and is set again after each. Reads are large, as paramiko asks for 16 bytes at a time.
    """

    def __init__(self, stream: Any):
        self._stream = stream
        self._tcp = isinstance(stream, socket.socket) and stream.family in (socket.AF_INET, socket.AF_INET6)
        self._data = b""
        self._read = 0
        self._closed = False
        self._stalled = False
        self._until = 0.0  # on the monotonic clock: then what is sent has to be gone
        self.allowance: int | None = _BEFORE_LOGIN
        if self._tcp:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def recv(self, size: int) -> bytes:
        if size > _LONGEST_PACKET:
            raise SSHException("it sent a packet of a size that none has")
        if self._read == len(self._data):
            self._data, self._read = self._stream.recv(_CHUNK), 0
            if self._tcp and self._data:
                self._stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            if self.allowance is not None:
                self.allowance -= len(self._data)
                if self.allowance < 0:
                    raise SSHException("it sent more than a server has to say before the login")
        data = self._data[self._read : self._read + size]
        self._read += len(data)
        return data

    def send(self, data: bytes) -> int:
        end = self.until
        while not (self._closed or self._stalled):
            try:
                return self._send_now(data)
            except (TimeoutError, BlockingIOError):
                self._stalled = time.monotonic() > max(end, self._until)
        raise SSHException("it takes nothing any more" if self._stalled else "closed")

    def _send_now(self, data: bytes) -> int:
        """What can be sent within a tick. Raises TimeoutError, BlockingIOError."""
        if not isinstance(self._stream, socket.socket):
            return self._stream.send(data)
        poll = select.poll()
        poll.register(self._stream, select.POLLOUT)
        poll.poll(_TICK_S * 1000)
        return self._stream.send(data, socket.MSG_DONTWAIT)

    @property
    def until(self) -> float:
        """Until when what is sent now may wait."""
        return max(self._until, time.monotonic() + _GRACE_S)

    def extend(self, seconds: float) -> None:
        """What is sent has this long to be gone, all the way, unless it had longer already."""
        self._until = max(self._until, time.monotonic() + seconds)
        if isinstance(self._stream, Channel):
            self._stream.transport.extend(seconds)

    def settimeout(self, seconds: float) -> None:
        # With a channel it is also the time after which a send looks at the clock.
        self._stream.settimeout(min(seconds, _GRACE_S) if isinstance(self._stream, Channel) else seconds)

    def close(self) -> None:
        self._closed = True
        if isinstance(self._stream, socket.socket):
            try:
                self._stream.shutdown(socket.SHUT_RDWR)  # close alone would not wake the thread that reads
            except OSError:
                pass
        self._stream.close()


class _Packetizer(Packetizer):
    """Without the timer of the handshake: it is a thread that would keep the process, and there is a deadline already."""

    def start_handshake(self, timeout: float) -> None:
        pass


class Channel(_Channel):
    """A channel that keeps no more than it should: paramiko takes whatever comes, and stops when nobody reads the stderr."""

    def __init__(self, number: int):
        super().__init__(number)
        self.words = bytearray()  # the beginning of its stderr
        self.closed_there = False
        self.killed = False  # by a signal

    @property
    def cut_off(self) -> bool:
        """Whether what ended the data was not the far side's word for it."""
        return not (self.eof_received or self.closed_there)

    @property
    def ended(self) -> bool:
        """Whether the far side said how the program ended."""
        return self.killed or self.exit_status != -1

    def settimeout(self, timeout: float | None) -> None:
        super().settimeout(timeout)
        self.transport.extend(threading.TIMEOUT_MAX if timeout is None else timeout)

    def sendall(self, s: bytes) -> None:
        """In the time of one timeout, where paramiko's begins anew with each piece."""
        end = None if self.timeout is None else time.monotonic() + self.timeout
        left = memoryview(s)
        while left:
            sent = self.send(bytes(left[:_PACKET]))
            if not sent:
                raise ConnectionResetError(errno.ECONNRESET, "closed by the server")
            left = left[sent:]
            if end is not None and left:
                if time.monotonic() >= end:
                    raise TimeoutError("timed out")
                super().settimeout(end - time.monotonic())

    def close(self) -> None:
        with suppress(OSError):  # where nobody is told any more, it is closed too
            super().close()

    def _handle_request(self, m: Any) -> None:
        m.rewind()
        m.get_int()
        self.killed = self.killed or m.get_binary() == b"exit-signal"
        m.rewind()
        m.get_int()
        super()._handle_request(m)

    def _handle_close(self, m: Any) -> None:
        self.closed_there = True
        super()._handle_close(m)

    def _feed(self, m: Any) -> None:
        super()._feed(m)
        if len(self.in_buffer) > _WINDOW + _LONGEST_PACKET:
            raise SSHException("it sends more than it may")

    def _feed_extended(self, m: Any) -> None:
        m.get_int()
        data = m.get_binary()
        self.words += data[: _MAX_WORDS - len(self.words)] if len(self.words) < _MAX_WORDS else b""
        more = self._check_add_window(len(data))
        if more > 0 and self.transport.clear_to_send.is_set():
            message = Message()
            message.add_byte(cMSG_CHANNEL_WINDOW_ADJUST)
            message.add_int(self.remote_chanid)
            message.add_int(more)
            self.transport._send_message(message)
        else:
            self.in_window_sofar += more  # not while keys are exchanged


class _Auth(AuthHandler):
    """Ask for the service and log in with one message after the other, not one trip after the other (RFC 4252, RFC 4253 section 10)."""

    methods: Sequence[str] = ()  # that the server would take, once it has refused one
    asked = False
    refused = False  # by the server, which a key that cannot sign does not get to
    partial = False  # the last login was right, and not enough

    def _request_auth(self) -> None:
        if not self.asked:
            super()._request_auth()
            self.asked = True
        accepted = Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        super()._parse_service_accept(accepted)  # which sends the request itself; an agent signs in this thread

    def _parse_service_accept(self, m: Any) -> None:
        pass

    def _parse_userauth_failure(self, m: Any) -> None:
        self.methods = m.get_list()
        self.refused = True
        m.rewind()
        super()._parse_userauth_failure(m)


class Refusal(NamedTuple):
    """Why a server did not open a channel: RFC 4254's number, and its words."""

    code: int
    words: str


class _Transport(Transport):
    """A transport that is quiet, opens any kind of channel, and keeps what the server said last."""

    _active_check_timeout = 1.0  # nothing waits for it: closing wakes the thread
    # What costs least of what OpenSSH has by default; nothing that it has not.
    _preferred_ciphers = tuple(
        name
        for name in ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
        if name in Transport._cipher_info
    )
    _preferred_macs = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512", "hmac-sha1")
    _channel_handler_table = Transport._channel_handler_table | {
        MSG_CHANNEL_DATA: Channel._feed,
        MSG_CHANNEL_EXTENDED_DATA: Channel._feed_extended,
        MSG_CHANNEL_CLOSE: Channel._handle_close,
        MSG_CHANNEL_REQUEST: Channel._handle_request,
    }
    farewell = ""
    active: bool
    saved_exception: BaseException | None

    def __init__(self, wire: Wire, key_kinds: Sequence[str]):
        super().__init__(wire, packetizer_class=_Packetizer)
        self._refusals: dict[int, Refusal] = {}
        names = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
        wanted = [name for kind in key_kinds for name in names.get(kind, (kind,)) if name in Transport._preferred_keys]
        self._preferred_keys: tuple[str, ...] = tuple(dict.fromkeys((*wanted, *Transport._preferred_keys)))

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        return self._preferred_keys  # no certificates, which nobody here could check

    def extend(self, seconds: float) -> None:
        self.sock.extend(seconds)

    def open(self, kind: str, deadline: Deadline, *fields: str | bytes | int) -> "tuple[Channel, None] | tuple[None, Refusal]":
        """Open a channel of any kind (RFC 4254, section 5.1). Raises OSError, of which TimeoutError is one."""
        self.extend(deadline.remaining_s())
        event = threading.Event()
        with self.lock:
            number = self._next_channel()
            message = Message()
            message.add_byte(cMSG_CHANNEL_OPEN)
            message.add_string(kind)
            for value in (number, _WINDOW, _PACKET, *fields):
                (message.add_int if isinstance(value, int) else message.add_string)(value)
            channel = Channel(number)
            self._channels.put(number, channel)
            self.channel_events[number] = event
            self.channels_seen[number] = True
            channel._set_transport(self)
            channel._set_window(_WINDOW, _PACKET)
        self._send_user_message(message)
        while not event.wait(min(deadline.remaining_s(), 1)):
            if not self.active:
                break
            if not deadline.remaining_s():
                self._channels.delete(number)
                raise TimeoutError
        if refusal := self._refusals.pop(number, None):
            self.saved_exception = None  # which would be taken for what broke the connection, if anything does
            return None, refusal
        if not self.active:
            raise ConnectionError
        return channel, None

    def run(self) -> None:
        try:
            super().run()
        except BaseException as error:  # in paramiko's own handling of one: a thread's traceback is nothing for a user
            self.saved_exception = error
        self.active = False
        self.sock.close()
        for event in (self.completion_event, *self.channel_events.values()):
            if event is not None:
                event.set()

    def _send_user_message(self, data: Any) -> None:
        """Not while keys are exchanged, and in the time allowed. Raises OSError, and nothing else."""
        end = self.sock.until
        try:
            while self.active:
                if self.clear_to_send.wait(0 if threading.current_thread() is self else _TICK_S):
                    with self.clear_to_send_lock:
                        if self.clear_to_send.is_set():
                            return self._send_message(data)
                elif threading.current_thread() is self:
                    return  # keys are exchanged in this thread; what it has to say of a channel is that it is closed here too
                elif time.monotonic() > end:
                    raise SSHException("it does not come to an end with exchanging keys")
        except (SSHException, EOFError) as error:
            raise ConnectionResetError(errno.ECONNRESET, str(error) or "closed by the server") from error

    def _log(self, level: int, msg: Any, *args: Any) -> None:
        pass

    def _parse_channel_open_failure(self, m: Any) -> None:
        # paramiko keeps one failure for all threads, and not the server's words.
        number, code = m.get_int(), m.get_int()
        self._refusals[number] = Refusal(code, one_line(m.get_text())[:_SHOWN])
        m.rewind()
        super()._parse_channel_open_failure(m)

    def _parse_disconnect(self, m: Any) -> None:
        m.get_int()
        self.farewell = one_line(m.get_text())[:_SHOWN]


class Connection:
    """A server that has proved who it is and let us in. ``name`` is in its errors."""

    def __init__(self, stream: Any, name: str, settings: Settings, deadline: Deadline, accept_new: bool, born: float):
        """``born`` is when the host was named, on the monotonic clock: a Ctrl-C at another host's question since then is for this one too.

        Raises Unreachable when the server is not who it should be or does not let us in, TimedOut.
        """
        self.name = name
        self.user = settings.user
        self._settings = settings
        self._born = born
        self._deadline = deadline
        self._names = known_hosts_names(settings)
        entries, fallback = (self._known(name) if name else [] for name in self._names)
        wire = Wire(stream)
        self._transport = _Transport(wire, [entry.kind for entry in entries or fallback if not entry.marker])
        try:
            self._shake_hands()
            key = self._transport.get_remote_server_key()
            self._check(key.get_name(), key.asbytes(), entries, fallback, accept_new)
            self._log_in()
        except BaseException as error:
            self._transport.close()
            wire.close()  # which the transport does only when it had begun
            if isinstance(error, SSHException | EOFError | OSError):
                raise self.lost(error) from error
            raise
        wire.allowance = None

    @property
    def alive(self) -> bool:
        return self._transport.is_active()

    def close(self) -> None:
        self._transport.close()

    def open(self, kind: str, deadline: Deadline, *fields: str | bytes | int) -> tuple[Channel, None] | tuple[None, Refusal]:
        """A channel, or why the server refuses it. Raises Unreachable when the connection is lost, TimedOut."""
        try:
            return self._transport.open(kind, deadline, *fields)
        except TimeoutError as error:
            raise TimedOut(self.name, "the SSH server does not answer") from error
        except OSError as error:
            raise self.lost() from error

    def execute(self, command: bytes, deadline: Deadline) -> Channel:
        """Start a command in the far user's shell (RFC 4254, section 6.5). Raises Unreachable, TimedOut."""
        channel, refusal = self.open("session", deadline)
        if channel is None:
            words = refusal.words if refusal else ""
            raise Unreachable(self.name, f"the SSH server opens no session ({words})", "MaxSessions in its sshd_config")
        message = Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(channel.remote_chanid)
        message.add_string("exec")
        message.add_boolean(True)  # when it is refused, paramiko closes the channel; else there is nothing to wait for
        message.add_string(command)
        try:
            self._transport._send_user_message(message)
        except OSError as error:
            raise self.lost(error) from error
        return channel

    def signal(self, channel: Channel, name: str) -> None:
        message = Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(channel.remote_chanid)
        message.add_string("signal")
        message.add_boolean(False)
        message.add_string(name)
        with suppress(OSError):
            self._transport._send_user_message(message)

    def lost(self, error: BaseException | None = None) -> Unreachable:
        """The error that says how the connection ended."""
        return Unreachable(self.name, f"connection lost: {self._transport.farewell or self._what_broke(error) or 'closed by the server'}")

    def _what_broke(self, error: BaseException | None = None) -> str:
        """What paramiko found wrong, in its words or those of what it is made of; nothing when the server only went."""
        error = self._transport.saved_exception or error
        if error is None or isinstance(error, EOFError):
            return ""
        if isinstance(error, SSHException | OSError):
            return one_line(str(error))[:_SHOWN]
        return f"it sent what cannot be understood ({type(error).__name__})"

    def _known(self, name: str) -> list[Entry]:
        """What is known of a host. A file that cannot be read to its end could say that its key is another."""
        try:
            return known_hosts.find([*self._settings.user_known_hosts, *self._settings.global_known_hosts], name, self._deadline)
        except TimeoutError as error:
            raise TimedOut(f"{self.name}: {error.filename}", str(error.strerror)) from error
        except OSError as error:
            raise Unreachable(
                f"{self.name}: {error.filename}", f"cannot be read, and without it no host key is known: {error.strerror}"
            ) from error

    def _shake_hands(self) -> None:
        done = threading.Event()
        self._transport.banner_timeout = self._deadline.remaining_s()
        self._transport.extend(self._deadline.remaining_s())
        try:
            self._transport.start_client(event=done)
        except RuntimeError as error:
            raise Unreachable(self.name, f"needs a thread of its own: {error}") from error
        if not done.wait(self._deadline.remaining_s()):
            raise TimedOut(self.name, "the SSH server does not answer")
        if not self._transport.is_active():
            why = self._transport.farewell or self._what_broke() or "it closed the connection"
            raise Unreachable(self.name, f"no SSH server that can be spoken to: {why}")

    def _check(self, kind: str, key: bytes, entries: list[Entry], fallback: list[Entry], accept_new: bool) -> None:
        """Refuse a host that is not known by this key; an unknown one is written down when that is wished."""
        name = self._names[0]
        print_ = known_hosts.fingerprint(key)
        verdict, place = known_hosts.judge(entries, key)
        if verdict is Verdict.UNKNOWN and fallback:
            # As ssh does: a key of the host at its usual port is good for the others, but its lack says nothing.
            other, place = known_hosts.judge(fallback, key)
            verdict = other if other in (Verdict.KNOWN, Verdict.REVOKED) else verdict
        if verdict is Verdict.KNOWN:
            return
        if verdict is Verdict.REVOKED:
            raise Unreachable(self.name, f"its host key is revoked in {place} ({kind} {print_}); do not trust this host")
        if verdict is Verdict.CHANGED:
            raise Unreachable(
                self.name,
                f"its host key is not the one in {place}; it is now {kind} {print_}, and somebody may be listening in",
                f"ask who runs the host, and only if the key is right: {shlex.join(['ssh-keygen', '-R', name])}",
            )
        if not accept_new:
            raise Unreachable(
                self.name,
                f"its host key is not known: {kind} {print_}",
                f"compare the fingerprint, then {_command('ssh', self._settings)} once, or --accept-new-host-key",
            )
        path = next(iter(self._settings.user_known_hosts), None)
        if path:
            try:
                known_hosts.remember(path, name, kind, key, self._settings.hash_known_hosts, self._deadline)
            except TimeoutError as error:
                raise TimedOut(f"{self.name}: {path}", str(error.strerror)) from error
            except OSError as error:
                raise Unreachable(self.name, f"its new host key cannot be written to {path}: {error.strerror}") from error
        LOG.warning("%s: new host key %s %s, now in %s", self.name, kind, print_, path or "no file")

    def _log_in(self) -> None:
        self._auth = self._transport.auth_handler = _Auth(self._transport)
        self._tried: list[str] = []
        settings = self._settings
        for label, load in _keys(settings, self._deadline, self._tried):
            key = load(self._ask) if callable(load) else load
            if key is None:
                continue
            self._tried.append(label)
            if self._attempt(functools.partial(self._auth.auth_publickey, settings.user, key)):
                LOG.info("%s: logged in as %s with the key %s", self.name, settings.user, label)
                return
            if (self._auth.refused and "publickey" not in self._auth.methods) or self._auth.partial:
                break
        if not self._auth.methods and self._attempt(functools.partial(self._auth.auth_none, settings.user)):
            return
        self._log_in_with_password()

    def _log_in_with_password(self) -> None:
        settings = self._settings
        who = f"{settings.user}@{settings.hostname}"
        methods = [name for name in ("keyboard-interactive", "password") if name in self._auth.methods]
        for method in methods if _terminal() and not settings.batch else ():
            for _ in range(_PROMPTS):
                if method == "password":
                    answer = functools.partial(self._auth.auth_password, settings.user, self._ask(f"{who}'s password: "))
                else:
                    answer = functools.partial(self._auth.auth_interactive, settings.user, self._answer)
                if self._attempt(answer):
                    return
                if method not in self._auth.methods:
                    break
        raise self._refused()

    def _refused(self) -> Unreachable:
        settings = self._settings
        tried = ", ".join(self._tried) or "no key was found"
        why = f"login as {quote(settings.user)} refused ({tried})"
        hint = _command("ssh-copy-id", settings)
        if any("passphrase" in label for label in self._tried):
            hint = "ssh-add, as there is no terminal to ask for the passphrase on"
        elif "publickey" not in self._auth.methods:
            methods = one_line(", ".join(self._auth.methods))[:_SHOWN]
            why, hint = (
                f"login as {quote(settings.user)} refused; the server wants {methods or 'nothing that is known here'}",
                "on a terminal",
            )
        return Unreachable(self.name, why, hint)

    def _attempt(self, request: Callable[[threading.Event], None]) -> bool:
        """Whether a login succeeds."""
        done = threading.Event()
        self._auth.partial = False
        self._transport.extend(self._deadline.remaining_s())
        try:
            request(done)
        except Exception as error:  # the agent does not sign, or the key does not fit, each in words of its own
            if not self._transport.is_active():
                raise self._ended() from error
            if not self._deadline.remaining_s():
                raise TimedOut(self.name, f"no login in time ({one_line(str(error))[:_SHOWN]})") from error
            return False
        while not done.wait(min(self._deadline.remaining_s(), 1)) and self._transport.is_active():
            if not self._deadline.remaining_s():
                raise TimedOut(self.name, "the SSH server does not answer to the login")
        if self._transport.is_authenticated():
            return True
        if not self._transport.is_active():
            raise self._ended()
        self._auth.partial = isinstance(self._transport.get_exception(), PartialAuthentication)
        return False

    def _ended(self) -> Unreachable:
        why = self._transport.farewell
        if "authentication failures" in why:
            return Unreachable(self.name, f"login refused: {why}", "IdentityFile and IdentitiesOnly yes in ~/.ssh/config")
        return self.lost()

    def _answer(self, title: str, instructions: str, questions: Sequence[tuple[str, bool]]) -> list[str]:
        who = f"({self._settings.user}@{self._settings.hostname}) "
        return [self._ask(who + one_line(question)[:_SHOWN]) for question, _ in questions[:_PROMPTS]]

    def _ask(self, question: str) -> str:
        with self._deadline.paused():
            return _prompt(question, self._born)


def known_hosts_names(settings: Settings) -> tuple[str, str | None]:
    """The name that a host's keys are under, and another to look for when there are none."""
    if settings.known_hosts:
        return settings.known_hosts, None
    name = known_hosts.name_of(settings.hostname, settings.port)
    plain = settings.hostname.lower()
    return name, plain if plain != name else None


# --- keys

_KEYS = {RSAPrivateKey: RSAKey, Ed25519PrivateKey: Ed25519Key, EllipticCurvePrivateKey: ECDSAKey}
_Loader = Callable[[Callable[[str], str]], "PKey | None"]
_loaded: dict[tuple[str, int], PKey] = {}  # by path and time of change; 32 hosts want the same key, and ask for its passphrase once
_loading = threading.Lock()


class _Agent(AgentSSH):
    """The user's agent, asked in bounded time, and answered in bounded size."""

    def __init__(self, path: str, deadline: Deadline):
        super().__init__()
        self._deadline = deadline
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(min(deadline.remaining_s(), _AGENT_S))
        try:
            stream.connect(path)
            self._connect(stream)
        except BaseException:
            stream.close()
            raise

    def _connect(self, conn: socket.socket) -> None:
        """Ask for its keys (draft-miller-ssh-agent, section 4.4); no more of them than somebody could mean."""
        self._conn = conn
        kind, answer = self._send_message(bytes([_REQUEST_IDENTITIES]))
        if kind != _IDENTITIES_ANSWER:
            raise SSHException("no list of keys")
        found = []
        for _ in range(min(answer.get_int(), _MAX_KEYS)):
            blob, comment = answer.get_binary(), answer.get_binary().decode(errors="replace")
            with suppress(Exception):  # a key that is none, each in words of its own
                key = AgentKey(self, blob, comment)
                key.__dict__.setdefault("public_blob", None)  # which paramiko 3.4 forgets for kinds that it does not know
                found.append(key)
        self._keys = tuple(found)

    def _send_message(self, msg: Any) -> tuple[int, Message]:
        """Ask, and return the kind of the answer and the answer. Raises OSError, SSHException."""
        deadline = self._deadline.part(_AGENT_S)
        question = bytes(msg)
        self._conn.settimeout(_some(deadline))
        self._conn.sendall(struct.pack(">I", len(question)) + question)
        (size,) = struct.unpack(">I", self._receive(4, deadline))
        if not 0 < size <= _MAX_REPLY:
            raise SSHException("an answer of a size that none has")
        answer = self._receive(size, deadline)
        return answer[0], Message(answer[1:])

    def _receive(self, size: int, deadline: Deadline) -> bytes:
        data = b""
        while len(data) < size:
            self._conn.settimeout(_some(deadline))
            more = self._conn.recv(size - len(data))
            if not more:
                raise SSHException("it hung up")
            data += more
        return data


def _some(deadline: Deadline) -> float:
    """What is left of the time, for a socket, which would take 0 for no waiting at all."""
    if not deadline.remaining_s():
        raise TimeoutError("timed out")
    return deadline.remaining_s() or _TICK_S


def _keys(settings: Settings, deadline: Deadline, tried: list[str]) -> Iterator[tuple[str, "PKey | _Loader"]]:
    """Keys in the order in which to try them: those that the configuration names, the agent's, the usual files, those with a passphrase."""
    locked: list[str] = []
    in_agent: set[bytes] = set()

    def files() -> Iterator[tuple[str, PKey]]:
        for path in settings.identity_files:
            key = _load(path, locked, tried)
            if key is not None and key.asbytes() not in in_agent:
                yield _short(path), key

    if not settings.identities_are_default:
        yield from files()
    wanted = {_public(path) for path in settings.identity_files} if settings.identities_only else None
    for key in _agent_keys(settings, deadline):
        if wanted is None or key.blob in wanted:
            in_agent.add(key.blob)
            yield f"agent's {quote(key.comment or key.get_name())}", key
    if settings.identities_are_default:
        yield from files()
    for path in locked:
        if _public(path) in in_agent:
            continue
        if settings.batch or not _terminal():
            tried.append(f"{_short(path)} has a passphrase")
        else:
            yield _short(path), functools.partial(_unlock, path)


def _agent_keys(settings: Settings, deadline: Deadline) -> Sequence[AgentKey]:
    if not settings.identity_agent:
        return ()
    try:
        return _Agent(settings.identity_agent, deadline).get_keys()
    except (OSError, SSHException, ValueError) as error:
        why = one_line(str(error))[:_SHOWN]
        if not deadline.remaining_s():
            raise TimedOut(f"{settings.name}: the agent at {quote(settings.identity_agent)}", why, "IdentityAgent none") from error
        LOG.info("%s: the agent at %s does not answer: %s", settings.name, quote(settings.identity_agent), why)
        return ()


def _load(path: str, locked: list[str], tried: list[str]) -> PKey | None:
    """The key in a file; None when there is none, or one with a passphrase, which is ``locked``."""
    with _loading:
        try:
            with files.opened(path) as file:
                found = os.fstat(file.fileno())
                if found.st_uid == os.getuid() and found.st_mode & 0o077:
                    tried.append(f"{_short(path)} may be read by others, so it is not used")  # as ssh does
                    return None
                return _loaded_key(path, files.content(file, path, _MAX_KEY_FILE), found.st_mtime_ns, None)
        except FileNotFoundError:
            pass
        except (TypeError, PasswordRequiredException):
            locked.append(path)
        except (OSError, ValueError, SSHException, UnknownKeyType, UnsupportedAlgorithm):
            if not _public(path):  # one in an agent, named by its public half
                tried.append(f"{_short(path)} cannot be read")
        return None


def _loaded_key(path: str, data: bytes, stamp: int, passphrase: bytes | None) -> PKey:
    """The private key that the content of a file is, with the certificate beside the file. Raises what paramiko does, OSError."""
    if (path, stamp) not in _loaded:
        try:
            kind: Any = load_ssh_private_key(data, passphrase)
        except ValueError:
            kind = load_pem_private_key(data, passphrase)
        made = next((made for backend, made in _KEYS.items() if isinstance(kind, backend)), None)
        if made is None:
            raise ValueError("a kind of key that is not known here")
        key = made.from_private_key(io.StringIO(data.decode()), passphrase)
        with suppress(FileNotFoundError):
            key.load_certificate(files.read(f"{path}-cert.pub", _MAX_KEY_FILE).decode())
        _loaded[path, stamp] = key
    return _loaded[path, stamp]


def _unlock(path: str, ask: Callable[[str], str]) -> PKey | None:
    """Ask for the passphrase of a key, at most three times; the others who want it wait and have it then."""
    with _loading, suppress(OSError), files.opened(path) as file:
        stamp = os.fstat(file.fileno()).st_mtime_ns
        data = files.content(file, path, _MAX_KEY_FILE)
        for _ in range(_PROMPTS):
            if (path, stamp) in _loaded:
                return _loaded[path, stamp]
            passphrase = ask(f"Enter passphrase for key '{one_line(path)}': ")
            if not passphrase:
                break
            with suppress(ValueError, SSHException):
                return _loaded_key(path, data, stamp, os.fsencode(passphrase))
    return None


def _public(path: str) -> bytes:
    """The public key beside a private one."""
    try:
        return base64.b64decode(files.read(path if path.endswith(".pub") else f"{path}.pub", _MAX_KEY_FILE).split(b"\n")[0].split()[1])
    except (OSError, ValueError, IndexError):
        return b""


def _short(path: str) -> str:
    return quote(os.path.basename(path))


def _terminal() -> bool:
    """Whether there is somebody to ask: a terminal that is ours, and not only in name."""
    if not (sys.stdin and sys.stdin.isatty()) and not (sys.stderr and sys.stderr.isatty()):
        return False
    try:
        fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()  # in the background a question would stop us
    finally:
        os.close(fd)


def _prompt(question: str, born: float) -> str:
    """Ask on the terminal, one question at a time; the answer is not seen. Raises KeyboardInterrupt for Ctrl-C.

    Not getpass: there Ctrl-C is for the main thread, while this one would keep on reading, and the process with it.
    A Ctrl-C is for all hosts that were ``born`` before it, which is the whole command.
    """
    global _interrupted
    with _prompting:
        if born < _interrupted:
            raise KeyboardInterrupt
        fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        try:
            usual = termios.tcgetattr(fd)
            quiet = termios.tcgetattr(fd)
            quiet[3] &= ~(termios.ECHO | termios.ISIG)
            quiet[6][termios.VEOL] = _CTRL_C  # ends the line, as return does
            termios.tcsetattr(fd, termios.TCSAFLUSH, quiet)
            try:
                os.write(fd, question.encode())
                answer = os.read(fd, _CHUNK)
            finally:
                termios.tcsetattr(fd, termios.TCSAFLUSH, usual)
                os.write(fd, b"\n")
        finally:
            os.close(fd)
        if answer.endswith(_CTRL_C):
            _interrupted = time.monotonic()
            raise KeyboardInterrupt
    return os.fsdecode(answer.removesuffix(b"\n"))


def _command(program: str, settings: Settings) -> str:
    """How OpenSSH's programs are told the same place."""
    port = [] if settings.port == 22 else ["-p", str(settings.port)]
    return shlex.join([program, *port, f"{settings.user}@{settings.name}"])
