"""Programs on a host behind SSH, run through the login shell there, whatever shell that is; optionally as root with sudo."""

import os
import re
import secrets
import shlex
import threading
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING

from ovstool.errors import NotFound, OvstoolError, Refused, TimedOut, Unreachable, quote
from ovstool.host import Finished, local
from ovstool.host.deadline import Deadline

if TYPE_CHECKING:
    from ovstool.host.ssh.connection import SshConnection
    from ovstool.host.ssh.transport.channel import SshChannel

_MAX_COMMAND = 120_000  # bytes; Linux takes 128 KiB in one word (MAX_ARG_STRLEN)
_MAX_NOISE = 2**16  # bytes that a login shell may print before our program's output
_INLINE = 2**15  # bytes of stdin that fit into the buffers even if the program does not read them at once
_CHUNK = 2**18

# The scripts for sh there. TOKEN is a random word; any output before it comes from the login shell.
_SETUP = f"PATH=$PATH:{local.SBIN}; LC_ALL=C; export PATH LC_ALL; "
_SUDO = 'echo TOKEN >&2; exec sudo -n -- env PATH="$PATH" LC_ALL=C sh -c {script} sh "$@"'
_RUN = 'echo TOKEN; echo TOKEN >&2; exec "$@"'
# Ends when the program does, or when our end of its stdin closes: without this the program would not notice that nobody reads it.
_STREAM = (
    'echo TOKEN; echo TOKEN >&2; exec 3<&0; "$@" </dev/null 3<&- & p=$!; { read x <&3; kill $p; } >/dev/null 2>&1 & w=$!; '
    "wait $p; s=$?; kill $w 2>/dev/null; exit $s"
)


class RemoteShell:
    """The login shell of a host, over its connection. With ``sudo`` it runs programs as root, unless root is the user."""

    def __init__(self, connection: "SshConnection", sudo: bool):
        self.connection = connection
        self.as_root = sudo and connection.user != "root"
        self._name = connection.name
        self._token = f"ovstool-{secrets.token_hex(8)}"

    def output(
        self, argv: Sequence[str], stdin: bytes | None, deadline: Deadline, timeout_s: float, pause_s: float | None = None
    ) -> Generator[bytes, None, Finished]:
        """Run a program and yield its stdout as it arrives; the generator returns how it ended. ``timeout_s`` is for the error.

        Without ``stdin`` the program may run forever: it is killed when the caller stops iterating. With ``pause_s`` b"" is yielded
        after every ``pause_s`` seconds without output. Raises as ``Host.stream`` does.
        """
        program = self.start(_RUN if stdin is not None else _STREAM, argv, deadline)
        try:
            if program.begin(deadline) is None:
                raise self.not_begun(program, deadline)
            if stdin is not None:
                program.send_all(stdin, deadline)
            yield from program.chunks(deadline, pause_s)
            return Finished(self._status(program, argv[0], deadline), "", program.stderr())
        except TimeoutError as error:
            program.terminate()
            raise TimedOut(f"{self._name}: {quote(argv[0])}", f"did not end within {timeout_s:.3g} s") from error
        except OSError as error:
            raise self.connection.lost(error) from error
        finally:
            program.close()

    def start(self, script: str, argv: Sequence[str], deadline: Deadline) -> "RemoteProgram":
        """Have sh run a script with these arguments. Raises Refused when they are too long, Unreachable, TimedOut."""
        if self.as_root:
            script = with_sudo(script)
        command = for_any_shell(f"{_SETUP}set -- {words(argv)}; {script}".replace("TOKEN", self._token))
        try:
            data = os.fsencode(command)
            if "\0" in command:
                raise ValueError("embedded null byte")
            if len(data) > _MAX_COMMAND:
                raise ValueError("too many or too long arguments")
        except ValueError as error:
            raise Refused(f"{self._name}: {quote(argv[0])}", f"cannot be run: {error}") from error
        return RemoteProgram(self.connection, self.connection.execute(data, deadline), self._token)

    def not_begun(self, program: "RemoteProgram", deadline: Deadline) -> OvstoolError:
        """The error for a command that ended before its program started."""
        if program.noisy:
            return Unreachable(self._name, f"its login shell prints more than {_MAX_NOISE >> 10} KiB before it runs anything")
        status = program.status(deadline)
        if status is None and not self.connection.alive:
            return self.connection.lost()
        stderr = program.stderr()
        if not self.as_root or not program.got_to_sudo:
            said = local.last_line(program.noise.decode(errors="replace")) or local.last_line(stderr)
            how = f": {said}" if said else f" (exit status {status})" if status is not None else ""
            return Unreachable(self._name, f"its login shell does not run programs{how}", f"{self.connection.ssh} true, which must work")
        return Unreachable(self._name, sudo_failure(stderr, status), "NOPASSWD in sudoers there, or -H root@HOST")

    def _status(self, program: "RemoteProgram", name: str, deadline: Deadline) -> int:
        status = program.status(deadline)
        if status is None:
            raise Unreachable(f"{self._name}: {quote(name)}", "connection lost before the program ended")
        if status == 127:
            raise NotFound(f"{self._name}: {quote(name)}", "not installed")
        if status == 126:
            raise Refused(f"{self._name}: {quote(name)}", f"cannot be run: {local.last_line(program.stderr())}")
        return status


