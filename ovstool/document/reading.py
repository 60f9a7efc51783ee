"""From the text of a document to what it declares, with every error that can be found without a switch."""

import errno
import os
import re
import sys
from collections.abc import Mapping as Values
from typing import Any, NamedTuple

from ovstool.document import fields, rules
from ovstool.document.declared import DeclaredBridge, Document, Entry
from ovstool.document.kinds import Field, Keyed, Kind, List, Object, Pairs, Value, near
from ovstool.document.parameters import Parameters
from ovstool.document.tree import Mapping, Node, Place, Problems, Scalar, Sequence, composed, pairs
from ovstool.errors import OvstoolError, TimedOut, UsageError, quote
from ovstool.host import files
from ovstool.host.deadline import Deadline

_MAX_BYTES = 20 * 10**6
_TOO_LARGE = f"larger than {_MAX_BYTES // 10**6} MB, too large for a document"
_TOO_DEEP = "an alias contains itself, or aliases are nested too deeply"
_NOTHING = Scalar("", Place(0, 0), False)
_LAST = Place(sys.maxsize, 0)  # of an error that ends the reading
_NULLS = ("null", "Null", "NULL", "~")
_WANTED = {Object: "fields (FIELD: VALUE)", Keyed: "names (NAME: ...)", Pairs: "keys (KEY: VALUE)", List: "a list"}


class Read(NamedTuple):
    """A document, and what is wrong with it in the order of its lines."""

    document: Document
    errors: list[UsageError]


class _Shared(NamedTuple):
    """What the documents of several hosts have in common: values by their kind and text, ports, and the ids of those that are right in themselves."""

    values: dict[tuple[int, str], Any]
    ports: dict[tuple[int, str, Place, str], Entry]
    right: set[int]


class Template:
    """A document whose YAML has been read, to be read for each host with the values of its parameters.

    ``path`` is what errors call it, ``name`` its name unless it says another.

    Ports without parameters are the same for all hosts: they are read and checked once.
    """

    def __init__(self, path: str, data: bytes, name: str | None = None):
        self._path = path
        self._name = name
        self._shared = _Shared({}, {}, set())
        self._unreadable: UsageError | None = None
        self.parameters = Parameters(_NOTHING)
        try:
            self.parameters = Parameters(composed(_text(path, data), Problems(path)) or _NOTHING)
        except UsageError as error:
            self._unreadable = error
        except RecursionError:
            self._unreadable = UsageError(path, _TOO_DEEP)

    def read(self, values: Values[str, str]) -> tuple[Document, list[tuple[Place, UsageError]]]:
        """The document of a host, and what is wrong with it, but for places whose parameters have no value."""
        problems, document = Problems(self._path), Document({}, {})
        if self._unreadable:
            return document, [(_LAST, self._unreadable)]
        try:
            document = self._read(document, problems, values)
        except UsageError as error:
            return document, [*problems.found(), (_LAST, error)]
        except RecursionError:
            return document, [*problems.found(), (_LAST, UsageError(self._path, _TOO_DEEP))]
        return document, problems.found()

    def at(self, place: Place) -> str:
        return Problems(self._path).at(*place)

    def _read(self, document: Document, problems: Problems, values: Values[str, str]) -> Document:
        node = self.parameters.filled(values, problems)
        if _is_null(node):
            problems.add(Place(0, 0), "empty", "ovstool export, which writes such a document")
            return document
        reader = _Reader(problems, self._shared, self.parameters)
        reader.read_document(node, document)
        document = document._replace(name=reader.header.settings.get(("name",), self._name))
        if not problems.excused:
            rules.check(document, problems, self._shared.right)
            if not problems.size():
                self._shared.right.update(map(id, self._shared.ports.values()))
        return document


def read_file(path: str, timeout_s: float) -> Template:
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
    return Template(shown, data, _name_of_file(path))


def _name_of_file(path: str) -> str | None:
    """The name of a document that does not say it: that of its file, if it is a regular one and fits."""
    places = (os.path.abspath(path), os.path.realpath(path))
    if path == "-" or not os.path.isfile(path) or any(place.startswith(("/dev/", "/proc/")) for place in places):
        return None
    name = re.sub(r"\.(yaml|yml|json)\Z", "", os.path.basename(path))
    return name if re.fullmatch(fields.NAME, name) else None


def read(path: str, data: bytes) -> Read:
    """Read a document without parameters; ``path`` is what errors call it."""
    document, found = Template(path, data).read({})
    return Read(document, [error for _, error in found])


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

    def __init__(self, problems: Problems, shared: _Shared, parameters: Parameters):
        self._problems = problems
        self._shared = shared
        self._known = shared.values  # most ports have those of others
        self._parameters = parameters
        self.header = Entry("", Place(0, 0), {}, {})  # what the document says of itself

    def read_document(self, node: Node, document: Document) -> None:
        for field_name, field, bridges in self._fields_of(fields.DOCUMENT, node):
            if field_name != "bridges":
                self._read_field(field, bridges, (field_name,), self.header)
                continue
            for name, place, inner in self._items(_keyed(fields.DOCUMENT, "bridges"), bridges):
                entry = Entry(name, place, {}, {})
                declared = document.bridges[name] = DeclaredBridge(entry, {})
                self._read_bridge(inner, declared, document)

    def _read_bridge(self, node: Node, declared: DeclaredBridge, document: Document) -> None:
        for name, field, value in self._fields_of(fields.BRIDGE, node):
            if name == "flows":
                self._read_flows(field.kind, value, declared.entry.name, document)
                continue
            if name != "ports":
                self._read_field(field, value, (name,), declared.entry)
                continue
            for port, place, inner in self._items(_keyed(fields.BRIDGE, "ports"), value):
                declared.ports[port] = self._port(port, place, inner, declared.entry.name)

    def _port(self, name: str, place: Place, node: Node, bridge: str) -> Entry:
        key = id(node), name, place, bridge
        if key in self._shared.ports:
            return self._shared.ports[key]
        before, entry = self._problems.size(), Entry(name, place, {}, {})
        for field_name, field, setting in self._fields_of(fields.PORT, node):
            path = ("options", field_name) if field_name in fields.SHORT else (field_name,)
            self._read_field(field, setting, path, entry)
        _complete(entry, bridge)
        if self._parameters.has_none(node) and self._problems.size() == before:
            self._shared.ports[key] = entry
        return entry

    def _read_flows(self, kind: Kind, node: Node, bridge: str, document: Document) -> None:
        """The flows of a bridge in their order, each with its place, which errors of the switch name."""
        if _is_null(node):
            self._problems.add(node.place, "flows has no value", "[], which deletes all flows, or a document without this line")
            return
        if not isinstance(node, Sequence) or not isinstance(kind, List):
            self._wrong(kind, node)
            return
        self._problems.count(node.place, len(node.items))
        found = [(flow, item.place) for item in node.items if (flow := self._parsed(kind.item, item)) is not None]
        from ovstool.switch.flow import GivenFlows  # most documents have none

        lines, places = ([part[at] for part in found] for at in (0, 1))
        document.flows[bridge] = GivenFlows(lines, self._problems.at(None), places=places)

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
