"""Hosts over SSH: ``ovstool -H`` compared with OpenSSH's client, one by one and with xargs, and with parallel-ssh.

The hosts are those of the tests' lab: namespaces with their own sshd, ovsdb-server and ovs-vswitchd. They share this machine's cores,
so their work adds to the wall clock time; CPU times are only those of the command and its children.

Called by report.py; to run it alone: ``python3 bench/hosts.py``, as root, with the Python that ovstool is installed for.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pairs
import serving

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/hosts"))
from lab import Host, Lab

HOSTS = 32
AT_ONCE = 16
SHAPED = 1_000
QUEUES = 7  # for each of them, which makes a transaction of 2 MB
HOST_MIB = 3  # for each further host
_CHUNK = 250
_TIMEOUT_S = 120
SLOWEST, SLOW_S = "slow", 2
_LINES_OF_A_TREE = 3  # a host, its bridge, and the bridge's ports
_PACKAGE = "parallel-ssh"
NAMES = [f"h{index:02}" for index in range(1, HOSTS + 1)]
ALL = f"h[01-{HOSTS}]"
_ASK = ["stats", "br0", "-f", "value"]
_PEERS = ["ovs-vsctl", "get", "Interface", "br0", "statistics"]

# As in its manual; key and addresses are given because it does not read ssh_config.
_PARALLEL_SSH = """
import sys
from pssh.clients import ParallelSSHClient
key, size, command, *hosts = sys.argv[1:]
client = ParallelSSHClient(hosts, user="root", pkey=key, pool_size=int(size))
for output in client.run_command(command):
    for line in output.stdout:
        print(line)
"""

Commands = Mapping[str, Sequence[str]]


def report() -> None:
    """(f) One host and many over SSH, with sudo, and with a large transaction; and the memory used."""
    if problem := Lab.problem():
        print(f"\n(f) over SSH: a lab of hosts {problem}: not compared")
        return
    with Lab() as lab, tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        lab.start(NAMES)
        pairs.head(f"(f) ovstool -H HOST {' '.join(_ASK)} / ssh HOST {' '.join(_PEERS)}; the remote login shell is a plain /bin/sh")
        one = pairs.guarded(one_host, lab, "", [], 0.8)
        pairs.guarded(one_host, lab, "op@", ["--sudo"], None)
        pairs.head(f"(f) ovstool -H '{ALL}' --parallel {AT_ONCE} {' '.join(_ASK)} / xargs -P{AT_ONCE} -I{{}} ssh {{}} {' '.join(_PEERS)}")
        many = pairs.guarded(many_hosts, lab, Path(name), "", [], (0.45, 0.45))
        pairs.guarded(many_hosts, lab, Path(name), "op@", ["--sudo"], (None, None))
        pairs.guarded(beside_parallel_ssh, lab, Path(name))
        if one and many:
            memory(one, many)
        pairs.head(f"(f) ovstool -H '{SLOWEST},h[01-{HOSTS - 1}]' topology / ovstool -H {SLOWEST} topology, which answers after {SLOW_S} s")
        pairs.guarded(one_picture, lab)
        pairs.guarded(serving.of_hosts, lab, NAMES)
        pairs.guarded(shape, lab, Path(name))


def one_host(lab: Lab, user: str, options: Sequence[str], target: float | None) -> list[pairs.Cost]:
    """One host, one command each; returns the costs of ovstool."""
    host = user + NAMES[0]
    far = _as_root(options)
    commands = {"ours": [*pairs.OVSTOOL, "-H", host, *options, *_ASK], "theirs": ["ssh", host, *far]}
    return compare(lab, " ".join(["1 host", *options]), 1, commands, 15, target)


def many_hosts(
    lab: Lab, directory: Path, user: str, options: Sequence[str], targets: tuple[float | None, float | None]
) -> list[pairs.Cost]:
    """Many hosts, several in parallel; returns the costs of ovstool."""
    names = directory / "names"
    names.write_text("".join(f"{user}{name}\n" for name in NAMES))
    xargs = ["xargs", "-a", str(names), f"-P{AT_ONCE}", "-I{}", "ssh", "{}", *_as_root(options)]
    commands = {"ours": _ours(user, options), "theirs": xargs}
    return compare(lab, " ".join([f"{HOSTS} hosts", *options]), HOSTS, commands, 7, *targets)


def one_picture(lab: Lab) -> None:
    """The topology of many hosts compared with that of the slowest one, which comes first."""
    lab.host(SLOWEST, answers_after_s=SLOW_S)
    commands = {
        name: [*pairs.OVSTOOL, "-H", hosts, "topology"] for name, hosts in (("ours", f"{SLOWEST},h[01-{HOSTS - 1}]"), ("theirs", SLOWEST))
    }
    compare(lab, f"{HOSTS} hosts / the slowest", HOSTS * _LINES_OF_A_TREE, commands, 5, 1.3)


def beside_parallel_ssh(lab: Lab, directory: Path) -> None:
    python = pairs.installed(directory, _PACKAGE, "python")
    if python is None:
        print(f"  pip cannot install {_PACKAGE}: not compared")
        return
    addresses = [lab[name].address for name in NAMES]
    key = str(lab.home / ".ssh/id_ed25519")
    argv = [python, "-c", _PARALLEL_SSH, key, str(AT_ONCE), " ".join(_PEERS), *addresses]
    said = lab.run(argv, timeout_s=_TIMEOUT_S)
    if said.code or said.stdout.count("rx_packets") != HOSTS:
        print(f"  {_PACKAGE} does not work here ({_why(said.stderr)}): not compared")
        return
    compare(lab, f"{HOSTS} hosts / {_PACKAGE}", HOSTS, {"ours": _ours("", []), "theirs": argv}, 5, None)


def memory(one: list[pairs.Cost], many: list[pairs.Cost]) -> None:
    further = (pairs.mib(many) - pairs.mib(one)) / (HOSTS - 1)
    print(
        f"  {'peak memory of ovstool, each further host':<44}{further:5.2f} MiB  {pairs.verdict(further < HOST_MIB, f'< {HOST_MIB} MiB')}"
    )


def shape(lab: Lab, directory: Path) -> None:
    """A rate and some queues on many ports of one host: one large transaction, each time starting without QoS."""
    host = lab["h01"]
    ports = [f"p{index}" for index in range(1, SHAPED + 1)]
    for first in range(0, SHAPED, _CHUNK):
        host.vsctl([word for port in ports[first : first + _CHUNK] for word in ("--", "add-port", "br0", port)])
    wish = ["--max-rate", "10mbit", *(word for queue in range(QUEUES) for word in ("--queue", f"{queue}:min=1mbit,max=5mbit"))]
    ours = [*pairs.OVSTOOL, "-H", "h01", f"--timeout={_TIMEOUT_S}", "qos", "set", *ports, *wish]
    # Too long as arguments for the remote shell, so they go to stdin as a script.
    chained = directory / "chained.sh"
    chained.write_text(f"ovs-vsctl --timeout={_TIMEOUT_S} {' '.join(f'-- {_vsctl_wish(port)}' for port in ports)} >/dev/null\n")
    theirs = ["sh", "-c", f"exec ssh h01 sh -e <{chained}"]
    planned = lab.run([*ours, "--dry-run"], timeout_s=_TIMEOUT_S)
    size = f", a transaction of {len(planned.stdout) / 1e6:.1f} MB" if planned.code == 0 else ""
    pairs.head(f"(f) ovstool -H HOST qos set on {SHAPED:,} ports{size} / ssh HOST, one chained ovs-vsctl call")
    compare(
        lab, f"{SHAPED:,} ports, one rate, {QUEUES} queues", SHAPED, {"ours": ours, "theirs": theirs}, 5, None, before=lambda: unshape(host)
    )


def compare(
    lab: Lab,
    what: str,
    rows: int,
    commands: Commands,
    rounds: int,
    target: float | None,
    cpu_target: float | None = None,
    before: Callable[[], None] = lambda: None,
) -> list[pairs.Cost]:
    """Print one comparison of commands that the operator runs; returns the costs of ovstool, or none where it fails.

    ovstool must print that many rows.
    """
    before()
    said = lab.run(commands["ours"], timeout_s=_TIMEOUT_S)
    entered = {name: lab.command(argv) for name, argv in commands.items()}
    if said.code or said.stdout.count("\n") != rows:
        printed = f"prints {said.stdout.count(chr(10))} of {rows} rows and ends with {said.code}"
        print(f"  {what:<44}NOT MEASURED: ovstool {printed} ({_why(said.stderr)})")
        runs = pairs.alternate({"theirs": entered["theirs"]}, rounds, environ(lab), before)
        wall_s, cpu_s = (statistics.median(getattr(cost, field) for cost in runs["theirs"]) for field in ("wall_s", "cpu_s"))
        print(f"  {'':<44}the other takes {wall_s * 1000:.0f} ms, {cpu_s * 1000:.0f} ms of CPU", flush=True)
        return []
    runs = pairs.alternate(entered, rounds, environ(lab), before)
    print(pairs.line(what, runs["ours"], runs["theirs"], target, cpu_target), flush=True)
    return runs["ours"]


def environ(lab: Lab) -> dict[str, str]:
    """The environment of the operator's commands."""
    return {key: value for key, value in lab.environ.items() if key in pairs.ENVIRON} | {"HOME": str(lab.home)}


