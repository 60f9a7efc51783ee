"""The names of things on a switch, for Tab completion. Unsorted: shells sort them."""

from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from ovstool.errors import OvstoolError
from ovstool.ovsdb.columns import by_row
from ovstool.ovsdb.transaction import Query
from ovstool.ovsdb.values import many, mapping, one
from ovstool.switch import Switch, lookup

_BRIDGES = Query("Bridge", [], ("_version",))
_PORTS = Query("Port", [], ("name",))
# Columns that identify a bond without reading the interfaces of every port; an ordinary port has none of them set.
_BONDS = [Query("Port", [[column, "!=", ["set", []]]], ("interfaces",)) for column in ("bond_mode", "lacp", "bond_active_slave")]


class PortNames(NamedTuple):
    """The names of all ports of a switch, valid while its bridges have these versions.

    A row gets another random ``_version`` with each change (RFC 7047, section 3.2), as a bridge does when a port is added or
    removed; the name of a port cannot change. So the names are valid as long as the versions are the same.

    ``lines`` is one text, because it is read and searched faster than 10,000 strings: a line feed, and the sorted names with one after each.
    """

    versions: str
    lines: str

    @classmethod
    def of(cls, versions: str, names: Iterable[str]) -> "PortNames":
        """Without names that contain a line feed: they are no names of devices, and no shell could be offered them."""
        return cls(versions, "\n".join(["", *sorted(name for name in names if "\n" not in name), ""]))

    def beginning(self, begin: str) -> list[str]:
        """The names that start with this text."""
        first, last = self.lines.find(f"\n{begin}"), self.lines.rfind(f"\n{begin}", 0, -1)
        if last < 0 or "\n" in begin:
            return []
        return self.lines[first + 1 : self.lines.find("\n", last + 1)].split("\n")


def bridges(switch: Switch) -> list[str]:
    return [row["name"] for row in switch.read(Query("Bridge", [], ("name",)))]


def ports(switch: Switch, known: PortNames | None = None) -> tuple[PortNames, list[str]]:
    """The ports, and the members of bonds that have a mode, LACP or an active member in the database.

    Ports that are ``known`` are read again only when they have changed: ovsdb-server takes 50 ms for 10,000 names.
    """
    bridges, *rows = switch.read_all([_BRIDGES, *_BONDS] if known else [_BRIDGES, *_BONDS, _PORTS])
    versions = " ".join(sorted(str(one(row["_version"])) for row in bridges))
    if known and known.versions != versions:
        return ports(switch)
    found = known or PortNames.of(versions, [row["name"] for row in rows.pop()])
    members = {u for bonds in rows for row in bonds for u in many(row["interfaces"])}
    return found, [row["name"] for row in lookup.by_uuid(switch, "Interface", members, ("name",)).values()]


def interfaces(switch: Switch) -> list[str]:
    """The interfaces of all ports, including members of all bonds."""
    return [row["name"] for row in switch.read(Query("Interface", [], ("name",)))]


def without_interfaces(switch: Switch, devices: Iterable[str]) -> list[str]:
    """The devices that are not interfaces of the switch."""
    devices = sorted(devices)
    there = lookup.by_name(switch, "Interface", devices, ())
    return [name for name in devices if name not in there]


def queues(switch: Switch, *ports: str) -> list[str]:
    """The numbers of the queues that the QoS of these ports has; a port that does not exist has none."""
    found: set[int] = set()
    for name in ports:
        with suppress(OvstoolError):
            rows = lookup.ports(switch, [name], ("qos",))[0].rows
            shaped = lookup.by_uuid(switch, "QoS", many(rows[0]["qos"]), ("queues",))
            found.update(number for row in shaped.values() for number in mapping(row["queues"]))
    return [str(number) for number in sorted(found)]


def tables(switch: Switch, bridge: str) -> list[str]:
    """The numbers of the tables of a bridge that have flows."""
    connection = switch.openflow(bridge)
    try:
        return [str(table) for table in connection.tables_with_flows()]
    finally:
        connection.close()


def interface_types(switch: Switch) -> list[str]:
    return _of_root(switch, "iface_types")


def datapath_types(switch: Switch) -> list[str]:
    return _of_root(switch, "datapath_types")


def iface_ids(switch: Switch) -> list[str]:
    rows = switch.read(Query("Interface", [], ("external_ids",)))
    return [name for row in rows if (name := mapping(row["external_ids"]).get("iface-id"))]


def macs(switch: Switch) -> list[str]:
    return [address for row in switch.read(Query("Interface", [], ("mac_in_use",))) if (address := one(row["mac_in_use"]))]


def ofports(switch: Switch, bridge: str) -> list[str]:
    """The OpenFlow port numbers of a bridge."""
    rows = by_row(switch.tables({"Bridge": ("name", "ports"), "Port": ("interfaces",), "Interface": ("ofport",)}))
    inside = [port for row in rows["Bridge"].values() if row["name"] == bridge for port in many(row["ports"])]
    members = [u for port in inside if port in rows["Port"] for u in many(rows["Port"][port]["interfaces"])]
    numbers = {one(rows["Interface"][u]["ofport"]) for u in members if u in rows["Interface"]}
    return [str(number) for number in sorted(number for number in numbers if number and number > 0)]


def _of_root(switch: Switch, column: str) -> list[str]:
    return [word for row in switch.read(Query("Open_vSwitch", [], (column,))) for word in many(row[column])]
