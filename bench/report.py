"""ovstool compared with the tools it replaces: ratios of whole processes measured in one run, and whether the targets are reached.

It is a report, not a test: the exit code is always 0. All switches are private, in a temporary directory.
"""

import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import changes
import documents
import effect
import engines
import flows
import hosts
import live
import nmstate
import pairs
import readings
import serving
import sflow
import shell
import talkers

from ovstool import sandbox
from ovstool.errors import Unreachable
from ovstool.host import local
from ovstool.ovsdb.client import Client

SIZES = (10, 1_000, 10_000)
SHAPED = 1_000  # ports for `qos set`
CALLED = 100  # of these, configured by one call each, with ovs-vswitchd applying each; the total is estimated as ten times their time
PEAK_MIB = 40
WHOLE_MIB = 64  # for commands that read all of a switch with 10,000 ports
TAB_S = 0.08  # of a live completion, except the first one with many ports
_CHUNK = 250  # ports in one transaction; this process must stay small, because children inherit its peak memory (getrusage(2))
_TIMEOUT_S = 120
_STARTED_S = 15

CLIFF = [sys.executable, "-c", "import cliff.app, cliff.lister"]


def main() -> None:
    missing = [program for program in ("ovs-vsctl", "ovsdb-server", "ovs-vswitchd", "ovsdb-tool") if not pairs.find(program)]
    if missing:
        sys.exit(f"bench: {', '.join(missing)} not installed; try: sudo apt-get install openvswitch-switch")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("bench: ended by a signal"))
    started = time.monotonic()
    parts = (readings, live, flows, hosts, effect, serving, sflow, talkers, shell, documents)
    for part in (stored, shape, *(module.report for module in parts), engines.beside_ansible, nmstate.beside_nmstate):
        pairs.guarded(part)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{time.monotonic() - started:.0f} s in total. Peaks below {own:.0f} MiB, the peak of this process itself, cannot be measured.")


def stored() -> None:
    """(a) to (c), (t), (v), (w) and (x): the parts that need only a database."""
    with ExitStack() as stack:
        # Directly in /tmp: socket paths must be short.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp")))
        databases = {size: stack.enter_context(database(directory, size)) for size in SIZES}
        pairs.guarded(one_port, databases)
        pairs.guarded(every_port, databases[max(SIZES)])
        pairs.guarded(start_up, databases[min(SIZES)])
        pairs.guarded(tab, databases)
        pairs.guarded(engines.beside_ovsdbapp, databases)
        pairs.guarded(documents.of_database, databases[max(SIZES)], max(SIZES))
        pairs.guarded(changes.of_database, databases[max(SIZES)], max(SIZES))


def one_port(databases: dict[int, str]) -> None:
    """(a) The counters of one port from the database, as ovs-vsctl shows them too."""
    commands = {}
    for size, db in databases.items():
        port = f"p{size // 2}"
        commands[f"ovstool {size}"] = [*pairs.OVSTOOL, f"--db={db}", "stats", port, "--source", "ovsdb", "-f", "value"]
        commands[f"ovs-vsctl {size}"] = vsctl(db, "get", "Interface", port, "statistics")
    pairs.head("(a) ovstool stats PORT --source ovsdb -f value / ovs-vsctl get Interface PORT statistics")
    runs = pairs.alternate(commands, 31, pairs.ENVIRON)
    most, least = max(SIZES), min(SIZES)
    for size in SIZES:
        target = 0.15 if size == most else None
        print(pairs.line(f"{size:,} ports", runs[f"ovstool {size}"], runs[f"ovs-vsctl {size}"], target))
    print(pairs.line(f"ovstool, {most:,} ports / {least} ports", runs[f"ovstool {most}"], runs[f"ovstool {least}"], 1.05))
    print(pairs.memory_line("peak memory of ovstool", [cost for size in SIZES for cost in runs[f"ovstool {size}"]], PEAK_MIB))


