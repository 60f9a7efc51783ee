"""Colours, which only emphasize what the words say: on terminals that support them, unless $NO_COLOR is set (no-color.org)."""

import os
import re
from collections.abc import Callable
from typing import TextIO

from ovstool.terminal.layout import Paint

# Colours of the terminal's own palette, which its user has chosen to be readable on the background.
_RED, _GREEN, _YELLOW = "31", "32", "33"
_BOLD = "1"
_DROPS = frozenset(["rx_dropped", "tx_dropped", "rx_dropped_ps", "tx_dropped_ps"])
_ERRORS = frozenset(["rx_errors", "tx_errors", "rx_errors_ps", "tx_errors_ps"])
_OF_VALUES = {
    ("severity", "error"): _RED,
    ("severity", "warning"): _YELLOW,
    ("admin_state", "down"): _YELLOW,
    ("link_state", "down"): _RED,
    ("reset", "yes"): _YELLOW,
}
# The words of a page that report a fault, at their places on those pages.
_FAULT = r"(?<= )(?:NOT CONNECTED|NOT REACHED|NO TUNNEL BACK|NO PEER|PEER IS ITSELF|PEER LEADS ELSEWHERE|link down|admin down|ERROR(?=: ))|(?<=^  )error(?=  )|(?<=: )error(?=: )"
_DOUBT = r"(?<=^  )warning(?=  )|(?<=: )warning(?=: )"


def _are_wanted(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def paint_for(stream: TextIO) -> Paint | None:
    """The function that colours a cell, for this stream; None if it has no colours."""
    return _painted if _are_wanted(stream) else None


def paint_for_lines(stream: TextIO) -> Callable[[str], str]:
    """The function that colours a line of a page, for this stream."""
    return _painted_line if _are_wanted(stream) else str


def paint_for_diff(stream: TextIO) -> Callable[[str, str], str]:
    """The function that colours a line of a diff by its sign, ``-`` or ``+`` (others have no colour), for this stream."""
    return _painted_diff if _are_wanted(stream) else lambda sign, line: line


def bold_for(stream: TextIO) -> Callable[[str], str]:
    """The function that makes a heading bold, for this stream."""
    return _bold if _are_wanted(stream) else str


def _painted_diff(sign: str, line: str) -> str:
    return _coloured(line, _RED if sign == "-" else _GREEN) if sign in ("-", "+") else line


def _bold(text: str) -> str:
    return _coloured(text, _BOLD)


def _painted_line(line: str) -> str:
    line = re.sub(_FAULT, lambda found: _coloured(found[0], _RED), line)
    return re.sub(_DOUBT, lambda found: _coloured(found[0], _YELLOW), line)


def _painted(column: str, text: str) -> str:
    if column in _ERRORS or column in _DROPS:
        style = (_RED if column in _ERRORS else _YELLOW) if text not in ("0", "-") else None
    elif column == "error":
        style = _RED if text not in ("", "-") else None
    else:
        style = _OF_VALUES.get((column, text))
    return _coloured(text, style) if style and text else text


def _coloured(text: str, style: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m"
