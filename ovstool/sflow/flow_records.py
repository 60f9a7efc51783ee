"""The records of flow samples: a sampled packet, and what the agent knows about it (pure).

Structures and their numbers are those of sflow.org/developers/structures.php; fields have their names there, in snake case, with the unit as
suffix; those that flow matches have too are named as there.
"""

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from ovstool.sflow import packet
from ovstool.sflow.layers.network import tcp_flags
from ovstool.sflow.xdr import FIXED, VARYING, Malformed, Record, ipv4, new, numbers, opaque, records, structures, told, words

HEADER = 1  # sampled_header (sFlow v5, section 5.3)
_SWITCH = 1001
_AGGREGATION = 1016
_HEADER = struct.Struct("!4I")  # protocol, bytes of the frame, bytes stripped from it, bytes that follow
# A sampled header with Ethernet, IPv4 without options, and ports; without a tag, the value unpacked as its TCI is ignored.
_USUAL = struct.Struct("!II4xI10xHHB5xHxB2x4s4sHH")
_USUAL_TAGGED = struct.Struct("!II4xI14xHHB5xHxB2x4s4sHH")
_COUNT = struct.Struct("!I")
_AS_SET = 1


def _as_path(body: bytes, offset: int) -> tuple[list[int | list[int]], int]:
    """The AS numbers of a path in order; those of an AS_SET, which is unordered, are a nested list."""
    (segments,) = _COUNT.unpack_from(body, offset)
    offset += 4
    path: list[int | list[int]] = []
    for _ in range(segments):
        (kind,) = _COUNT.unpack_from(body, offset)
        systems, offset = numbers(body, offset + 4)
        path += [systems] if kind == _AS_SET else systems
    return path, offset


def _communities(body: bytes, offset: int) -> tuple[list[str], int]:
    """BGP communities in the notation ASN:VALUE (RFC 1997)."""
    found, offset = numbers(body, offset)
    return [f"{community >> 16}:{community & 0xFFFF}" for community in found], offset


def _labels(body: bytes, offset: int) -> tuple[list[dict[str, int]], int]:
    """An MPLS label stack (RFC 3032), top first."""
    found, offset = numbers(body, offset)
    return [{"label": entry >> 12, "tc": entry >> 9 & 7, "bos": entry >> 8 & 1, "ttl": entry & 0xFF} for entry in found], offset


def _tags(body: bytes, offset: int) -> tuple[list[dict[str, Any]], int]:
    """VLAN tags, outermost first."""
    found, offset = numbers(body, offset)
    return [{"vid": tag & 0xFFF, "pcp": tag >> 13 & 7, "tpid": f"0x{tag >> 16:04x}"} for tag in found], offset


def _payload(body: bytes, offset: int) -> tuple[dict[str, Any], int]:
    """An 802.11 payload, starting with the LLC header."""
    found, offset = opaque(body, offset)
    return packet.payload_fields(found), offset


_FIXED = FIXED | {
    "eth_type": ("I", "0x{:04x}".format), "tcp_flags": ("I", tcp_flags),
    "side": ("I", words("unknown", "src", "dst")), "wlan": ("I", words("unknown", "a", "b", "g", "n")),
    "oui": ("4s", lambda octets: octets.hex(":")),
    "access": ("I", words("unknown", "ingress", "egress")), "packet": ("I", words("unknown", "received", "sent")),
    "service": ("I", words("unknown", "client", "server")),
    "transaction": ("I", words("succeeded", "generic_failure", "outofmemory", "timeout", "notpermitted")),
    "application": ("I", words("success", "other", "timeout", "internal_error", "bad_request", "forbidden", "too_large", "not_implemented",
                               "not_found", "unavailable", "unauthorized")),
    "http": ("I", words("other", "options", "get", "head", "post", "put", "delete", "trace", "connect")),
    "memcache": ("I", words("other", "set", "add", "replace", "append", "prepend", "cas", "get", "gets", "incr", "decr", "delete", "stats",
                            "flush", "version", "quit", "touch")),
    "memcached": ("I", words("unknown", "ok", "error", "client_error", "server_error", "stored", "not_stored", "exists", "not_found", "deleted")),
    "coding": ("I", words("other", "ascii", "binary")),
}  # fmt: skip
_VARYING = VARYING | {"as_path": _as_path, "communities": _communities, "labels": _labels, "tags": _tags, "payload": _payload}
_ETHERNET = "frame_bytes eth_src:mac eth_dst:mac eth_type:eth_type"
_IPV4 = "ip_bytes ip_proto ip_src:ipv4 ip_dst:ipv4 src_port dst_port tcp_flags:tcp_flags ip_tos"
_IPV6 = "ip_bytes ip_proto ipv6_src:ipv6 ipv6_dst:ipv6 src_port dst_port tcp_flags:tcp_flags ip_priority"
_SOCKET = "ip_proto local_ip:{0} remote_ip:{0} local_port remote_port"
_SENT = "referer:text user_agent:text x_forwarded_for:text user:text mime_type:text request_bytes:u64 response_bytes:u64 duration_us status"
_WLAN = "ssid:text bssid:mac version:wlan"

