"""A switch that is reset for each test: its bridge is deleted and created again, ten times faster than starting another switch."""

import json
import socket
from contextlib import suppress
from pathlib import Path

from between import message

_WAIT_MS = 20_000
_KEPT = ("_uuid", "_version", "bridges", "cur_cfg", "next_cfg", "statistics")  # columns of Open_vSwitch that keep their values
_INTERNAL = {"type": "internal"}  # the interface of a local port


class Renewed:
    """A sandbox that has just started, with a bridge on the dummy datapath."""

    def __init__(self, box):
        self.box = box
        tables = self._call("get_schema", "Open_vSwitch")["tables"]
        self._roots = [name for name, table in tables.items() if table.get("isRoot") and name != "Open_vSwitch"]
        row = self._call("transact", "Open_vSwitch", {"op": "select", "table": "Open_vSwitch", "where": []})[0]["rows"][0]
        self._settings = {column: value for column, value in row.items() if column not in _KEPT}
        self._made = self._look()

    def renew(self) -> bool:
        """Remove the configuration and files added since the start and recreate the original; False if the result differs."""
        if self._daemons() != self._made[0]:
            return False
        with suppress(OSError, ValueError, LookupError):
            # A changed interval makes ovs-vswitchd write statistics at once, as it does after a start.
            passing = self._settings | {"bridges": ["set", []], "other_config": ["map", [["stats-update-interval", "6000"]]]}
            self._apply(_update(passing))
            left = ({"op": "delete", "table": table, "where": []} for table in self._roots)
            self._apply(*left, *self._bridge(), _update(self._settings | {"bridges": ["named-uuid", "bridge"]}))
            for name in self._look()[1].keys() - self._made[1].keys():
                (self.box.directory / name).unlink()
            return self._look() == self._made
        return False

    def _apply(self, *operations: dict) -> None:
        """Change the database, and wait until ovs-vswitchd has applied the change."""
        asked = {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}
        select = {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]}
        *_, answer = self._call("transact", "Open_vSwitch", *operations, asked, select)
        wait = {"op": "wait", "table": "Open_vSwitch", "where": [], "columns": ["cur_cfg"], "timeout": _WAIT_MS}
        (done,) = self._call("transact", "Open_vSwitch", wait | {"until": "==", "rows": [{"cur_cfg": answer["rows"][0]["next_cfg"]}]})
        if done:
            raise ValueError(done)

    def _bridge(self) -> list[dict]:
        """Operations that insert the bridge with its ports, as the start of a sandbox does."""
        operations = []
        for name in (self.box.bridge, *self.box.ports):
            interface = {"name": name} | (_INTERNAL if name == self.box.bridge else {})
            port = {"name": name, "interfaces": ["named-uuid", f"interface_{name}"]}
            operations.append({"op": "insert", "table": "Interface", "uuid-name": f"interface_{name}", "row": interface})
            operations.append({"op": "insert", "table": "Port", "uuid-name": f"port_{name}", "row": port})
        ports = ["set", [["named-uuid", f"port_{name}"] for name in (self.box.bridge, *self.box.ports)]]
        bridge = {"name": self.box.bridge, "datapath_type": self.box.datapath, "ports": ports}
        return [*operations, {"op": "insert", "table": "Bridge", "uuid-name": "bridge", "row": bridge}]

    def _look(self) -> tuple:
        """The running daemons and the existing files."""
        return self._daemons(), {file.name: file.lstat().st_mode for file in self.box.directory.iterdir()}

    def _daemons(self) -> list[tuple[str, str]]:
        """The pid and start time of each daemon that runs and is not stopped."""
        found = []
        for file in sorted(self.box.directory.glob("*.pid")):
            with suppress(OSError):
                state, *words = Path(f"/proc/{int(file.read_text())}/stat").read_text().rpartition(")")[2].split()
                if state not in "TtZX":
                    found.append((file.name, words[18]))
        return found

    def _call(self, method: str, *params):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2 * _WAIT_MS / 1000)
            connection.connect(str(self.box.directory / "db.sock"))
            connection.sendall(json.dumps({"id": 0, "method": method, "params": params}).encode())
            answer = json.loads(message(connection))
        if answer["error"]:
            raise ValueError(answer["error"])
        if method == "transact" and (errors := [result for result in answer["result"] if result and "error" in result]):
            raise ValueError(errors)
        return answer["result"]


def _update(row: dict) -> dict:
    return {"op": "update", "table": "Open_vSwitch", "where": [], "row": row}
