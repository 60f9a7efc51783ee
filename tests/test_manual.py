"""The manual is correct: its examples run, its keys are those that commands print, and its units are those of units.py.

Most commands run in this process, so that a hundred of them take seconds.
"""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sflow_datagrams as spec
from database import Database
from sflow_by_tshark import pcap
from sflow_packets import FRAME, PACKETS
from sflow_records import COUNTERS, FLOW

from ovstool import units
from ovstool.commands import COMMANDS, NOUNS
from ovstool.commands.monitor import Monitor
from ovstool.document import reading
from ovstool.document.parameters import by_host
from ovstool.errors import UsageError
from ovstool.host import inventory
from ovstool.host.deadline import Deadline
from ovstool.shell import App, _leading_options
from ovstool.switch import Change, police
from ovstool.switch.accepts import qos_types
from ovstool.switch.checks.datapath import Qdisc, TcClass
from ovstool.switch.checks.explain import InstalledQueue

ROOT = Path(__file__).parent.parent
MAN = ROOT / "man"
PAGES = sorted(MAN.glob("*.[17]"))
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "EXAMPLES", "EXIT STATUS", "SEE ALSO"]
OVERVIEW = (MAN / "ovstool.1.in").read_text()
BOOK = (MAN / "ovstool-cookbook.7.in").read_text()
UNITS = (MAN / "ovstool-units.7.in").read_text()