STRUCTURES = structures(
    f"""
    2 sampled_ethernet {_ETHERNET}
    3 sampled_ipv4 {_IPV4}
    4 sampled_ipv6 {_IPV6}
    1001 extended_switch src_vlan:n32 src_priority:n32 dst_vlan:n32 dst_priority:n32
    1002 extended_router next_hop:address src_mask_bits dst_mask_bits
    1003 extended_gateway next_hop:address as src_as src_peer_as dst_as_path:as_path communities:communities local_pref
    1004 extended_user src_charset src_user:text dst_charset dst_user:text
    1005 extended_url direction:side url:text host:text
    1006 extended_mpls next_hop:address in_stack:labels out_stack:labels
    1007 extended_nat src_address:address dst_address:address
    1008 extended_mpls_tunnel tunnel_lsp_name:text tunnel_id tunnel_cos
    1009 extended_mpls_vc vc_instance_name:text vll_vc_id vc_label_cos
    1010 extended_mpls_ftn mpls_ftn_descr:text mpls_ftn_mask
    1011 extended_mpls_ldp_fec mpls_fec_addr_prefix_bits
    1012 extended_vlantunnel stack:tags
    1013 extended_80211_payload cipher_suite:oui payload:payload
    1014 extended_80211_rx {_WLAN} channel speed_bps:u64 rsni rcpi packet_duration_us
    1015 extended_80211_tx {_WLAN} transmissions packet_duration_us retrans_duration_us channel speed_bps:u64 power_mw
    1017 extended_openflow_v1 flow_cookie:u64 flow_match flow_actions
    1018 extended_fc src_mask_bits dst_mask_bits next_hop metric
    1019 extended_queue_length queue_index queue_length_segments
    1020 extended_nat_port src_port dst_port
    1021 extended_l2_tunnel_egress {_ETHERNET}
    1022 extended_l2_tunnel_ingress {_ETHERNET}
    1023 extended_ipv4_tunnel_egress {_IPV4}
    1024 extended_ipv4_tunnel_ingress {_IPV4}
    1025 extended_ipv6_tunnel_egress {_IPV6}
    1026 extended_ipv6_tunnel_ingress {_IPV6}
    1027 extended_decapsulate_egress inner_header_offset_bytes
    1028 extended_decapsulate_ingress inner_header_offset_bytes
    1029 extended_vni_egress vni
    1030 extended_vni_ingress vni
    1031 extended_ib_lrh src_vl src_sl src_dlid src_slid src_lnh dst_vl dst_sl dst_dlid dst_slid dst_lnh
    1032 extended_ib_grh flow_label tc s_gid:ipv6 d_gid:ipv6 next_header length_bytes
    1033 extended_ib_bth pkey dst_qp opcode
    1034 extended_vlanin stack:tags
    1035 extended_vlanout stack:tags
    1036 extended_egress_queue queue
    1037 extended_acl number name:text direction:access
    1038 extended_function symbol:text
    1039 extended_transit delay_ns
    1040 extended_queue depth_bytes
    1041 extended_hw_trap group:text trap:text
    1042 extended_linux_drop_reason reason:text
    1043 extended_timestamp time_ns:u64
    2000 transaction direction:service wait_us duration_us status:transaction received_bytes:u64 sent_bytes:u64
    2001 extended_nfs_storage_transaction path:text operation status
    2002 extended_scsi_storage_transaction lun operation status
    2003 extended_http_transaction url:text host:text referer:text user_agent:text user:text status
    2100 extended_socket_ipv4 {_SOCKET.format("ipv4")}
    2101 extended_socket_ipv6 {_SOCKET.format("ipv6")}
    2102 extended_proxy_socket_ipv4 {_SOCKET.format("ipv4")}
    2103 extended_proxy_socket_ipv6 {_SOCKET.format("ipv6")}
    2200 memcache_operation protocol:coding command:memcache key:text keys value_bytes duration_us status:memcached
    2201 http_request_v1 method:http uri:text host:text {_SENT}
    2202 app_operation application:text operation:text attributes:text status_descr:text request_bytes:u64 response_bytes:u64 duration_us \
         status:application
    2203 app_parent_context application:text operation:text attributes:text
    2204 app_initiator actor:text
    2205 app_target actor:text
    2206 http_request method:http protocol uri:text host:text {_SENT}
    2207 extended_proxy_request uri:text host:text
    2208 extended_nav_timing type redirect_count navigation_start_ms unload_event_start_ms unload_event_end_ms redirect_start_ms \
         redirect_end_ms fetch_start_ms domain_lookup_start_ms domain_lookup_end_ms connect_start_ms connect_end_ms \
         secure_connection_start_ms request_start_ms response_start_ms response_end_ms dom_loading_ms dom_interactive_ms \
         dom_content_loaded_event_start_ms dom_content_loaded_event_end_ms dom_complete_ms load_event_start_ms load_event_end_ms
    2209 extended_tcp_info direction:packet snd_mss_bytes rcv_mss_bytes unacked lost retrans pmtu_bytes rtt_us rttvar_us snd_cwnd reordering min_rtt_us
    2210 extended_entities src_type src_index dst_type dst_index
    4413:1 extended_bst_egress_queue queue
    """,
    "u32",
    _FIXED,
    _VARYING,
)
KNOWN = frozenset(STRUCTURES) | {HEADER, _AGGREGATION}
_IN_PLACE_OF_A_HEADER = (2, 3, 4)


