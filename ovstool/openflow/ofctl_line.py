"""A change of flows as the equivalent ovs-ofctl(8) command line, written as a person would write it (pure)."""

from collections.abc import Collection, Sequence

from ovstool.host import CommandLine
from ovstool.openflow.syntax import lexer
from ovstool.openflow.syntax.given_flows import GivenFlows

_VERSIONS = {f"OpenFlow1{minor}" for minor in range(6)}
_BY_DEFAULT = (
    "OpenFlow14"  # the newest that a bridge speaks by default; ovs-ofctl by default uses only 1.0, in which flows have other meanings
)


def line(bridge: str, protocols: Collection[str], command: Sequence[str], flows: GivenFlows | None, match: str) -> CommandLine:
    """The line that runs ``command``, options and then a command of ovs-ofctl, on a bridge, with flows or a match.

    ``bridge`` is its name, or the socket through which ovs-ofctl reaches it; ``protocols`` are those that it allows.
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
    """The command for one line of ``add-flows``, and its argument."""
    first, _, rest = flow.partition(",")
    if first == "delete_strict":
        return ["--strict", "del-flows"], rest
    return ["add-flow"], rest if first == "add" else flow
