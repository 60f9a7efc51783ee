"""QoS of ports: limits on what a port sends, and its queues (egress; ovs-vswitchd.conf.db(5), tables QoS and Queue).

The references to rows decide which are changed or deleted (``references``), the type decides what is written (``compose``).
The rows of an unchanged port are held like those of a changed one: otherwise commands on several ports could mix.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ovstool import units
from ovstool.errors import OvstoolError, TimedOut, UsageError, quote
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import Json, many, mapping, one, to_map, uuid
from ovstool.switch import Change, Switch, lookup, references, versions
from ovstool.switch.accepts import qos_types
from ovstool.switch.qos import compose
from ovstool.switch.references import QOS, References, hold_port

_QUEUE = ("_uuid", "other_config", "dscp", "external_ids")


class QueueSpec(NamedTuple):
    """The requested settings of a queue: its shape, however its type stores it, and its DSCP."""

    shape: qos_types.Shape
    dscp: int | None = None


class QosSpec(NamedTuple):
    """The requested QoS of a port: all of it, or with ``merge`` what changes. ``type`` None: the present type, else linux-htb.

    ``max_rate`` in bit/s, ``burst`` in bits; ``other_config`` as it is stored. ``reinstall``: install it again, in rows of its own, even if
    the database has it, because the datapath may have lost it. ``is_later``: Open vSwitch is newer than ovstool knows.
    """

    type: str | None
    max_rate: int | None
    burst: int | None
    other_config: dict[str, str]
    queues: dict[int, QueueSpec]
    merge: bool = False
    reinstall: bool = False
    is_later: bool = False


class StoredQueue(NamedTuple):
    """A queue as stored in its row."""

    other_config: dict[str, str]
    dscp: int | None


class WantedQos(NamedTuple):
    """The resulting QoS of a port."""

    kind: str
    config: dict[str, str]
    queues: dict[int, StoredQueue]


class Outcome(NamedTuple):
    """What happened to a port, its row of Port before, its QoS now, and whether ovs-vswitchd had that type with other settings."""

    change: str
    row: Row
    qos: WantedQos
    is_reconfigured: bool = False


class ListedQos(NamedTuple):
    """A row of ``qos list``; ``max_rate`` in bit/s, None where none is set, ``queues`` a count."""

    port: str
    type: str
    max_rate: int | None
    queues: int


class ShownQueue(NamedTuple):
    """A queue of ``qos show``; rates in bit/s, burst in bits. The counters are None when they are not available."""

    queue: int
    min_rate: int | None
    max_rate: int | None
    burst: int | None
    priority: int | None
    dscp: int | None
    tx_packets: int | None = None
    tx_bytes: int | None = None
    tx_errors: int | None = None


class ShownQos(NamedTuple):
    """The QoS of one port; ``type`` None when it has none."""

    port: str
    type: str | None
    max_rate: int | None
    other_config: dict[str, str]
    queues: list[ShownQueue]


def list_all(switch: Switch) -> list[ListedQos]:
    """The ports that have a QoS, sorted by name."""
    ports, rows = switch.read_all([lookup.ports_with_qos(("name", "qos")), Query("QoS", [], QOS)])
    by_uuid = {one(row["_uuid"]): row for row in rows}
    shaped = [(port["name"], by_uuid[u]) for port in sorted(ports, key=lambda row: row["name"]) if (u := one(port["qos"])) in by_uuid]
    return [ListedQos(name, str(row["type"]), max_rate(row), len(mapping(row["queues"]))) for name, row in shaped]


def show(switch: Switch, port: str) -> ShownQos:
    """The QoS of one port. Raises NotFound."""
    named = lookup.ports(switch, [port], ("qos",))[0].rows[0]
    found = lookup.by_uuid(switch, "QoS", many(named["qos"]), QOS)
    if not found:
        return ShownQos(named["name"], None, None, {}, [])
    row = next(iter(found.values()))
    rows = lookup.by_uuid(switch, "Queue", mapping(row["queues"]).values(), _QUEUE)
    kind = qos_types.named(str(row["type"]))
    queues = [_shown_queue(kind, number, rows[u]) for number, u in sorted(mapping(row["queues"]).items()) if u in rows]
    if queues:
        queues = _with_counters(switch, named["name"], queues)
    return ShownQos(named["name"], str(row["type"]), max_rate(row), mapping(row["other_config"]), queues)


def max_rate(row: Row) -> int | None:
    """The rate that all queues of a QoS row share, in bit/s; None without one that ovs-vswitchd would read."""
    return qos_types.named(str(row["type"])).port_shape(mapping(row["other_config"])).max_rate


def max_rates(switch: Switch) -> dict[str, int]:
    """The rate that the queues of an interface share, in bit/s, for each interface that has one; members of a bond have the bond's."""
    ports, rows = switch.read_all([lookup.ports_with_qos(("interfaces", "qos")), Query("QoS", [], QOS)])
    rates = {one(row["_uuid"]): max_rate(row) for row in rows}
    found = {u: rate for port in ports for u in many(port["interfaces"]) if (rate := rates.get(one(port["qos"])))}
    return {row["name"]: found[u] for u, row in lookup.by_uuid(switch, "Interface", found, ("name",)).items()}


