"""The row that each QoS type becomes, compared with ovs-vsctl, according to ovs-vswitchd.conf.db(5).

The dummy datapath puts none of them into effect, and no test has the DPDK ports that both policers need.
"""

import pytest
from ovs_version import OVS
from test_qos import shape_of


def written(switch, port: str) -> tuple:
    """Type, other_config and queues of a port as ``ovs-vsctl list`` prints them."""
    kind, config, queues = shape_of(switch, port)
    return kind, dict(config[1]), {number: dict(queue[1]) for number, (queue, _) in queues}


@pytest.mark.parametrize(
    ("options", "kind", "config"),
    [
        ("--type sfq --other-config perturb=5 --other-config quantum=3000", "linux-sfq", {"perturb": "5", "quantum": "3000"}),
        ("--type linux-sfq", "linux-sfq", {}),
        ("--type codel --other-config target=2000 --other-config limit=50", "linux-codel", {"target": "2000", "limit": "50"}),
        ("--type fq_codel --other-config flows=64", "linux-fq_codel", {"flows": "64"}),
        ("--type netem --other-config latency=20000 --other-config loss=1", "linux-netem", {"latency": "20000", "loss": "1"}),
        ("--type linux-netem --other-config latency=0 --other-config jitter=500", "linux-netem", {"latency": "0", "jitter": "500"}),
        ("--type noop", "linux-noop", {}),
        ("--type htb --max-rate 40gbit", "linux-htb", {"max-rate": "40000000000"}),
        ("--type hfsc --max-rate 10mbit", "linux-hfsc", {"max-rate": "10000000"}),
        # Bytes; the burst is that of 'police set': 210 ms of the rate plus a frame, at least 128 kbit.
        ("--type egress-policer --max-rate 80mbit", "egress-policer", {"cir": "10000000", "cbs": "2101500"}),
        ("--type egress-policer --max-rate 8kbit", "egress-policer", {"cir": "1000", "cbs": "16000"}),
        ("--type egress-policer --max-rate 368mbit --burst 2048B", "egress-policer", {"cir": "46000000", "cbs": "2048"}),
        ("--type egress-policer --other-config cir=46000000 --other-config cbs=2048", "egress-policer", {"cir": "46000000", "cbs": "2048"}),
        ("--type egress-policer --other-config cir=1000", "egress-policer", {"cir": "1000", "cbs": "16000"}),
        ("--type egress-policer --max-rate 8kbit --other-config cir=1000", "egress-policer", {"cir": "1000", "cbs": "16000"}),
        (
            "--type trtcm-policer --max-rate 80mbit --burst 64kB",
            "trtcm-policer",
            {"cir": "10000000", "cbs": "64000", "eir": "0", "ebs": "0"},
        ),
    ],
)
def test_a_type_without_queues(switch, ovstool, options, kind, config):
    assert ovstool(f"qos set eth1 {options}").stdout == "eth1: created\n"
    assert written(switch, "eth1") == (kind, config, {})
    again = ovstool(f"qos set eth1 {options}")
    is_for_dpdk = "QoS type not supported by this interface" in again.stderr
    is_noted = "policer" in kind or (OVS < (3, 2) and ("jitter" in options or "40gbit" in options))  # older versions do not
    assert (again.stdout, again.stderr.count("\n"), is_for_dpdk) == ("eth1: unchanged\n", is_noted, "policer" in kind)
    assert ovstool("qos show eth1 -f json").json["other_config"] == config


def test_hfsc_has_rates_and_no_more(switch, ovstool, refused):
    assert ovstool("qos set eth1 --type hfsc --max-rate 1gbit --queue 0 --queue 7:min=1kbit,max=2.5mbit,dscp=46").code == 0
    assert written(switch, "eth1") == ("linux-hfsc", {"max-rate": "1000000000"}, {0: {}, 7: {"min-rate": "1000", "max-rate": "2500000"}})
    for key in ("burst=10kB", "priority=1"):
        line = refused(f"qos set eth1 --type hfsc --queue 1:{key}", 2)
        assert line == f"queue 1: linux-hfsc has no {key.partition('=')[0]}; it supports min, max and dscp"
    assert "34359738.36kbit" in refused("qos set eth1 --type hfsc --max-rate 40gbit", 2)
    refused("qos set eth1 --type hfsc --queue 0:max=40gbit", 2)
    refused("qos set eth1 --type hfsc --other-config max-rate=40000000000", 2)


