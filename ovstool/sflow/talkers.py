"""Talkers: how much each of them sends, estimated from samples, with the error that so few samples imply (pure).

A sample stands for as many packets like it as one in which was sampled. The sum of these is without bias, and its variance is that of
independent samples: for ``n`` packets of one size the error is 196 % / sqrt(n) (Phaal and Panchen, "Packet Sampling Basics"), less where
nearly each packet is sampled.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from math import sqrt
from typing import NamedTuple

from ovstool.sflow.packet import Traffic

MOST = 4096  # talkers that are counted at a time; then the half with less traffic is forgotten
_DEVIATIONS = 1.96  # standard deviations that hold 95 % of a normal distribution


class Key(NamedTuple):
    """What tells one talker from another; what ``--by`` does not ask for is None. ``if_index`` is of where packets came in."""

    agent: str
    if_index: int | None = None
    vlan_vid: int | None = None
    src: str | None = None
    dst: str | None = None
    ip_proto: int | None = None
    src_port: int | None = None
    dst_port: int | None = None


class Estimate(NamedTuple):
    """What a talker is estimated to send: the true rate is within ``error_percent`` of ``bps`` in 95 of 100 cases.

    Of no time there is no rate, but None.
    """

    key: Key
    bps: float | None
    error_percent: float
    pps: float | None
    samples: int


def _by_flow(agent: str, if_index: int | None, traffic: Traffic) -> Key:
    return Key(agent, None, *traffic[1:])


KEYS: dict[str, Callable[[str, int | None, Traffic], Key]] = {
    "flow": _by_flow,
    "src": lambda agent, if_index, traffic: Key(agent, src=traffic.src),
    "dst": lambda agent, if_index, traffic: Key(agent, dst=traffic.dst),
    "port": lambda agent, if_index, traffic: Key(agent, if_index),
    "vlan": lambda agent, if_index, traffic: Key(agent, vlan_vid=traffic.vlan_vid),
    "agent": lambda agent, if_index, traffic: Key(agent),
}


class Count:
    """What the samples of a talker stand for: how many packets and bytes, and the variance of the latter."""

    __slots__ = ("octets", "packets", "samples", "variance")

    def __init__(self) -> None:
        self.samples = self.packets = self.octets = self.variance = 0

    def add(self, frame_bytes: int, sampling_rate: int) -> None:
        """Count the sample of a packet, of which one in ``sampling_rate`` was taken."""
        octets = frame_bytes * sampling_rate
        self.samples += 1
        self.packets += sampling_rate
        self.octets += octets
        self.variance += octets * (octets - frame_bytes)

    def include(self, other: "Count") -> None:
        """Add what was counted elsewhere."""
        self.samples += other.samples
        self.packets += other.packets
        self.octets += other.octets
        self.variance += other.variance

    @property
    def error_percent(self) -> float:
        return 100 * _DEVIATIONS * sqrt(self.variance) / self.octets if self.octets else 0.0


class Tally:
    """The samples of one stretch of time, by talker; ``most`` talkers at a time, so what is forgotten had little traffic.

    ``datagrams`` is how many they came in.
    """

    def __init__(self, most: int = MOST):
        self._most = most
        self.datagrams = 0
        self.counts: dict[Key, Count] = {}

    def add(self, key: Key, frame_bytes: int, sampling_rate: int) -> None:
        """Count the sample of a packet of a talker, of which one in ``sampling_rate`` was taken."""
        count = self.counts.get(key)
        if count is None:
            if len(self.counts) >= self._most:
                self.counts = _largest(self.counts, self._most // 2)
            count = self.counts[key] = Count()
        count.add(frame_bytes, sampling_rate)


def recorded_span_s(tallies: Sequence[Tally], span_s: float) -> float:
    """How long it took to take the samples of datagrams, of which the last came ``span_s`` seconds after the first; 0.0 when nobody knows.

    Each datagram has samples since the one before, the first too: the time before that is taken to be the mean between an agent's datagrams.
    """
    datagrams = sum(tally.datagrams for tally in tallies)
    agents = len({key.agent for tally in tallies for key in tally.counts})
    return span_s * datagrams / (datagrams - agents) if datagrams > agents else 0.0


def estimates(tallies: Iterable[Tally], span_s: float, most: int) -> list[Estimate]:
    """The talkers with the most traffic, ``most`` of them, of several stretches that took so many seconds together."""
    total: dict[Key, Count] = {}
    for tally in tallies:
        for key, count in tally.counts.items():
            if key not in total:
                total[key] = Count()
            total[key].include(count)
    return [_estimate(key, count, span_s) for key, count in _largest(total, most).items()]


def _largest(counts: dict[Key, Count], most: int) -> dict[Key, Count]:
    """Those with the most traffic, from the largest on."""
    return dict(heapq.nlargest(most, counts.items(), key=lambda item: item[1].octets))


def _estimate(key: Key, count: Count, span_s: float) -> Estimate:
    if span_s <= 0:
        return Estimate(key, None, count.error_percent, None, count.samples)
    return Estimate(key, round(8 * count.octets / span_s, 3), count.error_percent, round(count.packets / span_s, 3), count.samples)
