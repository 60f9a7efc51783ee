"""Parses the output of ``ofproto/trace`` (ovs-vswitchd(8)) into steps and a one-sentence verdict (pure)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ovstool.errors import Refused, one_line, quote
from ovstool.openflow.syntax import datapath_actions
from ovstool.openflow.syntax.names import with_names

# Patterns that few traces need are strings, so that re compiles them only when needed.
_BRIDGE = re.compile(r"( *)bridge\(\"(.*)\"\)")
_STEP = re.compile(r"( *)([0-9]{1,3})\. (.*)")
_MATCHED = re.compile(r"(?:(.*), )?priority ([0-9]{1,5})(?:, cookie (0x[0-9a-f]+))?")
_FAILED = r"Translation failed \((.*)\), packet is dropped\."
# The remote address of a tunnel: in the kernel's tunnel metadata, or in the header that the userspace datapath pushes.
_TUNNEL = re.compile(r"(?:\btunnel\(|\bheader\([^()]*\([^()]*\),ipv[46]\()[^()]*?\b(?:ipv6_)?dst=([^,()]+)")
_TUNNELLED = ("output to kernel tunnel", "output to native tunnel")  # compose_output_action__ of ofproto-dpif-xlate.c
_CT_ZONE = re.compile(r"\bct\([^()]*\bzone=(\d+)")
_RESUMED = r"recirc\(0x[0-9a-f]+\) - resume (\w+)"
_OUTPUT = re.compile(r"output:(.+)")
_TUNNEL_PORT = re.compile(r"(?:vxlan|genev|geneve|gre|ip6gre|erspan|ip6erspan|lisp|stt|gtpu|udp|srv6)_sys(?:_\d+)?")
# dpif_show_backer of ofproto-dpif.c, show_dpif of dpctl.c
_SHOWN_DATAPATH = r"([^\s@]+@\S+): hit:\d+ missed:\d+"
_SHOWN_BRIDGE = r"  (\S.*):"
_SHOWN_PORT = r"    (.+) (\d+)/(?:\d+|none): \("
_SHOWN_DATAPATH_PORT = r"  port (\d+): (.+?)(?: \(|$)"


@dataclass
class Step:
    """A flow that a packet matched, or a table in which it matched none (``priority`` None)."""

    bridge: str
    table: int
    depth: int
    priority: int | None
    match: str | None
    cookie: str | None
    actions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class Trace:
    """What happens to a packet. ``lines`` is its path in readable form, where the switch's remarks begin with ``->``."""

    verdict: str = ""
    outputs: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    flow: str = ""
    final_flow: str = ""
    megaflow: str = ""
    datapath_actions: str = ""
    lines: list[str] = field(default_factory=list)
    tunnels: list[str] = field(default_factory=list)  # the ports it leaves through, "" for one that no flow names


class PortNames(NamedTuple):
    """Port names by number, for a trace without names: OpenFlow ports by bridge, and datapath ports."""

    bridge: str  # the one that receives the packet
    of_bridges: Mapping[str, Mapping[str, str]]
    of_datapath: Mapping[str, str]


def datapath_of(bridge: str, dpif_show: str) -> str:
    """The datapath of a bridge, from ``dpif/show``. Raises Refused."""
    datapath = ""
    for line in dpif_show.split("\n"):
        if found := re.fullmatch(_SHOWN_DATAPATH, line):
            datapath = found[1]
        elif line == f"  {bridge}:" and datapath:
            return datapath
    raise Refused("dpif/show", f"does not list bridge {quote(bridge)}")


def port_names(bridge: str, dpif_show: str, dpctl_show: str) -> PortNames:
    """Read the port names of all bridges from ``dpif/show``, and those of a datapath from ``dpctl/show``."""
    of_bridges: dict[str, dict[str, str]] = {}
    names: dict[str, str] = {}
    for line in dpif_show.split("\n"):
        if found := re.match(_SHOWN_PORT, line):
            names[found[2]] = found[1]
        elif found := re.fullmatch(_SHOWN_BRIDGE, line):
            names = of_bridges.setdefault(found[1], {})
    shown = (re.match(_SHOWN_DATAPATH_PORT, line) for line in dpctl_show.split("\n"))
    return PortNames(bridge, of_bridges, {found[1]: found[2] for found in shown if found})


class _Around(NamedTuple):
    """A bridge, or a step on it, that contains the following lines with a deeper indentation."""

    column: int
    bridge: str
    step: Step | None = None


