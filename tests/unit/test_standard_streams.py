"""Standard output and standard error: what is escaped, when it is written, and what happens when writing fails."""

import io
import os
import pty
import subprocess
import sys

import pytest

from ovstool.terminal.output import Output, canvas


@pytest.fixture
def pipe():
    """``pipe()``: an Output with an encoding, and a function for what was written."""
    ends = []

    def opened(encoding: str = "utf-8"):
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        ends.extend([reading, writing])

        def come() -> bytes | None:
            try:
                return os.read(reading, 2**16)
            except BlockingIOError:
                return None

        return Output(writing, encoding), come

    yield opened
    for end in ends:
        os.close(end)


def test_control_characters_are_escaped_except_newlines(pipe):
    out, come = pipe()
    texts = ("plain ä\n", "\x1b[2J\t\n", "a\\b\n", "a\\\x07\n", "\n\n", "é\u2028")
    assert [out.write(text) for text in texts[:3]] == [8, 10, 4] and come() is None
    for text in texts[3:]:
        out.write(text)
    out.flush()
    assert come().decode() == "plain ä\n\\x1b[2J\\t\na\\b\na\\\\x07\n\n\né\\u2028"
    canvas(out).write("\x1b[1m\t")
    canvas(out).flush()
    assert come() == b"\x1b[1m\t" and canvas(out).encoding == "utf-8" and not canvas(out).isatty()
    plain = io.StringIO()
    canvas(plain).write("\x1b")
    assert plain.getvalue() == "\x1b"


def test_what_the_encoding_lacks_is_escaped(pipe):
    out, come = pipe("ascii")
    out.write("ä中\n")
    out.flush()
    assert come() == b"\\xe4\\u4e2d\n"


def test_lines_are_written_at_once_on_a_terminal_and_on_standard_error(pipe):
    ours, theirs = pty.openpty()
    try:
        assert [Output(number, "utf-8").line_buffering for number in (theirs, 2)] == [True, True]
        assert pipe()[0].line_buffering is False
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_stream_that_fails_is_abandoned():
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        out = Output(full, "utf-8")
        assert out.write("x" * 100_000) == 100_000
        out.flush()
        assert out.write("abc") == out.write("\x1b\n".replace("\x1b", "")) + 2 == 3
        late = Output(full, "utf-8")
        assert late.write("a") == 1
        late.flush()
        assert late.draw("bc") == 2
    finally:
        os.close(full)


CODE = """
import os, sys
from ovstool.terminal.output import escape_standard_streams
escape_standard_streams()
try:
    print("out\\x1b", end="", flush=True)
except OSError as error:
    sys.stderr.write(f"{error.filename}: {error.strerror}\\n")
    print("again" * 50_000, flush=True)
sys.stderr.write("err\\x07")
print(sys.stdout.encoding, sys.stderr.encoding, sorted(os.listdir("/proc/self/fd"))[:3], file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("closed", "full", "more", "out", "err"),
    [
        (None, False, 0, "out\\x1b", "err\\x07utf-8 utf-8 ['0', '1', '2']\n"),
        (1, False, 0, "", "err\\x07utf-8 utf-8 ['0', '1', '2']\n"),
        (2, False, 0, "out\\x1b", ""),
        (None, True, 100_000, "", "standard output: No space left on device\nerr\\x07utf-8 utf-8 ['0', '1', '2']\n"),
        (None, True, 0, "", "standard output: No space left on device\nerr\\x07utf-8 utf-8 ['0', '1', '2']\n"),
    ],
)
def test_the_standard_streams(closed, full, more, out, err):
    with open("/dev/full", "w") as nothing:
        done = subprocess.run(
            [sys.executable, "-c", CODE, str(more)], stdout=nothing if full else subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
            env=os.environ | {"PYTHONIOENCODING": "utf-8"}, preexec_fn=lambda: closed and os.close(closed), check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout or "", done.stderr) == (0, out, err)
