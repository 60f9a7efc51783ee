"""The names of ports and tables in flow text: in quotes, and in place of numbers (pure).

ovs-ofctl ends a line at a #, a value at a comma or a space, and the match at the first "action", even within quotes. Quoted names are
JSON strings (ovs-ofctl(8), "Port and table names"), so any name can be written without these. All text for ovs-ofctl, and all text from
it that is parsed, has its names ``escaped``.
"""

import json
import re
from collections.abc import Callable, Mapping

# Reserved ports (enum ofp_port_t of ofp.h); for ovs-ofctl these names, in upper or lower case, take precedence over a port so named.
_RESERVED = {"in_port", "table", "normal", "flood", "all", "controller", "local", "any", "none", "unset"}
# Patterns are strings, so that re compiles them only when the first flow needs them.
_QUOTE = r'"(?:[^"\\]|\\(?:[\s\S]|\Z))*(?:"|\Z)'  # to the end without a closing quote, so that each character is scanned once
_PORT_NAME = rf'{_QUOTE}|[^\s,:()"]+'
_KEYS = r"in_port[=:]|watch_port:|actset_output[=:]|sampling_port=|output[=:]|output\((?:port=)?|enqueue[=:(]|resubmit:|resubmit\("
_PORT = rf"\b({_KEYS})({_PORT_NAME})"
_BARE = r'[^\s,:()"=#]+'
_ALONE = rf"resubmit\([^)]*\)|(?<![^,(\s])({_QUOTE}|{_BARE})(?![^,)\s])"  # resubmit names tables too
_SET_IN_PORT = rf"(?<=set_field:)(?:{_PORT_NAME})(?=->in_port\b)"
_MEMBERS = rf"(?:(?<=members:)|(?<=slaves:))(?:{_PORT_NAME})(?:,(?:{_PORT_NAME}))*"
_PLAIN_NAME = r"[A-Za-z][A-Za-z0-9]*"  # ovs-ofctl quotes all others
_PLAIN_IN_QUOTES = r"[A-Za-z0-9_.-]+"  # wherever ovs-ofctl reads a name
_SAFE = r'"(?:[A-Za-z0-9_.-]|\\u[0-9A-Fa-f]{4})*"'


def escaped(flow: str) -> str:
    """The flow with each quoted name written with letters and digits only, and without "action"."""
    return _requoted(flow, safely_quoted)


def unescaped(flow: str) -> str:
    """The flow with each quoted name as ovs-ofctl writes it."""
    return _requoted(flow, _as_json)


def are_safe(flow: str) -> bool:
    """Whether ovs-ofctl reads each quoted name correctly, wherever it is."""
    return '"' not in flow or all(re.fullmatch(_SAFE, quoted) and "action" not in quoted for quoted in re.findall(_QUOTE, flow))


def _requoted(flow: str, write: Callable[[str], str]) -> str:
    if '"' not in flow:
        return flow

    def other(found: re.Match[str]) -> str:
        name = _unquoted(found[0])
        return found[0] if name is None else write(name)

    return re.sub(_QUOTE, other, flow)


def _unquoted(quoted: str) -> str | None:
    """A name without its quotes; None if it is not JSON."""
    try:
        # ovs-ofctl accepts control characters, json only with strict=False.
        name = json.loads(quoted, strict=False)
        name.encode()
    except ValueError:  # half of a surrogate pair, too
        return None
    return name


def safely_quoted(name: str) -> str:
    """A name in quotes, with letters and digits only, and without "action"."""
    shown = "".join(c if c.isascii() and c.isalnum() else f"\\u{ord(c):04x}" if ord(c) < 0x10000 else json.dumps(c)[1:-1] for c in name)
    return f'"{shown}"'.replace("action", "\\u0061ction")


def _as_json(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


class AmbiguousName(Exception):
    """A port name that ovs-ofctl writes like a reserved port of OpenFlow."""


def with_numbers(flow: str, numbers: Mapping[str, str]) -> str:
    """A flow, match or actions with port numbers in place of names, as ovs-ofctl(8) resolves them, otherwise escaped. Raises AmbiguousName.

    Without quotes, digits are a number, and a reserved port of OpenFlow takes precedence over a port of that name.
    """
    reserved = {name.lower() for name in numbers}.intersection(_RESERVED)

    def number(name: str) -> str:
        if name.startswith('"'):
            plain = _unquoted(name)
            return name if plain is None else numbers.get(plain, name)
        if name.lower() in reserved:
            raise AmbiguousName(name)
        return name if name.isdecimal() or name.lower() in _RESERVED else numbers.get(name, name)

    return _with_ports(escaped(flow), number)


def with_outputs(flow: str, numbers: Mapping[str, str]) -> str:
    """A flow, escaped, with ``output:NUMBER`` for each action that is nothing but the name of a port (``actions=eth1``)."""
    before, sign, actions = re.split(r"(actions?=|\Z)", flow, maxsplit=1)

    def output(found: re.Match[str]) -> str:
        shown = found[1] or ""
        name = _unquoted(shown) if shown.startswith('"') else "" if shown.isdecimal() else shown
        return f"output:{numbers[name]}" if name and name in numbers else found[0]

    return before + sign + re.sub(_ALONE, output, actions)


def with_names(flow: str, names: Mapping[str, str], write: Callable[[str], str] | None = None) -> str:
    """A flow, match or actions with port names in place of numbers, written as by ovs-ofctl with ``--names``, or by ``write``."""
    write = write or _as_ofctl_writes

    def name(number: str) -> str:
        found = names.get(number)
        return number if found is None else write(found)

    return _with_ports(flow, name)


def _as_ofctl_writes(name: str) -> str:
    return name if re.fullmatch(_PLAIN_NAME, name) and name.lower() not in _RESERVED else _as_json(name)


def as_ofctl_reads(name: str) -> str:
    """A port name as ovs-ofctl reads it in any position, which is not always how it writes it."""
    is_plain = "action" not in name and re.fullmatch(_PLAIN_IN_QUOTES, name)
    return _as_ofctl_writes(name) if is_plain else safely_quoted(name)


def _with_ports(flow: str, other: Callable[[str], str]) -> str:
    flow = re.sub(_PORT, lambda found: found[1] + other(found[2]), flow)
    flow = re.sub(_MEMBERS, lambda found: re.sub(_PORT_NAME, lambda name: other(name[0]), found[0]), flow)
    return re.sub(_SET_IN_PORT, lambda found: other(found[0]), flow)
