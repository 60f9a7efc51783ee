"""ovstool qos steer and unsteer"""

import argparse
from typing import Any

from ovstool.commands.flow import FlowWriter
from ovstool.commands.options import MAX_QUEUE, PORT, word
from ovstool.parser import number
from ovstool.switch import Switch, steer
from ovstool.switch.checks import shaping_rules


class QosSteer(FlowWriter):
    """Steer traffic that leaves a port into one of its queues

    This works with linux-htb and linux-hfsc on the kernel datapath, and with trtcm-policer on the userspace datapath
    (datapath_type=netdev). On both, packets in a queue that has a dscp are marked with it.

    Adds the flow 'MATCH actions=set_queue:ID,NORMAL' to the port's bridge. Matching packets are forwarded as before; those
    that leave by PORT use the queue. MATCH is in ovs-ofctl's syntax. The queue must exist already. Such flows are not
    offloaded to hardware.

    This requires that all matching packets are either forwarded by NORMAL, as on a new bridge, or dropped. The new flow gets
    a priority just above the NORMAL flow that forwards MATCH now and below every flow that drops part of it, so that no
    packet takes another path and nothing that was dropped gets through. Everything else is refused: a bridge with a
    controller, with fail_mode=secure or with several tables, and a match that is identical to that of another flow or that
    some flow forwards in another way or only temporarily (idle_timeout, hard_timeout). In these cases add set_queue to the
    flow that forwards the packets.

    A queue number applies to every port: a matching packet that leaves by another port with a queue of the same number uses
    that queue, also on another bridge behind a patch port. A note names such ports. Overlapping matches must lead to the
    same queue number.

    Only the current flows are considered; repeat the command after other flows have changed. ovs-vswitchd loses
    all flows when it stops. 'systemctl reload' and 'ovs-ctl restart' restore them; after any other restart repeat the
    command. 'qos unsteer', 'qos clear' and 'port del' recognize the flow by its cookie; 'ovstool flow list BRIDGE
    cookie=0x6f76737400000000/0xffffffff00000000' lists such flows.

    Examples:
      ovstool qos steer eth1 --queue 1 --match ip,nw_dst=10.0.0.2
      ovstool qos steer eth1 --queue 1 --match tcp,tp_dst=443 --dry-run
      ovstool flow list br0 cookie=0x6f76737400000000/0xffffffff00000000
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("port", metavar="PORT", help=PORT)
        parser.add_argument("--queue", metavar="ID", type=number(0, MAX_QUEUE - 1), required=True, help="queue of the port's QoS")
        parser.add_argument("--match", metavar="MATCH", type=word, required=True, help="traffic, such as ip,nw_dst=10.0.0.2")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        written = steer.steer(switch, args.port, args.queue, args.match)
        shaping_rules.advice(switch, [args.port], errors_only=True).tell()
        return written


class QosUnsteer(FlowWriter):
    """Remove the flows that 'qos steer' added for a port

    Removes all of them; with --queue only those into that queue, with --match only the one with exactly this match, even if
    written differently.

    Examples:
      ovstool qos unsteer eth1
      ovstool qos unsteer eth1 --queue 1
      ovstool qos unsteer eth1 --match ip,nw_dst=10.0.0.2
    """

    if_absent = "ovstool port list"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("port", metavar="PORT", help=PORT)
        parser.add_argument("--queue", metavar="ID", type=number(0, MAX_QUEUE - 1), help="only flows into this queue")
        parser.add_argument("--match", metavar="MATCH", type=word, help="only the flow with this match")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return steer.unsteer(switch, args.port, args.queue, args.match)
