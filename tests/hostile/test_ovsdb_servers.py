"""Servers that are missing, not OVSDB, not a switch's, too old, read-only, out of disk space, or gone halfway."""

import io
import json
import os
import resource
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from forked import FORKS
from kill import kill
from listening import listening

from ovstool import sandbox
from ovstool.shell import App

UNREACHABLE, REFUSED, TIMED_OUT = 5, 6, 7
SCHEMA = Path(sandbox._schema())


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory(prefix="ovstool-test-", dir="/tmp") as name:
        yield Path(name)


def ovstool(db: str, command: str, *prefix: str) -> subprocess.CompletedProcess:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OVS")}
    words = ["--db", db, *shlex.split(command)]
    if not prefix:
        return FORKS.run_text(words, environ)
    argv = [*prefix, sys.executable, "-m", "ovstool", *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False)


def fails(db: str, command: str, code: int, *prefix: str) -> str:
    """Run a command that must fail, and return its error line."""
    done = ovstool(db, command, *prefix)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr.startswith("ovstool: ") and done.stderr[:-1].isprintable() and len(done.stderr) < 1000
    return done.stderr


# --- no server


def test_no_socket(place):
    assert "ovstool sandbox start" in fails(f"unix:{place}/db.sock", "bridge list", UNREACHABLE)


def test_a_plain_file(place):
    (place / "db.sock").write_text("hello")
    fails(f"unix:{place}/db.sock", "bridge list", UNREACHABLE)
    fails(f"unix:{place}", "bridge list", UNREACHABLE)
    fails(f"unix:{place}/db.sock/db.sock", "bridge list", UNREACHABLE)


def test_a_socket_nobody_listens_on(place):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{place}/db.sock")
        dead.listen()
    assert "refused" in fails(f"unix:{place}/db.sock", "bridge list", UNREACHABLE)


def test_permission_denied(switch):
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
    (switch.box.directory / "db.sock").chmod(0)
    if nobody:
        # The user nobody may be unable to read this Python and its source, so code that is already loaded opens the socket.
        code = (
            "import os, sys\nfrom ovstool.shell import main\nimport ovstool.commands.bridge, ovstool.terminal.formats, encodings.idna, shlex\n"
            f"os.setgroups([]); os.setgid(65534); os.setuid(65534)\nsys.exit(main(['--db', 'unix:{switch.box.directory}/db.sock', 'bridge', 'list']))"
        )
        switch.box.directory.chmod(0o755)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (UNREACHABLE, "") and "permission denied" in done.stderr and "sudo ovstool" in done.stderr
    else:
        assert "permission denied" in fails(switch.box.db, "bridge list", UNREACHABLE)


@pytest.mark.parametrize("target", ["tcp:127.0.0.1:1", "tcp:[::1]:1", "tcp:nosuch.invalid:6640", "tcp:" + "x" * 70 + ":6640"])
def test_no_server_at_a_tcp_address(target):
    fails(target, "bridge list", UNREACHABLE)


# --- a peer that is not OVSDB


@contextmanager
def peer(place, handler, requests=None):
    """A socket that passes each connection to ``handler`` after the first request, which is added to ``requests``."""

    def answer(stream: socket.socket) -> None:
        request = stream.recv(1 << 20)
        if requests is not None:
            requests[:] = [request]
        handler(stream)

    with listening(place / "db.sock", answer):
        yield f"unix:{place}/db.sock"


COMMANDS = ["bridge list", "bridge add br0", "show", "qos set eth1 --max-rate 1mbit"]


