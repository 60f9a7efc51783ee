"""The values that a column may hold, and the characters that a reply may have."""

import json
import math
from pathlib import Path
from uuid import UUID

import pytest

from ovstool.errors import Unreachable
from ovstool.ovsdb import columns, schema
from ovstool.ovsdb.columns import KINDS
from ovstool.ovsdb.reply import Broken, ReplyReader
from ovstool.sandbox import daemons

U1, U2 = ["uuid", str(UUID(int=1))], ["uuid", str(UUID(int=2))]


def said(call, *words) -> str:
    with pytest.raises(Unreachable) as failure:
        call(*words)
    return str(failure.value).removeprefix("the database: not a valid OVSDB reply: ")


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ("name", ["", "x"], [None, 1, True, [], ["set", ["x"]], ["set", []], {}]),
        ("next_cfg", [0, -(2**63), 2**63 - 1], [-(2**63) - 1, 2**63, 1.0, True, "1", ["set", [1]]]),
        ("is_connected", [True, False], [0, 1, "true", None, ["set", []]]),
        ("_uuid", [U1], ["x", ["uuid"], ["uuid", 1], ["named-uuid", "x"], ["uuid", "x", "y"], [U1], ["set", [U1]]]),
        ("tag", [5, ["set", []], ["set", [5]]], ["5", ["set", [1, 2]], ["set", ["x"]], ["set", 5], ["set"], ["map", []], ["set", [5], 5], None, {}]),
        ("qos", [U1, ["set", []], ["set", [U1]]], ["x", ["set", [U1, U2]], ["set", ["x"]], ["set", [["named-uuid", "x"]]]]),
        ("trunks", [5, ["set", []], ["set", [1, 2, 3]]], [None, ["set", [1, "2"]], ["set", [2**63]], ["x", [1]], ["set", {}]]),
        ("ports", [U1, ["set", []], ["set", [U1, U2]]], [["set", [U1, "x"]], 7, ["uuid", 7]]),
        ("options", [["map", []], ["map", [["a", "b"], ["c", "d"]]]], [["map", [["a", 1]]], ["map", [[1, "a"]]], ["map", [["a"]]], ["map", ["ab"]], ["map"],
                     ["map", {}], ["set", []], [], {}, None, "x", ["map", [["a", "b", "c"]]]]),
        ("statistics", [["map", [["a", 2**63 - 1], ["b", -(2**63)]]]], [["map", [["a", 2**63]]], ["map", [["a", 1.5]]], ["map", [["a", True]]], ["map", [[1, "a"]]]]),
        ("queues", [["map", [[0, U1], [1, U2]]]], [["map", [["0", U1]]], ["map", [[0, "x"]]], ["map", [[0, ["named-uuid", "x"]]]], ["map", [[U1, 0]]]]),
    ],
)  # fmt: skip
def test_what_a_column_holds(column, good, bad):
    """Each value alone, and at each place among valid ones."""
    for value in good:
        columns.check("Port", [column], [{column: value}], None)
    columns.check("Port", [column], [{column: value} for value in good], None)
    for value in bad:
        for values in ([value], [value, *good], [*good, value]):
            assert said(columns.check, "Port", [column], [{column: each} for each in values], None) == f"Port.{column} has an invalid value"


def test_every_column_is_one_of_open_vswitch():
    tables = json.loads(Path(daemons.schema()).read_text())["tables"]
    theirs = {column for table in tables.values() for column in table["columns"]}
    later = {"ingress_policing_kpkts_rate", "ingress_policing_kpkts_burst"}  # columns that 2.13 lacks
    of_every_table = {"_uuid", "_version"}
    assert of_every_table <= KINDS.keys() - theirs <= of_every_table | later and later <= KINDS.keys()


def test_rows_have_the_columns_that_were_asked_for():
    asked, right = ["name", "tag"], {"name": "p", "tag": 5}
    columns.check("Port", asked, [right, {"tag": 5, "name": "q"}], None)
    for row in ({"name": "p"}, right | {"qos": U1}, {"name": "p", "qos": U1}, {}, [], None, "name"):
        for rows in ([row], [right, row], [row, right]):
            assert said(columns.check, "Port", asked, rows, None) == "a row without the requested columns"


