"""All that decides whether the QoS of a port takes effect, gathered: the rows, the datapath, tc, and the flows that lead to its queues.

``stored`` is what the database tells, for which no program is run and little is imported; ``gather`` asks the others too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, mapping, ofport, one, uuid
from ovstool.switch import Switch, lookup, police, versions
from ovstool.switch.accepts import qos_types

if TYPE_CHECKING:
    from ovstool.switch.checks import datapath
    from ovstool.switch.checks.datapath import Qdisc
    from ovstool.switch.checks.queue_flows import QueueFlow

_PORT = ("_uuid", "name", "qos", "interfaces")
INTERFACE = ("_uuid", "name", "type", "ofport", "error", "link_speed", "mtu", "status", "statistics", *police.COLUMNS)
_QOS = ("_uuid", "type", "other_config", "queues")
_SHAPED = lookup.ports_with_qos(_PORT)
_BRIDGES = Query("Bridge", [], ("name", "datapath_type", "controller", "fail_mode"))
_NONE: dict = {}  # which nobody adds to
_MANY = 20  # ports; from here on one look at all of them is cheaper than one for each
# Network devices whose link speed is a number that somebody made up: veth_get_link_ksettings and tun_default_link_ksettings of Linux,
# and so on. "openvswitch" is what internal ports have.
_WITHOUT_A_LINE = ("tun", "veth", "openvswitch", "dummy", "bridge", "macvlan", "ifb", "virtio_net", "xen_netfront", "hv_netvsc")


class Device(NamedTuple):
    """An interface of a port; ``ofport`` None when ovs-vswitchd has not opened it, ``link_speed`` in bit/s, None where unknown.

    ``driver`` is the kernel's name of its driver, empty where it has none. ``received`` and ``sent`` in bytes: what the kernel counts, or
    the database for a device that is not the kernel's. ``police_rate`` and ``police_packet_rate`` are its limits on what it receives, in
    bit/s and packets/s. ``is_here``: the kernel was asked, and has it where ovs-vswitchd runs; tc lists none that is down and has no qdisc.
    """

    name: str
    type: str
    ofport: int | None
    error: str | None
    link_speed: int | None
    driver: str
    mtu: int
    police_rate: int | None
    police_packet_rate: int | None
    received: int
    sent: int
    is_here: bool = False

    @property
    def is_dpdk(self) -> bool:
        return self.type.startswith("dpdk")

    @property
    def is_afxdp(self) -> bool:
        return self.type.startswith("afxdp")

    @property
    def has_a_line(self) -> bool:
        """Whether its link speed is that of a line, which it cannot exceed."""
        return self.type == "system" and bool(self.driver) and self.driver not in _WITHOUT_A_LINE


class Config(NamedTuple):
    """A Queue row: its other_config and DSCP; ``is_gone`` when QoS refers to a row that is not there."""

    other_config: Mapping[str, str] = _NONE
    dscp: int | None = None
    is_gone: bool = False


class Shaped(NamedTuple):
    """A port and its QoS. ``type`` None: it has none. ``is_owned``: the flows of its bridge are somebody's, a controller's most often.

    ``leads`` are the flows that name the port itself, ``anywhere`` by queue those that may send to it among others, which the ports of a
    bridge have in common. ``leads`` and ``qdiscs`` None: they cannot be known here. ``version`` is Open vSwitch's, None: unknown.
    ``has`` and ``classes``, when they were asked for, are what ovs-vswitchd and the kernel have of each queue on the first interface.
    """

    port: str
    bridge: str
    datapath_type: str
    is_owned: bool
    devices: list[Device]
    version: versions.Version | None = None
    qdiscs: "dict[str, list[Qdisc]] | None" = None
    uuid: str | None = None
    type: str | None = None
    other_config: Mapping[str, str] = _NONE
    queues: Mapping[int, Config] = _NONE
    others: Sequence[str] = ()
    leads: "list[QueueFlow] | None" = None
    anywhere: "Mapping[int, list[QueueFlow]]" = _NONE
    has: "dict[int, datapath.Queue] | None" = None
    classes: "dict[int, datapath.Class] | None" = None

    @property
    def kind(self) -> qos_types.Type:
        return qos_types.named(str(self.type))

    @property
    def max_rate(self) -> int | None:
        return self.kind.port_shape(self.other_config).max_rate

    @property
    def limit(self) -> int | None:
        """What all queues share, in bit/s: without a max-rate what the link has, or is taken to have."""
        return self.max_rate or max((self.assumed_bps(device) for device in self.devices), default=None)

    @property
    def mtu(self) -> int:
        return max((device.mtu for device in self.devices), default=1500)

    @property
    def has_classes(self) -> bool:
        return self.type in ("linux-htb", "linux-hfsc")

    @property
    def installs_qdisc(self) -> bool:
        """Whether the type is one that ovs-vswitchd installs with tc."""
        return self.kind.known and not self.kind.is_policer and self.type != "linux-noop"

    @property
    def least_rate(self) -> int:
        """What no queue has less of: as many bytes a second as a packet may have, or one (htb_ and hfsc_parse_class_details__)."""
        least = 8 if self.type == "linux-hfsc" else self.mtu * 8
        return min(least, self.limit or least)

    def is_older_than(self, major: int, minor: int) -> bool:
        """False where the version is not known."""
        return self.version is not None and self.version < (major, minor)

    def shape(self, queue: int) -> qos_types.Shape:
        return self.kind.queue_shape(self.queues[queue].other_config)

    def assumed_bps(self, device: Device) -> int:
        """What htb_ and hfsc_parse_qdisc_details__ of netdev-linux.c take as the rate of a link where there is no max-rate.

        Before 3.1 100 Mbit/s where it is unknown, then 10 Gbit/s (NETDEV_DEFAULT_BPS). From 3.2 on a speed is divided by 8 in whole Mbit/s
        before anything else, so 10 Mbit/s are 8.
        """
        if device.link_speed is None:
            return 10**8 if self.is_older_than(3, 1) else 10**10
        rounded = device.link_speed // 10**6 // 8 * 8 * 10**6
        return device.link_speed if self.version is None or self.version < (3, 2) else rounded or 10**10

    def leads_to(self, queue: int) -> "list[QueueFlow]":
        named = [lead for lead in self.leads or () if lead.queue == queue]
        among = self.anywhere.get(queue, [])
        known = set(named)
        return [*named, *(lead for lead in among if replace(lead, certain=True) not in known)] if named else among


def can_have_qos(interface_type: str) -> bool:
    """Whether interfaces of this type can have a QoS at all: patch ports and tunnels cannot (netdev-vport.c)."""
    return interface_type in ("system", "internal", "tap") or interface_type.startswith(("dpdk", "dummy", "afxdp"))


def stored(switch: Switch, names: Sequence[str]) -> list[Shaped]:
    """The ports named, or all that have a QoS, by name, as the database has them. Raises NotFound."""
    rows = [port.rows[0] for port in lookup.ports(switch, names, _PORT)] if names else sorted(switch.read(_SHAPED), key=_name)
    rows = list({row["name"]: row for row in rows}.values())
    wanted = lookup.unique(u for row in rows for u in many(row["qos"]))
    members = lookup.unique(u for row in rows for u in many(row["interfaces"]))
    queries = [
        _BRIDGES, versions.QUERY, *_users_queries(wanted), *lookup.queries_of("QoS", wanted, _QOS), *lookup.queries_of("Interface", members, INTERFACE)
    ]  # fmt: skip
    bridge_rows, root, *rest = switch.read_all(queries)
    count = len(queries) - 2 - len(wanted) - len(members)
    users = _users(wanted, rest[:count])
    qos_rows = {one(row["_uuid"]): row for answer in rest[count : count + len(wanted)] for row in answer}
    interfaces = {one(row["_uuid"]): row for answer in rest[count + len(wanted) :] for row in answer}
    queue_uuids = [u for row in qos_rows.values() for u in mapping(row["queues"]).values()]
    queue_rows = lookup.by_uuid(switch, "Queue", queue_uuids, ("other_config", "dscp"))
    bridges = lookup.bridges_of(switch, list(interfaces.values()), bridge_rows)
    by_name = {row["name"]: row for row in bridge_rows}

    shaped = []
    for row in rows:
        here = [u for u in many(row["interfaces"]) if u in interfaces]
        bridge = next((bridges[u] for u in here if u in bridges), "")
        on = by_name.get(bridge)
        port = Shaped(
            row["name"], bridge, datapath_type(on) if on else "",
            is_owned=bool(on and (many(on["controller"]) or one(on["fail_mode"]) == "secure")),
            devices=sorted((_device(interfaces[u]) for u in here), key=lambda device: device.name),
            version=versions.stored(root),
        )  # fmt: skip
        if qos := qos_rows.get(one(row["qos"])):
            port = port._replace(
                uuid=one(qos["_uuid"]),
                type=str(qos["type"]),
                other_config=mapping(qos["other_config"]),
                queues={number: _config(queue_rows.get(u)) for number, u in sorted(mapping(qos["queues"]).items())},
                others=sorted(name for name in users.get(one(qos["_uuid"]), ()) if name != row["name"]),
            )
        shaped.append(port)
    return shaped


def gather(switch: Switch, names: Sequence[str], details: bool = False) -> list[Shaped]:
    """The same with what ovs-vswitchd, the kernel and the flows have of it. What cannot be asked is noted. Raises NotFound.

    ``details``: also what ovs-vswitchd and the kernel have of each queue, which takes programs for each port.
    """
    from concurrent.futures import ThreadPoolExecutor

    from ovstool.switch.checks import datapath, queue_flows

    ports = stored(switch, names)
    if not switch.host_is_known:
        why = "reaches its database alone; which flows lead to queues and what the datapath has of these is not known"
        switch.notes.append(f"{switch.address}: {why}; try: --host HOST")
    here = lookup.unique(port.bridge for port in ports if port.type is not None and port.bridge)
    names = [device.name for port in ports for device in port.devices]
    first = {port.port: port.devices[0].name for port in ports if port.devices and details}

    # Each of these waits for another program, and most for a turn of ovs-vswitchd's main loop, which is long on a large switch.
    with ThreadPoolExecutor() as pool:
        asked = queue_flows.QueueFlowQuery(switch, pool, here)
        qdiscs = pool.submit(switch.attempt, "what tc has", datapath.qdiscs, switch, names)
        what = "what the datapath has of queues"
        has = {port: pool.submit(switch.attempt, what, datapath.queues, switch, device) for port, device in first.items()}
        classes = {port: pool.submit(switch.attempt, what, datapath.classes, switch, device) for port, device in first.items()}
        counted = traffic(switch, names)
        found = {bridge: asked.of(bridge) for bridge in here}

    gathered = []
    for port in ports:
        port = port._replace(qdiscs=qdiscs.result(), devices=[with_traffic(device, counted) for device in port.devices])
        if port.type is not None:
            known = found.get(port.bridge)
            ofports = [
                "LOCAL" if device.ofport == lookup.LOCAL else str(device.ofport) for device in port.devices if device.ofport is not None
            ]
            port = port._replace(
                leads=None if known is None else lookup.unique(lead for ofport in ofports for lead in known.named.get(ofport, ())),
                anywhere=known.anywhere if known else {},
                has=has[port.port].result() if port.port in has else None,
                classes=classes[port.port].result() if port.port in classes else None,
            )
        gathered.append(port)
    return gathered


def traffic(switch: Switch, names: Sequence[str]) -> Mapping[str, tuple[int, int]]:
    """The bytes that devices of the kernel have received and sent just now, by name; nothing of those that cannot be asked."""
    from ovstool.switch.checks import datapath

    return (switch.attempt("what devices have received and sent just now", datapath.traffic, switch, names) or {}) if names else {}


def with_traffic(device: Device, counted: Mapping[str, tuple[int, int]]) -> Device:
    """The same with what ``traffic`` tells of it."""
    if device.name not in counted:
        return device
    received, sent = counted[device.name]
    return device._replace(received=received, sent=sent, is_here=True)


def datapath_type(bridge: Row) -> str:
    return one(bridge["datapath_type"]) or "system"


def devices(rows: Sequence[Row], counted: Mapping[str, tuple[int, int]]) -> dict[str, Device]:
    """Interfaces by name, from rows with the columns ``INTERFACE``, and what ``traffic`` tells of them."""
    return {row["name"]: with_traffic(_device(row), counted) for row in rows}


def _config(row: Row | None) -> Config:
    return Config(is_gone=True) if row is None else Config(mapping(row["other_config"]), one(row["dscp"]))


def _users_queries(qos: Sequence[str]) -> list[Query]:
    return [_SHAPED] if len(qos) > _MANY else [Query("Port", [["qos", "includes", uuid(u)]], _PORT) for u in qos]


def _users(qos: Sequence[str], answers: Sequence[Sequence[Row]]) -> dict[str, list[str]]:
    """The names of the ports that use each of these QoS rows."""
    found: dict[str, list[str]] = {}
    for row in (row for rows in answers for row in rows):
        found.setdefault(one(row["qos"]), []).append(row["name"])
    return found


def _device(row: Row) -> Device:
    mtu, counters = one(row["mtu"]), mapping(row["statistics"])
    return Device(
        row["name"], one(row["type"]) or "system", ofport(row["ofport"]),
        one(row["error"]), one(row["link_speed"]), str(mapping(row["status"]).get("driver_name", "")), mtu if isinstance(mtu, int) else 1500,
        **police.rates(row), received=counters.get("rx_bytes", 0), sent=counters.get("tx_bytes", 0), is_here=False,
    )  # fmt: skip


def _name(row: Row) -> str:
    return str(row["name"])
