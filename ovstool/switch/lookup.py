"""Rows by the names that users give, and by the selectors ``iface-id:``, ``mac:`` and ``ofport:``; and queries that several nouns share."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

from ovstool.errors import Conflict, NotFound, UsageError, quote
from ovstool.ovsdb.columns import Table
from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, mapping, one, uuid

Item = TypeVar("Item")

_MANY = 20  # names; above this, one pass over the table is cheaper than a query each
_BULK = 500  # rows; from here on one pass over the table, even one of 10,000 rows, is cheaper than a query each
_MAC = r"(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}"
FAKE_BRIDGES = Query("Port", [["fake_bridge", "==", True]], ("_uuid", "name", "tag", "external_ids"))
SELECTORS = ("iface-id:", "mac:", "ofport:")
SECOND_TARGET = "ovstool-check:"  # in external_ids of an sFlow row, before a target that is not configured (sflow/second_target.py)
LOCAL = 65534  # OFPP_LOCAL as the database shows it (ovs-vswitchd.conf.db(5), Interface.ofport)


class Reader(Protocol):
    """A Switch or a Transaction: both read."""

    def read(self, query: Query) -> list[Row]: ...
    def read_all(self, queries: Sequence[Query]) -> list[list[Row]]: ...
    def tables(self, columns: Mapping[str, Sequence[str]], where: Mapping[str, list]) -> dict[str, Table]: ...


class FakeBridge(NamedTuple):
    """A fake bridge: a VLAN of a bridge that ovs-vsctl(8) shows as one. ``port`` is the row of its local port, ``parent`` that of the bridge."""

    name: str
    vlan: int
    port: Row
    parent: Row

    @property
    def what(self) -> str:
        return f"a fake bridge, VLAN {self.vlan} of {quote(str(self.parent['name']))}"


class Named(NamedTuple):
    """A name that the user gave, and the rows that it stands for."""

    name: str
    rows: list[Row]


def interface_type(row: Row) -> str:
    """The type of an Interface row; an empty one is ``system`` (ovs-vswitchd.conf.db(5))."""
    return one(row["type"]) or "system"


def datapath_type(row: Row) -> str:
    """The datapath type of a Bridge row; an empty one is ``system`` (ovs-vswitchd.conf.db(5))."""
    return one(row["datapath_type"]) or "system"


def is_connected(row: Row) -> bool | None:
    """Whether the connection of a Controller row is up; None where ovs-vswitchd listens, as it does not report who is connected there."""
    return True if one(row["is_connected"]) else None if str(row["target"]).startswith(("ptcp:", "pssl:", "punix:")) else False


def interfaces(reader: Reader, names: Sequence[str], columns: Sequence[str]) -> list[Named]:
    """The Interface rows of each port named: one, or all members of a bond named by its own name.

    Raises NotFound, and Conflict when a selector fits several.
    """
    names = unique(names)
    selected = {name: _select(reader, name) for name in names if name.startswith(SELECTORS)}
    wanted = [selected.get(name, name) for name in names]
    found = {name: [row] for name, row in by_name(reader, "Interface", wanted, columns).items()}
    bonds = by_name(reader, "Port", [name for name in wanted if name not in found], ("interfaces",))
    members = by_uuid(reader, "Interface", [u for bond in bonds.values() for u in many(bond["interfaces"])], ("name", *columns))
    for name, bond in bonds.items():
        found[name] = sorted((members[u] for u in many(bond["interfaces"]) if u in members), key=lambda row: str(row["name"]))
    _require_all(reader, wanted, found)
    return [Named(name, found[interface]) for name, interface in zip(names, wanted, strict=True)]


def absent(reader: Reader, names: Sequence[str]) -> list[str]:
    """The names of no port, and the selectors that match none. Raises Conflict when one matches several."""
    plain = [name for name in names if not name.startswith(SELECTORS)]
    there = by_name(reader, "Port", plain, ())
    there |= by_name(reader, "Interface", [name for name in plain if name not in there], ())
    return [name for name in names if name not in there and (name in plain or _fits_none(reader, name))]


def interface_rows(reader: Reader, names: Sequence[str], bridge: str | None, columns: Sequence[str]) -> list[Row]:
    """The Interface rows of the ports named, each once, or of all, sorted; with ``bridge`` only its own. Raises as ``interfaces`` does."""
    if names:
        rows = [row for named in interfaces(reader, names, columns) for row in named.rows]
        if bridge:
            _require_inside(rows, {row["name"] for row in _interfaces_of_bridge(reader, bridge, ("name",))}, bridge)
    elif bridge:
        rows = _interfaces_of_bridge(reader, bridge, columns)
    else:
        rows = sorted(reader.read(Query("Interface", [], tuple(columns))), key=lambda row: row["name"])
    return list({row["name"]: row for row in rows}.values())


def ports(reader: Reader, names: Sequence[str], columns: Sequence[str]) -> list[Named]:
    """The Port row of each port named; for a member of a bond, that of the bond.

    Raises NotFound, and Conflict when a selector fits several.
    """
    names = unique(names)
    selected = {name: _select(reader, name) for name in names if name.startswith(SELECTORS)}
    wanted = [selected.get(name, name) for name in names]
    found = by_name(reader, "Port", wanted, columns)
    members = by_name(reader, "Interface", [name for name in wanted if name not in found], ())
    for name, member in members.items():
        bond = reader.read(Query("Port", [["interfaces", "includes", member["_uuid"]]], ("_uuid", "name", *columns)))
        if bond:
            found[name] = bond[0]
    _require_all(reader, wanted, found)
    return [Named(name, [found[port]]) for name, port in zip(names, wanted, strict=True)]


def bridges_of(reader: Reader, interface_rows: Sequence[Row], every: Sequence[Row] | None = None) -> dict[str, str]:
    """The name of the bridge that each interface belongs to, by the interface's UUID; the rows hold ``_uuid``.

    ``every`` has the names of all bridges, if the caller has them.
    """
    wanted = [str(one(row["_uuid"])) for row in interface_rows]
    every = reader.read(Query("Bridge", [], ("name",))) if every is None else every
    if len(every) == 1:
        return dict.fromkeys(wanted, str(every[0]["name"]))
    if len(wanted) <= _MANY:
        ports = reader.read_all([Query("Port", [["interfaces", "includes", uuid(u)]]) for u in wanted])
        owners = reader.read_all([Query("Bridge", [["ports", "includes", row["_uuid"]]], ("name",)) for rows in ports for row in rows[:1]])
        found = [u for u, rows in zip(wanted, ports, strict=True) if rows]
        return {u: rows[0]["name"] for u, rows in zip(found, owners, strict=True) if rows}
    port_rows, every = reader.read_all([Query("Port", [], ("_uuid", "interfaces")), Query("Bridge", [], ("name", "ports"))])
    members = {one(port["_uuid"]): many(port["interfaces"]) for port in port_rows}
    return {str(u): bridge["name"] for bridge in every for port in many(bridge["ports"]) for u in members.get(port, ())}


def bridges_of_ports(reader: Reader, port_rows: Sequence[Row]) -> dict[str, str]:
    """The name of the bridge that each port belongs to, by the port's UUID; the rows hold ``_uuid``."""
    wanted = [str(one(row["_uuid"])) for row in port_rows]
    if len(wanted) > _MANY:
        every = reader.read(Query("Bridge", [], ("name", "ports")))
        return {str(port): bridge["name"] for bridge in every for port in many(bridge["ports"])}
    owners = reader.read_all([Query("Bridge", [["ports", "includes", uuid(u)]], ("name",)) for u in wanted])
    return {u: rows[0]["name"] for u, rows in zip(wanted, owners, strict=True) if rows}


