"""The live table in its own process on a pseudo-terminal; pyte renders what a user would see."""

import fcntl
import os
import re
import signal
import struct
import sys
import termios
import time

import pytest
from live_terminal import TIMEOUT_S, Terminal

_COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9\d|10\d)(?:;\d+)*m")
_BEGIN = """
import sys, time
from ovstool.pace import Pace
from ovstool.rates import QueueRate, Rate
from ovstool.terminal.live.cells import Characters
from ovstool.terminal.live.live import Live, has_keyboard
from ovstool.terminal.live.rates import RatesView
from ovstool.terminal.live.table import Table
from ovstool.terminal.live.view import Seen
from ovstool.terminal.window import encoding_of

class LiveRates(Live):
    def __init__(self, speeds={}, rate_class=Rate, sort=None, descending=True, title="ovstool stats", stdin=None, **how):
        view = RatesView(rate_class, sort, descending, Characters(encoding_of(sys.stdout)))
        view.link_speeds[None] = speeds
        super().__init__(Table(view, title, has_keyboard(stdin), **how), stdin)

    def show(self, rows):
        return super().show([Seen(None, row) for row in rows])

def rate(port, rx=0.0, tx=0.0, reset=False, dropped=0.0, pps=0.0):
    return Rate(1e9, port, 0.25, rx, tx, pps, pps, dropped, 0.0, 0.0, 0.0, reset)

def unknown(port, reset=False):
    return Rate(1e9, port, 0.25, *[None] * 8, reset)

def watch(rows, speeds={}, rate_class=Rate, **how):
    with LiveRates(speeds, rate_class, **how) as table:
        while table.show(rows):
            time.sleep(0.02)
    print("ended", flush=True)
"""


def opened(program: str, columns: int = 100, lines: int = 30, wrap=lambda argv: argv, **environ: str) -> Terminal:
    """A terminal with a program that may use ``rate``, ``unknown`` and ``watch``."""
    clean = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    code = f"import fcntl, os, termios\nif os.getpid() == os.getsid(0): fcntl.ioctl(2, termios.TIOCSCTTY, 0)\n{_BEGIN}\n{program}"
    usual = {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", "COLUMNS": "33", "LINES": "7"}
    return Terminal(wrap([sys.executable, "-c", code]), clean | usual | environ, columns, lines)


@pytest.fixture
def terminal():
    running = []

    def run(program: str, *size: int, **how) -> Terminal:
        running.append(opened(program, *size, **how))
        return running[-1]

    yield run
    for each in running:
        each.close()


def ports(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines if re.match(r"eth\d", line)]


def many(count: int) -> str:
    return f"[rate(f'eth{{i}}', rx=i * 1e6, tx=5e5, pps=1e7) for i in range({count})]"


@pytest.mark.parametrize("count", [3, 100])
@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (40, 10), (200, 50), (24, 6), (5, 3), (1, 1)])
def test_fits_the_screen(terminal, columns, lines, count):
    shown = terminal(f"watch({many(count)}, dict.fromkeys(['eth1', 'eth2'], 10**9))", columns, lines)
    if columns >= 40:
        seen = shown.until(f"eth{count - 1} ")
        assert ports(seen) == [f"eth{i}" for i in range(count - 1, -1, -1)][: len(ports(seen))]
        assert (f"1-{len(ports(seen))} of {count} ports" if len(ports(seen)) < count else f"{count} ports") in seen[0]
        assert (f"{count - 1} M" in seen[2]) and "500 k" in seen[2]
        assert any("history" in line for line in seen) == (columns > 40) and ("rx pkt/s" in seen[1]) == (columns > 100)
    while shown.raw.count(b"\x1b[H") < 3:
        assert shown.read()
        shown.press("x")
    frame = shown.frame()
    assert [len(line) for line in frame] == [columns] * lines
    shown.press("q")
    assert shown.end() == 0


def test_follows_the_size_of_the_window(terminal):
    shown = terminal(f"watch({many(100)})", 80, 24)
    shown.until("1-20 of 100 ports")
    shown.resize(40, 10)
    shown.until("1-7 of 100 ports")
    shown.resize(120, 60)
    lines = shown.until("1-56 of 100 ports")
    assert len(ports(lines)) == 56 and lines[-1].startswith("q quit")


THREE = "[rate('eth1', rx=3e6, tx=1e6), rate('eth2', rx=1e6, tx=2e6), unknown('eth3'), rate('eth4', rx=2e6, tx=5e6)]"


