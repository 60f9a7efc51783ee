"""No wait of a sandbox exceeds --timeout, and no program makes its memory grow."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import peak
import pytest
from sandbox_attacks import (
    GUARD_S,
    assert_refused,
    namespaces,
    needs_netdev,
    ovstool,
    place,
    processes_of,
    stand_in,
)

from ovstool import sandbox

LARGEST_MIB = 100  # ovstool itself needs some 40
HANGS = "exec sleep 1000"
LETS_GO = "exec >&- 2>&-; sleep 1000"  # its outputs are closed, but it continues
TALKS = "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done >&2"
TALKS_FAST = "yes >&2"
NO_LINE = "cat /dev/zero >&2"

__all__ = ["place"]


@pytest.mark.parametrize("timeout", [["--timeout", "1"], []])
@pytest.mark.parametrize("verb", ["start", "stop"])
def test_a_lock_that_another_process_holds(place, verb, timeout):
    place.mkdir(mode=0o700)
    fd = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        environ = {} if timeout else {"OVS_CTL_TIMEOUT": "1"}
        done = ovstool("sandbox", verb, "--dir", place, *timeout, env=environ)
        assert_refused(done, 7, f"{place}: locked by another process")
    finally:
        os.close(fd)
    assert os.listdir(place) == []


@needs_netdev
@pytest.mark.parametrize(
    "program, does",
    [
        ("unshare", HANGS),
        ("unshare", TALKS_FAST),
        ("ovsdb-tool", NO_LINE),
        ("ip", LETS_GO),
        ("ip", TALKS),
        ("ovsdb-server", HANGS),
        ("ovs-vswitchd", TALKS_FAST),
        ("ovs-vsctl", HANGS),
        ("ovs-vsctl", "trap '' TERM HUP INT; sleep 1000"),
    ],
)
def test_a_program_that_does_not_end(place, tmp_path, program, does):
    """Start ends in time, and has undone its changes and stopped what it started."""
    stand_in(tmp_path, program, f": {place}\nexec 9< {tmp_path}\n{does}", then_real=False)
    before = namespaces("ovstool-")
    command = [sys.executable, "-m", "ovstool", "sandbox", "start", "--dir", str(place), "--datapath", "netdev", "-t", "2.5"]
    environ = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = process.communicate(timeout=GUARD_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert_refused(subprocess.CompletedProcess(command, process.returncode, *said), 7, "in time")
    assert not place.exists()
    assert processes_of(place) == [] and [pid for pid in processes_of("sleep\0001000") if is_of(pid, tmp_path)] == []
    assert not {name for name in namespaces("ovstool-") - before if belongs_to(name, place)}


def is_of(pid, folder):
    """Whether a process has the directory open, as the replacements that started it have."""
    try:
        return any(os.readlink(fd) == str(folder) for fd in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def belongs_to(name, place):
    return sandbox.settings.namespace_name(place, name[8:14]) == name[:20]


@pytest.mark.parametrize("does", [TALKS_FAST, NO_LINE])
def test_the_output_of_a_program_is_limited(place, tmp_path, does):
    stand_in(tmp_path, "ovs-vsctl", does, then_real=False)
    command = [sys.executable, "-m", "ovstool", "sandbox", "start", "--dir", str(place), "--datapath", "dummy", "-t", "1.5"]
    done = peak.run(command, os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.code == 7
    assert done.mib < LARGEST_MIB


@pytest.mark.parametrize("stopped", [["ovs-vswitchd"], ["ovs-vswitchd", "ovsdb-server"]])
def test_daemons_that_hang_are_ended_in_time(place, stopped):
    sandbox.start(place, "dummy")
    for daemon in stopped:
        os.kill(int((place / f"{daemon}.pid").read_text()), signal.SIGSTOP)
    done = ovstool("sandbox", "stop", "--dir", place, "-t", "2", timeout=8)
    assert (done.returncode, done.stdout) == (0, f"{place}: deleted\n")
    assert processes_of(f"--pidfile={place}/") == []


@pytest.mark.parametrize("does", [HANGS, TALKS_FAST, LETS_GO])
def test_an_ovs_appctl_that_hangs_does_not_keep_daemons_alive(place, tmp_path, does):
    sandbox.start(place, "dummy")
    stand_in(tmp_path, "ovs-appctl", does, then_real=False)
    done = ovstool("sandbox", "stop", "--dir", place, "-t", "2", path=tmp_path, timeout=8)
    assert (done.returncode, done.stdout) == (0, f"{place}: deleted\n")
    assert processes_of(f"--pidfile={place}/") == []


def test_a_child_that_keeps_stderr_open_is_not_waited_for(place, tmp_path):
    stand_in(tmp_path, "ovs-vsctl", 'sleep 20 & exec "$real" "$@"', then_real=False)
    done = ovstool("sandbox", "start", "--dir", place, "--datapath", "dummy", "-t", "15", path=tmp_path, timeout=15)
    assert (done.returncode, done.stdout) == (0, f"{place}: created\n")


def test_start_and_stop_for_a_command_each_have_the_timeout(place, tmp_path):
    """The command itself may take as long as it likes."""
    stand_in(tmp_path, "ovs-vswitchd", HANGS, then_real=False)
    done = ovstool("sandbox", "run", "--dir", place, "--datapath", "dummy", "-t", "3", "--", "true", path=tmp_path, timeout=10)
    assert_refused(done, 7, "ovs-vswitchd did not answer in time")
    done = ovstool("sandbox", "run", "--dir", place, "--datapath", "dummy", "-t", "4", "--", "sleep", "4.5")
    assert (done.returncode, done.stderr) == (0, "")
