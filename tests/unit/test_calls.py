"""Calls that are made side by side: what becomes of each, how many there are at once, and that all have ended where their block does."""

import threading

import pytest

from ovstool.switch.checks import calls
from ovstool.switch.checks.calls import Calls


def test_each_returns_or_raises_what_its_function_does():
    with Calls() as begun:
        product, failure = begun.submit(lambda a, b: a * b, 6, 7), begun.submit(int, "x")
        assert (product.result(), product.result()) == (42, 42)
        for _ in range(2):
            with pytest.raises(ValueError, match="'x'"):
                failure.result()


def test_those_that_wait_for_each_other_are_made_at_once_and_no_more():
    together = threading.Barrier(calls._MOST)
    most, now, lock = 0, 0, threading.Lock()

    def meet() -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        together.wait(60)
        with lock:
            now -= 1

    with Calls() as begun:
        for _ in range(3 * calls._MOST):
            begun.submit(meet)
    assert (most, now) == (calls._MOST, 0)


def test_the_block_ends_when_all_have_ended():
    ended, go_on = [], threading.Event()
    with pytest.raises(KeyboardInterrupt), Calls() as begun:
        begun.submit(lambda: (go_on.wait(60), ended.append(1)))
        begun.submit(go_on.set)
        raise KeyboardInterrupt
    assert ended == [1]
