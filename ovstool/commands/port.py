"""ovstool port"""

import argparse
from typing import Any

from ovstool.commands.options import PORT, as_dict, column_and_key, comma_list, flatten, key_value, word
from ovstool.errors import NotFound, UsageError, quote
from ovstool.parser import number
from ovstool.switch import Switch, lookup, port
from ovstool.switch.accepts import port_modes
from ovstool.switch.port import mtu
from ovstool.switch_command import SwitchLister, SwitchShow, SwitchWriter

_COLUMNS = {"mtu": "mtu_request", "trunk": "trunks"}  # columns whose options have other names

_vlan = number(0, 4095)


class PortList(SwitchLister):
    """List ports

    Lists the ports of the bridges named, or of all bridges. A bond is one row, with type bond.

    Examples:
      ovstool port list br0
      ovstool port list -f json | jq '.[] | select(.error)'
    """

    nothing = "no ports"
    columns = ("bridge", "port", "type", "ofport", "tag", "trunks", "admin_state", "link_state", "mac", "iface_id", "error")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridges", metavar="BRIDGE", nargs="*", help="show only ports of this bridge")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return port.list_all(switch, args.bridges)


class PortShow(SwitchShow):
    """Show everything about a port

    Examples:
      ovstool port show eth1
      ovstool port show mac:52:54:00:12:34:56 -f json
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("port", metavar="PORT", help=PORT)
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return port.show(switch, args.port)


class PortAdd(SwitchWriter):
    """Add a port to a bridge

    If the port already exists with these settings, nothing changes; if it exists with different ones, the command fails
    (exit code 4). If ovs-vswitchd cannot open the device, the port stays configured and comes up when the device appears;
    the exit code is 6.

    Options that Open vSwitch would ignore, truncate or misread are refused. VLANs and bonds take effect only for flows with
    the action NORMAL, which a new bridge has. A bond with LACP forwards nothing until LACP is negotiated, unless the port
    has other_config:lacp-fallback-ab=true. A balance-tcp bond forwards nothing without LACP.

    Examples:
      ovstool port add br0 eth1 --tag 10
      ovstool port add br0 eth1 --vlan-mode native-untagged --tag 10 --trunk 20,30
      ovstool port add br0 vx1 --type vxlan --remote-ip 192.0.2.7 --key 42
      ovstool port add br0 patch0 --peer patch1
      ovstool port add br0 bond0 --bond eth2,eth3 --bond-mode balance-tcp \\
        --lacp active
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridge", metavar="BRIDGE", help="bridge to add the port to")
        parser.add_argument(
            "port", metavar="PORT", help="name of the port; unless it is a bond, tunnel or patch port, the name of its device"
        )
        parser.add_argument("--bond", metavar="IFACE,...", action="append", type=comma_list(word), help="members of a bond, at least two")
        _add_spec_options(parser)
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        members = flatten(args.bond)
        if args.bond and len(members) < 2:
            raise UsageError("--bond", "a bond needs at least two members", "--bond eth2,eth3")
        if len(members) < sum(map(len, args.bond or ())):
            raise UsageError("--bond", "a member is named twice")
        if args.port in members:
            raise UsageError("--bond", f"{quote(args.port)} is the name of the bond itself")
        if args.bond_mode and not members:
            raise UsageError("--bond-mode", "needs --bond", "--bond eth2,eth3")
        if members and (args.type or args.peer or args.remote_ip or args.key or args.option):
            raise UsageError("--bond", "members of a bond are devices, without a type or options")
        try:
            return port.add(switch, args.bridge, args.port, _spec(args, members))
        except NotFound as error:
            if not lookup.by_name(switch, "Bridge", [args.port], ()):
                raise
            why = f"{quote(args.bridge)} is not a bridge, but {quote(args.port)} is; the bridge comes first"
            raise NotFound("port add", why, f"ovstool port add {quote(args.port)} {quote(args.bridge)}") from error


