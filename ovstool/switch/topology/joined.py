"""The topologies of several switches as one: patch ports and tunnels joined to the port at their other end (pure)."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ovstool.errors import quote
from ovstool.switch.accepts.port_types import TUNNELS
from ovstool.switch.sflow.targets import plain_ip
from ovstool.switch.topology import Bridge, Interface, Port, Topology, local_ip

Host = str | None  # a host by name; None: the only switch that was asked
KEYS = ("hosts", "bridges", "controllers", "ports", "links")  # of the object of -f json
BY_FLOWS = "flow"  # the remote_ip of a tunnel whose packets go where flows send them


class End(NamedTuple):
    """An end of a link, as far as it is known; ``address`` is where the other end sends a tunnel's packets."""

    host: Host
    bridge: str | None
    port: str | None
    address: str | None = None


class Link(NamedTuple):
    """A patch link or a tunnel. ``joined``: both ends lead to each other; False: the other end was read, and does not; None: it is not known."""

    type: str
    key: str | None
    ends: tuple[End, End]
    joined: bool | None


class HostBridges(NamedTuple):
    """A host and those of its bridges that are shown; none where it was not reached."""

    host: Host
    reached: bool
    addresses: list[str]
    bridges: list[Bridge]


class Joined(NamedTuple):
    hosts: list[HostBridges]
    links: list[Link]


class _Tunnel(NamedTuple):
    """A tunnel's interface, and the address that it leads to, as it is written where it is none."""

    end: End
    type: str
    options: Mapping[str, str]
    remote: str

    @property
    def keys(self) -> tuple[str, str]:
        """The keys of what it sends and of what it receives."""
        return _key(self.options, "out_key"), _key(self.options, "in_key")

    def leads_back_to(self, other: "_Tunnel") -> bool:
        """Whether it and another tunnel between the same two hosts can be the two ends of one."""
        if self is other or self.type != other.type or self.keys != other.keys[::-1]:
            return False
        return all(
            here in (None, there) for here, there in ((local_ip(self.options), other.remote), (local_ip(other.options), self.remote))
        )


def join(read: Sequence[tuple[Host, Topology]], unreached: Iterable[str], name_of: Callable[[str], str | None]) -> Joined:
    """One topology of what hosts answered, and of the names of those that did not; ``name_of`` has the host that an address is known to be of."""
    hosts = [
        HostBridges(host, True, [*of.endpoints, *of.addresses], [bridge for bridge in of.bridges if bridge.name in of.shown])
        for host, of in read
    ]
    hosts += [HostBridges(host, False, [], []) for host in unreached]
    shown = {(of.host, each.name) for of in hosts for bridge in of.bridges for port in bridge.ports for each in port.interfaces}
    links = [*_patch_links(read), *_tunnel_links(read, name_of)]
    return Joined(hosts, [link for link in links if any((end.host, end.port) in shown for end in link.ends)])


