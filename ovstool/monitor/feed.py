"""What the database of a switch reports, across the ends of connections.

A clustered ovsdb-server that still has the last hundred transactions resumes after the last one that was received, any other sends all rows
again (``ovsdb_monitor_get_changes_after`` of ovsdb/monitor.c). Both tell what is different now, and not what came and went meanwhile.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from ovstool.errors import OvstoolError, Refused, TimedOut, Unreachable
from ovstool.host.deadline import Deadline
from ovstool.ovsdb.follower import NEVER, Follower, Received
from ovstool.switch import Switch

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 30.0  # before a connection is tried again, each time twice as long
_LOST = (Unreachable, TimedOut, Refused)
_AGAIN = "connected again; of what changed meanwhile only the difference is shown"


def follow(switch: Switch, columns: Mapping[str, Sequence[str]], end: float = math.inf) -> Iterator[Received]:
    """All rows, then what changes, forever; connects again when the connection ends, which is noted.

    It yields nothing, as an empty Received, after a note, and now and then before ``end``, on the monotonic clock.
    Raises Unreachable, Refused and TimedOut when it cannot begin.
    """
    last_id, begun, pause_s = NEVER, False, 0.0
    while True:
        try:
            switch.rearm()
            with closing(Follower(switch.connect(), switch.address, switch.deadline)) as follower:
                received = follower.follow(columns, last_id)
                if begun:
                    switch.notes.append(f"{switch.address}: {_AGAIN}")
                begun, pause_s = True, 0.0
                while True:
                    yield received
                    last_id = follower.last_id  # not before its updates have been taken
                    received = follower.received(end - time.monotonic(), switch.timeout_s)
        except _LOST as error:
            if not begun:
                raise
            if not pause_s:
                switch.notes.append(f"{error.what}: {error.why}; connecting again")
            yield Received([])
            pause_s = _leave(switch, pause_s, end)


def _leave(switch: Switch, pause_s: float, end: float) -> float:
    """Close what is left of a connection and wait before the next one; returns how long that was to be."""
    try:
        switch.close()
        switch.host.close()
    except OvstoolError:
        pass  # it is lost anyway
    switch.host.begin(Deadline(switch.timeout_s), batch=True)  # nobody expects a question for a password now
    pause_s = min(2 * pause_s or _FIRST_PAUSE_S, _LONGEST_PAUSE_S)
    time.sleep(max(min(pause_s, end - time.monotonic()), 0))
    return pause_s
