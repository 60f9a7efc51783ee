"""qos check and police check: each problem created with Open vSwitch's own tools and tc, and each remedy pasted into a shell."""

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import time

import pytest
from ovs_version import OVS
from severity import severity_of

from ovstool import remedy
from ovstool.host import Tls
from ovstool.host.address import Target


@pytest.fixture
def paste(switch, tmp_path):
    """Run a remedy like a user who pastes it into a shell, with this ovstool."""
    script = tmp_path / "ovstool"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m ovstool "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)

    def run(remedy: str) -> None:
        environ = switch.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-c", remedy], env=environ, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{remedy}: {done.stderr}"

    return run


def found(result, problem: str, severity: str | None = None) -> dict:
    """The only row with this problem and its severity, after checking that the exit code is 1."""
    assert result.code == 1, (result.stdout, result.stderr)
    rows = [row for row in result.json if row["problem"] == problem]
    assert len(rows) == 1, result.stdout
    assert list(rows[0]) == ["port", "severity", "problem", "evidence", "remedy"] and all(list(rows[0].values())[1:])
    assert rows[0]["severity"] == (severity or severity_of(problem))
    return rows[0]


def clean(result) -> bool:
    assert (result.code, result.json) == (0, []), result.stdout
    return True


ASSUMED = "10 Gbit/s" if OVS >= (3, 1) else "100 Mbit/s"  # from a link without a known speed
# Arguments for ovs-vsctl, the problem, and a part of the evidence.
QOS = [
    ("max-rate=10000000", "0=@q0,3=@q1", "", "", "no flow leads to a queue", "set_queue:3"),
    ("max-rate=10000000", "1=@q1", "", "", "no queue 0 for unclassified traffic", "12 kbit/s"),
    ("max-rate=10000000", "0=@q0,1=@q1", "min-rate=7000000", "min-rate=6000000", "sum of min rates above the max rate", "13 Mbit/s"),
    ("max-rate=10000000", "0=@q0", "min-rate=5000000 other_config:max-rate=4000000", "", "min above max", "min 5 Mbit/s, max 4 Mbit/s"),
    ("max-rate=10000000", "0=@q0", "max-rate=12000000", "", "queue's max above the port's", "12 Mbit/s"),
    ("max-rate=10000000", "0=@q0", "burst=8000", "", "burst under the MTU", "1000 bytes"),
    ('max-rate="10000000.0"', "0=@q0", "", "", "value not an integer", "10000000.0"),
    ("max-rate=10000000", "0=@q0", "min-rate=1e6", "", "value not an integer", "1e6"),
    ("max-rate=1gbit", "0=@q0", "", "", "value not an integer", "1gbit"),
    ("max-rate=10000000", "0=@q0", "burst=30kbit", "", "value not an integer", "30kbit"),
    ("max-rate=0", "0=@q0", "", "", "link speed unknown and no max-rate", ASSUMED),
    ("max-rate=10000000", "0=@q0,70000=@q1", "", "", "number of a queue too high", "61439"),
    ("max-rate=40000000000", "0=@q0", "", "", "rate above what this Open vSwitch can hold", "40 Gbit/s"),
    ("x=y", "0=@q0", "", "", "link speed unknown and no max-rate", ASSUMED),
]  # fmt: skip


@pytest.mark.parametrize(("config", "queues", "first", "second", "problem", "evidence"), QOS, ids=[f"{row[4]} {row[5]}" for row in QOS])
def test_a_configuration_that_contradicts_itself(switch, ovstool, paste, config, queues, first, second, problem, evidence):
    rows = [f"-- --id=@q{n} create queue {f'other_config:{of}' if of else 'external_ids:a=b'}" for n, of in enumerate((first, second))]
    used = " ".join(row for n, row in enumerate(rows) if f"@q{n}" in queues)
    switch.vsctl(f"set port eth1 qos=@new -- --id=@new create qos type=linux-htb other_config:{config} queues={queues} {used}")
    # For a queue, ovs-vswitchd uses the smallest working burst instead.
    if problem.startswith("rate above") and OVS >= (3, 2):  # tc has 64 bits
        assert not [row for row in ovstool("qos check eth1 -f json").json if row["problem"] == problem]
        return
    row = found(ovstool("qos check eth1 -f json"), problem, "warning" if problem == "burst under the MTU" else None)
    assert row["port"] == "eth1" and evidence in row["evidence"]
    before = ovstool("qos check -f json").json
    paste(row["remedy"])
    assert [row for row in before if row["problem"] != problem] == ovstool("qos check -f json").json
    assert switch.orphans() == []


