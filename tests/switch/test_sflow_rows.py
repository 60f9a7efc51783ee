"""sFlow in a database without ovs-vswitchd: each row that is written, and everything printed."""

import os
import subprocess
import sys
import time

import pytest

ENABLE = "sflow enable {} --agent lo --force --collector 127.0.0.1"
ROW = {"agent": "lo", "targets": "127.0.0.1:6343"}


def test_list(database):
    shared = {"agent": "eth0", "targets": ["10.0.0.5:1", "10.0.0.6:1"], "sampling": 3, "polling": 0, "header": 99}
    database.put({"br2": {"sflow": shared}, "br1": {"sflow": {"targets": "10.0.0.7:1"}}, "br0": {}, "br3": {"sflow": shared}})
    row = {"agent": "eth0", "targets": ["10.0.0.5:1", "10.0.0.6:1"], "sampling": 3, "polling": 0, "header": 99}
    assert database.ask("sflow list") == [
        {"bridge": "br1", "agent": None, "targets": ["10.0.0.7:1"], "sampling": 400, "polling": 30, "header": 128},
        {"bridge": "br2"} | row,
        {"bridge": "br3"} | row,
    ]


@pytest.mark.parametrize(
    ("before", "options", "said", "after"),
    [
        (None, "", "created", {}),
        (None, "--sampling 3 --polling 4 --header 99", "created", {"sampling": 3, "polling": 4, "header": 99}),
        (None, "--collector 127.0.0.2:7 --collector 127.0.0.1:6343", "created", {"targets": ["127.0.0.1:6343", "127.0.0.2:7"]}),
        (None, "--collector [2001:db8::5]", "created", {"targets": ["127.0.0.1:6343", "[2001:db8::5]:6343"]}),
        (ROW, "", "unchanged", {}),
        (ROW | {"targets": "127.0.0.1"}, "", "unchanged", {"targets": "127.0.0.1"}),
        (ROW | {"targets": "x y"}, "", "updated", {}),
        (ROW | {"agent": "eth0"}, "", "updated", {}),
        ({"targets": "127.0.0.1"}, "", "updated", {}),
        *((ROW | {column: 7}, "", "updated", {}) for column in ("sampling", "polling", "header")),
        *((ROW | {column: 7}, f"--{column} 7", "unchanged", {column: 7}) for column in ("sampling", "polling", "header")),
        (ROW | {"sampling": 7}, "--sampling 8", "updated", {"sampling": 8}),
        (ROW | {"external_ids": {"a": "b"}}, "", "unchanged", {"external_ids": {"a": "b"}}),
        (ROW | {"external_ids": {"a": "b"}}, "--sampling 7", "updated", {"external_ids": {"a": "b"}, "sampling": 7}),
    ],
)
def test_what_is_written(database, before, options, said, after):
    database.put({"br0": {"sflow": before} if before else {}, "br1": {}})
    assert database.run(f"{ENABLE} {options}".format("br0"))[:2] == (0, f"br0: {said}\n")
    assert database.tree() == {"br0": {"sflow": ROW | after}, "br1": {}} and database.count("sFlow") == [1]


def test_bridges_that_share_a_row(database):
    shared = {"agent": "eth0", "targets": "127.0.0.1:1", "external_ids": {"a": "b"}}
    database.put({"br0": {"sflow": shared}, "br1": {"sflow": shared}, "br2": {}})
    assert database.run(ENABLE.format("br0 br2"))[:2] == (0, "br0: updated\nbr2: created\n")
    mine = ROW | {"external_ids": {"a": "b"}}
    assert database.tree() == {"br0": {"sflow": mine}, "br1": {"sflow": shared}, "br2": {"sflow": ROW}}
    assert database.run("sflow disable br0 br1")[:2] == (0, "br0: deleted\nbr1: deleted\n")
    assert database.run("sflow disable br0 br2")[:2] == (0, "br0: unchanged\nbr2: deleted\n")
    assert database.tree() == {"br0": {}, "br1": {}, "br2": {}} and database.count("sFlow") == [0]


