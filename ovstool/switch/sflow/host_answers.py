"""What the switch's host says of agents and collectors, and which of its programs write sFlow rows too.

All of it is one question, as a program that is started there takes longer than anything else that ``sflow enable`` does.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ovstool.errors import NotFound
from ovstool.switch import ELSEWHERE, Switch
from ovstool.switch.sflow.targets import is_ip

NO_DEVICE = "/"  # which is in the name of no interface
_ON_ROUTE = ""
# Arguments: the pid file of ovs-vswitchd, an interface, the programs needed, for each collector =NAME or the words of a route lookup, and
# @ADDRESS for who has that.
# hsflowd rewrites the sFlow rows of all bridges each minute where its configuration has "ovs" (mod_ovs.c); ifreload of ifupdown2 clears
# those of the bridges in /etc/network/interfaces (addons/openvswitch.py).
_QUESTION = f"""
enter= routes=
{ELSEWHERE} && enter="nsenter --net=$net --"
device=$2
for program in $3 ${{enter%% *}}; do command -v "$program" >/dev/null || echo "without $program"; done
shift 3
for host; do
  case $host in @*)
    routes="${{routes}}address show to ${{host#@}}
"
    continue;;
  =*)
    found=$($enter getent ahosts "${{host#=}}")
    host=${{found%% *}}
    echo "name $host"
    case $host in *%*) host="${{host%%%*}} oif ${{host#*%}}";; esac
  esac
  [ "$host" ] && routes="${{routes}}route get $host
"
done
found=$(printf %s "$routes" | $enter ip -force -j -batch -)
printf '%s\\n' "$found"
if [ ! "$device" ]; then
  device=${{found#*'"dev":"'}}
  device=${{device%%'"'*}}
fi
[ "$device" = {NO_DEVICE} ] || $enter ip -j address show dev "$device"
if [ -f /etc/hsflowd.conf ] && grep -Eq '^[^#]*\\bovs[[:space:]]*([{{]|$)' /etc/hsflowd.conf && pidof hsflowd >/dev/null; then
  echo hsflowd
fi
if command -v ifreload >/dev/null; then
  grep -hsE '^[[:space:]]*(iface|ovs[-_](type|extra))[[:space:]]' /etc/network/interfaces /etc/network/interfaces.d/* | head -n 10000
fi
"""


class Route(NamedTuple):
    """The route to an address: the interface that leads there, the address that packets leave with, and the type, such as ``broadcast``.

    ``gateway`` is the router that they are sent to; None: to the address itself.
    """

    device: str
    source: str | None
    type: str
    gateway: str | None = None


class HostAnswers(NamedTuple):
    """``resolved`` has the address of each name, and ``routes`` those of each address; what has none is left out.

    ``addresses`` are those of the interface that ovs-vswitchd takes for an agent's, by the interface's name: of the one asked for, or of
    the one on the first route; nothing where there is no such interface. ``hsflowd`` runs and configures Open vSwitch; ``reloaded`` are
    the bridges whose sFlow ifreload clears, and whether it sets one then.
    """

    resolved: dict[str, str]
    routes: dict[str, Route]
    addresses: dict[str, list[str]]
    hsflowd: bool
    reloaded: dict[str, bool]


NOTHING = HostAnswers({}, {}, {}, False, {})


def ask(switch: Switch, hosts: Sequence[str], device: str | None, address: str | None = None) -> HostAnswers:
    """Ask about collectors, by address or name, and an interface; None for the one on the route to the first of them.

    With ``address`` the interface that has this address is among those of ``addresses``.

    Routes, addresses and names are those of the network that ovs-vswitchd is in. Raises NotFound without the programs needed, TimedOut.
    """
    names = [host for host in hosts if not is_ip(host)]
    lookups = [f"={host}" if host in names else host.replace("%", " oif ") for host in hosts]
    lookups += [f"@{address}"] if address else []
    programs = "ip getent" if names else "ip"
    done = switch.run(["sh", "-c", _QUESTION, "sh", f"{switch.rundir}/ovs-vswitchd.pid", device or _ON_ROUTE, programs, *lookups])
    lines = done.stdout.splitlines()
    for line in lines:
        if line.startswith("without "):
            raise NotFound(line.removeprefix("without "), "not installed")
    found = [line.removeprefix("name ") for line in lines if line.startswith("name ")]
    items = list(_items(lines))
    return HostAnswers(
        {name: address for name, address in zip(names, found, strict=False) if is_ip(address)},
        dict(_routes(items)),
        {item["ifname"]: list(_identifying(item)) for item in items if isinstance(item.get("ifname"), str)},
        "hsflowd" in lines,
        _reloaded(lines),
    )


def _items(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The objects in what ``ip -j`` printed, which is an array in each line."""
    for line in lines:
        if line.startswith("["):
            try:
                parsed = json.loads(line)
            except (ValueError, RecursionError):  # the latter of what is nested without end
                continue
            yield from (item for item in parsed if isinstance(item, dict))


def _routes(items: Iterable[dict[str, Any]]) -> Iterator[tuple[str, Route]]:
    """Each by the address, and by the address with its scope."""
    for item in items:
        address, device, source = str(item.get("dst")), item.get("dev"), item.get("prefsrc")
        if isinstance(device, str) and is_ip(address):
            gateway = item.get("gateway") or _via(item)
            kind = str(item.get("type", "unicast"))
            route = Route(device, source if is_ip(str(source)) else None, kind, gateway if is_ip(str(gateway)) else None)
            yield from ((address, route), (f"{address}%{device}", route))


def _via(item: dict[str, Any]) -> Any:
    """The router where its address is of the other IP version."""
    via = item.get("via")
    return via.get("host") if isinstance(via, dict) else None


def _identifying(link: dict[str, Any]) -> Iterator[str]:
    """The addresses that ovs-vswitchd takes: any but a link-local one of IPv6 (netdev_get_ip_by_name of netdev.c)."""
    listed = link.get("addr_info")
    for info in listed if isinstance(listed, list) else ():
        if isinstance(info, dict) and is_ip(str(info.get("local"))) and not (info.get("family") == "inet6" and info.get("scope") == "link"):
            yield info["local"]


def _reloaded(lines: Iterable[str]) -> dict[str, bool]:
    """The bridges that ifupdown2 configures, and whether it sets sFlow by ``ovs_extra`` (interfaces(5))."""
    found: dict[str, bool] = {}
    name = ""
    for line in lines:
        match line.split():
            case ["iface", named, *_]:
                name = named
            case ["ovs_type" | "ovs-type", "OVSBridge"]:
                found.setdefault(name, False)
            case ["ovs_extra" | "ovs-extra", *words] if "sflow" in " ".join(words).lower():
                found[name] = True
    return found
