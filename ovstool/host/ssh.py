"""A machine behind SSH as a host: its sockets and its programs, over one connection."""

import os
import re
import secrets
import shlex
import socket
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ovstool.errors import NotFound, OvstoolError, Refused, TimedOut, Unreachable, UsageError, one_line, quote
from ovstool.host import Finished, Stream, Tls, address, local, ssh_config, tcp
from ovstool.host.deadline import Deadline
from ovstool.host.ssh_config import Settings

if TYPE_CHECKING:
    from ovstool.host.connection import Channel, Connection

_MAX_HOPS = 8
_MAX_COMMAND = 120_000  # bytes; Linux takes 128 KiB in one word (MAX_ARG_STRLEN)
_MAX_NOISE = 2**16  # bytes that a login shell may print before our program speaks
_INLINE = 2**15  # bytes of stdin that no program leaves unread for long
_CHUNK = 2**18
_WORDS_S = 0.2  # for a ProxyCommand to say why it failed, or to go
_SHOWN = 300  # characters of a far program's own words worth repeating

# What the far host's sh runs. TOKEN is a word that nobody there could know before; what comes ahead of it is a login shell's chatter.
_SETUP = f"PATH=$PATH:{local._SBIN}; LC_ALL=C; export PATH LC_ALL; "
_SUDO = 'echo TOKEN >&2; exec sudo -n -- env PATH="$PATH" LC_ALL=C sh -c {script} sh "$@"'
_RUN = 'echo TOKEN; echo TOKEN >&2; exec "$@"'
# Until the program ends or our side of its stdin does: it would not notice otherwise that nobody listens any more.
_STREAM = (
    'echo TOKEN; echo TOKEN >&2; exec 3<&0; "$@" </dev/null 3<&- & p=$!; { read x <&3; kill $p; } >/dev/null 2>&1 & w=$!; '
    "wait $p; s=$?; kill $w 2>/dev/null; exit $s"
)
# Join stdin and stdout to the socket $1, with whatever there is: $2 is its path as socat wants it, $3 a program for Python.
_RELAY = (
    'if command -v socat; then echo TOKEN open; exec socat -b 65536 - UNIX-CONNECT:"$2"; '
    'elif nc -h 2>&1 | grep -e -U; then echo TOKEN open; exec nc -U "$1"; '
    'elif command -v python3; then echo TOKEN open; exec python3 -c "$3" "$1"; '
    "else echo TOKEN none; fi"
)
_RELAY_AS_ROOT = f'if [ -S "$1" ]; then {_RELAY}; elif [ -e "$1" ]; then echo TOKEN other; else echo TOKEN absent; fi'
_RELAY_AS_USER = (
    'd=$1; while [ -n "$d" ] && [ ! -e "$d" ]; do d=${d%/*}; done; '
    f'if [ -S "$1" ] && [ -w "$1" ]; then {_RELAY}; '
    'elif [ -e "$1" ] && [ ! -S "$1" ]; then echo TOKEN other; '
    'elif [ ! -e "$1" ] && [ -x "${d:-/}" ]; then echo TOKEN absent; '
    f"else {_SUDO}; fi"
)
_PYTHON = """import os, socket, sys, threading
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
def send():
    while d := os.read(0, 65536):
        s.sendall(d)
    s.shutdown(1)
threading.Thread(target=send, daemon=True).start()
while d := s.recv(65536):
    sys.stdout.buffer.write(d)
    sys.stdout.buffer.flush()
"""


