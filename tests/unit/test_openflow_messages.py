"""OpenFlow messages: bytes of a real ovs-vswitchd, with what ovs-ofctl printed for them; and the client, against a peer that sends them."""

import _socket
import base64
import random
import re
import socket
import struct
import threading
import time
import zlib

import ofctl
import pytest
from openflow_captures import (
    BARRIERS,
    CAPTURES,
    HELLO_FAILED,
    HELLO_OF_ALL,
    HELLO_OF_OTHERS,
    HELLOS,
    IN_PARTS,
    UNKNOWN_STATISTICS,
    UNKNOWN_TYPE,
    Capture,
)

from ovstool.errors import OvstoolError, Refused, TimedOut, Unreachable
from ovstool.openflow import client as openflow
from ovstool.openflow import messages, statistics
from ovstool.openflow.client import Client
from ovstool.openflow.messages import HEADER, Malformed

VERSIONS = list(messages.VERSIONS)
DESCRIPTIONS = [capture for capture in CAPTURES if capture.what == "dump-ports-desc"]  # ovstool never requests these
ANSWERS = [capture for capture in CAPTURES if " " not in capture.what and capture not in DESCRIPTIONS]
ERRORS = [capture for capture in CAPTURES if " " in capture.what]
XID = 2  # the transaction id of a client's first request, and of all captures


def name(value: object) -> str | None:
    return f"{value.version} {value.datapath} {value.what}" if isinstance(value, Capture) else None


def split(data: bytes) -> list[bytes]:
    """The messages in a stream; the last one may be incomplete."""
    found = []
    while len(data) >= HEADER.size:
        length = HEADER.unpack_from(data)[2]
        found.append(data[:length])
        data = data[length:]
    return found


def parsed(*answers: bytes) -> list:
    """The parsed messages of one reply."""
    version, parts = answers[0][0], []
    for answer in answers:
        part = messages.part(version, answer[1], answer[HEADER.size :])
        if part is None:
            raise Malformed("no answer to a statistics request")
        parts.append(part)
    return list(messages.counted(version, parts))


def body(message: bytes) -> bytes:
    return message[HEADER.size :]


# --- as ovs-ofctl understands them


@pytest.mark.parametrize("capture", [c for c in ANSWERS if c.what == "dump-ports"], ids=name)
def test_port_counters(capture):
    theirs = ofctl.port_stats(capture.text)
    ours = parsed(capture.answer)
    assert [port.port for port in ours] == list(theirs) and len(ours) == 3
    for port in ours:
        assert port.queue is None
        assert port.counters == ofctl.known(theirs[port.port])
        assert port.duration_s == pytest.approx(theirs[port.port].get("duration"), abs=0.0005)
    assert any(port.counters["rx_packets"] and port.counters["tx_bytes"] for port in ours)
    if capture.version >= 5 and capture.datapath == "dummy":
        assert "rx_custom_packets_1" in ours[0].counters


@pytest.mark.parametrize("capture", [c for c in ANSWERS if c.what == "queue-stats"], ids=name)
def test_queue_counters(capture):
    theirs = ofctl.queue_stats(capture.text)
    ours = parsed(capture.answer)
    assert [(queue.port, queue.queue) for queue in ours] == list(theirs)
    for queue in ours:
        row = theirs[queue.port, queue.queue]
        assert queue.counters == ofctl.known(row)
        assert queue.duration_s == pytest.approx(row["duration"], abs=0.0005)


@pytest.mark.parametrize("capture", ERRORS, ids=name)
def test_errors_of_queues(capture):
    assert messages.is_bad_port(capture.version, body(capture.answer)) == ("BAD_PORT" in capture.text)
    words = "no such port" if "BAD_PORT" in capture.text else "no such queue"
    assert words in messages.explained(capture.version, body(capture.answer))


@pytest.mark.parametrize("version", VERSIONS)
def test_errors_of_requests(version):
    for error, words in ((UNKNOWN_TYPE, "unknown message type"), (UNKNOWN_STATISTICS, "unknown statistics type")):
        assert words in messages.explained(version, body(error[version]))
        assert not messages.is_bad_port(version, body(error[version]))


def test_incompatible_versions_are_reported_as_by_open_vswitch():
    words = "We support versions 0x02, 0x03, you support versions 0x01, 0x04, 0x05, 0x06, no common versions."
    assert messages.explained(6, body(HELLO_FAILED)) == words
    assert messages.explained(6, bytes(4)) == "no OpenFlow version in common"
    assert messages.explained(6, bytes(4) + b"x" * 200) == "x" * 200
    assert messages.explained(6, bytes(4) + b"x" * 201) == "x" * 200 + "..."


def test_unknown_errors_are_shown_as_numbers():
    assert messages.explained(6, struct.pack("!HH", 77, 8)) == "OpenFlow error type 77, code 8"
    assert messages.explained(6, struct.pack("!HH", 1, 99)) == "OpenFlow error type 1, code 99"
    assert messages.explained(6, struct.pack("!HH", 1, 14)) == "OpenFlow error type 1, code 14"
    assert messages.explained(6, struct.pack("!HH", 9, 3)) == "OpenFlow error type 9, code 3"


