"""ovs-ofctl's text: dumped flows to fields, differences of flow tables, match and actions to objects (pure).

The syntax is that of ovs-ofctl(8), ovs-fields(7) and ovs-actions(7). Objects are those of ``ovs.flow``, Open vSwitch's own parser.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from ovstool.errors import NotFound, Refused, quote
from ovstool.openflow.syntax.words import FLAGS, escaped, unescaped, words

COLUMNS = ("table", "priority", "cookie", "packets", "bytes", "duration_s", "match", "actions")
KEPT_FLAGS = {"send_flow_rem", "no_packet_counts", "no_byte_counts"}  # the others are requests, done when the flow is added

_LONGEST_LINE = 2**20  # characters; a real flow has some hundred
_MOST_HELD = 2**27  # characters of flows that are kept, a million of them
_PARTS = 64  # characters of a flow besides match and actions
_MOST_STEPS = 2**18  # from groups to groups that their buckets go to
_PRIORITY = 32768  # what a flow has when the text does not say (OFP_DEFAULT_PRIORITY)
_CACHED = 2**13  # matches and actions kept parsed; more would only cost memory where nearly all flows differ

# Patterns that few commands need are texts, which re compiles when the first does.
# What stands before the actions: counters, `key=value, ` and flags, and the match (ofputil_flow_stats_format of ofp-flow.c). A match has
# no comma followed by a space, with names escaped.
_FLOW = (
    r"(?s) cookie=(0x[0-9a-f]{1,16}), duration=([0-9]{1,20}(?:\.[0-9]{1,9})?)s, table=([^, ]+), "
    r"(?:n_packets=([0-9]{1,20}), )?(?:n_bytes=([0-9]{1,20}), )?"
    rf"(?:\w+=[^, ]*, |(?:{'|'.join(FLAGS)}|0x[0-9a-f]+) )*(?:priority=([0-9]{{1,5}})(?:,|(?= )))?(.*?) ?"
)
BESIDE = ("cookie", "idle_timeout", "hard_timeout", "importance")  # of a flow of a difference, after its match
_AFTER_MATCH = re.compile(rf"(?:^| )(?:{'|'.join(BESIDE)})=\w+ ")
_PLACE = re.compile(r"(?:table=\S+ )?(?:priority=\d+)?")
_SENT = r"OFPT_FLOW_MOD \([^)]*\)(?: \([^)]*\))?: ADD (.*)"
_SENT_WORDS = {"table": "table", "pri": "priority", "cookie": "cookie", "idle": "idle_timeout", "hard": "hard_timeout"}
_QUEUEING = (
    r"(?<![\w:])(?:set_queue:(?P<set>[0-9]{1,10})(?![0-9])|(?P<pop>pop_queue)|(?P<enter>clone\{)"
    r"|enqueue[:(](?P<port>\w+)[:,](?P<queue>[0-9]{1,10})(?![0-9])"
    r"|(?:output:)?(?P<output>(?<=output:)\d+|LOCAL)"
    r"|(?P<open>NORMAL|FLOOD|ALL|IN_PORT|output:|output\(|resubmit|goto_table|group:|bundle|ct\(|learn\(|multipath))|(?P<leave>\})"
)
_NAMED = re.compile(r"[^=:(]*")
_CLONE = r"clone\(((?:[^()]|\([^()]*\))*)\)"
_CLONES = 4  # in one another; each time it finds two levels
_SET_QUEUE = r"(?<![\w:])set_queue:[0-9]+"
_SHOWN_PORT = r" (\d+|LOCAL)\((.*)\): addr:"

Row = tuple[int | str, int, str, int | None, int | None, float, str, str]


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines of a text that comes in chunks. Raises Refused when one is longer than any flow is."""
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


