"""QoS of ports: what a port may send, and its queues (egress; ovs-vswitchd.conf.db(5), tables QoS and Queue).

QoS and Queue are root tables: no row of theirs goes away by itself, so whoever takes the last reference away deletes the row.
A row is changed only while this port alone refers to it; otherwise the port gets a row of its own. A Queue row is never
changed but replaced, because nothing but reading all of QoS tells who else refers to it; and should somebody do so, the
server refuses its deletion and the transaction is built again with all of QoS in view (``Transaction.thorough``).
What decides that a port stays as it is is held like what decides that it changes: commands on several ports would mix otherwise.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import NamedTuple

from ovstool import units
from ovstool.errors import OvstoolError, TimedOut, UsageError, quote
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import Json, many, mapping, one, to_map, to_set, uuid
from ovstool.switch import Change, Switch, lookup, stats, versions
from ovstool.switch.accepts import qos_types

DEFAULT_TYPE = qos_types.DEFAULT
TYPES = qos_types.NAMES
full_name = qos_types.full_name
_QOS = ("_uuid", "type", "other_config", "queues", "external_ids")
_QUEUE = ("_uuid", "other_config", "dscp", "external_ids")
# All that refers to a row counts, ports of unlisted bridges too.
_SHAPED = Query("Port", [["qos", "!=", ["set", []]]], ("_uuid", "qos"), unlisted=True)
_ROOTS = (_SHAPED, Query("QoS", [], ("_uuid", "queues")), Query("Queue", [], ("_uuid",)))  # all that decides who refers to whom
_MANY = 20  # ports; from here on one look at all of QoS is cheaper than one for each port


@dataclass(frozen=True)
class QueueWish(qos_types.Shape):
    """What is asked of a queue: rates in bit/s, burst in bits, whatever its type stores, and DSCP."""

    dscp: int | None = None


@dataclass(frozen=True)
class Wish:
    """What is asked of a port's QoS: all of it, or with ``merge`` the part that changes. ``type`` None: as it is, else linux-htb.

    ``max_rate`` in bit/s, ``burst`` in bits; ``other_config`` as it is stored. ``anew``: install it again even if the database has it,
    because the datapath may have lost it; in rows of its own. ``is_later``: Open vSwitch is a later one than ovstool knows.
    """

    type: str | None = None
    max_rate: int | None = None
    burst: int | None = None
    other_config: dict[str, str] = field(default_factory=dict)
    queues: dict[int, QueueWish] = field(default_factory=dict)
    merge: bool = False
    anew: bool = False
    is_later: bool = False


class _Stored(NamedTuple):
    """A queue as its row is to hold it."""

    other_config: dict[str, str]
    dscp: int | None


class _Wanted(NamedTuple):
    """The QoS that a port is to end up with."""

    kind: str
    config: dict[str, str]
    queues: dict[int, _Stored]


@dataclass(frozen=True)
class Listed:
    """A row of ``qos list``; ``max_rate`` in bit/s, None where none is set, ``queues`` a count."""

    port: str
    type: str
    max_rate: int | None
    queues: int


@dataclass(frozen=True)
class Queue:
    """A queue of ``qos show``; rates in bit/s, burst in bits. The counters are None when nobody can tell them."""

    queue: int
    min_rate: int | None
    max_rate: int | None
    burst: int | None
    priority: int | None
    dscp: int | None
    tx_packets: int | None = None
    tx_bytes: int | None = None
    tx_errors: int | None = None


@dataclass(frozen=True)
class Shown:
    """The QoS of one port; ``type`` None when it has none."""

    port: str
    type: str | None
    max_rate: int | None
    other_config: dict[str, str]
    queues: list[Queue]


def list_all(switch: Switch) -> list[Listed]:
    """The ports that have a QoS, by name."""
    ports, rows = switch.read_all([Query("Port", [["qos", "!=", ["set", []]]], ("name", "qos")), Query("QoS", [], _QOS)])
    by_uuid = {one(row["_uuid"]): row for row in rows}
    listed = []
    for port in sorted(ports, key=lambda row: row["name"]):
        row = by_uuid.get(one(port["qos"]))
        if row:
            listed.append(Listed(port["name"], str(row["type"]), max_rate(row), len(mapping(row["queues"]))))
    return listed


def show(switch: Switch, port: str) -> Shown:
    """The QoS of one port. Raises NotFound."""
    named = lookup.ports(switch, [port], ("qos",))[0].rows[0]
    found = lookup.by_uuid(switch, "QoS", many(named["qos"]), _QOS)
    if not found:
        return Shown(named["name"], None, None, {}, [])
    row = next(iter(found.values()))
    rows = lookup.by_uuid(switch, "Queue", mapping(row["queues"]).values(), _QUEUE)
    kind = qos_types.named(str(row["type"]))
    queues = [_shown_queue(kind, number, rows[u]) for number, u in sorted(mapping(row["queues"]).items()) if u in rows]
    if queues:
        queues = _with_counters(switch, named["name"], queues)
    config = mapping(row["other_config"])
    return Shown(named["name"], str(row["type"]), max_rate(row), config, queues)


def max_rate(row: Row) -> int | None:
    """The rate that all queues of a QoS row share, in bit/s; None without one that ovs-vswitchd would read."""
    return qos_types.named(str(row["type"])).port_shape(mapping(row["other_config"])).max_rate


def max_rates(switch: Switch) -> dict[str, int]:
    """The rate that the queues of an interface share, in bit/s, for each interface that has one; a bond's QoS is that of each member."""
    ports, rows = switch.read_all([Query("Port", [["qos", "!=", ["set", []]]], ("interfaces", "qos")), Query("QoS", [], _QOS)])
    rates = {one(row["_uuid"]): max_rate(row) for row in rows}
    found = {u: rate for port in ports for u in many(port["interfaces"]) if (rate := rates.get(one(port["qos"])))}
    return {row["name"]: found[u] for u, row in lookup.by_uuid(switch, "Interface", found, ("name",)).items()}


