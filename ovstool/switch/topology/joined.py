"""The topologies of several switches as one: patch ports and tunnels joined to the port at their other end (pure)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ovstool.switch.topology import Bridge, Interface, Port, Topology
from ovstool.switch.topology.links import End, Host, Link, patch_links
from ovstool.switch.topology.tunnels import Owners, tunnel_links

KEYS = ("hosts", "bridges", "controllers", "ports", "links")  # of the object of -f json


class HostBridges(NamedTuple):
    """A host and those of its bridges that are shown; none where it was not reached. ``lacks``: one that was named is not there."""

    host: Host
    reached: bool
    addresses: list[str]
    bridges: list[Bridge]
    lacks: bool = False


class Joined(NamedTuple):
    hosts: list[HostBridges]
    links: list[Link]


def join(read: Sequence[tuple[Host, Topology]], unreached: Iterable[str], name_of: Callable[[str], str | None]) -> Joined:
    """One topology of what hosts answered, and of the names of those that did not; ``name_of`` has the host that an address is known to be of."""
    hosts = [
        HostBridges(host, True, [*of.endpoints, *of.addresses], [each for each in of.bridges if each.name in of.shown], bool(of.error))
        for host, of in read
    ]
    hosts += [HostBridges(host, False, [], []) for host in unreached]
    shown = {(of.host, each.name) for of in hosts for bridge in of.bridges for port in bridge.ports for each in port.interfaces}
    interfaces = list(_interfaces(read))
    links = [*patch_links(interfaces), *tunnel_links(interfaces, Owners(read, name_of))]
    return Joined(hosts, [link for link in links if any((end.host, end.port) in shown for end in link.ends)])


def as_object(joined: Joined) -> dict[str, list[dict[str, Any]]]:
    """All of it as lists of objects, for ``-f json``."""
    bridges = [(of.host, bridge) for of in joined.hosts for bridge in of.bridges]
    return {
        "hosts": [{"host": of.host, "reached": of.reached, "addresses": of.addresses} for of in joined.hosts],
        "bridges": [{"host": host} | _bridge_object(bridge) for host, bridge in bridges],
        "controllers": [{"host": host, "bridge": bridge.name} | each._asdict() for host, bridge in bridges for each in bridge.controllers],
        "ports": [{"host": host, "bridge": bridge.name} | _port_object(port) for host, bridge in bridges for port in bridge.ports],
        "links": [_link_object(link) for link in joined.links],
    }


def _bridge_object(bridge: Bridge) -> dict[str, Any]:
    return {
        "bridge": bridge.name,
        "datapath_type": bridge.datapath_type,
        "fail_mode": bridge.fail_mode,
        "ports": bridge.port_count,
        "other_ports": len(bridge.others),
    }


def _port_object(port: Port) -> dict[str, Any]:
    interfaces = [{"name": each.name, "link_state": each.link_state, "error": each.error} for each in port.interfaces]
    kind = "bond" if port.is_bond else next((each.type for each in port.interfaces), None)
    return {"port": port.name, "type": kind, "tag": port.tag, "bond_mode": port.bond_mode, "lacp": port.lacp, "interfaces": interfaces}


def _link_object(link: Link) -> dict[str, Any]:
    ends = [end._asdict() for end in link.ends]
    return {"type": link.type, "key": link.key, "dst_port": link.dst_port, "ends": ends, "joined": link.joined}


def _interfaces(read: Iterable[tuple[Host, Topology]]) -> Iterator[tuple[End, Interface]]:
    """Every interface that is known, and where it is."""
    for host, of in read:
        for bridge in of.bridges:
            for port in bridge.ports:
                yield from ((End(host, bridge.name, each.name), each) for each in port.interfaces)