def flows(dumped: Iterable[str]) -> Iterator[Row]:
    """The flows of ``ovs-ofctl dump-flows``, each a tuple of ``COLUMNS``, as they come.

    Counters in packets and bytes, None where the switch has none. A table that has a name has that, when names are shown.
    The header lines, of which a long dump has some in the middle, are left out. Raises Refused for a line that is not a flow.
    """
    parse = re.compile(_FLOW).fullmatch
    for line in dumped:
        has_names = '"' in line
        before, equals, actions = (escaped(line) if has_names else line).partition("actions=")
        found = parse(before) if equals else None
        if found:
            cookie, duration, table, packets, octets, priority, match = found.groups()
            if has_names:
                table, match, actions = unescaped(table), unescaped(match), unescaped(actions)
            yield (
                int(table) if table.isdecimal() and len(table) < 4 else table,
                int(priority) if priority else _PRIORITY,
                cookie,
                None if packets is None else int(packets),
                None if octets is None else int(octets),
                float(duration),
                match,
                actions,
            )
        elif line.startswith(" ") or not (" reply" in line or not line):
            raise Refused("ovs-ofctl", f"not a flow as this version of ovstool knows them: {quote(line)}")


def held(rows: Iterable[Row]) -> Iterator[Row]:
    """The same flows, for a caller that keeps them. Raises Refused when they are more than any switch has."""
    size = 0
    for row in rows:
        size += len(row[6]) + len(row[7]) + _PARTS
        if size > _MOST_HELD:
            raise Refused("ovs-ofctl", f"flows without end: more than {_MOST_HELD >> 20} MiB of them")
        yield row


@dataclass(frozen=True)
class Difference:
    """Flows as ``ovs-ofctl diff-flows`` prints them, without the sign, names escaped: only on the switch, and only in the file."""

    minus: Sequence[str]
    plus: Sequence[str]

    def __bool__(self) -> bool:
        return bool(self.minus or self.plus)

    @cached_property
    def updated(self) -> int:
        """How many flows are in both, with other actions, another cookie or other timeouts."""
        theirs = set(map(head, self.minus))
        return sum(head(flow) in theirs for flow in self.plus) if theirs else 0


def difference(text: str) -> Difference:
    """Read what ``ovs-ofctl diff-flows`` prints."""
    lines = [escaped(line) for line in text.split("\n")] if '"' in text else text.split("\n")
    return Difference(*([_tidy(line[1:]) for line in lines if line.startswith(sign)] for sign in "-+"))


def _tidy(flow: str) -> str:
    return flow.replace("  actions=", " actions=", 1).lstrip()


def head(flow: str) -> str:
    """The part of a flow of a difference that tells it from others: table, priority and match."""
    before = flow.partition("actions=")[0]
    found = _AFTER_MATCH.search(before)
    before = (before[: found.start()] if found else before).rstrip()
    return before if before.startswith("table=") else f"table=0 {before}".rstrip()


def place(flow: str) -> str:
    """Its table and priority alone."""
    found = _PLACE.match(flow)
    return found[0] if found else ""


def match_of(flow: str) -> str:
    """Its match alone; the flow says its priority."""
    return re.sub(r"^table=.*? priority=\d+,?", "", head(flow)).strip()


def head_of(row: Row) -> str:
    """The same of a dumped flow."""
    table, priority, match = row[0], row[1], row[6]
    return f"table={table} {','.join(filter(None, (f'priority={priority}' * (priority != _PRIORITY), match)))}".rstrip()


def line_of(row: Row) -> str:
    """A dumped flow as a line of a difference."""
    cookie = "" if row[2] == "0x0" else f" cookie={row[2]}"
    return f"{head_of(row)}{cookie} actions={row[7]}".removeprefix("table=0 ")


@dataclass(frozen=True)
class Queueing:
    """A queue that a flow selects, the OpenFlow ports that it then sends to, and whether it may send to others too (NORMAL, groups...)."""

    queue: int
    ports: frozenset[str]
    others: bool


