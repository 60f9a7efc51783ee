"""What decides whether an interface can be shaped or policed: its row and the kernel's counters."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ovstool.ovsdb.transaction import Row
from ovstool.ovsdb.values import mapping, ofport, one
from ovstool.switch import ERROR, Finding, lookup, police

COLUMNS = ("_uuid", "name", "type", "ofport", "error", "link_speed", "mtu", "status", "statistics", *police.COLUMNS)
HIGHEST_BPS = (2**32 - 1) * 8  # bytes per second in 32 bits: the limit of tc's older interface, and of HFSC still
# Drivers that report an invented link speed: veth_get_link_ksettings and tun_default_link_ksettings of Linux,
# and so on. "openvswitch" is what internal ports have.
_WITHOUT_A_LINE = ("tun", "veth", "openvswitch", "dummy", "bridge", "macvlan", "ifb", "virtio_net", "xen_netfront", "hv_netvsc")
_MUCH = 10**6  # bytes; less is too little to tell a direction
_ONE_SIDED = 20  # times as much in one direction; TCP's acknowledgements are about 1/45 of the data

Traffic = Mapping[str, tuple[int, int]]  # bytes received and sent, by name


class InterfaceState(NamedTuple):
    """An interface of a port; ``ofport`` None when ovs-vswitchd has not opened it, ``link_speed`` in bit/s, None where unknown.

    ``driver`` is the kernel's name for its driver, empty without one. ``received`` and ``sent`` are in bytes, from the kernel, or
    from the database for a device that the kernel does not have. ``police_rate`` and ``police_packet_rate`` limit what it receives, in
    bit/s and packets/s. ``is_here``: the kernel has it where ovs-vswitchd runs; tc does not list devices that are down without a qdisc.
    """

    name: str
    type: str
    ofport: int | None
    error: str | None
    link_speed: int | None
    driver: str
    mtu: int
    police_rate: int | None
    police_packet_rate: int | None
    received: int
    sent: int
    is_here: bool = False

    @property
    def can_have_qos(self) -> bool:
        """Whether Open vSwitch shapes and polices this type at all; it does not for patch ports and tunnels (netdev-vport.c)."""
        return self.type in ("system", "internal", "tap") or self.type.startswith(("dpdk", "dummy", "afxdp"))

    @property
    def is_dpdk(self) -> bool:
        return self.type.startswith("dpdk")

    @property
    def is_afxdp(self) -> bool:
        return self.type.startswith("afxdp")

    @property
    def has_a_line(self) -> bool:
        """Whether its link speed is that of a line, which it cannot exceed."""
        return self.type == "system" and bool(self.driver) and self.driver not in _WITHOUT_A_LINE

    def with_traffic(self, traffic: Traffic) -> "InterfaceState":
        """This interface with the kernel's counters, if it has any."""
        if self.name not in traffic:
            return self
        received, sent = traffic[self.name]
        return self._replace(received=received, sent=sent, is_here=True)


def of_row(row: Row) -> InterfaceState:
    """An interface as the database has it, from a row with ``COLUMNS``."""
    mtu, counters = one(row["mtu"]), mapping(row["statistics"])
    return InterfaceState(
        row["name"], lookup.interface_type(row), ofport(row["ofport"]),
        one(row["error"]), one(row["link_speed"]), str(mapping(row["status"]).get("driver_name", "")), mtu if isinstance(mtu, int) else 1500,
        **police.rates(row), received=counters.get("rx_bytes", 0), sent=counters.get("tx_bytes", 0), is_here=False,
    )  # fmt: skip


def is_one_sided(most: int, rest: int) -> bool:
    """Whether nearly all of the bytes in two directions are in the first."""
    return most > _MUCH and most > _ONE_SIDED * rest


def not_open(port: str, interface: InterfaceState) -> Iterator[Finding]:
    """A device that ovs-vswitchd could not open has an error, and an ofport of -1 or none (ovs-vswitchd.conf.db(5), table Interface).

    Nothing is configured on it (bridge.c, iface_do_create).
    """
    if interface.ofport is None:
        evidence = interface.error or f"{interface.name} has no OpenFlow port number"
        remedy = ("ovstool", "port", "show", interface.name)
        yield Finding(port, ERROR, "the interface is not open", evidence, (remedy,), disables=True, may_pass=True)
