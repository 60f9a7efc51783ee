"""Pictures drawn by matplotlib, as SVG or PNG files."""

import math
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from ovstool import units
from ovstool.errors import NotFound, UsageError
from ovstool.recording.files import failed, shown
from ovstool.terminal.plots.pictures import DIRECTIONS, Picture, Span, Trace, in_columns, summary, zone

STYLES = ("step", "line")
_IMAGES = (".svg", ".png")
_PIXELS = 1500  # columns in which an image shows more readings than that
_COLOURS = {"rx": "#0072B2", "tx": "#D55E00"}  # Okabe and Ito's, which the colour-blind tell apart


def require_image(target: str) -> None:
    """Raise UsageError for an unsupported image type, NotFound if matplotlib is not installed."""
    if os.path.splitext(target)[1].lower() not in _IMAGES:
        raise UsageError(shown(target), f"an image name must end in {' or '.join(_IMAGES)}")
    if os.path.isdir(target):
        raise UsageError(shown(target), "a directory")
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError as error:
        if error.path or error.__cause__:  # it is installed, but cannot be loaded for another reason
            raise
        raise NotFound("matplotlib", "needed to draw images, but not installed", f"{_how_to_install()}, or no -o to draw here") from error


def _how_to_install() -> str:
    """The command that installs matplotlib for this Python; pipx has an environment for each program, and Debian's package uses Debian's."""
    import shlex

    if __file__.startswith("/usr/share/ovstool/"):
        return "apt-get install python3-matplotlib"
    if os.path.exists(os.path.join(sys.prefix, "pipx_metadata.json")):
        return shlex.join(["pipx", "inject", os.path.basename(sys.prefix), "matplotlib"])
    return shlex.join([sys.executable or "python3", "-m", "pip", "install", "matplotlib"])


def draw(picture: Picture, target: str, style: str) -> None:
    """Draw an SVG or PNG file, replaced as a whole or not at all: a panel for each port, over one time axis.

    ``style`` is one of STYLES: ``step`` draws each average over its own interval, ``line`` connects their midpoints.
    Raises NotFound for a missing folder, Refused if the file cannot be written.
    """
    import logging
    import warnings

    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it logs its search for fonts
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that the font lacks
        matplotlib.rcdefaults()  # the same drawing for everybody
        matplotlib.rcParams |= {"text.parse_math": False, "svg.hashsalt": "ovstool", "font.size": 9}
        count = len(picture.traces)
        figure = Figure(figsize=(10, 1 + max(4 / count, 1.25) * count), layout="constrained")
        axes = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
        for axis, trace in zip(axes, picture.traces, strict=True):
            _draw(axis, trace, picture, style)
        _time_axis(axes[-1], picture)
        figure.suptitle(picture.heading, fontsize=11)
        _save(figure, target)


class _Curve(NamedTuple):
    """The legend entries of a curve, and of the band around it if its values cover several readings."""

    handle: Any
    band: Any


def _draw(axis: Any, trace: Trace, picture: Picture, style: str) -> None:
    """One port's panel: rx as an area, tx as a line, so that they can be told apart without colour."""
    labels, handles, bands = [], [], []
    for direction in DIRECTIONS:
        spans = list(trace.spans(direction))
        label = f"{trace.name} {direction}: {summary(spans, picture.unit)}"
        labels.append(f" {label}" if label.startswith("_") else label)  # matplotlib hides labels with an underscore in front
        curve = _curve(axis, spans, picture, style, _COLOURS[direction], filled=direction == "rx")
        handles.append(curve.handle)
        bands += [curve.band] if curve.band else []
    if bands:
        handles.append(bands[-1])
        labels.append("lowest to highest")
    if trace.resets:
        handles.append(_resets(axis, trace, picture))
        labels.append("reset")
    _rate_axis(axis, max((span.high for direction in DIRECTIONS for span in trace.spans(direction)), default=0.0), picture)
    columns = 4 if sum(map(len, labels)) < 110 else 2  # a legend wider than the figure would shrink the plot
    axis.legend(handles, labels, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, borderaxespad=0.2, borderpad=0)


