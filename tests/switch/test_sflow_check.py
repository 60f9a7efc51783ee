"""sflow check with real datagrams: what it finds, and that it restores the rows, whatever interrupts it."""

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from severity import SFLOW_ERRORS, SFLOW_WARNINGS
from sflow_collector import collecting

from ovstool.errors import Unreachable
from ovstool.host import local
from ovstool.switch import Switch
from ovstool.switch.checks import sflow as check_sflow
from ovstool.switch.checks.sflow import state
from ovstool.switch.checks.sflow.probe import Probes
from ovstool.switch.checks.sflow.state import Export
from ovstool.switch.sflow import second_target

MARK = "ovstool-check:"
CLOSING = "ovstool: note: no problem found; delivery to 10.0.0.1:6343 is not checked"
ROW = "agent=br0 targets='\"10.0.0.1:6343\"'"


@pytest.fixture(scope="module")
def collector(forwarding):
    forwarding.tool("ovs-appctl", "vlog/disable-rate-limit", "collectors")  # so that no test depends on what earlier tests logged
    with collecting(["ip", "netns", "exec", next(iter(forwarding.box.hosts))], "10.0.0.1"):
        yield


@pytest.fixture
def switch(forwarding, collector):
    yield forwarding
    others = [name for name in forwarding.vsctl("list-br").split() if name != "br0"]
    forwarding.vsctl("clear bridge br0 sflow " + " ".join(f"-- del-br {name}" for name in others))


def sampled(switch, row: str = ROW, bridges: str = "br0") -> None:
    """Give bridges one sFlow row, as another program would."""
    switch.vsctl(" -- ".join([f"--id=@s create sflow {row}", *(f"set bridge {bridge} sflow=@s" for bridge in bridges.split())]))


def rows(switch) -> list[dict]:
    """The sFlow rows as ovs-vsctl prints them."""
    return sorted(switch.rows("sFlow"), key=str)


def problems(result) -> list[str]:
    assert result.code == (1 if result.json else 0), result
    for row in result.json:
        assert list(row) == ["bridge", "severity", "problem", "evidence", "remedy"]
        assert row["severity"] == ("error" if row["problem"] in SFLOW_ERRORS else "warning")
        assert row["problem"] in SFLOW_ERRORS | SFLOW_WARNINGS
    return [row["problem"] for row in result.json]


