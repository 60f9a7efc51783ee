"""``monitor``: changes as they happen, on a real ovsdb-server, across the ends of connections."""

import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import pytest
from following import Cutting, Server, following

from ovstool.monitor.authors import Authors
from ovstool.monitor.objects import NOUNS, Objects
from ovstool.monitor.rows import COLUMNS, Rows
from ovstool.ovsdb.follower import Follower
from ovstool.switch import Switch


def test_a_line_for_each_change(switch, ovstool):
    with switch.streaming("monitor -f json") as process:
        until_followed(switch, process)
        switch.vsctl("add-port br0 p9 tag=7 -- set interface p9 ingress_policing_rate=1000")
        ovstool("qos set p9 --max-rate 10mbit --queue 1:min=5mbit")
        switch.vsctl("del-port p9 -- set-controller br0 tcp:127.0.0.1:1")
        switch.vsctl("set bridge br0 external_ids:end=1")
        found, who = [], {}
        while ("br0", "external_ids.end", None, "1") not in found:
            row = json.loads(process.stdout.readline())
            assert list(row) == ["time", "object", "field", "from", "to", "who"] and abs(row["time"] - time.time()) < 60
            found.append((row["object"], row["field"], row["from"], row["to"]))
            who.setdefault(row["field"], row["who"])
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130 and process.stderr.read() == ""
    p9 = {field: [(old, new) for name, f, old, new in found if (name, f) == ("p9", field)] for _, field, _, _ in found}
    assert p9["bridge"] == [(None, "br0"), ("br0", None)] and p9["tag"] == [(None, 7), (7, None)]
    assert p9["police.rate"] == [(None, 1_000_000), (1_000_000, None)]
    assert p9["qos.max_rate"] == [(None, 10_000_000), (10_000_000, None)] and p9["qos.queues.1.min"][0] == (None, 5_000_000)
    assert p9["link_state"] == [(None, "up"), ("up", None)] and p9["ofport"][0][0] is None
    assert ("br0", "controllers", None, ["tcp:127.0.0.1:1"]) in found
    assert who["police.rate"].endswith("p9 ingress_policing_rate=1000") and who["link_state"] is None
    assert ("br0", "controllers.tcp:127.0.0.1:1.is_connected", None, False) in found


def test_who_made_changes_that_were_undone_before_they_were_read(switch):
    """What deletes a row came after what is reported of the row."""
    with switch.streaming("monitor -f json") as process:
        until_followed(switch, process)
        process.send_signal(signal.SIGSTOP)
        switch.vsctl("add-port br0 p9 tag=7")
        switch.vsctl("set port p9 trunks=3")
        switch.vsctl("del-port p9")
        process.send_signal(signal.SIGCONT)
        rows = []
        while not rows or (rows[-1]["object"], rows[-1]["from"]) != ("p9", "br0"):
            rows.append(json.loads(process.stdout.readline()))
        found = {(row["field"], row["to"] is None): row["who"] for row in rows if row["object"] == "p9"}
    assert found["tag", False].endswith("add-port br0 p9 tag=7") and found["bridge", False] == found["tag", False]
    assert found["trunks", False].endswith("p9 trunks=3") and found["bridge", True].endswith("del-port p9")


def until_followed(switch, process) -> None:
    """Change something until it is reported: it begins to follow some time after it started."""
    for mark in range(600):
        switch.vsctl(f"set bridge br0 external_ids:mark={mark}")
        if select.select([process.stdout], [], [], 0.1)[0]:
            return
    raise AssertionError("nothing was reported")


# --- ends of connections


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="ovstool-test-", dir="/tmp") as found:
        yield Path(found)


@pytest.fixture
def server(folder):
    found = Server(folder)
    yield found
    found.kill()


