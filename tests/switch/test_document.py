"""Documents: export, diff and apply on a database that only the test and its commands write to."""

import json
import socket

import pytest

from ovstool.document import reading

SHAPED = {
    "type": "linux-htb", "other_config": {"max-rate": "200000000"},
    "queues": {0: {"other_config": {"min-rate": "100000000"}}, 1: {"other_config": {"max-rate": "50000000", "priority": "2"}, "dscp": 10}, 5: {}},
}  # fmt: skip
# A switch with some of everything, and its document.
TREE = {
    "br0": {
        "datapath_type": "netdev", "fail_mode": "secure", "protocols": ["OpenFlow13", "OpenFlow10"], "external_ids": {"on": "012"},
        "other_config": {"mac-aging-time": "60"}, "controller": [{"target": "tcp:10.0.0.1:6653"}],
        "sflow": {"targets": ["10.0.0.5:6343"], "agent": "eth0", "sampling": 64, "external_ids": {"x": "y"}},
        "mirrors": {"m0": {"select_src_port": ["eth1"], "select_vlan": [5, 6, 7], "output_port": "tap"}},
        "ports": {
            "eth1": {"tag": 5, "qos": SHAPED, "other_config": {"a b": 'say "x" \\ \x1b\U0001f600'}},
            "bond0": {
                "bond_mode": "balance-tcp", "lacp": "active", "trunks": [1, 2, 3, 9], "vlan_mode": "trunk",
                "interfaces": {"e2": {"mtu_request": 1400}, "e3": {"mtu_request": 1400}},
            },
            "tap": {"interfaces": {"tap": {"ingress_policing_rate": 10000, "ingress_policing_burst": 0, "statistics": {"rx_packets": 5}}}},
            "vx": {"interfaces": {"vx": {"type": "vxlan", "options": {"remote_ip": "192.0.2.7", "key": "0x10", "ttl": "5"}}}},
        },
    },
    "br1": {"ports": {"br1": {"tag": 9, "interfaces": {"br1": {"type": "internal"}}}, "p": {}}},
    "br2": {},
}  # fmt: skip
TEXT = r"""bridges:
  br0:
    datapath_type: netdev
    fail_mode: secure
    protocols: [OpenFlow10, OpenFlow13]
    controllers: ["tcp:10.0.0.1:6653"]
    external_ids: {"on": "012"}
    other_config: {mac-aging-time: "60"}
    sflow: {collectors: ["10.0.0.5:6343"], agent: eth0, sampling: 64}
    mirrors:
      m0:
        select_src_ports: [eth1]
        select_vlans: [5-7]
        output_port: tap
    ports:
      bond0:
        trunks: [1-3, 9]
        vlan_mode: trunk
        mtu: 1400
        bond: {interfaces: [e2, e3], mode: balance-tcp, lacp: active}
      eth1:
        tag: 5
        other_config: {"a b": "say \"x\" \\ \x1b😀"}
        qos:
          type: linux-htb
          max_rate: 200mbit
          queues:
            0: {min: 100mbit}
            1: {max: 50mbit, priority: 2, dscp: 10}
            5: {}
      tap:
        police: {rate: 10mbit, burst: 8mbit}
      vx:
        type: vxlan
        remote_ip: "192.0.2.7"
        key: "0x10"
        options: {ttl: "5"}
  br1:
    ports:
      br1:
        tag: 9
      p: {}
  br2: {}
"""


def test_export(database):
    database.put(TREE)
    assert database.run("export") == (0, TEXT, "")
    assert reading.read("x", TEXT.encode()).errors == []
    assert database.run("export br2") == (0, "bridges:\n  br2: {}\n", "")
    assert database.ask("export br1") == {"bridges": {"br1": {"ports": {"br1": {"tag": 9}, "p": {}}}}}
    assert database.run("export nosuch") == (3, "", "ovstool: bridge nosuch: no such bridge; try: ovstool bridge list\n")


