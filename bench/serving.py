"""``ovstool metrics --listen``: a scrape of many hosts compared with one of the slowest alone, and memory after many scrapes.

Called by hosts.py, with its lab, and by report.py; to run it alone: ``python3 bench/serving.py``, as root, with the Python that ovstool is
installed for.
"""

import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pairs

from ovstool import sandbox

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/hosts"))
from lab import Host, Lab
from metrics_server import Server, served

MOST = 1.3
MOST_GROWTH_MIB = 1
_ROUNDS = 5
_BEFORE, _SCRAPES = 300, 1_000
_AS_A_SERVICE = {"MALLOC_ARENA_MAX": "2"}  # as in its systemd unit; the memory of more arenas grows for longer
_SLOW_S = 0.5  # for each of the questions that ovs-appctl asks
_SLOWER = """
cp "$(command -v ovs-appctl)" /run/lab/appctl
printf '#!/bin/sh\\nsleep %s\\nexec /run/lab/appctl "$@"\\n' "$1" >/run/lab/slow
chmod 755 /run/lab/slow
mount --bind /run/lab/slow "$(readlink -f "$(command -v ovs-appctl)")"
"""


def of_hosts(lab: Lab, names: Sequence[str]) -> None:
    """(f) A scrape of all hosts, the first of which is slow for a while, compared with one of that host alone."""
    print(f"\n(f) ovstool metrics --listen, {len(names)} hosts: a scrape of all / of the slowest alone, over open connections", flush=True)
    with served(lab.environ, "-H", ",".join(names), prefix=lab.command([])) as server:
        server.text()
        _beside_slowest(server)
        _compare("hosts that are equally fast", server, names[0], None)
        _slow_down(lab[names[0]])
        _compare("one of them slow", server, names[0], MOST)
    print(f"\n(z) ovstool -H HOST metrics --listen, memory after {_BEFORE} scrapes and after {_SCRAPES:,} more", flush=True)
    with served(lab.environ | _AS_A_SERVICE, "-H", names[-1], prefix=lab.command([])) as server:
        _grow(server)


def _beside_slowest(server: Server) -> None:
    """Print the time of a scrape of all hosts, which share this machine's cores, compared with the slowest of them in that scrape."""
    ratios = []
    for _ in range(_ROUNDS):
        begin = time.monotonic()
        text = server.text()
        all_s = time.monotonic() - begin
        ratios.append(all_s / max(map(float, re.findall(r"^ovstool_scrape_duration_seconds\S* (\S+)$", text, re.MULTILINE))))
    verdict = pairs.verdict(statistics.median(ratios) <= MOST, f"<= {MOST:g}")
    print(f"  {'all / the slowest of them in that scrape':<44}{statistics.median(ratios):5.2f}    {verdict}", flush=True)


def _compare(what: str, server: Server, slowest: str, most: float | None) -> None:
    """Print the times of scrapes, both kinds in turns."""
    times: dict[str, list[float]] = {"/metrics": [], f"/metrics?target={slowest}": []}
    for _ in range(_ROUNDS):
        for path, taken in times.items():
            begin = time.monotonic()
            server.text(path)
            taken.append(time.monotonic() - begin)
    all_s, one_s = map(statistics.median, times.values())
    verdict = pairs.verdict(all_s <= most * one_s, f"<= {most:g}") if most else ""
    print(f"  {what:<44}{all_s / one_s:5.2f}    {all_s * 1000:.0f} ms / {one_s * 1000:.0f} ms  {verdict}".rstrip(), flush=True)


def _slow_down(host: Host) -> None:
    done = host.run(["sh", "-ec", _SLOWER, "sh", str(_SLOW_S)])
    if done.code:
        raise pairs.Failed(str(done))


def report() -> None:
    """(z) The memory of a process that serves a small switch."""
    with tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        box, _ = sandbox.start(Path(name) / "box", "dummy", ["eth1", "eth2"])
        try:
            print(f"\n(z) ovstool metrics --listen, memory after {_BEFORE} scrapes and after {_SCRAPES:,} more", flush=True)
            with served(pairs.ENVIRON | box.environ | _AS_A_SERVICE) as server:
                _grow(server)
        finally:
            sandbox.stop(box.directory)


def _grow(server: Server) -> None:
    """Print by how much its memory grows."""
    sizes = [_memory_after(server, count) for count in (_BEFORE, _SCRAPES)]
    growth = sizes[1] - sizes[0]
    verdict = pairs.verdict(growth <= MOST_GROWTH_MIB, f"<= {MOST_GROWTH_MIB} MiB")
    print(f"  {'growth':<44}{growth:5.2f} MiB  of {sizes[0]:.0f}  {verdict}", flush=True)


def _memory_after(server: Server, scrapes: int) -> float:
    """MiB, after so many scrapes."""
    for _ in range(scrapes):
        server.text()
    return server.memory_kib / 1024


if __name__ == "__main__":
    with Lab() as made:
        hosts = [f"h{index:02}" for index in range(1, 33)]
        made.start(hosts)
        of_hosts(made, hosts)
    report()