def set(switch: Switch, ports: Sequence[str], spec: QosSpec, meanwhile: Callable[[Any], object] = lambda _: None) -> list[Change]:
    """Give each port the requested QoS; all ports change in one transaction or none does. Raises NotFound.

    ``meanwhile`` is called with the Outcome of each port by name, at most once, while ovs-vswitchd applies the change.
    """
    if not spec.other_config.keys() <= qos_types.KEYS:
        spec = spec._replace(is_later=versions.is_unknown(switch.read(versions.QUERY)))
    if spec.reinstall and not switch.dry_run:
        done = _reinstall(switch, ports, spec)
    else:
        done = switch.write(lambda txn: _set(txn, ports, spec), meanwhile)
    written = lookup.unique((port.qos.kind, port.is_reconfigured) for port in done.values() if port.change != "unchanged")
    switch.notes += lookup.unique(note for what in written for note in _unheeded(*what, spec))
    updated = [name for name, port in done.items() if port.change == "updated"]
    if updated and switch.wait and not (spec.merge or switch.dry_run):  # this may have removed queues
        from ovstool.switch import steer  # the other commands do without

        steer.note_lost(switch, updated)
    return [Change(name, port.change) for name, port in done.items()]


def clear(switch: Switch, ports: Sequence[str]) -> list[Change]:
    """Detach the QoS of each port and delete the rows nobody else refers to; all ports in one transaction. Raises NotFound.

    Then the flows that steer into queues of these ports are deleted.
    """
    from ovstool.switch import steer  # the other commands do without

    places = steer.ports_on_bridges(switch, ports)
    changes = switch.write(lambda txn: _clear(txn, ports))
    steered = steer.clear(switch, places)
    return [Change(name, "deleted" if name in steered else change) for name, change in changes]


def _set(txn: Transaction, names: Sequence[str], spec: QosSpec, with_stand_in: bool = False) -> dict[str, Outcome]:
    """Each port named, set once even if it is named in two ways."""
    named = lookup.ports(txn, names, ("qos", "interfaces"))
    owned = References(txn, [port.rows[0] for port in named])
    queue_rows = _queue_rows(txn, owned, named)
    anew = None if spec.merge else _wanted(None, {}, spec)  # the same for every port, so computed once
    rows = {row["name"]: row for _, (row,) in named}
    done = {port: set_one(txn, owned, queue_rows, row, spec, anew, with_stand_in) for port, row in rows.items()}
    owned.delete_unreferenced()
    return {name: done[row["name"]] for name, (row,) in named}


def _reinstall(switch: Switch, ports: Sequence[str], spec: QosSpec) -> dict[str, Outcome]:
    """Give each port the requested QoS in two transactions, with another type first, so that ovs-vswitchd installs all of it.

    If a port keeps its type, ovs-vswitchd only changes what it believes to be installed. If interrupted, the port has what was requested.
    """
    _set(Transaction(switch.client), ports, spec)  # raises any error before anything is written
    switch.write(lambda _: None)  # and checks that ovs-vswitchd answers
    deadline = switch.deadline
    switch.give_until(time.monotonic() + switch.remaining_s() / 2)  # the rest is for the requested type
    try:
        done = switch.write(lambda txn: _set(txn, ports, spec, with_stand_in=True))
    except (TimedOut, KeyboardInterrupt):
        switch.close()  # a late answer may still arrive on this connection
        switch.wait = False
        raise
    finally:
        switch.give_until(deadline)
        switch.write(lambda txn: _set(txn, ports, spec._replace(reinstall=False)))
    return done


