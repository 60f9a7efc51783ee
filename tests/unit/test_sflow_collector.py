"""Errors of a collector that cannot listen, and messages of one on another host."""

import errno

import pytest

from ovstool.errors import Conflict, NotFound, Refused, UsageError
from ovstool.sflow import far_collector
from ovstool.sflow.collector import Collector, cannot_listen

TAKEN = "already in use by another program; try: --port N, or tcpdump -U -w - udp port 6343 | ovstool sflow listen --read -"


@pytest.mark.parametrize(
    ("number", "host", "kind", "text"),
    [
        (errno.EADDRINUSE, "", Conflict, f"UDP port 6343: {TAKEN}"),
        (errno.EADDRINUSE, "web1", Conflict, f"web1: UDP port 6343: {TAKEN}"),
        (errno.EACCES, "", Refused, "UDP port 6343: permission denied; try: --port 1024 or higher"),
        (errno.EACCES, "web1", Refused, "web1: UDP port 6343: permission denied; try: --port 1024 or higher, or --sudo"),
        (errno.EADDRNOTAVAIL, "", NotFound, "address 10.0.0.5: not assigned to any interface; try: omit --bind to listen on all addresses"),
        (
            errno.EADDRNOTAVAIL,
            "web1",
            NotFound,
            "web1: address 10.0.0.5: not assigned to any interface; try: omit --bind to listen on all addresses",
        ),
        (errno.ENOBUFS, "web1", Refused, "web1: UDP port 6343: No buffer space available"),
    ],
)
def test_why_it_cannot_listen(number, host, kind, text):
    error = cannot_listen(number, "10.0.0.5", 6343, host)
    assert (type(error), str(error)) == (kind, text)


def test_an_address_to_listen_on():
    for address in ("127.0.0.1", "::1"):
        collector = Collector(address, 0)
        with pytest.raises(Conflict):
            Collector(address, collector.port)
        collector.close()
    with pytest.raises(NotFound):
        Collector("192.0.2.1", 0)
    for text in ("localhost", "10.0.0.256"):
        with pytest.raises(UsageError) as error:
            Collector(text, 0)
        assert str(error.value) == f"--bind {text}: not an IP address; try: --bind 10.0.0.5"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"listening 6343\n", ("listening", 6343)),
        (b"errno 98\n", ("errno", 98)),
        (b"capturing\n", ("capturing", 0)),
        (b"nothing\n", ("nothing", 0)),
        (b"listening\n", None),
        (b"capturing 1\n", None),
        (b"listening 1234567890\n", None),
        (b"listening 6343", None),
        (b"Welcome to web1\n", None),
        (b"\xff\n", None),
    ],
)
def test_the_answer_of_another_host(line, answer):
    assert far_collector.answer(line) == answer


@pytest.mark.parametrize(
    ("bind", "captured"),
    [
        (None, "udp dst port 6343"),
        ("10.0.0.5", "udp dst port 6343 and dst host 10.0.0.5"),
        ("fe80::1%eth0", "udp dst port 6343 and dst host fe80::1"),
    ],
)
def test_what_tcpdump_is_to_capture_there(bind, captured):
    words = far_collector.argv(bind, 6343)
    assert words[:2] == ["sh", "-c"] and words[-3:] == [bind or "", "6343", captured]
