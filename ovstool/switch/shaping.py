"""All that decides whether the QoS of a port takes effect, gathered: the rows, the datapath, tc, and the flows that lead to its queues."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

from ovstool.errors import OvstoolError, Refused
from ovstool.openflow import text
from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, mapping, one, uuid
from ovstool.rates import Reading
from ovstool.switch import Switch, flow, installed, lookup, police, stats
from ovstool.switch.installed import Qdisc

Found = TypeVar("Found")

LOCAL = 65534  # OFPP_LOCAL as the database shows it
_PORT = ("_uuid", "name", "qos", "interfaces")
INTERFACE = ("_uuid", "name", "type", "ofport", "error", "link_speed", "mtu", "statistics", *police.COLUMNS)
_QOS = ("_uuid", "type", "other_config", "queues")
_SHAPED = Query("Port", [["qos", "!=", ["set", []]]], _PORT)
_MANY = 20  # ports; from here on one look at all of them is cheaper than one for each


@dataclass(frozen=True)
class Device:
    """An interface of a port; ``ofport`` None when ovs-vswitchd has not opened it, ``link_speed`` in bit/s, None where unknown.

    ``police_rate`` and ``police_packet_rate`` are its limits on what it receives, in bit/s and packets/s.
    """

    name: str
    type: str
    ofport: int | None
    error: str | None
    link_speed: int | None
    mtu: int
    police_rate: int | None
    police_packet_rate: int | None
    statistics: Mapping[str, int]


@dataclass(frozen=True)
class Lead:
    """A flow that leads to a queue; ``certain`` when it names the port itself, else it forwards as NORMAL does, to a group, and so on.

    It may be another bridge's, before a patch port, which a packet passes with its queue.
    """

    queue: int
    certain: bool
    bridge: str
    table: int | str
    priority: int
    cookie: str
    packets: int | None
    match: str
    actions: str


@dataclass(frozen=True)
class Config:
    """A Queue row: its other_config and DSCP; ``is_gone`` when QoS refers to a row that is not there."""

    other_config: dict[str, str] = field(default_factory=dict)
    dscp: int | None = None
    is_gone: bool = False


@dataclass(frozen=True)
class Shaped:
    """A port and its QoS. ``type`` None: it has none. ``is_owned``: the flows of its bridge are somebody's, a controller's most often.

    ``leads`` are the flows that name the port itself, ``anywhere`` by queue those that may send to it among others, which the ports of a
    bridge have in common. ``leads``, ``qdiscs`` and ``sent`` None: they cannot be known here. ``sent`` is what each queue has sent, by all interfaces together.
    ``has`` and ``classes``, when they were asked for, are what ovs-vswitchd and the kernel have of each queue on the first interface.
    """

    port: str
    bridge: str
    datapath_type: str
    is_owned: bool
    devices: list[Device]
    qdiscs: dict[str, list[Qdisc]] | None
    uuid: str | None = None
    type: str | None = None
    other_config: dict[str, str] = field(default_factory=dict)
    queues: dict[int, Config] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    leads: list[Lead] | None = None
    anywhere: Mapping[int, list[Lead]] = field(default_factory=dict)
    sent: dict[int, dict[str, int]] | None = None
    has: dict[int, installed.Queue] | None = None
    classes: dict[int, installed.Class] | None = None

    def leads_to(self, queue: int) -> list[Lead]:
        named = [lead for lead in self.leads or () if lead.queue == queue]
        among = self.anywhere.get(queue, [])
        return [*named, *(lead for lead in among if replace(lead, certain=True) not in named)] if named else among


_Queueing = tuple[Lead, text.Queueing]  # a flow that selects a queue, and where it sends then


class _Patches(NamedTuple):
    """The bridges that each bridge is joined with by patch ports, however many are between, and the patch ports of these by number."""

    joined: dict[str, set[str]]
    ofports: dict[str, set[str]]


def can_have_qos(interface_type: str) -> bool:
    """Whether interfaces of this type can have a QoS at all: patch ports and tunnels cannot (netdev-vport.c)."""
    return interface_type in ("system", "internal", "tap") or interface_type.startswith(("dpdk", "dummy", "afxdp"))


def gather(switch: Switch, names: Sequence[str], details: bool = False) -> list[Shaped]:
    """The ports named, or all that have a QoS, by name. What cannot be asked is noted. Raises NotFound.

    ``details``: also what ovs-vswitchd and the kernel have of each queue, which takes programs for each port.
    """
    rows = [port.rows[0] for port in lookup.ports(switch, names, _PORT)] if names else sorted(switch.read(_SHAPED), key=_name)
    rows = list({row["name"]: row for row in rows}.values())
    qos_rows = lookup.by_uuid(switch, "QoS", [u for row in rows for u in many(row["qos"])], _QOS)
    queue_uuids = [u for row in qos_rows.values() for u in mapping(row["queues"]).values()]
    queue_rows = lookup.by_uuid(switch, "Queue", queue_uuids, ("other_config", "dscp"))
    interfaces = lookup.by_uuid(switch, "Interface", [u for row in rows for u in many(row["interfaces"])], INTERFACE)
    bridges = lookup.bridges_of(switch, list(interfaces.values()))
    bridge_rows = {row["name"]: row for row in lookup.bridges(switch, [], ("datapath_type", "controller", "fail_mode"))}
    users = _users(switch, list(qos_rows))
    if not switch.host_is_known:
        why = "reaches its database alone; which flows lead to queues and what the datapath has of these is not known"
        switch.notes.append(f"{switch.address}: {why}; try: --host HOST")

    here = lookup.unique(bridges[u] for row in rows if one(row["qos"]) in qos_rows for u in many(row["interfaces"]) if u in bridges)
    patches = _patches(switch, here)
    first = {str(row["name"]): str(interfaces[u]["name"]) for row in rows for u in many(row["interfaces"])[:1] if u in interfaces}

    # Each of these waits for another program, and most for a turn of ovs-vswitchd's main loop, which is long on a large switch.
    with ThreadPoolExecutor() as pool:
        connections = _connections(switch, [*here, *patches.ofports])
        flows = {bridge: pool.submit(_queueing_flows, switch, connection) for bridge, connection in connections.items()}
        qdiscs = pool.submit(_asked, switch, "what tc has", installed.qdiscs, [row["name"] for row in interfaces.values()])
        what = "what the datapath has of queues"
        has = {port: pool.submit(_asked, switch, what, installed.queues, device) for port, device in first.items() if details}
        classes = {port: pool.submit(_asked, switch, what, installed.classes, device) for port, device in first.items() if details}
        by_name, sent = _devices(switch, list(interfaces.values()))
        leads = {bridge: _leads(bridge, patches, {of: asked.result() for of, asked in flows.items()}) for bridge in here}

    shaped = []
    for row in rows:
        members = [by_name[interfaces[u]["name"]] for u in many(row["interfaces"]) if u in interfaces]
        bridge = next((bridges[u] for u in many(row["interfaces"]) if u in bridges), "")
        members.sort(key=lambda device: device.name)
        on = bridge_rows.get(bridge)
        is_owned = bool(on and (many(on["controller"]) or one(on["fail_mode"]) == "secure"))
        port = Shaped(row["name"], bridge, datapath_type(on) if on else "", is_owned, members, qdiscs.result())
        qos = qos_rows.get(one(row["qos"]))
        if qos:
            named, anywhere = leads.get(bridge, (None, {}))
            ofports = ["LOCAL" if device.ofport == LOCAL else str(device.ofport) for device in members if device.ofport is not None]
            port = replace(
                port,
                uuid=one(qos["_uuid"]),
                type=str(qos["type"]),
                other_config=mapping(qos["other_config"]),
                queues={number: _config(queue_rows.get(u)) for number, u in sorted(mapping(qos["queues"]).items())},
                others=sorted(name for name in users.get(one(qos["_uuid"]), ()) if name != row["name"]),
                leads=None if named is None else lookup.unique(lead for ofport in ofports for lead in named.get(ofport, ())),
                anywhere=anywhere,
                sent=_added([sent.get(device.name, {}) for device in members]),
                has=has[port.port].result() if port.port in has else None,
                classes=classes[port.port].result() if port.port in classes else None,
            )
        shaped.append(port)
    return shaped


def datapath_types(switch: Switch) -> dict[str, str]:
    """The datapath of each bridge: system, netdev or dummy."""
    return {row["name"]: datapath_type(row) for row in lookup.bridges(switch, [], ("datapath_type",))}


def datapath_type(bridge: Row) -> str:
    return one(bridge["datapath_type"]) or "system"


def devices(switch: Switch, rows: Sequence[Row]) -> dict[str, Device]:
    """Interfaces by name, from rows with the columns ``INTERFACE``; their counters are live where OpenFlow can be had."""
    return _devices(switch, rows)[0]


def _devices(switch: Switch, rows: Sequence[Row]) -> tuple[dict[str, Device], dict[str, dict[int, Mapping[str, int]]]]:
    """The same, and what the queues of each have sent."""
    readings: list[Reading] = []
    queues: list[Reading] = []
    try:
        if rows:
            readings, queues = stats.with_queues(switch, [row["name"] for row in rows])
    except OvstoolError as error:
        switch.notes.append(f"{error.what}: {error.why}; these counters are the database's")
    counted = {reading.port: reading.counters for reading in readings}
    sent: dict[str, dict[int, Mapping[str, int]]] = {}
    for reading in queues:
        sent.setdefault(reading.port, {})[reading.queue or 0] = reading.counters
    return {row["name"]: _device(row, counted.get(row["name"]) or mapping(row["statistics"])) for row in rows}, sent


def _added(counted: Sequence[Mapping[int, Mapping[str, int]]]) -> dict[int, dict[str, int]]:
    """What each queue has sent on all interfaces together."""
    sums: dict[int, dict[str, int]] = {}
    for queues in counted:
        for queue, counters in queues.items():
            so_far = sums.setdefault(queue, {})
            so_far.update({name: so_far.get(name, 0) + value for name, value in counters.items()})
    return sums


def _config(row: Row | None) -> Config:
    return Config(is_gone=True) if row is None else Config(mapping(row["other_config"]), one(row["dscp"]))


def _users(switch: Switch, qos: Sequence[str]) -> dict[str, list[str]]:
    """The names of the ports that use each QoS row."""
    if len(qos) > _MANY:
        found: dict[str, list[str]] = {}
        for row in switch.read(_SHAPED):
            found.setdefault(one(row["qos"]), []).append(row["name"])
        return found
    answers = switch.read_all([Query("Port", [["qos", "includes", uuid(u)]], ("name",)) for u in qos])
    return {u: [row["name"] for row in rows] for u, rows in zip(qos, answers, strict=True)}


def _asked(switch: Switch, what: str, function: Callable[..., Found], *args: Any) -> Found | None:
    """What a function finds; None, and a note, when it cannot."""
    if not switch.host_is_known:
        return None  # for which ``gather`` has one note
    try:
        return function(switch, *args)
    except OvstoolError as error:
        switch.notes.append(f"{error.what}: {error.why}; {what} is not known")
        return None


def _connections(switch: Switch, bridges: Iterable[str]) -> dict[str, flow.Connection]:
    found = {bridge: _asked(switch, "which flows lead to queues", flow.Connection.of, bridge) for bridge in lookup.unique(bridges)}
    return {bridge: connection for bridge, connection in found.items() if connection}


def _patches(switch: Switch, bridges: Sequence[str]) -> _Patches:
    """How these bridges are joined with others."""
    rows = switch.read(Query("Interface", [["type", "==", "patch"]], ("_uuid", "name", "ofport", "options"))) if bridges else []
    at = lookup.bridges_of(switch, rows) if rows else {}
    of = {row["name"]: at[one(row["_uuid"])] for row in rows if one(row["_uuid"]) in at}
    beside: dict[str, set[str]] = {}
    for row in rows:
        ends = {of[name] for name in (row["name"], mapping(row["options"]).get("peer")) if name in of}
        for end in ends:
            beside.setdefault(end, set()).update(ends)
    found = _Patches({}, {})
    for bridge in bridges:
        reached = [bridge]
        for near in reached:  # which grows meanwhile
            reached += sorted(beside.get(near, set()).difference(reached))
        found.joined[bridge] = set(reached[1:])
    for bridge in set().union(*found.joined.values()):
        found.ofports[bridge] = {str(one(row["ofport"])) for row in rows if of.get(row["name"]) == bridge}
    return found


def _queueing_flows(switch: Switch, connection: flow.Connection) -> list[_Queueing] | None:
    """The flows of a bridge that select queues, themselves or by a group; None, and a note, when they cannot be had."""

    def ask(_: Switch) -> list[_Queueing]:
        groups = _queueing_groups(connection)
        rows = connection.flows("", names=None, only=lambda line: text.selects_queue(line) or (bool(groups) and "group:" in line))
        return [
            (Lead(to.queue, False, connection.bridge, table, priority, cookie, packets, match, actions), to)
            for table, priority, cookie, packets, _, _, match, actions in rows
            for to in [*text.queueing(actions), *(found for group in text.groups_of(actions) for found in groups.get(group, ()))]
        ]

    return _asked(switch, "which flows lead to queues", ask)


def _queueing_groups(connection: flow.Connection) -> dict[str, list[text.Queueing]]:
    """The groups of a bridge that select queues; none where its OpenFlow has no groups."""
    try:
        return text.queueing_groups(connection.run("dump-groups", "--", connection.socket).stdout)
    except Refused:
        return {}


def _leads(
    bridge: str, patches: _Patches, flows: Mapping[str, list[_Queueing] | None]
) -> tuple[dict[str, list[Lead]] | None, dict[int, list[Lead]]]:
    """The flows that lead to queues of a bridge's ports: by port those that name it, and by queue those that may send to any.

    Those of other bridges do so that send to a patch port. None: not all of them can be known.
    """
    if any(flows.get(of) is None for of in (bridge, *patches.joined[bridge])):
        return None, {}
    named: dict[str, list[Lead]] = {}
    anywhere: dict[int, dict[Lead, None]] = {}
    for lead, to in flows[bridge] or ():
        for ofport in to.ports:
            named.setdefault(ofport, []).append(replace(lead, certain=True))
        if to.others:
            anywhere.setdefault(lead.queue, {})[lead] = None
    for other in sorted(patches.joined[bridge]):
        for lead, to in flows[other] or ():
            if to.others or not patches.ofports[other].isdisjoint(to.ports):
                anywhere.setdefault(lead.queue, {})[lead] = None
    return named, {queue: list(leads) for queue, leads in anywhere.items()}


def _device(row: Row, counters: Mapping[str, int]) -> Device:
    ofport, mtu = one(row["ofport"]), one(row["mtu"])
    return Device(
        row["name"], one(row["type"]) or "system", ofport if isinstance(ofport, int) and ofport > 0 else None,
        one(row["error"]), one(row["link_speed"]), mtu if isinstance(mtu, int) else 1500, **police.rates(row), statistics=counters,
    )  # fmt: skip


def _name(row: Row) -> str:
    return str(row["name"])
