"""Datagrams held against what was asked for: whose they are, and the rules (pure)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ovstool.errors import quote, quote_some
from ovstool.sflow.datagram import Counter, Datagram, Flow
from ovstool.switch import ERROR, WARNING, Finding
from ovstool.switch.checks.sflow.state import Export, SampledInterface
from ovstool.units import counted

_LONGEST_PACKET = 2**16  # bytes: what the network stack hands on at once counts as several packets (Linux, GRO), but is sampled as one
_PROVEN = 5  # bridges of which each has a note
_CERTAIN = 32  # samples that should have come; by chance none of 16 does once in ten million times

Counters = Mapping[int, Mapping[str, int]]  # of ports, by OpenFlow port number


class Heard(NamedTuple):
    """What came of a bridge in ``seconds``: datagrams, those of its sub-agent alone where several bridges share a row.

    ``agents`` are the addresses of which one was asked for as theirs; none where that was left to ovs-vswitchd. ``before`` and ``after`` are
    the counters of its ports around that time, None where they are not known. ``shared_with`` are bridges with the same sub-agent.
    """

    export: Export
    datagrams: Sequence[Datagram]
    seconds: float
    agents: set[str]
    before: Counters | None = None
    after: Counters | None = None
    shared_with: Sequence[str] = ()

    @property
    def flows(self) -> list[Flow]:
        return [sample for one in self.datagrams for sample in one.samples if isinstance(sample, Flow)]

    @property
    def counters(self) -> list[dict[str, Any]]:
        """The counters of ports. Those of the datapath are nobody's: one bridge sends them for all, at times in a datagram of their own."""
        every = [sample.fields() for one in self.datagrams for sample in one.samples if isinstance(sample, Counter)]
        return [fields for fields in every if "if_counters" in fields]

    @property
    def received(self) -> tuple[int, int] | None:
        """The packets and bytes that its ports received meanwhile."""
        if self.before is None or self.after is None:
            return None
        return _grown(self.before, self.after, "rx_packets"), _grown(self.before, self.after, "rx_bytes")

    @property
    def must_send(self) -> bool:
        """Whether there are counters to send: those of devices that the kernel knows (dpif_sflow_add_port)."""
        return self.export.polling_s > 0 and any(interface.ifindex for interface in self.export.interfaces)


def findings(heard: Heard) -> Iterator[Finding]:
    for rule in _RULES:
        yield from rule(heard)


def notes(every: Sequence[Heard]) -> Iterator[str]:
    """What could not be seen, and why that is no fault; one note for the bridges of which the same is said."""
    unsampled = [heard for heard in every if not heard.flows and not _is_starved(heard)]
    for same in _alike(unsampled, lambda heard: heard.received and (heard.export.sampling if heard.received[0] else 0)):
        yield f"{_bridges(same)}: no packet was sampled in {_seconds(same)}{_traffic(same)}"
    if uncounted := [heard for heard in every if heard.export.polling_s == 0 and not heard.counters]:
        yield f"{_bridges(uncounted)}: no counters are sent, as polling is 0"
    if silent := [heard for heard in every if not heard.datagrams and not heard.must_send]:
        yield f"{_bridges(silent)}: nothing was sent in {_seconds(silent)}, so the datagrams could not be looked at"


def proofs(every: Sequence[Heard]) -> Iterator[str]:
    """What was seen of the datagrams with which nothing is wrong; in full for the first bridges."""
    proven = [heard for heard in every if heard.datagrams and not list(findings(heard))]
    for heard in proven[:_PROVEN]:
        agents = _some(one.agent or "no address" for one in heard.datagrams)
        count = sum(1 for _ in _compared(heard))
        seen = [f"sampling 1 in {heard.export.sampling}, {counted(len(heard.flows), 'packet')} sampled"] if heard.flows else []
        seen += [f"counters of {counted(count, 'port')} agree"] if count else []
        yield f"{quote(heard.export.bridge)}: datagram from agent {agents} caught{': ' if seen else ''}{', '.join(seen)}"
    if len(proven) > _PROVEN:
        yield f"datagrams of {counted(len(proven) - _PROVEN, 'more bridge')} caught, with which nothing is wrong"


def _alike(every: Iterable[Heard], key: Callable[[Heard], object]) -> Iterable[list[Heard]]:
    groups: dict[object, list[Heard]] = {}
    for heard in every:
        groups.setdefault(key(heard), []).append(heard)
    return groups.values()


def _bridges(every: Sequence[Heard]) -> str:
    return quote_some([heard.export.bridge for heard in every])


def _seconds(every: Sequence[Heard]) -> str:
    return f"{min(heard.seconds for heard in every):.1f} s"


def _traffic(same: Sequence[Heard]) -> str:
    """The packets that came in, of bridges that are alike in that."""
    received = [heard.received[0] for heard in same if heard.received]
    if not received:
        return ""
    if not any(received):
        return ", as none came in"
    return f"; {counted(sum(received), 'packet')} came in, and one in {same[0].export.sampling} is sampled"


def sub_agents(exports: Sequence[Export], datagrams: Sequence[Datagram]) -> dict[str, set[int]]:
    """The sub-agents of bridges that share a row: ovs-vswitchd numbers them, and their counters name the bridge."""
    found: dict[str, set[int]] = {export.bridge: set() for export in exports}
    for one in datagrams:
        counters = [sample.fields() for sample in one.samples if isinstance(sample, Counter)]
        for export in exports:
            if any(_is_of(export, fields) for fields in counters):
                found[export.bridge].add(one.sub_agent)
    return found


