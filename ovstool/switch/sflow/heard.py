"""The samples that ``sflow listen`` receives, filtered by agent, with the names of agents and ports."""

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
Heard = Sequence[tuple[Arrival, Datagram]]  # as received, and decoded
NameOfPort = Callable[[str, int | None], str]  # of an agent's port, by its ifIndex


class ListenSpec(NamedTuple):
    """What to listen to: the source, the maximum duration in seconds and number of samples, and the agents (empty: all).

    ``inventory`` is the file with the names of agents. ``is_named``: the user named the switch. ``tidy`` removes the leftovers of killed checks.
    ``save_to`` opens the output file, once listening has begun, and returns the function that writes to it.
    """

    origin: Origin
    for_s: float | None = None
    samples: int | None = None
    agents: tuple[str, ...] = ()
    inventory: str | None = None
    is_named: bool = False
    tidy: bool = False
    save_to: Callable[[], Callable[[Heard, NameOfPort], object]] | None = None


class ListedSample(NamedTuple):
    """A row of ``sflow listen``: the summary of a sample, with the same keys as in ``-f json``.

    ``ports`` and ``sample`` are texts for people: input and output port, and the conversation or the counters.
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
    """The ports of a sample: as text, by ifIndex, and by name. Counter samples have ``port``, others the rest."""

    shown: str
    input: int | None = None
    output: int | None = None
    port: str | None = None
    input_port: str | None = None
    output_port: str | None = None


class Listener:
    """Receives samples, and knows the names of their agents and ports."""

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
        """Yield datagrams as they arrive, and an empty list now and then; at the end, add the summary to the notes of the switch."""
        spec = self._spec
        end = time.monotonic() + (spec.for_s or float("inf"))
        with closing(listening.batches(self._switch, spec.origin)) as batches:
            first = next(batches, ())  # errors on opening need no summary
            save = spec.save_to() if spec.save_to else None
            try:
                for arrivals in chain([first], batches):
                    heard: Heard = list(self.reception.take(arrivals))
                    if save:
                        save(heard, self.port)
                    yield heard
                    if self.reception.is_complete or time.monotonic() >= end:
                        break
            finally:
                if self.reception.is_silent and not spec.origin.file:
                    self._switch.found.append(listening.silence(self._switch, spec.origin))
                else:
                    self._switch.notes += self.reception.summary()

    def whole_rows(self, heard: Heard) -> Iterator[dict[str, Any]]:
        """All fields of each sample, with the names of its agent and ports: the objects of ``-f json``."""
        for arrival, datagram in heard:
            agent_name = self.hosts.find(datagram.agent)
            for sample, row in zip(datagram.samples, datagram.rows(), strict=True):
                yield {"time": round(arrival.time, 6), **row, "agent_name": agent_name, **self._names(datagram.agent, sample, row)}

    def short_rows(self, heard: Heard) -> Iterator[ListedSample]:
        """The summary of each sample: the rows of a table."""
        for arrival, datagram in heard:
            agent_name = self.hosts.find(datagram.agent)
            for sample in datagram.samples:
                ports = self._ports(datagram.agent, sample)
                source = f"{sample.source_type}:{sample.source_index}"
                what = ports.shown, wording.of_sample(sample), sample.kind, datagram.sub_agent, source
                yield ListedSample(arrival.time, datagram.agent or None, agent_name, *what, *ports[1:], *_sizes(sample))

    def port(self, agent: str, index: int | None) -> str:
        """The name of a port, or its ifIndex."""
        found = self.ports.find(agent, index)
        return found.port if found else "?" if index is None else str(index)

    def _ports(self, agent: str, sample: Sample) -> "_Ports":
        if isinstance(sample, Counter):
            of = self._name_of_source(agent, sample, sample.fields)
            return _Ports(of.port if of else wording.source(sample), port=of and of.port)
        came, went = (self.ports.find(agent, where.if_index) for where in (sample.input, sample.output))
        input_port, output_port = came and came.port, went and went.port
        shown = f"{wording.interface(sample.input, input_port)} > {wording.interface(sample.output, output_port)}"
        return _Ports(shown, sample.input.if_index, sample.output.if_index, None, input_port, output_port)

    def _names(self, agent: str, sample: Sample, row: dict[str, Any]) -> dict[str, str | None]:
        """The names and iface-ids of the ports of a sample."""
        if isinstance(sample, Counter):
            found = {"": self._name_of_source(agent, sample, lambda: row)}
        else:
            found = {"input_": self.ports.find(agent, sample.input.if_index), "output_": self.ports.find(agent, sample.output.if_index)}
        names: dict[str, str | None] = {}
        for prefix, name in found.items():
            names |= {f"{prefix}port": name and name.port, f"{prefix}iface_id": name and name.iface_id}
        return names

    def _name_of_source(self, agent: str, sample: Counter, fields: Callable[[], dict[str, Any]]) -> PortName | None:
        """The port of a counter sample by its ifIndex, or by its OpenFlow port number if several ports share an ifIndex."""
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
        is_mistyped = "." in agent and agent.replace(".", "").isdigit()  # which getaddrinfo(3) would accept as octal, or with fewer numbers
        address = plain_ip(agent)
        found = [address] if address else [] if is_mistyped else self.hosts.addresses(agent)
        if not found:
            raise NotFound(f"agent {quote(agent)}", "not an IP address or a known host name", "--agent 10.0.0.1")
        return found


def _sizes(sample: Sample) -> tuple[int | None, int | None]:
    """The sampling rate, and the frame length in bytes."""
    if isinstance(sample, Counter):
        return None, None
    traffic = sample.traffic()
    return sample.sampling_rate if isinstance(sample, Flow) else None, traffic.frame_bytes if traffic else None