def set(switch: Switch, ports: Sequence[str], wish: Wish) -> list[Change]:
    """Give each port the QoS that is asked for; all ports change in one transaction or none does. Raises NotFound."""
    if not wish.other_config.keys() <= qos_types.KEYS:
        wish = replace(wish, is_later=versions.is_unknown(switch.read(versions.QUERY)))
    if wish.anew and not switch.dry_run:
        changes, notes = _set_anew(switch, ports, wish)
    else:
        changes, notes = switch.write(lambda txn: _set(txn, ports, wish))
    switch.notes += notes
    updated = [name for name, change in changes if change == "updated"]
    if updated and switch.wait and not (wish.merge or switch.dry_run):  # queues may have gone with it
        from ovstool.switch import steer  # the other commands do without

        steer.note_lost(switch, updated)
    return changes


def clear(switch: Switch, ports: Sequence[str]) -> list[Change]:
    """Detach the QoS of each port and delete the rows nobody else refers to; all ports in one transaction. Raises NotFound.

    Then the flows go that steer into queues of these ports.
    """
    from ovstool.switch import steer  # the other commands do without

    places = steer.ports_on_bridges(switch, ports)
    changes = switch.write(lambda txn: _clear(txn, ports))
    steered = steer.clear(switch, places)
    return [Change(name, "deleted" if name in steered else change) for name, change in changes]


def collect(switch: Switch) -> list[tuple[str, str, str]]:
    """Delete the QoS rows that no port refers to and the Queue rows that no QoS refers to: (table, uuid, change)."""
    return switch.write(_collect)


def orphans(switch: Switch) -> list[tuple[str, str]]:
    """The QoS rows that no port refers to and the Queue rows that no QoS which a port refers to has: (table, uuid)."""
    return _unreferenced(*switch.read_all(_ROOTS))


