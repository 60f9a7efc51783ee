"""What the database alone tells to be wrong with the QoS of a port: the known ways to go wrong, each a rule.

What Open vSwitch does with each was read in lib/netdev-linux.c, netdev-dpdk.c and vswitchd/bridge.c of 2.13 to 3.7, and measured on the
kernel datapath; ovs-vswitchd.conf.db(5) has the configuration. Most of it happens without an error in the database or a line in the log.
``qos check`` finds these and more (qos_check.py); ``qos set`` and ``qos steer`` note them at once. The file is long because the rules are
many; none knows of another.
"""

import shlex
from collections.abc import Callable, Iterator, Sequence

from ovstool import units
from ovstool.errors import OvstoolError, quote
from ovstool.switch import ERROR, WARNING, Finding, Switch, versions
from ovstool.switch.accepts import qos_types
from ovstool.switch.checks import port_state, shaping_remedies
from ovstool.switch.checks.port_state import Config, Shaped

HIGHEST_BPS = (2**32 - 1) * 8  # bytes a second in 32 bits: all that tc's older interface holds, and HFSC to this day

NOT_OPEN = "the interface is not open"
UNSELECTED = "queues cannot be selected on the userspace datapath"
BYPASSED = "QoS has no effect on ports of AF_XDP"
_ROOM = 64  # bytes that ovs-vswitchd adds to the MTU for the smallest burst of HTB
_LONGEST_US = 2**32 * 64 // 1000  # tc tells times in ticks of 64 ns (/proc/net/psched), in 32 bits, into which ovs-vswitchd cuts them
_MUCH = 10**6  # bytes; below this nobody can tell a direction
_ONE_SIDED = 20  # times as much in one direction; of TCP the acknowledgements are some 1/45


def note(switch: Switch, names: Sequence[str], errors_only: bool = False) -> None:
    """Note what is wrong with the QoS of ports that were just changed, as far as the database tells. It is advice, and never fails."""
    if switch.dry_run:
        return
    try:
        for port in port_state.stored(switch, names):
            if port.type is not None:
                found = [*findings(port), *dscp_of_queue_0(port)]
                found = [finding for finding in found if switch.wait or finding.problem != NOT_OPEN]  # which it may be by and by
                switch.found += [finding for finding in found if finding.severity == ERROR or not errors_only]
    except OvstoolError:
        return


def findings(port: Shaped) -> list[Finding]:
    """What the database tells to be wrong with the QoS of a port."""
    return [finding for rule in _RULES for finding in rule(port)]


def _unknown_type(port: Shaped) -> Iterator[Finding]:
    if not port.kind.known:
        evidence = f"the type is {quote(str(port.type))}, which ovs-vswitchd ignores without an error unless it was built with it"
        yield Finding(port.port, ERROR, "QoS type not known", evidence, shaping_remedies.whole(port))


def _unsupported(port: Shaped) -> Iterator[Finding]:
    """A type that the device cannot have; ovs-vswitchd then does nothing and says nothing."""
    kind = port.kind
    problem = "QoS type not supported by this interface"
    for device in port.devices:
        if not port_state.can_have_qos(device.type):
            yield Finding(
                port.port, ERROR, problem, f"{device.name} is of type {device.type}, which has no QoS", shaping_remedies.clear(port)
            )
        elif kind.known and kind.is_policer != device.is_dpdk:
            only = "egress-policer and trtcm-policer alone" if device.is_dpdk else "the linux- types alone"
            rate = port.max_rate or device.link_speed or 10**9
            kept = f"--type {'egress-policer' if device.is_dpdk else 'linux-htb'} --max-rate {units.spell(rate)}"
            evidence = f"the type is {port.type}, and {device.name} (type {device.type}) has {only}"
            yield Finding(port.port, ERROR, problem, evidence, f"ovstool qos set {shlex.quote(port.port)} {kept}")


