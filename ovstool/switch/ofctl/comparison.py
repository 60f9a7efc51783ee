"""How given flows differ from those of a bridge, and how the switch writes a match, both from ``ovs-ofctl diff-flows``."""

import os
from collections.abc import Sequence

from ovstool.errors import Conflict, Refused, quote
from ovstool.openflow.syntax import lexer, names, ofctl_errors, spelling, text
from ovstool.openflow.syntax.given_flows import GivenFlows
from ovstool.switch.ofctl import OfctlBridge, matches

# The flow format in which flows are sent, for ovs-ofctl's -F; it also reads them back in this format.
_FORMATS = {"1.0": "NXM+table_id", "1.1": "OpenFlow11", **{f"1.{minor}": f"OXM-OpenFlow1{minor}" for minor in (2, 3, 4, 5)}}
_MOST_UNREADABLE = 100  # flows that ovs-ofctl writes but cannot read; each costs a process


def difference(bridge: OfctlBridge, flows: GivenFlows, match: str = "", refusing: bool = False) -> text.Difference:
    """How the flows given differ from those of the bridge; ``refusing``: raises UsageError for a match that ovs-ofctl misreads.

    ovs-ofctl compares text, and a switch writes some actions differently (``mod_dl_dst``, ``load``, ``note``). So flows that
    seem to be missing are compared again in the form in which ovs-ofctl would send and read them back.
    """
    found = _diff(bridge, flows, match)
    if refusing and found.plus:  # a flow that would be changed always shows as missing
        matches.require_each_taken(bridge, flows)
    places = set(map(text.table_and_priority, found.minus))  # a flow with a new table and priority is new, however it is written
    doubtful = [flow for flow in found.plus if text.table_and_priority(flow) in places] if places else []
    if not doubtful:
        return found
    same, sent = _compared(bridge, doubtful, found.minus)
    theirs = set(same.values())
    minus = [flow for flow in found.minus if flow not in theirs]
    return text.Difference(minus, [sent.get(flow, flow) for flow in found.plus if flow not in same])


def canonical_match(bridge: OfctlBridge, match: str) -> str:
    """A match as the switch writes it in table 0, with ports by number; one match has many spellings.

    Raises UsageError for what ovs-ofctl rejects or misreads.
    """
    matches.as_taken(bridge, match)
    probe = f"table=0,priority=0,cookie={nobodys_cookie()},{lexer.with_names_quoted(match)},actions=drop"
    plus = _diff(bridge, GivenFlows([probe]), match).plus
    if not plus:
        raise Refused("ovs-ofctl", f"does not say how it reads {quote(match)}")
    shown = bridge.shown()
    numbered = _with_port_numbers(bridge, [f"priority=0,{text.match_of(plus[0])} actions=drop"], shown)
    return text.match_of(_as_sent(bridge, numbered, text.openflow_version(shown))[0] or numbered[0])


def _compared(bridge: OfctlBridge, plus: Sequence[str], minus: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Which flows of a difference the switch has after all, and in which form; and how the others would be sent."""
    shown = bridge.shown()
    ours, theirs = _with_port_numbers(bridge, plus, shown), _with_port_numbers(bridge, minus, shown)
    joined = {at: flow for at, flow in enumerate(map(spelling.with_joined_loads, ours)) if flow != ours[at]}
    sent = _as_sent(bridge, [*ours, *joined.values()], text.openflow_version(shown))
    reported = dict(zip(theirs, minus, strict=True))
    pairs = list(zip([*plus, *(plus[at] for at in joined)], sent, strict=True))
    same = {flow: reported[as_sent.lstrip()] for flow, as_sent in pairs if as_sent.lstrip() in reported}
    if left := [(flow, as_sent) for flow, as_sent in pairs if as_sent and flow not in same]:
        same |= _same_in_canonical_form(bridge, left, reported)
    port_names = text.port_names(shown)
    differing = [(flow, as_sent) for flow, as_sent in zip(plus, sent, strict=False) if as_sent and flow not in same]
    return same, {flow: names.escaped(names.with_names(as_sent, port_names)).lstrip() for flow, as_sent in differing}


def _same_in_canonical_form(bridge: OfctlBridge, sent: Sequence[tuple[str, str]], reported: dict[str, str]) -> dict[str, str]:
    """Which flows (each with its form as sent) the switch reports in another spelling, and in which."""
    lengths = {}
    if any("tun_metadata" in as_sent for _, as_sent in sent):
        lengths = spelling.option_lengths(bridge.run("dump-tlv-map", "--", bridge.socket).stdout)
    known = {spelling.canonical(flow, lengths): as_shown for flow, as_shown in reported.items()}
    found = ((flow, known.get(spelling.canonical(as_sent, lengths))) for flow, as_sent in sent)
    return {flow: as_shown for flow, as_shown in found if as_shown}


def _diff(bridge: OfctlBridge, flows: GivenFlows, match: str) -> text.Difference:
    done = bridge.run_reading("--names", "diff-flows", "--", bridge.socket, ofctl_errors.STDIN, flows=flows.text)
    if done.status == 2:  # they differ
        bridge.note_reduced(done.stderr)
    else:
        bridge.check(done, flows, match)
    found = text.difference(done.stdout)
    if bool(found) != (done.status == 2):
        raise Refused("ovs-ofctl", f"diff-flows printed something that ovstool does not understand: {quote(done.stdout)}")
    return found


def _as_sent(bridge: OfctlBridge, flows: Sequence[str], version: str) -> list[str]:
    """Flows with ports by number as they would go over the wire in a version of OpenFlow; "" for one that ovs-ofctl cannot convert."""
    sent = [""] * len(flows)
    left = list(range(len(flows)))
    for _ in range(_MOST_UNREADABLE):
        done = matches.parse_flows(bridge, [flows[at] for at in left], _FORMATS.get(version, "any"))
        if done.status and spelling.is_unreadable(done.stderr) and (readable := [spelling.readable(flow) for flow in flows]) != flows:
            flows = readable
            continue
        printed = [next(iter(text.sent_flows(line)), "") for line in matches.flow_mods(done)]
        if not done.status and len(printed) == len(left):
            for at, flow in zip(left, printed, strict=True):
                sent[at] = flow
            break
        # One flow that ovs-ofctl rejects hides its answer about the others.
        wrong = ofctl_errors.at_line(done.stderr)
        left.pop(wrong.number - 1 if wrong and 0 < wrong.number <= len(left) else -1)
        if not left:
            break
    return sent


def _with_port_numbers(bridge: OfctlBridge, flows: Sequence[str], shown: str) -> list[str]:
    """Flows of a difference with ports by number. Raises Conflict for a port's name that cannot be distinguished from another port."""
    try:
        return names.with_numbers("\n".join(flows), text.port_numbers(shown)).split("\n")
    except names.AmbiguousName as error:
        why = "there is also a port of this name, and ovs-ofctl shows both alike"
        raise Conflict(f"port {error}", why, "another name for that port") from error


def nobodys_cookie() -> int:
    """A random cookie, with which a flow differs from every existing one, so that diff-flows prints it as Open vSwitch writes it."""
    return int.from_bytes(os.urandom(8), "big") >> 1 | 1
