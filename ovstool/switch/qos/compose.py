"""The other_config of a port's QoS and of its queues that results from requested rates, bursts and queues; pure.

Most of it is what a type supports (``qos_types``). The rest is trtcm-policer, where the port commits to the sum of its queues.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ovstool import units
from ovstool.errors import Conflict, UsageError, quote
from ovstool.switch.accepts import qos_types
from ovstool.switch.accepts.qos_types import Config, Shape, Type

_SMALLEST_BURST = 1500 * 8  # bits; the largest packet at the usual MTU must fit into the bucket, or it never passes


class ShapingSpec(NamedTuple):
    """The requested shapes of a port and its queues; ``other_config`` is written unchanged."""

    port: Shape
    other_config: Config
    queues: Mapping[int, Shape]


def compose(kind: Type, config: Config, queues: Mapping[int, Config], spec: ShapingSpec) -> tuple[Config, dict[int, Config]]:
    """The other_config of the port and of its queues after a request is merged into the present one.

    Raises UsageError for what the type does not support, Conflict when a merge would change what others set.
    """
    _check(kind, spec)
    before = {queue: kind.queue_shape(there) for queue, there in queues.items()}
    named = {queue: _overlaid(before.get(queue, Shape()), shape) for queue, shape in spec.queues.items()}
    port = spec.port
    if kind.is_two_rate:
        if total := port.max_rate or kind.port_shape(config | spec.other_config).max_rate:
            named = {queue: shape._replace(max_rate=shape.max_rate or total) for queue, shape in named.items()}
            port = _committed(kind, config, before, before | named, spec, total)
    for queue, shape in named.items():
        if shape.min_rate and shape.max_rate and shape.min_rate > shape.max_rate:
            raise UsageError(f"queue {queue}", "its min is above its max")
    written = kind.to_config(port)
    for key, value in spec.other_config.items():
        if written.get(key, value) != value:
            raise UsageError(f"--other-config {key}", f"contradicts the {written[key]} of --max-rate, --burst or --queue")
    config = kind.with_bursts(config | spec.other_config | written)
    if kind.is_policer and not kind.port_shape(config).max_rate:
        raise UsageError(kind.name, "needs a rate", "--max-rate 200mbit")
    return config, {queue: kind.with_bursts(dict(queues.get(queue, {})) | kind.to_config(shape)) for queue, shape in named.items()}


def _check(kind: Type, spec: ShapingSpec) -> None:
    for option, part in (("--max-rate", "max_rate"), ("--burst", "burst")):
        if (value := getattr(spec.port, part)) is not None:
            kind.check_option(option, part, value)
    for key, value in spec.other_config.items():
        if key not in kind.keys and qos_types.spelt(key) in kind.keys:
            hint = f"--other-config {qos_types.spelt(key)}={quote(value)}"
            raise UsageError(f"--other-config {quote(key)}", f"{kind.name} would ignore it; it reads {qos_types.spelt(key)}", hint)
        if key in kind.keys or not kind.passes_on:
            kind.check_key(key, value)
    for queue, shape in spec.queues.items():
        kind.check_queue(queue, shape)
    for what, shape in [("--burst", spec.port), *((f"queue {queue}", shape) for queue, shape in spec.queues.items())]:
        if kind.is_policer and shape.burst is not None and shape.burst < _SMALLEST_BURST:
            why = f"a packet of 1500 bytes would never pass a burst of {units.spell(shape.burst)}"
            raise UsageError(what, why, units.spell(_SMALLEST_BURST))


def _committed(kind: Type, config: Config, before: Mapping[int, Shape], after: Mapping[int, Shape], spec: ShapingSpec, total: int) -> Shape:
    """How much of its rate trtcm-policer commits: all of it, or with queues the sum of their min rates.

    A packet within its queue's min is green, one above it yellow; green ones pass while the port has committed or excess rate,
    yellow ones of all queues share the excess (RFC 4115, section 3, color-aware).
    Raises UsageError when a queue would get nothing, Conflict when something else has split the rate differently.
    """
    if raw := [key for key in ("cir", "eir") if key in spec.other_config]:
        if spec.port.max_rate or spec.port.burst:
            raise UsageError(f"--other-config {raw[0]}", "cannot be combined with --max-rate or --burst, which set cir, eir, cbs and ebs")
        return Shape()
    committed = kind.port_shape(config).min_rate
    if config:
        if not (spec.port.max_rate or spec.queues):
            return Shape(committed, total, spec.port.burst)
        if (committed or 0) != (_guaranteed(before) if before else kind.port_shape(config).max_rate):
            raise Conflict(kind.name, "the cir of the port is not the sum of its queues' min, so something else set it", "without --merge")
    low = _guaranteed(after) if after else total
    if low > total:
        raise UsageError(kind.name, f"the min rates of its queues add up to {units.spell(low)}, above the max-rate of {units.spell(total)}")
    if after and 0 not in after:
        # ovs-vswitchd would give it the port's own rates (ovs-vswitchd.conf.db(5), QoS.type).
        raise UsageError(kind.name, "without a queue 0, traffic that is in no queue uses up what the queues are guaranteed", "--queue 0")
    for queue, shape in after.items():
        if low == total and not shape.min_rate:
            raise UsageError(
                f"queue {queue}", "without a min it gets only what the min rates of the other queues leave over, which is nothing"
            )
    return Shape(low, total, spec.port.burst)


def _guaranteed(queues: Mapping[int, Shape]) -> int:
    return sum(shape.min_rate or 0 for shape in queues.values())


def _overlaid(old: Shape, asked: Shape) -> Shape:
    """The request, with the old rates where it has none; a burst that is not requested stays as stored."""
    return Shape(asked.min_rate or old.min_rate, asked.max_rate or old.max_rate, asked.burst, asked.priority)
