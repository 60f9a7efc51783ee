"""ovstool flow"""

import argparse
import sys
from typing import Any

from ovstool.answers import Answer, Table
from ovstool.commands.options import word
from ovstool.errors import UsageError, one_line, quote
from ovstool.parser import number, seconds
from ovstool.switch import Switch, flow
from ovstool.switch_command import SwitchChecker, SwitchLister, SwitchShow, SwitchWriter

_FLOW = "flow in ovs-ofctl's syntax, such as 'priority=10,ip,in_port=eth1 actions=output:eth2'"
_MATCH = "only flows that this covers, in ovs-ofctl's syntax, such as ip,nw_dst=10.0.0.0/24 (default: all)"
_FILE = "file with a flow on each line, comments after #; - for standard input"

_LINE_BY_LINE = ("json", "csv", "value", "lines", "shell")  # formats that print a row as it comes
_TRACE_KEYS = ("verdict", "outputs", "steps", "final_flow", "megaflow", "datapath_actions")  # of a trace in JSON
_MAX_FILE = 2**28  # bytes; a million flows


def _read_flows(file: str) -> flow.GivenFlows:
    """The flows in a file. Raises UsageError."""
    name = "standard input" if file == "-" else file
    try:
        if file == "-":
            data = sys.stdin.buffer.read(_MAX_FILE + 1)
        else:
            with open(file, "rb") as opened:
                data = opened.read(_MAX_FILE + 1)
    except (OSError, ValueError) as error:
        raise UsageError(quote(name), getattr(error, "strerror", None) or str(error)) from error
    if len(data) > _MAX_FILE:
        raise UsageError(quote(name), f"longer than {_MAX_FILE >> 20} MiB")
    shown = "-" if file == "-" else file
    for what, at in (("not UTF-8", _not_utf8(data)), ("holds a NUL, so it is not text", data.find(b"\0"))):
        if at >= 0:
            raise UsageError(f"{shown}:{data.count(10, 0, at) + 1}", what)
    return flow.GivenFlows.checked(data.decode("utf-8-sig").replace("\r\n", "\n").split("\n"), shown)


def _not_utf8(data: bytes) -> int:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return -1


def _trace_page(traced: Any) -> list[str]:
    """A trace for people, the verdict first."""
    tail = [("final flow", traced.final_flow), ("megaflow", traced.megaflow)]
    tail += [("datapath actions", actions) for actions in traced.datapath_actions.splitlines()]
    return [one_line(line) for line in (traced.verdict, "", *traced.lines, "", *(f"{name}: {value}" for name, value in tail))]


class FlowWriter(SwitchWriter):
    """A command that changes flows: ``on_switch`` returns a ``flow.FlowChanges``"""

    def table(self, result: flow.FlowChanges) -> Table:
        return super().table(result.changes)

    def plan(self, answer: Answer) -> list[str]:
        return [f"{answer.host}: {line}" if answer.host else line for line in answer.result.lines]


class _BridgeWriter(FlowWriter):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridge", metavar="BRIDGE", type=word, help="bridge to change")
        return parser


class FlowList(SwitchLister):
    """List the flows of a bridge

    MATCH is what 'ovs-ofctl dump-flows' takes: fields, and cookie=C/MASK, out_port=PORT or out_group=N. A flow without
    a priority has 32768. --parsed gives match and actions as objects, as the library ovs.flow has them, which is of use
    with -f json.

    Examples:
      ovstool flow list br0
      ovstool flow list br0 ip,in_port=eth1 --table 0 --names
      ovstool flow list br0 --parsed -f json | jq '.[] | select(.match.nw_dst == "10.0.0.2") | .actions'
    """

    columns = flow.COLUMNS
    nothing = "no flows"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridge", metavar="BRIDGE", type=word, help="bridge to look at")
        parser.add_argument("match", metavar="MATCH", nargs="?", help=_MATCH)
        parser.add_argument("--table", metavar="N", type=number(0, 254), help="only flows of this table")
        names = parser.add_mutually_exclusive_group()
        names.add_argument(
            "--names", action="store_true", default=None, help="show ports and tables by name (default: when standard output is a terminal)"
        )
        names.add_argument("--no-names", dest="names", action="store_false", help="show ports and tables by number")
        parser.add_argument("--parsed", action="store_true", help="match and actions as objects")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        names = self.app.stdout.isatty() if args.names is None else args.names
        held = len(args.targets) > 1 or bool(args.sort_columns) or args.formatter not in _LINE_BY_LINE
        return flow.list_all(switch, args.bridge, args.match, args.table, names, args.parsed, held)


