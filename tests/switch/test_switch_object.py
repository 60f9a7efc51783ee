"""``Switch``: where it is, how it is read and changed, and the results of a change, on a database whose cur_cfg the test sets."""

import os
import subprocess
import time
from contextlib import suppress

import pytest
from ovs_version import OVS

from ovstool.errors import Conflict, NotFound, Refused, TimedOut, Unreachable
from ovstool.host import Finished, local
from ovstool.host.deadline import Deadline
from ovstool.ovsdb.transaction import Query
from ovstool.ovsdb.values import one
from ovstool.switch import Switch, brought_up, iproute, versions
from ovstool.switch.connections import Connections
from ovstool.switch.port import mtu

ROOT = {"op": "update", "table": "Open_vSwitch", "where": []}
PORTS = Query("Port", [["name", "==", "eth1"]], ("tag",))


@pytest.fixture
def reach(database):
    """``reach(timeout_s=1)``: a Switch on a database with eth1; it is closed at the end."""
    database.put({"br0": {"ports": {"eth1": {"tag": 5}}}})
    database.transact(ROOT | {"row": {"next_cfg": 0, "cur_cfg": 10**9}})  # all changes count as applied
    reached = []

    def reach(**options) -> Switch:
        reached.append(Switch(**{"db": database.switch.box.db} | options))
        return reached[-1]

    yield reach
    for switch in reached:
        switch.close()
    database.transact(ROOT | {"row": {"next_cfg": 0, "cur_cfg": 0}})


def tag(database) -> int | None:
    return database.tree()["br0"]["ports"]["eth1"].get("tag")