@pytest.mark.parametrize("version, queue_failed", [(1, 5), (4, 9), (5, 9), (6, 9)])
def test_errors_have_the_words_of_their_code(version, queue_failed):
    """The first and the last of enum ofp_bad_request_failed_code and ofp_queue_op_failed_code, and all that mean that a port is gone."""
    for kind, code, words in (
        (1, 0, "bad request: wrong version (OFPET_BAD_REQUEST, code 0)"),
        (1, 5, "bad request: permission denied (OFPET_BAD_REQUEST, code 5)"),
        (1, 11, "bad request: bad port (OFPET_BAD_REQUEST, code 11)"),
        (1, 13, "bad request: the buffer overflowed (OFPET_BAD_REQUEST, code 13)"),
        (queue_failed, 0, "no such port (OFPET_QUEUE_OP_FAILED, code 0)"),
        (queue_failed, 1, "no such queue (OFPET_QUEUE_OP_FAILED, code 1)"),
        (queue_failed, 2, "permission denied (OFPET_QUEUE_OP_FAILED, code 2)"),
    ):
        assert messages.explained(version, struct.pack("!HH", kind, code)) == words
    codes = [(kind, code) for kind in range(14) for code in range(16)]
    gone = {(kind, code) for kind, code in codes if messages.is_bad_port(version, struct.pack("!HH", kind, code))}
    assert gone == {(1, 11), (queue_failed, 0)}


@pytest.mark.parametrize("version", VERSIONS)
def test_hello_of_one_version(version):
    assert HELLOS[version][0] == version
    offered = messages.versions(version, body(HELLOS[version]))
    assert offered[-1] == version
    assert offered == [version] or version == 1


def test_hellos_of_several_versions():
    assert messages.versions(HELLO_OF_ALL[0], body(HELLO_OF_ALL)) == VERSIONS
    assert messages.versions(HELLO_OF_OTHERS[0], body(HELLO_OF_OTHERS)) == []
    ours = messages.hello(1)
    assert messages.versions(ours[0], body(ours)) == VERSIONS
    unknown = struct.pack("!HHI", 9, 5, 0)  # padded to 8 bytes
    assert messages.versions(1, unknown + struct.pack("!HHII", 1, 12, 1 << 4 | 1 << 30, 7)) == [4]
    assert messages.versions(99, unknown) == VERSIONS
    assert messages.versions(0, b"") == []
    assert ours == bytes.fromhex("0600 0010 00000001 0001 0008 00000072")


@pytest.mark.parametrize("length", range(4, 34))
def test_an_element_of_a_hello_that_is_not_known_is_passed_over_with_its_padding(length):
    """Whatever it contains; so is an element of versions that is too short for any."""
    unknown = struct.pack("!HH", 9, length) + b"\xff" * (length - 4) + bytes(-length % 8)
    bitmap = struct.pack("!HHI", 1, 8, 1 << 5)
    assert messages.versions(6, unknown + bitmap) == [5]
    assert messages.versions(6, struct.pack("!HH4x", 1, 4) + bitmap) == [5]
    assert messages.versions(4, struct.pack("!HH4s", 1, 7, b"\xff\xff\xff")) == [1, 4]


def test_an_answer_in_parts():
    first, last = split(zlib.decompress(base64.b64decode(IN_PARTS)))
    assert [messages.part(5, 19, body(part)).more for part in (first, last)] == [True, False]
    ports = parsed(first, last)
    assert sorted(port.port for port in ports) == [*range(1, 151), messages.LOCAL]
    assert {port.counters["tx_q0_packets"] for port in ports} == {0}


# --- what that switch lacks


def entry(*properties: bytes, port: int = 1) -> bytes:
    """One part of an OpenFlow 1.5 reply with port counters."""
    inner = struct.pack("!2xIII8Q", port, 1, 500_000_000, *range(8)) + b"".join(properties)
    return messages.message(6, 19, XID, struct.pack("!HH4x", 4, 0) + struct.pack("!H", 2 + len(inner)) + inner)


def experimenter(kind: int, data: bytes, who: int = 0xAA01) -> bytes:
    """A padded property of an experimenter."""
    data = struct.pack("!HHII", 0xFFFF, 12 + len(data), who, kind) + data
    return data + bytes(-len(data) % 8)


def custom(counters: dict[bytes, int], count: int | None = None) -> bytes:
    listed = b"".join(struct.pack(f"!B{len(name)}sQ", len(name), name, value) for name, value in counters.items())
    return experimenter(2, struct.pack("!2xH", len(counters) if count is None else count) + listed)


SIZES = ["1_to_64", "65_to_127", "128_to_255", "256_to_511", "512_to_1023", "1024_to_1522", "1523_to_max"]
RFC2819 = [
    *(f"rx_{size}_packets" for size in SIZES), *(f"tx_{size}_packets" for size in SIZES), "tx_multicast_packets", "rx_broadcast_packets",
    "tx_broadcast_packets", "rx_undersized_errors", "rx_oversize_errors", "rx_fragmented_errors", "rx_jabber_errors",
]  # fmt: skip  # struct intel_port_stats_rfc2819


