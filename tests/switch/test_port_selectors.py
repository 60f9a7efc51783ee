"""Ports by name and by selector in a database without ovs-vswitchd, and the path for many ports at once."""

import json

import pytest

from ovstool.ovsdb.transaction import Query
from ovstool.switch import Switch, lookup

VIF = {"iface-id": "vif-1", "attached-mac": "02:00:00:00:00:0a"}
MANY = [f"p{number:02}" for number in range(25)]  # enough for the server to be asked for all at once


@pytest.fixture
def switch(database):
    """``ovstool.switch`` on a database with two bridges."""
    database.put(
        {
            "br0": {
                "ports": {
                    "eth1": {"interfaces": {"eth1": {"external_ids": VIF, "ofport": 1}}},
                    "eth2": {"interfaces": {"eth2": {"mac_in_use": "02:00:00:00:00:0B", "ofport": 2}}},
                    "eth3": {"interfaces": {"eth3": {"mac": "02:00:00:00:00:0c", "ofport": 65534}}},
                    "bond0": {"interfaces": {name: {"external_ids": {"iface-id": "vif-b"}} for name in ("m2", "m1")}},
                    "eth4": {"interfaces": {"eth4": {"external_ids": {"iface-id": "twice"}}}},
                    "br0": {"interfaces": {"br0": {"type": "internal", "mac_in_use": "02:00:00:00:00:0B", "ofport": 1}}},
                },
            },
            "br1": {
                "ports": {
                    "eth5": {"interfaces": {"eth5": {"external_ids": {"iface-id": "twice"}, "ofport": 1}}},
                    "fake0": {"tag": 9, "fake_bridge": True},
                    "br1": {"interfaces": {"br1": {"type": "internal", "mac_in_use": "02:00:00:00:00:0d"}}},
                },
            },
        }
    )
    switch = Switch(database.switch.box.db)
    yield switch
    switch.close()


@pytest.mark.parametrize(
    ("name", "interfaces", "port"),
    [
        ("eth1", ["eth1"], "eth1"),
        ("bond0", ["m1", "m2"], "bond0"),
        ("m2", ["m2"], "bond0"),
        ("iface-id:vif-1", ["eth1"], "eth1"),
        ("iface-id:vif-b", ["m1", "m2"], "bond0"),
        ("mac:02:00:00:00:00:0A", ["eth1"], "eth1"),
        ("mac:02:00:00:00:00:0b", ["eth2"], "eth2"),  # not the local port, which has taken its name
        ("mac:02:00:00:00:00:0B", ["eth2"], "eth2"),
        ("mac:02:00:00:00:00:0C", ["eth3"], "eth3"),
        ("mac:02:00:00:00:00:0d", ["br1"], "br1"),
        ("ofport:br0/2", ["eth2"], "eth2"),
        ("ofport:br1/1", ["eth5"], "eth5"),
        ("ofport:br0/LOCAL", ["eth3"], "eth3"),
        ("ofport:br0/65534", ["eth3"], "eth3"),
    ],
)
def test_what_a_name_stands_for(switch, name, interfaces, port):
    [named] = lookup.interfaces(switch, [name, name], ("ofport",))
    assert (named.name, [row["name"] for row in named.rows]) == (name, interfaces) and all("ofport" in row for row in named.rows)
    [named] = lookup.ports(switch, [name, name], ("tag",))
    assert (named.name, [row["name"] for row in named.rows]) == (name, [port]) and named.rows[0].keys() == {"_uuid", "name", "tag"}


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("iface-id:nosuch", 3, "port iface-id:nosuch: no interface has this iface-id"),
        ("mac:02:00:00:00:00:99", 3, "port mac:02:00:00:00:00:99: no interface has this mac"),
        ("ofport:br0/7", 3, "port ofport:br0/7: no interface has this ofport"),
        ("ofport:nosuch/7", 3, "bridge nosuch: no such bridge; try: ovstool bridge list"),
        ("iface-id:", 2, "port iface-id:: an iface-id is missing; try: iface-id:ID"),
        *(
            (name, 2, f"port {name}: not a MAC address; try: mac:52:54:00:12:34:56")
            for name in ("mac:", "mac:02:00:00:00:00", "mac:02:00:00:00:00:0g", "mac:02:00:00:00:00:000")
        ),
        *(
            (name, 2, f"port {name}: not an OpenFlow port of a bridge; try: ofport:br0/1")
            for name in ("ofport:br0", "ofport:/1", "ofport:br0/", "ofport:br0/0", "ofport:br0/65535", "ofport:br0/x", "ofport:1")
        ),
        ("iface-id:twice", 4, "port iface-id:twice: matches several interfaces: eth4, eth5; try: the name of one of them"),
        ("ofport:br0/1", 4, "port ofport:br0/1: matches several interfaces: br0, eth1; try: the name of one of them"),
        ("nosuch", 3, "port nosuch: no such port; try: ovstool port list"),
        ("eth", 3, "port eth: no such port; try: "),
        ("bond1", 3, "port bond1: no such port; try: bond0"),
    ],
)  # fmt: skip
def test_what_stands_for_none_or_several(switch, database, name, code, said):
    for command in (f"port show {name}", f"police clear {name}", f"qos clear eth1 {name}"):
        status, printed, errors = database.run(command)
        if "clear" in command:  # a port to be cleared is never guessed
            said = said.replace("try: bond0", "try: ovstool port list")
        assert (status, printed) == (code, "") and errors.startswith(f"ovstool: {said}") and errors.count("\n") == 1, errors
        assert name == "eth" or errors == f"ovstool: {said}\n"
    if code == 3 and "nosuch/" not in name:
        assert lookup.absent(switch, ["eth1", name, "m1", "iface-id:vif-1"]) == [name]


