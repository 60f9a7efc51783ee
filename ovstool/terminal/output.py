"""Standard output and standard error, which escape text from peers.

A name in a database, a recording or a message of a switch may contain anything. Everything that ovstool prints goes through ``Output``,
which escapes all unprintable characters except newlines: whoever prints it, no text can control the terminal.
"""

import errno
import io
import os
import select
import sys
from typing import Any, TextIO, cast

from ovstool.errors import escape

STDOUT = "standard output"
_GONE = select.POLLERR | select.POLLHUP
_KEPT = "\\\n"


class Output(io.TextIOWrapper):
    """A standard stream that escapes all unprintable characters except newlines.

    The first failure to write raises an OSError with the stream's name; further output is discarded. Failures of standard error are
    ignored: the exit code is what matters then.
    """

    def __init__(self, number: int, encoding: str):
        # Buffered even with PYTHONUNBUFFERED, with which Python silently drops the rest of a partial write.
        file = open(number, "wb", closefd=False)
        super().__init__(file, encoding, "backslashreplace", line_buffering=number == 2 or os.isatty(number))
        self._required = number == 1
        self._lost = False
        self.held: list[str] | None = None  # output held back for the pager: see pager.py

    def write(self, text: str) -> int:
        if not text.isprintable() and not text.replace("\n", "").isprintable():
            text = escape(text, _KEPT)
        return self.draw(text)

    def draw(self, text: str) -> int:
        """Write text that is already escaped."""
        if self.held is not None:
            self.held.append(text)
            return len(text)
        try:
            return len(text) if self._lost else super().write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        try:
            if not self._lost:
                super().flush()
        except OSError as error:
            self._lose(error)

    def require_reader(self) -> None:
        """Raise BrokenPipeError if nobody can read what is written, which otherwise only the next write would find out."""
        poll = select.poll()
        poll.register(self.fileno(), 0)  # these two events are always reported
        if any(event & _GONE for _, event in poll.poll(0)):
            self._lose(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))

    def _lose(self, error: OSError) -> None:
        self._lost = True
        if self._required:
            error.filename = STDOUT
            raise error


def canvas(stream: TextIO) -> TextIO:
    """The stream to draw on: with colours, tabs and cursor movements."""
    return cast(TextIO, _Canvas(stream))


class _Canvas:
    """An ``Output``, or any other stream, whose ``write`` escapes nothing."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self.write = getattr(stream, "draw", stream.write)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def escape_standard_streams() -> None:
    """Replace standard output and standard error with such streams; a closed one goes to /dev/null."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller; a socket must not get its number
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        setattr(sys, name, Output(number, stream.encoding if stream else "utf-8"))
