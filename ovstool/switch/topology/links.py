"""What connects bridges: patch links and tunnels, with what is known of their two ends (pure)."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ovstool.errors import quote
from ovstool.switch.topology import Interface

Host = str | None  # a host by name; None: the only switch that was asked
BY_FLOWS = "flow"  # the remote_ip or the key of a tunnel whose packets have it from flows


class End(NamedTuple):
    """An end of a link, as far as it is known; ``address`` is where the other end sends a tunnel's packets."""

    host: Host
    bridge: str | None
    port: str | None
    address: str | None = None


class Link(NamedTuple):
    """A patch link or a tunnel; ``keys`` are those that the first end of a tunnel sends and receives, as they are configured.

    ``joined``: both ends lead to each other; False: the other end was read, and does not; None: that is not known, or up to flows.
    ``dst_port``: where the packets of a tunnel are sent to, if that is not the usual port of its type.
    """

    type: str
    keys: tuple[str | None, str | None]
    ends: tuple[End, End]
    joined: bool | None
    dst_port: int | None = None

    @property
    def key(self) -> str | None:
        """The key, or one for each direction where they differ."""
        sent, received = self.keys
        return sent if sent == received else f"{quote(sent or '0')} out, {quote(received or '0')} in"

    def reversed(self) -> "Link":
        """The link as its other end has it."""
        return self._replace(keys=self.keys[::-1], ends=self.ends[::-1])


def patch_links(interfaces: Iterable[tuple[End, Interface]]) -> Iterator[Link]:
    """Each pair of patch ports once, and those without one."""
    patches = [(end, each.options.get("peer")) for end, each in interfaces if each.type == "patch"]
    peers = {(end.host, end.port): (end, peer) for end, peer in patches}
    done = set[End]()
    for end, peer in patches:
        other, back = peers.get((end.host, peer), (End(end.host, None, peer), None))
        is_joined = back == end.port and other != end
        if end not in done:
            yield Link("patch", (None, None), (end, other), is_joined)
        done.update([end, other] if is_joined else [end])
