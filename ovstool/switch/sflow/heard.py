"""What ``sflow listen`` hears: the samples of the agents that are asked for, as they come, with the names of agents and ports."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import chain
from typing import Any, NamedTuple

from ovstool.errors import NotFound, quote
from ovstool.host import local
from ovstool.host.inventory.by_address import HostNames
from ovstool.sflow import wording
from ovstool.sflow.collector import Arrival
from ovstool.sflow.datagram import Counter, Datagram, Flow, Sample
from ovstool.sflow.reception import Reception
from ovstool.switch import Switch
from ovstool.switch.sflow import listening, second_target
from ovstool.switch.sflow.listening import Origin
from ovstool.switch.sflow.port_names import PortName, PortNames
from ovstool.switch.sflow.targets import plain_ip

_IF_INDEX = 0  # the type of a source that is an interface (sFlow v5, struct sflow_data_source)
Heard = Sequence[tuple[Arrival, Datagram]]  # what was sent, and what it says


class ListenSpec(NamedTuple):
    """What is listened to: where it comes from, for how many seconds and samples, from which agents (none named: from all).

    ``inventory`` is the file in which agents have names. ``is_named``: the user has named the switch. ``tidy`` takes away what a killed
    check has left there.
    ``save_to`` begins a file, once there is something to listen to, and returns what is given what is heard.
    """

    origin: Origin
    for_s: float | None = None
    samples: int | None = None
    agents: tuple[str, ...] = ()
    inventory: str | None = None
    is_named: bool = False
    tidy: bool = False
    save_to: Callable[[], Callable[[Heard], object]] | None = None


class ListedSample(NamedTuple):
    """A row of ``sflow listen``: a sample in short, by the keys that it has in ``-f json`` too.

    ``ports`` are those of the sample by name, or what it has instead, and ``sample`` is what it is about, in a few words.
    """

    time: float
    agent: str | None
    agent_name: str | None
    ports: str
    sample: str
    kind: str
    sub_agent: int
    source: str
    input: int | None
    output: int | None
    port: str | None
    input_port: str | None
    output_port: str | None
    sampling_rate: int | None
    frame_bytes: int | None


class _Ports(NamedTuple):
    """The ports of a sample: in a few words, by ifIndex, and by name. Only counters have ``port``, and only packets the others."""

    shown: str
    input: int | None = None
    output: int | None = None
    port: str | None = None
    input_port: str | None = None
    output_port: str | None = None


class Listener:
    """What is heard of agents, and what is known of them."""

    def __init__(self, switch: Switch, spec: ListenSpec):
        self._switch, self._spec = switch, spec
        if switch.host is not local:
            switch.run(["true"])  # which connects, in the time allowed for all
        self.hosts = HostNames(spec.inventory)
        self.ports = PortNames(switch, spec.is_named)
        if spec.tidy and self.ports.has_leftovers:
            second_target.remove_leftovers(switch)
            switch.close()  # which nobody answers the server's probes on
        self.reception = Reception(self._wanted(), switch.notes.append, spec.samples)

    def heard(self) -> Generator[Heard, None, None]:
        """The datagrams that are asked for, as they come, and an empty list now and then; at the end notes say how many there were."""
        spec = self._spec
        end = time.monotonic() + (spec.for_s or float("inf"))
        with closing(listening.batches(self._switch, spec.origin)) as batches:
            first = next(batches, ())  # what is wrong from the beginning needs no summary
            save = spec.save_to() if spec.save_to else None
            try:
                for arrivals in chain([first], batches):
                    heard: Heard = list(self.reception.take(arrivals))
                    if save:
                        save(heard)
                    yield heard
                    if self.reception.is_complete or time.monotonic() >= end:
                        break
            finally:
                self._switch.notes += self.reception.summary("" if spec.origin.file else "ovstool sflow list")

    def whole_rows(self, heard: Heard) -> Iterator[dict[str, Any]]:
        """Each sample with all that it says, and the names of its agent and ports: the objects of ``-f json``."""
        for arrival, datagram in heard:
            agent_name = self.hosts.find(datagram.agent)
            for sample, row in zip(datagram.samples, datagram.rows(), strict=True):
                yield {"time": round(arrival.time, 6), **row, "agent_name": agent_name, **self._names(datagram.agent, sample, row)}

    def short_rows(self, heard: Heard) -> Iterator[ListedSample]:
        """Each sample in short: the rows of a table."""
        for arrival, datagram in heard:
            agent_name = self.hosts.find(datagram.agent)
            for sample in datagram.samples:
                ports = self._ports(datagram.agent, sample)
                source = f"{sample.source_type}:{sample.source_index}"
                what = ports.shown, wording.of_sample(sample), sample.kind, datagram.sub_agent, source
                yield ListedSample(arrival.time, datagram.agent or None, agent_name, *what, *ports[1:], *_sizes(sample))

    def port(self, agent: str, index: int | None) -> str:
        """A port by its name, else by its ifIndex."""
        found = self.ports.find(agent, index)
        return found.port if found else "?" if index is None else str(index)

    def _ports(self, agent: str, sample: Sample) -> "_Ports":
        if isinstance(sample, Counter):
            of = self._name_of_source(agent, sample, sample.fields)
            return _Ports(of.port if of else _source(sample), port=of and of.port)
        came, went = (self.ports.find(agent, where.if_index) for where in (sample.input, sample.output))
        input_port, output_port = came and came.port, went and went.port
        shown = f"{wording.interface(sample.input, input_port)} > {wording.interface(sample.output, output_port)}"
        return _Ports(shown, sample.input.if_index, sample.output.if_index, None, input_port, output_port)

    def _names(self, agent: str, sample: Sample, row: dict[str, Any]) -> dict[str, str | None]:
        """The names of the ports of a sample, and of the VIFs that they are of."""
        if isinstance(sample, Counter):
            found = {"": self._name_of_source(agent, sample, lambda: row)}
        else:
            found = {"input_": self.ports.find(agent, sample.input.if_index), "output_": self.ports.find(agent, sample.output.if_index)}
        names: dict[str, str | None] = {}
        for prefix, name in found.items():
            names |= {f"{prefix}port": name and name.port, f"{prefix}iface_id": name and name.iface_id}
        return names

    def _name_of_source(self, agent: str, sample: Counter, fields: Callable[[], dict[str, Any]]) -> PortName | None:
        """The port that counters are of: by its ifIndex, or where several share one by its OpenFlow port number."""
        if sample.source_type != _IF_INDEX:
            return None
        if (name := self.ports.find(agent, sample.source_index)) or not self.ports.knows(agent):
            return name
        numbered = fields().get("of_port", {})
        return self.ports.find_openflow(agent, numbered.get("datapath_id", ""), numbered.get("port_no", 0))

    def _wanted(self) -> Callable[[str], bool]:
        if not self._spec.agents:
            return lambda agent: True
        addresses = {plain_ip(address) for text in self._spec.agents for address in self._addresses(text)}
        return lambda agent: bool(agent) and plain_ip(agent) in addresses

    def _addresses(self, agent: str) -> list[str]:
        is_mistyped = "." in agent and agent.replace(".", "").isdigit()  # which getaddrinfo(3) reads as octal, or as fewer numbers
        address = plain_ip(agent)
        found = [address] if address else [] if is_mistyped else self.hosts.addresses(agent)
        if not found:
            raise NotFound(f"agent {quote(agent)}", "neither an IP address nor the name of a host", "--agent 10.0.0.1")
        return found


def _source(sample: Sample) -> str:
    """A source as people write it: an interface by its ifIndex, anything else with its type in front."""
    return str(sample.source_index) if sample.source_type == _IF_INDEX else f"{sample.source_type}:{sample.source_index}"


def _sizes(sample: Sample) -> tuple[int | None, int | None]:
    """One packet in how many is sampled, and how long this one was."""
    if isinstance(sample, Counter):
        return None, None
    traffic = sample.traffic()
    return sample.sampling_rate if isinstance(sample, Flow) else None, traffic.frame_bytes if traffic else None