def test_the_bridge_need_not_be_named_where_there_is_one(database):
    database.put({"br0": {}})
    assert database.run(ENABLE.format(""))[1] == "br0: created\n" and database.run("sflow disable")[1] == "br0: deleted\n"
    database.put({name: {} for name in ("b6", "b5", "b4", "b3", "b2", "b1")})
    said = "ovstool: BRIDGE: there are 6 bridges, so name the ones you mean; try: b1, b2, b3, b4, b5\n"
    assert database.run("sflow disable") == database.run(ENABLE.format("")) == (2, "", said)
    database.put({})
    assert database.run("sflow disable") == (3, "", "ovstool: bridge: this switch has no bridge; try: ovstool bridge add br0\n")


def test_a_missing_collector_is_taken_from_the_present_row(database):
    said = "ovstool: sflow enable: a collector is missing; try: "
    shared = ROW | {"targets": ["127.0.0.1:6343", "[2001:db8::5]:7"], "sampling": 9, "polling": 0}
    database.put({"br0": {"sflow": shared}, "br1": {}})
    here = "ovstool sflow enable br0 --collector 127.0.0.1:6343 --collector '[2001:db8::5]:7' --agent lo --sampling {} --polling 0{}\n"
    assert database.run("sflow enable br0 --sampling 20") == (2, "", said + here.format(20, ""))
    assert database.run("sflow enable br0 --header 99 --force") == (2, "", said + here.format(9, " --header 99 --force"))
    for words in ("br1", "br0 br1", "nosuch"):
        assert database.run(f"sflow enable {words}") == (2, "", f"{said}--collector 10.0.0.5\n")


TAKES = "so Open vSwitch would fall back to the source address of the route to the collector, or send nothing"
HINT = "; try: an interface with an address, an IP address, or --force"
NO_ROUTE = "there is no route to it, and ovs-vswitchd looks for one only when its configuration changes"
FORCE = "; try: another collector, or --force"
NOBODYS = "note: agent {}: no interface of the switch's host has this address; collectors are told it all the same"
BROADCAST = "a broadcast address, to which ovs-vswitchd cannot send"


@pytest.mark.parametrize(
    ("words", "code", "agent", "said"),
    [
        # Every machine has a loopback interface with routes to these.
        ("--agent lo --collector 127.0.0.1", 0, "lo", ""),
        ("--agent 192.0.2.7 --collector 127.0.0.1", 0, "192.0.2.7", NOBODYS.format("192.0.2.7")),
        ("--collector 127.0.0.1", 0, "lo", ""),
        ("--collector 127.0.0.1 --collector 127.0.0.2", 0, "lo", ""),
        ("--collector [fe80::1%lo]", 6, None, f"collector fe80::1%lo: {NO_ROUTE}{FORCE}"),
        ("--collector [fe80::1%lo] --force", 0, "lo", f"note: collector fe80::1%lo: {NO_ROUTE}"),
        ("--collector [::1]", 0, "lo", ""),
        ("--collector [::ffff:127.0.0.1]:7", 0, "lo", ""),
        ("--collector 127.255.255.255", 6, None, f"collector 127.255.255.255: {BROADCAST}"),
        ("--collector 127.255.255.255 --force", 0, "lo", f"note: collector 127.255.255.255: {BROADCAST}"),
        ("--collector 127.0.0.1 --collector 127.255.255.255 --agent lo", 6, None, f"collector 127.255.255.255: {BROADCAST}"),
        ("--agent nosuch0 --collector 127.0.0.1", 6, None, f"agent nosuch0: there is no such interface, {TAKES}{HINT}"),
        ("--agent nosuch0 --collector 127.0.0.1 --force", 0, "nosuch0", f"note: agent nosuch0: there is no such interface, {TAKES}"),
        ("--collector [fe80::1%nosuch0]", 6, None, f"agent nosuch0: there is no such interface, {TAKES}{HINT}"),
        ("--agent lo --collector 127.0.0.1 --header 472", 0, "lo", ""),
        ("--agent lo --collector 127.0.0.1 --header 473", 0, "lo",
         "note: --header 473: with tunnels or MPLS a sample is up to 140 bytes longer, and may be too long to be sent; 472 is safe for all"),
        ("--agent lo --collector nosuch..invalid", 3, None, "collector nosuch..invalid: the switch's host cannot resolve it; try: an IP address"),
    ],
)  # fmt: skip
def test_the_agent(database, words, code, agent, said):
    database.put({"br0": {}})
    assert database.run(f"sflow enable br0 {words}") == (code, "" if code else "br0: created\n", f"ovstool: {said}\n" if said else "")
    assert database.tree()["br0"].get("sflow", {}).get("agent") == agent


