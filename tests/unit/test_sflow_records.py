"""Each record of flow and counter samples, built byte by byte from its specification."""

import struct

import pytest
import sflow_datagrams as spec
from sflow_datagrams import address
from sflow_records import (
    COUNTERS,
    CPU,
    CPU_SAYS,
    ETHERNET,
    ETHERNET_SAYS,
    FLOW,
    FRAME,
    IF_COUNTERS,
    IPV4,
    IPV4_SAYS,
    IPV6,
    QUEUE,
    UNKNOWN,
    words,
)

from ovstool.sflow import counter_records, flow_records
from ovstool.sflow.datagram import decode


def said(sample: bytes) -> dict:
    """The fields of a sample without those of its source."""
    found = decode(spec.datagram(sample))
    assert found.malformed is None
    [row] = found.rows()
    known = "kind agent sub_agent datagram_sequence uptime_ms source sequence sampling_rate sample_pool drops input output".split()
    return {name: value for name, value in row.items() if name not in known}


def test_all_are_here():
    assert FLOW.keys() | {1} == flow_records.KNOWN
    assert COUNTERS.keys() | {1003} == counter_records.KNOWN


@pytest.mark.parametrize("tag", FLOW)
def test_flow_record(tag):
    body, name, fields = FLOW[tag]
    assert said(spec.flow(spec.header(b""), spec.record(tag, body)))[name] == fields
    assert said(spec.flow(spec.header(b""), spec.record(tag, body + words(1, 2))))[name] == fields, "structures may grow at their ends"


@pytest.mark.parametrize("tag", COUNTERS)
def test_counter_record(tag):
    body, name, fields = COUNTERS[tag]
    assert said(spec.counter(spec.record(tag, body))) == {name: fields}
    assert said(spec.expanded_counter(spec.record(tag, body + words(1, 2)))) == {name: fields}, "structures may grow at their ends"


@pytest.mark.parametrize(("tag", "records"), [*((tag, FLOW) for tag in FLOW), *((tag, COUNTERS) for tag in COUNTERS)])
def test_a_record_that_is_cut_short_says_so(tag, records):
    body, name, fields = records[tag]
    sample = spec.flow if records is FLOW else spec.counter
    for length in range(0, len(body), 4):
        row = said(sample(spec.record(tag, body[:length])))
        if name in row:  # its last fields were added later
            assert row[name].items() <= fields.items() and "malformed" not in row
        else:
            assert row["malformed"].startswith(name)


def test_a_header():
    row = said(spec.flow(spec.header(FRAME, frame_bytes=1518, stripped_bytes=4)))
    assert row == {
        "header_protocol": "ethernet", "frame_bytes": 1518, "stripped_bytes": 4, "header_bytes": 58, "eth_src": "02:00:00:00:00:01",
        "eth_dst": "02:00:00:00:00:02", "vlan_vid": 100, "vlan_pcp": 0, "vlan_tpid": "0x8100", "eth_type": "0x0800", "ip_src": "10.0.0.1",
        "ip_dst": "10.0.0.2", "ip_proto": 6, "ip_dscp": 0, "ip_ecn": 0, "nw_ttl": 64, "ip_bytes": 40, "tcp_src": 40000, "tcp_dst": 443,
        "tcp_flags": "syn|ack",
    }  # fmt: skip
    assert said(spec.flow(spec.header(b"abc", protocol=99)))["header_protocol"] == "99"


def test_each_protocol_of_a_header_has_its_name():
    """header_protocol of sFlow version 5, section 5.3, and of the structures for 802.11 and InfiniBand."""
    names = "ethernet token-bus token-ring fddi frame-relay x25 ppp smds aal5 aal5-ip ipv4 ipv6 mpls pos 802.11 802.11-ampdu 802.11-amsdu infiniband 19"
    found = [said(spec.flow(spec.header(b"", protocol=number)))["header_protocol"] for number in range(1, 20)]
    assert found == names.split()


@pytest.mark.parametrize("body", [b"", words(1, 60, 4), words(1, 60, 4, 1), words(1, 60, 4, UNKNOWN) + bytes(40)])
def test_a_header_that_lies_about_its_length(body):
    [row] = decode(spec.datagram(spec.flow(spec.record(1, body), spec.record(1001, words(1, 2, 3, 4))))).rows()
    assert row["malformed"].startswith("sampled_header") and row["extended_switch"]["dst_vlan"] == 3
    assert decode(spec.datagram(spec.flow(spec.record(1, body)))).samples[0].traffic() is None


