"""What is configured held against what is in effect: rules, one for each way to go wrong, over evidence that is gathered once.

The evidence is ``interface_state``, ``port_state``, ``policing_state``, ``datapath`` and ``queue_flows``. A new rule of policing goes to
``policing``; one of shaping to ``shaping_rules`` when the database alone decides it, so that ``qos set`` notes it at once, else to ``shaping``.
"""

from collections.abc import Callable, Iterable

from ovstool.errors import OvstoolError
from ovstool.switch import Finding, Switch


def note(switch: Switch, find: Callable[[], Iterable[Finding]]) -> None:
    """Note what is found of what was just changed. It is advice, so it never fails, and it says nothing of a dry run.

    Where ovs-vswitchd was not waited for, what may pass is left out.
    """
    if switch.dry_run:
        return
    try:
        switch.found += [finding for finding in find() if switch.wait or not finding.may_pass]
    except OvstoolError:
        return
