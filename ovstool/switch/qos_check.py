"""Why a QoS that was set may do nothing, or something else than was meant: the known ways to go wrong, each a rule.

What Open vSwitch does with each was read in lib/netdev-linux.c and measured on the kernel datapath; ovs-vswitchd.conf.db(5) has the
configuration. Most of it happens without an error in the database or a line in the log.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ovstool import units
from ovstool.errors import OvstoolError, UsageError, quote
from ovstool.ovsdb.transaction import Query
from ovstool.ovsdb.values import mapping
from ovstool.switch import ERROR, WARNING, Finding, Switch, qos, qos_types, shaping, steer
from ovstool.switch.leads import Lead
from ovstool.switch.shaping import Shaped

HIGHEST_BPS = 2**32 * 8 - 8  # bytes a second in 32 bits: all that tc's older interface holds, and ovs-vswitchd before 3.3

# The problems with which nothing is shaped at all.
WITHOUT_EFFECT = (
    "QoS type not known", "QoS type not supported by this interface", "the interface is not open", "the qdisc is not installed",
    "a foreign qdisc is in the way",
)  # fmt: skip
_UNKNOWN_LINK_BPS = 10**10  # what ovs-vswitchd takes a link of unknown speed for, from 3.1 on; 10 Mbit/s before
_ROOM = 64  # bytes that ovs-vswitchd adds to the MTU for the smallest burst of HTB
_MUCH = 10**6  # bytes; below this nobody can tell a direction
_ONE_SIDED = 20  # times as much in one direction; of TCP the acknowledgements are some 1/45
_DSCPS = (46, 34, 26, 18, 10, *range(1, 10))  # those of RFC 4594 first, as an example of what may be put into a queue
_UPDATED_MS = 5000


def check(switch: Switch, names: Sequence[str]) -> list[Finding]:
    """What is wrong with the QoS of these ports; without names of all, and with rows that no port uses. Raises NotFound."""
    # The database is asked first: an ovs-vswitchd that does not answer takes up all the time that there is.
    rest = [] if names else _orphans(switch)
    wide = _switch_wide(switch)
    found = []
    ports = shaping.gather(switch, names)
    for port in ports:
        if port.type is None:
            switch.notes.append(f"{port.port}: has no QoS")
        else:
            found += findings(switch, port)
    return found + rest + (wide if any(port.type for port in ports) else [])


def findings(switch: Switch, port: Shaped) -> list[Finding]:
    """What is wrong with the QoS of one port."""
    if port.datapath_type == "dummy":
        switch.notes.append(f"{port.port}: the dummy datapath puts no QoS into effect; only the configuration was checked")
    return [finding for rule in _RULES for finding in rule(port)] + _too_fast_for(switch, port)


def _too_fast_for(switch: Switch, port: Shaped) -> list[Finding]:
    """A rate that this ovs-vswitchd cuts to 32 bits of bytes a second."""
    rates = {"max-rate": max_rate(port)} | {f"queue {number}": _shape(port, number).max_rate for number in port.queues}
    above = {what: rate for what, rate in rates.items() if rate and rate > HIGHEST_BPS and port.type in ("linux-htb", "linux-hfsc")}
    if not above or (found := version(switch)) is None or found >= (3, 3):
        return []
    what, rate = next(iter(above.items()))
    evidence = (
        f"{what} is {units.human_rate(rate)}, and Open vSwitch {'.'.join(map(str, found))} holds up to {units.human_rate(HIGHEST_BPS)}"
    )
    changes = [f"--max-rate {units.spell(HIGHEST_BPS)}"] if "max-rate" in above else []
    changes += [f"--queue {what.split()[1]}:max={units.spell(HIGHEST_BPS)}" for what in above if what != "max-rate"]
    return [Finding(port.port, ERROR, "rate above what this Open vSwitch can hold", evidence, _merge(port, *changes))]


def version(switch: Switch) -> tuple[int, ...] | None:
    """The version of ovs-vswitchd; None when it cannot be told."""
    try:
        shown = switch.appctl("version").stdout
    except OvstoolError:
        return None
    found = re.search(r"\(Open vSwitch\) (\d+)\.(\d+)", shown)
    return (int(found[1]), int(found[2])) if found else None


def _unknown_type(port: Shaped) -> Iterator[Finding]:
    if not _kind(port).known:
        evidence = f"the type is {quote(str(port.type))}, which ovs-vswitchd passes over without a word unless it was built with it"
        yield Finding(port.port, ERROR, "QoS type not known", evidence, _command(port))


def _unsupported(port: Shaped) -> Iterator[Finding]:
    """A type that the device cannot have; ovs-vswitchd then does nothing and says nothing."""
    kind = _kind(port)
    problem = "QoS type not supported by this interface"
    for device in port.devices:
        is_dpdk = device.type.startswith("dpdk")
        if not shaping.can_have_qos(device.type):
            yield Finding(port.port, ERROR, problem, f"{device.name} is of type {device.type}, which has no QoS", _clear(port))
        elif kind.known and kind.is_policer != is_dpdk:
            only = "egress-policer and trtcm-policer alone" if is_dpdk else "the linux- types alone"
            rate = max_rate(port) or device.link_speed or 10**9
            remedy = f"ovstool qos set {_q(port.port)} --type {'egress-policer' if is_dpdk else 'linux-htb'} --max-rate {units.spell(rate)}"
            evidence = f"the type is {port.type}, and {device.name} (type {device.type}) has {only}"
            yield Finding(port.port, ERROR, problem, evidence, remedy)


def _internal(port: Shaped) -> Iterator[Finding]:
    """On an internal port the device's transmit side, where the qdisc is, is the host's."""
    for device in port.devices:
        is_here = port.qdiscs is None or port.datapath_type == "dummy" or device.name in port.qdiscs
        if device.type == "internal" and installs_qdisc(port) and is_here:
            # Not 'police set' as the remedy: what policing does there is the other way about too, and has a row of its own.
            evidence = (
                f"its qdisc holds what this host sends into {port.bridge} by {device.name}; what comes out there would be held by policing"
            )
            yield Finding(port.port, WARNING, "QoS on an internal port limits the other direction", evidence, _clear(port))


def _userspace(port: Shaped) -> Iterator[Finding]:
    queues = [number for number in port.queues if number]
    if port.datapath_type == "netdev" and queues and installs_qdisc(port):
        evidence = (
            f"{port.bridge} uses the userspace datapath (netdev), which ignores set_queue: all traffic goes through queue 0; the kernel's "
            "(datapath_type=system) has queues; the remedy leaves queue 0 alone"
        )
        # Not to change the datapath, which takes all ports of the bridge down, and those of DPDK for good.
        alone = replace(port, queues={number: queue for number, queue in port.queues.items() if not number})
        yield Finding(port.port, ERROR, "queues cannot be selected on the userspace datapath", evidence, _command(alone))


def _not_open(port: Shaped) -> Iterator[Finding]:
    for device in port.devices:
        if device.ofport is None:
            evidence = device.error or f"{device.name} has no OpenFlow port number"
            yield Finding(port.port, ERROR, "the interface is not open", evidence, f"ovstool port show {_q(device.name)}")


def _qdisc(port: Shaped) -> Iterator[Finding]:
    """What tc has, against what it should have."""
    if port.qdiscs is None or not installs_qdisc(port) or port.datapath_type == "dummy":
        return
    wanted = str(port.type).removeprefix("linux-")
    for device in port.devices:
        if device.ofport is None or not shaping.can_have_qos(device.type):
            continue
        if device.name not in port.qdiscs:
            evidence = f"tc does not know {device.name} where ovs-vswitchd runs; a device in another network namespace gets no QoS"
            yield Finding(port.port, ERROR, "the qdisc is not installed", evidence, f"ovstool port show {_q(device.name)}")
            continue
        root = next((qdisc for qdisc in port.qdiscs[device.name] if qdisc.is_root), None)
        default = 1 if has_classes(port) else None  # the class of queue 0
        if root and (root.kind, root.handle) == (wanted, "1:") and (default is None or root.default == default):
            continue
        has = (
            f"tc has {_qdisc_words(root.kind, root.handle, root.default)} on {device.name}"
            if root
            else f"tc has no root qdisc on {device.name}"
        )
        evidence = f"{has}, and {port.type} should be {_qdisc_words(wanted, '1:', default)}"
        foreign = root and root.handle != "0:"  # which those have that the kernel adds by itself
        yield Finding(port.port, ERROR, "a foreign qdisc is in the way" if foreign else "the qdisc is not installed", evidence, anew(port))


def _qdisc_words(kind: str, handle: str, default: int | None) -> str:
    return f"{kind} {handle}" + (f" with the default class 1:{default:x}" if default is not None else "")


def _not_integers(port: Shaped) -> Iterator[Finding]:
    """Values that ovs-vswitchd does not read, because they are no whole numbers or their keys are spelt in another way."""
    for where, config in [("", port.other_config), *((f"queue {number}: ", queue.other_config) for number, queue in port.queues.items())]:
        for key, value in config.items():
            if key not in _known_keys(port) and _spelt(key) in _known_keys(port) and _spelt(key) not in config:
                evidence = f"{where}{quote(key)} is a key that {port.type} does not read; {_spelt(key)} is one"
                yield Finding(port.port, ERROR, "a key that is spelt wrong", evidence, _command(port))
            elif (key in _NUMBERS or key in _kind(port).keys) and units.whole_number(value, 0, units.MAX) is None:
                evidence = f"{where}{key} is {quote(value)}, which ovs-vswitchd ignores"
                yield Finding(port.port, ERROR, "value not an integer", evidence, _command(port))


def _queue_too_high(port: Shaped) -> Iterator[Finding]:
    last = _kind(port).last_queue
    for number in port.queues:
        if has_classes(port) and number > last:
            evidence = f"queue {number}, and ovs-vswitchd installs those up to {last}: tc has no number for more"
            yield Finding(port.port, ERROR, "number of a queue too high", evidence, _command(port))


def _gone(port: Shaped) -> Iterator[Finding]:
    for number, queue in port.queues.items():
        if queue.is_gone:
            yield Finding(port.port, ERROR, "the row of a queue is gone", f"queue {number} refers to no row of Queue", _command(port))


def _min_above_max(port: Shaped) -> Iterator[Finding]:
    for number in port.queues:
        shape = _shape(port, number)
        if shape.min_rate and shape.max_rate and shape.min_rate > shape.max_rate:
            evidence = f"queue {number}: min {units.human_rate(shape.min_rate)}, max {units.human_rate(shape.max_rate)}; the min wins"
            remedy = _merge(port, f"--queue {number}:min={units.spell(shape.max_rate)}")  # which no limit is loosened by
            yield Finding(port.port, ERROR, "min above max", evidence, remedy)


def _sum_of_mins(port: Shaped) -> Iterator[Finding]:
    limit = _limit(port)
    promised = {number: _shape(port, number).min_rate or 0 for number in port.queues}
    total = sum(promised.values())
    if limit and total > limit:
        evidence = f"the queues are promised {units.human_rate(total)} of {units.human_rate(limit)}"
        # In proportion, so that no limit is loosened.
        kept = {number: _rounded(limit * rate // total) for number, rate in promised.items() if rate}
        remedy = _merge(port, *(f"--queue {number}:min={units.spell(rate)}" for number, rate in kept.items()))
        yield Finding(port.port, ERROR, "sum of min rates above the max rate", evidence, remedy)


def _rounded(rate: int) -> int:
    """Down to kbit/s, if there are so many."""
    return rate // 1000 * 1000 or max(rate, 1)


def _queue_above_port(port: Shaped) -> Iterator[Finding]:
    limit = max_rate(port)
    for number in port.queues:
        most = _shape(port, number).max_rate
        if limit and most and most > limit and (_shape(port, number).min_rate or 0) <= limit:  # else the sum of the min is above it too
            evidence = f"queue {number} may have {units.human_rate(most)}, the port {units.human_rate(limit)}; the port's wins"
            yield Finding(
                port.port, WARNING, "queue's max above the port's", evidence, _merge(port, f"--queue {number}:max={units.spell(limit)}")
            )


def _small_burst(port: Shaped) -> Iterator[Finding]:
    """HTB takes a burst that is too small for one frame as the smallest one that is not."""
    for number in port.queues:
        burst, smallest = _shape(port, number).burst, (_mtu(port) + _ROOM) * 8
        if burst and burst < smallest and not _kind(port).is_policer:
            evidence = f"queue {number}: {burst // 8} bytes, and a frame has up to {_mtu(port)}; ovs-vswitchd takes {smallest // 8} instead"
            remedy = _merge(port, f"--queue {number}:burst={units.spell(smallest)}")
            yield Finding(port.port, WARNING, "burst under the MTU", evidence, remedy)
    if _kind(port).is_policer and (burst := qos_types.named(str(port.type)).port_shape(port.other_config).burst):
        if burst < _mtu(port) * 8 and any(device.type.startswith("dpdk") for device in port.devices):
            evidence = f"{burst // 8} bytes, and a packet has up to {_mtu(port)}, which never passes"
            yield Finding(port.port, ERROR, "burst under the MTU", evidence, _merge(port, f"--burst {units.spell(_mtu(port) * 8)}"))


def _no_flow(port: Shaped) -> Iterator[Finding]:
    """Queues that nothing leads to: a queue is used by what a flow puts there and by nothing else, but for queue 0."""
    if port.leads is None or not has_classes(port) or port.datapath_type == "netdev":
        return
    unused = [number for number in port.queues if 0 < number <= _kind(port).last_queue and not port.leads_to(number)]
    used = {lead.match for leads in port.anywhere.values() for lead in leads} if unused else set()
    examples = (dscp for dscp in _DSCPS if f"ip,nw_tos={dscp * 4}" not in used)
    for number in unused:
        evidence = f"queue {number}: no flow of {port.bridge} has set_queue:{number} or enqueue for it"
        if port.is_owned:
            evidence += f"; with a controller or fail_mode=secure that is for whoever makes the flows of {port.bridge}"
            remedy = f"ovstool flow list {_q(port.bridge)}"
        else:
            evidence += "; the match of the remedy is an example"
            remedy = f"ovstool qos steer {_q(port.port)} --queue {number} --match ip,ip_dscp={next(examples, 46)}"
        yield Finding(port.port, WARNING, "no flow leads to a queue", evidence, remedy)


def _no_such_queue(port: Shaped) -> Iterator[Finding]:
    if not has_classes(port):
        return
    named = port.leads or []
    for number in sorted({lead.queue for lead in named if 0 < lead.queue <= _kind(port).last_queue} - port.queues.keys()):
        lead = next(lead for lead in named if lead.queue == number)
        evidence = f"flow {shown(lead)} leads to queue {number}, which the port does not have, so to queue 0"
        yield Finding(port.port, WARNING, "a flow leads to a queue that is not there", evidence, _merge(port, f"--queue {number}"))
    ours = [lead for leads in port.anywhere.values() for lead in leads if int(lead.cookie, 16) == steer.cookie(port.port)]
    for number in sorted({lead.queue for lead in ours} - port.queues.keys()):
        lead = next(lead for lead in ours if lead.queue == number)
        evidence = f"'qos steer' put flow {shown(lead)} there, and the port has no queue {number} any more"
        remedy = f"ovstool qos unsteer {_q(port.port)} --queue {number}"
        yield Finding(port.port, WARNING, "a flow leads to a queue that is not there", evidence, remedy)


def _no_queue_0(port: Shaped) -> Iterator[Finding]:
    if port.queues and 0 not in port.queues and has_classes(port):
        evidence = "what no flow puts into a queue goes to queue 0; the one that ovs-vswitchd makes up has a min rate of 12 kbit/s"
        yield Finding(port.port, WARNING, "no queue 0 for unclassified traffic", evidence, _merge(port, "--queue 0"))


def _link_speed(port: Shaped) -> Iterator[Finding]:
    """Without a max-rate the link's speed is the limit, and some devices do not know theirs."""
    if not has_classes(port) or port.other_config.get("max-rate", "0").strip("0"):  # 0 is none
        return
    for device in port.devices:
        if device.link_speed is None and device.ofport is not None and shaping.can_have_qos(device.type):
            evidence = f"{device.name} tells no link speed, so ovs-vswitchd assumes 10 Gbit/s (10 Mbit/s before 3.1)"
            yield Finding(port.port, WARNING, "link speed unknown and no max-rate", evidence, _merge(port, "--max-rate 1gbit"))


