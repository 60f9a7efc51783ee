"""Write the Grafana dashboard: ``dashboard.py FILE.json``.

Grafana's classic model, which every Grafana from 10 on imports; newer ones convert it. Panels and queries are in ``ROWS``; a query has

    $S        labels that select switches: the variables instance and host
    $B        these and the variable bridge
    $P        these and the variable port
    $__rate_interval    what Grafana chooses so that a rate has enough samples
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

SELECT = {
    "$P": 'instance=~"$instance",host=~"$host",bridge=~"$bridge",port=~"$port"',
    "$B": 'instance=~"$instance",host=~"$host",bridge=~"$bridge"',
    "$S": 'instance=~"$instance",host=~"$host"',
}
VARIABLES = {  # name: label, query
    "instance": ("Instance", "label_values(ovstool_up, instance)"),
    "host": ("Host", 'label_values(ovstool_up{instance=~"$instance"}, host)'),
    "bridge": ("Bridge", "label_values(ovs_bridge_port_count{$S}, bridge)"),
    "port": ("Port", "label_values(ovs_interface_admin_state{$B}, port)"),
}
DATASOURCE = {"type": "prometheus", "uid": "$datasource"}
HEIGHT, STAT_HEIGHT, WIDTH = 8, 4, 24  # Grafana's units: a row is 24 wide
AT = "{{switch}} "  # what a legend begins with
UP_DOWN = {"0": {"text": "down", "color": "red", "index": 0}, "1": {"text": "up", "color": "green", "index": 1}}


class Panel(NamedTuple):
    """A panel: its title, the unit of its values, and the queries with what each is called in the legend."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    help: str = ""


def stat(title: str, query: str, help: str = "") -> Panel:
    """A number that should be 0."""
    return Panel(title, "none", ((query, ""),), "stat", help)


def most(what: str, n: int = 20) -> str:
    """The largest of them: thousands of lines would be too many for a browser."""
    return f"topk({n}, {what})"


def rate(counter: str, labels: str, times: str = "") -> str:
    return f"{times}rate({counter}{{{labels}}}[$__rate_interval])"