class PortSet(SwitchWriter):
    """Change a port

    Settings that are not given stay unchanged. --option and --external-id add to the existing keys; --trunk replaces the
    trunks.

    If a device rejects its --mtu, the exit code is 6. After --unset mtu_request a device keeps its current MTU, and an
    internal port follows the smallest MTU of the devices on its bridge.

    Examples:
      ovstool port set eth1 --tag 20
      ovstool port set br0 --mtu 1400
      ovstool port set eth1 --unset tag --trunk 10,20
      ovstool port set bond0 --lacp active
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("port", metavar="PORT", help=PORT)
        _add_spec_options(parser)
        columns = ", ".join(port.UNSETTABLE)
        parser.add_argument(
            "--unset",
            metavar="COLUMN[:KEY]",
            action="append",
            type=column_and_key(port.UNSETTABLE, _COLUMNS),
            help=f"reset to the default: {columns}; repeatable",
        )
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        spec = _spec(args, ())
        if spec == port.PortSpec():
            raise UsageError("port set", "nothing to change", "--tag 20, or see 'ovstool help port set'")
        return port.set(switch, args.port, spec)


class PortDel(SwitchWriter):
    """Delete ports, with the QoS that only they used

    Example:
      ovstool port del eth1 eth2 --if-exists
    """

    if_absent = "ovstool port list, or --if-exists"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("ports", metavar="PORT", nargs="+", help=PORT)
        parser.add_argument("--if-exists", action="store_true", help="do not fail when a port does not exist")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        from ovstool.switch.port import removal  # of no use to the other commands

        return removal.delete(switch, args.ports, args.if_exists)


def _vlans(text: str) -> list[int]:
    """argparse type: VLANs and ranges of them, separated by commas."""
    return [vlan for part in text.split(",") for vlan in _range(part)]


def _range(text: str) -> range:
    low, _, high = text.partition("-")
    if not (low and high):
        return range(_vlan(text), _vlan(text) + 1)
    first, last = _vlan(low), _vlan(high)
    if last < first:
        raise argparse.ArgumentTypeError(f"{text}: a range starts with the lower VLAN")
    return range(first, last + 1)


def _add_spec_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--type", metavar="T", type=word, help="system (a device, default), internal, patch, vxlan, geneve, gre, ...")
    parser.add_argument("--tag", metavar="N", type=_vlan, help="VLAN of an access or dot1q-tunnel port (0 to 4095), or the native VLAN")
    parser.add_argument(
        "--trunk",
        metavar="N,...",
        action="append",
        type=_vlans,
        help="VLANs of a trunk or native port, such as 10,20-29 (default: all); repeatable",
    )
    parser.add_argument(
        "--vlan-mode",
        metavar="M",
        choices=port_modes.VLAN_MODES,
        help=f"{', '.join(port_modes.VLAN_MODES)} (default: access with a tag, else trunk)",
    )
    parser.add_argument("--peer", metavar="PORT", type=word, help="the patch port at the other end (implies --type patch)")
    parser.add_argument("--remote-ip", metavar="IP", type=word, help="the other end of a tunnel")
    parser.add_argument("--key", metavar="K", type=word, help="tunnel key: a VNI, a GRE key, or flow")
    parser.add_argument("--option", metavar="K=V", action="append", type=key_value, help="a key of Interface.options; repeatable")
    parser.add_argument(
        "--external-id",
        metavar="K=V",
        action="append",
        type=key_value,
        help="a key of external_ids, for other programs, such as iface-id=ID; repeatable",
    )
    low, high = mtu.LEAST, mtu.MOST
    parser.add_argument("--mtu", metavar="N", type=number(low, high), help=f"MTU in bytes ({low} to {high}); for a bond, of each member")
    modes = f"{', '.join(port_modes.BOND_MODES)} (default: {port_modes.BOND_MODES[0]})"
    parser.add_argument("--bond-mode", metavar="M", choices=port_modes.BOND_MODES, help=f"how a bond shares traffic: {modes}")
    parser.add_argument(
        "--lacp", metavar="L", choices=("active", "passive", "off"), help="LACP: active, passive (waits for the other end to start) or off"
    )


def _spec(args: argparse.Namespace, members: tuple[str, ...]) -> port.PortSpec:
    options = as_dict(args.option, "--option")
    kind = args.type or ("patch" if args.peer else None)
    for name, value in (("peer", args.peer), ("remote_ip", args.remote_ip), ("key", args.key)):
        if value is not None and options.setdefault(name, value) != value:
            raise UsageError(f"--{name.replace('_', '-')}", f"contradicts --option {name}")
    if args.peer and kind != "patch":
        raise UsageError("--peer", f"is only for patch ports, not for --type {kind}")
    unset = tuple(getattr(args, "unset", None) or ())
    asked = {
        "tag": args.tag,
        "trunks": args.trunk,
        "vlan_mode": args.vlan_mode,
        "type": kind,
        "bond_mode": args.bond_mode,
        "lacp": args.lacp,
        "mtu_request": args.mtu,
    }
    for column, value in asked.items():
        if value is not None and (column, None) in unset:
            raise UsageError(f"--unset {column}", "contradicts the option that sets it")
    return port.PortSpec(
        type=kind,
        tag=args.tag,
        trunks=flatten(args.trunk),
        vlan_mode=args.vlan_mode,
        options=options,
        external_ids=as_dict(args.external_id, "--external-id"),
        bond=members,
        bond_mode=args.bond_mode,
        lacp=args.lacp,
        mtu_request=args.mtu,
        unset=unset,
    )
