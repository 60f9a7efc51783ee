"""The base class of commands that measure repeatedly: rows are printed as they arrive, or shown as a live table."""

import argparse
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from ovstool.answers import Answer
from ovstool.switch_command import SwitchCommand, SwitchLister
from ovstool.terminal import formats
from ovstool.terminal.output import Output

if TYPE_CHECKING:
    from ovstool.terminal.live.live import Shown
    from ovstool.terminal.live.view import Seen, View

_NOTES = 20  # notes of a live view that are printed when it ends


class Sample(NamedTuple):
    """The rows of one measurement, and the link speeds of ports in bit/s, if known and requested."""

    rows: Sequence[Any]
    link_speeds: Mapping[str, int] = {}


class SwitchStream(SwitchLister):
    """A command that lists rows, or if it ``streams`` yields one Sample after another, each of which is printed at once.

    On a terminal ``--watch`` shows them as a live table; the reader must then follow ``args.pace``, which is otherwise None.
    ``row_class`` is the class of the rows.
    """

    title = "Open vSwitch"  # of the live table if no database was named

    def row_class(self, args: argparse.Namespace) -> Any:
        raise NotImplementedError

    def row_columns(self, args: argparse.Namespace) -> Sequence[str]:
        """The columns of the rows."""
        return self.row_class(args)._fields

    def streams(self, args: argparse.Namespace) -> bool:
        raise NotImplementedError

    def live_title(self, args: argparse.Namespace) -> str:
        """What the first line of the live table begins with."""
        return args.db or self.title

    def view(self, args: argparse.Namespace, sort: str | None, descending: bool) -> "View":
        """The live table of the rows."""
        raise NotImplementedError

    def details(self, seen: "Seen", args: argparse.Namespace) -> Iterable[str]:
        """The page for a row of the live table. Raises OvstoolError."""
        raise NotImplementedError

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        parsed_args.pace = None
        if not self.streams(parsed_args):
            return super().take_action(parsed_args)
        show = self._print_samples
        if self.is_live(parsed_args):
            from ovstool.pace import Pace

            parsed_args.pace, show = Pace(parsed_args.interval or 1.0), self._show_live
        return self.take_samples(parsed_args, lambda answers: show(self._while_read(answers), parsed_args))

    def is_live(self, args: argparse.Namespace) -> bool:
        """Whether to show a live table: output is to a capable terminal, and no other format was requested."""
        plain = args.formatter != "table" or args.columns or os.environ.get("TERM", "dumb") == "dumb"
        return args.watch and not plain and self.app.stdout.isatty()

    def _while_read(self, answers: Iterator[Answer]) -> Iterator[Answer]:
        """The answers, until nobody reads the output any more: a stream may have nothing to write for days. Raises BrokenPipeError."""
        for answer in answers:
            if isinstance(self.app.stdout, Output):
                self.app.stdout.require_reader()
            yield answer

    def _print_samples(self, answers: Iterator[Answer], args: argparse.Namespace) -> None:
        stream = None
        columns = self.row_columns(args)
        for answer in answers:
            self.print_notes([answer], args)
            host = {"host": answer.host} if answer.host else {}
            stream = stream or formats.Stream(self.known_columns(args, [*host, *columns]), args, self.app.stdout)
            stream.write([host | dict(zip(columns, row, strict=True)) for row in answer.result.rows])

    def _show_live(self, answers: Iterator[Answer], args: argparse.Namespace) -> None:
        from ovstool.terminal.live.live import has_keyboard
        from ovstool.terminal.live.table import Table

        self.known_columns(args, self.row_class(args)._fields)
        sort = args.sort_columns[0] if args.sort_columns else None
        view = self.view(args, sort, args.sort_direction == "desc" or not (sort or args.sort_direction))
        table = Table(view, self.live_title(args), has_keyboard(), args.pace, lambda seen: self.details(seen, args))

        def watched() -> Iterator[Answer]:
            for answer in answers:
                view.link_speeds[answer.host] = answer.result.link_speeds
                yield answer

        show_live(self, table, watched(), args)


def show_live(command: SwitchCommand, shown: "Shown", answers: Iterator[Answer], args: argparse.Namespace) -> None:
    """Show the rows of all hosts together until q is pressed, then print the notes made meanwhile."""
    from ovstool.terminal.live.live import Live
    from ovstool.terminal.live.view import Seen

    latest: dict[str | None, Sequence[Seen]] = {}  # rows by host
    notes: deque[str] = deque(maxlen=_NOTES)
    with Live(shown, stdout=command.app.stdout) as live:
        for answer in answers:
            for text in command.said(answer, args):
                notes.append(text)
                live.note(text)
            latest[answer.host] = [Seen(answer.host, row) for row in answer.result.rows]
            if not live.show(list(chain.from_iterable(latest.values()))):
                break
    for text in notes:
        command.note(text, args)
