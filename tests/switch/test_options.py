"""Each option of each command reaches the switch: the rows that would be written, and the reading of what Open vSwitch holds."""

import json
import os
import pty
import subprocess
import sys

import pytest
from ovs_version import OVS, POLICING

FLOWS = ["priority=0,actions=NORMAL", "table=1,priority=5,ip,actions=drop", "table=1,priority=6,ip,actions=output:eth1"]


@pytest.fixture(scope="module")
def configured(running_switch):
    """br0 with eth1 (policed) and eth2 (an access port with QoS), and br1 with p9; no test here changes it."""
    with running_switch("dummy") as switch:
        switch.vsctl(
            "set port eth2 tag=7 qos=@q -- --id=@q create qos type=linux-htb other-config:max-rate=10000000 queues:1=@a "
            "-- --id=@a create queue other-config:min-rate=1000000 -- set bridge br0 external_ids:k=v -- set interface eth1 "
            "ingress_policing_rate=10000 ingress_policing_burst=1000 -- add-br br1 -- set bridge br1 datapath_type=dummy -- add-port br1 p9 "
            "-- set port p9 qos=@p -- --id=@p create qos type=linux-htb other-config:max-rate=5000000 queues:1=@b "
            "-- --id=@b create queue other-config:min-rate=2000000"
        )
        for flow in FLOWS[1:]:
            switch.tool("ovs-ofctl", "add-flow", "br0", flow)
        yield switch


def written(switch, command: str) -> list[tuple]:
    """The rows that a command would write, by table, in the order sent, without references between them."""
    done = switch.ovstool(f"{command} --dry-run")
    assert done.code == 0, done
    rows = [(op["table"], op["row"]) for op in json.loads(done.stdout)[1:] if op["op"] in ("insert", "update")]
    return [(table, {name: _plain(value) for name, value in row.items() if 'uuid"' not in json.dumps(value)}) for table, row in rows]


def _plain(value):
    return value if not isinstance(value, list) else dict(value[1]) if value[0] == "map" else value[1]


TYPE = {"datapath_type": "dummy"}
QUEUES = "--queue 1:min=50mbit,max=80mbit,burst=64kbit,priority=3,dscp=46 --queue 0"
POLICER = ("QoS", {"type": "egress-policer", "other_config": {"cir": "125000000", "cbs": "64000"}, "queues": {}})
QUEUE_1 = ("Queue", {"other_config": {"min-rate": "50000000", "max-rate": "80000000", "burst": "64000", "priority": "3"}, "dscp": 46})


