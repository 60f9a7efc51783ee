"""A command on a terminal of some size, and what it wrote there."""

import fcntl
import pty
import re
import struct
import termios
from collections.abc import Mapping, Sequence

from forked import FORKS

_SGR = re.compile(r"\x1b\[[0-9;]*m")


def shown(words: Sequence[str], environ: Mapping[str, str], columns: int, lines: int = 1000, of: str = "stdout") -> str:
    """All that ``ovstool`` with these words writes to stdout on a terminal of that size, escape sequences and all.

    ``of`` stderr: what it says there instead, which is no terminal; of both: what it writes to the terminal that is both.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environ = {"TERM": "xterm-256color"} | {key: value for key, value in environ.items() if key not in ("COLUMNS", "LINES")}
    done = FORKS.run(words, environ, terminal=(ours, theirs), stderr_too=of == "both")
    assert done.returncode in (0, 1), done
    return (done.stderr if of == "stderr" else done.stdout).decode().replace("\r\n", "\n")


def without_colours(text: str) -> str:
    return _SGR.sub("", text)
