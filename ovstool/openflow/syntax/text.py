"""Parses ovs-ofctl's output: dumped flows, differences of flow tables, flows as they would be sent, and ports (pure).

The syntax is that of ovs-ofctl(8), ovs-fields(7) and ovs-actions(7).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from ovstool.errors import Refused, quote
from ovstool.openflow.syntax.lexer import FLAGS
from ovstool.openflow.syntax.names import escaped, unescaped

KEPT_FLAGS = {"send_flow_rem", "no_packet_counts", "no_byte_counts"}  # the others are requests, done when the flow is added

_LONGEST_LINE = 2**20  # characters; a real flow has a few hundred
_MOST_HELD = 2**27  # characters of flows to keep, about a million flows
_PARTS = 64  # characters of a flow besides match and actions
PRIORITY = 32768  # the default priority (OFP_DEFAULT_PRIORITY)

# Patterns that few commands need are strings, so that re compiles them only when needed.
# The text before the actions: counters, `key=value, ` and flags, and the match (ofputil_flow_stats_format of ofp-flow.c). With names
# escaped, a match has no comma followed by a space. There is no backtracking: parsing takes most of the time of a long dump.
FLOW = (
    r"(?s) cookie=(0x[0-9a-f]{1,16}), duration=([0-9]{1,20}(?:\.[0-9]{1,9})?)s, table=([^, ]+), "
    r"(?:n_packets=([0-9]{1,20}), )?(?:n_bytes=([0-9]{1,20}), )?"
    r"(?:idle_age=[0-9]+, )?"  # in nearly every flow, so it is matched first, which is fastest
    rf"((?:(?!priority=)(?:\w+=[^, ]*, |(?:{'|'.join(FLAGS)}|0x[0-9a-f]+) ))*)(?:priority=([0-9]{{1,5}})(?:,|(?= )))?(.*)"
)
AFTER_MATCH = ("cookie", "idle_timeout", "hard_timeout", "importance")  # in a difference, after the match of a flow
_AFTER_MATCH = rf"(?:^| )(?:{'|'.join(AFTER_MATCH)})=\w+ "
_TABLE_AND_PRIORITY = r"(?:table=\S+ )?(?:priority=\d+)?"
_SENT = r"OFPT_FLOW_MOD \([^)]*\)(?: \([^)]*\))?: ADD (.*)"
_SENT_WORDS = {"table": "table", "pri": "priority", "cookie": "cookie", "idle": "idle_timeout", "hard": "hard_timeout"}
_SHOWN_PORT = r" (\d+|LOCAL)\((.*)\): addr:"


class FlowRow(NamedTuple):
    """A dumped flow: counters in packets and bytes, None if the switch has none; ``table`` is a name if it has one and names are shown."""

    table: int | str
    priority: int
    cookie: str
    packets: int | None
    bytes: int | None
    duration_s: float
    match: str
    actions: str


COLUMNS = FlowRow._fields


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines of a text that arrives in chunks. Raises Refused when one is too long for a flow."""
    rest = bytearray()
    for chunk in chunks:
        whole, newline, chunk = chunk.rpartition(b"\n")
        if newline:
            yield from (rest + whole).decode(errors="replace").split("\n")
            rest.clear()
        rest += chunk
        if len(rest) > _LONGEST_LINE:
            raise Refused("ovs-ofctl", f"a line is longer than {_LONGEST_LINE} bytes")
    if rest:
        yield rest.decode(errors="replace")


def flows(dumped: Iterable[str]) -> Iterator[FlowRow]:
    """The flows of ``ovs-ofctl dump-flows``, as they arrive.

    Header lines, which a long dump also has in the middle, are left out. Raises Refused for a line that is not a flow.
    """
    parse = re.compile(FLOW).fullmatch
    for line in dumped:
        has_names = '"' in line
        before, equals, actions = (escaped(line) if has_names else line).partition("actions=")
        found = parse(before) if equals else None
        if found:
            cookie, duration, table, packets, octets, _, priority, match = found.groups()
            if has_names:
                table, match, actions = unescaped(table), unescaped(match), unescaped(actions)
            yield FlowRow(
                int(table) if table.isdecimal() and len(table) < 4 else table,
                int(priority) if priority else PRIORITY,
                cookie,
                None if packets is None else int(packets),
                None if octets is None else int(octets),
                float(duration),
                match.removesuffix(" "),
                actions,
            )
        else:
            require_header(line)


def require_header(line: str) -> None:
    """Raise Refused for a line of a dump that is neither a flow nor a header."""
    if line.startswith(" ") or not (" reply" in line or not line):
        raise Refused("ovs-ofctl", f"not a flow in a format that this version of ovstool supports: {quote(line)}")


