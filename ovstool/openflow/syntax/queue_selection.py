"""The queues that actions select, and the ports that they then output to, in ovs-ofctl's notation (pure)."""

import re
from typing import NamedTuple

from ovstool.errors import Refused

_MOST_STEPS = 2**18  # from groups to the groups in their buckets

# Strings, so that re compiles them only when the first flow needs them.
_SELECTION = (
    r"(?<![\w:])(?:set_queue:(?P<set>[0-9]{1,10})(?![0-9])|(?P<pop>pop_queue)|(?P<enter>clone\{)"
    r"|enqueue[:(](?P<port>\w+)[:,](?P<queue>[0-9]{1,10})(?![0-9])"
    r"|(?:output:)?(?P<output>(?<=output:)\d+|LOCAL)"
    r"|(?P<open>NORMAL|FLOOD|ALL|IN_PORT|output:|output\(|resubmit|goto_table|group:|bundle|ct\(|learn\(|multipath))|(?P<leave>\})"
)
_PARENTHESIS = r"((?:\bclone)?\(|\))"
_SET_QUEUE = r"(?<![\w:])set_queue:[0-9]+"


class QueueSelection(NamedTuple):
    """A queue that a flow selects, the OpenFlow ports that it then outputs to, and whether it may use others too (NORMAL, groups...)."""

    queue: int
    ports: frozenset[str]
    others: bool


def may_select(line: str) -> bool:
    """Whether a dumped flow may select a queue, itself or through a group; fast, because most flows of a large table do not."""
    return "set_queue:" in line or "enqueue" in line or "group:" in line


def of_actions(actions: str, goes_on: bool = False) -> list[QueueSelection]:
    """The queues that actions select: ``set_queue``, until ``pop_queue``, and ``enqueue`` (ovs-actions(7)); ports by number or LOCAL.

    ``goes_on``: other actions may follow that output the packet to any port, still in its queue: those after the resubmit to this
    table, or an earlier table's action set. The queue stays with the packet until then (xlate_table_action and xlate_action_set of
    ofproto-dpif-xlate.c).
    """
    ports: dict[int, set[str]] = {}
    others: set[int] = set()
    current: int | None = None
    before: list[int | None] = []  # of the clones that we are in
    for found in re.finditer(_SELECTION, _in_order(actions)):
        if found["set"]:
            current = int(found["set"])
            ports.setdefault(current, set())
        elif found["pop"]:
            current = None
        elif found["enter"]:
            before.append(current)
        elif found["leave"]:
            current = before.pop() if before else None
        elif found["queue"]:
            ports.setdefault(int(found["queue"]), set()).add(found["port"])
        elif current is not None and found["output"]:
            ports[current].add(found["output"])
        elif current is not None:
            others.add(current)
    if goes_on and current is not None and not ports[current]:
        others.add(current)
    return [QueueSelection(queue, frozenset(to), queue in others) for queue, to in ports.items()]


def _in_order(actions: str) -> str:
    """Actions in order of execution: the last ``set_queue`` of an action set comes before any output (ovs-actions(7)).

    A clone, after which the earlier queue applies again, is put in braces.
    """
    apply, written, rest = actions.partition("write_actions(")
    if written and (selected := re.findall(_SET_QUEUE, rest)):
        actions = f"{apply}{written}{selected[-1]},{re.sub(_SET_QUEUE, '', rest)}"
    return _with_braces(actions) if "clone(" in actions else actions


def _with_braces(actions: str) -> str:
    """Actions with each clone in braces, whatever parentheses it contains: ``clone{ct(nat(src=10.0.0.1))}``."""
    pieces, opened = [], []
    for piece in re.split(_PARENTHESIS, actions):
        if piece.endswith("("):
            opened.append(piece)
        ends_clone = piece == ")" and bool(opened) and opened.pop() == "clone("
        pieces.append("clone{" if piece == "clone(" else "}" if ends_clone else piece)
    return "".join(pieces)


def groups(actions: str) -> list[str]:
    """The groups that actions use, by number, each once."""
    return list(dict.fromkeys(re.findall(r"(?<![\w:])group:(\d+)", actions)))


def of_groups(dumped: str) -> dict[str, list[QueueSelection]]:
    """The queues that each group selects, directly or through others, from ``ovs-ofctl dump-groups``; groups without any are left out."""
    buckets_of = dict(re.findall(r"^ group_id=(\d+),(.*)$", dumped, re.MULTILINE))
    own = {group: [to for bucket in buckets.split("bucket=") for to in of_actions(bucket)] for group, buckets in buckets_of.items()}
    beside = {group: [other for other in groups(buckets) if other in own] for group, buckets in buckets_of.items()}
    found, steps = {}, 0
    for group in buckets_of:
        reached = {group: None}
        ahead = [group]
        for near in ahead:  # which grows during the loop
            ahead += [other for other in beside[near] if other not in reached]
            reached |= dict.fromkeys(beside[near])
        steps += len(ahead)
        if steps > _MOST_STEPS:
            raise Refused("ovs-ofctl", f"more than {_MOST_STEPS} links between groups")
        if selected := [to for near in reached for to in own[near]]:
            found[group] = selected
    return found
