"""--as-ovs: when a shell runs the printed line on an identical switch, the result must be the same as ovstool's."""

import json
import os
import re
import shlex
import subprocess
import zlib

import pytest

ROWS = ("Bridge", "Port", "Interface", "QoS", "Queue", "sFlow", "Controller", "Flow_Sample_Collector_Set")
HTB = {"type": "linux-htb", "other_config": {"max-rate": "9000000"}}
QUEUE = {"other_config": {"min-rate": "1000000"}, "dscp": 3, "external_ids": {"mark": "queue"}}
MARKED = HTB | {"queues": {0: QUEUE, 5: {"other_config": {"max-rate": "2000000"}}}, "external_ids": {"mark": "qos"}}
SHARED = HTB | {"queues": {0: QUEUE}}
PORTS = {"br0": {"ports": {"eth1": {}, "eth2": {}}}}
SHAPED = {"br0": {"ports": {"eth1": {"qos": MARKED}, "eth2": {}}}}
BOTH = {
    "br0": {
        "ports": {"eth1": {"qos": SHARED}, "eth2": {"qos": SHARED}, "eth3": {"qos": HTB | {"queues": {1: QUEUE, 2: SHARED["queues"][0]}}}}
    }
}
BOND = {"br0": {"ports": {"bond0": {"interfaces": {"eth1": {}, "eth2": {}}, "bond_mode": "active-backup", "qos": MARKED}}}}
FULL = {
    "br0": {
        "fail_mode": "secure", "protocols": ["OpenFlow13"], "datapath_type": "netdev",
        "controller": [{"target": "tcp:127.0.0.1:1", "external_ids": {"a": "b"}}, {"target": "tcp:127.0.0.1:2"}],
        "sflow": {"agent": "lo", "targets": ["127.0.0.1:6343"], "external_ids": {"a": "b"}},
        "external_ids": {"a": "b", "c": "d"}, "other_config": {"hwaddr": "02:00:00:00:00:01"},
        "ports": {
            "eth1": {"tag": 5, "qos": MARKED},
            "vx0": {"interfaces": {"vx0": {"type": "vxlan", "options": {"remote_ip": "10.0.0.1", "key": "7"}, "external_ids": {"x": "y"}}}},
            "fake0": {"tag": 9, "fake_bridge": True, "interfaces": {"fake0": {"type": "internal"}}}, "p9": {"tag": 9},
        },
    },
    "br1": {"sflow": {"targets": ["127.0.0.1:1"]}, "ports": {"eth9": {"trunks": [1, 2], "qos": HTB}}},
}  # fmt: skip
CHANGES = [
    (PORTS, "bridge add br9"),
    (PORTS, "bridge add br9 --datapath-type netdev --fail-mode secure --protocols OpenFlow13,OpenFlow15 --external-id a=b --other-config c=d"),
    (PORTS, "bridge add br9 --controller tcp:127.0.0.1:6653 --controller ssl:127.0.0.1:6654"),
    (PORTS, "bridge set br0 --controller tcp:127.0.0.1:1 --fail-mode standalone --protocols OpenFlow10,OpenFlow14"),
    (FULL, "bridge set br0 --controller tcp:127.0.0.1:2 --controller tcp:127.0.0.1:3"),
    (FULL, "bridge set br0 --controller tcp:127.0.0.1:3 --controller tcp:127.0.0.1:4"),
    (FULL, "bridge set br0 --external-id a=z --external-id e=f --unset external_ids:c --other-config x=y"),
    (FULL, "bridge set br0 --unset external_ids --unset other_config --unset datapath_type"),
    (FULL, "bridge set br0 --unset controller --unset fail_mode --unset protocols"),
    (FULL, "bridge set br0 --unset external_ids --external-id n=m"),
    (FULL, "bridge del br0"),
    (FULL, "bridge del br0 br1"),
    (FULL, "bridge del fake0"),
    (BOTH, "bridge del br0"),
    (PORTS, "port add br0 eth7"),
    (PORTS, "port add br0 eth7 --tag 5 --external-id iface-id=x-1 --external-id attached-mac=02:00:00:00:00:01"),
    (PORTS, "port add br0 eth7 --trunk 1,2,3 --type internal"),
    (PORTS, "port add br0 eth7 --trunk 1,2 --tag 1 --vlan-mode native-untagged --type system"),
    (PORTS, "port add br0 vx1 --type vxlan --remote-ip 10.0.0.2 --key flow --option dst_port=4790 --option csum=true"),
    (PORTS, "port add br0 patch1 --type patch --peer patch2"),
    (PORTS, "port add br0 bond0 --bond eth3,eth4"),
    (PORTS, "port add br0 bond0 --bond eth3,eth4,eth5 --bond-mode balance-tcp --lacp active --tag 7 --external-id a=b"),
    (PORTS, "port add br0 bond0 --bond 'eth=3,eth4'"),
    (FULL, "port add fake0 eth7"),
    (FULL, "port set eth1 --tag 6 --external-id a=b"),
    (FULL, "port set eth1 --unset tag --trunk 5,7"),
    (FULL, "port set eth9 --unset trunks --tag 4"),
    (FULL, "port set vx0 --remote-ip 10.0.0.3 --unset options:key"),
    (FULL, "port set vx0 --unset external_ids:x --key 8"),
    (FULL, "port set vx0 --unset type --unset options"),
    (BOND, "port set bond0 --bond-mode balance-slb --lacp passive --external-id a=b"),
    (BOND, "port del bond0"),
    (FULL, "port del eth1"),
    (FULL, "port del eth1 p9 eth9"),
    (BOTH, "port del eth1"),
    (BOTH, "port del eth1 eth2"),
    (BOTH, "port del eth1 eth2 eth3"),
    (PORTS, "police set eth1 --rate 10mbit"),
    (PORTS, "police set eth1 eth2 --rate 10mbit --burst 2mbit"),
    (BOND, "police set bond0 --rate 5mbit"),
    ({"br0": {"ports": {"eth1": {"interfaces": {"eth1": {"ingress_policing_rate": 5, "ingress_policing_burst": 6}}}}}}, "police clear eth1"),
    (PORTS, "qos set eth1 --max-rate 9mbit"),
    (PORTS, "qos set eth1 --type codel"),
    (PORTS, "qos set eth1 --max-rate 9mbit --queue 0 --queue 1:min=1mbit,max=2mbit,burst=1kB,priority=2,dscp=63 --other-config a=b"),
    (PORTS, "qos set eth1 eth2 --max-rate 9mbit --queue 0:min=1mbit --queue 1:min=1mbit"),
    (SHAPED, "qos set eth1 --max-rate 8mbit"),
    (SHAPED, "qos set eth1 --type hfsc --max-rate 9mbit"),
    (SHAPED, "qos set eth1 --merge --max-rate 8mbit"),
    (SHAPED, "qos set eth1 --merge --queue 0:max=3mbit --queue 7:dscp=0"),
    (SHAPED, "qos set eth1 --max-rate 9mbit --queue 0:min=1mbit,dscp=3"),
    (SHAPED, "qos set eth1 eth2 --max-rate 9mbit --queue 5:max=2mbit"),
    (SHAPED, "qos set eth1 --type hfsc --max-rate 8mbit --other-config a=b --queue 1"),
    (BOTH, "qos set eth1 --max-rate 8mbit"),
    (BOTH, "qos set eth1 --merge --queue 0:max=3mbit"),
    (BOTH, "qos set eth1 eth2 eth3 --max-rate 8mbit"),
    (SHAPED, "qos clear eth1"),
    (BOND, "qos clear bond0"),
    (BOTH, "qos clear eth1"),
    (BOTH, "qos clear eth1 eth2"),
    (BOTH, "qos clear eth1 eth2 eth3"),
    (PORTS, "sflow enable br0 --collector 127.0.0.1 --agent lo --force"),
    (FULL, "sflow enable br0 br1 --collector '[::1]:6344' --collector 127.0.0.1:1 --agent lo --sampling 5 --polling 6 --header 64 --force"),
    (FULL, "sflow disable br0 br1"),
]  # fmt: skip


