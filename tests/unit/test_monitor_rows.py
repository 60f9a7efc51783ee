"""``monitor`` without a server: the fields of objects by noun, which objects a change concerns, conditions, and lines for people."""

import re
import time

import pytest

from ovstool.commands.monitor import _in_words, _line
from ovstool.errors import Unreachable
from ovstool.monitor import FieldChange, MonitorSpec, _Following, words
from ovstool.monitor import rows as kept
from ovstool.monitor.authors import configured
from ovstool.monitor.objects import NOUNS, Objects
from ovstool.monitor.rows import Rows


def u(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012x}"


def to(*numbers: int) -> list:
    return ["set", [["uuid", u(number)] for number in numbers]]


def pairs(**values: str) -> list:
    return ["map", [[name, value] for name, value in values.items()]]


CELLS = {
    "Open_vSwitch": {1: {"bridges": to(2)}},
    "Bridge": {2: {"name": "br0", "ports": to(3, 4, 5), "controller": to(10, 15), "sflow": to(11), "mirrors": to(12), "fail_mode": "secure"}},
    "Port": {
        3: {"name": "br0", "interfaces": to(6)},
        4: {"name": "eth1", "interfaces": to(7), "tag": 5, "qos": to(13)},
        5: {"name": "bond0", "interfaces": to(8, 9), "bond_mode": "balance-slb"},
    },
    "Interface": {
        6: {"name": "br0", "type": "internal", "ofport": 65534},
        7: {
            "name": "eth1", "ofport": 1, "admin_state": "up", "link_state": "down", "ingress_policing_rate": 1000,
            "ingress_policing_burst": 800, "external_ids": pairs(a="b"),
        },
        8: {"name": "m1", "error": "no such device", "ofport": -1},
        9: {"name": "m2"},
    },
    "Controller": {10: {"target": "tcp:192.0.2.1:6653", "is_connected": True, "role": "master"}, 15: {"target": "ptcp:6653"}},
    "sFlow": {11: {"targets": "192.0.2.2", "agent": "lo", "sampling": 64}},
    "Mirror": {12: {"name": "m0", "select_src_port": to(4), "output_port": to(5)}},
    "QoS": {13: {"type": "linux-htb", "other_config": pairs(**{"max-rate": "8000000"}), "queues": ["map", [[1, ["uuid", u(14)]]]]}},
    "Queue": {14: {"other_config": pairs(**{"min-rate": "1000000"})}},
}  # fmt: skip
WHOLE = {table: {u(number): {"insert": row} for number, row in of.items()} for table, of in CELLS.items()}
FIELDS = {
    "port": {
        "br0": {"bridge": "br0", "ofport": 65534},
        "eth1": {"bridge": "br0", "tag": 5, "external_ids.a": "b", "ofport": 1, "admin_state": "up", "link_state": "down"},
        "bond0": {"bridge": "br0", "bond.interfaces": ["m1", "m2"], "bond.mode": "balance-slb"},
        "m1": {"error": "no such device"},
    },
    "qos": {"eth1": {"qos.type": "linux-htb", "qos.max_rate": 8_000_000, "qos.queues.1": True, "qos.queues.1.min": 1_000_000}},
    "police": {"eth1": {"police.rate": 1_000_000, "police.burst": 800_000}},
    "bridge": {
        "br0": {
            "bridge": "br0", "fail_mode": "secure",
            "mirrors.m0": True, "mirrors.m0.select_src_ports": ["eth1"], "mirrors.m0.output_port": "bond0",
        },
    },
    "controller": {
        "br0": {
            "controllers": ["ptcp:6653", "tcp:192.0.2.1:6653"],
            "controllers.tcp:192.0.2.1:6653.is_connected": True, "controllers.tcp:192.0.2.1:6653.role": "master",
        },
    },
    "sflow": {"br0": {"sflow.collectors": ["192.0.2.2:6343"], "sflow.agent": "lo", "sflow.sampling": 64}},
}  # fmt: skip


@pytest.fixture
def rows() -> Rows:
    found = Rows()
    found.apply(found.changed_to(WHOLE))
    return found


def fields_of(rows: Rows, nouns) -> dict:
    objects, found = Objects(rows, nouns), {}
    for place in objects.all():
        found.setdefault(objects.name(place), {}).update(objects.fields(place))
    return {name: fields for name, fields in found.items() if fields}


