"""Notes about a sampling rate that does not suit the traffic of a bridge."""

import pytest

from ovstool.switch import Switch
from ovstool.switch.sflow import sampling_advice, sampling_rate

PORTS = [{"name": "eth1", "type": "", "ofport": 1}, {"name": "eth2", "type": "", "ofport": 2}, {"name": "p", "type": "patch", "ofport": 3}]
FEW = "too few to tell what is there; try: --sampling"
MANY = "more than a collector takes; try: --sampling"


@pytest.mark.parametrize(
    ("n", "rates", "said"),
    [
        (400, {}, None),
        (400, {1: 40, 2: 40.0}, None),
        (10_000, {1: 1000.0}, None),
        (10_001, {1: 999.0}, None),  # few samples are enough for so little traffic
        (20_000, {1: 600.0, 2: 400.0}, f"1 packet in 20000 of 1000 packets/s at the moment is 0.05 samples/s, which is {FEW} 10"),
        (200_000, {1: 12_345.0}, f"1 packet in 200000 of 12345 packets/s at the moment is 0.062 samples/s, which is {FEW} 120"),
        (20_000, {3: 1000.0}, None),  # sampled where it entered the switch
        (20_000, {1: 999.0, 3: 1000.0}, None),
        (1, {1: 2500.0, 2: 2500.0}, None),
        (1, {1: 5001.0}, f"1 packet in 1 of 5001 packets/s at the moment is 5000 samples/s, which may be {MANY} 50"),
        (1, {1: 5101.0}, f"1 packet in 1 of 5101 packets/s at the moment is 5100 samples/s, which may be {MANY} 51"),
        (100, {1: 600_000.0}, f"1 packet in 100 of 600000 packets/s at the moment is 6000 samples/s, which may be {MANY} 6000"),
    ],
)
def test_notes_about_the_traffic(n, rates, said):
    found = sampling_advice._of_traffic(n, rates, PORTS)
    assert found == said


@pytest.mark.parametrize(("n", "depends"), [(1, True), (399, True), (400, False), (None, False), (10_000, False), (10_001, True)])
def test_rates_that_suit_any_traffic(n, depends):
    """A bridge forwards at most two million packets/s, and rates below a thousand packets/s do not matter."""
    assert sampling_rate.depends_on_traffic(n) == depends


@pytest.mark.parametrize(
    ("then", "now", "rates"),
    [
        ((10.0, {1: 100}), (12.0, {1: 160, 2: 7}), {1: 30.0, 2: 0.0}),  # port 2 is new
        ((10.0, {1: 100}), (12.0, {1: 129}), {}),  # too few packets
        ((10.0, {1: 100, 2: 5}), (12.0, {1: 900, 2: 4}), {}),  # port 2 starts again
    ],
)
def test_packets_per_second_of_each_port(monkeypatch, then, now, rates):
    traffic = sampling_rate.Traffic(Switch("tcp:127.0.0.1:1"), [])
    traffic._before["br0"] = then
    monkeypatch.setattr(traffic, "_received", lambda bridge: now)
    assert traffic.rates("br0") == rates and traffic.rates("br1") == {}
