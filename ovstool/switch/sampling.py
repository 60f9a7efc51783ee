"""Reads the counters of interfaces and queues, once or repeatedly: over OpenFlow or from the database (not sFlow).

Over OpenFlow they are those of the device at that moment. ovs-vswitchd copies them to the database every
``other_config:stats-update-interval`` milliseconds, at least 5000 (ovs-vswitchd.conf.db(5)).

Tunnels and patch ports are not devices, on any datapath: ovs-vswitchd itself counts for them (netdev_vport_inc_rx of netdev-vport.c), each
time its revalidators look at the datapath's flows (xlate_push_stats). In between, their counters do not change.
"""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from ovstool.errors import OvstoolError, Refused, TimedOut, Unreachable, UsageError, quote_some
from ovstool.ovsdb.transaction import Row
from ovstool.ovsdb.values import mapping, ofport, one
from ovstool.rates import Reading
from ovstool.switch import Switch, lookup

if TYPE_CHECKING:
    from ovstool.openflow.client import Client
    from ovstool.openflow.messages import Counted
    from ovstool.pace import Pace

SOURCES = ("auto", "openflow", "ovsdb")
SHORTEST_S = 0.001  # the shortest interval; a reading takes some 0.1 ms, and more where a switch has many ports
_REVALIDATED_MS, _IDLE_MS = 500, 10_000  # other_config:max-revalidator and max-idle by default
_UPDATED_S = 5  # ovs-vswitchd's shortest and usual time between two updates of the database
_PATIENCE_S = 5  # how long "auto" waits for OpenFlow before it falls back to the database
_AGAIN_S = 0.5  # between two attempts to find what is gone
_EXACT = 0.01  # of an interval: how long a reading may take for the rate to be this exact
_PATIENT = 0.2  # of an interval: how long to retry for a quicker answer
_QUICK_S = 0.0003  # a reading this quick is good enough
_SLOWER = 1.05  # how fast the usual time may grow between readings: one quick answer says little about a switch under load
_UNAVAILABLE = (Unreachable, Refused, TimedOut)
# The classes of netdev-vport.c, of all versions from 2.13 on.
_PUSHED = frozenset(["patch", "vxlan", "geneve", "gre", "ip6gre", "erspan", "ip6erspan", "lisp", "stt", "gtpu", "bareudp", "srv6"])


class SamplingSpec(NamedTuple):
    """Which counters to read, from where, and how often.

    Without ``ports``, those of all interfaces, or those of ``bridge``; ``queues``: those of queues instead. ``source`` is one of SOURCES:
    ``auto`` falls back to the database without OpenFlow, and notes it. They are read every ``interval_s`` seconds (0: once),
    ``times`` times, for ``for_s`` seconds, or forever; with ``pace``, that sets an interval that may change. ``bursts``: the
    rate of each single interval has to be accurate.
    """

    ports: Sequence[str] = ()
    bridge: str | None = None
    source: str = "auto"
    queues: bool = False
    interval_s: float = 0
    times: int | None = None
    for_s: float | None = None
    bursts: bool = False
    pace: "Pace | None" = None


class InterfaceAt(NamedTuple):
    """The location of an interface; ``ofport`` is its OpenFlow port number, None while ovs-vswitchd has not opened the device.

    ``is_pushed``: revalidators count for it. ``stored`` are its counters in the database, when they were read along with the rest,
    which is cheap for a few.
    """

    bridge: str
    port: str
    uuid: str  # of the Interface row: a new port of the same name has a different one
    ofport: int | None
    is_pushed: bool = False
    stored: dict[str, int] | None = None


