"""``ovstool -H`` on the command line: many hosts at once, each with its own sshd and Open vSwitch, checked with ovs-vsctl there."""

import csv
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

NO, USAGE, NOT_FOUND, CONFLICT, UNREACHABLE, REFUSED, TIMEOUT, SOME_FAILED, INTERRUPTED = 1, 2, 3, 4, 5, 6, 7, 8, 130
LEAFS = [f"leaf{number:02}" for number in range(1, 17)]
SPECIAL = {
    "slow": {"answers_after_s": 600},
    "drops": {"drops_after": 9_000},
    "works": {"user": "op"},
    "password": {"user": "op", "sudo": "password"},
    "absent": {"user": "op", "sudo": "absent"},
    "norelay": {"user": "op", "without": ("socat", "nc", "python3")},
    "nosocat": {"user": "op", "without": ("socat", "nc")},
    "full": {"full_disk": True},
    "noforward": {"forwarding": False},
    "banner": {"banner": "Authorised users only!\n\033[31mred\033[0m\n"},
    "unknown": {"known": "no"},
    "changed": {"known": "changed"},
    "noovs": {"no_ovs": True},
    "noovs2": {"no_ovs": True},
    "nokey": {"authorised": False},
    "asks": {"authorised": False, "sshd": ("PasswordAuthentication yes",)},
}
WAIT_S = 40


@pytest.fixture(scope="module")
def fleet(lab):
    """The lab with all hosts of these tests; tests that change something have leaf hosts of their own."""
    lab.start(LEAFS)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda special: lab.host(special[0], **special[1]), SPECIAL.items()))
    lab.host("inner", behind="leaf01")
    return lab


def lines(text: str) -> list[str]:
    return text.splitlines()


def hosts_of(done) -> list[str]:
    """The hosts of the rows of a JSON answer, each once, in order."""
    return list(dict.fromkeys(row["host"] for row in done.json))


def wait_for(condition, what: str):
    deadline = time.monotonic() + 3 * WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {3 * WAIT_S} s: {what}"
        time.sleep(0.05)


