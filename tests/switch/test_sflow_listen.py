"""sflow listen with the datagrams of a real switch: rows, objects, talkers, captures, and how it ends."""

import csv
import io
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from live_terminal import Terminal
from on_terminal import shown, without_colours

from ovstool.sflow import wording
from ovstool.sflow.datagram import decode
from ovstool.shell import App
from ovstool.switch import Switch
from ovstool.switch.sflow import port_names
from ovstool.switch.sflow.port_names import PortNames

USAGE, NOT_FOUND, CONFLICT, REFUSED, INTERRUPTED = 2, 3, 4, 6, 130
TCP = "in_port({}),eth(src=02:00:00:00:00:0{},dst=02:00:00:00:00:02),eth_type(0x0800),ipv4(src=10.0.0.{},dst=10.0.0.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=5001,dst=80)"
SENT = {1: 12, 3: 4}  # packets, by the last octet of their source address
FRAME_BYTES = 118 + 4  # as netdev-dummy creates them, plus FCS
SAMPLED = bytes([10, 0, 0, 2, 5001 >> 8, 5001 & 255, 0, 80])  # in the header of each packet: its destination and its ports


def pcap(payloads, port=6343, seconds=0.0) -> bytes:
    """A capture of datagrams, one every so many seconds."""
    data = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for number, payload in enumerate(payloads):
        udp = struct.pack("!HHHH", 4000, port, 8 + len(payload), 0) + payload
        packet = struct.pack("!BBHIBBH4s4s", 0x45, 0, 20 + len(udp), 0, 64, 17, 0, bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])) + udp
        moment = 1_700_000_000 + number * seconds
        data += struct.pack("=IIII", int(moment), round(moment % 1 * 1e6), len(packet), len(packet)) + packet
    return data


@pytest.fixture(scope="module")
def sampled(running_switch):
    """A switch and what it sent: a datagram with samples of a few packets, and its counters; its ports have ifIndexes."""
    with running_switch("dummy") as switch, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        collector.settimeout(30)
        target = f"127.0.0.1:{collector.getsockname()[1]}"
        sflow = f"--id=@s create sflow agent=127.0.0.1 targets='\"{target}\"' sampling=1 polling=1"
        ports = "set interface eth1 options:ifindex=101 external_ids:iface-id=vif-1 -- set interface eth2 options:ifindex=102"
        switch.vsctl(f"{ports} -- {sflow} -- set bridge br0 sflow=@s")
        datagrams = [collector.recv(65535)]  # ovs-vswitchd has applied it
        number = switch.vsctl("get interface eth1 ofport")
        for last, count in SENT.items():
            for _ in range(count):
                switch.tool("ovs-appctl", "-t", "ovs-vswitchd", "netdev-dummy/receive", "eth1", TCP.format(number, last, last))
        samples = 0
        while samples < sum(SENT.values()):
            datagrams.append(collector.recv(65535))
            samples += datagrams[-1].count(SAMPLED)
        switch.vsctl("clear bridge br0 sflow")
        yield switch, datagrams


@pytest.fixture
def capture(sampled, tmp_path) -> Path:
    path = tmp_path / "sampled.pcap"
    path.write_bytes(pcap(sampled[1], seconds=0.5))
    return path


@pytest.fixture
def listen(sampled, capture):
    """``listen("--top")``: its output for the capture of all datagrams."""
    return lambda words, path=capture: sampled[0].ovstool(f"sflow listen --read {path} {words}")


@contextmanager
def listening(switch, words: str, **streams):
    """The command in its own process, and the port it listens on."""
    argv = [sys.executable, "-m", "ovstool", "sflow", "listen", "--port", "0", *words.split()]
    environ = {key: value for key, value in switch.environ.items() if not key.startswith("PYTHON")}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | streams
    with subprocess.Popen(argv, env=environ, **pipes) as process:
        try:
            line = process.stderr.readline()
            assert line.startswith("ovstool: note: listening on UDP port "), line + process.stderr.read()
            yield process, int(line.split()[-1])
        finally:
            process.kill()


