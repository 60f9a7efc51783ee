"""How a switch differs from a document: only in what the document names."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from ovstool.document import fields, rules, writing
from ovstool.document.declared import DeclaredBridge, Document, Entry
from ovstool.document.fields import Path, Settings
from ovstool.document.kinds import Object
from ovstool.document.ownership import claims, records
from ovstool.document.ownership.claims import Terms
from ovstool.document.ownership.records import EXISTENCE
from ovstool.document.state import SEVERAL, PortState, State, asked, selectors
from ovstool.document.tree import Place
from ovstool.errors import Conflict, quote, quote_some
from ovstool.switch import Switch, police


class Difference(NamedTuple):
    """A row of ``diff``: a field of a bridge or a port, what it is and what it would be, as documents write it; None for nothing."""

    object: str
    field: str
    present: Any
    wanted: Any


class Compared(NamedTuple):
    """A bridge or a port of a document: its settings on the switch, None if it is not there, and those to change (None: to remove).

    ``former`` and ``records`` are what documents own of it before and after, as texts by their keys in external_ids.
    """

    entry: Entry
    present: Settings | None
    changes: Settings
    former: dict[str, str]
    records: dict[str, str]

    @property
    def change(self) -> str:
        return "created" if self.present is None else "updated" if self.changes or self.records != self.former else "unchanged"

    def recorded_in(self, ids: dict[str, str]) -> dict[str, str]:
        """The external_ids of the row with the records as they are to be."""
        return {key: text for key, text in ids.items() if key not in self.former} | self.records


class ComparedBridge(NamedTuple):
    """A bridge with its ports, and the names of the ports that are removed; ``is_gone``: the bridge is removed with them.

    ``is_named``: the document has it; if not, the document only owns something there.
    """

    bridge: Compared
    ports: list[Compared]
    gone: list[str]
    is_named: bool = True
    is_gone: bool = False
    notes: list[str] = []

    @property
    def leaving(self) -> set[str]:
        """The ports that are removed, or get other interfaces."""
        return {port.entry.name for port in self.ports if ("bond", "interfaces") in port.changes}.union(self.gone)


def diff(switch: Switch, document: Document, terms: Terms) -> list[Difference]:
    """What ``apply`` would change, in the order of the document. Raises Conflict for what it could not."""
    tables = asked.whole(switch, document) if terms.prune else asked.named(switch, document)
    document, absent = selectors.resolved(document, tables)
    switch.notes += absent
    rows: list[Difference] = []
    found = asked.state(tables, document)
    every = compare(document, found, terms)
    flows = _flow_rows(switch, document, found, every) if document.flows else {}
    for compared in every:
        name = compared.bridge.entry.name
        switch.notes += compared.notes
        if compared.is_gone:
            rows.append(Difference(name, "bridge", name, None))
        else:
            rows += _rows(compared.bridge, "bridge", name, fields.BRIDGE)
            rows += flows.get(name, ())
        for port in compared.ports:
            rows += _rows(port, "bridge", name, fields.PORT)
        rows += [Difference(port, "bridge", name, None) for port in compared.gone]
    return rows


def _flow_rows(switch: Switch, document: Document, found: State, every: list[ComparedBridge]) -> dict[str, list[Difference]]:
    """The rows of flows that differ, by bridge."""
    from ovstool.document import flows  # most documents have none

    flows.require_ports(document, found, {each.bridge.entry.name: each.leaving for each in every})
    pairs = {each.bridge.name: each.pairs() for each in flows.compared(switch, document, found)}
    return {name: [Difference(name, "flows", *pair) for pair in of_bridge] for name, of_bridge in pairs.items()}


def compare(document: Document, found: State, terms: Terms) -> list[ComparedBridge]:
    """Each bridge of a document with its ports, and those where it owns something that it does not name any more.

    Raises Conflict for a port or an interface that is elsewhere, and for what another document owns.
    """
    where = {port: name for name, bridge in found.bridges.items() for port in bridge.ports}
    dropped = _dropped_ports(document, found, terms)
    found = _without_leaving(document, found, terms, dropped)
    every = [_compare_bridge(declared, found, where, terms, dropped[name]) for name, declared in document.bridges.items()]
    key = records.key(document.name) if document.name else None
    left = [name for name, bridge in found.bridges.items() if name not in document.bridges and (name in dropped or key in bridge.ids)]
    return every + [_compare_left(found, name, terms, dropped[name]) for name in sorted(left)]


def _dropped_ports(document: Document, found: State, terms: Terms) -> dict[str, list[PortState]]:
    """The ports, by bridge, of which the document owns something although it does not have them."""
    dropped: dict[str, list[PortState]] = defaultdict(list)
    if document.name is not None:
        key, named = records.key(document.name), set(document.port_names())
        for name, port in sorted(found.ports.items()):
            if name not in named and key in port.ids and not (terms.prune and port.bridge in document.bridges and name != port.bridge):
                dropped[port.bridge].append(port)
    return dropped


def _without_leaving(document: Document, found: State, terms: Terms, dropped: dict[str, list[PortState]]) -> State:
    """Without the interfaces of ports that are removed: another port may have them in the same transaction."""
    leaving = {port.name for ports in dropped.values() for port in ports if _goes(port, terms)}
    leaving.update(name for declared in document.bridges.values() for name in _pruned(declared, found, terms))
    return found._replace(owners={i: port for i, port in found.owners.items() if port not in leaving}) if leaving else found


def _pruned(declared: DeclaredBridge, found: State, terms: Terms) -> list[str]:
    """The ports of a bridge that the document does not have, if these are to be removed."""
    name = declared.entry.name
    there = found.bridges[name].ports if terms.prune and name in found.bridges else {}
    return [port for port in sorted(there) if port not in declared.ports and port != name]


def _goes(port: PortState, terms: Terms) -> bool:
    """Whether a port that the document does not have is removed: the document created it, and no other owns anything of it."""
    owned = records.of_row(port.ids, fields.PORT)
    return port.name != port.bridge and EXISTENCE in owned.get(str(terms.document), ()) and len(owned) == 1


def _compare_bridge(
    declared: DeclaredBridge, found: State, where: dict[str, str], terms: Terms, dropped: list[PortState]
) -> ComparedBridge:
    entry = declared.entry
    there = found.bridges.get(entry.name)
    if there is None and entry.name in where:
        raise Conflict(f"bridge {quote(entry.name)}", f"a port of bridge {quote(where[entry.name])} has this name", "another name")
    present, ids = (there.settings, there.ids) if there else (None, {})
    bridge = _compared(entry, fields.BRIDGE, present, ids, terms)
    ports = [_compare_port(port, entry.name, found, where, terms) for port in declared.ports.values()]
    kept, gone = _compare_dropped(dropped, terms)
    pruned = _pruned(declared, found, terms)
    for name in pruned:
        ids = found.tables["Port"].at(found.bridges[entry.name].ports[name], "external_ids")[0]
        claims.require_free(f"port {quote(name)}", records.of_row(ids, fields.PORT), terms)
    return ComparedBridge(bridge, ports + kept, gone + pruned)


def _compare_port(port: Entry, bridge: str, found: State, where: dict[str, str], terms: Terms) -> Compared:
    if where.get(port.name, bridge) != bridge:
        hint = f"{quote(port.selector)} below that bridge" if port.selector else f"ovstool port del {quote(port.name)}"
        raise Conflict(f"port {quote(port.shown)}", f"is on another bridge, {quote(where[port.name])}", hint)
    _require_own_interfaces(port, found)
    if port.name in found.ports:
        return _compared(port, fields.PORT, found.ports[port.name].settings, found.ports[port.name].ids, terms)
    is_new_local = bridge not in found.bridges and port.name == bridge
    return _compared(port, fields.PORT, {} if is_new_local else None, {}, terms)


def _compare_dropped(dropped: list[PortState], terms: Terms) -> tuple[list[Compared], list[str]]:
    """The ports of which the document owns something although it does not have them: those that stay, and the names of the others."""
    gone = [port.name for port in dropped if _goes(port, terms)]
    kept = [port for port in dropped if not _goes(port, terms)]
    return [_compared(_unnamed(port.name), fields.PORT, port.settings, port.ids, terms, is_named=False) for port in kept], gone


def _compare_left(found: State, name: str, terms: Terms, dropped: list[PortState]) -> ComparedBridge:
    """A bridge that the document does not have, although it owns something there.

    One that it created goes, unless other ports are left or another document owns something of the local port.
    """
    there = found.bridges[name]
    kept, gone = _compare_dropped(dropped, terms)
    owned = records.of_row(there.ids, fields.BRIDGE)
    bridge = _compared(_unnamed(name), fields.BRIDGE, there.settings, there.ids, terms, is_named=False)
    if EXISTENCE not in owned.get(str(terms.document), ()) or len(owned) > 1:
        return ComparedBridge(bridge, kept, gone, is_named=False)
    others = [port for port in sorted(there.ports) if port not in gone and (port != name or _is_of_others(found, there.ports[port], terms))]
    if not others:
        return ComparedBridge(bridge, [], gone, is_named=False, is_gone=True)
    ids = records.texts(there.ids)
    stays = Compared(bridge.entry, there.settings, {}, ids, ids)
    ports = f"port{'s' * (len(others) > 1)} {quote_some(others)}"
    note = f"bridge {quote(name)}: stays as it is because of {ports}"
    return ComparedBridge(stays, kept, gone, is_named=False, notes=[note])


def _is_of_others(found: State, port: str, terms: Terms) -> bool:
    """Whether another document owns something of a port, which is given by its UUID."""
    ids = found.tables["Port"].at(port, "external_ids")[0]
    return bool(records.of_row(ids, fields.PORT).keys() - {terms.document})


def _unnamed(name: str) -> Entry:
    return Entry(name, Place(0, 0), {}, {})


def _compared(entry: Entry, kind: Object, present: Settings | None, ids: dict[str, str], terms: Terms, is_named: bool = True) -> Compared:
    """A bridge or a port with what changes, and what documents own of it. Raises Conflict for what another document owns."""
    former = records.texts(ids) if ids else {}
    owned = records.of_row(former, kind) if former else {}
    is_port = kind is fields.PORT
    entry = _with_its_kind(entry, owned.get(str(terms.document), frozenset()), present or {}, is_named)
    claim = claims.Claim(f"{'port' if is_port else 'bridge'} {quote(entry.shown)}", kind, entry.settings, owned, terms)
    if owned:
        entry = entry._replace(settings=claims.wanted(claim, present or {}))
    changes = _changes(entry, present or {})
    after = claims.settled(claim, present, changes, is_named)
    kept = {key: text for key, text in former.items() if key.removeprefix(records.PREFIX) not in owned} if former else {}
    if terms.document is not None:
        kept.pop(records.key(terms.document), None)  # what nobody can read
    for name, paths in after.items():
        key = records.key(name)
        kept[key] = former[key] if paths == owned.get(name) else records.written(paths, is_port)
    return Compared(entry, present, changes, former, kept)


def _with_its_kind(entry: Entry, own: records.Owned, present: Settings, is_named: bool) -> Entry:
    """With what the document has set that makes a port or a bridge what it is: its type, its options, its iface-id.

    A port that a selector names cannot have them in the document, and would no longer be found without the iface-id. One that the document
    created and dropped is there only because another document owns something of it, for which it has to work.
    """
    if not entry.selector and (is_named or EXISTENCE not in own):
        return entry
    kept = {path: present[path] for path in own if path in present and (rules.is_of_a_name(path) or path == ("datapath_type",))}
    return entry._replace(settings=entry.settings | kept) if kept else entry


def _require_own_interfaces(port: Entry, found: State) -> None:
    for member in asked.members_of(port):
        owner = found.owners.get(member, port.name)
        is_former = ("bond", "interfaces") not in port.settings
        if owner != port.name and not (is_former and port.name in found.ports):
            raise Conflict(
                f"port {quote(port.name)}", f"interface {quote(member)} belongs to port {quote(owner)}", f"ovstool port show {quote(owner)}"
            )


def _changes(entry: Entry, present: Settings) -> Settings:
    """The settings to change; a QoS of another type is a new one, of which nothing stays."""
    found: Settings = {}
    for path, wanted in entry.settings.items():
        if wanted is None:
            found.update(dict.fromkeys(_at_or_below(path, present)))
        elif present.get(path) != wanted:
            found[path] = wanted
    kind = ("qos", "type")
    if kind in found and kind in present:
        found |= {path: None for path in _at_or_below(("qos",), present) if path not in entry.settings and len(path) > 1}
    return {path: wanted for path, wanted in found.items() if not (wanted is None and _is_default_burst(path, found, present))}


def _is_default_burst(path: Path, changes: Settings, present: Settings) -> bool:
    """Whether a burst is what the rate, which stays, has without one: removing it changes nothing."""
    for rate, burst, default in (("rate", "burst", police.default_burst_kbit), ("packet_rate", "packet_burst", police.default_burst_kpkts)):
        if path == ("police", burst) and ("police", rate) not in changes:
            there = present["police", rate]
            return there is not SEVERAL and bool(present[path] == default(there // 1000) * 1000)
    return False


def _at_or_below(path: Path, present: Settings) -> list[Path]:
    size = len(path)
    return [there for there in present if there[:size] == path]


def _rows(compared: Compared, what: str, bridge: str, kind: Object) -> Iterator[Difference]:
    name, present = compared.entry.shown, compared.present
    if present is None:
        yield Difference(name, what, None, bridge)
    for path, wanted in compared.changes.items():
        was = None if present is None else present.get(path)
        if (was is True or wanted is True) and any(other[: len(path)] == path and other != path for other in compared.changes):
            continue  # what is inside has rows of its own
        yield Difference(name, ".".join(path), _written(kind, path, was), _written(kind, path, wanted))
    if present is not None and not compared.changes:
        for key in sorted(compared.former.keys() | compared.records.keys()):
            if compared.former.get(key) != compared.records.get(key):
                yield Difference(name, key, compared.former.get(key), compared.records.get(key))


def _written(kind: Object, path: Path, value: Any) -> Any:
    if value is None or value is SEVERAL:
        return None if value is None else str(value)
    written = writing.value(kind, path, value)
    return "{}" if written == {} else written  # a queue or a mirror without settings
