"""ovs-vsctl changes a value that a change is based on before it arrives: the result is as if ovs-vsctl had run first.

The table has a row for each column that determines what a noun writes. test_objects_races.py tests that the changes of two programs are not
mixed at any other moment.
"""

import re
import shlex

import pytest
from database import Database
from ovs_version import OVS

_SHARED = {"other_config": {"min-rate": "1000"}}  # a queue shared by two ports
_OF_TWO = {"type": "linux-htb", "other_config": {"max-rate": "6000"}, "queues": {0: {"dscp": 3}}, "external_ids": {"of": "two"}}
_START = {
    "br0": {
        "external_ids": {"a": "b"},
        "other_config": {"mac-table-size": "100"},
        "controller": [{"target": "tcp:127.0.0.1:1"}, {"target": "tcp:127.0.0.1:2"}],
        "sflow": {"agent": "lo", "targets": "127.0.0.1:1", "sampling": 3, "external_ids": {"mark": "theirs"}},
        "ports": {
            "eth1": {
                "tag": 5,
                "qos": {
                    "type": "linux-htb",
                    "other_config": {"max-rate": "5000"},
                    "queues": {0: _SHARED, 1: {"other_config": {"min-rate": "2000"}}},
                },
                "interfaces": {"eth1": {"external_ids": {"a": "b"}}},
            },
            "eth2": {},
            "eth3": {"qos": _OF_TWO},
            "eth4": {"qos": _OF_TWO},
            "tun": {"interfaces": {"tun": {"type": "vxlan", "options": {"remote_ip": "192.0.2.1"}}}},
            "bond0": {"interfaces": {"m1": {}, "m2": {}}},
            "fake0": {"tag": 10, "fake_bridge": True, "interfaces": {"fake0": {"type": "internal"}}},
            "p1": {"tag": 10, "interfaces": {"p1": {"ingress_policing_rate": 7}}},
        },
    },
    "br1": {"ports": {"eth5": {"qos": {"type": "linux-hfsc", "queues": {3: _SHARED}}}}},
}
_PARKED = {"QoS": [{"type": "linux-noop", "queues": {7: {"dscp": 7}}}], "Queue": [{"dscp": 9}]}
_NEW_QOS = "qos=@q -- --id=@q create qos type=linux-htb queues=0=@a -- --id=@a create queue dscp=5"

_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