def send(port: int, datagrams) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", port))


def send_and_await(port: int, datagrams, headers: Path) -> None:
    """Send datagrams and wait until the headers in them are written to a file."""
    before, packets = headers.read_bytes().count(SAMPLED), sum(datagram.count(SAMPLED) for datagram in datagrams)
    send(port, datagrams)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and headers.read_bytes().count(SAMPLED) < before + packets:
        time.sleep(0.01)


def renumbered(datagram: bytes) -> bytes:
    """A datagram as one that comes later: its sequence number is behind the versions, an IPv4 agent and the sub-agent (sFlow v5)."""
    return datagram[:16] + struct.pack("!I", 10**6) + datagram[20:]


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


# --- rows


def test_samples_in_order_with_all_their_fields(sampled):
    switch, datagrams = sampled
    samples = sum(len(decode(datagram).samples) for datagram in datagrams)  # on a slow machine, with several rounds of counters
    with listening(switch, f"--count {samples} -f json") as (process, port):
        send(port, datagrams)
        rows = objects(process.stdout.read())
        assert process.wait() == 0
    flows = [row for row in rows if row["kind"] == "flow"]
    assert [row["ip_src"] for row in flows] == ["10.0.0.1"] * SENT[1] + ["10.0.0.3"] * SENT[3]
    expected = {
        "agent": "127.0.0.1",
        "sub_agent": 0,
        "agent_name": None,
        "sampling_rate": 1,
        "frame_bytes": FRAME_BYTES,
        "eth_type": "0x0800",
    }
    expected |= {"input": 101, "input_port": "eth1", "input_iface_id": "vif-1", "tcp_src": 5001, "tcp_dst": 80, "output_port": None}
    for row in flows:
        assert {key: row[key] for key in expected} == expected and time.time() - row["time"] < 60
    counters = {row["source"]: row for row in rows if row["kind"] == "counter"}
    assert (counters["0:101"]["port"], counters["0:101"]["iface_id"], counters["0:102"]["port"]) == ("eth1", "vif-1", "eth2")


def test_rows_of_a_table_fit_eighty_columns(sampled, capture):
    text = without_colours(shown(["sflow", "listen", "--read", str(capture)], sampled[0].environ, 80))
    lines = text.splitlines()
    assert lines[0].split() == ["time", "agent", "ports", "sample"] and max(map(len, lines)) <= 80
    assert any(re.fullmatch(r"\S+  127\.0\.0\.1        eth1 > 2 ports   tcp 10\.0\.0\.1:5001 > 10\.0\.0\.2:80", line) for line in lines), (
        text
    )
    assert any("eth2" in line and "counters: in 0 B," in line for line in lines) and f"{FRAME_BYTES} B" not in text


def test_rows_have_frame_lengths_where_there_is_room(sampled, capture, listen):
    text = without_colours(shown(["sflow", "listen", "--read", str(capture)], sampled[0].environ, 88))
    assert max(map(len, text.splitlines())) <= 88
    for rows in (text, listen("").stdout):
        assert re.search(rf"tcp 10\.0\.0\.1:5001 > 10\.0\.0\.2:80 {FRAME_BYTES} B$", rows, re.MULTILINE), rows
        assert re.search(r" switch +counters: hits \d+, misses", rows), rows
    assert f"{FRAME_BYTES} B" not in listen("-f value -c sample").stdout, "programs use frame_bytes"