def bridges(reader: Reader, names: Sequence[str], columns: Sequence[str]) -> list[Row]:
    """The rows of the bridges named, or of all bridges, sorted by name. Raises NotFound."""
    if not names:
        return sorted(reader.read(Query("Bridge", [], ("_uuid", "name", *columns))), key=lambda row: str(row["name"]))
    found = by_name(reader, "Bridge", unique(names), columns)
    for name in names:
        if name not in found:
            if fake := fake_bridges(reader, name):
                why = f"is {fake[0].what}, which has the flows and the settings"
                raise UsageError(f"bridge {quote(name)}", why, quote(str(fake[0].parent["name"])))
            if by_name(reader, "Port", [name], ()):
                raise NotFound(f"bridge {quote(name)}", "is a port, not a bridge", f"ovstool port show {quote(name)}")
            raise NotFound(f"bridge {quote(name)}", "no such bridge", _similar(reader, "Bridge", name))
    return [found[name] for name in unique(names)]


def bridges_and_vlans(reader: Reader, names: Sequence[str], columns: Sequence[str]) -> list[tuple[Row, FakeBridge | None]]:
    """The rows of the bridges named, or of all; for a fake bridge, its parent's row and the fake bridge. Raises NotFound."""
    if not names:
        return [(row, None) for row in bridges(reader, (), columns)]
    names = unique(names)
    found = by_name(reader, "Bridge", names, columns)
    virtual = {name: fake for name in names if name not in found for fake in fake_bridges(reader, name, columns)}
    if missing := [name for name in names if name not in found and name not in virtual]:
        # Raises, and suggests a similar name, unless another program has just created them.
        found |= dict(zip(missing, bridges(reader, missing, columns), strict=True))
    return [(found[name], None) if name in found else (virtual[name].parent, virtual[name]) for name in names]


