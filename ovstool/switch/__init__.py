"""One Open vSwitch: how it is reached, read and changed. The nouns are in the other modules of this package."""

import math
import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ovstool.errors import Conflict, NotFound, OvstoolError, Refused, TimedOut, Unreachable, UsageError, one_line, quote
from ovstool.host import ByteStream, CommandLine, Finished, Host, Tls, local
from ovstool.host.deadline import Deadline
from ovstool.ovsdb import transaction
from ovstool.ovsdb.client import Client, OperationFailed
from ovstool.ovsdb.columns import Table
from ovstool.ovsdb.transaction import Query, Row, Stale, Transaction
from ovstool.ovsdb.values import one, uuid
from ovstool.switch import brought_up
from ovstool.switch.finding import ERROR as ERROR
from ovstool.switch.finding import WARNING as WARNING
from ovstool.switch.finding import Argv as Argv
from ovstool.switch.finding import Change as Change
from ovstool.switch.finding import Finding as Finding

if TYPE_CHECKING:
    from ovstool.openflow import client as openflow
    from ovstool.switch.changes.comment import Comment
    from ovstool.switch.confirm.watchdog import Task

Built = TypeVar("Built")

_ATTEMPTS = 64  # each lost attempt means that another program's change won, so this many in a row are no accident
# Shell script: whether the process with the ID in file $1 is in another network namespace, then $net. It starts no program.
ELSEWHERE = 'pid=; read -r pid <"$1"; net=/proc/$pid/ns/net && [ -e "$net" ] && ! [ "$net" -ef /proc/self/ns/net ]'
_RUNDIRS = ("/var/run/openvswitch", "/usr/local/var/run/openvswitch")


