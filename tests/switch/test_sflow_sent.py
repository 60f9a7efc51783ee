"""sFlow from the userspace datapath as a collector receives it: how Open vSwitch handles values at their limits."""

import json
import re
import subprocess
import sys

import pytest

PACKETS, SIZE, LAST = 40, 1400, 300  # and bytes of payload
# Prints the samples of packets of SIZE bytes, once one of LAST bytes has arrived: agent, rate, bytes of header.
COLLECTOR = f"""
import socket, struct, json
collector = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
collector.bind(("127.0.0.1", 6343))
collector.settimeout(20)
print("listening", flush=True)
found, lengths = [], set()
while {LAST} + 46 not in lengths:
    datagram = collector.recv(65535)
    agent, count, offset = socket.inet_ntoa(datagram[8:12]), struct.unpack_from("!I", datagram, 24)[0], 28
    for _ in range(count):
        kind, length = struct.unpack_from("!II", datagram, offset)
        body, offset = datagram[offset + 8 : offset + 8 + length], offset + 8 + length
        at = 32
        while kind == 1 and at < len(body):
            element, size = struct.unpack_from("!II", body, at)
            if element == 1:
                lengths.add(struct.unpack_from("!I", body, at + 12)[0])
                if struct.unpack_from("!I", body, at + 12)[0] == {SIZE} + 46:
                    found.append((agent, struct.unpack_from("!I", body, 8)[0], struct.unpack_from("!I", body, at + 20)[0]))
            at += 8 + size
print(json.dumps(found))
"""
SENDER = f"""
import socket, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range({PACKETS}):
    sender.sendto(b"x" * {SIZE}, ("10.0.0.2", 9))
    time.sleep(0.005)
while True:  # until it has arrived: on a busy machine the sample of a single packet may be lost
    sender.sendto(b"x" * {LAST}, ("10.0.0.2", 9))
    time.sleep(0.1)
"""


@pytest.fixture
def switch(forwarding):
    yield forwarding
    forwarding.vsctl("clear bridge br0 sflow")


def samples(switch) -> list[list]:
    """The samples of PACKETS large packets."""
    argv = ["ip", "netns", "exec", switch.box.namespace, sys.executable, "-c", COLLECTOR]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as collector:
        try:
            assert collector.stdout.readline() == "listening\n"
            with subprocess.Popen(["ip", "netns", "exec", next(iter(switch.box.hosts)), sys.executable, "-c", SENDER]) as sender:
                try:
                    return json.loads(collector.stdout.readline())
                finally:
                    sender.kill()
        finally:
            collector.kill()


def test_the_longest_header_arrives_and_a_longer_one_would_not(switch, ovstool):
    enabled = ovstool("sflow enable --collector 127.0.0.1 --agent 192.0.2.77 --sampling 1 --polling 0 --header 612")
    assert enabled.stdout == "br0: created\n" and enabled.stderr.startswith("ovstool: note: --header 612: with tunnels or MPLS")
    found = samples(switch)
    assert {tuple(sample) for sample in found} == {("192.0.2.77", 1, 612)}, "the agent may be an address that no interface has"
    assert len(found) > 0.9 * PACKETS, "each packet is sampled"
    assert ovstool("sflow enable --collector 127.0.0.1 --agent br0 --sampling 1 --polling 0 --header 613").code == 2
    theirs = "set bridge br0 sflow=@s -- --id=@s create sflow targets='\"127.0.0.1\"' sampling=1 polling=0"
    switch.vsctl(f"{theirs} agent=br0 header=613")
    assert samples(switch) == []


def test_a_missing_agent_is_replaced_by_another_address(switch, ovstool):
    enabled = ovstool("sflow enable --collector 127.0.0.1 --agent nosuch --sampling 1 --polling 0 --header 64 --force")
    assert (
        enabled.code == 0
        and "agent nosuch: there is no such interface, so Open vSwitch would fall back to the source address" in enabled.stderr
    )
    assert {tuple(sample) for sample in samples(switch)} == {("127.0.0.1", 1, 64)}


FLOOD = """
import socket
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    sender.sendto(b"x", ("10.0.0.2", 9))
"""


@pytest.fixture
def flood(switch):
    """One host sends the other as many packets as it can."""
    sender = subprocess.Popen(["ip", "netns", "exec", next(iter(switch.box.hosts)), sys.executable, "-c", FLOOD])
    yield
    sender.kill()
    sender.wait()


def test_a_rate_far_from_what_suits_the_traffic_is_noted(switch, ovstool, flood):
    enable = "sflow enable --collector 127.0.0.1 --sampling"

    def noted(sampling: int, words: str) -> tuple[str, ...]:
        """Packets/s, samples/s and the suggestion; repeated until enough packets flow during the short run of a command."""
        pattern = rf"ovstool: note: br0: 1 packet in {sampling} of (\d+) packets/s at the moment is (\S+) samples/s, {words}; try: --sampling (\d+)\n"
        for _ in range(20):
            if said := re.fullmatch(pattern, ovstool(f"{enable} {sampling}").stderr):
                return said.groups()
        raise AssertionError("no note")

    packets, samples, better = noted(1, "which may be more than a collector takes")
    assert int(packets) == pytest.approx(float(samples), rel=0.1) and int(better) == pytest.approx(int(packets) / 100, rel=0.1)
    assert "samples/s" not in ovstool(f"{enable} {better}").stderr
    packets, samples, better = noted(42_949_672, "which is too few to tell what is there")
    assert float(samples) == pytest.approx(int(packets) / 42_949_672, rel=0.1) and int(better) == pytest.approx(int(packets) / 100, rel=0.1)


def test_auto_uses_speeds_of_virtual_devices_if_there_are_no_others(switch, ovstool):
    assert "br0: auto chose 1 in 10000 (" in ovstool("sflow enable --collector 127.0.0.1 --sampling auto").stderr
    assert switch.vsctl("--bare --columns=agent,sampling list sflow").split() == ["lo", "10000"]


def test_a_switch_without_traffic_is_no_reason_for_a_note(switch, ovstool):
    for sampling in (10, 1000, 10_000_000):
        assert ovstool(f"sflow enable --collector 127.0.0.1 --sampling {sampling}").stderr == ""
