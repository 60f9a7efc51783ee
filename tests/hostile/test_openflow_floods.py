"""OpenFlow peers that send more than requested: only what was requested is kept, and there is a limit."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ovstool.errors import TimedOut, Unreachable
from ovstool.openflow import client
from ovstool.openflow.client import Client

HELLO = struct.pack("!BBHI", 6, 0, 16, 1) + struct.pack("!HHI", 1, 8, 1 << 6)
ECHO = struct.pack("!BBHI", 6, 2, 8, 9)


def port(number: int, properties: bytes = b"") -> bytes:
    return struct.pack("!H2xIII8Q", 80 + len(properties), number, 1, 0, *range(8)) + properties


def custom(first: int, count: int) -> bytes:
    """A property with custom counters."""
    listed = b"".join(struct.pack("!B6sQ", 6, b"%06d" % number, number) for number in range(first, first + count))
    data = struct.pack("!HHIIHH", 0xFFFF, 16 + len(listed), 0xAA01, 2, 0, count) + listed
    return data + bytes(-len(data) % 8)


def answer(xid: int, ports: bytes, more: bool) -> bytes:
    return struct.pack("!BBHIHH4x", 6, 19, 16 + len(ports), xid, 4, more) + ports


@contextmanager
def asking(replies: Callable[[int], Iterator[bytes]], timeout_s: float = 60) -> Iterator[Client]:
    """A client of a peer that sends ``replies(xid)`` for each request."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs:
            try:
                theirs.sendall(HELLO)
                theirs.recv(16)
                while header := theirs.recv(8, socket.MSG_WAITALL):
                    _, _, length, xid = struct.unpack("!BBHI", header)
                    theirs.recv(length - 8, socket.MSG_WAITALL)
                    for reply in replies(xid):
                        theirs.sendall(reply)
            except (OSError, struct.error):
                pass  # the client has closed the connection

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        asked = Client(ours, "bridge br0", time.monotonic() + timeout_s)
        try:
            yield asked
        finally:
            asked.close()
    finally:
        ours.close()
        thread.join(30)
        assert not thread.is_alive()


def test_unrequested_ports_are_not_kept():
    with asking(lambda xid: iter([answer(xid, b"".join(map(port, range(1, 700))), False)])) as asked:
        assert [one.port for one in asked.port_stats([5, 7])] == [5, 7]


def test_a_port_that_is_repeated_counts_once():
    parts = [port(5) * 700] * 100
    with asking(lambda xid: (answer(xid, part, number < 99) for number, part in enumerate(parts))) as asked:
        assert len(asked.port_stats([5])) == len(asked.port_stats()) == 1


def test_endless_counters_are_abandoned(monkeypatch):
    monkeypatch.setattr(client, "_MOST_COUNTERS", 10**5)  # which is faster

    def replies(xid: int) -> Iterator[bytes]:
        for number in range(500):
            yield answer(xid, port(number, custom(number * 4000, 4000)), number < 499)

    with asking(replies) as asked, pytest.raises(Unreachable, match="counters"):
        asked.port_stats()


def test_the_limit_is_for_all_ports_together(monkeypatch):
    """Each reply would fit, but all of them are more than any switch sends."""
    monkeypatch.setattr(client, "_MAX_ANSWER", 4 << 20)
    with asking(lambda xid: iter([answer(xid, port(xid) * 800, False)])) as asked, pytest.raises(Unreachable, match="more than"):
        asked.port_stats(range(1, 2000))


@pytest.mark.parametrize("trickled", [ECHO, answer(9, b"", True), answer(2, b"", True), b"\x06"], ids=["echo", "another's", "part", "byte"])
def test_a_trickle_ends_with_the_time(trickled):
    def replies(xid: int) -> Iterator[bytes]:
        while True:
            time.sleep(0.01)
            yield trickled

    with asking(replies, timeout_s=0.5) as asked, pytest.raises((TimedOut, Unreachable)):
        asked.port_stats()
