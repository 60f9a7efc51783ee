"""Counters of interfaces and of queues: live over OpenFlow, or as the database has them.

Over OpenFlow they are what the device says at that moment. ovs-vswitchd copies them to the database every
``other_config:stats-update-interval`` milliseconds, at least 5000 (ovs-vswitchd.conf.db(5)).

Tunnels and patch ports are no devices, on any datapath: ovs-vswitchd itself counts for them (netdev_vport_inc_rx of netdev-vport.c), each
time its revalidators look at the datapath's flows (xlate_push_stats). Between two of these their counters stand still.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ovstool.errors import NotFound, OvstoolError, Refused, TimedOut, Unreachable, UsageError, quote
from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, mapping, one
from ovstool.rates import Burst, QueueRate, Rate, Reading, between, burst, of_queue
from ovstool.switch import Switch, lookup

if TYPE_CHECKING:
    from ovstool.openflow.client import Client

SOURCES = ("auto", "openflow", "ovsdb")
SHORTEST_S = 0.005  # the shortest interval; a reading takes some 0.1 ms

_REVALIDATED_MS, _IDLE_MS = 500, 10_000  # other_config:max-revalidator and max-idle by default
_UPDATED_S = 5  # ovs-vswitchd's shortest and usual time between two updates of the database
_PATIENCE_S = 5  # how long "auto" waits for OpenFlow before it takes the database
_AGAIN_S = 0.5  # between two looks for what is gone
_EXACT = 0.01  # of an interval: how long a reading may take, so that the rate is as exact
_PATIENT = 0.2  # of an interval: how long a quicker answer is hoped for
_QUICK_S = 0.0003  # a reading that need not be quicker
_ABSENT = (Unreachable, Refused, TimedOut)
# The classes of netdev-vport.c, of all versions from 2.13 on.
_PUSHED = frozenset(["patch", "vxlan", "geneve", "gre", "ip6gre", "erspan", "ip6erspan", "lisp", "stt", "gtpu", "bareudp", "srv6"])


class Place(NamedTuple):
    """Where an interface is; ``ofport`` is its OpenFlow port number, None while ovs-vswitchd has not opened the device.

    ``is_pushed``: revalidators count for it. ``stored`` are its counters in the database when they were asked for along with the rest,
    which costs little for a few.
    """

    bridge: str
    port: str
    uuid: str  # of the Interface row: another port of the same name has another
    ofport: int | None
    is_pushed: bool = False
    stored: dict[str, int] | None = None


def counters(switch: Switch, ports: Sequence[str], bridge: str | None, source: str = "auto") -> list[Reading]:
    """The counters of each interface now; without names those of all interfaces, of ``bridge`` if one is given.

    ``source`` is one of SOURCES; ``auto`` takes the database's when OpenFlow cannot be had, and notes it. A device's counters are older
    than the interface when the device is. Raises NotFound; Unreachable, Refused and TimedOut with ``openflow``.
    """
    if source == "ovsdb":
        rows, moment = _interfaces(switch, ports, bridge, ("name", "statistics")), time.time()
        return [Reading(moment, bridge or "", row["name"], None, mapping(row["statistics"])) for row in rows]
    meter = _Meter(switch, ports, bridge, source)
    try:
        found = {reading.port: reading for reading in meter.read()}
    finally:
        meter.close()
    return [found.get(place.port) or Reading(time.time(), place.bridge, place.port, None, {}) for place in meter.places]


def queues(switch: Switch, ports: Sequence[str], bridge: str | None, source: str = "auto") -> list[Reading]:
    """The counters of each queue now. Only OpenFlow has them; ``auto`` gives up sooner. Raises NotFound, Unreachable, Refused, TimedOut."""
    meter = _Meter(switch, ports, bridge, source, queues=True)
    try:
        return meter.read()
    finally:
        meter.close()


def readings(
    switch: Switch,
    ports: Sequence[str],
    bridge: str | None,
    source: str = "auto",
    interval_s: float = 1.0,
    count: int | None = None,
    queues: bool = False,
    for_s: float | None = None,
    bursts: bool = False,
) -> Iterator[list[Reading]]:
    """Read the counters every ``interval_s`` seconds, ``count`` times, for ``for_s`` seconds, or without end: the first at once.

    A beat that cannot be kept is left out. An interface or a bridge that is gone has no readings until it is back, which is noted; the
    first one after that has ``gap`` set. Each reading has the switch's whole timeout.
    Raises UsageError for an interval in which the database's counters do not change, or those of a tunnel or patch port that is named;
    without names such a port has no counters, which is noted. With ``bursts`` that is so for any interval.
    """
    if source == "ovsdb":
        _require_updates(switch, interval_s)
    meter = _Meter(switch, ports, bridge, source, queues, interval_s)
    try:
        meter.mind_pushed(bursts)
        found = meter.read()
        begin = time.monotonic()
        beat = 0
        while True:
            yield found
            if count is not None:
                count -= 1
                if count <= 0:
                    _require_present(meter)
                    return
            beat = max(beat + 1, int((time.monotonic() - begin) / interval_s) + 1)
            if for_s is not None and beat * interval_s > for_s * (1 + 1e-9):
                _require_present(meter)
                return
            time.sleep(max(begin + beat * interval_s - time.monotonic(), 0))
            switch.rearm()
            found = meter.read_on()
    finally:
        meter.close()


def rates(beats: Iterable[list[Reading]]) -> Iterator[list[Rate]]:
    """The rates of ports between each reading and the one before; nothing for the first."""
    return _pairs(beats, between)


def queue_rates(beats: Iterable[list[Reading]]) -> Iterator[list[QueueRate]]:
    """The rates of queues between each reading and the one before; nothing for the first."""
    return _pairs(beats, of_queue)


def bursts(beats: Iterable[list[Reading]], limit_bps: Callable[[str, str], int | None]) -> list[Burst]:
    """How evenly each port received and sent; ``limit_bps`` tells the limit of a port's direction (rx, tx)."""
    measured: dict[str, list[Rate]] = {}
    for beat in rates(beats):
        for rate in beat:
            measured.setdefault(rate.port, []).append(rate)
    return [burst(port, way, windows, limit_bps(port, way)) for port, windows in measured.items() for way in ("rx", "tx")]


