"""Why policing may have no effect, or not the intended one: a rule for everything known to go wrong, and the check.

What happens in each case comes from netdev-linux.c and netdev-dpdk.c of Open vSwitch 2.13 to 3.7, and was measured on both datapaths. Only
a device that cannot be opened leaves an error in the database. ``police set`` notes at once what the rules find from the database;
``police check`` also looks at tc, which one rule needs.
"""

from collections.abc import Callable, Iterator, Sequence

from ovstool import units
from ovstool.switch import ERROR, WARNING, Finding, Switch, checks, police, versions
from ovstool.switch.checks import interface_state, policing_state
from ovstool.switch.checks.interface_state import HIGHEST_BPS
from ovstool.switch.checks.policing_state import PolicedInterface

_MOST_KBIT_BEFORE_3_2 = (2**32 - 1) // 1024
_LONGEST_S = 1  # of traffic at the rate: a larger burst lets through much more than the rate for a while
_STARVES = 0.9  # of the default burst: with less than 0.19 s of the rate TCP gets less than 90% of it (bench/bursts.py)


def check(switch: Switch, names: Sequence[str]) -> list[Finding]:
    """What is wrong with the policing of these ports; without names, of all ports. Raises NotFound."""
    limited = observed(switch, names)
    if not limited:
        switch.notes += [f"{name}: is not policed" for name in names]
    return [finding for policed in limited for finding in findings(policed)]


def note(switch: Switch, names: Sequence[str]) -> None:
    """Note what is wrong with the policing of interfaces just changed, judging by the database. Advice only: it never fails."""
    checks.note(switch, lambda: [finding for policed in policing_state.configured(switch, names) for finding in findings(policed)])


def findings(policed: PolicedInterface) -> list[Finding]:
    """What is wrong with the policing of an interface, judging by what is known of it."""
    return [finding for rule in _RULES for finding in rule(policed)]


def observed(switch: Switch, names: Sequence[str]) -> list[PolicedInterface]:
    """The interfaces named, or all, that have a limit or part of one, by name, with all that the rules need. Raises NotFound."""
    limited = policing_state.observed(switch, names)
    if any(policed.version is None and _depends_on_version(policed) for policed in limited):
        running = versions.running(switch)
        limited = [policed._replace(version=policed.version or running) for policed in limited]
    dummies = [policed.name for policed in limited if policed.datapath_type == "dummy"]
    switch.notes += [f"{name}: the dummy datapath polices nothing; only the configuration was checked" for name in dummies]
    return limited


def _depends_on_version(policed: PolicedInterface) -> bool:
    burst = max(policed.burst_kbit, police.default_burst_kbit(policed.rate_kbps))
    is_large = policed.rate_kbps * 1000 > HIGHEST_BPS or burst > _MOST_KBIT_BEFORE_3_2
    return is_large or bool(policed.rate_kbps and policed.rate_kpps)


def _burst_alone(policed: PolicedInterface) -> Iterator[Finding]:
    """A burst has no effect by itself: without a rate it is treated as 0 (netdev_linux_set_policing)."""
    if not policed.rate_kbps and not policed.rate_kpps:
        yield Finding(policed.name, WARNING, "a burst without a rate", "without a rate nothing is limited", (policed.clear_command,))


def _unsupported(policed: PolicedInterface) -> Iterator[Finding]:
    """netdev_set_policing silently does nothing where the class of the device has no set_policing (netdev-vport.c)."""
    if not policed.interface.can_have_qos:
        evidence = f"{policed.name} is of type {policed.interface.type}, which Open vSwitch does not police"
        yield Finding(policed.name, ERROR, "policing not supported by this interface", evidence, (policed.clear_command,), disables=True)


def _userspace(policed: PolicedInterface) -> Iterator[Finding]:
    """The userspace datapath reads a raw socket, ahead of tc ingress (netdev_linux_batch_rxq_recv_sock; Linux, net/core/dev.c).

    It reads a tap like the program that created it, on the opposite side from tc (netdev_linux_batch_rxq_recv_tap).
    """
    if policed.datapath_type == "netdev" and policed.interface.type in ("system", "tap"):
        evidence = (
            f"{policed.bridge} has datapath_type netdev, which receives packets before tc polices them, whatever tc counts; "
            "an OpenFlow meter works there"
        )
        # The remedy does not change the datapath, which takes down all ports of the bridge, or add a meter, whose flow may override others.
        problem = "policing has no effect on the userspace datapath"
        yield Finding(policed.name, ERROR, problem, evidence, (policed.clear_command,), disables=True)


