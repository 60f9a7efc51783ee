"""Work on several hosts at once: order, errors, interruption, and merged streams."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ovstool import fleet


def test_outcomes_are_in_the_order_of_the_hosts():
    pauses = {"a": 0.2, "b": 0.1, "c": 0.0}

    def work(host: str) -> str:
        time.sleep(pauses[host])
        return host.upper()

    done = fleet.each(work, list(pauses), parallel=3)
    assert [(outcome.host, outcome.result, outcome.error, outcome.finished) for outcome in done] == [
        ("a", "A", None, True), ("b", "B", None, True), ("c", "C", None, True),
    ]  # fmt: skip


def test_the_limit_of_hosts_at_once():
    lock, running, most = threading.Lock(), 0, 0

    def work(host: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    fleet.each(work, range(20), parallel=4)
    assert most == 4


def broken(host: int) -> int:
    if host % 2:
        raise ValueError(host)
    return host


def test_a_failure_is_kept_beside_the_results():
    done = fleet.each(broken, range(4), parallel=2)
    assert [outcome.result for outcome in done] == [0, None, 2, None]
    assert [str(outcome.error) for outcome in done if outcome.error] == ["1", "3"]


def test_fail_fast_starts_no_more_hosts():
    done = fleet.each(broken, range(100), parallel=1, fail_fast=True)
    assert [outcome.finished for outcome in done] == [True, True] + [False] * 98


def test_after_a_batch_with_a_failure_none_is_begun():
    done = fleet.in_batches(lambda host: broken(host - 3), range(10), 4, parallel=4)
    assert [(outcome.host, outcome.result, outcome.finished) for outcome in done] == [
        (0, None, True), (1, -2, True), (2, None, True), (3, 0, True), *((host, None, False) for host in range(4, 10)),
    ]  # fmt: skip


@pytest.mark.parametrize(("size", "begun"), [(1, 5), (3, 6), (5, 5), (100, 10)])
def test_batches(size, begun):
    seen = []

    def work(host: int) -> None:
        seen.append(host)
        if host == 4:
            raise ValueError

    told = []
    done = fleet.in_batches(work, range(10), size, parallel=1, progress=told.append)
    assert (seen, [outcome.host for outcome in done]) == (list(range(begun)), list(range(10)))
    assert [outcome.finished for outcome in done] == [True] * begun + [False] * (10 - begun)


def test_an_interrupted_batch():
    def work(host: int) -> int:
        if host == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        return host

    with pytest.raises(fleet.Interrupted) as raised:
        fleet.in_batches(work, range(8), 2, parallel=2)
    assert [(outcome.host, outcome.finished) for outcome in raised.value.outcomes] == [
        (0, True), (1, True), (2, True), (3, False), (4, False), (5, False), (6, False), (7, False),
    ]  # fmt: skip


def test_progress_is_reported():
    told = []
    fleet.each(lambda host: time.sleep(0.25), range(2), parallel=1, progress=told.append)
    assert told and told == sorted(told) and set(told) <= {0, 1, 2}


def test_an_interruption_reports_what_is_done():
    code = (
        "import sys, time\n"
        "from ovstool import fleet\n"
        "def work(host):\n"
        "    if host: time.sleep(60)\n"
        "    return 'yes'\n"
        "try:\n"
        "    fleet.each(work, range(3), parallel=3, progress=lambda done: done and print('ready', flush=True))\n"
        "except fleet.Interrupted as interrupted:\n"
        "    print([outcome.result for outcome in interrupted.outcomes])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[0].endswith("['yes', None, None]\n")


def test_an_interruption_starts_no_more_hosts():
    begun, go_on = [], threading.Event()

    def work(host: int) -> None:
        begun.append(host)
        go_on.wait(30)

    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    before = set(threading.enumerate())
    with pytest.raises(fleet.Interrupted) as interrupted:
        fleet.each(work, range(3), parallel=1, progress=interrupt)
    go_on.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    assert begun == [0]
    assert [outcome.finished for outcome in interrupted.value.outcomes] == [False] * 3


def test_streams_are_merged():
    def work(host: str):
        for number in range(3):
            yield f"{host}{number}"
        if host == "b":
            raise ValueError("b ended early")

    merged = fleet.Merged(work, ["a", "b"])
    came = list(merged)
    assert sorted(came) == [(host, f"{host}{number}") for host in "ab" for number in range(3)]
    for host in "ab":
        assert [value for of, value in came if of == host] == [f"{host}{number}" for number in range(3)]
    assert [(host, str(error)) for host, error in merged.errors] == [("b", "b ended early")]


def test_a_stream_that_is_not_read_waits_and_ends(monkeypatch):
    monkeypatch.setattr(fleet, "_WAITING", 5)
    made, closed = [], threading.Event()

    def work(host: str):
        try:
            while True:
                made.append(host)
                yield host
        finally:
            closed.set()

    merged = fleet.Merged(work, ["a"])
    assert next(iter(merged)) == ("a", "a")
    assert not closed.wait(0.2) and len(made) < 20
    merged.stop()
    assert closed.wait(30)


@pytest.mark.parametrize("hosts", [[], ["a"]])
def test_few_hosts(hosts):
    assert [outcome.result for outcome in fleet.each(str.upper, hosts, parallel=16)] == [host.upper() for host in hosts]
    assert list(fleet.Merged(lambda host: iter([1]), hosts)) == [(host, 1) for host in hosts]


def test_stopped_streams_may_print_their_last_rows():
    said = []

    def work(host: str):
        try:
            while True:
                yield host
                time.sleep(0.01)
        finally:
            time.sleep(0.1)
            said.append(host)

    merged = fleet.Merged(work, ["a", "b"])
    next(iter(merged))
    merged.stop(30)
    assert sorted(said) == ["a", "b"]


def test_waiting_for_streams_that_do_not_end_is_limited():
    go_on = threading.Event()
    merged = fleet.Merged(lambda host: iter(go_on.wait, True), ["a", "b"])
    begin = time.monotonic()
    merged.stop(0.1)
    assert time.monotonic() - begin < 30
    go_on.set()