class Ssh:
    """A host that is reached as ``ssh`` would reach it; implements ``Host``.

    It is connected to at the first need, once, from whichever thread. Host keys are always verified (RFC 4251, section 4.1):
    ``accept_new`` takes and writes down the key of a host of which none is known, and nothing else.
    """

    def __init__(self, target: str, sudo: bool = False, accept_new: bool = False, deadline: Deadline | None = None):
        """``target`` is ``[USER@]HOST[:PORT]``, an IPv6 address in brackets. Raises UsageError.

        ``deadline`` stands still while somebody is asked for a password.
        """
        self.name = target
        self._user, self._host, self._port = address.parse(target)
        self._sudo = sudo
        self._accept_new = accept_new
        self._deadline = deadline or Deadline(threading.TIMEOUT_MAX)
        self._born = time.monotonic()
        self._token = f"ovstool-{secrets.token_hex(8)}"
        self._lock = threading.Lock()
        self._hops: list[Connection] = []
        self._proxy: _Proxy | None = None

    def open(self, address: str, timeout_s: float, tls: Tls = Tls(), server: str = "ovsdb-server") -> Stream:
        """Connect to a socket there.

        A Unix socket by a channel of its own (OpenSSH's PROTOCOL, section 2.4), or by way of a program where the user may not open it.
        """
        kind, _, where = address.partition(":")
        what = f"{self.name}: {quote(address)}"
        try:
            if kind == "unix" and where:
                return self._open_unix(where, what, timeout_s, server)
            if kind in ("tcp", "ssl"):
                host, port = local._host_and_port(address, where)
                return self._open_tcp(host, port, kind == "ssl", what, address, timeout_s, tls)
        except TimeoutError as error:
            raise TimedOut(what, f"no connection within {timeout_s:.3g} s") from error
        except OSError as error:
            raise Unreachable(what, error.strerror or str(error)) from error
        raise UsageError(quote(address), "not an address of an OVSDB server", "unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT")

    def run(self, argv: Sequence[str], timeout_s: float, stdin: bytes = b"") -> Finished:
        """Run a program there without a shell's interpretation and return what it wrote."""
        return local.collected(f"{self.name}: {quote(argv[0])}", self._output(_RUN, argv, timeout_s, stdin))

    def stream(self, argv: Sequence[str], timeout_s: float) -> Generator[bytes, None, Finished]:
        """Run a program there and yield what it writes to stdout as it comes; the generator returns how it ended."""
        return self._output(_STREAM, argv, timeout_s)

    def close(self) -> None:
        with self._lock:
            self._close()

    # --- programs

    def _output(self, script: str, argv: Sequence[str], timeout_s: float, stdin: bytes | None = None) -> Generator[bytes, None, Finished]:
        connection, deadline = self._connected(timeout_s)
        program = self._start(connection, script, argv, deadline)
        try:
            self._begin(program, argv[0], deadline)
            if stdin is not None:
                program.send_all(stdin, deadline)
            while chunk := program.receive(_CHUNK, deadline):
                yield chunk
            return Finished(self._status(program, argv[0], deadline), "", program.words())
        except TimeoutError as error:
            program.signal("TERM")
            raise TimedOut(f"{self.name}: {quote(argv[0])}", f"did not end within {timeout_s:.3g} s") from error
        except OSError as error:
            raise connection.lost(error) from error
        finally:
            program.close()

    def _start(self, connection: "Connection", script: str, argv: Sequence[str], deadline: Deadline) -> "_Program":
        if self._needs_sudo:
            script = _SUDO.replace("{script}", _word(script))
        command = _for_any_shell(f"{_SETUP}set -- {_words(argv)}; {script}".replace("TOKEN", self._token))
        try:
            data = os.fsencode(command)
            if "\0" in command:
                raise ValueError("embedded null byte")
            if len(data) > _MAX_COMMAND:
                raise ValueError("too many or too long words")
        except ValueError as error:
            raise Refused(f"{self.name}: {quote(argv[0])}", f"cannot be run: {error}") from error
        return _Program(connection, connection.execute(data, deadline), self._token)

    def _begin(self, program: "_Program", name: str, deadline: Deadline) -> None:
        if program.begin(deadline) is None:
            raise self._not_begun(program, deadline)

    def _not_begun(self, program: "_Program", deadline: Deadline) -> OvstoolError:
        """Why a command came to an end before the program it was to run."""
        if program.noisy:
            return Unreachable(self.name, f"its login shell prints more than {_MAX_NOISE >> 10} KiB before it runs anything")
        status = program.status(deadline)
        if status is None and program.broken:
            return program.lost()
        words = program.words()
        if not self._needs_sudo or not program.got_to_sudo:
            said = _last_line(program.noise.decode(errors="replace")) or _last_line(words)
            how = f": {said}" if said else f" (exit status {status})" if status is not None else ""
            return Unreachable(self.name, f"its login shell runs no programs{how}", "ssh HOST true, which has to work")
        return Unreachable(self.name, _sudo_said(words, status), "NOPASSWD in its sudoers, or -H root@HOST")

    def _status(self, program: "_Program", name: str, deadline: Deadline) -> int:
        status = program.status(deadline)
        if status is None:
            raise Unreachable(f"{self.name}: {quote(name)}", "connection lost before it was known how it ended")
        if status == 127:
            raise NotFound(f"{self.name}: {quote(name)}", "not installed")
        if status == 126:
            raise Refused(f"{self.name}: {quote(name)}", f"cannot be run: {_last_line(program.words())}")
        return status

    # --- sockets

    def _open_unix(self, path: str, what: str, timeout_s: float, server: str) -> Stream:
        if "\0" in path or not path.startswith("/"):
            raise UsageError(f"unix:{quote(path)}", "not an absolute path, which a socket on another host needs")
        if len(os.fsencode(path)) > local._UNIX_PATH_MAX:
            raise UsageError(f"unix:{quote(path)}", f"the path of a socket has at most {local._UNIX_PATH_MAX} bytes")
        connection, deadline = self._connected(timeout_s)
        if not self._needs_sudo:
            channel, _ = connection.open("direct-streamlocal@openssh.com", deadline, os.fsencode(path), "", 0)
            if channel:
                return _Direct(connection, channel)
        # The server does not say why it refused: no socket, no permission, or no forwarding at all. A program finds out.
        script = _RELAY_AS_ROOT if self._needs_sudo else _RELAY_AS_USER.replace("{script}", _word(_RELAY_AS_ROOT))
        program = self._start(connection, script, [path, re.sub(r"([^\w/.%+=@-])", r"\\\1", path), _PYTHON], deadline)
        word = None
        try:
            word = program.begin(deadline)
            if word == "open":
                return _Relayed(program)
            raise self._not_opened(word, program, what, deadline, server)
        finally:
            if word != "open":
                program.close()

    def _not_opened(self, word: str | None, program: "_Program", what: str, deadline: Deadline, server: str) -> OvstoolError:
        hint = "--db unix:PATH, a path there"
        if word == "absent":
            return Unreachable(what, f"no such socket; is {server} running?", hint)
        if word == "other":
            return Unreachable(what, "connection refused: not a socket")
        if word == "none":
            return Unreachable(
                what, "needs socat, nc with -U, or python3 there", "one of them, or AllowStreamLocalForwarding in its sshd_config"
            )
        if self._needs_sudo or not program.got_to_sudo:
            error = self._not_begun(program, deadline)
            if not self._needs_sudo:
                error.why += ", and its SSH server forwards no Unix sockets"
                error.hint = "AllowStreamLocalForwarding yes in its sshd_config"
            return error
        why = _sudo_said(program.words(), program.status(deadline))
        return Unreachable(what, f"permission denied, and {why}", "a user who may open the socket, or NOPASSWD in its sudoers")

    def _open_tcp(self, host: str, port: int, encrypted: bool, what: str, address: str, timeout_s: float, tls: Tls) -> Stream:
        if encrypted:
            from ovstool.host.tls import TlsStream, context

            checked = context(address, tls)
        connection, deadline = self._connected(timeout_s)
        channel, refusal = connection.open("direct-tcpip", deadline, host, port, "127.0.0.1", 0)
        if channel:
            stream = _Direct(connection, channel)
            return TlsStream(stream, checked, host, what, deadline) if encrypted else stream
        assert refusal
        if refusal.code == 1:  # RFC 4254, section 5.1: administratively prohibited
            raise Unreachable(what, "the SSH server forwards no connections", "AllowTcpForwarding in its sshd_config, or --db unix:PATH")
        raise Unreachable(what, refusal.words)

    # --- the connection

    @property
    def _needs_sudo(self) -> bool:
        return self._sudo and self._hops[-1].user != "root"

    def _connected(self, timeout_s: float) -> "tuple[Connection, Deadline]":
        """The connection, and until when what is asked of it may take."""
        deadline = Deadline(timeout_s, self._deadline)
        while not self._lock.acquire(timeout=min(deadline.remaining_s(), 1)):
            if not deadline.remaining_s():
                raise TimedOut(self.name, f"no connection within {timeout_s:.3g} s")
        try:
            if self._hops and not self._hops[-1].alive:
                self._close()
            if not self._hops:
                self._connect(deadline)
            return self._hops[-1], deadline
        except BaseException:
            self._close()
            raise
        finally:
            self._lock.release()

    def _connect(self, whole: Deadline) -> None:
        hops = _route(ssh_config.lookup(self._host, self._user, self._port, whole), whole)
        deadline = whole.part(hops[-1].connect_timeout_s or threading.TIMEOUT_MAX)
        stream = None
        try:
            stream = self._first_stream(hops[0], deadline)
            # The server starts a process for us meanwhile.
            from ovstool.host.connection import Connection

            for number, hop in enumerate(hops):
                name = self.name if hop is hops[-1] else f"{self.name}: jump host {hop.name}"
                connection = Connection(stream, name, hop, deadline, self._accept_new, self._born)
                self._hops.append(connection)
                if hop is not hops[-1]:
                    to = hops[number + 1]
                    stream, refusal = connection.open("direct-tcpip", deadline, to.hostname, to.port, "127.0.0.1", 0)
                    if refusal:
                        raise Unreachable(name, f"does not lead to {to.hostname} port {to.port}: {refusal.words}")
        except BaseException as error:
            if stream is not None:
                stream.close()
            if isinstance(error, Unreachable) and self._proxy and not self._hops and (words := self._proxy.words()):
                raise Unreachable(self.name, f"ProxyCommand: {words}") from error
            if isinstance(error, OSError | ImportError):  # no descriptor is left
                raise Unreachable(self.name, getattr(error, "strerror", None) or str(error)) from error
            raise

    def _first_stream(self, hop: Settings, deadline: Deadline) -> Any:
        if hop.proxy_command:
            self._proxy = _Proxy(hop.proxy_command)
            return self._proxy.stream
        left = deadline.remaining_s()
        try:
            return tcp.connect(hop.hostname, hop.port, deadline, hop.family)
        except TimeoutError as error:
            raise TimedOut(self.name, f"no connection within {left:.3g} s") from error
        except (OSError, UnicodeError) as error:
            by = "" if hop.name == self._host else f"jump host {hop.name}: "
            raise Unreachable(self.name, by + (getattr(error, "strerror", None) or str(error))) from error

    def _close(self) -> None:
        while self._hops:
            self._hops.pop().close()
        if self._proxy:
            self._proxy.close()
            self._proxy = None


