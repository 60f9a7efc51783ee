"""The types of the columns that ovstool reads (ovs-vswitchd.conf.db(5)), so that other modules can rely on them. Pure.

A peer may send anything: each row is checked against these types when it arrives, and only then.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from ovstool.ovsdb.values import Json, malformed

_INTEGERS = range(-(2**63), 2**63)
_EMPTY = ["set", []]
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


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
            return ["map", []]
        if self.least == 0:
            return _EMPTY
        return ["uuid", "00000000-0000-0000-0000-000000000000"] if self.atom is UUID else self.atom()


class UUID:
    """The atom type for ``["uuid", TEXT]``."""


_ONE = {
    "_uuid": UUID, "_version": UUID, "name": str, "type": str, "target": str, "datapath_type": str, "datapath_version": str, "bridge": UUID,
    "next_cfg": int, "is_connected": bool, "fake_bridge": bool, "select_all": bool, "stp_enable": bool, "rstp_enable": bool,
    "mcast_snooping_enable": bool, "ingress_policing_rate": int, "ingress_policing_burst": int, "ingress_policing_kpkts_rate": int,
    "ingress_policing_kpkts_burst": int,
}  # fmt: skip
_OPTIONAL = {
    "datapath_id": str, "fail_mode": str, "ovs_version": str, "db_version": str, "system_type": str, "system_version": str, "role": str,
    "bond_mode": str, "bond_active_slave": str, "lacp": str, "vlan_mode": str, "admin_state": str, "link_state": str, "mac_in_use": str,
    "error": str, "agent": str, "tag": int, "ofport": int, "ifindex": int, "mtu": int, "mtu_request": int, "link_speed": int, "dscp": int,
    "sampling": int, "polling": int, "header": int, "qos": UUID, "sflow": UUID, "output_port": UUID, "output_vlan": int,
    "local_ip": str,
}  # fmt: skip
_SETS = {
    "bridges": UUID, "ports": UUID, "interfaces": UUID, "controller": UUID, "protocols": str, "targets": str, "trunks": int,
    "datapath_types": str, "iface_types": str, "select_src_port": UUID, "select_dst_port": UUID,
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
_ELSEWHERE = {("Controller", "type"): Kind(str, 0)}  # columns whose name means something else in another table


def check(table: str, columns: Sequence[str], rows: Sequence[Json], seen: set[str] | None) -> None:
    """Check rows against the requested columns, and that none was ``seen`` before. Raises Unreachable for an invalid row.

    Without ``seen`` the same row may occur more than once, as in the results of several queries.
    """
    names = set(columns)
    if set(map(type, rows)) != {dict} or any(set(keys) != names for keys in set(map(tuple, rows))):
        raise malformed("a row without the requested columns")
    for column in names:
        _check_column(table, column, list(map(itemgetter(column), rows)))
    if seen is not None and "_uuid" in names:
        before = len(seen)
        seen.update([row["_uuid"][1] for row in rows])
        if len(seen) != before + len(rows):
            raise malformed("a duplicate row")


def filled_in(table: str, columns: Sequence[str], rows: Mapping[str, Json]) -> dict[str, dict[str, Json]]:
    """Check rows by UUID against the requested columns, and add the defaults of those that they leave out.

    The rows share the lists of the defaults. Raises Unreachable for an invalid row.
    """
    if set(map(type, rows.values())) != {dict} or not all(map(re.compile(_UUID).fullmatch, rows)):
        raise malformed("a row without a UUID or columns")
    present = set(map(tuple, rows.values()))  # few, because most rows have the same columns
    if not all(map(set(columns).issuperset, present)):
        raise malformed("a row without the requested columns")
    unfilled = defaults(table, columns)
    filled = [unfilled | row for row in rows.values()]
    for column in set(chain.from_iterable(present)):
        _check_column(table, column, list(map(itemgetter(column), filled)))
    return dict(zip(rows, filled, strict=True))


def defaults(table: str, columns: Iterable[str]) -> dict[str, Json]:
    """The default values of these columns."""
    return {column: _kind(table, column).default for column in columns}


def _check_column(table: str, column: str, values: list[Json]) -> None:
    if not _all_hold(_kind(table, column), values):
        raise malformed(f"{table}.{column} has an invalid value")


def _kind(table: str, column: str) -> Kind:
    return _ELSEWHERE.get((table, column), KINDS[column])


# One column of all rows at once, with as little Python per value as possible: 10,000 ports have 130,000 counters.


def _all_hold(kind: Kind, values: list[Json]) -> bool:
    if kind.value is not None:
        pairs = _inside(values, "map")
        return pairs is not None and _all_are_pairs_of(kind.atom, kind.value, pairs)
    if kind.least == 0 and list in set(map(type, values)):
        values = [value for value in values if value != _EMPTY]
        if sets := [value for value in values if type(value) is list and value[:1] == ["set"]]:
            atoms = _inside(sets, "set", kind.most)
            if atoms is None:
                return False
            values = [*atoms, *(value for value in values if not (type(value) is list and value[:1] == ["set"]))]
    return _all_are(kind.atom, values)


def _inside(values: list[Json], word: str, most: float = float("inf")) -> list[Json] | None:
    """The items of values of the form ``[word, list]``, each list with at most ``most`` items; None for any other form."""
    if not _all_are_pairs(values) or any(value[0] != word for value in values):
        return None
    lists = [value[1] for value in values]
    if not {list}.issuperset(map(type, lists)) or max(map(len, lists), default=0) > most:
        return None
    return list(chain.from_iterable(lists))


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
        return _all_are_pairs_of(str, str, atoms) and all(atom[0] == "uuid" for atom in atoms)
    types = set(map(type, atoms))
    return not types or (types == {kind} and (kind is not int or (min(atoms) in _INTEGERS and max(atoms) in _INTEGERS)))