@contextmanager
def pinging(switch):
    """Packets from one host to the other during the block."""
    argv = ["ip", "netns", "exec", next(iter(switch.box.hosts)), "ping", "-q", "-i", "0.01", "10.0.0.2"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as ping:
        try:
            yield
        finally:
            ping.send_signal(signal.SIGINT)


@contextmanager
def checking(switch, words: str = "", environ: dict | None = None):
    """A check in its own process that has added its second target."""
    argv = [sys.executable, "-m", "ovstool", "sflow", "check", "--for", "20", *shlex.split(words), "-f", "json"]
    with subprocess.Popen(argv, env=switch.environ | (environ or {}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as check:
        try:
            while not any(MARK in str(row) for row in rows(switch)):
                assert check.poll() is None, check.communicate()
                time.sleep(0.02)
            yield check
        finally:
            check.kill()


def test_nothing_is_wrong_without_packets(switch, ovstool):
    sampled(switch, f"{ROW} sampling=10000000")  # the datagrams themselves are packets of br0
    before = rows(switch)
    result = ovstool("sflow check --for 0.1 -f json")
    assert problems(result) == []
    unsampled, caught, closing = result.stderr.splitlines()
    assert unsampled.startswith("ovstool: note: br0: no packet was sampled in ")
    assert re.fullmatch(r"ovstool: note: br0: datagram from agent 10.0.0.254 caught: counters of \d ports? agree", caught)
    assert closing == CLOSING
    assert rows(switch) == before


def test_nothing_is_wrong_with_packets(switch, ovstool):
    switch.vsctl("add-br br1 -- set bridge br1 datapath_type=netdev")
    sampled(switch, f"{ROW} sampling=2", "br0 br1")
    before = rows(switch)
    with pinging(switch):
        result = ovstool("sflow check br0 -f json")
        caught, closing = result.stderr.splitlines()
        assert problems(result) == [] and closing == CLOSING
        assert re.fullmatch(
            r"ovstool: note: br0: datagram from agent 10.0.0.254 caught: sampling 1 in 2, \d+ packets? sampled, counters of \d ports? agree",
            caught,
        )
        both = ovstool("sflow check -f json")
    unsampled, *_, closing = both.stderr.splitlines()
    assert problems(both) == [] and unsampled.startswith("ovstool: note: br1: no packet"), "this bridge has no port with packets"
    assert closing == CLOSING
    assert rows(switch) == before


FAULTS = {
    "agent=eth1 targets='\"10.0.0.1\"'": (
        "the agent has no address",
        "datagrams carry agent address 10.0.0.254",
        "enable br0 --collector 10.0.0.1",
    ),
    "agent=nosuch targets='\"10.0.0.1\"'": ("the agent is no interface of this host", "10.0.0.254", "enable br0 --collector 10.0.0.1"),
    "agent=lo targets='\"10.0.0.1\"'": ("the agent's address is a loopback address", "127.0.0.1", "enable br0 --collector 10.0.0.1"),
    f"{ROW} sampling=0": ("sampling out of range", "turns sFlow off", "enable br0 --collector 10.0.0.1:6343 --agent br0 --sampling 400"),
    f"{ROW} header=700": ("header too long", "longer than 612", "--agent br0 --header 472"),
    f"{ROW} header=20": ("header too short", "end at 34", "enable br0 --collector 10.0.0.1:6343 --agent br0"),
    f"{ROW} polling=99999999999": ("polling out of range", "makes 1215752191 s", "enable br0 --collector 10.0.0.1:6343 --agent br0"),
    "agent=br0 targets='\"0.0.0.0\"'": ("not the address of a collector", "0.0.0.0 is not the address of a host", "disable br0"),
    "agent=br0 targets='\"x y\"'": ("not the address of a collector", '"x y"', "disable br0"),
    "agent=br0 targets='[\"\"]'": ("not the address of a collector", "a target is empty", "disable br0"),
    "agent=br0 targets='\"10.0.0.1:sflow\"' sampling=7 polling=3": (
        "not the address of a collector",
        "10.0.0.1:sflow",
        "enable br0 --collector 10.0.0.1:6343 --agent br0 --sampling 7 --polling 3",
    ),
    r"""agent='"\u001b[31m"' targets='"10.0.0.1"' """: ("the agent is no interface of this host", r"\x1b[31m", "enable br0"),
}


@pytest.mark.parametrize("row", FAULTS)
def test_rows_without_the_intended_effect(switch, ovstool, paste, row):
    problem, evidence, remedy = FAULTS[row]
    sampled(switch, row)
    before = rows(switch)
    result = ovstool("sflow check -f json --dry-run")
    assert problems(result) == [problem] and "datagrams not checked" in result.stderr
    assert evidence in result.json[0]["evidence"] and remedy in result.json[0]["remedy"] and rows(switch) == before
    paste(result.json[0]["remedy"])
    assert problems(ovstool("sflow check -f json --read-only")) == []


@pytest.mark.parametrize(
    "columns", ["header=1500 sampling=100000000", "header=1500 agent=nosuch", "polling=99999999999 agent=lo header=20"]
)
def test_each_remedy_fixes_everything(switch, ovstool, paste, columns):
    sampled(switch, ROW)
    switch.vsctl(f"set sflow . {columns}")
    result = ovstool("sflow check -f json --dry-run")
    assert len(problems(result)) == len(columns.split())
    (remedy,) = {row["remedy"] for row in result.json}
    paste(remedy)
    assert problems(ovstool("sflow check -f json --dry-run")) == []


def test_a_collector_whose_port_is_closed(switch, ovstool):
    sampled(switch, "agent=br0 targets='\"10.0.0.2:6343\"'")
    (found,) = ovstool("sflow check -f json").json
    assert (found["severity"], found["problem"], found["remedy"]) == ("error", "a collector refuses datagrams", "")
    assert re.search(r"; \d+(\.\d+)?s ago ovs-vswitchd logged: .*<->10\.0\.0\.2:6343: .*\(Connection refused\)", found["evidence"])
    with collecting(["ip", "netns", "exec", list(switch.box.hosts)[1]], "10.0.0.2"):
        assert ovstool("sflow check -f json").json == [], "old log lines must not count"


def test_a_collector_whose_port_is_closed_and_a_log_that_does_not_say_so(switch, ovstool):
    sampled(switch, "agent=br0 targets='\"10.0.0.2:7\"'")
    switch.tool("ovs-appctl", "vlog/set", "collectors:file:off")
    try:
        result = ovstool("sflow check -f json --for 0.1")
    finally:
        switch.tool("ovs-appctl", "vlog/set", "collectors:file:info")
    assert problems(result) == [] and "br0: the switch's host received ICMP 'destination unreachable'" in result.stderr


def test_a_collector_that_does_not_answer_arp(switch, ovstool):
    sampled(switch, "agent=br0 targets='\"10.0.0.99\"'")
    (found,) = ovstool("sflow check -f json").json
    assert (found["severity"], found["problem"]) == ("warning", "the next hop to a collector does not answer")
    assert "10.0.0.99 on br0" in found["evidence"] and found["remedy"].endswith("ip neighbour show to 10.0.0.99 dev br0")


def test_a_bridge_whose_local_port_is_down(switch, ovstool, paste):
    sampled(switch)
    switch.tool("ip", "-n", switch.box.namespace, "link", "set", "br0", "down")
    try:
        (found,) = ovstool("sflow check -f json").json
        assert found["problem"] == "the interface to a collector is down" and found["remedy"].endswith("ip link set br0 up")
        paste(found["remedy"])
        assert problems(ovstool("sflow check -f json --dry-run")) == []
    finally:
        switch.tool("ip", "-n", switch.box.namespace, "link", "set", "br0", "up")
        switch.tool("ip", "-n", switch.box.namespace, "route", "replace", "default", "via", "10.0.0.1")


@pytest.fixture
def paste(switch, tmp_path):
    """Run a remedy like a user who pastes it into a shell, with this ovstool."""
    script = tmp_path / "ovstool"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m ovstool "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)

    def run(remedy: str) -> None:
        environ = switch.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-c", remedy], env=environ, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{remedy}: {done.stderr}"

    return run


def test_a_collector_that_had_no_route_when_its_socket_was_to_be_opened(switch, ovstool, paste):
    def ip(words: str) -> None:
        switch.tool("ip", "-n", switch.box.namespace, *words.split())

    ip("route del default")
    try:
        sampled(switch, 'agent=br0 targets=\'["10.0.0.1","10.77.0.1:9"]\'')
        result = ovstool("sflow check -f json --dry-run")
        assert problems(result) == ["no route to a collector"] and "10.77.0.1:9" in result.json[0]["evidence"]
    finally:
        ip("route add default via 10.0.0.1")
    result = ovstool("sflow check -f json --dry-run")
    assert problems(result) == ["ovs-vswitchd does not send to a collector"]
    assert "Network is unreachable" in result.json[0]["evidence"], "as logged"
    paste(result.json[0]["remedy"])
    assert problems(ovstool("sflow check -f json --dry-run")) == []


def test_a_bridge_that_was_not_set_up_is_no_fault_of_the_others(switch, ovstool):
    switch.vsctl("--no-wait add-br br9 -- set bridge br9 datapath_type=nosuch")
    sampled(switch, bridges="br0 br9")
    (found,) = ovstool("sflow check -f json --for 0.1").json
    assert (found["bridge"], found["problem"]) == ("br9", "ovs-vswitchd has not set up the bridge")
    assert "failed to create bridge br9" in found["evidence"], "as logged"


def test_an_address_that_the_host_lost(switch, ovstool, paste):
    def renumber(old: str, new: str) -> None:
        for words in (f"addr del {old}/24 dev br0", f"addr add {new}/24 dev br0"):
            switch.tool("ip", "-n", switch.box.namespace, *words.split())

    sampled(switch)
    assert problems(ovstool("sflow check -f json --dry-run")) == []
    renumber("10.0.0.254", "10.0.0.253")
    try:
        result = ovstool("sflow check -f json --dry-run")
        assert problems(result) == ["ovs-vswitchd sends from an address that is gone"] and "10.0.0.254" in result.json[0]["evidence"]
        paste(result.json[0]["remedy"])
        assert problems(ovstool("sflow check -f json --dry-run")) == []
    finally:
        renumber("10.0.0.253", "10.0.0.254")


def test_without_time_or_connection_nothing_is_guessed(switch, tmp_path):
    """Only an ovs-vswitchd known to have exited is reported as not running, and findings come before what could not be checked."""
    assert state._may_run(Switch(switch.box.db, timeout_s=0.0001)) and state._may_run(Switch(switch.box.db))
    nobody = Switch(f"unix:{tmp_path}/db.sock")
    assert not state._may_run(nobody)
    (tmp_path / "ovs-vswitchd.pid").write_text("4194304\n")
    assert not state._may_run(nobody), "its pid file was left behind"
    lost = Switch(f"unix:{switch.box.directory}/gone.sock")
    export = Export("br0", "row", None, ["10.0.0.1:6343"], 400, 30, 128, "aa")
    host = state.Host(None, None, True)
    assert check_sflow._heard(lost, [export], host, Probes(), 0.1, True) == []
    assert lost.notes[-1].endswith("; so datagrams were not checked")
    (left,) = lost.found
    assert left.remedy == (("ovstool", "sflow", "list"),) and "127.0.0.1:" in left.evidence
    with pytest.raises(Unreachable):
        check_sflow._heard(lost, [export], host, Probes(), 0.1, False)


class _AsNobody:
    """This machine for a user without rights who may open the database, as a group may from Open vSwitch 3.3 on."""

    open, stream, close = staticmethod(local.open), staticmethod(local.stream), staticmethod(local.close)

    def run(self, argv, timeout_s, stdin=b""):
        return local.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv], timeout_s, stdin)


@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_a_user_who_may_not_look_into_the_network_is_told_so(switch, mode):
    sampled(switch, "agent=br0 targets='\"10.0.0.1:6343\"' header=20")
    pid_file = switch.box.directory / "ovs-vswitchd.pid"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (switch.box.directory, pid_file)}
    switch.box.directory.chmod(0o755)
    pid_file.chmod(mode)
    try:
        asked = Switch(switch.box.db, host=_AsNobody())
        found = check_sflow.check(asked, [], Probes(), 0.1)
        left = second_target.listened_to(asked, {"192.0.2.1:1"})
        asked.close()
    finally:
        for path, before in modes.items():
            path.chmod(before)
    assert [finding.problem for finding in found] == ["header too short"]
    assert [note.partition(":")[0] for note in asked.notes] == ["only the rows were checked"]
    assert left == (set() if mode == 0o644 else {"192.0.2.1:1"}), "it may be in use"


