"""Bridges."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ovstool.errors import Conflict, NotFound, Refused, UsageError, quote
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import many, mapping, one, same, to_map, to_set, uuid, uuids
from ovstool.switch import Change, Switch, interface_health, lookup, qos

_COLUMNS = ("_uuid", "name", "datapath_type", "fail_mode", "protocols", "controller", "external_ids", "other_config")
UNSETTABLE = ("datapath_type", "fail_mode", "protocols", "controller", "external_ids", "other_config")


@dataclass(frozen=True)
class Wish:
    """What is asked of a bridge; None and empty mean that nothing is. ``unset`` holds columns, or columns and keys."""

    datapath_type: str | None = None
    fail_mode: str | None = None
    protocols: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()
    external_ids: dict[str, str] = field(default_factory=dict)
    other_config: dict[str, str] = field(default_factory=dict)
    unset: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True)
class Bridge:
    """A row of ``bridge list``: the number of ports, the targets of controllers and of sFlow."""

    name: str
    datapath_type: str
    fail_mode: str | None
    ports: int
    controllers: list[str]
    sflow: list[str]


def list_all(switch: Switch) -> list[Bridge]:
    """All bridges by name."""
    rows = lookup.bridges(switch, [], ("datapath_type", "fail_mode", "ports", "controller", "sflow"))
    targets = {one(row["_uuid"]): str(row["target"]) for row in switch.read(Query("Controller", [], ("_uuid", "target")))}
    collectors = {one(row["_uuid"]): many(row["targets"]) for row in switch.read(Query("sFlow", [], ("_uuid", "targets")))}
    return [
        Bridge(
            name=row["name"],
            datapath_type=one(row["datapath_type"]) or "system",
            fail_mode=one(row["fail_mode"]),
            ports=len(many(row["ports"])),
            controllers=sorted(targets.get(u, "") for u in many(row["controller"])),
            sflow=sorted(collectors.get(one(row["sflow"]), [])),
        )
        for row in rows
    ]


def show(switch: Switch, name: str) -> dict:
    """Everything about one bridge. Raises NotFound."""
    columns = (*_COLUMNS, "datapath_id", "datapath_version", "ports", "sflow", "stp_enable", "rstp_enable", "mcast_snooping_enable")
    row = lookup.bridges(switch, [name], columns)[0]
    ports = lookup.by_uuid(switch, "Port", many(row["ports"]), ("name",))
    controllers = lookup.by_uuid(switch, "Controller", many(row["controller"]), ("target", "is_connected", "role"))
    sflow = lookup.by_uuid(switch, "sFlow", many(row["sflow"]), ("targets",))
    return {
        "name": row["name"],
        "datapath_type": one(row["datapath_type"]) or "system",
        "datapath_id": one(row["datapath_id"]),
        "fail_mode": one(row["fail_mode"]),
        "protocols": sorted(many(row["protocols"])),
        "ports": sorted(port["name"] for port in ports.values()),
        "controllers": [
            {"target": c["target"], "connected": one(c["is_connected"]), "role": one(c["role"])}
            for c in sorted(controllers.values(), key=lambda c: c["target"])
        ],
        "sflow": sorted(target for s in sflow.values() for target in many(s["targets"])),
        "stp": one(row["stp_enable"]),
        "rstp": one(row["rstp_enable"]),
        "mcast_snooping": one(row["mcast_snooping_enable"]),
        "external_ids": mapping(row["external_ids"]),
        "other_config": mapping(row["other_config"]),
    }


def add(switch: Switch, name: str, wish: Wish) -> list[Change]:
    """Add a bridge with its local port. One that is there as asked is left alone.

    Raises Conflict when it is there and differs, Refused when ovs-vswitchd cannot make it.
    """
    lookup.new_name(name, "bridge")
    return switch.write(lambda txn: _add(txn, name, wish))


def set(switch: Switch, name: str, wish: Wish) -> list[Change]:
    """Change what is asked and leave the rest. Keys of maps are merged, protocols and controllers replaced. Raises NotFound."""
    return switch.write(lambda txn: _set(txn, name, wish))


def delete(switch: Switch, names: Sequence[str], if_exists: bool) -> list[Change]:
    """Delete bridges, their ports, and the QoS and Queue rows that only those ports used; all or none. Raises NotFound."""
    return switch.write(lambda txn: _delete(txn, lookup.unique(names), if_exists))


def _add(txn: Transaction, name: str, wish: Wish) -> list[Change]:
    for table in ("Bridge", "Port", "Interface"):
        lookup.require_free(txn, table, name)
    existing = txn.held(Query("Bridge", [["name", "==", name]], _COLUMNS))
    if existing:
        differing = _differing(txn, existing[0], wish)
        if differing:
            raise Conflict(
                f"bridge {quote(name)}",
                f"exists and differs in {', '.join(differing)}",
                f"ovstool bridge set {quote(name)}, with these options",
            )
        txn.watch(interface_health(name))
        return [Change(name, "unchanged")]
    for table in ("Port", "Interface"):
        if txn.held(Query(table, [["name", "==", name]], ("_uuid",))):
            raise Conflict(
                f"bridge {quote(name)}", f"a{'n interface' if table == 'Interface' else ' port'} of this name exists", "another name"
            )
    interface = txn.insert("Interface", {"name": name, "type": "internal"})
    port = txn.insert("Port", {"name": name, "interfaces": interface})
    root = _root(txn)
    wish = _with_datapath(root, wish)
    _require_datapath(root, wish)
    bridge = txn.insert("Bridge", {"name": name, "ports": port} | _columns(txn, None, wish))
    txn.mutate("Open_vSwitch", one(root["_uuid"]), [["bridges", "insert", ["set", [bridge]]]])
    txn.watch(interface_health(name))
    return [Change(name, "created")]


def _set(txn: Transaction, name: str, wish: Wish) -> list[Change]:
    row = lookup.bridges(txn, [name], _COLUMNS)[0]
    txn.hold(Query("Bridge", [["_uuid", "==", row["_uuid"]]], _COLUMNS), [row])
    asked = _unset(row, wish) | _columns(txn, row, wish)
    columns = {column: value for column, value in asked.items() if not same(value, row[column])}
    if not columns:
        return [Change(name, "unchanged")]
    if wish.datapath_type:
        _require_datapath(_root(txn), wish)
    txn.update("Bridge", one(row["_uuid"]), columns)
    txn.watch(interface_health(name))
    return [Change(name, "updated")]


def _delete(txn: Transaction, names: list[str], if_exists: bool) -> list[Change]:
    found = lookup.by_name(txn, "Bridge", names, ("ports",))
    if not if_exists and len(found) < len(names):
        lookup.bridges(txn, names, ())  # raises, and says which name may have been meant
    if not found:
        return [Change(name, "unchanged") for name in names]
    for row in found.values():
        txn.hold(Query("Bridge", [["_uuid", "==", row["_uuid"]]], ("ports",)), [row])
    # A port that gets a QoS while its bridge goes would leave it behind, so the set of ports that have one is held.
    shaped = txn.held(Query("Port", [["qos", "!=", ["set", []]]], ("_uuid", "qos")))
    going = {u for row in found.values() for u in many(row["ports"])}
    qos.release(txn, [row for row in shaped if one(row["_uuid"]) in going])
    for row in found.values():  # which would keep the row of the bridge, and mean nothing without the bridge; ovs-vsctl deletes it too
        for keeper in txn.held(Query("Flow_Sample_Collector_Set", [["bridge", "==", row["_uuid"]]], ("_uuid",))):
            txn.delete("Flow_Sample_Collector_Set", one(keeper["_uuid"]))
    root = one(_root(txn)["_uuid"])
    txn.mutate("Open_vSwitch", root, [["bridges", "delete", uuids(one(row["_uuid"]) for row in found.values())]])
    return [Change(name, "deleted" if name in found else "unchanged") for name in names]


def _differing(txn: Transaction, row: Row, wish: Wish) -> list[str]:
    """The columns in which a bridge is not as asked; what was not asked for may be anything."""
    differing = []
    if wish.datapath_type is not None and (one(row["datapath_type"]) or "system") != wish.datapath_type:
        differing.append("datapath_type")
    if wish.fail_mode is not None and one(row["fail_mode"]) != wish.fail_mode:
        differing.append("fail_mode")
    if wish.protocols and sorted(many(row["protocols"])) != sorted(wish.protocols):
        differing.append("protocols")
    if wish.controllers and sorted(_targets(txn, row).values()) != sorted(wish.controllers):
        differing.append("controller")
    for column in ("external_ids", "other_config"):
        wanted, present = getattr(wish, column), mapping(row[column])
        if any(present.get(key) != value for key, value in wanted.items()):
            differing.append(column)
    return differing


def _columns(txn: Transaction, row: Row | None, wish: Wish) -> Row:
    """The columns of the Bridge row that the wish sets, over those of ``row``."""
    columns: Row = {}
    if wish.datapath_type is not None:
        columns["datapath_type"] = "" if wish.datapath_type == "system" else wish.datapath_type
    if wish.fail_mode is not None:
        columns["fail_mode"] = wish.fail_mode
    if wish.protocols:
        columns["protocols"] = to_set(wish.protocols)
    if wish.controllers:
        present = {target: u for u, target in _targets(txn, row).items()} if row else {}
        new = [txn.insert("Controller", {"target": target}) for target in wish.controllers if target not in present]
        kept = [uuid(present[target]) for target in wish.controllers if target in present]
        columns["controller"] = to_set([*kept, *new])
    for column in ("external_ids", "other_config"):
        wanted = getattr(wish, column)
        if wanted:
            present = _without(mapping(row[column]), column, wish) if row else {}
            columns[column] = to_map(present | wanted)
    return columns


def _unset(row: Row, wish: Wish) -> Row:
    """The columns that ``--unset`` changes."""
    columns: Row = {}
    for column, key in wish.unset:
        if key is not None:
            if column not in ("external_ids", "other_config"):
                raise UsageError(f"--unset {column}:{quote(key)}", "this column has no keys", f"--unset {column}")
            if key in mapping(row[column]):
                columns[column] = to_map(_without(mapping(row[column]), column, wish))
        elif column == "datapath_type":
            if one(row[column]):
                columns[column] = ""
        elif row[column] not in (["set", []], ["map", []], None):
            columns[column] = to_map({}) if column in ("external_ids", "other_config") else to_set([])
    return columns


def _without(present: dict, column: str, wish: Wish) -> dict:
    if (column, None) in wish.unset:
        return {}
    return {key: value for key, value in present.items() if (column, key) not in wish.unset}


def _targets(txn: Transaction, row: Row) -> dict[str, str]:
    controllers = lookup.by_uuid(txn, "Controller", many(row["controller"]), ("target",))
    return {u: str(controller["target"]) for u, controller in controllers.items()}


def _root(txn: Transaction) -> Row:
    rows = txn.read(Query("Open_vSwitch", [], ("_uuid", "datapath_types")))
    if not rows:
        raise NotFound("table Open_vSwitch", "the database is empty", "ovs-vsctl --no-wait init")
    return rows[0]


def _with_datapath(root: Row, wish: Wish) -> Wish:
    """With no datapath type asked for: system, as in the database, but netdev on an Open vSwitch that says it has no system datapath."""
    supported = many(root["datapath_types"])
    if wish.datapath_type is None and "netdev" in supported and "system" not in supported:
        return replace(wish, datapath_type="netdev")
    return wish


def _require_datapath(root: Row, wish: Wish) -> None:
    supported = many(root["datapath_types"])
    kind = wish.datapath_type or "system"
    if supported and kind not in supported:
        raise Refused(
            f"datapath type {quote(kind)}",
            "this Open vSwitch has no such datapath",
            "--datapath-type " + " or ".join(sorted(map(str, supported))),
        )
