"""The bases of all commands: a command is a function of one switch, and this module does the rest.

It parses, calls the function for the switch that was named, hands the rows to a cliff formatter, and turns an error into one
line on stderr and an exit code.
"""

import argparse
import copy
import json
import os
import re
import shlex
import textwrap
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import cliff.command
from cliff.lister import Lister
from cliff.show import ShowOne

from ovstool import units
from ovstool.errors import Exit, OvstoolError, UsageError, of_the_machine, one_line, quote
from ovstool.host import Host, Tls, local
from ovstool.host.deadline import Deadline
from ovstool.switch import Change, Finding, Switch
from ovstool.terminal import render

if TYPE_CHECKING:
    from ovstool.fleet import Outcome
    from ovstool.host.inventory import Target

_COMMON = "common options (before or after the command words)"
_OUTPUT = "output options"
_LONGEST_S = 10**6
_PARALLEL = 16
_NOTES = 20  # of a live table, printed when it ends
_STAND_IN = "\0"  # which no word has
_LONGEST_MESSAGE = 400  # characters; argparse repeats what it was given, however long


class _HelpFormatter(argparse.HelpFormatter):
    """argparse's, with a usage line that leaves out the options that every command has."""

    def __init__(self, prog: str):
        super().__init__(prog, width=render.window_width() - 2)

    def add_usage(self, usage: str | None, actions: Any, groups: Any, prefix: str | None = None) -> None:
        own = [
            action for action in actions if getattr(action, "container", None) is None or action.container.title not in (_OUTPUT, _COMMON)
        ]
        super().add_usage(usage, own, [], prefix)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Wrap paragraphs to the terminal; indented lines, which are examples or a table, stay as they are."""
        paragraphs = [re.split(r"\n(?= )", paragraph, maxsplit=1) for paragraph in text.split("\n\n")]
        return "\n\n".join(
            "\n".join([super(_HelpFormatter, self)._fill_text(prose, width, indent), *lines]) for prose, *lines in paragraphs
        )


class Parser(argparse.ArgumentParser):
    """argparse that abbreviates nothing, raises instead of exiting, takes positionals between options, and ``--`` for what it is."""

    def __init__(self, **kwargs: Any):
        super().__init__(allow_abbrev=False, add_help=False, formatter_class=_HelpFormatter, **kwargs)
        self.color = False  # which newer ones have, and no other text of ovstool

    def parse_words(self, words: Sequence[str], defaults: argparse.Namespace) -> argparse.Namespace:
        """Parse options and positionals in any order. What follows ``--`` is positional, whatever it looks like."""
        head = before_double_dash(words)
        behind = [f"{_STAND_IN}{word}" for word in words[len(head) + 1 :]]
        args, rest = self.parse_known_intermixed_args([*head, *behind], defaults)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(map(_meant, rest))}")
        return args

    # argparse has read "--" differently in almost every release, and takes one away that is the value of an option. So it is not
    # shown any: words with a mark in front take the places of those behind "--", until their values are made.

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        if action.option_strings and any(word.startswith(_STAND_IN) for word in arg_strings):
            raise argparse.ArgumentError(action, "a value is missing before --")
        return super()._get_values(action, [f"{_STAND_IN}--" if word == "--" else word for word in arg_strings])

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        return super()._get_value(action, _meant(arg_string))

    def format_help(self) -> str:
        """Usage, description, then the command's own options; those that every command has come last."""
        last = [_OUTPUT, _COMMON]
        self._action_groups.sort(key=lambda group: last.index(group.title) + 1 if group.title in last else 0)
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        message = message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}..."
        words = self.prog.removeprefix("ovstool").strip()
        help_command = f"ovstool help {words}".strip()
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            from difflib import get_close_matches

            near = get_close_matches(unknown.partition(" ")[0].partition("=")[0], self._option_string_actions, 1, 0.5)
            help_command = " or ".join([*near, help_command])
        # What is wrong with a value often comes with something to try already.
        raise UsageError(words or "command line", message.removeprefix("argument "), None if "; try: " in message else help_command)


def before_double_dash(words: Sequence[str]) -> Sequence[str]:
    return words[: words.index("--")] if "--" in words else words


