"""The evidence of the checks, on a switch with known rows, flows and counters: ports, limits, flows to queues, and a port explained."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from test_check import CLASS, Programs, link

from ovstool.switch import Finding, Switch
from ovstool.switch.checks import explain, policing_state, port_state, queue_flows, shaping
from ovstool.switch.checks.datapath import Policer, Qdisc, TcClass
from ovstool.switch.checks.explain import ExplainedInterface, ExplainedQueue, RequestedQueue
from ovstool.switch.checks.interface_state import InterfaceState
from ovstool.switch.checks.policing_state import PolicedInterface
from ovstool.switch.checks.port_state import PortState, QueueRow
from ovstool.switch.checks.queue_flows import QueueFlow

PATIENCE_S = 300  # the timeout covers all that a test asks of one Switch, and the machine may be busy
# br0 and br1 are connected by patch ports, and the tunnel of br0 leads to all bridges.
MADE = """
    add-br br1 -- set bridge br1 datapath_type=dummy fail_mode=secure -- add-port br1 eth3
    -- add-br br2 -- set bridge br2 datapath_type=dummy -- set-controller br2 tcp:127.0.0.1:9 -- add-port br2 eth4
    -- add-br br3 -- add-br br4 -- set bridge br4 datapath_type=netdev
    -- add-bond br0 bond0 eth9 eth8 -- set interface eth8 ofport_request=8 -- set interface eth9 ofport_request=9
    -- add-port br0 gre1 -- set interface gre1 type=gre options:remote_ip=192.0.2.1 ofport_request=11
    -- add-port br0 p1 -- set interface p1 type=patch options:peer=p2 ofport_request=12
    -- add-port br1 p2 -- set interface p2 type=patch options:peer=p1 ofport_request=13
    -- set port eth1 qos=@q -- set port eth2 qos=@q -- set port bond0 qos=@r -- set port br0 qos=@s -- set port eth3 qos=@t -- set port eth4 qos=@u
    -- --id=@q create qos type=linux-htb other_config:max-rate=10000000 queues:7=@b queues:0=@a
    -- --id=@a create queue other_config:min-rate=1000000 -- --id=@b create queue dscp=10 other_config:priority=3
    -- --id=@r create qos type=linux-hfsc queues:3=@c -- --id=@c create queue external_ids:a=b
    -- --id=@s create qos type=linux-sfq -- --id=@t create qos type=linux-sfq -- --id=@u create qos type=linux-sfq
    -- set interface eth8 ingress_policing_rate=10000 ingress_policing_burst=2112 -- set interface eth9 ingress_policing_burst=5
    -- set interface eth3 ingress_policing_rate=1
    -- set open_vswitch . ovs_version=3.1.7
"""
COUNTED = "\n Sent 10 bytes 7 pkt (dropped 3, overlimits 2 requeues 0) \n"
QDISCS = f"qdisc htb 1: dev eth1 root default 0x1{COUNTED}qdisc ingress ffff: dev eth8 parent ffff:fff1{COUNTED}"
FILTER = (
    " action order 1:  police 0x1 rate 10Mbit burst 1Kb mtu 64Kb action drop\n Sent 0 bytes 0 pkt (dropped 4, overlimits 0 requeues 0) \n"
)
HTB, INGRESS = Qdisc("htb", "1:", True, 1, 7, 3, 2), Qdisc("ingress", "ffff:", False, None, 7, 3, 2)
POLICER, FIRST = Policer(10_000_000, 8192, None, None, 4), TcClass(10_000_000, 20_000_000, 4, 1)
SHAPED = {"type": "linux-htb", "other_config": {"max-rate": "10000000"}}
QUEUES = {0: QueueRow({"min-rate": "1000000"}), 7: QueueRow({"priority": "3"}, 10)}


@pytest.fixture(scope="module")
def running(running_switch):
    with running_switch("dummy") as switch:
        switch.vsctl(" ".join(MADE.split()))
        yield switch


@pytest.fixture
def asked(running):
    """The switch as a command gets it."""
    with closing(Switch(running.box.db, timeout_s=PATIENCE_S)) as reached:
        yield reached


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Programs named tc and ip with output for eth1 and eth8."""
    made = Programs(tmp_path)
    made.stand_in("tc", QDISCS + CLASS + FILTER)
    made.stand_in("ip", json.dumps([link("eth1", 7, 9), link("eth8", 10, 11)]))
    monkeypatch.setenv("PATH", made.environ["PATH"])
    return made


