"""The cells of the live table of rates: the columns that fit, their order, and their style."""

import os
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from ovstool.rates import QueueRate, Rate
from ovstool.terminal.live import order as ordering
from ovstool.terminal.live.cells import SPARK, Characters
from ovstool.terminal.live.live import Frame
from ovstool.terminal.live.rates import RatesView
from ovstool.terminal.live.table import Table
from ovstool.terminal.live.view import Line, Seen

AT = time.strftime("%H:%M:%S", time.localtime(1e9))
HELP = "q quit  ? help  / filter  enter qos explain  s sort  r reverse  space pause  +/- interval"


def rate(port: str, rx: float | None = 0.0, tx: float | None = 0.0, at: float = 1e9, span_s: float = 0.25, reset=False, errors=0.0) -> Rate:
    return Rate(at, port, span_s, rx, tx, 5.0, None if tx is None else 7.0, 2.0, 0.0, errors, 0.0, reset)


class Rates(Table):
    """A table of rates that takes each reading unchanged."""

    def take(self, samples):
        super().take([[Seen(None, row) for row in rows] for rows in samples])

    def lines_of_rows(self) -> list[Line]:
        return list(map(self._readings.now.line, self._readings.now.rows))


def screen(*samples, sort=None, descending=True, encoding="utf-8", keyboard=True, speeds=(), rate_class=Rate) -> Rates:
    view = RatesView(rate_class, sort, descending, Characters(encoding))
    view.link_speeds[None] = dict(speeds)
    found = Rates(view, "title", keyboard)
    for sample in samples:
        found.take([sample])
    return found


def shown(screen: Table, width: int, height: int = 8) -> list[str]:
    return ["".join(text for text, _ in cells).rstrip() for cells in screen.lines(width, height)]


def test_columns_come_as_there_is_room():
    one = screen([rate("eth1", rx=1e6)])
    heads = [" ".join(shown(one, width)[1].split()) for width in range(20, 140)]
    begin = {head: 20 + heads.index(head) for head in heads}  # columns that are always shown are cut where they do not fit
    assert begin == {
        "port rx bit/s": 20,
        "port rx bit/s tx bit/s": 24,
        "port rx bit/s tx bit/s drops/s errors/s": 50,
        "port rx bit/s history tx bit/s history drops/s errors/s": 68,
        "port rx bit/s history tx bit/s history rx pkt/s tx pkt/s drops/s errors/s": 86,
    }
    fast = screen([rate("eth1", rx=1e6)], speeds={"eth1": 10**7})
    heads = [" ".join(shown(fast, width)[1].split()) for width in range(20, 140)]
    assert {"port rx bit/s rx % tx bit/s tx %", heads[-1]} <= set(heads) and heads[-1].count("%") == 2


def test_spare_width_goes_to_long_names_and_then_to_history():
    for name, width, columns in (
        ("eth1", 100, 15),
        ("eth1", 120, 25),
        ("eth1", 121, 25),
        ("eth1", 122, 26),
        ("e" * 20, 122, 20),
        ("eth1", 400, 128),
    ):
        found = screen(*[[rate(name, rx=1e6 * (number + 1))] for number in range(200)])
        head, line = shown(found, width)[1:3]
        assert line.startswith(name) and "\u2026" not in line
        sparks = re.findall("[\u2581-\u2588]+", line)
        assert [len(each) for each in sparks] == [columns, columns], (name, width)
        assert sparks[0] == "".join(sorted(sparks[0])) and sparks[0][-1] == "\u2588" and set(sparks[1]) == {"\u2581"}
        assert head.startswith("port")


def test_a_sparkline_distinguishes_unknown_zero_and_very_low():
    found = screen(*[[rate("eth1", rx=value)] for value in (None, 0.0, 1e-9, 1.0, 4.0, 6.99, 7.0)])
    line = found.view._sparkline("rx_bps", found.lines_of_rows()[0], 7)[0]
    assert line == " \u2581\u2582\u2582\u2585\u2588\u2588", line
    ascii_line = screen(*[[rate("eth1", rx=value)] for value in (None, 0.0, 1e-9, 7.0)], encoding="ascii")
    assert ascii_line.view._sparkline("rx_bps", ascii_line.lines_of_rows()[0], 7)[0] == " _.#"


