"""Captures of packets: datagrams read from pcap and pcapng, sampled headers written as pcapng (pure but for the file it is given).

The formats are those of draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng; link types are at tcpdump.org/linktypes.html. A file may be a
pipe that somebody else fills, and may end anywhere.
"""

import io
import math
import struct
from collections.abc import Iterator
from itertools import starmap
from typing import Any, BinaryIO, NamedTuple, NoReturn, cast

from ovstool.sflow.capture.fragments import Fragment, Fragments
from ovstool.sflow.flow_records import SampledHeader
from ovstool.sflow.xdr import Malformed, ip, new, padded

_PCAP = {
    b"\xa1\xb2\xc3\xd4": (">", 1e-6),
    b"\xa1\xb2\x3c\x4d": (">", 1e-9),
    b"\xd4\xc3\xb2\xa1": ("<", 1e-6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e-9),
}
_PCAPNG = b"\x0a\x0d\x0d\x0a"  # the type of a section's header, the same in both orders of bytes
_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_SECTION, _INTERFACE, _PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6  # types of blocks
_TIME_RESOLUTION, _TIME_OFFSET, _NAME = 9, 14, 2  # options of an interface
_LONGEST = 1 << 20  # bytes of a packet or a block that is of interest; libpcap's own limit is a quarter of that
_MOST_INTERFACES = 4096  # of a section
_MOST_NAMES, _LONGEST_NAME = 1024, 255  # of interfaces that are written
_GZIP = b"\x1f\x8b"  # RFC 1952, section 2.3.1

# Seconds since 1970, until the year 2242: the calendar and the times of pcapng take these everywhere. A time beyond them is an error rather
# than the nearest that fits, since rates are taken from times.
_LATEST = 2**33

# Where the network layer's type stands on links that are told apart by it, and where that layer begins.
_ETHERNET, _COOKED, _COOKED_2 = 1, 113, 276
_NULL, _LOOP = 0, 108
_RAW = frozenset((12, 14, 101, 228, 229))
_TYPED = {_ETHERNET: (12, 14), _COOKED: (14, 16), _COOKED_2: (0, 20)}
_TAGS = frozenset((0x8100, 0x88A8, 0x9100))
_IP = frozenset((0x0800, 0x86DD))
_IPV4, _IPV6 = struct.Struct("!2xHHHxBxx4s4s"), struct.Struct("!4xHBx16s16s")
_UDP_HEADER = struct.Struct("!2xHH2x")
_UDP, _FRAGMENT = 17, 44
_OPTIONS = frozenset((0, 43, 60))  # extension headers of IPv6 that tell their length in the same way (RFC 6564)

# Link types of header_protocol, where there is one.
_LINK_TYPES = {1: 1, 3: 6, 4: 10, 5: 107, 7: 9, 11: 228, 12: 229, 14: 50, 15: 105, 17: 1, 18: 247}


class Compressed(Malformed):
    """A capture that is compressed with gzip."""


class Received(NamedTuple):
    """A UDP datagram of a capture; ``time`` is seconds since 1970, ``port`` the one it was sent to."""

    time: float
    address: str
    port: int
    payload: bytes


class _Packet(NamedTuple):
    time: float
    link_type: int
    data: bytes


class _Clock(NamedTuple):
    """An interface of pcapng: its link type and how its times are meant."""

    link_type: int
    resolution: float
    offset: int


def read(file: BinaryIO, fragments: Fragments | None = None) -> Iterator[Received]:
    """The UDP datagrams of a capture. Raises Malformed where it is none, and where it is cut short, behind what is whole.

    Raises Compressed where it is to be unpacked first. ``fragments`` counts those that were not put together.
    """
    magic = _up_to(file, 4)
    if magic in _PCAP:
        packets = _pcap(file, *_PCAP[magic])
    elif magic == _PCAPNG:
        packets = _pcapng(file)
    elif magic[:2] == _GZIP:
        raise Compressed("compressed with gzip")
    else:
        raise Malformed("neither pcap nor pcapng" if magic else "it is empty")
    fragments = Fragments() if fragments is None else fragments
    damage = None
    try:
        for packet in packets:
            if fragments.partials:
                yield from filter(None, starmap(_received, fragments.give_up(packet.time)))
            found = _udp(packet)
            if type(found) is Received:
                yield found
            elif found:
                yield from filter(None, starmap(_received, fragments.add(packet.time, cast(Fragment, found))))
    except Malformed as error:
        damage = error
    yield from filter(None, starmap(_received, fragments.give_up(math.inf)))
    if damage:
        raise damage


