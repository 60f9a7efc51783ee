"""Formatters: the program that a format is meant for reads the same values back."""

import argparse
import csv
import io
import json
import os
import re
import subprocess
import sys
import time

import pytest
import tabulate
import yaml

from ovstool.errors import UsageError
from ovstool.terminal.formats import TABLE_STYLES, Formatters, Stream, flat, human

COLUMNS = ("port", "rate", "tags", "other-config")
HOSTILE = [
    "",
    " ",
    "a b",
    "a\nb",
    "\x1b[31m",
    "$(touch /tmp/ovstool-was-here)",
    "`id`",
    "';id;'",
    'a"b',
    "a,b",
    "a\\b",
    "\\n",
    "é中\U0001f600",
    "-n",
    "|",
]
ROWS = [[name, 200_000_000, [1, 2], {"k": name}] for name in HOSTILE] + [["none", None, [], {}]]


def emit(style: str, columns, data, single: bool = False, **options) -> str:
    given = {"noindent": False, "quote_mode": "nonnumeric", "prefix": "", "print_empty": False, "max_width": 0, "fit_width": False}
    out = io.StringIO()
    formatter = Formatters()[style].obj
    (formatter.emit_one if single else formatter.emit_list)(columns, data, out, argparse.Namespace(formatter=style, **given | options))
    return out.getvalue()


def test_the_table_styles_are_those_of_tabulate():
    assert set(TABLE_STYLES) == set(tabulate.tabulate_formats)


@pytest.mark.parametrize("style", Formatters())
@pytest.mark.parametrize("data", [ROWS, ROWS[-1:], []])
def test_every_style_takes_any_row(style, data):
    text = emit(style, COLUMNS, data)
    assert bool(text) == bool(data) or style in ("csv", "json", "yaml")
    assert not text or text.endswith("\n")
    assert "\x1b" not in text
    for name in [row[0] for row in data if row[0].isalnum() and row[0].isascii()]:
        assert name in text


@pytest.mark.parametrize("style", Formatters())
def test_every_style_shows_all_of_one_object(style):
    if style == "colon_grid" and style not in tabulate.tabulate_formats:
        return
    text = emit(style, ("port", "tag", "limits"), ["eth1", 1234, [{"queue": 5678, "dscp": None}, {"queue": 9}]], single=True)
    assert text.endswith("\n")
    for word in ("eth1", "1234", "5678", "9"):
        assert word in text


def test_a_table_of_one_object_has_a_line_for_each_field_and_for_each_part():
    parts = [{"queue": 0, "max_rate": 200_000_000, "dscp": None}, {"queue": 1, "max_rate": None}]
    text = emit("table", ("port", "type", "empty", "queues"), ["eth1", None, [], parts], single=True)
    head, rule, *lines = text.splitlines()
    assert (head.split(), set(rule)) == (["field", "value"], {"-", " "})
    assert [line.rstrip() for line in lines] == [
        "port    eth1", "type    -", "empty   -", "queues  queue 0  max_rate 200 Mbit/s", "        queue 1",
    ]  # fmt: skip


@pytest.mark.parametrize("noindent", [True, False])
def test_json(noindent):
    wanted = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
    assert json.loads(emit("json", COLUMNS, ROWS, noindent=noindent)) == wanted
    assert json.loads(emit("json", COLUMNS, ROWS[0], single=True, noindent=noindent)) == wanted[0]
    assert json.loads(emit("json", COLUMNS, [], noindent=noindent)) == []
    assert len(emit("json", COLUMNS, ROWS, noindent=True).splitlines()) == 1


def test_json_as_it_is_written():
    assert emit("json", ("a", "b"), [1, None], single=True) == '{\n  "a": 1,\n  "b": null\n}\n'
    assert emit("json", ("a", "b"), [1, None], single=True, noindent=True) == '{"a": 1, "b": null}\n'
    assert emit("json", ("a",), [[1], [2]]) == '[\n  {"a": 1},\n  {"a": 2}\n]\n'
    assert emit("json", ("a",), [[1], [2]], noindent=True) == '[{"a": 1}, {"a": 2}]\n'


def test_json_of_many_rows():
    rows = [[str(i), i] for i in range(2500)]
    assert json.loads(emit("json", ("a", "b"), rows)) == [{"a": a, "b": b} for a, b in rows]


