"""The base classes of all commands: parsing, notes, output through cliff's formatters, and an error as one line and an exit code."""

import argparse
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import cliff.command
from cliff.lister import Lister

from ovstool.errors import Exit, OvstoolError, UsageError, of_a_bug, of_the_machine, one_line, quote
from ovstool.parser import Parser, add_common_options, add_output_options
from ovstool.terminal.formats import Formatters
from ovstool.terminal.output import canvas


def report(error: BaseException, debug: bool, stderr: Any, host: str | None = None) -> Exit:
    """Print an error as one line, with ``host`` if there are several, and return its exit code."""
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
    hint = "the same command with --debug, and report what it prints"
    print(one_line(f"ovstool: {where}{of_a_bug(error)}; try: {hint}"), file=stderr)
    return Exit.BUG


def docstring(command_class: type) -> str:
    """The docstring of a command, which is its help, without the code's indentation; inspect and textwrap would take 10 ms to import."""
    text = command_class.__doc__ or ""
    _, newline, indentation = text.rpartition("\n")  # before the quotes that end it; none from Python 3.13 on
    return text.replace(newline + indentation, "\n").strip() if newline else text


class Command(cliff.command.Command):
    """A command without a switch. ``take_action`` returns an exit code or None."""

    app: Any  # an App of ours

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
            for line in self._shown_note(f"ovstool: note: {one_line(text)}"):
                print(line, file=self.app.stderr)

    def _shown_note(self, text: str) -> Iterable[str]:
        """The lines of a note: on a terminal folded to its window, except that a command to copy stays on one line; elsewhere one line."""
        if not self.app.stderr.isatty():
            return [text]
        from ovstool.terminal.layout import hanging
        from ovstool.terminal.window import window_width

        room = window_width(2)
        said, separator, command = text.partition("; try: ")
        if len(text) <= room or not separator:
            return hanging(text, room)
        return [*hanging(said, room), f"    try: {command}"]

    def paged(self) -> AbstractContextManager[None]:
        """Send the output of the block through the user's pager if it is longer than the screen of a terminal."""
        if not self.app.stdout.isatty():
            return nullcontext()
        from ovstool.terminal.pager import paged

        return paged(self.app.stdout)

    def print_lines(self, lines: Iterable[str]) -> None:
        """Print lines; a newline within a line is escaped."""
        draw = canvas(self.app.stdout).write  # already escaped
        for line in lines:
            draw(f"{one_line(line)}\n")

    def print_diff(self, lines: Iterable[tuple[str, str]]) -> None:
        """Print the lines of a diff, each given with its sign: on a terminal - in red and + in green."""
        if not self.app.stdout.isatty():
            self.print_lines(line for _, line in lines)
            return
        from ovstool.terminal import colour

        draw, painted = canvas(self.app.stdout).write, colour.paint_for_diff(self.app.stdout)
        for sign, line in lines:
            draw(f"{painted(sign, one_line(line))}\n")

    def print_page(self, lines: Iterable[str]) -> None:
        """Print a page for people, on a terminal in colour and folded to its window; a command to copy stays on one line."""
        if not self.app.stdout.isatty():
            self.print_lines(lines)
            return
        from ovstool.terminal import colour
        from ovstool.terminal.layout import hanging
        from ovstool.terminal.window import window_width

        draw, room, painted = canvas(self.app.stdout).write, window_width(), colour.paint_for_lines(self.app.stdout)
        for line in map(one_line, lines):
            for part in [line] if line.lstrip().startswith("try: ") else hanging(line, room):
                draw(f"{painted(part)}\n")


class OutputCommand(Command):
    """A command with output options, which are cliff's with tabulate's styles."""

    formatter_default = "table"
    own_formats: Sequence[str] = ()  # formats of this command alone, which it prints itself
    prints_rows = False

    def _load_formatter_plugins(self) -> Any:
        return Formatters()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_output_options(parser, self.formatter_default, self.prints_rows, self.own_formats)
        return parser

    def check_columns(self, parsed_args: argparse.Namespace, columns: Sequence[str]) -> None:
        """Raise UsageError for an unknown column, before a long measurement starts."""
        for name in ("columns", "sort_columns"):
            wanted = [column.lower().strip().replace(" ", "_") for column in getattr(parsed_args, name, [])]
            for column in wanted:
                if column not in columns:
                    raise UsageError(f"column {quote(column)}", "no such column", ", ".join(columns))
            setattr(parsed_args, name, wanted)

    def known_columns(self, parsed_args: argparse.Namespace, columns: Sequence[str]) -> list[str]:
        """The columns to show, all of which exist; cliff would ignore a misspelt one."""
        self.check_columns(parsed_args, columns)
        if parsed_args.columns and "host" in columns:
            parsed_args.columns = ["host", *parsed_args.columns]  # without it the rows of different hosts could not be told apart
        return [column for column in columns if column in parsed_args.columns] or list(columns)

    def is_for_people(self, parsed_args: argparse.Namespace) -> bool:
        """Whether the output goes to a terminal and no format or columns were requested: then empty columns may be left out."""
        return parsed_args.formatter == "table" and not (parsed_args.columns or parsed_args.all_columns) and self.app.stdout.isatty()

    def emit(self, parsed_args: argparse.Namespace, columns: Sequence[str], data: Any, many: bool = False) -> None:
        """Print through cliff; ``many``: rows, from a command that otherwise shows one object."""
        kept = self.known_columns(parsed_args, columns)
        self.formatter = self._formatter_plugins[parsed_args.formatter].obj  # type: ignore[attr-defined]
        if not many:
            self.produce_output(parsed_args, columns, data)  # type: ignore[attr-defined]
            return
        places = [columns.index(column) for column in kept]
        self.formatter.emit_list(kept, [[row[place] for place in places] for row in data], self.app.stdout, parsed_args)


class TableCommand(OutputCommand, Lister):
    """A command that prints rows with these columns."""

    columns: Sequence[str] = ()
    prints_rows = True
