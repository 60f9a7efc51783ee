"""A transaction that is built from rows it has read, and commits only if none of them has changed.

Each row that is read becomes a ``wait`` operation of timeout 0 (RFC 7047, section 5.2.6) in front of the writes, so two
programs that change the same thing at once cannot mix their changes: the later one fails (``Stale``), and ``Switch.write`` builds it again.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ovstool.errors import Refused
from ovstool.ovsdb import schema
from ovstool.ovsdb.client import Client, OperationFailed
from ovstool.ovsdb.columns import Table
from ovstool.ovsdb.values import Json, malformed, many, one, uuid

Row = dict[str, Json]


class Query(NamedTuple):
    """Rows of a table and the columns wanted of them; ``where`` holds conditions (RFC 7047, section 5.1), all of which must hold.

    Without ``columns`` it asks only which rows exist.
    ``unlisted``: also bridges that are not in Open_vSwitch.bridges, their ports and interfaces. They do not exist in the switch, but
    their rows stay in the database for as long as a Flow_Sample_Collector_Set refers to the bridge.
    """

    table: str
    where: list[list]
    columns: Sequence[str] = ("_uuid",)
    unlisted: bool = False


class Stale(Exception):
    """A row has changed since it was read, so nothing was written."""


class Transaction:
    """Reads now, writes at ``commit``.

    ``thorough`` makes the builder look for references in whole tables: it is set after the server has refused a
    deletion because of a reference that the builder did not see, and for dry runs. ``comment`` goes into the log of the database with
    the writes (RFC 7047, section 5.2.9).
    """

    def __init__(self, client: Client, thorough: bool = False, comment: object = None):
        self.thorough = thorough
        self._comment = comment
        self.interfaces: list[Query] = []
        self._client = client
        self._guards: list[dict] = []
        self._writes: list[dict] = []

    def read(self, query: Query) -> list[Row]:
        """Read rows without guarding them; ``hold`` the rows that the change relies on."""
        return self.read_all([query])[0]

    def read_all(self, queries: Sequence[Query]) -> list[list[Row]]:
        """The rows of several queries, in one round trip."""
        return select(self._client, queries)

    def tables(self, columns: Mapping[str, Sequence[str]], where: Mapping[str, list] | None = None) -> dict[str, Table]:
        """Whole tables, or the rows that meet a condition, from one snapshot, not guarded; ``columns`` and ``where`` by table."""
        return tables(self._client, columns, where)

    def held(self, query: Query) -> list[Row]:
        """Read rows, unlisted ones too, and guard them: the commit fails if the same query then has a different result."""
        rows = self.read(query._replace(unlisted=True))
        self.hold(query, rows)
        return rows

    def hold(self, query: Query, rows: Iterable[Row]) -> None:
        """Make the commit fail unless the query still returns these rows. A column that this OVS lacks needs no guard."""
        rows = list(rows)
        columns = [c for c in query.columns if rows[0][c] is not None] if rows else ["_uuid"]
        held = [{column: row[column] for column in columns} for row in rows]
        self._guards.append(
            {"op": "wait", "timeout": 0, "table": query.table, "where": query.where, "columns": columns, "until": "==", "rows": held}
        )

    def insert(self, table: str, row: Row, row_uuid: str | None = None) -> Json:
        """Add a row; returns the reference to it that other rows of this transaction can hold.

        With ``row_uuid`` the row gets this UUID (ovsdb-server(7), "Insert"; since Open vSwitch 2.13), which no row of the table has.
        """
        if row_uuid is not None:
            self._writes.append({"op": "insert", "table": table, "uuid": row_uuid, "row": row})
            return uuid(row_uuid)
        name = f"row{len(self._writes)}"
        self._writes.append({"op": "insert", "table": table, "uuid-name": name, "row": row})
        return ["named-uuid", name]

    def update(self, table: str, row_uuid: str, row: Row) -> None:
        """Give columns of a row new values."""
        self._writes.append({"op": "update", "table": table, "where": [["_uuid", "==", uuid(row_uuid)]], "row": row})

    def mutate(self, table: str, row_uuid: str, mutations: list[list]) -> None:
        """Add members to a column or remove them, so that its other members need neither be read nor sent."""
        self._writes.append({"op": "mutate", "table": table, "where": [["_uuid", "==", uuid(row_uuid)]], "mutations": mutations})

    def delete(self, table: str, row_uuid: str) -> None:
        """Delete a row. If another row still refers to it, the server refuses the whole transaction."""
        self._writes.append({"op": "delete", "table": table, "where": [["_uuid", "==", uuid(row_uuid)]]})

    def choose_uuids(self) -> None:
        """Choose the UUIDs of the rows that are inserted (ovsdb-server(7), section 5.2.1), so that they are known before the commit.

        Open vSwitch 2.13 or newer accepts them.
        """
        import uuid as uuids  # most transactions leave that to the server

        chosen = {write["uuid-name"]: str(uuids.uuid4()) for write in self._writes if "uuid-name" in write}
        self._writes = [_with_uuids(write, chosen) for write in self._writes]

    def add(self, guards: Iterable[dict], writes: Iterable[dict]) -> None:
        """Add operations as they are to be sent."""
        self._guards += guards
        self._writes += writes

    def watch(self, query: Query) -> None:
        """Check these Interface rows once ovs-vswitchd has applied the change: it reports its errors there."""
        self.interfaces.append(query)

    @property
    def writes(self) -> list[dict]:
        """The operations that change something, without the guards."""
        return self._writes

    def operations(self, wait: bool) -> list[dict]:
        """All operations to send, with the comment; empty when nothing changes. ``wait`` adds the increment of next_cfg."""
        if not self._writes:
            return []
        comment = [{"op": "comment", "comment": str(self._comment)}] if self._comment else []
        return self._guards + self._writes + comment + ([COUNT_UP, _COUNT] if wait else [])

    def commit(self, wait: bool) -> int | None:
        """Send it. With ``wait`` returns the next_cfg that cur_cfg reaches when ovs-vswitchd has applied it, else None.

        Without writes it sends only the guards: the rows were read in several steps, and "nothing to change" must have been
        true at one moment.
        Raises Stale when a guarded row has changed, OperationFailed when the server refused it for another reason.
        """
        operations = self.operations(wait) or self._guards
        results = self._send(operations)
        if not (wait and self._writes):
            return None
        match results[len(operations) - 1]:
            case {"rows": [{"next_cfg": int(next_cfg)}, *_]}:
                return next_cfg
        raise malformed("a switch without next_cfg")

    def require_held(self) -> None:
        """Raise Stale when a guarded row has changed; for results that write nothing, such as an error."""
        self._send(self._guards)

    def _send(self, operations: list[dict]) -> list:
        if not operations:
            return []
        try:
            return self._client.transact(operations)
        except OperationFailed as failure:
            if failure.index < len(self._guards) and failure.error == "timed out":
                raise Stale from failure
            raise

    def check(self, server_schema: Json) -> None:
        """Check the writes against the server's schema; raises Refused."""
        schema.check(server_schema, self._writes)


