"""Why policing that was set may do nothing, or something else than was meant: what the database tells (police_rules.py), and what tc has."""

import shlex
from collections.abc import Iterator, Sequence

from ovstool import units
from ovstool.errors import OvstoolError
from ovstool.switch import ERROR, Finding, Switch, police, versions
from ovstool.switch.checks import datapath, policing_rules, port_state, shaping_rules
from ovstool.switch.checks.datapath import Policer, Qdisc
from ovstool.switch.checks.policing_rules import Policed

# The problems with which nothing is policed at all.
WITHOUT_EFFECT = (
    "policing not supported by this interface", "policing has no effect on the userspace datapath", shaping_rules.NOT_OPEN,
    "a rate and a packet rate together", "policing is not installed", "a foreign qdisc is in the way", policing_rules.BYPASSED,
)  # fmt: skip


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
        found += [*policing_rules.findings(policed), *_tc(policed)]
    return found


def gather(switch: Switch, names: Sequence[str]) -> list[Policed]:
    """The interfaces named, or all, that have a limit or part of one, by name, and what tc has of them. Raises NotFound."""
    limited = policing_rules.stored(switch, names)
    if not limited:
        return []
    known = [policed.name for policed in limited]
    counted = port_state.traffic(switch, known)
    qdiscs, policers = _installed(switch, known)
    tc = [*(switch.in_its_network if qdiscs else []), "tc"]
    asks = any(policed.version is None and _depends_on_version(policed) for policed in limited)
    running = versions.running(switch) if asks else None
    return [
        policed._replace(
            device=port_state.with_traffic(policed.device, counted),
            version=policed.version or running,
            qdiscs=None if qdiscs is None else qdiscs.get(policed.name, []),
            policers=None if policers is None else policers.get(policed.name, []),
            tc=tc,
        )
        for policed in limited
    ]


def _depends_on_version(policed: Policed) -> bool:
    burst = max(policed.burst_kbit, police.default_burst_kbit(policed.rate_kbps))
    is_large = policed.rate_kbps * 1000 > shaping_rules.HIGHEST_BPS or burst > policing_rules.MOST_KBIT_BEFORE_3_2
    return is_large or bool(policed.rate_kbps and policed.rate_kpps)


def _installed(switch: Switch, names: Sequence[str]) -> tuple[dict[str, list[Qdisc]] | None, dict[str, list[Policer]] | None]:
    try:
        qdiscs = datapath.qdiscs(switch, names)
        return qdiscs, datapath.policers(switch, [name for name in names if name in qdiscs])
    except OvstoolError as error:
        switch.notes.append(f"{error.what}: {error.why}; what tc has is not known")
        return None, None


def _tc(policed: Policed) -> Iterator[Finding]:
    """What tc has, against what it should have."""
    if policed.qdiscs is None or policed.policers is None or policed.device.ofport is None or not policed.is_tc:
        return
    is_bypassed = policed.datapath_type == "netdev" and policed.device.type == "system"
    if policed.datapath_type == "dummy" or is_bypassed or not (policed.rate_kbps or policed.rate_kpps):
        return
    if not policed.qdiscs and not policed.device.is_here:
        evidence = f"tc does not know {policed.name} where ovs-vswitchd runs; a device in another network namespace is not policed"
        yield Finding(policed.name, ERROR, "policing is not installed", evidence, shlex.join(["ovstool", "port", "show", policed.name]))
        return
    rates = [(limit.rate or 0, limit.packet_rate or 0) for limit in policed.policers]
    if _are_limits_of(policed, rates):
        return
    too_fast = policed.rate_kbps * 1000 > shaping_rules.HIGHEST_BPS and any(rate <= shaping_rules.HIGHEST_BPS for rate, _ in rates)
    if too_fast or (policed.rate_kbps and policed.rate_kpps and not rates):
        return  # for which there are rules of their own
    again = f"{policed.clear_command} && {policed.set_command}"
    ingress = next((qdisc.kind for qdisc in policed.qdiscs if qdisc.handle == "ffff:"), None)
    # With hw-offload ovs-vswitchd adds clsact to internal ports itself (netdev_tc_init_flow_api), and its matchall filter fits both.
    if ingress not in (None, "ingress") and not (policed.offloads and ingress == "clsact"):
        evidence = f"tc has {ingress} on {policed.name}, which is in the place of the ingress qdisc that ovs-vswitchd would add"
        remedy = f"{shlex.join([*policed.tc, 'qdisc', 'del', 'dev', policed.name, ingress])} && {again}"
        yield Finding(policed.name, ERROR, "a foreign qdisc is in the way", evidence, remedy)
        return
    has = ", ".join(_limit_words(limit) for limit in policed.policers) or "no police action"
    wanted = _limit_words(Policer(policed.rate_kbps * 1000 or None, None, policed.rate_kpps * 1000 or None, None, 0))
    yield Finding(policed.name, ERROR, "policing is not installed", f"tc has {has} on {policed.name}, not {wanted}", again)


def _are_limits_of(policed: Policed, rates: Sequence[tuple[int, int]]) -> bool:
    """Whether one action has both limits, or each has an action of its own, as with Open vSwitch 2.16 and 2.17."""
    close = [packets for rate, packets in rates if _is_close(rate, policed.rate_kbps * 1000)]
    wanted = policed.rate_kpps * 1000
    return wanted in close or bool(policed.rate_kbps and 0 in close and (0, wanted) in rates)


def _is_close(rate: int, wanted: int) -> bool:
    """tc prints a rate with few digits."""
    return abs(rate - wanted) <= wanted * 0.01


def _limit_words(limit: Policer) -> str:
    words = [f"police rate {units.human_rate(limit.rate)}"] if limit.rate else []
    words += [f"{limit.packet_rate} packets/s"] if limit.packet_rate else []
    return " and ".join(words) or "police without a rate"
