"""Output: formats, columns, and a reader that goes away."""

import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys

import pytest
import yaml
from ovs_version import OVS

READS = [
    "show",
    "topology",
    "bridge list",
    "bridge show br0",
    "port list",
    "port show eth1",
    "stats",
    "stats --long",
    "police list",
    "qos list",
    "qos show eth1",
    "sflow list",
]
WRITES = [
    "bridge add br0",
    "port add br0 eth1",
    "police set eth1 --rate 1mbit",
    "qos set eth1 --max-rate 1mbit",
    "qos clear eth1",
    "qos gc",
    "sflow disable br0",
]
CONFIGURED = "set interface eth1 ingress_policing_rate=10000 -- set port eth1 qos=@q -- --id=@q create qos type=linux-htb other-config:max-rate=5 -- set bridge br0 sflow=@s -- --id=@s create sflow agent=lo targets='\"10.0.0.5:6343\"'"


def start(switch, *words: str, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "ovstool", *words], env=switch.environ, stderr=subprocess.PIPE, **options)


@pytest.fixture
def many(switch):
    """A switch whose list of ports exceeds the buffer of a pipe."""
    switch.vsctl(f"set interface eth1 external_ids:iface-id={'x' * 100_000}")
    return switch


@pytest.mark.parametrize("command", READS)
def test_the_formats_say_the_same(switch, ovstool, command):
    switch.vsctl(CONFIGURED)
    shown = ovstool(f"{command} -f json").json
    assert shown
    assert json.loads(ovstool(f"{command} -f json --noindent").stdout) == shown
    assert yaml.safe_load(ovstool(f"{command} -f yaml").stdout) == shown
    rows = shown if isinstance(shown, list) else [shown]
    assert len(list(csv.reader(io.StringIO(ovstool(f"{command} -f csv").stdout)))) == len(rows) + 1
    for row in rows:
        assert all(name == name.lower() and "-" not in name and name.isidentifier() for name in row)


@pytest.mark.parametrize("command", READS)
def test_every_format_works(switch, ovstool, command):
    switch.vsctl(CONFIGURED)
    for style in ("table", "value", "shell", "lines", "html"):
        result = ovstool(f"{command} -f {style}")
        assert (result.code, result.stderr) == (0, "") and result.stdout.endswith("\n"), style


@pytest.mark.parametrize("command", WRITES)
def test_a_change_is_a_list_of_objects(switch, ovstool, command):
    switch.tool("ovsdb-client", "transact", '["Open_vSwitch",{"op":"insert","table":"QoS","row":{"type":"left over"}}]')
    rows = ovstool(f"{command} -f json").json
    assert len(rows) == 1
    keys = {"table", "uuid", "change"} if command == "qos gc" else {"object", "change"}
    assert all(row.keys() == keys for row in rows)
    assert all(row["change"] in ("created", "updated", "deleted", "unchanged") for row in rows)


def test_an_empty_list(ovstool):
    assert ovstool("qos list -f json").stdout == "[]\n"
    assert ovstool("qos list -f csv").stdout.count("\n") == 1
    assert ovstool("qos list").stdout == ""
    assert "max_rate" in ovstool("qos list --print-empty").stdout


def test_columns(ovstool):
    assert ovstool("port list -c port -c bridge -f value").stdout.splitlines() == ["br0 br0", "br0 eth1", "br0 eth2"]
    assert ovstool("port list -c port -c ofport -f json --sort-column port --sort-descending -c ofport").json[0].keys() == {
        "port",
        "ofport",
    }
    assert ovstool("bridge show br0 -c bridge -f value").stdout == "br0\n"


def test_a_column_that_is_not_there(refused):
    assert "no such column; try: bridge, port, type" in refused("port list -c port -c nosuch", 2)
    assert "no such column" in refused("port list --sort-column nosuch", 2)
    assert refused("port list -c host", 2).startswith("column host: no such column")  # rows of a single switch have no host


