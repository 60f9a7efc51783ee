"""The keys of live views without a terminal: scrolling, selecting, filtering, pages, the interval; flows and charts on any screen."""

import fcntl
import os
import pty
import re
import struct
import termios
import time

import pytest
from rich.cells import cell_len

from ovstool.errors import NotFound
from ovstool.pace import Pace
from ovstool.rates import Rate
from ovstool.switch.flow.top import TopFlow
from ovstool.terminal.live import progress
from ovstool.terminal.live.cells import Characters
from ovstool.terminal.live.flows import FlowsView, page
from ovstool.terminal.live.keys import Keys
from ovstool.terminal.live.plot import Plot
from ovstool.terminal.live.progress import Counting
from ovstool.terminal.live.rates import RatesView
from ovstool.terminal.live.table import Table
from ovstool.terminal.live.view import Seen

NAMES = [f"eth{number}" for number in range(30)]


def rate(port: str, rx: float = 0.0, tx: float = 0.0, reset: bool = False) -> Rate:
    return Rate(1e9, port, 1.0, rx, tx, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, reset)


def rows(names=NAMES) -> list[Seen]:
    """Rows of which the first has the most traffic."""
    return [Seen(None, rate(name, rx=1e6 - number)) for number, name in enumerate(names)]


def table(names=NAMES, encoding="utf-8", **how) -> Table:
    found = Table(RatesView(Rate, None, True, Characters(encoding)), "title", True, **how)
    found.take([rows(names)])
    found.lines(80, 14)
    return found


def shown(view, width: int = 80, height: int = 14) -> list[str]:
    lines = ["".join(text for text, _ in cells) for cells in view.lines(width, height)]
    assert len(lines) <= height
    return [line.rstrip() for line in lines]


def press(found, *keys: str) -> list[str]:
    """What is shown after pressing these keys, none of which ends the view."""
    for key in keys:
        assert found.press(key), key
        shown(found)
    return shown(found)


def names_on(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines[2:] if line.startswith("eth")]


def selected(found: Table) -> str:
    (line,) = [cells for cells in found.lines(80, 14)[2:] if cells and all("reverse" in str(style) for _, style in cells)]
    assert sum(cell_len(text) for text, _ in line) == 80
    return line[0][0].split()[0]


# --- keys


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"q", ["q"]), (b"\x1b[A\x1bOB\x1b[C\x1b[D", ["up", "down", "right", "left"]), (b"\x1b[5~\x1b[6~", ["page up", "page down"]),
        (b"\x1b[H\x1b[F\x1bOH\x1bOF\x1b[1~\x1b[4~\x1b[7~\x1b[8~", ["home", "end"] * 4), (b"\n\r", ["enter", "enter"]),
        (b"\x7f\x08\x15", ["backspace", "backspace", "ctrl-u"]), (b"\x1b[1;5C", [""]), (b"\x1b\x1b", ["esc"]), (b"\x1bx", ["esc", "x"]),
        (b"\x1b[[A\x1b[[Eq", ["", "", "q"]),
        (b"\xc3\xa4 ", ["ä", " "]), (b"\xff", ["\ufffd"]),
    ],
)  # fmt: skip
def test_keys_by_name(data, keys):
    decoder = Keys("utf-8")
    assert decoder.pressed(data) == keys
    one_by_one = Keys("utf-8")
    assert [key for byte in data for key in one_by_one.pressed(bytes([byte]))] == keys


def test_esc_alone_is_recognized_when_nothing_follows():
    keys = Keys("utf-8")
    assert (keys.pressed(b"a\x1b"), keys.unfinished, keys.ended(), keys.unfinished) == (["a"], "\x1b", ["esc"], "")
    assert (keys.pressed(b"\x1b["), keys.pressed(b"A"), keys.unfinished) == ([], ["up"], "")
    assert (keys.pressed(b"\x1b[1;"), keys.ended()) == ([], ["esc"])


