"""Flow tables: ovstool compared with ovs-ofctl, and with ovs-flowviz, which parses flows with the same library.

Called by report.py; to run it alone: ``python3 bench/flows.py``, with the Python that ovstool is installed for.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import pairs

from ovstool import sandbox

FLOWS = 100_000
PEAK_MIB = 150
_VERSIONS = "OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15"
_TIMEOUT_S = 120
_FLOWVIZ = "ovs[flowviz]"

# The share of ovs.flow's parser in the time to process a dump already in memory, both measured in one process.
_SHARE = """
import json, sys, time
from ovstool.openflow.syntax import objects, text
decode, spent = objects._decoded, 0
def timed(*args):
    global spent
    started = time.perf_counter()
    try:
        return decode(*args)
    finally:
        spent += time.perf_counter() - started
objects._decoded = timed
started = time.perf_counter()
with open(sys.argv[1], "rb") as file:
    for row in objects.parsed(text.flows(text.lines(iter(lambda: file.read(2**18), b"")))):
        json.dumps(dict(zip(text.COLUMNS, row)))
print(spent / (time.perf_counter() - started))
"""


def report() -> None:
    """(e) List the flows of a large table as text and as objects."""
    with tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        directory = Path(name)
        box, _ = sandbox.start(directory / "box", "dummy")
        try:
            socket = f"unix:{box.directory}/br0.mgmt"
            given = directory / "flows"
            with given.open("w") as file:
                file.writelines(map(flow, range(FLOWS)))
            ofctl = [pairs.find("ovs-ofctl") or "ovs-ofctl", "-O", _VERSIONS]
            subprocess.run([*ofctl, "--bundle", "add-flows", socket, given], check=True, timeout=_TIMEOUT_S)
            lists = [*pairs.OVSTOOL, f"--db={box.db}", f"--timeout={_TIMEOUT_S}", "flow", "list", "br0", "-f", "json"]
            pairs.guarded(text, lists, [*ofctl, "dump-flows", socket])
            dump = directory / "dump"
            with dump.open("wb") as out:
                subprocess.run([*ofctl, "dump-flows", socket], stdout=out, check=True, timeout=_TIMEOUT_S)
            pairs.guarded(objects, [*lists, "--parsed"], dump, directory)
        finally:
            sandbox.stop(directory / "box")


def text(ours: list[str], theirs: list[str]) -> None:
    pairs.head("(e) ovstool flow list -f json / ovs-ofctl dump-flows")
    runs = pairs.alternate({"ours": ours, "theirs": theirs}, 7, pairs.ENVIRON)
    print(pairs.line(f"{FLOWS:,} flows", runs["ours"], runs["theirs"], 2.0))
    print(pairs.memory_line("peak memory of ovstool", runs["ours"], PEAK_MIB))


def objects(ours: list[str], dump: Path, directory: Path) -> None:
    pairs.head("(e) ovstool flow list --parsed -f json / ovs-flowviz openflow json, which is given the dump in a file")
    flowviz = working(pairs.find("ovs-flowviz")) or pairs.installed(directory, _FLOWVIZ, "ovs-flowviz")
    runs: dict[str, list[pairs.Cost]] = {"ours": [], "theirs": []}
    for _ in range(2):
        runs["ours"].append(pairs.run(ours, pairs.ENVIRON))
        if flowviz:
            runs["theirs"].append(pairs.run([flowviz, "-i", str(dump), "openflow", "json"], pairs.ENVIRON))
    if flowviz:
        print(pairs.line(f"{FLOWS:,} flows", runs["ours"], runs["theirs"], 0.5))
    else:
        print(f"  ovs-flowviz is not installed, and pip cannot install {_FLOWVIZ}: not compared")
    print(pairs.memory_line("peak memory of ovstool", runs["ours"], PEAK_MIB))
    share = subprocess.run(
        [sys.executable, "-c", _SHARE, dump], env=pairs.ENVIRON, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S
    )
    print(f"  {'share of ovs.flow in the time of parsing':<44}{float(share.stdout):5.0%}")


def working(program: str | None) -> str | None:
    """The program if it runs: it is part of the package ovs, but its dependencies are an extra."""
    if program and subprocess.run([program, "--help"], capture_output=True, timeout=_TIMEOUT_S, check=False).returncode == 0:
        return program
    return None


def flow(index: int) -> str:
    """A line of a flow table as in a virtual network, where nearly all matches and most of the actions differ."""
    high, middle, low = index >> 16 & 255, index >> 8 & 255, index & 255
    address, mac = f"10.{high}.{middle}.{low}", f"02:00:00:{high:02x}:{middle:02x}:{low:02x}"
    table, port = index % 20, 1 + index % 2
    forms = (
        f"ip,in_port={port},nw_src={address},nw_dst=192.168.{low}.0/24 actions=mod_dl_dst:{mac},output:{port}",
        f"tcp,in_port=1,nw_dst={address},tp_dst={index % 60000 + 1} actions=set_field:{mac}->eth_dst,set_field:{index}->reg0,resubmit(,{table + 1})",
        f"dl_dst={mac},dl_vlan={index % 4000 + 1} actions=pop_vlan,output:{port}",
        f"udp,nw_src={address},reg1={index:#x} actions=ct(commit,zone={index % 1000},exec(set_field:{index}->ct_mark)),resubmit(,{table + 1})",
        f"arp,arp_tpa={address} actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:{mac}->eth_src,load:0x2->NXM_OF_ARP_OP[],in_port",
    )
    return f"table={table},priority={100 + index % 50},cookie={index % 64:#x},{forms[index % len(forms)]}\n"


if __name__ == "__main__":
    report()
