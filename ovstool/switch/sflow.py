"""sFlow: samples of the packets of a bridge, sent to collectors (sFlow version 5; ovs-vswitchd.conf.db(5), table sFlow)."""

import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple

from ovstool import units
from ovstool.errors import NotFound, Refused, UsageError, quote
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import many, one, to_set
from ovstool.switch import Change, Switch, lookup
from ovstool.switch.iproute import ip

PORT = 6343  # IANA's port for sFlow
SAMPLING = 400  # ovs-vswitchd's defaults, for columns that are empty
POLLING_S = 30
HEADER = 128
# ovs-vswitchd drops a sample of more than half a datagram of 1400 bytes (sfl_receiver_writeFlowSample of sflow_receiver.c), of which it
# needs 88 itself; and up to 140 more for tunnels that a packet comes and leaves by, and for MPLS (dpif_sflow_received).
MOST_HEADER, SAFE_HEADER = 700 - 88, 700 - 88 - 140
# It samples with a chance in steps of 2^-32 (dpif_sflow_set_options of ofproto-dpif-sflow.c); from here on that is off by more than 1%.
MOST_SAMPLING = 2**32 // 100
_HOST_NAME = r"(?i)[a-z0-9][a-z0-9_.-]{0,252}"
_SCOPE = r"[\w.-]+"
_BROADCAST = ipaddress.ip_address("255.255.255.255")
_LINK_LOCAL_GROUPS = ipaddress.ip_network("ff02::/16")
_COLUMNS = ("_uuid", "agent", "targets", "sampling", "polling", "header", "external_ids")


class Collector(NamedTuple):
    """Where samples go: an IP address, as it is usually written, or a host name, and a UDP port."""

    host: str
    port: int = PORT


class SflowSpec(NamedTuple):
    """What is asked of sFlow: one packet in ``sampling``, counters every ``polling_s`` seconds, ``header`` bytes of each packet.

    ``agent`` is an interface or an IP address; None: the interface on the route to the first collector. ``force`` skips the checks of
    agent and route.
    """

    collectors: tuple[Collector, ...]
    agent: str | None = None
    sampling: int | None = None
    polling_s: int | None = None
    header: int | None = None
    force: bool = False


class ListedSflow(NamedTuple):
    """A row of ``sflow list``: what is in effect, defaults included; ``polling`` in seconds, ``header`` in bytes."""

    bridge: str
    agent: str | None
    targets: list[str]
    sampling: int
    polling: int
    header: int


def parse_collector(text: str) -> Collector:
    """Read ``HOST``, ``HOST:PORT``, ``[IPV6]`` or ``[IPV6]:PORT``; an IPv6 address may have a scope. Raises UsageError."""
    wrong = UsageError(
        f"collector {quote(text)}", "not HOST or HOST:PORT with a port from 1 to 65535", "10.0.0.5, 10.0.0.5:6343 or [2001:db8::5]:6343"
    )
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not _is_ip(host, 6) or (rest and not rest.startswith(":")):
            raise wrong
        port = rest[1:] if rest else str(PORT)
    else:
        host, colon, port = text.partition(":")
        port = port if colon else str(PORT)
    number = units.whole_number(port, 1, 65535)
    if number is None:
        raise wrong
    # A name of digits and dots is a mistyped address, not a host.
    if not _is_ip(host) and (not re.fullmatch(_HOST_NAME, host) or host.replace(".", "").isdigit()):
        raise wrong
    if _is_ip(host):
        host = _required_reachable(host)
    return Collector(host, number)


def parse_agent(text: str) -> str:
    """Read the name of an interface or an IP address, which is then as it is usually written. Raises UsageError."""
    if not _is_ip(text):
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


def list_all(switch: Switch) -> list[ListedSflow]:
    """The bridges that export sFlow, by name."""
    bridges, rows = switch.read_all([Query("Bridge", [["sflow", "!=", ["set", []]]], ("name", "sflow")), Query("sFlow", [], _COLUMNS)])
    by_uuid = {one(row["_uuid"]): row for row in rows}
    listed = []
    for bridge in sorted(bridges, key=lambda row: row["name"]):
        row = by_uuid.get(one(bridge["sflow"]))
        if row:
            numbers = [
                default if one(row[column]) is None else one(row[column])
                for column, default in (("sampling", SAMPLING), ("polling", POLLING_S), ("header", HEADER))
            ]
            listed.append(ListedSflow(bridge["name"], one(row["agent"]), many(row["targets"]), *numbers))
    return listed


def enable(switch: Switch, bridges: Sequence[str], spec: SflowSpec) -> list[Change]:
    """Export samples of each bridge as asked, and in no other way; all bridges in one transaction.

    Raises NotFound, UsageError when no bridge is named and there are several, Refused for an agent without an address.
    """
    if not switch.host_is_known and (spec.agent is None or not all(_is_ip(collector.host) for collector in spec.collectors)):
        why = "routes, addresses and names of the switch cannot be looked up through its database alone"
        raise UsageError(switch.address, why, "--agent IFACE and the IP addresses of collectors")
    addresses = [_address(switch, collector) for collector in spec.collectors]
    agent = _agent(switch, spec, addresses[0])
    row: Row = {"targets": to_set(_target(*address) for address in lookup.unique(addresses))}
    if agent is not None:
        row["agent"] = agent
    for column, value in (("sampling", spec.sampling), ("polling", spec.polling_s), ("header", spec.header)):
        if value is not None:
            row[column] = value
    if spec.header is not None and spec.header > SAFE_HEADER:
        why = f"with tunnels or MPLS a sample is up to {MOST_HEADER - SAFE_HEADER} bytes longer, and may be too long to be sent"
        switch.notes.append(f"--header {spec.header}: {why}; {SAFE_HEADER} is safe for all")
    return switch.write(lambda txn: _enable(txn, bridges, row))