# --- scrolling and selecting


def test_every_row_is_reached():
    found = table()
    assert names_on(shown(found)) == NAMES[:10] and "  1-10 of 30 ports  " in shown(found)[0] and selected(found) == "eth0"
    assert names_on(press(found, "down", "j")) == NAMES[:10] and selected(found) == "eth2"
    assert names_on(press(found, "up", "k", "k")) == NAMES[:10] and selected(found) == "eth0"
    assert names_on(press(found, *["down"] * 10)) == NAMES[1:11] and selected(found) == "eth10"
    assert names_on(press(found, "page down")) == NAMES[10:20] and selected(found) == "eth19" and "11-20 of 30" in shown(found)[0]
    assert names_on(press(found, "end")) == NAMES[20:] and selected(found) == "eth29" and "21-30 of 30" in shown(found)[0]
    assert names_on(press(found, "page up", "page up")) == NAMES[2:12] and selected(found) == "eth11"
    assert names_on(press(found, "G", "g")) == NAMES[:10] and names_on(press(found, "end", "home", "page up")) == NAMES[:10]
    assert names_on(press(found, "page down")) == NAMES[9:19] and selected(found) == "eth9"
    assert names_on(press(found, *["page down"] * 5)) == NAMES[20:] and selected(found) == "eth29"
    for keys, port in ((["k"], "eth28"), (["up"], "eth27"), (["j"], "eth28"), (["down"], "eth29"), (["g"], "eth0"), (["G"], "eth29")):
        press(found, *keys)
        assert selected(found) == port, keys
    assert "30 ports" in shown(found, 80, 40)[0] and " of " not in shown(found, 80, 40)[0]


def test_where_there_is_room_for_one_rate_it_is_the_one_that_is_sorted_by():
    found = table()
    seen = []
    for _ in range(4):
        seen.append((re.search(r"by ([\w+]+)", shown(found)[0])[1], shown(found, 16)[1]))
        press(found, "s")
    received, sent = "port    rx bit/s", "port    tx bit/s"
    assert seen == [("rx+tx", received), ("port", received), ("rx_bps", received), ("tx_bps", sent)]


def test_a_row_stays_selected_wherever_it_goes():
    found = table()
    press(found, "down", "down", "down")
    press(found, "r")
    assert selected(found) == "eth3" and "eth3" in names_on(shown(found))
    found.take([[row for row in rows() if row.row.port != "eth3"]])
    assert selected(found) == "eth2"  # without moving on the screen
    press(found, "home")
    assert selected(found) == "eth29"
    press(found, "r")
    assert selected(found) == "eth0"  # the first row, whichever port that is
    found.take([[]])
    assert names_on(press(found, "down", "end", "enter", "page up")) == []


def test_a_smaller_screen_keeps_the_selected_row():
    found = table()
    press(found, *["down"] * 8)
    assert any(line.startswith("eth8") for line in shown(found, 80, 5))
    assert names_on(shown(found, 80, 40)) == NAMES
    for height in range(1, 12):
        for width in (1, 2, 20, 33):
            shown(found, width, height)


def test_without_a_keyboard_nothing_is_selected():
    found = Table(RatesView(Rate, None, True, Characters("utf-8")), "title", False)
    found.take([rows()])
    assert all("reverse" not in str(style) for cells in found.lines(80, 14)[2:] for _, style in cells)
    assert "1-11 of 30" in shown(found)[0]  # without keys there is no line of keys


# --- the filter


