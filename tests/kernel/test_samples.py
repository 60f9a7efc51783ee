"""sFlow as a collector gets it: datagrams of version 5, in the agent's name, with as many samples as there should be."""

import os
import struct
import subprocess
import sys
import tempfile
import time

from sflow_by_tshark import differences
from traffic import send, udp

from ovstool.sflow.datagram import decode

_SAMPLING = 20
_FOR_S = 5
_PACKETS_PER_S = 2000
_FLOW_SAMPLE = 1
_DECODED = 10  # of the first and of the last datagrams, beside tshark

# Prints each datagram that comes, once it says that it listens.
_COLLECTOR = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 6343))
print("listening", flush=True)
while True:
    print(s.recv(65535).hex(), flush=True)
"""


def samples(datagram: bytes) -> list[tuple[int, bytes]]:
    """Check the head of a datagram (sFlow v5) and return its samples, each with its format."""
    version, family, agent, _, _, _, count = struct.unpack_from("!II4s4I", datagram)
    assert (version, family, agent) == (5, 1, bytes([10, 0, 0, 254]))
    found, offset = [], 28
    for _ in range(count):
        kind, length = struct.unpack_from("!II", datagram, offset)
        found.append((kind, datagram[offset + 8 : offset + 8 + length]))
        offset += 8 + length
    assert offset == len(datagram)
    return found


def test_one_packet_in_so_many_is_sampled(switch, ovstool, tmp_path):
    argv = ["ip", "netns", "exec", list(switch.box.hosts)[2], sys.executable, "-c", _COLLECTOR]
    with tempfile.TemporaryFile("w+") as written, subprocess.Popen(argv, stdout=written, text=True) as collector:
        try:
            while not os.fstat(written.fileno()).st_size:
                assert collector.poll() is None
                time.sleep(0.05)
            enabled = ovstool(f"sflow enable br0 --collector 10.0.0.3 --agent br0 --sampling {_SAMPLING} --polling 1")
            assert enabled.code == 0, enabled.stderr
            [arrived] = send(switch.box, udp(1, 2, f"{_PACKETS_PER_S * 8 * 1000}", payload=1000), for_s=_FOR_S)
            time.sleep(2)  # a datagram leaves when it is full, or a second old
        finally:
            collector.kill()
        collector.wait()
        written.seek(0)
        datagrams = [bytes.fromhex(line) for line in written.read().split()[1:]]
    found = [sample for datagram in datagrams for sample in samples(datagram)]
    ours = [body for kind, body in found if kind == _FLOW_SAMPLE and bytes([10, 0, 0, 1, 10, 0, 0, 2]) in body]
    assert {struct.unpack_from("!III", body)[2] for body in ours} == {_SAMPLING}
    assert any(kind != _FLOW_SAMPLE for kind, _ in found), "counters are sent too"
    expected = arrived.pps * _FOR_S / _SAMPLING
    # Each packet is taken with the same chance, so their number has this standard deviation; 5 of them are one in two million.
    deviation = (expected * (1 - 1 / _SAMPLING)) ** 0.5
    assert abs(len(ours) - expected) < 5 * deviation, f"{len(ours)} of {expected:.0f}"
    # The bridge carries the datagrams too; those that sample one are for tshark datagrams in a datagram.
    plain = [data for data in datagrams if not any(row.get("udp_dst") == 6343 for row in decode(data).rows())]
    compared, wrong = differences([*plain[:_DECODED], *plain[-_DECODED:]], tmp_path)
    assert wrong == [] and compared > 40 * _DECODED
    # All that veth tells is a constant.
    assert "br0: auto chose 1 in 10000 (" in ovstool("sflow enable br0 --collector 10.0.0.3 --sampling auto").stderr
    assert switch.vsctl("--bare --columns=agent,sampling list sflow").split() == ["br0", "10000"]