def set_one(
    txn: Transaction, owned: References, queue_rows: dict[str, Row], port_row: Row, spec: QosSpec, anew: WantedQos | None, stands_in: bool
) -> Outcome:
    """Give a port its QoS; ``anew`` is what the port gets, if that is known already. Nothing is written if it has it."""
    port, qos = one(port_row["_uuid"]), one(port_row["qos"])
    row = owned.rows.get(qos)
    present = {number: queue_rows[u] for number, u in mapping(row["queues"]).items() if u in queue_rows} if row else {}
    kind, config, queues = wanted = anew or _wanted(row, present, spec)
    kept = {number: one(queue["_uuid"]) for number, queue in present.items() if queues.get(number) == _stored(queue)}
    hold_port(txn, port, port_row["qos"])
    owned.hold_row(qos)
    for number in present if spec.merge else present.keys() & queues.keys():
        txn.hold(Query("Queue", [["_uuid", "==", present[number]["_uuid"]]], _QUEUE), [present[number]])
    same = row and kind == row["type"] and config == mapping(row["other_config"]) and queues.keys() == present.keys() == kept.keys()
    if same and not spec.reinstall:
        return Outcome("unchanged", port_row, wanted)
    is_reconfigured = bool(row and row["type"] == kind and config != mapping(row["other_config"]))
    if row and owned.ports[qos] == {port} and not spec.reinstall:
        owned.hold_referrers(qos)
        txn.update("QoS", qos, {"type": kind, "other_config": to_map(config), "queues": insert_queues(txn, queues, kept, present)})
        owned.replace_queues(qos, kept)
        return Outcome("updated", port_row, wanted, is_reconfigured)
    new: Row = {"type": kind, "other_config": to_map(config), "queues": insert_queues(txn, queues, {}, present)}
    txn.update("Port", port, {"qos": txn.insert("QoS", _in_place_of(row, new, stands_in) if row else new)})
    if row:
        owned.detach(port, qos)
    return Outcome("updated" if row else "created", port_row, wanted, is_reconfigured)


def _in_place_of(row: Row, new: Row, with_stand_in: bool) -> Row:
    """The new QoS row with the external_ids of the one that it replaces; ``with_stand_in``: with a temporary type if that is the same."""
    kind = qos_types.stand_in(new["type"], max_rate(new)) if with_stand_in and new["type"] == row["type"] else new["type"]
    return new | {"type": kind, "external_ids": row["external_ids"]}


def _clear(txn: Transaction, names: Sequence[str]) -> list[Change]:
    named = lookup.ports(txn, names, ("qos",))
    rows = {one(row["_uuid"]): row for _, (row,) in named}
    for port, row in rows.items():
        hold_port(txn, port, row["qos"])
    references.release(txn, list(rows.values()))
    return [Change(name, "deleted" if many(row["qos"]) else "unchanged") for name, (row,) in named]


def _wanted(row: Row | None, present: dict[int, Row], spec: QosSpec) -> WantedQos:
    """The resulting QoS of the port. Raises UsageError for what its type does not support."""
    old = row if spec.merge else None
    kind = qos_types.named(spec.type or (str(old["type"]) if old else qos_types.DEFAULT))._replace(is_later=spec.is_later)
    config = mapping(old["other_config"]) if old else {}
    queues = {n: _stored(queue) for n, queue in present.items()} if old else {}
    if old and kind.name != old["type"]:
        _require_fit(kind, str(old["type"]), config, queues)
    asked = compose.ShapingSpec(
        qos_types.Shape(None, spec.max_rate, spec.burst), spec.other_config, {n: queue.shape for n, queue in spec.queues.items()}
    )
    config, configs = compose.compose(kind, config, {n: queue.other_config for n, queue in queues.items()}, asked)
    for n, queue in spec.queues.items():
        queues[n] = StoredQueue(configs[n], queues[n].dscp if queue.dscp is None and n in queues else queue.dscp)
    return WantedQos(kind.name, config, queues)


