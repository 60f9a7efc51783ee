"""Why samples may not arrive, or say something else than was asked for: rules over rows, routes and ovs-vswitchd's sockets.

What ovs-vswitchd makes of each was read in ofproto-dpif-sflow.c, collectors.c and sflow_receiver.c of Open vSwitch 2.13 to 3.7. The rules
that need a datagram are in ``datagrams``.
"""

from collections.abc import Callable, Iterator, Sequence

from ovstool import units
from ovstool.errors import quote
from ovstool.switch import ERROR, WARNING, Finding, sflow
from ovstool.switch.checks.sflow.state import SHORTEST_HEADER, Export, Host
from ovstool.switch.sflow import targets
from ovstool.switch.sflow.vswitchd import Logged, Vswitchd

RECENT_S = 120  # the log has one warning a minute of what goes on (VLOG_RATE_LIMIT_INIT of collectors.c)
_SHOWN = 200  # characters of a line of its log
_STOPPED = ("T", "t")  # states of proc(5)
LOOKS = "the remedy only looks"  # where no command is known that mends it


def of_row(export: Export) -> Iterator[Finding]:
    """What the row alone tells."""
    for rule in _RULES_OF_ROWS:
        yield from rule(export)


def findings(export: Export, every: Sequence[Export], host: Host) -> Iterator[Finding]:
    """What is wrong with the sFlow of a bridge; ``every`` are all bridges that have it."""
    yield from of_row(export)
    if not host.is_running or (host.vswitchd and host.vswitchd.state in _STOPPED):
        yield _stopped(export, host.vswitchd)
        return
    if export.datapath_id is None:
        yield _not_set_up(export, host.vswitchd)
        return
    for rule in _RULES_OF_THE_HOST:
        yield from rule(export, host)
    yield from _not_sending(export, every, host)


def _sampling(export: Export) -> Iterator[Finding]:
    """With 0 there is no sFlow, and the chance of a packet is a multiple of 2^-32 (dpif_sflow_set_options)."""
    if not 1 <= export.sampling <= sflow.MOST_SAMPLING:
        is_off = export.sampling % 2**32 == 0
        effect = "which turns sFlow off" if is_off else f"which Open vSwitch cannot do: up to {sflow.MOST_SAMPLING} it samples to within 1%"
        evidence = f"sampling is {export.sampling}, {effect}"
        yield Finding(export.bridge, ERROR, "sampling out of range", evidence, (export.mended(),), disables=is_off)


def _header(export: Export) -> Iterator[Finding]:
    """A sample of more than half a datagram is dropped (sfl_receiver_writeFlowSample); a negative header is all of the packet."""
    mended = (export.mended(),)
    if export.header > sflow.MOST_HEADER or export.header < 0:
        evidence = f"header is {export.header} bytes; ovs-vswitchd drops the sample of every packet longer than {sflow.MOST_HEADER}"
        yield Finding(export.bridge, ERROR, "header too long", evidence, mended)
    elif export.header > sflow.SAFE_HEADER and export.has_tunnels:
        evidence = f"header is {export.header} bytes; a packet of a tunnel has room for {sflow.SAFE_HEADER}, or its sample is dropped"
        yield Finding(export.bridge, WARNING, "header too long for tunnels", evidence, mended)
    elif export.header < SHORTEST_HEADER:
        evidence = f"header is {export.header} bytes, and the IP addresses of a packet end at {SHORTEST_HEADER}"
        yield Finding(export.bridge, WARNING, "header too short", evidence, mended)


def _polling(export: Export) -> Iterator[Finding]:
    """ovs-vswitchd has 32 bits for it (struct ofproto_sflow_options)."""
    if not 0 <= export.polling_s < 2**32:
        evidence = f"polling is {export.polling_s} s, of which ovs-vswitchd makes {export.polling_s % 2**32} s"
        yield Finding(export.bridge, ERROR, "polling out of range", evidence, (export.mended(),))


