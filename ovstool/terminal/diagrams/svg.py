"""A graph as SVG, drawn by Graphviz's dot."""

import shutil
from collections.abc import Iterable

from ovstool.errors import NotFound, Refused, TimedOut
from ovstool.host import local

_INSTALL = "'apt install graphviz' or 'dnf install graphviz', or -f mermaid"
_OTHERWISE = "-f dot, and draw it elsewhere"


def require_dot() -> None:
    """Raise NotFound when there is nothing to draw with."""
    if not shutil.which("dot"):
        raise NotFound("dot", "draws SVG, and is not installed", _INSTALL)


def drawn(dot_lines: Iterable[str], timeout_s: float) -> str:
    """Lines of DOT as SVG, in ASCII. Raises NotFound without dot, TimedOut, and Refused when it fails."""
    try:
        done = local.run(["dot", "-Tsvg"], timeout_s, "\n".join(dot_lines).encode("ascii"))
    except TimedOut as error:
        raise TimedOut("dot", f"did not draw the SVG within {timeout_s:.3g} s", f"a longer --timeout, or {_OTHERWISE}") from error
    if done.status or not done.stdout.rstrip().endswith("</svg>"):
        why = local.last_line(done.stderr) or f"ended with status {done.status}, and no message"
        raise Refused("dot", f"did not draw the SVG: {why}", _OTHERWISE)
    return done.stdout.encode("ascii", "xmlcharrefreplace").decode()
