"""Questions on a control socket, and what a daemon may answer."""

import json
import socket
import time

import pytest

from ovstool.errors import OvstoolError, Refused, TimedOut, Unreachable
from ovstool.metrics import unixctl


def asked(said: bytes, *questions: str, ends: bool = True, within_s: float = 5) -> list:
    """The answers of a daemon that has said this before it is asked, and then closes the connection if it ``ends``."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(said)
        if ends:
            theirs.shutdown(socket.SHUT_WR)
        return list(unixctl.Client(ours, "ovs-vswitchd", time.monotonic() + within_s).answers(questions))


def answer(number, result="", error=None) -> bytes:
    return json.dumps({"id": number, "result": result, "error": error}).encode()


def test_answers_in_turn():
    assert asked(answer(0, "a\n") + answer(1, "\u20ac" * 20_000), "one", "two") == ["a\n", "\u20ac" * 20_000]
    assert asked(b"", ends=False) == []


def test_a_refusal_is_an_answer():
    [first, second] = asked(answer(0, None, '"x" is not\na command\n' + "y" * 500) + answer(1, "fine"), "x -a", "two")
    assert isinstance(first, Refused) and second == "fine"
    assert first.what == "ovs-appctl x -a" and first.why.startswith('"x" is not') and "\n" not in first.why and len(first.why) == 200


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "connection lost: closed by the server before its answer was complete"),
        (answer(0)[:-1], "connection lost: closed by the server before its answer was complete"),
        (answer(1), "this is not a control socket of Open vSwitch: it sent an answer to another question"),
        (answer(None), "an answer to another question"),
        (b'{"id":0,"method":"echo","params":[]}', "an answer to another question"),
        (answer(0, None), "an answer that is not text"),
        (answer(0, ["text"]), "an answer that is not text"),
        (b"SSH-2.0-x\r\n", "data that is not JSON"),
        (b'["text"]', "JSON that is not JSON-RPC"),
        (b'{"id":0,"result":"\xff"}', "data that is not UTF-8"),
        (b'{"id":0,"result":' + b"[" * 100_000, "JSON that is too large or nested too deeply"),
    ],
)
def test_a_peer_that_is_something_else(said, why):
    with pytest.raises(Unreachable) as raised:
        asked(said, "one", ends=not said.startswith(b"SSH"))
    assert why in raised.value.why and raised.value.what == "ovs-vswitchd"


def test_a_peer_that_never_ends():
    with pytest.raises(TimedOut, match=r"^ovs-vswitchd: no answer in time"):
        asked(b'{"id":0,"result":"', "one", ends=False, within_s=0.1)


class Endless:
    """A stream of one answer that has no end, and is never out of breath."""

    def __init__(self, data: bytes):
        self.begun = False
        self.data = data
        self.given = 0

    def settimeout(self, seconds: float) -> None: ...

    def sendall(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    def recv(self, size: int) -> bytes:
        if self.begun:
            self.given += len(self.data)
            return self.data
        self.begun = True
        return b'{"id":0,"result":"'


@pytest.mark.parametrize("data", [b"x" * 2**18, b'\\"' * 2**17, b'","result":"' + b"x" * 2**18], ids=["plain", "quotes", "members"])
def test_an_answer_without_end_is_not_kept(data):
    stream = Endless(data)
    with pytest.raises(OvstoolError, match="an answer of more than 8 MiB"):
        list(unixctl.Client(stream, "ovs-vswitchd", time.monotonic() + 60).answers(["one"]))
    assert stream.given <= 2**23 + len(data)