def _collectors(export: Export) -> Iterator[Finding]:
    """A target that inet_parse_active does not take is left out."""
    for target in sorted(set(export.targets) - export.collectors.keys()):
        evidence = f"{quote(target)} is not the address of a host, with or without a port, so Open vSwitch ignores it"
        if not target:
            evidence = "a target is empty, as an unset variable of a shell makes it, so Open vSwitch ignores it"
        yield Finding(export.bridge, ERROR, "not the address of a collector", evidence, (export.mended(),), disables=not export.collectors)


def _stopped(export: Export, daemon: Vswitchd | None) -> Finding:
    if daemon and daemon.state:
        evidence = f"process {daemon.pid} is in state {daemon.state} of proc(5), stopped by a signal or a debugger"
        remedy = (("kill", "-CONT", str(daemon.pid)),)
        return Finding(export.bridge, ERROR, "ovs-vswitchd is stopped", evidence, remedy, disables=True)
    evidence = "no process of this name has the number in its pid file, and nothing answers ovs-appctl"
    return Finding(export.bridge, ERROR, "ovs-vswitchd is not running", evidence, disables=True)


def _not_set_up(export: Export, daemon: Vswitchd | None) -> Finding:
    """It has given no ID to a bridge that it could not create, as one of a datapath type that it does not know (bridge_reconfigure)."""
    logged = daemon.logged(f"bridge {export.bridge}:") if daemon else None
    evidence = f"it has given the bridge no datapath ID{said(logged)}"
    remedy = (("ovstool", "bridge", "show", export.bridge),)
    return Finding(export.bridge, ERROR, "ovs-vswitchd has not set up the bridge", evidence, remedy, disables=True, may_pass=True)


def said(logged: Logged | None) -> str:
    """A line of the log, as the end of the evidence."""
    return f"; {units.human_duration(logged.age_s)} ago ovs-vswitchd logged: {logged.text[:_SHOWN]}" if logged else ""


def _agent(export: Export, host: Host) -> Iterator[Finding]:
    """An agent that has no address is passed over for the address on the route to a collector (sflow_choose_agent_address)."""
    if export.agent is None or targets.is_ip(export.agent) or not host.answers or host.addresses_of(export.agent):
        return
    is_there = host.addresses_of(export.agent) is not None
    problem = "the agent has no address" if is_there else "the agent is no interface of this host"
    agent = quote(export.agent)
    why = f"{agent} has no address but link-local ones" if is_there else f"the switch's host has no interface {agent}"
    instead = " or ".join(sorted(host.agents_of(export)))
    effect = f"datagrams carry agent address {instead}" if instead else "sFlow is off: no agent address could be determined"
    remedy = (export.mended(),) if instead else ()
    yield Finding(export.bridge, ERROR, problem, f"{why}, so {effect}", remedy, disables=not instead)


def _everybodys_agent(export: Export, host: Host) -> Iterator[Finding]:
    """Collectors tell switches apart by the address of their agents (sFlow v5, section 5.1), which a loopback address does not."""
    if agents := host.everybodys_agents(export):
        evidence = f"datagrams carry agent address {agents[0]}, which every host has, and a collector is another host"
        yield Finding(export.bridge, WARNING, "the agent's address is a loopback address", evidence, (export.mended(),))


