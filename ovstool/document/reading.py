"""From the text of a document to what it declares, with every error that can be found without a switch."""

import errno
import sys
from typing import Any, NamedTuple

from ovstool.document import fields, rules
from ovstool.document.declared import DeclaredBridge, Document, Entry
from ovstool.document.kinds import Field, Keyed, Kind, List, Object, Pairs, Value, near
from ovstool.document.tree import Mapping, Node, Place, Problems, Scalar, Sequence, composed, pairs
from ovstool.errors import OvstoolError, TimedOut, UsageError, quote
from ovstool.host import files
from ovstool.host.deadline import Deadline

_MAX_BYTES = 20 * 10**6
_TOO_LARGE = f"larger than {_MAX_BYTES // 10**6} MB, too large for a document"
_NULLS = ("null", "Null", "NULL", "~")
_WANTED = {Object: "fields (FIELD: VALUE)", Keyed: "names (NAME: ...)", Pairs: "keys (KEY: VALUE)", List: "a list"}


class Read(NamedTuple):
    """A document, and what is wrong with it in the order of its lines."""

    document: Document
    errors: list[UsageError]


def read_file(path: str, timeout_s: float) -> Read:
    """Read a document from a file or a pipe; ``-`` is standard input. Raises UsageError for one that cannot be read, TimedOut."""
    shown = "standard input" if path == "-" else path
    try:
        if path == "-" and sys.stdin is None:
            raise UsageError(shown, "is closed", "a file")
        if path == "-":
            data = sys.stdin.buffer.read(_MAX_BYTES + 1)
        else:
            data = files.read_pipe(path, _MAX_BYTES, Deadline(timeout_s))
    except TimeoutError as error:
        raise TimedOut(shown, str(error.strerror)) from error
    except OSError as error:
        raise UsageError(shown, _TOO_LARGE if error.errno == errno.EFBIG else error.strerror or str(error)) from error
    if len(data) > _MAX_BYTES:
        raise UsageError(shown, _TOO_LARGE)
    return read(shown, data)


def read(path: str, data: bytes) -> Read:
    """Read a document; ``path`` is what errors call it."""
    problems, document = Problems(path), Document({})
    try:
        node = composed(_text(path, data), problems)
        if node is None or _is_null(node):
            problems.add(Place(0, 0), "empty", "ovstool export, which writes such a document")
        else:
            _Reader(problems).read_document(node, document)
            rules.check(document, problems)
    except UsageError as error:
        return Read(document, [*problems.sorted(), error])
    except RecursionError:
        return Read(document, [*problems.sorted(), UsageError(path, "an alias contains itself, or aliases are nested too deeply")])
    return Read(document, problems.sorted())


