"""ovstool flow top"""

import argparse
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ovstool.commands.flow import MATCH
from ovstool.commands.options import word
from ovstool.parser import number, seconds
from ovstool.stream import Sample, SwitchStream
from ovstool.switch import Switch
from ovstool.switch.flow import top
from ovstool.terminal.window import encoding_of

if TYPE_CHECKING:
    from ovstool.terminal.live.flows import FlowsView
    from ovstool.terminal.live.view import Seen

_MOST, _MOST_LIVE = 20, 1000  # flows, without --limit


class FlowTop(SwitchStream):
    """Show the flows with the most traffic

    On a terminal this is a live table: it scrolls, / filters, s sorts, + and - change the interval, Enter shows a flow in full, ? lists
    all keys, q quits. In a pipe or a file, and with -f, the table is printed once; with --watch rows are printed as they are measured,
    with -f json one object per line.

    Rates are averages over the interval. A flow without traffic is left out; a new flow is averaged from when it was added. Flow
    counters lag by half a second or more, so rates over an interval of less than a few seconds are rough.

    Examples:
      ovstool flow top br0
      ovstool flow top br0 ip --interval 5 --by packets --limit 5
      ovstool flow top br0 --table 0 -f json
      ovstool flow top br0 --watch -f json | jq .bps
    """

    columns = top.TopFlow._fields
    nothing = "no flow had any traffic"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.set_defaults(formatter=None)  # tells an explicit -f table from the default
        parser.add_argument("bridge", metavar="BRIDGE", type=word, help="bridge to read")
        parser.add_argument("match", metavar="MATCH", nargs="?", help=MATCH)
        parser.add_argument("--table", metavar="N", type=number(0, 254), help="only flows of this table")
        parser.add_argument(
            "--interval", metavar="S", type=seconds, default=1.0, help="seconds to measure, less than --timeout (default: 1)"
        )
        parser.add_argument("--by", choices=("bytes", "packets"), default="bytes", help="sort by bytes or packets (default: bytes)")
        parser.add_argument(
            "--limit", metavar="N", type=number(1, 10**6), help="show at most N flows (default: 20; in the live table 1000)"
        )
        parser.add_argument("--watch", action="store_true", help="keep measuring until Ctrl-C (default on a terminal without -f)")
        return parser

    def row_class(self, args: argparse.Namespace) -> Any:
        return top.TopFlow

    def streams(self, args: argparse.Namespace) -> bool:
        return args.watch

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        args = parsed_args
        is_plain = bool(args.formatter or args.all_columns)
        args.formatter = args.formatter or self.formatter_default
        if not (args.watch or is_plain) and sys.stdin and sys.stdin.isatty():
            args.watch = self.is_live(argparse.Namespace(**vars(args) | {"watch": True}))
        args.limit = args.limit or (_MOST_LIVE if self.is_live(args) else _MOST)
        return super().take_action(args)

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        wanted = top.TopSpec(args.bridge, args.match, args.table, args.by, args.limit)
        if not args.watch:
            return top.top(switch, wanted, args.interval)
        from ovstool.pace import Pace

        return map(Sample, top.watch_top(switch, wanted, args.pace or Pace(args.interval)))

    def view(self, args: argparse.Namespace, sort: str | None, descending: bool) -> "FlowsView":
        from ovstool.terminal.live.cells import Characters
        from ovstool.terminal.live.flows import FlowsView

        by = "pps" if args.by == "packets" else "bps"
        return FlowsView(sort or by, descending, Characters(encoding_of(self.app.stdout)), len(args.targets) > 1)

    def details(self, seen: "Seen", args: argparse.Namespace) -> Iterable[str]:
        from ovstool.terminal.live import flows

        return flows.page(seen)
