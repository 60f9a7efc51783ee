"""Agents and the sequence numbers of their datagrams: what was lost on the way, came twice, or began anew (pure).

A number that fits nowhere is of an agent that began anew or of a stray datagram, such as an old copy, which those that follow tell: the
numbers from before go on, or they never do (compare RFC 3550, appendix A.1).
"""

from array import array
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

MOST = 4096  # agents, with each of their sub-agents and senders, that are followed at a time
_WINDOW = 64  # sequence numbers: how late a datagram may be and still fill its gap, or be known as a copy
_FURTHEST = 2**16  # sequence numbers: more than these are not lost in a row, at 1,000 datagrams a second a minute
_WRAP = 2**32  # sequence numbers and uptimes have 32 bits (sFlow version 5, struct sample_datagram_v5)
_REORDERED_MS = 1000  # datagrams that overtake each other differ by less in their uptime


class Loss(NamedTuple):
    """What is known of the datagrams of one agent: those that came, copies included, and those that did not.

    ``unexpected`` are those whose sequence number another datagram had already, or that fit into no sequence.
    """

    agent: str
    datagrams: int
    lost: int
    duplicates: int
    restarts: int
    unexpected: int = 0

    @property
    def lost_percent(self) -> float:
        sent = self.datagrams - self.duplicates + self.lost
        return 100 * self.lost / sent if sent else 0.0


class _Run:
    """Datagrams that an agent numbered one after another."""

    __slots__ = ("_digests", "_highest", "_seen", "_uptime_ms")

    def __init__(self, sequence: int, uptime_ms: int):
        self._highest, self._uptime_ms = sequence - 1, uptime_ms
        self._seen = 2**_WINDOW - 1  # a bit for each number, the highest first; nothing before the first is missed
        self._digests = array("q", bytes(8 * _WINDOW))  # of the payload of each number, modulo the window; 0 where there was none

    def ahead(self, sequence: int) -> int:
        """By how much a number is higher than the highest, below 0 where it is lower."""
        return (sequence - self._highest + _WRAP // 2) % _WRAP - _WRAP // 2

    def _is_before(self, uptime_ms: int) -> bool:
        return _REORDERED_MS < self._uptime_ms - uptime_ms < _WRAP // 2

    def has(self, sequence: int, digest: int) -> bool:
        """Whether this very datagram came before."""
        return self._digests[sequence % _WINDOW] == digest

    def fits(self, sequence: int, uptime_ms: int) -> bool:
        """Whether a datagram is one of these, be it that it comes late.

        Where numbers go on nothing has begun anew, whatever the uptime says: the cards of a chassis may have one each.
        """
        ahead = self.ahead(sequence)
        return 0 < ahead <= _WINDOW or (-_WINDOW < ahead <= _FURTHEST and not self._is_before(uptime_ms))

    def continues(self, sequence: int, uptime_ms: int) -> bool:
        """Whether a datagram comes behind these."""
        return 0 < self.ahead(sequence) <= _FURTHEST and not self._is_before(uptime_ms)

    def add(self, sequence: int, uptime_ms: int, digest: int) -> int | None:
        """How many more are lost now, one less when it is late; None when another datagram had its number."""
        ahead, at = self.ahead(sequence), sequence % _WINDOW
        if ahead > 0:
            self._seen = (self._seen << min(ahead, _WINDOW) | 1) % 2**_WINDOW
            self._highest, self._uptime_ms = sequence, uptime_ms
            lost: int | None = ahead - 1
        elif not self._seen >> -ahead & 1:
            self._seen |= 1 << -ahead
            lost = -1
        else:
            lost = None if self._digests[at] else 0  # of none that came: it was sent before the first
        self._digests[at] = digest
        return lost


class _Left(NamedTuple):
    """A run that another one has taken the place of, and what was counted by then."""

    run: _Run
    lost: int
    restarts: int
    unexpected: int


class _Sequence:
    """The datagrams that one sender sent as one sub-agent."""

    __slots__ = ("_left", "_run", "_since", "datagrams", "duplicates", "lost", "restarts", "unexpected")

    def __init__(self, sequence: int, uptime_ms: int):
        self.datagrams = self.lost = self.duplicates = self.restarts = self.unexpected = 0
        self._run = _Run(sequence, uptime_ms)
        self._left: _Left | None = None  # which may still go on
        self._since = 0  # datagrams since it was left

    def take(self, sequence: int, uptime_ms: int, digest: int) -> bool:
        """Count a datagram; False when it is a copy of another."""
        self.datagrams += 1
        if self._run.has(sequence, digest) or (self._left and self._left.run.has(sequence, digest)):
            self.duplicates += 1
            return False
        self._find_run(sequence, uptime_ms)
        lost = self._run.add(sequence, uptime_ms, digest)
        if lost is None:
            self.unexpected += 1
        else:
            self.lost += lost
        return True

    def _find_run(self, sequence: int, uptime_ms: int) -> None:
        """Begin a run where none fits, go back to the one that was left when what came since was astray, or stay."""
        fits = self._run.fits(sequence, uptime_ms)
        if self._left is not None:
            if self._goes_on(self._left.run, sequence, uptime_ms, fits):
                self._run, self.lost, self.restarts, unexpected = self._left
                self.unexpected = unexpected + self._since
                self._left, fits = None, True
            elif self._since >= _WINDOW:
                self._left = None
        if not fits:
            if self._left is None:
                self._left, self._since = _Left(self._run, self.lost, self.restarts, self.unexpected), 0
            self._run = _Run(sequence, uptime_ms)
            self.restarts += 1
        self._since += 1

    def _goes_on(self, left: _Run, sequence: int, uptime_ms: int, fits: bool) -> bool:
        """Whether a datagram comes behind a run that was left, rather than behind the one that has taken its place.

        Copies end further back: those of the window are known.
        """
        ahead = self._run.ahead(sequence)
        is_nearer = not fits or (ahead > _WINDOW and left.ahead(sequence) < ahead)
        return is_nearer and left.continues(sequence, uptime_ms)


class Sources:
    """The agents that were heard, ``MOST`` of them at a time; those that were not heard for longest are no longer followed."""

    def __init__(self, most: int = MOST):
        self._most = most
        self._sequences: OrderedDict[tuple[str, int, str], _Sequence] = OrderedDict()  # by agent, sub-agent and sender
        self.forgotten = 0  # agents

    def take(self, agent: str, sub_agent: int, sender: str, sequence: int, uptime_ms: int, payload: bytes) -> bool:
        """Count a datagram by the numbers in its header; False when it is a copy of one that came just before."""
        key = agent, sub_agent, sender
        known = self._sequences.get(key)
        if known is None:
            if len(self._sequences) >= self._most:
                self._sequences.popitem(last=False)
                self.forgotten += 1
            known = self._sequences[key] = _Sequence(sequence, uptime_ms)
        else:
            self._sequences.move_to_end(key)
        return known.take(sequence, uptime_ms, hash(payload) or 1)

    def losses(self) -> Iterator[Loss]:
        """What is known of each agent, all its sub-agents together, in the order of their addresses."""
        by_agent: dict[str, list[_Sequence]] = {}
        for (agent, _, _), sequence in self._sequences.items():
            by_agent.setdefault(agent, []).append(sequence)
        for agent, of in sorted(by_agent.items()):
            counts = ([getattr(sequence, name) for sequence in of] for name in Loss._fields[1:])
            yield Loss(agent, *map(sum, counts))
