"""A connection to an SSH server: key exchange, host key check and login, then channels."""

import time
from typing import Any

from ovstool.errors import TimedOut, Unreachable
from ovstool.host.deadline import Deadline
from ovstool.host.ssh import host_keys, login
from ovstool.host.ssh.route import Hop
from ovstool.host.ssh.transport import Refusal, SshTransport  # before paramiko: it skips the slow part of that import
from ovstool.host.ssh.transport.channel import SshChannel
from ovstool.host.ssh.transport.wire import Wire

# isort: split
from paramiko.ssh_exception import SSHException

_ASKED = 2  # keepalives sent to a silent server before giving up, as with OpenSSH's ServerAliveCountMax


class SshConnection:
    """An authenticated connection to a server with a verified host key."""

    silent_s = 15.0  # before a keepalive is sent, and between keepalives

    def __init__(self, stream: Any, hop: Hop):
        """Connect over a stream to the server. Raises Unreachable for a wrong host key or a refused login, TimedOut."""
        self.name = hop.name
        self.user = hop.settings.user
        self.ssh = hop.command("ssh")  # what logs in with OpenSSH, for hints
        self._asked_at, self._unanswered = 0.0, 0
        known = host_keys.known(hop)
        self._wire = wire = Wire(stream)
        self._transport = SshTransport(wire, known.kinds)
        try:
            self._shake_hands(hop.deadline)
            key = self._transport.get_remote_server_key()
            host_keys.check(hop, known, key.get_name(), key.asbytes())
            login.Login(self._transport, hop).run()
        except BaseException as error:
            self._transport.close()
            wire.close()  # which the transport does only after it has started
            if isinstance(error, SSHException | EOFError | OSError):
                raise self.lost(error) from error
            raise
        wire.allowance = None

    def _shake_hands(self, deadline: Deadline) -> None:
        """Exchange keys; at the end the server has proved that it holds its host key (RFC 4253, section 8)."""
        try:
            answered = self._transport.shake_hands(deadline)
        except RuntimeError as error:
            raise Unreachable(self.name, f"cannot start a thread: {error}") from error
        if not answered:
            raise TimedOut(self.name, "the SSH server does not answer")
        if not self.alive:
            why = self._transport.what_broke() or "it closed the connection"
            raise Unreachable(self.name, f"not a usable SSH server: {why}")

    @property
    def alive(self) -> bool:
        return self._transport.is_active()

    def begin(self) -> None:
        """Forget the time that an earlier command allowed."""
        self._wire.begin()

    def close(self) -> None:
        self._transport.close()

    def open(self, kind: str, deadline: Deadline, *fields: str | bytes | int) -> tuple[SshChannel, None] | tuple[None, Refusal]:
        """Open a channel, or return why the server refused. Raises Unreachable when the connection is lost, TimedOut."""
        try:
            return self._transport.open(kind, deadline, *fields)
        except TimeoutError as error:
            raise TimedOut(self.name, "the SSH server does not answer") from error
        except OSError as error:
            raise self.lost() from error

    def execute(self, command: bytes, deadline: Deadline) -> SshChannel:
        """Start a command in the login shell of the user there. Raises Unreachable, TimedOut."""
        channel, refusal = self.open("session", deadline)
        if channel is None:
            words = refusal.words if refusal else ""
            raise Unreachable(self.name, f"the SSH server refused to open a session ({words})", "MaxSessions in its sshd_config")
        try:
            channel.execute(command)
        except OSError as error:
            raise self.lost(error) from error
        return channel

    def check_alive(self) -> None:
        """Send a keepalive to a server that has been silent for ``silent_s``. Raises Unreachable when earlier ones had no answer.

        Neither a cut cable nor a crashed host closes the connection.
        """
        if self._transport.heard_at > self._asked_at:
            self._unanswered = 0
        now = time.monotonic()
        if now - max(self._transport.heard_at, self._asked_at) < self.silent_s:
            return
        if self._unanswered >= _ASKED:
            raise Unreachable(self.name, f"connection lost: no answer for {now - self._transport.heard_at:.0f} s")
        self._asked_at = now  # not the time after it was sent, which may be later than the answer
        self._unanswered += 1
        try:
            self._transport.ask_whether_alive()
        except OSError as error:
            raise self.lost(error) from error

    def lost(self, error: BaseException | None = None) -> Unreachable:
        """The error that says how the connection ended."""
        return self._transport.lost(self.name, error)