def test_forms_for_programs(listen):
    table = listen("")
    assert table.code == 0 and table.stdout.splitlines()[0].split() == ["time", "agent", "ports", "sample"]
    rows = list(csv.DictReader(io.StringIO(listen("-f csv").stdout)))
    assert list(rows[0]) == (
        "time agent agent_name sample kind sub_agent source input output port input_port output_port sampling_rate frame_bytes".split()
    )
    flow = next(row for row in rows if row["kind"] == "flow")
    assert (flow["input"], flow["output"], flow["sampling_rate"], flow["frame_bytes"]) == ("101", "", "1", str(FRAME_BYTES))
    assert (flow["agent"], flow["agent_name"], flow["input_port"], flow["output_port"], flow["port"]) == ("127.0.0.1", "", "eth1", "", "")
    assert "flow 101 eth1\n" in listen("-f value -c kind -c input -c input_port").stdout
    assert "eth1 > 2 ports\n" in listen("-f value -c ports").stdout
    assert objects(listen("-f json -c kind -c agent --count 1").stdout) == [{"kind": "counter", "agent": "127.0.0.1"}]
    names = (
        "time",
        "kind",
        "agent",
        "agent_name",
        "sub_agent",
        "source",
        "input",
        "output",
        "port",
        "input_port",
        "output_port",
        "frame_bytes",
    )
    chosen = objects(listen(f"-f json {' '.join(f'-c {name}' for name in names)}").stdout)
    whole = [{name: row.get(name) for name in names} for row in objects(listen("-f json").stdout)]
    assert chosen == whole, "a key has the same meaning in each format"
    unknown = listen("-c colour")
    assert unknown.code == USAGE and "column colour: no such column" in unknown.stderr
    key = listen("-f json -c ip_src")
    why = "not a column of the table, and -c selects no other keys; try: -f json without -c, and jq to select keys"
    assert (key.code, key.stderr) == (USAGE, f"ovstool: column ip_src: {why}\n")
    assert listen("-f yaml").code == USAGE


def test_the_limits_of_samples_and_seconds(sampled, listen):
    seven = listen("-f json --count 7")
    assert len(objects(seven.stdout)) == 7
    assert sum(map(int, re.findall(r"(\d+) (?:flow|counter) sample", seven.stderr))) == 7, "the summary counts only what was shown"
    switch, datagrams = sampled
    with listening(switch, "--for 1.5 -f json") as (process, port):
        send(port, datagrams)
        assert len(objects(process.stdout.read())) >= sum(SENT.values())
        assert process.wait() == 0


def test_agents(sampled, listen, capture, tmp_path):
    """By address, and by their names in the inventory."""
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text("groups:\n  rack: ['leaf01']\n  other: ['127.0.0.1']\n")
    named = tmp_path / "ansible.ini"
    named.write_text("[rack]\nleaf01 ansible_host=127.0.0.1\nleaf02 ansible_host=127.0.0.2\n")
    switch = sampled[0]
    rows = objects(switch.ovstool(f"--inventory {named} sflow listen --read {capture} --agent leaf01 -f json").stdout)
    assert {row["agent_name"] for row in rows} == {"leaf01"} and {row["agent"] for row in rows} == {"127.0.0.1"}
    assert " leaf01 " in switch.ovstool(f"--inventory {named} sflow listen --read {capture} --count 1").stdout
    columns = switch.ovstool(f"--inventory {named} sflow listen --read {capture} --count 1 -f value -c agent -c agent_name").stdout
    assert columns == "127.0.0.1 leaf01\n"
    assert {
        row["agent_name"] for row in objects(switch.ovstool(f"--inventory {inventory} sflow listen --read {capture} -f json").stdout)
    } == {"127.0.0.1"}
    assert listen("--agent 127.0.0.1 --agent 127.0.0.9 -f json --count 1").stdout
    other = listen("--agent 127.0.0.9")
    assert (other.code, other.stdout, other.stderr) == (
        0,
        "",
        f"ovstool: note: 0 datagrams, no samples\novstool: note: ignored {len(sampled[1])} datagrams from other agents: 127.0.0.1\n",
    )
    unknown = switch.ovstool(f"sflow listen --read {capture} --agent nosuch.invalid")
    assert unknown.code == NOT_FOUND and unknown.stderr.startswith(
        "ovstool: agent nosuch.invalid: not an IP address or a known host name"
    ), unknown


