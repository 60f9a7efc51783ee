"""The user's pager, for output longer than the screen."""

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from ovstool.terminal.layout import width
from ovstool.terminal.output import Output

_USUAL = "less"
# As git does: pass colours through, quit if the text fits on the screen, and leave the text on the screen.
_OPTIONS = {"LESS": "FRX", "LV": "-c"}


@contextmanager
def paged(stdout: TextIO) -> Iterator[None]:
    """Hold back the output of the block on a terminal, then show it, through $PAGER if it is longer than the screen."""
    if not isinstance(stdout, Output) or not stdout.isatty() or stdout.held is not None:
        yield
        return
    stdout.held = []
    try:
        yield
    finally:
        text, stdout.held = "".join(stdout.held), None
        if not (_is_longer_than_screen(text, stdout) and _shown_by_pager(text, stdout)):
            stdout.draw(text)


def _is_longer_than_screen(text: str, stdout: TextIO) -> bool:
    with suppress(OSError):
        columns, rows = os.get_terminal_size(stdout.fileno())
        if columns and rows and text.count("\n") + len(text) // columns >= rows:
            return sum(1 + max(0, width(line) - 1) // columns for line in text.splitlines()) >= rows
    return False


def _shown_by_pager(text: str, stdout: TextIO) -> bool:
    """Show the text in the pager; False if that cannot be started or fails."""
    try:
        argv = shlex.split(os.environ.get("PAGER", _USUAL))
        if argv in ([], ["cat"]):
            return False
        stdout.flush()
        pager = subprocess.Popen(argv, env=_OPTIONS | os.environ, stdin=subprocess.PIPE)
    except (OSError, ValueError):  # ValueError: an unclosed quotation mark
        return False
    # Ctrl-C is for the pager while it runs.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pager.communicate(text.encode(stdout.encoding or "utf-8", "backslashreplace"))  # ignores a pager that quits early
    finally:
        signal.signal(signal.SIGINT, before)
    return pager.returncode == 0
