"""What a drawing says of the ends of links and of ports, in every form that it has."""

from collections.abc import Iterator, Mapping

from ovstool.errors import one_line, quote
from ovstool.switch.topology import Bridge, Controller, Port
from ovstool.switch.topology.joined import HostBridges
from ovstool.switch.topology.links import BY_FLOWS, End, Host, Link
from ovstool.terminal.formats import CONNECTION

FEW = 8  # other ports of a bridge that are named; of more there is a count
NOT_REACHED = "NOT REACHED"
_LONGEST_ERROR = 200  # characters


def nothing(of: HostBridges) -> str:
    """What there is of a host of which no bridge is shown."""
    return NOT_REACHED if not of.reached else "no such bridge" if of.lacks else "no bridges"


def place(end: End, near: Host) -> str:
    """An end of a link as it is named on a host: with its own host where that is another one."""
    return "/".join(quote(name) for name in (None if end.host == near else end.host, end.bridge, end.port) if name is not None)


def elsewhere(link: Link) -> str:
    """Where a link leads whose other end is on no bridge that is known."""
    far = link.ends[1]
    if link.type == "patch":
        return "no peer" if far.port is None else quote(far.port)
    if far.address == BY_FLOWS:
        return "where flows send it"
    return " ".join([*([] if far.host is None else [quote(far.host)]), quote(far.address) if far.address else "no remote_ip"])


def problem(link: Link, hosts: Mapping[Host, HostBridges]) -> str:
    """What is wrong with a link, in capitals; nothing where it is joined, or leads out of what was asked."""
    here, far = link.ends
    if link.joined is False and link.type == "patch":
        return "PEER IS ITSELF" if here == far else "PEER LEADS ELSEWHERE" if far.bridge is not None else "NO PEER"
    if link.joined is False:
        return "NO TUNNEL BACK"
    return NOT_REACHED if link.joined is None and far.host in hosts and not hosts[far.host].reached else ""


def tunnel_words(link: Link) -> list[str]:
    """The key of a tunnel, and its port if that is not the usual one."""
    sent, received = link.keys
    keys = [] if link.key is None else [f"key {quote(link.key) if sent == received else link.key}"]
    return [*keys, *([] if link.dst_port is None else [f"dst_port {link.dst_port}"])]


def addresses(here: End, there: End) -> str:
    """The addresses of a tunnel between two ports that are known."""
    near = f"{quote(here.address)} to " if here.address else "to "
    return f"{near}{quote(there.address)}" if there.address else ""


def members(port: Port) -> str:
    """The interfaces of a bond, with those whose link is down."""
    return ", ".join(quote(each.name) + (" link down" if each.link_state == "down" else "") for each in port.interfaces)


def bond_words(port: Port) -> list[str]:
    return [*([quote(port.bond_mode)] if port.bond_mode else []), *([f"lacp {quote(port.lacp)}"] if port.lacp else []), *tag(port)]


def tag(port: Port) -> list[str]:
    return [] if port.tag is None else [f"tag {port.tag}"]


def state(controller: Controller) -> str:
    return CONNECTION[controller.connected]


def error(text: str) -> str:
    """What ovs-vswitchd says of an interface, not longer than is worth drawing."""
    return f"ERROR: {one_line(text if len(text) <= _LONGEST_ERROR else f'{text[:_LONGEST_ERROR]}...')}"


def other_ports(bridge: Bridge) -> Iterator[str]:
    """The ports of a bridge that are no links, in one line: their names where they are few, else how many there are."""
    if len(bridge.others) > FEW:
        yield f"+ {len(bridge.others):,} ports"
    elif bridge.others:
        yield f"port{'s' if len(bridge.others) > 1 else ''} {', '.join(map(quote, bridge.others))}"