@pytest.mark.parametrize(
    ("how", "order"),
    [
        ("", "4 1 2 3"),
        ("sort='tx_bps'", "4 2 1 3"),
        ("sort='rx_bps'", "1 4 2 3"),
        ("sort='rx_bps', descending=False", "2 4 1 3"),
        ("sort='port'", "4 3 2 1"),
        ("sort='interval_s'", "1 2 3 4"),
    ],
)
def test_sorted_as_asked(terminal, how, order):
    assert ports(terminal(f"watch({THREE}, {how})").until("eth1")) == [f"eth{i}" for i in order.split()]


def test_keys(terminal):
    shown = terminal(f"watch({THREE}, title='br0')")
    assert "br0  " in shown.until(r"by rx\+tx, descending")[0]
    for keys, seen, order in [
        ("s", "by port, descending", "4 3 2 1"),
        ("r", "by port, ascending", "1 2 3 4"),
        ("\x1b[C", "by rx_bps, ascending", "2 4 1 3"),
        ("\x1bOC", "by tx_bps, ascending", "1 2 4 3"),
        ("\x1b[D\x1b[D\x1b[D", r"by rx\+tx, ascending", "2 1 4 3"),
        ("\x1b[D", "by reset, ascending", "1 2 3 4"),
        ("\x1b[1;5Cx\x1bs", r"by rx\+tx, ascending", "2 1 4 3"),
    ]:
        shown.press(keys)
        assert ports(shown.until(seen)) == [f"eth{i}" for i in order.split()]
    shown.press("q")
    assert shown.end() == 0
    assert shown.raw.endswith(b"ended\r\n")


def test_pause_keeps_what_is_shown(terminal, tmp_path):
    other = tmp_path / "other"
    shown = terminal(
        "import os\nwith LiveRates() as table:\n"
        f"    while table.show([rate('eth2' if os.path.exists({str(other)!r}) else 'eth1')]): time.sleep(0.02)"
    )
    shown.until("eth1")
    shown.press(" ")
    shown.until("PAUSED")
    other.touch()
    shown.press("s")
    assert ports(shown.until("by port")) == ["eth1"]
    shown.press(" ")
    assert "PAUSED" not in shown.until("eth2")[0]


def test_q_does_not_wait_for_the_next_reading(terminal):
    shown = terminal("with LiveRates() as table:\n    table.show([rate('eth1')])\n    time.sleep(1000)\nprint('ended')")
    shown.until("eth1")
    shown.press("q")
    assert shown.end() == 0
    assert shown.raw.endswith(b"ended\r\n")


def test_q_before_the_block_has_begun(terminal):
    """On a slow machine the first screen is drawn, and a key pressed, before the main thread gets that far."""
    late = "start = Live._begin\ndef begin(live): start(live); time.sleep(1)\nLive._begin = begin\n"
    shown = terminal(f"{late}watch({THREE})")
    while b"\x1b[?7l" not in shown.raw:
        assert shown.read()
    shown.press("q")
    assert shown.end() == 0
    assert shown.raw.endswith(b"ended\r\n")


def test_a_window_of_any_size(terminal):
    """The table draws for a window of a realistic size only."""
    shown = terminal(f"watch({THREE})")
    shown.until("eth1")
    fcntl.ioctl(shown.master, termios.TIOCSWINSZ, struct.pack("HHHH", 5000, 5000, 0, 0))
    time.sleep(0.5)
    shown.press("q")
    assert shown.end() == 0
    assert len(shown.raw) < 5 * 10**6


def test_ctrl_c_goes_to_the_caller(terminal):
    shown = terminal(f"try: watch({THREE})\nexcept KeyboardInterrupt: print('interrupted')")
    shown.until("eth1")
    shown.press("\x03\x03")
    assert shown.end() == 0
    assert shown.raw.endswith(b"interrupted\r\n")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_killed(terminal, signum):
    shown = terminal(f"watch({THREE})")
    shown.until("eth1")
    shown.process.send_signal(signum)
    assert shown.end() == 128 + signum


def test_ctrl_c_while_the_terminal_takes_nothing(terminal):
    shown = terminal(f"watch({many(99)})", 200, 99)
    shown.until("eth98")
    before = -1
    while before != (before := fcntl.ioctl(shown.master, termios.FIONREAD, b"....")):  # until its buffer is full
        time.sleep(0.5)
    deadline = time.monotonic() + TIMEOUT_S
    while shown.process.poll() is None and time.monotonic() < deadline:
        shown.press("\x03")  # the first leaves the table, a second one does not wait for the terminal
        time.sleep(0.2)
    assert shown.process.poll() == -signal.SIGINT
    assert termios.tcgetattr(shown.master) == shown.modes


