"""What the log of the database tells: who changed the switch, when, and with which command."""

import time
from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple, TypeVar

from ovstool.errors import NotFound, TimedOut, Unreachable
from ovstool.host import Finished, local
from ovstool.ovsdb import log
from ovstool.ovsdb.columns import REPORTED
from ovstool.ovsdb.inverse import Columns, Row, members
from ovstool.ovsdb.values import Json
from ovstool.switch import Switch
from ovstool.switch.changes import said
from ovstool.switch.confirm import keys

Item = TypeVar("Item")

_ENOUGH = 2**20  # bytes at the end of the log, which mostly hold what was asked for
# Shell script: print the database's file, or its last $2 bytes. It is the one that the process of the pid file $1 has open, because its path
# differs from system to system, and after a compaction it is another one.
_READ = r"""
pid=; read -r pid 2>/dev/null <"$1" || { echo "the process of ovsdb-server is not known: there is no $1" >&2; exit 3; }
case "$pid" in ''|*[!0-9]*) echo "the process of ovsdb-server is not known: no number in $1" >&2; exit 3; esac
[ -d "/proc/$pid" ] || { echo "ovsdb-server is not running: there is no process $pid, which $1 names" >&2; exit 3; }
ls /proc/"$pid"/fd >/dev/null 2>&1 || { echo "may not be read by user $(id -un)" >&2; exit 5; }
clustered=
for file in /proc/"$pid"/fd/*; do
  [ -f "$file" ] || continue
  case "$(head -c 11 "$file" 2>/dev/null | tr -d '\0')" in "OVSDB JSON ") ;; "OVSDB CLUST") clustered=1; continue ;; *) continue ;; esac
  head -n 2 "$file" | grep -q '"name":"Open_vSwitch"' || continue
  [ -z "$2" ] || exec tail -c "$2" "$file"
  exec cat "$file"
done
[ -z "$clustered" ] || { echo "the database is clustered, and the log of a cluster is not read" >&2; exit 3; }
echo "process $pid, which $1 names, has no file of the database Open_vSwitch open; is it ovsdb-server?" >&2; exit 3
"""


class Entry(NamedTuple):
    """A transaction: ``time`` in seconds since 1970, ``id`` that of ovstool's change; ``tables`` are those in which it changed rows.

    ``id``, ``who`` (USER@HOST) and ``command`` are None where the transaction does not say them.
    """

    time: float
    id: str | None
    who: str | None
    command: str | None
    tables: list[str]


def entries(switch: Switch, count: int | None) -> list[Entry]:
    """The last changes of the configuration, the newest first; all that the log has without ``count``. Raises as ``bodies``."""
    if count is not None:
        found = _newest(switch, bodies(switch, _ENOUGH))
        if len(found) >= count:
            return found[:count]
    return _newest(switch, bodies(switch))[:count]


def bodies(switch: Switch, last: int | None = None) -> Iterator[bytes]:
    """The records of the database's file, or those in its last bytes. Raises NotFound, Unreachable when it cannot be read, TimedOut."""
    return _in_time(switch, log.bodies(_file(switch, last)))


def records(switch: Switch, found: Iterable[bytes]) -> Iterator[log.Record | Columns]:
    """What these records of the file say. Raises Unreachable for what is none, TimedOut."""
    return _in_time(switch, map(log.parse, found))


def _in_time(switch: Switch, found: Iterable[Item]) -> Iterator[Item]:
    for item in found:
        if time.monotonic() > switch.deadline:
            raise TimedOut("the database's log", f"not read within {switch.timeout_s:g} s", "a longer --timeout")
        yield item


def entry(record: log.Record) -> Entry:
    told = said.parse(record.comment)
    return Entry(record.time, told.id, told.who, told.command, _tables(record))


def _newest(switch: Switch, found_bodies: Iterable[bytes]) -> list[Entry]:
    found = [entry(record) for record in records(switch, found_bodies) if isinstance(record, log.Record) and is_change(record)]
    return found[::-1]


def is_change(record: log.Record) -> bool:
    """Whether a transaction changed the configuration, or was made by a program that says so."""
    return bool(record.comment or _tables(record))


def _tables(record: log.Record) -> list[str]:
    """The tables whose configuration it changed."""
    return sorted(table for table, rows in record.tables.items() if not all(_is_of_daemons(table, row) for row in rows.values()))


def _is_of_daemons(table: str, row: Row | None) -> bool:
    """Whether ovs-vswitchd writes all that was written to a row, or a watchdog of --confirm-within, which only says that it is there."""
    if row is None or table not in REPORTED:
        return False
    return all(column in REPORTED[table] or (column == "external_ids" and _is_of_watchdog(row[column])) for column in row)


def _is_of_watchdog(external_ids: Json) -> bool:
    kind, pairs = members(external_ids)
    return kind == "map" and all(str(pair[0]).startswith(keys.PREFIX) for pair in pairs)


def _file(switch: Switch, last: int | None) -> Generator[bytes, None, None]:
    argv = ["sh", "-c", _READ, "sh", f"{switch.rundir}/ovsdb-server.pid", str(last or "")]
    done: Finished = yield from switch.stream(argv)
    if done.status:
        error = Unreachable if done.status == 5 else NotFound
        permission = local.as_root(switch.address) if switch.host is local else "--sudo"
        hint = permission if done.status == 5 else None
        raise error("the database's log", done.stderr.strip() or f"cannot be read (exit status {done.status})", hint)
