"""What is exported: every metric with its type, its labels and its help text, in the order in which they are printed. Pure.

Names that openstack-network-exporter uses too are its names, with its values, so that alert rules written for it work here. It calls
counters and gauges what Prometheus would name otherwise (no ``_total``, or one at a gauge), so these have the type ``unknown``, with which
``promtool check metrics`` takes any name. All other names follow https://prometheus.io/docs/practices/naming/.
"""

from typing import NamedTuple

GAUGE, COUNTER, UNKNOWN, INFO = "gauge", "counter", "unknown", "info"


class Family(NamedTuple):
    """A metric: ``name`` is that of its samples, with ``_total`` or ``_info``; ``labels`` are those that it has besides ``host``."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()


_INTERFACE = ("bridge", "port", "interface", "type", "iface_id")
_MEMBER = ("bridge", "port", "interface")
_PORT = ("bridge", "port", "interface", "iface_id")
_QUEUE = (*_PORT, "queue")
_BRIDGE = ("bridge", "datapath_type")
_TABLE = ("bridge", "table")
_GROUP = ("bridge", "group")
_METER = ("bridge", "meter")
_BAND = (*_METER, "band")
_MIRROR = ("bridge", "mirror")
_BOND = ("bridge", "port")
_SFLOW = ("bridge", "agent")
_CONTROLLER = ("bridge", "target")
_DATAPATH = ("type", "name")
_DAEMON = ("daemon",)
_PMD = ("numa", "cpu")

GROUPS = {
    "About the scrape": (
        Family("ovstool_up", GAUGE, "Whether the switch could be read: yes (1), no (0)."),
        Family("ovstool_scrape_duration_seconds", GAUGE, "How long it took to read the switch (only with --listen)."),
        Family("ovstool_build_info", INFO, "The version of ovstool.", ("version",)),
        Family("ovstool_collector_success", GAUGE, "Whether a part of the switch could be read: yes (1), no (0).", ("collector",)),
        Family(
            "ovstool_collector_duration_seconds",
            GAUGE,
            "How long the scrape waited for a part of the switch; parts are read at the same time.",
            ("collector",),
        ),
        Family(
            "ovstool_counters_live",
            GAUGE,
            "Where the counters of a bridge's interfaces come from: OpenFlow, so they are live (1), the database, up to 5 seconds old (0).",
            ("bridge",),
        ),
        Family(
            "ovstool_check_problems",
            GAUGE,
            "Problems that 'ovstool qos check' and 'ovstool police check' find (only with --checks).",
            ("check", "severity", "problem"),
        ),
    ),
    "Interfaces": (
        Family(
            "ovs_interface_admin_state", GAUGE, "The administrative state of the interface: up (1), down (0) or unknown (-1).", _INTERFACE
        ),
        Family("ovs_interface_link_state", GAUGE, "The link state of the interface: up (1), down (0) or unknown (-1).", _INTERFACE),
        Family("ovs_interface_mtu_bytes", GAUGE, "Maximum transmission unit in bytes.", _INTERFACE),
        Family("ovs_interface_link_speed_bps", GAUGE, "Link speed in bits per second.", _INTERFACE),
        Family("ovs_interface_open_error", GAUGE, "1 for each interface that ovs-vswitchd could not open.", _INTERFACE),
        Family("ovs_interface_link_resets", UNKNOWN, "How often the link state has changed.", _INTERFACE),
        Family("ovs_interface_rx_packets", UNKNOWN, "Packets received.", _INTERFACE),
        Family("ovs_interface_rx_bytes", UNKNOWN, "Bytes received.", _INTERFACE),
        Family("ovs_interface_rx_errors", UNKNOWN, "Invalid packets received.", _INTERFACE),
        Family(
            "ovs_interface_rx_dropped",
            UNKNOWN,
            "Received packets dropped, or missed because the queue of the device was full, whichever are more.",
            _INTERFACE,
        ),
        Family("ovs_interface_tx_packets", UNKNOWN, "Packets sent.", _INTERFACE),
        Family("ovs_interface_tx_bytes", UNKNOWN, "Bytes sent.", _INTERFACE),
        Family("ovs_interface_tx_errors", UNKNOWN, "Packets that could not be sent.", _INTERFACE),
        Family("ovs_interface_tx_retries", UNKNOWN, "Repeated attempts to send because the guest's queue was full (DPDK).", _INTERFACE),
        Family("ovs_interface_tx_dropped_total", COUNTER, "Packets to be sent that were dropped.", _INTERFACE),
        Family("ovs_interface_collisions_total", COUNTER, "Collisions while sending.", _INTERFACE),
        Family("ovs_interface_rx_crc_errors_total", COUNTER, "Received packets with a wrong checksum.", _INTERFACE),
        Family("ovs_interface_rx_frame_errors_total", COUNTER, "Received frames with wrong alignment.", _INTERFACE),
        Family("ovs_interface_rx_over_errors_total", COUNTER, "Received packets that overran the receiver.", _INTERFACE),
        *(
            Family(f"ovs_interface_{way}_{what}", UNKNOWN, f"{text} the guest on a queue (vhost-user).", (*_INTERFACE, "queue"))
            for what, text in (
                ("guest_notifications", "Notifications of"),
                ("good_packets", "Packets exchanged with"),
                ("multicast_packets", "Multicast packets exchanged with"),
            )
            for way in ("rx", "tx")
        ),
        Family(
            "ovs_interface_statistic",
            UNKNOWN,
            "Another statistic of the interface, by its name in Interface:statistics.",
            (*_INTERFACE, "statistic"),
        ),
    ),
    "QoS and policing": (
        Family("ovs_policing_rate_bytes_per_second", GAUGE, "The policing rate of the interface.", _PORT),
        Family("ovs_policing_burst_bytes", GAUGE, "The policing burst of the interface.", _PORT),
        Family("ovs_policing_rate_packets_per_second", GAUGE, "The policing rate of the interface in packets.", _PORT),
        Family("ovs_policing_burst_packets", GAUGE, "The policing burst of the interface in packets.", _PORT),
        Family("ovs_policing_dropped_packets_total", COUNTER, "Packets that policing dropped, by tc on the host of the switch.", _PORT),
        Family("ovs_qos_max_rate_bytes_per_second", GAUGE, "The configured rate of the port's QoS.", (*_PORT, "qos_type")),
        Family("ovs_queue_min_rate_bytes_per_second", GAUGE, "The configured minimum rate of the queue.", _QUEUE),
        Family("ovs_queue_max_rate_bytes_per_second", GAUGE, "The configured maximum rate of the queue.", _QUEUE),
        Family("ovs_queue_tx_packets_total", COUNTER, "Packets sent through the queue.", _QUEUE),
        Family("ovs_queue_tx_bytes_total", COUNTER, "Bytes sent through the queue.", _QUEUE),
        Family("ovs_queue_tx_errors_total", COUNTER, "Packets that the queue dropped.", _QUEUE),
    ),
    "Bonds": (
        Family("ovs_bond_members", GAUGE, "Interfaces of the bond.", _BOND),
        Family("ovs_bond_members_enabled", GAUGE, "Interfaces of the bond that carry traffic.", _BOND),
        Family("ovs_bond_member_enabled", GAUGE, "Whether the interface of the bond carries traffic: yes (1), no (0).", _MEMBER),
        Family("ovs_bond_member_active", GAUGE, "Whether it is the active interface of the bond: yes (1), no (0).", _MEMBER),
        Family("ovs_bond_lacp_negotiated", GAUGE, "Whether LACP is negotiated: yes (1), no (0).", _BOND),
        Family("ovs_bond_member_lacp_current", GAUGE, "Whether LACP information of the interface is current: yes (1), no (0).", _MEMBER),
    ),
    "Bridges": (
        Family("ovs_bridge_port_count", UNKNOWN, "Ports of the bridge, its local port included.", _BRIDGE),
        Family("ovs_bridge_flow_count", UNKNOWN, "OpenFlow flows of the bridge.", _BRIDGE),
        Family("ovs_openflow_table_flows", GAUGE, "Flows of the table; only tables with flows or lookups.", _TABLE),
        Family("ovs_openflow_table_lookups_total", COUNTER, "Packets looked up in the table.", _TABLE),
        Family("ovs_openflow_table_matches_total", COUNTER, "Packets that matched a flow of the table.", _TABLE),
        Family("ovs_openflow_groups", GAUGE, "Groups of the bridge.", ("bridge",)),
        Family("ovs_openflow_group_packets_total", COUNTER, "Packets that the group has processed.", _GROUP),
        Family("ovs_openflow_group_bytes_total", COUNTER, "Bytes that the group has processed.", _GROUP),
        Family("ovs_openflow_meters", GAUGE, "Meters of the bridge.", ("bridge",)),
        Family("ovs_openflow_meter_packets_total", COUNTER, "Packets that the meter has measured.", _METER),
        Family("ovs_openflow_meter_bytes_total", COUNTER, "Bytes that the meter has measured.", _METER),
        Family(
            "ovs_openflow_meter_band_packets_total", COUNTER, "Packets above the rate of the meter's band: a drop band dropped them.", _BAND
        ),
        Family(
            "ovs_openflow_meter_band_bytes_total", COUNTER, "Bytes above the rate of the meter's band: a drop band dropped them.", _BAND
        ),
        Family("ovs_mirror_tx_packets_total", COUNTER, "Packets that the mirror has sent.", _MIRROR),
        Family("ovs_mirror_tx_bytes_total", COUNTER, "Bytes that the mirror has sent.", _MIRROR),
        Family("ovs_controller_connected", GAUGE, "Whether the bridge is connected to the controller: yes (1), no (0).", _CONTROLLER),
        Family("ovs_controller_info", INFO, "The role of the controller: master, slave or other.", (*_CONTROLLER, "role")),
        Family("ovs_sflow_sampling_packets", GAUGE, "sFlow takes one packet out of so many.", _SFLOW),
        Family("ovs_sflow_polling_interval_seconds", GAUGE, "The time between two sFlow counter samples.", _SFLOW),
        Family("ovs_sflow_header_bytes", GAUGE, "Bytes of a sampled packet that sFlow exports.", _SFLOW),
        Family("ovs_sflow_collectors", GAUGE, "Collectors that the bridge exports sFlow to.", _SFLOW),
    ),
    "The switch": (
        Family(
            "ovs_build_info",
            INFO,
            "Versions of Open vSwitch, of DPDK and of the database schema.",
            ("ovs_version", "dpdk_version", "db_version"),
        ),
        Family("ovs_dpdk_initialized", GAUGE, "Whether DPDK has been initialized: yes (1), no (0)."),
        Family("ovs_manager_connected", GAUGE, "Whether ovsdb-server is connected to the manager: yes (1), no (0).", ("target",)),
        Family("ovs_datapath_flows_total", UNKNOWN, "Flows in the datapath.", _DATAPATH),
        Family("ovs_datapath_lookup_hits_total", COUNTER, "Packets that matched a flow in the datapath.", _DATAPATH),
        Family(
            "ovs_datapath_lookup_missed_total", COUNTER, "Packets that matched no flow in the datapath and went to ovs-vswitchd.", _DATAPATH
        ),
        Family("ovs_datapath_lookup_lost_total", COUNTER, "Packets that ovs-vswitchd did not take in time, which were dropped.", _DATAPATH),
        Family("ovs_datapath_mask_hits_total", COUNTER, "Masks that were tried for the packets.", _DATAPATH),
        Family("ovs_datapath_masks", GAUGE, "Masks in the datapath.", _DATAPATH),
        Family("ovs_upcall_flows", GAUGE, "Datapath flows that ovs-vswitchd keeps up to date.", _DATAPATH),
        Family("ovs_upcall_flow_limit", GAUGE, "The number of datapath flows that ovs-vswitchd allows at present.", _DATAPATH),
        Family("ovs_upcall_dump_duration_seconds", GAUGE, "How long the last pass over the datapath flows took.", _DATAPATH),
        Family("ovs_memory_handlers_total", UNKNOWN, "Handler threads."),
        Family("ovs_memory_ports_total", UNKNOWN, "Ports of all bridges."),
        Family("ovs_memory_revalidators_total", UNKNOWN, "Revalidator threads."),
        Family("ovs_memory_rules_total", UNKNOWN, "OpenFlow flows of all bridges, hidden ones included."),
        Family("ovs_memory_keys_total", UNKNOWN, "Datapath flows that ovs-vswitchd knows."),
    ),
    "PMD threads of the userspace datapath": (
        Family("ovs_pmd_total_iterations", UNKNOWN, "Iterations of the PMD thread.", _PMD),
        Family("ovs_pmd_idle_iterations", UNKNOWN, "Iterations of the PMD thread without a packet.", _PMD),
        Family("ovs_pmd_busy_iterations", UNKNOWN, "Iterations of the PMD thread with packets.", _PMD),
        Family("ovs_pmd_rx_packets", UNKNOWN, "Packets that the PMD thread received.", _PMD),
        Family("ovs_pmd_tx_packets", UNKNOWN, "Packets that the PMD thread sent.", _PMD),
        Family("ovs_pmd_total_upcalls", UNKNOWN, "Upcalls of the PMD thread.", _PMD),
        Family("ovs_pmd_lost_upcalls", UNKNOWN, "Upcalls of the PMD thread that were lost, with their packets.", _PMD),
        *(
            Family(f"ovs_pmd_{name}", UNKNOWN, f"{text} the PMD thread.", _PMD)
            for name, text in {
                "sleep_iterations": "Iterations with a sleep of",
                "datapath_passes": "Passes of packets through the datapath by",
                "phwol_hits": "Hits of partial hardware offload of",
                "mfex_opt_hits": "Hits of the optimized miniflow extraction of",
                "simple_match_hits": "Hits of simple matches of",
                "emc_hits": "Hits of the exact match cache of",
                "smc_hits": "Hits of the signature match cache of",
                "megaflow_hits": "Hits of the megaflows of",
                "tx_batches": "Batches sent by",
            }.items()
        ),
        Family("ovs_pmd_nonvol_context_switches", UNKNOWN, "Involuntary context switches of the PMD thread.", _PMD),
    ),
    "Daemons": (
        Family("ovs_daemon_up", GAUGE, "Whether the daemon runs: yes (1), no (0).", _DAEMON),
        Family("ovs_daemon_start_time_seconds", GAUGE, "When the daemon was started, in seconds since the epoch.", _DAEMON),
        Family("ovs_daemon_resident_memory_bytes", GAUGE, "Resident memory of the daemon.", _DAEMON),
        Family("ovs_daemon_cpu_seconds_total", COUNTER, "CPU time of the daemon.", _DAEMON),
    ),
}

FAMILIES = {family.name: family for families in GROUPS.values() for family in families}
FIRST = next(iter(FAMILIES))
