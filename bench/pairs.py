"""Compares commands: whole processes, one after the other (A B A B ...), with ratios taken within each round.

Other load slows down A and B alike, so the ratio within a round is meaningful even where the times are not.
"""

import os
import select
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


class Failed(Exception):
    """A program to be measured does not work as expected."""


@dataclass(frozen=True)
class Cost:
    """The costs of one process and its children: seconds of wall clock and CPU time, and the largest peak memory in bytes."""

    wall_s: float
    cpu_s: float
    peak_bytes: int

    def times(self, count: int) -> "Cost":
        """The costs of one process and its children: wall clock and CPU time in seconds, and the highest peak memory in bytes."""
        return Cost(self.wall_s * count, self.cpu_s * count, self.peak_bytes)


OVSTOOL = [shutil.which("ovstool", path=os.path.dirname(sys.executable)) or sys.exit("bench: ovstool is not installed beside this Python")]
LIMIT_S = 300  # for a program to end
_INSTALL_S = 120
_DECIDING = ("OVS", "CLIFF", "PYTHON")  # the caller's settings with such names must not affect the measurement
ENVIRON = {key: value for key, value in os.environ.items() if not key.startswith(_DECIDING)}

Runs = Mapping[str, Sequence[Cost]]


def alternate(
    commands: Mapping[str, Sequence[str]], rounds: int, environ: Mapping[str, str], before: Callable[[], None] = lambda: None
) -> dict[str, list[Cost]]:
    """Run each command once per round, after a warm-up round that does not count. ``before`` is called before every run."""
    runs: dict[str, list[Cost]] = {name: [] for name in commands}
    for index in range(rounds + 1):
        for name, argv in commands.items():
            before()
            cost = run(argv, environ)
            if index:
                runs[name].append(cost)
    return runs


def guarded(part: Callable[..., Any], *args: Any) -> Any:
    """Run one part of the report and return its result; if it fails, print why and return None, so that the others still run."""
    try:
        return part(*args)
    except subprocess.TimeoutExpired as error:
        why = f"{_shown(error.cmd)} did not end within {error.timeout:g} s"
    except subprocess.CalledProcessError as error:
        why = f"{_shown(error.cmd)}: exit code {error.returncode}"
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
    print(f"  NOT MEASURED: {why}", flush=True)
    return None


def run(argv: Sequence[str], environ: Mapping[str, str], stdout: int | IO = subprocess.DEVNULL, limit_s: float = LIMIT_S) -> Cost:
    """Run a command and return its costs; raises if it fails or does not finish, and leaves no process behind."""
    started = time.perf_counter()
    # In its own session, so that all of its children can be killed with it.
    child = subprocess.Popen(argv, env=environ, stdin=subprocess.DEVNULL, stdout=stdout, start_new_session=True)
    try:
        ended = os.pidfd_open(child.pid)
        try:
            if not select.select([ended], [], [], limit_s)[0]:
                raise subprocess.TimeoutExpired(argv, limit_s)
        finally:
            os.close(ended)
        _, status, usage = os.wait4(child.pid, 0)
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    wall_s = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, argv)
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


@contextmanager
def limited(process: subprocess.Popen, limit_s: float = LIMIT_S) -> Iterator[None]:
    """Kill a program when the block waits too long for its output or exit, and raise TimeoutExpired."""
    is_late = threading.Event()

    def end() -> None:
        is_late.set()
        process.kill()

    timer = threading.Timer(limit_s, end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if is_late.is_set():
            raise subprocess.TimeoutExpired(process.args, limit_s)


def ratios(ours: Sequence[Cost], theirs: Sequence[Cost], field: str) -> list[float]:
    """The ratio of each round."""
    return [getattr(a, field) / getattr(b, field) for a, b in zip(ours, theirs, strict=True)]


def line(what: str, ours: Sequence[Cost], theirs: Sequence[Cost], target: float | None, cpu_target: float | None = None) -> str:
    """One comparison as a line of text; the median ratios of wall clock and CPU time are compared with their targets."""
    wall, cpu = ratios(ours, theirs, "wall_s"), ratios(ours, theirs, "cpu_s")
    reached = "" if target is None else verdict(statistics.median(wall) <= target, f"<= {target:.3g}")
    if cpu_target is not None:
        reached += verdict(statistics.median(cpu) <= cpu_target, f", CPU <= {cpu_target:.3g}")
    times = f"{_ms(ours):>6} / {_ms(theirs):<6}"
    return f"  {what:<44}{spread(wall)}   {spread(cpu)}   {times} {mib(ours):>6.1f} / {mib(theirs):<6.1f} {reached}".rstrip()


def memory_line(what: str, runs: Sequence[Cost], target_mib: float) -> str:
    """The peak memory of a command, compared with a target in MiB."""
    return f"  {what:<44}{mib(runs):5.1f} MiB  {verdict(mib(runs) <= target_mib, f'<= {target_mib:g} MiB')}"


HEAD = f"  {'':<44}{'time, min/median/max':<20}   {'CPU, min/median/max':<20}   {'ms, medians':<15} {'peak MiB':<15} target"


def head(title: str) -> None:
    print(f"\n{title}\n{HEAD}", flush=True)


def find(program: str) -> str | None:
    """The path of a program: beside this Python, on PATH, or in the directories for daemons."""
    beside = os.path.dirname(sys.executable)
    return shutil.which(program, path=f"{beside}:{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin")


def installed(directory: Path, package: str, program: str) -> str | None:
    """A program of a PyPI package, installed into a new environment; None where pip cannot install it."""
    venv = directory / "venv"
    try:
        subprocess.run([sys.executable, "-m", "venv", venv], check=True, capture_output=True, timeout=_INSTALL_S)
        subprocess.run([venv / "bin/pip", "install", "-q", package], check=True, capture_output=True, timeout=_INSTALL_S)
    except (subprocess.SubprocessError, OSError):
        return None
    return str(venv / "bin" / program)


def mib(runs: Sequence[Cost]) -> float:
    """The highest peak memory of the runs, in MiB."""
    return max(cost.peak_bytes for cost in runs) / 2**20


def verdict(reached: bool, target: str) -> str:
    """The target, and whether it was reached."""
    return f"{target} {'reached' if reached else 'NOT REACHED'}"


def _shown(argv: Any) -> str:
    return (argv if isinstance(argv, str) else " ".join(map(str, argv)))[:200]


def _ms(runs: Sequence[Cost]) -> str:
    return f"{statistics.median(cost.wall_s for cost in runs) * 1000:.0f}"


def spread(values: Sequence[float]) -> str:
    return " ".join(f"{value:<6.3f}" for value in (min(values), statistics.median(values), max(values)))