def test_names_that_may_have_been_meant(switch, database):
    """At most three, most similar first."""
    said = database.run("port show eth")[2].removeprefix("ovstool: port eth: no such port; try: ").removesuffix("\n").split(" or ")
    assert len(said) == 3 and {"eth1", "eth2", "eth3", "eth4", "eth5"} > {*said}
    assert database.run("bridge show br")[2] in {
        f"ovstool: bridge br: no such bridge; try: {names}\n" for names in ("br1 or br0", "br0 or br1")
    }
    assert database.run("bridge show fake1")[2] == "ovstool: bridge fake1: no such bridge; try: ovstool bridge list\n"


@pytest.mark.parametrize("extra", [0, 1])
def test_many_ports_are_found_as_few_are(database, extra):
    """From some twenty ports on, whole tables are read; the result is the same, in the order of the names."""
    names = MANY[: 20 + extra]
    database.put(
        {
            "br0": {"ports": {name: {"tag": int(name[1:]) + 1} for name in MANY[:15]}},
            "br1": {"ports": {name: {"tag": int(name[1:]) + 1} for name in MANY[15:]} | {"bond0": {"interfaces": {"m1": {}, "m2": {}}}}},
            "br2": {},
        }
    )
    switch = Switch(database.switch.box.db)
    try:
        asked = [*reversed(names), "m2"]
        ports = lookup.ports(switch, asked, ("tag",))
        assert [(port.name, port.rows[0]["name"], port.rows[0]["tag"]) for port in ports[:-1]] == [
            (name, name, int(name[1:]) + 1) for name in reversed(names)
        ]
        assert (ports[-1].name, ports[-1].rows[0]["name"]) == ("m2", "bond0")
        interfaces = [row for named in lookup.interfaces(switch, asked, ("type",)) for row in named.rows]
        assert [row["name"] for row in interfaces] == asked
        owners = {str(row["_uuid"][1]): "br0" if row["name"] in MANY[:15] else "br1" for row in interfaces}
        found = lookup.bridges_of(switch, interfaces)
        assert {u: found[u] for u in owners} == owners
        rows = [port.rows[0] for port in ports]
        found = lookup.bridges_of_ports(switch, rows)
        assert {row["name"]: found[row["_uuid"][1]] for row in rows} == {
            row["name"]: "br0" if row["name"] in MANY[:15] else "br1" for row in rows
        }
        assert [row["name"] for row in lookup.bridges(switch, ["br2", "br0", "br2"], ())] == ["br2", "br0"]
    finally:
        switch.close()


def test_the_bridge_where_there_is_one(database):
    database.put({"br0": {"ports": {"eth1": {}}}})
    switch = Switch(database.switch.box.db)
    try:
        rows = switch.read(Query("Interface", [], ("_uuid", "name")))
        assert lookup.bridges_of(switch, rows) == {row["_uuid"][1]: "br0" for row in rows}
        assert lookup.bridges_of(switch, rows, [{"name": "br7"}]) == {row["_uuid"][1]: "br7" for row in rows}
    finally:
        switch.close()


