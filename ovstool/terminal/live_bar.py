"""A bar on a terminal, drawn with rich, of how many hosts are done."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from ovstool.terminal.output import canvas

_SOON_S = 1.0  # a wait for which nobody needs a bar


@contextmanager
def progress(stderr: TextIO, count: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, of how many of ``count`` hosts are done, once it takes longer than a second."""
    if not stderr.isatty():
        yield lambda done: None
        return
    begun, bar = time.monotonic(), None

    def show(done: int) -> None:
        nonlocal bar
        if bar is None and time.monotonic() - begun > _SOON_S:
            bar = Bar(stderr, count)
        if bar:
            bar.show(done)

    try:
        yield show
    finally:
        if bar:
            bar.close()


class Bar:
    """A bar of how many hosts are done, which leaves nothing behind."""

    def __init__(self, stderr: TextIO, count: int):
        from rich.console import Console  # most waits are too short for a bar
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        width, height = os.get_terminal_size(stderr.fileno())
        # With a size, or rich would believe COLUMNS and LINES, whatever they are.
        console = Console(file=canvas(stderr), width=width or 80, height=height or 24)
        columns = (TextColumn("hosts"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
        self._task = self._progress.add_task("hosts", total=count)
        self._progress.start()

    def show(self, done: int) -> None:
        self._progress.update(self._task, completed=done)

    def close(self) -> None:
        self._progress.stop()
