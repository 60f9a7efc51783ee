"""The configuration in the database of a switch: read whole, compared, and made that of a snapshot in one transaction.

Configuration is every column that outlives ovsdb-server and is not a report of ovs-vswitchd (ovs-vswitchd.conf.db(5)) or ovs-ctl, of
every table in the server's schema; and the port numbers.
"""

from collections.abc import Iterator, Mapping, Sequence

from ovstool.ovsdb import schema
from ovstool.ovsdb.client import Client
from ovstool.ovsdb.columns import REPORTED, Kinds
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import Json, many, mapping, ofport, one, to_map

Rows = dict[str, dict[str, Row]]  # by table and UUID; each row has the columns that differ from their defaults, in a fixed order

ROOT = "Open_vSwitch"
_INSTALLED = {ROOT: {"system_type", "system_version"}}  # what ovs-ctl(8) finds out about the host
_RESTORED = {"Interface": {"ofport"}}  # chosen by ovs-vswitchd, and flows name it
_IDENTITY = ("system-id", "hostname", "rundir")  # keys of Open_vSwitch.external_ids that ovs-ctl(8) sets to identify the switch


def kinds(client: Client, server_schema: Json) -> Kinds:
    """The columns that are configuration, in alphabetical order after the name, with their types; from now on the client can read them."""
    found = schema.persistent(server_schema)
    client.expect(found)
    return {
        table: {name: found[table][name] for name in sorted(found[table].keys() - _left_out(table), key=_name_first)}
        for table in sorted(found)
    }


def _left_out(table: str) -> set[str]:
    return (REPORTED.get(table, set()) | _INSTALLED.get(table, set())) - _RESTORED.get(table, set())


def _name_first(column: str) -> tuple[bool, str]:
    return column != "name", column


def queries(of: Kinds) -> list[Query]:
    """The queries for all configuration; ``rows`` reads their answers."""
    return [Query(table, [], ("_uuid", *columns), unlisted=True) for table, columns in of.items()]


def rows(of: Kinds, answers: Sequence[Sequence[Row]]) -> Rows:
    """The answers to ``queries``, without the tables that are empty."""
    found = {
        table: {one(row["_uuid"]): _trimmed(row, columns) for row in answer}
        for (table, columns), answer in zip(of.items(), answers, strict=True)
    }
    return {table: _sorted(of_table) for table, of_table in found.items() if of_table}


def _trimmed(row: Row, columns: Mapping) -> Row:
    trimmed = {column: _ordered(row[column]) for column, kind in columns.items() if row[column] != kind.default}
    if "ofport" in trimmed and ofport(trimmed["ofport"]) is None:
        del trimmed["ofport"]  # -1: the device could not be opened
    return trimmed


def _sorted(table: dict[str, Row]) -> dict[str, Row]:
    """Rows in the order of their names, so that two snapshots can be compared as text."""
    return dict(sorted(table.items(), key=lambda item: (_name(item[1]), item[0])))


def _ordered(value: Json) -> Json:
    """A value in the form in which equal values are equal: sets and maps have no order (RFC 7047, section 5.1)."""
    match value:
        case ["set", [atom]]:
            return atom
        case ["set" | "map" as kind, items]:
            return [kind, sorted(items)]
    return value


def require_fitting(server_schema: Json, wanted: Rows) -> None:
    """Raise Refused for a table, a column or a value that this switch does not have or accept."""
    schema.check(server_schema, [{"op": "insert", "table": table, "row": row} for table, of in wanted.items() for row in of.values()])


def write(txn: Transaction, of: Kinds, wanted: Rows) -> None:
    """Make the configuration that of a snapshot: rows that are the same are not touched, new ones get the UUIDs of the snapshot."""
    asked = queries(of)
    answers = txn.read_all(asked)
    for query, answer in zip(asked, answers, strict=True):
        txn.hold(query, answer)
    now = rows(of, answers)
    then = fitted(wanted, now)
    for table, columns in of.items():
        had, has = now.get(table, {}), then.get(table, {})
        for u in had.keys() - has.keys():
            txn.delete(table, u)
        for u, row in has.items():
            before = had.get(u)
            if before is None:
                txn.insert(table, row, u)
            elif row != before:
                changed = [column for column in columns if row.get(column) != before.get(column)]
                txn.update(table, u, {column: row.get(column, columns[column].default) for column in changed})