def _afxdp(policed: PolicedInterface) -> Iterator[Finding]:
    """AF_XDP ports are set up like Linux devices, tc included (NETDEV_AFXDP_CLASS), but XDP takes packets first (Linux, net/core/dev.c)."""
    if policed.interface.is_afxdp:
        evidence = f"{policed.name} is of type {policed.interface.type}: XDP takes its packets before tc polices them; an OpenFlow meter works there"
        yield Finding(policed.name, ERROR, "policing has no effect on ports of AF_XDP", evidence, (policed.clear_command,), disables=True)


def _packets_of_dpdk(policed: PolicedInterface) -> Iterator[Finding]:
    """DPDK polices bits only (netdev_dpdk_set_policing: policer_kpkts_rate OVS_UNUSED)."""
    if policed.interface.is_dpdk and policed.rate_kpps:
        evidence = f"{policed.name} is of type {policed.interface.type}, which Open vSwitch polices by bit rate only"
        kept = [policed.with_rate()] if policed.rate_kbps else []
        yield Finding(policed.name, ERROR, "a packet rate on a port of DPDK", evidence, (policed.clear_command, *kept))


def _internal(policed: PolicedInterface) -> Iterator[Finding]:
    """tc ingress of an internal port sees what the switch sends to the host (Linux, vport-internal_dev.c, internal_dev_recv)."""
    if policed.interface.type == "internal":
        evidence = f"tc polices what this host receives from {policed.bridge} through {policed.name}; QoS would limit what it sends there"
        yield Finding(policed.name, WARNING, "policing of an internal port limits the other direction", evidence, (policed.clear_command,))


def _not_open(policed: PolicedInterface) -> Iterator[Finding]:
    """Nothing is installed on a device that could not be opened (interface_state.not_open)."""
    return interface_state.not_open(policed.name, policed.interface)


def _both_kinds(policed: PolicedInterface) -> Iterator[Finding]:
    """The kernel's act_police limits bits or packets, and refuses both in one action (Linux, net/sched/act_police.c).

    From 3.0 on nl_msg_put_act_police requests a single action; 2.16 and 2.17 requested one for each, and both worked.
    """
    if policed.rate_kbps and policed.rate_kpps and not policed.policers and policed.is_tc and not policed.is_older_than(3, 0):
        remedy = (policed.clear_command, policed.with_rate())
        evidence = "the kernel accepts a rate or a packet rate and refuses both at once, so neither is in effect"
        yield Finding(policed.name, ERROR, "a rate and a packet rate together", evidence, remedy, disables=True)


def _small_burst(policed: PolicedInterface) -> Iterator[Finding]:
    """A frame that is larger than the bucket never passes (Linux, act_police.c), and one that is too small starves TCP."""
    if not policed.rate_kbps:
        return
    said, good = _said_of_burst(policed), _good_kbit(policed)
    if not _holds_a_frame(policed):
        evidence = f"{said}, and a larger frame never passes; frames can have {policed.interface.mtu} bytes"
        yield Finding(policed.name, ERROR, "burst under the MTU", evidence, (policed.with_rate(),))
    elif _burst_kbit(policed) < _STARVES * good:
        rate, needed = units.human_rate(policed.rate_kbps * 1000), units.human_size(good * 1000)
        evidence = f"{said}; at {rate} one TCP flow needs {needed} to reach the rate"
        yield Finding(policed.name, WARNING, "burst too small for TCP", evidence, (policed.with_rate(),))


def _large_burst(policed: PolicedInterface) -> Iterator[Finding]:
    """A full bucket lets all that it holds pass at once; a size that tc cannot hold is truncated (see _most_kbit)."""
    if not policed.rate_kbps or not _holds_a_frame(policed):
        return
    said, burst, held = _said_of_burst(policed), _burst_kbit(policed), _most_kbit(policed)
    if burst > max(policed.rate_kbps * _LONGEST_S, _good_kbit(policed)):
        evidence = f"{said}, as much as the rate allows in {burst / policed.rate_kbps:.3g} s; all of it passes before anything is dropped"
        yield Finding(policed.name, WARNING, "burst much larger than the rate", evidence, (policed.with_rate(),))
    elif burst > held and policed.is_tc:
        evidence = f"{said}, but tc has 32 bits for it and can hold at most {units.human_size(held * 1000)}"
        remedy = policed.with_rate("--burst", units.spell(held * 1000))
        yield Finding(policed.name, WARNING, "burst above what this Open vSwitch can hold", evidence, (remedy,))


