"""The types of the columns that ovstool reads (ovs-vswitchd.conf.db(5)), so that other modules can rely on them. Pure.

A peer may send anything: each row is checked against these types when it arrives, and only then.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, compress
from operator import itemgetter, not_
from typing import Any, NamedTuple

from ovstool.ovsdb.values import Json, malformed, many, mapping, one

_INTEGERS = range(-(2**63), 2**63)
_EMPTY: Json = ["set", []]
_NO_PAIRS: Json = ["map", []]
_NIL = "00000000-0000-0000-0000-000000000000"
_TO_NIL = str.maketrans("123456789abcdef", "0" * 15)  # makes it of any UUID


class Kind(NamedTuple):
    """A column's type: ``atom`` is str, int, bool or UUID, ``least`` and ``most`` limit their number; with ``value`` it is a map."""

    atom: type
    least: int = 1
    most: float = 1
    value: type | None = None

    @property
    def default(self) -> Json:
        """The default value of a column (RFC 7047, section 5.2.1)."""
        if self.value is not None:
            return _NO_PAIRS
        if self.least == 0:
            return _EMPTY
        return ["uuid", _NIL] if self.atom is UUID else self.atom()


class UUID:
    """The atom type for ``["uuid", TEXT]``."""


_ONE = {
    "_uuid": UUID, "_version": UUID, "name": str, "type": str, "target": str, "datapath_type": str, "datapath_version": str, "bridge": UUID,
    "next_cfg": int, "is_connected": bool, "fake_bridge": bool, "select_all": bool, "stp_enable": bool, "rstp_enable": bool,
    "mcast_snooping_enable": bool, "dpdk_initialized": bool, "ingress_policing_rate": int, "ingress_policing_burst": int, "ingress_policing_kpkts_rate": int,
    "ingress_policing_kpkts_burst": int,
}  # fmt: skip
_OPTIONAL = {
    "datapath_id": str, "fail_mode": str, "ovs_version": str, "db_version": str, "system_type": str, "system_version": str, "role": str,
    "bond_mode": str, "bond_active_slave": str, "lacp": str, "vlan_mode": str, "admin_state": str, "link_state": str, "mac_in_use": str,
    "error": str, "agent": str, "tag": int, "ofport": int, "ifindex": int, "mtu": int, "mtu_request": int, "link_speed": int, "dscp": int,
    "sampling": int, "polling": int, "header": int, "qos": UUID, "sflow": UUID, "output_port": UUID, "output_vlan": int,
    "local_ip": str, "snaplen": int, "link_resets": int, "lacp_current": bool, "dpdk_version": str,
}  # fmt: skip
_SETS = {
    "bridges": UUID, "ports": UUID, "interfaces": UUID, "controller": UUID, "protocols": str, "targets": str, "trunks": int,
    "datapath_types": str, "iface_types": str, "select_src_port": UUID, "select_dst_port": UUID, "mirrors": UUID,
    "select_vlan": int,
}  # fmt: skip
_MAPS = {
    "external_ids": (str, str),
    "other_config": (str, str),
    "options": (str, str),
    "status": (str, str),
    "statistics": (str, int),
    "queues": (int, UUID),
}
KINDS = (
    {column: Kind(atom) for column, atom in _ONE.items()}
    | {column: Kind(atom, 0) for column, atom in _OPTIONAL.items()}
    | {column: Kind(atom, 0, float("inf")) for column, atom in _SETS.items()}
    | {column: Kind(key, 0, float("inf"), value) for column, (key, value) in _MAPS.items()}
)
_ANY = Kind(object)  # of a column that only passes through: it is read to be written again
# Columns whose name means something else in another table.
_ELSEWHERE = {("Controller", "type"): Kind(str, 0), ("Flow_Table", "name"): Kind(str, 0)}
# Columns that ovs-vswitchd writes itself, by table, of those that outlive ovsdb-server (ovs-vswitchd.conf.db(5); the others are ephemeral).
REPORTED = {
    "Open_vSwitch": {
        "cur_cfg",
        "next_cfg",
        "ovs_version",
        "db_version",
        "dpdk_initialized",
        "dpdk_version",
        "datapath_types",
        "iface_types",
    },
    "Bridge": {"datapath_version"},
    "Port": {"bond_active_slave"},
    "Interface": {"ofport", "error", "cfm_flap_count"},
    "Datapath": {"datapath_version", "capabilities"},
}
Kinds = Mapping[str, Mapping[str, Kind]]  # by table and column
_NO_KINDS: Kinds = {}


