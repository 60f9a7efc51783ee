"""Cells of a live view: text of a fixed width and its style, in characters that the terminal can show.

They become rich Segments: no markup to be misread in a name, and a fraction of the time that rich's Table takes, which would be a fifth
of a core for 45 rows.
"""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size
from rich.style import Style

from ovstool.errors import escape

_BLOCKS, _EIGHTHS = "▁▂▃▄▅▆▇█", " ▏▎▍▌▋▊▉█"
_BLOCKS_ASCII, _EIGHTHS_ASCII = "_.:-=+*#", "    ----#"
PLAIN, BOLD, REVERSE, BOLD_REVERSE = Style.null(), Style(bold=True), Style(reverse=True), Style(bold=True, reverse=True)
DIM, SPARK, BAD, MARK = Style(dim=True), Style(color="cyan"), Style(color="red", bold=True), Style(color="yellow", bold=True)
Cell = tuple[str, Style]


class Characters:
    """The characters that a terminal with this encoding can show."""

    def __init__(self, encoding: str):
        self._encoding = encoding
        self.is_plain = "?" in (_BLOCKS + _EIGHTHS + "…").encode(encoding, "replace").decode(encoding)
        self.blocks, self._eighths, self._cut = (_BLOCKS_ASCII, _EIGHTHS_ASCII, "~") if self.is_plain else (_BLOCKS, _EIGHTHS, "…")

    def printable(self, text: str) -> str:
        """Text from a switch in a form that this terminal can show, with the width that we compute."""
        if text.isascii() and text.isprintable():
            return text
        return (text if text.isprintable() else escape(text)).encode(self._encoding, "backslashreplace").decode(self._encoding)

    def longest(self, texts: Sequence[str]) -> int:
        """The width of the longest of some texts."""
        whole = "".join(texts)
        if whole.isascii() and whole.isprintable():  # most are; there may be ten thousand
            return max(map(len, texts), default=0)
        return max(cell_len(self.printable(text)) for text in texts)

    def clip(self, text: str, width: int) -> str:
        """The text cut or padded to exactly this width."""
        if width < 1:
            return ""
        return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + self._cut

    def sparkline(self, values: Sequence[float | None]) -> str:
        top = max((value for value in values if value), default=1)
        # Zero looks different from a tiny value, and both from unknown.
        return "".join(" " if value is None else self.blocks[1 + int(value / top * 6.999) if value else 0] for value in values)

    def bar(self, percent: float, width: int) -> str:
        full, rest = divmod(-int(-min(percent, 100) * width * 8 // 100), 8)
        return (self._eighths[8] * full + (self._eighths[rest] if rest else "")).ljust(width)


def joined(parts: Iterable[str], width: int) -> str:
    """As many of the parts as fit, at least one."""
    text = ""
    for part in parts:
        longer = f"{text}  {part}" if text else part
        if text and cell_len(longer) > width:
            break
        text = longer
    return text


def spaced(cells: Iterable[tuple[Cell, int]]) -> list[Cell]:
    """A line of cells, each as wide as its column."""
    return [part for (text, style), width in cells for part in ((" " * (width - cell_len(text)) + text, style), (" ", PLAIN))][:-1]