def fake_bridges(reader: Reader, name: str | None = None, columns: Sequence[str] = (), rows: list[Row] | None = None) -> list[FakeBridge]:
    """The fake bridges, sorted, or the one with this name; ``columns`` are those of their parents, ``rows`` the answer to FAKE_BRIDGES.

    A port is a fake bridge if it has both fake_bridge and a tag, and no bridge has its name (port_is_fake_bridge of ovs-vsctl.c).
    """
    if rows is None:
        rows = reader.read(FAKE_BRIDGES if name is None else FAKE_BRIDGES._replace(where=[*FAKE_BRIDGES.where, ["name", "==", name]]))
    rows = sorted((row for row in rows if one(row["tag"]) is not None), key=lambda row: str(row["name"]))
    wanted = tuple(dict.fromkeys(("_uuid", "name", *columns)))
    owners = reader.read_all([Query("Bridge", [["ports", "includes", row["_uuid"]]], wanted) for row in rows])
    return [
        FakeBridge(row["name"], int(one(row["tag"])), row, owner[0])
        for row, owner in zip(rows, owners, strict=True)
        if owner and owner[0]["name"] != row["name"]
    ]


def ports_with_tag_of(fake: FakeBridge) -> Query:
    """The ports of all bridges that have the tag of a fake bridge."""
    return Query("Port", [["tag", "==", fake.vlan]], ("_uuid", "name", "fake_bridge"))


def ports_of_fake(fake: FakeBridge, rows: Sequence[Row]) -> dict[str, Row]:
    """The rows of ``ports_with_tag_of`` that ovs-vsctl counts as ports of a fake bridge, by UUID; ``fake.parent`` has the column ports.

    If two fake bridges share one VLAN (ovs-vsctl creates none, and warns) each has only its local port.
    """
    inside = set(many(fake.parent["ports"]))
    found = {u: row for row in rows if (u := one(row["_uuid"])) in inside}
    shared = any(row["fake_bridge"] and row["name"] != fake.name for row in found.values())
    return {u: row for u, row in found.items() if row["name"] == fake.name or not shared}


def by_name(reader: Reader, table: str, names: Sequence[str], columns: Sequence[str]) -> dict[str, Row]:
    """Rows of Bridge, Port or Interface by their unique names; absent ones are left out."""
    wanted = dict.fromkeys(("_uuid", "name", *columns))
    if not names:
        return {}
    if len(names) > _MANY:
        asked = set(names)
        return {row["name"]: row for row in reader.read(Query(table, [], tuple(wanted))) if row["name"] in asked}
    answers = reader.read_all([Query(table, [["name", "==", name]], tuple(wanted)) for name in names])
    return {name: rows[0] for name, rows in zip(names, answers, strict=True) if rows}


def by_uuid(reader: Reader, table: str, uuids: Iterable[str], columns: Sequence[str]) -> dict[str, Row]:
    """Rows by UUID, which the server indexes, in this order; absent ones are left out."""
    if len(uuids := unique(uuids)) >= _BULK:
        where = {table: [["_uuid", "==", uuid(u)] for u in uuids]}
        found = reader.tables({table: [column for column in columns if column != "_uuid"]}, where)[table].rows()
        return {u: {"_uuid": uuid(u), **found[u]} for u in uuids if u in found}
    answers = reader.read_all(queries_of(table, uuids, columns))
    return {u: rows[0] for u, rows in zip(uuids, answers, strict=True) if rows}


def ports_with_qos(columns: Sequence[str], unlisted: bool = False) -> Query:
    """The ports that have a QoS; ``unlisted``: also those of bridges that the switch no longer has."""
    return Query("Port", [["qos", "!=", ["set", []]]], tuple(columns), unlisted=unlisted)


def other_config(reader: Reader) -> dict[str, str]:
    """The settings of the whole switch (Open_vSwitch.other_config)."""
    rows = reader.read(Query("Open_vSwitch", [], ("other_config",)))
    return mapping(rows[0]["other_config"]) if rows else {}


def collectors(row: Row) -> list[str]:
    """The targets of an sFlow row, from its columns targets and external_ids, without those that a check adds for a few seconds."""
    return [target for target in many(row["targets"]) if f"{SECOND_TARGET}{target}" not in mapping(row["external_ids"])]


