"""What a transaction may contain, according to Open vSwitch's own schema."""

import json
import math
from pathlib import Path

import pytest

from ovstool.errors import Refused, Unreachable
from ovstool.ovsdb import schema
from ovstool.ovsdb.columns import UUID, Kind

OURS = json.loads(next(Path(folder, "vswitch.ovsschema") for folder in ("/usr/share/openvswitch", "/usr/local/share/openvswitch")
                       if Path(folder, "vswitch.ovsschema").exists()).read_text())  # fmt: skip
PORT = {"op": "insert", "table": "Port", "uuid-name": "row0", "row": {"name": "p", "tag": 4095, "interfaces": ["named-uuid", "row1"]}}
QOS = {"op": "insert", "table": "QoS", "uuid-name": "row1", "row": {"type": "linux-htb", "queues": ["map", [[0, ["named-uuid", "row0"]]]]}}


def update(table: str, **row) -> dict:
    return {"op": "update", "table": table, "where": [], "row": row}


def test_columns():
    assert {"name", "tag", "qos"} <= schema.columns(OURS, "Port") and "ports" not in schema.columns(OURS, "Port")
    assert schema.columns(OURS, "Nosuch") == frozenset()


@pytest.mark.parametrize(
    "broken", [None, [], "x", 1, {}, {"tables": None}, {"tables": []}, {"tables": {"Port": 1}}, {"tables": {"Port": {}}}]
)
def test_columns_of_an_invalid_schema(broken):
    with pytest.raises(Unreachable, match="not a valid OVSDB reply: a schema without columns"):
        schema.columns(broken, "Port")


def test_the_columns_that_outlive_the_server():
    found = schema.persistent(OURS)
    assert found["Port"]["tag"] == Kind(int, 0) and found["Port"]["name"] == Kind(str)
    assert found["Bridge"]["flow_tables"] == Kind(int, 0, math.inf, UUID) and found["Mirror"]["select_all"] == Kind(bool)
    assert "statistics" not in found["Port"] and "mac_in_use" not in found["Interface"]
    column = {"type": {"key": {"type": "real"}, "min": 0, "max": 3}}
    assert schema.persistent({"tables": {"T": {"columns": {"c": column}}}}) == {"T": {"c": Kind(float, 0, 3)}}


@pytest.mark.parametrize(
    "broken", [None, {}, {"type": "text"}, {"type": {"key": []}}, {"type": {"key": "integer", "max": "many"}}, {"type": []}]
)
def test_columns_that_no_schema_has(broken):
    with pytest.raises(Unreachable, match=r"a schema with(out columns| a column of unknown type)"):
        schema.persistent({"tables": {"Port": {"columns": {"tag": broken}}}})


@pytest.mark.parametrize(
    "operations",
    [
        [],
        [PORT, QOS],
        [update("Port", tag=["set", []]), update("Port", tag=0, trunks=["set", [1, 4095]], vlan_mode="access")],
        [{"op": "delete", "table": "Port", "where": []}],
        [{"op": "mutate", "table": "Bridge", "where": [], "mutations": [["ports", "delete", ["set", []]]]}],
    ],
)
def test_what_the_server_would_take(operations):
    schema.check(OURS, operations)


@pytest.mark.parametrize(
    ("operation", "what", "why"),
    [
        (update("Nosuch", name="x"), "Nosuch", f"this Open vSwitch has no such table (database schema {OURS['version']})"),
        (update("Port", nosuch="x"), "Port.nosuch", f"this Open vSwitch has no such column (database schema {OURS['version']})"),
        (update("Port", tag=4096), "Port.tag", "4096"),
        (update("Port", tag=-1), "Port.tag", "-1"),
        (update("Port", tag=["set", [1, 2]]), "Port.tag", "set must have"),
        (update("Port", vlan_mode="acces"), "Port.vlan_mode", "acces"),
        (update("Port", name=5), "Port.name", "expected string"),
        (update("Port", external_ids=["set", []]), "Port.external_ids", "map"),
        (update("Port", qos="x"), "Port.qos", "x"),
    ],
)
def test_what_the_server_would_refuse(operation, what, why):
    with pytest.raises(Refused) as refused:
        schema.check(OURS, [PORT, QOS, operation])
    assert refused.value.what == what and why in refused.value.why and refused.value.why.isprintable()


def test_two_new_rows_are_distinct():
    new = [PORT | {"uuid-name": name, "row": {"name": name}} for name in ("row0", "row1")]
    both = update("Bridge", ports=["set", [["named-uuid", "row0"], ["named-uuid", "row1"]]])
    schema.check(OURS, [*new, both])
    with pytest.raises(Refused):
        schema.check(OURS, [*new, update("Bridge", ports=["set", [["named-uuid", "row0"], ["named-uuid", "row0"]]])])


def test_errors_of_a_schema_are_short():
    with pytest.raises(Unreachable) as caught:
        schema.check({"tables": {"Port": {"columns": {"name": {"type": "n" * 300}}}}}, [update("Port", name="p")])
    words = caught.value.why.partition("cannot be read (")[2].removesuffix(")")
    assert len(words) == 100 and words.endswith("n")


@pytest.mark.parametrize(
    "table", [{"columns": {}, "maxRows": 0}, {"columns": {"name": {"type": "nosuch"}}}, {"columns": {"_x y": {"type": "string"}}}, {}]
)
def test_a_schema_that_cannot_be_read(table):
    with pytest.raises(Unreachable, match="not a valid OVSDB reply: a schema that cannot be read"):
        schema.check({"tables": {"Port": table}}, [update("Port", name="x")])


def test_an_unknown_version():
    with pytest.raises(Refused, match="of unknown version"):
        schema.check({"tables": {}}, [update("Port", name="x")])


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("8.2.0", "2.13 to 2.15"), ("8.0.0", "2.12"), ("7.14.0", "older"), ("8.3.0", "2.16 to 3.0"), ("8.3.1", "3.1"), ("8.4.0", "3.2"),
        ("8.5.0", "3.3"), ("8.5.1", "3.3"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("column", ["ingress_policing_kpkts_rate", "ingress_policing_kpkts_burst"])
def test_a_column_of_a_later_version(version, release, column):
    interface = {"columns": {name: OURS["tables"]["Interface"]["columns"][name] for name in ("name", "ingress_policing_rate")}}
    old = {"version": version, "tables": {"Interface": interface}}
    schema.check(old, [update("Interface", ingress_policing_rate=5)])
    with pytest.raises(Refused) as refused:
        schema.check(old, [update("Interface", **{column: 5})])
    needs = f"needs Open vSwitch 2.16 or newer, and this is {release} (database schema {version})"
    assert str(refused.value) == f"Interface.{column}: {needs}"
