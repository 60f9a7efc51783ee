"""ovstool topology"""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from ovstool.answers import Answer
from ovstool.errors import Exit, UsageError
from ovstool.parser import time_for
from ovstool.switch import Switch, topology
from ovstool.switch.topology import joined
from ovstool.switch.topology.joined import Joined
from ovstool.switch_command import SwitchShow
from ovstool.terminal.diagrams import dot, graph, mermaid, svg, tree
from ovstool.terminal.window import encoding_of, window_width

_GRAPHS = ("dot", "mermaid", "svg")


class Topology(SwitchShow):
    """Draw how bridges, tunnels and controllers connect

    A tree of bridges with their controllers, bonds, patch ports and tunnels. With several hosts it is one picture: each tunnel is joined
    to the port at its other end, the one that leads back with the same type, key and dst_port. A key or remote_ip of "flow" fits any. The
    host at the other end is found by options:local_ip and OVN's ovn-encap-ip, else by the addresses of its interfaces, else by its name in
    the inventory or on the command line. NO TUNNEL BACK: that host has no tunnel that leads back. NO PEER: the switch has no patch port of
    that name. PEER LEADS ELSEWHERE: it has one, with another peer. NOT REACHED: that host did not answer. passive: the bridge listens for
    controllers, and Open vSwitch does not say whether one is connected.

    The other ports of a bridge are listed by name, or only counted if there are more than 8; --all-ports shows them one by one.

    -f dot prints the graph for Graphviz, -f svg has Graphviz draw it, and -f mermaid prints it for Markdown on GitHub and GitLab. A line
    is dashed if its other end is unknown, not joined or not connected, and red if something is wrong. With more than 40 lines the
    text of a joined link is its tooltip.

    -f json prints one object, whatever the number of hosts: hosts (host, reached, addresses), bridges (host, bridge, datapath_type,
    fail_mode, ports: how many, other_ports: how many of them are not listed), controllers (host, bridge, target, connected), ports
    (host, bridge, port, type, tag, bond_mode, lacp, interfaces) and links (type, key, dst_port, ends, joined). Each end has host, bridge, port
    and the address that the other end sends to. joined is true if both ends lead to each other, false if the other end was read
    and does not lead back, and null if it was not read or has remote_ip=flow.

    Examples:
      ovstool topology
      ovstool -H @rack1 topology
      ovstool -H @rack1 topology br-tun -f svg > rack1.svg
      ovstool topology -f mermaid
      ovstool -H @rack1 topology -f json | jq '.links[] | select(.joined == false)'
    """

    own_formats = ("text", *_GRAPHS)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridges", metavar="BRIDGE", nargs="*", help="only this bridge, and what it is linked to")
        parser.add_argument("--all-ports", action="store_true", help="show every port, not only bonds, patch ports and tunnels")
        return parser

    def prepare(self, args: argparse.Namespace) -> None:
        self.check_columns(args, joined.KEYS)
        if args.formatter in self.own_formats and args.columns:
            raise UsageError("-c", f"cannot be used with -f {args.formatter}, which is a drawing", "-f json")
        if args.formatter == "svg":
            svg.require_dot()
        if args.formatter == "text":
            args.formatter = "table"  # whose drawing it is
        args.names = topology.host_names(args.inventory, args.targets)

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return topology.read(switch, args.bridges, args.all_ports, is_one_of_many=len(args.targets) > 1)

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        answered = [answer.target for answer in answers]
        missing = [target.name for target in args.targets if target not in answered]
        read = [(answer.host, answer.result) for answer in answers]
        errors = [(answer.target, answer.result.error) for answer in answers if answer.target and answer.result.error]
        if len(errors) < len(answers):
            self.show(args, joined.join(read, missing, args.names.find_in_time))
        return self._report_hosts(errors, args)

    def as_object(self, shown: Joined, args: argparse.Namespace) -> dict[str, Any]:
        return joined.as_object(shown)

    def show(self, args: argparse.Namespace, shown: Joined) -> None:
        if args.formatter in _GRAPHS:
            self.print_lines(self._graph(args, shown))
        elif args.formatter == "table" and not args.columns:
            self._print_tree(args, shown)
        else:
            super().show(args, shown)

    def _graph(self, args: argparse.Namespace, shown: Joined) -> Iterable[str]:
        drawn = graph.graph(shown)
        if args.formatter == "mermaid":
            text = list(mermaid.lines(drawn))
            for excess in mermaid.excess(drawn, text):
                self.note(excess, args)
            return text
        return dot.lines(drawn) if args.formatter == "dot" else svg.drawn(dot.lines(drawn), time_for(args)).splitlines()

    def _print_tree(self, args: argparse.Namespace, shown: Joined) -> None:
        is_window = self.app.stdout.isatty() or args.fit_width
        room = args.max_width or (window_width() if is_window else 0)
        drawn = list(tree.lines(shown, tree.Strokes.of(encoding_of(self.app.stdout)), room))
        if not drawn:
            self.note("no bridges", args)
        self.print_page(drawn)