def test_a_filter_is_typed():
    found = table([*NAMES, "tap-Web"])
    assert press(found, "/")[-1] == "/"
    assert names_on(press(found, "e", "t", "h", "2")) == ["eth2", *NAMES[20:29]]
    assert shown(found)[-1] == "/eth2" and "1-10 of 11 ports with 'eth2'" in shown(found)[0]
    assert names_on(press(found, "down", "page down")) == NAMES[20:] and shown(found)[-1] == "/eth2"  # arrow keys still move the selection
    assert names_on(press(found, "5")) == ["eth25"] and "1 port with 'eth25'" in shown(found)[0]
    assert shown(found)[-1] == "/eth25" and names_on(press(found, "backspace", "3")) == ["eth23"]
    assert press(found, "enter")[-1].startswith("q quit") and names_on(shown(found)) == ["eth23"]
    found.take([rows()])
    assert names_on(press(found, "r")) == ["eth23"]
    assert names_on(press(found, "/", "backspace", "enter"))[:3] == NAMES[:19:-1][:3]
    assert len(names_on(press(found, "esc"))) == 10 and "with" not in shown(found)[0]


def test_a_filter_takes_any_text_and_upper_or_lower_case():
    found = table([*NAMES, "tap-Web", "q?", "-+", "ä b"])
    for typed, name in (("WEB", "tap-Web"), ("q?", "q?"), ("-+", "-+"), ("Ä ", "ä b")):
        lines = press(found, "/", "ctrl-u", *typed)
        assert lines[2].startswith(name) and lines[3] == "", typed
    assert len(names_on(press(found, "esc"))) == 10
    assert press(found, "/", "", "up", "left", "enter")[-1].startswith("q quit")  # a key that types no text
    press(found, "/", "ctrl-u", *"中" * 30, "终")
    assert shown(found, 24)[-1].endswith("中中终")  # the end of the filter stays visible, also with wide characters


def test_keys_that_come_together():
    """As in a paste or over a slow line, where nothing is drawn in between."""
    found = table(details=lambda seen: [f"{seen.row.port} in full"])
    for key in ["/", *"eth2", "enter", "down", "down", "enter"]:
        assert found.press(key)
    assert until(found, "eth21 in full")
    for key in ["esc", "esc", "r", "home", "enter"]:
        assert found.press(key)
    assert until(found, "eth29 in full")


def test_a_filter_that_fits_none():
    found = table()
    lines = press(found, "/", *"nosuch")
    assert lines[2] == "no port has 'nosuch' in its name" and "0 ports with 'nosuch'" in lines[0]
    assert press(found, "down", "enter", "enter", "end")[2] == lines[2]
    hostile = press(found, "/", "ctrl-u", *"\u202e\x1b]x")
    assert "\u202e" not in "".join(hostile) and "\x1b" not in "".join(hostile)
    assert press(found, "esc")[2].startswith("eth0")
    assert press(found, "/", *"x" * 500)[-1].endswith("xxx") and len(press(found, "esc")[-1]) <= 80


# --- pages


def test_help_names_every_key():
    found = table(pace=Pace(1.0), details=lambda seen: [])
    text = press(found, "?")
    whole = "\n".join(shown(found, 80, 60))
    for name in found._acts:
        assert f"{'space' if name == ' ' else name}," in whole or f"{'space' if name == ' ' else name}  " in whole, name
    assert text[0] == "Keys  1-12 of 20" and text[-1].startswith("any key closes this page")
    assert (
        shown(found)[0] == text[0] and press(found, "page down")[0].startswith("Keys  9-20 of") and press(found, "x")[0].startswith("title")
    )
    shown(found, 80, 60)
    assert press(found, "?", "q")[0].startswith("title")  # any key
    plot = Plot("title", False, Characters("utf-8"), True, Pace(1.0))
    assert plot.press("?")
    assert all(f"{'space' if name == ' ' else name}" in "\n".join(shown(plot)) for name in plot._acts)


@pytest.mark.parametrize(
    ("key", "first"),
    [
        ("down", 4), ("j", 4), ("up", 2), ("k", 2), ("page down", 9), ("page up", 1), ("home", 1), ("g", 1), ("end", 9), ("G", 9),
    ],
)  # fmt: skip
def test_a_page_scrolls(key, first):
    found = table(pace=Pace(1.0), details=lambda seen: [])
    press(found, "?", "down", "down")
    assert press(found, key)[0].startswith(f"Keys  {first}-{first + 11} of 20")


