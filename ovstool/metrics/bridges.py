"""What the database says about bridges and the switch: mirrors, bonds, controllers, managers, sFlow, versions."""

from collections.abc import Iterator, Mapping

from ovstool.metrics.database import Database
from ovstool.metrics.reading import Reading
from ovstool.ovsdb.transaction import Row
from ovstool.ovsdb.values import many, mapping, one
from ovstool.switch import lookup

_SFLOW = {
    "ovs_sflow_sampling_packets": ("sampling", 400),  # what ovs-vswitchd uses where nothing is set (ovs-vswitchd.conf.db(5))
    "ovs_sflow_polling_interval_seconds": ("polling", 30),
    "ovs_sflow_header_bytes": ("header", 128),
}


def collect(database: Database, reading: Reading) -> None:
    """Add all of it."""
    for root in database.tables["Open_vSwitch"].rows().values():
        versions = tuple(str(one(root[column]) or "") for column in ("ovs_version", "dpdk_version", "db_version"))
        reading.add("ovs_build_info", versions, 1)
        if root["dpdk_initialized"] is not None:  # this Open vSwitch has the column
            reading.add("ovs_dpdk_initialized", (), int(root["dpdk_initialized"]))
    for row in _sorted(database, "Manager", "target"):
        _add_connected("ovs_manager_connected", (row["target"],), row, reading)
    rows = {table: database.tables[table].rows() for table in ("Controller", "Mirror", "sFlow")}
    for bridge in _sorted(database, "Bridge", "name"):
        reading.add("ovs_bridge_port_count", (bridge["name"], lookup.datapath_type(bridge)), len(many(bridge["ports"])))
        _add_controllers(bridge, rows["Controller"], reading)
        _add_mirrors(bridge, rows["Mirror"], reading)
        _add_sflow(bridge, rows["sFlow"], reading)
    _add_bonds(database, reading)


def _sorted(database: Database, table: str, column: str) -> list[Row]:
    return sorted(database.tables[table].rows().values(), key=lambda row: str(row[column]))


def _inside(row: Row, column: str, rows: Mapping[str, Row], by: str) -> Iterator[Row]:
    yield from sorted((rows[u] for u in many(row[column]) if u in rows), key=lambda found: str(found[by]))


def _add_controllers(bridge: Row, rows: Mapping[str, Row], reading: Reading) -> None:
    for row in _inside(bridge, "controller", rows, "target"):
        labels = (bridge["name"], row["target"])
        _add_connected("ovs_controller_connected", labels, row, reading)
        if role := one(row["role"]):
            reading.add("ovs_controller_info", (*labels, role), 1)


def _add_connected(family: str, labels: tuple[str, ...], row: Row, reading: Reading) -> None:
    """Where ovs-vswitchd listens it does not tell whether anybody is connected, so there is no sample."""
    if (connected := lookup.is_connected(row)) is not None:
        reading.add(family, labels, int(connected))


def _add_mirrors(bridge: Row, rows: Mapping[str, Row], reading: Reading) -> None:
    for row in _inside(bridge, "mirrors", rows, "name"):
        statistics = mapping(row["statistics"])
        for counter in ("tx_packets", "tx_bytes"):
            reading.add(f"ovs_mirror_{counter}_total", (bridge["name"], row["name"]), statistics.get(counter))


def _add_sflow(bridge: Row, rows: Mapping[str, Row], reading: Reading) -> None:
    for row in _inside(bridge, "sflow", rows, "agent"):
        labels = (bridge["name"], one(row["agent"]) or "")
        for family, (column, default) in _SFLOW.items():
            value = one(row[column])
            reading.add(family, labels, default if value is None else value)
        reading.add("ovs_sflow_collectors", labels, len(lookup.collectors(row)))


def _add_bonds(database: Database, reading: Reading) -> None:
    table = database.tables["Interface"]
    current = dict(zip(table.uuids, table.values("lacp_current"), strict=True))
    for labels, u in sorted((labels, u) for u, labels in database.labels.items()):
        if current[u] is not None:
            reading.add("ovs_bond_member_lacp_current", labels[:3], int(current[u]))
