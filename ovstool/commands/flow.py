"""ovstool flow"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from ovstool.answers import Answer, Table
from ovstool.commands.options import word
from ovstool.errors import Exit, UsageError, one_line, quote
from ovstool.parser import number
from ovstool.switch import Switch, flow
from ovstool.switch_command import SwitchChecker, SwitchLister, SwitchShow, SwitchWriter
from ovstool.terminal.formats import flat

_FLOW = "flow in ovs-ofctl's syntax, as in the examples"
MATCH = "only flows covered by this match, in ovs-ofctl's syntax, such as ip,nw_dst=10.0.0.0/24 (default: all)"
_FILE = "file with one flow per line and comments after #; - for standard input"

_FLOWS = "flows"  # the format that the commands of this noun read
_LINE_BY_LINE = ("json", "csv", "value", "lines", "shell")  # formats that print each row as it arrives
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
        raise UsageError(quote(name), f"larger than {_MAX_FILE >> 20} MiB")
    shown = "-" if file == "-" else file
    for what, at in (("not UTF-8", _not_utf8(data)), ("contains a NUL character, so it is not text", data.find(b"\0"))):
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

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        if parsed_args.confirm_within:
            raise UsageError(
                "--confirm-within", "flows are in no database, so a change of flows cannot be undone", "the command without it"
            )
        return super().take_action(parsed_args)

    def table(self, result: flow.FlowChanges) -> Table:
        return super().table(result.changes)

    def print_plan(self, answer: Answer) -> None:
        host = answer.host
        self.print_diff((line[0], f"{host}: {line}" if host else line) for line in answer.result.lines)


class _BridgeWriter(FlowWriter):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridge", metavar="BRIDGE", type=word, help="bridge to change")
        return parser


class FlowList(SwitchLister):
    """List the flows of a bridge

    MATCH is that of 'ovs-ofctl dump-flows': fields, and cookie=C/MASK, out_port=PORT or out_group=N. A flow shown without a
    priority has the default, 32768. With -f json, --parsed prints match and actions as objects, in the format of the Python
    library ovs.flow.

    -f flows prints a file that the other flow commands and ovs-ofctl can read: everything needed to add the flows again,
    without counters and ages. It shows ports by name (unless --no-names is given), because their numbers may differ on
    another bridge, and tables by number. Groups and meters that the flows use are not included.

    Examples:
      ovstool flow list br0
      ovstool flow list br0 ip,in_port=eth1 --table 0 --names
      ovstool flow list br0 -f flows > flows.txt
      ovstool flow list br0 -f flows | ovstool flow diff br1 --file -
      ovstool flow list br0 --parsed -f json | jq '.[] | select(.match.nw_dst)'
    """

    columns = flow.COLUMNS
    own_formats = (_FLOWS,)
    nothing = "no flows"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridge", metavar="BRIDGE", type=word, help="bridge to read")
        parser.add_argument("match", metavar="MATCH", nargs="?", help=MATCH)
        parser.add_argument("--table", metavar="N", type=number(0, 254), help="only flows of this table")
        names = parser.add_mutually_exclusive_group()
        names.add_argument(
            "--names", action="store_true", default=None, help="show ports and tables by name (default: when standard output is a terminal)"
        )
        names.add_argument("--no-names", dest="names", action="store_false", help="show ports and tables by number")
        parser.add_argument("--parsed", action="store_true", help="show match and actions as objects")
        return parser

    def prepare(self, args: argparse.Namespace) -> None:
        super().prepare(args)
        if args.formatter != _FLOWS:
            return
        if args.columns or args.sort_columns or args.parsed:
            raise UsageError("-f flows", "prints whole flows, without columns or objects", "-f json, or -f value")
        if len(args.targets) > 1:
            raise UsageError("-f flows", "prints the flows of one bridge, not of several hosts", "one --host, or -f json")

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        if args.formatter != _FLOWS:
            return super().emit_answers(args, answers)
        self.print_lines(answers[0].result)
        return Exit.OK

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        if args.formatter == _FLOWS:
            return flow.list_for_file(switch, args.bridge, args.match, args.table, args.names is not False)
        names = self.app.stdout.isatty() if args.names is None else args.names
        held = len(args.targets) > 1 or bool(args.sort_columns) or args.formatter not in _LINE_BY_LINE
        return flow.list_all(switch, args.bridge, args.match, args.table, names, args.parsed, held)


class FlowAdd(_BridgeWriter):
    """Add flows to a bridge, all or none

    A flow with the same table, priority and match is replaced. All flows are sent in one bundle, so the bridge's protocols
    must include OpenFlow 1.3 or newer. A flow that already exists is left unchanged, even if written differently, unless it
    has reset_counts. A file may contain only flows to add, not modify or delete commands. --dry-run prints the flows that
    would change, with + or - in front.

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
            raise UsageError("flow add", "needs either flows or a file", "FLOW..., or --file F")
        for name in args.flows:
            if "=" not in name and os.path.isfile(name):
                import shlex  # rarely needed

                raise UsageError(f"flow {quote(name)}", "a file, not a flow", shlex.join(["--file", name]))
        if [number for number, words in enumerate(args.flows, 1) if "action" in words] == [len(args.flows)] != [1]:
            import shlex  # rarely needed

            # One flow that the shell has split at its spaces.
            raise UsageError(f"flow {quote(args.flows[0])}", "must specify an action", shlex.quote(" ".join(args.flows)))
        args.given = _read_flows(args.file) if args.file else flow.GivenFlows.checked(args.flows)

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return flow.add(switch, args.bridge, args.given)