CASES = {
    "port add br0 eth9": [
        "add-port br0 eth9",
        "add-port br1 eth9",
        "add-bond br1 theirs eth9 eth8",
        "del-br br0",
    ],
    "port add br0 mine --bond eth8,eth9": [
        "add-port br0 mine",
        "add-bond br1 theirs eth7 eth8",
        "add-bond br1 theirs eth9 eth7",
        "add-bond br1 theirs mine eth7",
        "del-br br0",
    ],
    "port add fake0 eth9": ["set port fake0 tag=11", "set port fake0 fake_bridge=false", "del-br fake0", "add-port br0 eth9 tag=10"],
    "port set eth1 --tag 6": [
        "set port eth1 tag=6",
        "set port eth1 trunks=7",
        "set port eth1 vlan_mode=trunk",
        "del-port eth1",
    ],
    "port set eth2 --trunk 7": ["set port eth2 trunks=7", "set port eth2 tag=7"],
    "port set eth1 --vlan-mode access": ["set port eth1 trunks=7", "set port eth1 vlan_mode=access"],
    "port set eth1 --external-id c=d": [
        "set interface eth1 external_ids:e=f",
        "clear interface eth1 external_ids",
        "set interface eth1 external_ids:c=d",
        "del-port eth1 -- add-port br0 eth1",
        "add-port br1 theirs -- --id=@i get interface eth1 -- --id=@j create interface name=eth7 -- set port eth1 interfaces=@i,@j",
    ],
    "port set eth1 --type internal": [
        "set interface eth1 type=internal",
        "--id=@i get interface eth1 -- --id=@j create interface name=eth7 -- set port eth1 interfaces=@i,@j",
    ],
    "port set tun --key 7": [
        "set interface tun options:remote_ip=192.0.2.2",
        "set interface tun type=gre",
        'set interface tun type=patch options={peer="x"}',
    ],
    "port set bond0 --lacp off": ["set port bond0 bond_mode=balance-tcp", "set port bond0 lacp=off"],
    "port set bond0 --bond-mode balance-tcp": ["set port bond0 lacp=active", "set port bond0 bond_mode=balance-tcp"],
    "port del eth2": [
        "--id=@p get port eth2 -- remove bridge br0 ports @p -- add bridge br1 ports @p",
        f"set port eth2 {_NEW_QOS}",
        "set port eth2 qos=ETH3",
        "del-port eth2",
    ],
    "port del eth1 eth3": ["set port eth3 qos=ETH1", "clear port eth4 qos", f"set port eth1 {_NEW_QOS}", "set qos ETH1 queues=0=NEW"],
    "bridge add br9": ["add-br br9", "add-port br0 br9", "add-bond br0 theirs br9 eth9", "add-br br9 br0 20"],
    "bridge set br0 --external-id c=d": ["set bridge br0 external_ids:e=f", "set bridge br0 external_ids:c=d", "del-br br0"],
    "bridge set br0 --unset external_ids:a --external-id c=d": ["set bridge br0 external_ids:e=f"],
    "bridge set br0 --other-config mac-table-size=200": ["set bridge br0 other_config:theirs=x"],
    "bridge set br0 --other-config rstp-priority=4096": ["set bridge br0 other_config:theirs=x"],
    "bridge set br0 --fail-mode secure": ["set bridge br0 fail_mode=secure"],
    "bridge set br0 --protocols OpenFlow13": ["set bridge br0 protocols=OpenFlow13"],
    "bridge set br0 --datapath-type netdev": ["set bridge br0 datapath_type=netdev"],
    "bridge set br0 --controller tcp:127.0.0.1:1 --controller tcp:127.0.0.1:3": [
        "set-controller br0 tcp:127.0.0.1:1",
        "set-controller br0 tcp:127.0.0.1:1 tcp:127.0.0.1:3",
        "set controller CONTROLLER1 'target=\"tcp:127.0.0.1:3\"'",
        "set controller CONTROLLER2 'target=\"tcp:127.0.0.1:3\"'",
    ],
    "bridge del br0": [
        f"add-port br0 eth9 -- set port eth9 {_NEW_QOS}",
        f"set port eth2 {_NEW_QOS}",
        "--id=@p get port eth3 -- remove bridge br0 ports @p -- add bridge br1 ports @p",
        "set port eth5 qos=ETH1",
        "set qos ETH1 queues=0=NEW",
        "set qos ETH5 queues=3=NEW",
        "del-br br0",
    ],
    "bridge del fake0": [
        "set port fake0 fake_bridge=false",
        "add-port br0 eth9 tag=10",
        "clear port p1 tag",
        "set port fake0 tag=11",
        f"set port p1 {_NEW_QOS}",
        "del-br br0",
    ],
    "bridge del fake0 br1": ["set port fake0 tag=11", "set port p1 qos=ETH5", "set port p1 tag=11", "add-port br1 eth9"],
    "police set eth1 --rate 1mbit": [
        "set interface eth1 ingress_policing_rate=1",
        "set interface eth1 ingress_policing_burst=1",
        "set interface eth1 ingress_policing_kpkts_rate=1",
        "set interface eth1 ingress_policing_kpkts_burst=1",
        "set interface eth1 ingress_policing_rate=1000 ingress_policing_burst=222",
        "del-port eth1",
    ],
    "police set bond0 --packet-rate 1000": ["set interface m2 ingress_policing_kpkts_rate=1 ingress_policing_kpkts_burst=1"],
    "police clear p1 eth2": ["set interface eth2 ingress_policing_rate=7", "set interface p1 ingress_policing_rate=0"],
    "sflow enable br0 --agent lo --force --collector 127.0.0.1": [
        "clear bridge br0 sflow",
        "set sflow SFLOW external_ids:mark=new",
        "set sflow SFLOW 'targets=\"127.0.0.1:6343\"' sampling=[]",
        "set bridge br0 sflow=@s -- --id=@s create sflow targets='\"127.0.0.1:1\"' external_ids:mark=other",
        "del-br br0",
    ],
    "sflow enable br1 --agent lo --force --collector 127.0.0.1": ["set bridge br1 sflow=SFLOW"],
    "sflow disable br0": ["clear bridge br0 sflow", "del-br br0"],
    "sflow disable br0 br1": ["set bridge br1 sflow=SFLOW"],
    "qos set eth1 --max-rate 9000 --queue 0:min=1000": [
        "set port eth1 qos=ETH3",
        "set port eth2 qos=ETH1",
        "clear port eth1 qos",
        "set qos ETH1 external_ids:mark=new",
        "set qos ETH1 type=linux-hfsc queues=0=NEW",
        "set queue QUEUE1 external_ids:mark=new",
        "set queue QUEUE0 external_ids:mark=new",
        "set queue QUEUE0 dscp=7",
        "set qos ETH5 queues=3=NEW",
        "set qos ETH5 queues=3=QUEUE1",
        "set qos ETH1 queues=0=NEW",
    ],
    "qos set eth1 --max-rate 5000 --queue 0:min=1000 --queue 1:min=2000": ["set port eth1 qos=ETH3", "set queue QUEUE1 dscp=7"],
    "qos set eth1 --merge --queue 1:max=9000": [
        "set qos ETH1 other_config:r2q=1",
        "set queue QUEUE1 other_config:min-rate=3000",
        "set queue QUEUE1 dscp=7",
        "set queue QUEUE1 external_ids:mark=new",
        "set queue QUEUE0 dscp=7",
        "set qos ETH1 queues=0=NEW",
    ],
    "qos set eth2 --max-rate 9000": ["set port eth2 qos=ETH3", f"set port eth2 {_NEW_QOS}"],
    "qos set eth3 --max-rate 9000": ["clear port eth4 qos", "set qos ETH3 external_ids:mark=new", "set port eth3 qos=ETH1"],
    "qos set eth1 eth3 --max-rate 6000 --queue 0:dscp=3": ["set port eth3 qos=ETH1", "set qos ETH3 other_config:max-rate=7000"],
    "qos clear eth1": [
        "set port eth2 qos=ETH1",
        "set port eth1 qos=ETH3",
        "set qos ETH1 queues=0=NEW",
        "set qos ETH5 queues=3=NEW",
        "set qos ETH5 queues=3=QUEUE1",
    ],
    "qos clear eth3": ["clear port eth4 qos", "set port eth4 qos=ETH1"],
    "qos clear eth3 eth4": ["set port eth2 qos=ETH3", f"set port eth4 {_NEW_QOS}"],
    "qos gc": [
        "set port eth2 qos=NOOP",
        "set qos NOOP queues=7=NEW",
        "set qos NOOP queues=7=QUEUE1",
        "set qos ETH5 queues=3=NEW",
    ],
    # Nothing to change, until ovs-vsctl runs.
    "port set eth1 --tag 5": ["set port eth1 tag=6"],
    "port set eth1 --external-id a=b": ["set interface eth1 external_ids:a=c"],
    "port add br0 eth1 --tag 5": ["set port eth1 tag=6", "del-port eth1"],
    "bridge set br0 --external-id a=b": ["set bridge br0 external_ids:a=c"],
    "bridge set br0 --controller tcp:127.0.0.1:2 --controller tcp:127.0.0.1:1": ["set controller CONTROLLER2 'target=\"tcp:127.0.0.1:3\"'"],
    "bridge add br0 --external-id a=b": ["set bridge br0 external_ids:a=c", "del-br br0"],
    "bridge add br0 --controller tcp:127.0.0.1:2 --controller tcp:127.0.0.1:1": ["set controller CONTROLLER2 'target=\"tcp:127.0.0.1:3\"'"],
    "police clear eth1 eth2": ["set interface eth2 ingress_policing_rate=7"],
    "sflow disable br1": ["set bridge br1 sflow=SFLOW"],
    "sflow enable br0 --agent lo --force --sampling 3 --collector 127.0.0.1:1": ["set sflow SFLOW sampling=4", "clear bridge br0 sflow"],
    "qos clear eth2": [f"set port eth2 {_NEW_QOS}"],
}


