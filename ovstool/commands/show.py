"""ovstool show"""

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ovstool import units
from ovstool.switch import WARNING, Finding, Switch, tree
from ovstool.switch_command import SwitchShow, addressed
from ovstool.terminal.formats import CONNECTION, flat

if TYPE_CHECKING:
    from ovstool.remedy import FindingRow

_BUILT_IN = {"<built-in>": "(built-in)"}  # ovs-vswitchd's version of a datapath that is part of it


class _Shown(NamedTuple):
    """What is shown of a switch, and its pending changes as they are printed."""

    tree: dict
    pending: "Sequence[FindingRow]"


class Show(SwitchShow):
    """Show the switch as a tree

    Shows the versions of Open vSwitch and of its datapaths, if known; changes that wait for 'ovstool confirm'; bridges,
    controllers and whether they are connected, sFlow, ports with their VLANs, QoS and policing, and interfaces with their
    errors. -f json prints the same as one object.

    Examples:
      ovstool show
      ovstool show br0 -f json
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridges", metavar="BRIDGE", nargs="*", help="show only this bridge")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return tree.read(switch, args.bridges)

    def completed(self, result: Any, target: Any, args: argparse.Namespace) -> Any:
        now = time.time()
        return _Shown(result, addressed([_pending(change, now) for change in result["pending"]], target, args))

    def as_object(self, shown: Any, args: argparse.Namespace) -> dict[str, Any]:
        return shown.tree

    def show(self, args: argparse.Namespace, shown: Any) -> None:
        if args.formatter != "table" or args.columns:
            super().show(args, shown)
            return
        self.print_page(_lines(shown.tree, shown.pending))


def _pending(change: dict, now: float) -> Finding:
    """A change that waits to be confirmed. The database does not tell whether its undo still waits too: after a restart of the host it does not."""
    until = change["until"]
    if until is None:
        problem = "waits to be confirmed"
    else:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))  # as in the notes of 'ovstool confirm'
        problem = f"to be undone at {at} unless confirmed" if until >= now else f"was to be undone at {at}, but is not"
    said = f"{change['who']}: {change['command']}" if change["command"] else ""
    return Finding(change["id"], WARNING, problem, said, (("ovstool", "confirm", change["id"]),))


def _lines(shown: dict, pending: "Sequence[FindingRow]" = ()) -> Iterator[str]:
    yield ", ".join(_versions(shown))
    for change in pending:
        yield f"pending {_words(change.port)}  {change.problem}  {_words(change.evidence)}".rstrip()
        yield f"  try: {change.remedy}"
    for bridge in shown["bridges"]:
        yield f"bridge {flat(bridge['bridge'])}  {_words(bridge['datapath_type'], fail_mode=bridge['fail_mode'])}"
        for controller in bridge["controllers"]:
            yield f"  controller {flat(controller['target'])}  {CONNECTION[controller['connected']]}"
        if bridge["sflow"]:
            yield f"  sflow to {flat(bridge['sflow']['targets'])}  {_words(agent=bridge['sflow']['agent'])}".rstrip()
        for port in bridge["ports"]:
            yield from _port_lines(port)


def _versions(shown: dict) -> list[str]:
    """Open vSwitch and each type of datapath, with the versions that are known."""
    datapaths = {bridge["datapath_type"]: bridge["datapath_version"] for bridge in shown["bridges"] if bridge["datapath_version"]}
    switch = f"Open vSwitch {flat(shown['ovs_version'])}" if shown["ovs_version"] else "Open vSwitch"
    return [switch] + [f"datapath {flat(kind)} {_BUILT_IN.get(version, flat(version))}" for kind, version in sorted(datapaths.items())]


def _port_lines(port: dict) -> list[str]:
    members = port["interfaces"]
    is_plain = len(members) == 1 and members[0]["name"] == port["port"]
    of_interface = _interface_words(members[0]) if is_plain else []
    lines = ["  ".join([f"  port {flat(port['port'])}", *of_interface, *_port_words(port)]).rstrip()]
    for member in members:
        if not is_plain:
            lines.append("  ".join([f"    interface {flat(member['name'])}", *_interface_words(member)]).rstrip())
        if member["error"]:
            lines.append(f"{'    ' if is_plain else '      '}ERROR: {flat(member['error'])}")
    return lines


def _port_words(port: dict) -> list[str]:
    vlan = ["fake bridge"] if port["fake_bridge"] else []
    if port["tag"] is not None:
        vlan.append(f"tag {port['tag']}")
    if port["trunks"]:
        vlan.append(f"trunks {flat(port['trunks'])}")
    if port["bond_mode"]:
        vlan.append(f"bond {flat(port['bond_mode'])}")
    if port["lacp"]:
        vlan.append(f"lacp {flat(port['lacp'])}")
    words = [" ".join(vlan)] if vlan else []
    if shaped := port["qos"]:
        rate = shaped["max_rate"]
        words.append(_words("qos", shaped["type"], units.human_rate(rate) if rate else None, queues=shaped["queues"]))
    return words


def _interface_words(interface: dict) -> list[str]:
    state = [] if interface["type"] == "system" else [flat(interface["type"])]
    if interface["admin_state"] == "down":
        state.append("admin down")
    elif interface["link_state"]:
        state.append(f"link {flat(interface['link_state'])}")
    if interface["ofport"] is not None:
        state.append(f"ofport {interface['ofport']}")
    words = [" ".join(state)] if state else []
    if interface["options"]:
        words.append(" ".join(f"{flat(key)}={flat(value)}" for key, value in sorted(interface["options"].items())))
    if interface["police_rate"]:
        words.append(f"policed to {units.human_rate(interface['police_rate'])}")
    if interface["police_packet_rate"]:
        words.append(f"policed to {interface['police_packet_rate']} packets/s")
    return words


def _words(*words: Any, **named: Any) -> str:
    texts = [flat(word) for word in words if word]
    texts += [f"{name} {flat(value)}" for name, value in named.items() if value not in (None, [], "")]
    return " ".join(texts)
