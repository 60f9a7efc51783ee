"""What commands report before they connect to a switch: contradictory options, files, scripts of the shell."""

import io
import os
import sys
from pathlib import Path

import pytest

from ovstool import __version__
from ovstool.commands import COMMANDS, NOUNS
from ovstool.errors import Exit
from ovstool.recording import csv_format
from ovstool.shell import App
from ovstool.terminal.window import width_of, window_width


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Pipe(io.StringIO):
    encoding = "ascii"


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """No switch, and a window of 100 columns."""
    for name in ("OVSTOOL_DB", "OVSTOOL_HOST", "OVS_CTL_TIMEOUT", "CLIFF_MAX_TERM_WIDTH", "CLIFF_FIT_WIDTH", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OVS_RUNDIR", "/nosuch")
    monkeypatch.setenv("COLUMNS", "100")


def ran(line: str | list[str], stdout: io.StringIO | None = None) -> tuple[int, str, str]:
    app = App(stdout=stdout or Pipe(), stderr=io.StringIO())
    code = app.run(line.split() if isinstance(line, str) else line)
    return code, app.stdout.getvalue(), app.stderr.getvalue()


VERBS = "set, clear, list, show, explain, check, gc, steer, unsteer"
NOT_A_VERB = f"ovstool qos and one of {VERBS}"
RATES = "time, port, interval_s, rx_bps, tx_bps, rx_pps, tx_pps, rx_dropped_ps, tx_dropped_ps, rx_errors_ps, tx_errors_ps, reset"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("port add br0 p --bond a", "--bond: a bond needs at least two members; try: --bond eth2,eth3"),
        ("port add br0 p --bond a,b,a", "--bond: a member is named twice"),
        ("port add br0 p --bond a,b --bond b", "--bond: a member is named twice"),
        ("port add br0 p --bond a,p", "--bond: p is the name of the bond itself"),
        ("port add br0 p --bond-mode active-backup", "--bond-mode: needs --bond; try: --bond eth2,eth3"),
        *((f"port add br0 p --bond a,b {more}", "--bond: members of a bond are devices, without a type or options")
          for more in ("--type internal", "--peer x", "--remote-ip 192.0.2.1", "--key 1", "--option a=b")),
        ("port set eth1", "port set: nothing to change; try: --tag 20, or see 'ovstool help port set'"),
        ("port set eth1 --peer a --option peer=b", "--peer: contradicts --option peer"),
        ("port set eth1 --remote-ip a --option remote_ip=b", "--remote-ip: contradicts --option remote_ip"),
        ("port set eth1 --key a --option key=b", "--key: contradicts --option key"),
        ("port set eth1 --peer a --type vxlan", "--peer: is only for patch ports, not for --type vxlan"),
        *((f"port set eth1 {option} --unset {column}", f"--unset {column}: contradicts the option that sets it") for option, column in (
            ("--tag 0", "tag"), ("--trunk 1", "trunks"), ("--vlan-mode access", "vlan_mode"), ("--type internal", "type"), ("--lacp off", "lacp"),
            ("--mtu 1400", "mtu_request"), ("--bond-mode active-backup", "bond_mode"), ("--peer x", "type"),
        )),
        ("port set eth1 --option a=b --option a=c", "--option a: given twice with different values"),
        ("port set eth1 --external-id a=b --external-id a=c", "--external-id a: given twice with different values"),
        ("confirm --confirm-within 60", "--confirm-within: a confirmation cannot be undone; try: the same command without it"),
        ("bridge set br0", "bridge set: nothing to change; try: --fail-mode secure, or see 'ovstool help bridge set'"),
        ("bridge set br0 --force", "bridge set: nothing to change; try: --fail-mode secure, or see 'ovstool help bridge set'"),
        ("bridge set br0 --external-id a=b --external-id a=c", "--external-id a: given twice with different values"),
        ("bridge set br0 --other-config a=b --other-config a=c", "--other-config a: given twice with different values"),
        *((f"qos set eth1{merge}", "qos set: nothing to set; try: --max-rate 200mbit, or 'ovstool qos clear PORT' to remove the QoS")
          for merge in ("", " --merge", " --force")),
        ("qos set eth1 --queue 1 --queue 1", "queue 1: named twice"),
        ("qos set eth1 --merge --force --max-rate 1mbit", "--force: does not work with --merge; try: --force with the whole QoS of the port"),
        ("qos set eth1 --force --no-wait --queue 0",
         "--force: does not work with --no-wait: ovs-vswitchd must first see the port with another type"),
        ("qos set eth1 --other-config a=b --other-config a=c", "--other-config a: given twice with different values"),
        ("sflow enable br0", "sflow enable: a collector is missing; try: --collector 10.0.0.5"),
        ("stats --count 3", "--count: needs --rate; try: --rate --count 3"),
        ("stats --watch --bursts", "--watch: shows rates, not bursts"),
        ("stats --interval 2", "--interval: without --rate counters are read only once; try: --rate --interval 2"),
        ("stats --interval 0.25 --queues", "--interval: without --rate counters are read only once; try: --rate --interval 0.25"),
        ("stats --for 2", "--for: needs --bursts; try: --bursts --for 2"),
        ("stats --rate --for 0.5", "--for: needs --bursts; try: --bursts --for 0.5"),
        ("stats --queues --bursts", "--queues: does not work with --bursts"),
        ("stats --queues --long", "--queues: does not work with --long"),
        ("stats --long --rate", "--long: shows counters, not rates"),
        ("stats --long --bursts", "--long: shows counters, not rates"),
        ("stats --queues --source ovsdb", "--queues: the database has no queue counters; try: --source openflow"),
        ("stats --bursts --for 0.001 --interval 0.002", "--for 0.001: shorter than one window; try: --for 0.02"),
        ("stats --bursts --for 0.009", "--for 0.009: shorter than one window; try: --for 0.1"),
        ("stats --bursts --interval 10.5", "--for 10: shorter than one window; try: --for 105"),
        ("stats --bursts -c nosuch", "column nosuch: no such column; try: port, direction, windows, interval_s, mean_bps, p50_bps, "
                                     "p95_bps, p99_bps, max_bps, limit_bps, longest_above_s"),
        ("stats --rate -c nosuch", f"column nosuch: no such column; try: {RATES}"),
        ("stats --rate -c host -H a", f"column host: no such column; try: {RATES}"),
        ("stats --rate -c nosuch -H a,b", f"column nosuch: no such column; try: {RATES}, host"),
        ("stats --rate --queues -c nosuch",
         "column nosuch: no such column; try: time, port, queue, interval_s, tx_bps, tx_pps, reset"),
        ("flow add br0", "flow add: needs either flows or a file; try: FLOW..., or --file F"),
        ("flow add br0 a --file f", "flow add: needs either flows or a file; try: FLOW..., or --file F"),
        ("flow add br0 --file /nosuch", "/nosuch: No such file or directory"),
        ("flow replace br0 --file /", "/: Is a directory"),
        ("flow diff br0 --file /nosuch", "/nosuch: No such file or directory"),
        ("sandbox start -n", "--dry-run: sandbox commands have no dry run"),
        ("sandbox stop -H a", "--host: a sandbox always runs on this machine; try: ssh HOST ovstool sandbox"),
        ("sandbox run", "sandbox run: no command given; try: ovstool sandbox run -- ovs-vsctl show"),
        ("sandbox start --dir=", "sandbox start: --dir: empty; try: ovstool help sandbox start"),
        ("complete csh", "csh: no completion for this shell; try: ovstool complete bash or zsh or fish"),
        ("stats plot /nosuch.csv", "/nosuch.csv: no such file or folder"),
        ("stats plot /nosuch.csv --style line", "--style line: needs an image; try: -o NAME.svg"),
        ("stats plot /nosuch.csv --style step", "/nosuch.csv: no such file or folder"),
        ("stats plot f.csv -o x", "x: an image name must end in .svg or .png"),
        ("stats recrod x.csv eth1", "stats: x.csv is a recording, not a port; try: ovstool stats record x.csv eth1"),
        ("stats plt x.db", "stats: x.db is a recording, not a port; try: ovstool stats plot x.db"),
        ("stats plot eth1", "eth1: not a recording: its name must end in .csv, .db, .sqlite or .sqlite3; try: ovstool stats plot --live eth1"),
        ("stats record f.txt", "f.txt: the name of a recording must end in .csv, .db, .sqlite or .sqlite3"),
        ("qos", f"qos: a verb is missing; try: {NOT_A_VERB}"),
        ("qos -x", f"qos: a verb is missing; try: {NOT_A_VERB}"),
        ("qos lst eth1", f"qos: lst is not one of its verbs ({VERBS}); try: ovstool qos list eth1"),
        ("help qos lst", f"qos: lst is not one of its verbs ({VERBS}); try: ovstool help qos list"),
        ("stat", "stat: unknown command; try: ovstool stats"),
        ("po li", '"po li": unknown command; try: ovstool port list or ovstool police list'),
        ("brdige list x", '"brdige list": unknown command; try: ovstool bridge list x'),
        ("potr", "potr: unknown command; try: ovstool port"),
        ("xyzzy", "xyzzy: unknown command; try: ovstool help"),
        ("qos set eth1 --rate 10mbit", "qos set: unrecognized arguments: --rate 10mbit; try: --max-rate or ovstool help qos set"),
        ("police set eth1 --max-rate 1mbit", "police set: unrecognized arguments: --max-rate 1mbit; try: --rate or ovstool help police set"),
        ("stats --bursts --for 10s", "stats: --for: 10s: not a number of seconds above 0; try: 10"),
        ("flow add br0 priority=5 ip actions=drop", "flow priority=5: must specify an action; try: 'priority=5 ip actions=drop'"),
        ("--tiemout 3 show", "command line: unrecognized arguments: --tiemout; try: --timeout or ovstool help"),
        ("-f json port list", "-f: goes after the words of the command; try: ovstool port list -f json"),
        ("-n --format=json port list", "--format: goes after the words of the command; try: ovstool -n port list --format=json"),
        ("-f json", "command line: unrecognized arguments: -f; try: ovstool help"),
        ("- list", '"- list": unknown command; try: ovstool show or ovstool qos list or ovstool port list'),
    ],
)  # fmt: skip
def test_contradictory_usage_is_one_error_line(line, said):
    code, out, err = ran(line)
    if line in ("potr", "- list"):  # suggestions are found by similar letters
        assert (code, out) == (2, "") and err.startswith(f"ovstool: {said.partition(';')[0]}; try: ovstool ")
        return
    assert (out, err) == ("", f"ovstool: {said}\n") and code == (3 if "such file or folder" in said else 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "a\udcff"], '"a\\\\udcff": not valid UTF-8'),
        (["\udcff"], '"\\\\udcff": not valid UTF-8'),
        (["--db", "a\udc80", "show"], '"a\\\\udc80": not valid UTF-8'),
        (["show", "a\0b"], '"a\\\\x00b": contains a NUL character'),
        (["confirm", ""], "confirm: ID: empty; try: ovstool help confirm"),
        (["diff", ""], "diff: FILE: empty; try: ovstool help diff"),
        (["bridge list"], '"bridge list": unknown command; try: ovstool bridge list'),
    ],
)
def test_unprintable_arguments(words, said):
    code, out, err = ran(words)
    assert (code, out, err.replace("\\\\", "\\")) == (2, "", f"ovstool: {said}\n".replace("\\\\", "\\"))


