"""ovstool sflow"""

import argparse
import shlex
from typing import Any, Literal

from ovstool import units
from ovstool.commands.options import parsed_by, word
from ovstool.errors import OvstoolError, UsageError, quote
from ovstool.parser import number
from ovstool.switch import Switch, sflow
from ovstool.switch.sflow import targets
from ovstool.switch_command import SwitchLister, SwitchWriter


class SflowEnable(SwitchWriter):
    """Export sFlow samples of bridges to collectors

    The command describes the bridge's whole sFlow configuration: what is not given gets Open vSwitch's default. The agent is
    the interface whose address identifies this switch to collectors, or that address itself; it does not decide what is
    sampled.

    First it checks the settings on the host of the switch, and refuses what ovs-vswitchd would silently ignore: an agent that
    does not exist or has no address (Open vSwitch would fall back to the source address of the route to the collector, or send
    nothing), and a collector whose name the host cannot resolve, to which it has no route, or whose address is a broadcast
    address. --force writes it anyway, except an unresolvable name. An agent's address that the host does not have is written
    with a note.

    --sampling auto follows Host sFlow: one packet in N, where N is the speed of the bridge's fastest link in Mbit/s, but at
    least 100; if no port reports a speed, N is 400. A tap or a veth counts only if the bridge has nothing else, because its
    speed is nominal. A note says when N is more than ten times higher or lower than that, and when the current traffic would
    give more than 5000 samples a second, or less than one in ten seconds (on a bridge of up to 100 ports).

    Notes also name other programs that change sFlow: a running hsflowd with 'ovs' in /etc/hsflowd.conf, and ifupdown2, whose
    ifreload clears the sFlow of each bridge in /etc/network/interfaces and sets only what its ovs_extra says (--as-ovs
    prints the words for it); and external_ids that somebody has set in the row.

    Open vSwitch drops samples of more than 700 bytes, so --header is at most 612. Tunnels and MPLS make samples longer; 472
    is always safe. With --sampling 1 ovs-vswitchd receives a copy of every packet.

    Examples:
      ovstool sflow enable br0 --collector 10.0.0.5
      ovstool sflow enable br0 --collector 10.0.0.5 --sampling auto
      ovstool sflow enable --collector 10.0.0.5 --collector [2001:db8::5]:6344 \\
        --sampling 64 --polling 10
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridges", metavar="BRIDGE", nargs="*", help="bridge to sample; may be left out when the switch has one")
        parser.add_argument(
            "--collector",
            metavar="HOST[:PORT]",
            action="append",
            type=parsed_by(targets.parse_collector),
            help="where samples go (port 6343); repeatable",
        )
        parser.add_argument(
            "--agent",
            metavar="IFACE",
            type=parsed_by(_agent),
            help="interface or IP address that identifies the switch (default: the interface on the route to the collector)",
        )
        parser.add_argument(
            "--sampling", metavar="N", type=_sampling, help=f"sample one packet in N; auto: by link speed (default: {sflow.SAMPLING})"
        )
        parser.add_argument(
            "--polling", metavar="S", type=number(0, sflow.MOST_POLLING_S), help="send counters every S seconds, 0 for never (default: 30)"
        )
        parser.add_argument("--header", metavar="BYTES", type=_header, help="bytes of each sampled packet, up to 612 (default: 128)")
        parser.add_argument("--force", action="store_true", help="write even what the checks of agent and collectors refuse")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        if not args.collector:
            raise UsageError("sflow enable", "a collector is missing", _whole_command(switch, args))
        spec = sflow.SflowSpec(tuple(args.collector), args.agent, args.sampling, args.polling, args.header, args.force)
        return sflow.enable(switch, args.bridges, spec)


def _whole_command(switch: Switch, args: argparse.Namespace) -> str:
    """What to type instead: where the bridge exports already, all that it has, with what was asked for instead."""
    try:
        listed = [row for row in sflow.list_all(switch, tidy=False) if args.bridges in ([], [row.bridge])]
    except OvstoolError:  # which matters less than what is missing
        listed = []
    if len(listed) != 1:
        return "--collector 10.0.0.5"
    (row,) = listed
    options = (
        ("--agent", row.agent, args.agent, None),
        ("--sampling", row.sampling, args.sampling, sflow.SAMPLING),
        ("--polling", row.polling, args.polling, sflow.POLLING_S),
        ("--header", row.header, args.header, sflow.HEADER),
    )
    words = [word for target in row.targets for word in ("--collector", target)]
    for option, present, given, default in options:
        value = present if given is None else given
        words += [option, str(value)] if value != default else []
    return shlex.join(["ovstool", "sflow", "enable", row.bridge, *words, *(["--force"] if args.force else [])])


class SflowDisable(SwitchWriter):
    """Stop exporting sFlow samples of bridges

    Example:
      ovstool sflow disable br0
    """

    if_absent = "ovstool bridge list"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridges", metavar="BRIDGE", nargs="*", help="bridge; may be left out when the switch has one")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return sflow.disable(switch, args.bridges)


class SflowList(SwitchLister):
    """List the bridges that export sFlow samples

    Example:
      ovstool sflow list
    """

    columns = ("bridge", "agent", "targets", "sampling", "polling", "header")
    nothing = "no bridge has sFlow"

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return sflow.list_all(switch, tidy=not args.read_only)


def _agent(text: str) -> str:
    return targets.parse_agent(word(text))


def _sampling(text: str) -> int | Literal["auto"]:
    if text == sflow.AUTO:
        return sflow.AUTO
    value = units.whole_number(text, 1, 2**32 - 1)
    if value is None:
        raise argparse.ArgumentTypeError(f"{quote(text)}: neither {sflow.AUTO} nor a whole number from 1 to {sflow.MOST_SAMPLING}")
    if value > sflow.MOST_SAMPLING:
        raise argparse.ArgumentTypeError(
            f"{text}: Open vSwitch would sample at a different rate; up to {sflow.MOST_SAMPLING} it is accurate to 1%"
        )
    return value


def _header(text: str) -> int:
    value = number(1, 65535)(text)
    if value > sflow.MOST_HEADER:
        most = sflow.MOST_HEADER
        raise argparse.ArgumentTypeError(
            f"{text}: Open vSwitch would drop the sample of every packet longer than {most} bytes; {most} is the most"
        )
    return value
