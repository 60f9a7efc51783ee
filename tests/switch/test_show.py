"""The switch as a tree."""

import json
from pathlib import Path

import pytest
from ovs_version import OVS

from ovstool import sandbox
from ovstool.errors import Unreachable
from ovstool.ovsdb import columns
from ovstool.ovsdb.transaction import Query
from ovstool.switch import Switch

TABLES = ("Open_vSwitch", "Bridge", "Port", "Interface", "QoS", "Queue", "sFlow", "Controller")
PACKET_RATE = 7 if OVS >= (2, 16) else 0  # too low to be a limit


def configure(switch) -> None:
    switch.vsctl(
        "set bridge br0 fail_mode=secure -- set-controller br0 tcp:127.0.0.1:1 -- set port eth1 tag=5 qos=@q"
        " -- --id=@q create qos type=linux-htb other-config:max-rate=5000000 queues=0=@a -- --id=@a create queue dscp=1"
        f" -- set interface eth2 ingress_policing_rate=10000 {f'ingress_policing_kpkts_rate={PACKET_RATE}' if PACKET_RATE else ''}"
        " -- add-bond br0 bond0 eth8 eth9"
        " -- set bridge br0 sflow=@s -- --id=@s create sflow agent=lo targets='\"10.0.0.5:6343\"'"
        " -- add-br br1 -- set bridge br1 datapath_type=dummy"
    )
    switch.vsctl("--no-wait add-port br0 bad0 -- set interface bad0 type=nosuch")


def test_everything_is_in_it(switch, ovstool):
    configure(switch)
    ovstool("bridge set br1 --external-id wait=for-it")  # until ovs-vswitchd has seen bad0
    text = ovstool("show").stdout
    version = switch.tool("ovs-vswitchd", "--version").splitlines()[0].split()[-1]
    assert text.splitlines()[0] == f"Open vSwitch {version}, datapath dummy (built-in)"
    wanted = ["bridge br0", "bridge br1", "secure", "tcp:127.0.0.1:1", "NOT CONNECTED", "10.0.0.5:6343", "tag 5", "linux-htb", "5 Mbit/s"]
    wanted += ["7000 packets/s"] if PACKET_RATE else []
    assert [word for word in [*wanted, "10 Mbit/s", "bond0", "eth8", "ERROR"] if word not in text] == []
    shown = ovstool("show -f json").json
    assert shown["ovs_version"] == version and [bridge["datapath_version"] for bridge in shown["bridges"]] == ["<built-in>"] * 2
    assert [bridge["bridge"] for bridge in shown["bridges"]] == switch.vsctl("list-br").split()
    br0 = shown["bridges"][0]
    assert br0["controllers"] == [{"target": "tcp:127.0.0.1:1", "connected": False}]
    ports = {port["port"]: port for port in br0["ports"]}
    assert sorted(ports) == sorted(["br0", *switch.vsctl("list-ports br0").split()])
    assert ports["eth1"]["qos"] == {"type": "linux-htb", "max_rate": 5_000_000, "queues": 1}
    policed = ports["eth2"]["interfaces"][0]
    assert (policed["police_rate"], policed["police_packet_rate"]) == (10_000_000, PACKET_RATE * 1000 or None)
    assert [member["name"] for member in ports["bond0"]["interfaces"]] == ["eth8", "eth9"]
    assert ports["bad0"]["interfaces"][0]["error"]


def test_one_bridge_looks_as_it_does_among_all(switch, ovstool):
    configure(switch)
    every = ovstool("show -f json").json["bridges"]
    assert ovstool("show br1 -f json").json["bridges"] == every[1:]
    assert ovstool("show br1 br0 -f json").json["bridges"] == every[::-1]
    assert "br0" not in ovstool("show br1").stdout


def test_whole_tables_are_what_a_select_of_them_gives(switch):
    """Column by column, including those with default values, which the server omits."""
    configure(switch)
    tables = json.loads(Path(sandbox._schema()).read_text())["tables"]
    wanted = {table: [column for column in columns.KINDS if column in tables[table]["columns"]] for table in TABLES}
    reached = Switch(switch.box.db)

    def selected() -> dict:
        return {
            table: {row["_uuid"][1]: row for row in reached.read(Query(table, [], ("_uuid", *columns_)))}
            for table, columns_ in wanted.items()
        }

    before = after = None
    while after is None or before != after:  # as ovs-vswitchd writes at times of its own
        before, read, after = selected(), columns.by_row(reached.tables(wanted)), selected()
    for table, rows in read.items():
        assert rows == {uuid: {column: row[column] for column in wanted[table]} for uuid, row in after[table].items()} and rows, table


def test_a_column_that_is_not_there_is_none(switch, monkeypatch):
    monkeypatch.setitem(columns.KINDS, "nosuch", columns.Kind(str))
    reached = Switch(switch.box.db)
    for _ in range(2):
        [row] = reached.tables({"Bridge": ("name", "nosuch"), "Controller": ("target",)})["Bridge"].rows().values()
        assert row == {"name": "br0", "nosuch": None}
    with pytest.raises(Unreachable, match="its schema is not Open vSwitch's"):
        reached.tables({"Bridge": ("name",), "Nosuch": ("name",)})


def test_nothing_is_told_of_what_changes_after_it_was_read(switch):
    reached = Switch(switch.box.db)
    reached.tables({"Port": ("name", "tag")})
    reached.client.watch("Port", ["tag"])
    switch.vsctl("set port eth1 tag=5 -- add-port br0 new0 -- set interface new0 type=internal -- del-port eth2")
    assert reached.read(Query("Port", [["name", "==", "eth1"]], ("tag",))) == [{"tag": 5}]
    assert reached.client.changed()  # of which another question was told
    assert {"eth1", "new0"} <= set(reached.tables({"Port": ("name",)})["Port"].values("name"))


def test_whole_tables_are_read_as_they_are_by_now(switch):
    """Even if another client read them before and is still connected: from 3.0 on, ovsdb-server shares the reply of equal monitors."""
    connected = [Switch(switch.box.db) for _ in range(2)]
    for tag in (5, 6):
        switch.vsctl(f"set port eth1 tag={tag}")
        for reached in connected:
            ports = reached.tables({"Port": ("name", "tag")})["Port"]
            tags = dict(zip(ports.values("name"), ports.values("tag"), strict=True))
            assert tags["eth1"] == tag