def test_the_second_target_is_not_configuration(switch, ovstool):
    sampled(switch, f"{ROW} polling=20")
    asked = {command: ovstool(f"{command} -f json").json for command in ("sflow list", "bridge list", "bridge show br0", "show")}
    before = rows(switch)
    with checking(switch) as check:
        (row,) = rows(switch)
        assert row["polling"] == 1 and len(row["targets"][1]) == 2 and any(MARK in key for key, _ in row["external_ids"][1])
        for command, answer in asked.items():
            assert ovstool(f"{command} -f json").json == answer, command
        assert ovstool("sflow enable --collector 10.0.0.1 --agent br0 --polling 20").stdout == "br0: unchanged\n"
        assert len(rows(switch)[0]["targets"][1]) == 2, "it is still needed"
        check.send_signal(signal.SIGINT)
        assert check.wait(30) == 130
    assert rows(switch) == before


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminated_check_restores_the_row(switch, signum):
    sampled(switch)
    before = rows(switch)
    with checking(switch) as check:
        check.send_signal(signum)
        assert check.wait(30) == 128 + signum
    assert rows(switch) == before


REMOVED = "removed from sFlow's targets, where an interrupted check had left it"
LATER = {
    "sflow list": REMOVED,
    "sflow check --for 0.1": REMOVED,
    "sflow enable --collector 10.0.0.1 --agent br0": REMOVED,
}


