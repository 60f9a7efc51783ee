"""Check a transaction against the server's own schema, with the types of the ovs package.

So a column that this Open vSwitch lacks, or a value that it does not accept, gives a clear message and not a failed transaction.
The ovs modules take 12 ms to import and about 10 µs for each value, so only dry runs and refused changes use them.
"""

import math
from typing import Any

from ovstool.errors import Refused, one_line
from ovstool.ovsdb.columns import UUID, Kind
from ovstool.ovsdb.values import Json, malformed

# Columns that ovstool writes and that are newer than Open vSwitch 2.13, with their release; and the releases of each schema version
# (vswitchd/vswitch.ovsschema at each tag).
_SINCE = {"Interface.ingress_policing_kpkts_rate": "2.16", "Interface.ingress_policing_kpkts_burst": "2.16"}
_RELEASES = {
    "8.0.0": "2.12", "8.2.0": "2.13 to 2.15", "8.3.0": "2.16 to 3.0", "8.3.1": "3.1", "8.4.0": "3.2", "8.5.0": "3.3", "8.5.1": "3.3",
}  # fmt: skip

_ATOMS: dict[str, type] = {"integer": int, "real": float, "boolean": bool, "string": str, "uuid": UUID}


def columns(schema: Json, table: str) -> frozenset[str]:
    """The names of a table's columns in the server's schema; empty when it has no such table."""
    try:
        return frozenset(schema["tables"].get(table, {"columns": {}})["columns"])
    except (AttributeError, KeyError, TypeError) as error:
        raise malformed("a schema without columns") from error


def persistent(schema: Json) -> dict[str, dict[str, Kind]]:
    """The types of the columns that outlive the server, by table (RFC 7047, section 3.2); those that are ephemeral only report a state."""
    try:
        return {
            table: {name: kind(column["type"]) for name, column in found["columns"].items() if not column.get("ephemeral")}
            for table, found in schema["tables"].items()
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise malformed("a schema without columns") from error


def kind(of: Json) -> Kind:
    """A column's type from what the schema has for it: the name of an atom's type, or an object. Raises Unreachable for anything else."""
    try:
        if type(of) is str:
            return Kind(_ATOMS[of])
        most = of.get("max", 1)
        return Kind(_atom(of["key"]), int(of.get("min", 1)), math.inf if most == "unlimited" else int(most), _atom(of.get("value")))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise malformed("a schema with a column of unknown type") from error


def _atom(of: Json) -> Any:
    return None if of is None else _ATOMS[of if type(of) is str else of["type"]]


def check(schema: Json, operations: list[dict]) -> None:
    """Raise Refused when an operation has an unknown table or column, or a value of the wrong type."""
    from uuid import UUID

    from ovs.db import data, error
    from ovs.db import schema as ovs_schema

    tables: dict[str, ovs_schema.TableSchema] = {}
    # Only the server knows the UUID of a named-uuid; here any UUID will do, if each name has a different one.
    symbols = {op["uuid-name"]: UUID(int=index) for index, op in enumerate(operations) if "uuid-name" in op}
    for op in operations:
        name = op["table"]
        if name not in schema["tables"]:
            raise Refused(name, f"this Open vSwitch has no such table ({_version(schema)})")
        try:
            if name not in tables:
                tables[name] = ovs_schema.TableSchema.from_json(schema["tables"][name], name)
        except (
            error.Error,
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
        ) as problem:  # the ovs package expects a schema
            raise malformed(f"a schema that cannot be read ({one_line(str(problem))[:100]})") from problem
        for column, value in op.get("row", {}).items():
            if column not in tables[name].columns:
                raise Refused(f"{name}.{column}", _without(f"{name}.{column}", schema))
            try:
                data.Datum.from_json(tables[name].columns[column].type, value, symbols)
            except error.Error as problem:
                raise Refused(f"{name}.{column}", one_line(str(problem))) from problem


def _without(column: str, schema: Json) -> str:
    if column not in _SINCE:
        return f"this Open vSwitch has no such column ({_version(schema)})"
    release = _RELEASES.get(str(schema.get("version")), "older")
    return f"needs Open vSwitch {_SINCE[column]} or newer, and this is {release} ({_version(schema)})"


def _version(schema: Json) -> str:
    return f"database schema {schema.get('version', 'of unknown version')}"