def test_what_a_document_cannot_hold_is_noted(database):
    members = {"a": {"mtu_request": 1400}, "b": {"type": "dpdk", "mtu_request": 1400}}
    queues = {1: {"other_config": {"min-rate": "8000", "of-others": "x"}}}
    database.put({
        "br1": {}, "br0": {"mirrors": {"m0": {"output_port": "eth1", "output_vlan": 5}}, "ports": {
            "bond": {"interfaces": members}, "eth1": {"qos": {"type": "linux-htb", "queues": queues}}, "eth2": {"qos": {"type": "vendors"}},
            "eth3": {"qos": {"type": "linux-htb", "other_config": {"max-rate": "fast"}}}, "eth4": {"tag": 5, "trunks": [6]},
            "eth5": {"qos": {"type": "linux-htb", "queues": {0: {"other_config": {"min-rate": "9000", "max-rate": "8000"}}}}},
            "fake": {"tag": 5, "fake_bridge": True, "interfaces": {"fake": {"type": "internal"}}},
        }}
    })  # fmt: skip
    code, text, notes = database.run("export")
    assert (code, "mtu: 1400" in text, "dpdk" in text, "vendors" in text, "of-others" in text) == (0, True, False, False, False)
    assert notes.splitlines() == [
        "ovstool: note: port bond: not in the document: its members differ in type",
        "ovstool: note: port eth1: not in the document: queue 1 has of-others",
        "ovstool: note: port eth2: not in the document: its QoS is of the unknown type vendors",
        "ovstool: note: port eth3: not in the document: its QoS has values that ovs-vswitchd does not read, or splits its rate in another way than ovstool",
        "ovstool: note: port fake: not in the document: it is the local port of a fake bridge",
        "ovstool: note: bridge br0: 'ovstool apply' would refuse this: mirror m0: has an output_port, so its output_vlan is ignored",
        "ovstool: note: port eth4: 'ovstool apply' would refuse this: port eth4: has a tag, so Open vSwitch ignores its trunks",
        "ovstool: note: port eth5: 'ovstool apply' would refuse this: queue 0: its min is above its max",
    ]
    assert [error.why for error in reading.read("x", text.encode()).errors] == [line.split("this: ")[1] for line in notes.splitlines()[-3:]]
    assert database.run("export br1") == (0, "bridges:\n  br1: {}\n", "")


def differences(database, path, *options):
    code, out, err = database.run(f"diff {path} -f json {' '.join(options)}")
    rows = [(row["object"], row["field"], row["from"], row["to"]) for row in json.loads(out)]
    assert (code, err) == (int(bool(rows)), "")
    return rows


def test_a_switch_does_not_differ_from_its_export(database, page):
    database.put(TREE)
    path = page(TEXT)
    assert database.run(f"diff {path}") == (0, "", "ovstool: note: no difference\n")
    assert differences(database, path, "--prune") == []