def concerned(rows: Rows, update: dict) -> set[str]:
    """The objects that a change concerns, by table and name."""
    objects, changes = Objects(rows, NOUNS), rows.changed_by(update)
    return {f"{place[0]} {name}" for place in rows.concerned(changes) if (name := objects.name(place))}


@pytest.mark.parametrize("noun", NOUNS)
def test_the_fields_of_a_noun(rows, noun):
    assert fields_of(rows, [noun]) == FIELDS[noun]


def test_the_fields_of_all_nouns(rows):
    found = fields_of(rows, NOUNS)
    assert found.keys() == {"br0", "eth1", "bond0", "m1"}
    assert all(found[name] == {k: v for noun in NOUNS for k, v in FIELDS[noun].get(name, {}).items()} for name in found)


def test_what_is_not_on_a_bridge_has_no_fields(rows):
    """ovs-vswitchd does not have it either; a server may refer to rows that it does not send."""
    rows.apply(rows.changed_by({"Bridge": {u(2): {"modify": {"ports": to(4, 20)}}}}))
    assert fields_of(rows, NOUNS).keys() == {"br0", "bond0", "m1"}
    rows.apply(rows.changed_by({"Open_vSwitch": {u(1): {"modify": {"bridges": to(2, 21)}}}}))
    assert fields_of(rows, NOUNS) == {} and rows.bridge_of("Port", u(20)) is rows.bridge_of("Bridge", u(21)) is None


@pytest.mark.parametrize(
    ("table", "number", "names"),
    [
        ("Open_vSwitch", 1, set()),
        ("Bridge", 2, {"Bridge br0"}),
        ("Port", 4, {"Port eth1"}),
        ("Interface", 8, {"Interface m1"}),
        ("QoS", 13, {"Port eth1"}),
        ("Queue", 14, {"Port eth1"}),
        ("Controller", 10, {"Bridge br0"}),
        ("sFlow", 11, {"Bridge br0"}),
        ("Mirror", 12, {"Bridge br0"}),
    ],
)
def test_a_changed_row_concerns_what_shows_it(rows, table, number, names):
    assert concerned(rows, {table: {u(number): {"modify": {}}}}) == names


@pytest.mark.parametrize(
    ("update", "names"),
    [
        ({"Port": {u(5): {"modify": {"interfaces": to(9)}}}}, {"Port bond0", "Interface m2"}),
        ({"Bridge": {u(2): {"modify": {"ports": to(5)}}}}, {"Bridge br0", "Port bond0", "Interface m1", "Interface m2"}),
        ({"Port": {u(4): {"delete": None}}}, {"Port eth1", "Interface eth1"}),
        (
            {"Open_vSwitch": {u(1): {"modify": {"bridges": to(2)}}}},
            {f"{table} {row['name']}" for table in ("Bridge", "Port", "Interface") for row in CELLS[table].values()},
        ),
    ],
)
def test_what_comes_or_goes_concerns_all_below_it(rows, update, names):
    assert concerned(rows, update) == names


def test_a_row_that_refers_to_others_no_longer(rows):
    rows.apply(rows.changed_by({"Port": {u(4): {"modify": {"qos": ["set", []]}}}}))
    assert concerned(rows, {"QoS": {u(13): {"modify": {}}}}) == set()
    rows.apply(rows.changed_by({"Port": {u(3): {"modify": {"qos": to(13)}}}}))
    assert concerned(rows, {"Queue": {u(14): {"modify": {}}}}) == {"Port br0"}


def test_all_rows_again_are_compared_with_those_before(rows):
    assert not any(rows.changed_to(WHOLE).values())
    fewer = {**WHOLE, "Queue": {}, "Mirror": {u(12): {"insert": {"name": "m0"}}}}
    found = {table: of for table, of in rows.changed_to(fewer).items() if of}
    assert found.keys() == {"Queue", "Mirror"} and found["Queue"] == {u(14): None} and not found["Mirror"][u(12)]["output_port"]


