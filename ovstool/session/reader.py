"""What a command prints, handed to a program of sh: ``show | less``, ``stats -f csv > FILE``."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ovstool import signals
from ovstool.errors import Exit, Refused
from ovstool.terminal.output import Output


def run_into(app: Any, run: Callable[[], int], reader: str) -> int:
    """Run a command with its standard output going to ``reader``, a command line for sh, and wait for both.

    The exit code is the command's, or that of the reader where the command succeeded. A reader that leaves early is no failure of the command.
    Raises Refused.
    """
    app.stdout.flush()
    try:
        program = subprocess.Popen(["/bin/sh", "-c", reader], stdin=subprocess.PIPE)
    except OSError as error:
        raise Refused("/bin/sh", f"cannot be run: {error.strerror}") from error
    try:
        code = _redirected(app, run, program)
    finally:
        with signals.handled(signals.leave_to_the_child, signal.SIGINT):
            status = program.wait()
    return code if code not in (Exit.OK, Exit.BROKEN_PIPE) else status if status >= 0 else 128 - status


def _redirected(app: Any, run: Callable[[], int], program: "subprocess.Popen[bytes]") -> int:
    stdout, screen = app.stdout, os.dup(1)
    os.dup2(program.stdin.fileno(), 1)  # type: ignore[union-attr]  # what the command starts inherits it
    program.stdin.close()  # type: ignore[union-attr]
    app.stdout = Output(1, stdout.encoding or "utf-8")
    before, sys.stdout = sys.stdout, app.stdout
    try:
        return run()
    finally:
        with suppress(OSError):  # nobody reads it any more
            app.stdout.close()
        app.stdout, sys.stdout = stdout, before
        os.dup2(screen, 1)
        os.close(screen)