def release(txn: Transaction, port_rows: Sequence[Row]) -> None:
    """Delete what only these ports, which are about to go, refer to. The rows hold ``_uuid`` and ``qos``."""
    owned = _References(txn, port_rows)
    for row in port_rows:
        if many(row["qos"]):
            txn.update("Port", one(row["_uuid"]), {"qos": to_set([])})
            owned.detach(one(row["_uuid"]), one(row["qos"]))
    owned.delete_unreferenced()


class _References:
    """Who refers to the QoS rows of some ports and to their queues, kept up to date while a transaction is built."""

    def __init__(self, txn: Transaction, port_rows: Sequence[Row]):
        self._txn = txn
        wanted = lookup.unique(u for row in port_rows for u in many(row["qos"]))
        every_qos = txn.thorough or len(wanted) > _MANY
        self.rows = _all(txn, "QoS", _QOS) if every_qos else lookup.by_uuid(txn, "QoS", wanted, _QOS)
        self._shaped: list[Row] | None = None
        self._shaped_held = False
        self._referrers = self._ports_of(wanted)
        self.ports = {u: {one(row["_uuid"]) for row in rows} for u, rows in self._referrers.items()}
        self._queues: dict[str, dict[int, str]] = {u: mapping(row["queues"]) for u, row in self.rows.items()}
        self._left: dict[str, None] = {}
        self._held: dict[str, None] = {}
        self._dropped: dict[str, None] = {}

    def detach(self, port: str, qos: str) -> None:
        """``port`` refers to ``qos`` no more; when nobody does, the row goes and its queues with it."""
        self.hold_row(qos)
        self.ports[qos].discard(port)
        if self.ports[qos]:
            self._left[qos] = None
        elif qos in self.rows:
            # A port that takes it up meanwhile makes the server refuse the deletion.
            self._txn.delete("QoS", qos)
            self.replace_queues(qos, {})

    def replace_queues(self, qos: str, kept: dict[int, str]) -> None:
        """``qos`` refers to no other rows than ``kept`` from now on (new ones do not count)."""
        self._dropped |= dict.fromkeys(self._queues[qos].values())
        self._queues[qos] = kept

    def delete_unreferenced(self) -> None:
        """Delete each Queue row that was dropped and that no QoS in view refers to; call it last."""
        users = defaultdict(list)
        for qos, queues in self._queues.items():
            for queue in queues.values():
                users[queue].append(qos)
        for queue in self._dropped:
            if queue not in users:
                self._txn.delete("Queue", queue)
        # What stays does so because of one row, which must not let go of it meanwhile.
        for qos in {users[queue][0] for queue in self._dropped if queue in users}:
            self.hold_row(qos)
        for qos in self._left:
            for port in sorted(self.ports[qos])[:1]:
                _hold_port(self._txn, port, uuid(qos))

    def hold_row(self, qos: str) -> None:
        """Let the commit fail if the row has changed by then."""
        if qos in self.rows and qos not in self._held:
            self._held[qos] = None
            self._txn.hold(Query("QoS", [["_uuid", "==", uuid(qos)]], _QOS), [self.rows[qos]])

    def hold_referrers(self, qos: str) -> None:
        """Let the commit fail if other ports refer to ``qos`` by then. The server looks through all ports for it, so with many once."""
        if self._shaped is None:
            self._txn.hold(Query("Port", [["qos", "includes", uuid(qos)]], ("_uuid",)), self._referrers[qos])
        elif not self._shaped_held:
            self._shaped_held = True
            self._txn.hold(_SHAPED, self._shaped)

    def _ports_of(self, wanted: list[str]) -> dict[str, list[Row]]:
        if len(wanted) <= _MANY:
            answers = self._txn.read_all([Query("Port", [["qos", "includes", uuid(u)]], ("_uuid",), unlisted=True) for u in wanted])
            return dict(zip(wanted, answers, strict=True))
        self._shaped = self._txn.read(_SHAPED)
        found: dict[str, list[Row]] = {u: [] for u in wanted}
        for row in self._shaped:
            if one(row["qos"]) in found:
                found[one(row["qos"])].append(row)
        return found