class _Proxy:
    """The command that leads to a host (ProxyCommand). ``words`` are the last that it said on stderr."""

    def __init__(self, command: str):
        import subprocess

        self.stream, its = socket.socketpair()
        try:
            with its:
                argv = ["/bin/sh", "-c", f"exec {command}"]
                self._process = subprocess.Popen(argv, stdin=its.fileno(), stdout=its.fileno(), stderr=subprocess.PIPE, bufsize=0)
        except BaseException:
            self.stream.close()
            raise
        self.pid = self._process.pid
        self._said: deque[bytes] = deque(maxlen=4)
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def words(self) -> str:
        """It has little time to say them, as it may hang."""
        self._reader.join(_WORDS_S)
        return _last_line(b"".join(self._said).decode(errors="replace"))

    def close(self) -> None:
        """End it; what it has started may keep its stderr, and keeps nobody here."""
        import subprocess

        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_WORDS_S)

    def _listen(self) -> None:
        assert self._process.stderr
        with self._process.stderr as pipe, suppress(OSError):
            while data := pipe.read(_MAX_NOISE):  # all of it: it would stand still if nobody read it
                self._said.append(data)


def _route(last: Settings, deadline: Deadline, depth: int = 0) -> list[Settings]:
    """The hosts to go by, in their order, with the one to reach at the end (ProxyJump in ssh_config(5)). Raises UsageError."""
    if not last.proxy_jump:
        return [last]
    if depth == _MAX_HOPS:
        raise UsageError(quote(last.name), "ProxyJump leads in a circle")
    hops: list[Settings] = []
    texts = last.proxy_jump.split(",")
    if len(texts) > _MAX_HOPS:
        raise UsageError(quote(last.name), f"ProxyJump leads by more than {_MAX_HOPS} hosts")
    for text in texts:
        user, host, port = address.parse(text.strip().removeprefix("ssh://"))
        hops.append(ssh_config.lookup(host, user, port, deadline))
    # As with ssh, only the first may have a way of its own; one that leads to itself ("Host *", "ProxyJump gate") has none.
    first = hops[0]
    itself = (first.hostname, first.port) == (last.hostname, last.port)
    if itself:
        return [last]
    return [*_route(first, deadline, depth + 1), *hops[1:], last]