class SampledHeader(NamedTuple):
    """The first bytes of a sampled packet.

    ``frame_bytes`` is the length of the packet on the wire, ``stripped_bytes`` the number of bytes that the agent removed before sampling the
    header, such as the FCS.
    """

    protocol: int
    frame_bytes: int
    stripped_bytes: int
    data: bytes


def sampled_header(body: bytes) -> SampledHeader:
    """Decode a record with the tag HEADER. Raises Malformed."""
    if len(body) < _HEADER.size:
        raise Malformed(f"sampled_header: truncated, {len(body)} bytes")
    protocol, frame_bytes, stripped_bytes, length = _HEADER.unpack_from(body)
    if length > len(body) - _HEADER.size:
        raise Malformed(f"sampled_header: truncated, needs {length} bytes, {len(body) - _HEADER.size} remain")
    return SampledHeader(protocol, frame_bytes, stripped_bytes, body[_HEADER.size : _HEADER.size + length])


def traffic(found: Sequence[Record]) -> packet.Traffic | None:
    """The flow of a packet, None if the records do not contain it.

    For an untagged packet the VLAN is that of the extended_switch record.
    """
    header = vlan = None
    for tag, body in found:
        if tag == HEADER:
            header = header or body
        elif tag == _SWITCH and len(body) >= _COUNT.size:
            (vlan,) = _COUNT.unpack_from(body)
    untagged_vid = vlan if vlan and vlan < 4096 else None
    try:
        return _traffic_of_header(header, untagged_vid) if header else _traffic_of_fields(found, untagged_vid)
    except Malformed:
        return None


