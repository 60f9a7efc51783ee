"""Ports, compared with ovs-vsctl."""

import pytest
from between import Between

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
        ("--trunk 4094-4095,3,0-1,1-2", "trunks=0,1,2,3,4094,4095"),
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
    switch.vsctl("--no-wait add-port br0 nosuch0 -- set interface nosuch0 type=nosuch")
    # The row is as requested but the device does not exist: a script that retries must not take that for success.
    result = ovstool("port add br0 nosuch0 --type nosuch")
    assert (result.code, result.stdout) == (6, "")
    assert result.stderr.startswith("ovstool: ovs-vswitchd: nosuch0: ") and result.stderr.count("\n") == 1
    row = next(row for row in ovstool("port list -f json").json if row["port"] == "nosuch0")
    assert row["error"] and row["error"] in result.stderr and row["ofport"] is None


def test_a_change_of_a_device_that_cannot_be_opened(switch, ovstool):
    switch.vsctl("--no-wait set interface eth1 type=nosuch")
    for _ in range(2):  # now it is as requested, and still does not exist
        result = ovstool("port set eth1 --tag 5")
        assert (result.code, result.stdout) == (6, "")
        assert result.stderr.startswith("ovstool: ovs-vswitchd: eth1: ") and result.stderr.count("\n") == 1
        assert result.stderr.endswith(" (the database has the change)\n")
        assert switch.vsctl("get port eth1 tag") == "5"
    assert ovstool("port set eth1 --unset type").stdout == "eth1: updated\n"


def test_a_type_that_is_not_there(switch, ovstool):
    before = switch.dump()
    result = ovstool("port add br0 g1 --type gree")
    assert (result.code, result.stdout, switch.dump()) == (6, "", before)
    assert "this Open vSwitch does not support type gree; it supports " in result.stderr and result.stderr.endswith("; try: --type gre\n")
    assert ovstool("port set eth1 --type nosuch").code == 6
    assert switch.dump() == before
    switch.tool("ovs-appctl", "-t", "ovs-vswitchd", "exit")  # it would overwrite the column
    switch.vsctl("--no-wait clear Open_vSwitch . iface_types")
    assert ovstool("port add br0 g1 --type gree --no-wait").stdout == "g1: created\n"


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ("--vlan-mode access --tag 5", "access 5 []"),
        ("--vlan-mode access", "access [] []"),  # VLAN 0
        ("--vlan-mode trunk --trunk 5,6", "trunk [] [5, 6]"),
        ("--vlan-mode native-tagged --tag 5", "native-tagged 5 []"),
        ("--vlan-mode native-untagged --tag 5 --trunk 6", "native-untagged 5 [6]"),
        ("--vlan-mode native-untagged --tag 0 --trunk 0,6", "native-untagged 0 [0, 6]"),
        ("--vlan-mode dot1q-tunnel --tag 5", "dot1q-tunnel 5 []"),
        ("--vlan-mode trunk --tag 5", "ignores a tag"),
        ("--vlan-mode access --tag 5 --trunk 6", "ignores trunks"),
        ("--vlan-mode access --trunk 6", "ignores trunks"),
        ("--vlan-mode dot1q-tunnel --tag 5 --trunk 6", "ignores trunks"),
        ("--vlan-mode native-tagged --trunk 6", "VLAN mode native-tagged needs a native VLAN; try: --tag N"),
        ("--vlan-mode dot1q-tunnel", "needs a service VLAN"),
        ("--vlan-mode native-tagged --tag 5 --trunk 0,6", "ignores 0 in its trunks"),
        ("--tag 5 --trunk 6", "ignores its trunks; try: {0}tag, {0}trunk"),
    ],
)
def test_vlan_modes(vlans, options, rows):
    switch, ovstool = vlans
    if rows.split()[0] in options:
        assert ovstool(f"port set eth1 {options}").stdout == "eth1: updated\n"
        assert switch.vsctl("get port eth1 vlan_mode tag trunks").replace("\n", " ") == rows
        assert ovstool(f"port set eth1 {options}").stdout == "eth1: unchanged\n"
        assert ovstool(f"port add br0 in1 {options}").stdout == "in1: created\n"
        assert switch.vsctl("get port in1 vlan_mode tag trunks").replace("\n", " ") == rows
        assert ovstool(f"port add br0 in1 {options}").stdout == "in1: unchanged\n"
    else:
        before = switch.dump()
        for command, no in (("port set eth1", "--unset "), ("port add br0 in1", "no --")):
            result = ovstool(f"{command} {options}")
            assert (result.code, result.stdout) == (2, "") and rows.format(no) in result.stderr, result
        assert switch.dump() == before


