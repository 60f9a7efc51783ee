"""ovstool qos steer and unsteer"""

import argparse
from typing import Any

from ovstool.commands.flow import FlowWriter
from ovstool.commands.options import number, word
from ovstool.commands.qos import MAX_QUEUE, PORTS
from ovstool.switch import Switch, steer


class QosSteer(FlowWriter):
    """Put traffic that leaves by a port into one of its queues

    Adds the flow 'MATCH actions=set_queue:ID,NORMAL' to the port's bridge: traffic that matches goes where it went, and what
    of it leaves by PORT does so through the queue. MATCH is a match in ovs-ofctl's syntax, without priority and actions.

    It is possible where NORMAL, which is what an Open vSwitch does by itself, decides where the traffic goes. The flow comes
    just above the NORMAL flow that forwards MATCH now and below all flows that drop some of it, so that what was dropped still
    is. Refused are a bridge with a controller, with fail_mode=secure or with several tables, a match of which some is
    dropped, or forwarded by a flow of another kind, at a priority that cannot be kept, and a match that another flow has: there
    set_queue belongs into the flow that forwards.

    A port that the traffic leaves by instead, and that has a queue of the same number, puts it into that; a note tells which
    ports do. Two steered matches that a packet may have both of must lead to the same queue number. Queues take effect on
    the kernel datapath; the userspace one does not know them.

    The flow has a cookie of ovstool's, by which 'ovstool qos unsteer', 'ovstool qos clear' and 'ovstool port del' find it. It
    is lost when ovs-vswitchd ends without saving flows (a restart by ovs-ctl saves them, a crash does not), and it is
    judged by the flows there are when it is added. Repeat the command after either.

    Examples:
      ovstool qos steer eth1 --queue 1 --match ip,nw_dst=10.0.0.2
      ovstool qos steer eth1 --queue 1 --match tcp,tp_dst=443 --dry-run
      ovstool flow list br0 cookie=0x6f76737400000000/0xffffffff00000000
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("port", metavar="PORT", help=PORTS)
        parser.add_argument("--queue", metavar="ID", type=number(0, MAX_QUEUE - 1), required=True, help="queue that the port's QoS has")
        parser.add_argument("--match", metavar="MATCH", type=word, required=True, help="traffic, such as ip,nw_dst=10.0.0.2")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return steer.steer(switch, args.port, args.queue, args.match)


class QosUnsteer(FlowWriter):
    """Remove the flows that 'qos steer' has added for a port

    All of them, or with --queue those of a queue, with --match the one of exactly this match, however it is written.

    Examples:
      ovstool qos unsteer eth1
      ovstool qos unsteer eth1 --queue 1
      ovstool qos unsteer eth1 --match ip,nw_dst=10.0.0.2
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("port", metavar="PORT", help=PORTS)
        parser.add_argument("--queue", metavar="ID", type=number(0, MAX_QUEUE - 1), help="only flows into this queue")
        parser.add_argument("--match", metavar="MATCH", type=word, help="only the flow with this match")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return steer.unsteer(switch, args.port, args.queue, args.match)
