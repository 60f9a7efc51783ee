"""The progress of long operations on a terminal: a bar of finished hosts, drawn with rich; a line that counts readings."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from ovstool.terminal.output import canvas

_SOON_S = 1.0  # shorter waits need no bar
_EACH_S = 0.5  # between two updates of the line of readings
_CLEAR = "\r\x1b[K"


@contextmanager
def progress(stderr: TextIO, count: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal that shows how many of ``count`` hosts are done, if it takes longer than a second."""
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
    """A bar that shows how many hosts are done, and disappears at the end."""

    def __init__(self, stderr: TextIO, count: int):
        from rich.console import Console  # most waits are too short for a bar
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        width, height = os.get_terminal_size(stderr.fileno())
        # With a size, or rich would use COLUMNS and LINES, whatever they are.
        console = Console(file=canvas(stderr), width=width or 80, height=height or 24)
        columns = (TextColumn("hosts"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
        self._task = self._progress.add_task("hosts", total=count)
        self._progress.start()

    def show(self, done: int) -> None:
        self._progress.update(self._task, completed=done)

    def close(self) -> None:
        self._progress.stop()


class Counting:
    """A progress line such as ``12 of 30 s, 2,400 readings, 4 ports``, updated in place, which disappears at the end.

    A separate thread writes it, so that readings never wait for the terminal. Nothing is written unless ``wanted``.
    """

    def __init__(self, stderr: TextIO, wanted: bool, for_s: float | None = None, times: int | None = None):
        self._stderr = canvas(stderr)
        self._is_shown = wanted and stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._for_s, self._times = for_s, times
        self._samples = self._readings = 0
        self._ports: set[tuple[str | None, str]] = set()
        self._begun = time.monotonic()
        self._stop = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> "Counting":
        if self._is_shown:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._is_shown:
            self._thread.join(_SOON_S)
            self._write(_CLEAR)

    def count(self, sample: Sequence[Any], host: str | None = None) -> Sequence[Any]:
        """Count readings of a host; returns them."""
        if self._is_shown:
            self._samples += 1
            self._readings += len(sample)
            self._ports.update((host, reading.port) for reading in sample)
        return sample

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Hide the line during the block, so that something else can be written to the terminal."""
        if not self._is_shown:
            yield
            return
        with self._writing:
            self._write(_CLEAR)
            yield

    def text(self) -> str:
        """The current text of the line."""
        elapsed_s = int(time.monotonic() - self._begun)
        parts = [f"{elapsed_s} of {self._for_s:g} s" if self._for_s else f"{elapsed_s} s"]
        if self._times:
            parts.append(f"{self._samples:,} of {self._times:,} samples")
        counted = ((self._readings, "reading"), (len(self._ports), "port"))
        return ", ".join(parts + [f"{number:,} {what}{'s' * (number != 1)}" for number, what in counted])

    def _run(self) -> None:
        while not self._stop.wait(_EACH_S):
            with self._writing:
                columns = os.get_terminal_size(self._stderr.fileno()).columns or 80
                self._write(f"\r{self.text()[: columns - 1]}\x1b[K")

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # the terminal may be gone
            self._stderr.write(text)
            self._stderr.flush()
