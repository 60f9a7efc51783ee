"""Bridges as a document wants them: their columns, controllers, sFlow and mirrors."""

from collections.abc import Collection

from ovstool.document.applying.columns import OF_BRIDGE, OF_MIRROR, applied, columns, sampling
from ovstool.document.applying.ports import Ports
from ovstool.document.comparison import Compared, ComparedBridge
from ovstool.document.declared import Entry
from ovstool.document.fields import Settings
from ovstool.document.state import BridgeState, State
from ovstool.errors import Conflict, NotFound, Refused, UsageError, quote
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import Json, many, mapping, one, to_map, to_set, uuid, uuids
from ovstool.switch import Switch, bridge, brought_up, losses
from ovstool.switch.sflow import second_target

_MANY = 20  # new ports; above this, the whole list of a bridge's ports is held, and not each name


class Bridges:
    """Writes bridges after their ports, to which mirrors refer."""

    def __init__(self, switch: Switch, txn: Transaction, found: State, ports: Ports, with_flows: Collection[str] = ()):
        self.notes: list[str] = []
        self._with_flows = with_flows  # the bridges whose flows the document has
        self._switch = switch
        self._txn = txn
        self._found = found
        self._ports = ports
        self._new: list[Json] = []
        self._old: list[str] = []  # the UUIDs of bridges that are removed
        self._gone: set[str] = set()  # the UUIDs of ports that are removed

    def put(self, compared: ComparedBridge, gone: list[str]) -> None:
        """Make a bridge as it should be; ``gone`` are the UUIDs of ports to remove."""
        name = compared.bridge.entry.name
        self._gone.update(gone)
        if compared.bridge.present is None:
            self._insert(name, applied({}, compared.bridge.changes), compared.bridge.records)
            return
        there = self._found.bridges[name]
        self._update_ports(there, gone)
        if compared.bridge.change != "unchanged":
            self._update(there, compared.bridge)

    def remove(self, name: str) -> None:
        """Remove a bridge with its ports, as ``ovstool bridge del`` does."""
        there = self._found.bridges[name]
        row = self._found.tables["Bridge"].row(there.uuid)
        held = ("ports", "external_ids")
        self._txn.hold(Query("Bridge", [["_uuid", "==", uuid(there.uuid)]], held), [{column: row[column] for column in held}])
        for keeper in self._txn.held(Query("Flow_Sample_Collector_Set", [["bridge", "==", uuid(there.uuid)]])):
            self._txn.delete("Flow_Sample_Collector_Set", one(keeper["_uuid"]))
        self._old.append(there.uuid)
        if self._switch.dry_run or self._switch.confirm_within_s:
            self.notes += losses.of_deletion(self._switch, name)

    def finish(self) -> None:
        """Add new bridges to the switch, and take away those that are removed."""
        mutations = [["bridges", "insert", ["set", self._new]]] if self._new else []
        mutations += [["bridges", "delete", uuids(self._old)]] if self._old else []
        if mutations:
            root = self._found.tables["Open_vSwitch"].uuids
            if not root:
                raise NotFound("table Open_vSwitch", "the database is empty", "ovs-vsctl --no-wait init")
            self._txn.mutate("Open_vSwitch", root[0], mutations)

    def _insert(self, name: str, settings: Settings, records: dict[str, str]) -> None:
        for table in ("Bridge", "Port", "Interface"):
            self._txn.hold(Query(table, [["name", "==", name]]), [])
        self._ports.insert_local(name)
        self._txn.watch(brought_up.health(name))
        kind = settings.get(("datapath_type",)) or self._default_datapath()
        self._require_datapath(kind)
        row: Row = {"name": name, "ports": to_set(self._ports.inserted[name].values())}
        row |= columns(OF_BRIDGE, settings) | ({"datapath_type": kind} if kind != "system" else {})
        if records:
            row["external_ids"] = to_map(mapping(row.get("external_ids")) | records)
        if targets := settings.get(("controllers",)):
            row["controller"] = to_set(self._txn.insert("Controller", {"target": target}) for target in targets)
        if any(path[0] == "sflow" for path in settings):
            row["sflow"] = self._txn.insert("sFlow", self._sampling(name, settings))
        if mirrors := self._mirrors(name, settings):
            row["mirrors"] = to_set(mirrors)
        self._new.append(self._txn.insert("Bridge", row))

    def _default_datapath(self) -> str:
        """System, as in the database, but netdev on an Open vSwitch that reports no system datapath."""
        return "netdev" if "netdev" in self._datapaths and "system" not in self._datapaths else "system"

    @property
    def _datapaths(self) -> list[str]:
        return [kind for kinds in self._found.tables["Open_vSwitch"].values("datapath_types") for kind in kinds]

    def _require_datapath(self, kind: str) -> None:
        if self._datapaths and kind not in self._datapaths:
            hint = f"datapath_type: {' or '.join(sorted(self._datapaths))}"
            raise Refused(f"datapath type {quote(kind)}", "this Open vSwitch has no such datapath", hint)

    def _update_ports(self, there: BridgeState, gone: list[str]) -> None:
        """Add and remove ports in one step, as each step copies the list of all."""
        new = self._ports.inserted[there.name]
        mutations = [["ports", "insert", to_set(new.values())]] if new else []
        mutations += [["ports", "delete", uuids(gone)]] if gone else []
        if not mutations:
            return
        by_uuid: list[list] = [["_uuid", "==", uuid(there.uuid)]]
        if gone or len(new) > _MANY:
            row = self._found.tables["Bridge"].row(there.uuid)
            self._txn.hold(Query("Bridge", by_uuid, ("ports",)), [{"ports": row["ports"]}])
        else:
            self._txn.hold(Query("Bridge", by_uuid, ("name",)), [{"name": there.name}])
            for name in new:
                self._txn.hold(Query("Port", [["name", "==", name]]), [])
        self._txn.mutate("Bridge", there.uuid, mutations)

    def _update(self, there: BridgeState, compared: Compared) -> None:
        changes = compared.changes
        settings = applied(there.settings, changes)
        before = self._found.tables["Bridge"].row(there.uuid)
        row = columns(OF_BRIDGE, settings, changes)
        if "external_ids" in row or compared.records != compared.former:
            row["external_ids"] = to_map(compared.recorded_in(mapping(row.get("external_ids", before["external_ids"]))))
        if "datapath_type" in row:
            self._require_datapath(row["datapath_type"] or "system")
        controllers = self._controllers(before)
        self._note_costs(there, before, row, settings, changes, controllers)
        if ("controllers",) in changes:
            row["controller"] = self._replaced(controllers, settings.get(("controllers",), ()))
        if any(path[0] == "sflow" for path in changes):
            row["sflow"] = self._replaced_sflow(there.name, before, settings)
        if any(path[0] == "mirrors" for path in changes):
            row["mirrors"] = to_set(self._mirrors(there.name, settings, changes, many(before["mirrors"])))
        held = [column for column in before if column not in ("ports", "datapath_id")]
        self._txn.hold(Query("Bridge", [["_uuid", "==", uuid(there.uuid)]], held), [{column: before[column] for column in held}])
        self._txn.update("Bridge", there.uuid, row)
        self._txn.watch(brought_up.health(there.name))

    def _note_costs(
        self, there: BridgeState, before: Row, row: Row, settings: Settings, changes: Settings, controllers: dict[str, Row]
    ) -> None:
        """Note the flows, groups and meters that a change deletes. Raises Conflict when they are not from ovstool."""
        wanted = row | ({"controller": None} if ("controllers",) in changes else {})
        spec = bridge.BridgeSpec(controllers=settings.get(("controllers",), ()))
        try:
            self.notes += bridge.costs(
                self._switch, before, wanted, spec, list(controllers.values()), False, there.name in self._with_flows
            )
        except Conflict as error:
            raise Conflict(error.what, error.why, _by_force(there.name, changes)) from error

    def _controllers(self, before: Row) -> dict[str, Row]:
        """The rows of a bridge's controllers by their targets."""
        table = self._found.tables["Controller"]
        rows = [table.row(u) | {"_uuid": uuid(u)} for u in many(before["controller"]) if u in table.places]
        return {str(row["target"]): row for row in rows}

    def _replaced(self, present: dict[str, Row], wanted: tuple[str, ...]) -> Json:
        """Controllers with these targets; those that are there already keep their rows."""
        for row in present.values():
            self._txn.hold(Query("Controller", [["_uuid", "==", row["_uuid"]]], ("_uuid", "target", "type")), [row])
        new = [self._txn.insert("Controller", {"target": target}) for target in wanted if target not in present]
        return to_set([*(present[target]["_uuid"] for target in wanted if target in present), *new])

    def _replaced_sflow(self, name: str, before: Row, settings: Settings) -> Json:
        """A new row each time: an old one that no other bridge uses goes by itself, one that is shared stays as it is."""
        if not any(path[0] == "sflow" for path in settings):
            return to_set([])
        table = self._found.tables["sFlow"]
        there = [second_target.configured(table.row(u)) for u in many(before["sflow"]) if u in table.places]
        for u in many(before["sflow"]):
            self._txn.hold(Query("sFlow", [["_uuid", "==", uuid(u)]], tuple(table.row(u))), [table.row(u)])
        kept = {"external_ids": there[0]["external_ids"]} if there else {}
        return self._txn.insert("sFlow", self._sampling(name, settings) | kept)

    def _sampling(self, name: str, settings: Settings) -> Row:
        if not settings.get(("sflow", "collectors")):
            raise UsageError(f"bridge {quote(name)}", "sFlow needs a collector", 'collectors: ["10.0.0.5:6343"]')
        return sampling(settings)

    def _mirrors(
        self, bridge_name: str, settings: Settings, changes: Settings | None = None, present: list[str] | None = None
    ) -> list[Json]:
        """The mirrors of a bridge, those that change or are new with what is written for them."""
        table = self._found.tables["Mirror"]
        there = {table.at(u, "name")[0]: u for u in present or () if u in table.places}
        found = []
        for mirror in dict.fromkeys(path[1] for path in settings if path[0] == "mirrors"):
            own = {path[2:]: value for path, value in settings.items() if path[:2] == ("mirrors", mirror) and len(path) > 2}
            changed = {path[2:]: value for path, value in (changes or {}).items() if path[:2] == ("mirrors", mirror) and len(path) > 2}
            if mirror not in there:
                row = columns(OF_MIRROR, own) | self._of_ports(bridge_name, mirror, own, own)
                found.append(self._txn.insert("Mirror", {"name": mirror} | row))
                continue
            if changed:
                _check_mirror(mirror, own)
                before = table.row(there[mirror])
                self._txn.hold(Query("Mirror", [["_uuid", "==", uuid(there[mirror])]], tuple(before)), [before])
                row = self._without_gone(before) | columns(OF_MIRROR, own, changed) | self._of_ports(bridge_name, mirror, own, changed)
                self._txn.update("Mirror", there[mirror], row)
            found.append(uuid(there[mirror]))
        return found

    def _without_gone(self, before: Row) -> Row:
        """The columns of a mirror that refer to ports that are removed, without them.

        ovsdb-server (3.1) takes a weak reference away by itself only if the row that has it does not change in the same transaction.
        """
        present = {column: many(before[column]) for column in ("select_src_port", "select_dst_port", "output_port")}
        return {
            column: uuids(u for u in ports if u not in self._gone) for column, ports in present.items() if not self._gone.isdisjoint(ports)
        }

    def _of_ports(self, bridge_name: str, mirror: str, own: Settings, only: Settings) -> Row:
        """The columns of a mirror that refer to ports. Raises NotFound for a port that the bridge does not have."""
        row: Row = {}
        for field, column in (
            ("select_src_ports", "select_src_port"),
            ("select_dst_ports", "select_dst_port"),
            ("output_port", "output_port"),
        ):
            if (field,) in only:
                value = own.get((field,), ())
                names = (value,) if isinstance(value, str) else value
                row[column] = to_set(self._port(bridge_name, mirror, name) for name in names)
        return row

    def _port(self, bridge_name: str, mirror: str, port: str) -> Json:
        if port in self._ports.inserted[bridge_name]:
            return self._ports.inserted[bridge_name][port]
        there = self._found.bridges[bridge_name].ports if bridge_name in self._found.bridges else {}
        if port not in there:
            raise NotFound(
                f"mirror {quote(mirror)}", f"bridge {quote(bridge_name)} has no port {quote(port)}", f"a port of {quote(bridge_name)}"
            )
        return uuid(there[port])


