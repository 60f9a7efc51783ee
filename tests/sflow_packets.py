"""Sampled headers of each kind of link, packet and tunnel, with the fields they decode to."""

import struct

import sflow_datagrams as spec

MACS = {"eth_src": "02:00:00:00:00:01", "eth_dst": "02:00:00:00:00:02"}
FOUR = {"ip_src": "10.0.0.1", "ip_dst": "10.0.0.2", "ip_dscp": 0, "ip_ecn": 0, "nw_ttl": 64}
SIX = {"ipv6_src": "2001:db8::1", "ipv6_dst": "2001:db8::2", "ip_dscp": 46, "ip_ecn": 1, "nw_ttl": 63, "ipv6_label": "0x12345"}
TCP = {"ip_proto": 6, "tcp_src": 40000, "tcp_dst": 443, "tcp_flags": "syn|ack"}
UDP = {"ip_proto": 17, "udp_src": 40000, "udp_dst": 53}
TCP4 = FOUR | TCP | {"ip_bytes": 40}
TCP6 = SIX | TCP | {"ip_bytes": 60}
UDP4 = FOUR | UDP | {"ip_bytes": 28}
TCP_FRAME = MACS | {"eth_type": "0x0800"} | TCP4
IP_TCP, IP_UDP = spec.ipv4(6, spec.tcp()), spec.ipv4(17, spec.udp())
IP6_TCP = spec.ipv6(6, spec.tcp())
FRAME = spec.ethernet(0x0800, IP_TCP)
SNAP = bytes.fromhex("aaaa03000000")
ARP = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + spec.SRC_MAC + bytes([10, 0, 0, 1]) + spec.DST_MAC + bytes([10, 0, 0, 2])
ARPED = {"arp_op": 2, "arp_spa": "10.0.0.1", "arp_tpa": "10.0.0.2", "arp_sha": MACS["eth_src"], "arp_tha": MACS["eth_dst"]}
ICMPV6 = struct.pack("!BBHI", 135, 0, 0, 0) + bytes.fromhex("20010db8000000000000000000000009")


def inner(row: dict) -> dict:
    return {f"inner_{name}": value for name, value in row.items()}


def tagged(vid: int, pcp: int = 0, tpid: str = "0x8100", name: str = "vlan") -> dict:
    return {f"{name}_vid": vid, f"{name}_pcp": pcp, f"{name}_tpid": tpid}


def mpls(label: int, tc: int = 0, is_bottom: bool = True, ttl: int = 64) -> bytes:
    return struct.pack("!I", label << 12 | tc << 9 | is_bottom << 8 | ttl)


def labelled(label: int, tc: int = 0, bos: int = 1, ttl: int = 64) -> dict:
    return {"mpls_label": label, "mpls_tc": tc, "mpls_bos": bos, "mpls_ttl": ttl}


def wlan(control: int, flags: int, addresses: int, rest: bytes) -> bytes:
    """An 802.11 frame whose addresses end in 1, 2, 3 and 4."""
    one, two, three, four = (bytes([2, 0, 0, 0, 0, number]) for number in (1, 2, 3, 4))
    return struct.pack("!BBH", control, flags, 0) + one + two + three + bytes(2) + (four if addresses == 4 else b"") + rest


def at(number: int) -> str:
    return f"02:00:00:00:00:0{number}"


def tunnelled(proto: int, payload: bytes) -> bytes:
    return spec.ethernet(0x0800, spec.ipv4(proto, payload))


def over_udp(port: int, payload: bytes) -> bytes:
    return tunnelled(17, spec.udp(40000, port, payload))


def outer(proto: int, length: int, **more) -> dict:
    return MACS | FOUR | {"eth_type": "0x0800", "ip_proto": proto, "ip_bytes": length} | more


