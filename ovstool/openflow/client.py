"""An OpenFlow session with a bridge, over a stream to its management socket: one request at a time, or several at once.

The peer is not trusted: its messages are limited in size, and everything is limited in time.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ovstool.errors import Refused, one_line
from ovstool.host import ByteStream
from ovstool.host.conversation import Conversation
from ovstool.openflow import messages, statistics
from ovstool.openflow.messages import Counted, Malformed, Part
from ovstool.openflow.statistics import Passed, TableCounted

LOG = logging.getLogger(__name__)

_MAX_ANSWER = 32 * 2**20  # bytes; the counters of 65,000 ports with all properties are about 30 MB
_MOST_COUNTERS = 2**20  # a counter takes about 100 bytes here, and 8 on the wire
_PART = 256  # bytes that even an empty part takes here
_AT_ONCE = 128  # requests; more could fill both ends' buffers while each waits for the other


class Client(Conversation):
    """A connection to one bridge."""

    server = "ovs-vswitchd"
    kind = "an OpenFlow switch"
    chunk = 2**17

    def __init__(self, stream: ByteStream, what: str, deadline: float):
        super().__init__(stream, what, deadline)
        self._buffer = bytearray()
        self._last_xid = 0
        self._room = _MAX_ANSWER  # bytes left for the reply to a request
        self.version = max(messages.VERSIONS)
        try:
            self.version = self._negotiated()
        except BaseException:
            self.close()
            raise

    def port_stats(self, ports: Sequence[int] | None = None) -> list[Counted]:
        """The counters of these ports, by OpenFlow port number, or of all ports. A port that does not exist is left out."""
        return self._counted(messages.port_stats_request, ports)

    def queue_stats(self, ports: Sequence[int] | None = None) -> list[Counted]:
        """The counters of all queues of these ports, or of all ports. A port that does not exist is left out."""
        return self._counted(messages.queue_stats_request, ports)

    def groups_and_meters(self) -> tuple[int, int]:
        """The number of groups and of meters on the bridge; 0 if it speaks only OpenFlow 1.0, which has neither."""
        if self.version == 1:
            return 0, 0
        self._room = _MAX_ANSWER
        requests = [request(self.version, self._xid()) for request in (messages.groups_request, messages.meters_request)]
        return self._checked(messages.groups_and_meters, self._ask(requests))

    def tables_with_flows(self) -> list[int]:
        """The numbers of the tables that contain flows."""
        return [counted.table for counted in self.table_stats() if counted.flows]

    def table_stats(self) -> list[TableCounted]:
        """The counters of all tables."""
        return self._all(messages.tables_request, statistics.tables)

    def group_stats(self) -> list[Passed]:
        """The counters of all groups; none if the bridge speaks only OpenFlow 1.0. Raises Refused."""
        return [] if self.version == 1 else self._all(messages.group_stats_request, statistics.groups)

    def meter_stats(self) -> list[Passed]:
        """The counters of all meters; none if the bridge speaks only OpenFlow 1.0. Raises Refused."""
        return [] if self.version == 1 else self._all(messages.meter_stats_request, statistics.meters)

    def _all(self, request: Callable[[int, int], bytes], parse: Callable[[int, list[Part]], list]) -> list:
        self._room = _MAX_ANSWER
        return self._checked(parse, self.version, self._ask([request(self.version, self._xid())]))

    def _counted(self, request: Callable[[int, int, int | None], bytes], ports: Sequence[int] | None) -> list[Counted]:
        wanted: Sequence[int | None] = [None] if ports is None else ports
        self._room = _MAX_ANSWER
        found: dict[tuple[int, int | None], Counted] = {}  # a peer may report a port more than once, and ports that were not requested
        counters = 0
        for first in range(0, len(wanted), _AT_ONCE):
            asked = wanted[first : first + _AT_ONCE]
            parts = self._ask([request(self.version, self._xid(), port) for port in asked])
            for one in self._parsed(messages.counted, parts):
                if None in asked or one.port in asked:
                    counters += len(one.counters)
                    found[one.port, one.queue] = one
                if counters > _MOST_COUNTERS:
                    raise self._broken(f"more than {_MOST_COUNTERS} counters")
        return list(found.values())

    def _parsed(self, parse: Callable, parts: list[Part]) -> Iterator:
        try:
            yield from parse(self.version, parts)
        except Malformed as error:
            raise self._broken(str(error)) from error

    def _ask(self, requests: Sequence[bytes]) -> list[Part]:
        """Send requests and collect the parts of their replies, in any order."""
        waiting = {messages.HEADER.unpack_from(request)[3] for request in requests}
        LOG.info("%s: %d OpenFlow requests", self._what, len(waiting))
        self._send_all(b"".join(requests))
        parts: list[Part] = []
        while waiting:
            kind, xid, body = self._receive()
            if xid not in waiting:
                continue
            self._room -= len(body) + _PART
            if self._room < 0:
                raise self._broken(f"an answer of more than {_MAX_ANSWER >> 20} MiB")
            if kind == messages.ERROR:
                if not self._checked(messages.is_bad_port, self.version, body):
                    raise Refused(self._what, one_line(self._checked(messages.explained, self.version, body)))
            else:
                part = self._checked(messages.part, self.version, kind, body)
                if part is None:
                    continue
                parts.append(part)
                if part.more:
                    continue
            waiting.discard(xid)
        return parts

    def _negotiated(self) -> int:
        """Exchange hellos and negotiate the highest common version (OpenFlow 1.5.1, section 6.3.2)."""
        self._send_all(messages.hello(self._xid()))
        version, kind, length, _ = self._header()
        if kind not in (messages.HELLO, messages.ERROR):
            raise self._broken("another message before its hello")
        body = self._body(length)
        if kind == messages.HELLO:
            common = self._checked(messages.versions, version, body)
            if common:
                return common[-1]
        ours = ", ".join(messages.VERSIONS.values())
        raise Refused(
            self._what,
            f"the bridge allows none of the OpenFlow versions that ovstool supports ({ours})",
            "one of them in 'ovstool bridge set BRIDGE --protocols'",
        )

    def _receive(self) -> tuple[int, int, bytes]:
        """The next message of the negotiated version, as type, xid, body."""
        while True:
            version, kind, length, xid = self._header()
            if version != self.version and kind not in (messages.HELLO, messages.ERROR, messages.ECHO_REQUEST):
                raise self._broken("a message of another OpenFlow version")
            body = self._body(length)
            if kind == messages.ECHO_REQUEST:
                self._send_all(messages.message(version, messages.ECHO_REPLY, xid, body))
            elif version == self.version:
                return kind, xid, body

    def _header(self) -> tuple[int, int, int, int]:
        """The header of the next message, as version, type, length, xid. It can be checked before the rest has arrived."""
        header = messages.HEADER
        while len(self._buffer) < header.size:
            self._fill()
        version, kind, length, xid = header.unpack_from(self._buffer)
        if length < header.size:
            raise self._broken("a message shorter than its header")
        return version, kind, length, xid

    def _body(self, length: int) -> bytes:
        """The body of the next message, which is removed from the buffer with its header."""
        while len(self._buffer) < length:
            self._fill()
        body = bytes(memoryview(self._buffer)[messages.HEADER.size : length])
        del self._buffer[:length]
        return body

    def _fill(self) -> None:
        self._buffer += self._receive_some("closed by ovs-vswitchd")

    def _checked(self, parse: Callable, *what) -> Any:
        try:
            return parse(*what)
        except Malformed as error:
            raise self._broken(str(error)) from error

    def _xid(self) -> int:
        self._last_xid = self._last_xid % 0xFFFFFFFF + 1
        return self._last_xid
