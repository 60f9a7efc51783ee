"""On a terminal: output fits the window, leaves out what is empty, has colours, and goes through a pager."""

import re
import shlex

import pytest
from on_terminal import shown, without_colours

LONGEST = "p" * 15
MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
LISTS = ("bridge list", "port list", "stats", "stats --long", "stats --queues", "police list", "qos list", "sflow list", "flow list br0")
CHECKS = ("qos check", "police check", "sflow check --read-only")
PAGES = (
    "show",
    "topology",
    "topology --all-ports",
    "qos explain eth1",
    "qos show eth1",
    "port show eth1",
    "bridge show br0",
    "flow trace br0 in_port=1,ip,nw_dst=10.0.0.2",
)
WHOLE = ("10.0.0.5:6343", "192.168.100.200:16343", "7f3c1a90-5a3e-4b57-9f8e-0c5d1f2b3a4d", "52:54:00:00:00:01", "192.168.100.0/24", LONGEST)
FLOW = (
    "priority=10,ip,in_port=1,nw_src=10.0.0.0/24,nw_dst=192.168.100.0/24,nw_tos=0,"
    "actions=set_field:52:54:00:00:00:01->eth_dst,set_queue:3,resubmit(,10),output:2"
)


@pytest.fixture(scope="module")
def full(running_switch):
    """A switch whose every list has long values in all of its columns."""
    with running_switch("dummy", ["eth1", "eth2", LONGEST]) as switch:
        switch.vsctl(
            f"set interface {LONGEST} external_ids:iface-id=7f3c1a90-5a3e-4b57-9f8e-0c5d1f2b3a4d ingress_policing_rate=123456"
            f" -- set port {LONGEST} trunks=1,2,3,4,10,100,200,300,4000 -- set bridge br0 fail_mode=secure"
            " -- set-controller br0 tcp:127.0.0.1:1 tcp:[::1]:6653"
            ' -- --id=@s create sFlow agent=eth1 targets=[\\"10.0.0.5:6343\\",\\"[fd00::5]:6343\\",\\"192.168.100.200:16343\\"]'
            " sampling=400 -- set bridge br0 sflow=@s"
        )
        done = switch.ovstool("qos set eth1 --max-rate 200mbit --queue 0:min=100mbit --queue 1:min=50mbit,max=50mbit")
        assert done.code == 0, done
        switch.tool("ovs-ofctl", "add-flow", "br0", FLOW)
        yield switch


def on(switch, command: str, columns: int, lines: int = 1000, **environ: str) -> str:
    return shown(shlex.split(command), switch.environ | environ, columns, lines)


@pytest.mark.parametrize("columns", [20, 40, 80, 120, 200])
@pytest.mark.parametrize("command", [*LISTS, *CHECKS, *PAGES])
def test_no_line_is_wider_than_the_window(full, command, columns):
    text = without_colours(on(full, command, columns))
    assert text.strip()
    lines = text.splitlines()
    assert [line for line in lines if len(line) > columns and not line.lstrip().startswith("try: ")] == []
    if columns >= 80:
        together = re.sub(r"\s", "", text)
        for word in [*WHOLE, *(row["mac_in_use"] for row in full.rows("Interface", "mac_in_use")), *headers(full, command)]:
            assert not isinstance(word, str) or text.count(word) == together.count(word), word


def headers(switch, command: str) -> list[str]:
    """The columns of a listing command."""
    rows = switch.ovstool(f"{command} -f json").json if command in LISTS else []
    return list(rows[0]) if rows else []


@pytest.fixture(scope="module")
def large(running_switch):
    """A switch with 300 ports whose names have the maximum length, and with a value in most of their columns."""
    names = [f"port{number:03}-is-long" for number in range(300)]
    with running_switch("dummy", ["eth1"]) as switch:
        adds = " ".join(f"-- add-port br0 {name} tag={number} -- set interface {name} external_ids:iface-id={name}-{number} type=dummy"
                        f" ingress_policing_rate={10 ** (number % 9)}" for number, name in enumerate(names))  # fmt: skip
        switch.vsctl(f"--no-wait {adds.removeprefix('-- ')}")
        assert switch.ovstool(f"--no-wait qos set {' '.join(names)} --max-rate 200mbit --queue 0:min=100mbit").code == 0
        flows = [f"table={number},in_port={number + 1},actions=set_queue:0,output:{number + 2}" for number in range(250)]
        assert switch.ovstool(shlex.join(["flow", "add", "br0", *flows])).code == 0
        yield switch