@pytest.mark.parametrize(
    "words",
    [
        "",
        "-t 5",
        "-t5",
        "--db=x -qv",
        "-vH a --sudo",
        "-qvt 5",
        "-HH",
        "-Ht -q",
        "-H t -q",
        "-Hat5",
        "--inventory f --no-wait -n",
        "-t5 -vHx -vH x",
    ],
)
def test_common_options_in_front(words):
    assert ran(f"{words} version --db y") == (0, f"ovstool {__version__}\n", "")


@pytest.mark.parametrize("words", ["--timeout", "-t", "-qt"])
def test_a_common_option_without_its_value(words):
    assert ran(words) == (2, "", "ovstool: command line: -t/--timeout: expected one argument; try: ovstool help\n")


def test_a_traceback_is_shown_when_asked_for_anywhere():
    for line in ("--debug nosuch", "nosuch --debug", "--debug version x", "version x --debug", "--debug --nosuch version"):
        assert ran(line)[2].startswith("Traceback "), line
    assert "Traceback" not in ran("nosuch")[2]


def test_how_a_command_ends(monkeypatch):
    from ovstool.commands.help import Version
    from ovstool.terminal.output import STDOUT

    lost = BrokenPipeError(32, "Broken pipe")
    lost.filename = STDOUT
    for error, code, said in (
        (KeyboardInterrupt(), 130, ""), (lost, 141, ""), (BrokenPipeError(32, "Broken pipe"), 6, "ovstool: this machine: Broken pipe\n"),
        (ValueError("x"), 70, "ovstool: a bug in ovstool: ValueError: x; try: the same command with --debug, and report what it prints\n"),
    ):  # fmt: skip

        def fail(self, args, error=error):
            raise error

        monkeypatch.setattr(Version, "take_action", fail)
        assert ran("version") == (code, "", said)


