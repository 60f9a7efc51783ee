"""Updates of a monitor: cut anywhere they are the same, and what is none is refused."""

import json

import pytest

from ovstool.errors import Unreachable
from ovstool.monitor.rows import Rows
from ovstool.ovsdb.reply import Broken
from ovstool.ovsdb.updates import UpdateReader, changes

U, V = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
UPDATE = {
    "Port": {U: {"insert": {"name": 'a}}},"b', "tag": 5, "trunks": ["set", [1, 2]]}}, V: {"delete": None}},
    "Bridge": {V: {"modify": {"external_ids": ["map", [["a", "}}}"]]]}}},
}


def read(data: bytes, size: int = 10_000) -> list:
    reader, found = UpdateReader(), []
    reader.tables = {"Port": ["name", "tag", "trunks"], "Bridge": ["name", "external_ids"]}
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
        while (message := reader.take()) is not None:
            found.append(message)
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_updates_may_be_cut_anywhere(size):
    messages = [{"method": "update3", "params": [None, U, UPDATE], "id": None}, {"id": 1, "result": [True, U, UPDATE], "error": None}]
    messages += [{"id": 2, "result": UPDATE, "error": None}, {"id": "echo", "method": "echo", "params": []}]
    data = b"".join(json.dumps(message, separators=(",", ":")).encode() for message in messages)
    assert read(data, size) == messages


@pytest.mark.parametrize(
    "update",
    [
        {"Queue": {}},
        {"Port": []},
        {"Port": {"x": {"insert": {}}}},
        {"Port": {U: {}}},
        {"Port": {U: None}},
        {"Port": {U: {"insert": {"name": "a"}, "delete": None}}},
        {"Port": {U: {"insert": {"mtu": 1}}}},
        {"Port": {U: {"insert": {"name": 5}}}},
        {"Port": {U: {"modify": {"tag": ["set", [1, 2]]}}}},
        {"Port": {U: {"modify": {"trunks": [1]}}}},
        {"Port": {U: {"new": []}}},
    ],
)
def test_what_is_no_update(update):
    with pytest.raises((Unreachable, Broken)):
        read(json.dumps({"method": "update2", "params": [None, update], "id": None}).encode())


def test_too_long_a_list():
    with pytest.raises((Unreachable, Broken)):
        read(json.dumps({"method": "update2", "params": [1, 2, 3, 4, 5, 6], "id": None}).encode())


def test_a_modification_has_members_that_came_and_went():
    before = {"name": "x", "tag": 5, "trunks": frozenset([1, 2]), "external_ids": {"a": "1", "b": "2"}}
    update = {
        "Port": {
            U: {"modify": {"trunks": ["set", [2, 3]], "tag": ["set", []], "external_ids": ["map", [["a", "1"], ["b", "3"], ["c", "4"]]]}}
        }
    }
    found = changes(lambda table, u: before, {"Port": before}, update)
    assert found == {"Port": {U: {"name": "x", "tag": None, "trunks": {1, 3}, "external_ids": {"b": "3", "c": "4"}}}}


def test_a_change_of_no_row():
    with pytest.raises(Unreachable, match="a change of a row that is not there"):
        Rows().changed_by({"Port": {U: {"modify": {"tag": 1}}}})