def interface(switch, name: str, **more) -> InterfaceState:
    ofport = int(switch.vsctl(f"get interface {name} ofport"))
    return InterfaceState(name, "system", ofport, None, None, "", 1500, None, None, 0, 0)._replace(**more)


def of_port(switch, port: str) -> str:
    return switch.vsctl(f"get port {port} qos")


def configured(switch) -> dict[str, PortState]:
    eth8, eth9 = interface(switch, "eth8", police_rate=10_000_000), interface(switch, "eth9")
    local, eth3 = interface(switch, "br0", type="internal"), interface(switch, "eth3", police_rate=1000)
    eth1, eth2, eth4 = (interface(switch, name) for name in ("eth1", "eth2", "eth4"))
    made = [
        PortState("bond0", "br0", "dummy", False, [eth8, eth9], type="linux-hfsc", queues={3: QueueRow()}, others=[]),
        PortState("br0", "br0", "dummy", False, [local], type="linux-sfq", others=[]),
        PortState("eth1", "br0", "dummy", False, [eth1], **SHAPED, queues=QUEUES, others=["eth2"]),
        PortState("eth2", "br0", "dummy", False, [eth2], **SHAPED, queues=QUEUES, others=["eth1"]),
        PortState("eth3", "br1", "dummy", True, [eth3], type="linux-sfq", others=[]),
        PortState("eth4", "br2", "dummy", True, [eth4], type="linux-sfq", others=[]),
    ]
    return {port.name: port._replace(version=(3, 1), uuid=of_port(switch, port.name)) for port in made}


def test_ports_as_configured(asked, running):
    ports = configured(running)
    assert port_state.configured(asked, []) == list(ports.values())
    assert port_state.configured(asked, ["eth2", "eth9", "eth1", "bond0"]) == [ports[name] for name in ("eth2", "bond0", "eth1")]
    (without,) = port_state.configured(asked, ["gre1"])
    gre1 = interface(running, "gre1", type="gre")
    assert without == PortState("gre1", "br0", "dummy", False, [gre1], (3, 1))


def steered(queue: int, match: str, actions: str, **more) -> QueueFlow:
    return QueueFlow(queue, False, "br0", 0, 9, "0x0", 0, match, actions)._replace(**more)


def add_flows(switch) -> dict[str, QueueFlow]:
    """A flow to each kind of place."""
    eth1, eth2 = (switch.vsctl(f"get interface {name} ofport") for name in ("eth1", "eth2"))
    made = {
        "eth1": steered(7, "ip", f"set_queue:7,output:{eth1}"),
        "eth2": steered(6, "tcp", f"set_queue:6,output:{eth2}"),
        "local": steered(5, "udp", "set_queue:5,LOCAL", cookie="0x5"),
        "normal": steered(4, "arp", "set_queue:4,NORMAL"),
        "tunnel": steered(3, "icmp", "set_queue:3,output:11"),
        "patch": steered(2, "sctp", "set_queue:2,output:12"),
        "later": steered(10, "udp", "set_queue:10", table=5),  # a flow that resubmits to it continues there
        "back": steered(8, "ip", "set_queue:8,output:13", bridge="br1", table=5),
    }
    for flow in made.values():
        words = f"table={flow.table},priority={flow.priority},cookie={flow.cookie},{flow.match},actions={flow.actions}"
        switch.tool("ovs-ofctl", "add-flow", flow.bridge, words)
    switch.tool("ovs-ofctl", "add-flow", "br0", "priority=9,rarp,actions=set_queue:9")  # no packet leaves with it
    switch.tool("ovs-ofctl", "-OOpenFlow13", "add-group", "br0", f"group_id=4,type=select,bucket=set_queue:1,output:{eth1}")
    switch.tool("ovs-ofctl", "-OOpenFlow13", "add-flow", "br0", "priority=9,ipv6,actions=group:4")
    return made | {"group": steered(1, "ipv6", "group:4")}


