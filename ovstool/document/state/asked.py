"""What is read of a switch for a document: what it names, and where it owns something."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from ovstool.document.declared import Document, Entry
from ovstool.document.ownership import records
from ovstool.document.state import TABLES, State, read, selectors
from ovstool.ovsdb.columns import Table
from ovstool.ovsdb.values import mapping, uuid
from ovstool.switch import Switch

_MOST_NAMED = 2000  # ports of a document; above this, whole tables are cheaper
_EMPTY = ["map", []]
_SHAPING = ("QoS", "Queue")  # the largest tables, which are often not needed


class _Reader(Protocol):
    """A switch or a transaction."""

    def tables(self, columns: Mapping[str, tuple[str, ...]], where: Mapping[str, list] | None = None) -> dict[str, Table]: ...


def state(found: Mapping[str, Table], document: Document) -> State:
    """The state of the ports that a document names, and of those where it owns something."""
    named = {str(name) for name, ids in zip(*map(found["Port"].columns.get, ("name", "external_ids")), strict=True) if _owns(document, ids)}
    return read(found, ports=named.union(document.port_names()))


def whole(reader: _Reader, document: Document) -> dict[str, Table]:
    """All rows of the tables that decide how a switch differs from a document, from one snapshot."""
    found = reader.tables({table: columns for table, columns in TABLES.items() if table not in _SHAPING or _is_shaped(document)})
    if "QoS" not in found and _owns_qos(document, found["Port"]):
        return reader.tables(TABLES)
    return found


def named(switch: Switch, document: Document) -> dict[str, Table]:
    """The part of these tables that matters.

    On a large switch this takes a fraction of the time of whole tables. It takes several steps, so others may write in between.
    """
    ports = [*document.port_names(), *document.bridges]  # a port may have the name of a bridge to be
    if len(ports) > _MOST_NAMED or len(selectors.names(document)) > selectors.MOST:
        return whole(switch, document)
    ports += selectors.ports_now(switch, document)
    members = {m for declared in document.bridges.values() for port in declared.ports.values() for m in members_of(port)}
    first = {table: columns for table, columns in TABLES.items() if table not in _SHAPING}
    recorded = [] if document.name is None else [["external_ids", "!=", ["map", []]]]
    found = switch.tables(first, {"Port": [*recorded, *_any("name", ports)], "Interface": _any("name", [*members, *ports])})
    if _owns_a_bridge(document, found["Bridge"]):
        return whole(switch, document)
    if recorded:
        found["Port"] = _without_others(document, found["Port"], set(ports))
    there, interfaces = found["Port"], found["Interface"]
    is_shaped = _is_shaped(document) or _owns_qos(document, there)
    inside = {u for members in there.values("interfaces") for u in members}
    mirrored = {u for column in ("select_src_port", "select_dst_port") for us in found["Mirror"].values(column) for u in us}
    mirrored |= {u for u in found["Mirror"].values("output_port") if u}
    owners = [["interfaces", "includes", uuid(u)] for u in interfaces.uuids if u not in inside]  # of what is elsewhere
    where = {
        "Port": [*_any("_uuid", [uuid(u) for u in mirrored.difference(there.uuids)]), *owners],
        "Interface": _any("_uuid", [uuid(u) for u in inside.difference(interfaces.uuids)]),
    }
    if is_shaped:
        where["QoS"] = _any("_uuid", [uuid(u) for u in there.values("qos") if u])
    more = switch.tables({table: TABLES[table] for table in where}, where)
    found |= {table: found[table].joined(more[table]) if table in found else more[table] for table in where}
    if is_shaped:
        queues = [uuid(queue) for numbers in found["QoS"].values("queues") for queue in numbers.values()]
        found |= switch.tables({"Queue": TABLES["Queue"]}, {"Queue": _any("_uuid", queues)})
    return found


def _is_shaped(document: Document) -> bool:
    ports = [port for bridge in document.bridges.values() for port in bridge.ports.values()]
    return any(path[0] == "qos" for port in ports for path in port.settings)


def _owns(document: Document, ids: object) -> bool:
    return document.name is not None and ids != _EMPTY and records.key(document.name) in mapping(ids)


def _owns_qos(document: Document, ports: Table) -> bool:
    return any("qos" in mapping(ids)[records.key(str(document.name))] for ids in ports.columns["external_ids"] if _owns(document, ids))


def _owns_a_bridge(document: Document, bridges: Table) -> bool:
    """Whether the document may have created a bridge that it does not have now: then all ports of that count."""
    there = zip(bridges.values("name"), bridges.columns["external_ids"], strict=True)
    return any(name not in document.bridges and _owns(document, ids) for name, ids in there)


def _without_others(document: Document, ports: Table, named: set[str]) -> Table:
    rows = zip(ports.uuids, ports.values("name"), ports.columns["external_ids"], strict=True)
    return ports.without({u for u, name, ids in rows if name not in named and not _owns(document, ids)})


def _any(column: str, values: Iterable) -> list:
    """The conditions that a column has one of these values."""
    return [[column, "==", value] for value in values] or [False]


def members_of(port: Entry) -> tuple[str, ...]:
    """The names of the interfaces that a document gives a port."""
    return port.settings.get(("bond", "interfaces")) or (port.name,)
