"""The live table of the flows with the most traffic."""

import time
from collections.abc import Hashable, Iterator
from functools import partial

from ovstool.terminal.live.cells import BOLD, PLAIN, SPARK, Cell, Characters
from ovstool.terminal.live.rates import per_second
from ovstool.terminal.live.view import Column, Line, Seen, View
from ovstool.units import human, human_duration

_ORDERS = ("bps", "pps", "table", "priority", "cookie", "match", "actions")


class FlowsView(View):
    noun = "flow"
    nothing = "no flow had any traffic"
    enter = "whole flow"
    found_by = "match or actions"
    histories = ("bps",)
    rates = ("bps", "pps")

    def __init__(self, sort: str | None, descending: bool, characters: Characters, several_hosts: bool):
        super().__init__(_ORDERS, sort, descending, characters)
        self._several_hosts = several_hosts

    def columns(self) -> list[Column]:
        columns = [
            Column("bit/s", 8, 0, partial(per_second, ["bps"], BOLD), ["bps"]),
            Column("history", 8, 4, lambda line, width: (self.characters.sparkline(line.last("bps", width)), SPARK), is_history=True),
            Column("pkt/s", 8, 2, partial(per_second, ["pps"], PLAIN), ["pps"]),
            Column("table", 5, 3, lambda line, width: (str(line.row.table), PLAIN), ["table"]),
            Column("priority", 8, 3, lambda line, width: (str(line.row.priority), PLAIN), ["priority"]),
            Column("match", 16, 0, partial(self._text, "match"), ["match"], lambda seen: _words(seen, "match")),
            Column("actions", 16, 1, partial(self._text, "actions"), ["actions"], lambda seen: _words(seen, "actions")),
        ]
        host = Column(
            "host", 8, 0, lambda line, width: (self._clipped(line.seen.host or "", width), PLAIN), (), lambda seen: seen.host or ""
        )
        return [host, *columns] if self._several_hosts else columns

    def key(self, seen: Seen) -> Hashable:
        return seen.host, seen.row.table, seen.row.priority, seen.row.match

    def name(self, seen: Seen) -> str:
        return self.of_host(seen, f"{_words(seen, 'match')} actions={seen.row.actions}")

    def moment(self, seen: Seen) -> tuple[float, float]:
        return time.time(), seen.row.interval_s

    def _text(self, name: str, line: Line, width: int) -> Cell:
        return self._clipped(_words(line.seen, name), width), PLAIN

    def _clipped(self, text: str, width: int) -> str:
        return self.characters.clip(self.characters.printable(text), width)


def _words(seen: Seen, name: str) -> str:
    return getattr(seen.row, name) or "any"


def page(seen: Seen) -> Iterator[str]:
    """A flow in full, including everything that the table truncates."""
    row = seen.row
    yield f"table {row.table}, priority {row.priority}, cookie {row.cookie}"
    yield f"{human(row.bps, 'bit/s')}, {human(row.pps, 'pkt/s')} over the last {human_duration(row.interval_s)}"
    yield ""
    for name in ("match", "actions"):
        yield f"  {name:9}  {_words(seen, name)}"