def test_a_bar_and_a_percentage_of_the_speed_of_a_link():
    for mbit, bar, percent, colour in (
        (0, "        ", "0%", None), (0.01, "\u258f       ", "<1%", "green"), (1, "\u258f       ", "1%", "green"), (50, "\u2588\u2588\u2588\u2588    ", "50%", "green"),
        (69.9, "\u2588\u2588\u2588\u2588\u2588\u258b  ", "70%", "green"), (70, "\u2588\u2588\u2588\u2588\u2588\u258b  ", "70%", "yellow"),
        (89.9, "\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u258e", "90%", "yellow"), (90, "\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u258e", "90%", "red"),
        (100, "\u2588" * 8, "100%", "red"), (2000, "\u2588" * 8, "999%", "red"),
    ):  # fmt: skip
        found = screen([rate("eth1", rx=mbit * 1e6)], speeds={"eth1": 10**8})
        (line,) = found.lines_of_rows()
        text, style = found.view._bar("rx", line, 8)
        assert (text, style.color.name if style.color else None, found.view._percent("rx", line, 4)[0]) == (bar, colour, percent), mbit
    (line,) = screen([rate("eth1", rx=None)]).lines_of_rows()
    assert screen().view._percent("rx", line, 4)[0] == "-"


def test_several_readings_at_once():
    """Numbers are their mean by time, a column of a sparkline is their highest value; a removed port disappears."""
    found = screen()
    found.take([[rate("eth1", 100.0, None, 1.0, 1.0), rate("gone")], [rate("eth1", 400.0, 8.0, 3.0, 2.0, reset=True)]])
    now, (line,) = found._readings.now, found.lines_of_rows()
    assert (line.row.port, line.row.rx_bps, line.row.tx_bps, line.row.time, line.marked_at) == ("eth1", 300.0, 8.0, 3.0, 3.0)
    assert (line.last("rx_bps", 9), line.last("tx_bps", 9)) == ([400.0], [8.0])
    assert (now.time, now.interval_s, now.readings) == (3.0, 1.5, 2)
    assert "rates: mean of 2 readings, 3.000 s; history: each bar is the highest of them" in shown(found, 120)
    found.take([[rate("eth1", 1.0, 2.0, 4.0)], []])
    assert found.lines_of_rows() == []


def test_a_time_and_an_interval_are_shown_once_they_are_known():
    found = screen([])  # a reading without rows, such as of flows without traffic
    assert shown(found, 100)[0] == "title  0 ports  by rx+tx, descending" and shown(found, 100)[-2:] == ["", HELP]


def test_the_header_and_the_line_of_keys():
    found = screen([rate("eth1"), rate("eth2")])
    at = time.strftime("%H:%M:%S", time.localtime(1e9))
    assert shown(found, 100)[0] == f"title  {at}  every 0.250 s  2 ports  by rx+tx, descending"
    assert shown(found, 20)[0] == "title  2 ports"
    assert shown(found, 100)[-2:] == [
        "history: each bar is one reading, 0.250 s",
        HELP,
    ]
    assert shown(found, 100, 7)[-1] == "" and len(shown(found, 100, 7)) == 7 and shown(found, 76, 8)[-1].endswith("space pause")
    found.note = "a note"
    found.press(" ")
    assert shown(found, 100, 7)[-1] == "a note" and shown(found, 100)[0].startswith("PAUSED  title")
    found.take([[rate("eth1", 5e6)]])
    assert shown(found, 100)[0].endswith("2 ports  by rx+tx, descending")
    found.press(" ")
    assert shown(found, 100)[0] == f"title  {at}  every 0.250 s  1 port  by rx+tx, descending"
    assert "q quit" not in "".join(shown(screen([rate("eth1")], keyboard=False), 100))
    assert (
        "  1-4 of 5 ports  " in shown(screen([rate(f"eth{number}") for number in range(5)]), 100, 6)[0]
        and " of " not in shown(found, 100, 6)[0]
    )


def test_the_order_of_ports():
    rows = [rate("eth1", 1.0, 5.0), rate("eth2", 3.0, 2.0), rate("eth3", None, None), rate("eth4", 2.0, None)]
    for sort, descending, expected in (
        (None, True, "1243"), (None, False, "4213"), ("rx_bps", True, "2413"), ("tx_bps", False, "2134"), ("port", True, "4321"), ("port", False, "1234"),
    ):  # fmt: skip
        found = screen(rows, sort=sort, descending=descending)
        assert "".join(line.split()[0][3] for line in shown(found, 40)[2:6]) == expected


def test_the_columns_that_can_be_sorted_by():
    orders = screen().view.orders
    assert orders[:3] == ["rx+tx", "port", "rx_bps"] and "time" not in orders and "interval_s" not in orders
    assert "time" in screen(sort="time").view.orders
    queues = screen(rate_class=QueueRate).view
    assert queues.sort == "tx_bps" and "rx+tx" not in queues.orders and {"port", "queue"} <= set(queues.orders)


