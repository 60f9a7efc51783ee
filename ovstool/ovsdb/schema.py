"""Hold a transaction against the server's own schema, with the types of the ovs package.

So a column that this Open vSwitch does not have, or a value that it does not take, is a sentence and not a failed transaction.
The ovs modules cost 12 ms to import and some 10 µs for each value, which only a dry run and a refused change pay.
"""

from ovstool.errors import Refused, one_line
from ovstool.ovsdb.values import Json, malformed


def columns(schema: Json, table: str) -> frozenset[str]:
    """The names of a table's columns in the server's schema; empty when it has no such table."""
    try:
        return frozenset(schema["tables"].get(table, {"columns": {}})["columns"])
    except (AttributeError, KeyError, TypeError) as error:
        raise malformed("a schema without columns") from error


def check(schema: Json, operations: list[dict]) -> None:
    """Raise Refused when an operation names a table or column that is not there, or a value it cannot hold."""
    from uuid import UUID

    from ovs.db import data, error
    from ovs.db import schema as ovs_schema

    tables: dict[str, ovs_schema.TableSchema] = {}
    # What a named-uuid stands for is known to the server alone; here any UUID does, if it is another for each name.
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
                raise Refused(f"{name}.{column}", f"this Open vSwitch has no such column ({_version(schema)})")
            try:
                data.Datum.from_json(tables[name].columns[column].type, value, symbols)
            except error.Error as problem:
                raise Refused(f"{name}.{column}", one_line(str(problem))) from problem


def _version(schema: Json) -> str:
    return f"database schema {schema.get('version', 'of unknown version')}"
