"""How bridges hang together: their controllers, bonds, patch ports and tunnels, as one switch has them; ``joined`` joins up several."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ovstool.errors import NotFound, OvstoolError, UsageError
from ovstool.host.address import Target
from ovstool.host.inventory.by_address import HostNames
from ovstool.ovsdb.columns import by_row
from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, mapping, one
from ovstool.switch import Switch, iproute, lookup
from ovstool.switch.accepts.port_types import TUNNELS
from ovstool.switch.sflow.targets import plain_ip

_TABLES = {
    "Open_vSwitch": ("external_ids",),
    "Bridge": ("name", "datapath_type", "fail_mode", "controller", "ports"),
    "Port": ("name", "interfaces", "tag", "bond_mode", "lacp"),
    "Controller": ("target", "is_connected"),
}
_INTERFACE = ("_uuid", "name", "type", "options", "link_state", "error")
_EVERY_INTERFACE = Query("Interface", [], _INTERFACE)
_LINKS = _EVERY_INTERFACE._replace(where=[["type", "!=", ""], ["type", "!=", "system"], ["type", "!=", "internal"]])  # and a few others


class Controller(NamedTuple):
    """``connected`` is None where ovs-vswitchd listens for controllers: then it does not tell whether there are any."""

    target: str
    connected: bool | None


class Interface(NamedTuple):
    """What a port consists of; ``options`` are those of a patch port or a tunnel."""

    name: str
    type: str
    options: Mapping[str, str]
    link_state: str | None
    error: str | None

    @property
    def is_link(self) -> bool:
        return self.type == "patch" or self.type in TUNNELS


class Port(NamedTuple):
    """A port with what is known of its interfaces, of which a bond has several."""

    name: str
    tag: int | None
    bond_mode: str | None
    lacp: str | None
    interfaces: list[Interface]

    @property
    def is_bond(self) -> bool:
        return len(self.interfaces) > 1

    @property
    def is_link(self) -> bool:
        return self.is_bond or any(interface.is_link for interface in self.interfaces)


class Bridge(NamedTuple):
    """A bridge. ``ports`` are its links: bonds, patch ports and tunnels, or where that was asked for all; ``others`` are the names of the rest.

    Its local port is in neither, and ``port_count`` counts it.
    """

    name: str
    datapath_type: str
    fail_mode: str | None
    controllers: list[Controller]
    ports: list[Port]
    others: list[str]
    port_count: int


class Topology(NamedTuple):
    """The bridges of one switch by name; ``shown`` are the names of those that were asked for.

    ``endpoints`` are the addresses that tunnels of others lead to, as the database has them: ``options:local_ip``, and OVN's
    ``external_ids:ovn-encap-ip``. ``addresses`` are the host's own, where the database does not tell. ``error``: a bridge that was named is not there.
    """

    bridges: list[Bridge]
    shown: frozenset[str]
    endpoints: list[str]
    addresses: list[str]
    error: OvstoolError | None = None


def read(switch: Switch, names: Sequence[str], all_ports: bool, is_one_of_many: bool) -> Topology:
    """The bridges of a switch, of which those named, or all, are shown; with ``all_ports`` each port of them.

    Of ports that are no links only names are read. ``is_one_of_many``: tunnels of other switches may lead here. Then the host is asked for
    its addresses, with one program, unless OVN sets one, all tunnels have a ``local_ip``, or a bridge that was named is missing; and a
    missing bridge is the ``error`` of the answer. Otherwise it raises NotFound or, for a fake bridge, UsageError.
    """
    tables = by_row(switch.tables(_TABLES))
    bonds = [u for port in tables["Port"].values() if len(members := many(port["interfaces"])) > 1 for u in members]
    queries = [_EVERY_INTERFACE] if all_ports else [_LINKS, *lookup.queries_of("Interface", bonds, _INTERFACE)]
    interfaces = {one(row["_uuid"]): _interface(row) for rows in switch.read_all(queries) for row in rows}
    bridges = sorted((_bridge(row, tables, interfaces, all_ports) for row in tables["Bridge"].values()), key=lambda bridge: bridge.name)
    known = {bridge.name for bridge in bridges}
    error = _missing(switch, [name for name in names if name not in known])
    if error and not is_one_of_many:
        raise error
    tunnels = [each.options for bridge in bridges for port in bridge.ports for each in port.interfaces if each.type in TUNNELS]
    by_ovn = _ovn_addresses(tables["Open_vSwitch"].values())
    endpoints = lookup.unique(filter(None, (*(local_ip(options) for options in tunnels), *by_ovn)))
    is_unknown = not by_ovn and (not tunnels or any(local_ip(options) is None for options in tunnels))
    must_ask = is_one_of_many and is_unknown and not error
    found = (switch.attempt("where tunnels to this host end", iproute.global_addresses, switch) if must_ask else None) or []
    return Topology(bridges, frozenset(names or known), endpoints, list(filter(None, map(plain_ip, found))), error)


def _missing(switch: Switch, names: Sequence[str]) -> OvstoolError | None:
    """That there are no such bridges, with the name that may have been meant."""
    try:
        if names:
            lookup.bridges(switch, names, ())
    except (NotFound, UsageError) as error:
        return error
    return None


def host_names(inventory: str | None, named: Sequence[Target]) -> HostNames:
    """What hosts are called, those of the inventory and those that the user has named, by their addresses; looked up while switches are asked."""
    return HostNames(inventory, named)


def local_ip(options: Mapping[str, str]) -> str | None:
    """The address that a tunnel is sent from, where it is configured and not left to flows."""
    return plain_ip(options.get("local_ip", ""))


def _bridge(row: Row, tables: Mapping[str, Mapping[str, Row]], interfaces: Mapping[str, Interface], all_ports: bool) -> Bridge:
    inside = sorted((tables["Port"][u] for u in many(row["ports"]) if u in tables["Port"]), key=lambda port: port["name"])
    ports = [_port(port, interfaces) for port in inside if port["name"] != row["name"]]
    shown = [port for port in ports if all_ports or port.is_link]
    controllers = [tables["Controller"][u] for u in many(row["controller"]) if u in tables["Controller"]]
    return Bridge(
        name=row["name"],
        datapath_type=lookup.datapath_type(row),
        fail_mode=one(row["fail_mode"]),
        controllers=sorted(map(_controller, controllers)),
        ports=shown,
        others=[] if all_ports else [port.name for port in ports if not port.is_link],
        port_count=len(inside),
    )


def _controller(row: Row) -> Controller:
    return Controller(row["target"], lookup.is_connected(row))


def _port(row: Row, interfaces: Mapping[str, Interface]) -> Port:
    members = sorted((interfaces[u] for u in many(row["interfaces"]) if u in interfaces), key=lambda each: each.name)
    return Port(row["name"], one(row["tag"]), one(row["bond_mode"]), one(row["lacp"]), members)


def _interface(row: Row) -> Interface:
    return Interface(row["name"], lookup.interface_type(row), mapping(row["options"]), one(row["link_state"]), one(row["error"]))


def _ovn_addresses(roots: Iterable[Row]) -> list[str]:
    """Where OVN has other hosts send their tunnels: one address or several, with commas (ovn-controller(8))."""
    texts = [mapping(row["external_ids"]).get("ovn-encap-ip", "") for row in roots]
    return [address for text in texts for word in text.split(",") if (address := plain_ip(word.strip()))]
