"""OVSDB values (RFC 7047, section 5.1): JSON as it is on the wire, to and from Python. Pure.

A set of one element may be written as the element alone, so the caller says what a column holds: ``one``, ``many``
or ``mapping``. A UUID is a string in Python and ``["uuid", ...]`` on the wire; writers use ``uuid`` or ``uuids``.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ovstool.errors import Unreachable

Json = Any

_SCALARS = frozenset([str, int, float, bool])
_EMPTY = ["set", []]


def one(value: Json) -> Any:
    """The value of a column that holds at most one atom; None when it is empty, or when this OVS has no such column."""
    if type(value) is not list:
        if type(value) is dict:
            raise malformed("an object instead of an atom")
        return value
    if value == _EMPTY:
        return None
    if value[:1] != ["set"]:
        return _atom(value)
    atoms = many(value)
    if len(atoms) > 1:
        raise malformed("several values where at most one is allowed")
    return atoms[0] if atoms else None


def many(value: Json) -> list:
    """The atoms of a set, as a list in the server's order."""
    if value is None or value == _EMPTY:
        return []
    if type(value) is list and len(value) == 2 and value[0] == "set" and type(value[1]) is list:
        return [_atom(atom) for atom in value[1]]
    return [_atom(value)]


def atoms(value: Json) -> list[Json]:
    """The atoms of a set as on the wire; references stay references."""
    return value[1] if type(value) is list and value[:1] == ["set"] else [value]


def mapping(value: Json) -> dict:
    """A map as a dict."""
    if value is None:
        return {}
    if type(value) is not list or len(value) != 2 or value[0] != "map" or type(value[1]) is not list:
        raise malformed("a value that should be a map")
    pairs = value[1]
    if not pairs:
        return {}
    try:
        found = dict(pairs)
        if _SCALARS.issuperset(map(type, found.values())):
            return found  # the counters of 10,000 ports are 130,000 pairs
    except (TypeError, ValueError):
        pass
    try:
        return {_atom(key): _atom(item) for key, item in pairs}
    except (TypeError, ValueError) as error:
        raise malformed("a map that is not a list of pairs") from error


def ofport(value: Json) -> int | None:
    """The OpenFlow port number in Interface.ofport; None before it is assigned, and for -1, a device that could not be opened."""
    number = one(value)
    return number if isinstance(number, int) and number > 0 else None


def same(value: Json, other: Json) -> bool:
    """Whether two values of a column are equal; sets and maps have no order."""
    return _canonical(value) == _canonical(other)


def without(pairs: dict, column: str, unset: Collection[tuple[str, str | None]]) -> dict:
    """The rest of a map column after unsetting some of its keys, or all of them with the key None."""
    return {} if (column, None) in unset else {key: value for key, value in pairs.items() if (column, key) not in unset}


def uuid(value: str) -> Json:
    """A reference to an existing row."""
    return ["uuid", value]


def uuids(values: Iterable[str]) -> Json:
    """A set of references to existing rows."""
    return ["set", [["uuid", value] for value in values]]


def to_set(atoms: Iterable[Any]) -> Json:
    """A set of atoms other than UUIDs; an optional value is ``to_set([])`` or the value itself."""
    return ["set", list(atoms)]


def to_map(pairs: Mapping) -> Json:
    """A map without UUIDs among its keys and values."""
    return ["map", [[key, item] for key, item in pairs.items()]]


def malformed(why: str) -> Unreachable:
    """The error for a reply that violates RFC 7047."""
    return Unreachable("the database", f"not a valid OVSDB reply: {why}")


def _canonical(value: Json) -> dict | list:
    match value:
        case ["map", _]:
            return mapping(value)
        case _:
            return sorted(many(value), key=str)


def _atom(value: Json) -> Any:
    if type(value) in _SCALARS:
        return value
    if type(value) is list and len(value) == 2 and value[0] in ("uuid", "named-uuid") and type(value[1]) is str:
        return value[1]
    raise malformed("a value that should be an atom")