def check(table: str, columns: Sequence[str], rows: Sequence[Json], seen: set[str] | None, further: Kinds = _NO_KINDS) -> None:
    """Check rows against the requested columns, and that none was ``seen`` before. Raises Unreachable for an invalid row.

    Without ``seen`` the same row may occur more than once, as in the results of several queries. ``further`` has the types of columns
    that are not in KINDS.
    """
    names = set(columns)
    if set(map(type, rows)) != {dict} or any(set(keys) != names for keys in set(map(tuple, rows))):
        raise malformed("a row without the requested columns")
    for column in names:
        _check_column(table, column, list(map(itemgetter(column), rows)), further)
    if seen is not None and "_uuid" in names:
        before = len(seen)
        seen.update([row["_uuid"][1] for row in rows])
        if len(seen) != before + len(rows):
            raise malformed("a duplicate row")


def check_parts(table: str, columns: Sequence[str], rows: Mapping[str, Json]) -> None:
    """Check rows by UUID, of which each has some of these columns. Raises Unreachable for an invalid row."""
    if not _are_uuids(rows):
        raise malformed("a row without a UUID")
    cells: dict[str, list[Json]] = {}
    for row in rows.values():
        for column, value in row.items():
            cells.setdefault(column, []).append(value)
    if not cells.keys() <= set(columns):
        raise malformed("a row with columns that were not requested")
    for column, values in cells.items():
        _check_column(table, column, values)


def decoded(table: str, column: str, value: Json) -> Any:
    """A value of Python, which others may share: a set is a frozenset, a map a dict, and what may be empty None where it is."""
    kind = _kind(table, column)
    return mapping(value) if kind.value is not None else frozenset(many(value)) if kind.most > 1 else one(value)


class Table(NamedTuple):
    """Rows of a table by column: each column has a value for each UUID, as on the wire. Rows share the lists of default values."""

    name: str
    uuids: list[str]
    columns: dict[str, list[Json]]

    @classmethod
    def of(cls, name: str, columns: Sequence[str], rows: Mapping[str, Mapping[str, Json]]) -> "Table":
        """A table of rows by UUID that a ``select`` has returned."""
        return cls(name, list(rows), {column: [row[column] for row in rows.values()] for column in columns})

    def extend(self, rows: Mapping[str, Json]) -> None:
        """Check more rows, by UUID, and add them with the defaults of what they leave out. Raises Unreachable for an invalid row."""
        if set(map(type, rows.values())) != {dict} or not _are_uuids(rows):
            raise malformed("a row without a UUID or columns")
        present = set(map(tuple, rows.values()))  # few, because most rows have the same columns
        if not all(map(self.columns.keys().__ge__, map(set, present))):
            raise malformed("a row without the requested columns")
        self.uuids.extend(rows)
        for column, values in self.columns.items():
            values += self._filled_in(column, rows.values(), {column in names for names in present})

    def _filled_in(self, column: str, rows: Collection[dict[str, Json]], is_there: set[bool]) -> list[Json]:
        default = _kind(self.name, column).default
        if True not in is_there:
            return [default] * len(rows)
        values = [row.get(column, default) for row in rows] if False in is_there else list(map(itemgetter(column), rows))
        _check_column(self.name, column, values)
        return values

    def values(self, column: str) -> list[Any]:
        """A column as values of Python: a set is a list, a map a dict, and what may be empty None where it is."""
        kind, values = _kind(self.name, column), self.columns[column]
        decode = mapping if kind.value is not None else many if kind.most > 1 else one
        default, of_default = kind.default, decode(kind.default)
        if decode is one:
            return [of_default if value is default else one(value) if type(value) is list else value for value in values]
        if kind.atom is UUID:  # mostly one in each set
            return [[value[1]] if value[0] == "uuid" else many(value) for value in values]
        return [of_default if value is default else decode(value) for value in values]

    def value(self, column: str, place: int) -> Any:
        """One value of a column, for who needs few of them."""
        kind, value = _kind(self.name, column), self.columns[column][place]
        return mapping(value) if kind.value is not None else many(value) if kind.most > 1 else one(value)

    def joined(self, more: "Table") -> "Table":
        """With the rows of another part of the same table."""
        columns = {column: values + more.columns[column] for column, values in self.columns.items()}
        return Table(self.name, self.uuids + more.uuids, columns)

    def without(self, uuids: set[str]) -> "Table":
        kept = [u not in uuids for u in self.uuids]
        columns = {column: list(compress(values, kept)) for column, values in self.columns.items()}
        return Table(self.name, list(compress(self.uuids, kept)), columns)

    def rows(self) -> dict[str, dict[str, Json]]:
        """The rows by UUID, as a ``select`` returns them."""
        rows: dict[str, dict[str, Json]] = {u: {} for u in self.uuids}
        for column, values in self.columns.items():
            for row, value in zip(rows.values(), values, strict=True):
                row[column] = value
        return rows