@pytest.fixture(scope="module")
def shared(running_switch):
    with running_switch("dummy") as switch:
        yield switch


@pytest.fixture
def vlans(shared):
    yield shared, shared.ovstool
    shared.vsctl("--if-exists del-port in1 -- clear port eth1 tag trunks vlan_mode")


def test_a_remaining_vlan_is_noted(vlans):
    switch, ovstool = vlans
    switch.vsctl("set port eth1 vlan_mode=trunk")
    assert ovstool("port set eth1 --tag 5").code == 2
    assert ovstool("port set eth1 --external-id a=b").stdout == "eth1: updated\n"
    assert ovstool("port set eth1 --tag 5 --unset vlan_mode").stdout == "eth1: updated\n"
    switch.vsctl("set port eth1 trunks=6")  # this ignores the tag
    assert ovstool("port set eth1 --tag 7").code == 2
    assert ovstool("port set eth1 --external-id a=c").stdout == "eth1: updated\n"
    assert ovstool("port set eth1 --tag 7 --unset trunks").stdout == "eth1: updated\n"
    assert ovstool("port set eth1 --vlan-mode dot1q-tunnel").stdout == "eth1: updated\n"
    assert "push_vlan(tpid=0x88a8,vid=7" in flooded(switch, "eth1,dl_vlan=20")
    assert ovstool("port set eth1 --unset vlan_mode --unset tag").stdout == "eth1: updated\n"


def flooded(switch, packet: str) -> str:
    """Where ovs-vswitchd would send a packet from a port."""
    trace = switch.tool("ovs-appctl", "-t", "ovs-vswitchd", "ofproto/trace", "br0", f"in_port={packet}")
    return trace.rpartition("Datapath actions: ")[2]


def test_balance_tcp_without_lacp_is_told(vlans):
    switch, ovstool = vlans
    alone = flooded(switch, "eth1")
    told = "ovstool: note: in1: the bond forwards nothing: balance-tcp needs LACP, which is off; try: ovstool port set in1 --lacp active\n"
    command = "port add br0 in1 --bond eth8,eth9"
    for mode in ("balance-slb", "active-backup"):
        assert ovstool(f"{command} --bond-mode {mode}").stderr == ""
        switch.tool("ovs-appctl", "-t", "ovs-vswitchd", "revalidator/wait")
        assert flooded(switch, "eth1") != alone
        switch.vsctl("del-port in1")
    result = ovstool(f"{command} --bond-mode balance-tcp")
    assert (result.stdout, result.stderr) == ("in1: created\n", told)
    assert flooded(switch, "eth1") == alone
    assert ovstool(f"{command} --bond-mode balance-tcp").stderr == told
    assert ovstool("port set in1 --lacp active").stderr == ""
    assert ovstool("port set in1 --lacp passive").stderr == ""
    for options in ("--lacp off", "--unset lacp", "--tag 5"):
        assert ovstool(f"port set in1 {options}").stderr == told, options
    assert ovstool("port set in1 --bond-mode active-backup").stderr == ""


def test_lacp_of_a_port_that_is_not_a_bond(vlans):
    switch, ovstool = vlans
    assert ovstool("port set eth1 --lacp active").stdout == "eth1: updated\n"
    assert "eth1" in switch.tool("ovs-appctl", "-t", "ovs-vswitchd", "lacp/show")
    assert ovstool("port set eth1 --unset lacp").stdout == "eth1: updated\n"
    assert ovstool("port add br0 in1 --type internal --lacp passive").stdout == "in1: created\n"
    assert switch.vsctl("get port in1 lacp") == "passive"


def test_what_a_patch_port_lacks_is_noted(switch, ovstool):
    def told(command: str) -> str:
        result = ovstool(command)
        assert result.code == 0 and result.stderr.count("\n") <= 1, result
        return result.stderr.removeprefix("ovstool: note: p1: the patch port leads nowhere: ").removesuffix("\n")

    def leads() -> bool:  # Interface.error reports it only for a new port
        return switch.tool("ovs-appctl", "-t", "ovs-vswitchd", "ofproto/trace", "br0", "in_port=eth1").count("\nbridge(") > 1

    assert told("port add br0 p1 --peer p2") == "there is no port p2; try: ovstool port add BRIDGE p2 --peer p1"
    assert told("port set p1 --peer eth1") == "eth1 is not a patch port"
    assert not leads()
    switch.vsctl("add-br br1 -- set bridge br1 datapath_type=netdev -- add-br br2 -- set bridge br2 datapath_type=dummy")
    assert told("port set p1 --peer p2") == "there is no port p2; try: ovstool port add br2 p2 --peer p1"
    switch.vsctl("add-port br2 p2 -- set interface p2 type=patch options:peer=p3")
    assert told("port set p1 --external-id n=5") == "the peer of p2 is p3; try: ovstool port set p2 --peer p1"
    assert not leads()
    assert told("port set p2 --peer p1") == "" and leads()
    assert told("port set p1 --external-id n=6") == "" == told("port add br0 p1 --peer p2")
    switch.vsctl("del-port p2")
    switch.vsctl("add-port br1 p2 -- set interface p2 type=patch options:peer=p1")
    assert told("port set p1 --external-id n=7") == "br0 has a datapath of type dummy, br1 of type netdev"
    assert not leads()