@pytest.mark.parametrize(
    "cell", [*HOSTILE, "\x7f", None, True, 1.5e300, float("inf"), [], [1], [1, "x"], {}, {"k": "}, {"}, {"k": [{}, 2]}]
)
@pytest.mark.parametrize("at", [0, 999, 1000, 2499])
def test_json_is_what_json_writes_of_each_row(cell, at):
    columns = ("a", '"b"', "100%s\n")
    rows = [["x", index, None] for index in range(2500)]
    rows[at][2] = cell
    objects = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
    assert emit("json", columns, rows, noindent=True) == f"[{', '.join(objects)}]\n"
    assert emit("json", columns, iter(rows)) == "[\n  " + ",\n  ".join(objects) + "\n]\n"
    assert emit("json", columns[2:], [[cell]]) == f"[\n  {json.dumps({columns[2]: cell})}\n]\n"


def test_json_of_rows_that_do_not_fit_the_columns():
    with pytest.raises(ValueError, match="zip"):
        emit("json", ("a", "b"), [[1, 2], [3]])


def test_yaml():
    assert yaml.safe_load(emit("yaml", COLUMNS, ROWS)) == [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]


@pytest.mark.parametrize("quoting", ["all", "minimal", "none", "nonnumeric"])
def test_csv(quoting):
    text = emit("csv", ("name", "n"), [["a,b", 5], ["plain", None], ['q"q', 0]], quote_mode=quoting)
    options = {"quoting": csv.QUOTE_NONE, "escapechar": "\\"} if quoting == "none" else {}
    assert list(csv.reader(io.StringIO(text), **options)) == [["name", "n"], ["a,b", "5"], ["plain", ""], ['q"q', "0"]]


def test_csv_is_a_line_for_each_row():
    assert len(emit("csv", COLUMNS, ROWS).splitlines()) == 1 + len(ROWS)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_shell_takes_each_value_as_it_is(name, tmp_path):
    text = emit("shell", ("port", "other-config"), [name, {"k": name}], single=True, prefix="x_")
    done = subprocess.run(
        ["sh", "-c", f'{text}printf "%s\\0%s" "$x_port" "$x_other_config"'], capture_output=True, cwd=tmp_path, check=True
    )
    assert done.stderr == b""
    assert done.stdout.decode().split("\0") == [flat(name, ""), "k=" + flat(name)]


@pytest.mark.parametrize("style", ["value", "lines"])
def test_each_row_is_one_line(style):
    assert len(emit(style, COLUMNS, ROWS).split("\n")) == len(ROWS) + 1


@pytest.mark.parametrize("style", TABLE_STYLES)
def test_a_table_shows_units_and_dashes(style):
    text = emit(style, ("port", "rate", "n"), [["eth1", 200_000_000, 10_000], ["eth2", None, 7]])
    assert "200 Mbit/s" in text and "10000" in text


@pytest.mark.parametrize("style", ["table", "github", "grid"])
@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_table_fits_the_width_asked_for(style, width):
    text = emit(style, COLUMNS, [["word " * 20, 1, [1], {"k": "v " * 30}]], max_width=width)
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize(
    ("options", "columns", "width"),
    [
        ({"fit_width": True}, "40", 40),
        ({"fit_width": True}, "x", 0),
        ({"fit_width": True}, "", 0),
        ({}, "40", 0),
        ({"max_width": 50}, "40", 50),
    ],
)
def test_a_table_in_a_file_fits_the_width_on_request(monkeypatch, options, columns, width):
    monkeypatch.setenv("COLUMNS", columns)
    text = emit("table", ("a", "b"), [["word " * 20, "word " * 20]], **options)
    widest = max(map(len, text.splitlines()))
    assert width - 15 < widest <= width if width else widest > 190


@pytest.mark.parametrize("width", [40, 41])
def test_a_long_word_takes_all_the_width_there_is(width):
    text = emit("grid", ("a",), [["k" * 100]], max_width=width)
    assert {len(line) for line in text.splitlines()} == {width}


def test_a_table():
    rows = [["eth1", 5, None], ["p2", 10_000, "1e3"], ["\u4e2d\u4e2d\u4e2d", 7, "007"]]
    assert emit("table", ("port", "n", "text"), rows) == (
        "port        n  text\n------  -----  ----\neth1        5  -\np2      10000  1e3\n\u4e2d\u4e2d\u4e2d      7  007\n"
    )


