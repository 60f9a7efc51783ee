"""What restores rows, and what stands in its way; that ovsdb-server does it is in tests/switch/test_undo.py."""

import pytest

from ovstool.errors import Unreachable
from ovstool.ovsdb import inverse
from ovstool.ovsdb.inverse import Columns, RowChange

ONE, TWO, THREE = (["uuid", f"{number}0000000-0000-0000-0000-000000000000"] for number in (1, 2, 3))
U = ONE[1]
TEXTS = {"key": "string", "value": "string", "min": 0, "max": "unlimited"}
COLUMNS = Columns(
    {
        "tables": {
            "Port": {
                "columns": {
                    "name": {"type": "string"},
                    "tag": {"type": {"key": {"type": "integer"}, "min": 0}},
                    "trunks": {"type": {"key": "integer", "min": 0, "max": 4096}},
                    "interfaces": {"type": {"key": {"type": "uuid"}, "min": 1, "max": "unlimited"}},
                    "external_ids": {"type": TEXTS},
                    "fake_bridge": {"type": "boolean"},
                    "level": {"type": {"key": {"type": "real"}}},
                    "parent": {"type": {"key": {"type": "uuid"}}},
                }
            }
        }
    }
)
WHERE = [["_uuid", "==", ONE]]


def change(before, after):
    return RowChange("Port", U, before, after)


def texts(**pairs):
    return ["map", [[key, value] for key, value in pairs.items()]]


@pytest.mark.parametrize(
    ("column", "default"),
    [("name", ""), ("tag", ["set", []]), ("trunks", ["set", []]), ("external_ids", ["map", []]), ("fake_bridge", False), ("level", 0.0)],
)
def test_the_default_of_a_column(column, default):
    assert COLUMNS.default("Port", column) == default


def test_the_default_of_a_reference_and_of_an_unknown_column():
    assert COLUMNS.default("Port", "parent") == ["uuid", "00000000-0000-0000-0000-000000000000"]
    assert COLUMNS.default("Nothing", "nothing") == ""


def test_a_type_that_no_schema_has():
    with pytest.raises(Unreachable, match="a column of unknown type"):
        Columns({"tables": {"Port": {"columns": {"name": {"type": "text"}}}}}).default("Port", "name")


def test_which_columns_have_members():
    assert [c for c in ("name", "tag", "trunks", "interfaces", "external_ids", "nothing") if COLUMNS.has_members("Port", c)] == [
        "trunks", "interfaces", "external_ids",
    ]  # fmt: skip


def test_an_inserted_row_is_deleted():
    inserted = change(None, {"name": "p"})
    assert inverse.writes([inserted], COLUMNS) == [{"op": "delete", "table": "Port", "where": WHERE}]
    [guard] = inverse.guards([inserted], COLUMNS)
    assert (guard["where"], guard["columns"], guard["rows"], guard["until"], guard["timeout"]) == (
        WHERE,
        ["name"],
        [{"name": "p"}],
        "==",
        0,
    )


def test_a_deleted_row_is_inserted_with_its_uuid():
    deleted = change({"name": "p", "tag": 5}, None)
    assert inverse.writes([deleted], COLUMNS) == [{"op": "insert", "table": "Port", "uuid": U, "row": {"name": "p", "tag": 5}}]
    [guard] = inverse.guards([deleted], COLUMNS)
    assert (guard["where"], guard["columns"], guard["rows"]) == (WHERE, ["_uuid"], [])


def test_a_value_is_written_again():
    updated = change({"tag": 5, "name": "p"}, {"tag": ["set", []], "name": "q"})
    assert inverse.writes([updated], COLUMNS) == [{"op": "update", "table": "Port", "where": WHERE, "row": {"tag": 5, "name": "p"}}]
    held, exists = inverse.guards([updated], COLUMNS)
    assert (held["columns"], held["rows"]) == (["tag", "name"], [{"tag": ["set", []], "name": "q"}])
    assert (exists["where"], exists["rows"]) == (WHERE, [{"_uuid": ONE}])


