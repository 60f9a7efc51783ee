"""The rows of a switch as a monitor reports them, kept up to date, and which objects a change of rows may concern. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from ovstool.document import state
from ovstool.errors import Unreachable
from ovstool.ovsdb import columns, updates
from ovstool.ovsdb.updates import Changes, Row, Updates
from ovstool.ovsdb.values import Json, to_map, to_set

Place = tuple[str, str]  # table and UUID
_STATES = {"Interface": ("ofport", "admin_state", "link_state", "error"), "Controller": ("is_connected", "role")}
COLUMNS = {table: (*names, *_STATES.get(table, ())) for table, names in state.TABLES.items()} | {"Open_vSwitch": ("bridges",)}
_MOST_ROWS = 2**21
_BELOW = {"Open_vSwitch": ("bridges", "Bridge"), "Bridge": ("ports", "Port"), "Port": ("interfaces", "Interface")}
_REFERENCES = {
    "Open_vSwitch": {"bridges": "Bridge"},
    "Bridge": {"ports": "Port", "controller": "Controller", "sflow": "sFlow", "mirrors": "Mirror"},
    "Port": {"interfaces": "Interface", "qos": "QoS"},
    "QoS": {"queues": "Queue"},
}
_PARTS = ("QoS", "Queue", "Controller", "sFlow", "Mirror")  # rows that are shown with what refers to them


class Rows:
    """The rows by table and UUID; ``above`` has the rows that refer to each."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Row]] = {table: {} for table in COLUMNS}
        self.above: dict[Place, dict[Place, None]] = {}
        self._defaults = {
            table: {name: columns.decoded(table, name, value) for name, value in columns.defaults(table, names).items()}
            for table, names in COLUMNS.items()
        }

    def changed_by(self, update: Updates) -> Changes:
        """What rows become by an update. Raises Unreachable when it fits no row."""
        return updates.changes(lambda table, u: self.tables[table].get(u), self._defaults, update)

    def changed_to(self, whole: Updates) -> Changes:
        """What rows become when these are all there are, without those that stay what they are."""
        new = updates.changes(lambda table, u: None, self._defaults, whole)
        found: Changes = {}
        for table, before in self.tables.items():
            now = new.get(table, {})
            found[table] = {u: row for u, row in now.items() if before.get(u) != row} | dict.fromkeys(before.keys() - now.keys())
        return found

    def apply(self, changes: Changes) -> None:
        """Take over changes. Raises Unreachable for more rows than any switch has."""
        for table, rows in changes.items():
            for u, row in rows.items():
                self._refer((table, u), self.tables[table].get(u), row)
                if row is None:
                    self.tables[table].pop(u, None)
                else:
                    self.tables[table][u] = row
        if sum(map(len, self.tables.values())) > _MOST_ROWS:
            raise Unreachable("the database", f"has more than {_MOST_ROWS} rows")

    def concerned(self, changes: Changes) -> set[Place]:
        """The bridges, ports and interfaces that changes to come may concern."""
        found: set[Place] = set()
        for table, rows in changes.items():
            for u, row in rows.items():
                self._add(table, u, found)
                column, child = _BELOW.get(table, ("", ""))
                if column and (members := _moved(self.tables[table].get(u), row, column)):
                    for member in members:
                        self._add_below(child, member, found)
        return found

    def bridge_of(self, table: str, u: str) -> str | None:
        """The bridge that a bridge, a port or an interface belongs to, by name; None if the switch does not have it."""
        while table != "Bridge":
            parent = next(iter(self.above.get((table, u), ())), None)
            if parent is None:
                return None
            table, u = parent
        return self.tables[table][u]["name"] if (table, u) in self.above and u in self.tables[table] else None

    def _add(self, table: str, u: str, found: set[Place]) -> None:
        if table not in _PARTS:
            found.add((table, u))
            return
        for above in self.above.get((table, u), ()):
            self._add(*above, found)

    def _add_below(self, table: str, u: str, found: set[Place]) -> None:
        found.add((table, u))
        column, child = _BELOW.get(table, ("", ""))
        for member in self.tables[table].get(u, {}).get(column, ()) if column else ():
            self._add_below(child, member, found)

    def _refer(self, place: Place, before: Row | None, after: Row | None) -> None:
        for column, child in _REFERENCES.get(place[0], {}).items():
            old, new = _members(before, column), _members(after, column)
            if old is not new:
                for u in old - new:
                    self.above.get((child, u), {}).pop(place, None)
                    if not self.above.get((child, u)):
                        self.above.pop((child, u), None)
                for u in new - old:
                    self.above.setdefault((child, u), {})[place] = None


_NONE: frozenset[str] = frozenset()


def _members(row: Row | None, column: str) -> frozenset[str]:
    value = row[column] if row else None
    if isinstance(value, dict):
        return frozenset(value.values())
    return value if isinstance(value, frozenset) else frozenset([value]) if value else _NONE


def _moved(before: Row | None, after: Row | None, column: str) -> frozenset[str]:
    """The members that a set of references lost or gained."""
    old, new = _members(before, column), _members(after, column)
    return _NONE if old is new else old ^ new


class Columns:
    """A table as ``document.state.Reader`` reads it."""

    def __init__(self, rows: Mapping[str, Row]):
        self.places = self._rows = rows

    def at(self, row_uuid: str, *names: str) -> list[Any]:
        """The values of a row."""
        row = self._rows[row_uuid]
        return [row[name] for name in names]

    def row(self, row_uuid: str) -> dict[str, Json]:
        """A row as on the wire."""
        return {name: _encoded(value) for name, value in self._rows[row_uuid].items()}

    def values(self, column: str) -> Iterator[Any]:
        return (row[column] for row in self._rows.values())


def _encoded(value: Any) -> Json:
    if isinstance(value, dict):
        return to_map(value)
    return to_set(value) if isinstance(value, frozenset) else to_set([]) if value is None else value
