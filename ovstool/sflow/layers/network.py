"""Network and transport layers of a sampled header: ARP, IP, MPLS, ports, and tunnels with their inner packets (pure).

Each layer has a function that adds its fields to a row and returns the next layer. struct.error means that the header is truncated.
"""

import struct

from ovstool.sflow.layers.link import OF_ETHERNET, TWO_BYTES, U16, Layer, Read, Row
from ovstool.sflow.xdr import ip, mac

IPV4 = struct.Struct("!BBHHHBBH4s4s")
IPV6 = struct.Struct("!IHBB16s16s")
PORTS = struct.Struct("!HH")
_U32 = struct.Struct("!I")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_TCP_FLAGS_WORD = struct.Struct("!12xH")
_TUNNEL = struct.Struct("!BBHI")  # flags, protocol-specific fields, and a tunnel key

# By IP protocol, UDP destination port, and next protocol of VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe).
_OF_IP = {
    1: "icmp", 4: "ip_in_ip", 6: "tcp", 17: "udp", 41: "ip_in_ip", 47: "gre", 58: "icmpv6", 132: "sctp", 137: "mpls_in_ip",
}  # fmt: skip
_OF_UDP = {2152: "gtpu", 4789: "vxlan", 4790: "vxlan", 6081: "geneve", 6635: "mpls_in_ip", 8472: "vxlan"}
_OF_VXLAN_GPE = {1: "ipv4", 2: "ipv6", 3: "ethernet", 5: "mpls"}
_OF_TUNNEL = OF_ETHERNET | {0x6558: "ethernet"}  # GRE and Geneve
_OF_MPLS = {4: "ipv4", 6: "ipv6"}
_ERSPAN = {0x88BE: 8, 0x22EB: 12}  # bytes in front of the frame if GRE has a sequence number

_FRAGMENT, _AUTHENTICATION = 44, 51
_EXTENSIONS = frozenset((0, 43, _FRAGMENT, _AUTHENTICATION, 60, 135, 139, 140))
_TCP_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns")
_NAMED_LABELS = 16  # further ones are skipped


def _arp(header: bytes, offset: int, row: Row) -> None:
    _, protocol, hardware_bytes, protocol_bytes, op, sha, spa, tha, tpa = _ARP.unpack_from(header, offset)
    if (hardware_bytes, protocol, protocol_bytes) == (6, 0x0800, 4):
        row |= {"arp_op": op, "arp_spa": ip(spa), "arp_tpa": ip(tpa), "arp_sha": mac(sha), "arp_tha": mac(tha)}


def _ip(header: bytes, offset: int, row: Row) -> Layer:
    """IP, with the version of the packet itself."""
    return Layer("ipv6" if header[offset : offset + 1] >= b"\x60" else "ipv4", offset)


def _ipv4(header: bytes, offset: int, row: Row) -> Layer | None:
    version, tos, length, _, fragment, ttl, proto, _, src, dst = IPV4.unpack_from(header, offset)
    if version >> 4 != 4 or version & 0xF < 5:
        return None
    row |= {
        "ip_src": ip(src),
        "ip_dst": ip(dst),
        "ip_proto": proto,
        "ip_dscp": tos >> 2,
        "ip_ecn": tos & 3,
        "nw_ttl": ttl,
        "ip_bytes": length,
    }
    if fragment & 0x3FFF:
        row["ip_frag"] = "later" if fragment & 0x1FFF else "first"
    following = None if fragment & 0x1FFF else _OF_IP.get(proto)
    return Layer(following, offset + (version & 0xF) * 4)


def _ipv6(header: bytes, offset: int, row: Row) -> Layer | None:
    start, length, proto, ttl, src, dst = IPV6.unpack_from(header, offset)
    if start >> 28 != 6:
        return None
    row |= {"ipv6_src": ip(src), "ipv6_dst": ip(dst), "ip_proto": proto, "ip_dscp": start >> 22 & 0x3F, "ip_ecn": start >> 20 & 3}
    row |= {"nw_ttl": ttl, "ipv6_label": f"0x{start & 0xFFFFF:05x}", "ip_bytes": length + IPV6.size}
    return _behind_extensions(header, offset + IPV6.size, proto, row)


def _behind_extensions(header: bytes, offset: int, proto: int, row: Row) -> Layer | None:
    """IPv6 extension headers (RFC 7045), and the protocol after them, which is ``ip_proto``."""
    while proto in _EXTENSIONS:
        following, size = TWO_BYTES.unpack_from(header, offset)
        if proto == _FRAGMENT:
            (fragment,) = U16.unpack_from(header, offset + 2)
            row["ip_frag"] = "later" if fragment >> 3 else "first"
        row["ip_proto"] = following
        if row.get("ip_frag") == "later":
            return None
        offset += 8 if proto == _FRAGMENT else (size + 2) * 4 if proto == _AUTHENTICATION else (size + 1) * 8
        proto = following
    reader = _OF_IP.get(proto)
    return Layer(reader, offset)


def _tcp(header: bytes, offset: int, row: Row) -> None:
    row["tcp_src"], row["tcp_dst"] = PORTS.unpack_from(header, offset)
    (flags,) = _TCP_FLAGS_WORD.unpack_from(header, offset)
    row["tcp_flags"] = tcp_flags(flags)


def tcp_flags(flags: int) -> str:
    """The flags that are set, in Open vSwitch's notation; ``0`` if none."""
    return "|".join(name for bit, name in enumerate(_TCP_FLAGS) if flags >> bit & 1) or "0"


def _udp(header: bytes, offset: int, row: Row) -> Layer | None:
    row["udp_src"], row["udp_dst"] = PORTS.unpack_from(header, offset)
    tunnel = _OF_UDP.get(row["udp_dst"])
    return Layer(tunnel, offset + 8)