def queries_of(table: str, uuids: Iterable[str], columns: Sequence[str]) -> list[Query]:
    """The queries of ``by_uuid``, one per row, for callers that add more to the same round trip."""
    return [Query(table, [["_uuid", "==", uuid(u)]], tuple(dict.fromkeys(("_uuid", *columns)))) for u in uuids]


def unique(items: Iterable[Item]) -> list[Item]:
    """Without repetitions, in the order given."""
    return list(dict.fromkeys(items))


def _select(reader: Reader, selector: str) -> str:
    """The name of the one interface that a selector matches."""
    kind, _, value = selector.partition(":")
    rows = {one(row["_uuid"]): row for row in _fitting(reader, kind, value, selector)}
    if kind == "mac" and len(rows) > 1:
        # A bridge's local port copies the address of one of the bridge's ports; that port is the intended one.
        others = {u: row for u, row in rows.items() if not reader.read(Query("Bridge", [["name", "==", row["name"]]]))}
        rows = others or rows
    if not rows:
        raise NotFound(f"port {quote(selector)}", f"no interface has this {kind}")
    if len(rows) > 1:
        owners = {
            port["name"]
            for row in rows.values()
            for port in reader.read(Query("Port", [["interfaces", "includes", row["_uuid"]]], ("name",)))
        }
        if len(owners) == 1:  # all members of one bond: its name stands for them
            return owners.pop()
        names = ", ".join(quote(str(row["name"])) for row in sorted(rows.values(), key=lambda row: str(row["name"])))
        raise Conflict(f"port {quote(selector)}", f"matches several interfaces: {names}", "the name of one of them")
    return next(iter(rows.values()))["name"]


def _fitting(reader: Reader, kind: str, value: str, selector: str) -> Iterator[Row]:
    columns = ("_uuid", "name")
    if kind == "iface-id":
        if not value:
            raise UsageError(f"port {quote(selector)}", "an iface-id is missing", "iface-id:ID")
        yield from reader.read(Query("Interface", [["external_ids", "includes", ["map", [["iface-id", value]]]]], columns))
    elif kind == "mac":
        if not re.fullmatch(_MAC, value):
            raise UsageError(f"port {quote(selector)}", "not a MAC address", "mac:52:54:00:12:34:56")
        for written in unique((value.lower(), value.upper(), value)):
            conditions = (
                ["mac_in_use", "==", written],
                ["mac", "==", written],
                ["external_ids", "includes", ["map", [["attached-mac", written]]]],
            )
            for rows in reader.read_all([Query("Interface", [condition], columns) for condition in conditions]):
                yield from rows
    else:
        from ovstool import units  # only this selector needs it

        bridge, slash, number = value.rpartition("/")
        ofport = LOCAL if number == "LOCAL" else units.whole_number(number, 1, LOCAL)
        if not bridge or not slash or ofport is None:
            raise UsageError(f"port {quote(selector)}", "not an OpenFlow port of a bridge", "ofport:br0/1")
        bridges(reader, [bridge], ())
        for row in reader.read(Query("Interface", [["ofport", "==", ofport]], columns)):
            for port in reader.read(Query("Port", [["interfaces", "includes", row["_uuid"]]])):
                if reader.read(Query("Bridge", [["name", "==", bridge], ["ports", "includes", port["_uuid"]]])):
                    yield row


def _interfaces_of_bridge(reader: Reader, bridge: str, columns: Sequence[str]) -> list[Row]:
    row = bridges(reader, [bridge], ("ports",))[0]
    ports = by_uuid(reader, "Port", many(row["ports"]), ("interfaces",))
    found = by_uuid(reader, "Interface", [u for port in ports.values() for u in many(port["interfaces"])], columns)
    return sorted(found.values(), key=lambda row: row["name"])


def _require_inside(rows: list[Row], inside: set[str], bridge: str) -> None:
    for row in rows:
        if row["name"] not in inside:
            raise NotFound(f"port {quote(row['name'])}", f"not a port of bridge {quote(bridge)}")


def _fits_none(reader: Reader, selector: str) -> bool:
    try:
        ports(reader, [selector], ())
    except NotFound:
        return True
    return False


def _require_all(reader: Reader, names: Sequence[str], found: dict) -> None:
    for name in names:
        if name not in found:
            raise NotFound(f"port {quote(name)}", "no such port", _similar(reader, "Port", name))


def _similar(reader: Reader, table: str, name: str) -> str | None:
    """Similar names, for the hint of an error."""
    from difflib import get_close_matches

    names = [str(row["name"]) for row in reader.read(Query(table, [], ("name",)))]
    near = get_close_matches(name[:64], names[:2000], 3, 0.6)
    if near:
        return " or ".join(quote(n) for n in near)
    return f"ovstool {'bridge' if table == 'Bridge' else 'port'} list"