def certain(flow: QueueFlow) -> QueueFlow:
    return flow._replace(certain=True)


@pytest.fixture(scope="module")
def flows(running):
    return add_flows(running)


def test_flows_that_lead_to_queues(asked, running, flows):
    """Add a flow to each kind of destination."""
    eth1, eth2 = (running.vsctl(f"get interface {name} ofport") for name in ("eth1", "eth2"))
    with ThreadPoolExecutor() as pool:
        query = queue_flows.QueueFlowQuery(asked, pool, ["br0", "br1", "br2"])
        br0, br1, br2 = map(query.of, ("br0", "br1", "br2"))
    named = {eth1: ["eth1", "group"], eth2: ["eth2"], "LOCAL": ["local"], "11": ["tunnel"], "12": ["patch"]}
    assert {port: sorted(of) for port, of in br0.named.items()} == {
        port: sorted(certain(flows[name]) for name in names) for port, names in named.items()
    }
    assert br0.anywhere == {4: [flows["normal"]], 3: [flows["tunnel"]], 10: [flows["later"]], 8: [flows["back"]]}
    assert br1.named == {"13": [certain(flows["back"])]}
    assert br1.anywhere == {4: [flows["normal"]], 3: [flows["tunnel"]], 10: [flows["later"]], 2: [flows["patch"]]}
    assert br2.named == {} and br2.anywhere == br1.anywhere | {8: [flows["back"]]}
    assert asked.notes == []


def test_bridges_that_nothing_joins(switch):
    """Flows of other bridges count if a chain of patch ports, or a tunnel, leads from there."""
    made = ("add-br br1 -- set bridge br1 datapath_type=dummy", "add-br br2 -- set bridge br2 datapath_type=dummy")
    patched = "add-port {} {} -- set interface {} type=patch options:peer={}"
    switch.vsctl(" -- ".join([*made, patched.format("br0", "a", "a", "b"), patched.format("br1", "b", "b", "a")]))
    for bridge in ("br0", "br1", "br2"):
        switch.tool("ovs-ofctl", "add-flow", bridge, "ip,actions=set_queue:1,NORMAL")

    def seen() -> list[list[str]]:
        with closing(Switch(switch.box.db, timeout_s=PATIENCE_S)) as asked, ThreadPoolExecutor() as pool:
            query = queue_flows.QueueFlowQuery(asked, pool, ["br0", "br1", "br2"])
            return [[flow.bridge for flow in query.of(bridge).anywhere[1]] for bridge in ("br0", "br1", "br2")]

    assert seen() == [["br0", "br1"], ["br1", "br0"], ["br2"]]
    switch.vsctl(f"{patched.format('br1', 'c', 'c', 'd')} -- {patched.format('br2', 'd', 'd', 'c')}")
    assert seen() == [["br0", "br1", "br2"], ["br1", "br0", "br2"], ["br2", "br0", "br1"]]
    switch.vsctl("del-port c -- del-port d -- del-port a -- del-port b")
    assert seen() == [["br0"], ["br1"], ["br2"]]
    switch.vsctl("add-port br1 g -- set interface g type=gre options:remote_ip=192.0.2.1")
    assert seen() == [["br0", "br1"], ["br1"], ["br2", "br1"]]
    (switch.box.directory / "br0.mgmt").unlink()
    with closing(Switch(switch.box.db, timeout_s=PATIENCE_S)) as asked:
        (port,) = port_state.observed(asked, ["eth1"])
        assert port.type is None and asked.notes == []  # flows are not requested for a port without QoS


