"""Settings as a document: its objects, and its text, which is the same for the same settings. Pure.

PyYAML takes ten times as long for a switch with 10,000 ports, and its text depends on its release.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ovstool.document import fields
from ovstool.document.fields import Path, Settings
from ovstool.document.kinds import Keyed, Kind, List, Object, Pairs, Value
from ovstool.document.parameters import as_text

_PLAIN = r"[A-Za-z_][A-Za-z0-9_.-]*|[0-9]+(?:\.[0-9]+)?[kmgt]?bit|[0-9]{1,4}-[0-9]{1,4}"  # names, rates, ranges of VLANs
_WORDS = frozenset("y n yes no on off true false null".split())  # which other readers take for something else than text
_ROOM = 100  # characters of a line that holds an object with its fields
_OF_FLOWS = 2  # the depth of the fields of a bridge, of which each flow has a line of its own
_OWN_LINES = (1, 3)  # the depths of bridges and of ports, whose fields have lines of their own


def objects(settings: Settings, kind: Object) -> dict[str, Any]:
    """Settings as nested objects with values as they are written, in the order of the fields; keys are sorted."""
    tree: dict[str, Any] = {}
    for path, value in settings.items():
        if path[0] == "options" and path[1] in fields.SHORT:
            path = path[1:]
        inside = tree
        for word in path[:-1]:
            inside = inside.setdefault(word, {})
        if value is not True or (len(path) == 3 and path[1] != "queues"):
            inside[path[-1]] = value
        else:
            inside.setdefault(path[-1], {})
    return _written(kind, tree)


def _written(kind: Kind, value: Any) -> Any:
    match kind:
        case Object():
            return {name: _written(field.kind, value[name]) for name, field in kind.fields.items() if name in value}
        case Pairs():
            return dict(sorted(value.items()))
        case Keyed():
            return {kind.key.parse(key): _written(kind.item, value[key]) for key in sorted(value, key=_natural)}
        case List() | Value():
            return kind.write(value)


def value(kind: Kind, path: Path, found: Any) -> Any:
    """One setting as it is written."""
    for word in path:
        match kind:
            case Object():
                kind = kind.fields[word].kind
            case Keyed():
                kind = kind.item
            case Pairs():
                return found
    return _written(kind, {} if found is True and isinstance(kind, Object) else found)


def escaped(tree: Any) -> Any:
    """Objects as a document that is not written by ``lines``, in which no text is a parameter."""
    if isinstance(tree, dict):
        return {escaped(key): escaped(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [escaped(item) for item in tree]
    return as_text(tree) if isinstance(tree, str) else tree


def _natural(key: str) -> tuple[int, str]:
    """Numbers by their size, then texts."""
    return (int(key), "") if key.isdecimal() else (2**64, key)


def lines(document: Mapping[str, Any]) -> list[str]:
    """The lines of a document."""
    found: list[str] = []
    _add_lines(found, document, 0)
    return found


def _add_lines(found: list[str], inside: Mapping[str, Any], depth: int) -> None:
    """Add the lines of an object; a list, as generators inside each other take three times as long."""
    indent = "  " * depth
    for key, value in inside.items():
        lead = f"{indent}{_key(key)}:"
        if key == "flows" and value and depth == _OF_FLOWS:
            found.append(lead)
            found += [f"{indent}  - {inline(line)}" for line in value]
        elif not isinstance(value, dict):
            found.append(f"{lead} {inline(value)}")
        elif not value:
            found.append(f"{lead} {{}}")
        elif depth not in _OWN_LINES and _is_flat(value) and len(line := f"{lead} {inline(value)}") <= _ROOM:
            found.append(line)
        else:
            found.append(lead)
            _add_lines(found, value, depth + 1)


def _is_flat(value: dict) -> bool:
    return dict not in map(type, value.values())


def inline(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join([f"{_key(key)}: {inline(inner)}" for key, inner in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else _scalar(value)


def _key(key: str | int) -> str:
    return str(key) if isinstance(key, int) else _scalar(key)


@lru_cache(4096)
def _scalar(text: str) -> str:
    """A text as YAML of any version reads it: in quotes unless it is plainly a name, a rate or a range."""
    if re.fullmatch(_PLAIN, text) and text.lower() not in _WORDS:
        return text
    return '"' + "".join(map(_character, as_text(text))) + '"'


def _character(c: str) -> str:
    if c in '"\\':
        return f"\\{c}"
    if c.isprintable():
        return c
    code = ord(c)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
