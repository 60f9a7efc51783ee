"""Steering into queues, checked with ovs-ofctl, ofproto/trace and packets: forwarding must not change."""

import random
import re
import subprocess
import time
import zlib

import pytest
from kill import kill

from ovstool.openflow.syntax.match import apart, covers, fields

VERSIONS = "OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15"
NORMAL = "priority=0 actions=NORMAL"
MATCH = "ip,nw_dst=10.0.0.2"
QOS = "--max-rate 100mbit --queue 1:max=10mbit --queue 2:max=20mbit"


def cookie(port: str) -> str:
    return f"0x6f767374{zlib.crc32(port.encode()):08x}"


def steering(match: str, queue: int = 1, priority: int = 1, port: str = "eth1") -> str:
    return f"cookie={cookie(port)}, priority={priority},{match} actions=set_queue:{queue},NORMAL"


def ofctl(switch, *words: str, bridge: str = "br0") -> str:
    return switch.tool("ovs-ofctl", "-O", VERSIONS, *words[:-1], "--", words[-1], f"unix:{switch.box.directory}/{bridge}.mgmt")


def flows(switch, bridge: str = "br0") -> list[str]:
    """All flows of a bridge as ovs-ofctl dumps them, without counters and ages."""
    out = ofctl(switch, "--no-stats", "--names", "dump-flows", bridge=bridge)
    return sorted(line.strip() for line in out.splitlines() if "reply" not in line)


def install(switch, *lines: str) -> None:
    for line in lines:
        switch.tool("ovs-ofctl", "-O", VERSIONS, "add-flow", f"unix:{switch.box.directory}/br0.mgmt", line)


def trace(switch, packet: str) -> str:
    """The datapath actions for a packet."""
    found = re.search("Datapath actions: (.*)", switch.tool("ovs-appctl", "ofproto/trace", "br0", packet))
    assert found
    return found[1]


@pytest.fixture
def shaped(switch, ovstool):
    """The test's switch, whose eth1 has the queues 1 and 2."""
    assert ovstool(f"qos set eth1 {QOS}").code == 0
    return switch


@pytest.fixture
def unmoved(shaped, refused):
    """``refused`` for commands that must not change flows either."""

    def run(command: str | list, code: int) -> str:
        before = flows(shaped)
        message = refused(command, code)
        assert flows(shaped) == before
        return message

    return run


def test_steer_and_unsteer(shaped, ovstool):
    result = ovstool(f"qos steer eth1 --queue 1 --match {MATCH}")
    assert (result.stdout, result.stderr, result.code) == ("eth1: created\n", "", 0)
    assert flows(shaped) == [steering(MATCH), NORMAL]
    assert "set(skb_priority(" in trace(shaped, "in_port=eth2,ip,nw_dst=10.0.0.2")
    assert "set(" not in trace(shaped, "in_port=eth2,ip,nw_dst=10.0.0.3")
    result = ovstool("qos unsteer eth1 -f json")
    assert (result.json, result.stderr) == ([{"object": "eth1", "change": "deleted"}], "ovstool: note: 1 flow deleted\n")
    assert flows(shaped) == [NORMAL]
    result = ovstool("qos unsteer eth1")
    assert (result.stdout, result.stderr) == ("eth1: unchanged\n", "ovstool: note: 0 flows deleted\n")
    result = ovstool("qos unsteer eth1 --dry-run")
    assert (result.stdout, result.stderr) == ("", "ovstool: note: eth1: would be unchanged\novstool: note: 0 flows\n")


def test_twice_writes_nothing(shaped, ovstool):
    """Sending a flow again would reset its age."""
    number = shaped.vsctl("get interface eth2 ofport")
    spellings = (
        "tcp,dl_vlan=0xffff,in_port=eth2,tcp_dst=80",
        f"dl_type=0x800 nw_proto=6 tp_dst=0x50 vlan_tci=0/0x1fff in_port={number}",
    )
    for words, change in ((spellings[0], "created"), (spellings[0], "unchanged"), (spellings[1], "unchanged")):
        assert ovstool(["qos", "steer", "eth1", "--queue", "1", "--match", words]).stdout == f"eth1: {change}\n"
        time.sleep(1.1)
    (age,) = re.findall(r"duration=([\d.]+)s.*set_queue", ofctl(shaped, "dump-flows"))
    assert float(age) > 3
    assert ovstool(["qos", "unsteer", "eth1", "--match", spellings[1]]).stdout == "eth1: deleted\n"
    assert flows(shaped) == [NORMAL]


def test_dry_run(shaped, ovstool):
    command = ["qos", "steer", "eth1", "--match", "arp,in_port=eth2", "-n", "--queue"]
    line = f"priority=1,arp,in_port=eth2 cookie={cookie('eth1')} actions=set_queue:"
    result = ovstool([*command, "1"])
    assert (result.stdout, result.stderr) == (f"+{line}1,NORMAL\n", "ovstool: note: eth1: would be created\n")
    assert flows(shaped) == [NORMAL]
    ovstool("qos steer eth1 --match arp,in_port=eth2 --queue 1")
    before = flows(shaped), shaped.dump()
    assert ovstool([*command, "1"]).stdout == ""
    result = ovstool([*command, "2"])
    assert (result.stdout, result.code) == (f"-{line}1,NORMAL\n+{line}2,NORMAL\n", 0), result.stderr
    assert ovstool("qos unsteer eth1 --dry-run").stdout == f"-{line}1,NORMAL\n"
    result = ovstool("qos clear eth1 --dry-run")
    assert f"steering flow {line}1,NORMAL: would be deleted" in result.stderr and result.stdout.startswith('["Open_vSwitch"')
    assert "would be deleted" in ovstool("port del eth1 --dry-run").stderr
    assert (flows(shaped), shaped.dump()) == before


