"""Captures read and written: pcap and pcapng in each byte order, with each link type, and cut anywhere."""

import io
import struct

import pytest
import sflow_datagrams as spec
from hypothesis import given, settings
from hypothesis import strategies as st

from ovstool.sflow import capture
from ovstool.sflow.flow_records import SampledHeader
from ovstool.sflow.xdr import Malformed

DATAGRAM = spec.datagram(spec.flow())
UDP = spec.udp(50000, 6343, DATAGRAM)
FOUR = spec.ipv4(17, UDP, src="192.0.2.7")
SIX = spec.ipv6(17, UDP, src="2001:db8::7")
FRAME = spec.ethernet(0x0800, FOUR)
TIME = 1_700_000_000.25
RECEIVED = capture.Received(TIME, "192.0.2.7", 6343, DATAGRAM)


def pcap(*packets: bytes, order: str = "<", link: int = 1, magic: int = 0xA1B2C3D4, unit: float = 1e-6) -> bytes:
    head = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 262144, link)
    times = int(TIME), round(TIME % 1 / unit)
    return head + b"".join(struct.pack(f"{order}4I", *times, len(packet), len(packet)) + packet for packet in packets)


def block(order: str, kind: int, body: bytes) -> bytes:
    return struct.pack(f"{order}II", kind, len(body) + 12) + body + struct.pack(f"{order}I", len(body) + 12)


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1) + struct.pack(f"{order}HH4s", 4, 4, b"test"))


def interface(order: str, link: int = 1, options: bytes = b"") -> bytes:
    return block(order, 1, struct.pack(f"{order}HHI", link, 0, 0) + options)


def enhanced(order: str, packet: bytes, units: int = 1_000_000, which: int = 0, offset: int = 0) -> bytes:
    time = round((TIME - offset) * units)
    return block(order, 6, struct.pack(f"{order}5I", which, time >> 32, time & 0xFFFFFFFF, len(packet), len(packet)) + spec.filled(packet))


def read(data: bytes) -> list[capture.Received]:
    return list(capture.read(io.BytesIO(data)))


def pcapng(order: str) -> bytes:
    return section(order) + interface(order) + enhanced(order, FRAME) + enhanced(order, FRAME)


@pytest.mark.parametrize("order", "<>")
def test_pcap(order):
    assert read(pcap(FRAME, FRAME, order=order)) == [RECEIVED] * 2
    assert read(pcap(FRAME, order=order, magic=0xA1B23C4D, unit=1e-9)) == [RECEIVED]
    assert read(pcap(order=order)) == []


@pytest.mark.parametrize("order", "<>")
def test_pcapng(order):
    assert read(pcapng(order)) == [RECEIVED] * 2
    comment = block(order, 0x0BAD, bytes(8))
    assert read(section(order) + comment + interface(order, 101) + interface(order) + comment + enhanced(order, FRAME, which=1)) == [
        RECEIVED
    ]
    simple = block(order, 3, struct.pack(f"{order}I", len(FRAME)) + spec.filled(FRAME))
    assert read(section(order) + interface(order) + simple) == [RECEIVED._replace(time=0.0)]
    time = int(TIME * 1_000_000)
    old = block(order, 2, struct.pack(f"{order}HHIIII", 0, 0, time >> 32, time & 0xFFFFFFFF, len(FRAME), len(FRAME)) + spec.filled(FRAME))
    assert read(section(order) + interface(order) + old) == [RECEIVED]


@pytest.mark.parametrize("order", "<>")
def test_times_of_pcapng(order):
    def option(number: int, value: bytes) -> bytes:
        return struct.pack(f"{order}HH", number, len(value)) + spec.filled(value)

    name = option(2, b"eth0")
    for resolution, units in ((b"\x09", 10**9), (b"\x03", 1000), (b"\x8a", 1024)):
        described = interface(order, options=name + option(9, resolution) + option(0, b""))
        assert read(section(order) + described + enhanced(order, FRAME, units)) == [RECEIVED]
    described = interface(order, options=option(14, struct.pack(f"{order}q", 1000)))
    assert read(section(order) + described + enhanced(order, FRAME, offset=1000)) == [RECEIVED]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("resolution", "offset", "units"),
    [(0, 0, 2**63), (0, 0, 2**64 - 1), (0x80, 0, 2**33 + 1), (6, 2**62, 0), (6, -(2**62), 0), (6, -2, 1_000_000), (0, 2**63 - 1, 2**63)],
)
def test_times_out_of_range(order, resolution, offset, units):
    """Packets before such a packet are returned."""
    options = struct.pack(f"{order}HHB3xHHq", 9, 1, resolution, 14, 8, offset)
    wrong = struct.pack(f"{order}5I", 0, units >> 32, units & 0xFFFFFFFF, len(FRAME), len(FRAME)) + spec.filled(FRAME)
    data = pcapng(order) + section(order) + interface(order, options=options) + block(order, 6, wrong)
    reading = capture.read(io.BytesIO(data))
    assert [next(reading), next(reading)] == [RECEIVED] * 2
    with pytest.raises(Malformed, match=r"implausible timestamp: [-+.e\d]+ seconds since 1970"):
        next(reading)


