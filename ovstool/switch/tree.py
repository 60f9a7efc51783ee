"""The whole switch as one object, for ``ovstool show``."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from ovstool.ovsdb.columns import Table
from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import Json, many, mapping, one
from ovstool.switch import Switch, lookup
from ovstool.switch.confirm import keys

_ROOT = ("ovs_version", "external_ids")
_BRIDGE = ("name", "datapath_type", "datapath_version", "fail_mode", "controller", "ports", "sflow")
_PORT = ("name", "tag", "trunks", "bond_mode", "lacp", "interfaces", "qos", "fake_bridge")
_INTERFACE = (
    "name", "type", "ofport", "admin_state", "link_state", "options", "error", "ingress_policing_rate", "ingress_policing_kpkts_rate",
)  # fmt: skip
_STATES = ("admin_state", "link_state")
_NO_VERSIONS = (None, "", "<unknown>")  # <unknown>: a datapath that does not report its version, such as Linux's own
_QOS = ("type", "other_config", "queues")
_CONTROLLER = ("target", "is_connected")
_SFLOW = ("agent", "targets", "external_ids")
_TABLES = {
    "Bridge": _BRIDGE, "Open_vSwitch": _ROOT, "Port": _PORT, "Interface": _INTERFACE, "QoS": _QOS, "Controller": _CONTROLLER, "sFlow": _SFLOW,
}  # fmt: skip
_Shown = dict[str, dict[str, Any]]  # what is shown of rows, by UUID


def read(switch: Switch, bridges: Sequence[str]) -> dict:
    """Bridges with their controllers, sFlow and ports, those with their interfaces and QoS; and the changes of the switch that wait to be
    confirmed. Rates in bit/s. Raises NotFound."""
    tables = _of_bridges(switch, bridges) if bridges else _of_all(switch)
    rows = list(tables["Bridge"].rows().values())
    root = next(iter(tables["Open_vSwitch"].rows().values()), {})
    ports, controllers, sflows = _ports(tables), tables["Controller"].rows(), tables["sFlow"].rows()
    return {
        "ovs_version": one(root.get("ovs_version")),
        "pending": _pending(root.get("external_ids")),
        "bridges": [_bridge(row, ports, controllers, sflows) for row in (rows if bridges else sorted(rows, key=itemgetter("name")))],
    }


def _of_all(switch: Switch) -> dict[str, Table]:
    """The tables with all their rows.

    States are read only of interfaces that are not up, which are few: of all, they would take ovsdb-server a sixth of its time. They may be
    milliseconds newer than the rest.
    """
    found = switch.tables(_TABLES | {"Interface": [column for column in _INTERFACE if column not in _STATES]})
    interfaces = found["Interface"]
    answers = switch.read_all([Query("Interface", [[column, "!=", "up"]], ("_uuid", column), unlisted=True) for column in _STATES])
    for column, rows in zip(_STATES, answers, strict=True):
        not_up = {one(row["_uuid"]): row[column] for row in rows}
        interfaces.columns[column] = [not_up.get(u, "up") for u in interfaces.uuids]
    return found


def _of_bridges(switch: Switch, bridges: Sequence[str]) -> dict[str, Table]:
    """The tables with only these bridges, in this order, and what they refer to."""
    rows = {
        "Bridge": lookup.bridges(switch, bridges, _BRIDGE),
        "Open_vSwitch": switch.read(Query("Open_vSwitch", [], ("_uuid", *_ROOT))),
    }
    found = {table: Table.of(table, _TABLES[table], {one(row["_uuid"]): row for row in of}) for table, of in rows.items()}
    references = ("Bridge", "ports", "Port"), ("Port", "interfaces", "Interface"), ("Port", "qos", "QoS")
    for table, column, referred in (*references, ("Bridge", "controller", "Controller"), ("Bridge", "sflow", "sFlow")):
        uuids = [u for value in found[table].columns[column] for u in many(value)]
        found[referred] = Table.of(referred, _TABLES[referred], lookup.by_uuid(switch, referred, uuids, _TABLES[referred]))
    return found


def _pending(external_ids: Json) -> list[dict]:
    """The commands whose changes wait to be confirmed, each once; ``until`` in seconds since 1970."""
    found: dict[str, dict] = {}
    for change in keys.pending(external_ids):
        who, _, command = change.change.partition(": ")
        found.setdefault(change.id, {"id": change.id, "until": keys.seconds(change.until), "who": who or None, "command": command or None})
    return list(found.values())


def _bridge(row: Row, ports: _Shown, controllers: dict[str, Row], sflows: dict[str, Row]) -> dict:
    sflow = sflows.get(one(row["sflow"]))
    return {
        "bridge": row["name"],
        "datapath_type": lookup.datapath_type(row),
        "datapath_version": None if (version := one(row["datapath_version"])) in _NO_VERSIONS else version,
        "fail_mode": one(row["fail_mode"]),
        "controllers": [
            {"target": controller["target"], "connected": lookup.is_connected(controller)}
            for controller in _sorted(controllers, row["controller"], "target")
        ],
        "sflow": {"agent": one(sflow["agent"]), "targets": lookup.collectors(sflow)} if sflow else None,
        "ports": _sorted(ports, row["ports"], "port"),
    }


def _sorted(rows: dict[str, dict[str, Any]], references: Json, column: str) -> list[dict[str, Any]]:
    """The referenced rows that exist, sorted by a column."""
    return sorted([rows[u] for u in many(references) if u in rows], key=itemgetter(column))


# A switch may have 10,000 ports: these go through whole columns, without a call for each value.


def _ports(tables: dict[str, Table]) -> _Shown:
    table, interfaces, shaped = tables["Port"], _interfaces(tables["Interface"]), {u: _qos(row) for u, row in tables["QoS"].rows().items()}
    found = {
        u: {
            "port": name,
            "fake_bridge": bool(fake_bridge),
            "tag": tag,
            "trunks": sorted(trunks) if trunks else [],
            "bond_mode": bond_mode,
            "lacp": lacp,
            "qos": shaped.get(qos),
            "interfaces": [interfaces[member] for member in members if member in interfaces],
        }
        for u, name, tag, trunks, bond_mode, lacp, members, qos, fake_bridge in zip(table.uuids, *map(table.values, _PORT), strict=True)
    }
    for port in found.values():
        if len(port["interfaces"]) > 1:
            port["interfaces"].sort(key=itemgetter("name"))
    return found


def _interfaces(table: Table) -> _Shown:
    return {
        u: {
            "name": name,
            "type": kind or "system",
            "ofport": number if number and number > 0 else None,
            "admin_state": admin_state,
            "link_state": link_state,
            "options": options,
            "police_rate": kbps * 1000 if kbps else None,
            "police_packet_rate": kpps * 1000 if kpps else None,
            "error": error,
        }
        for u, name, kind, number, admin_state, link_state, options, error, kbps, kpps in zip(
            table.uuids, *map(table.values, _INTERFACE), strict=True
        )
    }


def _qos(row: Row) -> dict:
    from ovstool.switch import qos  # not needed on most switches

    return {"type": row["type"], "max_rate": qos.max_rate(row), "queues": len(mapping(row["queues"]))}
