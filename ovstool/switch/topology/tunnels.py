"""The tunnels of several switches, joined to the tunnels that lead back (pure)."""

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

from ovstool.switch.accepts.port_types import DST_PORTS, OPTIONS, TUNNELS
from ovstool.switch.sflow.targets import plain_ip
from ovstool.switch.topology import Interface, Topology, local_ip
from ovstool.switch.topology.links import BY_FLOWS, End, Host, Link

_ANYWHERE = object()  # in place of the host that a tunnel leads to: that is up to flows


class _Tunnel(NamedTuple):
    """A tunnel's interface. ``remote`` is the address that it leads to, as it is written where it is none.

    ``keys`` are those that it sends and receives, as numbers where they are. ``dst_port``: None is the usual one of its type.
    """

    end: End
    type: str
    local: str | None
    remote: str
    keys: tuple[str, str]
    configured_keys: tuple[str | None, str | None]
    dst_port: int | None

    @classmethod
    def of(cls, end: End, interface: Interface) -> "_Tunnel":
        options = interface.options
        sent, received = (options.get(name, options.get("key")) for name in ("out_key", "in_key"))
        remote = options.get("remote_ip", "")
        keys = _number(sent or "0"), _number(received or "0")
        return cls(end, interface.type, local_ip(options), plain_ip(remote) or remote, keys, (sent, received), _dst_port(interface))

    @property
    def is_for_many(self) -> bool:
        """Whether flows choose its keys or its address, so that several tunnels can lead to it."""
        return self.remote == BY_FLOWS or BY_FLOWS in self.keys


def tunnel_links(interfaces: Iterable[tuple[End, Interface]], owners: "Owners") -> Iterator[Link]:
    """Each pair of tunnels' ends once, and those without one."""
    tunnels = [_Tunnel.of(end, each) for end, each in interfaces if each.type in TUNNELS]
    others = _others(tunnels, owners)
    linked = {other.end for other in others.values() if other.remote != BY_FLOWS}
    for tunnel in tunnels:
        if other := others.get(tunnel.end):
            yield _link(tunnel, other)
        elif tunnel.end not in linked:
            yield _link_out(tunnel, owners)


def _link(tunnel: _Tunnel, other: _Tunnel) -> Link:
    is_open = other.remote == BY_FLOWS
    here = tunnel.end._replace(address=tunnel.local if is_open else other.remote)
    there = other.end._replace(address=tunnel.remote)
    return Link(tunnel.type, tunnel.configured_keys, (here, there), None if is_open else True, tunnel.dst_port)


def _link_out(tunnel: _Tunnel, owners: "Owners") -> Link:
    """A tunnel to what is known of where it leads: the host that has the address, or a name for it."""
    there = owners.of(tunnel)
    host = there[0] if len(there) == 1 else None if there else owners.name_of(tunnel.remote)
    ends = tunnel.end._replace(address=tunnel.local), End(host, None, None, tunnel.remote or None)
    return Link(tunnel.type, tunnel.configured_keys, ends, False if there else None, tunnel.dst_port)


def _others(tunnels: Sequence[_Tunnel], owners: "Owners") -> dict[End, _Tunnel]:
    """The other end of each tunnel that has one, by the first end of a pair, or the end that leads to a tunnel for many."""
    ends, others, paired = _Ends(tunnels, owners), dict[End, _Tunnel](), set[End]()
    for tunnel in tunnels:
        if tunnel.end not in paired and (other := ends.that_pairs(tunnel, paired)):
            others[tunnel.end] = other
            paired.update((tunnel.end, other.end))
    for_many = _Ends((tunnel for tunnel in tunnels if tunnel.is_for_many), owners)
    for tunnel in tunnels:
        if tunnel.end not in paired and (other := for_many.that_takes(tunnel)):
            others[tunnel.end] = other
    return others