def test_differences(database, page):
    database.put(TREE)
    path = page("""
        bridges:
          br0:
            fail_mode: null
            protocols: [OpenFlow13]
            external_ids: {"on": null, new: x}
            sflow: {sampling: 100}
            mirrors: {m0: {select_all: true, output_port: null, output_vlan: 9}, m1: {}}
            ports:
              br0: {type: internal, mtu: 1400}
              eth1: {tag: 6, qos: {queues: {0: {min: 80mbit}, 1: null, 7: {}}}}
              tap: {type: system, police: {rate: 20mbit}, qos: null}
              vx: {key: "0x10", remote_ip: 192.0.2.8}
              new: {type: internal}
          br1:
          br3: {ports: {br3: {tag: 4}}}
    """)
    rows = [
        ("br0", "fail_mode", "secure", None), ("br0", "protocols", ["OpenFlow10", "OpenFlow13"], ["OpenFlow13"]),
        ("br0", "external_ids.on", "012", None), ("br0", "external_ids.new", None, "x"), ("br0", "sflow.sampling", 64, 100),
        ("br0", "mirrors.m0.select_all", None, True), ("br0", "mirrors.m0.output_port", "tap", None),
        ("br0", "mirrors.m0.output_vlan", None, 9), ("br0", "mirrors.m1", None, "{}"), ("br0", "mtu", None, 1400), ("eth1", "tag", 5, 6),
        ("eth1", "qos.queues.0.min", "100mbit", "80mbit"), ("eth1", "qos.queues.1.max", "50mbit", None),
        ("eth1", "qos.queues.1.priority", 2, None), ("eth1", "qos.queues.1.dscp", 10, None), ("eth1", "qos.queues.7", None, "{}"),
        ("tap", "police.rate", "10mbit", "20mbit"), ("vx", "options.remote_ip", "192.0.2.7", "192.0.2.8"), ("new", "bridge", None, "br0"),
        ("new", "type", None, "internal"), ("br3", "bridge", None, "br3"), ("br3", "tag", None, 4),
    ]  # fmt: skip
    assert differences(database, path) == rows
    gone = [("bond0", "bridge", "br0", None), ("p", "bridge", "br1", None)]
    assert sorted(differences(database, path, "--prune"), key=str) == sorted(rows + gone, key=str)


def test_another_type_of_qos_keeps_nothing(database, page):
    database.put({"br0": {"ports": {"eth1": {"qos": SHAPED}}}})
    rows = differences(database, page("bridges: {br0: {ports: {eth1: {qos: {type: sfq}}}}}"))
    assert rows[0] == ("eth1", "qos.type", "linux-htb", "linux-sfq") and ("eth1", "qos.max_rate", "200mbit", None) in rows


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("{br1: {ports: {eth1: {}}}}", 4, "port eth1: is on another bridge, br0; try: ovstool port del eth1"),
        ("{br0: {ports: {e2: {}}}}", 4, "port e2: interface e2 belongs to port bond0; try: ovstool port show bond0"),
        ("{br0: {ports: {b: {bond: {interfaces: [tap, e9]}}}}}", 4, "port b: interface tap belongs to port tap; try: ovstool port show tap"),
        ("{eth1: {}}", 4, "bridge eth1: a port of bridge br0 has this name; try: another name"),
        ("{p: {}}", 4, "bridge p: a port of bridge br1 has this name; try: another name"),
        ("{br0: {ports: {br1: {}}}}", 4, "port br1: is on another bridge, br1; try: ovstool port del br1"),
        ("{br0: {fail_mode: x, ports: {p: {tga: 1}}}}", 2, "{path}:1:28: x: not one of standalone, secure\n"
                                                             "ovstool: {path}:1:43: unknown field tga; try: tag"),
    ],
)  # fmt: skip
def test_what_cannot_be(database, page, text, code, said):
    database.put(TREE)
    path = page(f"bridges: {text}")
    assert database.run(f"diff {path}") == (code, "", f"ovstool: {said.replace('{path}', path)}\n")


def test_a_file_that_cannot_be_read(database, tmp_path):
    (tmp_path / "large").write_bytes(bytes(20_000_001))
    assert database.run(f"diff {tmp_path}/large")[::2] == (2, f"ovstool: {tmp_path}/large: larger than 20 MB, too large for a document\n")
    assert database.run(f"diff {tmp_path}")[::2] == (2, f"ovstool: {tmp_path}: Is a directory\n")
    assert database.run(f"diff {tmp_path}/absent")[0] == 2


def test_many_errors_are_cut_short(database, page):
    path = page("bridges:\n" + "".join(f"  b{n}: {{x: 1}}\n" for n in range(80)))
    code, _, err = database.run(f"diff {path}")
    assert (code, err.count("\n")) == (2, 50)
    assert err.splitlines()[-1] == f"ovstool: {path}: 31 more errors; try: after the ones above are corrected"