@contextmanager
def on_terminal(lab, command: str | list[str]):
    """ovstool with a terminal for stdout and stderr; ``shown`` is a function that returns its output so far."""
    master, slave = pty.openpty()
    argv = lab.command([sys.executable, "-m", "ovstool", *(command.split() if isinstance(command, str) else command)])
    environ = {**lab.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    process = subprocess.Popen(argv, env=environ, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    shown = bytearray()

    def look() -> str:
        with suppress(OSError):  # its other end is closed
            while select.select([master], [], [], 0)[0] and (data := os.read(master, 65536)):
                shown.extend(data)
        return shown.decode(errors="replace")

    try:
        yield process, look, lambda keys: os.write(master, keys)
    finally:
        process.kill()
        process.wait(WAIT_S)
        os.close(master)


def finish(process, look) -> int:
    """Wait for its end while reading its output, which would block it otherwise."""
    wait_for(lambda: look() is not None and process.poll() is not None, "its end")
    return process.returncode


# --- which hosts


def test_sixteen_hosts_in_the_order_named(fleet):
    done = fleet.ovstool("-H leaf[09-16] -H leaf01,leaf[08-02] bridge list -f json")
    assert done.code == 2 and "leaf[08-02]" in done.stderr  # a range counts upwards
    done = fleet.ovstool("-H leaf[09-16] -H leaf01,leaf[02-08] bridge list -f json")
    assert (done.code, done.stderr) == (0, "")
    assert [row["host"] for row in done.json] == [*LEAFS[8:], *LEAFS[:8]]
    assert all(next(iter(row)) == "host" and (row["bridge"], row["ports"]) == ("br0", 3) for row in done.json)
    assert [line.split()[:2] for line in lines(fleet.ovstool("-H leaf[01-16] --parallel 3 bridge list -f value").stdout)] == [
        [leaf, "br0"] for leaf in LEAFS
    ]


def test_write_to_sixteen_hosts(fleet):
    fleet.vsctl("leaf03", "set port eth2 tag=9")
    command = "port set eth2 --tag 9 -H leaf[01-16]"
    done = fleet.ovstool(command)
    assert (done.code, done.stderr) == (0, "")
    assert lines(done.stdout) == [f"{leaf} eth2: {'unchanged' if leaf == 'leaf03' else 'updated'}" for leaf in LEAFS]
    assert {fleet.vsctl(leaf, "get port eth2 tag") for leaf in LEAFS} == {"9"}
    assert fleet.ovstool(f"{command} -f json").json == [{"host": leaf, "object": "eth2", "change": "unchanged"} for leaf in LEAFS]


def test_a_command_is_undone_by_one_id_on_all_hosts(fleet):
    hosts = "-H leaf07,leaf08"
    fleet.vsctl("leaf08", "set port eth1 tag=5")
    fleet.ovstool(f"{hosts} port set eth1 --tag 6")
    newest = fleet.ovstool(f"{hosts} history --count 1 -f json").json
    assert [row["host"] for row in newest] == ["leaf07", "leaf08"] and newest[0]["id"] == newest[1]["id"]
    assert {row["command"] for row in newest} == {"ovstool port set eth1 --tag 6"}
    done = fleet.ovstool(f"{hosts} undo {newest[0]['id']}")
    assert (done.code, lines(done.stdout)) == (0, [f"{leaf} {newest[0]['id']}: updated" for leaf in ("leaf07", "leaf08")])
    assert [fleet.vsctl(leaf, "get port eth1 tag") for leaf in ("leaf07", "leaf08")] == ["[]", "5"]
    assert "leaf07: nothing left to undo" not in done.stderr


def test_a_document_is_applied_in_batches(fleet, tmp_path):
    """The third host is refused: with a batch of two hosts, the fifth and the sixth are not begun."""
    page = tmp_path / "page.yaml"
    page.write_text("bridges: {br0: {ports: {eth1: {external_ids: {batch: one}}}}}\n")
    leafs = [f"leaf{number:02}" for number in range(11, 17)]
    fleet.vsctl("leaf13", "add-br other -- del-port eth1 -- add-port other eth1")
    try:
        done = fleet.ovstool(f"-H leaf[11-16] apply {page} --batch 2")
        assert (done.code, lines(done.stdout)) == (
            SOME_FAILED,
            [f"{leaf} {what}" for leaf in ("leaf11", "leaf12", "leaf14") for what in ("br0: unchanged", "eth1: updated")],
        )
        assert "leaf13" in done.stderr and "not started because a host failed: leaf15, leaf16" in done.stderr
        assert [fleet.vsctl(leaf, "get port eth1 external_ids") for leaf in leafs[4:]] == ["{}", "{}"]
    finally:
        fleet.vsctl("leaf13", "del-br other -- add-port br0 eth1")
    done = fleet.ovstool(f"-H leaf[11-16] apply {page} --batch 34%")
    assert done.code == 0 and len(lines(done.stdout)) == 12
    refused = fleet.ovstool(f"-H leaf11 apply {page} --batch 0%")
    assert (refused.code, refused.stderr) == (
        2,
        "ovstool: apply: --batch: 0%: neither a percentage nor a number of hosts; try: --batch 10%\n",
    )


def test_a_log_that_only_root_may_read(fleet):
    done = fleet.ovstool("-H works history")
    assert (done.code, done.stdout) == (UNREACHABLE, "")
    assert done.stderr == "ovstool: the database's log: may not be read by user op; try: --sudo\n"
    assert fleet.ovstool("-H works --sudo history --count 1 -f json").code == 0


def test_one_host_has_no_host_column(fleet):
    assert fleet.ovstool("-H leaf01 bridge list -f json").json == [
        {"bridge": "br0", "datapath_type": "dummy", "fail_mode": None, "ports": 3, "controllers": [], "sflow": []}
    ]
    assert "host" not in fleet.ovstool("-H leaf01,leaf01 -H leaf01 port show eth1 -f json").json
    shown = fleet.ovstool("show", OVSTOOL_HOST="leaf01").stdout
    assert shown.startswith("Open vSwitch, datapath dummy (built-in)\n") and "leaf01" not in shown


def test_the_line_of_as_ovs_is_for_its_host(fleet):
    planned = fleet.ovstool("-H leaf01,leaf02 --as-ovs -n port set eth2 --tag 77")
    assert planned.stdout.splitlines() == [f"ssh {leaf} 'ovs-vsctl set Port eth2 tag=77'" for leaf in ("leaf01", "leaf02")]
    planned = fleet.ovstool(["-H", "leaf01", "--as-ovs", "-n", "flow", "add", "br0", "priority=9,arp actions=drop"])
    assert planned.stdout == """ssh leaf01 'ovs-ofctl -O OpenFlow14 add-flow br0 '"'"'priority=9,arp actions=drop'"'"''\n"""


def test_a_remedy_names_its_host(fleet):
    hosts = ("leaf01", "leaf02")
    fleet.ovstool(f"-H {','.join(hosts)} qos set eth1 --max-rate 10mbit --queue 0:min=7mbit")
    for host in hosts:
        fleet.vsctl(host, "set open_vswitch . other_config:stats-update-interval=60000")
        queue = fleet.vsctl(host, "--bare --columns=_uuid list queue")
        fleet.vsctl(host, f"set queue {queue} other_config:min-rate=11000000")
    far = "ssh {0} 'ovs-vsctl remove Open_vSwitch . other_config stats-update-interval'"
    near = "ovstool -H {0} qos set eth1 --merge --queue 0:min=10mbit"
    try:
        rows = fleet.ovstool(f"-H {','.join(hosts)} qos check -f json").json
        assert [row["remedy"] for row in rows] == [remedy.format(host) for host in hosts for remedy in (near, far)]
        rows = fleet.ovstool("qos check -f json", OVSTOOL_HOST="leaf01").json
        assert [row["remedy"] for row in rows] == [near.format("leaf01"), far.format("leaf01")]
        shown = fleet.ovstool(f"-H {','.join(hosts)} qos explain eth1 -f json").json
        assert [problem["remedy"] for one in shown for problem in one["problems"]] == [near.format(host) for host in hosts]
        page = fleet.ovstool(f"-H {','.join(hosts)} qos explain eth1").stdout
        assert all(f"try: {near.format(host)}\n" in page for host in hosts)
    finally:
        fleet.ovstool(f"-H {','.join(hosts)} qos clear eth1")
        for host in hosts:
            fleet.vsctl(host, "clear open_vswitch . other_config")


def test_the_metrics_of_a_fleet_are_one_text(fleet, tmp_path):
    """What a switch says over SSH is what it says there; a host that fails has the metric of one that is down."""
    file = tmp_path / "fleet.prom"
    done = fleet.ovstool(f"-H leaf03,noovs,leaf04 metrics --textfile {file}")
    assert (done.code, done.stdout, len(lines(done.stderr))) == (SOME_FAILED, "", 1)
    found = {}
    for family in text_string_to_metric_families(file.read_text()):
        for name, labels, value, *_ in family.samples:
            found.setdefault(labels.pop("host"), {})[(name, *labels.items())] = value
    assert found.pop("noovs") == {("ovstool_up",): 0}
    assert list(found) == ["leaf03", "leaf04"] and set(found["leaf03"].values()) > {1}
    for host in found:
        alone = {(row["metric"], *row["labels"].items()) for row in fleet.ovstool(f"-H {host} metrics -f json").json}
        assert found[host].keys() == alone
        assert {value for (name, *_), value in found[host].items() if name == "ovstool_collector_success"} == {1}
    all_failed = fleet.ovstool("-H noovs,noovs2 metrics")
    assert all_failed.code == UNREACHABLE
    assert lines(all_failed.stdout)[2:] == ['ovstool_up{host="noovs"} 0', 'ovstool_up{host="noovs2"} 0', "# EOF"]


def test_where_hosts_are_named(fleet):
    def hosts(command, **environ):
        return hosts_of(fleet.ovstool(f"{command} -f json", **environ))

    assert hosts("-H leaf02 bridge list -H leaf01") == ["leaf02", "leaf01"]
    assert hosts("bridge list --host=leaf02,root@leaf01:22") == ["leaf02", "root@leaf01:22"]
    assert hosts("bridge list", OVSTOOL_HOST="leaf02,leaf01") == ["leaf02", "leaf01"]
    assert hosts("-H leaf[03,01] bridge list", OVSTOOL_HOST="nosuch") == ["leaf03", "leaf01"]


def test_inventories(fleet, tmp_path):
    own = fleet.home / ".config/ovstool/inventory.yaml"
    own.parent.mkdir(parents=True)
    own.write_text('groups: {rack1: ["leaf[01-02]"], rack2: [leaf03, leaf01], all: ["@rack2", "@rack1"], loop: ["@loop"], none: []}\n')
    try:
        assert hosts_of(fleet.ovstool("-H @all,leaf04 bridge list -f json")) == ["leaf03", "leaf01", "leaf02", "leaf04"]
        assert hosts_of(fleet.ovstool("bridge list -f json", OVSTOOL_HOST="leaf05,@rack1")) == ["leaf05", "leaf01", "leaf02"]
        done = fleet.ovstool("-H leaf01,@rack3 bridge list")
        assert done.code == NOT_FOUND and done.stdout == "" and "@rack" in done.stderr.partition("try:")[2]
        for word, hint in (("rack1", "; try: -H @rack1\n"), ("root@rack2", "; try: -H @rack2\n"), ("rack9", "\n")):
            done = fleet.ovstool(f"-H {word} bridge list")
            assert (done.code, len(lines(done.stderr))) == (UNREACHABLE, 1) and done.stderr.endswith(hint), done
            assert ("try:" in done.stderr) == ("try:" in hint)
        for group, code in (("loop", USAGE), ("none", NOT_FOUND)):
            done = fleet.ovstool(f"-H @{group} bridge list")
            assert (done.code, done.stdout, len(lines(done.stderr))) == (code, "", 1)
    finally:
        own.unlink()
    assert fleet.ovstool("-H @all bridge list").code == NOT_FOUND

    ini = tmp_path / "hosts.ini"
    address = fleet["leaf02"].address
    ini.write_text(f"lonely ansible_host=leaf04\n[edge]\nleaf[01:03:2]\nsecond ansible_host={address} ansible_user=root ansible_port=22\n")
    fleet_by_address = fleet.ovstool(f"--inventory {ini} -H @edge,@ungrouped port list br0 -f json")
    assert fleet_by_address.code == 0 and hosts_of(fleet_by_address) == ["leaf01", "leaf03", "second", "lonely"]
    assert fleet.ovstool(f"--inventory {tmp_path}/nosuch -H @edge bridge list").code == USAGE

    key = fleet.directory / "moved_key"
    (fleet.home / ".ssh/id_ed25519").rename(key)
    try:
        assert fleet.ovstool("-H leaf02 bridge list").code == UNREACHABLE
        ini.write_text(
            f"second ansible_host={address} ansible_user=root ansible_ssh_private_key_file={key}\nhere ansible_connection=local\n"
        )
        done = fleet.ovstool(f"--inventory {ini} -H @all bridge list -f json")
        assert hosts_of(done) == ["second"] and lines(done.stderr)[0].startswith("ovstool: here: "), done
        assert done.stderr.count(".sock") and "ssh" not in done.stderr  # which this machine does not have
    finally:
        key.rename(fleet.home / ".ssh/id_ed25519")


@pytest.mark.parametrize(
    "host", ["", "leaf01,", "leaf[", "leaf[1-]", "-oProxyCommand=id", "a b", "$(touch canary)", "leaf01;id", "leaf01:0"]
)
def test_invalid_hosts(fleet, host):
    done = fleet.ovstool(["bridge", "list", f"--host={host}"])
    assert (done.code, done.stdout, len(lines(done.stderr))) == (USAGE, "", 1), done


# --- formats and commands


def test_formats_of_a_list(fleet):
    def run(style):
        done = fleet.ovstool(f"-H leaf02,leaf01 port list br0 -c port -c type -f {style}")
        assert (done.code, done.stderr) == (0, "")
        return done.stdout

    rows = [
        (host, port, kind) for host in ("leaf02", "leaf01") for port, kind in (("br0", "internal"), ("eth1", "system"), ("eth2", "system"))
    ]
    objects = [dict(zip(("host", "port", "type"), row, strict=True)) for row in rows]
    assert json.loads(run("json")) == yaml.safe_load(run("yaml")) == list(csv.DictReader(io.StringIO(run("csv")))) == objects
    assert [tuple(line.split()) for line in lines(run("value"))] == rows
    assert [tuple(line.split()) for line in lines(run("table"))] == [("host", "port", "type"), ("------", "----", "--------"), *rows]
    assert lines(run("lines")) == [f"{host} {port}: type={kind}" for host, port, kind in rows]
    assert lines(run("shell")) == [f"host={host} port={port} type={kind}" for host, port, kind in rows]
    assert fleet.ovstool("-H leaf02,leaf01 bridge list -c host -f value").stdout == "leaf02\nleaf01\n"
    done = fleet.ovstool("-H leaf02,leaf01 port list br0 -c type -f csv --sort-column host")
    assert [row["host"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["leaf01"] * 3 + ["leaf02"] * 3


def test_formats_of_a_show(fleet):
    def run(style):
        done = fleet.ovstool(f"-H leaf02,leaf01 port show eth1 -c port -c type -f {style}")
        assert (done.code, done.stderr) == (0, "")
        return done.stdout

    objects = [{"host": host, "port": "eth1", "type": "system"} for host in ("leaf02", "leaf01")]
    assert json.loads(run("json")) == yaml.safe_load(run("yaml")) == list(csv.DictReader(io.StringIO(run("csv")))) == objects
    assert lines(run("value")) == ["leaf02 eth1 system", "leaf01 eth1 system"]
    assert [line for line in lines(run("table")) if line.startswith("host ")] == ["host leaf02", "host leaf01"]
    tree = lines(fleet.ovstool("-H leaf02,leaf01 show").stdout)
    assert [line for line in tree if line.startswith(("host", "bridge"))] == [
        "host leaf02",
        "bridge br0  dummy",
        "host leaf01",
        "bridge br0  dummy",
    ]


def test_writers_and_lists_of_each_noun(fleet):
    pair, host = "-H leaf03,leaf04", ("leaf03", "leaf04")

    def twice(command, *objects, first="created"):
        assert lines(fleet.ovstool(f"{pair} {command}").stdout) == [f"{h} {o}: {first}" for h in host for o in objects]
        assert lines(fleet.ovstool(f"{pair} {command}").stdout) == [f"{h} {o}: unchanged" for h in host for o in objects]

    twice("bridge add br1 --datapath-type dummy --fail-mode secure", "br1")
    assert [fleet.vsctl(h, "get bridge br1 fail_mode") for h in host] == ["secure"] * 2
    twice("qos set eth1 --max-rate 10mbit --queue 0:min=1mbit --queue 1", "eth1")
    assert [fleet.vsctl(h, "--bare --columns=type list qos") for h in host] == ["linux-htb"] * 2
    assert [(row["host"], row["port"], row["max_rate"], row["queues"]) for row in fleet.ovstool(f"{pair} qos list -f json").json] == [
        (h, "eth1", 10_000_000, 2) for h in host
    ]
    assert [len(row["queues"]) for row in fleet.ovstool(f"{pair} qos show eth1 -f json").json] == [2, 2]
    twice("police set eth1 --rate 10mbit", "eth1")
    assert [fleet.vsctl(h, "get interface eth1 ingress_policing_rate") for h in host] == ["10000"] * 2
    assert [row["rate"] for row in fleet.ovstool(f"{pair} police list -f json").json] == [10_000_000] * 2
    twice("sflow enable br0 --collector 127.0.0.1 --agent lo --force", "br0")
    assert [fleet.vsctl(h, "--bare --columns=targets list sflow") for h in host] == ["127.0.0.1:6343"] * 2
    assert [row["targets"] for row in fleet.ovstool(f"{pair} sflow list -f json").json] == [["127.0.0.1:6343"]] * 2
    refused = fleet.ovstool(f"{pair} sflow enable br0 --collector localhost:7 --collector 127.255.255.255")
    assert refused.code == REFUSED and all(
        any(line.startswith(f"ovstool: {h}: collector 127.255.255.255: a broadcast address") for line in lines(refused.stderr))
        for h in host
    )
    assert fleet.ovstool(f"{pair} sflow enable br0 --collector localhost:7 --collector 127.0.0.2 --sampling auto").code == 0
    rows = fleet.ovstool(f"{pair} sflow list -f json").json
    assert [(row["agent"], row["sampling"], "127.0.0.2:6343" in row["targets"], len(row["targets"])) for row in rows] == [
        ("lo", 400, True, 2)
    ] * 2
    planned = fleet.ovstool("-H works --sudo --dry-run sflow enable br0 --collector 127.0.0.1 --sampling 9")
    assert planned.code == 0 and '"agent": "lo"' in planned.stdout and "no route" not in planned.stderr
    queues = fleet.ovstool(f"{pair} stats eth1 --queues -f json").json
    assert {row["host"] for row in queues} == set(host) and {row["port"] for row in queues} == {"eth1"}
    twice("sflow disable br0", "br0", first="deleted")
    twice("qos steer eth1 --queue 1 --match ip,nw_dst=10.0.0.2", "eth1")
    assert ["set_queue:1,NORMAL" in fleet[h].run("ovs-ofctl dump-flows br0").stdout for h in host] == [True] * 2
    done = fleet.ovstool(f"{pair} qos set eth1 --max-rate 20mbit --queue 0:max=20mbit")
    assert lines(done.stdout) == [f"{h} eth1: updated" for h in host]
    noted = [line.partition("; try: ") for line in lines(done.stderr)]
    assert [what.partition(" eth1: a flow leads to a queue that")[0] for what, _, _ in noted] == [f"ovstool: note: {h}:" for h in host]
    assert [remedy for _, _, remedy in noted] == [f"ovstool -H {h} qos unsteer eth1 --queue 1" for h in host]
    twice("qos unsteer eth1", "eth1", first="deleted")
    twice("qos steer eth1 --queue 0 --match arp,in_port=eth2", "eth1")
    twice("qos clear eth1", "eth1", first="deleted")
    twice("bridge del br1 --if-exists", "br1", first="deleted")
    assert [fleet.vsctl(h, "list-br") for h in host] == ["br0"] * 2
    assert [fleet.vsctl(h, "--bare --columns=_uuid list queue") for h in host] == ["", ""]
    assert ["set_queue" in fleet[h].run("ovs-ofctl dump-flows br0").stdout for h in host] == [False] * 2


def test_dry_run_on_two_hosts(fleet):
    done = fleet.ovstool("-H leaf05,leaf06 port set eth1 --tag 77 --dry-run")
    plans = [json.loads(line) for line in lines(done.stdout)]
    assert done.code == 0 and [plan["host"] for plan in plans] == ["leaf05", "leaf06"]
    assert lines(done.stderr) == [f"ovstool: note: {host} eth1: would be updated" for host in ("leaf05", "leaf06")]
    assert fleet.vsctl("leaf05", "get port eth1 tag") == "[]"
    # The printed transaction is input for ovsdb-client.
    sent = fleet["leaf05"].run(["ovsdb-client", "--timeout=20", "transact", json.dumps(plans[0]["transact"])])
    assert "error" not in sent.stdout and fleet.vsctl("leaf05", "get port eth1 tag") == "77"
    assert fleet.vsctl("leaf06", "get port eth1 tag") == "[]"


def test_flows(fleet, tmp_path):
    pair, host = "-H leaf07,leaf08", ("leaf07", "leaf08")
    flow = "priority=10,ip,actions=drop"
    assert fleet.ovstool(f"{pair} flow add br0 {flow} --dry-run").stdout == "".join(f"{h}: +priority=10,ip actions=drop\n" for h in host)
    assert lines(fleet.ovstool(f"{pair} flow add br0 {flow}").stdout) == [f"{h} {flow}: created" for h in host]
    assert lines(fleet.ovstool(f"{pair} flow add br0 {flow}").stdout) == [f"{h} {flow}: unchanged" for h in host]
    assert all("priority=10,ip actions=drop" in fleet[h].run("ovs-ofctl dump-flows br0").stdout for h in host)
    rows = fleet.ovstool(f"{pair} flow list br0 ip -f json").json
    assert [(row["host"], row["priority"], row["actions"]) for row in rows] == [(h, 10, "drop") for h in host]

    file = tmp_path / "flows"
    file.write_text(f"priority=0,actions=NORMAL\n{flow}\n")
    same = fleet.ovstool(f"{pair} flow diff br0 --file {file}")
    assert (same.stdout.strip(), same.stderr, same.code) == ("", "", 0)
    fleet["leaf08"].run(["ovs-ofctl", "add-flow", "br0", "priority=11,arp,actions=drop"])
    other = fleet.ovstool(f"{pair} flow diff br0 --file {file}")
    assert (lines(other.stdout), other.code) == (["leaf08 - priority=11,arp actions=drop"], NO)
    failed = fleet.ovstool(f"-H leaf08,noovs,leaf07 flow diff br0 --file {file}")
    assert (failed.stdout, failed.code, len(lines(failed.stderr))) == (other.stdout, SOME_FAILED, 1)

    # leaf07 has no ARP flow left to match; the packet is dropped by the flow of leaf08.
    traces = fleet.ovstool(f"{pair} flow trace br0 in_port=eth1,arp -f json").json
    assert [trace["host"] for trace in traces] == list(host)
    assert "flooded" in traces[0]["verdict"] and traces[1]["outputs"] == []
    assert lines(fleet.ovstool(f"{pair} flow trace br0 in_port=eth1,arp").stdout)[0] == "host leaf07"
    assert [line.split()[0] for line in lines(fleet.ovstool(f"{pair} flow del br0 ip").stdout)] == list(host)
    assert not any("ip actions" in fleet[h].run("ovs-ofctl dump-flows br0").stdout for h in host)


def test_each_host_has_a_snapshot_of_its_own(fleet, tmp_path):
    hosts, files = ("leaf09", "works"), tmp_path / "{host}.json"
    reach = f"-H {','.join(hosts)} --sudo"

    def dumps(host: str) -> list[str]:
        dump = fleet[host].run("ovsdb-client dump unix:/var/run/openvswitch/db.sock Port _uuid name tag interfaces external_ids").stdout
        return [dump, fleet[host].run("ovs-ofctl --no-stats dump-flows br0").stdout]

    before = [dumps(host) for host in hosts]
    done = fleet.ovstool([*reach.split(), "snapshot", "save", str(files)])
    assert sorted(done.stdout.split()) == sorted(word for host in hosts for word in (host, f"{tmp_path}/{host}.json:", "created")), done
    for host in hosts:
        fleet.vsctl(host, f"add-port br0 {host} -- del-port eth1 -- set port eth2 tag=7")
        assert fleet[host].run("ovs-ofctl add-flow br0 priority=9,arp,actions=drop").code == 0
        assert json.loads((tmp_path / f"{host}.json").read_text())["host"] == host
    done = fleet.ovstool([*reach.split(), "snapshot", "restore", str(files), "-f", "json"])
    assert done.json == [
        {"host": host, "object": name, "change": change}
        for host in hosts
        for name, change in (("br0", "updated"), ("Open_vSwitch", "unchanged"))
    ]
    assert [dumps(host) for host in hosts] == before
    cut = tmp_path / "works.json"
    cut.write_bytes(cut.read_bytes()[:-20])
    done = fleet.ovstool([*reach.split(), "snapshot", "restore", str(files)])
    assert (done.code, done.stdout) == (USAGE, "") and "works.json: incomplete" in done.stderr and len(lines(done.stderr)) == 1


def test_flows_from_standard_input_go_to_every_host(fleet):
    done = fleet.ovstool("-H leaf09,leaf10 flow add br0 --file -", stdin="priority=20,ip,actions=drop\npriority=21,ip,actions=drop\n")
    assert done.code == 0, done
    for host in ("leaf09", "leaf10"):
        dump = fleet[host].run("ovs-ofctl dump-flows br0").stdout
        assert "priority=20,ip actions=drop" in dump and "priority=21,ip actions=drop" in dump


def test_commands_that_need_a_host(fleet):
    for command in ("flow list br0", "stats --source openflow", "stats eth1 --queues"):
        done = fleet.ovstool(f"--db tcp:127.0.0.1:1 {command}")
        assert done.code == UNREACHABLE and done.stdout == "" and len(lines(done.stderr)) == 1
        assert "try: --host HOST" in done.stderr or "127.0.0.1:1" in done.stderr
    assert "--host" in fleet.ovstool("--db tcp:127.0.0.1:1 flow list br0").stderr
    assert fleet.ovstool("-H leaf01,leaf02 sandbox start").code == USAGE


def test_database_of_a_remote_host_over_tcp(fleet):
    for host in ("leaf01", "leaf02"):
        fleet[host].run("ovs-appctl -t ovsdb-server ovsdb-server/add-remote ptcp:16640:127.0.0.1")
    done = fleet.ovstool("-H leaf01,leaf02 --db tcp:127.0.0.1:16640 port list -f json")
    assert done.code == 0 and [row["host"] for row in done.json] == ["leaf01"] * 3 + ["leaf02"] * 3


# --- counters


def test_counters_are_live(fleet):
    """Counters in the database are up to 5 seconds old, so those that appear at once were read over OpenFlow."""
    for host, packets in (("leaf11", 3), ("leaf12", 5)):
        for _ in range(packets):
            fleet[host].run(
                "ovs-appctl netdev-dummy/receive eth1 in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x1234)"
            )
    done = fleet.ovstool("-H leaf11,leaf12 stats eth1 --source openflow -f json")
    assert (done.code, done.stderr) == (0, "")
    assert [(row["host"], row["port"], row["rx_packets"]) for row in done.json] == [("leaf11", "eth1", 3), ("leaf12", "eth1", 5)]
    assert fleet.ovstool("-H leaf12 stats eth1 --long -f json").json[0]["rx_packets"] == 5


def test_rates_of_two_hosts(fleet):
    done = fleet.ovstool("-H leaf11,leaf12 stats eth1 eth2 --rate --interval 0.1 --count 3 -f json")
    rows = [json.loads(line) for line in lines(done.stdout)]
    assert (done.code, done.stderr) == (0, "")
    assert sorted((row["host"], row["port"]) for row in rows) == [
        (h, p) for h in ("leaf11", "leaf12") for p in ("eth1", "eth2") for _ in range(3)
    ]
    assert all(next(iter(row)) == "host" and row["rx_bps"] == 0 and not row["reset"] for row in rows)
    for host in ("leaf11", "leaf12"):
        times = [row["time"] for row in rows if (row["host"], row["port"]) == (host, "eth1")]
        assert times == sorted(times)
    bursts = fleet.ovstool("-H leaf12,leaf11 stats eth1 --bursts --for 0.2 -f json").json
    assert [(row["host"], row["direction"]) for row in bursts] == [(h, d) for h in ("leaf12", "leaf11") for d in ("rx", "tx")]
    once = fleet.ovstool("-H leaf12,leaf11 stats eth1 --rate --interval 0.1 -f csv").stdout
    assert [row["host"] for row in csv.DictReader(io.StringIO(once))] == ["leaf12", "leaf11"]


def test_rates_continue_without_the_hosts_that_fail(fleet):
    done = fleet.ovstool("-H leaf11,slow,noovs,leaf12 --timeout 8 stats eth1 --rate --interval 0.05 --count 30 -f json")
    rows = [json.loads(line) for line in lines(done.stdout)]
    assert done.code == SOME_FAILED
    assert [sum(row["host"] == host for row in rows) for host in ("leaf11", "leaf12", "noovs")] == [30, 30, 0]
    assert sorted(line.split(": ")[1] for line in lines(done.stderr)) == ["noovs", "slow"]


def test_changes_are_awaited_on_all_hosts(fleet):
    done = fleet.ovstool("-H leaf11,noovs,leaf12 --timeout 20 monitor --until 'eth1 link_state=up'")
    assert (done.code, done.stdout) == (SOME_FAILED, "")
    assert [line.partition("noovs: ")[0] for line in lines(done.stderr)] == ["ovstool: note: ", "ovstool: "]
    argv = fleet.command([sys.executable, "-m", "ovstool", "-H", "leaf11,noovs,leaf12", "monitor", "port", "-f", "json"])
    with subprocess.Popen(argv, env=fleet.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr.readline().startswith("ovstool: note: noovs: ")  # at once, not at the end
            rows: list[dict] = []

            def change(*hosts):
                while {row["host"] for row in rows} != {*hosts}:
                    for host in hosts:
                        fleet.vsctl(host, f"set interface eth1 external_ids:n={time.monotonic_ns()}")
                    while select.select([process.stdout], [], [], 0.3)[0]:
                        rows.append(json.loads(process.stdout.readline()))

            change("leaf11", "leaf12")
            assert list(rows[0])[:3] == ["host", "time", "object"]
            fleet["leaf11"].run("pkill -f root@notty")  # the server's end of the connection
            said = [process.stderr.readline() for _ in range(2)]
            assert all(line.startswith("ovstool: note: leaf11: unix:") for line in said) and "connected again" in said[1], said
            rows.clear()
            change("leaf11")
            process.stdout.close()
            assert process.wait(WAIT_S) == 141
        finally:
            process.kill()
    for host in ("leaf11", "leaf12"):
        fleet.vsctl(host, "remove interface eth1 external_ids n")


def test_one_live_table(fleet):
    with on_terminal(fleet, "-H leaf11,leaf12 stats eth1 --rate --watch --interval 0.2") as (process, look, press):
        wait_for(lambda: {"leaf11 eth1", "leaf12 eth1"} <= set(re.findall(r"leaf1\d eth1", look())), "rows of both hosts")
        press(b"/leaf12\n")
        wait_for(lambda: "1 port with 'leaf12'" in look(), "the ports of one host")
        press(b"\n")
        wait_for(lambda: "qos explain leaf12 eth1" in look() and "eth1 on bridge br0, " in look(), "what that host explains")
        press(b"q")
        assert finish(process, look) == 0, look()


def test_recording_of_two_hosts(fleet, tmp_path):
    file, drawing = tmp_path / "two.csv", tmp_path / "two.svg"
    done = fleet.ovstool(f"-H leaf11,noovs,leaf12 stats record {file} eth1 --interval 0.05 --count 4")
    assert done.code == SOME_FAILED and "8 readings of" in done.stderr and "ovstool: noovs: " in done.stderr
    rows = list(csv.DictReader(file.open()))
    assert sorted((row["host"], row["bridge"], row["port"]) for row in rows) == [
        (h, "br0", "eth1") for h in ("leaf11", "leaf12") for _ in range(4)
    ]
    drawn = fleet.ovstool(f"stats plot {file}")
    assert drawn.code == 0 and "leaf11" in drawn.stdout and "leaf12" in drawn.stdout
    assert fleet.ovstool(f"stats plot {file} -o {drawing}").code == 0 and drawing.stat().st_size > 1000
    one = tmp_path / "one.csv"
    assert fleet.ovstool(f"-H leaf11 stats record {one} eth1 --count 1").code == 0
    assert [row["host"] for row in csv.DictReader(one.open())] == [""]


# --- failures


@pytest.mark.parametrize(
    ("hosts", "command", "code"),
    [
        ("leaf01,leaf02", "port show nosuch", NOT_FOUND),
        ("noovs,noovs2", "bridge list", UNREACHABLE),
        ("nokey,changed,unknown", "bridge list", UNREACHABLE),
        ("nosuch1,nosuch2", "bridge list", UNREACHABLE),
        ("leaf01,leaf02", "bridge add br0 --fail-mode secure", CONFLICT),
        ("leaf01,leaf02", "port set eth1 --tag 5000", USAGE),
        ("leaf01,leaf02", "stats --count 1", USAGE),
        ("leaf01,leaf02", "port list -c nosuch", USAGE),
    ],
)
def test_all_fail_for_one_cause(fleet, hosts, command, code):
    done = fleet.ovstool(f"-H {hosts} {command}")
    assert (done.code, done.stdout.strip()) == (code, ""), done
    named = [line.split(": ")[1] for line in lines(done.stderr)]
    assert named == hosts.split(",") or (code == USAGE and len(named) == 1), done


def test_all_fail_for_various_causes(fleet):
    done = fleet.ovstool("-H noovs,leaf01 port show nosuch")
    assert done.code == SOME_FAILED and [line.split(": ")[1] for line in lines(done.stderr)] == ["noovs", "leaf01"]


def test_some_fail(fleet):
    done = fleet.ovstool("-H leaf02,noovs,leaf01,nokey,nosuch,leaf03 bridge list -f json -c bridge")
    assert done.code == SOME_FAILED
    assert done.json == [{"host": host, "bridge": "br0"} for host in ("leaf02", "leaf01", "leaf03")]
    assert [line.split(": ")[:2] for line in lines(done.stderr)] == [["ovstool", host] for host in ("noovs", "nokey", "nosuch")]


def test_writes_go_to_all_that_can_be_reached(fleet):
    fleet.vsctl("leaf14", "-- --if-exists del-port eth1")
    done = fleet.ovstool("-H noovs,leaf13,leaf14,full,leaf15 port set eth1 --tag 30")
    assert done.code == SOME_FAILED
    assert lines(done.stdout) == ["leaf13 eth1: updated", "leaf15 eth1: updated"]
    failed = {line.split(": ")[1]: line for line in lines(done.stderr)}
    assert list(failed) == ["noovs", "leaf14", "full"]
    assert "no such port" in failed["leaf14"] and "write failed" in failed["full"]
    assert [fleet.vsctl(host, "get port eth1 tag") for host in ("leaf13", "leaf15", "full")] == ["30", "30", "[]"]
    assert fleet.ovstool("-H leaf14 port show eth1").code == NOT_FOUND


def test_full_disk(fleet):
    done = fleet.ovstool("-H full port set eth2 --tag 3")
    assert done.code == REFUSED and re.search("I/O error|No space", done.stderr) and len(lines(done.stderr)) == 1
    assert fleet.ovstool("-H full bridge list -f value -c bridge").stdout == "br0\n"


def test_fail_fast(fleet):
    done = fleet.ovstool("-H leaf13,noovs,leaf15,leaf16 --fail-fast --parallel 1 port set eth1 --tag 31")
    assert (done.code, done.stdout) == (SOME_FAILED, "leaf13 eth1: updated\n")
    assert lines(done.stderr)[0].startswith("ovstool: noovs: ")
    assert lines(done.stderr)[1:] == ["ovstool: note: not started because a host failed: leaf15, leaf16"]
    assert fleet.vsctl("leaf16", "get port eth1 tag") == "[]"
    assert fleet.vsctl("leaf15", "get port eth1 tag") != "31"


def test_a_slow_host(fleet):
    done = fleet.ovstool("-H leaf02,slow,leaf01 --timeout 8 bridge list -f json -c bridge")
    assert done.code == SOME_FAILED and len(lines(done.stderr)) == 1 and lines(done.stderr)[0].startswith("ovstool: slow: ")
    assert hosts_of(done) == ["leaf02", "leaf01"]


def test_a_slow_host_alone(fleet):
    assert fleet.ovstool("-H slow --timeout 1 bridge list").code == TIMEOUT


def test_a_host_that_drops_halfway(fleet):
    for port in range(40):  # so that its answer does not fit into the bytes before it drops
        fleet["drops"].run(["ovs-vsctl", "--no-wait", "add-port", "br0", f"extra{port}"])
    done = fleet.ovstool("-H leaf02,drops,leaf01 port list -f json")
    assert done.code == SOME_FAILED and hosts_of(done) == ["leaf02", "leaf01"]
    assert len(lines(done.stderr)) == 1 and lines(done.stderr)[0].startswith("ovstool: drops: ")


def test_interrupted(fleet):
    with on_terminal(fleet, "-H leaf13,leaf16,slow port set eth2 --tag 41") as (process, look, _):
        wait_for(lambda: "2/3" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", look()), "two of three hosts done")
        process.send_signal(signal.SIGINT)
        assert finish(process, look) == INTERRUPTED
        assert "interrupted; done: leaf13, leaf16; unknown: slow" in look()
        assert "Traceback" not in look()
    assert {fleet.vsctl(host, "get port eth2 tag") for host in ("leaf13", "leaf16")} == {"41"}


def test_interrupted_while_it_streams(fleet, tmp_path):
    file = tmp_path / "r.csv"
    argv = fleet.command([sys.executable, "-m", "ovstool", *f"-H leaf11,leaf12 stats record {file} eth1 --interval 0.05".split()])
    with subprocess.Popen(
        argv, env=fleet.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        killer = threading.Timer(WAIT_S, process.kill)
        killer.start()
        try:
            wait_for(
                lambda: file.exists() and {"leaf11", "leaf12"} <= {row["host"] for row in csv.DictReader(file.open())}, "both in the file"
            )
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate()
        finally:
            killer.cancel()
    assert process.returncode == INTERRUPTED and len(lines(stderr)) == 1 and " readings of " in stderr


# --- connections to a switch


@pytest.mark.parametrize("host", ["works", "nosocat", "noforward", "banner", "inner"])
def test_connections_that_work(fleet, host):
    assert fleet.ovstool(f"-H {host} port set eth1 --tag 5").stdout == "eth1: updated\n"
    assert fleet.vsctl(host, "get port eth1 tag") == "5"
    done = fleet.ovstool(f"-H {host},leaf01 --sudo flow list br0 -f json -c actions")
    assert (done.code, done.stderr) == (0, "")
    assert {"host": host, "actions": "NORMAL"} in done.json
    assert fleet.ovstool(f"-H {host} --sudo stats eth1 --source openflow -f value -c port").stdout == "eth1\n"


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("password", "sudo wants a password"),
        ("absent", "sudo is not installed"),
        ("norelay", "socat"),
        ("nokey", "login as root refused"),
        ("noovs", "no such socket"),
    ],
)
def test_connections_that_do_not_work(fleet, host, words):
    for options in ("", "--sudo"):
        done = fleet.ovstool(f"-H {host} {options} port list")
        assert (done.code, done.stdout, len(lines(done.stderr))) == (UNREACHABLE, "", 1)
        assert done.stderr.startswith(f"ovstool: {host}: ") and words in done.stderr


def test_host_keys(fleet):
    known = fleet.home / ".ssh/known_hosts"
    before = known.read_text()
    try:
        done = fleet.ovstool("-H unknown,leaf01 bridge list -f json")
        assert done.code == SOME_FAILED and hosts_of(done) == ["leaf01"] and "host key is unknown" in done.stderr
        assert fleet.ovstool("-H unknown bridge list").code == UNREACHABLE and known.read_text() == before
        for _ in range(2):
            assert fleet.ovstool("-H unknown --accept-new-host-key bridge list -f value -c bridge").stdout == "br0\n"
            added = lines(known.read_text())[len(lines(before)) :]
            assert len(added) == 1 and (fleet.directory / "unknown/host_key.pub").read_text().split()[1] in added[0]
        assert fleet.ovstool("-H unknown bridge list").code == 0
        now = known.read_text()
        for options in ("", "--accept-new-host-key"):
            done = fleet.ovstool(f"-H changed {options} port set eth1 --tag 6")
            assert (done.code, done.stdout) == (UNREACHABLE, "") and "ssh-keygen -R" in done.stderr
        assert known.read_text() == now and fleet.vsctl("changed", "get port eth1 tag") == "[]"
    finally:
        known.write_text(before)


# --- names that are commands

CANARY = "canary"
NAMES = [
    "$(touch canary)",
    "a;touch canary",
    "`touch canary`",
    "x' touch canary '",
    'y" touch canary "',
    "a b",
    "|touch canary",
    "-n",
    "$HOME",
]


@pytest.mark.parametrize("host", ["leaf10", "works"])
def test_names_are_not_commands(fleet, host):
    words = [*NAMES, "$(touch /tmp/canary)", "a\ntouch canary", "x\\", "*"]
    for name in NAMES:
        row = {"name": name, "interfaces": ["named-uuid", "i"]}
        insert = [
            {"op": "insert", "table": "Interface", "uuid-name": "i", "row": {"name": name}},
            {"op": "insert", "table": "Port", "uuid-name": "p", "row": row},
            {"op": "mutate", "table": "Bridge", "where": [["name", "==", "br0"]], "mutations": [["ports", "insert", ["named-uuid", "p"]]]},
        ]
        sent = fleet[host].run(["ovsdb-client", "--timeout=20", "transact", json.dumps(["Open_vSwitch", *insert])])
        assert "error" not in sent.stdout, sent
    listed = fleet.ovstool(f"-H {host} port list -f json").json
    assert set(NAMES) <= {row["port"] for row in listed}
    marked = fleet.ovstool(["-H", host, "--no-wait", "qos", "set", "--max-rate", "1mbit", "--", *NAMES])
    assert marked.code == 0 and marked.stdout.count("created") == len(NAMES), marked
    with ThreadPoolExecutor(2) as pool:
        commands = [["flow", "list", "--", "br0", word] for word in words] + [["flow", "trace", "--", "br0", word] for word in words[:3]]
        commands += [["flow", "list", "--", word] for word in words] + [["port", "show", "--", *words[:1]], ["stats", "--", *words[:3]]]
        commands += [["--db", f"unix:/run/{word}/db.sock", "bridge", "list"] for word in words[:4]]
        codes = [done.code for done in pool.map(lambda command: fleet.ovstool(["-H", host, "--sudo", *command]), commands)]
    assert 70 not in codes
    found = fleet[host].run(["find", "/run", "/tmp", "/var/log", "-name", CANARY])
    assert found.stdout == "" and not os.path.exists(CANARY)


# --- Tab


def tab(fleet, line: str, **environ: str) -> list[str]:
    """The completions at the end of a line."""
    done = fleet.ovstool(["complete", "--line", "zsh", f"ovstool {line}", ""], **environ)
    assert (done.code, done.stderr) == (0, "")
    return [word.partition("\t")[0] for word in lines(done.stdout)[1:]]


def test_tab_asks_the_host_that_is_named(fleet):
    # It soon gives up, and a lab under load is slow.
    wait_for(lambda: tab(fleet, "-H leaf01 bridge show ") == ["br0"], "the bridges of leaf01")
    wait_for(lambda: set(tab(fleet, "-H leaf01,leaf02 port show ")) == {"br0", "eth1", "eth2"}, "the ports of leaf01")
    wait_for(lambda: tab(fleet, "bridge show ", OVSTOOL_HOST="inner") == ["br0"], "the bridges of a host behind another")
    wait_for(lambda: tab(fleet, "-H works --sudo bridge show ") == ["br0"], "the bridges of a host as root")
    wait_for(lambda: tab(fleet, "-H leaf01 --db unix:/run/openvswitch/db.sock bridge show ") == ["br0"], "the bridges by a path there")
    assert tab(fleet, "-H leaf01 --db unix:/nosuch bridge show ") == []


def test_tab_knows_the_inventory(fleet, tmp_path):
    (tmp_path / "hosts").write_text("[edge]\nleaf01\nleaf[02:03]\n[core]\nleaf16\n[all:vars]\nx=1\n")
    (tmp_path / "own.yaml").write_text('groups: {rack1: ["leaf[01-02]", spine], all: ["@rack1", "admin@leaf09:2222"]}\n')
    assert set(tab(fleet, f"--inventory {tmp_path}/hosts -H ")) == {
        "@all",
        "@core",
        "@edge",
        "@ungrouped",
        "leaf01",
        "leaf02",
        "leaf03",
        "leaf16",
    }
    assert set(tab(fleet, f"--inventory {tmp_path}/own.yaml -H leaf")) == {"leaf01", "leaf02"}
    assert tab(fleet, f"-H @rack1,s --inventory {tmp_path}/own.yaml -H @rack1,s") == ["@rack1,spine"]
    wait_for(lambda: tab(fleet, f"--inventory {tmp_path}/own.yaml -H @rack1 bridge show ") == ["br0"], "the bridges of the group's first")
    os.mkfifo(tmp_path / "pipe")
    assert tab(fleet, f"--inventory {tmp_path}/pipe -H ") == tab(fleet, f"--inventory {tmp_path}/nosuch -H ") == tab(fleet, "-H @n") == []


@pytest.mark.parametrize("host", ["asks", "unknown", "changed", "nokey", "noovs", "slow", "password"])
def test_tab_never_asks_and_soon_gives_up(fleet, host):
    with on_terminal(fleet, ["complete", "--line", "bash", f"ovstool -H {host} bridge show ", ""]) as (process, look, _):
        assert finish(process, look) == 0
        assert look() == "words\r\n"
    known = (fleet.home / ".ssh/known_hosts").read_text()
    assert "unknown " not in known and "unknown," not in known


def test_the_cookbook_on_a_rack(fleet, tmp_path):
    """The tasks of ovstool-cookbook(7) on several hosts, both ways, on two of them."""
    book = (Path(__file__).parents[2] / "man" / "ovstool-cookbook.7.in").read_text()
    book = book.replace("leaf[01-16]", "leaf[15-16]").replace("leaf01", "leaf15").replace("leaf02", "leaf16")
    (tmp_path / "own.yaml").write_text('groups: {rack1: ["leaf[15-16]"], all: ["@rack1"]}\n')
    commands = re.findall(r"^ovstool (-H .*?)(?: \| .*)?$", book, re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        done = fleet.ovstool(f"--inventory {tmp_path}/own.yaml {command}")
        assert done.code == 0, (command, done.stderr)
    scripts = [block for block in re.findall(r"^\.EX\n(.*?)^\.EE$", book, re.MULTILINE | re.DOTALL) if re.search(r"\bssh (?!-J)", block)]
    assert len(scripts) >= 4
    for script in scripts:
        done = fleet.run(["bash", "-ec", script])
        assert done.code == 0, (script, done.stderr)
        policed = [fleet.vsctl(leaf, "get interface eth1 ingress_policing_rate ingress_policing_burst") for leaf in ("leaf15", "leaf16")]
        assert policed == ["200000\n42012"] * 2  # as after the previous commands
    assert fleet.ovstool("-H leaf15,leaf16 police clear eth1").code == 0


# --- many commands for the same hosts


def logins(fleet, name: str) -> int:
    return fleet[name].run(["cat", "/run/lab/sshd.log"]).stdout.count("Accepted ")


def test_a_shell_logs_in_to_each_host_once(fleet):
    before = {name: logins(fleet, name) for name in ("leaf03", "leaf04", "works")}
    script = """
        bridge list -H leaf03,leaf04 -f value
        stats eth1 -f value -c port
        stats eth1 -H leaf04 -f value -c port
        port show eth9
        flow list br0 -H leaf03,leaf04 -f json | grep -c host
        -H works --sudo
        bridge list -f value -c bridge
        stats eth1 -f value -c port
        stats eth1 -H leaf03 -f value -c port
    """
    done = fleet.ovstool("-H leaf03 shell --keep-going", stdin=script)
    assert (done.code, lines(done.stderr)) == (NOT_FOUND, ["ovstool: stdin:5: port eth9: no such port; try: eth2 or eth1"]), done
    assert lines(done.stdout)[2:] == ["eth1", "eth1", "2", "br0", "eth1", "eth1"]
    # --sudo is a separate connection to the same host.
    assert {name: logins(fleet, name) - count for name, count in before.items()} == {"leaf03": 2, "leaf04": 1, "works": 1}


def test_a_connection_that_is_lost_costs_one_command_at_most(fleet):
    """Every connection to this host is cut after 9,000 bytes."""
    before = logins(fleet, "drops")
    done = fleet.ovstool("-H drops shell --keep-going", stdin="bridge list -f value -c bridge\n" * 12)
    assert 2 <= logins(fleet, "drops") - before <= 6
    failed = [int(line.split(":")[2]) for line in lines(done.stderr)]
    assert done.stdout == "br0\n" * (12 - len(failed)) and done.code in (0, UNREACHABLE), done
    assert all(after - before > 1 for before, after in pairwise(failed)), done
