"""Ports: VLANs, bonds, patch and tunnel ports, and the interfaces that make them up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ovstool.errors import Conflict, NotFound, Refused, UsageError, quote
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import many, mapping, one, same, to_map, to_set, uuids
from ovstool.switch import Change, Finding, Switch, interface_health, lookup, mirrors, police, qos, versions
from ovstool.switch.accepts import port_modes, port_types

_PORT = ("_uuid", "name", "interfaces", "tag", "trunks", "vlan_mode", "bond_mode", "lacp")
_INTERFACE = ("_uuid", "name", "type", "options", "external_ids")
_LISTED = ("_uuid", "name", "type", "ofport", "admin_state", "link_state", "mac_in_use", "external_ids", "error")
_OF_PORT = ("tag", "trunks", "vlan_mode", "bond_mode", "lacp")
UNSETTABLE = (*_OF_PORT, "type", "options", "external_ids")


@dataclass(frozen=True)
class Wish:
    """What is asked of a port; None and empty mean that nothing is. ``unset`` holds columns, or columns and keys."""

    type: str | None = None
    tag: int | None = None
    trunks: tuple[int, ...] = ()
    vlan_mode: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    external_ids: dict[str, str] = field(default_factory=dict)
    bond: tuple[str, ...] = ()
    bond_mode: str | None = None
    lacp: str | None = None
    unset: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True)
class Listed:
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


class _Around(NamedTuple):
    """The types of interfaces that this Open vSwitch has (none when it does not say), the options of tunnels of one type to the same host,
    and whether it is a later one than ovstool knows."""

    types: list[str]
    tunnels: dict[str, dict[str, str]]
    is_unknown: bool


def list_all(switch: Switch, bridges: Sequence[str]) -> list[Listed]:
    """The ports of the bridges named, or of all, by bridge and name. Raises NotFound."""
    places = lookup.bridges_and_vlans(switch, bridges, ("ports",))
    rows = [row for row, _ in places]
    if bridges:
        ports = lookup.by_uuid(switch, "Port", [u for row in rows for u in many(row["ports"])], ("name", "interfaces", "tag", "trunks"))
        members = lookup.by_uuid(switch, "Interface", [u for port in ports.values() for u in many(port["interfaces"])], _LISTED)
    else:
        port_rows, interface_rows = switch.read_all([Query("Port", [], _PORT), Query("Interface", [], _LISTED)])
        ports = {one(row["_uuid"]): row for row in port_rows}
        members = {one(row["_uuid"]): row for row in interface_rows}
    listed = []
    for row, fake in places:
        inside = sorted((ports[u] for u in many(row["ports"]) if u in ports), key=lambda port: port["name"])
        if fake:
            of_fake = lookup.ports_of_fake(fake, switch.read(lookup.tagged(fake)))
            inside = [port for port in inside if one(port["_uuid"]) in of_fake]
        listed += [_listed(row["name"], port, [members[u] for u in many(port["interfaces"]) if u in members]) for port in inside]
    return listed


def show(switch: Switch, name: str) -> dict:
    """Everything about one port. Raises NotFound."""
    columns = (*_PORT, "bond_active_slave", "qos", "other_config")
    port = lookup.ports(switch, [name], columns)[0].rows[0]
    bridge = switch.read(Query("Bridge", [["ports", "includes", port["_uuid"]]], ("name",)))
    more = (*_LISTED, "options", "link_speed", "mtu", "ingress_policing_rate", "ingress_policing_kpkts_rate")
    members = sorted(lookup.by_uuid(switch, "Interface", many(port["interfaces"]), more).values(), key=lambda row: row["name"])
    shaped = lookup.by_uuid(switch, "QoS", many(port["qos"]), ("type",))
    listed = _listed(bridge[0]["name"] if bridge else "", port, members)
    return vars(listed) | {
        "vlan_mode": one(port["vlan_mode"]),
        "bond_mode": one(port["bond_mode"]),
        "bond_active": one(port["bond_active_slave"]),
        "lacp": one(port["lacp"]),
        "qos": next((str(row["type"]) for row in shaped.values()), None),
        "interfaces": [
            {
                "name": row["name"],
                "type": one(row["type"]) or "system",
                "ofport": ofport(row),
                "link_state": one(row["link_state"]),
                "link_speed": one(row["link_speed"]),
                "mtu": one(row["mtu"]),
                "options": mapping(row["options"]),
                "external_ids": mapping(row["external_ids"]),
                **police.rates(row),
                "error": one(row["error"]),
            }
            for row in members
        ],
        "other_config": mapping(port["other_config"]),
    }


def add(switch: Switch, bridge: str, name: str, wish: Wish) -> list[Change]:
    """Add a port to a bridge. One that is there as asked is left alone.

    Raises NotFound without the bridge, UsageError for what Open vSwitch would ignore or take for something else, Conflict when
    the port is there and differs, and Refused when ovs-vswitchd cannot open the device: the row stays then, so that the port comes up
    when the device does.
    """
    for new in (name, *wish.bond):
        lookup.new_name(new, "port")
    _require_peer_name(wish)
    return _write(switch, lambda txn: _add(txn, bridge, name, wish))


def set(switch: Switch, name: str, wish: Wish) -> list[Change]:
    """Change what is asked and leave the rest. Keys of maps are merged, trunks replaced. Raises as ``add`` does."""
    _require_peer_name(wish)
    return _write(switch, lambda txn: _set(txn, name, wish))


def delete(switch: Switch, names: Sequence[str], if_exists: bool) -> list[Change]:
    """Delete ports and the QoS and Queue rows that only they used; all or none. Before that the flows go that steer into their queues.

    So what ends the command in between leaves a port that can be named again, and no flow of a port that is gone.
    Raises NotFound, and UsageError for a bridge's local port or a member of a bond, which do not go by themselves.
    """
    changes, notes = switch.write(lambda txn: _delete(switch, txn, names, if_exists))
    switch.notes += notes
    return changes


def _write(switch: Switch, build: Callable[[Transaction], tuple[Change, list[Finding]]]) -> list[Change]:
    """Change one port, and tell what a check would find of it now."""
    change, found = switch.write(build)
    switch.found += found
    return [change]


def _add(txn: Transaction, bridge: str, name: str, wish: Wish) -> tuple[Change, list[Finding]]:
    into, fake = lookup.bridges_and_vlans(txn, [bridge], ())[0]
    if fake:
        txn.hold(Query("Port", [["_uuid", "==", fake.port["_uuid"]]], ("tag",)), [fake.port])
        wish = _in_vlan(wish, fake)
    for table, names in (("Port", (name,)), ("Interface", wish.bond or (name,))):
        for taken in names:
            lookup.require_free(txn, table, taken)
    members = wish.bond or (name,)
    existing = txn.held(Query("Port", [["name", "==", name]], _PORT))
    if existing:
        later = port_types.later(wish.type or "", wish.options)  # and those that it has all the same are as asked
        port_types.check_values(name, wish.type or "", {key: value for key, value in wish.options.items() if key not in later})
        same = _require_same(txn, into, existing[0], wish)
        return Change(name, "unchanged"), _found(txn, str(into["name"]), existing[0], same)
    txn.hold(Query("Bridge", [["_uuid", "==", into["_uuid"]]], ("name",)), [into])
    for taken in lookup.unique((name, *members)):
        if txn.held(Query("Interface", [["name", "==", taken]], ("_uuid",))):
            raise Conflict(f"port {quote(name)}", f"interface {quote(taken)} belongs to another port", f"ovstool port show {quote(taken)}")
    port = {"name": name} | _port_columns(wish)
    port_modes.check_vlans(name, dict.fromkeys(_OF_PORT) | port, is_new=True)
    columns = _interface_columns(None, wish)
    interfaces = [{"type": "", "options": to_map({})} | columns | {"name": member} for member in members]
    found = []
    for row in interfaces:
        found += _checked(txn, None, row, wish) + port_modes.of_name(row["name"])
        txn.watch(interface_health(row["name"]))
    references = [txn.insert("Interface", {"name": member} | columns) for member in members]
    new = txn.insert("Port", port | {"interfaces": to_set(references)})
    txn.mutate("Bridge", one(into["_uuid"]), [["ports", "insert", to_set([new])]])
    return Change(name, "created"), found + _found(txn, str(into["name"]), dict.fromkeys(_OF_PORT) | port, interfaces)


def _set(txn: Transaction, name: str, wish: Wish) -> tuple[Change, list[Finding]]:
    port = lookup.ports(txn, [name], _PORT)[0].rows[0]
    members = lookup.by_uuid(txn, "Interface", many(port["interfaces"]), _INTERFACE)
    of_interface = wish.type is not None or bool(wish.options) or any(column in ("type", "options") for column, _ in wish.unset)
    if len(members) > 1 and of_interface:
        raise UsageError(f"port {quote(name)}", "is a bond: its members have types and options, not the port")
    if len(members) == 1 and wish.bond_mode:
        raise UsageError(f"port {quote(name)}", "is no bond, so it has no bond mode")
    asked = _changed(port, _unset_port(wish) | _port_columns(wish))
    if any(getattr(wish, column) not in (None, ()) or (column, None) in wish.unset for column in port_modes.VLAN_COLUMNS):
        port_modes.check_vlans(name, port | asked)
    updates: list[tuple[str, Row, Sequence[str], Row]] = [("Port", port, _PORT, asked)]
    found = []
    for row in members.values():
        changes = _changed(row, _unset_interface(row, wish) | _interface_columns(row, wish))
        found += _checked(txn, row, row | changes, wish) if of_interface else []
        updates.append(("Interface", row, _INTERFACE, changes))
        txn.watch(interface_health(row["name"]))
    for table, row, columns, values in updates:
        txn.hold(Query(table, [["_uuid", "==", row["_uuid"]]], columns), [row])
        if values:
            txn.update(table, one(row["_uuid"]), values)
    found += _found(txn, "", port | asked, [row | values for table, row, _, values in updates if table == "Interface"])
    return Change(name, "updated" if any(values for *_, values in updates) else "unchanged"), found


def _in_vlan(wish: Wish, fake: lookup.Fake) -> Wish:
    """What is asked of a port of a fake bridge, which has the tag of its VLAN. Raises UsageError for another one."""
    if wish.tag not in (None, fake.vlan):
        why = f"{quote(fake.name)} is {fake.what}, and so is the tag of its ports"
        raise UsageError(f"--tag {wish.tag}", why, f"--tag {fake.vlan}, or {quote(str(fake.parent['name']))} as the bridge")
    return replace(wish, tag=fake.vlan)


def _delete(switch: Switch, txn: Transaction, names: Sequence[str], if_exists: bool) -> tuple[list[Change], list[str]]:
    """What became of each port, and what to note of it."""
    names = lookup.unique(names)
    absent = _absent(txn, names) if if_exists else []
    named = lookup.ports(txn, [name for name in names if name not in absent], ("qos", "interfaces", "fake_bridge", "tag"))
    rows = {one(row["_uuid"]): row for _, (row,) in named}
    owners = [Query("Bridge", [["ports", "includes", row["_uuid"]]], ("_uuid", "name")) for _, (row,) in named]
    *bridges, mirrored = txn.read_all([*owners, mirrors.ALL])
    ports_of: dict[str, dict[str, None]] = {}
    shaped: dict[str, tuple[str, str, str]] = {}
    for (name, (row,)), owner, found in zip(named, owners, bridges, strict=True):
        txn.hold(owner, found)
        _require_deletable(name, row, found)
        for bridge in found:
            ports_of.setdefault(one(bridge["_uuid"]), {})[one(row["_uuid"])] = None
            if many(row["qos"]):
                shaped.setdefault(one(row["_uuid"]), (name, row["name"], bridge["name"]))
    for row in rows.values():
        txn.hold(Query("Port", [["_uuid", "==", row["_uuid"]]], ("qos",)), [row])
    qos.release(txn, list(rows.values()))
    for bridge_uuid, ports in ports_of.items():
        txn.mutate("Bridge", bridge_uuid, [["ports", "delete", uuids(ports)]])
    if shaped:
        from ovstool.switch import steer  # only what had a QoS had queues to steer into

        steer.clear(switch, [steer.PortOnBridge(*place) for place in shaped.values()])
    present = {name for name, _ in named}
    changes = [Change(name, "deleted" if name in present else "unchanged") for name in names]
    return changes, mirrors.lost(mirrored, {u: str(row["name"]) for u, row in rows.items()})


def _require_deletable(name: str, row: Row, bridges: list[Row]) -> None:
    """Raises UsageError for a port that does not go by itself."""
    if any(bridge["name"] == row["name"] for bridge in bridges):
        raise UsageError(f"port {quote(name)}", "the local port of a bridge goes with the bridge", f"ovstool bridge del {quote(name)}")
    if row["fake_bridge"] and one(row["tag"]) is not None:
        why = f"the local port of a fake bridge, VLAN {one(row['tag'])}, goes with the bridge and its other ports"
        raise UsageError(f"port {quote(name)}", why, f"ovstool bridge del {quote(str(row['name']))}")
    if name != row["name"] and len(many(row["interfaces"])) > 1:
        raise UsageError(f"port {quote(name)}", f"is a member of bond {quote(row['name'])}", f"ovstool port del {quote(row['name'])}")


def _absent(txn: Transaction, names: Sequence[str]) -> list[str]:
    plain = [name for name in names if not name.startswith(lookup.SELECTORS)]
    there = lookup.by_name(txn, "Port", plain, ())
    there |= lookup.by_name(txn, "Interface", [name for name in plain if name not in there], ())
    return [name for name in names if name not in there and (name in plain or _fits_none(txn, name))]


def _fits_none(txn: Transaction, selector: str) -> bool:
    try:
        lookup.ports(txn, [selector], ())
    except NotFound:
        return True
    return False


def _require_peer_name(wish: Wish) -> None:
    if "peer" in wish.options and wish.type in (None, "patch"):
        lookup.new_name(wish.options["peer"], "peer")


def _require_same(txn: Transaction, bridge: Row, port: Row, wish: Wish) -> list[Row]:
    """The interfaces of an existing port. Raises Conflict unless it is as asked; what was not asked for may be anything."""
    name = port["name"]
    if not txn.read(Query("Bridge", [["_uuid", "==", bridge["_uuid"]], ["ports", "includes", port["_uuid"]]], ("_uuid",))):
        if txn.read(Query("Bridge", [["name", "==", name]], ("_uuid",))):
            raise Conflict(f"port {quote(name)}", "is a bridge, and bridges are connected by a pair of patch ports", "--peer PORT")
        raise Conflict(f"port {quote(name)}", "exists on another bridge", f"ovstool port show {quote(name)}")
    members = lookup.by_uuid(txn, "Interface", many(port["interfaces"]), _INTERFACE)
    for row in members.values():
        txn.watch(interface_health(row["name"]))
    differing = list(_changed(port, _port_columns(wish)))
    differing += {column: None for row in members.values() for column in _changed(row, _interface_columns(row, wish))}
    if (wish.bond or len(members) > 1) and sorted(wish.bond or (name,)) != sorted(row["name"] for row in members.values()):
        differing.append("interfaces")
    if differing:
        raise Conflict(
            f"port {quote(name)}",
            f"exists and differs in {', '.join(differing)}",
            f"ovstool port del {quote(name)}, then add it"
            if "interfaces" in differing
            else f"ovstool port set {quote(name)}, with these options",
        )
    return list(members.values())


def _checked(txn: Transaction, row: Row | None, after: Row, wish: Wish) -> list[Finding]:
    """What is to be told of an interface that was ``row`` (None: it is new) and becomes ``after``.

    Raises UsageError for what Open vSwitch would ignore or take for something else, Refused for a type that this one does not have.
    """
    name, kind, options = after["name"], one(after["type"]) or "system", mapping(after["options"])
    is_other = row is None or kind != (one(row["type"]) or "system")
    ignored, unknown = port_types.ignored(kind, wish.options), port_types.later(kind, options)
    around = _Around([], {}, False)
    if ignored or kind in port_types.TUNNELS or (is_other and (kind not in ("system", "internal", "patch") or port_types.is_cut(name))):
        around = _around(txn, kind, options)
    types, tunnels, is_unknown = around
    taken = unknown if is_unknown else []
    port_types.check_values(name, kind, {key: value for key, value in wish.options.items() if key not in taken})
    if is_other:
        port_types.check_kept(name, kind, {key: value for key, value in options.items() if key not in (*wish.options, *taken)})
    port_types.check_whole(name, kind, options)
    if kind in port_types.TUNNELS and "dummy" not in types:
        port_types.check_unlike(name, kind, options, tunnels)
    if is_other:
        if types and kind not in types:
            why = f"this Open vSwitch has no type {quote(kind)}; it has {', '.join(sorted(types))}"
            raise Refused(f"port {quote(name)}", why, port_types.near("--type {}", kind, types))
        port_types.check_name(name, kind, "dummy" in types)
        if row is not None and kind != "internal" and txn.read(Query("Bridge", [["name", "==", name]], ("_uuid",))):
            raise UsageError(f"port {quote(name)}", "the local port of a bridge is internal, whatever its type says")  # iface_get_type
    unchecked = port_modes.of_later(name, kind, [key for key in taken if key in wish.options])
    return unchecked + (port_modes.of_options(name, kind, ignored) if "dummy" not in types else [])


def _around(txn: Transaction, kind: str, options: dict[str, str]) -> _Around:
    to_the_same = [["type", "==", kind], ["options", "includes", to_map({"remote_ip": options.get("remote_ip", "")})]]
    root, tunnels = txn.read_all(
        [Query("Open_vSwitch", [], ("iface_types", "ovs_version")), Query("Interface", to_the_same, ("name", "options"))]
    )
    types = [kind for row in root for kind in many(row["iface_types"])]
    return _Around(types, {row["name"]: mapping(row["options"]) for row in tunnels}, versions.is_unknown(root))


def _found(txn: Transaction, bridge: str, port: Row, members: Sequence[Row]) -> list[Finding]:
    """What a check would find of the port; ``bridge`` is empty where it is yet to be looked for."""
    found = port_modes.of_bond(port["name"], port, len(members))
    for row in members:
        peer = mapping(row["options"]).get("peer")
        if one(row["type"]) != "patch" or peer is None:
            continue
        there, bridges = txn.read_all(
            [Query("Interface", [["name", "==", peer]], ("_uuid", "type", "options")), Query("Bridge", [], ("name", "datapath_type"))]
        )
        datapaths = {row["name"]: row["datapath_type"] or "system" for row in bridges}
        bridge = bridge or lookup.bridges_of_ports(txn, [port]).get(one(port["_uuid"]), "")
        other = lookup.bridges_of(txn, there).get(one(there[0]["_uuid"]), "") if there else ""
        found += port_modes.of_peer(row["name"], bridge, peer, there[0] if there else None, other, datapaths)
    return found


def _port_columns(wish: Wish) -> Row:
    columns: Row = {}
    if wish.tag is not None:
        columns["tag"] = wish.tag
    if wish.trunks:
        columns["trunks"] = to_set(sorted(wish.trunks))
    if wish.vlan_mode is not None:
        columns["vlan_mode"] = wish.vlan_mode
    if wish.bond_mode is not None:
        columns["bond_mode"] = wish.bond_mode
    if wish.lacp is not None:
        columns["lacp"] = wish.lacp
    return columns


def _interface_columns(row: Row | None, wish: Wish) -> Row:
    columns: Row = {}
    if wish.type is not None:
        columns["type"] = "" if wish.type == "system" else wish.type
    for column in ("options", "external_ids"):
        wanted = getattr(wish, column)
        if wanted:
            columns[column] = to_map((_without(row, column, wish) if row else {}) | wanted)
    return columns


def _unset_port(wish: Wish) -> Row:
    for column, key in wish.unset:
        if key is not None and column in (*_OF_PORT, "type"):
            raise UsageError(f"--unset {column}:{quote(key)}", "this column has no keys", f"--unset {column}")
    return {column: to_set([]) for column, _ in wish.unset if column in _OF_PORT}


def _unset_interface(row: Row, wish: Wish) -> Row:
    columns: Row = {column: to_map(_without(row, column, wish)) for column, _ in wish.unset if column in ("options", "external_ids")}
    return columns | ({"type": ""} if ("type", None) in wish.unset else {})


def _without(row: Row, column: str, wish: Wish) -> dict:
    if (column, None) in wish.unset:
        return {}
    return {key: value for key, value in mapping(row[column]).items() if (column, key) not in wish.unset}


def _changed(row: Row, columns: Row) -> Row:
    """Those of the columns whose values differ from the row's."""
    return {column: value for column, value in columns.items() if not same(value, row[column])}


def ofport(row: Row) -> int | None:
    """The OpenFlow port of an Interface row; None for a device that could not be opened, which the database has as -1."""
    number = one(row["ofport"])
    return number if isinstance(number, int) and number > 0 else None


def _listed(bridge: str, port: Row, members: list[Row]) -> Listed:
    bond = len(members) > 1
    first = members[0] if members else dict.fromkeys(_LISTED)

    def of_any(column: str) -> str | None:
        states = [one(row[column]) for row in members]
        return "up" if "up" in states else next((state for state in states if state), None)

    errors = [f"{row['name']}: {one(row['error'])}" if bond else one(row["error"]) for row in members if one(row["error"])]
    return Listed(
        bridge=bridge,
        port=port["name"],
        type="bond" if bond else one(first["type"]) or "system",
        ofport=None if bond else ofport(first),
        tag=one(port["tag"]),
        trunks=sorted(many(port["trunks"])),
        admin_state=of_any("admin_state"),
        link_state=of_any("link_state"),
        mac=one(first["mac_in_use"]),
        iface_id=next((ids["iface-id"] for ids in (mapping(row["external_ids"]) for row in members) if "iface-id" in ids), None),
        error="; ".join(errors) or None,
    )
