"""The requests of a transaction, and how it handles each reply: the test's own server records the requests and gives the replies."""

import json
import logging
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from ovstool.errors import Refused, Unreachable
from ovstool.ovsdb.client import Client, OperationFailed
from ovstool.ovsdb.columns import by_row
from ovstool.ovsdb.transaction import Query, Stale, Transaction, select, tables
from ovstool.ovsdb.values import uuid

U1, U2, U3, U4, U5 = (f"00000000-0000-0000-0000-00000000000{n}" for n in range(1, 6))
SCHEMA = {"tables": {
    "Port": {"columns": {"name": {"type": "string"}, "tag": {"type": "integer"}}},
    "QoS": {"columns": {"type": {"type": "string"}}},
    "Flow_Sample_Collector_Set": {"columns": {"bridge": {"type": "uuid"}}},
}}  # fmt: skip


@contextmanager
def server(*answers):
    """A client and its requests; each gets the next of these replies, or an error if that is an exception.

    Requests that end a monitor are always granted and are not recorded.
    """
    ours, theirs = socket.socketpair()
    asked = []

    def serve() -> None:
        decoder, text = json.JSONDecoder(), ""
        with theirs, suppress(OSError):
            while data := theirs.recv(1 << 16):
                text += data.decode()
                while text:
                    request, end = decoder.raw_decode(text)
                    text = text[end:]
                    if request["method"] == "monitor_cancel":
                        assert asked[-1][:3] == ("monitor_cond", "Open_vSwitch", *request["params"])
                        theirs.sendall(json.dumps({"id": request["id"], "result": {}, "error": None}).encode())
                        continue
                    given = answers[len(asked)] if len(asked) < len(answers) else ValueError("more requests than replies")
                    asked.append((request["method"], *request["params"]))
                    failed = isinstance(given, Exception)
                    answer = {"id": request["id"], "result": None if failed else given, "error": str(given) if failed else None}
                    theirs.sendall(json.dumps(answer).encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    client = Client(ours, "unix:test", time.monotonic() + 60)
    try:
        yield client, asked
    finally:
        client.close()
        thread.join(60)
    assert len(asked) == len(answers)


def rows(*found: dict) -> dict:
    return {"rows": list(found)}


# --- writing


def test_what_is_written_is_sent_after_what_is_held():
    with server() as (client, _):
        txn = Transaction(client)
        assert txn.operations(True) == txn.operations(False) == [] and not txn.thorough
        port = Query("Port", [["name", "==", "p"]], ("_uuid", "tag", "qos"))
        txn.hold(port, [{"_uuid": uuid(U1), "tag": 5, "qos": None, "more": 1}])
        txn.hold(Query("Bridge", []), [])
        assert txn.operations(True) == []
        one = txn.insert("QoS", {"type": "linux-htb"})
        txn.update("Port", U1, {"qos": one})
        two = txn.insert("Queue", {})
        txn.mutate("Bridge", U2, [["ports", "delete", ["set", []]]])
        txn.delete("QoS", U3)
        assert (one, two) == (["named-uuid", "row0"], ["named-uuid", "row2"])
        sent = [
            {"op": "wait", "timeout": 0, "table": "Port", "where": [["name", "==", "p"]], "columns": ["_uuid", "tag"], "until": "==",
             "rows": [{"_uuid": ["uuid", U1], "tag": 5}]},
            {"op": "wait", "timeout": 0, "table": "Bridge", "where": [], "columns": ["_uuid"], "until": "==", "rows": []},
            {"op": "insert", "table": "QoS", "uuid-name": "row0", "row": {"type": "linux-htb"}},
            {"op": "update", "table": "Port", "where": [["_uuid", "==", ["uuid", U1]]], "row": {"qos": ["named-uuid", "row0"]}},
            {"op": "insert", "table": "Queue", "uuid-name": "row2", "row": {}},
            {"op": "mutate", "table": "Bridge", "where": [["_uuid", "==", ["uuid", U2]]], "mutations": [["ports", "delete", ["set", []]]]},
            {"op": "delete", "table": "QoS", "where": [["_uuid", "==", ["uuid", U3]]]},
        ]  # fmt: skip
        bump = [
            {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]},
            {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]},
        ]
        assert txn.operations(False) == sent and txn.operations(True) == sent + bump
        txn.watch(port)
        assert txn.interfaces == [port] and txn.operations(False) == sent


