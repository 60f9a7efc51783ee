"""ovstool undo and history: what they restore and list, compared with the database as others see it.

``SETUPS=1000 SEED=2`` tries more random changes, and different ones.
"""

import json
import os
import random
import subprocess
import time

import pytest
from setups import SEED, wanted

NOT_FOUND, CONFLICT, UNREACHABLE = 3, 4, 5
TABLES = ("Open_vSwitch", "Bridge", "Port", "Interface", "QoS", "Queue", "Mirror", "Controller", "sFlow")
PORTS = ("eth1", "eth2", "p3", "p4")
RATES = ("10mbit", "20mbit", "1gbit")
AT_ONCE = 20  # random changes of one switch


def state(database) -> dict:
    """All rows, with their UUIDs; next_cfg only goes up."""
    answers = database.transact(*({"op": "select", "table": table, "where": []} for table in TABLES))
    hidden = {"_version", "next_cfg"}
    return {
        (table, row["_uuid"][1]): {column: _sorted(value) for column, value in row.items() if column not in hidden}
        for table, answer in zip(TABLES, answers, strict=True)
        for row in answer["rows"]
    }


def _sorted(value):
    return [value[0], sorted(value[1], key=str)] if isinstance(value, list) and value[0] in ("set", "map") else value


def last_id(database) -> str:
    return json.loads(database.run("history --count 1 -f json")[1])[0]["id"]


def some_change(random) -> str:
    port, rate, number = random.choice(PORTS), random.choice(RATES), random.randrange(1, 9)
    return random.choice(
        [
            f"port add br0 {port} --type internal --tag {number} --external-id a={number}",
            f"port add br1 {port} --type internal --trunk {number},5",
            f"port add br0 bond0 --bond {port},q{number}",
            f"port set {port} --tag {number} --external-id b={number}",
            f"port set {port} --trunk {number},7,8",
            f"port set {port} --unset external_ids",
            f"port del {port} bond0 --if-exists",
            f"qos set {port} --max-rate {rate} --queue {number}:min=1mbit --queue 0:max={rate}",
            f"qos set {port} --merge --queue {number}:priority={number}",
            f"qos clear {port}",
            f"police set {port} --rate {rate}",
            f"police clear {port}",
            f"bridge set br0 --fail-mode {random.choice(['secure', 'standalone'])} --external-id c={number}",
            f"bridge set br1 --controller tcp:10.0.0.{number} --protocols OpenFlow13",
            "bridge set br0 --unset external_ids --unset controller",
            "bridge add br1 --external-id d=e",
            "bridge del br1 --if-exists",
            f"sflow enable br0 --collector 127.0.0.{number} --agent lo",
            "sflow disable br0",
        ]
    )