def test_another_queue(shaped, ovstool):
    ovstool(f"qos steer eth1 --queue 1 --match {MATCH}")
    assert ovstool(f"qos steer eth1 --queue 2 --match {MATCH}").stdout == "eth1: updated\n"
    assert flows(shaped) == [steering(MATCH, 2), NORMAL]


def test_another_queue_keeps_what_was_counted(shaped, ovstool):
    """The flow is modified in place, not deleted and added."""
    ovstool("qos steer eth1 --queue 1 --match dl_dst=ff:ff:ff:ff:ff:ff")
    control = str(next(shaped.box.directory.glob("ovs-vswitchd.*.ctl")))
    shaped.tool("ovs-appctl", "-t", control, "netdev-dummy/receive", "eth2", "ffffffffffff0200000000010800" + "00" * 46)
    deadline = time.monotonic() + 20
    while "n_packets=1," not in ofctl(shaped, "dump-flows"):
        assert time.monotonic() < deadline
        shaped.tool("ovs-appctl", "revalidator/purge")
    assert ovstool("qos steer eth1 --queue 2 --match dl_dst=ff:ff:ff:ff:ff:ff").stdout == "eth1: updated\n"
    assert re.findall(r"n_packets=(\d+), .*set_queue:2,NORMAL", ofctl(shaped, "dump-flows")) == ["1"]


def test_unsteer_deletes_only_what_is_named(shaped, ovstool):
    ovstool("qos set eth2 --queue 1")
    assert ovstool("qos steer eth2 --queue 1 --match icmp").code == 0
    for queue, match in ((1, "tcp,tp_dst=80"), (2, "tcp,tp_dst=81"), (2, "tcp,tp_dst=82")):
        assert ovstool(f"qos steer eth1 --queue {queue} --match {match}").code == 0
    foreign = [f"cookie={cookie('eth1')}, priority=5,udp actions=drop", "priority=1,arp actions=set_queue:1,NORMAL"]
    install(shaped, *(line.replace(", ", ",") for line in foreign))
    kept = sorted([steering("icmp", port="eth2"), *foreign, NORMAL])
    assert ovstool("qos unsteer eth1 --match tcp").stdout == "eth1: unchanged\n"
    assert ovstool("qos unsteer eth1 --queue 1 --match tcp,tp_dst=82").stdout == "eth1: unchanged\n"
    assert ovstool("qos unsteer eth1 --queue 2 --match tcp,tp_dst=82").stdout == "eth1: deleted\n"
    assert flows(shaped) == sorted([*kept, steering("tcp,tp_dst=80"), steering("tcp,tp_dst=81", 2)])
    ovstool("qos steer eth1 --queue 2 --match tcp,tp_dst=83")
    result = ovstool("qos unsteer eth1 --queue 2")
    assert (result.stdout, result.stderr) == ("eth1: deleted\n", "ovstool: note: 2 flows deleted\n")
    assert flows(shaped) == sorted([*kept, steering("tcp,tp_dst=80")])
    assert ovstool("qos unsteer ofport:br0/LOCAL").stdout == "ofport:br0/LOCAL: unchanged\n"
    assert ovstool("qos unsteer eth1").stdout == "eth1: deleted\n"
    assert flows(shaped) == kept


def test_flow_list_finds_them(shaped, ovstool):
    install(shaped, "priority=7,arp actions=NORMAL")
    ovstool(f"qos steer eth1 --queue 1 --match {MATCH}")
    (row,) = ovstool("flow list br0 cookie=0x6f76737400000000/0xffffffff00000000 -f json").json
    assert (row["cookie"], row["match"], row["actions"]) == (cookie("eth1"), MATCH, "set_queue:1,NORMAL")


# --- priorities between forwarding and dropping flows


@pytest.mark.parametrize(
    ("others", "match", "priority"),
    [
        (["priority=2,icmp actions=drop"], MATCH, 1),
        (["priority=100,ip actions=NORMAL", "priority=102,icmp actions=drop"], MATCH, 101),
        # Flows that do not overlap, or are never reached, do not matter.
        (["priority=1,arp actions=drop", "priority=9,ipv6 actions=output:eth2", "priority=1,ip,nw_dst=10.0.0.3 actions=drop"], MATCH, 1),
        (["priority=50 actions=NORMAL", "priority=40,ip actions=output:eth2", "priority=30,tcp actions=drop"], MATCH, 51),
        # A switch that drops everything that is not listed.
        (["priority=0 actions=drop", "priority=10,ip,nw_dst=10.0.0.0/8 actions=NORMAL", "priority=10,arp actions=NORMAL"], MATCH, 11),
        (["priority=10,ip,nw_src=10.0.0.0/8 actions=NORMAL"], MATCH, 11),
    ],
)
def test_priority(shaped, ovstool, others, match, priority):
    install(shaped, *others)
    packets = [
        f"in_port={port},{packet}"
        for port in ("eth1", "eth2")
        for packet in ("icmp,nw_dst=10.0.0.2", "tcp,nw_dst=10.0.0.2,nw_src=10.0.0.1", "udp,nw_dst=10.0.0.3", "arp", "ipv6")
    ]
    before = [trace(shaped, packet) for packet in packets]
    assert ovstool(f"qos steer eth1 --queue 1 --match {match}").stdout == "eth1: created\n"
    assert steering(match, priority=priority) in flows(shaped)
    after = [trace(shaped, packet) for packet in packets]
    assert [re.sub(r"set\(skb_priority\(\w+\)\),", "", actions) for actions in after] == before
    assert after != before


