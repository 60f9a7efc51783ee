"""The ports of the switch at hand, by the numbers that its samples have for them."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from ovstool.errors import OvstoolError
from ovstool.ovsdb.columns import by_row
from ovstool.ovsdb.transaction import Row
from ovstool.ovsdb.values import many, mapping, ofport, one
from ovstool.switch import Switch, iproute
from ovstool.switch.sflow import second_target
from ovstool.switch.sflow.targets import plain_ip

_COLUMNS = {
    "Interface": ("name", "ifindex", "ofport", "external_ids"),
    "Port": ("interfaces",),
    "Bridge": ("datapath_id", "ports"),
    "sFlow": ("agent", "external_ids"),
}
_ASKED_S, _ASKED_AGAIN_S = 5.0, 1.0  # for names without which there are still numbers; the second while datagrams wait
_AGAIN_S = 10.0  # after which an unknown number may be that of a new port
_SELDOM_S = 60.0  # after which a switch that never answers is asked again

Tables = Mapping[str, Mapping[str, Row]]  # rows by UUID


class PortName(NamedTuple):
    """What a port is called, and the VIF that it is of where somebody has told (external_ids:iface-id)."""

    port: str
    iface_id: str | None


class PortNames:
    """The names of ports by ifIndex, and by OpenFlow port number, for the agents that are this switch.

    A switch that is not there, or not ours to ask, has none until it answers; where the user has named it (``is_named``), a note says why.
    ``has_leftovers``: it has second targets of checks, which may have been killed.
    """

    def __init__(self, switch: Switch, is_named: bool = False):
        self._switch = switch
        self._agents: set[str] = set()
        self._by_index: dict[int, PortName | None] = {}
        self._by_number: dict[tuple[str, int], PortName] = {}  # of OpenFlow, with the datapath's ID
        self.has_leftovers = False
        self._due = 0.0
        self._failures = 0  # in a row
        try:
            self._read(_ASKED_S)
        except OvstoolError as error:
            if is_named:
                switch.notes.append(f"{error.what}: {error.why}; ports have no names")

    def knows(self, agent: str) -> bool:
        """Whether the agent is this switch."""
        return agent in self._agents

    def find(self, agent: str, index: int | None) -> PortName | None:
        """The port with an ifIndex at an agent; None where it is not known, or two ports have it."""
        if index is None or not (agent in self._agents or self._failures):
            return None
        if (self._failures or index not in self._by_index) and time.monotonic() >= self._due:
            with suppress(OvstoolError):
                self._read(_ASKED_AGAIN_S)
        return self._by_index.get(index) if agent in self._agents else None

    def find_openflow(self, agent: str, datapath_id: str, number: int) -> PortName | None:
        """The port with this OpenFlow port number at a bridge, which is known by its datapath's ID."""
        return self._by_number.get((datapath_id, number)) if agent in self._agents else None

    def _read(self, patience_s: float) -> None:
        switch = self._switch
        switch.give_until(time.monotonic() + min(switch.timeout_s, patience_s))
        self._failures += 1
        try:
            tables = by_row(switch.tables(_COLUMNS))
            names = {uuid: _name(row) for uuid, row in tables["Interface"].items()}
            self._by_index = _by_index(tables, names)
            self._by_number = _by_number(tables, names)
            self.has_leftovers = any(map(second_target.added, tables["sFlow"].values()))
            agents = {str(one(row["agent"])) for row in tables["sFlow"].values()}
            if switch.host_is_known:  # any address of which may be its agent's
                agents |= iproute.addresses(switch)
            self._agents = {written for agent in agents for written in _written(agent)}
            self._failures = 0
        finally:
            switch.close()  # which nobody answers the server's probes on
            self._due = time.monotonic() + min(_AGAIN_S * 2**self._failures, _SELDOM_S)


def _name(row: Row) -> PortName:
    return PortName(row["name"], mapping(row["external_ids"]).get("iface-id"))


def _by_index(tables: Tables, names: Mapping[str, PortName]) -> dict[int, PortName | None]:
    found: dict[int, PortName | None] = {}
    for uuid, row in tables["Interface"].items():
        if index := one(row["ifindex"]):
            found[index] = None if index in found else names[uuid]  # tunnels share a device
    return found


def _by_number(tables: Tables, names: Mapping[str, PortName]) -> dict[tuple[str, int], PortName]:
    found = {}
    for bridge in tables["Bridge"].values():
        members = (uuid for port in many(bridge["ports"]) if port in tables["Port"] for uuid in many(tables["Port"][port]["interfaces"]))
        for uuid in members:
            if uuid in names and (number := ofport(tables["Interface"][uuid]["ofport"])):
                found[str(one(bridge["datapath_id"])), number] = names[uuid]
    return found


def _written(agent: str) -> set[str]:
    """An address in each way in which a datagram may have it; none for what is no address."""
    address = plain_ip(agent)
    if address is None:
        return set()
    return {address} if ":" in address else {address, f"::ffff:{address}"}
