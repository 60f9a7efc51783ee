"""ovstool qos check, police check and sflow check; each imports only its own rules"""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from ovstool.answers import Answer
from ovstool.commands.options import POLICED_PORT, PORT
from ovstool.errors import Exit
from ovstool.parser import seconds
from ovstool.switch import Finding, Switch
from ovstool.switch_command import SwitchChecker, addressed

_LISTEN_S = 3  # ovs-vswitchd sends its samples once a second


class _Check(SwitchChecker):
    """A command that looks for problems and gives a remedy for each"""

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        """Print each problem, on a terminal as a block with a remedy to copy, else as a row."""
        if not self.is_for_people(args) or not any(answer.result for answer in answers):
            return super().emit_answers(args, answers)
        self.print_page(_blocks(answers))
        return Exit.NO

    def completed(self, result: Any, target: Any, args: argparse.Namespace) -> Any:
        return addressed(result, target, args)


def _blocks(answers: Sequence[Answer]) -> Iterator[str]:
    """The problem, its evidence and the remedy, a line each; an empty line separates the blocks."""
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


class _PortCheck(_Check):
    """A command that looks for problems of ports"""

    ports = PORT

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("ports", metavar="PORT", nargs="*", help=self.ports)
        return parser

    def findings(self, switch: Switch, ports: Sequence[str]) -> list[Finding]:
        raise NotImplementedError

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return self.findings(switch, args.ports)


class QosCheck(_PortCheck):
    """Find what keeps QoS from working

    Checks every port with QoS, or the ports named: queues that no flow uses, a qdisc that is missing or was installed by
    another program, a type that the interface does not support, rates that contradict each other, values that ovs-vswitchd
    ignores, and more. Without PORT it also looks for QoS and Queue rows that nothing refers to. Each problem comes with its
    evidence and a command that fixes it; the exit code is 1 if any problem is found. If several commands are suggested, run
    one, then check again.

    Examples:
      ovstool qos check
      ovstool qos check eth1 -f json | jq -r '.[].remedy'
    """

    def findings(self, switch: Switch, ports: Sequence[str]) -> list[Finding]:
        from ovstool.switch.checks import shaping

        return shaping.check(switch, ports)


class PoliceCheck(_PortCheck):
    """Find what keeps policing from working

    Checks every policed port, or the ports named: a burst that starves TCP or lets too much through, a datapath or an
    interface that cannot police, a police action missing from tc, a limit on the wrong direction of the traffic, and more.
    Each problem comes with its evidence and a command that fixes it; the exit code is 1 if any problem is found. If several
    commands are suggested, run one, then check again.

    Examples:
      ovstool police check
      ovstool police check eth1 -f json | jq -r '.[].remedy'
    """

    ports = POLICED_PORT

    def findings(self, switch: Switch, ports: Sequence[str]) -> list[Finding]:
        from ovstool.switch.checks import policing

        return policing.check(switch, ports)


class SflowCheck(_Check):
    """Find what keeps sFlow samples from arriving

    Checks every bridge that exports sFlow, or the bridges named: an agent without an address, a collector without a route, one
    that ovs-vswitchd does not send to or that refuses datagrams, a next hop that does not answer, samples too long to be
    sent, and more. Each problem comes with its evidence and a command that fixes everything known to be wrong with the row,
    or, where no command can, one that only looks; the evidence says so. The exit code is 1 if any problem is found.

    Then it checks the datagrams that ovs-vswitchd sends. For a few seconds each sFlow row gets a second target on the
    switch's own host, where this command listens, and counters are sent every second. The agent address, the sampling rate
    and the interface counters in the datagrams are compared with the switch. Afterwards the row is restored; if the command
    is killed before that, the next sflow command restores it. Both changes make ovs-vswitchd restart its sFlow agent, which
    collectors notice. The restarted agent reads the address of its interface again, so an outdated address that it sent
    until then is found only if datagrams also leave with that address. With --read-only or --dry-run nothing is changed, and
    no datagrams are checked.

    This proves that samples leave the switch, not that they are delivered: a packet filter on the way drops them unseen. To
    see what arrives, run 'ovstool sflow listen' on the collector.

    Examples:
      ovstool sflow check
      ovstool sflow check br0 --for 30
    """

    columns = ("bridge", *SwitchChecker.columns[1:])
    nothing = "no bridge exports sFlow"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridges", metavar="BRIDGE", nargs="*", help="bridge to check (default: all that export sFlow)")
        parser.add_argument(
            "--for",
            metavar="S",
            dest="for_s",
            type=seconds,
            default=_LISTEN_S,
            help=f"seconds to wait for a packet to be sampled, on top of --timeout (default: {_LISTEN_S})",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Check; a signal ends the command after the rows are restored on all hosts."""
        import signal  # the other checks do not need it

        from ovstool import signals
        from ovstool.switch.checks.sflow.probe import Probes

        parsed_args.probes = None if parsed_args.read_only or parsed_args.dry_run else Probes()
        with signals.handled(signals.unwind, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            try:
                return super().take_action(parsed_args)
            finally:
                if parsed_args.probes:
                    parsed_args.probes.end()

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        from ovstool.switch.checks import sflow

        return sflow.check(switch, args.bridges, args.probes, args.for_s)