class Switch:
    """A switch for the length of one command. ``timeout_s`` limits all of it; ``planned`` holds what a dry run would send.

    ``as_ovs`` collects ``same_lines``: the commands of Open vSwitch's own tools that make the same change, also in a dry run.

    ``notes`` are messages for the user beside the answer, ``found`` what a check would find wrong with the change: it is printed like a
    note, with the options for this switch added to its remedy. ``allowed``: a deadline that already runs, shared with the host.
    ``open_client`` is the connection to the database while it is open, ``far_rundir`` the default run directory of another host.
    ``comment`` goes into the log of the database with each change. ``confirm_within_s``: a change is undone unless it is confirmed in time.
    """

    def __init__(
        self,
        db: str | None = None,
        tls: Tls = Tls(),
        timeout_s: float = 30,
        wait: bool = True,
        dry_run: bool = False,
        as_ovs: bool = False,
        host: Host = local,
        planned: list[dict] | None = None,
        same_lines: list[CommandLine] | None = None,
        notes: list[str] | None = None,
        found: list[Finding] | None = None,
        allowed: Deadline | None = None,
        comment: "Comment | None" = None,
        confirm_within_s: int | None = None,
    ):
        self.db = db
        self.tls = tls
        self.timeout_s = timeout_s
        self.wait = wait
        self.dry_run = dry_run
        self.as_ovs = as_ovs
        self.host = host
        self.planned = [] if planned is None else planned
        self.same_lines = [] if same_lines is None else same_lines
        self.notes = [] if notes is None else notes
        self.found = [] if found is None else found
        self.comment = comment
        self.confirm_within_s = confirm_within_s
        self._deadline = allowed or Deadline(timeout_s)
        self.far_rundir = _RUNDIRS[0]
        self.open_client: Client | None = None
        self._network: list[str] | None = None

    @property
    def deadline(self) -> float:
        """When the timeout ends, on the monotonic clock."""
        return self._deadline.end

    @deadline.setter
    def deadline(self, end: float) -> None:
        self._deadline.end = end

    @property
    def address(self) -> str:
        """Where the database listens, as seen from the host: as requested, else the socket in the run directory."""
        return self.db or f"unix:{self._default_rundir}/db.sock"

    @property
    def host_is_known(self) -> bool:
        """Whether programs can be run on the host of the switch; behind ``tcp:`` and ``ssl:`` that is unknown."""
        return self.address.startswith("unix:") or self.host is not local

    @property
    def rundir(self) -> str:
        """The directory of the sockets and pid files of the switch's daemons; never empty, which Open vSwitch's programs take for their default."""
        return os.path.dirname(self.address.removeprefix("unix:")) or "." if self.address.startswith("unix:") else self._default_rundir

    @property
    def client(self) -> Client:
        """The connection to the database, opened on first use. Raises Unreachable, TimedOut."""
        # Not functools.cached_property: before Python 3.12 it has one lock for the clients of all switches, held while one is connected.
        if self.open_client is None:
            self.open_client = Client(self.connect(), self.address, self.deadline)
        return self.open_client

    def connect(self) -> ByteStream:
        """A new connection to the database. Raises Unreachable, TimedOut."""
        try:
            return self.host.open(self.address, self.remaining_s(), self.tls, "ovsdb-server")
        except Unreachable as error:
            # Nearly every remote host has the packages' run directory, so the other one is only tried now.
            if (
                self.host is local
                or self.db
                or "no such socket" not in error.why
                or self.host.run(["test", "-S", f"{_RUNDIRS[1]}/db.sock"], self.remaining_s()).status
            ):
                raise
            self.far_rundir = _RUNDIRS[1]
            return self.host.open(self.address, self.remaining_s(), self.tls, "ovsdb-server")

    @property
    def _default_rundir(self) -> str:
        """$OVS_RUNDIR, else the run directory of the packages, else that of a plain ``make install``."""
        if self.host is not local:
            return self.far_rundir
        return os.environ.get("OVS_RUNDIR") or next((path for path in _RUNDIRS if os.path.exists(f"{path}/db.sock")), _RUNDIRS[0])

    def openflow(self, bridge: str, within_s: float = math.inf) -> "openflow.Client":
        """A connection to a bridge, which the caller closes; it times out after ``within_s``. Raises Unreachable, Refused, TimedOut."""
        from ovstool.openflow import client as openflow  # most commands need none

        address = self.management_socket(bridge)
        deadline = min(self.deadline, time.monotonic() + within_s)
        stream = self.host.open(address, min(self.remaining_s(), within_s), Tls(), "ovs-vswitchd")
        return openflow.Client(stream, f"bridge {quote(bridge)}", deadline)

    def close(self) -> None:
        """Close the connection to the database; the next read or write opens a new one."""
        if self.open_client:
            self.open_client.close()
            self.open_client = None

    def rearm(self) -> None:
        """Restart the timeout, for a command that runs until it is stopped."""
        self.give_until(time.monotonic() + self.timeout_s)

    def give_until(self, deadline: float) -> None:
        """Set the deadline, on the monotonic clock."""
        self.deadline = deadline
        if self.open_client:
            self.open_client.deadline = deadline

    def remaining_s(self) -> float:
        """The rest of the timeout in seconds; never 0, which sockets and programs read as no limit."""
        return max(self._deadline.remaining_s(), 0.001)

    def run(self, argv: Sequence[str], stdin: bytes = b"") -> Finished:
        """Run a program on the switch's host. Raises NotFound when it is not installed, TimedOut."""
        self.require_host(argv[0])
        return self.host.run(argv, self.remaining_s(), stdin)

    def appctl(self, *words: str) -> Finished:
        """Ask ovs-vswitchd itself (ovs-appctl(8)). Raises as ``run``."""
        try:
            return self.run(["env", f"OVS_RUNDIR={self.rundir}", "ovs-appctl", "-t", "ovs-vswitchd", *words])
        except OvstoolError as error:
            error.what = "ovs-appctl" if error.what == "env" else error.what
            raise

    def attempt(self, what: str, find: Callable[..., Built], *args: Any) -> Built | None:
        """The result of ``find``, which runs programs; None if it fails, with a note that ``what`` is not known, or if none can be run."""
        if not self.host_is_known:
            return None  # the caller notes this once
        try:
            return find(*args)
        except OvstoolError as error:
            said = f"{error.what}: {error.why}; {what} is not known"
            if said not in self.notes:
                self.notes.append(said)
            return None

    def stream(self, argv: Sequence[str]) -> Generator[bytes, None, Finished]:
        """Run a program with much output on the switch's host: yields its stdout as it arrives. Raises as ``run``."""
        self.require_host(argv[0])
        return self.host.stream(argv, self.remaining_s())

    def management_socket(self, bridge: str) -> str:
        """Where ovs-vswitchd answers OpenFlow requests about a bridge, in the form that Open vSwitch's own tools take."""
        self.require_host("OpenFlow")
        return f"unix:{self.rundir}/{bridge}.mgmt"

    def require_host(self, what: str) -> None:
        """Raise Unreachable when programs cannot be run on the host of the switch; ``what`` needs them."""
        if not self.host_is_known:
            raise Unreachable(what, f"needs access to the host of the switch, and {self.address} reaches only its database", "--host HOST")

    @property
    def in_its_network(self) -> list[str]:
        """The command prefix that runs a program in ovs-vswitchd's network namespace; empty if it is ours (network_namespaces(7))."""
        if self._network is None:
            argv = ["sh", "-c", f'{ELSEWHERE} && echo "$pid"', "sh", f"{self.rundir}/ovs-vswitchd.pid"]
            pid = self.host.run(argv, self.remaining_s()).stdout.strip()
            # Empty: it is in our namespace, not running, or not ours to inspect.
            self._network = ["nsenter", f"--net=/proc/{pid}/ns/net", "--"] if pid.isdecimal() else []
        return self._network

    def read(self, query: Query) -> list[Row]:
        """Read the rows and columns of a query. A column that this OVS does not have is None."""
        return self.read_all([query])[0]

    def read_all(self, queries: Sequence[Query]) -> list[list[Row]]:
        """Answer several queries from one snapshot, in one round trip. A column that this OVS does not have is None."""
        try:
            return transaction.select(self.client, queries)
        except OperationFailed as failure:
            raise _refused(failure) from failure

    def tables(self, columns: Mapping[str, Sequence[str]], where: Mapping[str, list] | None = None) -> dict[str, Table]:
        """Whole tables, or the rows that meet a condition, from one snapshot, by column. A column that this OVS does not have is None."""
        try:
            return transaction.tables(self.client, columns, where)
        except OperationFailed as failure:
            raise _refused(failure) from failure

    def write(
        self,
        build: Callable[[Transaction], Built],
        meanwhile: Callable[[Built], object] = lambda _: None,
        before: Callable[[Transaction], object] = lambda _: None,
    ) -> Built:
        """Change the switch in one transaction, all or nothing.

        ``build`` reads through the transaction and adds writes to it. If what it read has changed when the transaction
        arrives, nothing is written and it is called again. ``before`` is called with each transaction that is sent. Then ``meanwhile`` is
        called with its result, while ovs-vswitchd applies the change, and that is waited for.
        Raises Conflict when others keep changing the same rows, Refused when the switch cannot do it, TimedOut.
        """
        thorough = self.dry_run  # no server checks references in a dry run
        for attempt in range(_ATTEMPTS):
            txn = Transaction(self.client, thorough, self.comment)
            try:
                built = self._built(build, txn)
                same = self._same_line(txn) if self.as_ovs else []
                undo = self._undo(txn, self.confirm_within_s) if self.confirm_within_s and txn.writes else None
                if self.dry_run and txn.operations(self.wait):
                    txn.check(self.client.get_schema())
                    self.planned += txn.operations(self.wait)
                    self.same_lines += same
                    return built
                before(txn)
                next_cfg = self._commit(txn, undo)
                self.same_lines += same
            except Stale:
                pass
            except OperationFailed as failure:
                if failure.error != "referential integrity violation":
                    # The server checks every value itself; only after a refusal is a better message worth 30 ms.
                    txn.check(self.client.get_schema())
                    raise _refused(failure) from failure
                thorough = True
            else:
                if not self.dry_run:
                    meanwhile(built)
                    if self.wait:
                        self._await(self._next_cfg() if next_cfg is None else next_cfg, txn.interfaces)
                return built
            import random

            time.sleep(min(random.uniform(0, 0.002 * (attempt + 1)), self.remaining_s()))
        raise Conflict(
            "the database", f"other programs kept changing the same rows ({_ATTEMPTS} attempts), so nothing was changed", "again"
        )

    def _built(self, build: Callable[[Transaction], Built], txn: Transaction) -> Built:
        """The result of ``build``. Its refusal must hold in one snapshot: it reads in several steps, and others write in between."""
        try:
            return build(txn)
        except (Conflict, NotFound, Refused, UsageError):
            txn.require_held()
            raise

    def _same_line(self, txn: Transaction) -> list[CommandLine]:
        from ovstool.ovsdb import vsctl_line  # most commands need none

        return vsctl_line.lines(txn, self.wait)

    def _undo(self, txn: Transaction, within_s: int) -> "Task":
        from ovstool.switch.confirm import arming  # most commands need none

        self.require_host("--confirm-within")
        return arming.add_undo(txn, self.client.get_schema(), within_s, str(self.comment), self.dry_run)

    def _commit(self, txn: Transaction, undo: "Task | None") -> int | None:
        if undo is None:
            return txn.commit(self.wait)
        from ovstool.switch.confirm import arming

        with arming.armed(undo, self.run, self.address, self.client, self.found):
            return txn.commit(self.wait)

    def _next_cfg(self) -> int:
        """The cur_cfg at which all of the database is applied: there was nothing to write, but earlier changes may be pending."""
        rows = self.read(Query("Open_vSwitch", [], ("next_cfg",)))
        return one(rows[0]["next_cfg"]) if rows else 0

    def _await(self, next_cfg: int, interfaces: list[Query]) -> None:
        """Wait until ovs-vswitchd has applied the change (cur_cfg, ovs-vswitchd.conf.db(5)), then check for interfaces that failed."""
        wait = {
            "op": "wait", "timeout": int(self.remaining_s() * 1000), "table": "Open_vSwitch",
            "where": [["cur_cfg", ">=", next_cfg]], "columns": ["_uuid"], "until": "!=", "rows": [],
        }  # fmt: skip
        try:
            self.client.transact([wait])
        except (OperationFailed, TimedOut) as error:
            if isinstance(error, OperationFailed) and error.error != "timed out":
                raise _refused(error) from error
            why = f"did not apply the change within {self.timeout_s:g} s; the database has it"
            raise TimedOut("ovs-vswitchd", why, "is it running? --no-wait does not wait for it") from error
        brought_up.require(brought_up.read(self.read_all, interfaces))

    def comes_to(self, table: str, row_uuids: Iterable[str], values: Row, within_s: float) -> bool:
        """Whether rows reach these values in this time; for columns that ovs-vswitchd writes after cur_cfg."""
        wait = {
            "op": "wait", "timeout": int(min(within_s, self.remaining_s()) * 1000), "table": table,
            "columns": list(values), "until": "==", "rows": [values],
        }  # fmt: skip
        try:
            self.client.transact([wait | {"where": [["_uuid", "==", uuid(u)]]} for u in row_uuids])
        except OperationFailed as error:
            if error.error != "timed out":
                raise _refused(error) from error
            return False
        return True


def _refused(failure: OperationFailed) -> Refused | Unreachable:
    if failure.error == "syntax error":
        return Unreachable("the database", f"its schema is not Open vSwitch's ({one_line(str(failure))})")
    return Refused("ovsdb-server", one_line(str(failure)))