def test_a_row_can_be_inserted_with_its_uuid():
    with server() as (client, _):
        txn = Transaction(client)
        assert txn.insert("Queue", {"dscp": 1}, U1) == ["uuid", U1] and txn.insert("Queue", {}) == ["named-uuid", "row1"]
        assert txn.operations(False) == [
            {"op": "insert", "table": "Queue", "uuid": U1, "row": {"dscp": 1}},
            {"op": "insert", "table": "Queue", "uuid-name": "row1", "row": {}},
        ]


def test_a_commit_returns_what_to_wait_for():
    def commit(wait: bool, write: bool, results: list, hold: bool = True) -> int | None:
        with server(*([results] if results else [])) as (client, asked):
            txn = Transaction(client)
            if hold:
                txn.hold(Query("Port", []), [])
            if write:
                txn.insert("Port", {})
            next_cfg = txn.commit(wait)
            assert [len(request) - 2 for request in asked] == [hold + write + 2 * (wait and write)] * bool(results)
            return next_cfg

    assert commit(True, True, [{}, {"uuid": ["uuid", U1]}, {"count": 1}, rows({"next_cfg": 7})]) == 7
    assert commit(False, True, [{}, {}]) is None
    assert commit(True, False, [{}]) is None and commit(True, False, [], hold=False) is None
    for last in ({}, rows(), {"rows": []}):
        with pytest.raises(Unreachable, match="not a valid OVSDB reply: a switch without next_cfg"):
            commit(True, True, [{}, {}, {}, last])


FAILED, OTHER = {"error": "timed out", "details": "d"}, {"error": "constraint violation"}


@pytest.mark.parametrize(
    ("results", "error"),
    [
        ([FAILED, None, None], Stale), ([{}, FAILED, None], Stale), ([{}, {}, FAILED], OperationFailed), ([OTHER, None, None], OperationFailed),
        ([{}, {}, {}, FAILED], OperationFailed),
    ],
)  # fmt: skip
def test_what_was_read_has_changed_since(results, error):
    with server(results, results[:2]) as (client, _):
        txn = Transaction(client)
        txn.hold(Query("Port", []), [])
        txn.hold(Query("QoS", []), [])
        txn.insert("Port", {})
        with pytest.raises(error):
            txn.commit(False)
        if results[:2] == [{}, {}]:
            txn.require_held()
        else:
            with pytest.raises(error):
                txn.require_held()


def test_without_waits_there_is_no_extra_request():
    with server() as (client, _):
        Transaction(client).require_held()


def test_what_is_held_is_read_with_what_is_unlisted():
    with server([rows({"name": "p"})]) as (client, asked):
        txn = Transaction(client)
        assert txn.held(Query("Port", [["name", "==", "p"]], ("name",))) == [{"name": "p"}]
        assert asked == [
            ("transact", "Open_vSwitch", {"op": "select", "table": "Port", "where": [["name", "==", "p"]], "columns": ["name"]})
        ]
        txn.insert("Port", {})
        assert txn.operations(False)[0]["rows"] == [{"name": "p"}]


def test_writes_are_checked_against_the_schema():
    with server() as (client, _):
        txn = Transaction(client)
        txn.check(SCHEMA)
        txn.update("Port", U1, {"nosuch": 1})
        with pytest.raises(Refused, match=r"Port\.nosuch"):
            txn.check(SCHEMA)


# --- reading