def test_the_two_rates_of_trtcm_policer(switch, ovstool):
    """RFC 4115: committed and excess rate add up, so min is cir, and max is the sum of cir and eir."""
    asked = "qos set eth1 --type trtcm-policer --max-rate 80mbit --queue 0 --queue 1:min=40mbit,max=56mbit,burst=64kB --queue 2:min=8mbit"
    assert ovstool(asked).code == 0
    queues = {
        0: {"cir": "0", "cbs": "0", "eir": "10000000", "ebs": "2101500"},
        1: {"cir": "5000000", "cbs": "64000", "eir": "2000000", "ebs": "64000"},
        2: {"cir": "1000000", "cbs": "211500", "eir": "9000000", "ebs": "1891500"},
    }
    # The port commits the sum of its queues' guaranteed rates, and they share the rest.
    assert written(switch, "eth1") == ("trtcm-policer", {"cir": "6000000", "cbs": "1261500", "eir": "4000000", "ebs": "841500"}, queues)
    assert ovstool(asked).stdout == "eth1: unchanged\n"
    shown = ovstool("qos show eth1 -f json").json
    assert shown["max_rate"] == 80_000_000
    assert [(q["queue"], q["min_rate"], q["max_rate"], q["burst"]) for q in shown["queues"]] == [
        (0, None, 80_000_000, 16_812_000),
        (1, 40_000_000, 56_000_000, 512_000),
        (2, 8_000_000, 80_000_000, 1_692_000),
    ]
    assert ovstool("qos list -f json").json == [{"port": "eth1", "type": "trtcm-policer", "max_rate": 80_000_000, "queues": 3}]
    assert ovstool("show br0").stdout.count("qos trtcm-policer 80 Mbit/s") == 1


def test_a_merge_keeps_the_split_of_trtcm_policer(switch, ovstool):
    ovstool("qos set eth1 --type trtcm-policer --max-rate 80mbit --queue 0 --queue 1:min=40mbit,max=56mbit,burst=64kB")
    assert ovstool("qos set eth1 --merge --queue 1:min=48mbit").stdout == "eth1: updated\n"
    _, port, queues = written(switch, "eth1")
    assert (port["cir"], port["eir"]) == ("6000000", "4000000")
    assert queues[1] == {"cir": "6000000", "cbs": "64000", "eir": "1000000", "ebs": "64000"}
    assert ovstool("qos set eth1 --merge --max-rate 88mbit").stdout == "eth1: updated\n"
    assert written(switch, "eth1") == ("trtcm-policer", port | {"eir": "5000000"}, queues)
    assert ovstool("qos set eth1 --merge --max-rate 88mbit --queue 1:min=48mbit").stdout == "eth1: unchanged\n"
    assert ovstool("qos set eth1 --merge --burst 20kB").stdout == "eth1: updated\n"
    assert written(switch, "eth1")[1:] == ({"cir": "6000000", "cbs": "20000", "eir": "5000000", "ebs": "20000"}, queues)
    assert switch.orphans() == []


# The example of Open vSwitch's Documentation/topics/dpdk/qos.rst.
TRTCM = (
    "set port eth1 qos=@myqos -- --id=@myqos create qos type=trtcm-policer other-config:cir=50000 other-config:cbs=2048 other-config:eir=50000 "
    "other-config:ebs=2048 queues:10=@q10 queues:20=@q20 -- --id=@q10 create queue other-config:cir=100000 other-config:cbs=2048 "
    "other-config:eir=0 other-config:ebs=0 -- --id=@q20 create queue other-config:cir=0 other-config:cbs=0 other-config:eir=50000 other-config:ebs=2048"
)