@pytest.mark.parametrize("command", COMMANDS[:2])
@pytest.mark.parametrize(
    "data",
    [
        b"", b"garbage", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"\xff\xfe\xfd", b"[]", b"[" * 10_000_000, b'{"id":1,"result":' + b"[" * 10_000_000,
        b'{"id":1,"result":[{"rows":[{"name":' + b"9" * 1_000_000 + b"}]}]}", b'{"id":1,"result":[{"rows":', b'{"id":1,"error":null,"result":7}',
        b'{"id":1,"error":null,"result":[{"rows":[7]},{"rows":[7]},{"rows":[7]}]}', b'{"id":1,"error":null,"result":[{"rows":{}},{"rows":{}},{"rows":{}}]}',
        b'{"id":1,"error":null,"result":[{},{},{}]}', b"a" * 50_000_000,
    ],
    ids=lambda data: repr(data[:30]),
)  # fmt: skip
def test_peers_that_are_not_ovsdb(place, command, data):
    with peer(place, lambda stream: stream.sendall(data)) as db:
        fails(db, command, UNREACHABLE)


CELLS = [7, -1, {}, [], None, "x", "", True, 1e308, 10**30, ["set", 5], ["set", [{}]], ["set", ["a", "b"]], ["set", []], ["map", 5], ["map", [[1]]], ["map", []],
         ["uuid", 5], ["uuid", "u"], ["set", [["uuid", "u"]]], ["map", [["a", 7]]], ["map", [[0, ["uuid", "u"]]]], ["map", [["max-rate", {}]]]]  # fmt: skip


@pytest.mark.parametrize("cell", CELLS, ids=repr)
@pytest.mark.parametrize(
    "command",
    [
        "bridge list",
        "port list",
        "port list br0",
        "show",
        "show br0",
        "export",
        "topology",
        "stats",
        "stats eth1 --long",
        "stats --bridge br0",
        "qos list",
        "police list",
        "sflow list",
        "bridge show br0",
        "port show eth1",
        "port show mac:02:00:00:00:00:01",
        "port show ofport:br0/1",
        "qos show eth1",
        "bridge add br0 -n",
        "port add br0 eth1 -n",
        "police set eth1 --rate 1mbit -n",
        "qos set eth1 --max-rate 1mbit -n",
        "qos clear eth1 -n",
        "qos gc -n",
        "bridge del br0 -n",
        "port del eth1 -n",
        "sflow disable -n",
    ],
)
def test_cells_of_the_wrong_shape(place, command, cell):
    """Any value is shown, or is one error line about the peer, and never a bug in ovstool."""

    def answer(stream) -> None:
        data = first[0]
        while data:
            message = json.loads(data)
            if message["method"] == "transact":
                result = [{"rows": [dict.fromkeys(op.get("columns", ()), cell)]} for op in message["params"][1:]]
            elif message["method"] == "monitor_cond":
                tables = message["params"][2]
                result = {table: {str(UUID(int=7)): {"initial": dict.fromkeys(tables[table][0]["columns"], cell)}} for table in tables}
            else:
                result = vswitch_schema()
            stream.sendall(json.dumps({"id": message["id"], "result": result, "error": None}).encode())
            data = stream.recv(1 << 20)

    first: list[bytes] = []
    with peer(place, answer, first) as db:
        out, err = io.StringIO(), io.StringIO()
        # In this process, because there are hundreds of these.
        code = App(out, err).run(["--db", db, *shlex.split(command), "-f", "json"])
    assert code in (0, 2, 3, 4, 5, 6), err.getvalue()
    assert err.getvalue().count("\n") <= 1 or code == 0
    if code == 0 and not command.endswith("-n"):
        json.loads(out.getvalue())


@pytest.mark.parametrize("first", [b"", b" ", b'{"id":1,"result":[', b'{"id":null,"method":"update","params":[]}'])
def test_a_peer_that_stops_sending(place, first):
    released = threading.Event()
    with peer(place, lambda stream: (stream.sendall(first), released.wait(20))) as db:
        fails(db, "bridge list -t 1", TIMED_OUT)
        released.set()


def test_an_endless_reply_ends_at_the_timeout(place):
    def endless(stream) -> None:
        stream.sendall(b'{"id":1,"result":"')
        while True:
            stream.sendall(b"x" * 1000)
            time.sleep(0.01)

    with peer(place, endless) as db:
        fails(db, "bridge list -t 1", TIMED_OUT)


# --- another database


