"""The sandbox with real daemons: the dummy datapath for everyone, the userspace one where it works (root).

What is left behind is searched for independently of ovstool: /proc, ``ip netns``, the file system.
"""

import json
import os
import pty
import re
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
from forked import FORKS
from kill import kill

from ovstool import sandbox
from ovstool.commands.sandbox import _how_to_use as how_to_use
from ovstool.errors import Conflict, Exit, Refused, Unreachable, UsageError

PROGRAMS = f"{os.environ['PATH']}:/usr/sbin:/sbin"
NETDEV_PROBLEM = sandbox._netdev_problem()
DATAPATHS = [
    "dummy",
    pytest.param("netdev", marks=pytest.mark.skipif(bool(NETDEV_PROBLEM), reason=f"netdev {NETDEV_PROBLEM}")),
]
needs_netdev = pytest.mark.skipif(bool(NETDEV_PROBLEM), reason=f"the netdev datapath {NETDEV_PROBLEM}")


@pytest.fixture
def place():
    """A short name for a sandbox's directory; what a failed test leaves there is stopped."""
    path = Path(f"/tmp/ovstool-test-{secrets.token_hex(3)}")
    yield path
    for directory in (path, Path(f"{path}-2")):
        if (directory / "sandbox.json").exists():
            sandbox.stop(directory)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def second(place):
    return Path(f"{place}-2")


def ovstool(*argv, env=os.environ):
    return FORKS.run_text([*map(str, argv)], env, timeout_s=120)


def output(box, *argv):
    """The output of a command in the sandbox's namespace and environment."""
    where = ["ip", "netns", "exec", box.namespace] if box.namespace else []
    env = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", **box.environ}
    return subprocess.run([*where, *argv], env=env, check=True, capture_output=True, text=True, timeout=60).stdout


def pid_of(directory, daemon):
    return int((directory / f"{daemon}.pid").read_text())


