"""The QoS types of Open vSwitch: how each supports and stores ``--max-rate``, ``--burst``, ``--queue`` and ``--other-config``.

The source is ovs-vswitchd.conf.db(5), tables QoS and Queue; the table of types is at the end, and ``commands/qos.py`` reads the options.
A shape is in bit/s and bits. linux-htb and linux-hfsc store it so; the policers of DPDK store bytes of IP packets, and
trtcm-policer a committed and an excess rate that are independent of each other (RFC 4115): the sum of both is what may pass.
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from ovstool import units
from ovstool.errors import UsageError, quote
from ovstool.switch import police

DEFAULT = "linux-htb"
LEAST_RATE = 8  # bit/s; ovs-vswitchd counts bytes, so less than one is 0
_WORDS = {"min_rate": "min", "max_rate": "max", "burst": "burst", "priority": "priority"}
Config = dict[str, str]


class Shape(NamedTuple):
    """Rates in bit/s, a burst in bits; None where none is set."""

    min_rate: int | None = None
    max_rate: int | None = None
    burst: int | None = None
    priority: int | None = None


class Key(NamedTuple):
    """A whole number in QoS.other_config: its unit, its range, and the first version of Open vSwitch that reads it."""

    unit: str
    low: int = 1
    high: int = 2**32 - 1
    since: tuple[int, int] | None = None


class Type(NamedTuple):
    """A QoS type: the keys that it reads, and which parts of a shape it supports for the port and for a queue.

    ``queue`` is None without queues. ``names`` are the keys that store the parts, in units of ``bits``; types with another unit than a bit
    have no priority, which has no unit.
    """

    name: str
    does: str
    keys: Mapping[str, Key] = MappingProxyType({})
    port: tuple[str, ...] = ()
    queue: tuple[str, ...] | None = None
    names: Mapping[str, str] = MappingProxyType({})
    bits: int = 1
    last_queue: int = 2**32 - 1
    last_priority: int = 2**32 - 1
    highest: int = units.MAX
    known: bool = True
    is_later: bool = False  # of a newer Open vSwitch than ovstool knows, which may read more keys

    @property
    def shapes(self) -> bool:
        """Whether it has a rate, set in other_config; the other types share or change the traffic of the link."""
        return bool(self.port)

    @property
    def is_policer(self) -> bool:
        return self.bits == 8

    @property
    def passes_on(self) -> bool:
        """Whether a key of other_config that it does not read is written anyway, as ovstool 0.1 did."""
        return self.is_later or self.names is _BITS

    @property
    def queue_keys(self) -> Collection[str]:
        """The keys of Queue.other_config that it reads."""
        return self.keys if self.is_two_rate else [self.names[part] for part in self.queue or ()]

    @property
    def is_two_rate(self) -> bool:
        """Whether a rate is stored as a committed and an excess rate (RFC 4115)."""
        return "eir" in self.keys

    def port_shape(self, config: Mapping[str, str]) -> Shape:
        """The shape that QoS.other_config requests for the port, as this type reads it."""
        return _shape(self.name, self.port, tuple(config.items()))

    def queue_shape(self, config: Mapping[str, str]) -> Shape:
        """The shape that Queue.other_config requests for a queue, as this type reads it."""
        return _shape(self.name, self.queue or (), tuple(config.items()))

    def to_config(self, shape: Shape) -> Config:
        """The other_config of a shape. Raises UsageError, with the nearest values, for what the unit cannot hold exactly."""
        if not self.is_two_rate or shape.max_rate is None:
            parts = {part: getattr(shape, part) for part in self.names}
            return {self.names[part]: str(self._in_unit(value)) for part, value in parts.items() if value is not None}
        cir, total = self._in_unit(shape.min_rate or 0), self._in_unit(shape.max_rate or 0)
        config = {"cir": str(cir), "eir": str(total - cir)}
        for key, rate in (("cbs", cir), ("ebs", total - cir)):
            if not rate or shape.burst is not None:
                config[key] = str(self._in_unit(shape.burst or 0) if rate else 0)
        return config

    def with_bursts(self, config: Config) -> Config:
        """The other_config with a burst for each rate that has none: DPDK refuses a rate without one, and has no default.

        The burst is the default one of policing for that rate, with which TCP reaches the rate.
        """
        filled = dict(config)
        for rate, burst in (("cir", "cbs"), ("eir", "ebs")):
            if rate in self.keys and (rate_bytes := number(config, rate)) and not number(config, burst):
                filled[burst] = str(police.default_burst_kbit(-(-rate_bytes * 8 // 1000)) * 1000 // 8)
        return filled

    def check_option(self, option: str, part: str, value: int) -> None:
        """Raise UsageError when the port as a whole does not support this part of a shape, or the value is too low."""
        if part in self.port and self.known:
            if part == "max_rate":
                self._check_rate(option, value)
            return
        if not self.known:
            raise UsageError(
                option, f"{quote(self.name)} is unknown to ovstool, which cannot tell how it stores this", "--other-config KEY=VALUE"
            )
        if not self.shapes:
            raise UsageError(option, f"{self.name} does not support it: it {self.does}", self._instead)
        raise UsageError(
            option, f"{self.name} has no {_WORDS[part]} for the port", "--queue 0:burst=SIZE" if "burst" in (self.queue or ()) else None
        )

    def check_queue(self, queue: int, shape: Shape) -> None:
        """Raise UsageError when the type has no such queue, or its queues do not support all that is requested."""
        what = f"queue {queue}"
        if self.queue is None:
            raise UsageError(what, f"{self.name} has no queues: it {self.does}", self._instead)
        if queue > self.last_queue:
            raise UsageError(what, f"{self.name} has queues 0 to {self.last_queue}")
        for part in (part for part in _WORDS if getattr(shape, part) is not None):
            if not self.known:
                raise UsageError(
                    what, f"{quote(self.name)} is unknown to ovstool, which cannot tell how it stores {_WORDS[part]}", "ovs-vsctl set Queue"
                )
            if part not in self.queue:
                taken = ", ".join(_WORDS[other] for other in self.queue)
                raise UsageError(what, f"{self.name} has no {_WORDS[part]}; it supports {taken} and dscp")
        for part in ("min_rate", "max_rate"):
            self._check_rate(f"{what}: {_WORDS[part]}", getattr(shape, part))
        if shape.priority is not None and shape.priority > self.last_priority:
            raise UsageError(
                what, f"the kernel treats priorities above {self.last_priority} as {self.last_priority}", f"priority={self.last_priority}"
            )

    def _check_rate(self, what: str, rate: int | None) -> None:
        if rate is not None and rate < LEAST_RATE:
            raise UsageError(
                what, f"{units.spell(rate)} is less than one byte per second, which ovs-vswitchd treats as no rate", units.spell(LEAST_RATE)
            )

    def check_key(self, key: str, value: str) -> None:
        """Raise UsageError for what ovs-vswitchd would ignore: a key that the type does not read, or an invalid value."""
        if not self.known:
            return
        what = f"--other-config {quote(key)}"
        if key not in self.keys:
            raise UsageError(what, f"{self.name} would ignore it; it {self._reads}")
        unit, low, high, _ = self.keys[key]
        if units.whole_number(value, low, high) is None:
            why = f"{quote(value)} is not a whole number of {unit} from {low} to {high}, so ovs-vswitchd or the kernel would not accept it"
            raise UsageError(what, why, "--max-rate 200mbit" if key == "max-rate" else None)

    @property
    def _reads(self) -> str:
        keys = [f"{key} ({unit})" for key, (unit, *_) in self.keys.items()]
        return f"reads {', '.join(keys)}" if keys else "reads none"

    @property
    def _instead(self) -> str:
        if self.is_policer:
            return "--type trtcm-policer"
        keys = [f"--other-config {key}=N" for key in self.keys]
        return " or ".join(["--type linux-htb", *keys[:1]])

    def _in_unit(self, bits: int) -> int:
        if bits > self.highest:
            raise UsageError(units.spell(bits), f"{self.name} goes up to {units.spell(self.highest)}/s", "--type linux-htb")
        if self.bits == 1:
            return bits
        return units.in_units_of(bits, self.bits, units.MAX // self.bits, what=f"{self.name} is in bytes", spell=units.spell)


_BITS = {"min_rate": "min-rate", "max_rate": "max-rate", "burst": "burst", "priority": "priority"}
_MAX_RATE = {"max-rate": Key("bit/s", LEAST_RATE, units.MAX)}
_CLASSES = 61439  # queue N is tc class N+1, and 0xf000 is the last one that ovs-vswitchd uses
_HFSC_HIGHEST = (2**32 - 1) * 8  # lib/netdev-linux.c truncates bytes per second to 32 bits
_LAST_PRIORITY = 7  # Linux, net/sched/sch_htb.c: TC_HTB_NUMPRIO levels, and higher ones count as the last
_MICROSECONDS, _PACKETS, _BYTES = Key("microseconds"), Key("packets"), Key("bytes")
_BYTE_RATE, _BYTE_BURST = Key("bytes/s", 0, units.MAX), Key("bytes", 0, units.MAX)
# Linux, net/sched: sfq_change holds scaled quanta in 15 bits (up to 6.6) and its timer in an int of clock ticks, at most 1000 per second;
# fq_codel_change raises a smaller quantum to 256, and refuses a larger one or more flows, so that no qdisc is installed.
_SFQ_QUANTUM, _PERTURB = Key("bytes", 1, 32767 * 8), Key("seconds", 1, (2**31 - 1) // 1000)
_FQ_CODEL_QUANTUM, _FLOWS = Key("bytes", 256, 2**20), Key("flows", 1, 65536)
_DELAY = Key("microseconds", 0, 2**32 * 64 // 1000)  # 32 bits of 64 ns: tc_time_to_ticks

_HTB = Type(
    "linux-htb", "shapes the port and its queues", _MAX_RATE, ("max_rate",), ("min_rate", "max_rate", "burst", "priority"), _BITS,
    last_queue=_CLASSES, last_priority=_LAST_PRIORITY,
)  # fmt: skip
_ALL = (
    _HTB,
    Type(
        "linux-hfsc", "shapes the port and its queues", {"max-rate": Key("bit/s", LEAST_RATE, _HFSC_HIGHEST)}, ("max_rate",), ("min_rate", "max_rate"),
        _BITS, last_queue=_CLASSES, highest=_HFSC_HIGHEST,
    ),
    Type("linux-sfq", "shares the link among flows", {"perturb": _PERTURB, "quantum": _SFQ_QUANTUM}),
    Type(
        "linux-codel", "keeps the queue of the link short",
        {"target": _MICROSECONDS, "limit": _PACKETS, "interval": _MICROSECONDS},
    ),
    Type(
        "linux-fq_codel", "shares the link among flows and keeps their queues short",
        {"target": _MICROSECONDS, "limit": _PACKETS, "interval": _MICROSECONDS, "flows": _FLOWS, "quantum": _FQ_CODEL_QUANTUM},
    ),
    Type(
        "linux-netem", "delays and loses packets",
        {"latency": _DELAY, "jitter": _DELAY._replace(since=(3, 2)), "limit": _PACKETS, "loss": Key("percent", 0, 100)},
    ),
    Type("linux-noop", "leaves the queueing of the port to other software"),
    Type(
        "egress-policer", "drops what the port sends above one rate", {"cir": _BYTE_RATE, "cbs": _BYTE_BURST}, ("max_rate", "burst"),
        names={"max_rate": "cir", "burst": "cbs"}, bits=8,
    ),
    Type(
        "trtcm-policer", "drops what queues send above their rates",
        {"cir": _BYTE_RATE, "cbs": _BYTE_BURST, "eir": _BYTE_RATE, "ebs": _BYTE_BURST},
        ("max_rate", "burst"), ("min_rate", "max_rate", "burst"), bits=8,
    ),
)  # fmt: skip
_BY_NAME = {kind.name: kind for kind in _ALL}
NAMES = tuple(_BY_NAME)
KEYS = frozenset(key for kind in _ALL for key in kind.keys)


def named(name: str) -> Type:
    """The type of a QoS row. An unknown one is read in bit/s, like most types, and never written by ovstool."""
    return _BY_NAME.get(name) or Type(
        name, "is not known", port=("max_rate",), queue=("min_rate", "max_rate", "burst", "priority"), names=_BITS, known=False
    )


def stand_in(name: str, max_rate: int | None) -> str:
    """A temporary type, so that ovs-vswitchd then reinstalls the real one: one that reads the same rates and queues.

    Otherwise linux-noop, which leaves the datapath as it is. The policers run in ovs-vswitchd itself, where nobody else
    can remove them, so they need none.
    """
    other = {"linux-htb": "linux-hfsc", "linux-hfsc": "linux-htb"}.get(name)
    if other and (max_rate or 0) <= _BY_NAME[other].highest:
        return other
    return name if named(name).is_policer else "linux-noop"


def full_name(text: str) -> str:
    """The name of a type in the database: ``fq_codel`` becomes linux-fq_codel."""
    return f"linux-{text}" if f"linux-{text}" in _BY_NAME else text


def spelt(key: str) -> str:
    """A key as Open vSwitch spells those of QoS."""
    return key.strip().lower().replace("_", "-")


@lru_cache(1024)
def _shape(kind: str, parts: tuple[str, ...], config: tuple[tuple[str, str], ...]) -> Shape:
    """Cached, because the rules read the same shapes repeatedly."""
    type_, pairs = named(kind), dict(config)
    if type_.is_two_rate:
        cir, cbs, eir, ebs = ((number(pairs, key) or 0) * type_.bits for key in ("cir", "cbs", "eir", "ebs"))
        return Shape(cir or None, cir + eir or None, cbs or ebs or None)
    found = {part: number(pairs, type_.names[part]) for part in parts}
    return Shape(**{part: None if value is None else value * type_.bits for part, value in found.items()})


def number(config: Mapping[str, str], key: str) -> int | None:
    """A number from a map of strings; None for anything that ovs-vswitchd does not read as an integer."""
    text = str(config.get(key, ""))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
