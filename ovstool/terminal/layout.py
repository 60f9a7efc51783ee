"""The layout of rows in a window: which columns are side by side, and where a long text is broken (pure).

A table that is wider than the window is made narrower in this order: long texts are wrapped; those that are still too long move below
their row, each on its own lines; the columns are folded onto several lines; finally each row becomes a list of its fields. A number, a
name, an address or a header is not broken unless the window is narrower than it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

GAP = 2  # spaces between columns, and in front of continuation lines
_LONG = 24  # characters; a longer text may move below its row
_NOTHING = ("", "-")  # cells that people need not read
_MOST_LINES = 2  # of a wrapped cell; a longer one moves below
_MOST_FOLDED = 2  # lines of a row, or 3 if all but its name are numbers or it is long; beyond that a list of its fields is easier to read
_LONG_LIST = 9  # fields; as a list, two rows of more would fill a screen
_LEAST_TEXT = 20  # characters that a text should have beside its label
# Patterns are compiled on demand: most tables fit. A number is kept together with its unit, which follows after a space.
_NOT_A_NUMBER = "".join(rf"(?<![ (,][0-9.]{{{digits}}} )(?<!^[0-9.]{{{digits}}} )" for digits in range(1, 8))
_SPACE = rf"(?<= )(?! ){_NOT_A_NUMBER}"
_BREAK = rf"{_SPACE}(?![0-9])|(?<=[^(],)(?! )"
_GAP_IN_LINE = r"(?<=\S)  +(?=\S)"
# Where a text is broken: first at gaps of several spaces, then after commas and spaces, finally within words.
_BREAKS = (r"(?<=  )(?! )", _BREAK, _SPACE, r"(?<=->)|(?<=[ =/(,;|])")

Paint = Callable[[str, str], str]  # takes the name of a column and the text of a cell, returns the text with colours


class Column(NamedTuple):
    """The space that a column needs, in characters: ``widest`` on one line, ``least`` for its longest unbreakable part."""

    header: str
    widest: int
    least: int
    is_number: bool

    @property
    def is_long(self) -> bool:
        return not self.is_number and self.widest > _LONG


def measured(header: str, cells: Sequence[str], is_number: bool, in_window: bool = True) -> Column:
    """The space that a column needs. Without a window nothing is wrapped, so unbreakable parts are not searched for."""
    texts = [header, *cells]
    widest = max(map(len if "".join(texts).isascii() else width, texts))
    if is_number or widest <= _LONG or not in_window:
        return Column(header, widest, widest, is_number)
    return Column(header, widest, max(width(part.rstrip()) for text in texts for part in re.split(_BREAK, text)), is_number)


class Layout(NamedTuple):
    """The positions of columns, by index: the ``lines`` of a row, in slots of these ``widths``, and the columns ``below`` it.

    Only the first column uses the first slot. Without ``lines`` each row is a list of its fields. ``room`` is the window's width in characters.
    """

    columns: Sequence[Column]
    lines: Sequence[Sequence[int]]
    widths: Sequence[int]
    below: Sequence[int]
    room: int

    def drawn(self, rows: Sequence[Sequence[str]], paint: Paint | None = None) -> Iterator[str]:
        """The lines of the table, without newlines."""
        yield from self.head()
        slots = list(zip(self.columns, self.widths, strict=False))
        is_plain = len(self.lines) == 1 and not self.below and all(column.widest <= slot for column, slot in slots)
        template = (" " * GAP).join(f"%{'' if column.is_number else '-'}{slot}s" for column, slot in slots)
        for row in rows:
            # Most rows are one line without colours, which is drawn in a fifth of the time.
            if is_plain and "".join(row).isascii() and not (paint and self._has_colour(row, paint)):
                yield (template % tuple(row)).rstrip()
            else:
                yield from self.row(row, paint)

    def head(self) -> Iterator[str]:
        for places in self.lines:
            yield self._joined([self.columns[place].header for place in places], places, None)
        if self.lines:
            yield (" " * GAP).join("-" * width for width in self.widths)

    def row(self, row: Sequence[str], paint: Paint | None) -> Iterator[str]:
        for number, places in enumerate(self.lines):
            shift = 1 if number else 0  # only the first line has the first column
            cells = [wrapped(row[place], self.widths[slot + shift]) for slot, place in enumerate(places)]
            for texts in zip_longest(*cells, fillvalue=""):
                yield self._joined(texts, places, paint)
        yield from self._listed(row, self.below if self.lines else range(len(row)), paint)

    def _has_colour(self, row: Sequence[str], paint: Paint) -> bool:
        return any(paint(column.header, text) is not text for column, text in zip(self.columns, row, strict=True))

    def _joined(self, texts: Sequence[str], places: Sequence[int], paint: Paint | None) -> str:
        """One line: each text in its slot, a number on the right."""
        line = "" if places[0] == 0 else " " * (self.widths[0] + GAP)
        slots = self.widths if places[0] == 0 else self.widths[1:]
        parts = []
        for text, place, slot in zip(texts, places, slots, strict=False):
            column = self.columns[place]
            space = " " * (slot - width(text))
            shown = paint(column.header, text) if paint else text
            parts.append(space + shown if column.is_number else shown + space)
        return (line + (" " * GAP).join(parts)).rstrip()

    def _listed(self, row: Sequence[str], places: Sequence[int], paint: Paint | None) -> Iterator[str]:
        """One or more lines for each of these columns, each with its header in front; all but the first column are indented."""
        most = max((width(self.columns[place].header) for place in places), default=0)
        for place in places:
            if place and row[place] in _NOTHING:
                continue
            column, text = self.columns[place], row[place]
            # Part of a number would be a different number, so it may be wider than the window.
            room = max(self.room, GAP + 1 + width(text)) if column.is_number else self.room
            for lead, part in labelled(column.header, text, room, GAP if place else 0, most):
                yield lead + (paint(column.header, part) if paint and part else part)


def chosen(columns: Sequence[Column], room: int) -> Layout:
    """The first layout, in the order of the module's docstring, that fits a window of ``room`` characters; 0 means unlimited."""
    beside, below = list(range(len(columns))), list[int]()
    if not room:
        return Layout(columns, [beside], [column.widest for column in columns], below, room)
    floors = [max(column.least, -(-column.widest // _MOST_LINES)) for column in columns]
    if widths := narrowed(columns, floors, room):
        return Layout(columns, [beside], widths, below, room)
    below = [place for place in beside[1:] if columns[place].is_long]
    beside = [place for place in beside if place not in below]
    texts = sum(not columns[place].is_number for place in beside)
    for count in range(1, _MOST_FOLDED + 1 + (texts < 2 or len(beside) > _LONG_LIST)):
        lines, widths = _folded(columns, beside, count)
        if sum(widths) + GAP * (len(widths) - 1) <= room:
            return Layout(columns, lines, widths, below, room)
    return Layout(columns, [], [], [], room)


def narrowed(columns: Sequence[Column], floors: Sequence[int], room: int) -> list[int] | None:
    """Widths at which the columns fit side by side, none below its floor, reducing the widest first; None if impossible."""
    widths = [max(floor, min(column.widest, room)) for column, floor in zip(columns, floors, strict=True)]
    room -= GAP * (len(columns) - 1)
    if sum(floors) > room:
        return None
    while sum(widths) > room:
        widest = max((i for i in range(len(widths)) if widths[i] > floors[i]), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _folded(columns: Sequence[Column], beside: Sequence[int], count: int) -> tuple[list[list[int]], list[int]]:
    """A row on ``count`` lines, and the widths of its slots; columns in the same slot are stacked, to the right of the first column."""
    first, *rest = beside
    slots = max(1, -(-len(rest) // count))
    lines = [rest[start : start + slots] for start in range(0, len(rest), slots)] or [[]]
    lines[0] = [first, *lines[0]]
    widths = [max(columns[place].widest for place in rest[slot::slots]) for slot in range(min(slots, len(rest)))]
    return lines, [columns[first].widest, *widths]


def labelled(label: str, text: str, room: int, indent: int, label_width: int) -> Iterator[tuple[str, str]]:
    """A text beside its label, on as many lines as needed; below it if the window is too narrow. Each line is a pair: lead and text."""
    lead = " " * indent + label + " " * (label_width - width(label) + GAP)
    hang = indent + label_width + GAP
    if room and room - hang < min(_LEAST_TEXT, width(text)):
        yield from ((line, "") for line in wrapped(" " * indent + label, room))
        hang = indent + 1
        lead = " " * hang
    for line in wrapped(text, max(1, room - hang)) if room else [text]:
        yield lead, line
        lead = " " * hang


def hanging(line: str, room: int) -> Iterator[str]:
    """A line of a page folded to a window: continuation lines align with the text after its label, or are indented."""
    if width(line) <= room:
        yield line
        return
    text = line.lstrip()
    indent = len(line) - len(text)
    labels = [gap.end() for gap in re.finditer(_GAP_IN_LINE, line[: _LONG + 1])]
    hang = labels[-1] if labels else indent or 2 * GAP
    if room - hang < _LEAST_TEXT:
        indent = min(indent, GAP)
        hang = indent + GAP
        text = re.sub(_GAP_IN_LINE, " " * GAP, text)
    first, *rest = wrapped(text, max(1, room - indent), max(1, room - hang))
    yield " " * indent + first
    for part in rest:
        yield " " * hang + part


def wrapped(text: str, room: int, later_room: int | None = None) -> list[str]:
    """A text on one or more lines of at most ``room`` characters, or ``later_room`` after the first if given."""
    if width(text) <= room:
        return [text]
    later_room = later_room or room
    lines, line = list[str](), ""
    for part in _parts(text, min(room, later_room)):
        if line and width((line + part).rstrip()) > room:
            lines.append(line.rstrip())
            line, room = "", later_room
        line += part
    return [*lines, line.rstrip()]


def _parts(text: str, room: int) -> Iterator[str]:
    """The parts of a text that are not broken in a window, with the space after them."""
    parts = [text]
    for breaks in _BREAKS:
        parts = [smaller for part in parts for smaller in ([part] if width(part.rstrip()) <= room else re.split(breaks, part))]
    for part in parts:
        yield from _cut(part, room) if width(part.rstrip()) > room else [part]


def _cut(text: str, room: int) -> Iterator[str]:
    """Parts of a word that is wider than a line, each of which fits on a line."""
    start = used = 0
    for end, character in enumerate(text):
        wide = width(character)
        if used + wide > room and end > start:
            yield text[start:end]
            start, used = end, 0
        used += wide
    yield text[start:]


def width(text: str) -> int:
    """The width of a text on a terminal, in characters."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    return max(wcswidth(text), 0)