class _Program:
    """A command that runs there."""

    def __init__(self, connection: "Connection", channel: "Channel", token: str):
        self._connection = connection
        self._channel = channel
        self._token = token.encode()
        self._ahead = b""
        self.noise = b""  # what came before the token
        self.noisy = False

    def begin(self, deadline: Deadline) -> str | None:
        """Skip what is not ours and return what follows the token in its line; None when the command ends without it."""
        seen = b""
        while not (match := re.search(re.escape(self._token) + rb" ?([a-z]*)\r?\n", seen)):
            if len(seen) > _MAX_NOISE:
                self.noisy = True
                return None
            chunk = self.receive(_CHUNK, deadline)
            if not chunk:
                self.noise = seen
                return None
            seen += chunk
        self._ahead = seen[match.end() :]
        return match[1].decode()

    def receive(self, size: int, deadline: Deadline) -> bytes:
        """The next bytes of its stdout, none at the end. Raises TimeoutError, Unreachable."""
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        if not deadline.remaining_s():
            raise TimeoutError  # also when there is something, which may never end
        self._channel.settimeout(deadline.remaining_s())
        data = self._channel.recv(size)
        if not data and self._channel.cut_off:
            raise self._connection.lost()
        return data

    def send_all(self, data: bytes, deadline: Deadline) -> None:
        """Write its stdin and close it; much of it while the output is read. A program need not read it all."""

        def send() -> None:
            try:
                self._channel.settimeout(deadline.remaining_s())
                self._channel.sendall(data)
                self._channel.shutdown_write()
            except OSError:
                pass

        if len(data) > _INLINE:
            threading.Thread(target=send, daemon=True).start()
        else:
            send()

    def send(self, data: bytes, deadline: Deadline) -> None:
        self._channel.settimeout(deadline.remaining_s())
        self._channel.sendall(data)

    def status(self, deadline: Deadline) -> int | None:
        """Its exit status, -1 when a signal ended it; None when that was not said before the end. Raises TimeoutError."""
        if not self._channel.status_event.wait(deadline.remaining_s()) and not self._channel.ended:
            raise TimeoutError
        return self._channel.exit_status if self._channel.ended else None

    @property
    def broken(self) -> bool:
        return not self._connection.alive

    def lost(self) -> Unreachable:
        return self._connection.lost()

    def words(self) -> str:
        """The beginning of what it wrote to stderr."""
        data = bytes(self._channel.words)
        return (
            data[data.rfind(self._token) :].partition(b"\n")[2].decode(errors="replace")
            if self._token in data
            else data.decode(errors="replace")
        )

    @property
    def got_to_sudo(self) -> bool:
        return self._token in self._channel.words

    def signal(self, name: str) -> None:
        """Ask the server to end it (RFC 4254, section 6.9), which not every server does."""
        self._connection.signal(self._channel, name)

    def close(self) -> None:
        self._channel.close()


