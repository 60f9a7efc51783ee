"""sFlow datagrams decoded by tshark, under ovstool's names, for comparison with ovstool's own decoding.

Only names are mapped: values are compared as both print them, except for those converted here. Names that tshark uses for something
else, or does not have (host counters, port names, OpenFlow ports and tunnels), are left out.
"""

import struct
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ovstool.sflow import counter_records, flow_records
from ovstool.sflow.datagram import decode, reason

HEAD = {
    "sflow_245.agent": "agent", "sflow_245.agent.v6": "agent", "sflow_245.sub_agent_id": "sub_agent", "sflow_245.sequence_number": "datagram_sequence",
    "sflow_245.sysuptime": "uptime_ms",
}  # fmt: skip
SAMPLE = {
    "sflow.flow_sample.sequence_number": "sequence", "sflow.counters_sample.sequence_number": "sequence",
    "sflow.flow_sample.sampling_rate": "sampling_rate", "sflow.flow_sample.sample_pool": "sample_pool",
    "sflow.flow_sample.dropped_packets": "drops", "sflow.flow_sample.input_interface": "input",
    "sflow.flow_sample.input_interface_value": "input", "sflow.flow_sample.output_interface_value": "output",
    "sflow.flow_sample.output_interface_format": "output_format", "sflow.flow_sample.output_interface.format": "output_format",
    "sflow_245.header.frame_length": "frame_bytes", "sflow_245.header.payload_stripped": "stripped_bytes",
    "sflow_245.header.sampled_header_length": "header_bytes",
}  # fmt: skip
PACKET = {
    "eth.src": "eth_src", "eth.dst": "eth_dst", "eth.type": "eth_type", "vlan.etype": "eth_type", "vlan.id": "vlan_vid", "vlan.priority": "vlan_pcp",
    "mpls.label": "mpls_label", "mpls.exp": "mpls_tc", "mpls.bottom": "mpls_bos", "mpls.ttl": "mpls_ttl",
    "ip.src": "ip_src", "ip.dst": "ip_dst", "ip.proto": "ip_proto", "ip.dsfield.dscp": "ip_dscp", "ip.dsfield.ecn": "ip_ecn", "ip.ttl": "nw_ttl",
    "ip.len": "ip_bytes", "ipv6.src": "ipv6_src", "ipv6.dst": "ipv6_dst", "ipv6.tclass.dscp": "ip_dscp", "ipv6.tclass.ecn": "ip_ecn",
    "ipv6.hlim": "nw_ttl", "ipv6.flow": "ipv6_label", "ipv6.nxt": "ip_proto",
    "ipv6.hopopts.nxt": "ip_proto", "ipv6.dstopts.nxt": "ip_proto", "ipv6.routing.nxt": "ip_proto", "ipv6.fraghdr.nxt": "ip_proto",
    "ah.next_header": "ip_proto",
    "tcp.srcport": "tcp_src", "tcp.dstport": "tcp_dst", "tcp.flags": "tcp_flags", "udp.srcport": "udp_src", "udp.dstport": "udp_dst",
    "sctp.srcport": "sctp_src", "sctp.dstport": "sctp_dst", "icmp.type": "icmp_type", "icmp.code": "icmp_code",
    "icmpv6.type": "icmpv6_type", "icmpv6.code": "icmpv6_code", "icmpv6.nd.ns.target_address": "nd_target",
    "arp.opcode": "arp_op", "arp.src.proto_ipv4": "arp_spa", "arp.dst.proto_ipv4": "arp_tpa", "arp.src.hw_mac": "arp_sha", "arp.dst.hw_mac": "arp_tha",
    "vxlan.vni": "tun_id", "geneve.vni": "tun_id", "gre.key": "tun_id", "gtp.teid": "tun_id",
}  # fmt: skip
_AT_THE_END = ("vxlan", "geneve")  # tshark prints their packets after all samples, so it is unknown which sample they belong to
_INSIDE = ("eth", "ip", "ipv6", "mpls")  # the first layer of a packet in a tunnel
IN_FLOW_RECORDS = {
    2: {
        "sflow_245.ethernet.length": "frame_bytes", "sflow_245.ethernet.source_mac_address": "eth_src",
        "sflow_245.ethernet.destination_mac_address": "eth_dst",
    },
    3: {
        "sflow_245.ip.length": "ip_bytes", "sflow.ip_protocol": "ip_proto", "sflow_245.ipv4_src": "ip_src", "sflow_245.ipv4_dst": "ip_dst",
        "sflow_245.ip.source_port": "src_port", "sflow.ip.destination_port": "dst_port",
    },
    4: {
        "sflow_245.ip.length": "ip_bytes", "sflow.ip_protocol": "ip_proto", "sflow_245.ipv6_src": "ipv6_src", "sflow_245.ipv6_dst": "ipv6_dst",
        "sflow_245.ip.source_port": "src_port", "sflow.ip.destination_port": "dst_port",
    },
    1001: {
        "sflow_245.vlan.in": "src_vlan", "sflow_245.pri.in": "src_priority", "sflow_245.vlan.out": "dst_vlan", "sflow_245.pri.out": "dst_priority",
    },
    1002: {
        "sflow_245.nexthop": "next_hop", "sflow_245.nexthop.v6": "next_hop", "sflow_245.nexthop.src_mask": "src_mask_bits",
        "sflow_245.nexthop.dst_mask": "dst_mask_bits",
    },
    1003: {
        "sflow_245.nexthop": "next_hop", "sflow_245.as": "as", "sflow_245.srcAS": "src_as", "sflow_245.peerAS": "src_peer_as",
        "sflow_245.localpref": "local_pref",
    },
    1004: {"sflow_5.extended_user.source_character_set": "src_charset", "sflow_5.extended_user.destination_character_set": "dst_charset"},
    1005: {"sflow_5.extended_url.url": "url", "sflow_5.extended_url.host": "host"},
    1008: {
        "sflow_5.extended_mpls_tunnel.tunnel_name": "tunnel_lsp_name", "sflow_5.extended_mpls_tunnel.id": "tunnel_id",
        "sflow_5.extended_mpls_tunnel.cos_value": "tunnel_cos",
    },
    1009: {
        "sflow_5.extended_mpls_vc.vc_instance_name": "vc_instance_name", "sflow_5.extended_mpls_vc.id": "vll_vc_id",
        "sflow_5.extended_mpls_vc.label_cos_value": "vc_label_cos",
    },
    1010: {"sflow_5.extended_mpls.ftn_description": "mpls_ftn_descr", "sflow_5.extended_mpls.ftn_mask": "mpls_ftn_mask"},
    1011: {"sflow_5.extended_mpls.fec_address_prefix_length": "mpls_fec_addr_prefix_bits"},
}  # fmt: skip
IN_COUNTER_RECORDS = {
    1: {
        "sflow_245.ifindex": "if_index", "sflow_245.iftype": "if_type", "sflow_245.ifspeed": "if_speed_bps",
        "sflow_245.ifinoct": "if_in_octets", "sflow_245.ifinpkt": "if_in_ucast_pkts", "sflow_245.ifinmcast": "if_in_multicast_pkts",
        "sflow_245.ifinbcast": "if_in_broadcast_pkts", "sflow_245.ifindisc": "if_in_discards", "sflow_245.ifinerr": "if_in_errors",
        "sflow_245.ifinunk": "if_in_unknown_protos", "sflow_245.ifoutoct": "if_out_octets", "sflow_245.ifoutpkt": "if_out_ucast_pkts",
        "sflow_245.ifoutmcast": "if_out_multicast_pkts", "sflow_245.ifoutbcast": "if_out_broadcast_pkts",
        "sflow_245.ifoutdisc": "if_out_discards", "sflow_245.ifouterr": "if_out_errors", "sflow_245.ifpromisc": "if_promiscuous_mode",
    },
    2: {
        f"sflow_245.dot3Stats{theirs}": ours for theirs, ours in {
            "AlignmentErrors": "alignment_errors", "FCSErrors": "fcs_errors", "SingleCollisionFrames": "single_collision_frames",
            "MultipleCollisionFrames": "multiple_collision_frames", "SQETestErrors": "sqe_test_errors",
            "DeferredTransmissions": "deferred_transmissions", "LateCollisions": "late_collisions", "ExcessiveCollisions": "excessive_collisions",
            "InternalMacTransmitErrors": "internal_mac_transmit_errors", "CarrierSenseErrors": "carrier_sense_errors",
            "FrameTooLongs": "frame_too_longs", "InternalMacReceiveErrors": "internal_mac_receive_errors", "SymbolErrors": "symbol_errors",
        }.items()
    },
    3: {
        f"sflow_245.dot5Stats{theirs}": ours for theirs, ours in {
            "LineErrors": "line_errors", "BurstErrors": "burst_errors", "ACErrors": "ac_errors", "AbortTransErrors": "abort_trans_errors",
            "InternalErrors": "internal_errors", "LostFrameErrors": "lost_frame_errors", "ReceiveCongestions": "receive_congestions",
            "FrameCopiedErrors": "frame_copied_errors", "TokenErrors": "token_errors", "SoftErrors": "soft_errors", "HardErrors": "hard_errors",
            "SignalLoss": "signal_loss", "TransmitBeacons": "transmit_beacons", "Recoveries": "recoverys", "LobeWires": "lobe_wires",
            "Removes": "removes", "Singles": "singles", "FreqErrors": "freq_errors",
        }.items()
    },
    4: {
        f"sflow_245.dot12{theirs}": ours for theirs, ours in {
            "InHighPriorityFrames": "in_high_priority_frames", "InHighPriorityOctets": "in_high_priority_octets",
            "InNormPriorityFrames": "in_norm_priority_frames", "InNormPriorityOctets": "in_norm_priority_octets", "InIPMErrors": "in_ipm_errors",
            "InOversizeFrameErrors": "in_oversize_frame_errors", "InDataErrors": "in_data_errors",
            "InNullAddressedFrames": "in_null_addressed_frames", "OutHighPriorityFrames": "out_high_priority_frames",
            "OutHighPriorityOctets": "out_high_priority_octets", "TransitionIntoTrainings": "transition_into_trainings",
            "HCInHighPriorityOctets": "hc_in_high_priority_octets", "HCInNormPriorityOctets": "hc_in_norm_priority_octets",
            "HCOutHighPriorityOctets": "hc_out_high_priority_octets",
        }.items()
    },
    5: {
        "sflow_245.vlan_id": "vlan_id", "sflow_245.octets": "octets", "sflow_245.ucastPkts": "ucast_pkts",
        "sflow_245.multicastPkts": "multicast_pkts", "sflow_245.broadcastPkts": "broadcast_pkts", "sflow_245.discards": "discards",
    },
    6: {
        f"sflow_5.dot11{theirs}Count": ours for theirs, ours in {
            "TransmittedFragment": "transmitted_fragments", "MulticastTransmittedFrame": "multicast_transmitted_frames", "Failed": "failed",
            "Retry": "retries", "MultipleRetry": "multiple_retries", "FrameDuplicate": "frame_duplicates", "RTSSuccess": "rts_successes",
            "RTSFailure": "rts_failures", "ACKFailure": "ack_failures", "ReceivedFragment": "received_fragments",
            "MulticastReceivedFrame": "multicast_received_frames", "FCSError": "fcs_errors", "TransmittedFrame": "transmitted_frames",
            "WEPUndecryptable": "wep_undecryptables", "QoSDiscardedFragment": "qos_discarded_fragments",
            "AssociatedStation": "associated_stations", "QoSCFPollsReceived": "qos_cf_polls_received", "QoSCFPollsUnused": "qos_cf_polls_unused",
            "QoSCFPollsUnusable": "qos_cf_polls_unusable", "QoSCFPollsLost": "qos_cf_polls_lost",
        }.items()
    },
    7: {
        f"sflow.lag_port.{theirs}": ours for theirs, ours in {
            "actor_system_id": "actor_system_id", "partner_oper_system_id": "partner_oper_system_id", "attached_agg_id": "attached_agg_id",
            "lacpdus.rx": "lacpdus_rx", "marker_pdus.rx": "marker_pdus_rx",
            "marker_response_pdus.rx": "marker_response_pdus_rx", "unknown.rx": "unknown_rx", "illegal.rx": "illegal_rx",
            "lacpdus.tx": "lacpdus_tx", "marker_pdus.tx": "marker_pdus_tx", "marker_response_pdus.tx": "marker_response_pdus_tx",
        }.items()
    },
    1002: {
        "sflow_5.elapsed_time": "elapsed_time_ms", "sflow_5.on_channel_time": "on_channel_time_ms",
        "sflow_5.channel_busy_time": "on_channel_busy_time_ms",
    },
}  # fmt: skip


