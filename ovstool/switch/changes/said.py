"""What the comments of changes say, ovstool's own and those of other programs."""

import re
from typing import NamedTuple

_OWN = re.compile(r"ovstool\[([0-9a-f]{8})\] (\S+): (.*)", re.DOTALL)
_VSCTL = re.compile(r"ovs-vsctl(?: \(invoked by .*?\))?: (.*)", re.DOTALL)


class Said(NamedTuple):
    """What a comment says: the ID of a change by ovstool, who made a change, with which command. None: it does not say."""

    id: str | None = None
    who: str | None = None
    command: str | None = None


def parse(comment: str) -> Said:
    """What the comment of any program says; it may be empty."""
    if own := _OWN.fullmatch(comment):
        return Said(*own.groups())
    if vsctl := _VSCTL.fullmatch(comment):
        return Said(command=vsctl[1])
    return Said(command=comment or None)
