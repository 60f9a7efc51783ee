"""One program, or one connection, within a connection to an SSH server (RFC 4254, section 5)."""

import errno
import threading
import time
from contextlib import suppress
from typing import Any

from paramiko.channel import Channel
from paramiko.common import cMSG_CHANNEL_REQUEST, cMSG_CHANNEL_WINDOW_ADJUST
from paramiko.message import Message
from paramiko.ssh_exception import SSHException

WINDOW = 2**24  # bytes in flight; ssh's own 2 MiB would be slow over a long distance
PACKET = 2**15  # bytes
LONGEST_PACKET = 2**18 + 2**10  # bytes; what OpenSSH itself accepts, and some margin
_MAX_STDERR = 2**18  # bytes


class SshChannel(Channel):
    """A channel with bounded buffers: paramiko's accepts any amount, and stalls when nobody reads stderr."""

    def __init__(self, number: int):
        super().__init__(number)
        self.stderr = bytearray()  # the beginning of it
        self.closed_there = False
        self.killed = False  # by a signal

    @property
    def cut_off(self) -> bool:
        """Whether the data ended without an EOF or a close from the server."""
        return not (self.eof_received or self.closed_there)

    @property
    def ended(self) -> bool:
        """Whether the server has reported how the program ended."""
        return self.killed or self.exit_status != -1

    def settimeout(self, timeout: float | None) -> None:
        super().settimeout(timeout)
        self.transport.extend(threading.TIMEOUT_MAX if timeout is None else timeout)

    def sendall(self, s: bytes) -> None:
        """Send everything within one timeout; paramiko would apply the timeout to each piece."""
        end = None if self.timeout is None else time.monotonic() + self.timeout
        left = memoryview(s)
        while left:
            sent = self.send(bytes(left[:PACKET]))
            if not sent:
                raise ConnectionResetError(errno.ECONNRESET, "closed by the server")
            left = left[sent:]
            if end is not None and left:
                if time.monotonic() >= end:
                    raise TimeoutError("timed out")
                super().settimeout(end - time.monotonic())

    def close(self) -> None:
        with suppress(OSError):  # a channel of a lost connection is closed anyway
            super().close()

    def execute(self, command: bytes) -> None:
        """Run a command in the user's login shell (RFC 4254, section 6.5). Raises OSError."""
        # paramiko closes the channel when the command is refused; otherwise there is no need to wait for the reply.
        self._send_request("exec", True, command)

    def signal(self, name: str) -> None:
        """Ask the server to send a signal to the program (RFC 4254, section 6.9), which not every server does."""
        with suppress(OSError):
            self._send_request("signal", False, name)

    def _send_request(self, kind: str, wants_reply: bool, field: bytes | str) -> None:
        message = Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(self.remote_chanid)
        message.add_string(kind)
        message.add_boolean(wants_reply)
        message.add_string(field)
        self.transport._send_user_message(message)

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
        if len(self.in_buffer) > WINDOW + LONGEST_PACKET:
            raise SSHException("it sent more data than allowed")

    def _feed_extended(self, m: Any) -> None:
        m.get_int()
        data = m.get_binary()
        self.stderr += data[: max(_MAX_STDERR - len(self.stderr), 0)]
        more = self._check_add_window(len(data))
        if more > 0 and self.transport.clear_to_send.is_set():
            message = Message()
            message.add_byte(cMSG_CHANNEL_WINDOW_ADJUST)
            message.add_int(self.remote_chanid)
            message.add_int(more)
            self.transport._send_message(message)
        else:
            self.in_window_sofar += more  # not during a key exchange
