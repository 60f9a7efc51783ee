"""What documents own: dropped settings are removed, those of others stay, and a second apply sends no write."""

import json

import pytest

PREFIX = "ovstool-document-"


class Documents:
    """Documents by name, applied to a database."""

    def __init__(self, database, folder):
        self.database = database
        self._folder = folder

    def path(self, name: str, text: str) -> str:
        path = self._folder / f"{name}.yaml"
        path.write_text(f"bridges: {text}" if text.startswith("{") else text)
        return str(path)

    def apply(self, name: str, text: str, *options: str) -> str:
        """What it prints; a diff finds something exactly when it changes something, and a second apply changes nothing."""
        path = self.path(name, text)
        differs, rows, _ = self.database.run(f"diff {path} -f json {' '.join(options)}")
        code, out, err = self.database.run(f"apply {path} {' '.join(options)}")
        assert code == 0, err
        changed = [line for line in out.splitlines() if not line.endswith(": unchanged")]
        assert (differs, bool(json.loads(rows))) == (int(bool(changed)), bool(changed)), (rows, out)
        self.again(path, *options)
        return out

    def again(self, path: str, *options: str) -> None:
        before = self.database.tree()
        assert self.database.run(f"-n apply {path} {' '.join(options)}")[1] == '["Open_vSwitch"]\n'  # a transaction of nothing
        code, out, _ = self.database.run(f"apply {path} {' '.join(options)}")
        assert code == 0 and all(line.endswith(": unchanged") for line in out.splitlines()), out
        assert self.database.tree() == before
        assert self.database.run(f"diff {path} {' '.join(options)}")[0] == 0

    def conflict(self, name: str, text: str, *options: str) -> str:
        path, before = self.path(name, text), self.database.tree()
        said = [self.database.run(f"{command} {path} {' '.join(options)}") for command in ("diff", "apply")]
        assert [code for code, _, _ in said] == [4, 4] and said[0][2] == said[1][2]
        assert self.database.tree() == before
        return said[0][2].removeprefix("ovstool: ").removesuffix("\n")

    def records(self) -> dict:
        """What each document owns, by bridge or port and by document."""
        found = {}
        for bridge, row in self.database.tree().items():
            for name, of in {bridge: row, **{f"{bridge}/{name}": port for name, port in row.get("ports", {}).items()}}.items():
                ids = {key.removeprefix(PREFIX): text for key, text in of.get("external_ids", {}).items() if key.startswith(PREFIX)}
                found |= {name: ids} if ids else {}
        return found


@pytest.fixture
def documents(database, tmp_path):
    database.put({})
    return Documents(database, tmp_path)


P = "{{br0: {{ports: {{p: {{{}}}}}}}}}"  # a document that says this of port p of br0
B = "{{br0: {{{}}}}}"
HTB = {"type": "linux-htb", "other_config": {"max-rate": "1000000"}}
POLICED = {"ingress_policing_rate": 1000, "ingress_policing_burst": 222}


def port(**columns):
    return {"br0": {"ports": {"p": columns}}}


def interface(**columns):
    return port(interfaces={"p": columns})


