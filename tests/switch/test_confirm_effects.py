"""What a transaction will do is known before it is sent, and its inverse restores every row: on a real ovsdb-server, row for row.

``SETUPS=1000 SEED=2`` tries more random transactions, and different ones.
"""

import random

import pytest
from setups import SEED, wanted
from whole_rows import connected, ordered, snapshot

from ovstool.ovsdb import effects, inverse, values
from ovstool.ovsdb.transaction import Stale, Transaction
from ovstool.ovsdb.values import to_map, uuid, uuids

NAMES = ("br0", "p1", "p2", "p3", 'a "b"\n$(x)', "bond0")
_PER_BRIDGE = {
    "mirrors": {"Mirror": {"name": "m"}},
    "sflow": {"sFlow": {"targets": "127.0.0.1"}},
    "controller": {"Controller": {"target": "tcp:[::1]:6"}},
}


@pytest.fixture
def client(database):
    with connected(database.switch.box.db) as client:
        yield client


def fill(database) -> None:
    """Two bridges with ports, a bond, mirrors, tables of flows and QoS rows, of which two ports share one."""
    shared = {"type": "linux-htb", "queues": {0: {"other_config": {"min-rate": "1000"}}, 7: {"dscp": 3}}}
    ports = {"p1": {"qos": shared, "external_ids": {'k"\n': "$(reboot)"}}, "p2": {"qos": shared, "tag": 5, "trunks": [1, 2]}, NAMES[4]: {}}
    bond = {"interfaces": {"b1": {"ofport": 9}, "b2": {"external_ids": {"attached-mac": "x"}}}, "bond_mode": "active-backup"}
    mirrors = {"m": {"select_src_port": ["p1", "p2"], "select_dst_port": ["p1"], "output_port": "p3"}}
    first = {"ports": ports | {"bond0": bond, "p3": {}}, "mirrors": mirrors, "controller": [{"target": "tcp:127.0.0.1:1"}]}
    database.put({"br0": first, "br1": {"ports": {"q1": {}}, "sflow": {"targets": ["127.0.0.1"]}}}, QoS=[{"type": "linux-hfsc"}])
    table = {"op": "insert", "table": "Flow_Table", "uuid-name": "t", "row": {"name": "filter"}}
    with_table = {
        "op": "update",
        "table": "Bridge",
        "where": [["name", "==", "br0"]],
        "row": {"flow_tables": ["map", [[3, ["named-uuid", "t"]]]]},
    }
    database.transact(table, with_table)


def random_writes(rng: random.Random, txn: Transaction, rows: dict) -> None:
    """Some operations that leave a valid database: ports and bridges deleted and moved, rows inserted, replaced and changed."""

    def some(table: str, **wanted):
        return [u for (of, u), row in rows.items() if of == table and all(row[key] == value for key, value in wanted.items())]

    bridges, qos = some("Bridge"), some("QoS")
    (root,) = some("Open_vSwitch")
    for bridge in bridges:
        ports = values.many(rows["Bridge", bridge]["ports"])
        gone = rng.sample(ports, rng.randint(0, len(ports)))
        if rng.random() < 0.6 and gone:
            txn.mutate("Bridge", bridge, [["ports", "delete", uuids(gone)]])
        if rng.random() < 0.4:
            interface = txn.insert(
                "Interface", {"name": f"new{rng.random()}", "type": "internal", "external_ids": to_map({"named-uuid": "row0"})}
            )
            port = txn.insert(
                "Port",
                {"name": f"new{rng.random()}", "interfaces": ["set", [interface]], "qos": rng.choice([["set", []], *map(uuid, qos)])},
            )
            txn.mutate("Bridge", bridge, [["ports", "insert", ["set", [port]]]])
        for column in rng.sample(["mirrors", "sflow", "controller", "flow_tables"], rng.randint(0, 2)):
            empty = ["map", []] if column == "flow_tables" else ["set", []]
            new = empty
            if column in _PER_BRIDGE and rng.random() < 0.5:
                [(table, row)] = _PER_BRIDGE[column].items()
                new = txn.insert(table, row)
            txn.update("Bridge", bridge, {column: new})
    if rng.random() < 0.3:
        txn.mutate("Open_vSwitch", root, [["bridges", "delete", uuids([rng.choice(bridges)])]])
    for port in some("Port"):
        if rng.random() < 0.3:
            txn.update(
                "Port",
                port,
                {"qos": rng.choice([["set", []], txn.insert("QoS", {"type": "x", "queues": ["map", [[1, txn.insert("Queue", {})]]]})])},
            )
            txn.update("Port", port, {"tag": rng.choice([["set", []], 4095]), "trunks": ["set", [2, 3]]})
            txn.mutate(
                "Port", port, [["external_ids", "delete", ["set", ['k"\n']]], ["external_ids", "insert", to_map({"new": "v", 'k"\n': "'"})]]
            )
    txn.update("Open_vSwitch", root, {"other_config": to_map({f"k{rng.randint(0, 9)}": "v"}), "system_type": f"t{rng.randint(0, 9)}"})


