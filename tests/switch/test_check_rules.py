"""Notes printed by commands that set QoS, policing and steering, and rules that depend on the database and ovs-vswitchd."""

import shlex

import pytest
from ovs_version import OVS

NOTE = "ovstool: note: "


@pytest.fixture(scope="module")
def running(running_switch):
    with running_switch("dummy") as switch:
        yield switch


@pytest.fixture
def switch(running):
    """One switch for all tests here, in its initial state for each."""
    yield running
    for command in ("qos clear", "police clear", "port del --if-exists"):
        ports = "eth3 patch1 gre1" if "del" in command else "eth1 eth2"
        assert running.ovstool(f"{command} {ports} --no-wait").code == 0
    running.tool("ovs-ofctl", "del-flows", "br0")
    running.tool("ovs-ofctl", "add-flow", "br0", "priority=0,actions=normal")
    cleared = " ".join(f"-- clear port {port} tag trunks vlan_mode -- set interface {port} type='\"\"'" for port in ("eth1", "eth2"))
    running.vsctl(f"clear open_vswitch . ovs_version {cleared}")


def notes(result) -> list[str]:
    """The notes of a successful command, without their prefix."""
    assert result.code == 0, result.stderr
    lines = result.stderr.splitlines()
    assert all(line.startswith(NOTE) for line in lines), result.stderr
    return [line.removeprefix(NOTE) for line in lines]


def test_settings_are_checked_at_once(switch, ovstool):
    """Everything that 'check' would find in the database is noted, and nothing that needs flows or tc."""
    assert notes(ovstool("qos set eth1 --max-rate 10mbit --queue 0 --queue 1:max=5mbit")) == []  # no flow leads to it yet
    (said,) = notes(ovstool("police set eth1 --rate 10mbit --burst 8kbit"))
    assert said.startswith("eth1: burst under the MTU: the burst is 8 kbit, and a larger frame never passes; frames can have 1500 bytes")
    assert said.endswith("; try: ovstool police set eth1 --rate 10mbit")
    assert notes(ovstool("police set eth1 --rate 10mbit --burst 8kbit")) == [said]  # unchanged, and as wrong as before
    database = f"--db {switch.box.db}"
    (there,) = notes(ovstool(f"police set eth1 --rate 10mbit --burst 8kbit {database}", OVSTOOL_DB=""))
    assert there == said.replace("try: ovstool", f"try: ovstool {database}")
    for quiet in ("-q", "--dry-run -q"):
        assert ovstool(f"police set eth1 --rate 10mbit --burst 8kbit {quiet}").stderr == ""
    assert [row["problem"] for row in ovstool("police check -f json").json] == ["burst under the MTU"]
    assert notes(ovstool(shlex.split(said.partition("; try: ovstool ")[2]))) == []
    sums = "eth1: sum of min rates above the max rate: the queues are guaranteed 13 Mbit/s in total, and the port has 10 Mbit/s; try: ovstool qos set eth1 --merge"
    (said,) = notes(ovstool("qos set eth1 --max-rate 10mbit --queue 0:min=7mbit --queue 1:min=6mbit"))
    assert said == f"{sums} --queue 0:min=5.384mbit --queue 1:min=4.615mbit"
    (said,) = notes(ovstool("qos set eth2 --max-rate 10mbit --queue 2:max=5mbit"))
    assert said.startswith("eth2: no queue 0 for unclassified traffic: ") and "min rate of 12 kbit/s" in said
    assert notes(ovstool("qos steer eth2 --queue 2 --match ip,nw_dst=10.0.0.2")) == []  # only errors are repeated
    (said,) = notes(ovstool("qos set eth2 --max-rate 10mbit --queue 0 --queue 2:max=80001bit"))
    assert said == "queue 2: max 80.001kbit: ovs-vswitchd uses whole bytes, 80kbit"


