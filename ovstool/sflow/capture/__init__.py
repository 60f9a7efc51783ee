"""Packet captures: datagrams read from pcap and pcapng, sampled headers written as pcapng (pure except for the open file).

Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng; link types: tcpdump.org/linktypes.html. The input may be a pipe, and may be
truncated anywhere.
"""

import io
import math
import struct
from collections.abc import Iterator
from itertools import starmap
from typing import Any, BinaryIO, NamedTuple, NoReturn, cast

from ovstool.sflow.capture.fragments import Fragment, Fragments, Udp
from ovstool.sflow.flow_records import SampledHeader
from ovstool.sflow.xdr import Malformed, ip, new, padded

_PCAP = {
    b"\xa1\xb2\xc3\xd4": (">", 1e-6), b"\xa1\xb2\x3c\x4d": (">", 1e-9), b"\xd4\xc3\xb2\xa1": ("<", 1e-6), b"\x4d\x3c\xb2\xa1": ("<", 1e-9),
}  # magic numbers: byte order and time resolution in seconds  # fmt: skip
_PCAPNG = b"\x0a\x0d\x0d\x0a"  # block type of a section header, the same in both byte orders
_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_SECTION, _INTERFACE, _PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6  # block types
_TIME_RESOLUTION, _TIME_OFFSET, _NAME = 9, 14, 2  # interface options
_LONGEST = 1 << 20  # bytes of a packet or block; libpcap's limit is a quarter of this
_MOST_INTERFACES = 4096  # of a section
_MOST_NAMES, _LONGEST_NAME = 1024, 255  # of interfaces in the output
_GZIP = b"\x1f\x8b"  # RFC 1952, section 2.3.1

# Seconds since 1970, until 2242: valid for the C library and for pcapng. Later timestamps are an error when reading rather than clamped,
# since rates are computed from them.
_LATEST = 2**33

# By link type: the offsets of the EtherType and of the network layer.
_ETHERNET, _COOKED, _COOKED_2 = 1, 113, 276
_NULL, _LOOP = 0, 108
_RAW = frozenset((12, 14, 101, 228, 229))
_TYPED = {_ETHERNET: (12, 14), _COOKED: (14, 16), _COOKED_2: (0, 20)}
_TAGS = frozenset((0x8100, 0x88A8, 0x9100))
_IP = frozenset((0x0800, 0x86DD))
_IPV4, _IPV6 = struct.Struct("!2xHHHxBxx4s4s"), struct.Struct("!4xHBx16s16s")
_UDP_HEADER = struct.Struct("!2xHH2x")
_UDP, _FRAGMENT = 17, 44
_OPTIONS = frozenset((0, 43, 60))  # IPv6 extension headers with a common format (RFC 6564)

# Link types by header_protocol.
_LINK_TYPES = {1: 1, 3: 6, 4: 10, 5: 107, 7: 9, 11: 228, 12: 229, 14: 50, 15: 105, 17: 1, 18: 247}


class Compressed(Malformed):
    """A gzip-compressed capture."""


class Received(NamedTuple):
    """A UDP datagram of a capture: ``time`` in seconds since 1970, its destination ``port``, and whether the snaplen cut it."""

    time: float
    address: str
    port: int
    payload: bytes
    is_cut: bool = False


class _Packet(NamedTuple):
    time: float
    link_type: int
    data: bytes


class _Clock(NamedTuple):
    """A pcapng interface: its link type, and the resolution and offset of its timestamps."""

    link_type: int
    resolution: float
    offset: int


def read(file: BinaryIO, fragments: Fragments | None = None) -> Iterator[Received]:
    """The UDP datagrams of a capture. Raises Malformed for any other file, and after the last complete packet of a truncated one.

    Raises Compressed for gzip. ``fragments`` counts the datagrams that could not be reassembled.
    """
    magic = _up_to(file, 4)
    if magic in _PCAP:
        packets = _pcap(file, *_PCAP[magic])
    elif magic == _PCAPNG:
        packets = _pcapng(file)
    elif magic[:2] == _GZIP:
        raise Compressed("compressed with gzip")
    else:
        raise Malformed("neither pcap nor pcapng" if magic else "empty file")
    fragments = Fragments() if fragments is None else fragments
    damage = None
    try:
        for packet in packets:
            if fragments.partials:
                yield from _reassembled(fragments.give_up(packet.time))
            found = _udp(packet)
            if type(found) is Received:
                yield found
            elif found:
                yield from _reassembled(fragments.add(packet.time, cast(Fragment, found)))
    except Malformed as error:
        damage = error
    yield from _reassembled(fragments.give_up(math.inf))
    if damage:
        raise damage