def test_a_port_is_what_it_is_called(switch, ovstool, refused):
    """As in ovs-vsctl, a name belongs to one port, interface or bridge only."""
    switch.vsctl("add-bond br0 bond0 eth8 eth9 -- add-br br1 -- set bridge br1 datapath_type=dummy")
    for command in ("port add br0 bond0", "port add br0 eth8", "port add br0 eth8 --bond eth3,eth4", "port add br0 bond0 --bond eth8,eth3"):
        refused(command, 4)
    assert refused("port add br0 br1", 4).endswith("is a bridge, and bridges are connected by a pair of patch ports; try: --peer PORT")
    assert ovstool("port add br0 bond0 --bond eth9,eth8").stdout == "bond0: unchanged\n"
    assert ovstool("port add br0 br0").stdout == "br0: unchanged\n"
    assert "is internal, whatever its type says" in refused("port set br0 --type vxlan --remote-ip 192.0.2.7", 2)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("add br0 b1 --bond eth8,eth9,eth8", "a member is named twice"),
        ("add br0 b1 --bond eth8,eth9 --bond eth9", "a member is named twice"),
        ("add br0 b1 --bond b1,eth9", "b1 is the name of the bond itself"),
        ("add br0 b1 --bond eth8,eth9 --bond-mode stable", "invalid choice"),
        ("add br0 b1 --bond-mode balance-slb", "needs --bond"),
        ("set eth1 --bond-mode balance-slb", "is not a bond, so it has no bond mode"),
        ("set eth1 --lacp on", "invalid choice"),
        ("set eth1 --vlan-mode nosuch", "invalid choice"),
        ("set eth1 --vlan-mode access --unset vlan_mode", "contradicts the option that sets it"),
        ("add br0 p1 --type patch", "patch needs the option peer; try: --peer PORT"),
        ("add br0 p1 --peer p1", "is its own peer"),
        ("add br0 p1 --peer p2 --option a=b", "patch has no option a; it has peer"),
        ("add br0 v1 --type vxlan", "vxlan needs the option remote_ip; try: --remote-ip IP"),
        ("add br0 v1 --type vxlan --option remote_ipp=192.0.2.7", "; try: --option remote_ip=..."),
        ("add br0 v1 --type vxlan --remote-ip host1", "option remote_ip must be a unicast address or flow, not host1"),
        ("add br0 v1 --type geneve --remote-ip 192.0.2.7 --key 16777216", "option key must be a 24-bit number or flow, not 16777216"),
        ("add br0 v1 --type gre --remote-ip 192.0.2.7 --key 4294967296", "a 32-bit number"),
        ("add br0 v1 --type gre --remote-ip 192.0.2.7 --key 010", "not 010; try: no leading zero, which would mean octal"),
        ("add br0 v1 --type gre --remote-ip 192.0.2.7 --option dst_port=5", "gre has no option dst_port"),
        ("add br0 v1 --type vxlan --remote-ip 192.0.2.7 --option local_ip=flow", "local_ip=flow works only with remote_ip=flow"),
        ("add br0 v1 --type vxlan --remote-ip 192.0.2.7 --option local_ip=::1", "are of different address families"),
        ("add br0 v1 --type vxlan --remote-ip 192.0.2.7 --option packet_type=legacy_l3", "try: --option exts=gpe"),
        ("add br0 v1 --type vxlan --remote-ip 192.0.2.7 --key 1 --option in_key=2 --option out_key=3", "take precedence over key"),
        ("add br0 v1 --type erspan --remote-ip 192.0.2.7", "needs the option erspan_ver"),
        ("add br0 v1 --type erspan --remote-ip 192.0.2.7 --option erspan_ver=1 --option erspan_dir=1", "belongs to ERSPAN version 2"),
        ("set eth1 --remote-ip 192.0.2.7", "is only for tunnels; try: --type vxlan or geneve or gre"),
        ("set eth1 --type vxlan", "needs the option remote_ip"),
        ("set there --unset options:remote_ip", "needs the option remote_ip"),
        ("set there --unset type", "try: --unset options:dst_port --unset options:remote_ip"),
        ("set there --type gre", "gre has no option dst_port, which the port has; try: --unset options:dst_port"),
        ("set there --type system --unset options --option key=5", "option key is only for tunnels"),
        ("set there --option ttl=0", "option ttl must be 1 to 255 or inherit, not 0"),
        ("set eth1 --option a=1 --option a=2", "given twice with different values"),
    ],
)
def test_what_open_vswitch_would_ignore_or_refuse(there, command, said):
    before = there.dump()
    result = there.ovstool(f"port {command}")
    assert (result.code, result.stdout) == (2, ""), result
    assert said in result.stderr and result.stderr.count("\n") == 1
    assert there.dump() == before


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        # An existing port is checked against its type first: what it can never be is not a conflict.
        ("add br0 there --type vxlan --remote-ip host1", 2, "option remote_ip must be a unicast address or flow, not host1"),
        ("add br0 there --type vxlan --option ttl=0", 2, "option ttl must be 1 to 255 or inherit, not 0"),
        ("add br0 eth1 --remote-ip 192.0.2.7", 4, "exists and differs in options; try: ovstool port set eth1, with these options"),
        ("add br0 there --type vxlan --option zz=1", 4, "exists and differs in options; try: ovstool port set there, with these options"),
        ("add br0 there --type gre", 4, "exists and differs in type; try: ovstool port set there, with these options"),
        ("add br0 there --tag 5 --trunk 6", 4, "exists and differs in tag, trunks; try: ovstool port set there, with these options"),
        ("add br0 there --bond eth8,eth9", 4, "exists and differs in interfaces; try: ovstool port del there, then add it"),
        ("add br0 b1 --bond eth1,eth9", 4, "port b1: interface eth1 belongs to another port; try: ovstool port show eth1"),
        ("add nosuch p1", 3, "bridge nosuch: no such bridge; try: ovstool bridge list"),
        ("del br0", 2, "port br0: the local port of a bridge is deleted with the bridge; try: ovstool bridge del br0"),
        (
            "set there --unset options:remote_ip --type system",
            2,
            "system has no option dst_port, which the port has; try: --unset options:dst_port",
        ),
    ],
)
def test_an_existing_port_that_differs(there, command, code, said):
    before = there.dump()
    result = there.ovstool(f"port {command}")
    assert (result.code, result.stdout, there.dump()) == (code, "", before), result
    assert said in result.stderr and result.stderr.count("\n") == 1


