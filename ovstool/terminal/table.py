"""Tables for people: ``-f table``, fitted to the window of a terminal, and the styles of tabulate."""

import argparse
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, TextIO

from ovstool import units
from ovstool.lazy_imports import hidden
from ovstool.terminal import colour, layout
from ovstool.terminal.formats import Columns, Formatter, Rows, flat, human
from ovstool.terminal.layout import Column
from ovstool.terminal.output import canvas
from ovstool.terminal.window import width_of

# Minimum widths of these columns, in characters.
_STREAMED_TEXTS = {"agent": 15, "ports": 15, "sample": 32, "talker": 20, "object": 15, "field": 20, "from": 12, "to": 12, "who": 12}
_DATE = "%Y-%m-%d"
_NARROW = 8  # characters; minimum width of a wrapped text in the styles of tabulate


class TableFormatter(Formatter):
    """A table with right-aligned numbers. ``table`` is drawn here, fitted to the window of a terminal; the other styles are tabulate's."""

    _day = ""  # of the last row printed

    def emit_list(self, column_names: Columns, data: Rows, stdout: TextIO, parsed_args: argparse.Namespace) -> None:
        values = list(zip(*data, strict=True)) or [()] * len(column_names)
        texts = _texts_on_a_terminal if stdout.isatty() and parsed_args.formatter == "table" else _texts
        cells = [texts(name, of) for name, of in zip(column_names, values, strict=True)]
        if any(cells) or parsed_args.print_empty:
            room = _room(stdout, parsed_args)
            columns = [layout.measured(flat(name), of, _are_numbers(of), bool(room)) for name, of in zip(column_names, cells, strict=True)]
            self._draw(columns, list(zip(*cells, strict=True)), room, stdout, parsed_args.formatter)

    def emit_more(self, column_names: Columns, data: Rows, stdout: TextIO, parsed_args: argparse.Namespace, first: bool) -> None:
        """Columns of a fixed width, because later rows are unknown; only a terminal's window folds them.

        The date is printed on a separate line when it changes, and before the first row unless that is today's.
        """
        head, drawn = _row_by_row(column_names, _room(stdout, parsed_args), stdout)
        lines = head if first else []
        for row in data:
            lines += self._new_day(column_names, row)
            lines += drawn([human(name, value) for name, value in zip(column_names, row, strict=True)])
        canvas(stdout).write("".join(f"{line}\n" for line in lines))

    def _new_day(self, names: Columns, row: Sequence[Any]) -> list[str]:
        if "time" not in names:
            return []
        before = self._day or time.strftime(_DATE)
        self._day = time.strftime(_DATE, time.localtime(row[names.index("time")]))
        return [self._day] if self._day != before else []

    def emit_one(self, column_names: Columns, data: Sequence[Any], stdout: TextIO, parsed_args: argparse.Namespace) -> None:
        rows = list(_fields(column_names, data))
        room = _room(stdout, parsed_args)
        columns = [layout.measured(name, [row[place] for row in rows], False, bool(room)) for place, name in enumerate(("field", "value"))]
        if parsed_args.formatter != "table" or not room:
            self._draw(columns, rows, room, stdout, parsed_args.formatter)
            return
        lines = (lead + text for field, value in rows for lead, text in layout.labelled(field, value, room, 0, columns[0].widest))
        canvas(stdout).write("".join(f"{line.rstrip()}\n" for line in lines))

    def _draw(self, columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int, stdout: TextIO, style: str) -> None:
        if style == "table":
            text = "\n".join(layout.chosen(columns, room).drawn(rows, colour.paint_for(stdout)))
        else:
            text = _tabulated(columns, rows, room, style)
        canvas(stdout).write(text + "\n")  # the cells are escaped; the tabs between those of tsv must not be


def _texts(column: str, values: Sequence[Any]) -> list[str]:
    """The values of a column for people; most are plain text or missing."""
    if column == "time":
        return _times(values)
    return [value if type(value) is str and value.isprintable() else "-" if value is None else human(column, value) for value in values]


def _times(values: Sequence[float]) -> list[str]:
    """The times of day, with the dates unless all are today's."""
    texts = [human("time", value) for value in values]
    days = [time.strftime(_DATE, time.localtime(value)) for value in values]
    return texts if set(days) <= {time.strftime(_DATE)} else [f"{day} {text}" for day, text in zip(days, texts, strict=True)]