def test_a_bridge_with_very_many_paths_to_queues(switch, tmp_path):
    """Each bucket of a group counts once for each flow that leads to it, and once more for the port it names: up to 2^18 in total."""
    buckets = ",".join(f"bucket=weight:1,set_queue:{queue},output:7" for queue in range(512))
    switch.tool("ovs-ofctl", "-OOpenFlow13", "add-group", "br0", f"group_id=1,type=select,{buckets}")
    (tmp_path / "flows").write_text("".join(f"udp,tp_dst={port},actions=group:1\n" for port in range(256)))
    switch.tool("ovs-ofctl", "-OOpenFlow13", "add-flows", "br0", str(tmp_path / "flows"))
    for more, known in (None, True), ("tcp,actions=group:1", False):
        if more:
            switch.tool("ovs-ofctl", "-OOpenFlow13", "add-flow", "br0", more)
        with closing(Switch(switch.box.db, timeout_s=PATIENCE_S)) as asked, ThreadPoolExecutor() as pool:
            found = queue_flows.QueueFlowQuery(asked, pool, ["br0"]).of("br0")
            assert [found is not None, len(found.named["7"]) if found else 256 * 512] == [known, 256 * 512]
            said = (
                "bridge br0: too many paths from flows through queues to ports (more than 262144); which flows lead to queues is not known"
            )
            assert asked.notes == ([] if known else [said])


def test_ports_with_observed_state(asked, running, programs, flows):
    ports = configured(running)
    qdiscs = {"eth1": [HTB], "eth8": [INGRESS]}
    anywhere = {4: [flows["normal"]], 3: [flows["tunnel"]], 10: [flows["later"]], 8: [flows["back"]]}
    counted = interface(running, "eth1", received=7, sent=9, is_here=True)
    bonded = [interface(running, "eth8", police_rate=10_000_000, received=10, sent=11, is_here=True), interface(running, "eth9")]
    known = {
        "eth1": ports["eth1"]._replace(interfaces=[counted], queue_flows=[certain(flows["group"]), certain(flows["eth1"])]),
        "bond0": ports["bond0"]._replace(interfaces=bonded, queue_flows=[]),
        "br0": ports["br0"]._replace(queue_flows=[certain(flows["local"])]),
    }
    known = {name: port._replace(qdiscs=qdiscs, anywhere=anywhere) for name, port in known.items()}

    def observed(*names: str, **more) -> list[PortState]:
        return [port._replace(queue_flows=sorted(port.queue_flows)) for port in port_state.observed(asked, names, **more)]

    assert observed("eth1", "bond0", "br0") == [known["eth1"], known["bond0"], known["br0"]._replace(qdiscs=qdiscs)]
    assert programs.called == ["ip -j -s link show", "tc -s qdisc show"]
    # The dummy datapath has no queues.
    assert observed("eth1", "bond0", details=True) == [
        known["eth1"]._replace(classes={0: FIRST}),
        known["bond0"]._replace(classes={0: FIRST}),
    ]
    assert programs.called == ["ip -j -s link show", "tc -s class show dev eth1", "tc -s class show dev eth8", "tc -s qdisc show"]
    (without,) = port_state.observed(asked, ["gre1"])
    assert (without.type, without.queue_flows, without.anywhere, without.qdiscs) == (None, None, {}, {})
    assert asked.notes == []


def test_limits_with_observed_state(asked, running, programs):
    eth8 = interface(running, "eth8", police_rate=10_000_000)
    eth3, eth9 = interface(running, "eth3", police_rate=1000), interface(running, "eth9")
    limited = [
        PolicedInterface(eth3, "br1", "dummy", 1, 0, 0, 0, True, False, (3, 1)),
        PolicedInterface(eth8, "br0", "dummy", 10_000, 2112, 0, 0, True, False, (3, 1)),
        PolicedInterface(eth9, "br0", "dummy", 0, 5, 0, 0, True, False, (3, 1)),
    ]
    assert policing_state.configured(asked, []) == limited
    assert policing_state.configured(asked, ["eth1", "bond0"]) == limited[1:] and policing_state.configured(asked, ["eth1"]) == []
    counted = eth8._replace(received=10, sent=11, is_here=True)
    found = [
        limited[1]._replace(interface=counted, qdiscs=[INGRESS], policers=[POLICER], tc=["tc"]),
        limited[2]._replace(qdiscs=[], policers=[], tc=["tc"]),
    ]
    assert policing_state.observed(asked, ["bond0"]) == found
    assert programs.called == ["ip -j -s link show", "tc -s filter show dev eth8 ingress", "tc -s qdisc show"]
    assert policing_state.observed(asked, ["eth1"]) == [] and programs.called == []
    programs.stand_in("tc", errors="boo", status=1)
    assert policing_state.observed(asked, ["eth8"]) == [limited[1]._replace(interface=counted, tc=["tc"])]
    assert asked.notes == ["tc: boo; what tc has installed is not known"]


