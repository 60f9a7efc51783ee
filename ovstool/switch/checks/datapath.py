"""What the datapath has installed, whatever the database says: Linux traffic control (tc(8)) and ovs-vswitchd's own view (``qos/show``)."""

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from ovstool.errors import Refused, one_line
from ovstool.switch import Switch
from ovstool.switch.iproute import ip

_QDISC = r"qdisc (\w+) (\w+:) (?:dev (\S+) )?(root )?"
_DEFAULT = r"(?:0x)?([0-9a-f]{1,8})\b"
_CLASS = r"class \w+ 1:([0-9a-f]{1,4}) "
_SENT = r" Sent [0-9]+ bytes ([0-9]{1,20}) pkt \(dropped ([0-9]{1,20}), overlimits ([0-9]{1,20})"
_RATE = r"([0-9]{1,20}(?:\.[0-9]{1,20})?)([KMGT]?)bit"
_SCALE = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_POLICE = "police 0x"
_POLICED = r"\w+ (rate \S+) burst (\S+) "
_PACKETS = r"pkts_rate ([0-9]{1,20}) pkts_burst ([0-9]{1,20})"
_DROPPED = r"\(dropped ([0-9]{1,20})"
_BYTES = r"([0-9]{1,20}(?:\.[0-9]{1,20})?)([KM]?)b"
_MARK = "=="
# The name "ingress" finds the filters of ingress and of clsact; "parent ffff:" is not a class of clsact.
_EACH_FILTER = f'for device; do echo {_MARK}; tc -s filter show dev "$device" ingress 2>/dev/null; done'
_QUEUE = r"(?:Default|Queue ([0-9]{1,10})):"
_NUMBER = r"  ([\w-]+): ([0-9]{1,20})"


class Qdisc(NamedTuple):
    """A queueing discipline of a device: its kind, such as htb, and what it has sent, dropped and held back, in packets.

    ``default`` is the minor number of the class for unclassified traffic, None where the kind has none.
    """

    kind: str
    handle: str
    is_root: bool
    default: int | None
    packets: int
    dropped: int
    overlimits: int


class TcClass(NamedTuple):
    """A class of Open vSwitch's HTB or HFSC: rates in bit/s, None where tc prints none; packets sent and dropped."""

    rate: int | None
    ceil: int | None
    packets: int
    dropped: int


class Policer(NamedTuple):
    """The action that polices a device: bit/s and bits, packets/s and packets; None where it does not limit these."""

    rate: int | None
    burst: int | None
    packet_rate: int | None
    packet_burst: int | None
    dropped: int


class DatapathQueue(NamedTuple):
    """A queue as ovs-vswitchd has set it up (``qos/show``): bit/s and bits; what the datapath has sent and dropped, in packets."""

    min_rate: int | None
    max_rate: int | None
    burst: int | None
    tx_packets: int | None
    tx_bytes: int | None
    tx_errors: int | None


def qdiscs(switch: Switch, devices: Collection[str]) -> dict[str, list[Qdisc]]:
    """The qdiscs of each device that the kernel has; unknown devices are left out. Raises NotFound without tc, Refused when it fails."""
    one = next(iter(devices)) if len(devices) == 1 else ""
    only = ["dev", one] if one else []
    done = switch.run([*switch.in_its_network, "tc", "-s", "qdisc", "show", *only])
    if done.status and "Cannot find device" not in done.stderr:
        raise Refused("tc", one_line(done.stderr.strip()) or "failed without an error message")
    return qdiscs_shown(done.stdout, devices, one)


def qdiscs_shown(text: str, devices: Collection[str], device: str = "") -> dict[str, list[Qdisc]]:
    """Read the output of ``tc -s qdisc show``; lines that name no device are about ``device``. Any HFSC breaks its JSON (iproute2 6.1)."""
    found: dict[str, list[Qdisc]] = {}
    for line, counted in _counted(text):
        if head := re.match(_QDISC, line):
            kind, handle, name, root = head.groups()
            where = name or device
            default = re.match(_DEFAULT, line.rpartition(" default ")[2]) if " default " in line else None
            if where in devices:
                found.setdefault(where, []).append(Qdisc(kind, handle, bool(root), int(default[1], 16) if default else None, *counted))
    return found


