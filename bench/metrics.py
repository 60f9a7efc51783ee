"""Metrics of a switch with ten thousand ports, compared with the commands that read as much. Called by effect.py, on its switch."""

import shlex
import statistics
import time
from types import SimpleNamespace

import pairs

from ovstool import metrics, sandbox
from ovstool.metrics import exposition
from ovstool.metrics.families import COUNTER, FAMILIES
from ovstool.switch import Switch

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
    pairs.guarded(_text, box)


def _text(box: sandbox.Sandbox) -> None:
    """How long the text takes to write, which ovstool does itself, and how long prometheus_client takes."""
    from prometheus_client import Metric
    from prometheus_client.openmetrics.exposition import generate_latest

    reading = metrics.read(Switch(box.db))
    families: dict[str, Metric] = {}
    for name, labels, value in reading.rows():
        family = FAMILIES[name]
        short = name.removesuffix("_total" if family.kind == COUNTER else "_info")
        families.setdefault(name, Metric(short, family.help, family.kind)).add_sample(name, labels, value)
    registry = SimpleNamespace(collect=families.values)
    begin = time.perf_counter()
    ours = "".join(exposition.write([(None, reading)], exposition.OPENMETRICS))
    between = time.perf_counter()
    theirs = generate_latest(registry)
    ours_s, theirs_s = between - begin, time.perf_counter() - between
    samples, same = (sum(not line.startswith("#") for line in text.splitlines()) for text in (ours, theirs.decode()))
    assert samples == same
    times = f"{ours_s:.2f} s / {theirs_s:.2f} s for {samples:,} samples"
    print(f"  {'/ prometheus_client, the text alone':<44}{ours_s / theirs_s:5.3f}   {times}")