def test_a_new_normal_flow_above_is_overridden(shaped, ovstool):
    ovstool(f"qos steer eth1 --queue 1 --match {MATCH}")
    install(shaped, "priority=70,ip actions=NORMAL")
    assert "set(" not in trace(shaped, "in_port=eth2,ip,nw_dst=10.0.0.2")
    assert ovstool(f"qos steer eth1 --queue 1 --match {MATCH}").stdout == "eth1: updated\n"
    assert flows(shaped) == sorted([steering(MATCH, priority=71), "priority=70,ip actions=NORMAL", NORMAL])


@pytest.mark.parametrize(
    ("others", "match", "code", "words"),
    [
        (["priority=1,icmp actions=drop"], MATCH, 6, "some of it is dropped by priority=1,icmp actions=drop, and there is no priority between"),
        (["priority=0 actions=drop", "priority=10,tcp actions=NORMAL"], MATCH, 6, "some of it is dropped by priority=0 actions=drop"),
        (["priority=9,ip,nw_dst=10.0.0.0/8 actions=drop"], MATCH, 6, "all of this traffic is dropped"),
        (["priority=9,in_port=eth2 actions=output:eth1"], MATCH, 6, "other than NORMAL decides where some of it goes (priority=9,in_port=eth2 actions=output:eth1)"),
        (["priority=9,ip actions=flood"], MATCH, 6, "other than NORMAL"),
        (["priority=9,ip actions=mod_dl_dst:02:00:00:00:00:01,NORMAL"], MATCH, 6, "other than NORMAL"),
        (["priority=9,ip actions=set_queue:2,NORMAL"], MATCH, 6, "other than NORMAL"),
        (["priority=65535 actions=NORMAL"], MATCH, 6, "no priority is higher"),
        (["priority=9,arp actions=resubmit(,0)"], MATCH, 6, "flows that pass packets on to others (priority=9,arp actions=resubmit(,0))"),
        (["priority=9,arp actions=learn(table=0,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[])"], MATCH, 6, "pass packets on to others"),
        (["table=5 actions=drop"], MATCH, 6, "in tables 0, 5"),
        ([f"priority=1,{MATCH} actions=drop"], MATCH, 4, "is the same as that of another flow (priority=1,ip,nw_dst=10.0.0.2 actions=drop)"),
        ([f"priority=9,{MATCH} actions=NORMAL"], "nw_dst=10.0.0.2,ip", 4, "the same as that of another flow"),
        ([f"priority=1,{MATCH} actions=set_queue:1,NORMAL"], MATCH, 4, "the same as that of another flow"),
    ],
)  # fmt: skip
def test_traffic_that_other_flows_decide(shaped, unmoved, others, match, code, words):
    install(shaped, *others)
    assert words in unmoved(f"qos steer eth1 --queue 1 --match {match}", code)


@pytest.mark.parametrize(
    ("match", "address"),
    [("ip,nw_dst=10.0.0.256", "10.0.0.256"), ("ip,nw_src=1000.0.0.1", "1000.0.0.1"), ("ip,nw_dst=0001.2.3.4", "0001.2.3.4")],
)
def test_an_invalid_address(shaped, unmoved, match, address):
    assert f"{address} is not an address" in unmoved(f"qos steer eth1 --queue 1 --match {match}", 2)


def test_the_last_address_of_a_network_is_valid(shaped, ovstool):
    assert ovstool("qos steer eth1 --queue 1 --match ip,nw_dst=10.255.255.255").stdout == "eth1: created\n"
    assert steering("ip,nw_dst=10.255.255.255") in flows(shaped)


@pytest.mark.parametrize("timeout", ["hard_timeout=60", "idle_timeout=60"])
def test_traffic_forwarded_by_a_flow_with_a_timeout(shaped, unmoved, timeout):
    """A temporary hole in a firewall must close for steered traffic too."""
    install(shaped, "priority=0,actions=drop", f"priority=100,ip,{timeout},actions=NORMAL")
    assert "has a timeout" in unmoved(f"qos steer eth1 --queue 1 --match {MATCH}", 6)


def test_nothing_forwards(shaped, unmoved):
    ofctl(shaped, "del-flows")
    assert "no flow forwards all of it" in unmoved(f"qos steer eth1 --queue 1 --match {MATCH}", 6)


def test_bridges_of_a_controller(shaped, unmoved):
    command = f"qos steer eth1 --queue 1 --match {MATCH}"
    shaped.vsctl("set bridge br0 fail_mode=secure")
    install(shaped, NORMAL)
    assert "bridge br0: its fail_mode is secure" in unmoved(command, 6)
    shaped.vsctl("set-controller br0 tcp:127.0.0.1:1 -- set bridge br0 fail_mode=standalone")
    assert "bridge br0: a controller manages its flows" in unmoved(command, 6)


# --- one steering flow beside another


def test_steered_beside_each_other(shaped, ovstool, unmoved):
    ovstool(f"qos set eth2 {QOS}")
    assert ovstool(f"qos steer eth1 --queue 1 --match {MATCH}").stderr == (
        "ovstool: note: eth2 also has a queue 1, and matching traffic that leaves there uses it; try: a queue number that only this port has\n"
    )
    assert ovstool("qos steer eth1 --queue 1 --match tcp").stdout == "eth1: created\n"
    assert ovstool("qos steer eth1 --queue 2 --match arp").stdout == "eth1: created\n"
    message = unmoved("qos steer eth1 --queue 2 --match udp", 4)
    assert "some of it is steered into queue 1" in message and f"(priority=1,{MATCH} cookie={cookie('eth1')}" in message
    message = unmoved(f"qos steer eth2 --queue 1 --match {MATCH}", 4)
    assert "is already steered for port eth1" in message and message.endswith("try: ovstool qos unsteer eth1")
    assert ovstool("qos steer eth2 --queue 1 --match udp").stdout == "eth2: created\n"


