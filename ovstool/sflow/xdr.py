"""XDR (RFC 4506) structures of sFlow, decoded by tables (pure).

A table has one line per structure: its number, its name and its fields, ``name`` or ``name:kind``. Fields after ``|`` were added to the
structure later, and older agents do not send them. Bytes after the last known field are ignored, since structures may be extended at the
end (sFlow v5, section 5.3, "Structure extension").
"""

import socket
import struct
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

_U32 = struct.Struct("!I")
_TYPE_AND_LENGTH = struct.Struct("!II")
_SEVERAL = frozenset(("queue_length",))  # structures that a sample may contain several times


class Malformed(Exception):
    """Invalid or truncated data."""


def mac(octets: bytes) -> str:
    """A MAC address in Open vSwitch's notation."""
    return octets.hex(":")


new = tuple.__new__  # creates a named tuple twice as fast as its constructor, which matters at thousands per second
ipv4 = lru_cache(4096)(socket.inet_ntoa)  # most traffic has few addresses


def ip(octets: bytes) -> str:
    """An IPv4 or IPv6 address, of 4 or 16 bytes."""
    return ipv4(octets) if len(octets) == 4 else socket.inet_ntop(socket.AF_INET6, octets)


def padded(length: int) -> int:
    """``length`` rounded up to a multiple of four, as XDR pads."""
    return (length + 3) & ~3


def opaque(body: bytes, offset: int) -> tuple[bytes, int]:
    """Length-prefixed bytes, and the offset of the next field. Raises Malformed."""
    (length,) = _U32.unpack_from(body, offset)
    offset += 4
    if length > len(body) - offset:
        raise Malformed(f"truncated: field needs {length} bytes, {len(body) - offset} remain")
    return body[offset : offset + length], offset + padded(length)


def numbers(body: bytes, offset: int) -> tuple[list[int], int]:
    """A counted array of 32-bit numbers, and the offset of the next field. Raises Malformed."""
    (count,) = _U32.unpack_from(body, offset)
    offset += 4
    if count * 4 > len(body) - offset:
        raise Malformed(f"truncated: {count} numbers announced, room for {(len(body) - offset) // 4}")
    return list(struct.unpack_from(f"!{count}I", body, offset)), offset + count * 4


def address(body: bytes, offset: int) -> tuple[str | None, int]:
    """An address preceded by its type, None for type 0 (unknown), and the offset of the next field. Raises Malformed."""
    (kind,) = _U32.unpack_from(body, offset)
    length = _ADDRESS_BYTES.get(kind)
    if length is None:
        raise Malformed(f"unknown address type {kind}")
    if length > len(body) - offset - 4:
        raise Malformed("truncated address")
    offset += 4
    return (ip(body[offset : offset + length]) if length else None), offset + length


_ADDRESS_BYTES = {0: 0, 1: 4, 2: 16}


def text(body: bytes, offset: int) -> tuple[str, int]:
    """A string, with invalid UTF-8 replaced by U+FFFD. Raises Malformed."""
    octets, offset = opaque(body, offset)
    return octets.decode("utf-8", "replace"), offset


def _known_32(value: int) -> int | None:
    return None if value == 0xFFFFFFFF else value


def _known_64(value: int) -> int | None:
    return None if value == 2**64 - 1 else value


def words(*names: str) -> Callable[[int], str]:
    """A conversion of a number into its name, or into digits if it has none."""
    return lambda value: names[value] if value < len(names) else str(value)


class _Fixed(NamedTuple):
    """Consecutive fields of fixed size, unpacked together."""

    names: tuple[str, ...]
    layout: struct.Struct
    conversions: tuple[tuple[str, Callable], ...]

    def read(self, body: bytes, offset: int, row: dict[str, Any]) -> int:
        row.update(zip(self.names, self.layout.unpack_from(body, offset), strict=True))
        for name, conversion in self.conversions:
            row[name] = conversion(row[name])
        return offset + self.layout.size


class _Varying(NamedTuple):
    """A field of variable length."""

    name: str
    reader: Callable[[bytes, int], tuple[Any, int]]

    def read(self, body: bytes, offset: int, row: dict[str, Any]) -> int:
        row[self.name], offset = self.reader(body, offset)
        return offset