def expires(line: str) -> bool:
    """Whether a dumped flow has a timeout."""
    return "_timeout=" in line.partition(" actions=")[0]


def may_select_queue(line: str) -> bool:
    """Whether a dumped flow selects a queue or leads to a group, which may; quick, because there may be very many that do not."""
    return "set_queue:" in line or "enqueue" in line or "group:" in line


def queueing(actions: str, goes_on: bool = False) -> list[Queueing]:
    """The queues that actions select: ``set_queue``, until ``pop_queue``, and ``enqueue`` (ovs-actions(7)); ports by number or LOCAL.

    ``goes_on``: something may come after them, which sends to any port what they leave in a queue: what resubmitted to their table, or
    the action set of an earlier one. The queue stays with the packet until then (xlate_table_action and xlate_action_set of
    ofproto-dpif-xlate.c).
    """
    ports: dict[int, set[str]] = {}
    others: set[int] = set()
    current: int | None = None
    before: list[int | None] = []  # of the clones that we are in
    for found in re.finditer(_QUEUEING, _in_order(actions)):
        if found["set"]:
            current = int(found["set"])
            ports.setdefault(current, set())
        elif found["pop"]:
            current = None
        elif found["enter"]:
            before.append(current)
        elif found["leave"]:
            current = before.pop() if before else None
        elif found["queue"]:
            ports.setdefault(int(found["queue"]), set()).add(found["port"])
        elif current is not None and found["output"]:
            ports[current].add(found["output"])
        elif current is not None:
            others.add(current)
    if goes_on and current is not None and not ports[current]:
        others.add(current)
    return [Queueing(queue, frozenset(to), queue in others) for queue, to in ports.items()]


def _in_order(actions: str) -> str:
    """Actions as they are executed: of an action set the last ``set_queue`` is before all that sends (ovs-actions(7)).

    What is in a clone, after which the queue is that of before, is put in braces.
    """
    apply, written, rest = actions.partition("write_actions(")
    if written and (selected := re.findall(_SET_QUEUE, rest)):
        actions = f"{apply}{written}{selected[-1]},{re.sub(_SET_QUEUE, '', rest)}"
    for _ in range(_CLONES if "clone(" in actions else 0):
        actions = re.sub(_CLONE, r"clone{\1}", actions)
    return actions


def groups_of(actions: str) -> list[str]:
    """The groups that actions go to, by number, each once."""
    return list(dict.fromkeys(re.findall(r"(?<![\w:])group:(\d+)", actions)))


def queueing_groups(dumped: str) -> dict[str, list[Queueing]]:
    """The queues that each group selects, or a group that its buckets go to, of ``ovs-ofctl dump-groups``; not those that select none."""
    buckets_of = dict(re.findall(r"^ group_id=(\d+),(.*)$", dumped, re.MULTILINE))
    own = {group: [to for bucket in buckets.split("bucket=") for to in queueing(bucket)] for group, buckets in buckets_of.items()}
    beside = {group: [other for other in groups_of(buckets) if other in own] for group, buckets in buckets_of.items()}
    found, steps = {}, 0
    for group in buckets_of:
        reached = {group: None}
        ahead = [group]
        for near in ahead:  # which grows meanwhile
            ahead += [other for other in beside[near] if other not in reached]
            reached |= dict.fromkeys(beside[near])
        steps += len(ahead)
        if steps > _MOST_STEPS:
            raise Refused("ovs-ofctl", f"more than {_MOST_STEPS} ways from groups to groups")
        if selected := [to for near in reached for to in own[near]]:
            found[group] = selected
    return found


def ports(shown: str) -> dict[str, str]:
    """Port names and numbers from ``ovs-ofctl show``."""
    found = map(re.compile(_SHOWN_PORT).match, shown.split("\n"))
    return {match[2]: match[1] for match in found if match}


