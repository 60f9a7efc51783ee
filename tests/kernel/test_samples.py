"""sFlow as a collector receives it: datagrams of version 5 from the right agent, with as many samples as expected."""

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
_DECODED = 10  # of the first and last datagrams, for comparison with tshark

# Prints each datagram that arrives, after reporting that it listens.
_COLLECTOR = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 6343))
print("listening", flush=True)
while True:
    print(s.recv(65535).hex(), flush=True)
"""


def samples(datagram: bytes) -> list[tuple[int, bytes]]:
    """Check the header of a datagram (sFlow v5) and return its samples, each with its format."""
    version, family, agent, _, _, _, count = struct.unpack_from("!II4s4I", datagram)
    assert (version, family, agent) == (5, 1, bytes([10, 0, 0, 254]))
    found, offset = [], 28
    for _ in range(count):
        kind, length = struct.unpack_from("!II", datagram, offset)
        found.append((kind, datagram[offset + 8 : offset + 8 + length]))
        offset += 8 + length
    assert offset == len(datagram)
    return found


def test_packets_are_sampled_at_the_rate(switch, ovstool, tmp_path):
    argv = ["ip", "netns", "exec", list(switch.box.hosts)[2], sys.executable, "-c", _COLLECTOR]
    with tempfile.TemporaryFile("w+") as written, subprocess.Popen(argv, stdout=written, text=True) as collector:
        try:
            while not os.fstat(written.fileno()).st_size:
                assert collector.poll() is None
                time.sleep(0.05)
            enabled = ovstool(f"sflow enable br0 --collector 10.0.0.3 --agent br0 --sampling {_SAMPLING} --polling 1")
            assert enabled.code == 0, enabled.stderr
            [arrived] = send(switch.box, udp(1, 2, f"{_PACKETS_PER_S * 8 * 1000}", payload=1000), for_s=_FOR_S)
            time.sleep(2)  # a datagram is sent when it is full or a second old
        finally:
            collector.kill()
        collector.wait()
        written.seek(0)
        datagrams = [bytes.fromhex(line) for line in written.read().split()[1:]]
    found = [sample for datagram in datagrams for sample in samples(datagram)]
    ours = [body for kind, body in found if kind == _FLOW_SAMPLE and bytes([10, 0, 0, 1, 10, 0, 0, 2]) in body]
    assert {struct.unpack_from("!III", body)[2] for body in ours} == {_SAMPLING}
    assert any(kind != _FLOW_SAMPLE for kind, _ in found), "no counter samples"
    expected = arrived.pps * _FOR_S / _SAMPLING
    # Each packet is sampled with the same probability, so their number has this standard deviation; 5 of them are one in two million.
    deviation = (expected * (1 - 1 / _SAMPLING)) ** 0.5
    assert abs(len(ours) - expected) < 5 * deviation, f"{len(ours)} of {expected:.0f}"
    # The bridge also carries the datagrams; tshark decodes samples of those as nested datagrams.
    plain = [data for data in datagrams if not any(row.get("udp_dst") == 6343 for row in decode(data).rows())]
    compared, wrong = differences([*plain[:_DECODED], *plain[-_DECODED:]], tmp_path)
    assert wrong == [] and compared > 40 * _DECODED
    # All counters that veth reports are constant.
    assert "br0: auto chose 1 in 10000 (" in ovstool("sflow enable br0 --collector 10.0.0.3 --sampling auto").stderr
    assert switch.vsctl("--bare --columns=agent,sampling list sflow").split() == ["br0", "10000"]
