"""The talkers with the most traffic, estimated from the samples received."""

import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from math import inf
from typing import NamedTuple

from ovstool.pace import Pace
from ovstool.sflow import wording
from ovstool.sflow.datagram import Datagram, Flow
from ovstool.sflow.sources import Loss
from ovstool.sflow.talkers import KEYS, Estimate, Key, Tally, estimates, recorded_span_s
from ovstool.switch.sflow.heard import Listener

_TOLD_S = 1.0  # between two yields of the totals so far
LIVE_PARTS = 10  # intervals that the rates of the live table are averaged over


class TopSpec(NamedTuple):
    """How to group talkers (``by``), and at most how many.

    Rates are measured every ``interval_s`` seconds, or over the total time if that is None. With the ``pace`` of a live table, they are
    averages over the last ``LIVE_PARTS`` intervals.
    """

    by: str
    most: int
    interval_s: float | None = None
    pace: Pace | None = None


class TopTalker(NamedTuple):
    """A row of ``sflow listen --top``: bit/s and packets/s over ``interval_s``, and their 95% error.

    Fields that do not belong to the ``--by`` grouping are None. ``lost`` and ``duplicates`` count the agent's datagrams since the start.
    """

    time: float
    interval_s: float
    agent: str | None
    agent_name: str | None
    talker: str
    bps: float | None
    error_percent: float
    pps: float | None
    samples: int
    if_index: int | None = None
    port: str | None = None
    iface_id: str | None = None
    vlan_vid: int | None = None
    src: str | None = None
    dst: str | None = None
    ip_proto: int | None = None
    src_port: int | None = None
    dst_port: int | None = None
    lost: int | None = None
    duplicates: int | None = None


class _Measuring:
    """Samples counted by talker: in one interval, the last few, or in total."""

    def __init__(self, listener: Listener, spec: TopSpec, begun: float | None):
        self._listener, self._spec = listener, spec
        self._key = KEYS[spec.by]
        self._parts = deque([Tally()], LIVE_PARTS if spec.pace else 1)
        self._begun = deque([begun] if begun else [], self._parts.maxlen)  # start of each part
        self._is_recorded = begun is None
        self._ends_with_datagram = False  # which covers the time before it
        self._now = begun or 0.0
        self._due = self._now + self._interval_s
        self._told = time.monotonic()

    @property
    def _interval_s(self) -> float:
        return self._spec.pace.interval_s if self._spec.pace else self._spec.interval_s or inf

    def reach(self, moment: float) -> Iterator[list[TopTalker]]:
        """Advance the time; yield the talkers at the end of an interval, or without intervals the totals now and then."""
        self._ends_with_datagram = False
        if not self._begun:
            self._begun.append(moment)
            self._due = moment + self._interval_s
        self._now = max(self._now, moment)
        if self._now >= self._due:
            yield self.talkers()
            self._due = self._now + self._interval_s
            self._parts.append(Tally())
            self._begun.append(self._now)
        elif self._due == inf and time.monotonic() - self._told >= _TOLD_S:
            yield self.talkers()
            self._told = time.monotonic()

    def add(self, datagram: Datagram) -> None:
        tally, key, agent = self._parts[-1], self._key, datagram.agent
        tally.datagrams += 1
        self._ends_with_datagram = self._is_recorded
        for sample in datagram.samples:
            if type(sample) is Flow and sample.sampling_rate and (traffic := sample.traffic()):
                tally.add(key(agent, sample.input.if_index, traffic), traffic.frame_bytes, sample.sampling_rate)

    def talkers(self) -> list[TopTalker]:
        """The top talkers since the start of the first part."""
        span_s = self._now - self._begun[0] if self._begun else 0.0
        if self._ends_with_datagram:
            span_s = recorded_span_s(self._parts, span_s)
        losses = {loss.agent: loss for loss in self._listener.reception.sources.losses()} if self._spec.by == "agent" else {}
        found = estimates(self._parts, span_s, self._spec.most)
        return [self._row(estimate, span_s, losses.get(estimate.key.agent)) for estimate in found]

    def _row(self, estimate: Estimate, span_s: float, loss: Loss | None) -> TopTalker:
        key = estimate.key
        agent_name = self._listener.hosts.find(key.agent)
        port = self._listener.ports.find(key.agent, key.if_index)
        return TopTalker(
            time=round(self._now, 6),
            interval_s=round(span_s, 6),
            agent_name=agent_name,
            talker=self._talker(key, agent_name),
            bps=estimate.bps,
            error_percent=round(estimate.error_percent, 2),
            pps=estimate.pps,
            samples=estimate.samples,
            port=port and port.port,
            iface_id=port and port.iface_id,
            lost=loss and loss.lost,
            duplicates=loss and loss.duplicates,
            **key._asdict() | {"agent": key.agent or None},
        )

    def _talker(self, key: Key, agent_name: str | None) -> str:
        match self._spec.by:
            case "flow":
                return wording.conversation(key.src, key.dst, key.ip_proto, key.src_port, key.dst_port, key.vlan_vid)
            case "port":
                return self._listener.port(key.agent, key.if_index)
            case "vlan":
                return "untagged" if key.vlan_vid is None else f"vlan {key.vlan_vid}"
            case "agent":
                return agent_name or key.agent or "?"
            case _:
                return key.src or key.dst or "?"


def top(listener: Listener, spec: TopSpec, is_recorded: bool) -> Generator[list[TopTalker], None, None]:
    """Yield the talkers at the end of each interval, or without intervals the totals now and then and at the end.

    ``is_recorded``: the time is that of a capture's timestamps.
    """
    offset = time.time() - time.monotonic()  # so that setting the clock does not affect rates
    measuring = _Measuring(listener, spec, None if is_recorded else time.time())
    try:
        with closing(listener.heard()) as batches:
            for heard in batches:
                for arrival, datagram in heard:
                    if is_recorded:
                        yield from measuring.reach(arrival.time)
                    measuring.add(datagram)
                if not is_recorded:
                    yield from measuring.reach(offset + time.monotonic())
    except GeneratorExit:
        raise
    except BaseException:  # on Ctrl-C yield what was measured; a live table is gone by then
        if not spec.pace and (before := measuring.talkers()):
            yield before
        raise
    yield measuring.talkers()