@pytest.mark.parametrize(
    ("command", "rows"),
    [
        (
            "bridge add br2 --datapath-type dummy --fail-mode secure --protocols OpenFlow10,OpenFlow13 --protocols OpenFlow14 "
            "--controller tcp:192.0.2.1 --controller ssl:[2001:db8::1]:6653 --controller tcp:192.0.2.1 --external-id a=b=c --external-id d=e "
            "--other-config hwaddr=02:00:00:00:00:09",
            [
                ("Interface", {"name": "br2", "type": "internal"}), ("Port", {"name": "br2"}), ("Controller", {"target": "tcp:192.0.2.1"}),
                ("Controller", {"target": "ssl:[2001:db8::1]:6653"}),
                ("Bridge", {"name": "br2", "fail_mode": "secure", "protocols": ["OpenFlow10", "OpenFlow13", "OpenFlow14"],
                            "external_ids": {"a": "b=c", "d": "e"}, "other_config": {"hwaddr": "02:00:00:00:00:09"}} | TYPE),
            ],
        ),
        (
            "bridge set br0 --protocols OpenFlow13 --external-id a=b --other-config forward-bpdu=true --controller tcp:192.0.2.1 --force",
            [
                ("Controller", {"target": "tcp:192.0.2.1"}),
                ("Bridge", {"protocols": ["OpenFlow13"], "external_ids": {"k": "v", "a": "b"}, "other_config": {"forward-bpdu": "true"}}),
            ],
        ),
        ("bridge set br0 --unset external-ids:k --unset fail_mode", [("Bridge", {"external_ids": {}})]),
        ("bridge set br0 --datapath-type netdev --fail-mode secure --force", [("Bridge", {"datapath_type": "netdev", "fail_mode": "secure"})]),
        (
            "port add br0 p1 --type internal --tag 5 --trunk 1,2 --trunk 3 --vlan-mode native-tagged --external-id iface-id=x --external-id y=z",
            [
                ("Interface", {"name": "p1", "type": "internal", "external_ids": {"iface-id": "x", "y": "z"}}),
                ("Port", {"name": "p1", "tag": 5, "trunks": [1, 2, 3], "vlan_mode": "native-tagged"}),
            ],
        ),
        (
            "port add br0 vx1 --type vxlan --remote-ip 192.0.2.7 --key 42 --option df_default=false",
            [
                ("Interface", {"name": "vx1", "type": "vxlan", "options": {"df_default": "false", "remote_ip": "192.0.2.7", "key": "42"}}),
                ("Port", {"name": "vx1"}),
            ],
        ),
        ("port add br0 pa --peer pb", [("Interface", {"name": "pa", "type": "patch", "options": {"peer": "pb"}}), ("Port", {"name": "pa"})]),
        (
            "port add br0 pa --peer pb --type patch --option peer=pb",
            [("Interface", {"name": "pa", "type": "patch", "options": {"peer": "pb"}}), ("Port", {"name": "pa"})],
        ),
        (
            "port add br0 bond0 --bond e8,e9 --bond e7 --bond-mode balance-slb --lacp active --tag 0",
            [
                ("Interface", {"name": "e8"}), ("Interface", {"name": "e9"}), ("Interface", {"name": "e7"}),
                ("Port", {"name": "bond0", "tag": 0, "bond_mode": "balance-slb", "lacp": "active"}),
            ],
        ),
        (
            "port set eth1 --type internal --tag 9 --vlan-mode access --external-id a=b --option mtu_request=1",
            [
                ("Port", {"tag": 9, "vlan_mode": "access"}),
                ("Interface", {"type": "internal", "options": {"mtu_request": "1"}, "external_ids": {"a": "b"}}),
            ],
        ),
        ("port set eth2 --unset tag --trunk 4,5 --lacp passive", [("Port", {"tag": [], "trunks": [4, 5], "lacp": "passive"})]),
        ("port set eth1 --type vxlan --remote-ip 192.0.2.7 --key 5",
         [("Interface", {"type": "vxlan", "options": {"remote_ip": "192.0.2.7", "key": "5"}})]),
        ("police set eth1 eth2 --rate 20mbit --burst 2mbit", [
            ("Interface", {"ingress_policing_rate": 20000, "ingress_policing_burst": 2000}),
            ("Interface", {"ingress_policing_rate": 20000, "ingress_policing_burst": 2000}),
        ]),
        ("police clear eth1 eth2", [("Interface", dict.fromkeys(POLICING, 0))]),
        (
            f"qos set eth1 --type htb --max-rate 200mbit {QUEUES} --other-config x=y",
            [
                ("Queue", {"other_config": {}}), QUEUE_1,
                ("QoS", {"type": "linux-htb", "other_config": {"x": "y", "max-rate": "200000000"}}), ("Port", {}),
            ],
        ),
        ("qos set eth2 --merge --max-rate 5mbit", [("QoS", {"type": "linux-htb", "other_config": {"max-rate": "5000000"}})]),
        (
            "qos set eth1 eth2 --type egress-policer --max-rate 1gbit --burst 64kB",
            [POLICER, ("Port", {}), POLICER],
        ),
        (
            "sflow enable br0 --collector 10.0.0.5 --collector [2001:db8::5]:6344 --agent lo --sampling 64 --polling 10 --header 200 --force",
            [
                ("sFlow", {"targets": ["10.0.0.5:6343", "[2001:db8::5]:6344"], "agent": "lo", "sampling": 64, "polling": 10, "header": 200}),
                ("Bridge", {}),
            ],
        ),
        ("sflow enable br0 br1 --collector 10.0.0.5 --force", None),
    ],
)  # fmt: skip
def test_what_would_be_written(configured, command, rows):
    found = written(configured, command)
    if rows is None:
        assert [table for table, _ in found] == ["sFlow", "Bridge"] * 2 and found[0] == found[2]
    else:
        assert found == rows