def _burst_kbit(policed: PolicedInterface) -> int:
    """The burst in effect: 0 means 8000 kbit (netdev_linux_set_policing)."""
    return policed.burst_kbit or police.BURST_OF_ZERO_KBIT


def _said_of_burst(policed: PolicedInterface) -> str:
    own = "" if policed.burst_kbit else " (ovs-vswitchd's default for 0)"
    return f"the burst is {units.human_size(_burst_kbit(policed) * 1000)}{own}"


def _holds_a_frame(policed: PolicedInterface) -> bool:
    return _burst_kbit(policed) * 1000 >= policed.interface.mtu * 8


def _good_kbit(policed: PolicedInterface) -> int:
    """The burst that one TCP flow needs to reach the rate, or the most that tc can hold."""
    return min(police.default_burst_kbit(policed.rate_kbps), _most_kbit(policed))


def _most_kbit(policed: PolicedInterface) -> int:
    """tc_matchall_fill_police and tc_add_policer hold 32 bits of 1/1024 kbit before 3.2, tc_policer_init 32 bits of bytes."""
    return _MOST_KBIT_BEFORE_3_2 if policed.is_older_than(3, 2) else (2**32 - 1) // 128


def _packet_burst(policed: PolicedInterface) -> Iterator[Finding]:
    """A full bucket lets all that it holds pass at once; a burst of 0 means 16,000 packets (netdev_linux_set_policing)."""
    burst = policed.burst_kpkts or police.BURST_OF_ZERO_KPKTS
    if policed.rate_kpps and policed.is_tc and burst > max(policed.rate_kpps * _LONGEST_S, police.default_burst_kpkts(policed.rate_kpps)):
        own = "" if policed.burst_kpkts else " (ovs-vswitchd's default for 0)"
        evidence = f"the burst is {burst * 1000} packets{own}, as much as the rate allows in {burst / policed.rate_kpps:.3g} s; all of it passes before anything is dropped"
        remedy = ("ovstool", "police", "set", policed.name, "--packet-rate", str(policed.rate_kpps * 1000))
        yield Finding(policed.name, WARNING, "packet burst much larger than the rate", evidence, (remedy,))


def _wrong_way(policed: PolicedInterface) -> Iterator[Finding]:
    """A limit on received traffic where nearly all is sent; somebody who limits both directions has not confused them."""
    interface = policed.interface
    if policed.is_shaped or interface.type == "internal" or not interface.can_have_qos:
        return
    received, sent = interface.received, interface.sent
    if interface_state.is_one_sided(sent, received):
        evidence = f"{policed.name} has sent {units.counted(sent, 'byte')} and received {received}; policing limits what is received, QoS what is sent"
        rate = units.spell((policed.rate_kbps or 1000000) * 1000)
        remedy = ("ovstool", "qos", "set", policed.name, "--max-rate", rate)  # the existing limit stays: this is only a guess
        yield Finding(policed.name, WARNING, "traffic goes in the other direction than the limit", evidence, (remedy,))


