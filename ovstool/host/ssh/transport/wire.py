"""The socket that paramiko uses."""

import select
import socket
import time
from contextlib import suppress
from typing import Any

from paramiko.ssh_exception import SSHException

from ovstool.host.ssh.transport.channel import LONGEST_PACKET, SshChannel

_BEFORE_LOGIN = 2**20  # bytes; a server sends no more before the login
_CHUNK = 2**16
_GRACE_S = 0.2  # for sending after the deadline, such as the disconnect message
_TICK_S = 0.1


class Wire:
    """The socket, or the channel to the next host, that paramiko reads and writes.

    Linux would delay each acknowledgement, and so the server's next packet, by 40 ms: TCP_QUICKACK avoids this, but lasts for one
    packet only and is set again after each. Reads are large, because paramiko asks for 16 bytes at a time. They share one buffer: a new
    one for each would leave holes between what is kept, and the memory of a process that runs for days would grow.
    """

    def __init__(self, stream: Any):
        self._stream = stream
        self._tcp = isinstance(stream, socket.socket) and stream.family in (socket.AF_INET, socket.AF_INET6)
        self._buffer = memoryview(bytearray(_CHUNK))
        self._filled = self._read = 0  # bytes of it
        self._closed = False
        self._stalled = False
        self._until = 0.0  # the deadline for sending, on the monotonic clock
        self.allowance: int | None = _BEFORE_LOGIN
        self.heard_at = time.monotonic()  # the time of the last data
        if self._tcp:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def recv(self, size: int) -> bytes:
        if size > LONGEST_PACKET:
            raise SSHException("it sent a packet of an invalid size")
        if self._read == self._filled:
            self._fill()
        data = bytes(self._buffer[self._read : min(self._read + size, self._filled)])
        self._read += len(data)
        return data

    def _fill(self) -> None:
        """Receive what there is into the buffer, nothing at the end."""
        if isinstance(self._stream, socket.socket):
            self._filled = self._stream.recv_into(self._buffer)
        else:
            data = self._stream.recv(_CHUNK)
            self._buffer[: len(data)] = data
            self._filled = len(data)
        self._read = 0
        self.heard_at = time.monotonic()
        if self._tcp and self._filled:
            self._stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        if self.allowance is not None:
            self.allowance -= self._filled
            if self.allowance < 0:
                raise SSHException("it sent too much before the login")

    def send(self, data: bytes) -> int:
        end = self.until
        while not (self._closed or self._stalled):
            try:
                return self._send_now(data)
            except (TimeoutError, BlockingIOError):
                self._stalled = time.monotonic() > max(end, self._until)
        raise SSHException("it stopped reading" if self._stalled else "closed")

    def _send_now(self, data: bytes) -> int:
        """Send what can be sent within a tick. Raises TimeoutError, BlockingIOError."""
        if not isinstance(self._stream, socket.socket):
            return self._stream.send(data)
        poll = select.poll()
        poll.register(self._stream, select.POLLOUT)
        poll.poll(_TICK_S * 1000)
        return self._stream.send(data, socket.MSG_DONTWAIT)

    @property
    def until(self) -> float:
        """The deadline for data sent now, on the monotonic clock."""
        return max(self._until, time.monotonic() + _GRACE_S)

    def extend(self, seconds: float) -> None:
        """Allow at least this many seconds for sending, on every hop."""
        self._until = max(self._until, time.monotonic() + seconds)
        if isinstance(self._stream, SshChannel):
            self._stream.transport.extend(seconds)

    def begin(self) -> None:
        """Allow no more time than is said from now on."""
        self._until = 0.0

    def settimeout(self, seconds: float) -> None:
        # For a channel it is also how often a send checks the deadline.
        self._stream.settimeout(min(seconds, _GRACE_S) if isinstance(self._stream, SshChannel) else seconds)

    def close(self) -> None:
        self._closed = True
        if isinstance(self._stream, socket.socket):
            with suppress(OSError):
                self._stream.shutdown(socket.SHUT_RDWR)  # close alone would not wake the reading thread
        self._stream.close()