def every_port(db: str) -> None:
    """(b) The counters of all ports from the database; then the whole switch, and its ports."""
    commands = {
        "ours": [*pairs.OVSTOOL, f"--db={db}", "stats", "--source", "ovsdb", "-f", "json"],
        "theirs": vsctl(db, "-f", "json", "--columns=name,statistics", "list", "Interface"),
    }
    pairs.head("(b) ovstool stats --source ovsdb -f json / ovs-vsctl -f json --columns=name,statistics list Interface")
    runs = pairs.alternate(commands, 11, pairs.ENVIRON)
    print(pairs.line(f"{max(SIZES):,} ports", runs["ours"], runs["theirs"], 0.9))
    whole = {"show": (["show"], 1.0), "port list -f json": (["-f", "json", "list", "Interface"], 0.9)}
    pairs.head("(b) ovstool show / ovs-vsctl show; ovstool port list -f json / ovs-vsctl -f json list Interface")
    for words, (of_vsctl, target) in whole.items():
        runs = pairs.alternate({"ours": [*pairs.OVSTOOL, f"--db={db}", *words.split()], "theirs": vsctl(db, *of_vsctl)}, 11, pairs.ENVIRON)
        print(pairs.line(f"{words}, {max(SIZES):,} ports", runs["ours"], runs["theirs"], target))
        print(pairs.memory_line(f"peak memory of ovstool {words}", runs["ours"], WHOLE_MIB))
    pairs.head("(b) ovstool port list -f table / ovstool port list -f json")
    runs = pairs.alternate(
        {form: [*pairs.OVSTOOL, f"--db={db}", "port", "list", "-f", form] for form in ("table", "json")}, 11, pairs.ENVIRON
    )
    print(pairs.line(f"{max(SIZES):,} rows", runs["table"], runs["json"], 1.3))


def start_up(db: str) -> None:
    """(c) How long a command takes to start, on a switch with one bridge."""
    prepare = [["qos", "set", "p1", "--max-rate", "10mbit"], ["police", "set", "p2", "--rate", "1mbit"]]
    for words in prepare:
        pairs.run([*pairs.OVSTOOL, f"--db={db}", "--no-wait", *words], pairs.ENVIRON)
    commands = {
        "ovstool": pairs.OVSTOOL,
        "ovstool version": [*pairs.OVSTOOL, "version"],
        "python -m ovstool version": [sys.executable, "-m", "ovstool", "version"],
    }
    for words in (
        "help qos set",
        "bridge list",
        "stats br0 --source ovsdb -f value",  # there is no ovs-vswitchd
        "qos list -f json",
        "police list -f csv",
        "qos set p1 --max-rate 10mbit",
    ):
        commands[f"ovstool {words}"] = [*pairs.OVSTOOL, f"--db={db}", *words.split()]
    pairs.head('(c) start: COMMAND / python -c "import cliff.app, cliff.lister"')
    for name, argv in commands.items():
        pairs.guarded(one_start, name, argv)


def one_start(name: str, argv: Sequence[str]) -> None:
    runs = pairs.alternate({"ours": argv, "cliff": CLIFF}, 21, pairs.ENVIRON)
    print(pairs.line(name, runs["ours"], runs["cliff"], 0.75), flush=True)


def tab(databases: dict[int, str]) -> None:
    """(t) The time of a completion compared with that of starting a command: of words alone, and of ports, which the first one caches."""
    pairs.head("(t) Tab / ovstool version")
    few, many = min(SIZES), max(SIZES)
    asked = {
        f"of words, {few:,} ports": (few, "qos set p1 --ty", True),
        f"of ports, {few:,} ports": (few, "port show p", True),
        f"of ports, {many:,} ports": (many, "port show p99", True),
        f"of ports, all of {many:,}": (many, "port show ", True),
        f"of ports, all of {many:,}, the first Tab": (many, "port show ", False),
    }
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as later:
        commands = {"version": [*pairs.OVSTOOL, "version"]}
        for name, (size, line, remembered) in asked.items():
            where = [] if remembered else ["env", f"XDG_CACHE_HOME={first}"]
            commands[name] = [*where, *pairs.OVSTOOL, "complete", "--line", "bash", f"ovstool --db {databases[size]} {line}", ""]
        environ = {**pairs.ENVIRON, "XDG_CACHE_HOME": later}
        runs = pairs.alternate(commands, 31, environ, before=lambda: shutil.rmtree(Path(first) / "ovstool", ignore_errors=True))
    for name, (_, _, remembered) in asked.items():
        wall_s = statistics.median(cost.wall_s for cost in runs[name])
        target = 1.0 if "words" in name else None
        reached = f"  {pairs.verdict(wall_s <= TAB_S, f'<= {TAB_S * 1000:g} ms')}" if remembered and not target else ""
        print(pairs.line(name, runs[name], runs["version"], target) + reached, flush=True)