class FlowAdd(_BridgeWriter):
    """Add flows to a bridge, all or none

    Flows with the same table, priority and match are replaced. All are sent in one bundle, which needs OpenFlow 1.3 or
    newer among the protocols of the bridge. A flow that is there already is unchanged, however it was written; one with
    reset_counts is always sent. A file holds nothing but flows: no modify or delete. With --dry-run the flows that would
    change are printed, with + or - in front.

    Examples:
      ovstool flow add br0 'priority=10,ip,in_port=eth1 actions=output:eth2'
      ovstool flow add br0 --file flows.txt
      ovs-ofctl dump-flows br1 --no-stats | ovstool flow add br0 --file -
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("flows", metavar="FLOW", nargs="*", help=_FLOW)
        parser.add_argument("--file", metavar="F", type=word, help=_FILE)
        return parser

    def prepare(self, args: argparse.Namespace) -> None:
        super().prepare(args)
        if bool(args.flows) == bool(args.file):
            raise UsageError("flow add", "wants either flows or a file", "FLOW..., or --file F")
        args.given = _read_flows(args.file) if args.file else flow.GivenFlows.checked(args.flows)

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return flow.add(switch, args.bridge, args.given)


class FlowDel(_BridgeWriter):
    """Delete the flows of a bridge that a match covers, or all

    Without MATCH all flows go, as with ovs-ofctl: also the one that made the bridge an ordinary switch. With --strict it
    is the flow with exactly this match and priority. With --dry-run the flows that would go are printed, with - in front.

    Examples:
      ovstool flow del br0 table=1,ip
      ovstool flow del br0 table=0,priority=10,ip,in_port=eth1 --strict
      ovstool flow del br0 cookie=0x5/-1 --dry-run
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("match", metavar="MATCH", nargs="?", help=_MATCH)
        parser.add_argument("--strict", action="store_true", help="only the flow with exactly this match and priority")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return flow.delete(switch, args.bridge, args.match, args.strict)


class FlowReplace(_BridgeWriter):
    """Give a bridge the flows of a file, and no others

    Flows that are not in the file go, all in one bundle with what is added: no packet sees half of it. Needs OpenFlow
    1.3 or newer among the protocols of the bridge. Flags such as send_flow_rem are not compared, as ovs-ofctl does not.
    A file without flows is refused; to have none, 'ovstool flow del BRIDGE'. With --dry-run what would change is printed,
    with + or - in front.

    Examples:
      ovstool flow replace br0 --file flows.txt
      ovstool flow replace br0 --file flows.txt --dry-run
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--file", metavar="F", type=word, required=True, help=_FILE)
        return parser

    def prepare(self, args: argparse.Namespace) -> None:
        super().prepare(args)
        args.given = _read_flows(args.file)

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return flow.replace(switch, args.bridge, args.given)


class FlowDiff(SwitchChecker):
    """Compare the flows of a bridge with those of a file

    A line with - is a flow that only the switch has, one with + a flow that only the file has; a flow with other actions,
    another cookie or other timeouts has both. Exit code 0 when there is no difference, 1 when there is one. Counters and
    flags are not compared, and how a flow is written does not matter: mod_dl_dst or set_field.

    Examples:
      ovstool flow diff br0 --file flows.txt
      ovstool flow diff br0 --file flows.txt || echo not in order
    """

    columns = ("diff", "flow")
    formatter_default = "value"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridge", metavar="BRIDGE", type=word, help="bridge to look at")
        parser.add_argument("--file", metavar="F", type=word, required=True, help=_FILE)
        return parser

    def prepare(self, args: argparse.Namespace) -> None:
        super().prepare(args)
        args.given = _read_flows(args.file)

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return flow.diff(switch, args.bridge, args.given)


class FlowTrace(SwitchShow):
    """Tell what a bridge would do with a packet, and why

    FLOW describes the packet in ovs-ofctl's syntax; without in_port it comes from nowhere. First comes what becomes of
    it, in one sentence, then each flow that it meets, with its actions. No packet is sent.

    Examples:
      ovstool flow trace br0 in_port=eth1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02
      ovstool flow trace br0 in_port=eth1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tcp_dst=80
      ovstool flow trace br0 in_port=eth1,arp -f json | jq -r .verdict
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridge", metavar="BRIDGE", type=word, help="bridge that the packet comes to")
        parser.add_argument("flow", metavar="FLOW", help="packet, such as in_port=eth1,ip,nw_dst=10.0.0.2")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return flow.follow(switch, args.bridge, args.flow)

    def as_object(self, shown: Any, args: argparse.Namespace) -> dict[str, Any]:
        from dataclasses import asdict  # of no use to the other commands

        traced = asdict(shown)
        return {"bridge": args.bridge, "flow": args.flow} | {name: traced[name] for name in _TRACE_KEYS}

    def show(self, args: argparse.Namespace, shown: Any) -> None:
        if args.formatter == "table" and not args.columns:
            self.print_page(_trace_page(shown))
        else:
            super().show(args, shown)


class FlowTop(SwitchLister):
    """Show the flows with the most traffic

    Rates are averages over the interval. A flow without traffic is left out; one that is new counts from when it
    was added. The counters of flows lag half a second or more behind, so an interval of less than a few seconds is only a hint.

    Examples:
      ovstool flow top br0
      ovstool flow top br0 ip --interval 5 --by packets --limit 5
    """

    columns = ("table", "priority", "cookie", "match", "actions", "bps", "pps", "interval_s")
    nothing = "no flow had any traffic"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridge", metavar="BRIDGE", type=word, help="bridge to look at")
        parser.add_argument("match", metavar="MATCH", nargs="?", help=_MATCH)
        parser.add_argument("--table", metavar="N", type=number(0, 254), help="only flows of this table")
        parser.add_argument("--interval", metavar="S", type=seconds, default=1.0, help="seconds to measure (default: 1)")
        parser.add_argument("--by", choices=("bytes", "packets"), default="bytes", help="what comes first (default: bytes)")
        parser.add_argument("--limit", metavar="N", type=number(1, 10**6), default=20, help="how many flows (default: 20)")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return flow.top(switch, args.bridge, args.match, args.table, args.interval, args.by, args.limit)