def _by_force(name: str, changes: Settings) -> str:
    """The command that makes those of a bridge's changes that delete its flows."""
    import shlex  # rarely needed

    words = []
    for field, option in (("datapath_type", "--datapath-type"), ("fail_mode", "--fail-mode"), ("controllers", "--controller")):
        if (field,) in changes:
            value = changes[(field,)]
            wanted = value if isinstance(value, tuple) else (value,) if value else ()
            words += [word for each in wanted for word in (option, each)] or ["--unset", OF_BRIDGE.get((field,), "controller")]
    return shlex.join(["ovstool", "bridge", "set", name, *words, "--force"])


def require_kept(declared: Entry, gone: list[str]) -> None:
    """Raise UsageError when a mirror of the document needs a port that is to be removed."""
    for path, value in declared.settings.items():
        names = (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()
        if path[0] == "mirrors" and (lost := [name for name in names if name in gone]):
            raise UsageError(
                f"mirror {quote(path[1])}", f"its port {quote(lost[0])} would be removed", f"{quote(lost[0])}: {{}} among the ports"
            )


def _check_mirror(mirror: str, settings: Settings) -> None:
    if ("output_port",) in settings and ("output_vlan",) in settings:
        why = "would have an output_port and an output_vlan, which is then ignored"
        raise UsageError(f"mirror {quote(mirror)}", why, "null for one of them")
