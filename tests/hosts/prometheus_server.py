"""A Prometheus for tests, in the operator's namespaces of a lab, where its port is free and 'ovstool metrics --listen' can reach all hosts."""

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from lab import Lab

_STARTED_S = 60
_PORT = 9090


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket: sockets with a path do not belong to a network namespace."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


class Prometheus:
    """Runs in a block; ``folder`` has its prometheus.yml, and gets its data."""

    def __init__(self, lab: Lab, folder: Path):
        self._lab = lab
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> "Prometheus":
        with ExitStack() as stack:
            self._stack = stack
            relay = self._folder / "relay"
            self.start(["socat", f"UNIX-LISTEN:{relay},fork", f"TCP:127.0.0.1:{_PORT}"], "socat")
            options = (
                f"--web.listen-address=127.0.0.1:{_PORT}",
                f"--storage.tsdb.path={self._folder}/data",
                "--storage.tsdb.retention.time=1h",
            )
            self.start(["prometheus", f"--config.file={self._folder}/prometheus.yml", *options, "--log.level=warn"], "prometheus")
            self._relay = str(relay)
            self.until(self._is_ready)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, argv: Sequence[str], name: str, environ: Mapping[str, str] = {}) -> subprocess.Popen:
        """Run a program as the operator until the block ends; what it says goes to NAME.log."""
        with (self._folder / f"{name}.log").open("wb") as log:
            started = subprocess.Popen(
                self._lab.command(argv), env={**self._lab.environ, **environ}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._stack.callback(_ended, started)
        return started

    def said(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def _is_ready(self) -> bool:
        try:
            self.get("status/runtimeinfo")
        except (OSError, http.client.HTTPException, ValueError):
            return False
        return True

    def get(self, path: str, **parameters: Any) -> Any:
        """The data of an answer of its API; an error fails the test."""
        connection = _Connection(self._relay)
        try:
            connection.request("GET", f"/api/v1/{path}?{urlencode(parameters, doseq=True)}", headers={"Host": "localhost"})
            answer = json.load(connection.getresponse())
        finally:
            connection.close()
        assert answer["status"] == "success", (parameters, answer["error"])
        return answer["data"]

    def query(self, expression: str, **parameters: Any) -> dict[tuple[str, ...], float]:
        """The values of an expression, by the values of the labels named in ``by``; all labels without it."""
        by = parameters.pop("by", None)
        found = self.get("query", query=expression, **parameters)["result"]
        return {
            tuple(each["metric"].get(name, "") for name in (sorted(each["metric"]) if by is None else by)): float(each["value"][1])
            for each in found
        }

    def labels(self, expression: str) -> list[dict[str, str]]:
        return [each["metric"] for each in self.get("query", query=expression)["result"]]

    def until(self, holds: Callable[[], Any]) -> Any:
        """Wait until it returns something, and return that."""
        deadline = time.monotonic() + _STARTED_S
        while not (found := holds()):
            assert time.monotonic() < deadline, "\n".join(f"{log.name}: {log.read_text()}" for log in self._folder.glob("*.log"))
            time.sleep(0.1)
        return found


def _ended(process: subprocess.Popen) -> None:
    process.terminate()
    process.wait(20)
