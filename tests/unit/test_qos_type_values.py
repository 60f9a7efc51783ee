"""The values of each QoS type at their limits, and how they are stored in other_config: ovs-vswitchd.conf.db(5), tables QoS and Queue."""

import pytest

from ovstool.errors import Conflict, UsageError
from ovstool.switch.accepts import qos_types
from ovstool.switch.accepts.qos_types import Shape
from ovstool.switch.qos import compose

HTB, HFSC, EGRESS, TRTCM = (qos_types.named(name) for name in ("linux-htb", "linux-hfsc", "egress-policer", "trtcm-policer"))
SFQ, NOOP, THEIRS = (qos_types.named(name) for name in ("linux-sfq", "linux-noop", "my-qos"))
MOST = 2**63 - 1
# For each type the keys of QoS.other_config: minimum, maximum and unit.
KEYS = {
    "linux-htb": {"max-rate": (8, MOST, "bit/s")},
    "linux-hfsc": {"max-rate": (8, (2**32 - 1) * 8, "bit/s")},
    "linux-sfq": {"perturb": (1, 2147483, "seconds"), "quantum": (1, 262136, "bytes")},
    "linux-codel": {"target": (1, 2**32 - 1, "microseconds"), "limit": (1, 2**32 - 1, "packets"), "interval": (1, 2**32 - 1, "microseconds")},
    "linux-fq_codel": {
        "target": (1, 2**32 - 1, "microseconds"), "limit": (1, 2**32 - 1, "packets"), "interval": (1, 2**32 - 1, "microseconds"),
        "flows": (1, 65536, "flows"), "quantum": (256, 2**20, "bytes"),
    },
    "linux-netem": {
        "latency": (0, 274877906, "microseconds"), "jitter": (0, 274877906, "microseconds"), "limit": (1, 2**32 - 1, "packets"),
        "loss": (0, 100, "percent"),
    },
    "linux-noop": {},
    "egress-policer": {"cir": (0, MOST, "bytes/s"), "cbs": (0, MOST, "bytes")},
    "trtcm-policer": {"cir": (0, MOST, "bytes/s"), "cbs": (0, MOST, "bytes"), "eir": (0, MOST, "bytes/s"), "ebs": (0, MOST, "bytes")},
}  # fmt: skip


def refusal(call, *args) -> str:
    with pytest.raises(UsageError) as raised:
        call(*args)
    return str(raised.value)


def test_the_types():
    assert qos_types.NAMES == tuple(KEYS)
    assert qos_types.KEYS == {key for keys in KEYS.values() for key in keys}
    assert {name: set(qos_types.named(name).keys) for name in KEYS} == {name: set(keys) for name, keys in KEYS.items()}
    assert [name for name in KEYS if qos_types.named(name).shapes] == ["linux-htb", "linux-hfsc", "egress-policer", "trtcm-policer"]
    assert [name for name in KEYS if qos_types.named(name).is_policer] == ["egress-policer", "trtcm-policer"]
    assert [name for name in KEYS if qos_types.named(name).is_two_rate] == ["trtcm-policer"]
    assert [name for name in KEYS if qos_types.named(name).passes_on] == ["linux-htb", "linux-hfsc"]
    assert all(qos_types.named(name).known and not qos_types.named(name).is_later for name in KEYS)
    assert SFQ._replace(is_later=True).passes_on and THEIRS.passes_on and not THEIRS.known and not THEIRS.is_policer
    later = {(name, key): key_.since for name in KEYS for key, key_ in qos_types.named(name).keys.items() if key_.since}
    assert later == {("linux-netem", "jitter"): (3, 2)}
    assert [qos_types.full_name(name) for name in ("htb", "linux-htb", "fq_codel", "nosuch", "egress-policer")] == [
        "linux-htb", "linux-htb", "linux-fq_codel", "nosuch", "egress-policer",
    ]  # fmt: skip
    assert qos_types.spelt(" Max_Rate ") == "max-rate"


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in KEYS.items() for key in keys])
def test_a_key_of_a_type(name, key):
    kind = qos_types.named(name)
    low, high, unit = KEYS[name][key]
    for value in (low, high):
        kind.check_key(key, str(value))
    hint = "; try: --max-rate 200mbit" if key == "max-rate" else ""
    for value in [high + 1, "x", "1.5", "-1", *([low - 1] if low else [])]:
        why = f"{value} is not a whole number of {unit} from {low} to {high}, so ovs-vswitchd or the kernel would not accept it{hint}"
        assert refusal(kind.check_key, key, str(value)) == f"--other-config {key}: {why}"