class Meter:
    """Reads the counters of some interfaces again and again, over one connection to each bridge.

    The database says which OpenFlow port is which interface, and is read again when it reports a change.
    """

    def __init__(self, switch: Switch, spec: SamplingSpec):
        self._switch = switch
        self._spec = spec
        self._clients: dict[str, Client] = {}
        self.in_database: set[str] = set()  # bridges with counters read from there
        self._lost: set[str] = set()  # bridges without a connection
        self._absent: set[str] = set()  # ports that were requested or had a reading, and have none now
        self._changed: set[str] = set()  # ports that changed since the previous reading
        self._usual_s: dict[str, float] = {}  # how long a reading takes, by bridge
        self._begun = False  # until then, the database may replace OpenFlow
        self._watched = False
        self._looked = 0.0
        self.pushed_s = 0.0  # the shortest interval for tunnels and patch ports
        self._epoch = time.time() - time.monotonic()
        if spec.interval_s:
            self._watch()  # before the interfaces are located, or a change in between would be missed
        self.interfaces = _located(switch, spec, with_counters=bool(spec.ports) and not spec.interval_s)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def set_interval(self, interval_s: float) -> None:
        """Set the interval; notes interfaces with counters that change too rarely for it, and raises UsageError when they were named."""
        self._spec = self._spec._replace(interval_s=interval_s)
        if self._spec.queues or self._spec.source == "ovsdb" or not interval_s:
            return
        pushed = sorted(at.port for at in self.interfaces if at.is_pushed)
        every_s = _pushed_every_s(self._switch) if pushed else _REVALIDATED_MS / 1000
        self.pushed_s = math.inf if self._spec.bursts else every_s
        if not pushed:
            return
        why = f"ovs-vswitchd updates the counters of tunnels and patch ports only every {every_s:g} s"
        hint = f"{'--rate ' * self._spec.bursts}--interval {2 * every_s:g}"
        if interval_s >= self.pushed_s:
            self._switch.notes.append(f"{quote_some(pushed)}: {why}, so these rates may be off by {every_s / interval_s:.0%}")
        elif self._spec.ports:
            raise UsageError(quote_some(pushed), why, hint)
        else:
            self._switch.notes.append(f"{quote_some(pushed)}: null, because {why}; try: {hint}")

    def read(self) -> list[Reading]:
        """The first reading: what is not available is an error, or with ``auto`` comes from the database."""
        found: list[Reading] = []
        for bridge, here in self._by_bridge().items():
            if self._spec.source == "ovsdb":
                self.in_database.add(bridge)
            try:
                found += self._read_bridge(bridge, here)
            except _UNAVAILABLE as error:
                if self._spec.source != "auto" or self._spec.queues:
                    raise
                self._take_the_database(bridge, error)
                found += self._read_bridge(bridge, here)
        self._begun = True
        return self._reported(found)

    def read_again(self) -> list[Reading]:
        """A later reading: what is not available is left out, and retried until it is back."""
        waiting = self._lost or not self._watched or (self._absent and not self._spec.queues)
        if self._has_changed() or (waiting and time.monotonic() - self._looked > _AGAIN_S):
            self._look_again()
        found: list[Reading] = []
        for bridge, here in self._by_bridge().items():
            if bridge not in self._lost:
                try:
                    found += self._read_bridge(bridge, here)
                except _UNAVAILABLE as error:
                    self._lose(bridge, error)
        if self._has_changed():
            # The change may have come before the reading, so a number may belong to a different port now.
            numbers = {(at.port, at.uuid, at.ofport) for at in self.interfaces}
            self._look_again()
            same = {at.port for at in self.interfaces if (at.port, at.uuid, at.ofport) in numbers}
            found = [reading for reading in found if reading.port in same]
        return self._reported(found)

    def absent(self) -> list[str]:
        """The requested ports that have no reading now."""
        return sorted(self._absent)

    def _reported(self, found: list[Reading]) -> list[Reading]:
        """The readings, with those after a gap marked; notes which ports are gone and which are back."""
        read = {reading.port for reading in found}
        # A port may well have no queues.
        here = {at.port for at in self.interfaces if at.ofport is not None and at.bridge not in self._lost} if self._spec.queues else read
        absent = {at.port for at in self.interfaces} - here
        gone, back = absent - self._absent, self._absent & here
        if self._spec.interval_s:
            if alone := {at.port for at in self.interfaces if at.port in gone and at.bridge not in self._lost}:
                self._switch.notes.append(f"{quote_some(sorted(alone))}: gone or not open; waiting for it")
            if back:
                self._switch.notes.append(f"{quote_some(sorted(back))}: back")
        self._absent = absent
        self._changed |= back
        marked = [reading._replace(gap=True) if reading.port in self._changed else reading for reading in found]
        self._changed -= read
        return marked

    def _read_bridge(self, bridge: str, here: list[InterfaceAt]) -> list[Reading]:
        if bridge in self.in_database:
            return self._read_database(here)
        if bridge not in self._clients:
            self._clients[bridge] = self._connect(bridge)
        client = self._clients[bridge]
        names = {at.ofport: at.port for at in here if at.ofport is not None}
        untimely = {at.ofport for at in here if at.is_pushed and (self._spec.interval_s or math.inf) < self.pushed_s}
        client.deadline = self._switch.deadline if self._begun else self._openflow_deadline()
        moment, counted = self._quickest(bridge, client, list(names) if self._spec.ports else None)
        order = {at.port: index for index, at in enumerate(here)}
        found = [
            Reading(moment, bridge, names[c.port], c.duration_s, {} if c.port in untimely else c.counters, c.queue)
            for c in counted
            if c.port in names
        ]
        return sorted(found, key=lambda reading: (order[reading.port], reading.queue or 0))

    def _quickest(self, bridge: str, client: "Client", ports: list[int] | None) -> "tuple[float, list[Counted]]":
        """The counters, and when they were read: the middle of the request, accurate to half its duration.

        If the request took too long for an accurate rate, because ovs-vswitchd or ovstool had to wait, it is repeated at least once,
        and the quickest answer wins.
        """
        ask = client.queue_stats if self._spec.queues else client.port_stats
        interval_s, usual_s = self._spec.interval_s, self._usual_s.get(bridge, 0)
        good_s = max(_EXACT * interval_s, _QUICK_S, 2 * usual_s)  # a large switch is always slow, and asking it twice would not help
        until = time.monotonic() + _PATIENT * interval_s
        best: tuple[float, list[Counted]] = 0, []
        best_s, tries = math.inf, 0
        while True:
            begin = time.monotonic()
            try:
                counted = ask(ports)
            except _UNAVAILABLE as error:
                if not tries:
                    raise
                self._lose(bridge, error)  # for later readings; this one is complete
                return best
            took_s = (ended := time.monotonic()) - begin
            tries += 1
            if took_s < best_s:
                best_s, best = took_s, (self._epoch + begin + took_s / 2, counted)
            is_over = tries > 1 and ended + took_s > until
            if best_s <= good_s or not interval_s or is_over:
                self._usual_s[bridge] = min(best_s, _SLOWER * usual_s or best_s)
                return best

    def _read_database(self, here: list[InterfaceAt]) -> list[Reading]:
        moment = self._epoch + time.monotonic()
        if not self._spec.interval_s and all(at.stored is not None for at in here):
            return [Reading(moment, at.bridge, at.port, None, at.stored or {}) for at in here]
        rows = lookup.by_name(self._switch, "Interface", [at.port for at in here], ("statistics",))
        return [Reading(moment, at.bridge, at.port, None, mapping(rows[at.port]["statistics"])) for at in here if at.port in rows]

    def _connect(self, bridge: str) -> "Client":
        deadline = self._switch.deadline
        self._switch.deadline = self._openflow_deadline()
        try:
            return self._switch.openflow(bridge)
        finally:
            self._switch.deadline = deadline

    def _openflow_deadline(self) -> float:
        """The deadline for OpenFlow: with ``auto`` it leaves time for the database."""
        if self._spec.source != "auto":
            return self._switch.deadline
        return min(self._switch.deadline, time.monotonic() + min(_PATIENCE_S, self._switch.remaining_s() / 2))

    def _take_the_database(self, bridge: str, error: OvstoolError) -> None:
        """From now on, read the counters of a bridge from the database, because OpenFlow is not available."""
        self._drop(bridge)
        stored_s = updated_s(self._switch)
        if self._spec.interval_s and self._spec.interval_s < stored_s:
            why = f"{error.why}; the counters in the database are too old for this interval"
            raise type(error)(error.what, why, f"--source ovsdb --interval {2 * stored_s:g}") from error
        # One ovs-vswitchd runs all bridges: when it hangs, do not wait for the others too.
        self.in_database |= {at.bridge for at in self.interfaces} if isinstance(error, TimedOut) else {bridge}
        self._switch.notes.append(f"{error.what}: {error.why}; these counters are from the database, up to {stored_s:g} s old")

    def _lose(self, bridge: str, error: OvstoolError) -> None:
        self._drop(bridge)
        self._lost.add(bridge)
        self._looked = time.monotonic()
        self._switch.notes.append(f"{error.what}: {error.why}; waiting for it")

    def _drop(self, bridge: str) -> None:
        if client := self._clients.pop(bridge, None):
            client.close()

    def _watch(self) -> None:
        self._switch.client.watch("Interface", ["name", "ofport"])  # when a port appears, disappears or changes its number
        self._watched = True

    def _has_changed(self) -> bool:
        try:
            return self._watched and self._switch.client.changed()
        except OvstoolError:
            self._leave_the_database()
            return False

    def _leave_the_database(self) -> None:
        self._switch.close()
        self._watched = False

    def _look_again(self) -> None:
        """Locate the interfaces again, and without names list them again; then reconnect to lost bridges."""
        self._looked = time.monotonic()
        try:
            if not self._watched:
                self._watch()
            self._locate()
        except OvstoolError:
            self._leave_the_database()  # ovsdb-server may be starting too
            return
        for bridge in self._lost.copy():
            with suppress(*_UNAVAILABLE):
                self._clients[bridge] = self._connect(bridge)
                self._lost.discard(bridge)
                self._changed.update(at.port for at in self.interfaces if at.bridge == bridge)

    def _locate(self) -> None:
        before = {at.port: at.uuid for at in self.interfaces}
        if not self._spec.ports:
            self.interfaces = _located(self._switch, self._spec)
        else:
            rows = lookup.by_name(self._switch, "Interface", list(before), ("ofport", "type"))
            bridges = lookup.bridges_of(self._switch, list(rows.values()))
            self.interfaces = [
                _at(row, bridges.get(str(one(row["_uuid"])), at.bridge)) if (row := rows.get(at.port)) else at._replace(ofport=None)
                for at in self.interfaces
            ]
        self._changed.update(at.port for at in self.interfaces if before.get(at.port, at.uuid) != at.uuid)

    def _by_bridge(self) -> dict[str, list[InterfaceAt]]:
        found: dict[str, list[InterfaceAt]] = {}
        for at in self.interfaces:
            found.setdefault(at.bridge, []).append(at)
        return found


