"""What fits together in a document, before a switch is asked: names, VLANs, options, QoS, policing, mirrors."""

import re
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ovstool.document import fields, shaping
from ovstool.document.declared import DeclaredBridge, Document, Entry
from ovstool.document.ownership import records
from ovstool.document.state import selectors
from ovstool.document.tree import Place, Problems
from ovstool.errors import Conflict, UsageError, quote
from ovstool.switch import lookup, police
from ovstool.switch.accepts import bridge_keys, new_names, port_modes, port_types
from ovstool.switch.port import mtu

if TYPE_CHECKING:
    from ovstool.switch.flow import GivenFlows

_OPTION = r"--(?!prune|take-over)([a-z]+(?:-[a-z]+)*)(?:[ =](?=[^ ])(?!(?:or|and|with|without)\b))?"
_NAMES = {"trunk": "trunks", "option": "options", "controller": "controllers", "external_id": "external_ids", "queue": "queues"}


class _Checks:
    """Runs checks that raise, and notes what they raise with its place."""

    def __init__(self, problems: Problems):
        self._problems = problems

    def run(self, place: Place, check: Callable[[], object]) -> None:
        try:
            check()
        except (UsageError, Conflict) as error:
            self.add(place, *in_document(error))

    def add(self, place: Place, why: str, hint: str | None = None) -> None:
        self._problems.add(place, why, hint)


@contextmanager
def worded_for_documents() -> Iterator[None]:
    """A block whose errors about options are raised in the words of a document."""
    try:
        yield
    except (UsageError, Conflict) as error:
        hint = error.hint if (error.hint or "").startswith("ovstool ") else in_document(error)[1]
        raise type(error)(_in_fields(error.what, ""), _in_fields(error.why, ""), hint) from error


def in_document(error: UsageError | Conflict) -> tuple[str, str | None]:
    """An error about options in the words of a document: ``--max-rate 10mbit`` is ``max_rate: 10mbit`` there."""
    return _in_fields(f"{error.what.removesuffix(' set')}: {error.why}", ""), error.hint and _in_fields(error.hint, ": ")


def _in_fields(text: str, colon: str) -> str:
    def field(found: re.Match) -> str:
        name = found[1].replace("-", "_")
        return _NAMES.get(name, name) + ((colon or " ") if found[0][-1] in " =" else "")

    return re.sub(_OPTION, field, text)


def check(document: Document, problems: Problems, right: Container[int] = ()) -> None:
    """Add what is wrong to the problems. ``right`` has the ids of ports that are known to be right in themselves."""
    checks = _Checks(problems)
    seen: dict[str, Entry] = {}
    for name, declared in document.bridges.items():
        _check_bridge(checks, name, declared)
        for port in declared.ports.values():
            if port.name in document.bridges and port.name != name:
                checks.add(port.place, f"port {quote(port.name)}: is the local port of another bridge", "peer: PORT, a pair of patch ports")
            if id(port) not in right:
                if port.name.startswith(lookup.SELECTORS):
                    _check_selected(checks, port)
                _check_port(checks, port, is_local=port.name == name)
            _check_once(checks, port, seen)
        if name in document.flows:
            _check_flows(checks, declared.entry, document.flows[name])


def _check_flows(checks: _Checks, bridge: Entry, flows: "GivenFlows") -> None:
    """Each flow is there once, and the bridge may change all of them or none."""
    from ovstool.switch import ofctl  # most documents have no flows
    from ovstool.switch.flow import whole

    protocols = bridge.settings.get(("protocols",))
    if flows.lines and protocols and not ofctl.have_bundles(protocols):
        checks.add(bridge.at(("protocols",)), "changing all flows or none needs OpenFlow 1.3 or newer", "OpenFlow14 among them")
    seen: dict[frozenset[str], Place] = {}
    for line, place in zip(flows.lines, map(Place._make, flows.places), strict=True):
        first = seen.setdefault(whole.identity(line), place)
        if first is not place:
            checks.add(place, f"the flow in line {first.line + 1} has the same match", "only one of them")


