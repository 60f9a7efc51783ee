"""--confirm-within: what is not confirmed is undone, by a watchdog that needs neither ovstool nor the connection."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest
from forked import FORKS
from whole_rows import whole

from ovstool.errors import Refused
from ovstool.host import Finished
from ovstool.ovsdb.transaction import Stale, Transaction
from ovstool.switch import Switch, police
from ovstool.switch.changes.comment import Comment
from ovstool.switch.confirm import arming, watchdog

# What ovs-vswitchd writes: counts of configurations, and what it finds out about a device anew.
_WRITTEN = ("Open_vSwitch.next_cfg", "Open_vSwitch.cur_cfg", "Port.bond_active_slave", "Bridge.datapath_version")
_HOSTILE = 'a "b"\'\n$(touch /tmp/ovstool-was-here)`x`\\'


def state(switch) -> dict:
    return whole(switch.box.db, *_WRITTEN)


def pending(switch) -> dict[str, str]:
    """The keys of pending changes, whether committed or not."""
    ids = switch.rows("Open_vSwitch", "external_ids")[0]["external_ids"][1]
    return {key: value for key, value in ids if key.startswith("ovstool-")}


def wait_until_decided(switch) -> None:
    deadline = time.monotonic() + 60
    while pending(switch):
        assert time.monotonic() < deadline, pending(switch)
        time.sleep(0.05)


def watchdogs(switch) -> list[str]:
    """The process IDs of this switch's watchdogs."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if b"ovstool-watchdog" in words and switch.box.db.encode() in words:
            found.append(pid)
    return found


def wait_for_watchdogs(switch) -> None:
    """Wait until all have ended: one may still be starting, and one stays for some seconds after a confirmation."""
    deadline = time.monotonic() + 60
    while watchdogs(switch):
        assert time.monotonic() < deadline, pending(switch)
        time.sleep(0.05)


def changed(ovstool, command: str | list, within: int = 1) -> str:
    """The ID of a change that has to be confirmed."""
    done = ovstool([*(command.split() if isinstance(command, str) else command), "--confirm-within", str(within)])
    assert done.code == 0, done
    notes = [line for line in done.stderr.splitlines() if "unless confirmed" in line]
    assert len(notes) == 1 and f"undone in {within} s unless confirmed; try: ovstool " in notes[0], done.stderr
    return notes[0].rpartition(" ")[2]


@pytest.fixture
def rich(switch):
    """A switch with a bond, mirrors, shared and unshared QoS, fake and real bridges, and names that need quotes."""
    switch.vsctl(
        "add-port br0 eth4 -- add-port br0 eth3 -- add-bond br0 bond0 b1 b2 -- set interface eth3 ofport_request=33 external_ids:iface-id=x"
    )
    switch.vsctl(
        "-- --id=@a get port eth1 -- --id=@b get port eth3 -- --id=@c get port bond0 -- --id=@m create mirror name=m "
        "select-src-port=@a,@b output-port=@c -- add bridge br0 mirrors @m"
    )
    switch.vsctl(
        "add-br br1 -- set bridge br1 datapath_type=dummy -- add-port br1 q1 -- add-port br1 q2 -- set-controller br1 tcp:127.0.0.1:1"
    )
    switch.vsctl(
        "set port q1 qos=@q -- set port eth3 qos=@q -- --id=@q create qos type=linux-htb queues:1=@a -- --id=@a create queue dscp=3"
    )
    switch.vsctl("set port q2 qos=@q -- --id=@q create qos type=linux-htb queues:1=@a -- --id=@a create queue dscp=4")
    switch.vsctl("add-br br2 -- set bridge br2 datapath_type=dummy -- create qos type=linux-hfsc")
    switch.tool("ovs-vsctl", "set", "bridge", "br0", f"external_ids:k={json.dumps(_HOSTILE)}", f"external_ids:{json.dumps(_HOSTILE)}=v")
    return switch


