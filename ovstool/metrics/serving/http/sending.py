"""Responses on their way to clients, some of which read slowly or not at all."""

import asyncio

_AT_ONCE = 2**16  # bytes
_SECONDS = 60.0  # for a whole response: longer than Prometheus waits for one
_MOST_BYTES = 2**26  # of different bodies at once


class Sending:
    """Sends responses. Beyond so many bytes in memory, the clients of the oldest body are given up for those of a new one."""

    def __init__(self) -> None:
        self._clients: dict[int, tuple[bytes, set[asyncio.StreamWriter]]] = {}  # by the identity of the body; the oldest comes first

    async def send(self, writer: asyncio.StreamWriter, head: bytes, body: bytes) -> None:
        """Send a response. Raises OSError, TimeoutError."""
        _, writers = self._clients.setdefault(id(body), (body, set()))
        writers.add(writer)
        try:
            self._limit()
            await asyncio.wait_for(_sent(writer, head, body), _SECONDS)
        finally:
            writers.discard(writer)
            if not writers and self._clients.get(id(body), (None, None))[1] is writers:
                del self._clients[id(body)]

    def _limit(self) -> None:
        while len(self._clients) > 1 and sum(len(body) for body, _ in self._clients.values()) > _MOST_BYTES:
            _, writers = self._clients.pop(next(iter(self._clients)))
            for writer in writers:
                writer.transport.abort()


async def _sent(writer: asyncio.StreamWriter, head: bytes, body: bytes) -> None:
    """Write it in parts: the transport copies what it is given and cannot send at once."""
    writer.write(head + body[:_AT_ONCE])
    await writer.drain()
    view = memoryview(body)
    for start in range(_AT_ONCE, len(body), _AT_ONCE):
        writer.write(view[start : start + _AT_ONCE])
        await writer.drain()
        await asyncio.sleep(0)  # others have their turn, however fast this client is
