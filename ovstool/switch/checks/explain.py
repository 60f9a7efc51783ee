"""The QoS of a port from configuration to packets: what is asked, what the datapath has, what was carried, and by which flows."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ovstool import units
from ovstool.errors import one_line
from ovstool.switch import Finding, Switch
from ovstool.switch.accepts import qos_types
from ovstool.switch.checks import datapath, policing, port_state, shaping
from ovstool.switch.checks.port_state import Device, Shaped
from ovstool.switch.checks.queue_flows import QueueFlow

_DATAPATHS = {"system": "kernel", "netdev": "userspace"}
_MANY = 10  # flows to a queue that a page names


@dataclass(frozen=True)
class Interface:
    """An interface of the port; ``qdisc`` is its root qdisc, None where it has none or tc cannot tell."""

    name: str
    type: str
    ofport: int | None
    link_speed: int | None
    mtu: int
    qdisc: datapath.Qdisc | None


@dataclass(frozen=True)
class Asked:
    """What the database asks of a queue: bit/s, bits."""

    min_rate: int | None
    max_rate: int | None
    burst: int | None
    priority: int | None
    dscp: int | None


@dataclass(frozen=True)
class Has:
    """What ovs-vswitchd has set up for a queue: bit/s, bits."""

    min_rate: int | None
    max_rate: int | None
    burst: int | None


@dataclass(frozen=True)
class Queue:
    """A queue. ``asked`` None: ovs-vswitchd made it up. ``has`` is what ovs-vswitchd installed, ``tc`` what the kernel has; None: nothing.

    The counters are what ovs-vswitchd reads from the datapath now, None where it cannot. Of a bond all are those of its first member.
    """

    queue: int
    asked: Asked | None
    has: Has | None
    tc: datapath.Class | None
    tx_packets: int | None
    tx_bytes: int | None
    tx_errors: int | None
    flows: list[QueueFlow] | None


@dataclass(frozen=True)
class Explained:
    """All about the QoS of a port. ``in_effect`` None: that cannot be told here. ``type`` None: it has no QoS.

    ``unclassified`` is in words where traffic goes that no flow puts in a queue. ``police_rate`` limits the other direction, bit/s.
    """

    port: str
    bridge: str
    datapath: str
    interfaces: list[Interface]
    type: str | None
    max_rate: int | None
    other_config: dict[str, str]
    uuid: str | None
    shared_with: list[str]
    in_effect: bool | None
    effect: str
    queues: list[Queue]
    unclassified: str
    police_rate: int | None
    police_packet_rate: int | None
    police_in_effect: bool | None
    problems: list[Finding]


def explain(switch: Switch, name: str) -> Explained:
    """What the QoS of a port asks for and what comes of it. What cannot be asked is noted. Raises NotFound."""
    # Before ovs-vswitchd is asked, which may take up all the time that there is.
    policed = policing.findings(switch, policing.gather(switch, [name]))
    [port] = shaping.with_owner(switch, shaping.with_version(switch, port_state.gather(switch, [name], details=True)))
    problems = shaping.findings(switch, port) if port.type else []
    queues = _queues(port) if port.type else []
    in_effect, effect = _effect(port, problems)
    police_rate = next((device.police_rate for device in port.devices if device.police_rate), None)
    police_packet_rate = next((device.police_packet_rate for device in port.devices if device.police_packet_rate), None)
    idle = port.datapath_type == "dummy" or any(finding.problem in policing.WITHOUT_EFFECT for finding in policed)
    return Explained(
        port=port.port,
        bridge=port.bridge,
        datapath=_DATAPATHS.get(port.datapath_type, port.datapath_type),
        interfaces=[_interface(port, device) for device in port.devices],
        type=port.type,
        max_rate=port.max_rate if port.type else None,
        other_config=dict(port.other_config),
        uuid=port.uuid,
        shared_with=list(port.others),
        in_effect=in_effect,
        effect=effect,
        queues=queues,
        unclassified=_unclassified(port, in_effect),
        police_rate=police_rate,
        police_packet_rate=police_packet_rate,
        police_in_effect=not idle if police_rate or police_packet_rate else None,
        problems=[*problems, *policed],
    )


def page(explained: Explained) -> Iterator[str]:
    """The same for people: a line for each thing, in the order in which a packet meets them."""
    return map(one_line, _lines(explained))


def _lines(explained: Explained) -> Iterator[str]:
    yield f"{explained.port} on bridge {explained.bridge}, {explained.datapath} datapath"
    for interface in explained.interfaces:
        yield f"  interface     {_interface_words(interface)}"
    if explained.type is None:
        yield "  asked         nothing: the port has no QoS"
    else:
        shared = f"shared with {', '.join(explained.shared_with)}" if explained.shared_with else "used by no other port"
        rate = (
            f"{units.human_rate(explained.max_rate)} for all queues together{' on each interface' * (len(explained.interfaces) > 1)}"
            if explained.max_rate
            else "no max-rate"
        )
        yield f"  asked         {explained.type}, {rate} (QoS {explained.uuid}, {shared})"
    yield f"  in effect     {explained.effect}"
    for queue in explained.queues:
        yield ""
        yield from _queue_lines(queue, explained)
    yield ""
    yield f"  unclassified  {explained.unclassified}"
    limits = [units.human_rate(explained.police_rate)] if explained.police_rate else []
    limits += [f"{explained.police_packet_rate} packets/s"] if explained.police_packet_rate else []
    idle = ", but that is not in effect" if explained.police_in_effect is False else ""
    yield f"  received      {'policed to ' if limits else 'not policed'}{' and '.join(limits)}{idle}"
    for finding in explained.problems:
        yield ""
        yield f"  {finding.severity:12}  {finding.problem}"
        yield f"                {finding.evidence}"
        yield f"                try: {finding.remedy}"


def _effect(port: Shaped, problems: Sequence[Finding]) -> tuple[bool | None, str]:
    if port.type is None:
        return False, "nothing is shaped"
    if port.datapath_type == "dummy":
        return False, "no: the dummy datapath shapes nothing"
    against = [finding for finding in problems if finding.problem in shaping.WITHOUT_EFFECT]
    if against:
        return False, f"no: {against[0].problem}"
    if port.qdiscs is None or not port.installs_qdisc:
        return None, "not known here" if port.type != "linux-noop" else "linux-noop leaves the queueing of the port to other software"
    roots = [(device.name, qdisc) for device in port.devices for qdisc in port.qdiscs.get(device.name, ()) if qdisc.is_root]
    return True, "yes: " + "; ".join(
        f"tc has {qdisc.kind} {qdisc.handle} on {name}, which has sent {qdisc.packets} packets, held back {qdisc.overlimits} and dropped {qdisc.dropped}"
        for name, qdisc in roots
    )


def _unclassified(port: Shaped, in_effect: bool | None) -> str:
    if port.type is not None and in_effect is False:
        return "there are no queues, because the QoS is not in effect"
    if port.type is None or not port.has_classes:
        return "there are no queues to choose from"
    if 0 in port.queues:
        return "what no flow puts into another queue goes to queue 0"
    rate = units.human_rate(port.least_rate)
    return f"what no flow puts into a queue goes to the queue 0 that ovs-vswitchd makes up, with a min rate of {rate}"


def _queues(port: Shaped) -> list[Queue]:
    """The queues that are asked for and those that there are."""
    has, classes = port.has or {}, port.classes or {}
    found = []
    for number in sorted(port.queues.keys() | has.keys()):
        config = port.queues.get(number)
        asked = None
        if config and not config.is_gone:
            shape = qos_types.named(str(port.type)).queue_shape(config.other_config)
            asked = Asked(shape.min_rate, shape.max_rate, shape.burst, shape.priority, config.dscp)
        flows = None if port.leads is None else port.leads_to(number)
        sent = has.get(number)
        counters = (sent.tx_packets, sent.tx_bytes, sent.tx_errors) if sent else (None, None, None)
        set_up = Has(sent.min_rate, sent.max_rate, sent.burst) if sent else None
        found.append(Queue(number, asked, set_up, classes.get(number), *counters, flows))
    return found


def _interface(port: Shaped, device: Device) -> Interface:
    root = next((qdisc for qdisc in (port.qdiscs or {}).get(device.name, ()) if qdisc.is_root), None)
    return Interface(device.name, device.type, device.ofport, device.link_speed, device.mtu, root)


def _interface_words(interface: Interface) -> str:
    place = f"OpenFlow port {interface.ofport}" if interface.ofport else "not open"
    speed = f"link {units.human_rate(interface.link_speed)}" if interface.link_speed else "link speed unknown"
    return f"{interface.name} (type {interface.type}), {place}, {speed}, MTU {interface.mtu}"


def _queue_lines(queue: Queue, explained: Explained) -> Iterator[str]:
    head = f"  queue {queue.queue:<8}"
    yield (
        f"{head}asked  {_words(asdict(queue.asked)) or 'nothing of its own'}"
        if queue.asked
        else f"{head}asked  nothing: ovs-vswitchd made it up, or its row is gone"
    )
    has = _words(asdict(queue.has)) if queue.has else ""
    nothing = "nothing" if explained.in_effect is False else "not known"
    in_kernel = _class_words(queue.tc) if queue.tc else "nothing" if has and explained.in_effect is False else None
    yield f"{'':16}has    {has or nothing}" + (f"; tc: {in_kernel}" if in_kernel else "")
    if queue.tx_packets is not None:
        yield f"{'':16}sent   {queue.tx_packets} packets, {queue.tx_bytes} bytes" + (
            f"; {queue.tx_errors} errors" if queue.tx_errors else ""
        )
    else:
        yield f"{'':16}sent   not known"
    if queue.flows is None:
        yield f"{'':16}flows  not known"
    elif not queue.flows:
        yield f"{'':16}flows  {'none; it gets what no flow puts into another queue' if not queue.queue else 'none'}"
    for number, lead in enumerate(queue.flows or ()):
        if number == _MANY:
            yield f"{'':16}       and {len(queue.flows or ()) - _MANY} more"
            break
        sent = f" ({lead.packets} packets{'' if lead.certain else ', wherever they leave'})"
        where = "" if lead.bridge == explained.bridge else f"{lead.bridge}: "
        yield f"{'':16}{'flows' if not number else '':5}  {where}{shaping.shown(lead)}{sent}"


def _words(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{name.removesuffix('_rate')} {value if name in ('priority', 'dscp') else units.human_size(value) if name == 'burst' else units.human_rate(value)}"
        for name, value in values.items()
        if value is not None
    )


def _class_words(tc: datapath.Class) -> str:
    rates = _words({"rate": tc.rate, "ceil": tc.ceil})
    return f"{rates}, {tc.packets} packets sent, {tc.dropped} dropped"