def test_what_is_not_confirmed_is_undone_row_for_row(rich, ovstool, tmp_path):
    page = tmp_path / "page.yaml"
    page.write_text("bridges: {br0: {ports: {eth4: {bond: {interfaces: [c1, c2]}}}}}")
    before = state(rich)
    ports = {row["name"]: row["ofport"] for row in rich.rows("Interface", "name", "ofport")}
    ids = [changed(ovstool, command) for command in (
        "port del eth3 bond0", "bridge del br1", "qos set eth1 --max-rate 10mbit --queue 0 --queue 1:min=5mbit",
        "police set eth2 --rate 10mbit", "sflow enable br0 --collector 127.0.0.1", "port set eth2 --tag 7 --external-id k=v",
        ["bridge", "set", "br0", "--external-id", f"k={_HOSTILE} too", "--unset", f"external_ids:{_HOSTILE}"], "qos gc",
        ["port", "add", "br0", "bond1", "--bond", "b3,b4", "--external-id", f"x={_HOSTILE}"], "bridge add br3 --controller tcp:127.0.0.1:2",
        "bridge set br2 --controller tcp:127.0.0.1:3 --controller tcp:127.0.0.1:4", "port set eth1 --tag 9", f"apply {page}",
    )]  # fmt: skip
    assert len(set(ids)) == len(ids)
    wait_until_decided(rich)
    assert state(rich) == before
    rich.vsctl("--timeout=20 set open . external_ids:seen=yes")  # waits for ovs-vswitchd
    assert {row["name"]: row["ofport"] for row in rich.rows("Interface", "name", "ofport")} == ports
    assert not os.path.exists("/tmp/ovstool-was-here")
    wait_for_watchdogs(rich)


def test_the_undo_is_in_the_log_of_the_database(switch, ovstool):
    id = changed(ovstool, "police set eth1 --rate 10mbit")
    wait_until_decided(switch)
    done = subprocess.run(["ovsdb-tool", "show-log", f"{switch.box.directory}/conf.db"], capture_output=True, text=True, check=True)
    told = [line for line in done.stdout.splitlines() if f"ovstool[{id}] " in line]
    assert len(told) == 2 and told[0].endswith(': ovstool police set eth1 --rate 10mbit --confirm-within 1"')
    assert ": not confirmed within 1 s: ovstool police set eth1" in told[1]


def test_what_is_confirmed_stays(switch, ovstool):
    first = changed(ovstool, "police set eth1 --rate 10mbit", 60)
    second = changed(ovstool, "police set eth2 --rate 20mbit", 60)
    planned = ovstool("confirm --dry-run")
    assert [(first in planned.stderr, second in planned.stderr)] == [(True, True)] and len(pending(switch)) == 2
    shown = [(change["id"], change["command"]) for change in ovstool("show -f json").json["pending"]]
    assert sorted(shown) == sorted(
        (id, f"ovstool police set {port} --rate {mbit}mbit --confirm-within 60")
        for id, port, mbit in ((first, "eth1", 10), (second, "eth2", 20))
    )
    assert "external_ids" in ovstool("confirm --dry-run --as-ovs").stdout
    nosuch = ovstool("confirm 00000000")
    assert (
        nosuch.code == 3
        and set(re.search("; pending: ([^;]*);", nosuch.stderr)[1].split(", ")) == {first, second}
        and len(pending(switch)) == 2
    )
    assert ovstool(f"confirm {second} -f json").json == [{"object": second, "change": "updated"}]
    assert ovstool("confirm").stdout == f"{first}: updated\n"
    again = ovstool("confirm")
    assert (again.code, again.stdout) == (0, "") and "no change is pending" in again.stderr
    assert ovstool(f"confirm {first}").code == 3
    at_end = state(switch)
    wait_for_watchdogs(switch)
    assert state(switch) == at_end and pending(switch) == {}
    assert switch.vsctl("get interface eth1 ingress_policing_rate -- get interface eth2 ingress_policing_rate").split() == [
        "10000",
        "20000",
    ]


