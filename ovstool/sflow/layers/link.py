"""Link layers of a sampled header: Ethernet with VLAN tags, and others (pure).

Each layer has a function that adds its fields to a row and returns the next layer. struct.error means that the header is truncated.
"""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from ovstool.sflow.xdr import mac

Row = dict[str, Any]


class Layer(NamedTuple):
    """The layer at ``offset``, None if unknown; ``is_inside``: it is the first one of the packet inside a tunnel."""

    name: str | None
    offset: int
    is_inside: bool = False


Read = Callable[[bytes, int, Row], Layer | None]

TWO_BYTES = struct.Struct("!BB")
U16 = struct.Struct("!H")
_ETHERNET = struct.Struct("!6s6sH")
_WLAN_3 = struct.Struct("!6s6s6s")
_WLAN_4 = struct.Struct("!6s6s6s2x6s")

# By EtherType (IEEE 802) and by PPP protocol (RFC 1661).
OF_ETHERNET = {
    0x0800: "ipv4", 0x86DD: "ipv6", 0x0806: "arp", 0x8035: "arp", 0x8847: "mpls", 0x8848: "mpls", 0x8864: "pppoe", 0x88E7: "backbone",
}  # fmt: skip
_OF_PPP = {0x0021: "ipv4", 0x0057: "ipv6", 0x0281: "mpls", 0x0283: "mpls"}
_OF_FRAME_RELAY = {0xCC: "ipv4", 0x8E: "ipv6"}

_TAGS = frozenset((0x8100, 0x88A8, 0x9100, 0x9200))  # VLAN tags: 802.1Q, 802.1ad, and its predecessors
_VN_TAG = 0x8926  # Cisco's, six bytes, in front of a VLAN tag
_NAMED_TAGS = 4  # further ones are skipped
_NO_TYPE = "0x05ff"  # of a frame with a length field instead (OFP_DL_TYPE_NOT_ETH_TYPE)
_SNAP = bytes.fromhex("aaaa03")
_ENCAPSULATED_ETHERNET = (b"\0\0\0", b"\0\0\xf8")  # SNAP OUIs followed by an EtherType (RFC 1042, 802.1H)
_CISCO_HDLC = (b"\x0f\0", b"\x8f\0")
# Which addresses of a frame are destination, source and BSSID, by the bits ToDS and FromDS.
_WLAN_ADDRESSES = ((0, 1, 2), (2, 1, 0), (0, 2, 1), (2, 3, None))


def _ethernet(header: bytes, offset: int, row: Row) -> Layer | None:
    dst, src, _ = _ETHERNET.unpack_from(header, offset)
    row["eth_src"], row["eth_dst"] = mac(src), mac(dst)
    return _typed(header, offset + 12, row)


def _typed(header: bytes, offset: int, row: Row) -> Layer | None:
    """VLAN tags, and the EtherType after them."""
    (eth_type,) = U16.unpack_from(header, offset)
    tags = 0
    while eth_type in _TAGS or eth_type == _VN_TAG:
        if eth_type in _TAGS:
            tags += 1
            _tag(U16.unpack_from(header, offset + 2)[0], eth_type, tags, row)
        offset += 6 if eth_type == _VN_TAG else 4
        (eth_type,) = U16.unpack_from(header, offset)
    if eth_type < 0x0600:
        return Layer("llc", offset + 2)
    row["eth_type"] = f"0x{eth_type:04x}"
    following = OF_ETHERNET.get(eth_type)
    return Layer(following, offset + 2)


def _tag(tci: int, tpid: int, number: int, row: Row) -> None:
    """A VLAN tag: the outermost is ``vlan_vid``, the next ``vlan2_vid``."""
    if number <= _NAMED_TAGS:
        name = "vlan" if number == 1 else f"vlan{number}"
        row |= {f"{name}_vid": tci & 0xFFF, f"{name}_pcp": tci >> 13, f"{name}_tpid": f"0x{tpid:04x}"}


def _llc(header: bytes, offset: int, row: Row) -> Layer | None:
    """LLC (802.2), with the EtherType of SNAP."""
    if header[offset : offset + 3] == _SNAP and header[offset + 3 : offset + 6] in _ENCAPSULATED_ETHERNET:
        return Layer("typed", offset + 6)
    row["llc_dsap"], row["llc_ssap"] = TWO_BYTES.unpack_from(header, offset)
    row["eth_type"] = _NO_TYPE
    return None