def test_a_queue_number_goes_through_patch_ports(shaped, ovstool):
    shaped.vsctl("add-br br1 -- set bridge br1 datapath_type=dummy -- add-port br1 p1")
    ovstool(f"qos set p1 {QOS}")
    assert ovstool(f"qos steer eth1 --queue 1 --match {MATCH}").stderr == ""
    shaped.vsctl(
        "add-port br0 a -- set interface a type=patch options:peer=b -- add-port br1 b -- set interface b type=patch options:peer=a"
    )
    assert "p1 also has a queue 1" in ovstool("qos steer eth1 --queue 1 --match tcp").stderr
    (datapath_port,) = re.findall(r"p1 1/(\d+):", shaped.tool("ovs-appctl", "dpif/show"))
    actions = trace(shaped, "in_port=eth2,tcp").split(",")
    assert "set(skb_priority(" in actions[0] and datapath_port in actions[1:]


def test_a_dump_with_steering_flows_can_be_read_back(shaped, ovstool):
    """In any order, because the flows overlap."""
    for match in (MATCH, "tcp", "arp"):
        assert ovstool(f"qos steer eth1 --queue 1 --match {match}").code == 0
    before = flows(shaped)
    path = shaped.box.directory / "given.flows"
    for order in (before, before[::-1]):
        path.write_text("\n".join(line.replace(", ", ",") for line in order))
        assert ovstool("flow del br0").code == 0
        assert ovstool(f"flow add br0 --file {path}").stdout == "br0: created\n"
        assert flows(shaped) == before


def test_several_others_with_a_queue_of_this_number(shaped, ovstool):
    shaped.vsctl("add-port br0 eth3 -- add-port br0 eth4")
    ovstool("qos set eth2 eth3 --queue 1 --queue 3")
    ovstool("qos set eth4 --queue 3")
    said = "and matching traffic that leaves there uses it; try: a queue number that only this port has"
    assert ovstool("qos steer eth1 --queue 1 --match tcp").stderr == f"ovstool: note: eth2, eth3 also have a queue 1, {said}\n"
    assert ovstool("qos steer eth1 --queue 2 --match udp").stderr == ""
    assert ovstool("qos steer eth4 --queue 3 --match arp").stderr == f"ovstool: note: eth2, eth3 also have a queue 3, {said}\n"


# --- bad input


def test_keywords_that_are_not_match_fields(shaped, ovstool):
    """Neither the other parts of a flow, nor what only a dump contains."""
    values = "table=0 priority=7 cookie=5 out_port=1 out_group=1 idle_timeout=1 hard_timeout=1 importance=1 action=drop actions=drop"
    shown = "duration=1 n_packets=0 n_bytes=0 idle_age=1 hard_age=1"
    flags = "send_flow_rem check_overlap reset_counts no_packet_counts no_byte_counts"
    for word in f"{values} {shown} {flags}".split():
        why = f"{word.partition('=')[0]} is not a match field; table, priority, cookie and actions are set by ovstool here"
        result = ovstool(f"qos steer eth1 --queue 1 --match ip,{word}")
        assert (result.stdout, result.stderr, result.code) == ("", f"ovstool: match ip,{word}: {why}\n", 2)
    assert flows(shaped) == [NORMAL]


