"""Error messages from ovs-ofctl's stderr: why it refused, in which line, and which matches it changed (pure)."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ovstool.errors import OvstoolError, Refused, Unreachable, UsageError, one_line, quote
from ovstool.openflow.syntax.given_flows import GivenFlows
from ovstool.openflow.syntax.names import unescaped

STDIN = "/dev/stdin"  # diff-flows takes "-" for a bridge

# Strings, so that re compiles them only when ovs-ofctl has printed an error.
_PROGRAM = r"\(Open vSwitch\) (([0-9]{1,3})\.([0-9]{1,3})\S*)"
_LOG_LINE = r"\d{4}-\d\d-\d\dT[\d:.]+Z\|\d+\|(\w+)\|\w+\|(.*)"
_AT_LINE = rf"(?s)(?:-|<stdin>|{STDIN}):([0-9]{{1,9}}): (.*)"
_FLOW_ERROR = r"Error (OFP\w+) for: (?:OFPT_FLOW_MOD .*?: (?:\w+ )?(.*))?"
_PLAIN_ERROR = r"OFPT_ERROR (?:\([^()]*\) ?)*: (OFP\w+)(?:\n(?:OFPT_FLOW_MOD .*?: (?:\w+ )?)?(.*))?"
_DECODE_ERROR = r"decode error: (OFP\w+)"
_UNREACHABLE = r"connect|not a bridge or a socket|Connection (?:refused|reset)|Broken pipe|End of file"
_LONGEST = 200  # characters of a flow to show, about a line
# the members of enum ofperr of ofp-errors.h that flows cause
_MEANINGS = {
    "OFPBAC_BAD_OUT_GROUP": "there is no such group",
    "OFPBAC_BAD_OUT_PORT": "there is no such port",
    "OFPBAC_BAD_QUEUE": "there is no such queue",
    "OFPBAC_MATCH_INCONSISTENT": "an action does not fit the match",
    "OFPBAC_TOO_MANY": "it has too many actions",
    "OFPBIC_BAD_TABLE_ID": "it goes to a table that does not exist or comes before its own",
    "OFPBMC_BAD_PREREQ": "a field needs another field that the match does not have",
    "OFPBRC_BAD_TABLE_ID": "there is no such table",
    "OFPBRC_EPERM": "the switch does not permit it",
    "OFPFMFC_BAD_COMMAND": "the switch does not support the command",
    "OFPFMFC_EPERM": "the switch does not permit it",
    "OFPFMFC_BAD_TABLE_ID": "there is no such table",
    "OFPFMFC_OVERLAP": "it overlaps another flow of the same priority",
    "OFPFMFC_TABLE_FULL": "the table is full",
    "OFPMMFC_INVALID_METER": "there is no such meter",
    "OFPMMFC_UNKNOWN_METER": "there is no such meter",
}


class _Feature(NamedTuple):
    """A feature of Open vSwitch, and the version that introduced it."""

    name: str
    major: int
    minor: int


# The error messages of an older ovs-ofctl for newer features, and the release of each (ofp-actions.h, meta-flow.h and ofp-actions.c
# at each release; complete from 2.13 on).
_FEATURES = {
    "unknown action delete_field": _Feature("delete_field", 2, 14),
    "tun_gtpu_flags": _Feature("tun_gtpu_flags", 2, 14),
    "tun_gtpu_msgtype": _Feature("tun_gtpu_msgtype", 2, 14),
    "Encap hdr not supported": _Feature("encap(mpls)", 2, 17),
}


class LineError(NamedTuple):
    """An error in a line of the flows that ovs-ofctl read."""

    number: int
    why: str


class Request(NamedTuple):
    """What ovs-ofctl was asked to do: the bridge and its OpenFlow versions, the flows or the match.

    ``program`` returns the output of ``ovs-ofctl --version``; ``permission`` is the hint when the user may not open the socket.
    """

    bridge: str
    protocols: tuple[str, ...]
    flows: GivenFlows | None
    match: str
    program: Callable[[], str]
    permission: str

    @property
    def what(self) -> str:
        """The name of the bridge in messages."""
        return f"bridge {quote(self.bridge)}"


def message(stderr: str) -> str:
    """The error message of an Open vSwitch tool on one line, without the tool's name and log lines."""
    lines = [line for line in stderr.splitlines() if not re.match(_LOG_LINE, line) and not line.endswith("server returned an error")]
    return one_line(" ".join(line.removeprefix("ovs-ofctl: ").removeprefix("ovs-appctl: ").strip() for line in lines))


