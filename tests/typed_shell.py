"""``ovstool shell`` on a terminal, with typed input."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_LIMIT_S = 60
_SILENT_S = 10
_PROMPT = r"(?:^|[\r\n])ovstool[^\r\n]*> $"
CTRL_C, CTRL_D, CLEAR = "\x03", "\x04", "\x15"


class TypedShell:
    """``said`` is everything shown so far; ``type`` enters a line and waits for the next prompt."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str], locale: str = "C.UTF-8"):
        self._screen, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        mine = {"TERM": "dumb", "PYTHONPATH": str(_ROOT), "INPUTRC": "/dev/null", "LC_ALL": locale, "PAGER": "cat"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ovstool", *words], env={**environ, **mine}, stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(theirs)
        self.said = self.until(_PROMPT)

    def press(self, keys: str) -> None:
        os.write(self._screen, keys.encode(errors="surrogateescape"))

    def until(self, pattern: str, again: Callable[[], object] | None = None) -> str:
        """Wait for output that ends with this pattern and return it; ``again`` is called when nothing is shown for long.

        It repeats a signal: Python's readline misses one that arrives just before it waits for a key.
        """
        shown = ""
        deadline = time.monotonic() + _LIMIT_S
        while not re.search(pattern, shown):
            if not select.select([self._screen], [], [], _SILENT_S if again else max(deadline - time.monotonic(), 0))[0]:
                assert time.monotonic() < deadline, shown
                if again:
                    again()
                continue
            try:
                data = os.read(self._screen, 1 << 16)
            except OSError:  # the terminal is closed
                data = b""
            assert data, f"ended with {shown!r}"
            shown += data.decode(errors="replace").replace("\r\n", "\n")
        return shown

    def type(self, line: str) -> str:
        """Enter a line; returns what is shown, without the next prompt."""
        self.press(f"{line}\r")
        shown = self.until(_PROMPT)
        return shown.partition("\n")[2].rpartition("ovstool")[0].removeprefix(line)

    def interrupt(self) -> str:
        self.press(CTRL_C)
        return self.until(_PROMPT, again=lambda: self.press(CTRL_C))

    def stop_and_go_on(self, pattern: str) -> str:
        """As Ctrl-Z and fg in a shell, which sets the modes of the terminal for itself; then ``until``."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)
        modes = termios.tcgetattr(self._screen)
        modes[3] |= termios.ICANON | termios.ECHO
        termios.tcsetattr(self._screen, termios.TCSANOW, modes)
        self.process.send_signal(signal.SIGCONT)
        return self.until(pattern, again=lambda: self.process.send_signal(signal.SIGCONT))

    def leave(self, keys: str = CTRL_D) -> int:
        """Press these keys, and wait for the exit; returns the exit code."""
        self.press(keys)
        deadline = time.monotonic() + _LIMIT_S
        while self.process.poll() is None and time.monotonic() < deadline:
            if select.select([self._screen], [], [], 0.1)[0]:
                try:
                    os.read(self._screen, 1 << 16)
                except OSError:
                    break
        return self.process.wait(_LIMIT_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._screen)


@contextmanager
def typed_shell(words: Sequence[str], environ: Mapping[str, str], home: Path, locale: str = "C.UTF-8") -> Iterator[TypedShell]:
    """A shell whose history is kept below ``home``."""
    shell = TypedShell(["-q", "shell", *words], {**environ, "XDG_STATE_HOME": str(home)}, locale)
    try:
        yield shell
    finally:
        shell.close()
