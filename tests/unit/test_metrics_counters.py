"""Counters of bridges that have answered over OpenFlow, or have not, with what only the database has."""

import pytest
from test_metrics_database import ETH1, ETH2, M0, M1, ROWS, as_stored, u

from ovstool.errors import OvstoolError, Refused, TimedOut, Unreachable
from ovstool.metrics import counters
from ovstool.metrics.counters import Told
from ovstool.metrics.reading import Reading
from ovstool.openflow.messages import Counted
from ovstool.openflow.statistics import Passed, TableCounted
from ovstool.ovsdb.columns import Table
from ovstool.ovsdb.transaction import Query

OFPORTS = {10: 1, 11: 2, 12: 1, 13: -1}
STATISTICS = {
    10: {"rx_packets": 1, "rx_missed_errors": 4},
    11: {"rx_packets": 2},
    12: {"rx_packets": 3, "tx_errors": 1, "ovs_tx_failure_drops": 9, "rx_q0_good_packets": 5, "bad name": 1, "rx_missed_errors": 2},
    13: {"rx_packets": 4},
}
STORED = as_stored({**ROWS, "Interface": {n: row | {"ofport": OFPORTS.get(n, 5)} for n, row in ROWS["Interface"].items()}})


class Stored:
    """A switch as far as its database goes: the statistics of interfaces."""

    def __init__(self, host_is_known: bool = True):
        self.host_is_known = host_is_known
        self.asked_for: list = []

    def tables(self, columns, where):
        self.asked_for.append(where)
        wanted = [each[2][1] for each in where.get("Interface", [])] or [u(n) for n in STATISTICS]
        rows = {u(n): {"statistics": ["map", [*map(list, of.items())]]} for n, of in STATISTICS.items() if u(n) in wanted}
        return {"Interface": Table.of("Interface", columns["Interface"], rows)}

    def read_all(self, queries: list[Query]):
        """The rows of each type, of the first condition only whether there are counters of missed packets."""
        found = []
        for query in queries:
            kind = next(value for column, _, value in query.where if column == "type")
            rows = [n for n in STATISTICS if ROWS["Interface"][n].get("type", "") == kind]
            if len(query.where) > 1:
                rows = [n for n in rows if STATISTICS[n].get("rx_missed_errors")]
            found.append([{"_uuid": ["uuid", u(n)], "statistics": ["map", [*map(list, STATISTICS[n].items())]]} for n in rows])
        return found


def collected(told: dict, switch=None, stored=STORED) -> dict:
    reading = Reading({})
    try:
        counters.collect(switch or Stored(), stored, told, reading)
    finally:
        collected.last = {name: dict(samples.items()) for name, samples in reading.samples.items()}
    return collected.last


def live(bridge: str) -> Told:
    """What a bridge tells of its interfaces."""
    numbers = {"br0": (1, 2), "br1": (1,)}[bridge]
    return Told([Counted(port, 0, 5, {"rx_packets": 10 * port, "rx_dropped": 1}) for port in (*numbers, 77)])


def test_live_counters():
    """With what only the database has: packets that a device missed, and all that DPDK counts besides."""
    found = collected({"br0": live("br0"), "br1": live("br1")})
    assert found["ovs_interface_rx_packets"] == {M1: 10, M0: 20, ETH1: 10}
    assert found["ovs_interface_rx_dropped"] == {M1: 4, M0: 1, ETH1: 2}  # the larger one
    assert found["ovs_interface_tx_errors"] == {ETH1: 9}
    assert found["ovs_interface_rx_good_packets"] == {(*ETH1, "0"): 5}
    more = {(*M1, "rx_missed_errors"): 4, (*ETH1, "rx_missed_errors"): 2, (*ETH1, "ovs_tx_failure_drops"): 9}
    assert found["ovs_interface_statistic"] == more
    assert found["ovstool_counters_live"] == {("br0",): 1, ("br1",): 1}
    assert found["ovs_bridge_flow_count"] == {("br0", "system"): 0, ("br1", "netdev"): 0}


@pytest.mark.parametrize("error", [Refused("x", "no"), Unreachable("x", "permission denied: y")])
def test_where_openflow_cannot_be_had_the_database_has_counters(error):
    with pytest.raises(
        type(error), match=r"bridge br0: (no|permission denied: y), so the counters of interfaces come from the database, up to 5 s"
    ):
        collected({"br0": Told(error=error), "br1": live("br1")})
    assert collected.last["ovstool_counters_live"] == {("br0",): 0, ("br1",): 1}
    assert collected.last["ovs_interface_rx_packets"] == {M1: 1, M0: 2, ETH1: 10}


@pytest.mark.parametrize("error", [TimedOut("x", "late"), Unreachable("x", "gone")])
def test_where_openflow_only_fails_there_are_none(error):
    """Old ones in between would look like a restart."""
    with pytest.raises(type(error), match=r"bridge br0 and 1 more: (late|gone), so no counters"):
        collected({"br0": Told(error=error), "br1": Told(error=error)})
    assert collected.last == {}
    with pytest.raises(type(error), match="up to 5 s old"):
        collected({"br0": Told(error=error), "br1": live("br1")}, Stored(host_is_known=False))
    assert collected.last["ovs_interface_rx_packets"] == {M1: 1, M0: 2, ETH1: 10}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimedOut("x", "no answer in time"), "bridge br0: no answer in time, so no counters"),
        (Refused("x", "no"), "the database: no answer in time"),
        (None, "the database: no answer in time"),
    ],
)
def test_what_is_told_where_the_database_does_not_answer_either(monkeypatch, error, said):
    """The bridge that has used up the time; without counters of bridges that did answer, as what is only in the database belongs to them."""
    late = Stored()
    monkeypatch.setattr(late, "tables", lambda *_: _raise(TimedOut("the database", "no answer in time")))
    monkeypatch.setattr(late, "read_all", lambda *_: _raise(TimedOut("the database", "no answer in time")))
    with pytest.raises(OvstoolError, match=f"^{said}$"):
        collected({"br0": Told(error=error) if error else live("br0"), "br1": live("br1")}, late)
    assert "ovs_interface_rx_packets" not in collected.last and "ovs_bridge_flow_count" in collected.last


