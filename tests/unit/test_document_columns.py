"""What is stored for the settings of a document: columns of bridges, ports, interfaces and mirrors, and the QoS of a port, both ways."""

import pytest

from ovstool.document import shaping
from ovstool.document.applying import columns
from ovstool.document.applying.applied import getting
from ovstool.document.comparison import Compared, ComparedBridge
from ovstool.document.declared import Entry
from ovstool.document.tree import Place
from ovstool.switch.qos import StoredQueue, WantedQos


@pytest.mark.parametrize(
    ("of", "settings", "row"),
    [
        (
            columns.OF_PORT,
            {("tag",): 5, ("trunks",): (6, 7), ("vlan_mode",): "native-tagged", ("bond", "mode"): "balance-tcp", ("bond", "lacp"): "active",
             ("other_config", "a"): "b", ("other_config", "c"): "d", ("external_ids", "x"): "y"},
            {"tag": 5, "trunks": ["set", [6, 7]], "vlan_mode": "native-tagged", "bond_mode": "balance-tcp", "lacp": "active",
             "other_config": ["map", [["a", "b"], ["c", "d"]]]},
        ),
        (
            columns.OF_INTERFACE,
            {("type",): "vxlan", ("mtu",): 1400, ("options", "key"): "5", ("external_ids", "x"): "y", ("other_config", "a"): "b"},
            {"type": "vxlan", "mtu_request": 1400, "options": ["map", [["key", "5"]]], "external_ids": ["map", [["x", "y"]]]},
        ),
        (
            columns.OF_BRIDGE,
            {("datapath_type",): "netdev", ("fail_mode",): "secure", ("protocols",): ("OpenFlow13",), ("external_ids", "x"): "y",
             ("other_config", "a"): "b", ("mirrors", "m", "snaplen"): 64},
            {"datapath_type": "netdev", "fail_mode": "secure", "protocols": ["set", ["OpenFlow13"]], "external_ids": ["map", [["x", "y"]]],
             "other_config": ["map", [["a", "b"]]]},
        ),
        (
            columns.OF_MIRROR,
            {("select_all",): True, ("select_vlans",): (5, 6), ("output_vlan",): 9, ("snaplen",): 64},
            {"select_all": True, "select_vlan": ["set", [5, 6]], "output_vlan": 9, "snaplen": 64},
        ),
    ],
    ids=["port", "interface", "bridge", "mirror"],
)  # fmt: skip
def test_columns(of, settings, row):
    assert columns.columns(of, settings) == row


@pytest.mark.parametrize(
    ("of", "changes", "row"),
    [
        (columns.OF_PORT, {("tag",): None, ("qos", "max_rate"): None}, {"tag": ["set", []]}),
        (columns.OF_PORT, {("other_config", "a"): None}, {"other_config": ["map", []]}),
        (columns.OF_INTERFACE, {("type",): None, ("mtu",): None}, {"type": "", "mtu_request": ["set", []]}),
        (columns.OF_BRIDGE, {("datapath_type",): None, ("fail_mode",): None}, {"datapath_type": "", "fail_mode": ["set", []]}),
        (columns.OF_MIRROR, {("select_all",): None, ("output_vlan",): None}, {"select_all": False, "output_vlan": ["set", []]}),
    ],
)
def test_columns_that_become_empty(of, changes, row):
    assert columns.columns(of, {("trunks",): (5,)}, changes) == row


def test_settings_after_changes():
    before = {("tag",): 5, ("trunks",): (6,), ("external_ids", "a"): ""}
    assert columns.applied(before, {("tag",): None, ("mtu",): 0, ("trunks",): (7,)}) == {
        ("trunks",): (7,), ("external_ids", "a"): "", ("mtu",): 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "row"),
    [
        ({}, (0, 0, 0, 0)), ({"rate": 10_000_000, "burst": 8_000_000}, (10_000, 8000, 0, 0)), ({"packet_rate": 5000}, (0, 0, 5, 2)),
        ({"packet_rate": 5000, "packet_burst": 7000}, (0, 0, 5, 7)), ({"burst": 8_000_000}, (0, 0, 0, 0)), ({"rate": 10_000_000}, (10_000, 2112, 0, 0)),
    ],
)  # fmt: skip
def test_limits(limits, row):
    assert tuple(columns.policing({("police", part): value for part, value in limits.items()}).values()) == row


