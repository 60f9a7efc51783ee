"""What ``ovstool metrics --listen`` answers to requests, without a server: pages, passwords, the bytes of responses, what systemd is told."""

import asyncio
import base64
import gzip
import math
import os
import re
import socket
from http import HTTPStatus

import bcrypt
import pytest

import ovstool
from ovstool.metrics.reading import Reading
from ovstool.metrics.serving.http import sending
from ovstool.metrics.serving.http.requests import Rejected, parse
from ovstool.metrics.serving.http.responses import HTML, Response, said
from ovstool.metrics.serving.notify import notify
from ovstool.metrics.serving.pages import Pages
from ovstool.metrics.serving.scrapes import _MOST_AT_ONCE, Fleet, Watched
from ovstool.metrics.serving.web_config import passwords
from ovstool.metrics.serving.web_config.passwords import Busy, Doorkeeper
from ovstool.metrics.serving.web_config.tls import is_allowed


class Asked:
    """Switches that answer at once, and within how many seconds they were asked to."""

    def __init__(self, *names: str):
        self.within_s: list[float] = []
        self.fleet = Fleet({name: Watched(name or None, self._read, print, print, bool(name)) for name in names})

    def _read(self, within_s: float):
        self.within_s.append(within_s)
        return Reading({"ovstool_up": {(): 1}}), []

    def get(self, target: str, timeout_s: float = 10, method: str = "GET", **headers: str) -> Response:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        request = parse(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        return asyncio.run(Pages(self.fleet, timeout_s).answer(request))


def test_metrics():
    switches = Asked("a", "b")
    answer = switches.get("/metrics")
    assert (answer.status, answer.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert answer.headers == {"Vary": "Accept, Accept-Encoding", "Cache-Control": "no-store"}
    assert [b'ovstool_up{host="%s"} 1\n' % name in answer.body for name in (b"a", b"b")] == [True, True]
    answer = switches.get("/metrics?target=b", Accept="application/openmetrics-text", Accept_Encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip" and answer.content_type.startswith("application/openmetrics-text; version=1.0.0;")
    text = gzip.decompress(answer.body)
    assert b'host="b"' in text and b'host="a"' not in text and text.endswith(b"# EOF\n")
    assert re.search(rb'^ovstool_scrape_duration_seconds\{host="b"\} [0-9.e-]+$', text, re.MULTILINE)
    assert Asked("").get("/metrics").body.startswith(b"# HELP ovstool_up ") and b"\novstool_up 1\n" in Asked("").get("/metrics").body


def test_nothing_is_read_for_headers_alone():
    switches = Asked("a")
    answer = switches.get("/metrics", method="HEAD", Accept_Encoding="gzip")
    assert (answer.status, answer.body, answer.headers["Content-Encoding"], switches.within_s) == (200, None, "gzip", [])


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("/-/healthy", 200, b"ovstool is running.\n"),
        ("/metric", 404, b"There is /metrics.\n"),
        ("/metrics?target=c", 404, b"No such target: it has to be one of the hosts that ovstool was started with.\n"),
        ("/metrics?target=", 404, b"No such target: it has to be one of the hosts that ovstool was started with.\n"),
        ("/metrics?target=a&target=a", 400, b"There is more than one target.\n"),
        ("/metrics?" + "&".join(["a=b"] * 101), 400, b"The query has more than 100 fields.\n"),
    ],
)
def test_other_pages(target, status, text):
    answer = Asked("a", "b").get(target)
    assert (answer.status, answer.body, answer.content_type) == (status, text, "text/plain; charset=utf-8")


def test_the_first_page():
    answer = Asked("a<b>", "c/d").get("/")
    assert (answer.status, answer.content_type) == (200, HTML) and f"by ovstool {ovstool.__version__}." in answer.body.decode()
    assert b'<li><a href="/metrics?target=a%3Cb%3E">a&lt;b&gt;</a></li>\n<li><a href="/metrics?target=c%2Fd">c/d</a></li>' in answer.body
    assert b"<h2>One host</h2>" in answer.body
    assert Asked("").get("/").body.endswith(b'<li><a href="/-/healthy">Health</a></li>\n</ul>\n</body>\n</html>\n')


@pytest.mark.parametrize(
    ("header", "within_s"),
    [("10", 9.5), ("15", 10), ("0.6", 0.3), ("1", 0.5), ("2", 1.5), ("0", 10), ("-1", 10), ("nan", 10), ("inf", 10), ("x", 10)],
)
def test_a_switch_has_less_time_than_prometheus(header, within_s):
    switches = Asked("")
    switches.get("/metrics", X_Prometheus_Scrape_Timeout_Seconds=header)
    assert switches.within_s == [within_s] and not math.isnan(within_s)


def test_too_many_different_scrapes():
    async def scrape() -> Response:
        for number in range(_MOST_AT_ONCE):
            switches.fleet._running[number] = asyncio.current_task()
        return await Pages(switches.fleet, 10).answer(parse(b"GET /metrics HTTP/1.0\r\n\r\n"))

    switches = Asked("a")
    answer = asyncio.run(scrape())
    assert (answer.status, answer.headers, answer.body) == (503, {"Retry-After": "1"}, b"Too many different scrapes at once.\n")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET / HTTP/1.1", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1", 413),
        ("GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x", 413),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: x", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0", 400),
        ("GET / HTTP/1.1\r\nHost: x" + "\r\nA: b" * 100, 431),
        ("GET / HTTP/2.0\r\nHost: x", 505),
        ("PUT / HTTP/1.1\r\nHost: x", 405),
        ("GET x HTTP/1.1\r\nHost: x", 400),
    ],
)
def test_requests_that_are_rejected(head, status):
    with pytest.raises(Rejected) as rejected:
        parse(f"{head}\r\n\r\n".encode())
    assert rejected.value.status == status and re.fullmatch("[A-Za-z0-9/.: -]+", str(rejected.value))


