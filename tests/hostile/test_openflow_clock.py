"""How long counters take to arrive, and how that is used, on a clock that advances by the time the peer takes for each reply.

The database and the sockets are real.
"""

import socket
import struct
import subprocess
import time
from contextlib import closing, contextmanager

import pytest
from test_openflow_peers import HELLO, STORED, answer, peer
from test_openflow_peers import place as place  # the fixture

from ovstool.errors import Unreachable
from ovstool.switch import Switch, sampling
from ovstool.switch.sampling import Meter, SamplingSpec

EPOCH = 10**9  # the zero of the clock in seconds since 1970
BEGIN = 4096.0  # its time when a test begins


class Clock:
    """A clock that stands still until it is advanced."""

    def __init__(self) -> None:
        self.now = BEGIN

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return EPOCH + self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(sampling, "time", clock)
    return clock


def counting(clock: Clock, takes_s: list[float]):
    """A peer whose replies take these times, and whose counters count the requests; after the last one it closes the connection."""

    def handler(stream: socket.socket) -> None:
        stream.sendall(HELLO)
        while header := stream.recv(8, socket.MSG_WAITALL):
            _, kind, length, xid = struct.unpack("!BBHI", header)
            stream.recv(length - 8, socket.MSG_WAITALL)
            if kind == 0:
                continue
            if not takes_s:
                return
            clock.now += takes_s.pop(0)
            handler.asked += 1
            stream.sendall(answer(4, struct.pack("!H2xIII8Q", 80, 1, 9, 0, handler.asked, *[0] * 7), xid=xid))

    handler.asked = 0
    return handler


@contextmanager
def metering(place, **spec):
    switch = Switch(db=f"unix:{place}/db.sock")
    with closing(switch), closing(Meter(switch, SamplingSpec(("eth1",), **spec))) as meter:
        yield meter, switch


def number_and_time(readings) -> tuple[int, float]:
    """Which reply was used, and the time of its counters since the beginning."""
    (reading,) = readings
    return reading.counters["rx_packets"], reading.time - EPOCH - BEGIN


@pytest.mark.parametrize(
    ("interval_s", "takes_s", "taken", "at_s"),
    [
        (0, [7.0], 1, 3.5),
        # Within a hundredth of the interval is good enough.
        (12.5, [0.125], 1, 0.0625),
        (12.5, [0.25, 0.125], 2, 0.3125),
        (12.5, [0.125 + 2**-10, 0.125], 2, 0.1884765625),
        # Otherwise the quickest reply within a fifth of the interval, here 2.5 s, but of at least two.
        (12.5, [0.5, 0.25, 1.0], 2, 0.625),
        (12.5, [1.5, 1.0], 2, 2.0),
        (12.5, [3.0, 4.0], 1, 1.5),
        (12.5, [1.0, 0.5, 0.5, 0.25, 0.5], 4, 2.125),
        (12.5, [0.5, 0.5, 0.5, 0.5, 0.5], 1, 0.25),
        # 0.3 ms is quick for any interval.
        (2**-10, [2**-12], 1, 2**-13),
        (2**-10, [2**-11, 2**-12], 2, 2**-11 + 2**-13),
        (2**-10, [2**-11, 2**-10], 1, 2**-12),
    ],
)
def test_the_quickest_reply_is_used(place, clock, interval_s, takes_s, taken, at_s):
    asked = len(takes_s)
    with peer(place, handler := counting(clock, takes_s)), metering(place, source="openflow", interval_s=interval_s) as (meter, _):
        assert number_and_time(meter.read()) == (taken, pytest.approx(at_s, abs=1e-6))
    assert handler.asked == asked


def test_a_switch_that_is_always_slow_is_asked_once(place, clock):
    """Twice the time of its quickest reply is good enough."""
    are_asked_so_often(place, clock, 12.5, [[0.25, 0.5, 2.0], [0.5], [0.625, 0.5], [0.75, 0.5], [0.0625], [0.1875, 0.125], [0.125]])


def test_one_quick_reply_does_not_set_the_usual_time_forever(place, clock):
    """The usual time grows by a twentieth with each reading: here to half a second after 29 of them."""
    are_asked_so_often(place, clock, 12.5, [[0.125], *[[1.0, 1.0]] * 29, [1.0], [1.0]])


