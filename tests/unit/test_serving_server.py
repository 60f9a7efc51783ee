"""``serving.serve`` in this process: what it says, which signals end it, and what it tells of switches that fail."""

import gc
import http.client
import os
import queue
import re
import signal
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from ovstool.errors import Refused, Unreachable
from ovstool.metrics import serving
from ovstool.metrics.reading import Reading
from ovstool.metrics.serving.listening import Address
from ovstool.metrics.serving.web_config import WebConfig

PATIENCE_S = 60


class Heard:
    """What the user and systemd are told by a server of ``switches``, and what each switch fails with at the moment."""

    def __init__(self, systemd: socket.socket):
        self.notes: list[str] = []
        self.reports: list[tuple] = []
        self.failures: dict[str, Exception] = {}
        self.when_serving = lambda: None
        self._systemd = systemd
        self._serving: queue.SimpleQueue[int] = queue.SimpleQueue()

    def _note(self, text: str) -> None:
        self.notes.append(text)
        if found := re.fullmatch(r"serving https?://127\.0\.0\.1:([0-9]+)/metrics", text):
            self.when_serving()
            self._serving.put(int(found[1]))

    def _reader(self, name: str):
        def read(within_s: float):
            if name in self.failures:
                raise self.failures[name]
            return Reading({"ovstool_up": {(): 1}}), []

        return read

    def run(self, ask, *names: str) -> None:
        """Serve switches of these names, and when that is announced call ``ask`` with the port, in a thread."""

        def asking() -> None:
            try:
                ask(self._serving.get(timeout=PATIENCE_S))
            except BaseException:
                end()
                raise

        voice = serving.Voice(self._note, lambda *told: self.reports.append(told))
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(asking)
            try:
                where = serving.Serving(Address("127.0.0.1", 0), None, 10.0)
                serving.serve({name: self._reader(name) for name in names}, where, voice)
            finally:
                self._serving.put(0)
            asked.result()

    def systemd(self) -> list[str]:
        """What systemd has been told so far."""
        said = []
        while True:
            try:
                said.append(self._systemd.recv(1000).decode())
            except BlockingIOError:
                return said


@pytest.fixture
def heard(tmp_path, monkeypatch):
    for change in ("freeze", "set_threshold"):  # of the process of all tests
        monkeypatch.setattr(gc, change, lambda *_: None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"{tmp_path}/systemd")
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/systemd")
        before = signal.signal(signal.SIGTERM, _unhandled)
        yield Heard(systemd)
        signal.signal(signal.SIGTERM, before)


def _unhandled(signum: int, frame: object) -> None:
    """A signal that the server does not handle ends it, and not the process of all tests."""
    raise AssertionError(f"{signal.Signals(signum).name} was not handled")


def get(port: int, path: str = "/metrics") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def up(port: int) -> list[str]:
    """The samples that say which hosts are up."""
    return [line for line in get(port)[1].splitlines() if line.startswith("ovstool_up")]


def end(signum: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), signum)


def test_what_is_told_of_several_switches(heard):
    """Each failure once, and when its switch answers again."""

    def ask(port: int) -> None:
        heard.failures["b"] = refusal
        for _ in range(2):
            assert up(port) == ['ovstool_up{host="a"} 1', 'ovstool_up{host="b"} 0']
        del heard.failures["b"]
        assert up(port) == ['ovstool_up{host="a"} 1', 'ovstool_up{host="b"} 1']
        end()

    refusal = Refused("b", "no")
    heard.run(ask, "a", "b")
    serving_, again = heard.notes
    assert heard.reports == [(refusal, "b")] and again == "b: answers again"
    assert heard.systemd() == [f"READY=1\nSTATUS={serving_}", "STATUS=1 of 2 answered", "STATUS=2 of 2 answered", "STOPPING=1"]


@pytest.mark.parametrize(("name", "then"), [("", "ovstool_up 1"), ("far", "ovstool_up 0")])
def test_a_single_switch_has_no_name(heard, name, then):
    """One on another host is left alone for a while after it could not be reached."""

    def ask(port: int) -> None:
        heard.failures[name] = lost
        assert up(port) == ["ovstool_up 0"]
        del heard.failures[name]
        assert up(port) == [then]
        end()

    lost = Unreachable("db.sock", "no")
    heard.run(ask, name)
    assert heard.reports == [(lost, None)] and heard.notes[1:] == ["the switch answers again"] * (not name)


def test_sigint_is_for_the_caller(heard):
    with pytest.raises(KeyboardInterrupt):
        heard.run(lambda port: end(signal.SIGINT), "")
    assert heard.systemd()[-1] == "STOPPING=1"


def test_a_signal_that_is_ignored_stays_so(heard):
    """As SIGINT for a job in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        heard.run(lambda port: (end(signal.SIGINT), get(port, "/-/healthy"), end()), "")
    finally:
        signal.signal(signal.SIGINT, before)


def test_several_signals_at_once(heard):
    """The first counts."""
    heard.when_serving = lambda: [end() for _ in range(3)]
    heard.run(lambda port: None, "")


def test_with_tls(heard, monkeypatch):
    configured = SimpleNamespace(context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), now=WebConfig)
    monkeypatch.setattr(serving, "Configured", lambda *_: configured)
    heard.run(lambda port: end(), "")
    assert heard.notes[0].startswith("serving https://127.0.0.1:")


@pytest.mark.parametrize("is_reported", [True, False])
def test_a_bug_is_reported(heard, monkeypatch, is_reported):
    """But not that a client is gone."""

    async def fail(pages, request):
        raise error

    error = ValueError("x") if is_reported else ConnectionResetError()
    monkeypatch.setattr(serving.Pages, "answer", fail)
    heard.run(lambda port: (get(port), end()), "")
    assert heard.reports == [(error, None)] * is_reported


def test_a_bug_ends_it_where_nothing_would_be_accepted_any_more(heard, monkeypatch):
    async def fail(connections, listener):
        raise ValueError("x")

    monkeypatch.setattr(serving.Connections, "accept", fail)
    with pytest.raises(ValueError, match=r"^x$"):
        heard.run(lambda port: None, "")
    assert heard.systemd()[-1] == "STOPPING=1"