def _set(txn: Transaction, names: Sequence[str], wish: Wish, with_stand_in: bool = False) -> tuple[list[Change], list[str]]:
    named = lookup.ports(txn, names, ("qos",))
    owned = _References(txn, [port.rows[0] for port in named])
    queue_rows = _queue_rows(txn, owned, named)
    changes: list[Change] = []
    seen: dict[str, str] = {}
    notes: list[str] = []
    for name, (row,) in named:
        port = one(row["_uuid"])
        if port not in seen:  # a port that is named in two ways is set once
            seen[port], unheeded = _set_one(txn, owned, queue_rows, row, wish, with_stand_in)
            notes += unheeded
        changes.append(Change(name, seen[port]))
    owned.delete_unreferenced()
    return changes, lookup.unique(notes)


def _set_anew(switch: Switch, ports: Sequence[str], wish: Wish) -> tuple[list[Change], list[str]]:
    """The same in two transactions: of a port that keeps its type ovs-vswitchd only changes what it believes to be installed, so the
    port has another type first. Whatever ends the command in between, the port has the rates and queues that are asked for.
    """
    _set(Transaction(switch.client), ports, wish)  # raises what it would raise, before anything is written
    switch.write(lambda _: None)  # nor is it for an ovs-vswitchd that does not answer
    deadline = switch.deadline
    switch.give_until(time.monotonic() + switch.remaining_s() / 2)  # what is left is for the type that is asked for
    try:
        changes, notes = switch.write(lambda txn: _set(txn, ports, wish, with_stand_in=True))
    except (TimedOut, KeyboardInterrupt):
        switch.close()  # an answer may still come to what was asked
        switch.wait = False
        raise
    finally:
        switch.give_until(deadline)
        switch.write(lambda txn: _set(txn, ports, replace(wish, anew=False)))
    return changes, notes


def _set_one(
    txn: Transaction, owned: _References, queue_rows: dict[str, Row], port_row: Row, wish: Wish, with_stand_in: bool
) -> tuple[str, list[str]]:
    port, qos = one(port_row["_uuid"]), one(port_row["qos"])
    row = owned.rows.get(qos)
    present = {number: queue_rows[u] for number, u in mapping(row["queues"]).items() if u in queue_rows} if row else {}
    kind, config, queues = _wanted(row, present, wish)
    kept = {number: one(queue["_uuid"]) for number, queue in present.items() if _same(queues.get(number), queue)}
    _hold_port(txn, port, port_row["qos"])
    owned.hold_row(qos)
    for number in present if wish.merge else present.keys() & queues.keys():
        txn.hold(Query("Queue", [["_uuid", "==", present[number]["_uuid"]]], _QUEUE), [present[number]])
    same = row and kind == row["type"] and config == mapping(row["other_config"]) and queues.keys() == present.keys() == kept.keys()
    if same and not wish.anew:
        return "unchanged", []
    notes = _unheeded(row, kind, config, wish)
    if row and owned.ports[qos] == {port} and not wish.anew:
        owned.hold_referrers(qos)
        txn.update("QoS", qos, {"type": kind, "other_config": to_map(config), "queues": _insert_queues(txn, queues, kept, present)})
        owned.replace_queues(qos, kept)
        return "updated", notes
    new: Row = {"type": kind, "other_config": to_map(config), "queues": _insert_queues(txn, queues, {}, present)}
    if row:
        new["external_ids"] = row["external_ids"]
        if with_stand_in and kind == row["type"]:
            new["type"] = qos_types.stand_in(kind, max_rate(new))
    txn.update("Port", port, {"qos": txn.insert("QoS", new)})
    if row:
        owned.detach(port, qos)
    return "updated" if row else "created", notes