def _located(switch: Switch, spec: SamplingSpec, with_counters: bool = False) -> list[InterfaceAt]:
    columns = ("_uuid", "name", "ofport", "type", *(("statistics",) if with_counters else ()))
    rows = lookup.interface_rows(switch, spec.ports, spec.bridge, columns)
    bridges = {} if spec.bridge else lookup.bridges_of(switch, rows)
    return [_at(row, spec.bridge or bridges.get(one(row["_uuid"]), "")) for row in rows]


def _at(row: Row, bridge: str) -> InterfaceAt:
    stored = mapping(row["statistics"]) if "statistics" in row else None
    return InterfaceAt(bridge, row["name"], str(one(row["_uuid"])), ofport(row["ofport"]), one(row["type"]) in _PUSHED, stored)


def updated_s(switch: Switch) -> float:
    """The interval at which ovs-vswitchd writes counters to the database, in seconds."""
    return max(_setting_ms(lookup.other_config(switch), "stats-update-interval", 0) / 1000, _UPDATED_S)


def _pushed_every_s(switch: Switch) -> float:
    """The interval at which revalidators count, in seconds, on an idle machine (udpif_revalidator of ofproto-dpif-upcall.c)."""
    settings = lookup.other_config(switch)
    longest_ms = _setting_ms(settings, "max-revalidator", _REVALIDATED_MS)
    # Values under 100 are ignored (ofproto_set_max_revalidator of ofproto.c).
    return min(_setting_ms(settings, "max-idle", _IDLE_MS), longest_ms if longest_ms >= 100 else _REVALIDATED_MS) / 1000


def _setting_ms(settings: dict[str, str], key: str, default: int) -> int:
    text = settings.get(key, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default
