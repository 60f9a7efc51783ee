"""This machine as a host: its sockets and its programs."""

import _socket
import os
import stat
import sys
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, cast

from ovstool.errors import NotFound, OvstoolError, Refused, TimedOut, Unreachable, UsageError, one_line, quote
from ovstool.host import ByteStream, Finished, Tls
from ovstool.host.deadline import Deadline

if TYPE_CHECKING:
    import subprocess

name = ""
UNIX_PATH_MAX = 107  # sun_path is 108 bytes with its NUL (unix(7))
_CHUNK = 2**18  # bytes
_OF_SUDO = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")  # the secure_path of sudoers(5)
_USUAL = ("unix:/var/run/openvswitch/db.sock", "unix:/run/openvswitch/db.sock")
_MAX_OUTPUT = 2**25  # bytes of a program's stdout that are kept; longer output is streamed
_MAX_STDERR = 2**18  # bytes
_SHOWN = 300  # characters of a program's own message to repeat
_REAPED_S = 0.2  # for a killed program to exit
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # ip and tc live there, and a plain user's PATH often lacks it


def open(address: str, timeout_s: float, tls: Tls = Tls(), server: str = "ovsdb-server") -> ByteStream:
    """Connect to ``unix:PATH``, ``tcp:HOST:PORT`` or ``ssl:HOST:PORT`` and return the stream; ``server`` names the expected listener.

    Raises UsageError for an address of another form, Unreachable when nobody answers there, TimedOut.
    """
    kind, _, where = address.partition(":")
    try:
        if kind == "unix" and where:
            return _open_unix(where, timeout_s, server)
        if kind in ("tcp", "ssl"):
            return _open_tcp(address, kind, Deadline(timeout_s), tls)
    except TimeoutError as error:
        raise TimedOut(address, f"no connection within {timeout_s:.3g} s") from error
    except (OSError, UnicodeError) as error:  # UnicodeError: a host name that IDNA cannot encode
        raise Unreachable(address, getattr(error, "strerror", None) or str(error)) from error
    raise UsageError(quote(address), "not an address of an OVSDB server", "unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT")


def run(argv: Sequence[str], timeout_s: float, stdin: bytes = b"") -> Finished:
    """Run a program without a shell and return what it wrote. Raises NotFound, TimedOut, Refused when it writes too much."""
    return collected(argv[0], _output(argv, timeout_s, stdin))


def stream(argv: Sequence[str], timeout_s: float, pause_s: float | None = None) -> Generator[bytes, None, Finished]:
    """Run a program and yield its stdout as it arrives; the generator returns how it ended. Raises NotFound, TimedOut.

    It yields b"" after every ``pause_s`` seconds without output. The program is killed when the caller stops iterating.
    """
    return _output(argv, timeout_s, b"", pause_s)


def collected(what: str, output: Generator[bytes, None, Finished]) -> Finished:
    """How a program ended, with all of its stdout. Raises Refused for more than ``_MAX_OUTPUT`` bytes."""
    stdout = bytearray()
    try:
        while len(stdout) <= _MAX_OUTPUT:
            stdout += next(output)
    except StopIteration as end:
        return end.value._replace(stdout=stdout.decode(errors="replace"))
    finally:
        output.close()
    raise Refused(what, f"wrote more than {_MAX_OUTPUT >> 20} MiB and was killed")


def last_line(text: str) -> str:
    """The last line of a program's output, shortened: usually the reason why it failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return one_line(lines[-1])[:_SHOWN] if lines else ""


def begin(deadline: Deadline, batch: bool) -> None:
    """Nothing is kept open for this machine."""


def close() -> None:
    """Nothing is kept open for this machine."""


def _output(argv: Sequence[str], timeout_s: float, stdin: bytes, pause_s: float | None = None) -> Generator[bytes, None, Finished]:
    """Run a program and yield its stdout, while writing ``stdin`` and keeping its stderr for the result."""
    import fcntl
    import subprocess

    deadline = Deadline(timeout_s)
    late = TimedOut(argv[0], f"did not end within {timeout_s:.3g} s")
    program = _start(argv, stdin)
    try:
        with suppress(AttributeError, OSError):  # not supported by this system, or above this user's limit
            fcntl.fcntl(cast(IO[bytes], program.stdout), fcntl.F_SETPIPE_SZ, _CHUNK)  # so it keeps running while its output is read
        stderr = yield from _exchanged(program, stdin, deadline, late, pause_s)
        program.wait(deadline.remaining_s())
    except subprocess.TimeoutExpired as error:
        raise late from error
    finally:
        _end(program)
    return Finished(program.returncode, "", stderr.decode(errors="replace"))


def _exchanged(
    program: "subprocess.Popen[bytes]", stdin: bytes, deadline: Deadline, late: OvstoolError, pause_s: float | None
) -> Generator[bytes, None, bytearray]:
    """Yield the program's stdout until both stdout and stderr end; return the beginning of stderr. Raises ``late``."""
    import select  # not selectors, whose import takes 1 % of a command's time

    left = memoryview(stdin)
    stderr = bytearray()
    pipes = {pipe.fileno(): pipe for pipe in (program.stdin, program.stdout, program.stderr) if pipe}
    waited_for = {program.stdout, program.stderr}
    poll = select.poll()
    for fd, pipe in pipes.items():
        os.set_blocking(fd, False)
        poll.register(fd, select.POLLOUT if pipe is program.stdin else select.POLLIN)
    while waited_for:
        ready = poll.poll(1000 * (deadline.remaining_s() if pause_s is None else min(pause_s, deadline.remaining_s())))
        if not deadline.remaining_s() or (not ready and pause_s is None):
            raise late
        if not ready:
            yield b""
        for fd, _ in ready:
            pipe = pipes[fd]
            data: bytes | memoryview
            if pipe is program.stdin:
                data = left = _written(pipe, left)
            else:
                data = os.read(fd, _CHUNK)
            if not data:  # everything is written, or the end is reached
                poll.unregister(fd)
                pipe.close()
                waited_for.discard(pipe)
            elif pipe is program.stdout:
                yield bytes(data)
            elif pipe is program.stderr:
                stderr += data[: max(_MAX_STDERR - len(stderr), 0)]
    return stderr


