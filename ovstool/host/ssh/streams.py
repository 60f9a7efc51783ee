"""Sockets on a host behind SSH as byte streams."""

import os
import re
import threading
from typing import TYPE_CHECKING

from ovstool.errors import OvstoolError, Unreachable
from ovstool.host import ByteStream, local
from ovstool.host.deadline import Deadline
from ovstool.host.ssh import shell
from ovstool.host.ssh.shell import RemoteProgram, RemoteShell

if TYPE_CHECKING:
    from ovstool.host.ssh.connection import SshConnection
    from ovstool.host.ssh.transport.channel import SshChannel

_PROHIBITED = 1  # SSH_OPEN_ADMINISTRATIVELY_PROHIBITED (RFC 4254, section 5.1)

# Connect stdin and stdout to the socket $1, with whatever is installed: $2 is its path quoted for socat, $3 a Python program. Each ends when
# stdin does, even if whoever listens on the socket never answers.
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
    f"else {shell.with_sudo(_RELAY_AS_ROOT)}; fi"
)
_PYTHON = """import os, socket, sys, threading
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
def send():
    while d := os.read(0, 65536):
        s.sendall(d)
    os._exit(0)
threading.Thread(target=send, daemon=True).start()
while d := s.recv(65536):
    sys.stdout.buffer.write(d)
    sys.stdout.buffer.flush()
"""
_OF_SOCAT = re.compile(r"^[0-9/]+ [0-9:.]+ socat\[[0-9]+\] [A-Z] ")  # differs each time, and would make one failure look like many


def open_tcp(connection: "SshConnection", host: str, port: int, what: str, deadline: Deadline) -> ByteStream:
    """Connect to a TCP port from there, over a channel (RFC 4254, section 7.2). ``what`` is for errors. Raises Unreachable, TimedOut."""
    channel, refusal = connection.open("direct-tcpip", deadline, host, port, "127.0.0.1", 0)
    if channel:
        return ChannelStream(connection, channel)
    assert refusal
    if refusal.code == _PROHIBITED:
        raise Unreachable(what, "the SSH server does not forward connections", "AllowTcpForwarding in its sshd_config, or --db unix:PATH")
    raise Unreachable(what, refusal.words)


def open_unix(remote: RemoteShell, path: str, what: str, server: str, deadline: Deadline) -> ByteStream:
    """Connect to a Unix socket over a channel (OpenSSH's PROTOCOL, section 2.4), or through a program if the user may not open it.

    ``what`` is for errors, ``server`` names the expected listener. Raises Unreachable, TimedOut, TimeoutError.
    """
    if not remote.as_root:
        channel, _ = remote.connection.open("direct-streamlocal@openssh.com", deadline, os.fsencode(path), "", 0)
        if channel:
            return ChannelStream(remote.connection, channel)
    # The server does not say whether there is no socket, no permission, or no forwarding at all. A program finds out.
    script = _RELAY_AS_ROOT if remote.as_root else _RELAY_AS_USER
    program = remote.start(script, [path, re.sub(r"([^\w/.%+=@-])", r"\\\1", path), _PYTHON], deadline)
    word = None
    try:
        word = program.begin(deadline)
        if word == "open":
            return RelayStream(program)
        raise _not_opened(remote, word, program, what, server, deadline)
    finally:
        if word != "open":
            program.close()


def _not_opened(remote: RemoteShell, word: str | None, program: RemoteProgram, what: str, server: str, deadline: Deadline) -> OvstoolError:
    if word == "absent":
        return Unreachable(what, f"no such socket; is {server} running?", "--db unix:PATH with the path on that host")
    if word == "other":
        return Unreachable(what, "connection refused: not a socket")
    if word == "none":
        hint = "installing one of them, or AllowStreamLocalForwarding in its sshd_config"
        return Unreachable(what, "the remote host needs socat, nc with -U, or python3", hint)
    if remote.as_root or not program.got_to_sudo:
        error = remote.not_begun(program, deadline)
        if not remote.as_root:
            error.why += ", and its SSH server does not forward Unix sockets"
            error.hint = "AllowStreamLocalForwarding yes in its sshd_config"
        return error
    why = shell.sudo_failure(program.stderr(), program.status(deadline))
    return Unreachable(what, f"permission denied, and {why}", "a user who may open the socket, or NOPASSWD in sudoers there")


class ChannelStream:
    """A connection to a socket there, made by the SSH server."""

    def __init__(self, connection: "SshConnection", channel: "SshChannel"):
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


class RelayStream:
    """A connection to a socket there, made by a program."""

    def __init__(self, program: RemoteProgram):
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

    def close(self) -> None:
        self._program.close()

    def _refused(self) -> OSError:
        """The error for a program that ended without any data, so it could not connect; its last line says why."""
        said = local.last_line(self._program.stderr())
        if said.endswith("Connection refused"):
            return ConnectionRefusedError("the socket is there, but nothing listens on it")
        return ConnectionRefusedError(_OF_SOCAT.sub("", said) or "the relay ended")

    @property
    def _deadline(self) -> Deadline:
        return Deadline(threading.TIMEOUT_MAX if self._timeout_s is None else self._timeout_s)