def stream(style: str, *beats, sort: tuple[str, ...] = (), descending: bool = False) -> str:
    out = io.StringIO()
    options = {"noindent": False, "quote_mode": "nonnumeric", "prefix": "", "max_width": 0, "fit_width": False}
    given = argparse.Namespace(formatter=style, sort_columns=list(sort), sort_direction="desc" if descending else "asc", **options)
    printed = Stream(("port", "pps"), given, out)
    for beat in beats:
        printed.write([{"port": port, "pps": pps, "not_shown": 0} for port, pps in beat])
    return out.getvalue()


BEATS = ([("eth1", 2.0), ("eth2", None)], [], [("eth1", 1234567.8)])


@pytest.mark.parametrize(
    ("style", "lines"),
    [
        ("json", ['{"port": "eth1", "pps": 2.0}', '{"port": "eth2", "pps": null}', '{"port": "eth1", "pps": 1234567.8}']),
        ("csv", ['"port","pps"', '"eth1",2.0', '"eth2",""', '"eth1",1234567.8']),
        ("value", ["eth1 2.0", "eth2 -", "eth1 1234567.8"]),
        ("lines", ["eth1: pps=2.0", "eth2: pps=-", "eth1: pps=1234567.8"]),
        ("shell", ["port=eth1 pps=2.0", "port=eth2 pps=''", "port=eth1 pps=1234567.8"]),
        (
            "table",
            [
                "           port          pps",
                "           eth1            2",
                "           eth2            -",
                "           eth1  1.23457e+06",
            ],
        ),
    ],
)
def test_a_stream_is_printed_row_by_row(style, lines):
    assert stream(style, *BEATS).splitlines() == lines


@pytest.mark.parametrize("style", ["github", "html", "yaml"])
def test_a_stream_has_no_style_with_a_width_or_an_end(style):
    with pytest.raises(UsageError, match="cannot be printed row by row"):
        stream(style, *BEATS)


def test_each_sample_of_a_stream_is_sorted():
    beats = [("b", 1.0), ("a", None), ("c", 3.0)], [("b", 5.0), ("a", 5.0)]
    assert stream("value", *beats, sort=("pps", "port")).split()[::2] == ["b", "c", "a", "a", "b"]
    assert stream("value", *beats, sort=("pps",), descending=True).split()[::2] == ["a", "c", "b", "b", "a"]
    assert stream("value", *beats).split()[::2] == ["b", "a", "c", "b", "a"]


def test_a_plain_table_is_printed_row_by_row_too():
    assert stream("plain", *BEATS) == stream("table", *BEATS)


def test_nothing_and_zero_are_sorted_where_they_belong():
    assert stream("value", [("a", 0.5), ("b", 0), ("c", None), ("d", 0.25)], sort=("pps",)).split()[::2] == ["b", "d", "a", "c"]


def test_an_empty_table_and_one_of_numbers():
    assert (
        emit("table", ("a", "bb"), [], print_empty=True)
        == emit("table", ("a", "bb"), [], print_empty=True, max_width=40)
        == "a  bb\n-  --\n"
    )
    assert emit("table", ("n", "m"), [[1.5, "1.2.3"], [10.25, "4"], [None, "5"]]) == (
        "    n  m\n-----  -----\n  1.5  1.2.3\n10.25  4\n    -  5\n"
    )
    assert emit("table", ("queues",), [[{"queue": 5}]], single=True).splitlines()[2].split() == ["queues", "queue", "5"]


def test_the_formatters_are_a_mapping():
    assert len(Formatters()) == len(list(Formatters())) == len(set(Formatters()))


@pytest.mark.parametrize("style", ["table", "grid", "plain"])
def test_numbers_are_not_broken_at_any_width(style):
    text = emit(style, ("a", "b"), [[123456789, 987654321]], max_width=5)
    assert "123456789" in text and "987654321" in text


