"""The live table with ten thousand ports: CPU time from a key press to the screen update, and of a reading.

Called by report.py; to run it alone: ``python3 bench/live.py``, with the Python that ovstool is installed for. It is one process without a
terminal; rich writes to a file instead.
"""

import gc
import statistics
import tempfile
import time

import pairs
from rich.console import Console
from rich.live import Live as RichLive

from ovstool.rates import Rate
from ovstool.terminal.live.cells import Characters
from ovstool.terminal.live.live import Frame
from ovstool.terminal.live.rates import RatesView
from ovstool.terminal.live.table import Table
from ovstool.terminal.live.view import Seen

PORTS = 10_000
COLUMNS, LINES = 200, 50
READINGS = 130  # so that all columns of the sparklines are filled
MOST_MS = 50  # per key

KEYS = {
    "down, up, page down, end, home": ["down", "up", "page down", "end", "home"] * 10,
    "/ and a filter, key by key": [*("/", "p", "9", "9", "backspace", "esc")] * 8,
    "s, r: in another order": ["s", "r"] * 20,
}


def report() -> None:
    """(j) A key press with ten thousand ports."""
    print(f"\n(j) the live table of {PORTS:,} ports on {COLUMNS} x {LINES}: CPU from a key to the screen, and of a reading")
    gc.set_threshold(300_000)  # as in ovstool
    with tempfile.TemporaryFile("w") as written:
        console = Console(file=written, force_terminal=True, width=COLUMNS, height=LINES)
        with RichLive(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
            view = RatesView(Rate, None, True, Characters("utf-8"))
            view.link_speeds[None] = {f"p{number}": 10**10 for number in range(PORTS)}
            table = Table(view, "bench", True)
            rows = map(_reading, range(READINGS))
            readings = [_timed(lambda sample=sample: table.take([sample]), live, table) for sample in rows]
            _print("a reading, sorted and drawn (once a second)", readings)
            for what, keys in KEYS.items():
                _print(what, [_timed(lambda key=key: table.press(key), live, table) for key in keys], MOST_MS)


def _timed(act, live: RichLive, table: Table) -> float:
    begun = time.process_time()
    act()
    live.update(Frame(table.lines(COLUMNS, LINES)), refresh=True)
    return (time.process_time() - begun) * 1000


def _reading(number: int) -> list[Seen]:
    rates = ((port * 7919 + number * 104729) % 10**9 for port in range(PORTS))
    return [
        Seen(None, Rate(float(number), f"p{port}", 1.0, bps, bps / 2, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, False))
        for port, bps in enumerate(rates)
    ]


def _print(what: str, times_ms: list[float], most_ms: float | None = None) -> None:
    verdict = "" if most_ms is None else f"  {pairs.verdict(max(times_ms) <= most_ms, f'<= {most_ms} ms')}"
    print(f"  {what:<44}{statistics.median(times_ms):>8.1f} ms, at most {max(times_ms):.1f} ms{verdict}", flush=True)


if __name__ == "__main__":
    report()