def _with_uuids(write: dict, chosen: Mapping[str, str]) -> dict:
    """An operation with UUIDs in place of the names of new rows."""
    found = {key: value for key, value in write.items() if key != "uuid-name"}
    if "uuid-name" in write:
        found["uuid"] = chosen[write["uuid-name"]]
    if "row" in write:
        found["row"] = {column: _resolved(value, chosen) for column, value in write["row"].items()}
    if "mutations" in write:
        found["mutations"] = [[column, mutator, _resolved(value, chosen)] for column, mutator, value in write["mutations"]]
    return found


def _resolved(value: Json, chosen: Mapping[str, str]) -> Json:
    match value:
        case ["named-uuid", name]:
            return uuid(chosen[name])
        case ["set", atoms]:
            return ["set", [_resolved(atom, chosen) for atom in atoms]]
        case ["map", pairs]:  # of which a pair may look like a reference
            return ["map", [[_resolved(key, chosen), _resolved(item, chosen)] for key, item in pairs]]
    return value


# Makes ovs-vswitchd tell, in cur_cfg, when it has applied the change.
COUNT_UP: dict = {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}
_COUNT: dict = {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]}


_OF_BRIDGES = frozenset(["Bridge", "Port", "Interface"])
_KEPT = Query("Flow_Sample_Collector_Set", [], ("bridge",))


