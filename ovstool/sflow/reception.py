"""What a collector does with arriving datagrams: it decodes each one once, filters by agent, and counts everything else (pure)."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from ovstool.sflow import datagram
from ovstool.sflow.collector import Arrival
from ovstool.sflow.datagram import Datagram, Flow
from ovstool.sflow.sources import Loss, Sources
from ovstool.units import counted

_SAID = 5  # senders of malformed datagrams, and agents with losses, that are named
_OTHERS = 3  # agents that were not asked for, and are named
_TWICE = 0.4  # of an agent's datagrams: from this share of duplicates on, it sends nearly every datagram twice


class Reception:
    """Receives datagrams until there are ``most`` samples.

    ``wanted`` selects agents by address; ``note`` is called at once for a malformed datagram.
    """

    def __init__(self, wanted: Callable[[str], bool], note: Callable[[str], object], most: int | None = None):
        self.datagrams = self.malformed = self.unknown = 0
        self.unwanted = 0  # datagrams of other agents
        self.unrated = 0  # flow samples with sampling rate 0
        self.samples: Counter[str] = Counter()  # by kind
        self.sources = Sources()
        self._wanted, self._note, self._most = wanted, note, most
        self._senders: set[str] = set()  # of malformed datagrams
        self._others: dict[str, None] = {}  # the first agents that were not asked for, and one more when there are further ones

    @property
    def is_complete(self) -> bool:
        """Whether the requested number of samples has arrived."""
        return self._most is not None and self.samples.total() >= self._most

    def take(self, arrivals: Iterable[Arrival]) -> Iterator[tuple[Arrival, Datagram]]:
        """Yield each datagram with the samples that could be decoded, without duplicates and unwanted agents."""
        for arrival in arrivals:
            decoded = datagram.decode(arrival.payload)
            if decoded.malformed:
                self._count_malformed(arrival.sender, decoded.malformed)
            agent, sub_agent, sequence, uptime_ms, samples, unknown, malformed = decoded
            if malformed and not (agent or samples):
                continue
            if not self._wanted(agent):
                self._count_unwanted(agent)
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

    @property
    def is_silent(self) -> bool:
        """Whether no datagram arrived at all."""
        return not (self.datagrams or self.malformed or self.unwanted)

    def summary(self) -> Iterator[str]:
        """What was received, lost and skipped, one line of text each."""
        yield f"{counted(self.datagrams, 'datagram')}, {', '.join(self._kinds()) or 'no samples'}"
        if self.unwanted:
            names = [agent or "unknown" for agent in self._others]
            named = ", ".join(names[:_OTHERS]) + (" and others" if len(names) > _OTHERS else "")
            yield f"ignored {counted(self.unwanted, 'datagram')} from other agents: {named}"
        if self.malformed:
            yield f"{counted(self.malformed, 'datagram')} malformed"
        if self.unknown:
            yield f"skipped {'1 sample or record' if self.unknown == 1 else f'{self.unknown} samples or records'} of unknown format"
        if self.unrated:
            yield f"{counted(self.unrated, 'flow sample')} with sampling rate 0, which --top ignores"
        wrong = [loss for loss in self.sources.losses() if any(loss[2:])]
        wrong.sort(key=lambda loss: loss.lost, reverse=True)
        for loss in wrong[:_SAID]:
            parts = [f"{counted(loss.lost, 'datagram')} lost ({_percent(loss.lost_percent)})"] if loss.lost else []
            parts += [_duplicates(loss)] if loss.duplicates else []
            parts += [counted(loss.restarts, "restart")] if loss.restarts else []
            parts += [counted(loss.unexpected, "unexpected sequence number")] if loss.unexpected else []
            yield f"agent {loss.agent}: {', '.join(parts)}"
        if len(wrong) > _SAID:
            yield f"{counted(len(wrong) - _SAID, 'more agent')} with losses, duplicates or restarts; --top --by agent lists them all"

    def _kinds(self) -> Iterator[str]:
        for kind in ("flow", "counter", "drop"):
            if count := self.samples[kind]:
                yield counted(count, f"{kind} sample")

    def _count_unwanted(self, agent: str) -> None:
        self.unwanted += 1
        if len(self._others) <= _OTHERS:
            self._others[agent] = None

    def _count_malformed(self, sender: str, why: str) -> None:
        self.malformed += 1
        if sender not in self._senders and len(self._senders) < _SAID:
            self._senders.add(sender)
            self._note(f"malformed datagram from {sender}: {why}")


def _duplicates(loss: Loss) -> str:
    text = counted(loss.duplicates, "duplicate")
    is_sent_twice = loss.duplicates > _TWICE * loss.datagrams
    return f"{text} (identical datagrams; is this collector configured twice?)" if is_sent_twice else text


def _percent(percent: float) -> str:
    return f"{percent:.0f}%" if percent >= 10 else f"{percent:.2g}%" if percent >= 0.01 else "<0.01%"
