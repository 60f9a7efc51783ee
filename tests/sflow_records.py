"""Each record type of flow and counter samples, built from its specification, with its name and fields."""

import struct

import sflow_datagrams as spec
from sflow_datagrams import address, numbers, opaque

UNKNOWN = 0xFFFFFFFF
FRAME = spec.ethernet(0x0800, spec.ipv4(6, spec.tcp()), [(0x8100, 100)])


def words(*values: int) -> bytes:
    return struct.pack(f"!{len(values)}I", *values)


def hypers(*values: int) -> bytes:
    return struct.pack(f"!{len(values)}Q", *values)


MAC = bytes.fromhex("0200000000010000")  # a string as XDR encodes it, padded to four bytes
ETHERNET = words(1500) + MAC + MAC + words(0x0800)
ETHERNET_SAYS = {"frame_bytes": 1500, "eth_src": "02:00:00:00:00:01", "eth_dst": "02:00:00:00:00:01", "eth_type": "0x0800"}
IPV4 = words(1480, 6) + bytes([10, 0, 0, 1, 10, 0, 0, 2]) + words(40000, 443, 0x12, 0xB8)
IPV4_SAYS = {
    "ip_bytes": 1480, "ip_proto": 6, "ip_src": "10.0.0.1", "ip_dst": "10.0.0.2", "src_port": 40000, "dst_port": 443, "tcp_flags": "syn|ack",
    "ip_tos": 184,
}  # fmt: skip
SIX = bytes.fromhex("20010db8000000000000000000000001")
IPV6 = words(1480, 17) + SIX + SIX + words(40000, 53, 0, 9)
IPV6_SAYS = {
    "ip_bytes": 1480, "ip_proto": 17, "ipv6_src": "2001:db8::1", "ipv6_dst": "2001:db8::1", "src_port": 40000, "dst_port": 53, "tcp_flags": "0",
    "ip_priority": 9,
}  # fmt: skip
SOCKET = bytes([10, 0, 0, 1, 10, 0, 0, 2]) + words(80, 40000)
SOCKET_SAYS = {"ip_proto": 6, "local_ip": "10.0.0.1", "remote_ip": "10.0.0.2", "local_port": 80, "remote_port": 40000}
SOCKET6_SAYS = SOCKET_SAYS | {"local_ip": "2001:db8::1", "remote_ip": "2001:db8::1"}
STACK = numbers(0x81006064, 0x88A80007)
STACK_SAYS = {"stack": [{"vid": 100, "pcp": 3, "tpid": "0x8100"}, {"vid": 7, "pcp": 0, "tpid": "0x88a8"}]}
SNAP = bytes.fromhex("aaaa030000000800") + spec.ipv4(6, spec.tcp())
REQUEST = opaque("ref") + opaque("curl") + opaque("1.2.3.4") + opaque("me") + opaque("text/html") + hypers(10, 2**40) + words(250, 404)
REQUEST_SAYS = {
    "referer": "ref", "user_agent": "curl", "x_forwarded_for": "1.2.3.4", "user": "me", "mime_type": "text/html", "request_bytes": 10,
    "response_bytes": 2**40, "duration_us": 250, "status": 404,
}  # fmt: skip
TIMES = (
    "navigation_start unload_event_start unload_event_end redirect_start redirect_end fetch_start domain_lookup_start domain_lookup_end "
    "connect_start connect_end secure_connection_start request_start response_start response_end dom_loading dom_interactive "
    "dom_content_loaded_event_start dom_content_loaded_event_end dom_complete load_event_start load_event_end"
).split()