def _traffic_of_header(body: bytes, untagged_vid: int | None) -> packet.Traffic:
    """The flow of a sampled header. Raises Malformed.

    The common case, TCP or UDP over IPv4 over Ethernet, is unpacked in one step, with the same result as the general decoder.
    """
    is_tagged = body[28:30] == b"\x81\0"
    layout = _USUAL_TAGGED if is_tagged else _USUAL
    if len(body) >= layout.size:
        protocol, frame_bytes, length, tci, eth_type, version, fragment, ip_proto, src, dst, src_port, dst_port = layout.unpack_from(body)
        is_usual = protocol == 1 and eth_type == 0x0800 and version == 0x45 and not fragment & 0x1FFF and (ip_proto == 6 or ip_proto == 17)
        if is_usual and layout.size <= length + _HEADER.size <= len(body):
            vid = tci & 0xFFF if is_tagged else untagged_vid
            return new(packet.Traffic, (frame_bytes, vid, ipv4(src), ipv4(dst), ip_proto, src_port, dst_port))
    header = sampled_header(body)
    row = packet.fields(header.protocol, header.data)
    return packet.traffic(row, header.frame_bytes, untagged_vid)


def _traffic_of_fields(found: Sequence[Record], untagged_vid: int | None) -> packet.Traffic | None:
    """The flow by the records that an agent may send instead of a header. Raises Malformed."""
    row = _in_place_of_a_header(found)
    return packet.traffic(row, row.get("frame_bytes", row.get("ip_bytes", 0)), untagged_vid) if row else None


def fields(found: Sequence[Record], is_inside: bool = False) -> dict[str, Any]:
    """The fields of the packet, then those of each other record under its name, as in ``xdr.told``."""
    header = next((record for record in found if record.tag == HEADER), None)
    try:
        row = _header_fields(sampled_header(header.body)) if header else _in_place_of_a_header(found)
    except Malformed as error:
        row = {"malformed": str(error)}
    others = [record for record in found if record is not header]
    return told(others, lambda record: _read_inside(record) if is_inside else _read(record), row)


def _header_fields(header: SampledHeader) -> dict[str, Any]:
    protocol = packet.PROTOCOLS.get(header.protocol, str(header.protocol))
    row = {"header_protocol": protocol, "frame_bytes": header.frame_bytes, "stripped_bytes": header.stripped_bytes}
    return row | {"header_bytes": len(header.data)} | packet.fields(header.protocol, header.data)


def _in_place_of_a_header(found: Sequence[Record]) -> dict[str, Any]:
    """The fields of the records sent instead of a header, under the names of header fields. Raises Malformed."""
    row: dict[str, Any] = {}
    for record in found:
        if record.tag in _IN_PLACE_OF_A_HEADER:
            row |= STRUCTURES[record.tag].read(record.body)
    src, dst, flags, proto = (row.pop(name, None) for name in ("src_port", "dst_port", "tcp_flags", "ip_proto"))
    row = {name: value for name, value in row.items() if name not in ("ip_tos", "ip_priority")}
    if proto is not None:
        row["ip_proto"] = proto
    if proto in packet.WITH_PORTS:
        kind = packet.WITH_PORTS[proto]
        row |= {f"{kind}_src": src, f"{kind}_dst": dst} | ({"tcp_flags": flags} if kind == "tcp" else {})
    return row


def _read(record: Record) -> tuple[str, Any] | None:
    """The name and fields of a record, None if its format is unknown. Raises Malformed."""
    if record.tag == _AGGREGATION:
        return "extended_80211_aggregation", {"pdus": _pdus(record.body)}
    return _read_inside(record)


def _read_inside(record: Record) -> tuple[str, Any] | None:
    """``_read`` for the records inside an aggregation; nested aggregations are not decoded."""
    if record.tag == HEADER:
        return "sampled_header", _header_fields(sampled_header(record.body))
    structure = STRUCTURES.get(record.tag)
    return (structure.name, structure.read(record.body)) if structure else None


def _pdus(body: bytes) -> list[dict[str, Any]]:
    """The packets of an 802.11 aggregate, each with its own records. Raises Malformed."""
    try:
        (count,), offset = _COUNT.unpack_from(body), _COUNT.size
        pdus = []
        for _ in range(count):
            (size,) = _COUNT.unpack_from(body, offset)
            found, offset = records(body, offset + _COUNT.size, len(body), size)
            pdus.append(fields(found, is_inside=True))
    except struct.error as error:
        raise Malformed("extended_80211_aggregation: truncated") from error
    except Malformed as error:
        raise Malformed(f"extended_80211_aggregation: {error}") from error
    return pdus