def test_an_export_applied_to_an_empty_switch_gives_the_same_export(database, page):
    database.put(TREE)
    before = database.tree()
    database.put({})
    path = page(TEXT)
    code, out, err = database.run(f"apply {path}")
    assert code == 0 and {line.split(": ")[1] for line in err.splitlines()} == {"note"}  # of what the userspace datapath cannot do
    assert out.splitlines()[:3] == ["br0: created", "bond0: created", "eth1: created"]
    assert database.run("export") == (0, TEXT, "")
    before["br0"]["ports"]["tap"]["interfaces"]["tap"] = {"ingress_policing_rate": 10000, "ingress_policing_burst": 8000}
    del before["br0"]["sflow"]["external_ids"]
    assert database.without_records() == before
    assert {line.split(": ")[1] for line in database.run(f"apply {path}")[1].splitlines()} == {"unchanged"}
    assert database.run(f"diff {path}")[0] == 0


CHANGED = """
bridges:
  br7:
    fail_mode: secure
    sflow: {collectors: ["127.0.0.1:6343"]}
    mirrors: {mm: {select_src_ports: [in1], output_port: in2}}
    ports:
      in1: {type: internal, tag: 5, qos: {max_rate: 10mbit, queues: {0: {min: 1mbit}, 1: {max: 5mbit}}}, police: {rate: 5mbit}}
      in2: {type: internal}
      bb: {bond: {interfaces: [x1, x2], lacp: active}}
  br0:
    fail_mode: null
    controllers: ["tcp:10.0.0.2:6653"]
    sflow: null
    mirrors: {m0: null, m1: {select_all: true, output_port: bond0}}
    ports:
      eth1: {qos: {queues: {0: {min: 80mbit}, 5: null}}, external_ids: {a: b}, other_config: {"a b": null}}
      bond0: {bond: {interfaces: [e2, e4]}, mtu: 1300, external_ids: {c: d}}
      tap: {police: null, tag: 9}
      br0: {mtu: 1500}
"""


def test_the_line_of_ovs_vsctl_does_the_same(database, page):
    path = page(CHANGED)
    database.put(TREE)
    code, line, _ = database.run(f"--no-wait -n --as-ovs apply {path}")
    assert code == 0 and database.tree()["br0"]["ports"]["tap"]["interfaces"]
    database.switch.vsctl(line.removeprefix("ovs-vsctl ").strip())
    by_ovs = database.tree()
    database.put(TREE)
    code, out, _ = database.run(f"apply {path}")
    assert (code, database.tree()) == (0, by_ovs)
    assert out.split("\n")[:6] == ["br7: created", "in1: created", "in2: created", "bb: created", "br0: updated", "eth1: updated"]
    assert database.run(f"diff {path}")[0] == 0
    bond = by_ovs["br0"]["ports"]["bond0"]["interfaces"]
    assert bond == {name: {"mtu_request": 1300, "external_ids": {"c": "d"}} for name in ("e2", "e4")}
    assert by_ovs["br0"]["ports"]["eth1"]["qos"]["queues"] == {0: {"other_config": {"min-rate": "80000000"}}, 1: SHAPED["queues"][1]}


def test_a_dry_run_and_read_only_change_nothing(database, page):
    database.put(TREE)
    before = database.tree()
    code, plan, notes = database.run(f"-n apply {page(CHANGED)} --prune")
    assert (code, json.loads(plan)[0], database.tree()) == (0, "Open_vSwitch", before)
    assert "ovstool: note: vx: would be deleted\n" in notes
    assert database.run(f"--read-only apply {page(CHANGED)}")[0] == 2
    assert database.run(f"--read-only diff {page(CHANGED)}")[0] == 1