@pytest.mark.parametrize("columns", [20, 80, 120])
def test_lists_of_300_ports_fit_the_window(large, columns):
    for command in (*LISTS, *CHECKS, "show", "topology --all-ports", "qos show port299-is-long", "bridge show br0"):
        lines = without_colours(on(large, command, columns, 60_000)).splitlines()
        assert [line for line in lines if len(line) > columns and not line.lstrip().startswith("try: ")] == [], command
        if columns >= 80 and command in ("port list", "stats", "police list", "qos list", "show"):
            assert [name for name in ("port000-is-long", "port299-is-long") if not any(name in line for line in lines)] == [], command


@pytest.mark.parametrize("command", [*LISTS, "flow top br0 --interval 0.2"])
def test_columns_without_a_value_are_left_out(switch, command):
    rows = switch.ovstool(f"{command} -f json").json
    empty = [name for name in rows[0] if all(row[name] in (None, [], "", {}) for row in rows)] if rows else []
    text = on(switch, command, 300)
    assert [name for name in empty if re.search(rf"\b{name}\b", text)] == []
    for options in ("--all-columns", "-f table --all-columns", f"-c {empty[-1]}" if empty else "--all-columns"):
        assert not rows or (empty or list(rows[0]))[-1] in on(switch, f"{command} {options}", 300)


def test_the_columns_left_out_are_named(switch, ovstool):
    left_out = subprocess_stderr(switch, "port list")
    assert left_out == "ovstool: note: no value in tag, trunks, iface_id, error; try: --all-columns\n"
    assert subprocess_stderr(switch, "port list --all-columns") == subprocess_stderr(switch, "port list -c port") == ""
    assert ovstool("port list").stderr == ""
    assert "iface_id" in ovstool("port list").stdout


def test_a_note_is_folded_at_spaces_but_its_command_is_not(switch, ovstool):
    command = "qos set eth1 --max-rate 10mbit --queue 1:min=5mbit"
    ovstool(command)
    [note] = ovstool(command).stderr.splitlines()
    remedy = "ovstool qos set eth1 --merge --queue 0"
    assert len(note) > 120 and note.endswith(f"; try: {remedy}")
    for columns in (20, 40, 80, 120, 300):
        first, *lines = shown(shlex.split(command), switch.environ, columns, of="both").splitlines()
        assert first == "eth1: unchanged"
        assert columns == 300 or lines.pop() == f"    try: {remedy}"
        assert [line for line in lines if len(line) > columns] == []
        assert note.startswith(" ".join(" ".join(lines).split()))


def subprocess_stderr(switch, command: str) -> str:
    return shown(shlex.split(command), switch.environ, 80, of="stderr")


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("police list", "no port is policed"), ("qos list", "no port has a QoS"), ("sflow list", "no bridge has sFlow"),
        ("flow list br0 cookie=7/-1", "no flows"), ("qos check", "no problem found"), ("police check", "no problem found"),
        ("sflow check", "no bridge exports sFlow"),
    ],
)  # fmt: skip
def test_an_empty_list_says_what_there_is_none_of(switch, ovstool, command, what):
    done = ovstool(command)
    assert (done.stdout, done.stderr, done.code) == ("", f"ovstool: note: {what}\n", 0)
    assert without_notes(ovstool(f"{command} -q")) and without_notes(ovstool(f"{command} -f json"))


def without_notes(done) -> bool:
    return (done.stdout.strip(), done.stderr, done.code) in (("", "", 0), ("[]", "", 0))


def test_a_check_prints_blocks_whose_remedy_can_be_copied(full):
    (finding, *_) = full.ovstool("qos check eth1 -f json").json
    plain = without_colours(on(full, "qos check eth1", 60))
    blocks = plain.split("\n\n")
    first, *evidence, remedy = blocks[0].splitlines()
    assert first == f"eth1: {finding['severity']}: {finding['problem']}"[:60] or plain.startswith("eth1: ")
    assert " ".join(line.strip() for line in evidence).endswith(finding["evidence"][-30:].split(" ", 1)[1])
    assert remedy == f"  try: {finding['remedy']}"