@pytest.mark.parametrize("seed", range(1000 * (SEED - 1), 1000 * (SEED - 1) + wanted(4 * AT_ONCE) // AT_ONCE))
def test_random_changes_are_undone_row_for_row(database, seed):
    chosen = random.Random(seed)
    database.put({"br0": {"ports": {"eth1": {}, "eth2": {"tag": 5}}}})
    done = 0
    while done < AT_ONCE:
        before = state(database)
        command = some_change(chosen)
        code, _, _ = database.run(command)
        after = state(database)
        if code or after == before:
            continue
        done += 1
        code, out, err = database.run("undo")
        assert (code, state(database)) == (0, before), (command, err)
        assert out.endswith(": updated\n") and f"undone: ovstool {command} (by " in err
        assert database.run("undo")[1] == out.replace("updated", "unchanged")
        if chosen.random() < 0.7:
            assert database.run(f"undo {last_id(database)}")[0] == 0  # the undo is undone
            assert state(database) == after, command


def test_a_port_all_of_whose_interfaces_were_replaced(database, tmp_path):
    """A port has at least one interface after each step, so the old ones come back before the new ones go."""
    database.put({"br0": {"ports": {"eth1": {"tag": 5}}}})
    before = state(database)
    page = tmp_path / "page.yaml"
    page.write_text("bridges: {br0: {ports: {eth1: {bond: {interfaces: [m1, m2]}}}}}")
    assert database.run(f"apply {page}")[0] == 0
    assert set(database.tree()["br0"]["ports"]["eth1"]["interfaces"]) == {"m1", "m2"}
    assert database.run("undo")[0] == 0 and state(database) == before


def test_what_others_added_meanwhile_stays(database):
    database.put({"br0": {"external_ids": {"theirs": "1"}, "ports": {"eth1": {}}}})
    database.run("bridge set br0 --external-id ours=1")
    database.run("port add br0 p3")
    database.switch.vsctl("--no-wait add-port br0 p4 -- set bridge br0 external_ids:more=2 external_ids:theirs=3")
    ours = [row["id"] for row in json.loads(database.run("history --count 3 -f json")[1]) if row["id"]]
    assert [database.run(f"undo {u}")[0] for u in ours] == [0, 0]
    br0 = database.tree()["br0"]
    assert (br0["external_ids"], set(br0["ports"])) == ({"theirs": "3", "more": "2"}, {"eth1", "p4"})
    assert [database.run(f"undo {u}")[1] for u in ours] == [f"{u}: unchanged\n" for u in ours]


@pytest.mark.parametrize(
    ("ours", "theirs", "what"),
    [
        ("port set eth1 --tag 7", "set port eth1 tag=8", "tag of Port eth1 was changed"),
        ("bridge set br0 --external-id a=1", "set bridge br0 external_ids:a=2", "external_ids:a of Bridge br0 was changed"),
        ("port add br0 p3 --tag 1", "set port p3 tag=2", "tag of Port p3 was changed"),
        ("port add br0 p3", "set port p3 tag=2 external_ids:a=b", "tag, external_ids of Port p3 were changed"),
        ("port add br0 p3", "set interface p3 options:a=b", "options of Interface p3 was changed"),
        ("bridge add br1", "add-port br1 p3", "ports of Bridge br1 was changed"),
        ("qos set eth1 --max-rate 1gbit", "clear port eth1 qos", "qos of Port eth1 was changed"),
        ("port set eth1 --tag 7", "del-port eth1", "Port eth1 was deleted or created again"),
        ("port del eth2", "add-port br0 eth2", "Port eth2 was deleted or created again"),
        ("bridge add br1", "del-br br1 -- add-br br1", "Bridge br1 was deleted or created again"),
        ("port set eth1 --tag 7", "del-port eth1", "Port eth1 was deleted or created again"),
        ("port set eth1 --tag 7", "del-port eth1 -- add-port br0 eth1", "Port eth1 was deleted or created again"),
    ],
)
def test_what_others_changed_since_is_not_undone(database, ours, theirs, what):
    database.put({"br0": {"ports": {"eth1": {}, "eth2": {}}}})
    assert database.run(ours)[0] == 0
    changed = last_id(database)
    database.switch.vsctl(f"--no-wait {theirs}")
    before = state(database)
    code, out, err = database.run("undo")
    assert (code, out, state(database)) == (CONFLICT, "", before)
    assert err.startswith(f"ovstool: change {changed}: {what} since")
    if "created" not in what or "del-" in theirs:
        assert f"since by 'ovs-vsctl --timeout=20 --no-wait {theirs}', so nothing was undone; try: ovstool history\n" in err


def test_several_transactions_of_a_command_are_one_change(database):
    parked = [{"type": "linux-htb", "other_config": {"max-rate": "1"}}, {"type": "linux-sfq"}]
    database.put({"br0": {"ports": {"eth1": {"tag": 1}}}}, QoS=parked)
    before, made_up = state(database), os.urandom(4).hex()
    port = {"op": "update", "table": "Port", "where": [["name", "==", "eth1"]]}
    shaped = {"table": "QoS", "where": [["type", "==", "linux-htb"]]}
    made = {"table": "QoS", "where": [["type", "==", "linux-hfsc"]]}
    config = {"row": {"other_config": ["map", [["max-rate", "2"]]]}}
    for operations in (
        [port | {"row": {"tag": 2}}, shaped | {"op": "update"} | config, {"op": "insert", "table": "QoS", "row": {"type": "linux-hfsc"}}],
        [port | {"row": {"tag": 3, "vlan_mode": "access"}}, shaped | {"op": "delete"}, made | {"op": "update"} | config],
    ):
        database.transact(*operations, {"op": "comment", "comment": f"ovstool[{made_up}] me@h: ovstool snapshot restore x"})
    code, out, err = database.run("undo")
    assert (code, out, state(database)) == (0, f"{made_up}: updated\n", before), err


def test_a_name_that_others_use_since(database):
    database.put({"br0": {"ports": {f"p{number}": {} for number in range(25)}}})
    database.run("bridge del br0")
    database.switch.vsctl("--no-wait add-br br1 -- add-port br1 p7")
    code, _, err = database.run("undo")
    assert code == CONFLICT and "Port p7 was deleted or created again since, so nothing was undone" in err


@pytest.mark.parametrize("dry_run", ["", "-n"])
def test_a_row_that_others_use_is_not_deleted(database, dry_run):
    database.put({"br0": {"ports": {"eth1": {}, "eth2": {}}}})
    database.run("qos set eth1 --max-rate 1gbit")
    changed = last_id(database)
    database.switch.vsctl(f"--no-wait set port eth2 qos={database.switch.vsctl('get port eth1 qos')}")
    before = state(database)
    why = "Port eth2 uses the QoS that it created, so nothing was undone; try: ovstool history"
    assert database.run(f"{dry_run} undo") == (CONFLICT, "", f"ovstool: change {changed}: {why}\n")
    assert state(database) == before


def test_a_row_that_a_table_without_commands_uses(database):
    database.put({})
    database.run("bridge add br1")
    changed = last_id(database)
    bridge = database.transact({"op": "select", "table": "Bridge", "where": [], "columns": ["_uuid"]})[0]["rows"][0]["_uuid"]
    keeper = database.transact({"op": "insert", "table": "Flow_Sample_Collector_Set", "row": {"id": 1, "bridge": bridge}})[0]["uuid"][1]
    why = f"Flow_Sample_Collector_Set {keeper} uses the Bridge that it created, so nothing was undone; try: ovstool history"
    assert database.run("undo") == (CONFLICT, "", f"ovstool: change {changed}: {why}\n")
    database.transact({"op": "delete", "table": "Flow_Sample_Collector_Set", "where": []})
    assert database.run("undo")[0] == 0


def test_a_row_whose_qos_is_gone_is_not_restored(database):
    shared = {"type": "linux-htb"}
    database.put({"br0": {"ports": {"eth1": {"qos": shared}, "eth2": {"qos": shared}}}})
    database.run("port del eth1")
    changed = last_id(database)
    database.run("qos clear eth2")
    before = state(database)
    why = "the QoS that Port eth1 had was deleted since, so nothing was undone; try: ovstool history"
    assert database.run(f"undo {changed}") == (CONFLICT, "", f"ovstool: change {changed}: {why}\n")
    assert state(database) == before


def test_a_row_without_a_name_whose_queue_is_gone(database):
    database.put({}, QoS=[{"type": "linux-htb", "queues": {1: {"dscp": 5}}}])
    [row] = database.transact({"op": "select", "table": "QoS", "where": []})[0]["rows"]
    made_up = os.urandom(4).hex()
    emptied = {"op": "update", "table": "QoS", "where": [], "row": {"queues": ["map", []]}}
    database.transact(emptied, {"op": "comment", "comment": f"ovstool[{made_up}] me@h: ovstool qos set x"})
    database.transact({"op": "delete", "table": "Queue", "where": []})
    why = f"the Queue that QoS {row['_uuid'][1]} had was deleted since, so nothing was undone; try: ovstool history"
    assert database.run("undo") == (CONFLICT, "", f"ovstool: change {made_up}: {why}\n")


def test_who_changed_the_same_is_named_not_who_changed_the_row_last(database):
    database.put({"br0": {}})
    database.run("bridge set br0 --external-id a=1")
    database.switch.vsctl("--no-wait set bridge br0 external_ids:a=2")
    database.switch.vsctl("--no-wait set bridge br0 external_ids:b=3")
    assert "external_ids:a=2'" in database.run("undo")[2]


@pytest.mark.parametrize(("ours", "theirs"), [("port set eth1 --tag 7", "clear port eth1 tag"), ("port add br0 p3", "del-port p3")])
def test_what_others_have_undone(database, ours, theirs):
    database.put({"br0": {"ports": {"eth1": {}}}})
    database.run(ours)
    changed = last_id(database)
    database.switch.vsctl(f"--no-wait {theirs}")
    assert database.run("undo")[:2] == (0, f"{changed}: unchanged\n")


def test_a_later_change_by_ovstool_comes_first(database):
    database.put({"br0": {"ports": {"eth1": {}}}})
    database.run("port set eth1 --tag 7")
    first = last_id(database)
    database.run("port set eth1 --tag 8")
    second = last_id(database)
    code, _, err = database.run(f"undo {first}")
    assert (code, err.rpartition("; try: ")[2]) == (CONFLICT, f"ovstool undo {second}\n")
    assert [database.run(f"undo {u}")[0] for u in (second, first)] == [0, 0]
    assert "tag" not in database.tree()["br0"]["ports"]["eth1"]


def test_a_row_that_a_program_without_comments_changed(database):
    database.put({"br0": {"ports": {"eth1": {}}}})
    database.run("port set eth1 --tag 7")
    database.transact({"op": "update", "table": "Port", "where": [["name", "==", "eth1"]], "row": {"tag": 9}})
    assert "tag of Port eth1 was changed since by a program that left no comment, so" in database.run("undo")[2]


def test_a_dry_run(database):
    database.put({"br0": {"ports": {"eth1": {}}}})
    database.run("port set eth1 --tag 7")
    changed, before = last_id(database), state(database)
    code, out, err = database.run("-n undo")
    operations = json.loads(out)[1:]
    assert (code, state(database), last_id(database)) == (0, before, changed)
    assert [op["op"] for op in operations] == ["wait", "update", "comment"]
    assert operations[2]["comment"].endswith(f": ovstool undo {changed}")
    assert f"{changed}: would be updated\n" in err
    assert database.transact(*operations)[1] == {"count": 1}  # it does what undo does
    assert "tag" not in database.tree()["br0"]["ports"]["eth1"]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ("undo xyz", 2, "ID: xyz is not the ID of a change, which has eight hexadecimal digits; try: ovstool history"),
        ("undo 00000000", NOT_FOUND, "change 00000000: not in the log of the database, which ovsdb-server compacts from time to time"),
        ("undo -c nosuch", 2, "nosuch"),
        ("--as-ovs undo", 2, "--as-ovs: deleted rows get back the UUIDs that they had, which ovs-vsctl cannot do; try: -n"),
        ("--read-only undo", 2, "undo: changes the switch, which --read-only"),
        ("history --count 0", 2, "--count"),
    ],
)
def test_what_is_refused(database, words, code, text):
    before = state(database)
    failed, out, err = database.run(words)
    assert (failed, out, err.count("\n")) == (code, "", 1) and text in err
    assert state(database) == before


