"""Connections of clients, any of which may be slow, hostile or many.

Each has a deadline for everything that it does, and there is a limit to how many there are: a new one then takes the place of the one that
has been waiting for a request the longest. No thread waits for a client.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus

from ovstool.metrics.serving.http import requests
from ovstool.metrics.serving.http.requests import Rejected, Request
from ovstool.metrics.serving.http.responses import Response, said
from ovstool.metrics.serving.http.sending import Sending
from ovstool.metrics.serving.web_config import tls
from ovstool.metrics.serving.web_config.passwords import Busy, Doorkeeper
from ovstool.metrics.serving.web_config.rereading import Configured

_MOST_HEAD = 2**14  # bytes of a request
_HEAD_S = 10.0  # for a whole request, and for the TLS handshake
_IDLE_S = 150.0  # between requests: Prometheus scrapes at least every two minutes, or it takes a target for gone
_CLOSE_S = 2.0
_ARRIVAL_S = 0.5  # for a request to arrive on a new connection before another may take its place
_PAUSE_S = 0.1  # when the system has no room for another connection

Answer = Callable[[Request], Awaitable[Response]]


class Connections:
    """Accepts connections on a socket, at most ``most`` at once, and answers their requests."""

    def __init__(self, configured: Configured, answer: Answer, most: int):
        self._configured = configured
        self._answer = answer
        self._most = most
        self._doorkeeper = Doorkeeper()
        self._sending = Sending()
        self._open: set[asyncio.Task[None]] = set()
        self._idle: dict[asyncio.Task[None], float] = {}  # since when; the one that has been waiting the longest comes first

    async def accept(self, listener: socket.socket) -> None:
        """Accept connections until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError:  # it is gone already, or there are no file descriptors left
                await asyncio.sleep(_PAUSE_S)
                continue
            await self._make_room()
            self._configured.now()  # for the context
            task = loop.create_task(self._serve(client))
            self._open.add(task)
            self._idle[task] = time.monotonic()
            task.add_done_callback(self._ended)

    async def close(self) -> None:
        """End all connections."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _make_room(self) -> None:
        while len(self._open) >= self._most:
            patience_s = _ARRIVAL_S  # then one that is being answered now may be waiting for its next request
            if self._idle:
                oldest, since = next(iter(self._idle.items()))
                left_s = since + _ARRIVAL_S - time.monotonic()
                if left_s > 0:
                    patience_s = left_s
                else:
                    del self._idle[oldest]
                    oldest.cancel()
            await asyncio.wait(self._open, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._open.discard(task)
        self._idle.pop(task, None)

    async def _serve(self, client: socket.socket) -> None:
        transport: asyncio.BaseTransport | None = None
        try:
            reader = asyncio.StreamReader(_MOST_HEAD)
            protocol = asyncio.StreamReaderProtocol(reader)
            loop, context = asyncio.get_running_loop(), self._configured.context
            within_s = {"ssl_handshake_timeout": _HEAD_S} if context else {}
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, client, ssl=context, **within_s)
            writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            while await self._exchange(reader, writer):
                pass
            writer.close()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), _CLOSE_S)
        except (OSError, EOFError, asyncio.TimeoutError):  # ssl.SSLError is an OSError, IncompleteReadError an EOFError
            pass
        finally:
            if transport:
                transport.abort()  # type: ignore[attr-defined]
            else:
                client.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; whether there may be another."""
        more: Mapping[str, str] = {}
        try:
            request = await self._waited_for(reader)
            response, more = await self._response(request, writer)
            keeps, has_body = request.keeps, request.method != "HEAD"
        except Rejected as rejected:
            allow = {"Allow": ", ".join(requests.METHODS)} if rejected.status is HTTPStatus.METHOD_NOT_ALLOWED else {}
            response, keeps, has_body = said(rejected.status, f"{rejected}.", **allow), False, True
        await self._sending.send(writer, response.head(keeps, more), (response.body or b"") if has_body else b"")
        return keeps

    async def _waited_for(self, reader: asyncio.StreamReader) -> Request:
        """The next request. Until it has arrived, its connection may have to make room."""
        task = asyncio.current_task()
        assert task
        self._idle[task] = time.monotonic()
        try:
            return await _request(reader)
        finally:
            self._idle.pop(task, None)

    async def _response(self, request: Request, writer: asyncio.StreamWriter) -> tuple[Response, Mapping[str, str]]:
        """The response, with the headers that the configuration adds to it."""
        config = self._configured.now()
        if config is None:
            return said(HTTPStatus.INTERNAL_SERVER_ERROR, "The web configuration file is wrong."), {}
        sans = config.tls.client_allowed_sans if config.tls else ()
        if not tls.is_allowed(writer.get_extra_info("peercert"), sans):
            return said(HTTPStatus.FORBIDDEN, "Your certificate has none of the names that are allowed."), config.headers
        try:
            if config.users and not await self._doorkeeper.admits(config.users, request.headers.get("authorization", "")):
                return said(HTTPStatus.UNAUTHORIZED, "A user and a password are needed.", WWW_Authenticate="Basic"), config.headers
        except Busy:
            return said(HTTPStatus.SERVICE_UNAVAILABLE, "Too many passwords to check.", Retry_After="1"), config.headers
        try:
            return await self._answer(request), config.headers
        except Exception as error:  # a mistake of ours, or no memory
            asyncio.get_running_loop().call_exception_handler({"message": "a request failed", "exception": error})
            return said(HTTPStatus.INTERNAL_SERVER_ERROR, "ovstool has failed; its standard error says why."), config.headers


async def _request(reader: asyncio.StreamReader) -> Request:
    """The next request. Raises Rejected, IncompleteReadError at the end of the connection, TimeoutError."""
    first = await asyncio.wait_for(reader.readexactly(1), _IDLE_S)
    try:
        rest = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_S)
    except asyncio.LimitOverrunError:
        raise Rejected(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"A request has at most {_MOST_HEAD} bytes") from None
    return requests.parse(first + rest)