def asked_for(*selects: tuple) -> tuple:
    return (
        "transact",
        "Open_vSwitch",
        *({"op": "select", "table": table, "where": where, "columns": list(columns)} for table, where, columns in selects),
    )


KEPT = ("Flow_Sample_Collector_Set", [], ("bridge",))


def test_rows_are_read_in_one_request():
    queries = [Query("QoS", [], ("type", "type")), Query("Queue", [["_uuid", "==", uuid(U1)]])]
    with server([rows({"type": "a"}, {"type": "b"}), rows()]) as (client, asked):
        assert select(client, queries) == [[{"type": "a"}, {"type": "b"}], []]
    assert asked == [asked_for(("QoS", [], ["type"]), ("Queue", [["_uuid", "==", ["uuid", U1]]], ["_uuid"]))]
    with server() as (client, _):
        assert select(client, []) == []
    with server([{}]) as (client, _), pytest.raises(Unreachable, match="a select without rows"):
        select(client, queries[:1])
    with server([None]) as (client, _), pytest.raises(Unreachable, match="a select without rows"):
        select(client, queries[:1])


def test_only_bridges_in_the_root_table_are_read():
    of_ports, of_qos = Query("Port", [], ("name",)), Query("QoS", [], ("type",))
    with server([rows({"name": "p"}), rows({"type": "t"}), rows()]) as (client, asked):
        assert select(client, [of_ports, of_qos]) == [[{"name": "p"}], [{"type": "t"}]]
    assert asked == [asked_for(("Port", [], ["name"]), ("QoS", [], ["type"]), KEPT)]
    with server([rows({"name": "p"})]) as (client, _):
        assert select(client, [of_ports._replace(unlisted=True)]) == [[{"name": "p"}]]
    # Of two bridges with sFlow, only one is in the root table.
    kept, root = rows({"bridge": uuid(U1)}, {"bridge": uuid(U2)}, {"bridge": uuid(U2)}), rows({"bridges": ["set", [["uuid", U1]]]})
    listed, unlisted = {"_uuid": uuid(U4), "name": "p"}, {"_uuid": uuid(U3), "name": "q"}
    qos = {"_uuid": uuid(U3), "type": "t"}
    with server(
        [rows({"name": "p"}, {"name": "q"}), rows({"type": "t"}), kept], [root], [rows({"ports": uuid(U3)})], [rows({"interfaces": uuid(U5)})],
        [rows(listed, unlisted), rows(qos)],
    ) as (client, asked):  # fmt: skip
        assert select(client, [of_ports, of_qos]) == [[listed], [qos]]
    assert asked[1:] == [
        asked_for(("Open_vSwitch", [], ["bridges"])),
        asked_for(("Bridge", [["_uuid", "==", ["uuid", U2]]], ["ports"])),
        asked_for(("Port", [["_uuid", "==", ["uuid", U3]]], ["interfaces"])),
        asked_for(("Port", [], ["_uuid", "name"]), ("QoS", [], ["_uuid", "type"])),
    ]
    with server([rows({"name": "p"}), rows({"bridge": uuid(U1)})], [root]) as (client, _):
        assert select(client, [of_ports]) == [[{"name": "p"}]]


def test_whole_tables_without_what_is_unlisted():
    answer = {
        "Port": {U3: {"initial": {"name": "q"}}, U4: {"initial": {"name": "p"}}},
        "Flow_Sample_Collector_Set": {U5: {"initial": {"bridge": uuid(U2)}}},
    }
    root = [rows({"bridges": uuid(U1)})]
    with server(answer, root, [rows({"ports": uuid(U3)})], [rows({"interfaces": uuid(U5)})]) as (client, asked):
        assert by_row(tables(client, {"Port": ("name",), "QoS": ("type",)})) == {"Port": {U4: {"name": "p"}}, "QoS": {}}
    told = {"initial": True, "insert": False, "delete": False, "modify": False}
    wanted = {table: [{"columns": [column], "select": told}] for table, column in (("Port", "name"), ("QoS", "type"), (KEPT[0], "bridge"))}
    assert asked[0] == ("monitor_cond", "Open_vSwitch", "tables 0", wanted)
    with server({"Port": {U3: {"initial": {}}}}) as (client, _):
        assert by_row(tables(client, {"Port": ("name",)})) == {"Port": {U3: {"name": ""}}}


