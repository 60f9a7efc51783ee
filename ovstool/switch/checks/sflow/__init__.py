"""Do samples arrive? Rules over what is configured and what the host has of it (``rules``), and over datagrams (``datagrams``, ``probe``)."""

import time
from collections.abc import Sequence

from ovstool.errors import NotFound, Refused
from ovstool.switch import Finding, Switch, lookup
from ovstool.switch.checks.sflow import probe, rules, state
from ovstool.switch.checks.sflow.probe import Probes
from ovstool.switch.checks.sflow.state import Export
from ovstool.switch.sflow import owners, second_target

_AGAIN_S = 1  # for what ovs-vswitchd is about to apply


def check(switch: Switch, names: Sequence[str], probes: Probes | None, listen_s: float) -> list[Finding]:
    """What is wrong with the sFlow of these bridges; without names of all that have it. Raises NotFound.

    With ``probes`` it looks at what ovs-vswitchd sends, for up to ``listen_s`` seconds; without, it changes nothing.
    """
    if probes:
        second_target.remove_leftovers(switch)
    every = state.configured(switch)
    exports = _named(switch, names, every)
    if not exports:
        return []
    if not switch.host_is_known:
        switch.notes.append(f"only the rows were checked: {switch.address} reaches the database alone; try: --host HOST")
        return [finding for export in exports for finding in rules.of_row(export)]
    host, found = _found(switch, exports, every)
    if any(finding.may_pass for finding in found):
        time.sleep(_AGAIN_S)
        host, found = _found(switch, exports, every)
    if host.answers:
        cleared = [export.bridge for export in exports if host.answers.reloaded.get(export.bridge) is False]
        switch.notes += owners.warnings({bridge: {} for bridge in cleared}, host.answers)
    silent = {finding.port for finding in found if finding.disables}
    sending = [export for export in exports if export.bridge not in silent]
    if probes:
        return found + _heard(switch, sending, host, probes, listen_s)
    switch.notes.append("datagrams were not looked at: that takes a second target for a few seconds, and nothing is to be changed")
    return found


def _found(switch: Switch, exports: Sequence[Export], every: Sequence[Export]) -> tuple[state.Host, list[Finding]]:
    """What the host has of sFlow, and what is wrong with that."""
    host = state.observed(switch, every)
    return host, [finding for export in exports for finding in rules.findings(export, every, host)]


def _heard(switch: Switch, exports: Sequence[Export], host: state.Host, probes: Probes, listen_s: float) -> list[Finding]:
    """What is wrong with the datagrams; nothing, and a note, where none can be listened to."""
    try:
        return probe.findings(switch, exports, host, probes, listen_s)
    except (NotFound, Refused) as error:
        switch.notes.append(f"{error.what}: {error.why}; so datagrams were not looked at")
        return []


def _named(switch: Switch, names: Sequence[str], every: Sequence[Export]) -> list[Export]:
    wanted = [str(row["name"]) for row in lookup.bridges(switch, names, ())]
    exporting = {export.bridge: export for export in every}
    switch.notes += [f"{name}: has no sFlow" for name in wanted if names and name not in exporting]
    return [exporting[name] for name in wanted if name in exporting]