FLOW = {
    2: (ETHERNET, "sampled_ethernet", ETHERNET_SAYS),
    3: (IPV4, "sampled_ipv4", IPV4_SAYS),
    4: (IPV6, "sampled_ipv6", IPV6_SAYS),
    1001: (words(10, 3, 20, UNKNOWN), "extended_switch", {"src_vlan": 10, "src_priority": 3, "dst_vlan": 20, "dst_priority": None}),
    1002: (address("2001:db8::9") + words(24, 16), "extended_router", {"next_hop": "2001:db8::9", "src_mask_bits": 24, "dst_mask_bits": 16}),
    1003: (
        address("192.0.2.9") + words(65000, 65001, 65002, 2) + words(2) + numbers(65010, 65011) + words(1) + numbers(65020, 65021)
        + numbers(65000 << 16 | 100, 0xFFFFFF01) + words(150),
        "extended_gateway",
        {"next_hop": "192.0.2.9", "as": 65000, "src_as": 65001, "src_peer_as": 65002, "dst_as_path": [65010, 65011, [65020, 65021]],
         "communities": ["65000:100", "65535:65281"], "local_pref": 150},
    ),
    1004: (
        words(106) + opaque("jörg") + words(0) + opaque(b"\xff\x00x"), "extended_user",
        {"src_charset": 106, "src_user": "jörg", "dst_charset": 0, "dst_user": "�\0x"},
    ),
    1005: (words(2) + opaque("/a?b") + opaque("example.org"), "extended_url", {"direction": "dst", "url": "/a?b", "host": "example.org"}),
    1006: (
        address(None) + numbers(100 << 12 | 5 << 9 | 64, 200 << 12 | 1 << 8 | 63) + numbers(), "extended_mpls",
        {"next_hop": None, "in_stack": [{"label": 100, "tc": 5, "bos": 0, "ttl": 64}, {"label": 200, "tc": 0, "bos": 1, "ttl": 63}],
         "out_stack": []},
    ),
    1007: (address("10.0.0.1") + address("192.0.2.1"), "extended_nat", {"src_address": "10.0.0.1", "dst_address": "192.0.2.1"}),
    1008: (opaque("lsp1") + words(7, 3), "extended_mpls_tunnel", {"tunnel_lsp_name": "lsp1", "tunnel_id": 7, "tunnel_cos": 3}),
    1009: (opaque("vc") + words(8, 4), "extended_mpls_vc", {"vc_instance_name": "vc", "vll_vc_id": 8, "vc_label_cos": 4}),
    1010: (opaque("fec") + words(5), "extended_mpls_ftn", {"mpls_ftn_descr": "fec", "mpls_ftn_mask": 5}),
    1011: (words(24), "extended_mpls_ldp_fec", {"mpls_fec_addr_prefix_bits": 24}),
    1012: (STACK, "extended_vlantunnel", STACK_SAYS),
    1013: (
        bytes.fromhex("000fac04") + opaque(SNAP), "extended_80211_payload",
        {"cipher_suite": "00:0f:ac:04", "payload": {
            "eth_type": "0x0800", "ip_src": "10.0.0.1", "ip_dst": "10.0.0.2", "ip_proto": 6, "ip_dscp": 0, "ip_ecn": 0, "nw_ttl": 64, "ip_bytes": 40,
            "tcp_src": 40000, "tcp_dst": 443, "tcp_flags": "syn|ack"}},
    ),
    1014: (
        opaque("lobby") + MAC + words(4, 36) + hypers(300_000_000) + words(20, 110, 44), "extended_80211_rx",
        {"ssid": "lobby", "bssid": "02:00:00:00:00:01", "version": "n", "channel": 36, "speed_bps": 300_000_000, "rsni": 20, "rcpi": 110,
         "packet_duration_us": 44},
    ),
    1015: (
        opaque("lobby") + MAC + words(9, 2, 44, 55, 36) + hypers(54_000_000) + words(100), "extended_80211_tx",
        {"ssid": "lobby", "bssid": "02:00:00:00:00:01", "version": "9", "transmissions": 2, "packet_duration_us": 44, "retrans_duration_us": 55,
         "channel": 36, "speed_bps": 54_000_000, "power_mw": 100},
    ),
    1016: (
        words(2, 1) + spec.record(1001, words(1, 2, 3, 4)) + words(2) + spec.record(2, ETHERNET) + spec.record(1, words(1, 60, 4) + opaque(b"")),
        "extended_80211_aggregation",
        {"pdus": [
            {"extended_switch": {"src_vlan": 1, "src_priority": 2, "dst_vlan": 3, "dst_priority": 4}},
            {"header_protocol": "ethernet", "frame_bytes": 60, "stripped_bytes": 4, "header_bytes": 0, "sampled_ethernet": ETHERNET_SAYS}]},
    ),
    1017: (hypers(2**63) + words(1, 2), "extended_openflow_v1", {"flow_cookie": 2**63, "flow_match": 1, "flow_actions": 2}),
    1018: (words(8, 16, 0x010203, 7), "extended_fc", {"src_mask_bits": 8, "dst_mask_bits": 16, "next_hop": 0x010203, "metric": 7}),
    1019: (words(2, 17), "extended_queue_length", {"queue_index": 2, "queue_length_segments": 17}),
    1020: (words(80, 8080), "extended_nat_port", {"src_port": 80, "dst_port": 8080}),
    1021: (ETHERNET, "extended_l2_tunnel_egress", ETHERNET_SAYS),
    1022: (ETHERNET, "extended_l2_tunnel_ingress", ETHERNET_SAYS),
    1023: (IPV4, "extended_ipv4_tunnel_egress", IPV4_SAYS),
    1024: (IPV4, "extended_ipv4_tunnel_ingress", IPV4_SAYS),
    1025: (IPV6, "extended_ipv6_tunnel_egress", IPV6_SAYS),
    1026: (IPV6, "extended_ipv6_tunnel_ingress", IPV6_SAYS),
    1027: (words(50), "extended_decapsulate_egress", {"inner_header_offset_bytes": 50}),
    1028: (words(50), "extended_decapsulate_ingress", {"inner_header_offset_bytes": 50}),
    1029: (words(0x1234), "extended_vni_egress", {"vni": 0x1234}),
    1030: (words(0x1234), "extended_vni_ingress", {"vni": 0x1234}),
    1031: (
        words(*range(1, 11)), "extended_ib_lrh",
        {"src_vl": 1, "src_sl": 2, "src_dlid": 3, "src_slid": 4, "src_lnh": 5, "dst_vl": 6, "dst_sl": 7, "dst_dlid": 8, "dst_slid": 9, "dst_lnh": 10},
    ),
    1032: (
        words(1, 2) + SIX + SIX + words(3, 4), "extended_ib_grh",
        {"flow_label": 1, "tc": 2, "s_gid": "2001:db8::1", "d_gid": "2001:db8::1", "next_header": 3, "length_bytes": 4},
    ),
    1033: (words(1, 2, 3), "extended_ib_bth", {"pkey": 1, "dst_qp": 2, "opcode": 3}),
    1034: (STACK, "extended_vlanin", STACK_SAYS),
    1035: (STACK, "extended_vlanout", STACK_SAYS),
    1036: (words(5), "extended_egress_queue", {"queue": 5}),
    1037: (words(101) + opaque("deny") + words(1), "extended_acl", {"number": 101, "name": "deny", "direction": "ingress"}),
    1038: (opaque("tcp_v4_rcv+0x17"), "extended_function", {"symbol": "tcp_v4_rcv+0x17"}),
    1039: (words(UNKNOWN), "extended_transit", {"delay_ns": UNKNOWN}),
    1040: (words(9000), "extended_queue", {"depth_bytes": 9000}),
    1041: (opaque("l2_drops") + opaque("ingress_vlan_filter"), "extended_hw_trap", {"group": "l2_drops", "trap": "ingress_vlan_filter"}),
    1042: (opaque("NO_SOCKET"), "extended_linux_drop_reason", {"reason": "NO_SOCKET"}),
    1043: (hypers(1_700_000_000_000_000_001), "extended_timestamp", {"time_ns": 1_700_000_000_000_000_001}),
    2000: (
        words(2, 10, 20, 3) + hypers(100, 200), "transaction",
        {"direction": "server", "wait_us": 10, "duration_us": 20, "status": "timeout", "received_bytes": 100, "sent_bytes": 200},
    ),
    2001: (opaque("/srv/a") + words(9, 70), "extended_nfs_storage_transaction", {"path": "/srv/a", "operation": 9, "status": 70}),
    2002: (words(1, 40, 2), "extended_scsi_storage_transaction", {"lun": 1, "operation": 40, "status": 2}),
    2003: (
        opaque("GET / HTTP/1.1") + opaque("h") + opaque("r") + opaque("a") + opaque("u") + words(200), "extended_http_transaction",
        {"url": "GET / HTTP/1.1", "host": "h", "referer": "r", "user_agent": "a", "user": "u", "status": 200},
    ),
    2100: (words(6) + SOCKET, "extended_socket_ipv4", SOCKET_SAYS),
    2101: (words(6) + SIX + SIX + words(80, 40000), "extended_socket_ipv6", SOCKET6_SAYS),
    2102: (words(6) + SOCKET, "extended_proxy_socket_ipv4", SOCKET_SAYS),
    2103: (words(6) + SIX + SIX + words(80, 40000), "extended_proxy_socket_ipv6", SOCKET6_SAYS),
    2200: (
        words(2, 7) + opaque("k") + words(1, 100, 50, 8), "memcache_operation",
        {"protocol": "binary", "command": "get", "key": "k", "keys": 1, "value_bytes": 100, "duration_us": 50, "status": "not_found"},
    ),
    2201: (words(2) + opaque("/") + opaque("h") + REQUEST, "http_request_v1", {"method": "get", "uri": "/", "host": "h"} | REQUEST_SAYS),
    2202: (
        opaque("shop") + opaque("pay") + opaque("x=1") + opaque("no card") + hypers(1, 2) + words(30, 4), "app_operation",
        {"application": "shop", "operation": "pay", "attributes": "x=1", "status_descr": "no card", "request_bytes": 1, "response_bytes": 2,
         "duration_us": 30, "status": "bad_request"},
    ),
    2203: (opaque("shop") + opaque("pay") + opaque(""), "app_parent_context", {"application": "shop", "operation": "pay", "attributes": ""}),
    2204: (opaque("alice"), "app_initiator", {"actor": "alice"}),
    2205: (opaque("bob"), "app_target", {"actor": "bob"}),
    2206: (
        words(4, 1001) + opaque("/") + opaque("h") + REQUEST, "http_request",
        {"method": "post", "protocol": 1001, "uri": "/", "host": "h"} | REQUEST_SAYS,
    ),
    2207: (opaque("/b") + opaque("inside"), "extended_proxy_request", {"uri": "/b", "host": "inside"}),
    2208: (
        words(*range(23)), "extended_nav_timing",
        {"type": 0, "redirect_count": 1} | {f"{name}_ms": number for number, name in enumerate(TIMES, 2)},
    ),
    2209: (
        words(1, 1448, 536, 3, 4, 5, 1500, 700, 80, 10, 3, 600), "extended_tcp_info",
        {"direction": "received", "snd_mss_bytes": 1448, "rcv_mss_bytes": 536, "unacked": 3, "lost": 4, "retrans": 5, "pmtu_bytes": 1500,
         "rtt_us": 700, "rttvar_us": 80, "snd_cwnd": 10, "reordering": 3, "min_rtt_us": 600},
    ),
    2210: (words(0, 1, 3, 100001), "extended_entities", {"src_type": 0, "src_index": 1, "dst_type": 3, "dst_index": 100001}),
    4413 << 12 | 1: (words(3), "extended_bst_egress_queue", {"queue": 3}),
}  # fmt: skip


