"""Bridges, and the fake bridges that ovs-vsctl(8) creates for their VLANs."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ovstool.errors import Conflict, NotFound, Refused, UsageError, quote
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import many, mapping, one, same, to_map, to_set, uuid, uuids, without
from ovstool.switch import Change, Switch, brought_up, lookup, losses, references
from ovstool.switch.accepts import bridge_keys, new_names

_COLUMNS = ("_uuid", "name", "datapath_type", "fail_mode", "protocols", "controller", "external_ids", "other_config")
_CONTROLLER = ("target", "type")
UNSETTABLE = ("datapath_type", "fail_mode", "protocols", "controller", "external_ids", "other_config")


class BridgeSpec(NamedTuple):
    """The requested settings of a bridge; None or empty: no request. ``unset`` holds columns, or columns and keys."""

    datapath_type: str | None = None
    fail_mode: str | None = None
    protocols: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()
    external_ids: Mapping[str, str] = {}
    other_config: Mapping[str, str] = {}
    unset: tuple[tuple[str, str | None], ...] = ()


class ListedBridge(NamedTuple):
    """A row of ``bridge list``: the number of ports, the targets of controllers and of sFlow."""

    bridge: str
    datapath_type: str
    fail_mode: str | None
    ports: int
    controllers: list[str]
    sflow: list[str]


def list_all(switch: Switch) -> list[ListedBridge]:
    """All bridges, sorted by name."""
    rows = lookup.bridges(switch, [], ("datapath_type", "fail_mode", "ports", "controller", "sflow"))
    controllers, sflows, fake_ports = switch.read_all(
        [Query("Controller", [], ("_uuid", "target")), Query("sFlow", [], ("_uuid", "targets", "external_ids")), lookup.FAKE_BRIDGES]
    )
    targets = {one(row["_uuid"]): str(row["target"]) for row in controllers}
    collectors = {one(row["_uuid"]): lookup.collectors(row) for row in sflows}
    listed = [
        ListedBridge(
            bridge=row["name"],
            datapath_type=lookup.datapath_type(row),
            fail_mode=one(row["fail_mode"]),
            ports=len(many(row["ports"])),
            controllers=sorted(targets.get(u, "") for u in many(row["controller"])),
            sflow=sorted(collectors.get(one(row["sflow"]), [])),
        )
        for row in rows
    ]
    return sorted([*listed, *_listed_fakes(switch, listed, fake_ports)], key=lambda row: row.bridge)


def _listed_fakes(switch: Switch, listed: list[ListedBridge], fake_ports: list[Row]) -> list[ListedBridge]:
    """A row for each fake bridge, with its own ports and the settings of its parent."""
    found = []
    parents = {row.bridge: row for row in listed}
    for fake in lookup.fake_bridges(switch, columns=("ports",), rows=fake_ports):
        switch.notes.append(f"{fake.name}: {fake.what}")
        if parent := parents.get(fake.parent["name"]):
            found.append(
                parent._replace(bridge=fake.name, ports=len(lookup.ports_of_fake(fake, switch.read(lookup.ports_with_tag_of(fake)))))
            )
    return found


def show(switch: Switch, name: str) -> dict:
    """Everything about one bridge; ``parent`` and ``vlan`` are set for a fake bridge, with the settings of its parent. Raises NotFound."""
    columns = (*_COLUMNS, "datapath_id", "datapath_version", "ports", "sflow", "stp_enable", "rstp_enable", "mcast_snooping_enable")
    row, fake = lookup.bridges_and_vlans(switch, [name], columns)[0]
    if fake:
        ports = lookup.ports_of_fake(fake, switch.read(lookup.ports_with_tag_of(fake)))
    else:
        ports = lookup.by_uuid(switch, "Port", many(row["ports"]), ("name",))
    controllers = lookup.by_uuid(switch, "Controller", many(row["controller"]), ("target", "is_connected", "role"))
    sflow = lookup.by_uuid(switch, "sFlow", many(row["sflow"]), ("targets", "external_ids"))
    return {
        "bridge": name,
        "parent": row["name"] if fake else None,
        "vlan": fake.vlan if fake else None,
        "datapath_type": lookup.datapath_type(row),
        "datapath_id": one(row["datapath_id"]),
        "fail_mode": one(row["fail_mode"]),
        "protocols": sorted(many(row["protocols"])),
        "ports": sorted(port["name"] for port in ports.values()),
        "controllers": [
            {"target": c["target"], "connected": lookup.is_connected(c), "role": one(c["role"])}
            for c in sorted(controllers.values(), key=lambda c: c["target"])
        ],
        "sflow": sorted(target for s in sflow.values() for target in lookup.collectors(s)),
        "stp": one(row["stp_enable"]),
        "rstp": one(row["rstp_enable"]),
        "mcast_snooping": one(row["mcast_snooping_enable"]),
        "external_ids": mapping((fake.port if fake else row)["external_ids"]),
        "other_config": mapping(row["other_config"]),
    }


def add(switch: Switch, name: str, spec: BridgeSpec) -> list[Change]:
    """Add a bridge with its local port. One that exists as requested is left alone.

    Raises Conflict when it exists and differs, Refused when ovs-vswitchd cannot create it.
    """
    new_names.check_bridge(name)
    switch.notes += _unheeded(switch, name, spec)
    return switch.write(lambda txn: _add(txn, name, spec))


def set(switch: Switch, name: str, spec: BridgeSpec, force: bool = False) -> list[Change]:
    """Change what is requested and leave the rest. Keys of maps are merged, protocols and controllers replaced.

    Raises NotFound, and, without ``force``, Conflict for a change that deletes flows, groups or meters that are not from ovstool.
    """
    unheeded = _unheeded(switch, name, spec)
    changes, costs = switch.write(lambda txn: _set(switch, txn, name, spec, force))
    switch.notes += [*unheeded, *costs]
    return changes


def delete(switch: Switch, names: Sequence[str], if_exists: bool) -> list[Change]:
    """Delete bridges, their ports, and the QoS and Queue rows that only those ports used; all or none. Raises NotFound.

    For a fake bridge those are all ports with its VLAN's tag, as with ovs-vsctl.
    """
    changes, notes = switch.write(lambda txn: _delete(switch, txn, lookup.unique(names), if_exists))
    switch.notes += notes
    return changes


def _unheeded(switch: Switch, name: str, spec: BridgeSpec) -> list[str]:
    """Notes about values that ovs-vswitchd does not accept unchanged. Raises UsageError for those that are invalid."""
    notes = bridge_keys.check(bridge_keys.BRIDGE, name, spec.other_config)
    for target in spec.controllers:
        if not losses.is_heeded(target, switch.rundir):
            where = f"{switch.rundir}/{name}.*" if target.startswith("punix:") else switch.rundir
            notes.append(f"{target}: ovs-vswitchd accepts sockets only in {where}")
    return notes


def _add(txn: Transaction, name: str, spec: BridgeSpec) -> list[Change]:
    for table in ("Bridge", "Port", "Interface"):
        new_names.require_free(txn, table, name)
    if existing := txn.held(Query("Bridge", [["name", "==", name]], _COLUMNS)):
        if differing := _differing(existing[0], spec, _controllers(txn, existing[0]) if spec.controllers else []):
            why = f"exists and differs in {', '.join(differing)}"
            raise Conflict(f"bridge {quote(name)}", why, f"ovstool bridge set {quote(name)}, with these options")
        txn.watch(brought_up.health(name))
        return [Change(name, "unchanged")]
    for table in ("Port", "Interface"):
        if txn.held(Query(table, [["name", "==", name]])):
            for fake in lookup.fake_bridges(txn, name):
                raise Conflict(f"bridge {quote(name)}", f"exists: it is {fake.what}", "another name")
            why = f"a{'n interface' if table == 'Interface' else ' port'} of this name exists"
            raise Conflict(f"bridge {quote(name)}", why, "another name")
    port = txn.insert("Port", {"name": name, "interfaces": txn.insert("Interface", {"name": name, "type": "internal"})})
    root = _root(txn)
    spec = _with_datapath(root, spec)
    _require_datapath(root, spec.datapath_type or "system")
    bridge_keys.require_agreement(spec.other_config, spec.other_config)
    bridge = txn.insert("Bridge", {"name": name, "ports": port} | _columns(txn, None, spec, []))
    txn.mutate("Open_vSwitch", one(root["_uuid"]), [["bridges", "insert", ["set", [bridge]]]])
    txn.watch(brought_up.health(name))
    return [Change(name, "created")]


def _set(switch: Switch, txn: Transaction, name: str, spec: BridgeSpec, force: bool) -> tuple[list[Change], list[str]]:
    """The change of the bridge, and notes about it."""
    row = lookup.bridges(txn, [name], (*_COLUMNS, "datapath_id"))[0]
    txn.hold(Query("Bridge", [["_uuid", "==", row["_uuid"]]], _COLUMNS), [row])
    may_flush = spec.datapath_type or spec.fail_mode or spec.controllers or any(column in losses.DECISIVE for column, _ in spec.unset)
    controllers = _controllers(txn, row) if may_flush else []
    asked = _unset(row, spec) | _columns(txn, row, spec, controllers)
    columns = {column: value for column, value in asked.items() if not same(value, row[column])}
    if not columns:
        return [Change(name, "unchanged")], []
    if "datapath_type" in columns:
        _require_datapath(_root(txn), columns["datapath_type"] or "system")
    if "other_config" in columns:
        bridge_keys.require_agreement(spec.other_config, mapping(columns["other_config"]))
    notes = costs(switch, row, columns, spec, controllers, force)
    txn.update("Bridge", one(row["_uuid"]), columns)
    txn.watch(brought_up.health(name))
    return [Change(name, "updated")], notes


def costs(
    switch: Switch, row: Row, columns: Row, spec: BridgeSpec, controllers: list[Row], force: bool, flows_follow: bool = False
) -> list[str]:
    """Notes about flows, groups and meters that the change deletes; ``flows_follow``: all flows that the bridge is to have are then added.

    Raises Conflict when they are not from ovstool.
    """
    if columns.keys().isdisjoint(losses.DECISIVE) or one(row["datapath_id"]) is None:
        return []  # without an ID, ovs-vswitchd has not created the bridge yet
    now = {str(c["target"]): one(c["type"]) for c in controllers}
    targets = {target: now.get(target) for target in spec.controllers} if "controller" in columns else now
    then = row | columns
    before = losses.ControlSettings(one(row["datapath_type"]), one(row["fail_mode"]), now)
    after = losses.ControlSettings(one(then["datapath_type"]), one(then["fail_mode"]), targets)
    return losses.of_change(switch, row["name"], before, after, force, flows_follow)


def _delete(switch: Switch, txn: Transaction, names: list[str], if_exists: bool) -> tuple[list[Change], list[str]]:
    """The change of each bridge, and notes about it."""
    found = lookup.by_name(txn, "Bridge", names, ("ports",))
    virtual = {name: fake for name in names if name not in found for fake in lookup.fake_bridges(txn, name, ("ports",))}
    if not if_exists and len(found) + len(virtual) < len(names):
        # Raises, and suggests a similar name, unless another program has just created those that were missing.
        rows = lookup.bridges(txn, [name for name in names if name not in virtual], ("ports",))
        found = {str(row["name"]): row for row in rows}
    if not found and not virtual:
        return [Change(name, "unchanged") for name in names], []
    for row in [*found.values(), *(fake.parent for fake in virtual.values())]:
        txn.hold(Query("Bridge", [["_uuid", "==", row["_uuid"]]], ("ports",)), [row])
    # A port that gets a QoS while its bridge is deleted would leave it behind, so the set of ports with a QoS is held.
    shaped = txn.held(lookup.ports_with_qos(("_uuid", "qos")))
    of_fakes = _ports_of_fakes(txn, [fake for fake in virtual.values() if fake.parent["name"] not in found])
    going = {u for row in found.values() for u in many(row["ports"])}.union(*(ports for _, ports in of_fakes))
    references.release(txn, [row for row in shaped if one(row["_uuid"]) in going])
    for row in found.values():  # it would keep the bridge's row, and is useless without the bridge; ovs-vsctl del-br leaves it
        for keeper in txn.held(Query("Flow_Sample_Collector_Set", [["bridge", "==", row["_uuid"]]])):
            txn.delete("Flow_Sample_Collector_Set", one(keeper["_uuid"]))
    if found:
        root = one(_root(txn)["_uuid"])
        txn.mutate("Open_vSwitch", root, [["bridges", "delete", uuids(one(row["_uuid"]) for row in found.values())]])
    notes = [note for name in found for note in losses.of_deletion(switch, name)] if switch.dry_run or switch.confirm_within_s else []
    notes += _without_ports(switch, txn, of_fakes, {one(row["_uuid"]) for row in shaped})
    return [Change(name, "deleted" if name in found or name in virtual else "unchanged") for name in names], notes


def _ports_of_fakes(txn: Transaction, fakes: Sequence[lookup.FakeBridge]) -> list[tuple[lookup.FakeBridge, dict[str, str]]]:
    """The ports that are deleted with each fake bridge, names by UUID; everything that decides this is held."""
    found = []
    for fake in fakes:
        txn.hold(Query("Port", [["_uuid", "==", fake.port["_uuid"]]], ("tag",)), [fake.port])
        ports = lookup.ports_of_fake(fake, txn.held(lookup.ports_with_tag_of(fake)))
        found.append((fake, {u: str(row["name"]) for u, row in ports.items()}))
    return found


def _without_ports(
    switch: Switch, txn: Transaction, of_fakes: list[tuple[lookup.FakeBridge, dict[str, str]]], shaped: Collection[str]
) -> list[str]:
    """Remove the ports of fake bridges from their parents, which stay; returns notes."""
    if not of_fakes:
        return []
    for fake, ports in of_fakes:
        txn.mutate("Bridge", one(fake.parent["_uuid"]), [["ports", "delete", uuids(ports)]])
    steered = [(name, name, fake.parent["name"]) for fake, ports in of_fakes for u, name in ports.items() if u in shaped]
    if steered:
        from ovstool.switch import steer  # only ports with a QoS have queues to steer into

        steer.clear(switch, [steer.PortOnBridge(*place) for place in steered])
    return losses.of_mirrors(txn.read(losses.MIRRORS), {u: name for _, ports in of_fakes for u, name in ports.items()})


def _differing(row: Row, spec: BridgeSpec, controllers: list[Row]) -> list[str]:
    """The columns in which a bridge differs from the request; others may have any value."""
    differing = []
    if spec.datapath_type is not None and lookup.datapath_type(row) != spec.datapath_type:
        differing.append("datapath_type")
    if spec.fail_mode is not None and one(row["fail_mode"]) != spec.fail_mode:
        differing.append("fail_mode")
    if spec.protocols and sorted(many(row["protocols"])) != sorted(spec.protocols):
        differing.append("protocols")
    if spec.controllers and sorted(str(c["target"]) for c in controllers) != sorted(spec.controllers):
        differing.append("controller")
    for column in ("external_ids", "other_config"):
        wanted, present = getattr(spec, column), mapping(row[column])
        if any(present.get(key) != value for key, value in wanted.items()):
            differing.append(column)
    return differing


def _columns(txn: Transaction, row: Row | None, spec: BridgeSpec, controllers: list[Row]) -> Row:
    """The columns of the Bridge row that the spec sets, over those of ``row``."""
    columns: Row = {}
    if spec.datapath_type is not None:
        columns["datapath_type"] = "" if spec.datapath_type == "system" else spec.datapath_type
    if spec.fail_mode is not None:
        columns["fail_mode"] = spec.fail_mode
    if spec.protocols:
        columns["protocols"] = to_set(spec.protocols)
    if spec.controllers:
        present = {str(c["target"]): one(c["_uuid"]) for c in controllers}
        new = [txn.insert("Controller", {"target": target}) for target in spec.controllers if target not in present]
        kept = [uuid(present[target]) for target in spec.controllers if target in present]
        columns["controller"] = to_set([*kept, *new])
    for column in ("external_ids", "other_config"):
        wanted = getattr(spec, column)
        if wanted:
            present = without(mapping(row[column]), column, spec.unset) if row else {}
            columns[column] = to_map(present | wanted)
    return columns


def _unset(row: Row, spec: BridgeSpec) -> Row:
    """The columns that ``--unset`` changes."""
    columns: Row = {}
    for column, key in spec.unset:
        if key is not None:
            if column not in ("external_ids", "other_config"):
                raise UsageError(f"--unset {column}:{quote(key)}", "this column has no keys", f"--unset {column}")
            if key in mapping(row[column]):
                columns[column] = to_map(without(mapping(row[column]), column, spec.unset))
        elif column == "datapath_type":
            if one(row[column]):
                columns[column] = ""
        elif row[column] not in (["set", []], ["map", []], None):
            columns[column] = to_map({}) if column in ("external_ids", "other_config") else to_set([])
    return columns


def _controllers(txn: Transaction, row: Row) -> list[Row]:
    """The rows of a bridge's controllers, held, because their targets decide which of them stay."""
    found = lookup.by_uuid(txn, "Controller", many(row["controller"]), _CONTROLLER)
    for row in found.values():
        txn.hold(Query("Controller", [["_uuid", "==", row["_uuid"]]], _CONTROLLER), [row])
    return list(found.values())


def _root(txn: Transaction) -> Row:
    rows = txn.read(Query("Open_vSwitch", [], ("_uuid", "datapath_types")))
    if not rows:
        raise NotFound("table Open_vSwitch", "the database is empty", "ovs-vsctl --no-wait init")
    return rows[0]


def _with_datapath(root: Row, spec: BridgeSpec) -> BridgeSpec:
    """The default datapath type: system, as in the database, but netdev on an Open vSwitch that reports no system datapath."""
    supported = many(root["datapath_types"])
    if spec.datapath_type is None and "netdev" in supported and "system" not in supported:
        return spec._replace(datapath_type="netdev")
    return spec


def _require_datapath(root: Row, kind: str) -> None:
    supported = many(root["datapath_types"])
    if supported and kind not in supported:
        hint = "--datapath-type " + " or ".join(sorted(map(str, supported)))
        raise Refused(f"datapath type {quote(kind)}", "this Open vSwitch has no such datapath", hint)