def test_ports_of_another_switch_are_not_given_our_names(sampled, tmp_path):
    switch, datagrams = sampled
    other = tmp_path / "other.pcap"
    other.write_bytes(pcap([datagram.replace(bytes([127, 0, 0, 1]), bytes([192, 0, 2, 9]), 1) for datagram in datagrams]))
    rows = objects(switch.ovstool(f"sflow listen --read {other} -f json").stdout)
    assert {row["agent"] for row in rows} == {"192.0.2.9"}
    assert {row.get("input_port") or row.get("port") for row in rows} == {None}


def test_ports_that_share_an_ifindex_are_known_by_their_openflow_numbers(sampled, capture):
    """As with tunnels, which share a device; counters report both numbers."""
    switch, _ = sampled
    switch.vsctl("set interface eth2 options:ifindex=101")
    try:
        rows = objects(switch.ovstool(f"sflow listen --read {capture} -f json").stdout)
        table = switch.ovstool(f"sflow listen --read {capture} -f value -c kind -c source -c input -c port").stdout
    finally:
        switch.vsctl("set interface eth2 options:ifindex=102")
    counters = {row["source"]: (row["port"], row["iface_id"]) for row in rows if row["kind"] == "counter"}
    assert counters["0:101"] == ("eth1", "vif-1") and counters["0:102"] == ("eth2", None)
    assert {row["input_port"] for row in rows if row["kind"] == "flow"} == {None}
    assert re.search(r"^counter 0:101 \S* ?eth1$", table, re.MULTILINE) and re.search(r"^flow 2:1000 101\b", table, re.MULTILINE)


def test_a_collector_without_a_switch(sampled, capture):
    alone = {"OVSTOOL_DB": "", "OVS_RUNDIR": "/nonexistent"}
    done = sampled[0].ovstool(f"sflow listen --read {capture} -f json --count 1", **alone)
    assert (done.code, objects(done.stdout)[0]["agent"]) == (0, "127.0.0.1")
    named = sampled[0].ovstool(f"--db unix:/nonexistent sflow listen --read {capture} -f json --count 1")
    assert (named.code, named.stdout[-2:]) == (0, "}\n")
    assert named.stderr.startswith("ovstool: note: unix:/nonexistent: no such socket; is ovsdb-server running?; ports have no names\n")


def test_ports_have_names_as_soon_as_the_database_is_there(sampled, tmp_path, monkeypatch):
    monkeypatch.setattr(port_names, "_AGAIN_S", 0.0)
    db = tmp_path / "db.sock"
    with closing(Switch(f"unix:{db}", timeout_s=30)) as switch:
        names = PortNames(switch)
        assert names.find("127.0.0.1", 101) is None
        db.symlink_to(f"{sampled[0].box.directory}/db.sock")
        assert names.find("127.0.0.1", 101) == ("eth1", "vif-1") and names.find("192.0.2.9", 101) is None


def test_losses_and_duplicates_are_reported(sampled, tmp_path):
    switch, datagrams = sampled
    path = tmp_path / "lossy.pcap"
    path.write_bytes(pcap([datagrams[0], datagrams[0], datagrams[-1]]))
    done = switch.ovstool(f"sflow listen --read {path} -f json")
    sequences = [row["datagram_sequence"] for row in objects(done.stdout)]
    assert len(set(sequences)) == 2, "a duplicate is not shown"
    lost = max(sequences) - min(sequences) - 1
    said = ([f"{lost} datagram{'s' * (lost != 1)} lost ({100 * lost / (lost + 2):.0f}%)"] if lost else []) + ["1 duplicate"]
    assert done.stderr.endswith(f"ovstool: note: agent 127.0.0.1: {', '.join(said)}\n")
    top = switch.ovstool(f"sflow listen --read {path} --top --by agent -f json").json
    assert [(row["lost"], row["duplicates"]) for row in top] == ([(lost, 1)] if top else [])


# --- talkers


