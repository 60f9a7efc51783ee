"""ovstool qos check and police check, each of which imports its own rules alone"""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from ovstool.answers import Answer
from ovstool.commands.options import POLICED_PORT, PORT
from ovstool.errors import Exit
from ovstool.switch import Finding, Switch
from ovstool.switch_command import SwitchChecker, addressed


class _Check(SwitchChecker):
    """A command that looks for what is wrong with ports, each with a remedy"""

    ports = PORT

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("ports", metavar="PORT", nargs="*", help=self.ports)
        return parser

    def findings(self, switch: Switch, ports: Sequence[str]) -> list[Finding]:
        raise NotImplementedError

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return self.findings(switch, args.ports)

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        """On a terminal a block for each problem, whose remedy can be copied; else a row."""
        if not self.is_for_people(args) or not any(answer.result for answer in answers):
            return super().emit_answers(args, answers)
        self.print_page(_blocks(answers))
        return Exit.NO

    def completed(self, result: Any, target: Any, args: argparse.Namespace) -> Any:
        return addressed(result, target, args)


def _blocks(answers: Sequence[Answer]) -> Iterator[str]:
    """What is wrong, why that is known, and what to try, below each other; an empty line between two of them."""
    between = False
    for answer in answers:
        for row in answer.result:
            if between:
                yield ""
            between = True
            where = "".join(f"{name}: " for name in (answer.host, row.port) if name)
            yield f"{where}{row.severity}: {row.problem}"
            yield f"  {row.evidence}"
            if row.remedy:
                yield f"  try: {row.remedy}"


class QosCheck(_Check):
    """Find what keeps QoS from working

    Checks every port that has a QoS, or the ports named: queues that no flow leads to, a qdisc that is missing or was
    installed by another program, a type that the interface does not support, rates that contradict each other, values that
    ovs-vswitchd ignores, and more. Without PORT it also looks for rows that nothing refers to. Each problem comes with its
    evidence and a command that fixes it; the exit code is 1 when there is any. When several commands are suggested, run one,
    then check again.

    Examples:
      ovstool qos check
      ovstool qos check eth1 -f json | jq -r '.[].remedy'
    """

    def findings(self, switch: Switch, ports: Sequence[str]) -> list[Finding]:
        from ovstool.switch.checks import shaping

        return shaping.check(switch, ports)


class PoliceCheck(_Check):
    """Find what keeps policing from working

    Checks every policed port, or the ports named: a burst that starves TCP or lets too much through, a datapath or an
    interface that cannot police, a police action missing from tc, a limit on the wrong direction of the traffic, and more.
    Each problem comes with its evidence and a command that fixes it; the exit code is 1 when there is any. When several
    commands are suggested, run one, then check again.

    Examples:
      ovstool police check
      ovstool police check eth1 -f json | jq -r '.[].remedy'
    """

    ports = POLICED_PORT

    def findings(self, switch: Switch, ports: Sequence[str]) -> list[Finding]:
        from ovstool.switch.checks import policing

        return policing.check(switch, ports)