def _meant(word: str) -> str:
    return word.removeprefix(_STAND_IN)


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """The options that every command takes, before and after its words; unset ones leave what was set before alone."""
    group = parser.add_argument_group(_COMMON)

    def add(*names: str, **kwargs: Any) -> None:
        group.add_argument(*names, default=argparse.SUPPRESS, **kwargs)

    add(
        "--db",
        metavar="TARGET",
        type=_address,
        help="the switch's database: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT (default: $OVSTOOL_DB, else db.sock in $OVS_RUNDIR)",
    )
    add(
        "-H",
        "--host",
        metavar="HOST",
        dest="hosts",
        action="append",
        help="reach the switch over SSH: [USER@]HOST[:PORT], leaf[01-32], @GROUP, and lists of those with commas; repeatable "
        "(default: $OVSTOOL_HOST, else this machine)",
    )
    add("--inventory", metavar="FILE", help="where groups of hosts are: YAML, or Ansible's INI or YAML (default: see ovstool(1))")
    add("--sudo", action="store_true", help="on the far host, run as root through 'sudo -n'")
    add("--parallel", metavar="N", type=number(1, 1000), help="hosts worked on at once (default: 16)")
    add("--fail-fast", action="store_true", help="begin no further host once one has failed")
    add("--accept-new-host-key", action="store_true", help="trust a host that known_hosts does not have, and write its key down")
    add("--private-key", metavar="FILE", help="PEM file of the private key for ssl:")
    add("--certificate", metavar="FILE", help="PEM file of the certificate that goes with it")
    add("--ca-cert", metavar="FILE", help="PEM file of the CA that signed the switch's certificate")
    add("-t", "--timeout", metavar="S", type=seconds, help="seconds for the whole command (default: $OVS_CTL_TIMEOUT, else 30)")
    add("--no-wait", action="store_true", help="do not wait for ovs-vswitchd to apply a change")
    add("-n", "--dry-run", action="store_true", help="change nothing; print the transaction for 'ovsdb-client transact'")
    add("-v", "--verbose", dest="verbose_level", action="count", help="say on stderr what is asked of the switch")
    add("-q", "--quiet", dest="verbose_level", action="store_const", const=0, help="print no notes on stderr")
    add("--debug", action="store_true", help="show a traceback when something fails")
    add("-h", "--help", action="store_true", dest="help", help="show this help and exit")


def common_defaults() -> argparse.Namespace:
    """What the common options are when nobody sets them."""
    return argparse.Namespace(
        db=os.environ.get("OVSTOOL_DB") or None,
        hosts=None,
        inventory=None,
        sudo=False,
        parallel=_PARALLEL,
        fail_fast=False,
        accept_new_host_key=False,
        private_key=None,
        certificate=None,
        ca_cert=None,
        timeout=None,
        no_wait=False,
        dry_run=False,
        verbose_level=1,
        debug=False,
        help=False,
    )


def _address(text: str) -> str:
    """argparse type: anything but nothing, which is what a script's unset variable gives; it must not mean the default switch."""
    if not text:
        raise argparse.ArgumentTypeError("empty; try: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT")
    return text


def seconds(text: str) -> float:
    """argparse type: a positive number of seconds."""
    value = units.decimal_number(text)
    if not value or value > _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{quote(text)}: not a number of seconds above 0")
    return value