def _check_selected(checks: _Checks, port: Entry) -> None:
    """A port that a selector names exists already, so a document cannot say what kind of port it is."""
    what = f"port {quote(port.name)}"
    if not port.name.startswith(selectors.PREFIX):
        why = "a document names ports by name or iface-id, as addresses and OpenFlow port numbers change"
        checks.add(port.place, f"{what}: {why}", "iface-id:ID")
    elif port.name == selectors.PREFIX:
        checks.add(port.place, f"{what}: an iface-id is missing", "iface-id:ID")
    for path in port.settings:
        if path == ("external_ids",):
            checks.add(port.at(path), f"{what}: null for all external_ids would remove its iface-id too", "null for each of the keys")
        if is_of_a_name(path):
            field = path[1] if path[0] == "options" and path[1] in fields.SHORT else ".".join(path)
            checks.add(port.at(path), f"{what}: a port named by its iface-id cannot have {field}", "the name of the port")


def is_of_a_name(path: fields.Path) -> bool:
    """Whether only a port that is named by its name can have this setting, and not one that a selector names."""
    return path[0] in ("type", "options", "bond") or path == ("external_ids", "iface-id")


def _check_once(checks: _Checks, port: Entry, seen: dict[str, Entry]) -> None:
    """Each port and each interface is in one place only."""
    members = port.settings.get(("bond", "interfaces")) or (port.name,)
    for name in dict.fromkeys((port.name, *members)):
        if name in seen:
            place = port.place if name == port.name else port.at(("bond", "interfaces"))
            checks.add(place, f"{quote(name)} is here twice; the first is in line {seen[name].place.line + 1}", "one of them")
        else:
            seen[name] = port


def _check_bridge(checks: _Checks, name: str, declared: DeclaredBridge) -> None:
    entry = declared.entry
    checks.run(entry.place, lambda: new_names.check_bridge(name))
    config = {key: value for (key,), value in entry.below("other_config").items()}
    for key, value in config.items():
        checks.run(entry.at(("other_config", key)), partial(bridge_keys.check, bridge_keys.BRIDGE, name, {key: value}))
    checks.run(entry.at(("other_config",)), lambda: bridge_keys.require_agreement(config, config))
    for path, value in entry.settings.items():
        if path[0] == "external_ids" and path[-1].startswith(records.PREFIX):
            checks.add(entry.at(path), f"{quote(path[-1])}: such a key has what a document owns", "ovstool apply, which writes it")
        if path[0] == "mirrors" and path[-1] == "output_port" and value and (*path[:-1], "output_vlan") in entry.settings:
            checks.add(entry.at(path), f"mirror {quote(path[1])}: has an output_port, so its output_vlan is ignored", "one of them")


def _check_port(checks: _Checks, port: Entry, is_local: bool) -> None:
    if not is_local and not port.name.startswith(lookup.SELECTORS):
        checks.run(port.place, lambda: new_names.check(port.name, "port"))
    for member in port.settings.get(("bond", "interfaces")) or ():
        checks.run(port.at(("bond", "interfaces")), partial(new_names.check, member, "interface"))
    _check_vlans(checks, port)
    _check_type(checks, port, is_local)
    if any(path[0] == "police" and value is not None for path, value in port.settings.items()):
        limits = [port.settings.get(("police", part)) for part in ("rate", "burst", "packet_rate", "packet_burst")]
        checks.run(port.at(*[path for path in port.settings if path[0] == "police"]), lambda: police.spec(*limits))
    if shaped := shaping.of_port(port.settings):
        checks.run(port.at(*(path for path, _ in shaped)), partial(shaping.composed_once, shaped))


def _check_vlans(checks: _Checks, port: Entry) -> None:
    if written := [(column,) for column in port_modes.VLAN_COLUMNS if port.settings.get((column,)) is not None]:
        row = {column: port.settings.get((column,)) for column in port_modes.VLAN_COLUMNS}
        row["trunks"] = ["set", list(row["trunks"] or ())]
        checks.run(port.at(*written), lambda: port_modes.check_vlans(port.name, row, is_new=True))


def _check_type(checks: _Checks, port: Entry, is_local: bool) -> None:
    """The type with its options."""
    options = {key: str(value) for (key,), value in port.below("options").items()}
    kind = "internal" if is_local else port.settings.get(("type",)) or ("patch" if "peer" in options else None)
    if kind is None:
        return
    for key, value in options.items():
        checks.run(port.at(("options", key)), partial(port_types.check_values, port.name, kind, {key: value}))
    if port.settings.get(("mtu",)) is not None:
        checks.run(port.at(("mtu",)), lambda: mtu.check_type(port.name, kind))
    if kind in port_types.OPTIONS:  # of others nothing is required
        checks.run(port.place, lambda: port_types.check_together(port.name, kind, options))
