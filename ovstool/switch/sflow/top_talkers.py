"""The talkers with the most traffic, of the samples that are heard."""

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

_TOLD_S = 1.0  # how often it is told what there was so far
LIVE_PARTS = 10  # readings of the live table that its rates are the mean of


class TopSpec(NamedTuple):
    """Which talkers are asked for: told apart ``by`` what, and ``most`` of them.

    They are measured anew every ``interval_s`` seconds, or over all the time when that is None. With a ``pace``, that of the live table,
    each reading is the mean of as many intervals before as there are ``LIVE_PARTS``.
    """

    by: str
    most: int
    interval_s: float | None = None
    pace: Pace | None = None


class TopTalker(NamedTuple):
    """A row of ``sflow listen --top``: bit/s and packets/s over ``interval_s``, in 95 of 100 cases right within ``error_percent``.

    What ``--by`` does not ask for is None. ``lost`` and ``duplicates`` are the agent's datagrams, since the beginning.
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
    """Samples counted by talker: for one interval, the last few of them, or all the time."""

    def __init__(self, listener: Listener, spec: TopSpec, begun: float | None):
        self._listener, self._spec = listener, spec
        self._key = KEYS[spec.by]
        self._parts = deque([Tally()], LIVE_PARTS if spec.pace else 1)
        self._begun = deque([begun] if begun else [], self._parts.maxlen)  # each of the parts
        self._is_recorded = begun is None
        self._ends_with_datagram = False  # whose samples were taken before it
        self._now = begun or 0.0
        self._due = self._now + self._interval_s
        self._told = time.monotonic()

    @property
    def _interval_s(self) -> float:
        return self._spec.pace.interval_s if self._spec.pace else self._spec.interval_s or inf

    def reach(self, moment: float) -> Iterator[list[TopTalker]]:
        """Let time go on up to a moment; gives the talkers when an interval is over, and without one those so far, now and then."""
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
        """Those with the most traffic, since the first of the parts began."""
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
    """The talkers, at the end of each interval; without one those so far, now and then and at the end.

    ``is_recorded``: time is what the datagrams of a capture say.
    """
    offset = time.time() - time.monotonic()  # a clock that is set changes no rate
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
    except BaseException:  # Ctrl-C too ends what was measured until then; the live table goes with it
        if not spec.pace and (before := measuring.talkers()):
            yield before
        raise
    yield measuring.talkers()
