"""Plots of recordings that others made, or that took a year: linear in time, bounded in memory."""

import cProfile
import math

import pytest

from ovstool.errors import NotFound, Refused
from ovstool.rates import Reading
from ovstool.terminal.plots import pictures, plot_image, plot_text


def readings(ports: int, beats: int, name: str = "eth{}", host: str = ""):
    return [
        (host, Reading(1.8e9 + beat, "br0", name.format(port), None, {"rx_bytes": beat * (port + 1), "tx_bytes": 7 * beat}))
        for beat in range(beats)
        for port in range(ports)
    ]


def calls(items) -> int:
    """The number of function calls of a plot, which unlike its time is the same on any machine."""
    profile = cProfile.Profile()
    picture = profile.runcall(pictures.picture, "rec.csv", items, (), False)
    assert picture.left_out == len({(host, reading.port) for host, reading in items}) - pictures.MOST_PORTS
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize("of_hosts", [False, True])
def test_twice_the_ports_are_twice_the_work(of_hosts):
    def items(count: int):
        if not of_hosts:
            return readings(count, 3)
        return [item for host in range(count // 10) for item in readings(10, 3, host=f"leaf{host}")]

    assert calls(items(2000)) < 2.5 * calls(items(1000))


class Endless:
    """Readings generated while they are read, as often as needed; each port has the next number of bytes."""

    def __init__(self, count: int, steps, ports: int = 1, resets: bool = False):
        self.count, self.steps, self.ports, self.resets = count, steps, ports, resets

    def __iter__(self):
        time = 0.0
        for i in range(self.count):
            time += self.steps[i % len(self.steps)]
            octets = 0 if self.resets and i % 2 else 1000 * i * self.ports
            yield "", Reading(time, "br0", f"eth{i % self.ports}", None, {"rx_bytes": octets})


@pytest.mark.parametrize("ports", [1, 13])
@pytest.mark.parametrize("steps", [[1.0], [0.001, 1.0], [1, 1, 1, 1, 1, 1, 100.0], [1.0, -0.5]], ids=str)
def test_a_long_recording_is_drawn_as_a_short_one(steps, ports):
    """It has no more spans than can be seen, and their sums are those of the readings."""
    count = 60_000
    drawn = pictures.picture("rec.csv", Endless(count, steps, ports), (), False)
    for trace in drawn.traces:
        spans = list(trace.spans("rx"))
        assert 0 < len(spans) <= pictures._MOST_SPANS and len(trace.lengths) <= pictures._MOST_SPANS
        assert all(span.begin < span.end and span.low <= span.mean * 1.0001 and span.mean <= span.high * 1.0001 for span in spans)
    if steps == [1.0] and ports == 1:
        assert (drawn.begin, drawn.end, drawn.interval_s) == (1.0, count, 1.0)
        (trace,) = drawn.traces
        spans = list(trace.spans("rx"))
        assert [span.begin for span in spans[1:]] == [span.end for span in spans[:-1]]  # no gap
        assert math.isclose(sum(span.mean * (span.end - span.begin) for span in spans), 8000 * (count - 1))
        assert len({span.end - span.begin for span in spans[:-1]}) == 1  # the beginning is as detailed as the end


def test_the_highest_rate_of_a_long_recording_is_still_seen():
    class Spike(Endless):
        def __iter__(self):
            for i, (host, reading) in enumerate(super().__iter__()):
                yield host, reading._replace(counters={"rx_bytes": reading.counters["rx_bytes"] + (10**9 if i >= 30_000 else 0)})

    text = plot_text.draw(pictures.picture("rec.csv", Spike(60_000, [1.0]), (), False), 80, False, False)
    assert "max 8 Gbit/s" in text


def test_a_recording_with_only_resets(tmp_path):
    drawn = pictures.picture("rec.csv", Endless(40_000, [1.0], resets=True), (), False)
    assert len(drawn.traces[0].resets) <= pictures._MOST_SPANS
    assert "R the counters were reset" in plot_text.draw(drawn, 80, False, False)
    plot_image.draw(drawn, str(tmp_path / "out.svg"), "step")
    assert (tmp_path / "out.svg").stat().st_size < 3 * 10**6


@pytest.mark.parametrize("length", [1, 60_000])
def test_more_ports_than_there_is_memory_for(length):
    def endless():
        for i in range(10**7):
            yield "", Reading(float(i), "br0", f"{i}".rjust(length, "x"), None, {})

    with pytest.raises(Refused, match="too many to compare; try: naming the ports"):
        pictures.picture("rec.csv", endless(), (), False)


def test_unrequested_ports_take_no_memory():
    def many():
        for i in range(30_000):
            yield "", Reading(float(i), "br0", f"eth{i}", None, {})

    with pytest.raises(NotFound, match=r"port nosuch: not in rec.csv; try: .* and [0-9]+ more"):
        pictures.picture("rec.csv", many(), ["nosuch"], False)


@pytest.mark.parametrize("first", [0.0, 1e-300, 1e10])
@pytest.mark.parametrize("delta", [1, 2**64 - 1])
@pytest.mark.parametrize("step", [1e-9, 1e-5, 9e10])
def test_numbers_at_their_limits(tmp_path, first, delta, step):
    items = [("", Reading(first + i * step, "br0", "eth1", None, {"rx_bytes": i * delta // 3, "tx_bytes": 0})) for i in range(4)]
    if items[0][1].time == items[3][1].time:
        with pytest.raises(NotFound):
            pictures.picture("rec.csv", items, (), False)
        return
    drawn = pictures.picture("rec.csv", items, (), False)
    assert plot_text.draw(drawn, 80, False, False).replace("\n", "").isprintable()