def test_two_pending_changes_of_one_value(switch, ovstool):
    """The undo of the first waits for that of the second, which stands on it."""
    switch.vsctl("add-port br0 eth3 -- add-port br0 eth4")
    rate = {}
    for port, first, second in (("eth1", 1, 3), ("eth2", 3, 1), ("eth3", 1, 6), ("eth4", 1, 6)):
        rate[port] = [changed(ovstool, f"police set {port} --rate {mbit}mbit", s) for mbit, s in ((10, first), (20, second))]
    assert ovstool(f"confirm {rate['eth3'][0]} {rate['eth4'][1]}").code == 0
    deadline = time.monotonic() + 60
    while pending(switch).keys() != {f"ovstool-confirm-{rate['eth4'][0]}"}:
        assert time.monotonic() < deadline, pending(switch)
        time.sleep(0.05)
    found = {row["name"]: row["ingress_policing_rate"] for row in switch.rows("Interface", "name", "ingress_policing_rate")}
    assert found == {"br0": 0, "eth1": 0, "eth2": 0, "eth3": 10000, "eth4": 20000}
    assert ovstool(f"confirm {rate['eth4'][0]}").code == 0


def test_what_others_have_changed_since_is_left_to_them(switch, ovstool):
    same = changed(ovstool, "police set eth1 --rate 10mbit", 8)
    changed(ovstool, "bridge set br0 --external-id a=1 --external-id b=2 --other-config mac-table-size=99", 8)
    changed(ovstool, "port add br0 eth5", 8)
    switch.vsctl("set interface eth1 ingress_policing_rate=5 -- set bridge br0 external_ids:c=3 -- add-port br0 eth6")
    deadline = time.monotonic() + 60
    while len(pending(switch)) > 1:
        assert time.monotonic() < deadline, pending(switch)
        time.sleep(0.05)
    assert pending(switch).keys() == {f"ovstool-confirm-{same}"}
    assert switch.vsctl("get interface eth1 ingress_policing_rate") == "5"
    assert switch.vsctl("get bridge br0 external_ids other_config") == '{c="3"}\n{}'
    assert switch.vsctl("list-ports br0").split() == ["eth1", "eth2", "eth6"]
    while "was to be undone at" not in ovstool("confirm --dry-run").stderr:
        assert time.monotonic() < deadline  # times are told in seconds, so the last one may not be over
    assert f"pending {same}  was to be undone at " in ovstool("show").stdout
    kept = ovstool("confirm")
    assert kept.code == 0 and "but others have changed the same since, or the host was restarted" in kept.stderr


def test_a_path_relative_to_the_working_directory(switch):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(switch.box.directory)
        for db in ("unix:db.sock", "unix:./db.sock"):
            changed(switch.ovstool, f"--db {db} police set eth1 --rate 10mbit")
            wait_until_decided(switch)
    assert switch.vsctl("get interface eth1 ingress_policing_rate") == "0"


class Armed:
    """A watchdog for ``police set eth1 --rate 10mbit``, whose change is not committed."""

    def __init__(self, switch):
        self.reached = Switch(switch.box.db, comment=Comment.of(["police", "set"]), confirm_within_s=2)
        self.txn = Transaction(self.reached.client, comment=self.reached.comment)
        police._write(self.txn, ["eth1"], {"ingress_policing_rate": 10000}, "updated")
        self.undo = arming.add_undo(self.txn, self.reached.client.get_schema(), 2, str(self.reached.comment), dry_run=False)

    def start(self, run=None) -> None:
        watchdog.start(run or self.reached.run, self.reached.address, self.undo)


@pytest.fixture
def armed(switch):
    armed = Armed(switch)
    yield armed
    armed.reached.close()


def test_a_change_that_never_came_is_not_undone_even_if_it_comes_later(switch, ovstool, armed):
    """Killed after the watchdog was started; and the change arrives when the watchdog has given up."""
    armed.start()
    assert len(pending(switch)) == 1 and ovstool("confirm").stdout == ""
    assert ovstool("police set eth1 --rate 10mbit").code == 0
    wait_until_decided(switch)
    assert switch.vsctl("get interface eth1 ingress_policing_rate") == "10000"
    with pytest.raises(Stale):
        armed.txn.commit(False)


