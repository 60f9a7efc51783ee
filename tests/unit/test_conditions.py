"""Conditions of --until: what they are read as, what they hold for, and which are refused."""

import pytest

from ovstool import conditions
from ovstool.commands.stats import _condition
from ovstool.errors import UsageError
from ovstool.monitor import words
from ovstool.monitor.objects import NOUNS
from ovstool.rates import QueueRate, Rate

FIELDS = {
    "link_state": "up", "tag": 7, "trunks": [1, 2, 3], "qos.max_rate": 10_000_000, "qos.queues.1": True, "qos.type": "linux-htb",
    "controllers.tcp:10.0.0.1:6653.is_connected": False, "controllers.tcp:10.0.0.2:6653.is_connected": True, "external_ids.a.b": "x y",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("eth1 link_state=up", True),
        (" eth1  link_state == up ", True),
        ("link_state != up", False),
        ("eth1 error", False),
        ("eth1 error=null", True),
        ("eth1 error!=null", False),
        ("eth1 error!=x", True),
        ("error!=x", False),  # no object has one
        ("tag", True),
        ("tag>=7", True),
        ("tag>7", False),
        ("eth1 mtu<9000", False),
        ("trunks=3,1-2", True),
        ("trunks=1,2", False),
        ("qos.max_rate=10mbit", True),
        ("qos.max_rate < 10000001", True),
        ("qos.queues.1=true", True),
        ("eth1 qos.queues.2=null", True),
        ("qos.type=htb", True),
        ("is_connected=true", True),
        ("is_connected=false", True),
        ("controllers.tcp:10.0.0.1:6653.is_connected=true", False),
        ("external_ids.a.b=x y", True),
    ],
)
def test_a_condition_on_fields(text, holds):
    assert words.condition(text, NOUNS).holds(FIELDS) == holds


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('"my port" tag=7', ("my port", "tag", "=", 7)),
        ("'a=b>c!' link_state!=up", ("a=b>c!", "link_state", "!=", "up")),
        ("p'1 'x error", ("p1 x", "error", None, None)),
        ("eth1 external_ids.'a = b'=c d", ("eth1", "external_ids.a = b", "=", "c d")),
        ("eth1 external_ids.a='c d '", ("eth1", "external_ids.a", "=", "c d ")),
        ('eth1 external_ids.a="null"', ("eth1", "external_ids.a", "=", "null")),
        ("eth1 external_ids.a=it's", ("eth1", "external_ids.a", "=", "it's")),
        ('eth1 external_ids.a="b" c', ("eth1", "external_ids.a", "=", '"b" c')),
    ],
)
def test_a_name_in_quotes(text, read):
    assert words.condition(text, NOUNS)[1:] == read


@pytest.mark.parametrize("name", ["eth1", "my port", "a=b", "a'b", 'a"b', "", '"x"', "a!"])
def test_a_name_as_a_word_of_a_condition(name):
    assert words.condition(f"{conditions.written(name)} tag=7", NOUNS).subject == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", '"": not a condition, which is [OBJECT] FIELD or [OBJECT] FIELD=VALUE; try: "eth1 link_state=up"'),
        (
            "a b c",
            '"a b c": not a condition, which is [OBJECT] FIELD or [OBJECT] FIELD=VALUE; try: "eth1 link_state=up", or with a space in',
        ),
        ('"my port tag=7', '"\\"my port tag=7": not a condition'),
        ("a! tag=7", '"a! tag=7": not a condition'),
        ("br0 flows", "flows: no such field"),
        ("eth1 link_sate=up", "link_sate: no such field; try: link_state"),
        ("external_id=x", "external_id: no such field; try: external_ids.KEY"),
        ("ports=eth1", "ports: no such field"),
        ("link_state=upp", "upp: not one of up, down; try: up"),
        ("link_state>up", "link_state>up: > compares numbers only; try: link_state=up"),
        ("tag<null", "tag<null: < compares numbers only"),
        ("error=null", "error=null: some object never has a value there"),
        ("qos.max_rate>5mbps", "5mbps: 5 megabits is 5mbit"),
        ("qos.queues.1.min>", '"": not a rate'),
        ("qos.queues.one.min>1mbit", "one: not a whole number"),
        ("bridge=", '"": empty; try: eth1'),
    ],
)
def test_what_is_no_condition(text, said):
    with pytest.raises(UsageError) as refused:
        words.condition(text, NOUNS)
    assert str(refused.value).startswith(f"--until: {said}")


def test_zero_is_a_value():
    """A tag of 0 is an access port of VLAN 0, and not the same as none."""
    assert words.condition("eth1 tag", NOUNS).holds({"tag": 0})
    for nothing in (None, False, []):
        assert not words.condition("eth1 trunks", NOUNS).holds({"trunks": nothing})


def test_a_condition_on_another_noun():
    with pytest.raises(UsageError, match="link_state: not a field of qos or sflow; try: ovstool monitor port"):
        words.condition("eth1 link_state=up", ["qos", "sflow"])


@pytest.mark.parametrize(
    ("text", "nouns"),
    [
        ("bridge=br0", {"port", "bridge"}),
        ("tag=7", {"port"}),
        ("ofport=65535", {"port"}),
        ("admin_state=down", {"port"}),
        ("link_state=down", {"port"}),
        ("error", {"port"}),
        ("options.key=5", {"port"}),
        ("bond.interfaces=a,b", {"port"}),
        ("qos.queues.1.max=5mbit", {"qos"}),
        ("police.rate=5mbit", {"police"}),
        ("fail_mode=secure", {"bridge"}),
        ("datapath_type=netdev", {"bridge"}),
        ("controllers", {"controller"}),
        ("is_connected=false", {"controller"}),
        ("controllers.tcp:192.0.2.1:6653.role=master", {"controller"}),
        ("role=slave", {"controller"}),
        ("role=other", {"controller"}),
        ("sflow.sampling=64", {"sflow"}),
        ("external_ids.a=b", {"port", "bridge"}),
        *((f"{name}=x", set()) for name in ("ports", "peer", "remote_ip", "key", "flows")),
    ],
)
def test_the_nouns_of_a_field(text, nouns):
    def is_known(noun: str) -> bool:
        try:
            return bool(words.condition(text, [noun]))
        except UsageError:
            return False

    assert set(filter(is_known, NOUNS)) == nouns
    assert nouns or text.partition("=")[0] not in {name.rstrip(".") for name in words.FIELDS}


def test_a_condition_on_rates():
    row = dict.fromkeys(Rate._fields, 0.0) | {"port": "eth1", "rx_bps": 1e9, "tx_bps": None, "reset": True}
    held = {
        "rx_bps > 900mbit": True,
        "rx_bps>1e": None,
        "eth1 rx_bps >= 1gbit": True,
        "tx_bps < 5": False,
        "reset=true": True,
        "rx_pps > 0": False,
    }
    for text, holds in held.items():
        if holds is None:
            with pytest.raises(UsageError):
                _condition(text, Rate)
        else:
            assert _condition(text, Rate).holds(row) == holds, text
    for text in ("rx_bps", "port=eth1", "rx_bps=x", "reset=1"):
        with pytest.raises(UsageError, match="--until: "):
            _condition(text, Rate)
    with pytest.raises(UsageError, match="rx_bps: no such field; try: time, queue, "):
        _condition("rx_bps>1", QueueRate)
