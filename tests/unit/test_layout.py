"""Layout: a table in a window of any width loses nothing, breaks nothing that fits, and is no wider than the window."""

import random
import re

import pytest
import tabulate

from ovstool.terminal.layout import chosen, hanging, labelled, measured, width, wrapped
from ovstool.terminal.table import _streamed

STATS = tuple("port rx_packets rx_bytes rx_dropped rx_errors tx_packets tx_bytes tx_dropped tx_errors".split())
COUNTED = [("br0", *"839 7351501 33 2992 367 3322833 65 792514487".split()), ("eth1", *"0 0 0 0 0 0 0 0".split())]
FLOWS = ("table", "priority", "cookie", "packets", "bytes", "duration", "match", "actions")
FLOW = (
    *("0 32768 0x0 12345 1234567".split()),
    "11m 10s",
    "ip,in_port=eth1,nw_src=10.0.0.0/24,nw_dst=192.168.100.0/24,nw_tos=0,tp_dst=80",
    "set_field:52:54:00:00:00:01->eth_dst,set_queue:3,resubmit(,10),output:eth2,output:eth3,output:eth4",
)
ALL = ("1", "0", "0x0", "0", "0", "1s", "", "NORMAL")


def table(headers, rows, room: int, numbers: tuple[str, ...] = ()) -> list[str]:
    columns = [measured(header, [row[place] for row in rows], header in numbers) for place, header in enumerate(headers)]
    return list(chosen(columns, room).drawn(rows))


def stats(room: int) -> list[str]:
    return table(STATS, COUNTED, room, STATS[1:])


def flows(room: int, *more) -> list[str]:
    return table(FLOWS, [FLOW, *more], room, ("table", "priority", "packets", "bytes"))


@pytest.mark.parametrize("seed", range(30))
def test_with_room_enough_it_is_tabulates_style_simple(seed, monkeypatch):
    monkeypatch.setattr(tabulate, "MIN_PADDING", 0)
    monkeypatch.setattr(tabulate, "WIDE_CHARS_MODE", True)
    draw = random.Random(seed)
    headers = [draw.choice(["port", "n", "max_rate"]) for _ in range(draw.randint(1, 6))]
    numbers = [draw.random() < 0.3 for _ in headers]
    rows = [["".join(draw.choices("ab中é-,1", k=draw.randint(1, 12))) for _ in headers] for _ in range(draw.randint(1, 4))]
    columns = [measured(header, [row[i] for row in rows], numbers[i]) for i, header in enumerate(headers)]
    align = ["right" if number else "left" for number in numbers]
    for room in (0, 200):
        drawn = "\n".join(chosen(columns, room).drawn(rows))
        assert drawn == tabulate.tabulate(rows, headers, tablefmt="simple", colalign=align, disable_numparse=True)


def test_counters_are_folded_with_what_is_received_above_what_is_sent():
    assert stats(80) == [
        "port  rx_packets  rx_bytes  rx_dropped  rx_errors",
        "      tx_packets  tx_bytes  tx_dropped  tx_errors",
        "----  ----------  --------  ----------  ---------",
        "br0          839   7351501          33       2992",
        "             367   3322833          65  792514487",
        "eth1           0         0           0          0",
        "               0         0           0          0",
    ]


def test_it_is_folded_only_when_needed():
    assert len(stats(94)) == 4 and len(stats(93)) == 7
    assert len(stats(49)) == 7
    assert stats(48)[:4] == [
        "port  rx_packets    rx_bytes  rx_dropped",
        "       rx_errors  tx_packets    tx_bytes",
        "      tx_dropped   tx_errors",
        "----  ----------  ----------  ----------",
    ]


def test_many_short_texts_are_folded_rather_than_listed():
    names = "time port interval_s rx_bps tx_bps rx_pps tx_pps rx_dropped_ps tx_dropped_ps rx_errors_ps tx_errors_ps reset".split()
    row = ("16:06:05.292", "eth1", "0.10416", "10.23 Mbit/s", "10.14 kbit/s", "844.852", "19.201", "0", "0", "0", "0", "no")
    lines = table(names, [row, row], 80, ("interval_s", *names[5:11]))
    assert len(lines) == 3 * 3 + 1 and max(map(len, lines)) <= 80
    assert len(table(names, [row, row], 40, ("interval_s", *names[5:11]))) == 2 * len(names)


