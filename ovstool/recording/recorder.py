"""A recording that is being written: each sample as a whole, whatever signals arrive, and a summary at the end."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ovstool import units
from ovstool.errors import OvstoolError, Refused, escape, quote_some
from ovstool.rates import Reading
from ovstool.recording.files import is_named, os_errors, shown

_ENDING = (signal.SIGTERM, signal.SIGHUP)
_PATIENCE_S = 1.0  # how long further ones are ignored
_NAMED = 6  # ports named in the summary of a recording


class Recorder:
    """A recording that is being written, and what has been written to it."""

    def __init__(self, path: str, fd: int):
        self.path = path
        self.readings = 0
        self._fd = fd
        self.ports: dict[str, None] = {}
        self.begin = self.end = 0.0

    def add(self, sample: Sequence[Reading], host: str | None = None) -> None:
        """Append readings of a host, all of them or none. Raises Refused if the disk is full or the file is gone."""
        if not sample:
            return
        # A signal between the two would leave readings in the file that the summary does not count.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, *_ENDING])
        try:
            self._require_file()
            try:
                self._write(sample, host)
            except OvstoolError:
                self._require_file()  # SQLite's error for a removed file is no help
                raise
            if not self.readings:
                self.begin = sample[0].time
            self.end = sample[-1].time
            self.readings += len(sample)
            self.ports.update(dict.fromkeys([f"{host} {reading.port}" if host else reading.port for reading in sample]))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)

    def summary(self) -> str:
        """What was written, for people. Raises Refused if the file of that name is no longer this one."""
        self._require_file()
        of = f" of {quote_some([*self.ports], _NAMED)} over {self.end - self.begin:.6g} s" if self.ports else ""
        return f"{units.counted(self.readings, 'reading')}{of} in {shown(self.path)}"

    def close(self) -> None:
        """Leave the file in the form that suits other tools."""

    def _write(self, sample: Sequence[Reading], host: str | None) -> None:
        raise NotImplementedError

    def _require_file(self) -> None:
        with os_errors(self.path):
            if not is_named(self.path, self._fd):
                raise Refused(shown(self.path), "was removed or replaced by another file while recording")


class _Ended(BaseException):
    """A signal requests the end of the process."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, and then the process as usual."""
    since: float | None = None

    def end(signum: int, frame: object) -> None:
        nonlocal since
        if since is None:
            since = time.monotonic()
            raise _Ended(signum)
        if time.monotonic() - since > _PATIENCE_S:  # the cleanup hangs
            _die(signum)

    caught = [number for number in _ENDING if signal.getsignal(number) == signal.SIG_DFL]  # not what nohup ignores
    for number in caught:
        signal.signal(number, end)
    try:
        yield
    except _Ended as ended:
        _die(ended.args[0])
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def _die(signum: int) -> None:
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)


def printable(name: str) -> str:
    """A name in printable form: it may contain anything, but a line of a recording has to stay one line."""
    return name if name.isprintable() else escape(name)
