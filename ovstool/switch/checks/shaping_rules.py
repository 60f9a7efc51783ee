"""Rules for everything known to go wrong with the QoS of a port that the database alone shows.

What Open vSwitch does in each case comes from lib/netdev-linux.c, netdev-dpdk.c and vswitchd/bridge.c of 2.13 to 3.7, and measured on the
kernel datapath; ovs-vswitchd.conf.db(5) has the configuration. Most of it happens without an error in the database or a line in the log:
bridge.c, iface_configure_qos, ignores what netdev_set_qos and netdev_set_queue return.
``qos check`` applies these rules and those of ``shaping``; ``qos set`` and ``qos steer`` note at once what these find. The file is long
because there are many rules; they are independent of each other.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ovstool import units
from ovstool.errors import quote
from ovstool.switch import ERROR, WARNING, Finding, Switch, checks, versions
from ovstool.switch.accepts import qos_types
from ovstool.switch.checks import interface_state, port_state
from ovstool.switch.checks import shaping_remedies as remedies
from ovstool.switch.checks.interface_state import HIGHEST_BPS
from ovstool.switch.checks.port_state import PortState, QueueRow

if TYPE_CHECKING:
    from ovstool.switch.qos import Outcome

_ROOM = 64  # bytes that ovs-vswitchd adds to the MTU for the smallest burst of HTB
_LONGEST_US = 2**32 * 64 // 1000  # tc counts time in ticks of 64 ns (/proc/net/psched), in 32 bits, to which ovs-vswitchd truncates it


def advice(switch: Switch, names: Sequence[str], errors_only: bool = False) -> checks.Advice:
    """What the database shows to be wrong with the QoS of ports that are being changed."""
    return checks.Advice(switch, lambda done=None: _found_by_name(switch, names, done or {}, errors_only))


def _found_by_name(switch: Switch, names: Sequence[str], done: "Mapping[str, Outcome]", errors_only: bool) -> list[Finding]:
    is_known = done and all(outcome.change != "unchanged" for outcome in done.values())
    found = findings_of_all(port_state.written(switch, done.values()) if is_known else port_state.configured(switch, names))
    return [finding for finding in found if finding.severity == ERROR or not errors_only]


def findings_of_all(ports: Iterable[PortState]) -> list[Finding]:
    """What the database shows to be wrong with the QoS of ports. Often thousands are alike, and the rules look at one of these."""
    found: list[Finding] = []
    healthy = None
    for port in ports:
        if port.type is not None and (alike := _unnamed(port)) != healthy:
            of_port = [*findings(port), *dscp_of_queue_0(port)]
            found += of_port
            healthy = healthy if of_port else alike
    return found


def _unnamed(port: PortState) -> PortState:
    """All of a port that decides whether a rule finds something: no names or numbers, and of its traffic the main direction."""
    is_one_sided = interface_state.is_one_sided(*_traffic(port))
    interfaces = [i._replace(name="", ofport=i.ofport and 1, received=is_one_sided, sent=0) for i in port.interfaces]
    return port._replace(name="", bridge="", uuid=None, interfaces=interfaces)


def _traffic(port: PortState) -> tuple[int, int]:
    """The bytes that a port has received and sent."""
    return sum(interface.received for interface in port.interfaces), sum(interface.sent for interface in port.interfaces)


def findings(port: PortState) -> list[Finding]:
    """What the database shows to be wrong with the QoS of a port."""
    return [finding for rule in _RULES for finding in rule(port)]


def depend_on_version(port: PortState) -> bool:
    """Whether what a rule finds on this port depends on the version of Open vSwitch."""
    rates = [port.max_rate or 0, *(port.shape(number).max_rate or 0 for number in port.queues)]
    return (
        (port.has_classes and not port.max_rate)
        or max(rates) > HIGHEST_BPS
        or any(known.since for key, known in port.kind.keys.items() if key in port.other_config)
    )


def _unknown_type(port: PortState) -> Iterator[Finding]:
    """ovs-vswitchd installs nothing for a type that it was not built with (netdev-linux.c, netdev_linux_set_qos: EOPNOTSUPP)."""
    if not port.kind.known:
        evidence = f"the type is {quote(str(port.type))}, which ovs-vswitchd silently ignores unless it was built with support for it"
        yield Finding(port.name, ERROR, "QoS type not known", evidence, remedies.whole(port), disables=True)


def _unsupported(port: PortState) -> Iterator[Finding]:
    """Each class of devices supports its own QoS types: those of tc, those of DPDK (netdev_dpdk_set_qos), or none (netdev-vport.c)."""
    for interface in port.interfaces:
        if not interface.can_have_qos:
            evidence, remedy = f"{interface.name} is of type {interface.type}, which does not support QoS", remedies.clear(port)
        elif port.kind.known and port.kind.is_policer != interface.is_dpdk:
            only = "egress-policer and trtcm-policer" if interface.is_dpdk else "the linux- types"
            evidence = f"the type is {port.type}, and {interface.name} (type {interface.type}) supports only {only}"
            kept = "egress-policer" if interface.is_dpdk else "linux-htb"
            remedy = remedies.rate_alone(port, kept, port.max_rate or interface.link_speed or 10**9)
        else:
            continue
        yield Finding(port.name, ERROR, "QoS type not supported by this interface", evidence, remedy, disables=True)


def _afxdp(port: PortState) -> Iterator[Finding]:
    """AF_XDP ports are set up like Linux devices, qdisc included (NETDEV_AFXDP_CLASS), but traffic bypasses it (Linux, net/xdp/xsk.c)."""
    for interface in port.interfaces:
        if interface.is_afxdp and port.installs_qdisc:
            evidence = f"traffic that {interface.name} (type {interface.type}) sends through its XDP socket bypasses the qdisc that ovs-vswitchd installs"
            yield Finding(port.name, ERROR, "QoS has no effect on ports of AF_XDP", evidence, remedies.clear(port), disables=True)


def _internal(port: PortState) -> Iterator[Finding]:
    """The qdisc of an internal port queues what the host sends through it into the switch (Linux, net/openvswitch/vport-internal_dev.c)."""
    for interface in port.interfaces:
        is_here = port.qdiscs is None or port.datapath_type == "dummy" or interface.name in port.qdiscs
        if interface.type == "internal" and port.installs_qdisc and is_here:
            # The remedy is not 'police set': policing is reversed there too, and has a finding of its own.
            evidence = (
                f"its qdisc limits what this host sends into {port.bridge} through {interface.name}; "
                "policing would limit what the host receives from it"
            )
            yield Finding(port.name, WARNING, "QoS on an internal port limits the other direction", evidence, remedies.clear(port))


def _userspace(port: PortState) -> Iterator[Finding]:
    """There trtcm-policer (netdev-dpdk.c) and DSCP marking (ofproto-dpif-xlate.c) read what set_queue sets, but tc never sees it."""
    if port.datapath_type != "netdev" or not port.installs_qdisc or any(interface.is_afxdp for interface in port.interfaces):
        return
    marking = {number: QueueRow({}, queue.dscp) for number, queue in port.queues.items() if number and queue.dscp is not None}
    if any(number and marking.get(number) != queue for number, queue in port.queues.items()):
        marks = f"{'; its dscp is still marked' if marking else ''}"
        evidence = (
            f"{port.bridge} uses the userspace datapath (netdev), where set_queue cannot select a class of {port.type}: all traffic goes through "
            f"queue 0{marks}; the kernel datapath (datapath_type=system) supports queues; the command below keeps only queue 0"
        )
        # The remedy does not change the datapath, which would take down all ports of the bridge, and those of DPDK for good.
        kept = {number: queue for number, queue in port.queues.items() if not number} | marking
        remedy = remedies.whole(port._replace(queues=kept))
        yield Finding(port.name, ERROR, "queues cannot be selected on the userspace datapath", evidence, remedy)


def _not_open(port: PortState) -> Iterator[Finding]:
    """Nothing is installed on a device that could not be opened (interface_state.not_open)."""
    for interface in port.interfaces:
        yield from interface_state.not_open(port.name, interface)


def _not_integers(port: PortState) -> Iterator[Finding]:
    """ovs-vswitchd reads whole numbers with smap_get_ullong of lib/smap.c, which treats anything else, and a misspelled key, as absent."""
    kind = port.kind
    of_port = {*kind.keys, *(kind.names[part] for part in kind.port if part in kind.names)}
    of_queues = ((f"queue {number}: ", queue.other_config, kind.queue_keys) for number, queue in port.queues.items())
    for where, config, known in [("", port.other_config, of_port), *of_queues]:
        for key, value in config.items():
            if key not in known and (spelt := qos_types.spelt(key)) in known and spelt not in config:
                evidence = f"{where}{port.type} does not read {quote(key)}; the key is spelled {spelt}"
                yield Finding(port.name, ERROR, "a key that is spelt wrong", evidence, remedies.whole(port))
            elif (key in port_state.NUMBER_KEYS or key in kind.keys) and units.whole_number(value, 0, units.MAX) is None:
                evidence = f"{where}{key} is {quote(value)}, which ovs-vswitchd ignores"
                yield Finding(port.name, ERROR, "value not an integer", evidence, remedies.whole(port))


def _out_of_range(port: PortState) -> Iterator[Finding]:
    """The kernel refuses such values, so no qdisc is installed, or changes them (Linux, sch_sfq.c, sch_fq_codel.c, sch_netem.c)."""
    for key, value in port.other_config.items() if not port.kind.shapes else ():
        known = port.kind.keys.get(key)
        number = units.whole_number(value, 0, units.MAX)
        if known and number and not known.low <= number <= known.high:
            evidence = f"{key} is {number}; the kernel accepts {known.low} to {known.high} {known.unit}"
            yield Finding(port.name, ERROR, "value out of range", evidence, remedies.whole(port))


def _key_too_new(port: PortState) -> Iterator[Finding]:
    """An older version ignores newer keys: nothing looks at the rest of other_config (netdev-linux.c, ..._parse_qdisc_details__)."""
    for key, known in port.kind.keys.items():
        if key in port.other_config and known.since and port.is_older_than(*known.since) and port.version:
            evidence = (
                f"{port.type} supports {key} from Open vSwitch {versions.spelt(known.since)} on, and this is {versions.spelt(port.version)}"
            )
            kept = {other: value for other, value in port.other_config.items() if other != key}
            remedy = remedies.whole(port._replace(other_config=kept))
            yield Finding(port.name, ERROR, "a key that this Open vSwitch does not read", evidence, remedy)


def _queue_too_high(port: PortState) -> Iterator[Finding]:
    """netdev_linux_set_queue refuses numbers from HTB_N_QUEUES and HFSC_N_QUEUES on, 0xf000, since classes of tc have 16 bits."""
    last = port.kind.last_queue
    for number in port.queues:
        if port.has_classes and number > last:
            evidence = f"queue {number}; ovs-vswitchd installs queues up to {last}, because tc has no class number for higher ones"
            yield Finding(port.name, ERROR, "number of a queue too high", evidence, remedies.whole(port))


def _gone(port: PortState) -> Iterator[Finding]:
    """QoS.queues holds strong references (RFC 7047, 3.2), so a conforming server never allows this; without a row no queue is set up."""
    for number, queue in port.queues.items():
        if queue.is_gone:
            evidence = f"queue {number} refers to a Queue row that does not exist"
            yield Finding(port.name, ERROR, "the row of a queue is gone", evidence, remedies.whole(port))


def _no_rate(port: PortState) -> Iterator[Finding]:
    """Bits are divided by 8 to make bytes, so a rate under 8 bit/s becomes 0 (htb_ and hfsc_parse_qdisc_details__, ..._class_details__)."""
    rates = {"max-rate": port.max_rate} if port.has_classes else {}
    for number in port.queues if port.has_classes else ():
        shape = port.shape(number)
        rates |= {f"queue {number}: min-rate": shape.min_rate, f"queue {number}: max-rate": shape.max_rate}
    for what, rate in rates.items():
        if rate and rate < 8:
            evidence = f"{what} is {rate} bit/s, less than one byte per second, which ovs-vswitchd treats as no rate"
            kept = {key: value for key, value in port.other_config.items() if key != "max-rate" or what != "max-rate"}
            yield Finding(port.name, ERROR, "a rate that is none", evidence, remedies.whole(port._replace(other_config=kept)))


def _small_rate(port: PortState) -> Iterator[Finding]:
    """A queue of HTB gets at least one full-size frame per second (htb_parse_class_details__)."""
    least = port.least_rate
    for number in port.queues if port.type == "linux-htb" else ():
        shape = port.shape(number)
        low = {key: rate for key, rate in (("min", shape.min_rate), ("max", shape.max_rate)) if rate and 8 <= rate < least}
        if low:
            said = " and ".join(f"{key} {units.human_rate(rate)}" for key, rate in low.items())
            evidence = f"queue {number}: {said}; with an MTU of {port.mtu}, linux-htb gives every queue at least {units.human_rate(least)}"
            remedy = remedies.merge(port, "--queue", f"{number}:{','.join(f'{key}={units.spell(least)}' for key in low)}")
            yield Finding(port.name, WARNING, "rate of a queue under the least", evidence, remedy)


def _priority(port: PortState) -> Iterator[Finding]:
    """The kernel has eight priorities and treats higher numbers as the last (Linux, sch_htb.c: TC_HTB_NUMPRIO)."""
    for number in port.queues if port.type == "linux-htb" else ():
        priority, last = port.shape(number).priority, port.kind.last_priority
        if priority is not None and priority > last:
            evidence = f"queue {number}: priority {priority}; the kernel treats priorities above {last} as {last}"
            yield Finding(port.name, WARNING, "priority of a queue too high", evidence, remedies.whole(port))


def _min_above_max(port: PortState) -> Iterator[Finding]:
    """A max below the min is raised to it (htb_ and hfsc_parse_class_details__)."""
    for number in port.queues:
        shape = port.shape(number)
        if shape.min_rate and shape.max_rate and shape.min_rate > shape.max_rate:
            evidence = f"queue {number}: min {units.human_rate(shape.min_rate)}, max {units.human_rate(shape.max_rate)}; the min wins"
            remedy = remedies.merge_queues(port, "min", {number: shape.max_rate})  # this loosens no limit
            yield Finding(port.name, ERROR, "min above max", evidence, remedy)


def _sum_of_mins(port: PortState) -> Iterator[Finding]:
    """A class of HTB may always send at its own rate, whatever its parent has (Linux, sch_htb.c: htb_class_mode).

    So queues that are guaranteed more than the port has exceed its max-rate together; the minimum that every queue gets counts too.
    """
    limit = port.limit
    promised = {number: port.shape(number).min_rate or 0 for number in port.queues}
    total, problem = sum(promised.values()), "sum of min rates above the max rate"
    if limit and total > limit:
        evidence = f"the queues are guaranteed {units.human_rate(total)} in total, and the port has {units.human_rate(limit)}"
        # In proportion, so that no limit is loosened.
        kept = {number: _rounded(limit * rate // total) for number, rate in promised.items() if rate}
        remedy = remedies.merge_queues(port, "min", kept)
        yield Finding(port.name, ERROR, problem, evidence, remedy)
    elif port.type == "linux-htb" and limit and (least := port.least_rate * len(promised)) > limit:
        evidence = f"{units.counted(len(promised), 'queue')} with at least {units.human_rate(port.least_rate)} each, more than the port's {units.human_rate(limit)}"
        yield Finding(port.name, ERROR, problem, evidence, remedies.merge(port, "--max-rate", units.spell(least)))


def _rounded(rate: int) -> int:
    """Rounded down to whole kbit/s if that leaves any; at least one byte."""
    return rate // 1000 * 1000 or max(rate, 8)


def _queue_above_port(port: PortState) -> Iterator[Finding]:
    """A queue's max is limited to that of the port (htb_ and hfsc_parse_class_details__)."""
    limit = port.max_rate
    for number in port.queues:
        most = port.shape(number).max_rate
        if limit and most and most > limit and (port.shape(number).min_rate or 0) <= limit:  # else the sum of min rates is too high as well
            evidence = f"queue {number} has a max of {units.human_rate(most)}, the port {units.human_rate(limit)}; the port's limit wins"
            remedy = remedies.merge_queues(port, "max", {number: limit})
            yield Finding(port.name, WARNING, "queue's max above the port's", evidence, remedy)