def test_more_rows_than_any_switch_has(rows, monkeypatch):
    monkeypatch.setattr(kept, "_MOST_ROWS", 15)
    rows.apply({})
    with pytest.raises(Unreachable, match="has more than 15 rows"):
        rows.apply(rows.changed_by({"Queue": {u(20): {"insert": {}}}}))


@pytest.mark.parametrize(
    ("update", "cells"),
    [
        ({"Port": {u(4): {"modify": {"tag": 6}}}}, {("Port", 4, "tag")}),
        ({"Port": {u(4): {"modify": {"tag": ["set", []]}}}}, {("Port", 4, "tag")}),
        ({"Port": {u(4): {"delete": None}}}, {("Port", 4, "")}),
        ({"Port": {u(20): {"insert": {"name": "p", "interfaces": to(7)}}}}, {("Port", 20, "name"), ("Port", 20, "interfaces")}),
        ({"Interface": {u(7): {"modify": {"admin_state": "down", "link_state": "up", "ofport": 2, "error": "x"}}}}, set()),
        ({"Interface": {u(7): {"modify": {"link_state": "up", "type": "tap"}}}}, {("Interface", 7, "type")}),
        ({"Controller": {u(10): {"modify": {"is_connected": False, "role": "slave"}}}}, set()),
    ],
)
def test_the_cells_of_the_configuration(rows, update, cells):
    """Who changed what ovs-vswitchd reports is not looked up."""
    assert configured(rows, rows.changed_by(update)) == {(table, u(number), column) for table, number, column in cells}


# --- changes of fields, and the condition that is waited for


def following(until: str | None = None, nouns=NOUNS) -> _Following:
    """With all rows of the switch taken."""
    found = _Following(MonitorSpec(nouns, words.condition(until, nouns) if until else None, 1.5))
    assert found.take(WHOLE, True) == ([], set())
    return found


def changed(found: list) -> list[tuple]:
    assert all(change.who is None and abs(change.time - time.time()) < 60 for change in found)
    return [(change.object, change.field, change.before, change.after) for change in found]


def test_fields_that_change():
    followed = following()
    update = {"Port": {u(4): {"modify": {"tag": 6}}}, "Interface": {u(7): {"modify": {"link_state": "up"}}}}
    changes, cells = followed.take(update, False)
    assert changed(changes) == [("eth1", "tag", 5, 6), ("eth1", "link_state", "down", "up")] and cells == {("Port", u(4), "tag")}
    assert followed.take(update, False) == ([], set())
    changes, _ = followed.take({"Bridge": {u(2): {"modify": {"ports": to(4)}}}, "Port": {u(4): {"delete": None}}}, False)
    assert changed(changes)[:2] == [("br0", "mirrors.m0.select_src_ports", ["eth1"], None), ("eth1", "bridge", "br0", None)]
    assert ("eth1", "police.rate", 1_000_000, None) in changed(changes)


def test_all_rows_again_tell_only_the_difference():
    followed = following()
    other = {**WHOLE, "sFlow": {u(11): {"insert": {**CELLS["sFlow"][11], "sampling": 128}}}}
    changes, cells = followed.take(other, True)
    assert changed(changes) == [("br0", "sflow.sampling", 64, 128)] and cells == set()  # nor whose change it was is known


def test_what_of_a_change_is_of_a_noun():
    changes, _ = following(nouns=["police"]).take(
        {"Interface": {u(7): {"modify": {"ingress_policing_rate": 0, "mtu_request": 9000}}}}, False
    )
    assert changed(changes) == [("eth1", "police.rate", 1_000_000, None), ("eth1", "police.burst", 800_000, None)]


def test_a_secret_that_changes():
    changes, _ = following().take({"Interface": {u(7): {"modify": {"options": pairs(psk="swordfish", remote_ip="192.0.2.1")}}}}, False)
    assert changed(changes) == [("eth1", "options.psk", None, "***"), ("eth1", "options.remote_ip", None, "192.0.2.1")]