def processes_of(text):
    """The processes whose command line contains this text."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):  # not Path.glob, which fails when a process ends meanwhile
        try:
            if text.encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                found.append(int(name))
        except OSError:
            pass
    return [pid for pid in found if pid != os.getpid()]


def namespaces():
    return set(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else set()


def namespaces_of(box):
    return namespaces() & {box.namespace, *box.hosts}


def temporary_ones():
    return {path for folder in ("/run", "/tmp") for path in Path(folder).glob("ovstool-????????/sandbox.json")}


def wait_until(condition):
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("the condition did not become true within 10 s")


# --- start and stop


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_start_and_stop_each_twice(place, datapath):
    box, created = sandbox.start(place, datapath)
    pids = [pid_of(place, d) for d in ("ovs-vswitchd", "ovsdb-server")]
    assert created
    assert box.datapath == datapath
    assert place.stat().st_mode & 0o777 == 0o700
    assert sandbox.start(place, datapath) == (box, False)
    assert sandbox.start(place) == (box, False)
    assert sandbox.find(place) == box
    assert pids == [pid_of(place, d) for d in ("ovs-vswitchd", "ovsdb-server")]

    assert sandbox.stop(place) is True
    assert sandbox.stop(place) is False
    assert sandbox.find(place) is None
    assert not place.exists()
    assert processes_of(str(place)) == []
    assert namespaces_of(box) == set()


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_the_bridge_and_its_ports_are_up_in_it(place, datapath):
    box, _ = sandbox.start(place, datapath)
    assert output(box, "ovs-vsctl", "list-br") == "br0\n"
    assert sorted(output(box, "ovs-vsctl", "list-ports", "br0").split()) == ["eth1", "eth2"]
    assert output(box, "ovs-vsctl", "get", "bridge", "br0", "datapath_type") == f"{datapath}\n"
    errors = output(box, "ovs-vsctl", "--bare", "--columns=error", "list", "interface")
    assert errors.strip() == ""
    # Each of the other programs finds this switch through the environment alone.
    assert "eth1" in output(box, "ovs-ofctl", "show", "br0")
    assert "br0" in output(box, "ovs-appctl", "dpif/show")


def test_another_datapath_than_the_running_one_is_a_conflict(place):
    sandbox.start(place, "dummy")
    if NETDEV_PROBLEM:
        with pytest.raises(Refused, match="netdev datapath"):
            sandbox.start(place, "netdev")
    else:
        with pytest.raises(Conflict, match="datapath dummy is running there"):
            sandbox.start(place, "netdev")
    assert sandbox.find(place)


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_a_second_one_beside_it(place, second, datapath):
    first_box, _ = sandbox.start(place, datapath)
    second_box, _ = sandbox.start(second, datapath)
    output(second_box, "ovs-vsctl", "del-br", "br0")
    assert output(first_box, "ovs-vsctl", "list-br") == "br0\n"
    assert output(second_box, "ovs-vsctl", "list-br") == ""
    sandbox.stop(second)
    assert sandbox.find(place) == first_box
    assert "eth1" in output(first_box, "ovs-ofctl", "show", "br0")


def test_ports_and_bridge_can_be_named(place):
    box, _ = sandbox.start(place, "dummy", ports=["a", "b", "c"], bridge="br-int")
    assert sorted(output(box, "ovs-vsctl", "list-ports", "br-int").split()) == ["a", "b", "c"]
    versions = [output(box, "ovs-vsctl", "get", "open_vswitch", ".", column).strip().strip('"') for column in ("ovs_version", "db_version")]
    schema = output(box, "ovsdb-tool", "schema-version", sandbox._schema()).strip()
    assert versions == [output(box, "ovs-vswitchd", "--version").splitlines()[0].split()[-1], schema]


# --- after kill -9


@pytest.mark.parametrize("datapath", DATAPATHS)
@pytest.mark.parametrize("killed", [["ovs-vswitchd"], ["ovsdb-server"], ["ovs-vswitchd", "ovsdb-server"]])
def test_what_kill_9_left_is_cleared_by_start(place, datapath, killed):
    dead, _ = sandbox.start(place, datapath)
    for daemon in killed:
        kill(pid_of(place, daemon))
    wait_until(lambda: sandbox.find(place) is None)

    box, created = sandbox.start(place, datapath)
    assert created
    assert len(processes_of(f"{place}/ovs")) == 2
    assert namespaces_of(dead) == set()
    assert "eth1" in output(box, "ovs-ofctl", "show", "br0")


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_what_kill_9_left_is_cleared_by_stop(place, datapath):
    dead, _ = sandbox.start(place, datapath)
    kill(pid_of(place, "ovs-vswitchd"))
    assert sandbox.stop(place) is True
    assert not place.exists()
    assert processes_of(str(place)) == []
    assert namespaces_of(dead) == set()


def test_a_hanging_daemon_is_killed(place):
    sandbox.start(place, "dummy")
    os.kill(pid_of(place, "ovs-vswitchd"), signal.SIGSTOP)
    assert sandbox.stop(place, timeout_s=4) is True
    assert processes_of(str(place)) == []


def test_a_reused_pid_is_not_killed(place):
    sandbox.start(place, "dummy")
    for daemon in ("ovs-vswitchd", "ovsdb-server"):
        kill(pid_of(place, daemon))
    wait_until(lambda: processes_of(f"{place}/ovs") == [])
    with subprocess.Popen(["sleep", "60"]) as someone:
        for daemon in ("ovs-vswitchd", "ovsdb-server"):
            (place / f"{daemon}.pid").write_text(f"{someone.pid}\n")
        assert sandbox.find(place) is None
        assert sandbox.stop(place) is True
        assert someone.poll() is None
        someone.kill()


def test_daemons_are_ended_without_their_pid_files(place):
    sandbox.start(place, "dummy")
    for daemon in ("ovs-vswitchd", "ovsdb-server"):
        (place / f"{daemon}.pid").unlink()
    assert sandbox.stop(place) is True
    assert processes_of(str(place)) == []


# --- refusals


def test_a_directory_with_something_else_in_it_is_left_alone(place):
    place.mkdir(mode=0o755)
    (place / "thesis.txt").write_text("years of work")
    with pytest.raises(Refused, match="used for something else"):
        sandbox.start(place, "dummy")
    with pytest.raises(Refused, match="not a sandbox"):
        sandbox.stop(place)
    assert (place / "thesis.txt").read_text() == "years of work"
    assert place.stat().st_mode & 0o777 == 0o755


def test_an_empty_directory_that_was_there_stays(place):
    place.mkdir(mode=0o700)
    sandbox.start(place, "dummy")
    sandbox.stop(place)
    assert list(place.iterdir()) == []


def test_a_link_is_not_followed(place, second):
    second.mkdir()
    place.symlink_to(second)
    try:
        with pytest.raises(Refused, match="links are not followed"):
            sandbox.start(place, "dummy")
        assert list(second.iterdir()) == []
    finally:
        place.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_the_directory_of_another_user_is_not_used(place):
    place.mkdir(mode=0o777)
    os.chown(place, 65534, 65534)
    for verb in (sandbox.start, sandbox.stop, sandbox.find):
        with pytest.raises(Refused, match="belongs to another user"):
            verb(place)


def test_a_path_too_long_for_a_socket(place):
    with pytest.raises(UsageError, match="too long for a Unix socket"):
        sandbox.start(Path("/tmp") / ("x" * 90), "dummy")
    longest = place.parent / (place.name + "x" * (82 - len(str(place))))
    try:
        box, _ = sandbox.start(longest, "dummy")
        assert "br0" in output(box, "ovs-appctl", "dpif/show")
    finally:
        sandbox.stop(longest)


def test_missing_programs(place, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(sandbox.programs, "_SBIN", "/nonexistent")
    with pytest.raises(Unreachable, match=r"ovs-vswitchd is not installed; try: .*openvswitch-switch"):
        sandbox.start(place, "dummy")
    assert not place.exists()


def test_daemons_are_found_without_sbin_in_the_path(place, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert sandbox.start(place, "dummy")[1]


def test_system_without_the_kernels_module_is_refused(place, monkeypatch):
    monkeypatch.setattr(sandbox, "_system_problem", lambda deadline: "needs the kernel module openvswitch")
    with pytest.raises(Refused, match="the system datapath needs the kernel module openvswitch; try: --datapath dummy"):
        sandbox.start(place, "system")


def test_netdev_without_root_is_refused(place, monkeypatch):
    monkeypatch.setattr(sandbox, "_netdev_problem", lambda deadline: "needs root")
    with pytest.raises(Refused, match="netdev datapath needs root; try: --datapath dummy"):
        sandbox.start(place, "netdev")
    assert sandbox.start(place)[0].datapath == "dummy"


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_a_start_that_fails_is_undone(place, datapath, tmp_path, monkeypatch):
    # An ovs-vswitchd that fails like a real one: with an error on stderr, after ovsdb-server has started.
    fake = tmp_path / "ovs-vswitchd"
    fake.write_text('#!/bin/sh\necho "$OVSTOOL_H1" >"$0.host"; echo \'ovs-vswitchd: no memory for that\' >&2\nexit 1\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Refused, match=r"^sandbox: ovs-vswitchd: no memory for that$"):
        sandbox.start(place, datapath)
    assert not place.exists()
    assert processes_of(str(place)) == []
    host = Path(f"{fake}.host").read_text().strip()
    assert host.endswith("-h1") is (datapath != "dummy")
    assert [n for n in namespaces() if host and n.startswith(host.removesuffix("-h1"))] == []


def test_the_machines_own_switch_is_not_touched(place):
    def state():
        folders = ["/var/run/openvswitch", "/etc/openvswitch", "/var/log/openvswitch", "/var/lib/openvswitch"]
        files = [p for folder in folders for p in sorted(Path(folder).glob("*"))]
        return [(str(p), p.lstat().st_mtime_ns) for p in files if p.suffix != ".log"]

    before = state()
    box, _ = sandbox.start(place)
    output(box, "ovs-vsctl", "add-port", "br0", "p3", "--", "set", "interface", "p3", "type=internal")
    sandbox.stop(place)
    assert state() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_what_netdev_lacks_is_reported(place):
    command = [sys.executable, "-m", "ovstool", "sandbox", "start", "--dir", str(place), "--datapath", "netdev"]
    covered = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh"]
    done = subprocess.run([*covered, *command], capture_output=True, text=True, timeout=60, check=False)
    said = "the netdev datapath needs /dev/net/tun (No such file or directory); try: --datapath dummy"
    assert (done.returncode, done.stdout, done.stderr) == (Exit.REFUSED, "", f"ovstool: sandbox: {said}\n")
    assert not place.exists()


def links(tmp_path, *names: str) -> str:
    """A directory for PATH with only these programs."""
    for name in names:
        (tmp_path / name).symlink_to(shutil.which(name, path=PROGRAMS))
    return str(tmp_path)


@needs_netdev
def test_what_the_kernel_datapath_lacks_is_reported(tmp_path, monkeypatch):
    """Its module is loaded by name; modprobe(8) reports why there is none."""
    if os.path.exists("/sys/module/openvswitch"):
        pytest.skip("the module is there")
    monkeypatch.setattr(sandbox.programs, "_SBIN", "/nonexistent")
    monkeypatch.setenv("PATH", links(tmp_path, "ip", "unshare", "sh"))
    assert sandbox._system_problem() == "needs the kernel module openvswitch (modprobe: No such file or directory)"
    modprobe = tmp_path / "modprobe"
    for script, said in (("echo $* >&2; exit 1", "openvswitch"), ("exit 3", "modprobe: exit code 3")):
        modprobe.write_text(f"#!/bin/sh\n{script}\n")
        modprobe.chmod(0o755)
        assert sandbox._system_problem() == f"needs the kernel module openvswitch ({said})"
    modprobe.write_text("#!/bin/sh\nexit 0\n")
    assert sandbox._system_problem() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="without root, that is what it needs")
def test_what_both_lack_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox.programs, "_SBIN", "/nonexistent")
    for names in ((), ("ip",), ("unshare",)):
        folder = tmp_path / "-".join(["bin", *names])
        folder.mkdir()
        monkeypatch.setenv("PATH", links(folder, *names))
        for problem in (sandbox._netdev_problem, sandbox._system_problem):
            assert problem() == "needs the programs ip (iproute2) and unshare (util-linux)"
    folder = tmp_path / "refusing"
    folder.mkdir()
    monkeypatch.setenv("PATH", links(folder, "ip", "sh"))
    (folder / "unshare").write_text('#!/bin/sh\necho "first line" >&2; echo "asked: $*" >&2; exit 1\n')
    (folder / "unshare").chmod(0o755)
    said = "needs network namespaces and veth pairs (asked: --net --mount ip link add type veth)"
    assert sandbox._netdev_problem() == sandbox._system_problem() == said


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_programs_that_outlive_ovstool_hold_the_lock(place, datapath, tmp_path, monkeypatch):
    """The lock is inherited by whatever creates something that outlives its process: the database, and namespaces."""
    for name in ("ovsdb-tool", "ip", "ovs-vsctl", "ovsdb-server", "ovs-vswitchd"):
        real = shutil.which(name, path=PROGRAMS)
        note = f'for fd in /proc/self/fd/*; do [ "$(readlink $fd)" = {place} ] && echo "{name} $1 $2" >>{tmp_path}/held; done'
        (tmp_path / name).write_text(f'#!/bin/bash\n{note}\nexec {real} "$@"\n')
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    sandbox.start(place, datapath)
    sandbox.stop(place)
    held = {" ".join(line.split()[:2]) for line in (tmp_path / "held").read_text().splitlines()}
    assert held == {"ovsdb-tool create"} | ({"ip netns", "ip -n"} if datapath == "netdev" else set())
    calls = (tmp_path / "held").read_text().splitlines()
    assert calls.count("ip netns add") == calls.count("ip netns delete") == (3 if datapath == "netdev" else 0)


def test_no_descriptor_is_left_open(place):
    """In every outcome for a path, whether its parent directory exists or not."""

    def ends(path: Path) -> None:
        for verb in (sandbox.start, sandbox.stop, sandbox.find):
            with pytest.raises(UsageError) as raised:
                verb(path)
            told.add(str(raised.value).partition(": ")[2])

    place.mkdir(mode=0o700)
    before, told = os.listdir("/proc/self/fd"), set()
    for path in (place / ("x" * 90), place / "nosuch" / ("x" * 90), place / "a\nb", place / "nosuch" / "a\nb"):
        ends(path)
    assert sandbox.find(place) is None and sandbox.stop(place / "nosuch") is False and sandbox.stop(place / "nosuch" / "x") is False
    assert os.listdir("/proc/self/fd") == before
    assert {said.partition(" (")[0] for said in told} == {
        "the path is too long for a Unix socket in it", "the path contains unprintable characters; try: another --dir",
    }  # fmt: skip
    assert {said.partition(", at most ")[2] for said in told if "too long" in said} == {"82); try: a shorter --dir"}


def test_the_environment_and_the_hosts(place, monkeypatch):
    """Those of ``sandbox run``, and the lines for a shell."""
    monkeypatch.setenv("OVSTOOL_HOST", "elsewhere")
    box = sandbox.Sandbox(place, "netdev", "ovstool-1", "br0", ("eth1", "eth2", "eth3"), True)
    assert box.hosts == {"ovstool-1-h1": "10.0.0.1", "ovstool-1-h2": "10.0.0.2", "ovstool-1-h3": "10.0.0.3"}
    folders = {name: str(place) for name in ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR")}
    hosts = {f"OVSTOOL_H{number}": f"ovstool-1-h{number}" for number in (1, 2, 3)}
    assert box.environ == {"OVSTOOL_DB": f"unix:{place}/db.sock"} | folders | hosts
    environ = sandbox.programs.environ(box)
    assert environ.items() >= box.environ.items() and "OVSTOOL_HOST" not in environ
    assert environ["PATH"] == f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"
    monkeypatch.setenv("PATH", "")
    assert sandbox.programs.path() == "/usr/local/sbin:/usr/sbin:/sbin"
    shown = list(how_to_use(box))
    assert shown[0] == f"# to use it: 'ovstool sandbox shell --dir {place}', or in any shell:"
    assert shown[1] == "export " + " ".join(f"{name}={value}" for name, value in box.environ.items())
    assert shown[2] == "# switch ovstool-1: ip netns exec ovstool-1 tc qdisc"
    assert shown[3:] == [f"# host 10.0.0.{number}: ip netns exec ovstool-1-h{number} ping 10.0.0.254" for number in (1, 2, 3)]
    assert len(list(how_to_use(sandbox.Sandbox(place, "dummy", None, "br0", ("eth1",), True)))) == 2


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("", ""), (" \n\n", ""), ("one\ntwo\n\n", "two"), ("2026-01-01|00001|bridge|ERR|could not|so\n", "could not|so"), ("x" * 301, "x" * 300),
    ],
)  # fmt: skip
def test_which_output_of_a_program_is_shown(said, line):
    assert sandbox.programs.last_line(said) == line


# --- real traffic


@needs_netdev
def test_tcp_flows_between_the_hosts_and_htb_limits_it(place):
    if not shutil.which("iperf3"):
        pytest.skip("needs iperf3")
    box, _ = sandbox.start(place, "netdev")
    assert " dev br0 " in output(box, "ip", "route", "get", "10.0.0.5")
    assert " dev br0 " in output(box, "ip", "route", "get", "192.0.2.1")
    unshaped = measured_mbps(box, 1)
    assert unshaped > 50
    words = "set port eth2 qos=@q -- --id=@q create qos type=linux-htb other-config:max-rate=10000000"
    output(box, "ovs-vsctl", *words.split())
    assert "htb" in output(box, "tc", "qdisc", "show", "dev", "eth2")
    assert 8.5 <= measured_mbps(box, 4) <= 10.5


def measured_mbps(box, seconds):
    """The rate of one TCP flow from the first host to the second, as counted by the receiver."""
    (client, _), (server, address) = box.hosts.items()
    listener = subprocess.Popen(["ip", "netns", "exec", server, "iperf3", "-s", "-1"], stdout=subprocess.DEVNULL)
    try:
        listening = ["ip", "netns", "exec", server, "ss", "-Hltn", "sport = :5201"]
        wait_until(lambda: subprocess.run(listening, check=False, capture_output=True).stdout)
        flow = ["ip", "netns", "exec", client, "iperf3", "-J", "-c", address, "-t", str(seconds)]
        done = subprocess.run(flow, check=True, capture_output=True, text=True, timeout=seconds + 30)
    finally:
        listener.kill()
        listener.wait()
    return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 1e6


# --- the commands


def test_start_and_stop_commands(place):
    first = ovstool("sandbox", "start", "--dir", place, "--datapath", "dummy")
    assert (first.returncode, first.stdout) == (0, f"{place}: created\n")
    assert re.search(rf"^export OVSTOOL_DB=unix:{place}/db.sock ", first.stderr, re.MULTILINE)
    again = ovstool("sandbox", "start", "--dir", place)
    assert (again.returncode, again.stdout) == (0, f"{place}: unchanged\n")
    quiet = ovstool("sandbox", "start", "--dir", place, "-q", "-f", "json", "--noindent")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, f'[{{"object": "{place}", "change": "unchanged"}}]\n', "")
    stopped = ovstool("sandbox", "stop", "--dir", place)
    assert (stopped.returncode, stopped.stdout, stopped.stderr) == (0, f"{place}: deleted\n", "")
    again = ovstool("sandbox", "stop", "--dir", place)
    assert (again.returncode, again.stdout, again.stderr) == (0, f"{place}: unchanged\n", "")


@needs_netdev
def test_start_prints_how_to_reach_the_hosts(place):
    done = ovstool("sandbox", "start", "--dir", place, "--datapath", "netdev")
    box = sandbox.find(place)
    for host, address in box.hosts.items():
        assert f"# host {address}: ip netns exec {host} " in done.stderr
    shell = ovstool("sandbox", "shell", "--dir", place, env={**os.environ, "SHELL": ""})
    assert (shell.returncode, shell.stdout) == (0, "")
    assert shell.stderr == (
        "ovstool: note: every command here talks to a private switch; its hosts are the namespaces $OVSTOOL_H1 (10.0.0.1), $OVSTOOL_H2 (10.0.0.2)\n"
    )


@pytest.mark.parametrize(
    "command, code",
    [
        (["true"], 0),
        (["sh", "-c", "exit 3"], 3),
        (["sh", "-c", "kill -TERM $$"], 143),
        (["no-such-command"], 127),
        (["/etc/passwd"], 126),
    ],
)
def test_run_ends_with_the_commands_exit_code(place, command, code):
    before = temporary_ones()
    done = ovstool("sandbox", "run", "--dir", place, "--datapath", "dummy", "--", *command)
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == (code in (126, 127))
    # Sandboxes of tests that run beside this one disappear too.
    left = temporary_ones() - before
    wait_until(lambda: not any(path.exists() for path in left))


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_run_starts_a_temporary_one_and_leaves_nothing(place, datapath):
    script = "echo $OVS_RUNDIR; ovs-vsctl list-br; cat $OVS_RUNDIR/sandbox.json"
    done = ovstool("sandbox", "run", "--dir", place, "--datapath", datapath, "--", "sh", "-c", script)
    directory, bridge, settings = done.stdout.split("\n", 2)
    namespace = json.loads(settings)["namespace"]
    assert (done.returncode, bridge) == (0, "br0")
    assert not place.exists() and not Path(directory).exists()
    assert processes_of(directory) == []
    assert [n for n in namespaces() if namespace and n.startswith(namespace)] == []


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_run_uses_the_one_that_is_running(place, datapath):
    box, _ = sandbox.start(place, datapath)
    script = "echo $OVSTOOL_DB $OVSTOOL_HOST; ls /sys/class/net"
    env = {**os.environ, "OVSTOOL_HOST": "elsewhere"}
    done = ovstool("sandbox", "run", "--dir", place, "--", "sh", "-c", script, env=env)
    assert done.stdout.splitlines()[0] == f"unix:{place}/db.sock"
    if box.namespace:
        assert {"eth1", "eth2", "br0"} <= set(done.stdout.split())
    assert sandbox.find(place) == box


def test_the_one_without_a_name(place):
    place.mkdir(mode=0o700)
    done = ovstool("sandbox", "stop", env={**os.environ, "XDG_RUNTIME_DIR": str(place)})
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{place}/ovstool-sandbox: unchanged\n", "")


def test_run_without_a_command_is_wrong_usage(place):
    done = ovstool("sandbox", "run", "--dir", place)
    assert done.returncode == Exit.USAGE
    assert "no command given" in done.stderr


# Where the machine is slow, the command runs before the start has finished.
_SLOW_START = """
import subprocess, sys, time
class Slow(subprocess.Popen):
    def __init__(self, argv, **how):
        super().__init__(argv, **how)
        time.sleep(1 if "exec sleep 60" in argv[-1] else 0)
