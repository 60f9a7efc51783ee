"""A monitor of tables (ovsdb-server(7), "Monitor Cond Since"): their rows, and every change of them as it happens.

The connection waits as long as nothing changes, but asks now and then whether the server is still there.
"""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ovstool.errors import Refused
from ovstool.host import ByteStream
from ovstool.ovsdb import DATABASE, schema
from ovstool.ovsdb.client import Client
from ovstool.ovsdb.updates import UpdateReader, Updates
from ovstool.ovsdb.values import Json, malformed

NEVER = "00000000-0000-0000-0000-000000000000"  # the ID of no transaction
_ASKED_S = 10.0  # how long a silent server is not asked whether it is there
_METHODS = ("monitor_cond_since", "monitor_cond", "monitor")  # Open vSwitch 2.12, 2.6, any
_NAME = "ovstool monitor"


class Received(NamedTuple):
    """Updates in the order of their transactions. ``is_whole``: they are all rows instead, as insertions."""

    updates: list[Updates]
    is_whole: bool = False


class Follower(Client):
    """A connection that follows tables. ``last_id`` is the last transaction that was received, for servers that can resume after one."""

    def __init__(self, stream: ByteStream, address: str, deadline: float):
        super().__init__(stream, address, deadline)
        self._updates = self._reader = UpdateReader()
        self._received: list[Updates] = []
        self._heard = time.monotonic()
        self.last_id = NEVER

    def follow(self, columns: Mapping[str, Sequence[str]], last_id: str = NEVER) -> Received:
        """Begin: what changed since the transaction ``last_id`` where the server still knows that, else all rows.

        Tables and columns that this server does not have are left out. Raises Unreachable, Refused, TimedOut.
        """
        server_schema = self.get_schema()
        known = {table: [name for name in names if name in schema.columns(server_schema, table)] for table, names in columns.items()}
        asked = {table: [{"columns": names}] for table, names in known.items() if names}
        self._updates.tables = {table: known[table] for table in asked}
        for method in _METHODS:
            since = [last_id] if method == _METHODS[0] else []
            try:
                return self._begun(method, self._call(method, [DATABASE, _NAME, asked, *since]))
            except Refused as error:
                if "unknown method" not in error.why or method == _METHODS[-1]:
                    raise
        raise AssertionError("the last method returns or raises")

    def _begun(self, method: str, found: Json) -> Received:
        is_found = False
        if method == _METHODS[0]:
            match found:
                case [bool(is_found), str(last_id), dict(found)]:
                    self.last_id = last_id
                case _:
                    raise malformed("a monitor without rows")
        if type(found) is not dict:
            raise malformed("tables that are not an object")
        return Received([found], not is_found)

    def received(self, within_s: float, patience_s: float) -> Received:
        """The updates that have arrived, or none after ``within_s`` seconds; a server that has been silent is asked whether it is there.

        Raises Unreachable when it does not answer within ``patience_s`` seconds, or has gone.
        """
        self._take_all(patience_s)  # some may have come together with an answer
        if not self._received:
            self._wait(within_s, patience_s)
            self._take_all(patience_s)
        found, self._received = self._received, []
        return Received(found)

    def _take_all(self, patience_s: float) -> None:
        self.deadline = time.monotonic() + patience_s  # to answer the server
        while (message := self._next()) is not None:
            self._take(message)

    def _wait(self, within_s: float, patience_s: float) -> None:
        try:
            self._stream.settimeout(max(min(within_s, _ASKED_S), 0.001))
            data = self._stream.recv(self.chunk)
        except (BlockingIOError, TimeoutError):
            if time.monotonic() - self._heard > _ASKED_S:
                self.deadline = time.monotonic() + patience_s
                self.echo()
                self._heard = time.monotonic()
            return
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error
        if not data:
            raise self._lost("closed by the server")
        self._heard = time.monotonic()
        self._keep(data)

    def _take(self, message: dict) -> None:
        match message:
            case {"method": "update3", "params": [_, str(last_id), dict(updates)]}:
                self.last_id = last_id
                self._received.append(updates)
            case {"method": "update2" | "update", "params": [_, dict(updates)]}:
                self._received.append(updates)
            case {"method": "monitor_canceled"}:  # as the schema of the database is being upgraded
                raise self._lost("the server ended the monitor")
            case {"method": "update" | "update2" | "update3"}:
                raise malformed("an update without rows")
            case _:
                super()._take(message)
