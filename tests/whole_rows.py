"""All rows of a database by UUID, to compare two states of it row for row."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ovstool.host import Tls, local
from ovstool.ovsdb.client import Client


@contextmanager
def connected(db: str) -> Iterator[Client]:
    client = Client(local.open(db, 20, Tls()), db, time.monotonic() + 600)
    try:
        yield client
    finally:
        client.close()


def snapshot(client: Client, schema: dict) -> dict:
    """Every row of every table by UUID, without what is ephemeral."""
    tables = list(schema["tables"])
    answers = client.transact([{"op": "select", "table": table, "where": []} for table in tables])
    found = {}
    for table, answer in zip(tables, answers, strict=True):
        kept = [name for name, column in schema["tables"][table]["columns"].items() if not column.get("ephemeral")]
        for row in answer["rows"]:
            found[table, row["_uuid"][1]] = {column: ordered(row[column]) for column in kept}
    return found


def ordered(value):
    """A value in one form: without order, and a set of one value as that value."""
    if isinstance(value, list) and value[0] in ("set", "map"):
        return value[1][0] if value[0] == "set" and len(value[1]) == 1 else [value[0], sorted(value[1], key=json.dumps)]
    return value


def whole(db: str, *without: str) -> dict:
    """The snapshot of a database, without some columns, given as TABLE.COLUMN."""
    with connected(db) as client:
        found = snapshot(client, client.get_schema())
    return {at: {name: value for name, value in row.items() if f"{at[0]}.{name}" not in without} for at, row in found.items()}