def test_a_row_is_a_list_of_its_fields_where_nothing_else_fits():
    assert stats(21)[:9] == [
        "port        br0", "  rx_packets  839", "  rx_bytes    7351501", "  rx_dropped  33", "  rx_errors   2992",
        "  tx_packets  367", "  tx_bytes    3322833", "  tx_dropped  65", "  tx_errors",
    ]  # fmt: skip
    assert stats(21)[9:11] == ["   792514487", "port        eth1"]


def test_rows_that_come_one_by_one_are_lists_too_where_nothing_else_fits():
    layout = chosen([measured(header, [row[place] for row in COUNTED], place > 0) for place, header in enumerate(STATS)], 21)
    assert list(layout.head()) == [] and list(layout.row(COUNTED[0], None)) == stats(21)[:10]


def test_match_and_actions_go_below_their_flow():
    assert flows(80, ALL) == [
        "table  priority  cookie  packets    bytes  duration",
        "-----  --------  ------  -------  -------  --------",
        "    0     32768  0x0       12345  1234567  11m 10s",
        "  match    ip,in_port=eth1,nw_src=10.0.0.0/24,nw_dst=192.168.100.0/24,nw_tos=0,",
        "           tp_dst=80",
        "  actions  set_field:52:54:00:00:00:01->eth_dst,set_queue:3,resubmit(,10),",
        "           output:eth2,output:eth3,output:eth4",
        "    1         0  0x0           0        0  1s",
        "  actions  NORMAL",
    ]


def test_a_text_is_wrapped_once_before_it_goes_below():
    assert table(("port", "error"), [("eth1", "could not open network device eth1 (No such device)")], 40) == [
        "port  error",
        "----  ----------------------------------",
        "eth1  could not open network device eth1",
        "      (No such device)",
    ]
    assert table(("port", "error"), [("eth1", "could not open network device eth1 (No such device)")], 30) == [
        "port",
        "----",
        "eth1",
        "  error  could not open",
        "         network device eth1",
        "         (No such device)",
    ]


def test_a_value_that_a_flow_has_not_got_takes_no_line():
    lines = table(FLOWS, [ALL, ("0", "1", "0x0", "0", "0", "1s", "ip," * 20, "output:" + "eth," * 30)], 60)
    assert [line.split()[0] for line in lines[2:6]] == ["1", "actions", "0", "match"]


@pytest.mark.parametrize("room", [20, 25, 30, 40, 50, 64, 80, 100, 120, 200])
@pytest.mark.parametrize("draw", [stats, flows])
def test_no_line_is_wider_than_the_window_and_nothing_is_lost(draw, room):
    lines = draw(room)
    assert max(map(len, lines)) <= room
    cells = [*STATS, *(cell for row in COUNTED for cell in row)] if draw is stats else [*FLOWS, *FLOW]
    text = re.sub(r"\s", "", "".join(lines))
    assert all(text.count(c) >= "".join(cells).count(c) for c in "0123456789:>")


@pytest.mark.parametrize("seed", range(100))
def test_any_table_in_any_window(seed):
    draw = random.Random(seed)
    room = draw.choice([20, 21, 33, 40, 60, 80, 120])
    headers = [draw.choice(["port", "mac", "external_ids", "n"]) for _ in range(draw.randint(1, 12))]
    words = ["52:54:00:12:34:56", "eth1", "10.0.0.5:6343", "fe80::5054:ff:fe12:3456", "中文", "a" * 15, "50 Mbit/s", "k=v"]
    rows = [[draw.choice([" ", ",", "  "]).join(draw.choices(words, k=draw.choice([0, 1, 1, 2, 9]))) for _ in headers] for _ in range(3)]
    lines = table(headers, rows, room)
    assert max(map(width, lines)) <= room
    whole = "\n".join(lines)
    for word in words if room >= 80 else ():
        assert whole.count(word) >= sum(cell.count(word) for row in rows for cell in row)


