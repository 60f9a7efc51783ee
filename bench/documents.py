"""Documents: a document of 1,000 ports compared with a switch of 10,000, the export of such a switch, and 1,000 ports with queues applied."""

import statistics
import tempfile
import timeit
from collections.abc import Sequence
from pathlib import Path

import pairs

from ovstool import sandbox
from ovstool.switch.changes.comment import Comment

EXPORT_S, EXPORT_MIB, DIFF_S = 1.5, 150, 0.6
_NAMED = 1_000
_ROUNDS = 10


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
    wish = "type: internal\n        qos: {max_rate: 10mbit, queues: {0: {min: 2mbit}, 1: {min: 1mbit, max: 5mbit}}}"
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