def _counted(text: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The lines followed by a line of counters, each with the packets sent, dropped and held back."""
    lines = text.split("\n")
    for line, after in pairwise(lines):
        if sent := re.match(_SENT, after):
            yield line, tuple(map(int, sent.groups()))


def classes(switch: Switch, device: str) -> dict[int, TcClass]:
    """The classes below the root qdisc ``1:`` of a device, by queue: queue N is class N+1 (htb_tc_install of netdev-linux.c)."""
    return classes_shown(switch.run([*switch.in_its_network, "tc", "-s", "class", "show", "dev", device]).stdout)


def classes_shown(text: str) -> dict[int, TcClass]:
    """Read the output of ``tc -s class show``."""
    found = {}
    for line, (packets, dropped, _) in _counted(text):
        if head := re.match(_CLASS, line):
            number = int(head[1], 16) - 1
            if number != 0xFFFD:  # the class above all queues
                found[number] = TcClass(_rate(line, "rate|sc"), _rate(line, "ceil|ul"), packets, dropped)
    return found


def traffic_known(switch: Switch, devices: Collection[str]) -> dict[str, tuple[int, int]]:
    """The bytes that each kernel device has received and sent; empty, with a note, where that cannot be read."""
    if not devices:
        return {}
    return switch.attempt("what devices have received and sent just now", traffic, switch, devices) or {}


def traffic(switch: Switch, devices: Collection[str]) -> dict[str, tuple[int, int]]:
    """The bytes that each kernel device has received and sent. Raises NotFound without ip."""
    only = ["dev", next(iter(devices))] if len(devices) == 1 else []
    found = {}
    for link in ip(switch, "-s", "link", "show", *only):
        match link:
            case {"ifname": str(name), "stats64": {"rx": {"bytes": int(received)}, "tx": {"bytes": int(sent)}}} if name in devices:
                found[name] = received, sent
    return found


def queues(switch: Switch, device: str) -> dict[int, DatapathQueue] | None:
    """The queues as ovs-vswitchd set them up, by number; None when it has no QoS on this device. Queue 0 is its ``Default``."""
    done = switch.appctl("qos/show", device)
    return queues_shown(done.stdout) if done.status == 0 else None


def queues_shown(text: str) -> dict[int, DatapathQueue] | None:
    """Read the output of ``qos/show``."""
    if not text.startswith("QoS: "):
        return None
    found: dict[int, dict[str, int]] = {}
    current: dict[str, int] = {}
    for line in text.splitlines():
        if head := re.fullmatch(_QUEUE, line):
            current = found.setdefault(int(head[1] or 0), {})
        elif number := re.fullmatch(_NUMBER, line):
            current[number[1].replace("-", "_")] = int(number[2])
    return {queue: DatapathQueue(**{name: numbers.get(name) for name in DatapathQueue._fields}) for queue, numbers in found.items()}


def policers(switch: Switch, devices: Sequence[str]) -> dict[str, list[Policer]]:
    """The police actions on the traffic that each device receives. Raises OvstoolError where tc cannot be run."""
    if not devices:
        return {}
    done = switch.run([*switch.in_its_network, "sh", "-c", _EACH_FILTER, "sh", *devices])
    parts = done.stdout.split(f"{_MARK}\n")[1:]
    return {device: policers_shown(part) for device, part in zip(devices, parts, strict=False)}


def policers_shown(text: str) -> list[Policer]:
    """Read the output of ``tc -s filter show``; its JSON has no rates (iproute2 6.1)."""
    found = []
    for part in text.split(_POLICE)[1:]:
        head, _, rest = part.partition(" action")
        limits, dropped = re.match(_POLICED, f"{head} "), re.search(_DROPPED, rest)
        if limits and dropped:
            packets = re.search(_PACKETS, head)
            rate, burst = _rate(limits[1], "rate"), _bits(limits[2])
            packet_rate, packet_burst = map(int, packets.groups()) if packets else (0, 0)
            found.append(Policer(rate or None, burst or None, packet_rate or None, packet_burst or None, int(dropped[1])))
    return found


def _rate(words: str, name: str) -> int | None:
    found = re.search(rf"\b(?:{name}) (?:m1 \S+ d \S+ m2 )?{_RATE}", words)
    return round(float(found[1]) * _SCALE[found[2]]) if found else None


def _bits(size: str) -> int:
    """A size as tc prints it, in bytes, where K and M are powers of 1024; returned in bits."""
    found = re.fullmatch(_BYTES, size)
    return round(float(found[1]) * {"": 1, "K": 2**10, "M": 2**20}[found[2]]) * 8 if found else 0
