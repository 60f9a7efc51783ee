"""ovstool qos"""

import argparse
from typing import Any

from ovstool import units
from ovstool.command import SwitchLister, SwitchShow, SwitchWriter
from ovstool.commands.options import as_dict, key_value, number, quantity
from ovstool.errors import UsageError, quote
from ovstool.switch import Switch, qos

PORTS = "port: NAME, iface-id:ID, mac:ADDRESS or ofport:BRIDGE/N"
MAX_QUEUE = 2**32 - 1  # an OpenFlow queue ID has 32 bits; OFPQ_ALL is the last (OpenFlow 1.3.5, 7.2.2), so it is left out


class QosSet(SwitchWriter):
    """Shape what ports send: a rate and queues (egress QoS)

    What is given is the port's whole QoS, and queues that are not named go; with --merge only what is named changes. Every
    port gets rows of its own. Traffic uses queue 0 unless a flow says otherwise (set_queue). A RATE is a number and a unit,
    such as 200mbit or 1.5gbit. A queue is ID, or ID: and any of min=RATE, max=RATE, burst=SIZE, priority=N (smaller first)
    and dscp=N. To limit what a port receives, see 'ovstool help police set'.

    Examples:
      ovstool qos set eth1 --max-rate 200mbit
      ovstool qos set eth1 --max-rate 200mbit --queue 0:min=100mbit --queue 1:min=50mbit,max=50mbit
      ovstool qos set eth1 --merge --queue 1:max=80mbit
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("ports", metavar="PORT", nargs="+", help=PORTS)
        parser.add_argument(
            "--type", metavar="TYPE", choices=qos.TYPES, help=f"how to shape: {', '.join(qos.TYPES)} (default: {qos.DEFAULT_TYPE})"
        )
        parser.add_argument("--max-rate", metavar="RATE", type=quantity(units.parse_rate), help="what all queues share, such as 200mbit")
        parser.add_argument(
            "--queue",
            metavar="ID[:KEY=VALUE,...]",
            action="append",
            type=_queue,
            help="a queue, such as 1:min=50mbit,max=80mbit; repeatable",
        )
        parser.add_argument("--merge", action="store_true", help="keep what is not named")
        parser.add_argument(
            "--other-config", metavar="K=V", action="append", type=key_value, help="a key of QoS.other_config as it is; repeatable"
        )
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        config = as_dict(args.other_config, "--other-config")
        if args.max_rate is not None:
            if config.setdefault("max-rate", str(args.max_rate)) != str(args.max_rate):
                raise UsageError("--max-rate", "contradicts --other-config max-rate")
        if not config.get("max-rate", "1").isdecimal():
            raise UsageError(
                "--other-config max-rate", "not a whole number of bit/s, so ovs-vswitchd would ignore it", "--max-rate 200mbit"
            )
        queues: dict[int, qos.QueueWish] = {}
        for queue, wish in args.queue or ():
            if queue in queues:
                raise UsageError(f"queue {queue}", "named twice")
            queues[queue] = wish
        if not (args.type or config or queues):
            raise UsageError("qos set", "nothing to set", "--max-rate 200mbit, or 'ovstool qos clear PORT' to have no QoS")
        return qos.set(switch, args.ports, qos.Wish(args.type, config, queues, args.merge))


class QosClear(SwitchWriter):
    """Remove the QoS of ports, with the QoS and Queue rows that only they used

    The flows that 'qos steer' has put there for these ports go too.

    Example:
      ovstool qos clear eth1
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("ports", metavar="PORT", nargs="+", help=PORTS)
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return qos.clear(switch, args.ports)


class QosList(SwitchLister):
    """List the ports that have a QoS

    Example:
      ovstool qos list
    """

    columns = ("port", "type", "max_rate", "queues")

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return qos.list_all(switch)


class QosShow(SwitchShow):
    """Show the QoS of a port and its queues

    Rates in bit/s, burst in bits. What each queue has sent is read live over OpenFlow; null where that cannot be done.

    Examples:
      ovstool qos show eth1
      ovstool qos show eth1 -f json | jq '.queues[].max_rate'
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("port", metavar="PORT", help=PORTS)
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return qos.show(switch, args.port)


class QosGc(SwitchWriter):
    """Delete the QoS and Queue rows that nothing refers to

    ovstool leaves none behind; 'ovs-vsctl del-br' and 'ovs-vsctl clear port qos' do. Rows that a port, or a QoS that a port
    uses, refers to are never touched, whoever made them.

    Examples:
      ovstool qos gc --dry-run
      ovstool qos gc
    """

    columns = ("table", "uuid", "change")

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return qos.collect(switch)


def _queue(text: str) -> tuple[int, qos.QueueWish]:
    """argparse type: ``ID[:KEY=VALUE,...]``."""
    ident, colon, rest = text.partition(":")
    try:
        if "=" in ident:
            raise UsageError("its ID is missing", "it comes first", f"0:{text}")
        queue = number(0, MAX_QUEUE - 1)(ident)
        config: dict[str, str] = {}
        dscp = None
        for item in rest.split(",") if colon else ():
            key, value = key_value(item)
            if key in config or f"{key}-rate" in config or (key == "dscp" and dscp is not None):
                raise UsageError(key, "given twice")
            if key == "dscp":
                dscp = number(0, 63)(value)
            elif key == "burst":
                config[key] = str(units.parse_size(value))
            elif key == "priority":
                config[key] = str(number(0, 2**32 - 1)(value))
            elif key in ("min", "max"):
                config[f"{key}-rate"] = str(units.parse_rate(value))
            else:
                raise UsageError(quote(key), "no such key", "min, max, burst, priority or dscp")
    except (UsageError, argparse.ArgumentTypeError) as error:
        raise argparse.ArgumentTypeError(f"{quote(text)}: {error}") from error
    return queue, qos.QueueWish(config, dscp)
