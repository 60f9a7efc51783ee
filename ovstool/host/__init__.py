"""Where a switch lives. A host can do two things: ``open`` a socket there and ``run`` a program there."""

from typing import NamedTuple


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
