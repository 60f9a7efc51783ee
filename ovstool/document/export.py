"""From a switch to a document."""

from collections.abc import Sequence
from typing import Any

from ovstool.document import fields, rules, state, writing
from ovstool.document.declared import DeclaredBridge, Document, Entry
from ovstool.document.fields import Settings
from ovstool.document.state import SEVERAL, PortState, State
from ovstool.document.tree import Place, Problems
from ovstool.errors import quote
from ovstool.switch import Switch, lookup
from ovstool.switch.accepts import qos_types


def export(switch: Switch, bridges: Sequence[str], with_flows: bool = False) -> dict[str, Any]:
    """The document of these bridges, or of all, as nested objects. What it cannot hold is noted.

    Raises NotFound; ``with_flows`` also Unreachable, where programs cannot be run on the switch's host.
    """
    found = state.read(switch.tables(state.TABLES), bridges=bridges or None)
    if any(name not in found.bridges for name in bridges):
        lookup.bridges(switch, bridges, ())  # which says what is there instead
    names = sorted(found.bridges) if not bridges else lookup.unique(name for name in bridges if name in found.bridges)
    for _, port in sorted(found.ports.items()):
        switch.notes += [f"port {quote(port.name)}: not in the document: {what}" for what in port.unheld]
    switch.notes += _refused(found, names)
    flows = _flows(switch, names) if with_flows else {}
    return {"bridges": {name: _bridge(found, name, flows) for name in names}}


def _flows(switch: Switch, names: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """The field ``flows`` of each bridge."""
    from ovstool.switch.flow import whole  # imports much

    return {name: {"flows": whole.as_lines(switch, name)} for name in names}


def _refused(found: State, names: Sequence[str]) -> list[str]:
    """Notes about what the switch has and no document may say, as Open vSwitch ignores or misreads it."""
    document = Document({}, {})
    lines: list[str] = []
    for name in names:
        document.bridges[name] = declared = DeclaredBridge(Entry(name, Place(len(lines), 0), found.bridges[name].settings, {}), {})
        lines.append(f"bridge {quote(name)}")
        for port in sorted(found.bridges[name].ports):
            declared.ports[port] = Entry(port, Place(len(lines), 0), _held(found.ports[port]), {})
            lines.append(f"port {quote(port)}")
    problems = Problems("")
    rules.check(document, problems)
    return [f"{lines[place.line]}: 'ovstool apply' would refuse this: {error.why}" for place, error in problems.found()]


def _bridge(found: State, name: str, flows: dict[str, dict[str, list[str]]]) -> dict[str, Any]:
    bridge = found.bridges[name]
    ports = {port: _port(found.ports[port]) for port in sorted(bridge.ports)}
    if not ports.get(name, True):
        del ports[name]  # the local port, of which nothing is to be said
    written = writing.objects(bridge.settings, fields.BRIDGE) | flows.get(name, {})
    return written | {"ports": ports} if ports else written


def _port(port: PortState) -> dict[str, Any]:
    return writing.objects(_held(port), fields.PORT)


def _held(port: PortState) -> Settings:
    """The settings of a port that a document can hold."""
    settings = port.settings
    if port.unheld:
        settings = {path: value for path, value in settings.items() if value is not SEVERAL}
    if settings.get(("qos", "type"), qos_types.DEFAULT) not in qos_types.NAMES:
        settings = {path: value for path, value in settings.items() if path[0] != "qos"}
    return settings
