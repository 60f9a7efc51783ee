"""Sampled headers decoded: from Ethernet, or another link layer, up to ports and the packet inside a tunnel (pure).

A sampled header may be truncated anywhere and its content is untrusted: fields are decoded as far as there are bytes. Each layer starts
behind the previous one, so the work is bounded by the header's length.
"""

import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from ovstool.sflow.layers.link import LINK_LAYERS, Layer, Row
from ovstool.sflow.layers.network import NETWORK_LAYERS

# header_protocol of sFlow v5, section 5.3, of sFlow 802.11 Structures and of sFlow InfiniBand Structures.
PROTOCOLS = {
    1: "ethernet", 2: "token-bus", 3: "token-ring", 4: "fddi", 5: "frame-relay", 6: "x25", 7: "ppp", 8: "smds", 9: "aal5", 10: "aal5-ip",
    11: "ipv4", 12: "ipv6", 13: "mpls", 14: "pos", 15: "802.11", 16: "802.11-ampdu", 17: "802.11-amsdu", 18: "infiniband",
}  # fmt: skip
_FIRST = {
    1: "ethernet", 3: "token_ring", 4: "fddi", 5: "frame_relay", 7: "ppp", 9: "llc", 10: "ip", 11: "ip", 12: "ip", 13: "mpls",
    14: "ppp", 15: "wlan", 16: "ampdu", 17: "ethernet",
}  # fmt: skip
_LAYERS = LINK_LAYERS | NETWORK_LAYERS
_INNER = "inner_"
WITH_PORTS = {6: "tcp", 17: "udp", 132: "sctp"}


class Traffic(NamedTuple):
    """The flow of a packet, as in the table of talkers.

    ``src`` and ``dst`` are IP addresses, for ARP those in its payload, otherwise MAC addresses. Ports are those of TCP, UDP and SCTP, otherwise
    None. For tunnelled packets these are the outer addresses.
    """

    frame_bytes: int
    vlan_vid: int | None
    src: str | None
    dst: str | None
    ip_proto: int | None
    src_port: int | None
    dst_port: int | None


def traffic(row: Mapping[str, Any], frame_bytes: int, untagged_vid: int | None = None) -> Traffic:
    """The flow of a packet by its fields; ``untagged_vid`` is the VLAN of untagged packets."""
    src = row.get("ip_src") or row.get("ipv6_src") or row.get("arp_spa") or row.get("eth_src")
    dst = row.get("ip_dst") or row.get("ipv6_dst") or row.get("arp_tpa") or row.get("eth_dst")
    proto = row.get("ip_proto")
    kind = WITH_PORTS.get(proto or 0)
    return Traffic(frame_bytes, row.get("vlan_vid", untagged_vid), src, dst, proto, row.get(f"{kind}_src"), row.get(f"{kind}_dst"))


def fields(protocol: int, header: bytes) -> Row:
    """The fields of a sampled header, under the names of flow matches, prefixed with ``inner_`` for the packet inside a tunnel.

    ``protocol`` is a header_protocol of sFlow v5, section 5.3. Nested tunnels are not decoded.
    """
    return _read(Layer(_FIRST.get(protocol), 0), header)


def payload_fields(payload: bytes) -> Row:
    """The fields of an 802.11 payload, starting with the LLC header."""
    return _read(Layer("llc", 0), payload)


def _read(layer: Layer | None, header: bytes) -> Row:
    outer: Row = {}
    row = outer
    try:
        while layer and layer.name and not (layer.is_inside and row is not outer):
            if layer.is_inside:
                row = {}
            layer = _LAYERS[layer.name](header, layer.offset, row)
    except struct.error:
        pass  # the header is truncated here
    return outer if row is outer else outer | {f"{_INNER}{name}": value for name, value in row.items()}