@pytest.mark.parametrize("is_compacted", [False, True])
def test_after_a_restart_only_differences_are_told(server, is_compacted):
    with following(server.address, server.path) as watched:
        watched.set_ids(kept="a", changed="b")
        watched.caught_up()
        if is_compacted:
            server.appctl("ovsdb-server/compact")
        server.kill()
        server.start()
        watched.set_ids(changed="c")
        watched.set_ids(changed="d")
        assert watched.of("external_ids.changed") in ([(None, "b"), ("b", "d")], [(None, "b"), ("b", "c"), ("c", "d")])
        assert watched.of("external_ids.kept") == [(None, "a")]
        notes = [note.partition(": ")[2] for note in watched.notes if "connect" in note]
        assert notes[0] == "connection lost: closed by the server; connecting again"
        assert notes[-1] == "connected again; of what changed meanwhile only the difference is shown"
        assert all(note.startswith(("connection refused", "no such socket")) for note in notes[1:-1])


def test_each_reason_why_there_is_no_connection_is_told_once(server):
    with following(server.address, server.path) as watched:
        server.kill()
        watched.wait(lambda: any("connection refused" in note for note in watched.notes))
        os.unlink(server.path)
        watched.wait(lambda: any("no such socket" in note for note in watched.notes))
        found = [note for note in watched.notes if "connecting again" in note]
        assert len(found) == len({*found}) == 3


def test_who_is_known_again_after_a_lost_connection(server):
    """Its log cannot be read while ovsdb-server is being restarted, which says nothing of later."""

    def who(column):
        server.vsctl("set", "port", "eth1", f"{column}=2")
        watched.wait(lambda: watched.changes[-1].field == column.replace(":", "."))
        return watched.changes[-1].who

    with following(server.address, server.path) as watched:
        assert who("other_config:a") is None
        server.has_pidfile = True
        server.kill()
        server.start()
        watched.caught_up()
        assert who("tag").endswith("tag=2")
        os.rename(f"{server.folder}/ovsdb-server.pid", f"{server.folder}/away")
        assert who("other_config:b") is None  # as while it is being restarted
        os.rename(f"{server.folder}/away", f"{server.folder}/ovsdb-server.pid")
        assert who("trunks").endswith("trunks=2")
        assert sum("who made a change is not known" in note for note in watched.notes) == 1


def test_who_is_nobody_else_after_a_compaction(server):
    """The record of a change that is yet to be reported may be gone with the compacted log; a later one is not that of this change."""
    server.kill()
    server.has_pidfile = True
    server.start()
    authors = Authors(Switch(server.address))
    authors.begin()
    cells = {("Port", server.vsctl("get", "port", "eth1", "_uuid"), "tag")}
    server.vsctl("set", "port", "eth1", "tag=1")
    assert authors.of([cells])[0].endswith("tag=1")
    server.vsctl("set", "port", "eth1", "tag=2")
    server.appctl("ovsdb-server/compact")
    assert authors.of([{("Bridge", "", "other")}]) == [None]
    server.vsctl("set", "port", "eth1", "tag=3")
    assert authors.of([cells]) == [None]


def test_secrets_are_not_printed(server):
    server.kill()
    server.has_pidfile = True
    server.start()
    with following(server.address, server.path) as watched:
        server.vsctl("set", "interface", "eth1", "options:psk=swordfish", "options:remote_ip=192.0.2.7")
        watched.wait(lambda: any(change.field == "options.remote_ip" for change in watched.changes))
        found = {change.field: change for change in watched.changes}
        assert found["options.psk"].after == "***" and found["options.remote_ip"].after == "192.0.2.7"
        assert "swordfish" not in str(watched.changes) and found["options.psk"].who.endswith("options:psk=***")


def test_a_cluster_resumes_after_the_last_transaction(folder):
    server = Server(folder, clustered=True)
    proxy = Cutting(server.path, f"{folder}/proxy.sock")
    try:
        # It keeps no more values of past transactions than the database has.
        server.vsctl(*" -- ".join(f"add-port br0 p{n} -- set interface p{n} external_ids:a=1 external_ids:b=2" for n in range(40)).split())
        with following(proxy.address, server.path) as watched:
            for number in range(1, 30):
                if number % 7 == 0:
                    proxy.cut()
                watched.set_ids(n=str(number))
            found = watched.of("external_ids.n")
            assert all(old == new for (_, old), (new, _) in pairwise(found)) and found[-1][1] == "29"
        first = Follower(Switch(server.address).connect(), "", time.monotonic() + 20)
        assert first.follow(COLUMNS).is_whole
        watched.set_ids(n="30")
        server.kill()
        server.start()
        again = Follower(Switch(server.address).connect(), "", time.monotonic() + 20)
        resumed = again.follow(COLUMNS, first.last_id)
        assert not resumed.is_whole and [*resumed.updates[0]] == ["Bridge"]
    finally:
        server.kill()


