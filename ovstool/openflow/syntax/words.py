"""Flow text taken apart as ovs-ofctl does it: words, actions, and the names of ports and tables in quotes (pure).

ovs-ofctl ends a line at a #, a value at a comma or a space, and the match where it first reads "action", also within quotes. What is
between them is JSON's syntax (ovs-ofctl(8), "Port and table names"), so a name can be written such that nothing of it is taken for
something else. All text that goes to ovs-ofctl, or comes from it and is taken apart, has its names ``escaped``.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

FLAGS = ("send_flow_rem", "check_overlap", "reset_counts", "no_packet_counts", "no_byte_counts")
PORTS = ("in_port", "in_port_oxm", "actset_output", "out_port")  # the words that name a port

# Ports that have a name for a number (enum ofp_port_t of ofp.h); ovs-ofctl takes these before a port of that name, in any case.
_RESERVED = {"in_port", "table", "normal", "flood", "all", "controller", "local", "any", "none", "unset"}
_QUOTE = r'"(?:[^"\\]|\\(?:[\s\S]|\Z))*(?:"|\Z)'  # to the end where there is no other quote, so that each character is seen once
_QUOTED = re.compile(_QUOTE)
_NAME = re.compile(r"[^:=(, \t\r\n]*")
_BETWEEN = re.compile(r"[, \t\r\n]*")
_ENDS = re.compile(r"[(), \t\r\n]")
_PORT_NAME = rf'{_QUOTE}|[^\s,:()"]+'
_PORT = re.compile(rf"\b(in_port=|actset_output=|sampling_port=|output:|output\(port=|enqueue:|resubmit:|resubmit\()({_PORT_NAME})")
_SET_IN_PORT = re.compile(rf"(?<=set_field:)(?:{_PORT_NAME})(?=->in_port\b)")
_MEMBERS = re.compile(rf"(?:(?<=members:)|(?<=slaves:))(?:{_PORT_NAME})(?:,(?:{_PORT_NAME}))*")
_PLAIN = re.compile(r"[\w.-]+")
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")  # ovs-ofctl quotes all others


class Word(NamedTuple):
    """A word of a match, such as ``ip`` or ``nw_dst=10.0.0.2``: its name, its value, and all of it as it stands there."""

    name: str
    value: str
    text: str


def words(match: str) -> list[Word]:
    """The words of a match, or of what stands before the actions of a flow (ofputil_parse_key_value of ofp-parse.c)."""
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
    assert found  # these match nothing, too
    return found.end()


def _ended(text: str, at: int, ends: str) -> int:
    """Where a value ends: at the first of ``ends`` that is in no parentheses, or with the text."""
    depth = 0
    for found in _ENDS.finditer(text, at):
        if not depth and found[0] in ends:
            return found.start()
        depth += (found[0] == "(") - (found[0] == ")" and depth > 0)
    return len(text)


def head(flow: str) -> str:
    """What stands before a flow's actions, without a comment, escaped; all of it where there are none (ofp_extract_actions)."""
    return escaped(flow).partition("#")[0].partition("action")[0]


def without_comment(flow: str) -> str:
    """A line of a file of flows, without what ovs-ofctl passes over; escaped."""
    return escaped(flow).partition("#")[0].strip()


def with_names_quoted(match: str) -> str:
    """A match with the names of ports in quotes where ovs-ofctl would take their signs for its own."""
    return ",".join(_quoted_port(word) for word in words(match))


def _quoted_port(word: Word) -> str:
    is_odd = word.name in PORTS and not word.value.startswith('"') and ("action" in word.value or not _PLAIN.fullmatch(word.value))
    return f"{word.name}={_letters_and_digits(word.value)}" if is_odd and word.value else word.text


def probe(flow: str, cookie: int) -> str:
    """A flow with the same table, priority and match, that has this cookie and no flags."""
    kept = [word.text for word in words(head(flow)) if word.name not in FLAGS and word.name != "cookie"]
    return ",".join([*kept, f"cookie={cookie}", "actions=drop"])


def flags(flow: str) -> set[str]:
    """The flags that a flow is given with; ovs-ofctl does not compare them."""
    if not any(flag in flow for flag in FLAGS):
        return set()  # nearly always, and quick
    return {word.name for word in words(head(flow))}.intersection(FLAGS)


def escaped(flow: str) -> str:
    """With each name in quotes written so that it holds letters and digits alone, and no "action"."""
    return _requoted(flow, _letters_and_digits)


def unescaped(flow: str) -> str:
    """With each name in quotes as ovs-ofctl writes it."""
    return _requoted(flow, _as_ovs)


def _requoted(flow: str, write: Callable[[str], str]) -> str:
    if '"' not in flow:
        return flow

    def other(found: re.Match[str]) -> str:
        name = _unquoted(found[0])
        return found[0] if name is None else write(name)

    return _QUOTED.sub(other, flow)


def _unquoted(quoted: str) -> str | None:
    """The name that stands in quotes; None where that is not JSON."""
    try:
        # ovs-ofctl takes control characters as they are, json only when told so.
        name = json.loads(quoted, strict=False)
        name.encode()
    except ValueError:  # half of a surrogate pair, too
        return None
    return name


def _letters_and_digits(name: str) -> str:
    shown = "".join(c if c.isascii() and c.isalnum() else f"\\u{ord(c):04x}" if ord(c) < 0x10000 else json.dumps(c)[1:-1] for c in name)
    return f'"{shown}"'.replace("action", "\\u0061ction")


def _as_ovs(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


class Ambiguous(Exception):
    """A name of a port that ovs-ofctl writes like a port of OpenFlow's own."""


def numbered(flow: str, numbers: Mapping[str, str]) -> str:
    """A flow, match or actions with numbers for the names of ports, as ovs-ofctl(8) resolves them, and else escaped. Raises Ambiguous.

    What is not in quotes is a number when it has digits alone, and a port of OpenFlow's own before a port of that name.
    """
    reserved = {name.lower() for name in numbers}.intersection(_RESERVED)

    def number(name: str) -> str:
        if name.startswith('"'):
            plain = _unquoted(name)
            return name if plain is None else numbers.get(plain, name)
        if name.lower() in reserved:
            raise Ambiguous(name)
        return name if name.isdecimal() or name.lower() in _RESERVED else numbers.get(name, name)

    return _with_ports(escaped(flow), number)


def renamed(flow: str, names: Mapping[str, str]) -> str:
    """A flow, match or actions with names for the numbers of ports, as ovs-ofctl writes them with ``--names``."""

    def name(number: str) -> str:
        found = names.get(number)
        return number if found is None else found if _PLAIN_NAME.fullmatch(found) and found.lower() not in _RESERVED else _as_ovs(found)

    return _with_ports(flow, name)


def _with_ports(flow: str, other: Callable[[str], str]) -> str:
    flow = _PORT.sub(lambda found: found[1] + other(found[2]), flow)
    flow = _MEMBERS.sub(lambda found: re.sub(_PORT_NAME, lambda name: other(name[0]), found[0]), flow)
    return _SET_IN_PORT.sub(lambda found: other(found[0]), flow)
