"""snapshot restore that is killed, fails or is raced halfway: the database is the old one or the new one, and so are the flows in the end."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from forked import FORKS, Started
from ovsdb_proxy import proxy
from test_objects_qos_kill import killed

# Each state as ovs-vsctl and ovs-ofctl make it, after the one before; the second deletes, updates and inserts rows of every kind.
STATES = (
    ("add-port br0 p1 -- set port p1 tag=1 qos=@q -- --id=@q create qos type=linux-htb queues:1=@u -- --id=@u create queue dscp=1", 1, 2),
    ("clear port p1 qos -- --all destroy qos -- --all destroy queue; del-port p1 -- add-port br0 p2 -- set bridge br0 other_config:a=b -- set-manager ptcp:0:127.0.0.1 "
     "-- add-br br1 -- set bridge br1 datapath_type=dummy", 2, 3),
)  # fmt: skip
OF = ("-O", "OpenFlow15")


def rows(switch) -> dict:
    """The rows of each table as ovsdb-client prints them, without what ovs-vswitchd writes."""
    tables = {
        "Bridge": "_uuid name ports other_config", "Port": "_uuid name interfaces qos tag", "Interface": "_uuid name",
        "QoS": "_uuid type queues", "Queue": "_uuid dscp", "Manager": "_uuid target", "Open_vSwitch": "_uuid bridges manager_options",
    }  # fmt: skip
    selects = [{"op": "select", "table": table, "where": [], "columns": columns.split()} for table, columns in tables.items()]
    answers = json.loads(switch.tool("ovsdb-client", "transact", json.dumps(["Open_vSwitch", *selects])))
    return {table: sorted(json.dumps(row, sort_keys=True) for row in answer["rows"]) for table, answer in zip(tables, answers, strict=True)}


def contents(switch) -> dict:
    dumps = (("--no-stats", "dump-flows"), ("dump-groups",), ("dump-meters",))
    return {
        bridge: [sorted(line.strip() for line in switch.tool("ovs-ofctl", *OF, *words, bridge).splitlines()) for words in dumps]
        for bridge in switch.vsctl("list-br").split()
    }


@pytest.fixture
def states(switch, ovstool, tmp_path):
    """Two snapshots, with the database and the contents of each; the switch is in the second state."""
    found = []
    for number, (command, group, meter) in enumerate(STATES):
        for part in command.split("; "):
            switch.vsctl(f"-- {part}")
        for words in (
            ("del-flows", "br0"), ("del-groups", "br0"), ("del-meters", "br0"),
            ("add-meter", "br0", f"meter={meter},kbps,bands=type=drop,rate=10"),
            ("add-group", "br0", f"group_id={group},type=all,bucket=actions=output:1"),
            ("add-flow", "br0", f"priority=5,ip,send_flow_rem actions=meter:{meter},group:{group}"),
            ("add-flow", "br0", f"priority={group},arp actions=NORMAL"),
        ):  # fmt: skip
            switch.tool("ovs-ofctl", *OF, *words)
        file = tmp_path / f"{number}.json"
        assert ovstool(f"snapshot save {file}").code == 0
        found.append((file, rows(switch), contents(switch)))
    return found


def test_a_restoration_that_is_killed_at_any_message(switch, ovstool, states):
    for after in range(100):
        file, *wanted = states[after % 2]
        if not killed(switch, f"snapshot restore {file}", after, Started.kill):
            break
        assert rows(switch) in (states[0][1], states[1][1]), after
        if after % 5 == 0:
            assert ovstool(f"snapshot restore {file}").code == 0, after
            assert [rows(switch), contents(switch)] == wanted, after
    assert after > 8
    assert [rows(switch), contents(switch)] == wanted


def program(folder: Path, nth: int, ending: str) -> str:
    """A folder with an ovs-ofctl that runs ``ending`` instead of its nth call."""
    real = shutil.which("ovs-ofctl")
    (folder / "calls").write_text("")
    (folder / "ovs-ofctl").write_text(
        f'#!/bin/sh\necho >>{folder}/calls\n[ "$(wc -l <{folder}/calls)" != {nth} ] || {{ {ending}; }}\nexec {real} "$@"\n'
    )
    (folder / "ovs-ofctl").chmod(0o755)
    return str(folder)


@pytest.mark.parametrize("ending", ["kill -9 $PPID; exit 1", "echo ovs-ofctl: broken >&2; exit 1"])
def test_a_restoration_whose_nth_program_ends_it(switch, ovstool, states, tmp_path, ending):
    """When one call of ovs-ofctl fails, the switch has the old state or the new one; killed, its database has."""
    now = 1
    for nth in range(1, 100, 2):
        file, *wanted = states[1 - now]
        path = program(tmp_path, nth, ending)
        process = FORKS.start(["snapshot", "restore", str(file)], switch.environ | {"PATH": f"{path}:{switch.environ['PATH']}"})
        code = process.wait()
        found = [rows(switch), contents(switch)]
        if "kill" in ending:
            assert code == -signal.SIGKILL or (tmp_path / "calls").read_text().count("\n") < nth, nth
            assert found[0] in (states[0][1], states[1][1]), nth
        else:
            assert found == (wanted if code == 0 else list(states[now][1:])) and code in (0, 6), (nth, code)
        if (tmp_path / "calls").read_text().count("\n") < nth:
            break
        now = (0, 1)[found[0] == states[1][1]]
    assert nth > 9 and found == wanted


def test_two_at_once(switch, ovstool, states):
    """The second waits for the first, or until its time is over; the switch is in one of the two states, not in a mixture."""
    with proxy(switch.box.directory, 8) as between:  # holds the first one while it has the lock
        first = FORKS.start(["--db", f"unix:{between.address}", "snapshot", "restore", str(states[0][0])], switch.environ)
        while not between.stopped.wait(0.02) and first.poll() is None:
            pass
        assert between.stopped.is_set() and any(b'"lock"' in message for message in between.messages)
        late = ovstool(f"-t 3 snapshot restore {states[1][0]}")
        why = "ovstool: the switch: another ovstool is still restoring a snapshot of it, or applying flows; try: again\n"
        assert (late.code, late.stdout, late.stderr) == (4, "", why)
        second = FORKS.start(["snapshot", "restore", str(states[0][0])], switch.environ)
        first.kill()
        assert (first.wait(), second.wait()) == (-signal.SIGKILL, 0)
    assert [rows(switch), contents(switch)] == list(states[0][1:])


def test_others_write_meanwhile(switch, ovstool, states):
    """What others change between reading and writing is not lost sight of: the switch is what the file says."""
    from between import Between

    def at(number: int, request: bytes) -> bytes:
        if b'"op":"wait"' in request and not made:
            made.append(switch.vsctl("--no-wait add-port br0 late -- set port late qos=@q -- --id=@q create qos type=linux-htb"))
        return request

    made: list[str] = []
    between = Between(switch, "between", at)
    try:
        assert ovstool(["--db", f"unix:{between.path}", "snapshot", "restore", str(states[0][0])]).code == 0
    finally:
        between.close()
    assert made and [rows(switch), contents(switch)] == list(states[0][1:])


def test_another_user(switch, states, tmp_path):
    """Who may not use the database's socket, or read the file, is told so in a line."""
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-m", "ovstool"]
    for words, code, why in (
        (["snapshot", "save", "-"], 5, "ermission denied"),
        (["snapshot", "restore", str(states[0][0])], 2, "Permission denied"),
    ):
        done = subprocess.run([*argv, *words], env=switch.environ, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (code, "") and why in done.stderr and done.stderr.count("\n") == 1, done
