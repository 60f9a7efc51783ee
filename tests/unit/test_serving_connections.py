"""Connections of clients to ``ovstool metrics --listen``: requests, deadlines, and who makes room. Time is simulated, so no test waits for it."""

import asyncio
import errno
import socket
import ssl
from http import HTTPStatus
from types import SimpleNamespace

import pytest
from simulated_time import Clock

from ovstool.metrics.serving.http import connections
from ovstool.metrics.serving.http.requests import Request
from ovstool.metrics.serving.http.responses import Response, said
from ovstool.metrics.serving.web_config import TlsSettings, WebConfig
from ovstool.metrics.serving.web_config.passwords import Busy

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /metrics HTTP/1.0\r\n\r\n"
CLOSED = b""
HEADERS = {"X-Frame-Options": "deny"}
PATIENCE_S = 1000


class Served:
    """Connections to a socket, with a configuration as ``Configured`` has it. What a test replaces is in force from then on."""

    def __init__(self, path: str, clock: Clock):
        self.path = path
        self.clock = clock
        self.most = 256
        self.context: ssl.SSLContext | None = None
        self.next_context: ssl.SSLContext | None = None
        self.config: WebConfig | None = WebConfig(headers=HEADERS)
        self.unexpected: list[BaseException] = []
        self.clients: list[Client] = []  # which are connected as long as something refers to them

    def now(self) -> WebConfig | None:
        self.context = self.next_context
        return self.config

    async def answer(self, request: Request) -> Response:
        return said(HTTPStatus.OK, request.path)

    def run(self, ask) -> None:
        """Serve while ``ask`` runs, then close all connections."""
        self.clock.run(self._serve(ask))

    async def _serve(self, ask) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.unexpected.append(context.get("exception")))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen(100)
            listener.setblocking(False)
            serving = connections.Connections(self, lambda request: self.answer(request), self.most)
            accepting = asyncio.ensure_future(serving.accept(listener))
            try:
                await ask()
            finally:
                accepting.cancel()
                await serving.close()

    async def client(self, sends: bytes = b"") -> "Client":
        client = Client(self.clock, *await asyncio.open_unix_connection(self.path))
        client.send(sends)
        self.clients.append(client)
        return client


