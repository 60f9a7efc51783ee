"""A command on a terminal of some size, and what it wrote there."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress

_SGR = re.compile(r"\x1b\[[0-9;]*m")


def shown(words: Sequence[str], environ: Mapping[str, str], columns: int, lines: int = 1000, of: str = "stdout") -> str:
    """All that ``ovstool`` with these words writes to stdout on a terminal of that size, escape sequences and all, or what it says on stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environ = {"TERM": "xterm-256color"} | {key: value for key, value in environ.items() if key not in ("COLUMNS", "LINES")}
    argv = [sys.executable, "-m", "ovstool", *words]
    with subprocess.Popen(argv, env=environ, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE, text=True) as process:
        os.close(theirs)
        written = bytearray()
        with suppress(OSError):  # its side is closed
            while data := os.read(ours, 65536):
                written += data
        os.close(ours)
        said = process.stderr.read()
        assert process.wait(60) in (0, 1), said
    return said if of == "stderr" else written.decode().replace("\r\n", "\n")


def without_colours(text: str) -> str:
    return _SGR.sub("", text)
