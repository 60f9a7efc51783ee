"""ovstool police"""

import argparse
from typing import Any

from ovstool import units
from ovstool.commands.options import POLICED_PORT, parsed_by
from ovstool.parser import number
from ovstool.switch import Switch, police
from ovstool.switch.checks import policing
from ovstool.switch_command import SwitchLister, SwitchWriter


class PoliceSet(SwitchWriter):
    """Limit what ports receive (ingress policing)

    Packets above the rate are dropped. Limits that are not given stay unchanged. A RATE is a number and a unit, such as
    10mbit, 1.5gbit or 64kbit; a SIZE is in bits, such as 2500kbit, or in bytes, such as 64KiB. The default burst is 210 ms
    at the rate plus one frame, at least 128 kbit, which lets TCP reach the rate; the default packet burst is 210 ms at the
    packet rate, rounded up to a multiple of 1000. Problems visible in the database are reported at once; 'police check'
    looks for more. To limit what a port sends, see 'ovstool help qos set'.

    The kernel refuses a rate together with a packet rate, and then enforces neither. To change from one to the other, use
    'police clear' first.

    On the userspace datapath (datapath_type=netdev) only DPDK ports are policed. For other ports use an OpenFlow meter, which
    is lost when ovs-vswitchd restarts:
      ovs-ofctl -O OpenFlow13 add-meter BRIDGE \\
        meter=1,kbps,burst,band=type=drop,rate=10000,burst_size=2112
      ovstool flow add BRIDGE in_port=PORT,priority=1,actions=meter:1,NORMAL

    Examples:
      ovstool police set eth1 --rate 10mbit
      ovstool police set eth1 --rate 10mbit --burst 2500kbit
      ovstool police set eth1 eth2 --packet-rate 5000
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("ports", metavar="PORT", nargs="+", help=POLICED_PORT)
        parser.add_argument("--rate", metavar="RATE", type=parsed_by(units.parse_rate), help="limit in bits per second, such as 10mbit")
        parser.add_argument("--burst", metavar="SIZE", type=parsed_by(units.parse_size), help="burst size, such as 2500kbit or 64kB")
        parser.add_argument("--packet-rate", metavar="PPS", type=number(1, units.MAX), help="limit in packets per second, in steps of 1000")
        parser.add_argument("--packet-burst", metavar="N", type=number(1, units.MAX), help="burst size in packets, in steps of 1000")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        changes = police.set(switch, args.ports, police.spec(args.rate, args.burst, args.packet_rate, args.packet_burst))
        policing.note(switch, args.ports)
        return changes


class PoliceClear(SwitchWriter):
    """Remove the ingress limits of ports

    Example:
      ovstool police clear eth1
    """

    if_absent = "ovstool port list"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("ports", metavar="PORT", nargs="+", help=POLICED_PORT)
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return police.clear(switch, args.ports)


class PoliceList(SwitchLister):
    """List the ports that are policed, with their limits

    Rates are in bit/s and packets/s, bursts in bits and packets.

    Example:
      ovstool police list
    """

    columns = ("port", "rate", "burst", "packet_rate", "packet_burst")
    nothing = "no port is policed"

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return police.list_all(switch)
