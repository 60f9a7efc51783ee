"""Match and actions of a flow as objects, those of ``ovs.flow``, Open vSwitch's own parser (pure)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from ovstool.errors import NotFound
from ovstool.openflow.syntax.lexer import words
from ovstool.openflow.syntax.names import escaped, unescaped
from ovstool.openflow.syntax.text import FlowRow

_CACHED = 2**13  # matches and actions kept parsed; more would only cost memory where nearly all flows differ
_NAMED = re.compile(r"[^=:(]*")


def parsed(rows: Iterable[FlowRow]) -> Iterator[tuple]:
    """Dumped flows as tuples with the columns of a FlowRow, match and actions as objects."""
    for row in rows:
        yield (*row[:-2], of_match(row.match), of_actions(row.actions))


def of_match(match: str) -> dict[str, Any]:
    """A match as ``ovs.flow.ofp.OFPFlow.match`` has it, in JSON types, without the priority; text that it cannot parse stays text."""
    items = [unescaped(word.text) for word in words(match)] if "(" in match or '"' in match else match.split(",") if match else ()
    result: dict[str, Any] = {}
    for item in items:
        result.update(_match_item(item))
    return result


@lru_cache(_CACHED)
def of_actions(actions: str) -> list[dict[str, Any]]:
    """Actions as ``ovs.flow.ofp.OFPFlow.actions`` has them, in JSON types; text that it cannot parse stays text."""
    found = map(unescaped, _top_level(escaped(actions))) if '"' in actions else _top_level(actions)
    return [{key: value} for action in found for key, value in _action(action)]


def _top_level(actions: str) -> Sequence[str]:
    """Split at the commas outside parentheses."""
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
        return _as_text(text) if '"' in text and len(found) > 1 else found  # it misreads punctuation in a name
    except (ParseError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return _as_text(text)


def _as_text(text: str) -> Sequence[tuple[str, Any]]:
    """Text that ovs.flow cannot parse, by its name; True if there is only a name, as in ovs.flow."""
    name = _NAMED.match(text)
    assert name  # it also matches the empty string
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
    """A value as ovs.flow's own JSON encoder writes it, addresses and masks as text; but MAC addresses with two digits, as usual."""
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