def test_letters_of_any_script_are_words():
    assert ran(["help", "ä中\U0001f600"])[2].startswith("ovstool: ä中\U0001f600: unknown command")


# --- version


def test_the_version_is_printed_whatever_follows():
    assert ran("version") == ran("--version") == ran("--version show nosuch") == (0, f"ovstool {__version__}\n", "")


def test_the_tables_list_every_command():
    app = App()
    for name, target in COMMANDS.items():
        command_class, found, rest = app.command_manager.find_command([*name.split(), "x"])
        assert (found, rest) == (name, ["x"]) and target.endswith(f":{command_class.__name__}")
    assert list(NOUNS) == list(dict.fromkeys(name.split()[0] for name in COMMANDS))
    assert app.command_manager.find_command(["stats", "eth1"])[1:] == ("stats", ["eth1"])


# --- flows from a file


@pytest.fixture
def flows(tmp_path, monkeypatch):
    """``flows(content)``: the error about a file of flows, or None if it would be sent to the switch."""

    def said(content: bytes) -> str | None:
        Path("f").write_bytes(content)
        code, _, err = ran("flow add br0 --file f --db unix:/nosuch")
        return None if code == Exit.UNREACHABLE else err.removeprefix("ovstool: ").rstrip("\n")

    monkeypatch.chdir(tmp_path)
    return said


