"""How wide the window is that people read in, by what the environment or the terminal says."""

import os

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