def test_an_exception(terminal):
    shown = terminal("with LiveRates() as table:\n    table.show([rate('eth1')])\n    time.sleep(0.3)\n    1 / 0")
    assert shown.end() == 1
    assert b"ZeroDivisionError" in shown.raw.rpartition(b"\x1b[?1049l")[2]


def test_a_failure_of_drawing_is_raised(terminal):
    shown = terminal(f"watch({THREE}, sort='nonsense')")
    assert shown.end() == 1
    assert b"AttributeError" in shown.raw.rpartition(b"\x1b[?1049l")[2]


def test_stopped_and_continued(terminal):
    def in_a_shell(argv):
        take = "import fcntl, os, sys, termios; fcntl.ioctl(2, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
        shell = ["bash", "-c", 'set -m; "$@"; echo "stopped $?"; stty -a; read; fg', "bash", *argv]
        return [sys.executable, "-c", take, *shell]

    shown = terminal(f"watch({THREE})", wrap=in_a_shell)
    shown.until("eth1")
    shown.press("\x1a")
    shown.until("stopped 148(.|\n)* icanon(.|\n)* echo ")
    shown.press("\n")
    shown.until(r"by rx\+tx(.|\n)*eth1(.|\n)*q quit")
    shown.press("s")
    shown.until("by port")
    shown.press("q")
    assert shown.end() == 0


HOSTILE = [
    "\x1b[2J\x1b[31mred",
    "a\nb\rc",
    "[bold]x[/]",
    "\x9b31m",
    "\u202eltr",
    ":smile:",
    "中" * 30,
    "e" + "\u0301" * 40,
    "x" * 300,
    "\x07\x0e\x08",
]


def test_hostile_names_send_no_control_characters(terminal):
    rows = f"[rate(name) for name in {HOSTILE!r}]"
    program = (
        f"with LiveRates(title={HOSTILE[0]!r}) as table:\n    table.note({HOSTILE[1]!r})\n    while table.show({rows}): time.sleep(0.02)"
    )
    shown = terminal(program, 80, 24)
    lines = shown.until(":smile:")
    assert r"\x1b[2J\x1b[31mred" in lines[0] and any(re.search(r"^\d\d:\d\d:\d\d a\\nb\\rc$", line) for line in lines)
    assert any(line.startswith("[bold]x[/] ") for line in lines) and any(line.startswith(r"a\nb\rc ") for line in lines)
    assert len([line for line in lines if re.search(" 0 +▁", line)]) == len(HOSTILE)
    shown.press("q")
    shown.end()
    raw = shown.raw.decode()
    assert not [text for text in ("\x1b[2J", "\x1b[31mred", "\x9b", "\u202e", "\x07", "\x0e", "\x08", "a\nb") if text in raw]


def test_names_that_the_terminal_cannot_show(terminal):
    shown = terminal("watch([rate('nätz', rx=1.0), rate('eth2', rx=9.0)])", 80, 10, PYTHONIOENCODING="ascii:backslashreplace")
    shown.until(r"n\\xe4tz +1 +#+ ")
    shown.press("q")
    shown.end()
    assert shown.raw.isascii() and all(len(line) == 80 for line in shown.frame())


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}])
def test_no_color(terminal, environ):
    shown = terminal("watch([rate('eth1', rx=9e8, dropped=1.0), unknown('eth2', True)], {'eth1': 10**9})", **environ)
    shown.until("eth1")
    shown.press("q")
    shown.end()
    assert bool(_COLOUR.search(shown.raw.decode())) != bool(environ)


def test_what_is_not_known(terminal):
    shown = terminal("watch([unknown('eth1'), unknown('eth2', reset=True), rate('eth3')], {'eth1': 10**9, 'eth2': 10**9})", 160)
    lines = shown.until("eth1")
    assert [line.replace("▁", "").split() for line in lines[2:5]] == [
        ["eth3", "0", "-", "0", "-", *"0000"],
        ["eth1", *"--------"],
        ["eth2", "reset", *"--------"],
    ]


def test_a_reset_is_marked_where_there_is_no_room(terminal):
    terminal(f"watch([unknown({'x' * 30!r}, reset=True)])", 40, 10).until("x…! ")


