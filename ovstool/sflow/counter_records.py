"""The records of counter samples (pure).

Structures and their numbers are those of sflow.org/developers/structures.php; fields have their names there, in snake case, with the unit as
suffix. A counter with all bits set is None: the agent does not support it (sFlow v5, section 5.3).
"""

import math
import struct
from collections.abc import Sequence
from typing import Any

from ovstool.sflow.xdr import FIXED, VARYING, Malformed, Record, mac, numbers, structures, told, words

_IF_COUNTERS = 1
DATAPATH = 2207  # ovs_dp_stats, which Open vSwitch alone sends
_COUNT = struct.Struct("!I")
_TWO = struct.Struct("!II")
_MAC = struct.Struct("!6s2x")
_LANE = struct.Struct("!10I")
_LANE_FIELDS = (
    *("index", "tx_bias_current_ua", "tx_power_uw", "tx_power_min_uw", "tx_power_max_uw", "tx_wavelength_nm"),
    *("rx_power_uw", "rx_power_min_uw", "rx_power_max_uw", "rx_wavelength_nm"),
)


def _adapters(body: bytes, offset: int) -> tuple[list[dict[str, Any]], int]:
    """The interfaces of a host, each with its MAC addresses. Raises Malformed."""
    (count,) = _COUNT.unpack_from(body, offset)
    offset += _COUNT.size
    found = []
    for _ in range(count):
        if_index, addresses = _TWO.unpack_from(body, offset)
        offset += _TWO.size
        stop = offset + addresses * _MAC.size
        if stop > len(body):
            raise Malformed(f"truncated: {addresses} addresses announced, room for {(len(body) - offset) // _MAC.size}")
        found.append({"if_index": if_index, "macs": [mac(octets) for (octets,) in _MAC.iter_unpack(body[offset:stop])]})
        offset = stop
    return found, offset


def _lanes(body: bytes, offset: int) -> tuple[list[dict[str, int]], int]:
    """The lanes of an optical module. Raises Malformed."""
    (count,) = _COUNT.unpack_from(body, offset)
    offset += _COUNT.size
    stop = offset + count * _LANE.size
    if stop > len(body):
        raise Malformed(f"truncated: {count} lanes announced, room for {(len(body) - offset) // _LANE.size}")
    return [dict(zip(_LANE_FIELDS, values, strict=True)) for values in _LANE.iter_unpack(body[offset:stop])], stop


def _percent(hundredths: int) -> float | None:
    return None if hundredths == 0xFFFFFFFF else hundredths / 100


def _percents(body: bytes, offset: int) -> tuple[list[float | None], int]:
    found, offset = numbers(body, offset)
    return [_percent(hundredths) for hundredths in found], offset


def _load(value: float) -> float | None:
    """A load average; None if negative (unknown), infinite or NaN."""
    return round(value, 2) if math.isfinite(value) and value >= 0 else None


_FIXED = FIXED | {
    "percent": ("I", _percent), "load": ("f", _load), "tenths": ("i", lambda tenths: tenths / 10),
    "thousandths": ("i", lambda thousandths: thousandths / 1000), "dpid": ("Q", "{:016x}".format),
    "duplex": ("I", words("unknown", "full-duplex", "half-duplex", "in", "out")),
    "machine": ("I", words("unknown", "other", "x86", "x86_64", "ia64", "sparc", "alpha", "powerpc", "m68k", "mips", "arm", "hppa", "s390")),
    "os": ("I", words("unknown", "other", "linux", "windows", "darwin", "hpux", "aix", "dragonfly", "freebsd", "netbsd", "openbsd", "osf",
                      "solaris")),
    "domain": ("I", words("nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed")),
}  # fmt: skip
_VARYING = VARYING | {"adapters": _adapters, "lanes": _lanes, "percents": _percents}
_NET_IO = "{0}_bytes:n64 {0}_packets {0}_errors {0}_drops {1}_bytes:n64 {1}_packets {1}_errors {1}_drops".format("in", "out")
_MEMCACHE_HITS = "incr_hits incr_misses decr_hits decr_misses cas_hits cas_misses cas_badval auth_cmds auth_errors"