@pytest.mark.skipif(OVS < (2, 16), reason="has no limits of packets")
def test_limits_of_packets(configured):
    assert written(configured, "police set eth2 --packet-rate 5000 --packet-burst 2000") == [
        ("Interface", {"ingress_policing_kpkts_rate": 5, "ingress_policing_kpkts_burst": 2})
    ]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("bridge del br1 br9 --if-exists", "br1: would be deleted br9: would be unchanged"),
        ("port del eth1 nosuch --if-exists", "eth1: would be deleted nosuch: would be unchanged"),
        ("qos clear eth1 eth2", "eth1: would be unchanged eth2: would be deleted"),
        ("qos gc", ""),
        ("sflow disable br0 br1", "br0: would be unchanged br1: would be unchanged"),
        ("police clear eth1 eth2", "eth1: would be deleted eth2: would be unchanged"),
    ],
)
def test_the_change_of_each_object(configured, command, said):
    done = configured.ovstool(f"{command} -n")
    assert (done.code, done.stderr.replace("ovstool: note: ", "").replace("\n", " ").strip()) == (0, said)
    without = configured.ovstool(f"{command.replace(' --if-exists', '')} -n")
    assert without.code == (3 if "--if-exists" in command else 0)


def test_a_change_that_deletes_flows_is_forced(configured):
    done = configured.ovstool("bridge set br0 --fail-mode secure -n")
    assert (done.code, done.stdout) == (4, "") and "--force" in done.stderr


# --- flows


def lines(switch, *words: str, code: int = 0) -> list[str]:
    done = switch.ovstool([*words])
    assert done.code == code, done
    return done.stdout.splitlines()


def test_flows_that_are_listed(configured):
    def listed(*words: str) -> list[list]:
        return [
            [row["table"], row["priority"], row["match"], row["actions"]]
            for row in configured.ovstool(["flow", "list", "br0", *words, "-f", "json"]).json
        ]

    eth1 = int(configured.vsctl("get interface eth1 ofport"))
    normal, drop, out = [0, 0, "", "NORMAL"], [1, 5, "ip", "drop"], [1, 6, "ip", f"output:{eth1}"]
    assert sorted(listed()) == sorted([normal, drop, out]) and listed("--table", "0") == [normal] and sorted(listed("ip")) == [drop, out]
    assert listed("--no-names", "--table", "1", "ip", "--sort-column", "priority") == [drop, out]
    assert listed("--names", "--table", "1", "--sort-column", "priority", "--sort-descending") == [[1, 6, "ip", "output:eth1"], drop]
    parsed = configured.ovstool("flow list br0 --table 1 --parsed -f json --sort-column priority").json
    assert [row["actions"] for row in parsed] == [[{"drop": True}], [{"output": {"port": eth1}}]]
    assert configured.ovstool("flow list br1 -f json").json[0]["actions"] == "NORMAL"
    for style in ("json", "csv", "value", "lines", "shell", "table", "yaml"):  # row by row, or all at once
        assert "NORMAL" in configured.ovstool(f"flow list br0 -f {style}").stdout