def _small_burst(port: PortState) -> Iterator[Finding]:
    """HTB raises a burst that is too small for one frame to the smallest that is not (htb_parse_class_details__).

    The policers of DPDK use it unchanged, and a packet that is larger than the bucket never passes (rte_meter).
    """
    for number in port.queues:
        burst, smallest = port.shape(number).burst, (port.mtu + _ROOM) * 8
        if burst and burst < smallest and not port.kind.is_policer:
            evidence = f"queue {number}: the burst is {burst // 8} bytes, and a frame can have {port.mtu}; ovs-vswitchd uses {smallest // 8} instead"
            remedy = remedies.merge_queues(port, "burst", {number: smallest})
            yield Finding(port.name, WARNING, "burst under the MTU", evidence, remedy)
    if port.kind.is_policer and (burst := port.kind.port_shape(port.other_config).burst):
        if burst < port.mtu * 8 and any(interface.is_dpdk for interface in port.interfaces):
            evidence = f"the burst is {burst // 8} bytes, and a larger packet never passes; packets can have {port.mtu}"
            remedy = remedies.merge(port, "--burst", units.spell(port.mtu * 8))
            yield Finding(port.name, ERROR, "burst under the MTU", evidence, remedy)


def _long_burst(port: PortState) -> Iterator[Finding]:
    """A burst is stored as the time to send it at the queue's min, in the lower 32 bits (tc_calc_buffer, tc_bytes_to_ticks)."""
    for number in port.queues if port.type == "linux-htb" else ():
        shape = port.shape(number)
        rate = max(shape.min_rate or 0, port.least_rate) // 8
        longest = rate * _LONGEST_US // 10**6 // 1000 * 1000 * 8
        if shape.min_rate and shape.burst and shape.burst > longest + 8000 and longest:  # without a min it is the max that matters
            evidence = (
                f"queue {number}: at its min of {units.human_rate(rate * 8)} the burst of {units.human_size(shape.burst)} lasts "
                f"{shape.burst / rate / 8:.0f} s, and tc can hold {_LONGEST_US // 10**6} s; a longer one wraps around"
            )
            remedy = remedies.merge_queues(port, "burst", {number: longest})
            yield Finding(port.name, WARNING, "burst longer than tc can hold", evidence, remedy)


