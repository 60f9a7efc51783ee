"""``ovstool -H sflow listen``: a collector on the remote host that uses the programs there; real datagrams of its Open vSwitch."""

import json
import signal
import subprocess
import sys
import time

import pytest

NOT_FOUND, CONFLICT, REFUSED, SOME_FAILED, INTERRUPTED = 3, 4, 6, 8, 130
LISTENING = "ovstool: note: listening on UDP port 6343\n"
HOLD = "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 6343)); print('held', flush=True); time.sleep(600)"


def sends(host):
    """Let the host's switch send the counters of its ports to itself every second."""
    sflow = "--id=@s create sflow agent=127.0.0.1 targets='\"127.0.0.1:6343\"' polling=1"
    ports = "set interface eth1 options:ifindex=101 external_ids:iface-id=vif-1 -- set interface eth2 options:ifindex=102"
    host.vsctl(f"{ports} -- {sflow} -- set bridge br0 sflow=@s")
    return host


def processes(host) -> str:
    return host.run(["ps", "-eo", "args"]).stdout


@pytest.fixture(scope="module")
def hosts(lab):
    """Hosts that send: one with all programs, and one for each missing program."""
    special = {
        "whole": {},
        "op": {"user": "op", "shell": "/bin/sh"},
        "dump": {"without": ("python3",)},
        "opdump": {"user": "op", "without": ("python3",)},
        "bare": {"without": ("python3", "tcpdump")},
    }
    for name, traits in special.items():
        sends(lab.host(name, **traits))
    return lab


@pytest.mark.parametrize(
    ("name", "options", "note"),
    [
        ("whole", "", LISTENING),
        ("op", "", LISTENING),
        ("dump", "", "ovstool: note: no python3 on dump; capturing UDP port 6343 with tcpdump instead\n"),
        ("opdump", "--sudo", "ovstool: note: no python3 on opdump; capturing"),
    ],
)
def test_samples_of_a_remote_host_with_the_names_of_its_ports(hosts, name, options, note):
    done = hosts.ovstool(f"-H {name} {options} sflow listen --count 9 -f json")
    assert done.code == 0 and done.stderr.startswith(note), done
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 9 and {(row["kind"], row["agent"]) for row in rows} == {("counter", "127.0.0.1")}
    ports = {(row["source"], row["port"], row["iface_id"]) for row in rows}
    assert {("0:101", "eth1", "vif-1"), ("0:102", "eth2", None)} <= ports
    assert all(row["if_counters"]["if_index"] == int(row["source"][2:]) for row in rows if row["source"].startswith("0:"))


def test_nothing_is_left_there(hosts):
    for name in ("whole", "dump"):
        hosts.ovstool(f"-H {name} sflow listen --count 1")
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and ("recvfrom" in (left := processes(hosts[name])) or "tcpdump" in left):
            time.sleep(0.1)
        assert "recvfrom" not in left and "tcpdump" not in left


def test_one_address_there(hosts):
    assert hosts.ovstool("-H whole sflow listen --bind 127.0.0.1 --count 1").code == 0
    other = hosts.ovstool("-H whole sflow listen --bind 192.0.2.1")
    assert (other.code, other.stderr) == (
        NOT_FOUND,
        "ovstool: whole: address 192.0.2.1: not assigned to any interface; try: omit --bind to listen on all addresses\n",
    )


def test_a_port_that_is_taken_there(hosts):
    whole = hosts["whole"]
    taken = [*whole.namespaces.enter("net"), sys.executable, "-c", HOLD]
    with subprocess.Popen(taken, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            done = hosts.ovstool("-H whole sflow listen")
        finally:
            holder.kill()
    assert done.code == CONFLICT and done.stderr.startswith("ovstool: whole: UDP port 6343: already in use by another program; try: "), done


def test_missing_programs_are_named(hosts):
    done = hosts.ovstool("-H bare sflow listen")
    why = "has neither python3 nor tcpdump; listening there needs one of them; try: install python3"
    assert (done.code, done.stdout, done.stderr) == (NOT_FOUND, "", f"ovstool: bare: {why}\n")
    done = hosts.ovstool("-H opdump sflow listen")
    assert done.code == REFUSED and done.stderr.endswith("ovstool: opdump: tcpdump: (socket: Operation not permitted); try: --sudo\n"), done
    done = hosts.ovstool("-H op sflow listen --port 514")
    assert (done.code, done.stderr) == (
        REFUSED,
        "ovstool: op: UDP port 514: permission denied; try: --port 1024 or higher, or --sudo\n",
    )


def test_several_hosts_at_once(hosts):
    done = hosts.ovstool("-H whole,op,bare sflow listen --for 4 -f json")
    assert done.code == SOME_FAILED and "ovstool: bare: has neither" in done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["host"] for row in rows} == {"whole", "op"} and next(iter(rows[0])) == "host"
    top = hosts.ovstool("-H whole,op sflow listen --for 3 --top --by agent -f json")
    assert (top.code, top.stdout) == (0, "[]\n"), "counter samples are not traffic"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, -signal.SIGTERM)])
def test_each_host_prints_its_summary_when_interrupted(hosts, number, code):
    argv = hosts.command([sys.executable, "-m", "ovstool", "-H", "whole,op", "sflow", "listen", "-f", "json"])
    with subprocess.Popen(argv, env=hosts.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as listen:
        heard = set()
        while heard != {"whole", "op"}:
            heard.add(json.loads(listen.stdout.readline())["host"])
        listen.send_signal(number)
        _, said = listen.communicate(timeout=60)
    assert listen.returncode == code, said
    for name in heard:
        assert (
            f"ovstool: note: {name}: " in said
            and len([line for line in said.splitlines() if f" {name}: " in line and "sample" in line]) == 1
        )