def test_ports_that_cannot_have_qos(switch, ovstool):
    ovstool("port add br0 patch1 --type patch --peer patch2")
    ovstool("port add br0 gre1 --type gre --remote-ip 10.0.0.9")
    for port in ("patch1", "gre1"):
        (said,) = notes(ovstool(f"qos set {port} --max-rate 10mbit --queue 0 --queue 1"))
        assert said.startswith(f"{port}: QoS type not supported by this interface: ") and said.endswith(f"; try: ovstool qos clear {port}")
        (said,) = notes(ovstool(f"qos steer {port} --queue 1 --match ip,nw_dst=10.0.0.2"))
        assert said.startswith(f"{port}: QoS type not supported by this interface: ")
        (said,) = notes(ovstool(f"police set {port} --rate 10mbit"))
        assert said.startswith(f"{port}: policing not supported by this interface: ")
        ovstool(f"qos clear {port}")
    if OVS >= (2, 16):
        switch.vsctl("set interface eth1 type=system")
        (said,) = notes(ovstool("police set eth1 --rate 10mbit --packet-rate 1000 --no-wait"))
        assert said.startswith("eth1: a rate and a packet rate together: ")


@pytest.mark.parametrize("said", ["", "nonsense", "3", "3.x", "3.1.0-rc1", "99.99", "3.1234567"])
def test_the_version_in_the_database(switch, ovstool, said):
    """ovs-ctl wrote it, or it is missing, or another program wrote something else. Then a check asks ovs-vswitchd; a change does not."""
    if said:
        switch.vsctl(f"set open_vswitch . ovs_version='\"{said}\"'")
    done = ovstool("qos set eth1 --type netem --other-config latency=5 --other-config jitter=5")
    found = [row["problem"] for row in ovstool("qos check -f json").json]
    too_new = "a key that this Open vSwitch does not read"
    assert [said.split(": ")[1] for said in notes(done)] == ([too_new] if said == "3.1.0-rc1" else [])
    running = switch.tool("ovs-appctl", "-t", "ovs-vswitchd", "version").split("(Open vSwitch) ")[1]
    is_older = said == "3.1.0-rc1" or (said != "99.99" and tuple(map(int, running.split(".")[:2])) < (3, 2))
    assert found == [too_new] * is_older
    if found:
        (row,) = ovstool("qos check -f json").json
        ovstool(shlex.split(row["remedy"])[1:])
        assert ovstool("qos check -f json").json == []


def test_rules_of_versions(switch, ovstool):
    """Each at its limit: from 3.1 on a link of unknown speed has 10 Gbit/s, from 3.2 on HTB and policing have 64 bits."""
    has_packets = OVS >= (2, 16)  # the schema has packet rates
    found = {}
    for version in ("2.13.0", "2.17.9", "3.0.0", "3.1.7", "3.2.0", "3.7.1"):
        switch.vsctl(f"set open_vswitch . ovs_version={version} -- set interface eth2 type=system")
        ovstool("qos set eth1 --queue 0 -q --no-wait")
        ovstool("qos set eth2 --max-rate 40gbit --queue 0:max=40gbit -q --no-wait")
        ovstool("police set eth2 --rate 10mbit --packet-rate 5000 -q --no-wait")
        rows = [*ovstool("qos check -f json").json, *ovstool("police check -f json").json]
        (unknown,) = [row["evidence"] for row in rows if row["problem"] == "link speed unknown and no max-rate"]
        problems = {row["problem"] for row in rows}
        held, both = "rate above what this Open vSwitch can hold", "a rate and a packet rate together"
        found[version] = unknown.rpartition("assumes ")[2], held in problems, both in problems
    assert found == {
        "2.13.0": ("100 Mbit/s", True, False),
        "2.17.9": ("100 Mbit/s", True, False),
        "3.0.0": ("100 Mbit/s", True, has_packets),
        "3.1.7": ("10 Gbit/s", True, has_packets),
        "3.2.0": ("10 Gbit/s", False, has_packets),
        "3.7.1": ("10 Gbit/s", False, has_packets),
    }


def traced(switch, flow: str) -> str:
    return switch.tool("ovs-appctl", "ofproto/trace", "br0", flow).rpartition("Datapath actions: ")[2]


