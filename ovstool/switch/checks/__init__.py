"""What is configured compared with what is in effect: one rule for each known fault, over evidence that is gathered once.

The evidence is ``interface_state``, ``port_state``, ``policing_state``, ``datapath`` and ``queue_flows``. A new policing rule belongs in
``policing``; a shaping rule in ``shaping_rules`` if the database alone decides it (``qos set`` notes it at once), otherwise in ``shaping``.
``sflow`` has evidence and rules of its own.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from ovstool.errors import OvstoolError
from ovstool.switch import Finding, Switch


class Advice:
    """Findings about a change that is being made, reported as notes. It never fails, and says nothing in a dry run."""

    def __init__(self, switch: Switch, find: Callable[..., Iterable[Finding]]):
        self._switch = switch
        self._find = find
        self._found: list[Finding] | None = None

    def look(self, *done: object) -> None:
        """Look while ovs-vswitchd applies the change, within half of the remaining time: the other half is for its answer.

        ``done``, what is known of the change, is for ``find``, which then need not read it.
        """
        deadline = self._switch.deadline
        self._switch.give_until(time.monotonic() + self._switch.remaining_s() / 2)
        try:
            self._found = list(self._find(*done))
        except OvstoolError:
            self._found = []
            self._switch.close()  # a late answer may still arrive on this connection
        finally:
            self._switch.give_until(deadline)

    def tell(self) -> None:
        """Note what was found, once the change is made; looks again if a finding may have cleared since, or if nobody looked yet.

        With --no-wait, findings that may clear by themselves are left out.
        """
        if self._switch.dry_run:
            return
        with suppress(OvstoolError):
            if self._found is None or (self._switch.wait and any(finding.may_pass for finding in self._found)):
                self._found = list(self._find())
            self._switch.found += [finding for finding in self._found if self._switch.wait or not finding.may_pass]


def note(switch: Switch, find: Callable[[], Iterable[Finding]]) -> None:
    """Note the findings about a change just made."""
    Advice(switch, find).tell()