def _shared(port: Shaped) -> Iterator[Finding]:
    if port.others:
        evidence = f"QoS {port.uuid} is also used by {', '.join(port.others)}; each has the whole rate, and a change for one is for all"
        yield Finding(port.port, WARNING, "QoS row shared by several ports", evidence, anew(port))


def _wrong_way(port: Shaped) -> Iterator[Finding]:
    """A limit on what is sent, where nearly all is received; who limits both has not confused them."""
    if not _kind(port).shapes or any(device.police_rate or device.police_packet_rate for device in port.devices):
        return
    if not any(shaping.can_have_qos(device.type) and device.type != "internal" for device in port.devices):
        return
    received, sent = sum(device.received for device in port.devices), sum(device.sent for device in port.devices)
    if is_one_sided(received, sent):
        evidence = f"{port.port} has received {received} bytes and sent {sent}; QoS limits what is sent, policing what is received"
        # Whether the limit is wrong is only a guess, so it stays. On the userspace datapath policing would do nothing.
        rate = (max_rate(port) or 10**9) // 1000 * 1000 or 1000
        limited = f"ovstool police set {_q(port.port)} --rate {units.spell(rate)}"
        remedy = f"ovstool stats {_q(port.port)} --rate" if port.datapath_type == "netdev" else limited
        yield Finding(port.port, WARNING, "traffic goes in the other direction than the limit", evidence, remedy)