def test_a_deleted_port_comes_back_whole(switch, ovstool):
    ovstool("port add br0 p7 --type dummy")
    ovstool("qos set p7 --max-rate 10mbit --queue 1:min=1mbit")
    before, number = switch.dump(), switch.vsctl("get interface p7 ofport")
    ovstool("port add br0 p8 --type dummy")
    ovstool("port del p7 p8")
    ovstool("port add br0 p9 --type dummy")  # takes the number of p8, as p7 keeps its own for a while
    result = ovstool("undo")
    assert result.code == 0
    ovstool("port del p9")
    [row] = [row for row in ovstool("history -f json").json if row["command"] == "ovstool port del p7 p8"]
    result = ovstool(f"undo {row['id']}")
    assert (result.code, result.stdout) == (0, f"{row['id']}: updated\n"), result.stderr
    ovstool("port del p8")
    assert switch.dump() == before and switch.vsctl("get interface p7 ofport") == number
    assert switch.orphans() == []
    assert "min-rate" in switch.vsctl("list queue")


def test_history(switch, ovstool):
    began = time.time()
    switch.vsctl("set port eth1 tag=3")
    ovstool(["port", "set", "eth1", "--external-id", "psk=hunter2", "--tag", "4"])
    rows = ovstool("history -f json").json
    ours, theirs, *_ = rows
    assert (ours["command"], ours["tables"]) == ("ovstool port set eth1 --external-id 'psk=***' --tag 4", ["Interface", "Port"])
    assert (theirs["id"], theirs["who"], theirs["command"], theirs["tables"]) == (
        None,
        None,
        "ovs-vsctl " + theirs["command"][10:],
        ["Port"],
    )
    assert theirs["command"].endswith("set port eth1 tag=3")
    assert ours["who"].endswith(f"@{os.uname().nodename}") and began < theirs["time"] < ours["time"] < time.time()
    assert ovstool("history --count 2 -f json").json == rows[:2]
    assert "hunter2" not in ovstool("history").stdout
    shown = subprocess.run(
        ["ovsdb-tool", "-mm", "show-log", f"{switch.box.directory}/conf.db"], capture_output=True, text=True, check=True
    ).stdout
    assert f"ovstool[{ours['id']}] {ours['who']}: {ours['command']}" in shown