@pytest.mark.parametrize(("kind", "key"), [("fq_codel", "target"), ("netem", "latency"), ("sfq", "quantum")])
def test_a_value_of_other_types(switch, ovstool, paste, kind, key):
    switch.vsctl(
        f"set port eth1 qos=@q -- --id=@q create qos type=linux-{kind} other_config:{key}=5ms other_config:limit=100 other_config:x=y"
    )
    row = found(ovstool("qos check -f json"), "value not an integer")
    assert f"{key} is 5ms" in row["evidence"]
    paste(row["remedy"])
    assert clean(ovstool("qos check -f json"))


def test_the_remedy_for_a_rate_with_a_unit_sets_that_rate(switch, ovstool, paste):
    switch.vsctl("set port eth1 qos=@q -- --id=@q create qos type=linux-htb other_config:max-rate=200mbit")
    paste(found(ovstool("qos check -f json"), "value not an integer")["remedy"])
    assert ovstool("qos show eth1 -f json").json["max_rate"] == 200_000_000


def test_remedies_one_after_the_other(switch, ovstool, paste):
    made = (
        "other_config:max-rate=10000000 queues=0=@a -- --id=@a create queue other_config:min-rate=12000000 other_config:max-rate=15000000"
    )
    switch.vsctl(f"set port eth1 qos=@q -- --id=@q create qos type=linux-htb {made}")
    for problem in ("sum of min rates above the max rate", "queue's max above the port's"):
        (row,) = ovstool("qos check -f json").json
        assert row["problem"] == problem
        paste(row["remedy"])
    assert clean(ovstool("qos check -f json"))


def test_an_unknown_type(switch, ovstool, paste):
    switch.vsctl("set port eth1 qos=@new -- --id=@new create qos type=my-qos other_config:max-rate=10000000")
    row = found(ovstool("qos check -f json"), "QoS type not known")
    assert "my-qos" in row["evidence"]
    paste(row["remedy"])
    assert clean(ovstool("qos check -f json")) and switch.vsctl("--bare --columns=type list qos") == "linux-htb"


def test_a_type_for_other_interfaces(switch, ovstool, paste):
    ovstool("qos set eth1 --type egress-policer --max-rate 10mbit")
    row = found(ovstool("qos check -f json"), "QoS type not supported by this interface")
    assert "egress-policer" in row["evidence"]
    paste(row["remedy"])
    assert clean(ovstool("qos check -f json")) and ovstool("qos show eth1 -f json").json["max_rate"] == 10_000_000


@pytest.mark.parametrize("port", ["patch1 --type patch --peer patch2", "gre1 --type gre --remote-ip 10.0.0.9"])
def test_interfaces_without_any(switch, ovstool, paste, port):
    name = port.split()[0]
    ovstool(f"port add br0 {port}")
    switch.vsctl(f"set port {name} qos=@new -- --id=@new create qos type=linux-htb other_config:max-rate=10000000")
    switch.vsctl(f"set interface {name} ingress_policing_rate=10000 ingress_policing_burst=2500")
    row = found(ovstool(f"qos check {name} -f json"), "QoS type not supported by this interface")
    paste(row["remedy"])
    assert clean(ovstool("qos check -f json"))
    paste(found(ovstool("police check -f json"), "policing not supported by this interface")["remedy"])
    assert clean(ovstool("police check -f json"))