def numbered(name: str, fields: str) -> tuple[bytes, str, dict]:
    """A record whose numbers count up in steps of 1000; ``*`` marks those of 64 bits."""
    row = {field.strip("*"): number * 1000 for number, field in enumerate(fields.split(), 1)}
    sizes = ["Q" if field.endswith("*") else "I" for field in fields.split()]
    return struct.pack("!" + "".join(sizes), *row.values()), name, row


NET_IO = "in_bytes* in_packets in_errors in_drops out_bytes* out_packets out_errors out_drops"
IF_COUNTERS = (5, 6, 10**10, 1, 3, 2**40, 11, 12, 13, 14, 15, UNKNOWN, 2**64 - 1, 21, 22, 23, 24, 25, 0)
CPU = struct.pack("!3f", 0.5, 1.25, -1.0) + words(*range(4, 18))
CPU_SAYS = {
    "load_1m": 0.5, "load_5m": 1.25, "load_15m": None, "proc_run": 4, "proc_total": 5, "cpu_num": 6, "cpu_speed_mhz": 7, "uptime_s": 8,
    "cpu_user_ms": 9, "cpu_nice_ms": 10, "cpu_system_ms": 11, "cpu_idle_ms": 12, "cpu_wio_ms": 13, "cpu_intr_ms": 14, "cpu_sintr_ms": 15,
    "interrupts": 16, "contexts": 17,
}  # fmt: skip
LANE = {
    "index": 1, "tx_bias_current_ua": 6000, "tx_power_uw": 500, "tx_power_min_uw": 400, "tx_power_max_uw": 600, "tx_wavelength_nm": 850,
    "rx_power_uw": 501, "rx_power_min_uw": 401, "rx_power_max_uw": 601, "rx_wavelength_nm": 851,
}  # fmt: skip