def fitted(wanted: Rows, now: Rows) -> Rows:
    """The rows of a snapshot as they are to be on a switch that now has the rows ``now``.

    The row of table Open_vSwitch keeps its UUID; another switch keeps its identity; and an interface that exists keeps its OpenFlow
    port number, as ovs-vswitchd does not change it for a new value of ``ofport``.
    """
    numbers = {_name(row): row.get("ofport") for row in now.get("Interface", {}).values()}
    interfaces = {u: _numbered(row, numbers) for u, row in wanted.get("Interface", {}).items()}
    roots = dict(zip(now.get(ROOT, {}), wanted.get(ROOT, {}).values(), strict=False))
    if is_of_another(wanted, now):
        ours = root(now)
        roots = {u: _identified(row, ours) for u, row in roots.items()}
    return wanted | ({"Interface": interfaces} if interfaces else {}) | ({ROOT: roots} if roots else {})


def _numbered(row: Row, numbers: Mapping[str, Json]) -> Row:
    if _name(row) not in numbers:
        return row
    number = numbers[_name(row)]
    kept = {column: value for column, value in row.items() if column != "ofport"}
    return kept if number is None else kept | {"ofport": number}


def _identified(row: Row, ours: Row) -> Row:
    kept, theirs = mapping(ours.get("external_ids")), mapping(row.get("external_ids"))
    pairs = {key: value for key, value in theirs.items() if key not in _IDENTITY} | {key: kept[key] for key in _IDENTITY if key in kept}
    return row | {"external_ids": _ordered(to_map(pairs))}


def _name(row: Row) -> str:
    return str(row.get("name", ""))


def root(of: Rows) -> Row:
    """The row of table Open_vSwitch; empty if the database has none."""
    return next(iter(of.get(ROOT, {}).values()), {})


def system_id(of: Rows) -> str | None:
    return mapping(root(of).get("external_ids")).get("system-id")


def is_of_another(wanted: Rows, now: Rows) -> bool:
    """Whether a snapshot is of another switch: both have a system-id, and not the same."""
    return None not in (system_id(wanted), system_id(now)) and system_id(wanted) != system_id(now)


def bridges(of: Rows) -> dict[str, str]:
    """The UUIDs of the bridges of the switch by name; a row that Open_vSwitch.bridges does not list is no bridge."""
    return {_name(of["Bridge"][u]): u for u in many(root(of).get("bridges")) if u in of.get("Bridge", {})}


def ports(of: Rows, bridge: str) -> dict[str, str]:
    """The OpenFlow port number of each interface of a bridge, by name, without those that have none."""
    below = [of["Bridge"][bridges(of)[bridge]]]
    for column, table in (("ports", "Port"), ("interfaces", "Interface")):
        below = [of[table][u] for row in below for u in many(row.get(column)) if u in of.get(table, {})]
    return {_name(row): str(number) for row in below if (number := ofport(row.get("ofport")))}


def parts(of: Rows) -> dict[str, Rows]:
    """The configuration by bridge: its row and all that it refers to; with the key "" everything else."""
    tables = {u: (table, row) for table, found in of.items() for u, row in found.items()}
    found: dict[str, Rows] = {}
    rest = set(tables)
    for bridge, u in bridges(of).items():
        reached = _reached(tables, u)
        rest -= reached
        found[bridge] = _picked(tables, reached)
    others = _picked(tables, rest)
    others[ROOT] = {u: {column: value for column, value in row.items() if column != "bridges"} for u, row in others.get(ROOT, {}).items()}
    return found | {"": others}


def _reached(tables: Mapping[str, tuple[str, Row]], start: str) -> set[str]:
    reached, left = {start}, [start]
    while left:
        new = {u for value in tables[left.pop()][1].values() for u in references(value) if u in tables} - reached
        reached |= new
        left += new
    return reached


def _picked(tables: Mapping[str, tuple[str, Row]], uuids: set[str]) -> Rows:
    picked: Rows = {}
    for u in uuids:
        table, row = tables[u]
        picked.setdefault(table, {})[u] = row
    return picked


def references(value: Json) -> Iterator[str]:
    """The UUIDs of the rows that a value refers to."""
    match value:
        case ["uuid", u]:
            yield u
        case ["set", items]:
            for item in items:
                yield from references(item)
        case ["map", pairs]:
            for pair in pairs:
                for item in pair:
                    yield from references(item)
