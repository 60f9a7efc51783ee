"""Bridges in a database without ovs-vswitchd: each row that is written or listed, and everything printed."""

import json

import pytest

SHAPED = {"type": "linux-htb", "queues": {0: {"dscp": 1}}}
ALL = {
    "datapath_type": "netdev",
    "datapath_id": "0000020000000001",
    "datapath_version": "<built-in>",
    "fail_mode": "secure",
    "protocols": ["OpenFlow10", "OpenFlow13"],
    "controller": [{"target": "tcp:127.0.0.2:1", "is_connected": True, "role": "master"}, {"target": "tcp:127.0.0.1:1"}],
    "sflow": {"agent": "lo", "targets": ["10.0.0.6:1", "10.0.0.5:1"]},
    "stp_enable": True,
    "rstp_enable": True,
    "mcast_snooping_enable": True,
    "external_ids": {"a": "b"},
    "other_config": {"c": "d"},
    "ports": {"eth2": {}, "eth1": {}, "fake0": {"tag": 9, "fake_bridge": True, "external_ids": {"e": "f"}}, "p9": {"tag": 9}},
}
LISTED = {
    "datapath_type": "netdev", "fail_mode": "secure", "controllers": ["tcp:127.0.0.1:1", "tcp:127.0.0.2:1"], "sflow": ["10.0.0.5:1", "10.0.0.6:1"],
}  # fmt: skip
SHOWN = {
    "datapath_type": "netdev",
    "datapath_id": "0000020000000001",
    "fail_mode": "secure",
    "protocols": ["OpenFlow10", "OpenFlow13"],
    "controllers": [
        {"target": "tcp:127.0.0.1:1", "connected": False, "role": None},
        {"target": "tcp:127.0.0.2:1", "connected": True, "role": "master"},
    ],
    "sflow": ["10.0.0.5:1", "10.0.0.6:1"],
    "stp": True,
    "rstp": True,
    "mcast_snooping": True,
    "other_config": {"c": "d"},
}


def set_datapath_types(database, *types: str) -> None:
    database.transact({"op": "update", "table": "Open_vSwitch", "where": [], "row": {"datapath_types": ["set", list(types)]}})


@pytest.fixture(autouse=True)
def _datapath_types(database):
    set_datapath_types(database, "netdev", "system")
    yield
    set_datapath_types(database, "netdev", "system")


def test_list_and_show(database):
    database.put({"br1": {}, "br0": ALL})
    code, listed, said = database.run("bridge list -f json")
    plain = {"datapath_type": "system", "fail_mode": None, "ports": 1, "controllers": [], "sflow": []}
    assert (code, said) == (0, "ovstool: note: fake0: a fake bridge, VLAN 9 of br0\n")
    assert json.loads(listed) == [
        {"bridge": "br0", "ports": 5} | LISTED,
        {"bridge": "br1"} | plain,
        {"bridge": "fake0", "ports": 2} | LISTED,
    ]
    assert database.ask("bridge show br0") == SHOWN | {
        "bridge": "br0", "parent": None, "vlan": None, "ports": ["br0", "eth1", "eth2", "fake0", "p9"], "external_ids": {"a": "b"},
    }  # fmt: skip
    assert database.ask("bridge show fake0") == SHOWN | {
        "bridge": "fake0", "parent": "br0", "vlan": 9, "ports": ["fake0", "p9"], "external_ids": {"e": "f"},
    }  # fmt: skip
    assert database.ask("bridge show br1") == {
        "bridge": "br1", "parent": None, "vlan": None, "datapath_type": "system", "datapath_id": None, "fail_mode": None, "protocols": [], "ports": ["br1"],
        "controllers": [], "sflow": [], "stp": False, "rstp": False, "mcast_snooping": False, "external_ids": {}, "other_config": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "row"),
    [
        ("", {}),
        ("--datapath-type system", {}),
        ("--datapath-type netdev", {"datapath_type": "netdev"}),
        ("--fail-mode standalone", {"fail_mode": "standalone"}),
        ("--protocols OpenFlow13,OpenFlow10", {"protocols": ["OpenFlow10", "OpenFlow13"]}),
        ("--controller tcp:127.0.0.1:1 --controller ptcp:6653", {"controller": [{"target": "ptcp:6653"}, {"target": "tcp:127.0.0.1:1"}]}),
        ("--external-id a=b --external-id c=d", {"external_ids": {"a": "b", "c": "d"}}),
        ("--other-config mac-table-size=100", {"other_config": {"mac-table-size": "100"}}),
    ],
)
def test_add(database, words, row):
    database.put({"br0": {}})
    assert database.run(f"bridge add new0 {words} -n")[0] == 0 and database.tree() == {"br0": {}}
    assert database.run(f"bridge add new0 {words}") == (0, "new0: created\n", "")
    assert database.tree() == {"br0": {}, "new0": row}
    assert database.run(f"bridge add new0 {words}") == (0, "new0: unchanged\n", "")
    assert database.tree() == {"br0": {}, "new0": row}


