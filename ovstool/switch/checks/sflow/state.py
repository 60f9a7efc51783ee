"""What decides whether sFlow arrives: the rows of the database, addresses and routes of the switch's host, and what ovs-vswitchd shows."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ovstool.errors import OvstoolError, UsageError
from ovstool.ovsdb.columns import by_row
from ovstool.ovsdb.transaction import Row
from ovstool.ovsdb.values import many, ofport, one
from ovstool.switch import Argv, Switch, iproute, lookup, sflow
from ovstool.switch.accepts import port_types
from ovstool.switch.iproute import Link
from ovstool.switch.sflow import host_answers, second_target, targets, vswitchd
from ovstool.switch.sflow.host_answers import HostAnswers, Route
from ovstool.switch.sflow.targets import Collector
from ovstool.switch.sflow.vswitchd import UdpSocket, Vswitchd

SHORTEST_HEADER = 14 + 20  # bytes: Ethernet and IPv4, with both addresses
_PATIENCE_S = 5
_UNTOLD = ("Permission denied", "Alarm clock")  # errors of ovs-appctl that do not say whether anybody is there
_TABLES = {
    "Bridge": ("name", "sflow", "datapath_id", "ports", "controller"), "Controller": ("local_ip",), "Port": ("interfaces",),
    "Interface": ("name", "type", "ofport", "ifindex"), "sFlow": ("agent", "targets", "sampling", "polling", "header", "external_ids"),
}  # fmt: skip


class SampledInterface(NamedTuple):
    """An interface of a bridge; ``ofport`` and ``ifindex`` are None while it has none."""

    name: str
    type: str
    ofport: int | None
    ifindex: int | None


class Export(NamedTuple):
    """A bridge and what is asked of its sFlow, with Open vSwitch's defaults for what is not.

    ``row`` is the UUID of the sFlow row, which bridges may share, ``datapath_id`` what counters call the bridge. ``local_addresses`` are
    those by which its controllers are reached. ``refused`` are its collectors as far as ``sflow enable`` takes them with --force alone,
    ``nameless`` those whose name has no address, which it never takes; ``is_agent_unfit``: the agent has no address, or one that every host
    has. None of these is known before the host has answered.
    """

    bridge: str
    row: str
    agent: str | None
    targets: list[str]
    sampling: int
    polling_s: int
    header: int
    datapath_id: str | None = None
    interfaces: Sequence[SampledInterface] = ()
    local_addresses: Sequence[str] = ()
    refused: frozenset[str] = frozenset()
    nameless: frozenset[str] = frozenset()
    is_agent_unfit: bool = False

    @property
    def collectors(self) -> dict[str, Collector]:
        """The collectors by their targets, without those that are none."""
        return {target: found for target in self.targets if (found := _collector(target))}

    @property
    def has_tunnels(self) -> bool:
        return any(interface.type in port_types.TUNNELS for interface in self.interfaces)

    def mended(self, header: int | None = None) -> Argv:
        """The command that asks for the same, but for all that is known to be wrong with it, and for ``header`` if that is given.

        A number out of range becomes Open vSwitch's default or the nearest that is safe, an unfit agent is left to ``sflow enable``, and
        names without an address are left out. Where no collector can be told from the row, it stops the export.
        """
        meant = {target: found for target in self.targets if (found := self.collectors.get(target) or _meant(target))}
        kept = [found for found in meant.values() if found.host not in self.nameless] or list(meant.values())
        if not kept:
            return ("ovstool", "sflow", "disable", self.bridge)
        words = [word for target, found in sorted(meant.items()) if found in kept for word in ("--collector", self._written(target, found))]
        words += ["--agent", self.agent] if self.agent and not self.is_agent_unfit else []
        for option, present, value, default in (
            ("--sampling", self.sampling, _within(self.sampling, 1, sflow.MOST_SAMPLING, sflow.SAMPLING), sflow.SAMPLING),
            ("--polling", self.polling_s, _within(self.polling_s, 0, sflow.MOST_POLLING_S, sflow.POLLING_S), sflow.POLLING_S),
            ("--header", self.header, header or self._safe_header, sflow.HEADER),
        ):
            words += [option, str(value)] if value != default or value != present else []
        words += ["--force"] if self.refused & {found.host for found in kept} else []
        return ("ovstool", "sflow", "enable", self.bridge, *words)

    def _written(self, target: str, found: Collector) -> str:
        return target if target in self.collectors else targets.target(*found)

    @property
    def _safe_header(self) -> int:
        """Its header, or one with which samples are sent and of use."""
        most = sflow.SAFE_HEADER if self.has_tunnels else sflow.MOST_HEADER
        if 0 <= self.header < SHORTEST_HEADER:
            return sflow.HEADER
        return _within(self.header, SHORTEST_HEADER, most, sflow.SAFE_HEADER)

    @property
    def anew(self) -> tuple[Argv, ...]:
        """The commands that have ovs-vswitchd begin anew with it, which it does for what it does not have already."""
        return ("ovstool", "sflow", "disable", self.bridge), self.mended()


class Host(NamedTuple):
    """The switch's host as sFlow needs it.

    ``answers`` are those about agents and collectors, None where they could not be had; ``vswitchd`` is None where it cannot be looked at,
    ``is_running`` is False where it is certain that it does not run. ``network`` are the words that run a program among its interfaces and
    routes, ``links`` all interfaces there; empty where they could not be had. ``is_hidden``: it is in a network that is not ours, or may not
    be, and that this user may not look into.
    """

    answers: HostAnswers | None
    vswitchd: Vswitchd | None
    is_running: bool
    network: Argv = ()
    links: Sequence[Link] = ()
    is_hidden: bool = False

    @property
    def local(self) -> set[str]:
        """All addresses there."""
        return {address.partition("/")[0] for link in self.links for address in link.addresses}

    def link_down_to(self, collector: Collector) -> Link | None:
        """The interface that would lead straight to a collector were it up."""
        address = self.address_of(collector)
        if self.route_to(collector) or not targets.is_ip(address):
            return None
        return next((link for link in self.links if not link.is_up and any(_is_on(address, own) for own in link.addresses)), None)

    def addresses_of(self, agent: str | None) -> list[str] | None:
        """The addresses of the interface that is to be the agent; None where there is no such interface, or none is named."""
        return self.answers.addresses.get(agent) if self.answers and agent is not None else None

    def agents_asked_of(self, export: Export) -> set[str]:
        """The addresses of which one is the agent's because that was asked for; none where it was not, or has no effect."""
        if export.agent is not None and targets.is_ip(export.agent):
            return {targets.parse_agent(export.agent)}
        return set(self.addresses_of(export.agent) or ())

    def agents_of(self, export: Export) -> set[str]:
        """The addresses of which one is the agent's (sflow_choose_agent_address of ofproto-dpif-sflow.c); none where it cannot be told."""
        routes = [self.route_to(collector) for collector in export.collectors.values()]
        sources = {route.source for route in routes if route and route.source}
        return self.agents_asked_of(export) or sources or set(export.local_addresses)

    def address_of(self, collector: Collector) -> str:
        """Its IP address; its name where that has none."""
        return self.answers.resolved.get(collector.host, collector.host) if self.answers else collector.host

    def route_to(self, collector: Collector) -> Route | None:
        return self.answers.routes.get(self.address_of(collector)) if self.answers else None

    def sockets_to(self, collector: Collector) -> list[UdpSocket]:
        """Those of ovs-vswitchd to a collector; nothing, too, where its name has no address."""
        return self.vswitchd.to(self.address_of(collector), collector.port) if self.vswitchd else []

    def lacks(self, socket: UdpSocket) -> bool:
        """Whether no interface has the address of a socket any more."""
        return bool(self.local) and targets.plain_ip(socket.local) not in self.local

    def is_sendable(self, collector: Collector) -> bool:
        """Whether ovs-vswitchd can open a socket to it; where routes could not be asked for, it is taken to."""
        route = self.route_to(collector)
        return not self.answers or (route is not None and route.type != "broadcast")

    def told(self, export: Export) -> Export:
        """The export with what this host lacks of it."""
        if not self.answers:
            return export
        hosts = {collector.host: collector for collector in export.collectors.values()}
        nameless = frozenset(host for host, collector in hosts.items() if not targets.is_ip(self.address_of(collector)))
        refused = frozenset(host for host, collector in hosts.items() if host not in nameless and not self.is_sendable(collector))
        is_unfit = export.agent is not None and (not self.agents_asked_of(export) or bool(self.everybodys_agents(export)))
        return export._replace(refused=refused, nameless=nameless, is_agent_unfit=is_unfit)

    def everybodys_agents(self, export: Export) -> list[str]:
        """The addresses of its agent that every host has, where a collector is on another one."""
        far = [address for collector in export.collectors.values() if (address := self.address_of(collector)) and not _is_loopback(address)]
        return [agent for agent in sorted(self.agents_of(export)) if _is_loopback(agent)] if any(map(targets.is_ip, far)) else []