def _reassembled(datagrams: Iterator[Udp]) -> Iterator[Received]:
    """Datagrams from their fragments; where some are missing, it is not the snaplen that cut them."""
    for received in filter(None, starmap(_received, datagrams)):
        yield received._replace(is_cut=False)


def _pcap(file: BinaryIO, order: str, resolution: float) -> Iterator[_Packet]:
    (link_type,) = struct.unpack_from(f"{order}16xI", _bytes(file, 20))
    record = struct.Struct(f"{order}4I")
    while head := _up_to(file, record.size):
        if len(head) < record.size:
            raise Malformed("ends in the middle of a packet")
        seconds, fraction, length, _ = record.unpack(head)
        if length > _LONGEST:
            raise Malformed(f"implausible packet length {length}")
        yield new(_Packet, (seconds + fraction * resolution, link_type & 0xFFFF, _bytes(file, length)))


def _pcapng(file: BinaryIO) -> Iterator[_Packet]:
    order = ">"
    interfaces: list[_Clock] = []
    kind = _PCAPNG
    while kind:
        if kind == _PCAPNG:
            order, interfaces = _section(file), []
        else:
            (number,) = struct.unpack(f"{order}I", kind) if len(kind) == 4 else _cut()
            body = _block(file, order, number in (_INTERFACE, _PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET))
            if number == _INTERFACE:
                interfaces.append(_interface(body, order))
                if len(interfaces) > _MOST_INTERFACES:
                    raise Malformed(f"more than {_MOST_INTERFACES} interfaces")
            elif body:
                yield _packet(number, body, order, interfaces)
        kind = _up_to(file, 4)


def _section(file: BinaryIO) -> str:
    """The byte order of a section, whose header is skipped."""
    head = _bytes(file, 8)
    order = _ORDERS.get(head[4:])
    if order is None:
        raise Malformed("unknown byte order")
    (length,) = struct.unpack(f"{order}I", head[:4])
    if length < 16:
        raise Malformed(f"invalid block length {length}")
    _pass_over(file, padded(length) - 12)
    return order


def _block(file: BinaryIO, order: str, is_of_interest: bool) -> bytes:
    """The body of a block, empty if it is not of interest."""
    (length,) = struct.unpack(f"{order}I", _bytes(file, 4))
    if length < 12 or (is_of_interest and length > _LONGEST):
        raise Malformed(f"invalid block length {length}")
    if not is_of_interest:
        _pass_over(file, padded(length) - 8)
        return b""
    return _bytes(file, padded(length) - 8)[:-4]


def _interface(body: bytes, order: str) -> _Clock:
    if len(body) < 8:
        raise Malformed("truncated interface description block")
    (link_type,) = struct.unpack_from(f"{order}H", body)
    resolution, seconds, offset = 1e-6, 0, 8
    while offset + 4 <= len(body):
        option, length = struct.unpack_from(f"{order}HH", body, offset)
        value = body[offset + 4 : offset + 4 + length]
        if option == _TIME_RESOLUTION and len(value) == 1:
            resolution = 2.0 ** -(value[0] & 0x7F) if value[0] & 0x80 else 10.0 ** -value[0]
        elif option == _TIME_OFFSET and len(value) == 8:
            (seconds,) = struct.unpack(f"{order}q", value)
        offset += 4 + padded(length)
    return _Clock(link_type, resolution, seconds)


def _packet(number: int, body: bytes, order: str, interfaces: list[_Clock]) -> _Packet:
    layout = struct.Struct(order + {_ENHANCED_PACKET: "IIIII", _PACKET: "HHIIII", _SIMPLE_PACKET: "I"}[number])
    if len(body) < layout.size:
        raise Malformed("truncated packet block")
    values = layout.unpack_from(body)
    which = 0 if number == _SIMPLE_PACKET else values[0]
    if which >= len(interfaces):
        raise Malformed(f"packet on interface {which}, but only {len(interfaces)} described")
    clock, data = interfaces[which], body[layout.size :]
    if number == _SIMPLE_PACKET:
        return _Packet(0.0, clock.link_type, data[: values[0]])
    high, low, length = values[-4:-1]
    time = (high << 32 | low) * clock.resolution + clock.offset
    if not 0 <= time <= _LATEST:
        raise Malformed(f"implausible timestamp: {time:.6g} seconds since 1970")
    return _Packet(time, clock.link_type, data[:length])


def _udp(packet: _Packet) -> Received | Fragment | None:
    """The UDP datagram in a packet, or a fragment of one; None if it is neither."""
    data = packet.data
    try:
        offset = _network_offset(packet.link_type, data)
        if offset is None:
            return None
        return (_of_ipv4 if data[offset] >> 4 == 4 else _of_ipv6)(packet.time, data, offset)
    except (struct.error, IndexError):
        return None