SET = "; try: ovstool bridge set br0, with these options"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("br0 --datapath-type system", 4, f"exists and differs in datapath_type{SET}"),
        ("br0 --fail-mode standalone", 4, f"exists and differs in fail_mode{SET}"),
        ("br0 --protocols OpenFlow13", 4, f"exists and differs in protocols{SET}"),
        ("br0 --controller tcp:127.0.0.1:1", 4, f"exists and differs in controller{SET}"),
        ("br0 --external-id a=c", 4, f"exists and differs in external_ids{SET}"),
        ("br0 --other-config mac-table-size=17", 4, f"exists and differs in other_config{SET}"),
        ("br0 --external-id x=y --fail-mode standalone", 4, f"exists and differs in fail_mode, external_ids{SET}"),
        ("fake0", 4, "exists: it is a fake bridge, VLAN 9 of br0; try: another name"),
        ("eth1", 4, "a port of this name exists; try: another name"),
        ("m1", 4, "an interface of this name exists; try: another name"),
        ("abcdefghijklmnop", 2, "its local port is a device, and the name of one has at most 15 bytes; try: a shorter name"),
        ("äääääääö", 2, "its local port is a device, and the name of one has at most 15 bytes; try: a shorter name"),
        ("br0 --protocols OpenFlow13,OpenFlow10 --fail-mode secure --datapath-type netdev", 0, "unchanged"),
        ("br0 --controller tcp:127.0.0.1:1 --controller tcp:127.0.0.2:1 --external-id a=b", 0, "unchanged"),
    ],
)
def test_add_of_an_existing_bridge(database, words, code, said):
    database.put({"br0": ALL | {"ports": ALL["ports"] | {"bond0": {"interfaces": {"m1": {}, "m2": {}}}}}})
    before = database.tree()
    name = words.split()[0]
    result = database.run(f"bridge add {words}")
    assert result == ((code, "", f"ovstool: bridge {name}: {said}\n") if code else (0, f"{name}: {said}\n", ""))
    assert database.tree() == before


def test_a_name_of_15_bytes_is_valid(database):
    database.put({})
    assert database.run("bridge add abcdefghijklmno") == (0, "abcdefghijklmno: created\n", "")
    assert database.tree() == {"abcdefghijklmno": {}}


@pytest.mark.parametrize(
    ("types", "words", "row"),
    [
        ((), "", {}),
        ((), "--datapath-type nosuch", {"datapath_type": "nosuch"}),
        (("netdev", "system"), "", {}),
        (("netdev",), "", {"datapath_type": "netdev"}),
        (("dummy",), "", "datapath type system: this Open vSwitch has no such datapath; try: --datapath-type dummy"),
        (("netdev", "dummy"), "--datapath-type system", "datapath type system: this Open vSwitch has no such datapath; try: --datapath-type dummy or netdev"),
    ],
)  # fmt: skip
def test_the_datapath_of_a_new_bridge(database, types, words, row):
    database.put({})
    set_datapath_types(database, *types)
    result = database.run(f"bridge add br0 {words}")
    if isinstance(row, str):
        assert result == (6, "", f"ovstool: {row}\n") and database.tree() == {}
    else:
        assert result == (0, "br0: created\n", "") and database.tree() == {"br0": row}