def test_only_requested_settings_are_compared(there):
    for options in ("", "--type vxlan", "--remote-ip 192.0.2.9 --type vxlan", "--option dst_port=4790 --type vxlan"):
        assert there.ovstool(f"port add br0 there {options}").stdout == "there: unchanged\n"


def test_a_bridge_that_is_deleted_while_its_port_is_shown(switch):
    """The port is shown as it was, with no bridge."""

    def at(index: int, request: bytes) -> bytes:
        if b'"Bridge"' in request and b'"includes"' in request:
            switch.vsctl("del-br br0")
        return request

    between = Between(switch, "between", at)
    try:
        shown = switch.ovstool(f"port show eth1 -f json --db unix:{between.path}")
    finally:
        between.close()
    assert (shown.code, shown.json["port"], shown.json["bridge"], shown.json["interfaces"]) == (0, "eth1", "", [])


@pytest.fixture
def there(shared):
    shared.vsctl("--may-exist add-port br0 there -- set interface there type=vxlan options:remote_ip=192.0.2.9 options:dst_port=4790")
    return shared


def test_settings_of_others_stay(there):
    """For a tunnel, keys of other programs stay; if they are no error, so do their values."""
    there.vsctl(
        "set interface there options:ours=1 external_ids:a=b other_config:c=d mtu_request=1400 -- set port there other_config:e=f external_ids:g=h"
    )
    assert there.ovstool("port set there --key 7 --tag 5 --external-id i=j").stdout == "there: updated\n"
    (row,) = [row for row in there.rows("Interface") if row["name"] == "there"]
    assert dict(row["options"][1]) == {"remote_ip": "192.0.2.9", "dst_port": "4790", "ours": "1", "key": "7"}
    assert (dict(row["external_ids"][1]), dict(row["other_config"][1]), row["mtu_request"]) == ({"a": "b", "i": "j"}, {"c": "d"}, 1400)
    (row,) = [row for row in there.rows("Port") if row["name"] == "there"]
    assert (dict(row["other_config"][1]), dict(row["external_ids"][1])) == ({"e": "f"}, {"g": "h"})


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