def number(low: int, high: int) -> Callable[[str], int]:
    """argparse type: a whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        value = units.whole_number(text, low, high)
        if value is None:
            raise argparse.ArgumentTypeError(f"{quote(text)}: not a whole number from {low} to {high}")
        return value

    return parse


def report(error: BaseException, debug: bool, stderr: Any, host: str | None = None) -> Exit:
    """Print the one line that a failure is, of ``host`` when there are several, and return its exit code."""
    if debug:
        import traceback

        traceback.print_exception(error, file=stderr)
    where = f"{host}: " if host and not str(error).startswith(f"{host}: ") else ""
    if isinstance(error, OvstoolError):
        print(one_line(f"ovstool: {where}{error}"), file=stderr)
        return error.exit_code
    if limit := of_the_machine(error):
        print(one_line(f"ovstool: {where}{limit}"), file=stderr)
        return Exit.REFUSED
    words = " ".join(str(error).split())[:200]
    hint = "again with --debug, and report what it prints"
    print(one_line(f"ovstool: {where}a bug in ovstool: {type(error).__name__}: {words}; try: {hint}"), file=stderr)
    return Exit.BUG


def docstring(command_class: type) -> str:
    """The docstring of a command, which is its help, without the indentation of the code; importing inspect takes 7 ms."""
    first, _, rest = (command_class.__doc__ or "").partition("\n")
    return f"{first}\n{textwrap.dedent(rest)}".strip()


class Command(cliff.command.Command):
    """A command without a switch. ``take_action`` returns an exit code or None."""

    def __init__(self, app: Any, app_args: argparse.Namespace | None, cmd_name: str | None = None):
        super().__init__(app, app_args)  # without the name, or cliff looks for hook plugins at every start
        self.cmd_name = cmd_name

    def get_description(self) -> str:
        return docstring(type(self))

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = Parser(prog=prog_name, description=self.get_description())
        add_common_options(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            result = self.take_action(parsed_args)
            self.app.stdout.flush()
            return result or Exit.OK
        except OvstoolError as error:
            return report(error, parsed_args.debug, self.app.stderr)

    def note(self, text: str, parsed_args: argparse.Namespace) -> None:
        """Tell the user something that is neither data nor an error."""
        if parsed_args.verbose_level > 0:
            print(f"ovstool: note: {one_line(text)}", file=self.app.stderr)

    def print_lines(self, lines: Iterable[str]) -> None:
        """Print a page for people; what is in a line cannot end it."""
        self.app.stdout.writelines(f"{one_line(line)}\n" for line in lines)


class _Output(Command):
    """The output options, which are cliff's with tabulate's styles."""

    label: str | None = None

    formatter_default = "table"

    def _load_formatter_plugins(self) -> Any:
        return render.Formatters()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        group = parser.add_argument_group(_OUTPUT)
        group.add_argument(
            "-f", "--format", dest="formatter", metavar="FORMAT", type=_format, default=self.formatter_default,
            help=f"table, json, csv, yaml, value, shell, lines, or a style of tabulate such as github (default: {self.formatter_default})",
        )  # fmt: skip
        group.add_argument(
            "-c", "--column", action="append", default=[], dest="columns", metavar="COLUMN", help="show this column; repeatable"
        )
        group.add_argument("--noindent", action="store_true", help="json on one line")
        group.add_argument(
            "--max-width", metavar="N", type=number(0, units.MAX), default=render.width_of("CLIFF_MAX_TERM_WIDTH"),
            help="wrap a table at N characters (default: $CLIFF_MAX_TERM_WIDTH)",
        )  # fmt: skip
        group.add_argument(
            "--fit-width",
            action="store_true",
            default=os.environ.get("CLIFF_FIT_WIDTH") == "1",
            help="wrap a table at the terminal's width",
        )
        group.add_argument("--print-empty", action="store_true", help="print the head of an empty table")
        group.add_argument(
            "--quote", choices=("all", "minimal", "none", "nonnumeric"), dest="quote_mode", default="nonnumeric", help="what csv quotes"
        )
        group.add_argument("--prefix", default="", type=_prefix, help="what the variable names of shell begin with")
        self._formatter_group = group
        return parser

    def check_columns(self, parsed_args: argparse.Namespace, columns: Sequence[str]) -> None:
        """Raise UsageError for a column that was asked for and does not exist; before something is measured for an hour."""
        for name in ("columns", "sort_columns"):
            wanted = [column.lower().strip().replace(" ", "_") for column in getattr(parsed_args, name, [])]
            for column in wanted:
                if column not in columns and not (self.label and column == "host"):
                    raise UsageError(f"column {quote(column)}", "there is no such column", ", ".join(columns))
            setattr(parsed_args, name, wanted)

    def _known_columns(self, parsed_args: argparse.Namespace, columns: Sequence[str]) -> list[str]:
        """The columns to show, once all that were asked for are known to exist; cliff would pass over a misspelt one."""
        self.check_columns(parsed_args, columns)
        if parsed_args.columns and "host" in columns:
            parsed_args.columns = ["host", *parsed_args.columns]  # without it nobody could tell one host's rows from another's
        return [column for column in columns if column in parsed_args.columns] or list(columns)

    def _emit(self, parsed_args: argparse.Namespace, columns: Sequence[str], data: Any, many: bool = False) -> None:
        """Print through cliff; ``many``: rows, where a command shows one object otherwise."""
        kept = self._known_columns(parsed_args, columns)
        self.formatter = self._formatter_plugins[parsed_args.formatter].obj  # type: ignore[attr-defined]
        if not many:
            self.produce_output(parsed_args, columns, data)  # type: ignore[attr-defined]
            return
        places = [columns.index(column) for column in kept]
        self.formatter.emit_list(kept, [[row[place] for place in places] for row in data], self.app.stdout, parsed_args)


class Answer(NamedTuple):
    """What the switch on one host answered, and the command that asked it; ``host`` None: the only one that was asked."""

    host: str | None
    command: Any
    result: Any


class SwitchCommand(Command):
    """Calls ``on_switch`` for each switch that was named: here, on one host, or on many at once."""

    exit_code = Exit.OK  # what the failures of hosts amount to
    label: str | None = None  # the host that this copy asks, when several are asked
    target: "Target | None" = None  # the same, also when it is the only one
    switch: Switch

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        raise NotImplementedError

    def prepare(self, args: argparse.Namespace) -> None:
        """What is done once and not for each host: reading a file, refusing what cannot be meant."""

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> None:
        """Print what the switches answered; there is at least one."""
        raise NotImplementedError

    def run(self, parsed_args: argparse.Namespace) -> int:
        return super().run(parsed_args) or self.exit_code

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        with self.answers(parsed_args) as answers:
            if answers:
                self.emit_answers(parsed_args, answers)

    @contextmanager
    def answers(self, args: argparse.Namespace) -> Iterator[list[Answer]]:
        """What ``on_switch`` returns for each switch, in the order named; then their notes and failures are printed.

        From one switch alone rows may still be coming while they are printed. Of many, what has come is held until all have answered.
        """
        self.prepare(args)
        targets = self._targets(args)
        if len(targets) <= 1:
            with self._asked(args, targets[0] if targets else None) as command, _noting(command, args):
                yield [Answer(None, command, command.on_switch(command.switch, args))]
            return

        from ovstool import fleet

        asked: dict[str, SwitchCommand] = {}

        def ask(target: "Target") -> Answer:
            with self._asked(args, target, several=True) as command:
                asked[target.name] = command
                result = command.on_switch(command.switch, args)
                return Answer(target.name, command, list(result) if isinstance(result, Iterator) else result)

        try:
            with render.progress(self.app.stderr, len(targets)) as progress:
                done = fleet.each(ask, targets, args.parallel, args.fail_fast, progress)
        except fleet.Interrupted as interrupted:
            _print_all_notes(asked, targets, args)
            self._print_interrupted(interrupted.outcomes, args)
            raise
        try:
            yield [outcome.result for outcome in done if outcome.result]
        finally:
            _print_all_notes(asked, targets, args)
            self.report_hosts([(outcome.host, outcome.error) for outcome in done if outcome.error], len(targets), args)
            skipped = [outcome.host.name for outcome in done if not outcome.finished]
            if skipped:
                self.note(f"not begun after the failure: {', '.join(skipped)}", args)

    @contextmanager
    def beats(self, args: argparse.Namespace) -> Iterator[Iterator[Answer]]:
        """What ``on_switch`` yields, as an Answer each, from all hosts at once in the order in which it comes."""
        self.prepare(args)
        targets = self._targets(args)
        if len(targets) <= 1:
            with self._asked(args, targets[0] if targets else None) as command, _noting(command, args):
                yield (Answer(None, command, rows) for rows in command.on_switch(command.switch, args))
            return

        from ovstool import fleet

        asked: dict[str, SwitchCommand] = {}

        def ask(target: "Target") -> Iterator[Answer]:
            with self._asked(args, target, several=True) as command:
                asked[target.name] = command
                for rows in command.on_switch(command.switch, args):
                    yield Answer(target.name, command, rows)

        merged = fleet.Merged(ask, targets)
        try:
            yield (answer for _, answer in merged)
        finally:
            merged.stop()
            _print_all_notes(asked, targets, args)
            self.report_hosts(merged.errors, len(targets), args)

    def report_hosts(self, failed: "Sequence[tuple[Target, BaseException]]", count: int, args: argparse.Namespace) -> None:
        """A line for each host that failed. When all did for one cause it is that cause's exit code, else that of some."""
        self.app.stdout.flush()
        codes = {report(error, args.debug, self.app.stderr, host.name) for host, error in failed}
        if failed:
            self.exit_code = codes.pop() if len(codes) == 1 and len(failed) == count else Exit.SOME_FAILED

    def _targets(self, args: argparse.Namespace) -> "list[Target]":
        """The hosts that were named; none: this one."""
        words = args.hosts or ([os.environ["OVSTOOL_HOST"]] if os.environ.get("OVSTOOL_HOST") else [])
        if not words:
            return []
        from ovstool.host import inventory

        return inventory.hosts(words, args.inventory, Deadline(time_for(args)))

    @contextmanager
    def _asked(self, args: argparse.Namespace, target: "Target | None" = None, several: bool = False) -> Iterator[Any]:
        """A copy of this command with a switch of its own, since several may be asked at once."""
        command = copy.copy(self)
        command.label = target.name if target and several else None
        command.target = target
        timeout_s = time_for(args)
        allowed = Deadline(timeout_s)
        host: Host = local
        if target:
            from ovstool.host.ssh import Ssh

            host = Ssh(target.address, args.sudo, args.accept_new_host_key, allowed)
        command.switch = Switch(
            db=args.db,
            tls=Tls(args.private_key, args.certificate, args.ca_cert),
            timeout_s=timeout_s,
            wait=not args.no_wait,
            dry_run=args.dry_run,
            host=host,
            allowed=allowed,
        )
        try:
            yield command
        finally:
            command.switch.close()
            host.close()

    def taken_notes(self, args: argparse.Namespace) -> list[str]:
        """The switch's notes and findings since the last time, with its host in front when there are several."""
        texts = [*self.switch.notes, *map(_in_words, self.addressed(args, self.switch.found))]
        self.switch.notes.clear()
        self.switch.found.clear()
        return [f"{self.label}: {text}" if self.label else text for text in texts]

    def print_notes(self, args: argparse.Namespace) -> None:
        """Print them, on the terminal below what the command has printed."""
        if texts := self.taken_notes(args):
            self.app.stdout.flush()
        for text in texts:
            self.note(text, args)

    def addressed(self, args: argparse.Namespace, findings: Sequence[Finding]) -> list[Finding]:
        """The same with remedies that can be pasted here: for the switch that was asked, as it was named."""
        tls = [
            w
            for name in ("private_key", "certificate", "ca_cert")
            if (v := getattr(args, name))
            for w in (f"--{name.replace('_', '-')}", v)
        ]
        options = ["-H", self.target.address] if self.target else []
        options += ["--sudo"] if self.target and args.sudo else []
        options += ["--db", args.db] if args.db and args.db != os.environ.get("OVSTOOL_DB") else []

        def here(command: str) -> str:
            program, *words = command.split(" ")
            if program == "ovstool":
                return " ".join([program, *map(shlex.quote, [*options, *tls]), *words])
            # These know nothing of $OVSTOOL_DB and $OVSTOOL_HOST.
            database = [f"--db={args.db}", *tls] if args.db and program == "ovs-vsctl" else []
            command = " ".join([program, *map(shlex.quote, database), *words])
            return self.target.shell_command(command, args.sudo) if self.target else command

        return [
            replace(finding, remedy=" && ".join(map(here, _commands(finding.remedy)))) if finding.remedy else finding
            for finding in findings
        ]

    def _print_interrupted(self, outcomes: "Sequence[Outcome]", args: argparse.Namespace) -> None:
        """Which hosts are done: what a half-finished command has done must not be guessed at, so this is said even with -q."""
        done = [outcome.host.name for outcome in outcomes if outcome.result]
        rest = [outcome.host.name for outcome in outcomes if not outcome.finished]
        text = f"ovstool: interrupted; done: {', '.join(done) or 'none'}; not known: {', '.join(rest) or 'none'}"
        print(one_line(text), file=self.app.stderr)
        self.report_hosts([(outcome.host, outcome.error) for outcome in outcomes if outcome.error], len(outcomes), args)


