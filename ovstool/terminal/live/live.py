"""A live view on a terminal: drawn with rich, controlled with keys.

A separate thread draws it, so that neither a slow terminal nor rendering delays the readings, and keys work even between readings that
are far apart.
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
_REST = 10  # minimum ratio of the time between redraws to that of one, so the view never uses more than a tenth of a core
_PATIENCE_S = 1.0  # how long further Ctrl-Cs are ignored
_ESC_S = 0.05  # how long to wait for the rest of a sequence before treating it as the Esc key
_WAITING = 4096  # readings kept for a terminal that takes no output
_LARGEST = (1000, 500)  # columns and lines that are drawn; a window may claim 65,535


class Shown(Protocol):
    """A live display: it takes readings and keys, and draws itself on a screen of any size."""

    note: str
    wake: Callable[[], None]

    def take(self, samples: Sequence[Any]) -> None: ...

    def press(self, key: str) -> bool: ...

    def lines(self, width: int, height: int) -> list[list[Cell]]: ...


class Live:
    """A view that fills the terminal during a ``with`` block, which has to be in the main thread.

    When q is pressed, ``show`` returns False; if no reading arrives soon, a KeyboardInterrupt ends the block and is caught there.
    """

    def __init__(self, shown: Shown, stdin: TextIO | None = None, stdout: TextIO | None = None):
        self._shown = shown
        self._stdin = stdin or sys.stdin
        self._stdout = canvas(stdout or sys.stdout)
        self._keyboard = self._stdin.fileno() if has_keyboard(self._stdin) else None
        self._keys = Keys(self._stdin.encoding or "ascii")
        # With a size, or rich would use COLUMNS and LINES, which do not follow a resized window.
        self._console = Console(file=self._stdout, force_terminal=True, width=80, height=24)
        self._live = RichLive(console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._modes: list[Any] | None = None
        self._samples: deque[Any] = deque(maxlen=_WAITING)
        self._thread = threading.Thread(target=self._run, name="live view", daemon=True)
        self._drawing = threading.Lock()
        self._bell, self._ring = socket.socketpair()  # wakes the thread
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
        # No signal is handled between here and the block: Python checks for them at function calls and loop iterations.
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
        """Take one reading; False if q was pressed."""
        self._samples.append(sample)
        if not self._due:
            self._wake()  # the user is waiting for the first one
        if is_over := self._quit:
            self._leaving = self._leaving or time.monotonic()  # the caller is told: no need to interrupt it
        return not is_over

    def note(self, text: str) -> None:
        """Show a line, such as that the connection is lost, until the next one."""
        self._shown.note = f"{time.strftime('%H:%M:%S')} {text}"
        self._changed = True

    def _seize(self) -> None:
        if self._keyboard is not None:
            self._modes = termios.tcgetattr(self._keyboard)
            tty.setcbreak(self._keyboard)
        self._live.start()
        self._stdout.write("\x1b[?7l")  # no wrapping: a terminal may show an unusual character wider than rich expects
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
        """End the block once: a second Ctrl-C must not interrupt the cleanup, unless that hangs on a blocked terminal."""
        now = time.monotonic()
        if not self._leaving:
            self._leaving = now
            raise KeyboardInterrupt if signum == signal.SIGINT else SystemExit(128 + signum)
        if now - self._leaving > _PATIENCE_S:
            self._restore_modes()
            signal.signal(signum, signal.SIG_DFL)  # not through Python's own shutdown, which would wait for the terminal too
            os.kill(os.getpid(), signum)

    def _suspend(self, signum: int, frame: object) -> None:
        """Ctrl-Z: restore the terminal for the shell."""
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
        with suppress(OSError):  # full, so it is already being woken; or closed
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
                        self._listen(0)  # one drawing also covers a key that was pressed meanwhile
                    self._draw()
                if has_taken:
                    self._due = time.monotonic() + max(_TICK_S, (time.thread_time() - begun) * _REST)
                self._listen(max(self._due - time.monotonic(), 0) or _TICK_S)
        except Exception as error:
            self._failed, self._quit = error, True
        while not (self._is_entered or self._stop):
            time.sleep(0.001)
        # The main thread may be waiting for a reading. If Ctrl-C is ignored, it keeps waiting until there is one.
        if self._quit and not self._leaving and signal.getsignal(signal.SIGINT) == self._interrupt:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _listen(self, patience_s: float) -> None:
        """Wait for a key, a wake-up or the timeout."""
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
