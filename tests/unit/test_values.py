"""Values in OVSDB's JSON (RFC 7047, section 5.1)."""

import pytest

from ovstool.errors import Unreachable
from ovstool.ovsdb.values import many, mapping, ofport, one, same, to_map, to_set, uuid, uuids, without


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ("a", "a"), (1, 1), (1.5, 1.5), (True, True), (False, False), (0, 0), ("", ""), (None, None),
        (["set", []], None), (["set", ["a"]], "a"), (["uuid", "u"], "u"), (["set", [["uuid", "u"]]], "u"), (["named-uuid", "n"], "n"),
    ],
)  # fmt: skip
def test_one(wire, value):
    assert one(wire) == value


@pytest.mark.parametrize(
    ("wire", "values"),
    [("a", ["a"]), (None, []), (["set", []], []), (["set", [2, 1]], [2, 1]), (["uuid", "u"], ["u"]), (["set", [["uuid", "u"]]], ["u"])],
)
def test_many(wire, values):
    assert many(wire) == values


@pytest.mark.parametrize(
    ("wire", "value"), [(["map", []], {}), (None, {}), (["map", [["k", "v"]]], {"k": "v"}), (["map", [[0, ["uuid", "u"]]]], {0: "u"})]
)
def test_mapping(wire, value):
    assert mapping(wire) == value


@pytest.mark.parametrize(
    ("read", "wire"),
    [
        (one, ["set", [1, 2]]), (one, ["set", 1]), (one, ["map", []]), (one, []), (one, {}), (one, ["set", [None]]), (one, ["set", [["set", []]]]),
        (one, ["uuid", 5]), (one, ["uuid"]), (one, {"uuid": "u"}), (many, ["set"]), (many, {}), (many, ["set", [{}]]), (many, ["set", {}]),
        (mapping, "a"), (mapping, ["set", []]), (mapping, ["map"]), (mapping, ["map", [1]]), (mapping, ["map", [[1]]]),
        (mapping, ["map", [[1, 2, 3]]]), (mapping, ["map", {}]), (mapping, ["map", [[[], 1]]]),
        (mapping, ["map", [[{}, 1]]]),
    ],
)  # fmt: skip
def test_invalid_values_are_an_unreachable_switch(read, wire):
    with pytest.raises(Unreachable):
        read(wire)


@pytest.mark.parametrize(
    ("value", "other"),
    [
        (["set", [1, 2]], ["set", [2, 1]]), (["set", ["a"]], "a"), (["set", []], None), (5, ["set", [5]]), (["uuid", "u"], ["set", [["uuid", "u"]]]),
        (["map", [["a", "b"], ["c", "d"]]], ["map", [["c", "d"], ["a", "b"]]]), (["map", []], ["map", []]),
        (["set", [1, "a"]], ["set", ["a", 1]]),
    ],
)  # fmt: skip
def test_the_same(value, other):
    assert same(value, other) and same(other, value)


@pytest.mark.parametrize(
    ("value", "other"),
    [
        (["set", [1, 2]], ["set", [1]]), (["set", []], ""), ("a", "b"), (1, 2), (["map", [["a", "b"]]], ["map", [["a", "c"]]]),
        (["map", [["a", "b"]]], ["map", []]), (["map", [["a", "b"]]], ["map", [["b", "a"]]]),
    ],
)  # fmt: skip
def test_not_the_same(value, other):
    assert not same(value, other) and not same(other, value)


def test_written_values_read_back():
    assert many(to_set([1, 2])) == [1, 2]
    assert mapping(to_map({"k": "v"})) == {"k": "v"}
    assert one(uuid("u")) == "u"
    assert many(uuids(["u", "v"])) == ["u", "v"]


@pytest.mark.parametrize(
    ("wire", "number"),
    [(1, 1), (65534, 65534), (0, None), (-1, None), (["set", []], None), (["set", [5]], 5), (None, None), ("5", None), (1.5, None)],
)
def test_the_number_of_a_port(wire, number):
    assert ofport(wire) == number


def test_removing_keys_of_a_map():
    pairs = {"a": "1", "b": "2"}
    assert without(pairs, "options", []) == without(pairs, "options", [("status", "a"), ("status", None)]) == pairs
    assert without(pairs, "options", [("options", "a"), ("options", "nosuch")]) == {"b": "2"}
    assert without(pairs, "options", [("options", None)]) == {}


@pytest.mark.parametrize(
    ("read", "wire", "why"),
    [
        (one, {"uuid": "u"}, "an object instead of an atom"),
        (one, ["set", [1, 2]], "several values where at most one is allowed"),
        (many, ["set", [{}]], "a value that should be an atom"),
        (mapping, "a", "a value that should be a map"),
        (mapping, ["map", {}], "a value that should be a map"),
        (mapping, ["map", [[1]]], "a map that is not a list of pairs"),
    ],
)
def test_errors_about_values(read, wire, why):
    with pytest.raises(Unreachable) as unreachable:
        read(wire)
    assert str(unreachable.value) == f"the database: not a valid OVSDB reply: {why}"
