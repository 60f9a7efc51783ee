"""ovstool qos explain and its page"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ovstool import units
from ovstool.answers import Answer
from ovstool.commands.options import PORT
from ovstool.switch import Switch
from ovstool.switch.checks import explain, shaping
from ovstool.switch.checks.datapath import TcClass
from ovstool.switch.checks.explain import Explained, ExplainedInterface, ExplainedQueue
from ovstool.switch_command import SwitchShow, addressed

if TYPE_CHECKING:
    from ovstool.remedy import FindingRow

_MANY = 10  # flows shown for a queue
_BELOW = " " * 16  # indentation of the further lines of a queue


class _Explanation(NamedTuple):
    """The state of a port, and its problems as they are printed."""

    explained: Explained
    problems: "Sequence[FindingRow]"


class QosExplain(SwitchShow):
    """Explain the QoS of a port, from configuration to packets

    Shows what is configured; what is installed in the datapath, according to ovs-vswitchd ('qos/show') and the kernel (tc);
    what each queue has sent, and which flows use it; where all other traffic goes; and each problem with a remedy. The exit
    code is 0 whatever it finds; scripts should use 'qos check'.

    Examples:
      ovstool qos explain eth1
      ovstool qos explain eth1 -f json | jq '.queues[] | {queue, tx_packets}'
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("port", metavar="PORT", help=PORT)
        return parser

    def on_switch(self, switch: Switch, args: argparse.Namespace) -> Any:
        return explain.explain(switch, args.port)

    def completed(self, result: Any, target: Any, args: argparse.Namespace) -> Any:
        return _Explanation(result, addressed(result.problems, target, args))

    def as_object(self, shown: Any, args: argparse.Namespace) -> dict[str, Any]:
        return super().as_object(shown.explained, args) | {"problems": shown.problems}

    def page_of_interface(self, name: str, host: str | None, args: argparse.Namespace) -> list[str]:
        """The page of the port that an interface belongs to, on one of the command's hosts, with its notes."""
        target = next((target for target in args.targets if target.name == host or not host), None)
        asked = Answer.awaited(target)
        with self.answer(asked, argparse.Namespace(**vars(args) | {"port": name})) as answer:
            lines = list(page(answer.result.explained, answer.result.problems))
        return [*lines, *(f"  note          {note}" for note in asked.notes)]

    def show(self, args: argparse.Namespace, shown: Any) -> None:
        if args.formatter == "table" and not args.columns:
            self.print_page(page(shown.explained, shown.problems))
        else:
            super().show(args, shown)


def page(explained: Explained, problems: "Sequence[FindingRow]") -> Iterator[str]:
    """The lines of the page, in the order in which a packet passes through."""
    yield f"{explained.port} on bridge {explained.bridge}, {explained.datapath} datapath"
    for interface in explained.interfaces:
        yield f"  interface     {_interface_words(interface)}"
    yield f"  asked         {_asked_words(explained)}"
    yield f"  in effect     {explained.effect}"
    for queue in explained.queues:
        yield ""
        yield from _queue_lines(queue, explained)
    yield ""
    yield f"  unclassified  {explained.unclassified}"
    yield f"  received      {_policed_words(explained)}"
    for problem in problems:
        yield ""
        yield f"  {problem.severity:12}  {problem.problem}"
        yield f"{_BELOW}{problem.evidence}"
        yield f"{_BELOW}try: {problem.remedy}"


def _interface_words(interface: ExplainedInterface) -> str:
    place = f"OpenFlow port {interface.ofport}" if interface.ofport else "not open"
    speed = f"link {units.human_rate(interface.link_speed)}" if interface.link_speed else "link speed unknown"
    return f"{interface.name} (type {interface.type}), {place}, {speed}, MTU {interface.mtu}"


def _asked_words(explained: Explained) -> str:
    if explained.type is None:
        return "nothing: the port has no QoS"
    shared = f"shared with {', '.join(explained.shared_with)}" if explained.shared_with else "used by no other port"
    each = " on each interface" if len(explained.interfaces) > 1 else ""
    rate = f"{units.human_rate(explained.max_rate)} for all queues together{each}" if explained.max_rate else "no max-rate"
    return f"{explained.type}, {rate} (QoS {explained.uuid}, {shared})"


def _policed_words(explained: Explained) -> str:
    limits = [units.human_rate(explained.police_rate)] if explained.police_rate else []
    limits += [f"{explained.police_packet_rate} packets/s"] if explained.police_packet_rate else []
    idle = ", but that is not in effect" if explained.police_in_effect is False else ""
    return f"{'policed to ' if limits else 'not policed'}{' and '.join(limits)}{idle}"


def _queue_lines(queue: ExplainedQueue, explained: Explained) -> Iterator[str]:
    nothing = "nothing: ovs-vswitchd created it on its own, or its row is gone"
    asked = (_words(queue.asked._asdict()) or "no settings of its own") if queue.asked else nothing
    yield f"  queue {queue.queue:<8}asked  {asked}"
    yield f"{_BELOW}has    {_has_words(queue, explained)}"
    yield f"{_BELOW}sent   {_sent_words(queue)}"
    for number, line in enumerate(_flow_lines(queue, explained)):
        yield f"{_BELOW}{'' if number else 'flows':5}  {line}"


def _has_words(queue: ExplainedQueue, explained: Explained) -> str:
    has = _words(queue.has._asdict()) if queue.has else ""
    nothing = "nothing" if explained.in_effect is False else "not known"
    in_kernel = _class_words(queue.tc) if queue.tc else "nothing" if has and explained.in_effect is False else None
    return (has or nothing) + (f"; tc: {in_kernel}" if in_kernel else "")


def _sent_words(queue: ExplainedQueue) -> str:
    if queue.tx_packets is None:
        return "not known"
    sent = f"{units.counted(queue.tx_packets, 'packet')}, {units.counted(queue.tx_bytes or 0, 'byte')}"
    return sent + (f"; {units.counted(queue.tx_errors, 'error')}" if queue.tx_errors else "")


def _flow_lines(queue: ExplainedQueue, explained: Explained) -> Iterator[str]:
    """A line for each flow that uses a queue, up to _MANY; a single line if there are none."""
    if queue.flows is None:
        yield "not known"
    elif not queue.flows:
        yield "none" if queue.queue else "none; it gets all traffic that no flow puts into another queue"
    for flow in (queue.flows or ())[:_MANY]:
        where = "" if flow.bridge == explained.bridge else f"{flow.bridge}: "
        yield f"{where}{shaping.in_words(flow)} ({units.counted(flow.packets or 0, 'packet')}{'' if flow.certain else ', on any output port'})"
    if queue.flows and len(queue.flows) > _MANY:
        yield f"and {len(queue.flows) - _MANY} more"


def _class_words(tc: TcClass) -> str:
    rates = _words({"rate": tc.rate, "ceil": tc.ceil})
    return f"{rates}, {units.counted(tc.packets, 'packet')} sent, {tc.dropped} dropped"


def _words(values: Mapping[str, int | None]) -> str:
    return ", ".join(f"{name.removesuffix('_rate')} {_value_words(name, value)}" for name, value in values.items() if value is not None)


def _value_words(name: str, value: int) -> str:
    if name in ("priority", "dscp"):
        return str(value)
    return units.human_size(value) if name == "burst" else units.human_rate(value)
