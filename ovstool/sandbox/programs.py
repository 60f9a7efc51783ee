"""The programs that set up a sandbox: run with a deadline, keeping only the end of their output."""

import math
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ovstool import signals
from ovstool.errors import Refused, TimedOut, Unreachable
from ovstool.sandbox import directories
from ovstool.sandbox.directories import Place
from ovstool.sandbox.settings import Sandbox

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # where daemons are installed; often not in a user's PATH
_HEARD = 2**16  # bytes kept from the end of a program's output
_SHOWN = 300  # characters of a line of it
_BEAT_S = 0.05  # delay in noticing the exit of a program whose stderr another process still holds


@dataclass(frozen=True)
class Site:
    """A sandbox that is being started or stopped: its locked directory, and the deadline (of time.monotonic)."""

    sandbox: Sandbox
    place: Place
    deadline: float


def run(
    argv: Sequence[str], deadline: float, environ: Mapping[str, str], stdin: bytes = b"", keep: tuple[int, ...] = ()
) -> tuple[int, str]:
    """Run a program and return its exit code and the end of its stderr; the descriptors ``keep`` stay open in it.

    Raises TimedOut after killing the program and everything it started; OSError if it cannot be run.
    """
    words = os.memfd_create("stdin")  # a pipe would have to be written while stderr is read
    program = None
    try:
        os.write(words, stdin)
        os.lseek(words, 0, os.SEEK_SET)
        with signals.deferred():  # otherwise a signal could leave it running unnoticed
            program = subprocess.Popen(
                argv, stdin=words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environ, pass_fds=keep, start_new_session=True
            )
        said = _heard(program, deadline)
        code = program.wait(max(0, deadline - time.monotonic()))
    except BaseException as error:
        if program:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise TimedOut("sandbox", f"{argv[0]} did not finish in time") from error
        raise
    finally:
        os.close(words)
        if program and program.stderr:
            program.stderr.close()
    return code, said.decode(errors="replace")


def call(
    site: Site, *argv: str | None, stdin: str = "", daemon: str | None = None, hold: bool = False, fine: tuple[int, ...] = (0,)
) -> str:
    """Run a program that sets something up and return its stderr.

    When it fails, with an exit code that is not ``fine``, the error tells its last line, or that of the log of ``daemon``, which it starts or waits for. With
    ``hold`` it has a part in the lock: should ovstool be killed, the next one waits until it is known what there is to clear.
    """
    program = daemon or str(argv[0])
    keep = (site.place.fd,) if hold else ()
    try:
        code, said = run([str(a) for a in argv], site.deadline, environ(site.sandbox), stdin.encode(), keep)
    except TimedOut as error:
        log = _last_log_line(site, program) or "its log is empty"
        raise TimedOut("sandbox", f"{program} did not answer in time ({log})", "a longer --timeout") from error
    except OSError as error:
        raise Unreachable("sandbox", f"{program}: {error.strerror}") from error
    if code not in fine:
        why = last_line(said) or _last_log_line(site, program) or f"exit code {code}"
        raise Refused("sandbox", f"{program}: {why.removeprefix(program + ': ')}")
    return said


def path() -> str:
    path = os.environ.get("PATH", "")
    return f"{path}:{_SBIN}" if path else _SBIN


def environ(sandbox: Sandbox) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if k != "OVSTOOL_HOST"}  # it would refer to another machine
    return {**env, "PATH": path(), **sandbox.environ}


def whole_seconds(deadline: float) -> int:
    """The remaining time for an Open vSwitch program's --timeout; rounded up, so that ovstool's own limit applies first."""
    return max(1, math.ceil(deadline - time.monotonic()))


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # An OVS log line is time|number|module|level|message.
    return lines[-1].split("|", 4)[-1][:_SHOWN] if lines else ""


def _heard(program: subprocess.Popen, deadline: float) -> bytes:
    """The end of the program's stderr, until it exits or the time is up."""
    assert program.stderr
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(program.stderr, selectors.EVENT_READ)
        while (left_s := deadline - time.monotonic()) > 0:
            if selector.select(min(left_s, _BEAT_S)):
                chunk = os.read(program.stderr.fileno(), _HEARD)
                if not chunk:
                    break
                said = (said + chunk)[-_HEARD:]
            elif program.poll() is not None:
                break
    return said


def _last_log_line(site: Site, daemon: str) -> str:
    try:
        log = directories.read(site.place, f"{daemon}.log", _HEARD, end=True)
    except Refused as error:
        return error.why
    return "it wrote no log" if log is None else last_line(log.decode(errors="replace"))