@pytest.mark.parametrize("order", "<>")
def test_the_latest_time(order):
    options = struct.pack(f"{order}HHB3x", 9, 1, 0)
    latest = block(order, 6, struct.pack(f"{order}5I", 0, 2, 0, len(FRAME), len(FRAME)) + spec.filled(FRAME))
    assert read(section(order) + interface(order, options=options) + latest) == [RECEIVED._replace(time=2.0**33)]


def test_sections_have_interfaces_of_their_own():
    data = pcapng(">") + section("<") + interface("<", 101) + enhanced("<", FOUR)
    assert read(data) == [RECEIVED] * 3
    with pytest.raises(Malformed, match="packet on interface 0, but only 0 described"):
        read(pcapng(">") + section("<") + enhanced("<", FOUR))


@pytest.mark.parametrize(
    ("link", "packet"),
    [
        (1, spec.ethernet(0x0800, FOUR, [(0x8100, 7)])),
        (1, spec.ethernet(0x0800, FOUR, [(0x88A8, 7), (0x8100, 7)])),
        (0, b"\2\0\0\0" + FOUR),
        (108, b"\0\0\0\2" + FOUR),
        (12, FOUR),
        (101, FOUR),
        (228, FOUR),
        (113, bytes(14) + b"\x08\0" + FOUR),
        (113, bytes(14) + b"\x81\0\0\7\x08\0" + FOUR),
        (276, b"\x08\0" + bytes(18) + FOUR),
        (1 << 28 | 1, FRAME + bytes(4)),  # with the length of an FCS
        (1, spec.ethernet(0x0800, spec.ipv4(17, UDP, src="192.0.2.7", options=bytes(8)))),
        (1, FRAME + bytes(12)),  # padded by the sender's network card
    ],
)
def test_links(link, packet):
    assert read(pcap(packet, link=link)) == [RECEIVED]


@pytest.mark.parametrize(("link", "packet"), [(1, spec.ethernet(0x86DD, SIX)), (0, b"\x1e\0\0\0" + SIX), (101, SIX), (229, SIX)])
def test_links_of_ipv6(link, packet):
    assert read(pcap(packet, link=link)) == [RECEIVED._replace(address="2001:db8::7")]


@pytest.mark.parametrize(
    ("link", "packet"),
    [
        (1, spec.ethernet(0x0806, bytes(40))),
        (1, spec.ethernet(0x0800, spec.ipv4(6, spec.tcp()))),
        (1, spec.ethernet(0x0800, spec.ipv4(17, UDP, fragment=0x00B9))),
        (1, spec.ethernet(0x0800, b"")),
        (113, bytes(14) + b"\x08\x06" + bytes(40)),
        (101, b""),
        (105, FRAME),
        *((1, FRAME[:length]) for length in range(42)),
    ],
)
def test_packets_without_a_datagram(link, packet):
    assert read(pcap(packet, FRAME, link=link)) == ([RECEIVED] if link == 1 else [])


def test_a_datagram_that_was_not_captured_whole():
    assert read(pcap(FRAME[:-4])) == [RECEIVED._replace(payload=DATAGRAM[:-4], is_cut=True)]
    assert read(pcap(FRAME[:42])) == [RECEIVED._replace(payload=b"", is_cut=True)]


@pytest.mark.parametrize("data", [pcap(FRAME, FRAME), pcapng("<"), pcapng(">")])
def test_a_cut_capture_gives_its_complete_packets(data):
    ends = [len(data) - len(data[data.rindex(DATAGRAM) :])]
    for length in range(len(data)):
        found = []
        reading = capture.read(io.BytesIO(data[:length]))
        try:
            found += reading
            is_whole = True
        except Malformed as error:
            is_whole, why = False, str(error)
            assert why.isprintable()
        assert len(found) <= 1 or length > ends[0]
        assert is_whole == (length in _boundaries(data)), (length, found)