class _Direct:
    """A socket there, by a channel of its own."""

    def __init__(self, connection: "Connection", channel: "Channel"):
        self._connection = connection
        self._channel = channel
        self.settimeout = channel.settimeout
        self.close = channel.close

    def sendall(self, data: bytes) -> None:
        self._channel.sendall(data)

    def recv(self, size: int) -> bytes:
        data = self._channel.recv(size)
        if not data and self._channel.cut_off:
            raise OSError(self._connection.lost().why.removeprefix("connection lost: "))
        return data


class _Relayed:
    """A socket there, by way of a program."""

    def __init__(self, program: _Program):
        self._program = program
        self._timeout_s: float | None = None
        self._silent = True

    def settimeout(self, seconds: float | None) -> None:
        self._timeout_s = seconds

    def sendall(self, data: bytes) -> None:
        try:
            self._program.send(data, self._deadline)
        except TimeoutError:
            raise
        except OSError as error:
            raise self._refused() if self._silent else error from None

    def recv(self, size: int) -> bytes:
        data = self._program.receive(size, self._deadline)
        if not data and self._silent:
            raise self._refused()
        self._silent = False
        return data

    def _refused(self) -> OSError:
        """It ended before it gave any data, so it could not connect; its last words are why."""
        return ConnectionRefusedError(_last_line(self._program.words()) or "the relay ended")

    def close(self) -> None:
        self._program.close()

    @property
    def _deadline(self) -> Deadline:
        return Deadline(threading.TIMEOUT_MAX if self._timeout_s is None else self._timeout_s)


# --- text


def _words(argv: Sequence[str]) -> str:
    return " ".join(map(_word, argv))


def _word(text: str) -> str:
    """A word for sh, in one line: csh ends a quoted word with the line."""
    return shlex.quote(text).replace("\n", "'\"$n\"'")


def _for_any_shell(script: str) -> str:
    """The command that runs a script of one line by sh, whether the login shell is sh, csh or fish.

    In single quotes all of them leave alone all but ``'`` and (fish) ``\\`` and (csh) ``!``.
    """
    newline = 'n=$(printf "\\nx"); n=${n%x}; ' if '"$n"' in script else ""
    escaped = {"'": '"\'"', "\\": "\\\\", "!": "\\!"}
    return "exec sh -c " + "".join(escaped.get(piece) or f"'{piece}'" for piece in re.findall(r"[^'\\!]+|['\\!]", newline + script))


def _sudo_said(words: str, status: int | None) -> str:
    """What sudo's own words mean."""
    last = _last_line(words)
    if "password is required" in words or "terminal is required" in words:
        return "sudo wants a password"
    if status == 127:
        return "sudo is not installed"
    return f"sudo refused: {last.removeprefix('sudo: ')}" if last else f"sudo refused (exit status {status})"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return one_line(lines[-1])[:_SHOWN] if lines else ""
