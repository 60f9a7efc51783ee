"""The peak memory of a program.

A process forked from pytest starts with pytest's memory, which counts as its own peak even after exec (getrusage(2)), so a small process
is in between.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_BETWEEN = """import os, sys
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss, file=open(sys.argv[1], "w"))
"""


class Ran(NamedTuple):
    """A program that ended, and its peak memory in MiB."""

    code: int
    stdout: str
    stderr: str
    mib: float


def run(argv: Sequence[str], environ: Mapping[str, str], timeout_s: float = 60) -> Ran:
    """Run a program to its end; it is killed with all it started when that takes too long."""
    with tempfile.NamedTemporaryFile("r") as told:
        words = [sys.executable, "-ISc", _BETWEEN, told.name, *argv]
        process = subprocess.Popen(
            words, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        code, kib = map(int, told.read().split())
    return Ran(code, stdout, stderr, kib / 1024)