def _too_fast(port: PortState) -> Iterator[Finding]:
    """Rates in bytes per second are truncated to 32 bits: in HTB before 3.2, in HFSC still (struct htb_class, struct hfsc_class)."""
    is_old = port.type == "linux-htb" and port.is_older_than(3, 2)
    rates = {"max-rate": port.max_rate} | {f"queue {number}": port.shape(number).max_rate for number in port.queues}
    above = {what: rate for what, rate in rates.items() if rate and rate > HIGHEST_BPS}
    if above and (is_old or port.type == "linux-hfsc"):
        what, rate = next(iter(above.items()))
        who = f"Open vSwitch {versions.spelt(port.version)}" if is_old and port.version else str(port.type)
        evidence = f"{what} is {units.human_rate(rate)}, and {who} can hold at most {units.human_rate(HIGHEST_BPS)}"
        queues = {int(what.split()[1]): HIGHEST_BPS for what in above if what != "max-rate"}
        of_port = ("--max-rate", units.spell(HIGHEST_BPS)) if "max-rate" in above else ()
        yield Finding(
            port.name, ERROR, "rate above what this Open vSwitch can hold", evidence, remedies.merge_queues(port, "max", queues, *of_port)
        )


def _hfsc_without_max(port: PortState) -> Iterator[Finding]:
    """A queue with no max gets the port's, converted to bits in 32 bits and back to bytes (hfsc_parse_class_details__, up to 4.0)."""
    limit = port.limit
    if port.type != "linux-hfsc" or not limit or not 2**32 <= limit <= HIGHEST_BPS:
        return
    left = limit // 8 * 8 % 2**32 // 8 * 8
    without = [number for number in {**dict.fromkeys([0]), **port.queues} if number not in port.queues or not port.shape(number).max_rate]
    if without:
        names = ", ".join(f"queue {number}" for number in without)
        evidence = f"{names}: with no max, ovs-vswitchd uses the port's {units.human_rate(limit)}, which overflows 32 bits and becomes {units.human_rate(left)}"
        remedy = remedies.merge_queues(port, "max", dict.fromkeys(without, limit))
        yield Finding(port.name, ERROR, "queues of linux-hfsc without a max on a fast port", evidence, remedy)


