"""Calls that wait for other programs, side by side in threads: of concurrent.futures, which takes long to import, what the checks need."""

import threading
from collections.abc import Callable
from typing import Any

_MOST = 8  # at once; each may run a program


class Call(threading.Thread):
    """A function that is called in a thread of its own; ``ended`` is released when it has returned."""

    def __init__(self, ended: threading.Semaphore, function: Callable, *args: Any):
        super().__init__()
        self._ended = ended
        self._function = function
        self._args = args
        self._found: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._found = self._function(*self._args)
        except BaseException as error:
            self._error = error
        finally:
            self._ended.release()

    def result(self) -> Any:
        """What the function returned, once it has. Raises what it raised."""
        self.join()
        if self._error:
            raise self._error
        return self._found


class Calls:
    """A block of calls; where it ends all of them have."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(_MOST)
        self._begun: list[Call] = []

    def __enter__(self) -> "Calls":
        return self

    def __exit__(self, *_: object) -> None:
        for call in self._begun:
            call.join()

    def submit(self, function: Callable, *args: Any) -> Call:
        """Begin a call, once there are not too many others."""
        self._free.acquire()
        call = Call(self._free, function, *args)
        call.start()
        self._begun.append(call)
        return call