class Client:
    """A connection to it."""

    def __init__(self, clock: Clock, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._clock = clock
        self._begin = clock.now
        self._reader = reader
        self._writer = writer
        self.send = writer.write

    async def response(self) -> tuple[int, dict[str, str], bytes]:
        """The status, the headers, and as many bytes as Content-Length says."""
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        first, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
        headers = dict(line.split(": ") for line in lines)
        return int(first.split()[1]), headers, await self._reader.readexactly(int(headers["Content-Length"]))

    async def rest(self) -> bytes:
        """What comes until the server closes the connection."""
        return await asyncio.wait_for(self._reader.read(), PATIENCE_S)

    @property
    def age_s(self) -> object:
        return pytest.approx(self._clock.now - self._begin)


@pytest.fixture
def served(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return Served(f"{tmp_path}/socket", clock)


@pytest.mark.parametrize(
    ("sent", "closed_after_s"),
    [
        (b"", 150),
        (b"G", 10),
        (GET[:-1], 10),
        (GET, 150),
        (GET + GET[:9], 10),
        (LAST, 0),
        (GET * 2 + LAST, 0),
        (b"PUT / HTTP/1.1\r\n\r\n", 0),
    ],
)
def test_how_long_a_client_has(served, sent, closed_after_s):
    """For a request, and between two."""

    async def ask() -> None:
        client = await served.client(sent)
        assert (await client.rest()).count(b"HTTP/1.1 ") == sent.count(b"\r\n\r\n")
        assert client.age_s == closed_after_s

    served.run(ask)


def test_how_long_a_tls_handshake_may_take(served):
    async def ask() -> None:
        client = await served.client(b"\x16\x03\x01\x02\x00")
        assert (await client.rest(), client.age_s) == (CLOSED, 10)

    served.next_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.run(ask)


def test_tls_is_used_as_soon_as_the_configuration_has_it(served):
    async def ask() -> None:
        assert (await (await served.client(LAST)).rest()).startswith(b"HTTP/1.1 200 ")
        served.next_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        assert b"HTTP" not in await (await served.client(LAST)).rest()

    served.run(ask)


def test_requests_one_after_the_other(served):
    async def ask() -> None:
        client = await served.client(GET)
        status, headers, body = await client.response()
        assert (status, body, headers["X-Frame-Options"]) == (200, b"/metrics\n", "deny") and "Connection" not in headers
        client.send(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = await client.rest()
        assert b"\r\nContent-Length: 9\r\nConnection: close\r\n" in received and received.endswith(b"\r\n\r\n")

    served.run(ask)


@pytest.mark.parametrize(
    ("request_", "status", "allow", "body"),
    [
        (b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n", 405, "GET, HEAD", b"only GET and HEAD.\n"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, None, b"a Host header is missing.\n"),
        (LAST[:-2] + b"A: " + b"b" * 16_300 + b"\r\n\r\n", 200, None, b"/metrics\n"),
        (LAST[:-2] + b"A: " + b"b" * 16_400 + b"\r\n\r\n", 431, None, b"A request has at most 16384 bytes.\n"),
    ],
)
def test_the_connection_ends_with_a_request_that_is_rejected(served, request_, status, allow, body):
    async def ask() -> None:
        client = await served.client(request_)
        found, headers, text = await client.response()
        assert (found, headers.get("Allow"), text, headers["Connection"]) == (status, allow, body, "close")
        assert (await client.rest(), client.age_s) == (CLOSED, 0)

    served.run(ask)


class Doorkeeper:
    """Admits the user of the header "right"; passwords are not checked."""

    async def admits(self, users: dict[str, str], header: str) -> bool:
        if header == "busy":
            raise Busy
        return header == "right"


USERS = WebConfig(users={"prom": "hash"}, headers=HEADERS)


@pytest.mark.parametrize(
    ("config", "header", "status", "more", "body"),
    [
        (USERS, "right", 200, {}, b"/metrics\n"),
        (USERS, "wrong", 401, {"WWW-Authenticate": "Basic"}, b"A user and a password are needed.\n"),
        (USERS, "busy", 503, {"Retry-After": "1"}, b"Too many passwords to check.\n"),
        (
            USERS._replace(tls=TlsSettings("c", "k", client_allowed_sans=("prom.example",))),
            "right", 403, {}, b"Your certificate has none of the names that are allowed.\n",
        ),
        (USERS._replace(tls=TlsSettings("c", "k")), "right", 200, {}, b"/metrics\n"),
    ],
)  # fmt: skip
def test_who_may_ask(served, monkeypatch, config, header, status, more, body):
    """The headers of the user's choice are there in any case, and so is the connection."""

    async def ask() -> None:
        client = await served.client()
        for _ in range(2):
            client.send(GET[:-2] + b"Authorization: %s\r\n\r\n" % header.encode())
            found, headers, text = await client.response()
            assert (found, text) == (status, body) and headers.items() >= (more | HEADERS).items()

    monkeypatch.setattr(connections, "Doorkeeper", Doorkeeper)
    served.config = config
    served.run(ask)


def test_a_configuration_that_is_wrong(served):
    async def ask() -> None:
        status, headers, body = await (await served.client(GET)).response()
        assert (status, body) == (500, b"The web configuration file is wrong.\n") and HEADERS.keys().isdisjoint(headers)

    served.config = None
    served.run(ask)


def test_a_bug_is_reported_and_its_connection_stays_open(served):
    async def fail(request: Request) -> Response:
        raise bug

    async def ask() -> None:
        client = await served.client(GET)
        status, headers, body = await client.response()
        assert (status, body) == (500, b"ovstool has failed; its standard error says why.\n") and headers.items() >= HEADERS.items()
        served.answer = working
        client.send(GET)
        assert (await client.response())[0] == 200

    bug, working, served.answer = ValueError("x"), served.answer, fail
    served.run(ask)
    assert served.unexpected == [bug]


@pytest.mark.parametrize(("reads_after_s", "is_whole"), [(0, True), (59.5, True), (60.5, False)])
def test_how_long_a_client_may_take_for_an_answer(served, reads_after_s, is_whole):
    async def answer(request: Request) -> Response:
        return Response(HTTPStatus.OK, bytes(5_000_000))

    async def ask() -> None:
        client = await served.client(LAST)
        await asyncio.sleep(reads_after_s)
        assert (len(await client.rest()) > 5_000_000) == is_whole
        assert client.age_s == reads_after_s

    served.answer = answer
    served.run(ask)


def test_the_end_of_an_answer_that_is_not_read_is_not_waited_for_long(served):
    """Of the sizes here one fits into the buffers of the system, one nearly, and one not at all."""

    async def ask() -> None:
        waited_s = []
        with socket.socket(socket.AF_UNIX) as other:
            too_many = other.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) + 500_000
        for served.size in range(100_000, too_many, 50_000):
            await served.client(LAST)
            await asyncio.sleep(0.1)
            served.size, begin = 1, served.clock.now
            await (await served.client(LAST)).rest()
            waited_s.append(round(served.clock.now - begin + 0.1, 3))
        assert {0.1, 2, 60} == set(waited_s)

    async def answer(request: Request) -> Response:
        return Response(HTTPStatus.OK, bytes(served.size))

    served.answer, served.most = answer, 1
    served.run(ask)


# --- when there are as many as may be


def test_the_client_that_waits_the_longest_makes_room(served):
    """But a request has half a second to arrive on a new connection."""

    async def ask() -> None:
        first = await served.client()
        await asyncio.sleep(0.3)
        second = await served.client()
        third = await served.client(GET)
        assert (await third.response())[0] == 200 and third.age_s == 0.2
        assert (await first.rest(), first.age_s) == (CLOSED, 0.5)
        second.send(GET)
        assert (await second.response())[0] == 200
        await asyncio.sleep(0.6)
        fourth = await served.client(GET)
        assert (await fourth.response())[0] == 200 and fourth.age_s == 0
        assert await third.rest() == CLOSED
        second.send(GET)
        assert (await second.response())[0] == 200

    served.most = 2
    served.run(ask)


def test_clients_that_are_being_answered_keep_their_place(served):
    """One that comes meanwhile gets its turn when they have their answers, although they stay connected."""

    async def answer(request: Request) -> Response:
        await asyncio.sleep(20)
        return said(HTTPStatus.OK, "late")

    async def ask() -> None:
        working, served.answer = served.answer, answer
        first = await served.client(GET)
        await asyncio.sleep(1)
        served.answer = working
        second = await served.client(GET)
        assert (await first.response())[2] == b"late\n" and first.age_s == 20
        assert (await second.response())[0] == 200 and 19 < second.age_s.expected < 21
        assert await first.rest() == CLOSED

    served.most = 1
    served.run(ask)


def test_clients_without_a_handshake_leave_nothing(served):
    """Nobody waits later for one of them to make room."""

    async def ask() -> None:
        served.next_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for _ in range(3):
            assert b"HTTP" not in await (await served.client(LAST)).rest()
        served.next_context = None
        await served.client()
        await asyncio.sleep(1)
        last = await served.client(LAST)
        assert (await last.rest()).startswith(b"HTTP/1.1 200 ") and last.age_s == 0

    served.most = 1
    served.run(ask)


def test_a_client_that_has_ended_makes_room(served):
    async def ask() -> None:
        for _ in range(5):
            client = await served.client(LAST)
            assert (await client.rest()).startswith(b"HTTP/1.1 200 ") and client.age_s == 0

    served.most = 1
    served.run(ask)


def test_all_connections_end_with_the_server(served):
    """Those that wait, and those that are being answered."""

    async def answer(request: Request) -> Response:
        return await asyncio.get_running_loop().create_future()

    async def ask() -> None:
        clients.extend([await served.client(), await served.client(GET)])
        await asyncio.sleep(1)
        reading.extend(asyncio.ensure_future(client.rest()) for client in clients)

    async def ask_and_see() -> None:
        await served._serve(ask)
        assert await asyncio.gather(*reading) == [CLOSED] * 2

    clients, reading = [], []
    served.answer = answer
    served.run(ask)


def test_no_room_in_the_system_for_a_connection(served):
    """It is accepted a moment later."""

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        accept = loop.sock_accept

        async def fail(listener: socket.socket) -> None:
            loop.sock_accept = accept
            raise OSError(errno.EMFILE, "Too many open files")

        loop.sock_accept = fail
        await asyncio.sleep(0)
        client = await served.client(LAST)
        assert (await client.rest()).startswith(b"HTTP/1.1 200 ") and client.age_s == 0.1

    served.run(ask)
