"""Ports as a document wants them: what is written for each."""

from collections import defaultdict
from functools import cached_property
from typing import Any

from ovstool.document import shaping
from ovstool.document.applying.columns import OF_INTERFACE, OF_PORT, applied, columns, policing
from ovstool.document.comparison import Compared
from ovstool.document.fields import Path, Settings
from ovstool.document.state import INTERFACE, PORT, PortState, State
from ovstool.errors import Refused, quote
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import Json, many, mapping, one, same, to_map, to_set, uuid
from ovstool.switch import brought_up, qos
from ovstool.switch.accepts import port_modes, port_types
from ovstool.switch.port import mtu
from ovstool.switch.references import References, hold_port

_NEW_QOS = qos.QosSpec(None, None, None, {}, {})


class Ports:
    """Writes ports. References to new ones are in ``inserted``, by bridge and name; ``finish`` writes what concerns several ports."""

    def __init__(self, txn: Transaction, found: State):
        self.inserted: dict[str, dict[str, Json]] = defaultdict(dict)
        self._txn = txn
        self._found = found
        self._types = [kind for kinds in found.tables["Open_vSwitch"].values("iface_types") for kind in kinds]
        self._shaped: dict[str, qos.WantedQos | None] = {}  # QoS by the UUID of its port; None: it goes

    @cached_property
    def _tunnels(self) -> dict[str, dict[str, dict[str, str]]]:
        """The options of tunnels by type and name: those on the switch, and those put so far."""
        table = self._found.tables["Interface"]
        found: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
        for u, kind in zip(table.uuids, table.values("type"), strict=True):
            if kind in port_types.TUNNELS:
                name, options = table.at(u, "name", "options")
                found[kind][name] = options
        return found

    def put(self, compared: Compared, bridge: str) -> None:
        """Make a port as it should be. Raises UsageError for what Open vSwitch would ignore or misread, Refused."""
        there = self._found.ports.get(compared.entry.name)
        if there is None:
            self._insert(bridge, compared.entry.name, applied(compared.present or {}, compared.changes), compared.records)
        elif compared.change != "unchanged":
            self._update(there, compared)

    def insert_local(self, bridge: str) -> None:
        """Add the local port of a new bridge, unless the document says something of it."""
        if bridge not in self.inserted[bridge]:
            self._insert(bridge, bridge, {}, {})

    def remove(self, bridge: str, names: list[str]) -> list[str]:
        """Detach the QoS of ports that are removed from a bridge, and rely on who owns them; returns the UUIDs of the ports."""
        removed = [self._found.bridges[bridge].ports[name] for name in names]
        for port in removed:
            self._hold("Port", port, ("qos", "external_ids"))
        self._shaped |= {port: None for port in removed if many(self._row("Port", port)["qos"])}
        return removed

    def finish(self) -> None:
        """Write the QoS of existing ports, and delete the rows that nothing refers to any more."""
        if not self._shaped:
            return
        rows = {port: self._row("Port", port) for port in self._shaped}
        owned = References(self._txn, list(rows.values()))
        for port, wanted in self._shaped.items():
            if wanted is not None:
                qos.set_one(self._txn, owned, self._queues(rows[port]), rows[port], _NEW_QOS, wanted, False)
            elif many(rows[port]["qos"]):
                hold_port(self._txn, port, rows[port]["qos"])
                self._txn.update("Port", port, {"qos": to_set([])})
                owned.detach(port, one(rows[port]["qos"]))
        owned.delete_unreferenced()

    def _queues(self, port: Row) -> dict[str, Row]:
        """The queues of a port's QoS, which is held as it was read, as what is wanted was made from it."""
        shaped = [u for u in many(port["qos"]) if u in self._found.tables["QoS"].places]
        queues = [queue for u in shaped for queue in mapping(self._found.tables["QoS"].row(u)["queues"]).values()]
        for u in shaped:
            row = self._found.tables["QoS"].row(u)
            self._txn.hold(Query("QoS", [["_uuid", "==", uuid(u)]], tuple(row)), [row])
        return {u: self._row("Queue", u) for u in queues if u in self._found.tables["Queue"].places}

    def _row(self, table: str, row_uuid: str) -> Row:
        return self._found.tables[table].row(row_uuid) | {"_uuid": uuid(row_uuid)}

    def _insert(self, bridge: str, name: str, settings: Settings, records: dict[str, str]) -> None:
        kind = "internal" if name == bridge else settings.get(("type",), "system")
        members = settings.get(("bond", "interfaces"), (name,))
        _check_vlans(name, settings)
        of_interface = _new_interface(settings) | ({"type": kind} if name == bridge else {})
        interfaces = []
        for member in members:
            self._check_type(member, kind, settings, is_new=True)
            interfaces.append(self._txn.insert("Interface", {"name": member} | of_interface))
            self._txn.watch(brought_up.health(member))
        port = {"name": name, "interfaces": interfaces[0] if len(interfaces) == 1 else to_set(interfaces)}
        port |= {"external_ids": to_map(records)} if records else {}
        self.inserted[bridge][name] = self._txn.insert("Port", port | columns(OF_PORT, settings) | self._new_qos(settings))

    def _new_qos(self, settings: Settings) -> Row:
        """The column ``qos`` of a new port."""
        if not (shaped := shaping.of_port(settings)):
            return {}
        wanted = shaping.composed_once(shaped)
        queues = qos.insert_queues(self._txn, wanted.queues, {}, {})
        return {"qos": self._txn.insert("QoS", {"type": wanted.kind, "other_config": to_map(wanted.config), "queues": queues})}

    def _update(self, port: PortState, compared: Compared) -> None:
        changes = compared.changes
        settings = applied(port.settings, changes)
        of_port = columns(OF_PORT, settings, changes)
        if any((column,) in changes for column in port_modes.VLAN_COLUMNS):
            _check_vlans(port.name, settings)
        if ("bond", "interfaces") in changes:
            of_port["interfaces"] = self._members(port, settings)
        if compared.records != compared.former:
            of_port["external_ids"] = to_map(compared.recorded_in(port.ids))
        self._hold("Port", port.uuid, PORT)  # also who owns what
        self._write("Port", port.uuid, of_port)
        for name, member in port.members.items():
            if changes and name in settings.get(("bond", "interfaces"), (port.name,)):
                self._update_interface(name, member, port, compared)
        if any(path[0] == "qos" for path in changes):
            self._shape(port, settings)

    def _members(self, port: PortState, settings: Settings) -> Json:
        """The interfaces of a bond that gets others; new ones have the settings of the port."""
        wanted = settings.get(("bond", "interfaces"), (port.name,))
        row = _new_interface(settings)
        kept = [uuid(member) for name, member in port.members.items() if name in wanted]
        new = [name for name in wanted if name not in port.members]
        for name in new:
            self._check_type(name, settings.get(("type",), "system"), settings, is_new=True)
            self._txn.watch(brought_up.health(name))
        return to_set([*kept, *(self._txn.insert("Interface", {"name": name} | row) for name in new)])

    def _update_interface(self, name: str, member: str, port: PortState, compared: Compared) -> None:
        """Change what the port's changes concern of one of its interfaces; other keys of its maps stay."""
        changes = compared.changes
        own = self._found.reader.interface(member)
        gone = {path: None for path, value in changes.items() if value is None and path not in own}
        settings = applied(own, {path: value for path, value in changes.items() if path not in gone})
        row = columns(OF_INTERFACE, settings, changes)
        if any(path[0] == "police" for path in changes):
            row |= policing(_with_default_bursts(settings, compared))
        if any(path[0] in ("type", "options", "mtu") for path in changes):
            self._check_type(name, settings.get(("type",), "system"), settings, is_new=False)
        self._hold("Interface", member, INTERFACE)
        self._write("Interface", member, row)
        self._txn.watch(brought_up.health(name))

    def _hold(self, table: str, row_uuid: str, columns: tuple[str, ...]) -> None:
        """Rely on a row being what it was."""
        row = self._found.tables[table].row(row_uuid)
        self._txn.hold(Query(table, [["_uuid", "==", uuid(row_uuid)]], columns), [{column: row[column] for column in columns}])

    def _write(self, table: str, row_uuid: str, wanted: Row) -> None:
        """Update the columns that differ."""
        row = self._found.tables[table].row(row_uuid)
        differing = {column: value for column, value in wanted.items() if not _is_stored(value, row[column])}
        if differing:
            self._txn.update(table, row_uuid, differing)

    def _shape(self, port: PortState, settings: Settings) -> None:
        if not (shaped := shaping.of_port(settings)):
            self._shaped[port.uuid] = None
            return
        row = self._found.tables["Port"].row(port.uuid)
        there = [u for u in many(row["qos"]) if u in self._found.tables["QoS"].places]
        stored = self._found.reader.stored(there[0]) if there else None
        self._shaped[port.uuid] = shaping.composed(dict(shaped), stored)

    def _check_type(self, name: str, kind: str, settings: Settings, is_new: bool) -> None:
        """Raise UsageError for options that the type does not read, Refused for a type that this Open vSwitch does not have."""
        options = {path[1]: value for path, value in settings.items() if path[0] == "options"}
        port_types.check_values(name, kind, options)
        port_types.check_together(name, kind, options)
        if kind in port_types.TUNNELS and "dummy" not in self._types:
            port_types.check_distinct(name, kind, options, self._tunnels[kind])
            self._tunnels[kind][name] = options
        if ("mtu",) in settings:
            mtu.check_type(name, kind)
        if self._types and kind not in self._types:
            why = f"this Open vSwitch does not support type {quote(kind)}; it supports {', '.join(sorted(self._types))}"
            raise Refused(f"port {quote(name)}", why, port_types.near("type: {}", kind, self._types))
        if is_new:
            port_types.check_name(name, kind, "dummy" in self._types)


def _new_interface(settings: Settings) -> Row:
    """The columns of a new interface; a limit of zero is left out, as an older Open vSwitch has no column for some."""
    limits = policing(settings) if any(path[0] == "police" for path in settings) else {}
    return columns(OF_INTERFACE, settings) | {column: limit for column, limit in limits.items() if limit}


def _is_stored(value: Any, there: Json) -> bool:
    """Whether a column has a value; one that this Open vSwitch lacks has what stands for nothing."""
    return not value if there is None else same(value, there)


def _check_vlans(name: str, settings: Settings) -> None:
    row: Row = {column: settings.get((column,)) for column in port_modes.VLAN_COLUMNS}
    port_modes.check_vlans(name, row | {"trunks": to_set(row["trunks"] or ())}, is_new=True)


def _with_default_bursts(settings: Settings, compared: Compared) -> Settings:
    """Without the burst of a rate that changes, unless the document names one: it is that of the old rate."""
    stale: list[Path] = [
        ("police", burst)
        for rate, burst in (("rate", "burst"), ("packet_rate", "packet_burst"))
        if ("police", rate) in compared.changes and ("police", burst) not in compared.entry.settings
    ]
    return {path: value for path, value in settings.items() if path not in stale}
