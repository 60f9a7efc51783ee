"""An OpenFlow session with a bridge, over a stream to its management socket: one request at a time, or several at once.

The peer is not trusted: its messages are limited in size, and everything is limited in time.
"""

import logging
import time
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
_GATHERED, _LONGEST_GATHERED_S = 1 / 8, 0.01  # of the time that an answer has taken so far, and at most
_AT_ONCE = 128  # requests; more could fill both ends' buffers while each waits for the other


Question = tuple[Any, ...]  # what makes the request from version and xid, and its further arguments
_TABLES, _GROUPS, _METERS = (messages.tables_request,), (messages.group_stats_request,), (messages.meter_stats_request,)


class _Reply:
    """What has arrived of a reply; ``refusal``: why the bridge refused the request."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.is_awaited = True
        self.refusal = ""


class Client(Conversation):
    """A connection to one bridge."""

    server = "ovs-vswitchd"
    kind = "an OpenFlow switch"
    chunk = 2**17

    def __init__(self, stream: ByteStream, what: str, deadline: float):
        super().__init__(stream, what, deadline)
        self._buffer = bytearray()
        self._last_xid = 0
        self._sent: dict[Question, int] = {}  # the xids of the requests whose replies nobody has asked for yet
        self._replies: dict[int, _Reply] = {}
        self._sent_s = 0.0  # when requests were sent, on the monotonic clock
        self._is_long = False  # the reply to them
        self._room = _MAX_ANSWER  # bytes left for the replies that are awaited
        self.version = max(messages.VERSIONS)
        try:
            self.version = self._negotiated()
        except BaseException:
            self.close()
            raise

    def ask_ahead(self, ports: Sequence[int] | None, queues: Sequence[int] | None) -> None:
        """Send what the methods below will ask about these ports, queues of these ports (None: all), tables, groups and meters.

        ovs-vswitchd answers all of it in one round of its work. It may be more than is asked for later, or less.
        """
        about: list[Question] = [(messages.port_stats_request, port) for port in _each(ports)[:_AT_ONCE]]
        about += [(messages.queue_stats_request, port) for port in _each(queues)[:_AT_ONCE]]
        self._send([*about, _TABLES, *([_GROUPS, _METERS] if self.version > 1 else [])])

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
        return self._checked(messages.groups_and_meters, self._ask([(messages.groups_request,), (messages.meters_request,)]))

    def tables_with_flows(self) -> list[int]:
        """The numbers of the tables that contain flows."""
        return [counted.table for counted in self.table_stats() if counted.flows]

    def table_stats(self) -> list[TableCounted]:
        """The counters of all tables."""
        return self._checked(statistics.tables, self.version, self._ask([_TABLES]))

    def group_stats(self) -> list[Passed]:
        """The counters of all groups; none if the bridge speaks only OpenFlow 1.0. Raises Refused."""
        return [] if self.version == 1 else self._checked(statistics.groups, self.version, self._ask([_GROUPS]))

    def meter_stats(self) -> list[Passed]:
        """The counters of all meters; none if the bridge speaks only OpenFlow 1.0. Raises Refused."""
        return [] if self.version == 1 else self._checked(statistics.meters, self.version, self._ask([_METERS]))

    def _counted(self, request: Callable[..., bytes], ports: Sequence[int] | None) -> list[Counted]:
        wanted = _each(ports)
        found: dict[tuple[int, int | None], Counted] = {}  # a peer may report a port more than once, and ports that were not requested
        counters = 0
        for first in range(0, len(wanted), _AT_ONCE):
            asked = wanted[first : first + _AT_ONCE]
            parts = self._ask([(request, port) for port in asked], goes_on=first > 0)
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

    def _ask(self, questions: Sequence[Question], goes_on: bool = False) -> list[Part]:
        """Send requests that have not been sent, and collect the parts of all replies, which may arrive in any order.

        If it ``goes_on``, the limit of a reply includes what was asked before. Raises Refused for the first request that was refused.
        """
        if not self._replies and not goes_on:
            self._room = _MAX_ANSWER
        self._send([question for question in questions if question not in self._sent])
        xids = [self._sent.pop(question) for question in questions]
        try:
            return [part for xid in xids for part in self._whole(self._replies[xid])]
        finally:
            for xid in xids:
                del self._replies[xid]

    def _whole(self, reply: _Reply) -> list[Part]:
        while reply.is_awaited:
            self._take_part()
        if reply.refusal:
            raise Refused(self._what, reply.refusal)
        return reply.parts

    def _send(self, questions: Sequence[Question]) -> None:
        if not questions:
            return
        LOG.info("%s: %d OpenFlow requests", self._what, len(questions))
        self._sent |= {question: self._xid() for question in questions}
        self._replies |= {self._sent[question]: _Reply() for question in questions}
        self._sent_s = time.monotonic()
        self._is_long = False
        self._send_all(b"".join(question[0](self.version, self._sent[question], *question[1:]) for question in questions))

    def _take_part(self) -> None:
        """Receive a message, and keep it if it belongs to a reply that is awaited."""
        kind, xid, body = self._receive()
        reply = self._replies.get(xid)
        if reply is None or not reply.is_awaited:
            return
        self._room -= len(body) + _PART
        if self._room < 0:
            raise self._broken(f"an answer of more than {_MAX_ANSWER >> 20} MiB")
        if kind == messages.ERROR:
            reply.is_awaited = False
            if not self._checked(messages.is_bad_port, self.version, body):
                reply.refusal = one_line(self._checked(messages.explained, self.version, body))
        elif part := self._checked(messages.part, self.version, kind, body):
            reply.parts.append(part)
            reply.is_awaited = part.more
            self._is_long |= part.more

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
        """Receive more; of a long answer as much as possible at once.

        ovs-vswitchd sends what the socket takes, about 300 kB if nobody reads, and then does its other work, which takes 50 ms with
        10,000 ports. Their counters are up to 5 MB.
        """
        taken_s = time.monotonic() - self._sent_s if self._is_long else 0.0
        gather_s = min(taken_s * _GATHERED, _LONGEST_GATHERED_S)
        self._buffer += self._receive_some("closed by ovs-vswitchd", gather_s)

    def _checked(self, parse: Callable, *what) -> Any:
        try:
            return parse(*what)
        except Malformed as error:
            raise self._broken(str(error)) from error

    def _xid(self) -> int:
        self._last_xid = self._last_xid % 0xFFFFFFFF + 1
        return self._last_xid


def _each(ports: Sequence[int] | None) -> Sequence[int | None]:
    """What is asked for: each of these ports, or all of them at once."""
    return [None] if ports is None else list(dict.fromkeys(ports))