GOOD = b"priority=1 actions=drop"


def test_files_of_flows(flows):
    for content in (GOOD, GOOD + b"\n", GOOD + b"\r\n" + GOOD, b"\xef\xbb\xbf" + GOOD, b"# a comment \xc3\xa4\n" + GOOD):
        assert flows(content) is None, content
    assert flows(b"\xff") == "f:1: not UTF-8" and flows(GOOD + b"\n\n\xc3") == "f:3: not UTF-8"
    assert (
        flows(b"\0") == "f:1: contains a NUL character, so it is not text"
        and flows(GOOD + b"\n\0\n\0") == "f:2: contains a NUL character, so it is not text"
    )
    assert flows(b"\0\n\xff") == "f:2: not UTF-8"
    assert flows(GOOD + b"\nmodify " + GOOD).startswith("f:2: ")


def test_flows_from_standard_input(monkeypatch):
    def said(content: bytes, line: str = "flow add br0 --file - --db unix:/nosuch") -> str:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return ran(line)[2]

    assert said(b"\xff") == "ovstool: -:1: not UTF-8\n" and said(b"\nmodify " + GOOD).startswith("ovstool: -:2: ")
    assert said(GOOD).startswith("ovstool: unix:/nosuch")
    assert said(b"\xff", "flow replace br0 --file -") == said(b"\xff", "flow diff br0 --file -") == "ovstool: -:1: not UTF-8\n"

    class Torn(io.BytesIO):
        def read(self, count: int = -1):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Torn()))
    assert ran("flow add br0 --file -")[2] == 'ovstool: "standard input": Input/output error\n'
    assert ran(["flow", "add", "br0", "--file", "x" * 5000])[2].startswith(f"ovstool: {'x' * 64}... (5000 characters): File name too long")


def test_a_file_of_flows_that_is_too_long(monkeypatch, flows):
    from ovstool.commands import flow

    monkeypatch.setattr(flow, "_MAX_FILE", 2**20)  # the real one takes seconds to read
    assert flows(b"#" * 2**20) == "f: contains no flows" and flows(b"#" * (2**20 + 1)) == "f: larger than 1 MiB"


# --- the shell, with a script; typed lines are in tests/switch/test_shell.py


@pytest.fixture
def script(tmp_path, monkeypatch):
    """``script("version\n")``: run it and return its output, in which line numbers have no path in front."""
    monkeypatch.chdir(tmp_path)

    def run(text: str | bytes, line: str = "shell") -> tuple[int, str, str]:
        (tmp_path / "s").write_bytes(text if isinstance(text, bytes) else text.encode())
        return ran(f"{line} s")

    return run


