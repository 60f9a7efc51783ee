"""The base of commands whose rows come again and again: printed as they come, or shown as one live table."""

import argparse
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from ovstool.answers import Answer
from ovstool.switch_command import SwitchLister
from ovstool.terminal import formats

_NOTES = 20  # of a live table, printed when it ends


class Sample(NamedTuple):
    """The rows that were measured at one moment, and the link speeds of ports in bit/s, as far as they are known and were asked for."""

    rows: Sequence[Any]
    link_speeds: Mapping[str, int] = {}


class SwitchStream(SwitchLister):
    """A command that lists, or when it ``streams`` yields a Sample again and again, each of which is printed at once.

    On a terminal ``--watch`` shows them as one live table. ``row_class`` is the class of the rows.
    """

    def row_class(self, args: argparse.Namespace) -> Any:
        raise NotImplementedError

    def streams(self, args: argparse.Namespace) -> bool:
        raise NotImplementedError

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        if not self.streams(parsed_args):
            return super().take_action(parsed_args)
        show = self._show_live if self.is_live(parsed_args) else self._print_samples
        return self.take_samples(parsed_args, lambda answers: show(answers, parsed_args))

    def is_live(self, args: argparse.Namespace) -> bool:
        """Whether to show a table that stays in place: there is a terminal to show it on, and nothing else was asked for."""
        plain = args.formatter != "table" or args.columns or os.environ.get("TERM", "dumb") == "dumb"
        return args.watch and not plain and self.app.stdout.isatty()

    def _print_samples(self, answers: Iterator[Answer], args: argparse.Namespace) -> None:
        stream = None
        columns = self.row_class(args)._fields
        for answer in answers:
            self.print_notes([answer], args)
            host = {"host": answer.host} if answer.host else {}
            stream = stream or formats.Stream(self.known_columns(args, [*host, *columns]), args, self.app.stdout)
            stream.write([host | dict(zip(columns, row, strict=True)) for row in answer.result.rows])

    def _show_live(self, answers: Iterator[Answer], args: argparse.Namespace) -> None:
        from ovstool.terminal.live_table import LiveTable

        latest: dict[str | None, Sequence[Any]] = {}  # rows by host
        link_speeds: dict[str, int] = {}
        notes: deque[str] = deque(maxlen=_NOTES)
        row_class = self.row_class(args)
        self.known_columns(args, row_class._fields)
        sort = args.sort_columns[0] if args.sort_columns else None
        title = args.db or "Open vSwitch"
        descending = args.sort_direction == "desc" or not (sort or args.sort_direction)
        with LiveTable(row_class, link_speeds.get, sort, descending, title=title) as table:
            for answer in answers:
                for text in self.said(answer, args):
                    notes.append(text)
                    table.note(text)
                sample = _with_host(answer.host, answer.result)
                latest[answer.host] = sample.rows
                link_speeds.update(sample.link_speeds)
                if not table.show(list(chain.from_iterable(latest.values()))):
                    break
        for text in notes:
            self.note(text, args)


def _with_host(host: str | None, sample: Sample) -> Sample:
    """The sample, its ports called by their host too where there are several."""
    if not host:
        return sample
    rows = [row._replace(port=f"{host} {row.port}") for row in sample.rows]
    return Sample(rows, {f"{host} {port}": bps for port, bps in sample.link_speeds.items()})