def test_a_row_comes_once():
    seen: set[str] = set()
    columns.check("Port", ["_uuid", "name"], [{"_uuid": U1, "name": "p"}], seen)
    assert seen == {U1[1]}
    assert said(columns.check, "Port", ["_uuid"], [{"_uuid": U2}, {"_uuid": U1}], seen) == "a duplicate row"
    assert said(columns.check, "Port", ["_uuid"], [{"_uuid": U2}, {"_uuid": U2}], set()) == "a duplicate row"
    columns.check("Port", ["_uuid"], [{"_uuid": U2}, {"_uuid": U2}], None)
    columns.check("Port", ["name"], [{"name": "p"}, {"name": "p"}], set())


def test_the_column_of_that_name_in_another_table():
    columns.check("Controller", ["type"], [{"type": ["set", []]}, {"type": "primary"}], None)
    assert said(columns.check, "Interface", ["type"], [{"type": ["set", []]}], None) == "Interface.type has an invalid value"


def test_all_columns_of_the_schema():
    """Those that ovstool itself never reads are checked against the schema of the server; no known one contradicts it."""
    of_ours = schema.persistent(json.loads(Path(daemons.schema()).read_text()))
    for table, kinds in of_ours.items():
        for column, kind in kinds.items():
            columns.check(table, [column], [{column: kind.default}], None, of_ours)
            wrong = {} if kind.value else ["map", []]
            assert said(columns.check, table, [column], [{column: wrong}], None, of_ours) == f"{table}.{column} has an invalid value"


def test_what_a_column_of_a_new_row_holds():
    found = {column: KINDS[column].default for column in ("name", "next_cfg", "stp_enable", "bridge", "tag", "ports", "options", "queues")}
    assert found == {
        "name": "", "next_cfg": 0, "stp_enable": False, "bridge": ["uuid", str(UUID(int=0))], "tag": ["set", []], "ports": ["set", []],
        "options": ["map", []], "queues": ["map", []],
    }  # fmt: skip
    assert [KINDS[column][1:3] for column in ("name", "tag", "ports", "options")] == [(1, 1), (0, 1), (0, math.inf), (0, math.inf)]


def test_rows_that_leave_out_what_is_usual():
    def filled_in(rows, name="Interface", asked=("name", "tag", "type")):
        table = columns.Table(name, [], {column: [] for column in asked})
        table.extend(rows)
        return table.rows()

    assert filled_in({U1[1]: {"name": "p"}, U2[1]: {"tag": 5, "type": "x"}}) == {
        U1[1]: {"name": "p", "tag": ["set", []], "type": ""}, U2[1]: {"name": "", "tag": 5, "type": "x"},
    }  # fmt: skip
    assert filled_in({U1[1]: {}}, "Controller", ["type"])[U1[1]] == {"type": ["set", []]}
    for wrong in (
        {"x": {}},
        {U1[1].upper().replace("0", "A"): {}},
        {U1[1] + "0": {}},
        {U1[1].replace("-", "", 1): {}},
        {U1[1]: {}, f"{U1[1]}\n{U2[1]}": {}},
        {U1[1]: []},
        {U1[1]: {}, U2[1]: None},
        {U1[1]: {}, "": {}},
    ):
        assert said(filled_in, wrong) == "a row without a UUID or columns"
    assert said(filled_in, {U1[1]: {}, U2[1]: {"qos": U1}}) == "a row without the requested columns"
    assert said(filled_in, {U1[1]: {"tag": 1}, U2[1]: {"tag": "x"}}) == "Interface.tag has an invalid value"


def test_columns_as_values():
    table = columns.Table("Port", [U1[1], U2[1], "3"], {"tag": [5, ["set", []], ["set", [6]]], "qos": [U1, ["set", [U2]], None]})
    table.columns.update(
        trunks=[5, ["set", []], ["set", [6, 7]]], options=[["map", []], ["map", [["a", "b"]]], None], name=["p", "q", None]
    )
    table.extend({str(UUID(int=4)): {"name": "r"}})
    assert {column: table.values(column) for column in table.columns} == {
        "tag": [5, None, 6, None], "qos": [U1[1], U2[1], None, None], "trunks": [[5], [], [6, 7], []],
        "options": [{}, {"a": "b"}, {}, {}], "name": ["p", "q", None, "r"],
    }  # fmt: skip
    assert table.without({U1[1], "3"}).rows().keys() == {U2[1], str(UUID(int=4))} and table.without({U1[1], "3"}).values("name") == [
        "q",
        "r",
    ]


# --- replies


