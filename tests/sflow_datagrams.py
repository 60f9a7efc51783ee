"""Builds sFlow datagrams according to the specifications (sflow.org/developers/structures.php)."""

import ipaddress
import struct
from collections.abc import Sequence

ETHERNET, PPP, IPV4, IPV6, MPLS, POS, WLAN = 1, 7, 11, 12, 13, 14, 15  # header_protocol


def datagram(*samples: bytes, agent: str | None = "192.0.2.1", sub_agent: int = 0, sequence: int = 1, uptime_ms: int = 1000) -> bytes:
    return struct.pack("!I", 5) + address(agent) + struct.pack("!4I", sub_agent, sequence, uptime_ms, len(samples)) + b"".join(samples)


def address(text: str | None) -> bytes:
    """An address preceded by its type."""
    if text is None:
        return struct.pack("!I", 0)
    packed = ipaddress.ip_address(text).packed
    return struct.pack("!I", 1 if len(packed) == 4 else 2) + packed


def filled(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)


def opaque(octets: bytes | str) -> bytes:
    octets = octets.encode() if isinstance(octets, str) else octets
    return struct.pack("!I", len(octets)) + filled(octets)


def numbers(*values: int) -> bytes:
    """Numbers preceded by their count."""
    return struct.pack(f"!{len(values) + 1}I", len(values), *values)


def sample(form: int, body: bytes) -> bytes:
    return struct.pack("!II", form, len(body)) + body


def record(tag: int, body: bytes) -> bytes:
    return struct.pack("!II", tag, len(body)) + filled(body)


def flow(
    *records: bytes, sequence: int = 7, source: int = 3, rate: int = 64, pool: int = 640, drops: int = 0, interfaces: Sequence[int] = (3, 4)
) -> bytes:
    return sample(1, struct.pack("!8I", sequence, source, rate, pool, drops, *interfaces, len(records)) + b"".join(records))


def expanded_flow(*records: bytes, source: Sequence[int] = (0, 3), interfaces: Sequence[int] = (0, 3, 0, 4)) -> bytes:
    return sample(3, struct.pack("!11I", 7, *source, 64, 640, 0, *interfaces, len(records)) + b"".join(records))


def counter(*records: bytes, sequence: int = 8, source: int = 3) -> bytes:
    return sample(2, struct.pack("!3I", sequence, source, len(records)) + b"".join(records))


def expanded_counter(*records: bytes, source: Sequence[int] = (0, 3)) -> bytes:
    return sample(4, struct.pack("!4I", 8, *source, len(records)) + b"".join(records))


def drop(*records: bytes, reason: int = 258, interfaces: Sequence[int] = (3, 4)) -> bytes:
    return sample(5, struct.pack("!8I", 9, 0, 3, 1, *interfaces, reason, len(records)) + b"".join(records))


def header(packet: bytes, protocol: int = ETHERNET, frame_bytes: int = 1518, stripped_bytes: int = 4) -> bytes:
    """The record of a sampled packet header."""
    return record(1, struct.pack("!3I", protocol, frame_bytes, stripped_bytes) + opaque(packet))


SRC_MAC, DST_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


def ethernet(eth_type: int, payload: bytes, tags: Sequence[tuple[int, int]] = ()) -> bytes:
    """A frame; ``tags`` are pairs of TPID and TCI."""
    return DST_MAC + SRC_MAC + b"".join(struct.pack("!HH", *tag) for tag in tags) + struct.pack("!H", eth_type) + payload


def ipv4(
    proto: int, payload: bytes, src: str = "10.0.0.1", dst: str = "10.0.0.2", fragment: int = 0, options: bytes = b"", tos: int = 0
) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, tos, 20 + len(options) + len(payload), 1, fragment, 64, proto, 0)
    return head + ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed + options + payload


def ipv6(proto: int, payload: bytes, src: str = "2001:db8::1", dst: str = "2001:db8::2") -> bytes:
    head = struct.pack("!IHBB", 6 << 28 | 46 << 22 | 1 << 20 | 0x12345, len(payload), proto, 63)
    return head + ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed + payload


def tcp(src: int = 40000, dst: int = 443, flags: int = 0x012) -> bytes:
    return struct.pack("!HHIIHHHH", src, dst, 1, 2, 0x5000 | flags, 512, 0, 0)


def udp(src: int = 40000, dst: int = 53, payload: bytes = b"") -> bytes:
    return struct.pack("!HHHH", src, dst, 8 + len(payload), 0) + payload