def test_talkers(listen, sampled):
    rows = listen("--top -f json").json
    assert [(row["talker"], row["samples"]) for row in rows] == [
        ("tcp 10.0.0.1:5001 > 10.0.0.2:80", SENT[1]),
        ("tcp 10.0.0.3:5001 > 10.0.0.2:80", SENT[3]),
    ]
    span_s = 0.5 * len(sampled[1])  # the samples of the first datagram took time too
    for row, count in zip(rows, SENT.values(), strict=True):
        assert row["interval_s"] == pytest.approx(span_s) and row["error_percent"] == 0, "every packet was sampled"
        assert row["bps"] == pytest.approx(8 * FRAME_BYTES * count / span_s, abs=0.001) and row["pps"] == pytest.approx(
            count / span_s, abs=0.001
        )
    assert {key: rows[0][key] for key in ("src", "dst", "ip_proto", "src_port", "dst_port", "vlan_vid", "port")} == {
        "src": "10.0.0.1", "dst": "10.0.0.2", "ip_proto": 6, "src_port": 5001, "dst_port": 80, "vlan_vid": None, "port": None,
    }  # fmt: skip
    table = listen("--top --limit 1").stdout.splitlines()
    assert table[0].split() == ["agent", "talker", "bps", "error_percent", "pps", "samples"] and len(table) == 3


@pytest.mark.parametrize(
    ("by", "talkers"),
    [
        ("src", {"10.0.0.1": 12, "10.0.0.3": 4}),
        ("dst", {"10.0.0.2": 16}),
        ("port", {"eth1": 16}),
        ("vlan", {"untagged": 16}),
        ("agent", {"127.0.0.1": 16}),
    ],
)
def test_talkers_by_other_fields(listen, by, talkers):
    assert {row["talker"]: row["samples"] for row in listen(f"--top --by {by} -f json").json} == talkers


def test_talkers_of_each_interval(listen, sampled):
    """By the capture's own clock, with a datagram every half second."""
    rows = objects(listen("--top --by agent --interval 1 -f json").stdout)
    assert sum(row["samples"] for row in rows) == sum(SENT.values())
    assert all(row["interval_s"] <= 1.000001 for row in rows)
    assert listen("--top --interval 1").stdout.splitlines()[0].split() == ["time", "agent", "talker", "bps", "error_percent"]


def test_talkers_on_a_terminal(sampled, capture):
    text = without_colours(shown(["sflow", "listen", "--read", str(capture), "--top"], sampled[0].environ, 80))
    assert max(map(len, text.splitlines())) <= 80 and "tcp 10.0.0.1:5001 > 10.0.0.2:80" in text


def test_the_live_table(sampled):
    switch, datagrams = sampled
    port = free_port()  # the live table does not show its port number before it is drawn
    environ = {key: value for key, value in switch.environ.items() if key not in ("COLUMNS", "LINES")} | {"TERM": "xterm-256color"}
    argv = [sys.executable, "-m", "ovstool", "sflow", "listen", "--top", "--by", "src", "--interval", "0.2", "--port", str(port)]
    terminal = Terminal(argv, environ, 100, 20)
    try:
        terminal.until("no packets sampled yet(.|\n)*listening on UDP port")
        send(port, datagrams)
        lines = terminal.until(r"10\.0\.0\.3")
        assert lines[0].startswith(f"sFlow, UDP port {port}  ")
        assert "2 talkers  by bps, descending" in lines[0] and lines[2].split()[-2:] == ["127.0.0.1", "10.0.0.1"]
        terminal.press("\n")
        terminal.until(r"details 10\.0\.0\.1(.|\n)*error_percent +0(.|\n)*samples +12")
        terminal.press("q")
        assert terminal.end() == 0
    finally:
        terminal.close()


@pytest.mark.parametrize(
    "words", ["--by src", "--interval 1", "--limit 3", "--read x --bind 127.0.0.1", "--top --by colour", "--port 65536", "--count 0"]
)
def test_invalid_usage(unchanged, words):
    assert unchanged.ovstool(f"sflow listen {words}").code == USAGE


