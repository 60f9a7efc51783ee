"""Why policing that was set may do nothing, or something else than was meant: the known ways to go wrong, each a rule.

What happens with each was measured on both datapaths. But for a device that cannot be opened, none of it shows in the database.
"""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ovstool import units
from ovstool.errors import OvstoolError
from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, one
from ovstool.switch import ERROR, WARNING, Finding, Switch, installed, lookup, police, qos_check, shaping
from ovstool.switch.installed import Policer, Qdisc
from ovstool.switch.shaping import Device

# The problems with which nothing is policed at all.
WITHOUT_EFFECT = (
    "policing not supported by this interface", "policing has no effect on the userspace datapath", "the interface is not open",
    "a rate and a packet rate together", "policing is not installed", "a foreign qdisc is in the way",
)  # fmt: skip
_LONGEST_S = 1  # of the rate: a burst of more than that lets through much more than the rate for a while
_STARVES = 0.9  # of the default burst: with less than 0.19 s of the rate TCP gets less than 90% of it (bench/bursts.py)
_DEFAULT_BURST_KBIT = 8000  # what ovs-vswitchd takes a burst of 0 for


@dataclass(frozen=True)
class Policed:
    """An interface with limits, in the units of their columns (kbit/s and so on; 0: none).

    ``qdiscs`` and ``policers`` None: what tc has cannot be known here. ``is_shaped``: its port has a QoS too. ``tc``: the words that run
    tc where the interface is.
    """

    device: Device
    bridge: str
    datapath_type: str
    rate_kbps: int
    burst_kbit: int
    rate_kpps: int
    burst_kpkts: int
    qdiscs: list[Qdisc] | None
    policers: list[Policer] | None
    is_shaped: bool
    tc: Sequence[str]

    @property
    def name(self) -> str:
        return self.device.name

    @property
    def set_command(self) -> str:
        """The command that sets the limits that there are."""
        words = ["ovstool", "police", "set", self.name]
        words += ["--rate", units.spell(self.rate_kbps * 1000)] if self.rate_kbps else []
        words += ["--burst", units.spell(self.burst_kbit * 1000)] if self.rate_kbps and self.burst_kbit else []
        words += ["--packet-rate", str(self.rate_kpps * 1000)] if self.rate_kpps else []
        words += ["--packet-burst", str(self.burst_kpkts * 1000)] if self.rate_kpps and self.burst_kpkts else []
        return shlex.join(words)

    @property
    def clear_command(self) -> str:
        return shlex.join(["ovstool", "police", "clear", self.name])


def check(switch: Switch, names: Sequence[str]) -> list[Finding]:
    """What is wrong with the policing of these ports, without names of all. Raises NotFound."""
    limited = gather(switch, names)
    if not limited:
        switch.notes += [f"{name}: is not policed" for name in names]
    return findings(switch, limited)


def findings(switch: Switch, limited: Sequence[Policed]) -> list[Finding]:
    """What is wrong with the policing of these interfaces."""
    found = []
    for policed in limited:
        if policed.datapath_type == "dummy":
            switch.notes.append(f"{policed.name}: the dummy datapath polices nothing; only the configuration was checked")
        found += [finding for rule in _RULES for finding in rule(policed)] + _too_fast_for(switch, policed)
    return found


def gather(switch: Switch, names: Sequence[str]) -> list[Policed]:
    """The interfaces named, or all, that have a limit or part of one, by name."""
    columns = shaping.INTERFACE
    if names:
        rows = [row for named in lookup.interfaces(switch, names, columns) for row in named.rows]
    else:
        queries = [Query("Interface", [[column, ">", 0]], columns) for column in police.COLUMNS]
        rows = [row for answer in switch.read_all(queries) for row in answer]
    limited = {row["name"]: row for row in rows if _is_limited(row)}
    if not limited:
        return []
    bridges = lookup.bridges_of(switch, list(limited.values()))
    types = shaping.datapath_types(switch)
    shaped = {u for row in switch.read(Query("Port", [["qos", "!=", ["set", []]]], ("interfaces",))) for u in many(row["interfaces"])}
    devices = shaping.devices(switch, list(limited.values()))
    qdiscs, policers = _installed(switch, list(limited))
    tc = [*(switch.in_its_network if qdiscs else []), "tc"]
    found = []
    for name, row in sorted(limited.items()):
        bridge = bridges.get(one(row["_uuid"]), "")
        rate, burst, packet_rate, packet_burst = (one(row[column]) or 0 for column in police.COLUMNS)
        has = (None if qdiscs is None else qdiscs.get(name, []), None if policers is None else policers.get(name, []))
        limits = (rate, burst, packet_rate, packet_burst)
        found.append(Policed(devices[name], bridge, types.get(bridge, ""), *limits, *has, is_shaped=one(row["_uuid"]) in shaped, tc=tc))
    return found