ON_PORT = AT + "{{bridge}} {{interface}}"
ON_BOND = AT + "{{bridge}} {{port}} interfaces"
ON_QUEUE = ON_PORT + " queue {{queue}}"
ON_DATAPATH = AT + "{{type}}@{{name}}"
ROWS = {
    "Overview": [
        stat("Switches that do not answer", "sum(1 - ovstool_up{$S})"),
        stat("Daemons that do not run", "sum(1 - ovs_daemon_up{$S}) or vector(0)"),
        stat("Interfaces without link", "count(ovs_interface_admin_state{$P} == 1 and ovs_interface_link_state{$P} == 0) or vector(0)"),
        stat("Interfaces that could not be opened", "sum(ovs_interface_open_error{$P}) or vector(0)"),
        stat("Controllers not connected", "sum(1 - ovs_controller_connected{$B}) or vector(0)"),
        stat("Problems found by checks", "sum(ovstool_check_problems{$S}) or vector(0)", "Needs 'ovstool metrics --checks'."),
        Panel("Received", "bps", ((f"sum by (instance, host) ({rate('ovs_interface_rx_bytes', '$P', '8 * ')})", AT + "received"),)),
        Panel("Versions", "none", (("ovs_build_info{$S}", ""),), "table"),
    ],
    "Ports": [
        Panel("Received", "bps", ((most(rate("ovs_interface_rx_bytes", "$P", "8 * ")), ON_PORT),)),
        Panel("Sent", "bps", ((most(rate("ovs_interface_tx_bytes", "$P", "8 * ")), ON_PORT),)),
        Panel("Packets received", "pps", ((most(rate("ovs_interface_rx_packets", "$P")), ON_PORT),)),
        Panel("Packets sent", "pps", ((most(rate("ovs_interface_tx_packets", "$P")), ON_PORT),)),
        Panel(
            "Drops",
            "pps",
            (
                (most(rate("ovs_interface_rx_dropped", "$P"), 10), ON_PORT + " received"),
                (most(rate("ovs_interface_tx_dropped_total", "$P"), 10), ON_PORT + " to be sent"),
            ),
        ),
        Panel(
            "Errors",
            "pps",
            (
                (most(rate("ovs_interface_rx_errors", "$P"), 10), ON_PORT + " received"),
                (most(rate("ovs_interface_tx_errors", "$P"), 10), ON_PORT + " sent"),
            ),
        ),
        Panel("Links", "none", ((most("ovs_interface_link_state{$P} >= 0"), ON_PORT),), "state-timeline"),
        Panel(
            "Bonds",
            "none",
            (("ovs_bond_members{$P}", ON_BOND), ("ovs_bond_members_enabled{$P}", ON_BOND + " that carry traffic")),
        ),
    ],
    "QoS": [
        Panel("Sent by queue", "bps", ((most(rate("ovs_queue_tx_bytes_total", "$P", "8 * ")), ON_QUEUE),)),
        Panel("Dropped by queue", "pps", ((most(rate("ovs_queue_tx_errors_total", "$P")), ON_QUEUE),)),
        Panel(
            "Use of the queues' maximum rate",
            "percentunit",
            ((most(rate("ovs_queue_tx_bytes_total", "$P") + " / ovs_queue_max_rate_bytes_per_second{$P}"), ON_QUEUE),),
        ),
        Panel(
            "Use of the ports' maximum rate",
            "percentunit",
            (
                (
                    most(rate("ovs_interface_tx_bytes", "$P") + " / ignoring (type, qos_type) ovs_qos_max_rate_bytes_per_second{$P}"),
                    ON_PORT,
                ),
            ),
        ),
    ],
    "Policing": [
        Panel(
            "Use of the policing rate",
            "percentunit",
            (
                (
                    most(rate("ovs_interface_rx_bytes", "$P") + " / ignoring (type) ovs_policing_rate_bytes_per_second{$P}"),
                    ON_PORT,
                ),
            ),
            help="What the port receives, policed or not: above 100% something is dropped.",
        ),
        Panel("Dropped by policing", "pps", ((most(rate("ovs_policing_dropped_packets_total", "$P")), ON_PORT),)),
    ],
    "Flows": [
        Panel("Flows", "none", (("ovs_bridge_flow_count{$B}", AT + "{{bridge}}"),)),
        Panel("Flows by table", "none", ((most("ovs_openflow_table_flows{$B}"), AT + "{{bridge}} table {{table}}"),)),
        Panel("Lookups by table", "pps", ((most(rate("ovs_openflow_table_lookups_total", "$B")), AT + "{{bridge}} table {{table}}"),)),
        Panel(
            "Lookups without a match",
            "pps",
            (
                (
                    most(f"{rate('ovs_openflow_table_lookups_total', '$B')} - {rate('ovs_openflow_table_matches_total', '$B')}"),
                    AT + "{{bridge}} table {{table}}",
                ),
            ),
        ),
        Panel("Groups", "pps", ((most(rate("ovs_openflow_group_packets_total", "$B")), AT + "{{bridge}} group {{group}}"),)),
        Panel(
            "Packets above the rate of meters",
            "pps",
            ((most(rate("ovs_openflow_meter_band_packets_total", "$B")), AT + "{{bridge}} meter {{meter}} band {{band}}"),),
        ),
        Panel("Mirrors", "bps", ((most(rate("ovs_mirror_tx_bytes_total", "$B", "8 * ")), AT + "{{bridge}} {{mirror}}"),)),
    ],
    "Datapath": [
        Panel(
            "Lookups",
            "pps",
            (
                (rate("ovs_datapath_lookup_hits_total", "$S"), ON_DATAPATH + " hit"),
                (rate("ovs_datapath_lookup_missed_total", "$S"), ON_DATAPATH + " missed"),
            ),
        ),
        Panel(
            "Packets lost on their way to ovs-vswitchd",
            "pps",
            (
                (rate("ovs_datapath_lookup_lost_total", "$S"), ON_DATAPATH),
                (rate("ovs_pmd_lost_upcalls", "$S"), AT + "PMD on core {{cpu}}"),
            ),
        ),
        Panel(
            "Flows",
            "none",
            (("ovs_upcall_flows{$S}", ON_DATAPATH), ("ovs_upcall_flow_limit{$S}", ON_DATAPATH + " limit")),
        ),
        Panel("Time of a pass over the flows", "s", (("ovs_upcall_dump_duration_seconds{$S}", ON_DATAPATH),)),
        Panel(
            "Load of PMD threads",
            "percentunit",
            (
                (
                    f"{rate('ovs_pmd_busy_iterations', '$S')} / {rate('ovs_pmd_total_iterations', '$S')}",
                    AT + "core {{cpu}}",
                ),
            ),
            help="The share of iterations that found packets; only with DPDK.",
        ),
        Panel("CPU time of the daemons", "percentunit", ((rate("ovs_daemon_cpu_seconds_total", "$S"), AT + "{{daemon}}"),)),
        Panel("Memory of the daemons", "bytes", (("ovs_daemon_resident_memory_bytes{$S}", AT + "{{daemon}}"),)),
        Panel("Time since the daemons were started", "s", (("time() - ovs_daemon_start_time_seconds{$S}", AT + "{{daemon}}"),)),
    ],
    "Controllers": [
        Panel("Controllers", "none", (("ovs_controller_connected{$B}", AT + "{{bridge}} {{target}}"),), "state-timeline"),
        Panel("Managers", "none", (("ovs_manager_connected{$S}", AT + "{{target}}"),), "state-timeline"),
    ],
    "Problems": [
        Panel("Found by checks", "none", (("ovstool_check_problems{$S} > 0", ""),), "table", "Needs 'ovstool metrics --checks'."),
        Panel("Parts that could not be read", "none", (("ovstool_collector_success{$S} == 0", ""),), "table"),
        Panel("Time of a scrape", "s", (("ovstool_scrape_duration_seconds{$S}", AT),)),
        Panel("Time of its parts", "s", ((most("ovstool_collector_duration_seconds{$S}"), AT + "{{collector}}"),)),
    ],
}


