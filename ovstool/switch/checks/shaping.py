"""Why a QoS that was set may do nothing, or something else than was meant: what the database tells (qos_rules.py), tc, and the flows."""

import shlex
from collections.abc import Callable, Iterator, Sequence

from ovstool import units
from ovstool.errors import quote_some
from ovstool.openflow import steering
from ovstool.switch import ERROR, WARNING, Finding, Switch, lookup, steer, versions
from ovstool.switch.checks import port_state, shaping_remedies, shaping_rules
from ovstool.switch.checks.port_state import Shaped
from ovstool.switch.checks.queue_flows import QueueFlow
from ovstool.switch.qos import references

# The problems with which nothing is shaped at all.
WITHOUT_EFFECT = (
    "QoS type not known", "QoS type not supported by this interface", shaping_rules.NOT_OPEN, "the qdisc is not installed",
    "a foreign qdisc is in the way", shaping_rules.BYPASSED,
)  # fmt: skip
_DSCPS = (46, 34, 26, 18, 10, *range(1, 10))  # those of RFC 4594 first, as an example of what may be put into a queue
_UPDATED_MS = 5000


def check(switch: Switch, names: Sequence[str]) -> list[Finding]:
    """What is wrong with the QoS of these ports; without names of all, and with rows that no port uses. Raises NotFound."""
    # The database is asked first: an ovs-vswitchd that does not answer takes up all the time that there is.
    rest = [] if names else _orphans(switch)
    wide = _switch_wide(switch)
    found = []
    ports = port_state.gather(switch, names)
    for port in with_owner(switch, with_version(switch, ports)):
        if port.type is None:
            switch.notes.append(f"{port.port}: has no QoS")
        else:
            found += findings(switch, port)
    return found + rest + (wide if any(port.type for port in ports) else [])


def findings(switch: Switch, port: Shaped) -> list[Finding]:
    """What is wrong with the QoS of one port."""
    if port.datapath_type == "dummy":
        switch.notes.append(f"{port.port}: the dummy datapath puts no QoS into effect; only the configuration was checked")
    return [*shaping_rules.findings(port), *(finding for rule in _RULES for finding in rule(port))]


def with_version(switch: Switch, ports: Sequence[Shaped]) -> list[Shaped]:
    """The same with the version that ovs-vswitchd tells, where the database has none and a rule depends on it."""
    if not any(port.type is not None and port.version is None and _depends_on_version(port) for port in ports):
        return list(ports)
    running = versions.running(switch)
    return [port._replace(version=port.version or running) for port in ports]


def with_owner(switch: Switch, ports: Sequence[Shaped]) -> list[Shaped]:
    """The same, those whose bridge has flows that 'qos steer' cannot add to as somebody's; asked where a queue has none alone."""
    wanting = lookup.unique(port.bridge for port in ports if port.type is not None and not port.is_owned and _unused(port))
    taken = {bridge for bridge in wanting if not steer.is_open(switch, bridge, _example(_DSCPS[0]))}
    return [port._replace(is_owned=port.is_owned or port.bridge in taken) for port in ports]


def _depends_on_version(port: Shaped) -> bool:
    rates = [port.max_rate or 0, *(port.shape(number).max_rate or 0 for number in port.queues)]
    return (
        (port.has_classes and not port.max_rate)
        or max(rates) > shaping_rules.HIGHEST_BPS
        or any(known.since for key, known in port.kind.keys.items() if key in port.other_config)
    )


def _qdisc(port: Shaped) -> Iterator[Finding]:
    """What tc has, against what it should have."""
    if port.qdiscs is None or not port.installs_qdisc or port.datapath_type == "dummy":
        return
    wanted = str(port.type).removeprefix("linux-")
    for device in port.devices:
        if device.ofport is None or not port_state.can_have_qos(device.type):
            continue
        if device.name not in port.qdiscs and not device.is_here:
            evidence = f"tc does not know {device.name} where ovs-vswitchd runs; a device in another network namespace gets no QoS"
            yield Finding(port.port, ERROR, "the qdisc is not installed", evidence, f"ovstool port show {shlex.quote(device.name)}")
            continue
        root = next((qdisc for qdisc in port.qdiscs.get(device.name, ()) if qdisc.is_root), None)
        default = 1 if port.has_classes else None  # the class of queue 0
        if root and (root.kind, root.handle) == (wanted, "1:") and (default is None or root.default == default):
            continue
        has = (
            f"tc has {_qdisc_words(root.kind, root.handle, root.default)} on {device.name}"
            if root
            else f"tc has no root qdisc on {device.name}"
        )
        evidence = f"{has}, and {port.type} should be {_qdisc_words(wanted, '1:', default)}"
        foreign = root and root.handle != "0:"  # which those have that the kernel adds by itself
        yield Finding(
            port.port,
            ERROR,
            "a foreign qdisc is in the way" if foreign else "the qdisc is not installed",
            evidence,
            shaping_remedies.anew(port),
        )


