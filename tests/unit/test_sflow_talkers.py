"""Talkers: traffic estimated from samples, and the error of the estimate."""

import random
import struct
from math import sqrt

import pytest
import sflow_datagrams as spec

from ovstool.sflow import wording
from ovstool.sflow.datagram import Counter, Drop, Flow, Interface
from ovstool.sflow.packet import Traffic
from ovstool.sflow.talkers import KEYS, Key, Tally, estimates, recorded_span_s
from ovstool.sflow.xdr import Record
from ovstool.switch import Switch
from ovstool.switch.sflow.heard import Listener, ListenSpec
from ovstool.switch.sflow.listening import Origin
from ovstool.switch.sflow.top_talkers import TopSpec, top

TCP = Traffic(1518, 10, "10.0.0.1", "10.0.0.2", 6, 5001, 80)


def tally(*samples, most=4096) -> Tally:
    counted = Tally(most)
    for sample in samples:
        counted.add(*sample)
    return counted


def test_a_sample_stands_for_the_packets_of_its_rate():
    (found,) = estimates([tally((Key("a"), 1000, 400), (Key("a"), 500, 200))], 10, 5)
    assert (found.key, found.bps, found.pps, found.samples) == (Key("a"), 8 * (400_000 + 100_000) / 10, 60, 2)


@pytest.mark.parametrize(("samples", "percent"), [(1, 196), (4, 98), (100, 19.6), (10_000, 1.96)])
def test_the_error_is_that_of_so_few_samples(samples, percent):
    """196 % / sqrt(n), as in "Packet Sampling Basics", where few of the packets are sampled."""
    (found,) = estimates([tally(*[(Key("a"), 1518, 10**6)] * samples)], 1, 1)
    assert found.error_percent == pytest.approx(percent, rel=1e-5)


def test_there_is_no_error_where_each_packet_is_sampled():
    (found,) = estimates([tally((Key("a"), 100, 1), (Key("a"), 1500, 1))], 1, 1)
    assert (found.bps, found.error_percent) == (12_800, 0)


def test_large_packets_among_small_ones_make_the_error_larger():
    (mixed,) = estimates([tally(*[(Key("a"), 64, 1000)] * 99, (Key("a"), 64_000, 1000))], 1, 1)
    assert mixed.error_percent == pytest.approx(100 * 1.96 * sqrt(99 * 64**2 + 64_000**2) / (99 * 64 + 64_000), rel=1e-3)


@pytest.mark.parametrize("rate", [4, 30])
def test_the_true_rate_is_within_the_error_in_95_of_100_cases(rate):
    """Packets of two sizes, sampled at random as an agent does, in the same 300 cases each time because the seeds are fixed."""
    within, packets = 0, [1518] * 2000 + [64] * 1000
    for seed in range(300):
        chance = random.Random(seed).random
        (found,) = estimates([tally(*((Key("a"), octets, rate) for octets in packets if chance() * rate < 1))], 1, 1)
        within += abs(found.bps - 8 * sum(packets)) <= found.bps * found.error_percent / 100
    assert 0.92 * 300 <= within <= 0.98 * 300


def test_the_largest_come_first_and_no_more_than_asked():
    counted = tally(*((Key("a", src=f"10.0.0.{number}"), number, 100) for number in (3, 1, 2)))
    assert [found.key.src for found in estimates([counted], 1, 2)] == ["10.0.0.3", "10.0.0.2"]


def test_several_periods_are_added_up():
    parts = [tally((Key("a"), 100, 10)), tally((Key("b"), 50, 10)), tally((Key("a"), 100, 10))]
    assert [(found.key.agent, found.bps, found.samples) for found in estimates(parts, 2, 9)] == [("a", 8000, 2), ("b", 2000, 1)]
    assert [(found.key.agent, found.samples) for found in estimates(parts, 2, 9)] == [("a", 2), ("b", 1)], "the periods must not change"


def test_no_time_gives_no_rate():
    (found,) = estimates([tally((Key("a"), 100, 10))], 0.0, 1)
    assert (found.bps, found.pps, found.samples) == (None, None, 1)


@pytest.mark.parametrize(
    ("agents", "datagrams", "span_s"),
    [("a", 1, 0.0), ("a", 2, 18.0), ("a", 10, 10.0), ("ab", 2, 0.0), ("ab", 20, 10.0), ("", 0, 0.0), ("", 10, 9.0)],
)
def test_the_time_before_the_first_datagram_of_a_capture_counts(agents, datagrams, span_s):
    """Nine seconds lie between the first and the last."""
    counted = tally(*((Key(agent), 100, 10) for agent in agents))
    counted.datagrams = datagrams
    assert recorded_span_s([counted], 9.0) == pytest.approx(span_s)


HEADER = spec.header(spec.ethernet(0x0800, spec.ipv4(17, spec.udp())), frame_bytes=1000)