def test_a_port_of_dpdk(switch, ovstool, paste):
    switch.vsctl("--no-wait add-port br0 dpdk0 -- set interface dpdk0 type=dpdk options:dpdk-devargs=0000:01:00.0")
    ovstool("qos set dpdk0 --max-rate 80mbit --no-wait")
    rows = {row["problem"]: row for row in ovstool("qos check dpdk0 -f json").json}
    row = rows["QoS type not supported by this interface"]
    assert "supports only egress-policer and trtcm-policer" in row["evidence"] and row["severity"] == "error"
    paste(f"{row['remedy']} --no-wait")
    assert switch.vsctl("--bare --columns=type,other_config list qos").split() == ["egress-policer", "cbs=2101500", "cir=10000000"]
    ovstool("qos set dpdk0 --type egress-policer --other-config cir=10000000 --other-config cbs=100 --no-wait")
    assert ("burst under the MTU", "error") in {(row["problem"], row["severity"]) for row in ovstool("qos check dpdk0 -f json").json}


def test_a_shared_row(switch, ovstool, paste):
    switch.vsctl("set port eth1 qos=@new -- set port eth2 qos=@new -- --id=@new create qos type=linux-htb other_config:max-rate=10000000")
    rows = ovstool("qos check -f json").json
    assert [row["port"] for row in rows if row["problem"] == "QoS row shared by several ports"] == ["eth1", "eth2"]
    assert "eth2" in rows[0]["evidence"] and rows[0]["severity"] == "warning"
    paste(rows[0]["remedy"])
    assert clean(ovstool("qos check -f json")) and len(switch.rows("QoS")) == 2


@pytest.mark.parametrize("others", [0, 30])  # with a QoS too, because whole tables are read when most ports with QoS are checked
def test_many_ports_get_the_same_rows_as_each_alone(switch, ovstool, others):
    ports = [f"p{i}" for i in range(22)]
    for port in [*ports, *(f"other{i}" for i in range(others))]:
        shape = f"-- --id=@q create qos type=linux-htb queues=0=@a -- --id=@a create queue other_config:min-rate=9000 other_config:max-rate=80{port[-1]}"
        switch.vsctl(f"add-port br0 {port} -- set port {port} qos=@q {shape}")
    switch.vsctl("clear port p3 qos")
    switch.vsctl(f"set port p5 qos={switch.vsctl('get port p4 qos').strip()}")
    switch.vsctl(f"add-bond br0 bond0 m1 m2 -- set port bond0 qos={switch.vsctl('get port p6 qos').strip()}")
    ports.insert(7, "m2")
    parts = [ovstool(f"qos check {' '.join(part)} -f json") for part in (ports[:8], ports[8:16], ports[16:])]
    whole = ovstool(f"qos check {' '.join(ports)} -f json")
    assert whole.json == [row for part in parts for row in part.json] and len(whole.json) >= 22
    assert whole.stderr == "".join(part.stderr for part in parts)
    assert ovstool(f"qos check {' '.join(ports)} p99").stderr.startswith("ovstool: port p99: no such port")


def test_rows_that_nothing_refers_to(switch, ovstool, paste):
    switch.vsctl("create qos type=linux-htb queues:0=@q -- --id=@q create queue dscp=1")
    rows = ovstool("qos check -f json").json
    assert [(row["port"], row["problem"], row["severity"]) for row in rows] == [(None, "rows that nothing refers to", "warning")] * 2
    assert clean(ovstool("qos check eth1 -f json"))  # rows that are not among those
    paste(rows[0]["remedy"])
    assert clean(ovstool("qos check -f json")) and switch.orphans() == []


def test_a_flow_to_a_missing_queue(switch, ovstool, paste):
    ovstool("qos set eth1 --max-rate 10mbit --queue 0")
    ofport = switch.vsctl("get interface eth1 ofport")
    switch.tool("ovs-ofctl", "add-flow", "br0", f"priority=7,ip,actions=set_queue:4,output:{ofport}")
    row = found(ovstool("qos check -f json"), "a flow leads to a queue that is not there")
    assert f"set_queue:4,output:{ofport}" in row["evidence"]
    paste(row["remedy"])
    assert clean(ovstool("qos check -f json"))