def shell(line: str, **environ: str) -> str:
    done = subprocess.run(["bash", "-c", line], env=os.environ | environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"{line}\n{done.stderr}"
    return done.stdout


def left(database, *tables: str):
    return database.tree(), database.count(*(tables or ROWS))


def same(database, state: dict, command: str, **parked: list[dict]) -> str:
    """Assert that the line does what the command does, and that none is printed when nothing is left to do; returns the line."""
    database.put(state, **parked)
    code, out, err = database.run(f"--as-ovs {command}")
    assert code == 0 and "unchanged" not in out.replace("p9: unchanged", ""), (out, err)
    ours = left(database)
    assert len([printed for printed in err.splitlines() if printed.startswith("ovs-vsctl ")]) == 1, err
    database.put(state, **parked)
    before = left(database)
    code, line, err = database.run(f"--as-ovs --dry-run {command}")
    assert code == 0 and line.startswith("ovs-vsctl ") and line.count("\n") == 1 and line[:-1].isprintable(), (line, err)
    assert "\novs-" not in f"\n{err}" and left(database) == before
    shell(line)
    assert left(database) == ours, line
    if " del" not in command and " gc" not in command:
        code, out, err = database.run(f"--as-ovs {command}")
        assert code == 0 and set(re.findall(r": (\w+)$", out, re.MULTILINE)) == {"unchanged"} and "ovs-vsctl" not in err, (line, out, err)
    return line.replace(f" --db={database.switch.box.db} --no-wait", "").removesuffix("\n")


@pytest.mark.parametrize(("state", "command"), CHANGES, ids=[command for _, command in CHANGES])
def test_the_line_does_the_same(database, state, command):
    same(database, state, command)


def test_rows_that_nothing_refers_to(database):
    line = same(database, SHAPED, "qos gc", QoS=[HTB, SHARED], Queue=[{"dscp": 9}, {"dscp": 8}])
    assert re.fullmatch(r"ovs-vsctl destroy QoS (\S+ ?){2} -- destroy Queue (\S+ ?){2}", line)


def test_bridges_and_ports_by_uuid(database):
    """del-br and del-port would leave a QoS that cannot be deleted in the same transaction."""
    for command, removed, what in (
        ("bridge del br0", "remove Open_vSwitch . bridges", "bridge br0"),
        ("port del eth1", "remove Bridge br0 ports", "port eth1"),
    ):
        database.put(SHAPED)
        for mode in ("-n", ""):
            _, line, err = database.run(f"{command} --as-ovs {mode}")
            row = re.search(rf"{removed} (\S+)$", line if mode else err, re.MULTILINE)[1]
            assert f"ovstool: note: in this command, {row} is {what}\n" in err
    database.put(PORTS)
    assert "note: in the line" not in database.run("bridge del br0 --as-ovs")[2]


def test_a_bridge_that_a_collector_set_refers_to(database):
    """The row must be deleted with the bridge, because it would keep the bridge in the database."""
    ends = []
    for state in (PORTS, SHAPED):
        for run_it in (False, True):
            database.put(state)
            row = {"id": 1, "bridge": ["uuid", bridge_uuid(database)]}
            database.transact({"op": "insert", "table": "Flow_Sample_Collector_Set", "row": row})
            line = database.run("bridge del br0 -n --as-ovs")[1] if run_it else ""
            if line:
                shell(line)
            else:
                assert database.run("bridge del br0")[:2] == (0, "br0: deleted\n")
            ends.append(left(database))
    assert ends == [({}, [0] * len(ROWS))] * 4


def bridge_uuid(database) -> str:
    [answer] = database.transact({"op": "select", "table": "Bridge", "where": [["name", "==", "br0"]], "columns": ["_uuid"]})
    return answer["rows"][0]["_uuid"][1]


# Names that other tools have given, including some that ovstool would refuse.
NAMES = (
    "a=b", "x,y", 'p"q', "$(id)", "`id`", "ü", "@x", "-x", "--", "{}", "[]", "a:b:c", "\\n", "it's", "*", "~", "#x", "a b", "a;b&", "5", ".", "",
    "11111111-2222-3333-4444-555555555555", "t\ta", "\xa0", "\u202e", "\x7f", "😀", "\U000e0001", "t" * 300,
)  # fmt: skip
VALUES = (*NAMES, "true", "1.5", "a\nb\x1b[31m", '"quoted"', "back\\slash", "{a=b}", "[a,b]", "<>!")


def test_hostile_names_of_existing_rows(database):
    ports = {name: {"qos": HTB} if at % 2 else {} for at, name in enumerate(NAMES)}
    listed = shlex.join(NAMES)
    same(database, {"br0": {"ports": ports}}, f"port del -- {listed}")
    same(database, {"br0": {"ports": ports}}, f"qos set --max-rate 1mbit -- {listed}")
    same(database, {"br0": {"ports": ports}}, f"police set --rate 1mbit -- {listed}")
    listed = shlex.join(NAMES[:-1])  # no socket can have the last one's name
    bridges = {name: {"ports": {f"p{at}": {}}} for at, name in enumerate(NAMES[:-1])}
    same(database, bridges, f"bridge del -- {listed}")
    same(database, bridges, f"sflow enable --collector 127.0.0.1 --agent lo --force -- {listed}")


@pytest.mark.parametrize("name", ["a=b", 'p"q', "$(id)", "ü", "@x", "[]", "x,y", "11111111-2222-3333-4444-555555555555"])
def test_hostile_names_of_new_rows(database, name):
    given = shlex.quote(name)
    if len(name.encode()) < 16:
        same(database, PORTS, f"bridge add {given} --fail-mode secure --controller tcp:127.0.0.1:1 --external-id a=b")
        same(database, {name: {}}, f"port add {given} eth1 --tag 5 --external-id a=b")
    same(database, PORTS, f"port add br0 {given} --tag 5 --external-id a=b")
    if "," not in name:
        same(database, PORTS, f"port add br0 bond0 --bond eth5,{given} --external-id a=b")


def test_hostile_values(database):
    ids = dict(zip(VALUES, reversed(VALUES), strict=True))
    given = [f"k{at}={value}" for at, value in enumerate(VALUES)] + [f"{value}=v" for value in VALUES if value and "=" not in value]
    same(database, {"br0": {}}, shlex.join(["bridge", "set", "br0", *(f"--external-id={pair}" for pair in given)]))
    same(
        database,
        {"br0": {"external_ids": ids, "other_config": ids}},
        shlex.join(["bridge", "set", "br0", "--external-id", "a=b", "--unset", "other_config"]),
    )
    keys = [f"--unset=external_ids:{value}" for value in VALUES[1:] if value]
    same(database, {"br0": {"external_ids": ids}}, shlex.join(["bridge", "set", "br0", *keys]))
    # A new row takes over the content of the row that it replaces.
    kept = {
        "sflow": {"targets": ["127.0.0.1:1"], "external_ids": ids},
        "ports": {"eth1": {"qos": HTB | {"queues": {1: {"external_ids": ids}}}}},
    }
    same(database, {"br0": kept}, "sflow enable br0 --collector 127.0.0.1 --agent lo --force")
    same(database, {"br0": kept}, "qos set eth1 --merge --queue 1:dscp=5")


VERSIONS = "OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15"
NORMAL = "priority=0 actions=NORMAL"
OF_BR0 = (
    NORMAL, "priority=5,ip,in_port=eth1 actions=output:eth2", "priority=6,ip,in_port=eth1 actions=output:eth2",
    "table=1,priority=5,arp actions=drop", "table=1,priority=7,cookie=0x5,tcp actions=drop",
)  # fmt: skip
COOKIE = f"0x6f767374{zlib.crc32(b'p1'):08x}"
OF_BR1 = (
    NORMAL,
    *(f"cookie={COOKIE},priority={queue},{match} actions=set_queue:{queue},NORMAL" for queue, match in ((1, "udp"), (2, "tcp"))),
)
ODD = ("x,y", 'p"q', "$(id)", "é", "a#b", "b=r")  # names of ports
FROM_ODD = [f"priority={at},ip,in_port={json.dumps(name, ensure_ascii=False)} actions=drop" for at, name in enumerate(ODD, 20)]
FLOW = "priority=9,ip,nw_dst=10.0.0.2 actions=output:eth2"
FLOW_CHANGES = [
    ("br0", ["flow", "add", "br0", FLOW], f"add-flow br0 '{FLOW}'"),
    ("br0", ["flow", "add", "br0", f"add {FLOW} # a comment", NORMAL], f"add-flow br0 '{FLOW}'"),
    ("br0", ["flow", "add", "br0", "reset_counts,priority=0 actions=NORMAL"], "add-flow br0 'reset_counts,priority=0 actions=NORMAL'"),
    ("br0", ["flow", "add", "br0", FLOW, "table=2,priority=1,send_flow_rem,idle_timeout=99,icmp6 actions=drop"],
     f"--bundle add-flows br0 - < '{FLOW}' 'table=2,priority=1,send_flow_rem,idle_timeout=99,icmp6 actions=drop'"),
    ("br0", ["flow", "add", "br0", *FROM_ODD], None),
    ("br0", ["flow", "add", "br0", "--file", "{}/my flows"], "--bundle add-flows br0 '{}/my flows'"),
    ("br0", ["flow", "replace", "br0", "--file", "{}/my flows"], "--bundle replace-flows br0 '{}/my flows'"),
    # ovs-ofctl would read the content of these files differently, or not at all.
    ("br0", ["flow", "replace", "br0", "--file", "{}/odd names"], None),
    ("br0", ["flow", "replace", "br0", "--file", "{}/with add"], f"--bundle replace-flows br0 - < '{FLOW}' '{NORMAL}'"),
    ("br0", ["flow", "del", "br0"], "del-flows br0"),
    ("br0", ["flow", "del", "br0", "table=1,cookie=0x5/-1"], "del-flows br0 table=1,cookie=0x5/-1"),
    ("br0", ["flow", "del", "br0", "--strict", "priority=5,ip,in_port=eth1"], "--strict del-flows br0 priority=5,ip,in_port=eth1"),
    ("br1", ["flow", "replace", "br1", "--file", "{}/of br1"], "--bundle replace-flows br1 '{}/of br1'"),
    ("br1", ["qos", "steer", "p1", "--queue", "1", "--match", "sctp"],
     f"add-flow br1 table=0,priority=1,cookie={COOKIE},sctp,actions=set_queue:1,NORMAL"),
    ("br1", ["qos", "steer", "p1", "--queue", "1", "--match", "tcp"],
     f"--bundle add-flows br1 - < delete_strict,table=0,priority=2,cookie={COOKIE}/-1,tcp"
     f" add,table=0,priority=1,cookie={COOKIE},tcp,actions=set_queue:1,NORMAL"),
    ("br1", ["qos", "unsteer", "p1"], None),
    ("br1", ["qos", "unsteer", "p1", "--queue", "2"], f"--strict del-flows br1 table=0,priority=2,cookie={COOKIE}/-1,tcp"),
]  # fmt: skip


@pytest.fixture(scope="module")
def forwards(running_switch, tmp_path_factory):
    """A switch with two bridges, the second with only OpenFlow 1.5 and with steering flows; and a directory with files of flows."""
    with running_switch("dummy") as switch:
        switch.vsctl("add-br br1 -- set Bridge br1 datapath_type=dummy protocols=OpenFlow15 -- add-port br1 p1")
        switch.vsctl("add-br a:b -- set Bridge a:b datapath_type=dummy")
        switch.tool("ovs-vsctl", *(word for name in ODD for word in ("--", "add-port", "br0", name)))
        assert switch.ovstool("qos set p1 --max-rate 9mbit --queue 1 --queue 2").code == 0
        folder = tmp_path_factory.mktemp("flows")
        (folder / "my flows").write_text(f"# two\n{FLOW}\n\ntable=3,ip actions=drop # the second\n{NORMAL}\n")
        (folder / "with add").write_text(f"add {FLOW} # one\n{NORMAL}")
        (folder / "odd names").write_text("\n".join(FROM_ODD))
        (folder / "of br1").write_text(f"{NORMAL}\narp actions=drop")
        yield switch, str(folder)


def flows(switch, bridge: str) -> list[str]:
    dumped = switch.tool("ovs-ofctl", "-O", VERSIONS, "--no-stats", "--names", "dump-flows", bridge)
    return sorted(line.strip() for line in dumped.splitlines() if "reply" not in line)


def begin_anew(switch, bridge: str) -> None:
    given = shlex.join(["printf", "%s\\n", *(OF_BR0 if bridge == "br0" else OF_BR1)])
    shell(f"{given} | ovs-ofctl -O {VERSIONS} --bundle replace-flows {bridge} -", **switch.environ)


@pytest.mark.parametrize(("bridge", "words", "line"), FLOW_CHANGES, ids=[" ".join(words) for _, words, _ in FLOW_CHANGES])
def test_the_line_does_the_same_to_flows(forwards, bridge, words, line):
    switch, folder = forwards
    begin_anew(switch, bridge)
    made = switch.ovstool([*(word.replace("{}", folder) for word in words), "--as-ovs"])
    assert made.code == 0 and "ovs-ofctl" not in made.stdout, made
    ours = flows(switch, bridge)
    [printed] = [said for said in made.stderr.splitlines() if "ovs-ofctl" in said]
    if line:
        options, _, given = line.replace("{}", folder).partition(" < ")
        command = f"ovs-ofctl -O OpenFlow1{4 if bridge == 'br0' else 5} {options}"
        assert printed == (f"printf '%s\\n' {given} | {command}" if given else command)
    begin_anew(switch, bridge)
    shell(printed, **switch.environ)
    assert flows(switch, bridge) == ours


def test_a_dry_run_prints_the_lines_alone(forwards):
    """In the order of the changes; unchanged objects need no line."""
    switch, _ = forwards
    for bridge in ("br0", "br1"):
        begin_anew(switch, bridge)
    before = switch.dump(), flows(switch, "br0"), flows(switch, "br1")
    u, box = r"[0-9a-f-]{36}", switch.box.directory
    cleared = rf"ovs-vsctl clear Port p1 qos -- destroy QoS {u} -- destroy Queue {u} {u}"
    flow = rf"delete_strict,table=0,priority=[12],cookie={COOKIE}/-1,(?:udp|tcp)"
    unsteered = rf"printf '%s\\n' {flow} {flow} \| ovs-ofctl -O OpenFlow15 add-flows br1 -"
    for command, pattern in (
        (f"flow add br0 '{FLOW}'", re.escape(f"ovs-ofctl -O OpenFlow14 add-flow br0 '{FLOW}'\n")),
        (f"flow add br0 '{NORMAL}'", ""),
        ("flow del br0 sctp", ""),
        ("flow del a:b", f"ovs-ofctl -O OpenFlow14 del-flows unix:{box}/a:b.mgmt\n"),  # which would be a socket of kind "a"
        (f"--db unix:{box}/./db.sock flow del br0 ip", f"ovs-ofctl -O OpenFlow14 del-flows unix:{box}/./br0.mgmt ip\n"),
        (f"--db unix:{box}/./db.sock port set p1 --tag 5", f"ovs-vsctl --db=unix:{box}/./db.sock set Port p1 tag=5\n"),
        ("port set p1 --tag 5 --no-wait", "ovs-vsctl --no-wait set Port p1 tag=5\n"),
        ("qos clear p1", rf"{cleared}\n{unsteered}\n"),
        ("port del p1", rf"{unsteered}\n{cleared} -- remove Bridge br1 ports {u}\n"),
    ):
        planned = switch.ovstool(f"--as-ovs --read-only -n {command}")
        assert planned.code == 0 and re.fullmatch(pattern, planned.stdout), planned
        assert not re.search("ovs-(?:vs|of)ctl", planned.stderr)
    assert before == (switch.dump(), flows(switch, "br0"), flows(switch, "br1"))


def test_a_change_that_is_written_but_fails(forwards):
    """The database contains the change, although ovs-vswitchd cannot open the device."""
    switch, _ = forwards
    switch.vsctl("--no-wait add-port br0 nosuch0 -- set Interface nosuch0 type=nosuch")
    for line in ("ovs-vsctl set Port nosuch0 tag=5\n", ""):
        failed = switch.ovstool("port set nosuch0 --tag 5 --as-ovs")
        assert (failed.code, failed.stdout) == (6, "") and failed.stderr.startswith(f"{line}ovstool: ovs-vswitchd: nosuch0: "), failed
