"""The file of a snapshot: one JSON object, a line for each row and flow, with a checksum at its end (pure).

Values of columns are written as in RFC 7047, section 5.1.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, AnyStr

from ovstool.errors import Refused, UsageError
from ovstool.ovsdb import DATABASE
from ovstool.switch.snapshot import Snapshot, database
from ovstool.switch.snapshot.contents import MAX_SIZE, Contents

BEGINNING = b'{\n"ovstool_snapshot": '
_VERSION = 1
_END = rb',\n"sha256": "([0-9a-f]{64})"\n\}\n?\Z'
_OF_CHECKSUM = 100  # bytes, and more than it takes
_MARKS = ("[", "{", '"')
_FULLEST = 8_000_000  # of these, for the Python objects that they become; 400,000 flows of OVN have half as many
_TOO_MUCH = f"more than {MAX_SIZE >> 20} MiB or {_FULLEST // 10**6} million values, the most that ovstool reads"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TEXTS = ("time", "host", "ovs_version", "schema_version")


def text(snapshot: Snapshot) -> str:
    """A snapshot as the text of a file. Raises Refused when it would be too large to be read again."""
    body = "".join(_pieces(snapshot))
    if _is_too_large(body, *_MARKS):
        raise Refused(snapshot.host, f"a snapshot of this switch would have {_TOO_MUCH}")
    return f'{body},\n"sha256": "{hashlib.sha256(body.encode()).hexdigest()}"\n}}\n'


def _is_too_large(content: AnyStr, *marks: AnyStr) -> bool:
    return len(content) > MAX_SIZE - _OF_CHECKSUM or sum(map(content.count, marks)) > _FULLEST


def _pieces(snapshot: Snapshot) -> Iterator[str]:
    head = {"ovstool_snapshot": _VERSION, "database": DATABASE} | {name: getattr(snapshot, name) for name in _TEXTS}
    yield "{\n" + ",\n".join(f"{_json(name)}: {_json(value)}" for name, value in head.items())
    yield ',\n"tables": ' + _object({table: _object(_written(rows), 2) for table, rows in snapshot.rows.items()}, 1)
    yield ',\n"bridges": ' + _object({name: _object(_lists(of), 2) for name, of in snapshot.bridges.items()}, 1)


def _written(rows: Mapping[str, Any]) -> dict[str, str]:
    return {u: _json(row) for u, row in rows.items()}


def _lists(of: Contents) -> dict[str, str]:
    return {name: _wrapped("[]", map(_json, lines), 3) for name, lines in of._asdict().items()}


def _object(items: Mapping[str, str], depth: int) -> str:
    return _wrapped("{}", (f"{_json(key)}: {item}" for key, item in items.items()), depth)


def _wrapped(brackets: str, items: Iterable[str], depth: int) -> str:
    """Items on lines of their own, indented by their depth."""
    indent = "\n" + " " * depth
    inside = f",{indent}".join(items)
    return f"{brackets[0]}{indent}{inside}{indent[:-1]}{brackets[1]}" if inside else brackets


def _json(value: Any) -> str:
    return json.dumps(value).replace("\x7f", "\\u007f")


def parse(data: bytes, name: str) -> Snapshot:
    """The snapshot in a file; ``name`` is the file's in messages. Raises UsageError for anything else, or a file that is not whole."""
    if not data.startswith(BEGINNING):
        raise UsageError(name, "not a snapshot of ovstool", "ovstool snapshot save FILE")
    if _is_too_large(data, *map(str.encode, _MARKS)):
        raise UsageError(name, _TOO_MUCH)
    version = re.compile(rb"(\d{1,9}),").match(data, len(BEGINNING))
    if version and int(version[1]) != _VERSION:
        raise UsageError(name, f"a snapshot in format {version[1].decode()}; this ovstool reads format {_VERSION}")
    end = re.search(_END, data[-_OF_CHECKSUM:])
    if not end:
        raise UsageError(name, "incomplete: its end is missing, so nothing was changed", "an older snapshot")
    body = memoryview(data)[: len(data) - len(data[-_OF_CHECKSUM:]) + end.start()]
    if hashlib.sha256(body).hexdigest() != end[1].decode():
        raise UsageError(name, "damaged: its content does not fit its checksum, so nothing was changed", "an older snapshot")
    try:
        return _snapshot(json.loads(data))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise UsageError(name, "not a snapshot of ovstool: its content is not that of a switch") from error


def _snapshot(content: dict) -> Snapshot:
    """Raises AttributeError, KeyError, TypeError or ValueError for a content of another form."""
    rows = {str(table): {_uuid(u): dict(row) for u, row in of.items()} for table, of in content["tables"].items()}
    bridges = {name: Contents(*(_lines(of[kind]) for kind in Contents._fields)) for name, of in content["bridges"].items()}
    if (content["ovstool_snapshot"], content["database"]) != (_VERSION, DATABASE):
        raise ValueError("another format or database")
    present = {u for of in rows.values() for u in of}
    referred = {u for of in rows.values() for row in of.values() for value in row.values() for u in database.references(value)}
    if not present.issuperset(referred) or len(rows[database.ROOT]) != 1 or bridges.keys() != database.bridges(rows).keys():
        raise ValueError("references to rows that are missing")
    time, host, *versions = (content[name] and str(content[name]) for name in _TEXTS)
    return Snapshot(time, host, versions[0], versions[1], rows, bridges)


def _uuid(text: str) -> str:
    if not re.fullmatch(_UUID, text):
        raise ValueError("not a UUID")
    return text


def _lines(lines: list) -> list[str]:
    """Each is a line for ovs-ofctl, so none may contain a line's end."""
    if type(lines) is not list or not all(type(line) is str and "\n" not in line and "\0" not in line for line in lines):
        raise ValueError("not a list of lines")
    return lines