class _Ends:
    """Tunnels by all that the other end has to agree with, as ovs-vswitchd finds the one that a packet is for (ofproto/tunnel.c, tnl_find).

    No search goes through all of them, since there may be thousands between two hosts.
    """

    def __init__(self, tunnels: Iterable[_Tunnel], owners: "Owners"):
        self._owners = owners
        self._ends: dict[tuple[Any, ...], deque[_Tunnel]] = defaultdict(deque)
        for tunnel in tunnels:
            hosts = [_ANYWHERE] if tunnel.remote == BY_FLOWS else owners.of(tunnel)
            for host, remote in product(hosts, (tunnel.remote, None)):
                place = tunnel.end.host, host, *tunnel.keys, tunnel.type, tunnel.dst_port, tunnel.local, remote
                self._ends[place].append(tunnel)

    def that_pairs(self, tunnel: _Tunnel, paired: set[End]) -> _Tunnel | None:
        """The other end for this tunnel alone: it leads back, with the same keys."""
        for ends in self._facing(tunnel, tunnel.end.host, *tunnel.keys[::-1]):
            while ends and ends[0].end in paired:
                ends.popleft()
            if other := next((other for other in ends if other.end != tunnel.end and other.end not in paired), None):
                return other
        return None

    def that_takes(self, tunnel: _Tunnel) -> _Tunnel | None:
        """An end that takes what this tunnel sends, among others: one whose keys, or where it leads, are up to flows."""
        sent, received = tunnel.keys
        for host, key, other_key in product((tunnel.end.host, _ANYWHERE), *(dict.fromkeys((each, BY_FLOWS)) for each in (received, sent))):
            if host is _ANYWHERE or (key, other_key) != (received, sent):
                for ends in self._facing(tunnel, host, key, other_key):
                    if other := next((other for other in ends if other.end != tunnel.end), None):
                        return other
        return None

    def _facing(self, tunnel: _Tunnel, towards: object, sent: str, received: str) -> Iterator[deque[_Tunnel]]:
        """The tunnels of the hosts that this one leads to, which lead towards a host with those keys."""
        remote = None if towards is _ANYWHERE else tunnel.local
        for host, local in product(self._owners.of(tunnel), (tunnel.remote, None)):
            if ends := self._ends.get((host, towards, sent, received, tunnel.type, tunnel.dst_port, local, remote)):
                yield ends


class Owners:
    """The hosts that answered by the addresses that they have, first those whose database says so, which is not always right.

    ``name_of`` has the host that an address is known to be of.
    """

    def __init__(self, read: Sequence[tuple[Host, Topology]], name_of: Callable[[str], str | None]):
        self.name_of = name_of
        self._answered = {host for host, _ in read}
        self._endpoints: dict[str, list[Host]] = defaultdict(list)
        self._addresses: dict[str, list[Host]] = defaultdict(list)
        for host, of in read:
            for known, addresses in ((self._endpoints, of.endpoints), (self._addresses, of.addresses)):
                for address in dict.fromkeys(addresses):
                    known[address].append(host)

    def of(self, tunnel: _Tunnel) -> Sequence[Host]:
        """The hosts with the address that a tunnel leads to: several where they share one, as those of a virtual VTEP do.

        A host that has the address itself, as many have that of a container bridge, sends to none of the others.
        """
        here, address = tunnel.end.host, tunnel.remote
        configured, own = self._endpoints.get(address, []), self._addresses.get(address, [])
        if here in own:
            return [here]
        if known := [*configured, *(host for host in own if host not in configured)]:
            return known
        name = self.name_of(address)
        return [name] if name is not None and name in self._answered else []


def _dst_port(interface: Interface) -> int | None:
    text = interface.options.get("dst_port", "") if "dst_port" in OPTIONS[interface.type] else ""
    return int(text) if re.fullmatch("[0-9]{1,5}", text) and text != DST_PORTS.get(interface.type) else None


def _number(text: str) -> str:
    """A key as a number where it is one; none is 0 (ovs-vswitchd.conf.db(5), Interface.options:key)."""
    try:
        return str(int(text, 0))
    except ValueError:
        return text
