"""sFlow: datagrams decoded per second, compared with tshark and nfdump's sfcapd on the same capture.

Called by report.py; to run it alone: ``python3 bench/sflow.py``, with the Python that ovstool is installed for.
"""

import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pairs

DATAGRAMS, SAMPLES = 10_000, 5
LEAST = 20_000  # datagrams per second on one core, decoded as far as a table of top talkers needs
ROUNDS = 5
_HEADER = 128
_BATCH, _PAUSE_S = 20, 0.005  # slow enough for sfcapd to receive all datagrams
_WAIT_S = 30

# The CPU time in seconds of each way to decode a capture, without reading the file.
_DECODE = """
import json, sys, time
from ovstool.sflow import capture, datagram
with open(sys.argv[1], "rb") as file:
    payloads = [received.payload for received in capture.read(file)]
def walk(payload):
    datagram.decode(payload)
def talkers(payload):
    for sample in datagram.decode(payload).samples:
        sample.traffic()
def rows(payload):
    for row in datagram.decode(payload).rows():
        json.dumps(row)
spent = {}
for way in (walk, talkers, rows):
    started = time.process_time()
    for payload in payloads:
        way(payload)
    spent[way.__name__] = time.process_time() - started
print(json.dumps(spent))
"""


def report() -> None:
    """(s) Decoding sFlow datagrams."""
    with tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        file = Path(name) / "datagrams.pcap"
        datagrams = [datagram(number) for number in range(DATAGRAMS)]
        file.write_bytes(pcap(datagrams))
        pairs.guarded(decoding, file, datagrams)


def decoding(file: Path, datagrams: list[bytes]) -> None:
    print(f"\n(s) sFlow: {DATAGRAMS:,} datagrams of {SAMPLES} flow samples, decoded; the best of {ROUNDS} rounds")
    print(f"  {'':<44}{'datagrams/s of a core':>22}{'us CPU each':>13}")
    ours: dict[str, list[float]] = {"walk": [], "talkers": [], "rows": []}
    theirs: dict[str, list[float]] = {"tshark": [], "sfcapd": []}
    for _ in range(ROUNDS):
        argv = [sys.executable, "-c", _DECODE, str(file)]
        done = subprocess.run(argv, stdout=subprocess.PIPE, check=True, env=pairs.ENVIRON, timeout=pairs.LIMIT_S)
        for way, seconds in json.loads(done.stdout).items():
            ours[way].append(seconds)
        for program, measured in (("tshark", _tshark), ("sfcapd", _sfcapd)):
            if pairs.find(program):
                theirs[program].append(measured(file, datagrams))
    show("samples and records", ours["walk"])
    rate = show("and who talks to whom, as --top needs it", ours["talkers"])
    show("and each field, as JSON", ours["rows"])
    for program, seconds in theirs.items():
        if seconds:
            show(f"{program}{', a field of each sample' if program == 'tshark' else ', written to its file'}", seconds)
    print(f"  {'decoded as --top needs it':<44}{rate:>15,.0f} a second  {pairs.verdict(rate >= LEAST, f'>= {LEAST:,}')}")


def show(what: str, seconds: list[float]) -> float:
    """Print and return the datagrams per second of the best round, as other load on the machine can only lower the figure."""
    each = min(seconds) / DATAGRAMS
    print(f"  {what:<44}{1 / each:>22,.0f}{each * 1e6:>13.1f}", flush=True)
    return 1 / each


def _tshark(file: Path, _: list[bytes]) -> float:
    argv = [pairs.find("tshark") or "tshark", "-n", "-r", str(file), "-T", "fields", "-e", "sflow.flow_sample.sampling_rate"]
    return pairs.run(argv, pairs.ENVIRON | {"HOME": str(file.parent)}).cpu_s


def _sfcapd(file: Path, datagrams: list[bytes]) -> float:
    """The CPU time of sfcapd without its start and exit."""
    return max(_collected(file, datagrams) - _collected(file, []), 0.0)


def _collected(file: Path, datagrams: list[bytes]) -> float:
    """The CPU time in seconds of an sfcapd that receives these datagrams."""
    with tempfile.TemporaryDirectory(dir=file.parent) as flows, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        port = free_port()
        argv = [pairs.find("sfcapd") or "sfcapd", "-w", flows, "-p", str(port), "-b", "127.0.0.1", "-B", "8000000"]
        daemon = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            await_listener(port)
            for start in range(0, len(datagrams), _BATCH):
                for data in datagrams[start : start + _BATCH]:
                    sender.sendto(data, ("127.0.0.1", port))
                time.sleep(_PAUSE_S)
            with pairs.limited(daemon):
                daemon.send_signal(signal.SIGTERM)
                _, status, usage = os.wait4(daemon.pid, 0)
                daemon.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if daemon.returncode is None:
                daemon.kill()
                daemon.wait()
    return usage.ru_utime + usage.ru_stime


def await_listener(port: int) -> None:
    """Wait until something is bound to a UDP port."""
    end = time.monotonic() + _WAIT_S
    while not any(f":{port:04X} " in Path(f"/proc/net/{table}").read_text() for table in ("udp", "udp6")):
        if time.monotonic() > end:
            raise pairs.Failed("it does not listen")
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def datagram(number: int) -> bytes:
    """A datagram as Open vSwitch sends it for five packets: their ports and headers."""
    chance = random.Random(number)
    samples = b"".join(sample(number * SAMPLES + index, chance) for index in range(SAMPLES))
    return struct.pack("!II4s4I", 5, 1, bytes([192, 0, 2, number % 100]), 0, number, number * 10, SAMPLES) + samples


def sample(number: int, chance: random.Random) -> bytes:
    ports = chance.randrange(1024, 65536), chance.choice((80, 443, 5201))
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 1500, number & 0xFFFF, 0, 64, 6, 0, chance.randbytes(4), bytes([10, 0, 0, number % 250]))
    frame = bytes(6) + bytes([2, 0, 0, 0, 0, 1]) + b"\x08\0" + ip + struct.pack("!HHIIHHHH", *ports, number, 0, 0x5010, 512, 0, 0)
    header = frame + bytes(_HEADER - len(frame))
    records = struct.pack("!6I", 1001, 16, 0, 0, 0, 0) + struct.pack("!6I", 1, 16 + _HEADER, 1, 1518, 4, _HEADER) + header
    return struct.pack("!10I", 1, 32 + len(records), number, 2 << 24 | 1000, 64, number * 64, 0, 3, 4, 2) + records


def pcap(datagrams: list[bytes]) -> bytes:
    """A capture of datagrams, as raw IP packets."""
    written = [struct.pack("!IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 228)]
    for number, data in enumerate(datagrams):
        udp = struct.pack("!HHHH", 50000, 6343, 8 + len(data), 0) + data
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
        written += [struct.pack("!4I", number, 0, 20 + len(udp), 20 + len(udp)), ip, udp]
    return b"".join(written)


if __name__ == "__main__":
    report()