def test_a_key_that_a_type_does_not_read():
    assert refusal(NOOP.check_key, "limit", "5") == "--other-config limit: linux-noop would ignore it; it reads none"
    reads = "it reads perturb (seconds), quantum (bytes)"
    assert refusal(SFQ.check_key, "limit", "5") == f"--other-config limit: linux-sfq would ignore it; {reads}"
    THEIRS.check_key("limit", "five")


CONFIG = {"min-rate": "8", "max-rate": "16", "burst": "24", "priority": "3", "cir": "1", "cbs": "2", "eir": "3", "ebs": "4"}


@pytest.mark.parametrize(
    ("kind", "port", "queue", "queue_keys"),
    [
        (HTB, Shape(max_rate=16), Shape(8, 16, 24, 3), ["min-rate", "max-rate", "burst", "priority"]),
        (HFSC, Shape(max_rate=16), Shape(8, 16), ["min-rate", "max-rate"]),
        (SFQ, Shape(), Shape(), []),
        (EGRESS, Shape(max_rate=8, burst=16), Shape(), []),
        (TRTCM, Shape(8, 32, 16), Shape(8, 32, 16), ["cir", "cbs", "eir", "ebs"]),
        (THEIRS, Shape(max_rate=16), Shape(8, 16, 24, 3), ["min-rate", "max-rate", "burst", "priority"]),
    ],
)  # fmt: skip
def test_what_is_read_of_a_row(kind, port, queue, queue_keys):
    assert (kind.port_shape(CONFIG), kind.queue_shape(CONFIG), list(kind.queue_keys)) == (port, queue, queue_keys)
    assert kind.port_shape({}) == kind.queue_shape({}) == Shape()


def test_the_bursts_and_rates_of_trtcm_policer():
    assert TRTCM.port_shape({"cir": "0", "eir": "5", "ebs": "7"}) == Shape(None, 40, 56)
    assert TRTCM.port_shape({"cir": "5", "eir": "0", "cbs": "6", "ebs": "7"}) == Shape(40, 40, 48)
    assert TRTCM.to_config(Shape(8, 24, 80)) == {"cir": "1", "eir": "2", "cbs": "10", "ebs": "10"}
    assert TRTCM.to_config(Shape(24, 24, 80)) == {"cir": "3", "eir": "0", "cbs": "10", "ebs": "0"}
    assert TRTCM.to_config(Shape(None, 24)) == {"cir": "0", "eir": "3", "cbs": "0"}
    assert TRTCM.to_config(Shape(8, 24)) == {"cir": "1", "eir": "2"}
    assert TRTCM.to_config(Shape(8)) == {}


