"""The data of a plot, number by number, and the plot drawn with characters."""

import math

import pytest
from test_plot import START, picture, readings, utc

from ovstool.errors import NotFound, Refused
from ovstool.rates import Reading
from ovstool.terminal.plots import pictures, plot_text
from ovstool.terminal.plots.pictures import Interval, Span, Trace

assert utc  # the time zone of all tests here


def trace(*lengths: float, start: float = 0.0) -> Trace:
    """A trace of intervals with these durations in seconds; the nth has a rate of n, and sends half of that."""
    made, begin = Trace(), start
    for number, length in enumerate(lengths, 1):
        made.add(Interval(begin, begin + length, (float(number), number / 2)))
        begin += length
    made.finish("eth1")
    return made


def kept(made: Trace) -> list[float]:
    return [span.mean for span in made.spans("rx")]


def test_an_interval_five_times_as_long_as_its_neighbours_is_a_gap():
    ones = [1.0] * 8
    assert len(kept(trace(*ones, 5.0, *ones))) == 17
    assert kept(trace(*ones, 5.1, *ones)) == [*range(1, 9), *range(10, 18)]
    assert kept(trace(1.0, 5.0)) == [1, 2] and kept(trace(1.0, 5.1)) == [1] and kept(trace(5.1, 1.0)) == [2]
    assert kept(trace(100.0)) == [1]
    made = trace(*ones, 5.1, *ones)
    assert (made.begin, made.end, len(made.lengths)) == (0.0, 21.1, 16)
    made = trace(*ones, 5.1)
    assert (made.begin, made.end, list(made.lengths)) == (0.0, 8.0, ones)


def test_the_usual_interval_is_that_of_the_five_before_and_after():
    slow, fast = [2.0] * 8, [1.0] * 8
    assert len(kept(trace(*fast, 10.0, *slow))) == 17 and len(kept(trace(*fast, 10.1, *slow))) == 16
    assert len(kept(trace(*slow, 10.0, *fast))) == 17 and len(kept(trace(*slow, 10.1, *fast))) == 16
    assert len(kept(trace(*fast, *slow[:4], 5.0, *slow[:1], *fast))) == 22  # of ten neighbours, the sixth longest
    assert len(kept(trace(*slow[:5], 9.9, *fast[:4]))) == 10 and len(kept(trace(*slow[:4], 9.9, *fast[:5]))) == 9


def test_of_a_long_recording_several_intervals_are_one_span():
    made = trace(*[1.0] * 8192)
    assert kept(made) == list(range(1, 8193)) and len(made.lengths) == 8192
    made = trace(*[1.0] * 8195, start=100.0)
    spans = list(made.spans("rx"))
    assert len(spans) == 4098 and len(made.lengths) == 4098
    assert spans[0] == Span(100.0, 102.0, 1.5, 1.0, 2.0) and spans[4095] == Span(8290.0, 8292.0, 8191.5, 8191.0, 8192.0)
    assert spans[4096] == Span(8292.0, 8294.0, 8193.5, 8193.0, 8194.0) and spans[4097] == Span(8294.0, 8295.0, 8195.0, 8195.0, 8195.0)
    assert next(made.spans("tx")) == Span(100.0, 102.0, 0.75, 0.5, 1.0)
    twice = trace(*[1.0] * 16385)
    spans = list(twice.spans("rx"))
    assert spans[0] == Span(0.0, 4.0, 2.5, 1.0, 4.0) and spans[-1] == Span(16384.0, 16385.0, 16385.0, 16385.0, 16385.0)
    assert len(spans) == 4097 and len(twice.lengths) == 4097


def test_spans_that_are_joined_are_weighted_by_their_time():
    made = Trace()
    made.add(Interval(0.0, 1.0, (8.0, None)))
    for begin in range(1, 8193):
        made.add(Interval(float(begin), begin + 1.0, (2.0, 1.0 if begin > 2 else None)))
    made.finish("eth1")
    assert next(made.spans("rx")) == Span(0.0, 2.0, 5.0, 2.0, 8.0) and next(made.spans("tx")) == Span(3.0, 4.0, 1.0, 1.0, 1.0)
    made = Trace()
    for number in range(8193):
        made.add(Interval(number * 4.0, number * 4.0 + (1.0 if number % 2 else 3.0), (8.0 if number % 2 else 4.0, 0.0)))
    made.finish("eth1")
    assert next(made.spans("rx")) == Span(0.0, 5.0, 5.0, 4.0, 8.0)


