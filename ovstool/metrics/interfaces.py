"""Interfaces as the database has them: their states, and what they are limited to."""

from itertools import compress

from ovstool.metrics.database import Database
from ovstool.metrics.reading import Reading

_STATES = {"up": 1, "down": 0}
_GAUGES = {
    "ovs_interface_mtu_bytes": "mtu",
    "ovs_interface_link_speed_bps": "link_speed",
    "ovs_interface_link_resets": "link_resets",
}


def collect(database: Database, reading: Reading) -> None:
    """Add the states of interfaces."""
    table = database.tables["Interface"]
    at = {u: place for place, u in enumerate(table.uuids)}
    labels, places = list(database.labels.values()), [at[u] for u in database.labels]
    for family, column in (("ovs_interface_admin_state", "admin_state"), ("ovs_interface_link_state", "link_state")):
        states = table.values(column)
        reading.extend(family, labels, [_STATES.get(states[place], -1) for place in places])
    for family, column in _GAUGES.items():
        values = list(map(table.values(column).__getitem__, places))
        known = [value is not None for value in values]
        reading.extend(family, labels if all(known) else list(compress(labels, known)), list(compress(values, known)))
    errors = table.values("error")
    for each, place in zip(labels, places, strict=True):
        reading.add("ovs_interface_open_error", each, 1 if errors[place] else None)
