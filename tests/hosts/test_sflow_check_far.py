"""sflow check over SSH: a program that needs no installation listens on the remote host, and no second target is left however it ends."""

import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
from sflow_collector import collecting

MARK = "ovstool-check:"


@pytest.fixture(scope="module")
def hosts(lab):
    """Hosts whose bridge exports sFlow, one of them without Python."""
    started = [lab.host("s01"), lab.host("s02", without=("python3",)), lab.host("s03", user="op")]
    for host in started:
        host.vsctl("""--id=@s create sflow agent='\"192.0.2.7\"' targets='"127.0.0.1:6343"' -- set bridge br0 sflow=@s""")
    with ExitStack() as collectors:
        for host in started:
            collectors.enter_context(collecting(host.namespaces.enter("net"), "127.0.0.1"))
        yield started


def rows(hosts) -> list[str]:
    return [host.vsctl("--columns=targets,polling,external_ids list sflow") for host in hosts]


def test_datagrams_arrive_at_a_program_there(lab, hosts):
    before = rows(hosts)
    done = lab.ovstool("-H s01,s02 sflow check -f json")
    assert (done.code, done.json) == (0, []), done
    # On the dummy datapath no interface has counters, but ovs-vswitchd itself does.
    assert [line.split(": ", 2)[2].split(" in ")[0] for line in done.stderr.splitlines()] == [
        f"{host}: {said}"
        for host in ("s01", "s02")
        for said in (
            "br0: no packet was sampled",
            "br0: datagram from agent 192.0.2.7 caught",
            "no problem found; delivery to 127.0.0.1:6343 is not checked",
        )
    ]
    assert rows(hosts) == before


def test_where_nothing_can_listen(lab):
    host = lab.host("s04", without=("python3", "tcpdump"))
    host.vsctl("""--id=@s create sflow agent='"192.0.2.7"' targets='"127.0.0.1:6343"' -- set bridge br0 sflow=@s""")
    done = lab.ovstool("-H s04 sflow check -f json")
    closing = "no problem found; delivery to 127.0.0.1:6343 is not checked"
    why = "neither it nor tcpdump is installed on the switch's host; so datagrams were not checked"
    assert (done.code, done.json, done.stderr) == (0, [], f"ovstool: note: python3: {why}\novstool: note: {closing}\n")


def test_a_remedy_names_the_host_and_sudo(lab, hosts):
    hosts[2].vsctl("set bridge br0 sflow=@s -- --id=@s create sflow agent='\"192.0.2.7\"' header=700 targets='\"127.0.0.1\"'")
    done = lab.ovstool("-H s03 --sudo sflow check --for 0.1 -f json")
    assert [row["problem"] for row in done.json] == ["header too long"]
    assert done.json[0]["remedy"] == "ovstool -H s03 --sudo sflow enable br0 --collector 127.0.0.1 --agent 192.0.2.7 --header 472"


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_no_end_of_it_leaves_a_second_target(lab, hosts, signum, code):
    before = rows(hosts)
    argv = lab.command([sys.executable, "-m", "ovstool", "-H", "s01,s02", "sflow", "check", "--for", "30"])
    with subprocess.Popen(argv, env=lab.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as check:
        while not all(MARK in row for row in rows(hosts[:2])):
            assert check.poll() is None
            time.sleep(0.05)
        assert lab.ovstool("-H s01,s02 sflow list").stderr == "" and all(MARK in row for row in rows(hosts[:2])), "it is still needed"
        check.send_signal(signum)
        assert check.wait(60) == code
    if signum == signal.SIGKILL:
        while rows(hosts) != before:  # once the remote program has noticed
            lab.ovstool("-H s01,s02 sflow list")
    assert rows(hosts) == before
