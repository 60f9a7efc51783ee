"""The live table of the talkers with the most traffic, estimated from samples."""

from collections.abc import Callable, Hashable, Iterator
from functools import partial

from ovstool.pace import Pace
from ovstool.terminal.formats import human
from ovstool.terminal.live.cells import BAD, BOLD, DIM, PLAIN, SPARK, Cell, Characters
from ovstool.terminal.live.rates import per_second
from ovstool.terminal.live.view import Column, Line, Seen, View

_ORDERS = ("bps", "error_percent", "pps", "samples", "agent", "talker")
_LOSSES = ("lost", "duplicates")
_DOUBTFUL = 100  # percent of error: from here on the confidence interval of the rate includes 0
_TALKER, _NAME = 34, 16  # characters of a conversation of IPv4, and of an address


class TalkersView(View):
    noun = "talker"
    nothing = "no packets sampled yet"
    enter = "details"
    found_by = "talker or agent"
    histories = ("bps",)

    def __init__(self, by: str, sort: str | None, descending: bool, characters: Characters, pace: Pace, several_hosts: bool):
        super().__init__((*_ORDERS, *(_LOSSES if by == "agent" else ())), sort, descending, characters)
        self._by, self._pace, self._several_hosts = by, pace, several_hosts

    def columns(self) -> list[Column]:
        columns = [
            Column("bit/s", 8, 0, partial(per_second, ["bps"], BOLD), ["bps"]),
            Column("95% error", 9, 1, _error, ["error_percent"]),
            Column("history", 8, 5, lambda line, width: (self.characters.sparkline(line.last("bps", width)), SPARK), is_history=True),
            Column("pkt/s", 8, 3, partial(per_second, ["pps"], PLAIN), ["pps"]),
            Column("samples", 8, 4, lambda line, width: (str(line.row.samples), PLAIN), ["samples"]),
            *([Column(name, 10, 2, partial(_loss, name), [name]) for name in _LOSSES] if self._by == "agent" else []),
            *([] if self._by == "agent" else [self._text("agent", _NAME, 2, agent)]),
            self._text("talker", _TALKER if self._by == "flow" else _NAME, 0, lambda seen: seen.row.talker),
        ]
        return [self._text("host", 8, 0, lambda seen: seen.host or ""), *columns] if self._several_hosts else columns

    def key(self, seen: Seen) -> Hashable:
        return seen.host, seen.row.agent, seen.row.talker

    def name(self, seen: Seen) -> str:
        return self.of_host(seen, f"{seen.row.talker} {agent(seen)}")

    def moment(self, seen: Seen) -> tuple[float, float]:
        """The rates are averages over several intervals, so ``interval_s`` of the row is not the time between two updates."""
        return seen.row.time, self._pace.interval_s

    def _text(self, header: str, width: int, rank: int, text: Callable[[Seen], str]) -> Column:
        def cell(line: Line, room: int) -> Cell:
            return self.characters.clip(self.characters.printable(text(line.seen)), room), PLAIN

        return Column(header, width, rank, cell, [header], text)


def agent(seen: Seen) -> str:
    """An agent's name in the inventory, or its address."""
    return seen.row.agent_name or seen.row.agent or "?"


def _error(line: Line, width: int) -> Cell:
    percent = line.row.error_percent
    return f"{percent:.0f}%" if percent >= 10 else f"{percent:.1f}%", DIM if percent < _DOUBTFUL else PLAIN


def _loss(name: str, line: Line, width: int) -> Cell:
    count = getattr(line.row, name) or 0
    return str(count), BAD if count else DIM


def page(seen: Seen) -> Iterator[str]:
    """All details of a talker."""
    for name, value in seen.row._asdict().items():
        if value is not None:
            yield f"  {name:13}  {human(name, value)}"