def _afxdp(port: Shaped) -> Iterator[Finding]:
    """Their class is that of Linux devices (NETDEV_AFXDP_CLASS), so a qdisc is installed; what is sent passes it by (Linux, net/xdp/xsk.c)."""
    for device in port.devices:
        if device.is_afxdp and port.installs_qdisc:
            evidence = f"what {device.name} (type {device.type}) sends over its XDP socket bypasses the qdisc that ovs-vswitchd installs"
            yield Finding(port.port, ERROR, BYPASSED, evidence, shaping_remedies.clear(port))


def _internal(port: Shaped) -> Iterator[Finding]:
    """On an internal port the device's transmit side, where the qdisc is, is the host's."""
    for device in port.devices:
        is_here = port.qdiscs is None or port.datapath_type == "dummy" or device.name in port.qdiscs
        if device.type == "internal" and port.installs_qdisc and is_here:
            # Not 'police set' as the remedy: what policing does there is the other way about too, and has a row of its own.
            evidence = (
                f"its qdisc limits what this host sends into {port.bridge} by {device.name}; "
                "policing would limit what the host receives there"
            )
            yield Finding(port.port, WARNING, "QoS on an internal port limits the other direction", evidence, shaping_remedies.clear(port))


def _userspace(port: Shaped) -> Iterator[Finding]:
    """set_queue sets a number there that trtcm-policer reads (netdev-dpdk.c), and by which ofproto marks (ofproto-dpif-xlate.c); tc sees none."""
    if port.datapath_type != "netdev" or not port.installs_qdisc or any(device.is_afxdp for device in port.devices):
        return
    marking = {number: Config({}, queue.dscp) for number, queue in port.queues.items() if number and queue.dscp is not None}
    if any(number and marking.get(number) != queue for number, queue in port.queues.items()):
        marks = f"{'; its dscp is marked all the same' if marking else ''}"
        evidence = (
            f"{port.bridge} uses the userspace datapath (netdev), where set_queue selects no class of {port.type}: all traffic goes through "
            f"queue 0{marks}; the kernel datapath (datapath_type=system) has queues; the remedy keeps queue 0 only"
        )
        # Not to change the datapath, which takes all ports of the bridge down, and those of DPDK for good.
        kept = {number: queue for number, queue in port.queues.items() if not number} | marking
        yield Finding(port.port, ERROR, UNSELECTED, evidence, shaping_remedies.whole(port._replace(queues=kept)))


def _not_open(port: Shaped) -> Iterator[Finding]:
    for device in port.devices:
        if device.ofport is None:
            evidence = device.error or f"{device.name} has no OpenFlow port number"
            yield Finding(port.port, ERROR, NOT_OPEN, evidence, f"ovstool port show {shlex.quote(device.name)}")


def _not_integers(port: Shaped) -> Iterator[Finding]:
    """Values that ovs-vswitchd does not read, because they are no whole numbers or their keys are spelt in another way."""
    kind = port.kind
    of_port = {*kind.keys, *(kind.names[part] for part in kind.port if part in kind.names)}
    of_queues = ((f"queue {number}: ", queue.other_config, kind.queue_keys) for number, queue in port.queues.items())
    for where, config, known in [("", port.other_config, of_port), *of_queues]:
        for key, value in config.items():
            if key not in known and (spelt := qos_types.spelt(key)) in known and spelt not in config:
                evidence = f"{where}{quote(key)} is a key that {port.type} does not read; {spelt} is one"
                yield Finding(port.port, ERROR, "a key that is spelt wrong", evidence, shaping_remedies.whole(port))
            elif (key in shaping_remedies.NUMBERS or key in kind.keys) and units.whole_number(value, 0, units.MAX) is None:
                evidence = f"{where}{key} is {quote(value)}, which ovs-vswitchd ignores"
                yield Finding(port.port, ERROR, "value not an integer", evidence, shaping_remedies.whole(port))


def _out_of_range(port: Shaped) -> Iterator[Finding]:
    """Values that the kernel refuses, so that there is no qdisc, or takes for others."""
    for key, value in port.other_config.items() if not port.kind.shapes else ():
        known = port.kind.keys.get(key)
        number = units.whole_number(value, 0, units.MAX)
        if known and number and not known.low <= number <= known.high:
            evidence = f"{key} is {number}, and the kernel takes {known.low} to {known.high} {known.unit}"
            yield Finding(port.port, ERROR, "value out of range", evidence, shaping_remedies.whole(port))


