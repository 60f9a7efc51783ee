"""Request and reply over a byte stream, for any protocol: limited in time, and closed at the first failure."""

import time

from ovstool.errors import TimedOut, Unreachable
from ovstool.host import ByteStream


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

    def _receive_some(self, at_the_end: str) -> bytes:
        """The next bytes, at least one. Raises TimedOut, Unreachable; ``at_the_end`` says why when the peer has closed the stream."""
        try:
            self._stream.settimeout(self._remaining())
            data = self._stream.recv(self.chunk)
        except TimeoutError as error:
            raise self._timed_out() from error
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error
        if not data:
            raise self._lost(at_the_end)
        return data

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
