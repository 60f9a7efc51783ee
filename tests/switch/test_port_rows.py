"""Ports in a database without ovs-vswitchd: each row that is written or listed, and everything printed."""

import pytest
from ovs_version import OVS

PACKET_RATE = {"ingress_policing_kpkts_rate": 6} if OVS >= (2, 16) else {}

SHAPED = {"type": "linux-htb", "other_config": {"max-rate": "5000000"}, "queues": {0: {"dscp": 1}}}
ETH1 = {
    "type": "vxlan", "ofport": 3, "admin_state": "up", "link_state": "down", "mac_in_use": "02:00:00:00:00:01", "error": "broken",
    "external_ids": {"iface-id": "vif-1", "a": "b"}, "options": {"remote_ip": "192.0.2.1"}, "link_speed": 10**9, "mtu": 1500, "mtu_request": 1400,
    "ingress_policing_rate": 4, **PACKET_RATE,
}  # fmt: skip
MEMBERS = {
    "m1": {"link_state": "down", "ofport": 4, "mac_in_use": "02:00:00:00:00:0a", "error": "no carrier"},
    "m2": {"admin_state": "up", "link_state": "up", "external_ids": {"iface-id": "vif-2"}, "error": "gone"},
}
LISTED = {
    "br0": [
        ["bond0", "bond", None, None, [], "up", "up", "02:00:00:00:00:0a", "vif-2", "m1: no carrier; m2: gone"],
        ["br0", "internal", None, None, [], None, None, None, None, None],
        ["eth1", "vxlan", 3, 5, [6, 7], "up", "down", "02:00:00:00:00:01", "vif-1", "broken"],
        ["fake0", "system", None, 9, [], None, None, None, None, None],
        ["p9", "system", None, 9, [], None, None, None, None, None],
    ],
    "br1": [["br1", "internal", None, None, [], None, None, None, None, None]],
}
COLUMNS = ("bridge", "port", "type", "ofport", "tag", "trunks", "admin_state", "link_state", "mac", "iface_id", "error")


def put(database, **ports: dict) -> None:
    database.put(
        {
            "br1": {},
            "br0": {
                "ports": {
                    "eth1": {"tag": 5, "trunks": [7, 6], "qos": SHAPED, "interfaces": {"eth1": ETH1}},
                    "fake0": {"tag": 9, "fake_bridge": True},
                    "p9": {"tag": 9},
                    "bond0": {"interfaces": MEMBERS},
                }
                | ports
            },
        }
    )


def listed(*bridges: str) -> list[dict]:
    return [dict(zip(COLUMNS, [bridge, *row], strict=True)) for bridge in bridges for row in LISTED[bridge]]


@pytest.mark.parametrize("names", ["", "br0 br1", "br1 br0", "br1"])
def test_list(database, names):
    put(database)
    assert database.ask(f"port list {names}") == listed(*(names.split() or sorted(LISTED)))


def test_list_of_a_fake_bridge(database):
    put(database)
    assert database.ask("port list fake0 br1") == [row for row in listed("br0", "br1") if row["port"] in ("fake0", "p9", "br1")]


def test_show(database):
    put(database)
    shown = database.ask("port show eth1")
    of_interface = {
        "name": "eth1", "type": "vxlan", "ofport": 3, "link_state": "down", "link_speed": 10**9, "mtu": 1500, "mtu_request": 1400, "options": {"remote_ip": "192.0.2.1"},
        "external_ids": {"iface-id": "vif-1", "a": "b"}, "police_rate": 4_000, "police_packet_rate": 6_000 if PACKET_RATE else None, "error": "broken",
    }  # fmt: skip
    row = next(row for row in listed("br0") if row["port"] == "eth1")
    none = {"vlan_mode": None, "bond_mode": None, "bond_active": None, "lacp": None, "other_config": {}}
    assert shown == row | none | {"qos": "linux-htb", "interfaces": [of_interface]}


def test_show_of_a_bond(database):
    modes = {"vlan_mode": "native-tagged", "bond_mode": "balance-tcp", "bond_active_slave": "02:00:00:00:00:0a", "lacp": "active"}
    put(database, bond0=modes | {"other_config": {"x": "y"}, "interfaces": {"m2": MEMBERS["m2"], "m1": MEMBERS["m1"]}})
    shown = database.ask("port show m2")
    members = shown.pop("interfaces")
    assert [(member["name"], member["error"], member["external_ids"]) for member in members] == [
        ("m1", "no carrier", {}),
        ("m2", "gone", {"iface-id": "vif-2"}),
    ]
    row = next(row for row in listed("br0") if row["port"] == "bond0")
    modes = {"vlan_mode": "native-tagged", "bond_mode": "balance-tcp", "bond_active": "02:00:00:00:00:0a", "lacp": "active"}
    assert shown == row | modes | {"qos": None, "other_config": {"x": "y"}}