def test_the_counters_of_rfc_2819():
    values = [*range(100, 120), 2**64 - 1]
    (port,) = parsed(entry(experimenter(1, struct.pack("!4x21Q", *values)), custom({b"x": 2**63})))
    assert port.duration_s == 1.5
    assert port.counters["tx_errors"] == 7
    assert {name: value for name, value in port.counters.items() if value >= 100} == dict(zip(RFC2819[:-1], values, strict=False)) | {
        "x": 2**63
    }


def test_unknown_properties_are_skipped():
    empty = struct.pack("!HH4x", 7, 4)  # no value, and padding
    others = (experimenter(1, bytes(172), who=0xBEEF), experimenter(9, b""), struct.pack("!HHI", 7, 8, 0), empty)
    (port,) = parsed(entry(*others, custom({b"y": 1})))
    assert port.counters == parsed(entry())[0].counters | {"y": 1}


def test_a_custom_counter_replaces_no_other_counter():
    (port,) = parsed(entry(custom({b"rx_packets": 999, b"tx_bytes": 999, b"z": 1})))
    assert (port.counters["rx_packets"], port.counters["tx_bytes"], port.counters["z"]) == (0, 3, 1)


def test_custom_names_may_be_anything():
    (port,) = parsed(entry(custom({b"": 1, b"\xff\xfe": 2, b"\x1b[31m": 3, b"n" * 255: 4})))
    assert {"", "\ufffd\ufffd", "\x1b[31m", "n" * 255} <= set(port.counters)


def test_more_custom_counters_are_claimed_than_there_are():
    for count in (2, 65535):
        with pytest.raises(Malformed):
            parsed(entry(custom({b"x": 1}, count)))


def test_custom_counters_that_are_not_supported_are_left_out():
    (port,) = parsed(entry(custom({b"x": 2**64 - 1, b"y": 2**64 - 2})))
    assert "x" not in port.counters and port.counters["y"] == 2**64 - 2


@pytest.mark.parametrize("version", VERSIONS)
def test_every_counter_of_a_port_has_its_place(version):
    """Real devices too often have equal counters. In the order of struct ofp10_port_stats, and of ofp14_port_stats with its property."""
    names = ["rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_dropped", "tx_dropped", "rx_errors", "tx_errors"]
    names += ["rx_frame_err", "rx_over_err", "rx_crc_err", "collisions"]
    values = range(2**40, 2**40 + 12)
    if version == 1:
        answer = messages.message(1, 17, XID, struct.pack("!HHH6x12Q", 4, 0, 65534, *values))
    elif version == 4:
        answer = messages.message(4, 19, XID, struct.pack("!HH4xI4x12QII", 4, 0, 0xFFFFFFFE, *values, 9, 0))
    else:
        port = struct.pack("!HH4xH2xIII8QHH4x4Q", 4, 0, 120, 0xFFFFFFFE, 9, 0, *values[:8], 0, 40, *values[8:])
        answer = messages.message(version, 19, XID, port)
    assert parsed(answer) == [(65534, None, None if version == 1 else 9, dict(zip(names, values, strict=True)))]


def test_requests():
    """They equal ovs-ofctl's byte for byte; in queue statistics of OpenFlow 1.0, all ports have another number."""
    asked = {
        messages.port_stats_request: ["01100014000000020004 0000 ffff 000000000000", "04120018000000020004 000000000000 ffffffff 00000000"],
        messages.queue_stats_request: [
            "01100014000000020005 0000 fffc 0000 ffffffff",
            "04120018000000020005 000000000000 ffffffff ffffffff",
        ],
    }
    for request, (first, later) in asked.items():
        assert request(1, XID, None) == bytes.fromhex(first)
        for version in VERSIONS[1:]:
            assert request(version, XID, None) == bytes([version]) + bytes.fromhex(later)[1:]
            assert request(version, XID, 65534)[16:20] == b"\xff\xff\xff\xfe"
            assert request(version, XID, 7)[16:20] == b"\0\0\0\7"
        assert request(1, XID, 65534)[12:14] == b"\xff\xfe"


def test_requests_for_groups_and_meters():
    """They equal ovs-ofctl's byte for byte; only OpenFlow 1.5 names a group in the request."""
    for version in (4, 5):
        assert messages.groups_request(version, XID) == bytes([version]) + bytes.fromhex("12 0010 00000002 0007 0000 00000000")
    assert messages.groups_request(6, XID) == bytes.fromhex("06 12 0018 00000002 0007 0000 00000000 fffffffc 00000000")
    for version in VERSIONS[1:]:
        assert messages.meters_request(version, XID) == bytes([version]) + bytes.fromhex(
            "12 0018 00000002 000a 0000 00000000 ffffffff 00000000"
        )


def described(kind: int, *lengths: int, more: bool = False, xid: int = XID) -> bytes:
    """Descriptions of groups (kind 7) or meters (10), each of that many bytes."""
    entries = b"".join(struct.pack("!H", length) + bytes(max(length - 2, 0)) for length in lengths)
    return messages.message(6, 19, xid, struct.pack("!HH4x", kind, more) + entries)


def parts(*answers: bytes) -> list:
    return [messages.part(6, 19, body(answer)) for answer in answers]


