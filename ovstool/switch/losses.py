"""What else is lost when a bridge or a port changes: flows, groups and meters of a bridge, and the references of mirrors to a port.

Only ovs-vswitchd holds flows, groups and meters; they are in no database. It deletes all of them when the first primary controller
is added or the last one removed (connmgr_set_controllers of ofproto/connmgr.c), when the fail mode changes without one
(connmgr_set_fail_mode), and when the datapath type changes, for which it recreates the bridge (bridge_delete_ofprotos of
vswitchd/bridge.c), in all versions from 2.13 to 3.7. No other setting of a bridge in ovstool deletes any: not protocols, nor a key of
other_config. What is added between the count and the change is not counted.

A mirror silently loses a port that is deleted, because its references in the database are weak.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ovstool import units
from ovstool.errors import Conflict, NotFound, Refused, Unreachable, one_line, quote
from ovstool.ovsdb.transaction import Query, Row
from ovstool.ovsdb.values import many, one
from ovstool.switch import Switch

MIRRORS = Query("Mirror", [], ("name", "select_all", "select_src_port", "select_dst_port", "output_port", "output_vlan"))

DECISIVE = ("datapath_type", "fail_mode", "controller")  # columns of Bridge that decide whether it keeps its flows

# Other kinds of controllers, which connect to the switch, are not primary by default (get_controller_ofconn_type).
_ACTIVE = ("tcp:", "ssl:", "unix:")

_VERSIONS = "OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15"  # those of ovstool.openflow.client, which has connected by then


class ControlSettings(NamedTuple):
    """What decides whether a bridge keeps its flows, as in the database; datapath type "" is system, ``controllers`` types by target."""

    datapath_type: str
    fail_mode: str | None
    controllers: dict[str, str | None]

    def has_primary(self, rundir: str) -> bool:
        """Whether a primary controller is among those that ovs-vswitchd accepts (bridge_configure_remotes)."""
        return any(
            kind == "primary" if kind else target.startswith(_ACTIVE)
            for target, kind in self.controllers.items()
            if is_heeded(target, rundir)
        )

    @property
    def is_secure(self) -> bool:
        return self.fail_mode == "secure"


class Contents(NamedTuple):
    """How many of each a bridge has; ``steering`` counts the flows of ovstool itself."""

    flows: int
    steering: int
    groups: int
    meters: int

    def __bool__(self) -> bool:
        return bool(self.flows or self.groups or self.meters)

    def __str__(self) -> str:
        contents = ((self.flows, "flow"), (self.groups, "group"), (self.meters, "meter"))
        *most, last = [units.counted(count, what) for count, what in contents if count]
        return f"{', '.join(most)} and {last}" if most else last

    @property
    def is_ours(self) -> bool:
        return self.flows == self.steering and not self.groups and not self.meters


def is_heeded(target: str, rundir: str) -> bool:
    """Whether ovs-vswitchd uses a controller: a socket must be in its run directory, unless started with --no-self-confinement."""
    kind, _, path = target.partition(":")
    return kind not in ("unix", "punix") or "/" not in path or path.startswith(f"{rundir}/")


def _are_flushed(before: ControlSettings, after: ControlSettings, rundir: str) -> bool:
    """Whether this change makes ovs-vswitchd delete flows, groups and meters."""
    had, has = before.has_primary(rundir), after.has_primary(rundir)
    is_remade = (before.datapath_type or "system") != (after.datapath_type or "system")
    return is_remade or had != has or (not has and before.is_secure != after.is_secure)


def contents(switch: Switch, bridge: str, own_flow: bool) -> Contents:
    """The contents of a bridge; ``own_flow``: without the NORMAL flow that ovs-vswitchd adds itself (connmgr_flushed).

    Raises Unreachable, Refused, TimedOut.
    """
    connection = switch.openflow(bridge)
    try:
        groups, meters = connection.groups_and_meters()
    finally:
        connection.close()
    cookies = list(_cookies(switch, bridge, own_flow))
    if not cookies:
        return Contents(0, 0, groups, meters)
    from ovstool.openflow import steering  # rarely needed

    return Contents(len(cookies), sum(cookie & steering.MASK == steering.COOKIE for cookie in cookies), groups, meters)


def _cookies(switch: Switch, bridge: str, own_flow: bool) -> Iterator[int]:
    """The cookie of each flow, which marks the flows of ovstool."""
    from ovstool.openflow.syntax import text

    for row in text.flows(text.lines(_dumped(switch, bridge))):
        if not (own_flow and (row.table, row.priority, row.cookie, row.match, row.actions) == (0, 0, "0x0", "", "NORMAL")):
            yield int(row.cookie, 16)


def _dumped(switch: Switch, bridge: str) -> Iterator[bytes]:
    # Not with ofctl.OfctlBridge: importing it takes longer than all of this.
    words = ["-O", _VERSIONS, "--no-names", "dump-flows", "--", switch.management_socket(bridge)]
    done = yield from switch.stream(["ovs-ofctl", *words])
    if done.status:
        raise Refused("ovs-ofctl", one_line(done.stderr.strip()) or "failed without an error message")


def of_deletion(switch: Switch, bridge: str) -> list[str]:
    """Notes about the flows, groups and meters of a bridge that is to be deleted."""
    try:
        found = contents(switch, bridge, own_flow=True)
    except (Unreachable, Refused, NotFound) as error:
        return [f"{bridge}: its flows, groups and meters are deleted with it; how many is unknown ({error.what}: {error.why})"]
    return [f"{bridge}: ovs-vswitchd deletes its {found} with it{_for_good(switch)}"] if found else []


def of_change(
    switch: Switch, bridge: str, before: ControlSettings, after: ControlSettings, force: bool, flows_follow: bool = False
) -> list[str]:
    """Notes about a change that makes ovs-vswitchd delete the contents of the bridge; ``flows_follow``: its flows are no loss.

    Raises Conflict, except with ``force``, when some of them are not from ovstool.
    """
    if not _are_flushed(before, after, switch.rundir):
        return []
    try:
        found = contents(switch, bridge, not before.is_secure and not before.has_primary(switch.rundir))
    except (Unreachable, Refused, NotFound) as error:
        why = f"ovs-vswitchd deletes its flows, groups and meters with this change; how many is unknown ({error.what}: {error.why})"
        if force:
            return [f"{bridge}: {why}"]
        raise Conflict(f"bridge {quote(bridge)}", why, "--force") from error
    if flows_follow:
        found = found._replace(flows=0, steering=0)
    if not found:
        return []
    ours = f", {found.steering} of them from 'qos steer'" if found.steering else ""
    why = f"ovs-vswitchd deletes its {found} with this change{ours}{_for_good(switch)}"
    if not (force or found.is_ours):
        raise Conflict(f"bridge {quote(bridge)}", why, "--force")
    return [f"{bridge}: {why}"]


def _for_good(switch: Switch) -> str:
    return ", and the undo does not bring them back" if switch.confirm_within_s else ""


def of_mirrors(rows: Sequence[Row], ports: dict[str, str]) -> list[str]:
    """Notes about mirrors that lose these ports (names by UUID); ``rows`` is the answer to MIRRORS.

    Without an output port ovs-vswitchd uses the output VLAN, and without either drops the mirror; one that selects no ports mirrors nothing
    (mirror_configure of vswitchd/bridge.c).
    """
    notes = []
    for row in sorted(rows, key=lambda row: str(row["name"])):
        mirror = f"mirror {quote(str(row['name']))}"
        selected = {*many(row["select_src_port"]), *many(row["select_dst_port"])}
        gone = sorted(quote(ports[u]) for u in selected if u in ports)
        if one(row["output_port"]) in ports:
            vlan = one(row["output_vlan"])
            now = "mirrors nothing" if vlan is None else f"sends to VLAN {vlan}"
            notes.append(f"{mirror} {now} from now on: {quote(ports[one(row['output_port'])])} was its output port")
        elif gone and not row["select_all"]:
            left = "" if selected - ports.keys() else ", and mirrors nothing, as no port is left"
            notes.append(f"{mirror} no longer selects {', '.join(gone)}{left}")
    return notes
