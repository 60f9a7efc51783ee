"""--confirm-within and confirm on a real ovsdb-server, where the test sends what the watchdog would send: no time passes."""

import json
import time

import pytest
from whole_rows import connected, snapshot

from ovstool.errors import Refused
from ovstool.host import Finished
from ovstool.ovsdb.client import OperationFailed
from ovstool.ovsdb.transaction import Stale, Transaction
from ovstool.ovsdb.values import mapping, one, to_map, uuids
from ovstool.switch.confirm import arming, keys, watchdog

COMMENT = "ovstool[0123abcd] me@h: ovstool port set eth1 --tag 7 --confirm-within 60"
KEY = "ovstool-confirm-0123abcd"
SETUP = {
    "br0": {"ports": {"eth1": {"tag": 5}, "int1": {"interfaces": {"int1": {"type": "internal"}}}}, "external_ids": {"a": "b"}},
    "br1": {},
}
ROOT = {"op": "update", "table": "Open_vSwitch", "where": []}


@pytest.fixture
def client(database):
    with connected(database.switch.box.db) as client:
        database.put(SETUP)
        database.transact(ROOT | {"row": {"external_ids": ["map", []]}})
        yield client
        database.transact(ROOT | {"row": {"external_ids": ["map", []]}})


def ids(client) -> dict[str, str]:
    return mapping(client.transact([{"op": "select", "table": "Open_vSwitch", "where": []}])[0]["rows"][0]["external_ids"])


def row_of(client, table, name) -> str:
    [row] = client.transact([{"op": "select", "table": table, "where": [["name", "==", name]]}])[0]["rows"]
    return one(row["_uuid"])


def a_change(client) -> Transaction:
    txn = Transaction(client, comment=COMMENT)
    txn.update("Port", row_of(client, "Port", "eth1"), {"tag": 7})
    return txn


def undo_of(txn, client, dry_run=False) -> watchdog.Task:
    return arming.add_undo(txn, client.get_schema(), 60, COMMENT, dry_run)


def send(client, text) -> list:
    """What ovsdb-client (1) does with a transaction of the watchdog."""
    database, *operations = json.loads(text)
    assert database == "Open_vSwitch"
    return client.transact(operations)


def test_a_change_and_its_undo(client):
    before = snapshot(client, client.get_schema())
    txn = a_change(client)
    task = undo_of(txn, client)
    assert task.key == KEY and set(task.devices) == {"br0", "br1"}
    assert task.about.partition(" ")[2] == "me@h: ovstool port set eth1 --tag 7 --confirm-within 60"
    assert abs(keys.seconds(task.about.partition(" ")[0]) - time.time() - 60) < 30
    with pytest.raises(Stale):
        txn.commit(False)
    assert snapshot(client, client.get_schema()) == before
    send(client, task.transactions.arm)
    assert ids(client) == {KEY: f"not committed yet: {task.about}"}
    with pytest.raises(OperationFailed):
        send(client, task.transactions.arm)
    txn.commit(False)
    assert ids(client) == {KEY: task.about} and f'["{KEY}",' in json.dumps(send(client, task.transactions.look), separators=(",", ":"))
    with pytest.raises(OperationFailed):
        send(client, task.transactions.abandon)
    send(client, task.transactions.undo)
    after = snapshot(client, client.get_schema())
    [root] = [at for at in after if at[0] == "Open_vSwitch"]
    assert after[root].pop("next_cfg") == before[root].pop("next_cfg") + 1 and after == before
    with pytest.raises(OperationFailed):
        send(client, task.transactions.undo)


def test_a_change_that_never_comes(client):
    txn = a_change(client)
    task = undo_of(txn, client)
    send(client, task.transactions.arm)
    for transaction in (task.transactions.undo, task.transactions.give_up):
        with pytest.raises(OperationFailed):
            send(client, transaction)
    send(client, task.transactions.abandon)
    assert ids(client) == {}
    with pytest.raises(Stale):
        txn.commit(False)


def test_a_change_that_others_have_changed(client, database):
    txn = a_change(client)
    task = undo_of(txn, client)
    send(client, task.transactions.arm)
    txn.commit(False)
    database.transact({"op": "update", "table": "Port", "where": [["name", "==", "eth1"]], "row": {"tag": 8}})
    with pytest.raises(OperationFailed) as failed:
        send(client, task.transactions.undo)
    assert failed.value.index > 0  # its key is there
    send(client, task.transactions.give_up)
    assert ids(client) == {} and database.tree()["br0"]["ports"]["eth1"] == {"tag": 8}
    said = "ovstool[0123abcd] me@h: not confirmed within 60 s: ovstool port set eth1 --tag 7 --confirm-within 60"
    assert json.loads(task.transactions.undo)[-1]["comment"] == said
    assert json.loads(task.transactions.give_up)[-1]["comment"] == f"{said}; not undone, as others have changed the same since"


def test_keys_of_one_command(client, database):
    for number in ("", "-2", "-3"):
        txn = a_change(client)
        assert undo_of(txn, client).key == KEY + number
        database.transact(ROOT | {"row": {"external_ids": to_map(ids(client) | {KEY + number: "x"})}})


def test_a_dry_run_needs_no_watchdog(client, database):
    txn = a_change(client)
    task = undo_of(txn, client, dry_run=True)
    txn.commit(False)
    assert ids(client) == {KEY: task.about} and database.tree()["br0"]["ports"]["eth1"] == {"tag": 7}


def test_devices_that_come_and_go(client):
    """Local ports and the internal ports that are deleted, which need their addresses again."""
    txn = Transaction(client)
    gone = [row_of(client, "Port", name) for name in ("int1", "eth1")]
    txn.mutate("Bridge", row_of(client, "Bridge", "br0"), [["ports", "delete", uuids(gone)]])
    assert sorted(undo_of(txn, client).devices) == ["br0", "br1", "int1"]