def unshape(host: Host) -> None:
    """Clear the QoS of all ports, and wait until ovs-vswitchd has applied it."""
    no_qos = {"op": "update", "table": "Port", "where": [], "row": {"qos": ["set", []]}}
    gone = [{"op": "delete", "table": table, "where": []} for table in ("QoS", "Queue")]
    done = host.run(["ovsdb-client", "transact", json.dumps(["Open_vSwitch", no_qos, *gone])])
    if done.code or "error" in done.stdout:
        raise pairs.Failed(str(done))
    host.vsctl("set Open_vSwitch . external_ids:seen=1 -- remove Open_vSwitch . external_ids seen")


def _ours(user: str, options: Sequence[str]) -> list[str]:
    return [*pairs.OVSTOOL, "-H", f"{user}{ALL}", "--parallel", str(AT_ONCE), *options, *_ASK]


def _as_root(options: Sequence[str]) -> list[str]:
    return ["sudo", "-n", *_PEERS] if "--sudo" in options else _PEERS


def _vsctl_wish(port: str) -> str:
    """The configuration of ``shape``, as arguments for ovs-vsctl."""
    queues = ",".join(f"{queue}=@{port}q{queue}" for queue in range(QUEUES))
    words = f"set Port {port} qos=@{port} -- --id=@{port} create QoS type=linux-htb other_config:max-rate=10000000 queues={queues}"
    rates = "other_config:min-rate=1000000 other_config:max-rate=5000000"
    return " ".join([words, *(f"-- --id=@{port}q{queue} create Queue {rates}" for queue in range(QUEUES))])


def _why(stderr: str) -> str:
    lines = stderr.strip().splitlines()
    return lines[-1][:200] if lines else "it says nothing"


if __name__ == "__main__":
    report()
