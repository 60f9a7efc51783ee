"""The names of what a switch has, and nothing else of it: what is offered while somebody types. In no order: shells have their own."""

from contextlib import suppress

from ovstool.errors import OvstoolError
from ovstool.ovsdb.transaction import Query
from ovstool.ovsdb.values import many, mapping, one
from ovstool.switch import Switch, lookup

# What tells a bond without looking at the interfaces of every port; an ordinary port has none of them.
_OF_BONDS = ("bond_mode", "lacp", "bond_active_slave")


def bridges(switch: Switch) -> list[str]:
    return [row["name"] for row in switch.read(Query("Bridge", [], ("name",)))]


def ports(switch: Switch) -> list[str]:
    """The ports, and the members of the bonds that the database tells by a mode, LACP or an active member."""
    queries = [Query("Port", [[column, "!=", ["set", []]]], ("interfaces",)) for column in _OF_BONDS]
    # Of 10,000 ports the names alone are read in half the time that their interfaces take, too.
    plain, *bonds = switch.read_all([Query("Port", [], ("name",)), *queries])
    members = {u for rows in bonds for row in rows for u in many(row["interfaces"])}
    inside = lookup.by_uuid(switch, "Interface", members, ("name",))
    return [row["name"] for row in (*plain, *inside.values())]


def interfaces(switch: Switch) -> list[str]:
    return [row["name"] for row in switch.read(Query("Interface", [], ("name",)))]


def queues(switch: Switch, *ports: str) -> list[str]:
    """The numbers of the queues that the QoS of these ports has; a port that is not there has none."""
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
    rows = switch.tables({"Bridge": ("name", "ports"), "Port": ("interfaces",), "Interface": ("ofport",)})
    inside = [port for row in rows["Bridge"].values() if row["name"] == bridge for port in many(row["ports"])]
    members = [u for port in inside if port in rows["Port"] for u in many(rows["Port"][port]["interfaces"])]
    numbers = {one(rows["Interface"][u]["ofport"]) for u in members if u in rows["Interface"]}
    return [str(number) for number in sorted(number for number in numbers if number and number > 0)]


def _of_root(switch: Switch, column: str) -> list[str]:
    return [word for row in switch.read(Query("Open_vSwitch", [], (column,))) for word in many(row[column])]
