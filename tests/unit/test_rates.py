"""Rates from readings: increases, resets, and how evenly traffic arrives."""

import pytest

from ovstool import rates
from ovstool.rates import Reading

NONE = {"rx_bps": None, "tx_bps": None, "rx_pps": None, "tx_pps": None, "rx_dropped_ps": None, "rx_errors_ps": None}


def reading(time: float, age: float | None = None, gap: bool = False, **counters: int) -> Reading:
    return Reading(time, "br0", "eth1", age, counters, None, gap)


def test_a_rate_is_over_the_time_that_passed():
    rate = rates.between(
        reading(1000.0, rx_bytes=1000, rx_packets=10, tx_bytes=0, rx_errors=3),
        reading(1000.25, rx_bytes=2000, rx_packets=15, tx_bytes=0, rx_errors=4),
    )
    assert (rate.time, rate.port, rate.interval_s, rate.reset) == (1000.25, "eth1", 0.25, False)
    assert (rate.rx_bps, rate.rx_pps, rate.tx_bps, rate.rx_errors_ps) == (32000, 20, 0, 4)
    assert (rate.tx_pps, rate.rx_dropped_ps, rate.tx_errors_ps) == (None, None, None), "not supported"


@pytest.mark.parametrize("way", ["rx", "tx"])
@pytest.mark.parametrize(
    ("counter", "name", "factor"), [("bytes", "bps", 8), ("packets", "pps", 1), ("dropped", "dropped_ps", 1), ("errors", "errors_ps", 1)]
)
def test_each_counter_has_a_rate_of_its_own(way, counter, name, factor):
    rate = rates.between(reading(0.1234567, **{f"{way}_{counter}": 100}), reading(0.1234567 + 1 / 3, **{f"{way}_{counter}": 107}))
    assert (rate.time, rate.interval_s) == (0.45679, 0.333333)
    told = {column: value for column, value in rate._asdict().items() if column.endswith("ps") and value is not None}
    assert told == {f"{way}_{name}": 21.0 * factor}


def test_a_counter_that_one_reading_lacks_has_no_rate():
    rate = rates.between(reading(1.0, rx_bytes=5), reading(2.0, rx_bytes=6, tx_bytes=7))
    assert (rate.rx_bps, rate.tx_bps, rate.reset) == (8, None, False)


RESETS = {
    "all counters went back": (reading(1.0, rx_bytes=900, tx_bytes=900), reading(2.0, rx_bytes=10, tx_bytes=0)),
    "one went back": (reading(1.0, rx_bytes=900, tx_bytes=900), reading(2.0, rx_bytes=10, tx_bytes=1000)),
    "the port is younger": (reading(1.0, age=50.0, rx_bytes=1), reading(2.0, age=0.5, rx_bytes=2**40)),
    "the port is older, but not by the time that passed": (reading(1.0, age=2.0, rx_bytes=1), reading(101.0, age=60.0, rx_bytes=900)),
    "the connection was lost": (reading(1.0, rx_bytes=1), reading(2.0, gap=True, rx_bytes=2)),
    # The bytes alone would look like a 32-bit counter that wrapped.
    "reset from the upper half of 32 bits": (
        reading(1.0, rx_bytes=3 * 2**30, rx_packets=2_000_000),
        reading(2.0, rx_bytes=60, rx_packets=1),
    ),
    # Large packets were counted before the reset and small ones since, so the packet count has caught up already.
    "packets have caught up": (
        reading(1.0, rx_bytes=3 * 10**9, rx_packets=10_000),
        reading(2.0, rx_bytes=6 * 10**6, rx_packets=12_000),
    ),
    "bytes and packets in the upper half": (
        reading(1.0, rx_bytes=3 * 10**9, rx_packets=3 * 10**9),
        reading(2.0, rx_bytes=0, rx_packets=0),
    ),
    "errors went back, and traffic did not": (
        reading(1.0, rx_bytes=1000, rx_packets=10, rx_errors=5),
        reading(2.0, rx_bytes=2000, rx_packets=20, rx_errors=1),
    ),
    "the age stood still for longer than a busy switch needs": (reading(1.0, age=10.0, rx_bytes=1), reading(3.2, age=11.0, rx_bytes=2)),
    "errors went back": (reading(1.0, rx_errors=2**32 - 1), reading(2.0, rx_errors=1)),
    "a 64-bit counter went back": (reading(1.0, rx_bytes=2**32 + 5), reading(2.0, rx_bytes=4)),
    "what no 32-bit counter holds went back": (reading(1.0, rx_bytes=2**32, rx_packets=1), reading(2.0, rx_bytes=1500, rx_packets=2)),
}


@pytest.mark.parametrize("why", RESETS)
def test_a_reset_is_marked_and_never_a_rate(why):
    rate = rates.between(*RESETS[why])
    assert rate.reset
    assert {name: getattr(rate, name) for name in NONE} == NONE


def test_a_32_bit_counter_that_wraps_is_corrected():
    before = reading(1.0, rx_bytes=2**32 - 100, rx_packets=50, tx_packets=7)
    rate = rates.between(before, reading(2.0, rx_bytes=150, rx_packets=52, tx_packets=7))
    assert (rate.rx_bps, rate.rx_pps, rate.tx_pps, rate.reset) == (8 * 250, 2, 0, False)


def test_packets_alone_may_wrap():
    before = reading(1.0, tx_bytes=1000, tx_packets=2**32 - 1)
    rate = rates.between(before, reading(2.0, tx_bytes=1128, tx_packets=1))
    assert (rate.tx_bps, rate.tx_pps, rate.reset) == (8 * 128, 2, False)