class SwitchLister(SwitchCommand, _Output, Lister):
    """A command that lists: ``on_switch`` returns or yields rows, each a dataclass or a tuple, in the order of ``columns``."""

    columns: Sequence[str] = ()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        group = self._formatter_group
        group.add_argument(
            "--sort-column", action="append", default=[], dest="sort_columns", metavar="COLUMN", help="sort by this column; repeatable"
        )
        order = group.add_mutually_exclusive_group()
        order.add_argument("--sort-ascending", action="store_const", dest="sort_direction", const="asc", help="smallest first (default)")
        order.add_argument("--sort-descending", action="store_const", dest="sort_direction", const="desc", help="largest first")
        return parser

    def prepare(self, args: argparse.Namespace) -> None:
        if self.columns:
            self.check_columns(args, [*self.columns, "host"])

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> None:
        """Print the rows of all hosts as one table; a host that lacks a column of another has null there."""
        if answers[0].host is None:
            self._emit(args, answers[0].command.columns, map(_cells, answers[0].result))
            return
        columns = list(dict.fromkeys(column for answer in answers for column in answer.command.columns))
        rows = []
        for host, command, result in answers:
            for row in result:
                cells = dict(zip(command.columns, _cells(row), strict=True))
                rows.append([host, *map(cells.get, columns)])
        self._emit(args, ["host", *columns], rows)