def test_of_very_many_resets_every_other_one_is_kept():
    made = Trace()
    for number in range(8192):
        made.add(Interval(number, number + 0.5, None))
    assert len(made.resets) == 8192
    made.add(Interval(8192, 8192.5, None))
    assert made.resets[:3] == [(0, 0.5), (2, 2.5), (4, 4.5)] and made.resets[-2:] == [(8191, 8191.5), (8192, 8192.5)]
    assert len(made.resets) == 4098 and (made.begin, made.end) == (0, 8192.5)


def test_a_picture_begins_and_ends_with_what_is_known_of_a_port():
    back = [("", Reading(START + second, "br0", "eth1", None, {"rx_bytes": count})) for second, count in enumerate((5, 1, 3, 2))]
    drawn = picture(back)
    assert (drawn.begin, drawn.end) == (START, START + 3) and drawn.traces[0].resets == [(START, START + 1), (START + 2, START + 3)]
    drawn = picture(readings([1], start=START + 5), readings([2], "eth2"))
    assert (drawn.begin, drawn.end, drawn.title) == (START, START + 6, "rec.csv")
    only_reset = picture(back[:2])
    assert only_reset.interval_s == 0 and only_reset.heading == "rec.csv   2026-11-20 16:00:00 to 16:00:01 UTC"
    assert picture(readings([1, 1], interval_s=43200)).heading == (
        "rec.csv   2026-11-20 16:00:00 to 2026-11-21 16:00:00 UTC   averages over 4.3e+04 s"
    )


def test_more_than_twelve_ports():
    for count, left_out in ((12, 0), (13, 1)):
        drawn = picture(*[readings([number], f"eth{number}") for number in range(1, count + 1)])
        assert ([each.name for each in drawn.traces], drawn.left_out) == ([f"eth{n}" for n in range(1 + left_out, count + 1)], left_out)
        assert [span.mean for span in drawn.traces[0].spans("rx")] == [(1 + left_out) * 1e6]
    # Sent traffic counts too, and a port with one reading is not counted as left out.
    series = [readings([number], f"eth{number}") for number in range(1, 14)]
    sender = [("", Reading(START + s, "br0", "eth0", None, {"rx_bytes": 0, "tx_bytes": s * 10**9})) for s in (0, 1)]
    drawn = picture(*series, sender, readings([], "alone"))
    assert ({each.name for each in drawn.traces}, drawn.left_out) == ({f"eth{n}" for n in (0, *range(3, 14))}, 2)


def test_readings_that_do_not_go_on():
    """At the same time as the previous reading, or earlier, nothing lies between them."""
    one, two = readings([1])
    drawn = pictures.picture("rec.csv", [one, two, two, (two[0], two[1]._replace(time=START))], [], False)
    assert [(span.begin, span.end) for span in drawn.traces[0].spans("rx")] == [(START, START + 1)]


def test_names_and_which_of_them_are_known():
    drawn = picture(*[readings([1], "e" * length) for length in (32, 33)])
    assert [each.name for each in drawn.traces] == ["e" * 32, "e" * 29 + "..."]
    assert picture(readings([1], "a\x1b")).traces[0].name == r"a\x1b"
    many = [("", Reading(START, "br0", f"p{number:05}", None, {})) for number in range(10_010)]
    with pytest.raises(NotFound) as absent:
        pictures.picture("rec.csv", many, ["nosuch"], False)
    assert (
        str(absent.value)
        == "port nosuch: not in rec.csv; try: p00000, p00001, p00002, p00003, p00004, p00005, p00006, p00007, p00008, p00009 and 9990 more"
    )
    with pytest.raises(NotFound, match=r"^port y: not in rec.csv; try: p00000, x$"):
        pictures.picture("rec.csv", [*many[:1], ("", many[0][1]._replace(port="x"))], ["x", "y"], False)


