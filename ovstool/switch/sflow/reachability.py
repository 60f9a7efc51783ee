"""Whether ovs-vswitchd can send to the collectors, and which agent identifies the switch: what it would silently ignore is refused."""

from collections.abc import Iterator, Sequence

from ovstool.errors import NotFound, Refused, quote
from ovstool.switch import Switch
from ovstool.switch.sflow.host_answers import HostAnswers
from ovstool.switch.sflow.targets import Collector, is_ip, required_reachable

_IGNORED = "so Open vSwitch would fall back to the source address of the route to the collector, or send nothing"


def resolved(switch: Switch, collectors: Sequence[Collector], answers: HostAnswers) -> list[Collector]:
    """The collectors by address, each once. Raises NotFound for a name without one.

    ovs-vswitchd opens its sockets before it has the answer of libunbound, and is often built without that (dns_resolve of dns-resolve.c).
    """
    found = []
    for collector in dict.fromkeys(collectors):
        address = collector.host if is_ip(collector.host) else answers.resolved.get(collector.host)
        if address is None:
            raise NotFound(f"collector {quote(collector.host)}", "the switch's host cannot resolve it", "an IP address")
        if address != collector.host:
            why = "which is what is stored: ovs-vswitchd resolves names too late or not at all"
            switch.notes.append(f"collector {collector.host} is {address}, {why}")
        found.append(Collector(required_reachable(address), collector.port))
    return list(dict.fromkeys(found))


def agent(asked: str | None, collector: str, answers: HostAnswers) -> str | None:
    """The interface or address that is to identify the switch: the one asked for, else that of the route to a collector, by address.

    Where the interface of that route has no address of its own, it is the address that packets leave with. None where there is no route.
    """
    if asked is not None:
        return asked
    if scope := collector.partition("%")[2]:
        return scope
    route = answers.routes.get(collector)
    if route and route.source and not answers.addresses.get(route.device):
        return route.source
    return route.device if route else None


def problems(agent: str | None, collectors: Sequence[Collector], answers: HostAnswers) -> Iterator[Refused]:
    """What ovs-vswitchd would make nothing of, or not what was asked for (sflow_choose_agent_address of ofproto-dpif-sflow.c)."""
    if agent is not None and not is_ip(agent) and not answers.addresses.get(agent):
        problem = "has no IP address" if agent in answers.addresses else "there is no such interface"
        yield Refused(f"agent {quote(agent)}", f"{problem}, {_IGNORED}", "an interface with an address, an IP address, or --force")
    for host in dict.fromkeys(collector.host for collector in collectors):
        route = answers.routes.get(host)
        if route is None:
            why = "there is no route to it, and ovs-vswitchd looks for one only when its configuration changes"
            yield Refused(f"collector {host}", why, "another collector, or --force")
        elif route.type == "broadcast":
            yield Refused(f"collector {host}", "a broadcast address, to which ovs-vswitchd cannot send")
