"""Datapath actions as ``ofproto/trace`` prints them: which ports they output to, and port names for numbers (pure).

The format is that of format_odp_actions of odp-util.c.
"""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

# These have no parentheses, like a port.
_NO_PORT = {"drop", "pop_vlan", "pop_eth", "pop_nsh", "ct_clear", "dec_ttl"}  # all other actions without a port have parentheses
_BRANCHES = ("clone", "check_pkt_len", "gt", "le", "actions", "sample")  # actions that hold others
_WITH_PORTS = (*_BRANCHES, "tnl_port", "out_port", "tnl_pop")
_PIECE = re.compile(r'"(?:[^"\\]|\\(?:[\s\S]|\Z))*(?:"|\Z)|[(),\n]|[^"(),\n]+')
_PLAIN_NAME = r"(?!\d+$|(?:drop|pop_vlan|pop_eth|pop_nsh|ct_clear|dec_ttl)$)[\w.-]+"


def with_port_names(actions: str, names: Mapping[str, str]) -> str:
    """Actions with port names in place of numbers."""
    within: list[str] = []
    pieces: list[str] = []
    for piece in _PIECE.findall(actions):
        if piece == "(":
            within.append(pieces[-1] if pieces else "")
        elif piece == ")" and within:
            within.pop()
        elif piece in names and (not within or within[-1] in _WITH_PORTS):
            piece = names[piece] if re.fullmatch(_PLAIN_NAME, names[piece]) else json.dumps(names[piece], ensure_ascii=False)
        pieces.append(piece)
    return "".join(pieces)


class _Open(NamedTuple):
    """An open parenthesis: the action before it, and whether ports in it count."""

    action: str
    counts: bool


def ports(actions: str) -> list[str]:
    """The ports that actions output to, by name, including those in a clone or in one of two branches."""
    found: list[str] = []
    within: list[_Open] = []
    sampled: tuple[int, int] | None = None  # the outermost sample: its depth, and the number of ports before it
    word = ""
    for piece in (*_PIECE.findall(actions), ","):
        counts = not within or within[-1].counts
        if piece not in ("(", ")", ",", "\n"):
            word += piece
            continue
        if piece == "(":
            if word == "sample" and not sampled:
                sampled = len(within), len(found)
            if word == "userspace" and sampled and within[sampled[0]].counts:  # it is sFlow or IPFIX
                del found[sampled[1] :]
                within[sampled[0] :] = [around._replace(counts=False) for around in within[sampled[0] :]]
                counts = False
            within.append(_Open(word, counts and word in _BRANCHES))
        elif counts and word and word not in _NO_PORT and (word.startswith('"') or "=" not in word):
            found.append(unquoted(word))
        if piece == ")" and within:
            within.pop()
            if sampled and len(within) == sampled[0]:
                sampled = None
        word = ""
    return found


def unquoted(name: str) -> str:
    """A port name without its quotes, if it has any."""
    if name.startswith('"'):
        try:
            return json.loads(name)
        except ValueError:
            pass
    return name