def next_cfg(database) -> int:
    return database.transact({"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]})[0]["rows"][0]["next_cfg"]


def retag(to: int, *interfaces: str):
    """A function for a transaction: eth1 gets another tag if it still has the one that was read; afterwards interfaces are checked."""

    def build(txn) -> str:
        [row] = txn.held(Query("Port", [["name", "==", "eth1"]], ("_uuid", "tag")))
        txn.update("Port", row["_uuid"][1], {"tag": to})
        for name in interfaces:
            txn.watch(brought_up.health(name))
        return "built"

    return build


# --- location


@pytest.mark.parametrize(
    ("db", "rundir", "host_is_known"),
    [
        ("unix:/run/a/db.sock", "/run/a", True),
        ("tcp:127.0.0.1:6640", "/run/x", False),
        ("ssl:127.0.0.1:6640", "/run/x", False),
        (None, "/run/x", True),
    ],
)
def test_where_it_is(monkeypatch, db, rundir, host_is_known):
    monkeypatch.setenv("OVS_RUNDIR", "/run/x")
    switch = Switch(db)
    assert (switch.address, switch.rundir, switch.host_is_known) == (db or "unix:/run/x/db.sock", rundir, host_is_known)
    if host_is_known:
        assert switch.management_socket("br0") == f"unix:{rundir}/br0.mgmt"
        assert switch.run(["printf", "%s", "a"]) == Finished(0, "a", "") and list(switch.stream(["printf", "%s", "b"])) == [b"b"]
        assert switch.run(["cat"], b"in").stdout == "in"
        return
    said = f"needs access to the host of the switch, and {db} reaches only its database"
    for what, ask in (
        ("OpenFlow", lambda: switch.management_socket("br0")),
        ("OpenFlow", lambda: switch.openflow("br0")),
        ("cat", lambda: switch.run(["cat"])),
        ("cat", lambda: next(switch.stream(["cat"]))),
    ):
        with pytest.raises(Unreachable) as refused:
            ask()
        assert (refused.value.what, refused.value.why, refused.value.hint) == (what, said, "--host HOST")


def test_what_it_is_by_default():
    switch = Switch()
    assert (switch.timeout_s, switch.wait, switch.dry_run, switch.host) == (30, True, False, local)
    assert (switch.as_ovs, switch.same_lines) == (False, [])
    assert (switch.planned, switch.notes, switch.found) == ([], [], []) and 29 < switch.remaining_s() <= 30


def test_the_default_run_directory(monkeypatch, tmp_path):
    """That of the packages, unless only that of a plain ``make install`` has a socket."""
    packaged, built = tmp_path / "packaged", tmp_path / "built"
    monkeypatch.delenv("OVS_RUNDIR", raising=False)
    monkeypatch.setattr("ovstool.switch._RUNDIRS", (str(packaged), str(built)))
    assert Switch().rundir == str(packaged)
    for directory, chosen in ((built, built), (packaged, packaged)):
        directory.mkdir()
        (directory / "db.sock").touch()
        assert Switch().rundir == str(chosen)


class RemoteHost:
    """Another machine with an ovsdb-server of a plain ``make install``; here that is the test's."""

    def __init__(self, directory, listens: str):
        self.directory, self.listens, self.asked = directory, listens, []

    def open(self, address, timeout_s, tls, server):
        self.asked.append(address)
        if address != f"unix:{self.listens}/db.sock":
            raise Unreachable(address, "no such socket; is ovsdb-server running?")
        return local.open(f"unix:{self.directory}/db.sock", timeout_s, tls, server)

    def run(self, argv, timeout_s, stdin=b""):
        assert argv == ["test", "-S", "/usr/local/var/run/openvswitch/db.sock"]
        return Finished(0 if self.listens.startswith("/usr/local") else 1, "", "")


@pytest.mark.parametrize("listens", ["/var/run/openvswitch", "/usr/local/var/run/openvswitch", "/nowhere"])
def test_the_run_directory_of_another_machine(database, reach, monkeypatch, listens):
    monkeypatch.setenv("OVS_RUNDIR", "/run/of/this/one")
    remote = RemoteHost(database.switch.box.directory, listens)
    switch = reach(db=None, host=remote)
    if listens == "/nowhere":
        with pytest.raises(Unreachable, match=r"unix:/var/run/openvswitch/db\.sock: no such socket"):
            switch.read(PORTS)
        return
    assert switch.read(PORTS) == [{"tag": 5}] and switch.rundir == listens and switch.host_is_known
    assert remote.asked == [f"unix:{path}/db.sock" for path in ("/var/run/openvswitch", listens)[: 1 + listens.startswith("/usr")]]
    with pytest.raises(Unreachable, match=r"unix:/run/a/db\.sock: no such socket"):
        reach(db="unix:/run/a/db.sock", host=remote).read(PORTS)


def test_values_that_ovs_vswitchd_writes_are_waited_for(database, reach):
    switch = reach()
    port = [str(one(row["_uuid"])) for row in switch.read(PORTS._replace(columns=("_uuid",)))]
    assert switch.comes_to("Port", port, {"tag": 5}, 0.01) is True
    assert switch.comes_to("Port", port, {"tag": 6}, 0.01) is False


def test_the_connection_is_kept_until_it_is_closed(reach):
    switch = reach()
    client = switch.client
    assert switch.client is client and switch.read(PORTS) == [{"tag": 5}]
    switch.close()
    switch.close()
    assert switch.client is not client and switch.read_all([PORTS, PORTS]) == [[{"tag": 5}]] * 2


def test_the_time_allowed(reach):
    switch = reach(timeout_s=20)
    end = switch.client.deadline
    assert switch.deadline == end and 19 < switch.remaining_s() <= 20
    switch.give_until(end + 100)
    assert switch.client.deadline == switch.deadline == pytest.approx(end + 100) and 118 < switch.remaining_s() <= 120
    switch.give_until(end - 100)
    assert switch.remaining_s() == 0.001
    switch.rearm()
    assert 19 < switch.remaining_s() <= 20 and switch.client.deadline == switch.deadline


def test_what_cannot_be_determined_is_noted_once(reach):
    switch = reach()

    def fails(why: str) -> None:
        raise Refused("tc", why)

    assert switch.attempt("the rate", lambda of: of + 1, 1) == 2 and switch.notes == []
    assert [switch.attempt("the rate", fails, why) for why in ("broken", "broken", "gone")] == [None] * 3
    assert switch.notes == ["tc: broken; the rate is not known", "tc: gone; the rate is not known"]
    elsewhere = Switch("tcp:127.0.0.1:1")
    assert elsewhere.attempt("the rate", fails, "x") is None and elsewhere.notes == []


def test_a_program_that_is_not_installed(reach, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    for ask, what in ((lambda switch: switch.appctl("version"), "ovs-appctl"), (lambda switch: switch.run(["nosuch"]), "nosuch")):
        with pytest.raises(NotFound) as refused:
            ask(reach())
        assert (refused.value.what, refused.value.why) == (what, "not installed")
    assert versions.running(reach()) is None


def test_ovs_vswitchd_reports_its_version(unchanged):
    switch = Switch(unchanged.box.db)
    assert switch.appctl("version").status == 0 and versions.running(switch) == OVS
    assert versions.running(Switch("tcp:127.0.0.1:1")) is None and versions.running(Switch("unix:/nowhere/db.sock")) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a network namespace")
def test_programs_run_in_the_network_of_ovs_vswitchd(tmp_path):
    switch = Switch(f"unix:{tmp_path}/db.sock")
    assert switch.in_its_network == []  # it is not running
    (tmp_path / "ovs-vswitchd.pid").write_text(str(os.getpid()))
    assert Switch(switch.address).in_its_network == [] == switch.in_its_network
    elsewhere = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    try:
        (tmp_path / "ovs-vswitchd.pid").write_text(str(elsewhere.pid))
        while not (words := Switch(switch.address).in_its_network):
            assert elsewhere.poll() is None
            time.sleep(0.01)
        assert words == ["nsenter", f"--net=/proc/{elsewhere.pid}/ns/net", "--"] and switch.in_its_network == []
    finally:
        elsewhere.kill()
        elsewhere.wait()


@pytest.mark.parametrize(
    ("script", "items"),
    [
        ("""printf '[{"words": "%s"}, 5]' "$*\"""", [{"words": "-j route get 192.0.2.1"}]),
        ("echo '[]'", []),
        ("""echo '[{"addr_info": 7}, {"addr_info": [7, {"local": 7}]}]'""", [{"addr_info": 7}, {"addr_info": [7, {"local": 7}]}]),
        (
            """echo '[{"addr_info": [{"local": "192.0.2.1"}], "owner": "192.0.2.1"}]'""",
            [{"addr_info": [{"local": "192.0.2.1"}], "owner": "192.0.2.1"}],
        ),
        ("echo '{}'", []),
        ("echo nonsense", []),
        ("echo '[{}]'; exit 1", []),
        ("head -c 200000 /dev/zero | tr '\\0' '['", []),
    ],
)
def test_output_of_ip(monkeypatch, tmp_path, script, items):
    (tmp_path / "ip").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert iproute.ip(Switch(f"unix:{tmp_path}/db.sock"), "route", "get", "192.0.2.1") == items
    assert iproute.addresses(Switch(f"unix:{tmp_path}/db.sock")) == {"192.0.2.1"} & {item.get("owner") for item in items}


# --- changes


def test_a_change_waits_for_ovs_vswitchd(database, reach):
    assert reach().write(retag(6)) == "built" and (tag(database), next_cfg(database)) == (6, 1)
    assert reach(wait=False).write(retag(7)) == "built" and (tag(database), next_cfg(database)) == (7, 1)
    planning = reach(dry_run=True)
    assert planning.write(retag(8)) == "built" and (tag(database), next_cfg(database)) == (7, 1)
    assert [operation["op"] for operation in planning.planned] == ["wait", "update", "mutate", "select"]
    assert planning.planned[1]["row"] == {"tag": 8} and planning.planned[2]["table"] == "Open_vSwitch"
    planning = reach(dry_run=True, wait=False, planned=[{"op": "before"}])
    planning.write(retag(8))
    assert [operation["op"] for operation in planning.planned] == ["before", "wait", "update"]
    assert reach(dry_run=True).write(lambda txn: "nothing") == "nothing"


def test_a_change_that_is_not_applied_in_time_is_reported(database, reach):
    database.transact(ROOT | {"row": {"next_cfg": 4, "cur_cfg": 4}})
    said = "did not apply the change within 1 s; the database has it"
    for build, after in ((retag(6), 6), (lambda txn: None, 6)):  # also if nothing is to be changed, while another change is not applied
        with pytest.raises(TimedOut) as late:
            reach(timeout_s=1).write(build)
        assert (late.value.what, late.value.why, late.value.hint) == (
            "ovs-vswitchd", said, "is it running? --no-wait does not wait for it",
        ) and (tag(database), next_cfg(database)) == (after, 5)  # fmt: skip
    assert reach(timeout_s=20, wait=False).write(lambda txn: "nothing") == "nothing"
    database.transact(ROOT | {"row": {"cur_cfg": 5}})
    assert reach(timeout_s=5).write(lambda txn: "nothing") == "nothing"


HEALTH = {
    "fine": {"ofport": 3},
    "pair": {"ofport": 4, "type": "patch", "error": "pair: No usable peer"},
    "half": {"type": "patch", "error": "half: could not be opened"},
    "down": {},
    "lost": {"ofport": -1, "error": "could not open network device lost (No such device)"},
    "late": {"ofport": 5, "error": "late: first\nlate: second\nlater: third"},
}


def test_errors_of_ovs_vswitchd_are_reported(database, reach):
    database.put({"br0": {"ports": {"eth1": {"interfaces": {"eth1": {}} | HEALTH}}}})
    assert reach().write(retag(6, "fine", "pair")) == "built"
    with pytest.raises(Refused) as refused:
        reach().write(retag(7, *HEALTH))
    assert (refused.value.what, refused.value.hint, tag(database)) == ("ovs-vswitchd", None, 7)
    assert refused.value.why == (
        "half: could not be opened; down: was not brought up; see the log of ovs-vswitchd; lost: could not open network device lost (No such device);"
        " late: first; second; later: third (the database has the change)"
    )
    assert reach(wait=False).write(retag(8, *HEALTH)) == reach(dry_run=True).write(retag(9, *HEALTH)) == "built"


@pytest.mark.parametrize("count", [10, 11, 12])
def test_at_most_ten_errors_are_reported(database, reach, count):
    names = [f"i{number:02}" for number in range(count)]
    database.put({"br0": {"ports": {"eth1": {"interfaces": {name: {"error": "x"} for name in names}}}}})
    with pytest.raises(Refused) as refused:
        reach().write(retag(6, *names))
    more = f"; and {count - 10} more" if count > 10 else ""
    assert refused.value.why == "; ".join(f"{name}: x" for name in names[:10]) + more + " (the database has the change)"


def test_a_transaction_is_rebuilt_while_others_are_faster(database, reach):
    built = []

    def build(txn) -> int:
        retag(6)(txn)
        built.append(txn.thorough)
        if len(built) < 3:
            database.transact({"op": "update", "table": "Port", "where": [["name", "==", "eth1"]], "row": {"tag": 10 + len(built)}})
        return len(built)

    assert reach().write(build) == 3 and tag(database) == 6 and built == [False] * 3


def test_rebuilding_is_limited(database, reach):
    built = []

    def build(txn) -> None:
        retag(6)(txn)
        built.append(True)
        database.transact({"op": "update", "table": "Port", "where": [["name", "==", "eth1"]], "row": {"tag": 10 + len(built)}})

    with pytest.raises(Conflict) as refused:
        reach().write(build)
    said = "other programs kept changing the same rows (64 attempts), so nothing was changed"
    assert (refused.value.what, refused.value.why, refused.value.hint) == ("the database", said, "again")
    assert len(built) == 64 and tag(database) == 74


@pytest.mark.parametrize("error", [Conflict, NotFound, Refused])
def test_a_refusal_is_based_on_a_consistent_reading(database, reach, error):
    built = []

    def build(txn) -> str:
        [row] = txn.held(PORTS)
        built.append(row["tag"])
        if row["tag"] == 5:
            database.transact({"op": "update", "table": "Port", "where": [["name", "==", "eth1"]], "row": {"tag": 6}})
        if row["tag"] != 7:
            raise error("eth1", f"its tag is {row['tag']}")
        return "built"

    with pytest.raises(error, match="its tag is 6"):
        reach().write(build)
    assert built == [5, 6]


def test_an_unknown_reference_is_searched_for(database, reach):
    qos = {"type": "linux-htb"}
    database.put({"br0": {"ports": {"eth1": {"qos": qos}}}}, QoS=[{"type": "linux-sfq"}])
    built = []

    def build(txn) -> None:
        built.append(txn.thorough)
        for row in txn.read(Query("QoS", [["type", "==", "linux-sfq" if txn.thorough else "linux-htb"]])):
            txn.delete("QoS", row["_uuid"][1])

    reach().write(build)
    assert built == [False, True] and database.count("QoS") == [1] and database.tree()["br0"]["ports"]["eth1"] == {"qos": qos}


def test_an_error_of_the_server_names_the_column(database, reach):
    def build(txn) -> None:
        [row] = txn.read(Query("Port", [["name", "==", "eth1"]], ("_uuid",)))
        txn.update("Port", row["_uuid"][1], {"tag": 4096})

    for switch in (reach(), reach(dry_run=True)):
        with pytest.raises(Refused, match=r"^Port\.tag: "):
            switch.write(build)
    assert tag(database) == 5

    def twice(txn) -> None:
        txn.insert("Port", {"name": "new0", "interfaces": txn.insert("Interface", {"name": "eth1"})})
        txn.mutate("Bridge", txn.read(Query("Bridge", []))[0]["_uuid"][1], [["ports", "insert", ["set", [["named-uuid", "row1"]]]]])

    with pytest.raises(Refused) as refused:
        reach().write(twice)
    assert refused.value.what == "ovsdb-server" and "constraint violation" in refused.value.why


def test_another_database_is_reported(reach):
    with pytest.raises(Unreachable, match=r"^the database: its schema is not Open vSwitch.s "):
        reach().read(Query("Nosuch", []))


def test_an_mtu_that_a_device_does_not_take(database, reach, monkeypatch):
    """There is no note if another MTU has been requested for the port meanwhile."""
    monkeypatch.setattr(mtu, "_WAIT_S", 0.01)
    for asked, has, said in ((1400, [], "has no MTU"), (1400, [1500], "stays at MTU 1500"), (1300, [1300], None), (1300, [], None)):
        row = {"mtu_request": asked, "mtu": ["set", has]}
        database.transact({"op": "update", "table": "Interface", "where": [["name", "==", "eth1"]], "row": row})
        if said:
            with pytest.raises(Refused, match=rf"eth1 {said} \(1400 was requested\); see the log of ovs-vswitchd"):
                mtu.require_taken(reach(), "eth1", 1400)
        else:
            mtu.require_taken(reach(), "eth1", 1400)


# --- connections that outlive a command


@pytest.fixture
def connections():
    made = Connections()
    yield made
    made.close()


def used(connections, switch, error: BaseException | None = None):
    """The connection of a command that reads the ports and then ends like this."""
    with suppress(BaseException), connections.lent(switch, "here", Deadline(30), False):
        switch.read(PORTS)
        client = switch.open_client
        if error:
            raise error
    return client


def test_the_next_command_has_the_connection_of_the_last(connections, reach):
    first = used(connections, reach())
    assert used(connections, reach(), NotFound("port eth9", "no such port")) is first
    assert used(connections, reach()) is first
    assert used(connections, reach(), KeyboardInterrupt()) is first and used(connections, reach()) is not first


def test_a_connection_is_used_by_one_command_at_a_time(connections, reach):
    first, second = reach(), reach()
    with connections.lent(first, "here", Deadline(30), False), connections.lent(second, "here", Deadline(30), False):
        first.read(PORTS)
        second.read(PORTS)
        ours, other = first.open_client, second.open_client
        assert ours is not other
    assert (ours.is_idle, other.is_idle) == (True, False)  # of two one is kept, and the other closed


def test_a_connection_that_tells_of_changes_is_not_kept(connections, reach):
    switch = reach()
    with connections.lent(switch, "here", Deadline(30), False):
        switch.client.watch("Port", ["name"])
        client = switch.client
    assert used(connections, reach()) is not client


def test_each_command_has_its_own_time(connections, reach):
    used(connections, reach(timeout_s=2))
    time.sleep(2.1)
    switch = reach()
    with connections.lent(switch, "here", Deadline(30), False):
        assert switch.read(PORTS)
        connections.end_commands()  # as after Ctrl-C, while a thread still works on a host
        with pytest.raises(TimedOut):
            switch.read(PORTS)