def _curve(axis: Any, spans: Sequence[Span], picture: Picture, style: str, colour: str, filled: bool) -> _Curve:
    band = None
    if len(spans) > _PIXELS:
        spans = [span for span in in_columns(spans, picture.begin, picture.end, _PIXELS) if span]
        days, lows, highs = _outline(spans, style, "low", "high")
        band = axis.fill_between(days, lows, highs, color=colour, alpha=0.3, linewidth=0)
    days, means = _outline(spans, style, "mean")
    (line,) = axis.plot(days, means, color=colour, linewidth=1.2 if len(spans) < 300 else 0.8, solid_joinstyle="miter")
    area = axis.fill_between(days, means, color=colour, alpha=0.2, linewidth=0) if filled else None
    return _Curve((area, line) if area else line, band)


def _resets(axis: Any, trace: Trace, picture: Picture) -> Any:
    """Draw a line at each reset of the counters, one per pixel column; returns the last, for the legend."""
    seconds = picture.end - picture.begin
    by_column = {round((after - picture.begin) / seconds * _PIXELS): after for _, after in trace.resets}
    return [axis.axvline(after / 86400, color="black", linestyle=(0, (4, 3)), linewidth=1) for after in by_column.values()][-1]


def _rate_axis(axis: Any, top: float, picture: Picture) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    factor, prefix = units.scale(top)
    axis.set_ylim(-0.03 * (top or 1), 1.05 * (top or 1))  # keeps a rate of zero visible, unlike an unknown rate
    axis.yaxis.set_major_locator(MaxNLocator(5 if len(picture.traces) < 4 else 3, steps=[1, 2, 2.5, 5, 10]))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / factor:g}"))
    axis.set_ylabel(f"{prefix}{picture.unit}")
    axis.grid(axis="y", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _outline(spans: Sequence[Span], style: str, *values: str) -> tuple[list[float], ...]:
    """The points of a curve, in matplotlib's days and the unit of the picture; NaN at gaps."""
    days: list[float] = []
    heights: tuple[list[float], ...] = tuple([] for _ in values)
    end = None
    for span in spans:
        new = [] if end is None or end == span.begin else [math.nan]
        new += [span.begin, span.end] if style == "step" else [(span.begin + span.end) / 2]
        days += [moment / 86400 for moment in new]
        for column, value in zip(heights, values, strict=True):
            column += [getattr(span, value)] * len(new)
        end = span.end
    return days, *heights


def _time_axis(axis: Any, picture: Picture) -> None:
    from dateutil.tz import tzlocal
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=tzlocal(), minticks=4, maxticks=10)
    axis.xaxis.set_major_locator(locator)
    # For ticks at years, months, days, hours, minutes, seconds; the heading has the whole date.
    ticks = ["%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M", "%H:%M:%S.%f"]
    zeros = ["", "%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M:%S.%f"]
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator, tzlocal(), ticks, zero_formats=zeros, show_offset=False))
    axis.set_xlim(picture.begin / 86400, picture.end / 86400)
    axis.set_xlabel(f"local time, {zone(picture.begin)}")


def _save(figure: Any, target: str) -> None:
    """Write a temporary file beside the target first, so that there is always a complete drawing, the old or the new one."""
    folder, name = os.path.split(os.path.realpath(target))
    temporary = os.path.join(folder, f".{name}.{os.getpid()}")
    kind = os.path.splitext(target)[1].lower()[1:]
    try:
        with open(temporary, "xb") as file:
            figure.savefig(file, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
        os.replace(temporary, os.path.join(folder, name))
    except OSError as error:
        raise failed(target, error) from error
    finally:
        with suppress(OSError):
            os.unlink(temporary)