def _key_too_new(port: Shaped) -> Iterator[Finding]:
    for key, known in port.kind.keys.items():
        if key in port.other_config and known.since and port.is_older_than(*known.since) and port.version:
            evidence = (
                f"{port.type} has {key} from {versions.spelt(known.since)} on, and this is Open vSwitch {versions.spelt(port.version)}"
            )
            kept = {other: value for other, value in port.other_config.items() if other != key}
            remedy = shaping_remedies.whole(port._replace(other_config=kept))
            yield Finding(port.port, ERROR, "a key that this Open vSwitch does not read", evidence, remedy)


def _queue_too_high(port: Shaped) -> Iterator[Finding]:
    last = port.kind.last_queue
    for number in port.queues:
        if port.has_classes and number > last:
            evidence = f"queue {number}, and ovs-vswitchd installs those up to {last}: tc has no number for more"
            yield Finding(port.port, ERROR, "number of a queue too high", evidence, shaping_remedies.whole(port))


def _gone(port: Shaped) -> Iterator[Finding]:
    for number, queue in port.queues.items():
        if queue.is_gone:
            evidence = f"queue {number} refers to no row of Queue"
            yield Finding(port.port, ERROR, "the row of a queue is gone", evidence, shaping_remedies.whole(port))


def _no_rate(port: Shaped) -> Iterator[Finding]:
    """Bits are made bytes by a division, so fewer than 8 are none (htb_ and hfsc_parse_qdisc_details__, ..._class_details__)."""
    rates = {"max-rate": port.max_rate} if port.has_classes else {}
    for number in port.queues if port.has_classes else ():
        shape = port.shape(number)
        rates |= {f"queue {number}: min-rate": shape.min_rate, f"queue {number}: max-rate": shape.max_rate}
    for what, rate in rates.items():
        if rate and rate < 8:
            evidence = f"{what} is {rate} bit/s, less than a byte per second, which ovs-vswitchd takes for none"
            kept = {key: value for key, value in port.other_config.items() if key != "max-rate" or what != "max-rate"}
            yield Finding(port.port, ERROR, "a rate that is none", evidence, shaping_remedies.whole(port._replace(other_config=kept)))


def _small_rate(port: Shaped) -> Iterator[Finding]:
    """Queues of HTB have as many bytes a second as a frame may have, at least (htb_parse_class_details__)."""
    least = port.least_rate
    for number in port.queues if port.type == "linux-htb" else ():
        shape = port.shape(number)
        low = {key: rate for key, rate in (("min", shape.min_rate), ("max", shape.max_rate)) if rate and 8 <= rate < least}
        if low:
            said = " and ".join(f"{key} {units.human_rate(rate)}" for key, rate in low.items())
            evidence = f"queue {number}: {said}; with an MTU of {port.mtu} no queue of linux-htb has less than {units.human_rate(least)}"
            remedy = shaping_remedies.merge(port, f"--queue {number}:{','.join(f'{key}={units.spell(least)}' for key in low)}")
            yield Finding(port.port, WARNING, "rate of a queue under the least", evidence, remedy)


def _priority(port: Shaped) -> Iterator[Finding]:
    """The kernel has eight levels and takes all above for the last (Linux, sch_htb.c: TC_HTB_NUMPRIO)."""
    for number in port.queues if port.type == "linux-htb" else ():
        priority, last = port.shape(number).priority, port.kind.last_priority
        if priority is not None and priority > last:
            evidence = f"queue {number}: priority {priority}, and the kernel treats all above {last} as {last}"
            yield Finding(port.port, WARNING, "priority of a queue too high", evidence, shaping_remedies.whole(port))


def _min_above_max(port: Shaped) -> Iterator[Finding]:
    for number in port.queues:
        shape = port.shape(number)
        if shape.min_rate and shape.max_rate and shape.min_rate > shape.max_rate:
            evidence = f"queue {number}: min {units.human_rate(shape.min_rate)}, max {units.human_rate(shape.max_rate)}; the min wins"
            remedy = shaping_remedies.merge(port, f"--queue {number}:min={units.spell(shape.max_rate)}")  # which no limit is loosened by
            yield Finding(port.port, ERROR, "min above max", evidence, remedy)


