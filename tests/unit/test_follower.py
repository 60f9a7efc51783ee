"""A monitor's connection against a peer whose messages are on their way already: how it begins, what it takes, and how it ends."""

import json
import socket
import threading
import time

import pytest

from ovstool.errors import Refused, TimedOut, Unreachable
from ovstool.ovsdb import follower as followed
from ovstool.ovsdb.follower import NEVER, Follower, Received

U = "00000000-0000-0000-0000-00000000000a"
SCHEMA = {"name": "Open_vSwitch", "tables": {"Port": {"columns": {"name": {"type": "string"}, "tag": {"type": "integer"}}}}}
COLUMNS = {"Port": ("name", "tag", "trunks"), "Mirror": ("name",)}
ROWS = {"Port": {U: {"initial": {"name": "p"}}}}
UNKNOWN = {"error": {"error": "unknown method"}, "result": None}


class Peer:
    """The other end of a follower."""

    def __init__(self):
        ours, self.end = socket.socketpair()
        self.end.settimeout(20)
        self.follower = Follower(ours, "unix:test", time.monotonic() + 20)

    def send(self, *messages: dict) -> None:
        self.end.sendall("".join(json.dumps(message) for message in messages).encode())

    def answer(self, *answers) -> None:
        """Answer the requests to come: the first is that for the schema."""
        self.send(
            *({"id": number, "error": None} | (each if "error" in each else {"result": each}) for number, each in enumerate(answers, 1))
        )

    def sent(self) -> list[dict]:
        """The messages up to now."""
        text, found = self.end.recv(2**20).decode(), []
        while text:
            message, end = json.JSONDecoder().raw_decode(text)
            found.append(message)
            text = text[end:].lstrip()
        return found


@pytest.fixture
def peer():
    found = Peer()
    yield found
    found.follower.close()
    found.end.close()


def test_what_it_asks_for(peer):
    """Only what this server has: columns and tables came with its versions."""
    peer.answer(SCHEMA, {"error": None, "result": [False, U, ROWS]})
    assert peer.follower.follow(COLUMNS) == Received([ROWS], True) and peer.follower.last_id == U
    schema, monitor = peer.sent()
    assert (schema["method"], monitor["method"]) == ("get_schema", "monitor_cond_since")
    assert monitor["params"] == ["Open_vSwitch", "ovstool monitor", {"Port": [{"columns": ["name", "tag"]}]}, NEVER]


def test_it_resumes_after_a_transaction(peer):
    peer.answer(SCHEMA, {"error": None, "result": [True, NEVER, {}]})
    assert peer.follower.follow(COLUMNS, U) == Received([{}], False)
    assert peer.sent()[1]["params"][3] == U


def test_older_servers(peer):
    """A monitor_cond_since is of Open vSwitch 2.12, a monitor_cond of 2.6."""
    peer.answer(SCHEMA, UNKNOWN, UNKNOWN, {"error": None, "result": ROWS})
    assert peer.follower.follow(COLUMNS, U) == Received([ROWS], True) and peer.follower.last_id == NEVER
    messages = peer.sent()
    assert [message["method"] for message in messages[1:]] == ["monitor_cond_since", "monitor_cond", "monitor"]
    assert [len(message["params"]) for message in messages[1:]] == [4, 3, 3]


def test_no_monitor_at_all(peer):
    peer.answer(SCHEMA, UNKNOWN, UNKNOWN, UNKNOWN)
    with pytest.raises(Refused, match="unknown method"):
        peer.follower.follow(COLUMNS)


def test_another_refusal_is_not_followed_by_older_methods(peer):
    peer.answer(SCHEMA, {"error": {"error": "not allowed"}, "result": None})
    with pytest.raises(Refused, match="not allowed"):
        peer.follower.follow(COLUMNS)


@pytest.mark.parametrize("found", [[True, U], [True, U, []], ROWS, [1, 2, 3, 4, 5, 6], None])
def test_no_beginning(peer, found):
    peer.answer(SCHEMA, {"error": None, "result": found})
    with pytest.raises(Unreachable):
        peer.follower.follow(COLUMNS)


@pytest.mark.parametrize("found", [[ROWS], None, 5])
def test_no_beginning_of_an_older_server(peer, found):
    peer.answer(SCHEMA, UNKNOWN, {"error": None, "result": found})
    with pytest.raises(Unreachable):
        peer.follower.follow(COLUMNS)


def begun(peer: Peer) -> Follower:
    peer.answer(SCHEMA, {"error": None, "result": [False, NEVER, {}]})
    peer.follower.follow(COLUMNS)
    peer.sent()
    return peer.follower


def update(method: str, *params) -> dict:
    return {"id": None, "method": method, "params": ["ovstool monitor", *params]}


def test_updates_of_each_method(peer):
    follower = begun(peer)
    more = {"Port": {U: {"delete": None}}}
    peer.send(update("update3", U, ROWS), update("update2", more), update("update", ROWS))
    assert follower.received(20, 20) == Received([ROWS, more, ROWS], False) and follower.last_id == U
    assert follower.received(0, 20) == Received([])


def test_it_answers_the_server(peer):
    follower = begun(peer)
    peer.send({"id": "echo", "method": "echo", "params": ["x"]})
    assert follower.received(20, 20) == Received([])
    assert peer.sent() == [{"id": "echo", "result": ["x"], "error": None}]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (update("monitor_canceled"), "the server ended the monitor"),
        (update("update3", ROWS), "an update without rows"),
        (update("update2", []), "an update without rows"),
        (update("update"), "an update without rows"),
    ],
)
def test_messages_that_end_it(peer, message, why):
    follower = begun(peer)
    peer.send(message)
    with pytest.raises(Unreachable, match=why):
        follower.received(20, 20)


def test_the_server_closes(peer):
    follower = begun(peer)
    peer.end.close()
    with pytest.raises(Unreachable, match="closed by the server"):
        follower.received(20, 20)


def test_a_silent_server_is_asked_whether_it_is_there(peer, monkeypatch):
    follower = begun(peer)
    assert follower.received(0.01, 20) == Received([])
    monkeypatch.setattr(followed, "_ASKED_S", 0.0)
    asked: list[dict] = []

    def answer() -> None:
        asked.extend(peer.sent())
        peer.send({"id": asked[0]["id"], "result": [], "error": None})

    thread = threading.Thread(target=answer)
    thread.start()
    assert follower.received(0, 20) == Received([])
    thread.join()
    assert [message["method"] for message in asked] == ["echo"]
    with pytest.raises(TimedOut):
        follower.received(0, 0.01)
