"""Comparing matches; tests/switch/test_steer.py compares many more with the switch's own result."""

import pytest

from ovstool.openflow.syntax.match import apart, covers, fields


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("", ""),
        ("", "ip"),
        ("ip", "tcp,tp_dst=80"),
        ("ipv6", "icmp6"),
        *(
            (f"ip,nw_proto={number}", f"{word},nw_ttl=5")
            for word, number in (("icmp", 1), ("igmp", 2), ("tcp", 6), ("udp", 17), ("sctp", 132))
        ),
        *((f"ipv6,nw_proto={number}", f"{word}6,nw_ttl=5") for word, number in (("icmp", 58), ("tcp", 6), ("udp", 17), ("sctp", 132))),
        ("dl_type=0x0800", "ip"),
        ("in_port=1", "arp,in_port=1"),
        *(
            (f"dl_type={number}", f"{word},dl_vlan=5")
            for word, number in (
                ("ip", "0x800"),
                ("ipv6", "0x86dd"),
                ("arp", "0x806"),
                ("rarp", "0x8035"),
                ("mpls", "0x8847"),
                ("mplsm", "0x8848"),
            )
        ),
        ("in_port=LOCAL", "ip,in_port=LOCAL"),
        ("ip,nw_dst=10.0.0.0/8", "ip,nw_dst=10.1.2.3"),
        ("ip,nw_dst=10.0.0.0/8", "ip,nw_dst=10.1.0.0/16"),
        ("ip,nw_dst=10.0.0.0/255.0.255.0", "ip,nw_dst=10.9.0.1"),
        ("ipv6,ipv6_src=2001:db8::/32", "ipv6,ipv6_src=2001:db8::1"),
        ("dl_dst=01:00:00:00:00:00/01:00:00:00:00:00", "dl_dst=ff:ff:ff:ff:ff:ff"),
        ("tcp,tp_dst=0x50/0xfff0", "tcp,tp_dst=85"),
        ("ct_state=+trk", "ct_state=+trk,ip"),
    ],
)
def test_covered(wide, narrow):
    assert covers(fields(wide), fields(narrow))
    assert wide == narrow or not covers(fields(narrow), fields(wide)) or wide == "dl_type=0x0800"
    assert not apart(fields(wide), fields(narrow))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ip", "arp"),
        ("ip", "ipv6"),
        ("tcp", "udp,tp_dst=80"),
        ("in_port=1", "ip,in_port=2"),
        ("in_port=1", "in_port=LOCAL"),
        ("ip,nw_dst=10.0.0.1", "ip,nw_dst=10.0.0.2"),
        ("ip,nw_dst=10.0.0.0/8", "ip,nw_dst=11.0.0.0/16"),
        ("tcp,tp_dst=0x50/0xfff0", "tcp,tp_dst=96"),
        ("dl_vlan=5", "dl_vlan=6"),
        ("dl_dst=02:00:00:00:00:01", "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"),
        ("ipv6,ipv6_src=2001:db8::/32", "ipv6,ipv6_src=2001:db9::1"),
    ],
)
def test_disjoint(one, other):
    assert apart(fields(one), fields(other)) and apart(fields(other), fields(one))
    assert not covers(fields(one), fields(other)) and not covers(fields(other), fields(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ip", "in_port=1"),
        ("ip,nw_src=10.0.0.1", "ip,nw_dst=10.0.0.2"),
        ("ip,nw_dst=10.0.0.0/255.0.255.0", "ip,nw_dst=10.1.0.0/16"),
        # What is not understood may match anything.
        ("dl_vlan=5", "vlan_tci=0x0000"),
        ("ct_state=+trk", "ct_state=-trk"),
        ("packet_type=(1,0x800)", "packet_type=(1,0x86dd)"),
        ("nosuch", "nosuch=3"),
    ],
)
def test_neither_covered_nor_disjoint(one, other):
    assert not apart(fields(one), fields(other)) and not apart(fields(other), fields(one))
    assert not covers(fields(one), fields(other)) and not covers(fields(other), fields(one))