def parse(text: str, ports: PortNames | None = None) -> Trace:
    """Parse a trace made with ``--names``, or with names added from ``ports``. Raises Refused when it is not a trace.

    A packet that goes through connection tracking is traced in several passes: ``final_flow`` and ``megaflow`` are those of the
    last, ``datapath_actions`` those of all, one pass a line.
    """
    trace = Trace()
    failed = resumed = ""
    passes: list[str] = []
    around: list[_Around] = []  # the innermost last
    for line in text.split("\n"):
        words = line.strip()
        name, colon, value = line.partition(": ")
        if not words or not words.strip("-="):
            continue
        if colon and name == "Datapath actions":
            passes.append(datapath_actions.with_port_names(value, ports.of_datapath) if ports else value)
        elif colon and name in ("Flow", "Final flow", "Megaflow"):
            _take_flow(trace, name, _renamed(value, ports, ports.bridge if ports else ""))
        elif found := _BRIDGE.fullmatch(line):
            column = len(found[1])
            around = [outer for outer in around if outer.column < column] + [_Around(column, found[2])]
            trace.lines.append(f"{'    ' * (column // 4)}bridge {found[2]}")
        elif found := re.match(_FAILED, line):
            failed = found[1]
        elif found := re.match(_RESUMED, line):
            resumed = found[1]
            trace.lines.append(line)
        elif found := _STEP.fullmatch(line):
            column = len(found[1]) + len(found[2]) - 2  # the number is aligned to the right
            around = [outer for outer in around if outer.column < column or (not outer.step and outer.column == column)]
            bridge = around[-1].bridge if around else ""
            step = _step(bridge, int(found[2]), max(column, 0) // 4, _renamed(found[3], ports, bridge))
            around.append(_Around(column, bridge, step))
            trace.steps.append(step)
            trace.lines.append(f"{'    ' * step.depth}  {_title(step)}")
        elif line.startswith(" "):
            _take_action(trace, around, line, ports)
        else:
            trace.lines.append(words)
    if not passes:
        raise Refused("ofproto/trace", f"its output is not a trace: {quote(text)}")
    trace.datapath_actions = "\n".join(passes)
    trace.outputs = _outputs(trace)
    trace.verdict = _verdict(trace, failed, resumed)
    return trace


def _take_flow(trace: Trace, name: str, flow: str) -> None:
    match name:
        case "Flow":
            trace.flow = trace.flow or flow
        case "Final flow":
            trace.final_flow = flow
        case _:
            trace.megaflow = flow


def _take_action(trace: Trace, around: list[_Around], line: str, ports: PortNames | None) -> None:
    """Add an action, or a remark on one, to the step that contains it, and close the steps that do not."""
    words = line.strip()
    column = len(line) - len(line.lstrip())
    while around and around[-1].column >= column and any(outer.step for outer in around[:-1]):
        around.pop()
    remark = words.startswith(("->", ">>"))
    words = words.strip("<>- ") if remark else _renamed(words, ports, around[-1].bridge if around else "")
    step = next((outer.step for outer in reversed(around) if outer.step), None)
    trace.lines.append(f"{'    ' * (step.depth if step else 0)}{'      -> ' if remark else '    '}{words}")
    if step and words != "thaw":
        (step.notes if remark else step.actions).append(words)
    if step and remark and words in _TUNNELLED:
        found = _OUTPUT.fullmatch(step.actions[-1]) if step.actions else None
        trace.tunnels.append(datapath_actions.unquoted(found[1]) if found and not found[1].endswith("]") else "")


def _renamed(flow: str, ports: PortNames | None, bridge: str) -> str:
    return with_names(flow, ports.of_bridges.get(bridge, {})) if ports else flow


def _step(bridge: str, table: int, depth: int, text: str) -> Step:
    found = _MATCHED.match(text)
    if found:
        return Step(bridge, table, depth, int(found[2]), found[1] or "", found[3] or "0x0")
    return Step(bridge, table, depth, None, None, None, notes=[] if text == "No match." else [text.rstrip(".")])


def _title(step: Step) -> str:
    if step.priority is None:
        return f"table {step.table}: {step.notes[0] if step.notes else 'no flow matches'}"
    cookie = "" if step.cookie == "0x0" else f", cookie {step.cookie}"
    return f"table {step.table}, priority {step.priority}{cookie}{': ' * bool(step.match)}{step.match}"


def _outputs(trace: Trace) -> list[str]:
    """The names of the ports that the packet leaves through, in order."""
    names = [name for name in datapath_actions.ports(trace.datapath_actions) if not _TUNNEL_PORT.fullmatch(name)]
    return list(dict.fromkeys([*names, *_tunnels(trace)]))


def _tunnels(trace: Trace) -> list[str]:
    """The tunnels among the outputs. The datapath has one port per tunnel type; it is shown for a tunnel that no flow names."""
    if not _TUNNEL.search(trace.datapath_actions):
        return []
    device = _TUNNEL_PORT.search(trace.datapath_actions)
    return [name or (device[0] if device else "a tunnel") for name in trace.tunnels]


def _verdict(trace: Trace, failed: str, resumed: str) -> str:
    parts = []
    actions = trace.datapath_actions
    if failed:
        remarks = [note for step in trace.steps for note in step.notes]
        return f"dropped: {remarks[-1] if remarks else failed}"
    if trace.outputs:
        parts.append(f"{'flooded to' if _is_flooded(trace) else 'forwarded out of'} {_listed(trace)}")
    if _is_for_controller(actions):
        parts.append("sent to the controller")
    verdict = " and ".join(parts) or _unfinished(actions, resumed) or _why_dropped(trace)
    if resumed == "conntrack":
        zone = _CT_ZONE.search(actions)
        verdict += f", after connection tracking{f' in zone {zone[1]}' if zone else ''}"
    elif resumed:
        verdict += f", after a recirculation ({resumed})"
    return verdict


def _is_for_controller(actions: str) -> bool:
    return any(re.search(r"\bcontroller\b", line.partition("userspace(")[2]) for line in actions.split("\n"))


def _unfinished(actions: str, resumed: str) -> str:
    """The verdict for a packet that ofproto/trace does not follow to the end, such as after the hash of a select group."""
    if resumed or not re.search(r"\brecirc\(", actions):
        return ""
    by = "the hash of a select group decides" if re.search(r"\bhash\(", actions) else "it is processed again"
    return f"not followed to its end: {by} ({one_line(actions)})"


def _is_flooded(trace: Trace) -> bool:
    return any("FLOOD" in step.actions or "ALL" in step.actions or any("flooding" in note for note in step.notes) for step in trace.steps)


def _listed(trace: Trace) -> str:
    """The outputs, with the queue and the tunnel of each."""
    queues = _queues(trace)
    tunnels = _tunnels(trace)
    remotes = set(_TUNNEL.findall(trace.datapath_actions))
    tunnel = f"tunnel to {remotes.pop()}" if len(remotes) == 1 else "tunnel"
    names = []
    for name in trace.outputs:
        extra = [f"queue {queues[name]}"] if name in queues else []
        if name in tunnels:
            extra.append(tunnel)
        names.append(f"{name} ({', '.join(extra)})" if extra else name)
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _queues(trace: Trace) -> dict[str, str]:
    """The queue of each port, if it was output to by name after a ``set_queue``; for other ports it is unknown."""
    named: dict[str, tuple[int, str]] = {}  # with its place among the actions
    among = (0, "")
    queue = ""
    for place, action in enumerate(action for step in trace.steps for action in step.actions):
        if action.startswith("set_queue:"):
            queue = action.removeprefix("set_queue:")
        elif action == "pop_queue":
            queue = ""
        elif action.startswith("enqueue:"):
            port, _, number = action.removeprefix("enqueue:").rpartition(":")
            named[datapath_actions.unquoted(port)] = place, number
        elif queue and (found := _OUTPUT.fullmatch(action)):
            named[datapath_actions.unquoted(found[1])] = place, queue
        elif queue and action in ("NORMAL", "FLOOD", "ALL"):
            among = place, queue
    queues = {name: max(named.get(name, among), among)[1] for name in trace.outputs}
    return {name: queue for name, queue in queues.items() if queue}


def _why_dropped(trace: Trace) -> str:
    """Why the packet was dropped, judging by the last step."""
    if not trace.steps:
        return "dropped"
    step = trace.steps[-1]
    where = f"table {step.table}" + (f" of bridge {step.bridge}" if step.bridge != trace.steps[0].bridge else "")
    if step.priority is None:
        return f"dropped: {step.notes[0]}" if step.notes else f"dropped: no flow in {where} matches"
    by = f"{where}, priority {step.priority}"
    if step.actions[-1:] == ["drop"] and not step.notes:
        return f"dropped by {by}{f': {step.match}' if step.match else ''}"
    if any("no input bundle" in note for note in step.notes):
        return f"dropped by {by}: NORMAL needs to know the input port (in_port=PORT)"
    reasons = [note for note in step.notes if re.search("skipping|[Dd]rop|[Nn]onexistent|not |no live|[Cc]an't|failed|exce", note)]
    if reasons:
        return f"dropped by {by}: {reasons[-1]}"
    return f"dropped by {by}: none of its actions sends it anywhere"
