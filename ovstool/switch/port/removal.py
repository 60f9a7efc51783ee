"""Deleting ports, with the rows and flows that nothing else needs."""

from collections.abc import Sequence

from ovstool.errors import UsageError, quote
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import many, one, uuids
from ovstool.switch import Change, Switch, lookup, losses, references


def delete(switch: Switch, names: Sequence[str], if_exists: bool) -> list[Change]:
    """Delete ports and the QoS and Queue rows that only they used; all or none. The flows that steer into their queues are deleted first.

    So an interrupted command leaves a port that can be deleted again, and no flows of a deleted port.
    Raises NotFound, and UsageError for a bridge's local port or a member of a bond, which cannot be deleted alone.
    """
    changes, notes = switch.write(lambda txn: _delete(switch, txn, names, if_exists))
    switch.notes += notes
    return changes


def _delete(switch: Switch, txn: Transaction, names: Sequence[str], if_exists: bool) -> tuple[list[Change], list[str]]:
    """The change of each port, and notes about it."""
    names = lookup.unique(names)
    absent = lookup.absent(txn, names) if if_exists else []
    named = lookup.ports(txn, [name for name in names if name not in absent], ("qos", "interfaces", "fake_bridge", "tag"))
    rows = {one(row["_uuid"]): row for _, (row,) in named}
    owners = [Query("Bridge", [["ports", "includes", row["_uuid"]]], ("_uuid", "name")) for _, (row,) in named]
    *bridges, mirrored = txn.read_all([*owners, losses.MIRRORS])
    ports_of: dict[str, dict[str, None]] = {}
    shaped: dict[str, tuple[str, str, str]] = {}
    for (name, (row,)), owner, found in zip(named, owners, bridges, strict=True):
        txn.hold(owner, found)
        _require_deletable(name, row, found)
        for bridge in found:
            ports_of.setdefault(one(bridge["_uuid"]), {})[one(row["_uuid"])] = None
            if many(row["qos"]):
                shaped.setdefault(one(row["_uuid"]), (name, row["name"], bridge["name"]))
    for row in rows.values():
        txn.hold(Query("Port", [["_uuid", "==", row["_uuid"]]], ("qos",)), [row])
    references.release(txn, list(rows.values()))
    for bridge_uuid, ports in ports_of.items():
        txn.mutate("Bridge", bridge_uuid, [["ports", "delete", uuids(ports)]])
    if shaped:
        from ovstool.switch import steer  # only ports with a QoS have queues to steer into

        steer.clear(switch, [steer.PortOnBridge(*place) for place in shaped.values()])
    present = {name for name, _ in named}
    changes = [Change(name, "deleted" if name in present else "unchanged") for name in names]
    return changes, losses.of_mirrors(mirrored, {u: str(row["name"]) for u, row in rows.items()})


def _require_deletable(name: str, row: Row, bridges: list[Row]) -> None:
    """Raises UsageError for a port that cannot be deleted alone."""
    if any(bridge["name"] == row["name"] for bridge in bridges):
        raise UsageError(
            f"port {quote(name)}", "the local port of a bridge is deleted with the bridge", f"ovstool bridge del {quote(name)}"
        )
    if row["fake_bridge"] and one(row["tag"]) is not None:
        why = f"the local port of a fake bridge, VLAN {one(row['tag'])}, is deleted with the bridge and its other ports"
        raise UsageError(f"port {quote(name)}", why, f"ovstool bridge del {quote(str(row['name']))}")
    if name != row["name"] and len(many(row["interfaces"])) > 1:
        raise UsageError(f"port {quote(name)}", f"is a member of bond {quote(row['name'])}", f"ovstool port del {quote(row['name'])}")
