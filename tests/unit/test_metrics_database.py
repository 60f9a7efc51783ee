"""Metrics of what the database says: bridges, ports, interfaces and their rates, from rows as they arrive."""

from types import SimpleNamespace

import pytest

from ovstool.metrics import bridges, database, interfaces, shaping
from ovstool.metrics.database import Database
from ovstool.metrics.reading import Reading
from ovstool.ovsdb.columns import Table


def u(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012x}"


def to(*numbers: int) -> list:
    return ["set", [["uuid", u(number)] for number in numbers]]


def pairs(**values: object) -> list:
    return ["map", [[name.replace("_", "-"), value] for name, value in values.items()]]


ROWS = {
    "Open_vSwitch": {1: {"ovs_version": "3.1.0", "db_version": "8.3.1", "dpdk_initialized": True}},
    "Bridge": {
        2: {"name": "br1", "datapath_type": "netdev", "ports": to(5), "controller": to(20, 21, 22), "sflow": to(30)},
        3: {"name": "br0", "ports": to(4, 6, 99), "mirrors": to(40, 41), "sflow": to(31)},
    },
    "Port": {
        4: {"name": "bond0", "interfaces": to(10, 11), "qos": to(50)},
        5: {"name": "eth1", "interfaces": to(12), "qos": to(51)},
        6: {"name": "eth2", "interfaces": to(13, 98), "qos": to(52)},
        7: {"name": "nowhere", "interfaces": to(14)},
    },
    "Interface": {
        10: {"name": "m1", "lacp_current": True, "admin_state": "up", "link_state": "down", "mtu": 1500, "link_speed": 10**10, "link_resets": 3},
        11: {"name": "m0", "lacp_current": False, "admin_state": "down", "link_state": "up", "mtu": 9000, "link_resets": 0},
        12: {"name": "eth1", "type": "dpdk", "external_ids": ["map", [["iface-id", "vif1"]]], "error": "no such device"},
        13: {"name": "eth2", "admin_state": "up", "mtu": 0},
        14: {"name": "nowhere", "error": "x"},
    },
    "QoS": {
        50: {"type": "linux-htb", "other_config": pairs(max_rate="8000000"), "queues": ["map", [[2, ["uuid", u(61)]], [1, ["uuid", u(60)]]]]},
        51: {"type": "linux-htb", "other_config": pairs(max_rate="12"), "queues": ["map", [[0, ["uuid", u(69)]]]]},
    },
    "Queue": {60: {"other_config": pairs(min_rate="1000000", max_rate="2000000")}, 61: {}},
    "Controller": {
        20: {"target": "tcp:192.0.2.2:6653", "is_connected": True, "role": "master"},
        21: {"target": "tcp:192.0.2.1:6653"},
        22: {"target": "ptcp:6653", "role": "other"},
    },
    "Manager": {25: {"target": "tcp:192.0.2.9:6640", "is_connected": True}, 26: {"target": "ptcp:6640"}},
    "Mirror": {40: {"name": "m", "statistics": pairs()}, 41: {"name": "a", "statistics": ["map", [["tx_packets", 7], ["tx_bytes", 420]]]}},
    "sFlow": {
        30: {"agent": "lo", "targets": ["set", ["192.0.2.5", "192.0.2.6"]], "sampling": 64, "polling": 0, "header": 256},
        31: {"targets": "192.0.2.5"},
    },
}  # fmt: skip
LABELS = {
    11: ("br0", "bond0", "m0", "system", ""),
    10: ("br0", "bond0", "m1", "system", ""),
    13: ("br0", "eth2", "eth2", "system", ""),
    12: ("br1", "eth1", "eth1", "dpdk", "vif1"),
}
M0, M1, ETH2, ETH1 = LABELS.values()