def test_rates_and_times_are_rounded():
    rate = rates.between(reading(0.12345678, rx_packets=0), reading(3.12345678, rx_packets=1))
    assert (rate.time, rate.interval_s, rate.rx_pps) == (3.123457, 3.0, 0.333)


def test_two_readings_of_one_moment_have_no_rate():
    rate = rates.between(reading(1.0, rx_bytes=1), reading(1.0, rx_bytes=2))
    assert (rate.interval_s, rate.rx_bps, rate.reset) == (0, None, False)


@pytest.mark.parametrize(("before", "after"), [(None, 0.5), (50.0, None)])
def test_without_an_age_there_is_no_reset(before, after):
    assert not rates.between(reading(1.0, age=before, rx_bytes=1), reading(2.0, age=after, rx_bytes=2)).reset


def test_other_counters_of_a_driver_may_decrease():
    rate = rates.between(reading(1.0, rx_bytes=1, custom_gauge=50), reading(2.0, rx_bytes=2, custom_gauge=40))
    assert (rate.rx_bps, rate.reset) == (8, False)


def test_a_rounded_age_is_not_a_reset():
    assert not rates.between(reading(1.0, age=10.0, rx_bytes=1), reading(1.005, age=9.999, rx_bytes=2)).reset
    assert not rates.between(reading(1.0, age=0.05, rx_bytes=1), reading(1.5, age=0.0, rx_bytes=2)).reset
    assert rates.between(reading(1.0, age=0.06, rx_bytes=1), reading(1.5, age=0.0, rx_bytes=2)).reset
    # A busy ovs-vswitchd reads its clock only from time to time.
    assert not rates.between(reading(1.0, age=10.0, rx_bytes=1), reading(1.5, age=10.0, rx_bytes=2)).reset

    assert not rates.between(reading(1.0, age=10.0, rx_bytes=1), reading(3.0, age=11.0, rx_bytes=2)).reset


def test_rates_of_a_queue():
    before = Reading(1.0, "br0", "eth1", None, {"tx_bytes": 100, "tx_packets": 1, "tx_errors": 0}, 3)
    after = before._replace(time=3.0, counters={"tx_bytes": 350, "tx_packets": 2, "tx_errors": 0})
    assert rates.of_queue(before, after) == rates.QueueRate(3.0, "eth1", 3, 2.0, 1000, 0.5, False)
    assert rates.of_queue(before, after._replace(gap=True)) == rates.QueueRate(3.0, "eth1", 3, 2.0, None, None, True)


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (1, 1), (50, 5), (51, 6), (90, 9), (91, 10), (99, 10), (100, 10)])
def test_percentiles_are_by_nearest_rank(percent, value):
    assert rates.percentile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], percent) == value


def windows(*bps: float | None, interval_s: float = 0.01) -> list[rates.Rate]:
    blank = dict.fromkeys(rates.Rate._fields)
    made = [{"port": "eth1", "interval_s": interval_s, "tx_bps": value, "reset": value is None} for value in bps]
    return [rates.Rate(**(blank | one)) for one in made]


def test_bursts():
    found = rates.burst("eth1", "tx", windows(0, 0, 96, 97, 100, 0, 95, 0, None, 99), 100)
    assert (found.windows, found.interval_s, found.limit_bps) == (9, 0.01, 100)
    assert found.mean_bps == pytest.approx((96 + 97 + 100 + 95 + 99) / 9, abs=0.001)
    assert (found.p50_bps, found.p95_bps, found.p99_bps, found.max_bps) == (95, 100, 100, 100)
    assert found.longest_above_s == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("bps", "longest_s"), [((95, 95), 0.666667), ((95, 94, 95, 95, 95), 1.0), ((94, 94), 0.0), ((1, 2), 0.0), ((99, None, 99), 0.333333)]
)
def test_a_link_is_full_from_95_percent_of_its_limit_on(bps, longest_s):
    found = rates.burst("eth1", "tx", windows(*bps, interval_s=1 / 3), 100)
    assert (found.longest_above_s, found.interval_s) == (longest_s, 0.333333)


def test_the_mean_of_bursts_has_three_decimals():
    assert rates.burst("eth1", "tx", windows(1, 1, 2), None).mean_bps == 1.333


@pytest.mark.parametrize(
    ("octets", "packets", "reset"),
    [
        (1500, 1, False),
        (15_000, 10, False),
        (14, 1, False),
        (13, 1, True),
        (139, 10, True),
        (65_792, 1, False),
        (65_793, 1, True),
        (1500, 0, True),
    ],
)
def test_a_wrap_of_32_bits_must_give_a_plausible_packet_size(octets, packets, reset):
    after = reading(2.0, rx_bytes=octets - 1, rx_packets=5 + packets)
    rate = rates.between(reading(1.0, rx_bytes=2**32 - 1, rx_packets=5), after)
    assert (rate.reset, rate.rx_bps) == (reset, None if reset else octets * 8)


def test_percentiles_of_bursts():
    found = rates.burst("eth1", "tx", windows(*range(1000, 0, -1)), None)
    assert (found.p50_bps, found.p95_bps, found.p99_bps, found.max_bps) == (500, 950, 990, 1000)


def test_the_mean_counts_a_long_window_for_longer():
    measured = windows(100) + windows(0, interval_s=0.03)
    assert rates.burst("eth1", "tx", measured, None).mean_bps == pytest.approx(25)


def test_unknown_bursts_are_none():
    assert rates.burst("eth1", "tx", windows(None, None), 100) == ("eth1", "tx", 0, *[None] * 6, 100, None)
    assert rates.burst("eth1", "tx", windows(5), None).longest_above_s is None