@pytest.mark.parametrize(
    ("text", "room", "lines"),
    [
        ("", 5, [""]),
        ("abc", 3, ["abc"]),
        ("abcd", 3, ["abc", "d"]),
        ("中中", 3, ["中", "中"]),
        ("a b c", 3, ["a b", "c"]),
        ("one,two,three", 8, ["one,two,", "three"]),
        ("one, two, three", 9, ["one, two,", "three"]),
        ("a 50 Mbit/s b", 10, ["a", "50 Mbit/s", "b"]),
        ("queues 2 are here", 15, ["queues 2 are", "here"]),
        ("queues 2 are here", 11, ["queues", "2 are here"]),
        ("has eth1 of 1.5 Gbit/s", 17, ["has eth1", "of 1.5 Gbit/s"]),
        ("has eth1 of 1.5 Gbit/s", 9, ["has eth1", "of 1.5", "Gbit/s"]),
        ("name eth1  type system  mtu 1500", 22, ["name eth1  type system", "mtu 1500"]),
        ("resubmit(,10),output:eth2", 15, ["resubmit(,10),", "output:eth2"]),
        ("set_field:52:54:00:00:00:01->eth_dst", 30, ["set_field:52:54:00:00:00:01->", "eth_dst"]),
        ("x" * 10, 4, ["xxxx", "xxxx", "xx"]),
    ],
)
def test_where_a_text_is_broken(text, room, lines):
    assert wrapped(text, room) == lines


def test_later_lines_may_have_another_width():
    assert wrapped("aa bb cc dd", 8, 5) == ["aa bb cc", "dd"]
    assert wrapped("aa bb cc dd ee", 8, 2) == ["aa bb cc", "dd", "ee"]
    assert wrapped("aaaaaaaa", 6, 3) == ["aaaaaa"[:3] + "aaa", "aa"]


def test_a_long_text_takes_no_time_to_break():
    text = "x" * 1_000_000 + "," * 100_000 + " y" * 100_000
    assert "".join(wrapped(text, 40)).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("line", "room", "lines"),
    [
        ("  received      not policed", 80, ["  received      not policed"]),
        (
            "  asked         linux-htb, 200 Mbit/s for all queues",
            50,
            ["  asked         linux-htb, 200 Mbit/s for all", "                queues"],
        ),
        ("  br0 uses the userspace datapath", 21, ["  br0 uses the", "    userspace", "    datapath"]),
        ("  br0 uses the userspace datapath", 26, ["  br0 uses the userspace", "  datapath"]),
        ("eth1: error: it does not work", 20, ["eth1: error: it does", "  not work"]),
        ("", 20, [""]),
    ],
)
def test_a_line_of_a_page_goes_on_below_its_text(line, room, lines):
    assert list(hanging(line, room)) == lines


@pytest.mark.parametrize(
    ("room", "lines"),
    [
        (0, [("mac     ", "52:54:00:12:34:56 and more")]),
        (34, [("mac     ", "52:54:00:12:34:56 and more")]),
        (28, [("mac     ", "52:54:00:12:34:56"), (" " * 8, "and more")]),
        (27, [("mac", ""), (" ", "52:54:00:12:34:56 and more")]),
        (18, [("mac", ""), (" ", "52:54:00:12:34:56"), (" ", "and more")]),
    ],
)
def test_a_text_beside_its_label(room, lines):
    assert list(labelled("mac", "52:54:00:12:34:56 and more", room, 0, 6)) == lines


def test_colours_have_no_width():
    columns = [measured("port", ["eth1", "p2"], False), measured("link_state", ["up", "down"], False), measured("n", ["5", "10"], True)]
    rows = [("eth1", "up", "5"), ("p2", "down", "10")]
    plain, painted = (list(chosen(columns, 80).drawn(rows, paint)) for paint in (None, lambda column, text: f"<{text}>"))
    assert painted[0] == plain[0]
    assert [line.replace("<", "").replace(">", "") for line in painted] == plain
    assert painted[3].split() == ["<p2>", "<down>", "<10>"]


@pytest.mark.parametrize(
    ("room", "widest"), [(40, [15, 12, 15, 20]), (68, [15, 12, 15, 20]), (69, [15, 12, 15, 21]), (100, [15, 12, 15, 52])]
)
def test_the_last_text_of_a_stream_gets_the_remaining_width(room, widest):
    columns = _streamed(("agent", "bps", "ports", "talker"), room)
    assert [column.widest for column in columns] == widest
    assert [(column.header, column.least) for column in columns] == [("agent", 15), ("bps", 12), ("ports", 15), ("talker", 20)]
