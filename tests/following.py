"""``monitor`` in a thread: the changes and notes of a switch, collected while others change it."""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress

from between import message

from ovstool.monitor import FieldChange, MonitorSpec, follow
from ovstool.monitor.objects import NOUNS
from ovstool.switch import Switch

_LIMIT_S = 60


class Following:
    """``changes`` and ``notes`` so far; ``transact`` changes the database of the server at ``path``."""

    def __init__(self, address: str, path: str, nouns=NOUNS):
        self.changes: list[FieldChange] = []
        self.notes: list[str] = []
        self._path = path
        self._marks = 0
        self.is_stopped = False
        self.switch = Switch(address, timeout_s=5)
        self._stream = follow(self.switch, MonitorSpec(nouns))
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        for rows in self._stream:
            self.notes += self.switch.notes
            self.switch.notes.clear()
            self.changes += rows
            if self.is_stopped:
                return

    def transact(self, *operations: dict) -> list:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._path)
            connection.sendall(json.dumps({"id": 0, "method": "transact", "params": ["Open_vSwitch", *operations]}).encode())
            return json.loads(message(connection))["result"]

    def set_ids(self, **pairs: str) -> None:
        """Set keys of the external_ids of the bridge br0."""
        names = ["set", list(pairs)]
        mutations = [["external_ids", "delete", names], ["external_ids", "insert", ["map", [*pairs.items()]]]]
        self.transact({"op": "mutate", "table": "Bridge", "where": [["name", "==", "br0"]], "mutations": mutations})

    def wait(self, is_there: Callable[[], object]) -> None:
        end = time.monotonic() + _LIMIT_S
        while not is_there():
            assert time.monotonic() < end, (self.changes[-5:], self.notes)
            time.sleep(0.005)

    def caught_up(self) -> list[FieldChange]:
        """The changes up to now, without the marks with which that is found out: any of those made from now on will do."""
        first = self._marks + 1

        def is_seen() -> bool:
            self._marks += 1
            with suppress(OSError):
                self.set_ids(mark=str(self._marks))
            time.sleep(0.02)
            return any(change.field == "external_ids.mark" and int(change.after or 0) >= first for change in self.changes)

        self.wait(is_seen)
        return [change for change in self.changes if change.field != "external_ids.mark"]

    def of(self, field: str) -> list[tuple]:
        """What became of a field."""
        return [(change.before, change.after) for change in self.caught_up() if change.field == field]


@contextmanager
def following(address: str, path: str, nouns=NOUNS):
    found = Following(address, path, nouns)
    try:
        found.caught_up()
        yield found
    finally:
        found.is_stopped = True
        with suppress(OSError):
            found.set_ids(mark="end")


class Server:
    """An ovsdb-server with a bridge br0 and the port eth1, and no ovs-vswitchd; ``clustered`` in a cluster of one.

    Without ``has_pidfile`` its log is not found, which would be read after each of the many changes.
    """

    def __init__(self, folder, clustered: bool = False, has_pidfile: bool = False):
        self.has_pidfile = has_pidfile
        self.folder, self.path = folder, f"{folder}/db.sock"
        self.address = f"unix:{self.path}"
        schema = "/usr/share/openvswitch/vswitch.ovsschema"
        create = (
            ["create-cluster", f"{folder}/conf.db", schema, f"unix:{folder}/raft.sock"]
            if clustered
            else ["create", f"{folder}/conf.db", schema]
        )
        subprocess.run(["ovsdb-tool", *create], check=True, stderr=subprocess.DEVNULL)
        self.start()
        self.vsctl("--retry", "init")
        self.vsctl("add-br", "br0", "--", "add-port", "br0", "eth1")

    def start(self) -> None:
        argv = ["ovsdb-server", f"{self.folder}/conf.db", f"--remote=punix:{self.path}", f"--unixctl={self.folder}/ctl", "-vconsole:off"]
        argv += [f"--pidfile={self.folder}/ovsdb-server.pid"] * self.has_pidfile
        self._process = subprocess.Popen(argv, cwd=self.folder, stderr=subprocess.DEVNULL)
        end = time.monotonic() + _LIMIT_S
        while subprocess.run(
            ["ovs-vsctl", f"--db={self.address}", "--no-wait", "--timeout=5", "show"], capture_output=True, check=False
        ).returncode:
            assert time.monotonic() < end
            time.sleep(0.05)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def vsctl(self, *words: str) -> str:
        argv = ["ovs-vsctl", f"--db={self.address}", "--no-wait", "--timeout=20", *words]
        return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def appctl(self, *words: str) -> None:
        subprocess.run(["ovs-appctl", "-t", f"{self.folder}/ctl", *words], check=True, stdout=subprocess.DEVNULL)


class Cutting:
    """A proxy that passes ``after`` bytes of the server's on each connection, then ends it; ``unknown``: methods that the server has not."""

    def __init__(self, path: str, at: str, after: int | None = None, unknown: tuple[str, ...] = ()):
        self.address, self._path = f"unix:{at}", path
        self.after, self._unknown = after, unknown
        self.connections = 0
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(at)
        self._listening.listen()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """End all connections."""
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            client, _ = self._listening.accept()
            self.connections += 1
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._path)
            except OSError:
                client.close()
                continue
            self._open += [client, server]
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
            threading.Thread(target=self._back, args=(server, client), daemon=True).start()

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 20):
                method = next((name for name in self._unknown if f'"method":"{name}"'.encode() in data), None)
                if method:
                    client.sendall(json.dumps({"id": json.loads(data)["id"], "result": None, "error": "unknown method"}).encode())
                else:
                    server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        left = self.after
        with suppress(OSError):
            while data := server.recv(1 << 20):
                data = data if left is None else data[:left]
                client.sendall(data)
                left = None if left is None else left - len(data)
                if left == 0:
                    break
        for end in (client, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
