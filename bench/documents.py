"""Documents: a document of 1,000 ports compared with a switch of 10,000, the export of such a switch, 1,000 ports with queues applied, and
one document applied to 32 hosts.
"""

import statistics
import sys
import tempfile
import timeit
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import hosts
import pairs
from lab import Lab

from ovstool import sandbox
from ovstool.switch.changes.comment import Comment

EXPORT_S, EXPORT_MIB, DIFF_S = 1.5, 150, 0.6
SLOWEST = 1.3  # times the slowest host, for all of them
_NAMED = 1_000
_ROUNDS, _HOST_ROUNDS = 10, 7
_QUEUES = "{0: {min: 2mbit}, 1: {min: 1mbit, max: 5mbit}}"
_PORTS_OF_A_HOST = 20

# Runs ovstool, and writes how long the slowest host took, from the start of its thread to its answer.
_TIMED = """
import sys, time
from ovstool import __main__, fleet
file, *sys.argv[1:] = sys.argv[1:]
in_batches, spent_s = fleet.in_batches, []
def timed(work, *rest):
    def on_host(host):
        began = time.perf_counter()
        try:
            return work(host)
        finally:
            spent_s.append(time.perf_counter() - began)
    try:
        return in_batches(on_host, *rest)
    finally:
        with open(file, "w") as opened:
            opened.write(str(max(spent_s)))
fleet.in_batches = timed
__main__.main()
"""