def test_an_interface_that_is_not_open(switch, ovstool):
    switch.vsctl("--no-wait add-port br0 nodev -- set interface nodev type=nosuch")
    ovstool("qos set nodev --max-rate 10mbit --no-wait")
    ovstool("police set nodev --rate 10mbit --no-wait")
    switch.tool("ovs-appctl", "-t", "ovs-vswitchd", "version")  # which has checked it by now
    assert "ovstool port show nodev" in found(ovstool("qos check nodev -f json"), "the interface is not open")["remedy"]
    found(ovstool("police check nodev -f json"), "the interface is not open")


@pytest.mark.parametrize(("value", "evidence"), [("60000", "60 s old"), ("1000", "'1000'"), ("soon", "'soon'")])
def test_counters_that_are_older_than_usual(switch, ovstool, paste, value, evidence):
    ovstool("qos set eth1 --max-rate 10mbit")
    switch.vsctl(f"set open_vswitch . other_config:stats-update-interval={value}")
    row = found(ovstool("qos check -f json"), "stats-update-interval is unusual")
    assert evidence in row["evidence"]
    paste(row["remedy"])
    assert clean(ovstool("qos check -f json"))


POLICING = [
    ("ingress_policing_rate=10000 ingress_policing_burst=8", "burst under the MTU", "8 kbit"),
    ("ingress_policing_rate=10000 ingress_policing_burst=100", "burst too small for TCP", "100 kbit"),
    ("ingress_policing_rate=1000", "burst much larger than the rate", "8 s"),
    ("ingress_policing_burst=1000", "a burst without a rate", "nothing is limited"),
    ("ingress_policing_rate=50000000 ingress_policing_burst=12500000", "rate above what this Open vSwitch can hold", "50 Gbit/s"),
    *[("ingress_policing_rate=10000 ingress_policing_burst=2500 ingress_policing_kpkts_rate=5", "a rate and a packet rate together", "both")]
    * (OVS >= (3, 0)),  # earlier versions accept both in the kernel
]  # fmt: skip


@pytest.mark.parametrize(("columns", "problem", "evidence"), POLICING, ids=[row[1] for row in POLICING])
def test_policing_that_contradicts_itself(switch, ovstool, paste, columns, problem, evidence):
    if "kpkts" in columns:  # what the real datapath accepts, not the dummy one
        switch.vsctl("set interface eth1 type=system")
    switch.vsctl(f"--no-wait set interface eth1 {columns}")
    if problem.startswith("rate above") and OVS >= (3, 2):  # tc has 64 bits
        assert clean(ovstool("police check -f json"))
        return
    row = found(ovstool("police check -f json"), problem)
    assert row["port"] == "eth1" and evidence in row["evidence"]
    if "kpkts" not in columns:
        paste(row["remedy"])
        assert clean(ovstool("police check -f json"))


def test_healthy_switches_give_no_row(switch, ovstool):
    for command in ("qos check", "police check", "qos check eth1 eth2", "police check eth1"):
        assert clean(ovstool(f"{command} -f json"))
    ovstool("qos set eth1 --max-rate 200mbit --queue 0:min=100mbit --queue 1:min=50mbit,max=50mbit")
    ovstool("qos set eth2 --type fq_codel")
    assert ovstool("qos steer eth1 --queue 1 --match ip,nw_dst=10.0.0.2").code == 0
    ovstool("police set eth1 --rate 10mbit")
    ovstool("police set eth2 --packet-rate 5000")
    assert clean(ovstool("qos check -f json")) and clean(ovstool("police check -f json"))
    assert ovstool("qos check").stdout == ""