def test_what_others_wrote_for_trtcm_policer(switch, ovstool, refused):
    switch.vsctl(TRTCM)
    theirs = written(switch, "eth1")
    shown = ovstool("qos show eth1 -f json").json
    assert shown["max_rate"] == 800_000
    assert [(q["min_rate"], q["max_rate"], q["burst"]) for q in shown["queues"]] == [(800_000, 800_000, 16_384), (None, 400_000, 16_384)]
    # Unchanged, with the port's split as its author configured it.
    ours = "--other-config cir=50000 --other-config cbs=2048 --other-config eir=50000 --other-config ebs=2048"
    ours += " --queue 10:min=800kbit,max=800kbit,burst=2048B --queue 20:max=400kbit,burst=2048B"
    assert ovstool(f"qos set eth1 --type trtcm-policer {ours}").stdout == "eth1: unchanged\n"
    assert ovstool(f"qos set eth2 --type trtcm-policer {ours}").code == 0
    assert written(switch, "eth2") == theirs
    assert "so something else set it; try: without --merge" in refused("qos set eth1 --merge --queue 10:min=900kbit", 4)
    assert ovstool("qos set eth1 --merge --burst 4096B").code == 0
    assert written(switch, "eth1")[1] == {"cir": "50000", "cbs": "4096", "eir": "50000", "ebs": "4096"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--type sfq --max-rate 1mbit", "linux-sfq does not support it: it shares the link among flows; try: --type linux-htb"),
        ("--type codel --burst 10kB", "linux-codel does not support it"),
        ("--type fq_codel --queue 0", "linux-fq_codel has no queues"),
        ("--type noop --queue 3:min=1mbit", "linux-noop has no queues: it leaves the queueing of the port to other software"),
        ("--type netem --max-rate 1mbit", "try: --type linux-htb or --other-config latency=N"),
        ("--type netem --other-config loss=101", "101 is not a whole number of percent from 0 to 100"),
        ("--type netem --other-config delay=5", "it reads latency (microseconds), jitter (microseconds), limit (packets), loss (percent)"),
        ("--type codel --other-config target=5ms", "5ms is not a whole number of microseconds"),
        ("--type codel --other-config quantum=300", "linux-codel would ignore it"),
        ("--type noop --other-config quantum=300", "it reads none"),
        ("--type sfq --other-config max-rate=5", "it reads perturb (seconds), quantum (bytes)"),
        ("--type egress-policer", "needs a rate; try: --max-rate 200mbit"),
        ("--type trtcm-policer --queue 0:max=5mbit", "needs a rate"),
        ("--type egress-policer --burst 64kB", "needs a rate"),
        ("--type egress-policer --max-rate 1001", "so this value cannot be set exactly; try: 1kbit or 1.008kbit"),
        ("--type egress-policer --max-rate 1mbit --burst 12001", "try: 12kbit or 12.008kbit"),
        ("--type egress-policer --max-rate 1mbit --burst 1kB", "a packet of 1500 bytes would never pass a burst of 8kbit; try: 12kbit"),
        ("--type egress-policer --max-rate 1mbit --queue 0", "egress-policer has no queues"),
        ("--type egress-policer --max-rate 1mbit --other-config eir=5", "it reads cir (bytes/s), cbs (bytes)"),
        ("--type egress-policer --max-rate 1mbit --other-config cir=5", "contradicts"),
        ("--type trtcm-policer --max-rate 1mbit --other-config cir=5", "cannot be combined with --max-rate"),
        ("--type trtcm-policer --max-rate 1mbit --queue 0:priority=1", "has no priority; it supports min, max, burst and dscp"),
        ("--type trtcm-policer --max-rate 1mbit --queue 0:min=800k,max=400k", "its min is above its max"),
        ("--type trtcm-policer --max-rate 1mbit --queue 0:min=8,max=1001", "cannot be set exactly"),
        ("--type trtcm-policer --max-rate 1mbit --queue 0:burst=1kB", "queue 0: a packet of 1500 bytes would never pass"),
        ("--type trtcm-policer --max-rate 1mbit --queue 1:min=1mbit", "without a queue 0"),
        ("--type trtcm-policer --max-rate 1mbit --queue 0:min=800k --queue 1:min=800k", "add up to 1.6mbit, above the max-rate of 1mbit"),
        ("--type trtcm-policer --max-rate 1mbit --queue 0 --queue 1:min=1mbit", "queue 0: without a min"),
        ("--max-rate 1mbit --burst 64kB", "linux-htb has no burst for the port; try: --queue 0:burst=SIZE"),
        ("--type hfsc --max-rate 1mbit --burst 64kB", "linux-hfsc has no burst for the port"),
        ("--type my-qos", "choose from"),
        ("--type linux-", "choose from"),
    ],
)
def test_options_that_a_type_does_not_take(refused, options, words):
    assert words in refused(f"qos set eth1 {options}", 2)


def test_a_merge_does_not_turn_one_type_into_another_that_lacks_what_is_there(switch, ovstool, refused):
    ovstool("qos set eth1 --max-rate 1mbit --queue 0:min=8kbit,burst=20kB")
    assert "linux-htb has; try: without --merge" in refused("qos set eth1 --merge --type hfsc", 2)
    refused("qos set eth1 --merge --type egress-policer --max-rate 1mbit", 2)
    refused("qos set eth1 --merge --type sfq", 2)
    ovstool("qos set eth1 --max-rate 1mbit --queue 0:min=8kbit")
    assert ovstool("qos set eth1 --merge --type hfsc").stdout == "eth1: updated\n"
    assert written(switch, "eth1") == ("linux-hfsc", {"max-rate": "1000000"}, {0: {"min-rate": "8000"}})