def test_a_reset_is_marked_for_a_while():
    for seconds, mark in ((0, True), (4.9, True), (5.0, False)):
        found = screen([rate("eth1", at=1e9, reset=True)], [rate("eth1", at=1e9 + seconds)])
        assert ("reset" in shown(found, 100)[2]) is mark, seconds


def styled(screen: Table, width: int, height: int) -> list[list[tuple[str, str]]]:
    """Each cell with its style, without the spaces between cells."""
    return [[(text, str(style)) for text, style in cells[::2]] for cells in screen.lines(width, height)]


def test_every_cell_of_a_screen_of_ports():
    unknown = Rate(1e9, "eth3", 0.25, *[None] * 8, True)
    fast = Rate(1e9, "eth4", 0.25, 9e7, 1e3, 0.0, 0.0, 0.0, 0.0, None, 4.0, False)
    found = screen(
        [rate("eth1", 5e7, 2e6), rate("eth2", 0.0, None, errors=3.0), unknown, fast],
        speeds={"eth1": 10**8, "eth2": 10**8, "eth4": 10**8}, keyboard=False,
    )  # fmt: skip
    found.note = "a note"
    blank, nothing, zero = (" " * 33, "cyan"), ("       -", "dim"), ("       0", "dim")
    no_bar, no_percent, peak = (" " * 6, "dim"), ("   -", "dim"), (" " * 32 + "█", "cyan")
    assert styled(found, 160, 12) == [
        [(f"title  {AT}  every 0.250 s  4 ports  by rx+tx, descending".ljust(160), "reverse")],
        [
            ("port          ", "bold"), ("rx bit/s", "bold reverse"), ("history".rjust(33), "bold"), (" " * 6, "bold"), ("rx %", "bold"),
            ("tx bit/s", "bold reverse"), ("history".rjust(33), "bold"), (" " * 6, "bold"), ("tx %", "bold"), ("rx pkt/s", "bold"),
            ("tx pkt/s", "bold"), (" drops/s", "bold"), ("errors/s", "bold"),
        ],
        [
            ("eth4          ", "none"), ("    90 M", "bold"), peak, ("█████▌", "red"), (" 90%", "red"), ("     1 k", "bold"), peak,
            ("▏     ", "green"), (" <1%", "green"), zero, zero, zero, ("       4", "bold red"),
        ],
        [
            ("eth1          ", "none"), ("    50 M", "bold"), peak, ("███   ", "green"), (" 50%", "green"), ("     2 M", "bold"), peak,
            ("▏     ", "green"), ("  2%", "green"), ("       5", "none"), ("       7", "none"), ("       2", "bold red"), zero,
        ],
        [
            ("eth2          ", "none"), zero, (" " * 32 + "▁", "cyan"), no_bar, ("  0%", "dim"), nothing, blank, no_bar, no_percent,
            ("       5", "none"), nothing, ("       2", "bold red"), ("       3", "bold red"),
        ],
        [
            ("eth3     reset", "bold yellow"), nothing, blank, no_bar, no_percent, nothing, blank, no_bar, no_percent, nothing, nothing,
            nothing, nothing,
        ],
        [], [], [], [],
        [("a note".ljust(160), "bold yellow")],
        [("history: each bar is one reading, 0.250 s".ljust(160), "dim")],
    ]  # fmt: skip


def test_every_cell_of_a_screen_of_queues_in_ascii():
    found = screen(rate_class=QueueRate, encoding="ascii", keyboard=False)
    rows = [(10, 1e6, 2.0, False), (2, 3e6, 5.0, False), (3, None, None, True)]
    found.take([[QueueRate(1e9, "eth1", queue, 0.25, bps, pps, reset) for queue, bps, pps, reset in rows]])
    peak = (" " * 55 + "#", "cyan")
    assert styled(found, 100, 7) == [
        [(f"title  {AT}  every 0.250 s  3 queues  by tx_bps, descending".ljust(100), "reverse")],
        [("port          ", "bold"), ("     queue", "bold"), ("tx bit/s", "bold reverse"), ("history".rjust(56), "bold"), ("tx pkt/s", "bold")],
        [("eth1          ", "none"), ("         2", "none"), ("     3 M", "bold"), peak, ("       5", "none")],
        [("eth1          ", "none"), ("        10", "none"), ("     1 M", "bold"), peak, ("       2", "none")],
        [("eth1     reset", "bold yellow"), ("         3", "none"), ("       -", "dim"), (" " * 56, "cyan"), ("       -", "dim")],
        [], [],
    ]  # fmt: skip
    assert [line[:1] for line in styled(found, 100, 8)[-2:]] == [[], [("history: each bar is one reading, 0.250 s".ljust(100), "dim")]]
    assert styled(screen(rate_class=QueueRate), 100, 8)[-1] == [(HELP, "dim")]