def select(client: Client, queries: Sequence[Query]) -> list[list[Row]]:
    """Read rows from one consistent snapshot; those of unlisted bridges only where the query asks for them.

    A column that this OVS does not have is None in every row, and a condition on one matches no row.
    Raises OperationFailed for a table that it does not have.
    """
    filtered = [not query.unlisted and query.table in _OF_BRIDGES for query in queries]
    if not any(filtered):
        return _read(client, queries)
    *answers, kept = _read(client, [*queries, _KEPT])
    unlisted = _unlisted(client, {str(one(row["bridge"])) for row in kept}) if kept else None
    if not unlisted:
        return answers
    answers = _read(client, [query._replace(columns=("_uuid", *query.columns)) for query in queries])
    return [
        [row for row in rows if not (is_filtered and one(row["_uuid"]) in unlisted)]
        for is_filtered, rows in zip(filtered, answers, strict=True)
    ]


def tables(client: Client, columns: Mapping[str, Sequence[str]], where: Mapping[str, list] | None = None) -> dict[str, Table]:
    """Whole tables from one snapshot, without the rows of unlisted bridges. ``columns`` are by table, without ``_uuid``; ``where`` has
    conditions by table (RFC 7047, section 5.1), one of which a row must meet.

    For many rows it takes half the time of ``select``. A column that this OVS does not have is None in every row.
    Raises OperationFailed for a table that it does not have.
    """
    found = _tables(client, {**columns, _KEPT.table: _KEPT.columns}, where or {})
    kept = found.pop(_KEPT.table).values("bridge")
    unlisted = _unlisted(client, set(kept)) if kept else set()
    return {name: table.without(unlisted) for name, table in found.items()} if unlisted else found


def _tables(client: Client, columns: Mapping[str, Sequence[str]], where: Mapping[str, list]) -> dict[str, Table]:
    try:
        return client.tables(columns, where)
    except Refused:
        server_schema = client.get_schema()
    known = {table: schema.columns(server_schema, table) for table in columns}
    if absent := [table for table, names in known.items() if not names]:
        raise OperationFailed("syntax error", f"No table named {absent[0]}.", 0)
    found = client.tables({table: [column for column in names if column in known[table]] for table, names in columns.items()}, where)
    for name, table in found.items():
        table.columns.update({column: [None] * len(table.uuids) for column in columns[name] if column not in known[name]})
    return found


def _unlisted(client: Client, bridges: set[str]) -> set[str]:
    """The UUIDs of those of the bridges that are not in Open_vSwitch.bridges, and of their ports and interfaces."""
    [root] = _read(client, [Query("Open_vSwitch", [], ("bridges",))])
    found = bridges - {u for row in root for u in many(row["bridges"])}
    below = found
    for table, column in (("Bridge", "ports"), ("Port", "interfaces")):
        answers = _read(client, [Query(table, [["_uuid", "==", uuid(u)]], (column,)) for u in below])
        below = {u for rows in answers for row in rows for u in many(row[column])}
        found = found | below
    return found


def _read(client: Client, queries: Sequence[Query]) -> list[list[Row]]:
    """Read rows from one consistent snapshot.

    A column that this OVS does not have is None in every row, and a condition on one matches no row.
    Raises OperationFailed for a table that it does not have.
    """
    try:
        return _select(client, queries, [list(dict.fromkeys(query.columns)) for query in queries])
    except OperationFailed as failure:
        if failure.error not in ("syntax error", "unknown column"):
            raise
        server_schema = client.get_schema()
        if not all(schema.columns(server_schema, query.table) for query in queries):
            raise
    known: dict[int, list[str]] = {}
    for index, query in enumerate(queries):
        names = schema.columns(server_schema, query.table) | {"_uuid", "_version"}
        if all(condition[0] in names for condition in query.where):
            known[index] = [column for column in dict.fromkeys(query.columns) if column in names]
    answers = _select(client, [queries[index] for index in known], list(known.values()))
    found = dict(zip(known, answers, strict=True))
    return [found.get(index, []) for index in range(len(queries))]


def _select(client: Client, queries: Sequence[Query], known: list[list[str]]) -> list[list[Row]]:
    if not queries:
        return []
    results = client.transact(
        [{"op": "select", "table": q.table, "where": q.where, "columns": columns} for q, columns in zip(queries, known, strict=True)]
    )
    answers = []
    for query, columns, result in zip(queries, known, results, strict=False):
        rows = result.get("rows") if result else None
        if type(rows) is not list:
            raise malformed("a select without rows")
        missing = [column for column in query.columns if column not in columns]
        for row in rows if missing else ():
            row.update(dict.fromkeys(missing))
        answers.append(rows)
    return answers
