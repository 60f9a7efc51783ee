"""Runs a command on a terminal of a given size and returns what it wrote there."""

import fcntl
import pty
import re
import struct
import termios
from collections.abc import Mapping, Sequence

from forked import FORKS

_SGR = re.compile(r"\x1b\[[0-9;]*m")


def shown(words: Sequence[str], environ: Mapping[str, str], columns: int, lines: int = 1000, of: str = "stdout") -> str:
    """All that ``ovstool`` writes to a stdout that is a terminal of this size, escape sequences included.

    With ``of`` stderr: what it writes to stderr, which is a pipe. With ``of`` both: what it writes to a terminal that is stdout and stderr.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environ = {"TERM": "xterm-256color"} | {key: value for key, value in environ.items() if key not in ("COLUMNS", "LINES")}
    done = FORKS.run(words, environ, terminal=(ours, theirs), stderr_too=of == "both")
    assert done.returncode in (0, 1), done
    return (done.stderr if of == "stderr" else done.stdout).decode().replace("\r\n", "\n")


def without_colours(text: str) -> str:
    return _SGR.sub("", text)
