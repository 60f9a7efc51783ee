"""The log of a database: its records, those of older versions of Open vSwitch too, and files that are none."""

import hashlib
import json

import pytest

from ovstool.errors import Unreachable
from ovstool.ovsdb import log
from ovstool.ovsdb.inverse import Columns, RowChange

SCHEMA = {
    "name": "Open_vSwitch",
    "tables": {
        "Port": {
            "columns": {
                "name": {"type": "string"},
                "tag": {"type": {"key": "integer", "min": 0}},
                "trunks": {"type": {"key": "integer", "min": 0, "max": 4096}},
                "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
            }
        }
    },
}


def record(text):
    """A record as ovsdb_log_write writes it: the length and the hash are those of the line with its end."""
    body = (text if isinstance(text, str) else json.dumps(text)).encode() + b"\n"
    return b"OVSDB JSON %d %s\n%s" % (len(body), hashlib.sha1(body).hexdigest().encode(), body)


def replayed(*written, is_diff=True):
    replay = log.Replay({"a"})
    replay.columns = Columns(SCHEMA)
    return [change for row in written for change in replay.apply(log.Record(0, "", {"Port": {"a": row, "b": row}}, is_diff))], replay


@pytest.mark.parametrize("size", [1, 7, 100000])
def test_the_records_of_a_file(size):
    data = record(SCHEMA) + record({"_date": 1500, "_comment": "x", "Port": {}}) + record({"_date": 2})
    found = list(log.bodies(data[start : start + size] for start in range(0, len(data), size)))
    assert [json.loads(body) for body in found] == [SCHEMA, {"_date": 1500, "_comment": "x", "Port": {}}, {"_date": 2}]
    assert isinstance(log.parse(found[0]), Columns)
    assert log.parse(found[1]) == log.Record(1.5, "x", {"Port": {}}, False)
    assert log.parse(b'{"Port": {"a": null}, "_is_diff": true}') == log.Record(0, "", {"Port": {"a": None}}, True)
    assert log.parse(b'{"_date": 1000, "tables": {"a": {}}}') == log.Record(1, "", {"tables": {"a": {}}}, False)  # a table of that name


def test_the_end_of_a_file():
    data = record({"_date": 1}) + record({"_date": 2})
    assert list(log.bodies([data[20:]])) == [b'{"_date": 2}']


def test_a_record_that_is_being_written():
    data = record({"_date": 1}) + record({"_date": 2})
    for cut in range(1, len(record({"_date": 2}))):
        assert list(log.bodies([data[:-cut]])) == [b'{"_date": 1}']
    assert list(log.bodies([b"OVSDB JSON 100 x\n{}\n"])) == []  # shorter than announced


@pytest.mark.parametrize("damage", [(b"5}", b"55}"), (b"5}", b"}"), (b'{"_date": 5}\n', b"")])
def test_a_damaged_record_among_others(damage):
    data = record({"_date": 1}) + record({"_date": 5}).replace(*damage) + record({"_date": 3})
    with pytest.raises(Unreachable, match="damaged: a record is not as long as its header says"):
        list(log.bodies([data]))


def test_a_record_that_is_too_long(monkeypatch):
    monkeypatch.setattr(log, "_LONGEST", 2**20)
    assert list(log.bodies([b"x" * 2**20])) == []
    with pytest.raises(Unreachable, match="a record of more than 1 MiB"):
        list(log.bodies([b"x" * (2**20 + 1)]))


@pytest.mark.parametrize(
    "text", ["x", "[]", '"x"', '{"_date": "x"}', '{"_date": 1, "Port": 5}', '{"_date": 1, "Port": {"a": 5}}', "[" * 100000, '{"_date": null}'],
    ids=lambda text: text[:10],
)  # fmt: skip
def test_what_is_no_record(text):
    with pytest.raises(Unreachable, match="not a valid OVSDB record"):
        log.parse(text.encode())


def test_rows_that_come_and_go():
    row = {"name": "p", "tag": 5}
    changes, replay = replayed(row, None, row)
    assert changes == [RowChange("Port", "a", None, row), RowChange("Port", "a", row, None), RowChange("Port", "a", None, row)]
    assert replay.rows == {("Port", "a"): row}


def test_values_that_change():
    changes, replay = replayed({"name": "p"}, {"tag": 5}, {"tag": ["set", []], "name": "q"})
    assert changes[1:] == [
        RowChange("Port", "a", {"tag": ["set", []]}, {"tag": 5}),
        RowChange("Port", "a", {"tag": 5, "name": "p"}, {"tag": ["set", []], "name": "q"}),
    ]
    assert replay.rows["Port", "a"] == {"name": "q", "tag": ["set", []]}


@pytest.mark.parametrize(
    ("old", "diff", "new"),
    [
        (["set", []], 5, ["set", [5]]),
        (5, 5, ["set", []]),
        (5, 6, ["set", [5, 6]]),
        (["set", [5, 6]], ["set", [5, 7]], ["set", [6, 7]]),
    ],
)
def test_the_difference_of_a_set(old, diff, new):
    changes, _ = replayed({"name": "p", "trunks": old}, {"trunks": diff})
    assert changes[-1] == RowChange("Port", "a", {"trunks": old}, {"trunks": new})


def test_the_difference_of_a_map():
    old = ["map", [["gone", "1"], ["kept", "2"], ["changed", "3"]]]
    diff = ["map", [["gone", "1"], ["changed", "4"], ["new", "5"]]]
    changes, _ = replayed({"external_ids": old}, {"external_ids": diff})
    assert changes[-1].after == {"external_ids": ["map", [["kept", "2"], ["changed", "4"], ["new", "5"]]]}


def test_before_open_vswitch_2_17_sets_are_whole():
    changes, _ = replayed({"trunks": ["set", [5, 6]]}, {"trunks": ["set", [6, 7]]}, is_diff=False)
    assert changes[-1] == RowChange("Port", "a", {"trunks": ["set", [5, 6]]}, {"trunks": ["set", [6, 7]]})
