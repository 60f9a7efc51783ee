"""Metrics of a switch with ten thousand ports, compared with the commands that read as much. Called by effect.py, on its switch."""

import shlex
import statistics

import pairs

from ovstool import sandbox

MOST_S, MOST_MIB = 0.8, 100

# What they print still has to be read, joined and written in another form.
_BY_HAND = """
set -e
"$1" "--db=unix:$OVS_RUNDIR/db.sock" -f json list interface -- list port -- list bridge
"$2" -O OpenFlow14 dump-ports "unix:$OVS_RUNDIR/br0.mgmt"
"$2" -O OpenFlow14 dump-tables "unix:$OVS_RUNDIR/br0.mgmt"
for question in dpctl/show upcall/show memory/show bond/show; do "$3" -t ovs-vswitchd "$question"; done
"""


def measure(box: sandbox.Sandbox, ports: int) -> None:
    """(y) All metrics of a switch with very many ports, which ovs-vswitchd has opened."""
    vsctl, ofctl, appctl = (pairs.find(program) or program for program in ("ovs-vsctl", "ovs-ofctl", "ovs-appctl"))
    by_hand = ["sh", "-c", _BY_HAND, "by-hand", vsctl, ofctl, appctl]
    commands = {
        "metrics": [*pairs.OVSTOOL, f"--db={box.db}", "metrics"],
        "by hand": ["sh", "-c", f"exec {shlex.join(by_hand)} 2>/dev/null"],
        "interfaces": [vsctl, f"--db={box.db}", "-f", "json", "list", "interface"],
    }
    pairs.head(f"(y) ovstool metrics, {ports:,} ports")
    runs = pairs.alternate(commands, 7, pairs.ENVIRON | box.environ)
    print(pairs.line("/ ovs-vsctl, ovs-ofctl, ovs-appctl", runs["metrics"], runs["by hand"], None))
    print(pairs.line("/ ovs-vsctl -f json list interface alone", runs["metrics"], runs["interfaces"], None))
    median_s = statistics.median(cost.wall_s for cost in runs["metrics"])
    print(f"  {'time of ovstool':<44}{median_s:5.2f} s    {pairs.verdict(median_s <= MOST_S, f'<= {MOST_S:g} s')}")
    print(pairs.memory_line("memory of ovstool", runs["metrics"], MOST_MIB))
