"""Whether a port suits the Open vSwitch that it is for: its supported types, its other tunnels, and the peers of patch ports."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ovstool.errors import Refused, UsageError, quote
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import many, mapping, one, to_map
from ovstool.switch import Finding, lookup, versions
from ovstool.switch.accepts import port_modes, port_types


class _Surroundings(NamedTuple):
    """The interface types that this Open vSwitch supports (empty if unknown), the options of tunnels of one type to the same host,
    and whether it is newer than ovstool knows."""

    types: Sequence[str] = ()
    tunnels: Mapping[str, Mapping[str, str]] = {}
    is_unknown: bool = False

    @property
    def are_dummies(self) -> bool:
        """Whether devices are dummies, which ovs-vswitchd has for tests, and accept anything."""
        return "dummy" in self.types


def check(txn: Transaction, before: Row | None, after: Row, asked: Mapping[str, str]) -> list[Finding]:
    """Findings about an interface that was ``before`` (None: it is new) and becomes ``after``; ``asked`` are the options named.

    Raises UsageError for what Open vSwitch would ignore or misread, Refused for a type that it does not support.
    """
    name, kind, options = after["name"], lookup.interface_type(after), mapping(after["options"])
    is_other = before is None or kind != lookup.interface_type(before)
    ignored, unknown = port_types.ignored_options(kind, asked), port_types.unknown_options(kind, options)
    here = _Surroundings()
    if ignored or kind in port_types.TUNNELS or (is_other and (kind not in ("system", "internal", "patch") or port_types.is_cut(name))):
        here = _surroundings(txn, kind, options)
    taken = unknown if here.is_unknown else []
    port_types.check_values(name, kind, {key: value for key, value in asked.items() if key not in taken})
    if is_other:
        port_types.check_kept(name, kind, {key: value for key, value in options.items() if key not in (*asked, *taken)})
    port_types.check_together(name, kind, options)
    if kind in port_types.TUNNELS and not here.are_dummies:
        port_types.check_distinct(name, kind, options, here.tunnels)
    if is_other:
        _require_type(txn, name, kind, here, is_new=before is None)
    unchecked = port_modes.of_later(name, kind, [key for key in taken if key in asked])
    return unchecked + (port_modes.of_options(name, kind, ignored) if not here.are_dummies else [])


def findings(txn: Transaction, bridge: str, port: Row, members: Sequence[Row]) -> list[Finding]:
    """What a check would find wrong with the port; ``bridge`` is empty when it is not looked up yet."""
    found = port_modes.of_bond(port["name"], port, len(members))
    for row in members:
        peer = mapping(row["options"]).get("peer")
        if one(row["type"]) != "patch" or peer is None:
            continue
        there, bridges = txn.read_all(
            [Query("Interface", [["name", "==", peer]], ("_uuid", "type", "options")), Query("Bridge", [], ("name", "datapath_type"))]
        )
        datapaths = {row["name"]: lookup.datapath_type(row) for row in bridges}
        bridge = bridge or lookup.bridges_of_ports(txn, [port]).get(one(port["_uuid"]), "")
        other = lookup.bridges_of(txn, there).get(one(there[0]["_uuid"]), "") if there else ""
        found += port_modes.of_peer(row["name"], bridge, peer, there[0] if there else None, other, datapaths)
    return found


def _surroundings(txn: Transaction, kind: str, options: dict[str, str]) -> _Surroundings:
    to_the_same = [["type", "==", kind], ["options", "includes", to_map({"remote_ip": options.get("remote_ip", "")})]]
    root, tunnels = txn.read_all(
        [Query("Open_vSwitch", [], ("iface_types", "ovs_version")), Query("Interface", to_the_same, ("name", "options"))]
    )
    types = [kind for row in root for kind in many(row["iface_types"])]
    return _Surroundings(types, {row["name"]: mapping(row["options"]) for row in tunnels}, versions.is_unknown(root))


def _require_type(txn: Transaction, name: str, kind: str, here: _Surroundings, is_new: bool) -> None:
    """Raise Refused for a type that this Open vSwitch does not support, UsageError for a name that the type does not allow."""
    if here.types and kind not in here.types:
        why = f"this Open vSwitch does not support type {quote(kind)}; it supports {', '.join(sorted(here.types))}"
        raise Refused(f"port {quote(name)}", why, port_types.near("--type {}", kind, here.types))
    port_types.check_name(name, kind, here.are_dummies)
    if not is_new and kind != "internal" and txn.read(Query("Bridge", [["name", "==", name]])):
        raise UsageError(f"port {quote(name)}", "the local port of a bridge is internal, whatever its type says")  # iface_get_type
