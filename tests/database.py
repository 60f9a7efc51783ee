"""A database without ovs-vswitchd, filled and read as a tree: only the test and its commands write to it.

Commands run in this process, so that hundreds of them take seconds.
"""

import io
import json
import shlex
import socket
from collections.abc import Callable

from between import Between, message

from ovstool.shell import App

# Columns that refer to rows, with the table they refer to; in _NAMED the rows have names.
_NAMED = {"bridges": "Bridge", "ports": "Port", "interfaces": "Interface", "mirrors": "Mirror"}
_REFERENCES = _NAMED | {"qos": "QoS", "queues": "Queue", "controller": "Controller", "sflow": "sFlow"}
_WEAK = ("select_src_port", "select_dst_port", "output_port")  # ports of a mirror, by name
_ROOTS = ("QoS", "Queue")  # tables whose rows survive when nothing refers to them
_INTERNAL = {"type": "internal"}  # the interface of a local port
_DEFAULTS = (None, "", 0, [], {})
_COMMITS = (b'"op":"wait"', b'"op":"insert"', b'"op":"update"', b'"op":"mutate"', b'"op":"delete"')


class Database:
    """``put`` fills it, ``run`` runs a command, ``tree`` returns its content.

    A tree maps the names of bridges to their columns: ``{"br0": {"fail_mode": "secure", "ports": {"eth1": {"tag": 5}}}}``. It leaves out
    columns with default values, a bridge's local port, and an interface with the name of its port. A row without a name appears wherever
    it is referred to; the same Python object in two places is one row with two references.
    """

    def __init__(self, switch):
        self.switch = switch

    def transact(self, *operations: dict) -> list[dict]:
        # Connected anew each time: ovsdb-server sends an echo request to who has been silent for five seconds, and closes after ten.
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"{self.switch.box.directory}/db.sock")
            connection.sendall(json.dumps({"id": 0, "method": "transact", "params": ["Open_vSwitch", *operations]}).encode())
            results = json.loads(message(connection))["result"]
        assert not [result for result in results if result and "error" in result], results
        return results

    def put(self, bridges: dict, **parked: list[dict]) -> None:
        """Replace the content with these bridges, and with QoS and Queue rows that nothing refers to."""
        inserts = _Inserts()
        listed = inserts.value("bridges", bridges)
        for table, rows in parked.items():
            for row in rows:
                inserts.reference(table, row)
        root = {"op": "update", "table": "Open_vSwitch", "where": []}
        self.transact(root | {"row": {"bridges": ["set", []]}})
        self.transact(
            *({"op": "delete", "table": table, "where": []} for table in _ROOTS),
            *inserts.operations,
            root | {"row": {"bridges": listed}},
        )

    def tree(self) -> dict:
        """The bridges and everything they refer to, in the form that ``put`` takes."""
        answers = self.transact(*({"op": "select", "table": table, "where": []} for table in ("Open_vSwitch", *_REFERENCES.values())))
        rows = {row["_uuid"][1]: row for answer in answers for row in answer["rows"]}
        return _read(rows, "bridges", answers[0]["rows"][0]["bridges"])

    def without_records(self) -> dict:
        """The tree without what documents own, which is in external_ids of bridges and ports."""
        return {name: _without_records(bridge) | _ports_without_records(bridge) for name, bridge in self.tree().items()}

    def count(self, *tables: str) -> list[int]:
        """The number of rows in each of the tables."""
        answers = self.transact(*({"op": "select", "table": table, "where": [], "columns": ["_uuid"]} for table in tables))
        return [len(answer["rows"]) for answer in answers]

    def run(self, command: str, path: str | None = None) -> tuple[int, str, str]:
        """Run a command over the socket at ``path``, or the database's own; returns its exit code, stdout, and stderr without --db."""
        out, err = io.StringIO(), io.StringIO()
        db = f"unix:{path}" if path else self.switch.box.db
        patience = ["--timeout", "60"] if path else []  # others may make the command wait, and the machine may be busy
        code = App(out, err).run(["--no-wait", *patience, "--db", db, *shlex.split(command)])
        return int(code), out.getvalue(), err.getvalue().replace(f" --db {db}", "")

    def ask(self, command: str):
        """What a command prints as JSON; fails if it prints anything to stderr."""
        code, out, err = self.run(f"{command} -f json")
        assert (code, err) == (0, ""), err
        return json.loads(out)

    def run_while(self, command: str, change: Callable[[], object]) -> tuple[int, str, str]:
        """Run a command like ``run``; ``change`` is called after the command has read everything and before its transaction arrives."""
        done = []

        def at(_: int, request: bytes) -> bytes:
            if not done and any(write in request for write in _COMMITS):
                done.append(True)
                change()
            return request

        between = Between(self.switch, "between", at)
        try:
            return self.run(command, between.path)
        finally:
            between.close()


