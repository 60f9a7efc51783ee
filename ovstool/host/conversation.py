"""Request and reply over a byte stream, for any protocol: limited in time, and closed at the first failure."""

import _socket
import struct
import time

from ovstool.errors import TimedOut, Unreachable
from ovstool.host import ByteStream

_GATHERED = 2**22  # bytes at once


class Conversation:
    """A protocol session with an untrusted peer."""

    server: str  # the program that the peer should be
    kind: str  # what such a program is, for errors
    chunk: int  # bytes to ask for at once

    def __init__(self, stream: ByteStream, what: str, deadline: float):
        """``what`` names the peer in errors; ``deadline`` is on the monotonic clock, and may be set again before each request."""
        self.deadline = deadline
        self._stream = stream
        self._what = what
        self._closed = False
        self._gathered = bytearray()

    def close(self) -> None:
        self._closed = True
        self._stream.close()

    def _send_all(self, data: bytes) -> None:
        try:
            self._stream.settimeout(self._remaining())
            self._stream.sendall(data)
        except TimeoutError as error:
            raise self._timed_out() from error
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error

    def _receive_some(self, at_the_end: str, gather_s: float = 0.0) -> bytes:
        """The next bytes, at least one; from a socket of this machine those of the next ``gather_s`` seconds.

        Raises TimedOut, Unreachable; ``at_the_end`` says why when the peer has closed the stream.
        """
        try:
            remaining_s = self._remaining()
            if data := self._gather(min(gather_s, remaining_s)):
                return data
            self._stream.settimeout(remaining_s)
            data = self._stream.recv(self.chunk)
        except TimeoutError as error:
            raise self._timed_out() from error
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error
        if not data:
            raise self._lost(at_the_end)
        return data

    def _gather(self, within_s: float) -> bytes:
        """What arrives in that time, at most 4 MiB; nothing where the stream cannot gather.

        The kernel takes it from the sender as it comes, however long Python is busy with another thread. It goes to memory that is in use
        already: with fresh memory, page by page, the kernel is slower than the sender, which then finds the socket full.
        """
        microseconds = int(within_s * 1e6)
        if not microseconds or type(self._stream) is not _socket.socket:
            return b""
        if not self._gathered:
            self._gathered = bytearray(b"-") * _GATHERED
        self._stream.settimeout(None)  # with a timeout of Python's own a socket does not block, and MSG_WAITALL has no effect
        self._stream.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVTIMEO, struct.pack("ll", *divmod(microseconds, 1_000_000)))
        try:
            length = self._stream.recv_into(self._gathered, _GATHERED, _socket.MSG_WAITALL)
        except BlockingIOError:  # nothing arrived
            return b""
        return bytes(memoryview(self._gathered)[:length])

    def _remaining(self) -> float:
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise self._timed_out()
        return remaining

    def _timed_out(self) -> TimedOut:
        self.close()
        return TimedOut(self._what, "no answer in time", f"a longer --timeout, or see what {self.server} is doing")

    def _lost(self, why: str) -> Unreachable:
        self.close()
        return Unreachable(self._what, f"connection lost: {why}", "the command again (every command is safe to repeat)")

    def _broken(self, what: str) -> Unreachable:
        self.close()
        return Unreachable(self._what, f"this is not {self.kind}: it sent {what}")
