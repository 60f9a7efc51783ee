"""``ovstool metrics --listen`` as tests start it, and clients that ask it."""

import ctypes
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

_PATIENCE_S = 60
_END_S = 5


class Answer(NamedTuple):
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Server:
    """A running server; ``prefix`` goes before its command, and may take it into another network namespace."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str], prefix: Sequence[str] = ()):
        argv = [*prefix, sys.executable, "-m", "ovstool", *words]
        self.process = subprocess.Popen(argv, env=environ, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.said: list[str] = []
        self._is_elsewhere = bool(prefix)
        line = self.hear("serving|^ovstool: (?!note)")
        assert "serving" in line, line
        self.is_tls = "https:" in line
        self.port = int(re.search(r":([0-9]+)/metrics", line)[1])

    def hear(self, pattern: str) -> str:
        """The next line on stderr with this pattern."""
        for line in self.process.stderr:
            self.said.append(line)
            if re.search(pattern, line):
                return line
        raise AssertionError(f"{pattern} is not in {self.said}")

    @property
    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    @property
    def memory_kib(self) -> int:
        """What the process uses of the memory at the moment."""
        return int(re.search(r"VmRSS:\s+([0-9]+)", Path(f"/proc/{self.process.pid}/status").read_text())[1])

    def connect(self, context: ssl.SSLContext | None = None) -> socket.socket:
        with ThreadPoolExecutor(1) as pool:
            client = pool.submit(self._connect).result() if self._is_elsewhere else self._connect()
        return context.wrap_socket(client, server_hostname="localhost") if context else client

    def _connect(self) -> socket.socket:
        if self._is_elsewhere:  # the network namespace of a thread alone
            with open(f"/proc/{self.process.pid}/ns/net") as namespace:
                assert ctypes.CDLL(None).setns(namespace.fileno(), 0) == 0
        return socket.create_connection(("127.0.0.1", self.port), _PATIENCE_S)

    def get(self, path: str = "/metrics", context: ssl.SSLContext | None = None, method: str = "GET", **headers: str) -> Answer:
        """Ask for a path; in the names of headers underscores are hyphens."""
        with self.connect(context) as client:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            connection.sock = client
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def text(self, path: str = "/metrics", **headers: str) -> str:
        """A page, which has to be there."""
        answer = self.get(path, **headers)
        assert answer.status == 200, answer
        return answer.body.decode()

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """End it; returns its exit code."""
        self.process.send_signal(signum)
        return self.process.wait(_PATIENCE_S)


@contextmanager
def served(environ: Mapping[str, str], *options: str, prefix: Sequence[str] = ()) -> Iterator[Server]:
    """A server on a free port of this machine during the block, with these options."""
    server = Server(["metrics", "--listen", "127.0.0.1:0", *options], environ, prefix)
    try:
        yield server
    finally:
        with suppress(subprocess.TimeoutExpired):  # it ends by itself, so that what it ran can be measured
            server.process.terminate()
            server.process.wait(_END_S)
        server.process.kill()
        server.process.wait()
        server.process.stderr.close()


def to_the_end(client: socket.socket) -> bytes:
    """All that the server sends until it closes the connection."""
    received = bytearray()
    try:
        while part := client.recv(2**16):
            received += part
    except ConnectionError:  # it was closed while it still received
        pass
    return bytes(received)