def _route(export: Export, host: Host) -> Iterator[Finding]:
    for target, collector in sorted(export.collectors.items()) if host.answers else ():
        route, others = host.route_to(collector), any(host.route_to(other) for other in export.collectors.values())
        look = ((*host.network, "ip", "route", "get", host.address_of(collector)),)
        if not targets.is_ip(host.address_of(collector)):
            evidence = f"the switch's host cannot resolve {collector.host}; give the collector's IP address ({LOOKS})"
            remedy = ((*host.network, "getent", "ahosts", collector.host),)
            yield Finding(export.bridge, ERROR, "not the address of a collector", evidence, remedy, disables=not others)
        elif down := host.link_down_to(collector):
            evidence = f"{target} is on the network of {quote(down.name)}, which is down, so there is no route"
            up = (*host.network, "ip", "link", "set", down.name, "up")
            yield Finding(export.bridge, ERROR, "the interface to a collector is down", evidence, (up,), disables=not others)
        elif route is None:
            evidence = f"the switch's host has none for {target}; add it there, then check again ({LOOKS})"
            yield Finding(export.bridge, ERROR, "no route to a collector", evidence, look, disables=not others)
        elif route.type == "broadcast":
            evidence = f"{collector.host} is a broadcast address, to which Open vSwitch cannot send; give the collector's own ({LOOKS})"
            yield Finding(export.bridge, ERROR, "not the address of a collector", evidence, look)


def _moved(export: Export, host: Host) -> Iterator[Finding]:
    """A socket keeps the address that its packets leave with; once no interface has that, none leave (ip_route_output_key)."""
    for target, collector in sorted(export.collectors.items()):
        gone = sorted({socket.local for socket in host.sockets_to(collector) if host.lacks(socket)})
        if gone:
            evidence = f"its socket to {target} has the address {gone[0]}, which no interface of the host has any more"
            yield Finding(export.bridge, ERROR, "ovs-vswitchd sends from an address that is gone", evidence, export.anew)


def _dropped(export: Export, host: Host) -> Iterator[Finding]:
    """Labels of MPLS make samples longer, too; the log does not say of which bridge (sfl_receiver_writeFlowSample)."""
    if export.has_tunnels or not sflow.SAFE_HEADER < export.header <= sflow.MOST_HEADER:
        return
    logged = host.vswitchd and host.vswitchd.logged_since("flow sample too big")
    if logged and logged.age_s < RECENT_S:
        evidence = f"header is {export.header} bytes{said(logged)}"
        yield Finding(export.bridge, ERROR, "header too long", evidence, (export.mended(header=sflow.SAFE_HEADER),))


def _not_sending(export: Export, every: Sequence[Export], host: Host) -> Iterator[Finding]:
    """ovs-vswitchd has a socket for each collector of each bridge while its sFlow is on (collectors_create, dpif_sflow_clear__).

    It opens them when the configuration changes: what had no route by then, or no address to be had for the agent, stays so.
    """
    daemon = host.vswitchd
    if not daemon or not daemon.state or export.sampling % 2**32 == 0:
        return
    is_on = any(host.sockets_to(other) for other in export.collectors.values())
    wanting = [other for other in every if other == export or _may_be_on(other, host)]
    for target, collector in sorted(export.collectors.items()):
        sockets, wanted = host.sockets_to(collector), sum(collector in other.collectors.values() for other in wanting)
        if not host.is_sendable(collector) or len(sockets) >= wanted:
            continue  # what has no route is said already
        has = f"{len(sockets)} of {wanted} sockets" if sockets else "no socket"
        logged = daemon.logged_since("open connection to collector", target)
        if not is_on:
            logged = logged or daemon.logged_since("for sFlow agent") or daemon.logged_since("no collectors")
        evidence = f"it has {has} to {target}, which it opens when its configuration changes{said(logged)}"
        yield Finding(export.bridge, ERROR, "ovs-vswitchd does not send to a collector", evidence, export.anew, not is_on, may_pass=True)


def _may_be_on(export: Export, host: Host) -> bool:
    """Whether ovs-vswitchd has opened sockets for it, as far as can be told."""
    return export.datapath_id is not None and export.sampling % 2**32 != 0 and bool(not host.answers or host.agents_of(export))


_RULES_OF_ROWS: tuple[Callable[[Export], Iterator[Finding]], ...] = (_sampling, _polling, _header, _collectors)
_RULES_OF_THE_HOST: tuple[Callable[[Export, Host], Iterator[Finding]], ...] = (
    _agent,
    _everybodys_agent,
    _route,
    _moved,
    _dropped,
)
