"""The tree that ``ovstool topology`` prints: hosts, their bridges, and what hangs on each."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ovstool.errors import quote
from ovstool.switch.topology import Bridge, Controller, Interface, Port
from ovstool.switch.topology.joined import HostBridges, Joined
from ovstool.switch.topology.links import Host, Link
from ovstool.terminal.diagrams import wording
from ovstool.terminal.layout import GAP, wrapped


class Strokes(NamedTuple):
    """What branches and links are drawn with, and the encoding of the terminal that shows it."""

    branch: str
    last: str
    down: str
    link: str
    encoding: str

    @classmethod
    def of(cls, encoding: str) -> "Strokes":
        lines = cls("├─ ", "└─ ", "│  ", "──", encoding)
        try:
            "".join(lines[:4]).encode(encoding)
        except (UnicodeEncodeError, LookupError):
            return cls("|- ", "`- ", "|  ", "--", encoding)
        return lines

    def shown(self, text: str) -> str:
        """Text in as many characters as the terminal shows it in."""
        return text if text.isascii() else text.encode(self.encoding, "backslashreplace").decode(self.encoding)


class _Branch(NamedTuple):
    text: str
    branches: Sequence["_Branch"] = ()


class _Links(NamedTuple):
    """The links of each interface, as it has them, by its host, bridge and name, and the hosts by name."""

    strokes: Strokes
    hosts: Mapping[Host, HostBridges]
    by_port: Mapping[tuple[Host, str | None, str | None], Sequence[Link]]

    @classmethod
    def of(cls, joined: Joined, strokes: Strokes) -> "_Links":
        by_port = defaultdict(list)
        for link in joined.links:
            for each in (link, link.reversed()) if link.joined else (link,):
                by_port[each.ends[0][:3]].append(each)
        return cls(strokes, {of.host: of for of in joined.hosts}, by_port)


def lines(joined: Joined, strokes: Strokes, room: int) -> Iterator[str]:
    """The lines of the tree; ``room`` is how many characters wide they may be, 0: as wide as they like."""
    links = _Links.of(joined, strokes)
    for of in joined.hosts:
        bridges = [_bridge(of.host, bridge, links) for bridge in of.bridges]
        for top in bridges if of.host is None else [_host(of, bridges)]:
            yield from _drawn(top, "", "", strokes, room)


def _drawn(branch: _Branch, lead: str, below: str, strokes: Strokes, room: int) -> Iterator[str]:
    """A branch with what hangs on it; ``lead`` stands before its first line, ``below`` before all others."""
    text = strokes.shown(branch.text)
    first, *rest = wrapped(text, max(1, room - len(lead)), max(1, room - len(lead) - GAP)) if room else [text]
    yield lead + first
    hang = below + (strokes.down if branch.branches else " " * len(strokes.down))
    yield from (hang[: len(below) + GAP] + part for part in rest)
    for each in branch.branches:
        is_last = each is branch.branches[-1]
        yield from _drawn(
            each,
            below + (strokes.last if is_last else strokes.branch),
            below + (" " * len(strokes.down) if is_last else strokes.down),
            strokes,
            room,
        )


def _host(of: HostBridges, bridges: Sequence[_Branch]) -> _Branch:
    words = [quote(of.host or ""), "" if bridges else wording.nothing(of)]
    return _Branch("  ".join(filter(None, words)), bridges)


def _bridge(host: Host, bridge: Bridge, links: _Links) -> _Branch:
    words = ["bridge", quote(bridge.name), "", quote(bridge.datapath_type)]
    words += ["fail_mode", quote(bridge.fail_mode)] if bridge.fail_mode else []
    branches = [*map(_controller, bridge.controllers), *(each for port in bridge.ports for each in _port(host, bridge.name, port, links))]
    return _Branch(" ".join(words), [*branches, *map(_Branch, wording.other_ports(bridge))])


def _controller(controller: Controller) -> _Branch:
    return _Branch(f"controller {quote(controller.target)}  {wording.state(controller)}")


def _port(host: Host, bridge: str, port: Port, links: _Links) -> Iterator[_Branch]:
    if port.is_bond:
        words = "  ".join([f"bond {quote(port.name)}: {wording.members(port)}", *wording.bond_words(port)])
        yield _Branch(words, [error for each in port.interfaces if not each.is_link for error in _errors(each, f"{quote(each.name)}: ")])
    elif not port.is_link:
        yield _Branch(f"port {'  '.join(_plain_words(port))}", [error for each in port.interfaces for error in _errors(each)])
    for each in port.interfaces:
        for link in links.by_port.get((host, bridge, each.name), []):
            yield _Branch(_link(link, [] if port.is_bond else wording.tag(port), links), _errors(each))


def _plain_words(port: Port) -> Iterator[str]:
    yield quote(port.name)
    yield from (quote(each.type) for each in port.interfaces if each.type != "system")
    yield from wording.tag(port)
    if any(each.link_state == "down" for each in port.interfaces):
        yield "link down"


def _errors(interface: Interface, what: str = "") -> list[_Branch]:
    return [_Branch(what + wording.error(interface.error))] if interface.error else []


def _link(link: Link, tag: Sequence[str], links: _Links) -> str:
    here, there = link.ends
    is_known = there.bridge is not None
    far = wording.place(there, here.host) if is_known else wording.elsewhere(link)
    words = [f"{link.type} {quote(here.port or '')} {links.strokes.link} {far}", *wording.tunnel_words(link), *tag]
    words += [wording.addresses(here, there) if is_known else "", wording.problem(link, links.hosts)]
    return "  ".join(filter(None, words))