def read(*chunks: str | bytes, operations=(), tables=None) -> list:
    """All messages in these chunks."""
    reader = ReplyReader()
    reader.operations, reader.tables = operations, tables or {}
    found = []
    for chunk in chunks:
        reader.feed(chunk if isinstance(chunk, bytes) else chunk.encode())
        while (message := reader.take()) is not None:
            found.append(message)
            assert reader.fed == 0
    return found


SELECT = {"op": "select", "table": "Port", "where": [], "columns": ["name"]}
WAYS = [{"separators": (",", ":")}, {"separators": (", ", ": ")}]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "JSON that is not JSON-RPC"), ('"x"', "JSON that is not JSON-RPC"), ("-1", "JSON that is not JSON-RPC"), ("0", "JSON that is not JSON-RPC"), ("9", "JSON that is not JSON-RPC"), ("x", "data that is not JSON"), ("null", "data that is not JSON"),
        (b"\xff", "data that is not UTF-8"), ('{"id":1]', "data that is not JSON"), ('{"id" 1}', "data that is not JSON"), ("{1:2}", "data that is not JSON"), ('{"id":1,,}' + " " * 20, "data that is not JSON"), ("{,}" + " " * 20, "data that is not JSON"),
        ('{"id":tru_             ', "data that is not JSON"), ('{"id":' + "9" * 5000 + "}", "JSON that is too large or nested too deeply"), ('{"id":' + "[" * 5000 + "]" * 5000 + "}", "JSON that is too large or nested too deeply"),
    ],
)  # fmt: skip
def test_invalid_messages(text, why):
    with pytest.raises(Broken) as broken:
        read(text)
    assert str(broken.value) == why


def test_a_message_that_is_cut_is_waited_for():
    text = '{"id":1,"error":null,"result":["a\\u00e4\\n",1.5e3,true,{"a":[]}],"more":[1]}{"id":2}'
    assert read('{"id":tru_' + " " * 12) == []  # near its end, an incomplete value may look invalid
    whole = [{"id": 1, "error": None, "result": ["aä\n", 1500.0, True, {"a": []}]}, {"id": 2}]
    assert read(*text, "\n") == read(text, " ") == whole
    for cut in range(len(text)):
        assert read(text[:cut], text[cut:], "\n") == whole


def test_how_large_a_value_may_be():
    def value(text: str) -> list:
        return read('{"id":1,"method":' + text, "}\n")

    assert len(value('"' + "x" * (8 * 2**20) + '"')[0]["method"]) == 8 * 2**20
    for text in ('"' + "x" * (17 * 2**20), '"' + "中" * (9 * 2**20), "[" * 2**20 + "]", "[" + "{}," * 2**19, "[" + "1," * 2**19):
        with pytest.raises(Broken, match="JSON that is too large or nested too deeply"):
            value(text)
    few = ["x" * 100] * 12_000
    assert value(json.dumps(few))[0]["method"] == few


def test_how_many_values_a_value_may_have():
    """A brace counts as four values; counting starts in replies of more than a million characters."""

    def begins(text: str) -> None:
        assert read('{"id":1,"method":[' + text) == []

    begins('"x",' * 399_994)
    begins("1," * 450_000 + " " * (2**20 - 18 - 900_000))
    for text in ('"x",' * 399_995, "1," * 450_000 + " " * (2**20 - 17 - 900_000), " " * 2**20 + '{"' * 100_000):
        with pytest.raises(Broken, match="JSON that is too large or nested too deeply"):
            begins(text)


@pytest.mark.parametrize("how", WAYS)
def test_what_an_operation_may_answer(how):
    def answer(*results, operations=(SELECT, SELECT)) -> list:
        return read(json.dumps({"id": 1, "result": list(results)}, **how) + "\n", operations=operations)[0]["result"]

    p, q = {"name": "p"}, {"name": "q"}
    assert answer({"rows": [p, q]}, {"rows": []}) == [{"rows": [p, q]}, {"rows": []}]
    assert answer({"rows": [p]}, {"rows": [q]}, {}) == [{"rows": [p]}, {"rows": [q]}, {}]
    assert answer({"error": "e", "details": "d"}, None) == [{"error": "e", "details": "d"}, None]
    assert answer({"count": 1}, {}, operations=[{"op": "mutate"}] * 2)[1] == {}
    assert answer(7, "x") == [7, "x"]
    for results in (
        [{"rows": [p]}, {"rows": [{}]}],
        [{"rows": [{"nosuch": 1}]}, {}],
        [{"rows": [p, {"name": 1}]}, {}],
        [{"rows": [p]}, {"rows": [p, 7]}],
    ):
        assert said(answer, *results) in ("a row without the requested columns", "Port.name has an invalid value")
    for where, column in (([["name", "==", "p"]], "name"), ([["_uuid", "==", U1]], "_uuid")):
        one = SELECT | {"where": [["tag", "==", 1], *where]}
        assert answer({"rows": [p]}, {"rows": [q]}, operations=[one, one]) == [{"rows": [p]}, {"rows": [q]}]
        assert (
            said(lambda one=one: answer({"rows": [p, q]}, {}, operations=[one, SELECT])) == "several rows where at most one is possible"
        ), column
    assert answer({"rows": [p, q]}, {"rows": []}, operations=[SELECT | {"where": [["tag", "==", 1]]}, SELECT])[0] == {"rows": [p, q]}
    by_uuid = SELECT | {"columns": ["_uuid"]}
    twice = {"rows": [{"_uuid": U1}, {"_uuid": U1}]}
    assert said(lambda: answer(twice, {}, operations=[by_uuid, SELECT])) == "a duplicate row"
    assert answer({"rows": [{"_uuid": U1}]}, {"rows": [{"_uuid": U1}]}, operations=[by_uuid, by_uuid])[1] == {"rows": [{"_uuid": U1}]}