def test_which_column_is_marked_as_the_one_sorted_by():
    for sort, marked in (
        ("port", ["port"]), ("rx_bps", ["rx bit/s"]), ("tx_bps", ["tx bit/s"]), (None, ["rx bit/s", "tx bit/s"]), ("rx_pps", ["rx pkt/s"]),
        ("tx_pps", ["tx pkt/s"]), ("rx_dropped_ps", ["drops/s"]), ("tx_dropped_ps", ["drops/s"]), ("rx_errors_ps", ["errors/s"]),
        ("tx_errors_ps", ["errors/s"]), ("reset", []),
    ):  # fmt: skip
        found = screen([rate("eth1")], sort=sort)
        assert [text.strip() for text, style in styled(found, 160, 8)[1] if style == "bold reverse"] == marked, sort
    queues = screen(rate_class=QueueRate, sort="queue")
    assert [text.strip() for text, style in styled(queues, 160, 8)[1] if style == "bold reverse"] == ["queue"]


def test_before_the_first_reading():
    assert shown(screen(), 100) == [
        "title  0 ports  by rx+tx, descending",
        "port           rx bit/s         history tx bit/s         history rx pkt/s tx pkt/s  drops/s errors/s",
        "", "", "", "", "",
        HELP,
    ]  # fmt: skip
    assert shown(screen(), 30, 3) == ["title  0 ports", "port         rx bit/s tx bit/s", ""]


def test_from_which_width_on_there_is_which_column():
    def begins(found: Table) -> list[tuple[int, int]]:
        counts = [len(styled(found, width, 8)[1]) for width in range(1, 200)]
        return [(width, count) for width, count in enumerate(counts, 1) if width == 1 or count != counts[width - 2]]

    # Percentages, drops and errors, history, bars, packets.
    fast = screen([rate("eth1", rx=1e6)], speeds={"eth1": 10**7})
    assert begins(fast) == [(1, 2), (24, 3), (42, 5), (60, 7), (78, 9), (92, 11), (110, 13)]
    assert begins(screen([rate("eth1")], speeds={"eth1": None})) == begins(screen()) == [(1, 2), (24, 3), (50, 5), (68, 7), (86, 9)]
    assert begins(screen(rate_class=QueueRate)) == [(1, 3), (43, 4), (52, 5)]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (60, ["title  3 ports  by rx+tx, descending", "port                     rx bit/s tx bit/s  drops/s errors/s",
              "eth1               reset     50 M        0        2        0", "中中中中中中中中中              3        4        2        0",
              "nätz\\x1bxxxxxxxxxxxxxxx…        0        0        2        0"]),
        (24, ["title  3 ports", "port   rx bit/s tx bit/s", "eth1 !     50 M        0", "中中 …        3        4", "nätz\\…        0        0"]),
        (20, ["title  3 ports", "port        rx bit/s", "eth1  reset     50 M", "中中中中中…        3", "nätz\\x1bxx…        0"]),
        (10, ["3 ports", "port rx bit/s", "!     50 M", "…        3", "…        0"]),
        (3, ["3 …", "port rx bit/s", "!     50 M", "…        3", "…        0"]),
        (1, ["…", "port rx bit/s", "!     50 M", "…        3", "…        0"]),
    ],
)  # fmt: skip
def test_names_and_heads_are_cut_to_the_width(width, lines):
    found = screen([rate("eth1", 5e7, reset=True), rate("nätz\x1b" + "x" * 20), rate("中" * 9, 3.0, 4.0)])
    assert shown(found, width, 5) == lines


def test_names_in_the_encoding_of_the_terminal():
    assert shown(screen([rate("nätz\x1b\\")], encoding="ascii"), 50)[2] == "n\\xe4tz\\x1b\\\\         0        0        2        0"
    latin = screen([rate("ä" * 30, 1.0)], encoding="latin-1")
    assert shown(latin, 40)[2] == "äääääääääääääääääääää~        1        0"