def _no_queue_0(port: PortState) -> Iterator[Finding]:
    """Where QoS.queues has no 0, ovs-vswitchd sets one up with nothing configured (bridge.c, iface_configure_qos)."""
    if port.queues and 0 not in port.queues and port.has_classes:
        rate = units.human_rate(port.least_rate)
        evidence = (
            f"traffic that no flow puts into a queue goes to queue 0; the one that ovs-vswitchd creates itself has a min rate of {rate}"
        )
        yield Finding(port.name, WARNING, "no queue 0 for unclassified traffic", evidence, remedies.merge(port, "--queue", "0"))


def dscp_of_queue_0(port: PortState) -> Iterator[Finding]:
    """In the kernel datapath queue 0 is priority 1:1, which only traffic after set_queue:0 has (dpif_netlink_queue_to_priority).

    In the userspace datapath it is the initial priority of all traffic (dpif_netdev_queue_to_priority).
    """
    queue = port.queues.get(0)
    if port.datapath_type == "netdev" or queue is None or queue.dscp is None or port.flows_to(0):
        return
    evidence = f"queue 0 has dscp {queue.dscp}, but only traffic that a flow puts into it with set_queue:0 or enqueue is marked"
    remedy = remedies.list_flows(port) if port.is_owned else remedies.steer(port, 0, "ip")
    yield Finding(port.name, WARNING, "dscp of queue 0 marks nothing by itself", evidence, remedy)