def test_errors_about_queues_and_owners(shaped, unmoved, ovstool):
    """Complete messages with their suggestions."""
    ovstool("qos set eth2 --max-rate 10mbit")
    why = "the QoS of port eth2 has no queues; try: ovstool qos set eth2 --merge --queue 0:max=RATE"
    assert unmoved("qos steer eth2 --queue 0 --match ip", 3) == f"queue 0: {why}"
    ovstool("qos set eth2 " + " ".join(f"--queue {number}" for number in range(20, 8, -1)))
    why = "the QoS of port eth2 has the queues 9, 10, 11, 12, 13, 14, 15, 16, 17, 18; try: ovstool qos set eth2 --merge --queue 21:max=RATE"
    assert unmoved("qos steer eth2 --queue 21 --match ip", 3) == f"queue 21: {why}"
    why = "matches everything; traffic that no flow puts into another queue goes to queue 0 anyway; try: ovstool qos set eth1 --merge --queue 0:max=RATE"
    assert unmoved("qos steer eth1 --queue 1 --match eth", 2) == f"match eth: {why}"
    shaped.vsctl("del-port eth2 -- add-port br0 eth2")
    why = "has no QoS, so it has no queues; try: ovstool qos set eth2 --queue 2:max=RATE"
    assert unmoved("qos steer eth2 --queue 2 --match ip", 3) == f"port eth2: {why}"
    shaped.vsctl("set bridge br0 fail_mode=secure")
    why = "its fail_mode is secure: it forwards only what its flows say; try: set_queue:2 in the flow that forwards this"
    assert unmoved("qos steer eth1 --queue 2 --match ip", 6) == f"bridge br0: {why}"
    shaped.vsctl("set-controller br0 tcp:127.0.0.1:1")
    why = "a controller manages its flows, and would not know about this one or keep it; try: set_queue:2 in the controller's flows"
    assert unmoved("qos steer eth1 --queue 2 --match ip", 6) == f"bridge br0: {why}"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (f"steer nosuch --queue 1 --match {MATCH}", 3, "port nosuch: no such port"),
        (f"steer eth2 --queue 1 --match {MATCH}", 3, "port eth2: has no QoS, so it has no queues; try: ovstool qos set eth2"),
        (f"steer eth1 --queue 3 --match {MATCH}", 3, "queue 3: the QoS of port eth1 has the queues 1, 2; try: ovstool qos set eth1 --merge --queue 3"),
        ("unsteer nosuch", 3, "no such port"),
        ("unsteer eth9", 3, "port eth9: no such port; try: ovstool port list"),
        ("steer eth1 --queue 1", 2, "--match"),
        (f"steer eth1 --match {MATCH}", 2, "--queue"),
        (f"steer eth1 --queue -1 --match {MATCH}", 2, "--queue"),
        (f"steer eth1 --queue 4294967295 --match {MATCH}", 2, "--queue"),
        ("steer eth1 --queue 1 --match ''", 2, "--match: empty"),
        ("unsteer eth1 --match ' ,'", 2, "does not match on anything"),
        ("steer eth1 --queue 1 --match foo", 2, "field foo missing value"),
        ("steer eth1 --queue 1 --match ip,foo=3", 2, "match ip,foo=3: unknown keyword foo"),
        ("steer eth1 --queue 1 --match in_port=eth99", 2, "eth99: invalid or unknown port"),
        ("unsteer eth1 --match in_port=eth99", 2, "eth99: invalid or unknown port"),
        ("steer eth1 --queue 1 --match ip,nw_dst=10.0.0.256", 2, "10.0.0.256"),
        ("steer eth1 --queue 1 --match eth", 2, "matches everything; traffic that no flow puts into another queue goes to queue 0 anyway"),
        ("steer eth1 --queue 1 --match dl_dst=00:00:00:00:00:00/00:00:00:00:00:00", 2, "matches everything"),
        ("steer eth1 --queue 1 --match nw_dst=10.0.0.2", 2, 'nw_dst=10.0.0.2 would be taken as ""'),
        ("steer eth1 --queue 1 --match in_port=eth1,tcp_dst=80", 2, "in_port=eth1,tp_dst=80 would be taken as in_port=eth1:"),
        ("steer eth1 --queue 1 --match 'in_port=\"a#b\"'", 2, 'match "in_port=\\"a#b\\"": "a#b": invalid or unknown port'),
        ("steer eth1 --queue 1 --match ip,tcp_dst=80", 2, "ip,tp_dst=80 would be taken as ip"),
        ("steer eth1 --queue 1 --match ip,reg0=0", 2, "reg0 is the same for all packets"),
        ("steer eth1 --queue 1 --match ct_state=-trk", 2, "ct_state is the same for all packets"),
        ("steer eth1 --queue 1 --match 'ip # all'", 2, "# starts a comment"),
        *(
            (f"steer eth1 --queue 1 --match ip,{word}", 2, f"{word.partition('=')[0]} is not a match field")
            for word in ("table=0", "priority=7", "cookie=5", "actions=drop", "hard_timeout=1", "out_port=1", "check_overlap", "n_packets=0")
        ),
        ("steer eth1 --queue 1 --match 'ip\npriority:9'", 2, "priority is not a match field"),
    ],
)  # fmt: skip
def test_bad_input(unmoved, words, code, said):
    assert said in unmoved(f"qos {words}", code)


def test_without_openflow(shaped, ovstool, refused):
    ovstool(f"qos steer eth1 --queue 1 --match {MATCH}")
    commands = (f"qos steer eth1 --queue 1 --match {MATCH}", "qos unsteer eth1", f"qos unsteer eth1 --match {MATCH}")
    (shaped.box.directory / "br0.mgmt").rename(shaped.box.directory / "elsewhere")
    for command in commands:
        assert "bridge br0: its management socket does not answer (No such file or directory)" in refused(command, 5)
    assert ovstool("qos set eth1 --queue 2").stdout == "eth1: updated\n"
    result = ovstool("qos clear eth1")
    assert (result.stdout, result.code) == ("eth1: deleted\n", 0)
    assert "does not answer" in result.stderr and "any flows that steer into queues of eth1 remain" in result.stderr
    assert shaped.rows("QoS") == shaped.rows("Queue") == []
    (shaped.box.directory / "elsewhere").rename(shaped.box.directory / "br0.mgmt")
    assert flows(shaped) == [steering(MATCH), NORMAL]
    assert ovstool("qos clear eth1").stdout == "eth1: deleted\n"
    assert flows(shaped) == [NORMAL]
    assert ovstool("qos clear eth1").stdout == "eth1: unchanged\n"
    ovstool(f"qos set eth1 {QOS}")
    kill(int((shaped.box.directory / "ovs-vswitchd.pid").read_text()))
    for command in commands:
        assert "is ovs-vswitchd running" in refused(command, 5)
    assert ovstool("qos clear eth1 --no-wait").stdout == "eth1: deleted\n"


@pytest.mark.parametrize("protocols", ["OpenFlow10", "OpenFlow10,OpenFlow13", "OpenFlow13", "OpenFlow15"])
def test_protocols(shaped, ovstool, unmoved, protocols):
    ovstool("qos steer eth1 --queue 1 --match dl_vlan=0xffff,ip")
    shaped.vsctl(f"set bridge br0 protocols={protocols}")
    command = "qos steer eth1 --queue 1 --match arp"
    if protocols == "OpenFlow10":
        assert "try: ovstool bridge set br0 --protocols OpenFlow10,OpenFlow14" in unmoved(command, 6)
    else:
        assert ovstool("qos steer eth1 --queue 1 --match dl_vlan=0xffff,ip").stdout == "eth1: unchanged\n"
        assert ovstool(command).stdout == "eth1: created\n"
        assert ovstool("qos unsteer eth1 --match arp").stdout == "eth1: deleted\n"
    assert ovstool("qos unsteer eth1").stdout == "eth1: deleted\n"
    assert flows(shaped) == [NORMAL]


