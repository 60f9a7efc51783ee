"""Runs each command once; ``make matrix`` does that with each set of libraries.

It finds what a release of a library breaks, and leaves what commands do to the other tests. So it covers every command, every
format that a library writes, the live table, drawings, inventories and SSH, and checks with ovs-vsctl where possible.
"""

import json
import os
import pty
import select
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
import tabulate
import yaml

from ovstool.commands import COMMANDS
from ovstool.terminal.formats import TABLE_STYLES

sys.path.append(str(Path(__file__).with_name("hosts")))
from lab import Lab

_LIMIT_S = 60
OWN_INVENTORY = "groups:\n  rack1: ['h[1-2]']\n"
ANSIBLE_INVENTORY = "all:\n  children:\n    rack1:\n      hosts:\n        h1:\n        h2:\n"
# Commands, each with text that it must print.
COMMAND_LINES = (
    ("version", "ovstool "),
    ("help qos set", "--max-rate"),
    ("complete", "complete -F _ovstool ovstool"),
    ("complete zsh", "#compdef ovstool"),
    ("complete fish", "complete -c ovstool"),
    ("schema", '"bridges"'),
    ("export br0", "br0:"),
    ("show", "br0"),
    ("bridge add br1 --fail-mode secure", "br1: created"),
    ("bridge set br1 --protocols OpenFlow13,OpenFlow15", "br1: updated"),
    ("bridge show br1 -f json", '"OpenFlow15"'),
    ("bridge add br2 --dry-run", '"insert"'),
    ("port add br1 in10 --type internal --tag 10", "in10: created"),
    ("port set in10 --tag 20 --mtu 1400", "in10: updated"),
    ("port show in10", "internal"),
    ("port list br1 -f value -c port -c tag", "in10 20\n"),
    ("port del in10", "in10: deleted"),
    ("bridge list -f value -c bridge", "br0\nbr1\n"),
    ("bridge del br1", "br1: deleted"),
    ("qos set eth1 --max-rate 10mbit --queue 0:min=5mbit --queue 1:max=2mbit", "eth1: created"),
    ("qos show eth1", "max_rate 2 Mbit/s"),
    ("qos list", "10 Mbit/s"),
    ("qos steer eth1 --queue 1 --match ip,nw_dst=10.0.0.1", "eth1: created"),
    ("qos explain eth1", "priority=1,ip,nw_dst=10.0.0.1"),
    ("qos check eth1 -f json", "[]"),
    ("qos unsteer eth1", "eth1: deleted"),
    ("qos clear eth1 -f yaml", "change: deleted"),
    ("qos gc", ""),
    ("police set eth2 --rate 10mbit --confirm-within 60", "eth2: created"),
    ("confirm", ": updated"),
    ("police list", "10 Mbit/s"),
    ("police check", ""),
    ("police clear eth2", "eth2: deleted"),
    ("flow add br0 priority=10,ip,in_port=eth1,nw_dst=10.0.0.2,actions=output:eth2", "created"),
    ("flow list br0 --parsed -f json", '{"output": {"port": '),
    ("flow list br0 ip -f flows", "table=0,priority=10,ip,in_port=eth1,nw_dst=10.0.0.2 actions=output:eth2"),
    ("flow trace br0 in_port=eth1,ip,nw_dst=10.0.0.2", "eth2"),
    ("flow top br0 --interval 0.1", ""),
    ("flow del br0 ip", "ip: deleted"),
    ("sflow enable br0 --collector 10.0.0.1", "br0: created"),
    ("sflow list", "10.0.0.1:6343"),
    ("sflow listen --port 0 --for 0.1", ""),
    ("sflow disable br0", "br0: deleted"),
    ("sflow check", ""),
    ("topology", "ports eth1, eth2"),
    ("metrics", "ovstool_up 1"),
    ("monitor --until 'eth1 link_state=up'", ""),
    ("history --count 1", "ovstool"),
    ("undo", "updated"),
    ("stats eth1 --rate --interval 0.1 --count 2", "eth1"),
)