def as_stored(by_table: dict) -> Database:
    """Rows by table and number as ``database.read`` returns them."""
    tables = {name: Table(name, [], {column: [] for column in columns}) for name, columns in database._TABLES.items()}
    for name, rows in by_table.items():
        tables[name].extend({u(number): row for number, row in rows.items()})
    members = dict(zip(tables["Port"].uuids, tables["Port"].values("interfaces"), strict=True))
    return Database(tables, database._labels(tables, members), members, True)


@pytest.fixture(scope="module")
def stored() -> Database:
    return as_stored(ROWS)


def added(collect, stored: Database) -> dict:
    reading = Reading({})
    collect(stored, reading)
    return {name: list(dict(samples.items()).items()) for name, samples in reading.samples.items()}


def test_labels(stored):
    """In the order of their values; not of what is on no bridge."""
    assert list(stored.labels.items()) == [(u(number), labels) for number, labels in LABELS.items()]
    assert sorted(stored.shaped()) == sorted([(u(10), u(50)), (u(11), u(50)), (u(12), u(51)), (u(13), u(52))])


class Stored:
    """A switch that says nothing, and what it was asked for."""

    def tables(self, columns, where):
        self.where = where
        return {name: Table(name, [], {column: [] for column in of}) for name, of in columns.items()}


@pytest.mark.parametrize(
    ("ports", "rows", "where"),
    [
        (None, None, {}),
        ([], None, {"Interface": [["_uuid", "==", ["uuid", u(0)]]]}),
        (["gone"], [], {"Interface": [["_uuid", "==", ["uuid", u(0)]]]}),
        (["eth1", "eth2"], [12, 13], {"Interface": [["_uuid", "==", ["uuid", u(12)]], ["_uuid", "==", ["uuid", u(13)]]]}),
    ],
)
def test_only_the_interfaces_of_the_ports_are_asked_for(monkeypatch, ports, rows, where):
    def interface_rows(of, names, limit, columns):
        assert (of, names, limit) == (switch, ports, None) and "_uuid" in columns
        return [{"_uuid": ["uuid", u(number)]} for number in rows]

    switch = Stored()
    monkeypatch.setattr(database.lookup, "interface_rows", interface_rows)
    found = database.read(switch, ports)
    assert (switch.where, found.is_whole, found.labels) == (where, ports is None, {})


def test_interfaces(stored):
    assert added(interfaces.collect, stored) == {
        "ovs_interface_admin_state": [(M0, 0), (M1, 1), (ETH2, 1), (ETH1, -1)],
        "ovs_interface_link_state": [(M0, 1), (M1, 0), (ETH2, -1), (ETH1, -1)],
        "ovs_interface_mtu_bytes": [(M0, 9000), (M1, 1500), (ETH2, 0)],
        "ovs_interface_link_speed_bps": [(M1, 10**10)],
        "ovs_interface_link_resets": [(M0, 0), (M1, 3)],
        "ovs_interface_open_error": [(ETH1, 1)],
    }


def test_bridges(stored):
    targets = [("br1", "tcp:192.0.2.1:6653"), ("br1", "tcp:192.0.2.2:6653")]
    assert added(bridges.collect, stored) == {
        "ovs_build_info": [(("3.1.0", "", "8.3.1"), 1)],
        "ovs_dpdk_initialized": [((), 1)],
        "ovs_manager_connected": [(("tcp:192.0.2.9:6640",), 1)],
        "ovs_bridge_port_count": [(("br0", "system"), 3), (("br1", "netdev"), 1)],
        "ovs_mirror_tx_packets_total": [(("br0", "a"), 7)],
        "ovs_mirror_tx_bytes_total": [(("br0", "a"), 420)],
        "ovs_sflow_sampling_packets": [(("br0", ""), 400), (("br1", "lo"), 64)],
        "ovs_sflow_polling_interval_seconds": [(("br0", ""), 30), (("br1", "lo"), 0)],
        "ovs_sflow_header_bytes": [(("br0", ""), 128), (("br1", "lo"), 256)],
        "ovs_sflow_collectors": [(("br0", ""), 1), (("br1", "lo"), 2)],
        "ovs_controller_connected": [(targets[0], 0), (targets[1], 1)],
        "ovs_controller_info": [(("br1", "ptcp:6653", "other"), 1), ((*targets[1], "master"), 1)],
        "ovs_bond_member_lacp_current": [(M0[:3], 0), (M1[:3], 1)],
    }