def _installed(switch: Switch, names: Sequence[str]) -> tuple[dict[str, list[Qdisc]] | None, dict[str, list[Policer]] | None]:
    try:
        qdiscs = installed.qdiscs(switch, names)
        return qdiscs, installed.policers(switch, [name for name in names if name in qdiscs])
    except OvstoolError as error:
        switch.notes.append(f"{error.what}: {error.why}; what tc has is not known")
        return None, None


def _is_limited(row: Row) -> bool:
    return any(one(row[column]) for column in police.COLUMNS)


def _burst_alone(policed: Policed) -> Iterator[Finding]:
    if not policed.rate_kbps and not policed.rate_kpps:
        yield Finding(policed.name, WARNING, "a burst without a rate", "without a rate nothing is limited", policed.clear_command)


def _unsupported(policed: Policed) -> Iterator[Finding]:
    if not shaping.can_have_qos(policed.device.type):
        evidence = f"{policed.name} is of type {policed.device.type}, which Open vSwitch does not police"
        yield Finding(policed.name, ERROR, "policing not supported by this interface", evidence, policed.clear_command)


def _userspace(policed: Policed) -> Iterator[Finding]:
    if policed.datapath_type == "netdev" and policed.device.type in ("system", "tap"):
        evidence = (
            f"{policed.bridge} has datapath_type netdev, which takes packets before tc polices them, whatever tc counts; a meter does limit"
        )
        # Not to change the datapath, which takes all ports of the bridge down, nor to add a meter, whose flow may overrule others.
        yield Finding(policed.name, ERROR, "policing has no effect on the userspace datapath", evidence, policed.clear_command)


def _internal(policed: Policed) -> Iterator[Finding]:
    if policed.device.type == "internal":
        evidence = f"tc polices what this host gets from {policed.bridge} by {policed.name}; what it sends there would be held by QoS"
        yield Finding(policed.name, WARNING, "policing of an internal port limits the other direction", evidence, policed.clear_command)


def _not_open(policed: Policed) -> Iterator[Finding]:
    if policed.device.ofport is None:
        evidence = policed.device.error or f"{policed.name} has no OpenFlow port number"
        remedy = shlex.join(["ovstool", "port", "show", policed.name])
        yield Finding(policed.name, ERROR, "the interface is not open", evidence, remedy)


def _both_kinds(policed: Policed) -> Iterator[Finding]:
    """The kernel's act_police takes bits or packets, and refuses both in one action (Linux, net/sched/act_police.c)."""
    if policed.rate_kbps and policed.rate_kpps and not policed.policers and policed.device.type in ("system", "internal", "tap"):
        remedy = f"{policed.clear_command} && ovstool police set {shlex.quote(policed.name)} --rate {units.spell(policed.rate_kbps * 1000)}"
        evidence = "the kernel takes a rate or a packet rate, and refuses both at once; then neither is in effect"
        yield Finding(policed.name, ERROR, "a rate and a packet rate together", evidence, remedy)


def _tc(policed: Policed) -> Iterator[Finding]:
    """What tc has, against what it should have."""
    is_tc = policed.device.type in ("system", "internal", "tap") and policed.datapath_type != "dummy"
    if policed.qdiscs is None or policed.policers is None or not is_tc or policed.device.ofport is None:
        return
    if not (policed.rate_kbps or policed.rate_kpps) or (policed.datapath_type == "netdev" and policed.device.type == "system"):
        return
    if not policed.qdiscs:
        evidence = f"tc does not know {policed.name} where ovs-vswitchd runs; a device in another network namespace is not policed"
        yield Finding(policed.name, ERROR, "policing is not installed", evidence, shlex.join(["ovstool", "port", "show", policed.name]))
        return
    rates = [(limit.rate or 0, limit.packet_rate or 0) for limit in policed.policers]
    if any(_is_close(rate, policed.rate_kbps * 1000) and packets == policed.rate_kpps * 1000 for rate, packets in rates):
        return
    too_fast = policed.rate_kbps * 1000 > qos_check.HIGHEST_BPS and any(rate <= qos_check.HIGHEST_BPS for rate, _ in rates)
    if too_fast or (policed.rate_kbps and policed.rate_kpps and not rates):
        return  # for which there are rules of their own
    again = f"{policed.clear_command} && {policed.set_command}"
    ingress = next((qdisc.kind for qdisc in policed.qdiscs if qdisc.handle == "ffff:"), None)
    if ingress not in (None, "ingress"):
        evidence = f"tc has {ingress} on {policed.name}, which is in the place of the ingress qdisc that ovs-vswitchd would add"
        remedy = f"{shlex.join([*policed.tc, 'qdisc', 'del', 'dev', policed.name, ingress])} && {again}"
        yield Finding(policed.name, ERROR, "a foreign qdisc is in the way", evidence, remedy)
        return
    has = ", ".join(_limit_words(limit) for limit in policed.policers) or "no police action"
    wanted = _limit_words(Policer(policed.rate_kbps * 1000 or None, None, policed.rate_kpps * 1000 or None, None, 0))
    yield Finding(policed.name, ERROR, "policing is not installed", f"tc has {has} on {policed.name}, not {wanted}", again)


