"""The formatter of ``-f json``, which has to be fast enough for 100,000 flows per second."""

import argparse
import json
from collections.abc import Sequence
from itertools import chain, islice
from typing import Any, TextIO

from ovstool.terminal.formats import Columns, Formatter, Rows
from ovstool.terminal.output import canvas

_ROWS_AT_ONCE = 1000  # rows of JSON in one write
_encode = json.JSONEncoder(check_circular=False).encode  # rows contain no cycles
_encode_on_lines = json.JSONEncoder(check_circular=False, separators=("\n", ": ")).encode


class JsonFormatter(Formatter):
    """A list with one object per line, or one object; one per line is fast to write and easy to grep and diff."""

    def emit_list(self, column_names: Columns, data: Rows, stdout: TextIO, parsed_args: argparse.Namespace) -> None:
        before, between, after = ("[", ", ", "]\n") if parsed_args.noindent else ("[\n  ", ",\n  ", "\n]\n")
        draw = canvas(stdout).write  # JSON output is ASCII, with unprintable characters escaped
        rows = iter(data)
        chunk = list(islice(rows, _ROWS_AT_ONCE))
        if not chunk:
            draw("[]\n")
            return
        while chunk:
            draw(before + _objects(column_names, chunk, between))
            before = between
            chunk = list(islice(rows, _ROWS_AT_ONCE))
        draw(after)

    def emit_one(self, column_names: Columns, data: Sequence[Any], stdout: TextIO, parsed_args: argparse.Namespace) -> None:
        shown = dict(zip(column_names, data, strict=True))
        stdout.write(json.dumps(shown, indent=None if parsed_args.noindent else 2) + "\n")

    def emit_more(self, column_names: Columns, data: Rows, stdout: TextIO, parsed_args: argparse.Namespace, first: bool) -> None:
        stdout.writelines(_encode(dict(zip(column_names, row, strict=True))) + "\n" for row in data)


def _objects(columns: Columns, rows: Sequence[Sequence[Any]], between: str) -> str:
    """Rows as JSON objects; all cells are encoded at once, in a third of the time of encoding row by row.

    The cells are separated by newlines, which never occur in JSON strings. Lists and objects in cells add newlines; the count reveals them.
    """
    cells = _encode_on_lines(list(chain.from_iterable(rows)))[1:-1].split("\n")
    if len(cells) != len(rows) * len(columns):
        return between.join([_encode(dict(zip(columns, row, strict=True))) for row in rows])
    pairs = [f"{_encode(column)}: ".replace("%", "%%") + "%s" for column in columns]
    return between.join([f"{{{', '.join(pairs)}}}"] * len(rows)) % tuple(cells)
