"""sFlow: samples of the packets of a bridge, sent to collectors (sFlow version 5; ovs-vswitchd.conf.db(5), table sFlow)."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Literal, NamedTuple

from ovstool.errors import NotFound, UsageError, quote
from ovstool.ovsdb.transaction import Query, Row, Transaction
from ovstool.ovsdb.values import many, mapping, one, to_set
from ovstool.switch import Change, Switch, lookup
from ovstool.switch.sflow import host_answers, owners, reachability, sampling_rate, second_target, targets
from ovstool.switch.sflow.host_answers import HostAnswers
from ovstool.switch.sflow.targets import Collector

AUTO: Literal["auto"] = "auto"
SAMPLING = sampling_rate.UNKNOWN  # ovs-vswitchd's defaults, for columns that are empty
POLLING_S = 30
HEADER = 128
# ovs-vswitchd drops a sample of more than half a datagram of 1400 bytes (sfl_receiver_writeFlowSample of sflow_receiver.c), of which it
# needs 88 itself; and up to 140 more for tunnels that a packet comes and leaves by, and for MPLS (dpif_sflow_received).
MOST_HEADER, SAFE_HEADER = 700 - 88, 700 - 88 - 140
# It samples with a chance in steps of 2^-32 (dpif_sflow_set_options of ofproto-dpif-sflow.c); from here on that is off by more than 1%.
MOST_SAMPLING = 2**32 // 100
MOST_POLLING_S = 2**31 - 1
_COLUMNS = ("_uuid", "agent", "targets", "sampling", "polling", "header", "external_ids")


class SflowSpec(NamedTuple):
    """What is asked of sFlow: one packet in ``sampling``, counters every ``polling_s`` seconds, ``header`` bytes of each packet.

    ``agent`` is an interface or an IP address; None: the interface on the route to the first collector. ``sampling`` may be AUTO, by
    the speed of each bridge's links. ``force``: what would be refused for the agent or the routes is written all the same.
    """

    collectors: tuple[Collector, ...]
    agent: str | None = None
    sampling: int | Literal["auto"] | None = None
    polling_s: int | None = None
    header: int | None = None
    force: bool = False


class ListedSflow(NamedTuple):
    """A row of ``sflow list``: what is in effect, defaults included; ``polling`` in seconds, ``header`` in bytes."""

    bridge: str
    agent: str | None
    targets: list[str]
    sampling: int
    polling: int
    header: int


def list_all(switch: Switch, tidy: bool = True) -> list[ListedSflow]:
    """The bridges that export sFlow, by name; ``tidy`` takes away what a killed check has left."""
    bridges, rows = switch.read_all([Query("Bridge", [["sflow", "!=", ["set", []]]], ("name", "sflow")), Query("sFlow", [], _COLUMNS)])
    if tidy and any(map(second_target.added, rows)):
        second_target.remove_leftovers(switch)
    by_uuid = {one(row["_uuid"]): second_target.configured(row) for row in rows}
    listed = []
    for bridge in sorted(bridges, key=lambda row: row["name"]):
        row = by_uuid.get(one(bridge["sflow"]))
        if row:
            numbers = [
                default if one(row[column]) is None else one(row[column])
                for column, default in (("sampling", SAMPLING), ("polling", POLLING_S), ("header", HEADER))
            ]
            listed.append(ListedSflow(bridge["name"], one(row["agent"]), many(row["targets"]), *numbers))
    return listed


def enable(switch: Switch, bridges: Sequence[str], spec: SflowSpec) -> list[Change]:
    """Export samples of each bridge as asked, and in no other way; all bridges in one transaction.

    What ovs-vswitchd would silently ignore is refused, or noted with ``force``; what else may surprise is noted.
    Raises NotFound, UsageError when no bridge is named and there are several, Refused.
    """
    if not switch.host_is_known and (spec.agent is None or not all(targets.is_ip(collector.host) for collector in spec.collectors)):
        why = "routes, addresses and names of the switch cannot be looked up through its database alone"
        raise UsageError(switch.address, why, "--agent IFACE and the IP addresses of collectors")
    names = bridges or [row["name"] for row in _bridges(switch, bridges)]
    watched = names if spec.sampling != AUTO and sampling_rate.depends_on_traffic(spec.sampling) else ()
    with closing(sampling_rate.Traffic(switch, watched)) as traffic:
        answers = _answers(switch, spec)
        wanted = _wanted(switch, spec, answers)
        sampling = {name: _sampling(switch, name, spec) for name in lookup.unique(names)}
        rows = {name: wanted if n is None else wanted | {"sampling": n} for name, n in sampling.items()}
        enabled = switch.write(lambda txn: _enable(txn, rows))
        for bridge, n, rates in sampling_rate.doubtful(switch, sampling, traffic):
            from ovstool.switch.sflow import sampling_advice  # which most rates do without

            switch.notes += sampling_advice.advice(switch, bridge, n, rates)
    if any(change.change == "unchanged" for change, _ in enabled):  # a row that has changed is a new one, in which nothing was left
        second_target.remove_leftovers(switch)
    switch.notes += owners.warnings({change.object: marks for change, marks in enabled}, answers)
    return [change for change, _ in enabled]


def _answers(switch: Switch, spec: SflowSpec) -> HostAnswers:
    if not switch.host_is_known:
        return host_answers.NOTHING
    scope = spec.collectors[0].host.partition("%")[2]
    device = scope or None if spec.agent is None else host_answers.NO_DEVICE if _address(spec) else spec.agent
    return host_answers.ask(switch, [collector.host for collector in spec.collectors], device, _address(spec))


def _address(spec: SflowSpec) -> str | None:
    """The agent, where that is an address, which ovs-vswitchd takes as it is."""
    return spec.agent if spec.agent is not None and targets.is_ip(spec.agent) else None


def _wanted(switch: Switch, spec: SflowSpec, answers: HostAnswers) -> Row:
    """The columns of the row but for ``sampling``; an empty one has ovs-vswitchd's default."""
    collectors = reachability.resolved(switch, spec.collectors, answers)
    agent = reachability.agent(spec.agent, collectors[0].host, answers)
    for problem in reachability.problems(agent, collectors, answers) if switch.host_is_known else ():
        if not spec.force:
            raise problem
        switch.notes.append(f"{problem.what}: {problem.why}")
    if spec.header is not None and spec.header > SAFE_HEADER:
        why = f"with tunnels or MPLS a sample is up to {MOST_HEADER - SAFE_HEADER} bytes longer, and may be too long to be sent"
        switch.notes.append(f"--header {spec.header}: {why}; {SAFE_HEADER} is safe for all")
    if switch.host_is_known and _address(spec) and not answers.addresses:
        switch.notes.append(f"agent {spec.agent}: no interface of the switch's host has this address; collectors are told it all the same")
    given = {"agent": agent, "polling": spec.polling_s, "header": spec.header}
    row: Row = {"targets": to_set(targets.target(*collector) for collector in collectors)}
    return row | {column: value for column, value in given.items() if value is not None}