def test_sampling():
    given = {"collectors": ("10.0.0.5:6343",), "agent": "eth0", "sampling": 64, "polling": 0, "header": 128}
    row = columns.sampling({("sflow", field): value for field, value in given.items()} | {("tag",): 5})
    assert row == {"targets": ["set", ["10.0.0.5:6343"]], "agent": "eth0", "sampling": 64, "polling": 0, "header": 128}
    assert columns.sampling({("sflow", "collectors"): ("a",)}) == {"targets": ["set", ["a"]]}


def test_which_ports_get_something():
    """To remove it, and to get something else, does not count."""

    def port(name, changes):
        return Compared(Entry(name, Place(0, 0), {}, {}), {}, changes, {}, {})

    bridge = port("br0", {("qos", "max_rate"): 5})
    ports = [
        port("a", {("qos", "max_rate"): 5}), port("b", {("qos", "max_rate"): None}), port("c", {("tag",): 5}), port("d", {}),
        port("e", {("tag",): 5, ("qos", "queues", "0"): True}), port("f", {("police", "rate"): 5, ("qos",): None}),
    ]  # fmt: skip
    every = [ComparedBridge(bridge, ports[:3], []), ComparedBridge(bridge, ports[3:], [])]
    assert (getting("qos", every), getting("police", every)) == (["a", "e"], ["f"])


@pytest.mark.parametrize(
    ("settings", "stored"),
    [
        (
            {("qos",): True, ("qos", "type"): "linux-htb", ("qos", "max_rate"): 200_000_000, ("qos", "other_config", "r2q"): "5",
             ("qos", "queues", "0"): True, ("qos", "queues", "0", "min"): 100_000_000, ("qos", "queues", "7"): True,
             ("qos", "queues", "7", "max"): 50_000_000, ("qos", "queues", "7", "burst"): 8000, ("qos", "queues", "7", "priority"): 2,
             ("qos", "queues", "7", "dscp"): 0},
            WantedQos("linux-htb", {"max-rate": "200000000", "r2q": "5"}, {
                0: StoredQueue({"min-rate": "100000000"}, None),
                7: StoredQueue({"max-rate": "50000000", "burst": "8000", "priority": "2"}, 0),
            }),
        ),
        (
            {("qos",): True, ("qos", "type"): "egress-policer", ("qos", "max_rate"): 10_000_000, ("qos", "burst"): 80_000},
            WantedQos("egress-policer", {"cir": "1250000", "cbs": "10000"}, {}),
        ),
        ({("qos",): True, ("qos", "type"): "linux-htb"}, WantedQos("linux-htb", {}, {})),
    ],
    ids=["linux-htb", "egress-policer", "nothing"],
)  # fmt: skip
def test_a_qos_both_ways(settings, stored):
    assert shaping.composed(settings) == stored and shaping.composed_once(shaping.of_port(settings | {("tag",): 5})) == stored
    assert shaping.settings_of(stored) == settings and shaping.unheld(stored, settings) == []


def test_what_is_removed_from_a_qos():
    settings = {("qos",): True, ("qos", "other_config", "r2q"): None, ("qos", "queues", "0"): None, ("qos", "max_rate"): None}
    assert shaping.composed(settings) == WantedQos("linux-htb", {}, {})
    assert shaping.of_port({("qos", "type"): None, ("tag",): 5}) == ()


def test_keys_of_queues_that_their_type_does_not_read():
    """They stay with a queue that stays, unless the type of the QoS changes; a document does not have them."""
    stored = WantedQos("linux-htb", {}, {n: StoredQueue({"min-rate": "8000", "x": "y"} if n else {}, None) for n in range(3)})
    wanted = {("qos",): True, ("qos", "queues", "1"): True, ("qos", "queues", "1", "min"): 9000, ("qos", "queues", "5"): True}
    kept = {1: StoredQueue({"min-rate": "9000", "x": "y"}, None), 5: StoredQueue({}, None)}
    assert shaping.composed(wanted, stored) == WantedQos("linux-htb", {}, kept)
    without = kept | {1: StoredQueue({"min-rate": "9000"}, None)}
    assert shaping.composed(wanted | {("qos", "type"): "linux-hfsc"}, stored) == WantedQos("linux-hfsc", {}, without)
    assert shaping.unheld(stored, shaping.settings_of(stored)) == ["queue 1 has x", "queue 2 has x"]
    split = stored._replace(queues={}, config={"max-rate": "fast"})
    assert [text.partition(" or ")[0] for text in shaping.unheld(split, shaping.settings_of(split))] == [
        "its QoS has values that ovs-vswitchd does not read,"
    ]