PACKETS = {
    "TCP over IPv4": (spec.ETHERNET, FRAME, TCP_FRAME),
    "TCP over IPv6": (spec.ETHERNET, spec.ethernet(0x86DD, IP6_TCP), MACS | {"eth_type": "0x86dd"} | TCP6),
    "a VLAN": (spec.ETHERNET, spec.ethernet(0x0800, IP_TCP, [(0x8100, 5 << 13 | 100)]), TCP_FRAME | tagged(100, 5)),
    "UDP in a VLAN": (
        spec.ETHERNET, spec.ethernet(0x0800, IP_UDP, [(0x8100, 0x1FFF)]), MACS | {"eth_type": "0x0800"} | UDP4 | tagged(4095),
    ),
    "QinQ": (
        spec.ETHERNET, spec.ethernet(0x0800, IP_TCP, [(0x88A8, 0x2000 | 7), (0x8100, 100)]),
        TCP_FRAME | tagged(7, 1, "0x88a8") | tagged(100, name="vlan2"),
    ),
    "six tags": (
        spec.ETHERNET, spec.ethernet(0x0800, IP_TCP, [(0x8100, vid) for vid in range(1, 7)]),
        TCP_FRAME | tagged(1) | tagged(2, name="vlan2") | tagged(3, name="vlan3") | tagged(4, name="vlan4"),
    ),
    "VN-TAG": (
        spec.ETHERNET, spec.ethernet(0x8926, bytes(4) + struct.pack("!HHH", 0x8100, 100, 0x0800) + IP_TCP),
        TCP_FRAME | tagged(100),
    ),
    "options": (spec.ETHERNET, spec.ethernet(0x0800, spec.ipv4(6, spec.tcp(), options=bytes(8))), TCP_FRAME | {"ip_bytes": 48}),
    "first fragment": (
        spec.ETHERNET, spec.ethernet(0x0800, spec.ipv4(17, spec.udp(), fragment=0x2000)),
        MACS | {"eth_type": "0x0800"} | UDP4 | {"ip_frag": "first"},
    ),
    "later fragment": (
        spec.ETHERNET, spec.ethernet(0x0800, spec.ipv4(17, bytes(8), fragment=0x00B9)), outer(17, 28, ip_frag="later"),
    ),
    "DSCP and ECN": (spec.IPV4, spec.ipv4(6, spec.tcp(), tos=0xB9), TCP4 | {"ip_dscp": 46, "ip_ecn": 1}),
    "not to be fragmented": (spec.IPV4, spec.ipv4(6, spec.tcp(), fragment=0x4000), TCP4),
    "SCTP": (spec.IPV4, spec.ipv4(132, struct.pack("!HHI", 1, 2, 0)), FOUR | {"ip_proto": 132, "ip_bytes": 28, "sctp_src": 1, "sctp_dst": 2}),
    "ICMP": (spec.IPV4, spec.ipv4(1, b"\3\1" + bytes(6)), FOUR | {"ip_proto": 1, "ip_bytes": 28, "icmp_type": 3, "icmp_code": 1}),
    "ICMPv6": (
        spec.IPV6, spec.ipv6(58, ICMPV6),
        SIX | {"ip_proto": 58, "ip_bytes": 64, "icmpv6_type": 135, "icmpv6_code": 0, "nd_target": "2001:db8::9"},
    ),
    "no flags": (spec.IPV4, spec.ipv4(6, spec.tcp(flags=0)), TCP4 | {"tcp_flags": "0"}),
    "all flags": (spec.IPV4, spec.ipv4(6, spec.tcp(flags=0x1FF)), TCP4 | {"tcp_flags": "fin|syn|rst|psh|ack|urg|ece|cwr|ns"}),
    "an unknown protocol": (spec.IPV4, spec.ipv4(253, b"abc"), FOUR | {"ip_proto": 253, "ip_bytes": 23}),
    "extension headers": (
        spec.IPV6, spec.ipv6(0, bytes([60, 0]) + bytes(6) + bytes([43, 1]) + bytes(14) + bytes([51, 0]) + bytes(6) + bytes([6, 1]) + bytes(10) + spec.tcp()),
        TCP6 | {"ip_bytes": 104},
    ),
    "first fragment of IPv6": (spec.IPV6, spec.ipv6(44, bytes([6, 0, 0, 1]) + bytes(4) + spec.tcp()), TCP6 | {"ip_bytes": 68, "ip_frag": "first"}),
    "later fragment of IPv6": (
        spec.IPV6, spec.ipv6(44, bytes([6, 0, 0, 8]) + bytes(4) + spec.tcp()), SIX | {"ip_proto": 6, "ip_bytes": 68, "ip_frag": "later"},
    ),
    "ARP": (spec.ETHERNET, spec.ethernet(0x0806, ARP), MACS | {"eth_type": "0x0806"} | ARPED),
    "RARP": (spec.ETHERNET, spec.ethernet(0x8035, ARP), MACS | {"eth_type": "0x8035"} | ARPED),
    "ARP for another network": (spec.ETHERNET, spec.ethernet(0x0806, b"\0\1\x86\xdd" + ARP[4:]), MACS | {"eth_type": "0x0806"}),
    "LLDP": (spec.ETHERNET, spec.ethernet(0x88CC, bytes(40)), MACS | {"eth_type": "0x88cc"}),
    "spanning tree": (spec.ETHERNET, spec.ethernet(38, b"\x42\x42\3" + bytes(35)), MACS | {"eth_type": "0x05ff", "llc_dsap": 66, "llc_ssap": 66}),
    "SNAP": (spec.ETHERNET, spec.ethernet(48, SNAP + b"\x08\0" + IP_TCP), TCP_FRAME),
    "SNAP of another": (
        spec.ETHERNET, spec.ethernet(48, b"\xaa\xaa\3\0\0\x0c" + b"\x20\0" + bytes(40)), MACS | {"eth_type": "0x05ff", "llc_dsap": 170, "llc_ssap": 170},
    ),
    "MPLS": (spec.ETHERNET, spec.ethernet(0x8847, mpls(100, 3) + IP_TCP), MACS | {"eth_type": "0x8847"} | labelled(100, 3) | TCP4),
    "two labels": (
        spec.MPLS, mpls(100, is_bottom=False, ttl=9) + mpls(200) + IP6_TCP, labelled(100, bos=0, ttl=9) | {"mpls_labels": [100, 200]} | TCP6,
    ),
    "a stack of twenty": (
        spec.MPLS, mpls(1, is_bottom=False) * 19 + mpls(2) + IP_TCP, labelled(1, bos=0) | {"mpls_labels": [1] * 16} | TCP4,
    ),
    "a pseudowire": (
        spec.MPLS, mpls(16) + bytes(4) + FRAME, labelled(16) | {"tunnel": "pseudowire"} | inner(TCP_FRAME),
    ),
    "MPLS over what is not said": (spec.MPLS, mpls(16) + b"\x50" + bytes(30), labelled(16)),
    "raw IPv4": (spec.IPV4, IP_TCP, TCP4),
    "raw IPv6": (spec.IPV6, IP6_TCP, TCP6),
    "IPv6 that is announced as IPv4": (spec.IPV4, IP6_TCP, TCP6),
    "IPv4 that is announced as IPv6": (spec.IPV6, IP_TCP, TCP4),
    "neither": (spec.IPV4, b"\x50" + IP_TCP[1:], {}),
    "IPv4 with another version's type": (spec.ETHERNET, spec.ethernet(0x86DD, IP_TCP + bytes(20)), MACS | {"eth_type": "0x86dd"}),
    "PPP": (spec.PPP, b"\0\x21" + IP_TCP, {"ppp_protocol": "0x0021"} | TCP4),
    "PPP in one byte": (spec.PPP, b"\x57" + IP6_TCP, {"ppp_protocol": "0x0057"} | TCP6),
    "PPP in HDLC": (spec.POS, b"\xff\x03\x02\x81" + mpls(100) + IP_TCP, {"ppp_protocol": "0x0281"} | labelled(100) | TCP4),
    "PPP's own": (spec.PPP, b"\xc0\x21" + bytes(10), {"ppp_protocol": "0xc021"}),
    "Cisco HDLC": (spec.POS, b"\x0f\0\x08\0" + IP_TCP, {"eth_type": "0x0800"} | TCP4),
    "PPPoE": (
        spec.ETHERNET, spec.ethernet(0x8864, b"\x11\0\0\7\0\x2a" + b"\0\x21" + IP_TCP),
        MACS | {"eth_type": "0x8864", "pppoe_session": 7, "ppp_protocol": "0x0021"} | TCP4,
    ),
    "Frame Relay": (5, b"\x18\x41\x03\xcc" + IP_TCP, {"frame_relay_dlci": 100} | TCP4),
    "Frame Relay, IPv6": (5, b"\x18\x41\x03\x8e" + IP6_TCP, {"frame_relay_dlci": 100} | TCP6),
    "Frame Relay, padded, with SNAP": (5, b"\x18\x41\x03\0\x80\0\0\0\x08\0" + IP_TCP, {"frame_relay_dlci": 100, "eth_type": "0x0800"} | TCP4),
    "Cisco's Frame Relay": (5, b"\x18\x41\x08\0" + IP_TCP, {"frame_relay_dlci": 100, "eth_type": "0x0800"} | TCP4),
    "token ring": (3, b"\x10\x40" + spec.DST_MAC + spec.SRC_MAC + SNAP + b"\x08\0" + IP_TCP, TCP_FRAME),
    "token ring with a route": (
        3, b"\x10\x40" + spec.DST_MAC + b"\x82" + spec.SRC_MAC[1:] + b"\x06\0\0\x11\0\x20" + SNAP + b"\x08\0" + IP_TCP, TCP_FRAME,
    ),
    "FDDI": (4, b"\x50" + spec.DST_MAC + spec.SRC_MAC + SNAP + b"\x08\0" + IP_TCP, TCP_FRAME),
    "AAL5": (9, SNAP + b"\x08\0" + IP_TCP, {"eth_type": "0x0800"} | TCP4),
    "AAL5 without LLC": (10, IP_TCP, TCP4),
    "from a station": (
        spec.WLAN, wlan(0x08, 0x01, 3, SNAP + b"\x08\0" + IP_TCP),
        {"wlan_type": "data", "wlan_bssid": at(1), "eth_src": at(2), "eth_dst": at(3), "eth_type": "0x0800"} | TCP4,
    ),
    "to a station, with a class of service": (
        spec.WLAN, wlan(0x88, 0x02, 3, b"\0\0" + SNAP + b"\x86\xdd" + IP6_TCP),
        {"wlan_type": "data", "wlan_bssid": at(2), "eth_src": at(3), "eth_dst": at(1), "eth_type": "0x86dd"} | TCP6,
    ),
    "between cells": (
        spec.WLAN, wlan(0x08, 0x03, 4, SNAP + b"\x08\0" + IP_TCP),
        {"wlan_type": "data", "eth_src": at(4), "eth_dst": at(3), "eth_type": "0x0800"} | TCP4,
    ),
    "between stations, with a field for high throughput": (
        spec.WLAN, wlan(0x88, 0x80, 3, b"\0\0" + bytes(4) + SNAP + b"\x08\0" + IP_TCP),
        {"wlan_type": "data", "wlan_bssid": at(3), "eth_src": at(2), "eth_dst": at(1), "eth_type": "0x0800"} | TCP4,
    ),
    "encrypted": (spec.WLAN, wlan(0x08, 0x41, 3, bytes(60)), {"wlan_type": "data", "wlan_bssid": at(1), "eth_src": at(2), "eth_dst": at(3)}),
    "without data": (spec.WLAN, wlan(0x48, 0x01, 3, b""), {"wlan_type": "data", "wlan_bssid": at(1), "eth_src": at(2), "eth_dst": at(3)}),
    "a beacon": (spec.WLAN, wlan(0x80, 0, 3, bytes(60)), {"wlan_type": "management", "wlan_bssid": at(3), "eth_src": at(2), "eth_dst": at(1)}),
    "an acknowledgement": (spec.WLAN, b"\xd4\0\0\0" + spec.DST_MAC, {"wlan_type": "control"}),
    "an aggregate of frames": (
        spec.WLAN, wlan(0x88, 0x01, 3, b"\x80\0" + spec.ethernet(48, SNAP + b"\x08\0" + IP_TCP)),
        {"wlan_type": "data", "wlan_bssid": at(1)} | TCP_FRAME,
    ),
    "802.11 behind its delimiter": (16, bytes(4) + wlan(0x80, 0, 3, b""), {"wlan_type": "management", "wlan_bssid": at(3), "eth_src": at(2), "eth_dst": at(1)}),
    "a frame of an aggregate": (17, spec.ethernet(48, SNAP + b"\x08\0" + IP_TCP), TCP_FRAME),
    "VXLAN": (
        spec.ETHERNET, over_udp(4789, b"\x08\0\0\0\0\x12\x34\0" + FRAME),
        outer(17, 90, udp_src=40000, udp_dst=4789, tunnel="vxlan", tun_id=0x1234) | inner(TCP_FRAME),
    ),
    "VXLAN of Linux's first port, with a VLAN inside": (
        spec.ETHERNET, over_udp(8472, b"\x08\0\0\0\0\0\1\0" + spec.ethernet(0x0800, IP_TCP, [(0x8100, 5)])),
        outer(17, 94, udp_src=40000, udp_dst=8472, tunnel="vxlan", tun_id=1) | inner(TCP_FRAME | tagged(5)),
    ),
    "VXLAN with IPv6": (
        spec.IPV4, spec.ipv4(17, spec.udp(40000, 4790, b"\x0c\0\0\2\0\0\1\0" + IP6_TCP)),
        FOUR | {"ip_proto": 17, "ip_bytes": 96, "udp_src": 40000, "udp_dst": 4790, "tunnel": "vxlan", "tun_id": 1} | inner(TCP6),
    ),
    "Geneve with an option": (
        spec.ETHERNET, over_udp(6081, b"\x02\0\x65\x58\0\x12\x34\0" + bytes(8) + FRAME),
        outer(17, 98, udp_src=40000, udp_dst=6081, tunnel="geneve", tun_id=0x1234) | inner(TCP_FRAME),
    ),
    "GRE": (spec.ETHERNET, tunnelled(47, b"\0\0\x08\0" + IP_TCP), outer(47, 64, tunnel="gre") | inner(TCP4)),
    "GRE with a key, a checksum and a sequence": (
        spec.ETHERNET, tunnelled(47, b"\xb0\0\x65\x58" + bytes(4) + b"\0\0\0\x07" + bytes(4) + FRAME),
        outer(47, 90, tunnel="gre", tun_id=7) | inner(TCP_FRAME),
    ),
    "PPTP": (spec.ETHERNET, tunnelled(47, b"\x30\x01\x88\x0b" + bytes(20)), outer(47, 44, tunnel="gre")),
    "ERSPAN": (spec.ETHERNET, tunnelled(47, b"\x10\0\x88\xbe" + bytes(4) + bytes(8) + FRAME), outer(47, 90, tunnel="erspan") | inner(TCP_FRAME)),
    "IP in IP": (spec.ETHERNET, tunnelled(4, IP_TCP), outer(4, 60, tunnel="ipip") | inner(TCP4)),
    "IPv6 in IP": (spec.ETHERNET, tunnelled(41, IP6_TCP), outer(41, 80, tunnel="ipip") | inner(TCP6)),
    "MPLS in IP": (spec.ETHERNET, tunnelled(137, mpls(7) + IP_TCP), outer(137, 64, tunnel="mpls") | inner(labelled(7) | TCP4)),
    "MPLS in UDP": (
        spec.ETHERNET, over_udp(6635, mpls(7) + IP_TCP), outer(17, 72, udp_src=40000, udp_dst=6635, tunnel="mpls") | inner(labelled(7) | TCP4),
    ),
    "GTP-U": (
        spec.ETHERNET, over_udp(2152, b"\x30\xff\0\x28\0\0\0\x07" + IP_TCP),
        outer(17, 76, udp_src=40000, udp_dst=2152, tunnel="gtpu", tun_id=7) | inner(TCP4),
    ),
    "GTP-U with an extension": (
        spec.ETHERNET, over_udp(2152, b"\x34\xff\0\x30\0\0\0\x07\0\0\0\x85" + b"\1\0\0\0" + IP_TCP),
        outer(17, 84, udp_src=40000, udp_dst=2152, tunnel="gtpu", tun_id=7) | inner(TCP4),
    ),
    "GTP-U's echo": (spec.ETHERNET, over_udp(2152, b"\x32\1\0\4\0\0\0\0" + bytes(4)), outer(17, 40, udp_src=40000, udp_dst=2152, tunnel="gtpu", tun_id=0)),
    "to ports of tunnels": (spec.ETHERNET, over_udp(4789, bytes(50)), outer(17, 78, udp_src=40000, udp_dst=4789)),
    "to a port of Geneve": (spec.ETHERNET, over_udp(6081, b"\xc0\0\x65\x58" + bytes(50)), outer(17, 82, udp_src=40000, udp_dst=6081)),
    "Geneve with what is not known": (spec.ETHERNET, over_udp(6081, bytes(50)), outer(17, 78, udp_src=40000, udp_dst=6081)),
    "to a port of GTP-U": (spec.ETHERNET, over_udp(2152, bytes(50)), outer(17, 78, udp_src=40000, udp_dst=2152)),
    "provider backbone": (
        spec.ETHERNET, spec.ethernet(0x88E7, b"\0\0\x12\x34" + FRAME, [(0x88A8, 9)]),
        MACS | {"eth_type": "0x88e7", "tunnel": "pbb", "tun_id": 0x1234} | tagged(9, tpid="0x88a8") | inner(TCP_FRAME),
    ),
    "a tunnel in a tunnel": (
        spec.ETHERNET, tunnelled(4, spec.ipv4(4, IP_TCP)),
        outer(4, 80, tunnel="ipip") | inner(FOUR | {"ip_proto": 4, "ip_bytes": 60, "tunnel": "ipip"}),
    ),
    "InfiniBand": (18, bytes(60), {}),
    "what is not known": (4711, FRAME, {}),
    "nothing": (spec.ETHERNET, b"", {}),
}  # fmt: skip
