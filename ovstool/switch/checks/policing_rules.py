"""What the database alone tells to be wrong with the policing of an interface: the known ways to go wrong, each a rule.

What happens with each was read in netdev-linux.c and netdev-dpdk.c of Open vSwitch 2.13 to 3.7, and measured on both datapaths. But for a
device that cannot be opened, none of it shows in the database. ``police check`` finds these and more (police_check.py); ``police set``
notes them at once.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ovstool import units
from ovstool.errors import OvstoolError
from ovstool.ovsdb.transaction import Query
from ovstool.ovsdb.values import many, mapping, one
from ovstool.switch import ERROR, WARNING, Finding, Switch, lookup, police, versions
from ovstool.switch.checks import port_state, shaping_rules
from ovstool.switch.checks.port_state import Device

if TYPE_CHECKING:
    from ovstool.switch.checks.datapath import Policer, Qdisc

BYPASSED = "policing has no effect on ports of AF_XDP"
MOST_KBIT_BEFORE_3_2 = (2**32 - 1) // 1024
_LONGEST_S = 1  # of the rate: a burst of more than that lets through much more than the rate for a while
_STARVES = 0.9  # of the default burst: with less than 0.19 s of the rate TCP gets less than 90% of it (bench/bursts.py)
_MANY = 20  # interfaces; from here on one look at all ports is cheaper than one for each
_BRIDGES = Query("Bridge", [], ("name", "datapath_type"))
_SHAPED = lookup.ports_with_qos(("interfaces",))


class Policed(NamedTuple):
    """An interface with limits, in the units of their columns (kbit/s and so on; 0: none).

    ``offloads``: flows are handed to tc (``hw-offload``). ``qdiscs`` and ``policers`` None: what tc has cannot be known here.
    ``is_shaped``: its port has a QoS too. ``tc``: the words that run tc where the interface is. ``version`` None: not known.
    """

    device: Device
    bridge: str
    datapath_type: str
    rate_kbps: int
    burst_kbit: int
    rate_kpps: int
    burst_kpkts: int
    is_shaped: bool
    offloads: bool
    version: versions.Version | None
    qdiscs: "list[Qdisc] | None" = None
    policers: "list[Policer] | None" = None
    tc: Sequence[str] = ("tc",)

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

    @property
    def is_tc(self) -> bool:
        """Whether tc is what polices it."""
        return self.device.type in ("system", "internal", "tap")

    def with_rate(self, *options: str) -> str:
        rate = units.spell(self.rate_kbps * 1000)
        return " ".join(["ovstool police set", shlex.quote(self.name), "--rate", rate, *options])


def note(switch: Switch, names: Sequence[str]) -> None:
    """Note what is wrong with the policing of interfaces that were just changed, as far as the database tells. It is advice, and never fails."""
    if switch.dry_run:
        return
    try:
        found = [finding for policed in stored(switch, names) for finding in findings(policed)]
        switch.found += [
            finding for finding in found if switch.wait or finding.problem != shaping_rules.NOT_OPEN
        ]  # which it may be by and by
    except OvstoolError:
        return


def findings(policed: Policed) -> list[Finding]:
    """What the database tells to be wrong with the policing of an interface."""
    return [finding for rule in _RULES for finding in rule(policed)]


def stored(switch: Switch, names: Sequence[str], counted: Mapping[str, tuple[int, int]] | None = None) -> list[Policed]:
    """The interfaces named, or all, that have a limit or part of one, by name. Raises NotFound."""
    columns = port_state.INTERFACE
    if names:
        rows = [row for named in lookup.interfaces(switch, names, columns) for row in named.rows]
    else:
        queries = [Query("Interface", [[column, ">", 0]], columns) for column in police.COLUMNS]
        rows = [row for answer in switch.read_all(queries) for row in answer]
    limited = {row["name"]: row for row in rows if any(one(row[column]) for column in police.COLUMNS)}
    if not limited:
        return []
    every = not names or len(limited) > _MANY
    shaping_ports = (
        [_SHAPED]
        if every
        else [_SHAPED._replace(where=[*_SHAPED.where, ["interfaces", "includes", row["_uuid"]]]) for row in limited.values()]
    )
    bridge_rows, root, *answers = switch.read_all([_BRIDGES, versions.QUERY, *shaping_ports])
    bridges = lookup.bridges_of(switch, list(limited.values()), bridge_rows)
    types = {row["name"]: port_state.datapath_type(row) for row in bridge_rows}
    shaped = {u for rows in answers for row in rows for u in many(row["interfaces"])}
    devices = port_state.devices(list(limited.values()), counted or {})
    offloads = any(mapping(row["other_config"]).get("hw-offload") == "true" for row in root)
    found = []
    for name, row in sorted(limited.items()):
        u = one(row["_uuid"])
        bridge = bridges.get(u, "")
        rate, burst, packet_rate, packet_burst = (one(row[column]) or 0 for column in police.COLUMNS)
        limits = (rate, burst, packet_rate, packet_burst)
        found.append(Policed(devices[name], bridge, types.get(bridge, ""), *limits, u in shaped, offloads, versions.stored(root)))
    return found


def _burst_alone(policed: Policed) -> Iterator[Finding]:
    if not policed.rate_kbps and not policed.rate_kpps:
        yield Finding(policed.name, WARNING, "a burst without a rate", "without a rate nothing is limited", policed.clear_command)


def _unsupported(policed: Policed) -> Iterator[Finding]:
    if not port_state.can_have_qos(policed.device.type):
        evidence = f"{policed.name} is of type {policed.device.type}, which Open vSwitch does not police"
        yield Finding(policed.name, ERROR, "policing not supported by this interface", evidence, policed.clear_command)


def _userspace(policed: Policed) -> Iterator[Finding]:
    if policed.datapath_type == "netdev" and policed.device.type in ("system", "tap"):
        evidence = (
            f"{policed.bridge} has datapath_type netdev, which takes packets before tc polices them, whatever tc counts; "
            "an OpenFlow meter does limit"
        )
        # Not to change the datapath, which takes all ports of the bridge down, nor to add a meter, whose flow may overrule others.
        yield Finding(policed.name, ERROR, "policing has no effect on the userspace datapath", evidence, policed.clear_command)


def _afxdp(policed: Policed) -> Iterator[Finding]:
    """Their class is that of Linux devices (NETDEV_AFXDP_CLASS), so tc is set up; XDP takes packets before (Linux, net/core/dev.c)."""
    if policed.device.is_afxdp:
        evidence = (
            f"{policed.name} is of type {policed.device.type}: XDP takes its packets before tc polices them; an OpenFlow meter does limit"
        )
        yield Finding(policed.name, ERROR, BYPASSED, evidence, policed.clear_command)


def _packets_of_dpdk(policed: Policed) -> Iterator[Finding]:
    if policed.device.is_dpdk and policed.rate_kpps:  # netdev_dpdk_set_policing: policer_kpkts_rate OVS_UNUSED
        evidence = f"{policed.name} is of type {policed.device.type}, which Open vSwitch polices in bits alone"
        remedy = f"{policed.clear_command} && {policed.with_rate()}" if policed.rate_kbps else policed.clear_command
        yield Finding(policed.name, ERROR, "a packet rate on a port of DPDK", evidence, remedy)


def _internal(policed: Policed) -> Iterator[Finding]:
    if policed.device.type == "internal":
        evidence = f"tc polices what this host receives from {policed.bridge} by {policed.name}; QoS would limit what it sends there"
        yield Finding(policed.name, WARNING, "policing of an internal port limits the other direction", evidence, policed.clear_command)


def _not_open(policed: Policed) -> Iterator[Finding]:
    if policed.device.ofport is None:
        evidence = policed.device.error or f"{policed.name} has no OpenFlow port number"
        remedy = shlex.join(["ovstool", "port", "show", policed.name])
        yield Finding(policed.name, ERROR, shaping_rules.NOT_OPEN, evidence, remedy)


def _both_kinds(policed: Policed) -> Iterator[Finding]:
    """The kernel's act_police takes bits or packets, and refuses both in one action (Linux, net/sched/act_police.c).

    From 3.0 on nl_msg_put_act_police asks for one; 2.16 and 2.17 asked for an action each, and both worked.
    """
    if policed.version is not None and policed.version < (3, 0):
        return
    if policed.rate_kbps and policed.rate_kpps and not policed.policers and policed.is_tc:
        remedy = f"{policed.clear_command} && {policed.with_rate()}"
        evidence = "the kernel takes one alone, a rate or a packet rate; it refuses both at once, so neither is in effect"
        yield Finding(policed.name, ERROR, "a rate and a packet rate together", evidence, remedy)


def _burst(policed: Policed) -> Iterator[Finding]:
    """A bucket that is too small starves TCP, and one that does not hold a frame lets nothing pass; a large one lets much more pass."""
    if not policed.rate_kbps:
        return
    held = _most_kbit(policed)
    burst = policed.burst_kbit or police.DEFAULT_BURST_KBIT
    said = f"the burst is {units.human_size(burst * 1000)}" + ("" if policed.burst_kbit else " (ovs-vswitchd's own, for 0)")
    good = min(police.default_burst_kbit(policed.rate_kbps), held)
    if burst * 1000 < policed.device.mtu * 8:
        evidence = f"{said}, and a frame has up to {policed.device.mtu} bytes, which never passes"
        yield Finding(policed.name, ERROR, "burst under the MTU", evidence, policed.with_rate())
    elif burst < _STARVES * good:
        evidence = (
            f"{said}; at {units.human_rate(policed.rate_kbps * 1000)} one TCP flow needs {units.human_size(good * 1000)} to reach the rate"
        )
        yield Finding(policed.name, WARNING, "burst too small for TCP", evidence, policed.with_rate())
    elif burst > max(policed.rate_kbps * _LONGEST_S, good):
        evidence = f"{said}, which is {burst / policed.rate_kbps:.3g} s of the rate; so much passes before anything is dropped"
        yield Finding(policed.name, WARNING, "burst much larger than the rate", evidence, policed.with_rate())
    elif burst > held and policed.is_tc:
        evidence = f"{said}, of which {units.human_size(held * 1000)} can be handed to tc, which has 32 bits for it"
        remedy = policed.with_rate("--burst", units.spell(held * 1000))
        yield Finding(policed.name, WARNING, "burst above what this Open vSwitch can hold", evidence, remedy)


def _most_kbit(policed: Policed) -> int:
    """tc_matchall_fill_police and tc_add_policer hold 32 bits of 1/1024 kbit before 3.2, tc_policer_init 32 bits of bytes."""
    return MOST_KBIT_BEFORE_3_2 if policed.version is not None and policed.version < (3, 2) else (2**32 - 1) // 128


def _packet_burst(policed: Policed) -> Iterator[Finding]:
    burst = policed.burst_kpkts or police.DEFAULT_BURST_KPKTS
    if policed.rate_kpps and policed.is_tc and burst > max(policed.rate_kpps * _LONGEST_S, police.default_burst_kpkts(policed.rate_kpps)):
        own = "" if policed.burst_kpkts else " (ovs-vswitchd's own, for 0)"
        evidence = f"the burst is {burst * 1000} packets{own}, {burst / policed.rate_kpps:.3g} s of the rate; so much passes before anything is dropped"
        remedy = shlex.join(["ovstool", "police", "set", policed.name, "--packet-rate", str(policed.rate_kpps * 1000)])
        yield Finding(policed.name, WARNING, "packet burst much larger than the rate", evidence, remedy)


def _wrong_way(policed: Policed) -> Iterator[Finding]:
    """A limit on what is received, where nearly all is sent; who limits both has not confused them."""
    if policed.is_shaped:
        return
    received, sent = policed.device.received, policed.device.sent
    if policed.device.type != "internal" and port_state.can_have_qos(policed.device.type) and shaping_rules.is_one_sided(sent, received):
        evidence = f"{policed.name} has sent {sent} bytes and received {received}; policing limits what is received, QoS what is sent"
        rate = units.spell((policed.rate_kbps or 1000000) * 1000)
        remedy = shlex.join(["ovstool", "qos", "set", policed.name, "--max-rate", rate])  # the limit stays: it is only a guess
        yield Finding(policed.name, WARNING, "traffic goes in the other direction than the limit", evidence, remedy)


def _too_fast(policed: Policed) -> Iterator[Finding]:
    """Bytes a second are cut to 32 bits before 3.2, which brought TCA_POLICE_RATE64; DPDK has 64 bits."""
    highest = shaping_rules.HIGHEST_BPS // 1000 * 1000
    if policed.rate_kbps * 1000 > highest and policed.is_tc and policed.version is not None and policed.version < (3, 2):
        said = f"Open vSwitch {versions.spelt(policed.version)} holds up to {units.human_rate(highest)}"
        burst = min(police.default_burst_kbit(highest // 1000), _most_kbit(policed)) * 1000  # the default is more than it holds, too
        remedy = shlex.join(["ovstool", "police", "set", policed.name, "--rate", units.spell(highest), "--burst", units.spell(burst)])
        evidence = f"the rate is {units.human_rate(policed.rate_kbps * 1000)}, and {said}"
        yield Finding(policed.name, ERROR, "rate above what this Open vSwitch can hold", evidence, remedy)


_RULES: tuple[Callable[[Policed], Iterator[Finding]], ...] = (
    _burst_alone, _unsupported, _userspace, _afxdp, _packets_of_dpdk, _internal, _not_open, _both_kinds, _burst, _packet_burst, _wrong_way, _too_fast,
)  # fmt: skip