def test_ports_have_names_on_a_terminal(configured):
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "wb") as terminal:
        words = ["flow", "list", "br0", "--table", "1", "-f", "value", "-c", "actions", "--sort-column", "priority"]
        subprocess.run([sys.executable, "-m", "ovstool", *words], env=configured.environ, stdout=terminal, check=True)
    assert os.read(ours, 2**16).decode().split() == ["drop", "output:eth1"]
    os.close(ours)


def test_flows_that_would_change(configured, tmp_path):
    assert lines(configured, "flow", "add", "br0", "table=2,arp,actions=drop", FLOWS[1], "-n") == ["+table=2 arp actions=drop"]
    assert sorted(lines(configured, "flow", "del", "br0", "table=1", "-n")) == [
        "-table=1 priority=5,ip actions=drop", "-table=1 priority=6,ip actions=output:eth1",
    ]  # fmt: skip
    assert lines(configured, "flow", "del", "br0", "table=1,priority=5,ip", "--strict", "-n") == ["-table=1 priority=5,ip actions=drop"]
    assert lines(configured, "flow", "del", "br0", "table=1,priority=7,ip", "--strict", "-n") == []
    assert len(lines(configured, "flow", "del", "br0", "-n")) == 3
    file = tmp_path / "flows"
    file.write_text("\n".join([*FLOWS[:2], "arp,actions=drop"]))
    change = ["-table=1 priority=6,ip actions=output:eth1", "+arp actions=drop"]
    assert sorted(lines(configured, "flow", "replace", "br0", "--file", str(file), "-n")) == sorted(change)
    assert sorted(lines(configured, "flow", "diff", "br0", "--file", str(file), code=1)) == sorted(
        f"{line[0]} {line[1:]}" for line in change
    )
    assert lines(configured, "flow", "add", "br0", "--file", str(file), "-n") == ["+arp actions=drop"]
    file.write_text("\n".join(FLOWS))
    assert lines(configured, "flow", "diff", "br0", "--file", str(file)) == []
    done = configured.ovstool("flow add br0 arp,actions=drop -n")
    assert done.stderr == "ovstool: note: arp,actions=drop: would be created\n"


def test_a_trace(configured):
    keys = ["bridge", "flow", "verdict", "outputs", "steps", "final_flow", "megaflow", "datapath_actions"]
    traced = configured.ovstool("flow trace br0 in_port=eth1,arp -f json").json
    assert list(traced) == keys and (traced["bridge"], traced["flow"], traced["outputs"]) == ("br0", "in_port=eth1,arp", ["br0"])
    page = lines(configured, "flow", "trace", "br0", "in_port=eth1,arp")
    assert page[0] == traced["verdict"] and page[1] == "" and page[2] == "bridge br0" and page[-4] == ""
    assert page[-3:] == [
        f"final flow: {traced['final_flow']}",
        f"megaflow: {traced['megaflow']}",
        f"datapath actions: {traced['datapath_actions']}",
    ]
    assert lines(configured, "flow", "trace", "br0", "in_port=eth1,arp", "-f", "value", "-c", "verdict") == [traced["verdict"]]
    assert lines(configured, "flow", "trace", "br0", "in_port=eth1,arp", "-c", "verdict")[0].split() == ["field", "value"]


def test_flows_of_qos_steer(configured):
    steered = lines(configured, "qos", "steer", "p9", "--queue", "1", "--match", "ip,nw_dst=10.0.0.2", "-n")
    assert len(steered) == 1 and steered[0].startswith("+priority=1,ip,nw_dst=10.0.0.2 cookie=0x6f767374")
    assert steered[0].endswith(" actions=set_queue:1,NORMAL")
    assert configured.ovstool("qos steer p9 --queue 2 --match ip -n").code == 3
    assert lines(configured, "qos", "unsteer", "p9", "--queue", "1", "--match", "ip", "-n") == []


# --- reading


