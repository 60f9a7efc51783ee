"""Everything of paramiko that is overridden or undocumented: this folder is what to review when upgrading paramiko.

tests/unit/test_touched.py lists each such name. ``connection`` and ``keys`` import paramiko too, but only its documented API.
The server is not trusted: its messages are limited in size, and every wait in time.
"""

import errno
import functools
import logging
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ovstool.errors import Unreachable, one_line
from ovstool.host.deadline import Deadline
from ovstool.lazy_imports import hidden

# paramiko wants invoke only for "Match exec" in ssh_config, which is read without it; importing it takes as long as all the rest.
with hidden("invoke"), warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about deprecated ciphers, of no use to the user
    from paramiko.auth_handler import AuthHandler
    from paramiko.common import (
        MSG_CHANNEL_CLOSE,
        MSG_CHANNEL_DATA,
        MSG_CHANNEL_EXTENDED_DATA,
        MSG_CHANNEL_REQUEST,
        cMSG_CHANNEL_OPEN,
        cMSG_GLOBAL_REQUEST,
    )
    from paramiko.message import Message
    from paramiko.packet import Packetizer
    from paramiko.pkey import PKey
    from paramiko.ssh_exception import PartialAuthentication, SSHException
    from paramiko.transport import Transport

    from ovstool.host.ssh.transport.channel import PACKET, WINDOW, SshChannel
    from ovstool.host.ssh.transport.wire import Wire

logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)  # our errors contain the messages that matter

_LATER_S = 10  # after the deadline, when nobody waits any more
_TICK_S = 0.1
_SHOWN = 200  # characters of a server's own message to repeat
_SEEN = 256  # channels, the last ones: paramiko remembers each one, which is a leak on a connection that stays open for days

# Takes title, instructions, and questions, each with whether to echo the answer; returns the answers.
Answer = Callable[[str, str, Sequence[tuple[str, bool]]], list[str]]


class _UntimedPacketizer(Packetizer):
    """A packetizer without a handshake timer: its thread would keep the process alive, and there is a deadline already."""

    def start_handshake(self, timeout: float) -> None:
        pass


class PipelinedAuth(AuthHandler):
    """Logins that send messages without waiting for a round trip after each (RFC 4252, RFC 4253 section 10)."""

    methods: Sequence[str] = ()  # that the server accepts, known after the first refusal
    asked = False
    refused = False  # by the server; a key that cannot sign is never sent
    partial = False  # the last method succeeded, but the server requires another one

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
    """Why a server did not open a channel: the reason code of RFC 4254, section 5.1, and the server's message."""

    code: int
    words: str


