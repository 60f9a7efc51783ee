"""The QoS of a port from configuration to packets: what is requested, what the datapath has, what it carried, and which flows led there."""

from collections.abc import Sequence
from typing import NamedTuple

from ovstool import units
from ovstool.switch import Finding, Switch
from ovstool.switch.checks import policing, shaping
from ovstool.switch.checks.datapath import Qdisc, TcClass
from ovstool.switch.checks.port_state import PortState
from ovstool.switch.checks.queue_flows import QueueFlow

_DATAPATHS = {"system": "kernel", "netdev": "userspace"}


class ExplainedInterface(NamedTuple):
    """An interface of the port, with its link speed in bit/s; ``qdisc`` is its root qdisc, None if it has none or tc cannot be asked."""

    name: str
    type: str
    ofport: int | None
    link_speed: int | None
    mtu: int
    qdisc: Qdisc | None


class RequestedQueue(NamedTuple):
    """What the database requests for a queue: bit/s, bits."""

    min_rate: int | None
    max_rate: int | None
    burst: int | None
    priority: int | None
    dscp: int | None


class InstalledQueue(NamedTuple):
    """What ovs-vswitchd has installed for a queue: bit/s, bits."""

    min_rate: int | None
    max_rate: int | None
    burst: int | None


class ExplainedQueue(NamedTuple):
    """A queue; ``asked`` None: ovs-vswitchd created it itself. ``has`` is what ovs-vswitchd installed, ``tc`` what the kernel has, or None.

    The counters are what ovs-vswitchd reads from the datapath now, None where it cannot. For a bond all this is about its first member.
    """

    queue: int
    asked: RequestedQueue | None
    has: InstalledQueue | None
    tc: TcClass | None
    tx_packets: int | None
    tx_bytes: int | None
    tx_errors: int | None
    flows: list[QueueFlow] | None


class Explained(NamedTuple):
    """All about the QoS of a port. ``in_effect`` is None where that is unknown, ``type`` is None without a QoS.

    ``unclassified`` says where traffic goes that no flow puts into a queue. ``police_rate``, in bit/s, limits the other direction.
    """

    port: str
    bridge: str
    datapath: str
    interfaces: list[ExplainedInterface]
    type: str | None
    max_rate: int | None
    other_config: dict[str, str]
    uuid: str | None
    shared_with: list[str]
    in_effect: bool | None
    effect: str
    queues: list[ExplainedQueue]
    unclassified: str
    police_rate: int | None
    police_packet_rate: int | None
    police_in_effect: bool | None
    problems: list[Finding]


def explain(switch: Switch, name: str) -> Explained:
    """What the QoS of a port requests and what is in effect. What cannot be read is noted. Raises NotFound."""
    # Before ovs-vswitchd is asked, which may use up the whole timeout.
    policed = [finding for interface in policing.observed(switch, [name]) for finding in policing.findings(interface)]
    [port] = shaping.observed(switch, [name], details=True)
    problems = shaping.findings(switch, port) if port.type else []
    in_effect, effect = _effect(port, problems)
    police_rate = next((interface.police_rate for interface in port.interfaces if interface.police_rate), None)
    packet_rate = next((interface.police_packet_rate for interface in port.interfaces if interface.police_packet_rate), None)
    is_idle = port.datapath_type == "dummy" or any(finding.disables for finding in policed)
    return Explained(
        port=port.name,
        bridge=port.bridge,
        datapath=_DATAPATHS.get(port.datapath_type, port.datapath_type),
        interfaces=[
            ExplainedInterface(each.name, each.type, each.ofport, each.link_speed, each.mtu, port.root_qdisc(each.name))
            for each in port.interfaces
        ],
        type=port.type,
        max_rate=port.max_rate if port.type else None,
        other_config=dict(port.other_config),
        uuid=port.uuid,
        shared_with=list(port.others),
        in_effect=in_effect,
        effect=effect,
        queues=_queues(port) if port.type else [],
        unclassified=_unclassified(port, in_effect),
        police_rate=police_rate,
        police_packet_rate=packet_rate,
        police_in_effect=not is_idle if police_rate or packet_rate else None,
        problems=[*problems, *policed],
    )


def _effect(port: PortState, problems: Sequence[Finding]) -> tuple[bool | None, str]:
    """Whether the QoS shapes anything (None if unknown), and in words why not, or what tc has done."""
    if port.type is None:
        return False, "nothing is shaped"
    if port.datapath_type == "dummy":
        return False, "no: the dummy datapath shapes nothing"
    if against := next((finding.problem for finding in problems if finding.disables), None):
        return False, f"no: {against}"
    if port.type == "linux-noop":
        return None, "linux-noop leaves the queueing of the port to other software"
    if port.qdiscs is None or not port.installs_qdisc:
        return None, "not known here"
    return True, "yes: " + "; ".join(
        f"tc has {qdisc.kind} {qdisc.handle} on {interface.name}, which has sent {units.counted(qdisc.packets, 'packet')}, "
        f"held back {qdisc.overlimits} and dropped {qdisc.dropped}"
        for interface in port.interfaces
        for qdisc in port.qdiscs.get(interface.name, ())
        if qdisc.is_root
    )


def _unclassified(port: PortState, in_effect: bool | None) -> str:
    """Where traffic goes that no flow puts into a queue."""
    if port.type is not None and in_effect is False:
        return "there are no queues, because the QoS is not in effect"
    if port.type is None or not port.has_classes:
        return "there are no queues to choose from"
    if 0 in port.queues:
        return "traffic that no flow puts into another queue goes to queue 0"
    rate = units.human_rate(port.least_rate)
    return f"traffic that no flow puts into a queue goes to the queue 0 that ovs-vswitchd creates itself, with a min rate of {rate}"


def _queues(port: PortState) -> list[ExplainedQueue]:
    """The queues that are requested and those that exist."""
    return [_queue(port, number) for number in sorted(port.queues.keys() | (port.datapath_queues or {}).keys())]


def _queue(port: PortState, number: int) -> ExplainedQueue:
    row, set_up = port.queues.get(number), (port.datapath_queues or {}).get(number)
    asked = None
    if row and not row.is_gone:
        shape = port.shape(number)
        asked = RequestedQueue(shape.min_rate, shape.max_rate, shape.burst, shape.priority, row.dscp)
    return ExplainedQueue(
        queue=number,
        asked=asked,
        has=InstalledQueue(set_up.min_rate, set_up.max_rate, set_up.burst) if set_up else None,
        tc=(port.classes or {}).get(number),
        tx_packets=set_up.tx_packets if set_up else None,
        tx_bytes=set_up.tx_bytes if set_up else None,
        tx_errors=set_up.tx_errors if set_up else None,
        flows=None if port.queue_flows is None else port.flows_to(number),
    )
