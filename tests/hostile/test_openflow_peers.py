"""Bridge sockets without a listener, or with a broken or hostile one; the database next to them is real."""

import io
import json
import os
import re
import select
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from forked import FORKS
from kill import kill
from listening import listening
from test_ovsdb_servers import server, vswitch_schema

from ovstool.shell import App

UNREACHABLE, REFUSED, TIMED_OUT = 5, 6, 7
STORED = {"rx_packets": 42, "tx_bytes": 43}  # the counters in the database
FILLED = [
    "Open_vSwitch",
    {"op": "insert", "table": "Interface", "uuid-name": "i", "row": {"name": "eth1", "ofport": 1,
     "statistics": ["map", list(STORED.items())]}},
    {"op": "insert", "table": "Port", "uuid-name": "p", "row": {"name": "eth1", "interfaces": ["named-uuid", "i"]}},
    {"op": "insert", "table": "Bridge", "uuid-name": "b", "row": {"name": "br0", "ports": ["named-uuid", "p"]}},
    {"op": "insert", "table": "Open_vSwitch", "row": {"bridges": ["named-uuid", "b"]}},
]  # fmt: skip
XID = 2  # of the first request after the hello


@pytest.fixture(scope="module")
def place():
    """A run directory with a real ovsdb-server, and no ovs-vswitchd."""
    with tempfile.TemporaryDirectory(prefix="ovstool-test-", dir="/tmp") as name, server(Path(name), vswitch_schema()) as (db, _):
        # Written through the server, because statistics are not stored in its file.
        subprocess.run(["ovsdb-client", "transact", db, json.dumps(FILLED)], check=True, capture_output=True)
        yield Path(name)


def peer(place: Path, handler):
    """Pass each connection to the bridge's socket to ``handler``."""
    return listening(place / "br0.mgmt", handler)


def ovstool(place: Path, command: str, *prefix: str) -> subprocess.CompletedProcess:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OVS")}
    words = ["--db", f"unix:{place}/db.sock", *shlex.split(command)]
    if not prefix:
        return FORKS.run_text(words, environ)
    argv = [*prefix, sys.executable, "-m", "ovstool", *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False)


def here(place: Path, command: str) -> subprocess.CompletedProcess:
    """Run ovstool in this process, because there are many of these."""
    out, err = io.StringIO(), io.StringIO()
    code = App(out, err).run(["--db", f"unix:{place}/db.sock", *shlex.split(command)])
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


def fails(place: Path, command: str, code: int, *prefix: str, run=ovstool) -> str:
    """Run a command that must fail, and return its error line."""
    done = run(place, command, *prefix)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr.startswith("ovstool: ") and done.stderr.endswith("\n") and done.stderr[:-1].isprintable() and len(done.stderr) < 1000
    assert "a bug in ovstool" not in done.stderr
    return done.stderr


def falls_back(place: Path, command: str, run=ovstool) -> str:
    """Run a command that must fall back to the database's counters, and return its note."""
    done = run(place, f"{command} -f json --long")
    assert done.returncode == 0, done
    (row,) = json.loads(done.stdout)
    assert {name: value for name, value in row.items() if value is not None} == {"port": "eth1"} | STORED
    assert done.stderr[:-1].isprintable() and done.stderr.endswith("\n") and len(done.stderr) < 1000
    assert "these counters are from the database" in done.stderr
    return done.stderr


def message(kind: int, body: bytes = b"", xid: int = XID, version: int = 6, length: int | None = None) -> bytes:
    return struct.pack("!BBHI", version, kind, 8 + len(body) if length is None else length, xid) + body


def answer(statistics: int, body: bytes = b"", more: bool = False, **header) -> bytes:
    return message(19, struct.pack("!HH4x", statistics, more) + body, **header)


def port(*properties: bytes, number: int = 1) -> bytes:
    inner = struct.pack("!2xIII8Q", number, 1, 0, *range(8)) + b"".join(properties)
    return struct.pack("!H", 2 + len(inner)) + inner


def custom(names: list[bytes], count: int | None = None) -> bytes:
    listed = b"".join(struct.pack(f"!B{len(name)}sQ", len(name), name, 77) for name in names)
    count = len(names) if count is None else count
    data = struct.pack("!HHIIHH", 0xFFFF, 16 + len(listed), 0xAA01, 2, 0, count) + listed
    return data + bytes(-len(data) % 8)


HELLO = message(0, struct.pack("!HHI", 1, 8, 1 << 6), xid=1)
ECHO = message(2, b"data" * 100, xid=9)
ESCAPES = b"\x1b]0;owned\x07\x1b[31m\n\r\x9b\xe2\x80\xae\xff"


def says(*chunks: bytes, close: bool = False):
    """A peer that reads the hello and a request, sends this, and then nothing more."""

    def handler(stream: socket.socket) -> None:
        stream.recv(1 << 16)
        for chunk in chunks:
            stream.sendall(chunk)
        while not close and stream.recv(1 << 16):
            pass

    return handler


