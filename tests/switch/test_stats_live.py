"""Live views of a real switch in a terminal: keys, the page of a port, hostile names, terminals of any size, and how they end."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time

import pytest
from live_terminal import Terminal

PORTS = ["eth1", "eth2", *(f"tap{number:03}" for number in range(298))]
FRAME = "ffffffffffff0200000000010800" + "00" * 46
HOSTILE = "x\x1b[2Jy"


@pytest.fixture(scope="module")
def large(running_switch):
    with running_switch("dummy", PORTS) as switch:
        yield switch


@pytest.fixture
def live(large):
    """``live("stats --watch", 80, 24)``: ovstool in a terminal."""
    running = []

    def run(words: str, columns: int = 80, lines: int = 24, switch=large, **environ: str) -> Terminal:
        argv = [sys.executable, "-m", "ovstool", *words.split()]
        usual = {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
        running.append(Terminal(argv, switch.environ | usual | environ, columns, lines))
        return running[-1]

    yield run
    for each in running:
        each.close()


def rows(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines if re.match(r"(?:tap\d|eth\d|br0)", line)]


def inject(switch, count: int = 5) -> None:
    """Make eth1 receive frames of 60 bytes."""
    control = str(next(switch.box.directory.glob("ovs-vswitchd.*.ctl")))
    for _ in range(count):
        switch.tool("ovs-appctl", "-t", control, "netdev-dummy/receive", "eth1", FRAME)


def test_all_ports_of_a_large_switch_are_reached(live):
    shown = live("stats --watch --sort-column port")
    assert rows(shown.until("1-20 of 301 ports")) == ["br0", *PORTS[:19]]
    shown.press("\x1b[6~")
    assert "tap020" in rows(shown.until("20-39 of 301 ports"))
    shown.press("\x1b[F")
    assert rows(shown.until("282-301 of 301"))[-1] == "tap297"
    shown.press("/1x\x7f7")
    lines = shown.until("13 ports with '17'")
    assert rows(lines) == ["tap017", "tap117", *(f"tap{number}" for number in range(170, 180)), "tap217"] and lines[-1] == "/17"
    shown.press("\nr")
    assert rows(shown.until("descending"))[0] == "tap217"
    shown.press("\x1b")
    shown.until("of 301 ports")
    shown.press("/nosuch\n")
    assert rows(shown.until("no port has 'nosuch' in its name")) == []
    shown.press("q")
    assert shown.end() == 0


def test_enter_explains_a_port_and_esc_comes_back(live, large):
    assert large.ovstool("qos set eth1 --max-rate 10mbit --queue 3:min=1mbit").code == 0
    shown = live("stats eth1 eth2 --watch --interval 0.2 --sort-column port --sort-ascending", 100, 30)
    shown.until("eth1 ")
    shown.press("\n")
    lines = shown.until("qos explain eth1(.|\n)*eth1 on bridge br0")
    told = large.ovstool("qos explain eth1").stdout.splitlines()
    assert lines[1] == told[0] and any("linux-htb, 10 Mbit/s for all queues" in line for line in lines)
    assert any("queue 3" in line for line in lines) and lines[-1].startswith("esc back")
    shown.press("\x1b")
    shown.until("by port, ascending")
    large.vsctl("del-port eth2")
    shown.until("1 port ")
    shown.press("q")
    assert shown.end() == 0
    large.vsctl("add-port br0 eth2 -- set interface eth2 type=dummy")


def test_a_port_that_cannot_be_explained_is_a_note(switch, live, tmp_path):
    shown = live("stats --watch --interval 0.2", 100, 20, switch)
    shown.until("eth1 ")
    pid = int((switch.box.directory / "ovsdb-server.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        switch.box.directory.joinpath("db.sock").rename(tmp_path / "gone")
        shown.press("\n")
        shown.until("db.sock: .*try: |db.sock: ")
        shown.press("s")
        shown.until("by port")
    finally:
        os.kill(pid, signal.SIGCONT)
    shown.press("q")
    assert shown.end() == 0
    assert b"Traceback" not in shown.raw


def test_keys_change_the_interval_within_the_limits_of_the_source(live):
    shown = live("stats eth1 --watch --interval 60", 100)
    shown.until("0 ports")
    shown.press("-" * 4)
    shown.until("interval 5 s")
    shown.press("-" * 5)
    shown.until("interval 0.1 s")
    shown.until(r"every 0\.1\d\d s")
    shown.press("q")
    assert shown.end() == 0
    stored = live("stats eth1 --watch --source ovsdb --interval 10")
    stored.until("0 ports")
    stored.press("--")
    stored.until("the interval is 5 s, the shortest: the counters in the database change every 5 s")
    stored.press("q")
    assert stored.end() == 0


def test_help(live):
    shown = live("stats --watch", 80, 30)
    shown.until("of 301")
    shown.press("?")
    lines = shown.until("^Keys")
    assert any(re.match("  enter +qos explain of the selected row", line) for line in lines)
    shown.press("x")
    shown.until("of 301")
    shown.process.send_signal(signal.SIGINT)
    assert shown.end() == 130


@pytest.mark.parametrize(("columns", "lines"), [(20, 10), (40, 24), (200, 50)])
@pytest.mark.parametrize(
    "words",
    [
        "stats --watch --interval 0.2",
        "stats --queues --watch --interval 0.2",
        "flow top br0 --interval 0.2",
        "stats plot --live eth1",
        "sflow listen --top --port 0",
    ],
)
def test_terminals_of_any_size_and_resized(live, large, words, columns, lines):
    shown = live(words, columns, lines, TERM="xterm")
    shown.until({"stats": "port", "flow": "bit/s", "sflow": "bit/s"}.get(words.split()[0]) if "plot" not in words else "eth1 rx")
    for width, height in ((columns // 2, 5), (columns, lines)):
        shown.resize(width, height)
        shown.press("?")
        shown.until("^Keys")
        shown.press("x")
        shown.until("^(?!Keys)")
    shown.press("jk/x\n\x1b[6~")
    shown.press("\x1b")
    time.sleep(0.2)
    shown.press("q")
    assert shown.end() == 0 and b"Traceback" not in shown.raw


def test_a_terminal_without_utf_8(live, large):
    environ = {"LC_ALL": "C", "PYTHONIOENCODING": ""}
    shown = live("stats eth1 --watch --interval 0.1", 80, 12, **environ)
    shown.until("eth1 ")
    inject(large, 3)
    while b"#" not in shown.raw:
        assert shown.read()
    shown.press("q")
    assert shown.end() == 0 and shown.raw.isascii()
    chart = live("stats plot --live eth1 --interval 0.2", 80, 24, **environ)
    chart.until(r"eth1 rx(.|\n)*\|(.|\n)*eth1 tx")
    chart.press("q")
    assert chart.end() == 0 and chart.raw.isascii()


def test_hostile_names(switch, live):
    """Names of ports, which Open vSwitch accepts, and in flows, which name ports."""
    switch.tool("ovs-vsctl", "--timeout=20", "--no-wait", "add-port", "br0", HOSTILE, "--", "set", "interface", HOSTILE, "type=dummy")
    shown = live("stats --watch --source ovsdb --interval 5", 100, 20, switch)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and b"by rx+tx" not in shown.raw:
        shown.read()
    shown.press("/2j\n")
    shown.until("with '2j'")
    shown.press("\n")
    time.sleep(0.5)
    shown.press("\x1b")
    time.sleep(0.2)
    shown.press("q")
    assert shown.end() == 0 and b"\x1b[2J" not in shown.raw


# --- flows


def test_flow_top_stays_in_place_on_a_terminal(switch, live):
    switch.tool(
        "ovs-ofctl",
        "add-flow",
        f"unix:{switch.box.directory}/br0.mgmt",
        "priority=10,in_port=eth1,dl_src=02:00:00:00:00:01,actions=output:eth2",
    )
    shown = live("flow top br0 --interval 0.5", 120, 20, switch)
    shown.until("no flow had any traffic")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        inject(switch, 3)
        if shown.read() and any("in_port=eth1" in line for line in shown.screen.display):
            shown.press(" ")
            lines = shown.until("PAUSED")
            if any("in_port=eth1" in line for line in lines):
                break
            shown.press(" ")  # its traffic was over
    assert "1 flow  by bps, descending" in lines[0] and re.search("in_port=eth1,dl_src=02:00:00:00:00:01 +output:eth2", lines[2])
    shown.press("\n")
    shown.until("whole flow in_port(.|\n)*table 0, priority 10, cookie 0x0(.|\n)*actions +output:eth2")
    shown.press("q")
    assert shown.end() == 0
    one = live("flow top br0 --interval 0.2 -f table", 120, 20, switch)
    while one.read():
        pass
    assert b"\x1b[?1049h" not in one.raw and one.process.wait(60) == 0


def test_flow_top_in_a_pipe(switch):
    """It prints an object per line, and waits for a deleted bridge to return."""
    argv = [sys.executable, "-m", "ovstool", *"flow top br0 --watch --interval 0.2 -f json".split()]
    with subprocess.Popen(
        argv, env=switch.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            text, deadline = "", time.monotonic() + 60
            while text.count("\n") < 2 and time.monotonic() < deadline:
                inject(switch, 3)
                if select.select([process.stdout], [], [], 0)[0]:
                    text += os.read(process.stdout.fileno(), 65536).decode()
            for line in text.splitlines()[:2]:
                row = json.loads(line)
                assert (row["table"], row["match"], row["actions"]) == (0, "", "NORMAL") and row["bps"] > 0
            switch.vsctl("del-br br0")
            assert "br0" in process.stderr.readline()
        finally:
            process.kill()
    assert switch.ovstool("flow top nosuch --watch -f json").code == 3


# --- charts and progress


def test_charts_of_some_ports(live, large, switch):
    shown = live("stats plot --live eth1 eth2 --interval 0.1", 80, 24)
    shown.until("eth1 rx   now 0 bit/s(.|\n)*eth1 tx(.|\n)*eth2 rx(.|\n)*eth2 tx")
    inject(large, 3)
    shown.until(r"eth1 rx .*max [1-9]")
    shown.press("q")
    assert shown.end() == 0
    few = live("stats plot --live", 80, 24, switch)
    few.until("br0 rx(.|\n)*eth1 rx")
    few.press("q")
    assert few.end() == 0
    many = live("stats plot --live")
    while many.read():
        pass
    assert many.process.wait(60) == 2
    assert (
        b"ovstool: --live: draws at most 8 ports, not 301; try: ovstool stats plot --live PORT PORT"
        in many.raw.rpartition(b"\x1b[?1049l")[2]
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--live eth1", "--live: needs a terminal; try: ovstool stats record FILE.csv eth1"),
        ("--live", "--live: needs a terminal; try: ovstool stats record FILE.csv"),
        (
            "--live eth1 -o x.svg",
            "--live: draws only on the terminal; try: ovstool stats record FILE, then ovstool stats plot FILE -o IMAGE",
        ),
        ("x.csv --interval 1", "--interval: needs --live; a recording has its own interval"),
        ("", "stats plot: needs a recording, or --live; try: ovstool help stats plot"),
    ],
)
def test_impossible_plots(refused, words, line):
    assert refused(f"stats plot {words}", 2) == line


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("stats eth1 eth2 --bursts --for 2 --interval 0.1", rb"1 of 2 s, \d+ readings, 2 ports"),
        ("stats record FILE eth1 --for 2 --interval 0.1", rb"1 of 2 s, \d+ readings, 1 port\x1b"),
        ("stats record FILE eth1 --count 12 --interval 0.1", rb"0 s, \d of 12 samples, \d readings, 1 port\x1b"),
    ],
)
def test_progress(live, tmp_path, words, line):
    shown = live(words.replace("FILE", str(tmp_path / "r.csv")), 100, 12)
    while shown.read():
        pass
    assert shown.process.wait(60) == 0 and re.search(line, shown.raw)
    assert not any(re.search(r"\d+ of \d+ s,|of 12 samples", row) for row in shown.screen.display)


def test_progress_is_shown_only_on_a_terminal(live, large, tmp_path):
    quiet = live(f"stats record {tmp_path}/q.csv eth1 --for 1 --interval 0.1 -q")
    while quiet.read():
        pass
    assert quiet.raw == b""
    done = large.ovstool(f"stats record {tmp_path}/r.csv eth1 --for 1 --interval 0.1")
    assert "\r" not in done.stderr and done.stderr.count("\n") == 1