@pytest.mark.parametrize(
    ("column", "before", "after", "mutations", "guarded"),
    [
        ("trunks", ["set", [5, 6]], ["set", [6, 7]], [["insert", ["set", [5]]], ["delete", ["set", [7]]]], ["set", [7]]),
        ("trunks", ["set", []], 7, [["delete", ["set", [7]]]], ["set", [7]]),
        ("trunks", 7, ["set", []], [["insert", ["set", [7]]]], None),
        ("interfaces", TWO, THREE, [["insert", ["set", [TWO]]], ["delete", ["set", [THREE]]]], ["set", [THREE]]),  # at no time without one
        ("interfaces", TWO, ["set", [TWO, THREE]], [["delete", ["set", [THREE]]]], ["set", [THREE]]),
        ("interfaces", ["set", [TWO, THREE]], TWO, [["insert", ["set", [THREE]]]], None),
        ("external_ids", texts(a="1", b="2"), texts(a="1", b="3", c="4"),
         [["delete", texts(b="3", c="4")], ["insert", texts(b="2")]], texts(b="3", c="4")),
        ("external_ids", texts(a="1"), texts(), [["insert", texts(a="1")]], None),
    ],
)  # fmt: skip
def test_only_the_members_that_changed_are_restored(column, before, after, mutations, guarded):
    changed = change({column: before}, {column: after})
    [write] = inverse.writes([changed], COLUMNS)
    assert write == {"op": "mutate", "table": "Port", "where": WHERE, "mutations": [[column, *mutation] for mutation in mutations]}
    [guard] = inverse.guards([changed], COLUMNS)
    assert guard["where"] == [*WHERE, *([[column, "includes", guarded]] if guarded else [])]


def test_a_value_and_members_of_one_row():
    changed = change({"tag": 5, "trunks": 1}, {"tag": 6, "trunks": 2})
    assert [write["op"] for write in inverse.writes([changed], COLUMNS)] == ["update", "mutate"]
    assert [guard["columns"] for guard in inverse.guards([changed], COLUMNS)] == [["tag"], ["_uuid"]]


@pytest.mark.parametrize(
    ("before", "after", "now", "found"),
    [
        (None, {"name": "p"}, None, ["_uuid"]),
        (None, {"name": "p"}, {"name": "p"}, []),
        (None, {"name": "p"}, {"name": "q"}, ["name"]),
        (None, {"trunks": 1}, {"trunks": ["set", [1, 2]]}, ["trunks"]),  # restoring would delete what others added
        ({"name": "p"}, None, None, []),
        ({"name": "p"}, None, {"name": "p"}, ["_uuid"]),
        ({"tag": 5}, {"tag": 6}, {"tag": 6}, []),
        ({"tag": 5}, {"tag": 6}, {"tag": ["set", [6]]}, []),
        ({"tag": 5}, {"tag": 6}, {"tag": 7}, ["tag"]),
        ({"tag": 5}, {"tag": 6}, None, ["_uuid"]),
        ({"trunks": 1}, {"trunks": 2}, {"trunks": ["set", [2, 3]]}, []),
        ({"trunks": 1}, {"trunks": 2}, {"trunks": 3}, ["trunks"]),
        ({"trunks": 1}, {"trunks": ["set", []]}, {"trunks": 1}, []),
        ({"external_ids": texts(a="1")}, {"external_ids": texts(a="2")}, {"external_ids": texts(a="2", b="3")}, []),
        ({"external_ids": texts(a="1")}, {"external_ids": texts(a="2")}, {"external_ids": texts(a="3")}, ["external_ids:a"]),
        ({"external_ids": texts(a="1")}, {"external_ids": texts()}, {"external_ids": texts(a="9")}, ["external_ids:a"]),
        ({"external_ids": texts(a="1")}, {"external_ids": texts()}, {"external_ids": texts(a="1")}, []),
    ],
)
def test_what_others_have_changed_since(before, after, now, found):
    assert inverse.changed_since(change(before, after), now, COLUMNS) == found


@pytest.mark.parametrize(
    ("before", "after", "now", "restored"),
    [
        (None, {"name": "q"}, None, True),
        (None, {"name": "q"}, {"name": "p"}, False),
        ({"name": "p"}, {"name": "q"}, None, False),
        ({"name": "p"}, {"name": "q"}, {"name": "p"}, True),
        ({"name": "p"}, None, {"name": "p"}, True),
        ({"trunks": ["set", [2, 1]]}, {"trunks": 3}, {"trunks": ["set", [1, 2]]}, True),
        ({"trunks": ["set", [2, 1]]}, None, {"trunks": ["set", [1, 2, 3]]}, False),
        ({"tag": 5}, {"tag": 6}, {"tag": 6}, False),
        ({"tag": ["set", []]}, {"tag": 6}, {"tag": 7}, False),
        ({"trunks": 1}, {"trunks": ["set", [1, 2]]}, {"trunks": ["set", [1, 3]]}, True),
        ({"trunks": 1}, {"trunks": 2}, {"trunks": ["set", [1, 2]]}, False),
        ({"external_ids": texts(a="1")}, {"external_ids": texts(a="2")}, {"external_ids": texts(a="1", b="3")}, True),
        ({"external_ids": texts()}, {"external_ids": texts(a="2")}, {"external_ids": texts(a="3")}, False),
        ({"external_ids": texts(a="1")}, {"external_ids": texts()}, {"external_ids": texts()}, False),
    ],
)
def test_what_is_restored_already(before, after, now, restored):
    assert inverse.is_restored(change(before, after), now, COLUMNS) is restored
