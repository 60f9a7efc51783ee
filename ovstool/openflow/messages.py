"""OpenFlow messages to bytes and back, in versions 1.0, 1.3, 1.4 and 1.5, as far as reading counters needs them (pure).

Section numbers are those of the OpenFlow Switch Specification 1.5.1; 1.0's layouts are in its section 5.3. All numbers are
big-endian. A counter that is not supported is 2^64-1 on the wire and missing in what is returned.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

VERSIONS = {1: "OpenFlow10", 4: "OpenFlow13", 5: "OpenFlow14", 6: "OpenFlow15"}  # as in the column Bridge.protocols

HEADER = struct.Struct("!BBHI")  # version, type, length, xid (7.1.1)
HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY = 0, 1, 2, 3  # the same in all versions

LOCAL = 65534  # the bridge's own port, as shown in the database; OFPP_LOCAL has 32 bits from 1.1 on
_LOCAL_32 = 0xFFFFFFFE
_ANY_32 = 0xFFFFFFFF  # OFPP_ANY, OFPQ_ALL and OFPM_ALL
_ALL_GROUPS = 0xFFFFFFFC  # OFPG_ALL
_NONE_16 = 0xFFFF  # OFPP_NONE of 1.0: all ports, for port statistics
_ALL_16 = 0xFFFC  # OFPP_ALL of 1.0: all ports, for queue statistics

TABLE = 3  # multipart type (7.3.5.4)
_PORT, _QUEUE = 4, 5  # multipart types (7.3.5.6, 7.3.5.8)
GROUP_STATS, METER_STATS = 6, 9  # the same (7.3.5.10, 7.3.5.12)
_GROUP_DESC, _METER_DESC = 7, 10  # the same (7.3.5.11, 7.3.5.14)
_LEAST_DESC = 8  # bytes of either: its length, and its number
_MORE = 1  # OFPMPF_REPLY_MORE
NEVER = 2**64 - 1  # a counter that is not supported

_MULTIPART_10 = struct.Struct("!HH")
_MULTIPART = struct.Struct("!HH4x")
_PORT_10 = struct.Struct("!H6x12Q")
_PORT_13 = struct.Struct("!I4x12QII")
_PORT_14 = struct.Struct("!H2xIII8Q")
_QUEUE_10 = struct.Struct("!H2xI3Q")
_QUEUE_13 = struct.Struct("!II3QII")
_QUEUE_14 = struct.Struct("!H6xII3QII")
_PROPERTY = struct.Struct("!HH")
_EXPERIMENTER = struct.Struct("!II")

# The names of Interface.statistics, in the order of the messages.
_PORT_COUNTERS = ("rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_dropped", "tx_dropped", "rx_errors", "tx_errors")
_ETHERNET = ("rx_frame_err", "rx_over_err", "rx_crc_err", "collisions")
_QUEUE_COUNTERS = ("tx_bytes", "tx_packets", "tx_errors")
_SIZES = ("1_to_64", "65_to_127", "128_to_255", "256_to_511", "512_to_1023", "1024_to_1522", "1523_to_max")
_RFC2819 = (
    *(f"{direction}_{size}_packets" for direction in ("rx", "tx") for size in _SIZES),
    *("tx_multicast_packets", "rx_broadcast_packets", "tx_broadcast_packets"),
    *("rx_undersized_errors", "rx_oversize_errors", "rx_fragmented_errors", "rx_jabber_errors"),
)
_ETHERNET_PROPERTY, _EXPERIMENTER_PROPERTY = 0, 0xFFFF
_INTEL = 0x0000AA01  # whose extension Open vSwitch uses for the counters of RFC 2819 and driver-specific counters
_INTEL_RFC2819, _INTEL_CUSTOM = 1, 2
_NO_RFC2819 = b"\xff" * 8 * len(_RFC2819)

_BAD_REQUEST = (
    "wrong version", "unknown message type", "unknown statistics type", "unknown experimenter", "unknown experimenter type",
    "permission denied", "wrong length", "empty buffer", "unknown buffer", "bad table", "this connection is a slave",
    "bad port", "bad packet", "the buffer overflowed",
)  # fmt: skip
_QUEUE_ERRORS = ("no such port", "no such queue", "permission denied")
_HELLO_FAILED, _REQUEST_FAILED = 0, 1  # OFPET_HELLO_FAILED, OFPET_BAD_REQUEST
_SHOWN = 200  # characters of a peer's own message; Open vSwitch's have about 100


class Malformed(Exception):
    """The peer sent an invalid OpenFlow message."""


class Counted(NamedTuple):
    """The counters of a port (``queue`` None) or of a queue; ``duration_s`` is its age, None in OpenFlow 1.0."""

    port: int
    queue: int | None
    duration_s: float | None
    counters: dict[str, int]


class Part(NamedTuple):
    """One part of a multipart reply; ``more`` if it is not the last."""

    kind: int
    more: bool
    body: memoryview


def message(version: int, kind: int, xid: int, body: bytes = b"") -> bytes:
    """One message with its header."""
    return HEADER.pack(version, kind, HEADER.size + len(body), xid) + body


def hello(xid: int) -> bytes:
    """The first message of a connection, with a bitmap of the supported versions (7.5.1)."""
    bitmap = sum(1 << version for version in VERSIONS)
    return message(max(VERSIONS), HELLO, xid, struct.pack("!HHI", 1, 8, bitmap))


def versions(version: int, body: bytes) -> list[int]:
    """The supported versions that a peer's hello offers, in ascending order. Raises Malformed.

    A hello without a bitmap offers all versions up to its own.
    """
    offset = 0
    while offset < len(body):
        try:
            kind, length = _PROPERTY.unpack_from(body, offset)
        except struct.error as error:
            raise Malformed("a truncated hello") from error
        if length < _PROPERTY.size or offset + length > len(body):
            raise Malformed("a hello with an element of the wrong length")
        if kind == 1 and length >= 8:
            (bitmap,) = struct.unpack_from("!I", body, offset + 4)
            return [known for known in VERSIONS if bitmap >> known & 1]
        offset += (length + 7) // 8 * 8
    return [known for known in VERSIONS if known <= version]


def port_stats_request(version: int, xid: int, port: int | None) -> bytes:
    """Ask for the counters of a port, or of all (7.3.5.6)."""
    if version == 1:
        return _multipart(version, xid, _PORT, struct.pack("!H6x", _NONE_16 if port is None else port))
    return _multipart(version, xid, _PORT, struct.pack("!I4x", _wide(port)))


def queue_stats_request(version: int, xid: int, port: int | None) -> bytes:
    """Ask for the counters of all queues of a port, or of all ports (7.3.5.8)."""
    if version == 1:
        return _multipart(version, xid, _QUEUE, struct.pack("!H2xI", _ALL_16 if port is None else port, _ANY_32))
    return _multipart(version, xid, _QUEUE, struct.pack("!II", _wide(port), _ANY_32))


def groups_request(version: int, xid: int) -> bytes:
    """Ask for the descriptions of all groups (7.3.5.11). OpenFlow 1.0 has none."""
    return _multipart(version, xid, _GROUP_DESC, struct.pack("!I4x", _ALL_GROUPS) if version == 6 else b"")


def meters_request(version: int, xid: int) -> bytes:
    """Ask for the descriptions of all meters (7.3.5.14). OpenFlow 1.0 has none."""
    return _multipart(version, xid, _METER_DESC, struct.pack("!I4x", _ANY_32))


def group_stats_request(version: int, xid: int) -> bytes:
    """Ask for the counters of all groups (7.3.5.10). OpenFlow 1.0 has none."""
    return _multipart(version, xid, GROUP_STATS, struct.pack("!I4x", _ALL_GROUPS))


def meter_stats_request(version: int, xid: int) -> bytes:
    """Ask for the counters of all meters (7.3.5.12). OpenFlow 1.0 has none."""
    return _multipart(version, xid, METER_STATS, struct.pack("!I4x", _ANY_32))


def tables_request(version: int, xid: int) -> bytes:
    """Ask for the number of flows of each table, and its counters (7.3.5.4)."""
    return _multipart(version, xid, TABLE, b"")


def part(version: int, kind: int, body: bytes) -> Part | None:
    """A part of a multipart reply (7.3.5.1), or None for another message. Raises Malformed."""
    if kind != (17 if version == 1 else 19):
        return None
    fixed = _MULTIPART_10 if version == 1 else _MULTIPART
    if len(body) < fixed.size:
        raise Malformed("an answer without its header")
    multipart_kind, flags = fixed.unpack_from(body)
    return Part(multipart_kind, bool(flags & _MORE), memoryview(body)[fixed.size :])


def counted(version: int, parts: Sequence[Part]) -> Iterator[Counted]:
    """The ports or queues in a reply, in its order. Raises Malformed."""
    try:
        for kind, _, body in parts:
            if kind == _PORT:
                yield from _ports_14(body) if version >= 5 else _ports(version, body)
            elif kind == _QUEUE:
                yield from _queues_14(body) if version >= 5 else _queues(version, body)
            else:
                raise Malformed("an answer to another request")
    except struct.error as error:
        raise Malformed("truncated counters") from error


def groups_and_meters(parts: Sequence[Part]) -> tuple[int, int]:
    """The number of groups and of meters in the replies to both requests. Raises Malformed."""
    found = {_GROUP_DESC: 0, _METER_DESC: 0}
    for kind, _, body in parts:
        if kind not in found:
            raise Malformed("an answer to another request")
        try:
            found[kind] += sum(1 for _ in _entries(body, _LEAST_DESC))
        except struct.error as error:
            raise Malformed("truncated descriptions") from error
    return found[_GROUP_DESC], found[_METER_DESC]


def explained(version: int, body: bytes) -> str:
    """An error message in words (7.5.4)."""
    kind, code = _error(body)
    if kind == _HELLO_FAILED:
        # Open vSwitch lists its versions in the data.
        words = bytes(body[4:]).decode("ascii", "replace").strip("\0 ")
        return (words if len(words) <= _SHOWN else f"{words[:_SHOWN]}...") or "no OpenFlow version in common"
    if kind == _REQUEST_FAILED and code < len(_BAD_REQUEST):
        return f"bad request: {_BAD_REQUEST[code]} (OFPET_BAD_REQUEST, code {code})"
    if kind == _queue_failed(version) and code < len(_QUEUE_ERRORS):
        return f"{_QUEUE_ERRORS[code]} (OFPET_QUEUE_OP_FAILED, code {code})"
    return f"OpenFlow error type {kind}, code {code}"


def is_bad_port(version: int, body: bytes) -> bool:
    """Whether the error means "no such port", as after a port has been deleted."""
    return _error(body) in ((_queue_failed(version), 0), (_REQUEST_FAILED, 11))


def _error(body: bytes) -> tuple[int, int]:
    if len(body) < 4:
        raise Malformed("an error without a type")
    kind, code = struct.unpack_from("!HH", body)
    return kind, code


def _queue_failed(version: int) -> int:
    """OFPET_QUEUE_OP_FAILED."""
    return 5 if version == 1 else 9


def _multipart(version: int, xid: int, kind: int, body: bytes) -> bytes:
    if version == 1:
        return message(version, 16, xid, _MULTIPART_10.pack(kind, 0) + body)
    return message(version, 18, xid, _MULTIPART.pack(kind, 0) + body)


def _wide(port: int | None) -> int:
    return _ANY_32 if port is None else _LOCAL_32 if port == LOCAL else port


def _narrow(port: int) -> int:
    return LOCAL if port == _LOCAL_32 else port


def _supported(names: Iterable[str], values: Iterable[int]) -> dict[str, int]:
    return {name: value for name, value in zip(names, values, strict=True) if value != NEVER}


def _age(seconds: int, nanoseconds: int) -> float | None:
    return None if seconds == 0xFFFFFFFF else seconds + nanoseconds / 1e9


def _ports(version: int, body: memoryview) -> Iterator[Counted]:
    names = (*_PORT_COUNTERS, *_ETHERNET)
    if version == 1:
        for port, *values in _PORT_10.iter_unpack(body):
            yield Counted(port, None, None, _supported(names, values))
        return
    for port, *values, seconds, nanoseconds in _PORT_13.iter_unpack(body):
        yield Counted(_narrow(port), None, _age(seconds, nanoseconds), _supported(names, values))


def _queues(version: int, body: memoryview) -> Iterator[Counted]:
    if version == 1:
        for port, queue, *values in _QUEUE_10.iter_unpack(body):
            yield Counted(port, queue, None, _supported(_QUEUE_COUNTERS, values))
        return
    for port, queue, *values, seconds, nanoseconds in _QUEUE_13.iter_unpack(body):
        yield Counted(_narrow(port), queue, _age(seconds, nanoseconds), _supported(_QUEUE_COUNTERS, values))


def _ports_14(body: memoryview) -> Iterator[Counted]:
    layouts: dict[int, _Layout] = {}
    for entry in _entries(body, _PORT_14.size):
        _, port, seconds, nanoseconds, *values = _PORT_14.unpack_from(entry)
        counters = _supported(_PORT_COUNTERS, values)
        for kind, value in _properties(entry[_PORT_14.size :]):
            if kind == _ETHERNET_PROPERTY:
                counters |= _supported(_ETHERNET, struct.unpack_from("!4x4Q", value))
            elif kind == _EXPERIMENTER_PROPERTY:
                for name, number in _extension(value, layouts).items():
                    counters.setdefault(name, number)  # a driver may give its counters any name
        yield Counted(_narrow(port), None, _age(seconds, nanoseconds), counters)


def _queues_14(body: memoryview) -> Iterator[Counted]:
    for entry in _entries(body, _QUEUE_14.size):
        _, port, queue, *values, seconds, nanoseconds = _QUEUE_14.unpack_from(entry)
        yield Counted(_narrow(port), queue, _age(seconds, nanoseconds), _supported(_QUEUE_COUNTERS, values))


def _entries(body: memoryview, least: int) -> Iterator[memoryview]:
    """Entries that begin with their length (1.4 and later)."""
    while body:
        (length,) = struct.unpack_from("!H", body)
        if not least <= length <= len(body):
            raise Malformed("an entry of the wrong length")
        yield body[:length]
        body = body[length:]


def _properties(body: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Properties without their headers: each is type, length (the header's four bytes included), value, and padding to 8 bytes."""
    while body:
        kind, length = _PROPERTY.unpack_from(body)
        if not _PROPERTY.size <= length <= len(body):
            raise Malformed("a property of the wrong length")
        yield kind, body[_PROPERTY.size : length]
        body = body[(length + 7) // 8 * 8 :]


class _Layout(NamedTuple):
    """How the counters of a driver are laid out, which is mostly the same for many ports in a row: names and numbers take turns."""

    fields: struct.Struct
    names: tuple[bytes, ...]
    decoded: list[str]


def _extension(value: memoryview, layouts: dict[int, _Layout]) -> dict[str, int]:
    """Counters in Open vSwitch's extension; other extensions are ignored. ``layouts`` of drivers so far are by size."""
    experimenter, kind = _EXPERIMENTER.unpack_from(value)
    if (experimenter, kind) == (_INTEL, _INTEL_RFC2819):
        if value[_EXPERIMENTER.size + 4 :] == _NO_RFC2819:  # as of most ports
            return {}
        return _supported(_RFC2819, struct.unpack_from(f"!4x{len(_RFC2819)}Q", value, _EXPERIMENTER.size))
    if (experimenter, kind) != (_INTEL, _INTEL_CUSTOM):
        return {}
    layout = layouts.get(len(value))
    fields = layout.fields.unpack_from(value) if layout else ()
    if layout is None or not fields or fields[::2] != layout.names:
        layout = layouts[len(value)] = _laid_out(value)
        fields = layout.fields.unpack_from(value)
    return {name: number for name, number in zip(layout.decoded, fields[1::2], strict=True) if number != NEVER}


def _laid_out(value: memoryview) -> _Layout:
    """The layout of a driver's counters; the bytes before the first belong to its name."""
    (count,) = struct.unpack_from("!2xH", value, _EXPERIMENTER.size)
    begin, offset = 0, _EXPERIMENTER.size + 4
    sizes, decoded = [], []
    for _ in range(count):
        (size,) = struct.unpack_from("!B", value, offset)
        end = offset + 1 + size
        decoded.append(bytes(value[offset + 1 : end]).decode("utf-8", "replace"))
        sizes.append(end - begin)
        begin = offset = end + 8
    fields = struct.Struct("!" + "".join(f"{size}sQ" for size in sizes))
    return _Layout(fields, fields.unpack_from(value)[::2], decoded)