def for_ever(first: bytes, chunk: bytes, reads: bool = False):
    """A peer that sends the same forever, and may read what it is sent."""

    def handler(stream: socket.socket) -> None:
        stream.sendall(first)
        while True:
            stream.sendall(chunk)
            while reads and select.select([stream], [], [], 0)[0]:
                if not stream.recv(1 << 16):
                    return

    return handler


# What the peer does, and the error of a command that must not use another source.
BROKEN = {
    "closes at once": (says(close=True), UNREACHABLE),
    "closes unread": (lambda stream: None, UNREACHABLE),
    "closes after its hello": (says(HELLO, close=True), UNREACHABLE),
    "closes in the middle": (says(HELLO, answer(4, port())[:-1], close=True), UNREACHABLE),
    "garbage": (says(b"\xff\xfe garbage\r\n" * 1000), UNREACHABLE),
    "zeros": (says(bytes(100_000)), UNREACHABLE),
    "http": (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), UNREACHABLE),
    "json": (says(b'{"id":1,"method":"echo","params":[]}'), UNREACHABLE),
    "garbage after its hello": (says(HELLO, b"\x1b[31mgarbage\r\n" * 1000), UNREACHABLE),
    "a hello that lies": (says(message(0, struct.pack("!HHI", 1, 200, 1 << 6))), UNREACHABLE),
    "a length of 0": (says(HELLO, message(19, length=0)), UNREACHABLE),
    "a length of 7": (says(HELLO, message(19, length=7)), UNREACHABLE),
    "an answer without its header": (says(HELLO, message(19, b"\0\4")), UNREACHABLE),
    "another version": (says(HELLO, answer(4, port(), version=4)), UNREACHABLE),
    "another kind of statistics": (says(HELLO, answer(3, port())), UNREACHABLE),
    "an entry of length 0": (says(HELLO, answer(4, bytes(80))), UNREACHABLE),
    "a property of length 0": (says(HELLO, answer(4, port(b"\xff\xff\0\0\0\0\0\0"))), UNREACHABLE),
    "custom counters that are not there": (says(HELLO, answer(4, port(custom([b"a"], 65535)))), UNREACHABLE),
    "an error without a type": (says(HELLO, message(1, b"\0")), UNREACHABLE),
    "none of the versions": (says(message(0, struct.pack("!HHI", 1, 8, 1 << 2))), REFUSED),
    "versions of the future": (says(message(0, struct.pack("!HHI", 1, 8, 1 << 31), version=99)), REFUSED),
    "an error": (says(HELLO, message(1, struct.pack("!HH", 1, 5))), REFUSED),
    "an error with words": (says(HELLO, message(1, struct.pack("!HH", 0, 0) + ESCAPES * 1000)), REFUSED),
    "an error instead of a hello": (says(message(1, struct.pack("!HH", 0, 0) + ESCAPES)), REFUSED),
    "nothing": (says(), TIMED_OUT),
    "a hello and nothing": (says(HELLO), TIMED_OUT),
    "a part of a header": (says(HELLO, b"\x06\x13"), TIMED_OUT),
    "a part of an answer": (says(HELLO, answer(4, port(), length=60_000)), TIMED_OUT),
    "more that does not come": (says(HELLO, answer(4, port(), more=True)), TIMED_OUT),
    "endless echo requests": (for_ever(HELLO, ECHO, reads=True), TIMED_OUT),
    "endless echo requests, unread replies": (for_ever(HELLO, ECHO * 100), TIMED_OUT),
    "endless hellos": (for_ever(HELLO, HELLO * 1000), TIMED_OUT),
    "endless answers to somebody else": (for_ever(HELLO, answer(4, port(), xid=77) * 100), TIMED_OUT),
}  # fmt: skip


@pytest.mark.parametrize("handler, code", BROKEN.values(), ids=BROKEN)
def test_a_broken_peer(place, handler, code):
    with peer(place, handler):
        line = fails(place, f"stats eth1 --source openflow -t {0.3 if code == TIMED_OUT else 20}", code, run=here)
        assert line.startswith("ovstool: bridge br0: ")
        note = falls_back(place, f"stats eth1 -t {3 if code == TIMED_OUT else 20}", run=here)
        assert note.count("\n") == 1 and "bridge br0" in note


def test_queues_have_no_other_source(place):
    for handler, code in (BROKEN["closes at once"], BROKEN["another version"], BROKEN["none of the versions"]):
        with peer(place, handler):
            fails(place, "stats eth1 --queues", code)


def test_silence_ends_within_the_timeout(place):
    with peer(place, says()):
        fails(place, "stats eth1 --source openflow --timeout 2", TIMED_OUT)


@pytest.mark.parametrize("part", [answer(4, more=True), answer(4, port() * 800, more=True)], ids=["empty", "full"])
def test_endless_parts_are_abandoned(place, part):
    """In the memory allowed here, and before the timeout."""
    with peer(place, for_ever(HELLO, part * 50)):
        assert "an answer of more than" in fails(place, "stats eth1 --source openflow -t 50", UNREACHABLE, "prlimit", f"--as={600 << 20}")