BEFORE = {
    "datapath_type": "netdev", "fail_mode": "secure", "protocols": "OpenFlow13", "controller": {"target": "tcp:127.0.0.1:1", "max_backoff": 7000},
    "external_ids": {"a": "b", "c": "d"}, "other_config": {"mac-table-size": "17", "mcast-snooping-table-size": "9"},
}  # fmt: skip


def without(*columns: str) -> dict:
    return {column: value for column, value in BEFORE.items() if column not in columns}


@pytest.mark.parametrize(
    ("words", "after"),
    [
        ("--datapath-type system", without("datapath_type")),
        ("--unset datapath_type", without("datapath_type")),
        ("--fail-mode standalone", BEFORE | {"fail_mode": "standalone"}),
        ("--unset fail_mode", without("fail_mode")),
        ("--protocols OpenFlow10", BEFORE | {"protocols": "OpenFlow10"}),
        ("--unset protocols", without("protocols")),
        ("--controller ptcp:1", BEFORE | {"controller": {"target": "ptcp:1"}}),
        ("--controller ptcp:1 --controller tcp:127.0.0.1:1",
         BEFORE | {"controller": [{"target": "tcp:127.0.0.1:1", "max_backoff": 7000}, {"target": "ptcp:1"}]}),
        ("--unset controller", without("controller")),
        ("--external-id e=f", BEFORE | {"external_ids": {"a": "b", "c": "d", "e": "f"}}),
        ("--external-id a=z", BEFORE | {"external_ids": {"a": "z", "c": "d"}}),
        ("--unset external_ids:a", BEFORE | {"external_ids": {"c": "d"}}),
        ("--unset external_ids:a --unset external_ids:z --external-id e=f", BEFORE | {"external_ids": {"c": "d", "e": "f"}}),
        ("--unset external_ids", without("external_ids")),
        ("--unset external_ids --external-id e=f", BEFORE | {"external_ids": {"e": "f"}}),
        ("--other-config mac-table-size=10", BEFORE | {"other_config": {"mac-table-size": "10", "mcast-snooping-table-size": "9"}}),
        ("--unset other_config:mac-table-size", BEFORE | {"other_config": {"mcast-snooping-table-size": "9"}}),
        ("--unset other_config", without("other_config")),
        ("--unset other_config --unset fail_mode --unset protocols", without("other_config", "fail_mode", "protocols")),
    ],
)  # fmt: skip
def test_set(database, words, after):
    database.put({"br0": BEFORE, "br1": BEFORE})
    assert database.run(f"bridge set br0 {words}") == (0, "br0: updated\n", "")
    assert database.tree() == {"br0": after, "br1": BEFORE}
    assert database.run(f"bridge set br0 {words}") == (0, "br0: unchanged\n", "")


@pytest.mark.parametrize(
    "words",
    [
        "--datapath-type netdev", "--fail-mode secure", "--protocols OpenFlow13", "--controller tcp:127.0.0.1:1", "--external-id a=b",
        "--other-config mac-table-size=17", "--unset external_ids:z", "--unset other_config:z",
    ],
)  # fmt: skip
def test_set_of_present_values(database, words):
    database.put({"br0": BEFORE})
    assert database.run(f"bridge set br0 {words}")[:2] == (0, "br0: unchanged\n")
    assert database.tree() == {"br0": BEFORE}
    database.put({"br0": {}})
    for column in ("datapath_type", "fail_mode", "protocols", "controller", "external_ids", "other_config"):
        assert database.run(f"bridge set br0 --unset {column}") == (0, "br0: unchanged\n", ""), column


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("set br0 --unset fail_mode:x", 2, "--unset fail_mode:x: this column has no keys; try: --unset fail_mode"),
        ("set br0 --unset controller:x", 2, "--unset controller:x: this column has no keys; try: --unset controller"),
        ("set br0 --datapath-type dummy", 6, "datapath type dummy: this Open vSwitch has no such datapath; try: --datapath-type netdev or system"),
        ("set nosuch --fail-mode secure", 3, "bridge nosuch: no such bridge; try: ovstool bridge list"),
        ("set br9 --fail-mode secure", 3, "bridge br9: no such bridge; try: br0"),
        ("set fake0 --fail-mode secure", 2, "bridge fake0: is a fake bridge, VLAN 9 of br0, which has the flows and the settings; try: br0"),
        ("show nosuch", 3, "bridge nosuch: no such bridge; try: ovstool bridge list"),
        ("del br9", 3, "bridge br9: no such bridge; try: ovstool bridge list, or --if-exists"),
        ("del nosuch", 3, "bridge nosuch: no such bridge; try: ovstool bridge list, or --if-exists"),
        ("del br0 nosuch", 3, "bridge nosuch: no such bridge; try: ovstool bridge list, or --if-exists"),
        ("del fake0 nosuch", 3, "bridge nosuch: no such bridge; try: ovstool bridge list, or --if-exists"),
    ],
)  # fmt: skip
def test_what_is_refused(database, words, code, said):
    database.put({"br0": ALL})
    before = database.tree()
    assert database.run(f"bridge {words}") == (code, "", f"ovstool: {said}\n") and database.tree() == before