def test_a_key_that_htb_does_not_read_is_written_and_noted(switch, ovstool):
    result = ovstool("qos set eth1 --max-rate 1mbit --other-config x=y=z")
    assert (result.stdout, result.stderr) == ("eth1: created\n", "ovstool: note: linux-htb does not read --other-config x\n")
    assert written(switch, "eth1")[1] == {"max-rate": "1000000", "x": "y=z"}


def test_a_misspelled_key_is_refused(ovstool, refused):
    assert refused("qos set eth1 --other-config max_rate=5000000", 2).endswith("; try: --other-config max-rate=5000000")
    assert "it reads cir; try" in refused("qos set eth1 --type egress-policer --other-config CIR=5000000", 2)


def test_a_key_of_a_later_open_vswitch_is_noted(switch, ovstool, refused):
    words = "qos set eth1 --type fq_codel --other-config nosuch=5"
    refused(words, 2)
    switch.vsctl("set Open_vSwitch . ovs_version=4.1.0")
    result = ovstool(words)
    said = "ovstool: note: --other-config nosuch: not checked, as this Open vSwitch is newer than ovstool knows\n"
    assert (result.stdout, result.stderr) == ("eth1: created\n", said)
    assert (ovstool(words).stdout, ovstool(words).stderr) == ("eth1: unchanged\n", "")
    refused("qos set eth1 --type fq_codel --other-config nosuch=5 --other-config limit=0", 2)


def test_a_change_that_ovs_vswitchd_does_not_put_into_effect_is_noted(ovstool):
    assert ovstool("qos set eth1 --type netem --other-config latency=1000").stderr == ""
    result = ovstool("qos set eth1 --type netem --other-config latency=2000")
    assert result.stdout == "eth1: updated\n" and "'ovstool qos clear PORT', then repeat this command" in result.stderr
    assert ovstool("qos set eth1 --type codel").stderr == ""


def test_a_type_written_by_others(switch, ovstool, refused):
    switch.vsctl(
        "set port eth1 qos=@q -- --id=@q create qos type=my-qos other-config:max-rate=5000 other-config:a=b queues=0=@a"
        " -- --id=@a create queue other-config:min-rate=9 -- set port eth2 qos=@p -- --id=@p create qos type=my-qos"
    )
    assert [(row["type"], row["max_rate"], row["queues"]) for row in ovstool("qos list -f json").json] == [
        ("my-qos", 5000, 1),
        ("my-qos", None, 0),
    ]
    shown = ovstool("qos show eth1 -f json").json
    assert (shown["max_rate"], shown["other_config"], shown["queues"][0]["min_rate"]) == (5000, {"max-rate": "5000", "a": "b"}, 9)
    result = ovstool("qos set eth1 --merge --other-config c=d --queue 0:dscp=7 --queue 4")
    assert result.stdout == "eth1: updated\n" and "type my-qos is unknown to ovstool" in result.stderr
    assert written(switch, "eth1") == ("my-qos", {"max-rate": "5000", "a": "b", "c": "d"}, {0: {"min-rate": "9"}, 4: {}})
    assert "try: --other-config KEY=VALUE" in refused("qos set eth1 --merge --max-rate 1mbit", 2)
    assert "my-qos is unknown to ovstool, which cannot tell how it stores max" in refused("qos set eth1 --merge --queue 0:max=1mbit", 2)
    assert ovstool("qos set eth1 --max-rate 1mbit").stdout == "eth1: updated\n"
    assert written(switch, "eth1") == ("linux-htb", {"max-rate": "1000000"}, {})
    assert switch.orphans() == []


def test_a_rate_that_the_type_does_not_read_is_none(switch, ovstool):
    switch.vsctl("set port eth1 qos=@q -- --id=@q create qos type=linux-sfq other-config:max-rate=5000")
    assert ovstool("qos show eth1 -f json").json["max_rate"] is None
    switch.vsctl("set port eth2 qos=@q -- --id=@q create qos type=egress-policer other-config:cir=1000.5 other-config:cbs=x")
    assert ovstool("qos show eth2 -f json").json["max_rate"] is None


def test_the_limit_of_bursts_is_that_of_the_policer(switch, ovstool):
    ovstool("qos set eth1 --type egress-policer --max-rate 80mbit")
    rows = ovstool("stats eth1 --bursts --interval 0.05 --for 0.2 -f json").json
    assert {row["limit_bps"] for row in rows if row["direction"] == "tx"} == {80_000_000}
