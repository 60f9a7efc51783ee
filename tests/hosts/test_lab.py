"""The hosts of the lab have their traits, as seen with OpenSSH's own client."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab import Lab

_WAIT_S = 30
_DB = "/var/run/openvswitch/db.sock"


def test_host_has_a_switch_of_its_own(lab):
    host = lab.host("plain")
    assert lab.ssh("plain", "hostname && ovs-vsctl list-ports br0") == ("plain\neth1\neth2\n", "", 0)
    assert lab.ssh("plain", "ovs-vsctl --timeout=10 set port eth1 tag=7 && ovs-ofctl show br0 | grep -c addr:").stdout == "3\n"
    assert host.vsctl("get port eth1 tag") == lab.vsctl("plain", "get port eth1 tag") == "7"
    assert lab.run(["ssh", "plain", "id -un"]).stdout == "root\n"


def test_files_of_the_machine_are_safe_on_a_host(lab):
    lab.host("safe")
    assert "Read-only file system" in lab.ssh("safe", "touch /etc/lab-was-here").stderr
    assert lab.ssh("safe", "touch /tmp/lab-was-here /run/lab-was-here /var/log/lab-was-here").code == 0
    assert not any(Path(folder, "lab-was-here").exists() for folder in ("/etc", "/tmp", "/run", "/var/log"))


def test_operator_sees_no_other_network(lab):
    links = lab.run(["ip", "-oneline", "link"]).stdout.splitlines()
    assert {line.split()[1].split("@")[0].rstrip(":")[0] for line in links} <= {"l", "v"}, links
    assert lab.run(["ls", "/run/openvswitch"]).code == 2
    assert lab.run(["pwd"]).stdout.strip() == os.getcwd()


def test_user_who_may_not_open_the_database(lab):
    lab.host("op", user="op")
    assert lab.ssh("op", "id -un").stdout == "op\n"
    assert "Permission denied" in lab.ssh("op", "ovs-vsctl --timeout=5 show").stderr
    assert lab.ssh("root@op", "ovs-vsctl list-br").stdout == "br0\n"


@pytest.mark.parametrize(
    ("sudo", "answer"), [("works", ("0\n", "", 0)), ("password", ("", "sudo: a password is required\n", 1)), ("absent", None)]
)
def test_sudo(lab, sudo, answer):
    lab.host(f"sudo-{sudo}", user="op", sudo=sudo)
    done = lab.ssh(f"sudo-{sudo}", "sudo -n id -u")
    if answer:
        assert done == answer
    else:
        assert done.code == 127 and "not found" in done.stderr


def test_missing_programs(lab):
    lab.host("bare", without=("socat", "nc", "python3"))
    lab.host("full")
    for program in ("socat", "nc", "python3"):
        assert lab.ssh("bare", f"command -v {program}") == ("", "", 127)
        assert lab.ssh("bare", f"{program} -h").code == 127
        assert lab.ssh("full", f"command -v {program}").code == 0
    assert lab.ssh("bare", "ovs-vsctl list-br").stdout == "br0\n"


def test_no_ovs(lab):
    lab.host("noovs", no_ovs=True)
    assert lab.ssh("noovs", "ovs-vsctl show").code == 127
    assert lab.ssh("noovs", f"ls {_DB}").code == 2


def test_answers_late(lab):
    lab.host("late", answers_after_s=4)
    early = lab.ssh("late", "hostname", "-o", "ConnectTimeout=1")
    assert early.code == 255 and "timed out" in early.stderr
    assert lab.ssh("late", "hostname").stdout == "late\n"


def test_drops_the_connection(lab):
    lab.host("drops", drops_after=200_000)
    assert lab.ssh("drops", "hostname").stdout == "drops\n"
    done = lab.ssh("drops", "head -c 1000000 /dev/zero")
    assert done.code == 255
    assert len(done.stdout) < 200_000


def test_connection_goes_silent(lab):
    lab.host("hangs", hangs_after=200_000)
    assert lab.ssh("hangs", "hostname").stdout == "hangs\n"
    with pytest.raises(subprocess.TimeoutExpired):
        lab.ssh("hangs", "head -c 1000000 /dev/zero", timeout_s=3)


def test_full_disk(lab):
    lab.host("fulldisk", full_disk=True)
    assert lab.ssh("fulldisk", "ovs-vsctl list-br").stdout == "br0\n"
    assert "No space left" in lab.ssh("fulldisk", "head -c 10000 /dev/zero >/tmp/more").stderr
    done = lab.ssh("fulldisk", "ovs-vsctl --timeout=5 --no-wait add-br br1")
    assert done.code == 1 and "No space left" in done.stderr


def test_behind_a_jump_host(lab):
    lab.host("jump")
    target = lab.host("target", behind="jump")
    assert lab.ssh("target", "hostname && ovs-vsctl list-br").stdout == "target\nbr0\n"
    direct = lab.ssh("target", "hostname", "-o", "ProxyJump=none", "-o", "ConnectTimeout=5")
    assert direct.code == 255 and "unreachable" in direct.stderr
    assert lab.ssh("jump", f"ping -c 1 -W 5 {target.address} >/dev/null; ip route get {target.address}").code == 0


def test_forwarding_of_sockets(lab):
    lab.host("opens")
    lab.host("refuses", forwarding=False)
    lab.host("opens-op", user="op")
    for name, answer in (("opens", "Open_vSwitch"), ("refuses", None), ("opens-op", None)):
        with forwarded(lab, name) as socket:
            done = lab.run(["ovsdb-client", "--timeout=10", "list-dbs", f"unix:{socket}"])
        assert (answer in done.stdout) if answer else done.code, done
    assert "administratively prohibited" in lab.ssh("refuses", "", "-W", "127.0.0.1:22").stderr


@contextmanager
def forwarded(lab, name):
    """A local socket that OpenSSH's client forwards to the database there."""
    socket = lab.directory / f"{name}.sock"
    ssh = subprocess.Popen(lab.command(["ssh", "-N", "-L", f"{socket}:{_DB}", name]), env=lab.environ, stdin=subprocess.DEVNULL)
    try:
        until(socket.exists)
        yield socket
    finally:
        ssh.kill()  # it has missed a SIGTERM that arrived while a channel was being refused
        ssh.wait(timeout=_WAIT_S)