def test_a_queue_that_is_selected_before_a_patch_port(switch, ovstool):
    """As with OVN: an integration bridge, patch ports, perhaps another bridge, and the port."""
    ovstool("bridge add br-int --datapath-type dummy")
    ovstool("bridge add br-mid --datapath-type dummy")
    for bridge, port, peer in (("br-int", "p1", "p2"), ("br-mid", "p2", "p1"), ("br-mid", "p3", "p4"), ("br0", "p4", "p3")):
        ovstool(f"port add {bridge} {port} --type patch --peer {peer}")
    ovstool("qos set eth1 --max-rate 10mbit --queue 0 --queue 7")
    assert found(ovstool("qos check -f json"), "no flow leads to a queue")
    ofport = switch.vsctl("get interface p1 ofport")
    switch.tool("ovs-ofctl", "add-flow", "br-int", f"table=5,ip,actions=set_queue:8,output:{int(ofport) + 1}")
    assert [row["problem"] for row in ovstool("qos check -f json").json] == ["no flow leads to a queue"]
    for actions in (f"set_queue:7,output:{ofport}", "set_queue:7,resubmit(,9)"):
        switch.tool("ovs-ofctl", "add-flow", "br-int", f"table=5,ip,actions={actions}")
        assert clean(ovstool("qos check -f json"))
    (lead,) = ovstool("qos explain eth1 -f json").json["queues"][1]["flows"]
    assert (lead["bridge"], lead["certain"], lead["table"]) == ("br-int", False, 5)
    assert "br-int: " in ovstool("qos explain eth1").stdout


def test_a_queue_that_a_group_selects(switch, ovstool):
    ovstool("qos set eth1 --max-rate 10mbit --queue 0 --queue 7")
    ofport = switch.vsctl("get interface eth1 ofport")
    group = f"group_id=3,type=select,bucket=weight:1,set_queue:7,output:{ofport},bucket=weight:2,set_queue:9,output:{int(ofport) + 1}"
    switch.tool("ovs-ofctl", "-O", "OpenFlow13", "add-group", "br0", group)
    found(ovstool("qos check -f json"), "no flow leads to a queue")  # no flow leads to it
    switch.tool("ovs-ofctl", "-O", "OpenFlow13", "add-flow", "br0", "ip,actions=group:3")
    assert clean(ovstool("qos check -f json"))
    switch.vsctl("set bridge br0 protocols=OpenFlow10")
    assert clean(ovstool("qos check -f json"))


@pytest.mark.parametrize("owner", ["controller=tcp:127.0.0.1:9", "fail-mode=secure"])
def test_flows_of_another_program(switch, ovstool, paste, owner):
    ovstool(f"bridge set br0 --{owner.replace('=', ' ')}")
    ovstool("qos set eth1 --max-rate 10mbit --queue 0 --queue 7")
    row = found(ovstool("qos check -f json"), "no flow leads to a queue")
    assert row["remedy"] == "ovstool flow list br0" and "example" not in row["evidence"]
    paste(row["remedy"])


def test_example_matches_that_no_flow_uses(switch, ovstool, paste):
    ovstool("qos set eth1 --max-rate 10mbit --queue 0 --queue 1 --queue 2")
    ovstool("qos set eth2 --max-rate 10mbit --queue 0 --queue 3")
    for row in ovstool("qos check eth1 -f json").json:
        paste(row["remedy"])
    paste(found(ovstool("qos check -f json"), "no flow leads to a queue")["remedy"])
    assert clean(ovstool("qos check -f json"))


def test_nothing_is_written(switch, ovstool):
    switch.vsctl(
        "set port eth1 qos=@new -- --id=@new create qos type=linux-htb other_config:max-rate=1e9 queues:7=@q -- --id=@q create queue dscp=1"
    )
    before = switch.dump()
    assert ovstool("qos check").code == ovstool("qos check eth1").code == 1
    ovstool("qos explain eth1")
    assert switch.dump() == before


def test_ports_that_do_not_exist_or_have_no_qos(ovstool):
    assert ovstool("qos check nosuch").code == ovstool("police check nosuch").code == ovstool("qos explain nosuch").code == 3
    assert "eth1: has no QoS" in ovstool("qos check eth1").stderr
    assert "eth1: is not policed" in ovstool("police check eth1").stderr


def test_without_openflow_the_rest_is_checked(switch, ovstool):
    ovstool("qos set eth1 --max-rate 10mbit --queue 0:min=7mbit --queue 1:min=6mbit")
    os.unlink(f"{switch.box.directory}/br0.mgmt")
    result = ovstool("qos check -f json")
    assert [row["problem"] for row in result.json] == ["sum of min rates above the max rate"]
    assert "which flows lead to queues is not known" in result.stderr and result.stderr.count("\n") < 5
    shown = ovstool("qos explain eth1 -f json")
    assert shown.code == 0 and [queue["flows"] for queue in shown.json["queues"]] == [None, None]
    assert "flows  not known" in ovstool("qos explain eth1").stdout


