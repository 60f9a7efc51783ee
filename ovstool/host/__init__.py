"""Where a switch lives. A host can do two things: ``open`` a socket there and ``run`` a program there."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tls:
    """What an ``ssl:`` address needs: paths of PEM files; the peer is always verified against ``ca_cert``."""

    private_key: str | None = None
    certificate: str | None = None
    ca_cert: str | None = None


@dataclass(frozen=True)
class Finished:
    """A program that ended: its exit status and the text it wrote."""

    status: int
    stdout: str
    stderr: str
