"""What decides whether the QoS of a port takes effect: its rows, the datapath, tc, and the flows that put traffic into its queues.

``configured`` reads the database alone, which runs no program and imports little; ``observed`` asks the others too.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, mapping, one, uuid
from ovstool.switch import Switch, lookup, versions
from ovstool.switch.accepts import qos_types
from ovstool.switch.checks import interface_state
from ovstool.switch.checks.interface_state import InterfaceState

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from ovstool.switch.checks.datapath import DatapathQueue, Qdisc, TcClass
    from ovstool.switch.checks.queue_flows import QueueFlow, QueueFlows
    from ovstool.switch.qos import Outcome

NUMBER_KEYS = ("max-rate", "min-rate", "burst", "priority", "cir", "cbs", "eir", "ebs")  # of other_config, of QoS and of Queue
_PORT = ("_uuid", "name", "qos", "interfaces")
_QOS = ("_uuid", "type", "other_config", "queues")
_QUEUE = ("_uuid", "other_config", "dscp")
_WITH_QOS = lookup.ports_with_qos(_PORT)
_BRIDGES = Query("Bridge", [], ("name", "datapath_type", "controller", "fail_mode"))
_NONE: dict = {}  # never changed
_MANY = 20  # ports; above this, reading all of them once is cheaper than one query each


class QueueRow(NamedTuple):
    """A row of table Queue; ``is_gone`` when QoS refers to a row that does not exist."""

    other_config: Mapping[str, str] = _NONE
    dscp: int | None = None
    is_gone: bool = False


class _PortFields(NamedTuple):
    """A port and its QoS; ``type`` is None without one. ``is_owned``: somebody else manages the flows of its bridge, usually a controller.

    ``queues`` are by number, ``others`` the ports that use the same QoS row. ``version`` is that of Open vSwitch, None if unknown.
    What is observed is None where it cannot be read: ``qdiscs`` by interface; ``queue_flows``, the flows that put traffic into
    a queue and name this port as output; and, on request, ``datapath_queues`` and ``classes``, the state of each queue in
    ovs-vswitchd and in the kernel on the first interface. ``anywhere`` holds, by queue, the flows that may send to the port among others;
    all ports of a bridge share it.
    """

    name: str
    bridge: str
    datapath_type: str
    is_owned: bool
    interfaces: list[InterfaceState]
    version: versions.Version | None = None
    qdiscs: "dict[str, list[Qdisc]] | None" = None
    uuid: str | None = None
    type: str | None = None
    other_config: Mapping[str, str] = _NONE
    queues: Mapping[int, QueueRow] = _NONE
    others: Sequence[str] = ()
    queue_flows: "list[QueueFlow] | None" = None
    anywhere: "Mapping[int, list[QueueFlow]]" = _NONE
    datapath_queues: "dict[int, DatapathQueue] | None" = None
    classes: "dict[int, TcClass] | None" = None


class PortState(_PortFields):
    """A port and its QoS, with derived values that are computed once, because some thirty rules look at each of many ports."""

    @cached_property
    def kind(self) -> qos_types.Type:
        return qos_types.named(str(self.type))

    @cached_property
    def max_rate(self) -> int | None:
        return self.kind.port_shape(self.other_config).max_rate

    @cached_property
    def limit(self) -> int | None:
        """The rate that all queues share, in bit/s: the max-rate, or without one the real or assumed speed of the link."""
        return self.max_rate or max((self.assumed_bps(interface) for interface in self.interfaces), default=None)

    @cached_property
    def mtu(self) -> int:
        return max((interface.mtu for interface in self.interfaces), default=1500)

    @property
    def has_classes(self) -> bool:
        return self.type in ("linux-htb", "linux-hfsc")

    @property
    def installs_qdisc(self) -> bool:
        """Whether the type is one that ovs-vswitchd installs with tc."""
        return self.kind.known and not self.kind.is_policer and self.type != "linux-noop"

    @cached_property
    def least_rate(self) -> int:
        """The lowest rate of a queue in bit/s: one full-size packet per second, or one byte (htb_ and hfsc_parse_class_details__)."""
        least = 8 if self.type == "linux-hfsc" else self.mtu * 8
        return min(least, self.limit or least)

    def is_older_than(self, major: int, minor: int) -> bool:
        return versions.is_older(self.version, major, minor)

    @cached_property
    def shapes(self) -> dict[int, qos_types.Shape]:
        """The shape that the type reads for each queue, by number."""
        return {number: self.kind.queue_shape(row.other_config) for number, row in self.queues.items()}

    def shape(self, queue: int) -> qos_types.Shape:
        return self.shapes[queue]

    def assumed_bps(self, interface: InterfaceState) -> int:
        """The link rate that htb_ and hfsc_parse_qdisc_details__ of netdev-linux.c assume without a max-rate.

        An unknown speed counts as 100 Mbit/s before 3.1, then as 10 Gbit/s (NETDEV_DEFAULT_BPS). From 3.2 on a speed is first
        divided by 8 in whole Mbit/s, so 10 Mbit/s becomes 8.
        """
        speed = interface.link_speed
        if speed is None:
            return 10**8 if self.is_older_than(3, 1) else 10**10
        rounded = speed // 10**6 // 8 * 8 * 10**6
        return speed if self.version is None or self.version < (3, 2) else rounded or 10**10

    def flows_to(self, queue: int) -> "list[QueueFlow]":
        """The known flows that put traffic of this port into a queue; those that name the port come first."""
        named = [flow for flow in self.queue_flows or () if flow.queue == queue]
        among = self.anywhere.get(queue, [])
        known = set(named)
        return [*named, *(flow for flow in among if flow._replace(certain=True) not in known)] if named else among

    def root_qdisc(self, interface: str) -> "Qdisc | None":
        """The qdisc through which an interface sends; None also where tc was not asked."""
        return next((qdisc for qdisc in (self.qdiscs or {}).get(interface, ()) if qdisc.is_root), None)


def configured(switch: Switch, names: Sequence[str]) -> list[PortState]:
    """The ports named, or all that have a QoS, by name, as the database has them. Raises NotFound."""
    shaped = switch.read(_WITH_QOS) if not names or len(names) > _MANY else []
    rows = _named(switch, names, shaped) if names else sorted(shaped, key=_name)
    ports = list({row["name"]: row for row in rows}.values())
    related = _related_rows(switch, ports, lookup.unique(u for row in ports for u in many(row["qos"])), shaped)
    return [related.port(row, related.qos_of(row)) for row in ports]


def written(switch: Switch, outcomes: "Iterable[Outcome]") -> list[PortState]:
    """The ports that ``qos set`` has just changed, each once. Their QoS is in rows of their own, and it is known, so it is not read."""
    by_name = {outcome.row["name"]: outcome for outcome in outcomes}
    related = _related_rows(switch, [outcome.row for outcome in by_name.values()], (), ())
    return [related.port(outcome.row, _qos_written(outcome)) for outcome in by_name.values()]


def _qos_written(outcome: "Outcome") -> dict[str, Any]:
    """The QoS that a port now has, as fields of PortState."""
    queues = {number: QueueRow(queue.other_config, queue.dscp) for number, queue in sorted(outcome.qos.queues.items())}
    return {"type": outcome.qos.kind, "other_config": outcome.qos.config, "queues": queues}


def _named(switch: Switch, names: Sequence[str], shaped: Sequence[Row]) -> list[Row]:
    """The Port rows of the ports named; those not among the ``shaped`` are looked up. Raises NotFound."""
    found = {row["name"]: row for row in shaped}
    found |= {port.name: port.rows[0] for port in lookup.ports(switch, [name for name in names if name not in found], _PORT)}
    return [found[name] for name in names]


def observed(switch: Switch, names: Sequence[str], details: bool = False) -> list[PortState]:
    """These ports with their state in ovs-vswitchd, the kernel and the flows. What cannot be read is noted. Raises NotFound.

    ``details``: also the state of each queue in ovs-vswitchd and in the kernel, which runs programs for each port.
    """
    from concurrent.futures import ThreadPoolExecutor

    from ovstool.switch.checks import datapath, queue_flows

    ports = configured(switch, names)
    if not switch.host_is_known:
        why = "reaches only its database; flows to queues and queues in the datapath are unknown"
        switch.notes.append(f"{switch.address}: {why}; try: --host HOST")
    bridges = lookup.unique(port.bridge for port in ports if port.type is not None and port.bridge)
    interfaces = [interface.name for port in ports for interface in port.interfaces]

    # Each of these waits for another program, and most for ovs-vswitchd's main loop, which is slow on a large switch.
    with ThreadPoolExecutor() as pool:
        query = queue_flows.QueueFlowQuery(switch, pool, bridges)
        qdiscs = pool.submit(switch.attempt, "what tc has installed", datapath.qdiscs, switch, interfaces)
        queues = _asked_of_queues(switch, pool, ports) if details else {}
        traffic = datapath.traffic_known(switch, interfaces)
        flows = {bridge: query.of(bridge) for bridge in bridges}

    found = []
    for port in ports:
        port = port._replace(qdiscs=qdiscs.result(), interfaces=[interface.with_traffic(traffic) for interface in port.interfaces])
        if port.type is not None:
            of_queues = {field: future.result() for field, future in queues.get(port.name, {}).items()}
            port = _with_flows(port, flows.get(port.bridge))._replace(**of_queues)
        found.append(port)
    return found


def _asked_of_queues(switch: Switch, pool: "Executor", ports: Sequence[PortState]) -> "dict[str, dict[str, Future]]":
    """By port, the pending values of its fields ``datapath_queues`` and ``classes``."""
    from ovstool.switch.checks import datapath

    def ask(find: Any, port: PortState) -> "Future":
        return pool.submit(switch.attempt, "what the datapath has installed for queues", find, switch, port.interfaces[0].name)

    with_any = [port for port in ports if port.interfaces]
    return {port.name: {"datapath_queues": ask(datapath.queues, port), "classes": ask(datapath.classes, port)} for port in with_any}


def _with_flows(port: PortState, flows: "QueueFlows | None") -> PortState:
    """This port with the flows of its bridge that concern it; ``flows`` is None where they are not known."""
    if flows is None:
        return port._replace(queue_flows=None, anywhere={})
    numbers = [interface.ofport for interface in port.interfaces if interface.ofport is not None]
    ofports = ["LOCAL" if number == lookup.LOCAL else str(number) for number in numbers]
    named = lookup.unique(flow for ofport in ofports for flow in flows.named.get(ofport, ()))
    return port._replace(queue_flows=named, anywhere=flows.anywhere)


class _RelatedRows(NamedTuple):
    """The rows around some ports: bridges and the users of a QoS row by name, other rows by UUID."""

    version: versions.Version | None
    bridges: dict[str, Row]
    bridge_of_interface: dict[str, str]
    interfaces: dict[str, Row]
    qos: dict[str, Row]
    queues: dict[str, Row]
    users_of_qos: dict[str, list[str]]

    def port(self, row: Row, qos: Mapping[str, Any]) -> PortState:
        """A port; ``qos`` are the fields about its QoS."""
        here = [u for u in many(row["interfaces"]) if u in self.interfaces]
        name = next((self.bridge_of_interface[u] for u in here if u in self.bridge_of_interface), "")
        bridge = self.bridges.get(name)
        return PortState(
            row["name"],
            name,
            lookup.datapath_type(bridge) if bridge else "",
            is_owned=bool(bridge and (many(bridge["controller"]) or one(bridge["fail_mode"]) == "secure")),
            interfaces=sorted((interface_state.of_row(self.interfaces[u]) for u in here), key=lambda interface: interface.name),
            version=self.version,
            **qos,
        )

    def qos_of(self, row: Row) -> dict[str, Any]:
        """The QoS that the row of a port refers to, as fields of PortState; empty without one."""
        qos = self.qos.get(one(row["qos"]))
        if not qos:
            return {}
        return {
            "uuid": one(qos["_uuid"]),
            "type": str(qos["type"]),
            "other_config": mapping(qos["other_config"]),
            "queues": {number: _queue_row(self.queues.get(u)) for number, u in sorted(mapping(qos["queues"]).items())},
            "others": sorted(name for name in self.users_of_qos.get(one(qos["_uuid"]), ()) if name != row["name"]),
        }


def _related_rows(switch: Switch, ports: Sequence[Row], qos: Sequence[str], shaped: Sequence[Row]) -> _RelatedRows:
    """Read what these rows of Port refer to, with these rows of QoS; ``shaped`` are all that have a QoS, where many were asked for."""
    interfaces = lookup.unique(u for row in ports for u in many(row["interfaces"]))
    are_most = 2 * len(qos) > len(shaped) > 0  # then reading whole tables is cheaper than a query for each row
    of_users = [] if shaped else [Query("Port", [["qos", "includes", uuid(u)]], _PORT) for u in qos]
    of_qos = [Query("QoS", [], _QOS)] if are_most else lookup.queries_of("QoS", qos, _QOS)
    of_queues = [Query("Queue", [], _QUEUE)] if are_most else []
    bridge_rows, root, *rest = switch.read_all([_BRIDGES, versions.QUERY, *of_users, *of_qos, *of_queues])
    answers = iter(rest)
    users = shaped or [row for answer in islice(answers, len(of_users)) for row in answer]
    qos_rows = _by_uuid(islice(answers, len(of_qos)))
    queue_rows = _by_uuid(islice(answers, len(of_queues)))
    interface_rows = lookup.by_uuid(switch, "Interface", interfaces, interface_state.COLUMNS)
    if not are_most:
        queues = [u for row in qos_rows.values() for u in mapping(row["queues"]).values()]
        queue_rows = lookup.by_uuid(switch, "Queue", queues, _QUEUE)
    return _RelatedRows(
        versions.stored(root),
        {row["name"]: row for row in bridge_rows},
        lookup.bridges_of(switch, list(interface_rows.values()), bridge_rows),
        interface_rows,
        qos_rows,
        queue_rows,
        _names_by_qos(users),
    )


def _by_uuid(answers: Iterable[Sequence[Row]]) -> dict[str, Row]:
    return {one(row["_uuid"]): row for answer in answers for row in answer}


def _names_by_qos(ports: Sequence[Row]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in ports:
        found.setdefault(one(row["qos"]), []).append(row["name"])
    return found


def _queue_row(row: Row | None) -> QueueRow:
    return QueueRow(is_gone=True) if row is None else QueueRow(mapping(row["other_config"]), one(row["dscp"]))


def _name(row: Row) -> str:
    return str(row["name"])
