"""A document applied to a switch, in one transaction."""

from ovstool.document.applying.bridges import Bridges, require_kept
from ovstool.document.applying.ports import Ports
from ovstool.document.comparison import compare
from ovstool.document.declared import Document
from ovstool.document.rules import worded_for_documents
from ovstool.document.state import State, read, tables_for
from ovstool.ovsdb.transaction import Transaction
from ovstool.ovsdb.values import many
from ovstool.switch import Change, Switch, losses


def apply(switch: Switch, document: Document, prune: bool) -> list[Change]:
    """Make a switch what a document says, in one transaction, and nothing else; ``prune``: without other ports on its bridges.

    Raises UsageError, Conflict or Refused, with nothing changed, for what cannot be; Refused with all of it changed for interfaces
    that ovs-vswitchd cannot open.
    """
    with worded_for_documents():
        changes, notes = switch.write(lambda txn: _build(switch, txn, document, prune))
    switch.notes += notes
    return changes


def _build(switch: Switch, txn: Transaction, document: Document, prune: bool) -> tuple[list[Change], list[str]]:
    found = read(txn.tables(tables_for(document)), ports=set(document.port_names()), bridges=document.bridges)
    every = compare(document, found)
    ports = Ports(txn, found)
    bridges = Bridges(switch, txn, found, ports)
    changes: list[Change] = []
    gone: dict[str, list[str]] = {}
    for compared in every:
        name = compared.bridge.entry.name
        for port in compared.ports:
            ports.put(port, name)
        local = [port.change for port in compared.ports if port.entry.name == name]
        changes.append(Change(name, *[change for change in (compared.bridge.change, *local) if change != "unchanged"][:1] or ["unchanged"]))
        changes += [Change(port.entry.name, port.change) for port in compared.ports if port.entry.name != name]
        gone[name] = compared.others if prune else []
        require_kept(compared.bridge.entry, gone[name])
        bridges.put(compared, ports.remove(name, gone[name]))
        changes += [Change(other, "deleted") for other in gone[name]]
    bridges.finish()
    ports.finish()
    return changes, bridges.notes + _pruned(switch, txn, found, gone)


def _pruned(switch: Switch, txn: Transaction, found: State, gone: dict[str, list[str]]) -> list[str]:
    """Notes about what else is lost with removed ports. The flows that steer into their queues are deleted, now that nothing is refused."""
    ports = {found.bridges[bridge].ports[name]: (name, bridge) for bridge, names in gone.items() for name in names}
    if not ports:
        return []
    shaped = [place for u, place in ports.items() if many(found.tables["Port"].row(u)["qos"])]
    if shaped:
        from ovstool.switch import steer  # only ports with a QoS have queues to steer into

        steer.clear(switch, [steer.PortOnBridge(name, name, bridge) for name, bridge in shaped])
    return losses.of_mirrors(txn.read(losses.MIRRORS), {u: name for u, (name, _) in ports.items()})
