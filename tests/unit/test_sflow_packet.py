"""The fields of a sampled header, for each type of link, packet and tunnel."""

import pytest
import sflow_datagrams as spec
from sflow_packets import FRAME, MACS, PACKETS

from ovstool.sflow import flow_records, packet, wording
from ovstool.sflow.xdr import Record


@pytest.mark.parametrize("name", PACKETS)
def test_fields(name):
    protocol, header, expected = PACKETS[name]
    assert packet.fields(protocol, header) == expected


@pytest.mark.parametrize("name", PACKETS)
def test_a_truncated_header_has_the_fields_of_its_beginning(name):
    """The fields of a part are fields of the whole too, except for what only the data after the cut shows."""
    protocol, header, expected = PACKETS[name]
    for length in range(len(header)):
        said = packet.fields(protocol, header[:length])
        grown = {"ip_proto", "mpls_labels", "eth_type", "llc_dsap", "llc_ssap", "tunnel", "inner_ip_proto", "eth_src", "eth_dst"}
        assert said.keys() - grown <= expected.keys() | grown
        assert {name: value for name, value in said.items() if name not in grown}.items() <= expected.items()


@pytest.mark.parametrize("name", PACKETS)
def test_conversations_agree_with_the_fields(name):
    """The fast path for common packets gives the same result as the complete decoder."""
    protocol, header, _ = PACKETS[name]
    for length in (len(header), *range(len(header))):
        record = Record(1, spec.header(header[:length], protocol)[8:])
        said = packet.fields(protocol, header[:length])
        assert flow_records.traffic([record]) == packet.traffic(said, 1518)


def test_conversations():
    def traffic(protocol, header, frame_bytes, untagged_vid=None):
        return packet.traffic(packet.fields(protocol, header), frame_bytes, untagged_vid)

    assert traffic(1, FRAME, 1518) == packet.Traffic(1518, None, "10.0.0.1", "10.0.0.2", 6, 40000, 443)
    assert traffic(1, FRAME, 1518, 12) == packet.Traffic(1518, 12, "10.0.0.1", "10.0.0.2", 6, 40000, 443)
    tagged_frame = spec.ethernet(0x86DD, spec.ipv6(17, spec.udp()), [(0x8100, 0x6064)])
    assert traffic(1, tagged_frame, 99, 12) == packet.Traffic(99, 100, "2001:db8::1", "2001:db8::2", 17, 40000, 53)
    assert traffic(1, spec.ethernet(0x88CC, b""), 60) == packet.Traffic(60, None, *MACS.values(), None, None, None)
    arp = traffic(*PACKETS["ARP"][:2], 60)
    assert arp == packet.Traffic(60, None, "10.0.0.1", "10.0.0.2", None, None, None)
    assert wording.conversation(*arp[2:], arp.vlan_vid) == "arp 10.0.0.1 > 10.0.0.2"
    assert traffic(18, bytes(60), 60) == packet.Traffic(60, *[None] * 6)
