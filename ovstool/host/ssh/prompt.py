"""Questions to the user, on the terminal and nowhere else."""

import os
import sys
import termios
import threading
import time

_CTRL_C = b"\x03"
_MAX_ANSWER = 2**16  # bytes
_asking = threading.Lock()  # one question at a time, whichever host it is for
_interrupted_at = 0.0  # the time of the last Ctrl-C at a question, on the monotonic clock


def may_ask(batch: bool) -> bool:
    """Whether this process is in the foreground of a terminal, so it can ask; never with ``BatchMode yes``."""
    if batch or not ((sys.stdin and sys.stdin.isatty()) or (sys.stderr and sys.stderr.isatty())):
        return False
    try:
        fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()  # in the background reading the terminal would stop the process
    finally:
        os.close(fd)


def ask(question: str, named_at: float) -> str:
    """Ask without echoing the answer. Raises KeyboardInterrupt for Ctrl-C.

    getpass is not used: with it Ctrl-C would interrupt the main thread, while this one keeps reading, and the process alive.
    A Ctrl-C applies to all hosts that were named before it, that is, to the whole command.
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
    """The typed line, including its newline or Ctrl-C."""
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