def _sampling(switch: Switch, bridge: str, spec: SflowSpec) -> int | None:
    if spec.sampling != AUTO:
        return spec.sampling
    from ovstool.switch.sflow import sampling_advice  # a rate that is given is looked at later, if at all

    return sampling_advice.automatic(switch, bridge)


def disable(switch: Switch, bridges: Sequence[str]) -> list[Change]:
    """Stop exporting samples of each bridge. Raises NotFound, UsageError when no bridge is named and there are several."""
    second_target.remove_leftovers(switch)
    return switch.write(lambda txn: _disable(txn, bridges))


def _enable(txn: Transaction, wanted: Mapping[str, Row]) -> list[tuple[Change, dict[str, str]]]:
    """What is done to each bridge, and the external_ids that are kept of a row that is replaced."""
    changes: list[tuple[Change, dict[str, str]]] = []
    for bridge in _bridges(txn, list(wanted)):
        name = bridge["name"]
        present = list(lookup.by_uuid(txn, "sFlow", many(bridge["sflow"]), _COLUMNS).values())
        _hold(txn, bridge)
        for row in present:  # whose marks a new one takes on
            txn.hold(Query("sFlow", [["_uuid", "==", row["_uuid"]]], _COLUMNS), [row])
        asked = [second_target.configured(row) for row in present]
        if asked and _same(asked[0], wanted[name]):
            changes.append((Change(name, "unchanged"), {}))
            continue
        # A new row each time: an old one that no other bridge uses goes by itself, one that is shared stays as it is.
        new = wanted[name] | ({"external_ids": asked[0]["external_ids"]} if asked else {})
        txn.update("Bridge", one(bridge["_uuid"]), {"sflow": txn.insert("sFlow", new)})
        changes.append((Change(name, "updated" if asked else "created"), mapping(asked[0]["external_ids"]) if asked else {}))
    return changes


def _disable(txn: Transaction, names: Sequence[str]) -> list[Change]:
    changes = []
    for bridge in _bridges(txn, names):
        enabled = bool(many(bridge["sflow"]))
        _hold(txn, bridge)
        if enabled:
            txn.update("Bridge", one(bridge["_uuid"]), {"sflow": to_set([])})
        changes.append(Change(bridge["name"], "deleted" if enabled else "unchanged"))
    return changes


def _bridges(reader: lookup.Reader, names: Sequence[str]) -> list[Row]:
    rows = lookup.bridges(reader, names, ("sflow",))
    if not names and len(rows) != 1:
        if not rows:
            raise NotFound("bridge", "this switch has no bridge", "ovstool bridge add br0")
        raise UsageError(
            "BRIDGE", f"there are {len(rows)} bridges, so name the ones you mean", ", ".join(quote(row["name"]) for row in rows[:5])
        )
    return rows


def _hold(txn: Transaction, bridge: Row) -> None:
    txn.hold(Query("Bridge", [["_uuid", "==", bridge["_uuid"]]], ("sflow",)), [bridge])


def _same(row: Row, wanted: Row) -> bool:
    if set(map(_collector, many(row["targets"]))) != set(map(_collector, many(wanted["targets"]))):
        return False
    return all(one(row[column]) == wanted.get(column) for column in ("agent", "sampling", "polling", "header"))


def _collector(target: str) -> Collector | str:
    """A target of the database, of which there are several spellings."""
    try:
        return targets.parse_collector(target)
    except UsageError:
        return target
