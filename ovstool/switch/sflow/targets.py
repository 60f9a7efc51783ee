"""Collectors and agents, as users and the database write them."""

import re
import socket
from typing import NamedTuple

from ovstool import units
from ovstool.errors import UsageError, quote

PORT = 6343  # IANA's port for sFlow
_HOST_NAME = r"(?i)[a-z0-9][a-z0-9_.-]{0,252}"
_SCOPE = r"[\w.-]+"
_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, the IPv4 addresses of RFC 4291, section 2.5.5.2


class Collector(NamedTuple):
    """Where samples go: an IP address, as it is usually written, or a host name, and a UDP port."""

    host: str
    port: int = PORT


def parse_collector(text: str) -> Collector:
    """Read ``HOST``, ``HOST:PORT``, ``[IPV6]`` or ``[IPV6]:PORT``; an IPv6 address may have a scope. Raises UsageError."""
    wrong = UsageError(
        f"collector {quote(text)}", "not HOST or HOST:PORT with a port from 1 to 65535", "10.0.0.5, 10.0.0.5:6343 or [2001:db8::5]:6343"
    )
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not is_ip(host, 6) or (rest and not rest.startswith(":")):
            raise wrong
        port = rest[1:] if rest else str(PORT)
    else:
        host, colon, port = text.partition(":")
        port = port if colon else str(PORT)
    number = units.whole_number(port, 1, 65535)
    if number is None:
        raise wrong
    # A name of digits and dots is a mistyped address, not a host.
    if not is_ip(host) and (not re.fullmatch(_HOST_NAME, host) or host.replace(".", "").isdigit()):
        raise wrong
    if is_ip(host):
        host = required_reachable(host)
    return Collector(host, number)


def parse_agent(text: str) -> str:
    """Read the name of an interface or an IP address, which is then as it is usually written. Raises UsageError."""
    packed = packed_ip(text)
    if packed is None:
        return text
    if not any(packed) or _is_multicast(packed) or "%" in text:
        raise UsageError(f"agent {quote(text)}", "not an address that identifies a switch")
    return written_ip(packed)


def required_reachable(host: str) -> str:
    """An IP address as it is usually written. Raises UsageError for one to which ovs-vswitchd can open no socket, or not the one meant."""
    packed = packed_ip(host) or b""
    scope = host.partition("%")[2]
    if packed.startswith(_MAPPED):
        packed, scope = packed.removeprefix(_MAPPED), ""
    if not any(packed) or packed == b"\xff\xff\xff\xff":
        raise UsageError(f"collector {quote(host)}", "not the address of a host")
    if _is_of_link(packed) and not scope:
        raise UsageError(f"collector [{host}]", "a link-local address needs the interface that leads to it", f"[{host}%eth0]:{PORT}")
    if scope and not re.fullmatch(_SCOPE, scope):
        raise UsageError(f"collector {quote(host)}", "its scope is not an interface")
    return written_ip(packed) + (f"%{scope}" if scope else "")


def target(address: str, port: int) -> str:
    """How the database has it (ovs-vswitchd.conf.db(5), sFlow.targets)."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def is_ip(text: str, version: int | None = None) -> bool:
    """Whether this is an IP address, of this version if one is given; an IPv6 address may have a scope."""
    packed = packed_ip(text)
    return packed is not None and version in (None, 4 if len(packed) == 4 else 6)


def packed_ip(text: str) -> bytes | None:
    """The 4 or 16 bytes of an IP address, without its scope; None for what is none. The module ipaddress takes as long to import as ten of these files."""
    address, percent, scope = text.partition("%")
    if "\0" in text or (percent and (not scope or "%" in scope or ":" not in address)):
        return None
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except (OSError, UnicodeError):
        return None


def plain_ip(text: str) -> str | None:
    """An IP address as it is usually written, without brackets and scope, and as IPv4 where it is mapped into IPv6; None for what is none."""
    packed = packed_ip(text[1:-1] if text.startswith("[") and text.endswith("]") else text)
    return written_ip(packed.removeprefix(_MAPPED) if len(packed) == 16 else packed) if packed else None


def parse_local_address(text: str) -> str:
    """Read an address that a collector's socket may be bound to. Raises UsageError."""
    what, packed = quote(text), packed_ip(text)
    if packed is None:
        raise UsageError(what, "not an IP address")
    if _is_multicast(packed) or packed == b"\xff\xff\xff\xff":
        raise UsageError(what, "not the address of one host")
    if _is_of_link(packed) and "%" not in text:
        raise UsageError(what, f"needs a zone, such as {text}%eth0")
    return text


def _is_of_link(packed: bytes) -> bool:
    """Whether it is an IPv6 address that has a meaning on one link alone: fe80::/10, or a group in ff02::/16 (RFC 4291, section 2.4)."""
    return len(packed) == 16 and ((packed[0] == 0xFE and packed[1] & 0xC0 == 0x80) or packed[:2] == b"\xff\x02")


def _is_multicast(packed: bytes) -> bool:
    return packed[0] >> 4 == 0xE if len(packed) == 4 else packed[0] == 0xFF


def written_ip(packed: bytes) -> str:
    """An IP address of 4 or 16 bytes as it is usually written. Raises ValueError for any other number of them."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
