"""The interval between readings, which may change while they are taken."""

import threading
import time

_STEPS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)


class Pace:
    """The seconds between two readings: readers, each in its own thread, wait accordingly; the viewer changes it."""

    def __init__(self, interval_s: float):
        self.interval_s = self._asked_s = interval_s
        self._shortest_s, self._why = 0.0, ""
        self._changed = threading.Condition()

    def limit(self, shortest_s: float, why: str) -> None:
        """Limit how short the interval may become, with the reason; of several limits the longest applies."""
        if shortest_s > self._shortest_s:
            self._shortest_s, self._why = shortest_s, why
            if self.interval_s < min(shortest_s, self._asked_s):  # it became shorter before this was known
                self._set(min(shortest_s, self._asked_s))

    def longer(self) -> str:
        """Take the next longer interval; returns a message for the viewer."""
        steps = [step for step in _STEPS_S if step > self.interval_s]
        return self._set(steps[0]) if steps else f"the interval is {self.interval_s:g} s, the longest"

    def shorter(self) -> str:
        """Take the next shorter interval that the source allows; returns a message for the viewer."""
        steps = [step for step in (self._shortest_s, *_STEPS_S) if self._shortest_s <= step < self.interval_s and step]
        if steps:
            return self._set(max(steps))
        return f"the interval is {self.interval_s:g} s, the shortest" + (f": {self._why}" if self._why else "")

    def wait(self, moment: float, interval_s: float) -> bool:
        """Wait until a moment on the monotonic clock; return False at once if the interval is no longer ``interval_s``."""
        with self._changed:
            return not self._changed.wait_for(lambda: self.interval_s != interval_s, max(moment - time.monotonic(), 0))

    def _set(self, interval_s: float) -> str:
        with self._changed:
            self.interval_s = interval_s
            self._changed.notify_all()
        return f"interval {interval_s:g} s"