def _link_speed(port: PortState) -> Iterator[Finding]:
    """With no max-rate the link speed is the limit, and some devices do not know theirs or make one up (PortState.assumed_bps)."""
    if not port.has_classes or port.other_config.get("max-rate", "0").strip("0"):  # 0 means none
        return
    for interface in port.interfaces:
        if interface.ofport is None or not interface.can_have_qos:
            continue
        remedy = remedies.merge(port, "--max-rate", "1gbit")
        if interface.link_speed is None:
            assumed = units.human_rate(port.assumed_bps(interface)) + (" (100 Mbit/s before 3.1)" if port.version is None else "")
            evidence = f"{interface.name} reports no usable link speed, so ovs-vswitchd assumes {assumed}"
            yield Finding(port.name, WARNING, "link speed unknown and no max-rate", evidence, remedy)
        elif interface.link_speed <= 10**7 and not interface.has_a_line:  # Linux before 6.2, tun.c: tun_default_link_ksettings
            held = units.human_rate(port.assumed_bps(interface))
            evidence = (
                f"{interface.name} reports {units.human_rate(interface.link_speed)}, as taps do whatever their real speed; "
                f"traffic sent to it is limited to {held}"
            )
            yield Finding(port.name, WARNING, "link speed of a tap and no max-rate", evidence, remedy)