def test_all_that_it_does_is_known_before_and_taken_back_after(database, client):
    schema = client.get_schema()
    columns = inverse.Columns(schema)
    kinds = set()
    for seed in range(1_000_000 * (SEED - 1), 1_000_000 * (SEED - 1) + wanted(25)):
        rng = random.Random(seed)
        fill(database)
        before = snapshot(client, schema)
        txn = Transaction(client)
        random_writes(rng, txn, before)
        txn.choose_uuids()
        changes = effects.changes(txn, schema, 1000)
        txn.commit(False)
        after = snapshot(client, schema)
        told = {(change.table, change.uuid): change for change in changes}
        assert {at for at in before.keys() | after.keys() if before.get(at) != after.get(at)} == told.keys(), seed
        for at, change in told.items():
            kinds.add((at[0], change.before is None, change.after is None))
            for row, told_of_it in ((before.get(at), change.before), (after.get(at), change.after)):
                assert told_of_it is None if row is None else {c: ordered(v) for c, v in told_of_it.items()}.items() <= row.items(), seed
        client.transact([*inverse.guards(changes, columns), *inverse.writes(changes, columns)])
        assert snapshot(client, schema) == before, seed
    assert len(kinds) >= 16  # tables, each with rows inserted, changed and deleted


@pytest.mark.parametrize("meanwhile", [
    {"op": "update", "table": "Port", "where": [["name", "==", "p1"]], "row": {"tag": 77}},
    {"op": "update", "table": "Interface", "where": [["name", "==", "p1"]], "row": {"type": "tap"}},
    {"op": "update", "table": "Mirror", "where": [], "row": {"select_src_port": ["set", []]}},
])  # fmt: skip
def test_what_it_was_computed_from_must_still_be_so(database, client, meanwhile):
    fill(database)
    schema = client.get_schema()
    rows = snapshot(client, schema)
    [bridge] = [u for (table, u), row in rows.items() if table == "Bridge" and row["name"] == "br0"]
    [port] = [u for (table, u), row in rows.items() if table == "Port" and row["name"] == "p1"]
    txn = Transaction(client)
    txn.mutate("Bridge", bridge, [["ports", "delete", uuids([port])]])
    txn.choose_uuids()
    assert {change.table for change in effects.changes(txn, schema, 1000)} == {"Bridge", "Port", "Interface", "Mirror"}
    database.transact(meanwhile)
    with pytest.raises(Stale):
        txn.commit(False)


def test_not_more_rows_than_allowed(database, client):
    fill(database)
    schema = client.get_schema()
    [root] = [u for table, u in snapshot(client, schema) if table == "Open_vSwitch"]
    txn = Transaction(client)
    txn.update("Open_vSwitch", root, {"bridges": ["set", []]})
    with pytest.raises(effects.TooManyRows):
        effects.changes(txn, schema, 5)
    assert len(effects.changes(txn, schema, 100)) > 15