def test_ignored_sockets_are_noted(database):
    database.put({"br0": {}})
    rundir = database.switch.box.directory
    words = f"--controller unix:/tmp/c.sock --controller punix:/tmp/c.sock --controller unix:{rundir}/c.sock --controller punix:c.sock"
    noted = f"ovstool: note: unix:/tmp/c.sock: ovs-vswitchd accepts sockets only in {rundir}\n"
    for command in ("set br0", "add br1"):
        name = command.split()[1]
        also = f"ovstool: note: punix:/tmp/c.sock: ovs-vswitchd accepts sockets only in {rundir}/{name}.*\n"
        assert database.run(f"bridge {command} {words}")[2] == noted + also


UNKNOWN = "how many is unknown (unix:{}/br0.mgmt: no such socket; is ovs-vswitchd running?)"


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ({}, "--fail-mode secure"),
        ({}, "--datapath-type netdev"),
        ({}, "--controller tcp:127.0.0.1:1"),
        ({"fail_mode": "secure"}, "--unset fail_mode"),
        ({"datapath_type": "netdev"}, "--unset datapath_type"),
        ({"datapath_type": "netdev"}, "--datapath-type system"),
        ({"controller": {"target": "tcp:127.0.0.1:1"}}, "--unset controller"),
        ({"controller": {"target": "tcp:127.0.0.1:1"}}, "--controller ptcp:1"),
        ({"controller": {"target": "tcp:127.0.0.1:1", "type": "service"}}, "--fail-mode secure"),
        ({"controller": {"target": "ptcp:1"}, "fail_mode": "standalone"}, "--fail-mode secure"),
    ],
)
def test_a_change_with_an_unknown_loss_needs_force(database, before, words):
    """A datapath ID shows that ovs-vswitchd created the bridge; here its socket is gone."""
    bridge = before | {"datapath_id": "0000020000000001"}
    database.put({"br0": bridge})
    why = f"ovs-vswitchd deletes its flows, groups and meters with this change; {UNKNOWN.format(database.switch.box.directory)}"
    refused = f"ovstool: bridge br0: {why}; try: --force\n"
    assert database.run(f"bridge set br0 {words}") == (4, "", refused) and database.tree() == {"br0": bridge}
    noted = f"ovstool: note: br0: {why}\n"
    assert database.run(f"bridge set br0 {words} --force") == (0, "br0: updated\n", noted) and database.tree() != {"br0": bridge}
    database.put({"br0": before})
    assert database.run(f"bridge set br0 {words}") == (0, "br0: updated\n", "")


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ({}, "--fail-mode standalone"),
        ({}, "--controller ptcp:1"),
        ({}, "--external-id a=b"),
        ({}, "--protocols OpenFlow13"),
        ({"fail_mode": "standalone"}, "--unset fail_mode"),
        ({"controller": {"target": "tcp:127.0.0.1:1"}}, "--fail-mode secure"),
        ({"controller": {"target": "tcp:127.0.0.1:1"}}, "--controller tcp:127.0.0.1:2"),
        ({"controller": {"target": "ptcp:1", "type": "primary"}}, "--fail-mode secure"),
        ({"controller": {"target": "ptcp:1"}}, "--unset controller"),
        ({"controller": {"target": "tcp:127.0.0.1:1", "type": "service"}}, "--unset controller"),
    ],
)
def test_a_change_without_loss_asks_no_bridge(database, before, words):
    database.put({"br0": before | {"datapath_id": "0000020000000001"}})
    assert database.run(f"bridge set br0 {words}") == (0, "br0: updated\n", "")