def _texts_on_a_terminal(column: str, values: Sequence[Any]) -> list[str]:
    """The values of a column on a terminal, with seconds in the two largest units; other output keeps the plain number."""
    if column != "duration_s":
        return _texts(column, values)
    return ["-" if value is None else units.human_duration(value) for value in values]


def _row_by_row(names: Columns, room: int, stdout: TextIO) -> tuple[list[str], Callable[[Sequence[str]], Iterable[str]]]:
    """The header lines of a streamed table, and the function that makes the lines of a row."""
    columns = _streamed(names, room)
    if room:
        chosen = layout.chosen(columns, room)
        return list(chosen.head()), partial(chosen.row, paint=colour.paint_for(stdout))
    template = " ".join(f"{{:{'>' if column.is_number else '<'}{column.least}}}" for column in columns).format
    return [template(*names).rstrip()], lambda row: [template(*row).rstrip()]


def _streamed(names: Columns, room: int) -> list[Column]:
    """Columns of a streamed table, whose cells cannot be measured yet; the last text column gets the remaining room."""
    columns = [
        Column(name, least, least, name not in _STREAMED_TEXTS)
        for name in names
        for least in [max(len(name), _STREAMED_TEXTS.get(name, 15 if name == "port" else 12))]
    ]
    texts = [place for place, column in enumerate(columns) if not column.is_number]
    spare = room - sum(column.least + layout.GAP for column in columns) + layout.GAP
    if texts and spare > 0:
        columns[texts[-1]] = columns[texts[-1]]._replace(widest=columns[texts[-1]].least + spare)
    return columns


def _fields(names: Columns, values: Sequence[Any]) -> Iterator[list[str]]:
    """A row for each field, or for each part of a field that has parts."""
    for name, value in zip(names, values, strict=True):
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for number, part in enumerate(value):
                words = "  ".join(f"{flat(key)} {human(key, item)}" for key, item in part.items() if item is not None)
                yield ["" if number else flat(name), words]
        else:
            yield [flat(name), human(name, value)]


def _tabulated(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int, style: str) -> str:
    headers = [column.header for column in columns]
    tabulate = _import_tabulate(wide=not all(cell.isascii() for cell in chain(headers, *rows)))
    if room:
        widths = _narrowed(columns, room - len(columns) - 1 - layout.GAP)  # borders are three wide, and one
        headers, *rows = [
            ["\n".join(layout.wrapped(cell, width)) for cell, width in zip(row, widths, strict=True)] for row in [headers, *rows]
        ]
    tabulate.MIN_PADDING = 0  # it makes each column two wider than its header
    align = ["right" if column.is_number else "left" for column in columns]
    # Numbers are text already: tabulate would print 10,000 as 1e+04 and guess at MAC addresses.
    return tabulate.tabulate(rows, headers, tablefmt=style, colalign=align if rows else None, disable_numparse=True)


def _narrowed(columns: Sequence[Column], room: int) -> list[int]:
    """Widths that fit, breaking words if necessary; numbers are not broken, because part of a number would be a different number."""
    whole = [column.least for column in columns]
    broken = [column.least if column.is_number else min(column.least, _NARROW) for column in columns]
    return layout.narrowed(columns, whole, room) or layout.narrowed(columns, broken, room) or broken


def _are_numbers(cells: Sequence[str]) -> bool:
    known = [cell for cell in cells if cell != "-"]
    return bool(known) and all(cell.replace(".", "", 1).isdecimal() for cell in known)


def _import_tabulate(wide: bool) -> Any:
    """The tabulate module, without wcwidth (15 of its 22 ms) unless some text is not ASCII."""
    with hidden("wcwidth"):
        import tabulate

    if wide and tabulate.WIDE_CHARS_MODE is False:
        try:
            import wcwidth
        except ImportError:
            return tabulate
        tabulate.wcwidth = wcwidth  # type: ignore[attr-defined]
        tabulate.WIDE_CHARS_MODE = True
    return tabulate


def _room(stdout: TextIO, parsed_args: argparse.Namespace) -> int:
    """The width that a table has to fit, in characters; 0 means unlimited."""
    if parsed_args.max_width > 0:
        return parsed_args.max_width
    if parsed_args.fit_width or (parsed_args.formatter == "table" and stdout.isatty()):
        try:
            return os.get_terminal_size(stdout.fileno()).columns
        except (OSError, ValueError):
            return width_of("COLUMNS")
    return 0