def test_prune_removes_ports_of_the_bridges_named_alone(database, page):
    shared = {"type": "linux-htb", "other_config": {"max-rate": "1000000"}, "queues": {1: {}}}
    database.put({
        "br0": {"ports": {"a": {"qos": shared}, "b": {"qos": shared}, "c": {"qos": SHAPED}, "d": {}}}, "br1": {"ports": {"z": {}}}, "br2": {}
    })  # fmt: skip
    path = page("bridges: {br0: {ports: {a: {qos: {max_rate: 2mbit}}, d: {}}}}")
    code, out, err = database.run(f"apply {path} --prune")
    assert (code, out) == (0, "br0: unchanged\na: updated\nd: unchanged\nb: deleted\nc: deleted\n")
    assert "any flows that steer into queues of b, c remain" in err  # no ovs-vswitchd runs here
    assert database.without_records() == {
        "br0": {"ports": {"a": {"qos": {"type": "linux-htb", "other_config": {"max-rate": "2000000"}, "queues": {1: {}}}}, "d": {}}},
        "br1": {"ports": {"z": {}}}, "br2": {},
    }  # fmt: skip
    assert database.count("QoS", "Queue") == [1, 1]
    assert database.run(f"apply {path} --prune")[1] == "br0: unchanged\na: unchanged\nd: unchanged\n"


def test_prune_keeps_what_a_mirror_of_the_document_needs(database, page):
    database.put(TREE)
    code, _, error = database.run(f"apply {page('bridges: {br0: {mirrors: {m0: {output_port: tap}}, ports: {eth1: {}}}}')} --prune")
    assert (code, error) == (2, "ovstool: mirror m0: its port tap would be removed; try: tap: {} among the ports\n")


def test_a_mirror_that_changes_loses_the_ports_that_are_pruned(database, page):
    mirror = {"select_src_port": ["a", "b"], "select_dst_port": ["b"], "output_port": "b"}
    database.put({"br0": {"mirrors": {"m": mirror}, "ports": {"a": {}, "b": {}}}})
    assert database.run(f"apply {page('bridges: {br0: {mirrors: {m: {select_all: true}}, ports: {a: {}}}}')} --prune")[0] == 0
    assert database.without_records() == {"br0": {"mirrors": {"m": {"select_all": True, "select_src_port": "a"}}, "ports": {"a": {}}}}


def test_a_burst_that_is_removed_becomes_that_of_the_rate(database, page):
    limits = {"ingress_policing_rate": 1000, "ingress_policing_kpkts_rate": 10}
    others = {"ingress_policing_burst": 300, "ingress_policing_kpkts_burst": 9}
    defaults = {"ingress_policing_burst": 222, "ingress_policing_kpkts_burst": 3}
    database.put({"br0": {"ports": {"p": {"interfaces": {"p": limits | others}}}}})
    path = page("bridges: {br0: {ports: {p: {police: {rate: 1mbit, burst: null, packet_burst: null}}}}}")
    assert database.run(f"apply {path}")[1] == "br0: unchanged\np: updated\n"
    assert database.without_records() == {"br0": {"ports": {"p": {"interfaces": {"p": limits | defaults}}}}}
    assert database.run(f"apply {path}")[1] == "br0: unchanged\np: unchanged\n" and database.run(f"diff {path}")[0] == 0
    path = page("bridges: {br0: {ports: {p: {police: {rate: 2mbit, burst: null}}}}}")
    assert database.run(f"apply {path}")[0] == 0 and database.run(f"diff {path}")[0] == 0
    database.put({"br0": {"ports": {"p": {"interfaces": {"a": limits | others, "b": {"ingress_policing_rate": 5000}}}}}})
    assert database.run(f"apply {page('bridges: {br0: {ports: {p: {police: {burst: null}}}}}')}")[0] == 0
    members = database.tree()["br0"]["ports"]["p"]["interfaces"]
    assert [members[name]["ingress_policing_burst"] for name in ("a", "b")] == [222, 1062]


