"""The content of an image, as passed to matplotlib when it is saved."""

import logging
import math
import sys

import pytest
from test_plot import START, picture, readings, utc

from ovstool.errors import NotFound, UsageError
from ovstool.terminal.plots import pictures, plot_image

assert utc  # the time zone of all tests here
DAY = START / 86400


@pytest.fixture
def matplotlib():
    """Imported on use, as that takes longer than collecting all other tests here."""
    return pytest.importorskip("matplotlib")


@pytest.fixture
def saved(matplotlib, monkeypatch, tmp_path):
    """``saved(picture)``: the figure, the arguments of saving, and matplotlib's settings at that time; not the file's content."""
    from matplotlib.figure import Figure

    def save(drawn: pictures.Picture, style: str = "step", name: str = "out.svg"):
        seen = []

        def savefig(figure, file, **how):
            seen.extend([figure, how, dict(matplotlib.rcParams)])
            file.write(b"drawn")

        monkeypatch.setattr(Figure, "savefig", savefig)
        plot_image.draw(drawn, str(tmp_path / name), style)
        assert (tmp_path / name).read_bytes() == b"drawn"
        return seen

    return save


def corners(line) -> list[tuple[float, float]]:
    """Points in seconds from the beginning and in Mbit/s."""
    return [(round((day - DAY) * 86400, 3), round(value / 1e6, 3)) for day, value in zip(*line.get_data(), strict=True)]


def test_how_it_is_saved(saved, matplotlib):
    before = dict(matplotlib.rcParams)
    for name, kind, metadata in (("a.svg", "svg", {"Date": None}), ("b.PNG", "png", None), ("c.x.png", "png", None)):
        _, how, settings = saved(picture(readings([1])), name=name)
        assert how == {"format": kind, "dpi": 150, "metadata": metadata}
        assert (settings["text.parse_math"], settings["svg.hashsalt"], settings["font.size"]) == (False, "ovstool", 9)
        assert dict(matplotlib.rcParams) == before
    assert logging.getLogger("matplotlib").level == logging.ERROR


def test_matplotlibs_own_settings_do_not_matter(saved, matplotlib, monkeypatch):
    monkeypatch.setitem(matplotlib.rcParams, "axes.facecolor", "red")
    _, _, settings = saved(picture(readings([1])))
    assert settings["axes.facecolor"] == "white" and matplotlib.rcParams["axes.facecolor"] == "red"


@pytest.mark.parametrize(("ports", "height"), [(1, 5), (3, 5), (4, 6), (5, 7.25)])
def test_a_panel_for_each_port(saved, ports, height):
    figure, *_ = saved(picture(*[readings([1, 2], f"eth{number}") for number in range(ports)]))
    assert tuple(figure.get_size_inches()) == (10, height) and type(figure.get_layout_engine()).__name__ == "ConstrainedLayoutEngine"
    assert [axis.get_legend().get_texts()[0].get_text().split()[0] for axis in figure.axes] == [f"eth{number}" for number in range(ports)]
    (heading,) = figure.texts
    assert (heading.get_text(), heading.get_fontsize()) == ("rec.csv   2026-11-20 16:00:00 to 16:00:02 UTC   averages over 1 s", 11)
    first, last = figure.axes[0], figure.axes[-1]
    assert all(axis.get_xlim() == (DAY, (START + 2) / 86400) for axis in figure.axes)
    assert last.get_xlabel() == "local time, UTC" and (first is last or first.get_xlabel() == "")
    assert first is last or not any(label.get_visible() for label in first.get_xticklabels())


def test_curves(saved):
    figure, *_ = saved(picture(readings([1, 3])))
    (axis,) = figure.axes
    rx, tx = axis.get_lines()
    assert corners(rx) == [(0, 1), (1, 1), (1, 3), (2, 3)] and corners(tx) == [(0, 0.1), (1, 0.1), (1, 0.3), (2, 0.3)]
    assert [line.get_color() for line in (rx, tx)] == ["#0072B2", "#D55E00"]
    assert {line.get_linewidth() for line in (rx, tx)} == {1.2} and {line.get_solid_joinstyle() for line in (rx, tx)} == {"miter"}
    (area,) = axis.collections
    assert (area.get_alpha(), list(area.get_linewidth())) == (0.2, [0])
    assert [round(value, 2) for value in area.get_facecolor()[0]] == [0, 0.45, 0.7, 0.2]
    assert sorted({round(y / 1e6, 3) for _, y in area.get_paths()[0].vertices}) == [0, 1, 3]
    figure, *_ = saved(picture(readings([1, 3])), style="line")
    assert corners(figure.axes[0].get_lines()[0]) == [(0.5, 1), (1.5, 3)]


