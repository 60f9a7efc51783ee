"""The flows that a document declares, compared with those of a switch."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from ovstool.document.declared import DeclaredBridge, Document
from ovstool.document.state import State
from ovstool.document.state.asked import members_of
from ovstool.errors import UsageError, quote
from ovstool.switch import Switch
from ovstool.switch.flow import GivenFlows, text, whole
from ovstool.switch.ofctl import OfctlBridge


class BridgeFlows(NamedTuple):
    """The flows wanted of a bridge, and how they differ from those that it has.

    ``bridge`` has the protocols that the document gives it, ``present`` those that it has; None if there is no such bridge yet.
    """

    bridge: OfctlBridge
    present: OfctlBridge | None
    wanted: GivenFlows
    found: whole.Differing

    def pairs(self) -> list[tuple[str | None, str | None]]:
        """Each flow that differs: as it is, and as it is wanted; None for nothing."""
        return self.found.pairs(self.wanted)

    def lines(self) -> list[str]:
        """The flows that differ, with + and - in front, below the name of the bridge."""
        signed = [f"{sign}{flow}" for pair in self.pairs() for sign, flow in zip("-+", pair, strict=True) if flow is not None]
        return [f" {self.bridge.name}:", *signed] if signed else []


def compared(switch: Switch, document: Document, found: State) -> Iterator[BridgeFlows]:
    """The flows of each bridge for which the document has some.

    Raises UsageError for what Open vSwitch would misread, Refused for a bridge that could not change all flows or none, Unreachable.
    """
    switch.require_host("the flows of a document")
    for name, wanted in document.flows.items():
        declared, there = document.bridges[name], found.bridges.get(name)
        allowed = there.settings.get(("protocols",), ()) if there else ()
        bridge = OfctlBridge(switch, name, switch.management_socket(name), declared.entry.settings.get(("protocols",), allowed) or ())
        if wanted.lines:
            bridge.require_bundles()
        if there is None:
            yield BridgeFlows(bridge, None, wanted, whole.Differing(text.Difference([], wanted.lines), []))
        else:
            present = bridge._replace(protocols=allowed)
            yield BridgeFlows(bridge, present, wanted, whole.difference(present, wanted, _new_ports(declared, found)))


def require_ports(document: Document, found: State, leaving: Mapping[str, Collection[str]]) -> None:
    """Raises UsageError for a flow that names a port which the same change removes.

    ``leaving``: the ports, by bridge, that lose interfaces.
    """
    for bridge, flows in document.flows.items():
        lost = _lost(document.bridges[bridge], found, leaving[bridge])
        for number, line in enumerate(flows.lines if lost else (), 1):
            if named := whole.named(line, lost):
                port = quote(named[0])
                raise UsageError(flows.place(number), f"names port {port}, which this change removes", f"port {port} in the document")


def _lost(declared: DeclaredBridge, found: State, leaving: Collection[str]) -> list[str]:
    """The interfaces of these ports that the bridge will not have any more."""
    kept = {member for port in declared.ports.values() for member in members_of(port)}
    return sorted(interface for interface, port in found.owners.items() if port in leaving and interface not in kept)


def _new_ports(declared: DeclaredBridge, found: State) -> list[str]:
    """The interfaces that the bridge does not have yet, by whose names flows may mean the ports to be."""
    here = found.bridges[declared.entry.name].ports
    members = [member for port in declared.ports.values() for member in members_of(port)]
    return [member for member in members if found.owners.get(member) not in here]
