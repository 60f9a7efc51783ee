"""ovstool show"""

import argparse
from collections.abc import Iterator
from typing import Any

from ovstool import units
from ovstool.answers import plain
from ovstool.switch import Switch, tree
from ovstool.switch_command import SwitchShow
from ovstool.terminal.formats import flat


class Show(SwitchShow):
    """Show the switch as a tree

    Bridges, controllers and whether they are connected, sFlow, ports with VLANs, QoS and policing, interfaces and their
    errors. -f json gives the same as one object.

    Examples:
      ovstool show
      ovstool show br0 -f json
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bridges", metavar="BRIDGE", nargs="*", help="only this bridge")
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return tree.read(switch, args.bridges)

    def show(self, args: argparse.Namespace, shown: Any) -> None:
        if args.formatter != "table" or args.columns:
            super().show(args, shown)
            return
        shown = {name: plain(value) for name, value in self.as_object(shown, args).items()}
        self.print_page(_lines(shown))


def _lines(shown: dict) -> Iterator[str]:
    yield f"Open vSwitch {flat(shown['ovs_version'], '')}".rstrip()
    for bridge in shown["bridges"]:
        yield f"bridge {flat(bridge['name'])}  {_words(bridge['datapath_type'], fail_mode=bridge['fail_mode'])}"
        for controller in bridge["controllers"]:
            state = "connected" if controller["connected"] else "NOT CONNECTED"
            yield f"  controller {flat(controller['target'])}  {state}"
        if bridge["sflow"]:
            yield f"  sflow to {flat(bridge['sflow']['targets'])}  {_words(agent=bridge['sflow']['agent'])}".rstrip()
        for port in bridge["ports"]:
            yield from _port_lines(port)


def _port_lines(port: dict) -> Iterator[str]:
    fake = "fake bridge" if port["fake_bridge"] else None
    about = [_words(fake, tag=port["tag"], trunks=port["trunks"], bond=port["bond_mode"], lacp=port["lacp"])]
    if port["qos"]:
        rate = port["qos"]["max_rate"]
        about.append(_words("qos", port["qos"]["type"], units.human_rate(rate) if rate else None, queues=port["qos"]["queues"]))
    members = port["interfaces"]
    if len(members) == 1 and members[0]["name"] == port["port"]:
        about.insert(0, _interface_words(members[0]))
        yield f"  port {flat(port['port'])}  {'  '.join(filter(None, about))}".rstrip()
        yield from _error_lines(members[0], "    ")
        return
    yield f"  port {flat(port['port'])}  {'  '.join(filter(None, about))}".rstrip()
    for member in members:
        yield f"    interface {flat(member['name'])}  {_interface_words(member)}".rstrip()
        yield from _error_lines(member, "      ")


def _interface_words(interface: dict) -> str:
    link = interface["link_state"] if interface["admin_state"] != "down" else "admin down"
    options = " ".join(f"{flat(key)}={flat(value)}" for key, value in sorted(interface["options"].items()))
    police = []
    if interface["police_rate"]:
        police.append(f"policed to {units.human_rate(interface['police_rate'])}")
    if interface["police_packet_rate"]:
        police.append(f"policed to {interface['police_packet_rate']} packets/s")
    kind = None if interface["type"] == "system" else interface["type"]
    return "  ".join(
        filter(
            None, (_words(kind, link and f"link {link}" if link != "admin down" else link, ofport=interface["ofport"]), options, *police)
        )
    )


def _error_lines(interface: dict, indent: str) -> Iterator[str]:
    if interface["error"]:
        yield f"{indent}ERROR: {flat(interface['error'])}"


def _words(*words: Any, **named: Any) -> str:
    texts = [flat(word) for word in words if word]
    texts += [f"{name} {flat(value)}" for name, value in named.items() if value not in (None, [], "")]
    return " ".join(texts)
