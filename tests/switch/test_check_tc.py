"""qos check, police check and qos explain with real devices: tc's state compared with the configuration."""

import os
import shlex
import socket
import subprocess

import pytest
from severity import severity_of


@pytest.fixture
def switch(forwarding):
    yield forwarding
    for port in ("eth1", "eth2"):
        forwarding.ovstool(f"qos clear {port}")
        forwarding.ovstool(f"police clear {port}")
        subprocess.run(tc(forwarding, f"qdisc del dev {port} root"), capture_output=True, check=False)
        subprocess.run(tc(forwarding, f"qdisc del dev {port} clsact"), capture_output=True, check=False)


def tc(switch, command: str) -> list[str]:
    return ["ip", "netns", "exec", switch.box.namespace, "tc", *shlex.split(command)]


def problems(result) -> list[str]:
    assert all(row["severity"] == severity_of(row["problem"]) for row in result.json)
    return [row["problem"] for row in result.json]


def test_a_qdisc_in_effect(switch, ovstool):
    ovstool("qos set eth1 --max-rate 200mbit --queue 0:min=100mbit")
    assert (ovstool("qos check -f json").code, ovstool("qos check -f json").json) == (0, [])
    shown = ovstool("qos explain eth1 -f json").json
    assert shown["in_effect"] is True and shown["interfaces"][0]["qdisc"]["kind"] == "htb"
    (queue,) = shown["queues"]
    assert (queue["has"]["min_rate"], queue["has"]["max_rate"]) == (100_000_000, 200_000_000)
    assert (queue["tc"]["rate"], queue["tc"]["ceil"]) == (100_000_000, 200_000_000)
    classes = switch.tool(*tc(switch, "class show dev eth1"))
    assert "class htb 1:1 parent 1:fffe prio 0 rate 100Mbit ceil 200Mbit" in classes
    assert "yes: tc has htb 1: on eth1" in ovstool("qos explain eth1").stdout


@pytest.mark.parametrize(
    ("command", "problem", "evidence"),
    [
        ("qdisc del dev eth1 root", "the qdisc is not installed", "htb 1:"),
        ("qdisc replace dev eth1 root handle 7: htb", "a foreign qdisc is in the way", "htb 7:"),
        ("qdisc add dev eth1 root handle 1: htb default 30", "a foreign qdisc is in the way", "htb 1: with the default class 1:30"),
    ],
)
def test_a_qdisc_of_another_program(switch, ovstool, command, problem, evidence):
    wish = "qos set eth1 --max-rate 200mbit --queue 0:min=100mbit,burst=20kB,priority=2,dscp=10"
    ovstool(wish)
    if " add " in command:
        switch.tool(*tc(switch, "qdisc del dev eth1 root"))
    switch.tool(*tc(switch, command))
    assert ovstool(wish).stdout == "eth1: unchanged\n"  # the usual reason for running explain
    result = ovstool("qos check eth1 -f json")
    assert (result.code, problems(result)) == (1, [problem])
    assert evidence in result.json[0]["evidence"]
    shown = ovstool("qos explain eth1 -f json").json
    assert shown["in_effect"] is False and shown["problems"] == result.json
    program, *words = shlex.split(result.json[0]["remedy"])
    assert program == "ovstool" and ovstool(words).stdout == "eth1: updated\n"
    assert ovstool("qos check eth1 -f json").json == []
    assert ovstool(wish).stdout == "eth1: unchanged\n"  # the remedy has the complete configuration
    assert "htb 1: root" in switch.tool(*tc(switch, "qdisc show dev eth1"))


def test_queues_of_the_userspace_datapath(switch, ovstool):
    done = ovstool("qos set eth1 --max-rate 200mbit --queue 0 --queue 1:min=1mbit")
    result = ovstool("qos check -f json")
    problem = "queues cannot be selected on the userspace datapath"
    assert (result.code, problems(result)) == (1, [problem])
    assert result.json[0]["remedy"] == "ovstool qos set eth1 --type linux-htb --max-rate 200mbit --queue 0"
    steered = ovstool("qos steer eth1 --queue 1 --match ip,nw_dst=10.0.0.2")
    for said in (done, steered):
        noted = f"ovstool: note: eth1: {problem}: {result.json[0]['evidence']}; try: {result.json[0]['remedy']}\n"
        assert (said.stdout, said.stderr) == ("eth1: created\n", noted)


def test_a_marking_queue_works_on_the_userspace_datapath(switch, ovstool):
    """The remedy for classes that cannot be selected keeps the mark, which works (see test_check_rules.py)."""
    said = ovstool("qos set eth1 --max-rate 200mbit --queue 0 --queue 1:max=1mbit,dscp=46").stderr
    assert "its dscp is still marked" in said
    remedy = said.partition("; try: ovstool ")[2]
    assert remedy == "qos set eth1 --type linux-htb --max-rate 200mbit --queue 0 --queue 1:dscp=46\n"
    assert ovstool(remedy).stderr == ""
    assert problems(ovstool("qos check -f json")) == ["no flow leads to a queue"]
    assert ovstool("qos steer eth1 --queue 1 --match ip,nw_dst=10.0.0.2").stderr == ""
    assert problems(ovstool("qos check -f json")) == []