def test_what_is_written():
    assert HTB.to_config(Shape(8, 16, 24, 3)) == {"min-rate": "8", "max-rate": "16", "burst": "24", "priority": "3"}
    assert HTB.to_config(Shape(priority=0)) == {"priority": "0"}
    assert EGRESS.to_config(Shape(max_rate=8000, burst=16_000)) == {"cir": "1000", "cbs": "2000"}
    assert EGRESS.to_config(Shape(max_rate=MOST // 8 * 8)) == {"cir": str(MOST // 8)}
    assert (
        refusal(EGRESS.to_config, Shape(max_rate=9))
        == "9bit: egress-policer is in bytes, so this value cannot be set exactly; try: 8bit or 16bit"
    )
    assert HFSC.to_config(Shape(max_rate=34_359_738_360)) == {"max-rate": "34359738360"}
    said = "34359738.361kbit: linux-hfsc goes up to 34359738.36kbit/s; try: --type linux-htb"
    assert refusal(HFSC.to_config, Shape(max_rate=34_359_738_361)) == said


def test_a_burst_for_each_rate_of_a_policer_that_has_none():
    """The default of policing: 210 ms of the rate and a frame, in bytes, at least 128 kbit."""
    assert EGRESS.with_bursts({"cir": "10000000"}) == {"cir": "10000000", "cbs": "2101500"}
    assert EGRESS.with_bursts({"cir": "1"}) == EGRESS.with_bursts({"cir": "1", "cbs": "0"}) == {"cir": "1", "cbs": "16000"}
    assert EGRESS.with_bursts({"cir": "69000"})["cbs"] == "16000" and EGRESS.with_bursts({"cir": "69001"})["cbs"] == "16125"
    assert EGRESS.with_bursts({"cir": "5", "cbs": "7", "eir": "9"}) == {"cir": "5", "cbs": "7", "eir": "9"}
    assert TRTCM.with_bursts({"cir": "0", "eir": "5"}) == {"cir": "0", "eir": "5", "ebs": "16000"}
    assert HTB.with_bursts({"max-rate": "5", "cir": "5"}) == {"max-rate": "5", "cir": "5"}


LEAST = "{} is less than one byte per second, which ovs-vswitchd treats as no rate; try: 8bit"


@pytest.mark.parametrize(
    ("kind", "part", "value", "said"),
    [
        (HTB, "max_rate", 7, LEAST.format("7bit")),
        (EGRESS, "max_rate", 7, LEAST.format("7bit")),
        (HTB, "burst", 9, "linux-htb has no burst for the port; try: --queue 0:burst=SIZE"),
        (HFSC, "burst", 9, "linux-hfsc has no burst for the port"),
        (SFQ, "max_rate", 9, "linux-sfq does not support it: it shares the link among flows; try: --type linux-htb or --other-config perturb=N"),
        (NOOP, "burst", 9, "linux-noop does not support it: it leaves the queueing of the port to other software; try: --type linux-htb"),
        (THEIRS, "max_rate", 9, "my-qos is unknown to ovstool, which cannot tell how it stores this; try: --other-config KEY=VALUE"),
        (THEIRS, "burst", 9, "my-qos is unknown to ovstool, which cannot tell how it stores this; try: --other-config KEY=VALUE"),
    ],
)  # fmt: skip
def test_an_option_that_the_port_does_not_take(kind, part, value, said):
    assert refusal(kind.check_option, "--x", part, value) == f"--x: {said}"


def test_one_that_it_does():
    for kind in (HTB, HFSC, EGRESS, TRTCM):
        kind.check_option("--x", "max_rate", 8)
    EGRESS.check_option("--x", "burst", 1)
    TRTCM.check_option("--x", "burst", 1)


@pytest.mark.parametrize(
    ("kind", "number", "shape", "said"),
    [
        (HTB, 61440, Shape(), "linux-htb has queues 0 to 61439"),
        (HFSC, 61440, Shape(), "linux-hfsc has queues 0 to 61439"),
        (SFQ, 0, Shape(), "linux-sfq has no queues: it shares the link among flows; try: --type linux-htb or --other-config perturb=N"),
        (EGRESS, 0, Shape(), "egress-policer has no queues: it drops what the port sends above one rate; try: --type trtcm-policer"),
        (HFSC, 5, Shape(burst=9), "linux-hfsc has no burst; it supports min, max and dscp"),
        (HFSC, 5, Shape(priority=0), "linux-hfsc has no priority; it supports min, max and dscp"),
        (TRTCM, 5, Shape(priority=0), "trtcm-policer has no priority; it supports min, max, burst and dscp"),
        (THEIRS, 5, Shape(8), "my-qos is unknown to ovstool, which cannot tell how it stores min; try: ovs-vsctl set Queue"),
        (THEIRS, 5, Shape(priority=1), "my-qos is unknown to ovstool, which cannot tell how it stores priority; try: ovs-vsctl set Queue"),
        (HTB, 5, Shape(min_rate=7), f"min: {LEAST.format('7bit')}"),
        (HTB, 5, Shape(max_rate=0), f"max: {LEAST.format('0bit')}"),
        (HTB, 5, Shape(priority=8), "the kernel treats priorities above 7 as 7; try: priority=7"),
    ],
)  # fmt: skip
def test_a_queue_that_a_type_does_not_take(kind, number, shape, said):
    assert refusal(kind.check_queue, number, shape) == f"queue {number}: {said}"


def test_a_queue_that_it_does():
    HTB.check_queue(61439, Shape(8, 8, 1, 7))
    HFSC.check_queue(61439, Shape(8, 8))
    TRTCM.check_queue(2**32 - 1, Shape(8, 8, 1))
    THEIRS.check_queue(2**32 - 1, Shape())
    assert refusal(TRTCM.check_queue, 2**32, Shape()) == "queue 4294967296: trtcm-policer has queues 0 to 4294967295"


@pytest.mark.parametrize(
    ("name", "max_rate", "other"),
    [
        ("linux-htb", None, "linux-hfsc"), ("linux-htb", 34_359_738_360, "linux-hfsc"), ("linux-htb", 34_359_738_361, "linux-noop"),
        ("linux-hfsc", None, "linux-htb"), ("linux-hfsc", MOST, "linux-htb"), ("linux-sfq", None, "linux-noop"), ("my-qos", 5, "linux-noop"),
        ("egress-policer", 8, "egress-policer"), ("trtcm-policer", 8, "trtcm-policer"),
    ],
)  # fmt: skip
def test_the_temporary_type(name, max_rate, other):
    assert qos_types.stand_in(name, max_rate) == other


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("007", 7),
        ("9" * 19, int("9" * 19)),
        ("9" * 20, None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("1e6", None),
        ("٣", None),
    ],
)
def test_a_number_that_ovs_vswitchd_reads(text, number):
    assert qos_types.number({"max-rate": text}, "max-rate") == number and qos_types.number({}, "max-rate") is None


# --- compose


def composed(kind, config=None, queues=None, port=None, other=None, asked=None):
    return compose.compose(kind, config or {}, queues or {}, compose.ShapingSpec(port or Shape(), other or {}, asked or {}))


def test_what_is_merged_into_what_there_is():
    config, queues = composed(
        HTB, {"max-rate": "9", "x": "y"}, {0: {"min-rate": "8", "a": "b"}}, other={"c": "d"}, asked={0: Shape(max_rate=16)}
    )
    assert config == {"max-rate": "9", "x": "y", "c": "d"}
    assert queues == {0: {"min-rate": "8", "max-rate": "16", "a": "b"}}
    assert composed(HTB, queues={0: {"min-rate": "8", "burst": "24"}}, asked={0: Shape(16, 16, 32, 5)})[1] == {
        0: {"min-rate": "16", "max-rate": "16", "burst": "32", "priority": "5"}
    }
    assert composed(HTB, queues={0: {"min-rate": "8", "burst": "24"}}, asked={0: Shape()})[1] == {0: {"min-rate": "8", "burst": "24"}}


ONE_MBIT = Shape(max_rate=1_000_000)
SPLIT = {"cir": "50000", "eir": "75000"}  # of 1 Mbit/s, 400 kbit/s are committed


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (HTB, {"asked": {3: Shape(9, 8)}}, "queue 3: its min is above its max"),
        (HTB, {"queues": {3: {"max-rate": "8"}}, "asked": {3: Shape(9)}}, "queue 3: its min is above its max"),
        (HTB, {"port": Shape(max_rate=9), "other": {"max-rate": "8"}}, "--other-config max-rate: contradicts the 9 of --max-rate, --burst or --queue"),
        (HTB, {"other": {"Max_rate": "8 "}}, '--other-config Max_rate: linux-htb would ignore it; it reads max-rate; try: --other-config max-rate="8 "'),
        (EGRESS, {}, "egress-policer: needs a rate; try: --max-rate 200mbit"),
        (EGRESS, {"other": {"cir": "0"}}, "egress-policer: needs a rate; try: --max-rate 200mbit"),
        (EGRESS, {"port": Shape(max_rate=80, burst=11_992)}, "--burst: a packet of 1500 bytes would never pass a burst of 11.992kbit; try: 12kbit"),
        (TRTCM, {"port": ONE_MBIT, "asked": {0: Shape(burst=11_992)}}, "queue 0: a packet of 1500 bytes would never pass a burst of 11.992kbit; try: 12kbit"),
        (TRTCM, {"port": ONE_MBIT, "other": {"eir": "5"}}, "--other-config eir: cannot be combined with --max-rate or --burst, which set cir, eir, cbs and ebs"),
        (TRTCM, {"port": Shape(burst=16_000), "other": {"cir": "5"}}, "--other-config cir: cannot be combined with --max-rate or --burst, which set cir, eir, cbs and ebs"),
        (TRTCM, {"port": ONE_MBIT, "asked": {0: Shape(504_000), 1: Shape(504_000)}},
         "trtcm-policer: the min rates of its queues add up to 1.008mbit, above the max-rate of 1mbit"),
        (TRTCM, {"port": ONE_MBIT, "asked": {1: Shape(8)}},
         "trtcm-policer: without a queue 0, traffic that is in no queue uses up what the queues are guaranteed; try: --queue 0"),
        (TRTCM, {"port": ONE_MBIT, "asked": {0: Shape(), 1: Shape(1_000_000)}},
         "queue 0: without a min it gets only what the min rates of the other queues leave over, which is nothing"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(kind, given, said):
    assert refusal(lambda: composed(kind, **given)) == said


def test_the_split_of_trtcm_policer():
    cbs, ebs = {"cbs": "16000"}, {"ebs": "16000"}
    assert composed(TRTCM, port=ONE_MBIT)[0] == {"cir": "125000", "eir": "0", "cbs": "27750", "ebs": "0"}
    assert composed(TRTCM, port=Shape(max_rate=80, burst=12_000))[0] == {"cir": "10", "eir": "0", "cbs": "1500", "ebs": "0"}
    asked = {0: Shape(), 1: Shape(400_000)}
    config, queues = composed(TRTCM, port=ONE_MBIT, asked=asked)
    assert config == SPLIT | {"cbs": "16000", "ebs": "17250"}
    assert queues == {
        0: {"cir": "0", "eir": "125000", "cbs": "0", "ebs": "27750"},
        1: {"cir": "50000", "eir": "75000", "cbs": "16000", "ebs": "17250"},
    }
    full = composed(TRTCM, port=ONE_MBIT, asked={0: Shape(600_000), 1: Shape(400_000)})[0]
    assert full == {"cir": "125000", "eir": "0", "cbs": "27750"} | {"ebs": "0"}
    # A merge keeps the split, unless another program wrote it.
    assert composed(TRTCM, SPLIT | cbs | ebs, queues, port=Shape(burst=12_000))[0] == SPLIT | {"cbs": "1500", "ebs": "1500"}
    assert composed(TRTCM, SPLIT | cbs | ebs, queues, port=Shape(max_rate=1_200_000))[0]["eir"] == "100000"
    assert composed(TRTCM, SPLIT | cbs | ebs, queues, asked={1: Shape(480_000)})[0]["cir"] == "60000"
    with pytest.raises(Conflict) as raised:
        composed(TRTCM, SPLIT | cbs | ebs, {}, port=Shape(max_rate=1_200_000))
    assert (
        str(raised.value)
        == "trtcm-policer: the cir of the port is not the sum of its queues' min, so something else set it; try: without --merge"
    )
    with pytest.raises(Conflict):
        composed(TRTCM, SPLIT | {"cir": "50001"} | cbs | ebs, queues, port=Shape(max_rate=1_200_000))
    raw = {"cir": "5", "cbs": "2000", "eir": "6", "ebs": "3000"}
    assert composed(TRTCM, other=raw) == (raw, {})
    assert composed(TRTCM, other={"cir": "5"}, asked={7: Shape()})[1] == {7: {"cir": "0", "eir": "5", "cbs": "0", "ebs": "16000"}}