def configured(switch: Switch) -> list[Export]:
    """The bridges that export sFlow, by name, as the database has them."""
    rows = by_row(switch.tables(_TABLES))
    bridges = sorted(rows["Bridge"].values(), key=lambda row: str(row["name"]))
    return [_export(bridge, rows["sFlow"][u], rows) for bridge in bridges for u in many(bridge["sflow"]) if u in rows["sFlow"]]


def _export(bridge: Row, row: Row, rows: dict[str, dict[str, Row]]) -> Export:
    asked = second_target.configured(row)
    # Of the one target that a row has at least, ovsdb-server's first answer to a monitor leaves out what is empty, the default of a string.
    controllers = _referred(rows, "Controller", [bridge], "controller")
    interfaces = _referred(rows, "Interface", _referred(rows, "Port", [bridge], "ports"), "interfaces")
    return Export(
        bridge["name"], one(bridge["sflow"]), one(asked["agent"]), sorted(many(asked["targets"]) or [""]),
        _number(asked, "sampling", sflow.SAMPLING), _number(asked, "polling", sflow.POLLING_S), _number(asked, "header", sflow.HEADER),
        one(bridge["datapath_id"]), [_interface(member) for member in interfaces],
        [address for controller in controllers if (address := one(controller["local_ip"]))],
    )  # fmt: skip