def test_a_time_is_the_time_of_day(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    try:
        assert [human("time", value) for value in (1700000000.5, 1700000000, 0.0078, 5.9995)] == [
            "22:13:20.500",
            "22:13:20.000",
            "00:00:00.007",
            "00:00:05.999",
        ]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_stream_reaches_its_reader_at_once():
    class Pipe(io.StringIO):
        flushed = ""

        def flush(self) -> None:
            self.flushed = self.getvalue()

    pipe = Pipe()
    printed = Stream(("port",), argparse.Namespace(formatter="value", sort_columns=[]), pipe)
    for line in ("eth1", "eth2"):
        printed.write([{"port": line}])
        assert pipe.flushed == pipe.getvalue() != ""


@pytest.mark.parametrize("width", [1, 5])
def test_no_column_is_made_narrower_than_a_short_name(width):
    text = emit("grid", ("a", "b"), [["abcdefghijkl", "mnopqrstuvwx"]], max_width=width)
    assert [re.findall(r"\w+", line) for line in text.splitlines()[3:5]] == [["abcdefgh", "mnopqrst"], ["ijkl", "uvwx"]]


def test_the_widest_column_gives_way_and_numbers_do_not():
    text = emit("grid", ("a", "b", "n"), [["abcdefghij", "k" * 30, 12345678901234567890]], max_width=60)
    assert max(map(len, text.splitlines())) == 60
    assert re.findall(r"\w+", text.splitlines()[3]) == ["abcdefghij", "k" * 20, "12345678901234567890"]


@pytest.mark.parametrize("style", ["table", "grid"])
def test_a_table_that_fits_is_as_it_is(style):
    rows = [["eth1", "some words", 5]]
    for width in (40, 80):
        assert emit(style, ("port", "text", "n"), rows, max_width=width) == emit(style, ("port", "text", "n"), rows)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"), ([], "-"), ({}, "-"), (True, "true"), (False, "false"), (0, "0"), (1.5, "1.5"), ("a b", "a b"), ("a\nb", "a\\nb"),
        ([1, 2], "1,2"), ({"a": 1, "b": None}, "a=1,b=-"), ([{"a": 1}], '[{"a":1}]'),
        ([{"a": 1, "b": [2, 3]}], '[{"a":1,"b":[2,3]}]'),
    ],
)  # fmt: skip
def test_flat(value, text):
    assert flat(value) == text


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("rate", 10_000_000, "10 Mbit/s"), ("burst", 80_000, "80 kbit"), ("rx_bytes", 10_000_000, "10000000"), ("max_rate", None, "-"),
        ("min_rate", 1500, "1.5 kbit/s"), ("link_speed", 10**10, "10 Gbit/s"), ("bps", 1000.0, "1 kbit/s"), ("tx_bps", 2000, "2 kbit/s"),
        ("pps", 1000, "1000"), ("rates", 1000, "1000"), ("burst_s", 1000, "1000"),
        ("enabled", True, "yes"), ("enabled", False, "no"), ("rx_bps", 1234.5678, "1.235 kbit/s"), ("packet_rate", 5000, "5000"),
    ],
)  # fmt: skip
def test_human(column, value, text):
    assert human(column, value) == text


def test_wide_characters_take_two_places():
    """In its own process, which has not imported tabulate yet."""
    pytest.importorskip("wcwidth")
    code = (
        "import argparse, sys; from ovstool.terminal.formats import Formatters\n"
        "args = argparse.Namespace(formatter='table', print_empty=False, max_width=0, fit_width=False)\n"
        "Formatters()['table'].obj.emit_list(['port', 'tag'], [['\u7aef\u53e3', 'a'], ['eth1', 'b']], sys.stdout, args)"
    )
    environ = os.environ | {"PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, encoding="utf-8", timeout=60, check=True)
    assert done.stdout == "port  tag\n----  ---\n\u7aef\u53e3  a\neth1  b\n"


def test_a_list_has_the_dates_unless_all_are_todays():
    now, long_ago = time.time(), 86_400 * 365.5
    dates = [time.strftime("%Y-%m-%d", time.localtime(moment)) for moment in (now, long_ago)]
    assert [line.split()[0] for line in emit("table", ["time"], [[now], [long_ago]]).splitlines()[2:]] == dates
    assert dates[0] not in emit("table", ["time"], [[now], [now]])


def test_the_date_is_shown_when_the_day_changes_or_is_not_today():
    now = time.time()
    today, long_ago, later = ({"time": moment, "port": "eth1"} for moment in (now, 86_400 * 365.5, 86_400 * 366.5))
    args = argparse.Namespace(formatter="table", max_width=0, fit_width=False, sort_columns=[], sort_direction="asc")
    out = io.StringIO()
    rows = Stream(["time", "port"], args, out)
    for beat in ([today, today], [long_ago], [long_ago, later], [today]):
        rows.write(beat)
    days = [line for line in out.getvalue().splitlines() if "eth1" not in line]
    assert days[1:] == [time.strftime("%Y-%m-%d", time.localtime(row["time"])) for row in (long_ago, later, today)]
