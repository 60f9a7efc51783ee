"""What the database of a switch reports, across the ends of connections.

A clustered ovsdb-server that still has the last hundred transactions resumes after the last one that was received, any other sends all rows
again (``ovsdb_monitor_get_changes_after`` of ovsdb/monitor.c). Both tell what is different now, and not what came and went meanwhile.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing

from ovstool.errors import OvstoolError
from ovstool.host.deadline import Deadline
from ovstool.ovsdb.follower import NEVER, Follower, Received
from ovstool.switch import Switch

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 30.0  # before a connection is tried again, each time twice as long
_PATIENCE_S = 30.0  # for one answer, at most
_WAKING_S = 1.0  # between two answers while nothing changes, so that the caller can look around
_AGAIN = "connected again; of what changed meanwhile only the difference is shown"


def follow(
    switch: Switch, columns: Mapping[str, Sequence[str]], end: float = math.inf, before: Callable[[], object] = lambda: None
) -> Iterator[Received]:
    """All rows, then what changes, forever; connects again when the connection ends, and notes why, and each other reason why it cannot.

    It yields nothing, as an empty Received, after a note, every second, and at ``end``, on the monotonic clock. ``before`` is called
    whenever it is connected, before the rows are read.
    Raises Unreachable, Refused and TimedOut when it cannot begin.
    """
    last_id, begun, rows_s, pause_s, reason = NEVER, False, 0.0, 0.0, ""
    while True:
        try:
            with closing(Follower(switch.connect(), _name(switch), switch.deadline)) as follower:
                before()
                asked = time.monotonic()
                follower.deadline = asked + (patience_s(switch, end) + 2 * rows_s if begun else switch.timeout_s)
                received = follower.follow(columns, last_id)
                rows_s = max(time.monotonic() - asked, rows_s)  # very many may take long on a slow link
                if begun:
                    switch.notes.append(f"{_name(switch)}: {_AGAIN}")
                begun, pause_s, reason = True, 0.0, ""
                while True:
                    yield received
                    last_id = follower.last_id  # not before its updates have been taken
                    received = follower.received(min(end - time.monotonic(), _WAKING_S), patience_s(switch, end))
        except OvstoolError as error:
            if not begun:
                raise
            reason, earlier = f"{error.what}: {error.why}", reason
            if reason != earlier:
                switch.notes.append(f"{reason}; connecting again")
            _disconnect(switch)
            pause_s = min(2 * pause_s or _FIRST_PAUSE_S, _LONGEST_PAUSE_S)
            yield from _waiting(min(time.monotonic() + pause_s, end))
            switch.give_until(time.monotonic() + patience_s(switch, end))


def patience_s(switch: Switch, end: float = math.inf) -> float:
    """How long the switch has for one answer while it is followed: a --timeout of an hour is no reason to wait an hour for a dead one."""
    return max(min(switch.timeout_s, _PATIENCE_S, end - time.monotonic()), 0.001)


def _name(switch: Switch) -> str:
    """The database in notes, as errors of a remote host name it."""
    return f"{switch.host.name}: {switch.address}" if switch.host.name else switch.address


def _waiting(until: float) -> Iterator[Received]:
    """Nothing, at once, every second, and at the end."""
    yield Received([])
    while (left_s := until - time.monotonic()) > 0:
        time.sleep(min(left_s, _WAKING_S))
        yield Received([])


def _disconnect(switch: Switch) -> None:
    """Close what is left of a connection."""
    try:
        switch.close()
        switch.host.close()
    except OvstoolError:
        pass  # it is lost anyway
    switch.host.begin(Deadline(switch.timeout_s), batch=True)  # nobody expects a question for a password now