def _referred(rows: dict[str, dict[str, Row]], table: str, referring: Iterable[Row], column: str) -> list[Row]:
    return [rows[table][u] for row in referring for u in many(row[column]) if u in rows[table]]


def _number(row: Row, column: str, default: int) -> int:
    value = one(row[column])
    return default if value is None else value


def _interface(row: Row) -> SampledInterface:
    return SampledInterface(row["name"], lookup.interface_type(row), ofport(row["ofport"]), one(row["ifindex"]) or None)


def observed(switch: Switch, exports: Sequence[Export]) -> Host:
    """What the switch's host has of agents, routes and ovs-vswitchd; what cannot be asked is noted, and left out."""
    daemon = switch.attempt("what ovs-vswitchd has open", vswitchd.look, switch)
    if daemon and daemon.is_hidden:
        return Host(None, None, True, is_hidden=True)
    answers = switch.attempt("what the host has of agents and routes", _answers, switch, exports)
    is_running = bool(daemon and daemon.state) or _may_run(switch)
    network = switch.attempt("in which network ovs-vswitchd is", lambda: switch.in_its_network) or []
    links = switch.attempt("which addresses the host has", iproute.links, switch) or ()
    return Host(answers, daemon, is_running, tuple(network), links)


def _answers(switch: Switch, exports: Sequence[Export]) -> HostAnswers:
    """One question for each interface that is an agent, of which there is hardly ever more than one."""
    hosts = lookup.unique(collector.host for export in exports for collector in export.collectors.values())
    agents = lookup.unique(e.agent for e in exports if e.agent is not None and not targets.is_ip(e.agent))
    asked = [host_answers.ask(switch, hosts, agent) for agent in agents or [host_answers.NO_DEVICE]]
    return asked[0]._replace(addresses={name: found for each in asked for name, found in each.addresses.items()})


def _may_run(switch: Switch) -> bool:
    """Whether ovs-vswitchd may run where /proc does not show it, as in another process namespace (pid_namespaces(7)): unless nobody answers."""
    try:
        asked = switch.appctl(f"--timeout={_PATIENCE_S}", "version")
    except OvstoolError:
        return True  # there was no program or no time to ask
    return asked.status == 0 or any(words in asked.stderr for words in _UNTOLD)


def _meant(target: str) -> Collector | None:
    """The collector that a target probably means: an IPv6 address without brackets, or a host with a port that is none."""
    bracket = target.find("]")
    host = target[: bracket + 1] if bracket > 0 else target.partition(":")[0]
    return _collector(f"[{target}]") or _collector(host)


def _within(value: int, least: int, most: int, otherwise: int) -> int:
    return value if least <= value <= most else otherwise


def _is_loopback(address: str) -> bool:
    return targets.is_ip(address) and ipaddress.ip_address(address).is_loopback


def _is_on(address: str, own: str) -> bool:
    """Whether an address is in the network of an interface's address and prefix; not for what is none."""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_interface(own).network
    except ValueError:
        return False


def _collector(target: str) -> Collector | None:
    try:
        return targets.parse_collector(target)
    except UsageError:
        return None