def _sctp(header: bytes, offset: int, row: Row) -> None:
    row["sctp_src"], row["sctp_dst"] = PORTS.unpack_from(header, offset)


def _icmp(header: bytes, offset: int, row: Row) -> None:
    row["icmp_type"], row["icmp_code"] = TWO_BYTES.unpack_from(header, offset)


def _icmpv6(header: bytes, offset: int, row: Row) -> None:
    row["icmpv6_type"], row["icmpv6_code"] = TWO_BYTES.unpack_from(header, offset)
    if row["icmpv6_type"] in (135, 136) and len(header) >= offset + 24:
        row["nd_target"] = ip(header[offset + 8 : offset + 24])


def _backbone(header: bytes, offset: int, row: Row) -> Layer:
    """802.1ah: the customer frame, preceded by its I-SID."""
    row["tunnel"], row["tun_id"] = "pbb", _U32.unpack_from(header, offset)[0] & 0xFFFFFF
    return Layer("ethernet", offset + 4, is_inside=True)


def _mpls(header: bytes, offset: int, row: Row) -> Layer | None:
    """The label stack; the payload type is guessed by its first four bits (RFC 4928, section 3)."""
    labels = []
    is_bottom = False
    while not is_bottom:
        (entry,) = _U32.unpack_from(header, offset)
        labels.append(entry >> 12)
        is_bottom = bool(entry & 0x100)
        offset += 4
        if len(labels) == 1:
            row |= {"mpls_label": entry >> 12, "mpls_tc": entry >> 9 & 7, "mpls_bos": entry >> 8 & 1, "mpls_ttl": entry & 0xFF}
        elif len(labels) <= _NAMED_LABELS:
            row["mpls_labels"] = [*labels]
    first = header[offset] >> 4 if offset < len(header) else None
    if first == 0:  # a control word (RFC 4448), followed by a frame
        row["tunnel"] = "pseudowire"
        return Layer("ethernet", offset + 4, is_inside=True)
    return Layer(_OF_MPLS.get(first or 0), offset)


def _ip_in_ip(header: bytes, offset: int, row: Row) -> Layer:
    row["tunnel"] = "ipip"
    return Layer("ip", offset, is_inside=True)


def _mpls_in_ip(header: bytes, offset: int, row: Row) -> Layer:
    row["tunnel"] = "mpls"
    return Layer("mpls", offset, is_inside=True)


def _gre(header: bytes, offset: int, row: Row) -> Layer | None:
    """GRE version 0 (RFC 2784, RFC 2890), and ERSPAN over GRE."""
    flags, protocol = PORTS.unpack_from(header, offset)
    row["tunnel"] = "gre"
    if flags & 7:
        return None
    offset += 8 if flags & 0x8000 else 4
    if flags & 0x2000:
        (row["tun_id"],) = _U32.unpack_from(header, offset)
        offset += 4
    offset += 4 if flags & 0x1000 else 0
    if protocol in _ERSPAN:
        row["tunnel"] = "erspan"
        return Layer("ethernet", offset + (_ERSPAN[protocol] if flags & 0x1000 else 0), is_inside=True)
    following = _OF_TUNNEL.get(protocol)
    return Layer(following, offset, is_inside=True)


def _vxlan(header: bytes, offset: int, row: Row) -> Layer | None:
    """VXLAN (RFC 7348) with the I flag set, and VXLAN-GPE."""
    flags, _, _, following = struct.unpack_from("!BBBB", header, offset)
    if not flags & 8:
        return None
    row["tunnel"], row["tun_id"] = "vxlan", _U32.unpack_from(header, offset + 4)[0] >> 8
    inside = _OF_VXLAN_GPE.get(following) if flags & 4 else "ethernet"
    return Layer(inside, offset + 8, is_inside=True)


def _geneve(header: bytes, offset: int, row: Row) -> Layer | None:
    """Geneve version 0 (RFC 8926); the low six bits of the first byte are the length of the options in 4-byte units."""
    options, _, protocol, vni = _TUNNEL.unpack_from(header, offset)
    if options >> 6 or protocol not in _OF_TUNNEL:
        return None
    row["tunnel"], row["tun_id"] = "geneve", vni >> 8
    return Layer(_OF_TUNNEL[protocol], offset + 8 + (options & 0x3F) * 4, is_inside=True)


def _gtpu(header: bytes, offset: int, row: Row) -> Layer | None:
    """GTP-U version 1 (3GPP TS 29.281); only messages of type 255 (G-PDU) contain a packet."""
    flags, kind, _, teid = _TUNNEL.unpack_from(header, offset)
    if flags >> 4 != 3:
        return None
    row["tunnel"], row["tun_id"] = "gtpu", teid
    if kind != 255:
        return None
    offset += 12 if flags & 7 else 8
    extension = header[offset - 1 : offset] if flags & 4 else b"\0"
    while extension not in (b"\0", b""):
        offset += max(1, header[offset]) * 4 if offset < len(header) else 4
        extension = header[offset - 1 : offset]
    return Layer("ip", offset, is_inside=True)


NETWORK_LAYERS: dict[str, Read] = {
    "arp": _arp, "ip": _ip, "ipv4": _ipv4, "ipv6": _ipv6, "tcp": _tcp, "udp": _udp, "sctp": _sctp, "icmp": _icmp, "icmpv6": _icmpv6,
    "backbone": _backbone, "mpls": _mpls, "ip_in_ip": _ip_in_ip, "mpls_in_ip": _mpls_in_ip, "gre": _gre, "vxlan": _vxlan, "geneve": _geneve,
    "gtpu": _gtpu,
}  # fmt: skip