@pytest.mark.parametrize(
    ("states", "state"),
    [(("up", "down"), "up"), (("down", "up"), "up"), (("down", ""), "down"), (("", "down"), "down"), (("", ""), None)],
)
def test_a_bond_is_up_when_a_member_is(database, states, state):
    members = {name: {"admin_state": of, "link_state": of} if of else {} for name, of in zip(("m1", "m2"), states, strict=True)}
    database.put({"br0": {"ports": {"bond0": {"interfaces": members}}}})
    row = database.ask("port list br0")[0]
    assert (row["port"], row["admin_state"], row["link_state"], row["error"]) == ("bond0", state, state, None)


@pytest.mark.parametrize(
    ("words", "port", "interfaces"),
    [
        ("", {}, {"new0": {}}),
        ("--tag 0", {"tag": 0}, {"new0": {}}),
        ("--tag 7 --vlan-mode access", {"tag": 7, "vlan_mode": "access"}, {"new0": {}}),
        ("--trunk 7,6 --trunk 8", {"trunks": [6, 7, 8]}, {"new0": {}}),
        ("--type system --external-id a=b", {}, {"new0": {"external_ids": {"a": "b"}}}),
        ("--type internal --lacp off", {"lacp": "off"}, {"new0": {"type": "internal"}}),
        ("--type internal --mtu 68", {}, {"new0": {"type": "internal", "mtu_request": 68}}),
        ("--bond n1,n2 --mtu 65535", {}, {"n1": {"mtu_request": 65535}, "n2": {"mtu_request": 65535}}),
        ("--type gre --remote-ip 192.0.2.1 --key 7", {}, {"new0": {"type": "gre", "options": {"remote_ip": "192.0.2.1", "key": "7"}}}),
        ("--bond n1,n2 --lacp active --bond-mode balance-tcp", {"lacp": "active", "bond_mode": "balance-tcp"}, {"n1": {}, "n2": {}}),
        ("--bond n1,n2 --external-id a=b", {}, {"n1": {"external_ids": {"a": "b"}}, "n2": {"external_ids": {"a": "b"}}}),
    ],
)  # fmt: skip
def test_add(database, words, port, interfaces):
    database.put({"br0": {}, "br1": {"ports": {"eth1": {}}}})
    added = port | ({} if interfaces == {"new0": {}} else {"interfaces": interfaces})
    before = database.tree()
    assert database.run(f"port add br1 new0 {words} -n")[0] == 0 and database.tree() == before
    assert database.run(f"port add br1 new0 {words}") == (0, "new0: created\n", "")
    tree = database.tree()
    if "tag" in added and added["tag"] == 0:  # a valid value, which a tree takes for a default
        assert database.ask("port list br1")[2]["tag"] == 0
        added = {key: value for key, value in added.items() if key != "tag"}
    assert tree == {"br0": {}, "br1": {"ports": {"eth1": {}, "new0": added}}}
    assert database.run(f"port add br1 new0 {words}") == (0, "new0: unchanged\n", "") and database.tree() == tree


def test_add_to_a_fake_bridge(database):
    put(database)
    before = database.tree()["br0"]["ports"]
    said = "fake0 is a fake bridge, VLAN 9 of br0, and so is the tag of its ports; try: --tag 9, or br0 as the bridge"
    assert database.run("port add fake0 new0 --tag 8") == (2, "", f"ovstool: --tag 8: {said}\n")
    assert database.run("port add fake0 new0") == (0, "new0: created\n", "")
    assert database.run("port add fake0 new1 --tag 9") == (0, "new1: created\n", "")
    assert database.tree()["br0"]["ports"] == before | {"new0": {"tag": 9}, "new1": {"tag": 9}}
    assert database.run("port add fake0 new0 --tag 9") == (0, "new0: unchanged\n", "")