class FlowDel(_BridgeWriter):
    """Delete the flows of a bridge that a match covers, or all

    Without MATCH all flows are deleted, as with ovs-ofctl, including the NORMAL flow of an ordinary learning switch. With
    --strict only the flow with exactly this match and priority is deleted. --dry-run prints the flows that would be deleted,
    with - in front.

    Examples:
      ovstool flow del br0 table=1,ip
      ovstool flow del br0 table=0,priority=10,ip,in_port=eth1 --strict
      ovstool flow del br0 cookie=0x5/-1 --dry-run
    """

    if_absent = "ovstool bridge list"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("match", metavar="MATCH", nargs="?", help=MATCH)
        parser.add_argument("--strict", action="store_true", help="only the flow with exactly this match and priority")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return flow.delete(switch, args.bridge, args.match, args.strict)


class FlowReplace(_BridgeWriter):
    """Replace the flows of a bridge with those of a file

    Deletes the flows that are not in the file and adds those that are missing, in one bundle: no packet sees a partial
    change. The bridge's protocols must include OpenFlow 1.3 or newer. Like ovs-ofctl, it does not compare flags such as
    send_flow_rem. A file without flows is refused; to delete all flows, use 'ovstool flow del BRIDGE'. --dry-run prints what
    would change, with + or - in front.

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

    A line with - is a flow found only on the switch, a line with + one found only in the file; a flow with different actions,
    cookie or timeouts has both. The exit code is 0 if nothing differs, 1 if something does. Counters and flags are not
    compared, and different spellings of the same flow, such as mod_dl_dst and set_field, are no difference.

    Examples:
      ovstool flow diff br0 --file flows.txt
      ovstool flow diff br0 --file flows.txt || echo the flows differ
    """

    columns = ("diff", "flow")
    formatter_default = "value"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridge", metavar="BRIDGE", type=word, help="bridge to read")
        parser.add_argument("--file", metavar="F", type=word, required=True, help=_FILE)
        return parser

    def prepare(self, args: argparse.Namespace) -> None:
        super().prepare(args)
        args.given = _read_flows(args.file)

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return flow.diff(switch, args.bridge, args.given)

    def emit(self, parsed_args: argparse.Namespace, columns: Sequence[str], data: Any, many: bool = False) -> None:
        """Print in colour on a terminal, unless a format or columns were requested."""
        is_usual = parsed_args.formatter == self.formatter_default and not (parsed_args.columns or parsed_args.sort_columns)
        if not (is_usual and self.app.stdout.isatty()):
            super().emit(parsed_args, columns, data, many)
            return
        sign = list(columns).index("diff")
        self.print_diff((row[sign], " ".join(map(flat, row))) for row in data)


class FlowTrace(SwitchShow):
    """Show what a bridge would do with a packet, and why

    FLOW describes the packet in ovs-ofctl's syntax; without in_port it has no input port. The verdict comes first, in one
    sentence, followed by each flow that the packet matches, with its actions. No packet is sent.

    Examples:
      ovstool flow trace br0 in_port=eth1,tcp,nw_dst=10.0.0.2,tcp_dst=80
      ovstool flow trace br0 \\
        in_port=eth1,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02
      ovstool flow trace br0 in_port=eth1,arp -f json | jq -r .verdict
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridge", metavar="BRIDGE", type=word, help="bridge that receives the packet")
        parser.add_argument("flow", metavar="FLOW", help="packet, such as in_port=eth1,ip,nw_dst=10.0.0.2")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return flow.follow(switch, args.bridge, args.flow)

    def as_object(self, shown: Any, args: argparse.Namespace) -> dict[str, Any]:
        from dataclasses import asdict  # the other commands do not need it

        traced = asdict(shown)
        return {"bridge": args.bridge, "flow": args.flow} | {name: traced[name] for name in _TRACE_KEYS}

    def show(self, args: argparse.Namespace, shown: Any) -> None:
        if args.formatter == "table" and not args.columns:
            self.print_page(_trace_page(shown))
        else:
            super().show(args, shown)