def as_object(joined: Joined) -> dict[str, list[dict[str, Any]]]:
    """All of it as lists of objects, for ``-f json``."""
    bridges = [(of.host, bridge) for of in joined.hosts for bridge in of.bridges]
    return {
        "hosts": [{"host": of.host, "reached": of.reached, "addresses": of.addresses} for of in joined.hosts],
        "bridges": [{"host": host} | _bridge_object(bridge) for host, bridge in bridges],
        "controllers": [{"host": host, "bridge": bridge.name} | each._asdict() for host, bridge in bridges for each in bridge.controllers],
        "ports": [{"host": host, "bridge": bridge.name} | _port_object(port) for host, bridge in bridges for port in bridge.ports],
        "links": [link._asdict() | {"ends": [end._asdict() for end in link.ends]} for link in joined.links],
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


def _interfaces(read: Iterable[tuple[Host, Topology]]) -> Iterator[tuple[End, Interface]]:
    """Every interface that is known, and where it is."""
    for host, of in read:
        for bridge in of.bridges:
            for port in bridge.ports:
                yield from ((End(host, bridge.name, each.name), each) for each in port.interfaces)


def _patch_links(read: Sequence[tuple[Host, Topology]]) -> Iterator[Link]:
    """Each pair of patch ports once, and those without one."""
    peers = {(end.host, end.port): (end, each.options.get("peer")) for end, each in _interfaces(read) if each.type == "patch"}
    done = set()
    for (host, port), (end, peer) in peers.items():
        other, back = peers.get((host, peer), (End(host, None, peer), None))
        if end not in done:
            yield Link("patch", None, (end, other), back == port)
        done.update([end, other] if back == port else [end])


def _tunnel_links(read: Sequence[tuple[Host, Topology]], name_of: Callable[[str], str | None]) -> Iterator[Link]:
    """Each pair of tunnels' ends once, and those without one."""
    owners = _Owners(read, name_of)
    tunnels = [_Tunnel(end, each.type, each.options, _remote(each)) for end, each in _interfaces(read) if each.type in TUNNELS]
    towards: dict[tuple[Host, Host], list[_Tunnel]] = defaultdict(list)  # tunnels by the hosts that they lead from and to
    for tunnel in tunnels:
        for host in owners.of(tunnel.remote):
            towards[tunnel.end.host, host].append(tunnel)
    done = set()
    for tunnel in tunnels:
        if tunnel.end in done:
            continue
        there = owners.of(tunnel.remote)
        back = (
            other for host in there for other in towards[host, tunnel.end.host] if other.end not in done and other.leads_back_to(tunnel)
        )
        mate = next(back, None)
        done.update([tunnel.end, mate.end] if mate else [tunnel.end])
        yield _tunnel_link(tunnel, mate, there, None if there else name_of(tunnel.remote))


def _tunnel_link(tunnel: _Tunnel, mate: _Tunnel | None, there: Sequence[Host], name: str | None) -> Link:
    """A tunnel to its mate, or to what is known of where it leads: the hosts that have the address, or a name for it."""
    here = tunnel.end._replace(address=mate.remote if mate else local_ip(tunnel.options))
    if mate:
        return Link(tunnel.type, _shown_key(tunnel), (here, mate.end._replace(address=tunnel.remote)), True)
    far = End(there[0] if len(there) == 1 else name, None, None, tunnel.remote or None)
    return Link(tunnel.type, _shown_key(tunnel), (here, far), False if there else None)


class _Owners:
    """The hosts that answered by the addresses that they have; what the database says of an address goes before the host's own list."""

    def __init__(self, read: Sequence[tuple[Host, Topology]], name_of: Callable[[str], str | None]):
        self._answered = {host for host, _ in read}
        self._name_of = name_of
        self._endpoints: dict[str, list[Host]] = defaultdict(list)
        self._addresses: dict[str, list[Host]] = defaultdict(list)
        for host, of in read:
            for known, addresses in ((self._endpoints, of.endpoints), (self._addresses, of.addresses)):
                for address in dict.fromkeys(addresses):
                    known[address].append(host)

    def of(self, address: str) -> Sequence[Host]:
        """The hosts with an address: several where they share one, as those of a virtual VTEP do."""
        if known := self._endpoints.get(address) or self._addresses.get(address):
            return known
        name = self._name_of(address)
        return [name] if name is not None and name in self._answered else []


def _remote(interface: Interface) -> str:
    text = interface.options.get("remote_ip", "")
    return plain_ip(text) or text


def _key(options: Mapping[str, str], direction: str) -> str:
    """The key of a direction, as a number where it is one; none is 0 (ovs-vswitchd.conf.db(5), Interface.options:key)."""
    text = options.get(direction, options.get("key", "0"))
    try:
        return str(int(text, 0))
    except ValueError:
        return text


def _shown_key(tunnel: _Tunnel) -> str | None:
    """The key as it is configured, one for each direction where they differ."""
    sent, received = (tunnel.options.get(name, tunnel.options.get("key")) for name in ("out_key", "in_key"))
    return sent if sent == received else f"{quote(sent or '0')} out, {quote(received or '0')} in"
