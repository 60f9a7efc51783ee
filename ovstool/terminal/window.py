"""The window that people read in, by what the environment or the terminal says: how wide it is, and what characters it shows."""

import os
import sys
from typing import TextIO

from ovstool import units

_WIDEST = 10_000  # characters; a window says less


def width_of(variable: str) -> int:
    """The width that a variable of the environment has, in characters; 0 where it has none that a window could have."""
    return units.whole_number(os.environ.get(variable, ""), 1, _WIDEST) or 0


def window_width(stream: int = 1) -> int:
    """How wide what is printed for people may be: as $COLUMNS or the terminal of a stream says, else 80 characters."""
    try:
        return width_of("COLUMNS") or os.get_terminal_size(stream).columns or 80
    except OSError:
        return 80


def encoding_of(stream: TextIO) -> str:
    """The encoding of the terminal behind a stream; with LC_ALL=C Python writes UTF-8, which such a terminal need not know (PEP 540)."""
    if sys.flags.utf8_mode and not (os.environ.get("PYTHONUTF8") or os.environ.get("PYTHONIOENCODING")):
        import locale

        return locale.nl_langinfo(locale.CODESET)
    return stream.encoding or "ascii"
