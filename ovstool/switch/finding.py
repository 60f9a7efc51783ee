"""What a command says about a switch beside its rows: what it changed, and what is wrong."""

from typing import NamedTuple

ERROR, WARNING = "error", "warning"  # severity of a Finding: the configuration is not in effect as requested; it may surprise


class Change(NamedTuple):
    """What a command did with an object, or with its QoS, policing and so on: created, updated, deleted or unchanged."""

    object: str
    change: str


Argv = tuple[str, ...]


class Finding(NamedTuple):
    """What is wrong with a port or another object (None: none in particular): what a ``check`` finds, or a command notes about its own
    change (``Switch.found``).

    ``severity`` is ERROR or WARNING, ``evidence`` shows why. ``remedy`` holds the commands that repair it, in the order in
    which to type them on the machine of the switch; empty if no command helps. ``ovstool.remedy`` makes them text. ``disables``: nothing
    of the configuration is in effect. ``may_pass``: it may clear once ovs-vswitchd has applied the configuration.
    """

    port: str | None
    severity: str
    problem: str
    evidence: str
    remedy: tuple[Argv, ...] = ()
    disables: bool = False
    may_pass: bool = False