@pytest.mark.parametrize(
    ("until", "update", "advice", "why"),
    [
        ("eth1 link_state=down", None, "", ""),
        ("m1 error", None, "", ""),
        ("eth2 bridge=null", None, "", ""),
        ("tag=5", None, "", ""),
        ("tag=6", {"Port": {u(5): {"modify": {"tag": 6}}}}, "", "tag=6 did not hold within 1.5 s"),
        ("eth1 tag=6", {"Port": {u(4): {"modify": {"tag": 6}}}}, "", '"eth1 tag=6" did not hold within 1.5 s: tag is 5'),
        ("eth1 mtu=9000", {"Interface": {u(7): {"modify": {"mtu_request": 9000}}}}, "", '"eth1 mtu=9000" did not hold within 1.5 s: mtu is null'),
        (
            "eth3 tag=7",
            {"Port": {u(20): {"insert": {"name": "eth3", "tag": 7}}}, "Bridge": {u(2): {"modify": {"ports": to(20)}}}},
            "eth3: no such bridge or port yet; waiting for it, and not for eth1",
            '"eth3 tag=7" did not hold within 1.5 s: there is no eth3',
        ),
        (
            "zzzzzzzz bridge",
            {"Port": {u(20): {"insert": {"name": "zzzzzzzz"}}, u(3): {"modify": {}}}, "Bridge": {u(2): {"modify": {"ports": to(20)}}}},
            "zzzzzzzz: no such bridge or port yet; waiting for it",
            '"zzzzzzzz bridge" did not hold within 1.5 s: there is no zzzzzzzz',
        ),
        ("eth1 bridge=null", {"Bridge": {u(2): {"modify": {"ports": to(4)}}}}, "", '"eth1 bridge=null" did not hold within 1.5 s: bridge is br0'),
        (
            "is_connected=false",
            {"Controller": {u(10): {"modify": {"is_connected": False}}}},
            "",
            "is_connected=false did not hold within 1.5 s",
        ),
    ],
)  # fmt: skip
def test_a_condition(until, update, advice, why):
    """It may hold at once; else a note says what may be a slip of the pen, once, and an error in the end why it did not hold."""
    followed = following(until)
    assert followed.is_over is (update is None)
    assert followed.advice() == ([advice] if advice else []) and followed.advice() == []
    if update:
        assert followed.why_not() == why
        followed.take({"Queue": {u(14): {"modify": {"dscp": 5}}}}, False)
        assert not followed.is_over
        followed.take(update, False)
        assert followed.is_over


def test_a_condition_that_no_longer_holds_has_held():
    followed = following("eth1 tag=5")
    followed.take({"Port": {u(4): {"modify": {"tag": 6}}}}, False)
    assert followed.is_over


# --- as people read them


@pytest.mark.parametrize(
    ("field", "before", "after", "line"),
    [
        ("link_state", "up", "down", "eth1: link_state up -> down"),
        ("tag", None, 7, "eth1: + tag 7"),
        ("trunks", [1, 2], None, "eth1: - trunks 1,2"),
        ("error", None, "no such device", "eth1: + error no such device"),
        ("qos.max_rate", 10_000_000, 2_500_000, "eth1: qos.max_rate 10 Mbit/s -> 2.5 Mbit/s"),
        ("qos.queues.1.min", None, 1_000_000, "eth1: + qos.queues.1.min 1 Mbit/s"),
        ("qos.queues.1.max", 1_000_000, None, "eth1: - qos.queues.1.max 1 Mbit/s"),
        ("external_ids.a\nb", "c", "d\x1b", "eth1: external_ids.a\\nb c -> d\\x1b"),
    ],
)
def test_a_line(field, before, after, line):
    change = FieldChange(1e9, "eth1", field, before, after)
    written = [
        _line(_in_words(change._replace(who=who)), host, None, lambda sign, text: text) for who, host in ((None, None), ("a\nb", "h1"))
    ]
    moment = written[0].partition(" ")[0]
    assert written == [f"{moment} {line}", f"{moment} h1 {line}  (a\\nb)"]
    assert re.fullmatch("[0-9:.]+", moment)


def test_colours_of_a_line():
    def line(field: str, before: object, after: object) -> str:
        change = _in_words(FieldChange(1e9, "p", field, before, after))
        return _line(change, None, lambda name, text: f"<{name} {text}>", lambda sign, text: f"[{sign}{text}]").partition(": ")[2]

    assert line("tag", None, 7) == "[++ tag 7]" and line("tag", 7, None) == "[-- tag 7]"
    assert line("error", None, "x") == "+ error <error x>" and line("link_state", "up", "down") == "link_state up -> <link_state down>"
