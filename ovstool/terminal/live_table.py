"""The live table of rates on a terminal, behind ``--watch``: drawn with rich, steered with keys.

A thread of its own draws it, so that neither a slow terminal nor rendering holds up the reading, and keys are answered between two
readings that are far apart.
"""

import os
import re
import select
import signal
import sys
import termios
import threading
import time
import tty
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live

from ovstool.rates import QueueRate, Rate
from ovstool.terminal.live_screen import Screen
from ovstool.terminal.output import canvas

_TICK_S = 1 / 8
_REST = 10  # two redraws are this many times apart what one takes, so the table never costs more than a tenth of a core
_ASK_S = 1.0  # how often the speeds of links are asked for
_PATIENCE_S = 1.0  # how long Ctrl-C is not heard after it was
_WAITING = 4096  # readings kept for a terminal that takes no output
_LARGEST = (1000, 500)  # columns and lines that are drawn; a window may say that it has 65,535
_KEY = re.compile(rb"\x1b[\[O][0-9;]*.|.", re.DOTALL)  # a byte, or what an arrow and the like send
_STEPS = {b"s": 1, b"\x1b[C": 1, b"\x1bOC": 1, b"\x1b[D": -1, b"\x1bOD": -1}


class LiveTable:
    """A table that fills the terminal for the length of a ``with`` block, which has to be in the main thread.

    ``link_speed`` gives bit/s; ``show`` asks it about once a second for each port. ``sort`` is a column of ``rate_class``. When q is
    pressed, ``show`` returns False; if no reading comes just then, KeyboardInterrupt ends the block and goes no further.
    """

    def __init__(
        self,
        rate_class: type[Rate] | type[QueueRate],
        link_speed: Callable[[str], int | None],
        sort: str | None = None,
        descending: bool = True,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        title: str = "ovstool stats",
    ):
        self._link_speed = link_speed
        self._stdin = stdin or sys.stdin
        self._stdout = canvas(stdout or sys.stdout)
        self._keyboard = self._stdin.fileno() if self._stdin.isatty() else None
        self._screen = Screen(rate_class, sort, descending, title, self._stdout.encoding or "ascii", self._keyboard is not None)
        # With a size, or rich would believe COLUMNS and LINES, which stay the same when the window does not.
        self._console = Console(file=self._stdout, force_terminal=True, width=80, height=24)
        self._live = Live(console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._modes: list[Any] | None = None
        self._asked_at = float("-inf")
        self._samples: deque[Sequence[Any]] = deque(maxlen=_WAITING)
        self._thread = threading.Thread(target=self._run, name="live table", daemon=True)
        self._drawing = threading.Lock()
        self._stop = threading.Event()
        self._changed = True
        self._quit = False
        self._leaving: float | None = None  # since when
        self._failed: Exception | None = None

    def __enter__(self) -> "LiveTable":
        with ExitStack() as undo:
            handlers = dict.fromkeys((signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT), self._interrupt) | {
                signal.SIGTSTP: self._suspend
            }
            for signum, handler in handlers.items():
                if (before := signal.getsignal(signum)) not in (signal.SIG_IGN, None):
                    undo.callback(signal.signal, signum, before)
                    signal.signal(signum, handler)
            undo.callback(self._release)
            self._seize()
            undo.callback(self._thread.join)
            undo.callback(self._stop.set)
            self._thread.start()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        self._leaving = self._leaving or time.monotonic()
        self._undo.close()
        if self._failed:
            raise self._failed
        return self._quit and kind is KeyboardInterrupt

    def show(self, rows: Sequence[Rate] | Sequence[QueueRate]) -> bool:
        """Take the rows of one reading, of all ports; False when the person has pressed q."""
        now = time.monotonic()
        if now - self._asked_at >= _ASK_S:
            self._asked_at = now
            self._screen.speeds = {port: self._link_speed(port) for port in dict.fromkeys(row.port for row in rows)}
        self._samples.append(rows)
        if self._quit:
            self._leaving = self._leaving or now  # the caller is told: no need to interrupt it
        return not self._quit

    def note(self, text: str) -> None:
        """Show a line, such as that the connection is lost, until there is another."""
        self._screen.note = f"{time.strftime('%H:%M:%S')} {text}"
        self._changed = True

    def _seize(self) -> None:
        if self._keyboard is not None:
            self._modes = termios.tcgetattr(self._keyboard)
            tty.setcbreak(self._keyboard)
        self._live.start()
        self._stdout.write("\x1b[?7l")  # no wrapping: a terminal may find a strange character wider than rich does
        self._stdout.flush()
        self._changed = True

    def _release(self) -> None:
        with suppress(OSError):  # the terminal may be gone
            self._stdout.write("\x1b[?7h")
            self._live.stop()
        self._restore_modes()

    def _restore_modes(self) -> None:
        if self._modes and self._keyboard is not None:
            with suppress(termios.error):
                termios.tcsetattr(self._keyboard, termios.TCSANOW, self._modes)

    def _interrupt(self, signum: int, frame: object) -> None:
        """End the block, once: a second Ctrl-C must not interrupt the tidying up, unless that waits for a terminal that takes nothing."""
        now = time.monotonic()
        if not self._leaving:
            self._leaving = now
            raise KeyboardInterrupt if signum == signal.SIGINT else SystemExit(128 + signum)
        if now - self._leaving > _PATIENCE_S:
            self._restore_modes()
            signal.signal(signum, signal.SIG_DFL)  # not by way of Python's own end, which would wait for the terminal too
            os.kill(os.getpid(), signum)

    def _suspend(self, signum: int, frame: object) -> None:
        """Ctrl-Z: the shell gets the terminal as it was."""
        if self._leaving:
            return
        with self._drawing:
            self._release()
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)  # returns when continued
            signal.signal(signum, self._suspend)
            self._seize()

    def _run(self) -> None:
        spent = 0.0
        try:
            while not self._quit and not self._stop.wait(max(_TICK_S, spent * _REST)):
                begun = time.thread_time()
                with self._drawing:
                    self._read_keys()
                    self._draw()
                spent = time.thread_time() - begun
        except Exception as error:
            self._failed, self._quit = error, True
        # The main thread may be waiting for a reading. Where Ctrl-C means nothing to us, it goes on until there is one.
        if self._quit and not self._leaving and signal.getsignal(signal.SIGINT) == self._interrupt:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _read_keys(self) -> None:
        if self._keyboard is None or not select.select([self._keyboard], [], [], 0)[0]:
            return
        screen, self._changed = self._screen, True
        for key in _KEY.findall(os.read(self._keyboard, 1024)):
            if key == b"q":
                self._quit = True
            elif key == b"r":
                screen.descending = not screen.descending
            elif key == b" ":
                screen.pause()
            elif key in _STEPS:
                screen.sort = screen.orders[(screen.orders.index(screen.sort) + _STEPS[key]) % len(screen.orders)]
            screen.ordered_at = float("-inf")

    def _draw(self) -> None:
        if samples := [self._samples.popleft() for _ in range(len(self._samples))]:
            self._screen.take(samples)
            self._changed = True
        columns, lines = os.get_terminal_size(self._stdout.fileno())
        size = min(columns, _LARGEST[0]), min(lines, _LARGEST[1])
        if min(size) > 0 and size != self._console.size:
            self._console.size = size
            self._changed = True
        if self._changed:
            self._changed = False
            self._live.update(self._screen, refresh=True)
