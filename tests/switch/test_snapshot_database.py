"""Snapshots of a database without ovs-vswitchd: what is taken of it, and what becomes of it when a restoration fails."""

import os
import time

import pytest

from ovstool.errors import NotFound, Refused, TimedOut, Unreachable
from ovstool.switch import Switch, snapshot
from ovstool.switch.confirm import keys
from ovstool.switch.snapshot import _put_back, _State
from ovstool.switch.snapshot import database as whole
from ovstool.switch.snapshot.contents import Contents

ROOT = {"op": "update", "table": "Open_vSwitch", "where": []}
BRIDGES = {"br0": {"ports": {"eth1": {"tag": 5, "trunks": [3, 1, 2]}}}}


@pytest.fixture
def reached(database):
    database.put({})
    database.transact(ROOT | {"row": {"external_ids": ["map", [["hostname", "h"], ["system-id", "one"], ["x", "y"]]]}})
    switch = Switch(database.switch.box.db, wait=False)
    yield switch
    switch.close()
    database.put({})


def kinds_of(switch) -> dict:
    return whole.kinds(switch.client, switch.client.get_schema())


def with_bridges(database, reached) -> snapshot.Snapshot:
    """A snapshot of the switch as if it had a bridge."""
    empty = snapshot.take(reached)
    database.put(BRIDGES)
    rows = _rows(reached)
    database.put({})
    return empty._replace(rows=rows, bridges={"br0": Contents()})


def _rows(switch) -> dict:
    kinds = kinds_of(switch)
    return whole.rows(kinds, switch.read_all(whole.queries(kinds)))


def test_where_a_snapshot_comes_from(database, reached):
    database.transact(ROOT | {"row": {"ovs_version": "9.8.7"}})
    taken = snapshot.take(reached)
    assert taken.schema_version == reached.client.get_schema()["version"]
    assert (taken.host, taken.ovs_version, taken.bridges) == (os.uname().nodename, "9.8.7", {})
    assert abs(keys.seconds(taken.time) - time.time()) < 60
    [root] = taken.rows["Open_vSwitch"].values()
    assert root == {"external_ids": ["map", [["hostname", "h"], ["system-id", "one"], ["x", "y"]]]}


def test_rows_that_belong_to_no_bridge_of_the_switch(database, reached):
    """A bridge that is not listed is in the database for as long as a collector set refers to it."""
    database.transact(
        {"op": "insert", "table": "Bridge", "uuid-name": "b", "row": {"name": "gone"}},
        {"op": "insert", "table": "Flow_Sample_Collector_Set", "row": {"id": 1, "bridge": ["named-uuid", "b"]}},
    )
    taken = snapshot.take(reached)
    database.transact({"op": "delete", "table": "Flow_Sample_Collector_Set", "where": []})
    assert [row["name"] for row in taken.rows["Bridge"].values()] == ["gone"] and taken.bridges == {}
    assert [change.change for change in snapshot.restore(reached, taken)] == ["updated"]
    assert snapshot.take(reached).rows == taken.rows
    database.transact({"op": "delete", "table": "Flow_Sample_Collector_Set", "where": []})


def test_rows_are_sorted_and_have_no_port_number_that_is_none(database, reached):
    ports = {
        name: {"interfaces": {name: {"ofport": number, "external_ids": {"a": "b"}}}} for name, number in (("p3", -1), ("p1", 7), ("p2", []))
    }
    database.put({"br0": {"ports": ports}})
    rows = list(_rows(reached)["Interface"].values())
    assert list(rows[1]) == ["name", "external_ids", "ofport"]
    found = [(row["name"], row.get("ofport")) for row in rows]
    assert found == [("br0", None), ("p1", 7), ("p2", None), ("p3", None)]


def test_a_dry_run_changes_nothing(database, reached):
    wanted = with_bridges(database, reached)
    reached.dry_run = True
    assert [tuple(change)[:2] for change in snapshot.restore(reached, wanted)] == [("br0", "created"), ("Open_vSwitch", "unchanged")]
    assert database.tree() == {} and reached.planned


def test_a_restoration_that_fails_is_undone(database, reached):
    """Here because ovs-vswitchd does not run, so the flows of the bridge cannot be restored."""
    wanted = with_bridges(database, reached)
    with pytest.raises((Refused, Unreachable), match="; the switch was put back as it was"):
        snapshot.restore(reached, wanted)
    assert database.tree() == {}


@pytest.mark.parametrize(
    ("error", "kind"),
    [(TimedOut("br0", "late", "more"), TimedOut), (Unreachable("br0", "gone"), Unreachable), (NotFound("br0", "x"), Refused)],
)
def test_putting_back_has_the_whole_timeout(database, reached, error, kind):
    kinds, before = kinds_of(reached), _State.of(reached, kinds_of(reached))
    database.put(BRIDGES)
    reached.give_until(time.monotonic() - 1)
    found = _put_back(reached, kinds, before, error)
    assert type(found) is kind and database.tree() == {}
    assert (found.what, found.why, found.hint) == ("br0", f"{error.why}; the switch was put back as it was", error.hint)


def test_a_switch_that_cannot_be_put_back():
    found = _put_back(Switch("unix:/nosuch"), {}, _State({}, {}), TimedOut("br0", "late", "more"))
    why = "br0: late; the switch could not be put back as it was (unix:/nosuch: no such socket; is ovsdb-server running?)"
    assert type(found) is TimedOut and str(found) == f"{why}; try: 'ovstool snapshot restore' again"


def test_without_access_to_the_host():
    switch = Switch("tcp:127.0.0.1:1")
    for run in (lambda: snapshot.take(switch), lambda: snapshot.restore(switch, snapshot.Snapshot("", "", None, None, {}, {}))):
        with pytest.raises(Unreachable, match=r"^OpenFlow: needs access to the host of the switch"):
            run()
