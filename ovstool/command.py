"""The bases of all commands: a command is a function of one switch, and this module does the rest.

It parses, calls the function for the switch that was named, hands the rows to a cliff formatter, and turns an error into one
line on stderr and an exit code.
"""

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, NoReturn

import cliff.command
from cliff.lister import Lister
from cliff.show import ShowOne

from ovstool import render
from ovstool.errors import Exit, OvstoolError, UsageError, quote
from ovstool.host import Tls
from ovstool.switch import Change, Switch

_COMMON = "common options (before or after the command words)"
_OUTPUT = "output options"
_LONGEST_S = 10**6
_LONGEST_MESSAGE = 400  # characters; argparse repeats what it was given, however long


class _HelpFormatter(argparse.HelpFormatter):
    """argparse's, with a usage line that leaves out the options that every command has."""

    def add_usage(self, usage: str | None, actions: Any, groups: Any, prefix: str | None = None) -> None:
        own = [
            action for action in actions if getattr(action, "container", None) is None or action.container.title not in (_OUTPUT, _COMMON)
        ]
        super().add_usage(usage, own, [], prefix)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Wrap paragraphs to the terminal; one with an indented line is an example and stays as it is."""
        paragraphs = text.split("\n\n")
        return "\n\n".join(p if "\n " in p else super(_HelpFormatter, self)._fill_text(p, width, indent) for p in paragraphs)


class Parser(argparse.ArgumentParser):
    """argparse that abbreviates nothing, raises instead of exiting, and takes positionals between options."""

    def __init__(self, **kwargs: Any):
        super().__init__(allow_abbrev=False, add_help=False, formatter_class=_HelpFormatter, **kwargs)

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
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{quote(text)}: not a number of seconds above 0")
    return value


def report(error: BaseException, debug: bool, stderr: Any) -> Exit:
    """Print the one line that a failure is, and return its exit code."""
    if debug:
        import traceback

        traceback.print_exception(error, file=stderr)
    if isinstance(error, OvstoolError):
        print(f"ovstool: {error}", file=stderr)
        return error.exit_code
    if isinstance(error, OSError) and error.filename is None:
        print(f"ovstool: standard output: {error.strerror or error}", file=stderr)
        return Exit.REFUSED
    words = " ".join(str(error).split())[:200]
    print(f"ovstool: a bug in ovstool: {type(error).__name__}: {words}; try: again with --debug, and report what it prints", file=stderr)
    return Exit.BUG


class Command(cliff.command.Command):
    """A command without a switch. ``take_action`` returns an exit code or None."""

    def __init__(self, app: Any, app_args: argparse.Namespace | None, cmd_name: str | None = None):
        super().__init__(app, app_args)  # without the name, or cliff looks for hook plugins at every start
        self.cmd_name = cmd_name

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
            print(f"ovstool: note: {text}", file=self.app.stderr)


class _Output(Command):
    """The output options, which are cliff's with tabulate's styles."""

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
            "--max-width", metavar="N", type=int, default=_width(), help="wrap a table at N characters (default: $CLIFF_MAX_TERM_WIDTH)"
        )
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

    def _known_columns(self, parsed_args: argparse.Namespace, columns: Sequence[str]) -> list[str]:
        """The columns to show, once all that were asked for are known to exist; cliff would pass over a misspelt one."""
        for name in ("columns", "sort_columns"):
            wanted = [column.lower().strip().replace(" ", "_") for column in getattr(parsed_args, name, [])]
            for column in wanted:
                if column not in columns:
                    raise UsageError(f"column {quote(column)}", "there is no such column", ", ".join(columns))
            setattr(parsed_args, name, wanted)
        return [column for column in columns if column in parsed_args.columns] or list(columns)

    def _emit(self, parsed_args: argparse.Namespace, columns: Sequence[str], data: Any) -> None:
        """Print through cliff."""
        self._known_columns(parsed_args, columns)
        self.formatter = self._formatter_plugins[parsed_args.formatter].obj  # type: ignore[attr-defined]
        self.produce_output(parsed_args, columns, data)  # type: ignore[attr-defined]


class SwitchCommand(Command):
    """A command on the switch that was named. One that prints no rows derives from this and has a ``take_action`` of its own."""

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        raise NotImplementedError

    @contextmanager
    def switched(self, args: argparse.Namespace) -> Iterator[Any]:
        """What ``on_switch`` returns, and the switch for as long as rows are taken from that; then its notes are printed."""
        if os.environ.get("OVSTOOL_HOST"):
            raise UsageError("OVSTOOL_HOST", "this version of ovstool reaches no other host", "ssh HOST ovstool, or unset OVSTOOL_HOST")
        self.switch = switch = Switch(
            db=args.db,
            tls=Tls(args.private_key, args.certificate, args.ca_cert),
            timeout_s=args.timeout or _environment_timeout(),
            wait=not args.no_wait,
            dry_run=args.dry_run,
        )
        try:
            yield self.on_switch(switch, args)
        finally:
            switch.close()
            self._print_notes(args)

    def _print_notes(self, args: argparse.Namespace) -> None:
        for text in self.switch.notes:
            self.note(text, args)
        self.switch.notes.clear()


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

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        with self.switched(parsed_args) as rows:
            self._emit(parsed_args, self.columns, map(_cells, rows))


class SwitchStream(SwitchLister):
    """A command that lists, or when it ``streams`` yields a list of rows again and again, each of which is printed at once.

    On a terminal ``--watch`` shows them as one live table. ``row_class`` is that of the rows, ``link_speeds`` those of ports in bit/s.
    """

    row_class: Any
    link_speeds: Mapping[str, int] = {}

    def streams(self, args: argparse.Namespace) -> bool:
        raise NotImplementedError

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        if not self.streams(parsed_args):
            return super().take_action(parsed_args)
        with self.switched(parsed_args) as beats:
            columns = self._known_columns(parsed_args, self.columns)
            if self.is_live(parsed_args):
                return self._show_live(beats, parsed_args)
            stream = render.Stream(columns, parsed_args, self.app.stdout)
            for rows in beats:
                self._print_notes(parsed_args)
                stream.write([dict(zip(self.columns, _cells(row), strict=True)) for row in rows])

    def is_live(self, args: argparse.Namespace) -> bool:
        """Whether to show a table that stays in place: there is a terminal to show it on, and nothing else was asked for."""
        plain = args.formatter != "table" or args.columns or os.environ.get("TERM", "dumb") == "dumb"
        return args.watch and not plain and self.app.stdout.isatty()

    def _show_live(self, beats: Any, args: argparse.Namespace) -> None:
        from ovstool.live import Table

        sort = args.sort_columns[0] if args.sort_columns else None
        told = 0
        descending = args.sort_direction == "desc" or not (sort or args.sort_direction)
        with Table(self.row_class, self.link_speeds.get, sort, descending, title=self.switch.address) as table:
            for rows in beats:
                if len(self.switch.notes) > told:  # all of them are printed at the end
                    told = len(self.switch.notes)
                    table.note(self.switch.notes[-1])
                if not table.show(rows):
                    break


class SwitchShow(SwitchCommand, _Output, ShowOne):
    """A command that shows one thing: ``on_switch`` returns a dataclass or a dict."""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        with self.switched(parsed_args) as shown:
            if is_dataclass(shown):
                shown = {f.name: getattr(shown, f.name) for f in fields(shown)}
            self._emit(parsed_args, list(shown), [plain(value) for value in shown.values()])


class SwitchWriter(SwitchLister):
    """A command that changes something: ``on_switch`` returns what happened to each object."""

    columns: Sequence[str] = Change._fields
    formatter_default = "lines"

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        with self.switched(parsed_args) as changes:
            if not parsed_args.dry_run:
                self._emit(parsed_args, self.columns, map(_cells, changes))
                return
            json.dump(["Open_vSwitch", *self.switch.planned], self.app.stdout)
            self.app.stdout.write("\n")
            for *what, change in changes:
                self.note(f"{' '.join(what)}: would be {change}", parsed_args)


def plain(value: Any) -> Any:
    """A value as JSON has it: dataclasses become objects, tuples lists."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


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


def _width() -> int:
    width = os.environ.get("CLIFF_MAX_TERM_WIDTH", "")
    return int(width) if width.isdecimal() else 0


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
