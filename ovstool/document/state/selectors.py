"""Ports that a document names by a selector: ``iface-id:ID`` is the port with this ID in its interface's external_ids, if there is one."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ovstool.document.declared import DeclaredBridge, Document, Entry
from ovstool.errors import Conflict, quote, quote_some
from ovstool.ovsdb.columns import Table
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import mapping, uuid
from ovstool.switch import Switch

ABSENT = ": not on this switch"
MOST = 100  # selectors; above this, a search for each takes longer than reading all interfaces
PREFIX = "iface-id:"
_NONE = ["map", []]


def names(document: Document) -> list[str]:
    """The selectors of a document."""
    return [name for bridge in document.bridges.values() for name in bridge.ports if name.startswith(PREFIX)]


def resolved(document: Document, found: Mapping[str, Table]) -> tuple[Document, list[str]]:
    """The document with the names of the ports that its selectors stand for, and a note for each that stands for none.

    Such an entry is left out, and a bridge that is not there and has no other. Raises Conflict for one that fits several ports, and for a
    port that is there twice.
    """
    if not (selectors := names(document)):
        return document, []
    ports = _ports(found, selectors)
    taken = {name: name for name in document.port_names()}
    bridges = {name: DeclaredBridge(bridge.entry, _of_bridge(bridge.ports, ports, taken)) for name, bridge in document.bridges.items()}
    there = found["Bridge"].values("name")
    bridges = {
        name: bridge
        for name, bridge in bridges.items()
        if bridge.ports or bridge.entry.settings or name in there or name in document.flows or not document.bridges[name].ports
    }
    return document._replace(bridges=bridges), [f"{quote(name)}{ABSENT}" for name in selectors if not ports[name]]


def _of_bridge(declared: dict[str, Entry], ports: dict[str, list[str]], taken: dict[str, str]) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for name, entry in declared.items():
        fitting = ports[name] if name.startswith(PREFIX) else [name]
        if len(fitting) > 1:
            raise Conflict(f"port {quote(name)}", f"matches several ports: {quote_some(fitting)}", "the name of one of them")
        for port in fitting:
            if taken.setdefault(port, name) != name:
                raise Conflict(f"port {quote(port)}", f"is in the document as {quote(taken[port])} and as {quote(name)}", "one of them")
            entries[port] = entry if port == name else entry._replace(name=port, selector=name)
    return entries


def _ports(found: Mapping[str, Table], selectors: Iterable[str]) -> dict[str, list[str]]:
    """The names of the ports that each selector fits, by the selector."""
    interfaces, ports = found["Interface"], found["Port"]
    wanted = set(selectors)
    fitting: dict[str, str] = {}  # selectors by the UUID of an interface
    for u, ids in zip(interfaces.uuids, interfaces.columns["external_ids"], strict=True):
        if ids != _NONE and (selector := f"{PREFIX}{mapping(ids).get('iface-id')}") in wanted:
            fitting[u] = selector
    names: dict[str, dict[str, None]] = defaultdict(dict)
    for name, members in zip(ports.values("name"), ports.values("interfaces"), strict=True) if fitting else ():
        for member in members:
            if member in fitting:
                names[fitting[member]][name] = None
    return {selector: sorted(names[selector]) for selector in wanted}


def hold(txn: Transaction, document: Document, found: Mapping[str, Table]) -> None:
    """Rely on each selector fitting the interfaces that it fits now; of many, only on those interfaces having these IDs."""
    if not (selectors := names(document)):
        return
    fitting: dict[str, list[Row]] = {selector: [] for selector in selectors}
    interfaces = found["Interface"]
    for u, ids in zip(interfaces.uuids, interfaces.columns["external_ids"], strict=True):
        if (selector := f"{PREFIX}{mapping(ids).get('iface-id')}") in fitting:
            fitting[selector].append({"_uuid": uuid(u), "external_ids": ids})
    for selector, rows in fitting.items():
        if len(selectors) <= MOST:
            txn.hold(Query("Interface", [_condition(selector)]), [{"_uuid": row["_uuid"]} for row in rows])
        else:  # the server searches all interfaces for each
            for row in rows:
                txn.hold(Query("Interface", [["_uuid", "==", row["_uuid"]]], ("external_ids",)), [{"external_ids": row["external_ids"]}])


def ports_now(switch: Switch, document: Document) -> list[str]:
    """The names of the ports that the selectors fit at this moment."""
    if not (conditions := [_condition(selector) for selector in names(document)]):
        return []
    interfaces = switch.tables({"Interface": ("name",)}, {"Interface": conditions})["Interface"]
    owners = [["interfaces", "includes", uuid(u)] for u in interfaces.uuids]
    return list(switch.tables({"Port": ("name",)}, {"Port": owners})["Port"].values("name")) if owners else []


def _condition(selector: str) -> list:
    return ["external_ids", "includes", ["map", [["iface-id", selector.removeprefix(PREFIX)]]]]
