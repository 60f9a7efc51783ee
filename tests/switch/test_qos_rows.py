"""QoS in a database without ovs-vswitchd: each row that is written, deleted, kept or shared, and everything printed."""

import json
import re

import pytest
from between import Between

from ovstool.switch import Switch, qos
from ovstool.switch.accepts.qos_types import Shape
from ovstool.switch.checks import port_state

KEPT = {"other_config": {"min-rate": "1000000"}, "dscp": 3, "external_ids": {"mark": "queue"}}
HTB = {"type": "linux-htb", "other_config": {"max-rate": "9000000"}}
MARKED = HTB | {"queues": {0: KEPT, 5: {"other_config": {"max-rate": "2000000"}}}, "external_ids": {"mark": "qos"}}


def rows(database) -> dict[str, dict]:
    """The QoS of each port that has one."""
    ports = {name: port for bridge in database.tree().values() for name, port in bridge.get("ports", {}).items()}
    return {name: port["qos"] for name, port in ports.items() if "qos" in port}


def queue(**columns) -> dict:
    config = {key.replace("_", "-"): str(value) for key, value in columns.items() if key != "dscp"}
    return ({"other_config": config} if config else {}) | ({"dscp": columns["dscp"]} if "dscp" in columns else {})


@pytest.mark.parametrize(
    ("before", "words", "said", "after"),
    [
        (None, "--max-rate 9mbit", "created", HTB),
        (None, "--queue 0", "created", {"type": "linux-htb", "queues": {0: {}}}),
        (None, "--type hfsc --max-rate 9mbit", "created", HTB | {"type": "linux-hfsc"}),
        (None, "--merge --max-rate 9mbit --queue 1:min=1mbit", "created", HTB | {"queues": {1: queue(min_rate=1_000_000)}}),
        (None, "--max-rate 9mbit --queue 0:dscp=0 --queue 7:min=1mbit,max=2mbit,burst=1kB,priority=2,dscp=63", "created",
         HTB | {"queues": {0: {"dscp": 0}, 7: queue(min_rate=1_000_000, max_rate=2_000_000, burst=8000, priority=2, dscp=63)}}),
        (HTB, "--max-rate 9mbit", "unchanged", HTB),
        (HTB, "--max-rate 8mbit", "updated", HTB | {"other_config": {"max-rate": "8000000"}}),
        (HTB, "--type hfsc --max-rate 9mbit", "updated", HTB | {"type": "linux-hfsc"}),
        (HTB, "--max-rate 9mbit --queue 0", "updated", HTB | {"queues": {0: {}}}),
        (HTB | {"external_ids": {"a": "b"}}, "--max-rate 8mbit", "updated", HTB | {"other_config": {"max-rate": "8000000"}, "external_ids": {"a": "b"}}),
        # Without --merge everything is replaced except external_ids of other programs; with --merge the rest stays.
        (MARKED, "--max-rate 9mbit --queue 0:min=1mbit,dscp=3", "updated", MARKED | {"queues": {0: KEPT}}),
        (MARKED, "--max-rate 9mbit --queue 0:min=1mbit,dscp=3 --queue 5:max=2mbit", "unchanged", MARKED),
        (MARKED, "--max-rate 9mbit --queue 0:min=1mbit,dscp=4 --queue 5:max=2mbit", "updated",
         MARKED | {"queues": {0: KEPT | {"dscp": 4}, 5: MARKED["queues"][5]}}),
        (MARKED, "--max-rate 9mbit --queue 0:min=1mbit --queue 5:max=2mbit", "updated",
         MARKED | {"queues": {0: {"other_config": KEPT["other_config"], "external_ids": KEPT["external_ids"]}, 5: MARKED["queues"][5]}}),
        (MARKED, "--merge --queue 0:min=1mbit", "unchanged", MARKED),
        (MARKED, "--merge --max-rate 8mbit", "updated", MARKED | {"other_config": {"max-rate": "8000000"}}),
        (MARKED, "--merge --queue 0:max=3mbit", "updated",
         MARKED | {"queues": {0: KEPT | queue(min_rate=1_000_000, max_rate=3_000_000), 5: MARKED["queues"][5]}}),
        (MARKED, "--merge --queue 5:dscp=9", "updated", MARKED | {"queues": {0: KEPT, 5: queue(max_rate=2_000_000, dscp=9)}}),
        (MARKED, "--merge --queue 6", "updated", MARKED | {"queues": MARKED["queues"] | {6: {}}}),
        (MARKED, "--merge --type hfsc", "updated", MARKED | {"type": "linux-hfsc"}),
        (MARKED, "--merge --other-config x=y", "updated", MARKED | {"other_config": {"max-rate": "9000000", "x": "y"}}),
    ],
)  # fmt: skip
def test_set(database, before, words, said, after):
    after = json.loads(json.dumps(after), object_hook=_as_stored)
    database.put({"br0": {"ports": {"eth1": {"qos": before} if before else {}, "eth2": {}}}})
    code, printed, _ = database.run(f"qos set eth1 {words}")
    assert (code, printed) == (0, f"eth1: {said}\n")
    assert rows(database) == {"eth1": after} and database.count("QoS", "Queue") == [1, len(after.get("queues", {}))]
    assert database.run(f"qos set eth1 {words}")[1] == "eth1: unchanged\n"


