"""Traffic of talkers, estimated from samples, with the sampling error (pure).

Each sample is scaled by its sampling rate. The sum is unbiased, and its variance is that of independent samples: for ``n`` samples of
packets of one size the 95% error is 196% / sqrt(n) (Phaal and Panchen, "Packet Sampling Basics"), less if nearly every packet is sampled.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from math import sqrt
from typing import NamedTuple

from ovstool.sflow.packet import Traffic

MOST = 4096  # talkers counted at a time; beyond this, the half with less traffic is evicted
_DEVIATIONS = 1.96  # standard deviations of a 95% confidence interval


class Key(NamedTuple):
    """What talkers are grouped by; fields that ``--by`` does not select are None. ``if_index`` is the ingress port."""

    agent: str
    if_index: int | None = None
    vlan_vid: int | None = None
    src: str | None = None
    dst: str | None = None
    ip_proto: int | None = None
    src_port: int | None = None
    dst_port: int | None = None


class Estimate(NamedTuple):
    """The estimated rate of a talker: the true rate is within ``error_percent`` of ``bps`` with 95% confidence.

    Over an interval of length 0 the rates are None.
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
    """The estimated packets and bytes of a talker, and the variance of the bytes."""

    __slots__ = ("octets", "packets", "samples", "variance")

    def __init__(self) -> None:
        self.samples = self.packets = self.octets = self.variance = 0

    def add(self, frame_bytes: int, sampling_rate: int) -> None:
        """Count a sample that was taken at 1 in ``sampling_rate``."""
        octets = frame_bytes * sampling_rate
        self.samples += 1
        self.packets += sampling_rate
        self.octets += octets
        self.variance += octets * (octets - frame_bytes)

    def include(self, other: "Count") -> None:
        """Add the counts of another interval."""
        self.samples += other.samples
        self.packets += other.packets
        self.octets += other.octets
        self.variance += other.variance

    @property
    def error_percent(self) -> float:
        return 100 * _DEVIATIONS * sqrt(self.variance) / self.octets if self.octets else 0.0


class Tally:
    """The samples of one interval by talker, with at most ``most`` talkers; those with the least traffic are evicted.

    ``datagrams`` is the number of datagrams that contained them.
    """

    def __init__(self, most: int = MOST):
        self._most = most
        self.datagrams = 0
        self.counts: dict[Key, Count] = {}

    def add(self, key: Key, frame_bytes: int, sampling_rate: int) -> None:
        """Count a sample of a talker that was taken at 1 in ``sampling_rate``."""
        count = self.counts.get(key)
        if count is None:
            if len(self.counts) >= self._most:
                self.counts = _largest(self.counts, self._most // 2)
            count = self.counts[key] = Count()
        count.add(frame_bytes, sampling_rate)


def recorded_span_s(tallies: Sequence[Tally], span_s: float) -> float:
    """The time covered by the samples of datagrams that arrived within ``span_s`` seconds; 0.0 if unknown.

    A datagram covers the time since the previous one of its agent. For the first one this is assumed to be the mean interval.
    """
    datagrams = sum(tally.datagrams for tally in tallies)
    agents = len({key.agent for tally in tallies for key in tally.counts})
    return span_s * datagrams / (datagrams - agents) if datagrams > agents else 0.0


def estimates(tallies: Iterable[Tally], span_s: float, most: int) -> list[Estimate]:
    """The top ``most`` talkers of consecutive intervals that took ``span_s`` seconds in total."""
    total: dict[Key, Count] = {}
    for tally in tallies:
        for key, count in tally.counts.items():
            if key not in total:
                total[key] = Count()
            total[key].include(count)
    return [_estimate(key, count, span_s) for key, count in _largest(total, most).items()]


def _largest(counts: dict[Key, Count], most: int) -> dict[Key, Count]:
    """The talkers with the most traffic, in descending order."""
    return dict(heapq.nlargest(most, counts.items(), key=lambda item: item[1].octets))


def _estimate(key: Key, count: Count, span_s: float) -> Estimate:
    if span_s <= 0:
        return Estimate(key, None, count.error_percent, None, count.samples)
    return Estimate(key, round(8 * count.octets / span_s, 3), count.error_percent, round(count.packets / span_s, 3), count.samples)