COUNTERS = {
    1: (
        struct.pack("!IIQIIQ6IQ6I", *IF_COUNTERS), "if_counters",
        {"if_index": 5, "if_type": 6, "if_speed_bps": 10**10, "if_direction": "full-duplex", "if_status": 3, "if_in_octets": 2**40,
         "if_in_ucast_pkts": 11, "if_in_multicast_pkts": 12, "if_in_broadcast_pkts": 13, "if_in_discards": 14, "if_in_errors": 15,
         "if_in_unknown_protos": None, "if_out_octets": None, "if_out_ucast_pkts": 21, "if_out_multicast_pkts": 22, "if_out_broadcast_pkts": 23,
         "if_out_discards": 24, "if_out_errors": 25, "if_promiscuous_mode": 0, "if_admin_status": "up", "if_oper_status": "up"},
    ),
    2: numbered(
        "ethernet_counters",
        "alignment_errors fcs_errors single_collision_frames multiple_collision_frames sqe_test_errors deferred_transmissions late_collisions "
        "excessive_collisions internal_mac_transmit_errors carrier_sense_errors frame_too_longs internal_mac_receive_errors symbol_errors",
    ),
    3: numbered(
        "tokenring_counters",
        "line_errors burst_errors ac_errors abort_trans_errors internal_errors lost_frame_errors receive_congestions frame_copied_errors "
        "token_errors soft_errors hard_errors signal_loss transmit_beacons recoverys lobe_wires removes singles freq_errors",
    ),
    4: numbered(
        "vg_counters",
        "in_high_priority_frames in_high_priority_octets* in_norm_priority_frames in_norm_priority_octets* in_ipm_errors in_oversize_frame_errors "
        "in_data_errors in_null_addressed_frames out_high_priority_frames out_high_priority_octets* transition_into_trainings "
        "hc_in_high_priority_octets* hc_in_norm_priority_octets* hc_out_high_priority_octets*",
    ),
    5: numbered("vlan_counters", "vlan_id octets* ucast_pkts multicast_pkts broadcast_pkts discards"),
    6: numbered(
        "ieee80211_counters",
        "transmitted_fragments multicast_transmitted_frames failed retries multiple_retries frame_duplicates rts_successes rts_failures "
        "ack_failures received_fragments multicast_received_frames fcs_errors transmitted_frames wep_undecryptables qos_discarded_fragments "
        "associated_stations qos_cf_polls_received qos_cf_polls_unused qos_cf_polls_unusable qos_cf_polls_lost",
    ),
    7: (
        MAC + MAC + words(9) + bytes([1, 2, 3, 4]) + words(*range(11, 19)), "lag_port_stats",
        {"actor_system_id": "02:00:00:00:00:01", "partner_oper_system_id": "02:00:00:00:00:01", "attached_agg_id": 9, "actor_admin_state": 1,
         "actor_oper_state": 2, "partner_admin_state": 3, "partner_oper_state": 4, "lacpdus_rx": 11, "marker_pdus_rx": 12,
         "marker_response_pdus_rx": 13, "unknown_rx": 14, "illegal_rx": 15, "lacpdus_tx": 16, "marker_pdus_tx": 17, "marker_response_pdus_tx": 18},
    ),
    8: numbered("slow_path_counts", "unknown other cam_miss cam_full no_hw_support cntrl"),
    9: numbered(
        "ib_counters",
        "port_xmit_pkts* port_rcv_pkts* symbol_errors link_error_recoveries link_downed port_rcv_errors port_rcv_remote_physical_errors "
        "port_rcv_switch_relay_errors port_xmit_discards port_xmit_constraint_errors port_rcv_constraint_errors local_link_integrity_errors "
        "excessive_buffer_overrun_errors vl15_dropped",
    ),
    10: (
        words(1, 4, 3300) + struct.pack("!i", -1500) + words(2, *LANE.values(), *LANE.values()), "sfp",
        {"module_id": 1, "module_num_lanes": 4, "module_supply_voltage_mv": 3300, "module_temperature_celsius": -1.5, "lanes": [LANE, LANE]},
    ),
    11: numbered("pfc", "requests indications pause_duration_us storm_detected storm_restored"),
    1001: (
        words(1234, 100, UNKNOWN) + hypers(2**34, 2**33), "processor",
        {"cpu_5s_percent": 12.34, "cpu_1m_percent": 1.0, "cpu_5m_percent": None, "total_memory_bytes": 2**34, "free_memory_bytes": 2**33},
    ),
    1002: numbered("radio_utilization", "elapsed_time_ms on_channel_time_ms on_channel_busy_time_ms"),
    1004: (hypers(0x0000020000000001) + words(65534), "of_port", {"datapath_id": "0000020000000001", "port_no": 65534}),
    1005: (opaque("eth1"), "port_name", {"name": "eth1"}),
    2000: (
        opaque("web1") + bytes(range(16)) + words(3, 2) + opaque("6.1.0"), "host_descr",
        {"hostname": "web1", "uuid": "00010203-0405-0607-0809-0a0b0c0d0e0f", "machine_type": "x86_64", "os_name": "linux", "os_release": "6.1.0"},
    ),
    2001: (
        words(2, 1, 2) + MAC + MAC + words(7, 0), "host_adapters",
        {"adapters": [{"if_index": 1, "macs": ["02:00:00:00:00:01"] * 2}, {"if_index": 7, "macs": []}]},
    ),
    2002: (words(2, 1), "host_parent", {"container_type": 2, "container_index": 1}),
    2003: (CPU + words(18, 19, 20), "host_cpu", CPU_SAYS | {"cpu_steal_ms": 18, "cpu_guest_ms": 19, "cpu_guest_nice_ms": 20}),
    2004: numbered(
        "host_memory",
        "mem_total_bytes* mem_free_bytes* mem_shared_bytes* mem_buffers_bytes* mem_cached_bytes* swap_total_bytes* swap_free_bytes* page_in "
        "page_out swap_in swap_out",
    ),
    2005: (
        hypers(2**40, 2**39) + words(5050, 1) + hypers(2**35) + words(3, 4) + hypers(2**36) + words(6), "host_disk_io",
        {"disk_total_bytes": 2**40, "disk_free_bytes": 2**39, "part_max_used_percent": 50.5, "reads": 1, "read_bytes": 2**35, "read_time_ms": 3,
         "writes": 4, "written_bytes": 2**36, "write_time_ms": 6},
    ),
    2006: numbered("host_net_io", NET_IO),
    2007: numbered(
        "mib2_ip_group",
        "forwarding default_ttl in_receives in_hdr_errors in_addr_errors forw_datagrams in_unknown_protos in_discards in_delivers out_requests "
        "out_discards out_no_routes reasm_timeout_s reasm_reqds reasm_oks reasm_fails frag_oks frag_fails frag_creates",
    ),
    2008: numbered(
        "mib2_icmp_group",
        "in_msgs in_errors in_dest_unreachs in_time_excds in_param_probs in_src_quenchs in_redirects in_echos in_echo_reps in_timestamps "
        "in_addr_masks in_addr_mask_reps out_msgs out_errors out_dest_unreachs out_time_excds out_param_probs out_src_quenchs out_redirects "
        "out_echos out_echo_reps out_timestamps out_timestamp_reps out_addr_masks out_addr_mask_reps",
    ),
    2009: numbered(
        "mib2_tcp_group",
        "rto_algorithm rto_min_ms rto_max_ms max_conn active_opens passive_opens attempt_fails estab_resets curr_estab in_segs out_segs "
        "retrans_segs in_errs out_rsts in_csum_errs",
    ),
    2010: numbered("mib2_udp_group", "in_datagrams no_ports in_errors out_datagrams rcvbuf_errors sndbuf_errors in_csum_errors"),
    2100: numbered("virt_node", "cpu_speed_mhz cpus memory_bytes* memory_free_bytes* num_domains"),
    2101: (words(1, 5000, 4), "virt_cpu", {"state": "running", "cpu_time_ms": 5000, "virt_cpus": 4}),
    2102: numbered("virt_memory", "memory_bytes* max_memory_bytes*"),
    2103: numbered(
        "virt_disk_io", "capacity_bytes* allocation_bytes* physical_bytes* read_requests read_bytes* write_requests written_bytes* errors"
    ),
    2104: numbered("virt_net_io", NET_IO),
    2105: (opaque("HotSpot") + opaque("Oracle") + opaque("25"), "jvm_runtime", {"vm_name": "HotSpot", "vm_vendor": "Oracle", "vm_version": "25"}),
    2106: numbered(
        "jvm_statistics",
        "heap_initial_bytes* heap_used_bytes* heap_committed_bytes* heap_max_bytes* non_heap_initial_bytes* non_heap_used_bytes* "
        "non_heap_committed_bytes* non_heap_max_bytes* gc_count gc_time_ms classes_loaded classes_total classes_unloaded compilation_time_ms "
        "threads_live threads_daemon threads_started fds_open fds_max",
    ),
    2200: numbered(
        "memcached_counters",
        "uptime_s rusage_user_ms rusage_system_ms curr_connections total_connections connection_structures cmd_get cmd_set cmd_flush get_hits "
        "get_misses delete_misses delete_hits incr_misses incr_hits decr_misses decr_hits cas_misses cas_hits cas_badval auth_cmds auth_errors "
        "bytes_read* bytes_written* limit_max_bytes accepting_conns listen_disabled threads conn_yields bytes* curr_items total_items evictions",
    ),
    2201: numbered(
        "http_counters",
        "method_option method_get method_head method_post method_put method_delete method_trace method_connect method_other status_1xx status_2xx "
        "status_3xx status_4xx status_5xx status_other",
    ),
    2202: (
        opaque("shop") + words(*range(1, 12)), "app_operations",
        {"application": "shop", "success": 1, "other": 2, "timeout": 3, "internal_error": 4, "bad_request": 5, "forbidden": 6, "too_large": 7,
         "not_implemented": 8, "not_found": 9, "unavailable": 10, "unauthorized": 11},
    ),
    2203: numbered("app_resources", "user_time_ms system_time_ms mem_used_bytes* mem_max_bytes* fd_open fd_max conn_open conn_max"),
    2204: numbered(
        "memcache_counters",
        "cmd_set cmd_touch cmd_flush get_hits get_misses delete_hits delete_misses incr_hits incr_misses decr_hits decr_misses cas_hits cas_misses "
        "cas_badval auth_cmds auth_errors threads conn_yields listen_disabled curr_connections rejected_connections total_connections "
        "connection_structures evictions reclaimed curr_items total_items bytes_read* bytes_written* bytes* limit_max_bytes*",
    ),
    2205: numbered(
        "vdi_counters",
        "sessions_current sessions_total sessions_duration_s rx_bytes tx_bytes rx_packets tx_packets rx_packets_lost tx_packets_lost rtt_min_ms "
        "rtt_max_ms rtt_avg_ms audio_rx_bytes audio_tx_bytes audio_tx_limit_bps img_rx_bytes img_tx_bytes img_frames img_qual_min img_qual_max "
        "img_qual_avg usb_rx_bytes usb_tx_bytes",
    ),
    2206: numbered("app_workers", "workers_active workers_idle workers_max req_delayed req_dropped"),
    2207: numbered("ovs_dp_stats", "hits misses lost mask_hits flows masks"),
    3000: (
        words(230_000, 500, 115_000) + struct.pack("!i", -9900) + words(7, UNKNOWN), "energy",
        {"voltage_mv": 230_000, "current_ma": 500, "real_power_mw": 115_000, "power_factor": -9900, "energy_mj": 7, "errors": None},
    ),
    3001: (struct.pack("!ii", -55, 412) + words(2), "temperature", {"minimum_celsius": -5.5, "maximum_celsius": 41.2, "errors": 2}),
    3002: (words(45), "humidity", {"relative_percent": 45}),
    3003: (words(4, 1, 70), "fans", {"total": 4, "failed": 1, "speed_percent": 70}),
    4413 << 12 | 1: (words(1550, UNKNOWN), "bst_device_buffers", {"uc_percent": 15.5, "mc_percent": None}),
    4413 << 12 | 2: (
        words(100, 200, 300, 400) + numbers(500, UNKNOWN) + numbers(), "bst_port_buffers",
        {"ingress_uc_percent": 1.0, "ingress_mc_percent": 2.0, "egress_uc_percent": 3.0, "egress_mc_percent": 4.0,
         "egress_queue_uc_percent": [5.0, None], "egress_queue_mc_percent": []},
    ),
    4413 << 12 | 3: numbered(
        "hw_tables",
        "host_entries host_entries_max ipv4_entries ipv4_entries_max ipv6_entries ipv6_entries_max ipv4_ipv6_entries ipv4_ipv6_entries_max "
        "long_ipv6_entries long_ipv6_entries_max total_routes total_routes_max ecmp_nexthops ecmp_nexthops_max mac_entries mac_entries_max "
        "ipv4_neighbors ipv6_neighbors ipv4_routes ipv6_routes acl_ingress_entries acl_ingress_entries_max acl_ingress_counters "
        "acl_ingress_counters_max acl_ingress_meters acl_ingress_meters_max acl_ingress_slices acl_ingress_slices_max acl_egress_entries "
        "acl_egress_entries_max acl_egress_counters acl_egress_counters_max acl_egress_meters acl_egress_meters_max acl_egress_slices "
        "acl_egress_slices_max",
    ),
    5703 << 12 | 1: numbered(
        "nvidia_gpu",
        "device_count processes gpu_time_ms mem_time_ms mem_total_bytes* mem_free_bytes* ecc_errors energy_mj temperature_celsius fan_speed_percent",
    ),
}  # fmt: skip
QUEUE = numbered(
    "queue_length",
    "queue_index segment_bytes queue_segments length_0 length_1 length_2 length_4 length_8 length_32 length_128 length_1024 length_more dropped",
)
