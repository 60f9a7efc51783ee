"""The commands that repair the QoS of a port: they keep the configuration and change only what is wrong."""

from collections.abc import Iterator, Mapping

from ovstool import units
from ovstool.errors import UsageError
from ovstool.switch import Argv
from ovstool.switch.accepts import qos_types
from ovstool.switch.checks.port_state import NUMBER_KEYS, PortState


def reinstall(port: PortState) -> tuple[Argv]:
    """Reinstall the QoS of a port unchanged, in rows of its own."""
    [command] = whole(port)
    return ((*command, "--force"),)


def merge(port: PortState, *options: str) -> tuple[Argv]:
    """Change what these options of 'qos set' set, and keep the rest."""
    return (("ovstool", "qos", "set", port.name, "--merge", *options),)


def merge_queues(port: PortState, key: str, values: Mapping[int, int], *options: str) -> tuple[Argv]:
    """Change the min, max or burst of queues (by number, in bit/s or bits); other options come first."""
    return merge(
        port, *options, *(word for number, value in values.items() for word in ("--queue", f"{number}:{key}={units.spell(value)}"))
    )


def rate_alone(port: PortState, kind: str, rate: int) -> tuple[Argv]:
    """Give a port another type of QoS with nothing but a max-rate, in bit/s."""
    return (("ovstool", "qos", "set", port.name, "--type", kind, "--max-rate", units.spell(rate)),)


def clear(port: PortState) -> tuple[Argv]:
    return (("ovstool", "qos", "clear", port.name),)


def list_flows(port: PortState) -> tuple[Argv]:
    """List the flows of the port's bridge, where somebody else manages them and has to change them."""
    return (("ovstool", "flow", "list", port.bridge),)


def steer(port: PortState, queue: int, match: str) -> tuple[Argv]:
    return (("ovstool", "qos", "steer", port.name, "--queue", str(queue), "--match", match),)


def whole(port: PortState) -> tuple[Argv]:
    """Set the QoS of a port again, leaving out what cannot be read or would be misread."""
    kind = port.kind
    new = kind if kind.known else qos_types.named(qos_types.DEFAULT)
    options = [*_port_options(port, new), *(word for number in port.queues for word in _queue_option(port, number, new))]
    return (("ovstool", "qos", "set", port.name, "--type", new.name, *options),)


def _port_options(port: PortState, new: qos_types.Type) -> Iterator[str]:
    """The settings of the port itself, as options for a QoS of type ``new``."""
    kind = port.kind
    shape = kind.port_shape(_mended(port.other_config))
    if shape.max_rate is None and "max-rate" in port.other_config and "max_rate" in new.port:
        shape = shape._replace(max_rate=port.limit)  # no usable number; without one the port would be unlimited
    if shape.max_rate and shape.max_rate >= qos_types.LEAST_RATE:
        yield from ("--max-rate", units.spell(shape.max_rate))
    if shape.burst:
        yield from ("--burst", units.spell(shape.burst))
    written = set(kind.names.values()) | {"cir", "cbs", "eir", "ebs"}
    for key, value in port.other_config.items():
        if qos_types.spelt(key) not in written and _is_taken(new, key, value):
            yield from ("--other-config", f"{key}={value}")


def _queue_option(port: PortState, number: int, new: qos_types.Type) -> Iterator[str]:
    """The settings of a queue, as an option for a QoS of type ``new``; nothing for a queue number above its last."""
    if number > new.last_queue:
        return
    queue = port.queues[number]
    shape = port.kind.queue_shape(_mended(queue.other_config))
    rates = {key: rate for key, rate in (("min", shape.min_rate), ("max", shape.max_rate)) if rate and rate >= qos_types.LEAST_RATE}
    sizes = {"burst": shape.burst} if shape.burst else {}
    values = [f"{key}={units.spell(value)}" for key, value in (rates | sizes).items()]
    values += [f"priority={min(shape.priority, new.last_priority)}"] if shape.priority is not None else []
    values += [f"dscp={queue.dscp}"] if queue.dscp is not None else []
    yield from ("--queue", f"{number}{':' if values else ''}{','.join(values)}")


def _mended(config: Mapping[str, str]) -> dict[str, str]:
    """other_config with numbers and keys normalized that were written as 1e6, 250000000.0 or max_rate, for example."""
    respelt = {qos_types.spelt(key): value for key, value in config.items()} | dict(config)
    return {key: _as_integer(value) if key in NUMBER_KEYS else value for key, value in respelt.items()}


def _as_integer(text: str) -> str:
    """The whole number behind a text such as ``200mbit`` or 1e6; bursts are in bits, like rates. Any other text is returned unchanged."""
    try:
        return str(units.parse_rate(text))
    except UsageError:
        pass
    try:
        return str(int(float(text))) if float(text) < units.MAX else text
    except (ValueError, OverflowError):
        return text


def _is_taken(kind: qos_types.Type, key: str, value: str) -> bool:
    """Whether 'qos set' accepts a key of other_config."""
    try:
        if key in kind.keys or not kind.passes_on:
            kind.check_key(key, value)
    except UsageError:
        return False
    return True
