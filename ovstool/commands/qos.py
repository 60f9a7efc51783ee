"""ovstool qos: shape what ports send. _QUEUE_KEYS has the keys of ``--queue``; accepts/qos_types says which of them each type takes"""

import argparse
from collections.abc import Callable
from typing import Any

from ovstool import units
from ovstool.commands.options import MAX_QUEUE, PORT, as_dict, key_value, parsed_by
from ovstool.errors import UsageError, quote
from ovstool.parser import number
from ovstool.switch import Switch, qos, references
from ovstool.switch.accepts import qos_types
from ovstool.switch.checks import shaping_rules
from ovstool.switch_command import SwitchLister, SwitchShow, SwitchWriter

_QUEUE_KEYS: dict[str, tuple[str, Callable[[str], int]]] = {
    "min": ("min_rate", units.parse_rate),
    "max": ("max_rate", units.parse_rate),
    "burst": ("burst", units.parse_size),
    "priority": ("priority", number(0, 2**32 - 1)),
    "dscp": ("dscp", number(0, 63)),
}


class QosSet(SwitchWriter):
    """Shape what ports send: a rate and queues (egress QoS)

    The command describes the port's whole QoS: queues that are not given are removed. With --merge only what is given
    changes. Each port gets its own rows. Traffic uses queue 0 unless a flow puts it into another (set_queue). A RATE is a
    number and a unit, such as 200mbit or 1.5gbit. A queue is ID, or ID: followed by any of min=RATE, max=RATE, burst=SIZE,
    priority=N (0 to 7, lowest first) and dscp=N. Problems visible in the database are reported at once; 'qos check' looks
    for more. To limit what a port receives, see 'ovstool help police set'.

    With linux-htb, the min of a queue is at least one MTU per second: 12 kbit/s for 1500 bytes. Spare bandwidth goes to the
    queues with the lowest priority number first, and among these in proportion to min (a min above 16 Mbit/s counts as 16
    Mbit/s). The dscp of a queue marks the packets that a flow puts into it. On the kernel datapath this applies to queue 0
    too: packets that use it by default keep their DSCP.

    Options and --other-config keys of each --type:
      linux-htb       --max-rate, --queue with all its keys
      linux-hfsc      --max-rate, --queue with min, max, dscp
      linux-sfq       perturb (s), quantum (bytes)
      linux-codel     target and interval (microseconds), limit (packets)
      linux-fq_codel  as linux-codel, and flows, quantum (bytes)
      linux-netem     latency (microseconds), limit (packets), loss (percent),
                      jitter (microseconds; from Open vSwitch 3.2 on)
      linux-noop      nothing: ovs-vswitchd leaves the port's queueing alone
      egress-policer  --max-rate, --burst
      trtcm-policer   --max-rate, --burst, --queue with min, max, burst, dscp

    The two policers are for DPDK ports and drop traffic above the rate. They count the bytes of a packet without its Ethernet
    header, so their rates are multiples of 8 bit/s. The default burst is 210 ms at the rate plus one frame, at least 128
    kbit. With trtcm-policer, min is the committed rate of a queue (cir), and max is its committed plus its excess rate
    (eir); the committed rate of the port is the sum of the queues' min, and the queues share the rest of --max-rate. Both
    follow the Open vSwitch manual and have not been tested with DPDK.

    Examples:
      ovstool qos set eth1 --max-rate 200mbit
      ovstool qos set eth1 --max-rate 200mbit \\
        --queue 0:min=100mbit --queue 1:min=50mbit,max=50mbit
      ovstool qos set eth1 --merge --queue 1:max=80mbit
      ovstool qos set eth1 --type fq_codel --other-config target=2000
      ovstool qos set dpdk0 --type egress-policer --max-rate 1gbit --burst 64kB
      ovstool qos set dpdk0 --type trtcm-policer --max-rate 1gbit \\
        --queue 0 --queue 1:min=600mbit
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("ports", metavar="PORT", nargs="+", help=PORT)
        parser.add_argument(
            "--type", metavar="TYPE", choices=qos_types.NAMES, type=qos_types.full_name,
            help=f"kind of shaping: {', '.join(qos_types.NAMES)}; linux- may be left out (default: {qos_types.DEFAULT})",
        )  # fmt: skip
        parser.add_argument(
            "--max-rate", metavar="RATE", type=parsed_by(units.parse_rate), help="total rate of all queues, such as 200mbit"
        )
        parser.add_argument(
            "--burst",
            metavar="SIZE",
            type=parsed_by(units.parse_size),
            help="burst size of a policer, such as 64kB",
        )
        parser.add_argument(
            "--queue",
            metavar="ID[:KEY=VALUE,...]",
            action="append",
            type=_queue,
            help="a queue, such as 1:min=50mbit,max=80mbit; repeatable",
        )
        parser.add_argument("--merge", action="store_true", help="keep the settings and queues that are not given")
        parser.add_argument(
            "--force",
            action="store_true",
            help="reinstall the QoS even if the database is unchanged, in case the datapath has lost it",
        )
        parser.add_argument(
            "--other-config",
            metavar="K=V",
            action="append",
            type=key_value,
            help="a key of QoS.other_config, written unchanged, such as limit=1000; repeatable",
        )
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        config = as_dict(args.other_config, "--other-config")
        queues: dict[int, qos.QueueSpec] = {}
        for queue, spec in args.queue or ():
            if queue in queues:
                raise UsageError(f"queue {queue}", "named twice")
            queues[queue] = spec
        if not (args.type or args.max_rate or args.burst or config or queues):
            raise UsageError("qos set", "nothing to set", "--max-rate 200mbit, or 'ovstool qos clear PORT' to remove the QoS")
        if args.force and args.merge:
            raise UsageError("--force", "does not work with --merge", "--force with the whole QoS of the port")
        if args.force and args.no_wait:
            raise UsageError("--force", "does not work with --no-wait: ovs-vswitchd must first see the port with another type")
        spec = qos.QosSpec(args.type, args.max_rate, args.burst, config, queues, merge=args.merge, reinstall=args.force)
        advice = shaping_rules.advice(switch, args.ports)
        changes = qos.set(switch, args.ports, spec, advice.look)
        advice.tell()
        return changes


class QosClear(SwitchWriter):
    """Remove the QoS of ports, and the QoS and Queue rows that only they used

    This also deletes the flows that 'qos steer' added for these ports.

    Example:
      ovstool qos clear eth1
    """

    if_absent = "ovstool port list"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("ports", metavar="PORT", nargs="+", help=PORT)
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return qos.clear(switch, args.ports)


class QosList(SwitchLister):
    """List the ports with QoS

    Example:
      ovstool qos list
    """

    columns = ("port", "type", "max_rate", "queues")
    nothing = "no port has a QoS"

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return qos.list_all(switch)


class QosShow(SwitchShow):
    """Show the QoS of a port and its queues

    Rates are in bit/s, bursts in bits. The counters of each queue are read live over OpenFlow; they are null if that is not
    possible.

    Examples:
      ovstool qos show eth1
      ovstool qos show eth1 -f json | jq '.queues[].max_rate'
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("port", metavar="PORT", help=PORT)
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return qos.show(switch, args.port)