def test_fields_in_place_of_a_header():
    row = said(spec.flow(spec.record(2, ETHERNET), spec.record(3, IPV4)))
    packet = {"frame_bytes": 1500, "eth_src": "02:00:00:00:00:01", "eth_dst": "02:00:00:00:00:01", "eth_type": "0x0800"}
    packet |= {
        "ip_bytes": 1480,
        "ip_src": "10.0.0.1",
        "ip_dst": "10.0.0.2",
        "ip_proto": 6,
        "tcp_src": 40000,
        "tcp_dst": 443,
        "tcp_flags": "syn|ack",
    }
    assert row == packet | {"sampled_ethernet": ETHERNET_SAYS, "sampled_ipv4": IPV4_SAYS}
    row = said(spec.flow(spec.record(4, IPV6)))
    assert row["udp_dst"] == 53 and row["ipv6_src"] == "2001:db8::1" and "tcp_flags" not in row
    icmp = said(spec.flow(spec.record(3, words(84, 1) + IPV4[8:])))
    assert icmp["ip_proto"] == 1 and not icmp.keys() & {"tcp_src", "udp_src", "src_port"}


def test_conversations():
    switch = spec.record(1001, words(12, 0, 12, 0))
    header = spec.header(spec.ethernet(0x0800, spec.ipv4(6, spec.tcp())))

    def traffic(*records):
        return decode(spec.datagram(spec.flow(*records))).samples[0].traffic()

    assert traffic(header)._asdict() == {
        "frame_bytes": 1518, "vlan_vid": None, "src": "10.0.0.1", "dst": "10.0.0.2", "ip_proto": 6, "src_port": 40000, "dst_port": 443,
    }  # fmt: skip
    assert traffic(switch, header).vlan_vid == traffic(header, switch).vlan_vid == 12, "an untagged packet is in the VLAN of its port"
    assert traffic(spec.header(FRAME), switch).vlan_vid == 100
    for none in (0, 4096, UNKNOWN):
        assert traffic(header, spec.record(1001, words(none, 0, 0, 0))).vlan_vid is None
    assert traffic(spec.record(2, ETHERNET), spec.record(3, IPV4))[:4] == (1500, None, "10.0.0.1", "10.0.0.2")
    assert traffic(spec.record(4, IPV6), switch) == (1480, 12, "2001:db8::1", "2001:db8::1", 17, 40000, 53)
    assert traffic(switch) is None and traffic() is None and traffic(spec.record(3, IPV4[:8])) is None


def test_repeated_structures():
    switch = spec.record(1001, words(1, 2, 3, 4))
    row = said(spec.flow(switch, switch, switch))
    assert list(row) == ["extended_switch", "extended_switch_2", "extended_switch_3"]
    first, second = spec.record(1003, QUEUE[0]), spec.record(1003, words(*range(13)))
    row = said(spec.counter(first, second))
    assert row["queue_length"][0] == QUEUE[2] and row["queue_length"][1]["dropped"] == 12
    assert said(spec.counter(first)) == {"queue_length": [QUEUE[2]]}, "a single one is a list too"


def test_unknown_records():
    found = decode(spec.datagram(spec.flow(spec.record(4413 << 12 | 9, b"abcde"), spec.header(FRAME), spec.record(9999, b""))))
    assert found.unknown == 2 and found.malformed is None
    assert next(found.rows())["unknown_records"] == ["4413:9", "2:1807"]
    assert decode(spec.datagram(spec.counter(spec.record(1001 << 12 | 1, b"")))).unknown == 1


def test_states_of_an_interface():
    def states(status):
        body = struct.pack("!IIQIIQ6IQ6I", *IF_COUNTERS[:4], status, *IF_COUNTERS[5:])
        row = said(spec.counter(spec.record(1, body)))["if_counters"]
        return row["if_status"], row["if_admin_status"], row["if_oper_status"]

    assert [states(status) for status in (0, 1, 2, 3)] == [(0, "down", "down"), (1, "up", "down"), (2, "down", "up"), (3, "up", "up")]
    assert states(UNKNOWN) == (None, None, None)


def test_older_agents_send_less():
    assert said(spec.counter(spec.record(2003, CPU)))["host_cpu"] == CPU_SAYS
    tcp = words(*range(1, 15))
    assert list(said(spec.counter(spec.record(2009, tcp)))["mib2_tcp_group"])[-1] == "out_rsts"


def test_loads_that_json_cannot_represent():
    for load in ("nan", "inf", "-inf", "-1"):
        body = struct.pack("!3f", *[float(load)] * 3) + words(*range(4, 18))
        assert said(spec.counter(spec.record(2003, body)))["host_cpu"]["load_1m"] is None


