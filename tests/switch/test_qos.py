"""Egress QoS, compared with what ovs-vsctl writes for the same configuration."""

import json

import pytest

INCANTATION = (
    "set port eth1 qos=@newqos -- --id=@newqos create qos type=linux-htb other-config:max-rate=200000000 queues=0=@q0,1=@q1"
    " -- --id=@q0 create queue other-config:min-rate=100000000 other-config:max-rate=100000000"
    " -- --id=@q1 create queue other-config:min-rate=50000000 other-config:max-rate=50000000"
)


def shape_of(switch, port: str) -> tuple | None:
    """Type, other_config and queues of a port as ovs-vsctl prints them, without UUIDs."""
    qos = next(row["qos"] for row in switch.rows("Port", "name", "qos") if row["name"] == port)
    row = next((row for row in switch.rows("QoS") if row["_uuid"] == qos), None)
    queues = {json.dumps(queue["_uuid"]): (queue["other_config"], queue["dscp"]) for queue in switch.rows("Queue")}
    return row and (row["type"], row["other_config"], [(number, queues[json.dumps(u)]) for number, u in row["queues"][1]])


def test_the_same_rows_as_ovs_vsctl(switch, ovstool):
    switch.vsctl(INCANTATION)
    assert (
        ovstool("qos set eth2 --max-rate 200mbit --queue 0:min=100mbit,max=100mbit --queue 1:min=50mbit,max=50mbit").stdout
        == "eth2: created\n"
    )
    assert shape_of(switch, "eth2") == shape_of(switch, "eth1")
    assert (len(switch.rows("QoS")), len(switch.rows("Queue"))) == (2, 4)
    assert (
        ovstool("qos set eth1 --max-rate 200mbit --queue 0:min=100mbit,max=100mbit --queue 1:min=50mbit,max=50mbit").stdout
        == "eth1: unchanged\n"
    )


def test_what_was_written_is_shown(switch, ovstool):
    switch.vsctl(f"{INCANTATION} dscp=10 other-config:burst=80000 other-config:priority=3")
    counters = {"tx_packets": None, "tx_bytes": None, "tx_errors": None}
    shown = ovstool("qos show eth1 -f json").json
    for queue in shown["queues"]:
        assert queue.keys() >= counters.keys()
        for counter in counters:
            queue.pop(counter)
    assert shown == {
        "port": "eth1", "type": "linux-htb", "max_rate": 200_000_000, "other_config": {"max-rate": "200000000"},
        "queues": [
            {"queue": 0, "min_rate": 100_000_000, "max_rate": 100_000_000, "burst": None, "priority": None, "dscp": None},
            {"queue": 1, "min_rate": 50_000_000, "max_rate": 50_000_000, "burst": 80_000, "priority": 3, "dscp": 10},
        ],
    }  # fmt: skip
    assert ovstool("qos list -f json").json == [{"port": "eth1", "type": "linux-htb", "max_rate": 200_000_000, "queues": 2}]


def test_every_key_of_a_queue(switch, ovstool):
    ovstool(
        "qos set eth1 --type linux-htb --max-rate 1gbit --queue 7:min=1kbit,max=2.5mbit,burst=10kB,priority=3,dscp=46 --other-config x=y=z"
    )
    config = [["burst", "80000"], ["max-rate", "2500000"], ["min-rate", "1000"], ["priority", "3"]]
    assert shape_of(switch, "eth1") == ("linux-htb", ["map", [["max-rate", "1000000000"], ["x", "y=z"]]], [(7, (["map", config], 46))])


@pytest.mark.parametrize(
    ("second", "queues", "max_rate"),
    [
        ("--max-rate 5mbit", {}, 5_000_000),
        ("--queue 1:max=7mbit", {1: (None, 7_000_000)}, None),
        ("--merge --max-rate 5mbit", {0: (100_000_000, 100_000_000), 1: (50_000_000, 50_000_000)}, 5_000_000),
        ("--merge --queue 1:max=70mbit", {0: (100_000_000, 100_000_000), 1: (50_000_000, 70_000_000)}, 200_000_000),
        ("--merge --queue 2", {0: (100_000_000, 100_000_000), 1: (50_000_000, 50_000_000), 2: (None, None)}, 200_000_000),
    ],
)
@pytest.mark.parametrize("shared", [False, True])
def test_a_second_set(switch, ovstool, second, queues, max_rate, shared):
    switch.vsctl(INCANTATION)
    if shared:
        switch.tool("sh", "-c", "ovs-vsctl set port eth2 qos=$(ovs-vsctl get port eth1 qos)")
    before = shape_of(switch, "eth1")
    assert ovstool(f"qos set eth1 {second}").stdout == "eth1: updated\n"
    shown = ovstool("qos show eth1 -f json").json
    assert {queue["queue"]: (queue["min_rate"], queue["max_rate"]) for queue in shown["queues"]} == queues
    assert shown["max_rate"] == max_rate
    assert shape_of(switch, "eth2") == (before if shared else None)
    assert switch.orphans() == []
    assert ovstool(f"qos set eth1 {second}").stdout == "eth1: unchanged\n"