def _qdisc_words(kind: str, handle: str, default: int | None) -> str:
    return f"{kind} {handle}" + (f" with the default class 1:{default:x}" if default is not None else "")


def _no_flow(port: Shaped) -> Iterator[Finding]:
    """Queues that nothing leads to: a queue is used by what a flow puts there and by nothing else, but for queue 0.

    On the userspace datapath classes cannot be selected, and a queue with a dscp marks.
    """
    unused = _unused(port)
    used = {lead.match for leads in port.anywhere.values() for lead in leads} if unused else set()
    examples = (dscp for dscp in _DSCPS if f"ip,nw_tos={dscp * 4}" not in used)
    for number in unused:
        evidence = f"queue {number}: no flow of {port.bridge} has set_queue:{number} or enqueue for it"
        if port.is_owned:
            evidence += f"; that is for whoever makes the flows of {port.bridge}, which are more than NORMAL, or a controller's"
            remedy = f"ovstool flow list {shlex.quote(port.bridge)}"
        else:
            evidence += "; the match of the remedy is an example"
            remedy = f"ovstool qos steer {shlex.quote(port.port)} --queue {number} --match {_example(next(examples, _DSCPS[0]))}"
        yield Finding(port.port, WARNING, "no flow leads to a queue", evidence, remedy)


def _unused(port: Shaped) -> list[int]:
    if port.leads is None or port.kind.queue is None:
        return []
    selected = [n for n, queue in port.queues.items() if port.kind.is_policer or port.datapath_type != "netdev" or queue.dscp is not None]
    return [number for number in selected if 0 < number <= port.kind.last_queue and not port.leads_to(number)]


def _example(dscp: int) -> str:
    return f"ip,ip_dscp={dscp}"


def _unmarked(port: Shaped) -> Iterator[Finding]:
    return shaping_rules.dscp_of_queue_0(port) if port.leads is not None else iter(())


def _no_such_queue(port: Shaped) -> Iterator[Finding]:
    if not port.has_classes:
        return
    named = port.leads or []
    for number in sorted({lead.queue for lead in named if 0 < lead.queue <= port.kind.last_queue} - port.queues.keys()):
        lead = next(lead for lead in named if lead.queue == number)
        evidence = f"flow {shown(lead)} leads to queue {number}, which the port does not have, so to queue 0"
        yield Finding(
            port.port, WARNING, "a flow leads to a queue that is not there", evidence, shaping_remedies.merge(port, f"--queue {number}")
        )
    ours = [lead for leads in port.anywhere.values() for lead in leads if int(lead.cookie, 16) == steering.cookie(port.port)]
    for number in sorted({lead.queue for lead in ours} - port.queues.keys()):
        lead = next(lead for lead in ours if lead.queue == number)
        evidence = f"'qos steer' put flow {shown(lead)} there, and the port has no queue {number} any more"
        remedy = f"ovstool qos unsteer {shlex.quote(port.port)} --queue {number}"
        yield Finding(port.port, WARNING, "a flow leads to a queue that is not there", evidence, remedy)


_RULES: tuple[Callable[[Shaped], Iterator[Finding]], ...] = (_qdisc, _no_flow, _unmarked, _no_such_queue)


def _orphans(switch: Switch) -> list[Finding]:
    found = []
    orphans = references.orphans(switch)
    for table in ("QoS", "Queue"):
        uuids = [u for of, u in orphans if of == table]
        if uuids:
            evidence = f"{len(uuids)} of table {table}: {quote_some(uuids, 3)}"
            found.append(Finding(None, WARNING, "rows that nothing refers to", evidence, "ovstool qos gc"))
    return found


def _switch_wide(switch: Switch) -> list[Finding]:
    text = lookup.other_config(switch).get("stats-update-interval")
    if text is None or text == str(_UPDATED_MS):
        return []
    remedy = "ovs-vsctl remove Open_vSwitch . other_config stats-update-interval"
    if interval_ms := units.whole_number(text, _UPDATED_MS, units.MAX):
        evidence = f"counters in the database are up to {interval_ms / 1000:g} s old; 'ovstool stats' has live ones"
    else:
        evidence = f"stats-update-interval is {text!r}, which ovs-vswitchd takes as {_UPDATED_MS} ms"
    return [Finding(None, WARNING, "stats-update-interval is unusual", evidence, remedy)]


def shown(lead: QueueFlow) -> str:
    return f"{','.join(filter(None, (f'priority={lead.priority}', lead.match)))} actions={lead.actions}"
