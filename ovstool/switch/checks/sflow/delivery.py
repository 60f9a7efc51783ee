"""What the switch's host hears of datagrams that have left it: collectors that refuse them, next hops that do not answer.

That they arrive cannot be seen from here; nothing is sent to a collector to find out.
"""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ovstool.errors import quote_some
from ovstool.switch import ERROR, WARNING, Finding, Switch, iproute
from ovstool.switch.checks.sflow import rules
from ovstool.switch.checks.sflow.state import Export, Host
from ovstool.switch.sflow import targets, vswitchd
from ovstool.switch.sflow.targets import Collector
from ovstool.switch.sflow.vswitchd import Logged, Vswitchd

_FAILED = "sending to collector failed"
_REFUSED = "Connection refused"  # what send(2) says after an ICMP message "port unreachable" (udp(7))
_LATELY_S = 180  # the same, where an ICMP message that has just come tells that it still goes on
_ROUND_TRIP_S = 0.2
_WAIT_S = 2.5  # for the send after the one that was refused, which is what fails
_PAUSE_S = 0.5


class Delivery(NamedTuple):
    """What is known of datagrams on their way.

    ``unanswered`` are the neighbours, by address and interface, whose MAC address is asked for in vain. ``is_refused``: whether an ICMP
    message "destination unreachable" came while datagrams were sent; None where that is not known.
    """

    vswitchd: Vswitchd | None
    unanswered: frozenset[tuple[str, str]] = frozenset()
    is_refused: bool | None = None


def at_rest(switch: Switch, host: Host) -> Delivery:
    """What is known without having datagrams sent."""
    return Delivery(host.vswitchd, _unanswered(switch))


def while_sending(switch: Switch, host: Host, exports: Sequence[Export], icmp_tells: bool) -> Delivery:
    """What is known once ovs-vswitchd, which was ``host.vswitchd`` before, has sent datagrams of these bridges, and sends more.

    Without ``icmp_tells`` ICMP messages come anyway.
    """
    collectors = {collector for export in exports for collector in export.collectors.values()}
    end = time.monotonic() + min(_WAIT_S, switch.remaining_s() / 4)
    time.sleep(_ROUND_TRIP_S)
    while True:
        daemon = switch.attempt("what ovs-vswitchd has logged", vswitchd.look, switch)
        is_refused = _has_risen(host.vswitchd, daemon) if icmp_tells else None
        known = Delivery(daemon, is_refused=is_refused)
        if not is_refused or time.monotonic() > end or any(_refusal(host, collector, known) for collector in collectors):
            return known._replace(unanswered=_unanswered(switch))
        time.sleep(_PAUSE_S)


def _has_risen(before: Vswitchd | None, now: Vswitchd | None) -> bool | None:
    """Whether more ICMP messages "destination unreachable" have come; None where they are not counted."""
    if before is None or now is None or before.unreachable is None or now.unreachable is None:
        return None
    return now.unreachable > before.unreachable


def unexplained(bridges: Sequence[str]) -> str:
    """What to say where such an ICMP message came, and nothing in the log tells whether it was an answer to these bridges' datagrams."""
    why = "a collector may refuse datagrams: ovs-vswitchd logs that at most once a minute, for all collectors together"
    return f"{quote_some(bridges)}: the switch's host received ICMP 'destination unreachable' meanwhile; {why}"


def _unanswered(switch: Switch) -> frozenset[tuple[str, str]]:
    return frozenset(switch.attempt("which neighbours do not answer", iproute.unanswered, switch) or ())


def findings(export: Export, host: Host, delivery: Delivery) -> Iterator[Finding]:
    """What is wrong on the way to each collector, of which the first is the cause of the others."""
    for target, collector in sorted(export.collectors.items()):
        if host.is_sendable(collector):
            yield from (
                list(_without_neighbour(export, host, target, collector, delivery))
                or list(_refusing(export, host, target, collector, delivery))
                or _failing(export, host, target, collector)
            )


def _without_neighbour(export: Export, host: Host, target: str, collector: Collector, delivery: Delivery) -> Iterator[Finding]:
    """Packets are dropped while nobody answers for the next hop (neigh_resolve_output of the kernel)."""
    route = host.route_to(collector)
    hop = route and (route.gateway or host.address_of(collector).partition("%")[0])
    if route and hop and (hop, route.device) in delivery.unanswered:
        evidence = f"{hop} on {route.device} does not answer ARP or neighbour discovery, so nothing gets to {target} ({rules.LOOKS})"
        look = (*host.network, "ip", "neighbour", "show", "to", hop, "dev", route.device)
        yield Finding(export.bridge, WARNING, "the next hop to a collector does not answer", evidence, (look,))


def _refusing(export: Export, host: Host, target: str, collector: Collector, delivery: Delivery) -> Iterator[Finding]:
    logged = _refusal(host, collector, delivery)
    if logged:
        evidence = f"nothing listens at {target}: its host answers with ICMP port unreachable; start the collector, or correct its port{rules.said(logged)}"
        yield Finding(export.bridge, ERROR, "a collector refuses datagrams", evidence)


def _refusal(host: Host, collector: Collector, delivery: Delivery) -> Logged | None:
    """What the log has of it: of sockets that are open, or, if datagrams are being refused while they are sent, of any to this collector."""
    daemon = delivery.vswitchd
    if daemon is None or delivery.is_refused is False:
        return None
    address = host.address_of(collector).partition("%")[0]
    sockets = [socket.local_target for socket in daemon.to(address, collector.port)]
    to_it = f"<->{targets.target(address, collector.port)}: {_FAILED}"
    every = [daemon.logged(f"{local}{to_it}", _REFUSED) for local in ([""] if delivery.is_refused else sockets)]
    most_s = _LATELY_S if delivery.is_refused else rules.RECENT_S
    return min((logged for logged in every if logged and logged.age_s < most_s), default=None)


def _failing(export: Export, host: Host, target: str, collector: Collector) -> Iterator[Finding]:
    """What send(2) says of a socket that is open, as a firewall's EPERM, is in the log alone (collectors_send)."""
    for socket in host.sockets_to(collector):
        logged = host.vswitchd and host.vswitchd.logged(f"{socket.local_target}<->", _FAILED)
        if logged and logged.age_s < rules.RECENT_S and _REFUSED not in logged.text and not host.lacks(socket):
            evidence = f"{target} ({rules.LOOKS}){rules.said(logged)}"
            look = (*host.network, "ip", "route", "get", collector.host)
            yield Finding(export.bridge, ERROR, "sending to a collector fails", evidence, (look,))
