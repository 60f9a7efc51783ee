"""Questions to the user, on the terminal and nowhere else."""

import os
import sys
import termios
import threading
import time

_CTRL_C = b"\x03"
_MAX_ANSWER = 2**16  # bytes
_asking = threading.Lock()  # one question at a time, whichever host it is for
_interrupted_at = 0.0  # when a question was last answered with Ctrl-C, on the monotonic clock


def may_ask(batch: bool) -> bool:
    """Whether there is somebody to ask, at a terminal in whose foreground we are; never with ``BatchMode yes``."""
    if batch or not ((sys.stdin and sys.stdin.isatty()) or (sys.stderr and sys.stderr.isatty())):
        return False
    try:
        fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()  # in the background a question would stop us
    finally:
        os.close(fd)


def ask(question: str, named_at: float) -> str:
    """Ask without showing the answer. Raises KeyboardInterrupt for Ctrl-C.

    Not getpass: there Ctrl-C is for the main thread, while this one would keep on reading, and the process with it.
    A Ctrl-C is for all hosts that were named before it, which is the whole command.
    """
    global _interrupted_at
    with _asking:
        if named_at < _interrupted_at:
            raise KeyboardInterrupt
        answer = _answer(question.encode())
        if answer.endswith(_CTRL_C):
            _interrupted_at = time.monotonic()
            raise KeyboardInterrupt
    return os.fsdecode(answer.removesuffix(b"\n"))


def _answer(question: bytes) -> bytes:
    """What is typed, up to and with the end of the line or Ctrl-C."""
    fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    try:
        usual = termios.tcgetattr(fd)
        quiet = termios.tcgetattr(fd)
        quiet[3] &= ~(termios.ECHO | termios.ISIG)
        quiet[6][termios.VEOL] = _CTRL_C  # ends the line, as return does
        termios.tcsetattr(fd, termios.TCSAFLUSH, quiet)
        try:
            os.write(fd, question)
            return os.read(fd, _MAX_ANSWER)
        finally:
            termios.tcsetattr(fd, termios.TCSAFLUSH, usual)
            os.write(fd, b"\n")
    finally:
        os.close(fd)