def test_a_tap_without_a_max_rate(switch, ovstool):
    """Taps report 10 Mbit/s, and 10 Gbit/s from Linux 6.2 on (the kernel of tests/kernel is older)."""
    ovstool("port add br0 tap7 --type tap")
    try:
        speed = int(switch.vsctl("get interface tap7 link_speed"))
        said = ovstool("qos set tap7 --queue 0").stderr
        is_slow = "tap7: link speed of a tap and no max-rate: tap7 reports 10 Mbit/s" in said
        assert (said != "", is_slow) == (speed == 10**7, speed == 10**7)
        assert problems(ovstool("qos check -f json")) == ["link speed of a tap and no max-rate"] * is_slow
        assert ovstool("qos set tap7 --queue 0 --max-rate 1gbit").stderr == "" and problems(ovstool("qos check -f json")) == []
    finally:
        ovstool("port del tap7")


def test_policing_on_the_userspace_datapath(switch, ovstool):
    said = ovstool("police set eth1 --rate 10mbit").stderr
    result = ovstool("police check -f json")
    assert said.startswith("ovstool: note: eth1: policing has no effect on the userspace datapath: ")
    assert said.endswith("; try: ovstool police clear eth1\n")
    assert (result.code, problems(result)) == (1, ["policing has no effect on the userspace datapath"])
    assert "policed to 10 Mbit/s" in ovstool("qos explain eth1").stdout
    assert result.json[0]["remedy"] == "ovstool police clear eth1"


def test_a_qdisc_instead_of_ingress(switch, ovstool):
    ovstool("port add br0 in1 --type internal")
    try:
        switch.tool(*tc(switch, "qdisc add dev in1 clsact"))
        ovstool("police set in1 --rate 10mbit")
        (row,) = (row for row in ovstool("police check -f json").json if row["problem"] == "a foreign qdisc is in the way")
        first, *_ = row["remedy"].split(" && ")  # in ovs-vswitchd's namespace, which may differ from the user's
        switch.tool(*shlex.split(first))
        ovstool("police clear in1")
        ovstool("police set in1 --rate 10mbit")
        assert "a foreign qdisc is in the way" not in problems(ovstool("police check -f json"))
    finally:
        ovstool("port del in1")


def test_an_internal_port(switch, ovstool):
    ovstool("port add br0 in1 --type internal")
    ovstool("qos set in1 --max-rate 10mbit")
    ovstool("police set in1 --rate 10mbit")
    assert problems(ovstool("qos check -f json")) == ["QoS on an internal port limits the other direction"]
    assert "policing of an internal port limits the other direction" in problems(ovstool("police check -f json"))
    ovstool("port del in1")


def test_traffic_in_the_other_direction(switch, ovstool):
    first, second = switch.box.hosts
    server = subprocess.Popen(["ip", "netns", "exec", second, "iperf3", "-s", "-1"], stdout=subprocess.DEVNULL)
    try:
        for _ in range(50):  # refused until the server listens
            # UDP: where a slow machine loses packets, TCP acknowledges each one, and more than 1/20 of the bytes come back
            client = ["ip", "netns", "exec", first, "iperf3", "-c", "10.0.0.2", "-u", "-b", "40M", "-t", "1"]
            if not subprocess.run(client, capture_output=True, timeout=30, check=False).returncode:
                break
    finally:
        server.kill()
        server.wait()
    ovstool("qos set eth1 --max-rate 200mbit")
    ovstool("qos set eth2 --max-rate 200mbit")
    wrong = "traffic goes in the other direction than the limit"
    assert [row["port"] for row in ovstool("qos check -f json").json if row["problem"] == wrong] == ["eth1"]
    ovstool("qos set eth1 --type fq_codel")  # a type without a rate limit
    assert wrong not in problems(ovstool("qos check -f json"))
    ovstool("qos set eth1 --max-rate 200mbit")
    ovstool("police set eth1 eth2 --rate 10mbit")  # limits for both directions may be intended
    assert wrong not in problems(ovstool("qos check -f json")) + problems(ovstool("police check -f json"))
    ovstool("qos clear eth1 eth2")
    assert [row["port"] for row in ovstool("police check -f json").json if row["problem"] == wrong] == ["eth2"]


def test_without_tc_the_rest_is_checked(switch, ovstool, tmp_path):
    (tmp_path / "tc").write_text("#!/bin/sh\necho no such thing here >&2\nexit 1\n")
    (tmp_path / "tc").chmod(0o755)
    ovstool("qos set eth2 --max-rate 10mbit --queue 0:min=7mbit")
    result = switch.ovstool("qos explain eth2 -f json", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (result.code, result.json["in_effect"], problems(switch.ovstool("qos check -f json"))) == (0, None, [])
    assert result.stderr == "ovstool: note: tc: no such thing here; what tc has installed is not known\n"


def test_over_tcp_it_is_unknown_whether_it_is_in_effect(switch, ovstool):
    """With --db tcp: only the database is reachable, as no program can run on the switch's host."""
    ovstool("qos set eth2 --max-rate 10mbit --queue 0:min=7mbit")
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
    listen = f"TCP-LISTEN:{number},bind=127.0.0.1,reuseaddr,fork"
    relay = subprocess.Popen(["socat", listen, f"UNIX-CONNECT:{switch.box.directory}/db.sock"])
    try:
        for _ in range(50):  # refused until it listens
            shown = switch.ovstool(f"qos explain eth2 --db tcp:127.0.0.1:{number}")
            if shown.code != 5:
                break
        assert shown.code == 0 and "in effect     not known here" in shown.stdout and "has    not known" in shown.stdout
        assert shown.stderr.count("\n") <= 2, shown.stderr
        unknown = "reaches only its database; flows to queues and queues in the datapath are unknown; try: --host HOST"
        assert f"ovstool: note: tcp:127.0.0.1:{number}: {unknown}\n" in shown.stderr
        assert problems(switch.ovstool(f"qos check --db tcp:127.0.0.1:{number} -f json")) == []
    finally:
        relay.kill()
        relay.wait()