def disable(switch: Switch, bridges: Sequence[str]) -> list[Change]:
    """Stop exporting samples of each bridge. Raises NotFound, UsageError when no bridge is named and there are several."""
    return switch.write(lambda txn: _disable(txn, bridges))


def _enable(txn: Transaction, names: Sequence[str], wanted: Row) -> list[Change]:
    changes = []
    for bridge in _bridges(txn, names):
        present = list(lookup.by_uuid(txn, "sFlow", many(bridge["sflow"]), _COLUMNS).values())
        _hold(txn, bridge)
        for row in present:  # whose marks a new one takes on
            txn.hold(Query("sFlow", [["_uuid", "==", row["_uuid"]]], _COLUMNS), [row])
        if present and _same(present[0], wanted):
            changes.append(Change(bridge["name"], "unchanged"))
            continue
        # A new row each time: an old one that no other bridge uses goes by itself, one that is shared stays as it is.
        new = wanted | ({"external_ids": present[0]["external_ids"]} if present else {})
        txn.update("Bridge", one(bridge["_uuid"]), {"sflow": txn.insert("sFlow", new)})
        changes.append(Change(bridge["name"], "updated" if present else "created"))
    return changes


def _disable(txn: Transaction, names: Sequence[str]) -> list[Change]:
    changes = []
    for bridge in _bridges(txn, names):
        enabled = bool(many(bridge["sflow"]))
        _hold(txn, bridge)
        if enabled:
            txn.update("Bridge", one(bridge["_uuid"]), {"sflow": to_set([])})
        changes.append(Change(bridge["name"], "deleted" if enabled else "unchanged"))
    return changes


def _bridges(txn: Transaction, names: Sequence[str]) -> list[Row]:
    rows = lookup.bridges(txn, names, ("sflow",))
    if not names and len(rows) != 1:
        if not rows:
            raise NotFound("bridge", "this switch has no bridge", "ovstool bridge add br0")
        raise UsageError(
            "BRIDGE", f"there are {len(rows)} bridges, so name the ones you mean", ", ".join(quote(row["name"]) for row in rows[:5])
        )
    return rows


def _hold(txn: Transaction, bridge: Row) -> None:
    txn.hold(Query("Bridge", [["_uuid", "==", bridge["_uuid"]]], ("sflow",)), [bridge])


def _same(row: Row, wanted: Row) -> bool:
    if set(map(_collector, many(row["targets"]))) != set(map(_collector, many(wanted["targets"]))):
        return False
    return all(one(row[column]) == wanted.get(column) for column in ("agent", "sampling", "polling", "header"))


def _collector(target: str) -> Collector | str:
    """A target of the database, of which there are several spellings."""
    try:
        return parse_collector(target)
    except UsageError:
        return target


def _agent(switch: Switch, spec: SflowSpec, collector: tuple[str, int]) -> str | None:
    """The interface or address that is to identify the switch; asked of ``ip`` on the switch's host."""
    if spec.agent is not None:
        if not _is_ip(spec.agent):
            _require_address(switch, spec.agent, spec.force)
        return spec.agent
    address, _, scope = collector[0].partition("%")
    if scope:
        _require_address(switch, scope, spec.force)
        return scope
    routes = ip(switch, "route", "get", address)
    device = routes[0].get("dev") if routes else None
    if isinstance(device, str) and (routes[0].get("type") != "broadcast" or spec.force):
        return device
    if spec.force:
        switch.notes.append(f"collector {address}: there is no route to it, and ovs-vswitchd sends nothing until there is one")
        return None
    if device:
        raise Refused(f"collector {address}", "a broadcast address, to which ovs-vswitchd cannot send")
    raise Refused(f"collector {address}", "there is no route to it, so no agent can be chosen", "--agent IFACE, or --force")


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
    return _is_ip(str(info.get("local"))) and not (info.get("family") == "inet6" and info.get("scope") == "link")


def _address(switch: Switch, collector: Collector) -> tuple[str, int]:
    """The collector's IP address; a name is resolved on the switch's host.

    ovs-vswitchd opens its sockets before it has the answer of libunbound, and is often built without that (dns_resolve of dns-resolve.c).
    """
    if _is_ip(collector.host):
        return collector.host, collector.port
    finished = switch.run([*switch.in_its_network, "getent", "ahosts", collector.host])
    first = finished.stdout.split()
    if finished.status != 0 or not first or not _is_ip(first[0]):
        raise NotFound(f"collector {quote(collector.host)}", "its name has no address", "an IP address")
    switch.notes.append(
        f"collector {collector.host} is {first[0]}, which is what is stored: ovs-vswitchd resolves names too late or not at all"
    )
    return _required_reachable(first[0]), collector.port


def _target(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _is_ip(text: str, version: int | None = None) -> bool:
    try:
        return version in (None, ipaddress.ip_address(text).version)
    except ValueError:
        return False
