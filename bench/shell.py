"""Many commands in one ``ovstool shell``, compared with one process for each.

Called by report.py; to run it alone: ``python3 bench/shell.py``, with the Python that ovstool is installed for.
"""

import os
import pty
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import pairs

from ovstool import sandbox

LINES = 10_000
PROCESSES = 100  # processes to measure; a hundred times their time stands for all
MOST = 1 / 20  # of the time of one process per command
SECOND_MS = 10  # of the second command, from Enter to the prompt
ROUNDS = 21
_PROMPT = b"> "
_COMMAND = "stats eth1 -f value"


def report() -> None:
    """(u) A script of 10,000 lines; (v) the second command typed at the prompt."""
    with tempfile.TemporaryDirectory(prefix="ovstool-bench-", dir="/tmp") as name:
        box, _ = sandbox.start(Path(name) / "box", "dummy", ["eth1"])
        try:
            pairs.guarded(script, box, Path(name) / "script")
            pairs.guarded(second, box, name)
        finally:
            sandbox.stop(box.directory)


def script(box: sandbox.Sandbox, file: Path) -> None:
    file.write_text(f"{_COMMAND}\n" * LINES)
    pairs.head(f"(u) ovstool shell, a script of {LINES:,} lines '{_COMMAND}' / as many processes ({PROCESSES} measured)")
    each = [pairs.run([*pairs.OVSTOOL, f"--db={box.db}", *_COMMAND.split()], pairs.ENVIRON) for _ in range(PROCESSES)]
    whole = pairs.Cost(sum(cost.wall_s for cost in each), sum(cost.cpu_s for cost in each), max(cost.peak_bytes for cost in each))
    ours = pairs.run([*pairs.OVSTOOL, f"--db={box.db}", "shell", str(file)], pairs.ENVIRON)
    print(pairs.line(f"{LINES:,} commands", [ours], [whole.times(LINES // PROCESSES)], MOST, MOST))
    print(pairs.memory_line("peak of the shell", [ours], 64))


def second(box: sandbox.Sandbox, home: str) -> None:
    print(f"\n(v) the second '{_COMMAND}' at the prompt of ovstool shell, from Enter to the next prompt")
    ours, theirs = pty.openpty()
    environ = pairs.ENVIRON | {"XDG_STATE_HOME": home, "TERM": "dumb"}
    argv = [*pairs.OVSTOOL, f"--db={box.db}", "shell"]
    with subprocess.Popen(argv, env=environ, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as shell:
        os.close(theirs)
        _until_prompt(ours)
        took_ms = [_typed_ms(ours) for _ in range(ROUNDS + 1)]
        os.write(ours, b"exit\r")
        shell.wait(pairs.LIMIT_S)
    os.close(ours)
    middle = statistics.median(took_ms[1:])
    print(f"  {'first, ms':<44}{took_ms[0]:>11.1f}")
    print(
        f"  {'those after it, ms: median / longest':<44}{middle:>11.1f} / {max(took_ms[1:]):.1f}  {pairs.verdict(middle <= SECOND_MS, f'<= {SECOND_MS}')}"
    )


def _typed_ms(terminal: int) -> float:
    begin = time.perf_counter()
    os.write(terminal, f"{_COMMAND}\r".encode())
    _until_prompt(terminal)
    return (time.perf_counter() - begin) * 1000


def _until_prompt(terminal: int) -> None:
    shown = b""
    while not shown.endswith(_PROMPT):
        shown += os.read(terminal, 1 << 16)


if __name__ == "__main__":
    report()