def test_nobody_listens(place):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{place}/br0.mgmt")
    try:
        fails(place, "stats eth1 --source openflow", UNREACHABLE)
        falls_back(place, "stats eth1")
    finally:
        (place / "br0.mgmt").unlink()


def test_no_socket(place):
    fails(place, "stats eth1 --source openflow", UNREACHABLE)
    falls_back(place, "stats eth1")


def test_a_plain_file(place):
    path = place / "br0.mgmt"
    path.write_text("hello")
    try:
        fails(place, "stats eth1 --source openflow", UNREACHABLE)
        falls_back(place, "stats eth1")
    finally:
        path.unlink()


# --- what is unusual but right


def test_an_answer_byte_by_byte(place):
    data = HELLO + ECHO + answer(4, port(number=9), more=True) + message(10, bytes(100), xid=0) + answer(4, port(custom([b"slow"])))

    def handler(stream: socket.socket) -> None:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        for byte in data:
            stream.sendall(bytes([byte]))
        while stream.recv(1 << 16):
            pass

    with peer(place, handler):
        done = ovstool(place, "stats eth1 -f json --long --source openflow")
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = json.loads(done.stdout)
    assert (row["rx_packets"], row["tx_errors"], row["slow"]) == (0, 7, 77)


def test_a_port_that_the_bridge_does_not_have(place):
    """It was deleted between both requests: no counters, and no error."""
    for said in (answer(4), message(1, struct.pack("!HH", 1, 11))):
        with peer(place, says(HELLO, said)):
            done = ovstool(place, "stats eth1 -f json --source openflow")
        (row,) = json.loads(done.stdout)
        assert done.returncode == 0 and row.pop("port") == "eth1" and set(row.values()) == {None}


@pytest.mark.parametrize("style", ["json", "table", "value", "csv", "shell", "lines", "yaml"])
def test_names_of_counters_are_escaped(place, style):
    names = [ESCAPES, b"", b"port", b"rx_packets", b"$(reboot)", b"a\tb", b"x" * 255]
    with peer(place, says(HELLO, answer(4, port(custom(names))))):
        done = ovstool(place, f"stats eth1 --long --source openflow -f {style}")
        assert done.returncode == 0, done
        assert done.stdout.replace("\n", "").isprintable() and done.stderr == "", done
        assert "owned" in done.stdout or style == "value"
        if style == "json":
            (row,) = json.loads(done.stdout)
            assert (row["port"], row["rx_packets"], row["$(reboot)"]) == ("eth1", 0, 77)
            assert json.loads(done.stdout, object_pairs_hook=lambda pairs: [name for name, _ in pairs])[0].count("port") == 1
        if style in ("value", "csv", "lines"):
            assert len(done.stdout.splitlines()) == (2 if style == "csv" else 1)
        if style == "shell":
            assert re.fullmatch(r"(\w+='?[^' ]*'? ?)*\n", done.stdout), done.stdout


# --- peers that change between two readings


SECOND = {
    "closes": b"", "garbage": b"garbage!", "another version": answer(4, port(), xid=3, version=5),
    "an error": message(1, struct.pack("!HH", 1, 5), xid=3),
    "an escape": message(1, struct.pack("!HH", 0, 0) + ESCAPES, xid=3),
}  # fmt: skip


@pytest.mark.parametrize("second", SECOND.values(), ids=SECOND)
def test_a_peer_that_breaks_between_two_readings(place, second):
    """The port has no rate, the cause is reported, and the next request uses a new connection."""

    def handler(stream: socket.socket) -> None:
        stream.sendall(HELLO + answer(4, port()))
        while header := stream.recv(8, socket.MSG_WAITALL):
            length, xid = struct.unpack("!2xHI", header)
            stream.recv(length - 8, socket.MSG_WAITALL)
            if xid == XID + 1:
                stream.sendall(second)
                return

    with peer(place, handler):
        done = here(place, "stats eth1 --rate --interval 0.05 --count 3 --source openflow -f json -t 20")
    assert done.returncode == 5, done  # gone at the end
    assert all(row["port"] == "eth1" for row in map(json.loads, done.stdout.splitlines()))
    assert "bridge br0: " in done.stderr and "waiting for it" in done.stderr
    assert done.stderr.replace("\n", "").isprintable() and "Traceback" not in done.stderr


# --- a real ovs-vswitchd that stops


def test_ovs_vswitchd_is_stopped_and_killed(switch, ovstool):
    pid = int((switch.box.directory / "ovs-vswitchd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        result = ovstool("stats --source openflow -t 1")
        assert (result.code, result.stdout, result.stderr.count("\n")) == (TIMED_OUT, "", 1)
        result = ovstool("stats -t 4 -f json")
        assert result.code == 0 and len(result.json) == 3 and result.stderr.count("\n") == 1
    finally:
        kill(pid)
    result = ovstool("stats --source openflow")
    assert (result.code, result.stdout, result.stderr.count("\n")) == (UNREACHABLE, "", 1)
    result = ovstool("stats -f json")
    assert result.code == 0 and len(result.json) == 3 and result.stderr.count("\n") == 1