def at_line(stderr: str) -> LineError | None:
    """The error as one in a line of the flows, if ovs-ofctl names a line."""
    found = re.match(_AT_LINE, message(stderr))
    return LineError(int(found[1]), found[2]) if found else None


def reduced_matches(stderr: str) -> Iterator[tuple[str, str]]:
    """The matches that Open vSwitch has changed, which it only logs: before and after."""
    logged = [re.match(_LOG_LINE, line) for line in stderr.splitlines()]
    for first, before, after in zip(logged, logged[1:], logged[2:], strict=False):
        if first and before and after and "normalization changed" in first[2]:
            yield before[2].partition(":")[2].strip(), after[2].partition(":")[2].strip()


def decode_error(printed: str) -> str | None:
    """Why the switch would refuse a match that ``ovs-ofctl parse-flows`` cannot decode; None if it can."""
    found = re.match(_DECODE_ERROR, printed)
    return f"{_MEANINGS.get(found[1], 'the switch would refuse it')} ({found[1]})" if found else None


def explained(stderr: str, request: Request) -> OvstoolError:
    """The error for a failed ovs-ofctl."""
    for explain in (_no_common_version, _refused_flow, _wrong_line, _no_usable_format, _unreachable):
        if error := explain(stderr, request):
            return error
    said = message(stderr)
    if request.match and said:
        return UsageError(f"match {quote(unescaped(request.match))}", unescaped(said))
    return Refused("ovs-ofctl", said or "failed without an error message")


def _no_common_version(stderr: str, request: Request) -> OvstoolError | None:
    if "version negotiation failed" not in stderr:
        return None
    allowed = f"; its protocols are {', '.join(request.protocols)}" if request.protocols else ""
    hint = f"ovstool bridge set {quote(request.bridge)} --protocols OpenFlow13"
    return Refused(request.what, f"no OpenFlow version in common{allowed}", hint)


def _refused_flow(stderr: str, request: Request) -> OvstoolError | None:
    found = re.search(_FLOW_ERROR, stderr) or re.search(_PLAIN_ERROR, stderr)
    if not found:
        return None
    name, flow = found.groups()
    why = f"{_MEANINGS.get(name, 'the switch refused it')} ({name}); nothing was changed"
    return Refused(f"flow {_shortened(flow)}" if flow else request.what, why)


def _shortened(flow: str) -> str:
    flow = one_line(flow.strip())
    return flow if len(flow) <= _LONGEST else f"{flow[:_LONGEST]}..."


def _wrong_line(stderr: str, request: Request) -> OvstoolError | None:
    wrong = at_line(stderr)
    if not wrong:
        return None
    flows, why = request.flows, unescaped(one_line(wrong.why))
    if request.match and (flows is None or flows.file is None):
        what = f"match {quote(unescaped(request.match))}"
    else:
        what = flows.place(wrong.number) if flows else request.what
    return _lacking_feature(what, why, request) or UsageError(what, why)


def _lacking_feature(what: str, why: str, request: Request) -> Refused | None:
    """The error for a word that needs a newer ovs-ofctl; None when this one is new enough."""
    feature = next((feature for said, feature in _FEATURES.items() if said in why), None)
    found = re.search(_PROGRAM, request.program()) if feature else None
    if feature is None or found is None or (int(found[2]), int(found[3])) >= feature[1:]:
        return None
    return Refused(what, f"{feature.name} needs Open vSwitch {feature.major}.{feature.minor} or newer, and this is {found[1]}")


def _no_usable_format(stderr: str, request: Request) -> OvstoolError | None:
    if "usable flow formats" not in message(stderr):
        return None
    flows = request.flows
    what = quote(flows.file or "flows") if flows else f"match {quote(unescaped(request.match))}"
    allowed = f", of those that the bridge allows ({', '.join(request.protocols)})" if request.protocols else ""
    hint = "a match on the protocol whose fields an action changes, such as ip" if flows else None
    return Refused(what, f"no version of OpenFlow from 1.3 on{allowed} can express all of this; nothing was changed", hint)


def _unreachable(stderr: str, request: Request) -> OvstoolError | None:
    said = message(stderr)
    if not re.search(_UNREACHABLE, said):
        return None
    if "ermission denied" in said:
        return Unreachable(request.what, "permission denied", f"{request.permission}, or a user who may open the socket")
    why = "its management socket does not answer" + (f" ({found[1]})" if (found := re.search(r"\(([^()]*)\)$", said)) else "")
    return Unreachable(request.what, why, "is ovs-vswitchd running?")
