"""What is known of each bridge and port as fields, in the words of documents ('ovstool help document'), and their nouns. Pure."""

from collections.abc import Collection, Iterator
from typing import Any

from ovstool.document.fields import Settings
from ovstool.document.state import Reader
from ovstool.monitor.rows import Columns, Place, Rows
from ovstool.ovsdb.values import ofport
from ovstool.switch import lookup

Fields = dict[str, Any]  # values of JSON by field
NOUNS = ("port", "qos", "police", "bridge", "controller", "sflow")
_OF_PORT = ("tag", "trunks", "vlan_mode", "bond", "other_config", "qos")  # the other settings of a port are those of its interfaces
_NOUN_OF = {
    "Bridge": {"controllers": "controller", "sflow": "sflow"},
    "Port": {"qos": "qos"},
    "Interface": {"police": "police"},
}
_USUAL_NOUN = {"Bridge": "bridge", "Port": "port", "Interface": "port"}
STATES = ("ofport", "admin_state", "link_state", "error")


class Objects:
    """Reads the fields of objects from rows; the rows must not change during its life."""

    def __init__(self, rows: Rows, nouns: Collection[str]):
        self._rows = rows
        self._nouns = nouns
        self._reader = Reader({table: Columns(of) for table, of in rows.tables.items()}, False)  # type: ignore[misc]

    def all(self) -> Iterator[Place]:
        """The bridges, ports and interfaces."""
        return ((table, u) for table in _USUAL_NOUN for u in self._rows.tables[table])

    def name(self, place: Place) -> str | None:
        """The name of a bridge, port or interface; None if there is no such row."""
        row = self._rows.tables[place[0]].get(place[1])
        return row["name"] if row and place[0] in _USUAL_NOUN else None

    def fields(self, place: Place) -> Fields:
        """The fields of the nouns that have a value; none of an object that the switch does not have."""
        table, u = place
        bridge = self._rows.bridge_of(table, u) if self.name(place) is not None else None
        if bridge is None:
            return {}
        found: Fields = {}
        if table == "Bridge":
            found = {"bridge": bridge} if "port" in self._nouns or "bridge" in self._nouns else {}
            return found | self._named(table, self._reader.bridge(u)) | self._connections(u)
        if table == "Interface":
            return self._interface(u, bridge)
        if self.name(place) != bridge and "port" in self._nouns:
            found = {"bridge": bridge}  # of the local port its bridge has said it
        settings = self._reader.port(u, bridge).settings
        return found | self._named(table, {path: value for path, value in settings.items() if path[0] in _OF_PORT})

    def _interface(self, u: str, bridge: str) -> Fields:
        row = self._rows.tables["Interface"][u]
        found = self._named("Interface", self._reader.interface(u))
        if row["name"] == bridge:
            found.pop("type", None)  # it is internal, whatever it says
        if "port" in self._nouns:
            values = {name: row[name] for name in STATES} | {"ofport": ofport(row["ofport"])}
            found |= {name: value for name, value in values.items() if value is not None}
        return found

    def _connections(self, bridge: str) -> Fields:
        if "controller" not in self._nouns:
            return {}
        controllers, found = self._rows.tables["Controller"], {}
        for row in (controllers[u] for u in self._rows.tables["Bridge"][bridge]["controller"] if u in controllers):
            found[f"controllers.{row['target']}.is_connected"] = lookup.is_connected(row)
            found[f"controllers.{row['target']}.role"] = row["role"]
        return {name: value for name, value in found.items() if value is not None}

    def _named(self, table: str, settings: Settings) -> Fields:
        """Settings of the nouns as fields; that there is any QoS, policing or sFlow is said by what it is like."""
        nouns = _NOUN_OF[table]
        return {
            ".".join(path): list(value) if type(value) is tuple else value
            for path, value in settings.items()
            if nouns.get(path[0], _USUAL_NOUN[table]) in self._nouns and (len(path) > 1 or value is not True)
        }