@contextmanager
def server(place, schema: dict, *options: str, fill: list | None = None):
    """An ovsdb-server of the test's own, with a database of this schema; yields its target and its process."""
    (place / "schema").write_text(json.dumps(schema))
    subprocess.run(["ovsdb-tool", "create", f"{place}/conf.db", f"{place}/schema"], check=True)
    if fill:
        subprocess.run(["ovsdb-tool", "transact", f"{place}/conf.db", json.dumps(fill)], check=True, capture_output=True)
    argv = ["ovsdb-server", f"{place}/conf.db", f"--remote=punix:{place}/db.sock", f"--unixctl={place}/ctl", "-vconsole:off", *options]
    # Python ignores SIGXFSZ (test_a_full_disk), and children inherit that unless signals are restored.
    process = subprocess.Popen(argv, env=os.environ | {"OVS_RUNDIR": str(place), "OVS_LOGDIR": str(place)}, restore_signals=False)
    try:
        deadline = time.monotonic() + 20
        with socket.socket(socket.AF_UNIX) as first:
            while first.connect_ex(f"{place}/db.sock"):  # it exists a moment before the server listens
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.01)
        yield f"unix:{place}/db.sock", process
    finally:
        process.kill()
        process.wait()


def vswitch_schema() -> dict:
    return json.loads(SCHEMA.read_text())


FILLED = [
    "Open_vSwitch",
    {"op": "insert", "table": "Interface", "uuid-name": "i", "row": {"name": "eth1", "ofport": 1}},
    {"op": "insert", "table": "Port", "uuid-name": "p", "row": {"name": "eth1", "interfaces": ["named-uuid", "i"]}},
    {"op": "insert", "table": "Bridge", "uuid-name": "b", "row": {"name": "br0", "ports": ["named-uuid", "p"]}},
    {"op": "insert", "table": "Open_vSwitch", "row": {"bridges": ["named-uuid", "b"]}},
]


@pytest.mark.parametrize("command", COMMANDS)
def test_another_database(place, command):
    schema = {"name": "other", "version": "1.0.0", "tables": {"T": {"columns": {"name": {"type": "string"}}}}}
    with server(place, schema) as (db, _):
        fails(db, command, UNREACHABLE)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_of_that_name_with_other_tables(place, command):
    schema = {"name": "Open_vSwitch", "version": "1.0.0", "tables": {"T": {"columns": {"name": {"type": "string"}}}}}
    with server(place, schema) as (db, _):
        fails(db, command, UNREACHABLE)


@pytest.mark.parametrize(
    ("command", "code"), [("bridge list", 0), ("show", 0), ("bridge add br0", 3), ("bridge del br0", 3), ("sflow disable", 3)]
)
def test_an_empty_database(place, command, code):
    with server(place, vswitch_schema()) as (db, _):
        done = ovstool(db, command)
        assert done.returncode == code and "bug" not in done.stderr, done


@pytest.fixture
def old(place):
    """A switch from before OVS 2.16, which cannot police packets and does not report its datapath types."""
    schema = vswitch_schema()
    for column in ("ingress_policing_kpkts_rate", "ingress_policing_kpkts_burst"):
        schema["tables"]["Interface"]["columns"].pop(column, None)
    for column in ("datapath_types", "iface_types", "dpdk_initialized"):
        schema["tables"]["Open_vSwitch"]["columns"].pop(column, None)
    schema["version"] = "8.2.0"
    schema.pop("cksum", None)
    with server(place, schema, fill=FILLED) as (db, _):
        yield db


@pytest.mark.parametrize(
    ("command", "stdout"),
    [
        ("police set eth1 --rate 10mbit", "eth1: created\n"), ("police clear eth1", "eth1: unchanged\n"), ("police list -f json", "[]\n"),
        ("bridge add br1", "br1: created\n"), ("bridge add br2 --datapath-type netdev", "br2: created\n"), ("port add br0 eth2", "eth2: created\n"),
        ("qos set eth1 --max-rate 1mbit", "eth1: created\n"), ("port del eth1", "eth1: deleted\n"),
    ],
)  # fmt: skip
def test_an_older_switch_does_what_it_can(old, command, stdout):
    done = ovstool(old, f"{command} --no-wait")
    assert (done.returncode, done.stdout, done.stderr) == (0, stdout, "")


