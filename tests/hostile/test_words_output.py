"""Output to a terminal, a spreadsheet and a full disk, whatever names a switch, a file or a user chooses."""

import csv
import io
import json
import os
import pty
import resource
import shlex
import subprocess
import sys
import xml.etree.ElementTree

import pytest
import yaml
from forked import FORKS

from ovstool.command import report
from ovstool.recording import csv_format
from ovstool.terminal.formats import Formatters

# C0, DEL, C1, direction marks, other line ends, zero-width characters, and a lone surrogate.
STEERING = "\x1b]0;owned\x07\x1b[2J\x08\x7f\x9b31m\u202e\u2066\u200b\u2028\u2029\ufeff\U000e0041"
NAMES = ["\x1b[31mred", "a\nb", "\x7f\x7f", "\x9b2J", "\u202eevil", "a\u2028b", "\tx", "a\rb"]
FORMULAS = ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "=cmd|' /C calc'!A0"]
HEADER = csv_format.HEADER.decode()


def is_clean(text: str, *but: str) -> bool:
    for kept in (*but, "\n"):
        text = text.replace(kept, "")
    return text.isprintable()


def run(*words: str, **options) -> subprocess.CompletedProcess:
    if options.keys() <= {"env"}:
        return FORKS.run(words, options.get("env", os.environ))
    argv = [sys.executable, "-m", "ovstool", *words]
    return subprocess.run(argv, **{"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 60, "check": False} | options)


def on_a_terminal(*words: str) -> str:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "wb") as terminal:
        process = subprocess.Popen(
            [sys.executable, "-m", "ovstool", *words], stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
            env=os.environ | {"TERM": "xterm", "NO_COLOR": ""},
        )  # fmt: skip
    shown = b""
    try:
        while chunk := os.read(ours, 2**16):
            shown += chunk
    except OSError:  # a terminal at its end
        pass
    finally:
        os.close(ours)
        process.wait(60)
    return shown.decode()


@pytest.fixture
def hostile(tmp_path):
    """A recording with such port names, as another program may have written it."""
    path = tmp_path / f"{NAMES[0]}.csv"
    lines = [
        f'{n}.0,"{host}","br{STEERING}","{name}",,{n},{n},,,,,,\n'
        for n in (1, 2)
        for host in ("", "\x1b[1m")
        for name in NAMES
        if "\n" not in name
    ]
    path.write_text(HEADER + "".join(lines), newline="")
    return path


def test_names_of_a_recording_in_a_plot(hostile, tmp_path):
    plain = run("stats", "plot", str(hostile))
    assert plain.returncode == 0, plain
    assert is_clean(plain.stdout.decode()) and is_clean(plain.stderr.decode()) and b"\\x1b[31mred" in plain.stdout
    coloured = on_a_terminal("stats", "plot", str(hostile))
    assert "\x1b[36m" in coloured
    assert is_clean(coloured, "\r\n", "\x1b[36m", "\x1b[33m", "\x1b[0m")


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_names_of_a_recording_in_an_image(hostile, tmp_path, ending):
    target = tmp_path / f"out.{ending}"
    done = run("stats", "plot", str(hostile), "-o", str(target))
    assert (done.returncode, done.stdout) == (0, b"") and is_clean(done.stderr.decode())
    if ending == "svg":
        content = target.read_text()
        xml.etree.ElementTree.fromstring(content)
        assert is_clean(content) and "\\x1b[31mred" in content
    else:
        assert b"\x1b[31m" not in target.read_bytes()


def test_a_port_of_a_recording_that_is_not_there(hostile):
    done = run("stats", "plot", str(hostile), "nosuch")
    assert done.returncode == 3 and is_clean(done.stderr.decode()) and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "words", ["-n port del NAME", "-n police set NAME --rate 1mbit", "-n qos set NAME --max-rate 1mbit", "-vn qos clear eth1 NAME"]
)
def test_notes_about_a_port_with_a_hostile_name(switch, ovstool, words):
    name = "a\x1b[31mb\novstool: note: owned"
    switch.tool("ovs-vsctl", "--timeout=20", "--no-wait", "add-port", "br0", name)
    switch.vsctl("set port eth1 qos=@q -- --id=@q create qos type=linux-htb")
    done = ovstool([name if word == "NAME" else word for word in words.split()])
    assert done.code == 0 and is_clean(done.stdout) and is_clean(done.stderr)
    assert all(line.startswith("ovstool: ") for line in done.stderr.splitlines()) and "ovstool: note: owned" not in done.stderr.splitlines()


