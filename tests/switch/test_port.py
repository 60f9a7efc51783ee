"""Ports, judged by ovs-vsctl."""

import pytest

KEYS = ["bridge", "port", "type", "ofport", "tag", "trunks", "admin_state", "link_state", "mac", "iface_id", "error"]


def test_list(switch, ovstool):
    switch.vsctl("add-br br1 -- set bridge br1 datapath_type=dummy -- set port eth1 tag=5 -- set interface eth1 external_ids:iface-id=vif")
    rows = ovstool("port list -f json").json
    assert [(row["bridge"], row["port"]) for row in rows] == [("br0", "br0"), ("br0", "eth1"), ("br0", "eth2"), ("br1", "br1")]
    assert all(list(row) == KEYS for row in rows)
    assert rows[1] == {
        "bridge": "br0", "port": "eth1", "type": "system", "ofport": int(switch.vsctl("get interface eth1 ofport")), "tag": 5, "trunks": [],
        "admin_state": "up", "link_state": "up", "mac": switch.vsctl("get interface eth1 mac_in_use").strip('"'), "iface_id": "vif", "error": None,
    }  # fmt: skip
    assert ovstool("port list br1 br0 -f json").json == [rows[3], *rows[:3]]


@pytest.mark.parametrize(
    ("options", "vsctl"),
    [
        ("", ""),
        ("--tag 10", "tag=10"),
        ("--trunk 20,10 --trunk 30", "trunks=10,20,30"),
        ("--tag 0 --external-id a=b", "tag=0 -- set interface {} external_ids:a=b"),
        ("--type internal", "-- set interface {} type=internal"),
        ("--type system", ""),
        ("--type vxlan --remote-ip 192.0.2.7 --key 42", "-- set interface {} type=vxlan options:remote_ip=192.0.2.7 options:key=42"),
        ("--type geneve --option remote_ip=flow --key flow", "-- set interface {} type=geneve options:remote_ip=flow options:key=flow"),
        ("--peer other", "-- set interface {} type=patch options:peer=other"),
    ],
)
def test_add_writes_the_same_rows_as_ovs_vsctl(switch, ovstool, options, vsctl):
    switch.vsctl(f"--no-wait add-port br0 theirs {vsctl.format('theirs')}")
    command = f"port add br0 ours {options}"
    assert ovstool(f"{command} --no-wait").stdout == "ours: created\n"
    for table in ("Port", "Interface"):
        kept = ("tag", "trunks", "qos", "bond_mode", "lacp", "vlan_mode", "other_config", "external_ids", "type", "options", "mac")
        theirs, ours = (
            [row.get(column) for column in kept] for name in ("theirs", "ours") for row in switch.rows(table) if row["name"] == name
        )
        assert ours == theirs
    assert "ours" in switch.vsctl("list-ports br0").split()
    assert ovstool(command).stdout == "ours: unchanged\n"


def test_a_bond(switch, ovstool):
    command = "port add br0 bond0 --bond eth8,eth9 --bond-mode balance-tcp --lacp active"
    assert ovstool(command).stdout == "bond0: created\n"
    assert switch.vsctl("get port bond0 bond_mode lacp").splitlines() == ["balance-tcp", "active"]
    assert sorted(switch.vsctl("list-ifaces br0").split()) == ["eth1", "eth2", "eth8", "eth9"]
    assert ovstool(command).stdout == "bond0: unchanged\n"
    row = ovstool("port list -f json").json[0]
    assert (row["port"], row["type"], row["ofport"]) == ("bond0", "bond", None)
    assert ovstool("port show eth8 -f json").json["port"] == "bond0"
    assert ovstool("port del bond0").stdout == "bond0: deleted\n"
    assert sorted(switch.vsctl("list-ifaces br0").split()) == ["eth1", "eth2"]


def test_show(switch, ovstool):
    switch.vsctl("set port eth1 tag=5 vlan_mode=access qos=@q -- --id=@q create qos type=linux-hfsc -- set interface eth1 options:a=b")
    shown = ovstool("port show eth1 -f json").json
    assert (shown["bridge"], shown["qos"], shown["tag"], shown["vlan_mode"]) == ("br0", "linux-hfsc", 5, "access")
    (interface,) = shown["interfaces"]
    assert (interface["name"], interface["type"], interface["options"]) == ("eth1", "system", {"a": "b"})
    assert ovstool("port show eth2 -f json").json["qos"] is None


def test_set_of_a_bond(switch, ovstool):
    switch.vsctl("add-bond br0 bond0 eth8 eth9")
    for options, values in (("--bond-mode active-backup", ["active-backup", "[]"]), ("--lacp active", ["active-backup", "active"])):
        assert ovstool(f"port set bond0 {options}").stdout == "bond0: updated\n"
        assert switch.vsctl("get port bond0 bond_mode lacp").splitlines() == values
        assert ovstool(f"port set eth9 {options}").stdout == "eth9: unchanged\n"


