"""The MTU requested for a port (Interface.mtu_request): which types have none, and whether the device accepted it."""

from ovstool.errors import Refused, UsageError, one_line, quote
from ovstool.ovsdb.transaction import Row
from ovstool.ovsdb.values import many, one
from ovstool.switch import Switch, lookup
from ovstool.switch.accepts import port_types

LEAST, MOST = 68, 65535  # bytes; ovs-vswitchd.conf.db(5)

_WAIT_S = 3.0  # ovs-vswitchd updates a device's MTU in the database milliseconds after cur_cfg


def check_type(name: str, kind: str) -> None:
    """Raise UsageError for interface types on which ovs-vswitchd silently ignores a requested MTU."""
    if kind == "patch":
        raise UsageError(f"port {quote(name)}", "a patch port has no MTU")
    if kind in port_types.TUNNELS:
        raise UsageError(f"port {quote(name)}", f"a tunnel has no MTU of its own ({kind}): that of the device that carries it counts")


def require_taken(switch: Switch, name: str, wanted: int) -> None:
    """Wait until the interfaces of a port have the MTU. Raises Refused when one has not: ovs-vswitchd reports that only in its log.

    An interface for which somebody else has requested another MTU meanwhile is not checked.
    """
    members = many(lookup.ports(switch, [name], ("interfaces",))[0].rows[0]["interfaces"])
    if switch.comes_to("Interface", members, {"mtu": wanted}, _WAIT_S):
        return
    rows = lookup.by_uuid(switch, "Interface", members, ("name", "mtu", "mtu_request")).values()
    refusing = [row for row in rows if one(row["mtu"]) != wanted == one(row["mtu_request"])]
    if refusing:
        told = ", ".join(map(_mtu_it_has, refusing))
        why = f"{told} ({wanted} was requested); see the log of ovs-vswitchd"
        raise Refused("ovs-vswitchd", one_line(why))


def _mtu_it_has(row: Row) -> str:
    mtu = one(row["mtu"])
    return f"{row['name']} has no MTU" if mtu is None else f"{row['name']} stays at MTU {mtu}"