# What is there, what the document says first, what it owns then, what it says next, and what is left.
DROPPED = [
    ("a field", port(), P.format("tag: 5"), "tag", P.format(""), port()),
    ("one of two", port(), P.format("tag: 5, other_config: {x: y}"), "other_config.x, tag", P.format("tag: 5"), port(tag=5)),
    ("it was there", port(tag=5), P.format("tag: 5"), None, P.format(""), port(tag=5)),
    ("it was another", port(tag=5), P.format("tag: 6"), "tag", P.format(""), port()),
    ("the port is not named", port(), P.format("tag: 5"), "tag", "{br0: {}}", port()),
    ("the bridge is not named", port(), P.format("tag: 5"), "tag", "{}", port()),
    ("a type", port(), P.format("type: vxlan, remote_ip: 192.0.2.7"), "options.remote_ip, type", P.format(""), port()),
    ("a key", interface(external_ids={"x": "y"}), P.format('external_ids: {"a.b": c, "a, d": ""}'),
     'external_ids."a, d", external_ids."a.b"', P.format(""), interface(external_ids={"x": "y"})),
    ("the MTU", port(), P.format("mtu: 1400"), "mtu", P.format(""), port()),
    ("a limit", port(), P.format("police: {rate: 1mbit}"), "police, police.rate", P.format(""), port()),
    ("another limit", interface(ingress_policing_kpkts_rate=3, ingress_policing_kpkts_burst=1), P.format("police: {rate: 1mbit}"),
     "police.rate", P.format(""), interface(ingress_policing_kpkts_rate=3, ingress_policing_kpkts_burst=1)),
    ("a QoS", port(), P.format("qos: {max_rate: 1mbit, queues: {0: {min: 1mbit}}}"),
     "qos, qos.max_rate, qos.queues.0, qos.queues.0.min", P.format(""), port()),
    ("its queue", port(), P.format("qos: {max_rate: 1mbit, queues: {0: {min: 1mbit}}}"),
     "qos, qos.max_rate, qos.queues.0, qos.queues.0.min", P.format("qos: {max_rate: 1mbit}"), port(qos=HTB)),
    ("the value of a queue", port(), P.format("qos: {max_rate: 1mbit, queues: {0: {min: 1mbit}}}"),
     "qos, qos.max_rate, qos.queues.0, qos.queues.0.min", P.format("qos: {max_rate: 1mbit, queues: {0: {}}}"),
     port(qos=HTB | {"queues": {0: {}}})),
    ("a queue of another's QoS", port(qos=HTB | {"queues": {7: {"dscp": 9}}}), P.format("qos: {queues: {0: {}, 7: {dscp: 10}}}"),
     "qos.queues.0, qos.queues.7.dscp", P.format(""), port(qos=HTB | {"queues": {7: {}}})),
    ("its type", port(qos=HTB), P.format("qos: {type: sfq}"), "qos.type", P.format(""), port(qos={"type": "linux-htb"})),
    ("a bond's mode", port(interfaces={"x": {}, "y": {}}), P.format("bond: {interfaces: [x, z], mode: balance-slb}"),
     "bond.interfaces, bond.mode", P.format(""), port(interfaces={"x": {}, "z": {}})),
    ("a field of a bridge", {"br0": {}}, B.format("fail_mode: secure, protocols: [OpenFlow13]"), "fail_mode, protocols",
     B.format("protocols: [OpenFlow13]"), {"br0": {"protocols": "OpenFlow13"}}),
    ("external_ids of a bridge", {"br0": {"external_ids": {"x": "y"}}}, B.format("external_ids: {a: b}"), "external_ids.a", B.format(""),
     {"br0": {"external_ids": {"x": "y"}}}),
    ("sFlow", {"br0": {}}, B.format('sflow: {collectors: ["10.0.0.5"], polling: 9}'), "sflow, sflow.collectors, sflow.polling",
     B.format(""), {"br0": {}}),
    ("a field of sFlow", {"br0": {"sflow": {"targets": "10.0.0.5:6343"}}}, B.format('sflow: {collectors: ["10.0.0.6"], polling: 9}'),
     "sflow.collectors, sflow.polling", B.format(""), {"br0": {"sflow": {"targets": "10.0.0.6:6343"}}}),
    ("a mirror", {"br0": {}}, B.format("mirrors: {m: {select_all: true, output_vlan: 9}}"),
     "mirrors.m, mirrors.m.output_vlan, mirrors.m.select_all", B.format(""), {"br0": {}}),
    ("a field of a mirror", {"br0": {"mirrors": {"m": {"output_vlan": 9}}}}, B.format("mirrors: {m: {select_all: true}}"),
     "mirrors.m.select_all", B.format(""), {"br0": {"mirrors": {"m": {"output_vlan": 9}}}}),
    ("controllers", {"br0": {}}, B.format('controllers: ["tcp:10.0.0.1:6653"]'), "controllers", B.format(""), {"br0": {}}),
    ("the local port", {"br0": {}}, "{br0: {ports: {br0: {tag: 4}}}}", "tag", "{br0: {}}", {"br0": {}}),
]  # fmt: skip