def test_what_a_watchdog_writes_is_no_change(database):
    database.put({})

    def listed(key: str, value: str) -> bool:
        before = len(json.loads(database.run("history -f json")[1]))
        root, pair = {"op": "mutate", "table": "Open_vSwitch", "where": []}, ["map", [[key, value]]]
        database.transact(root | {"mutations": [["external_ids", "insert", pair]]})
        after = len(json.loads(database.run("history -f json")[1]))
        database.transact(root | {"mutations": [["external_ids", "delete", pair]]})
        return after > before

    assert not listed("ovstool-confirm-0123abcd", "not committed yet: x")
    assert listed("not-of-a-watchdog", "ovstool-confirm-0123abcd")


def test_a_program_without_comments_that_inserts_and_deletes(database):
    database.put({})
    for operation in ({"op": "insert", "row": {"type": "linux-htb"}}, {"op": "delete", "where": []}):
        database.transact(
            operation | {"table": "QoS"}, {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}
        )
        row = json.loads(database.run("history --count 1 -f json")[1])[0]
        assert (row["id"], row["who"], row["command"], "QoS" in row["tables"]) == (None, None, None, True)


def test_more_changes_than_the_end_of_the_log_has(database):
    database.put({"br0": {"ports": {"eth1": {}}}})
    database.run("port set eth1 --tag 7")
    for number in range(12):
        long = {"op": "update", "table": "Bridge", "where": [], "row": {"other_config": ["map", [["x", f"{number}" * 100_000]]]}}
        database.transact(long, {"op": "comment", "comment": f"number {number}"})
    rows = json.loads(database.run("history --count 12 -f json")[1])
    assert [row["command"] for row in rows] == [f"number {number}" for number in range(11, -1, -1)]
    assert json.loads(database.run("history -f json")[1])[12]["command"] == "ovstool port set eth1 --tag 7"
    assert database.run("undo")[0] == 0