def _raise(error: OvstoolError):
    raise error


def test_of_few_ports_only_their_statistics_are_read():
    switch = Stored()
    few = STORED._replace(labels={u(10): M1, u(13): ETH2}, is_whole=False)
    with pytest.raises(Refused):
        collected({"br0": Told(error=Refused("x", "no")), "br1": Told()}, switch, few)
    assert collected.last["ovs_interface_rx_packets"] == {M1: 1}  # the other has no port number
    assert switch.asked_for == [{"Interface": [["_uuid", "==", ["uuid", u(10)]], ["_uuid", "==", ["uuid", u(13)]]]}]


def test_queues_tables_groups_and_meters():
    queues = [Counted(2, 7, 0, {"tx_packets": 1, "tx_bytes": 2}), Counted(1, 3, 0, {"tx_packets": 4, "tx_bytes": 5, "tx_errors": 6})]
    tables = [TableCounted(0, 2, 9, 8), TableCounted(1, 0, 0, 0), TableCounted(2, 0, 3, 0), TableCounted(9, 1, 0, 0)]
    numbered = {"group": [Passed(7, 1, None), Passed(5, 2, 3)], "meter": [Passed(1, 10, 20, [(3, 4), (5, None)])]}
    found = collected({"br0": Told([], [*queues, Counted(77, 0, 0, {"tx_packets": 1})], tables, numbered)})
    m1, m0 = [(*labels[:3], labels[4]) for labels in (M1, M0)]
    assert found["ovs_queue_tx_packets_total"] == {(*m1, "3"): 4, (*m0, "7"): 1}
    assert found["ovs_queue_tx_bytes_total"] == {(*m1, "3"): 5, (*m0, "7"): 2}
    assert found["ovs_queue_tx_errors_total"] == {(*m1, "3"): 6}
    assert list(found["ovs_queue_tx_packets_total"]) == [(*m1, "3"), (*m0, "7")]
    assert found["ovs_bridge_flow_count"] == {("br0", "system"): 3, ("br1", "netdev"): 0}
    assert found["ovs_openflow_table_flows"] == {("br0", "0"): 2, ("br0", "2"): 0, ("br0", "9"): 1}
    assert found["ovs_openflow_table_lookups_total"] == {("br0", "0"): 9, ("br0", "2"): 3, ("br0", "9"): 0}
    assert found["ovs_openflow_table_matches_total"] == {("br0", "0"): 8, ("br0", "2"): 0, ("br0", "9"): 0}
    assert found["ovs_openflow_groups"] == {("br0",): 2} and found["ovs_openflow_meters"] == {("br0",): 1}
    assert list(found["ovs_openflow_group_packets_total"].items()) == [(("br0", "5"), 2), (("br0", "7"), 1)]
    assert found["ovs_openflow_group_bytes_total"] == {("br0", "5"): 3}
    assert found["ovs_openflow_meter_packets_total"] == {("br0", "1"): 10} and found["ovs_openflow_meter_bytes_total"] == {("br0", "1"): 20}
    assert found["ovs_openflow_meter_band_packets_total"] == {("br0", "1", "0"): 3, ("br0", "1", "1"): 5}
    assert found["ovs_openflow_meter_band_bytes_total"] == {("br0", "1", "0"): 4}


@pytest.mark.parametrize(("count", "shown"), [(1000, 1000), (1001, 0)])
def test_of_very_many_groups_only_the_number_is_told(count, shown):
    found = collected({"br0": Told(numbered={"group": [Passed(number, 1, 1) for number in range(count)]})})
    assert found["ovs_openflow_groups"] == {("br0",): count}
    assert len(found.get("ovs_openflow_group_packets_total", ())) == shown


def test_of_very_many_statistics_the_first_are_told():
    told = Told([Counted(1, 0, 0, {f"s{number}": number for number in range(300)})])
    assert len(collected({"br0": told})["ovs_interface_statistic"]) == 200


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("rx_bytes", ("ovs_interface_rx_bytes", ())),
        ("tx_dropped", ("ovs_interface_tx_dropped_total", ())),
        ("collisions", ("ovs_interface_collisions_total", ())),
        ("rx_crc_err", ("ovs_interface_rx_crc_errors_total", ())),
        ("rx_frame_err", ("ovs_interface_rx_frame_errors_total", ())),
        ("rx_over_err", ("ovs_interface_rx_over_errors_total", ())),
        ("ovs_tx_retries", ("ovs_interface_tx_retries", ())),
        ("tx_q12_guest_notifications", ("ovs_interface_tx_guest_notifications", ("12",))),
        ("rx_q0_multicast_packets", ("ovs_interface_rx_multicast_packets", ("0",))),
        ("rx_q0_bytes", ("ovs_interface_statistic", ("rx_q0_bytes",))),
        ("x" * 100, ("ovs_interface_statistic", ("x" * 100,))),
        ("x" * 101, ("", ())),
        ("a b", ("", ())),
    ],
)
def test_the_family_of_a_statistic(name, place):
    assert counters._place(name) == place
