"""Counters of interfaces."""

from collections.abc import Sequence

from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, mapping
from ovstool.switch import Switch, lookup

COUNTERS = ("rx_packets", "rx_bytes", "rx_dropped", "rx_errors", "tx_packets", "tx_bytes", "tx_dropped", "tx_errors")


def counters(switch: Switch, ports: Sequence[str], bridge: str | None) -> list[tuple[str, dict[str, int]]]:
    """Each interface's name and counters, as ovs-vswitchd last wrote them to Interface.statistics: at most 5 s ago by default.

    ``ports`` empty: all interfaces, of ``bridge`` if one is given. A counter that the device does not have is missing.
    Packets and bytes since the interface was added (ovs-vswitchd.conf.db(5)). Raises NotFound.
    """
    columns = ("name", "statistics")
    if ports:
        rows = [row for named in lookup.interfaces(switch, ports, columns) for row in named.rows]
        if bridge:
            inside = {row["name"] for row in _of_bridge(switch, bridge, ("name",))}
            _require_inside(rows, inside, bridge)
    elif bridge:
        rows = _of_bridge(switch, bridge, columns)
    else:
        rows = sorted(switch.read(Query("Interface", [], columns)), key=lambda row: row["name"])
    return [(row["name"], mapping(row["statistics"])) for row in {row["name"]: row for row in rows}.values()]


def _of_bridge(switch: Switch, bridge: str, columns: tuple[str, ...]) -> list[Row]:
    row = lookup.bridges(switch, [bridge], ("ports",))[0]
    ports = lookup.by_uuid(switch, "Port", many(row["ports"]), ("interfaces",))
    interfaces = lookup.by_uuid(switch, "Interface", [u for port in ports.values() for u in many(port["interfaces"])], columns)
    return sorted(interfaces.values(), key=lambda row: row["name"])


def _require_inside(rows: list[Row], inside: set[str], bridge: str) -> None:
    from ovstool.errors import NotFound, quote

    for row in rows:
        if row["name"] not in inside:
            raise NotFound(f"port {quote(row['name'])}", f"not a port of bridge {quote(bridge)}")