class SwitchChecker(SwitchLister):
    """A command that looks for what is wrong, or differs: with any row the answer is no."""

    columns: Sequence[str] = [f.name for f in fields(Finding)]

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> None:
        super().emit_answers(args, answers)
        if any(answer.result for answer in answers):
            self.exit_code = Exit.NO


class SwitchStream(SwitchLister):
    """A command that lists, or when it ``streams`` yields a list of rows again and again, each of which is printed at once.

    On a terminal ``--watch`` shows them as one live table. ``row_class`` is the class of the rows, ``link_speeds`` are those of ports in bit/s.
    """

    link_speeds: Mapping[str, int] = {}

    def row_class(self, args: argparse.Namespace) -> Any:
        raise NotImplementedError

    def streams(self, args: argparse.Namespace) -> bool:
        raise NotImplementedError

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        if not self.streams(parsed_args):
            return super().take_action(parsed_args)
        with self.beats(parsed_args) as beats:
            show = self._show_live if self.is_live(parsed_args) else self._print_beats
            show(beats, parsed_args)

    def is_live(self, args: argparse.Namespace) -> bool:
        """Whether to show a table that stays in place: there is a terminal to show it on, and nothing else was asked for."""
        plain = args.formatter != "table" or args.columns or os.environ.get("TERM", "dumb") == "dumb"
        return args.watch and not plain and self.app.stdout.isatty()

    def _print_beats(self, beats: Iterator[Answer], args: argparse.Namespace) -> None:
        stream = None
        for host, command, rows in beats:
            command.print_notes(args)
            columns = ["host", *command.columns] if host else command.columns
            stream = stream or render.Stream(self._known_columns(args, columns), args, self.app.stdout)
            stream.write([dict(zip(columns, [host, *_cells(row)] if host else _cells(row), strict=True)) for row in rows])

    def _show_live(self, beats: Iterator[Answer], args: argparse.Namespace) -> None:
        from ovstool.terminal.live import Table

        latest: dict[str | None, tuple[SwitchStream, list]] = {}
        notes: deque[str] = deque(maxlen=_NOTES)

        def link_speed(port: str) -> int | None:
            host, _, name = port.rpartition(" ")
            command, _ = latest.get(host or None, (self, []))
            return command.link_speeds.get(name)

        row_class = self.row_class(args)
        self._known_columns(args, row_class._fields)
        sort = args.sort_columns[0] if args.sort_columns else None
        title = args.db or "Open vSwitch"
        descending = args.sort_direction == "desc" or not (sort or args.sort_direction)
        with Table(row_class, link_speed, sort, descending, title=title) as table:
            for host, command, rows in beats:
                for text in command.taken_notes(args):
                    notes.append(text)
                    table.note(text)
                latest[host] = command, [row._replace(port=f"{host} {row.port}") for row in rows] if host else rows
                if not table.show([row for _, shown in latest.values() for row in shown]):
                    break
        for text in notes:
            self.note(text, args)