def test_more_ports_than_there_is_memory_for():
    """50 MiB; each port needs 1 KiB and its name: with 253 + 3 characters, 40,960 ports fit."""
    items = [("", Reading(START, "br0", f"{number:0253}", None, {})) for number in range(40_961)]
    with pytest.raises(Refused, match=r"^rec.csv: 40961 ports are too many to compare; try: naming the ports to draw$"):
        pictures.picture("rec.csv", items, [], False)
    with pytest.raises(NotFound, match=r"^rec.csv: a rate needs two readings of a port, and each port has only one$"):
        pictures.picture("rec.csv", items[:-1], [], False)


def test_columns_are_the_means_of_their_time():
    spans = [Span(10.0, 11.0, 4.0, 3.0, 5.0), Span(11.0, 15.0, 8.0, 1.0, 9.0), Span(17.0, 18.0, 2.0, 2.0, 2.0)]
    assert pictures.in_columns(spans, 10.0, 18.0, 4) == [
        Span(10.0, 12.0, 6.0, 1.0, 9.0), Span(12.0, 14.0, 8.0, 1.0, 9.0), Span(14.0, 16.0, 8.0, 1.0, 9.0), Span(16.0, 18.0, 2.0, 2.0, 2.0),
    ]  # fmt: skip
    assert pictures.in_columns(spans, 10.0, 20.0, 5)[4] is None and pictures.in_columns([], 0.0, 1.0, 2) == [None, None]
    assert pictures.in_columns(spans[:1], 10.0, 11.0, 1) == [Span(10.0, 11.0, 4.0, 3.0, 5.0)]
    assert pictures.in_columns([Span(18.0, 18.0, 1.0, 1.0, 1.0)], 10.0, 18.0, 4)[3] is None


def test_a_summary_weights_rates_by_their_time():
    assert pictures.summary([Span(0, 1, 4e6, 0, 5e6), Span(1, 4, 8e6, 8e6, 9e6)], "bit/s") == "mean 7 Mbit/s, max 9 Mbit/s"
    assert pictures.summary([], "bit/s") == "no rate known"


def test_the_zone_of_a_clock():
    assert pictures.zone(START) == "UTC"


def test_zones_that_are_not_utc(monkeypatch):
    import time

    for zone, shown in (("Europe/Berlin", "CET (UTC+0100)"), ("Atlantic/Reykjavik", "GMT")):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert pictures.zone(START) == shown


# --- plots drawn with characters

# 80 readings in 10 s, 38 columns: nothing, a peak, some traffic, a reset, very little traffic, a reset.
MIXED = [0] * 16 + [100] + [10] * 47 + [None] + [8e-6] * 14 + [None]
DRAWN = """\
     100 Mbit/s ┤       ░░
                ┤       ░░
                ┤       ░░
             50 ┤       ▃░
                ┤       █░
                ┤       ██▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▄   ▁
              0 └──────────────────────────────R──────R
                 16:00:01       16:00:06       16:00:11"""


@pytest.mark.parametrize(("ascii_only", "signs"), [(False, "░┤└─▁▃▄▅█"), (True, "'|+-....#")])
def test_a_plot_character_by_character(ascii_only, signs):
    text = plot_text.draw(picture(readings(MIXED, interval_s=0.125, start=START + 1)), 55, ascii_only, False)
    head, rx, tx, keys = text.rstrip("\n").split("\n\n")
    assert head == "rec.csv   2026-11-20 16:00:01 to 16:00:11 UTC   averages over 0.12 s"
    if not ascii_only:
        assert rx == f"eth1 rx   mean 7.308 Mbit/s, max 100 Mbit/s\n{DRAWN}"
        assert tx.splitlines()[:2] == ["eth1 tx   mean 730.8 kbit/s, max 10 Mbit/s", "      10 Mbit/s ┤       ░░"]
    else:
        # Half of three blocks is two.
        drawn = DRAWN.translate(str.maketrans("░┤└─▁▃█", "'|+-..#")).replace("▅", ":").replace("▄", ".")
        assert rx == f"eth1 rx   mean 7.308 Mbit/s, max 100 Mbit/s\n{drawn}"
    assert keys == f"{signs[0]} up to the highest rate within a column, R the counters were reset"