def _above_the_link(port: PortState) -> Iterator[Finding]:
    """HTB and HFSC share out the rate that they are given; what the line cannot carry waits in the device, which has a single queue."""
    if not port.max_rate or not any(port.shape(number).min_rate for number in port.queues):
        return
    for interface in port.interfaces:
        if interface.has_a_line and interface.link_speed and port.max_rate > interface.link_speed:
            speed = units.human_rate(interface.link_speed)
            evidence = (
                f"the max-rate is {units.human_rate(port.max_rate)}, and the link of {interface.name} runs at {speed}, "
                "so no queue's min is guaranteed"
            )
            remedy = remedies.merge(port, "--max-rate", units.spell(interface.link_speed))
            yield Finding(port.name, WARNING, "max-rate above the link's speed", evidence, remedy)


def _shared(port: PortState) -> Iterator[Finding]:
    """Each interface gets its own qdisc from the row that its port refers to (bridge.c, iface_configure_qos)."""
    if port.others:
        evidence = f"QoS {port.uuid} is also used by {', '.join(port.others)}; each port gets the full rate, and changing one changes all"
        yield Finding(port.name, WARNING, "QoS row shared by several ports", evidence, remedies.reinstall(port))


def _wrong_way(port: PortState) -> Iterator[Finding]:
    """A limit on sent traffic where nearly all is received; somebody who limits both directions has not confused them."""
    if not port.kind.shapes or any(interface.police_rate or interface.police_packet_rate for interface in port.interfaces):
        return
    if not any(interface.can_have_qos and interface.type != "internal" for interface in port.interfaces):
        return
    received, sent = _traffic(port)
    if interface_state.is_one_sided(received, sent):
        evidence = f"{port.name} has received {units.counted(received, 'byte')} and sent {sent}; QoS limits what is sent, policing what is received"
        # That the limit is wrong is only a guess, so it stays. On the userspace datapath policing would have no effect.
        rate = (port.max_rate or 10**9) // 1000 * 1000 or 1000
        limited = ("ovstool", "police", "set", port.name, "--rate", units.spell(rate))
        remedy = ("ovstool", "stats", port.name, "--rate") if port.datapath_type == "netdev" else limited
        yield Finding(port.name, WARNING, "traffic goes in the other direction than the limit", evidence, (remedy,))


_RULES: tuple[Callable[[PortState], Iterator[Finding]], ...] = (
    _unknown_type, _unsupported, _afxdp, _internal, _userspace, _not_open, _not_integers, _out_of_range, _key_too_new, _queue_too_high, _gone,
    _no_rate, _small_rate, _priority, _min_above_max, _sum_of_mins, _queue_above_port, _small_burst, _long_burst, _too_fast, _hfsc_without_max,
    _no_queue_0, _link_speed, _above_the_link, _shared, _wrong_way,
)  # fmt: skip