def _as_stored(row: dict) -> dict:
    """A DSCP of 0 is a value, but a tree takes it for a default."""
    return {int(key) if key.isdigit() else key: value for key, value in row.items() if (key, value) != ("dscp", 0)}


def test_dscp_0_is_a_value(database):
    database.put({"br0": {"ports": {"eth1": {}}}})
    for words, dscp in (("0", None), ("0:dscp=0", 0), ("0", None)):
        assert database.run(f"qos set eth1 --queue {words}")[0] == 0
        [row] = database.transact({"op": "select", "table": "Queue", "where": []})[0]["rows"]
        assert row["dscp"] == (["set", []] if dscp is None else 0)


@pytest.mark.parametrize("words", ["qos set eth1 --max-rate 8mbit --queue 0:min=1mbit,dscp=3", "qos clear eth1", "port del eth1"])
@pytest.mark.parametrize("shared", ["qos", "queue", "queue of none", "both", "queue twice"])
def test_rows_that_others_use_stay(database, words, shared):
    theirs = {
        "qos": {"eth2": {"qos": MARKED}},
        "queue": {"eth2": {"qos": {"type": "linux-hfsc", "queues": {7: KEPT}}}},
        "queue of none": {},
        "both": {"eth2": {"qos": MARKED}, "eth3": {"qos": {"type": "linux-hfsc", "queues": {7: KEPT}}}},
        "queue twice": {"eth2": {"qos": {"type": "linux-hfsc", "queues": {7: KEPT}}}, "eth3": {"qos": {"type": "linux-hfsc", "queues": {8: KEPT}}}},
    }[shared]  # fmt: skip
    parked = [{"type": "linux-noop", "queues": {3: KEPT}}] if shared == "queue of none" else []
    database.put({"br0": {"ports": {"eth1": {"qos": MARKED}} | theirs}}, QoS=parked)
    assert database.run(words)[0] == 0
    found = rows(database)
    mine = found.pop("eth1", None)
    assert found == {name: port["qos"] for name, port in theirs.items()}
    assert (mine is None) == ("set" not in words)
    if mine:
        assert mine == {"type": "linux-htb", "other_config": {"max-rate": "8000000"}, "queues": {0: KEPT}, "external_ids": {"mark": "qos"}}
    others = {id(port["qos"]) for port in theirs.values()}
    queues = {"qos": 2, "queue": 1, "queue of none": 1, "both": 2, "queue twice": 1}[shared]
    keeps_the_row = mine is not None and shared in ("queue", "queue of none", "queue twice")  # the row's own key
    own = 0 if mine is None or keeps_the_row else 1
    assert database.count("QoS", "Queue") == [len(others) + len(parked) + (mine is not None), queues + own]


def test_two_ports_at_once(database):
    database.put({"br0": {"ports": {"eth1": {"qos": MARKED}, "eth2": {"qos": MARKED}, "eth3": {}}}})
    assert database.run("qos set eth1 eth3 eth1 --max-rate 8mbit")[1] == "eth1: updated\neth3: created\n"
    eight = {"type": "linux-htb", "other_config": {"max-rate": "8000000"}}
    assert rows(database) == {"eth1": eight | {"external_ids": {"mark": "qos"}}, "eth2": MARKED, "eth3": eight}
    assert database.run("qos set eth1 eth2 eth3 --max-rate 8mbit")[1] == "eth1: unchanged\neth2: updated\neth3: unchanged\n"
    assert database.count("QoS", "Queue") == [3, 0]
    assert database.run("qos clear eth3 eth1 eth3")[1] == "eth3: deleted\neth1: deleted\n" and set(rows(database)) == {"eth2"}
    assert database.run("qos clear eth1 eth2")[1] == "eth1: unchanged\neth2: deleted\n" and database.count("QoS", "Queue") == [0, 0]
    database.put({"br0": {"ports": {"eth1": {"qos": MARKED}, "eth2": {"qos": MARKED}, "eth3": {}}}})
    assert database.run("qos set eth1 eth2 --max-rate 8mbit")[1] == "eth1: updated\neth2: updated\n"
    assert rows(database) == {name: eight | {"external_ids": {"mark": "qos"}} for name in ("eth1", "eth2")}
    assert database.count("QoS", "Queue") == [2, 0]