SET = "; try: ovstool port set eth2, with these options"
REPLACE = "; try: ovstool port del {}, then add it"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("br0 br1", 4, "port br1: is a bridge, and bridges are connected by a pair of patch ports; try: --peer PORT"),
        ("br1 eth2", 4, "port eth2: exists on another bridge; try: ovstool port show eth2"),
        ("br0 m1", 4, "port m1: interface m1 belongs to another port; try: ovstool port show m1"),
        ("br0 new0 --bond n1,m2", 4, "port new0: interface m2 belongs to another port; try: ovstool port show m2"),
        ("br0 m1 --bond n1,n2", 4, "port m1: interface m1 belongs to another port; try: ovstool port show m1"),
        ("br0 eth2 --tag 7", 4, f"port eth2: exists and differs in tag{SET}"),
        ("br0 eth2 --trunk 7", 4, f"port eth2: exists and differs in trunks{SET}"),
        ("br0 eth2 --vlan-mode trunk", 4, f"port eth2: exists and differs in vlan_mode{SET}"),
        ("br0 eth2 --lacp off", 4, f"port eth2: exists and differs in lacp{SET}"),
        ("br0 eth2 --type internal", 4, f"port eth2: exists and differs in type{SET}"),
        ("br0 eth2 --external-id a=c", 4, f"port eth2: exists and differs in external_ids{SET}"),
        ("br0 eth2 --external-id c=d --tag 7 --type internal", 4, f"port eth2: exists and differs in tag, type, external_ids{SET}"),
        ("br0 eth2 --bond n1,n2 --tag 7", 4, f"port eth2: exists and differs in tag, interfaces{REPLACE.format('eth2')}"),
        ("br0 bond0 --bond m1,m3", 4, f"port bond0: exists and differs in interfaces{REPLACE.format('bond0')}"),
        ("br0 bond0", 4, f"port bond0: exists and differs in interfaces{REPLACE.format('bond0')}"),
        ("br0 bond0 --bond m2,m1 --bond-mode balance-slb", 4,
         "port bond0: exists and differs in bond_mode; try: ovstool port set bond0, with these options"),
        ("br0 eth2 --mtu 1400", 4, f"port eth2: exists and differs in mtu_request{SET}"),
        ("nosuch new0", 3, "bridge nosuch: no such bridge; try: ovstool bridge list"),
        ("br0 eth2 --external-id a=b", 0, "eth2: unchanged"),
        ("br0 eth2 --type system --tag 5", 0, "eth2: unchanged"),
        ("br0 bond0 --bond m2,m1", 0, "bond0: unchanged"),
    ],
)  # fmt: skip
def test_add_of_an_existing_port(database, words, code, said):
    """Settings that are not given may differ; keys of maps are compared one by one."""
    put(database, eth2={"tag": 5, "interfaces": {"eth2": {"external_ids": {"a": "b", "x": "y"}}}})
    before = database.tree()
    result = database.run(f"port add {words}")
    assert result == ((0, f"{said}\n", "") if code == 0 else (code, "", f"ovstool: {said}\n"))
    assert database.tree() == before


ETH2 = {"tag": 5, "interfaces": {"eth2": {"type": "gre", "options": {"remote_ip": "192.0.2.1", "key": "7"}, "external_ids": {"a": "b"}}}}


def eth2(tag: int | None = 5, **columns) -> dict:
    """ETH2 with these columns of the port or of its interface."""
    of_interface = ETH2["interfaces"]["eth2"] | {"type": columns.pop("kind", "gre")}
    of_interface |= {column: columns.pop(column) for column in ("options", "external_ids") if column in columns}
    left = {column: value for column, value in of_interface.items() if value}
    return ({} if tag is None else {"tag": tag}) | columns | ({"interfaces": {"eth2": left}} if left else {})