def test_groups_and_meters_are_counted():
    assert messages.groups_and_meters(parts(described(7, 8, 16, 8), described(10, 32))) == (3, 1)
    assert messages.groups_and_meters(parts(described(10, 8, more=True), described(7), described(10, 8, 24))) == (0, 3)
    assert messages.groups_and_meters([]) == (0, 0)


@pytest.mark.parametrize(
    "answer, why",
    [
        (described(4), "an answer to another request"),
        (described(7, 8, 7), "an entry of the wrong length"),
        (described(10, 0), "an entry of the wrong length"),
        (described(7, 16)[:-8], "an entry of the wrong length"),
        (described(10, 8) + b"\0", "truncated descriptions"),
    ],
)
def test_malformed_descriptions(answer, why):
    with pytest.raises(Malformed, match=why):
        messages.groups_and_meters(parts(answer))


def tables(version: int, *flows: tuple[int, int], kind: int = 3) -> list:
    """A reply with the number of flows in each table."""
    before, behind = (43, 16) if version == 1 else (3, 16)  # bytes of an entry that are not used
    entries = b"".join(struct.pack("!B", number) + bytes(before) + struct.pack("!I", count) + bytes(behind) for number, count in flows)
    return [messages.Part(kind, False, memoryview(entries))]


def with_flows(version: int, parts: list) -> list[int]:
    return [counted.table for counted in statistics.tables(version, parts) if counted.flows]


@pytest.mark.parametrize("version", VERSIONS)
def test_tables_that_have_flows(version):
    head = {1: "01 10 000c 00000002 0003 0000"}.get(version, f"{version:02x} 12 0010 00000002 0003 0000 00000000")
    assert messages.tables_request(version, XID) == bytes.fromhex(head)
    assert with_flows(version, tables(version, (0, 1), (1, 0), (17, 5), (254, 2**32 - 1))) == [0, 17, 254]
    assert with_flows(version, [*tables(version, (0, 1)), *tables(version, (3, 1))]) == [0, 3]
    for wrong in (tables(version, (0, 1), kind=4), [messages.Part(3, False, memoryview(b"\0" * 23))]):
        with pytest.raises(Malformed, match="an answer to another request"):
            with_flows(version, wrong)


# --- malformed ones


@pytest.mark.parametrize("capture", ANSWERS, ids=name)
def test_an_answer_cut_short_is_malformed_or_shorter(capture):
    """Wherever it is cut, each part before the cut is used completely or not at all."""
    whole = parsed(capture.answer)
    shorter = 0
    for end in range(HEADER.size, len(capture.answer)):
        try:
            found = parsed(capture.answer[:end])
        except Malformed:
            continue
        shorter += 1
        assert found == whole[: len(found)] and len(found) < len(whole)
    assert shorter == len(whole)


def test_a_hello_or_an_error_cut_short():
    for error in (HELLO_FAILED, *UNKNOWN_TYPE.values(), *(capture.answer for capture in ERRORS)):
        for end in range(HEADER.size, len(error)):
            if end < HEADER.size + 4:
                with pytest.raises(Malformed):
                    messages.explained(error[0], error[HEADER.size : end])
                with pytest.raises(Malformed):
                    messages.is_bad_port(error[0], error[HEADER.size : end])
            else:
                assert messages.explained(error[0], error[HEADER.size : end])
    for hello in (*HELLOS.values(), HELLO_OF_OTHERS):
        for end in range(HEADER.size + 1, len(hello)):
            with pytest.raises(Malformed):
                messages.versions(hello[0], hello[HEADER.size : end])


@pytest.mark.parametrize("length", [0, 3, 71, 73, 65535])
def test_entries_and_properties_of_impossible_lengths(length):
    for capture in ANSWERS:
        if capture.version >= 5:
            answer = bytearray(capture.answer)
            at = HEADER.size + 8
            answer[at : at + 2] = struct.pack("!H", length)
            with pytest.raises(Malformed):
                parsed(bytes(answer))
    with pytest.raises(Malformed):
        parsed(entry(struct.pack("!HHI", 0xFFFF, length, 0)))


@pytest.mark.parametrize("kind", [0, 1, 13, 65535])
def test_another_kind_of_statistics_is_malformed(kind):
    for capture in ANSWERS:
        answer = bytearray(capture.answer)
        answer[HEADER.size : HEADER.size + 2] = struct.pack("!H", kind)
        part = messages.part(capture.version, answer[1], body(bytes(answer)))
        with pytest.raises(Malformed):
            list(messages.counted(capture.version, [part]))


@pytest.mark.parametrize("capture", CAPTURES, ids=name)
def test_flipped_bytes_are_malformed_or_mean_something_else(capture):
    dice = random.Random(name(capture))
    for _ in range(150):
        answer = bytearray(capture.answer)
        for _ in range(dice.choice((1, 1, 2, 8))):
            answer[dice.randrange(HEADER.size, len(answer))] = dice.choice((0, 1, 4, 0x7F, 0xFF, dice.randrange(256)))
        if dice.random() < 0.2:
            del answer[dice.randrange(HEADER.size, len(answer)) :]
        for version in {capture.version, dice.choice(VERSIONS)}:
            for parse in (
                lambda v, a: parsed(bytes([v]) + a[1:]),
                lambda v, a: messages.explained(v, body(a)),
                lambda v, a: messages.is_bad_port(v, body(a)),
                lambda v, a: messages.versions(v, body(a)),
            ):
                try:
                    parse(version, bytes(answer))
                except Malformed as error:
                    assert str(error).isprintable()


