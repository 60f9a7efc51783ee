"""Limits as users specify them, in the units of the columns of table Interface."""

import pytest

from ovstool.errors import UsageError
from ovstool.switch import police

_MBIT = 10**6


@pytest.mark.parametrize(
    ("asked", "columns"),
    [
        # Bit/s, bits, packets/s and packets; the columns are in thousands of these.
        ((10 * _MBIT, None, None, None), (10_000, 2_112, None, None)),
        ((10 * _MBIT, _MBIT, None, None), (10_000, 1_000, None, None)),
        ((1_000, 0, None, None), (1, 0, None, None)),
        ((0, None, None, None), (0, None, None, None)),
        ((0, 5_000, None, None), (0, 5, None, None)),
        ((None, None, 10_000, None), (None, None, 10, 3)),
        ((None, None, 10_000, 7_000), (None, None, 10, 7)),
        ((None, None, 1_000, 0), (None, None, 1, 0)),
        ((None, None, 0, None), (None, None, 0, None)),
        ((None, None, 0, 5_000), (None, None, 0, 5)),
        ((_MBIT, 200_000, 2_000, 9_000), (1_000, 200, 2, 9)),
        # The largest bursts and rates that fit into 32 bits on the way to tc.
        ((1_000, 267_000, None, None), (1, 267, None, None)),
        ((_MBIT, 267_578_000, None, None), (1_000, 267_578, None, None)),
        ((None, None, 1_000, 274_000), (None, None, 1, 274)),
        ((4_294_967_295_000, 4_294_967_295_000, None, None), (4_294_967_295, 4_294_967_295, None, None)),
        ((None, None, 4_294_967_000, 4_294_967_000), (None, None, 4_294_967, 4_294_967)),
    ],
)
def test_what_is_asked_becomes_columns(asked, columns):
    assert tuple(police.spec(*asked)) == columns


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ((None, None, None, None), ("police set", "a limit is missing", "--rate 10mbit or --packet-rate 1000")),
        ((None, 5_000, 1_000, None), ("--burst", "needs a rate", "--rate RATE --burst SIZE")),
        ((5_000, None, None, 1_000), ("--packet-burst", "needs a packet rate", "--packet-rate PPS --packet-burst N")),
        ((1_500, None, None, None), ("1.5kbit", "policing is in kbit/s, so this value cannot be set exactly", "1kbit or 2kbit")),
        ((1_000, 1_500, None, None), ("1.5kbit", "a burst is in kbit, so this value cannot be set exactly", "1kbit or 2kbit")),
        (
            (None, None, 1_500, None),
            ("1500", "policing is in thousands of packets a second, so this value cannot be set exactly", "1000 or 2000"),
        ),
        ((None, None, 1_000, 1_500), ("1500", "policing is in thousands of packets, so this value cannot be set exactly", "1000 or 2000")),
        ((4_294_967_296_000, None, None, None), ("4294967.296mbit", "policing is in kbit/s, at most 4294967.295mbit", None)),
        ((10**12, 4_294_968 * _MBIT, None, None), ("4294.968gbit", "a burst is in kbit, at most 4294967.295mbit", None)),
        ((None, None, 4_294_968_000, None), ("4294968000", "policing is in thousands of packets a second, at most 4294967000", None)),
        ((None, None, 10**9, 4_294_968_000), ("4294968000", "policing is in thousands of packets, at most 4294967000", None)),
        ((1_000, 268_000, None, None), ("--burst", "is more than the rate allows in 274 s, the most that tc can hold", "267kbit")),
        ((_MBIT, 267_579_000, None, None), ("--burst", "is more than the rate allows in 274 s, the most that tc can hold", "267.578mbit")),
        (
            (None, None, 1_000, 275_000),
            ("--packet-burst", "is more than the packet rate allows in 274 s, the most that tc can hold", "274000"),
        ),
    ],
)
def test_what_the_columns_cannot_hold_is_refused(asked, error):
    with pytest.raises(UsageError) as refused:
        police.spec(*asked)
    assert (refused.value.what, refused.value.why, refused.value.hint) == error


@pytest.mark.parametrize(
    ("kbps", "kbit"),
    # 210 ms of the rate, rounded up, plus a frame of 12 kbit; at least ten frames and some margin.
    [(1, 128), (552, 128), (553, 129), (557, 129), (558, 130), (1_000, 222), (1_000_000, 210_012), (4_294_967_295, 901_943_144)],
)
def test_the_default_burst(kbps, kbit):
    assert police.default_burst_kbit(kbps) == kbit


@pytest.mark.parametrize(("kpps", "kpkts"), [(1, 1), (4, 1), (5, 2), (9, 2), (10, 3), (100, 21), (4_294_967, 901_944)])
def test_the_default_burst_in_packets(kpps, kpkts):
    assert police.default_burst_kpkts(kpps) == kpkts


@pytest.mark.parametrize(
    ("row", "rates"),
    [
        ((0, 0), (None, None)),
        ((5, 7), (5_000, 7_000)),
        ((5, None), (5_000, None)),  # an Open vSwitch without packet limits
    ],
)
def test_the_limits_of_an_interface(row, rates):
    columns = dict(zip(("ingress_policing_rate", "ingress_policing_kpkts_rate"), row, strict=True))
    assert police.rates(columns) == dict(zip(("police_rate", "police_packet_rate"), rates, strict=True))
