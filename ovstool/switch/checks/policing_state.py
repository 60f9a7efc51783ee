"""What decides whether the policing of an interface takes effect.

``configured`` reads the database alone, which runs no program and imports little; ``observed`` asks tc too.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ovstool import units
from ovstool.errors import OvstoolError
from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, mapping, one
from ovstool.switch import Argv, Switch, lookup, police, versions
from ovstool.switch.checks import interface_state
from ovstool.switch.checks.interface_state import InterfaceState

if TYPE_CHECKING:
    from ovstool.switch.checks.datapath import Policer, Qdisc

_MANY = 20  # interfaces; above this, reading all ports once is cheaper than one query each
_BRIDGES = Query("Bridge", [], ("name", "datapath_type"))
_WITH_QOS = lookup.ports_with_qos(("interfaces",))


class PolicedInterface(NamedTuple):
    """An interface with limits, in the units of their columns (kbit/s and so on; 0: none).

    ``offloads``: flows are offloaded to tc (``hw-offload``). ``qdiscs`` and ``policers`` are None where tc cannot be asked.
    ``is_shaped``: its port has a QoS too. ``tc``: the command that runs tc where the interface is. ``version`` is None if unknown.
    """

    interface: InterfaceState
    bridge: str
    datapath_type: str
    rate_kbps: int
    burst_kbit: int
    rate_kpps: int
    burst_kpkts: int
    is_shaped: bool
    offloads: bool
    version: versions.Version | None
    qdiscs: "list[Qdisc] | None" = None
    policers: "list[Policer] | None" = None
    tc: Sequence[str] = ("tc",)

    @property
    def name(self) -> str:
        return self.interface.name

    @property
    def is_tc(self) -> bool:
        """Whether it is policed by tc."""
        return self.interface.type in ("system", "internal", "tap")

    @property
    def clear_command(self) -> Argv:
        return ("ovstool", "police", "clear", self.name)

    @property
    def set_command(self) -> Argv:
        """The command that sets the present limits."""
        burst = ["--burst", units.spell(self.burst_kbit * 1000)] if self.burst_kbit else []
        rate = ["--rate", units.spell(self.rate_kbps * 1000), *burst] if self.rate_kbps else []
        packet_burst = ["--packet-burst", str(self.burst_kpkts * 1000)] if self.burst_kpkts else []
        packet_rate = ["--packet-rate", str(self.rate_kpps * 1000), *packet_burst] if self.rate_kpps else []
        return ("ovstool", "police", "set", self.name, *rate, *packet_rate)

    def with_rate(self, *options: str) -> Argv:
        """The command that sets the present rate with these options; without any, with the default burst of 'police set'."""
        return ("ovstool", "police", "set", self.name, "--rate", units.spell(self.rate_kbps * 1000), *options)

    def is_older_than(self, major: int, minor: int) -> bool:
        return versions.is_older(self.version, major, minor)


def configured(switch: Switch, names: Sequence[str]) -> list[PolicedInterface]:
    """The interfaces named, or all, that have a limit or part of one, by name, as the database has them. Raises NotFound."""
    limited = _limited(switch, names)
    if not limited:
        return []
    every = not names or len(limited) > _MANY
    with_qos = [_WITH_QOS] if every else [_with_qos(row) for row in limited.values()]
    bridge_rows, root, *answers = switch.read_all([_BRIDGES, versions.QUERY, *with_qos])
    bridges = lookup.bridges_of(switch, list(limited.values()), bridge_rows)
    datapaths = {row["name"]: lookup.datapath_type(row) for row in bridge_rows}
    shaped = {u for rows in answers for row in rows for u in many(row["interfaces"])}
    offloads = any(mapping(row["other_config"]).get("hw-offload") == "true" for row in root)
    found = []
    for _, row in sorted(limited.items()):
        u = one(row["_uuid"])
        bridge = bridges.get(u, "")
        rate, burst, packet_rate, packet_burst = (one(row[column]) or 0 for column in police.COLUMNS)
        limits = (rate, burst, packet_rate, packet_burst)
        around = (u in shaped, offloads, versions.stored(root))
        found.append(PolicedInterface(interface_state.of_row(row), bridge, datapaths.get(bridge, ""), *limits, *around))
    return found


def observed(switch: Switch, names: Sequence[str]) -> list[PolicedInterface]:
    """These interfaces with their state in tc and their byte counters. What cannot be asked is noted. Raises NotFound."""
    from ovstool.switch.checks import datapath

    limited = configured(switch, names)
    if not limited:
        return []
    known = [policed.name for policed in limited]
    traffic = datapath.traffic_known(switch, known)
    qdiscs, policers = _installed(switch, known)
    tc = [*(switch.in_its_network if qdiscs else []), "tc"]
    return [
        policed._replace(
            interface=policed.interface.with_traffic(traffic),
            qdiscs=None if qdiscs is None else qdiscs.get(policed.name, []),
            policers=None if policers is None else policers.get(policed.name, []),
            tc=tc,
        )
        for policed in limited
    ]


def _installed(switch: Switch, names: Sequence[str]) -> "tuple[dict[str, list[Qdisc]] | None, dict[str, list[Policer]] | None]":
    """What tc has installed, by interface; None, and a note, where it cannot be asked."""
    from ovstool.switch.checks import datapath

    try:
        qdiscs = datapath.qdiscs(switch, names)
        return qdiscs, datapath.policers(switch, [name for name in names if name in qdiscs])
    except OvstoolError as error:
        switch.notes.append(f"{error.what}: {error.why}; what tc has installed is not known")
        return None, None


def _limited(switch: Switch, names: Sequence[str]) -> Mapping[str, Row]:
    """By name the rows of the interfaces named, or all, that have a limit or part of one."""
    columns = interface_state.COLUMNS
    if names:
        rows = [row for named in lookup.interfaces(switch, names, columns) for row in named.rows]
    else:
        queries = [Query("Interface", [[column, ">", 0]], columns) for column in police.COLUMNS]
        rows = [row for answer in switch.read_all(queries) for row in answer]
    return {row["name"]: row for row in rows if any(one(row[column]) for column in police.COLUMNS)}


def _with_qos(interface: Row) -> Query:
    return _WITH_QOS._replace(where=[*_WITH_QOS.where, ["interfaces", "includes", interface["_uuid"]]])