def test_an_aggregate_in_an_aggregate_is_not_opened():
    body = words(1, 1) + spec.record(1016, words(1, 1) + spec.record(1016, words(0)))
    assert said(spec.flow(spec.record(1016, body)))["extended_80211_aggregation"] == {"pdus": [{"unknown_records": ["0:1016"]}]}


@pytest.mark.parametrize(
    ("tag", "body", "why"),
    [
        (1003, address("10.0.0.1") + words(1, 2, 3, UNKNOWN), "extended_gateway: truncated, 24 bytes"),
        (1003, address("10.0.0.1") + words(1, 2, 3, 1, 2, UNKNOWN, 5), "truncated: 4294967295 numbers announced, room for 1"),
        (1004, words(0, UNKNOWN) + b"abcd", "truncated: field needs 4294967295 bytes, 4 remain"),
        (1002, words(3) + bytes(30), "unknown address type 3"),
        (1006, address("10.0.0.1") + words(UNKNOWN), "truncated: 4294967295 numbers announced, room for 0"),
        (1006, address("10.0.0.1") + words(3, 1, 2), "truncated: 3 numbers announced, room for 2"),
        (1016, words(UNKNOWN), "extended_80211_aggregation: truncated"),
        (1016, words(1, UNKNOWN, 1, 2), "truncated: record needs 2 bytes, 0 remain"),
    ],
)
def test_counts_that_lie(tag, body, why):
    assert why in said(spec.flow(spec.record(tag, body)))["malformed"]


@pytest.mark.parametrize(
    ("tag", "body", "why"),
    [
        (2001, words(UNKNOWN), "host_adapters: truncated, 4 bytes"),
        (2001, words(1, 1, UNKNOWN) + bytes(8), "truncated: 4294967295 addresses announced, room for 1"),
        (10, words(1, 4, 3300, 0, UNKNOWN) + bytes(40), "truncated: 4294967295 lanes announced, room for 1"),
        (4413 << 12 | 2, words(1, 2, 3, 4, UNKNOWN), "truncated: 4294967295 numbers announced, room for 0"),
    ],
)
def test_counts_that_lie_in_counters(tag, body, why):
    assert why in said(spec.counter(spec.record(tag, body)))["malformed"]


@pytest.mark.parametrize(
    ("records", "tag", "field", "offset", "names"),
    [
        (FLOW, 1005, "direction", 0, "unknown src dst"),
        (FLOW, 1014, "version", 20, "unknown a b g n"),
        (FLOW, 1037, "direction", 12, "unknown ingress egress"),
        (FLOW, 2000, "direction", 0, "unknown client server"),
        (FLOW, 2000, "status", 12, "succeeded generic_failure outofmemory timeout notpermitted"),
        (FLOW, 2200, "protocol", 0, "other ascii binary"),
        (
            FLOW, 2200, "command", 4,
            "other set add replace append prepend cas get gets incr decr delete stats flush version quit touch",
        ),
        (FLOW, 2200, "status", -4, "unknown ok error client_error server_error stored not_stored exists not_found deleted"),
        (
            FLOW, 2202, "status", -4,
            "success other timeout internal_error bad_request forbidden too_large not_implemented not_found unavailable unauthorized",
        ),
        (FLOW, 2206, "method", 0, "other options get head post put delete trace connect"),
        (FLOW, 2209, "direction", 0, "unknown received sent"),
        (COUNTERS, 1, "if_direction", 16, "unknown full-duplex half-duplex in out"),
        (COUNTERS, 2000, "machine_type", 24, "unknown other x86 x86_64 ia64 sparc alpha powerpc m68k mips arm hppa s390"),
        (
            COUNTERS, 2000, "os_name", 28,
            "unknown other linux windows darwin hpux aix dragonfly freebsd netbsd openbsd osf solaris",
        ),
        (COUNTERS, 2101, "state", 0, "nostate running blocked paused shutdown shutoff crashed"),
    ],
)  # fmt: skip
def test_each_value_has_the_name_that_its_specification_gives(records, tag, field, offset, names):
    body, structure, _ = records[tag]
    at = offset % len(body)

    def said_of(value: int) -> str:
        record = spec.record(tag, body[:at] + words(value) + body[at + 4 :])
        return said(spec.flow(spec.header(b""), record) if records is FLOW else spec.counter(record))[structure][field]

    assert [said_of(value) for value in range(len(names.split()))] == names.split()
    assert said_of(99) == "99"
