"""Invalid replies, endless ones, or ones that would need many times their size, cost no memory, and no time beyond -t."""

import json
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import peak
import pytest

UNREACHABLE, TIMED_OUT = 5, 7
MIB = 2**20
BEGIN = b'{"id":1,"error":null,"result":['
ROW = b'{"rows":[{"_uuid":["uuid","00000000-0000-0000-0000-000000000000"],"name":"a","external_ids":["map",['

TABLES = b'{"id":1,"error":null,"result":{'
U = str(UUID(int=0))
AT = b'"00000000-0000-0000-0000-000000000000":{"initial":{'


@contextmanager
def peer(*pieces: bytes) -> Iterator[str]:
    """A server that answers the first request with the first of these, and then repeats the last one, up to 256 MiB."""
    with tempfile.TemporaryDirectory(prefix="ovstool-test-", dir="/tmp") as directory, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{directory}/db.sock")
        listening.listen()

        def serve() -> None:
            stream, _ = listening.accept()
            threading.Thread(target=swallow, args=(stream,), daemon=True).start()
            try:
                for piece in pieces[:-1]:
                    stream.sendall(piece)
                again = pieces[-1] * (MIB // len(pieces[-1]) + 1)
                for _ in range(256):
                    stream.sendall(again)
                stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

        def swallow(stream: socket.socket) -> None:
            try:
                while stream.recv(MIB):
                    pass
            except OSError:
                pass

        threading.Thread(target=serve, daemon=True).start()
        yield f"unix:{directory}/db.sock"


def run(db: str, command: str) -> tuple[int, str, float]:
    """The exit code, the errors, and the peak memory in MiB."""
    argv = [sys.executable, "-m", "ovstool", "--db", db, *command.split()]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OVS")}
    done = peak.run(argv, environ)
    return done.code, done.stderr, done.mib


@pytest.fixture(scope="module")
def usual_mib() -> float:
    """The memory of a command that learns at once that the peer is not a switch."""
    with peer(b"garbage") as db:
        return run(db, "bridge list -t 20")[2]


def takes_little(command: str, usual_mib: float, *pieces: bytes) -> None:
    """Assert that the command ends with a line about this peer, and needs hardly more memory than usual."""
    with peer(*pieces) as db:
        code, errors, peak_mib = run(db, command)
    assert code in (UNREACHABLE, TIMED_OUT) and errors.startswith("ovstool: ") and errors.count("\n") == 1, errors
    assert peak_mib - usual_mib < 64


@pytest.mark.parametrize(
    "pieces",
    [
        (BEGIN, b"[],"), (BEGIN, b"{},"), (BEGIN, b"null,"), (BEGIN, b'{"rows":[]},'), (BEGIN + b'{"rows":[', b"{},"), (BEGIN + b'{"rows":[', b"[],"),
        (BEGIN + b'{"rows":[', ROW[9:] + b"]]},"), (BEGIN + ROW, b"[],"), (BEGIN + ROW, b"{},"), (BEGIN + ROW, b'["ab","cd"],'), (BEGIN + ROW, b'{"ab":1e4},'),
        (BEGIN + ROW, b"["), (BEGIN + ROW, b"12345,"), (BEGIN + ROW + b'["', b"x"), (BEGIN + ROW + '["\U0001f600'.encode(), b"}"), (BEGIN + b'{"rows":', b"[],"),
        (BEGIN + b'{"rows":', b'{"a":'), (BEGIN + b'{"a":1', b',"a":[]'), (b'{"id":1', b',"a":[[],[]]'), (b'{"id":1,"result":', b"["), (b'{"', b"x"), (b'{"id":', b"9"),
        (b'{"id":1,"error":"', b"\\u0041"), (b'{"id":null,"method":"update","params":[', b"{},"), (b'{"id":null,"method":"echo","params":[', b"[],"), (b" ",), (b"{",), (b"\xf0\x9f\x98\x80",),
    ],
    ids=lambda pieces: b" ".join(pieces).decode()[-40:],
)  # fmt: skip
def test_memory_is_bounded(usual_mib, pieces):
    takes_little("bridge list -t 5", usual_mib, *pieces)


@pytest.mark.parametrize(
    "pieces",
    [
        (TABLES, b'"Port":{},'), (TABLES, b'"Port":[],'), (TABLES, b'"Nosuch":{},'), (TABLES, b"[],"), (TABLES + b'"Port":{', b'"":{},'),
        (TABLES + b'"Port":{', AT + b"}},"), (TABLES + b'"Port":{', AT + b'"name":""}},'), (TABLES + b'"Port":{', b'"a":{"initial":{}},'),
        (TABLES + b'"Port":{', b'"a":{"insert":{}},'), (TABLES + b'"Port":{' + AT, b'"name":"a",'), (TABLES + b'"Port":{' + AT, b'"nosuch":[],'),
        (TABLES + b'"Port":{' + AT + b'"trunks":["set",[', b"1,"), (TABLES + b'"Port":{' + AT + b'"trunks":["set",[', b"[],"),
        (TABLES + b'"Port":{' + AT + b'"trunks":', b"["), (TABLES + b'"Port":{' + AT + b'"name":"', b"}}}"), (TABLES + b'"Port":', b'{"a":'),
        (TABLES + b'"Port":{"', b"x"), (TABLES, b" "), (BEGIN, b"[],"), (b'{"id":1,"error":null,"result":"', b"x"),
    ],
    ids=lambda pieces: b" ".join(pieces).decode()[-60:],
)  # fmt: skip
def test_memory_of_whole_tables_is_bounded(usual_mib, pieces):
    takes_little("port list -t 5", usual_mib, *pieces)


@pytest.mark.parametrize(
    "message",
    [
        {"id": None, "method": "update", "params": [None, {}]},
        {"id": "x", "method": "echo", "params": [[]] * 1000},
        {"id": 7, "result": [], "error": None},
        {},
    ],
    ids=str,
)
def test_unrequested_messages_end_at_the_timeout(usual_mib, message):
    takes_little("bridge list -t 1", usual_mib, json.dumps(message).encode())


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_rows_in_any_valid_json(size):
    """With spaces, with text in a string that looks like the end of a row, and cut anywhere: all valid JSON is read."""
    from ovstool.ovsdb.reply import ReplyReader

    rows = [
        {"name": f'p{i}"}},{{"}}]é\U0001f600\\', "external_ids": ["map", [["a", "}]},{"], ["b", "\n\t\u2028"]]]}
        for i in range(300 if size > 7 else 5)
    ]
    answer = {"id": 1, "result": [{"rows": rows}, {"rows": []}, {}, {"rows": rows[:1]}], "error": None}
    select = {"op": "select", "table": "Interface", "columns": ["name", "external_ids"]}
    for options in ({"separators": (",", ":")}, {"indent": 2}, {"ensure_ascii": False}, {"separators": (" ,\n", "\t: ")}):
        data = (json.dumps(answer, **options) + "\n" + json.dumps({"id": 2}, **options)).encode()
        reader = ReplyReader()
        reader.operations = [select] * 3
        found = []
        for begin in range(0, len(data), size):
            reader.feed(data[begin : begin + size])
            while message := reader.take():
                found.append(message)
        assert found == [answer, {"id": 2}], options


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_tables_may_come_in_any_way(size):
    from ovstool.ovsdb import columns
    from ovstool.ovsdb.reply import ReplyReader

    odd = '"}}},{"}}]é\U0001f600\\'
    ports = range(300 if size > 7 else 5)
    rows = {str(UUID(int=i)): {"name": f"p{i}{odd}", "options": ["map", [["a", '}},"'], ["b", "\n"]]]} for i in ports}
    bridge = {str(UUID(int=999)): {"name": "br0"}}
    answer = {"Interface": {u: {"initial": row} for u, row in rows.items()} | {str(UUID(int=1000)): {"initial": {}}}}
    answer["Bridge"] = {u: {"initial": row} for u, row in bridge.items()}
    filled_in = {u: {"error": ["set", []], "ofport": ["set", []], "ingress_policing_rate": 0} | row for u, row in rows.items()}
    filled_in[str(UUID(int=1000))] = {
        "name": "",
        "options": ["map", []],
        "error": ["set", []],
        "ofport": ["set", []],
        "ingress_policing_rate": 0,
    }
    for options in ({"separators": (",", ":")}, {"indent": 2}, {"ensure_ascii": False}, {"separators": (" ,\n", "\t: ")}):
        data = (json.dumps({"id": 1, "result": answer, "error": None}, **options) + "\n" + json.dumps({"id": 2}, **options)).encode()
        reader = ReplyReader()
        reader.tables = {
            "Bridge": ("name", "fake_bridge"),
            "Interface": ("name", "options", "error", "ofport", "ingress_policing_rate"),
            "QoS": ("type",),
        }
        found = []
        for begin in range(0, len(data), size):
            reader.feed(data[begin : begin + size])
            while message := reader.take():
                found.append(message | ({"result": columns.by_row(message["result"])} if "result" in message else {}))
        tables = {"Interface": filled_in, "Bridge": {u: row | {"fake_bridge": False} for u, row in bridge.items()}}
        assert found == [{"id": 1, "result": tables, "error": None}, {"id": 2}], options


@pytest.mark.parametrize(
    "result",
    [
        {"Bridge": []}, {"Bridge": None}, {"Port": {}}, {"Bridge": {"u": {"initial": {}}}}, {"Bridge": {U: None}}, {"Bridge": {U: {}}},
        {"Bridge": {U: {"initial": None}}}, {"Bridge": {U: {"initial": []}}}, {"Bridge": {U: {"initial": {}, "insert": {}}}},
        {"Bridge": {U: {"insert": {}}}}, {"Bridge": {U: {"initial": {"nosuch": 1}}}}, {"Bridge": {U: {"initial": {"name": 7}}}},
        {"Bridge": {U: {"initial": {"name": {"a": {}}}}}}, {"Bridge": {U: {"initial": {"ports": ["set", [7]]}}}},
        {"Bridge": {U: {"initial": {"name": None}}}},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("space", ["", " "])
def test_tables_that_no_switch_has(result, space):
    from ovstool.errors import Unreachable
    from ovstool.ovsdb.reply import ReplyReader

    reader = ReplyReader()
    reader.tables = {"Bridge": ("name", "ports")}
    reader.feed(json.dumps({"id": 1, "result": result}, separators=(f"{space},", f"{space}:{space}")).encode())
    with pytest.raises(Unreachable, match="not a valid OVSDB reply"):
        reader.take()


def test_a_hundred_thousand_ports_in_one_bridge():
    """The largest single value that a switch can have."""
    from ovstool.ovsdb.reply import ReplyReader

    ports = ["set", [["uuid", f"00000000-0000-0000-0000-{i:012}"] for i in range(100_000)]]
    data = json.dumps({"id": 1, "result": [{"rows": [{"name": "br0", "ports": ports}]}], "error": None}).encode()
    reader = ReplyReader()
    reader.operations = [{"op": "select", "table": "Bridge", "columns": ["name", "ports"]}]
    for begin in range(0, len(data), 2**18):
        assert reader.take() is None
        reader.feed(data[begin : begin + 2**18])
    assert reader.take()["result"][0]["rows"][0]["ports"] == ports
