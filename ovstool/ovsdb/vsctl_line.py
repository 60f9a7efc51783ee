"""A transaction as the equivalent ovs-vsctl(8) command line, written as a person would write it.

Bridges and ports are added and deleted with ``add-br``, ``add-port``, ``add-bond``, ``del-port`` and ``del-br``; for an existing row
only the changes are listed. The guards against concurrent changes (``wait``, RFC 7047, section 5.2.6) have no counterpart and are left
out, and so is ``next_cfg``, which ovs-vsctl increments itself.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ovstool.errors import quote
from ovstool.host import CommandLine
from ovstool.ovsdb.columns import defaults
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import Json, atoms, many, one, same, uuid

Words = list[str]

_PLAIN = r"[A-Za-z0-9_./][A-Za-z0-9_./@%+-]*"  # a string that needs no quotes (ovsdb_token_is_delim of ovsdb-parser.c)
_UUID = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_NAMED = ("Bridge", "Port", "Interface")  # tables in which ovs-vsctl finds rows by name
_MEMBERS = {
    "bridges": ("Bridge", ("name", "ports")),
    "ports": ("Port", ("name", "fake_bridge")),
}  # the table of each column, and the columns to read of deleted members
_EMPTY: tuple[Json, ...] = (["set", []], ["map", []])
_VERBS = {"insert": "add", "delete": "remove"}  # of mutations (RFC 7047, section 5.1)


def lines(txn: Transaction, wait: bool) -> list[CommandLine]:
    """The command line; none for a transaction that changes nothing. Reads the current state of the rows that it writes to."""
    rows = _rows(txn)
    told = commands(txn.writes, rows)
    words = [word for command in told for word in ("--", *command)]
    return [CommandLine(("ovs-vsctl", *([] if wait else ["--no-wait"]), *words[1:]), about=_about(told, rows))] if words else []


def _about(told: Iterable[Words], rows: Mapping[str, Row]) -> str:
    """Which bridges and ports the UUIDs are, where del-br and del-port cannot be used."""
    gone = [(command[3], u) for command in told if command[0] == "remove" and command[3] in _MEMBERS for u in command[4:]]
    known = [f"{u} is {_MEMBERS[column][0].lower()} {quote(str(rows[u]['name']))}" for column, u in gone if u in rows]
    return f"in this command, {', '.join(known)}" if known else ""


def _rows(txn: Transaction) -> dict[str, Row]:
    """The rows that ``commands`` needs."""
    wanted = _wanted(txn.writes)
    shaping = [u for table, u in wanted if table == "QoS"]
    queries = [Query(table, [["_uuid", "==", uuid(u)]], tuple(columns), True) for (table, u), columns in wanted.items()]
    answers = txn.read_all([*queries, *(Query("Port", [["qos", "includes", uuid(u)]], ("_uuid", "name"), True) for u in shaping)])
    found = {u: row for (_, u), answer in zip(wanted, answers, strict=False) for row in answer}
    for u, ports in zip(shaping, answers[len(queries) :], strict=True):
        for port in ports:
            if u in found and ("Port", one(port["_uuid"])) not in wanted:
                found[u]["name"] = port["name"]
    return found


def commands(writes: Sequence[dict], rows: Mapping[str, Row]) -> list[Words]:
    """The ovs-vsctl commands, each as a list of words; ``rows`` are the updated or deleted rows by UUID, as they are before.

    The ``name`` of a QoS is that of a port which has it before and after: ovs-vsctl finds the QoS by it.
    """
    told = _Told(writes, rows)
    for write in writes:
        told.tell(write)
    return told.commands + told.creations()


def _wanted(writes: Iterable[dict]) -> dict[tuple[str, str], dict[str, None]]:
    """The columns, by table and UUID, that are needed to express these writes as commands."""
    wanted: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for write in writes:
        table = write["table"]
        if write["op"] in ("update", "mutate"):
            wanted[table, _target(write)] |= dict.fromkeys((*(["name"] if table in _NAMED else ["_uuid"]), *write.get("row", {})))
        for column, mutator, members in write.get("mutations", ()):
            of, columns = _MEMBERS[column]
            for u in many(members) if mutator == "delete" else ():
                wanted[of, u] |= dict.fromkeys(columns)
    return wanted


def _target(write: dict) -> str:
    """The UUID of the row that a write changes."""
    return str(one(write["where"][0][2]))


class _Told:
    """The ``commands`` of a transaction so far, and the new rows, by their uuid-name, that no command creates yet."""

    def __init__(self, writes: Sequence[dict], rows: Mapping[str, Row]):
        self.commands: list[Words] = []
        self._rows = rows
        self._new: dict[str, dict] = {write["uuid-name"]: write for write in writes if write["op"] == "insert"}
        self._ids = _ids(writes)
        self._updated = {_target(write) for write in writes if write["op"] == "update"}
        self._made: dict[str, str] = {}  # ports that add-port and the like create, by uuid-name
        self._referred: set[str] = set()  # the uuid-names of rows that a command refers to by an ID

    def tell(self, write: dict) -> None:
        """Add the commands for one write; a new row gets its command where another row refers to it."""
        table = write["table"]
        match write["op"]:
            case "delete":
                self._delete(table, _target(write))
            case "update":
                u = _target(write)
                self.commands += self._settings(table, self._record(table, u), write["row"], self._rows.get(u, {}))
            case "mutate":
                for column, mutator, members in write["mutations"]:
                    self._change_members(table, _target(write), column, mutator, members)

    def creations(self) -> list[Words]:
        """Commands for the new rows that no other command has created, and IDs for ports that a mirror refers to and others created."""
        new = sorted(self._new.items(), key=lambda item: item[1]["table"] == "Queue")  # a QoS before its queues, as in ovs-vsctl(8)
        told = [[f"--id={self._ids[name]}", "create", of["table"], *self._required(of["table"], of["row"])] for name, of in new]
        return [[f"--id={self._ids[name]}", "get", "Port", port] for name, port in self._made.items() if name in self._referred] + told

    def _required(self, table: str, row: Row) -> Words:
        """The arguments of ``create``, which needs at least one value."""
        return self._new_values(table, row) or [f"{column}={self._value(value)}" for column, value in row.items()][:1]

    def _delete(self, table: str, u: str) -> None:
        if self.commands and self.commands[-1][:2] == ["destroy", table]:
            self.commands[-1].append(u)
        else:
            self.commands.append(["destroy", table, u])

    def _change_members(self, table: str, u: str, column: str, mutator: str, members: Json) -> None:
        """Add or delete bridges or ports, with ovs-vsctl's own commands where these are equivalent."""
        record = self._record(table, u)
        rest = []
        for member in atoms(members):
            name = member[1]
            if mutator == "delete":
                told = self._deleted_member(column, name)
            else:
                told = self._added_bridge(name) if column == "bridges" else self._added_port(record, name)
            self.commands += told
            rest += [] if told else [self._value(member)]
        if rest:
            self.commands.append([_VERBS[mutator], table, record, column, *rest])

    def _added_bridge(self, name: str) -> list[Words]:
        """Commands for a new bridge with a local port as add-br creates it, and its other ports; none for any other bridge."""
        bridge = self._new[name]["row"]
        ports = {self._new[port]["row"]["name"]: port for port in many(bridge["ports"])}
        port = ports.pop(bridge["name"], None)
        if port is None or not _is_typable(bridge["name"]):
            return []
        of_port = self._new[port]["row"]
        [interface] = many(of_port["interfaces"])
        if len(of_port) != 2 or self._new[interface]["row"] != {"name": bridge["name"], "type": "internal"}:
            return []
        self._forget(name, port, interface)
        told = [["add-br", bridge["name"]], *self._settings("Bridge", bridge["name"], _without(bridge, "name", "ports"))]
        for other in ports.values():
            told += self._added_port(bridge["name"], other) or [["add", "Bridge", bridge["name"], "ports", self._ids[other]]]
        return told

    def _added_port(self, bridge: str, name: str) -> list[Words]:
        """Commands for a new port with one interface of the same name, or a bond; none for any other port."""
        port = self._new[name]["row"]
        members = {row["name"]: row for row in (self._new[member]["row"] for member in many(port["interfaces"]))}
        is_bond = len(members) > 1
        is_plain = (
            not any("=" in member for member in members) if is_bond else port["name"] in members
        )  # which add-bond takes for a setting
        if not is_plain or re.fullmatch(_UUID, bridge) or not all(map(_is_typable, (port["name"], *members))):
            return []
        self._forget(name, *many(port["interfaces"]))
        of_port = self._new_values("Port", _without(port, "name", "interfaces"))
        told = [["add-bond", bridge, port["name"], *members, *of_port] if is_bond else ["add-port", bridge, port["name"], *of_port]]
        for member, row in members.items():
            told += self._settings("Interface", member, _without(row, "name"))
        return told

    def _deleted_member(self, column: str, u: str) -> list[Words]:
        """The command that deletes a bridge or port by its name, where it is equivalent; else none.

        del-port cannot delete the local port of a fake bridge. ovs-vsctl does not send updates of a row that del-br or del-port deletes:
        the port would refer to its QoS until it is deleted, and the QoS could not be deleted.
        """
        row = self._rows.get(u, {})
        is_updated = not self._updated.isdisjoint([u, *many(row.get("ports"))])
        if is_updated or row.get("fake_bridge") or not _is_typable(str(row.get("name", ""))):
            return []
        return [["del-br" if column == "bridges" else "del-port", str(row["name"])]]

    def _settings(self, table: str, record: str, row: Row, before: Row | None = None) -> list[Words]:
        """Commands that change a row from the values ``before``, or from the defaults if it is new."""
        before = defaults(table, row) if before is None else before
        changed = _changed(row, before)
        told = []
        if targets := self._new_targets(changed.get("controller")):
            told.append(["set-controller", record, *targets])
            del changed["controller"]
        empty = [column for column, value in changed.items() if value in _EMPTY]
        if assigned := self._assigned(_without(changed, *empty), before):
            told.append(["set", table, record, *assigned])
        if empty:
            told.append(["clear", table, record, *empty])
        for column, value in changed.items():
            gone = [] if column in empty else [key for key in _pairs(before.get(column)) if key not in _pairs(value)]
            if gone:
                told.append(["remove", table, record, column, *map(self._value, gone)])
        return told

    def _new_targets(self, controllers: Json) -> list[str]:
        """The targets of controllers if all are new and have no other settings; else none."""
        names = many(controllers)
        if not all(name in self._new and self._new[name]["row"].keys() == {"target"} for name in names):
            return []
        return [self._forget(name)["target"] for name in names]

    def _new_values(self, table: str, row: Row) -> Words:
        """Words that assign those values of a new row that differ from the defaults."""
        before = defaults(table, row)
        return self._assigned(_changed(row, before), before)

    def _assigned(self, changed: Row, before: Row) -> Words:
        """Words that assign changed values; in a map only those of changed keys."""
        words = []
        for column, value in changed.items():
            was, now = _pairs(before.get(column)), _pairs(value)
            if was or now:
                words += [f"{column}:{self._value(key)}={self._value(item)}" for key, item in now.items() if was.get(key) != item]
            else:
                words.append(f"{column}={self._value(value)}")
        return words

    def _value(self, value: Json) -> str:
        """A value as ovs-vsctl reads it (ovs-vsctl(8), "Database Values")."""
        match value:
            case ["set" | "map", []]:
                return "[]" if value[0] == "set" else "{}"
            case ["set", members]:
                return ",".join(map(self._value, members))
            case ["map", pairs]:
                return ",".join(f"{self._value(key)}={self._value(item)}" for key, item in pairs)
            case ["uuid", u]:
                return str(u)
            case ["named-uuid", name]:
                self._referred.add(name)
                return self._ids[name]
        return _string(value) if isinstance(value, str) else json.dumps(value)

    def _record(self, table: str, u: str) -> str:
        """How ovs-vsctl finds a row: by its name where that is unambiguous."""
        name = self._rows.get(u, {}).get("name")
        if table == "Open_vSwitch":
            return "."
        return name if isinstance(name, str) and _is_typable(name) else u

    def _forget(self, *names: str) -> Row:
        """Mark new rows as created by a command; returns the last one."""
        self._made |= {name: self._new[name]["row"]["name"] for name in names if self._new[name]["table"] == "Port"}
        return [self._new.pop(name)["row"] for name in names][-1]


