"""How long a command on one host may take."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Deadline:
    """The deadline of a command on one host, or of a part of it. It is extended while somebody types a password.

    Pausing one deadline pauses all those ``of`` the same command. ``end`` is on the monotonic clock, including pauses so far.
    """

    def __init__(self, seconds: float, of: "Deadline | None" = None):
        self._pauses: _Pauses = of._pauses if of else _Pauses()
        self.end = time.monotonic() + seconds

    @property
    def end(self) -> float:
        return self._end + self._pauses.total_s

    @end.setter
    def end(self, moment: float) -> None:
        self._end = moment - self._pauses.total_s

    def remaining_s(self) -> float:
        """The seconds that are left, never below 0."""
        return max(self.end - time.monotonic(), 0)

    def part(self, seconds: float) -> "Deadline":
        """A deadline ``seconds`` from now, or this one if it is earlier."""
        return Deadline(min(seconds, self.remaining_s()), self)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock, for this deadline and those of the same command."""
        self._pauses.since = time.monotonic()
        try:
            yield
        finally:
            self._pauses.past_s, self._pauses.since = self._pauses.total_s, None


class _Pauses:
    def __init__(self) -> None:
        self.past_s = 0.0
        self.since: float | None = None

    @property
    def total_s(self) -> float:
        return self.past_s + (time.monotonic() - self.since if self.since is not None else 0)