@pytest.fixture
def elsewhere(database, tmp_path):
    """``elsewhere(command)``, with ovs-vswitchd in its own network: two devices with link-local addresses only, and two routes."""
    if os.geteuid():
        pytest.skip("needs a network namespace")
    devices = "ip link add d0 type veth peer name d1 && ip link set d0 up && ip link set d1 up"
    addresses = "ip address add fe80::7/64 dev d0 nodad && ip address add 169.254.7.7/16 scope link dev d1"
    # The second route leads over an interface without its own address, as on routers.
    routes = "ip route add 198.51.100.0/24 dev d1 && ip route add 203.0.113.0/24 dev d0 src 169.254.7.7"
    script = f"{devices} && {addresses} && {routes} && exec sleep 60"
    daemon = subprocess.Popen(["unshare", "--net", "sh", "-c", script])
    try:
        there = ["nsenter", f"--net=/proc/{daemon.pid}/ns/net"]
        while "203.0.113.0" not in subprocess.run([*there, "ip", "route"], capture_output=True, text=True).stdout:
            assert daemon.poll() is None
            time.sleep(0.01)
        (tmp_path / "ovs-vswitchd.pid").write_text(str(daemon.pid))
        (tmp_path / "db.sock").symlink_to(f"{database.switch.box.directory}/db.sock")
        database.put({"br0": {}})
        yield lambda command: database.run(command, f"{tmp_path}/db.sock")
    finally:
        daemon.kill()
        daemon.wait()


@pytest.mark.parametrize(
    ("words", "code", "agent", "said"),
    [
        ("--collector 192.0.2.1", 6, None, f"collector 192.0.2.1: {NO_ROUTE}{FORCE}"),
        ("--collector 192.0.2.1 --force", 0, None, f"note: collector 192.0.2.1: {NO_ROUTE}"),
        ("--collector 192.0.2.1 --agent d0", 6, None, f"agent d0: has no IP address, {TAKES}{HINT}"),
        ("--collector 192.0.2.1 --agent lo --force", 0, "lo",
         f"note: agent lo: has no IP address, {TAKES}\novstool: note: collector 192.0.2.1: {NO_ROUTE}"),
        ("--collector 192.0.2.1 --agent d1", 6, None, f"collector 192.0.2.1: {NO_ROUTE}{FORCE}"),
        ("--collector 192.0.2.1 --agent 192.0.2.2", 6, None, f"collector 192.0.2.1: {NO_ROUTE}{FORCE}"),
        ("--collector 198.51.100.1 --collector 192.0.2.1", 6, None, f"collector 192.0.2.1: {NO_ROUTE}{FORCE}"),
        ("--collector 198.51.100.1 --collector 192.0.2.1 --force", 0, "d1", f"note: collector 192.0.2.1: {NO_ROUTE}"),
        ("--collector 198.51.100.1", 0, "d1", ""),
        ("--collector 198.51.100.1 --agent d1", 0, "d1", ""),  # ovs-vswitchd skips link-local addresses of IPv6 only
        ("--collector 198.51.100.1 --agent 192.0.2.2", 0, "192.0.2.2", NOBODYS.format("192.0.2.2")),
        ("--collector 198.51.100.1 --agent 169.254.7.7", 0, "169.254.7.7", ""),
        ("--collector 203.0.113.1", 0, "169.254.7.7", ""),
        ("--collector 203.0.113.1 --agent d0", 6, None, f"agent d0: has no IP address, {TAKES}{HINT}"),
        ("--collector [fe80::9%d1]", 0, "d1", ""),
        ("--collector [fe80::9%d0] --agent d1", 0, "d1", ""),
        ("--collector [fe80::9%lo] --agent d1", 6, None, f"collector fe80::9%lo: {NO_ROUTE}{FORCE}"),
        ("--collector [ff02::9%d1]", 0, "d1", ""),
        ("--collector 169.254.255.255", 6, None, f"collector 169.254.255.255: {BROADCAST}"),
    ],
)  # fmt: skip
def test_the_agent_is_sought_where_ovs_vswitchd_is(database, elsewhere, words, code, agent, said):
    assert elsewhere(f"sflow enable br0 {words}") == (code, "" if code else "br0: created\n", f"ovstool: {said}\n" if said else "")
    assert database.tree()["br0"].get("sflow", {}).get("agent") == agent