def _ids(writes: Sequence[dict]) -> dict[str, str]:
    """The IDs of the new rows in the command line: queues by number, others by table."""
    ids: dict[str, str] = {}
    for write in writes:
        for number, queue in _pairs(write.get("row", {}).get("queues")).items():
            ids[queue[1]] = f"q{number}"
    used: Counter[str] = Counter()
    for write in writes:
        if write["op"] == "insert":
            id_ = ids.get(write["uuid-name"], write["table"].lower())
            used[id_] += 1
            ids[write["uuid-name"]] = f"@{id_}" if used[id_] == 1 else f"@{id_}_{used[id_]}"
    return ids


def _changed(row: Row, before: Row) -> Row:
    return {column: value for column, value in row.items() if not same(value, before.get(column))}


def _is_typable(name: str) -> bool:
    """Whether ovs-vsctl reads this as a name everywhere, and a terminal shows it unchanged."""
    return bool(name) and name.isprintable() and name != "--" and not name.startswith("@") and not re.fullmatch(_UUID, name)


def _string(text: str) -> str:
    """A string for ovs-vsctl, in JSON quotes (RFC 7159) where needed, and safe to show on a terminal."""
    if re.fullmatch(_PLAIN, text):
        return text
    return "".join(c if c.isprintable() else _code_units(c) for c in json.dumps(text, ensure_ascii=False))


def _code_units(c: str) -> str:
    return re.sub("(....)", r"\\u\1", c.encode("utf-16-be", "surrogatepass").hex())


def _pairs(value: Json) -> dict[Any, Json]:
    """The pairs of a map, with references in wire format; empty for any other value."""
    return dict(value[1]) if isinstance(value, list) and value[0] == "map" else {}


def _without(row: Row, *columns: str) -> Row:
    return {column: value for column, value in row.items() if column not in columns}
