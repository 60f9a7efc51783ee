"""The whole switch as one object, for ``ovstool show``."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import NamedTuple

from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import Json, many, mapping, ofport, one
from ovstool.switch import Switch, lookup, police

_ROOT = ("ovs_version",)
_BRIDGE = ("name", "datapath_type", "datapath_version", "fail_mode", "controller", "ports", "sflow")
_PORT = ("name", "tag", "trunks", "bond_mode", "lacp", "interfaces", "qos", "fake_bridge")
_INTERFACE = (
    "name", "type", "ofport", "admin_state", "link_state", "options", "error", "ingress_policing_rate", "ingress_policing_kpkts_rate",
)  # fmt: skip
_NO_VERSIONS = (None, "", "<unknown>")  # <unknown>: a datapath that does not report its version, such as Linux's own
_QOS = ("type", "other_config", "queues")
_CONTROLLER = ("target", "is_connected")
_SFLOW = ("agent", "targets", "external_ids")
_TABLES = {
    "Bridge": _BRIDGE, "Open_vSwitch": _ROOT, "Port": _PORT, "Interface": _INTERFACE, "QoS": _QOS, "Controller": _CONTROLLER, "sFlow": _SFLOW,
}  # fmt: skip


class _Rows(NamedTuple):
    """The rows that bridges and their ports refer to, by UUID."""

    ports: dict[str, Row]
    interfaces: dict[str, Row]
    qos: dict[str, Row]
    controllers: dict[str, Row]
    sflows: dict[str, Row]


def read(switch: Switch, bridges: Sequence[str]) -> dict:
    """Bridges with their controllers, sFlow and ports, those with their interfaces and QoS. Rates in bit/s. Raises NotFound."""
    root, bridge_rows, rows = _of_bridges(switch, bridges) if bridges else _whole(switch)
    return {"ovs_version": one(root[0]["ovs_version"]) if root else None, "bridges": [_bridge(row, rows) for row in bridge_rows]}


def _whole(switch: Switch) -> tuple[list[Row], list[Row], _Rows]:
    tables = switch.tables(_TABLES)
    rows = _Rows(*(tables[table] for table in ("Port", "Interface", "QoS", "Controller", "sFlow")))
    return list(tables["Open_vSwitch"].values()), sorted(tables["Bridge"].values(), key=itemgetter("name")), rows


def _of_bridges(switch: Switch, bridges: Sequence[str]) -> tuple[list[Row], list[Row], _Rows]:
    bridge_rows = lookup.bridges(switch, bridges, _BRIDGE)
    root = switch.read(Query("Open_vSwitch", [], _ROOT))
    ports = _referenced(switch, "Port", bridge_rows, "ports", _PORT)
    interfaces = _referenced(switch, "Interface", ports.values(), "interfaces", _INTERFACE)
    shaped = _referenced(switch, "QoS", ports.values(), "qos", _QOS)
    controllers = _referenced(switch, "Controller", bridge_rows, "controller", _CONTROLLER)
    return root, bridge_rows, _Rows(ports, interfaces, shaped, controllers, _referenced(switch, "sFlow", bridge_rows, "sflow", _SFLOW))


def _referenced(switch: Switch, table: str, rows: Iterable[Row], column: str, columns: Sequence[str]) -> dict[str, Row]:
    """The rows of a table that others refer to, by UUID."""
    return lookup.by_uuid(switch, table, [u for row in rows for u in many(row[column])], columns)


def _bridge(row: Row, rows: _Rows) -> dict:
    sflow = rows.sflows.get(one(row["sflow"]))
    return {
        "bridge": row["name"],
        "datapath_type": lookup.datapath_type(row),
        "datapath_version": None if (version := one(row["datapath_version"])) in _NO_VERSIONS else version,
        "fail_mode": one(row["fail_mode"]),
        "controllers": [
            {"target": controller["target"], "connected": one(controller["is_connected"])}
            for controller in _sorted(rows.controllers, row["controller"], "target")
        ],
        "sflow": {"agent": one(sflow["agent"]), "targets": lookup.collectors(sflow)} if sflow else None,
        "ports": [_port(port, rows) for port in _sorted(rows.ports, row["ports"], "name")],
    }


def _port(row: Row, rows: _Rows) -> dict:
    shaped = rows.qos.get(one(row["qos"]))
    return {
        "port": row["name"],
        "fake_bridge": bool(row["fake_bridge"]),
        "tag": one(row["tag"]),
        "trunks": sorted(many(row["trunks"])),
        "bond_mode": one(row["bond_mode"]),
        "lacp": one(row["lacp"]),
        "qos": _qos(shaped) if shaped else None,
        "interfaces": [_interface(member) for member in _sorted(rows.interfaces, row["interfaces"], "name")],
    }


def _qos(row: Row) -> dict:
    from ovstool.switch import qos  # not needed on most switches

    return {"type": row["type"], "max_rate": qos.max_rate(row), "queues": len(mapping(row["queues"]))}


def _sorted(rows: dict[str, Row], references: Json, column: str) -> list[Row]:
    """The referenced rows that exist, sorted by a column."""
    found = [rows[u] for u in many(references) if u in rows]
    return sorted(found, key=itemgetter(column)) if len(found) > 1 else found


def _interface(row: Row) -> dict:
    return {
        "name": row["name"],
        "type": lookup.interface_type(row),
        "ofport": ofport(row["ofport"]),
        "admin_state": one(row["admin_state"]),
        "link_state": one(row["link_state"]),
        "options": mapping(row["options"]),
        **police.rates(row),
        "error": one(row["error"]),
    }
