"""sflow listen with hostile peers: floods, lies, names with control characters; and hosts that lie about what arrives."""

import io
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from itertools import chain, islice

import pytest
from on_terminal import shown

from ovstool.errors import OvstoolError, Unreachable
from ovstool.host import Finished
from ovstool.sflow import far_collector
from ovstool.sflow.collector import Arrival, Collector
from ovstool.sflow.reception import Reception
from ovstool.switch import Switch
from ovstool.switch.sflow import listening
from ovstool.switch.sflow.listening import Origin

UNREACHABLE, BROKEN_PIPE = 5, 141
HOSTILE = "e\x1b[2J\x07\u202e"


def datagram(agent=b"\x0a\0\0\1", sequence=1, samples=(), version=5, uptime_ms=1000) -> bytes:
    return struct.pack("!II4sIIII", version, 1, agent, 0, sequence, uptime_ms, len(samples)) + b"".join(samples)


def flow(last=1, input_=101) -> bytes:
    """The sample of a packet from one of many addresses."""
    source = struct.pack("!I", 0x0A000000 + last)
    frame = bytes(12) + struct.pack("!H", 0x0800) + struct.pack("!BBHHHBBH4s4s", 0x45, 0, 100, 0, 0, 64, 17, 0, source, bytes(4))
    frame += struct.pack("!HHHH", 53, 53, 80, 0)
    record = struct.pack("!IIIIII", 1, 16 + len(frame) + 2, 1, 118, 4, len(frame)) + frame + bytes(2)
    body = struct.pack("!8I", 1, input_, 100, 100, 0, input_, 2, 1) + record
    return struct.pack("!II", 1, len(body)) + body


def text_counters(name: bytes) -> bytes:
    """Counters of a port with this name (port_name, 0:1005)."""
    padded = name + bytes(-len(name) % 4)
    body = struct.pack("!III", 1, 101, 1) + struct.pack("!III", 1005, 4 + len(padded), len(name)) + padded
    return struct.pack("!II", 2, len(body)) + body


def pcap(payloads) -> bytes:
    data = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for payload in payloads:
        udp = struct.pack("!HHHH", 4000, 6343, 8 + len(payload), 0) + payload
        packet = struct.pack("!BBHIBBH4s4s", 0x45, 0, 20 + len(udp), 0, 64, 17, 0, bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])) + udp
        data += struct.pack("=IIII", 1_700_000_000, 0, len(packet), len(packet)) + packet
    return data


@pytest.fixture
def listen(unchanged, tmp_path):
    """``listen("--top", datagrams)``: its output for a capture of these."""

    def listen(words: str, payloads):
        path = tmp_path / "capture.pcap"
        path.write_bytes(pcap(payloads))
        return unchanged.ovstool(f"sflow listen --read {path} {words}")

    return listen


def test_malformed_datagrams_are_counted_and_reported_once(listen):
    junk = [b"", b"\0", os.urandom(64), datagram(version=2), datagram(version=4), datagram()[:20], b"\xff" * 60_000]
    lies = [datagram(samples=[struct.pack("!II", 1, 2**32 - 1)]), datagram()[:-4] + struct.pack("!I", 2**32 - 1)]
    done = listen("-f json", [*junk, *lies, datagram(samples=[flow()], sequence=2)])
    assert done.code == 0 and len(done.stdout.splitlines()) == 1
    notes = done.stderr.splitlines()
    assert notes[0].startswith("ovstool: note: malformed datagram from 192.0.2.1: ") and "malformed datagram from" not in "".join(notes[1:])
    assert "ovstool: note: 9 datagrams malformed" in notes