KEPT = {  # what is still owned then
    P.format("tag: 5"): "tag", P.format("qos: {max_rate: 1mbit}"): "qos, qos.max_rate", B.format("protocols: [OpenFlow13]"): "protocols",
    P.format("qos: {max_rate: 1mbit, queues: {0: {}}}"): "qos, qos.max_rate, qos.queues.0",
}  # fmt: skip


@pytest.mark.parametrize(("there", "first", "owned", "then", "left"), [row[1:] for row in DROPPED], ids=[row[0] for row in DROPPED])
def test_what_is_dropped_is_removed(documents, there, first, owned, then, left):
    documents.database.put(there)
    documents.apply("a", first)
    owner = next(iter(documents.records().values()), {})
    assert owner.get("a") == owned
    documents.apply("a", then)
    assert documents.database.without_records() == left
    assert next(iter(documents.records().values()), {}).get("a") == KEPT.get(then)
    assert documents.database.count("QoS", "Queue") == [
        sum("qos" in port for bridge in left.values() for port in bridge.get("ports", {}).values()),
        sum(len(port.get("qos", {}).get("queues", {})) for bridge in left.values() for port in bridge.get("ports", {}).values()),
    ]


def test_what_a_document_created_goes_with_it(documents):
    whole = "{br0: {}, br1: {fail_mode: secure, ports: {p: {type: internal, tag: 5, qos: {queues: {1: {}}}}, br1: {tag: 7}}}}"
    assert documents.apply("a", whole) == "br0: created\nbr1: created\np: created\n"
    assert documents.records() == {
        "br0": {"a": "bridge"}, "br1": {"a": "bridge, fail_mode"}, "br1/p": {"a": "port, qos, qos.queues.1, tag, type"}, "br1/br1": {"a": "tag"},
    }  # fmt: skip
    rows = json.loads(documents.database.run(f"diff {documents.path('a', '{br0: {}}')} -f json")[1])
    assert [tuple(row.values()) for row in rows] == [("br1", "bridge", "br1", None), ("p", "bridge", "br1", None)]
    assert documents.apply("a", "{br0: {}}") == "br0: unchanged\nbr1: deleted\np: deleted\n"
    assert documents.database.without_records() == {"br0": {}} and documents.database.count("QoS", "Queue") == [0, 0]
    assert documents.database.run("undo")[0] == 0
    assert documents.apply("a", whole) == "br0: unchanged\nbr1: unchanged\np: unchanged\n"
    assert documents.apply("a", "{br0: {}, br1: {fail_mode: secure, ports: {br1: {tag: 7}}}}").endswith("p: deleted\n")


def test_a_bridge_stays_for_ports_of_others(documents):
    documents.apply("a", "{br0: {fail_mode: secure, ports: {p: {tag: 5}}}}")
    documents.apply("b", "{br0: {ports: {q: {}}}}")
    path = documents.path("a", "{}")
    code, out, err = documents.database.run(f"apply {path}")
    assert (code, out) == (0, "p: deleted\n")
    assert err == "ovstool: note: bridge br0: stays as it is because of port q\n"
    assert documents.records() == {"br0": {"a": "bridge, fail_mode"}, "br0/q": {"b": "port"}}
    documents.again(path)
    documents.apply("b", "{br0: {ports: {q: {}, r: {}}}}")
    assert documents.database.run(f"apply {path}")[2] == "ovstool: note: bridge br0: stays as it is because of ports q, r\n"
    assert documents.apply("b", "{br0: {}}") == "br0: unchanged\nq: deleted\nr: deleted\n"
    assert documents.apply("a", "{}") == "br0: deleted\n" and documents.database.tree() == {}


