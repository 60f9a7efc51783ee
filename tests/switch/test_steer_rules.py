"""How ports, queues and existing flows determine steering, on one switch for all these tests; checked with ovs-ofctl."""

import io
import shlex

import pytest
from between import Between
from database import Database
from test_steer import NORMAL, cookie, flows, steering

from ovstool.shell import App
from ovstool.switch import Switch, steer

SECURE = {"fail_mode": "secure"}
ACCESS, TRUNK = {"tag": 5}, {}


class Steered(Database):
    """br0 with eth1, eth2 and eth3, and br1 with p1."""

    def run(self, command: str) -> tuple[int, str, str]:
        """The exit code and what was printed, once ovs-vswitchd has applied the change."""
        out, err = io.StringIO(), io.StringIO()
        code = App(out, err).run(["--db", self.switch.box.db, *shlex.split(command)])
        return int(code), out.getvalue(), err.getvalue().replace(f" --db {self.switch.box.db}", "")

    def begin(self, *lines: str, **ports: dict) -> None:
        """Set up these flows, or one that forwards everything; eth1 with the queues 1 and 2, and the ports with these columns or none."""
        self.flows("br0", *lines or [NORMAL])
        self.flows("br1", NORMAL)
        blank = {"tag": ["set", []], "trunks": ["set", []], "vlan_mode": ["set", []], "qos": ["set", []]}
        update = {"op": "update", "table": "Port", "where": []}
        delete = {"op": "delete", "where": []}
        self.transact(
            update | {"row": blank}, delete | {"table": "QoS"}, delete | {"table": "Queue"},
            *(update | {"where": [["name", "==", name]], "row": row} for name, row in ports.items()),
        )  # fmt: skip
        self.shape("eth1", 1, 2)

    def flows(self, bridge: str, *lines: str) -> None:
        path = self.switch.box.directory / "given.flows"
        path.write_text("\n".join(lines))
        self.switch.tool("ovs-ofctl", "-O", "OpenFlow14", "replace-flows", f"unix:{self.switch.box.directory}/{bridge}.mgmt", str(path))

    def shape(self, port: str, *queues: int) -> None:
        """Give a port a QoS with these queues."""
        named = [[number, ["named-uuid", f"q{number}"]] for number in queues]
        self.transact(
            *({"op": "insert", "table": "Queue", "row": {}, "uuid-name": f"q{number}"} for number in queues),
            {"op": "insert", "table": "QoS", "row": {"type": "linux-htb", "queues": ["map", named]}, "uuid-name": "qos"},
            {"op": "update", "table": "Port", "where": [["name", "==", port]], "row": {"qos": ["named-uuid", "qos"]}},
        )

    def set_bridge(self, **columns) -> None:
        self.transact({"op": "update", "table": "Bridge", "where": [["name", "==", "br0"]], "row": columns})


@pytest.fixture(scope="module")
def steered(running_switch):
    with running_switch("dummy", ["eth1", "eth2", "eth3"]) as switch:
        switch.vsctl("--may-exist add-br br1 -- set bridge br1 datapath_type=dummy -- --may-exist add-port br1 p1")
        yield Steered(switch)