def test_errors_for_what_an_older_switch_lacks(old):
    needs = "needs Open vSwitch 2.16 or newer, and this is 2.13 to 2.15 (database schema 8.2.0)"
    for words in ("--no-wait", "--dry-run"):
        said = fails(old, f"police set eth1 --packet-rate 1000 {words}", REFUSED)
        assert said.removeprefix("ovstool: ").rstrip() == f"Interface.ingress_policing_kpkts_rate: {needs}"
    ovstool(old, "police set eth1 --rate 10mbit --no-wait")
    assert json.loads(ovstool(old, "police list -f json").stdout) == [
        {"port": "eth1", "rate": 10_000_000, "burst": 2_112_000, "packet_rate": None, "packet_burst": None}
    ]
    for command in ("show", "topology", "port list", "port show eth1", "stats", "bridge show br0"):
        assert ovstool(old, command).returncode == 0
    assert ovstool(old, "police clear eth1 --no-wait").stdout == "eth1: deleted\n"


def test_documents_on_an_older_switch(old, place):
    page = place / "page.yaml"
    page.write_text("bridges: {br0: {ports: {eth1: {police: {rate: 10mbit}}, eth5: {police: {rate: 5mbit}}}}, br5: {}}")
    done = ovstool(old, f"--no-wait apply {page} --prune")
    assert (done.returncode, done.stdout) == (0, "br0: unchanged\neth1: updated\neth5: created\nbr5: created\n"), done
    assert "police: {rate: 5mbit, burst: 1.062mbit}" in ovstool(old, "export").stdout
    assert ovstool(old, f"diff {page}").returncode == 0
    page.write_text("bridges: {br0: {ports: {eth1: {police: {packet_rate: 5000}}}}}")
    assert "Interface.ingress_policing_kpkts_rate: needs Open vSwitch 2.16" in fails(old, f"--no-wait apply {page}", REFUSED)


WRITES = ["bridge add br9", "bridge del br0", "port add br0 eth9", "police set eth1 --rate 10mbit", "qos set eth1 --max-rate 1mbit"]


def contents(db: str) -> str:
    return subprocess.run(["ovsdb-client", "dump", db], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("command", WRITES)
def test_a_read_only_server(place, command):
    # A backup of a missing server serves its data and refuses writes (ovsdb-server(1), --sync-from).
    with server(place, vswitch_schema(), f"--sync-from=unix:{place}/nosuch", fill=FILLED) as (db, _):
        before = contents(db)
        assert "read only" in fails(db, command, REFUSED)
        assert contents(db) == before
        assert ovstool(db, "bridge list -f value -c bridge").stdout == "br0\n"


@pytest.mark.parametrize("command", WRITES)
def test_a_full_disk(place, command):
    with server(place, vswitch_schema(), fill=FILLED) as (db, process):
        # Its files may not grow from now on, which write(2) reports like a full disk (with another errno).
        size = os.path.getsize(place / "conf.db")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, size))
        before = contents(db)
        assert "I/O error" in fails(db, command, REFUSED)
        assert contents(db) == before


# --- gone halfway


def pid_of(switch, daemon: str) -> int:
    return int((switch.box.directory / f"{daemon}.pid").read_text())


def start(switch, *words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "ovstool", *words], env=switch.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_ovsdb_server_ends_while_the_switch_is_waited_for(switch):
    kill(pid_of(switch, "ovs-vswitchd"))
    process = start(switch, "bridge", "add", "br7", "--datapath-type=dummy")
    switch.wait_for_bridge("br7")
    kill(pid_of(switch, "ovsdb-server"))
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (UNREACHABLE, "")
    assert stderr.startswith("ovstool: ") and stderr.count("\n") == 1


