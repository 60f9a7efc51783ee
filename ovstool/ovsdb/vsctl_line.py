"""A transaction as the line of ovs-vsctl(8) that does the same, in the words that a person would choose.

Bridges and ports come and go by ``add-br``, ``add-port``, ``add-bond``, ``del-port`` and ``del-br``; of a row that stays, only what
changes is told. What is held against the changes of others (``wait``, RFC 7047, section 5.2.6) has no counterpart and is left out, and so
is ``next_cfg``, to which ovs-vsctl adds by itself.
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
from ovstool.ovsdb.values import Json, many, one, same, uuid

Words = list[str]

_PLAIN = r"[A-Za-z0-9_./][A-Za-z0-9_./@%+-]*"  # a string that needs no quotes (ovsdb_token_is_delim of ovsdb-parser.c)
_UUID = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_NAMED = ("Bridge", "Port", "Interface")  # tables whose rows ovs-vsctl knows by name
_MEMBERS = {"bridges": ("Bridge", ("name", "ports")), "ports": ("Port", ("name", "fake_bridge"))}  # tables, and what is asked of what goes
_EMPTY: tuple[Json, ...] = (["set", []], ["map", []])
_VERBS = {"insert": "add", "delete": "remove"}  # of mutations (RFC 7047, section 5.1)


def lines(txn: Transaction, wait: bool) -> list[CommandLine]:
    """The line; none for a transaction that changes nothing. Reads how the rows that it writes to are before."""
    rows = _rows(txn)
    told = commands(txn.writes, rows)
    words = [word for command in told for word in ("--", *command)]
    return [CommandLine(("ovs-vsctl", *([] if wait else ["--no-wait"]), *words[1:]), about=_about(told, rows))] if words else []


def _about(told: Iterable[Words], rows: Mapping[str, Row]) -> str:
    """Which bridges and ports the UUIDs are that stand where del-br and del-port cannot."""
    gone = [(command[3], u) for command in told if command[0] == "remove" and command[3] in _MEMBERS for u in command[4:]]
    known = [f"{u} is {_MEMBERS[column][0].lower()} {quote(str(rows[u]['name']))}" for column, u in gone if u in rows]
    return f"in the line that does the same, {', '.join(known)}" if known else ""


def _rows(txn: Transaction) -> dict[str, Row]:
    """The rows that ``commands`` wants."""
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
    """What ovs-vsctl is to do, each command as its words; ``rows`` are those that are written to or go, by UUID, as they are before.

    The ``name`` of a QoS is that of a port which has it before and after: ovs-vsctl finds it by that.
    """
    told = _Told(writes, rows)
    for write in writes:
        told.tell(write)
    return told.commands + told.creations()


def _wanted(writes: Iterable[dict]) -> dict[tuple[str, str], dict[str, None]]:
    """Which columns of which rows, by table and UUID, decide how these writes are told."""
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
    """The UUID of the one row that a write is for."""
    return str(one(write["where"][0][2]))


class _Told:
    """What of a transaction is told so far: the ``commands``, and by their names in it the new rows that no command makes yet."""

    def __init__(self, writes: Sequence[dict], rows: Mapping[str, Row]):
        self.commands: list[Words] = []
        self._rows = rows
        self._new: dict[str, dict] = {write["uuid-name"]: write for write in writes if write["op"] == "insert"}
        self._ids = _ids(writes)
        self._updated = {_target(write) for write in writes if write["op"] == "update"}

    def tell(self, write: dict) -> None:
        """Tell one write; a new row is told where a row refers to it."""
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
        """Commands for the new rows that no other command has made."""
        new = sorted(self._new.items(), key=lambda item: item[1]["table"] == "Queue")  # a QoS before its queues, as in the manual
        return [[f"--id={self._ids[name]}", "create", write["table"], *self._required(write["table"], write["row"])] for name, write in new]

    def _required(self, table: str, row: Row) -> Words:
        """What ``create`` assigns, which takes one value at least."""
        return self._new_values(table, row) or [f"{column}={self._value(value)}" for column, value in row.items()][:1]

    def _delete(self, table: str, u: str) -> None:
        if self.commands and self.commands[-1][:2] == ["destroy", table]:
            self.commands[-1].append(u)
        else:
            self.commands.append(["destroy", table, u])

    def _change_members(self, table: str, u: str, column: str, mutator: str, members: Json) -> None:
        """Tell of bridges or ports that come or go, by ovs-vsctl's own commands where these do the same."""
        record = self._record(table, u)
        rest = []
        for member in _atoms(members):
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
        """Commands that make a bridge with a local port as add-br does; none for another one."""
        bridge = self._new[name]["row"]
        [port] = many(bridge["ports"])
        of_port = self._new[port]["row"]
        [interface] = many(of_port["interfaces"])
        is_plain = len(of_port) == 2 and self._new[interface]["row"] == {"name": bridge["name"], "type": "internal"}
        if not (is_plain and _is_typable(bridge["name"])):
            return []
        self._forget(name, port, interface)
        return [["add-br", bridge["name"]], *self._settings("Bridge", bridge["name"], _without(bridge, "name", "ports"))]

    def _added_port(self, bridge: str, name: str) -> list[Words]:
        """Commands that make a port of one interface, which has its name, or a bond; none for another one."""
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
        """The command that deletes a bridge or port by its name, where it does the same; else none.

        del-port does not know the local port of a fake bridge. What is written to a row that del-br or del-port deletes is not sent: with
        these a port would refer to its QoS until it is gone, and the QoS could not be deleted.
        """
        row = self._rows.get(u, {})
        is_updated = not self._updated.isdisjoint([u, *many(row.get("ports"))])
        if is_updated or row.get("fake_bridge") or not _is_typable(str(row.get("name", ""))):
            return []
        return [["del-br" if column == "bridges" else "del-port", str(row["name"])]]

    def _settings(self, table: str, record: str, row: Row, before: Row | None = None) -> list[Words]:
        """Commands that give new values to a row that has the values ``before``, or to a new one."""
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
        """The targets of controllers that are all new, and have nothing but a target; else none."""
        names = many(controllers)
        if not all(name in self._new and self._new[name]["row"].keys() == {"target"} for name in names):
            return []
        return [self._forget(name)["target"] for name in names]

    def _new_values(self, table: str, row: Row) -> Words:
        """Words that assign the values of a new row that are not those it has by itself."""
        before = defaults(table, row)
        return self._assigned(_changed(row, before), before)

    def _assigned(self, changed: Row, before: Row) -> Words:
        """Words that assign values, none of which is the one ``before``; in a map only those of keys that change."""
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
            case ["set", atoms]:
                return ",".join(map(self._value, atoms))
            case ["map", pairs]:
                return ",".join(f"{self._value(key)}={self._value(item)}" for key, item in pairs)
            case ["uuid", u]:
                return str(u)
            case ["named-uuid", name]:
                return self._ids[name]
        return _string(value) if isinstance(value, str) else json.dumps(value)

    def _record(self, table: str, u: str) -> str:
        """How ovs-vsctl finds a row: by its name where that means nothing else to it."""
        name = self._rows.get(u, {}).get("name")
        if table == "Open_vSwitch":
            return "."
        return name if isinstance(name, str) and _is_typable(name) else u

    def _forget(self, *names: str) -> Row:
        """The last of these new rows, which a command makes; nothing else is to make them."""
        return [self._new.pop(name)["row"] for name in names][-1]


