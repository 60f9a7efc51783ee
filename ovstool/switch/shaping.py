"""All that decides whether the QoS of a port takes effect, gathered: the rows, the datapath, tc, and the flows that lead to its queues."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, mapping, one, uuid
from ovstool.switch import Switch, installed, lookup, police
from ovstool.switch.installed import Qdisc
from ovstool.switch.leads import Asked, Lead

LOCAL = 65534  # OFPP_LOCAL as the database shows it
_PORT = ("_uuid", "name", "qos", "interfaces")
INTERFACE = ("_uuid", "name", "type", "ofport", "error", "link_speed", "mtu", "statistics", *police.COLUMNS)
_QOS = ("_uuid", "type", "other_config", "queues")
_SHAPED = Query("Port", [["qos", "!=", ["set", []]]], _PORT)
_MANY = 20  # ports; from here on one look at all of them is cheaper than one for each


@dataclass(frozen=True)
class Device:
    """An interface of a port; ``ofport`` None when ovs-vswitchd has not opened it, ``link_speed`` in bit/s, None where unknown.

    ``received`` and ``sent`` in bytes: what the kernel counts, or the database for a device that is not the kernel's.
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
    received: int
    sent: int


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
    bridge have in common. ``leads`` and ``qdiscs`` None: they cannot be known here.
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
    has: dict[int, installed.Queue] | None = None
    classes: dict[int, installed.Class] | None = None

    def leads_to(self, queue: int) -> list[Lead]:
        named = [lead for lead in self.leads or () if lead.queue == queue]
        among = self.anywhere.get(queue, [])
        known = set(named)
        return [*named, *(lead for lead in among if replace(lead, certain=True) not in known)] if named else among


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
    first = {str(row["name"]): str(interfaces[u]["name"]) for row in rows for u in many(row["interfaces"])[:1] if u in interfaces}

    # Each of these waits for another program, and most for a turn of ovs-vswitchd's main loop, which is long on a large switch.
    with ThreadPoolExecutor() as pool:
        asked = Asked(switch, pool, here)
        qdiscs = pool.submit(switch.attempt, "what tc has", installed.qdiscs, switch, [row["name"] for row in interfaces.values()])
        what = "what the datapath has of queues"
        has = {port: pool.submit(switch.attempt, what, installed.queues, switch, device) for port, device in first.items() if details}
        classes = {port: pool.submit(switch.attempt, what, installed.classes, switch, device) for port, device in first.items() if details}
        by_name = devices(switch, list(interfaces.values()))
        leads = {bridge: asked.of(bridge) for bridge in here}

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
            known = leads.get(bridge)
            ofports = ["LOCAL" if device.ofport == LOCAL else str(device.ofport) for device in members if device.ofport is not None]
            port = replace(
                port,
                uuid=one(qos["_uuid"]),
                type=str(qos["type"]),
                other_config=mapping(qos["other_config"]),
                queues={number: _config(queue_rows.get(u)) for number, u in sorted(mapping(qos["queues"]).items())},
                others=sorted(name for name in users.get(one(qos["_uuid"]), ()) if name != row["name"]),
                leads=None if known is None else lookup.unique(lead for ofport in ofports for lead in known.named.get(ofport, ())),
                anywhere=known.anywhere if known else {},
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
    """Interfaces by name, from rows with the columns ``INTERFACE``."""
    names = [row["name"] for row in rows]
    what = "what devices have received and sent just now"
    counted = (switch.attempt(what, installed.traffic, switch, names) or {}) if names else {}
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


def _device(row: Row, counted: tuple[int, int] | None) -> Device:
    ofport, mtu, stored = one(row["ofport"]), one(row["mtu"]), mapping(row["statistics"])
    received, sent = counted or (stored.get("rx_bytes", 0), stored.get("tx_bytes", 0))
    return Device(
        row["name"], one(row["type"]) or "system", ofport if isinstance(ofport, int) and ofport > 0 else None,
        one(row["error"]), one(row["link_speed"]), mtu if isinstance(mtu, int) else 1500, **police.rates(row), received=received, sent=sent,
    )  # fmt: skip


def _name(row: Row) -> str:
    return str(row["name"])