# --- the client


def talk(ask, *chunks: bytes, close: bool = False, seconds: float = 20):
    """The result of ``ask(client)`` with a peer that sends these chunks, whatever the request."""
    ours, theirs = _socket.socketpair()

    def peer() -> None:
        try:
            for chunk in chunks:
                theirs.sendall(chunk)
            if close:
                theirs.shutdown(socket.SHUT_WR)
            while theirs.recv(1 << 16):
                pass
        except OSError:
            pass

    thread = threading.Thread(target=peer, daemon=True)
    thread.start()
    try:
        client = Client(ours, "bridge br0", time.monotonic() + seconds)
        try:
            return ask(client)
        finally:
            client.close()
    finally:
        ours.close()
        thread.join()
        theirs.close()


ASK = {"dump-ports": Client.port_stats, "queue-stats": Client.queue_stats}


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("capture", ANSWERS, ids=name)
def test_the_captured_answer_may_be_cut_anywhere(capture, size):
    data = HELLOS[capture.version] + capture.answer
    assert talk(ASK[capture.what], *(data[i : i + size] for i in range(0, len(data), size))) == parsed(capture.answer)


def test_parts_may_stand_between_other_messages():
    first, last = split(zlib.decompress(base64.b64decode(IN_PARTS)))
    echo = messages.message(5, messages.ECHO_REQUEST, 99, b"data")
    others = [messages.message(5, 12, 0, bytes(72)), messages.message(5, 19, 77, bytes(8)), messages.message(5, 33, XID), BARRIERS[5]]
    assert talk(Client.port_stats, HELLOS[5], *others, first, echo, *others, last) == parsed(first, last)


def test_an_echo_request_is_answered():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        capture = ANSWERS[0]
        theirs.sendall(HELLOS[1] + messages.message(1, messages.ECHO_REQUEST, 99, b"data") + capture.answer)
        Client(ours, "bridge br0", time.monotonic() + 20).port_stats()
        hello, request, reply = split(theirs.recv(1 << 16))
        assert hello == messages.hello(1)
        assert request == messages.port_stats_request(1, XID, None)
        assert reply == messages.message(1, messages.ECHO_REPLY, 99, b"data")


@pytest.mark.parametrize("version", VERSIONS)
def test_unrequested_messages_are_not_a_reply(version):
    with pytest.raises(TimedOut):
        talk(Client.port_stats, HELLOS[version], BARRIERS[version], seconds=0.2)


@pytest.mark.parametrize("version", VERSIONS)
def test_many_requests_at_once_and_replies_in_another_order(version):
    """300 ports in three batches; one in ten is gone, for which the bridge replies nothing or that the port is bad."""
    ours, theirs = socket.socketpair()

    def answer(request: bytes) -> bytes:
        xid, port = struct.unpack_from("!I", request, 4)[0], int.from_bytes(request[12:14] if version == 1 else request[16:20], "big")
        if port % 10 == 0:
            return messages.message(version, messages.ERROR, xid, struct.pack("!HH", 5 if version == 1 else 9, 0) + request)
        entry = messages._QUEUE_10.pack(port, 1, port, 2, 3) if version == 1 else struct.pack("!II3QII", port, 1, port, 2, 3, 4, 5)
        if version >= 5:
            entry = struct.pack("!H6x", 8 + len(entry)) + entry
        fixed = struct.pack("!HH", 5, 0) + bytes(0 if version == 1 else 4)
        return messages.message(version, 17 if version == 1 else 19, xid, fixed + entry)

    def peer() -> None:
        theirs.sendall(HELLOS[version])
        pending = b""
        while data := theirs.recv(1 << 16):
            pending += data
            requests = split(pending)
            if all(len(request) == HEADER.unpack_from(request)[2] for request in requests) and sum(map(len, requests)) == len(pending):
                for request in reversed(requests):
                    if request[1] != messages.HELLO:
                        theirs.sendall(answer(request))
                pending = b""

    thread = threading.Thread(target=peer, daemon=True)
    thread.start()
    with theirs:
        client = Client(ours, "bridge br0", time.monotonic() + 20)
        found = client.queue_stats(range(1, 301))
        client.close()
        thread.join()
    assert sorted(queue.port for queue in found) == [port for port in range(1, 301) if port % 10]
    assert all(queue.counters == {"tx_bytes": queue.port, "tx_packets": 2, "tx_errors": 3} for queue in found)


def test_the_highest_common_version_is_spoken():
    for hello, version in ((HELLO_OF_ALL, 6), (messages.message(3, messages.HELLO, 1), 1), *((HELLOS[v], v) for v in VERSIONS)):
        assert talk(lambda client: client.version, hello) == version


