"""A document with flows applied: the database in one transaction, then the flows of each bridge in one bundle.

Flows are in no database, so they need ovs-vswitchd to have made bridges and ports of it. If flows cannot be made, the database and the
flows that were made already become what they were.
"""

from collections.abc import Callable
from contextlib import nullcontext

from ovstool.document.applying.applied import Applied
from ovstool.document.declared import Document
from ovstool.document.flows import BridgeFlows, compared
from ovstool.document.rules import worded_for_documents
from ovstool.document.state import asked, read, selectors
from ovstool.errors import Conflict, OvstoolError, Refused, TimedOut, Unreachable, UsageError, quote, quote_some
from ovstool.ovsdb.transaction import Transaction
from ovstool.switch import Switch
from ovstool.switch.changes import put_back
from ovstool.switch.changes.alone import alone
from ovstool.switch.changes.comment import AND_FLOWS
from ovstool.switch.flow import whole
from ovstool.switch.ofctl import OfctlBridge
from ovstool.switch.snapshot import contents

Meanwhile = Callable[[Applied], object]


def apply(switch: Switch, document: Document, build: Callable[[Transaction], Applied], meanwhile: Meanwhile) -> Applied:
    """Make the transaction that ``build`` builds, then the flows; ``meanwhile`` is called while ovs-vswitchd applies the transaction.

    Raises what ``build`` and the comparison of flows raise, with nothing changed, and Conflict when another ovstool takes too long.
    """
    _require_possible(switch)
    with nullcontext() if switch.dry_run else alone(switch):
        return _apply(switch, document, build, meanwhile)


def _apply(switch: Switch, document: Document, build: Callable[[Transaction], Applied], meanwhile: Meanwhile) -> Applied:
    tables = asked.named(switch, document)
    found = read(tables, ports=())
    document, _ = selectors.resolved(document, tables)
    flows = list(compared(switch, document, found))
    if switch.comment and any(each.found for each in flows):
        switch.comment = switch.comment._replace(about=AND_FLOWS)
    done = _Apply(switch, flows).run(build, meanwhile)
    differing = [each for each in flows if each.found]
    names = {each.bridge.name for each in differing}
    changes = [
        change._replace(change="updated") if change.object in names and change.change == "unchanged" else change for change in done.changes
    ]
    notes = [f"{each.bridge.name}: {note}" for each in differing for note in each.found.counts()]
    lines = [line for each in differing for line in each.lines()] if switch.dry_run else []
    return done._replace(changes=changes, notes=done.notes + notes, lines=lines)


def _require_possible(switch: Switch) -> None:
    if not switch.wait:
        raise UsageError(
            "--no-wait", "the document has flows, which need ovs-vswitchd to have made its bridges and ports", "the command without it"
        )
    if switch.confirm_within_s:
        why = "the document has flows, which are in no database, so the change cannot be undone"
        raise UsageError("--confirm-within", why, "a document without flows")


class _Apply:
    """The steps of one ``apply``, and what is known to take them back."""

    def __init__(self, switch: Switch, flows: list[BridgeFlows]):
        self._switch = switch
        self._flows = flows
        self._change = put_back.Change(switch)
        self._before: list[tuple[OfctlBridge, contents.Contents]] = []
        self._is_committed = False
        self._made: list[str] = []  # the bridges whose flows are as wanted
        self._has_changed_flows = False
        self._at: str | None = None  # the bridge whose flows are compared and changed now

    def run(self, build: Callable[[Transaction], Applied], meanwhile: Meanwhile) -> Applied:
        trouble = None

        def committed(done: Applied) -> None:
            self._is_committed = True
            meanwhile(done)

        try:
            with worded_for_documents():
                done = self._switch.write(build, committed, self._before_commit)
        except OvstoolError as error:
            if not self._is_committed:
                raise
            if not isinstance(error, Refused):
                raise self._put_back(error) from error
            trouble = error  # a device that cannot be opened: its port stays, and so do the flows of the others
        try:
            for each in self._flows:
                self._make(each)
        except OvstoolError as error:
            if trouble:  # it may be why
                self._switch.notes.append(f"{trouble.what}: {trouble.why.removesuffix(' (the database has the change)')}")
            raise self._put_back(error) from error
        if trouble:
            raise trouble
        return done

    def _before_commit(self, txn: Transaction) -> None:
        """Learn what is there before anything changes."""
        self._change.note(txn)
        if txn.writes or any(each.found for each in self._flows):
            there = [each.present for each in self._flows if each.present]
            self._before = [(bridge, contents.read(bridge, set())) for bridge in there]

    def _make(self, each: BridgeFlows) -> None:
        """Make the flows of a bridge; ovs-vswitchd may have changed them with the database."""
        self._at = each.bridge.name
        found = whole.difference(each.bridge, each.wanted) if self._change else each.found
        try:
            whole.make(each.bridge, each.wanted, found)
            self._has_changed_flows |= bool(found)
            whole.make_flags(each.bridge, each.wanted, found)
        except Refused as error:
            raise Refused(f"bridge {quote(each.bridge.name)}: {error.what}", error.why, error.hint) from error
        self._made.append(each.bridge.name)

    def _put_back(self, error: OvstoolError) -> OvstoolError:
        """Take back what was done; returns the error to raise."""
        why = error.why.removesuffix("; nothing was changed")
        is_known = not isinstance(error, TimedOut | Unreachable)  # whether the flows in progress were changed
        if is_known and not self._change and not self._has_changed_flows:
            return type(error)(error.what, f"{why}; nothing was changed", error.hint)
        self._switch.rearm()
        self._switch.as_ovs = False
        self._switch.same_lines.clear()
        if not is_known:
            self._switch.close()
        try:
            self._take_back(has_flows=self._at is not None)
        except OvstoolError as again:
            return type(error)(error.what, f"{why}; {self._left(again, is_known)}", self._hint(again))
        return type(error)(error.what, f"{why}; the switch was put back as it was", error.hint if is_known else None)

    def _take_back(self, has_flows: bool) -> None:
        """``has_flows``: flows may have changed; if not, ovs-vswitchd has not even answered for the database, and is not waited for again."""
        self._change.take_back(wait=has_flows)
        for bridge, had in self._before if has_flows else ():
            contents.make(bridge, had)

    def _left(self, again: OvstoolError, is_known: bool) -> str:
        """What is done and what is not, when it could not be put back."""
        unsure = [] if is_known or self._at is None else [self._at]
        rest = [each.bridge.name for each in self._flows if each.bridge.name not in (*self._made, *unsure)]
        states = ((self._made, "made"), (unsure, "perhaps made"), (rest, "not made"))
        flows = [f"flows of {quote_some(names)} are {state}" for names, state in states if names]
        database = f"the database {'has the change' if self._change else 'is as it was'}"
        because = again.why.removesuffix("; the database has it")  # which is that of before the change
        return f"{', '.join([database, *flows])}, and this could not be put back ({again.what}: {because})"

    def _hint(self, why: OvstoolError) -> str:
        again = "'ovstool apply' again"
        if isinstance(why, Conflict):  # undo would be refused as well
            return f"{again}, after a look at 'ovstool history'"
        return f"{again}, or 'ovstool undo {self._switch.comment.id}'" if self._change and self._switch.comment else again
