"""ovstool qos steer and unsteer"""

import argparse
from typing import Any

from ovstool.commands.flow import FlowWriter
from ovstool.commands.options import MAX_QUEUE, PORT, word
from ovstool.parser import number
from ovstool.switch import Switch, steer
from ovstool.switch.checks import shaping_rules


class QosSteer(FlowWriter):
    """Put traffic that leaves by a port into one of its queues

    This works for linux-htb and linux-hfsc on the kernel datapath, and for trtcm-policer on the userspace one
    (datapath_type=netdev). On both, packets that go through a queue with a dscp get that DSCP.

    Adds the flow 'MATCH actions=set_queue:ID,NORMAL' to the port's bridge. What matches goes where it went before, and what of
    it leaves by PORT does so through the queue. MATCH is a match in ovs-ofctl's syntax. The queue must be there already. Such
    flows are not offloaded to hardware.

    That is possible where all that matches is forwarded by NORMAL, which is what Open vSwitch does by itself, or dropped. The
    flow comes just above the NORMAL flow that forwards MATCH now, and below every flow that drops some of it, so that no packet
    goes another way and none comes through that was dropped. Anything else is refused: a bridge with a controller, with
    fail_mode=secure or with several tables, a match that is another flow's, or that some flow forwards in another way or for a
    time only (idle_timeout, hard_timeout). There, put set_queue into the flow that forwards.

    A queue number is for every port: what matches and leaves by another port that has a queue of the same number goes through
    that, also on another bridge behind a patch port. A note tells which ports have one. Matches that
    overlap must lead to the same number.

    It is judged by the flows that are there now; repeat the command when others have changed. ovs-vswitchd loses all flows
    when it ends. 'systemctl reload' and 'ovs-ctl restart' restore them; after any other restart repeat the command. 'qos
    unsteer', 'qos clear' and 'port del' know the flow by its cookie, and so does 'ovstool flow list BRIDGE
    cookie=0x6f76737400000000/0xffffffff00000000'.

    Examples:
      ovstool qos steer eth1 --queue 1 --match ip,nw_dst=10.0.0.2
      ovstool qos steer eth1 --queue 1 --match tcp,tp_dst=443 --dry-run
      ovstool flow list br0 cookie=0x6f76737400000000/0xffffffff00000000
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("port", metavar="PORT", help=PORT)
        parser.add_argument("--queue", metavar="ID", type=number(0, MAX_QUEUE - 1), required=True, help="queue that the port's QoS has")
        parser.add_argument("--match", metavar="MATCH", type=word, required=True, help="traffic, such as ip,nw_dst=10.0.0.2")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        written = steer.steer(switch, args.port, args.queue, args.match)
        shaping_rules.advice(switch, [args.port], errors_only=True).tell()
        return written


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
        parser.add_argument("port", metavar="PORT", help=PORT)
        parser.add_argument("--queue", metavar="ID", type=number(0, MAX_QUEUE - 1), help="only flows into this queue")
        parser.add_argument("--match", metavar="MATCH", type=word, help="only the flow with this match")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return steer.unsteer(switch, args.port, args.queue, args.match)