subprocess.Popen = Slow
from ovstool.__main__ import main
main()
"""


@pytest.mark.parametrize("program", [["-m", "ovstool"], ["-c", _SLOW_START]], ids=["usual", "slow"])
@pytest.mark.parametrize("signum, code", [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_run_cleans_up_when_it_is_told_to_end(place, tmp_path, signum, code, program):
    told = tmp_path / "told"
    script = f"echo $$ $OVS_RUNDIR > {told}.new; mv {told}.new {told}; exec sleep 60"
    argv = ["sandbox", "run", "--dir", str(place), "--datapath", "dummy", "--", "sh", "-c", script]
    with subprocess.Popen([sys.executable, *program, *argv], stdin=subprocess.DEVNULL) as process:
        wait_until(told.exists)
        pid, directory = told.read_text().split()
        process.send_signal(signum)
        assert process.wait(timeout=30) == code
    assert not Path(f"/proc/{pid}").exists()
    assert not Path(directory).exists()
    assert processes_of(directory) == []


def test_run_cleans_up_after_ctrl_c(place, tmp_path):
    told = tmp_path / "told"
    script = f"echo $OVS_RUNDIR > {told}.new; mv {told}.new {told}; exec sleep 60"
    argv = ["sandbox", "run", "--dir", str(place), "--datapath", "dummy", "--", "sh", "-c", script]
    command = [sys.executable, "-m", "ovstool", *argv]
    # A terminal sends it to the whole process group.
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        wait_until(told.exists)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=30) == Exit.INTERRUPTED
    directory = told.read_text().strip()
    assert not Path(directory).exists()
    assert processes_of(directory) == []


def test_shell_talks_to_the_sandbox(place):
    command = [sys.executable, "-m", "ovstool", "sandbox", "shell", "--dir", str(place), "--datapath", "dummy"]
    env = {**os.environ, "SHELL": "/bin/sh"}
    typed = "ovs-vsctl list-br\necho $PS1\nexit 4\n"
    done = subprocess.run(command, check=False, input=typed, capture_output=True, text=True, env=env)
    assert (done.returncode, done.stdout) == (4, "br0\n(sandbox) $\n")
    assert done.stderr == "ovstool: note: every command here talks to a private switch\n"


_OWN_PROMPTS = {
    "bash": (".bashrc", "PS1='mine> '\nPROMPT_COMMAND='history -a; '\n"),  # users often end the line with a semicolon
    "zsh": (".zshrc", "PS1='mine> '\n"),
    "fish": (".config/fish/config.fish", "function fish_prompt; echo -n 'mine> '; end\n"),
    "sh": (".profile", ""),
}


@pytest.mark.parametrize("shell", _OWN_PROMPTS)
def test_the_prompt_says_that_it_is_a_sandbox(place, tmp_path, shell):
    """Whatever the user's own start-up file, which is read too, does to the prompt."""
    file, text = _OWN_PROMPTS[shell]
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    (tmp_path / ".local/share/fish/generated_completions").mkdir(parents=True)  # or fish reads all manual pages first
    prompt = b"(sandbox) mine> " if text else b"(sandbox) $ "
    ours, theirs = pty.openpty()
    program = [sys.executable, "-m", "ovstool", "sandbox", "shell", "--dir", str(place), "--datapath", "dummy"]
    argv = ["setsid", "--ctty", "--wait", *program]
    kept = {key: value for key, value in os.environ.items() if key not in ("PROMPT_COMMAND", "ZDOTDIR", "XDG_CONFIG_HOME")}
    (tmp_path / "tmp").mkdir()
    environ = kept | {"HOME": str(tmp_path), "TMPDIR": f"{tmp_path}/tmp", "SHELL": shutil.which(shell), "TERM": "dumb"}
    with subprocess.Popen(argv, env=environ, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""

        def until(words: bytes) -> None:
            nonlocal shown
            end = time.monotonic() + 60
            while words not in shown and time.monotonic() < end:
                if select.select([ours], [], [], 1)[0]:
                    shown += os.read(ours, 65536)

        until(prompt)
        os.write(ours, b"echo br=$(ovs-vsctl list-br)\n" if shell != "fish" else b"echo br=(ovs-vsctl list-br)\n")
        until(b"br=br0")
        assert prompt in shown and b"br=br0" in shown and b"syntax error" not in shown and b"(sandbox) (sandbox)" not in shown
        os.write(ours, b"exit 3\n")
        with suppress(OSError):  # its other end is closed
            while os.read(ours, 65536):
                pass
        assert process.wait(60) == 3
    os.close(ours)
    assert list((tmp_path / "tmp").glob("ovstool-*")) == []


def test_env_is_for_eval(place):
    assert (failed := ovstool("sandbox", "env", "--dir", place)).returncode == Exit.NOT_FOUND
    assert failed.stderr == f"ovstool: {place}: no sandbox is running there; try: ovstool sandbox start\n"
    assert ovstool("sandbox", "start", "--dir", place, "--datapath", "dummy").returncode == 0
    told = ovstool("sandbox", "env", "--dir", place)
    assert (told.returncode, told.stderr) == (0, "")
    script = f"{told.stdout}ovs-vsctl list-br; {sys.executable} -m ovstool bridge list -f value -c datapath_type"
    done = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "br0\ndummy\n"


def test_refusals_are_one_line_and_an_exit_code(place):
    place.mkdir()
    (place / "thesis.txt").touch()
    done = ovstool("sandbox", "start", "--dir", place, "--datapath", "dummy")
    assert (done.returncode, done.stdout) == (Exit.REFUSED, "")
    assert len(done.stderr.splitlines()) == 1
    done = ovstool("sandbox", "start", "--dir", "/tmp/" + "x" * 100)
    assert done.returncode == Exit.USAGE


def test_the_default_directory(monkeypatch):
    with tempfile.TemporaryDirectory(dir="/tmp") as mine:
        monkeypatch.setenv("XDG_RUNTIME_DIR", mine)
        assert sandbox.default_directory() == Path(mine) / "ovstool-sandbox"
        other = Path(f"/tmp/ovstool-sandbox-{os.geteuid()}") if os.geteuid() else Path("/run/ovstool-sandbox")
        monkeypatch.setenv("XDG_RUNTIME_DIR", mine + "/gone")
        assert sandbox.default_directory() == other
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert sandbox.default_directory() == other


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_programs_run_where_ovs_vswitchd_is(place):
    """The route to a collector is the switch's, also for a user outside its namespace."""
    box, _ = sandbox.start(place, "netdev")
    command = [sys.executable, "-m", "ovstool", "--db", box.db, "sflow"]
    subprocess.run([*command, "enable", "--collector", "10.0.0.1"], check=True)
    agent = subprocess.run([*command, "list", "-f", "value", "-c", "agent"], check=True, capture_output=True, text=True)
    assert agent.stdout == "br0\n"


def test_the_schema_is_that_of_the_first_ovs_vswitchd(tmp_path, monkeypatch):
    """Several versions may be installed, and one cannot use the database of another."""
    monkeypatch.delenv("OVS_PKGDATADIR", raising=False)
    for name in ("sbin/ovs-vswitchd", "share/openvswitch/vswitch.ovsschema"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/sbin:{os.environ['PATH']}")
    assert sandbox._schema() == f"{tmp_path}/share/openvswitch/vswitch.ovsschema"
