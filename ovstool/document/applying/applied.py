"""What applying a document does."""

from collections.abc import Iterable
from typing import NamedTuple

from ovstool.document.comparison import ComparedBridge
from ovstool.switch import Change


class Applied(NamedTuple):
    """The change of each object, notes, and of a dry run the flows that would change, as lines.

    ``shaped`` and ``policed`` are the ports that get a QoS or a limit.
    """

    changes: list[Change]
    notes: list[str]
    shaped: list[str]
    policed: list[str]
    lines: list[str] = []


def getting(field: str, every: Iterable[ComparedBridge]) -> list[str]:
    """The ports that get something in this field."""
    ports = [port for compared in every for port in compared.ports]
    return [port.entry.name for port in ports if any(path[0] == field and value is not None for path, value in port.changes.items())]
