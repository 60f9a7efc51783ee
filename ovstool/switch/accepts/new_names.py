"""The names that a new bridge or port may have."""

import re

from ovstool.errors import Conflict, UsageError, quote
from ovstool.ovsdb.transaction import Query, Transaction
from ovstool.switch import lookup

_RESERVED = frozenset(["in_port", "table", "normal", "flood", "all", "controller", "local", "any", "unset", "none"])  # lib/ofp-port.c
_LONGEST_BRIDGE = 15  # bytes: its local port is a device (IFNAMSIZ of if.h)
_NUMBER = r"(?i)[+-]?[0-9]+|0x[0-9a-f]+"


def check(name: str, what: str) -> None:
    """Raise UsageError for a name that a flow or a command line would mistake for something else, even in quotes."""
    if not name or len(name.encode(errors="replace")) > 255:
        raise UsageError(f"{what} {quote(name)}", "a name has 1 to 255 bytes")
    if (
        any(c.isspace() or not c.isprintable() or c == "/" for c in name)
        or name in (".", "..")
        or name.startswith((*lookup.SELECTORS, "-"))
    ):
        why = "a name has no spaces, slashes or control characters, and does not start like an option or a selector"
        raise UsageError(f"{what} {quote(name)}", why)
    if name.lower() in _RESERVED or "action" in name or re.fullmatch(_NUMBER, name):
        raise UsageError(f"{what} {quote(name)}", "has another meaning in flows, so ovs-ofctl could not refer to it", "another name")


def check_bridge(name: str) -> None:
    """Raise UsageError for a name that a bridge cannot have."""
    check(name, "bridge")
    if len(name.encode()) > _LONGEST_BRIDGE:
        why = f"its local port is a device, and the name of one has at most {_LONGEST_BRIDGE} bytes"
        raise UsageError(f"bridge {quote(name)}", why, "a shorter name")


def require_free(txn: Transaction, table: str, name: str) -> None:
    """Raise Conflict when a row has this name although no bridge of the switch uses it; names are unique in their table."""
    query = Query(table, [["name", "==", name]])
    there, listed = txn.read_all([query._replace(unlisted=True), query])
    if there and not listed:
        why = "a Flow_Sample_Collector_Set still refers to a deleted bridge that had a row of this name"
        raise Conflict(f"{table.lower()} {quote(name)}", why, "ovs-vsctl destroy Flow_Sample_Collector_Set UUID, of that bridge")