@pytest.mark.parametrize("how", WAYS)
def test_what_whole_tables_may_answer(how):
    def answer(result) -> dict:
        return read(json.dumps({"id": 1, "result": result}, **how), "\n", tables={"Port": ("name", "tag")})[0]["result"]

    def rows(result) -> dict:
        return columns.by_row(answer(result))

    row = {"initial": {"name": "p"}}
    filled = {"name": "p", "tag": ["set", []]}
    assert rows({"Port": {U1[1]: row, U2[1]: row}}) == {"Port": {U1[1]: filled, U2[1]: filled}}
    assert rows({"Port": {}}) == {"Port": {}} and answer({}) == {} and answer([1]) == [1] and answer(None) is None
    for wrong, why in (
        ({"QoS": {}}, "a table that was not requested"), ({"Port": []}, "a table that was not requested"),
        ({"Port": {U1[1]: {"initial": {}, "old": {}}}}, "a row update other than the initial one"), ({"Port": {U1[1]: 7}}, "a row update other than the initial one"),
        ({"Port": {"u": {"initial": {}}}}, "a row without a UUID or columns"), ({"Port": {U1[1]: {"initial": {"tag": "x"}}}}, "Port.tag has an invalid value"),
    ):  # fmt: skip
        assert said(answer, wrong) == why


def test_a_row_of_a_table_comes_once_in_all():
    rows = [f'"{U1[1]}" : {{"initial":{{}}}}', f'"{U2[1]}" : {{"initial":{{}}}}', f'"{U1[1]}" : {{"initial":{{}}}}']

    def told() -> list:
        return read('{"id":1,"result":{"Port":{', *(row + "," for row in rows), "}}}", tables={"Port": ("name",)})

    assert said(told) == "a duplicate row"


def test_rows_after_a_result_of_another_kind_are_checked_against_the_request():
    reader = ReplyReader()
    select = {"op": "select", "table": "Port", "where": [], "columns": ["name"]}
    reader.operations = [{"op": "insert", "table": "Port", "row": {}}, select, {"op": "select", "table": "Port", "where": []}, select]
    answers = '{"uuid":["uuid","550e8400-e29b-41d4-a716-446655440000"]},{"rows":[{"name":%s}]},{"rows":[{"odd":1}]},{"rows":[{"name":"q"}]}'
    message = '{"id":1,"error":null,"result":[%s]} '
    reader.feed((message % (answers % '"p"')).encode())
    assert reader.take()["result"][1:] == [{"rows": [{"name": "p"}]}, {"rows": [{"odd": 1}]}, {"rows": [{"name": "q"}]}]
    reader.feed((message % (answers % "5")).encode())
    with pytest.raises(Unreachable, match=r"Port\.name has an invalid value"):
        reader.take()


@pytest.mark.parametrize("rows", ["{}", '"none"', "null", "5"])
def test_rows_that_are_not_an_array_are_passed_on(rows):
    """The caller reports what is wrong with them."""
    reader = ReplyReader()
    reader.operations = [{"op": "select", "table": "Port", "where": [], "columns": ["name"]}]
    reader.feed(f'{{"id":1,"error":null,"result":[{{"rows":{rows}}}]}} '.encode())
    assert reader.take() == {"id": 1, "error": None, "result": [{"rows": json.loads(rows)}]}