class QosGc(SwitchWriter):
    """Delete the QoS and Queue rows that nothing refers to

    ovstool leaves no such rows behind, but 'ovs-vsctl del-br' and 'ovs-vsctl clear port qos' do. Rows that a port uses are
    never touched, no matter who created them.

    Examples:
      ovstool qos gc --dry-run
      ovstool qos gc
    """

    columns = ("table", "uuid", "change")
    nothing = "every QoS and Queue row is used"

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return references.collect(switch)


def _is_rate(text: str) -> bool:
    try:
        return bool(units.parse_rate(text))
    except UsageError:
        return False


def _queue(text: str) -> tuple[int, qos.QueueSpec]:
    """argparse type: ``ID[:KEY=VALUE,...]``."""
    ident, colon, rest = text.partition(":")
    try:
        before, _, behind = text.partition("=")
        if before.isdecimal() and "=" in behind:
            raise UsageError("=", "a colon follows the ID", f"{before}:{behind}")
        if "=" in ident:
            raise UsageError("no queue ID", "it comes first", f"0:{text}")
        queue = number(0, MAX_QUEUE - 1)(ident)
        asked: dict[str, int] = {}
        for item in rest.split(",") if colon else ():
            if "=" not in item and _is_rate(item):
                raise UsageError(item, "a rate without a name", f"{ident}:max={item}, or min={item}")
            key, value = key_value(item)
            if key not in _QUEUE_KEYS:
                raise UsageError(quote(key), "no such key", "min, max, burst, priority or dscp")
            name, parse = _QUEUE_KEYS[key]
            if name in asked:
                raise UsageError(key, "given twice")
            asked[name] = parse(value)
    except (UsageError, argparse.ArgumentTypeError) as error:
        raise argparse.ArgumentTypeError(f"{quote(text)}: {error}") from error
    dscp = asked.pop("dscp", None)
    return queue, qos.QueueSpec(qos_types.Shape(**asked), dscp)
