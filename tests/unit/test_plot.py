"""Plots of readings with known rates: what is drawn, and over which time."""

import math
import os
import re
import resource
import struct
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from ovstool.errors import NotFound, Refused, UsageError
from ovstool.rates import Reading
from ovstool.terminal.plots import pictures, plot_image, plot_text

START = 1795190400.0  # 2026-11-20 16:00:00 UTC


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def readings(mbits, port: str = "eth1", interval_s: float = 1.0, start: float = START, host: str = "", bridge: str = "br0"):
    """Readings with these Mbit/s received in between, and a tenth of that sent; None is a counter reset."""
    sent = received = 0.0
    found = [(start, 0, 0)]
    for number, mbit in enumerate(mbits, 1):
        received, sent = (0, 0) if mbit is None else (received + mbit * 125000 * interval_s, sent + mbit * 12500 * interval_s)
        found.append((start + number * interval_s, int(received), int(sent)))
    return [
        (host, Reading(moment, bridge, port, None, {"rx_bytes": rx, "tx_bytes": tx, "rx_packets": rx // 1000, "tx_packets": tx // 1000}))
        for moment, rx, tx in found
    ]


def picture(*series, ports=(), packets=False) -> pictures.Picture:
    return pictures.picture("folder/rec.csv", [item for items in series for item in items], ports, packets)


def spans(picture: pictures.Picture, direction: str = "rx"):
    return [(s.begin - START, s.end - START, round(s.mean / 1e6, 3)) for s in picture.traces[0].spans(direction)]


def test_each_average_over_its_own_interval():
    drawn = picture(readings([1, 3, 2], interval_s=0.5))
    assert spans(drawn) == [(0, 0.5, 1), (0.5, 1, 3), (1, 1.5, 2)]
    assert [mean for _, _, mean in spans(drawn, "tx")] == [0.1, 0.3, 0.2]
    assert (drawn.begin, drawn.end, drawn.interval_s, drawn.unit) == (START, START + 1.5, 0.5, "bit/s")
    packets = picture(readings([8]), packets=True)
    assert (packets.unit, spans(packets)) == ("packets/s", [(0, 1, 0.001)])


def test_nothing_over_a_reset():
    drawn = picture(readings([1, None, 3]))
    assert spans(drawn) == [(0, 1, 1), (2, 3, 3)]
    assert drawn.traces[0].resets == [(START + 1, START + 2)]


def test_nothing_where_the_recording_paused():
    first, second = readings([1, 1, 1]), readings([1, 1, 1], start=START + 100)
    second = [(host, r._replace(counters={name: value + 10**9 for name, value in r.counters.items()})) for host, r in second]
    assert [begin for begin, _, _ in spans(picture(first, second))] == [0, 1, 2, 100, 101, 102]


def test_two_recordings_with_intervals_of_their_own():
    first = readings([1] * 50)
    slow = [
        (host, r._replace(counters={k: v + 10**9 for k, v in r.counters.items()}))
        for host, r in readings([1] * 20, interval_s=60, start=START + 50)
    ]
    assert len(spans(picture(first, slow[1:]))) == 50 + 20


def test_a_clock_that_was_set_back_begins_a_new_recording():
    assert [begin for begin, _, _ in spans(picture(readings([1, 1]), readings([1, 1], start=START - 50)))] == [0, 1, -50, -49]


def test_what_is_not_counted_is_not_drawn():
    items = [(host, r._replace(counters={"rx_bytes": r.counters["rx_bytes"]})) for host, r in readings([1, 2])]
    drawn = picture(items)
    assert spans(drawn, "tx") == [] and len(spans(drawn)) == 2
    assert "eth1 tx   no rate known" in plot_text.draw(drawn, 80, False, False)


def test_which_ports():
    series = [readings([n], f"eth{n}") for n in range(1, 16)]
    drawn = picture(*series)
    assert ([trace.name for trace in drawn.traces], drawn.left_out) == ([f"eth{n}" for n in range(4, 16)], 3)
    drawn = picture(*series, ports=["eth2", "eth1"])
    assert ([trace.name for trace in drawn.traces], drawn.left_out) == (["eth1", "eth2"], 0)
    with pytest.raises(NotFound, match=r"port nosuch: not in folder/rec.csv; try: eth1, eth2"):
        picture(*series[:2], ports=["eth1", "nosuch"])
    same = picture(readings([1]), readings([1], bridge="br1"), readings([1], host="h1"), readings([1], "eth2"))
    assert [trace.name for trace in same.traces] == ["br0 eth1", "br1 eth1", "h1 br0 eth1", "eth2"]


@pytest.mark.parametrize(("items", "words"), [([], "no readings"), (readings([]), "two readings")])
def test_nothing_to_draw(items, words):
    with pytest.raises(NotFound, match=words):
        picture(items)


def test_text():
    text = plot_text.draw(picture(readings([10, 20, 40, None, 0, 30], interval_s=10)), 53, False, False)
    first = text.split("\n\n")[1]
    assert text.startswith("rec.csv   2026-11-20 16:00:00 to 16:01:00 UTC   averages over 10 s\n\n")
    assert first == "\n".join(
        [
            "eth1 rx   mean 20 Mbit/s, max 40 Mbit/s",
            "      40 Mbit/s ┤            ██████",
            "                ┤            ██████            ▄▄▄▄▄▄",
            "                ┤            ██████            ██████",
            "             20 ┤      ████████████            ██████",
            "                ┤▄▄▄▄▄▄████████████            ██████",
            "                ┤██████████████████            ██████",
            "              0 └──────────────────      R───────────",
            "                 16:00:00      16:00:30      16:01:00",
        ]
    )  # fmt: skip
    assert text.endswith("\n\nR the counters were reset\n")


def test_text_shows_the_highest_beside_the_mean():
    text = plot_text.draw(picture(readings([0] * 99 + [100] + [10] * 100, interval_s=0.1)), 57, False, False)
    rows = text.split("\n\n")[1].splitlines()[1:7]
    assert "max 100 Mbit/s" in text and "".join(row[17 + 19] for row in rows) == "░░░░▂█" and rows[5][17:36].isspace()


def test_text_in_ascii_and_in_colour():
    drawn = picture(readings([10, 20, 40, None, 0, 30]))
    assert plot_text.draw(drawn, 80, True, False).isascii()
    assert "\x1b[" not in plot_text.draw(drawn, 80, False, False)
    coloured = plot_text.draw(drawn, 80, False, True)
    assert coloured.replace("\x1b[36m", "").replace("\x1b[33m", "").replace("\x1b[0m", "") == plot_text.draw(drawn, 80, False, False)
    assert plot_text.has_blocks("utf-8") and not plot_text.has_blocks("ascii") and not plot_text.has_blocks("latin-1")


@pytest.mark.parametrize("width", [1, 40, 80, 333])
@pytest.mark.parametrize("interval_s", [0.005, 1, 3600, 10**6])
def test_text_is_as_wide_as_asked(width, interval_s):
    text = plot_text.draw(picture(readings([1e-6, 1234567.8, 0, None] * 7, interval_s=interval_s)), width, False, False)
    rows = [row for panel in text.split("\n\n")[1:3] for row in panel.splitlines()[1:]]
    assert max(map(len, rows)) == max(width, 48) and len(rows) == 16


def test_the_columns_of_a_plot_add_up():
    drawn = picture(readings([5, 1, 8, 2, 9, 4, 7], interval_s=0.3))
    columns = pictures.in_columns(drawn.traces[0].spans("rx"), drawn.begin, drawn.end, 4)
    assert math.isclose(sum(c.mean for c in columns) / 4, sum(s.mean for s in drawn.traces[0].spans("rx")) / 7, rel_tol=1e-5)
    assert [round(c.low / 1e6) for c in columns] == [1, 1, 2, 4] and [round(c.high / 1e6) for c in columns] == [5, 8, 9, 7]


HOSTILE = ["_eth", "$x_1$", "$\\frac{", "a<b>&c", "端口", "x" * 255]


@pytest.mark.parametrize("style", plot_image.STYLES)
@pytest.mark.parametrize("ending", ["svg", "PNG"])
def test_an_image(tmp_path, style, ending):
    target = tmp_path / f"out.{ending}"
    target.write_text("what was there")
    plot_image.draw(picture(*(readings([1, None, 3], name) for name in HOSTILE)), str(target), style)
    assert os.listdir(tmp_path) == [target.name]
    content = target.read_bytes()
    if ending == "svg":
        xml.etree.ElementTree.fromstring(content)
        for words in ("_eth rx: mean 2 Mbit/s, max 3 Mbit/s", "$x_1$ tx: mean 200 kbit/s", "reset", "local time, UTC", "Mbit/s"):
            assert words.encode() in content
        again = tmp_path / "again.svg"
        plot_image.draw(picture(*(readings([1, None, 3], name) for name in HOSTILE)), str(again), style)
        assert again.read_bytes() == content
    else:
        assert content.startswith(b"\x89PNG") and struct.unpack(">II", content[16:24])[0] == 1500


@pytest.mark.parametrize("series", [[0], [None], [1e-9, 10**9], [1, 2] * 4000], ids=["zero", "reset", "extremes", "many"])
def test_an_image_of_anything(tmp_path, series):
    plot_image.draw(picture(readings(series, interval_s=0.005)), str(tmp_path / "out.svg"), "step")
    assert (tmp_path / "out.svg").stat().st_size < 3 * 10**6


def test_steps_and_lines():
    two = [pictures.Span(0, 86400, 1, 0, 2), pictures.Span(86400, 172800, 3, 3, 3), pictures.Span(259200, 345600, 5, 5, 5)]
    assert [str(corners) for corners in plot_image._outline(two, "step", "mean")] == [
        "[0.0, 1.0, 1.0, 2.0, nan, 3.0, 4.0]",
        "[1, 1, 3, 3, 5, 5, 5]",
    ]
    assert [str(corners) for corners in plot_image._outline(two, "line", "low")] == ["[0.5, 1.5, nan, 3.5]", "[0, 3, 5, 5]"]


def test_where_an_image_cannot_be_written(tmp_path):
    drawn = picture(readings([1]))
    with pytest.raises(NotFound, match="no such file or folder"):
        plot_image.draw(drawn, str(tmp_path / "nosuch" / "out.svg"), "step")
    with pytest.raises(Refused):
        plot_image.draw(drawn, "/sys/out.svg", "step")
    (tmp_path / "folder.svg").mkdir()
    for target in ("out", "out.pdf", "", str(tmp_path / "folder.svg")):
        with pytest.raises(UsageError):
            plot_image.require_image(target)


def test_a_full_disk_leaves_the_old_image(tmp_path):
    """In another process, which may write 2,000 bytes to a file (RLIMIT_FSIZE)."""
    target = tmp_path / "out.png"
    target.write_text("what was there")
    code = (
        "import sys; from ovstool.terminal.plots import pictures, plot_image; from ovstool.rates import Reading\n"
        "two = [('', Reading(float(i), 'br0', 'eth1', None, {'rx_bytes': i})) for i in range(2)]\n"
        "plot_image.draw(pictures.picture('rec.csv', two, [], False), sys.argv[1], 'step')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, target],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
        env=os.environ | {"MPLCONFIGDIR": str(tmp_path / "fonts")},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Refused" in done.stderr, done.stderr
    assert target.read_text() == "what was there"
    assert {path.name for path in tmp_path.iterdir()} <= {"out.png", "fonts"}


def drawn_svg(tmp_path, *series, style: str = "step") -> str:
    plot_image.draw(picture(*series), str(tmp_path / "out.svg"), style)
    return (tmp_path / "out.svg").read_text()


def ticks(svg: str) -> list[str]:
    """The labels of the first panel's axis of rates; matplotlib writes each text into a comment too."""
    found = re.findall(r"<!-- ([0-9.]+) -->", svg)
    return found[: found.index("0", 1) if "0" in found[1:] else None]


def test_how_an_image_looks(tmp_path):
    few = drawn_svg(tmp_path, readings([1, 2.4, None, 2]))
    many = drawn_svg(tmp_path, readings([1, 2] * 150))
    assert few.count("stroke-width: 1.2") == 4 and many.count("stroke-width: 1.2") == 0  # two curves, and their two entries in the legend
    assert drawn_svg(tmp_path, readings([1, 2] * 149 + [1])).count("stroke-width: 1.2") == 4
    assert "stroke: #0072b2" in few and "stroke: #d55e00" in few and "stroke: #dddddd" in few
    assert few.count("fill-opacity: 0.2") == 3 and "fill-opacity: 0.3" not in few  # the area of rx in two parts, and in the legend
    assert "lowest to highest" not in few and "<!-- reset -->" in few and "averages over 1 s" in few
    assert ticks(few) == ["0", "1", "2"]


def test_very_many_readings_have_a_band(tmp_path):
    text = drawn_svg(tmp_path, readings([1, 2, 3] * 501))
    assert "<!-- lowest to highest -->" in text and "fill-opacity: 0.3" in text
    assert "<!-- lowest to highest -->" not in drawn_svg(tmp_path, readings([1, 2, 3] * 500))


@pytest.mark.parametrize(
    ("top", "panels", "shown"),
    [(11, 1, "0 2.5 5 7.5 10"), (12, 1, "0 5 10"), (9, 1, "0 2 4 6 8"), (4, 1, "0 1 2 3 4"), (9, 3, "0 2 4 6 8"), (9, 4, "0 5")],
)  # fmt: skip
def test_the_labels_of_the_axis_of_rates(tmp_path, top, panels, shown):
    assert ticks(drawn_svg(tmp_path, *(readings([top], f"eth{number}") for number in range(panels)))) == shown.split()