def test_utilisation(terminal):
    rows = "[rate('eth1', rx=250e6, tx=1e6), rate('eth2', rx=2e9, tx=1e9), rate('eth3', rx=1e6)]"
    lines = terminal(f"watch({rows}, {{'eth1': 10**9, 'eth2': 10**9}})", 100).until("eth1")
    eth2, eth1, eth3 = lines[2:5]
    assert re.search(r"250 M .*█ █▌ +25% +1 M .*█ ▏ +<1% ", eth1)
    assert re.search(r"2 G .*█ █{6} 200% +1 G .*█ █{6} 100% ", eth2)
    assert re.search(r"1 M [ █]+ - +0 ", eth3)


def test_readings_between_two_redraws(terminal):
    shown = terminal(
        "with LiveRates() as table:\n    n = 0\n    while table.show([rate('eth1', rx=200e6 * (n % 2))]):\n        n += 1; time.sleep(0.002)"
    )
    lines = shown.until(r"eth1 +(9\d\.?\d*|10\d\.?\d*) M +█████")
    assert any(re.match(r"rates: mean of \d+ readings, .* highest of them$", line) for line in lines)


def test_a_port_that_is_gone(terminal):
    shown = terminal(
        "with LiveRates() as table:\n    n = 0\n"
        "    while table.show([rate('eth1'), rate('eth2')] if n < 20 else [rate('eth1')]):\n        n += 1; time.sleep(0.02)"
    )
    shown.until("2 ports")
    assert ports(shown.until("1 port ")) == ["eth1"]


def test_queues(terminal):
    rows = "[QueueRate(1e9, 'eth1', queue, 0.25, queue * 1e6, 2.0, queue == 3) for queue in (10, 2, 3)]"
    lines = terminal(f"watch({rows}, rate_class=QueueRate)").until("eth1")
    assert [line.split()[:2] for line in lines[2:5]] == [["eth1", "10"], ["eth1", "reset"], ["eth1", "2"]]
    assert lines[1].split() == ["port", "queue", "tx", "bit/s", "history", "tx", "pkt/s"] and "by tx_bps" in lines[0]


def test_without_a_keyboard(terminal):
    shown = terminal(f"watch({THREE}, stdin=open('/dev/null'))")
    lines = shown.until("eth1")
    assert not any("quit" in line for line in lines)
    assert termios.tcgetattr(shown.master) == shown.modes
    shown.process.send_signal(signal.SIGINT)
    assert shown.end() != 0


# --- the command behind it, and the bar of hosts

STREAM = """
import copy
from ovstool.shell import App
from ovstool.stream import Sample, SwitchStream

class Ticks(SwitchStream):
    "Rates of two ports, the same again and again"
    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--watch", action="store_true")
        parser.add_argument("--interval", type=float)
        return parser
    def view(self, args, sort, descending): return RatesView(Rate, sort, descending, Characters("utf-8"))
    def row_class(self, args): return Rate
    def streams(self, args): return True
    def on_switch(self, switch, args):
        switch.notes.extend(f"note {number}" for number in range(25))
        while True:
            yield Sample([rate("eth1", rx=250e6), rate("eth2", rx=5e8)], {"eth1": 10**9})
            time.sleep(0.02)

app = App()
command = Ticks(app, app.options, "x")
print("ended", command.run(command.get_parser("x").parse_words("WORDS".split(), copy.copy(app.options))), flush=True)
"""


@pytest.mark.parametrize(
    ("words", "head", "names", "speeds"),
    [
        ("--db unix:/x", r"^unix:/x .* 2 ports  by rx\+tx, descending", ["eth2", "eth1"], ["-", "25%"]),
        ("--sort-column port", r"^Open vSwitch .* by port, ascending", ["eth1", "eth2"], ["25%", "-"]),
        ("--sort-column port --sort-descending", r"^Open vSwitch .* by port, descending", ["eth2", "eth1"], ["-", "25%"]),
        ("--sort-ascending", r"^Open vSwitch .* by rx\+tx, ascending", ["eth1", "eth2"], ["25%", "-"]),
        ("-H a,b --sort-column port", r"^Open vSwitch .* 4 ports  by port", ["a eth1", "a eth2", "b eth1", "b eth2"], ["25%", "-"] * 2),
    ],
)
def test_a_command_whose_rows_stay_in_place(terminal, words, head, names, speeds):
    shown = terminal(STREAM.replace("WORDS", f"--watch {words}"), 130, 12)
    lines = shown.until(rf"{head}(.|\n)*{'b eth1.* 25% ' if '-H' in words else 'eth1.* 25% '}(.|\n)*note 24")
    rows = [line for line in lines if "eth" in line]
    assert [re.split(r"  +", row)[0] for row in rows] == names
    assert [re.search(r" (25%|-) ", row)[1] for row in rows] == speeds
    assert re.search(r"\n\d\d:\d\d:\d\d (b: |a: )?note 24", "\n".join(lines))
    shown.press("q")
    assert shown.end() == 0
    after = shown.raw.rpartition(b"\x1b[?1049l")[2].decode().replace("\r", "").splitlines()
    notes = [line for line in after if line.startswith("ovstool: note: ")]
    assert after[-1] == "ended 0" and len(notes) == 20 and notes[-1].endswith("note 24")
    if "-H" not in words:
        assert notes == [f"ovstool: note: note {number}" for number in range(5, 25)]


