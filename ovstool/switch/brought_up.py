"""Whether ovs-vswitchd could bring up the interfaces that a change added or altered (Interface in ovs-vswitchd.conf.db(5))."""

from collections.abc import Callable, Iterable

from ovstool.errors import Refused, one_line
from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import ofport, one

_MOST_NAMED = 10
_MANY = 20  # interfaces; above this, a search for what may be in trouble is cheaper than one for each name


def health(name: str) -> Query:
    """The columns in which ovs-vswitchd reports whether an interface came up."""
    return Query("Interface", [["name", "==", name]], ("name", "type", "ofport", "error"))


def read(read_all: Callable[[list[Query]], list[list[Row]]], watched: list[Query]) -> list[Row]:
    """The rows of ``health`` for interfaces; of many only those that may be in trouble, as the server searches all interfaces for each name."""
    if len(watched) <= _MANY:
        return [row for rows in read_all(watched) for row in rows]
    names = {query.where[0][2] for query in watched}
    troubles = (["error", "!=", ["set", []]], ["ofport", "==", -1], ["ofport", "==", ["set", []]])
    found = read_all([watched[0]._replace(where=[trouble]) for trouble in troubles])
    return list({row["name"]: row for rows in found for row in rows if row["name"] in names}.values())


def require(rows: Iterable[Row]) -> None:
    """Raise Refused with ovs-vswitchd's errors for the interfaces that it could not bring up, given rows of ``health``."""
    problems = [problem for row in rows if (problem := _problem(row))]
    if problems:
        more = [f"and {len(problems) - _MOST_NAMED} more"] if len(problems) > _MOST_NAMED else []
        raise Refused("ovs-vswitchd", "; ".join([*problems[:_MOST_NAMED], *more]) + " (the database has the change)")


def _problem(row: Row) -> str | None:
    name, words, is_open = one(row["name"]), one(row["error"]), ofport(row["ofport"]) is not None
    if is_open and (not words or one(row["type"]) == "patch"):
        return None  # a patch port has an error until its peer exists, as the first half of a pair always does
    lines = str(words or "was not brought up; see the log of ovs-vswitchd").splitlines()
    return one_line(f"{name}: {'; '.join(line.removeprefix(f'{name}: ') for line in lines)}")