@pytest.fixture
def run(ovstool):
    """``run("qos clear eth1")``: run a command that must succeed and return what it prints; ``run.used`` lists the commands so far."""

    def run(command: str) -> str:
        done = ovstool(command)
        assert done.code == 0, (command, done)
        words = command.split()
        run.used.add(" ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0])
        return done.stdout

    run.used = set()
    return run


def test_every_command(switch, run, tmp_path):
    for command, words in COMMAND_LINES:
        assert words in run(command), command
    replace_flows(switch, run, tmp_path)
    save_and_restore(switch, run, tmp_path)
    apply_a_document(run, tmp_path)
    record_and_plot(run, tmp_path)
    make_a_sandbox(run, tmp_path)
    run_an_interactive_shell(switch, run)
    assert run.used == COMMANDS.keys()


def apply_a_document(run, folder):
    """Applied twice and compared: a document for PyYAML with libyaml and without."""
    (folder / "page.yaml").write_text("bridges: {br0: {ports: {eth2: {tag: 7, qos: {max_rate: 10mbit, queues: {1: {}}}}}}}\n")
    assert "eth2: updated" in run(f"apply {folder}/page.yaml")
    assert "eth2: unchanged" in run(f"apply {folder}/page.yaml")
    assert run(f"diff {folder}/page.yaml") == ""
    run("qos clear eth2")
    run("port set eth2 --unset tag")


def replace_flows(switch, run, tmp_path: Path) -> None:
    flows = tmp_path / "flows"
    flows.write_text("priority=7,tcp actions=drop\n")
    run(f"flow replace br0 --file {flows}")
    assert run(f"flow diff br0 --file {flows}") == ""
    assert switch.tool("ovs-ofctl", "dump-flows", "br0", "--no-stats") == "priority=7,tcp actions=drop"


def save_and_restore(switch, run, tmp_path: Path) -> None:
    assert "created" in run(f"snapshot save {tmp_path / 'switch.json'}")
    switch.vsctl("add-port br0 p9 -- set bridge br0 fail_mode=secure")
    assert run(f"snapshot restore {tmp_path / 'switch.json'}") == "br0: updated\nOpen_vSwitch: unchanged\n"
    assert switch.tool("ovs-ofctl", "dump-flows", "br0", "--no-stats") == "priority=7,tcp actions=drop"


def record_and_plot(run, tmp_path: Path) -> None:
    for name in ("rec.csv", "rec.db"):
        run(f"stats record {tmp_path / name} eth1 --interval 0.05 --count 3")
        assert "eth1 rx" in run(f"stats plot {tmp_path / name}")
    for name, beginning in (("rec.png", b"\x89PNG"), ("rec.svg", b"<?xml")):
        run(f"stats plot {tmp_path / 'rec.csv'} -o {tmp_path / name}")
        assert (tmp_path / name).read_bytes().startswith(beginning)


def make_a_sandbox(run, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ovstool-smoke-", dir="/tmp") as directory:
        run(f"sandbox start --dir {directory}/box --datapath dummy")
        try:
            assert run(f"sandbox env --dir {directory}/box").startswith(f"export OVSTOOL_DB=unix:{directory}/box/db.sock ")
            assert run(f"sandbox run --dir {directory}/box -- ovs-vsctl list-ports br0") == "eth1\neth2\n"
            run(f"sandbox shell --dir {directory}/box")
        finally:
            run(f"sandbox stop --dir {directory}/box")


def run_an_interactive_shell(switch, run) -> None:
    argv = [sys.executable, "-m", "ovstool", "shell"]
    done = subprocess.run(
        argv, env=switch.environ, input="bridge list -f value -c bridge\n", capture_output=True, text=True, timeout=_LIMIT_S
    )
    assert (done.stdout, done.returncode) == ("br0\n", 0), done
    run.used.add("shell")


def test_the_switch_has_the_configuration(switch, run):
    run("port add br0 in10 --type internal --tag 10")
    run("qos set eth1 --max-rate 10mbit --queue 1:max=2mbit")
    run("police set eth2 --rate 10mbit")
    assert switch.vsctl("get port in10 tag") == "10"
    assert switch.rows("QoS", "type", "other_config") == [{"type": "linux-htb", "other_config": ["map", [["max-rate", "10000000"]]]}]
    assert switch.vsctl("get interface eth2 ingress_policing_rate") == "10000"


def test_wrong_usage_is_refused(ovstool):
    """One error line and the exit code for errors of argparse, of values and of a file that is not YAML."""
    for command, code in (
        ("qos set eth1 --max-rat 5mbit", 2),
        ("bridge list -c nosuch", 2),
        ("port show nosuch", 3),
        ("-H @rack1 --inventory setup.cfg show", 2),
    ):
        done = ovstool(command)
        assert (done.code, done.stdout, done.stderr.count("\n")) == (code, "", 1), (command, done)


def test_each_format(switch, run):
    switch.vsctl("--no-wait add-br brü")  # wide characters make tabulate look up their widths
    names = ["br0", "brü"]
    assert [row["bridge"] for row in json.loads(run("bridge list -c bridge -f json"))] == names
    assert yaml.safe_load(run("bridge list -c bridge -f yaml")) == [{"bridge": name} for name in names]
    assert run("bridge list -c bridge -f value").split() == names
    assert run("bridge list -c bridge -f csv").splitlines() == ['"bridge"', '"br0"', '"brü"']
    assert run("bridge list -c bridge").splitlines() == ["bridge", "------", "br0", "brü"]
    assert run("bridge list -c bridge -f github").splitlines() == ["| bridge |", "|--------|", "| br0    |", "| brü    |"]
    assert set(TABLE_STYLES) <= set(tabulate.tabulate_formats)


def test_the_live_table(switch):
    master, slave = pty.openpty()
    argv = [sys.executable, "-m", "ovstool", "stats", "--rate", "--watch", "--interval", "0.1"]
    environ = switch.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "24", "LANG": "C.UTF-8"}
    with subprocess.Popen(argv, env=environ, stdin=slave, stdout=slave, stderr=slave, start_new_session=True) as process:
        os.close(slave)
        try:
            shown = bytearray()
            deadline = time.monotonic() + _LIMIT_S
            with suppress(OSError):  # the slave side is closed
                while time.monotonic() < deadline:
                    if select.select([master], [], [], 0.2)[0]:
                        shown += os.read(master, 65536)
                    if b"eth1" in shown and b"eth2" in shown:
                        os.write(master, b"q")
            assert process.wait(_LIMIT_S) == 0, shown
        finally:
            process.kill()
            os.close(master)


@pytest.fixture(scope="module")
def lab():
    if problem := Lab.problem():
        pytest.skip(f"a lab of hosts {problem}")
    with Lab() as lab:
        lab.host("h1")
        lab.host("h2", user="op")
        yield lab


def test_over_ssh(lab):
    done = lab.ovstool("-H h1 qos set eth1 --max-rate 10mbit")
    assert (done.stdout, done.code) == ("eth1: created\n", 0), done
    assert '"10000000"' in lab.vsctl("h1", "list qos")
    assert "NORMAL" in lab.ovstool("-H h1 flow list br0").stdout
    assert lab.ovstool("-H nobody@h1 show").code == lab.ovstool("-H h1:23 show").code == 5


@pytest.mark.parametrize("text", [OWN_INVENTORY, ANSIBLE_INVENTORY], ids=["own", "ansible"])
def test_a_group_of_hosts(lab, text):
    inventory = lab.directory / "rack.yaml"
    inventory.write_text(text)
    done = lab.ovstool(["--inventory", str(inventory), "-H", "@rack1", "--sudo", *"bridge list -f json -c bridge".split()])
    assert done.code == 0, done
    assert done.json == [{"host": "h1", "bridge": "br0"}, {"host": "h2", "bridge": "br0"}]