# --- captures


def test_headers_for_other_tools(sampled, capture, tmp_path):
    path = tmp_path / "headers.pcapng"
    assert sampled[0].ovstool(f"sflow listen --read {capture} --pcap {path}").code == 0
    told = subprocess.run(["tcpdump", "-n", "-e", "-r", path], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(told) == sum(SENT.values())
    assert b"127.0.0.1 eth1" in path.read_bytes(), "the interface name"
    assert f"length {FRAME_BYTES}: 10.0.0.1.5001 > 10.0.0.2.80: " in told[0]


def test_the_format_of_a_capture_is_noted_where_its_name_says_another(listen, tmp_path):
    pcapng, other = (listen(f"--count 1 --pcap {tmp_path / name}").stderr for name in ("a.pcapng", "a.pcap"))
    assert other == f"{pcapng}ovstool: note: {tmp_path}/a.pcap: written as pcapng\n"


def test_a_snaplen_that_truncates_datagrams_is_noted(sampled, tmp_path):
    whole = pcap(sampled[1][-1:])
    path = tmp_path / "cut.pcap"
    length = len(whole) - 24 - 16 - 8
    path.write_bytes(whole[:32] + struct.pack("=I", length) + whole[36:-8])
    done = sampled[0].ovstool(f"sflow listen --read {path}")
    assert re.search(r"malformed datagram from 192\.0\.2\.1: truncated: sample needs \d+ bytes, \d+ remain\n", done.stderr)
    assert "note: 1 datagram truncated by the capture's snaplen; try: tcpdump -s 0 when capturing\n" in done.stderr


def test_a_capture_that_is_still_being_made(sampled, tmp_path):
    """Rows are printed as soon as datagrams arrive through a pipe."""
    switch, datagrams = sampled
    argv = [sys.executable, "-m", "ovstool", "sflow", "listen", "--read", "-", "-f", "json"]
    with subprocess.Popen(argv, env=switch.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        data = pcap(datagrams)
        process.stdin.write(data[:-200])
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["agent"] == "127.0.0.1"
        process.stdin.write(data[-200:])
        process.stdin.close()
        assert len(objects(process.stdout.read().decode())) >= sum(SENT.values()) and process.wait() == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, -signal.SIGTERM)])
