"""What a bridge has in ovs-vswitchd alone: flows, groups and meters, read and made those of a snapshot.

They refer to each other: a flow to groups and meters, a group to meters and other groups. Deleting a group or a meter deletes the flows
that use it. So what is new comes first, meters before groups, then the flows, and what is to go comes last.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ovstool.openflow.syntax import flow_file, lexer, names, text
from ovstool.openflow.syntax.given_flows import GivenFlows
from ovstool.switch import flow
from ovstool.switch.flow import whole
from ovstool.switch.ofctl import OfctlBridge

MAX_SIZE = whole.MAX_SIZE  # bytes of a snapshot
_FLAGS = rf",(?:{'|'.join(sorted(text.KEPT_FLAGS))})\b"


class Contents(NamedTuple):
    """Flows as lines of a flow file, groups and meters as ovs-ofctl(8) reads them; all with ports by number."""

    flows: Sequence[str] = ()
    groups: Sequence[str] = ()
    meters: Sequence[str] = ()


def read(bridge: OfctlBridge, lost: set[str]) -> Contents:
    """The contents of a bridge; what they cannot express is added to ``lost``. Raises Unreachable, Refused when they are too large."""
    flows = whole.bounded(bridge.name, flow_file.lines(bridge.dumped_lines("", with_names=False), {}, lost))
    if not bridge.tells_flags:
        lost.add(f"flags of flows, such as send_flow_rem, which {', '.join(bridge.protocols)} does not report")
    meters = _meters(bridge.run("dump-meters", "--", bridge.socket).stdout) if bridge.has_meters else []
    return Contents(sorted(flows, key=whole.place), sorted(_groups(bridge.groups()), key=_number), sorted(meters, key=_number))


def _groups(dumped: str) -> list[str]:
    return [line.strip() for line in dumped.splitlines() if line.startswith(" group_id=")]


def _meters(dumped: str) -> list[str]:
    """Meters, each in one line; ovs-ofctl writes a line for each band."""
    _, *blocks = re.split(r"^(?=meter=)", dumped, flags=re.MULTILINE)
    return [" ".join(block.split()) for block in blocks]


def _number(line: str) -> int:
    """The number of a group or a meter."""
    found = re.match(r"(?:group_id|meter)=(\d+)", line)
    return int(found[1]) if found else 0


def renumbered(wanted: Contents, numbers: Mapping[str, str]) -> Contents:
    """Contents with other port numbers, for ports that have got another one; ``numbers`` are the new ones by the old."""
    if not numbers:
        return wanted
    flows, groups = ([names.with_names(line, numbers, str) for line in lines] for lines in (wanted.flows, wanted.groups))
    return Contents(sorted(flows, key=whole.place), groups, wanted.meters)


def make(bridge: OfctlBridge, wanted: Contents) -> None:
    """Make the contents of a bridge these. Each step is all or nothing where the bridge's protocols have bundles."""
    now = read(bridge, set())
    old, new = _by_number(now.meters), _by_number(wanted.meters)
    for number, meter in new.items():
        if meter != old.get(number):
            bridge.run("mod-meter" if number in old else "add-meter", "--", bridge.socket, meter)
    before, after = _by_number(now.groups), _by_number(wanted.groups)
    _change_groups(bridge, [f"{'modify' if n in before else 'add'} {group}" for n, group in after.items() if group != before.get(n)])
    _make_flows(bridge, now.flows, wanted.flows)
    _change_groups(bridge, [f"delete group_id={number}" for number in before.keys() - after.keys()])
    for number in old.keys() - new.keys():
        bridge.run("del-meter", "--", bridge.socket, f"meter={number}")


def _by_number(lines: Sequence[str]) -> dict[int, str]:
    return {_number(line): line for line in lines}


def _change_groups(bridge: OfctlBridge, commands: Sequence[str]) -> None:
    if commands:
        bridge.run(*bridge.bundle, "add-groups", "--", bridge.socket, "-", flows=GivenFlows(commands, f"groups of {bridge.name}"))


def _make_flows(bridge: OfctlBridge, now: Sequence[str], wanted: Sequence[str]) -> None:
    """Replace the flows, in one bundle where the bridge's protocols have them.

    Those that differ only in flags are added again, because ovs-ofctl replaces no flags.
    """
    if set(now) == set(wanted):
        return
    if not wanted:
        bridge.change("del-flows")
        return
    file = f"flows of {bridge.name}"
    given = GivenFlows.checked(wanted, file)
    if not bridge.bundle:  # without one, replace-flows does not know tables in OpenFlow 1.0
        bridge.change("add-flows", flows=GivenFlows(["delete", *given.lines], file))
        return
    flow.replaced(bridge, given)
    theirs = {_without_flags(line): lexer.flags(line) for line in flow_file.lines(bridge.dumped_lines("", with_names=False), {}, set())}
    flagged = [line for line in wanted if lexer.flags(line) != theirs.get(_without_flags(line), lexer.flags(line))]
    if flagged:
        bridge.change("--bundle", "add-flows", flows=GivenFlows(flagged, file))


def _without_flags(line: str) -> str:
    before, actions, rest = line.partition(" actions=")
    return re.sub(_FLAGS, "", before) + actions + rest
