"""``monitor`` on a switch with very many ports: what it costs while nothing changes, and how many changes it follows without losing one."""

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pairs

IDLE, A_SECOND = 0.01, 5_000  # of a core; changes
_IDLE_S, _BUSY_S = 20, 5
_AT_ONCE = 50  # transactions, of one change each
_TICKS = os.sysconf("SC_CLK_TCK")


def of_database(db: str, size: int) -> None:
    """(x) Idle, with the counters of all ports written every five seconds, and 5,000 transactions a second."""
    with tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        printed = Path(name) / "printed"
        with printed.open("w") as out, subprocess.Popen([*pairs.OVSTOOL, f"--db={db}", "monitor", "-f", "json"], stdout=out) as process:
            try:
                _wait_for_a_line(db, printed)
                idle = _idle(db, process.pid)
                begun = _lines(printed)
                busy, took_s = _busy(db, process.pid, printed, begun)
                peak_mib = _peak_mib(process.pid)
            finally:
                process.terminate()  # SIGINT is ignored in what a script has put in the background
        seen = [json.loads(line) for line in printed.read_text().splitlines()[begun:]]
    rate = A_SECOND * _BUSY_S / took_s
    reached = _is_whole(seen) and took_s < _BUSY_S + 1
    pairs.head(f"(x) ovstool monitor on a switch with {size:,} ports")
    print(f"  {'CPU while nothing but counters changes':<44}{idle:.2%} of a core  {pairs.verdict(idle <= IDLE, f'<= {IDLE:.0%}')}")
    said = f"{rate:,.0f} a second, {busy:.0%} of a core  {pairs.verdict(reached, f'{A_SECOND:,} a second')}"
    print(f"  {f'{A_SECOND * _BUSY_S:,} transactions, all printed in order':<44}{said}")
    print(f"  {'peak memory':<44}{peak_mib:.0f} MiB", flush=True)


def _is_whole(seen: list[dict]) -> bool:
    """Whether all changes were printed, each of them a change of what the one before led to."""
    states: dict[str, str] = {}
    for row in seen:
        if states.setdefault(row["object"], row["from"]) != row["from"]:
            return False
        states[row["object"]] = row["to"]
    return len(seen) == A_SECOND * _BUSY_S


def _idle(db: str, pid: int) -> float:
    begun = _cpu_s(pid)
    for number in range(_IDLE_S // 5):
        row = {"statistics": ["map", [["rx_bytes", number], ["tx_bytes", number]]]}
        _transact(db, {"op": "update", "table": "Interface", "where": [], "row": row})
        time.sleep(5)
    return (_cpu_s(pid) - begun) / _IDLE_S


def _busy(db: str, pid: int, printed: Path, begun: int) -> tuple[float, float]:
    """Change the link state of one port after the other; how much of a core it took, and how long until the last change was printed."""
    found = _transact(db, {"op": "select", "table": "Interface", "where": [], "columns": ["_uuid"]})
    uuids = [row["_uuid"] for row in found["result"][0]["rows"]]  # ovsdb-server has no index of names
    with _connected(db) as connection:
        threading.Thread(target=_drain, args=(connection,), daemon=True).start()
        start, before = time.monotonic(), _cpu_s(pid)
        for first in range(0, A_SECOND * _BUSY_S, _AT_ONCE):
            connection.sendall(b"".join(_toggle(number, uuids) for number in range(first, first + _AT_ONCE)))
            time.sleep(max(start + (first + _AT_ONCE) / A_SECOND - time.monotonic(), 0))
        while _lines(printed) < begun + A_SECOND * _BUSY_S and time.monotonic() < start + 10 * _BUSY_S:
            time.sleep(0.05)
        took_s = time.monotonic() - start
        return (_cpu_s(pid) - before) / took_s, took_s


def _toggle(number: int, uuids: list) -> bytes:
    turn, place = divmod(number, len(uuids))
    row = {"link_state": "up" if turn % 2 else "down"}
    update = {"op": "update", "table": "Interface", "where": [["_uuid", "==", uuids[place]]], "row": row}
    return json.dumps({"id": number, "method": "transact", "params": ["Open_vSwitch", update]}).encode()


def _wait_for_a_line(db: str, printed: Path) -> None:
    end = time.monotonic() + pairs.LIMIT_S
    for number in range(10**6):
        ids = ["map", [["begun", str(number)]]]
        _transact(db, {"op": "update", "table": "Bridge", "where": [], "row": {"external_ids": ids}})
        time.sleep(0.2)
        if _lines(printed):
            time.sleep(1)  # so that the last of these is printed too
            return
        if time.monotonic() > end:
            raise pairs.Failed("monitor printed nothing")


def _transact(db: str, operation: dict) -> dict:
    with _connected(db) as connection:
        connection.sendall(json.dumps({"id": 0, "method": "transact", "params": ["Open_vSwitch", operation]}).encode())
        text = b""
        while True:
            text += connection.recv(1 << 20)
            with suppress(ValueError):
                return json.loads(text)


@contextmanager
def _connected(db: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(db.removeprefix("unix:"))
        yield connection


def _drain(connection: socket.socket) -> None:
    try:
        while connection.recv(1 << 20):
            pass
    except OSError:
        pass


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def _cpu_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


def _peak_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
