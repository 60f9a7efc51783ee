"""What the datapath has, whatever the database asks for: Linux traffic control (tc(8)) and ovs-vswitchd's own view (``qos/show``)."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ovstool.errors import Refused, one_line
from ovstool.switch import Switch
from ovstool.switch.iproute import ip

_QDISC = re.compile(
    r"^qdisc (\w+) (\w+:) (?:dev (\S+) )?(root )?(?:.* default (\w+))?.*\n(?: Sent \d+ bytes (\d+) pkt \(dropped (\d+), overlimits (\d+))",
    re.MULTILINE,
)
_CLASS = re.compile(r"class (\w+) 1:([0-9a-f]+) (.*)\n Sent (\d+) bytes (\d+) pkt \(dropped (\d+), overlimits (\d+)")
_RATE = re.compile(r"([0-9.]+)([KMGT]?)bit")
_SCALE = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_POLICE = re.compile(
    r"police 0x\w+ (rate \S+) burst (\S+) [^\n]*?(?:pkts_rate (\d+) pkts_burst (\d+))? action.*?\(dropped (\d+)", re.DOTALL
)
_BYTES = re.compile(r"([0-9.]+)([KM]?)b")
_MARK = "=="
_EACH_FILTER = f'for device; do echo {_MARK}; tc -s filter show dev "$device" parent ffff: 2>/dev/null; done'
_QUEUE = re.compile(r"(?:Default|Queue (\d+)):")
_NUMBER = re.compile(r"  ([\w-]+): (\d+)")


@dataclass(frozen=True)
class Qdisc:
    """A queueing discipline of a device: its kind, such as htb, and what it has sent, dropped and held back, in packets.

    ``default`` is the minor number of the class for what nothing classifies, None where the kind has none.
    """

    kind: str
    handle: str
    is_root: bool
    default: int | None
    packets: int
    dropped: int
    overlimits: int


@dataclass(frozen=True)
class Class:
    """A class of Open vSwitch's HTB or HFSC: rates in bit/s, None where tc tells none; packets that it has sent and dropped."""

    rate: int | None
    ceil: int | None
    packets: int
    dropped: int


@dataclass(frozen=True)
class Policer:
    """The action that polices a device: bit/s and bits, packets/s and packets; None where it does not limit these."""

    rate: int | None
    burst: int | None
    packet_rate: int | None
    packet_burst: int | None
    dropped: int


@dataclass(frozen=True)
class Queue:
    """A queue as ovs-vswitchd has set it up (``qos/show``): bit/s and bits; what the datapath has sent and dropped, in packets."""

    min_rate: int | None
    max_rate: int | None
    burst: int | None
    tx_packets: int | None
    tx_bytes: int | None
    tx_errors: int | None


def qdiscs(switch: Switch, devices: Collection[str]) -> dict[str, list[Qdisc]]:
    """The qdiscs of each device that the kernel has; none for one that it does not know. Raises NotFound without tc, Refused when it fails."""
    one = next(iter(devices)) if len(devices) == 1 else ""
    only = ["dev", one] if one else []
    done = switch.run([*switch.in_its_network, "tc", "-s", "qdisc", "show", *only])
    if done.status and "Cannot find device" not in done.stderr:
        raise Refused("tc", one_line(done.stderr.strip()) or "failed without a word")
    return qdiscs_shown(done.stdout, devices, one)


def qdiscs_shown(text: str, devices: Collection[str], device: str = "") -> dict[str, list[Qdisc]]:
    """Read what ``tc -s qdisc show`` prints, where no device is named of ``device``; its JSON is broken by any HFSC (iproute2 6.1)."""
    found: dict[str, list[Qdisc]] = {}
    for kind, handle, name, root, default, *counted in _QDISC.findall(text):
        where = name or device
        if where in devices:
            found.setdefault(where, []).append(Qdisc(kind, handle, bool(root), int(default, 16) if default else None, *map(int, counted)))
    return found


def classes(switch: Switch, device: str) -> dict[int, Class]:
    """The classes below the root qdisc ``1:`` of a device, by queue: queue N is class N+1 (htb_tc_install of netdev-linux.c)."""
    return classes_shown(switch.run([*switch.in_its_network, "tc", "-s", "class", "show", "dev", device]).stdout)


def classes_shown(text: str) -> dict[int, Class]:
    """Read what ``tc -s class show`` prints."""
    found = {}
    for _, minor, words, _, packets, dropped, _ in _CLASS.findall(text):
        number = int(minor, 16) - 1
        if number != 0xFFFD:  # the class above all queues
            found[number] = Class(_rate(words, "rate|sc"), _rate(words, "ceil|ul"), int(packets), int(dropped))
    return found


def traffic(switch: Switch, devices: Collection[str]) -> dict[str, tuple[int, int]]:
    """The bytes that each device of the kernel has received and sent. Raises NotFound without ip."""
    only = ["dev", next(iter(devices))] if len(devices) == 1 else []
    found = {}
    for link in ip(switch, "-s", "link", "show", *only):
        match link:
            case {"ifname": str(name), "stats64": {"rx": {"bytes": int(received)}, "tx": {"bytes": int(sent)}}} if name in devices:
                found[name] = received, sent
    return found


def queues(switch: Switch, device: str) -> dict[int, Queue] | None:
    """The queues as ovs-vswitchd set them up, by number; None when it has no QoS on this device. Queue 0 is its ``Default``."""
    done = switch.appctl("qos/show", device)
    return queues_shown(done.stdout) if done.status == 0 else None


def queues_shown(text: str) -> dict[int, Queue] | None:
    """Read what ``qos/show`` prints."""
    if not text.startswith("QoS: "):
        return None
    found: dict[int, dict[str, int]] = {}
    current: dict[str, int] = {}
    for line in text.splitlines():
        if head := _QUEUE.fullmatch(line):
            current = found.setdefault(int(head[1] or 0), {})
        elif number := _NUMBER.fullmatch(line):
            current[number[1].replace("-", "_")] = int(number[2])
    names = Queue.__dataclass_fields__
    return {queue: Queue(**{name: numbers.get(name) for name in names}) for queue, numbers in found.items()}


def policers(switch: Switch, devices: Sequence[str]) -> dict[str, list[Policer]]:
    """The policing actions on what each device receives. Raises OvstoolError where tc cannot be run."""
    if not devices:
        return {}
    done = switch.run([*switch.in_its_network, "sh", "-c", _EACH_FILTER, "sh", *devices])
    parts = done.stdout.split(f"{_MARK}\n")[1:]
    return {device: policers_shown(part) for device, part in zip(devices, parts, strict=False)}


def policers_shown(text: str) -> list[Policer]:
    """Read what ``tc -s filter show`` prints; its JSON has no rates (iproute2 6.1)."""
    return [
        Policer(_rate(rate, "rate") or None, _bits(burst) or None, int(pps or 0) or None, int(pburst or 0) or None, int(dropped))
        for rate, burst, pps, pburst, dropped in _POLICE.findall(text)
    ]


def _rate(words: str, name: str) -> int | None:
    found = re.search(rf"\b(?:{name}) (?:m1 \S+ d \S+ m2 )?{_RATE.pattern}", words)
    return round(float(found[1]) * _SCALE[found[2]]) if found else None


def _bits(size: str) -> int:
    """A size as tc prints it, in bytes of which K and M are 1024s."""
    found = _BYTES.fullmatch(size)
    return round(float(found[1]) * {"": 1, "K": 2**10, "M": 2**20}[found[2]]) * 8 if found else 0