def pcap(datagrams: Sequence[bytes], agent: str = "10.0.0.1") -> bytes:
    """Datagrams to port 6343 as a capture of Ethernet frames."""
    written = struct.pack("!IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 1)
    for number, datagram in enumerate(datagrams):
        udp = struct.pack("!HHHH", 50000, 6343, 8 + len(datagram), 0) + datagram
        ip = (
            struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
            + bytes(map(int, agent.split(".")))
            + bytes([10, 0, 0, 2])
            + udp
        )
        frame = bytes(12) + b"\x08\0" + ip
        written += struct.pack("!IIII", 1_700_000_000 + number, 0, len(frame), len(frame)) + frame
    return written


class Samples(list):
    """The samples of a datagram with their fields; each record is a dictionary under its format number.

    tshark 4.0 cannot skip a record that it does not know; ``is_lost`` is then true, and the rest of its output is ignored.
    """

    is_lost = False


def decoded(capture: Path) -> list[Samples]:
    """The samples of each datagram as tshark prints them."""
    argv = ["tshark", "-n", "-r", str(capture), "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-T", "pdml"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=300)
    return [_samples(packet.iter()) for packet in ElementTree.fromstring(done.stdout).iter("packet")]


def _samples(elements: Iterator[ElementTree.Element]) -> Samples:
    head: dict[str, Any] = {}
    samples = Samples()
    record: dict[str, Any] = {}
    known: dict[str, str] = {}
    layers: list[str] = []
    is_at_the_end = False
    for element in elements:
        name, value = element.get("name") or "", element.get("show") or ""
        if element.tag == "proto":
            layers.append(name)
            is_at_the_end = is_at_the_end or (name in _AT_THE_END and len(samples) > 1)
        elif is_at_the_end:
            continue
        elif name in HEAD and not samples:
            head[HEAD[name]] = value
        elif name == "sflow_245.sampletype":
            samples.append({"is_flow": value in ("1", "3")} | head)
            known = {}
        elif name in ("sflow_245.flow_record_format", "sflow_245.counters_record_format"):
            if "Unknown" in (element.get("showname") or ""):
                samples.is_lost = True
                break
            known = (IN_FLOW_RECORDS if samples[-1]["is_flow"] else IN_COUNTER_RECORDS).get(int(value), {})
            record = samples[-1].setdefault(value, {})
            layers = []
        elif samples and name in SAMPLE:
            samples[-1][SAMPLE[name]] = value
        elif name in known:
            record[known[name]] = value
        elif samples and name in PACKET and not element.get("hide"):
            _add(samples[-1], PACKET[name], value, layers)
    return samples


def _add(sample: dict[str, Any], name: str, value: str, layers: list[str]) -> None:
    """Add a field of the sampled packet in the last of these layers; layers after IP, other than the transport, are in a tunnel."""
    if "icmp" in layers[:-1] or "icmpv6" in layers[:-1]:
        return  # a field of the packet quoted in an ICMP error
    ends = [number for number, layer in enumerate(layers) if layer in ("ip", "ipv6")]
    inside = next((number for number, layer in enumerate(layers) if ends and number > ends[0] and layer in _INSIDE), None)
    if inside is not None:
        name, layers = f"inner_{name}", layers[inside:]
    tags = sum(layer in ("vlan", "ieee8021ad") for layer in layers)
    if "vlan" in name and tags > 1:
        name = name.replace("vlan_", f"vlan{tags}_")
    if "mpls" not in name or layers.count("mpls") == 1:
        sample[name] = value


def _ours_as_theirs(name: str, ours: Any) -> set[str]:
    """The values that tshark may print for one of ours."""
    if ours is None:
        return {str(2**32 - 1), str(2**64 - 1), str(2**30 - 1), "0"}  # unknown, or no interface
    if ours == "nothing":
        return set()
    if name.endswith("tcp_flags"):
        bits = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns")
        return {f"0x{sum(1 << bits.index(flag) for flag in ours.split('|') if flag != '0'):04x}"}
    if isinstance(ours, int) and name.endswith(("state", "tun_id")):
        return {str(ours), f"0x{ours:02x}", f"0x{ours:06x}", f"0x{ours:08x}"}
    if name.endswith("label"):
        return {str(ours), f"0x{int(str(ours), 16):06x}" if str(ours).startswith("0x") else ""}
    return {str(ours)}


def apart(data: bytes) -> list[bytes]:
    """Split a datagram of an agent with an IPv4 address into one for each of its samples."""
    found, offset = [], 28
    while offset < len(data):
        end = offset + 8 + struct.unpack_from("!I", data, offset + 4)[0]
        found.append(data[:24] + struct.pack("!I", 1) + data[offset:end])
        offset = end
    return found


def differences(datagrams: Sequence[bytes], directory: Path) -> tuple[int, list[str]]:
    """The number of fields that both decode, and those that differ."""
    capture = directory / "datagrams.pcap"
    capture.write_bytes(pcap(datagrams))
    compared, wrong = 0, []
    for number, (data, samples) in enumerate(zip(datagrams, decoded(capture), strict=True)):
        rows = list(decode(data).rows())
        if len(rows) != len(samples) and not samples.is_lost:
            wrong.append(f"datagram {number}: {len(rows)} samples instead of {len(samples)}")
        for ours, theirs in zip(rows, samples, strict=False):
            for name, value in _pairs(ours, theirs):
                compared += 1
                if value[1] not in _ours_as_theirs(name, value[0]):
                    wrong.append(f"datagram {number}, {name}: {value[0]!r} instead of {value[1]!r}")
    return compared, wrong


def _pairs(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[tuple[str, tuple[Any, str]]]:
    format_of_output = theirs.pop("output_format", "0")
    if format_of_output == "1":
        ours, theirs["output"] = ours | {"output": ours.get("drop_reason")}, reason(int(theirs["output"]))
    elif format_of_output == "2":
        ours = ours | {"output": ours.get("output_count")}
    names = {tag: structure.name for tag, structure in _structures(ours["kind"]).items()}
    for name, value in theirs.items():
        if isinstance(value, dict):
            record = ours.get(names.get(int(name), ""), {})
            yield from ((f"{name}.{field}", (record.get(field, "nothing"), said)) for field, said in value.items())
        elif name != "is_flow":
            yield name, (ours.get(name, "nothing"), value)


def _structures(kind: str) -> dict[int, Any]:
    return counter_records.STRUCTURES if kind == "counter" else flow_records.STRUCTURES