def test_several_ports_have_rows_of_their_own(switch, ovstool):
    assert ovstool("qos set eth1 eth2 --max-rate 5mbit --queue 0").stdout == "eth1: created\neth2: created\n"
    assert (len(switch.rows("QoS")), len(switch.rows("Queue"))) == (2, 2)
    assert ovstool("qos clear eth1 eth2 eth1").stdout == "eth1: deleted\neth2: deleted\n"
    assert switch.rows("QoS") == switch.rows("Queue") == []
    assert ovstool("qos clear eth1").stdout == "eth1: unchanged\n"


def test_clear_leaves_another_ports_queues_alone(switch, ovstool):
    switch.vsctl(
        "set port eth1 qos=@q -- set port eth2 qos=@q -- --id=@q create qos type=linux-htb queues=0=@a -- --id=@a create queue other-config:min-rate=5"
    )
    assert ovstool("qos clear eth1").stdout == "eth1: deleted\n"
    assert switch.vsctl("get port eth2 qos") != "[]"
    assert switch.orphans() == []


@pytest.mark.parametrize("command", ["qos set eth1 --max-rate 1mbit", "qos clear eth1", "port del eth1"])
def test_a_queue_that_another_qos_uses_stays(switch, ovstool, command):
    switch.vsctl(
        "set port eth1 qos=@a -- set port eth2 qos=@b -- --id=@a create qos type=linux-htb queues=0=@q,1=@own -- --id=@b create qos type=linux-htb queues=5=@q"
        " -- --id=@q create queue other-config:min-rate=5 -- --id=@own create queue other-config:min-rate=6"
    )
    other = shape_of(switch, "eth2")
    assert ovstool(command).code == 0
    assert shape_of(switch, "eth2") == other
    assert switch.orphans() == []
    assert len(switch.rows("Queue")) == 1


def test_gc_takes_what_nothing_refers_to(switch, ovstool):
    switch.vsctl(INCANTATION)
    switch.vsctl(INCANTATION)  # the first one is unreferenced now
    before = shape_of(switch, "eth1")
    orphans = [("QoS", 1), ("Queue", 2)]
    rows = ovstool("qos gc -f json").json
    assert [(table, sum(row["table"] == table for row in rows)) for table, _ in orphans] == orphans
    assert {row["change"] for row in rows} == {"deleted"} and all(len(row["uuid"]) == 36 for row in rows)
    assert switch.orphans() == [] and shape_of(switch, "eth1") == before
    assert ovstool("qos gc -f json").json == []


def test_a_bond_is_shaped_by_any_of_its_names(switch, ovstool):
    switch.vsctl("add-bond br0 bond0 eth8 eth9")
    assert ovstool("qos set eth8 --max-rate 5mbit").code == 0
    assert shape_of(switch, "bond0") == ("linux-htb", ["map", [["max-rate", "5000000"]]], [])
    assert ovstool("qos clear bond0 eth9").code == 0
    assert switch.rows("QoS") == []


def test_a_changed_queue_keeps_the_external_ids_of_other_programs(switch, ovstool):
    assert ovstool("qos set eth1 --max-rate 10mbit --queue 0:max=2mbit --queue 1:max=1mbit").code == 0
    queue = switch.vsctl("--bare --columns=_uuid find queue other_config:max-rate=1000000")
    switch.vsctl(f"set queue {queue} external_ids:owner=neutron")
    assert ovstool("qos set eth1 --merge --queue 1:max=3mbit").stdout == "eth1: updated\n"
    assert switch.vsctl("--bare --columns=external_ids find queue other_config:max-rate=3000000") == "owner=neutron"
    assert switch.orphans() == []
