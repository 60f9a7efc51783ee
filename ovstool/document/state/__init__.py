"""What a switch has, as settings: read in one snapshot, by column, as a switch may have 10,000 ports."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ovstool.document import shaping
from ovstool.document.fields import Settings
from ovstool.document.ownership import records
from ovstool.errors import UsageError, quote
from ovstool.ovsdb.columns import Table
from ovstool.ovsdb.transaction import Row
from ovstool.ovsdb.values import many, one
from ovstool.switch import police, qos
from ovstool.switch.accepts import qos_types
from ovstool.switch.sflow import second_target, targets

PORT = ("name", "interfaces", "tag", "trunks", "vlan_mode", "bond_mode", "lacp", "other_config", "qos", "fake_bridge", "external_ids")
INTERFACE = ("name", "type", "options", "external_ids", "mtu_request", *police.COLUMNS)
BRIDGE = (
    "name",
    "datapath_type",
    "fail_mode",
    "protocols",
    "controller",
    "external_ids",
    "other_config",
    "sflow",
    "mirrors",
    "ports",
    "datapath_id",
)
MIRROR = ("name", "select_all", "select_src_port", "select_dst_port", "select_vlan", "output_port", "output_vlan", "snaplen")
SFLOW = ("agent", "targets", "sampling", "polling", "header", "external_ids")
TABLES = {
    "Open_vSwitch": ("datapath_types", "iface_types"),
    "Bridge": BRIDGE,
    "Port": PORT,
    "Interface": INTERFACE,
    "QoS": ("type", "other_config", "queues", "external_ids"),
    "Queue": ("other_config", "dscp", "external_ids"),
    "Controller": ("target", "type"),
    "sFlow": SFLOW,
    "Mirror": MIRROR,
}  # fmt: skip


class Several:
    """The value of a setting that the members of a bond do not share."""

    def __str__(self) -> str:
        return "several"


SEVERAL = Several()


class PortState(NamedTuple):
    """A port: its settings, its interfaces by name, what a document cannot hold of it, and the external_ids of its row of Port."""

    name: str
    uuid: str
    bridge: str
    settings: Settings
    members: dict[str, str]
    unheld: list[str]
    ids: dict[str, str]


class BridgeState(NamedTuple):
    """A bridge: its settings, its ports by name, and its external_ids, of which some are no settings."""

    name: str
    uuid: str
    settings: Settings
    ports: dict[str, str]
    ids: dict[str, str]


class State(NamedTuple):
    """The bridges of a switch and those of its ports that were asked for, by name; ``owners`` has the port of each
    interface."""

    tables: "dict[str, Columns]"
    reader: "Reader"
    bridges: dict[str, BridgeState]
    ports: dict[str, PortState]
    owners: dict[str, str]


class Columns:
    """A table with the place of each row. Values are of Python, those of a whole column are made at once; ``row`` is as on the wire."""

    def __init__(self, table: Table, is_whole: bool):
        self._table = table
        self._is_whole = is_whole
        self._values: dict[str, list[Any]] = {}
        self.places = {u: place for place, u in enumerate(table.uuids)}
        self.uuids = table.uuids

    def values(self, column: str) -> list[Any]:
        if column not in self._values:
            self._values[column] = self._table.values(column)
        return self._values[column]

    def at(self, row_uuid: str, *columns: str) -> list[Any]:
        """The values of a row."""
        place = self.places[row_uuid]
        if self._is_whole:
            return [self.values(column)[place] for column in columns]
        return [self._table.value(column, place) for column in columns]

    def row(self, row_uuid: str) -> Row:
        place = self.places[row_uuid]
        return {column: values[place] for column, values in self._table.columns.items()}


def read(found: Mapping[str, Table], ports: Collection[str] | None = None, bridges: Collection[str] | None = None) -> State:
    """The state in the tables ``TABLES``; ``ports``: the settings of these only, ``bridges``: of the ports of these only."""
    tables = {name: Columns(table, is_whole=ports is None) for name, table in found.items()}
    names = tables["Port"].values("name")
    placed = tables["Port"].places
    reader = Reader(tables, is_whole=ports is None)
    of_bridges: dict[str, BridgeState] = {}
    of_ports: dict[str, PortState] = {}
    for u, name, inside, ids in zip(tables["Bridge"].uuids, *map(tables["Bridge"].values, ("name", "ports", "external_ids")), strict=True):
        here = {names[placed[port]]: port for port in inside if port in placed}
        of_bridges[name] = BridgeState(name, u, reader.bridge(u), here, ids)
        if bridges is None or name in bridges:
            wanted = here if ports is None else [port for port in here if port in ports] if len(here) < len(ports) else ports
            of_ports |= {port: reader.port(here[port], name) for port in wanted if port in here}
    return State(tables, reader, of_bridges, of_ports, _owners(tables))


def _owners(tables: dict[str, Columns]) -> dict[str, str]:
    interfaces = tables["Interface"]
    names, placed = interfaces.values("name"), interfaces.places
    owned = zip(*map(tables["Port"].values, ("name", "interfaces")), strict=True)
    return {names[placed[member]]: port for port, members in owned for member in members if member in placed}


class Reader:
    """Reads rows as settings."""

    def __init__(self, tables: dict[str, Columns], is_whole: bool):
        self._tables = tables
        self._is_whole = is_whole  # all that cannot be held of it is wanted, for an export
        self._shaped: dict[str, tuple[Settings, list[str]]] = {}
        self._alike: dict[str, tuple[Settings, list[str]]] = {}

    def port(self, port: str, bridge: str) -> PortState:
        name, members, tag, trunks, vlan_mode, bond_mode, lacp, config, shaped, fake, ids = self._tables["Port"].at(port, *PORT)
        found: Settings = {}
        unheld: list[str] = []
        plain = (("tag", tag), ("trunks", tuple(sorted(trunks))), ("vlan_mode", vlan_mode))
        found.update(((field,), value) for field, value in plain if value is not None and value != ())
        found.update((("other_config", key), value) for key, value in config.items())
        interfaces = self._tables["Interface"]
        inside = {interfaces.at(member, "name")[0]: member for member in members if member in interfaces.places}
        if len(inside) > 1 or [*inside] != [name] or bond_mode or lacp:
            bond = (("interfaces", tuple(sorted(inside)) if [*inside] != [name] else None), ("mode", bond_mode), ("lacp", lacp))
            found.update((("bond", field), value) for field, value in bond if value)
        found |= self._of_interfaces(list(inside.values()), unheld)
        if name == bridge and found.get(("type",)) == "internal":
            del found[("type",)]  # ovs-vswitchd makes it so, whatever it says
        if shaped and "QoS" in self._tables:
            settings, left_out = self._qos(shaped)
            found |= settings
            unheld += left_out
        if fake and tag is not None:
            unheld.append("it is the local port of a fake bridge")
        return PortState(name, port, bridge, found, inside, unheld, ids)

    def _of_interfaces(self, members: list[str], unheld: list[str]) -> Settings:
        """The settings that a port's interfaces share."""
        every = [self.interface(member) for member in members]
        if len(every) < 2:
            return every[0] if every else {}
        found: Settings = {}
        for path in dict.fromkeys(path for settings in every for path in settings):
            value = every[0].get(path)
            found[path] = value if all(settings.get(path) == value for settings in every) else SEVERAL
        if differing := sorted({path[0] for path, value in found.items() if value is SEVERAL}):
            unheld.append(f"its members differ in {', '.join(differing)}")
        return found

    def interface(self, member: str) -> Settings:
        """The settings of one interface."""
        _, kind, options, ids, mtu, *limits = self._tables["Interface"].at(member, *INTERFACE)
        found: Settings = {("type",): kind} if kind and kind != "system" else {}
        if options:
            found.update((("options", key), value) for key, value in options.items())
        if mtu is not None:
            found[("mtu",)] = mtu
        if ids:
            found.update((("external_ids", key), value) for key, value in ids.items())
        return found | _policing(*limits) if limits[0] or limits[2] else found

    def _qos(self, shaped: str) -> tuple[Settings, list[str]]:
        """The settings of a QoS, and what a document cannot hold of it; many ports may share one."""
        if shaped not in self._shaped:
            self._shaped[shaped] = self._qos_of(shaped) if shaped in self._tables["QoS"].places else ({}, [])
        return self._shaped[shaped]

    def _qos_of(self, shaped: str) -> tuple[Settings, list[str]]:
        stored = self.stored(shaped)
        if stored.kind not in qos_types.NAMES:
            return {("qos",): True, ("qos", "type"): stored.kind}, [f"its QoS is of the unknown type {quote(stored.kind)}"]
        content = repr(stored)  # most ports have what others have, in rows of their own
        if content not in self._alike:
            settings = shaping.settings_of(stored)
            self._alike[content] = settings, shaping.unheld(stored, settings) if self._is_whole else []
        return self._alike[content]

    def stored(self, shaped: str) -> qos.WantedQos:
        """A QoS row with its queues."""
        table, queues = self._tables["QoS"], self._tables["Queue"]
        kind, config, numbers = table.at(shaped, "type", "other_config", "queues")
        there = {number: u for number, u in sorted(numbers.items()) if u in queues.places}
        return qos.WantedQos(kind, config, {n: qos.StoredQueue(*queues.at(u, "other_config", "dscp")) for n, u in there.items()})

    def bridge(self, bridge: str) -> Settings:
        columns = ("datapath_type", "fail_mode", "protocols", "controller", "external_ids", "other_config", "sflow", "mirrors")
        kind, fail_mode, protocols, controllers, ids, config, sampled, mirrors = self._tables["Bridge"].at(bridge, *columns)
        known = self._tables["Controller"]
        addresses = tuple(sorted(known.at(u, "target")[0] for u in controllers if u in known.places))
        plain = (
            ("datapath_type", kind if kind != "system" else None), ("fail_mode", fail_mode), ("protocols", tuple(sorted(protocols))),
            ("controllers", addresses),
        )  # fmt: skip
        found: Settings = {(field,): value for field, value in plain if value}
        for column, pairs in (("external_ids", ids), ("other_config", config)):
            found.update(((column, key), value) for key, value in pairs.items() if not key.startswith(records.PREFIX))
        if sampled in self._tables["sFlow"].places:
            found |= _sampling(self._tables["sFlow"].row(sampled))
        for mirror in mirrors:
            if mirror in self._tables["Mirror"].places:
                found |= self._mirror(mirror)
        return found

    def _mirror(self, mirror: str) -> Settings:
        name, every, src, dst, vlans, port, vlan, snaplen = self._tables["Mirror"].at(mirror, *MIRROR)
        settings = {
            "select_all": every, "select_src_ports": self._named(src), "select_dst_ports": self._named(dst),
            "select_vlans": tuple(sorted(vlans)), "output_port": next(iter(self._named([port] if port else ())), None),
            "output_vlan": vlan, "snaplen": snaplen,
        }  # fmt: skip
        path = ("mirrors", name)
        return {path: True} | {(*path, field): value for field, value in settings.items() if value}

    def _named(self, ports: Iterable[str]) -> tuple[str, ...]:
        table = self._tables["Port"]
        return tuple(sorted(table.at(port, "name")[0] for port in ports if port in table.places))


def _policing(rate: int, burst: int, packet_rate: int, packet_burst: int) -> Settings:
    """Limits in bit/s, bits, packets/s and packets; a burst is the one in effect."""
    found: Settings = {("police",): True}
    if rate:
        found |= {("police", "rate"): rate * 1000, ("police", "burst"): (burst or police.BURST_OF_ZERO_KBIT) * 1000}
    if packet_rate:
        found["police", "packet_rate"] = packet_rate * 1000
        found["police", "packet_burst"] = (packet_burst or police.BURST_OF_ZERO_KPKTS) * 1000
    return found


def _sampling(row: Row) -> Settings:
    row = second_target.configured(row)
    found: Settings = {("sflow",): True, ("sflow", "collectors"): tuple(sorted(map(_spelt, many(row["targets"]))))}
    numbers = {column: one(row[column]) for column in ("agent", "sampling", "polling", "header")}
    return found | {("sflow", column): value for column, value in numbers.items() if value is not None}


def _spelt(target: str) -> str:
    """A collector as documents have it; the database may have other spellings, or something that is none."""
    try:
        return targets.target(*targets.parse_collector(target))
    except UsageError:
        return target