def _clear(txn: Transaction, names: Sequence[str]) -> list[Change]:
    named = lookup.ports(txn, names, ("qos",))
    rows = {one(row["_uuid"]): row for _, (row,) in named}
    for port, row in rows.items():
        _hold_port(txn, port, row["qos"])
    release(txn, list(rows.values()))
    return [Change(name, "deleted" if many(row["qos"]) else "unchanged") for name, (row,) in named]


def _collect(txn: Transaction) -> list[tuple[str, str, str]]:
    ports, qos_rows, queue_rows = txn.read_all(_ROOTS)
    keepers = _keepers(ports, qos_rows)
    gone = _unreferenced(ports, qos_rows, queue_rows)
    by_uuid = {one(row["_uuid"]): row for row in qos_rows}
    for table, orphan in gone:
        if table == "QoS":
            # A port that takes it up meanwhile makes the server refuse the deletion; the queues it has by then must be these.
            _hold_queues(txn, by_uuid[orphan])
            for u in mapping(by_uuid[orphan]["queues"]).values():
                if u in keepers:  # which must not let go of the queue meanwhile
                    _hold_queues(txn, keepers[u])
        txn.delete(table, orphan)
    return [(table, orphan, "deleted") for table, orphan in gone]


def _keepers(ports: Sequence[Row], qos_rows: Sequence[Row]) -> dict[str, Row]:
    """The QoS row, of those that a port refers to, which refers to each queue."""
    attached = {one(port["qos"]) for port in ports}
    return {u: row for row in qos_rows if one(row["_uuid"]) in attached for u in mapping(row["queues"]).values()}


def _unreferenced(ports: Sequence[Row], qos_rows: Sequence[Row], queue_rows: Sequence[Row]) -> list[tuple[str, str]]:
    attached, keepers = {one(port["qos"]) for port in ports}, _keepers(ports, qos_rows)
    uuids = {"QoS": [one(row["_uuid"]) for row in qos_rows], "Queue": [one(row["_uuid"]) for row in queue_rows]}
    return [(table, u) for table, of in uuids.items() for u in of if u not in (attached if table == "QoS" else keepers)]


def _wanted(row: Row | None, present: dict[int, Row], wish: Wish) -> _Wanted:
    """What the port is to end up with. Raises UsageError for what its type does not take."""
    old = row if wish.merge else None
    kind = qos_types.named(wish.type or (str(old["type"]) if old else DEFAULT_TYPE))._replace(is_later=wish.is_later)
    config = mapping(old["other_config"]) if old else {}
    queues = {n: _Stored(mapping(queue["other_config"]), one(queue["dscp"])) for n, queue in present.items()} if old else {}
    if old and kind.name != old["type"]:
        _require_fit(kind, str(old["type"]), config, queues)
    asked = qos_types.Asked(qos_types.Shape(None, wish.max_rate, wish.burst), wish.other_config, wish.queues)
    config, configs = qos_types.compose(kind, config, {n: queue.other_config for n, queue in queues.items()}, asked)
    for n, queue in wish.queues.items():
        queues[n] = _Stored(configs[n], queues[n].dscp if queue.dscp is None and n in queues else queue.dscp)
    return _Wanted(kind.name, config, queues)


def _require_fit(kind: qos_types.Type, old: str, config: dict[str, str], queues: dict[int, _Stored]) -> None:
    """Raise UsageError when a type cannot take over what a port of type ``old`` has."""
    try:
        for key, value in config.items():
            kind.check_key(key, value)
        for n, queue in queues.items():
            kind.check_queue(n, qos_types.named(old).queue_shape(queue.other_config))
    except UsageError as error:
        raise UsageError(error.what, f"{error.why}, and --merge keeps what {quote(old)} has", "without --merge") from error


