"""The route to a host: the jump hosts (ProxyJump), and the command that connects to the first server (ProxyCommand)."""

import shlex
import socket
import threading
from collections import deque
from contextlib import suppress
from typing import NamedTuple

from ovstool.errors import UsageError, quote
from ovstool.host import address, local
from ovstool.host.deadline import Deadline
from ovstool.host.ssh import config
from ovstool.host.ssh.config import SshSettings

_MAX_HOPS = 8
_CHUNK = 2**16  # bytes
_GRACE_S = 0.2  # for a ProxyCommand to report why it failed, or to exit


class Hop(NamedTuple):
    """An SSH server on the route, and how to connect to it."""

    name: str  # in errors
    settings: SshSettings
    deadline: Deadline
    accept_new_key: bool
    named_at: float  # when the host was named, on the monotonic clock: a later Ctrl-C at any host's question applies to this one too

    def command(self, program: str) -> str:
        """The command line with which one of OpenSSH's programs connects to the same server."""
        settings = self.settings
        port = [] if settings.port == 22 else ["-p", str(settings.port)]
        return shlex.join([program, *port, f"{settings.user}@{settings.name}"])


def route(last: SshSettings, deadline: Deadline, depth: int = 0) -> list[SshSettings]:
    """The jump hosts in order, followed by the destination (ProxyJump in ssh_config(5)). Raises UsageError."""
    if not last.proxy_jump:
        return [last]
    if depth == _MAX_HOPS:
        raise UsageError(quote(last.name), "ProxyJump is a loop")
    hops: list[SshSettings] = []
    texts = last.proxy_jump.split(",")
    if len(texts) > _MAX_HOPS:
        raise UsageError(quote(last.name), f"ProxyJump goes through more than {_MAX_HOPS} hosts")
    for text in texts:
        user, host, port = address.parse(text.strip().removeprefix("ssh://"))
        hops.append(config.lookup(host, user, port, deadline))
    # As in ssh, only the first jump host's own ProxyJump counts, unless it names itself ("Host *", "ProxyJump gate").
    first = hops[0]
    if (first.hostname, first.port) == (last.hostname, last.port):
        return [last]
    return [*route(first, deadline, depth + 1), *hops[1:], last]


class ProxyCommand:
    """A running ProxyCommand, and the socket to the server through it."""

    def __init__(self, command: str):
        import subprocess

        self.stream, theirs = socket.socketpair()
        try:
            with theirs:
                argv = ["/bin/sh", "-c", f"exec {command}"]
                self._process = subprocess.Popen(argv, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE, bufsize=0)
        except BaseException:
            self.stream.close()
            raise
        self.pid = self._process.pid
        self._stderr: deque[bytes] = deque(maxlen=4)
        self._reader = threading.Thread(target=self._read_stderr, daemon=True)
        self._reader.start()

    def last_words(self) -> str:
        """The last line that it wrote to stderr. Waits only a moment, because the command may hang."""
        self._reader.join(_GRACE_S)
        return local.last_line(b"".join(self._stderr).decode(errors="replace"))

    def close(self) -> None:
        """Kill the command. Its children may keep stderr open, which is not waited for."""
        import subprocess

        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)

    def _read_stderr(self) -> None:
        assert self._process.stderr
        with self._process.stderr as pipe, suppress(OSError):
            while data := pipe.read(_CHUNK):  # all of it: the command would block if nobody read it
                self._stderr.append(data)