@pytest.mark.parametrize("command", LATER)
def test_leftovers_of_a_killed_check_are_removed_by_the_next_command(switch, ovstool, command):
    sampled(switch)
    before = rows(switch)
    with checking(switch) as check:
        check.kill()
        check.wait()
        left = rows(switch)
        assert left != before
        for harmless in ("sflow list --read-only -f json", "sflow check --dry-run -f json", "sflow check --read-only -f json"):
            assert "10.0.0.1:6343" in ovstool(harmless).stdout or ovstool(harmless).json == []
            assert rows(switch) == left, harmless
        wait_until_nobody_listens(switch)
        assert LATER[command] in ovstool(command).stderr
    assert rows(switch) == before
    assert REMOVED not in ovstool("sflow list").stderr


def wait_until_nobody_listens(switch) -> None:
    """Wait for the listening program to end, which it does when it notices that its check has ended."""
    while (
        "127.0.0.1:"
        in subprocess.run(
            ["ip", "netns", "exec", switch.box.namespace, "ss", "-uanH", "state", "unconnected"], capture_output=True, text=True, check=True
        ).stdout
    ):
        time.sleep(0.02)


def test_two_checks_at_once(switch, ovstool):
    sampled(switch)
    before = rows(switch)
    found = []
    threads = [threading.Thread(target=lambda: found.append(ovstool("sflow check -f json"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [problems(result) for result in found] == [[], [], []]
    assert rows(switch) == before


CHANGES = {
    "set sflow {row} sampling=5": "sampling was 400 and is 5",
    "set bridge br0 sflow=@s -- --id=@s create sflow agent=br0 targets='\"10.0.0.2\"'": "targets was",
    "clear bridge br0 sflow": "has none now",
    "remove sflow {row} targets '\"10.0.0.1:6343\"'": "has none now",
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_program_that_changes_the_row_meanwhile(switch, change):
    sampled(switch)
    with checking(switch, "--for 1") as check:
        switch.vsctl(change.format(row=rows(switch)[0]["_uuid"][1]))
        out, err = check.communicate(timeout=60)
    (row,) = json.loads(out)
    assert (check.returncode, row["problem"]) == (1, "another program changes sFlow") and CHANGES[change] in row["evidence"], err
    assert not any(MARK in str(row) or row["polling"] == 1 for row in rows(switch))


def test_ovs_vswitchd_that_is_stopped(switch, ovstool):
    sampled(switch)
    pid = int((switch.box.directory / "ovs-vswitchd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        result = ovstool("sflow check -f json")
        assert problems(result) == ["ovs-vswitchd is stopped"] and result.json[0]["remedy"] == f"kill -CONT {pid}"
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_real_collector_on_the_same_host_is_not_disturbed(switch, ovstool):
    sampled(switch, "agent=br0 targets='\"127.0.0.1:6343\"' polling=1")
    with collecting(["ip", "netns", "exec", switch.box.namespace], "127.0.0.1") as lengths:
        assert problems(ovstool("sflow check -f json")) == []
    assert lengths[0] > 0
    assert problems(ovstool("sflow check -f json --for 0.1")) == ["a collector refuses datagrams"], "after the collector has stopped"


def test_the_second_target_does_not_change_a_default_agent(switch, ovstool):
    sampled(switch, "targets='\"10.0.0.1\"'")
    with checking(switch) as check:
        assert any(target.startswith("10.0.0.254:") for target in rows(switch)[0]["targets"][1])
        check.send_signal(signal.SIGTERM)
    assert problems(ovstool("sflow check -f json --for 0.1")) == []


def test_words(switch, ovstool, refused):
    result = ovstool("sflow check")
    assert (result.code, result.stdout, result.stderr) == (0, "", "ovstool: note: no bridge exports sFlow\n")
    named = ovstool("sflow check br0")
    assert (named.code, named.stderr) == (0, "ovstool: note: br0: has no sFlow; try: ovstool sflow enable br0 --collector HOST\n")
    assert "no such bridge" in refused("sflow check nosuch", 3)
    assert "is a port, not a bridge" in refused("sflow check eth1", 3)
