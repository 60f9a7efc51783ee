"""The kinds of values in a document, each with how it is read and what a JSON Schema says of it. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ovstool import units
from ovstool.errors import UsageError, quote

_WHOLE = r"0|[1-9][0-9]{0,18}"


def _same(value: Any) -> Any:
    return value


class Value(NamedTuple):
    """A single value: how a text becomes it, its JSON Schema, and how it is written again. ``default`` is what no value means.

    ``parse`` raises UsageError; its hint is what to try.
    """

    parse: Callable[[str], Any]
    schema: Mapping[str, Any]
    write: Callable[[Any], Any] = _same
    default: Any = None


class List(NamedTuple):
    """Values in any order, each once; ``parse`` of one may return several, as a list. ``write`` writes all of them."""

    item: Value
    write: Callable[[Any], list] = list


class Pairs(NamedTuple):
    """Keys and texts, of which others may have more: those that a document does not name stay."""


class Object(NamedTuple):
    """Fields by name."""

    fields: "Mapping[str, Field]"


class Keyed(NamedTuple):
    """Objects by a key that the user chooses; ``what`` says what one of them is."""

    key: Value
    item: Object
    what: str


Kind = Value | List | Pairs | Object | Keyed


class Field(NamedTuple):
    """A field of an object, and what it means. ``null`` removes it, unless the object cannot be without."""

    kind: Kind
    about: str
    removable: bool = True


def whole(low: int, high: int) -> Value:
    """A whole number, in digits without a leading zero: YAML 1.1 takes 010 for 8, YAML 1.2 for 10."""

    def parse(text: str) -> int:
        if not re.fullmatch(_WHOLE, text) or not low <= int(text) <= high:
            hint = text.lstrip("0") if re.fullmatch("0[0-9]+", text) else None
            raise UsageError(quote(text), f"not a whole number from {low} to {high}", hint)
        return int(text)

    return Value(parse, {"type": "integer", "minimum": low, "maximum": high})


def choice(words: tuple[str, ...], default: str | None = None) -> Value:
    """One of some words."""

    def parse(text: str) -> str:
        if text not in words:
            raise UsageError(quote(text), f"not one of {', '.join(words)}", near(text, words))
        return text

    return Value(parse, {"enum": list(words)}, default=default)


def text(example: str, default: str | None = None) -> Value:
    """Any text but an empty one."""

    def parse(typed: str) -> str:
        if not typed:
            raise UsageError('""', "empty", example)
        return typed

    return Value(parse, {"type": ["string", "number", "boolean"], "examples": [example]}, default=default)


def checked(parse: Callable[[str], Any], example: str, write: Callable[[Any], Any] = _same) -> Value:
    """A text that one of ovstool's parsers reads."""
    return Value(parse, {"type": "string", "examples": [example]}, write)


def _vlans(typed: str) -> list[int]:
    low, dash, high = typed.partition("-")
    first, last = VLAN.parse(low), VLAN.parse(high if dash else low)
    if last < first:
        raise UsageError(quote(typed), "a range starts with the lower VLAN", f"{last}-{first}")
    return list(range(first, last + 1))


def written_vlans(vlans: tuple[int, ...]) -> list[int | str]:
    """VLANs as they are written: three and more in a row as a range."""
    found: list[int | str] = []
    rows: list[list[int]] = []
    for vlan in vlans:
        if rows and vlan == rows[-1][-1] + 1:
            rows[-1].append(vlan)
        else:
            rows.append([vlan])
    for row in rows:
        found += [f"{row[0]}-{row[-1]}"] if len(row) > 2 else row
    return found


def near(word: str, known: Any) -> str | None:
    """The most similar of some words; None if none is similar."""
    from difflib import get_close_matches  # rarely needed

    return next(iter(get_close_matches(word[:64], known, 1)), None)


_RATE_SCHEMA = {"type": ["string", "integer"], "examples": ["200mbit", "1.5gbit"]}
_SIZE_SCHEMA = {"type": ["string", "integer"], "examples": ["2500kbit", "64KiB"]}
RATE = Value(units.parse_rate, _RATE_SCHEMA, units.spell)
SIZE = Value(units.parse_size, _SIZE_SCHEMA, units.spell)
VLAN = whole(0, 4095)
VLANS = List(Value(_vlans, {"type": ["integer", "string"], "minimum": 0, "maximum": 4095, "pattern": "^[0-9]+-[0-9]+$"}), written_vlans)
PAIRS = Pairs()


def _switch(typed: str) -> bool:
    if typed not in ("true", "false"):
        meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(typed.lower())
        raise UsageError(quote(typed), "not true or false", meant)
    return typed == "true"


SWITCH = Value(_switch, {"type": "boolean"}, default=False)