def test_tables_and_ports_with_odd_names(shaped, ovstool):
    shaped.vsctl(
        'set bridge br0 flow_tables:0=@a -- --id=@a create flow_table name=\'"my table"\' -- add-port br0 7 -- add-port br0 "p-1.x"'
    )
    for command in ('qos steer eth1 --queue 1 --match in_port="7",arp', 'qos steer eth1 --queue 1 --match in_port="p-1.x",ip'):
        assert ovstool(command.replace('"', "")).stdout in ("eth1: created\n", "eth1: unchanged\n")
    for change in ("created", "unchanged"):
        assert ovstool(["qos", "steer", "eth1", "--queue", "2", "--match", 'in_port="p-1.x",icmp6']).stdout == f"eth1: {change}\n"
    assert ovstool(["qos", "unsteer", "eth1", "--match", "icmp6,in_port=p-1.x"]).stdout == "eth1: deleted\n"
    assert ovstool("qos clear eth1").stdout == "eth1: deleted\n"
    assert [line.removeprefix('table="my table", ') for line in flows(shaped)] == [NORMAL]


# --- after queues are deleted


def test_clear_takes_the_flows_of_its_ports_on_every_bridge(shaped, ovstool):
    shaped.vsctl("add-br br1 -- set bridge br1 datapath_type=dummy -- add-port br1 p1")
    ovstool(f"qos set eth2 p1 {QOS}")
    for port, match in (("eth1", "tcp"), ("eth2", "arp"), ("p1", "tcp"), ("p1", "arp")):
        assert ovstool(f"qos steer {port} --queue 1 --match {match}").code == 0
    assert flows(shaped, "br1") == sorted([steering("tcp", port="p1"), steering("arp", port="p1"), NORMAL])
    result = ovstool("qos clear eth1 p1 --quiet")
    assert (result.stdout, result.stderr) == ("eth1: deleted\np1: deleted\n", "")
    assert flows(shaped) == sorted([steering("arp", port="eth2"), NORMAL])
    assert flows(shaped, "br1") == [NORMAL]
    assert "steering flow priority=1,arp cookie=" in ovstool("qos clear eth2").stderr
    assert flows(shaped) == [NORMAL]


def test_what_several_ports_of_one_bridge_lose_and_another_keeps(shaped, ovstool):
    shaped.vsctl("add-port br0 eth3")
    ovstool(f"qos set eth2 eth3 {QOS}")
    for port, match in (("eth1", "tcp"), ("eth2", "arp,in_port=eth1"), ("eth3", "udp")):
        assert ovstool(f"qos steer {port} --queue 1 --match {match}").code == 0
    gone = "a flow leads to a queue that is not there: a flow steers {} into queue 1, which no longer exists; try: ovstool qos unsteer {} --queue 1"
    lost = [f"eth1: {gone.format('tcp', 'eth1')}", f"eth2: {gone.format('arp,in_port=eth1', 'eth2')}"]
    result = ovstool("qos set eth1 eth2 --max-rate 1gbit --queue 0 --queue 2")
    assert result.stdout == "eth1: updated\neth2: updated\n"
    assert [line for line in result.stderr.splitlines() if "leads to" in line] == [f"ovstool: note: {line}" for line in lost]
    deleted = [
        f"steering flow priority=1,{match} cookie={cookie(port)} actions=set_queue:1,NORMAL: "
        for port, match in (("eth1", "tcp"), ("eth2", "arp,in_port=eth1"))
    ]
    said = ovstool("qos clear eth1 eth2 --dry-run").stderr
    assert all(f"ovstool: note: {line}would be deleted\n" in said for line in deleted) and said.count("steering flow") == 2
    assert len(flows(shaped)) == 4
    (shaped.box.directory / "br0.mgmt").rename(shaped.box.directory / "elsewhere")
    result = ovstool("qos clear eth1 eth2")
    assert (result.stdout, result.stderr.count("\n")) == ("eth1: deleted\neth2: deleted\n", 1)
    assert result.stderr.endswith("(No such file or directory); any flows that steer into queues of eth1, eth2 remain\n")
    (shaped.box.directory / "elsewhere").rename(shaped.box.directory / "br0.mgmt")
    result = ovstool("qos clear eth1 eth2")
    assert (result.stdout, sorted(result.stderr.splitlines())) == (
        "eth1: deleted\neth2: deleted\n", sorted(f"ovstool: note: {line}deleted" for line in deleted),
    )  # fmt: skip
    assert flows(shaped) == sorted([steering("udp", port="eth3"), NORMAL])


def test_clear_goes_on_where_one_bridge_does_not_answer(shaped, ovstool):
    shaped.vsctl("add-br br1 -- set bridge br1 datapath_type=dummy -- add-port br1 p1")
    ovstool(f"qos set p1 {QOS}")
    for port in ("eth1", "p1"):
        assert ovstool(f"qos steer {port} --queue 1 --match tcp").code == 0
    (shaped.box.directory / "br0.mgmt").rename(shaped.box.directory / "elsewhere")
    result = ovstool("qos clear eth1 p1")
    assert (result.stdout, result.code) == ("eth1: deleted\np1: deleted\n", 0)
    assert "any flows that steer into queues of eth1 remain" in result.stderr and flows(shaped, "br1") == [NORMAL]