def test_a_change_that_is_refused_leaves_no_watchdog(switch, armed):
    """Somebody else has changed what the change relies on, after the watchdog was started."""
    before = state(switch)
    with (
        pytest.raises(Stale),
        arming.armed(armed.undo, armed.reached.run, armed.reached.address, armed.reached.client, armed.reached.found),
    ):
        assert len(pending(switch)) == 1 and len(armed.reached.found) == 1
        switch.vsctl("set interface eth1 ingress_policing_rate=7")
        armed.txn.commit(False)
    assert pending(switch) == {} and armed.reached.found == []
    switch.vsctl("set interface eth1 ingress_policing_rate=0")
    assert state(switch) == before


@pytest.mark.parametrize("part", [0.5, 1])
def test_killed_while_it_starts_the_watchdog(switch, armed, part):
    """When only a part of the undo has arrived there is no watchdog; when nobody hears that it is armed it ends in time."""
    seen = []

    def run(argv, stdin):
        with subprocess.Popen(argv, env=switch.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as program:
            program.stdout.close()
            program.stdin.write(stdin[: int(part * len(stdin))])
        deadline = time.monotonic() + (20 if part == 1 else 0)
        while not seen and time.monotonic() < deadline:
            seen.extend(pending(switch))
        return Finished(-9, "", "")

    before = state(switch)
    with pytest.raises(Refused):
        armed.start(run)
    assert len(seen) == int(part)
    wait_until_decided(switch)
    assert state(switch) == before


def test_what_the_undo_does_not_bring_back_is_told(switch, ovstool):
    """Flows are in no database; those of 'qos steer' stay when a port is deleted, because it comes back with its number."""
    ovstool("qos set eth1 --max-rate 10mbit --queue 1")
    assert ovstool("qos steer eth1 --queue 1 --match ip,nw_dst=10.0.0.1").code == 0
    for command in ("port del eth1", "qos clear eth1"):
        done = ovstool(f"{command} --confirm-within 60 -n")
        assert "--confirm-within cannot undo a change of flows; any flows that steer into queues of eth1 remain" in done.stderr, done
    done = ovstool("bridge del br0 --confirm-within 60 -n")
    assert "br0: ovs-vswitchd deletes its 1 flow with it, and the undo does not bring them back" in done.stderr
    switch.tool("ovs-ofctl", "add-flow", "br0", "tcp,actions=drop")
    done = ovstool("bridge set br0 --fail-mode secure --force --confirm-within 1")
    assert "deletes its 2 flows with this change, 1 of them from 'qos steer', and the undo does not bring them back" in done.stderr, done
    wait_until_decided(switch)


def test_the_server_is_stopped_when_the_time_is_over(switch, ovstool):
    before = state(switch)
    changed(ovstool, "port add br0 eth5 --tag 5")
    pid = int((switch.box.directory / "ovsdb-server.pid").read_text())
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        argv = file.read().split(b"\0")[:-1]
    os.kill(pid, signal.SIGKILL)
    switch.others.append("kill")
    time.sleep(1.5)  # past the time of the undo
    subprocess.run(argv, env=switch.environ, cwd=switch.box.directory, check=True, capture_output=True, timeout=60)
    wait_until_decided(switch)
    assert state(switch) == before


def test_killed_at_any_instant(switch):
    """Between its steps and inside them: the whole change or nothing of it is committed, and in the end all is as before."""
    names = [f"k{number}" for number in range(12)]
    switch.vsctl(" -- ".join(f"add-port br0 {name}" for name in names))
    before = state(switch)
    for number, name in enumerate(names):
        command = f"port del {name}" if number % 2 else f"qos set {name} --max-rate 10mbit --queue 1 --force"
        process = FORKS.start([*command.split(), "--confirm-within", "1"], switch.environ)
        time.sleep(0.02 * number)  # up to the time that it takes
        process.kill()
        process.wait()
    wait_for_watchdogs(switch)
    assert state(switch) == before


def test_several_transactions_of_one_command(switch, ovstool):
    """'qos set --force' has two; each of them can be undone, the last one first, and one confirmation is for both."""
    ovstool("qos set eth1 --max-rate 10mbit --queue 1:min=5mbit")
    before = state(switch)
    id = changed(ovstool, "qos set eth1 --max-rate 10mbit --queue 1:min=5mbit --force", 3)
    assert pending(switch).keys() == {f"ovstool-confirm-{id}", f"ovstool-confirm-{id}-2"}
    wait_until_decided(switch)
    assert state(switch) == before
    id = changed(ovstool, "qos set eth1 --max-rate 20mbit --force", 60)
    assert ovstool(f"confirm {id}").stdout == f"{id}: updated\n" and pending(switch) == {}


def test_a_dry_run_starts_nothing(switch, ovstool):
    before = watchdogs(switch)  # one may stay for some seconds after a confirmation
    done = ovstool("police set eth1 --rate 10mbit --confirm-within 60 -n")
    assert done.code == 0 and "ovstool-confirm-" in done.stdout and "unless confirmed" not in done.stderr
    assert pending(switch) == {} and set(watchdogs(switch)) <= set(before)
    line = ovstool("port add br0 eth7 --tag 5 --confirm-within 60 -n --as-ovs").stdout
    assert line == ovstool("port add br0 eth7 --tag 5 -n --as-ovs").stdout
    assert ovstool("port add br0 eth1 --confirm-within 60").stdout == "eth1: unchanged\n"
    assert set(watchdogs(switch)) <= set(before)
    assert ovstool("police list --confirm-within 60").code == 0


@pytest.mark.parametrize(("command", "code", "why"), [
    ("flow add br0 actions=drop", 2, "a change of flows cannot be undone"), ("qos steer eth1 --queue 1 --match ip", 2, "cannot be undone"),
    ("flow del br0 -n", 2, "cannot be undone"), ("confirm", 2, "a confirmation cannot be undone"),
    ("sandbox start", 2, "sandbox commands cannot be undone"), ("--db tcp:127.0.0.1:1 police clear eth1", 5, "127.0.0.1:1"),
])  # fmt: skip
def test_what_cannot_be_undone_is_refused(refused, command, code, why):
    assert why in refused(f"{command} --confirm-within 60", code)


@pytest.mark.parametrize("within", ["0", "-1", "0.5", "x", "1s", "1000001", ""])
def test_times_that_are_refused(refused, within):
    assert "not a whole number from 1 to 1000000" in refused(["police", "clear", "eth1", f"--confirm-within={within}"], 2)


def test_an_undo_that_is_too_large_is_refused(refused):
    many = [word for number in range(700) for word in ("--external-id", f"k{number}={'v' * 200}")]
    assert "takes at most 127" in refused(["port", "add", "br0", "eth8", *many, "--confirm-within", "60"], 6)


def test_only_the_database_can_be_reached(switch, ovstool):
    """Then a change is refused, and what was changed elsewhere can be confirmed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    [control] = switch.box.directory.glob("ovsdb-server.*.ctl")
    switch.tool("ovs-appctl", "-t", str(control), "ovsdb-server/add-remote", f"ptcp:{port}:127.0.0.1")
    before = state(switch)
    done = ovstool(f"--db tcp:127.0.0.1:{port} police set eth1 --rate 10mbit --confirm-within 60")
    assert done.code == 5 and done.stderr.startswith("ovstool: --confirm-within: needs access to the host of the switch")
    assert state(switch) == before
    id = changed(ovstool, "police set eth1 --rate 10mbit", 60)
    assert ovstool(f"--db tcp:127.0.0.1:{port} confirm").stdout == f"{id}: updated\n"


def test_a_host_without_ovsdb_client(switch, ovstool, tmp_path):
    for name in ("sh", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name))
    before = state(switch)
    done = ovstool("police set eth1 --rate 10mbit --confirm-within 60", PATH=str(tmp_path))
    assert (done.code, done.stdout) == (6, "") and "so nothing was changed: ovsdb-client is not installed" in done.stderr
    assert state(switch) == before