def of_database(db: str, size: int) -> None:
    """(w) A switch with very many ports, in its database."""
    with tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        page = Path(name) / "page.yaml"
        page.write_text(_page("br0", [f"p{index}" for index in range(1, size, size // _NAMED)], "tag: 4"))
        commands = {
            "export": [*pairs.OVSTOOL, f"--db={db}", "export"],
            "diff": ["sh", "-c", f"{' '.join(pairs.OVSTOOL)} --db={db} diff {page} || [ $? = 1 ]"],
            "show": [*pairs.OVSTOOL, f"--db={db}", "show"],
        }
        runs = pairs.alternate(commands, _ROUNDS, pairs.ENVIRON)
    pairs.head(f"(w) documents on a switch with {size:,} ports, beside ovstool show")
    for command, target in (("export", EXPORT_S), ("diff", DIFF_S)):
        wall_s = statistics.median(cost.wall_s for cost in runs[command])
        print(pairs.line(command, runs[command], runs["show"], None), pairs.verdict(wall_s <= target, f"<= {target} s"), flush=True)
    print(pairs.memory_line("export", runs["export"], EXPORT_MIB), flush=True)


def report() -> None:
    """(w) New ports, each with a rate and two queues, in one transaction, beside one chained call of ovs-vsctl."""
    ports = [f"q{index}" for index in range(_NAMED)]
    wish = f"type: internal\n        qos: {{max_rate: 10mbit, queues: {_QUEUES}}}"
    with tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        page = Path(name) / "page.yaml"
        page.write_text(_page("big", ports, wish))
        box, _ = sandbox.start(Path(name) / "box", "dummy")
        vsctl = [pairs.find("ovs-vsctl") or "ovs-vsctl", f"--db={box.db}"]

        def clear() -> None:
            pairs.run([*vsctl, "--if-exists", "del-br", "big"], pairs.ENVIRON)
            pairs.run([*vsctl, "--", "--all", "destroy", "QoS", "--", "--all", "destroy", "Queue"], pairs.ENVIRON)

        try:
            ours = [*pairs.OVSTOOL, f"--db={box.db}", "--timeout=120", "apply", str(page)]
            commands = {"ours": ours, "chained": [*vsctl, "add-br", "big", *(word for port in ports for word in _of_vsctl(port))]}
            runs = pairs.alternate(commands, _ROUNDS, pairs.ENVIRON, before=clear)
            clear()
            pairs.run(ours, pairs.ENVIRON)
            undone = pairs.run([*pairs.OVSTOOL, f"--db={box.db}", "--timeout=120", "undo"], pairs.ENVIRON)
        finally:
            sandbox.stop(box.directory)
    pairs.head(f"(w) ovstool apply: {_NAMED:,} new ports with two queues each / one chained call of ovs-vsctl")
    print(pairs.line("with ovs-vswitchd applying it", runs["ours"], runs["chained"], 1.0), flush=True)
    print(f"  {'ovstool undo of it':<44}{undone.wall_s:.2f} s")
    text = Comment.of(["apply", "switch.yaml"])
    print(f"  {'the comment of a change':<44}{timeit.timeit(lambda: str(text), number=1000):.3f} ms", flush=True)
    pairs.guarded(of_hosts)


def of_hosts() -> None:
    """(w) One document for many hosts, which share this machine's cores: each run changes a rate and a VLAN of every port."""
    if problem := Lab.problem():
        print(f"\n(w) a document for many hosts: a lab of hosts {problem}: not compared")
        return
    with Lab() as lab, tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        lab.start(hosts.NAMES)
        pages = _Pages(lab, Path(name))
        title = f"{_PORTS_OF_A_HOST} ports with two queues each, on each of {hosts.HOSTS} hosts"
        pairs.head(f"(w) ovstool -H '{hosts.ALL}' --parallel N apply: {title} / the slowest of them in that run")
        _print_slowest(pages, hosts.HOSTS, SLOWEST)
        _print_slowest(pages, hosts.AT_ONCE, None)  # which takes turns
        pairs.head(f"(w) the same / one host, and with a host that answers after {hosts.SLOW_S} s / that host alone")
        lab.host(hosts.SLOWEST, answers_after_s=hosts.SLOW_S)
        for what, many, one, target in (
            (f"{hosts.HOSTS} hosts / 1", hosts.ALL, "h01", None),
            (f"{hosts.HOSTS} hosts / the slow one", f"{hosts.SLOWEST},h[01-{hosts.HOSTS - 1}]", hosts.SLOWEST, SLOWEST),
        ):
            commands = {"ours": pages.apply(many, hosts.HOSTS), "theirs": pages.apply(one, 1)}
            rows = hosts.HOSTS * (_PORTS_OF_A_HOST + 1)
            pairs.guarded(hosts.compare, lab, what, rows, commands, _HOST_ROUNDS, target, None, partial(pages.change, many))


class _Pages:
    """Two versions of a document for the hosts of a lab, of which one is always applied: so the other changes all ports."""

    def __init__(self, lab: Lab, directory: Path):
        self.lab = lab
        self.directory = directory
        ports = [f"p{index}" for index in range(_PORTS_OF_A_HOST)]
        for tag in (1, 2):
            wish = f"type: internal\n        tag: {tag}\n        qos: {{max_rate: {tag}0mbit, queues: {_QUEUES}}}"
            self._path(tag).write_text(f"name: bench\n{_page('br0', ports, wish)}")
        self.change(hosts.ALL)

    def _path(self, tag: int) -> Path:
        return self.directory / f"{tag}.yaml"

    def apply(self, names: str, at_once: int, tag: int = 2) -> list[str]:
        return [*pairs.OVSTOOL, "-H", names, "--parallel", str(at_once), "--timeout=120", "apply", str(self._path(tag))]

    def change(self, names: str) -> None:
        """Make the switches those of the first document."""
        done = self.lab.run(self.apply(names, hosts.HOSTS, 1), timeout_s=pairs.LIMIT_S)
        if done.code:
            raise pairs.Failed(done.stderr)

    def slowest_s(self, at_once: int) -> tuple[float, float]:
        """The seconds of one run on all hosts, and of its slowest host."""
        self.change(hosts.ALL)
        file = self.directory / "slowest"
        _, *words = self.apply(hosts.ALL, at_once)
        took = pairs.run(self.lab.command([sys.executable, "-c", _TIMED, str(file), *words]), hosts.environ(self.lab))
        return took.wall_s, float(file.read_text())


def _print_slowest(pages: _Pages, at_once: int, target: float | None) -> None:
    runs = [pages.slowest_s(at_once) for _ in range(_HOST_ROUNDS)]
    ratios = [all_s / slowest_s for all_s, slowest_s in runs]
    all_ms, slowest_ms = (statistics.median(times) * 1000 for times in zip(*runs, strict=True))
    reached = "" if target is None else pairs.verdict(statistics.median(ratios) <= target, f"<= {target:.3g}")
    print(
        f"  {f'--parallel {at_once}':<44}{pairs.spread(ratios)}   {'':20}   {all_ms:6.0f} / {slowest_ms:<6.0f} {'':15} {reached}".rstrip(),
        flush=True,
    )


def _page(bridge: str, ports: Sequence[str], wish: str) -> str:
    return f"bridges:\n  {bridge}:\n    ports:\n" + "".join(f"      {port}:\n        {wish}\n" for port in ports)


def _of_vsctl(port: str) -> list[str]:
    queues = (("a", ["other-config:min-rate=2000000"]), ("b", ["other-config:min-rate=1000000", "other-config:max-rate=5000000"]))
    words = f"-- add-port big {port} qos=@{port} -- set interface {port} type=internal -- --id=@{port} create qos type=linux-htb".split()
    words += ["other-config:max-rate=10000000", f"queues:0=@{port}a", f"queues:1=@{port}b"]
    for queue, config in queues:
        words += ["--", f"--id=@{port}{queue}", "create", "queue", *config]
    return words


if __name__ == "__main__":
    report()