@pytest.mark.parametrize("count", [20, 21])
def test_many_ports_at_once(database, count):
    """From some twenty ports on, whole tables are read; the result is the same."""
    shared = {"type": "linux-hfsc", "queues": {1: KEPT}}
    own = {f"p{number}": {"qos": {"type": "linux-htb", "queues": {0: {"dscp": number}}}} for number in range(1, count)}
    ports = own | {"s1": {"qos": shared}, "s2": {"qos": shared}, "s3": {"qos": {"type": "linux-sfq", "queues": {2: KEPT}}}}
    for words in (f"qos clear {' '.join(own)} s1", f"port del {' '.join(own)} s1"):
        database.put({"br0": {"ports": ports}})
        assert database.run(words)[0] == 0
        assert rows(database) == {"s2": shared, "s3": ports["s3"]["qos"]} and database.count("QoS", "Queue") == [2, 1]
    database.put({"br0": {"ports": ports}})
    assert database.run(f"qos set {' '.join(own)} s1 s3 --max-rate 9mbit")[0] == 0
    assert rows(database) == dict.fromkeys((*own, "s1", "s3"), HTB) | {"s2": shared}
    assert database.count("QoS", "Queue") == [count + 2, 1]


def test_gc(database):
    ports = {"eth1": {"qos": MARKED}}
    database.put({"br0": {"ports": ports}}, QoS=[{"type": "linux-sfq", "queues": {1: KEPT, 2: {"dscp": 9}}}], Queue=[{"dscp": 8}])
    planned = database.run("qos gc -n")
    assert planned[0] == 0 and database.count("QoS", "Queue") == [2, 4]
    code, listed, said = database.run("qos gc -f json")
    assert (code, said, [(row["table"], row["change"]) for row in json.loads(listed)]) == (
        0,
        "",
        [("QoS", "deleted"), ("Queue", "deleted"), ("Queue", "deleted")],
    )
    assert rows(database) == {"eth1": MARKED} and database.count("QoS", "Queue") == [1, 2]
    assert database.run("qos gc") == (0, "", "ovstool: note: every QoS and Queue row is used\n")


def test_list_and_show(database):
    database.put(
        {
            "br0": {"ports": {"eth2": {"qos": {"type": "linux-sfq"}}, "eth1": {"qos": MARKED}}},
            "br1": {"ports": {"bond0": {"qos": MARKED, "interfaces": {"m1": {}, "m2": {}}}, "eth3": {}}},
        }
    )
    row = {"type": "linux-htb", "max_rate": 9_000_000, "queues": 2}
    assert database.ask("qos list") == [
        {"port": "bond0"} | row,
        {"port": "eth1"} | row,
        {"port": "eth2", "type": "linux-sfq", "max_rate": None, "queues": 0},
    ]
    code, shown, said = database.run("qos show m2 -f json")
    none = {"tx_packets": None, "tx_bytes": None, "tx_errors": None}
    queues = [
        {"queue": 0, "min_rate": 1_000_000, "max_rate": None, "burst": None, "priority": None, "dscp": 3} | none,
        {"queue": 5, "min_rate": None, "max_rate": 2_000_000, "burst": None, "priority": None, "dscp": None} | none,
    ]
    assert (code, json.loads(shown)) == (
        0,
        {"port": "bond0", "type": "linux-htb", "max_rate": 9_000_000, "other_config": {"max-rate": "9000000"}, "queues": queues},
    )
    assert said.endswith("; queue counters are unknown\n") and said.count("\n") == 1
    plain = {"max_rate": None, "other_config": {}, "queues": []}
    assert database.ask("qos show eth2") == {"port": "eth2", "type": "linux-sfq"} | plain
    assert database.ask("qos show eth3") == {"port": "eth3", "type": None} | plain