def test_signals_leave_a_whole_capture_and_the_table(sampled, tmp_path, number, code):
    switch, datagrams = sampled
    path = tmp_path / "headers.pcapng"
    with listening(switch, f"--top --by src --pcap {path}") as (process, port):
        send_and_await(port, datagrams, path)
        time.sleep(1.5)  # talkers are printed every second
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code and "10.0.0.1" in out and err.startswith(f"ovstool: note: {len(datagrams)} datagrams, "), (out, err)
    assert subprocess.run(["tcpdump", "-r", path], capture_output=True, check=True).stdout.count(b"\n") == sum(SENT.values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_within_the_first_interval_leaves_what_was_measured(sampled, tmp_path, number):
    switch, datagrams = sampled
    path = tmp_path / "headers.pcapng"
    with listening(switch, f"--top --interval 1 --by src --pcap {path} -f json") as (process, port):
        send_and_await(port, datagrams, path)
        send_and_await(port, [renumbered(datagrams[-1])], path)  # samples are counted before the next are written
        process.send_signal(number)
        rows = objects(process.communicate(timeout=60)[0])
    assert sum(row["samples"] for row in rows) >= sum(SENT.values())


def test_an_interrupt_between_rows_still_prints_the_summary(sampled, capture, monkeypatch):
    """At any moment: here between two samples of a datagram."""

    def interrupted(sample):
        raise KeyboardInterrupt

    monkeypatch.setattr(wording, "of_sample", interrupted)
    app = App(stdout=io.StringIO(), stderr=io.StringIO())
    assert app.run(["--db", sampled[0].environ["OVSTOOL_DB"], "sflow", "listen", "--read", str(capture)]) == INTERRUPTED
    assert re.match(r"ovstool: note: \d+ datagrams, ", app.stderr.getvalue())


def test_the_summary_is_printed_whenever_it_is_interrupted(sampled):
    with listening(sampled[0], "") as (process, _):
        process.send_signal(signal.SIGINT)  # while the note about the port is being printed
        assert (
            process.communicate(timeout=60)
            == ("", "ovstool: note: no datagrams: no bridge of this switch exports sFlow; try: ovstool help sflow enable\n")
            and process.returncode == INTERRUPTED
        )


# --- nothing arrives


@pytest.mark.parametrize(
    ("target", "bind", "why"),
    [
        ("192.0.2.77:6343", "", "192.0.2.77:6343, which is not an address of this host"),
        ("[2001:db8::7]", "", "[2001:db8::7], which is not an address of this host"),
        ("127.0.0.1:1", "", "127.0.0.1:1, not to port {port}"),
        ("127.0.0.1:1", "--bind 127.0.0.2", "127.0.0.1:1, which is not 127.0.0.2"),
        ("collector.invalid", "", "collector.invalid"),
    ],
)
def test_where_the_switch_exports_to_instead(sampled, target, bind, why):
    switch, _ = sampled
    port = free_port()
    switch.vsctl(f"-- --id=@s create sflow targets='\"{target}\"' -- set bridge br0 sflow=@s")
    try:
        done = switch.ovstool(f"sflow listen {bind} --port {port} --for 0.1", OVS_RUNDIR=str(switch.box.directory), OVSTOOL_DB="")
    finally:
        switch.vsctl("clear bridge br0 sflow")
    note = f"ovstool: note: no datagrams: br0 exports to {why.format(port=port)}; try: ovstool sflow check"
    assert (done.code, done.stderr.splitlines()[1:]) == (0, [note])


def test_the_hint_reaches_the_same_switch(sampled):
    db = sampled[0].environ["OVSTOOL_DB"]
    done = sampled[0].ovstool(f"--db {db} sflow listen --port 0 --for 0.1", OVSTOOL_DB="")
    hint = f"try: ovstool --db {db} help sflow enable"
    assert done.stderr.splitlines()[1:] == [f"ovstool: note: no datagrams: no bridge of this switch exports sFlow; {hint}"]
    assert sampled[0].ovstool(hint.removeprefix("try: ovstool ")).code == 0


def test_nothing_arrives_where_there_is_no_switch(sampled):
    port = free_port()
    done = sampled[0].ovstool(f"sflow listen --port {port} --for 0.1", OVSTOOL_DB="", OVS_RUNDIR="/nonexistent")
    assert done.stderr.splitlines()[1:] == [f"ovstool: note: no datagrams; try: tcpdump -n -i any udp port {port}"]


# --- errors


def test_a_port_that_is_taken(sampled):
    switch, _ = sampled
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = switch.ovstool(f"sflow listen --bind 127.0.0.1 --port {port}")
    hint = f"--port N, or tcpdump -U -w - udp port {port} | ovstool sflow listen --read -"
    assert (done.code, done.stderr) == (CONFLICT, f"ovstool: UDP port {port}: already in use by another program; try: {hint}\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("--bind 192.0.2.1", NOT_FOUND, "address 192.0.2.1: not assigned to any interface; try: omit --bind to listen on all addresses"),
        ("--bind nowhere", USAGE, "sflow listen: --bind: nowhere: not an IP address; try: ovstool help sflow listen"),
        ("--bind fe80::1", USAGE, "sflow listen: --bind: fe80::1: needs a zone, such as fe80::1%eth0; try: ovstool help sflow listen"),
        ("--bind 224.0.0.1", USAGE, "sflow listen: --bind: 224.0.0.1: not the address of one host; try: ovstool help sflow listen"),
        ("--bind ff02::1%lo", USAGE, "sflow listen: --bind: ff02::1%lo: not the address of one host; try: ovstool help sflow listen"),
        (
            "--bind 255.255.255.255",
            USAGE,
            "sflow listen: --bind: 255.255.255.255: not the address of one host; try: ovstool help sflow listen",
        ),
        (
            "--read /dev/null --agent 010.0.0.1",
            NOT_FOUND,
            "agent 010.0.0.1: not an IP address or a known host name; try: --agent 10.0.0.1",
        ),
        ("--read /nonexistent", NOT_FOUND, "/nonexistent: no such file"),
        ("--read /", USAGE, "/: a directory"),
        ("--read /dev/null", CONFLICT, "/dev/null: not a capture, or damaged: empty file"),
        ("--pcap -", USAGE, "--pcap -: cannot write to stdout, where the samples are printed; try: --pcap >(wireshark -k -i -), in bash"),
    ],
)
def test_missing_files(unchanged, words, code, said):
    done = unchanged.ovstool(f"sflow listen {words}")
    assert (done.code, done.stdout, done.stderr) == (code, "", f"ovstool: {said}\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("--by src", USAGE),
        ("-f yaml", USAGE),
        ("--sort-column time", USAGE),
        ("--read /nonexistent", NOT_FOUND),
        ("--read README.md", CONFLICT),
        ("--agent nosuch.invalid", NOT_FOUND),
        ("--bind 192.0.2.1", NOT_FOUND),
    ],
)
def test_a_capture_that_is_there_stays_until_there_is_something_to_listen_to(unchanged, tmp_path, words, code):
    path = tmp_path / "headers.pcapng"
    path.write_text("mine")
    assert unchanged.ovstool(f"sflow listen {words} --pcap {path}").code == code and path.read_text() == "mine"


