"""The base classes of commands for switches: a command is a function of one switch, and this module does the rest.

It calls the function for each switch that was named, local or over SSH, prints the answers, and turns errors into lines and an exit code.
"""

import argparse
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from itertools import chain
from typing import TYPE_CHECKING, Any

from cliff.show import ShowOne

from ovstool.answers import Answer, Table, one_table, plain
from ovstool.command import Command, OutputCommand, TableCommand, report
from ovstool.errors import Exit, NotFound, UsageError, one_line
from ovstool.host import Tls, local
from ovstool.host.deadline import Deadline
from ovstool.parser import time_for
from ovstool.reach import Reach
from ovstool.switch import Change, Finding, Switch
from ovstool.switch.changes.comment import Comment

if TYPE_CHECKING:
    from ovstool.fleet import Outcome
    from ovstool.host.address import Target
    from ovstool.remedy import FindingRow, Naming
    from ovstool.switch.connections import Connections

_NOTHING: tuple[Any, ...] = (None, [], {}, "")


class SwitchCommand(Command):
    """Calls ``on_switch`` for each switch that was named: local, on one host, or on many in parallel.

    The threads of all hosts share one object, so ``on_switch`` stores nothing on it: each switch returns an Answer, and the main
    thread prints them in the order in which the hosts were named.
    """

    last_words_s = 0.0  # time that several interrupted hosts have for their final output; 0 if they have none
    if_absent = ""  # hint if an object does not exist; a command that deletes must not suggest a similar name

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        """The result for one switch; notes and findings go to ``switch.notes`` and ``switch.found``."""
        raise NotImplementedError

    def variables(self, args: argparse.Namespace) -> Collection[str]:
        """The variables of hosts that the command will want from ``args.found_in``, the inventory; it reads the file that says which."""
        return ()

    def prepare(self, args: argparse.Namespace) -> None:
        """Prepare once for all hosts, ``args.targets``: check options, read a file into ``args``, set ``args.batch_size`` (``in_batches``)."""

    def completed(self, result: Any, target: "Target | None", args: argparse.Namespace) -> Any:
        """The result of ``on_switch``, with any remedies in it completed by ``addressed``."""
        return result

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        """Print the answers of the switches; there is at least one."""
        raise NotImplementedError

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        self.begin(parsed_args)
        if len(parsed_args.targets) > 1:
            return self._ask_all(parsed_args)
        with self._only_answer(parsed_args) as answer:
            return self._print(parsed_args, [answer])

    def take_samples(self, args: argparse.Namespace, take: Callable[[Iterator[Answer]], None]) -> Exit:
        """Pass ``take`` an Answer for each item that ``on_switch`` yields on any host, in the order in which they arrive."""
        self.begin(args)
        if len(args.targets) <= 1:
            with self._only_answer(args) as answer, closing(answer.samples()) as samples_here:
                take(samples_here)
            return Exit.OK

        from ovstool import fleet

        asked = {target: Answer.awaited(target, target.name) for target in args.targets}

        def samples(target: "Target") -> Iterator[Answer]:
            with self.answer(asked[target], args) as answer:
                yield from answer.samples()

        merged = fleet.Merged(samples, args.targets)
        try:
            take(sample for _, sample in merged)
        finally:
            merged.stop(self.last_words_s)
            self.print_notes(asked.values(), args)
            failure = self._report_hosts(merged.errors, args)
        return failure

    def said(self, answer: Answer, args: argparse.Namespace) -> list[str]:
        """The notes and findings of an answer, prefixed with its host if there are several."""
        first, more = answer.noted()
        found = [*(row.words for row in addressed(first, answer.target, args)), *more]
        texts = [*answer.notes, *found, *(line.about for line in answer.same_lines if line.about)]
        return [f"{answer.host}: {text.removeprefix(f'{answer.host}: ')}" if answer.host else text for text in texts]

    def print_notes(self, answers: Iterable[Answer], args: argparse.Namespace) -> None:
        """Print the notes of the answers and the equivalent lines for --as-ovs, after the output of the command."""
        answers = list(answers)
        texts = [text for answer in answers for text in self.said(answer, args)]
        lines = [] if args.dry_run else [line for answer in answers for line in _same_lines(answer, args)]
        self.app.stdout.flush()
        for text in texts:
            self.note(text, args)
        for line in lines:  # requested with --as-ovs, so printed with -q too
            print(one_line(line), file=self.app.stderr)

    def begin(self, args: argparse.Namespace) -> None:
        args.confirm_within = args.confirm_within if isinstance(self, SwitchWriter) else None  # else there is nothing to undo
        wanted, words, args.found_in = self.variables(args), args.hosts or args.usual_hosts, None
        if wanted or words:
            from ovstool.host.inventory import Source

            args.found_in = Source(args.inventory, Deadline(time_for(args)), wanted)
        args.targets = args.found_in.hosts(words) if args.found_in else []  # an empty list means this machine
        args.comment = Comment.of(vars(args).get("typed", ()))
        if args.sudo and all(target.is_here for target in args.targets):
            self.note("--sudo has no effect without --host: it applies to remote hosts only", args)
        self.prepare(args)

    def _ask_all(self, args: argparse.Namespace) -> Exit:
        """Print the answers of all hosts once the last has arrived, then the notes and which hosts failed."""
        from ovstool import fleet
        from ovstool.terminal.live.progress import progress

        asked = {target: Answer.awaited(target, target.name) for target in args.targets}

        def ask(target: "Target") -> Answer:
            with self.answer(asked[target], args) as answer:
                return answer.held()

        try:
            with progress(self.app.stderr, len(asked)) as show:
                size = vars(args).get("batch_size") or len(asked)
                outcomes = fleet.in_batches(ask, args.targets, size, args.parallel, args.fail_fast, show)
        except fleet.Interrupted as interrupted:
            self.print_notes(asked.values(), args)
            self._print_interrupted(interrupted.outcomes, args)
            raise
        answers = [outcome.result for outcome in outcomes if outcome.result]
        try:
            outcome = self._print(args, answers) if answers else Exit.OK
        finally:
            self.print_notes(asked.values(), args)
            failure = self._report_hosts([(done.host, done.error) for done in outcomes if done.error], args)
            if skipped := [done.host.name for done in outcomes if not done.finished]:
                self.note(f"not started because a host failed: {', '.join(skipped)}", args)
        return failure or outcome

    def _print(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        is_page = getattr(args, "formatter", "table") == "table"  # other formats are printed as they arrive
        with self.paged() if is_page else nullcontext():
            return self.emit_answers(args, answers)

    @contextmanager
    def _only_answer(self, args: argparse.Namespace) -> Iterator[Answer]:
        """The answer of the only switch; its rows may still be arriving. Its notes are printed at the end of the block."""
        asked = Answer.awaited(next(iter(args.targets), None))
        try:
            with self.answer(asked, args) as answer:
                yield answer
        finally:
            self.print_notes([asked], args)

    @contextmanager
    def answer(self, asked: Answer, args: argparse.Namespace) -> Iterator[Answer]:
        """The answer with its result; the switch stays connected during the block."""
        with reach_by(args, self.app.connections).switch(asked) as switch:
            yield asked._replace(result=self.completed(self._on_switch(switch, args), asked.target, args))

    def _on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        try:
            return self.on_switch(switch, args)
        except NotFound as error:
            names_another = error.hint and not error.hint.startswith("ovstool ")
            if self.if_absent and (names_another or self.if_absent.startswith(error.hint or "-")):
                raise NotFound(error.what, error.why, self.if_absent) from error
            raise

    def _report_hosts(self, failed: "Sequence[tuple[Target, BaseException]]", args: argparse.Namespace) -> Exit:
        """Print a line for each host that failed. Return their exit code if all hosts failed with the same one, else SOME_FAILED."""
        self.app.stdout.flush()
        codes = {report(error, args.debug, self.app.stderr, host.name) for host, error in failed}
        if not failed:
            return Exit.OK
        return codes.pop() if len(codes) == 1 and len(failed) == len(args.targets) else Exit.SOME_FAILED

    def _print_interrupted(self, outcomes: "Sequence[Outcome[Target, Answer]]", args: argparse.Namespace) -> None:
        """Print which hosts are done, even with -q: nobody should have to guess what an interrupted command has changed."""
        done = [outcome.host.name for outcome in outcomes if outcome.result]
        rest = [outcome.host.name for outcome in outcomes if not outcome.finished]
        text = f"ovstool: interrupted; done: {', '.join(done) or 'none'}; unknown: {', '.join(rest) or 'none'}"
        print(one_line(text), file=self.app.stderr)
        self._report_hosts([(outcome.host, outcome.error) for outcome in outcomes if outcome.error], args)


class SwitchLister(SwitchCommand, TableCommand):
    """A command that lists: ``on_switch`` returns or yields rows of ``columns``, or a Table if the columns depend on the options.

    ``nothing`` is the note for people if there are no rows and no other notes.
    """

    nothing = ""

    def prepare(self, args: argparse.Namespace) -> None:
        if self.columns:
            self.check_columns(args, [*self.columns, "host"])

    def table(self, result: Any) -> Table:
        """The result of ``on_switch`` as a table."""
        return result if isinstance(result, Table) else Table(self.columns, result)

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        """Print the rows of all hosts as one table; on a terminal without columns that are empty in every row."""
        columns, rows = one_table([(answer.host, self.table(answer.result)) for answer in answers])
        rows = iter(rows)
        first = next(rows, None)
        rows = [] if first is None else chain([first], rows)
        is_quiet = not any(answer.notes or answer.found for answer in answers)
        if first is None and self.nothing and is_quiet and args.formatter in ("table", "lines"):
            self.note(self.nothing, args)
        elif first is not None and self.is_for_people(args):
            rows = list(rows)
            args.columns = _with_values(columns, rows, args.sort_columns)
            if left_out := [column for column in columns if column not in args.columns]:
                self.note(f"no value in {', '.join(left_out)}; try: --all-columns", args)
        self.emit(args, columns, rows)
        return Exit.OK


class SwitchChecker(SwitchLister):
    """A command that looks for problems or differences; the exit code is NO if there are any."""

    columns: Sequence[str] = ("port", "severity", "problem", "evidence", "remedy")
    nothing = "no problem found"

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        super().emit_answers(args, answers)
        return Exit.NO if any(answer.result for answer in answers) else Exit.OK


class SwitchShow(SwitchCommand, OutputCommand, ShowOne):
    """A command that shows one thing: ``on_switch`` returns a named tuple or a dict."""

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        """Print one object, or a list with those of all hosts; for people one below the other."""
        if args.formatter == "table" or answers[0].host is None:
            for answer in answers:
                if answer.host:
                    self.print_lines([f"host {answer.host}"])
                self.show(args, answer.result)
            return Exit.OK
        objects = [{"host": answer.host} | self.as_object(answer.result, args) for answer in answers]
        columns = list(dict.fromkeys(column for shown in objects for column in shown))
        self.emit(args, columns, [[plain(shown.get(column)) for column in columns] for shown in objects], many=True)
        return Exit.OK

    def as_object(self, shown: Any, args: argparse.Namespace) -> dict[str, Any]:
        return shown if isinstance(shown, dict) else shown._asdict()

    def show(self, args: argparse.Namespace, shown: Any) -> None:
        """Print one object."""
        shown = self.as_object(shown, args)
        self.emit(args, list(shown), [plain(value) for value in shown.values()])


class SwitchWriter(SwitchLister):
    """A command that changes something: ``on_switch`` returns what happened to each object."""

    columns: Sequence[str] = Change._fields
    formatter_default = "lines"

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        if parsed_args.read_only and not parsed_args.dry_run:
            raise UsageError(self.cmd_name or "", "changes the switch, which --read-only or $OVSTOOL_READ_ONLY forbids", "--dry-run")
        return super().take_action(parsed_args)

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> Exit:
        if not args.dry_run:
            return super().emit_answers(args, answers)
        for answer in answers:
            if args.as_ovs:
                self.print_lines(_same_lines(answer, args))
            else:
                self.print_plan(answer)
            for *what, change in self.table(answer.result).rows:
                self.note(f"{' '.join(filter(None, (answer.host, *what)))}: would be {change}", args)
        return Exit.OK

    def print_plan(self, answer: Answer) -> None:
        """Print the transaction as the JSON array that ``ovsdb-client transact`` takes; for many hosts one line each, with the host."""
        plan = ["Open_vSwitch", *answer.planned]
        self.app.stdout.write(json.dumps({"host": answer.host, "transact": plan} if answer.host else plan) + "\n")


def _with_values(columns: Sequence[str], rows: Sequence[Sequence[Any]], wanted: Sequence[str]) -> list[str]:
    """The columns that have a value in some row, or are ``wanted``; all columns if there are none."""
    kept = [column for place, column in enumerate(columns) if column in wanted or any(row[place] not in _NOTHING for row in rows)]
    return kept or list(columns)


def reach_by(args: argparse.Namespace, connections: "Connections | None") -> Reach:
    return Reach(
        db=args.db,
        tls=Tls(args.private_key, args.certificate, args.ca_cert),
        timeout_s=time_for(args),
        wait=not args.no_wait,
        dry_run=args.dry_run,
        as_ovs=args.as_ovs,
        sudo=args.sudo,
        accept_new_host_key=args.accept_new_host_key,
        connections=connections,
        comment=args.comment,
        confirm_within_s=args.confirm_within,
        inventory=args.inventory,
    )


def addressed(findings: Sequence[Finding], target: "Target | None", args: argparse.Namespace) -> "list[FindingRow]":
    """Findings as they are printed, with remedies that name the switch as the user did."""
    if not findings:
        return []
    from ovstool import remedy

    return remedy.rows(findings, _naming(target, args))


def _same_lines(answer: Answer, args: argparse.Namespace) -> list[str]:
    """The commands of Open vSwitch's own tools for the changes of an answer, as shell lines for this machine."""
    if not answer.same_lines:
        return []
    from ovstool import remedy

    naming = _naming(answer.target, args)
    if not answer.target and args.db and local.is_default(args.db):
        naming = naming._replace(db=None)
    return [remedy.line(line, naming) for line in answer.same_lines]


def _naming(target: "Target | None", args: argparse.Namespace) -> "Naming":
    from ovstool.remedy import Naming

    far = None if target and target.is_here else target
    return Naming(far, args.sudo, args.db, os.environ.get("OVSTOOL_DB"), Tls(args.private_key, args.certificate, args.ca_cert))