def test_created_moved_to_another_queue_and_deleted(steered):
    steered.begin("priority=4 actions=NORMAL")
    command = "qos steer eth1 --match arp --queue"
    line = f"arp cookie={cookie('eth1')} actions=set_queue:"
    assert steered.run(f"{command} 1 -n") == (0, f"+priority=5,{line}1,NORMAL\n", "ovstool: note: eth1: would be created\n")
    assert steered.run(f"{command} 1") == (0, "eth1: created\n", "")
    assert steered.run(f"{command} 1") == (0, "eth1: unchanged\n", "")
    changed = f"-priority=5,{line}1,NORMAL\n+priority=5,{line}2,NORMAL\n"
    assert steered.run(f"{command} 2 -n") == (0, changed, "ovstool: note: eth1: would be updated\n")
    assert steered.run(f"{command} 2") == (0, "eth1: updated\n", "")
    steered.flows("br0", "priority=7 actions=NORMAL", steering("arp", 2, 5).replace(", ", ","))
    assert steered.run(f"{command} 2") == (0, "eth1: updated\n", "")  # above the flow that forwards now
    assert flows(steered.switch) == [steering("arp", 2, 8), "priority=7 actions=NORMAL"]
    assert steered.run("qos unsteer eth1 -n") == (
        0, f"-priority=8,{line}2,NORMAL\n", "ovstool: note: eth1: would be deleted\novstool: note: 1 flow\n",
    )  # fmt: skip
    assert steered.run("qos unsteer eth1") == (0, "eth1: deleted\n", "ovstool: note: 1 flow deleted\n")
    assert flows(steered.switch) == ["priority=7 actions=NORMAL"]


def test_what_is_unsteered(steered):
    """Flows of one port, queue or match, but not flows of others with the same cookie, nor those of a port with a similar cookie."""
    foreign = [f"cookie={cookie('eth1')}, priority=5,udp actions=drop", "priority=6,arp actions=set_queue:1,NORMAL"]
    others = [steering("icmp", port="eth3"), steering("ipv6", port="eth2")]
    mine = [steering("tcp,tp_dst=80"), steering("tcp,tp_dst=81,in_port=eth2", 2), steering("tcp,tp_dst=82", 2)]
    steered.begin(NORMAL, *(line.replace(", ", ",") for line in [*foreign, *others, *mine]))
    one = ("eth1: deleted\n", "ovstool: note: 1 flow deleted\n")
    none = ("eth1: unchanged\n", "ovstool: note: 0 flows deleted\n")
    assert steered.run("qos unsteer eth1 --match tcp") == (0, *none)
    assert steered.run("qos unsteer eth1 --queue 1 --match tcp,tp_dst=82") == (0, *none)
    assert steered.run("qos unsteer eth1 --queue 7") == (0, *none)
    assert steered.run("qos unsteer eth1 --match tcp_dst=81,tcp,in_port=eth2") == (0, *one)
    assert steered.run("qos unsteer eth1 --queue 2") == (0, *one)
    assert steered.run("qos unsteer eth1") == (0, *one)
    assert flows(steered.switch) == sorted([NORMAL, *foreign, *others])
    assert steered.run("qos unsteer p1") == (0, "p1: unchanged\n", none[1])


