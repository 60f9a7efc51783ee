"""How a switch differs from a document: only in what the document names."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from ovstool.document import fields, writing
from ovstool.document.declared import DeclaredBridge, Document, Entry
from ovstool.document.fields import Path, Settings
from ovstool.document.kinds import Object
from ovstool.document.state import SEVERAL, State, members_of, named, read, tables_for
from ovstool.errors import Conflict, quote
from ovstool.switch import Switch


class Difference(NamedTuple):
    """A row of ``diff``: a field of a bridge or a port, what it is and what it would be, as documents write it; None for nothing."""

    object: str
    field: str
    present: Any
    wanted: Any


class Compared(NamedTuple):
    """A bridge or a port of a document: its settings on the switch, None if it is not there, and those to change (None: to remove)."""

    entry: Entry
    present: Settings | None
    changes: Settings

    @property
    def change(self) -> str:
        return "created" if self.present is None else "updated" if self.changes else "unchanged"


class ComparedBridge(NamedTuple):
    """A bridge with its ports, and the names of the ports that the document does not have."""

    bridge: Compared
    ports: list[Compared]
    others: list[str]


def diff(switch: Switch, document: Document, prune: bool) -> list[Difference]:
    """What ``apply`` would change, in the order of the document. Raises Conflict for what it could not."""
    tables = switch.tables(tables_for(document)) if prune else named(switch, document)
    found = read(tables, ports=set(document.port_names()), bridges=document.bridges)
    rows: list[Difference] = []
    for compared in compare(document, found):
        rows += _rows(compared.bridge, "bridge", compared.bridge.entry.name, fields.BRIDGE)
        for port in compared.ports:
            rows += _rows(port, "bridge", compared.bridge.entry.name, fields.PORT)
        rows += [Difference(name, "bridge", compared.bridge.entry.name, None) for name in (compared.others if prune else ())]
    return rows


def compare(document: Document, found: State) -> list[ComparedBridge]:
    """Each bridge of a document with its ports. Raises Conflict for a port or an interface that is elsewhere."""
    where = {port: name for name, bridge in found.bridges.items() for port in bridge.ports}
    return [_compare_bridge(declared, found, where) for declared in document.bridges.values()]


def _compare_bridge(declared: DeclaredBridge, found: State, where: dict[str, str]) -> ComparedBridge:
    entry = declared.entry
    there = found.bridges.get(entry.name)
    if there is None and entry.name in where:
        raise Conflict(f"bridge {quote(entry.name)}", f"a port of bridge {quote(where[entry.name])} has this name", "another name")
    ports = []
    for port in declared.ports.values():
        if where.get(port.name, entry.name) != entry.name:
            hint = f"ovstool port del {quote(port.name)}"
            raise Conflict(f"port {quote(port.name)}", f"is on another bridge, {quote(where[port.name])}", hint)
        _require_own_interfaces(port, found)
        is_new_local = there is None and port.name == entry.name
        present = found.ports[port.name].settings if port.name in found.ports else {} if is_new_local else None
        ports.append(Compared(port, present, _changes(port, present or {})))
    others = [name for name in sorted(there.ports) if name not in declared.ports and name != entry.name] if there else []
    return ComparedBridge(Compared(entry, there and there.settings, _changes(entry, there.settings if there else {})), ports, others)


def _require_own_interfaces(port: Entry, found: State) -> None:
    for member in members_of(port):
        owner = found.owners.get(member, port.name)
        is_former = ("bond", "interfaces") not in port.settings
        if owner != port.name and not (is_former and port.name in found.ports):
            raise Conflict(
                f"port {quote(port.name)}", f"interface {quote(member)} belongs to port {quote(owner)}", f"ovstool port show {quote(owner)}"
            )


def _changes(entry: Entry, present: Settings) -> Settings:
    """The settings to change; a QoS of another type is a new one, of which nothing stays."""
    found: Settings = {}
    for path, wanted in entry.settings.items():
        if wanted is None:
            found.update(dict.fromkeys(_at_or_below(path, present)))
        elif present.get(path) != wanted:
            found[path] = wanted
    kind = ("qos", "type")
    if kind in found and kind in present:
        found |= {path: None for path in _at_or_below(("qos",), present) if path not in entry.settings and len(path) > 1}
    return found


def _at_or_below(path: Path, present: Settings) -> list[Path]:
    size = len(path)
    return [there for there in present if there[:size] == path]


def _rows(compared: Compared, what: str, bridge: str, kind: Object) -> Iterator[Difference]:
    name, present = compared.entry.name, compared.present
    if present is None:
        yield Difference(name, what, None, bridge)
    for path, wanted in compared.changes.items():
        was = None if present is None else present.get(path)
        if (was is True or wanted is True) and any(other[: len(path)] == path and other != path for other in compared.changes):
            continue  # what is inside has rows of its own
        yield Difference(name, ".".join(path), _written(kind, path, was), _written(kind, path, wanted))


def _written(kind: Object, path: Path, value: Any) -> Any:
    if value is None or value is SEVERAL:
        return None if value is None else str(value)
    written = writing.value(kind, path, value)
    return "{}" if written == {} else written  # a queue or a mirror without settings
