"""Counters of interfaces, queues, tables, groups and meters: live ones over OpenFlow, one connection to each bridge.

Where OpenFlow cannot be had at all, those of interfaces come from the database, where they are up to 5 seconds old
(``other_config:stats-update-interval``). Where it only fails at present there are none: a counter that is live in one scrape and old in the
next goes backwards, which Prometheus takes for a restart, and ``rate()`` for as much traffic as the counter has ever counted.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from ovstool.errors import OvstoolError, Refused, TimedOut, quote
from ovstool.metrics.database import Database
from ovstool.metrics.reading import Labels, Reading
from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, mapping, ofport, one, uuid
from ovstool.switch import Switch, lookup

if TYPE_CHECKING:
    from ovstool.openflow.messages import Counted
    from ovstool.openflow.statistics import Passed, TableCounted

PATIENCE_S = 7  # how long ovs-vswitchd may take to answer; Prometheus gives up after 10 s
_FEW = 50  # interfaces whose queues are asked for one by one; of more, all of the bridge are
_MOST_NUMBERED = 1000  # groups or meters of a bridge that have metrics of their own
_MOST_STATISTICS = 200  # of one interface
_SAME_NAME = (f"{way}_{what}" for way in ("rx", "tx") for what in ("packets", "bytes", "errors", "dropped"))
_NAMES = {name: f"ovs_interface_{name}" for name in _SAME_NAME} | {
    "tx_dropped": "ovs_interface_tx_dropped_total",
    "collisions": "ovs_interface_collisions_total",
    "rx_crc_err": "ovs_interface_rx_crc_errors_total",
    "rx_frame_err": "ovs_interface_rx_frame_errors_total",
    "rx_over_err": "ovs_interface_rx_over_errors_total",
    "ovs_tx_retries": "ovs_interface_tx_retries",
}
_OF_A_QUEUE = re.compile(r"([rt]x)_q([0-9]{1,5})_(guest_notifications|good_packets|multicast_packets)")  # of a vhost-user port
_USUAL_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_MISSED = Query("Interface", [["statistics", "excludes", ["map", [["rx_missed_errors", 0]]]]], ("_uuid", "statistics"))
# Counted under a name of its own. openstack-network-exporter shows that if it is not 0; the larger one never goes backwards.
_OR = {"rx_dropped": "rx_missed_errors", "tx_errors": "ovs_tx_failure_drops"}


class Told(NamedTuple):
    """What a bridge told; or else the error."""

    ports: "list[Counted]" = []
    queues: "list[Counted]" = []
    tables: "list[TableCounted]" = []
    numbered: "dict[str, list[Passed]]" = {}  # groups and meters
    error: OvstoolError | None = None


class Wanted(NamedTuple):
    """What a bridge is asked: the counters of the ports with these numbers, and of the queues of those; None: of all."""

    ports: Sequence[int] | None
    queues: Sequence[int] | None


class _Bridge(NamedTuple):
    """A bridge, and its interfaces that are asked for: UUID and labels by OpenFlow port number."""

    name: str
    datapath_type: str
    ports: dict[int, tuple[str, Labels]]


def everything(switch: Switch, bridges: Sequence[Row], shaped: Sequence[Row]) -> dict[str, Wanted]:
    """All counters of these bridges; the queues of these shaped ports, or of all ports if they are many."""
    interfaces = [u for port in shaped for u in many(port["interfaces"])]
    queues = None
    if len(interfaces) <= _FEW:
        rows = lookup.by_uuid(switch, "Interface", interfaces, ("ofport",)).values()
        queues = [number for row in rows if (number := ofport(row["ofport"]))]
    return {str(bridge["name"]): Wanted(None, queues) for bridge in bridges}


def ask(switch: Switch, wanted: Mapping[str, Wanted]) -> dict[str, Told]:
    """Ask each of these bridges."""
    told: dict[str, Told] = {}
    error: OvstoolError | None = None
    for bridge, numbers in wanted.items():
        if isinstance(error, TimedOut):  # nor will ovs-vswitchd answer about the others
            told[bridge] = Told(error=error)
            continue
        try:
            told[bridge] = _ask(switch, bridge, numbers)
        except OvstoolError as failure:
            told[bridge] = Told(error=(error := failure))
    return told


def ask_about(switch: Switch, database: Database) -> dict[str, Told]:
    """Ask the bridges about the interfaces that are asked for."""
    shaped = {u for u, _ in database.shaped()}
    wanted = {
        bridge.name: Wanted(list(bridge.ports), [port for port, (u, _) in bridge.ports.items() if u in shaped])
        for bridge in _bridges(database)
    }
    return ask(switch, wanted)


def collect(switch: Switch, database: Database, told: Mapping[str, Told], reading: Reading) -> None:
    """Add all counters. Raises OvstoolError, after having added what there is, for the first bridge that did not answer."""
    failed: dict[str, OvstoolError] = {}
    without: set[str] = set()  # UUIDs of the interfaces of bridges that cannot be asked
    counted: dict[str, dict[str, int]] = {}  # by UUID of the interface
    for bridge in _bridges(database):
        answer = told.get(bridge.name) or Told()  # nothing of a bridge that is new
        if answer.error is None:
            counted |= {bridge.ports[port.port][0]: port.counters for port in answer.ports if port.port in bridge.ports}
            _add_bridge(bridge, answer, reading)
            continue
        failed[bridge.name] = answer.error
        if not switch.host_is_known or isinstance(answer.error, Refused) or "permission denied" in answer.error.why:
            without |= {u for u, _ in bridge.ports.values()}
            reading.add("ovstool_counters_live", (bridge.name,), 0)
    try:
        _add_stored(switch, database, counted, without)
        _add_interfaces(database, counted, reading)
    except OvstoolError:
        if without or not failed:  # otherwise the cause is a bridge, which has used up the time
            raise
    if failed:
        raise _failure(failed, bool(without))


def _failure(failed: dict[str, OvstoolError], has_fallen_back: bool) -> OvstoolError:
    """What is told of bridges that did not answer: the error of the first."""
    first, error = next(iter(failed.items()))
    bridges = f"bridge {quote(first)}" + (f" and {len(failed) - 1} more" if len(failed) > 1 else "")
    instead = "the counters of interfaces come from the database, up to 5 s old" if has_fallen_back else "no counters"
    return type(error)(bridges, f"{error.why}, so {instead}")


def _bridges(database: Database) -> list[_Bridge]:
    table, interfaces = database.tables["Bridge"], database.tables["Interface"]
    ofports = dict(zip(interfaces.uuids, interfaces.values("ofport"), strict=True))
    ports: dict[str, dict[int, tuple[str, Labels]]] = {}
    for u, labels in database.labels.items():
        if (ofport := ofports[u]) is not None and ofport > 0:
            ports.setdefault(labels[0], {})[ofport] = u, labels
    own = sorted(zip(table.values("name"), table.values("datapath_type"), strict=True))
    return [_Bridge(name, kind or "system", ports.get(name, {})) for name, kind in own]


def _ask(switch: Switch, bridge: str, wanted: Wanted) -> Told:
    with closing(switch.openflow(bridge, PATIENCE_S)) as client:
        client.ask_ahead(*wanted)
        told = Told(client.port_stats(wanted.ports), client.queue_stats(wanted.queues), client.table_stats(), {})
        for what, statistics in (("group", client.group_stats), ("meter", client.meter_stats)):
            if client.version == 1:  # which does not show them
                break
            with suppress(Refused):  # this Open vSwitch has none
                told.numbered[what] = statistics()
        return told


def _add_bridge(bridge: _Bridge, told: Told, reading: Reading) -> None:
    """Add everything but the counters of interfaces."""
    reading.add("ovstool_counters_live", (bridge.name,), 1)
    for port, queue, _, counters in sorted((queue for queue in told.queues if queue.port in bridge.ports), key=lambda each: each[:2]):
        name, port_name, interface, _, iface_id = bridge.ports[port][1]
        for counter in ("tx_packets", "tx_bytes", "tx_errors"):
            reading.add(f"ovs_queue_{counter}_total", (name, port_name, interface, iface_id, str(queue)), counters.get(counter))
    reading.add("ovs_bridge_flow_count", (bridge.name, bridge.datapath_type), sum(table.flows for table in told.tables))
    for number, flows, lookups, matches in told.tables:
        if flows or lookups:
            labels = (bridge.name, str(number))
            reading.add("ovs_openflow_table_flows", labels, flows)
            reading.add("ovs_openflow_table_lookups_total", labels, lookups)
            reading.add("ovs_openflow_table_matches_total", labels, matches)
    for what, found in told.numbered.items():
        _add_numbered(what, found, bridge.name, reading)


def _add_numbered(what: str, found: "Sequence[Passed]", bridge: str, reading: Reading) -> None:
    """Add the counters of groups or meters, and if there are too many only their number."""
    family = f"ovs_openflow_{what}"
    reading.add(f"{family}s", (bridge,), len(found))
    for number, packets, octets, bands in sorted(found, key=lambda each: each.number) if len(found) <= _MOST_NUMBERED else ():
        labels = (bridge, str(number))
        reading.add(f"{family}_packets_total", labels, packets)
        reading.add(f"{family}_bytes_total", labels, octets)
        for place, (above, octets_above) in enumerate(bands):
            reading.add(f"{family}_band_packets_total", (*labels, str(place)), above)
            reading.add(f"{family}_band_bytes_total", (*labels, str(place)), octets_above)


def _add_stored(switch: Switch, database: Database, counted: dict[str, dict[str, int]], without: set[str]) -> None:
    """Add the counters that only the database has: all of the interfaces ``without`` others, and what OpenFlow cannot express.

    That is what DPDK counts besides, and packets that a device missed (``rx_missed_errors``), which few devices ever do.
    """
    if without:
        where = {} if database.is_whole else {"Interface": [["_uuid", "==", uuid(u)] for u in database.labels]}
        table = switch.tables({"Interface": ("statistics",)}, where)["Interface"]
        counted.update({u: found for u, found in zip(table.uuids, table.values("statistics"), strict=True) if u in without})
    kinds = {labels[3] for labels in database.labels.values()}
    of_devices = [_MISSED._replace(where=[*_MISSED.where, ["type", "==", kind]]) for kind in ("", "system")] if "system" in kinds else []
    for rows in switch.read_all(of_devices):
        for row in rows:
            missed = {name: value for name, value in mapping(row["statistics"]).items() if name == "rx_missed_errors"}
            counted.get(one(row["_uuid"]), {}).update(missed)
    for rows in switch.read_all([_MISSED._replace(where=[["type", "==", kind]]) for kind in sorted(kinds) if kind.startswith("dpdk")]):
        for row in rows:
            live = counted.get(one(row["_uuid"]), {})
            live.update(mapping(row["statistics"]) | live)


def _add_interfaces(database: Database, counted: Mapping[str, dict[str, int]], reading: Reading) -> None:
    """Add counters, one after the other for all interfaces that have the same ones: most have."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for u in database.labels:
        if u in counted:
            alike.setdefault(tuple(counted[u]), []).append(u)
    for names, interfaces in alike.items():
        labels = [database.labels[u] for u in interfaces]
        counters = [counted[u] for u in interfaces]
        for name in names[:_MOST_STATISTICS]:
            family, more = _place(name)
            values: Iterable[int] = map(itemgetter(name), counters)
            if name in _OR and _OR[name] in names:
                values = map(max, values, map(itemgetter(_OR[name]), counters))
            if family:
                reading.extend(family, labels, list(values), more)


@lru_cache(1024)
def _place(name: str) -> tuple[str, tuple[str, ...]]:
    """The family of a statistic, and further labels; no family for one that has an odd name."""
    if name in _NAMES:
        return _NAMES[name], ()
    if queue := _OF_A_QUEUE.fullmatch(name):
        return f"ovs_interface_{queue[1]}_{queue[3]}", (queue[2],)
    return ("ovs_interface_statistic", (name,)) if _USUAL_NAME.fullmatch(name) else ("", ())