def _text(path: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(10, 0, error.start)
        column = error.start - (data.rfind(10, 0, error.start) + 1)
        raise UsageError(f"{path}:{line + 1}:{column + 1}", "not UTF-8") from error


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and not node.text and not node.is_quoted


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and not node.is_quoted and (not node.text or node.text in _NULLS)


class _Reader:
    """Reads nodes as fields, and goes on after each error."""

    def __init__(self, problems: Problems):
        self._problems = problems
        self._known: dict[tuple[int, str], Any] = {}  # values by their kind and text: most ports have those of others

    def read_document(self, node: Node, document: Document) -> None:
        for _, _, bridges in self._fields_of(fields.DOCUMENT, node):
            for name, place, inner in self._items(_keyed(fields.DOCUMENT, "bridges"), bridges):
                entry = Entry(name, place, {}, {})
                declared = document.bridges[name] = DeclaredBridge(entry, {})
                self._read_bridge(inner, declared)

    def _read_bridge(self, node: Node, declared: DeclaredBridge) -> None:
        for name, field, value in self._fields_of(fields.BRIDGE, node):
            if name != "ports":
                self._read_field(field, value, (name,), declared.entry)
                continue
            for port, place, inner in self._items(_keyed(fields.BRIDGE, "ports"), value):
                entry = declared.ports[port] = Entry(port, place, {}, {})
                for field_name, of_port, setting in self._fields_of(fields.PORT, inner):
                    path = ("options", field_name) if field_name in fields.SHORT else (field_name,)
                    self._read_field(of_port, setting, path, entry)
                _complete(entry, declared.entry.name)

    def _fields_of(self, kind: Object, node: Node) -> list[tuple[str, Field, Node]]:
        """The fields of an object that exist, each with its value."""
        found = []
        for key, value in self._pairs(kind, node):
            field = kind.fields.get(key.text)
            if field is not None:
                found.append((key.text, field, value))
            else:
                meant = near(key.text.replace("-", "_").lower(), kind.fields)
                self._problems.add(key.place, f"unknown field {quote(key.text)}", meant or ", ".join(kind.fields))
        return found

    def _items(self, kind: Keyed, node: Node) -> list[tuple[str, Place, Node]]:
        """The items of a keyed object; one without a value has no fields."""
        found = []
        for key, value in self._pairs(kind, node):
            try:
                found.append((str(kind.key.parse(key.text)), key.place, value))
            except UsageError as error:
                self._add(key.place, error)
        return found

    def _pairs(self, kind: Kind, node: Node) -> list[tuple[Scalar, Node]]:
        if isinstance(node, Mapping):
            return list(pairs(self._problems, node))
        if not _is_empty(node):
            self._wrong(kind, node)
        return []

    def _wrong(self, kind: Kind, node: Node) -> None:
        found = quote(node.text) if isinstance(node, Scalar) else "a list" if isinstance(node, Sequence) else "a mapping"
        hint = "{}" if _is_null(node) and type(kind) in (Object, Keyed, Pairs) else None
        self._problems.add(node.place, f"{found} where {_WANTED.get(type(kind), 'a single value')} should be", hint)

    def _read_field(self, field: Field, node: Node, path: fields.Path, entry: Entry) -> None:
        if _is_null(node) and type(field.kind) is not Keyed:
            if not _is_empty(node) and field.removable:
                entry.put(path, None, node.place)
            else:
                hint = "a value, null to remove it, or a document without this line" if field.removable else "a value"
                self._problems.add(node.place, f"{path[-1]} has no value", hint)
            return
        self._read(field.kind, node, path, entry)

    def _read(self, kind: Kind, node: Node, path: fields.Path, entry: Entry) -> None:
        match kind:
            case Value():
                self._read_value(kind, node, path, entry)
            case List():
                self._read_list(kind, node, path, entry)
            case Pairs():
                for key, value in self._pairs(kind, node):
                    self._read_pair(key, value, path, entry)
            case Object():
                for name, field, value in self._fields_of(kind, node):
                    self._read_field(field, value, (*path, name), entry)
            case Keyed():
                self._read_items(kind, node, path, entry)

    def _read_items(self, kind: Keyed, node: Node, path: fields.Path, entry: Entry) -> None:
        for name, place, value in self._items(kind, node):
            if _is_null(value) and not _is_empty(value):
                entry.put((*path, name), None, place)
                continue
            entry.put((*path, name), True, place)
            self._read(kind.item, value, (*path, name), entry)

    def _read_pair(self, key: Scalar, value: Node, path: fields.Path, entry: Entry) -> None:
        if not isinstance(value, Scalar):
            self._wrong(Value(str, {}), value)
        elif _is_empty(value):
            self._problems.add(value.place, f"{quote(key.text)} has no value", 'a value, "" for an empty one, or null to remove the key')
        else:
            entry.put((*path, key.text), None if _is_null(value) else value.text, key.place)

    def _read_list(self, kind: List, node: Node, path: fields.Path, entry: Entry) -> None:
        if not isinstance(node, Sequence):
            self._wrong(kind, node)
            return
        self._problems.count(node.place, len(node.items))
        found: set = set()
        for item in node.items:
            value = self._parsed(kind.item, item)
            found.update(value if isinstance(value, list) else () if value is None else (value,))
        entry.put(path, tuple(sorted(found)) or None, node.place)

    def _read_value(self, kind: Value, node: Node, path: fields.Path, entry: Entry) -> None:
        value = self._parsed(kind, node)
        if value is not None:
            entry.put(path, None if value == kind.default else value, node.place)

    def _parsed(self, kind: Value, node: Node) -> Any:
        """The value of a text; None, with an error, for what is none."""
        if not isinstance(node, Scalar):
            self._wrong(kind, node)
            return None
        key = id(kind), node.text
        if key not in self._known:
            try:
                self._known[key] = kind.parse(node.text)
            except UsageError as error:
                self._add(node.place, error)
                return None
        return self._known[key]

    def _add(self, place: Place, error: OvstoolError) -> None:
        self._problems.add(place, f"{error.what}: {error.why}", error.hint)


def _complete(port: Entry, bridge: str) -> None:
    """Make settings of a port that mean the same the same."""
    settings = port.settings
    if settings.get(("options", "peer")) is not None:
        settings.setdefault(("type",), "patch")
    if settings.get(("bond", "interfaces")) == (port.name,):
        settings[("bond", "interfaces")] = None
    if port.name == bridge and settings.get(("type",)) == "internal":
        del settings[("type",)]  # a local port is, whatever the database says


def _keyed(kind: Object, name: str) -> Keyed:
    found = kind.fields[name].kind
    assert isinstance(found, Keyed)
    return found