def test_limits_of_ports_without_qos_and_of_a_switch_that_offloads(asked, running):
    running.vsctl("clear port bond0 qos -- set open_vswitch . other_config:hw-offload=true")
    try:
        told = [(policed.name, policed.is_shaped, policed.offloads) for policed in policing_state.configured(asked, [])]
        assert told == [("eth3", True, True), ("eth8", False, True), ("eth9", False, True)]
        assert [policed.is_shaped for policed in policing_state.configured(asked, ["eth8", "eth3"])] == [True, False]
        running.vsctl("set open_vswitch . other_config:hw-offload=false")
        assert [policed.offloads for policed in policing_state.configured(asked, ["eth8"])] == [False]
    finally:
        running.vsctl("set port bond0 qos=@r -- --id=@r create qos type=linux-hfsc queues:3=@c -- --id=@c create queue external_ids:a=b")
        running.vsctl("clear open_vswitch . other_config")


def test_a_port_explained(asked, running, programs, flows):
    explained = explain.explain(asked, "eth1")
    ofport, uuid = int(running.vsctl("get interface eth1 ofport")), of_port(running, "eth1")
    problems = explained.problems
    assert [finding.problem for finding in problems] == ["QoS row shared by several ports", "a flow leads to a queue that is not there"]
    queues = [
        ExplainedQueue(0, RequestedQueue(1_000_000, None, None, None, None), None, FIRST, None, None, None, []),
        ExplainedQueue(7, RequestedQueue(None, None, None, 3, 10), None, None, None, None, None, [certain(flows["eth1"])]),
    ]
    assert explained == explain.Explained(
        port="eth1", bridge="br0", datapath="dummy", interfaces=[ExplainedInterface("eth1", "system", ofport, None, 1500, HTB)], type="linux-htb",
        max_rate=10_000_000, other_config={"max-rate": "10000000"}, uuid=uuid, shared_with=["eth2"], in_effect=False,
        effect="no: the dummy datapath shapes nothing", queues=queues, unclassified="there are no queues, because the QoS is not in effect",
        police_rate=None, police_packet_rate=None, police_in_effect=None, problems=problems,
    )  # fmt: skip
    bond = explain.explain(asked, "bond0")
    assert (bond.police_rate, bond.police_packet_rate, bond.police_in_effect) == (10_000_000, None, False)
    assert "a burst without a rate" in [finding.problem for finding in bond.problems]
    without = explain.explain(asked, "gre1")
    assert without[4:14] == (None, None, {}, None, [], False, "nothing is shaped", [], "there are no queues to choose from", None)
    assert without.problems == []
    assert [explain.explain(asked, name).datapath for name in ("br3", "br4")] == ["kernel", "userspace"]


def test_rows_that_nothing_refers_to_are_counted_and_three_of_them_named(switch):
    made = [f"create qos type=linux-sfq external_ids:n={n}" for n in range(4)] + [f"create queue external_ids:n={n}" for n in range(3)]
    switch.vsctl(" -- ".join(made))
    with closing(Switch(switch.box.db, timeout_s=PATIENCE_S)) as asked:
        of_qos, of_queue = shaping.check(asked, [])
        assert shaping.check(asked, ["eth1"]) == [] and asked.notes == ["eth1: has no QoS"]
    one = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    assert re.fullmatch(f"4 rows in table QoS: {one}, {one}, {one} and 1 more", of_qos.evidence)
    assert re.fullmatch(f"3 rows in table Queue: {one}, {one}, {one}", of_queue.evidence)
    for finding in (of_qos, of_queue):
        assert finding._replace(evidence="") == Finding(None, "warning", "rows that nothing refers to", "", (("ovstool", "qos", "gc"),))
