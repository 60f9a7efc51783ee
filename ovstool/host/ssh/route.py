"""The way to a host: the servers that lead there (ProxyJump), and the command that leads to the first of them (ProxyCommand)."""

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
_GRACE_S = 0.2  # for a ProxyCommand to say why it failed, or to go


class Hop(NamedTuple):
    """An SSH server on the way, and how it is to be spoken to."""

    name: str  # in errors
    settings: SshSettings
    deadline: Deadline
    accept_new_key: bool
    named_at: float  # when the host was named, on the monotonic clock: a Ctrl-C at any host's question since then is for this one too

    def command(self, program: str) -> str:
        """The command line that has one of OpenSSH's programs connect to the same server."""
        settings = self.settings
        port = [] if settings.port == 22 else ["-p", str(settings.port)]
        return shlex.join([program, *port, f"{settings.user}@{settings.name}"])


def route(last: SshSettings, deadline: Deadline, depth: int = 0) -> list[SshSettings]:
    """The servers to go by, in their order, with the one to reach at the end (ProxyJump in ssh_config(5)). Raises UsageError."""
    if not last.proxy_jump:
        return [last]
    if depth == _MAX_HOPS:
        raise UsageError(quote(last.name), "ProxyJump leads in a circle")
    hops: list[SshSettings] = []
    texts = last.proxy_jump.split(",")
    if len(texts) > _MAX_HOPS:
        raise UsageError(quote(last.name), f"ProxyJump leads through more than {_MAX_HOPS} hosts")
    for text in texts:
        user, host, port = address.parse(text.strip().removeprefix("ssh://"))
        hops.append(config.lookup(host, user, port, deadline))
    # As with ssh, only the first may have a way of its own; one that leads to itself ("Host *", "ProxyJump gate") has none.
    first = hops[0]
    if (first.hostname, first.port) == (last.hostname, last.port):
        return [last]
    return [*route(first, deadline, depth + 1), *hops[1:], last]


class ProxyCommand:
    """The command that leads to a server, and the socket to it."""

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
        """The last line that it wrote to stderr. Waits a moment for it, and no longer, as the command may hang."""
        self._reader.join(_GRACE_S)
        return local.last_line(b"".join(self._stderr).decode(errors="replace"))

    def close(self) -> None:
        """End the command. What it has started may keep its stderr open, and nobody here waits for that."""
        import subprocess

        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)

    def _read_stderr(self) -> None:
        assert self._process.stderr
        with self._process.stderr as pipe, suppress(OSError):
            while data := pipe.read(_CHUNK):  # all of it: it would stand still if nobody read it
                self._stderr.append(data)
