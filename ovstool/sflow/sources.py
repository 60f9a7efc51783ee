"""Sequence numbers of agents: lost and duplicate datagrams, and restarts (pure).

A number out of sequence comes from an agent that restarted or from a stray datagram, such as an old duplicate. Later datagrams tell which:
either the previous sequence continues, or it never does (compare RFC 3550, appendix A.1).
"""

from array import array
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

MOST = 4096  # sequences tracked at a time, one for each agent, sub-agent and sender
_WINDOW = 64  # sequence numbers: how late a datagram may be to still fill its gap or be recognized as a duplicate
_FURTHEST = 2**16  # sequence numbers: a larger gap is not a loss; at 1,000 datagrams/s this is a minute
_WRAP = 2**32  # sequence numbers and uptimes have 32 bits (sFlow version 5, struct sample_datagram_v5)
_REORDERED_MS = 1000  # the uptimes of reordered datagrams differ by less


class Loss(NamedTuple):
    """The datagrams of one agent: received (duplicates included), lost, and so on.

    ``unexpected``: a sequence number that another datagram already had, or that is part of no sequence.
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
    """Datagrams with consecutive numbers."""

    __slots__ = ("_digests", "_highest", "_seen", "_uptime_ms")

    def __init__(self, sequence: int, uptime_ms: int):
        self._highest, self._uptime_ms = sequence - 1, uptime_ms
        self._seen = 2**_WINDOW - 1  # one bit per number, the highest first; numbers before the first do not count as lost
        self._digests = array("q", bytes(8 * _WINDOW))  # of the payloads, by number modulo the window; 0: not received

    def ahead(self, sequence: int) -> int:
        """The distance from the highest number so far, negative if lower."""
        return (sequence - self._highest + _WRAP // 2) % _WRAP - _WRAP // 2

    def _is_before(self, uptime_ms: int) -> bool:
        return _REORDERED_MS < self._uptime_ms - uptime_ms < _WRAP // 2

    def has(self, sequence: int, digest: int) -> bool:
        """Whether the identical datagram was received before."""
        return self._digests[sequence % _WINDOW] == digest

    def fits(self, sequence: int, uptime_ms: int) -> bool:
        """Whether a datagram belongs to this run, in order or late.

        A number that continues the run is no restart, whatever the uptime: each line card of a chassis may have its own uptime.
        """
        ahead = self.ahead(sequence)
        return 0 < ahead <= _WINDOW or (-_WINDOW < ahead <= _FURTHEST and not self._is_before(uptime_ms))

    def continues(self, sequence: int, uptime_ms: int) -> bool:
        """Whether a datagram follows this run."""
        return 0 < self.ahead(sequence) <= _FURTHEST and not self._is_before(uptime_ms)

    def add(self, sequence: int, uptime_ms: int, digest: int) -> int | None:
        """Return how many more datagrams are lost now, -1 for a late one; None if another datagram had this number."""
        ahead, at = self.ahead(sequence), sequence % _WINDOW
        if ahead > 0:
            self._seen = (self._seen << min(ahead, _WINDOW) | 1) % 2**_WINDOW
            self._highest, self._uptime_ms = sequence, uptime_ms
            lost: int | None = ahead - 1
        elif not self._seen >> -ahead & 1:
            self._seen |= 1 << -ahead
            lost = -1
        else:
            lost = None if self._digests[at] else 0  # 0: sent before the first
        self._digests[at] = digest
        return lost


class _Left(NamedTuple):
    """A run that was replaced by another, and the counters at that time."""

    run: _Run
    lost: int
    restarts: int
    unexpected: int


class _Sequence:
    """The datagrams of one sender and sub-agent."""

    __slots__ = ("_left", "_run", "_since", "datagrams", "duplicates", "lost", "restarts", "unexpected")

    def __init__(self, sequence: int, uptime_ms: int):
        self.datagrams = self.lost = self.duplicates = self.restarts = self.unexpected = 0
        self._run = _Run(sequence, uptime_ms)
        self._left: _Left | None = None  # which may still continue
        self._since = 0  # datagrams since it was replaced

    def take(self, sequence: int, uptime_ms: int, digest: int) -> bool:
        """Count a datagram; False if it is a duplicate."""
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
        """Select the run of a datagram: the current one, the replaced one if the datagrams since were strays, or a new one."""
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
        """Whether a datagram continues the replaced run rather than the current one.

        The current run may consist of old duplicates, whose numbers are more than a window behind.
        """
        ahead = self._run.ahead(sequence)
        is_nearer = not fits or (ahead > _WINDOW and left.ahead(sequence) < ahead)
        return is_nearer and left.continues(sequence, uptime_ms)


class Sources:
    """The agents seen, up to ``MOST`` at a time; the least recently seen are evicted."""

    def __init__(self, most: int = MOST):
        self._most = most
        self._sequences: OrderedDict[tuple[str, int, str], _Sequence] = OrderedDict()  # by agent, sub-agent and sender
        self.forgotten = 0  # agents

    def take(self, agent: str, sub_agent: int, sender: str, sequence: int, uptime_ms: int, payload: bytes) -> bool:
        """Count a datagram by its header; False if it is a duplicate of a recent one."""
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
        """The counters of each agent, summed over its sub-agents, sorted by address."""
        by_agent: dict[str, list[_Sequence]] = {}
        for (agent, _, _), sequence in self._sequences.items():
            by_agent.setdefault(agent, []).append(sequence)
        for agent, of in sorted(by_agent.items()):
            counts = ([getattr(sequence, name) for sequence in of] for name in Loss._fields[1:])
            yield Loss(agent, *map(sum, counts))