def vsctl(database: Database, change: str) -> None:
    """Run ovs-vsctl, with words in capitals replaced by the UUIDs of rows without names, and NEW by a new queue."""
    change = f"--no-wait -- {change}" + (" -- --id=@new create queue dscp=4" if "NEW" in change else "")
    uuids = _uuids(database)
    database.switch.tool("ovs-vsctl", *shlex.split(re.sub(r"\b[A-Z]+[0-9]?\b", lambda found: uuids[found[0]], change)))


def _uuids(database: Database) -> dict[str, str]:
    ports, noop, (queues,), sflow, controllers = (
        answer["rows"]
        for answer in database.transact(
            {"op": "select", "table": "Port", "where": [["qos", "!=", ["set", []]]], "columns": ["name", "qos"]},
            {"op": "select", "table": "QoS", "where": [["type", "==", "linux-noop"]], "columns": ["_uuid"]},
            {
                "op": "select",
                "table": "QoS",
                "where": [["other_config", "includes", ["map", [["max-rate", "5000"]]]]],
                "columns": ["queues"],
            },
            {"op": "select", "table": "sFlow", "where": [], "columns": ["_uuid"]},
            {"op": "select", "table": "Controller", "where": [], "columns": ["_uuid", "target"]},
        )
    )
    found = {row["name"].upper(): row["qos"][1] for row in ports} | {"NOOP": noop[0]["_uuid"][1], "NEW": "@new"}
    found |= {f"QUEUE{number}": u for number, (_, u) in queues["queues"][1]} | {"SFLOW": sflow[0]["_uuid"][1]}
    return found | {f"CONTROLLER{row['target'][-1]}": row["_uuid"][1] for row in controllers}


def outcome(database: Database, printed: tuple) -> tuple:
    """The exit code, the output with UUIDs masked, and the content of the database."""
    return re.sub(_UUID, "UUID", str(printed)), database.tree(), database.count("QoS", "Queue", "sFlow", "Controller", "Port", "Interface")


@pytest.mark.parametrize("command", CASES)
def test_a_change_of_what_it_is_based_on_comes_first(database, command):
    for change in CASES[command]:
        if "kpkts" in change and OVS < (2, 16):
            continue
        database.put(_START, **_PARKED)
        vsctl(database, change)
        first = outcome(database, database.run(command))
        database.put(_START, **_PARKED)
        meanwhile = outcome(database, database.run_while(command, lambda change=change: vsctl(database, change)))
        assert meanwhile == first, change
