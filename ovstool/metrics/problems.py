"""What checks find, as numbers: how many problems of each kind."""

from collections import Counter
from collections.abc import Sequence

from ovstool.metrics.reading import Reading
from ovstool.switch import Switch


def collect(switch: Switch, ports: Sequence[str], reading: Reading) -> None:
    """Add the number of problems by check, severity and problem, which is one of a fixed number of phrases. Raises OvstoolError."""
    from ovstool.switch.checks import policing, shaping  # which take longer to import than the rest

    for name, check in (("qos", shaping.check), ("police", policing.check)):
        found = Counter((name, finding.severity, finding.problem) for finding in check(switch, ports))
        for labels, number in sorted(found.items()):
            reading.add("ovstool_check_problems", labels, number)
