"""What a switch reports across the ends of connections: with a peer whose messages are known, and a clock that only waiting moves on."""

import itertools
import json
import math
import re
import time

import pytest

from ovstool.errors import OvstoolError, Refused, TimedOut, Unreachable
from ovstool.monitor import feed
from ovstool.ovsdb.follower import NEVER, Received
from ovstool.switch import Switch

COLUMNS = {"Port": ["name"]}
SCHEMA = {"name": "Open_vSwitch", "tables": {"Port": {"columns": {"name": {"type": "string"}}}}}
ROWS = {"Port": {"00000000-0000-0000-0000-000000000001": {"initial": {"name": "p"}}}}
UPDATE = {"Port": {"00000000-0000-0000-0000-000000000002": {"insert": {"name": "q"}}}}
FIRST, SECOND = (f"00000000-0000-0000-0000-00000000001{n}" for n in (1, 2))
SCHEMA_READ = {"id": 1, "result": SCHEMA, "error": None}
BEGUN = {"id": 2, "result": [False, FIRST, ROWS], "error": None}
RESUMED = {"id": 2, "result": [True, SECOND, UPDATE], "error": None}
UPDATED = {"id": None, "method": "update3", "params": ["ovstool monitor", SECOND, UPDATE]}
LOST = "unix:db: connection lost: closed by the server; connecting again"
AGAIN = "unix:db: connected again; of what changed meanwhile only the difference is shown"


class Clock:
    def __init__(self):
        self.now_s = 1000.0

    def monotonic(self):
        return self.now_s

    def sleep(self, seconds):
        assert seconds <= 1  # the caller wants to look around
        self.now_s += seconds


class Stream:
    """A connection: each item is a message that arrives at once, or several together, seconds without any, or the end, as None."""

    def __init__(self, clock, items):
        self._clock, self._items = clock, [*items]
        self._timeout_s = math.inf
        self.sent, self.is_closed = b"", False

    def settimeout(self, seconds):
        self._timeout_s = seconds

    def sendall(self, data):
        self.sent += data

    def recv(self, size):
        while self._items:
            match self._items.pop(0):
                case None:
                    return b""
                case dict(message):
                    return json.dumps(message).encode()
                case list(messages):
                    return "".join(map(json.dumps, messages)).encode()
                case seconds if seconds <= self._timeout_s:
                    self._clock.now_s += seconds
                case seconds:
                    self._clock.now_s += self._timeout_s
                    self._items.insert(0, seconds - self._timeout_s)
                    raise TimeoutError
        return b""

    def close(self):
        self.is_closed = True


class Host:
    """A host with these connections, or errors instead, one after the other; the last is repeated."""

    name = ""

    def __init__(self, clock, *connections):
        self._clock, self._connections = clock, connections
        self.opened, self.streams, self.batches, self.closed = [], [], [], 0

    def open(self, address, timeout_s, tls, server):
        given = self._connections[min(len(self.opened), len(self._connections) - 1)]
        self.opened.append((self._clock.now_s, timeout_s))
        if isinstance(given, OvstoolError):
            raise given
        self.streams.append(Stream(self._clock, given))
        return self.streams[-1]

    def begin(self, deadline, batch):
        self.batches.append(batch)

    def close(self):
        self.closed += 1


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    for name in ("monotonic", "sleep"):
        monkeypatch.setattr(time, name, getattr(found, name))
    return found


def switch_of(host, timeout_s=10):
    return Switch("unix:db", host=host, timeout_s=timeout_s)


def taken(switch, count, **more):
    return list(itertools.islice(feed.follow(switch, COLUMNS, **more), count))


def test_all_rows_and_then_what_changes(clock):
    host = Host(clock, [SCHEMA_READ, BEGUN, UPDATED, 20])
    switch = switch_of(host)
    assert taken(switch, 3) == [Received([ROWS], True), Received([UPDATE]), Received([])]
    assert switch.notes == [] and host.closed == 0 and clock.now_s == 1001 and host.streams[0].is_closed


def test_a_change_that_comes_with_the_rows_is_not_held_back(clock):
    host = Host(clock, [SCHEMA_READ, [BEGUN, UPDATED], 20])
    assert taken(switch_of(host), 2)[1] == Received([UPDATE]) and clock.now_s == 1000


@pytest.mark.parametrize("error", [Unreachable("unix:db", "no such socket"), TimedOut("unix:db", "no answer"), Refused("x", "y")])
def test_it_cannot_begin(clock, error):
    switch = switch_of(Host(clock, error))
    with pytest.raises(type(error)) as raised:
        taken(switch, 1)
    assert raised.value is error and switch.notes == []