VERSION = f"ovstool {__version__}\n"


def test_commands_one_after_the_other(script):
    assert script("version\n\nversion # a comment\novstool version\n# nothing\nquit\nversion\n") == (0, VERSION * 3, "")
    assert script("exit\nversion\n") == script("") == script(" \n") == (0, "", "")
    unknown = "ovstool: s:3: nosuch: unknown command; try: ovstool help\n"
    assert script("ver\\\nsion\nnosuch") == script("version\r\n\r\nnosuch\r\n") == (2, VERSION, unknown)
    code, out, err = script("version\nsandbox run\nversion")
    assert (code, out, err) == (2, VERSION, "ovstool: s:2: sandbox run: no command given; try: ovstool sandbox run -- ovs-vsctl show\n")
    assert script("version\n'a\n")[1:] == (VERSION, 'ovstool: s:2: "\'a": no closing quotation mark\n')
    assert script("-q\n--version\n-h\n")[:2] == (0, VERSION + ran("help")[1])


def test_a_shell_in_a_shell_is_refused(script):
    said = "shell: this is one already; try: '-H HOST' on a line of its own to go to another switch"
    assert script("shell\n") == (2, "", f"ovstool: s:1: {said}\n")


def test_a_script_continues_on_request(script):
    code, out, err = script("nosuch\nversion\nshell x y\n", "shell --keep-going")
    assert (code, out) == (2, VERSION) and [line.split(": ")[1] for line in err.splitlines()] == ["s:1", "s:3"]
    assert script("exit now\nversion\n", "shell --keep-going")[:2] == (2, VERSION)
    assert script("nosuch\nshow\nversion\n", "shell --keep-going")[:2] == (Exit.SOME_FAILED, VERSION)  # for two different errors
    assert script("nosuch\nexit\nshow\n", "shell --keep-going")[0] == 2


def test_a_script_that_is_not_there(script):
    assert ran("shell nosuch") == (2, "", "ovstool: nosuch: No such file or directory\n")
    assert ran("shell .") == (2, "", "ovstool: .: Is a directory\n")
    assert ran(["shell", "a\0b"])[0] == 2


def test_common_options_of_the_shell_hold_for_its_commands(script):
    keep = "--db unix:/one shell --keep-going"
    assert script("show\n", "--db unix:/one shell --no-wait")[2].startswith("ovstool: s:1: unix:/one: ")
    assert script("show --db unix:/two\n--db unix:/three show\nshow\n", keep)[2].count("unix:/one: ") == 1
    assert "Traceback" in script("show\n", "shell --debug --db unix:/one")[2]
    code, _, err = script("-t 5 --db unix:/two\nshow\n-q\nshow\n-H\nshow\n", keep)
    assert code == 5 and [line.split(": ")[2] for line in err.splitlines()] == ["unix:/two", "unix:/two", "unix:/nosuch/db.sock"]


def test_a_command_is_given_another_host_than_the_shell(script, monkeypatch):
    """The refused port shows which host was tried."""
    hosts = "show\nshow -H 127.0.0.1:2\n-H 127.0.0.1:3\nshow\n-H\nshow\n"
    for line, environ in (("shell --keep-going -H 127.0.0.1:1", ""), ("shell --keep-going", "127.0.0.1:1")):
        monkeypatch.setenv("OVSTOOL_HOST", environ)
        said = [text.split(": ")[2] for text in script(hosts, line)[2].splitlines()]
        assert said == ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "unix:/nosuch/db.sock"]


def test_invalid_scripts(script):
    for data, said in {
        b"version\n\xff\xfe\n": "s:2: the line: not valid UTF-8",
        b"\x7fELF\0\0\n": "s:1: the line: contains a NUL character, so it is not text",
        b"version " + b"x" * 2**20: "s:1: the line: longer than 1 MiB",
        b"version\\": "s:1: the line: ends with a backslash, and no line follows",
        b"\\\n" * 101: "s:1: the line: continued over more than 100 lines, or 1 MiB",
        b"version ; version\n": "s:1: ;: not understood here: only '| COMMAND', '> FILE' and '>> FILE' are; try: quotes around it",
        b"version || version\n": "s:1: ||: not understood here: only '| COMMAND', '> FILE' and '>> FILE' are; try: quotes around it",
        b"version 2>f\n": "s:1: 2>: only standard output can be redirected, with > alone",
        b"| less\n": "s:1: |: no command in front of it",
        b"version x\x1b[2J\n": "s:1: version: unrecognized arguments: x\\x1b[2J; try: ovstool help version",
    }.items():
        code, out, err = script(data)
        assert (code, err) == (2, f"ovstool: {said}\n") and out in ("", VERSION), data[:20]
        assert script(data.removesuffix(b"\\") + b"\nversion\n", "shell --keep-going")[1].endswith(VERSION)


