"""The terminal window: its width and the characters it can show, from the environment or the terminal."""

import os
import sys
from typing import TextIO

from ovstool import units

_WIDEST = 10_000  # characters; real windows are narrower


def width_of(variable: str) -> int:
    """The width in an environment variable, in characters; 0 if it is unset or not a plausible width."""
    return units.whole_number(os.environ.get(variable, ""), 1, _WIDEST) or 0


def window_width(stream: int = 1) -> int:
    """The width for output to people: $COLUMNS, else that of the stream's terminal, else 80 characters."""
    try:
        return width_of("COLUMNS") or os.get_terminal_size(stream).columns or 80
    except OSError:
        return 80


def encoding_of(stream: TextIO) -> str:
    """The encoding of the terminal behind a stream; with LC_ALL=C Python writes UTF-8, which such a terminal may not support (PEP 540)."""
    if sys.flags.utf8_mode and not (os.environ.get("PYTHONUTF8") or os.environ.get("PYTHONIOENCODING")):
        import locale

        return locale.nl_langinfo(locale.CODESET)
    return stream.encoding or "ascii"