@pytest.mark.parametrize(
    ("vid", "in_port", "ports", "is_noted"),
    [
        # Access ports accept only untagged packets.
        (5, None, {"eth2": ACCESS, "eth3": ACCESS}, True),
        (5, None, {"eth2": ACCESS, "eth3": {"tag": 5, "vlan_mode": "access"}}, True),
        (1, None, {"eth2": ACCESS, "eth3": ACCESS}, True),
        (4095, None, {"eth2": ACCESS, "eth3": ACCESS}, True),
        (0, None, {"eth2": ACCESS, "eth3": ACCESS}, False),
        # A trunk accepts its VLANs, or all.
        (5, None, {"eth2": ACCESS, "eth3": TRUNK}, False),
        (5, None, {"eth2": ACCESS, "eth3": {"trunks": ["set", [4, 5]]}}, False),
        (6, None, {"eth2": ACCESS, "eth3": {"trunks": ["set", [4, 5]]}}, True),
        (6, None, {"eth2": ACCESS, "eth3": {"tag": 6, "trunks": 4, "vlan_mode": "trunk"}}, True),
        (4, None, {"eth2": ACCESS, "eth3": {"tag": 6, "trunks": 4, "vlan_mode": "trunk"}}, False),
        (6, None, {"eth2": ACCESS, "eth3": {"tag": 6, "trunks": 4, "vlan_mode": "native-tagged"}}, False),
        (6, None, {"eth2": ACCESS, "eth3": {"tag": 6, "trunks": 4, "vlan_mode": "native-untagged"}}, False),
        (4, None, {"eth2": ACCESS, "eth3": {"tag": 6, "trunks": 4, "vlan_mode": "native-untagged"}}, False),
        (5, None, {"eth2": ACCESS, "eth3": {"tag": 6, "trunks": 4, "vlan_mode": "native-untagged"}}, True),
        (5, None, {"eth2": ACCESS, "eth3": {"tag": 6, "vlan_mode": "native-untagged"}}, False),
        # The port itself, to which nothing is sent back, is a trunk in all of these; so is p1, on another bridge.
        (5, "eth2", {"eth2": ACCESS, "eth3": TRUNK}, True),
        (5, "eth3", {"eth2": ACCESS, "eth3": TRUNK}, False),
        (5, "eth1", {"eth2": ACCESS, "eth3": ACCESS}, False),
        (5, "LOCAL", {"eth2": ACCESS, "eth3": ACCESS}, False),
        (5, "99", {"eth2": ACCESS, "eth3": ACCESS}, True),
        (5, "99", {"eth2": ACCESS, "eth3": TRUNK}, False),
    ],
)
def test_a_tag_that_no_port_accepts(steered, vid, in_port, ports, is_noted):
    steered.begin(**ports)
    match = f"{f'in_port={in_port},' if in_port else ''}dl_vlan={vid}"
    evidence = (
        f"dl_vlan={vid} matches the tag that a packet arrives with, and no other port accepts packets with that tag; packets from access ports "
        "have no tag yet: leave dl_vlan out to match all VLANs, or use in_port=PORT to match one access port"
    )
    remedy = f"ovstool qos unsteer eth1 --queue 2 --match {match}"
    noted = f"ovstool: note: eth1: no packet matches this: {evidence}; try: {remedy}\n"
    assert steered.run(f"qos steer eth1 --queue 2 --match {match}") == (0, "eth1: created\n", noted * is_noted)


def test_a_match_without_a_tag_is_for_packets_of_all_ports(steered):
    steered.begin(eth2=ACCESS, eth3=ACCESS)
    assert steered.run("qos steer eth1 --queue 2 --match dl_vlan=0xffff") == (0, "eth1: created\n", "")


def test_other_ports_with_a_queue_of_this_number(steered):
    said = "and matching traffic that leaves there uses it; try: a queue number that only this port has"
    steered.begin()
    steered.shape("p1", 1, 2)  # no patch port leads to its bridge
    assert steered.run("qos steer eth1 --queue 1 --match arp") == (0, "eth1: created\n", "")
    steered.shape("eth3", 2, 3)
    steered.shape("eth2", 2)
    assert steered.run("qos steer eth1 --queue 1 --match tcp") == (0, "eth1: created\n", "")
    assert steered.run("qos steer eth1 --queue 2 --match ipv6") == (
        0, "eth1: created\n", f"ovstool: note: eth2, eth3 also have a queue 2, {said}\n",
    )  # fmt: skip
    assert steered.run("qos steer eth3 --queue 3 --match udp") == (0, "eth3: created\n", "")
    steered.begin()
    steered.shape("eth2", 1)
    assert steered.run("qos steer eth1 --queue 1 --match tcp")[2] == f"ovstool: note: eth2 also has a queue 1, {said}\n"


def test_two_ports_with_one_qos(steered):
    steered.begin()
    (row,) = steered.transact({"op": "select", "table": "Port", "where": [["name", "==", "eth1"]]})[0]["rows"]
    steered.transact({"op": "update", "table": "Port", "where": [["name", "==", "eth2"]], "row": {"qos": row["qos"]}})
    assert "eth2 also has a queue 1" in steered.run("qos steer eth1 --queue 1 --match tcp")[2]