def _pppoe(header: bytes, offset: int, row: Row) -> Layer:
    (row["pppoe_session"],) = U16.unpack_from(header, offset + 2)
    return Layer("ppp", offset + 6)


def _ppp(header: bytes, offset: int, row: Row) -> Layer | None:
    """PPP with or without HDLC framing, and Cisco HDLC (RFC 1661, RFC 1662)."""
    if header[offset : offset + 2] in _CISCO_HDLC:
        return Layer("typed", offset + 2)
    if header[offset : offset + 2] == b"\xff\x03":
        offset += 2
    (protocol,) = U16.unpack_from(header, offset)
    offset += 2
    if protocol & 0x0100:  # compressed to one byte: the first byte of an uncompressed one is even
        protocol, offset = protocol >> 8, offset - 1
    row["ppp_protocol"] = f"0x{protocol:04x}"
    following = _OF_PPP.get(protocol)
    return Layer(following, offset)


def _frame_relay(header: bytes, offset: int, row: Row) -> Layer | None:
    """Frame Relay with a two-byte address (RFC 2427), or Cisco's encapsulation, with an EtherType."""
    (address,) = U16.unpack_from(header, offset)
    row["frame_relay_dlci"] = address >> 10 << 4 | address >> 4 & 0xF
    if header[offset + 2 : offset + 3] != b"\x03":
        return Layer("typed", offset + 2)
    offset += 4 if header[offset + 3 : offset + 4] == b"\0" else 3
    if header[offset : offset + 1] == b"\x80":
        return Layer("typed", offset + 4)
    return Layer(_OF_FRAME_RELAY.get(header[offset]) if offset < len(header) else None, offset + 1)


def _token_ring(header: bytes, offset: int, row: Row) -> Layer:
    """802.5; the first bit of the source address indicates source routing information before LLC, whose length has five bits."""
    dst, src, route = _ETHERNET.unpack_from(header, offset + 2)
    row["eth_src"], row["eth_dst"] = mac(bytes([src[0] & 0x7F]) + src[1:]), mac(dst)
    return Layer("llc", offset + 14 + (route >> 8 & 0x1F if src[0] & 0x80 else 0))


def _fddi(header: bytes, offset: int, row: Row) -> Layer:
    dst, src = struct.unpack_from("!6s6s", header, offset + 1)
    row["eth_src"], row["eth_dst"] = mac(src), mac(dst)
    return Layer("llc", offset + 13)


def _wlan(header: bytes, offset: int, row: Row) -> Layer | None:
    """802.11, clause 9.2: frame type and addresses, and LLC in unencrypted data frames."""
    control, flags = TWO_BYTES.unpack_from(header, offset)
    kind, subtype, ds = control >> 2 & 3, control >> 4, flags & 3
    row["wlan_type"] = ("management", "control", "data", "extension")[kind]
    if kind not in (0, 2):
        return None
    layout = _WLAN_4 if ds == 3 else _WLAN_3
    addresses = [mac(octets) for octets in layout.unpack_from(header, offset + 4)]
    dst, src, bssid = _WLAN_ADDRESSES[ds]
    row["eth_src"], row["eth_dst"] = addresses[src], addresses[dst]
    if bssid is not None:
        row["wlan_bssid"] = addresses[bssid]
    if kind == 0 or subtype & 4 or flags & 0x40:
        return None
    offset += 30 if ds == 3 else 24
    if not subtype & 8:
        return Layer("llc", offset)
    is_aggregate = header[offset] & 0x80 if offset < len(header) else 0
    return Layer("ethernet" if is_aggregate else "llc", offset + (6 if flags & 0x80 else 2))


def _ampdu(header: bytes, offset: int, row: Row) -> Layer:
    """The first frame of an aggregate, after its delimiter."""
    return Layer("wlan", offset + 4)


LINK_LAYERS: dict[str, Read] = {
    "ethernet": _ethernet, "typed": _typed, "llc": _llc, "pppoe": _pppoe, "ppp": _ppp, "frame_relay": _frame_relay,
    "token_ring": _token_ring, "fddi": _fddi, "wlan": _wlan, "ampdu": _ampdu,
}  # fmt: skip
