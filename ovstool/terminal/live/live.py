"""A live view on a terminal: drawn with rich, steered with keys.

A thread of its own draws it, so that neither a slow terminal nor rendering holds up the reading, and keys are answered between two
readings that are far apart.
"""

import os
import select
import signal
import socket
import sys
import termios
import threading
import time
import tty
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any, Protocol, TextIO

from rich.console import Console, ConsoleOptions
from rich.live import Live as RichLive
from rich.segment import Segment

from ovstool.terminal.live.cells import Cell
from ovstool.terminal.live.keys import Keys
from ovstool.terminal.output import canvas

_TICK_S = 1 / 8
_REST = 10  # two redraws are this many times apart what one takes, so the view never costs more than a tenth of a core
_PATIENCE_S = 1.0  # how long Ctrl-C is not heard after it was
_ESC_S = 0.05  # how long the rest of a sequence is waited for before it is the Esc key
_WAITING = 4096  # readings kept for a terminal that takes no output
_LARGEST = (1000, 500)  # columns and lines that are drawn; a window may say that it has 65,535


class Shown(Protocol):
    """What is shown live: it takes readings and keys, and draws itself on a screen of any size."""

    note: str
    wake: Callable[[], None]

    def take(self, samples: Sequence[Any]) -> None: ...

    def press(self, key: str) -> bool: ...

    def lines(self, width: int, height: int) -> list[list[Cell]]: ...


class Live:
    """A view that fills the terminal for the length of a ``with`` block, which has to be in the main thread.

    When q is pressed, ``show`` returns False; if no reading comes just then, KeyboardInterrupt ends the block and goes no further.
    """

    def __init__(self, shown: Shown, stdin: TextIO | None = None, stdout: TextIO | None = None):
        self._shown = shown
        self._stdin = stdin or sys.stdin
        self._stdout = canvas(stdout or sys.stdout)
        self._keyboard = self._stdin.fileno() if has_keyboard(self._stdin) else None
        self._keys = Keys(self._stdin.encoding or "ascii")
        # With a size, or rich would believe COLUMNS and LINES, which stay the same when the window does not.
        self._console = Console(file=self._stdout, force_terminal=True, width=80, height=24)
        self._live = RichLive(console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._modes: list[Any] | None = None
        self._samples: deque[Any] = deque(maxlen=_WAITING)
        self._thread = threading.Thread(target=self._run, name="live view", daemon=True)
        self._drawing = threading.Lock()
        self._bell, self._ring = socket.socketpair()  # which wakes the thread
        self._ring.setblocking(False)
        shown.wake = self._wake
        self._due = 0.0  # when to look for readings; 0 until there was one
        self._undo = ExitStack()
        self._is_entered = False  # the block has begun, so an interruption ends no more than the block
        self._stop = False
        self._changed = True
        self._quit = False
        self._leaving: float | None = None  # since when
        self._failed: Exception | None = None

    def __enter__(self) -> "Live":
        try:
            self._begin()
        except BaseException:
            self._undo.close()
            raise
        # Between here and the block no signal is handled: Python looks for them where functions begin and loops go round.
        self._is_entered = True
        return self

    def _begin(self) -> None:
        undo = self._undo
        handlers = dict.fromkeys((signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT), self._interrupt) | {
            signal.SIGTSTP: self._suspend
        }
        for signum, handler in handlers.items():
            if (before := signal.getsignal(signum)) not in (signal.SIG_IGN, None):
                undo.callback(signal.signal, signum, before)
                signal.signal(signum, handler)
        undo.callback(self._bell.close)
        undo.callback(self._ring.close)
        undo.callback(self._release)
        self._seize()
        undo.callback(self._thread.join)
        undo.callback(self._end_thread)
        self._thread.start()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        self._leaving = self._leaving or time.monotonic()
        self._undo.close()
        if self._failed:
            raise self._failed
        return self._quit and kind is KeyboardInterrupt

    def show(self, sample: Any) -> bool:
        """Take one reading; False when the person has pressed q."""
        self._samples.append(sample)
        if not self._due:
            self._wake()  # the first is what is waited for
        if is_over := self._quit:
            self._leaving = self._leaving or time.monotonic()  # the caller is told: no need to interrupt it
        return not is_over

    def note(self, text: str) -> None:
        """Show a line, such as that the connection is lost, until there is another."""
        self._shown.note = f"{time.strftime('%H:%M:%S')} {text}"
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

    def _wake(self) -> None:
        self._changed = True
        with suppress(OSError):  # full, so it is being woken already; or closed
            self._ring.send(b"\0")

    def _end_thread(self) -> None:
        self._stop = True
        self._wake()

    def _run(self) -> None:
        try:
            while not (self._quit or self._stop):
                begun = time.thread_time()
                has_taken = False
                with self._drawing:
                    if time.monotonic() >= self._due and (has_taken := self._take()):
                        self._listen(0)  # one drawing is enough for a key that was pressed meanwhile
                    self._draw()
                if has_taken:
                    self._due = time.monotonic() + max(_TICK_S, (time.thread_time() - begun) * _REST)
                self._listen(max(self._due - time.monotonic(), 0) or _TICK_S)
        except Exception as error:
            self._failed, self._quit = error, True
        while not (self._is_entered or self._stop):
            time.sleep(0.001)
        # The main thread may be waiting for a reading. Where Ctrl-C means nothing to us, it goes on until there is one.
        if self._quit and not self._leaving and signal.getsignal(signal.SIGINT) == self._interrupt:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _listen(self, patience_s: float) -> None:
        """Wait for a key, or to be woken, or so long."""
        patience_s = _ESC_S if self._keys.unfinished else patience_s
        heard = [self._bell.fileno(), *([self._keyboard] if self._keyboard is not None else [])]
        ready = select.select(heard, [], [], patience_s)[0]
        if self._bell.fileno() in ready:
            self._bell.recv(4096)
        if self._keyboard in ready:
            self._press(self._keys.pressed(self._typed()))
        elif self._keys.unfinished:
            self._press(self._keys.ended())

    def _typed(self) -> bytes:
        with suppress(OSError):
            if self._keyboard is not None and (data := os.read(self._keyboard, 1024)):
                return data
        self._keyboard = None  # the terminal is gone
        return b""

    def _press(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._quit = self._quit or not self._shown.press(key)
        self._changed = True

    def _take(self) -> bool:
        """Whether there were readings."""
        if samples := [self._samples.popleft() for _ in range(len(self._samples))]:
            self._shown.take(samples)
            self._changed = True
        return bool(samples)

    def _draw(self) -> None:
        columns, lines = os.get_terminal_size(self._stdout.fileno())
        size = min(columns, _LARGEST[0]), min(lines, _LARGEST[1])
        if min(size) > 0 and size != self._console.size:
            self._console.size = size
            self._changed = True
        if self._changed:
            self._changed = False
            self._live.update(Frame(self._shown.lines(*self._console.size)), refresh=True)


class Frame:
    """Lines of cells as rich draws them."""

    def __init__(self, lines: Sequence[Sequence[Cell]]):
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for cells in self._lines:
            yield from (Segment(text, style) for text, style in cells)
            yield Segment.line()


def has_keyboard(stdin: TextIO | None = None) -> bool:
    """Whether keys can be pressed."""
    return bool((stdin or sys.stdin) and (stdin or sys.stdin).isatty())