def test_what_is_too_large_is_refused(client, monkeypatch):
    length = len(undo_of(a_change(client), client).transactions.undo)
    monkeypatch.setattr(watchdog, "LONGEST", length)
    undo_of(a_change(client), client)
    monkeypatch.setattr(watchdog, "LONGEST", 1024)
    txn = Transaction(client)
    txn.update("Bridge", row_of(client, "Bridge", "br0"), {"external_ids": to_map({"a": "x" * 2000, "b": "y" * 1100})})
    said = (
        r"--confirm-within: undoing this change takes a transaction of 7 KiB, and ovsdb-client takes at most 1 KiB, so nothing was changed"
    )
    with pytest.raises(Refused, match=f"{said}; try: the change in several commands"):
        undo_of(txn, client)
    monkeypatch.setattr(arming, "_MOST_ROWS", 0)
    with pytest.raises(Refused, match="takes a transaction of more than 0 rows, and"):
        undo_of(a_change(client), client)


def test_a_change_that_fails_after_the_watchdog_has_been_started(client):
    def run(argv, stdin):
        send(client, task.transactions.arm)
        return Finished(0, "armed\n", "")

    task, found = undo_of(a_change(client), client), ["before"]
    for error in (Stale(), OperationFailed("x", "", 0)):
        with pytest.raises(type(error)), arming.armed(task, run, "unix:db", client, found):
            assert [*ids(client)] == [KEY] and found[0] == "before" and len(found) == 2
            raise error
        assert ids(client) == {} and found == ["before"]
    with pytest.raises(ConnectionError), arming.armed(task, run, "unix:db", client, found):
        raise ConnectionError
    assert [*ids(client)] == [KEY] and found[1].problem == "undone in 60 s unless confirmed"
    assert found[1].remedy == (("ovstool", "confirm", "0123abcd"),)
    send(client, task.transactions.abandon)
    with arming.armed(task, run, "unix:db", client, found):
        pass
    assert len(found) == 2  # it is said once


# --- confirm

PAST, FUTURE = "2001-02-03T04:05:06Z me@h: ovstool a", "2999-02-03T04:05:06Z me@h: ovstool b"


def keyed(**values) -> dict:
    return {f"ovstool-confirm-{id.replace('_', '-')}": value for id, value in values.items()}


@pytest.fixture
def pending(client, database):
    """Two changes, one of them of two transactions."""
    found = keyed(aaaaaaaa=PAST, bbbbbbbb=FUTURE, bbbbbbbb_2=FUTURE)
    database.transact(ROOT | {"row": {"external_ids": to_map(found | {"x": "y"})}})
    return found


NOTE_A = "ovstool: note: aaaaaaaa: me@h: ovstool a; was to be undone at 2001-02-03T04:05:06Z, but others have changed the same since, or the host was restarted\n"
NOTE_B = "ovstool: note: bbbbbbbb: me@h: ovstool b; would have been undone at 2999-02-03T04:05:06Z\n"


@pytest.mark.parametrize(
    ("words", "changed", "notes", "left"),
    [
        ("", "aaaaaaaa: updated\nbbbbbbbb: updated\n", NOTE_A + 2 * NOTE_B, ["x"]),
        ("aaaaaaaa", "aaaaaaaa: updated\n", NOTE_A, ["ovstool-confirm-bbbbbbbb", "ovstool-confirm-bbbbbbbb-2", "x"]),
        ("bbbbbbbb bbbbbbbb", "bbbbbbbb: updated\n", 2 * NOTE_B, ["ovstool-confirm-aaaaaaaa", "x"]),
    ],
)
def test_what_is_confirmed(database, client, pending, words, changed, notes, left):
    assert database.run(f"confirm {words}") == (0, changed, notes)
    assert sorted(ids(client)) == left and ids(client)["x"] == "y"


def test_a_confirmation_that_is_tried(database, client, pending):
    code, _, said = database.run("confirm bbbbbbbb -n")
    assert code == 0 and said.count("bbbbbbbb: me@h: ovstool b; is undone at 2999-02-03T04:05:06Z unless confirmed\n") == 2
    assert len(ids(client)) == 4


def test_an_id_that_is_not_pending(database, client, pending):
    for words in ("cccccccc", "aaaaaaaa cccccccc"):
        why = (
            "no change with this ID is pending: it was confirmed before, or its time was over and it is undone; pending: aaaaaaaa, bbbbbbbb"
        )
        assert database.run(f"confirm {words}") == (3, "", f"ovstool: cccccccc: {why}; try: ovstool confirm --dry-run\n")
    assert len(ids(client)) == 4
    database.transact(ROOT | {"row": {"external_ids": ["map", []]}})
    assert "; pending: none; try:" in database.run("confirm aaaaaaaa")[2]


def test_a_key_of_somebody_else_while_it_is_confirmed(database, client, pending):
    """It is not lost, and neither is a change confirmed whose undo comes first."""
    added = ROOT | {"row": {"external_ids": to_map(pending | {"new": "1"})}}
    assert database.run_while("confirm aaaaaaaa", lambda: database.transact(added))[0] == 0
    assert sorted(ids(client)) == ["new", "ovstool-confirm-bbbbbbbb", "ovstool-confirm-bbbbbbbb-2"]
    undone = ROOT | {"row": {"external_ids": ["map", []]}}
    code, out, _ = database.run_while("confirm bbbbbbbb", lambda: database.transact(undone))
    assert (code, out, ids(client)) == (3, "", {})
