"""Connections that stay open between commands, or between scrapes: one to each switch."""

import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ovstool.errors import OvstoolError
from ovstool.host import Host, local
from ovstool.host.deadline import Deadline
from ovstool.ovsdb.client import Client
from ovstool.switch import Switch

_MOST = 256  # kept open; each has a file descriptor, and over SSH a thread
_PATIENCE_S = 2  # for the server to show that it is still there; after that a new connection is tried


class Connection(NamedTuple):
    """A host, the connection to the database of the switch there, and where its daemons run by default."""

    host: Host
    client: Client
    far_rundir: str

    def close(self) -> None:
        self.client.close()
        self.host.close()


class Connections:
    """Open connections, by what a switch is called and how it is reached; one command at a time uses each.

    Nothing is kept of what a switch has answered. A connection that was lost, on which an answer is due, or whose command was interrupted is
    closed.
    """

    def __init__(self, most: int = _MOST) -> None:
        """``most`` are kept open."""
        self._most = most
        self._lock = threading.Lock()  # hosts are asked in threads
        self._idle: dict[Hashable, Connection] = {}  # the one that was used last comes last
        self._busy: set[Switch] = set()

    @contextmanager
    def lent(self, switch: Switch, name: Hashable, allowed: Deadline, batch: bool) -> Iterator[None]:
        """Let the switch have the connection of this name for the block, if one is open; what is open at its end is kept."""
        if kept := self._answering(name, allowed, batch):
            switch.host, switch.open_client, switch.far_rundir = kept
        with self._lock:
            self._busy.add(switch)
        is_whole = True
        try:
            yield
        except BaseException as error:
            is_whole = isinstance(error, Exception)  # not Ctrl-C
            raise
        finally:
            with self._lock:
                self._busy.discard(switch)
            if is_whole:
                self._keep(switch, name)

    def end_commands(self) -> None:
        """Let threads that still work on a host for an interrupted command ask nothing more."""
        with self._lock:
            for switch in self._busy:
                switch.give_until(time.monotonic())

    def close(self) -> None:
        while self._idle:
            self._idle.popitem()[1].close()

    def _answering(self, name: Hashable, allowed: Deadline, batch: bool) -> Connection | None:
        """The open connection of this name, once the server has answered on it; one on which it does not is closed."""
        with self._lock:
            kept = self._idle.pop(name, None)
        if kept is None:
            return None
        try:
            kept.host.begin(allowed, batch)
            kept.client.deadline = allowed.part(_PATIENCE_S).end
            kept.client.echo()
        except OvstoolError:
            kept.close()
            return None
        except BaseException:
            kept.close()
            raise
        kept.client.deadline = allowed.end
        return kept

    def _keep(self, switch: Switch, name: Hashable) -> None:
        if switch.open_client is None or not switch.open_client.is_idle:
            return
        with self._lock:
            superfluous = [self._idle.pop(name)] if name in self._idle else []  # a host that was named twice
            self._idle[name] = Connection(switch.host, switch.open_client, switch.far_rundir)
            if len(self._idle) > self._most:
                superfluous.append(self._idle.pop(next(iter(self._idle))))
        switch.host, switch.open_client = local, None
        for connection in superfluous:
            connection.close()