def _pcap(file: BinaryIO, order: str, resolution: float) -> Iterator[_Packet]:
    (link_type,) = struct.unpack_from(f"{order}16xI", _bytes(file, 20))
    record = struct.Struct(f"{order}4I")
    while head := _up_to(file, record.size):
        if len(head) < record.size:
            raise Malformed("it ends in the middle of a packet")
        seconds, fraction, length, _ = record.unpack(head)
        if length > _LONGEST:
            raise Malformed(f"a packet of {length} bytes")
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
    """The order of bytes in a section, whose header is passed over."""
    head = _bytes(file, 8)
    order = _ORDERS.get(head[4:])
    if order is None:
        raise Malformed("a section in an unknown order of bytes")
    (length,) = struct.unpack(f"{order}I", head[:4])
    if length < 16:
        raise Malformed(f"a block of {length} bytes")
    _pass_over(file, padded(length) - 12)
    return order


def _block(file: BinaryIO, order: str, is_of_interest: bool) -> bytes:
    """What is in a block behind its type, empty where it is of no interest."""
    (length,) = struct.unpack(f"{order}I", _bytes(file, 4))
    if length < 12 or (is_of_interest and length > _LONGEST):
        raise Malformed(f"a block of {length} bytes")
    if not is_of_interest:
        _pass_over(file, padded(length) - 8)
        return b""
    return _bytes(file, padded(length) - 8)[:-4]


def _interface(body: bytes, order: str) -> _Clock:
    if len(body) < 8:
        raise Malformed("an interface that is cut short")
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
        raise Malformed("a packet that is cut short")
    values = layout.unpack_from(body)
    which = 0 if number == _SIMPLE_PACKET else values[0]
    if which >= len(interfaces):
        raise Malformed(f"a packet of interface {which} of {len(interfaces)}")
    clock, data = interfaces[which], body[layout.size :]
    if number == _SIMPLE_PACKET:
        return _Packet(0.0, clock.link_type, data[: values[0]])
    high, low, length = values[-4:-1]
    time = (high << 32 | low) * clock.resolution + clock.offset
    if not 0 <= time <= _LATEST:
        raise Malformed(f"a packet of the time {time:.6g} seconds since 1970")
    return _Packet(time, clock.link_type, data[:length])


def _udp(packet: _Packet) -> Received | Fragment | None:
    """The UDP datagram in a packet, or the part of one; None where there is neither."""
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
    # Behind a short packet are the bytes that fill its frame.
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
    """A datagram without its header, which begins there; None where that is not whole."""
    if begin + 8 > len(data):
        return None
    port, length = _UDP_HEADER.unpack_from(data, begin)
    return new(Received, (time, ip(source), port, data[begin + 8 : begin + max(8, length)]))


def _network_offset(link_type: int, data: bytes) -> int | None:
    """Where the IP packet begins, None where there is none. Raises struct.error where the data end before that."""
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
    """As many bytes as there are to come, up to a length."""
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
    raise Malformed("it ends in the middle of a packet")


class Writer:
    """Sampled headers as a capture that Wireshark reads, each with the length that its packet had.

    Each block is written at once, so that the file is whole whenever this ends.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._interfaces: dict[tuple[int, str], int] = {}
        self._write(_SECTION, struct.pack("!IHHq", 0x1A2B3C4D, 1, 0, -1))

    def write(self, time: float, header: SampledHeader, interface: str) -> bool:
        """Add a packet that was sampled at an interface; False where captures have no link type for it.

        A ``time`` outside 0 to 2**33 seconds since 1970 is written as the nearest within.
        """
        link_type = _LINK_TYPES.get(header.protocol)
        if link_type is None:
            return False
        high, low = divmod(int(min(max(time, 0), _LATEST) * 1_000_000), 1 << 32)
        head = (self._number(link_type, interface), high, low, len(header.data), max(header.frame_bytes, len(header.data)))
        self._write(_ENHANCED_PACKET, struct.pack("!IIIII", *head) + _filled(header.data))
        return True

    def _number(self, link_type: int, name: str) -> int:
        """The number of an interface, which is described before its first packet; from some number on, without a name of its own."""
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
    """What a program writes, in chunks as they come, as the file that it would be."""

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