def _sum_of_mins(port: Shaped) -> Iterator[Finding]:
    limit = port.limit
    promised = {number: port.shape(number).min_rate or 0 for number in port.queues}
    total, problem = sum(promised.values()), "sum of min rates above the max rate"
    if limit and total > limit:
        evidence = f"the queues are promised {units.human_rate(total)} of {units.human_rate(limit)}"
        # In proportion, so that no limit is loosened.
        kept = {number: _rounded(limit * rate // total) for number, rate in promised.items() if rate}
        remedy = shaping_remedies.merge(port, *(f"--queue {number}:min={units.spell(rate)}" for number, rate in kept.items()))
        yield Finding(port.port, ERROR, problem, evidence, remedy)
    elif port.type == "linux-htb" and limit and (least := port.least_rate * len(promised)) > limit:
        # A class of HTB may always send its own rate, whatever the one above it has (Linux, sch_htb.c: htb_class_mode).
        evidence = (
            f"{len(promised)} queues have {units.human_rate(port.least_rate)} each at least, together more than {units.human_rate(limit)}"
        )
        yield Finding(port.port, ERROR, problem, evidence, shaping_remedies.merge(port, f"--max-rate {units.spell(least)}"))


def _rounded(rate: int) -> int:
    """Down to kbit/s, if there are so many; no less than a byte."""
    return rate // 1000 * 1000 or max(rate, 8)


def _queue_above_port(port: Shaped) -> Iterator[Finding]:
    limit = port.max_rate
    for number in port.queues:
        most = port.shape(number).max_rate
        if limit and most and most > limit and (port.shape(number).min_rate or 0) <= limit:  # else the sum of the min is above it too
            evidence = f"queue {number} may have {units.human_rate(most)}, the port {units.human_rate(limit)}; the port's wins"
            remedy = shaping_remedies.merge(port, f"--queue {number}:max={units.spell(limit)}")
            yield Finding(port.port, WARNING, "queue's max above the port's", evidence, remedy)


def _small_burst(port: Shaped) -> Iterator[Finding]:
    """HTB takes a burst that is too small for one frame as the smallest one that is not."""
    for number in port.queues:
        burst, smallest = port.shape(number).burst, (port.mtu + _ROOM) * 8
        if burst and burst < smallest and not port.kind.is_policer:
            evidence = f"queue {number}: {burst // 8} bytes, and a frame has up to {port.mtu}; ovs-vswitchd takes {smallest // 8} instead"
            remedy = shaping_remedies.merge(port, f"--queue {number}:burst={units.spell(smallest)}")
            yield Finding(port.port, WARNING, "burst under the MTU", evidence, remedy)
    if port.kind.is_policer and (burst := port.kind.port_shape(port.other_config).burst):
        if burst < port.mtu * 8 and any(device.is_dpdk for device in port.devices):
            evidence = f"{burst // 8} bytes, and a packet has up to {port.mtu}, which never passes"
            yield Finding(
                port.port, ERROR, "burst under the MTU", evidence, shaping_remedies.merge(port, f"--burst {units.spell(port.mtu * 8)}")
            )


def _long_burst(port: Shaped) -> Iterator[Finding]:
    """A burst becomes the time in which the queue's min sends it, of which the lower 32 bits remain (tc_calc_buffer, tc_bytes_to_ticks)."""
    for number in port.queues if port.type == "linux-htb" else ():
        shape = port.shape(number)
        rate = max(shape.min_rate or 0, port.least_rate) // 8
        longest = rate * _LONGEST_US // 10**6 // 1000 * 1000 * 8
        if shape.min_rate and shape.burst and shape.burst > longest + 8000 and longest:  # without a min it is the max that matters
            evidence = (
                f"queue {number}: at its min of {units.human_rate(rate * 8)} the burst of {units.human_size(shape.burst)} lasts "
                f"{shape.burst / rate / 8:.0f} s, and tc holds {_LONGEST_US // 10**6} s; a longer one wraps around"
            )
            remedy = shaping_remedies.merge(port, f"--queue {number}:burst={units.spell(longest)}")
            yield Finding(port.port, WARNING, "burst longer than tc can hold", evidence, remedy)


def _too_fast(port: Shaped) -> Iterator[Finding]:
    """Bytes a second are cut to 32 bits: those of HTB before 3.2, those of HFSC to this day (struct htb_class, struct hfsc_class)."""
    is_old = port.type == "linux-htb" and port.is_older_than(3, 2)
    rates = {"max-rate": port.max_rate} | {f"queue {number}": port.shape(number).max_rate for number in port.queues}
    above = {what: rate for what, rate in rates.items() if rate and rate > HIGHEST_BPS}
    if above and (is_old or port.type == "linux-hfsc"):
        what, rate = next(iter(above.items()))
        who = f"Open vSwitch {versions.spelt(port.version)}" if is_old and port.version else str(port.type)
        evidence = f"{what} is {units.human_rate(rate)}, and {who} holds up to {units.human_rate(HIGHEST_BPS)}"
        changes = [f"--max-rate {units.spell(HIGHEST_BPS)}"] if "max-rate" in above else []
        changes += [f"--queue {what.split()[1]}:max={units.spell(HIGHEST_BPS)}" for what in above if what != "max-rate"]
        yield Finding(port.port, ERROR, "rate above what this Open vSwitch can hold", evidence, shaping_remedies.merge(port, *changes))


def _hfsc_without_max(port: Shaped) -> Iterator[Finding]:
    """A queue without a max gets the port's, which is made bits in 32 bits and bytes again (hfsc_parse_class_details__, up to 4.0)."""
    limit = port.limit
    if port.type != "linux-hfsc" or not limit or not 2**32 <= limit <= HIGHEST_BPS:
        return
    left = limit // 8 * 8 % 2**32 // 8 * 8
    without = [number for number in {**dict.fromkeys([0]), **port.queues} if number not in port.queues or not port.shape(number).max_rate]
    if without:
        names = ", ".join(f"queue {number}" for number in without)
        evidence = f"{names}: without a max ovs-vswitchd makes {units.human_rate(left)} of the port's {units.human_rate(limit)}, in 32 bits"
        remedy = shaping_remedies.merge(port, *(f"--queue {number}:max={units.spell(limit)}" for number in without))
        yield Finding(port.port, ERROR, "queues of linux-hfsc without a max on a fast port", evidence, remedy)


def _no_queue_0(port: Shaped) -> Iterator[Finding]:
    if port.queues and 0 not in port.queues and port.has_classes:
        rate = units.human_rate(port.least_rate)
        evidence = f"what no flow puts into a queue goes to queue 0; the one that ovs-vswitchd creates by itself has a min rate of {rate}"
        yield Finding(port.port, WARNING, "no queue 0 for unclassified traffic", evidence, shaping_remedies.merge(port, "--queue 0"))


def dscp_of_queue_0(port: Shaped) -> Iterator[Finding]:
    """In the kernel's datapath queue 0 is priority 1:1, which only what set_queue:0 was done to has (dpif_netlink_queue_to_priority).

    In userspace it is the priority that all begins with (dpif_netdev_queue_to_priority).
    """
    queue = port.queues.get(0)
    if port.datapath_type == "netdev" or queue is None or queue.dscp is None or port.leads_to(0):
        return
    evidence = f"queue 0 has dscp {queue.dscp}; of the traffic in it only what a flow put there with set_queue:0 or enqueue is marked"
    steered = f"ovstool qos steer {shlex.quote(port.port)} --queue 0 --match ip"
    remedy = f"ovstool flow list {shlex.quote(port.bridge)}" if port.is_owned else steered
    yield Finding(port.port, WARNING, "dscp of queue 0 marks nothing by itself", evidence, remedy)


def _link_speed(port: Shaped) -> Iterator[Finding]:
    """Without a max-rate the link's speed is the limit, and some devices do not know theirs, or make one up."""
    if not port.has_classes or port.other_config.get("max-rate", "0").strip("0"):  # 0 is none
        return
    for device in port.devices:
        if device.ofport is None or not port_state.can_have_qos(device.type):
            continue
        remedy = shaping_remedies.merge(port, "--max-rate 1gbit")
        if device.link_speed is None:
            assumed = units.human_rate(port.assumed_bps(device)) + (" (100 Mbit/s before 3.1)" if port.version is None else "")
            evidence = f"{device.name} reports no link speed that ovs-vswitchd knows, so it assumes {assumed}"
            yield Finding(port.port, WARNING, "link speed unknown and no max-rate", evidence, remedy)
        elif device.link_speed <= 10**7 and not device.has_a_line:  # Linux before 6.2, tun.c: tun_default_link_ksettings
            held = units.human_rate(port.assumed_bps(device))
            evidence = (
                f"{device.name} reports {units.human_rate(device.link_speed)}, as taps do however fast they are; "
                f"what is sent to it is limited to {held}"
            )
            yield Finding(port.port, WARNING, "link speed of a tap and no max-rate", evidence, remedy)


def _above_the_link(port: Shaped) -> Iterator[Finding]:
    """HTB and HFSC share out what they believe to have; what the line does not take waits in the device, where all queues are one."""
    if not port.max_rate or not any(port.shape(number).min_rate for number in port.queues):
        return
    for device in port.devices:
        if device.has_a_line and device.link_speed and port.max_rate > device.link_speed:
            speed = units.human_rate(device.link_speed)
            evidence = (
                f"the max-rate is {units.human_rate(port.max_rate)} and the link of {device.name} has {speed}, "
                "so no queue's min is guaranteed"
            )
            remedy = shaping_remedies.merge(port, f"--max-rate {units.spell(device.link_speed)}")
            yield Finding(port.port, WARNING, "max-rate above the link's speed", evidence, remedy)


def _shared(port: Shaped) -> Iterator[Finding]:
    if port.others:
        evidence = f"QoS {port.uuid} is also used by {', '.join(port.others)}; each has the whole rate, and a change of one changes all"
        yield Finding(port.port, WARNING, "QoS row shared by several ports", evidence, shaping_remedies.anew(port))


def _wrong_way(port: Shaped) -> Iterator[Finding]:
    """A limit on what is sent, where nearly all is received; who limits both has not confused them."""
    if not port.kind.shapes or any(device.police_rate or device.police_packet_rate for device in port.devices):
        return
    if not any(port_state.can_have_qos(device.type) and device.type != "internal" for device in port.devices):
        return
    received, sent = sum(device.received for device in port.devices), sum(device.sent for device in port.devices)
    if is_one_sided(received, sent):
        evidence = f"{port.port} has received {received} bytes and sent {sent}; QoS limits what is sent, policing what is received"
        # Whether the limit is wrong is only a guess, so it stays. On the userspace datapath policing would do nothing.
        rate = (port.max_rate or 10**9) // 1000 * 1000 or 1000
        limited = f"ovstool police set {shlex.quote(port.port)} --rate {units.spell(rate)}"
        remedy = f"ovstool stats {shlex.quote(port.port)} --rate" if port.datapath_type == "netdev" else limited
        yield Finding(port.port, WARNING, "traffic goes in the other direction than the limit", evidence, remedy)


def is_one_sided(many: int, few: int) -> bool:
    """Whether of the bytes in two directions nearly all are in the first."""
    return many > _MUCH and many > _ONE_SIDED * few


_RULES: tuple[Callable[[Shaped], Iterator[Finding]], ...] = (
    _unknown_type, _unsupported, _afxdp, _internal, _userspace, _not_open, _not_integers, _out_of_range, _key_too_new, _queue_too_high, _gone,
    _no_rate, _small_rate, _priority, _min_above_max, _sum_of_mins, _queue_above_port, _small_burst, _long_burst, _too_fast, _hfsc_without_max,
    _no_queue_0, _link_speed, _above_the_link, _shared, _wrong_way,
)  # fmt: skip