def until(found: Table, text: str) -> list[str]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if any(text in line for line in shown(found)):
            return shown(found)
        time.sleep(0.01)
    raise AssertionError(shown(found))


def test_enter_shows_the_page_of_the_selected_row():
    found = table(details=lambda seen: [f"{seen.row.port} in full", *map(str, range(30)), "hostile \x1b[2J\u202e"])
    woken = []
    found.wake = lambda: woken.append(1)
    press(found, "down", "enter")
    lines = until(found, "eth1 in full")
    assert woken == [1] and lines[0] == "qos explain eth1  1-12 of 32" and lines[-1] == "esc back  q quit  up/down scroll"
    assert press(found, "end")[-2] == r"hostile \x1b[2J\u202e" and press(found, "home", "down")[1] == "0"
    assert press(found, "s", "x")[1] == "0"
    assert press(found, "esc")[0].startswith("title") and selected(found) == "eth1"
    assert press(found, "enter", "enter")[0].startswith("title")
    press(found, "enter")
    assert not found.press("q")


@pytest.mark.parametrize(
    ("error", "note"),
    [(NotFound("port eth0", "no such port\x1b"), r"port eth0: no such port\x1b"), (ValueError("x"), "a bug in ovstool: ValueError: x")],
)
def test_a_page_that_fails_becomes_a_note(error, note):
    def details(seen):
        raise error

    found = table(details=details)
    press(found, "enter")
    assert any(line.startswith(note) for line in until(found, note)) and shown(found)[0].startswith("title")
    assert "enter" not in table()._acts and press(table(), "enter")[0].startswith("title")


# --- the interval


def test_the_interval_becomes_longer_and_shorter():
    pace = Pace(1.0)
    found = table(pace=pace)
    assert "interval 0.5 s" in press(found, "-") and pace.interval_s == 0.5
    assert "interval 2 s" in press(found, "+", "+") and pace.interval_s == 2.0
    pace.limit(1.5, "the counters change every 1.5 s")
    pace.limit(0.1, "no")
    late = Pace(10.0)
    assert (late.shorter(), late.shorter(), late.limit(8.0, "x"), late.interval_s) == ("interval 5 s", "interval 2 s", None, 8.0)
    asked = Pace(0.2)
    assert (asked.limit(0.5, "x"), asked.interval_s, asked.shorter()) == (None, 0.2, "the interval is 0.2 s, the shortest: x")
    assert "interval 1.5 s" in press(found, "-")
    assert "the interval is 1.5 s, the shortest: the counters change every 1.5 s" in press(found, "-") and pace.interval_s == 1.5
    assert "the interval is 60 s, the longest" in press(found, *"+" * 9) and pace.interval_s == 60
    assert not {"+", "-"} & table()._acts.keys()
    odd = Pace(0.3)
    assert (odd.shorter(), odd.longer(), Pace(0.001).shorter()) == (
        "interval 0.2 s",
        "interval 0.5 s",
        "the interval is 0.001 s, the shortest",
    )


def test_a_new_interval_wakes_the_reader():
    pace = Pace(50.0)
    assert pace.wait(time.monotonic() - 1, 50.0) and not pace.wait(time.monotonic() + 1000, 20.0)
    pace.longer()
    assert not pace.wait(time.monotonic() + 1000, 50.0)


# --- flows


def flow(match: str, bps: float, actions: str = "drop", table: int = 0) -> TopFlow:
    return TopFlow(table, 10, "0x7", match, actions, bps, bps / 800, 1.0)


LONG = "in_port=eth1,dl_src=02:00:00:00:00:01,nw_dst=10.0.0.0/24"
FLOWS = [flow(LONG, 8e6, "push_vlan:0x8100,set_field:4101->vlan_vid,output:eth2"), flow("", 8e5, "NORMAL"), flow("ip\x1b", 8e3, table=3)]


