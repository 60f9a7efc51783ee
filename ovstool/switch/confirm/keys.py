"""The keys of Open_vSwitch.external_ids by which changes wait to be confirmed: one for each transaction.

The value is the time of the undo, by the clock of the machine where ovstool ran, then who made the change and with which command.
"""

from typing import NamedTuple

from ovstool.ovsdb.values import Json, mapping

PREFIX = "ovstool-confirm-"  # the ID of the command follows, and a number if it has more than one transaction
TIME = "%Y-%m-%dT%H:%M:%SZ"  # UTC; its text sorts by time
NOT_YET = "not committed yet: "  # begins the value before the change is committed


class Pending(NamedTuple):
    """A change that is undone at ``until`` unless it is confirmed; it may be one of several of its command, all with this ``id``."""

    id: str
    until: str
    change: str
    key: str


def id_of(key: str) -> str:
    """The ID of the command in a key."""
    return key.removeprefix(PREFIX).partition("-")[0]


def seconds(until: str) -> int | None:
    """A time of these keys in seconds since 1970; None for another text."""
    import calendar
    import time

    try:
        return calendar.timegm(time.strptime(until, TIME))
    except ValueError:
        return None


def pending(external_ids: Json) -> list[Pending]:
    """The changes that are pending, the one that is undone first coming first."""
    found = []
    for key, value in mapping(external_ids).items():
        if str(key).startswith(PREFIX) and not str(value).startswith(NOT_YET):
            until, _, change = str(value).partition(" ")
            found.append(Pending(id_of(str(key)), until, change, str(key)))
    return sorted(found, key=lambda change: (change.until, change.key))