# --- an older server


def test_a_missing_column_is_none():
    queries = [
        Query("QoS", [], ("type", "later", "type")),
        Query("QoS", [["later", "==", 1]], ("type",)),
        Query("QoS", [["_uuid", "==", uuid(U1)]], ("_uuid",)),
    ]
    for failed in ("unknown column", "syntax error"):
        with server([{"error": failed}, None, None], SCHEMA, [rows({"type": "t"}), rows({"_uuid": uuid(U1)})]) as (client, asked):
            assert select(client, queries) == [[{"type": "t", "later": None}], [], [{"_uuid": uuid(U1)}]]
    assert asked[1:] == [
        ("get_schema", "Open_vSwitch"),
        asked_for(("QoS", [], ["type"]), ("QoS", [["_uuid", "==", ["uuid", U1]]], ["_uuid"])),
    ]
    with server([{"error": "unknown column"}], SCHEMA) as (client, _):
        assert select(client, [queries[1]]) == [[]]


def test_an_error_of_another_kind_is_raised():
    with server([{"error": "resources exhausted", "details": "d"}]) as (client, _), pytest.raises(OperationFailed) as failure:
        select(client, [Query("QoS", [])])
    assert (str(failure.value), failure.value.error, failure.value.index) == ("resources exhausted: d", "resources exhausted", 0)
    with server([None, {"error": "syntax error"}], SCHEMA) as (client, _), pytest.raises(OperationFailed) as failure:
        select(client, [Query("QoS", []), Query("Nosuch", [])])
    assert (str(failure.value), failure.value.index) == ("syntax error", 1)


def test_tables_of_an_older_server():
    answer = {"Port": {U1: {"initial": {"name": "p"}}}}
    with server(ValueError("unknown column"), SCHEMA, answer) as (client, asked):
        found = by_row(tables(client, {"Port": ("name", "later"), "QoS": ("type",)}))
    assert found == {"Port": {U1: {"name": "p", "later": None}}, "QoS": {}}
    assert {table: of[0]["columns"] for table, of in asked[2][3].items()} == {"Port": ["name"], "QoS": ["type"], KEPT[0]: ["bridge"]}
    with server(ValueError("unknown table"), SCHEMA) as (client, _), pytest.raises(OperationFailed) as failure:
        tables(client, {"Port": ("name",), "Nosuch": ("name",)})
    assert (str(failure.value), failure.value.index) == ("syntax error: No table named Nosuch.", 0)


def test_some_rows_of_tables():
    """A row fits one condition or another; no condition would mean all rows, and ``false`` fits none. An older server is asked again."""
    with server(ValueError("unknown column"), SCHEMA, {"Port": {U2: {"initial": {"name": "p"}}}}) as (client, asked):
        found = by_row(
            tables(
                client,
                {"Port": ("name", "later"), "QoS": ("type",)},
                {"Port": [["_uuid", "==", ["uuid", u]] for u in (U1, U2)], "QoS": [False]},
            )
        )
    assert found == {"Port": {U2: {"name": "p", "later": None}}, "QoS": {}}
    for request in (asked[0], asked[2]):
        conditions = {table: of[0].get("where") for table, of in request[3].items()}
        assert conditions == {"Port": [["_uuid", "==", uuid(U1)], ["_uuid", "==", uuid(U2)]], "QoS": [False], KEPT[0]: None}


# --- the client


