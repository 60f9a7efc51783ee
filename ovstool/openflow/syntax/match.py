"""Compares the packets of two matches in ovs-ofctl's notation, with ports by number (pure).

Where the text is not conclusive, the answer is the safe one: not covered, and not apart.
"""

import re
import socket
from collections.abc import Mapping

from ovstool.units import whole_number

# Shorthands for fields (ovs-fields(7)).
_WORDS = {
    "ip": {"dl_type": "0x0800"}, "ipv6": {"dl_type": "0x86dd"}, "arp": {"dl_type": "0x0806"}, "rarp": {"dl_type": "0x8035"},
    "mpls": {"dl_type": "0x8847"}, "mplsm": {"dl_type": "0x8848"},
}  # fmt: skip
for _word, _number in (("icmp", 1), ("igmp", 2), ("tcp", 6), ("udp", 17), ("sctp", 132)):
    _WORDS[_word] = {"dl_type": "0x0800", "nw_proto": str(_number)}
for _word, _number in (("icmp6", 58), ("tcp6", 6), ("udp6", 17), ("sctp6", 132)):
    _WORDS[_word] = {"dl_type": "0x86dd", "nw_proto": str(_number)}
_MAC = r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}"


def fields(match: str) -> dict[str, str]:
    """The fields of a match and their values."""
    found: dict[str, str] = {}
    for item in match.split(",") if match else ():
        name, _, value = item.partition("=")
        found.update(_WORDS.get(item, {name: value}))
    return found


def covers(wide: Mapping[str, str], narrow: Mapping[str, str]) -> bool:
    """Whether every packet that matches ``narrow`` matches ``wide``."""
    return all(name in narrow and _includes(value, narrow[name]) for name, value in wide.items())


def apart(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether no packet matches both."""
    return any(name in other and _exclude(name, value, other[name]) for name, value in one.items())


def _includes(wide: str, narrow: str) -> bool:
    if wide == narrow:
        return True
    a, b = _bits(wide), _bits(narrow)
    return bool(a and b and a[1] & b[1] == a[1] and (a[0] ^ b[0]) & a[1] == 0)


def _exclude(name: str, one: str, other: str) -> bool:
    a, b = _bits(one), _bits(other)
    if a and b:
        return (a[0] ^ b[0]) & a[1] & b[1] != 0
    return name == "in_port" and one != other  # LOCAL has no number, and no mask


def _bits(value: str) -> tuple[int, int] | None:
    """A value and its mask, -1 for an exact match; None if the value is not a number."""
    text, slash, mask_text = value.partition("/")
    number = _integer(text)
    if number is None or not slash:
        return None if number is None else (number, -1)
    width = 128 if ":" in text else 32 if "." in text else 0
    if width and mask_text.isdecimal():
        bits = whole_number(mask_text, 0, width)
        mask = None if bits is None else -1 << width - bits
    else:
        mask = _integer(mask_text)
    return None if mask is None else (number, mask)


def _integer(text: str) -> int | None:
    try:
        if re.fullmatch(_MAC, text):
            return int(text.replace(":", ""), 16)
        if ":" in text:
            return int.from_bytes(socket.inet_pton(socket.AF_INET6, text), "big")
        if "." in text:
            return int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")
        return int(text, 0)
    except (ValueError, OSError):
        return None
