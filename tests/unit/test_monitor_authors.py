"""Who made a change: the comments of the log, on a host whose log this test writes."""

import pytest
from test_log import SCHEMA, record

from ovstool.errors import TimedOut
from ovstool.host import Finished
from ovstool.monitor import authors as module
from ovstool.monitor.authors import Authors
from ovstool.switch import Switch

BRIDGE, TAG, TRUNKS, GONE = ("Bridge", "b", "ports"), ("Port", "p", "tag"), ("Port", "p", "trunks"), ("Port", "p", "")
UNKNOWN = "the database's log: may not be read by user x; who made a change is not known; try: --sudo"


class Host:
    """A host with a log; ``error`` is what reading it ends with. ``notes`` are those of its switch."""

    name = "h1"

    def __init__(self):
        self.log, self.error, self.notes, self._date = record(SCHEMA), None, [], 0

    def stream(self, argv, timeout_s, pause_s=None):
        if isinstance(self.error, Exception):
            raise self.error
        yield b"" if self.error else self.log[-int(argv[-1]) :]
        return self.error or Finished(0, "", "")

    def add(self, comment, *cells):
        rows, self._date = {}, self._date + 1
        for table, u, column in cells:
            rows.setdefault(table, {}).setdefault(u, {} if column else None)
            if column:
                rows[table][u][column] = ["set", []]
        self.log += record({"_date": self._date, **({"_comment": comment} if comment else {}), **rows})


@pytest.fixture
def host():
    return Host()


@pytest.fixture
def clock(monkeypatch):
    """Moves the clock of the module forward."""
    now_s = [module.time.monotonic()]
    monkeypatch.setattr(module.time, "monotonic", lambda: now_s[0])

    def advance(seconds):
        now_s[0] += seconds

    return advance


@pytest.fixture
def authors(host, clock):
    found = Authors(Switch(host=host, notes=host.notes))
    found.begin()
    return found


def test_the_comment_of_a_change(host, authors):
    host.add("root: ovs-vsctl set port p tag=5", TAG)
    assert authors.of([{TAG}]) == ["root: ovs-vsctl set port p tag=5"]
    assert authors.of([{TAG}]) == [None]  # that was another one
    host.add("", TRUNKS)
    assert authors.of([{TRUNKS}]) == [None]
    host.add("a psk=swordfish", TAG)
    host.add("b", TRUNKS)
    assert authors.of([{TAG}, {BRIDGE}, {TRUNKS}]) == ["a psk=***", None, "b"]
    assert host.notes == []


def test_what_was_in_the_log_before_was_made_by_nobody(host, clock):
    host.add("before", TAG)
    authors = Authors(Switch(host=host, notes=host.notes))
    authors.begin()
    assert authors.of([{TAG}]) == [None]
    host.add("after", TAG)
    assert authors.of([{TAG}]) == ["after"]


def test_several_transactions_reported_as_one_change(host, authors):
    host.add("a", TAG)
    host.add("b", TRUNKS)
    assert authors.of([{TAG, TRUNKS}]) == [None]
    host.add("c", TRUNKS)
    host.add("c", TRUNKS)
    assert authors.of([{TRUNKS, BRIDGE}]) == [None]  # b is not out of the question
    host.add("c", BRIDGE)
    assert authors.of([{BRIDGE}, {BRIDGE}]) == ["c", None]


def test_transactions_with_one_comment(host, authors):
    host.add("a", TAG)
    host.add("a", TRUNKS)
    assert authors.of([{TAG, TRUNKS}]) == ["a"]


def test_what_deletes_a_row_comes_after_what_is_reported_of_it(host, authors):
    host.add("add", BRIDGE, TAG)
    host.add("del", BRIDGE, GONE)
    host.add("later", BRIDGE)
    assert authors.of([{BRIDGE, TAG}, {GONE}]) == ["add", "del"]


def test_a_change_is_looked_for_while_it_may_still_be_reported(host, authors, clock):
    host.add("a", TAG)
    assert authors.of([{BRIDGE}]) == [None]
    clock(0.9)
    assert authors.of([{TAG}]) == ["a"]
    host.add("b", TAG)
    assert authors.of([{BRIDGE}]) == [None]
    clock(1.1)
    assert authors.of([set()]) == [None]
    assert authors.of([{TAG}]) == [None]


def test_what_ovs_vswitchd_reports_is_no_reason_to_read_the_log(host, authors):
    host.error = TimedOut("sh", "did not end")
    assert authors.of([set(), set()]) == [None, None]
    host.error = None
    host.add("a", TAG)
    assert authors.of([{TAG}]) == ["a"]