@pytest.mark.parametrize("first", ["patch0", "patch1"])
def test_two_patch_ports(switch, ovstool, first):
    second = "patch1" if first == "patch0" else "patch0"
    alone = ovstool(f"port add br0 {first} --peer {second}")
    assert (alone.code, alone.stdout) == (0, f"{first}: created\n")
    assert ovstool(f"port add br0 {second} --peer {first}").code == 0
    assert switch.vsctl(f"get interface {first} type options") == f"patch\n{{peer={second}}}"


@pytest.mark.parametrize(
    ("options", "table", "column", "value"),
    [
        ("--tag 20", "port", "tag", "20"),
        ("--unset tag", "port", "tag", "[]"),
        ("--unset tag --trunk 10,20", "port", "trunks", "[10, 20]"),
        ("--external-id c=d", "interface", "external_ids", "{a=b, c=d}"),
        ("--unset external_ids:a", "interface", "external_ids", "{}"),
        ("--unset external_ids", "interface", "external_ids", "{}"),
        ("--unset external_ids --external-id c=d", "interface", "external_ids", "{c=d}"),
        ("--option x=y", "interface", "options", "{x=y}"),
    ],
)
def test_set(switch, ovstool, options, table, column, value):
    switch.vsctl("set port eth1 tag=5 -- set interface eth1 external_ids:a=b")
    assert ovstool(f"port set eth1 {options}").stdout == "eth1: updated\n"
    assert switch.vsctl(f"get {table} eth1 {column}") == value
    assert ovstool(f"port set eth1 {options}").stdout == "eth1: unchanged\n"


def test_a_device_that_cannot_be_opened(switch, ovstool):
    result = ovstool("port add br0 nosuch0 --type nosuch")
    assert (result.code, result.stdout) == (6, "")
    assert result.stderr.startswith("ovstool: ") and "nosuch0" in result.stderr and result.stderr.count("\n") == 1
    assert "nosuch0" in switch.vsctl("list-ports br0").split()
    row = next(row for row in ovstool("port list -f json").json if row["port"] == "nosuch0")
    assert row["error"] and row["error"] in result.stderr and row["ofport"] is None
    # The row is as asked now, and the device is still not there: a loop that tries again must not take that for success.
    assert ovstool("port add br0 nosuch0 --type nosuch").code == 6


def test_a_change_with_which_a_device_cannot_be_opened(switch, ovstool):
    result = ovstool("port set eth1 --type nosuch")
    assert (result.code, result.stdout) == (6, "")
    assert result.stderr.startswith("ovstool: ovs-vswitchd: eth1: ") and result.stderr.count("\n") == 1
    assert switch.vsctl("get interface eth1 type") == "nosuch"
    assert ovstool("port set eth1 --type nosuch").code == 6  # it is as asked, and still not there
    assert ovstool("port set eth1 --unset type").stdout == "eth1: updated\n"


def test_del(switch, ovstool):
    switch.vsctl("set port eth1 qos=@q -- --id=@q create qos type=linux-htb queues=0=@a -- --id=@a create queue dscp=1")
    assert ovstool("port del eth1 eth2 nosuch --if-exists").stdout == "eth1: deleted\neth2: deleted\nnosuch: unchanged\n"
    assert switch.vsctl("list-ports br0") == ""
    assert switch.rows("QoS") == switch.rows("Queue") == []


@pytest.mark.parametrize("name", ["iface-id:vif-1", "eth1"])
def test_del_if_exists_deletes_what_exists(switch, ovstool, name):
    switch.vsctl("set interface eth1 external_ids:iface-id=vif-1")
    assert ovstool(f"port del {name} iface-id:nosuch --if-exists").stdout == f"{name}: deleted\niface-id:nosuch: unchanged\n"
    assert switch.vsctl("list-ports br0") == "eth2"
    assert ovstool(f"port del {name} --if-exists").stdout == f"{name}: unchanged\n"


@pytest.mark.parametrize("selector", ["iface-id:vif-1", "mac:02:00:00:00:00:AB", "ofport:br0/{ofport}", "eth1"])
def test_selectors(switch, ovstool, selector):
    switch.vsctl("set interface eth1 external_ids:iface-id=vif-1 external_ids:attached-mac='\"02:00:00:00:00:ab\"'")
    name = selector.format(ofport=switch.vsctl("get interface eth1 ofport"))
    assert ovstool(f"port show {name} -f json").json["port"] == "eth1"
    assert ovstool(f"port del {name}").stdout == f"{name}: deleted\n"
    assert switch.vsctl("list-ports br0") == "eth2"


def test_a_selector_that_fits_all_members_of_a_bond_means_the_bond(switch, ovstool):
    assert ovstool("port add br0 bond0 --bond eth8,eth9 --external-id iface-id=vif-1").code == 0
    assert ovstool("port show iface-id:vif-1 -f json").json["port"] == "bond0"
    assert ovstool("police set iface-id:vif-1 --rate 1mbit").stdout == "iface-id:vif-1: created\n"
    assert [row["port"] for row in ovstool("police list -f json").json] == ["eth8", "eth9"]