STRUCTURES = structures(
    f"""
    1 if_counters if_index:u32 if_type:u32 if_speed_bps:n64 if_direction:duplex if_status if_in_octets:n64 if_in_ucast_pkts \
      if_in_multicast_pkts if_in_broadcast_pkts if_in_discards if_in_errors if_in_unknown_protos if_out_octets:n64 if_out_ucast_pkts \
      if_out_multicast_pkts if_out_broadcast_pkts if_out_discards if_out_errors if_promiscuous_mode
    2 ethernet_counters alignment_errors fcs_errors single_collision_frames multiple_collision_frames sqe_test_errors deferred_transmissions \
      late_collisions excessive_collisions internal_mac_transmit_errors carrier_sense_errors frame_too_longs internal_mac_receive_errors \
      symbol_errors
    3 tokenring_counters line_errors burst_errors ac_errors abort_trans_errors internal_errors lost_frame_errors receive_congestions \
      frame_copied_errors token_errors soft_errors hard_errors signal_loss transmit_beacons recoverys lobe_wires removes singles freq_errors
    4 vg_counters in_high_priority_frames in_high_priority_octets:n64 in_norm_priority_frames in_norm_priority_octets:n64 in_ipm_errors \
      in_oversize_frame_errors in_data_errors in_null_addressed_frames out_high_priority_frames out_high_priority_octets:n64 \
      transition_into_trainings hc_in_high_priority_octets:n64 hc_in_norm_priority_octets:n64 hc_out_high_priority_octets:n64
    5 vlan_counters vlan_id:u32 octets:n64 ucast_pkts multicast_pkts broadcast_pkts discards
    6 ieee80211_counters transmitted_fragments multicast_transmitted_frames failed retries multiple_retries frame_duplicates rts_successes \
      rts_failures ack_failures received_fragments multicast_received_frames fcs_errors transmitted_frames wep_undecryptables \
      qos_discarded_fragments associated_stations qos_cf_polls_received qos_cf_polls_unused qos_cf_polls_unusable qos_cf_polls_lost
    7 lag_port_stats actor_system_id:mac partner_oper_system_id:mac attached_agg_id:u32 actor_admin_state:u8 actor_oper_state:u8 \
      partner_admin_state:u8 partner_oper_state:u8 lacpdus_rx marker_pdus_rx marker_response_pdus_rx unknown_rx illegal_rx lacpdus_tx \
      marker_pdus_tx marker_response_pdus_tx
    8 slow_path_counts unknown other cam_miss cam_full no_hw_support cntrl
    9 ib_counters port_xmit_pkts:n64 port_rcv_pkts:n64 symbol_errors link_error_recoveries link_downed port_rcv_errors \
      port_rcv_remote_physical_errors port_rcv_switch_relay_errors port_xmit_discards port_xmit_constraint_errors \
      port_rcv_constraint_errors local_link_integrity_errors excessive_buffer_overrun_errors vl15_dropped
    10 sfp module_id:u32 module_num_lanes:u32 module_supply_voltage_mv module_temperature_celsius:thousandths lanes:lanes
    11 pfc requests indications pause_duration_us storm_detected storm_restored
    1001 processor cpu_5s_percent:percent cpu_1m_percent:percent cpu_5m_percent:percent total_memory_bytes:n64 free_memory_bytes:n64
    1002 radio_utilization elapsed_time_ms on_channel_time_ms on_channel_busy_time_ms
    1003 queue_length queue_index:u32 segment_bytes queue_segments length_0 length_1 length_2 length_4 length_8 length_32 length_128 \
      length_1024 length_more dropped
    1004 of_port datapath_id:dpid port_no:u32
    1005 port_name name:text
    2000 host_descr hostname:text uuid:uuid machine_type:machine os_name:os os_release:text
    2001 host_adapters adapters:adapters
    2002 host_parent container_type:u32 container_index:u32
    2003 host_cpu load_1m:load load_5m:load load_15m:load proc_run proc_total cpu_num cpu_speed_mhz uptime_s cpu_user_ms cpu_nice_ms \
      cpu_system_ms cpu_idle_ms cpu_wio_ms cpu_intr_ms cpu_sintr_ms interrupts contexts | cpu_steal_ms cpu_guest_ms cpu_guest_nice_ms
    2004 host_memory mem_total_bytes:n64 mem_free_bytes:n64 mem_shared_bytes:n64 mem_buffers_bytes:n64 mem_cached_bytes:n64 \
      swap_total_bytes:n64 swap_free_bytes:n64 page_in page_out swap_in swap_out
    2005 host_disk_io disk_total_bytes:n64 disk_free_bytes:n64 part_max_used_percent:percent reads read_bytes:n64 read_time_ms writes \
      written_bytes:n64 write_time_ms
    2006 host_net_io {_NET_IO}
    2007 mib2_ip_group forwarding default_ttl in_receives in_hdr_errors in_addr_errors forw_datagrams in_unknown_protos in_discards in_delivers \
      out_requests out_discards out_no_routes reasm_timeout_s reasm_reqds reasm_oks reasm_fails frag_oks frag_fails frag_creates
    2008 mib2_icmp_group in_msgs in_errors in_dest_unreachs in_time_excds in_param_probs in_src_quenchs in_redirects in_echos in_echo_reps \
      in_timestamps in_addr_masks in_addr_mask_reps out_msgs out_errors out_dest_unreachs out_time_excds out_param_probs out_src_quenchs \
      out_redirects out_echos out_echo_reps out_timestamps out_timestamp_reps out_addr_masks out_addr_mask_reps
    2009 mib2_tcp_group rto_algorithm rto_min_ms rto_max_ms max_conn active_opens passive_opens attempt_fails estab_resets curr_estab in_segs \
      out_segs retrans_segs in_errs out_rsts | in_csum_errs
    2010 mib2_udp_group in_datagrams no_ports in_errors out_datagrams rcvbuf_errors sndbuf_errors | in_csum_errors
    2100 virt_node cpu_speed_mhz cpus memory_bytes:n64 memory_free_bytes:n64 num_domains
    2101 virt_cpu state:domain cpu_time_ms virt_cpus
    2102 virt_memory memory_bytes:n64 max_memory_bytes:n64
    2103 virt_disk_io capacity_bytes:n64 allocation_bytes:n64 physical_bytes:n64 read_requests read_bytes:n64 write_requests \
      written_bytes:n64 errors
    2104 virt_net_io {_NET_IO}
    2105 jvm_runtime vm_name:text vm_vendor:text vm_version:text
    2106 jvm_statistics heap_initial_bytes:n64 heap_used_bytes:n64 heap_committed_bytes:n64 heap_max_bytes:n64 non_heap_initial_bytes:n64 \
      non_heap_used_bytes:n64 non_heap_committed_bytes:n64 non_heap_max_bytes:n64 gc_count gc_time_ms classes_loaded classes_total \
      classes_unloaded compilation_time_ms threads_live threads_daemon threads_started | fds_open fds_max
    2200 memcached_counters uptime_s rusage_user_ms rusage_system_ms curr_connections total_connections connection_structures cmd_get cmd_set \
      cmd_flush get_hits get_misses delete_misses delete_hits incr_misses incr_hits decr_misses decr_hits cas_misses cas_hits cas_badval \
      auth_cmds auth_errors bytes_read:n64 bytes_written:n64 limit_max_bytes accepting_conns listen_disabled threads conn_yields \
      bytes:n64 curr_items total_items evictions
    2201 http_counters method_option method_get method_head method_post method_put method_delete method_trace method_connect method_other \
      status_1xx status_2xx status_3xx status_4xx status_5xx status_other
    2202 app_operations application:text success other timeout internal_error bad_request forbidden too_large not_implemented not_found \
      unavailable unauthorized
    2203 app_resources user_time_ms system_time_ms mem_used_bytes:n64 mem_max_bytes:n64 fd_open fd_max conn_open conn_max
    2204 memcache_counters cmd_set cmd_touch cmd_flush get_hits get_misses delete_hits delete_misses {_MEMCACHE_HITS} threads conn_yields \
      listen_disabled curr_connections rejected_connections total_connections connection_structures evictions reclaimed curr_items \
      total_items bytes_read:n64 bytes_written:n64 bytes:n64 limit_max_bytes:n64
    2205 vdi_counters sessions_current sessions_total sessions_duration_s rx_bytes tx_bytes rx_packets tx_packets rx_packets_lost tx_packets_lost \
      rtt_min_ms rtt_max_ms rtt_avg_ms audio_rx_bytes audio_tx_bytes audio_tx_limit_bps img_rx_bytes img_tx_bytes img_frames img_qual_min \
      img_qual_max img_qual_avg usb_rx_bytes usb_tx_bytes
    2206 app_workers workers_active workers_idle workers_max req_delayed req_dropped
    2207 ovs_dp_stats hits misses lost mask_hits flows masks
    3000 energy voltage_mv current_ma real_power_mw power_factor:s32 energy_mj errors
    3001 temperature minimum_celsius:tenths maximum_celsius:tenths errors
    3002 humidity relative_percent:s32
    3003 fans total failed speed_percent
    4413:1 bst_device_buffers uc_percent:percent mc_percent:percent
    4413:2 bst_port_buffers ingress_uc_percent:percent ingress_mc_percent:percent egress_uc_percent:percent egress_mc_percent:percent \
      egress_queue_uc_percent:percents egress_queue_mc_percent:percents
    4413:3 hw_tables host_entries host_entries_max ipv4_entries ipv4_entries_max ipv6_entries ipv6_entries_max ipv4_ipv6_entries \
      ipv4_ipv6_entries_max long_ipv6_entries long_ipv6_entries_max total_routes total_routes_max ecmp_nexthops ecmp_nexthops_max \
      mac_entries mac_entries_max ipv4_neighbors ipv6_neighbors ipv4_routes ipv6_routes acl_ingress_entries acl_ingress_entries_max \
      acl_ingress_counters acl_ingress_counters_max acl_ingress_meters acl_ingress_meters_max acl_ingress_slices acl_ingress_slices_max \
      acl_egress_entries acl_egress_entries_max acl_egress_counters acl_egress_counters_max acl_egress_meters acl_egress_meters_max \
      acl_egress_slices acl_egress_slices_max
    5703:1 nvidia_gpu device_count processes gpu_time_ms mem_time_ms mem_total_bytes:n64 mem_free_bytes:n64 ecc_errors energy_mj \
      temperature_celsius fan_speed_percent
    """,
    "n32",
    _FIXED,
    _VARYING,
)
KNOWN = frozenset(STRUCTURES)


def fields(found: Sequence[Record]) -> dict[str, Any]:
    """The fields of records, each under the name of its structure, as in ``xdr.told``."""
    return told(found, _read, {})


def _read(record: Record) -> tuple[str, Any] | None:
    """The name and fields of a record, None if its format is unknown. Raises Malformed."""
    structure = STRUCTURES.get(record.tag)
    if structure is None:
        return None
    row = structure.read(record.body)
    return structure.name, _with_states(row) if record.tag == _IF_COUNTERS else row


def _with_states(row: dict[str, Any]) -> dict[str, Any]:
    """Add the administrative and the operational state as words; ``if_status`` has a bit for each."""
    status = row["if_status"]
    states = ("down", "up")
    admin, oper = (None, None) if status is None else (states[status & 1], states[status >> 1 & 1])
    return row | {"if_admin_status": admin, "if_oper_status": oper}