def test_login_shell_with_output(lab):
    lab.host("talks", banner="Welcome to 'talks'!\nMind the $GAP.\n")
    assert lab.ssh("talks", "echo done").stdout == "Welcome to 'talks'!\nMind the $GAP.\ndone\n"


def test_csh(lab):
    if not Path("/bin/csh").exists():
        pytest.skip("needs /bin/csh")
    lab.host("csh", shell="/bin/csh")
    assert lab.ssh("csh", "echo $shell").stdout == "/bin/csh\n"
    assert "Illegal variable name" in lab.ssh("csh", "echo $(id -u)").stderr


def test_port(lab):
    lab.host("port", port=2200)
    assert lab.ssh("port", "hostname").stdout == "port\n"
    assert "refused" in lab.ssh("port", "hostname", "-p", "22").stderr


def test_keys(lab):
    lab.host("stranger", known="no")
    lab.host("impostor", known="changed")
    lab.host("closed", authorised=False)
    assert "Host key verification failed" in lab.ssh("stranger", "hostname").stderr
    assert "IDENTIFICATION HAS CHANGED" in lab.ssh("impostor", "hostname").stderr
    assert "Permission denied" in lab.ssh("closed", "hostname").stderr


def test_lines_of_sshd_config(lab):
    lab.host("strict", sshd=("ForceCommand echo forced", "MaxSessions 1"))
    assert lab.ssh("strict", "hostname").stdout == "forced\n"


def test_stopped_host(lab):
    host = lab.host("gone")
    host.stop()
    host.stop()
    assert lab.ssh("gone", "hostname", "-o", "ConnectTimeout=5").code == 255


@pytest.mark.parametrize("traits", [{"user": "ghost"}, {"sudo": "maybe"}, {"known": "perhaps"}, {"nosuch": 1}])
def test_unknown_traits(lab, traits):
    with pytest.raises((ValueError, TypeError)):
        lab.host("odd", **traits)
    assert "odd" not in lab.hosts