def test_ovsdb_server_does_not_answer(switch):
    os.kill(pid_of(switch, "ovsdb-server"), signal.SIGSTOP)
    fails(switch.box.db, "bridge list -t 1", TIMED_OUT)
    os.kill(pid_of(switch, "ovsdb-server"), signal.SIGCONT)


def test_ovs_vswitchd_is_gone(switch):
    kill(pid_of(switch, "ovs-vswitchd"))
    line = fails(switch.box.db, "bridge add br7 --datapath-type dummy -t 2", TIMED_OUT)
    assert "the database has it" in line and "--no-wait" in line
    assert "br7" in switch.vsctl("--no-wait list-br").split()
    done = ovstool(switch.box.db, "bridge add br8 --datapath-type dummy --no-wait")
    assert (done.returncode, done.stdout, done.stderr) == (0, "br8: created\n", "")


# --- TCP and TLS


def appctl(switch, *words: str) -> None:
    switch.tool("ovs-appctl", "-t", f"{switch.box.directory}/ovsdb-server.{pid_of(switch, 'ovsdb-server')}.ctl", *words)


def tcp_port(pid: int) -> int:
    """The TCP port that a process listens on, chosen by the kernel."""
    for _ in range(1000):
        links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, address, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in links:
                return int(address.rpartition(":")[2], 16)
        time.sleep(0.01)
    raise AssertionError("it does not listen")


def make_keys(directory: Path, name: str) -> str:
    """A CA, and a key and a certificate it signed, as options of ovstool."""
    files = {what: f"{directory}/{name}-{what}.pem" for what in ("ca-key", "ca-cert", "private-key", "certificate")}
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj"]
    by_ca = ["-CA", files["ca-cert"], "-CAkey", files["ca-key"], "-addext", "basicConstraints=critical,CA:false"]
    subprocess.run([*new, f"/CN=CA {name}", "-keyout", files["ca-key"], "-out", files["ca-cert"]], check=True, capture_output=True)
    subprocess.run(
        [*new, f"/CN={name}", "-keyout", files["private-key"], "-out", files["certificate"], *by_ca], check=True, capture_output=True
    )
    return " ".join(f"--{what}={path}" for what, path in files.items() if what != "ca-key")


def test_tcp(switch, ovstool):
    appctl(switch, "ovsdb-server/add-remote", "ptcp:0:127.0.0.1")
    port = tcp_port(pid_of(switch, "ovsdb-server"))
    by_tcp = ovstool("port list -f json", OVSTOOL_DB=f"tcp:127.0.0.1:{port}")
    assert (by_tcp.code, by_tcp.stdout) == (0, ovstool("port list -f json").stdout)
    assert ovstool(f"--db tcp:127.0.0.1:{port} police set eth1 --rate 1mbit").stdout == "eth1: created\n"
    assert ovstool(f"--db ssl:127.0.0.1:{port} {make_keys(switch.box.directory, 'one')} bridge list").code == UNREACHABLE


def test_tls(place):
    one, two = make_keys(place, "one"), make_keys(place, "two")
    with server(place, vswitch_schema(), "--remote=pssl:0:127.0.0.1", *one.split(), fill=FILLED) as (_, process):
        port = tcp_port(process.pid)
        db = f"ssl:127.0.0.1:{port}"
        assert ovstool(db, f"{one} bridge list -f value -c bridge").stdout == "br0\n"
        fails(db, f"{two} bridge list", UNREACHABLE)  # our CA did not sign the server's certificate
        fails(db, f"{two.replace('two-ca-cert', 'one-ca-cert')} bridge list", UNREACHABLE)  # and the server's CA did not sign ours
        assert ovstool(f"tcp:127.0.0.1:{port}", "bridge list -t 2").returncode in (UNREACHABLE, TIMED_OUT)
        for wrong in ("", one.replace("one-private", "two-private"), one.replace("one-ca-cert", "nosuch"), "--private-key=/nosuch"):
            fails(db, f"{wrong} bridge list", 2)
