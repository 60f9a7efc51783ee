"""The second target that ``sflow check`` adds to an sFlow row for a few seconds, to see what ovs-vswitchd sends.

What was added is marked in external_ids, so that no command takes it for configuration, and the next one takes it away when the check that
added it was killed. While a check lives, it listens at its target on the switch's host; a target where nobody listens was left behind.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from ovstool.errors import OvstoolError
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import many, mapping, one, to_map, to_set, uuid
from ovstool.switch import Switch, lookup

COLUMNS = ("_uuid", "targets", "polling", "external_ids")
MARK = lookup.SECOND_TARGET
_POLLING = r"polling was ([0-9]{1,19}|unset), is ([0-9]{1,10})"
_MOST_POLLING_S = 2**63 - 1  # that the column holds, and somebody may have asked for
# tcpdump holds no socket that could be seen; the brackets keep grep from finding itself.
_TCPDUMP = 'grep -ls "udp dst port[ ]$1" /proc/[0-9]*/cmdline'


def added(row: Row) -> dict[str, str]:
    """The targets that checks have added, each with what its mark says."""
    return {key.removeprefix(MARK): value for key, value in mapping(row["external_ids"]).items() if key.startswith(MARK)}


def configured(row: Row) -> Row:
    """An sFlow row with ``COLUMNS`` as it is configured: without what checks have added to it and changed in it."""
    extra = added(row)
    if not extra:
        return row
    own = {key: value for key, value in mapping(row["external_ids"]).items() if not key.startswith(MARK)}
    targets = [target for target in many(row["targets"]) if target not in extra]
    return row | {"targets": to_set(targets), "polling": _polling_asked(row), "external_ids": to_map(own)}


def _polling_asked(row: Row) -> int | list:
    """The polling interval that was asked for; in the row is a check's, unless somebody has changed it since."""
    for said in added(row).values():
        if (found := re.fullmatch(_POLLING, said)) and one(row["polling"]) == int(found[2]):
            return to_set([]) if found[1] == "unset" else min(int(found[1]), _MOST_POLLING_S)
    return row["polling"]


def add(txn: Transaction, row_uuid: str, target: str, polling_s: int) -> bool:
    """Add a second target, and have counters sent every ``polling_s`` seconds unless they are sent as often or never; False for no such row."""
    rows = txn.held(Query("sFlow", [["_uuid", "==", uuid(row_uuid)]], COLUMNS))
    if not rows:
        return False
    asked, mark = one(_polling_asked(rows[0])), ""
    if asked is None or asked > polling_s:
        mark = f"polling was {'unset' if asked is None else asked}, is {polling_s}"
        txn.update("sFlow", row_uuid, {"polling": polling_s})
    pairs = to_map({f"{MARK}{target}": mark})
    txn.mutate("sFlow", row_uuid, [["targets", "insert", to_set([target])], ["external_ids", "insert", pairs]])
    return True


def is_in(switch: Switch, row_uuid: str, target: str) -> bool:
    """Whether the row still has this second target."""
    return any(target in added(row) for row in switch.read(Query("sFlow", [["_uuid", "==", uuid(row_uuid)]], COLUMNS)))


def remove(txn: Transaction, gone: Collection[str]) -> list[str]:
    """Take away these second targets, wherever they are; those that were there. The last one puts the polling interval back."""
    found: list[str] = []
    for row in txn.read(Query("sFlow", [], COLUMNS)):
        here = [target for target in added(row) if target in gone]
        if here:
            txn.hold(Query("sFlow", [["_uuid", "==", row["_uuid"]]], COLUMNS), [row])
            _remove(txn, row, here)
            found += here
    return found


def _remove(txn: Transaction, row: Row, here: Collection[str]) -> None:
    row_uuid = str(one(row["_uuid"]))
    if not set(many(row["targets"])) - set(here):
        # Somebody has taken away all the others meanwhile, which asks for no sFlow: a row has at least one.
        for bridge in txn.held(Query("Bridge", [["sflow", "==", row["_uuid"]]])):
            txn.update("Bridge", str(one(bridge["_uuid"])), {"sflow": to_set([])})
        return
    keys = to_set(f"{MARK}{target}" for target in here)
    txn.mutate("sFlow", row_uuid, [["targets", "delete", to_set(here)], ["external_ids", "delete", keys]])
    if len(here) == len(added(row)) and _polling_asked(row) != row["polling"]:
        txn.update("sFlow", row_uuid, {"polling": _polling_asked(row)})


def remove_leftovers(switch: Switch) -> None:
    """Take away what killed checks have left in any row, and note it. It never fails; a dry run does nothing, nor who cannot look at the host.

    Where the switch cannot be reached it says nothing: nobody knows that anything is left, and what the command does next says why.
    """
    if switch.dry_run or not switch.host_is_known:
        return
    try:
        marked = {target for row in switch.read(Query("sFlow", [], COLUMNS)) for target in added(row)}
    except OvstoolError:
        switch.close()  # an answer may still come to what was asked
        return
    try:
        left = sorted(marked - listened_to(switch, marked)) if marked else []
        with unasked(switch):
            removed = switch.write(lambda txn: remove(txn, left)) if left else []
        switch.notes += [f"{target}: removed from sFlow's targets, where an interrupted check had left it" for target in removed]
    except OvstoolError as error:
        switch.notes.append(f"what an interrupted check has left in sFlow's targets could not be removed: {error.what}: {error.why}")
        switch.close()  # an answer may still come to what was asked


@contextmanager
def unasked(switch: Switch) -> Iterator[None]:
    """A block whose changes nobody asked for: they are not waited for, not undone, and not among the lines of --as-ovs."""
    before = switch.wait, switch.as_ovs, switch.confirm_within_s
    switch.wait, switch.as_ovs, switch.confirm_within_s = False, False, None
    try:
        yield
    finally:
        switch.wait, switch.as_ovs, switch.confirm_within_s = before


def listened_to(switch: Switch, marked: Collection[str]) -> set[str]:
    """Those second targets at which a check listens; all of them where this user may not see that."""
    from ovstool.switch.sflow import vswitchd  # there is hardly ever one

    seen = vswitchd.look(switch)
    if seen.is_hidden and not seen.state:
        return set(marked)
    bound = {socket.local_target for socket in seen.sockets}
    return {target for target in marked if target in bound or _tcpdump_listens(switch, target)}


def _tcpdump_listens(switch: Switch, target: str) -> bool:
    port = target.rpartition(":")[2]
    return port.isdecimal() and bool(switch.run(["sh", "-c", _TCPDUMP, "sh", port]).stdout)