def test_a_remedy_selects_the_same_switch(switch, ovstool, paste):
    ovstool("qos set eth1 --max-rate 10mbit --queue 0:min=7mbit --queue 1:min=6mbit")
    row = found(switch.ovstool(f"--db {switch.box.db} qos check -f json", OVSTOOL_DB=""), "sum of min rates above the max rate")
    assert row["remedy"] == f"ovstool --db {switch.box.db} qos set eth1 --merge --queue 0:min=5.384mbit --queue 1:min=4.615mbit"


def test_a_remedy_of_another_program_selects_it_too(switch, ovstool):
    ovstool("qos set eth1 --max-rate 10mbit")
    switch.vsctl("set open_vswitch . other_config:stats-update-interval=60000")
    row = found(
        ovstool("qos check -f json"), "stats-update-interval is unusual"
    )  # $OVSTOOL_DB names the database, but ovs-vsctl does not read it
    assert row["remedy"] == f"ovs-vsctl --db={switch.box.db} remove Open_vSwitch . other_config stats-update-interval"


def test_a_remedy_runs_nothing_else(switch, ovstool, paste, tmp_path):
    """Text in the database stays text, whatever it would mean to a shell."""
    evil = f"v && x;touch {tmp_path}/ran;y"
    made = f"create qos type=linux-htb other_config:max-rate=1e6 'other_config:k=\"{evil}\"'"
    switch.vsctl(f"-- add-port br0 'a && b' -- set port 'a && b' qos=@q -- --id=@q {made}")
    row = found(ovstool("qos check -f json"), "value not an integer")
    commands = [tuple(shlex.split(row["remedy"])), ("tc", "qdisc", "show")]
    far = remedy.text(commands, remedy.Naming(Target("h1", "op@h1:2222"), True, None, None, Tls()))
    mine, theirs = row["remedy"].replace("ovstool", "ovstool -H op@h1:2222 --sudo", 1), "ssh -p 2222 op@h1 'sudo -n tc qdisc show'"
    assert far == f"{mine} && {theirs}"
    paste(row["remedy"])
    assert clean(ovstool("qos check -f json")) and not (tmp_path / "ran").exists()