def test_a_qos_that_another_port_uses_stays(database, page):
    database.put({"br0": {"ports": {"a": {"qos": SHAPED}, "b": {"qos": SHAPED}}}})
    assert database.run(f"apply {page('bridges: {br0: {ports: {a: {qos: {max_rate: 2mbit}}}}}')}")[0] == 0
    ports = database.tree()["br0"]["ports"]
    assert ports["b"]["qos"] == SHAPED and ports["a"]["qos"]["other_config"] == {"max-rate": "2000000"}
    assert (
        database.run(f"apply {page('bridges: {br0: {ports: {a: {qos: null}, b: {qos: null}}}}')}")[1]
        == "br0: unchanged\na: updated\nb: updated\n"
    )
    assert database.count("QoS", "Queue") == [0, 0]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("{br0: {ports: {eth1: {trunks: [7]}}}}", 2, "port eth1: has a tag, so Open vSwitch ignores its trunks; "
                                                      "try: no tag, no trunks, or both with vlan_mode: native-untagged"),
        ("{br0: {ports: {vx: {options: {ttl: x}}}}}", 2, "port vx: option ttl must be 1 to 255 or inherit, not x"),
        ("{br0: {ports: {vx: {remote_ip: null}}}}", 2, "port vx: vxlan needs the option remote_ip; try: remote_ip: IP"),
        ("{br0: {ports: {tap: {options: {key: 5}}}}}", 2, "port tap: option key is only for tunnels; try: type: vxlan or geneve or gre"),
        ("{br0: {ports: {eth1: {qos: {queues: {0: {max: 1mbit}}}}}}}", 2, "queue 0: its min is above its max"),
        ("{br0: {mirrors: {m0: {output_port: nosuch}}}}", 3, "mirror m0: bridge br0 has no port nosuch; try: a port of br0"),
        ("{br0: {mirrors: {m0: {output_vlan: 9}}}}", 2, "mirror m0: would have an output_port and an output_vlan, which is then ignored; try: null "),
        ("{br2: {sflow: {sampling: 64}}}", 2, 'bridge br2: sFlow needs a collector; try: collectors: ["10.0.0.5:6343"]'),
        ("{br0: {ports: {vy: {type: vxlan, remote_ip: 192.0.2.7, key: 16}}}}", 4,
         "port vy: vx is already a vxlan tunnel with the same addresses, key and port; try: another key or remote_ip"),
        ("{br0: {ports: {bond0: {bond: {interfaces: [e2, gre_sys]}}}}}", 2, "port gre_sys: Open vSwitch reserves this name for its own devices"),
        ("{br0: {ports: {gre_sys: {}}}}", 2, "port gre_sys: Open vSwitch reserves this name for its own devices"),
        ("{br0: {datapath_type: nosuch}}", 6,
         "datapath type nosuch: this Open vSwitch has no such datapath; try: datapath_type: netdev or system"),
        ("{br0: {ports: {tap: {type: nosuch}}}}", 6, "port tap: this Open vSwitch does not support type nosuch; it supports "),
        ("{br0: {ports: {n: {type: nosuch}}}}", 6, "port n: this Open vSwitch does not support type nosuch; it supports "),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_switch(database, page, text, code, said):
    database.put(TREE)
    types = {"iface_types": ["set", ["internal", "system", "vxlan"]], "datapath_types": ["set", ["netdev", "system"]]}
    database.transact({"op": "update", "table": "Open_vSwitch", "where": [], "row": types})
    before = database.tree()
    done, out, error = database.run(f"apply {page(f'bridges: {text}')}")
    database.transact({"op": "update", "table": "Open_vSwitch", "where": [], "row": {key: ["set", []] for key in types}})
    assert (done, out, database.tree()) == (code, "", before)
    assert error.removeprefix("ovstool: ").startswith(said) and error.count("\n") == 1


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"op": "update", "table": "Port", "where": [["name", "==", "eth1"]], "row": {"tag": 77}},
        {"op": "update", "table": "QoS", "where": [], "row": {"other_config": ["map", [["max-rate", "5000000"]]]}},
        {"op": "update", "table": "Queue", "where": [["dscp", "==", 10]], "row": {"dscp": 11}},
        {"op": "update", "table": "Interface", "where": [["name", "==", "tap"]], "row": {"external_ids": ["map", [["iface-id", "new"]]]}},
        {"op": "update", "table": "Bridge", "where": [["name", "==", "br0"]], "row": {"external_ids": ["map", [["other", "new"]]]}},
        {"op": "update", "table": "sFlow", "where": [], "row": {"polling": 77}},
        {"op": "update", "table": "Mirror", "where": [], "row": {"snaplen": 77}},
    ],
    ids=lambda operation: operation["table"],
)
def test_what_others_change_meanwhile_stays(database, page, meanwhile):
    text = """
        bridges:
          br0:
            external_ids: {mine: x}
            sflow: {sampling: 100}
            mirrors: {m0: {select_all: true}}
            ports:
              eth1: {other_config: {mine: x}, qos: {queues: {0: {min: 80mbit}}}}
              tap: {external_ids: {mine: x}}
    """
    trees = []
    for first in (True, False):
        database.put(TREE)
        if first:
            database.transact(meanwhile)
            assert database.run(f"apply {page(text)}")[0] == 0
        else:
            assert database.run_while(f"apply {page(text)}", lambda: database.transact(meanwhile))[0] == 0
        trees.append(database.tree())
    assert trees[0] == trees[1]


