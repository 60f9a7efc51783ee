"""ovstool bridge"""

import argparse
from typing import Any

from ovstool.commands.options import as_dict, column_and_key, comma_list, flatten, key_value, parsed_by, word
from ovstool.errors import UsageError
from ovstool.switch import Switch, bridge
from ovstool.switch.accepts import controllers
from ovstool.switch_command import SwitchLister, SwitchShow, SwitchWriter


class BridgeList(SwitchLister):
    """List the bridges of the switch

    The number of ports includes the local port. Controllers and sFlow collectors are shown by their targets.

    Example:
      ovstool bridge list
    """

    nothing = "no bridges"
    columns = ("bridge", "datapath_type", "fail_mode", "ports", "controllers", "sflow")

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return bridge.list_all(switch)


class BridgeShow(SwitchShow):
    """Show everything about a bridge

    Example:
      ovstool bridge show br0 -f json
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridge", metavar="BRIDGE", help="bridge to show")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return bridge.show(switch, args.bridge)


class BridgeAdd(SwitchWriter):
    """Add a bridge

    If the bridge already exists with these settings, nothing changes; if it exists with different ones, the command fails
    (exit code 4).

    Examples:
      ovstool bridge add br0
      ovstool bridge add br1 --fail-mode secure --protocols OpenFlow13 \\
        --controller tcp:192.0.2.1:6653
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridge", metavar="BRIDGE", help="name of the bridge and of its local port")
        _add_spec_options(parser)
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return bridge.add(switch, args.bridge, _spec(args))


class BridgeSet(SwitchWriter):
    """Change a bridge

    Settings that are not given stay unchanged. --external-id and --other-config add to the existing keys; --protocols and
    --controller replace the existing values.

    Open vSwitch deletes all flows, groups and meters of a bridge when its first controller is added, when its last one is
    removed, when --fail-mode changes while it has no controller, and when --datapath-type changes. A note says how many
    would be lost, with --dry-run too. Such a change needs --force (otherwise exit code 4), unless only flows of 'qos steer'
    would be lost.

    Examples:
      ovstool bridge set br0 --fail-mode secure
      ovstool bridge set br0 --unset fail_mode --unset other_config:hwaddr
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridge", metavar="BRIDGE", help="bridge to change")
        _add_spec_options(parser)
        parser.add_argument(
            "--unset",
            metavar="COLUMN[:KEY]",
            action="append",
            type=column_and_key(bridge.UNSETTABLE),
            help=f"reset to the default: {', '.join(bridge.UNSETTABLE)}; repeatable",
        )
        parser.add_argument(
            "--force", action="store_true", help="make the change even if Open vSwitch deletes the bridge's flows, groups and meters"
        )
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        spec = _spec(args)
        if spec == bridge.BridgeSpec():
            raise UsageError("bridge set", "nothing to change", "--fail-mode secure, or see 'ovstool help bridge set'")
        return bridge.set(switch, args.bridge, spec, args.force)


class BridgeDel(SwitchWriter):
    """Delete bridges, with their ports and the QoS that only those ports used

    A fake bridge is a VLAN of another bridge (ovs-vsctl add-br NAME PARENT VLAN). Deleting it deletes the ports in that
    VLAN.

    Example:
      ovstool bridge del br0 br1 --if-exists
    """

    if_absent = "ovstool bridge list, or --if-exists"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridges", metavar="BRIDGE", nargs="+", help="bridge to delete")
        parser.add_argument("--if-exists", action="store_true", help="do not fail when a bridge does not exist")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return bridge.delete(switch, args.bridges, args.if_exists)


def _add_spec_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--datapath-type",
        metavar="T",
        type=word,
        help="system (kernel), netdev (userspace) or another type that this Open vSwitch supports (default: system if supported)",
    )
    parser.add_argument(
        "--fail-mode",
        choices=("standalone", "secure"),
        help="without a controller, forward as a learning switch (standalone) or only by installed flows (secure)",
    )
    parser.add_argument(
        "--protocols",
        metavar="P,...",
        action="append",
        type=comma_list(parsed_by(controllers.parse_protocol)),
        help="OpenFlow versions to allow, such as OpenFlow13",
    )
    parser.add_argument(
        "--controller",
        metavar="TARGET",
        action="append",
        type=parsed_by(controllers.parse_target),
        help="OpenFlow controller, such as tcp:192.0.2.1:6653; repeatable",
    )
    parser.add_argument(
        "--external-id", metavar="K=V", action="append", type=key_value, help="a key of external_ids, for other programs; repeatable"
    )
    parser.add_argument("--other-config", metavar="K=V", action="append", type=key_value, help="a key of Bridge.other_config; repeatable")


def _spec(args: argparse.Namespace) -> bridge.BridgeSpec:
    return bridge.BridgeSpec(
        datapath_type=args.datapath_type,
        fail_mode=args.fail_mode,
        protocols=flatten(args.protocols),
        controllers=tuple(dict.fromkeys(args.controller or ())),
        external_ids=as_dict(args.external_id, "--external-id"),
        other_config=as_dict(args.other_config, "--other-config"),
        unset=tuple(getattr(args, "unset", None) or ()),
    )