def test_a_curve_is_broken_over_a_reset(saved):
    figure, *_ = saved(picture(readings([1, None, 3])))
    (axis,) = figure.axes
    rx, _, reset = axis.get_lines()
    assert [math.isnan(day) for day in rx.get_xdata()] == [False, False, True, False, False]
    assert ([round((day - DAY) * 86400) for day in reset.get_xdata()], list(reset.get_ydata())) == ([2, 2], [0, 1])
    assert (reset.get_color(), reset.get_linewidth(), reset._unscaled_dash_pattern) == ("black", 1, (0, (4, 3)))
    assert [text.get_text() for text in axis.get_legend().get_texts()][2:] == ["reset"]


def test_resets_of_one_column_are_one_line(saved):
    figure, *_ = saved(picture(readings([1] * 3998 + [None, 1, None] + [1] * 1999)))
    assert len(figure.axes[0].get_lines()) == 3 and len(figure.axes[0].get_legend().get_texts()) == 4
    figure, *_ = saved(picture(readings([1] * 500 + [None, 1, None, 1] + [1] * 496)))
    assert len(figure.axes[0].get_lines()) == 4


def test_of_many_readings_the_lowest_and_the_highest_are_a_band(saved):
    figure, *_ = saved(picture(readings([1, 2, 3] * 501)))
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.get_legend().get_texts()] == [
        "eth1 rx: mean 2 Mbit/s, max 3 Mbit/s", "eth1 tx: mean 200 kbit/s, max 300 kbit/s", "lowest to highest",
    ]  # fmt: skip
    assert [(each.get_alpha(), list(each.get_linewidth())) for each in axis.collections] == [(0.3, [0]), (0.2, [0]), (0.3, [0])]
    assert [[round(value, 2) for value in each.get_facecolor()[0]] for each in axis.collections] == [
        [0, 0.45, 0.7, 0.3], [0, 0.45, 0.7, 0.2], [0.84, 0.37, 0, 0.3],
    ]  # fmt: skip
    band = axis.collections[0].get_paths()[0].vertices
    assert {round(y / 1e6) for _, y in band} == {1, 2, 3} and len(axis.get_lines()[0].get_xdata()) == 3000
    assert axis.get_lines()[0].get_linewidth() == 0.8
    figure, *_ = saved(picture(readings([1, 2, 3] * 500)))
    assert len(figure.axes[0].get_lines()[0].get_xdata()) == 3000 and len(figure.axes[0].collections) == 1


@pytest.mark.parametrize(("count", "width"), [(299, 1.2), (300, 0.8)])
def test_many_readings_are_drawn_finer(saved, count, width):
    figure, *_ = saved(picture(readings([1] * count)))
    assert [line.get_linewidth() for line in figure.axes[0].get_lines()] == [width, width]


def test_the_axis_of_rates(saved):
    for mbits, factor, label, limits in (
        ([20], 10**6, "Mbit/s", (-0.6e6, 21e6)), ([0.5], 10**3, "kbit/s", (-15e3, 525e3)), ([0], 1, "bit/s", (-0.03, 1.05)),
    ):  # fmt: skip
        figure, *_ = saved(picture(readings(mbits)))
        (axis,) = figure.axes
        assert axis.get_ylabel() == label and [round(value, 6) for value in axis.get_ylim()] == [round(value, 6) for value in limits]
        assert axis.yaxis.get_major_formatter()(2.5 * factor, None) == "2.5"
    assert saved(picture(readings([8]), packets=True))[0].axes[0].get_ylabel() == "kpackets/s"
    figure, *_ = saved(picture(readings([20])))
    (axis,) = figure.axes
    assert [axis.spines[side].get_visible() for side in ("top", "right", "left", "bottom")] == [False, False, True, True]
    grid = axis.yaxis.get_gridlines()[0]
    assert (grid.get_visible(), grid.get_color(), grid.get_linewidth(), axis.get_axisbelow()) == (True, "#dddddd", 0.6, True)
    assert not axis.xaxis.get_gridlines()[0].get_visible()