def test_what_is_steered_for_another_port(steered):
    steered.begin(NORMAL, steering("tcp", port="eth2").replace(", ", ","), steering("udp", port="nosuch").replace(", ", ","))
    before = flows(steered.switch)
    line = "(priority=1,{} cookie={} actions=set_queue:1,NORMAL)"
    why = f"is already steered for port eth2, by a flow that applies to all ports {line.format('tcp', cookie('eth2'))}; try: ovstool qos unsteer eth2"
    assert steered.run("qos steer eth1 --queue 1 --match tcp") == (4, "", f"ovstool: match tcp: {why}\n")
    remedy = f"ovstool flow del br0 cookie={cookie('nosuch')}/-1"
    why = f"is already steered for a port that is gone, by a flow that applies to all ports {line.format('udp', cookie('nosuch'))}; try: {remedy}"
    assert steered.run("qos steer eth1 --queue 1 --match udp") == (4, "", f"ovstool: match udp: {why}\n")
    assert flows(steered.switch) == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("eth1 --queue 3 --match ip", 3, "queue 3: the QoS of port eth1 has the queues 1, 2; try: ovstool qos set eth1 --merge --queue 3:max=RATE"),
        ("eth2 --queue 3 --match ip", 3, "port eth2: has no QoS, so it has no queues; try: ovstool qos set eth2 --queue 3:max=RATE"),
        ("nosuch --queue 1 --match ip", 3, "port nosuch: no such port"),
        ("eth1 --queue 1 --match ,", 2, "match ,: does not match on anything; try: ip,nw_dst=10.0.0.2"),
        ("eth1 --queue 1 --match 'ip # all'", 2, 'match "ip # all": # starts a comment'),
        ("eth1 --queue 1 --match eth", 2, "match eth: matches everything; traffic that no flow puts into another queue goes to queue 0 anyway; "
         "try: ovstool qos set eth1 --merge --queue 0:max=RATE"),
        ("eth1 --queue 1 --match metadata=1", 2, "match metadata=1: metadata is the same for all packets in table 0"),
        ("eth1 --queue 1 --match xxreg1=1", 2, "match xxreg1=1: reg4 is the same for all packets in table 0"),
        ("eth1 --queue 1 --match ip,ct_state=-trk", 2, "match ip,ct_state=-trk: ct_state is the same for all packets in table 0"),
        ("eth1 --queue 1 --match ip,out_group=1", 2, "match ip,out_group=1: out_group is not a match field; table, priority, cookie and actions are set by ovstool here"),
    ],
)  # fmt: skip
def test_what_is_refused(steered, words, code, said):
    steered.begin()
    found, printed, error = steered.run(f"qos steer {words}")
    assert (found, printed, error[: len(said) + 9]) == (code, "", f"ovstool: {said}") and flows(steered.switch) == [NORMAL]


def test_at_most_ten_queues_are_listed(steered):
    steered.begin()
    steered.shape("eth2", *range(20, 8, -1))
    steered.shape("eth3")
    hint = "try: ovstool qos set eth{} --merge --queue 21:max=RATE\n"
    why = f"the QoS of port eth2 has the queues 9, 10, 11, 12, 13, 14, 15, 16, 17, 18; {hint.format(2)}"
    assert steered.run("qos steer eth2 --queue 21 --match ip") == (3, "", f"ovstool: queue 21: {why}")
    assert steered.run("qos steer eth3 --queue 21 --match ip") == (
        3, "", f"ovstool: queue 21: the QoS of port eth3 has no queues; {hint.format(3)}",
    )  # fmt: skip


def test_the_owners_of_flows(steered):
    steered.begin()
    why = "its fail_mode is secure: it forwards only what its flows say; try: set_queue:1 in the flow that forwards this"
    try:
        steered.set_bridge(**SECURE)
        assert steered.run("qos steer eth1 --queue 1 --match ip") == (6, "", f"ovstool: bridge br0: {why}\n")
    finally:
        steered.set_bridge(fail_mode=["set", []])