@pytest.mark.parametrize(
    ("words", "after"),
    [
        ("--tag 6", eth2(tag=6)),
        ("--unset tag --trunk 6,5", eth2(tag=None, trunks=[5, 6])),
        ("--vlan-mode native-tagged --trunk 7", eth2(vlan_mode="native-tagged", trunks=7)),
        ("--lacp passive", eth2(lacp="passive")),
        ("--external-id c=d", eth2(external_ids={"a": "b", "c": "d"})),
        ("--external-id a=c", eth2(external_ids={"a": "c"})),
        ("--external-id a=", eth2(external_ids={"a": ""})),
        ("--unset external_ids --external-id c=d", eth2(external_ids={"c": "d"})),
        ("--unset external_ids:a", eth2(external_ids={})),
        ("--unset external_ids:a --external-id c=d", eth2(external_ids={"c": "d"})),
        ("--unset external_ids", eth2(external_ids={})),
        ("--option key=8", eth2(options={"remote_ip": "192.0.2.1", "key": "8"})),
        ("--option ttl=8", eth2(options={"remote_ip": "192.0.2.1", "key": "7", "ttl": "8"})),
        ("--unset options:key", eth2(options={"remote_ip": "192.0.2.1"})),
        ("--unset options:key --option ttl=8", eth2(options={"remote_ip": "192.0.2.1", "ttl": "8"})),
        ("--unset options --remote-ip 192.0.2.2", eth2(options={"remote_ip": "192.0.2.2"})),
        ("--type vxlan", eth2(kind="vxlan")),
        ("--type internal --unset options", eth2(kind="internal", options={})),
        ("--type system --unset options", eth2(kind="", options={})),
        ("--unset type --unset options", eth2(kind="", options={})),
        ("--unset type --unset options --unset external_ids --unset tag", eth2(kind="", options={}, external_ids={}, tag=None)),
    ],
)
def test_set(database, words, after):
    database.put({"br0": {"ports": {"eth2": ETH2, "eth3": {}}}})
    assert database.run(f"port set eth2 {words}")[:2] == (0, "eth2: updated\n")
    assert database.tree() == {"br0": {"ports": {"eth2": after, "eth3": {}}}}
    assert database.run(f"port set eth2 {words}")[:2] == (0, "eth2: unchanged\n")


@pytest.mark.parametrize(
    "words", ["--tag 5", "--external-id a=b", "--option key=7", "--type gre", "--unset trunks", "--unset external_ids:z", "--unset lacp"]
)
def test_set_of_present_values(database, words):
    database.put({"br0": {"ports": {"eth2": ETH2}}})
    assert database.run(f"port set eth2 {words}") == (0, "eth2: unchanged\n", "")
    assert database.tree() == {"br0": {"ports": {"eth2": ETH2}}}


def test_set_of_a_bond(database):
    put(database)
    before = database.tree()["br0"]["ports"]["bond0"]
    assert database.run("port set m1 --external-id c=d --bond-mode active-backup") == (0, "m1: updated\n", "")
    m1, m2 = ({"external_ids": MEMBERS[name].get("external_ids", {}) | {"c": "d"}} for name in ("m1", "m2"))
    after = before | {"bond_mode": "active-backup", "interfaces": {"m1": MEMBERS["m1"] | m1, "m2": MEMBERS["m2"] | m2}}
    assert database.tree()["br0"]["ports"]["bond0"] == after
    members = "is a bond: its members have types and options, not the port"
    for words in ("--type internal", "--option a=b", "--unset type", "--unset options", "--unset options:a"):
        assert database.run(f"port set bond0 {words}") == (2, "", f"ovstool: port bond0: {members}\n"), words
    assert database.tree()["br0"]["ports"]["bond0"] == after
    assert database.run("port set bond0 --unset external_ids:c --unset bond_mode") == (0, "bond0: updated\n", "")
    assert database.tree()["br0"]["ports"]["bond0"] == before


def test_the_mtu_of_a_port_is_that_of_its_interfaces(database):
    database.put({"br0": {"ports": {"bond0": {"interfaces": {"m1": {}, "m2": {}}}, "eth2": ETH2}}})
    before = database.tree()
    members = {name: {"mtu_request": 1400} for name in ("m1", "m2")}
    for change in ("updated", "unchanged"):
        assert database.run("port set bond0 --mtu 1400") == (0, f"bond0: {change}\n", "")
        assert database.tree() == {"br0": {"ports": {"bond0": {"interfaces": members}, "eth2": ETH2}}}
    for change in ("updated", "unchanged"):
        assert database.run("port set bond0 --unset mtu-request") == (0, f"bond0: {change}\n", "")
        assert database.tree() == before
    assert database.run("port set eth2 --unset mtu_request") == (0, "eth2: unchanged\n", "")