def test_a_bridge_stays_for_a_local_port_that_another_document_owns(documents):
    documents.apply("a", "{br0: {}, br1: {}}")
    documents.apply("b", "{br1: {ports: {br1: {tag: 7}}}}")
    path = documents.path("a", "{br0: {}}")
    note = "ovstool: note: bridge br1: stays as it is because of port br1\n"
    assert documents.database.run(f"diff {path}") == (0, "", note)
    assert documents.database.run(f"apply {path}") == (0, "br0: unchanged\n", note)
    assert documents.records() == {"br0": {"a": "bridge"}, "br1": {"a": "bridge"}, "br1/br1": {"b": "tag"}}
    documents.apply("b", "{}")
    assert documents.apply("a", "{br0: {}}") == "br0: unchanged\nbr1: deleted\n"


def test_what_two_documents_own_stays_for_the_other(documents):
    documents.database.put({"br0": {}})
    documents.apply("a", "{br0: {ports: {p: {tag: 5, qos: {type: htb, max_rate: 1mbit, queues: {1: {}}}}}}}")
    documents.apply("b", "{br0: {ports: {p: {mtu: 1400, qos: {queues: {1: {dscp: 10}, 2: {}}}}}}}")
    documents.apply("a", "{br0: {}}")
    assert documents.records() == {"br0/p": {"b": "port, mtu, qos, qos.queues.1, qos.queues.1.dscp, qos.queues.2"}}
    queues = {1: {"dscp": 10}, 2: {}}
    assert documents.database.without_records() == port(
        interfaces={"p": {"mtu_request": 1400}}, qos={"type": "linux-htb", "queues": queues}
    )
    assert documents.apply("b", "{}") == "p: deleted\n"
    assert documents.database.tree() == {"br0": {}} and documents.database.count("QoS", "Queue") == [0, 0]


def test_what_stays_for_another_document_still_works(documents):
    documents.database.put({"br0": {}})
    tunnel = "{type: vxlan, remote_ip: 192.0.2.7, tag: 5}"
    documents.apply("a", f"{{br0: {{ports: {{p: {tunnel}}}}}, br1: {{datapath_type: netdev, fail_mode: secure}}}}")
    documents.apply("b", "{br0: {ports: {p: {mtu: null, other_config: {x: y}}}}, br1: {external_ids: {x: y}}}")
    path = documents.path("a", "{br0: {}}")
    assert documents.database.run(f"apply {path}")[0] == 0
    documents.again(path)
    left = {"interfaces": {"p": {"type": "vxlan", "options": {"remote_ip": "192.0.2.7"}}}, "other_config": {"x": "y"}}
    assert documents.database.without_records() == {
        "br0": {"ports": {"p": left}}, "br1": {"datapath_type": "netdev", "external_ids": {"x": "y"}},
    }  # fmt: skip
    assert documents.records() == {"br0/p": {"b": "port, other_config.x"}, "br1": {"b": "bridge, external_ids.x"}}
    assert documents.apply("b", "{br0: {}}") == "br0: unchanged\np: deleted\nbr1: deleted\n"


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("tag: 5", "tag: 6", "tag belongs to document a, not b; try: --take-over, or one of the two without it"),
        ("tag: 5", "tag: 5", "tag belongs"), ("tag: 5", "tag: null", "tag belongs"),
        ("qos: {queues: {1: {}, 2: {min: 1mbit}}}", "qos: null", "qos, qos.queues.1, qos.queues.2, qos.queues.2.min belong to document a, not b"),
        ("qos: {queues: {1: {}}}", "qos: {type: sfq}", "qos.queues.1 belongs"), ("qos: {queues: {1: {}}}", "qos: {queues: {1: null}}", "qos.queues.1"),
        ("police: {rate: 3mbit, burst: 1mbit}", "police: {rate: 4mbit}", "police.burst belongs"),
        ("police: {packet_rate: 3000, packet_burst: 2000}", "police: {packet_rate: 4000}", "police.packet_burst belongs"),
        ("external_ids: {x: y}", "external_ids: {x: y}", "external_ids.x belongs"), ("trunks: [5, 6]", "trunks: [6]", "trunks belongs"),
        ("bond: {interfaces: [x, y]}", "bond: {interfaces: [x, z]}", "bond.interfaces belongs"),
    ],
)  # fmt: skip
def test_two_documents_that_own_the_same(documents, first, second, said):
    limits = {"ingress_policing_rate": 3000, "ingress_policing_kpkts_rate": 3}
    documents.database.put({"br0": {"ports": {"p": {"external_ids": {"of": "others"}, "interfaces": {"p": limits}}}}})
    documents.apply("a", P.format(first))
    assert documents.conflict("b", P.format(second)).startswith(f"port p: {said}")
    documents.apply("b", P.format(second), "--take-over")
    own = documents.records().get("br0/p", {})
    assert own.get("a") is None or not set(own["a"].split(", ")) & set(own.get("b", "").split(", "))
    documents.apply("b", "{}")
    documents.apply("a", "{}", "--take-over")
    assert documents.records() == {} and documents.database.count("QoS", "Queue") == [0, 0]
    assert documents.database.tree()["br0"]["ports"]["p"]["external_ids"] == {"of": "others"}


