"""ip(8), run among ovs-vswitchd's interfaces."""

import json
from typing import Any

from ovstool.switch import Switch


def ip(switch: Switch, *words: str) -> list[dict[str, Any]]:
    """The parsed output of ``ip -j``; empty when it fails. Raises NotFound when it is not installed, TimedOut."""
    done = switch.run([*switch.in_its_network, "ip", "-j", *words])
    try:
        parsed = json.loads(done.stdout) if done.status == 0 else []
    except (ValueError, RecursionError):  # the latter for endless nesting
        return []
    return [item for item in parsed if isinstance(item, dict)] if isinstance(parsed, list) else []


def addresses(switch: Switch) -> set[str]:
    """The addresses of all interfaces, as ip writes them. Raises as ``ip``."""
    listed = [link.get("addr_info") for link in ip(switch, "address", "show")]
    found = [info.get("local") for each in listed if isinstance(each, list) for info in each if isinstance(info, dict)]
    return {address for address in found if isinstance(address, str)}
