"""Live readings: the cost of 100, 200 and 1,000 readings a second, and how regular they are, compared with a shell loop of ovs-ofctl.

Called by report.py; to run it alone: ``python3 bench/readings.py``, with the Python that ovstool is installed for.
"""

import json
import statistics
import tempfile
from pathlib import Path

import pairs

from ovstool import sandbox

SECONDS = 10
PORTS = 1_000
MOST_CPU = 0.25  # of one core, at 200 readings a second
SHORTEST_S = 0.001  # of --interval
LEAST_READINGS, MOST_CPU_OFTEN = 800, 0.5  # readings a second, and share of one core, at the shortest interval

# As many readings as possible in the time, at least 10 ms apart.
_LOOP = 'end=$(($(date +%s) + $3)); while [ "$(date +%s)" -lt "$end" ]; do "$1" dump-ports "$2" eth1 >/dev/null; echo; sleep 0.01; done'


def report() -> None:
    """(f) Repeated readings of one port; (g) one reading on a switch of 1,000 ports; (h) as many readings as possible."""
    with tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        box, _ = sandbox.start(Path(name) / "box", "dummy", ["eth1", *(f"p{index}" for index in range(1, PORTS))])
        try:
            pairs.guarded(one, box)
            pairs.guarded(again_and_again, box)
        finally:
            sandbox.stop(box.directory)
        few, _ = sandbox.start(Path(name) / "few", "dummy", ["eth1"])  # with many ports ovs-vswitchd itself takes a millisecond to answer
        try:
            pairs.guarded(often, few)
        finally:
            sandbox.stop(few.directory)


def again_and_again(box: sandbox.Sandbox) -> None:
    ofctl, socket = pairs.find("ovs-ofctl") or "ovs-ofctl", f"unix:{box.directory}/{box.bridge}.mgmt"
    print(f"\n(f) readings of one port of {PORTS:,} for {SECONDS} s (ovstool stats PORT --rate --interval S --count N -f json)")
    print(f"  {'':<44}{'readings/s':>11}{'CPU of a core':>15}{'us CPU each':>13}   interval, ms: median / 99% / longest     missed")
    costs = {}
    for rate in (100, 200):
        argv = [*pairs.OVSTOOL, f"--db={box.db}", "stats", "eth1", "--rate", "--interval", str(1 / rate), "--count", str(rate * SECONDS)]
        cost, out = measured([*argv, "-f", "json"])
        intervals = sorted(json.loads(line)["interval_s"] * 1000 for line in out.splitlines())
        missed = sum(round(interval * rate / 1000) - 1 for interval in intervals)
        late = f"{statistics.median(intervals):.2f} / {intervals[int(len(intervals) * 0.99)]:.2f} / {intervals[-1]:.2f}"
        costs[rate] = show(f"ovstool, {rate} Hz", len(intervals), cost, f"{late:>28}   {missed:>10}")
    cost, out = measured(["sh", "-c", _LOOP, "loop", ofctl, socket, str(SECONDS)])
    loop = show("loop of ovs-ofctl dump-ports and sleep 0.01", out.count("\n"), cost, "nobody knows")
    print(f"  {'ovstool at 100 Hz / the loop, CPU of a reading':<44}{costs[100] / loop:>11.3f}")
    reached = "reached" if costs[200] * 200 <= MOST_CPU else "NOT REACHED"
    print(f"  {'CPU at 200 readings a second':<44}{costs[200] * 200:>10.1%} of a core  <= {MOST_CPU:.0%} {reached}")


def often(box: sandbox.Sandbox) -> None:
    print(f"\n(h) readings of one port for {SECONDS} s (ovstool stats PORT --bursts --interval {SHORTEST_S:g} -f json)")
    argv = [*pairs.OVSTOOL, f"--db={box.db}", "stats", "eth1", "--bursts", "--interval", str(SHORTEST_S), "--for", str(SECONDS)]
    cost, out = measured([*argv, "-f", "json"])
    readings, cpu = json.loads(out)[0]["windows"] / SECONDS, cost.cpu_s / cost.wall_s
    print(f"  {'readings a second':<44}{readings:>11.1f}  {pairs.verdict(readings >= LEAST_READINGS, f'>= {LEAST_READINGS}')}")
    print(f"  {'CPU of a core':<44}{cpu:>11.1%}  {pairs.verdict(cpu < MOST_CPU_OFTEN, f'< {MOST_CPU_OFTEN:.0%}')}")


def measured(argv: list[str]) -> tuple[pairs.Cost, str]:
    """The costs of a command, including its children, and its output."""
    with tempfile.TemporaryFile("w+") as out:
        cost = pairs.run(argv, pairs.ENVIRON, out)
        out.seek(0)
        return cost, out.read()


def show(what: str, readings: int, cost: pairs.Cost, rest: str) -> float:
    """Print a line; returns the seconds of CPU for each reading."""
    each = cost.cpu_s / readings
    print(f"  {what:<44}{readings / cost.wall_s:>11.1f}{cost.cpu_s / cost.wall_s:>15.1%}{each * 1e6:>13.0f}   {rest}", flush=True)
    return each


def one(box: sandbox.Sandbox) -> None:
    commands = {
        "ours": [*pairs.OVSTOOL, f"--db={box.db}", "stats", "eth1", "-f", "value"],
        "stored": [*pairs.OVSTOOL, f"--db={box.db}", "stats", "eth1", "--source", "ovsdb", "-f", "value"],
        "vsctl": [pairs.find("ovs-vsctl") or "ovs-vsctl", f"--db={box.db}", "get", "Interface", "eth1", "statistics"],
    }
    pairs.head(f"(g) ovstool stats PORT -f value: live, on a switch of {PORTS:,} ports")
    runs = pairs.alternate(commands, 11, pairs.ENVIRON)
    print(pairs.line("/ ovs-vsctl get Interface PORT statistics", runs["ours"], runs["vsctl"], None))
    print(pairs.line("/ ovstool stats PORT --source ovsdb", runs["ours"], runs["stored"], None))


if __name__ == "__main__":
    report()