@pytest.mark.parametrize("hello", [HELLO_OF_OTHERS, HELLO_FAILED, messages.message(0, messages.HELLO, 1)], ids=["hello", "error", "0"])
def test_a_bridge_of_other_versions(hello):
    with pytest.raises(
        Refused,
        match=re.escape("(OpenFlow10, OpenFlow13, OpenFlow14, OpenFlow15); try: one of them in 'ovstool bridge set BRIDGE --protocols'"),
    ):
        talk(Client.port_stats, hello)


@pytest.mark.parametrize("capture", ERRORS, ids=name)
def test_an_error_means_that_the_bridge_refused(capture):
    if "BAD_PORT" in capture.text:
        assert talk(Client.queue_stats, HELLOS[capture.version], capture.answer) == []
    else:
        with pytest.raises(Refused, match="no such queue"):
            talk(Client.queue_stats, HELLOS[capture.version], capture.answer)


def test_the_text_of_an_error_is_one_line_of_limited_length():
    words = b"\x1b[31mred\n\xff" + b"long " * 10_000
    with pytest.raises(Refused) as failure:
        talk(Client.port_stats, HELLOS[6], messages.message(6, messages.ERROR, XID, bytes(4) + words))
    assert str(failure.value).isprintable() and "red" in str(failure.value) and len(str(failure.value)) < 500


GARBAGE = [
    b"", b"\0", b"\x06\x00\x00", bytes(8), bytes(1000), b"\xff" * 70_000, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n",
    b'{"id":1,"result":[]}',
    bytes.fromhex("0600000700000001"), bytes.fromhex("0600000900000001ff"), bytes.fromhex("0600000cffffffff00010003"),
    bytes.fromhex("0600001000000001000100ff00000000"), bytes.fromhex("0601000800000001"), bytes.fromhex("0601000a000000010000"),
]  # fmt: skip


@pytest.mark.parametrize("data", GARBAGE, ids=lambda data: repr(data[:30]))
def test_data_that_is_not_openflow(data):
    for hello in (b"", HELLOS[6]):
        with pytest.raises((Unreachable, Refused)) as failure:
            talk(Client.port_stats, hello, data, close=True)
        assert str(failure.value).isprintable() and len(str(failure.value)) < 500


@pytest.mark.parametrize(
    "chunks", [[], [b"\x06"], [HELLOS[6]], [HELLOS[6], b"\x06\x13\xff\xff"], [HELLOS[6] * 2000], [HELLOS[6] + BARRIERS[6] * 2000]]
)
def test_silence_ends_with_the_deadline(chunks):
    with pytest.raises(TimedOut):
        talk(Client.port_stats, *chunks, seconds=0.2)


ENDLESS = {
    "parts with more": messages.message(6, 19, XID, struct.pack("!HH4x", 4, 1)),
    "large parts with more": messages.message(6, 19, XID, struct.pack("!HH4x", 4, 1) + bytes(65_000)),
}


@pytest.mark.parametrize("message", ENDLESS.values(), ids=ENDLESS)
def test_an_endless_answer_is_given_up(message, monkeypatch):
    monkeypatch.setattr(openflow, "_MAX_ANSWER", 2**22)
    with pytest.raises(Unreachable, match="an answer of more than 4 MiB"):
        talk(Client.port_stats, HELLOS[6], *([message * 10] * 10_000))


def test_an_answer_may_have_32_mib():
    with pytest.raises(Unreachable, match="an answer of more than 32 MiB"):
        talk(Client.port_stats, HELLOS[6], *([ENDLESS["large parts with more"] * 10] * 70))


def test_a_peer_that_speaks_something_else_is_not_waited_for():
    """What looks like a length may be more than it will ever send."""
    for hello in (b"", HELLOS[6]):
        with pytest.raises(Unreachable, match="this is not an OpenFlow switch: it sent"):
            talk(Client.port_stats, hello, b"SSH-2.0-OpenSSH_9.2\r\n")


def test_an_answer_of_another_version_or_kind():
    answers = {capture.version: capture.answer for capture in ANSWERS if capture.what == "dump-ports"}
    with pytest.raises(Unreachable, match="another OpenFlow version"):
        talk(Client.port_stats, HELLOS[6], answers[5])
    for capture in DESCRIPTIONS:
        if capture.version != 1:  # in 1.0 they are not statistics
            with pytest.raises(Unreachable, match="an answer to another request"):
                talk(Client.port_stats, HELLOS[capture.version], capture.answer)


def test_a_client_that_failed_stays_closed():
    def twice(client):
        for _ in range(2):
            with pytest.raises(OvstoolError):
                client.port_stats()

    talk(twice, HELLOS[6], b"garbage!")


# --- the client: what it takes and what it asks


def counted_port(number: int, counters: int = 8, xid: int = XID, more: bool = False, version: int = 6) -> bytes:
    """A reply about one port, with that many of the eight counters supported."""
    values = [7] * counters + [2**64 - 1] * (8 - counters)
    return messages.message(version, 19, xid, struct.pack("!HH4xH2xIII8Q", 4, more, 80, number, 9, 0, *values))