# Kinds of fixed size: struct format and conversion. A counter with all bits set is not available.
FIXED: dict[str, tuple[str, Callable | None]] = {
    "u8": ("B", None), "u32": ("I", None), "u64": ("Q", None), "s32": ("i", None), "n32": ("I", _known_32), "n64": ("Q", _known_64),
    "mac": ("6s2x", mac), "ipv4": ("4s", ip), "ipv6": ("16s", ip), "uuid": ("16s", lambda octets: str(uuid.UUID(bytes=octets))),
}  # fmt: skip
VARYING: dict[str, Callable[[bytes, int], tuple[Any, int]]] = {"address": address, "text": text, "numbers": numbers}


class Structure(NamedTuple):
    """A structure of a specification: its name there, in snake case, and how to decode its fields."""

    name: str
    steps: tuple[_Fixed | _Varying, ...]
    later: tuple[_Fixed | _Varying, ...]

    @property
    def fields(self) -> list[str]:
        """The names of all fields."""
        both = (*self.steps, *self.later)
        return [name for step in both for name in (step.names if isinstance(step, _Fixed) else (step.name,))]

    def read(self, body: bytes) -> dict[str, Any]:
        """Decode the fields. Raises Malformed if they are truncated."""
        row: dict[str, Any] = {}
        try:
            offset = 0
            for step in self.steps:
                offset = step.read(body, offset, row)
            for step in self.later if offset < len(body) else ():
                offset = step.read(body, offset, row)
        except struct.error as error:
            raise Malformed(f"{self.name}: truncated, {len(body)} bytes") from error
        except Malformed as error:
            raise Malformed(f"{self.name}: {error}") from error
        return row


def structures(table: str, usual: str, fixed: Mapping = FIXED, varying: Mapping = VARYING) -> dict[int, Structure]:
    """Parse a table into structures by number; fields without a kind are of kind ``usual``."""
    found = {}
    for line in table.replace("\\\n", " ").strip().splitlines():
        number, name, *fields = line.split()
        first, _, later = " ".join(fields).partition("|")
        enterprise, _, form = number.rpartition(":")
        steps = (tuple(_steps(part.split(), usual, fixed, varying)) for part in (first, later))
        found[int(enterprise or 0) << 12 | int(form)] = Structure(name, *steps)
    return found


def _steps(fields: list[str], usual: str, fixed: Mapping, varying: Mapping) -> Iterator[_Fixed | _Varying]:
    named = [(name, kind or usual) for name, _, kind in (field.partition(":") for field in fields)]
    for is_fixed, group in groupby(named, lambda field: field[1] in fixed):
        if not is_fixed:
            yield from (_Varying(name, varying[kind]) for name, kind in group)
            continue
        run = list(group)
        layout = struct.Struct("!" + "".join(fixed[kind][0] for _, kind in run))
        conversions = tuple((name, fixed[kind][1]) for name, kind in run if fixed[kind][1])
        yield _Fixed(tuple(name for name, _ in run), layout, conversions)


class Record(NamedTuple):
    """A record of a sample: the lowest 12 bits of ``tag`` are the structure's number, the bits above the enterprise."""

    tag: int
    body: bytes

    @property
    def label(self) -> str:
        """Enterprise and number, such as ``0:1001``."""
        return f"{self.tag >> 12}:{self.tag & 0xFFF}"


def records(data: bytes, offset: int, end: int, count: int) -> tuple[list[Record], int]:
    """The ``count`` records of a sample, and the offset of their end. Raises Malformed."""
    found: list[Record] = []
    for _ in range(count):
        if offset + 8 > end:
            raise Malformed(f"truncated: {count} records announced, {len(found)} present")
        tag, length = _TYPE_AND_LENGTH.unpack_from(data, offset)
        offset += 8
        stop = offset + length
        if stop > end:
            raise Malformed(f"truncated: record needs {length} bytes, {end - offset} remain")
        found.append(new(Record, (tag, data[offset:stop])))
        offset = stop + (-length & 3)
    return found, offset


def told(found: Iterable[Record], read: Callable[[Record], tuple[str, Any] | None], row: dict[str, Any]) -> dict[str, Any]:
    """Add the fields of each record to a row, under the name of its structure.

    ``unknown_records`` lists those that ``read`` does not know, ``malformed`` is the first error. A repeated structure is ``NAME_2`` and so on;
    those in ``_SEVERAL`` are always lists.
    """
    times: Counter[str] = Counter()
    for record in found:
        try:
            said = read(record)
        except Malformed as error:
            row.setdefault("malformed", str(error))
            continue
        if said is None:
            row.setdefault("unknown_records", []).append(record.label)
            continue
        name, fields = said
        times[name] += 1
        if name in _SEVERAL:
            row.setdefault(name, []).append(fields)
        else:
            row[name if times[name] == 1 else f"{name}_{times[name]}"] = fields
    return row