_RULES: tuple[Callable[[Shaped], Iterator[Finding]], ...] = (
    _unknown_type, _unsupported, _internal, _userspace, _not_open, _qdisc, _not_integers, _queue_too_high, _gone, _min_above_max, _sum_of_mins,
    _queue_above_port, _small_burst, _no_flow, _no_such_queue, _no_queue_0, _link_speed, _shared, _wrong_way,
)  # fmt: skip
_NUMBERS = ("max-rate", "min-rate", "burst", "priority", "cir", "cbs", "eir", "ebs")


def _orphans(switch: Switch) -> list[Finding]:
    found = []
    orphans = qos.orphans(switch)
    for table in ("QoS", "Queue"):
        uuids = [u for of, u in orphans if of == table]
        if uuids:
            more = f" and {len(uuids) - 3} more" if len(uuids) > 3 else ""
            evidence = f"{len(uuids)} of table {table}: {', '.join(uuids[:3])}{more}"
            found.append(Finding(None, WARNING, "rows that nothing refers to", evidence, "ovstool qos gc"))
    return found


def _switch_wide(switch: Switch) -> list[Finding]:
    rows = switch.read(Query("Open_vSwitch", [], ("other_config",)))
    text = mapping(rows[0]["other_config"]).get("stats-update-interval") if rows else None
    if text is None or text == str(_UPDATED_MS):
        return []
    remedy = "ovs-vsctl remove Open_vSwitch . other_config stats-update-interval"
    if interval_ms := units.whole_number(text, _UPDATED_MS, units.MAX):
        evidence = f"counters in the database are up to {interval_ms / 1000:g} s old; 'ovstool stats' has live ones"
    else:
        evidence = f"stats-update-interval is {text!r}, which ovs-vswitchd takes as {_UPDATED_MS} ms"
    return [Finding(None, WARNING, "stats-update-interval is unusual", evidence, remedy)]