def test_a_document_that_gets_another_name(documents):
    text = "{br0: {fail_mode: secure, ports: {p: {tag: 5, qos: {queues: {1: {}}}}, q: {}}}}"
    documents.apply("a", text)
    assert (
        documents.conflict("b", text)
        == "bridge br0: fail_mode belongs to document a, not b; try: --take-over, or one of the two without it"
    )
    before = documents.records()
    rows = json.loads(documents.database.run(f"diff --take-over {documents.path('b', text)} -f json")[1])
    assert [tuple(row.values()) for row in rows if row["object"] == "q"] == [
        ("q", "ovstool-document-a", "port", None), ("q", "ovstool-document-b", None, "port")
    ]  # fmt: skip
    assert documents.apply("b", text, "--take-over") == "br0: updated\np: updated\nq: updated\n"
    assert documents.records() == {name: {"b": owned["a"]} for name, owned in before.items()}
    assert documents.apply("a", "{}") == "" and documents.apply("b", "{}") == "br0: deleted\np: deleted\nq: deleted\n"


def test_a_document_without_a_name_owns_nothing(documents):
    text = "name: null\nbridges: {br0: {ports: {p: {tag: 5}}}}"
    documents.apply("x", text)
    assert documents.records() == {}
    documents.apply("x", "name: null\nbridges: {}")
    assert documents.database.tree() == port(tag=5)
    documents.apply("a", P.format("tag: 6"))
    documents.apply("x", "name: null\nbridges: {br0: {ports: {p: {tag: 6}}}}")
    said = documents.conflict("x", text)
    assert said == "port p: tag belongs to document a, and this one has no name; try: --take-over, or one of the two without it"
    documents.apply("x", text, "--take-over")
    assert (documents.records(), documents.database.tree()) == ({}, port(tag=5))
    for path in ("a b.yaml", "ü.yaml"):
        (documents._folder / path).write_text("bridges: {br0: {ports: {p: {tag: 7}}}}")
        assert documents.database.run(f'apply "{documents._folder}/{path}"')[0] == 0 and documents.records() == {}


def test_prune_and_another_document(documents):
    documents.database.put({"br0": {}})
    documents.apply("a", "{br0: {ports: {p: {}, q: {tag: 5}, r: {}}}}")
    documents.apply("b", "{br0: {ports: {r: {tag: 7}}}}")
    assert documents.conflict("b", "{br0: {}}", "--prune") == "port p: document a owns it; try: --take-over"
    assert documents.apply("a", "{br0: {ports: {r: {}}}}", "--prune") == "br0: unchanged\nr: unchanged\np: deleted\nq: deleted\n"
    assert documents.conflict("a", "{br0: {}}", "--prune") == "port r: document b owns tag; try: --take-over"
    assert documents.apply("a", "{br0: {}}") == "br0: unchanged\nr: updated\n"
    assert documents.records() == {"br0/r": {"b": "port, tag"}}