def test_notes_logs_errors_and_tracebacks(switch, ovstool):
    """For names typed by the user; none can start a line that looks like one of ours."""
    name = f"p{STEERING}\novstool: note: owned"
    for words in (
        ["-vn", "port", "add", "br0", name],
        ["-v", "--debug", "port", "add", "br0", name, "--type", name],
        ["-v", "--debug", "port", "show", name],
        ["--debug", "flow", "add", "br0", name],
        ["stats", name, "--rate", f"--{name}"],
        ["stats", "record", f"/nosuch/{name}.csv"],
        ["sandbox", "run", "--dir", str(switch.box.directory), "--", name],
        [name, name],
        ["help", name],
        [f"--db=unix:{name}", "-v", "--debug", "show"],
        ["-H", name, "show"],
        ["--inventory", name, "-H", f"@{name}", "show"],
    ):
        done = ovstool(words)
        assert done.stderr and is_clean(done.stdout) and is_clean(done.stderr), words
        assert not [line for line in done.stderr.splitlines() if line.startswith("ovstool: note: owned")], words


@pytest.fixture(scope="module")
def poisoned(running_switch):
    """A switch with such text wherever a database accepts any."""
    with running_switch("dummy") as switch:
        value = json.dumps(STEERING + NAMES[1], ensure_ascii=False)
        switch.tool(
            "ovs-vsctl", "--timeout=20", "set", "bridge", "br0", f"external_ids:{value}={value}", f"external_ids:del={json.dumps('a' + chr(127))}",
            "--", "set", "interface", "eth1", f"external_ids:iface-id={value}",
            "--", "set", "interface", "eth2", f"external_ids:iface-id={json.dumps(FORMULAS[0])}",
        )  # fmt: skip
        yield switch


@pytest.mark.parametrize("style", "csv json lines shell table value yaml plain grid github tsv html latex".split())
def test_every_format_is_clean_and_still_itself(poisoned, style):
    listed = poisoned.ovstool(["port", "list", "-f", style])
    shown = poisoned.ovstool(["bridge", "show", "br0", "-f", style])
    for done in (listed, shown):
        assert (done.code, done.stderr) == (0, "")
        assert is_clean(done.stdout, *(["\t"] if style == "tsv" else []))
    meant = STEERING + NAMES[1]
    if style == "json":
        assert shown.json["external_ids"] == {meant: meant, "del": "a\x7f"} and listed.json[1]["iface_id"] == meant
        assert json.loads(poisoned.ovstool("show -f json --noindent").stdout)
    elif style == "yaml":
        assert yaml.safe_load(shown.stdout)["external_ids"] == {meant: meant, "del": "a\x7f"}
    elif style == "csv":
        rows = list(csv.DictReader(io.StringIO(listed.stdout)))
        assert len(rows) == 3 and rows[2]["iface_id"] == "'=1+1"
    elif style == "tsv":
        assert listed.stdout.count("\t") >= 30
    elif style == "shell":
        assert subprocess.run(["sh", "-ec", shown.stdout], check=False, capture_output=True).returncode == 0


def test_json_in_a_cell_is_json(poisoned):
    cell = next(csv.DictReader(io.StringIO(poisoned.ovstool("show -f csv").stdout)))["bridges"]
    assert isinstance(json.loads(cell), list)


def test_a_dry_run_is_json_that_can_be_sent(poisoned):
    planned = poisoned.ovstool(["-n", "bridge", "set", "br0", f"--external-id=x={STEERING}"])
    assert planned.code == 0 and is_clean(planned.stdout) and is_clean(planned.stderr)
    assert json.dumps(STEERING)[1:-1] in json.dumps(json.loads(planned.stdout))


def csv_of(rows, quoting: str = "nonnumeric") -> list[list[str]]:
    import argparse

    out = io.StringIO()
    Formatters()["csv"].obj.emit_list(("name", "=column"), rows, out, argparse.Namespace(quote_mode=quoting))
    options = {"quoting": csv.QUOTE_NONE, "escapechar": "\\"} if quoting == "none" else {}
    return list(csv.reader(io.StringIO(out.getvalue()), **options))