def by_row(tables: Mapping[str, Table]) -> dict[str, dict[str, dict[str, Json]]]:
    """The rows of tables by UUID, for who reads few of them or needs them whole."""
    return {name: table.rows() for name, table in tables.items()}


def defaults(table: str, columns: Iterable[str]) -> dict[str, Json]:
    """The default values of these columns."""
    return {column: _kind(table, column).default for column in columns}


def _check_column(table: str, column: str, values: list[Json], further: Kinds = _NO_KINDS) -> None:
    if not all_hold(_kind(table, column, further), values):
        raise malformed(f"{table}.{column} has an invalid value")


def _kind(table: str, column: str, further: Kinds = _NO_KINDS) -> Kind:
    return _ELSEWHERE.get((table, column)) or KINDS.get(column) or further.get(table, {}).get(column, _ANY)


# One column of all rows at once, with as little Python per value as possible: 10,000 ports have 130,000 counters.


def all_hold(kind: Kind, values: list[Json]) -> bool:
    """Whether each of these values of a column is of its type."""
    if kind is _ANY:
        return all(map(_is_value, values))
    if kind.value is not None:
        pairs = _inside(values, "map")
        return pairs is not None and _all_are_pairs_of(kind.atom, kind.value, pairs)
    if kind.least == 0 and not _all_are(kind.atom, values):
        are_sets = [type(value) is list and value[:1] == ["set"] for value in values]
        atoms = _inside(list(compress(values, are_sets)), "set", kind.most)
        if atoms is None:
            return False
        values = [*atoms, *compress(values, map(not_, are_sets))]
    return _all_are(kind.atom, values)


def _is_value(value: Json) -> bool:
    """Whether it has the form of a value (RFC 7047, section 5.1), of whatever type."""
    match value:
        case ["set", list(atoms)]:
            return all(map(_is_atom, atoms))
        case ["map", list(pairs)]:
            return _all_are_pairs(pairs) and all(map(_is_atom, chain.from_iterable(pairs)))
    return _is_atom(value)


def _is_atom(value: Json) -> bool:
    return _all_are(UUID, [value]) if type(value) is list else type(value) in (str, float, bool) or _all_are(int, [value])


def _inside(values: list[Json], word: str, most: float = float("inf")) -> list[Json] | None:
    """The items of values of the form ``[word, list]``, each list with at most ``most`` items; None for any other form."""
    if not _all_are_pairs(values) or any(value[0] != word for value in values):
        return None
    lists = [value[1] for value in values]
    if not {list}.issuperset(map(type, lists)) or max(map(len, lists), default=0) > most:
        return None
    return list(chain.from_iterable(lists))


def _are_uuids(texts: Collection[str]) -> bool:
    return "\n".join(texts).translate(_TO_NIL) == "\n".join([_NIL] * len(texts))


def _all_are_pairs(values: Sequence[Json]) -> bool:
    return {list}.issuperset(map(type, values)) and {2}.issuperset(map(len, values))


def _all_are_pairs_of(key: type, item: type, pairs: Sequence[Json]) -> bool:
    if not pairs:
        return True
    if not _all_are_pairs(pairs):
        return False
    flat = list(chain.from_iterable(pairs))
    return _all_are(key, flat) if key is item else _all_are(key, flat[::2]) and _all_are(item, flat[1::2])


def _all_are(kind: type, atoms: Sequence[Json]) -> bool:
    if kind is UUID:
        return _all_are_pairs_of(str, str, atoms) and {"uuid"}.issuperset(map(itemgetter(0), atoms))
    types = set(map(type, atoms))
    return not types or (types == {kind} and (kind is not int or (min(atoms) in _INTEGERS and max(atoms) in _INTEGERS)))
