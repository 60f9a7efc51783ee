"""Datagrams of sFlow version 5, decoded (pure; sflow.org/sflow_version_5.txt, sflow.org/sflow_drops.txt).

Datagrams are untrusted: ``decode`` never raises, takes time proportional to the datagram's length, and reports what is malformed. The records
of a sample are decoded only on demand, since a table of talkers needs few of them.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ovstool.sflow import counter_records, flow_records
from ovstool.sflow.packet import Traffic
from ovstool.sflow.xdr import Malformed, Record, ip, new, padded, records
from ovstool.units import counted

VERSION = 5

_START = struct.Struct("!II")  # version, type of the agent's address
_AGENT_BYTES = {0: 0, 1: 4, 2: 16}
_HEAD = struct.Struct("!IIII")  # sub-agent, sequence, uptime, samples
_SAMPLE = struct.Struct("!II")  # format, length
_FLOW = struct.Struct("!8I")
_FLOW_EXPANDED = struct.Struct("!11I")
_COUNTER = struct.Struct("!3I")
_COUNTER_EXPANDED = struct.Struct("!4I")
_DROP = struct.Struct("!8I")

_INDEX, _DISCARDED, _MULTIPLE = 0, 1, 2  # formats of an interface
_INTERNAL = 0xFFFFFFFF  # the agent itself; 0x3FFFFFFF where an interface has 30 bits
_INTERNAL_30 = 0x3FFFFFFF

# drop_reason: the codes of ICMP's unreachable destinations, then sFlow's own from 256 on (sflow_drops.txt, and sflow.org's list since).
_UNREACHABLE = """
net_unreachable host_unreachable protocol_unreachable port_unreachable frag_needed src_route_failed dst_net_unknown dst_host_unknown
src_host_isolated dst_net_prohibited dst_host_prohibited dst_net_tos_unreachable dst_host_tos_unreachable comm_admin_prohibited
host_precedence_violation precedence_cutoff
""".split()
_DROPPED = """
unknown ttl_exceeded acl no_buffer_space red traffic_shaping pkt_too_big src_mac_is_multicast vlan_tag_mismatch ingress_vlan_filter
ingress_spanning_tree_filter port_list_is_empty port_loopback_filter blackhole_route non_ip uc_dip_over_mc_dmac dip_is_loopback_address
sip_is_mc sip_is_loopback_address ip_header_corrupted ipv4_sip_is_limited_bc ipv6_mc_dip_reserved_scope ipv6_mc_dip_interface_local_scope
unresolved_neigh mc_reverse_path_forwarding non_routable_packet decap_error overlay_smac_is_mc unknown_l2 unknown_l3 unknown_l3_exception
unknown_buffer unknown_tunnel unknown_l4 sip_is_unspecified mlag_port_isolation blackhole_arp_neigh src_mac_is_dmac dmac_is_reserved
sip_is_class_e mc_dmac_mismatch sip_is_dip dip_is_local_network dip_is_link_local overlay_smac_is_dmac egress_vlan_filter
uc_reverse_path_forwarding split_horizon locked_port dmac_filter blackhole_nexthop vxlan_parsing llc_snap_parsing vlan_parsing
pppoe_ppp_parsing mpls_parsing arp_parsing ip_1_parsing ip_n_parsing gre_parsing udp_parsing tcp_parsing ipsec_parsing sctp_parsing
dccp_parsing gtp_parsing esp_parsing unknown_parsing pkt_too_small unhandled_proto ipv6disabled invalid_proto ip_noproto skb_csum
skb_ucopy_fault dev_ready dev_hdr dup_frag skb_gso_seg reverse_path_forwarding icmp_parsing tcp_md5notfound tcp_md5unexpected
tcp_md5failure tcp_flags tcp_zerowindow tcp_old_data tcp_overwindow tcp_ofomerge tcp_rfc7323_paws tcp_invalid_sequence tcp_reset
tcp_invalid_syn tcp_close tcp_fastopen tcp_old_ack tcp_too_old_ack tcp_ack_unsent_data tcp_ofo_queue_prune tcp_ofo_drop tcp_minttl
ipv6_bad_exthdr ipv6_ndisc_frag ipv6_ndisc_hop_limit ipv6_ndisc_bad_code ipv6_ndisc_bad_options ipv6_ndisc_ns_otherhost tap_filter
tap_txfilter tc_ingress tc_egress xdp cpu_backlog bpf_cgroup_egress xfrm_policy socket_filter
""".split()
_REASONS = dict(enumerate(_UNREACHABLE)) | dict(enumerate(_DROPPED, 256))


class Interface(NamedTuple):
    """The input or output interface of a packet: an ifIndex, or something else according to ``kind``, its format (sFlow v5, section 5.3)."""

    kind: int
    value: int

    @property
    def if_index(self) -> int | None:
        """The ifIndex, None if there is none or it is unknown."""
        return self.value if self.kind == _INDEX and self.value not in (0, _INTERNAL) else None

    @property
    def is_internal(self) -> bool:
        """Whether the packet originated or terminated at the agent itself."""
        return self == (_INDEX, _INTERNAL)

    def fields(self, name: str) -> dict[str, Any]:
        """The ifIndex under a name, or the reason why there is none."""
        row: dict[str, Any] = {name: self.if_index}
        if self.is_internal:
            row[f"{name}_internal"] = True
        elif self.kind == _DISCARDED:
            row["drop_reason"] = reason(self.value)
        elif self.kind == _MULTIPLE:
            row[f"{name}_count"] = self.value or None
        return row


class Flow(NamedTuple):
    """A sampled packet.

    ``sample_pool`` counts the packets that could have been sampled, ``drops`` the samples that the agent dropped, both since it started.
    """

    sequence: int
    source_type: int
    source_index: int
    sampling_rate: int
    sample_pool: int
    drops: int
    input: Interface
    output: Interface
    records: list[Record]

    @property
    def kind(self) -> str:
        """The kind of sample, as in ``-f json``."""
        return "flow"

    def traffic(self) -> Traffic | None:
        """The flow of the packet, None if unknown."""
        return flow_records.traffic(self.records)

    def fields(self) -> dict[str, Any]:
        """All fields of the sample, as in ``-f json``."""
        row = _source(self) | {"sampling_rate": self.sampling_rate, "sample_pool": self.sample_pool, "drops": self.drops}
        return row | self.input.fields("input") | self.output.fields("output") | flow_records.fields(self.records)


class Counter(NamedTuple):
    """The counters of one data source, such as an interface."""

    sequence: int
    source_type: int
    source_index: int
    records: list[Record]

    @property
    def kind(self) -> str:
        """The kind of sample, as in ``-f json``."""
        return "counter"

    def fields(self) -> dict[str, Any]:
        """All fields of the sample, as in ``-f json``."""
        return _source(self) | counter_records.fields(self.records)


class Drop(NamedTuple):
    """A dropped packet. ``drops`` counts the notifications that the agent dropped since it started."""

    sequence: int
    source_type: int
    source_index: int
    drops: int
    input: Interface
    output: Interface
    reason: int
    records: list[Record]

    @property
    def kind(self) -> str:
        """The kind of sample, as in ``-f json``."""
        return "drop"

    def traffic(self) -> Traffic | None:
        """The flow of the packet, None if unknown."""
        return flow_records.traffic(self.records)

    def fields(self) -> dict[str, Any]:
        """All fields of the sample, as in ``-f json``."""
        row = _source(self) | {"drops": self.drops} | self.input.fields("input") | self.output.fields("output")
        return row | {"drop_reason": reason(self.reason)} | flow_records.fields(self.records)


Sample = Flow | Counter | Drop


def _source(sample: Sample) -> dict[str, Any]:
    """The fields that every sample begins with."""
    return {"source": f"{sample.source_type}:{sample.source_index}", "sequence": sample.sequence}


class Datagram(NamedTuple):
    """A datagram. ``agent`` is empty if the agent does not know its address, or the datagram is truncated before it.

    ``unknown`` counts samples and records of unknown format, which are skipped. ``malformed`` is the first error, None in a valid datagram;
    the valid samples are there in either case. Errors inside a record are found when its fields are decoded.
    """

    agent: str
    sub_agent: int
    sequence: int
    uptime_ms: int
    samples: Sequence[Sample]
    unknown: int
    malformed: str | None

    def rows(self) -> Iterator[dict[str, Any]]:
        """All fields of each sample, as in ``-f json``."""
        head = {"agent": self.agent or None, "sub_agent": self.sub_agent, "datagram_sequence": self.sequence, "uptime_ms": self.uptime_ms}
        for sample in self.samples:
            yield {"kind": sample.kind} | head | sample.fields()


def reason(code: int) -> str:
    """The name of a drop_reason, or its number if it has none."""
    return _REASONS.get(code, str(code))


def decode(data: bytes) -> Datagram:
    """Decode the payload of a UDP datagram, valid or not."""
    if len(data) < _START.size:
        return _no_datagram(_too_short(data))
    version, kind = _START.unpack_from(data)
    if version != VERSION:
        return _no_datagram(f"sFlow version {version}, not {VERSION}")
    if kind not in _AGENT_BYTES:
        return _no_datagram(f"unknown agent address type {kind}")
    offset = _START.size + _AGENT_BYTES[kind]
    if len(data) < offset + _HEAD.size:
        return _no_datagram(_too_short(data))
    sub_agent, sequence, uptime_ms, count = _HEAD.unpack_from(data, offset)
    samples, unknown, malformed = _samples(data, offset + _HEAD.size, count)
    return Datagram(ip(data[_START.size : offset]) if kind else "", sub_agent, sequence, uptime_ms, samples, unknown, malformed)


def _too_short(data: bytes) -> str:
    return f"{counted(len(data), 'byte')}: too short for an sFlow datagram"


def _no_datagram(why: str) -> Datagram:
    return Datagram("", 0, 0, 0, (), 0, why)


def _samples(data: bytes, offset: int, count: int) -> tuple[list[Sample], int, str | None]:
    """The samples, the number of unknown samples and records, and the first error."""
    samples: list[Sample] = []
    unknown, wrong = 0, None
    try:
        for form, start, end in _framed(data, offset, count):
            reader, known = _READERS.get(form, _UNKNOWN)
            try:
                sample = reader(data, start, end)
            except Malformed as error:
                wrong = wrong or str(error)
                continue
            if sample is None:
                unknown += 1
                continue
            samples.append(sample)
            for tag, _ in sample.records:
                if tag not in known:
                    unknown += 1
    except Malformed as error:
        wrong = wrong or str(error)
    return samples, unknown, wrong


def _framed(data: bytes, offset: int, count: int) -> Iterator[tuple[int, int, int]]:
    """Yield format, start and end of each sample. Raises Malformed after the complete ones."""
    size = len(data)
    for number in range(count):
        if offset + _SAMPLE.size > size:
            raise Malformed(f"truncated: {count} samples announced, {number} present")
        form, length = _SAMPLE.unpack_from(data, offset)
        offset += _SAMPLE.size
        if offset + length > size:
            raise Malformed(f"truncated: sample needs {length} bytes, {size - offset} remain")
        yield form, offset, offset + length
        offset += padded(length)
    if data[offset:].strip(b"\0"):
        raise Malformed(f"{size - offset} extra bytes after {counted(count, 'sample')}")


@lru_cache(4096)
def _interface(compact: int) -> Interface:
    """An interface in compact form: the format is in the two highest bits."""
    value = compact & 0x3FFFFFFF
    return Interface(compact >> 30, _INTERNAL if value == _INTERNAL_30 else value)


_expanded_interface = lru_cache(4096)(Interface)


def _flow(data: bytes, offset: int, end: int) -> Flow:
    sequence, source, rate, pool, drops, came, went, count = _head(_FLOW, data, offset, end)
    found, _ = records(data, offset + _FLOW.size, end, count)
    return new(Flow, (sequence, source >> 24, source & 0xFFFFFF, rate, pool, drops, _interface(came), _interface(went), found))


def _flow_expanded(data: bytes, offset: int, end: int) -> Flow:
    sequence, kind, index, rate, pool, drops, came_as, came, went_as, went, count = _head(_FLOW_EXPANDED, data, offset, end)
    found, _ = records(data, offset + _FLOW_EXPANDED.size, end, count)
    interfaces = _expanded_interface(came_as, came), _expanded_interface(went_as, went)
    return Flow(sequence, kind, index, rate, pool, drops, *interfaces, found)


def _counter(data: bytes, offset: int, end: int) -> Counter:
    sequence, source, count = _head(_COUNTER, data, offset, end)
    found, _ = records(data, offset + _COUNTER.size, end, count)
    return Counter(sequence, source >> 24, source & 0xFFFFFF, found)


def _counter_expanded(data: bytes, offset: int, end: int) -> Counter:
    sequence, kind, index, count = _head(_COUNTER_EXPANDED, data, offset, end)
    found, _ = records(data, offset + _COUNTER_EXPANDED.size, end, count)
    return Counter(sequence, kind, index, found)


def _drop(data: bytes, offset: int, end: int) -> Drop:
    sequence, kind, index, drops, came, went, why, count = _head(_DROP, data, offset, end)
    found, _ = records(data, offset + _DROP.size, end, count)
    return Drop(sequence, kind, index, drops, _expanded_interface(_INDEX, came), _expanded_interface(_INDEX, went), why, found)


def _head(layout: struct.Struct, data: bytes, offset: int, end: int) -> tuple[int, ...]:
    """The fixed part of a sample. Raises Malformed."""
    if offset + layout.size > end:
        raise Malformed(f"truncated: sample has only {end - offset} bytes")
    return layout.unpack_from(data, offset)


_Reader = Callable[[bytes, int, int], Sample | None]
_UNKNOWN: tuple[_Reader, frozenset[int]] = (lambda data, offset, end: None, frozenset())
_READERS: dict[int, tuple[_Reader, frozenset[int]]] = {
    1: (_flow, flow_records.KNOWN), 2: (_counter, counter_records.KNOWN), 3: (_flow_expanded, flow_records.KNOWN),
    4: (_counter_expanded, counter_records.KNOWN), 5: (_drop, flow_records.KNOWN),
}  # sample_data of enterprise 0  # fmt: skip