def flows(*samples, encoding="utf-8", host=None) -> Table:
    found = Table(FlowsView("bps", True, Characters(encoding), bool(host)), "br0", True, details=page)
    for sample in samples:
        found.take([[Seen(host, row) for row in sample]])
    return found


def test_no_traffic_is_shown_only_after_a_reading():
    assert "no flow had any traffic" not in "".join(shown(flows()))
    assert "no flow had any traffic" in "".join(shown(flows([])))


def test_flows_have_rates_and_what_there_is_room_for_of_match_and_actions():
    found = flows(FLOWS)
    assert shown(found, 80)[1:5] == [
        "   bit/s  history    pkt/s table priority match               actions",
        "     8 M        █     10 k     0       10 in_port=eth1,dl_sr… push_vlan:0x8100,…",
        "   800 k        █      1 k     0       10 any                 NORMAL",
        r"     8 k        █       10     3       10 ip\x1b              drop",
    ]
    heads = [" ".join(shown(found, width)[1].split()) for width in range(20, 200)]
    assert [head for number, head in enumerate(heads) if number == 0 or head != heads[number - 1]] == [
        "bit/s match", "bit/s match actions", "bit/s pkt/s match actions", "bit/s pkt/s table priority match actions",
        "bit/s history pkt/s table priority match actions",
    ]  # fmt: skip
    for width in (20, 40, 80, 120, 200):
        lines = shown(found, width)
        assert all(cell_len(line) <= width for line in lines) and lines[2].split()[0] == "8", width
    assert LONG in shown(found, 200)[2] and FLOWS[0].actions in shown(found, 200)[2]
    assert "…" not in (plain := "".join(shown(flows(FLOWS, encoding="ascii"), 80))) and plain.isascii() and "~" in plain


def test_flows_are_sorted_filtered_and_shown_in_full():
    found = flows(FLOWS)
    assert press(found, "/", *"normal")[2].split()[:2] == ["800", "k"] and "1 flow with 'normal'" in shown(found)[0]
    press(found, "esc", "s", "s")
    assert "by table, descending" in shown(found, 120)[0] and shown(found)[2].split()[0] == "8"
    press(found, "home", "enter")
    assert until(found, "table 3, priority 10, cookie 0x7")[0].startswith(r"whole flow ip\x1b actions=drop")
    assert list(page(Seen(None, FLOWS[1])))[-2:] == ["  match      any", "  actions    NORMAL"]


def test_flows_without_traffic_and_of_several_hosts():
    found = flows(FLOWS, [])
    assert shown(found)[2] == "no flow had any traffic" and "0 flows" in shown(found)[0]
    assert press(found, "/", "x")[2] == "no flow has 'x' in its match or actions"
    several = flows(FLOWS, host="leaf1")
    assert shown(several, 120)[1].split()[0] == "host" and shown(several, 120)[2].startswith("leaf1")


def test_flows_that_come_and_go_do_not_fill_the_memory():
    found = flows(*[[flow(f"tp_dst={number}", 1.0), FLOWS[0]] for number in range(3000)])
    state = found._readings.now
    assert len(state.places) <= 1100 and state.line((None, 0, 10, LONG)).last("bps", 999) == [8e6] * 128
    assert state.line((None, 0, 10, "tp_dst=2999")).last("bps", 3) == [None, None, 1.0]


# --- charts


def plot(*samples, encoding="utf-8", packets=False) -> Plot:
    found = Plot("title", packets, Characters(encoding), True, Pace(1.0))
    for number, sample in enumerate(samples):
        found.take([[Seen(None, row._replace(time=1e9 + number)) for row in sample]])
    return found