class SwitchShow(SwitchCommand, _Output, ShowOne):
    """A command that shows one thing: ``on_switch`` returns a dataclass or a dict."""

    def emit_answers(self, args: argparse.Namespace, answers: Sequence[Answer]) -> None:
        """Print one object, or a list of those of all hosts; for people one below the other."""
        if args.formatter == "table" or answers[0].host is None:
            for host, _, result in answers:
                if host:
                    self.print_lines([f"host {host}"])
                self.show(args, result)
            return
        objects = [{"host": host} | self.as_object(result, args) for host, _, result in answers]
        columns = list(dict.fromkeys(column for shown in objects for column in shown))
        self._emit(args, columns, [[plain(shown.get(column)) for column in columns] for shown in objects], many=True)

    def as_object(self, shown: Any, args: argparse.Namespace) -> dict[str, Any]:
        return {f.name: getattr(shown, f.name) for f in fields(shown)} if is_dataclass(shown) else shown

    def show(self, args: argparse.Namespace, shown: Any) -> None:
        """Print one object."""
        shown = self.as_object(shown, args)
        self._emit(args, list(shown), [plain(value) for value in shown.values()])


class SwitchWriter(SwitchLister):
    """A command that changes something: ``on_switch`` returns what happened to each object."""

    columns: Sequence[str] = Change._fields
    formatter_default = "lines"

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        with self.answers(parsed_args) as answers:
            if parsed_args.dry_run:
                self.print_plans(parsed_args, answers)
            elif answers:
                self.emit_answers(parsed_args, answers)

    def print_plans(self, args: argparse.Namespace, answers: Sequence[Answer]) -> None:
        """What would be sent, as the JSON array that ``ovsdb-client transact`` takes; of many hosts a line each, with the host."""
        for host, command, changes in answers:
            plan = ["Open_vSwitch", *command.switch.planned]
            self.app.stdout.write(json.dumps({"host": host, "transact": plan} if host else plan) + "\n")
            for *what, change in changes:
                self.note(f"{' '.join(filter(None, (host, *what)))}: would be {change}", args)