def test_clear_requests_only_its_own_flows(shaped, ovstool):
    log = shaped.box.directory / "ovs-vswitchd.log"
    shaped.tool("ovs-appctl", "vlog/set", "vconn:file:dbg")
    begin = log.stat().st_size
    assert ovstool("qos clear eth1").stdout == "eth1: deleted\n"
    ofctl(shaped, "dump-flows")
    deadline = time.monotonic() + 20
    while "actions=NORMAL" not in (said := log.read_text()[begin:]):  # the log is written with a delay
        assert time.monotonic() < deadline, said
        time.sleep(0.01)
    ours = said.rpartition("received: OFPST_FLOW")[0]
    assert re.findall(r"received: (OFPST\w+)", ours) == ["OFPST_FLOW"] and "actions=NORMAL" not in ours


def test_deleted_ports(shaped, ovstool):
    ovstool(f"qos steer eth1 --queue 1 --match {MATCH}")
    assert ovstool("port del eth1").stdout == "eth1: deleted\n"
    assert flows(shaped) == [NORMAL]


def test_a_bond(shaped, ovstool):
    shaped.vsctl("add-bond br0 bond0 eth8 eth9")
    ovstool("qos set bond0 --queue 7")
    assert ovstool(f"qos steer eth8 --queue 7 --match {MATCH}").stdout == "eth8: created\n"
    assert flows(shaped) == [steering(MATCH, 7, port="bond0"), NORMAL]
    assert ovstool("qos unsteer bond0").stdout == "bond0: deleted\n"


def test_a_deleted_queue_is_noted(shaped, ovstool):
    ovstool(f"qos steer eth1 --queue 1 --match {MATCH}")
    keeping = "qos set eth1 --max-rate 100mbit --queue 0"
    result = ovstool(f"{keeping} --queue 2:max=20mbit")
    said = f"eth1: a flow leads to a queue that is not there: a flow steers {MATCH} into queue 1, which no longer exists"
    remedy = "ovstool qos unsteer eth1 --queue 1"
    assert (result.stdout, result.stderr) == ("eth1: updated\n", f"ovstool: note: {said}; try: {remedy}\n")
    ovstool(f"{keeping} --queue 1:max=10mbit")
    done = ovstool(f"--db {shaped.box.db} {keeping} --queue 2:max=20mbit", OVSTOOL_DB="")
    assert done.stderr.endswith(f"; try: {remedy.replace('ovstool', f'ovstool --db {shaped.box.db}')}\n")
    assert ovstool(f"-q {keeping} --queue 3:max=20mbit").stderr == ""
    assert steering(MATCH) in flows(shaped)
    assert ovstool("qos set eth1 --merge --queue 1:max=5mbit").stderr == ""


def test_deleted_queues_of_many_ports_are_noted(shaped, ovstool):
    names = [f"p{i}" for i in range(30)]
    shaped.vsctl(" -- ".join(f"add-port br0 {name}" for name in names))
    every = f"qos set eth1 {' '.join(names)} --max-rate 100mbit --queue 0"
    ovstool(f"{every} --queue 1")
    ovstool(f"qos steer p7 --queue 1 --match {MATCH}")
    result = ovstool(f"-v {every} --queue 2")
    said = [line for line in result.stderr.splitlines() if "a flow leads to a queue that is not there" in line]
    assert len(said) == 1 and said[0].startswith("ovstool: note: p7: ") and "into queue 1, which no longer exists" in said[0]
    assert 5 < result.stderr.count(": transact ") < 20  # requests to the database, not one for each port


def test_a_port_that_is_added_again_keeps_its_flows(shaped, ovstool):
    ovstool(f"qos steer eth1 --queue 1 --match {MATCH}")
    shaped.vsctl("-- --id=@q get port eth1 qos -- del-port eth1")
    shaped.vsctl("add-port br0 other -- add-port br0 eth1")
    ovstool(f"qos set eth1 {QOS}")
    assert ovstool(f"qos steer eth1 --queue 1 --match {MATCH}").stdout == "eth1: unchanged\n"
    assert ovstool("qos unsteer other").stdout == "other: unchanged\n"
    assert ovstool("qos unsteer eth1").stdout == "eth1: deleted\n"


def test_the_flow_of_a_deleted_port_can_be_deleted(shaped, ovstool, unmoved):
    ovstool("qos set eth2 --queue 1")
    ovstool(f"qos steer eth2 --queue 1 --match {MATCH}")
    shaped.vsctl("del-port eth2")
    message = unmoved(f"qos steer eth1 --queue 1 --match {MATCH}", 4)
    assert "is already steered for a port that is gone" in message
    remedy = message.partition("; try: ovstool ")[2]
    assert ovstool(remedy).stdout == f"{remedy.removeprefix('flow del br0 ')}: deleted\n"
    assert flows(shaped) == [NORMAL]


def test_among_thousands_of_flows(shaped, ovstool):
    drops = "\n".join(f"priority={100 + i % 9},ip,nw_src=10.1.{i >> 8}.{i & 255} actions=drop" for i in range(10_000))
    path = shaped.box.directory / "given.flows"
    path.write_text(drops)
    shaped.tool("ovs-ofctl", "add-flows", f"unix:{shaped.box.directory}/br0.mgmt", str(path))
    assert ovstool(f"qos steer eth1 --queue 1 --match {MATCH}").stdout == "eth1: created\n"
    assert ovstool(f"qos steer eth1 --queue 1 --match {MATCH}").stdout == "eth1: unchanged\n"
    assert ovstool("qos clear eth1").stdout == "eth1: deleted\n"
    assert len(flows(shaped)) == 10_001


# --- comparing matches, checked with the switch