def _unheeded(row: Row | None, kind: str, config: dict[str, str], wish: Wish) -> list[str]:
    """What the user would not expect of a change that is about to be written."""
    type_ = qos_types.named(kind)
    if not type_.known:
        return [f"{quote(kind)} is no type that ovstool knows, so it was not checked"]
    unread = [quote(key) for key in wish.other_config if key not in type_.keys]
    if wish.is_later:
        notes = [f"--other-config {key}: not checked, as this Open vSwitch is a later one than ovstool knows" for key in unread]
    else:
        notes = [f"{kind} does not read --other-config {key}" for key in unread]
    if not type_.shapes and row and row["type"] == kind and config != mapping(row["other_config"]):
        # lib/netdev-linux.c: their qdisc_set functions, up to OVS 3.7, change what qos/show tells and not the qdisc; so seen with 3.1.
        return [
            *notes,
            f"ovs-vswitchd keeps to what {kind} had before until the port has it anew: 'ovstool qos clear PORT', then this again",
        ]
    return notes if type_.is_policer else notes + _not_in_bytes(wish)


def _not_in_bytes(wish: Wish) -> list[str]:
    """ovs-vswitchd divides all rates and bursts by 8 (htb_ and hfsc_parse_qdisc_details__, ..._class_details__)."""
    asked = {"max-rate": wish.max_rate}
    for number, queue in wish.queues.items():
        asked |= {f"queue {number}: {part.partition('_')[0]}": getattr(queue, part) for part in ("min_rate", "max_rate", "burst")}
    odd = {what: bits for what, bits in asked.items() if bits is not None and bits % 8}
    return [f"{what} {units.spell(bits)}: ovs-vswitchd takes whole bytes of it, {units.spell(bits // 8 * 8)}" for what, bits in odd.items()]


def _insert_queues(txn: Transaction, queues: dict[int, _Stored], kept: dict[int, str], replaced: dict[int, Row]) -> Json:
    """The value of QoS.queues: rows that are kept, and new ones for the others, which take on the marks of those they replace."""
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


def _queue_rows(txn: Transaction, owned: _References, named: list[lookup.Named]) -> dict[str, Row]:
    rows = [owned.rows[u] for port in named for u in many(port.rows[0]["qos"]) if u in owned.rows]
    return lookup.by_uuid(txn, "Queue", [u for row in rows for u in mapping(row["queues"]).values()], _QUEUE)


def _same(queue: _Stored | None, row: Row) -> bool:
    return queue == (mapping(row["other_config"]), one(row["dscp"]))


def _hold_queues(txn: Transaction, row: Row) -> None:
    txn.hold(Query("QoS", [["_uuid", "==", row["_uuid"]]], ("_uuid", "queues")), [row])


def _hold_port(txn: Transaction, port: str, qos: Json) -> None:
    txn.hold(Query("Port", [["_uuid", "==", uuid(port)]], ("qos",)), [{"qos": qos}])


def _all(txn: Transaction, table: str, columns: tuple[str, ...]) -> dict[str, Row]:
    return {one(row["_uuid"]): row for row in txn.read(Query(table, [], columns))}


def _shown_queue(kind: qos_types.Type, number: int, row: Row) -> Queue:
    return Queue(number, **asdict(kind.queue_shape(mapping(row["other_config"]))), dscp=one(row["dscp"]))


def _with_counters(switch: Switch, port: str, queues: list[Queue]) -> list[Queue]:
    """The same queues with what they sent, by all members of a bond together; without that, and a note, when OpenFlow cannot be had."""
    try:
        read = stats.queues(switch, [port], None)
    except OvstoolError as error:
        switch.notes.append(f"{error.what}: {error.why}; the counters of queues are not known")
        return queues
    sent: dict[int, dict[str, int]] = defaultdict(dict)
    for reading in read:
        counted = sent[reading.queue or 0]
        counted.update({name: counted.get(name, 0) + value for name, value in reading.counters.items()})
    return [replace(queue, **sent[queue.queue]) for queue in queues]
