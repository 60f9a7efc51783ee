"""The whole switch as one object, for ``ovstool show``."""

from collections.abc import Sequence

from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, mapping, ofport, one
from ovstool.switch import Switch, lookup, police, qos

_BRIDGE = ("datapath_type", "fail_mode", "controller", "ports", "sflow")
_PORT = ("_uuid", "name", "tag", "trunks", "bond_mode", "lacp", "interfaces", "qos", "fake_bridge")
_INTERFACE = (
    "_uuid", "name", "type", "ofport", "admin_state", "link_state", "options", "error",
    "ingress_policing_rate", "ingress_policing_kpkts_rate",
)  # fmt: skip


def read(switch: Switch, bridges: Sequence[str]) -> dict:
    """Bridges with their controllers, sFlow and ports, those with their interfaces and QoS. Rates in bit/s. Raises NotFound."""
    rows = lookup.bridges(switch, bridges, _BRIDGE)
    root = switch.read(Query("Open_vSwitch", [], ("ovs_version", "db_version", "system_type", "system_version")))
    ports = _referenced(switch, "Port", rows, "ports", _PORT, not bridges)
    interfaces = _referenced(switch, "Interface", ports.values(), "interfaces", _INTERFACE, not bridges)
    shapers = _referenced(switch, "QoS", ports.values(), "qos", ("_uuid", "type", "other_config", "queues"), not bridges)
    controllers = _referenced(switch, "Controller", rows, "controller", ("target", "is_connected"))
    sflow = _referenced(switch, "sFlow", rows, "sflow", ("agent", "targets"))

    def shown(row: Row) -> dict:
        members = sorted((interfaces[u] for u in many(row["interfaces"]) if u in interfaces), key=lambda r: r["name"])
        shaped = shapers.get(one(row["qos"]))
        return {
            "port": row["name"],
            "fake_bridge": bool(one(row["fake_bridge"])),
            "tag": one(row["tag"]),
            "trunks": sorted(many(row["trunks"])),
            "bond_mode": one(row["bond_mode"]),
            "lacp": one(row["lacp"]),
            "qos": {"type": shaped["type"], "max_rate": qos.max_rate(shaped), "queues": len(mapping(shaped["queues"]))} if shaped else None,
            "interfaces": [_interface(member) for member in members],
        }

    return {
        "ovs_version": one(root[0]["ovs_version"]) if root else None,
        "bridges": [
            {
                "name": row["name"],
                "datapath_type": one(row["datapath_type"]) or "system",
                "fail_mode": one(row["fail_mode"]),
                "controllers": [
                    {"target": controllers[u]["target"], "connected": one(controllers[u]["is_connected"])}
                    for u in sorted(many(row["controller"]), key=lambda u: controllers[u]["target"] if u in controllers else "")
                    if u in controllers
                ],
                "sflow": next(
                    ({"agent": one(s["agent"]), "targets": many(s["targets"])} for u, s in sflow.items() if u == one(row["sflow"])), None
                ),
                "ports": [
                    shown(ports[u]) for u in sorted(many(row["ports"]), key=lambda u: ports[u]["name"] if u in ports else "") if u in ports
                ],
            }
            for row in rows
        ],
    }


def _referenced(switch: Switch, table: str, rows, column: str, columns: tuple[str, ...], every: bool = False) -> dict[str, Row]:
    """The rows of a table that others refer to: by UUID, or with ``every`` in one pass over the table."""
    if every:
        return {one(row["_uuid"]): row for row in switch.read(Query(table, [], columns))}
    return lookup.by_uuid(switch, table, [u for row in rows for u in many(row[column])], columns)


def _interface(row: Row) -> dict:
    return {
        "name": row["name"],
        "type": one(row["type"]) or "system",
        "ofport": ofport(row["ofport"]),
        "admin_state": one(row["admin_state"]),
        "link_state": one(row["link_state"]),
        "options": mapping(row["options"]),
        **police.rates(row),
        "error": one(row["error"]),
    }
