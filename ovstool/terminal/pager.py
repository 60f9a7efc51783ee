"""The user's pager, for what is longer than the screen of a terminal."""

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
# As git has it: colours as they are, no pager for what fits the screen after all, and the text stays on the screen.
_OPTIONS = {"LESS": "FRX", "LV": "-c"}


@contextmanager
def paged(stdout: TextIO) -> Iterator[None]:
    """Hold back what is printed on a terminal in the block, then show it: through $PAGER, where it is longer than the screen."""
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
    """Whether the pager has shown it; one that cannot be started, or ends with an error, has not."""
    try:
        argv = shlex.split(os.environ.get("PAGER", _USUAL))
        if argv in ([], ["cat"]):
            return False
        stdout.flush()
        pager = subprocess.Popen(argv, env=_OPTIONS | os.environ, stdin=subprocess.PIPE)
    except (OSError, ValueError):  # of shlex: a quotation mark that is not closed
        return False
    # Ctrl-C is the pager's while it runs.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pager.communicate(text.encode(stdout.encoding or "utf-8", "backslashreplace"))  # it takes no more once the reader has quit
    finally:
        signal.signal(signal.SIGINT, before)
    return pager.returncode == 0
