"""Fake bridges, which ovs-vsctl creates for VLANs of a bridge: recognized, never mistaken for others, and deleted as by ovs-vsctl."""

import pytest

USAGE, NOT_FOUND, CONFLICT = 2, 3, 4


@pytest.fixture
def fake(switch):
    """br0 with a fake bridge for VLAN 10 that has a port, one for VLAN 20 without ports, and eth1 in no VLAN."""
    switch.vsctl("add-br fake0 br0 10 -- add-port fake0 p1 -- add-br fake1 br0 20 -- br-set-external-id fake0 a b -- del-port eth2")
    return switch


def test_they_are_listed_and_shown(fake, ovstool):
    listed = ovstool("bridge list -f json")
    assert [row["bridge"] for row in listed.json] == fake.vsctl("list-br").split() == ["br0", "fake0", "fake1"]
    assert [row["ports"] for row in listed.json] == [5, 2, 1]
    assert "note: fake0: a fake bridge, VLAN 10 of br0\n" in listed.stderr and listed.stderr.count("\n") == 2
    shown = ovstool("bridge show fake0 -f json").json
    assert (shown["bridge"], shown["parent"], shown["vlan"]) == (
        "fake0",
        fake.vsctl("br-to-parent fake0"),
        int(fake.vsctl("br-to-vlan fake0")),
    )
    assert shown["ports"] == ["fake0", "p1"] and shown["external_ids"] == {"fake-bridge-a": "b"}
    real = ovstool("bridge show br0 -f json").json
    assert real["parent"] is None and real["vlan"] is None and real.keys() == shown.keys()
    ports = {port["port"]: port["fake_bridge"] for port in ovstool("show -f json").json["bridges"][0]["ports"]}
    assert ports == {"br0": False, "eth1": False, "fake0": True, "fake1": True, "p1": False}
    assert "fake bridge tag 10" in ovstool("show").stdout
    assert [(row["bridge"], row["port"]) for row in ovstool("port list fake0 -f json").json] == [("br0", "fake0"), ("br0", "p1")]


def test_ports_are_added_to_their_vlan(fake, ovstool):
    assert ovstool("port add fake0 p2").stdout == "p2: created\n"
    assert fake.vsctl("port-to-br p2") == "fake0" and fake.vsctl("get port p2 tag") == "10"
    assert ovstool("port add fake0 p2 --tag 10").stdout == "p2: unchanged\n"
    assert ovstool("port add fake0 p3 --bond eth8,eth9").stdout == "p3: created\n"
    assert fake.vsctl("list-ports fake0").split() == ["p1", "p2", "p3"]
    before = fake.dump()
    for command, code in (
        ("port add fake0 p4 --tag 20", USAGE),
        ("port add fake0 p4 --trunk 20", USAGE),
        ("port add fake0 eth1", CONFLICT),
    ):
        result = ovstool(command)
        assert (result.code, fake.dump()) == (code, before), result


@pytest.mark.parametrize(
    "command",
    ["bridge set {}", "flow list {}", "sflow disable {}", "show {}", "stats --bridge {}", "flow add {} actions=drop", "port del {}"],
)
def test_what_only_a_bridge_has_is_refused(fake, ovstool, command):
    command = command.format("fake0") + (" --fail-mode secure" if "set" in command else "")
    before = fake.dump()
    result = ovstool(command)
    assert (result.code, result.stdout) == (USAGE, "") and "fake bridge, VLAN 10" in result.stderr
    assert result.stderr.endswith("; try: ovstool bridge del fake0\n" if "port del" in command else "; try: br0\n")
    assert fake.dump() == before and fake.vsctl("br-exists fake0") == ""


def test_no_bridge_takes_their_name(fake, ovstool):
    result = ovstool("bridge add fake0")
    assert (result.code, result.stderr) == (
        CONFLICT,
        "ovstool: bridge fake0: exists: it is a fake bridge, VLAN 10 of br0; try: another name\n",
    )


def test_del_takes_what_ovs_vsctl_takes(fake, ovstool):
    fake.vsctl("add-port fake0 p2 vlan_mode=native-untagged trunks=10,20")
    ovstool("qos set p1 --max-rate 10mbit --queue 1:max=5mbit")
    ovstool("qos steer p1 --queue 1 --match ip,nw_dst=10.0.0.1")
    assert ovstool("bridge del fake0 -n").code == 0 and fake.vsctl("list-ports fake0").split() == ["p1", "p2"]
    assert ovstool("bridge del nosuch fake0").code == NOT_FOUND
    result = ovstool("bridge del nosuch fake0 --if-exists")
    assert result.stdout == "nosuch: unchanged\nfake0: deleted\n" and "steering flow" in result.stderr
    assert fake.vsctl("list-br").split() == ["br0", "fake1"] and fake.vsctl("list-ports br0") == "eth1"
    assert fake.orphans() == [] and "set_queue" not in fake.tool("ovs-ofctl", "dump-flows", "br0")
    assert ovstool("bridge del fake1 br0").stdout == "fake1: deleted\nbr0: deleted\n"
    assert fake.vsctl("list-br") == ""


def test_del_beside_a_bridge_that_shares_a_qos(fake, ovstool):
    fake.vsctl("add-br br1 -- set port p1 qos=@q -- set port br1 qos=@q -- --id=@q create qos type=linux-htb")
    assert ovstool("bridge del br1 fake0").stdout == "br1: deleted\nfake0: deleted\n"
    assert fake.vsctl("list-br").split() == ["br0", "fake1"] and fake.rows("QoS") == []


def test_del_of_one_of_two_for_a_vlan(fake, ovstool):
    """ovs-vsctl does not create a second one, warns about it, and assigns the ports to either."""
    fake.vsctl("-- add-port br0 fake2 tag=10 fake_bridge=true -- set interface fake2 type=internal")
    assert ovstool("bridge del fake2").stdout == "fake2: deleted\n"
    assert fake.vsctl("list-ports fake0") == "p1"