def are_asked_so_often(place, clock: Clock, interval_s: float, readings_s: list[list[float]]) -> None:
    """Assert that each reading takes this many replies, which take this long."""
    with (
        peer(place, handler := counting(clock, [one_s for takes_s in readings_s for one_s in takes_s])),
        metering(place, source="openflow", interval_s=interval_s) as (meter, _),
    ):
        asked = []
        for read in (meter.read, *[meter.read_again] * (len(readings_s) - 1)):
            before = handler.asked
            assert len(read()) == 1
            asked.append(handler.asked - before)
    assert asked == list(map(len, readings_s))


def test_a_reply_counts_even_if_the_next_one_fails(place, clock):
    """The cause is reported at once; half a second later the bridge is looked up again, and found."""
    takes_s = [0.5]
    with peer(place, handler := counting(clock, takes_s)), metering(place, source="openflow", interval_s=12.5) as (meter, switch):
        assert number_and_time(meter.read()) == (1, 0.25)
        assert switch.notes == ["bridge br0: connection lost: closed by ovs-vswitchd; waiting for it"]
        assert (meter.read_again(), meter.absent()) == ([], ["eth1"])
        takes_s += [0.0625, 0.0625]
        clock.now += 0.5
        assert (meter.read_again(), handler.asked) == ([], 1)
        clock.now += 2**-10
        (reading,) = meter.read_again()
        assert (reading.gap, handler.asked, meter.absent()) == (True, 2, [])
        assert switch.notes[1:] == ["eth1: back"]
        (reading,) = meter.read_again()
        assert (reading.gap, handler.asked) == (False, 3)


def test_a_peer_that_does_not_answer_is_dropped(place, clock):
    with peer(place, counting(clock, [])), metering(place, source="openflow", interval_s=12.5) as (meter, _):
        with pytest.raises(Unreachable):
            meter.read()


# --- how long OpenFlow is waited for before the database is asked


@pytest.mark.parametrize(("timeout_s", "behind_s"), [(60, 5), (8, 4)])
def test_of_the_time_allowed_no_more_than_5_seconds_or_half(place, clock, timeout_s, behind_s):
    """The clock is set so late that this time is over, although the peer would answer at once."""
    with peer(place, counting(clock, [0.0] * 9)):
        switch = Switch(db=f"unix:{place}/db.sock", timeout_s=timeout_s)
        for source, expected in (("auto", STORED), ("openflow", 1)):
            clock.now = time.monotonic() - behind_s
            with closing(Meter(switch, SamplingSpec(("eth1",), source=source))) as meter:
                (reading,) = meter.read()
            assert reading.counters == expected if source == "auto" else reading.counters["rx_packets"] == expected
        switch.close()
    assert switch.notes == ["bridge br0: no answer in time; these counters are from the database, up to 5 s old"]


def test_the_counters_of_the_database_are_for_longer_intervals(place):
    with metering(place, interval_s=5) as (meter, switch):
        (reading,) = meter.read()
        assert (reading.counters, reading.duration_s) == (STORED, None)
        assert abs(reading.time - time.time()) < 300
        (note,) = switch.notes
        assert note.endswith("; these counters are from the database, up to 5 s old")
    with metering(place, interval_s=4.999) as (meter, switch), pytest.raises(Unreachable) as failure:
        meter.read()
    assert failure.value.why.endswith("; the counters in the database are too old for this interval")
    assert (failure.value.hint, switch.notes) == ("--source ovsdb --interval 10", [])
    for spec in ({"queues": True}, {"source": "openflow"}):
        with metering(place, **spec) as (meter, _), pytest.raises(Unreachable) as failure:
            meter.read()
        assert "database" not in failure.value.why


@pytest.mark.parametrize(
    ("setting", "every_s"),
    [
        ("", 5), ("4999", 5), ("5000", 5), ("5001", 5.001), ("7000", 7), ("123456789", 123456.789), ("1234567890", 5), ("-7000", 5), ("7e3", 5),
        ("\u0667000", 5), ("7000 ", 5),
    ],
)  # fmt: skip
def test_how_often_the_database_has_new_counters(place, setting, every_s):
    """Values other than numbers of up to nine digits are ignored, as by smap_get_int of Open vSwitch."""
    set_it = ["ovs-vsctl", f"--db=unix:{place}/db.sock", "--no-wait", "set", "open_vswitch", "."]
    subprocess.run([*set_it, f'other_config:stats-update-interval="{setting}"'], check=True, timeout=60)
    try:
        with closing(Switch(db=f"unix:{place}/db.sock")) as switch:
            assert sampling.updated_s(switch) == every_s
    finally:
        subprocess.run([*set_it[:3], "clear", "open_vswitch", ".", "other_config"], check=True, timeout=60)
