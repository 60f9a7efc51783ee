"""The whole switch as one object, for ``ovstool show``."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import Json, many, mapping, ofport, one
from ovstool.switch import Switch, lookup, police, qos

_BRIDGE = ("datapath_type", "fail_mode", "controller", "ports", "sflow")
_PORT = ("_uuid", "name", "tag", "trunks", "bond_mode", "lacp", "interfaces", "qos", "fake_bridge")
_INTERFACE = (
    "_uuid", "name", "type", "ofport", "admin_state", "link_state", "options", "error",
    "ingress_policing_rate", "ingress_policing_kpkts_rate",
)  # fmt: skip


class _Rows(NamedTuple):
    """The rows that bridges and their ports refer to, by UUID."""

    ports: dict[str, Row]
    interfaces: dict[str, Row]
    qos: dict[str, Row]
    controllers: dict[str, Row]
    sflows: dict[str, Row]

    @classmethod
    def of(cls, switch: Switch, bridges: list[Row], every: bool) -> "_Rows":
        """Those of these bridges; ``every``: they are all that the switch has."""
        ports = _referenced(switch, "Port", bridges, "ports", _PORT, every)
        return cls(
            ports,
            _referenced(switch, "Interface", ports.values(), "interfaces", _INTERFACE, every),
            _referenced(switch, "QoS", ports.values(), "qos", ("_uuid", "type", "other_config", "queues"), every),
            _referenced(switch, "Controller", bridges, "controller", ("target", "is_connected")),
            _referenced(switch, "sFlow", bridges, "sflow", ("agent", "targets")),
        )


def read(switch: Switch, bridges: Sequence[str]) -> dict:
    """Bridges with their controllers, sFlow and ports, those with their interfaces and QoS. Rates in bit/s. Raises NotFound."""
    bridge_rows = lookup.bridges(switch, bridges, _BRIDGE)
    root = switch.read(Query("Open_vSwitch", [], ("ovs_version", "db_version", "system_type", "system_version")))
    rows = _Rows.of(switch, bridge_rows, every=not bridges)
    return {"ovs_version": one(root[0]["ovs_version"]) if root else None, "bridges": [_bridge(row, rows) for row in bridge_rows]}


def _referenced(
    switch: Switch, table: str, rows: Iterable[Row], column: str, columns: tuple[str, ...], every: bool = False
) -> dict[str, Row]:
    """The rows of a table that others refer to: by UUID, or with ``every`` in one pass over the table."""
    if every:
        return {one(row["_uuid"]): row for row in switch.read(Query(table, [], columns))}
    return lookup.by_uuid(switch, table, [u for row in rows for u in many(row[column])], columns)


def _bridge(row: Row, rows: _Rows) -> dict:
    sflow = rows.sflows.get(one(row["sflow"]))
    return {
        "name": row["name"],
        "datapath_type": one(row["datapath_type"]) or "system",
        "fail_mode": one(row["fail_mode"]),
        "controllers": [
            {"target": controller["target"], "connected": one(controller["is_connected"])}
            for controller in _sorted(rows.controllers, row["controller"], "target")
        ],
        "sflow": {"agent": one(sflow["agent"]), "targets": many(sflow["targets"])} if sflow else None,
        "ports": [_port(port, rows) for port in _sorted(rows.ports, row["ports"], "name")],
    }


def _port(row: Row, rows: _Rows) -> dict:
    shaped = rows.qos.get(one(row["qos"]))
    return {
        "port": row["name"],
        "fake_bridge": bool(one(row["fake_bridge"])),
        "tag": one(row["tag"]),
        "trunks": sorted(many(row["trunks"])),
        "bond_mode": one(row["bond_mode"]),
        "lacp": one(row["lacp"]),
        "qos": {"type": shaped["type"], "max_rate": qos.max_rate(shaped), "queues": len(mapping(shaped["queues"]))} if shaped else None,
        "interfaces": [_interface(member) for member in _sorted(rows.interfaces, row["interfaces"], "name")],
    }


def _sorted(rows: dict[str, Row], references: Json, column: str) -> list[Row]:
    """The rows that are referred to and there, in the order of a column."""
    return sorted((rows[u] for u in many(references) if u in rows), key=lambda row: row[column])


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
