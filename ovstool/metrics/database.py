"""What the database says about a switch, in one snapshot, and what the labels of its interfaces are."""

from collections.abc import Sequence
from typing import NamedTuple

from ovstool.metrics.reading import Labels
from ovstool.ovsdb.columns import Table
from ovstool.ovsdb.values import one, uuid
from ovstool.switch import Switch, lookup, police

_TABLES = {
    "Open_vSwitch": ("ovs_version", "db_version", "dpdk_version", "dpdk_initialized"),
    "Bridge": ("name", "datapath_type", "ports", "controller", "mirrors", "sflow"),
    "Port": ("name", "interfaces", "qos"),
    "Interface": (
        "name", "type", "ofport", "admin_state", "link_state", "mtu", "link_speed", "link_resets", "error", "external_ids", "lacp_current",
        *police.COLUMNS,
    ),
    "QoS": ("type", "other_config", "queues"),
    "Queue": ("other_config",),
    "Controller": ("target", "is_connected", "role"),
    "Manager": ("target", "is_connected"),
    "Mirror": ("name", "statistics"),
    "sFlow": ("agent", "targets", "sampling", "polling", "header", "external_ids"),
}  # fmt: skip
_NONE = ["_uuid", "==", uuid("00000000-0000-0000-0000-000000000000")]  # the condition of no row


class Database(NamedTuple):
    """Tables of the database, and by the UUID of each interface on a bridge its labels: bridge, port, interface, type, iface_id.

    ``is_whole``: all interfaces were asked for. ``members`` are the UUIDs of the interfaces of each port, by its own.
    """

    tables: dict[str, Table]
    labels: dict[str, Labels]
    members: dict[str, list[str]]
    is_whole: bool

    def shaped(self) -> list[tuple[str, str]]:
        """The UUIDs of each interface whose port has a QoS, and of that QoS."""
        ports = self.tables["Port"]
        owned = zip(ports.uuids, ports.values("qos"), strict=True)
        return [(u, qos) for port, qos in owned if qos for u in self.members[port] if u in self.labels]


def read(switch: Switch, ports: Sequence[str] | None) -> Database:
    """The database, with the interfaces of these ports or with all (None). Raises NotFound; Unreachable, TimedOut, Refused."""
    where = {}
    if ports is not None:
        rows = lookup.interface_rows(switch, ports, None, ("_uuid", "name")) if ports else []
        where["Interface"] = [["_uuid", "==", uuid(one(row["_uuid"]))] for row in rows] or [_NONE]
    tables = switch.tables(_TABLES, where)
    members = dict(zip(tables["Port"].uuids, tables["Port"].values("interfaces"), strict=True))
    return Database(tables, _labels(tables, members), members, ports is None)


def _labels(tables: dict[str, Table], members: dict[str, list[str]]) -> dict[str, Labels]:
    """Sorted by bridge, port and interface, so that two readings of the same switch have the same order."""
    bridges, ports, interfaces = tables["Bridge"], tables["Port"], tables["Interface"]
    bridge_of = {u: name for name, inside in zip(bridges.values("name"), bridges.values("ports"), strict=True) for u in inside}
    port_names = dict(zip(ports.uuids, ports.values("name"), strict=True))
    at = {u: (bridge, port_names[port]) for port, bridge in bridge_of.items() if port in members for u in members[port]}
    own = zip(interfaces.uuids, interfaces.values("name"), interfaces.values("type"), interfaces.values("external_ids"), strict=True)
    found = [((*at[u], name, kind or "system", ids.get("iface-id", "")), u) for u, name, kind, ids in own if u in at]
    return {u: labels for labels, u in sorted(found, key=lambda each: "\0".join(each[0][:3]))}
