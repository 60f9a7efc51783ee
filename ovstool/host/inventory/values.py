"""Values of variables in an inventory, and why there is none."""

from typing import NamedTuple


class NoValue(NamedTuple):
    """Why a host has no value for a variable, and what to try."""

    why: str
    hint: str


Value = str | NoValue
Values = dict[str, Value]
