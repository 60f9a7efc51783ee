"""The formatters behind ``-f``: rows and objects to text, and values written for people.

All are cliff formatters. JSON and YAML print raw values, a table shows them with units, and the flat formats (csv, value,
shell, lines) write each value on one line.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, TextIO

from cliff.formatters import base

from ovstool import spreadsheet, units
from ovstool.errors import UsageError, escape

Columns = Sequence[str]
Rows = Iterable[Sequence[Any]]

# tabulate's own names, so that parsing a command line need not import it; a test compares the two.
TABLE_STYLES = tuple(
    "asciidoc colon_grid double_grid double_outline fancy_grid fancy_outline github grid heavy_grid heavy_outline html jira latex "
    "latex_booktabs latex_longtable latex_raw mediawiki mixed_grid mixed_outline moinmoin orgtbl outline pipe plain presto pretty psql "
    "rounded_grid rounded_outline rst simple simple_grid simple_outline textile tsv unsafehtml youtrack".split()
)
_FORMATTERS = {
    "csv": "ovstool.terminal.formats:CsvFormatter",
    "json": "ovstool.terminal.json_format:JsonFormatter",
    "lines": "ovstool.terminal.formats:LinesFormatter",
    "shell": "ovstool.terminal.formats:ShellFormatter",
    "table": "ovstool.terminal.table:TableFormatter",
    "value": "ovstool.terminal.formats:ValueFormatter",
    "yaml": "cliff.formatters.yaml_format:YAMLFormatter",
} | dict.fromkeys(TABLE_STYLES, "ovstool.terminal.table:TableFormatter")

_RATES = frozenset(["rate", "max_rate", "min_rate", "link_speed", "bps"])  # and all that end in _bps
_SIZES = frozenset(["burst"])


class Formatters(Mapping[str, Any]):
    """The formatters by name, each imported on demand; cliff would import them all at every start."""

    class Plugin:
        def __init__(self, name: str):
            module, _, attribute = _FORMATTERS[name].partition(":")
            self.obj = getattr(import_module(module), attribute)()

    def __getitem__(self, name: str) -> Plugin:
        return self.Plugin(name)

    def __iter__(self):
        return iter(_FORMATTERS)

    def __len__(self) -> int:
        return len(_FORMATTERS)


class Formatter(base.ListFormatter, base.SingleFormatter):
    """The base of our formatters, without options of their own: ``parser.py`` adds those of all formatters."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        pass

    def emit_more(self, column_names: Columns, data: Rows, stdout: TextIO, parsed_args: argparse.Namespace, first: bool) -> None:
        """Print further rows of a stream; in most formats a row is a line, whatever precedes it."""
        self.emit_list(column_names, data, stdout, parsed_args)


class ValueFormatter(Formatter):
    """Values only: one row per line, separated by spaces; ``-`` means no value, so that columns keep their positions."""

    def emit_list(self, column_names: Columns, data: Rows, stdout: TextIO, parsed_args: argparse.Namespace) -> None:
        for row in data:
            stdout.write(" ".join(flat(value) for value in row) + "\n")

    def emit_one(self, column_names: Columns, data: Sequence[Any], stdout: TextIO, parsed_args: argparse.Namespace) -> None:
        for value in data:
            stdout.write(flat(value) + "\n")


class CsvFormatter(Formatter):
    """RFC 4180 with a header; no value is an empty field, and text that a spreadsheet would take for a formula gets an apostrophe in front."""

    def emit_list(self, column_names: Columns, data: Rows, stdout: TextIO, parsed_args: argparse.Namespace) -> None:
        self.emit_more(column_names, data, stdout, parsed_args, True)

    def emit_more(self, column_names: Columns, data: Rows, stdout: TextIO, parsed_args: argparse.Namespace, first: bool) -> None:
        import csv

        quoting = getattr(csv, f"QUOTE_{parsed_args.quote_mode.upper()}")
        writer = csv.writer(stdout, quoting=quoting, lineterminator="\n", escapechar="\\" if parsed_args.quote_mode == "none" else None)
        if first:
            writer.writerow(map(_csv_cell, column_names))
        for row in data:
            writer.writerow(map(_csv_cell, row))

    def emit_one(self, column_names: Columns, data: Sequence[Any], stdout: TextIO, parsed_args: argparse.Namespace) -> None:
        self.emit_list(column_names, [data], stdout, parsed_args)