def link_speeds(switch: Switch, ports: Sequence[str], bridge: str | None) -> dict[str, int]:
    """The speed of the link of each interface in bit/s, for those that have one (ovs-vswitchd.conf.db(5), Interface.link_speed)."""
    rows = _interfaces(switch, ports, bridge, ("name", "link_speed"))
    return {row["name"]: one(row["link_speed"]) for row in rows if one(row["link_speed"])}


def _pairs(beats: Iterable[list[Reading]], difference: Callable) -> Iterator[list]:
    before: dict[tuple, Reading] = {}
    for number, beat in enumerate(beats):
        rows = [difference(before[key], reading) for reading in beat if (key := (reading.port, reading.queue)) in before]
        before |= {(reading.port, reading.queue): reading for reading in beat}
        if number:
            yield rows


class _Meter:
    """Reads the counters of some interfaces again and again, over one connection to each bridge.

    Which OpenFlow port is which interface is asked of the database, and again when that tells of a change.
    """

    def __init__(
        self, switch: Switch, ports: Sequence[str], bridge: str | None, source: str, queues: bool = False, interval_s: float | None = None
    ):
        self._switch = switch
        self._asked = (ports, bridge)
        self._source = source
        self._queues = queues
        self._interval_s = interval_s
        self._clients: dict[str, Client] = {}
        self._stored: set[str] = set()  # bridges whose counters come from the database
        self._lost: set[str] = set()  # bridges without a connection
        self._away: set[str] = set()  # ports without a reading, since they had one or were asked for
        self._other: set[str] = set()  # ports that are not what they were at the reading before
        self._usual_s: dict[str, float] = {}  # how long a reading takes, by bridge
        self._begun = False  # while it has not, what cannot be had over OpenFlow may come from the database
        self._watched = False
        self._looked = 0.0
        self._least_s = 0.0  # the shortest interval for tunnels and patch ports
        self._epoch = time.time() - time.monotonic()
        if interval_s is not None:
            self._watch()  # before it is read where the interfaces are, or a change in between would be missed
        self.places = _places(switch, ports, bridge, with_counters=bool(ports) and interval_s is None)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def mind_pushed(self, bursts: bool) -> None:
        """Tell of interfaces whose counters change too seldom to be read so often; raises UsageError when they were named."""
        if self._queues or self._source == "ovsdb" or self._interval_s is None:
            return
        pushed = [place.port for place in self.places if place.is_pushed]
        updated_s = _pushed_every_s(self._switch) if pushed else _REVALIDATED_MS / 1000
        self._least_s = math.inf if bursts else updated_s
        if not pushed:
            return
        why = f"ovs-vswitchd counts for tunnels and patch ports every {updated_s:g} s only"
        hint = f"--rate --interval {2 * updated_s:g}"
        if self._interval_s >= self._least_s:
            self._switch.notes.append(f"{_names(pushed)}: {why}, so these rates may be off by {updated_s / self._interval_s:.0%}")
        elif self._asked[0]:
            raise UsageError(f"{_names(pushed)}", why, hint)
        else:
            self._switch.notes.append(f"{_names(pushed)}: null, as {why}; try: {hint}")

    def read(self) -> list[Reading]:
        """The first reading: what cannot be had now is an error, or with ``auto`` comes from the database."""
        found: list[Reading] = []
        for bridge, places in self._by_bridge().items():
            if self._source == "ovsdb":
                self._stored.add(bridge)
            try:
                found += self._of_bridge(bridge, places)
            except _ABSENT as error:
                if self._source != "auto" or self._queues:
                    raise
                self._take_the_database(bridge, error)
                found += self._of_bridge(bridge, places)
        self._begun = True
        return self._told(found)

    def read_on(self) -> list[Reading]:
        """A later reading: what cannot be had now is left out, and looked for until it is back."""
        waiting = self._lost or not self._watched or (self._away and not self._queues)
        if self._has_changed() or (waiting and time.monotonic() - self._looked > _AGAIN_S):
            self._look_again()
        found: list[Reading] = []
        for bridge, places in self._by_bridge().items():
            if bridge in self._lost:
                continue
            try:
                found += self._of_bridge(bridge, places)
            except _ABSENT as error:
                self._drop(bridge)
                self._lost.add(bridge)
                self._looked = time.monotonic()
                self._switch.notes.append(f"{error.what}: {error.why}; waiting for it")
        if self._has_changed():
            # The change may have come before the reading, and a number may belong to another port by now.
            numbers = {(place.port, place.uuid, place.ofport) for place in self.places}
            self._look_again()
            same = {place.port for place in self.places if (place.port, place.uuid, place.ofport) in numbers}
            found = [reading for reading in found if reading.port in same]
        return self._told(found)

    def absent(self) -> list[str]:
        """The ports that were asked for and have no reading now."""
        return sorted(self._away)

    def _told(self, found: list[Reading]) -> list[Reading]:
        """The readings, those after a gap marked, once it is noted which ports are gone and which are back."""
        read = {reading.port for reading in found}
        # A port may well have no queues.
        here = {p.port for p in self.places if p.ofport is not None and p.bridge not in self._lost} if self._queues else read
        away = {place.port for place in self.places} - here
        gone, back = away - self._away, self._away & here
        if self._interval_s is not None:
            if alone := {p.port for p in self.places if p.port in gone and p.bridge not in self._lost}:
                self._switch.notes.append(f"{_names(alone)}: gone, or not open; waiting for it")
            if back:
                self._switch.notes.append(f"{_names(back)}: back")
        self._away = away
        self._other |= back
        marked = [reading._replace(gap=True) if reading.port in self._other else reading for reading in found]
        self._other -= read
        return marked

    def _of_bridge(self, bridge: str, places: list[Place]) -> list[Reading]:
        if bridge in self._stored:
            return self._from_database(places)
        if bridge not in self._clients:
            self._clients[bridge] = self._connect(bridge)
        client = self._clients[bridge]
        names = {place.ofport: place.port for place in places if place.ofport is not None}
        untimely = {place.ofport for place in places if place.is_pushed and (self._interval_s or math.inf) < self._least_s}
        client.deadline = self._switch.deadline if self._begun else self._patience()
        moment, counted = self._quickest(bridge, client, list(names) if self._asked[0] else None)
        order = {place.port: index for index, place in enumerate(places)}
        found = [
            Reading(moment, bridge, names[c.port], c.duration_s, {} if c.port in untimely else c.counters, c.queue)
            for c in counted
            if c.port in names
        ]
        return sorted(found, key=lambda reading: (order[reading.port], reading.queue or 0))

    def _quickest(self, bridge: str, client: "Client", ports: list[int] | None) -> tuple[float, list]:
        """The counters, and when they were read: in the middle of the question, give or take half of what it took.

        Where that is too long for the interval to be known, because ovs-vswitchd or we had to wait, it is asked again, and the
        quickest answer is taken.
        """
        ask = client.queue_stats if self._queues else client.port_stats
        interval_s = self._interval_s or 0
        until = time.monotonic() + _PATIENT * interval_s
        best: tuple[float, list] = 0, []
        best_s, tries = math.inf, 0
        while True:
            begin = time.monotonic()
            try:
                counted = ask(ports)
            except _ABSENT:
                if not tries:
                    raise
                return best  # that it is gone is for the next reading to find
            took_s = time.monotonic() - begin
            tries += 1
            if took_s < best_s:
                best_s, best = took_s, (self._epoch + begin + took_s / 2, counted)
            # A large switch always takes its time, and asking it twice would not help.
            good_s = max(_EXACT * interval_s, _QUICK_S, 2 * self._usual_s.get(bridge, 0))
            if best_s <= good_s or not interval_s or (tries > 1 and time.monotonic() + took_s > until):
                self._usual_s[bridge] = min(best_s, self._usual_s.get(bridge, best_s))
                return best

    def _from_database(self, places: list[Place]) -> list[Reading]:
        moment = self._epoch + time.monotonic()
        if self._interval_s is None and all(place.stored is not None for place in places):
            return [Reading(moment, place.bridge, place.port, None, place.stored or {}) for place in places]
        rows = lookup.by_name(self._switch, "Interface", [place.port for place in places], ("statistics",))
        return [Reading(moment, p.bridge, p.port, None, mapping(rows[p.port]["statistics"])) for p in places if p.port in rows]

    def _connect(self, bridge: str) -> "Client":
        deadline = self._switch.deadline
        self._switch.deadline = self._patience()
        try:
            return self._switch.openflow(bridge)
        finally:
            self._switch.deadline = deadline

    def _patience(self) -> float:
        """Until when OpenFlow is waited for: with ``auto`` time must be left for the database."""
        if self._source != "auto":
            return self._switch.deadline
        return min(self._switch.deadline, time.monotonic() + min(_PATIENCE_S, self._switch.remaining_s() / 2))

    def _take_the_database(self, bridge: str, error: OvstoolError) -> None:
        self._drop(bridge)
        updated_s = _updated_s(self._switch)
        if self._interval_s is not None and self._interval_s < updated_s:
            why = f"{error.why}; the counters of the database are too old for this interval"
            raise type(error)(error.what, why, f"--source ovsdb --interval {2 * updated_s:g}") from error
        # One ovs-vswitchd has all bridges: when it hangs, the others need not be waited for too.
        self._stored |= {place.bridge for place in self.places} if isinstance(error, TimedOut) else {bridge}
        self._switch.notes.append(f"{error.what}: {error.why}; these counters are the database's, up to {updated_s:g} s old")

    def _drop(self, bridge: str) -> None:
        if bridge in self._clients:
            self._clients.pop(bridge).close()

    def _watch(self) -> None:
        """Have the database tell when a port gets another number, comes or goes."""
        self._switch.client.watch("Interface", ["name", "ofport"])
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
        """Ask the database anew where the interfaces are; without names, also which there are. Then for bridges that were lost."""
        self._looked = time.monotonic()
        try:
            if not self._watched:
                self._watch()
            self._locate()
        except OvstoolError:
            self._leave_the_database()  # ovsdb-server may be starting too
            return
        for bridge in self._lost.copy():
            try:
                self._clients[bridge] = self._connect(bridge)
            except _ABSENT:
                continue
            self._lost.discard(bridge)
            self._other.update(place.port for place in self.places if place.bridge == bridge)

    def _locate(self) -> None:
        ports, bridge = self._asked
        before = {place.port: place.uuid for place in self.places}
        if not ports:
            self.places = _places(self._switch, ports, bridge)
        else:
            rows = lookup.by_name(self._switch, "Interface", [place.port for place in self.places], ("ofport", "type"))
            bridges = lookup.bridges_of(self._switch, list(rows.values()))
            self.places = [
                _place(rows[p.port], bridges.get(str(one(rows[p.port]["_uuid"])), p.bridge)) if p.port in rows else p._replace(ofport=None)
                for p in self.places
            ]
        self._other.update(place.port for place in self.places if before.get(place.port, place.uuid) != place.uuid)

    def _by_bridge(self) -> dict[str, list[Place]]:
        found: dict[str, list[Place]] = {}
        for place in self.places:
            found.setdefault(place.bridge, []).append(place)
        return found


