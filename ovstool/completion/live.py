"""Names for Tab from the switch, the inventory and this machine: quickly or not at all, and silently.

Errors are not reported, and nobody is asked for a password or about a host key: a Tab is not a command.
"""

import os
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ovstool.answers import Answer
from ovstool.completion import remembered
from ovstool.errors import OvstoolError
from ovstool.host import Tls
from ovstool.host.deadline import Deadline
from ovstool.reach import Reach
from ovstool.switch import Switch, names

if TYPE_CHECKING:
    from ovstool.host.address import Target
    from ovstool.switch.connections import Connections

_HERE_S = 1.0  # for a switch of this machine
_FAR_S = 3.0  # for one behind SSH
_DEVICES = "/sys/class/net"


def ask(given: dict[str, list[str]], kind: str, *of: str, connections: "Connections | None" = None) -> Sequence[str]:
    """The names of a kind, from the switch that the options in ``given`` refer to; empty if it does not answer in time.

    ``connections`` are kept open for the commands that follow.
    """
    try:
        if kind == "hosts":
            from ovstool.host import inventory

            return inventory.names(_last(given, "--inventory"), Deadline(_HERE_S))
        if kind == "devices":
            return _devices(given, connections)
        return _of_switch(given, _OF_SWITCH[kind], of, connections)
    except (OvstoolError, OSError, ImportError, RuntimeError, ValueError):
        return ()


def _last(given: dict[str, list[str]], option: str) -> str | None:
    return given[option][-1] if option in given else None


def _of_switch(
    given: dict[str, list[str]], find: Callable[..., Sequence[str]], of: Sequence[Any], connections: "Connections | None"
) -> Sequence[str]:
    target = _target(given)
    reach = Reach(
        db=_last(given, "--db") or os.environ.get("OVSTOOL_DB") or None,
        tls=Tls(_last(given, "--private-key"), _last(given, "--certificate"), _last(given, "--ca-cert")),
        timeout_s=_FAR_S if target else _HERE_S,
        wait=False,
        dry_run=True,
        as_ovs=False,
        sudo="--sudo" in given,
        accept_new_host_key=False,
        batch=True,
        connections=connections,
    )
    with reach.switch(Answer.awaited(target)) as switch:
        return find(switch, *of)


def _target(given: dict[str, list[str]]) -> "Target | None":
    """The first host that is named: the names on its neighbours are mostly the same, and one answers faster than many."""
    usual = [os.environ["OVSTOOL_HOST"]] if os.environ.get("OVSTOOL_HOST") else []
    words = given.get("--host", usual)
    if not words:
        return None
    from ovstool.host import inventory

    return inventory.hosts(words, _last(given, "--inventory"), Deadline(_HERE_S))[0]


def _devices(given: dict[str, list[str]], connections: "Connections | None") -> Sequence[str]:
    """The network devices of this machine that are not in the switch yet; empty if the switch is elsewhere."""
    if _target(given):
        return ()
    here = {entry.name for entry in os.scandir(_DEVICES) if entry.is_dir()} - {"lo", "ovs-system", "ovs-netdev"}
    with suppress(OvstoolError):
        return _of_switch(given, _no_ports_yet, (here,), connections)
    return sorted(here)


def _no_ports_yet(switch: Switch, devices: Set[str]) -> Sequence[str]:
    """The devices that are no interfaces yet; most devices of a large switch are ports, so only the others are looked up."""
    return names.without_interfaces(switch, devices - set(_ports(switch, "")))


def _port_names(switch: Switch, begin: str = "") -> Sequence[str]:
    """The names of ports and of bond members; if none of them starts with ``begin``, those of all interfaces."""
    return _ports(switch, begin) or names.interfaces(switch)


def _ports(switch: Switch, begin: str) -> Sequence[str]:
    """The names of ports and of bond members that start with ``begin``."""
    where = f"{switch.host.name} {switch.address}"
    known = remembered.ports(where)
    found, members = names.ports(switch, known)
    if found is not known:
        remembered.keep(where, found)
    return [*found.beginning(begin), *(name for name in members if name.startswith(begin))]


_OF_SWITCH: dict[str, Callable[..., Sequence[str]]] = {
    "bridges": names.bridges,
    "ports": _port_names,
    "queues": names.queues,
    "tables": names.tables,
    "interface types": names.interface_types,
    "datapath types": names.datapath_types,
    "iface-id": names.iface_ids,
    "mac": names.macs,
    "ofports": names.ofports,
}