def test_ports_that_become_a_bond(documents):
    documents.database.put({"br0": {"ports": {"e3": {}}}})
    documents.apply("a", "{br0: {ports: {e1: {tag: 5}, e2: {qos: {max_rate: 1mbit}}}}}")
    bond = "{br0: {ports: {bond: {bond: {interfaces: [e1, e2]}}}}}"
    assert documents.apply("a", bond) == "br0: unchanged\nbond: created\ne1: deleted\ne2: deleted\n"
    assert documents.conflict("b", bond.replace("e1, e2", "e2, e3").replace("bond: {b", "team: {b")).startswith(
        "port team: interface e2 belongs to"
    )
    documents.apply("a", "{br0: {ports: {e1: {}, e2: {}}}}")
    assert documents.apply("b", "{br0: {ports: {bond: {bond: {interfaces: [e3, e4]}}, e1: {}, e2: {}}}}", "--prune").endswith(
        "e3: deleted\n"
    )
    assert documents.database.without_records() == {"br0": {"ports": {"bond": {"interfaces": {"e3": {}, "e4": {}}}, "e1": {}, "e2": {}}}}


def test_a_record_that_is_no_longer_true(documents):
    documents.database.put(port())
    documents.apply("a", P.format("tag: 5, mtu: 1400"))
    documents.database.run("port set p --unset tag")
    rows = json.loads(documents.database.run(f"diff {documents.path('a', P.format('mtu: 1400'))} -f json")[1])
    assert [tuple(row.values()) for row in rows] == [("p", "ovstool-document-a", "mtu, tag", "mtu")]
    assert documents.apply("a", P.format("mtu: 1400")) == "br0: unchanged\np: updated\n"
    documents.database.run("qos set p --max-rate 1mbit")
    documents.apply("a", P.format("mtu: 1500, tag: 5"))
    documents.database.run("port del p")
    documents.apply("a", P.format("mtu: 1500"))
    assert documents.records() == {"br0/p": {"a": "port, mtu"}}


@pytest.mark.parametrize(
    "text", ["", "tag,", "tag, ", ", tag", 'x."y', 'external_ids."\\x"', "tag\n", ".", "nosuch", "tag.x", "qos.queues", "bond", "bridge"]
)  # fmt: skip
def test_what_cannot_be_read_owns_nothing(documents, text):
    documents.database.put({"br0": {"ports": {"p": {"tag": 5, "external_ids": {"ovstool-document-a": text, "ovstool-document-b": text}}}}})
    assert documents.apply("a", P.format("tag: 6")) == "br0: unchanged\np: updated\n"
    assert documents.records() == {"br0/p": {"a": "tag", "b": text}}


def test_external_ids_of_a_bridge_keep_the_records(documents):
    documents.database.put({"br0": {}})
    documents.apply("a", B.format("external_ids: {x: y}"))
    documents.apply("b", B.format("external_ids: {z: w}"))
    assert documents.database.run("bridge set br0 --external-id v=w")[0] == 0
    assert documents.database.ask("export")["bridges"]["br0"] == {"external_ids": {"v": "w", "x": "y", "z": "w"}}
    documents.apply("a", B.format("external_ids: {x: null}"))
    assert documents.database.tree() == {"br0": {"external_ids": {"v": "w", "z": "w", "ovstool-document-b": "external_ids.z"}}}
    documents.apply("x", "name: null\nbridges: {br0: {external_ids: {v: u}}}")
    assert documents.records() == {"br0": {"b": "external_ids.z"}}
    documents.apply("b", B.format("external_ids: null"))
    assert documents.database.tree() == {"br0": {}}


