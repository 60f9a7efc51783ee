"""Where samples go and in whose name: collectors and agents, as users name them and as the switch's host knows them."""

import ipaddress
import re
from typing import NamedTuple

from ovstool import units
from ovstool.errors import NotFound, Refused, UsageError, quote
from ovstool.switch import Switch
from ovstool.switch.iproute import ip

PORT = 6343  # IANA's port for sFlow
_HOST_NAME = r"(?i)[a-z0-9][a-z0-9_.-]{0,252}"
_SCOPE = r"[\w.-]+"
_BROADCAST = ipaddress.ip_address("255.255.255.255")
_LINK_LOCAL_GROUPS = ipaddress.ip_network("ff02::/16")


class Collector(NamedTuple):
    """Where samples go: an IP address, as it is usually written, or a host name, and a UDP port."""

    host: str
    port: int = PORT


def parse_collector(text: str) -> Collector:
    """Read ``HOST``, ``HOST:PORT``, ``[IPV6]`` or ``[IPV6]:PORT``; an IPv6 address may have a scope. Raises UsageError."""
    wrong = UsageError(
        f"collector {quote(text)}", "not HOST or HOST:PORT with a port from 1 to 65535", "10.0.0.5, 10.0.0.5:6343 or [2001:db8::5]:6343"
    )
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not is_ip(host, 6) or (rest and not rest.startswith(":")):
            raise wrong
        port = rest[1:] if rest else str(PORT)
    else:
        host, colon, port = text.partition(":")
        port = port if colon else str(PORT)
    number = units.whole_number(port, 1, 65535)
    if number is None:
        raise wrong
    # A name of digits and dots is a mistyped address, not a host.
    if not is_ip(host) and (not re.fullmatch(_HOST_NAME, host) or host.replace(".", "").isdigit()):
        raise wrong
    if is_ip(host):
        host = _required_reachable(host)
    return Collector(host, number)


def parse_agent(text: str) -> str:
    """Read the name of an interface or an IP address, which is then as it is usually written. Raises UsageError."""
    if not is_ip(text):
        return text
    address = ipaddress.ip_address(text)
    if address.is_unspecified or address.is_multicast or "%" in text:
        raise UsageError(f"agent {quote(text)}", "not an address that identifies a switch")
    return str(address)


def _required_reachable(host: str) -> str:
    """An IP address as it is usually written. Raises UsageError for one to which ovs-vswitchd can open no socket, or not the one meant."""
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_unspecified or address == _BROADCAST:
        raise UsageError(f"collector {quote(host)}", "not the address of a host")
    scope = getattr(address, "scope_id", None)
    if address.version == 6 and not scope and (address.is_link_local or address in _LINK_LOCAL_GROUPS):
        raise UsageError(f"collector [{host}]", "a link-local address needs the interface that leads to it", f"[{host}%eth0]:{PORT}")
    if scope and not re.fullmatch(_SCOPE, scope):
        raise UsageError(f"collector {quote(host)}", "its scope is not an interface")
    return str(address)


def agent(switch: Switch, asked: str | None, collector: tuple[str, int], force: bool) -> str | None:
    """The interface or address that is to identify the switch; asked of ``ip`` on the switch's host."""
    if asked is not None:
        if not is_ip(asked):
            _require_address(switch, asked, force)
        return asked
    host, _, scope = collector[0].partition("%")
    if scope:
        _require_address(switch, scope, force)
        return scope
    routes = ip(switch, "route", "get", host)
    device = routes[0].get("dev") if routes else None
    if isinstance(device, str) and (routes[0].get("type") != "broadcast" or force):
        return device
    if force:
        switch.notes.append(f"collector {host}: there is no route to it, and ovs-vswitchd sends nothing until there is one")
        return None
    if device:
        raise Refused(f"collector {host}", "a broadcast address, to which ovs-vswitchd cannot send")
    raise Refused(f"collector {host}", "there is no route to it, so no agent can be chosen", "--agent IFACE, or --force")


def _require_address(switch: Switch, device: str, force: bool) -> None:
    """Refuse, or note, an agent that does not tell ovs-vswitchd an address (sflow_choose_agent_address of ofproto-dpif-sflow.c)."""
    if not switch.host_is_known:
        return
    links = ip(switch, "address", "show", "dev", device)
    if any(_identifies(info) for link in links for info in link.get("addr_info", [])):
        return
    problem = "has no IP address" if links else "there is no such interface"
    why = f"{problem}, so ovs-vswitchd uses its address on the route to a collector, or sends nothing"
    if not force:
        raise Refused(f"agent {quote(device)}", why, "an interface with an address, an IP address, or --force")
    switch.notes.append(f"agent {device}: {why}")


def _identifies(info: dict) -> bool:
    """Whether ovs-vswitchd takes this address of an interface: any but a link-local one of IPv6 (netdev_get_ip_by_name of netdev.c)."""
    return is_ip(str(info.get("local"))) and not (info.get("family") == "inet6" and info.get("scope") == "link")


def address(switch: Switch, collector: Collector) -> tuple[str, int]:
    """The collector's IP address; a name is resolved on the switch's host.

    ovs-vswitchd opens its sockets before it has the answer of libunbound, and is often built without that (dns_resolve of dns-resolve.c).
    """
    if is_ip(collector.host):
        return collector.host, collector.port
    finished = switch.run([*switch.in_its_network, "getent", "ahosts", collector.host])
    first = finished.stdout.split()
    if finished.status != 0 or not first or not is_ip(first[0]):
        raise NotFound(f"collector {quote(collector.host)}", "its name has no address", "an IP address")
    switch.notes.append(
        f"collector {collector.host} is {first[0]}, which is what is stored: ovs-vswitchd resolves names too late or not at all"
    )
    return _required_reachable(first[0]), collector.port


def target(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def is_ip(text: str, version: int | None = None) -> bool:
    try:
        return version in (None, ipaddress.ip_address(text).version)
    except ValueError:
        return False