def test_sorting(switch, ovstool):
    switch.vsctl("set interface eth1 ingress_policing_rate=9000 -- set interface eth2 ingress_policing_rate=10000")
    assert ovstool("police list -c port -f value --sort-column rate").stdout.split() == ["eth1", "eth2"]
    assert ovstool("police list -c port -f value --sort-column rate --sort-descending").stdout.split() == ["eth2", "eth1"]
    if OVS >= (2, 16):
        switch.vsctl("set interface eth1 ingress_policing_kpkts_rate=5")
    assert len(ovstool("police list -f json --sort-column packet_rate").json) == 2  # one of them is null, or both


@pytest.mark.parametrize(
    "words",
    ["port list -c nosuch", "port list --sort-column nosuch", "bridge show br0 -c nosuch", "port list -f nosuch", "bridge list -c ''"],
)
def test_an_unknown_column_or_format_is_named(refused, words):
    refused(words, 2)


def test_a_table_shows_what_json_counts(switch, ovstool):
    switch.vsctl("set interface eth1 ingress_policing_rate=200000 ingress_policing_burst=64")
    assert re.split("  +", ovstool("police list").stdout.splitlines()[2]) == ["eth1", "200 Mbit/s", "64 kbit", "-", "-"]
    assert ovstool("police list -f json").json == [
        {"port": "eth1", "rate": 200_000_000, "burst": 64_000, "packet_rate": None, "packet_burst": None}
    ]


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "xterm-256color"}, {"TERM": "dumb"}])
def test_there_is_no_escape_sequence_in_a_pipe(switch, ovstool, environ):
    assert "\x1b" not in ovstool("show", **environ).stdout + ovstool("port list", **environ).stdout + ovstool("br", **environ).stderr


@pytest.mark.parametrize("command", ["port list", "show"])
def test_a_terminal_without_colour(switch, command):
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "ovstool", *command.split()], env=switch.environ | {"NO_COLOR": "1"}, stdout=theirs, check=True
    )
    os.close(theirs)
    assert done.returncode == 0
    text = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "eth1" in text and "\x1b" not in text


@pytest.mark.parametrize("style", ["table", "json", "csv", "yaml", "value", "lines"])
def test_a_closed_pipe_ends_it_quietly(many, style):
    process = start(many, "port", "list", "-f", style, stdout=subprocess.PIPE)
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141
    process.stderr.close()


def test_a_short_output_into_a_closed_pipe(switch):
    read, write = os.pipe()
    os.close(read)
    process = start(switch, "bridge", "list", stdout=write)
    os.close(write)
    assert process.communicate()[1] == b""
    assert process.returncode == 141


@pytest.mark.parametrize(
    "command", ["bridge list", "port list -f json", "help", "version", "show", "police set eth1 --rate 1mbit", "complete", "-h", "stats -h"]
)
def test_a_full_disk_is_one_line(switch, command):
    with open("/dev/full", "w") as full:
        process = start(switch, *command.split(), stdout=full)
        stderr = process.communicate()[1].decode()
    assert process.returncode == 6
    assert stderr == "ovstool: standard output: No space left on device\n"


@pytest.mark.parametrize("words", [["bridge", "list"], ["version"]])
def test_no_standard_output_at_all(switch, words):
    process = start(switch, *words, preexec_fn=lambda: os.close(1))
    stderr = process.communicate()[1].decode()
    assert (process.returncode, stderr) == (0, "")


def test_ctrl_c_while_ovs_vswitchd_is_waited_for(switch):
    os.kill(int((switch.box.directory / "ovs-vswitchd.pid").read_text()), signal.SIGSTOP)
    process = start(switch, "bridge", "add", "br7", "--datapath-type=dummy", stdout=subprocess.PIPE)
    try:
        switch.wait_for_bridge("br7")
        process.send_signal(signal.SIGINT)
        assert process.communicate() == (b"", b"")
        assert process.returncode == 130
    finally:
        os.kill(int((switch.box.directory / "ovs-vswitchd.pid").read_text()), signal.SIGCONT)


@pytest.mark.parametrize(
    "locale", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}]
)
def test_a_locale_that_cannot_show_a_name(switch, ovstool, locale):
    switch.vsctl("set bridge br0 'external_ids:who=\u4e2d\U0001f600'")
    result = ovstool("bridge show br0", **locale)
    assert result.code == 0 and "bug" not in result.stderr
    assert json.loads(ovstool("bridge show br0 -f json", **locale).stdout)["external_ids"] == {"who": "\u4e2d\U0001f600"}
