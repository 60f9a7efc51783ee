"""Work in a thread, for a program that must not wait for it."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")


def in_thread(work: Callable[..., Result], *args: Any) -> "asyncio.Future[Result]":
    """The result of ``work`` in a thread of its own. It is a daemon: what a host still does when the program ends must not keep it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def run() -> None:
        result, error = None, None
        try:
            result = work(*args)
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the program has ended
            loop.call_soon_threadsafe(_settle, future, result, error)

    try:
        threading.Thread(target=run, daemon=True).start()
    except RuntimeError as error:  # the system has no room for another
        future.set_exception(error)
    return future


def _settle(future: asyncio.Future, result: Any, error: BaseException | None) -> None:
    if future.done():  # nobody waits for it any more
        return
    future.set_exception(error) if error else future.set_result(result)
