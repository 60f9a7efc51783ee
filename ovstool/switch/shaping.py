"""All that decides whether the QoS of a port takes effect, gathered: the rows, the datapath, tc, and the flows that lead to its queues."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ovstool.errors import OvstoolError
from ovstool.openflow import text
from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, mapping, one, uuid
from ovstool.switch import Switch, flow, installed, lookup
from ovstool.switch.installed import Qdisc

Found = TypeVar("Found")

LOCAL = 65534  # OFPP_LOCAL as the database shows it
_PORT = ("_uuid", "name", "qos", "interfaces")
INTERFACE = ("_uuid", "name", "type", "ofport", "error", "link_speed", "mtu", "statistics", "status")
_QOS = ("_uuid", "type", "other_config", "queues")
_SHAPED = Query("Port", [["qos", "!=", ["set", []]]], _PORT)
_MANY = 20  # ports; from here on one look at all of them is cheaper than one for each


@dataclass(frozen=True)
class Device:
    """An interface of a port; ``ofport`` None when ovs-vswitchd has not opened it, ``link_speed`` in bit/s, None where unknown.

    ``received`` and ``sent`` in bytes: what the kernel counts, or the database for a device that is not the kernel's.
    """

    name: str
    type: str
    ofport: int | None
    error: str | None
    link_speed: int | None
    mtu: int
    received: int
    sent: int


@dataclass(frozen=True)
class Lead:
    """A flow that leads to a queue; ``certain`` when it names the port itself, else it forwards as NORMAL does, to a group, and so on."""

    queue: int
    certain: bool
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
    """A port and its QoS. ``type`` None: it has none.

    ``leads`` and ``qdiscs`` None: they cannot be known here.
    ``has`` and ``classes``, when they were asked for, are what ovs-vswitchd and the kernel have of each queue on the first interface.
    """

    port: str
    bridge: str
    datapath_type: str
    devices: list[Device]
    qdiscs: dict[str, list[Qdisc]] | None
    uuid: str | None = None
    type: str | None = None
    other_config: dict[str, str] = field(default_factory=dict)
    queues: dict[int, Config] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    leads: list[Lead] | None = None
    has: dict[int, installed.Queue] | None = None
    classes: dict[int, installed.Class] | None = None

    def leads_to(self, queue: int) -> list[Lead]:
        return [lead for lead in self.leads or () if lead.queue == queue]


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
    types = datapath_types(switch)
    users = _users(switch, list(qos_rows))

    here = {u: bridges[u] for row in rows if one(row["qos"]) in qos_rows for u in many(row["interfaces"]) if u in bridges}
    first = {str(row["name"]): str(interfaces[u]["name"]) for row in rows for u in many(row["interfaces"])[:1] if u in interfaces}

    # Each of these waits for another program, and most for a turn of ovs-vswitchd's main loop, which is long on a large switch.
    with ThreadPoolExecutor() as pool:
        flows = {
            bridge: pool.submit(_queueing_flows, switch, connection) for bridge, connection in _connections(switch, here.values()).items()
        }
        qdiscs = pool.submit(_asked, switch, "what tc has", installed.qdiscs, [row["name"] for row in interfaces.values()])
        what = "what the datapath has of queues"
        has = {port: pool.submit(_asked, switch, what, installed.queues, device) for port, device in first.items() if details}
        classes = {port: pool.submit(_asked, switch, what, installed.classes, device) for port, device in first.items() if details}
        by_name = devices(switch, list(interfaces.values()))

    shaped = []
    for row in rows:
        members = [by_name[interfaces[u]["name"]] for u in many(row["interfaces"]) if u in interfaces]
        bridge = next((bridges[u] for u in many(row["interfaces"]) if u in bridges), "")
        members.sort(key=lambda device: device.name)
        port = Shaped(row["name"], bridge, types.get(bridge, ""), members, qdiscs.result())
        qos = qos_rows.get(one(row["qos"]))
        if qos:
            found = flows[bridge].result() if bridge in flows else None
            port = replace(
                port,
                uuid=one(qos["_uuid"]),
                type=str(qos["type"]),
                other_config=mapping(qos["other_config"]),
                queues={number: _config(queue_rows.get(u)) for number, u in sorted(mapping(qos["queues"]).items())},
                others=sorted(name for name in users.get(one(qos["_uuid"]), ()) if name != row["name"]),
                leads=None if found is None else [lead for flow_ in found for lead in _leads(flow_, members)],
                has=has[port.port].result() if port.port in has else None,
                classes=classes[port.port].result() if port.port in classes else None,
            )
        shaped.append(port)
    return shaped


def datapath_types(switch: Switch) -> dict[str, str]:
    """The datapath of each bridge: system, netdev or dummy."""
    return {row["name"]: one(row["datapath_type"]) or "system" for row in lookup.bridges(switch, [], ("datapath_type",))}


def devices(switch: Switch, rows: Sequence[Row]) -> dict[str, Device]:
    """Interfaces by name, from rows with the columns ``INTERFACE``."""
    names = [row["name"] for row in rows]
    counted = (_asked(switch, "what devices have received and sent just now", installed.traffic, names) or {}) if names else {}
    return {row["name"]: _device(row, counted.get(row["name"])) for row in rows}


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
    try:
        return function(switch, *args)
    except OvstoolError as error:
        switch.notes.append(f"{error.what}: {error.why}; {what} is not known")
        return None


def _connections(switch: Switch, bridges: Iterable[str]) -> dict[str, flow.Connection]:
    found = {bridge: _asked(switch, "which flows lead to queues", flow.Connection.of, bridge) for bridge in lookup.unique(bridges)}
    return {bridge: connection for bridge, connection in found.items() if connection}


def _queueing_flows(switch: Switch, connection: flow.Connection) -> list[text.Row] | None:
    """The flows of a bridge that select a queue; None, and a note, when they cannot be had."""
    return _asked(switch, "which flows lead to queues", lambda _: list(connection.selecting_queues()))


def _leads(row: text.Row, devices: Iterable[Device]) -> list[Lead]:
    """The queues of these devices that a flow leads to."""
    ofports = {"LOCAL" if device.ofport == LOCAL else str(device.ofport) for device in devices if device.ofport is not None}
    table, priority, cookie, packets, _, _, match, actions = row
    return [
        Lead(found.queue, not ofports.isdisjoint(found.ports), table, priority, cookie, packets, match, actions)
        for found in text.queueing(actions)
        if found.others or not ofports.isdisjoint(found.ports)
    ]


def _device(row: Row, counted: tuple[int, int] | None) -> Device:
    ofport, mtu, stored = one(row["ofport"]), one(row["mtu"]), mapping(row["statistics"])
    received, sent = counted or (stored.get("rx_bytes", 0), stored.get("tx_bytes", 0))
    return Device(
        row["name"], one(row["type"]) or "system", ofport if isinstance(ofport, int) and ofport > 0 else None,
        one(row["error"]), one(row["link_speed"]), mtu if isinstance(mtu, int) else 1500, received, sent,
    )  # fmt: skip


def _name(row: Row) -> str:
    return str(row["name"])