def some_match(rng: random.Random) -> str:
    words = [rng.choice(["ip", "tcp", "udp", "arp", "ipv6", "tcp6", "icmp", "icmp6", "dl_type=0x88cc"])] * rng.choice([0, 1, 1])
    mine = words[0] if words else ""
    if mine in ("ip", "tcp", "udp", "icmp"):
        words += rng.choice([[], [f"nw_dst=10.{rng.randrange(2)}.0.{rng.randrange(3)}/{rng.choice([8, 15, 16, 31, 32, '255.0.0.255'])}"]])
        words += rng.choice([[], ["nw_src=10.0.0.1"], ["nw_src=10.0.0.0/24"], ["nw_tos=184"], ["nw_ecn=1"]])
    if mine in ("ipv6", "tcp6"):
        words += rng.choice([[], [f"ipv6_dst=2001:db8:{rng.randrange(2)}::{rng.randrange(2)}/{rng.choice([32, 48, 127, 128])}"]])
    if mine in ("tcp", "udp", "tcp6"):
        words += rng.choice([[], [f"tp_dst={rng.choice(['80', '81', '0x50/0xfffe', '0x50/0xfff0'])}"]])
    words += rng.choice([[], [], [f"in_port={rng.choice(['eth1', 'eth2', 'LOCAL'])}"]])
    words += rng.choice(
        [[], [], [f"dl_dst={rng.choice(['02:00:00:00:00:01', '02:00:00:00:00:02', '01:00:00:00:00:00/01:00:00:00:00:00'])}"]]
    )
    words += rng.choice([[], [], [rng.choice(["dl_vlan=5", "dl_vlan=6", "vlan_tci=0x1000/0x1000", "vlan_tci=0x0000/0x1fff"])]])
    return ",".join(words)


def test_matches_are_compared_as_the_switch_does(switch):
    rng = random.Random(5)
    pairs = [(some_match(rng), some_match(rng)) for _ in range(150)]
    ofctl(switch, "del-flows")
    mgmt = f"unix:{switch.box.directory}/br0.mgmt"
    lines = [f"table={side},priority={i},{match},actions=drop\n" for i, pair in enumerate(pairs) for side, match in enumerate(pair)]
    path = switch.box.directory / "given.flows"
    path.write_text("".join(lines))
    switch.tool("ovs-ofctl", "add-flows", mgmt, str(path))
    found = re.findall(r"table=([01]),.* priority=(\d+),?(\S*) actions", switch.tool("ovs-ofctl", "dump-flows", mgmt))
    written = {(int(side), int(i)): fields(match) for side, i, match in found}
    seen = {"apart": 0, "covers": 0, "neither": 0}
    for i, (one, other) in enumerate(pairs):
        a, b = written[0, i], written[1, i]
        # Add the other one with the same priority: it is refused if they overlap, unless they are equal.
        argv = ["ovs-ofctl", "add-flow", mgmt, f"table=0,check_overlap,priority={i},{other},actions=drop"]
        overlap = subprocess.run(argv, env=switch.environ, capture_output=True, timeout=60, check=False).returncode != 0 or a == b
        inside = f"priority={i}" in switch.tool("ovs-ofctl", "dump-flows", mgmt, f"table=1,{one}".rstrip(",")).replace(",", " ").split()
        assert not (apart(a, b) and overlap), (one, other)
        assert not (covers(a, b) and not inside), (one, other)
        seen["apart" if apart(a, b) else "covers" if covers(a, b) else "neither"] += 1
        if not any("vlan" in match for match in (one, other)):  # two fields have this name
            assert (apart(a, b), covers(a, b)) == (not overlap, inside), (one, other)
    assert min(seen.values()) > 10, seen


# --- packets


def ping(switch, sender: int = 0) -> bool:
    """Whether one host answers the other with the present flows of the bridge."""
    # A busy machine updates the datapath's cache of the old flows a moment later, after the first packets.
    switch.tool("ovs-appctl", "revalidator/purge")
    hosts = list(switch.box.hosts.items())
    argv = ["ip", "netns", "exec", hosts[sender][0], "ping", "-c", "2", "-i", "0.2", "-W", "1", hosts[1 - sender][1]]
    return subprocess.run(argv, capture_output=True, timeout=30, check=False).returncode == 0


def test_packets_go_where_they_went(forwarding):
    ovstool = forwarding.ovstool
    assert ping(forwarding)
    assert ovstool(f"qos set eth2 {QOS}").code == 0
    try:
        assert ovstool(f"qos steer eth2 --queue 1 --match {MATCH}").stdout == "eth2: created\n"
        forwarding.tool("ovs-appctl", "fdb/flush", "br0")
        assert ping(forwarding) and ping(forwarding, 1)
        learned = re.findall(r"^ +(\d+) +0 +(?:[0-9a-f]{2}:){5}", forwarding.tool("ovs-appctl", "fdb/show", "br0"), re.MULTILINE)
        assert len(set(learned)) >= 2
        (packets,) = re.findall(r"n_packets=(\d+).*set_queue:1,NORMAL", ofctl(forwarding, "dump-flows"))
        assert int(packets) > 0
        # An ACL added before the steering flow, and one that existed when it was added.
        install(forwarding, "priority=10,icmp,nw_dst=10.0.0.2 actions=drop")
        assert not ping(forwarding)
        assert ovstool(f"qos steer eth2 --queue 1 --match {MATCH}").stdout == "eth2: unchanged\n"
        assert ovstool(f"qos steer eth2 --queue 2 --match {MATCH}").stdout == "eth2: updated\n"
        assert not ping(forwarding)
        forwarding.tool("ovs-ofctl", "--strict", "del-flows", "br0", "priority=10,icmp,nw_dst=10.0.0.2")
        assert ping(forwarding)
    finally:
        assert ovstool("qos clear eth2").stdout == "eth2: deleted\n"
    assert flows(forwarding) == [NORMAL] and ping(forwarding)
