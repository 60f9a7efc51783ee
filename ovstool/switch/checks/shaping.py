"""Why QoS may have no effect, or not the intended one: the check, and its rules that need tc or the flows of the bridge."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ovstool import units
from ovstool.errors import quote_some
from ovstool.switch import ERROR, WARNING, Finding, Switch, lookup, references, versions
from ovstool.switch.checks import port_state, shaping_rules
from ovstool.switch.checks import shaping_remedies as remedies
from ovstool.switch.checks.port_state import PortState

if TYPE_CHECKING:
    from ovstool.switch.checks.queue_flows import QueueFlow

_DSCPS = (46, 34, 26, 18, 10, *range(1, 10))  # examples of traffic to put into a queue; those of RFC 4594 first
_UPDATED_MS = 5000
_NO_SUCH_QUEUE = "a flow leads to a queue that is not there"


def check(switch: Switch, names: Sequence[str]) -> list[Finding]:
    """What is wrong with the QoS of these ports; without names, of all ports, and rows that no port uses. Raises NotFound."""
    # The database comes first: an ovs-vswitchd that does not answer uses up the whole timeout.
    rest = [] if names else _orphans(switch)
    wide = _switch_wide(switch)
    found = []
    ports = observed(switch, names)
    for port in ports:
        if port.type is None:
            switch.notes.append(f"{port.name}: has no QoS")
        else:
            found += findings(switch, port)
    return found + rest + (wide if any(port.type for port in ports) else [])


def observed(switch: Switch, names: Sequence[str], details: bool = False) -> list[PortState]:
    """All that the rules need to know about the QoS of these ports. Raises NotFound.

    ``details``: also what ovs-vswitchd and the kernel have of each queue.
    """
    return _with_owner(switch, _with_version(switch, port_state.observed(switch, names, details)))


def findings(switch: Switch, port: PortState) -> list[Finding]:
    """What is wrong with the QoS of one port."""
    if port.datapath_type == "dummy":
        switch.notes.append(f"{port.name}: the dummy datapath does not apply QoS; only the configuration was checked")
    return [*shaping_rules.findings(port), *(finding for rule in _RULES for finding in rule(port))]


def in_words(flow: "QueueFlow") -> str:
    """A flow as shown on a page or in a finding."""
    return f"{','.join(filter(None, (f'priority={flow.priority}', flow.match)))} actions={flow.actions}"


def _with_version(switch: Switch, ports: Sequence[PortState]) -> list[PortState]:
    """The ports with the version that ovs-vswitchd reports, where the database has none and a rule depends on it."""
    if not any(port.type is not None and port.version is None and shaping_rules.depend_on_version(port) for port in ports):
        return list(ports)
    running = versions.running(switch)
    return [port._replace(version=port.version or running) for port in ports]


def _with_owner(switch: Switch, ports: Sequence[PortState]) -> list[PortState]:
    """The ports, marked ``is_owned`` where 'qos steer' cannot add to the flows of the bridge; only looked up where a queue has no flow."""
    wanting = lookup.unique(port.bridge for port in ports if port.type is not None and not port.is_owned and _unused(port))
    if not wanting:
        return list(ports)
    from ovstool.switch import steer  # rarely needed

    taken = {bridge for bridge in wanting if not steer.is_open(switch, bridge, _example(_DSCPS[0]))}
    return [port._replace(is_owned=port.is_owned or port.bridge in taken) for port in ports]


def _qdisc(port: PortState) -> Iterator[Finding]:
    """ovs-vswitchd installs a qdisc when the type changes and never checks it again, so later changes with tc stay (netdev_linux_set_qos).

    A qdisc that somebody else has put in its place stays for the same reason. On a device in another network namespace
    ovs-vswitchd installs nothing (netdev_linux_netnsid_is_remote).
    """
    if port.qdiscs is None or not port.installs_qdisc or port.datapath_type == "dummy":
        return
    for interface in port.interfaces:
        if interface.ofport is None or not interface.can_have_qos:
            continue
        if interface.name not in port.qdiscs and not interface.is_here:
            evidence = f"tc cannot find {interface.name} where ovs-vswitchd runs; a device in another network namespace gets no QoS"
            remedy = ("ovstool", "port", "show", interface.name)
            yield Finding(port.name, ERROR, "the qdisc is not installed", evidence, (remedy,), disables=True)
        else:
            yield from _root_qdisc(port, interface.name)


def _root_qdisc(port: PortState, interface: str) -> Iterator[Finding]:
    """Open vSwitch uses the handle 1:, and class 1:1, queue 0, is the default (htb_setup_qdisc__, hfsc_setup_qdisc__)."""
    wanted = str(port.type).removeprefix("linux-")
    default = 1 if port.has_classes else None
    root = port.root_qdisc(interface)
    if root and (root.kind, root.handle) == (wanted, "1:") and (default is None or root.default == default):
        return
    has = f"{_qdisc_words(root.kind, root.handle, root.default)} on" if root else "no root qdisc on"
    evidence = f"tc has {has} {interface}; for {port.type} it should be {_qdisc_words(wanted, '1:', default)}"
    is_foreign = root and root.handle != "0:"  # the handle of qdiscs that the kernel adds itself
    problem = "a foreign qdisc is in the way" if is_foreign else "the qdisc is not installed"
    yield Finding(port.name, ERROR, problem, evidence, remedies.reinstall(port), disables=True)


def _qdisc_words(kind: str, handle: str, default: int | None) -> str:
    return f"{kind} {handle}" + (f" with the default class 1:{default:x}" if default is not None else "")


def _no_flow(port: PortState) -> Iterator[Finding]:
    """Any queue but queue 0 carries only traffic that a flow puts there with set_queue or enqueue (ovs-actions(7)).

    On the userspace datapath classes cannot be selected, but a queue with a dscp still marks.
    """
    unused = _unused(port)
    used = {flow.match for flows in port.anywhere.values() for flow in flows} if unused else set()
    examples = (dscp for dscp in _DSCPS if f"ip,nw_tos={dscp * 4}" not in used)
    for number in unused:
        evidence = f"queue {number}: no flow on {port.bridge} uses set_queue:{number} or enqueue for it"
        if port.is_owned:
            evidence += (
                f"; adding one is up to whoever manages the flows of {port.bridge}, which are not just NORMAL or belong to a controller"
            )
            remedy = remedies.list_flows(port)
        else:
            evidence += "; the match in the remedy is only an example"
            remedy = remedies.steer(port, number, _example(next(examples, _DSCPS[0])))
        yield Finding(port.name, WARNING, "no flow leads to a queue", evidence, remedy)


def _unused(port: PortState) -> list[int]:
    """The queues that no flow leads to; empty where the flows are not known."""
    if port.queue_flows is None or port.kind.queue is None:
        return []
    selected = [n for n, queue in port.queues.items() if port.kind.is_policer or port.datapath_type != "netdev" or queue.dscp is not None]
    return [number for number in selected if 0 < number <= port.kind.last_queue and not port.flows_to(number)]


def _example(dscp: int) -> str:
    return f"ip,ip_dscp={dscp}"


def _unmarked(port: PortState) -> Iterator[Finding]:
    """shaping_rules.dscp_of_queue_0, which needs the flows to be known here."""
    return shaping_rules.dscp_of_queue_0(port) if port.queue_flows is not None else iter(())


def _no_such_queue(port: PortState) -> Iterator[Finding]:
    """Traffic for a queue without a class goes to the default class, that of queue 0 (Linux, sch_htb.c: htb_classify)."""
    if not port.has_classes:
        return
    named = port.queue_flows or []
    for number in sorted({flow.queue for flow in named if 0 < flow.queue <= port.kind.last_queue} - port.queues.keys()):
        flow = next(flow for flow in named if flow.queue == number)
        evidence = f"flow {in_words(flow)} selects queue {number}, which the port does not have, so its traffic goes to queue 0"
        yield Finding(port.name, WARNING, _NO_SUCH_QUEUE, evidence, remedies.merge(port, "--queue", str(number)))


def _steered_nowhere(port: PortState) -> Iterator[Finding]:
    """A flow of 'qos steer' names no port, so it stays when the port loses the queue; its cookie shows which port it is for."""
    if not port.has_classes or not port.anywhere:
        return
    from ovstool.openflow import steering

    ours = [flow for flows in port.anywhere.values() for flow in flows if int(flow.cookie, 16) == steering.cookie(port.name)]
    for number in sorted({flow.queue for flow in ours} - port.queues.keys()):
        flow = next(flow for flow in ours if flow.queue == number)
        evidence = f"'qos steer' added flow {in_words(flow)}, but the port no longer has queue {number}"
        remedy = ("ovstool", "qos", "unsteer", port.name, "--queue", str(number))
        yield Finding(port.name, WARNING, _NO_SUCH_QUEUE, evidence, (remedy,))


_RULES: tuple[Callable[[PortState], Iterator[Finding]], ...] = (_qdisc, _no_flow, _unmarked, _no_such_queue, _steered_nowhere)


def _orphans(switch: Switch) -> list[Finding]:
    """QoS and Queue are root tables: rows stay when nothing refers to them any longer (vswitch.ovsschema; RFC 7047, 3.2)."""
    found = []
    orphans = references.orphans(switch)
    for table in ("QoS", "Queue"):
        uuids = [u for of, u in orphans if of == table]
        if uuids:
            evidence = f"{units.counted(len(uuids), 'row')} in table {table}: {quote_some(uuids, 3)}"
            found.append(Finding(None, WARNING, "rows that nothing refers to", evidence, (("ovstool", "qos", "gc"),)))
    return found


def _switch_wide(switch: Switch) -> list[Finding]:
    """ovs-vswitchd writes counters every 5 s, or less often if configured so (bridge.c, run_stats_update)."""
    text = lookup.other_config(switch).get("stats-update-interval")
    if text is None or text == str(_UPDATED_MS):
        return []
    remedy = ("ovs-vsctl", "remove", "Open_vSwitch", ".", "other_config", "stats-update-interval")
    if interval_ms := units.whole_number(text, _UPDATED_MS, units.MAX):
        evidence = f"counters in the database are up to {interval_ms / 1000:g} s old; 'ovstool stats' has live ones"
    else:
        evidence = f"stats-update-interval is {text!r}, which ovs-vswitchd treats as {_UPDATED_MS} ms"
    return [Finding(None, WARNING, "stats-update-interval is unusual", evidence, (remedy,))]