@pytest.mark.parametrize(
    ("lines", "is_open"),
    [
        ([NORMAL], True),
        (["priority=0 actions=drop"], False),
        (["priority=65535 actions=NORMAL"], False),
        ([NORMAL, "table=1 actions=NORMAL"], False),
        ([NORMAL, "priority=9,arp actions=resubmit(,0)"], False),
        ([NORMAL, "priority=9,ip,nw_proto=6 actions=NORMAL"], True),
        ([NORMAL, "priority=9,tcp actions=output:1"], False),
    ],
)
def test_whether_flows_leave_something_to_steer(steered, lines, is_open):
    steered.begin(*lines)
    assert steer.is_open(Switch(db=steered.switch.box.db), "br0", "ip") is is_open
    assert steer.is_open(Switch(db=steered.switch.box.db), "nosuch", "ip") is False


def test_a_bridge_whose_openflow_has_no_bundles_is_not_open(steered):
    steered.begin()
    try:
        steered.set_bridge(protocols="OpenFlow10")
        assert steer.is_open(Switch(db=steered.switch.box.db), "br0", "ip") is False
    finally:
        steered.set_bridge(protocols=["set", []])


@pytest.mark.parametrize("ports", ["eth1", "eth1 p1", "eth2 eth1"])
def test_flows_go_with_the_queues(steered, ports):
    """Flows of other ports and of others stay; ports are listed by name."""
    steered.begin(
        NORMAL, *(steering(*words).replace(", ", ",") for words in (("tcp,in_port=eth2",), ("udp", 2), ("arp", 1, 1, "eth3"))),
        f"cookie={cookie('eth1')},priority=5,icmp actions=drop", "cookie=0x6f76737400000000,priority=5,icmp6 actions=set_queue:1,NORMAL",
    )  # fmt: skip
    steered.flows("br1", NORMAL, steering("tcp", 1, 1, "p1").replace(", ", ","))
    lines = [
        f"steering flow priority=1,tcp,in_port=eth2 cookie={cookie('eth1')} actions=set_queue:1,NORMAL: ",
        f"steering flow priority=1,udp cookie={cookie('eth1')} actions=set_queue:2,NORMAL: ",
    ]
    on_br1 = [f"steering flow priority=1,tcp cookie={cookie('p1')} actions=set_queue:1,NORMAL: "] * ("p1" in ports)
    before = flows(steered.switch), flows(steered.switch, "br1")
    said = steered.run(f"qos clear {ports} -n")[2]
    assert sorted(line for line in said.splitlines() if "steering" in line) == sorted(
        f"ovstool: note: {line}would be deleted" for line in [*lines, *on_br1]
    )
    assert (flows(steered.switch), flows(steered.switch, "br1")) == before
    code, printed, said = steered.run(f"qos clear {ports}")
    assert (code, sorted(said.splitlines())) == (0, sorted(f"ovstool: note: {line}deleted" for line in [*lines, *on_br1]))
    assert sorted(printed.splitlines()) == sorted(f"{name}: {'unchanged' if name == 'eth2' else 'deleted'}" for name in ports.split())
    assert flows(steered.switch) == [line for line in before[0] if cookie("eth1") not in line or "drop" in line]
    assert flows(steered.switch, "br1") == ([NORMAL] if on_br1 else before[1])


