"""An event loop whose time is simulated, so that tests of deadlines do not wait."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

LONG_S = 10_000


class Clock(selectors.DefaultSelector):
    """Where there is nothing to read or to write, the next deadline comes at once. What threads do is not waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list:
        ready = super().select(None if timeout is None else 0)
        self.now += 0 if ready else timeout or 0
        return ready

    def run(self, main: Coroutine) -> Any:
        """What ``main`` returns; it may take long, in this time."""
        loop = asyncio.SelectorEventLoop(self)
        loop.time = lambda: self.now
        try:
            return loop.run_until_complete(asyncio.wait_for(main, LONG_S))
        finally:
            loop.close()