@pytest.mark.parametrize(
    ("ports", "top", "ticks"),
    [
        (1, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1, 5, [0, 1, 2, 3, 4, 5]),
        (3, 10, [0, 2, 4, 6, 8, 10]),
        (4, 10, [0, 5, 10]),
        (1, 12, [0, 2.5, 5, 7.5, 10, 12.5]),
    ],
)
def test_ticks_of_the_axis_of_rates(saved, ports, top, ticks):
    figure, *_ = saved(picture(*[readings([1], f"eth{number}") for number in range(ports)]))
    found = figure.axes[0].yaxis.get_major_locator().tick_values(0, top)
    assert [round(value, 6) for value in found] == ticks


def test_the_axis_of_time(saved):
    figure, *_ = saved(picture(readings([1, 2])))
    locator, formatter = figure.axes[0].xaxis.get_major_locator(), figure.axes[0].xaxis.get_major_formatter()
    assert (locator.minticks, set(locator.maxticks.values())) == (4, {10})
    assert formatter.formats == ["%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M", "%H:%M:%S.%f"]
    assert formatter.zero_formats == ["", "%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M:%S.%f"] and formatter.show_offset is False


def test_times_are_local(saved, monkeypatch):
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    figure, *_ = saved(picture(readings([1, 1], interval_s=3600)))
    axis = figure.axes[0].xaxis
    ticks = axis.get_major_locator()()
    assert (
        len(ticks) >= 4
        and "01:30" in axis.get_major_formatter().format_ticks(ticks)
        and figure.axes[0].get_xlabel() == "local time, JST (UTC+0900)"
    )


def test_the_legend(saved):
    for name, columns in (("e" * 4, 4), ("e" * 30, 2)):
        figure, *_ = saved(picture(readings([1], name)))
        legend = figure.axes[0].get_legend()
        assert (legend._ncols, legend.get_frame_on(), legend.borderaxespad, legend.borderpad) == (columns, False, 0.2, 0)
        assert legend._loc == 3  # lower left, above the panel
        assert legend.get_bbox_to_anchor().transformed(figure.axes[0].transAxes.inverted()).min.round(6).tolist() == [0, 1]
    # 109 characters fit on one line, 110 do not.
    for length, columns in ((20, 4), (21, 2)):
        figure, *_ = saved(picture(readings([1], "e" * length)))
        legend = figure.axes[0].get_legend()
        texts = [text.get_text() for text in legend.get_texts()]
        assert (sum(map(len, texts)) < 110, legend._ncols) == (columns == 4, columns)
    figure, *_ = saved(picture(readings([1], "_eth")))
    assert [text.get_text().partition(":")[0] for text in figure.axes[0].get_legend().get_texts()] == [" _eth rx", " _eth tx"]


def test_without_matplotlib(monkeypatch, tmp_path):
    """The suggested command installs into the environment of ovstool, with pip or pipx."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    prefix = tmp_path / "venvs" / "ovstool"
    prefix.mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.setattr(sys, "executable", "/opt/our tools/python")
    for command in ("'/opt/our tools/python' -m pip install matplotlib", "pipx inject ovstool matplotlib"):
        with pytest.raises(NotFound) as missing:
            plot_image.require_image("x.svg")
        assert str(missing.value) == f"matplotlib: needed to draw images, but not installed; try: {command}, or no -o to draw here"
        (prefix / "pipx_metadata.json").touch()


@pytest.mark.parametrize("error", [ImportError("libpng.so", path="/x.so"), ImportError("numpy")])
def test_with_a_matplotlib_that_cannot_be_loaded(monkeypatch, error):
    class Broken:
        def find_spec(self, name, *rest):
            if name == "matplotlib":
                error.__cause__ = None if error.path else ImportError("libblas.so")
                raise error

    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(ImportError, match=error.msg):
        plot_image.require_image("x.svg")


def test_names_of_images(tmp_path):
    plot_image.require_image(str(tmp_path / "a.SVG"))
    plot_image.require_image("a.b.png")
    (tmp_path / "d.png").mkdir()
    for name, said in (
        ("a.pdf", "a.pdf: an image name must end in .svg or .png"),
        (str(tmp_path / "d.png"), f"{tmp_path}/d.png: a directory"),
    ):
        with pytest.raises(UsageError) as refused:
            plot_image.require_image(name)
        assert str(refused.value) == said
