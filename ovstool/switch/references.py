"""Who refers to QoS and Queue rows, and which of these are deleted with a port or a QoS that no longer uses them.

QoS and Queue are root tables: their rows never disappear by themselves, so whoever removes the last reference deletes the row.
A row is changed only while a single port refers to it; otherwise the port gets a row of its own. A Queue row is always
replaced, never changed, because only reading all of QoS shows who else refers to it; if somebody does, the
server refuses its deletion and the transaction is built again with all of QoS read (``Transaction.thorough``).
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import Json, many, mapping, one, to_set, uuid
from ovstool.switch import Switch, lookup

QOS = ("_uuid", "type", "other_config", "queues", "external_ids")  # columns
# Every reference to a row counts, also from ports of unlisted bridges.
_SHAPED = lookup.ports_with_qos(("_uuid", "qos"), unlisted=True)
_ROOTS = (_SHAPED, Query("QoS", [], ("_uuid", "queues")), Query("Queue", []))  # everything that decides who refers to whom
_MANY = 20  # ports; above this, reading all of QoS once is cheaper than a query each


class Orphan(NamedTuple):
    """A row of table QoS or Queue that nothing refers to."""

    table: str
    uuid: str


class Collected(NamedTuple):
    """A row of ``qos gc``: an orphan, and what happened to it."""

    table: str
    uuid: str
    change: str


def collect(switch: Switch) -> list[Collected]:
    """Delete the QoS rows that no port refers to and the Queue rows that no QoS refers to; all of them or none."""
    return switch.write(_collect)


def orphans(switch: Switch) -> list[Orphan]:
    """The QoS rows that no port refers to, and the Queue rows that no QoS in use refers to."""
    return _unreferenced(*switch.read_all(_ROOTS))


def release(txn: Transaction, port_rows: Sequence[Row]) -> None:
    """Delete what only these ports, which are about to be deleted, refer to. The rows hold ``_uuid`` and ``qos``."""
    owned = References(txn, port_rows)
    for row in port_rows:
        if many(row["qos"]):
            txn.update("Port", one(row["_uuid"]), {"qos": to_set([])})
            owned.detach(one(row["_uuid"]), one(row["qos"]))
    owned.delete_unreferenced()


class References:
    """Who refers to the QoS rows of some ports and to their queues, kept up to date while a transaction is built."""

    def __init__(self, txn: Transaction, port_rows: Sequence[Row]):
        self._txn = txn
        wanted = lookup.unique(u for row in port_rows for u in many(row["qos"]))
        every_qos = txn.thorough or len(wanted) > _MANY
        self.rows = (
            {one(row["_uuid"]): row for row in txn.read(Query("QoS", [], QOS))} if every_qos else lookup.by_uuid(txn, "QoS", wanted, QOS)
        )
        self._shaped: list[Row] | None = None
        self._shaped_held = False
        self._referrers = self._ports_of(wanted)
        self.ports = {u: {one(row["_uuid"]) for row in rows} for u, rows in self._referrers.items()}
        self._queues: dict[str, dict[int, str]] = {u: mapping(row["queues"]) for u, row in self.rows.items()}
        self._left: dict[str, None] = {}
        self._held: dict[str, None] = {}
        self._dropped: dict[str, None] = {}

    def detach(self, port: str, qos: str) -> None:
        """Remove the reference from ``port`` to ``qos``; the last one deletes the row and its queues."""
        self.hold_row(qos)
        self.ports[qos].discard(port)
        if self.ports[qos]:
            self._left[qos] = None
        elif qos in self.rows:
            # If a port starts to use it meanwhile, the server refuses the deletion.
            self._txn.delete("QoS", qos)
            self.replace_queues(qos, {})

    def replace_queues(self, qos: str, kept: dict[int, str]) -> None:
        """From now on ``qos`` refers only to the rows ``kept`` (new ones do not count)."""
        self._dropped |= dict.fromkeys(self._queues[qos].values())
        self._queues[qos] = kept

    def delete_unreferenced(self) -> None:
        """Delete each Queue row that was dropped and that no known QoS refers to; call it last."""
        users = defaultdict(list)
        for qos, queues in self._queues.items():
            for queue in queues.values():
                users[queue].append(qos)
        for queue in self._dropped:
            if queue not in users:
                self._txn.delete("Queue", queue)
        # A row that stays does so because of one reference, which must not disappear meanwhile.
        for qos in {users[queue][0] for queue in self._dropped if queue in users}:
            self.hold_row(qos)
        for qos in self._left:
            for port in sorted(self.ports[qos])[:1]:
                hold_port(self._txn, port, uuid(qos))

    def hold_row(self, qos: str) -> None:
        """Let the commit fail if the row has changed by then."""
        if qos in self.rows and qos not in self._held:
            self._held[qos] = None
            self._txn.hold(Query("QoS", [["_uuid", "==", uuid(qos)]], QOS), [self.rows[qos]])

    def hold_referrers(self, qos: str) -> None:
        """Let the commit fail if other ports refer to ``qos`` by then. The server searches all ports for that: with many QoS, once."""
        if self._shaped is None:
            self._txn.hold(Query("Port", [["qos", "includes", uuid(qos)]]), self._referrers[qos])
        elif not self._shaped_held:
            self._shaped_held = True
            self._txn.hold(_SHAPED, self._shaped)

    def _ports_of(self, wanted: list[str]) -> dict[str, list[Row]]:
        if len(wanted) <= _MANY:
            answers = self._txn.read_all([Query("Port", [["qos", "includes", uuid(u)]], unlisted=True) for u in wanted])
            return dict(zip(wanted, answers, strict=True))
        self._shaped = self._txn.read(_SHAPED)
        found: dict[str, list[Row]] = {u: [] for u in wanted}
        for row in self._shaped:
            if one(row["qos"]) in found:
                found[one(row["qos"])].append(row)
        return found


def hold_port(txn: Transaction, port: str, qos: Json) -> None:
    """Let the commit fail if the port has another QoS by then; ``qos`` is the value of the column."""
    txn.hold(Query("Port", [["_uuid", "==", uuid(port)]], ("qos",)), [{"qos": qos}])


def _collect(txn: Transaction) -> list[Collected]:
    ports, qos_rows, queue_rows = txn.read_all(_ROOTS)
    keepers = _keepers(ports, qos_rows)
    gone = _unreferenced(ports, qos_rows, queue_rows)
    by_uuid = {one(row["_uuid"]): row for row in qos_rows}
    for orphan in gone:
        if orphan.table == "QoS":
            # If a port starts to use it meanwhile, the server refuses the deletion; its queues must still be these.
            _hold_queues(txn, by_uuid[orphan.uuid])
            for queue in mapping(by_uuid[orphan.uuid]["queues"]).values():
                if queue in keepers:  # this reference must not disappear meanwhile
                    _hold_queues(txn, keepers[queue])
        txn.delete(orphan.table, orphan.uuid)
    return [Collected(*orphan, "deleted") for orphan in gone]


def _keepers(ports: Sequence[Row], qos_rows: Sequence[Row]) -> dict[str, Row]:
    """For each queue, the QoS row in use that refers to it."""
    attached = {one(port["qos"]) for port in ports}
    return {u: row for row in qos_rows if one(row["_uuid"]) in attached for u in mapping(row["queues"]).values()}


def _unreferenced(ports: Sequence[Row], qos_rows: Sequence[Row], queue_rows: Sequence[Row]) -> list[Orphan]:
    attached, keepers = {one(port["qos"]) for port in ports}, _keepers(ports, qos_rows)
    uuids = {"QoS": [one(row["_uuid"]) for row in qos_rows], "Queue": [one(row["_uuid"]) for row in queue_rows]}
    return [Orphan(table, u) for table, of in uuids.items() for u in of if u not in (attached if table == "QoS" else keepers)]


def _hold_queues(txn: Transaction, row: Row) -> None:
    txn.hold(Query("QoS", [["_uuid", "==", row["_uuid"]]], ("_uuid", "queues")), [row])