def _written(pipe: IO[bytes], data: memoryview) -> memoryview:
    """Write some of the data and return the rest; nothing when the program has stopped reading."""
    try:
        return data[os.write(pipe.fileno(), data[:_CHUNK]) :]
    except BlockingIOError:
        return data
    except OSError:
        return memoryview(b"")


def _start(argv: Sequence[str], stdin: bytes) -> "subprocess.Popen[bytes]":
    import subprocess
    from subprocess import DEVNULL, PIPE

    environ = os.environ | {"PATH": f"{os.environ.get('PATH', os.defpath)}:{SBIN}", "LC_ALL": "C"}
    try:
        # In its own session, so that its children are killed with it.
        given = PIPE if stdin else DEVNULL
        return subprocess.Popen(argv, stdin=given, stdout=PIPE, stderr=PIPE, env=environ, bufsize=0, start_new_session=True)
    except FileNotFoundError as error:
        raise NotFound(argv[0], "not installed") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in a word
        raise Refused(argv[0], f"cannot be run: {error}") from error


def _end(program: "subprocess.Popen[bytes]") -> None:
    """Kill a program that is still running, with its children."""
    for pipe in filter(None, (program.stdin, program.stdout, program.stderr)):
        pipe.close()
    if program.returncode is None:
        import signal
        import subprocess

        with suppress(ProcessLookupError, PermissionError):
            os.killpg(program.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            program.wait(_REAPED_S)


def is_default(db: str) -> bool:
    """Whether Open vSwitch's own tools on this machine use this database by default (ovs-vsctl(8), --db)."""
    return db == f"unix:{os.environ.get('OVS_RUNDIR')}/db.sock"


def as_root(db: str) -> str:
    """The command that runs this ovstool as root on this database: sudo has its own search path, and does not pass on OVSTOOL_DB."""
    import shlex

    folder, name = os.path.split(sys.argv[0])
    is_found = name != "ovstool" or not folder or os.path.abspath(folder) in _OF_SUDO
    program = "ovstool" if is_found else os.path.abspath(sys.argv[0])
    return shlex.join(["sudo", program, *(["--db", db] if db not in _USUAL else [])])


def _open_unix(path: str, timeout_s: float, server: str) -> ByteStream:
    if len(os.fsencode(path)) > UNIX_PATH_MAX:
        raise UsageError(f"unix:{quote(path)}", f"a socket path can have at most {UNIX_PATH_MAX} bytes")
    # The base class of socket.socket. The module socket would add files, enumerations and a twentieth of the time of a short command.
    stream = _socket.socket(_socket.AF_UNIX)
    try:
        stream.settimeout(timeout_s)
        stream.connect(path)
    except BaseException as error:
        stream.close()
        what = f"unix:{quote(path)}"
        if isinstance(error, FileNotFoundError):
            raise Unreachable(
                what,
                f"no such socket; is {server} running?",
                "--db TARGET, or 'ovstool sandbox start' for a switch to try things on",
            ) from error
        if isinstance(error, PermissionError):
            db = f"unix:{path if server == 'ovsdb-server' else f'{os.path.dirname(path)}/db.sock'}"
            raise Unreachable(what, "permission denied", f"{as_root(db)}, or a user who may open the socket") from error
        if isinstance(error, ConnectionRefusedError):
            listening = (
                f"the socket is there, but {server} does not listen on it" if stat.S_ISSOCK(os.stat(path).st_mode) else "not a socket"
            )
            raise Unreachable(what, f"connection refused: {listening}") from error
        if isinstance(error, BlockingIOError):  # a Unix socket does not wait for room in the queue of connections (connect(2), EAGAIN)
            raise Unreachable(what, f"{server} does not accept connections: it is stopped, hangs or is overloaded") from error
        raise
    return stream


def _open_tcp(address: str, kind: str, deadline: Deadline, tls: Tls) -> ByteStream:
    from ovstool.host import tcp  # not needed for a Unix socket, the usual case

    host, port = tcp.host_and_port(address)
    if kind == "tcp":
        return tcp.connect(host, port, deadline)
    from ovstool.host.tls import TlsStream, context

    checked = context(address, tls)
    return TlsStream(tcp.connect(host, port, deadline), checked, host, address, deadline)
