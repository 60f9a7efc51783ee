"""Where a switch lives: ``local`` is this machine, ``ssh`` any other. A host opens sockets there and runs programs there."""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, Protocol

from ovstool.errors import Unreachable
from ovstool.host.deadline import Deadline


class Unresolved(Unreachable):
    """The name of a host has no address."""


class ByteStream(Protocol):
    """A connection to a socket, here or on another host; the part of ``socket.socket`` that is used."""

    def settimeout(self, seconds: float | None, /) -> None: ...
    def sendall(self, data: bytes, /) -> Any: ...
    def recv(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


class Host(Protocol):
    """The machine that a switch runs on. ``timeout_s`` limits each call; ``name`` is as the user gave it, empty for this machine.

    ``open`` connects to ``unix:PATH``, ``tcp:HOST:PORT`` or ``ssl:HOST:PORT`` as seen from there; ``server`` should be listening.
    It raises UsageError for an address of another form, Unreachable when nobody answers, TimedOut.
    ``run`` runs a program without a shell; ``stream`` yields its stdout as it arrives and returns how it ended, and kills it when the
    caller stops iterating; with ``pause_s`` it yields b"" after every ``pause_s`` seconds without output. They raise NotFound when it is
    not installed, TimedOut, Unreachable.
    ``begin`` is for a host that is still open from an earlier command: ``deadline`` is that of the next one, which asks nobody for a
    password when it is a ``batch``.
    """

    @property
    def name(self) -> str: ...
    def open(self, address: str, timeout_s: float, tls: "Tls", server: str) -> ByteStream: ...
    def run(self, argv: Sequence[str], timeout_s: float, stdin: bytes = b"") -> "Finished": ...
    def stream(self, argv: Sequence[str], timeout_s: float, pause_s: float | None = None) -> Generator[bytes, None, "Finished"]: ...
    def begin(self, deadline: Deadline, batch: bool) -> None: ...
    def close(self) -> None: ...


class Tls(NamedTuple):
    """What an ``ssl:`` address needs: paths of PEM files; the peer is always verified against ``ca_cert``."""

    private_key: str | None = None
    certificate: str | None = None
    ca_cert: str | None = None


class Finished(NamedTuple):
    """A program that ended: its exit status and the text it wrote."""

    status: int
    stdout: str
    stderr: str


class CommandLine(NamedTuple):
    """A command line to type on a host; its input file is the last word, and is not in ``argv``.

    The input is the lines in ``stdin``, or ``file``, a path on the user's machine, where "-" stands for standard input.
    ``about`` explains what the command line alone does not show.
    """

    argv: tuple[str, ...]
    stdin: tuple[str, ...] = ()
    file: str | None = None
    about: str = ""