def _require_fit(kind: qos_types.Type, old: str, config: dict[str, str], queues: dict[int, StoredQueue]) -> None:
    """Raise UsageError when a type does not support the settings of a port of type ``old``."""
    try:
        for key, value in config.items():
            kind.check_key(key, value)
        for n, queue in queues.items():
            kind.check_queue(n, qos_types.named(old).queue_shape(queue.other_config))
    except UsageError as error:
        raise UsageError(error.what, f"{error.why}, and --merge keeps what {quote(old)} has", "without --merge") from error


def _unheeded(kind: str, is_reconfigured: bool, spec: QosSpec) -> list[str]:
    """Notes about effects of a change that the user would not expect."""
    type_ = qos_types.named(kind)
    if not type_.known:
        return [f"type {quote(kind)} is unknown to ovstool, so it was not checked"]
    unread = [quote(key) for key in spec.other_config if key not in type_.keys]
    if spec.is_later:
        notes = [f"--other-config {key}: not checked, as this Open vSwitch is newer than ovstool knows" for key in unread]
    else:
        notes = [f"{kind} does not read --other-config {key}" for key in unread]
    if not type_.shapes and is_reconfigured:
        # lib/netdev-linux.c: their qdisc_set functions, up to OVS 3.7, change what qos/show prints and not the qdisc; so seen with 3.1.
        return [
            *notes,
            f"ovs-vswitchd keeps the old settings of {kind} until it is installed again: 'ovstool qos clear PORT', then repeat this command",
        ]
    return notes if type_.is_policer else notes + _not_in_bytes(spec)


def _not_in_bytes(spec: QosSpec) -> list[str]:
    """ovs-vswitchd divides all rates and bursts by 8 (htb_ and hfsc_parse_qdisc_details__, ..._class_details__)."""
    asked = {"max-rate": spec.max_rate}
    for number, queue in spec.queues.items():
        asked |= {f"queue {number}: {part.partition('_')[0]}": getattr(queue.shape, part) for part in ("min_rate", "max_rate", "burst")}
    odd = {what: bits for what, bits in asked.items() if bits is not None and bits % 8}
    return [f"{what} {units.spell(bits)}: ovs-vswitchd uses whole bytes, {units.spell(bits // 8 * 8)}" for what, bits in odd.items()]


def insert_queues(txn: Transaction, queues: dict[int, StoredQueue], kept: dict[int, str], replaced: dict[int, Row]) -> Json:
    """The value of QoS.queues: rows that are kept, and new ones for the others, with the external_ids of those they replace."""
    pairs = []
    for number, queue in sorted(queues.items()):
        if number in kept:
            pairs.append([number, uuid(kept[number])])
        else:
            row: Row = {"other_config": to_map(queue.other_config)}
            if queue.dscp is not None:
                row["dscp"] = queue.dscp
            if number in replaced:
                row["external_ids"] = replaced[number]["external_ids"]
            pairs.append([number, txn.insert("Queue", row)])
    return ["map", pairs]


def _queue_rows(txn: Transaction, owned: References, named: list[lookup.Named]) -> dict[str, Row]:
    rows = [owned.rows[u] for port in named for u in many(port.rows[0]["qos"]) if u in owned.rows]
    return lookup.by_uuid(txn, "Queue", [u for row in rows for u in mapping(row["queues"]).values()], _QUEUE)


def _stored(row: Row) -> StoredQueue:
    return StoredQueue(mapping(row["other_config"]), one(row["dscp"]))


def _shown_queue(kind: qos_types.Type, number: int, row: Row) -> ShownQueue:
    return ShownQueue(number, *kind.queue_shape(mapping(row["other_config"])), dscp=one(row["dscp"]))


def _with_counters(switch: Switch, port: str, queues: list[ShownQueue]) -> list[ShownQueue]:
    """The queues with their counters, summed over the members of a bond; without them, and with a note, if OpenFlow is not available."""
    from ovstool.switch import sampling, stats  # only 'qos show' needs counters

    try:
        read = stats.queues(switch, sampling.SamplingSpec([port]))
    except OvstoolError as error:
        switch.notes.append(f"{error.what}: {error.why}; queue counters are unknown")
        return queues
    sent: dict[int, dict[str, int]] = defaultdict(dict)
    for reading in read:
        counted = sent[reading.queue or 0]
        counted.update({name: counted.get(name, 0) + value for name, value in reading.counters.items()})
    return [queue._replace(**sent[queue.queue]) for queue in queues]