def bounded(rows: Iterable[FlowRow]) -> Iterator[FlowRow]:
    """Flows for a caller that keeps them. Raises Refused when they are too many."""
    size = 0
    for row in rows:
        size += len(row.match) + len(row.actions) + _PARTS
        if size > _MOST_HELD:
            raise Refused("ovs-ofctl", f"too many flows: more than {_MOST_HELD >> 20} MiB of them")
        yield row


class Difference:
    """Flows as ``ovs-ofctl diff-flows`` prints them, without the sign, names escaped: only on the switch, and only in the file."""

    def __init__(self, minus: Sequence[str], plus: Sequence[str]):
        self.minus = minus
        self.plus = plus

    def __bool__(self) -> bool:
        return bool(self.minus or self.plus)

    @cached_property
    def updated(self) -> int:
        """The number of flows in both, but with different actions, cookie or timeouts."""
        theirs = set(map(key, self.minus))
        return sum(key(flow) in theirs for flow in self.plus) if theirs else 0


def difference(text: str) -> Difference:
    """Parse the output of ``ovs-ofctl diff-flows``."""
    lines = [escaped(line) for line in text.split("\n")] if '"' in text else text.split("\n")
    return Difference(*([_tidy(line[1:]) for line in lines if line.startswith(sign)] for sign in "-+"))


def _tidy(flow: str) -> str:
    return flow.replace("  actions=", " actions=", 1).lstrip()


def key(flow: str) -> str:
    """The part of a flow in a difference that identifies it: table, priority and match."""
    before = flow.partition("actions=")[0]
    found = re.search(_AFTER_MATCH, before)
    before = (before[: found.start()] if found else before).rstrip()
    return before if before.startswith("table=") else f"table=0 {before}".rstrip()


def cookie(flow: str) -> int:
    """The cookie of a flow in a difference."""
    found = re.search(r"(?:^| )cookie=(0x[0-9a-f]+) ", flow.partition("actions=")[0])
    return int(found[1], 16) if found else 0


def table_and_priority(flow: str) -> str:
    """The table and priority of a flow in a difference, as text; "" if it has neither."""
    return re.match(_TABLE_AND_PRIORITY, flow)[0]  # type: ignore[index]  # it matches nothing, too


def match_of(flow: str) -> str:
    """The match of a flow in a difference that has a priority."""
    return re.sub(r"^table=.*? priority=\d+,?", "", key(flow)).strip()


def key_of(row: FlowRow) -> str:
    """The part of a dumped flow that identifies it, equal to ``key`` of the same flow in a difference."""
    priority = f"priority={row.priority}" if row.priority != PRIORITY else ""
    return f"table={row.table} {','.join(filter(None, (priority, row.match)))}".rstrip()


def line_of(row: FlowRow) -> str:
    """A dumped flow as a line of a difference."""
    cookie = "" if row.cookie == "0x0" else f" cookie={row.cookie}"
    return f"{key_of(row)}{cookie} actions={row.actions}".removeprefix("table=0 ")


def expires(line: str) -> bool:
    """Whether a dumped flow has a timeout."""
    return "_timeout=" in line.partition(" actions=")[0]


def port_numbers(shown: str) -> dict[str, str]:
    """The number of each port by its name, from ``ovs-ofctl show``."""
    found = map(re.compile(_SHOWN_PORT).match, shown.split("\n"))
    return {match[2]: match[1] for match in found if match}


def port_names(shown: str) -> dict[str, str]:
    """The name of each port by its number, from ``ovs-ofctl show``."""
    return {number: name for name, number in port_numbers(shown).items()}


def openflow_version(shown: str) -> str:
    """The OpenFlow version of a reply, such as ``1.5``."""
    found = re.search(r" \(OF(1\.\d)\)", shown[:200])
    return found[1] if found else "1.0"


def sent_flows(printed: str) -> list[str]:
    """The flows from ``ovs-ofctl parse-flows``, as it would send them, in the syntax that ovs-ofctl reads."""
    result = []
    for line in printed.split("\n"):
        if found := re.match(_SENT, line):
            before, actions, after = found[1].partition("actions=")
            result.append(" ".join(map(_sent_word, before.split())) + f" {actions}{after}")
    return result


def _sent_word(word: str) -> str:
    name, colon, value = word.partition(":")
    if name == "importance" and colon:
        return f"importance={value}"
    return f"{_SENT_WORDS[name]}={value}" if colon and name in _SENT_WORDS else word