def recorded(path, rates, interval_s=None):
    """The talkers of a capture and the summary; an agent sends one datagram a second, with a sample of each of these rates."""
    data = struct.pack(">IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for number, rate in enumerate(rates):
        packet = spec.ipv4(17, spec.udp(999, 6343, spec.datagram(spec.flow(HEADER, rate=rate), sequence=number, uptime_ms=number * 1000)))
        data += struct.pack(">4I", 1000 + number, 0, len(packet), len(packet)) + packet
    path.write_bytes(data)
    switch = Switch("unix:/nonexistent")
    found = list(top(Listener(switch, ListenSpec(Origin(None, None, str(path)))), TopSpec("agent", 9, interval_s), is_recorded=True))
    return found, switch.notes


def test_rates_of_a_capture_are_those_of_its_datagrams(tmp_path):
    (((row,),), _) = recorded(tmp_path / "a.pcap", [64] * 5)
    assert (row.interval_s, row.bps, row.pps, row.samples) == (5, 8 * 64_000, 64, 5)
    (((row,),), _) = recorded(tmp_path / "a.pcap", [64])
    assert (row.interval_s, row.bps, row.pps, row.samples) == (0, None, None, 1)
    readings, _ = recorded(tmp_path / "a.pcap", [64] * 10, interval_s=3)
    assert [(row.interval_s, row.bps, row.samples) for (row,) in readings] == [(3, 8 * 64_000, 3)] * 3 + [(0, None, 1)]


def test_samples_that_stand_for_nothing_known_are_left_out_and_counted(tmp_path):
    (((row,),), notes) = recorded(tmp_path / "a.pcap", [64, 0, 64, 64])
    assert (row.bps, row.samples) == (8 * 64_000 * 3 / 4, 3)
    assert notes == ["4 datagrams, 4 flow samples", "1 flow sample with sampling rate 0, which --top ignores"]
    assert recorded(tmp_path / "a.pcap", [0, 0]) == (
        [[]], ["2 datagrams, 2 flow samples", "2 flow samples with sampling rate 0, which --top ignores"],
    )  # fmt: skip


def test_the_number_of_talkers_is_limited_and_the_largest_stay():
    counted = Tally(100)
    for number in range(3000):
        counted.add(Key("a", src="large"), 1000, 100)
        counted.add(Key("a", src=f"small {number}"), 64, 100)
        assert len(counted.counts) <= 100
    first = estimates([counted], 1, 1)[0]
    assert (first.key.src, first.samples) == ("large", 3000)


def test_no_talker_is_forgotten_before_there_are_too_many():
    counted = Tally()
    for number in range(4096):
        counted.add(Key("a", src=f"{number}"), 64, 100)
    assert len(counted.counts) == 4096
    counted.add(Key("a", src="one more"), 64, 100)
    assert len(counted.counts) == 2048 + 1


def test_absurd_numbers():
    huge = 2**32 - 1
    (found,) = estimates([tally(*[(Key("a"), huge, huge)] * 1000, (Key("a"), 0, 0))], 1e-6, 1)
    assert found.samples == 1001 and found.error_percent == pytest.approx(6.198, rel=1e-3)
    assert estimates([tally((Key("a"), 0, 0))], 1, 1)[0].error_percent == 0


@pytest.mark.parametrize(
    ("by", "key"),
    [
        ("flow", Key("agent", None, 10, "10.0.0.1", "10.0.0.2", 6, 5001, 80)),
        ("src", Key("agent", src="10.0.0.1")),
        ("dst", Key("agent", dst="10.0.0.2")),
        ("port", Key("agent", 7)),
        ("vlan", Key("agent", vlan_vid=10)),
        ("agent", Key("agent")),
    ],
)
def test_keys(by, key):
    assert KEYS[by]("agent", 7, TCP) == key


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("10.0.0.1", "10.0.0.2", 6, 5001, 80, None), "tcp 10.0.0.1:5001 > 10.0.0.2:80"),
        (("2001:db8::1", "2001:db8::2", 17, 53, 53, 10), "udp [2001:db8::1]:53 > [2001:db8::2]:53 vlan 10"),
        (("2001:db8::1", "2001:db8::2", 58, None, None, None), "icmp6 2001:db8::1 > 2001:db8::2"),
        (("10.0.0.1", "10.0.0.2", 200, None, None, None), "ip-proto-200 10.0.0.1 > 10.0.0.2"),
        (("02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", None, None, None, 0), "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff vlan 0"),
        ((None, None, None, None, None, None), "? > ?"),
    ],
)
def test_a_conversation_in_words(words, text):
    assert wording.conversation(*words) == text


