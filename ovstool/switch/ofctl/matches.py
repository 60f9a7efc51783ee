"""How ovs-ofctl reads a match, from ``ovs-ofctl parse-flows`` with the match and with probes for each of its fields."""

from collections.abc import Sequence
from itertools import islice

from ovstool.errors import Refused, UsageError, quote
from ovstool.host import Finished
from ovstool.openflow.accepts import match_probes
from ovstool.openflow.syntax import lexer, names, ofctl_errors, spelling, text
from ovstool.openflow.syntax.given_flows import GivenFlows
from ovstool.switch.ofctl import NEEDS_PROTOCOL, VERSIONS, OfctlBridge

_MOST_ASKED = 100  # matches in one process


def checked(bridge: OfctlBridge, match: str | None, table: int | None, deletes: bool = False) -> str:
    """A match that ovs-ofctl accepts completely; notes words without effect.

    Raises UsageError for an empty one, such as from a script's unset variable, or one that ovs-ofctl would misread;
    when it ``deletes``, also for one that matches all flows.
    """
    if match is None:
        return "" if table is None else f"table={table}"
    if not lexer.words(match) or match.strip() == "-":
        raise UsageError(f"match {quote(match)}", "does not match on anything", "no MATCH, for all flows")
    beside = match_probes.beside_fields(match)
    if table is not None and "table" in beside:
        raise UsageError(f"--table {table}", "the match names a table too")
    if not as_taken(bridge, match) and not beside:
        if deletes:
            raise UsageError(f"match {quote(match)}", "matches all flows", "no MATCH, for all flows")
        bridge.switch.notes.append(f"{quote(match)} matches all flows")
    return lexer.with_names_quoted(match if table is None else f"table={table},{match}")


def as_taken(bridge: OfctlBridge, match: str, flow: str = "") -> str:
    """How ovs-ofctl reads the fields of a match. Raises UsageError when it misreads them; notes words without effect.

    ``flow``: the name in messages of the flow that has the match; then nothing is noted.
    """
    what = flow or f"match {quote(names.unescaped(match))}"
    if why := match_probes.why_refused(match):
        raise UsageError(what, why)
    said = match_probes.field_words(match)
    if not said:
        return ""
    done = parse_flows(bridge, match_probes.probes(said))
    if done.status:
        wrong, unshared = ofctl_errors.at_line(done.stderr), match_probes.unshared(said)
        if wrong and 0 <= wrong.number - 3 - len(said) < len(unshared) and "MATCH_INCONSISTENT" in wrong.why:
            raise _reduced(bridge, what, match, said)
        raise bridge.failure(done, match=match)
    taken = _parsed(done)
    _require_taken(bridge, what, match, said, taken)
    for word in match_probes.without_effect(said, taken[: 2 + len(said)]) if taken[0] and not flow else ():
        bridge.switch.notes.append(f"{quote(word.text)} does not change the match")
    return taken[0]


def _require_taken(bridge: OfctlBridge, what: str, match: str, said: Sequence[lexer.Word], taken: Sequence[str]) -> None:
    """Raises UsageError when the probes show that ovs-ofctl misreads the match."""
    taken = taken[: 2 + len(said)]
    if len(taken) < 2 + len(said):
        raise Refused("ovs-ofctl", f"does not say how it reads {quote(match)}")
    if ofctl_errors.decode_error(taken[0]):
        raise _reduced(bridge, what, match, said)
    if taken[0] != taken[1]:
        raise UsageError(what, "sets one field twice, and ovs-ofctl uses the last value")
    if match_probes.first_lost(said, taken):
        raise _reduced(bridge, what, match, said)


def _reduced(bridge: OfctlBridge, what: str, match: str, said: Sequence[lexer.Word]) -> UsageError:
    """The error for a match that ovs-ofctl reads only in part, or misreads."""
    done = parse_flows(bridge, match_probes.probes(said)[:1])
    taken = next(iter(_parsed(done)), "")
    was, now = match_probes.as_given(match, next(ofctl_errors.reduced_matches(done.stderr), (match, taken)))
    why = ofctl_errors.decode_error(taken) or f"{quote(was)} would be taken as {quote(now)}: {NEEDS_PROTOCOL}"
    return UsageError(what, why, match_probes.with_protocol(names.unescaped(match)))


def require_each_taken(bridge: OfctlBridge, flows: GivenFlows) -> None:
    """Raises UsageError when ovs-ofctl would misread a match; of many flows it checks one of each kind."""
    from ovstool.openflow.accepts import prerequisites  # only needed for given flows

    doubtful = []
    for number, before in prerequisites.one_of_each_kind(flows.lines):
        said = prerequisites.match_words(lexer.words(spelling.readable(before)))
        if said and not prerequisites.are_plainly_met(said):
            doubtful.append((flows.place(number), ",".join(word.text for word in said)))
    for first in range(0, len(doubtful), _MOST_ASKED):
        _require_some_taken(bridge, doubtful[first : first + _MOST_ASKED])


def _require_some_taken(bridge: OfctlBridge, matches: Sequence[tuple[str, str]]) -> None:
    """Raises UsageError when ovs-ofctl would misread one of these matches; each pair is a flow and its match."""
    said = [[] if match_probes.why_refused(match) else match_probes.field_words(match) for _, match in matches]
    probes = [match_probes.probes(words) if words else [] for words in said]
    done = parse_flows(bridge, [probe for some in probes for probe in some])
    taken = iter(_parsed(done))
    for (flow, match), words, some in zip(matches, said, probes, strict=True):
        if done.status or not words:
            as_taken(bridge, match, flow)  # to find out which
        else:
            _require_taken(bridge, flow, match, words, list(islice(taken, len(some))))


def parse_flows(bridge: OfctlBridge, flows: Sequence[str], form: str = "OXM-OpenFlow15") -> Finished:
    """What ovs-ofctl would send for these flows, with ports by number."""
    # parse-flows is in no manual. It has been in every ovs-ofctl since 2010.
    argv = ["ovs-ofctl", "-O", VERSIONS, "-F", form, "parse-flows", "--", ofctl_errors.STDIN]
    return bridge.switch.run(argv, "".join(f"{flow}\n" for flow in flows).encode())


def flow_mods(parsed: Finished) -> list[str]:
    """The lines of parse-flows output that have a flow."""
    return [line for line in parsed.stdout.split("\n") if line.startswith("OFPT_FLOW_MOD")]


def _parsed(parsed: Finished) -> list[str]:
    """The matches of flows as parse-flows prints them; the error, where it cannot read one back."""
    return [next(iter(text.sent_flows(line)), line.rpartition(": ***")[2]).partition("actions=")[0].strip() for line in flow_mods(parsed)]