def test_after_a_compaction_nobody_is_named_until_all_is_reported(host, authors, clock):
    host.add("a", TAG)
    assert authors.of([{BRIDGE}]) == [None]
    host.log = record(SCHEMA) + record({"_date": 1, "_comment": "compacting database online"})
    assert authors.of([{BRIDGE}]) == [None]
    host.add("b", TAG)
    assert authors.of([{TAG}]) == [None]
    clock(0.9)
    host.add("c", TRUNKS)
    assert authors.of([{TRUNKS}]) == [None]
    clock(0.2)
    assert authors.of([set()]) == [None]
    host.add("d", BRIDGE)
    assert authors.of([{BRIDGE}]) == ["d"]
    assert host.notes == []


def test_only_the_end_of_a_log_is_read(host, authors, clock):
    """128 KiB, and nobody is named of what may have been before."""
    host.add("a" * 100_000, TAG)
    assert authors.of([{TAG}]) == ["a" * 100_000]
    clock(2)
    host.add("b" * 140_000, TAG)
    assert authors.of([{TAG}]) == [None]


def test_what_ovs_vswitchd_writes_is_not_counted(host, authors, monkeypatch):
    monkeypatch.setattr(module, "_MOST", 2)
    for _ in range(3):
        host.add("", ("Interface", "i", "ofport"))
    host.add("a", TAG)
    assert authors.of([{TAG}]) == ["a"]


def test_of_very_many_changes_nobody_is_looked_up(host, authors, clock, monkeypatch):
    monkeypatch.setattr(module, "_MOST", 2)
    host.add("a", TAG)
    host.add("b", TRUNKS)
    assert authors.of([{TAG}, {TRUNKS}]) == ["a", "b"]
    for _ in range(3):
        host.add("c", TAG)
    assert authors.of([{TAG}]) == [None]
    clock(2)
    assert authors.of([set()]) == [None]
    host.add("d", TAG)
    assert authors.of([{TAG}, {BRIDGE}, {BRIDGE}]) == [None, None, None]


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (Finished(5, "", "may not be read by user x"), UNKNOWN),
        (Finished(3, "", "no such thing"), "the database's log: no such thing; who made a change is not known"),
    ],
)
def test_a_log_that_cannot_be_read_is_noted_once_somebody_changes_something(host, clock, error, note):
    host.error = error
    authors = Authors(Switch(host=host, notes=host.notes))
    authors.begin()
    assert authors.of([set()]) == [None] and host.notes == []
    host.error = None  # it is not read again
    host.add("a", TAG)
    for _ in range(2):
        assert authors.of([{TAG}]) == [None] and host.notes == [note]
    authors.begin()
    host.add("b", TAG)
    assert authors.of([{TAG}]) == ["b"] and host.notes == [note]
    host.error = error
    authors.begin()
    assert authors.of([{TAG}]) == [None] and host.notes == [note]


def test_reading_may_fail_twice(host, authors):
    """As while ovsdb-server is being restarted."""
    for _ in range(2):
        host.error = Finished(5, "", "may not be read by user x")
        assert authors.of([{TAG}]) == authors.of([{TAG}]) == [None]
        host.error = None
        host.add("a", TAG)
        assert authors.of([{TAG}]) == ["a"] and host.notes == []
    host.error = Finished(5, "", "may not be read by user x")
    for _ in range(3):
        assert authors.of([{TAG}]) == [None] and host.notes == []
    assert authors.of([{TAG}]) == [None] and host.notes == [UNKNOWN]


def test_a_log_that_takes_too_long_is_not_read_again(host, authors):
    host.error = TimedOut("sh", "did not end")
    authors.of([{TAG}])
    host.error = None
    host.add("a", TAG)
    assert authors.of([{TAG}]) == [None] and host.notes == ["sh: did not end; who made a change is not known"]


def test_each_reading_has_the_whole_timeout(host, authors, clock):
    clock(3600)
    host.add("a", TAG)
    assert authors.of([{TAG}]) == ["a"]


def test_where_no_program_can_be_run(host):
    authors = Authors(Switch("tcp:192.0.2.1:6640", notes=host.notes))
    authors.begin()
    assert authors.of([{TAG}]) == [None] and host.notes == []


def test_an_empty_log(host, clock):
    host.log = b""
    authors = Authors(Switch(host=host, notes=host.notes))
    authors.begin()
    host.add("a", TAG)
    assert authors.of([{TAG}]) == [None]
    clock(2)
    authors.of([set()])
    host.add("b", TAG)
    assert authors.of([{TAG}]) == ["b"]
