"""sflow listen: losses and CPU at 2,000 datagrams a second, memory over a million datagrams, and its estimates compared with iperf3.

Called by report.py; to run it alone: ``python3 bench/talkers.py``, with the Python that ovstool is installed for.
"""

import fcntl
import json
import os
import pty
import re
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time
from pathlib import Path

import pairs
import sflow

from ovstool import sandbox

RATE, FOR_S = 2_000, 15  # datagrams a second, each of five flow samples
MOST_CORE = 0.5
AGENTS, MILLION = 1_000, 1_000_000
MOST_GROWN_MIB = 5
RUNS, RUN_S, LEAST_WITHIN = 20, 2, 0.9
_SAMPLING, _MBIT = 16, 20
_FRAMING = 14 + 20 + 8 + 4  # bytes in each packet that iperf3 does not count: Ethernet, IPv4, UDP, FCS
_STARTED_S = 20


def report() -> None:
    """(s) The collector of sflow listen."""
    pairs.guarded(no_loss, "elsewhere", False)
    pairs.guarded(no_loss, "the live table", True)
    pairs.guarded(memory)
    pairs.guarded(estimates)


def no_loss(where: str, is_live: bool) -> None:
    print(f"\n(s) sflow listen --top, {where}: {RATE:,} datagrams of {sflow.SAMPLES} flow samples a second, for {FOR_S} s")
    port = sflow.free_port()
    argv = [*pairs.OVSTOOL, "sflow", "listen", "--port", str(port), "--top", "--for", str(FOR_S + 4)]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
    streams = {"stdin": theirs, "stdout": theirs} if is_live else {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    process = subprocess.Popen(argv, env=pairs.ENVIRON | {"TERM": "xterm-256color"}, stderr=subprocess.PIPE, text=True, **streams)
    threading.Thread(target=_read_all, args=(ours,), daemon=True).start()
    try:
        sflow.await_listener(port)
        before, begun = _cpu_s(process.pid), time.monotonic()
        _send(port)
        used = (_cpu_s(process.pid) - before) / (time.monotonic() - begun)
        _, said = process.communicate(timeout=pairs.LIMIT_S)
    finally:
        process.kill()
        os.close(theirs)
    came = int(re.search(r"note: ([0-9]+) datagrams", said)[1])
    lost = RATE * FOR_S - came
    print(f"  {'lost':<44}{lost:>22,}  {pairs.verdict(not lost, 'none')}")
    print(f"  {'of a core':<44}{used:>21.0%}  {pairs.verdict(used <= MOST_CORE, f'<= {MOST_CORE:.0%}')}", flush=True)


def memory() -> None:
    """The growth of its memory from 100,000 to a million datagrams, with the agents sending in turn."""
    print(f"\n(s) sflow listen --top: {MILLION:,} datagrams of {AGENTS:,} agents")
    argv = [*pairs.OVSTOOL, "sflow", "listen", "--top", "--read", "-"]
    process = subprocess.Popen(
        argv, env=pairs.ENVIRON, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=False
    )
    grown = []
    try:
        with pairs.limited(process):
            process.stdin.write(sflow.pcap([]))
            for number in range(MILLION):
                process.stdin.write(_packet(number))
                if number % (MILLION // 10) == MILLION // 10 - 1:
                    grown.append(_rss_mib(process.pid))
            process.stdin.close()
            said = process.stderr.read().decode()
            process.wait()
    finally:
        process.kill()
    if f"{MILLION} datagrams" not in said:
        raise pairs.Failed(said)
    growth = max(grown) - grown[0]
    print(f"  {'MiB at a tenth of them':<44}{grown[0]:>22.1f}")
    print(
        f"  {'and more by the end':<44}{growth:>22.1f}  {pairs.verdict(growth <= MOST_GROWN_MIB, f'<= {MOST_GROWN_MIB} MiB')}", flush=True
    )


def estimates() -> None:
    """How often the estimate differs from what iperf3 sent by no more than the stated error."""
    print(f"\n(s) sflow listen --top beside iperf3: {RUNS} runs of {RUN_S} s at {_MBIT} Mbit/s, one packet in {_SAMPLING} sampled")
    with tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        box, _ = sandbox.start(Path(name) / "netdev", "netdev", ["eth1", "eth2"])
        try:
            enable = ["sflow", "enable", "br0", "--collector", "127.0.0.1", "--agent", "192.0.2.77", "--polling", "0", "--force"]
            pairs.run([*pairs.OVSTOOL, f"--db={box.db}", *enable, "--sampling", str(_SAMPLING)], pairs.ENVIRON)
            runs = [_estimate(box) for _ in range(RUNS)]
        finally:
            sandbox.stop(box.directory)
    within = sum(abs(told - true) <= true * percent / 100 for told, true, percent in runs) / RUNS
    offs = sorted(abs(told / true - 1) for told, true, _ in runs)
    print(f"  {'off by, median and most':<44}{offs[RUNS // 2]:>14.1%}{offs[-1]:>8.1%}")
    print(f"  {'stated error, mean':<44}{sum(percent for *_, percent in runs) / RUNS / 100:>22.1%}")
    print(
        f"  {'within the stated error':<44}{within:>21.0%}  {pairs.verdict(within >= LEAST_WITHIN, f'>= {LEAST_WITHIN:.0%}')}", flush=True
    )


def _estimate(box: sandbox.Sandbox) -> tuple[float, float, float]:
    """The estimated bytes, iperf3's bytes plus headers, and the stated error in percent."""
    (client, server), inside = list(box.hosts)[:2], ["ip", "netns", "exec"]
    listen = [*inside, box.namespace, *pairs.OVSTOOL, "sflow", "listen", "--top", "--by", "flow", "-f", "json"]
    listener = subprocess.Popen(listen, env=pairs.ENVIRON, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    iperf = subprocess.Popen([*inside, server, "iperf3", "-s", "-1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with pairs.limited(listener):
            listener.stderr.readline()  # it is listening now
        time.sleep(0.3)
        argv = [*inside, client, "iperf3", "-c", "10.0.0.2", "-u", "-b", f"{_MBIT}M", "-l", "1400", "-t", str(RUN_S), "-J"]
        sent = json.loads(subprocess.run(argv, capture_output=True, check=True, timeout=pairs.LIMIT_S).stdout)["end"]["sum"]
        time.sleep(1.5)
        listener.send_signal(2)
        rows = json.loads(listener.communicate(timeout=_STARTED_S)[0])
    finally:
        listener.kill()
        iperf.kill()
        iperf.wait()
    row = next(row for row in rows if row["ip_proto"] == 17 and row["dst_port"] == 5201)
    return row["bps"] * row["interval_s"] / 8, sent["bytes"] + sent["packets"] * _FRAMING, row["error_percent"]


def _send(port: int) -> None:
    datagrams = [sflow.datagram(number) for number in range(1000)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        begun = time.monotonic()
        for number in range(RATE * FOR_S):
            # Each has its own sequence number; all come from one agent.
            head = struct.pack("!II4sII", 5, 1, bytes([192, 0, 2, 1]), 0, number)
            sender.sendto(head + datagrams[number % 1000][20:], ("127.0.0.1", port))
            time.sleep(max(begun + number / RATE - time.monotonic(), 0))


def _packet(number: int) -> bytes:
    """A record of a capture: a datagram with one sample, from one of AGENTS agents in turn."""
    agent = struct.pack("!I", 0x0A000000 + number % AGENTS)
    frame = bytes(12) + b"\x08\0" + struct.pack("!BBHHHBBH", 0x45, 0, 100, 0, 0, 64, 17, 0) + struct.pack("!II", number % 20_000, 1)
    frame += struct.pack("!HHHH", number % 60_000, 53, 80, 0)
    record = struct.pack("!6I", 1, 16 + len(frame) + 2, 1, 118, 4, len(frame)) + frame + bytes(2)
    body = struct.pack("!8I", number // AGENTS, 3, 100, 100, 0, 3, 4, 1) + record
    data = struct.pack("!II4s4I", 5, 1, agent, 0, number // AGENTS, number, 1) + struct.pack("!II", 1, len(body)) + body
    udp = struct.pack("!HHHH", 50000, 6343, 8 + len(data), 0) + data
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
    return struct.pack("!4I", number // 10_000, 0, 20 + len(udp), 20 + len(udp)) + ip + udp


def _read_all(terminal: int) -> None:
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        pass


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    report()