def test_flows_that_lead_to_deleted_queues(steered):
    steered.begin(
        NORMAL, *(steering(*words).replace(", ", ",") for words in (("tcp,in_port=eth2",), ("udp", 2), ("arp", 7, 1, "eth3"), ("ip", 9, 1, "gone"))),
    )  # fmt: skip
    steered.shape("eth3", 1)
    what = "a flow leads to a queue that is not there: a flow steers {} into queue {}, which no longer exists; try: ovstool qos unsteer {} --queue {}"
    code, printed, said = steered.run("qos set eth1 --max-rate 1gbit --queue 2")
    lost = what.format("tcp,in_port=eth2", 1, "eth1", 1)
    assert (code, printed, [line for line in said.splitlines() if "leads" in line]) == (
        0,
        "eth1: updated\n",
        [f"ovstool: note: eth1: {lost}"],
    )
    code, printed, said = steered.run("qos set eth1 eth3 --max-rate 1gbit --queue 1 --queue 0")
    found = [line for line in said.splitlines() if "leads" in line]
    assert (code, printed) == (0, "eth1: updated\neth3: updated\n")
    assert sorted(found) == [
        f"ovstool: note: eth1: {what.format('udp', 2, 'eth1', 2)}",
        f"ovstool: note: eth3: {what.format('arp', 7, 'eth3', 7)}",
    ]


def test_without_bundles_nothing_is_steered(steered):
    steered.begin()
    try:
        steered.set_bridge(protocols="OpenFlow10")
        code, printed, said = steered.run("qos steer eth1 --queue 1 --match ip")
        assert (code, printed) == (6, "") and said.endswith("; try: ovstool bridge set br0 --protocols OpenFlow10,OpenFlow14\n")
    finally:
        steered.set_bridge(protocols=["set", []])


def test_each_flow_of_other_ports_is_checked(steered):
    """The first one with this match may be the port's own."""
    steered.begin(NORMAL, *(steering("tcp", 1, priority, port).replace(", ", ",") for priority, port in ((1, "eth1"), (2, "eth2"))))
    code, printed, said = steered.run("qos steer eth1 --queue 1 --match tcp")
    assert (code, printed) == (4, "") and "match tcp: is already steered for port eth2" in said
    steered.flows("br0", NORMAL, *(steering("tcp", 1, priority, port).replace(", ", ",") for priority, port in ((2, "eth1"), (1, "eth2"))))
    code, printed, said = steered.run("qos steer eth1 --queue 1 --match tcp")
    assert (code, printed) == (4, "") and "match tcp: is already steered for port eth2" in said


def test_a_bridge_with_a_controller_belongs_to_it(steered):
    steered.begin()
    why = "a controller manages its flows, and would not know about this one or keep it; try: set_queue:1 in the controller's flows"
    try:
        steered.switch.vsctl("--no-wait set-controller br0 tcp:127.0.0.1:1")
        assert steered.run("qos steer eth1 --queue 1 --match ip") == (6, "", f"ovstool: bridge br0: {why}\n")
    finally:
        steered.switch.vsctl("del-controller br0")


def test_flows_stay_only_where_openflow_does_not_answer(steered):
    steered.begin()
    steered.flows("br1", NORMAL, steering("tcp", 1, 1, "p1").replace(", ", ","))
    socket = steered.switch.box.directory / "br0.mgmt"
    socket.rename(socket.with_suffix(".away"))
    try:
        code, printed, said = steered.run("qos clear eth1 p1")
    finally:
        socket.with_suffix(".away").rename(socket)
    assert (code, printed) == (0, "eth1: deleted\np1: deleted\n") and flows(steered.switch, "br1") == [NORMAL]
    assert said.splitlines() == [
        "ovstool: note: bridge br0: its management socket does not answer (No such file or directory); "
        "any flows that steer into queues of eth1 remain",
        f"ovstool: note: steering flow priority=1,tcp cookie={cookie('p1')} actions=set_queue:1,NORMAL: deleted",
    ]


def test_a_port_that_is_deleted_during_the_search(steered):
    steered.switch.vsctl("--may-exist add-port br0 gone")

    def at(_: int, request: bytes) -> bytes:
        if b'"table":"Bridge"' in request:
            steered.switch.vsctl("--if-exists del-port gone")
        return request

    between = Between(steered.switch, "between", at)
    try:
        said = steered.run(f"--db unix:{between.path} qos unsteer gone")
    finally:
        between.close()
    assert said[:2] == (3, "") and said[2].startswith("ovstool: port gone: is on no bridge; try: ovstool ")
