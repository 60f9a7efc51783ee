"""The QoS of a port as settings, and what is stored of it: both ways."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from ovstool.document.fields import Path, Settings
from ovstool.errors import Conflict, UsageError, quote
from ovstool.switch import qos
from ovstool.switch.accepts import qos_types
from ovstool.switch.qos import compose

_PARTS = {"min": "min_rate", "max": "max_rate", "burst": "burst", "priority": "priority"}


Shaped = tuple[tuple[Path, Any], ...]  # the settings below ``qos``


def of_port(settings: Settings) -> Shaped:
    """The settings of a port's QoS; empty for a port without one."""
    return tuple((path, value) for path, value in settings.items() if path[0] == "qos" and value is not None)


@lru_cache(64)
def composed_once(shaped: Shaped) -> qos.WantedQos:
    """What is to be stored for the QoS of a new port; most ports have that of others. Raises UsageError, Conflict."""
    return composed(dict(shaped))


def composed(settings: Settings, stored: qos.WantedQos | None = None) -> qos.WantedQos:
    """What is to be stored for the settings below ``qos``; queues keep what is ``stored`` in keys that their type does not read.

    Raises UsageError, Conflict.
    """
    kind = qos_types.named(settings.get(("qos", "type")) or qos_types.DEFAULT)
    config = {path[2]: value for path, value in settings.items() if path[:2] == ("qos", "other_config") and value is not None}
    queues = {int(path[2]): _shape(settings, path) for path, value in settings.items() if _is_queue(path) and value}
    port = qos_types.Shape(None, settings.get(("qos", "max_rate")), settings.get(("qos", "burst")))
    extra = {n: keys for n, keys in _extra_keys(stored).items() if n in queues} if stored and stored.kind == kind.name else {}
    of_port, of_queues = compose.compose(kind, {}, extra, compose.ShapingSpec(port, config, queues))
    dscps = {number: settings.get(("qos", "queues", str(number), "dscp")) for number in queues}
    return qos.WantedQos(kind.name, of_port, {n: qos.StoredQueue(of_queues[n], dscps[n]) for n in queues})


def _extra_keys(stored: qos.WantedQos) -> dict[int, dict[str, str]]:
    """The keys of each queue that its type does not read."""
    kind = qos_types.named(stored.kind)
    return {n: {k: v for k, v in queue.other_config.items() if k not in kind.queue_keys} for n, queue in stored.queues.items()}


def _is_queue(path: tuple[str, ...]) -> bool:
    return len(path) == 3 and path[:2] == ("qos", "queues")


def _shape(settings: Settings, path: tuple[str, ...]) -> qos_types.Shape:
    return qos_types.Shape(**{part: settings.get((*path, name)) for name, part in _PARTS.items()})


def settings_of(stored: qos.WantedQos) -> Settings:
    """The settings of a stored QoS, as its type reads it."""
    kind = qos_types.named(stored.kind)
    shape = kind.port_shape(stored.config)
    keys = set(kind.names.values()) | ({"cir", "eir", "cbs", "ebs"} if kind.is_two_rate else set())
    found: Settings = {("qos",): True, ("qos", "type"): stored.kind}
    for name, part in (("max_rate", "max_rate"), ("burst", "burst")):
        if part in kind.port and getattr(shape, part):
            found["qos", name] = getattr(shape, part)
    found |= {("qos", "other_config", key): value for key, value in stored.config.items() if key not in keys}
    for number, queue in sorted(stored.queues.items()):
        found |= _settings_of_queue(("qos", "queues", str(number)), kind.queue_shape(queue.other_config), queue.dscp)
    return found


def unheld(stored: qos.WantedQos, settings: Settings) -> list[str]:
    """What the settings of a stored QoS do not hold of it."""
    extra = _extra_keys(stored)
    left_out = [f"queue {number} has {', '.join(map(quote, keys))}" for number, keys in extra.items() if keys]
    queues = {n: queue._replace(other_config=_without(queue.other_config, extra[n])) for n, queue in stored.queues.items()}
    try:
        again = composed_once(of_port(settings))
    except (UsageError, Conflict):
        return left_out  # it is said elsewhere that this cannot be written
    if again.config != stored.config or again.queues != queues:
        left_out.append("its QoS has values that ovs-vswitchd does not read, or splits its rate in another way than ovstool")
    return left_out


def _without(config: dict[str, str], keys: Collection[str]) -> dict[str, str]:
    return {key: value for key, value in config.items() if key not in keys}


def _settings_of_queue(path: tuple[str, ...], shape: qos_types.Shape, dscp: int | None) -> Settings:
    parts: dict[str, Any] = {name: getattr(shape, part) for name, part in _PARTS.items()} | {"dscp": dscp}
    return {path: True} | {(*path, name): value for name, value in parts.items() if value is not None}