def test_a_connection_that_ends_within_a_message_loses_nothing(server):
    proxy = Cutting(server.path, f"{server.folder}/proxy.sock")
    with following(proxy.address, server.path) as watched:
        whole = len(json.dumps(Follower(Switch(server.address).connect(), "", time.monotonic() + 20).get_schema()))
        for cut in (whole + 700, whole + 1000, 100, 5):  # bytes of a new connection: of the first rows, of an update, of the schema
            proxy.after = cut
            proxy.cut()
            for number in range(10):
                watched.set_ids(n=f"{cut}.{number}")
            proxy.after = None
            proxy.cut()
            found = watched.of("external_ids.n")
            assert all(old == new for (_, old), (new, _) in pairwise(found)) and found[-1][1] == f"{cut}.9"


@pytest.mark.parametrize("unknown", [(), ("monitor_cond_since",), ("monitor_cond_since", "monitor_cond")])
def test_what_is_told_adds_up_with_every_method(server, unknown):
    """Each change follows the one before, and all together are the difference of the switch before and after."""
    proxy = Cutting(server.path, f"{server.folder}/proxy.sock", unknown=unknown)
    chosen = random.Random(7)
    with following(proxy.address, server.path) as watched:
        fields = {key: dict(of) for key, of in state(server.address).items()}
        begun = len(watched.caught_up())
        for words in [chosen.choice(STEPS).split() for _ in range(60)]:
            server.vsctl(*words)
        for change in watched.caught_up()[begun:]:
            mine = fields.setdefault(change.object, {})
            assert mine.get(change.field) == change.before, change
            mine[change.field] = change.after
        mended = {
            name: {field: value for field, value in of.items() if value is not None and "mark" not in field} for name, of in fields.items()
        }
        assert {name: of for name, of in mended.items() if of} == state(server.address)


STEPS = (
    "--may-exist add-port br0 p1 tag=3", "--may-exist add-port br0 p2 trunks=1,2", "--if-exists del-port p1", "--if-exists del-port p2",
    "--may-exist add-br br1", "--if-exists del-br br1", "--may-exist add-bond br0 bond0 b1 b2", "--if-exists del-port bond0",
    "set port eth1 qos=@q -- --id=@q create qos type=linux-htb other-config:max-rate=1000000 queues:1=@w -- --id=@w create queue other-config:max-rate=9",
    "clear port eth1 qos", "set interface eth1 ingress_policing_rate=1000 external_ids:a=1", "set interface eth1 ingress_policing_rate=0 external_ids:a=2",
    "remove interface eth1 external_ids a", "set-controller br0 tcp:1.2.3.4:1 tcp:1.2.3.4:2", "set-controller br0 tcp:1.2.3.4:1", "del-controller br0",
    "-- --id=@s create sflow targets=\"10.0.0.1\" -- set bridge br0 sflow=@s", "clear bridge br0 sflow", "set bridge br0 fail_mode=secure protocols=OpenFlow13",
    "add bridge br0 protocols OpenFlow10", "clear bridge br0 protocols", "set interface eth1 mtu_request=1400 type=internal", "set interface eth1 type=\"\"",
    "-- --id=@p get port eth1 -- --id=@m create mirror name=m0 select-dst-port=@p -- set bridge br0 mirrors=@m", "clear bridge br0 mirrors",
)  # fmt: skip


