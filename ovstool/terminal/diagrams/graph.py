"""The boxes and lines that a topology is drawn as, in whatever form: what comes from a switch is in labels alone, and in no id."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ovstool.errors import quote
from ovstool.switch.topology import Bridge, Controller
from ovstool.switch.topology.joined import HostBridges, Joined
from ovstool.switch.topology.links import BY_FLOWS, End, Host, Link
from ovstool.terminal.diagrams import wording

# Beginnings of controllers' targets that mean another one on each host (ovs-vswitchd.conf.db(5), Controller.target).
_NEAR = ("unix:", "punix:", "ptcp:", "pssl:", *(f"{kind}:{host}" for kind in ("tcp", "ssl") for host in ("127.", "[::1]", "localhost")))


class Box(NamedTuple):
    """A box with the lines of text in it. ``is_known``: what it stands for was read."""

    id: str
    lines: Sequence[str]
    is_known: bool


class Line(NamedTuple):
    """A line between two boxes, by their ids, with the lines of text at it. ``fault``: what it stands for should be there and is not."""

    begin: str
    end: str
    lines: Sequence[str]
    is_joined: bool
    fault: bool


class Group(NamedTuple):
    """The boxes of a host; without a label where it is the only one."""

    label: str | None
    boxes: Sequence[Box]


class Graph(NamedTuple):
    groups: Sequence[Group]
    boxes: Sequence[Box]  # in no group
    lines: Sequence[Line]


class _Boxes:
    """Boxes by what they stand for, which gets one when it is first named."""

    def __init__(self) -> None:
        self.boxes: dict[Any, Box] = {}

    def of(self, what: Any, lines: Sequence[str], is_known: bool = True) -> Box:
        return self.boxes.setdefault(what, Box(f"n{len(self.boxes) + 1}", lines, is_known))


def graph(joined: Joined) -> Graph:
    """A box for each bridge, with its bonds and other ports in it, each controller, and each place that a link leads out to."""
    boxes, hosts = _Boxes(), {of.host: of for of in joined.hosts}
    groups = [
        Group(
            None if of.host is None else quote(of.host),
            # Graphviz does not draw a host without a box in it.
            [boxes.of((of.host, bridge.name), list(_bridge_lines(bridge))) for bridge in of.bridges]
            or [boxes.of(("nothing", of.host), [wording.nothing(of)])],
        )
        for of in joined.hosts
        if of.reached
    ]
    grouped = len(boxes.boxes)
    for of in joined.hosts:
        if not of.reached:
            boxes.of(("elsewhere", of.host), [quote(of.host or ""), wording.NOT_REACHED], False)
    lines = [_controller_line(of.host, bridge, each, boxes) for of in joined.hosts for bridge in of.bridges for each in bridge.controllers]
    lines += [_link_line(link, hosts, boxes) for link in joined.links]
    return Graph(groups, list(boxes.boxes.values())[grouped:], lines)


def _bridge_lines(bridge: Bridge) -> Iterator[str]:
    yield f"bridge {quote(bridge.name)}"
    yield " ".join([quote(bridge.datapath_type), *(["fail_mode", quote(bridge.fail_mode)] if bridge.fail_mode else [])])
    for port in bridge.ports:
        if port.is_bond:
            yield ", ".join([f"bond {quote(port.name)}: {wording.members(port)}", *wording.bond_words(port)])
        elif not port.is_link:
            yield f"port {quote(port.name)}"
        yield from (f"{quote(each.name)}: {wording.error(each.error)}" for each in port.interfaces if each.error)
    yield from wording.other_ports(bridge)


def _controller_line(host: Host, bridge: Bridge, controller: Controller, boxes: _Boxes) -> Line:
    """From a bridge to its controller, which those of other hosts share unless its target leads to the host itself."""
    begin = boxes.of((host, bridge.name), [])
    where = host if controller.target.startswith(_NEAR) else None
    end = boxes.of(("controller", where, controller.target), [f"controller {quote(controller.target)}"])
    words = [] if controller.connected else [wording.state(controller)]
    return Line(begin.id, end.id, words, bool(controller.connected), controller.connected is False)


def _link_line(link: Link, hosts: Mapping[Host, HostBridges], boxes: _Boxes) -> Line:
    here, there = link.ends
    names = [quote(end.port) for end in link.ends if end.port is not None]
    fault = wording.problem(link, hosts)
    kind = " ".join([link.type, *wording.tunnel_words(link)])
    words = [kind, " - ".join(names), wording.addresses(here, there) if there.bridge is not None else "", fault]
    begin, end = (_end_box(link, end, boxes) for end in link.ends)
    return Line(begin.id, end.id, [word for word in words if word], bool(link.joined), bool(fault))


def _end_box(link: Link, end: End, boxes: _Boxes) -> Box:
    """The bridge that a link ends at, or what is known of where it leads."""
    if end.bridge is not None:
        return boxes.of((end.host, end.bridge), [wording.place(end._replace(port=None), None)], False)
    where = (end.host or end.address) if end.address not in (None, BY_FLOWS) else None
    return boxes.of(("elsewhere", where or link), [wording.elsewhere(link)], False)