def test_a_dscp_is_written_where_set_queue_selects_no_class(switch, ovstool):
    """The dummy datapath is dpif-netdev, like the userspace one: 'set_queue' sets a priority, by which ofproto marks."""
    ovstool("qos set eth1 --max-rate 10mbit --queue 0 --queue 1:dscp=46")
    packet = "in_port=eth2,icmp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64"
    ovstool("flow add br0 priority=9,icmp,in_port=eth2,actions=set_queue:1,output:eth1")
    assert "tos=0xb8" in traced(switch, packet)
    ovstool("flow add br0 priority=9,icmp,in_port=eth2,actions=output:eth1")
    assert "tos" not in traced(switch, packet)
    (said,) = notes(ovstool("qos set eth1 --max-rate 10mbit --queue 0:dscp=46"))
    assert said.startswith("eth1: dscp of queue 0 marks nothing by itself: ")  # true only on the kernel datapath
    assert "tos=0xb8" in traced(switch, packet)  # this datapath marks
    ovstool("flow del br0 icmp,in_port=eth2")
    (row,) = ovstool("qos check -f json").json
    assert row["remedy"] == "ovstool qos steer eth1 --queue 0 --match ip"
    ovstool(shlex.split(row["remedy"])[1:])
    assert ovstool("qos check -f json").json == []


@pytest.mark.parametrize(
    ("ports", "match", "is_heard"),
    [
        ("set port eth1 tag=10 -- set port eth2 tag=10", "dl_vlan=10", True),
        ("set port eth1 tag=10 -- set port eth2 tag=10", "ip,nw_dst=10.0.0.2", False),
        ("set port eth1 tag=10 -- set port eth2 tag=10", "dl_vlan=0", False),
        ("set port eth1 tag=10", "dl_vlan=10", False),
        ("set port eth1 tag=10", "in_port=eth2,dl_vlan=10", False),
        ("set port eth2 trunks=11,12", "dl_vlan=10", True),
        ("set port eth2 trunks=11,12", "dl_vlan=12,ip", False),
        ("set port eth2 tag=10 vlan_mode=native-untagged trunks=11", "dl_vlan=10", False),
        ("set port eth2 tag=10 vlan_mode=trunk", "dl_vlan=10", False),
        ("set port eth2 tag=10 vlan_mode=dot1q-tunnel", "dl_vlan=10", False),
        ("set port eth2 vlan_mode=access", "dl_vlan=10", True),
        ("set port eth2 tag=10 vlan_mode=native-tagged trunks=11", "dl_vlan=10", False),
        ("set port eth2 tag=10 vlan_mode=native-untagged trunks=11", "dl_vlan=12", True),
        ("set port eth2 tag=10 vlan_mode=trunk trunks=11", "dl_vlan=10", True),
        ("add-port br0 eth3 tag=5", "in_port=eth3,dl_vlan=10", True),
    ],
)
def test_a_tag_that_no_port_accepts(switch, ports, match, is_heard):
    switch.ovstool("qos set eth1 --max-rate 10mbit --queue 0 --queue 1")
    switch.vsctl(ports)
    said = notes(switch.ovstool(f"qos steer eth1 --queue 1 --match {match}"))
    assert [text.startswith("eth1: no packet matches this: dl_vlan=") for text in said] == [True] * is_heard
    if is_heard:
        assert switch.ovstool(shlex.split(said[0].partition("; try: ovstool ")[2])).stdout == "eth1: deleted\n"


@pytest.mark.parametrize(
    ("options", "near"),
    [
        ("--max-rate 7", "8bit"), ("--max-rate 1mbit --queue 0:min=7bit", "8bit"), ("--type hfsc --queue 0:max=1", "8bit"),
        ("--other-config max-rate=7", "from 8 to"), ("--queue 0:priority=8", "priority=7"), ("--queue 61440", "0 to 61439"),
        ("--type fq_codel --other-config flows=65537", "1 to 65536"), ("--type fq_codel --other-config quantum=255", "256 to 1048576"),
        ("--type sfq --other-config quantum=262137", "1 to 262136"), ("--type sfq --other-config perturb=2147484", "1 to 2147483"),
        ("--type netem --other-config latency=274877907", "0 to 274877906"), ("--type netem --other-config jitter=274877907", "0 to 274877906"),
        ("--type netem --other-config loss=101", "0 to 100"),
    ],
)  # fmt: skip
def test_ambiguous_values_are_refused(switch, options, near):
    before = switch.dump()
    result = switch.ovstool(f"qos set eth2 {options}")
    assert (result.code, result.stdout, near in result.stderr, switch.dump()) == (2, "", True, before), result.stderr
