"""An interface as the rules see it, from a database row (RFC 7047, 5.1)."""

import pytest

from ovstool.switch.checks import interface_state
from ovstool.switch.checks.interface_state import InterfaceState

EMPTY = ["set", []]
NEW = {
    "_uuid": ["uuid", "u"], "name": "eth1", "type": "", "ofport": EMPTY, "error": EMPTY, "link_speed": EMPTY, "mtu": EMPTY, "status": ["map", []],
    "statistics": ["map", []], "ingress_policing_rate": 0, "ingress_policing_burst": 0, "ingress_policing_kpkts_rate": 0,
    "ingress_policing_kpkts_burst": 0,
}  # fmt: skip
OPEN = {
    "type": "internal", "ofport": 5, "link_speed": 10**9, "mtu": 9000, "status": ["map", [["driver_name", "ixgbe"], ["driver_version", "5"]]],
    "statistics": ["map", [["rx_bytes", 7], ["tx_bytes", 8], ["rx_packets", 1]]], "ingress_policing_rate": 10, "ingress_policing_kpkts_rate": 3,
}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (NEW, InterfaceState("eth1", "system", None, None, None, "", 1500, None, None, 0, 0, is_here=False)),
        (NEW | OPEN, InterfaceState("eth1", "internal", 5, None, 10**9, "ixgbe", 9000, 10_000, 3000, 7, 8, is_here=False)),
        (NEW | {"ofport": -1, "error": "no such device"}, InterfaceState("eth1", "system", None, "no such device", None, "", 1500, None, None, 0, 0)),
        (NEW | {"mtu": "x", "ofport": 65534}, InterfaceState("eth1", "system", 65534, None, None, "", 1500, None, None, 0, 0)),
    ],
)  # fmt: skip
def test_an_interface_of_a_row(row, state):
    assert interface_state.of_row(row) == state


def test_the_columns_are_what_is_read():
    assert set(interface_state.COLUMNS) == NEW.keys()


def test_kernel_counters_replace_those_of_the_database():
    eth1 = interface_state.of_row(NEW | OPEN)
    assert eth1.with_traffic({"eth1": (70, 80), "eth2": (1, 2)}) == eth1._replace(received=70, sent=80, is_here=True)
    assert eth1.with_traffic({"eth2": (1, 2)}) == eth1.with_traffic({}) == eth1


@pytest.mark.parametrize(
    ("most", "rest", "is_so"),
    [(10**6, 0, False), (10**6 + 1, 0, True), (2 * 10**6, 100_000, False), (2 * 10**6 + 1, 100_000, True), (0, 2 * 10**6, False)],
)
def test_traffic_in_nearly_one_direction(most, rest, is_so):
    assert interface_state.is_one_sided(most, rest) is is_so


@pytest.mark.parametrize(
    ("kind", "can_have_qos"),
    [*((kind, True) for kind in ("system", "internal", "tap", "dpdk", "dpdkvhostuserclient", "dummy", "dummy-pmd", "dummy-internal", "afxdp", "afxdp-nonpmd")),
     *((kind, False) for kind in ("patch", "gre", "vxlan", "geneve", "null"))],
)  # fmt: skip
def test_types_that_open_vswitch_shapes_and_polices(kind, can_have_qos):
    assert interface_state.of_row(NEW | {"type": kind}).can_have_qos is can_have_qos


def test_which_devices_have_a_physical_line():
    def has_a_line(driver: str, kind: str = "") -> bool:
        return interface_state.of_row(NEW | {"type": kind, "status": ["map", [["driver_name", driver]]]}).has_a_line

    made_up = ("tun", "veth", "openvswitch", "dummy", "bridge", "macvlan", "ifb", "virtio_net", "xen_netfront", "hv_netvsc", "")
    assert not any(map(has_a_line, made_up))
    assert has_a_line("ixgbe") and not has_a_line("ixgbe", "internal")


def test_an_interface_that_is_not_open_is_reported_until_it_is():
    closed = interface_state.of_row(NEW | {"error": "no such device"})
    (finding,) = interface_state.not_open("bond0", closed)
    assert finding[:4] == ("bond0", "error", "the interface is not open", "no such device")
    assert finding.remedy == (("ovstool", "port", "show", "eth1"),) and finding.disables and finding.may_pass
    (finding,) = interface_state.not_open("bond0", closed._replace(error=None))
    assert finding.evidence == "eth1 has no OpenFlow port number"
    assert list(interface_state.not_open("bond0", closed._replace(ofport=1))) == []
