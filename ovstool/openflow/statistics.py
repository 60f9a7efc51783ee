"""The statistics of tables, groups and meters in OpenFlow messages (pure); ``messages`` has those of ports and queues.

Section numbers are those of the OpenFlow Switch Specification 1.5.1; 1.0's layouts are in its section 5.3.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ovstool.openflow.messages import GROUP_STATS, METER_STATS, NEVER, TABLE, Malformed, Part

_TABLE_10 = struct.Struct("!B43xIQQ")
_TABLE_13 = struct.Struct("!B3xIQQ")
_GROUP = struct.Struct("!H2xI4x4xQQII")
_METER = struct.Struct("!IH6xIQQII")
_BAND = struct.Struct("!QQ")


class TableCounted(NamedTuple):
    """A table: how many flows it has, and how many packets were looked up and matched."""

    table: int
    flows: int
    lookups: int
    matches: int


class Passed(NamedTuple):
    """What a group or a meter, by its number, has processed; None for what the switch does not count. ``bands`` are those of a meter."""

    number: int
    packets: int | None
    bytes: int | None
    bands: list[tuple[int | None, int | None]] = []


def tables(version: int, parts: Sequence[Part]) -> list[TableCounted]:
    """The tables in a reply. Raises Malformed."""
    entry = _TABLE_10 if version == 1 else _TABLE_13
    found: list[TableCounted] = []
    for kind, _, body in parts:
        if kind != TABLE or len(body) % entry.size:
            raise Malformed("an answer to another request")
        found += map(TableCounted._make, entry.iter_unpack(body))
    return found


def groups(version: int, parts: Sequence[Part]) -> list[Passed]:
    """The groups in a reply of OpenFlow 1.3 or later. Raises Malformed."""
    found = []
    for body in _bodies(parts, GROUP_STATS):
        while body:
            length, number, packets, octets, _, _ = _unpacked(_GROUP, body)
            found.append(Passed(number, _known(packets), _known(octets)))
            body = body[_checked(length, _GROUP.size, body) :]
    return found


def meters(version: int, parts: Sequence[Part]) -> list[Passed]:
    """The meters in a reply of OpenFlow 1.3 or later. Raises Malformed."""
    found = []
    for body in _bodies(parts, METER_STATS):
        while body:
            number, length, _, packets, octets, _, _ = _unpacked(_METER, body)
            bands = body[_METER.size : _checked(length, _METER.size, body)]
            if len(bands) % _BAND.size:
                raise Malformed("a meter with a truncated band")
            passed = [(_known(above), _known(octets_above)) for above, octets_above in _BAND.iter_unpack(bands)]
            found.append(Passed(number, _known(packets), _known(octets), passed))
            body = body[length:]
    return found


def _bodies(parts: Sequence[Part], wanted: int) -> Iterator[memoryview]:
    for kind, _, body in parts:
        if kind != wanted:
            raise Malformed("an answer to another request")
        yield body


def _unpacked(entry: struct.Struct, body: memoryview) -> tuple:
    if len(body) < entry.size:
        raise Malformed("a truncated entry")
    return entry.unpack_from(body)


def _checked(length: int, least: int, body: memoryview) -> int:
    if not least <= length <= len(body):
        raise Malformed("an entry of the wrong length")
    return length


def _known(counter: int) -> int | None:
    return None if counter == NEVER else counter
