"""Bridges, judged by ovs-vsctl."""

import pytest

ALL = "--datapath-type dummy --fail-mode secure --protocols OpenFlow13,OpenFlow15 --controller tcp:127.0.0.1:1 --controller ptcp:0 --external-id a=b --other-config hwaddr=02:00:00:00:00:01"


def test_add_with_everything(switch, ovstool):
    assert ovstool(f"bridge add br1 {ALL}").stdout == "br1: created\n"
    assert switch.vsctl("get-fail-mode br1") == "secure"
    assert sorted(switch.vsctl("get-controller br1").split()) == ["ptcp:0", "tcp:127.0.0.1:1"]
    assert switch.vsctl("get bridge br1 datapath_type protocols external_ids other_config").splitlines() == [
        "dummy", "[OpenFlow13, OpenFlow15]", "{a=b}", '{hwaddr="02:00:00:00:00:01"}',
    ]  # fmt: skip
    assert switch.vsctl("get interface br1 type ofport").splitlines() == ["internal", "65534"]
    assert ovstool(f"bridge add br1 {ALL}").stdout == "br1: unchanged\n"
    assert ovstool("bridge list -f json").json[1] == {
        "name": "br1", "datapath_type": "dummy", "fail_mode": "secure", "ports": 1, "controllers": ["ptcp:0", "tcp:127.0.0.1:1"], "sflow": [],
    }  # fmt: skip


def test_the_same_row_as_ovs_vsctl(switch, ovstool):
    switch.vsctl("add-br br1 -- set bridge br1 datapath_type=dummy")
    ovstool("bridge add br2 --datapath-type dummy")
    theirs, ours = ({key: value for key, value in row.items() if key not in ("_uuid", "name", "ports", "datapath_id")}
                    for row in switch.rows("Bridge") if row["name"] != "br0")  # fmt: skip
    assert ours == theirs


@pytest.mark.parametrize(
    ("options", "column", "value"),
    [
        ("--fail-mode secure", "fail_mode", "secure"),
        ("--protocols OpenFlow13", "protocols", "[OpenFlow13]"),
        ("--external-id c=d", "external_ids", "{a=b, c=d}"),
        ("--external-id a=e=f", "external_ids", '{a="e=f"}'),
        ("--external-id a=", "external_ids", '{a=""}'),
        ("--unset external_ids:a", "external_ids", "{}"),
        ("--unset external-ids", "external_ids", "{}"),
        ("--unset external_ids --external-id x=y", "external_ids", "{x=y}"),
        ("--unset fail_mode --unset external_ids:nosuch --fail-mode standalone", "fail_mode", "standalone"),
        ("--other-config stp-priority=5", "other_config", '{stp-priority="5"}'),
    ],
)
def test_set(switch, ovstool, options, column, value):
    switch.vsctl("set bridge br0 external_ids:a=b")
    assert ovstool(f"bridge set br0 {options}").stdout == "br0: updated\n"
    assert switch.vsctl(f"get bridge br0 {column}") == value
    assert ovstool(f"bridge set br0 {options}").stdout == "br0: unchanged\n"


def test_controllers_are_replaced_and_kept(switch, ovstool):
    switch.vsctl("set-controller br0 tcp:127.0.0.1:1 tcp:127.0.0.1:2")
    before = {row["target"]: row["_uuid"] for row in switch.rows("Controller")}
    assert ovstool("bridge set br0 --controller tcp:127.0.0.1:2 --controller tcp:127.0.0.1:3").stdout == "br0: updated\n"
    after = {row["target"]: row["_uuid"] for row in switch.rows("Controller")}
    assert sorted(after) == ["tcp:127.0.0.1:2", "tcp:127.0.0.1:3"] and after["tcp:127.0.0.1:2"] == before["tcp:127.0.0.1:2"]
    assert ovstool("bridge set br0 --unset controller").stdout == "br0: updated\n"
    assert switch.rows("Controller") == []


def test_del_takes_the_qos_of_its_ports_with_it(switch, ovstool):
    switch.vsctl("set port eth1 qos=@q -- --id=@q create qos type=linux-htb queues=0=@a -- --id=@a create queue dscp=1")
    switch.vsctl("add-br br1 -- set bridge br1 datapath_type=dummy -- set port br1 qos=@q -- --id=@q create qos type=linux-htb")
    assert ovstool("bridge del br0").stdout == "br0: deleted\n"
    assert switch.vsctl("list-br") == "br1"
    assert switch.orphans() == [] and len(switch.rows("QoS")) == 1 and switch.rows("Queue") == []
    assert ovstool("bridge del br0 br1 --if-exists").stdout == "br0: unchanged\nbr1: deleted\n"
    assert ovstool("bridge list -f json").json == []
    assert ovstool("show -f json").json["bridges"] == []


def test_show(switch, ovstool):
    switch.vsctl("set bridge br0 stp_enable=true external_ids:a=b -- set-controller br0 tcp:127.0.0.1:1")
    shown = ovstool("bridge show br0 -f json").json
    assert (shown["name"], shown["ports"], shown["stp"], shown["external_ids"]) == ("br0", ["br0", "eth1", "eth2"], True, {"a": "b"})
    assert shown["controllers"][0]["target"] == "tcp:127.0.0.1:1" and shown["controllers"][0]["connected"] is False
    assert shown["datapath_id"] == switch.vsctl("get bridge br0 datapath_id").strip('"')


def test_a_bridge_that_ovs_vswitchd_cannot_make(forwarding):
    try:
        for command in ("add lo --datapath-type netdev", "add lo --datapath-type netdev", "set lo --external-id a=b"):
            result = forwarding.ovstool(f"bridge {command}")  # of which the device is there already
            assert (result.code, result.stdout) == (6, "")
            assert result.stderr.startswith("ovstool: ovs-vswitchd: lo: could not open network device lo")
        assert forwarding.vsctl("get bridge lo external_ids") == "{a=b}"  # the rows stay, for when the device can be had
    finally:
        forwarding.ovstool("bridge del lo")


def test_a_datapath_that_this_switch_does_not_have(switch, refused):
    refused("bridge add br1 --datapath-type nosuch", 6)
    refused("bridge set br0 --datapath-type nosuch", 6)


def test_a_bridge_gets_a_datapath_that_this_open_vswitch_has(switch, ovstool):
    assert "system" in switch.vsctl("get open_vswitch . datapath_types")
    assert ovstool("bridge add br1").stdout == "br1: created\n"
    assert switch.vsctl("get bridge br1 datapath_type") == '""'
    switch.tool("ovs-appctl", "-t", "ovs-vswitchd", "exit")  # it would write the column anew
    switch.vsctl("--no-wait set open_vswitch . datapath_types=dummy,netdev")
    assert ovstool("--no-wait bridge add br2").stdout == "br2: created\n"
    assert switch.vsctl("get bridge br2 datapath_type") == "netdev"
    switch.vsctl("--no-wait set open_vswitch . datapath_types=dummy")
    assert ovstool("--no-wait bridge add br3").code == 6
    assert switch.vsctl("br-exists br2") == ""
