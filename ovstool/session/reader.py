"""What a command prints, handed to a program of sh: ``show | less``, ``stats -f csv > FILE``."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ovstool import signals
from ovstool.errors import Exit, Refused, UsageError, quote
from ovstool.terminal.output import Output


def require_writable(path: str) -> None:
    """Raise UsageError when sh could not write to the file: a command whose output goes nowhere must not change anything."""
    try:
        if not os.path.exists(path) or os.path.isfile(path) or os.path.isdir(path):  # a named pipe must not be opened twice
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666))
    except OSError as error:
        raise UsageError(quote(path), error.strerror or str(error)) from error


def run_into(app: Any, run: Callable[[], int], reader: str) -> int:
    """Run a command with its standard output going to ``reader``, a command line for sh, and wait for both.

    The exit code is the command's, or that of the reader where the command succeeded. A reader that leaves early is no failure of the command.
    Raises Refused.
    """
    app.stdout.flush()
    interrupt = signal.getsignal(signal.SIGINT)
    with signals.handled(signals.leave_to_the_child, signal.SIGINT):  # except for the command
        try:
            program = subprocess.Popen(["/bin/sh", "-c", reader], stdin=subprocess.PIPE)
        except OSError as error:
            raise Refused("/bin/sh", f"cannot be run: {error.strerror}") from error
        try:
            with _redirected(app, program):
                code = _interruptible(run, interrupt)
        finally:
            status = program.wait()
    return code if code not in (Exit.OK, Exit.BROKEN_PIPE) else status if status >= 0 else 128 - status


def _interruptible(run: Callable[[], int], handler: Any) -> int:
    try:
        with signals.handled(handler, signal.SIGINT):
            return run()
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


@contextmanager
def _redirected(app: Any, program: "subprocess.Popen[bytes]") -> Iterator[None]:
    stdout, screen = app.stdout, os.dup(1)
    os.dup2(program.stdin.fileno(), 1)  # type: ignore[union-attr]  # what the command starts inherits it
    program.stdin.close()  # type: ignore[union-attr]
    app.stdout = Output(1, stdout.encoding or "utf-8")
    before, sys.stdout = sys.stdout, app.stdout
    try:
        yield
    finally:
        with suppress(OSError):  # nobody reads it any more
            app.stdout.close()
        app.stdout, sys.stdout = stdout, before
        os.dup2(screen, 1)
        os.close(screen)
