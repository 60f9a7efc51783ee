"""Finding out why QoS has no effect, on a large switch: ovstool compared with the equivalent sequence of commands.

Called by report.py; to run it alone: ``python3 bench/effect.py``, with the Python that ovstool is installed for.
"""

import json
import shlex
import statistics
import subprocess
import tempfile
from pathlib import Path

import metrics
import pairs

from ovstool import sandbox

PORTS = FLOWS = 10_000
MOST_S = 0.3
_VERSIONS = "OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14"
_TIMEOUT_S = 300
_CHUNK = 500  # ports in one transaction

# Each shows a part of what 'qos explain' shows; combining them is left to the user.
_BY_HAND = """
set -e
vsctl="$1 --db=unix:$OVS_RUNDIR/db.sock" socket=unix:$OVS_RUNDIR/br0.mgmt
qos=$($vsctl get port eth1 qos)
$vsctl list qos "$qos"
for queue in $($vsctl get qos "$qos" queues | tr -d '{},' ); do $vsctl list queue "${queue#*=}"; done
$vsctl --columns=name find port "qos=$qos"
$vsctl list interface eth1
ovs-appctl -t ovs-vswitchd qos/show eth1 || true
tc -s qdisc show dev eth1 || true
tc -s class show dev eth1 || true
ovs-ofctl -O "$2" queue-stats "$socket" eth1 || true
ovs-ofctl -O "$2" dump-flows "$socket" | grep -e set_queue -e enqueue
"""


def report() -> None:
    """(i) Explaining the QoS of one port, on a bridge with very many ports and flows; (y) its metrics."""
    with tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        directory = Path(name)
        box, _ = sandbox.start(directory / "box", "dummy", ["eth1"])
        try:
            for first in range(1, PORTS, _CHUNK):
                add_ports(box, range(first, min(first + _CHUNK, PORTS)))
            explain(box, directory)
            pairs.guarded(metrics.measure, box, PORTS)
        finally:
            sandbox.stop(box.directory)


def add_ports(box: sandbox.Sandbox, numbers: range) -> None:
    """Add ports straight to the database, because ovs-vsctl takes minutes for so many."""
    operations: list = ["Open_vSwitch"]
    for n in numbers:
        row = {"name": f"p{n}", "type": "dummy"}
        operations.append({"op": "insert", "table": "Interface", "row": row, "uuid-name": f"i{n}"})
        row = {"name": f"p{n}", "interfaces": ["named-uuid", f"i{n}"]}
        operations.append({"op": "insert", "table": "Port", "row": row, "uuid-name": f"p{n}"})
    added = ["set", [["named-uuid", f"p{n}"] for n in numbers]]
    operations.append({"op": "mutate", "table": "Bridge", "where": [["name", "==", "br0"]], "mutations": [["ports", "insert", added]]})
    client = pairs.find("ovsdb-client") or "ovsdb-client"
    subprocess.run([client, "transact", box.db, json.dumps(operations)], check=True, stdout=subprocess.DEVNULL, timeout=_TIMEOUT_S)


def explain(box: sandbox.Sandbox, directory: Path) -> None:
    ofctl, socket = pairs.find("ovs-ofctl") or "ovs-ofctl", f"unix:{box.directory}/br0.mgmt"
    given = directory / "flows"
    given.write_text("".join(map(flow, range(FLOWS))))
    subprocess.run([ofctl, "-O", "OpenFlow14", "--bundle", "add-flows", socket, given], check=True, timeout=_TIMEOUT_S)
    ours = [*pairs.OVSTOOL, f"--db={box.db}", "qos"]
    wish = ["--max-rate", "200mbit", "--queue", "0", "--queue", "1:min=50mbit"]
    pairs.run([*ours, "set", "eth1", *wish, f"--timeout={_TIMEOUT_S}"], pairs.ENVIRON)  # waits until ovs-vswitchd has opened all ports
    by_hand = ["sh", "-c", _BY_HAND, "by-hand", pairs.find("ovs-vsctl") or "ovs-vsctl", _VERSIONS]
    commands = {
        "explain": [*ours, "explain", "eth1", "-q"],
        "by hand": ["sh", "-c", f"exec {shlex.join(by_hand)} 2>/dev/null"],
        "flows": [ofctl, "-O", "OpenFlow14", "--no-names", "dump-flows", socket],
    }
    pairs.head(f"(i) ovstool qos explain PORT, {PORTS:,} ports and {FLOWS:,} flows")
    runs = pairs.alternate(commands, 11, pairs.ENVIRON | box.environ)
    print(pairs.line("/ ovs-vsctl, ovs-appctl, tc, ovs-ofctl", runs["explain"], runs["by hand"], None))
    print(pairs.line("/ ovs-ofctl dump-flows alone", runs["explain"], runs["flows"], None))
    median_s = statistics.median(cost.wall_s for cost in runs["explain"])
    print(f"  {'time of ovstool':<44}{median_s:5.2f} s    {pairs.verdict(median_s <= MOST_S, f'<= {MOST_S:g} s')}")


def flow(index: int) -> str:
    """A line of a table in which one flow in a hundred selects a queue."""
    actions = "set_queue:1,NORMAL" if index % 100 == 0 else f"output:{index % 1000 + 1}"
    return f"priority=100,ip,nw_dst=10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255} actions={actions}\n"


if __name__ == "__main__":
    report()