def by_bridge(exports: Sequence[Export], datagrams: Sequence[Datagram]) -> dict[str, list[Datagram]]:
    """The datagrams of each of the bridges that share a row; one whose counters have not come may have sent all that are nobody's."""
    if len(exports) == 1:
        return {exports[0].bridge: list(datagrams)}
    owned = sub_agents(exports, datagrams)
    rest = {one.sub_agent for one in datagrams}.difference(*owned.values())
    return {bridge: [one for one in datagrams if one.sub_agent in (own or rest)] for bridge, own in owned.items()}


def _is_of(export: Export, counters: Mapping[str, Any]) -> bool:
    datapath = counters.get("of_port", {}).get("datapath_id")
    return datapath is not None and datapath == export.datapath_id


def _nothing(heard: Heard) -> Iterator[Finding]:
    if heard.datagrams or not heard.must_send:
        return
    evidence = f"in {heard.seconds:.1f} s none came to a second target on its own host, not even counters"
    yield Finding(heard.export.bridge, ERROR, "no datagram leaves ovs-vswitchd", evidence, heard.export.anew, disables=True)


def _malformed(heard: Heard) -> Iterator[Finding]:
    wrong = [one.malformed for one in heard.datagrams if one.malformed]
    if wrong:
        evidence = f"{len(wrong)} of {counted(len(heard.datagrams), 'datagram')}: {quote(wrong[0])}"
        yield Finding(heard.export.bridge, ERROR, "datagrams are malformed", evidence, heard.export.anew)


def _agent(heard: Heard) -> Iterator[Finding]:
    seen = {one.agent or "no address" for one in heard.datagrams if not one.malformed}
    if seen and heard.agents and not seen <= heard.agents:
        evidence = f"datagrams say {_some(seen - heard.agents)}, and {quote(str(heard.export.agent))} is {_some(heard.agents)}"
        yield Finding(heard.export.bridge, ERROR, "datagrams have another agent address", evidence, heard.export.anew)


def _rate(heard: Heard) -> Iterator[Finding]:
    rates = {flow.sampling_rate for flow in heard.flows} - {heard.export.sampling}
    if rates:
        evidence = f"samples say one packet in {_some(map(str, rates))}, and sampling is {heard.export.sampling}"
        yield Finding(heard.export.bridge, ERROR, "samples have another sampling rate", evidence, heard.export.anew)


def _sub_agent(heard: Heard) -> Iterator[Finding]:
    """ovs-vswitchd numbers the bridges (bridge_configure_sflow); collectors tell their sequences apart by that."""
    if heard.shared_with:
        number = heard.datagrams[0].sub_agent
        evidence = f"datagrams of {_some(map(quote, heard.shared_with))} have sub-agent {number}, too"
        yield Finding(heard.export.bridge, ERROR, "bridges have one sub-agent", evidence, heard.export.anew)


def _counters(heard: Heard) -> Iterator[Finding]:
    for interface, wrong in _compared(heard):
        if wrong:
            remedy = (("ovstool", "stats", interface.name),)
            yield Finding(heard.export.bridge, ERROR, "counters differ from the switch's", f"{interface.name}: {wrong}", remedy)


def _compared(heard: Heard) -> Iterator[tuple[SampledInterface, str | None]]:
    """The interfaces whose counters came, each with what differs from the switch's.

    Both are what the device says (sflow_agent_get_counters, append_port_stat), and grow meanwhile.
    """
    for interface in _countable(heard.export):
        before, after = _of_port(heard.before, interface), _of_port(heard.after, interface)
        came = [said for each in heard.counters if (said := each.get("if_counters", {})).get("if_index") == interface.ifindex]
        if came and before and after:
            yield interface, next(filter(None, (_differing(said, before, after) for said in came)), None)


def _of_port(counters: Counters | None, interface: SampledInterface) -> Mapping[str, int]:
    return counters.get(interface.ofport or 0, {}) if counters else {}


def _countable(export: Export) -> list[SampledInterface]:
    """The interfaces with an ifIndex of their own; tunnels of a kind share one."""
    every = [interface.ifindex for interface in export.interfaces]
    return [interface for interface in export.interfaces if interface.ofport and interface.ifindex and every.count(interface.ifindex) == 1]


def _differing(said: Mapping[str, Any], before: Mapping[str, int], after: Mapping[str, int]) -> str | None:
    for counter, name, words in (("if_in_octets", "rx_bytes", "received"), ("if_out_octets", "tx_bytes", "sent")):
        value, low, high = said.get(counter), before.get(name), after.get(name)
        if value is not None and low is not None and high is not None and low <= high and not low <= value <= high:
            return f"{counter} is {value}, and the switch has {words} {low} to {high} bytes"
    return None


def _unsampled(heard: Heard) -> Iterator[Finding]:
    if not heard.flows and heard.datagrams and _is_starved(heard) and heard.received:
        packets, octets = heard.received
        evidence = f"{packets} packets with {octets} bytes came in within {heard.seconds:.1f} s, and one in {heard.export.sampling} is to be sampled"
        yield Finding(heard.export.bridge, WARNING, "packets pass and none is sampled", evidence, heard.export.anew)


def _is_starved(heard: Heard) -> bool:
    """Whether there should have been many samples, as packets that were joined on the way count once."""
    return heard.received is not None and heard.received[1] / _LONGEST_PACKET / max(heard.export.sampling, 1) >= _CERTAIN


def _grown(before: Counters, after: Counters, name: str) -> int:
    return sum(max(counters.get(name, 0) - before[port].get(name, 0), 0) for port, counters in after.items() if port in before)


def _some(words: Iterable[str]) -> str:
    return " or ".join(sorted(set(words)))


_RULES: tuple[Callable[[Heard], Iterator[Finding]], ...] = (_nothing, _malformed, _agent, _rate, _sub_agent, _counters, _unsampled)