def test_charts_roll_to_the_left():
    found = plot(*[[rate("eth1", rx=1e6 * number, tx=5.0)] for number in range(9)])
    lines = shown(found, 80, 24)
    assert lines[0] == "title  every 1.000 s" and lines[1] == "eth1 rx   now 8 Mbit/s, mean 4 Mbit/s, max 8 Mbit/s"
    assert lines[2] == "       8 Mbit/s ┤" + " " * 62 + "█" and lines[9] == "              0 ┤" + " " * 54 + " ████████"
    assert lines[10].startswith("eth1 tx   now 5 bit/s") and lines[-1].startswith("q quit  ? help  space pause")
    assert len(plot(*[[rate("eth1", rx=1.0)]] * 1200)._columns) == 1000


def test_charts_on_any_screen():
    many = [[rate(f"eth{number}", rx=float(number)) for number in range(8)]] * 3
    found = plot(*many)
    for width in (1, 20, 47, 48, 80, 200):
        for height in (1, 2, 3, 10, 24, 60):
            lines = shown(found, width, height)
            assert all(cell_len(line) <= width for line in lines), (width, height)
    assert shown(found)[0].endswith("lines 1-12 of 49")
    for height in range(12, 40):
        lines = shown(plot([rate("eth1", rx=1.0)]), 80, height)
        charts = [index for index, line in enumerate(lines) if re.match("eth1 [rt]x", line)]
        assert "lines 1-" not in lines[0] and len(charts) == 2, height
        # As high as both fit, with the header, the times and the keys; a chart needs no more than 8 lines.
        assert charts[1] - charts[0] == min((height - 3) // 2, 9), height
    press(found, "end")
    assert any("eth7 tx" in line for line in shown(found)) and "eth0" not in "".join(shown(found))
    assert "".join(shown(plot(*many, encoding="ascii"))).isascii()


def test_charts_say_what_is_not_known():
    found = plot([rate("eth1", rx=8.0)], [rate("eth1")._replace(rx_bps=None, reset=True)], [rate("eth2", rx=1.0)], [rate("eth1", rx=8.0)])
    assert any(line.endswith("█R █") for line in shown(found, 80, 24))
    assert shown(plot())[1] == "" and shown(plot([]))[1] == ""
    assert "packets/s" in shown(plot([rate("eth1")], packets=True))[1]


def test_charts_are_paused():
    found = plot([rate("eth1", rx=1.0)])
    press(found, " ")
    found.take([[Seen(None, rate("eth1", rx=9.0))]])
    assert shown(found)[0].startswith("PAUSED") and "now 1 bit/s" in shown(found)[1]
    assert "now 9 bit/s" in press(found, " ")[1] and "interval 0.5 s" in press(found, "-")
    assert not found.press("q")


# --- progress


def test_what_is_counted_is_written_in_place_and_cut_to_the_window(monkeypatch):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "_EACH_S", 0.01)
    with os.fdopen(theirs, "w") as terminal, Counting(terminal, True, 3000.0) as counting:
        counting.count([rate("eth1")])
        written = b""
        while not (line := re.search(rb"\r([0-9]+ of 3000 s, 1 r[a-z, ]*)\x1b\[K", written)):
            written += os.read(ours, 100)
        assert len(line[1]) == 19
    os.close(ours)


def test_what_has_been_counted():
    with open(os.devnull, "w") as nowhere:
        counting = Counting(nowhere, True, 30.0)
        counting._is_shown = True
        assert counting.text() == "0 of 30 s, 0 readings, 0 ports"
        sample = [rate("eth1"), rate("eth2")]
        assert counting.count(sample) is sample
        counting.count([rate("eth1")])
        assert counting.text() == "0 of 30 s, 3 readings, 2 ports"
        counted = Counting(nowhere, True, None, 1000)
        counted._is_shown = True
        counted.count([rate("eth1")], "leaf1")
        assert counted.text() == "0 s, 1 of 1,000 samples, 1 reading, 1 port"
        with Counting(nowhere, True) as silent, silent.hidden():
            assert silent.count([rate("eth1")]) and silent.text() == "0 s, 0 readings, 0 ports"