@pytest.mark.parametrize(
    ("words", "notes"),
    [
        ("--max-rate 9", ["max-rate 9bit: ovs-vswitchd uses whole bytes, 8bit"]),
        ("--max-rate 16", []),
        (
            "--max-rate 9mbit --queue 0:min=1001,max=2002,burst=3003",
            [
                "queue 0: min 1.001kbit: ovs-vswitchd uses whole bytes, 1kbit",
                "queue 0: max 2.002kbit: ovs-vswitchd uses whole bytes, 2kbit",
                "queue 0: burst 3.003kbit: ovs-vswitchd uses whole bytes, 3kbit",
            ],
        ),
        ("--max-rate 9mbit --other-config x=y --other-config z=1", ["linux-htb does not read --other-config x", "linux-htb does not read --other-config z"]),
    ],
)  # fmt: skip
def test_ignored_settings_are_noted_once(database, words, notes):
    database.put({"br0": {"ports": {"eth1": {}, "eth2": {}}}})
    code, _, said = database.run(f"qos set eth1 eth2 {words}")
    lines = [line.removeprefix("ovstool: note: ") for line in said.splitlines()]
    assert code == 0 and [line for line in lines if not line.startswith(("eth1: ", "eth2: "))] == notes
    again = [line.removeprefix("ovstool: note: ") for line in database.run(f"qos set eth1 {words}")[2].splitlines()]
    assert [line for line in again if not line.startswith("eth1: ")] == []


def test_a_change_of_a_type_that_ovs_vswitchd_does_not_change_is_noted(database):
    netem = {"type": "linux-netem", "other_config": {"latency": "1000"}}
    said = "ovstool: note: ovs-vswitchd keeps the old settings of linux-netem until it is installed again: 'ovstool qos clear PORT', then repeat this command\n"
    for before, noted in ((netem, said), (HTB, ""), (None, "")):
        database.put({"br0": {"ports": {"eth1": {"qos": before} if before else {}}}})
        assert database.run("qos set eth1 --type netem --other-config latency=2000")[2] == noted
        assert database.run("qos set eth1 --type netem --other-config latency=2000")[1:] == ("eth1: unchanged\n", "")
    assert rows(database) == {"eth1": netem | {"other_config": {"latency": "2000"}}}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("set eth1 nosuch --max-rate 9mbit", 3, "port nosuch: no such port; try: ovstool port list"),
        ("clear eth9", 3, "port eth9: no such port; try: ovstool port list"),
        ("clear eth1 nosuch", 3, "port nosuch: no such port; try: ovstool port list"),
        ("show nosuch", 3, "port nosuch: no such port; try: ovstool port list"),
        ("set eth1 --merge --type sfq", 2,
         "--other-config max-rate: linux-sfq would ignore it; it reads perturb (seconds), quantum (bytes), and --merge keeps what linux-htb has;"
         " try: without --merge"),
        ("set eth2 --merge --type hfsc", 2,
         "queue 0: linux-hfsc has no burst; it supports min, max and dscp, and --merge keeps what linux-htb has; try: without --merge"),
        ("set eth1 --max-rate 9mbit --queue 0:min=2mbit,max=1mbit", 2, "queue 0: its min is above its max"),
    ],
)  # fmt: skip
def test_what_is_refused(database, words, code, said):
    eth2 = {"type": "linux-htb", "queues": {0: queue(burst=8000)}}
    database.put({"br0": {"ports": {"eth1": {"qos": MARKED}, "eth2": {"qos": eth2}}}})
    assert database.run(f"qos {words}") == (code, "", f"ovstool: {said}\n")
    assert rows(database) == {"eth1": MARKED, "eth2": eth2} and database.count("QoS", "Queue") == [2, 3]


@pytest.mark.parametrize(("kind", "stand_in"), [("linux-htb", "linux-hfsc"), ("linux-hfsc", "linux-htb")])
def test_force_sets_another_type_in_between(database, kind, stand_in):
    """ovs-vswitchd reinstalls everything when the type changes; here it has applied each change at once."""
    database.put({"br0": {"ports": {"eth1": {"qos": MARKED | {"type": kind}}}}})
    root = {"op": "update", "table": "Open_vSwitch", "where": []}
    database.transact(root | {"row": {"next_cfg": 0, "cur_cfg": 10**9}})
    said = []

    def at(_: int, request: bytes) -> bytes:
        said.extend(re.findall(rb'"type":"(linux-\w+)"', request))
        return request

    between = Between(database.switch, "between", at)
    switch = Switch(f"unix:{between.path}")
    try:
        asked = qos.QosSpec(kind, 9_000_000, None, {}, {0: qos.QueueSpec(Shape(1_000_000), 3)}, reinstall=True)
        assert qos.set(switch, ["eth1"], asked) == [("eth1", "updated")]
    finally:
        switch.close()
        between.close()
        database.transact(root | {"row": {"next_cfg": 0, "cur_cfg": 0}})
    assert [name.decode() for name in said] == [kind, stand_in, stand_in, kind]  # each time the wait and the write
    assert rows(database) == {"eth1": MARKED | {"type": kind, "queues": {0: KEPT}}} and database.count("QoS", "Queue") == [1, 1]