class ShellFormatter(Formatter):
    """Assignments that a shell can ``eval``. Values are quoted, because a database may contain ``$(reboot)``."""

    def emit_list(self, column_names: Columns, data: Rows, stdout: TextIO, parsed_args: argparse.Namespace) -> None:
        for row in data:
            stdout.write(" ".join(self._assignments(column_names, row, parsed_args)) + "\n")

    def emit_one(self, column_names: Columns, data: Sequence[Any], stdout: TextIO, parsed_args: argparse.Namespace) -> None:
        for assignment in self._assignments(column_names, data, parsed_args):
            stdout.write(assignment + "\n")

    def _assignments(self, column_names: Columns, row: Sequence[Any], parsed_args: argparse.Namespace) -> list[str]:
        import shlex

        pairs = zip(column_names, row, strict=True)
        return [f"{_variable(parsed_args.prefix + name)}={shlex.quote(flat(value, ''))}" for name, value in pairs]


class LinesFormatter(Formatter):
    """A line for each object: ``eth1: created`` for a change, ``eth1: rx_packets=3 ...`` for anything else."""

    def emit_list(self, column_names: Columns, data: Rows, stdout: TextIO, parsed_args: argparse.Namespace) -> None:
        if column_names[-1] == "change":
            for row in data:
                *objects, change = map(flat, row)
                stdout.write(f"{' '.join(objects)}: {change}\n" if objects else f"{change}\n")
            return
        names = 2 if column_names[0] == "host" else 1
        for row in data:
            what = " ".join(map(flat, row[:names]))
            rest = [f"{flat(name)}={flat(value)}" for name, value in zip(column_names[names:], row[names:], strict=True)]
            stdout.write(f"{what}: {' '.join(rest)}\n" if rest else f"{what}\n")

    def emit_one(self, column_names: Columns, data: Sequence[Any], stdout: TextIO, parsed_args: argparse.Namespace) -> None:
        for name, value in zip(column_names, data, strict=True):
            stdout.write(f"{flat(name)}: {flat(value)}\n")


class Stream:
    """Rows that are printed as they arrive, in the format named by ``-f``: one JSON object per line, one line of csv, and so on.

    Each ``write`` takes one measurement, which is sorted separately and flushed at once.
    """

    def __init__(self, columns: Sequence[str], parsed_args: argparse.Namespace, stdout: TextIO):
        self._columns = columns
        self._args = parsed_args
        self._stdout = stdout
        self._formatter = row_by_row(parsed_args.formatter)
        self._first = True

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        for column in reversed(self._args.sort_columns):
            descending = self._args.sort_direction == "desc"
            rows = sorted(rows, key=lambda row: (row[column] is None, row[column] or 0), reverse=descending)
        cells = [[row[column] for column in self._columns] for row in rows]
        if cells:
            self._formatter.emit_more(self._columns, cells, self._stdout, self._args, self._first)
            self._first = False
        self._stdout.flush()


def row_by_row(name: str) -> Any:
    """The formatter named by ``-f``, which prints rows as they arrive. Raises UsageError for one that cannot."""
    formatter = Formatters()[name].obj
    # The other table styles need column widths, which are unknown while rows are still to come.
    if not hasattr(formatter, "emit_more") or (name in TABLE_STYLES and name != "plain"):
        raise UsageError(f"-f {name}", "cannot be printed row by row", "-f json, csv, value, lines or table")
    return formatter


CONNECTION = {True: "connected", False: "NOT CONNECTED", None: "passive"}  # of a controller; passive: the bridge waits for it


def flat(value: Any, nothing: str = "-") -> str:
    """A value as one line for scripts: lists with commas, maps as ``key=value``, unprintable characters escaped."""
    match value:
        case str():
            return value if value.isprintable() else escape(value)
        case bool():
            return "true" if value else "false"
        case None | []:
            return nothing
        case list() if isinstance(value[0], dict):
            return json.dumps(value, separators=(",", ":"))
        case list():
            return ",".join(flat(item) for item in value)
        case dict():
            return ",".join(f"{flat(key)}={flat(item)}" for key, item in value.items()) or nothing
        case _:
            return str(value)


def _csv_cell(value: Any) -> int | float | str:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else spreadsheet.text(flat(value, ""))


def _variable(name: str) -> str:
    """A valid name for a shell variable; a name from a peer may contain ``$(reboot)`` too."""
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
    return f"_{name}" if not name or name[0].isdigit() else name


def human(column: str, value: Any) -> str:
    """A value for people; ``column`` determines its unit."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float() if column in _RATES or column in _SIZES or column.endswith("_bps"):
            return _units(column)(value)
        case int() | float() if column == "time":
            return f"{time.strftime('%H:%M:%S', time.localtime(value))}.{int(value % 1 * 1000):03}"
        case float():
            return f"{value:.6g}"
        case _:
            return flat(value)


def _units(column: str) -> Callable[[int | float], str]:
    return units.human_size if column in _SIZES else units.human_rate