def test_verbose_output_of_requests(caplog):
    caplog.set_level(logging.INFO, "ovstool")
    with server([rows(), rows()], SCHEMA, {}) as (client, asked):
        client.transact([{"op": "select", "table": "Port"}, {"op": "select", "table": "x" * 400}])
        assert client.get_schema() == SCHEMA
        client.watch("Port", ["name"])
    assert caplog.messages == [
        f"unix:test: transact select Port, select {'x' * 400}"[: 11 + 300],
        "unix:test: get_schema",
        "unix:test: monitor",
    ]
    told = {"initial": False, "insert": True, "delete": True, "modify": True}
    assert asked[2] == ("monitor", "Open_vSwitch", None, {"Port": {"columns": ["name"], "select": told}})


@pytest.mark.parametrize(
    ("call", "answer", "why"),
    [
        (lambda client: client.get_schema(), [], "a schema without tables"),
        (lambda client: client.get_schema(), {"tables": []}, "a schema without tables"),
        (lambda client: client.tables({"Port": ("name",)}), [], "tables that are not an object"),
        (lambda client: client.transact([{"op": "x"}, {"op": "x"}]), [{}], "a transaction without results"),
        (lambda client: client.transact([{"op": "x"}]), {}, "a transaction without results"),
        (lambda client: client.transact([{"op": "x"}]), [[]], "a result that is not an object"),
    ],
)
def test_invalid_replies(call, answer, why):
    with server(answer) as (client, _), pytest.raises(Unreachable) as failure:
        call(client)
    assert str(failure.value) == f"the database: not a valid OVSDB reply: {why}"


def test_changes_that_the_server_reports():
    ours, theirs = socket.socketpair()
    client = Client(ours, "unix:test", time.monotonic() + 60)
    update = b'{"id":null,"method":"update","params":[null,{}]}'
    with theirs:
        assert not client.changed()
        theirs.sendall(update + update[:20])
        assert client.changed() and not client.changed()
        theirs.sendall(update[20:])
        assert client.changed() and not client.changed()
        theirs.sendall(b'{"id":7,"method":"echo","params":[1]}{"id":9,"result":1}')
        assert not client.changed() and json.loads(theirs.recv(100)) == {"id": 7, "result": [1], "error": None}
    with pytest.raises(Unreachable) as failure:
        client.changed()
    assert (
        str(failure.value) == "unix:test: connection lost: closed by the server; try: the command again (every command is safe to repeat)"
    )
    assert not client.changed()  # it is closed, which an earlier error reported
    with pytest.raises(Unreachable, match="unix:test: the connection is closed"):
        client.get_schema()


def test_a_client_is_closed_after_an_unrequested_reply():
    with server([rows({"nosuch": 1})]) as (client, _):
        with pytest.raises(Unreachable, match="a row without the requested columns"):
            select(client, [Query("QoS", [], ("type",))])
        with pytest.raises(Unreachable, match="unix:test: the connection is closed"):
            client.get_schema()


class Sink:
    """A stream that keeps what is sent, and answers that this many operations were done."""

    def __init__(self, done: int):
        self.sent: list[bytes] = []
        self._answer = json.dumps({"id": 1, "result": [{}] * done, "error": None}).encode() + b"\n"

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def sendall(self, data: bytes) -> None:
        self.sent.append(data)

    def recv(self, _: int) -> bytes:
        return self._answer


@pytest.mark.parametrize(("operations", "pieces"), [(0, 1), (1, 1), (249, 1), (250, 2), (499, 2), (500, 3)])
def test_a_large_request_is_sent_in_pieces(operations, pieces):
    """The name of the database and 249 operations fit into the first, 250 into each of the others."""
    stream = Sink(operations)
    asked = [{"op": "comment", "comment": f"{index}, é"} for index in range(operations)]
    assert Client(stream, "unix:test", time.monotonic() + 60).transact(asked) == [{}] * operations
    assert json.loads(b"".join(stream.sent)) == {"id": 1, "method": "transact", "params": ["Open_vSwitch", *asked]}
    assert len(stream.sent) == pieces