def test_a_long_word_is_read_in_time_that_grows_with_it(script):
    for word in ("x" * 1_000_000, "'x'" * 300_000, "\\x" * 500_000, '"' + "\\x" * 500_000 + '"'):
        assert script(f"version {word}")[0] == 2


def test_nothing_of_a_command_is_left_for_the_next(script):
    lines = "version -q\nshow --db unix:/one -v\nbridge list -c nosuch\nbridge list\n"
    said = [line.split(": ")[1:3] for line in script(lines, "shell --keep-going")[2].splitlines()]
    assert said == [["s:2", "unix:/one"], ["s:3", "column nosuch"], ["s:4", "unix:/nosuch/db.sock"]]


# --- plots of recordings


@pytest.fixture
def recorded(tmp_path) -> Path:
    """14 ports; the traffic of nine of them rises with their number."""
    rows = [f"{second}.0,,br0,eth{port},,{second},{second * port * 1000},,,,,,\n" for second in (1000, 1001) for port in range(14)]
    (tmp_path / "r.csv").write_text(csv_format.HEADER.decode() + "".join(rows))
    return tmp_path / "r.csv"


def test_a_plot_of_a_recording(recorded, monkeypatch):
    code, out, err = ran(f"stats plot {recorded}")
    assert (code, err) == (0, f"ovstool: note: only the 12 ports with the most traffic are shown; 2 more are in {recorded}\n")
    assert (
        max(map(len, out.splitlines())) == 80
        and "eth2 rx   mean 16 kbit/s" in out
        and "eth1 rx" not in out
        and "\x1b" not in out
        and out.isascii()
    )
    code, out, err = ran(f"stats plot {recorded} eth1 eth3 --packets")
    assert (code, err) == (0, "") and "eth3 rx   mean 1 packets/s" in out and out.count(" rx ") == 2
    assert out.startswith("r.csv   ")
    monkeypatch.setenv("COLUMNS", "90")
    screen = Screen()
    assert ran(f"stats plot {recorded} eth1", screen)[0] == 0
    assert "\x1b[36meth1 rx\x1b[0m" in screen.getvalue() and "█" in screen.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    screen = Screen()
    ran(f"stats plot {recorded} eth1", screen)
    assert "\x1b" not in screen.getvalue() and max(map(len, screen.getvalue().splitlines())) == 90


@pytest.mark.parametrize("style", [None, "step", "line"])
def test_an_image_of_a_recording(recorded, monkeypatch, style):
    from ovstool.terminal.plots import plot_image

    drawn = []
    monkeypatch.setattr(plot_image, "draw", lambda picture, target, style: drawn.append((len(picture.traces), picture.unit, target, style)))
    assert ran(f"stats plot {recorded} eth1 --packets -o out.svg{f' --style {style}' if style else ''}") == (0, "", "")
    assert drawn == [(1, "packets/s", "out.svg", style or "step")]


# --- the width of the window


def test_the_width_of_the_window(monkeypatch):
    sizes = [os.terminal_size((50, 5))]
    monkeypatch.setattr(os, "get_terminal_size", lambda fd: sizes[fd - 1])
    for text, width in (("1", 1), ("70", 70), ("10000", 10_000), ("10001", 50), ("0", 50), ("", 50), ("wide", 50), ("-5", 50)):
        monkeypatch.setenv("COLUMNS", text)
        assert window_width() == width
        assert width_of("COLUMNS") == (0 if width == 50 else width)
    sizes[0] = os.terminal_size((0, 0))
    assert window_width() == 80

    def no_terminal(fd):
        raise OSError

    monkeypatch.setattr(os, "get_terminal_size", no_terminal)
    assert window_width() == 80 and width_of("NOSUCH_VARIABLE") == 0
