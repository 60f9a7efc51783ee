"""Findings as they are printed: their remedies, which are argv, become shell lines that can be pasted where ovstool was run.

A remedy is what one would type on the switch's own machine, for its default database. The user may have named another machine, another
database, or TLS files, so each command gets the options to reach the same switch: ``ovstool`` gets -H, --sudo, --db and the TLS options,
``ovs-vsctl`` gets --db and the TLS options, and all programs but ovstool run there through ssh, with sudo if requested. Nothing else in
ovstool quotes or extends the words of a remedy.
"""

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ovstool.host import CommandLine, Tls
    from ovstool.host.address import Target
    from ovstool.switch import Argv, Finding


class Naming(NamedTuple):
    """How the user reached the switch.

    ``target`` None: it is on this machine. ``db`` None: its database is the default one. ``assumed_db`` is the database that ``ovstool``
    uses without --db, from $OVSTOOL_DB.
    """

    target: "Target | None"
    sudo: bool
    db: str | None
    assumed_db: str | None
    tls: "Tls"


class FindingRow(NamedTuple):
    """A finding as a row of a ``check``: its remedy is a shell line, empty if there is none."""

    port: str | None
    severity: str
    problem: str
    evidence: str
    remedy: str

    @property
    def words(self) -> str:
        """The text of a note about it."""
        words = ": ".join(filter(None, (self.port, self.problem, self.evidence)))
        return f"{words}; try: {self.remedy}" if self.remedy else words


def rows(findings: "Iterable[Finding]", naming: Naming) -> list[FindingRow]:
    return [FindingRow(each.port, each.severity, each.problem, each.evidence, text(each.remedy, naming)) for each in findings]


def text(commands: "Iterable[Argv]", naming: Naming) -> str:
    """A shell line that runs these commands for the switch that was reached, each if the one before succeeded."""
    return " && ".join(_line(command, naming) for command in commands)


def line(typed: "CommandLine", naming: Naming) -> str:
    """A shell line for this machine that runs a command for the switch that was reached, with its standard input."""
    if typed.stdin:
        given = shlex.join(["printf", r"%s\n", *typed.stdin])
        return f"{given} | {_line((*typed.argv, '-'), naming)}"
    if typed.file and typed.file != "-" and naming.target:  # the file is here
        return f"{_line((*typed.argv, '-'), naming)} < {shlex.quote(typed.file)}"
    return _line((*typed.argv, *([typed.file] if typed.file else [])), naming)


def _line(command: "Argv", naming: Naming) -> str:
    program, *words = command
    if program == "ovstool":
        return shlex.join([program, *_ovstool_options(naming), *words])
    there = shlex.join([program, *(_vsctl_options(naming) if program == "ovs-vsctl" else []), *words])
    return naming.target.shell_command(there, naming.sudo) if naming.target else there


def _ovstool_options(naming: Naming) -> list[str]:
    host = ["-H", naming.target.address, *(["--sudo"] if naming.sudo else [])] if naming.target else []
    db = ["--db", naming.db] if naming.db and naming.db != naming.assumed_db else []
    return [*host, *db, *_tls_options(naming)]


def _vsctl_options(naming: Naming) -> list[str]:
    """ovs-vsctl ignores $OVSTOOL_DB, so the database is named even if it is the one in that variable."""
    return [f"--db={naming.db}", *_tls_options(naming)] if naming.db else []


def _tls_options(naming: Naming) -> list[str]:
    """The options for the TLS files that were named, the same for ovstool and Open vSwitch's own tools."""
    return [word for name, path in naming.tls._asdict().items() if path for word in (f"--{name.replace('_', '-')}", path)]