def plain(value: Any) -> Any:
    """A value as JSON has it: dataclasses become objects, tuples lists."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


@contextmanager
def _noting(command: SwitchCommand, args: argparse.Namespace) -> Iterator[None]:
    """Print the notes of a command when the block ends, however it does."""
    try:
        yield
    finally:
        command.print_notes(args)


def _print_all_notes(asked: Mapping[str, SwitchCommand], targets: "Sequence[Target]", args: argparse.Namespace) -> None:
    """The notes of all hosts that were asked, in the order named; by one thread, so that no line of one is within a line of another."""
    for target in targets:
        if target.name in asked:
            asked[target.name].print_notes(args)


def _in_words(finding: Finding) -> str:
    words = ": ".join(filter(None, (finding.port, finding.problem, finding.evidence)))
    return f"{words}; try: {finding.remedy}" if finding.remedy else words


def _commands(remedy: str) -> list[str]:
    """The commands of a remedy, each as it is written; a && within quotes is no end of one."""
    words = re.findall(r"""(?:[^\s'"]|'[^']*'|"[^"]*")+""", remedy)
    ends = [place for place, word in enumerate(words) if word == "&&"]
    return [" ".join(words[begin + 1 : end]) for begin, end in zip([-1, *ends], [*ends, len(words)], strict=True)]


def _cells(row: Any) -> Sequence[Any]:
    return [plain(getattr(row, f.name)) for f in fields(row)] if is_dataclass(row) else row


def _format(text: str) -> str:
    if text not in render.Formatters():
        raise argparse.ArgumentTypeError(f"{quote(text)}: no such format; one of {', '.join(render.Formatters())}")
    return text


def _prefix(text: str) -> str:
    if not (text + "x").isidentifier() or not text.isascii():
        raise argparse.ArgumentTypeError(f"{quote(text)}: cannot begin the name of a shell variable")
    return text


def time_for(args: argparse.Namespace) -> float:
    """Seconds that a command has, on each host."""
    return args.timeout or _environment_timeout()


def _environment_timeout() -> float:
    text = os.environ.get("OVS_CTL_TIMEOUT")
    if not text:
        return 30
    if text == "0":  # Open vSwitch's own tools wait without end then
        return _LONGEST_S
    try:
        return seconds(text)
    except argparse.ArgumentTypeError as error:
        raise UsageError("OVS_CTL_TIMEOUT", str(error)) from error
