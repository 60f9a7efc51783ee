"""OVSDB's JSON, by RFC 7047, section 5.1."""

import pytest

from ovstool.errors import Unreachable
from ovstool.ovsdb.values import many, mapping, one, same, to_map, to_set, uuid, uuids


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
def test_what_no_server_sends_is_an_unreachable_switch(read, wire):
    with pytest.raises(Unreachable):
        read(wire)


@pytest.mark.parametrize(
    ("value", "other"),
    [
        (["set", [1, 2]], ["set", [2, 1]]), (["set", ["a"]], "a"), (["set", []], None), (5, ["set", [5]]), (["uuid", "u"], ["set", [["uuid", "u"]]]),
        (["map", [["a", "b"], ["c", "d"]]], ["map", [["c", "d"], ["a", "b"]]]), (["map", []], ["map", []]),
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


def test_what_is_written_reads_back():
    assert many(to_set([1, 2])) == [1, 2]
    assert mapping(to_map({"k": "v"})) == {"k": "v"}
    assert one(uuid("u")) == "u"
    assert many(uuids(["u", "v"])) == ["u", "v"]