def _ids(writes: Sequence[dict]) -> dict[str, str]:
    """What the line calls the new rows: queues by their number, others by their table."""
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
    """Whether ovs-vsctl takes the name for a name wherever one can be, and a terminal shows it as it is."""
    return bool(name) and name.isprintable() and name != "--" and not name.startswith("@") and not re.fullmatch(_UUID, name)


def _string(text: str) -> str:
    """A string, in quotes where ovs-vsctl would read something else (JSON's, RFC 7159); all of it can be shown on a terminal."""
    if re.fullmatch(_PLAIN, text):
        return text
    return "".join(c if c.isprintable() else _code_units(c) for c in json.dumps(text, ensure_ascii=False))


def _code_units(c: str) -> str:
    return re.sub("(....)", r"\\u\1", c.encode("utf-16-be", "surrogatepass").hex())


def _atoms(value: Json) -> list[Json]:
    """The atoms of a set as they are on the wire, references too."""
    return value[1] if isinstance(value, list) and value[0] == "set" else [value]


def _pairs(value: Json) -> dict[Any, Json]:
    """The pairs of a map, with references as they are on the wire; none of what is no map."""
    return dict(value[1]) if isinstance(value, list) and value[0] == "map" else {}


def _without(row: Row, *columns: str) -> Row:
    return {column: value for column, value in row.items() if column not in columns}