class _Inserts:
    """The operations that insert the rows of a tree."""

    def __init__(self):
        self.operations: list[dict] = []
        self._references: dict[tuple, list] = {}
        self._ports: dict[str, list] = {}
        self._kept: list[dict] = []  # keeps them alive, so that no two rows get the same id()

    def reference(self, table: str, row: dict, name: str | None = None) -> list:
        key = (id(row), name)
        if key not in self._references:
            self._references[key] = ["named-uuid", f"row{len(self._references)}"]
            self._kept.append(row)
            if table == "Port":
                self._ports[str(name)] = self._references[key]
            columns = {column: self.value(column, value) for column, value in _complete(table, row, name).items()}
            self.operations.append({"op": "insert", "table": table, "uuid-name": self._references[key][1], "row": columns})
        return self._references[key]

    def value(self, column: str, value):
        if column in _WEAK:
            return ["set", [self._ports[name] for name in _members(value)]]
        if table := _NAMED.get(column):
            return ["set", [self.reference(table, row, name) for name, row in value.items()]]
        if column == "queues":
            return ["map", [[number, self.reference("Queue", row)] for number, row in value.items()]]
        if table := _REFERENCES.get(column):
            return ["set", [self.reference(table, row) for row in _members(value)]]
        if isinstance(value, dict):
            return ["map", [list(pair) for pair in value.items()]]
        return ["set", value] if isinstance(value, list) else value


def _members(value) -> list:
    return value if isinstance(value, list) else [value]


def _complete(table: str, row: dict, name: str | None) -> dict:
    """All columns of a row, including those that a tree leaves out; ports come first, because mirrors refer to them."""
    if table == "Bridge":
        return {"name": name, "ports": {name: {"interfaces": {name: dict(_INTERNAL)}}} | row.get("ports", {})} | _without(row, "ports")
    if table == "Port":
        return {"name": name, "interfaces": {name: {}}} | row
    return {"name": name} | row if name else row


def _read(rows: dict[str, dict], column: str, value):
    """A value with the rows it refers to, which are in ``rows`` by UUID."""
    match value:
        case ["uuid", u] if column not in _NAMED:
            return rows[u]["name"] if column in _WEAK else _read_row(rows, rows[u])
        case ["uuid", _]:
            return _read(rows, column, ["set", [value]])
        case ["set", atoms] if column in _NAMED:
            return {rows[u]["name"]: _short(rows[u]["name"], _read_row(rows, rows[u])) for _, u in atoms}
        case ["set", atoms]:
            return sorted((_read(rows, column, atom) for atom in atoms), key=lambda item: json.dumps(item, sort_keys=True))
        case ["map", pairs]:
            return {key: _read(rows, "", item) for key, item in pairs}
    return value


def _ports_without_records(bridge: dict) -> dict:
    return {"ports": {name: _without_records(port) for name, port in bridge["ports"].items()}} if "ports" in bridge else {}


def _without_records(row: dict) -> dict:
    ids = {key: value for key, value in row.get("external_ids", {}).items() if not key.startswith("ovstool-document-")}
    return _without(row, "external_ids") | ({"external_ids": ids} if ids else {})


def _read_row(rows: dict[str, dict], row: dict) -> dict:
    read = {column: _read(rows, column, value) for column, value in row.items() if column != "name" and not column.startswith("_")}
    return {column: value for column, value in read.items() if value not in _DEFAULTS}


def _short(name: str, row: dict) -> dict:
    """A row without the columns that ``_complete`` adds."""
    if "ports" in row:
        ports = {port: of for port, of in row["ports"].items() if (port, of) != (name, {"interfaces": {name: _INTERNAL}})}
        return _without(row, "ports") | ({"ports": ports} if ports else {})
    return _without(row, "interfaces") if row.get("interfaces") == {name: {}} else row


def _without(row: dict, column: str) -> dict:
    return {key: value for key, value in row.items() if key != column}