def _boundaries(data: bytes) -> set[int]:
    """Where a capture may end: after its header, and after each packet."""
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        order = ">" if data[8:12] == b"\x1a\x2b\x3c\x4d" else "<"
        ends, offset = set(), 0
        while offset < len(data):
            offset += struct.unpack_from(f"{order}I", data, offset + 4)[0]
            ends.add(offset)
        return ends
    return {24, 24 + (len(data) - 24) // 2, len(data)}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty file"),
        (b"GET / HTTP/1.1", "neither pcap nor pcapng"),
        (b"\xa1\xb2", "neither pcap nor pcapng"),
        (b"\x1f\x8b\x08\0", "compressed with gzip"),
        (pcap() + struct.pack("<4I", 0, 0, 0x7FFFFFFF, 0), "implausible packet length 2147483647"),
        (section(">")[:8] + bytes(8), "unknown byte order"),
        (section(">")[:4] + struct.pack(">II", 8, 0x1A2B3C4D), "invalid block length 8"),
        (section(">") + struct.pack(">II", 6, 8), "invalid block length 8"),
        (section(">") + struct.pack(">II", 6, 0xFFFFFFFF), "invalid block length 4294967295"),
        (section(">") + struct.pack(">II", 99, 0xFFFFFFFF), "ends in the middle of a packet"),
        (section(">") + block(">", 1, b"\0\1\0\0"), "truncated interface description block"),
        (section(">") + interface(">") + block(">", 6, bytes(16)), "truncated packet block"),
        (section(">") + interface(">") * 4097, "more than 4096 interfaces"),
    ],
)
def test_files_that_are_not_captures(data, why):
    with pytest.raises(Malformed, match=why):
        read(data)


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(st.sampled_from([pcap(FRAME, FRAME), pcapng("<"), pcapng(">")]), st.data())
def test_captures_with_changed_bytes(data, draws):
    changed = bytearray(data)
    for _ in range(draws.draw(st.integers(1, 5))):
        changed[draws.draw(st.integers(0, len(data) - 1))] = draws.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    try:
        read(bytes(changed))
    except Malformed as error:
        assert str(error).isprintable()


class Trickle(io.RawIOBase):
    """A pipe that delivers a few bytes at a time."""

    def __init__(self, data: bytes):
        self.rest = data

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        size = min(3, len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size


@pytest.mark.parametrize("data", [pcap(FRAME, FRAME), pcapng("<")])
def test_a_pipe(data):
    assert list(capture.read(Trickle(data))) == [RECEIVED] * 2


HEADER = SampledHeader(1, 1518, 4, FRAME[:60])


def test_written_headers():
    file = io.BytesIO()
    writer = capture.Writer(file)
    assert writer.write(TIME, HEADER, "192.0.2.7 0:3") and writer.write(TIME, SampledHeader(11, 40, 0, FOUR), "192.0.2.7 0:3")
    assert writer.write(TIME, HEADER, "192.0.2.7 0:3") and not writer.write(TIME, SampledHeader(8, 40, 0, FOUR), "x")
    blocks = []
    data = file.getvalue()
    while data:
        kind, length = struct.unpack_from(">II", data)
        assert data[length - 4 : length] == data[4:8]
        blocks.append((kind, data[8 : length - 4]))
        data = data[length:]
    assert [kind for kind, _ in blocks] == [0x0A0D0D0A, 1, 6, 1, 6, 6]
    time = int(TIME * 1_000_000)
    assert blocks[1][1] == struct.pack(">HHIHH", 1, 0, 0, 2, 13) + b"192.0.2.7 0:3" + bytes(3 + 4)
    assert blocks[2][1] == struct.pack(">5I", 0, time >> 32, time & 0xFFFFFFFF, 60, 1518) + FRAME[:60]
    assert struct.unpack_from(">H", blocks[3][1]) == (228,)
    assert blocks[4][1][:4] == b"\0\0\0\1" and blocks[5][1] == blocks[2][1]


def test_what_is_written_can_be_read():
    file = io.BytesIO()
    writer = capture.Writer(file)
    writer.write(TIME, SampledHeader(1, 10, 0, FRAME), "a")  # an agent that reports a wrong length
    writer.write(TIME, SampledHeader(12, 2000, 0, SIX), "a")
    assert read(file.getvalue()) == [RECEIVED, RECEIVED._replace(address="2001:db8::7")]


@pytest.mark.parametrize(("time", "written"), [(-1.0, 0.0), (-1e300, 0.0), (2.0**33, 2.0**33), (1e300, 2.0**33), (float("inf"), 2.0**33)])
def test_any_time_can_be_written(time, written):
    file = io.BytesIO()
    capture.Writer(file).write(time, HEADER._replace(data=FRAME), "a")
    assert read(file.getvalue()) == [RECEIVED._replace(time=written)]


def test_names_of_interfaces_are_bounded():
    file = io.BytesIO()
    writer = capture.Writer(file)
    for number in range(3000):
        writer.write(TIME, SampledHeader(1, 60, 0, b""), f"{number} " + "ü" * 300)
    size = len(file.getvalue())
    writer.write(TIME, SampledHeader(1, 60, 0, b""), "0 " + "ü" * 300)
    writer.write(TIME, SampledHeader(1, 60, 0, b""), "another")
    assert len(file.getvalue()) == size + 2 * 32, "without another interface"
    assert list(capture.read(io.BytesIO(file.getvalue()))) == []
