"""Fragmented UDP datagrams of captures: reassembled in any order, within limits whatever arrives."""

import io
import itertools
import random
import struct

import pytest
import sflow_datagrams as spec
from test_sflow_capture import TIME, pcap

from ovstool.sflow import capture
from ovstool.sflow.capture import fragments
from ovstool.sflow.capture.fragments import Fragment, Fragments

LARGE = bytes(range(256)) * 200
UDP = spec.udp(50000, 6343, LARGE)
WHOLE = capture.Received(TIME, "192.0.2.7", 6343, LARGE)


def four(data: bytes, offset: int, more: bool, number: int = 7) -> bytes:
    """A fragment of IPv4 in an Ethernet frame."""
    ip = bytearray(spec.ipv4(17, data, src="192.0.2.7"))
    struct.pack_into("!HH", ip, 4, number, offset // 8 | more << 13)
    return spec.ethernet(0x0800, bytes(ip))


def six(data: bytes, offset: int, more: bool, number: int = 7) -> bytes:
    return spec.ethernet(0x86DD, spec.ipv6(44, struct.pack("!BBHI", 17, 0, offset | more, number) + data, src="2001:db8::7"))


def divided(make, udp: bytes = UDP, size: int = 1480, **options) -> list[bytes]:
    return [make(udp[at : at + size], at, at + size < len(udp), **options) for at in range(0, len(udp), size)]


def read(packets, counted=None) -> list[capture.Received]:
    return list(capture.read(io.BytesIO(pcap(*packets)), counted))


@pytest.mark.parametrize(("make", "source"), [(four, "192.0.2.7"), (six, "2001:db8::7")])
def test_fragments_are_put_together_in_any_order(make, source):
    packets = divided(make)
    expected = [WHOLE._replace(address=source)]
    assert read(packets) == read(packets[::-1]) == read(random.Random(1).sample(packets, len(packets))) == expected
    counted = Fragments()
    assert read(itertools.chain.from_iterable(zip(packets, packets, strict=True)), counted) == expected, "each packet twice"
    assert counted.incomplete == 0
    other = spec.udp(50000, 6343, LARGE[::-1])
    assert read([*packets, *divided(make, other)]) == [*expected, expected[0]._replace(payload=LARGE[::-1])], "an identifier reused"
    both = itertools.chain.from_iterable(zip(packets, divided(make, number=8), strict=True))
    assert read(both) == expected * 2


def test_the_padding_of_a_short_frame_is_not_data():
    packets = divided(four, spec.udp(50000, 6343, bytes(9)), 16)
    assert [received.payload for received in read([packets[0], packets[1] + b"\xff" * 20])] == [bytes(9)]


def test_options_of_ipv6_are_skipped():
    options = struct.pack("!BB6x", 17, 0) + UDP
    assert read([spec.ethernet(0x86DD, spec.ipv6(60, options, src="2001:db8::7"))]) == [WHOLE._replace(address="2001:db8::7")]


def test_the_start_of_an_incomplete_datagram_is_used_and_counted():
    counted = Fragments()
    found = read([*divided(four)[:2], *divided(four, number=8)[1:], *divided(four, number=9)], counted)
    assert (found, counted.incomplete) == ([WHOLE, WHOLE._replace(payload=LARGE[:1472])], 2)
    cut = io.BytesIO(pcap(divided(four)[0])[:-1] + b"")
    counted = Fragments()
    with pytest.raises(capture.Malformed):
        list(capture.read(cut, counted))
    assert counted.incomplete == 0


@pytest.mark.parametrize(
    "wrong",
    [
        (1480, False, bytes(8)),  # inside another fragment
        (1472, False, bytes(16)),  # overlaps the end of the previous one
        (2960, False, bytes(1480)),  # marked as last, but is not
        (65528, False, bytes(16)),  # beyond the maximum length
        (8, False, b""),
        (0, False, bytes(1480)),  # a second first fragment (RFC 5722)
    ],
)
def test_fragments_that_contradict_each_other_are_dropped(wrong):
    counted = Fragments()
    parts = [(at, at + 1480 < len(UDP), UDP[at : at + 1480]) for at in range(0, len(UDP), 1480)]
    first, rest = [*parts[:2], *parts[3:]], parts[2:3]
    came = [Fragment((b"a", b"b", 1), at, not more, data) for at, more, data in [*first, (wrong[0], wrong[1], wrong[2]), *rest]]
    found = [udp for fragment in came for udp in counted.add(0.0, fragment)] + list(counted.give_up(float("inf")))
    assert (found, counted.incomplete) == ([], 1)


def test_waiting_fragments_are_limited():
    counted = Fragments()
    for number in range(1000):
        assert list(counted.add(0.0, Fragment((b"", b"", number), 8, False, bytes(1000)))) == []
    assert counted.incomplete == 1000 - fragments.MOST
    for number, at in itertools.product(range(1000, 1064), range(8, 65528, 16)):
        list(counted.add(0.0, Fragment((b"", b"", number), at, False, bytes(8))))
    assert counted._octets <= fragments.MOST_BYTES


def test_fragments_do_not_wait_long():
    counted = Fragments()
    fragment = Fragment((b"", b"", 1), 0, False, b"x")
    assert list(counted.add(5.0, fragment)) == list(counted.give_up(6.9)) == []
    assert [(udp.time, udp.data) for udp in counted.give_up(7.0)] == [(5.0, b"x")] and not counted.partials


def test_counts_stay_consistent_for_any_fragments():
    for seed in range(200):
        chance = random.Random(seed)
        counted = Fragments()
        for moment in range(200):
            part = Fragment((b"", b"", chance.randrange(3)), chance.randrange(8) * 8, chance.random() < 0.2, bytes(chance.randrange(25)))
            list(counted.add(moment, part))
            assert counted._octets == sum(partial.octets for partial in counted.partials.values())
        list(counted.give_up(float("inf")))
        assert not counted.partials and counted._octets == 0