def test_requests_at_the_limit():
    assert len(parse(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0" + b"\r\nA: b" * 98 + b"\r\n\r\n").headers["a"]) == 98 + 97 * 2


def test_the_bytes_of_a_response():
    lines = said(HTTPStatus.NOT_FOUND, "No.", Retry_After="1").head(True, {"X-Frame-Options": "deny"}).decode().split("\r\n")
    assert re.fullmatch("Date: (Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} 2[0-9]{3} [0-9:]{8} GMT", lines.pop(1))
    assert lines == [
        "HTTP/1.1 404 Not Found", "Content-Type: text/plain; charset=utf-8", "Retry-After: 1", "X-Frame-Options: deny", "Content-Length: 4", "", "",
    ]  # fmt: skip
    assert said(HTTPStatus.OK, "No.").body == b"No.\n"
    assert (
        Response(HTTPStatus.OK, None, HTML).head(False, {}).endswith(b"Content-Type: text/html; charset=utf-8\r\nConnection: close\r\n\r\n")
    )


@pytest.mark.parametrize("abstract", [False, True])
def test_what_systemd_is_told(tmp_path, monkeypatch, abstract):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0ovstool@test@{os.getpid()}" if abstract else f"{tmp_path}/notify")
        name = systemd.getsockname()
        monkeypatch.setenv("NOTIFY_SOCKET", name.decode().replace("\0", "@") if abstract else name)
        systemd.setblocking(False)
        notify("READY=1", "STATUS=x")
        assert systemd.recv(100) == b"READY=1\nSTATUS=x"
    for address in ("", "relative", "/nonexistent", "vsock:2:1"):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify("READY=1")


def test_systemd_does_not_read(tmp_path, monkeypatch):
    """The program goes on after a while; here it is short."""
    settimeout = socket.socket.settimeout
    monkeypatch.setattr(socket.socket, "settimeout", lambda sender, seconds: settimeout(sender, seconds / 100))
    monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        systemd.bind(f"{tmp_path}/notify")
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                other.sendto(b"x" * 1000, f"{tmp_path}/notify")
        notify("READY=1")


# --- who may ask


USERS = {name: bcrypt.hashpw(password, bcrypt.gensalt(4)).decode() for name, password in (("prom", b"secret"), ("é", b"x" * 72))}


def basic(text: bytes) -> str:
    return f"Basic {base64.b64encode(text).decode()}"


@pytest.mark.parametrize(
    ("header", "is_admitted"),
    [
        (basic(b"prom:secret"), True),
        (basic(b"prom:secret").replace("Basic ", "bASIC  "), True),
        (basic("é:".encode() + b"x" * 80), True),  # bcrypt reads no more than 72 bytes
        (basic("é:".encode() + b"x" * 71), False),
        (basic(b"prom:secre"), False),
        (basic(b"other:secret"), False),  # its password is compared with the first user's
        (basic(b"prom"), False),
        (basic(b"prom:"), False),
        (basic(b"prom:secret\0"), False),
        (basic(b"\xff:secret"), False),
        (basic(b"prom:secret") + "!", False),
        (basic(b"prom:secret").replace("Basic", "Digest"), False),
        ("Basic cHJvbTpzZWNyZXQ", False),  # without its padding
        ("Basic é", False),
        ("", False),
    ],
)
def test_a_user_with_a_password(header, is_admitted):
    async def ask() -> list[bool]:
        doorkeeper = Doorkeeper()
        return [await doorkeeper.admits(USERS, header) for _ in range(2)]  # what was right is remembered

    assert asyncio.run(ask()) == [is_admitted] * 2


def test_passwords_are_checked_once_and_few_at_a_time(monkeypatch):
    async def ask() -> None:
        doorkeeper = Doorkeeper()
        assert await doorkeeper.admits(USERS, basic(b"prom:secret"))
        for _ in range(5):
            assert await doorkeeper.admits(USERS, basic(b"prom:secret"))
        assert len(checked) == 1
        assert not await doorkeeper.admits({"prom": USERS["é"]}, basic(b"prom:secret"))  # another hash, so it is checked again
        assert not await doorkeeper.admits({"é": USERS["prom"]}, basic(b"prom:secret"))  # remembered, but the user is gone
        found = await asyncio.gather(*[doorkeeper.admits(USERS, basic(b"prom:%d" % n)) for n in range(20)], return_exceptions=True)
        assert [str(type(each).__name__) for each in found] == ["bool"] * 16 + ["Busy"] * 4 and not any(found[:16])
        assert isinstance(found[-1], Busy) and not await doorkeeper.admits(USERS, basic(b"prom:again"))

    checked: list[bytes] = []
    matches = passwords._matches
    monkeypatch.setattr(passwords, "_matches", lambda password, hashed: checked.append(password) or matches(password, hashed))
    asyncio.run(ask())


CERTIFICATE = {"subjectAltName": (("DNS", "prom.example"), ("IP Address", "0:0:0:0:0:0:0:1"), ("email", "a@b"))}


@pytest.mark.parametrize(
    ("certificate", "sans", "is_right"),
    [
        (None, (), True),
        (None, ("prom.example",), False),
        ({}, ("prom.example",), False),
        (CERTIFICATE, ("x", "prom.example"), True),
        (CERTIFICATE, ("::1",), True),
        (CERTIFICATE, ("a@b",), True),
        (CERTIFICATE, ("::2", "prom"), False),
    ],
)
def test_the_names_of_a_certificate(certificate, sans, is_right):
    assert is_allowed(certificate, sans) is is_right


# --- on its way


def test_slow_clients_are_given_up_for_a_new_body(monkeypatch):
    """Those of one body share it; beyond so many bytes the oldest body goes."""

    async def client(body: bytes) -> tuple[asyncio.Future, socket.socket]:
        ours, theirs = socket.socketpair()
        _, writer = await asyncio.open_connection(sock=ours)
        return asyncio.ensure_future(sends.send(writer, b"head ", body)), theirs

    async def received(peer: socket.socket) -> bytes:
        peer.setblocking(False)
        return await asyncio.get_running_loop().sock_recv(peer, 100)

    async def run() -> None:
        large = b"a" * 6_000_000
        first, second = await client(large), await client(large)
        await asyncio.sleep(0)
        assert not first[0].done() and not second[0].done()
        third, peer = await client(b"b" * 10)
        await third
        assert await received(peer) == b"head bbbbbbbbbb" and not first[0].done()
        fourth, _ = await client(b"c" * 5_000_000)
        results = await asyncio.gather(first[0], second[0], return_exceptions=True)
        assert all(isinstance(result, OSError) for result in results) and not fourth.done()
        fourth.cancel()
        await asyncio.gather(fourth, return_exceptions=True)
        assert sends._clients == {}

    monkeypatch.setattr(sending, "_MOST_BYTES", 10_000_000)
    sends = sending.Sending()
    asyncio.run(run())


def test_a_large_body_arrives_whole(monkeypatch):
    """Also one that is larger than all bodies together may be."""

    async def run() -> bytes:
        ours, theirs = socket.socketpair()
        _, writer = await asyncio.open_connection(sock=ours)
        reader, other = await asyncio.open_connection(sock=theirs)
        task = asyncio.ensure_future(reader.read())
        await sending.Sending().send(writer, b"head ", body)
        writer.close()
        found = await task
        other.close()
        return found

    monkeypatch.setattr(sending, "_MOST_BYTES", 1000)
    body = bytes(range(256)) * 1000
    assert asyncio.run(run()) == b"head " + body