def test_name_twice(lab):
    lab.host("twice")
    with pytest.raises(ValueError, match="one already"):
        lab.host("twice")


def test_host_that_does_not_start_says_why(lab):
    with pytest.raises(Exception, match="NoSuchWord"):
        lab.host("broken", sshd=("NoSuchWord yes",))
    assert lab.ssh("broken", "hostname").code == 255


def test_sixteen_at_once(lab):
    names = [f"h{index:02}" for index in range(1, 17)]
    hosts = lab.start(names)
    assert [host.name for host in hosts] == names
    script = "echo $1; ssh -o BatchMode=yes $1 'hostname; ovs-vsctl get open . external_ids:hostname external_ids:system-id; ps -e'"
    asked = lab.run(
        ["xargs", "-P16", "-n1", "sh", "-c", f'all=$({script}) && echo "$all" >{lab.directory}/said.$1', "sh"], "\n".join(names)
    )
    assert asked.code == 0, asked
    said = {name: (lab.directory / f"said.{name}").read_text().split() for name in names}
    assert all(words[:3] == [name] * 3 for name, words in said.items())
    assert len({words[3] for words in said.values()}) == 16
    assert all(words.count(daemon) == 1 for words in said.values() for daemon in ("ovsdb-server", "ovs-vswitchd"))
    keys = lab.run(["ssh-keyscan", "-t", "ed25519", *names]).stdout.splitlines()
    assert len({line.split()[2] for line in keys if not line.startswith("#")}) == 16


# --- nothing is left behind

_LAB_IN_A_PROCESS = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parent.parent)]!r}
import lab
lab._PREFIX = sys.argv[1]
with lab.Lab() as lab:
    lab.start(["jump", "slow"], answers_after_s=1)
    lab.host("target", behind="jump")
    print(lab.directory, *(host.namespaces.pid for host in lab.hosts.values()), lab._operator.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["ends", "interrupted", "terminated", "killed"])
def test_nothing_is_left(how, monkeypatch):
    if problem := Lab.problem():
        pytest.skip(f"a lab of hosts {problem}")
    # Our own prefix, so that labs of other tests, which start meanwhile, do not matter.
    prefix = f"ovstool-left-{os.getpid()}-"
    monkeypatch.setattr("lab._PREFIX", prefix)
    before = (mounts(), named_namespaces())
    argv = [sys.executable, "-c", _LAB_IN_A_PROCESS, prefix]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        words = process.stdout.readline().split()
        directory, pids = Path(words[0]), words[1:]
        ours = {os.stat(f"/proc/{pid}/ns/{kind}").st_ino for pid in pids for kind in ("net", "mnt", "pid")}
        assert len(ours) == 12 and not ours & {os.stat(f"/proc/self/ns/{kind}").st_ino for kind in ("net", "mnt", "pid")}
        assert len(processes_in(ours)) >= 4 * 3 + 2
        if how == "ends":
            process.stdin.close()
        else:
            signals = {"interrupted": signal.SIGINT, "terminated": signal.SIGTERM, "killed": signal.SIGKILL}
            process.send_signal(signals[how])
        process.wait(timeout=_WAIT_S)
    until(lambda: not processes_in(ours))
    assert (mounts(), named_namespaces()) == before
    assert directory.exists() is (how in ("terminated", "killed"))
    with Lab() as living:
        assert not directory.exists()
        Lab().__enter__().__exit__()
        assert living.home.exists()


def processes_in(namespaces):
    """The processes that are in one of these namespaces."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if any(os.stat(f"/proc/{name}/ns/{kind}").st_ino in namespaces for kind in ("net", "mnt", "pid")):
                found.append(int(name))
        except OSError:
            continue  # ended meanwhile
    return found


def mounts():
    """The mounts, without those of ``named_namespaces`` and of their directory."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line for line in lines if not line.startswith("nsfs ") and line.split()[1] != "/run/netns"]


def named_namespaces():
    """The namespaces of ``ip netns``, without those that sandboxes of others create and remove meanwhile."""
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout.split("\n")
    return sorted(name for name in names if not name.startswith("ovstool-"))


def until(holds):
    deadline = time.monotonic() + _WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