def _too_fast(policed: PolicedInterface) -> Iterator[Finding]:
    """Bytes per second are truncated to 32 bits before 3.2, which brought TCA_POLICE_RATE64; DPDK has 64 bits."""
    highest = HIGHEST_BPS // 1000 * 1000
    if policed.rate_kbps * 1000 > highest and policed.is_tc and policed.version is not None and policed.is_older_than(3, 2):
        said = f"Open vSwitch {versions.spelt(policed.version)} can hold at most {units.human_rate(highest)}"
        burst = min(police.default_burst_kbit(highest // 1000), _most_kbit(policed)) * 1000  # the default is also more than it can hold
        remedy = ("ovstool", "police", "set", policed.name, "--rate", units.spell(highest), "--burst", units.spell(burst))
        evidence = f"the rate is {units.human_rate(policed.rate_kbps * 1000)}, and {said}"
        yield Finding(policed.name, ERROR, "rate above what this Open vSwitch can hold", evidence, (remedy,))


def _tc(policed: PolicedInterface) -> Iterator[Finding]:
    """ovs-vswitchd passes changed limits to tc and never checks them again, so later changes with tc stay (netdev_linux_set_policing)."""
    if not _should_be_in_tc(policed):
        return
    rates = [(limit.rate or 0, limit.packet_rate or 0) for limit in policed.policers or ()]
    if not policed.qdiscs and not policed.interface.is_here:
        evidence = f"tc cannot find {policed.name} where ovs-vswitchd runs; a device in another network namespace is not policed"
        remedy = ("ovstool", "port", "show", policed.name)
        yield Finding(policed.name, ERROR, "policing is not installed", evidence, (remedy,), disables=True)
    elif not _are_limits_of(policed, rates) and not _is_told_by_another_rule(policed, rates):
        yield _foreign(policed) or _not_installed(policed)


def _should_be_in_tc(policed: PolicedInterface) -> bool:
    """Whether ovs-vswitchd passes limits to tc that take effect there, and the state of tc is known."""
    is_bypassed = policed.datapath_type == "netdev" and policed.interface.type == "system"
    if policed.qdiscs is None or policed.policers is None or policed.datapath_type == "dummy" or is_bypassed:
        return False
    return policed.interface.ofport is not None and policed.is_tc and bool(policed.rate_kbps or policed.rate_kpps)


def _is_told_by_another_rule(policed: PolicedInterface, rates: Sequence[tuple[int, int]]) -> bool:
    """Whether _too_fast (a rate truncated to 32 bits) or _both_kinds (a rate and a packet rate refused together) reports this already."""
    is_cut = policed.rate_kbps * 1000 > HIGHEST_BPS and any(rate <= HIGHEST_BPS for rate, _ in rates)
    return is_cut or bool(policed.rate_kbps and policed.rate_kpps and not rates)


def _foreign(policed: PolicedInterface) -> Finding | None:
    """ffff: is the ingress qdisc; a foreign clsact in its place keeps ovs-vswitchd from adding its own (tc_add_del_qdisc).

    With hw-offload ovs-vswitchd adds clsact to internal ports itself (netdev_tc_init_flow_api), and its matchall filter works with both.
    """
    ingress = next((qdisc.kind for qdisc in policed.qdiscs or () if qdisc.handle == "ffff:"), None)
    if ingress in (None, "ingress") or (policed.offloads and ingress == "clsact"):
        return None
    evidence = f"tc has {ingress} on {policed.name} in place of the ingress qdisc that ovs-vswitchd would add"
    remedy = (*policed.tc, "qdisc", "del", "dev", policed.name, ingress)
    commands = (remedy, policed.clear_command, policed.set_command)
    return Finding(policed.name, ERROR, "a foreign qdisc is in the way", evidence, commands, disables=True)


def _not_installed(policed: PolicedInterface) -> Finding:
    has = ", ".join(_limit_words(limit.rate, limit.packet_rate) for limit in policed.policers or ()) or "no police action"
    wanted = _limit_words(policed.rate_kbps * 1000, policed.rate_kpps * 1000)
    evidence = f"tc has {has} on {policed.name} instead of {wanted}"
    commands = (policed.clear_command, policed.set_command)
    return Finding(policed.name, ERROR, "policing is not installed", evidence, commands, disables=True)


def _are_limits_of(policed: PolicedInterface, rates: Sequence[tuple[int, int]]) -> bool:
    """Whether one action has both limits, or each has an action of its own, as with Open vSwitch 2.16 and 2.17."""
    close = [packets for rate, packets in rates if _is_close(rate, policed.rate_kbps * 1000)]
    wanted = policed.rate_kpps * 1000
    return wanted in close or bool(policed.rate_kbps and 0 in close and (0, wanted) in rates)


def _is_close(rate: int, wanted: int) -> bool:
    """Whether a rate that tc printed is the one that was set; tc prints it with few digits."""
    return abs(rate - wanted) <= wanted * 0.01


def _limit_words(rate: int | None, packet_rate: int | None) -> str:
    words = [f"police rate {units.human_rate(rate)}"] if rate else []
    words += [f"{packet_rate} packets/s"] if packet_rate else []
    return " and ".join(words) or "police without a rate"


_RULES: tuple[Callable[[PolicedInterface], Iterator[Finding]], ...] = (
    _burst_alone, _unsupported, _userspace, _afxdp, _packets_of_dpdk, _internal, _not_open, _both_kinds, _small_burst, _large_burst,
    _packet_burst, _wrong_way, _too_fast, _tc,
)  # fmt: skip
