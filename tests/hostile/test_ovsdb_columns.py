"""Columns with invalid values, one at a time in otherwise valid replies: one line about the peer, whatever the noun."""

import io
import json
import shlex
import socket
import threading
from pathlib import Path

import pytest

from ovstool import sandbox
from ovstool.errors import OvstoolError
from ovstool.ovsdb import columns, schema
from ovstool.shell import App

UNREACHABLE = 5
COMMANDS = [
    "show", "topology", "bridge list", "bridge show br0", "port list", "port show eth1", "stats --source ovsdb", "qos list", "police list", "sflow list",
    "qos check", "police check", "qos explain eth1", "bridge add br0 -n", "bridge set br0 --fail-mode secure -n", "port add br0 eth1 -n",
    "port set eth1 --tag 5 -n", "police set eth1 --rate 2mbit -n", "qos set eth1 --merge --queue 1:max=9mbit -n", "qos gc -n",
    "sflow enable br0 --collector 127.0.0.1 --agent lo --force -n", "sflow check -n",
]  # fmt: skip
WRONG = {
    str: [7, ["set", [7]], ["map", []]], int: ["x", 10**30, True, 1.5], bool: [1, "true"], columns.UUID: ["u", ["uuid", 7], 0],
}  # fmt: skip


def vswitch_schema() -> dict:
    return json.loads(Path(sandbox._schema()).read_text())


def test_kinds_are_those_of_open_vswitch():
    """In each table that has the column and that ovstool reads."""
    tables = vswitch_schema()["tables"]
    names = {str: "string", int: "integer", bool: "boolean", columns.UUID: "uuid"}
    for column, kind in columns.KINDS.items():
        found = [
            tables[table]["columns"][column]["type"]
            for table in ("Bridge", "Port", "Interface", "QoS", "Queue")
            if column in tables[table]["columns"]
        ]
        found += [
            tables[table]["columns"][column]["type"]
            for table in ("sFlow", "Controller", "Open_vSwitch")
            if column in tables[table]["columns"] and not found
        ]
        if column == "statistics":
            found = found[-1:]  # of Port and Interface, not of Open_vSwitch
        for type_ in found:
            type_ = type_ if isinstance(type_, dict) else {"key": type_}
            assert names[kind.atom] == (type_["key"]["type"] if isinstance(type_["key"], dict) else type_["key"]), column
            assert (kind.least, kind.most == 1) == (
                type_.get("min", 1) if type_.get("max", 1) != "unlimited" else 0,
                type_.get("max", 1) == 1,
            ), column
            assert (kind.value is None) == ("value" not in type_), column


def rows_of(result: object) -> list[dict]:
    """The rows in a reply to a transaction or a monitor_cond."""
    if isinstance(result, dict):
        changes = [change for table in result.values() if isinstance(table, dict) for change in table.values()]
        return [change["initial"] for change in changes if isinstance(change, dict) and "initial" in change]
    return [row for each in result if each for row in each.get("rows", ())] if isinstance(result, list) else []


@pytest.fixture(scope="module")
def lying(running_switch):
    """``lying(command, column, value)``: run it on a switch with all rows and this value in each; returns the exit code and errors."""
    with running_switch("dummy") as switch:
        for command in (
            "qos set eth1 --max-rate 10mbit --queue 0:min=1mbit --queue 1:max=2mbit,dscp=10", "police set eth1 --rate 1mbit",
            "sflow enable br0 --collector 127.0.0.1 --agent lo --force", "bridge set br0 --controller tcp:127.0.0.1:1", "port set eth1 --tag 7",
        ):  # fmt: skip
            assert switch.ovstool(f"{command} --no-wait").code == 0
        lie: list = [None, None]
        told: list = []
        address = f"{switch.box.directory}/lying.sock"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(address)
            listening.listen()

            def pass_on(client: socket.socket) -> None:
                with client, socket.socket(socket.AF_UNIX) as server:
                    server.connect(f"{switch.box.directory}/db.sock")
                    while data := client.recv(1 << 20):
                        server.sendall(data)
                        answer = server.recv(1 << 20)
                        while True:
                            try:
                                message = json.loads(answer)
                                break
                            except ValueError:
                                answer += server.recv(1 << 20)
                        for row in rows_of(message.get("result")):
                            if lie[0] in row:
                                row[lie[0]] = lie[1]
                                told.append(row)
                        client.sendall(json.dumps(message).encode())

            def serve() -> None:
                while True:
                    try:
                        client, _ = listening.accept()
                    except OSError:
                        return
                    threading.Thread(target=pass_on, args=(client,), daemon=True).start()

            threading.Thread(target=serve, daemon=True).start()

            def run(command: str, column: str, value: object) -> tuple[int, str, bool]:
                lie[:] = column, value
                told.clear()
                out, err = io.StringIO(), io.StringIO()
                code = App(out, err).run(["--db", f"unix:{address}", *shlex.split(command), "-f", "json"])
                return code, err.getvalue(), bool(told)

            yield run
            listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("column", sorted(columns.KINDS))
def test_a_column_of_another_type(lying, column):
    kind = columns.KINDS[column]
    wrong = WRONG[kind.atom] if kind.value is None else [7, ["map", [["a"]]], ["map", [[["set", []], 7]]], ["set", ["a"]]]
    for number, command in enumerate(COMMANDS):
        code, errors, told = lying(command, column, wrong[number % len(wrong)])
        failures = [line for line in errors.splitlines() if not line.startswith("ovstool: note: ")]
        if told and "is not known" not in errors:  # a check continues without what it could not read, and notes that
            assert code == UNREACHABLE and len(failures) == 1 and failures[0].startswith("ovstool: "), (command, code, errors)
        assert code != 70, (command, errors)


def mutations(value: object, depth: int = 0):
    """Schemas in which one thing, anywhere, is replaced."""
    for new in (None, 7, "x", [], {}, [[]], {"type": {}}, {"key": {"type": 7}}, 1e400):
        yield new
    if isinstance(value, dict) and depth < 5:
        for key in list(value)[:3]:
            for new in mutations(value[key], depth + 1):
                yield value | {key: new}


def test_a_schema_that_lies():
    """An invalid schema is an error of the peer, whatever the reason why the ovs package cannot read it."""
    interface = vswitch_schema()["tables"]["Interface"]
    small = {
        "version": "8.0.0",
        "tables": {"Interface": interface | {"columns": {key: interface["columns"][key] for key in ("name", "options", "ofport")}}},
    }
    operations = [{"op": "insert", "table": "Interface", "row": {"name": "x", "options": ["map", []], "ofport": 5}}]
    schema.check(small, operations)
    for lie in mutations(small):
        if type(lie) is not dict or type(lie.get("tables")) is not dict:
            continue  # reported by Client.get_schema
        for wanted in (lambda lie=lie: schema.columns(lie, "Interface"), lambda lie=lie: schema.check(lie, operations)):
            try:
                wanted()
            except OvstoolError as error:
                assert str(error).isprintable()
