"""What a collector makes of what arrives: datagrams decoded, once each, from the agents that are asked for, and the count of all the rest (pure)."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from ovstool.sflow import datagram
from ovstool.sflow.collector import Arrival
from ovstool.sflow.datagram import Datagram, Flow
from ovstool.sflow.sources import Sources
from ovstool.units import counted

_SAID = 5  # senders of malformed datagrams, and agents with losses, that are named


class Reception:
    """The datagrams that arrive, until there are ``most`` samples.

    ``wanted`` tells the agents to listen to, by their addresses; ``note`` is told what is malformed, at once.
    """

    def __init__(self, wanted: Callable[[str], bool], note: Callable[[str], object], most: int | None = None):
        self.datagrams = self.malformed = self.unknown = 0
        self.unwanted = 0  # datagrams of other agents
        self.unrated = 0  # flow samples of which nobody knows what they stand for
        self.samples: Counter[str] = Counter()  # by kind
        self.sources = Sources()
        self._wanted, self._note, self._most = wanted, note, most
        self._senders: set[str] = set()  # of malformed datagrams

    @property
    def is_complete(self) -> bool:
        """Whether there are as many samples as were asked for."""
        return self._most is not None and self.samples.total() >= self._most

    def take(self, arrivals: Iterable[Arrival]) -> Iterator[tuple[Arrival, Datagram]]:
        """Each datagram with the samples that could be read; copies are left out, and agents that were not asked for."""
        for arrival in arrivals:
            decoded = datagram.decode(arrival.payload)
            if decoded.malformed:
                self._count_malformed(arrival.sender, decoded.malformed)
            agent, sub_agent, sequence, uptime_ms, samples, unknown, malformed = decoded
            if malformed and not (agent or samples):
                continue
            if not self._wanted(agent):
                self.unwanted += 1
                continue
            self.datagrams += 1
            self.unknown += unknown
            if self.sources.take(agent, sub_agent, arrival.sender, sequence, uptime_ms, arrival.payload) and samples:
                if self._most is not None:
                    samples = samples[: self._most - self.samples.total()]
                    decoded = decoded._replace(samples=samples)
                self.samples.update([sample.kind for sample in samples])
                self.unrated += sum([type(sample) is Flow and not sample.sampling_rate for sample in samples])
                yield arrival, decoded
                if self.is_complete:
                    break

    def summary(self, hint: str = "") -> Iterator[str]:
        """What was heard, and what was not, for people: a line each. ``hint`` is what to try when nothing came."""
        nothing_came = not (self.datagrams or self.malformed or self.unwanted)
        yield f"{counted(self.datagrams, 'datagram')}, {', '.join(self._kinds()) or 'no sample'}" + (
            f"; try: {hint}" if nothing_came and hint else ""
        )
        if self.unwanted:
            yield f"{counted(self.unwanted, 'datagram')} of other agents left out"
        if self.malformed:
            yield f"{counted(self.malformed, 'datagram')} malformed"
        if self.unknown:
            yield f"{'1 sample or record' if self.unknown == 1 else f'{self.unknown} samples or records'} of unknown formats"
        if self.unrated:
            yield f"{counted(self.unrated, 'flow sample')} with sampling rate 0, which --top leaves out"
        wrong = [loss for loss in self.sources.losses() if any(loss[2:])]
        wrong.sort(key=lambda loss: loss.lost, reverse=True)
        for loss in wrong[:_SAID]:
            parts = [f"{counted(loss.lost, 'datagram')} lost ({_percent(loss.lost_percent)})"] if loss.lost else []
            parts += [counted(loss.duplicates, "duplicate")] if loss.duplicates else []
            parts += [counted(loss.restarts, "restart")] if loss.restarts else []
            parts += [counted(loss.unexpected, "unexpected sequence number")] if loss.unexpected else []
            yield f"agent {loss.agent}: {', '.join(parts)}"
        if len(wrong) > _SAID:
            yield f"and {counted(len(wrong) - _SAID, 'further agent')} with losses, duplicates or restarts; --top --by agent shows all"

    def _kinds(self) -> Iterator[str]:
        for kind in ("flow", "counter", "drop"):
            if count := self.samples[kind]:
                yield counted(count, f"{kind} sample")

    def _count_malformed(self, sender: str, why: str) -> None:
        self.malformed += 1
        if sender not in self._senders and len(self._senders) < _SAID:
            self._senders.add(sender)
            self._note(f"malformed datagram from {sender}: {why}")


def _percent(percent: float) -> str:
    return f"{percent:.0f}%" if percent >= 10 else f"{percent:.2g}%" if percent >= 0.01 else "<0.01%"