def sections(text: str, macro: str = "SH") -> dict[str, str]:
    """The sections of a page by title."""
    _, *parts = re.split(rf"^\.{macro} (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def examples(text: str) -> list[str]:
    return re.findall(r"^\.EX\n(.*?)^\.EE$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("noun", NOUNS)
def test_a_page_has_all_its_sections(noun):
    page = sections((MAN / f"ovstool-{noun}.1").read_text())
    assert [title for title in page if title in SECTIONS] == SECTIONS
    of_json = {name for name in COMMANDS if name.split()[0] == noun} - {"stats record", "stats plot", *WITHOUT_JSON}
    told = {name for titles in sections(page.get("JSON KEYS", ""), "SS") for name in titles.replace(r"\-", "-").split(", ")}
    assert of_json <= told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_groff_prints_no_warnings(page):
    environ = os.environ | {"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MANROFFSEQ": ""}
    done = subprocess.run(["man", "--warnings", "-l", page], env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout and "\\-" not in done.stdout  # a hyphen that was escaped twice, in an example to be copied


def test_pages_refer_to_existing_pages():
    names = {page.name for page in PAGES}
    for page in PAGES:
        for name, section in re.findall(r"^\.BR (ovstool\S*) \((\d)\)", page.read_text().replace(r"\-", "-"), re.MULTILINE):
            assert f"{name}.{section}" in names, page.name


# --- a switch on which examples run

# Replacements for what this switch lacks, or what would take long.
STAND_INS = [
    (r"\b10\.0\.0\.5\b", "127.0.0.1"),
    (r"--for 3600", "--for 0.3 --interval 0.1"),
    (r"--for \d\d\b", "--for 0.3"),
    (r"--interval 5\b", "--interval 0.3"),
    (r"sflow listen", "sflow listen --port 0"),
]
# Commands that need another host, root or a terminal, or never end; lines of ovstool are still parsed.
NOT_HERE = r"(?m)^ovstool -H|--db[ =]tcp|--watch|--listen|^(?:tc|sudo|ssh|sflowtool|make|Host|source) |\bssh |^while |iperf3|^ovstool monitor(?! --until)"
ENDS = {"ovstool --read-only": {2}, "ovstool qos check": {0, 1}, "ovstool sflow check": {0, 1}, "ovstool police check": {0, 1}}
ENDS |= {"ovstool diff": {0, 1}, "ovstool export | ovstool -H": {0}}
ENDS |= {
    "ovs-ofctl dump-ports br0 | grep": {1},
    "ovs-ofctl diff-flows": {0, 2},
    "ovstool snapshot save - | diff": {0, 1},
    "ovsdb-client --timeout": {-14},
}


class Desk:
    """Runs examples on a switch and in a directory: ovstool in this process, everything else in bash."""

    def __init__(self, switch, folder: Path):
        self.switch, self.folder = switch, folder
        program = folder / "bin" / "ovstool"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m ovstool "$@"\n')
        program.chmod(0o755)
        self.environ = switch.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}:/usr/sbin:/sbin"}
        switch.vsctl("add-port br0 tap0 -- set interface tap0 external_ids:iface-id=7b1c2f4e-vif")
        self.mac = switch.vsctl("get interface tap0 mac_in_use").strip('"')

    def type_in(self, block: str) -> list[str]:
        """Run an example and return its errors."""
        block = block.replace("\\\n", "").replace("52:54:00:12:34:56", self.mac)
        for pattern, word in STAND_INS:
            block = re.sub(pattern, word, block)
        lines = block.splitlines()
        is_script = any(not line.startswith(("ovs", "sqlite3")) for line in lines)
        return [fault for line in ([block] if is_script else lines) for fault in self._type_line(line)]

    def _type_line(self, line: str) -> Iterator[str]:
        if re.search(NOT_HERE, line):
            for words in re.findall(r"^ovstool (?:[^|>']|'.*?')*", line, flags=re.MULTILINE):
                parsed(words)
            return
        command, sign, rest = re.fullmatch(r"(?s)((?:[^|>']|'.*?')*)(?: ([|>]) (.*))?", line).groups()
        if command.startswith("ovstool ") and not command.startswith("ovstool sandbox"):
            code, out, err = self.ovstool(command)
            if sign == ">":
                (self.folder / rest).write_text(out)
            elif sign and code == 0:
                code, err = self._bash(rest, out)
        else:
            code, err = self._bash(line)
        expected = next((codes for start, codes in ENDS.items() if line.startswith(start)), {0})
        if code not in expected:
            yield f"{code}: {line}\n{err}"

    def ovstool(self, command: str) -> tuple[int, str, str]:
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.switch.box.environ.items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            code = App(out, err).run(shlex.split(command)[1:])
        return int(code), out.buffer.getvalue().decode(), err.buffer.getvalue().decode()

    def _bash(self, script: str, stdin: str = "") -> tuple[int, str]:
        argv = ["bash", "-o", "pipefail", "-c", script]
        options = {"cwd": self.folder, "env": self.environ, "capture_output": True, "text": True, "timeout": 60}
        done = subprocess.run(argv, input=stdin, check=False, **options)
        return done.returncode, done.stdout + done.stderr


def parsed(line: str) -> None:
    """Parse a command as App does, and raise the same errors."""
    app, words = App(), shlex.split(line)[1:]
    words = words[_leading_options(app.parser, words) :]
    command_class, name, rest = app.command_manager.find_command(words)
    command_class(app, app.options, name).get_parser(f"ovstool {name}").parse_words(rest, app.options)


@pytest.fixture
def desk(switch, tmp_path):
    return Desk(switch, tmp_path)


@pytest.mark.parametrize("noun", sorted(NOUNS.keys() - {"sandbox", "complete"}))
def test_the_examples_of_a_page_run(desk, noun):
    blocks = examples(sections((MAN / f"ovstool-{noun}.1.in").read_text())["EXAMPLES"])
    assert blocks
    assert [fault for block in blocks for fault in desk.type_in(block)] == []


def test_the_examples_of_the_overview_run(desk):
    blocks = [block for block in examples(sections(OVERVIEW)["EXAMPLES"]) if "sandbox" not in block]
    assert len(blocks) == 2
    assert [fault for block in blocks for fault in desk.type_in(block)] == []


def test_a_change_is_taken_back_as_the_overview_says(desk):
    save, go_back = examples(sections(OVERVIEW)["CHANGES"])
    assert desk.type_in(save) == []
    configured_flows = desk.ovstool("ovstool flow list br0 -f flows")
    desk.ovstool("ovstool qos set eth1 --max-rate 10mbit --queue 1")
    desk.ovstool("ovstool flow add br0 priority=5,arp,actions=drop")
    assert desk.type_in(go_back) == []
    assert desk.switch.rows("QoS", "type") == []
    assert desk.ovstool("ovstool flow list br0 -f flows") == configured_flows


def test_the_inventory_of_the_overview_is_read(tmp_path):
    groups, variables = examples(sections(OVERVIEW)["HOSTS"])
    (tmp_path / "inventory.yaml").write_text(groups + variables)
    hosts = [host.address for host in inventory.hosts(["@all"], str(tmp_path / "inventory.yaml"), Deadline(5))]
    assert (len(hosts), hosts[0], hosts[16], hosts[-1]) == (25, "leaf01", "admin@spine1", "192.0.2.9:2222")
    [page] = examples(sections((MAN / "ovstool-document.7.in").read_text())["PARAMETERS"])
    in_docs = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/document.md").read_text(), re.DOTALL)[-1]
    for text in (page, in_docs):
        template = reading.Template("page.yaml", text.encode())
        found = inventory.Source(str(tmp_path / "inventory.yaml"), Deadline(5), by_host.variables(template))
        targets = found.hosts(["leaf[01-02]"])
        pages, errors = by_host.documents(template, by_host.values(template, found, targets, None))
        assert errors == []
        assert [page.bridges["br0"].ports["eth0"].settings[("tag",)] for page in pages] == [21, 20]


def test_the_examples_of_the_sandbox_run(desk):
    blocks = examples(sections((MAN / "ovstool-sandbox.1.in").read_text())["EXAMPLES"])
    of_its_own = re.sub(r"(sandbox (start|stop|env))", rf"\1 --dir {desk.folder / 'box'}", "".join(blocks[:-1]))
    assert desk.type_in("set -e\n" + of_its_own.replace("start", "start --datapath dummy")) == []
    assert "iperf3" in blocks[-1]


# --- cookbook

# Columns that ovs-vswitchd writes, and sFlow's agent, which the two ways choose differently.
OBSERVED = {"datapath_id", "datapath_version", "mac_in_use", "admin_state", "link_state", "link_resets", "mtu", "ofport", "statistics"}
OBSERVED |= {"status", "error", "lacp_current", "bond_active_slave", "agent"}
TASKS = {title: examples(text) for part in sections(BOOK).values() for title, text in sections(part, "SS").items()}


def test_the_cookbook_has_both_ways_of_thirty_tasks():
    assert len(TASKS) >= 30
    for title, blocks in TASKS.items():
        *_, ours, theirs = blocks
        assert all(line.startswith(("ovstool ", "  ")) for line in ours.splitlines()), title
        assert "ovstool" not in theirs, title


def test_examples_fit_a_terminal():
    lines = [line for source in MAN.glob("*.in") for block in examples(source.read_text()) for line in block.splitlines()]
    assert [line for line in lines if len(line) > 78] == []


def test_both_ways_of_each_task_run_and_do_the_same(desk, running_switch, tmp_path):
    """Run the tasks in order, each way on its own switch, and compare what is referred to, as ovs-vsctl leaves rows behind."""
    (tmp_path / "other").mkdir()
    with running_switch("dummy") as switch:
        other = Desk(switch, tmp_path / "other")
        ours, theirs = (Database(each.switch) for each in (desk, other))
        for title, (*_, ovstool, incantation) in TASKS.items():
            assert desk.type_in(ovstool) + other.type_in(incantation) == [], title
            assert configured(ours.tree()) == configured(theirs.tree()), title


def configured(value):
    """The configuration in a tree of rows, without the columns that ovs-vswitchd writes."""
    if isinstance(value, list):
        return [configured(item) for item in value]
    return {key: configured(item) for key, item in value.items() if key not in OBSERVED} if isinstance(value, dict) else value


# --- units


def rows(section: str, table: int = 0) -> list[list[str]]:
    """The rows of a table without its header; columns are two spaces apart."""
    _, *lines = examples(sections(UNITS)[section])[table].splitlines()
    return [re.split(r" {2,}", line) for line in lines]


@pytest.mark.parametrize(("section", "parse", "known"), [
    ("RATES", units.parse_rate, units._RATE_UNITS), ("SIZES", units.parse_size, units._SIZE_UNITS | units._BYTE_UNITS),
])  # fmt: skip
def test_units_have_the_values_in_the_manual(section, parse, known):
    told = {unit: int(bits) for names, bits in rows(section) for unit in names.split(", ")}
    assert told == {unit: bits for unit, bits in known.items() if unit}
    for unit, bits in told.items():
        assert parse(f"3{unit}") == 3 * bits
    assert parse("1 MBIT") == 10**6
    assert parse("1.5gbit") == 1_500_000_000


@pytest.mark.parametrize(("table", "parse"), [(0, units.parse_rate), (1, units.parse_size)])
def test_errors_are_those_in_the_manual(table, parse):
    for text, message in rows("WHAT IS REFUSED", table):
        with pytest.raises(UsageError) as refused:
            parse(text)
        assert str(refused.value) == f"{text}: {message}"


def test_other_values_are_refused():
    for text in ("0", "-1", "1e6", str(2**63), "0.5bit"):
        with pytest.raises(UsageError):
            units.parse_rate(text)
    with pytest.raises(UsageError, match="1kbit or 2kbit"):
        police.spec(1500, None, None, None)


def test_columns_hold_what_the_manual_says(desk):
    """The number in the table is the value in the column, whatever the unit."""
    told = {where: (rate, burst) for where, _, rate, burst in rows("WHAT IS STORED")}
    desk.ovstool("ovstool -q qos set eth1 --max-rate 10mbit --queue 0:min=10mbit,max=10mbit,burst=2112kbit")
    desk.ovstool("ovstool -q qos set eth2 --type egress-policer --max-rate 10mbit --burst 2112kbit")
    desk.ovstool("ovstool -q police set eth1 --rate 10mbit")
    stored = [config for table in ("QoS", "Queue") for row in desk.switch.rows(table, "other_config") for config in row["other_config"][1]]
    found = dict(stored)
    assert found["max-rate"] == found["min-rate"] == told["QoS other_config:max-rate (HTB, HFSC)"][0]
    assert found["min-rate"] == told["Queue other_config:min-rate, max-rate"][0]
    assert found["burst"] == told["Queue other_config:burst (HTB)"][1]
    assert found["cir"] == told["QoS other_config:cir, eir (policers)"][0]
    assert found["cbs"] == told["QoS other_config:cbs, ebs (policers)"][1]
    policed = desk.switch.vsctl("get interface eth1 ingress_policing_rate ingress_policing_burst").split()
    assert policed == [told["Interface ingress_policing_rate"][0], told["Interface ingress_policing_burst"][1]]


def test_keys_of_qos_have_the_units_of_the_manual():
    told = {}
    for keys, unit in rows("WHAT IS STORED", 1):
        names, kinds = re.fullmatch(r"(.*) \((.*)\)", keys).groups()
        told |= {(f"linux-{kind}", name): unit for kind in kinds.split(", ") for name in names.split(", ")}
    as_written = [kind for kind in map(qos_types.named, qos_types.NAMES) if kind.keys and not kind.shapes]
    assert told == {(kind.name, name): key.unit for kind in as_written for name, key in kind.keys.items()}


def test_conversions():
    of_tc = {"kbps": 8_000, "mbps": 8_000_000}
    for rate, max_rate, policing, cir, tc in rows("CONVERSIONS"):
        bps = units.parse_rate(rate)
        number, unit = re.fullmatch(r"(\d+)(.*)", tc).groups()
        assert (bps, bps // 1000, bps // 8, bps) == (int(max_rate), int(policing), int(cir), int(number) * of_tc[unit])
    for rate, burst in rows("CONVERSIONS", 1):
        assert police.default_burst_kbit(units.parse_rate(rate) // 1000) == int(burst)


def test_values_are_printed_as_the_manual_says():
    for number, shown in rows("WHAT IS PRINTED"):
        assert units.human_rate(int(number)) == shown


# --- keys of JSON

WITHOUT_JSON = {"sandbox env", "sandbox run", "sandbox shell", "schema", "shell", "complete", "help", "version"}
# The command that prints these keys, by title in the manual.
PRINTED = {
    "show": "show br0", "metrics": "metrics", "export": "export br0", "diff": "diff wanted.yaml", "apply": "apply wanted.yaml", "bridge list": "bridge list", "bridge show": "bridge show br0", "port list": "port list br0",
    "port show": "port show eth1", "stats": "stats eth1", "stats --rate": "stats eth1 --rate --interval 0.05",
    "stats --queues": "stats eth1 --queues", "stats --queues --rate": "stats eth1 --queues --rate --interval 0.05",
    "stats --bursts": "stats eth1 --bursts --for 0.05", "flow list": "flow list br0", "flow list --parsed": "flow list br0 --parsed",
    "flow diff": "flow diff br0 --file none.txt", "flow trace": "flow trace br0 in_port=eth1,ip,nw_dst=10.0.0.2",
    "police list": "police list", "police check": "police check", "qos list": "qos list", "qos show": "qos show eth1",
    "qos explain": "qos explain eth1", "qos check": "qos check", "qos gc": "qos gc", "sflow list": "sflow list", "sflow check": "--read-only sflow check",
    "sflow listen --top": "sflow listen --read all.pcap --top",
    "confirm": "confirm", "bridge add, bridge set, bridge del": "bridge add br9", "port add, port set, port del": "port add br0 p9",
    "flow add, flow del, flow replace": "flow add br0 priority=1,actions=drop", "police set, police clear": "police clear eth2",
    "snapshot save": "snapshot save saved.json", "snapshot restore": "snapshot restore kept.json", "topology": "topology", "history": "history", "undo": "undo", "qos set, qos clear, qos steer, qos unsteer": "qos clear eth1", "sflow enable, sflow disable": "sflow disable br0",
}  # fmt: skip
KINDS = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string", list: "list", dict: "object"}
NOT_ON_DUMMY = {"queues[].has": InstalledQueue, "queues[].tc": TcClass, "interfaces[].qdisc": Qdisc}  # null here, in `qos explain`


def documented(noun: str) -> dict[str, dict[str, str]]:
    """The types of keys, by the title of the section that describes them."""
    text = (MAN / f"ovstool-{noun}.1").read_text().replace(r"\-", "-")
    entry = re.compile(r"^\.TP\n\\fB(\S+)\\fP \((.*)\)$", re.MULTILINE)
    return {title: dict(entry.findall(part)) for title, part in sections(sections(text)["JSON KEYS"], "SS").items()}


def keys(value, told: dict[str, str], path: str) -> Iterator[str]:
    """The keys of a value with their paths, without the keys of objects that the manual does not describe in detail."""
    if path:
        assert is_as_told(value, told[path]), f"{path} is {value!r}, not {told[path]}"
    if isinstance(value, list):
        inside = f"{path}[]" if path else ""
        yield from (key for item in value if isinstance(item, dict) for key in keys_of_object(item, told, inside))
    elif isinstance(value, dict):
        yield from keys_of_object(value, told, path)


def keys_of_object(value: dict, told: dict[str, str], path: str) -> Iterator[str]:
    front = f"{path}." if path else ""
    if path and not any(key.startswith(front) for key in told):
        return
    for name, item in value.items():
        assert f"{front}{name}" in told, f"the manual has no {front}{name}"
        yield f"{front}{name}"
        yield from keys(item, told, f"{front}{name}")


def is_as_told(value, kind: str) -> bool:
    """Whether a value has a type such as ``integer or null, bit/s`` or ``list of strings``."""
    names = kind.partition(",")[0].split(" or ")
    containers = {name.partition(" of ")[0]: name.partition(" of ")[2].removesuffix("s") for name in names}
    name = KINDS[type(value)]
    if name == "integer" and "number" in containers:
        name = "number"
    items = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return name in containers and all(containers[name] in ("", KINDS[type(item)]) for item in items)


@pytest.fixture
def full(desk):
    """A switch with some of every configuration."""
    run = desk.switch.tool
    run("ovs-vsctl", "set-controller", "br0", "tcp:127.0.0.1:1")
    desk.switch.vsctl("--id=@q create queue other_config:min-rate=1 -- --id=@p create qos type=linux-htb")
    for line in (
        "qos set eth1 --max-rate 200mbit --queue 0:min=100mbit --queue 1:min=50mbit --queue 2", "port set eth1 --external-id iface-id=x",
        "police set eth2 --rate 10mbit --confirm-within 60", "sflow enable br0 --collector 127.0.0.1", "port add br0 vx1 --type vxlan --remote-ip 192.0.2.7",
        "flow add br0 priority=5,ip,actions=set_queue:1,NORMAL",
    ):  # fmt: skip
        assert desk.ovstool(f"ovstool -q {line}")[0] == 0
    run("ovs-vsctl", "set", "interface", "eth2", "ingress_policing_burst=1")
    run("ovs-vsctl", "set", "sflow", "br0", "agent=nosuch")
    assert desk.ovstool("ovstool snapshot save kept.json")[0] == 0
    (desk.folder / "wanted.yaml").write_text("bridges: {br0: {ports: {eth1: {tag: 5}}}}\n")
    (desk.folder / "none.txt").write_text("priority=7 actions=drop\n")
    (desk.folder / "all.pcap").write_bytes(pcap(list(datagrams())))
    return desk


def datagrams() -> Iterator[bytes]:
    """A sample of each packet and of each record type, and some unusual samples."""
    for protocol, packet, _ in PACKETS.values():
        yield spec.datagram(spec.flow(spec.header(packet, protocol)))
    for tag, (body, *_) in FLOW.items():
        yield spec.datagram(spec.flow(spec.record(tag, body)))
    for tag, (body, *_) in COUNTERS.items():
        yield spec.datagram(spec.counter(spec.record(tag, body)))
    internal, dropped, several = 0x3FFFFFFF, 0x40000102, 0x80000003
    for went in (internal, dropped, several):
        yield spec.datagram(spec.flow(spec.header(FRAME), interfaces=(internal, went)), spec.drop(spec.record(1, b"cut short")))


def test_the_keys_of_json_are_those_of_the_manual(full):
    told = {title: types for noun in NOUNS if noun not in WITHOUT_JSON for title, types in documented(noun).items()}
    assert told.keys() - {"flow top", "monitor", "sflow listen", "sandbox start, sandbox stop"} == PRINTED.keys()
    for title, command in PRINTED.items():
        code, out, err = full.ovstool(f"ovstool {command} -f json")
        assert code in (0, 1), (title, err)
        printed = set(keys(json.loads(out), told[title], ""))
        unseen = {path for path in NOT_ON_DUMMY if title == "qos explain"}
        hidden = {key for key in told[title] if key.startswith(tuple(f"{path}." for path in unseen))}
        assert printed == told[title].keys() - hidden, title


def test_names_of_keys_tell_their_units():
    units_of_ends = {"bps": "bit/s", "pps": "packets/s", "ps": "packets/s", "s": "s", "ms": "ms", "bytes": "bytes", "percent": "percent"}
    units_of_ends |= {"rate": "bit/s", "burst": "bits", "packets": "packets"}
    unlike = {"sampling_rate", "packet_rate", "police_packet_rate", "packet_burst"}
    for noun in NOUNS.keys() - WITHOUT_JSON:
        for key, kind in ((key.rpartition(".")[2], kind) for types in documented(noun).values() for key, kind in types.items()):
            unit = units_of_ends.get(re.split("_", key)[-1])
            if unit and "_" in key and key not in unlike:
                assert kind.partition(", ")[2] == unit, (noun, key)


def test_the_keys_of_commands_that_do_not_run_here():
    assert tuple(documented("sandbox")["sandbox start, sandbox stop"]) == Change._fields
    told = documented("qos")["qos explain"]
    for path, row_class in NOT_ON_DUMMY.items():
        assert tuple(key.removeprefix(f"{path}.") for key in told if key.startswith(f"{path}.")) == row_class._fields


def test_the_keys_of_monitor():
    assert tuple(documented("monitor")["monitor"]) == Monitor.columns


def test_the_keys_of_flow_top(full):
    packet = "in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),ipv4(proto=17,frag=no),udp(src=1,dst=2)"
    rows: list = []
    while not rows:  # the packets may be counted before the first reading
        for _ in range(3):
            full.switch.tool("ovs-appctl", "-t", "ovs-vswitchd", "netdev-dummy/receive", "eth1", packet)
        rows = json.loads(full.ovstool("ovstool flow top br0 --interval 0.6 -f json")[1])
    told = documented("flow")["flow top"]
    assert set(keys(rows, told, "")) == told.keys()


def test_the_keys_of_samples(full):
    """Each key of a sample is in the manual, and some sample has each key of the manual."""
    code, out, err = full.ovstool("ovstool sflow listen --read all.pcap -f json")
    assert code == 0, err
    page = (MAN / "ovstool-sflow.1").read_text().replace(r"\-", "-")
    fields = re.findall(r"^\.TP\n\\fB(\w+)\\fP\n((?:[a-z].*\n)+)", page, re.MULTILINE)
    told, seen = documented("sflow")["sflow listen"], set()
    for line in out.splitlines():
        for key, value in json.loads(line).items():
            if isinstance(value, dict):
                assert value.keys() <= {word for record, text in fields if record == key for word in re.findall(r"\w+", text)}, key
            else:
                key = re.sub(r"^vlan\d_", "vlan_", key.removeprefix("inner_"))
                assert key in told, f"the manual has no {key}"
                assert is_as_told(value, told[key]), f"{key} is {value!r}"
                seen.add(key)
    assert seen == told.keys()