@pytest.mark.parametrize(("kinds", "made"), [(["netdev"], "netdev"), (["netdev", "system"], None), (["dummy"], None), ([], None)])
def test_the_datapath_of_a_new_bridge(database, page, kinds, made):
    database.put({})
    column = {"op": "update", "table": "Open_vSwitch", "where": []}
    database.transact(column | {"row": {"datapath_types": ["set", kinds]}})
    code, _, said = database.run(f"apply {page('bridges: {br0: {}}')}")
    database.transact(column | {"row": {"datapath_types": ["set", []]}})
    if "dummy" in kinds:
        assert (code, said.partition(";")[0]) == (6, "ovstool: datapath type system: this Open vSwitch has no such datapath")
    else:
        assert code == 0 and database.tree()["br0"].get("datapath_type") == made


def test_two_applies_at_once(database, page):
    path = page(TEXT)
    database.put({})
    code, out, err = database.run_while(f"apply {path}", lambda: database.run(f"apply {path}"))
    assert (code, err) == (0, "") and {line.split(": ")[1] for line in out.splitlines()} == {"unchanged"}
    assert database.run("export")[1] == TEXT


def test_parameters_of_this_machine(database, page, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    database.put({"br0": {"external_ids": {"a": "${host}"}}})
    path = page('bridges: {br0: {external_ids: {name: "${host}"}}}')
    assert database.run(f"apply {path}") == (0, "br0: updated\n", "")
    name = socket.gethostname()
    assert database.without_records()["br0"]["external_ids"] == {"a": "${host}", "name": name}
    assert database.ask("export") == {"bridges": {"br0": {"external_ids": {"a": "$${host}", "name": name}}}}
    path = page('bridges: {br0: {external_ids: {name: "${vlan}"}}}')
    said = f"ovstool: {path}:1:38: ${{vlan}} has no value for {name}: "
    absent = f"there is no inventory {tmp_path}/ovstool/inventory.yaml; try: --inventory FILE\n"
    assert database.run(f"apply {path}") == (2, "", said + absent)
    (tmp_path / "ovstool").mkdir()
    inventory = tmp_path / "ovstool/inventory.yaml"
    inventory.write_text("vars: {other: {vlan: 1}}")
    absent = f"no such host in {inventory} (read as ovstool's own YAML); try: add it there, or another --inventory FILE\n"
    assert database.run(f"apply {path}")[2] == said + absent
    inventory.write_text(f'vars: {{"{name}": {{vlan: 1}}}}')
    assert database.run(f"apply {path}") == (0, "br0: updated\n", "")
    assert database.run(f"--db tcp:192.0.2.1:6640 diff {path}")[2].endswith(
        ": ${vlan} has no value for tcp:192.0.2.1:6640: it is not known which host this database is on; try: -H HOST\n"
    )