def selected(query: str) -> str:
    for short, labels in SELECT.items():
        query = query.replace(f"{{{short}}}", f"{{{labels}}}")
    return query


def named(query: str) -> str:
    """The same series with the label ``switch``: the host, or the instance where there is no host, as with a switch that serves its own."""
    with_instance = f'label_replace({query}, "switch", "$1", "instance", "(.+)")'
    return f'label_replace({with_instance}, "switch", "$1", "host", "(.+)")'


def variables() -> list[dict]:
    datasource = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    chosen = {"includeAll": True, "multi": True, "current": {"text": ["All"], "value": ["$__all"]}}
    return [datasource] + [
        {
            "name": name,
            "label": label,
            "type": "query",
            "datasource": DATASOURCE,
            "query": {"query": selected(query), "refId": name},
            "refresh": 2,  # when the time range changes
            "sort": 7,  # eth2 before eth10
            "allValue": ".*",  # also what has no such label
            **chosen,
        }
        for name, (label, query) in VARIABLES.items()
    ]


def panel(number: int, wanted: Panel, place: dict[str, int]) -> dict:
    is_table = wanted.kind == "table"
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": DATASOURCE,
            "expr": selected(named(query) if AT in legend else query),
            "legendFormat": legend.strip(),
            **({"instant": True, "format": "table"} if is_table or wanted.kind == "stat" else {}),
        }
        for index, (query, legend) in enumerate(wanted.queries)
    ]
    found = {
        "id": number,
        "type": wanted.kind,
        "title": wanted.title,
        "datasource": DATASOURCE,
        "gridPos": place,
        "targets": targets,
        "fieldConfig": {"defaults": field(wanted), "overrides": []},
        "options": options(wanted.kind),
    }
    if wanted.help:
        found["description"] = wanted.help
    if is_table:
        found["transformations"] = [{"id": "organize", "options": {"excludeByName": {"Time": True, "__name__": True, "job": True}}}]
    return found


def field(wanted: Panel) -> dict:
    if wanted.kind == "stat":
        red_from_1 = [{"value": None, "color": "green"}, {"value": 1, "color": "red"}]
        return {"unit": wanted.unit, "thresholds": {"mode": "absolute", "steps": red_from_1}}
    if wanted.kind == "state-timeline":
        return {"mappings": [{"type": "value", "options": UP_DOWN}]}
    return {"unit": wanted.unit, **({"min": 0} if wanted.kind == "timeseries" else {})}


def options(kind: str) -> dict:
    if kind == "stat":
        return {"colorMode": "background", "graphMode": "none", "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    if kind == "timeseries":
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    return {}


def panels() -> list[dict]:
    made: list[dict] = []
    y = 0
    for title, wanted in ROWS.items():
        made.append({"id": len(made) + 1, "type": "row", "title": title, "collapsed": False, "gridPos": at(0, y, WIDTH, 1), "panels": []})
        y, x, line = y + 1, 0, 0
        for each in wanted:
            width, height = (WIDTH // 6, STAT_HEIGHT) if each.kind == "stat" else (WIDTH // 2, HEIGHT)
            if x + width > WIDTH:
                x, y = 0, y + line
            made.append(panel(len(made) + 1, each, at(x, y, width, height)))
            x, line = x + width, height
        y += line
    return made


def at(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def dashboard() -> dict:
    return {
        "uid": "ovstool",
        "title": "Open vSwitch",
        "description": "Metrics of 'ovstool metrics'.",
        "tags": ["openvswitch"],
        "schemaVersion": 42,
        "editable": True,
        "graphTooltip": 1,  # the same moment in all panels
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": variables()},
        "panels": panels(),
    }


def text(made: dict) -> str:
    """As JSON with a line for each panel and each variable."""
    lists = {"@variables": made["templating"]["list"], "@panels": made["panels"]}
    whole = json.dumps({**made, "templating": {"list": "@variables"}, "panels": "@panels"}, indent=1)
    for mark, items in lists.items():
        whole = whole.replace(json.dumps(mark), "[\n" + ",\n".join(map(json.dumps, items)) + "\n]")
    return whole + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(dashboard()))