def test_del(database):
    shared = {"type": "linux-hfsc"}
    ports = {"eth1": {"qos": SHAPED}, "eth2": {"qos": shared}, "fake0": {"tag": 9, "fake_bridge": True}, "p9": {"tag": 9}}
    start = {
        "br0": {"ports": ports},
        "br1": {"ports": {"eth3": {"qos": shared}}},
        "br2": {"ports": {"v8": {"tag": 8, "fake_bridge": True}, "p8": {"tag": 8}, "p7": {"tag": 7}}},
    }
    database.put(start)
    code, _, said = database.run("bridge del br0 v8 -n")
    unknown = f"its flows, groups and meters are deleted with it; {UNKNOWN.format(database.switch.box.directory)}"
    told = ["br0: would be deleted", "v8: would be deleted", f"br0: {unknown}"]
    assert (code, said.splitlines()) == (0, [f"ovstool: note: {line}" for line in told]) and database.tree() == start
    assert database.run("bridge del br0 v8 br0 nosuch --if-exists") == (0, "br0: deleted\nv8: deleted\nnosuch: unchanged\n", "")
    assert database.tree() == {"br1": start["br1"], "br2": {"ports": {"p7": {"tag": 7}}}}
    assert database.count("QoS", "Queue", "Port") == [1, 0, 4]
    assert database.run("bridge del nosuch nosuch2 --if-exists") == (0, "nosuch: unchanged\nnosuch2: unchanged\n", "")
    assert database.run("bridge del br1 br2")[:2] == (0, "br1: deleted\nbr2: deleted\n")
    assert database.tree() == {} and database.count("QoS", "Port") == [0, 0]


def test_del_of_a_fake_bridge_with_the_qos_of_its_ports(database):
    ports = {
        "v8": {"tag": 8, "fake_bridge": True, "qos": {"type": "linux-sfq"}},
        "p8": {"tag": 8, "qos": SHAPED},
        "eth1": {"qos": {"type": "linux-noop"}},
    }
    mirrors = {"m": {"select_src_port": ["p8", "eth1"], "output_port": "v8"}, "n": {"select_dst_port": "p8", "output_port": "eth1"}}
    database.put({"br0": {"ports": ports, "mirrors": mirrors}})
    code, printed, said = database.run("bridge del v8")
    assert (code, printed) == (0, "v8: deleted\n")
    steered = (
        "bridge br0: its management socket does not answer (No such file or directory); any flows that steer into queues of v8, p8 remain"
    )
    assert said.replace("of p8, v8", "of v8, p8").splitlines() == [
        f"ovstool: note: {steered}",
        "ovstool: note: mirror m mirrors nothing from now on: v8 was its output port",
        "ovstool: note: mirror n no longer selects p8, and mirrors nothing, as no port is left",
    ]
    left = {"m": {"select_src_port": "eth1"}, "n": {"output_port": "eth1"}}
    assert database.tree() == {"br0": {"ports": {"eth1": ports["eth1"]}, "mirrors": left}} and database.count("QoS", "Queue") == [1, 0]


def test_an_empty_database_has_no_root(database):
    database.put({})
    root = database.transact({"op": "select", "table": "Open_vSwitch", "where": []})[0]["rows"][0]
    database.transact({"op": "delete", "table": "Open_vSwitch", "where": []})
    try:
        assert database.run("bridge add br0") == (
            3,
            "",
            "ovstool: table Open_vSwitch: the database is empty; try: ovs-vsctl --no-wait init\n",
        )
        assert database.ask("show") == {"ovs_version": None, "pending": [], "bridges": []}
    finally:
        columns = {column: value for column, value in root.items() if not column.startswith("_")}
        database.transact({"op": "insert", "table": "Open_vSwitch", "row": columns})