def is_one_sided(many: int, few: int) -> bool:
    """Whether of the bytes in two directions nearly all are in the first."""
    return many > _MUCH and many > _ONE_SIDED * few


def anew(port: Shaped) -> str:
    """The command that installs the QoS of a port again as it is, in rows of its own."""
    return f"{_command(port)} --force"


def _command(port: Shaped) -> str:
    """The command that gives a port the QoS that it has, but for what cannot be read."""
    kind = _kind(port)
    new = kind if kind.known else qos_types.named(qos_types.DEFAULT)
    words = ["ovstool", "qos", "set", port.port, "--type", new.name]
    shape = kind.port_shape(_mended(port.other_config))
    if shape.max_rate is None and "max-rate" in port.other_config and "max_rate" in new.port:
        shape = replace(shape, max_rate=_limit(port))  # no number that could be meant; without one there would be no limit
    words += ["--max-rate", units.spell(shape.max_rate)] if shape.max_rate else []
    words += ["--burst", units.spell(shape.burst)] if shape.burst else []
    written = set(kind.names.values()) | {"cir", "cbs", "eir", "ebs"}
    others = {key: value for key, value in port.other_config.items() if _spelt(key) not in written and _is_taken(new, key, value)}
    words += [word for key, value in others.items() for word in ("--other-config", f"{key}={value}")]
    for number, queue in port.queues.items():
        if number > new.last_queue:
            continue
        part = kind.queue_shape(_mended(queue.other_config))
        keys = {"min": part.min_rate, "max": part.max_rate, "burst": part.burst}
        values = [f"{key}={units.spell(value)}" for key, value in keys.items() if value]
        values += [f"priority={part.priority}"] if part.priority is not None else []
        values += [f"dscp={queue.dscp}"] if queue.dscp is not None else []
        words += ["--queue", f"{number}{':' if values else ''}{','.join(values)}"]
    return shlex.join(words)


