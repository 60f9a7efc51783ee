"""Interrupted QoS commands: a port that had a limit has one at every moment, either the old or the new one."""

import json
import os
import signal
import subprocess

import pytest
from forked import FORKS, Started
from ovsdb_proxy import proxy

OLD, NEW = (
    "--max-rate 10mbit --queue 0:min=1mbit --queue 1:min=2mbit,max=5mbit",
    "--max-rate 20mbit --queue 0:min=2mbit --queue 1:min=4mbit,max=9mbit",
)
LIMITS = (
    {"": "10000000", "0": "1000000", "1": "2000000 5000000"},
    {"": "20000000", "0": "2000000", "1": "4000000 9000000"},
)


def limits(switch) -> dict[str, dict[str, str]]:
    """The rates of each port with QoS, and of its queues, as stored in the database."""
    answers = switch.vsctl("--format=json -- list Port -- list QoS -- list Queue").splitlines()  # one process for all
    ports, qos, queues = ([dict(zip(table["headings"], row, strict=True)) for row in table["data"]] for table in map(json.loads, answers))

    def rates(row: dict) -> str:
        config = dict(row["other_config"][1])
        return " ".join(config[key] for key in ("min-rate", "max-rate") if key in config)

    by_uuid = {json.dumps(row["_uuid"]): row for row in qos + queues}
    found = {}
    for port in ports:
        if row := by_uuid.get(json.dumps(port["qos"])):
            found[port["name"]] = {"": rates(row)} | {str(n): rates(by_uuid[json.dumps(u)]) for n, u in row["queues"][1]}
    return found


def killed(switch, command: str, after: int, how) -> bool:
    """Run a command and stop it with ``how`` when it sends another message after this many; False if it ended before."""
    with proxy(switch.box.directory, after) as between:
        process = FORKS.start(["--db", f"unix:{between.address}", *command.split()], switch.environ)
        while not between.stopped.wait(0.02) and process.poll() is None:
            pass
        if between.stopped.is_set():
            how(process)
        process.wait()
        return between.stopped.is_set()


def test_force_that_is_killed_at_any_step(switch, ovstool):
    wishes = [f"qos set eth1 eth2 {wish}" for wish in (OLD, NEW)]
    assert ovstool(wishes[0]).code == 0
    for after in range(100):
        wanted = 1 - after % 2
        if not killed(switch, f"{wishes[wanted]} --force", after, Started.kill):
            break
        found = limits(switch)
        assert found["eth1"] == found["eth2"] and found["eth1"] in LIMITS, after
        assert switch.orphans() == []
    assert after > 5  # otherwise the command ended too early
    assert limits(switch) == {"eth1": LIMITS[wanted], "eth2": LIMITS[wanted]}
    assert {row["type"] for row in switch.rows("QoS", "type")} == {"linux-htb"} and switch.orphans() == []


def last_but_one(switch, ovstool) -> int:
    """The number of messages after which the first change of --force is in the database and applied."""
    with proxy(switch.box.directory, 100) as between:
        assert ovstool(f"--db unix:{between.address} qos set eth1 {OLD} --force").code == 0
    return next(n for n, message in enumerate(between.messages, 1) if b'"+="' in message) + 1


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_force_that_is_terminated(switch, ovstool, ending):
    ovstool(f"qos set eth1 {OLD}")
    assert killed(switch, f"qos set eth1 {NEW} --force", last_but_one(switch, ovstool), lambda process: process.send_signal(ending))
    assert limits(switch)["eth1"] in LIMITS and switch.orphans() == []
    assert ovstool(f"qos set eth1 {NEW}").code == 0  # which finishes what was started
    assert (limits(switch)["eth1"], switch.rows("QoS", "type")) == (LIMITS[1], [{"type": "linux-htb"}])


def test_force_whose_server_ends(switch, ovstool):
    ovstool(f"qos set eth1 {OLD}")
    pid = int((switch.box.directory / "ovsdb-server.pid").read_text())
    after = last_but_one(switch, ovstool)
    argv = open(f"/proc/{pid}/cmdline").read().split("\0")[:-1]
    assert killed(switch, f"qos set eth1 {NEW} --force", after, lambda process: os.kill(pid, signal.SIGKILL))
    subprocess.run(argv, env=switch.environ, cwd=switch.box.directory, check=True)
    assert limits(switch)["eth1"] in LIMITS and switch.orphans() == []


@pytest.mark.parametrize("wish", ["hfsc --max-rate 5mbit", "htb --max-rate 40gbit", "sfq", "noop", "egress-policer --max-rate 5mbit"])
def test_force_ends_with_the_requested_type(switch, ovstool, wish):
    ovstool(f"qos set eth1 --type {wish}")
    switch.vsctl(f"set QoS {switch.vsctl('get port eth1 qos')} external_ids:of=theirs")
    before = switch.rows("QoS", "type", "other_config", "external_ids"), switch.rows("QoS", "_uuid")
    assert ovstool(f"qos set eth1 --type {wish} --force").stdout == "eth1: updated\n"
    assert switch.rows("QoS", "type", "other_config", "external_ids") == before[0] and switch.rows("QoS", "_uuid") != before[1]
