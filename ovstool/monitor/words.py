"""The fields of objects by name: which there are, of which nouns, and how their values are read in a condition."""

import re
from collections.abc import Callable, Collection
from typing import Any

from ovstool import conditions
from ovstool.conditions import Condition
from ovstool.document import fields, kinds
from ovstool.errors import UsageError, quote
from ovstool.monitor.objects import NOUNS

EXAMPLE = "eth1 link_state=up"
_UP_OR_DOWN = kinds.choice(("up", "down"))
_WORD = kinds.text("eth1")
_STATES: dict[str, tuple[kinds.Value, tuple[str, ...]]] = {
    "bridge": (_WORD, ("port", "bridge")),
    "ofport": (kinds.whole(1, 65535), ("port",)),
    "admin_state": (_UP_OR_DOWN, ("port",)),
    "link_state": (_UP_OR_DOWN, ("port",)),
    "error": (_WORD, ("port",)),
    "is_connected": (kinds.SWITCH, ("controller",)),
    "role": (kinds.choice(("other", "master", "slave")), ("controller",)),
}
_OF_BRIDGES = {"controllers": "controller", "sflow": "sflow"}  # all others are of the noun bridge
_OF_PORTS = {"qos": "qos", "police": "police"}  # all others are of the noun port
_NOT_THERE = ("ports", "peer", "remote_ip", "key", "flows")  # of documents; here they are ports, keys of options, and not followed
Read = Callable[[str], Any]


def condition(text: str, nouns: Collection[str]) -> Condition:
    """A condition of ``--until`` for these nouns. Raises UsageError."""
    try:
        return conditions.parse(text, lambda field: _reader(field, nouns), EXAMPLE)
    except UsageError as error:
        raise UsageError("--until", f"{error.what}: {error.why}", error.hint) from error


def noun(text: str) -> str:
    """One of NOUNS. Raises UsageError."""
    if text in NOUNS:
        return text
    more = "; the condition of --until is one argument, in quotes" if conditions.is_comparison(text) else ""
    raise UsageError(quote(text), f"not one of {', '.join(NOUNS)}{more}")


def _reader(field: str, nouns: Collection[str]) -> Read:
    """What reads values of a field. Raises UsageError for a field that there is not, or that none of the nouns has."""
    found = [*_known(field)]
    if not found:
        near = kinds.near(field, FIELDS)
        raise UsageError(quote(field), "no such field", f"{near}KEY" if near and near[-1] == "." else near or "man ovstool-monitor")
    for read, of in found:
        if not set(of).isdisjoint(nouns):
            return read
    raise UsageError(quote(field), f"not a field of {' or '.join(nouns)}", f"ovstool monitor {found[0][1][0]}")


def _known(field: str) -> "Collection[tuple[Read, tuple[str, ...]]]":
    """Each way to read a field, with its nouns."""
    state = re.sub(r"^controllers\..+\.(?=(is_connected|role)$)", "", field)
    if state in _STATES:
        value, nouns = _STATES[state]
        return [(value.parse, nouns)]
    path = field.split(".")
    tops = ((fields.PORT, _OF_PORTS, "port"), (fields.BRIDGE, _OF_BRIDGES, "bridge"))
    return [(read, (of.get(path[0], usual),)) for top, of, usual in tops if path[0] not in _NOT_THERE and (read := _read_of(top, path))]


def _read_of(kind: kinds.Kind, path: list[str]) -> Read | None:
    """What reads the values at a path below a kind; None if there is nothing. Raises UsageError for a key that cannot be."""
    match kind:
        case kinds.Object(known) if path:
            return _read_of(known[path[0]].kind, path[1:]) if path[0] in known else None
        case kinds.Keyed(key, item) if path:
            key.parse(path[0])
            return _read_of(item, path[1:]) if path[1:] else kinds.SWITCH.parse
        case kinds.Pairs() if path:
            return str
        case kinds.Value(parse) if not path:
            return parse
        case kinds.List(item) if not path:
            return lambda text: _items(item, text)
    return None


def _items(item: kinds.Value, text: str) -> list[Any]:
    found: list[Any] = []
    for word in text.split(","):
        read = item.parse(word)
        found += read if isinstance(read, list) else [read]
    return sorted(found)


def _paths(kind: kinds.Object, above: str = "") -> dict[str, kinds.Kind]:
    """The fields below a kind by name, up to the dot before a key that the user chooses."""
    found: dict[str, kinds.Kind] = {}
    for name, field in kind.fields.items():
        if isinstance(field.kind, kinds.Object):
            found |= _paths(field.kind, f"{above}{name}.")
        elif name not in _NOT_THERE:
            found[f"{above}{name}" + "." * isinstance(field.kind, kinds.Pairs | kinds.Keyed)] = field.kind
    return found


FIELDS: dict[str, kinds.Kind] = dict(
    sorted((_paths(fields.PORT) | _paths(fields.BRIDGE) | {name: value for name, (value, _) in _STATES.items()}).items())
)
