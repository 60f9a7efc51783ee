"""ovstool stats"""

import argparse
from typing import Any

from ovstool.command import SwitchLister
from ovstool.switch import Switch, stats


class Stats(SwitchLister):
    """Show the counters of ports

    Packets and bytes since the port was added. Without PORT all of them; a bond has a row for each member. The counters
    are those of the database, which ovs-vswitchd refreshes every 5 seconds. A counter that the device lacks is null.

    Examples:
      ovstool stats eth1
      ovstool stats --bridge br0 --long
      ovstool stats -f json | jq '.[] | select(.rx_errors > 0)'
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("ports", metavar="PORT", nargs="*", help="port to show: NAME, iface-id:ID, mac:ADDRESS or ofport:BRIDGE/N")
        parser.add_argument("--bridge", metavar="B", help="only ports of this bridge")
        parser.add_argument("--long", action="store_true", help="every counter that the switch has")
        parser.add_argument(
            "--source", choices=("auto", "ovsdb"), default="auto", help="where to read: ovsdb, at most 5 s old (default: auto)"
        )
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        read = stats.counters(switch, args.ports, args.bridge)
        names = list(stats.COUNTERS)
        if args.long:
            names += sorted({name for _, counters in read for name in counters}.difference(names))
        self.columns = ("port", *names)
        return [(port, *map(counters.get, names)) for port, counters in read]