@pytest.mark.parametrize("command", ["qos check", "qos explain eth1", "police check"])
def test_an_ovs_vswitchd_that_hangs(switch, ovstool, command):
    ovstool("qos set eth1 --max-rate 10mbit --queue 0:min=7mbit --queue 1:min=6mbit")
    ovstool("police set eth1 --rate 1mbit --burst 8mbit")
    pid = int((switch.box.directory / "ovs-vswitchd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        result = ovstool(f"{command} -t 3 -f json")
        assert time.monotonic() - began < 8
    finally:
        os.kill(pid, signal.SIGCONT)
    assert result.code == (0 if "explain" in command else 1) and result.stderr.count("\n") <= 8
    problem = "burst much larger than the rate" if "police" in command else "sum of min rates above the max rate"
    assert problem in [row["problem"] for row in (result.json["problems"] if "explain" in command else result.json)]


def test_a_misspelled_key(switch, ovstool, paste):
    switch.vsctl("set port eth1 qos=@new -- --id=@new create qos type=linux-htb other_config:max_rate=10000000")
    row = found(ovstool("qos check -f json"), "a key that is spelt wrong")
    assert "max_rate" in row["evidence"] and "max-rate" in row["evidence"]
    paste(row["remedy"])
    assert clean(ovstool("qos check -f json"))
    assert switch.vsctl("--bare --columns=other_config list qos") == "max-rate=10000000"


def test_an_invalid_value_leaves_a_limit(switch, ovstool, paste):
    switch.vsctl("set port eth1 qos=@new -- --id=@new create qos type=linux-htb other_config:max-rate=-5")
    paste(found(ovstool("qos check -f json"), "value not an integer")["remedy"])
    rate = 10**10 if OVS >= (3, 1) else 10**8  # what ovs-vswitchd assumes for the link, whose speed is unknown here
    assert switch.vsctl("--bare --columns=other_config list qos") == f"max-rate={rate}"


def test_a_steered_queue_that_is_gone(switch, ovstool, paste):
    ovstool("qos set eth1 --max-rate 10mbit --queue 0 --queue 1")
    ovstool("qos steer eth1 --queue 1 --match ip,nw_dst=10.0.0.2")
    ovstool("qos set eth1 --max-rate 10mbit --queue 0")
    row = found(ovstool("qos check -f json"), "a flow leads to a queue that is not there")
    paste(row["remedy"])
    assert clean(ovstool("qos check -f json")) and "set_queue" not in switch.tool("ovs-ofctl", "dump-flows", "br0")


class Programs:
    """Records the calls of tc and ip, and prints other output in place of theirs."""

    def __init__(self, folder):
        self.folder, self.log = folder, folder / "log"

    def stand_in(self, program: str, output: str = "", status: int = 0, errors: str = "") -> None:
        script = self.folder / program
        said = "".join(f"cat {self._file(program, name, text)} {to}\n" for name, text, to in (("out", output, ""), ("err", errors, ">&2")))
        script.write_text(f'#!/bin/sh\necho "{program} $*" >>{self.log}\n{said}exit {status}\n')
        script.chmod(0o755)

    def _file(self, program: str, name: str, text: str) -> str:
        file = self.folder / f"{program}.{name}"
        file.write_text(text)
        return str(file)

    @property
    def called(self) -> list[str]:
        """The calls since the last time, sorted because they run in parallel."""
        calls = sorted(self.log.read_text().splitlines()) if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return calls

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": f"{self.folder}:{os.environ['PATH']}"}


@pytest.fixture
def programs(tmp_path):
    return Programs(tmp_path)


QDISC = "qdisc htb 1: dev eth1 root refcnt 2 r2q 10 default 0x1\n Sent 10 bytes 7 pkt (dropped 3, overlimits 2 requeues 0) \n"
CLASS = "class htb 1:1 parent 1:fffe prio 0 rate 10Mbit ceil 20Mbit\n Sent 10 bytes 4 pkt (dropped 1, overlimits 0 requeues 0) \n"


def link(name: str, received: int, sent: int) -> dict:
    return {"ifname": name, "stats64": {"rx": {"bytes": received}, "tx": {"bytes": sent}}}


def test_what_is_asked_of_tc_and_ip(switch, ovstool, programs):
    """One device is queried by name, several at once; without devices nothing runs."""
    programs.stand_in("tc", QDISC + CLASS)
    programs.stand_in("ip", json.dumps([link("lo", 5, 5), link("eth1", 7, 2_000_000)]))
    ovstool("qos set eth1 --max-rate 10mbit --queue 0")
    (queue,) = ovstool("qos explain eth1 -f json", **programs.environ).json["queues"]
    assert programs.called == ["ip -j -s link show dev eth1", "tc -s class show dev eth1", "tc -s qdisc show dev eth1"]
    assert queue["tc"] == {"rate": 10_000_000, "ceil": 20_000_000, "packets": 4, "dropped": 1}
    shown = ovstool("qos explain eth1 -f json", **programs.environ).json["interfaces"][0]["qdisc"]
    assert (shown["kind"], shown["packets"], shown["dropped"], shown["overlimits"]) == ("htb", 7, 3, 2)
    assert programs.called
    ovstool("qos check eth1 eth2", **programs.environ)
    assert programs.called == ["ip -j -s link show", "tc -s qdisc show"]
    switch.vsctl("clear port eth1 qos -- set interface eth1 ingress_policing_rate=10000 ingress_policing_burst=2112")
    row = found(ovstool("police check -f json", **programs.environ), "traffic goes in the other direction than the limit")
    assert row["evidence"].startswith("eth1 has sent 2000000 bytes and received 7; ")
    assert programs.called == ["ip -j -s link show dev eth1", "tc -s filter show dev eth1 ingress", "tc -s qdisc show dev eth1"]
    ovstool("police clear eth1")
    assert ovstool("police check", **programs.environ).code == 0 and programs.called == []


def test_the_counters_of_ip_are_used_for_qos_too(switch, ovstool, programs):
    ovstool("qos set eth1 --max-rate 10mbit")
    programs.stand_in("ip", json.dumps([link("eth1", 2_000_000, 9)]))
    row = found(ovstool("qos check -f json", **programs.environ), "traffic goes in the other direction than the limit")
    assert row["evidence"].startswith("eth1 has received 2000000 bytes and sent 9; ")
    for odd in ({"ifname": "eth2"}, {"stats64": {}}, {"stats64": {"rx": {"bytes": "2000000"}, "tx": {"bytes": 9}}}):
        programs.stand_in("ip", json.dumps([link("eth1", 2_000_000, 9) | odd]))
        assert clean(ovstool("qos check -f json", **programs.environ))


@pytest.mark.parametrize(
    ("status", "errors", "said"),
    [
        (1, "boo\nhoo\n", r"tc: boo\nhoo"),
        (2, " \n", "tc: failed without an error message"),
        (1, 'Cannot find device "eth1"\n', None),
        (0, "hoo\n", None),
    ],
)
def test_a_tc_that_fails_is_noted(switch, ovstool, programs, status, errors, said):
    programs.stand_in("tc", errors=errors, status=status)
    ovstool("qos set eth1 --max-rate 10mbit")
    switch.vsctl("set interface eth1 ingress_policing_rate=10000 ingress_policing_burst=2112")
    for noun in ("qos", "police"):
        result = ovstool(f"{noun} check eth1 -f json", **programs.environ)
        notes = [line for line in result.stderr.splitlines() if "dummy datapath" not in line]
        assert notes == ([f"ovstool: note: {said}; what tc has installed is not known"] if said else [])


def test_notes_about_what_cannot_be_checked(switch, ovstool):
    """On a datapath that puts nothing into effect, and on ports with nothing to check."""
    ovstool("qos set eth1 --max-rate 10mbit")
    switch.vsctl("set interface eth1 ingress_policing_rate=10000 ingress_policing_burst=2112")
    notes = {
        "qos check": ["eth1: the dummy datapath does not apply QoS; only the configuration was checked"],
        "qos check eth1 eth2": [
            "eth1: the dummy datapath does not apply QoS; only the configuration was checked", "eth2: has no QoS",
        ],
        "qos check eth2": ["eth2: has no QoS"],
        "police check": ["eth1: the dummy datapath polices nothing; only the configuration was checked"],
        "police check eth2 br0": ["eth2: is not policed", "br0: is not policed"],
        "police check eth1 eth2": ["eth1: the dummy datapath polices nothing; only the configuration was checked"],
    }  # fmt: skip
    for command, said in notes.items():
        result = ovstool(command)
        assert (result.code, result.stdout, result.stderr.splitlines()) == (0, "", [f"ovstool: note: {note}" for note in said]), command


@pytest.mark.parametrize(
    ("value", "evidence"),
    [
        ("5000", None),
        ("5001", "counters in the database are up to 5.001 s old; 'ovstool stats' has live ones"),
        ("4999", "stats-update-interval is '4999', which ovs-vswitchd treats as 5000 ms"),
        ("soon", "stats-update-interval is 'soon', which ovs-vswitchd treats as 5000 ms"),
    ],
)
def test_how_often_counters_are_written(switch, ovstool, value, evidence):
    switch.vsctl(f"set open_vswitch . other_config:stats-update-interval={value}")
    assert clean(ovstool("qos check -f json"))  # no QoS is configured
    ovstool("qos set eth1 --max-rate 10mbit")
    result = ovstool("qos check -f json")
    if evidence is None:
        assert clean(result)
    else:
        row = found(result, "stats-update-interval is unusual")
        assert (row["port"], row["evidence"]) == (None, evidence)
        assert row["remedy"].endswith(" remove Open_vSwitch . other_config stats-update-interval")