def test_it_resumes_after_the_last_transaction(clock):
    host = Host(clock, [SCHEMA_READ, BEGUN, UPDATED, None], [SCHEMA_READ, RESUMED, 20])
    switch, connected = switch_of(host), []
    switch.host.name, before = "h1", lambda: connected.append([stream.sent for stream in host.streams])
    found = taken(switch, 5, before=before)
    assert [received for received in found if received.updates] == [Received([ROWS], True), Received([UPDATE]), Received([UPDATE])]
    asked = [re.findall(rb'"([0-9a-f-]{36})"', stream.sent) for stream in host.streams]
    assert asked == [[NEVER.encode()], [SECOND.encode()]]
    assert [sent[-1] for sent in connected] == [b"", b""]  # it is called before the rows are read
    assert switch.notes == [f"h1: {LOST}", f"h1: {AGAIN}"]
    assert host.streams[0].is_closed and host.closed == 1 and host.batches == [True]


def test_each_reason_is_noted_once_and_pauses_grow(clock):
    there, refused = [SCHEMA_READ, BEGUN, None], Unreachable("unix:db", "connection refused")
    host = Host(clock, there, *[refused] * 10, Unreachable("unix:db", "no such socket"), refused, there, refused)
    switch, moments, counts = switch_of(host), [], []
    for received in feed.follow(switch, COLUMNS):
        moments.append(clock.now_s)
        counts.append(len(switch.notes))
        assert received in (Received([]), Received([ROWS], True))
        if len(host.opened) == 16:
            break
    assert switch.notes == [
        LOST, "unix:db: connection refused; connecting again", "unix:db: no such socket; connecting again",
        "unix:db: connection refused; connecting again", AGAIN, LOST, "unix:db: connection refused; connecting again",
    ]  # fmt: skip
    pauses = [round(later - earlier, 3) for (earlier, _), (later, _) in itertools.pairwise(host.opened)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30, 30, 0.1, 0.2]
    assert max(later - earlier for earlier, later in itertools.pairwise(moments)) <= 1
    assert max(later - earlier for earlier, later in itertools.pairwise(counts)) == 1  # each is printed at once
    assert {timeout_s for _, timeout_s in host.opened} == {10}


def test_it_yields_at_the_end(clock):
    host = Host(clock, [SCHEMA_READ, BEGUN, 2.25, None], Unreachable("unix:db", "connection refused"))
    moments = []
    for _ in feed.follow(switch_of(host), COLUMNS, end=1004.5):
        moments.append(clock.now_s)
        if clock.now_s >= 1004.5:
            break
    assert moments[-1] == 1004.5 and 1002.25 in moments
    host, moments = Host(clock, [SCHEMA_READ, BEGUN, 20]), []
    for _ in feed.follow(switch_of(host), COLUMNS, end=clock.now_s + 1.5):
        moments.append(round(clock.now_s - 1004.5, 3))
        if moments[-1] >= 1.5:
            break
    assert moments == [0, 1, 1.5]


def test_a_slow_link_has_more_time_the_next_time(clock):
    """The first rows may take the whole timeout, and later ones two times as long as ever before, beside the usual patience."""
    for first_s, again_s, is_in_time in ((35, 99, True), (35, 101, False), (0, 29, True), (0, 31, False)):
        host = Host(clock, [SCHEMA_READ, first_s, BEGUN, None], [SCHEMA_READ, again_s, RESUMED, 20], [SCHEMA_READ, 1, RESUMED, 20])
        switch = switch_of(host, timeout_s=50)
        found = taken(switch, 4)
        assert (Received([UPDATE]) in found) == is_in_time
        assert any("no answer in time" in note for note in switch.notes) is not is_in_time
    with pytest.raises(TimedOut):
        taken(switch_of(Host(clock, [SCHEMA_READ, 51, BEGUN]), timeout_s=50), 1)


def test_a_switch_that_no_longer_answers(clock):
    """It is asked after ten silent seconds, and then has thirty, however long the timeout is."""
    host = Host(clock, [SCHEMA_READ, BEGUN, 1000], [SCHEMA_READ, BEGUN, 20])
    switch = switch_of(host, timeout_s=3600)
    for received in feed.follow(switch, COLUMNS):
        if received.updates and len(host.opened) == 2:
            break
    assert clock.now_s < 1000 + 10 + 30 + 3 and "unix:db: no answer in time; connecting again" in switch.notes


@pytest.mark.parametrize(
    ("timeout_s", "end_s", "patience_s"),
    [(3600, math.inf, 30), (5, math.inf, 5), (3600, 1007, 7), (5, 1007, 5), (5, 1000, 0.001), (5, 900, 0.001)],
)
def test_patience(clock, timeout_s, end_s, patience_s):
    assert feed.patience_s(switch_of(Host(clock), timeout_s), end_s) == patience_s


def test_nothing_of_a_lost_connection_is_used_again(clock):
    """Neither the connection of the switch itself, nor one to the host, though closing that may fail."""
    host = Host(clock, [SCHEMA_READ, BEGUN, None], [SCHEMA_READ, BEGUN, 20])
    switch = switch_of(host)
    stream = feed.follow(switch, COLUMNS)
    next(stream)
    mine = Stream(clock, [])
    host.close = lambda: (_ for _ in ()).throw(Unreachable("h1", "lost"))
    switch.open_client = mine
    assert Received([ROWS], True) in itertools.islice(stream, 3)
    assert mine.is_closed and switch.open_client is None and host.batches == [True]