def test_which_bridges_and_ports(configured):
    assert lines(configured, "port", "list", "br1", "-f", "value", "-c", "port") == ["br1", "p9"]
    assert lines(configured, "port", "list", "br1", "br0", "-f", "value", "-c", "bridge") == ["br1"] * 2 + ["br0"] * 3
    assert configured.ovstool("port list").stdout.splitlines()[0].split() == (
        "bridge port type ofport tag trunks admin_state link_state mac iface_id error".split()
    )  # fmt: skip
    assert lines(configured, "bridge", "list", "-f", "csv", "--quote", "none") == [
        "bridge,datapath_type,fail_mode,ports,controllers,sflow", "br0,dummy,,3,,", "br1,dummy,,2,,",
    ]  # fmt: skip
    assert [bridge["bridge"] for bridge in configured.ovstool("show br1 -f json").json["bridges"]] == ["br1"]
    assert "bridge br1" in configured.ovstool("show br1").stdout and "bridge br0" not in configured.ovstool("show br1").stdout
    assert lines(configured, "show", "-c", "ovs_version")[0].split() == ["field", "value"]
    assert (
        configured.ovstool("port show eth2 -f json").json["tag"] == 7
        and configured.ovstool("bridge show br1 -f json").json["bridge"] == "br1"
    )
    assert lines(configured, "police", "list", "-f", "csv", "--quote", "none")[:2] == [
        "port,rate,burst,packet_rate,packet_burst", "eth1,10000000,1000000,,",
    ]  # fmt: skip
    assert lines(configured, "qos", "list", "-f", "csv", "--quote", "none") == [
        "port,type,max_rate,queues",
        "eth2,linux-htb,10000000,1",
        "p9,linux-htb,5000000,1",
    ]
    assert lines(configured, "sflow", "list", "--print-empty")[0].split() == ["bridge", "agent", "targets", "sampling", "polling", "header"]


def test_what_qos_is_said_of_which_port(configured):
    assert configured.ovstool("qos show eth2 -f json").json["max_rate"] == 10**7
    explained = configured.ovstool("qos explain eth2 -f json").json
    assert explained["port"] == "eth2" and {"port", "severity", "problem", "evidence", "remedy"} == explained["problems"][0].keys()
    page = configured.ovstool("qos explain eth2").stdout
    assert page.startswith("eth2 on bridge br0, ") and "\n  queue 1 " in page
    assert lines(configured, "qos", "explain", "eth2", "-c", "port")[0].split() == ["field", "value"]
    checked = configured.ovstool("qos check eth2 -f json")
    assert checked.code == 1 and checked.json == explained["problems"] and configured.ovstool("qos check eth1 -f json").json == []
    policed = configured.ovstool("police check eth1 -f json")
    assert policed.code == 1 and {row["port"] for row in policed.json} == {"eth1"}
    assert configured.ovstool("police check eth2 -f json").json == [] and configured.ovstool("police check eth2").code == 0


RATES = ["time", "port", "interval_s", "rx_bps", "tx_bps", "rx_pps", "tx_pps"]
RATES += ["rx_dropped_ps", "tx_dropped_ps", "rx_errors_ps", "tx_errors_ps", "reset"]
COUNTED = [f"{way}_{what}" for way in ("rx", "tx") for what in ("packets", "bytes", "dropped", "errors")]


def test_counters(configured):
    rows = configured.ovstool("stats -f json").json
    assert [row["port"] for row in rows] == ["br0", "br1", "eth1", "eth2", "p9"] and list(rows[0]) == ["port", *COUNTED]
    assert [row["port"] for row in configured.ovstool("stats eth2 p9 -f json").json] == ["eth2", "p9"]
    assert [row["port"] for row in configured.ovstool("stats --bridge br1 -f json").json] == ["br1", "p9"]
    long = list(configured.ovstool("stats eth1 --long -f json").json[0])
    assert long[:9] == ["port", *COUNTED] and long[9:] == sorted(long[9:]) and "rx_custom_packets_1" in long
    queues = configured.ovstool("stats eth1 eth2 --queues -f json").json
    assert list(queues[0]) == ["port", "queue", "tx_packets", "tx_bytes", "tx_errors"] and {row["port"] for row in queues} == {
        "eth1",
        "eth2",
    }
    done = configured.ovstool("stats eth1 --source ovsdb -f value -c port")
    assert (done.stdout, done.stderr) == ("eth1\n", "")


