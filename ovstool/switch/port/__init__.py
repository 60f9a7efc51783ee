"""Ports: VLANs, bonds, patch and tunnel ports, and the interfaces that make them up."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ovstool.errors import Conflict, UsageError, quote
from ovstool.ovsdb.columns import by_row
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import many, mapping, ofport, one, same, to_map, to_set, without
from ovstool.switch import Change, Finding, Switch, brought_up, lookup, police
from ovstool.switch.accepts import new_names, port_fit, port_modes, port_types
from ovstool.switch.port import mtu

_PORT = ("_uuid", "name", "interfaces", "tag", "trunks", "vlan_mode", "bond_mode", "lacp")
_INTERFACE = ("_uuid", "name", "type", "options", "external_ids", "mtu_request")
_LISTED = ("name", "type", "ofport", "admin_state", "link_state", "mac_in_use", "external_ids", "error")
_LISTED_OF_PORT = ("name", "interfaces", "tag", "trunks")
_OF_PORT = ("tag", "trunks", "vlan_mode", "bond_mode", "lacp")
UNSETTABLE = (*_OF_PORT, "type", "options", "external_ids", "mtu_request")


class PortSpec(NamedTuple):
    """The requested settings of a port; None or empty: no request. ``unset`` holds columns, or columns and keys."""

    type: str | None = None
    tag: int | None = None
    trunks: tuple[int, ...] = ()
    vlan_mode: str | None = None
    options: Mapping[str, str] = {}
    external_ids: Mapping[str, str] = {}
    bond: tuple[str, ...] = ()
    bond_mode: str | None = None
    lacp: str | None = None
    mtu_request: int | None = None
    unset: tuple[tuple[str, str | None], ...] = ()


class ListedPort(NamedTuple):
    """A row of ``port list``. For a bond ``type`` is ``bond``, it is up when a member is, and ``ofport`` is None: each member has one."""

    bridge: str
    port: str
    type: str
    ofport: int | None
    tag: int | None
    trunks: list[int]
    admin_state: str | None
    link_state: str | None
    mac: str | None
    iface_id: str | None
    error: str | None


def list_all(switch: Switch, bridges: Sequence[str]) -> list[ListedPort]:
    """The ports of the bridges named, or of all, sorted by bridge and name. Raises NotFound."""
    if bridges:
        named = lookup.bridges_and_vlans(switch, bridges, ("ports",))
        ports = lookup.by_uuid(switch, "Port", [u for row, _ in named for u in many(row["ports"])], _LISTED_OF_PORT)
        members = lookup.by_uuid(switch, "Interface", [u for port in ports.values() for u in many(port["interfaces"])], _LISTED)
    else:
        tables = by_row(switch.tables({"Bridge": ("name", "ports"), "Port": _LISTED_OF_PORT, "Interface": _LISTED}))
        named = [(row, None) for row in sorted(tables["Bridge"].values(), key=lambda row: row["name"])]
        ports, members = tables["Port"], tables["Interface"]
    listed = []
    for row, fake in named:
        inside = many(row["ports"])
        if fake:
            inside = list(lookup.ports_of_fake(fake, switch.read(lookup.ports_with_tag_of(fake))))
        inside = sorted((u for u in inside if u in ports), key=lambda u: ports[u]["name"])
        listed += [_listed(row["name"], ports[u], [members[m] for m in many(ports[u]["interfaces"]) if m in members]) for u in inside]
    return listed


def show(switch: Switch, name: str) -> dict:
    """Everything about one port. Raises NotFound."""
    columns = (*_PORT, "bond_active_slave", "qos", "other_config")
    port = lookup.ports(switch, [name], columns)[0].rows[0]
    bridge = switch.read(Query("Bridge", [["ports", "includes", port["_uuid"]]], ("name",)))
    more = (*_LISTED, "options", "link_speed", "mtu", "mtu_request", "ingress_policing_rate", "ingress_policing_kpkts_rate")
    members = sorted(lookup.by_uuid(switch, "Interface", many(port["interfaces"]), more).values(), key=lambda row: row["name"])
    shaped = lookup.by_uuid(switch, "QoS", many(port["qos"]), ("type",))
    listed = _listed(bridge[0]["name"] if bridge else "", port, members)
    return listed._asdict() | {
        "vlan_mode": one(port["vlan_mode"]),
        "bond_mode": one(port["bond_mode"]),
        "bond_active": one(port["bond_active_slave"]),
        "lacp": one(port["lacp"]),
        "qos": next((str(row["type"]) for row in shaped.values()), None),
        "interfaces": [
            {
                "name": row["name"],
                "type": lookup.interface_type(row),
                "ofport": ofport(row["ofport"]),
                "link_state": one(row["link_state"]),
                "link_speed": one(row["link_speed"]),
                "mtu": one(row["mtu"]),
                "mtu_request": one(row["mtu_request"]),
                "options": mapping(row["options"]),
                "external_ids": mapping(row["external_ids"]),
                **police.rates(row),
                "error": one(row["error"]),
            }
            for row in members
        ],
        "other_config": mapping(port["other_config"]),
    }


def add(switch: Switch, bridge: str, name: str, spec: PortSpec) -> list[Change]:
    """Add a port to a bridge. One that exists as requested is left alone.

    Raises NotFound without the bridge, UsageError for what Open vSwitch would ignore or misread, Conflict when the port exists
    and differs, and Refused when ovs-vswitchd cannot open the device: the row stays in that case, so that the port comes up
    when the device does.
    """
    for new in (name, *spec.bond):
        new_names.check(new, "port")
    _require_peer_name(spec)
    return _write(switch, name, spec, lambda txn: _add(txn, bridge, name, spec))


def set(switch: Switch, name: str, spec: PortSpec) -> list[Change]:
    """Change what is requested and leave the rest. Keys of maps are merged, trunks replaced. Raises as ``add`` does."""
    _require_peer_name(spec)
    return _write(switch, name, spec, lambda txn: _set(txn, name, spec))


def _write(switch: Switch, name: str, spec: PortSpec, build: Callable[[Transaction], tuple[Change, list[Finding]]]) -> list[Change]:
    """Change one port, and report what a check would now find wrong with it."""
    change, found = switch.write(build)
    switch.found += found
    if spec.mtu_request and switch.wait and not switch.dry_run:
        mtu.require_taken(switch, name, spec.mtu_request)
    return [change]


def _add(txn: Transaction, bridge: str, name: str, spec: PortSpec) -> tuple[Change, list[Finding]]:
    into, fake = lookup.bridges_and_vlans(txn, [bridge], ())[0]
    if fake:
        txn.hold(Query("Port", [["_uuid", "==", fake.port["_uuid"]], ["fake_bridge", "==", True]], ("tag",)), [fake.port])
        spec = _in_vlan(spec, fake)
    members = spec.bond or (name,)
    for table, names in (("Port", (name,)), ("Interface", members)):
        for new in names:
            new_names.require_free(txn, table, new)
    if existing := txn.held(Query("Port", [["name", "==", name]], _PORT)):
        return _leave(txn, into, existing[0], spec)
    txn.hold(Query("Bridge", [["_uuid", "==", into["_uuid"]]], ("name",)), [into])
    for new in lookup.unique((name, *members)):
        if txn.held(Query("Interface", [["name", "==", new]])):
            raise Conflict(f"port {quote(name)}", f"interface {quote(new)} belongs to another port", f"ovstool port show {quote(new)}")
    return _insert(txn, into, name, members, spec)


def _leave(txn: Transaction, bridge: Row, port: Row, spec: PortSpec) -> tuple[Change, list[Finding]]:
    """Keep an existing port. Raises Conflict unless it is as requested, UsageError for an impossible request."""
    unknown = port_types.unknown_options(spec.type or "", spec.options)  # those that the port has anyway are compared below
    port_types.check_values(port["name"], spec.type or "", {key: value for key, value in spec.options.items() if key not in unknown})
    same = _require_same(txn, bridge, port, spec)
    return Change(port["name"], "unchanged"), port_fit.findings(txn, str(bridge["name"]), port, same)


def _insert(txn: Transaction, bridge: Row, name: str, members: Sequence[str], spec: PortSpec) -> tuple[Change, list[Finding]]:
    port = {"name": name} | _port_columns(spec)
    port_modes.check_vlans(name, dict.fromkeys(_OF_PORT) | port, is_new=True)
    columns = _interface_columns(None, spec)
    interfaces = [{"type": "", "options": to_map({})} | columns | {"name": member} for member in members]
    found = []
    for row in interfaces:
        found += port_fit.check(txn, None, row, spec.options) + port_modes.of_name(row["name"])
        _check_mtu(row, spec)
        txn.watch(brought_up.health(row["name"]))
    inserted = [txn.insert("Interface", {"name": member} | columns) for member in members]
    new = txn.insert("Port", port | {"interfaces": to_set(inserted)})
    txn.mutate("Bridge", one(bridge["_uuid"]), [["ports", "insert", to_set([new])]])
    return Change(name, "created"), found + port_fit.findings(txn, str(bridge["name"]), dict.fromkeys(_OF_PORT) | port, interfaces)


def _set(txn: Transaction, name: str, spec: PortSpec) -> tuple[Change, list[Finding]]:
    port = lookup.ports(txn, [name], _PORT)[0].rows[0]
    members = lookup.by_uuid(txn, "Interface", many(port["interfaces"]), _INTERFACE)
    of_interface = spec.type is not None or bool(spec.options) or any(column in ("type", "options") for column, _ in spec.unset)
    if len(members) > 1 and of_interface:
        raise UsageError(f"port {quote(name)}", "is a bond: its members have types and options, not the port")
    if len(members) == 1 and spec.bond_mode:
        raise UsageError(f"port {quote(name)}", "is not a bond, so it has no bond mode")
    asked = _changed(port, _unset_port(spec) | _port_columns(spec))
    if any(getattr(spec, column) not in (None, ()) or (column, None) in spec.unset for column in port_modes.VLAN_COLUMNS):
        port_modes.check_vlans(name, port | asked)
    changes = {u: _changed(row, _unset_interface(row, spec) | _interface_columns(row, spec)) for u, row in members.items()}
    found = []
    for u, row in members.items():
        found += port_fit.check(txn, row, row | changes[u], spec.options) if of_interface else []
        _check_mtu(row | changes[u], spec)
        txn.watch(brought_up.health(row["name"]))
    _update(txn, "Port", port, _PORT, asked)
    for u, row in members.items():
        _update(txn, "Interface", row, _INTERFACE, changes[u])
    found += port_fit.findings(txn, "", port | asked, [row | changes[u] for u, row in members.items()])
    return Change(name, "updated" if asked or any(changes.values()) else "unchanged"), found


def _update(txn: Transaction, table: str, row: Row, columns: Sequence[str], values: Row) -> None:
    """Write the values that change, if any; the columns that decide this are held."""
    txn.hold(Query(table, [["_uuid", "==", row["_uuid"]]], columns), [row])
    if values:
        txn.update(table, one(row["_uuid"]), values)


def _in_vlan(spec: PortSpec, fake: lookup.FakeBridge) -> PortSpec:
    """The settings of a port of a fake bridge, which has the tag of its VLAN. Raises UsageError for another tag."""
    if spec.tag not in (None, fake.vlan):
        why = f"{quote(fake.name)} is {fake.what}, and so is the tag of its ports"
        raise UsageError(f"--tag {spec.tag}", why, f"--tag {fake.vlan}, or {quote(str(fake.parent['name']))} as the bridge")
    return spec._replace(tag=fake.vlan)


def _require_peer_name(spec: PortSpec) -> None:
    if "peer" in spec.options and spec.type in (None, "patch"):
        new_names.check(spec.options["peer"], "peer")


def _require_same(txn: Transaction, bridge: Row, port: Row, spec: PortSpec) -> list[Row]:
    """The interfaces of an existing port. Raises Conflict unless it is as requested; other columns may have any value."""
    name = port["name"]
    if not txn.read(Query("Bridge", [["_uuid", "==", bridge["_uuid"]], ["ports", "includes", port["_uuid"]]])):
        if txn.read(Query("Bridge", [["name", "==", name]])):
            raise Conflict(f"port {quote(name)}", "is a bridge, and bridges are connected by a pair of patch ports", "--peer PORT")
        raise Conflict(f"port {quote(name)}", "exists on another bridge", f"ovstool port show {quote(name)}")
    members = lookup.by_uuid(txn, "Interface", many(port["interfaces"]), _INTERFACE)
    for row in members.values():
        txn.watch(brought_up.health(row["name"]))
    differing = list(_changed(port, _port_columns(spec)))
    differing += {column: None for row in members.values() for column in _changed(row, _interface_columns(row, spec))}
    if (spec.bond or len(members) > 1) and sorted(spec.bond or (name,)) != sorted(row["name"] for row in members.values()):
        differing.append("interfaces")
    if differing:
        replaced, changed = f"ovstool port del {quote(name)}, then add it", f"ovstool port set {quote(name)}, with these options"
        hint = replaced if "interfaces" in differing else changed
        raise Conflict(f"port {quote(name)}", f"exists and differs in {', '.join(differing)}", hint)
    return list(members.values())


def _port_columns(spec: PortSpec) -> Row:
    asked = {column: getattr(spec, column) for column in _OF_PORT} | {"trunks": to_set(sorted(spec.trunks)) if spec.trunks else None}
    return {column: value for column, value in asked.items() if value is not None}


def _interface_columns(row: Row | None, spec: PortSpec) -> Row:
    columns: Row = {}
    if spec.type is not None:
        columns["type"] = "" if spec.type == "system" else spec.type
    if spec.mtu_request is not None:
        columns["mtu_request"] = spec.mtu_request
    for column in ("options", "external_ids"):
        wanted = getattr(spec, column)
        if wanted:
            columns[column] = to_map((without(mapping(row[column]), column, spec.unset) if row else {}) | wanted)
    return columns


def _unset_port(spec: PortSpec) -> Row:
    for column, key in spec.unset:
        if key is not None and column in (*_OF_PORT, "type", "mtu_request"):
            raise UsageError(f"--unset {column}:{quote(key)}", "this column has no keys", f"--unset {column}")
    return {column: to_set([]) for column, _ in spec.unset if column in _OF_PORT}


def _unset_interface(row: Row, spec: PortSpec) -> Row:
    maps = [column for column, _ in spec.unset if column in ("options", "external_ids")]
    columns = {column: to_map(without(mapping(row[column]), column, spec.unset)) for column in maps}
    plain = {"type": "", "mtu_request": to_set([])}
    return columns | {column: value for column, value in plain.items() if (column, None) in spec.unset}


def _check_mtu(row: Row, spec: PortSpec) -> None:
    if spec.mtu_request is not None:
        mtu.check_type(row["name"], lookup.interface_type(row))


def _changed(row: Row, columns: Row) -> Row:
    """The columns with values that differ from those of the row."""
    return {column: value for column, value in columns.items() if not same(value, row[column])}


def _listed(bridge: str, port: Row, members: list[Row]) -> ListedPort:
    bond = len(members) > 1
    members = sorted(members, key=lambda row: str(row["name"])) if bond else members
    first = members[0] if members else dict.fromkeys(_LISTED)
    errors = [f"{row['name']}: {error}" if bond else error for row in members if (error := one(row["error"]))]
    return ListedPort(
        bridge=bridge,
        port=port["name"],
        type="bond" if bond else lookup.interface_type(first),
        ofport=None if bond else ofport(first["ofport"]),
        tag=one(port["tag"]),
        trunks=sorted(many(port["trunks"])),
        admin_state=_of_any(members, "admin_state"),
        link_state=_of_any(members, "link_state"),
        mac=one(first["mac_in_use"]),
        iface_id=next((ids["iface-id"] for row in members if "iface-id" in (ids := mapping(row["external_ids"]))), None),
        error="; ".join(errors) or None,
    )


def _of_any(members: list[Row], column: str) -> str | None:
    """Up if a member is, else the state of the first member that has one."""
    states = [one(row[column]) for row in members]
    return "up" if "up" in states else next(filter(None, states), None)
