"""ovstool in a separate process, forked from one that has already imported all of ovstool.

Starting Python and importing takes nine tenths of a short command's time. A fork skips everything before ``main``, and the imports.
Tests of start-up, signals and keys start the program themselves.
"""

import atexit
import errno
import gc
import importlib
import io
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_FIRST = ("PYTHON", "LANG", "LC_", "COVERAGE")  # variables that affect Python before it calls main


class Forks:
    """Runs ovstool, also from several threads at once; ``prefix`` goes before the command that starts the process to fork from."""

    def __init__(self, prefix: Sequence[str] = (), environ: Mapping[str, str] | None = None):
        self._prefix = prefix
        self._environ = dict(os.environ if environ is None else environ)
        self._control: socket.socket | None = None
        self._lock = threading.Lock()

    def run(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        stdin: bytes | None = None,
        timeout_s: float = 60,
        new_session: bool = False,
        terminal: tuple[int, int] | None = None,
        stderr_too: bool = False,
    ) -> subprocess.CompletedProcess[bytes]:
        """Like subprocess.run with ``capture_output``; without ``stdin`` the command reads /dev/null.

        ``terminal`` is both ends of a terminal for stdout, and for stderr too with ``stderr_too``; both ends are closed.
        """
        if _first(environ) != _first(self._environ):
            assert not terminal
            argv = [*self._prefix, sys.executable, "-m", "ovstool", *words]
            given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
            options = {"env": environ, "timeout": timeout_s, "start_new_session": new_session}
            return subprocess.run(argv, check=False, capture_output=True, **given, **options)
        stdin_pipe, stderr, status = [os.pipe() for _ in range(3)]
        stdout = terminal or os.pipe()
        if stdin is None:
            os.close(stdin_pipe[0])
            stdin_pipe = os.open(os.devnull, os.O_RDONLY), stdin_pipe[1]
        if stderr_too:
            os.dup2(stdout[1], stderr[1])
        self._ask(words, environ, (stdin_pipe[0], stdout[1], stderr[1], status[1]), new_session)
        said = {stdout[0]: bytearray(), stderr[0]: bytearray(), status[0]: bytearray()}
        ended = _exchange(stdin_pipe[1], stdin or b"", said, time.monotonic() + timeout_s)
        out, err, (pid, *code) = bytes(said[stdout[0]]), bytes(said[stderr[0]]), map(int, said[status[0]].split())
        if not code:
            os.kill(pid, signal.SIGKILL)
        if not ended:
            raise subprocess.TimeoutExpired(["ovstool", *words], timeout_s, out, err)
        return subprocess.CompletedProcess(["ovstool", *words], code[0], out, err)

    def start(self, words: Sequence[str], environ: Mapping[str, str]) -> "Started":
        """Like subprocess.Popen, with all three streams on /dev/null."""
        assert _first(environ) == _first(self._environ)
        ours, theirs = os.pipe()
        self._ask(words, environ, (*(os.open(os.devnull, os.O_RDWR) for _ in range(3)), theirs))
        return Started(ours)

    def _ask(self, words: Sequence[str], environ: Mapping[str, str], streams: Sequence[int], new_session: bool = False) -> None:
        """Request a fork with these streams: stdin, stdout, stderr, and the pipe for its pid and exit code; they are closed here."""
        with self._lock:
            self._control = self._control or self._start()
        theirs = [os.open(".", os.O_PATH), *streams]
        with tempfile.TemporaryFile() as request:
            request.write(json.dumps([[*map(os.fsdecode, words)], dict(environ), new_session, os.getpriority(os.PRIO_PROCESS, 0)]).encode())
            request.flush()
            socket.send_fds(self._control, [b"run"], [request.fileno(), *theirs])
        for fd in theirs:
            os.close(fd)

    def run_text(
        self, words: Sequence[str], environ: Mapping[str, str], stdin: str | None = None, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Like ``run``, with text instead of bytes."""
        done = self.run(words, environ, None if stdin is None else stdin.encode(), timeout_s)
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:  # the process ends when our end closes too, at the latest when this process exits
            argv = [*self._prefix, sys.executable, __file__, str(theirs.fileno())]
            self._process = subprocess.Popen(
                argv, env=self._environ, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            atexit.register(self.close)
        return ours

    def close(self) -> None:
        """End the process that forks; ``run`` starts another one."""
        with self._lock:
            if self._control:
                self._control.close()
                self._control = None
                self._process.wait()


class Started:
    """A command that runs, with the methods of subprocess.Popen."""

    def __init__(self, status: int):
        self._status = os.fdopen(status, "rb", buffering=0)
        self._lock = threading.Lock()
        self.pid = self._number()
        self.returncode: int | None = None

    def _number(self) -> int:
        word = b""
        while not word.endswith(b" "):
            byte = self._status.read(1)
            assert byte, "what forks them has ended"
            word += byte
        return int(word)

    def poll(self) -> int | None:
        return self.wait() if self.returncode is not None or select.select([self._status], [], [], 0)[0] else None

    def wait(self) -> int:
        with self._lock:
            if self.returncode is None:
                self.returncode = self._number()
            return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


FORKS = Forks()  # with the namespaces and settings of the tests themselves


def _first(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_FIRST)}


def _exchange(stdin: int, data: bytes, said: Mapping[int, bytearray], deadline: float) -> bool:
    """Write to one pipe and read the others until they end, then close them all; False if the time ran out first."""
    with selectors.DefaultSelector() as selector:
        for fd in said:
            selector.register(fd, selectors.EVENT_READ)
        selector.register(stdin, selectors.EVENT_WRITE)
        while selector.get_map() and (left_s := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left_s):
                if key.fd == stdin:
                    try:
                        data = data[os.write(stdin, data[: select.PIPE_BUF]) :]
                    except BrokenPipeError:
                        data = b""
                    part = data
                else:
                    part = _read(key.fd)
                    said[key.fd].extend(part)
                if not part:
                    selector.unregister(key.fd)
                    os.close(key.fd)
        for fd in (left := list(selector.get_map())):
            os.close(fd)
    return not left


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 1 << 16)
    except OSError as error:
        if error.errno != errno.EIO:  # a terminal whose other end is closed
            raise
        return b""


# --- the process that forks


def _serve(control: socket.socket) -> int:
    """Fork a process for each request until the socket closes; in the forked process, become ovstool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tests handle Ctrl-C
    sys.path[0] = str(_ROOT)
    for module in _modules():
        importlib.import_module(module)
    from ovstool.__main__ import main
    from ovstool.commands import COMMANDS
    from ovstool.shell import App

    app = App(io.StringIO(), io.StringIO())
    for name in COMMANDS:  # so that the regular expressions of all parsers are compiled
        app.command_manager.find_command(name.split())[0](app, None, name).get_parser(name).format_help()
    gc.freeze()
    running: dict[int, tuple[int, int]] = {}  # by pidfd: the pid, and the pipe for its exit code
    while True:
        for ready in select.select([control, *running], [], [])[0]:
            if ready is not control:
                pid, status = running.pop(ready)
                _tell(status, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                os.close(status)
                os.close(ready)
                continue
            said, fds, _, _ = socket.recv_fds(control, 16, 6)
            if not said:
                return 0
            if not (pid := os.fork()):
                for fd in (control.detach(), *running, *(status for _, status in running.values())):
                    os.close(fd)
                _become(*fds)
                return main()
            *others, status = fds
            for fd in others:
                os.close(fd)
            _tell(status, pid)
            running[os.pidfd_open(pid)] = pid, status


def _modules() -> list[str]:
    """All modules of ovstool, and so all that they import; importing later would cost a command half of its time."""
    files = sorted(path.relative_to(_ROOT) for path in (_ROOT / "ovstool").rglob("*.py"))
    return [".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files if file.name != "__main__.py"]


def _tell(status: int, number: int) -> None:
    with suppress(BrokenPipeError):
        os.write(status, b"%d " % number)


def _become(request: int, folder: int, stdin: int, stdout: int, stderr: int, status: int) -> None:
    """Take over the streams, directory and settings of the request."""
    with os.fdopen(request, "rb") as file:
        file.seek(0)
        words, environ, new_session, nice = json.load(file)
    os.fchdir(folder)
    for number, fd in enumerate((stdin, stdout, stderr)):
        os.dup2(fd, number)
    for fd in (folder, stdin, stdout, stderr, status):
        os.close(fd)
    if new_session:
        os.setsid()
    if nice != os.getpriority(os.PRIO_PROCESS, 0):
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environ)
    if "COVERAGE_PROCESS_START" in environ:  # set by tests/mutants
        import coverage

        coverage.Coverage.current().switch_context(environ["MUTANTS_TEST"])
    sys.argv = [str(_ROOT / "ovstool/__main__.py"), *words]


if __name__ == "__main__":
    sys.exit(_serve(socket.socket(fileno=int(sys.argv[1]))))