def _require_present(meter: _Meter) -> None:
    """Raise Unreachable when what was to be measured is not there at the end: a script must not take silence for no traffic."""
    if absent := meter.absent():
        raise Unreachable(_names(absent), "there was nothing to read at the end", "ovstool show")


def _names(ports: Iterable[str]) -> str:
    names = sorted(ports)
    return ", ".join(quote(name) for name in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _places(switch: Switch, ports: Sequence[str], bridge: str | None, with_counters: bool = False) -> list[Place]:
    rows = _interfaces(switch, ports, bridge, ("_uuid", "name", "ofport", "type", *(("statistics",) if with_counters else ())))
    if bridge:
        return [_place(row, bridge) for row in rows]
    bridges = lookup.bridges_of(switch, rows)
    return [_place(row, bridges.get(one(row["_uuid"]), "")) for row in rows]


def _place(row: Row, bridge: str) -> Place:
    ofport = one(row["ofport"])
    stored = mapping(row["statistics"]) if "statistics" in row else None
    number = ofport if isinstance(ofport, int) and ofport > 0 else None
    return Place(bridge, row["name"], str(one(row["_uuid"])), number, one(row["type"]) in _PUSHED, stored)


def _interfaces(switch: Switch, ports: Sequence[str], bridge: str | None, columns: tuple[str, ...]) -> list[Row]:
    """The rows of the interfaces named, or of all by name. Raises NotFound."""
    if ports:
        rows = [row for named in lookup.interfaces(switch, ports, columns) for row in named.rows]
        if bridge:
            _require_inside(rows, {row["name"] for row in _of_bridge(switch, bridge, ("name",))}, bridge)
    elif bridge:
        rows = _of_bridge(switch, bridge, columns)
    else:
        rows = sorted(switch.read(Query("Interface", [], columns)), key=lambda row: row["name"])
    return list({row["name"]: row for row in rows}.values())


def _of_bridge(switch: Switch, bridge: str, columns: tuple[str, ...]) -> list[Row]:
    row = lookup.bridges(switch, [bridge], ("ports",))[0]
    ports = lookup.by_uuid(switch, "Port", many(row["ports"]), ("interfaces",))
    interfaces = lookup.by_uuid(switch, "Interface", [u for port in ports.values() for u in many(port["interfaces"])], columns)
    return sorted(interfaces.values(), key=lambda row: row["name"])


def _require_inside(rows: list[Row], inside: set[str], bridge: str) -> None:
    for row in rows:
        if row["name"] not in inside:
            raise NotFound(f"port {quote(row['name'])}", f"not a port of bridge {quote(bridge)}")


def _updated_s(switch: Switch) -> float:
    """How often ovs-vswitchd writes counters to the database, in seconds."""
    return max(_setting_ms(_settings(switch), "stats-update-interval", 0) / 1000, _UPDATED_S)


def _pushed_every_s(switch: Switch) -> float:
    """How often revalidators count, in seconds, when they have the time (udpif_revalidator of ofproto-dpif-upcall.c)."""
    settings = _settings(switch)
    longest_ms = _setting_ms(settings, "max-revalidator", _REVALIDATED_MS)
    # Less than 100 is passed over, so that it stays what it was (ofproto_set_max_revalidator of ofproto.c).
    return min(_setting_ms(settings, "max-idle", _IDLE_MS), longest_ms if longest_ms >= 100 else _REVALIDATED_MS) / 1000


def _settings(switch: Switch) -> dict[str, str]:
    rows = switch.read(Query("Open_vSwitch", [], ("other_config",)))
    return mapping(rows[0]["other_config"]) if rows else {}


def _setting_ms(settings: dict[str, str], key: str, default: int) -> int:
    text = settings.get(key, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default


def _require_updates(switch: Switch, interval_s: float) -> None:
    """Raises UsageError for an interval in which the database's counters may not change at all; notes how exact others are."""
    updated_s = _updated_s(switch)
    if interval_s < updated_s:
        why = f"the counters of the database change every {updated_s:g} s"
        raise UsageError(f"--interval {interval_s:g}", why, f"--interval {2 * updated_s:g}, or --source openflow")
    switch.notes.append(
        f"the counters of the database change every {updated_s:g} s, so these rates may be off by {updated_s / interval_s:.0%}"
    )