def version(shown: str) -> str:
    """The OpenFlow version of a reply, such as ``1.5``."""
    found = re.search(r" \(OF(1\.\d)\)", shown[:200])
    return found[1] if found else "1.0"


def sent(printed: str) -> list[str]:
    """The flows that ``ovs-ofctl parse-flows`` prints, as it would send them, in the syntax that ovs-ofctl takes."""
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


def parsed(rows: Iterable[Row]) -> Iterator[tuple]:
    """The same rows with match and actions as objects."""
    for row in rows:
        yield (*row[:6], match_object(row[6]), actions_object(row[7]))


def match_object(match: str) -> dict[str, Any]:
    """A match as ``ovs.flow.ofp.OFPFlow.match`` has it, in values that JSON knows, without the priority; as text what it cannot read."""
    items = [unescaped(word.text) for word in words(match)] if "(" in match or '"' in match else match.split(",") if match else ()
    result: dict[str, Any] = {}
    for item in items:
        result.update(_match_item(item))
    return result


@lru_cache(_CACHED)
def actions_object(actions: str) -> list[dict[str, Any]]:
    """Actions as ``ovs.flow.ofp.OFPFlow.actions`` has them, in values that JSON knows; as text what it cannot read."""
    found = map(unescaped, _top_level(escaped(actions))) if '"' in actions else _top_level(actions)
    return [{key: value} for action in found for key, value in _action(action)]


def _top_level(actions: str) -> Sequence[str]:
    """Split at the commas that are in no parentheses."""
    if "(" not in actions:
        return actions.split(",")
    result, depth, start = [], 0, 0
    for found in re.finditer("[(),]", actions):
        if found[0] == ",":
            if not depth:
                result.append(actions[start : found.start()])
                start = found.end()
        else:
            depth += 1 if found[0] == "(" else -1
    return [*result, actions[start:]]


@lru_cache(_CACHED)
def _match_item(item: str) -> Sequence[tuple[str, Any]]:
    return _decoded(item, _decoders()[0])


@lru_cache(_CACHED)
def _action(action: str) -> Sequence[tuple[str, Any]]:
    return _decoded(action, _decoders()[1])


def _decoded(text: str, decoders: Any) -> Sequence[tuple[str, Any]]:
    from ovs.flow.kv import KVParser, ParseError

    parser = KVParser(text, decoders)
    try:
        parser.parse()
        found = [(pair.key, _plain(pair.value)) for pair in parser.kv()]
        return _as_text(text) if '"' in text and len(found) > 1 else found  # it takes signs in a name for its own
    except (ParseError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return _as_text(text)


def _as_text(text: str) -> Sequence[tuple[str, Any]]:
    """What ovs.flow cannot read, by its name; True where there is only a name, as ovs.flow has it."""
    name = _NAMED.match(text)
    assert name  # it matches nothing, too
    value = text[name.end() + 1 :]
    if text[name.end() : name.end() + 1] == "(":
        value = value.removesuffix(")")
    return [(name[0], value if len(text) > name.end() else True)]


@lru_cache(1)
def _decoders() -> tuple[Any, Any]:
    try:
        from ovs.flow.ofp import OFPFlow
    except ImportError as error:
        raise NotFound("ovs.flow", "a library that it needs is not installed", "pip install 'ovs[flow]', or without --parsed") from error
    return OFPFlow.match_decoders(), OFPFlow.action_decoders()


def _plain(value: Any) -> Any:
    """As ovs.flow's own JSON encoder writes it, addresses and masks as text; but MAC addresses as all the world does, with two digits."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    shown = value.to_json() if hasattr(value, "to_json") else str(value)
    return "/".join(_padded(part) for part in shown.split("/")) if isinstance(shown, str) and shown.count(":") in (5, 10) else shown


def _padded(address: str) -> str:
    digits = address.split(":")
    return ":".join(pair.zfill(2) for pair in digits) if len(digits) == 6 and all(0 < len(pair) <= 2 for pair in digits) else address