@pytest.mark.parametrize(
    ("environ", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)]
)
def test_colours_are_for_terminals_that_have_them(full, environ, is_coloured):
    for command, loud in (
        ("show", "NOT CONNECTED"),
        ("topology", "NOT CONNECTED"),
        ("qos check eth1", full.ovstool("qos check eth1 -f json").json[0]["severity"]),
    ):
        text = on(full, command, 80, **environ)
        assert bool(re.search(rf"\x1b\[3[13]m{loud}\x1b\[0m", text)) == is_coloured
        assert loud in text and is_coloured == ("\x1b" in text)


@pytest.mark.parametrize(("environ", "red", "green", "end"), [({}, "\x1b[31m", "\x1b[32m", "\x1b[0m"), ({"NO_COLOR": "1"}, "", "", "")])
def test_a_difference_is_red_and_green_only_on_a_terminal(full, tmp_path, environ, red, green, end):
    (tmp_path / "flows").write_text("table=7,priority=5,ip actions=drop\n")
    for command, gap in (("flow diff br0", " "), ("flow replace br0 --dry-run", "")):
        plain = full.ovstool(f"{command} --file {tmp_path}/flows").stdout
        gone = [line for line in plain.splitlines() if line.startswith(f"-{gap}")]
        assert plain.splitlines() == [*gone, f"+{gap}table=7 priority=5,ip actions=drop"] and gone
        shown_lines = on(full, f"{command} --file {tmp_path}/flows", 1000, **environ).splitlines()
        assert shown_lines[: len(gone) + 1] == [f"{red}{line}{end}" for line in gone] + [f"{green}{plain.splitlines()[-1]}{end}"]
    lines = on(full, f"flow diff br0 --file {tmp_path}/flows -f csv", 1000, **environ)
    assert "\x1b" not in lines


def pager(tmp_path, script: str) -> dict[str, str]:
    (tmp_path / "pager").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "pager").chmod(0o755)
    return {"PAGER": f"{tmp_path}/pager 'its own word'"}


@pytest.mark.parametrize("command", ["port list", "show", "help qos set", "port show eth1"])
def test_what_is_longer_than_the_screen_goes_through_the_pager(full, tmp_path, command):
    environ = pager(tmp_path, 'echo "paged by $1 with $LESS"; cat')
    whole = on(full, command, 120, PAGER="cat")
    height = whole.count("\n")
    assert on(full, command, 120, height, **environ) == f"paged by its own word with FRX\n{whole}"
    assert on(full, command, 120, height + 1, **environ) == whole
    assert on(full, command, 120, 3, PAGER="") == whole


@pytest.mark.parametrize("command", ["port list -f json", "port list -f csv", "port list -f value", "qos set eth2 --max-rate 1gbit"])
def test_output_for_programs_does_not_go_through_the_pager(switch, tmp_path, command):
    assert "paged" not in on(switch, command, 80, 2, **pager(tmp_path, "echo paged; cat"))


def test_a_plot_that_is_longer_than_the_screen_goes_through_the_pager(switch, tmp_path):
    command = f"stats record {tmp_path}/r.csv eth1 --interval 0.01 --count 3"
    assert switch.ovstool(command).code == 0
    assert on(switch, f"stats plot {tmp_path}/r.csv", 80, 5, **pager(tmp_path, "echo paged; cat")).startswith("paged")


@pytest.mark.parametrize("its", ["/nonexistent/pager", "false", "sh -c 'exit 3'", "sh -c 'kill -9 $$'", "'"])
def test_a_pager_that_is_missing_or_dies_loses_nothing(full, its):
    assert on(full, "port list", 80, 3, PAGER=its) == on(full, "port list", 80, PAGER="cat")


def test_a_pager_that_is_quit_early_ends_it_quietly(full):
    assert on(full, "port list", 80, 3, PAGER="head -n 1").startswith("bridge ")


def test_a_duration_is_in_words_only_for_people(full):
    assert re.search(r"  (?:[0-9.]+s|[0-9]+m [0-9]+s)  ", on(full, "flow list br0", 200))
    assert isinstance(full.ovstool("flow list br0 -f json").json[0]["duration_s"], float)
    assert not re.search("[0-9][ms]$", full.ovstool("flow list br0 -c duration_s").stdout, re.MULTILINE)


def test_a_stream_of_rows_fits_too(full):
    lines = on(full, "stats --rate --interval 0.05 --count 2", 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("eth1" in line for line in lines) == 2
    assert sum("interval_s" in line for line in lines) == 1