@pytest.mark.parametrize("command", ["qos clear eth1", "qos set eth1 --max-rate 8mbit", "port del eth1", "bridge del br0"])
def test_a_dry_run_leaves_a_queue_to_the_other_qos_that_has_it(database, command):
    """In a dry run no server refuses the deletion, so all QoS rows are read first: the printed transaction must be accepted as it is."""
    shared = dict(KEPT)
    ports = {"eth1": {"qos": HTB | {"queues": {0: shared}}}}
    other = {"ports": {"eth2": {"qos": HTB | {"queues": {1: shared}}}}}
    database.put({"br0": {"ports": ports}, "br1": other})
    code, planned, _ = database.run(f"{command} --dry-run")
    assert code == 0
    database.transact(*json.loads(planned)[1:])
    assert database.tree()["br1"] == json.loads(json.dumps(other), object_hook=_as_stored) and database.count("Queue") == [1]


@pytest.mark.parametrize(
    ("ports", "spec"),
    [
        (["eth3", "bond0"], qos.QosSpec(None, 9_000_000, None, {}, {9: qos.QueueSpec(Shape(1_000_000), 3), 0: qos.QueueSpec(Shape(burst=8))})),
        (["eth1", "eth2", "m1", "bond0"], qos.QosSpec("linux-hfsc", None, None, {}, {})),
        (["eth1", "eth2", "eth4"], qos.QosSpec(None, 8_000_000, None, {}, {5: qos.QueueSpec(Shape(None, 3_000_000))}, merge=True)),
        (["gre1"], qos.QosSpec("other", None, None, {"x": "y"}, {})),
    ],
)  # fmt: skip
def test_what_is_known_of_a_change_is_what_the_database_then_has(database, ports, spec):
    """Which notes ``qos set`` prints is decided by what it has written, without reading that again."""
    bond = {"interfaces": {"m1": {"ingress_policing_rate": 5}, "m2": {"type": "internal"}}}
    first = {"eth1": {"qos": MARKED}, "eth2": {"qos": MARKED}, "eth3": {}, "bond0": bond}
    second = {"eth4": {"qos": HTB}, "gre1": {"interfaces": {"gre1": {"type": "gre"}}}}
    database.put({"br0": {"ports": first, "fail_mode": "secure"}, "br1": {"ports": second, "datapath_type": "netdev"}})
    written = []
    switch = Switch(database.switch.box.db, wait=False)
    try:
        changes = qos.set(switch, ports, spec, lambda done: written.extend(port_state.written(switch, done.values())))
        stored = port_state.configured(switch, ports)
    finally:
        switch.close()
    assert "unchanged" not in [change for _, change in changes]
    assert [list(port.queues) for port in written] == [list(port.queues) for port in stored]
    assert written == [port._replace(uuid=None, others=tuple(port.others)) for port in stored]


def test_of_hundreds_of_ports_qos_is_written_and_not_read_back(database):
    """Afterwards only what decides about notes is read, in one request for all ports; and rows read that way can be relied on."""
    database.put({"br0": {"ports": {f"p{number}": {} for number in range(600)}}})
    names = " ".join(f"p{number}" for number in range(550))
    asked: list[dict] = []
    between = Between(database.switch, "counted", lambda index, request: asked.append(json.loads(request)) or request)
    try:
        code, out, err = database.run(f"qos set {names} --max-rate 9mbit --queue 0:min=1mbit", between.path)
    finally:
        between.close()
    assert (code, err, out.count("created")) == (0, "", 550)
    assert [request["method"] for request in asked] == ["transact", "transact", "transact", "monitor_cond", "monitor_cancel"]
    assert {select["table"] for select in asked[2]["params"][1:]} == {"Bridge", "Open_vSwitch", "Flow_Sample_Collector_Set"}
    assert len(asked[3]["params"][2]["Interface"][0]["where"]) == 550
    again = database.run(f"qos set {names} --max-rate 9mbit --queue 0:min=1mbit")
    assert again == (0, out.replace("created", "unchanged"), "")
    assert database.count("QoS", "Queue") == [550, 550]