def test_a_log_that_was_compacted(switch, ovstool):
    ovstool("port set eth1 --tag 7")
    changed = ovstool("history --count 1 -f json").json[0]["id"]
    control = next(switch.box.directory.glob("ovsdb-server.*.ctl"))
    switch.tool("ovs-appctl", "-t", str(control), "ovsdb-server/compact")
    assert changed not in ovstool("history").stdout
    result = ovstool(f"undo {changed}")
    assert (result.code, result.stdout) == (NOT_FOUND, "") and "compacts from time to time" in result.stderr
    ovstool("port set eth1 --tag 8")
    assert ovstool("undo").code == 0 and switch.vsctl("get port eth1 tag") == "7"
    assert "nothing left to undo; the log has no change by ovstool before it" in ovstool("undo").stderr


def test_without_access_to_the_host(database):
    code, out, err = database.run("--db tcp:127.0.0.1:1 history")
    assert (code, out) == (UNREACHABLE, "") and "needs access to the host of the switch" in err


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_a_change_that_waits_to_be_confirmed(database, is_confirmed):
    database.put({"br0": {"ports": {"eth1": {}}}})
    before, made_up = state(database), os.urandom(4).hex()
    pending = ["map", [[f"ovstool-confirm-{made_up}", "2026-01-02T03:04:05Z me@h: ovstool port set eth1 --tag 7"]]]
    database.transact(
        {"op": "update", "table": "Port", "where": [["name", "==", "eth1"]], "row": {"tag": 7}},
        {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["external_ids", "insert", pending]]},
        {"op": "comment", "comment": f"ovstool[{made_up}] me@h: ovstool port set eth1 --tag 7"},
    )
    if is_confirmed:
        assert database.run("confirm")[:2] == (0, f"{made_up}: updated\n")
    assert database.run("undo")[:2] == (0, f"{made_up}: updated\n") and state(database) == before
    assert database.run("confirm")[0] == 0, "nothing is pending"


