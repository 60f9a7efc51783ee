"""What is configured held against what is in effect: rules, one for each way to go wrong, over evidence that is gathered once.

The evidence is ``interface_state``, ``port_state``, ``policing_state``, ``datapath`` and ``queue_flows``. A new rule of policing goes to
``policing``; one of shaping to ``shaping_rules`` when the database alone decides it, so that ``qos set`` notes it at once, else to ``shaping``.
``sflow`` has evidence and rules of its own.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from ovstool.errors import OvstoolError
from ovstool.switch import Finding, Switch


class Advice:
    """What is found of what is being changed, told as notes. It never fails, and it says nothing of a dry run."""

    def __init__(self, switch: Switch, find: Callable[[], Iterable[Finding]]):
        self._switch = switch
        self._find = find
        self._found: list[Finding] | None = None

    def look(self) -> None:
        """Look while ovs-vswitchd applies the change, in half of the time that is left: the other half is for its answer."""
        deadline = self._switch.deadline
        self._switch.give_until(time.monotonic() + self._switch.remaining_s() / 2)
        try:
            self._found = list(self._find())
        except OvstoolError:
            self._found = []
            self._switch.close()  # an answer may still come to what was asked
        finally:
            self._switch.give_until(deadline)

    def tell(self) -> None:
        """Note what was found, once the change is made; what may have passed since, or was not looked for yet, is looked for now.

        Where ovs-vswitchd was not waited for, what may pass is left out.
        """
        if self._switch.dry_run:
            return
        with suppress(OvstoolError):
            if self._found is None or any(finding.may_pass for finding in self._found):
                self._found = list(self._find())
            self._switch.found += [finding for finding in self._found if self._switch.wait or not finding.may_pass]


def note(switch: Switch, find: Callable[[], Iterable[Finding]]) -> None:
    """Note what is found of what was just changed."""
    Advice(switch, find).tell()
