"""The commands against what is wrong with the QoS of a port: what there is, but for what is wrong with it."""

import shlex
from collections.abc import Mapping
from dataclasses import replace

from ovstool import units
from ovstool.errors import UsageError
from ovstool.switch.accepts import qos_types
from ovstool.switch.checks.port_state import Shaped

NUMBERS = ("max-rate", "min-rate", "burst", "priority", "cir", "cbs", "eir", "ebs")


def anew(port: Shaped) -> str:
    """The command that installs the QoS of a port again as it is, in rows of its own."""
    return f"{whole(port)} --force"


def merge(port: Shaped, *options: str) -> str:
    return " ".join(["ovstool qos set", shlex.quote(port.port), "--merge", *options])


def clear(port: Shaped) -> str:
    return f"ovstool qos clear {shlex.quote(port.port)}"


def whole(port: Shaped) -> str:
    """The command that gives a port the QoS that it has, but for what cannot be read, or would be taken for something else."""
    kind = port.kind
    new = kind if kind.known else qos_types.named(qos_types.DEFAULT)
    words = ["ovstool", "qos", "set", port.port, "--type", new.name]
    shape = kind.port_shape(_mended(port.other_config))
    if shape.max_rate is None and "max-rate" in port.other_config and "max_rate" in new.port:
        shape = replace(shape, max_rate=port.limit)  # no number that could be meant; without one there would be no limit
    words += ["--max-rate", units.spell(shape.max_rate)] if shape.max_rate and shape.max_rate >= qos_types.LEAST_RATE else []
    words += ["--burst", units.spell(shape.burst)] if shape.burst else []
    written = set(kind.names.values()) | {"cir", "cbs", "eir", "ebs"}
    others = {key: value for key, value in port.other_config.items() if qos_types.spelt(key) not in written and _is_taken(new, key, value)}
    words += [word for key, value in others.items() for word in ("--other-config", f"{key}={value}")]
    for number, queue in port.queues.items():
        if number > new.last_queue:
            continue
        part = kind.queue_shape(_mended(queue.other_config))
        keys = {"min": part.min_rate, "max": part.max_rate, "burst": part.burst}
        values = [
            f"{key}={units.spell(value)}" for key, value in keys.items() if value and (key == "burst" or value >= qos_types.LEAST_RATE)
        ]
        values += [f"priority={min(part.priority, new.last_priority)}"] if part.priority is not None else []
        values += [f"dscp={queue.dscp}"] if queue.dscp is not None else []
        words += ["--queue", f"{number}{':' if values else ''}{','.join(values)}"]
    return shlex.join(words)


def _mended(config: Mapping[str, str]) -> dict[str, str]:
    """The same with the whole numbers and keys that were written in another way, such as 1e6, 250000000.0 or max_rate."""
    respelt = {qos_types.spelt(key): value for key, value in config.items()} | dict(config)
    return {key: _as_integer(value) if key in NUMBERS else value for key, value in respelt.items()}


def _as_integer(text: str) -> str:
    """Also of ``200mbit``, and of a burst, in bits like a rate."""
    try:
        return str(units.parse_rate(text))
    except UsageError:
        pass
    try:
        return str(int(float(text))) if float(text) < units.MAX else text
    except (ValueError, OverflowError):
        return text


def _is_taken(kind: qos_types.Type, key: str, value: str) -> bool:
    """Whether 'qos set' takes a key of other_config."""
    try:
        if key in kind.keys or not kind.passes_on:
            kind.check_key(key, value)
    except UsageError:
        return False
    return True