def test_a_name_is_resolved_where_ovs_vswitchd_is(database):
    database.put({"br0": {}})
    code, printed, said = database.run("sflow enable --agent lo --collector localhost:7")
    target = database.tree()["br0"]["sflow"]["targets"]
    address = {"127.0.0.1:7": "127.0.0.1", "[::1]:7": "::1"}[target]
    noted = (
        f"ovstool: note: collector localhost is {address}, which is what is stored: ovs-vswitchd resolves names too late or not at all\n"
    )
    assert (code, printed, said) == (0, "br0: created\n", noted)


@pytest.mark.parametrize(
    ("words", "is_refused"),
    [
        ("--collector 10.0.0.5", True),
        ("--collector 10.0.0.5 --force", True),
        ("--agent eth0 --collector 10.0.0.5 --collector localhost", True),
        ("--agent eth0 --collector 10.0.0.5 --collector [2001:db8::1]", False),
    ],
)
def test_what_the_database_alone_does_not_show(database, words, is_refused):
    said = "routes, addresses and names of the switch cannot be looked up through its database alone; try: --agent IFACE and the IP addresses of collectors"
    code, _, errors = database.run(f"--db tcp:127.0.0.1:1 sflow enable {words}")
    assert (code, errors == f"ovstool: tcp:127.0.0.1:1: {said}\n") == ((2, True) if is_refused else (5, False))


@pytest.mark.parametrize(
    "printed",
    [
        "", "no JSON", "{}", "[", "[" * 10_000, '["a", 1, null]', '[{"dst": 1, "dev": "eth0"}, {"dst": "x", "dev": "eth0"}, {"dst": "192.0.2.1"}]',
        '[{"dst": "192.0.2.1", "dev": 7}, {"ifname": 7}, {"ifname": "lo", "addr_info": 7}, {"ifname": "lo", "addr_info": [7, {"local": 7}]}]',
        "name 192.0.2.1", "hsflowd\nhsflowd", "iface br0\novs_type OVSBridge\n" * 1000, "\x1b[2J" * 1000,
    ],
)  # fmt: skip
def test_unexpected_output_of_the_host(database, tmp_path, monkeypatch, printed):
    (tmp_path / "printed").write_text(printed)
    (tmp_path / "ip").write_text(f"#!/bin/sh\ncat >/dev/null; exec cat {tmp_path}/printed\n")
    (tmp_path / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    database.put({"br0": {}})
    refused = f"ovstool: collector 192.0.2.1: {NO_ROUTE}{FORCE}\n"
    assert database.run("sflow enable br0 --collector 192.0.2.1") == (6, "", refused)
    assert database.run("sflow enable br0 --collector 192.0.2.1 --agent eth0 --force")[:2] == (0, "br0: created\n")


@pytest.mark.parametrize("missing", ["ip", "getent"])
def test_without_a_required_program(database, missing):
    if os.geteuid():
        pytest.skip("needs a mount namespace")
    hide = f'for path in $(which -a {missing}); do mount --bind /dev/null "$path"; done; exec "$@"'
    command = [sys.executable, "-m", "ovstool", "--no-wait", "--db", database.switch.box.db, "sflow", "enable", "--collector", "localhost"]
    done = subprocess.run(["unshare", "--mount", "sh", "-c", hide, "sh", *command], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", f"ovstool: {missing}: not installed\n")