def test_counters_of_ports_that_were_not_asked_for_are_passed_over():
    said = counted_port(1, more=True), counted_port(2, more=True), counted_port(1, 3)
    assert [(port.port, len(port.counters)) for port in talk(lambda client: client.port_stats([1]), HELLOS[6], *said)] == [(1, 3)]
    assert [(port.port, len(port.counters)) for port in talk(Client.port_stats, HELLOS[6], *said)] == [(1, 3), (2, 8)]
    assert talk(lambda client: client.port_stats([]), HELLOS[6]) == []


def test_counters_of_drivers_whose_names_are_equally_long_together():
    def entry(number: int, **counters: int) -> bytes:
        named = b"".join(bytes([len(name)]) + name.encode() + struct.pack("!Q", value) for name, value in counters.items())
        value = struct.pack("!HHII2xH", 0xFFFF, 16 + len(named), 0xAA01, 2, len(counters)) + named
        value += bytes(-len(value) % 8)
        return struct.pack("!H2xIII8Q", 80 + len(value), number, 9, 0, *[2**64 - 1] * 8) + value

    drivers = [
        {"a": 1, "bcd": 2},
        {"a": 3, "bcd": 2**64 - 1},
        {"abc": 4, "d": 5},
        {"d": 6, "abc": 7},
        {"x": 8, "bcd": 9},
        {},
        {"a": 1, "bcd": 2},
    ]
    said = messages.message(6, 19, XID, struct.pack("!HH4x", 4, 0) + b"".join(entry(n, **driver) for n, driver in enumerate(drivers, 1)))
    found = [port.counters for port in talk(Client.port_stats, HELLOS[6], said)]
    assert found == [{name: value for name, value in driver.items() if value != 2**64 - 1} for driver in drivers]


def test_the_limit_of_counters(monkeypatch):
    monkeypatch.setattr(openflow, "_MOST_COUNTERS", 12)
    said = HELLOS[6], counted_port(1, more=True)
    assert len(talk(Client.port_stats, *said, counted_port(2, 4))) == 2
    with pytest.raises(Unreachable, match=r"it sent more than 12 counters$"):
        talk(Client.port_stats, *said, counted_port(2, 5))


def test_the_limit_of_a_reply(monkeypatch):
    """The limit applies to each request; each part counts 256 bytes more."""
    monkeypatch.setattr(openflow, "_MAX_ANSWER", 2 * (len(body(counted_port(1))) + 256))
    full = counted_port(1, more=True), counted_port(2)
    again = [counted_port(1, more=True, xid=XID + 1), counted_port(2, xid=XID + 1)]
    assert talk(lambda client: [len(client.port_stats()), len(client.port_stats())], HELLOS[6], *full, *again) == [2, 2]
    for asked in (Client.port_stats, Client.groups_and_meters):
        with pytest.raises(Unreachable, match=r"it sent an answer of more than 0 MiB$"):
            talk(asked, HELLOS[6], counted_port(1, more=True), counted_port(2, more=True), counted_port(3))
    long = described(7, 4096 - 16, xid=XID), described(10, 4096 - 16, xid=XID + 1)
    monkeypatch.setattr(openflow, "_MAX_ANSWER", 2 * (4096 - 8 + 256))
    more = described(7, 4096 - 16, xid=XID + 2), described(10, 4096 - 16, xid=XID + 3)
    assert talk(lambda client: [client.groups_and_meters(), client.groups_and_meters()], HELLOS[6], *long, *more) == [(1, 1), (1, 1)]


def test_how_many_groups_and_meters_there_are():
    """They are requested together and answered in any order; a bridge without any is not asked for descriptions."""
    answers = described(10, 16, 24, xid=XID + 1), described(7, 8, more=True), described(7, 16, 8)
    assert talk(Client.groups_and_meters, HELLOS[6], *answers) == (3, 2)
    assert talk(Client.groups_and_meters, HELLOS[1]) == (0, 0)
    with pytest.raises(Unreachable, match=r"it sent an entry of the wrong length$"):
        talk(Client.groups_and_meters, HELLOS[6], described(10, 16, xid=XID + 1), described(7, 3))
    with pytest.raises(Refused, match=re.escape("bridge br0: bad request: unknown statistics type (OFPET_BAD_REQUEST, code 2)")):
        talk(Client.groups_and_meters, HELLOS[6], messages.message(6, messages.ERROR, XID, struct.pack("!HH", 1, 2)))


def test_what_is_asked_ahead_is_answered_in_any_order():
    said = (
        messages.message(6, 19, XID + 3, struct.pack("!HH4x", 9, 0)),
        messages.message(6, messages.ERROR, XID + 2, struct.pack("!HH", 1, 2)),
        counted_port(7, more=True), counted_port(8),
        messages.message(6, 19, XID + 1, struct.pack("!HH4x", 3, 0)),
        counted_port(9, xid=XID + 4),
    )  # fmt: skip

    def ask(client: Client) -> list[int]:
        client.ask_ahead(None, [])
        with pytest.raises(Refused, match="unknown statistics type"):
            client.group_stats()
        assert client.table_stats() == client.meter_stats() == client.queue_stats([]) == []
        return [port.port for port in [*client.port_stats(), *client.port_stats([9])]]

    assert talk(ask, HELLOS[6], *said) == [7, 8, 9]


