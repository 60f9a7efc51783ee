"""Scrapes: what is running is shared, and no switch is asked twice at once.

A scrape that arrives while a switch is being read gets the result of that reading, which began at most the time of one reading before. A
switch that does not answer in time counts as down in this scrape; it is asked again once the reading that still runs has ended.
"""

import asyncio
import re
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ovstool.errors import TimedOut, Unreachable
from ovstool.metrics import exposition
from ovstool.metrics.reading import Reading
from ovstool.metrics.serving.threads import in_thread

_LONGEST_PAUSE_S = 60.0
_GRACE_S = 0.1  # for a reading that ends by itself when its time is over, and then says why
_MOST_AT_ONCE = 32  # different scrapes; the same one at the same time counts once
_FAST = 1  # the level of compression: twice as large as the usual one, in a fifth of the time
_TIME = re.compile(r"\b[0-9.]+ s\b")  # in a note: what was left for a program differs from scrape to scrape
_GZIP = 31  # zlib's window with gzip's header

Read = Callable[[float], tuple[Reading, Sequence[str]]]  # a switch, within so many seconds; the second are notes
Tell = Callable[[str | None, Exception | None], object]  # that a host failed, or answers again


class Busy(Exception):
    """Too many different scrapes at once."""


class Watched:
    """A switch and its name if there are several. ``is_far``: after failures it is left alone for a while, longer each time.

    A failure is told once for each cause, a note, whatever times it names, once until a scrape comes without it.
    """

    def __init__(self, name: str | None, read: Read, tell: Tell, note: Callable[[str], object], is_far: bool):
        self.name = name
        self._read = read
        self._tell = tell
        self._note = note
        self._is_far = is_far
        self._noted: set[str] = set()
        self._cause: tuple[type, str] | None = None
        self._running: asyncio.Task[Reading] | None = None
        self._failures = 0
        self._not_before = 0.0

    @property
    def is_up(self) -> bool:
        return not self._failures

    async def reading(self, within_s: float) -> Reading:
        """A reading that is running, or a new one; that of an unreachable switch if there is none in time."""
        begin = time.monotonic()
        if self._running is None:
            if begin < self._not_before:
                return _down(begin)
            self._running = asyncio.ensure_future(self._new_reading(within_s))
        try:
            return await asyncio.wait_for(asyncio.shield(self._running), within_s + _GRACE_S)
        except asyncio.TimeoutError:
            return _down(begin)

    async def _new_reading(self, within_s: float) -> Reading:
        begin = time.monotonic()
        try:
            reading, notes = await in_thread(self._read, within_s)
        except Exception as error:
            self._failed(error)
            return _down(begin)
        finally:
            self._running = None
        self._answered(notes)
        return _timed(reading, begin)

    def _answered(self, notes: Sequence[str]) -> None:
        if self._failures:
            self._failures, self._cause = 0, None
            self._tell(self.name, None)
        without_times = {_TIME.sub("N s", note): note for note in notes}
        for kind, note in without_times.items():
            if kind not in self._noted:
                self._note(f"{self.name}: {note}" if self.name else note)
        self._noted = set(without_times)

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        if self._is_far and isinstance(error, Unreachable | TimedOut):
            self._not_before = time.monotonic() + min(2.0 ** (self._failures - 1), _LONGEST_PAUSE_S)
        cause = (type(error), getattr(error, "what", ""))
        if cause != self._cause:
            self._cause = cause
            self._tell(self.name, error)
        error.__traceback__ = None  # it refers to all that the reading has used


def _down(begin: float) -> Reading:
    return _timed(Reading.of_unreachable(), begin)


def _timed(reading: Reading, begin: float) -> Reading:
    reading.add("ovstool_scrape_duration_seconds", (), round(time.monotonic() - begin, 6))
    return reading


class Wanted(NamedTuple):
    """What a scrape asks for: one switch by its name or all, the form of the text, and how long it may take."""

    host: str | None
    form: str
    is_compressed: bool
    within_s: float


class Fleet:
    """The switches that are served, by the name of their host; one on this machine has none.

    ``of_itself`` returns, in a form, the metrics of this process, which belong to no switch: they are sent with those of all.
    """

    def __init__(self, switches: Mapping[str, Watched], of_itself: Callable[[str], str] = lambda form: ""):
        self.switches = switches
        self._of_itself = of_itself
        self._running: dict[Wanted, asyncio.Task[bytes]] = {}
        self._writing = asyncio.Semaphore(1)  # it takes memory, and Python runs one at a time anyway

    async def text(self, wanted: Wanted) -> bytes:
        """The metrics as they are sent. Raises Busy."""
        task = self._running.get(wanted)
        if task is None:
            if len(self._running) >= _MOST_AT_ONCE:
                raise Busy
            task = self._running[wanted] = asyncio.ensure_future(self._scrape(wanted))
            task.add_done_callback(lambda _: self._running.pop(wanted))
        return await asyncio.shield(task)

    async def _scrape(self, wanted: Wanted) -> bytes:
        chosen = list(self.switches.values()) if wanted.host is None else [self.switches[wanted.host]]
        readings = await asyncio.gather(*[switch.reading(wanted.within_s) for switch in chosen])
        async with self._writing:
            own = self._of_itself(wanted.form) if wanted.host is None else ""
            return await in_thread(_text, [switch.name for switch in chosen], readings, wanted, own)


def _text(hosts: Sequence[str | None], readings: Sequence[Reading], wanted: Wanted, own: str) -> bytes:
    parts = (part.encode() for part in exposition.write(zip(hosts, readings, strict=True), wanted.form, own))
    if not wanted.is_compressed:
        return b"".join(parts)
    compressor = zlib.compressobj(_FAST, wbits=_GZIP)
    return b"".join([*map(compressor.compress, parts), compressor.flush()])
