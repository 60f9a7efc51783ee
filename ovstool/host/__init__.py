"""Where a switch lives. A host can do two things: ``open`` a socket there and ``run`` a program there."""

from typing import Any, NamedTuple, Protocol


class Stream(Protocol):
    """What ``open`` returns: the part of a socket that is used here."""

    def settimeout(self, seconds: float | None, /) -> None: ...
    def sendall(self, data: bytes, /) -> Any: ...
    def recv(self, size: int, /) -> bytes: ...
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
