"""Do samples arrive? Rules over what is configured and what the host has of it (``rules``), over datagrams (``datagrams``, ``probe``) and
over what is heard of their way (``delivery``)."""

import time
from collections.abc import Collection, Sequence

from ovstool.errors import NotFound, Refused, TimedOut, Unreachable, quote_some
from ovstool.switch import WARNING, Finding, Switch, lookup
from ovstool.switch.checks.sflow import delivery, probe, rules, state
from ovstool.switch.checks.sflow.probe import Probes
from ovstool.switch.checks.sflow.state import Export
from ovstool.switch.sflow import owners, second_target

_AGAIN_S = 1  # for what ovs-vswitchd is about to apply


def check(switch: Switch, names: Sequence[str], probes: Probes | None, listen_s: float) -> list[Finding]:
    """What is wrong with the sFlow of these bridges; without names of all that have it. Raises NotFound.

    With ``probes`` it looks at what ovs-vswitchd sends, for up to ``listen_s`` seconds; without, it changes nothing.
    """
    every = state.configured(switch)
    if probes:
        second_target.remove_leftovers(switch)
    exports = _named(switch, names, every)
    found = _checked(switch, exports, probes, listen_s) if exports else []
    if exports and not found:
        collectors = lookup.unique(target for export in exports for target in export.targets)
        switch.notes.append(f"no problem found; delivery to {quote_some(collectors)} is not checked")
    return found


def _checked(switch: Switch, exports: Sequence[Export], probes: Probes | None, listen_s: float) -> list[Finding]:
    if not switch.host_is_known:
        switch.notes.append(f"only the rows were checked: {switch.address} reaches the database alone; try: --host HOST")
        return [finding for export in exports for finding in rules.of_row(export)]
    bridges = {export.bridge for export in exports}
    host, exports, found = _found(switch, bridges)
    if any(finding.may_pass for finding in found):
        time.sleep(min(_AGAIN_S, switch.remaining_s() / 4))
        host, exports, found = _found(switch, bridges)
    if host.is_hidden:
        switch.notes.append(
            "only the rows were checked: only root may look into the network that ovs-vswitchd is in; try: --sudo, or as root"
        )
        return found
    if host.answers:
        cleared = [export.bridge for export in exports if host.answers.reloaded.get(export.bridge) is False]
        switch.notes += owners.warnings({bridge: {} for bridge in cleared}, host.answers)
    silent = {finding.port for finding in found if finding.disables}
    sending = [export for export in exports if export.bridge not in silent]
    if probes:
        return found + _heard(switch, sending, host, probes, listen_s, bool(found))
    switch.notes.append("datagrams not checked: --read-only and --dry-run forbid the temporary second target")
    return found + _delivered(switch, sending, host)


def _found(switch: Switch, bridges: Collection[str]) -> tuple[state.Host, list[Export], list[Finding]]:
    """What the host has of sFlow, the exports of these bridges with what it lacks of them, and what is wrong."""
    every = state.configured(switch)
    host = state.observed(switch, every)
    told = [host.told(export) for export in every]
    exports = [export for export in told if export.bridge in bridges]
    return host, exports, [finding for export in exports for finding in rules.findings(export, told, host)]


def _heard(
    switch: Switch, exports: Sequence[Export], host: state.Host, probes: Probes, listen_s: float, is_answered: bool
) -> list[Finding]:
    """What is wrong with the datagrams; nothing, and a note, where none can be listened to.

    Raises TimedOut, Unreachable where the answer is not known yet (``is_answered``).
    """
    try:
        return probe.findings(switch, exports, host, probes, listen_s)
    except (NotFound, Refused, TimedOut, Unreachable) as error:
        if isinstance(error, TimedOut | Unreachable) and not is_answered:
            raise
        switch.notes.append(f"{error.what}: {error.why}; so datagrams were not checked")
        return _delivered(switch, exports, host)


def _delivered(switch: Switch, exports: Sequence[Export], host: state.Host) -> list[Finding]:
    """What is wrong on the way to the collectors, as far as it shows without datagrams that this check has sent."""
    known = delivery.at_rest(switch, host)
    return [finding for export in exports for finding in delivery.findings(export, host, known)]


def _named(switch: Switch, names: Sequence[str], every: Sequence[Export]) -> list[Export]:
    wanted = [str(row["name"]) for row in lookup.bridges(switch, names, ())]
    exporting = {export.bridge: export for export in every}
    for name in wanted if names else ():
        if name not in exporting:
            enable = ("ovstool", "sflow", "enable", name, "--collector", "HOST")
            switch.found.append(Finding(name, WARNING, "has no sFlow", "", (enable,)))
    return [exporting[name] for name in wanted if name in exporting]