def _of_ipv4(time: float, data: bytes, offset: int) -> Received | Fragment | None:
    length, number, fragment, proto, source, destination = _IPV4.unpack_from(data, offset)
    if proto != _UDP:
        return None
    begin = offset + (data[offset] & 0xF) * 4
    if not fragment & 0x3FFF:
        return _received(time, source, data, begin)
    # A short packet is followed by Ethernet padding.
    part = data[begin : offset + length if length else None]
    return Fragment((source, destination, number), (fragment & 0x1FFF) * 8, not fragment & 0x2000, part)


def _of_ipv6(time: float, data: bytes, offset: int) -> Received | Fragment | None:
    length, proto, source, destination = _IPV6.unpack_from(data, offset)
    begin, end = offset + 40, offset + 40 + length if length else None
    while proto in _OPTIONS:
        proto, size = data[begin], data[begin + 1]
        begin += (size + 1) * 8
    if proto == _UDP:
        return _received(time, source, data, begin)
    if proto != _FRAGMENT or data[begin] != _UDP:
        return None
    place, number = struct.unpack_from("!2xHI", data, begin)
    return Fragment((source, destination, number), place & 0xFFF8, not place & 1, data[begin + 8 : end])


def _received(time: float, source: bytes, data: bytes, begin: int = 0) -> Received | None:
    """The datagram whose UDP header is at ``begin``; None if the header is truncated."""
    if begin + 8 > len(data):
        return None
    port, length = _UDP_HEADER.unpack_from(data, begin)
    return new(Received, (time, ip(source), port, data[begin + 8 : begin + max(8, length)], begin + length > len(data)))


def _network_offset(link_type: int, data: bytes) -> int | None:
    """The offset of the IP packet, None if there is none. Raises struct.error if the data are truncated before it."""
    if link_type in _RAW:
        return 0
    if link_type in (_NULL, _LOOP):
        return 4
    if link_type not in _TYPED:
        return None
    at, offset = _TYPED[link_type]
    (kind,) = struct.unpack_from("!H", data, at)
    while kind in _TAGS:
        (kind,) = struct.unpack_from("!H", data, offset + 2)
        offset += 4
    return offset if kind in _IP else None


def _up_to(file: BinaryIO, length: int) -> bytes:
    """Read up to ``length`` bytes; fewer only at the end of the file."""
    found = b""
    while len(found) < length and (more := file.read(length - len(found))):
        found += more
    return found


def _bytes(file: BinaryIO, length: int) -> bytes:
    found = _up_to(file, length)
    return found if len(found) == length else _cut()


def _pass_over(file: BinaryIO, length: int) -> None:
    while length > 0:
        length -= len(_bytes(file, min(length, _LONGEST)))


def _cut() -> NoReturn:
    raise Malformed("ends in the middle of a packet")


class Writer:
    """Writes sampled headers as pcapng, with the original packet lengths.

    Each block is one write, so that the file is valid whenever the program is stopped.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._interfaces: dict[tuple[int, str], int] = {}
        self._write(_SECTION, struct.pack("!IHHq", 0x1A2B3C4D, 1, 0, -1))

    def write(self, time: float, header: SampledHeader, interface: str) -> bool:
        """Add a packet sampled at an interface; False if there is no link type for it.

        A ``time`` outside 0 to 2**33 seconds since 1970 is clamped.
        """
        link_type = _LINK_TYPES.get(header.protocol)
        if link_type is None:
            return False
        high, low = divmod(int(min(max(time, 0), _LATEST) * 1_000_000), 1 << 32)
        head = (self._number(link_type, interface), high, low, len(header.data), max(header.frame_bytes, len(header.data)))
        self._write(_ENHANCED_PACKET, struct.pack("!IIIII", *head) + _filled(header.data))
        return True

    def _number(self, link_type: int, name: str) -> int:
        """The number of an interface, which is described before its first packet; beyond a limit, interfaces share one without a name."""
        key = (link_type, name)
        if key not in self._interfaces and len(self._interfaces) >= _MOST_NAMES:
            key = (link_type, "")
        if key not in self._interfaces:
            self._interfaces[key] = len(self._interfaces)
            octets = key[1].encode()[:_LONGEST_NAME]
            options = struct.pack("!HH", _NAME, len(octets)) + _filled(octets) + bytes(4) if octets else b""
            self._write(_INTERFACE, struct.pack("!HHI", link_type, 0, 0) + options)
        return self._interfaces[key]

    def _write(self, kind: int, body: bytes) -> None:
        length = struct.pack("!I", len(body) + 12)
        self._file.write(struct.pack("!I", kind) + length + body + length)


def _filled(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) & 3)


class Chunks(io.RawIOBase):
    """The output of a program, which arrives in chunks, as a file."""

    def __init__(self, chunks: Iterator[bytes]):
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest and (chunk := next(self._chunks, None)) is not None:
            self._rest = chunk
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)