def test_an_export_of_what_is_there_owns_nothing(documents):
    documents.database.put({"br0": {"fail_mode": "secure", "ports": {"p": {"tag": 5, "qos": HTB}}}})
    text = documents.database.run("export")[1]
    documents.again(documents.path("a", text))
    assert documents.records() == {}


def test_the_transaction_in_other_forms(documents):
    documents.database.put({"br0": {"ports": {"p": {"tag": 9, "external_ids": {"a b": '"'}}}}})
    documents.apply("a", P.format('mtu: 1400, external_ids: {"a b": ","}'))
    before = documents.database.tree()
    path = documents.path("a", P.format("tag: 6"))
    line = documents.database.run(f"--no-wait -n --as-ovs apply {path}")[1]
    documents.database.switch.vsctl(line.removeprefix("ovs-vsctl ").strip())
    by_ovs = documents.database.tree()
    assert documents.records() == {"br0/p": {"a": "tag"}}
    documents.database.put(before)
    assert documents.database.run(f"apply {path}")[0] == 0 and documents.database.tree() == by_ovs
    assert documents.database.run("undo")[0] == 0 and documents.database.tree() == before


def test_the_line_that_removes_a_bridge(documents):
    documents.apply("a", "{br0: {}, br1: {ports: {p: {qos: {queues: {1: {}}}}, q: {}}}, br2: {ports: {r: {tag: 5}}}}")
    before = documents.database.tree()
    path = documents.path("a", "{br0: {}, br2: {}}")
    line = documents.database.run(f"--no-wait -n --as-ovs apply {path}")[1]
    documents.database.switch.vsctl(line.removeprefix("ovs-vsctl ").strip())
    left = documents.database.tree()
    assert documents.database.count("QoS", "Queue") == [0, 0]
    documents.database.put(before)
    assert documents.database.run(f"apply {path}")[0] == 0 and documents.database.tree() == left


def test_a_bridge_gets_a_port_meanwhile(documents):
    documents.apply("a", "{br0: {}, br1: {}}")
    path = documents.path("a", "{br0: {}}")
    code, out, err = documents.database.run_while(f"apply {path}", lambda: documents.database.run("port add br1 p"))
    assert (code, out, err) == (0, "br0: unchanged\n", "ovstool: note: bridge br1: stays as it is because of port p\n")
    assert documents.database.tree()["br1"]["ports"] == {"p": {}}


@pytest.mark.parametrize("command", ["p: {tag: 6}", "p: {mtu: 1500}", ""])
def test_another_document_comes_in_between(documents, command):
    documents.apply("a", P.format("mtu: 1400"))
    other, path = documents.path("b", P.format("tag: 5")), documents.path("a", f"{{br0: {{ports: {{{command}}}}}}}")
    code, _, err = documents.database.run_while(f"apply {path}", lambda: documents.database.run(f"apply {other}"))
    assert code == (4 if "tag" in command else 0), err
    assert documents.database.tree()["br0"]["ports"]["p"]["tag"] == 5
    assert documents.records()["br0/p"]["b"] == ("tag" if command else "port, tag")


VIFS = {
    "br0": {"ports": {
        "v1": {"interfaces": {"v1": {"external_ids": {"iface-id": "one"}}}}, "v2": {"interfaces": {"v2": {"external_ids": {"iface-id": "two"}}}},
        "v3": {"interfaces": {"v3": {"external_ids": {"iface-id": "two"}}}}, "plain": {},
        "bond": {"interfaces": {"m1": {"external_ids": {"iface-id": "team"}}, "m2": {"external_ids": {"iface-id": "team"}}}},
    }},
    "br1": {"ports": {"v4": {"interfaces": {"v4": {"external_ids": {"iface-id": "a b: c"}}}}}},
}  # fmt: skip