def _mended(config: dict[str, str]) -> dict[str, str]:
    """The same with the whole numbers and keys that were written in another way, such as 1e6, 250000000.0 or max_rate."""
    spelt = {_spelt(key): value for key, value in config.items()} | config
    return {key: _as_integer(value) if key in _NUMBERS else value for key, value in spelt.items()}


def _spelt(key: str) -> str:
    """A key as Open vSwitch spells those of QoS."""
    return key.strip().lower().replace("_", "-")


def _known_keys(port: Shaped) -> set[str]:
    return {*_kind(port).keys, *_kind(port).names.values()}


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


def _merge(port: Shaped, *options: str) -> str:
    return " ".join(["ovstool qos set", _q(port.port), "--merge", *options])


def _clear(port: Shaped) -> str:
    return f"ovstool qos clear {_q(port.port)}"


def _kind(port: Shaped) -> qos_types.Type:
    return qos_types.named(str(port.type))


def _shape(port: Shaped, queue: int) -> qos_types.Shape:
    return _kind(port).queue_shape(port.queues[queue].other_config)


def max_rate(port: Shaped) -> int | None:
    return _kind(port).port_shape(port.other_config).max_rate


def _limit(port: Shaped) -> int | None:
    """What all queues share, in bit/s."""
    return max_rate(port) or max((device.link_speed or _UNKNOWN_LINK_BPS for device in port.devices), default=None)


def installs_qdisc(port: Shaped) -> bool:
    """Whether the type is one that ovs-vswitchd installs with tc."""
    return _kind(port).known and not _kind(port).is_policer and port.type != "linux-noop"


def has_classes(port: Shaped) -> bool:
    return port.type in ("linux-htb", "linux-hfsc")


def _mtu(port: Shaped) -> int:
    return max((device.mtu for device in port.devices), default=1500)


def shown(lead: Lead) -> str:
    return f"{','.join(filter(None, (f'priority={lead.priority}', lead.match)))} actions={lead.actions}"


def _q(name: str) -> str:
    return shlex.quote(name)
