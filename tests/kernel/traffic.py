"""Traffic between the hosts of a sandbox, and how much of it arrived, as counted by the receiver."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ovstool.sandbox import Sandbox

_PORT = 5300  # of the first flow's server; the others use the next ones
_START_S = 30  # for servers to start listening and clients to finish, beyond the time of sending
_LISTENING = "0A"  # state in /proc/net/tcp6, from the kernel's include/net/tcp_states.h
_ETHERNET = 14
_TCP = _ETHERNET + 20 + 32  # IPv4, and TCP with timestamps
_UDP = _ETHERNET + 20 + 8
_MSS = 1500 - 20 - 32


@dataclass(frozen=True)
class Flow:
    """What an iperf3 sends, between the hosts on these ports of the switch, counted from 1."""

    sender: int
    receiver: int
    options: tuple[str, ...]
    payload: int  # payload bytes of each packet
    headers: int  # header bytes of each packet


@dataclass(frozen=True)
class Received:
    """What arrived: the payload, and the Ethernet frames that carried it, which is what shaping counts."""

    payload_bps: float
    frames_bps: float
    pps: float


def tcp(sender: int, receiver: int, *options: str) -> Flow:
    return Flow(sender, receiver, options, _MSS, _TCP)


def udp(sender: int, receiver: int, rate: str, payload: int = 1448) -> Flow:
    return Flow(sender, receiver, ("--udp", f"--bitrate={rate}", f"--length={payload}"), payload, _UDP)


def send(box: Sandbox, *flows: Flow, for_s: int = 5) -> list[Received]:
    """Send all flows at the same time and return what arrived of each."""
    with _sending(box, flows, for_s) as running:
        return [flow.received() for flow in running]


@contextmanager
def flowing(box: Sandbox, *flows: Flow) -> Iterator[None]:
    """Send all flows during the block, at full speed when it begins."""
    with _sending(box, flows, for_s=300):
        time.sleep(1.5)
        yield


@contextmanager
def _sending(box: Sandbox, flows: Sequence[Flow], for_s: int) -> Iterator[list["_Sending"]]:
    with ExitStack() as stack:
        running = [stack.enter_context(_Sending(box, flow, _PORT + index)) for index, flow in enumerate(flows)]
        for flow in running:
            flow.start(for_s)
        yield running


class _Sending:
    """One flow: an iperf3 server for one test and its client, both ended with the block."""

    def __init__(self, box: Sandbox, flow: Flow, port: int):
        self.flow, self.port = flow, port
        hosts = list(box.hosts.items())
        (self.sender, _), (self.receiver, self.address) = hosts[flow.sender - 1], hosts[flow.receiver - 1]

    def __enter__(self) -> "_Sending":
        self.report, self.words = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        self.processes = [_iperf3(self.receiver, self.report, "--server", "--one-off", "--json", f"--port={self.port}")]
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.report.close()
        self.words.close()

    def start(self, for_s: int) -> None:
        self.deadline = time.monotonic() + for_s + _START_S
        self.await_server()
        options = [f"--client={self.address}", f"--port={self.port}", f"--time={for_s}", *self.flow.options]
        self.processes.append(_iperf3(self.sender, self.words, *options))

    def await_server(self) -> None:
        while not self.is_listening():
            assert self.processes[0].poll() is None and time.monotonic() < self.deadline, "iperf3 does not listen"
            time.sleep(0.02)

    def is_listening(self) -> bool:
        # The socket is in the server's namespace once ip has become iperf3; the file does not exist until something has used IPv6.
        sockets = Path(f"/proc/{self.processes[0].pid}/net/tcp6")
        lines = sockets.read_text().splitlines() if sockets.exists() else []
        return any(f":{self.port:04X} " in line and line.split()[3] == _LISTENING for line in lines)

    def received(self) -> Received:
        server, client = self.processes
        try:
            # Queued packets still arrive after the sender has finished, and the receiver waits for them.
            server.wait(max(0.0, self.deadline - time.monotonic()))
            self.report.seek(0)
            total = json.load(self.report)["end"]["sum_received"]
        except (subprocess.TimeoutExpired, ValueError, KeyError) as error:
            self.words.seek(0)
            raise AssertionError(f"iperf3 did not end (exit code {client.poll()}): {self.words.read()}") from error
        payload_bps = total["bytes"] * 8 / total["seconds"]
        whole = self.flow.payload + self.flow.headers
        return Received(payload_bps, payload_bps * whole / self.flow.payload, payload_bps / 8 / self.flow.payload)


def _iperf3(namespace: str, output, *options: str) -> subprocess.Popen:
    argv = ["ip", "netns", "exec", namespace, "iperf3", *options]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