def test_a_port_by_selector(documents):
    documents.database.put(VIFS)
    text = """{br0: {ports: {iface-id:one: {tag: 5, external_ids: {x: y}}, "iface-id:team": {mtu: 1400}, plain: {}}},
               br1: {ports: {"iface-id:a b: c": {qos: {max_rate: 1mbit}}}}}"""
    assert documents.apply("a", text) == (
        "br0: unchanged\niface-id:one: updated\niface-id:team: updated\nplain: unchanged\nbr1: unchanged\niface-id:a b: c: updated\n"
    )
    assert documents.records() == {
        "br0/v1": {"a": "external_ids.x, tag"}, "br0/bond": {"a": "mtu"}, "br1/v4": {"a": "qos, qos.max_rate"}
    }  # fmt: skip
    assert "v1:\n" in documents.database.run("export br0")[1]
    documents.database.run("port set v1 --unset external_ids:iface-id")
    documents.database.run("port set plain --external-id iface-id=one")
    assert documents.conflict("a", text) == "port plain: is in the document as plain and as iface-id:one; try: one of them"
    assert "v1: updated\n" in documents.apply("a", text.replace("plain: {}", "v2: {}"))
    assert documents.records()["br0/plain"] == {"a": "external_ids.x, tag"} and "br0/v1" not in documents.records()
    out = documents.apply("a", "{br0: {ports: {iface-id:one: {}}}}", "--prune")
    assert out == "br0: unchanged\niface-id:one: updated\nbond: deleted\nv1: deleted\nv2: deleted\nv3: deleted\nv4: updated\n"


def test_a_port_that_is_named_by_the_id_that_the_document_gave_it(documents):
    documents.apply("a", P.format("tag: 5, type: internal, external_ids: {iface-id: one}"))
    assert documents.apply("a", "{br0: {ports: {iface-id:one: {}}}}") == "br0: unchanged\niface-id:one: updated\n"
    assert documents.records() == {"br0": {"a": "bridge"}, "br0/p": {"a": "port, external_ids.iface-id, type"}}
    documents.apply("b", "{br0: {ports: {iface-id:one: {tag: 6}}}}")
    documents.apply("a", P.format(""))
    assert documents.database.without_records() == port(tag=6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{br0: {ports: {iface-id:two: {}}}}", "port iface-id:two: matches several ports: v2, v3; try: the name of one of them"),
        ("{br1: {ports: {iface-id:one: {}}}}", "port iface-id:one: is on another bridge, br0; try: iface-id:one below that bridge"),
        ("{br0: {ports: {v1: {}}}, br1: {ports: {iface-id:one: {}}}}", "port v1: is in the document as v1 and as iface-id:one; try: one of them"),
    ],
)  # fmt: skip
def test_a_selector_that_does_not_fit(documents, text, said):
    documents.database.put(VIFS)
    assert documents.conflict("a", text) == said


def test_a_selector_that_fits_no_port(documents):
    documents.database.put(VIFS)
    path = documents.path("a", "{br0: {ports: {iface-id:three: {tag: 5}}}}")
    before = documents.database.tree()
    note = "ovstool: note: iface-id:three: not on this switch\n"
    assert documents.database.run(f"apply {path}") == (0, "br0: unchanged\n", note)
    assert documents.database.run(f"diff {path}") == (0, "", note) and documents.database.tree() == before
    path = documents.path("a", "{br-int: {ports: {iface-id:three: {tag: 5}}}}")  # for other hosts, which have that bridge
    assert documents.database.run(f"apply {path}") == (0, "", note) and documents.database.tree() == before


def test_a_vif_that_moves_meanwhile(documents):
    documents.database.put(VIFS)
    path = documents.path("a", "{br0: {ports: {iface-id:one: {tag: 5}, iface-id:three: {tag: 6}}}}")
    done = documents.database.run_while(f"apply {path}", lambda: documents.database.run("port set v2 --external-id iface-id=three"))
    assert done[0] == 0 and documents.records() == {"br0/v1": {"a": "tag"}, "br0/v2": {"a": "tag"}}