def test_a_change_that_was_confirmed_or_is_pending(switch, ovstool):
    """The keys by which changes wait for 'ovstool confirm' are no part of them."""
    before = switch.dump()
    ovstool("port set eth1 --tag 5 --confirm-within 60")
    assert ovstool("confirm").code == 0
    ovstool("police set eth2 --rate 10mbit --confirm-within 60")
    rows = ovstool("history --count 3 -f json").json
    assert [row["command"].partition(" --confirm")[0] for row in rows] == [
        "ovstool police set eth2 --rate 10mbit",
        "ovstool confirm",
        "ovstool port set eth1 --tag 5",
    ]
    assert switch.vsctl("get open_vswitch . external_ids").count("ovstool-confirm-") == 1
    result = ovstool("undo")  # of what is pending
    assert (result.code, result.stdout) == (0, f"{rows[0]['id']}: updated\n")
    assert "ovstool-confirm-" not in switch.vsctl("get open_vswitch . external_ids")
    assert ovstool(f"undo {rows[2]['id']}").stdout == f"{rows[2]['id']}: updated\n"  # of what was confirmed
    assert switch.dump() == before


def test_a_change_that_was_undone_because_nobody_confirmed_it(switch, ovstool):
    before = switch.dump()
    ovstool("port set eth1 --tag 5 --confirm-within 1")
    for _ in range(200):
        if switch.vsctl("get port eth1 tag") == "[]":
            break
        time.sleep(0.1)
    assert switch.dump() == before
    undone, changed = ovstool("history --count 2 -f json").json
    assert undone["command"].startswith("not confirmed within 1 s: ovstool port set eth1") and undone["id"] == changed["id"]
    assert ovstool("undo").stdout == f"{changed['id']}: unchanged\n"
    assert switch.dump() == before


@pytest.mark.parametrize(
    ("pid_file", "why"),
    [
        (None, "the process of ovsdb-server is not known: there is no {0}"),
        ("", "the process of ovsdb-server is not known: no number in {0}"),
        ("self", "the process of ovsdb-server is not known: no number in {0}"),
        ("999999999", "ovsdb-server is not running: there is no process 999999999, which {0} names"),
        ("1", "process 1, which {0} names, has no file of the database Open_vSwitch open; is it ovsdb-server?"),
    ],
)
def test_no_log_to_read(database, tmp_path, pid_file, why):
    if pid_file is not None:
        (tmp_path / "ovsdb-server.pid").write_text(f"{pid_file}\n")
    failed = (NOT_FOUND, "", f"ovstool: the database's log: {why.format(tmp_path / 'ovsdb-server.pid')}\n")
    assert database.run("history", f"{tmp_path}/db.sock") == failed
    assert database.run("undo", f"{tmp_path}/db.sock") == failed


def test_a_clustered_database(database, tmp_path):
    (tmp_path / "ovsdb-server.pid").write_text(f"{os.getpid()}\n")
    (tmp_path / "conf.db").write_text("OVSDB CLUSTER 2 x\n{}\n")
    with (tmp_path / "conf.db").open():
        code, _, err = database.run("history", f"{tmp_path}/db.sock")
    assert (code, err) == (NOT_FOUND, "ovstool: the database's log: the database is clustered, and the log of a cluster is not read\n")