def test_columns_that_a_live_table_lacks(terminal):
    shown = terminal(STREAM.replace("WORDS", "--watch --sort-column nosuch"))
    while shown.read():
        pass
    assert b"column nosuch: no such column; try: time, port, interval_s, rx_bps" in shown.raw and b"ended 2" in shown.raw
    assert b"\x1b" not in shown.raw


def test_a_progress_bar_appears_after_a_second_and_is_erased(terminal):
    wait = "from ovstool.terminal.live.progress import progress\nwith progress(sys.stderr, 5) as show:\n    show(1); time.sleep({0}); show(2); time.sleep(0.2); show(3); time.sleep({1})\nprint('ended', flush=True)"
    shown = terminal(wait.format(1.1, 1), 60, 10)
    while b"3/5" not in shown.raw:
        assert shown.read()
    assert re.search(rb"hosts .*3/5", shown.raw)
    while shown.read():
        pass
    assert [line.rstrip() for line in shown.screen.display if line.strip()] == ["ended"]
    assert b"\x1b[?25l" in shown.raw and b"\x1b[?25h" in shown.raw
    short = terminal(wait.format(0.1, 0.1), 60, 10)
    while short.read():
        pass
    assert short.raw == b"ended\r\n"


# --- what it must not change


def test_the_callers_streams_and_signals_are_as_they_were(terminal):
    shown = terminal(
        "import signal, threading\n"
        "def state(): return [signal.getsignal(n) for n in (1, 2, 3, 15, 20)], sys.stdout, sys.stderr\n"
        "before, during = state(), []\n"
        "with LiveRates() as table:\n"
        "    while table.show([rate('eth1')]):\n"
        "        during = [state()[1:] == before[1:], state()[0] != before[0], threading.active_count()]; time.sleep(0.02)\n"
        "print(state() == before, during, threading.active_count(), flush=True)"
    )  # fmt: skip
    shown.until("eth1")
    assert b"\x1b[?7l" in shown.raw and b"\x1b[?1049h" in shown.raw and b"\x1b[?25l" in shown.raw
    shown.press("q")
    assert shown.end() == 0
    assert shown.raw.endswith(b"True [True, True, 2] 1\r\n")


def test_a_signal_that_is_ignored_stays_ignored(terminal):
    shown = terminal(f"import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\nwatch({THREE})")
    shown.until("eth1")
    shown.process.send_signal(signal.SIGHUP)
    shown.press("s")
    shown.until("by port")
    shown.press("q")
    assert shown.end() == 0


def test_a_window_without_a_size_and_one_that_says_it_is_huge(terminal):
    shown = terminal(f"watch({THREE})", 100, 10)
    shown.until("eth1")
    fcntl.ioctl(shown.master, termios.TIOCSWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
    shown.press("s")
    shown.until("by port")
    for columns, lines, drawn in ((1500, 6, (1000, 6)), (20, 700, (20, 500))):
        fcntl.ioctl(shown.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        begin = len(shown.raw)
        while (len(shown.frame()[0]), len(shown.frame())) != drawn:
            assert shown.read() and len(shown.raw) - begin < 10**6
    shown.press("q")
    assert shown.end() == 0


def test_readings_are_kept_for_a_terminal_that_takes_nothing():
    """While nothing can be drawn, reading continues."""
    from ovstool.terminal.live.live import _WAITING, Live

    class Nothing:
        note = ""

    with open(os.devnull) as stdin, open(os.devnull, "w") as stdout:
        live = Live(Nothing(), stdin, stdout)
        assert [live.show([number]) for number in range(_WAITING + 2)] == [True] * (_WAITING + 2)
        assert (len(live._samples), live._samples[0], live._samples[-1]) == (_WAITING, [2], [_WAITING + 1])
