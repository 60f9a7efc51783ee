"""A terminal with a live view in it; pyte renders what a user would see."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

import pyte
import pytest

TIMEOUT_S = 60
_BEGIN = b"\x1b[H"
_ESCAPE = re.compile(r"\x1b\[[?0-9;]*[a-zA-Z]")


class Terminal:
    """A terminal of this size and the program in it."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], columns: int, lines: int):
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = self._rest = b""
        self._between = False  # whether the display ends just before the next screen
        self.master, slave = pty.openpty()
        self.resize(columns, lines)
        self.modes = termios.tcgetattr(self.master)
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=environ)
        os.close(slave)

    def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(lines, columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def read(self) -> bool:
        """Read what the program has written; False at the end of its output."""
        if not select.select([self.master], [], [], 0.05)[0]:
            self._take_rest()
            return True
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:  # Linux reports EIO when the last process has closed the terminal
            self._take_rest()
            return False
        self.raw += data
        # Render only up to the start of the last screen, so that a complete one is seen even if we read too slowly.
        before, begin, after = (self._rest + data).rpartition(_BEGIN)
        self._rest = begin + after
        if before:
            self._stream.feed(before)
            self._between = True
        return bool(data)

    def _take_rest(self) -> None:
        if self._rest:
            self._stream.feed(self._rest)
            self._rest, self._between = b"", False

    def until(self, text: str) -> list[str]:
        """Wait for a screen that matches this pattern; returns its lines."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            more = self.read()
            if self._whole() and re.search(text, "\n".join(self.screen.display)):
                return [line.rstrip() for line in self.screen.display]
            if not more:
                break
        pytest.fail(f"never saw {text!r} but\n" + "\n".join(self.screen.display))

    def _whole(self) -> bool:
        """Whether the screen is complete."""
        if self._between:
            return True
        frame = self.raw.decode(errors="replace").split("\x1b[H")[-1]
        lines = _ESCAPE.sub("", frame).replace("\r", "").split("\n")
        return (len(lines) == self.screen.lines and len(lines[-1]) == self.screen.columns) or "\x1b[?1049l" in frame

    def end(self) -> int:
        """Wait for the program to end and check that the terminal is restored; returns the exit code."""
        deadline = time.monotonic() + TIMEOUT_S
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
        assert termios.tcgetattr(self.master) == self.modes
        while self.read() and select.select([self.master], [], [], 0)[0]:
            pass
        code = self.process.wait(timeout=1)
        after = self.raw.rpartition(b"\x1b[?1049l")
        assert b"\x1b[?25h" in self.raw and b"\x1b[?7h" in self.raw and b"\x1b[H" not in after[2]
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def frame(self) -> list[str]:
        """The lines of the last complete screen as written, at their full length."""
        *_, last, _unfinished = self.raw.decode(errors="replace").split("\x1b[H")
        return _ESCAPE.sub("", last).replace("\r", "").split("\n")