class RemoteProgram:
    """A program that runs on a host behind SSH."""

    def __init__(self, connection: "SshConnection", channel: "SshChannel", token: str):
        self._connection = connection
        self._channel = channel
        self._token = token.encode()
        self._ahead = b""
        self.noise = b""  # output that came instead of the token
        self.noisy = False

    def begin(self, deadline: Deadline) -> str | None:
        """Skip output up to the token and return the rest of its line; None when the command ends without the token."""
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

    def chunks(self, deadline: Deadline, pause_s: float | None) -> Iterator[bytes]:
        """Its stdout as it arrives, to the end; b"" after every ``pause_s`` seconds without output. Raises TimeoutError, Unreachable."""
        while True:
            try:
                chunk = self.receive(_CHUNK, deadline.part(self._connection.silent_s if pause_s is None else pause_s))
            except TimeoutError:
                if not deadline.remaining_s():
                    raise
                self._connection.check_alive()
                if pause_s is not None:
                    yield b""
                continue
            if not chunk:
                return
            yield chunk

    def receive(self, size: int, deadline: Deadline) -> bytes:
        """The next bytes of its stdout, none at the end. Raises TimeoutError, Unreachable."""
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        if not deadline.remaining_s():
            raise TimeoutError  # even if there is data, because output may never end
        self._channel.settimeout(deadline.remaining_s())
        data = self._channel.recv(size)
        if not data and self._channel.cut_off:
            raise self._connection.lost()
        return data

    def send_all(self, data: bytes, deadline: Deadline) -> None:
        """Write its stdin and close it; a long one in a thread, while the output is read. The program need not read it all."""

        def send() -> None:
            try:
                self.send(data, deadline)
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
        """Its exit status, -1 if killed by a signal; None if the channel ended without a status. Raises TimeoutError."""
        if not self._channel.status_event.wait(deadline.remaining_s()) and not self._channel.ended:
            raise TimeoutError
        return self._channel.exit_status if self._channel.ended else None

    def stderr(self) -> str:
        """The beginning of its stderr, without what the login shell printed."""
        data = bytes(self._channel.stderr)
        if self._token in data:
            data = data[data.rfind(self._token) :].partition(b"\n")[2]
        return data.decode(errors="replace")

    @property
    def got_to_sudo(self) -> bool:
        return self._token in self._channel.stderr

    def terminate(self) -> None:
        self._channel.signal("TERM")

    def close(self) -> None:
        self._channel.close()


def with_sudo(script: str) -> str:
    """A script that runs another one as root, with the same arguments."""
    return _SUDO.replace("{script}", _word(script))


def sudo_failure(stderr: str, status: int | None) -> str:
    """Why sudo failed, from its stderr."""
    last = local.last_line(stderr)
    if "password is required" in stderr or "terminal is required" in stderr:
        return "sudo wants a password"
    if status == 127:
        return "sudo is not installed"
    return f"sudo refused: {last.removeprefix('sudo: ')}" if last else f"sudo refused (exit status {status})"


def words(argv: Sequence[str]) -> str:
    return " ".join(map(_word, argv))


def _word(text: str) -> str:
    """A word for sh, in one line: csh ends a quoted word with the line."""
    return shlex.quote(text).replace("\n", "'\"$n\"'")


def for_any_shell(script: str) -> str:
    """The command that runs a one-line script with sh, whether the login shell is sh, csh or fish.

    Within single quotes only ``'`` and (fish) ``\\`` and (csh) ``!`` are special.
    """
    newline = 'n=$(printf "\\nx"); n=${n%x}; ' if '"$n"' in script else ""
    escaped = {"'": '"\'"', "\\": "\\\\", "!": "\\!"}
    return "exec sh -c " + "".join(escaped.get(piece) or f"'{piece}'" for piece in re.findall(r"[^'\\!]+|['\\!]", newline + script))