def test_protocols_have_the_names_of_their_numbers():
    """IANA's names in lower case and in their usual short form."""
    numbers = {
        "icmp": 1,
        "igmp": 2,
        "ipip": 4,
        "tcp": 6,
        "udp": 17,
        "ip6": 41,
        "gre": 47,
        "esp": 50,
        "ah": 51,
        "icmp6": 58,
        "ospf": 89,
        "pim": 103,
    }
    for name, number in (numbers | {"vrrp": 112, "sctp": 132, "ip-proto-3": 3}).items():
        assert wording.conversation("10.0.0.1", "10.0.0.2", number, None, None, None) == f"{name} 10.0.0.1 > 10.0.0.2"


def test_samples_in_words():
    header = bytes(12) + b"\x08\0" + bytes([0x45, *bytes(8), 17, *bytes(2), 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 0, 54, *bytes(4)])
    record = Record(1, struct.pack("!4I", 1, 100, 4, len(header)) + header + bytes(-len(header) % 4))
    common = (1, 0, 7)
    interfaces = Interface(0, 7), Interface(0, 8)
    assert wording.of_sample(Flow(*common, 400, 400, 0, *interfaces, [record])) == "udp 10.0.0.1:53 > 10.0.0.2:54"
    assert wording.of_sample(Drop(*common, 0, *interfaces, 258, [record])) == "dropped, acl: udp 10.0.0.1:53 > 10.0.0.2:54"
    assert wording.of_sample(Flow(*common, 400, 400, 0, *interfaces, [])) == "packet of an unknown type"
    named = [Record(1004, bytes(12)), Record(1005, b"\0\0\0\0"), Record(99999, b"")]
    assert wording.of_sample(Counter(*common, named)) == "counters: of_port, port_name"
    assert wording.of_sample(Counter(*common, [Record(99999, b"")])) == "counters: of unknown formats"


@pytest.mark.parametrize(
    ("interface", "name", "text"),
    [
        (Interface(0, 7), "eth1", "eth1"),
        (Interface(0, 7), None, "7"),
        (Interface(0, 0), None, "?"),
        (Interface(1, 257), None, "drop"),
        (Interface(2, 3), None, "3 ports"),
        (Interface(2, 0), None, "?"),
        (Interface(0, 2**32 - 1), None, "internal"),
    ],
)
def test_an_interface_in_words(interface, name, text):
    assert wording.interface(interface, name) == text


UNKNOWN, UNKNOWN_64 = 2**32 - 1, 2**64 - 1


def interface_counters(speed=0, status=3, octets=(0, 0), discards=(0, 0), errors=(0, 0)) -> Record:
    into = struct.pack("!Q6I", octets[0], 0, 0, 0, discards[0], errors[0], 0)
    out = struct.pack("!Q5I", octets[1], 0, 0, 0, discards[1], errors[1])
    return Record(1, struct.pack("!IIQII", 7, 6, speed, 1, status) + into + out + bytes(4))


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (interface_counters(10**10, octets=(1_234_567, 0)), "in 1.235 MB, out 0 B, 10 Gbit/s"),
        (
            interface_counters(0, 1, (5, 6), (1, 2), (3, 4)),
            "in 5 B, out 6 B, in errors 3, out errors 4, in discards 1, out discards 2, down",
        ),
        (interface_counters(octets=(UNKNOWN_64, UNKNOWN_64), errors=(UNKNOWN, UNKNOWN)), "if_counters"),
        (Record(1, b"cut"), "if_counters"),
        (Record(2, struct.pack("!13I", 0, 3, 0, 0, 0, 9, 0, 0, 0, UNKNOWN, 0, 0, 1)), "fcs errors 3, symbol errors 1"),
        (Record(5, struct.pack("!IQ4I", 10, 2000, 0, 0, 0, 0)), "vlan 10, total 2 kB"),
        (Record(1001, struct.pack("!3IQQ", 250, 0, 0, 0, 0)), "cpu 2.5%"),
        (Record(1001, struct.pack("!3IQQ", UNKNOWN, 0, 0, 0, 0)), "processor"),
        (Record(2003, struct.pack("!3f", 0.5, 1, 1) + bytes(56)), "load 0.5"),
        (Record(2006, struct.pack("!Q3IQ3I", 1000, 0, 0, 2, 3000, 0, 1, 0)), "in 1 kB, out 3 kB, out errors 1, in drops 2"),
        (Record(2207, struct.pack("!6I", 5, 6, 0, UNKNOWN, 3, 1)), "hits 5, misses 6, lost 0, flows 3"),
    ],
)
def test_counters_in_words(record, text):
    assert wording.of_sample(Counter(1, 0, 7, [record])) == f"counters: {text}"


@pytest.mark.parametrize(
    ("source", "record", "text"),
    [((0, 7), 1, "7"), ((1, 10), 5, "vlan 10"), ((2, 1000), 2207, "switch"), ((2, 1000), 1001, "entity 1000"), ((3, 5), 1, "3:5")],
)
def test_a_source_in_words(source, record, text):
    assert wording.source(Counter(1, *source, [Record(record, b"")])) == text
