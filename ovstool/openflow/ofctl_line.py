"""A change of flows as the line of ovs-ofctl(8) that does the same, in the words that a person would choose (pure)."""

from collections.abc import Collection, Sequence

from ovstool.host import CommandLine
from ovstool.openflow.syntax import lexer
from ovstool.openflow.syntax.given_flows import GivenFlows

_VERSIONS = {f"OpenFlow1{minor}" for minor in range(6)}
_BY_DEFAULT = (
    "OpenFlow14"  # the last that a bridge speaks by default; ovs-ofctl by itself speaks 1.0 alone, in which a flow means other things
)


def line(bridge: str, protocols: Collection[str], command: Sequence[str], flows: GivenFlows | None, match: str) -> CommandLine:
    """The line for what ``command``, options and at last a command of ovs-ofctl, does to a bridge with flows, or to those that match.

    ``bridge`` is its name, or the socket by which ovs-ofctl is to reach it; ``protocols`` are those that it allows.
    """
    file = flows.file if flows and flows.is_as_given else None
    lines = tuple(filter(None, map(lexer.without_comment, flows.lines))) if flows and not file else ()
    if len(lines) == 1 and command[-1] == "add-flows":
        command, match, lines = *_of_one(lines[0]), ()
    words = [bridge, *([match] if match else [])]
    separator = ["--"] if any(word.startswith("-") and word != "-" for word in (*words, file or "")) else []
    version = max(_VERSIONS.intersection(protocols), default=_BY_DEFAULT)
    return CommandLine(("ovs-ofctl", "-O", version, *command, *separator, *words), lines, file)


def _of_one(flow: str) -> tuple[Sequence[str], str]:
    """The command for one line of ``add-flows``, and what it is given."""
    first, _, rest = flow.partition(",")
    if first == "delete_strict":
        return ["--strict", "del-flows"], rest
    return ["add-flow"], rest if first == "add" else flow