def test_rates(configured):
    (row,) = configured.ovstool("stats eth1 --rate --interval 0.02 -f json").json
    assert list(row) == RATES and row["port"] == "eth1" and 0.02 <= row["interval_s"] < 10
    done = configured.ovstool("stats eth1 p9 --rate --interval 0.01 --count 2 -f json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["port"] for row in rows] == ["eth1", "p9"] * 2 and rows[0]["time"] < rows[2]["time"]
    (row,) = configured.ovstool("stats eth2 --rate --queues --interval 0.01 -f json").json
    assert list(row) == ["time", "port", "queue", "interval_s", "tx_bps", "tx_pps", "reset"] and row["queue"] == 0
    (row,) = configured.ovstool(
        "stats p9 --rate --source openflow --bridge br1 --interval 0.01 --count 1 -f json --noindent"
    ).stdout.splitlines()
    assert json.loads(row)["port"] == "p9"
    assert configured.ovstool("stats p9 --rate --bridge br0 --interval 0.01").code == 3


def test_bursts(configured):
    rows = configured.ovstool("stats eth1 eth2 --bursts --for 0.1 --interval 0.02 -f json").json
    assert [(row["port"], row["direction"]) for row in rows] == [(port, way) for port in ("eth1", "eth2") for way in ("rx", "tx")]
    assert all(1 <= row["windows"] <= 5 for row in rows)  # a busy machine takes some readings late
    assert [row["limit_bps"] for row in rows] == [None, None, None, 10**7]
    assert all(0.02 <= row["interval_s"] < 10 for row in rows)


def test_a_recording(configured, tmp_path):
    file = tmp_path / "r.csv"
    done = configured.ovstool(["stats", "record", str(file), "eth1", "--interval", "0.01", "--count", "3"])
    assert (done.code, done.stdout) == (0, "") and done.stderr.startswith("ovstool: note: ") and "3 readings" in done.stderr
    assert len(file.read_text().splitlines()) == 4
    assert configured.ovstool(["stats", "record", str(file), "--bridge", "br1", "--interval", "0.02", "--for", "0.05", "-q"]).stderr == ""
    ports = [line.split(",")[3] for line in file.read_text().splitlines()]
    assert ports == ["port"] + ["eth1"] * 3 + ["br1", "p9"] * ((len(ports) - 4) // 2) and 2 <= len(ports) - 4 <= 6
    done = configured.ovstool(["stats", "plot", str(file), "eth1"])
    assert (done.code, done.stdout.count(" rx ")) == (0, 1)


def test_verbose_prints_the_requests(configured):
    assert configured.ovstool("bridge list").stderr == configured.ovstool("bridge list -q").stderr == ""
    said = configured.ovstool("bridge list -v").stderr.splitlines()
    assert said and all(line.startswith("ovstool: ") and not line.startswith("ovstool: note") for line in said)


def test_what_is_noted_of_what_was_just_changed(ovstool):
    """Only what the database shows; for a port that is steered to, only errors."""
    assert "no queue 0 for unclassified traffic" in ovstool("qos set eth1 --max-rate 10mbit --queue 1:min=1mbit").stderr
    done = ovstool("qos steer eth1 --queue 1 --match ip")
    assert done.code == 0 and "no queue 0" not in done.stderr
    assert "burst" in ovstool("police set eth2 --rate 10mbit --burst 1kbit").stderr
    assert ovstool("police clear eth2").stdout == "eth2: deleted\n"
    assert ovstool("qos clear eth1").stdout.startswith("eth1: deleted\n")