def state(address: str) -> dict:
    rows = Rows()
    follower = Follower(Switch(address).connect(), address, time.monotonic() + 20)
    [found] = follower.follow(COLUMNS).updates
    follower.close()
    rows.apply(rows.changed_to(found))
    objects, fields = Objects(rows, NOUNS), {}
    for place in objects.all():
        fields.setdefault(objects.name(place), {}).update(objects.fields(place))
    return {name: {field: value for field, value in of.items() if "mark" not in field} for name, of in fields.items() if of}


# --- --until


@pytest.mark.parametrize(
    ("until", "code", "said"),
    [
        ("eth1 link_state=up", 0, ""),
        ("eth9 bridge=null", 0, ""),
        ("datapath_type=dummy", 0, ""),
        ("eth1 link_state=down", 7, "did not hold within 0.3 s: link_state is up; try: a longer --timeout"),
        ("eth1 qos.type=htb", 7, "did not hold within 0.3 s: qos.type is null; try: a longer --timeout"),
        ("eth9 error", 7, "did not hold within 0.3 s: there is no eth9; try: a longer --timeout"),
    ],
)
def test_until_a_condition_holds_at_the_start(unchanged, until, code, said):
    nouns = ["qos"] if "qos." in until else []
    result = unchanged.ovstool(["monitor", *nouns, "--until", until, "-t", "60" if code == 0 else "0.3"])
    assert (result.code, result.stdout) == (code, "")
    assert result.stderr.endswith(f"{said}\n" if said else "")
    advice = "ovstool: note: eth9: no such bridge or port yet; waiting for it, and not for eth2\n"
    assert result.stderr.startswith(advice) == (until == "eth9 error")


def test_until_a_change_makes_it_hold(switch):
    argv = [sys.executable, "-m", "ovstool", "monitor", "--until", "p9 link_state=up", "-t", "60", "-f", "json"]
    with subprocess.Popen(argv, env=switch.environ, stdout=subprocess.PIPE, text=True) as process:
        switch.vsctl("add-port br0 p9")
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out == "" or json.loads(out.splitlines()[-1])["object"] == "p9"


def test_it_ends_when_nobody_reads(unchanged):
    with unchanged.streaming("monitor -f json") as process:
        process.stdout.close()
        assert process.wait(60) == 141 and process.stderr.read() == ""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("'rx_bps >= 0' --interval 0.05", 0),
        ("'eth1 tx_pps < 1' --interval 0.05", 0),
        ("'rx_bps > 1tbit' --interval 0.2 -t 2", 7),
        ("'eth9 rx_bps > 1' --interval 0.2 -t 2", 7),
    ],
)
def test_stats_until(unchanged, words, code):
    result = unchanged.ovstool(f"stats eth1 -f json --until {words}")
    assert result.code == code and json.loads(result.stdout.splitlines()[0])["port"] == "eth1"
    assert ("did not hold within 2 s" in result.stderr) == (code == 7)
    assert ("eth9: no rates of such a port yet; waiting for them" in result.stderr) == ("eth9" in words)


def test_stats_until_ends_with_7_though_a_port_could_not_be_read(switch, ovstool):
    switch.vsctl("--no-wait add-port br0 broken -- set interface broken type=no-such-type")
    result = ovstool("stats --until 'broken rx_bps > 0' --interval 0.2 -t 2")
    assert result.code == 7
    assert '"broken rx_bps > 0" did not hold within 2 s: there are no rates of broken; try: a longer --timeout' in result.stderr


@pytest.mark.parametrize(
    "command",
    ["monitor prt", "monitor -f yaml", "monitor --sort-column time", "monitor -c colour", "monitor qos --until 'eth1 link_state'", "monitor --until ''",
     "stats --until rx_bps", "stats --until 'rx_bps>0' --bursts", "stats --until 'rx_bps>0' --interval 9 -t 5", "stats --until 'rx_bps>0' --watch"],
)  # fmt: skip
def test_wrong_usage(refused, command):
    assert refused(command, 2)


def test_a_condition_without_quotes(refused):
    assert "the condition of --until is one argument, in quotes" in refused("monitor --until eth1 link_state=up", 2)


def test_no_switch(refused):
    assert "no such socket" in refused("--db unix:/nonexistent monitor", 5)