def test_the_limit_of_what_is_asked_ahead(monkeypatch):
    monkeypatch.setattr(openflow, "_MAX_ANSWER", 3 * (len(body(counted_port(1))) + 256))

    def ask(client: Client) -> list:
        client.ask_ahead(None, None)
        return client.queue_stats()

    queues = messages.message(6, 19, XID + 1, struct.pack("!HH4x", 5, 0))
    assert talk(ask, HELLOS[6], *[counted_port(1, more=True)] * 2, queues) == []
    with pytest.raises(Unreachable, match=r"it sent an answer of more than 0 MiB$"):
        talk(ask, HELLOS[6], *[counted_port(1, more=True)] * 4, queues)


@pytest.mark.parametrize("close", [True, False])
def test_a_long_answer_that_does_not_end(close):
    with pytest.raises(Unreachable if close else TimedOut, match="closed by ovs-vswitchd" if close else "no answer in time"):
        talk(Client.port_stats, HELLOS[6], *[counted_port(n, more=True) for n in range(1, 3000)], close=close, seconds=20 if close else 0.3)


def test_messages_of_another_version_that_mean_nothing_here():
    """Hello and error are skipped, and an echo is answered in its version; anything else cannot come from an OpenFlow switch."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        others = bytes.fromhex("04000008 00000009"), bytes.fromhex("0401000c 00000002 00010005"), bytes.fromhex("0402000a 00000063 6869")
        theirs.sendall(HELLOS[6] + b"".join(others) + counted_port(1))
        assert [port.port for port in Client(ours, "bridge br0", time.monotonic() + 20).port_stats()] == [1]
        assert split(theirs.recv(1 << 16))[2:] == [bytes.fromhex("0403000a 00000063 6869")]


def test_requests_are_logged(caplog):
    with caplog.at_level("INFO", "ovstool"):
        talk(lambda client: client.port_stats([1, 2]), HELLOS[6], counted_port(1), counted_port(2, xid=XID + 1))
    assert caplog.messages == ["bridge br0: 2 OpenFlow requests"]


@pytest.mark.parametrize(
    "said, error",
    [
        (counted_port(1), "this is not an OpenFlow switch: it sent another message before its hello"),
        (b"\x06\0\0\7\0\0\0\1", "this is not an OpenFlow switch: it sent a message shorter than its header"),
        (b"\x06\0\0\x09\0\0\0\1\0", "this is not an OpenFlow switch: it sent a truncated hello"),
        (HELLOS[6] + counted_port(1, version=5), "this is not an OpenFlow switch: it sent a message of another OpenFlow version"),
        (b"", "connection lost: closed by ovs-vswitchd; try: the command again (every command is safe to repeat)"),
    ],
)
def test_a_peer_that_is_left_at_once(said, error):
    """The stream is closed after any error, also before there is a client to close."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(Unreachable) as failure:
            Client(ours, "bridge br0", time.monotonic() + 20).port_stats()
        assert str(failure.value) == f"bridge br0: {error}" and ours.fileno() == -1


def test_at_most_128_requests_are_sent_at_once():
    """More could fill the buffers of both ends while each waits for the other. Transaction ids start again after the last; 0 is not used."""
    ours, theirs = socket.socketpair()
    batches: list[list[int]] = []

    def peer() -> None:
        theirs.sendall(HELLOS[6])
        theirs.recv(len(messages.hello(1)), socket.MSG_WAITALL)
        for most in (128, 128, 44):
            asked = b""
            while len(asked) < most * 24:
                asked += theirs.recv(1 << 16)
            batches.append([HEADER.unpack_from(request)[3] for request in split(asked)])
            for number, request in enumerate(split(asked)):
                theirs.sendall(counted_port(number, xid=HEADER.unpack_from(request)[3]))

    thread = threading.Thread(target=peer, daemon=True)
    thread.start()
    with theirs:
        client = Client(ours, "bridge br0", time.monotonic() + 20)
        client._last_xid = 2**32 - 3
        client.port_stats(range(300))
        client.close()
        thread.join()
    assert [len(batch) for batch in batches] == [128, 128, 44]
    assert batches[0][:4] == [2**32 - 2, 2**32 - 1, 1, 2]


def test_damaged_replies_never_crash_the_client():
    """With bytes flipped anywhere in a conversation, the result is a reply or one of the errors that a command handles."""
    dice = random.Random(1)
    outcomes = set()
    for capture in dice.choices([c for c in ANSWERS if c.what != "dump-ports-desc"], k=400):
        data = bytearray(HELLOS[capture.version] + capture.answer)
        for _ in range(dice.choice((1, 1, 3))):
            data[dice.randrange(len(data))] = dice.choice((0, 1, 0xFF, dice.randrange(256)))
        ask = Client.port_stats if capture.what == "dump-ports" else Client.queue_stats
        try:
            talk(ask, bytes(data), close=True)
            outcomes.add("an answer")
        except OvstoolError as error:
            assert str(error).isprintable() and len(str(error)) < 500
            outcomes.add(type(error).__name__)
    assert {"an answer", "Unreachable", "Refused"} == outcomes
