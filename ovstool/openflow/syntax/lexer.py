"""Splits flow text into words, as ovs-ofctl does (pure)."""

import re
from typing import NamedTuple

from ovstool.openflow.syntax.names import escaped, safely_quoted

FLAGS = ("send_flow_rem", "check_overlap", "reset_counts", "no_packet_counts", "no_byte_counts")
PORT_WORDS = ("in_port", "in_port_oxm", "actset_output", "out_port")  # the words that name a port

_NAME = re.compile(r"[^:=(, \t\r\n]*")
_BETWEEN = re.compile(r"[, \t\r\n]*")
_ENDS = re.compile(r"[(), \t\r\n]")
_PLAIN = re.compile(r"[\w.-]+")


class Word(NamedTuple):
    """A word of a match, such as ``ip`` or ``nw_dst=10.0.0.2``: its name, its value, and its full text."""

    name: str
    value: str
    text: str


def words(match: str) -> list[Word]:
    """The words of a match, or of the text before a flow's actions (ofputil_parse_key_value of ofp-parse.c)."""
    match = escaped(match)
    found, at = [], _end(_BETWEEN, match, 0)
    while at < len(match):
        start, at = at, _end(_NAME, match, at)
        name, value_at = match[start:at], at + 1
        if match[at : at + 1] in ("=", ":"):
            at = _ended(match, value_at, ", \t\r\n")
        elif match[at : at + 1] == "(":
            at = _ended(match, value_at, ")")
            if match.startswith(")->", at):
                at = _ended(match, at + 1, ", \t\r\n")
        found.append(Word(name, match[value_at:at], match[start : at + match.startswith(")", at)]))
        at = _end(_BETWEEN, match, at + match.startswith(")", at))
    return found


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    assert found  # these also match the empty string
    return found.end()


def _ended(text: str, at: int, ends: str) -> int:
    """Where a value ends: at the first of ``ends`` outside parentheses, or at the end of the text."""
    depth = 0
    for found in _ENDS.finditer(text, at):
        if not depth and found[0] in ends:
            return found.start()
        depth += (found[0] == "(") - (found[0] == ")" and depth > 0)
    return len(text)


def before_actions(flow: str) -> str:
    """The text before a flow's actions, without a comment, escaped; all of it if there are none (ofp_extract_actions)."""
    return escaped(flow).partition("#")[0].partition("action")[0]


def without_comment(flow: str) -> str:
    """A line of a flow file without its comment, escaped."""
    return escaped(flow).partition("#")[0].strip()


def with_names_quoted(match: str) -> str:
    """A match with port names in quotes where ovs-ofctl would misread their punctuation."""
    return ",".join(_quoted_port(word) for word in words(match))


def _quoted_port(word: Word) -> str:
    is_odd = word.name in PORT_WORDS and not word.value.startswith('"') and ("action" in word.value or not _PLAIN.fullmatch(word.value))
    return f"{word.name}={safely_quoted(word.value)}" if is_odd and word.value else word.text


def probe(flow: str, cookie: int) -> str:
    """A flow with the same table, priority and match, with this cookie and without flags."""
    kept = [word.text for word in words(before_actions(flow)) if word.name not in FLAGS and word.name != "cookie"]
    return ",".join([*kept, f"cookie={cookie}", "actions=drop"])


def flags(flow: str) -> set[str]:
    """The flags in a flow's text; ovs-ofctl does not compare them."""
    if not any(flag in flow for flag in FLAGS):
        return set()  # nearly always, and quick
    return {word.name for word in words(before_actions(flow))}.intersection(FLAGS)