def test_it_ends_in_time_despite_a_flood_of_junk(unchanged):
    """Junk from many senders arrives all the time; reports about it are limited, and so is the time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stop = threading.Event()

    def flood(last: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((f"127.0.0.{last}", 0))
            while not stop.is_set():
                sender.sendto(os.urandom(300), ("127.0.0.1", port))
                time.sleep(0.0005)

    threads = [threading.Thread(target=flood, args=(last,), daemon=True) for last in range(2, 12)]
    for thread in threads:
        thread.start()
    try:
        done = unchanged.ovstool(f"sflow listen --port {port} --for 2 --top")
    finally:
        stop.set()
    assert done.code == 0 and done.stderr.count("malformed datagram from") == 5 and done.stderr.count("\n") < 12, done


def test_the_memory_for_agents_and_talkers_is_limited(unchanged):
    """With twenty thousand of each, each seen once, the peak is that of some thousands."""
    code = (
        "import resource, struct, sys\n"
        "from test_sflow_peers import datagram, flow\n"
        "from ovstool.sflow.collector import Arrival\n"
        "from ovstool.sflow.reception import Reception\n"
        "from ovstool.sflow.talkers import KEYS, Tally\n"
        "reception, tally = Reception(lambda agent: True, print), Tally()\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "for number in range(20_000):\n"
        "    if number == 10_000: before = peak()\n"
        "    payload = datagram(struct.pack('!I', number), samples=[flow(number)])\n"
        "    for _, decoded in reception.take([Arrival(0.0, payload, '192.0.2.1')]):\n"
        "        tally.add(KEYS['flow'](decoded.agent, 1, decoded.samples[0].traffic()), 118, 100)\n"
        "print(peak() - before, len(tally.counts), sum(1 for _ in reception.sources.losses()), reception.sources.forgotten)\n"
    )
    path = os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", code], env=unchanged.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    grown_mib, talkers, agents, forgotten = map(int, done.stdout.split())
    assert grown_mib <= 5 and talkers <= 4096 and agents == 4096 and forgotten == 20_000 - 4096


@pytest.mark.parametrize("words", ["", "-f json", "-f csv", "-f value", "--top", "--top --by port"])
def test_names_with_control_characters(switch, tmp_path, words):
    """From the network and from the database: none reaches a terminal unescaped."""
    switch.vsctl(
        "set interface eth1 options:ifindex=101 -- --id=@s create sflow agent=10.0.0.1 targets='\"127.0.0.1\"' -- set bridge br0 sflow=@s"
    )
    switch.tool("ovs-vsctl", "--timeout=20", "--no-wait", "set", "interface", "eth1", f"external_ids:iface-id={HOSTILE}")
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap([datagram(samples=[flow(), text_counters(HOSTILE.encode())])]))
    text = shown(["sflow", "listen", "--read", str(path), *words.split()], switch.environ, 100)
    assert (
        ("eth1" if words.endswith("port") else "10.0.0.1") in text and "\x1b[2J" not in text and "\x07" not in text and "\u202e" not in text
    )
    if words == "-f json":
        counters = json.loads(text.splitlines()[1])
        assert counters["port_name"] == {"name": HOSTILE} and counters["iface_id"] == HOSTILE and counters["port"] == "eth1"


def test_an_agent_that_does_not_know_its_address(listen):
    nameless = struct.pack("!IIIIII", 5, 0, 0, 1, 1000, 1) + flow()
    assert [json.loads(line)["agent"] for line in listen("-f json", [nameless]).stdout.splitlines()] == [None]
    assert json.loads(listen("-f json --top --by agent", [nameless]).stdout)[0]["agent"] is None
    for words in ("", "--top", "--top --by agent"):
        assert " ? " in listen(words, [nameless]).stdout.replace("\n", " ").replace("agent", ""), words


def test_an_agent_is_the_same_however_its_address_is_written(listen):
    agent = socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    six = struct.pack("!II16sIIII", 5, 2, agent, 0, 1, 1000, 1) + flow()
    mapped = struct.pack("!II16sIIII", 5, 2, bytes(10) + b"\xff\xff\x0a\0\0\1", 0, 1, 1000, 1) + flow()
    for text in ("2001:DB8::1", "2001:db8:0::1", "[2001:db8::1]"):
        assert json.loads(listen(f"-f json --agent {text}", [six, mapped]).stdout)["agent"] == "2001:db8::1"
    assert json.loads(listen("-f json --agent 10.0.0.1", [six, mapped]).stdout)["agent"] == "::ffff:10.0.0.1"
    assert json.loads(listen("-f json --agent ::ffff:10.0.0.1", [datagram(samples=[flow()])]).stdout)["agent"] == "10.0.0.1"


def test_a_reader_that_closes_the_pipe(unchanged, tmp_path):
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap([datagram(sequence=number, samples=[flow()] * 40) for number in range(100)]))
    argv = [sys.executable, "-m", "ovstool", "sflow", "listen", "--read", str(path), "-f", "json"]
    with subprocess.Popen(argv, env=unchanged.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == BROKEN_PIPE and b"Traceback" not in process.stderr.read()


# --- the socket


@contextmanager
def collector(*args):
    opened = Collector(*args)
    try:
        yield opened
    finally:
        opened.close()


def test_both_families_come_to_one_socket():
    with collector(None, 0) as opened:
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"x" * 1000, (host, opened.port))
        came = list(islice(chain.from_iterable(opened.batches(5)), 2))
        assert sorted((arrival.sender, len(arrival.payload)) for arrival in came) == [("127.0.0.1", 1000), ("::1", 1000)]


def test_the_largest_datagram_and_an_empty_one_are_whole():
    with collector("127.0.0.1", 0) as opened, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**20)
        for size in (65507, 0):
            sender.sendto(bytes(size), ("127.0.0.1", opened.port))
        assert [len(arrival.payload) for arrival in next(opened.batches(5))] == [65507, 0]


def test_datagrams_dropped_by_the_socket_are_counted():
    with collector("127.0.0.1", 0) as opened, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        opened._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(100):
            sender.sendto(bytes(1000), ("127.0.0.1", opened.port))
        read = sum(len(batch) for _, batch in zip(range(2), opened.batches(0.1), strict=False))
        assert 0 < read < 100 and opened.dropped == 100 - read


# --- a host that lies


class Liar:
    """A host whose program prints this."""

    name = "liar"

    def __init__(self, *chunks: bytes, stderr: str = "", error: Exception | None = None):
        self._chunks, self._stderr, self._error = chunks, stderr, error

    def run(self, argv, timeout_s, stdin=b""):
        return Finished(0, "", "")

    def stream(self, argv, timeout_s):
        assert argv[:2] == ["sh", "-c"]
        yield from self._chunks
        if self._error:
            raise self._error
        return Finished(1, "", self._stderr)

    def close(self):
        pass


WHOLE = pcap([datagram(samples=[flow()])])


@pytest.mark.parametrize(
    ("chunks", "error"),
    [
        ([], "liar: the remote listener has exited"),
        ([b"\n"], 'liar: unexpected answer from the remote listener: ""'),
        ([b"x" * 2**20] * 1000, f'liar: unexpected answer from the remote listener: {"x" * 64}'),
        ([b"\x1b[2J listening 6343\n"], 'liar: unexpected answer from the remote listener: "\\x1b[2J listening 6343"'),
        ([b"listening 99999999999999999999\n"], 'liar: unexpected answer from the remote listener: "listening 99999999999999999999"'),
        ([b"listening\n"], 'liar: unexpected answer from the remote listener: listening'),
        ([b"errno 98\n"], "liar: UDP port 6343: already in use by another program; try: --port N, or tcpdump"),
        ([b"errno 5\n"], "liar: UDP port 6343: Input/output error"),
        ([b"errno 99999999\n"], "liar: UDP port 6343: Unknown error 99999999"),
        ([b"nothing\n"], "liar: has neither python3 nor tcpdump; listening there needs one of them"),
        ([b"listening 6343\nGET / HTTP/1.1"], "liar: not a capture, or damaged: neither pcap nor pcapng"),
        ([b"listening 6343\n", WHOLE, b"\xff" * 16], "liar: not a capture, or damaged: implausible packet length 4294967295"),
        ([b"listening 6343\n", WHOLE], "liar: the remote listener has exited"),
        ([b"capturing\n", WHOLE], "liar: tcpdump: the remote listener has exited; try: --sudo"),
    ],
)  # fmt: skip
def test_a_host_that_lies(chunks, error):
    switch = Switch(db="unix:/nonexistent", host=Liar(*chunks))
    with pytest.raises(OvstoolError) as raised:
        for _ in listening.batches(switch, Origin()):
            pass
    assert str(raised.value).startswith(error)


@pytest.mark.parametrize("line", [b"listening 6343\n", b"capturing\n"])
def test_a_connection_that_is_lost_is_no_fault_of_the_program(line):
    lost = Unreachable("liar", "connection lost: no answer for 45 s")
    switch = Switch(db="unix:/nonexistent", host=Liar(line, WHOLE, error=lost))
    with pytest.raises(Unreachable) as raised:
        for _ in listening.batches(switch, Origin()):
            pass
    assert str(raised.value) == "liar: connection lost: no answer for 45 s"


def test_data_before_the_end_is_used_however_it_is_split():
    line = b"listening 6343\n"
    for size in (1, 7, 1000):
        data = line + WHOLE
        switch = Switch(
            db="unix:/nonexistent", host=Liar(*(data[at : at + size] for at in range(0, len(data), size)), stderr="last words\n")
        )
        came = []
        with pytest.raises(OvstoolError, match=r"^liar: last words$"):
            for batch in listening.batches(switch, Origin()):
                came += batch
        assert [(arrival.sender, arrival.payload) for arrival in came] == [("192.0.2.1", datagram(samples=[flow()]))]


def test_the_program_for_another_host_does_here_what_the_socket_does():
    """Run by this Python: a line with its port, then datagrams of both families, up to the largest."""
    argv = far_collector.argv(None, 0)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            answer = far_collector.answer(process.stdout.readline())
            assert answer.word == far_collector.LISTENING
            for family, host, size in (
                (socket.AF_INET, "127.0.0.1", 10),
                (socket.AF_INET6, "::1", 0),
                (socket.AF_INET, "127.0.0.1", 65507),
            ):
                with socket.socket(family, socket.SOCK_DGRAM) as sender:
                    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**20)
                    sender.sendto(b"\0\0\0\5" + bytes(size - 4) if size else b"", (host, answer.number))
            captured = listening._captured(io.BufferedReader(process.stdout), "it", answer.number, print)
            came = [next(captured) for _ in range(3)]
        finally:
            process.kill()
    assert [(arrival.sender, len(arrival.payload)) for arrival in came] == [("127.0.0.1", 10), ("::1", 0), ("127.0.0.1", 65507)]


@pytest.mark.parametrize(("bind", "number"), [("192.0.2.1", 99), ("127.0.0.1", 0)])
def test_the_program_says_why_it_cannot_listen(bind, number):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        done = subprocess.run(far_collector.argv(bind, taken.getsockname()[1]), capture_output=True, timeout=60, check=False)
    assert far_collector.answer(done.stdout) == (far_collector.ERRNO, number or 98) and done.stderr == b""


def test_reception_of_unexpected_data():
    reception = Reception(lambda agent: True, lambda text: None)
    for size in range(0, 300, 7):
        assert list(reception.take([Arrival(0.0, os.urandom(size), "192.0.2.1")])) == []
    assert reception.malformed == 43 and reception.datagrams == 0