def test_a_switch_without_a_column_for_dpdk(stored):
    """As before Open vSwitch 2.10."""
    root = stored.tables["Open_vSwitch"]
    older = root._replace(columns=root.columns | {"dpdk_initialized": [None]})
    assert "ovs_dpdk_initialized" not in added(bridges.collect, stored._replace(tables=stored.tables | {"Open_vSwitch": older}))


def test_rates(stored):
    """In bytes; an odd number of bits is a fraction of them. Of a QoS that is not there, there are none."""
    m0, m1, eth1 = [(*labels[:3], labels[4]) for labels in (M0, M1, ETH1)]
    found = added(shaping.collect_qos, stored)
    assert [str(value) for _, value in found["ovs_qos_max_rate_bytes_per_second"]] == ["1000000", "1000000", "1.5"]
    assert found == {
        "ovs_qos_max_rate_bytes_per_second": [
            ((*m0, "linux-htb"), 1_000_000),
            ((*m1, "linux-htb"), 1_000_000),
            ((*eth1, "linux-htb"), 1.5),
        ],
        "ovs_queue_min_rate_bytes_per_second": [((*m0, "1"), 125_000), ((*m1, "1"), 125_000)],
        "ovs_queue_max_rate_bytes_per_second": [((*m0, "1"), 250_000), ((*m1, "1"), 250_000)],
    }


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        ({"rate": 1000, "burst": 800}, (125_000, 100_000, None, None)),
        ({"rate": 1}, (125, 1_000_000, None, None)),
        ({"kpkts_rate": 5, "kpkts_burst": 7}, (None, None, 5000, 7000)),
        ({"kpkts_rate": 5}, (None, None, 5000, 16_000)),
        ({"burst": 800, "kpkts_burst": 7}, (None,) * 4),
    ],
)
def test_policing(columns, values):
    """With the bursts that ovs-vswitchd uses for 0; what DPDK drops is not asked for."""
    limited = {f"ingress_policing_{name}": value for name, value in columns.items()}
    rows = {number: row | (limited if number == 12 else {}) for number, row in ROWS["Interface"].items()}
    families = ("rate_bytes_per_second", "burst_bytes", "rate_packets_per_second", "burst_packets")
    found = added(lambda *args: shaping.collect_policing(None, *args), as_stored({**ROWS, "Interface": rows}))
    assert found == {f"ovs_policing_{name}": [((*ETH1[:3], "vif1"), value)] for name, value in zip(families, values, strict=True) if value}


def test_what_policing_has_dropped(monkeypatch):
    """Of devices that tc polices, asked for at once; not of those for which it has no policer."""

    def policers(of, names):
        asked.append((of, names))
        return {"m0": [SimpleNamespace(dropped=3), SimpleNamespace(dropped=4)], "eth1": [], "m1": []}

    asked = []
    monkeypatch.setattr("ovstool.switch.checks.datapath.policers", policers)
    kinds = {10: "internal", 11: "", 12: "tap", 13: "dpdk"}
    limited = {number: {"ingress_policing_rate": 1000} for number in (10, 11, 12)} | {13: {"ingress_policing_burst": 8}}
    rows = {number: row | limited.get(number, {}) | {"type": kinds.get(number, "")} for number, row in ROWS["Interface"].items()}
    found = added(lambda *args: shaping.collect_policing("switch", *args), as_stored({**ROWS, "Interface": rows}))
    assert asked == [("switch", ["m0", "m1", "eth1"])]
    assert found["ovs_policing_dropped_packets_total"] == [((*M0[:3], ""), 7)]
    assert len(found["ovs_policing_rate_bytes_per_second"]) == 3  # without a rate nothing is policed, whatever the burst