NAME = "a name has no spaces, slashes or control characters, and does not start like an option or a selector"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("add br0 a/b", 2, f"port a/b: {NAME}"),
        ("add br0 new0 --bond n1,n/2", 2, f"port n/2: {NAME}"),
        ("add br0 new0 --peer a/b", 2, f"peer a/b: {NAME}"),
        ("set eth2 --peer a/b", 2, f"peer a/b: {NAME}"),
        ("set eth2 --option peer=a/b", 2, f"peer a/b: {NAME}"),
        ("set eth1 --bond-mode balance-slb", 2, "port eth1: is not a bond, so it has no bond mode"),
        ("set eth1 --unset tag:5", 2, "--unset tag:5: this column has no keys; try: --unset tag"),
        ("set eth1 --unset type:x", 2, "--unset type:x: this column has no keys; try: --unset type"),
        ("set eth1 --unset mtu_request:x", 2, "--unset mtu_request:x: this column has no keys; try: --unset mtu_request"),
        ("set eth1 --mtu 1400 --unset mtu_request", 2, "--unset mtu_request: contradicts the option that sets it"),
        ("set eth1 --mtu 1400", 2, "port eth1: a tunnel has no MTU of its own (vxlan): that of the device that carries it counts"),
        ("set p9 --mtu 1400 --peer p8", 2, "port p9: a patch port has no MTU"),
        ("add br0 new0 --peer p9 --mtu 1400", 2, "port new0: a patch port has no MTU"),
        ("set p9 --mtu 67", 2, "port set: --mtu: 67: not a whole number from 68 to 65535; try: ovstool help port set"),
        ("set p9 --mtu 65536", 2, "port set: --mtu: 65536: not a whole number from 68 to 65535; try: ovstool help port set"),
        ("set nosuch --tag 5", 3, "port nosuch: no such port; try: ovstool port list"),
        ("set eth9 --tag 5", 3, "port eth9: no such port; try: eth1"),
        ("show nosuch", 3, "port nosuch: no such port; try: ovstool port list"),
        ("list nosuch", 3, "bridge nosuch: no such bridge; try: ovstool bridge list"),
        ("list br0 br1 br3", 3, "bridge br3: no such bridge; try: br1 or br0"),
        ("del eth9", 3, "port eth9: no such port; try: ovstool port list, or --if-exists"),
        ("del nosuch", 3, "port nosuch: no such port; try: ovstool port list, or --if-exists"),
        ("del eth1 nosuch", 3, "port nosuch: no such port; try: ovstool port list, or --if-exists"),
        ("del br0", 2, "port br0: the local port of a bridge is deleted with the bridge; try: ovstool bridge del br0"),
        ("del br1 eth1", 2, "port br1: the local port of a bridge is deleted with the bridge; try: ovstool bridge del br1"),
        ("del fake0", 2, "port fake0: the local port of a fake bridge, VLAN 9, is deleted with the bridge and its other ports; try: ovstool bridge del fake0"),
        ("del m1", 2, "port m1: is a member of bond bond0; try: ovstool port del bond0"),
    ],
)  # fmt: skip
def test_what_is_refused(database, words, code, said):
    put(database)
    before = database.tree()
    assert database.run(f"port {words}") == (code, "", f"ovstool: {said}\n") and database.tree() == before


def test_del(database):
    put(database, eth2={"qos": SHAPED}, odd={"interfaces": {"inner": {}}}, almost={"fake_bridge": True})
    before = database.tree()
    assert database.run("port del eth2 p9 eth2")[:2] == (0, "eth2: deleted\np9: deleted\n")
    ports = {name: port for name, port in before["br0"]["ports"].items() if name not in ("eth2", "p9")}
    assert database.tree() == {"br1": {}, "br0": {"ports": ports}} and database.count("QoS", "Queue") == [1, 1]
    assert database.run("port del bond0 inner almost nosuch nosuch2 --if-exists")[:2] == (
        0,
        "bond0: deleted\ninner: deleted\nalmost: deleted\nnosuch: unchanged\nnosuch2: unchanged\n",
    )
    assert database.run("port del eth1")[:2] == (0, "eth1: deleted\n")
    assert database.tree() == {"br1": {}, "br0": {"ports": {"fake0": {"tag": 9, "fake_bridge": True}}}}
    assert database.count("QoS", "Queue") == [0, 0]


def test_what_a_mirror_loses_is_noted(database):
    database.put({"br0": {"ports": {"eth1": {}, "eth2": {}}, "mirrors": {"m": {"select_src_port": "eth1", "output_port": "eth2"}}}})
    said = "ovstool: note: mirror m no longer selects eth1, and mirrors nothing, as no port is left\n"
    assert database.run("port del eth1") == (0, "eth1: deleted\n", said)
    said = "ovstool: note: mirror m mirrors nothing from now on: eth2 was its output port\n"
    assert database.run("port del eth2") == (0, "eth2: deleted\n", said)