def test_a_capture_is_not_written_over_itself(unchanged, tmp_path):
    path, link = tmp_path / "capture.pcap", tmp_path / "link"
    path.write_bytes(pcap([b""]))
    link.symlink_to(path)
    done = unchanged.ovstool(f"sflow listen --read {path} --pcap {link}")
    assert (done.code, path.read_bytes()) == (USAGE, pcap([b""]))
    assert done.stderr == "ovstool: --pcap: the same file as --read; try: --pcap with another file\n"


def test_a_folder_that_is_not_there(unchanged, capture):
    done = unchanged.ovstool(f"sflow listen --read {capture} --pcap /nonexistent/x")
    assert (done.code, done.stdout, done.stderr) == (NOT_FOUND, "", "ovstool: /nonexistent/x: no such file or folder\n")


def test_a_full_disk(sampled, capture):
    done = sampled[0].ovstool(f"sflow listen --read {capture} --pcap /dev/full")
    assert (done.code, done.stderr) == (REFUSED, "ovstool: /dev/full: the disk is full\n")


def test_a_capture_that_is_cut_anywhere(sampled, tmp_path):
    """Complete datagrams are shown, and one line says that the capture is incomplete."""
    data = pcap(sampled[1])
    path = tmp_path / "cut.pcap"
    for end in (0, 3, 10, 24, 30, 41, len(data) - 1):
        path.write_bytes(data[:end])
        done = sampled[0].ovstool(f"sflow listen --read {path} -f json")
        errors = [line for line in done.stderr.splitlines() if not line.startswith("ovstool: note: ")]
        if end == 24:
            assert (done.code, errors) == (0, [])
        else:
            assert done.code == CONFLICT and len(errors) == 1 and errors[0].startswith(f"ovstool: {path}: not a capture, or damaged: "), (
                done
            )
    assert len(objects(done.stdout)) > 3, "all datagrams except the last"
    top = sampled[0].ovstool(f"sflow listen --read {path} --top --by src -f json")
    assert top.code == CONFLICT and top.json[0]["src"] == "10.0.0.1"
    path.write_bytes(b"x")
    assert sampled[0].ovstool(f"sflow listen --read {path} --top -f json").stdout == ""
