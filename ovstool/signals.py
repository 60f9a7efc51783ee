"""Termination by signals: critical sections are finished first, and everything that was started is stopped."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def undisturbed() -> Iterator[set[int]]:
    """Block Ctrl-C and termination signals during the block; yields the previous signal mask."""
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
    """Handle signals with ``handler`` during the block, except those that were ignored before (nohup)."""
    before = {}
    if threading.current_thread() is threading.main_thread():  # Python allows it only there
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
    """Defer signals to the end of the block, and only call ``at_once`` before. Unlike a mask, this is not inherited by child processes."""
    came: list[int] = []

    def note(signum: int, frame: object) -> None:
        came.append(signum)
        at_once()

    with handled(note, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        yield
    for signum in came:
        signal.raise_signal(signum)


def unwind(signum: int, frame: object) -> None:
    """Exit through all ``finally`` blocks, as Ctrl-C does, so that everything that was started is stopped."""
    raise SystemExit(128 + signum)


def leave_to_the_child(signum: int, frame: object) -> None:
    """Keep waiting, as system(3) does: a shell survives Ctrl-C. Unlike SIG_IGN, this is not inherited."""