def names(rows: list[dict]) -> list[str]:
    return [row["name"] for row in rows]


def test_the_interfaces_that_are_asked_for(switch):
    every = ["br0", "br1", "eth1", "eth2", "eth3", "eth4", "eth5", "fake0", "m1", "m2"]
    assert names(lookup.interface_rows(switch, [], None, ("name",))) == every
    assert names(lookup.interface_rows(switch, [], "br1", ("name", "ofport"))) == ["br1", "eth5", "fake0"]
    assert names(lookup.interface_rows(switch, ["m2", "bond0", "eth1"], "br0", ("name",))) == ["m2", "m1", "eth1"]
    with pytest.raises(lookup.NotFound) as refused:
        lookup.interface_rows(switch, ["eth1", "eth5"], "br0", ("name",))
    assert (refused.value.what, refused.value.why) == ("port eth5", "not a port of bridge br0")


def test_bridges_and_their_vlans(switch, database):
    fake = {"fake0": "br1"}
    found = lookup.bridges_and_vlans(switch, ["br1", "fake0", "br0", "fake0"], ("ports",))
    assert [(row["name"], vlan and vlan.name) for row, vlan in found] == [("br1", None), ("br1", "fake0"), ("br0", None)]
    assert all("ports" in row for row, _ in found) and found[1][1].what == "a fake bridge, VLAN 9 of br1"
    assert [(row["name"], vlan) for row, vlan in lookup.bridges_and_vlans(switch, [], ())] == [("br0", None), ("br1", None)]
    assert {vlan.name: vlan.parent["name"] for vlan in lookup.fake_bridges(switch)} == fake
    with pytest.raises(lookup.NotFound, match="bridge nosuch: no such bridge"):
        lookup.bridges_and_vlans(switch, ["fake0", "br0", "nosuch"], ())
    with pytest.raises(lookup.UsageError) as refused:
        lookup.bridges(switch, ["br0", "fake0"], ())
    assert (refused.value.what, refused.value.hint) == ("bridge fake0", "br1")
    assert refused.value.why == "is a fake bridge, VLAN 9 of br1, which has the flows and the settings"


def test_what_is_a_fake_bridge(database):
    """As in port_is_fake_bridge of ovs-vsctl.c; of two for the same VLAN, each has only its local port."""
    database.put(
        {
            "br0": {
                "ports": {
                    "v9": {"tag": 9, "fake_bridge": True},
                    "p9": {"tag": 9},
                    "no-tag": {"fake_bridge": True},
                    "no-fake": {"tag": 8},
                    "v7": {"tag": 7, "fake_bridge": True},
                    "w7": {"tag": 7, "fake_bridge": True},
                    "p7": {"tag": 7},
                    "br0": {"tag": 6, "fake_bridge": True, "interfaces": {"br0": {"type": "internal"}}},
                },
            },
            "br1": {"ports": {"q9": {"tag": 9}}},
        }
    )
    assert [(row["bridge"], row["ports"]) for row in json.loads(database.run("bridge list -f json")[1])] == [
        ("br0", 8),
        ("br1", 2),
        ("v7", 1),
        ("v9", 2),
        ("w7", 1),
    ]
    assert {name: [row["port"] for row in database.ask(f"port list {name}")] for name in ("v9", "v7", "w7")} == {
        "v9": ["p9", "v9"],
        "v7": ["v7"],
        "w7": ["w7"],
    }


def test_queries_and_tables(switch, database):
    assert [row["name"] for row in switch.read(lookup.ports_with_qos(("name",)))] == []
    assert lookup.other_config(switch) == {}
    database.transact({"op": "update", "table": "Open_vSwitch", "where": [], "row": {"other_config": ["map", [["a", "b"]]]}})
    try:
        assert lookup.other_config(switch) == {"a": "b"}
    finally:
        database.transact({"op": "update", "table": "Open_vSwitch", "where": [], "row": {"other_config": ["map", []]}})
    assert lookup.by_name(switch, "Port", [], ("tag",)) == {} and lookup.by_uuid(switch, "Port", [], ("tag",)) == {}
