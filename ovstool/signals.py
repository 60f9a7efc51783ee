"""Ends by signal: what must not be left half-done is done first, and what was started is stopped."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def undisturbed() -> Iterator[set[int]]:
    """Put off Ctrl-C and the like until what must not be left half-done is done; yields the signal mask as it was."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def signal_mask(mask: set[int]) -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def handled(handler: Callable[[int, object], None], *signums: signal.Signals) -> Iterator[None]:
    """Handle signals so for the length of the block, except those that we were told to ignore (nohup)."""
    before = {}
    if threading.current_thread() is threading.main_thread():  # Python allows it nowhere else
        before = {s: signal.getsignal(s) for s in signums if signal.getsignal(s) not in (signal.SIG_IGN, None)}
    for signum in before:
        signal.signal(signum, handler)
    try:
        yield
    finally:
        for signum, old in before.items():
            signal.signal(signum, old)


@contextmanager
def deferred(at_once: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Handle signals at the end of the block, and do no more than ``at_once`` before. Unlike a mask it is not inherited by what is started there."""
    came: list[int] = []

    def note(signum: int, frame: object) -> None:
        came.append(signum)
        at_once()

    with handled(note, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        yield
    for signum in came:
        signal.raise_signal(signum)


def unwind(signum: int, frame: object) -> None:
    """End by way of all the ``finally`` blocks, as Ctrl-C does, so that what was started is stopped."""
    raise SystemExit(128 + signum)


def leave_to_the_child(signum: int, frame: object) -> None:
    """Go on waiting, as system(3) does: a shell lives on after Ctrl-C. Unlike SIG_IGN it is not inherited."""
