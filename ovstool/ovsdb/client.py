"""OVSDB's JSON-RPC (RFC 7047, section 4) over a stream, one request at a time, with the standard library's json.

The peer is not trusted: its messages are limited in size and checked against the request, and everything is limited in time.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from ovstool.errors import OvstoolError, Refused, Unreachable, one_line
from ovstool.host import ByteStream
from ovstool.host.conversation import Conversation
from ovstool.ovsdb import DATABASE
from ovstool.ovsdb.columns import Kinds, Table
from ovstool.ovsdb.reply import Broken, ReplyReader
from ovstool.ovsdb.values import Json, malformed

_PIECE = 250  # operations of a transaction
_ALL_ROWS: Mapping[str, list] = {}
_SHOWN = 300  # characters of a peer's own message to repeat


class OperationFailed(Exception):
    """An operation of a transaction failed and the server changed nothing (RFC 7047, section 4.1.3).

    ``index`` is the operation's place in the request, or the number of operations when the commit as a whole failed.
    """

    def __init__(self, error: str, details: str, index: int):
        super().__init__(f"{error}: {details}" if details else error)
        self.error = error
        self.index = index


class Rpc(Conversation):
    """A session of JSON-RPC 1.0, whose messages have at most ``most`` bytes; the control sockets of daemons speak it too (ovs-appctl(8))."""

    most: int

    def __init__(self, stream: ByteStream, what: str, deadline: float):
        super().__init__(stream, what, deadline)
        self._reader = ReplyReader()

    def _receive(self) -> dict:
        while (message := self._next()) is None:
            self._keep(self._receive_some("closed by the server before its answer was complete"))
        return message

    def _next(self) -> dict | None:
        """The next message received, None while it is incomplete."""
        try:
            return self._reader.take()
        except Broken as error:
            raise self._broken(str(error)) from error
        except OvstoolError:
            self.close()
            raise

    def _keep(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
        except Broken as error:
            raise self._broken(str(error)) from error
        if self._reader.fed > self.most:
            raise self._broken(f"an answer of more than {self.most >> 20} MiB")


class Client(Rpc):
    """A connection to the Open_vSwitch database of one server; errors name its address."""

    server = "ovsdb-server"
    kind = "an OVSDB server"
    chunk = 2**18
    most = 256 * 2**20  # bytes of an answer; the whole database of a switch with 10,000 ports is about 30 MB

    def __init__(self, stream: ByteStream, address: str, deadline: float):
        super().__init__(stream, address, deadline)
        self._last_id = 0
        self._is_asking = False
        self._is_watching = False
        self._told = False  # of a change to the watched columns

    @property
    def is_idle(self) -> bool:
        """Whether all that was asked is answered, and nothing comes that was not asked for."""
        return not (self._closed or self._is_asking or self._is_watching)

    def echo(self) -> None:
        """Have the server answer, as one does that is still there (RFC 7047, section 4.1.11). Raises Unreachable, TimedOut."""
        self._call("echo", [])

    def transact(self, operations: list[dict]) -> list[dict]:
        """Run operations as one transaction and return a result for each.

        Raises OperationFailed when the server did not commit it, Refused when it rejected the request.
        """
        self._reader.operations = operations
        try:
            results = self._call("transact", [DATABASE, *operations])
        finally:
            self._reader.operations = ()
        if type(results) is not list or len(results) < len(operations):
            raise malformed("a transaction without results")
        for index, result in enumerate(results):
            if type(result) is dict and "error" in result:
                raise OperationFailed(str(result["error"]), str(result.get("details", "")), index)
            if type(result) is not dict and result is not None:
                raise malformed("a result that is not an object")
        return results

    def tables(self, columns: Mapping[str, Sequence[str]], where: Mapping[str, list] = _ALL_ROWS) -> dict[str, Table]:
        """These columns of all rows of these tables, from one consistent snapshot; ``where``: of rows that meet one of these conditions.

        The server has an index of conditions that all compare one column, so they may be many.

        Sent as a ``monitor_cond`` (ovsdb-server(7), section 4.1.12) without updates. Its reply leaves out columns with default values,
        so the server needs half the time of a ``select``. Raises Refused when a table or a column does not exist.

        It is cancelled at once: while it is active, a server from 3.0 on answers identical requests with the rows of the first.
        """
        select = {"initial": True, "insert": False, "delete": False, "modify": False}
        asked = {
            table: [{"columns": list(names), "select": select} | ({"where": where[table]} if table in where else {})]
            for table, names in columns.items()
        }
        self._reader.tables = columns
        name = f"tables {self._last_id}"
        try:
            found = self._call("monitor_cond", [DATABASE, name, asked])
        finally:
            self._reader.tables = {}
        with suppress(OvstoolError):  # the rows have already arrived
            self._call("monitor_cancel", [name])
        if type(found) is not dict:
            raise malformed("tables that are not an object")
        return {table: found.get(table) or Table(table, [], {column: [] for column in names}) for table, names in columns.items()}

    def get_schema(self) -> dict:
        """The server's schema of the database (RFC 7047, section 3.2), as JSON."""
        schema = self._call("get_schema", [DATABASE])
        if type(schema) is not dict or type(schema.get("tables")) is not dict:
            raise malformed("a schema without tables")
        return schema

    def expect(self, kinds: Kinds) -> None:
        """Check the replies to later selects of columns that ``columns.KINDS`` does not have against these types."""
        self._reader.kinds = kinds

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold a lock of the server during the block, once no other client does (RFC 7047, section 4.1.8). Raises TimedOut.

        The server releases it when the connection ends, however that happens.
        """
        answer = self._call("lock", [name])
        if type(answer) is not dict or type(answer.get("locked")) is not bool:
            raise malformed("a lock without a state")
        try:
            if not answer["locked"]:
                self._receive_until("locked")
            yield
        finally:
            with suppress(OvstoolError):  # without a connection there is no lock either
                self._call("unlock", [name])

    def _receive_until(self, method: str) -> None:
        """Wait for a notification."""
        while (message := self._receive()).get("method") != method:
            self._take(message)
            self._remaining()

    def watch(self, table: str, columns: list[str]) -> None:
        """Have the server report changes to these columns of any row, and new and deleted rows (RFC 7047, section 4.1.5)."""
        self._is_watching = True
        select = {"initial": False, "insert": True, "delete": True, "modify": True}
        self._call("monitor", [DATABASE, None, {table: {"columns": columns, "select": select}}])

    def changed(self) -> bool:
        """Whether the server has reported a change since the last call; does not wait. Raises Unreachable."""
        while not self._closed:
            try:
                self._stream.settimeout(0)
                data = self._stream.recv(self.chunk)
            except (BlockingIOError, TimeoutError):
                break
            except OSError as error:
                raise self._lost(error.strerror or str(error)) from error
            if not data:
                raise self._lost("closed by the server")
            self._keep(data)
        while (message := self._next()) is not None:
            self._take(message)
        told, self._told = self._told, False
        return told

    def _call(self, method: str, params: list) -> Json:
        if self._closed:
            raise Unreachable(self._what, "the connection is closed")
        self._last_id += 1
        self._is_asking = True
        self._send_request(method, params)
        self._log(method, params)
        while True:
            message = self._receive()
            if message.get("id") == self._last_id and "method" not in message:
                break
            self._take(message)
            self._remaining()  # unsolicited messages do not extend the time
        self._is_asking = False
        error = message.get("error")
        if error is None:
            if "result" not in message:
                raise self._broken("an answer without a result")
            return message["result"]
        text = error.get("error") or error.get("details") if type(error) is dict else error
        if text == "unknown database":
            raise Unreachable(self._what, f"this OVSDB server has no {DATABASE} database, so it does not belong to a switch")
        raise self._refusal(error)

    def _log(self, method: str, params: list) -> None:
        if "logging" not in sys.modules:  # nothing is logged during completion, where this import would take a tenth of the time
            return
        import logging

        log = logging.getLogger(__name__)
        if log.isEnabledFor(logging.INFO):
            operations = (
                " ".join([op["op"], *([op["table"]] if "table" in op else [])]) for op in params[1:] if type(op) is dict and "op" in op
            )
            log.info("%s: %s", self._what, f"{method} {', '.join(operations)}".strip()[:_SHOWN])

    def _take(self, message: dict) -> None:
        """Handle a message that is not a reply."""
        if message.get("method") == "echo":
            self._send_all(compact({"id": message.get("id"), "result": message.get("params"), "error": None}).encode())
        elif message.get("method") == "update":
            self._told = True

    def _refusal(self, error: Json) -> OvstoolError:
        if type(error) is dict:
            words = ": ".join(str(error[key]) for key in ("error", "details") if error.get(key))
        else:
            words = str(error)
        return Refused("ovsdb-server", one_line(words)[:_SHOWN])

    def _send_request(self, method: str, params: list) -> None:
        """Send a request; a large one in pieces, because ovsdb-server reads one while the next is made."""
        text = f'{{"id":{self._last_id},"method":"{method}","params":['
        for first in range(0, len(params), _PIECE):
            if first:
                self._send_all(f"{text},".encode())
                text = ""
            text += compact(params[first : first + _PIECE])[1:-1]
        self._send_all(f"{text}]}}".encode())


def compact(value: Json) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), check_circular=False)
