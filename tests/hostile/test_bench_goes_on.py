"""The benchmark when a measured program hangs or fails: it reports that, leaves no process behind, and continues."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

_BENCH = Path(__file__).resolve().parents[2] / "bench"

# A replacement for report.py's main: three parts, of which the second cannot be measured.
_REPORT = """
import sys
sys.path.insert(0, sys.argv[1])
import pairs
def part(argv):
    pairs.run(argv, pairs.ENVIRON, limit_s=0.5)
    print("measured", flush=True)
for argv in (["true"], sys.argv[2:], ["true"]):
    pairs.guarded(part, argv)
"""


def report(*argv: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", _REPORT, _BENCH, *argv], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


# Code that reads from and writes to a program for longer than allowed.
_PIPES = """
import subprocess, sys
sys.path.insert(0, sys.argv[1])
import pairs
PIPE = subprocess.PIPE
def part(argv, use):
    with subprocess.Popen(argv, stdin=PIPE, stdout=PIPE) as process, pairs.limited(process, limit_s=0.5):
        use(process)
    print("measured", flush=True)
for use in (lambda it: it.stdout.read(), lambda it: it.stdin.write(bytes(2**20)), lambda it: it.wait()):
    pairs.guarded(part, ["sleep", "60"], use)
pairs.guarded(part, ["true"], lambda it: it.stdout.read())
"""


def test_pipes_of_a_program_that_does_not_end():
    done = subprocess.run([sys.executable, "-c", _PIPES, _BENCH], capture_output=True, text=True, timeout=60, check=False)
    late = "  NOT MEASURED: sleep 60 did not end within 0.5 s"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [late, late, late, "measured"]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["sleep", "60"], "sleep 60 did not end within 0.5 s"),
        (["sh", "-c", "trap '' TERM INT; sleep 60; sleep 60"], "sh -c trap '' TERM INT; sleep 60; sleep 60 did not end within 0.5 s"),
        (["sh", "-c", "exit 3"], "sh -c exit 3: exit code 3"),
        (["sh", "-c", "kill -9 $$"], "sh -c kill -9 $$: exit code -9"),
        (["/nonexistent"], "FileNotFoundError: [Errno 2] No such file or directory: '/nonexistent'"),
    ],
)
def test_the_other_parts_are_measured(argv, why):
    assert report(*argv) == ["measured", f"  NOT MEASURED: {why}", "measured"]


def test_children_of_the_program_end_with_it(tmp_path):
    file = tmp_path / "pid"
    report("sh", "-c", f"sleep 60 & echo $! >{file}; wait")
    pid = int(file.read_text())
    end = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_running(pid)