def test_the_encoding_of_a_terminal_that_need_not_know_utf_8():
    """With LC_ALL=C Python writes UTF-8 (PEP 540); a program that asks Python for the encoding gets it."""
    code = (
        "import os, sys\n"
        "from ovstool.terminal.window import encoding_of\n"
        "print(encoding_of(sys.stdout))\n"
        "for name in ('PYTHONUTF8', 'PYTHONIOENCODING'):\n"
        "    os.environ[name] = '1'\n"
        "    print(encoding_of(sys.stdout))\n"
        "    del os.environ[name]\n"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONUTF8", "PYTHONIO", "LC_", "LANG"))}
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code], env=environ | {"LC_ALL": "C"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "ANSI_X3.4-1968\nutf-8\nutf-8\n"


def test_the_line_of_keys_fits_the_width():
    fast = screen([rate("eth1")])
    assert [shown(fast, width)[-1] for width in (88, 89)] == [HELP.removesuffix("  +/- interval"), HELP]
    head = f"title  {AT}  every 0.250 s  1 port  by rx+tx, descending"
    assert [shown(fast, width)[0] for width in (len(head) - 1, len(head))] == ["title  1 port  by rx+tx, descending", head]
    assert [shown(fast, 100, height)[-1] for height in (7, 8)] == ["", HELP]
    assert shown(fast, 100, 2) == [head, shown(fast, 100)[1]] and shown(fast, 100, 1) == [head]
    ascending = screen([rate("eth1")], descending=False)
    assert shown(ascending, 100)[0].endswith("by rx+tx, ascending")


def test_as_many_rows_as_there_is_room_for():
    rows = [rate(f"eth{number}", rx=9.0 - number) for number in range(5)]
    names = [line.split()[0] for line in shown(screen(rows), 40, 7)[2:]]
    assert names == ["eth0", "eth1", "eth2", "eth3", "eth4"]
    assert [line.split()[:2] for line in shown(screen(rows), 40, 6)[2:]] == [["eth0", "9"], ["eth1", "8"], ["eth2", "7"], ["eth3", "6"]]
    assert shown(screen(rows), 40, 6)[0].startswith("title  1-4 of 5 ports") and shown(screen(rows), 40, 7)[0].startswith("title  5 ports")
    assert [line.split()[0] for line in shown(screen(rows), 40, 3)[2:]] == ["eth0"] and shown(screen(rows), 40, 2)[2:] == []


def test_ports_change_places_once_a_second(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(ordering, "time", SimpleNamespace(monotonic=lambda: now))
    found = screen([rate("eth1", 2.0), rate("eth2", 1.0)])

    def names() -> list[str]:
        return [line.split()[0] for line in shown(found, 40, 7)[2:] if line]

    assert names() == ["eth1", "eth2"]
    found.take([[rate("eth1", 2.0), rate("eth2", 3.0)]])
    now = 1000.9
    assert names() == ["eth1", "eth2"]
    now = 1001.0
    assert names() == ["eth2", "eth1"]
    found.take([[rate("eth1", 9.0), rate("eth3", 10.0), rate("eth2", 3.0)]])
    assert names() == ["eth3", "eth1", "eth2"]  # another port
    found.take([[rate("eth1", 11.0), rate("eth3", 10.0), rate("eth2", 3.0)]])
    found.press("r")
    found.press("r")
    assert names() == ["eth1", "eth3", "eth2"]


def test_history_is_of_the_last_readings_and_its_columns_are_kept():
    found = screen(*[[rate("eth1", rx=float(number))] for number in range(1, 200)])
    (line,) = found.lines_of_rows()
    assert line.last("rx_bps", 999) == list(map(float, range(72, 200))) and len(line.last("tx_bps", 999)) == 128
    assert found.view._sparkline("rx_bps", line, 3) == ("███", SPARK)
    assert found.view._sparkline("rx_bps", line, 128)[0][:2] == "▄▄"


def test_a_reset_stays_marked_over_the_readings_that_follow():
    found = screen([rate("eth1", at=100.0, reset=True)], [rate("eth1", at=103.0)])
    (line,) = found.lines_of_rows()
    assert (line.marked_at, line.row.time) == (100.0, 103.0)
    found.take([[rate("eth1", at=104.0), rate("eth2", at=104.0)]])
    assert [line.marked_at for line in found.lines_of_rows()] == [100.0, float("-inf")]


def test_the_arguments_to_rich():
    found = screen([rate("eth1", 1e6)])
    found._has_keyboard = False
    segments = list(Frame(found.lines(40, 3)).__rich_console__(SimpleNamespace(size=(40, 3)), None))
    assert "".join(segment.text for segment in segments).splitlines() == [
        "title  1 port  by rx+tx, descending".ljust(40), "port           rx bit/s tx bit/s", "eth1                1 M        0",
    ]  # fmt: skip
    assert [str(segment.style) for segment in segments[:2]] == ["reverse", "None"]
