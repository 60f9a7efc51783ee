"""A document applied to a switch, in one transaction."""

from collections.abc import Callable

from ovstool.document.applying.applied import Applied, getting
from ovstool.document.applying.bridges import Bridges, require_kept
from ovstool.document.applying.ports import Ports
from ovstool.document.comparison import ComparedBridge, compare
from ovstool.document.declared import Document
from ovstool.document.ownership.claims import Terms
from ovstool.document.rules import worded_for_documents
from ovstool.document.state import State, asked, selectors
from ovstool.ovsdb.transaction import Transaction
from ovstool.ovsdb.values import many
from ovstool.switch import Change, Switch, losses


def apply(switch: Switch, document: Document, terms: Terms, meanwhile: Callable[[Applied], object]) -> Applied:
    """Make a switch what a document says, and nothing else; ``meanwhile`` is called while ovs-vswitchd applies the change.

    All of the database changes in one transaction; flows follow. Raises UsageError, Conflict or Refused, with nothing changed, for what
    cannot be; Refused with all of it changed for interfaces that ovs-vswitchd cannot open.
    """
    if document.flows:
        from ovstool.document.flows import making  # most documents have none

        done = making.apply(switch, document, lambda txn: _build(switch, txn, document, terms), meanwhile)
    else:
        with worded_for_documents():
            done = switch.write(lambda txn: _build(switch, txn, document, terms), meanwhile)
    switch.notes += done.notes
    return done


def _build(switch: Switch, txn: Transaction, document: Document, terms: Terms) -> Applied:
    tables = asked.whole(txn, document)
    selectors.hold(txn, document, tables)
    document, absent = selectors.resolved(document, tables)
    found = asked.state(tables, document)
    every = compare(document, found, terms)
    if document.flows:
        from ovstool.document import flows  # most documents have none

        flows.require_ports(document, found, {each.bridge.entry.name: each.leaving for each in every})
    ports = Ports(txn, found)
    bridges = Bridges(switch, txn, found, ports, document.flows)
    changes: list[Change] = []
    for compared in every:
        name = compared.bridge.entry.name
        changes += _changes_of(compared)
        require_kept(compared.bridge.entry, compared.gone)
        for port in compared.ports:
            ports.put(port, name)
        gone = ports.remove(name, [*compared.gone, name] if compared.is_gone else compared.gone)
        if compared.is_gone:
            bridges.remove(name)
        else:
            bridges.put(compared, gone)
    bridges.finish()
    ports.finish()
    notes = absent + [note for compared in every for note in compared.notes] + bridges.notes
    gone_from = {compared.bridge.entry.name: compared.gone for compared in every if not compared.is_gone}
    notes += _pruned(switch, txn, document, found, gone_from)
    return Applied(changes, notes, getting("qos", every), getting("police", every))


def _changes_of(compared: ComparedBridge) -> list[Change]:
    """What happens to a bridge, with its local port, and to its other ports."""
    name = compared.bridge.entry.name
    local = [port.change for port in compared.ports if port.entry.name == name]
    of_bridge = next((change for change in (compared.bridge.change, *local) if change != "unchanged"), "unchanged")
    changes = [Change(name, "deleted" if compared.is_gone else of_bridge)] if compared.is_named or of_bridge != "unchanged" else []
    changes += [Change(port.entry.shown, port.change) for port in compared.ports if port.entry.name != name]
    return changes + [Change(port, "deleted") for port in compared.gone]


def _pruned(switch: Switch, txn: Transaction, document: Document, found: State, gone: dict[str, list[str]]) -> list[str]:
    """Notes about what else is lost with removed ports. The flows that steer into their queues are deleted, now that nothing is refused."""
    ports = {found.bridges[bridge].ports[name]: (name, bridge) for bridge, names in gone.items() for name in names}
    if not ports:
        return []
    shaped = [place for u, place in ports.items() if many(found.tables["Port"].row(u)["qos"])]
    if shaped:
        from ovstool.switch import steer  # only ports with a QoS have queues to steer into

        steer.clear(switch, [steer.PortOnBridge(name, name, bridge) for name, bridge in shaped if bridge not in document.flows])
    return losses.of_mirrors(txn.read(losses.MIRRORS), {u: name for u, (name, _) in ports.items()})
