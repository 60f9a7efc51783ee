"""ip(8), run among ovs-vswitchd's interfaces."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ovstool.errors import Refused
from ovstool.host.local import last_line
from ovstool.switch import ELSEWHERE, Switch

# Without "exit 1" a missing ip would be taken for a missing sh, by its status.
_GLOBAL = f'enter=; {ELSEWHERE} && enter="nsenter --net=$net --"; $enter ip -o address show scope global || exit 1'


class Link(NamedTuple):
    """An interface, whether it is up, and its addresses, each with the length of its prefix: ``192.0.2.1/24``."""

    name: str
    is_up: bool
    addresses: list[str]


def ip(switch: Switch, *words: str) -> list[dict[str, Any]]:
    """The parsed output of ``ip -j``; empty when it fails. Raises NotFound when it is not installed, TimedOut."""
    done = switch.run([*switch.in_its_network, "ip", "-j", *words])
    try:
        parsed = json.loads(done.stdout) if done.status == 0 else []
    except (ValueError, RecursionError):  # the latter for endless nesting
        return []
    return [item for item in parsed if isinstance(item, dict)] if isinstance(parsed, list) else []


def links(switch: Switch) -> list[Link]:
    """All interfaces. Raises as ``ip``."""
    return [
        Link(str(link.get("ifname", "")), "UP" in _list(link.get("flags")), list(_prefixes(link))) for link in ip(switch, "address", "show")
    ]


def addresses(switch: Switch) -> set[str]:
    """The addresses of all interfaces, as ip writes them. Raises as ``ip``."""
    return {address.partition("/")[0] for link in links(switch) for address in link.addresses}


def global_addresses(switch: Switch) -> list[str]:
    """The addresses by which other hosts reach this one, with one program, as many hosts may be asked. Raises Refused, TimedOut."""
    done = switch.run(["sh", "-c", _GLOBAL, "sh", f"{switch.rundir}/ovs-vswitchd.pid"])
    if done.status:
        raise Refused("ip", last_line(done.stderr) or f"ended with status {done.status}")
    return re.findall(r" inet6? ([0-9a-fA-F:.]+)", done.stdout)


def unanswered(switch: Switch) -> list[tuple[str, str]]:
    """The neighbours, by address and interface, that do not answer who asks for their MAC address (ip-neighbour(8)). Raises as ``ip``."""
    listed = ip(switch, "neighbour", "show", "nud", "failed", "nud", "incomplete")
    return [(str(item.get("dst")), str(item.get("dev"))) for item in listed]


def _prefixes(link: dict[str, Any]) -> Iterator[str]:
    for info in _list(link.get("addr_info")):
        if isinstance(info, dict) and isinstance(info.get("local"), str):
            yield f"{info['local']}/{info.get('prefixlen')}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