def test_a_plot_explains_only_the_characters_it_uses():
    assert plot_text.draw(picture(readings([1, 1])), 55, False, False).endswith("16:00:02.000\n")
    assert plot_text.draw(picture(readings([1, None])), 55, False, False).endswith("\n\nR the counters were reset\n")


def test_a_plot_in_colour():
    lines = plot_text.draw(picture(readings([8])), 48, True, True).splitlines()
    full = "#" * 31
    assert lines[2:4] == ["\x1b[36meth1 rx\x1b[0m   mean 8 Mbit/s, max 8 Mbit/s", f"       8 Mbit/s |\x1b[36m{full}\x1b[0m"]
    assert lines[12:14] == ["\x1b[33meth1 tx\x1b[0m   mean 800 kbit/s, max 800 kbit/s", f"     800 kbit/s |\x1b[33m{full}\x1b[0m"]
    assert lines[9] == f"              0 +{'-' * 31}"


def test_up_to_four_ports_are_drawn_higher():
    for count, height in ((1, 6), (4, 6), (5, 4)):
        lines = plot_text.draw(picture(*[readings([1], f"eth{number}") for number in range(count)]), 60, True, False).splitlines()
        assert len(lines) == 1 + 2 * count * (height + 4) and lines[3 + height // 2].startswith("            0.5 |")


@pytest.mark.parametrize(
    ("mbit", "label"),
    [
        (0, "1 bit/s"), (5e-7, "500 mbit/s"), (1, "1 Mbit/s"), (1.0008, "1 Mbit/s"), (1.0012, "1.2 Mbit/s"), (1.2, "1.2 Mbit/s"), (1.3, "1.5 Mbit/s"),
        (1.6, "2 Mbit/s"), (2.1, "2.5 Mbit/s"), (2.6, "3 Mbit/s"), (3.1, "4 Mbit/s"), (4.1, "5 Mbit/s"), (5.1, "6 Mbit/s"), (6.1, "8 Mbit/s"),
        (8.1, "10 Mbit/s"), (11, "12 Mbit/s"), (999, "1 Gbit/s"), (1000, "1 Gbit/s"),
    ],
)  # fmt: skip
def test_the_top_of_a_plot_is_a_round_number(mbit, label):
    lines = plot_text.draw(picture(readings([mbit], interval_s=16)), 60, True, False).splitlines()
    assert lines[3].partition("|")[0].strip() == label.replace("500 mbit/s", "0.5 bit/s")


@pytest.mark.parametrize(
    ("seconds", "width", "moments"),
    [
        (2, 54, "16:00:00.000 16:00:02.000"),
        (2, 55, "16:00:00.000 16:00:01.000 16:00:02.000"),
        (9.5, 60, "16:00:00.000 16:00:04.750 16:00:09.500"),
        (10, 60, "16:00:00 16:00:05 16:00:10"),
        (86399, 60, "16:00:00 03:59:59 15:59:59"),
        (86400, 60, "11-20 16:00 11-21 04:00 11-21 16:00"),
    ],
)
def test_the_precision_of_times_depends_on_the_duration(seconds, width, moments):
    last = plot_text.draw(picture(readings([2, 2], interval_s=seconds / 2)), width, True, False).splitlines()[-1]
    assert last.split() == moments.split() and len(last) == width


def test_a_reset_at_the_end_is_in_the_last_column():
    bottom = plot_text.draw(picture(readings([1, None])), 48, True, False).splitlines()[9]
    assert bottom == f"              0 +{'-' * 16}{' ' * 14}R"


def test_which_encodings_hold_blocks():
    assert [plot_text.has_blocks(encoding) for encoding in ("utf-8", "utf-16", "ascii", "latin-1", "nosuch")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_the_size_of_a_curve():
    assert {len(line) for line in plot_text.draw(picture(readings([1])), 100, True, False).splitlines()[3:11]} == {100}
    assert math.isclose(picture(readings([1])).interval_s, 1)
