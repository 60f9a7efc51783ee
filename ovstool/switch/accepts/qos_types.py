"""What the QoS types of Open vSwitch take, and how each writes it (ovs-vswitchd.conf.db(5), tables QoS and Queue).

A shape is in bit/s and bits. linux-htb and linux-hfsc store it so; the policers of DPDK store bytes of IP packets, and
trtcm-policer a committed and an excess rate that are independent of each other (RFC 4115): what is allowed is their sum.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from ovstool import units
from ovstool.errors import Conflict, UsageError, quote
from ovstool.switch import police

DEFAULT = "linux-htb"
LEAST_RATE = 8  # bit/s; ovs-vswitchd counts bytes, and less than one is none
_SMALLEST_BURST = 1500 * 8  # bits; the largest packet at the usual MTU has to fit the bucket, or it never passes
_WORDS = {"min_rate": "min", "max_rate": "max", "burst": "burst", "priority": "priority"}
Config = dict[str, str]


@dataclass(frozen=True)
class Shape:
    """Rates in bit/s, a burst in bits; None where none is set."""

    min_rate: int | None = None
    max_rate: int | None = None
    burst: int | None = None
    priority: int | None = None


class Key(NamedTuple):
    """A whole number in QoS.other_config: its unit, what it may be, and the first version of Open vSwitch that reads it."""

    unit: str
    low: int = 1
    high: int = 2**32 - 1
    since: tuple[int, int] | None = None


class Type(NamedTuple):
    """A QoS type: the keys that it reads, and which parts of a shape it takes for the port and for a queue.

    ``queue`` None: it has no queues. ``names`` are the keys in which a part is stored, in units of ``bits``.
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
    is_later: bool = False  # of an Open vSwitch that ovstool does not know yet, and which may read more keys

    @property
    def shapes(self) -> bool:
        """Whether it has a rate that is set in other_config; the others share or change what the link has."""
        return bool(self.port)

    @property
    def is_policer(self) -> bool:
        return self.bits == 8

    @property
    def passes_on(self) -> bool:
        """Whether a key of other_config that it does not read is written all the same, as ovstool 0.1 did."""
        return self.is_later or self.names is _BITS

    @property
    def queue_keys(self) -> Collection[str]:
        """The keys of Queue.other_config that it reads."""
        return self.keys if self.splits else [self.names[part] for part in self.queue or ()]

    @property
    def splits(self) -> bool:
        """Whether a rate is stored as what is committed and what may exceed it."""
        return "eir" in self.keys

    def port_shape(self, config: Mapping[str, str]) -> Shape:
        """What a QoS.other_config asks of the port, as far as this type reads it."""
        return self._shape(config, self.port)

    def queue_shape(self, config: Mapping[str, str]) -> Shape:
        """What a Queue.other_config asks of a queue, as far as this type reads it."""
        return self._shape(config, self.queue or ())

    def _shape(self, config: Mapping[str, str], parts: tuple[str, ...]) -> Shape:
        if self.splits:
            cir, cbs, eir, ebs = ((number(config, key) or 0) * self.bits for key in ("cir", "cbs", "eir", "ebs"))
            return Shape(cir or None, cir + eir or None, cbs or ebs or None)
        found = {part: number(config, self.names[part]) for part in parts}
        return Shape(**{part: None if value is None else value * (1 if part == "priority" else self.bits) for part, value in found.items()})

    def written(self, shape: Shape) -> Config:
        """The other_config of a shape. Raises UsageError, with the nearest values, for what the unit cannot hold exactly."""
        if not self.splits or shape.max_rate is None:
            parts = {part: getattr(shape, part) for part in self.names}
            return {
                self.names[part]: str(value if part == "priority" else self._in_unit(value))
                for part, value in parts.items()
                if value is not None
            }
        cir, total = self._in_unit(shape.min_rate or 0), self._in_unit(shape.max_rate or 0)
        config = {"cir": str(cir), "eir": str(total - cir)}
        for key, rate in (("cbs", cir), ("ebs", total - cir)):
            if not rate or shape.burst is not None:
                config[key] = str(self._in_unit(shape.burst or 0) if rate else 0)
        return config

    def with_bursts(self, config: Config) -> Config:
        """The same with a burst for each rate that has none: DPDK refuses a rate without one, and takes no default.

        It is as large as that of 'police set', for the same reason, in proportion to the rate.
        """
        filled = dict(config)
        for rate, burst in (("cir", "cbs"), ("eir", "ebs")):
            if rate in self.keys and (rate_bytes := number(config, rate)) and not number(config, burst):
                filled[burst] = str(police.default_burst_kbit(-(-rate_bytes * 8 // 1000)) * 1000 // 8)
        return filled

    def check_option(self, option: str, part: str, value: int) -> None:
        """Raise UsageError when the port as a whole does not take this part of a shape, or not so little of it."""
        if part in self.port and self.known:
            if part == "max_rate":
                self._check_rate(option, value)
            return
        if not self.known:
            raise UsageError(option, f"ovstool does not know how {quote(self.name)} has it", "--other-config KEY=VALUE")
        if not self.shapes:
            raise UsageError(option, f"{self.name} has none: it {self.does}", self._instead)
        raise UsageError(option, f"{self.name} has none for the port", "--queue 0:burst=SIZE" if "burst" in (self.queue or ()) else None)

    def check_queue(self, queue: int, shape: Shape) -> None:
        """Raise UsageError when the type has no such queue, or its queues do not take all that is asked."""
        what = f"queue {queue}"
        if self.queue is None:
            raise UsageError(what, f"{self.name} has no queues: it {self.does}", self._instead)
        if queue > self.last_queue:
            raise UsageError(what, f"{self.name} has queues 0 to {self.last_queue}")
        for part in (part for part in _WORDS if getattr(shape, part) is not None):
            if not self.known:
                raise UsageError(what, f"ovstool does not know how {quote(self.name)} has its {_WORDS[part]}", "ovs-vsctl set Queue")
            if part not in self.queue:
                taken = ", ".join(_WORDS[other] for other in self.queue)
                raise UsageError(what, f"{self.name} has no {_WORDS[part]}; it takes {taken} and dscp")
        for part in ("min_rate", "max_rate"):
            self._check_rate(f"{what}: {_WORDS[part]}", getattr(shape, part))
        if shape.priority is not None and shape.priority > self.last_priority:
            raise UsageError(
                what, f"the kernel takes priorities above {self.last_priority} for {self.last_priority}", f"priority={self.last_priority}"
            )

    def _check_rate(self, what: str, rate: int | None) -> None:
        if rate is not None and rate < LEAST_RATE:
            raise UsageError(
                what, f"{units.spell(rate)} is less than a byte a second, which ovs-vswitchd takes for none", units.spell(LEAST_RATE)
            )

    def check_key(self, key: str, value: str) -> None:
        """Raise UsageError for what ovs-vswitchd would ignore: a key that the type does not read, a value that is none."""
        if not self.known:
            return
        what = f"--other-config {quote(key)}"
        if key not in self.keys:
            raise UsageError(what, f"{self.name} would ignore it; it {self._reads}")
        unit, low, high, _ = self.keys[key]
        if units.whole_number(value, low, high) is None:
            why = f"{quote(value)} is not a whole number of {unit} from {low} to {high}, so ovs-vswitchd or the kernel would not take it"
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
_HFSC_HIGHEST = (2**32 - 1) * 8  # lib/netdev-linux.c cuts bytes per second to 32 bits
_LAST_PRIORITY = 7  # Linux, net/sched/sch_htb.c: TC_HTB_NUMPRIO levels, and all above are the last
_MICROSECONDS, _PACKETS, _BYTES = Key("microseconds"), Key("packets"), Key("bytes")
_BYTE_RATE, _BYTE_BURST = Key("bytes/s", 0, units.MAX), Key("bytes", 0, units.MAX)
# Linux, net/sched: sfq_change has scaled quanta in 15 bits (up to 6.6) and its timer in an int of clock ticks, of which there are 1000 a
# second at most; fq_codel_change takes a smaller quantum for 256, and refuses a larger one and more flows, and then there is no qdisc.
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
    Type("linux-sfq", "shares what the link has among flows", {"perturb": _PERTURB, "quantum": _SFQ_QUANTUM}),
    Type(
        "linux-codel", "keeps the queue of the link short",
        {"target": _MICROSECONDS, "limit": _PACKETS, "interval": _MICROSECONDS},
    ),
    Type(
        "linux-fq_codel", "shares what the link has among flows and keeps their queues short",
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
    """The type of a QoS row. One that ovstool does not know is read as most are written, in bit/s, and written by nobody here."""
    return _BY_NAME.get(name) or Type(
        name, "is not known", port=("max_rate",), queue=("min_rate", "max_rate", "burst", "priority"), names=_BITS, known=False
    )


def stand_in(name: str, max_rate: int | None) -> str:
    """Another type for a moment, so that ovs-vswitchd installs this one anew after it: one that reads the same rates and queues.

    Where there is none, linux-noop, which leaves in the datapath what is there. What the policers do is in ovs-vswitchd itself, where
    nobody else takes it away.
    """
    other = {"linux-htb": "linux-hfsc", "linux-hfsc": "linux-htb"}.get(name)
    if other and (max_rate or 0) <= _BY_NAME[other].highest:
        return other
    return name if named(name).is_policer else "linux-noop"


def full_name(text: str) -> str:
    """The name in the database of a type: ``fq_codel`` is linux-fq_codel."""
    return f"linux-{text}" if f"linux-{text}" in _BY_NAME else text


def spelt(key: str) -> str:
    """A key as Open vSwitch spells those of QoS."""
    return key.strip().lower().replace("_", "-")


def number(config: Mapping[str, str], key: str) -> int | None:
    """A number from a map of strings; None for what ovs-vswitchd would not read as an integer either."""
    text = str(config.get(key, ""))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


class Asked(NamedTuple):
    """What is asked of a port and of its queues; ``other_config`` is to be written as it is."""

    port: Shape
    other_config: Config
    queues: Mapping[int, Shape]


def compose(kind: Type, config: Config, queues: Mapping[int, Config], asked: Asked) -> tuple[Config, dict[int, Config]]:
    """What other_config of the port and of its queues becomes when what is asked is added to what there is.

    Raises UsageError for what the type does not take, Conflict when a merge would change what others set.
    """
    _check(kind, asked)
    before = {queue: kind.queue_shape(there) for queue, there in queues.items()}
    named = {queue: _overlaid(before.get(queue, Shape()), shape) for queue, shape in asked.queues.items()}
    port = asked.port
    if kind.splits:
        if total := port.max_rate or kind.port_shape(config | asked.other_config).max_rate:
            named = {queue: replace(shape, max_rate=shape.max_rate or total) for queue, shape in named.items()}
            port = _split(kind, config, before, before | named, asked, total)
    for queue, shape in named.items():
        if shape.min_rate and shape.max_rate and shape.min_rate > shape.max_rate:
            raise UsageError(f"queue {queue}", "its min is above its max")
    written = kind.written(port)
    for key, value in asked.other_config.items():
        if written.get(key, value) != value:
            raise UsageError(f"--other-config {key}", f"contradicts the {written[key]} of --max-rate, --burst or --queue")
    config = kind.with_bursts(config | asked.other_config | written)
    if kind.is_policer and not kind.port_shape(config).max_rate:
        raise UsageError(kind.name, "it needs a rate", "--max-rate 200mbit")
    return config, {queue: kind.with_bursts(dict(queues.get(queue, {})) | kind.written(shape)) for queue, shape in named.items()}


def _check(kind: Type, asked: Asked) -> None:
    for option, part in (("--max-rate", "max_rate"), ("--burst", "burst")):
        if (value := getattr(asked.port, part)) is not None:
            kind.check_option(option, part, value)
    for key, value in asked.other_config.items():
        if key not in kind.keys and spelt(key) in kind.keys:
            hint = f"--other-config {spelt(key)}={quote(value)}"
            raise UsageError(f"--other-config {quote(key)}", f"{kind.name} would ignore it; it reads {spelt(key)}", hint)
        if key in kind.keys or not kind.passes_on:
            kind.check_key(key, value)
    for queue, shape in asked.queues.items():
        kind.check_queue(queue, shape)
    for what, shape in [("--burst", asked.port), *((f"queue {queue}", shape) for queue, shape in asked.queues.items())]:
        if kind.is_policer and shape.burst is not None and shape.burst < _SMALLEST_BURST:
            why = f"a packet of 1500 bytes would never pass a burst of {units.spell(shape.burst)}"
            raise UsageError(what, why, units.spell(_SMALLEST_BURST))


def _split(kind: Type, config: Config, before: Mapping[int, Shape], after: Mapping[int, Shape], asked: Asked, total: int) -> Shape:
    """What trtcm-policer is to commit to of its rate: all of it, or with queues as much as they are guaranteed.

    A packet within its queue's min is green, one above it yellow; green ones pass while the port has committed or excess rate,
    yellow ones of all queues share the excess (RFC 4115, section 3, color-aware).
    Raises UsageError where a queue would be left with nothing, Conflict where others have split the rate in another way.
    """
    if raw := [key for key in ("cir", "eir") if key in asked.other_config]:
        if asked.port.max_rate or asked.port.burst:
            raise UsageError(f"--other-config {raw[0]}", "goes without --max-rate and --burst, which are cir, eir, cbs and ebs")
        return Shape()
    committed = kind.port_shape(config).min_rate
    if config:
        if not (asked.port.max_rate or asked.queues):
            return Shape(committed, total, asked.port.burst)
        if (committed or 0) != (_guaranteed(before) if before else kind.port_shape(config).max_rate):
            raise Conflict(kind.name, "the cir of the port is not what its queues' min add up to, so others set it", "without --merge")
    low = _guaranteed(after) if after else total
    if low > total:
        raise UsageError(kind.name, f"its queues' min add up to {units.spell(low)}, above the max-rate of {units.spell(total)}")
    if after and 0 not in after:
        # ovs-vswitchd would give it the port's own rates (ovs-vswitchd.conf.db(5), QoS.type).
        raise UsageError(kind.name, "without a queue 0 what is in no queue uses up what the others are guaranteed", "--queue 0")
    for queue, shape in after.items():
        if low == total and not shape.min_rate:
            raise UsageError(f"queue {queue}", "without a min it has what is left by the queues' min, and that is nothing")
    return Shape(low, total, asked.port.burst)


def _guaranteed(queues: Mapping[int, Shape]) -> int:
    return sum(shape.min_rate or 0 for shape in queues.values())


def _overlaid(old: Shape, asked: Shape) -> Shape:
    """What is asked, and for the rates what there was; a burst that is not named stays as it is stored."""
    return Shape(asked.min_rate or old.min_rate, asked.max_rate or old.max_rate, asked.burst, asked.priority)
