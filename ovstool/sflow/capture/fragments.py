"""IP reassembly of UDP datagrams (pure; RFC 791, section 3.2, RFC 8200, section 4.5).

Captures are untrusted: incomplete datagrams are bounded in number, size and time, and overlapping fragments discard the whole datagram
(RFC 5722).
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

MOST = 64  # incomplete datagrams
MOST_BYTES = 2**22  # of memory for them
_PATIENCE_S = 2.0  # Linux waits 30 s, but a sender may reuse the 65,536 IPv4 identifications sooner
_LONGEST = 65535  # bytes of a datagram
_OVERHEAD = 128  # bytes of memory for a fragment, in addition to its data


class Fragment(NamedTuple):
    """A fragment at ``offset``; ``datagram`` is the key of all its fragments: addresses and identification."""

    datagram: tuple[bytes, bytes, int]
    offset: int
    is_last: bool
    data: bytes


class Udp(NamedTuple):
    """A UDP datagram with its header and arrival time; if incomplete, the content of its first fragment."""

    time: float
    source: bytes
    data: bytes


class _Partial:
    """The fragments of a datagram so far; ``_length`` is the total length, known once the last fragment is there."""

    __slots__ = ("_came", "_length", "_offsets", "_parts", "is_sound", "octets", "time")

    def __init__(self, time: float):
        self.time = time
        self.is_sound = True
        self.octets = 0  # of memory
        self._came = 0  # bytes of the datagram
        self._offsets: list[int] = []  # in their order
        self._parts: dict[int, bytes] = {}
        self._length: int | None = None

    @property
    def first(self) -> bytes:
        """The fragment with the UDP header, empty if missing."""
        return self._parts.get(0, b"")

    def has(self, offset: int, data: bytes) -> bool:
        return self._parts.get(offset) == data

    def add(self, offset: int, is_last: bool, data: bytes) -> None:
        """Add a fragment; duplicates are ignored, and one that overlaps another or exceeds the length makes the datagram unsound."""
        if not self.is_sound or self.has(offset, data):
            return
        self.is_sound = self._is_possible(offset, is_last, data)
        if not self.is_sound:
            self._parts, self._offsets, self.octets = {}, [], _OVERHEAD
            return
        if is_last:
            self._length = offset + len(data)
        self._offsets.insert(bisect_left(self._offsets, offset), offset)
        self._parts[offset] = data
        self._came += len(data)
        self.octets += len(data) + _OVERHEAD

    def _is_possible(self, offset: int, is_last: bool, data: bytes) -> bool:
        end = offset + len(data)
        at = bisect_left(self._offsets, offset)
        before = self._offsets[at - 1] if at else None
        overlaps = before is not None and before + len(self._parts[before]) > offset
        overlaps = overlaps or (at < len(self._offsets) and self._offsets[at] < end)
        is_beyond = end > (_LONGEST if self._length is None else self._length)
        is_the_last = not is_last or (self._length is None and at == len(self._offsets))
        return bool(data) and is_the_last and not overlaps and not is_beyond

    @property
    def is_whole(self) -> bool:
        return self.is_sound and self._came == self._length

    def whole(self) -> bytes:
        return b"".join(self._parts[offset] for offset in self._offsets)


class Fragments:
    """Datagrams being reassembled. Complete ones are kept for a while to recognize duplicates: many captures contain each packet twice.

    ``partials`` has the fragments by datagram, ``incomplete`` counts the datagrams that were discarded.
    """

    def __init__(self) -> None:
        self.incomplete = 0
        self.partials: OrderedDict[tuple[bytes, bytes, int], _Partial] = OrderedDict()
        self._octets = 0

    def add(self, time: float, fragment: Fragment) -> Iterator[Udp]:
        """Yield the datagram that a fragment completes, and those that are evicted to make room for it."""
        key = fragment.datagram
        partial = self.partials.get(key)
        if partial and partial.is_whole:
            if partial.has(fragment.offset, fragment.data):
                return
            self._forget(key)  # its identification is reused
            partial = None
        if partial is None:
            partial = self.partials[key] = _Partial(time)
        self._octets -= partial.octets
        partial.add(*fragment[1:])
        self._octets += partial.octets
        if partial.is_whole:
            yield Udp(time, key[0], partial.whole())
        while len(self.partials) > MOST or self._octets > MOST_BYTES:
            yield from self._given_up(next(iter(self.partials)))

    def give_up(self, before: float) -> Iterator[Udp]:
        """Yield the first fragments of datagrams that have timed out by ``before``."""
        while self.partials:
            key, partial = next(iter(self.partials.items()))
            if partial.time > before - _PATIENCE_S:
                break
            yield from self._given_up(key)

    def _forget(self, key: tuple[bytes, bytes, int]) -> _Partial:
        partial = self.partials.pop(key)
        self._octets -= partial.octets
        return partial

    def _given_up(self, key: tuple[bytes, bytes, int]) -> Iterator[Udp]:
        partial = self._forget(key)
        self.incomplete += not partial.is_whole
        if partial.first and not partial.is_whole:
            yield Udp(partial.time, key[0], partial.first)
