"""A machine reached over SSH as a host: its sockets and its programs, over one connection."""

import os
import socket
import threading
import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from ovstool.errors import TimedOut, Unreachable, UsageError, quote
from ovstool.host import ByteStream, Finished, Tls, Unresolved, address, local, tcp
from ovstool.host.deadline import Deadline
from ovstool.host.ssh import config
from ovstool.host.ssh.config import SshSettings
from ovstool.host.ssh.route import Hop, ProxyCommand, route

if TYPE_CHECKING:
    from ovstool.host.ssh.connection import SshConnection
    from ovstool.host.ssh.shell import RemoteShell


class Ssh:
    """A host that is reached as ``ssh`` would reach it; implements ``Host``.

    It connects once, on first use, from whichever thread that is; only then is paramiko imported. Host keys are always verified
    (``host_keys``).
    """

    def __init__(
        self,
        target: str,
        sudo: bool = False,
        accept_new_key: bool = False,
        deadline: Deadline | None = None,
        batch: bool = False,
        key: str | None = None,
    ):
        """``target`` is ``[USER@]HOST[:PORT]``, an IPv6 address in brackets. Raises UsageError.

        ``deadline`` is paused while a password is asked for; with ``batch`` none is, as with ``BatchMode yes``. ``key`` is the file of a
        private key, which is tried first, as with ``ssh -i``.
        """
        self.name = target
        self._user, self._host, self._port = address.parse(target)
        self._sudo = sudo
        self._accept_new_key = accept_new_key
        self._batch = batch
        self._key = key
        self._deadline = deadline or Deadline(threading.TIMEOUT_MAX)
        self._named_at = time.monotonic()
        self._lock = threading.Lock()
        self._hops: list[SshConnection] = []  # each through the one before
        self._proxy: ProxyCommand | None = None
        self._shell: RemoteShell | None = None  # of the last hop

    def open(self, address: str, timeout_s: float, tls: Tls = Tls(), server: str = "ovsdb-server") -> ByteStream:
        """Connect to a socket there; a Unix socket that the user may not open is reached through a program."""
        kind, _, where = address.partition(":")
        what = f"{self.name}: {quote(address)}"
        try:
            if kind == "unix" and where:
                return self._open_unix(where, what, timeout_s, server)
            if kind in ("tcp", "ssl"):
                return self._open_tcp(address, what, timeout_s, tls if kind == "ssl" else None)
        except TimeoutError as error:
            raise TimedOut(what, f"no connection within {timeout_s:.3g} s") from error
        except OSError as error:
            raise Unreachable(what, error.strerror or str(error)) from error
        raise UsageError(quote(address), "not an address of an OVSDB server", "unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT")

    def run(self, argv: Sequence[str], timeout_s: float, stdin: bytes = b"") -> Finished:
        """Run a program there without a shell's interpretation and return what it wrote."""
        return local.collected(f"{self.name}: {quote(argv[0])}", self._output(argv, timeout_s, stdin))

    def stream(self, argv: Sequence[str], timeout_s: float, pause_s: float | None = None) -> Generator[bytes, None, Finished]:
        """Run a program there and yield its stdout as it arrives; the generator returns how it ended."""
        return self._output(argv, timeout_s, None, pause_s)

    def begin(self, deadline: Deadline, batch: bool) -> None:
        """Let the next command use the connection, with a deadline of its own."""
        self._deadline, self._batch, self._named_at = deadline, batch, time.monotonic()
        for connection in self._hops:
            connection.begin()

    def close(self) -> None:
        with self._lock:
            self._close()

    def _output(
        self, argv: Sequence[str], timeout_s: float, stdin: bytes | None, pause_s: float | None = None
    ) -> Generator[bytes, None, Finished]:
        deadline = Deadline(timeout_s, self._deadline)
        shell = self._connected(deadline, timeout_s)
        return (yield from shell.output(argv, stdin, deadline, timeout_s, pause_s))

    def _open_unix(self, path: str, what: str, timeout_s: float, server: str) -> ByteStream:
        if "\0" in path or not path.startswith("/"):
            raise UsageError(f"unix:{quote(path)}", "a socket on another host needs an absolute path")
        if len(os.fsencode(path)) > local.UNIX_PATH_MAX:
            raise UsageError(f"unix:{quote(path)}", f"a socket path can have at most {local.UNIX_PATH_MAX} bytes")
        deadline = Deadline(timeout_s, self._deadline)
        shell = self._connected(deadline, timeout_s)
        from ovstool.host.ssh import streams

        return streams.open_unix(shell, path, what, server, deadline)

    def _open_tcp(self, address: str, what: str, timeout_s: float, tls: Tls | None) -> ByteStream:
        host, port = tcp.host_and_port(address)
        if tls:
            from ovstool.host.tls import TlsStream, context

            checked = context(address, tls)
        deadline = Deadline(timeout_s, self._deadline)
        connection = self._connected(deadline, timeout_s).connection
        from ovstool.host.ssh import streams

        stream = streams.open_tcp(connection, host, port, what, deadline)
        return TlsStream(stream, checked, host, what, deadline) if tls else stream

    def _connected(self, deadline: Deadline, timeout_s: float) -> "RemoteShell":
        """Connect unless already connected; other threads wait meanwhile. Raises Unreachable, TimedOut, UsageError."""
        while not self._lock.acquire(timeout=min(deadline.remaining_s(), 1)):
            if not deadline.remaining_s():
                raise TimedOut(self.name, f"no connection within {timeout_s:.3g} s")
        try:
            if self._shell and not self._shell.connection.alive:
                self._close()
            if not self._shell:
                self._shell = self._connect(deadline)
            return self._shell
        except BaseException:
            self._close()
            raise
        finally:
            self._lock.release()

    def _connect(self, whole: Deadline) -> "RemoteShell":
        found = route(config.lookup(self._host, self._user, self._port, whole).with_key(self._key), whole)
        way = [settings._replace(batch=settings.batch or self._batch) for settings in found]
        deadline = whole.part(way[-1].connect_timeout_s or threading.TIMEOUT_MAX)
        try:
            return self._connect_along(way, deadline)
        except Unreachable as error:
            if self._proxy and not self._hops and (words := self._proxy.last_words()):
                raise Unreachable(self.name, f"ProxyCommand: {words}") from error
            raise
        except (OSError, ImportError) as error:  # out of file descriptors
            raise Unreachable(self.name, getattr(error, "strerror", None) or str(error)) from error

    def _connect_along(self, way: Sequence[SshSettings], deadline: Deadline) -> "RemoteShell":
        stream: Any = self._first_stream(way[0], deadline)
        try:
            # Imported only now, while the first server starts a process for us.
            from ovstool.host.ssh.connection import SshConnection
            from ovstool.host.ssh.shell import RemoteShell

            for number, settings in enumerate(way, 1):
                name = self.name if number == len(way) else f"{self.name}: jump host {settings.name}"
                hop = Hop(name, settings, deadline, self._accept_new_key, self._named_at)
                self._hops.append(SshConnection(stream, hop))
                if number < len(way):
                    after = way[number]
                    stream, refusal = self._hops[-1].open("direct-tcpip", deadline, after.hostname, after.port, "127.0.0.1", 0)
                    if refusal:
                        raise Unreachable(name, f"cannot connect to {after.hostname} port {after.port}: {refusal.words}")
            return RemoteShell(self._hops[-1], self._sudo)
        except BaseException:
            if stream is not None:
                stream.close()
            raise

    def _first_stream(self, settings: SshSettings, deadline: Deadline) -> Any:
        if settings.proxy_command:
            self._proxy = ProxyCommand(settings.proxy_command)
            return self._proxy.stream
        left = deadline.remaining_s()
        try:
            return tcp.connect(settings.hostname, settings.port, deadline, settings.family)
        except TimeoutError as error:
            raise TimedOut(self.name, f"no connection within {left:.3g} s") from error
        except (OSError, UnicodeError) as error:
            is_last = settings.name == self._host
            by = "" if is_last else f"jump host {settings.name}: "
            kind = Unresolved if is_last and isinstance(error, socket.gaierror) else Unreachable
            raise kind(self.name, by + (getattr(error, "strerror", None) or str(error))) from error

    def _close(self) -> None:
        self._shell = None
        while self._hops:
            self._hops.pop().close()
        if self._proxy:
            self._proxy.close()
            self._proxy = None