@pytest.mark.parametrize("quoting", ["all", "minimal", "none", "nonnumeric"])
def test_no_text_in_a_csv_is_a_formula(quoting):
    head, *rows = csv_of([[text, [text, 1]] for text in FORMULAS] + [[{"=k": "v"}, True]], quoting)
    assert head == ["name", "'=column"] and len(rows) == len(FORMULAS) + 1
    assert not [cell for row in rows for cell in row if cell.lstrip().startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20\t\r"))]


def test_numbers_and_plain_text_of_a_csv_stay():
    rows = [[-5, -1.5], [0, None], ["eth1", "a=b"], ["1", "10.0.0.1"], ["'quoted'", "a-b"]]
    assert csv_of(rows)[1:] == [["-5", "-1.5"], ["0", ""], ["eth1", "a=b"], ["1", "10.0.0.1"], ["'quoted'", "a-b"]]


# --- what cannot be written, and what this machine lacks

REFUSED = [["nosuch"], ["show", "--db", "unix:/nosuch"], ["stats", "plot", "/nosuch.csv"], ["version", "--max-width"], ["show", "-t", "x"]]


@pytest.mark.parametrize("words", REFUSED)
@pytest.mark.parametrize("where", ["full", "closed", "a closed pipe"])
def test_an_error_that_cannot_be_printed_keeps_its_exit_code(words, where):
    wanted = run(*words).returncode
    assert wanted in (2, 3, 5)
    if where == "closed":
        assert run(*words, preexec_fn=lambda: os.close(2)).returncode == wanted
        return
    reading = -1
    if where == "full":
        target = os.open("/dev/full", os.O_WRONLY)
    else:
        reading, target = os.pipe()
        os.close(reading)
    try:
        assert run(*words, capture_output=False, stdout=target, stderr=target).returncode == wanted
        assert run(*words, capture_output=False, stdout=subprocess.DEVNULL, stderr=target).returncode == wanted
    finally:
        os.close(target)


@pytest.mark.parametrize("words", [["-v", "show"], ["port", "add", "br0", "p9", "-n"], ["--debug", "show", "-f", "json"]])
def test_notes_that_cannot_be_printed_stop_nothing(poisoned, words):
    with open("/dev/full", "w") as full:
        done = run(*words, env=poisoned.environ, capture_output=False, stdout=subprocess.PIPE, stderr=full)
    assert done.returncode == 0 and done.stdout


@pytest.mark.parametrize("style", ["table", "json", "csv", "yaml", "value", "shell", "lines", "html", "tsv"])
def test_a_full_disk_in_every_format(poisoned, style):
    with open("/dev/full", "w") as full:
        done = run("port", "list", "-f", style, env=poisoned.environ, capture_output=False, stdout=full, stderr=subprocess.PIPE)
        both = run("port", "list", "-f", style, env=poisoned.environ, capture_output=False, stdout=full, stderr=full)
    assert (done.returncode, done.stderr) == (6, b"ovstool: standard output: No space left on device\n")
    assert both.returncode == 6


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"), "No usable temporary directory found"),
        (OSError(24, "Too many open files"), "Too many open files; try: "),
        (OSError(23, "Too many open files in system"), "Too many open files in system"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("a failure\nof no number"), "a failure\\nof no number"),
        (PermissionError(13, "Permission denied", "/x/\x1by"), "/x/\\x1by: Permission denied"),
        (BrokenPipeError(32, "Broken pipe"), "Broken pipe"),
        (MemoryError(), "out of memory"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
        (ImportError("libx.so: cannot open shared object file"), "libx.so"),
        (RuntimeError("can't start new thread"), "no more threads"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("host", [None, "leaf01"])
def test_missing_resources_are_neither_a_bug_nor_an_output_error(error, words, host):
    said = io.StringIO()
    assert report(error, False, said, host) == 6
    line = said.getvalue()
    assert line.startswith(f"ovstool: {host}: " if host else "ovstool: ") and line.endswith("\n") and line[:-1].isprintable()
    assert words in line and "standard output" not in line and "bug" not in line


def test_a_bug_is_one_line_too():
    said = io.StringIO()
    assert report(KeyError("a\x1b[31m\nb"), False, said) == 70
    assert said.getvalue()[:-1].isprintable() and "KeyError" in said.getvalue()


@pytest.mark.parametrize("count", [5, 6, 8])
@pytest.mark.parametrize(
    "words",
    [
        "show",
        "topology -f svg",
        "flow list br0",
        "stats record {tmp}/new.csv --count 1",
        "sandbox start --dir {tmp}/box",
        "stats plot {tmp}/old.csv -o {tmp}/out.svg",
    ],
)
def test_few_file_descriptors(poisoned, tmp_path, words, count):
    (tmp_path / "old.csv").write_text(HEADER + "".join(f"{n}.0,,br0,eth1,,{n},{n},,,,,,\n" for n in range(5)))
    argv = shlex.split(words.format(tmp=tmp_path))
    done = run(*argv, env=poisoned.environ, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count)))
    stderr = done.stderr.decode()
    assert done.returncode in (0, 5, 6), stderr
    assert "Traceback" not in stderr and "bug in ovstool" not in stderr and "standard output" not in stderr
    if done.returncode:
        assert stderr.startswith("ovstool: ") and stderr.count("\n") <= 2


def test_too_little_memory(poisoned):
    """With any amount it ends with one of ovstool's exit codes and a line, unless Python itself cannot start."""
    codes = set()
    for mebibytes in (40, 48, 56, 64, 80):
        limit = mebibytes * 2**20
        done = run("show", env=poisoned.environ, preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        codes.add(done.returncode)
        if b"Fatal Python error" not in done.stderr and b"error while loading shared libraries" not in done.stderr:
            assert done.returncode in (0, 6) and b"Traceback" not in done.stderr, done.stderr
    assert 70 not in codes
