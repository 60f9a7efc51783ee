"""Ingress policing, compared with what ovs-vsctl writes."""

import pytest
from ovs_version import OVS

COLUMNS = ("ingress_policing_rate", "ingress_policing_burst", "ingress_policing_kpkts_rate", "ingress_policing_kpkts_burst")


def policing(switch, port: str) -> list[int]:
    there = COLUMNS if OVS >= (2, 16) else COLUMNS[:2]
    return next([row.get(column, 0) for column in COLUMNS] for row in switch.rows("Interface", "name", *there) if row["name"] == port)


def test_the_same_columns_as_ovs_vsctl(switch, ovstool):
    switch.vsctl("set Interface eth1 ingress_policing_rate=10000 ingress_policing_burst=1000")
    assert ovstool("police set eth2 --rate 10mbit --burst 1mbit").stdout == "eth2: created\n"
    assert policing(switch, "eth2") == policing(switch, "eth1") == [10_000, 1_000, 0, 0]
    assert ovstool("police set eth1 --rate 10mbit --burst 1mbit").stdout == "eth1: unchanged\n"
    rows = [{"port": port, "rate": 10_000_000, "burst": 1_000_000, "packet_rate": None, "packet_burst": None} for port in ("eth1", "eth2")]
    assert ovstool("police list -f json").json == rows


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        ("--rate 1kbit", [1, 128, 0, 0]),
        ("--rate 200mbit", [200_000, 42_012, 0, 0]),
        ("--rate 10mbit --burst 125kB", [10_000, 1_000, 0, 0]),
        ("--packet-rate 5000", [0, 0, 5, 2]),
        ("--packet-rate 1000", [0, 0, 1, 1]),
        ("--packet-rate 5000 --packet-burst 2000", [0, 0, 5, 2]),
        ("--rate 1gbit --burst 10mbit --packet-rate 1000", [1_000_000, 10_000, 1, 1]),
        ("--rate 4294967295kbit", [2**32 - 1, 901_943_144, 0, 0]),
    ],
)
def test_limits(switch, ovstool, refused, options, columns):
    if "--packet-rate" in options and OVS < (2, 16):
        needs = "needs Open vSwitch 2.16 or newer, and this is 2.13 to 2.15 (database schema 8.2.0)"
        for dry_run in ("", "--dry-run"):
            assert refused(f"police set eth1 {options} {dry_run}", 6) == f"Interface.ingress_policing_kpkts_rate: {needs}"
        return
    assert ovstool(f"police set eth1 {options}").stdout == "eth1: created\n"
    assert policing(switch, "eth1") == columns
    assert policing(switch, "eth2") == [0, 0, 0, 0]


def test_what_is_not_named_stays(switch, ovstool):
    has_packet_rates = OVS >= (2, 16)
    ovstool("police set eth1 --packet-rate 5000" if has_packet_rates else "police set eth1 --rate 2mbit")
    assert ovstool("police set eth1 --rate 1mbit").stdout == "eth1: updated\n"
    assert policing(switch, "eth1") == [1_000, 222, 5 * has_packet_rates, 2 * has_packet_rates]
    assert ovstool("police clear eth1").stdout == "eth1: deleted\n"
    assert policing(switch, "eth1") == [0, 0, 0, 0]
    assert ovstool("police clear eth1").stdout == "eth1: unchanged\n"


def test_the_default_burst(switch, ovstool):
    switch.vsctl("set Interface eth1 ingress_policing_rate=10000 ingress_policing_burst=0")
    rows = [{"port": "eth1", "rate": 10_000_000, "burst": 8_000_000, "packet_rate": None, "packet_burst": None}]
    if OVS >= (2, 16):
        switch.vsctl("set Interface eth2 ingress_policing_kpkts_rate=5 ingress_policing_kpkts_burst=0")
        rows.append({"port": "eth2", "rate": None, "burst": None, "packet_rate": 5_000, "packet_burst": 16_000})
    assert ovstool("police list -f json").json == rows


def test_a_bond_stands_for_all_its_members(switch, ovstool):
    switch.vsctl("add-bond br0 bond0 eth8 eth9")
    assert ovstool("police set bond0 --rate 1mbit").stdout == "bond0: created\n"
    assert policing(switch, "eth8") == policing(switch, "eth9") == [1_000, 222, 0, 0]
    assert ovstool("police clear eth8").stdout == "eth8: deleted\n"
    assert [row["port"] for row in ovstool("police list -f json").json] == ["eth9"]
    assert ovstool("police set eth9 bond0 --rate 1mbit").stdout == "eth9: unchanged\nbond0: updated\n"


def test_all_or_none(switch, refused):
    refused("police set eth1 eth2 nosuch --rate 1mbit", 3)


@pytest.mark.parametrize("selector", ["iface-id:vif-1", "mac:02:00:00:00:00:AB", "mac:02:00:00:00:00:ab", "ofport:br0/{ofport}", "eth1"])
def test_selectors(switch, ovstool, selector):
    switch.vsctl("set interface eth1 external_ids:iface-id=vif-1 external_ids:attached-mac='\"02:00:00:00:00:ab\"'")
    name = selector.format(ofport=switch.vsctl("get interface eth1 ofport"))
    assert ovstool(f"police set {name} --rate 1mbit").stdout == f"{name}: created\n"
    assert policing(switch, "eth1")[0] == 1_000 and policing(switch, "eth2")[0] == 0
