"""Pictures drawn with characters, for a terminal or a file of text."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from ovstool import units
from ovstool.terminal.plots.pictures import DIRECTIONS, Picture, Span, Trace, clock, in_columns, summary

_NICE = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_NARROWEST = 48  # characters of a terminal
MARGIN = 15  # characters of "1000 packets/s"
_ANSI = {"rx": "\x1b[36m", "tx": "\x1b[33m"}


class _Frame(NamedTuple):
    """The characters around and above the blocks."""

    shade: str
    left: str
    corner: str
    bottom: str


_BLOCKS, _FRAME = " ▁▂▃▄▅▆▇█", _Frame("░", "┤", "└", "─")
_PLAIN_BLOCKS, _PLAIN_FRAME = " .:#", _Frame("'", "|", "+", "-")


class Paper(NamedTuple):
    """The canvas: the size of the panels in characters and lines, and the characters to draw with."""

    width: int
    height: int
    blocks: str  # from an empty one to a full one
    frame: _Frame
    colour: bool

    @property
    def room(self) -> int:
        """Characters for the curve."""
        return self.width - MARGIN - 2


def has_blocks(encoding: str) -> bool:
    """Whether this encoding contains the characters that ``draw`` uses."""
    try:
        return bool((_BLOCKS + "".join(_FRAME)).encode(encoding))
    except (UnicodeEncodeError, LookupError):
        return False


def paper(width: int, height: int, ascii_only: bool, colour: bool) -> Paper:
    """Paper for panels of this size, in characters and lines."""
    blocks, frame = (_PLAIN_BLOCKS, _PLAIN_FRAME) if ascii_only else (_BLOCKS, _FRAME)
    return Paper(width, height, blocks, frame, colour)


def draw(picture: Picture, width: int, ascii_only: bool, colour: bool) -> str:
    """Draw with characters, ``width`` wide but at least _NARROWEST: a panel for each port and direction.

    A full block is the mean rate of its column, a light one reaches up to the highest.
    """
    sheet = paper(max(width, _NARROWEST), 6 if len(picture.traces) <= 4 else 4, ascii_only, colour)
    lines = [picture.heading]
    for trace in picture.traces:
        for direction in DIRECTIONS:
            lines += ["", *_panel(trace, direction, picture, sheet)]
    shade = sheet.frame.shade
    keys = [f"{shade} up to the highest rate within a column"] if any(shade in line for line in lines) else []
    keys += ["R the counters were reset"] if any(trace.resets for trace in picture.traces) else []
    lines += ["", ", ".join(keys)] if keys else []
    return "\n".join(lines) + "\n"


def _panel(trace: Trace, direction: str, picture: Picture, paper: Paper) -> Iterator[str]:
    on, off = (_ANSI[direction], "\x1b[0m") if paper.colour else ("", "")
    spans = list(trace.spans(direction))
    top = nice(max((span.high for span in spans), default=0))
    factor, prefix = units.scale(top)
    labels = {paper.height: f"{top / factor:g} {prefix}{picture.unit}", paper.height // 2: f"{top / 2 / factor:g}"}
    columns = in_columns(spans, picture.begin, picture.end, paper.room)
    yield f"{on}{trace.name} {direction}{off}   {summary(spans, picture.unit)}"
    for row in reversed(range(paper.height)):
        cells = "".join(cell(column, row, top, paper) for column in columns).rstrip()
        yield f"{labels.get(row + 1, ''):>{MARGIN}} {paper.frame.left}{on}{cells}{off}"
    resets = {_column_of(after, picture, paper) for _, after in trace.resets}
    bottom = "".join("R" if i in resets else paper.frame.bottom if column else " " for i, column in enumerate(columns)).rstrip()
    yield f"{'0':>{MARGIN}} {paper.frame.corner}{bottom}"
    yield _moments(picture, paper)


def cell(column: Span | None, row: int, top: float, paper: Paper) -> str:
    """The character of a column in a row, counted from 0 at the bottom; the rate ``top`` fills all rows."""
    if column is None:
        return " "
    mean, high = (value / top * paper.height - row for value in (column.mean, column.high))
    filled = round(min(max(mean, 0), 1) * (len(paper.blocks) - 1))
    if filled == 0 and row == 0 and high > 0:
        return paper.blocks[1]  # small, but not zero
    return paper.blocks[filled] if filled or high < 0.25 else paper.frame.shade


def _column_of(moment: float, picture: Picture, paper: Paper) -> int:
    return min(int((moment - picture.begin) / (picture.end - picture.begin) * paper.room), paper.room - 1)


def _moments(picture: Picture, paper: Paper) -> str:
    """The line below a panel: start, middle if there is room, and end."""
    seconds = picture.end - picture.begin
    begin, middle, end = (_short(moment, seconds) for moment in (picture.begin, picture.begin + seconds / 2, picture.end))
    between = paper.room - len(begin) - len(end)
    return f"{'':{MARGIN + 2}}{begin}{middle if len(middle) < between - 1 else '':^{between}}{end}"


def nice(value: float) -> float:
    """The smallest round number that is not visibly below the value."""
    if value <= 0:
        return 1
    decade = 10.0 ** math.floor(math.log10(value))
    return next((factor * decade for factor in _NICE if factor * decade >= 0.999 * value), 10 * decade)


def _short(moment: float, seconds: float) -> str:
    """A moment, with the precision that the length of the axis requires."""
    if seconds < 10:
        return f"{clock(moment, '%H:%M:%S')}.{int(moment % 1 * 1000):03}"
    return clock(moment, "%H:%M:%S" if seconds < 86400 else "%m-%d %H:%M")