class SshTransport(Transport):
    """A transport that logs nothing, opens any kind of channel, and keeps the server's disconnect message."""

    _active_check_timeout = 1.0  # nothing waits for it: closing wakes the thread
    # The fastest of OpenSSH's default ciphers only.
    _preferred_ciphers = tuple(
        name
        for name in ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
        if name in Transport._cipher_info
    )
    _preferred_macs = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512", "hmac-sha1")
    _channel_handler_table = Transport._channel_handler_table | {
        MSG_CHANNEL_DATA: SshChannel._feed,
        MSG_CHANNEL_EXTENDED_DATA: SshChannel._feed_extended,
        MSG_CHANNEL_CLOSE: SshChannel._handle_close,
        MSG_CHANNEL_REQUEST: SshChannel._handle_request,
    }
    farewell = ""
    active: bool
    saved_exception: BaseException | None

    def __init__(self, wire: Wire, key_kinds: Sequence[str]):
        """``key_kinds`` are the types of the known host keys, which the server is asked for first."""
        super().__init__(wire, packetizer_class=_UntimedPacketizer)
        self._refusals: dict[int, Refusal] = {}
        algorithms = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}  # RFC 8332
        wanted = [name for kind in key_kinds for name in algorithms.get(kind, (kind,)) if name in Transport._preferred_keys]
        self._preferred_keys: tuple[str, ...] = tuple(dict.fromkeys((*wanted, *Transport._preferred_keys)))

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        return self._preferred_keys  # without certificates, which are not supported

    def extend(self, seconds: float) -> None:
        """Allow at least this many seconds for sending."""
        self.sock.extend(seconds)

    def shake_hands(self, deadline: Deadline) -> bool:
        """Exchange keys with the server; False when it does not answer in time. Raises RuntimeError when no thread can be started."""
        done = threading.Event()
        self.banner_timeout = deadline.remaining_s() + _LATER_S  # a busy machine must not take it for a server that sent something wrong
        self.extend(deadline.remaining_s())
        self.start_client(event=done)
        return done.wait(deadline.remaining_s())

    def open(self, kind: str, deadline: Deadline, *fields: str | bytes | int) -> "tuple[SshChannel, None] | tuple[None, Refusal]":
        """Open a channel of any kind (RFC 4254, section 5.1). Raises OSError (TimeoutError is one)."""
        self.extend(deadline.remaining_s())
        event = threading.Event()
        with self.lock:
            number = self._next_channel()
            channel = SshChannel(number)
            self._channels.put(number, channel)
            self.channel_events[number] = event
            self.channels_seen[number] = True
            self.channels_seen.pop(number - _SEEN, None)
            channel._set_transport(self)
            channel._set_window(WINDOW, PACKET)
        self._send_user_message(_open_request(kind, number, *fields))
        while not event.wait(min(deadline.remaining_s(), 1)):
            if not self.active:
                break
            if not deadline.remaining_s():
                self._channels.delete(number)
                raise TimeoutError
        if refusal := self._refusals.pop(number, None):
            self.saved_exception = None  # which would later be reported as the reason for a lost connection
            return None, refusal
        if not self.active:
            raise ConnectionError
        return channel, None

    @property
    def heard_at(self) -> float:
        """The time of the last data from the server, on the monotonic clock."""
        return self.sock.heard_at

    def ask_whether_alive(self) -> None:
        """Send a request that every server answers, if only with a refusal (RFC 4254, section 4; ServerAliveInterval). Raises OSError."""
        message = Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        self._send_user_message(message)

    def prepare_login(self) -> PipelinedAuth:
        self.auth_handler = PipelinedAuth(self)
        return self.auth_handler

    def try_none(self, user: str, deadline: Deadline) -> bool:
        """Log in with method "none" (RFC 4252, section 5.2). Raises as ``_try`` does."""
        return self._try(functools.partial(self.auth_handler.auth_none, user), deadline)

    def try_key(self, user: str, key: PKey, deadline: Deadline) -> bool:
        """Log in with a key (RFC 4252, section 7). Raises what ``_try`` does."""
        return self._try(functools.partial(self.auth_handler.auth_publickey, user, key), deadline)

    def try_password(self, user: str, password: str, deadline: Deadline) -> bool:
        """Log in with a password (RFC 4252, section 8). Raises what ``_try`` does."""
        return self._try(functools.partial(self.auth_handler.auth_password, user, password), deadline)

    def try_interactive(self, user: str, answer: Answer, deadline: Deadline) -> bool:
        """Log in by answering the server's questions (RFC 4256). Raises what ``_try`` does."""
        return self._try(functools.partial(self.auth_handler.auth_interactive, user, answer), deadline)

    def _try(self, request: Callable[[threading.Event], None], deadline: Deadline) -> bool:
        """Whether a login succeeds. Raises TimeoutError with a reason, and ConnectionError when the connection is lost."""
        done = threading.Event()
        self.auth_handler.partial = False
        self.extend(deadline.remaining_s())
        try:
            request(done)
        except Exception as error:  # the agent does not sign, or the key cannot be used: paramiko raises many types
            if not self.is_active():
                raise ConnectionError from error
            if not deadline.remaining_s():
                raise TimeoutError(f"login timed out ({one_line(str(error))[:_SHOWN]})") from error
            return False
        while not done.wait(min(deadline.remaining_s(), 1)) and self.is_active():
            if not deadline.remaining_s():
                raise TimeoutError("the SSH server did not answer the login request")
        if self.is_authenticated():
            return True
        if not self.is_active():
            raise ConnectionError
        self.auth_handler.partial = isinstance(self.get_exception(), PartialAuthentication)
        return False

    def what_broke(self, error: BaseException | None = None) -> str:
        """The server's disconnect message, or else what was wrong with its data; empty when it just closed the connection."""
        error = self.saved_exception or error
        if self.farewell or error is None or isinstance(error, EOFError):
            return self.farewell
        if isinstance(error, SSHException | OSError):
            return one_line(str(error))[:_SHOWN]
        return f"it sent a malformed message ({type(error).__name__})"

    def lost(self, name: str, error: BaseException | None = None) -> Unreachable:
        """The error for a lost connection to the host of that name."""
        return Unreachable(name, f"connection lost: {self.what_broke(error) or 'closed by the server'}")

    def run(self) -> None:
        try:
            super().run()
        except BaseException as error:  # from paramiko's own error handling: the user must not see a thread's traceback
            self.saved_exception = error
        self.active = False
        self.sock.close()
        for event in (self.completion_event, *self.channel_events.values()):
            if event is not None:
                event.set()

    def _send_user_message(self, data: Any) -> None:
        """Send unless a key exchange is in progress, within the time allowed. Raises only OSError."""
        end = self.sock.until
        try:
            while self.active:
                if self.clear_to_send.wait(0 if threading.current_thread() is self else _TICK_S):
                    with self.clear_to_send_lock:
                        if self.clear_to_send.is_set():
                            return self._send_message(data)
                elif threading.current_thread() is self:
                    return  # this thread does the key exchange; the only messages it sends about channels are closes
                elif time.monotonic() > end:
                    raise SSHException("it did not finish the key exchange")
        except (SSHException, EOFError) as error:
            raise ConnectionResetError(errno.ECONNRESET, str(error) or "closed by the server") from error

    def _log(self, level: int, msg: Any, *args: Any) -> None:
        pass

    def _parse_channel_open_failure(self, m: Any) -> None:
        # paramiko keeps one failure for all threads, without the server's message.
        number, code = m.get_int(), m.get_int()
        self._refusals[number] = Refusal(code, one_line(m.get_text())[:_SHOWN])
        m.rewind()
        super()._parse_channel_open_failure(m)

    def _parse_disconnect(self, m: Any) -> None:
        m.get_int()
        self.farewell = one_line(m.get_text())[:_SHOWN]


def _open_request(kind: str, number: int, *fields: str | bytes | int) -> Message:
    message = Message()
    message.add_byte(cMSG_CHANNEL_OPEN)
    message.add_string(kind)
    for value in (number, WINDOW, PACKET, *fields):
        (message.add_int if isinstance(value, int) else message.add_string)(value)
    return message
