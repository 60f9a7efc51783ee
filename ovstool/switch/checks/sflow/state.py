"""What decides whether sFlow arrives: the rows of the database, addresses and routes of the switch's host, and what ovs-vswitchd shows."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ovstool.errors import OvstoolError, UsageError
from ovstool.ovsdb.transaction import Row
from ovstool.ovsdb.values import many, ofport, one
from ovstool.switch import Argv, Switch, lookup, sflow
from ovstool.switch.accepts import port_types
from ovstool.switch.sflow import host_answers, second_target, targets, vswitchd
from ovstool.switch.sflow.host_answers import HostAnswers, Route
from ovstool.switch.sflow.targets import Collector
from ovstool.switch.sflow.vswitchd import Vswitchd

_PATIENCE_S = 5
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
    those by which its controllers are reached.
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

    @property
    def collectors(self) -> dict[str, Collector]:
        """The collectors by their targets, without those that are none."""
        return {target: found for target in self.targets if (found := _collector(target))}

    @property
    def has_tunnels(self) -> bool:
        return any(interface.type in port_types.TUNNELS for interface in self.interfaces)

    def enabled_with(self, **other: object) -> Argv:
        """The command that asks for the same, but for ``agent``, ``sampling``, ``polling_s`` or ``header``; None is left to Open vSwitch."""
        asked = self._replace(**other)  # type: ignore[arg-type]
        collectors = [word for target in sorted(asked.collectors) for word in ("--collector", target)]
        words = ["--agent", asked.agent] if asked.agent else []
        for option, value, default in (
            ("--sampling", asked.sampling, sflow.SAMPLING), ("--polling", asked.polling_s, sflow.POLLING_S), ("--header", asked.header, sflow.HEADER)
        ):  # fmt: skip
            words += [option, str(value)] if value not in (None, default) else []
        return ("ovstool", "sflow", "enable", self.bridge, *collectors, *words)

    @property
    def anew(self) -> tuple[Argv, ...]:
        """The commands that have ovs-vswitchd begin anew with it, which it does for what it does not have already."""
        return ("ovstool", "sflow", "disable", self.bridge), self.enabled_with()


class Host(NamedTuple):
    """The switch's host as sFlow needs it.

    ``answers`` are those about agents and collectors, None where they could not be had; ``vswitchd`` is None where it cannot be looked at,
    ``is_running`` whether it answers all the same. ``network`` are the words that run a program among its interfaces and routes.
    """

    answers: HostAnswers | None
    vswitchd: Vswitchd | None
    is_running: bool
    network: Argv = ()

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


def configured(switch: Switch) -> list[Export]:
    """The bridges that export sFlow, by name, as the database has them."""
    rows = switch.tables(_TABLES)
    bridges = sorted(rows["Bridge"].values(), key=lambda row: str(row["name"]))
    return [_export(bridge, rows["sFlow"][u], rows) for bridge in bridges for u in many(bridge["sflow"]) if u in rows["sFlow"]]


def _export(bridge: Row, row: Row, rows: dict[str, dict[str, Row]]) -> Export:
    asked = second_target.configured(row)
    controllers = _referred(rows, "Controller", [bridge], "controller")
    interfaces = _referred(rows, "Interface", _referred(rows, "Port", [bridge], "ports"), "interfaces")
    return Export(
        bridge["name"], one(bridge["sflow"]), one(asked["agent"]), sorted(many(asked["targets"])),
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
    answers = switch.attempt("what the host has of agents and routes", _answers, switch, exports)
    daemon = switch.attempt("what ovs-vswitchd has open", vswitchd.look, switch)
    return Host(answers, daemon, bool(daemon and daemon.state) or _is_running(switch), tuple(switch.in_its_network))


def _answers(switch: Switch, exports: Sequence[Export]) -> HostAnswers:
    """One question for each interface that is an agent, of which there is hardly ever more than one."""
    hosts = lookup.unique(collector.host for export in exports for collector in export.collectors.values())
    agents = lookup.unique(e.agent for e in exports if e.agent is not None and not targets.is_ip(e.agent))
    asked = [host_answers.ask(switch, hosts, agent) for agent in agents or [host_answers.NO_DEVICE]]
    return asked[0]._replace(addresses={name: found for each in asked for name, found in each.addresses.items()})


def _is_running(switch: Switch) -> bool:
    """Whether ovs-vswitchd answers where /proc does not show it, as from another process namespace (pid_namespaces(7))."""
    try:
        return switch.appctl(f"--timeout={_PATIENCE_S}", "version").status == 0
    except OvstoolError:
        return False


def _collector(target: str) -> Collector | None:
    try:
        return targets.parse_collector(target)
    except UsageError:
        return None
