"""One piece of work done on many hosts at once: a thread for each, results in the order of the hosts, failures kept beside them."""

import functools
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ovstool.errors import Refused, UsageError

Host = TypeVar("Host")
Result = TypeVar("Result")

_TICK_S = 0.1  # how often progress is told
_WAITING = 1000  # results of streams that nobody has taken yet; then the threads wait
_STREAMS = 500  # at once, each with a connection and threads of its own


@dataclass(frozen=True)
class Outcome(Generic[Host, Result]):
    """What became of the work on one host: a result, an error, or neither when it was not begun or not awaited."""

    host: Host
    result: Result | None = None
    error: BaseException | None = None
    finished: bool = False


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while hosts were worked on; ``outcomes`` has what is known of each by then."""

    def __init__(self, outcomes: Sequence[Outcome]):
        super().__init__()
        self.outcomes = outcomes


def each(
    work: Callable[[Host], Result],
    hosts: Sequence[Host],
    parallel: int,
    fail_fast: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Outcome]:
    """Work on ``parallel`` hosts at a time; returns the outcomes in the order of the hosts.

    ``fail_fast``: once one has failed no further one is begun. ``progress`` is called now and then with how many are done.
    Raises Interrupted.
    """
    outcomes: list[Outcome[Host, Result]] = [Outcome(host) for host in hosts]
    turns = iter(range(len(hosts)))  # next() on it is one step for the interpreter, so each turn is taken once
    stop, ended = threading.Event(), threading.Semaphore(0)

    def run() -> None:
        try:
            for index in turns:
                if stop.is_set():
                    return
                try:
                    outcomes[index] = Outcome(hosts[index], work(hosts[index]), None, True)
                except BaseException as error:
                    outcomes[index] = Outcome(hosts[index], None, error, True)
                    if fail_fast:
                        stop.set()
        finally:
            ended.release()

    # Daemons: what a host still does when we are interrupted must not keep us.
    begun = 0
    try:
        while begun < min(parallel, len(hosts)) and _begun(run, needed=not begun):
            begun += 1
        for _ in range(begun):
            while not ended.acquire(timeout=_TICK_S):
                progress(sum(outcome.finished for outcome in outcomes))
    except KeyboardInterrupt:
        stop.set()
        raise Interrupted(list(outcomes)) from None
    return outcomes


def in_batches(
    work: Callable[[Host], Result],
    hosts: Sequence[Host],
    size: int,
    parallel: int,
    fail_fast: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Outcome]:
    """Work on ``size`` hosts after the other, each batch as with ``each``; after a batch in which one has failed none is begun."""
    outcomes: list[Outcome[Host, Result]] = []
    try:
        while len(outcomes) < len(hosts) and not any(outcome.error for outcome in outcomes):
            done = len(outcomes)
            told = functools.partial(_told, progress, done)
            outcomes += each(work, hosts[done : done + size], parallel, fail_fast, told)
    except Interrupted as interrupted:
        outcomes += interrupted.outcomes
        raise Interrupted([*outcomes, *map(Outcome, hosts[len(outcomes) :])]) from None
    return [*outcomes, *map(Outcome, hosts[len(outcomes) :])]


def _told(progress: Callable[[int], None], before: int, done: int) -> None:
    progress(before + done)


class Merged(Generic[Host, Result]):
    """Streams of all hosts as one, in the order in which things come; each in a thread of its own. ``errors`` holds those that ended early."""

    def __init__(self, work: Callable[[Host], Iterable[Result]], hosts: Sequence[Host]):
        """Raises UsageError when there are more hosts than can be read at the same time, Refused."""
        if len(hosts) > _STREAMS:
            raise UsageError(
                f"{len(hosts)} hosts", f"at most {_STREAMS} can be read at the same time", "several commands, each for some of them"
            )
        self.errors: list[tuple[Host, BaseException]] = []
        self._queue: queue.Queue[tuple[Host, Any, bool]] = queue.Queue(_WAITING)
        self._hosts = self._left = len(hosts)
        self._ended = threading.Semaphore(0)  # threads
        self._stopped = False
        try:
            for host in hosts:
                _begun(self._run, work, host)
        except BaseException:
            self.stop()
            raise

    def __iter__(self) -> Iterator[tuple[Host, Result]]:
        while self._left:
            host, value, last = self._queue.get()
            if not last:
                yield host, value
                continue
            self._left -= 1
            if value is not None:
                self.errors.append((host, value))

    def stop(self, patience_s: float = 0) -> None:
        """Let the threads end when they next have something, and wait for those that do within so many seconds."""
        self._stopped = True
        end = time.monotonic() + patience_s
        for _ in range(self._hosts if patience_s else 0):
            if not self._ended.acquire(timeout=max(end - time.monotonic(), 0)):
                break

    def _run(self, work: Callable[[Host], Iterable[Result]], host: Host) -> None:
        error = None
        try:
            stream = work(host)
            for value in stream:
                while not self._stopped:
                    try:
                        self._queue.put((host, value, False), timeout=1)
                        break
                    except queue.Full:
                        continue
                if self._stopped:
                    break
            if isinstance(stream, Generator):
                stream.close()
        except BaseException as raised:
            error = raised
        self._ended.release()
        if not self._stopped:
            self._queue.put((host, error, True))


def _begun(run: Callable, *args: Any, needed: bool = True) -> bool:
    """Whether a thread runs it now; the system may have no room for another. Raises Refused when that is ``needed``."""
    try:
        threading.Thread(target=run, args=args, daemon=True).start()
        return True
    except RuntimeError as error:
        if needed:
            raise Refused("this machine", f"runs no further thread: {error}", "fewer hosts, or a smaller --parallel") from error
        return False