def shape() -> None:
    """(d) A rate and two queues on many ports, each time starting without QoS.

    Measured with ovs-vswitchd on the dummy datapath, which must apply it, and with --no-wait, which only writes the database.
    """
    ports = [f"p{index}" for index in range(1, SHAPED + 1)]
    with tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        directory = Path(name)
        box, _ = sandbox.start(directory / "dummy", "dummy", ports)
        try:
            pairs.guarded(shape_all, box.db, directory, ports, "ovs-vswitchd applying it", [], CALLED)
            pairs.guarded(shape_all, box.db, directory, ports, "--no-wait", ["--no-wait"], SHAPED)
        finally:
            sandbox.stop(box.directory)


def shape_all(db: str, directory: Path, ports: Sequence[str], title: str, options: Sequence[str], called: int) -> None:
    """Compare ``qos set`` with ovs-vsctl; only ``called`` of the necessary ovs-vsctl calls are measured."""
    pairs.head(f"(d) ovstool qos set on {SHAPED:,} ports: one rate, two queues; {title}")
    wish = ["--max-rate", "10mbit", "--queue", "0:min=2mbit", "--queue", "1:min=1mbit,max=5mbit"]
    ours = [*pairs.OVSTOOL, f"--db={db}", f"--timeout={_TIMEOUT_S}", *options, "qos", "set", *ports, *wish]
    chained = vsctl(db, *options, *(word for port in ports for word in ["--", *vsctl_wish(port)]))
    script = directory / "calls.sh"
    script.write_text("".join(f"{' '.join(vsctl(db, *options, *vsctl_wish(port)))}\n" for port in ports[:called]))
    calls = ["/bin/sh", "-e", str(script)]
    clear(db)
    few = pairs.alternate({"ours": ours, "calls": calls}, 2 if called < SHAPED else 1, pairs.ENVIRON, before=lambda: unshape(db))
    many = pairs.alternate({"ours": ours, "chained": chained}, 15, pairs.ENVIRON, before=lambda: unshape(db))
    each = [cost.times(SHAPED // called) for cost in few["calls"]]
    measured = "" if called == SHAPED else f" ({called} x {SHAPED // called})"
    print(pairs.line(f"/ {SHAPED:,} ovs-vsctl calls{measured}", few["ours"], each, 1 / 20))
    print(pairs.line("/ one chained ovs-vsctl call", many["ours"], many["chained"], 1.0))


def vsctl(db: str, *words: str) -> list[str]:
    return [pairs.find("ovs-vsctl") or "ovs-vsctl", f"--db={db}", f"--timeout={_TIMEOUT_S}", *words]


def vsctl_wish(port: str) -> list[str]:
    """The configuration of ``shape``, as arguments for ovs-vsctl."""
    qos = f"--id=@{port} create QoS type=linux-htb other_config:max-rate=10000000 queues:0=@{port}a queues:1=@{port}b"
    first = f"--id=@{port}a create Queue other_config:min-rate=2000000"
    second = f"--id=@{port}b create Queue other_config:min-rate=1000000 other_config:max-rate=5000000"
    return f"set Port {port} qos=@{port} -- {qos} -- {first} -- {second}".split()


def unshape(db: str) -> None:
    """Clear all QoS, after checking that either all ports have it or none."""
    with connected(db) as client:
        found = [len(result["rows"]) for result in client.transact([select("QoS", "_uuid"), select("Queue", "_uuid")])]
    if found not in ([0, 0], [CALLED, 2 * CALLED], [SHAPED, 2 * SHAPED]):
        raise pairs.Failed(f"{found[0]} QoS and {found[1]} Queue rows instead of {SHAPED} and {2 * SHAPED}")
    clear(db)


def clear(db: str) -> None:
    """Clear the QoS of all ports, and wait until ovs-vswitchd has applied it."""
    with connected(db) as client:
        no_qos = {"op": "update", "table": "Port", "where": [], "row": {"qos": ["set", []]}}
        ask = {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}
        results = client.transact([no_qos, delete("QoS"), delete("Queue"), ask, select("Open_vSwitch", "next_cfg")])
        applied = {
            "op": "wait", "timeout": _TIMEOUT_S * 1000, "table": "Open_vSwitch", "columns": ["_uuid"], "until": "!=", "rows": [],
            "where": [["cur_cfg", ">=", results[-1]["rows"][0]["next_cfg"]]],
        }  # fmt: skip
        client.transact([applied])


@contextmanager
def database(directory: Path, size: int) -> Iterator[str]:
    """An ovsdb-server with one bridge and this many ports, filled in as ovs-vswitchd and Neutron would do."""
    file, socket = directory / f"{size}.db", directory / f"{size}.sock"
    subprocess.run([pairs.find("ovsdb-tool"), "create", file, sandbox._schema()], check=True)
    argv = [pairs.find("ovsdb-server"), f"--remote=punix:{socket}", f"--unixctl={directory / f'{size}.ctl'}", "-vconsole:off", str(file)]
    server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        db = f"unix:{socket}"
        deadline = time.monotonic() + _STARTED_S
        while not listens(db):
            if server.poll() is not None or time.monotonic() > deadline:
                raise pairs.Failed("ovsdb-server does not start")
            time.sleep(0.01)
        with connected(db) as client:
            client.transact(bridge())
            for first in range(1, size, _CHUNK):
                client.transact(port_rows(range(first, min(first + _CHUNK, size))))
        yield db
    finally:
        server.terminate()
        try:
            server.wait(_STARTED_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def bridge() -> list[dict]:
    """Operations that create bridge br0 with its local port."""
    return [
        insert("Interface", "interface", interface("br0", 0)),
        insert("Port", "port", {"name": "br0", "interfaces": ["named-uuid", "interface"]}),
        insert("Bridge", "bridge", {"name": "br0", "ports": ["named-uuid", "port"]}),
        insert("Open_vSwitch", "switch", {"bridges": ["named-uuid", "bridge"], "ovs_version": "3.1.0"}),
    ]


def port_rows(indices: Sequence[int]) -> list[dict]:
    """Operations that add ports to br0."""
    operations = []
    for index in indices:
        operations.append(insert("Interface", f"interface{index}", interface(f"p{index}", index)))
        operations.append(insert("Port", f"port{index}", {"name": f"p{index}", "interfaces": ["named-uuid", f"interface{index}"]}))
    added = ["set", [["named-uuid", f"port{index}"] for index in indices]]
    operations.append({"op": "mutate", "table": "Bridge", "where": [], "mutations": [["ports", "insert", added]]})
    return operations


def interface(name: str, index: int) -> dict:
    """An Interface row of a tap that carries traffic, with the counters that ovs-vswitchd writes and the other usual columns."""
    mac = f"fa:16:3e:{index >> 16:02x}:{index >> 8 & 255:02x}:{index & 255:02x}"
    names = ("collisions", "rx_bytes", "rx_crc_err", "rx_dropped", "rx_errors", "rx_frame_err", "rx_over_err", "rx_packets")
    names += ("rx_missed_errors", "tx_bytes", "tx_dropped", "tx_errors", "tx_packets")
    counters = {counter: 0 if "err" in counter or counter == "collisions" else 1_234_567 * (index + 1) for counter in names}
    return {
        "name": name,
        "ofport": index + 1 if index else 65534,
        "mac_in_use": mac,
        "admin_state": "up",
        "link_state": "up",
        "mtu": 1500,
        "ifindex": index + 2,
        "link_speed": 10_000_000_000,
        "external_ids": as_map({"attached-mac": mac, "iface-id": f"6ba7b810-9dad-11d1-80b4-{index:012x}", "iface-status": "active"}),
        "status": as_map({"driver_name": "tun", "driver_version": "1.6", "firmware_version": ""}),
        "statistics": as_map(counters),
    }


@contextmanager
def connected(db: str) -> Iterator[Client]:
    client = Client(local.open(db, _TIMEOUT_S), db, time.monotonic() + _TIMEOUT_S)
    try:
        yield client
    finally:
        client.close()


def listens(db: str) -> bool:
    """Whether a server accepts connections: its socket file exists before it does."""
    try:
        local.open(db, _TIMEOUT_S).close()
    except Unreachable:
        return False
    return True


def insert(table: str, name: str, row: dict) -> dict:
    return {"op": "insert", "table": table, "uuid-name": name, "row": row}


def delete(table: str) -> dict:
    return {"op": "delete", "table": table, "where": []}


def select(table: str, column: str) -> dict:
    return {"op": "select", "table": table, "where": [], "columns": [column]}


def as_map(pairs_: dict) -> list:
    return ["map", [[key, value] for key, value in pairs_.items()]]


if __name__ == "__main__":
    main()
