"""Bridges, compared with ovs-vsctl."""

import io
import shlex

import pytest

from ovstool.shell import App

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
        "bridge": "br1", "datapath_type": "dummy", "fail_mode": "secure", "ports": 1, "controllers": ["ptcp:0", "tcp:127.0.0.1:1"], "sflow": [],
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
    assert (shown["bridge"], shown["ports"], shown["stp"], shown["external_ids"]) == ("br0", ["br0", "eth1", "eth2"], True, {"a": "b"})
    assert shown["controllers"][0]["target"] == "tcp:127.0.0.1:1" and shown["controllers"][0]["connected"] is False
    assert shown["datapath_id"] == switch.vsctl("get bridge br0 datapath_id").strip('"')


def test_a_bridge_that_ovs_vswitchd_cannot_create(forwarding):
    try:
        for command in ("add lo --datapath-type netdev", "add lo --datapath-type netdev", "set lo --external-id a=b"):
            result = forwarding.ovstool(f"bridge {command}")  # a device with this name exists already
            assert (result.code, result.stdout) == (6, "")
            assert result.stderr.startswith("ovstool: ovs-vswitchd: lo: could not open network device lo")
        assert forwarding.vsctl("get bridge lo external_ids") == "{a=b}"  # the rows stay, in case the device becomes available
    finally:
        forwarding.ovstool("bridge del lo")


def test_a_datapath_that_this_switch_lacks(switch, refused):
    refused("bridge add br1 --datapath-type nosuch", 6)
    refused("bridge set br0 --datapath-type nosuch", 6)


def test_a_bridge_gets_a_datapath_that_this_open_vswitch_has(switch, ovstool):
    assert "system" in switch.vsctl("get open_vswitch . datapath_types")
    assert ovstool("bridge add br1").stdout == "br1: created\n"
    assert switch.vsctl("get bridge br1 datapath_type") == '""'
    switch.tool("ovs-appctl", "-t", "ovs-vswitchd", "exit")  # it would overwrite the column
    switch.vsctl("--no-wait set open_vswitch . datapath_types=dummy,netdev")
    assert ovstool("--no-wait bridge add br2").stdout == "br2: created\n"
    assert switch.vsctl("get bridge br2 datapath_type") == "netdev"
    switch.vsctl("--no-wait set open_vswitch . datapath_types=dummy")
    assert ovstool("--no-wait bridge add br3").code == 6
    assert switch.vsctl("br-exists br2") == ""


@pytest.mark.parametrize(
    "options",
    [
        "--protocols OpenFlow9", "--protocols OpenFlow10,", "--controller tcp:", "--controller tcp:10.0.0.300",
        "--controller tcp:192.0.2.1:65536", "--controller tcp:192.0.2.1:0", "--controller tcp:192.0.2.1:", "--controller tcp:[::1", "--controller tcp:a:b:c",
        "--controller ptcp:70000", "--controller ptcp:6653:::1", "--controller ptcp:0:10.1", "--controller unix:", "--controller none",
        "--controller TCP:192.0.2.1", "--controller 192.0.2.1", "--other-config stp=true", "--other-config mac-table-size=9", "--other-config disable-in-band=yes",
        "--other-config datapath-id=7", "--other-config hwaddr=01:00:5e:00:00:01", "--other-config stp-forward-delay=10", "--other-config rstp-priority=5",
    ],
)  # fmt: skip
def test_values_that_open_vswitch_would_not_accept_are_refused(bad, options):
    """An address, a version and the value of a key; Open vSwitch would truncate, ignore or log them, so 'updated' would be wrong."""
    for command in ("bridge set br0", "bridge add br1"):
        bad(f"{command} {options}")


@pytest.mark.parametrize("name", ["a-name-too-long0", "ä" * 8])
def test_a_name_that_no_device_can_have(bad, name):
    bad(f"bridge add {name}")


@pytest.fixture(scope="module")
def bad(running_switch):
    """``bad(command)``: assert that it is wrong usage and changes nothing."""
    with running_switch("dummy") as switch:
        before = switch.dump()

        def run(command: str) -> None:
            out, err = io.StringIO(), io.StringIO()
            code = App(out, err).run(["--db", switch.box.db, *shlex.split(command)])
            assert (code, out.getvalue()) == (2, "") and err.getvalue().count("\n") == 1, (command, err.getvalue())

        yield run
        assert switch.dump() == before


def test_controllers_in_every_form(switch, ovstool):
    targets = [
        "tcp:192.0.2.1", "tcp:192.0.2.1:6653", "tcp:[2001:db8::1]", "tcp:[2001:db8::1]:6653", "tcp:2001:db8::1", "tcp:[fe80::1%eth0]:6653", "ssl:a.example:6653",
        "ptcp:", "ptcp:0", "ptcp:0:127.0.0.1", "ptcp:0:[::1]", "pssl:0", f"unix:{switch.box.directory}/c.sock", f"punix:{switch.box.directory}/br1.c",
    ]  # fmt: skip
    result = ovstool(["bridge", "add", "br1", "--datapath-type", "dummy", "--no-wait", *(f"--controller={target}" for target in targets)])
    assert (result.code, result.stderr) == (0, "")
    assert sorted(switch.vsctl("get-controller br1").split()) == sorted(targets)
    outside = ovstool("bridge set br0 --controller unix:/tmp/c.sock --controller punix:/tmp/c.sock -n").stderr
    assert f"note: unix:/tmp/c.sock: ovs-vswitchd accepts sockets only in {switch.box.directory}\n" in outside
    assert f"note: punix:/tmp/c.sock: ovs-vswitchd accepts sockets only in {switch.box.directory}/br0.*\n" in outside


def test_keys_of_other_programs_are_kept_and_noted(switch, ovstool):
    result = ovstool("bridge set br0 --other-config theirs=x --other-config mac-table-size=4096 --other-config stp-hello-time=2")
    assert result.stdout == "br0: updated\n"
    assert "note: ovs-vswitchd does not read key theirs of Bridge.other_config\n" in result.stderr and "; try: 2000\n" in result.stderr
    assert switch.vsctl("get bridge br0 other_config") == '{mac-table-size="4096", stp-hello-time="2", theirs=x}'
    hint = ovstool("bridge set br0 --other-config stp=true").stderr.partition("; try: ovs-vsctl ")[2]
    switch.vsctl(hint)
    assert switch.vsctl("get bridge br0 stp_enable") == "true" and "stp-hello-time  1s" in switch.tool("ovs-appctl", "stp/show", "br0")
    switch.vsctl("set bridge br0 other_config:stp-hello-time=2000")
    assert "stp-hello-time  2s" in switch.tool("ovs-appctl", "stp/show", "br0")


def test_back_to_a_datapath_that_this_switch_lacks(switch, refused):
    switch.tool("ovs-appctl", "-t", "ovs-vswitchd", "exit")  # it would overwrite the column
    switch.vsctl("--no-wait set open_vswitch . datapath_types=dummy,netdev")
    refused("--no-wait bridge set br0 --unset datapath_type", 6)