def _burst(policed: Policed) -> Iterator[Finding]:
    """A bucket that is too small starves TCP, and one that does not hold a frame lets nothing pass; a large one lets much more pass."""
    if not policed.rate_kbps:
        return
    burst = policed.burst_kbit or _DEFAULT_BURST_KBIT
    said = f"the burst is {units.human_size(burst * 1000)}" + ("" if policed.burst_kbit else " (ovs-vswitchd's own, for 0)")
    good = police.default_burst_kbit(policed.rate_kbps)
    remedy = f"ovstool police set {shlex.quote(policed.name)} --rate {units.spell(policed.rate_kbps * 1000)}"
    if burst * 1000 < policed.device.mtu * 8:
        evidence = f"{said}, and a frame has up to {policed.device.mtu} bytes, which never passes"
        yield Finding(policed.name, ERROR, "burst under the MTU", evidence, remedy)
    elif burst < _STARVES * good:
        evidence = (
            f"{said}; at {units.human_rate(policed.rate_kbps * 1000)} one TCP flow needs {units.human_size(good * 1000)} to reach the rate"
        )
        yield Finding(policed.name, WARNING, "burst too small for TCP", evidence, remedy)
    elif burst > max(policed.rate_kbps * _LONGEST_S, good):
        evidence = f"{said}, which is {burst / policed.rate_kbps:.3g} s of the rate; for that long any rate passes"
        yield Finding(policed.name, WARNING, "burst much larger than the rate", evidence, remedy)


def _wrong_way(policed: Policed) -> Iterator[Finding]:
    """A limit on what is received, where nearly all is sent; who limits both has not confused them."""
    if policed.is_shaped:
        return
    received, sent = policed.device.received, policed.device.sent
    if policed.device.type != "internal" and shaping.can_have_qos(policed.device.type) and qos_check.is_one_sided(sent, received):
        evidence = f"{policed.name} has sent {sent} bytes and received {received}; policing limits what is received, QoS what is sent"
        rate = units.spell((policed.rate_kbps or 1000000) * 1000)
        remedy = shlex.join(["ovstool", "qos", "set", policed.name, "--max-rate", rate])  # the limit stays: it is only a guess
        yield Finding(policed.name, WARNING, "traffic goes in the other direction than the limit", evidence, remedy)


_RULES: tuple[Callable[[Policed], Iterator[Finding]], ...] = (
    _burst_alone, _unsupported, _userspace, _internal, _not_open, _both_kinds, _tc, _burst, _wrong_way,
)  # fmt: skip


def _too_fast_for(switch: Switch, policed: Policed) -> list[Finding]:
    """A rate that this ovs-vswitchd cuts to 32 bits of bytes a second."""
    if policed.rate_kbps * 1000 <= qos_check.HIGHEST_BPS:
        return []
    version = qos_check.version(switch)
    if version is None or version >= (3, 3):
        return []
    highest = qos_check.HIGHEST_BPS // 1000 * 1000
    evidence = f"the rate is {units.human_rate(policed.rate_kbps * 1000)}, and Open vSwitch {'.'.join(map(str, version))} holds up to {units.human_rate(highest)}"
    remedy = shlex.join(["ovstool", "police", "set", policed.name, "--rate", units.spell(highest)])
    return [Finding(policed.name, ERROR, "rate above what this Open vSwitch can hold", evidence, remedy)]


def _is_close(rate: int, wanted: int) -> bool:
    """tc prints a rate with few digits."""
    return abs(rate - wanted) <= wanted * 0.01


def _limit_words(limit: Policer) -> str:
    words = [f"police rate {units.human_rate(limit.rate)}"] if limit.rate else []
    words += [f"{limit.packet_rate} packets/s"] if limit.packet_rate else []
    return " and ".join(words) or "police without a rate"
