"""Steering, checks and explanations compared with measured traffic and tc."""

import json
import shlex

import pytest
from severity import severity_of
from test_shaping import counted, kernel_only, tc
from traffic import send, tcp

pytestmark = kernel_only


def problems(result) -> list[str]:
    assert all(row["severity"] == severity_of(row["problem"]) for row in result.json)
    return [row["problem"] for row in result.json]


@pytest.fixture
def remedied(switch, ovstool):
    """``remedied("qos check eth2")``: returns the one problem that the check finds, after checking that running its remedy solves it."""

    def run(command: str) -> dict:
        result = ovstool(f"{command} -f json")
        assert (result.code, len(result.json)) == (1, 1), result.stdout
        for step in result.json[0]["remedy"].split(" && "):
            program, *words = shlex.split(step)
            if program == "ovstool":
                assert ovstool(words).code == 0, step
            else:
                switch.tool(program, *words)
        assert (ovstool(f"{command} -f json").code, ovstool(f"{command} -f json").json) == (0, []), result.stdout
        return result.json[0]

    return run


def test_steered_traffic_goes_through_its_queue(switch, ovstool):
    """Two flows go to one host and one is steered; the reverse direction keeps its speed."""
    assert ovstool("qos set eth2 --max-rate 40mbit --queue 0:max=20mbit --queue 1:max=5mbit").code == 0
    assert ovstool("qos steer eth2 --queue 1 --match tcp,nw_src=10.0.0.3").stdout == "eth2: created\n"
    assert ovstool("qos check -f json").json == []
    other, steered = send(switch.box, tcp(1, 2), tcp(3, 2))
    assert other.frames_bps == pytest.approx(20e6, rel=0.05)
    assert steered.frames_bps == pytest.approx(5e6, rel=0.05)
    before = counted(switch)
    assert before[0] > 1000 and before[1] > 1000
    assert send(switch.box, tcp(2, 3), for_s=2)[0].frames_bps > 100e6
    shown = ovstool("qos explain eth2 -f json").json
    (flow,) = shown["queues"][1]["flows"]
    assert (flow["match"], flow["actions"]) == ("tcp,nw_src=10.0.0.3", "set_queue:1,NORMAL") and flow["packets"] > 0
    sent = {queue["queue"]: queue["tx_packets"] for queue in shown["queues"]}
    assert shown["in_effect"] is True and {number: packets <= sent[number] for number, packets in before.items()} == {0: True, 1: True}
    assert ovstool("qos clear eth2").stdout == "eth2: deleted\n"
    assert switch.tool("ovs-ofctl", "dump-flows", "br0").count("set_queue") == 0
    assert send(switch.box, tcp(3, 2), for_s=2)[0].frames_bps > 100e6


def test_a_drop_still_drops(switch, ovstool):
    assert ovstool("qos set eth2 --max-rate 40mbit --queue 0 --queue 1:max=5mbit").code == 0
    switch.tool("ovs-ofctl", "add-flow", "br0", "priority=10,icmp,nw_src=10.0.0.3,actions=drop")
    assert ovstool("qos steer eth2 --queue 1 --match icmp").code == 0
    first, _, third, *_ = switch.box.hosts
    ping = "ping -c 2 -i 0.2 -W 1 10.0.0.2"
    assert "2 received" in switch.tool("ip", "netns", "exec", first, *ping.split())
    with pytest.raises(AssertionError):
        switch.tool("ip", "netns", "exec", third, *ping.split())
    assert counted(switch)[1] >= 2


def test_healthy_limits_give_no_row(switch, ovstool):
    ovstool("qos set eth2 --max-rate 40mbit --queue 0:min=10mbit --queue 1:min=5mbit,max=20mbit,priority=1")
    ovstool("qos steer eth2 --queue 1 --match udp")
    ovstool("qos set eth4 --type hfsc --max-rate 40mbit")
    for port, kind in (("eth5", "sfq"), ("eth6", "codel"), ("eth7", "fq_codel"), ("eth8", "netem --other-config latency=1000")):
        assert ovstool(f"qos set {port} --type {kind}").code == 0
    ovstool("police set eth1 --rate 10mbit")
    ovstool("police set eth3 --packet-rate 2000")
    for command in ("qos check", "police check", "qos check eth2 eth4", "police check eth1 eth3"):
        result = ovstool(f"{command} -f json")
        assert (result.code, result.json, result.stderr) == (0, [], ""), command
    assert [ovstool(f"qos explain eth{n} -f json").json["in_effect"] for n in (2, 4, 5, 6, 7, 8)] == [True] * 6


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("qdisc del dev eth1 ingress", "policing is not installed"),
        ("filter del dev eth1 parent ffff:", "policing is not installed"),
    ],
)
def test_policing_that_is_gone(switch, ovstool, remedied, command, problem):
    ovstool("police set eth1 --rate 10mbit --burst 2600kbit")
    tc(switch, *command.split())
    assert remedied("police check")["problem"] == problem
    assert "police 0x" in tc(switch, "filter", "show", "dev", "eth1", "parent", "ffff:")
    assert ovstool("police list -f json").json[0]["burst"] == 2_600_000


def test_clsact_instead_of_policing(switch, ovstool, remedied):
    tc(switch, "qdisc", "add", "dev", "eth1", "clsact")
    try:
        ovstool("police set eth1 --rate 10mbit")
        found = remedied("police check")
    finally:
        if "clsact" in tc(switch, "qdisc", "show", "dev", "eth1"):
            tc(switch, "qdisc", "del", "dev", "eth1", "clsact")
    assert found["problem"] == "a foreign qdisc is in the way" and "clsact" in found["evidence"]
    [arrived] = send(switch.box, tcp(1, 2), for_s=4)
    assert arrived.payload_bps < 12e6


def test_both_kinds_of_policing(switch, ovstool, remedied):
    result = ovstool("police set eth1 --rate 10mbit --packet-rate 1000")
    assert "the kernel accepts a rate or a packet rate" in result.stderr
    assert send(switch.box, tcp(1, 2), for_s=2)[0].payload_bps > 100e6  # neither is in effect
    assert remedied("police check")["problem"] == "a rate and a packet rate together"
    assert send(switch.box, tcp(1, 2), for_s=4)[0].payload_bps < 12e6


def test_a_qdisc_of_another_program(switch, ovstool, remedied):
    ovstool("qos set eth2 --max-rate 10mbit --queue 0:burst=20kB")
    tc(switch, "qdisc", "replace", "dev", "eth2", "root", "tbf", "rate", "1mbit", "burst", "10kb", "latency", "50ms")
    assert "tbf" in remedied("qos check")["evidence"]
    [arrived] = send(switch.box, tcp(1, 2))
    assert arrived.frames_bps == pytest.approx(10e6, rel=0.05)


def test_a_type_that_the_interface_cannot_have(switch, ovstool, remedied):
    ovstool("qos set eth2 --type egress-policer --max-rate 10mbit")
    assert remedied("qos check")["problem"] == "QoS type not supported by this interface"


def test_a_device_in_another_namespace(switch, ovstool):
    ovstool("port add br0 in1 --type internal")
    ovstool("qos set in1 --max-rate 10mbit")
    ovstool("police set in1 --rate 10mbit")
    switch.tool("ip", "-n", switch.box.namespace, "link", "set", "in1", "netns", next(iter(switch.box.hosts)))
    try:
        assert "the qdisc is not installed" in problems(ovstool("qos check -f json"))
        assert "policing is not installed" in problems(ovstool("police check -f json"))
    finally:
        assert ovstool("port del in1").code == 0


def test_an_internal_port_limits_what_the_host_sends(switch, ovstool):
    ovstool("qos set br0 --max-rate 10mbit")
    ovstool("police set br0 --rate 10mbit")
    assert problems(ovstool("qos check -f json")) == ["QoS on an internal port limits the other direction"]
    assert problems(ovstool("police check -f json")) == ["policing of an internal port limits the other direction"]
    ovstool("qos clear br0")
    ovstool("police clear br0")


def test_each_type_reaches_the_kernel(switch, ovstool):
    kinds = {
        "sfq --other-config perturb=5 --other-config quantum=3000": "quantum 3000b",
        "codel --other-config target=2000 --other-config limit=50": "limit 50p target 2ms",
        "fq_codel --other-config flows=64 --other-config target=2000": "flows 64",
        "netem --other-config latency=20000": "delay 20ms",
    }
    for kind, words in kinds.items():
        ovstool("qos clear eth2")
        assert ovstool(f"qos set eth2 --type {kind}").code == 0
        assert words in tc(switch, "qdisc", "show", "dev", "eth2")


def test_the_max_rate_that_ovs_vswitchd_assumes(switch, ovstool, remedied):
    """hfsc_parse_class_details__ stores the port's rate in bit/s in 32 bits; a tap reports 10 Mbit/s, which becomes 8 from 3.2 on."""
    assert "becomes 1410065.408 kbit/s" in ovstool("qos set eth2 --type hfsc --max-rate 10gbit --queue 0").stderr
    assert ovstool("qos explain eth2 -f json").json["queues"][0]["has"]["max_rate"] == 1_410_065_408
    assert remedied("qos check")["problem"] == "queues of linux-hfsc without a max on a fast port"
    assert "ul m1 0bit d 0us m2 10Gbit" in tc(switch, "class", "show", "dev", "eth2", "classid", "1:1")
    ovstool("qos clear eth2")
    ovstool("port add br0 tap7 --type tap")
    try:
        assert "tap7 reports 10 Mbit/s" in ovstool("qos set tap7 --queue 0").stderr
        assert ovstool("qos explain tap7 -f json").json["queues"][0]["has"]["max_rate"] in (8_000_000, 10_000_000)
        assert remedied("qos check")["problem"] == "link speed of a tap and no max-rate"
    finally:
        ovstool("port del tap7")


def test_json_of_explain_agrees_with_tc(switch, ovstool):
    ovstool("qos set eth2 --max-rate 40mbit --queue 0:min=10mbit --queue 3:min=5mbit,max=20mbit")
    shown = ovstool("qos explain eth2 -f json").json
    classes = tc(switch, "class", "show", "dev", "eth2")
    assert "class htb 1:4 parent 1:fffe prio 0 rate 5Mbit ceil 20Mbit" in classes
    assert shown["queues"][1]["tc"] | {"packets": 0} == {"rate": 5_000_000, "ceil": 20_000_000, "packets": 0, "dropped": 0}
    assert json.dumps(shown["interfaces"][0]["qdisc"]["kind"]) == '"htb"'
