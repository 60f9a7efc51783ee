"""Live rates of ports and of queues compared with what was sent."""

import json

import pytest
from measuring import measured
from traffic import flowing, tcp, udp


@measured
def test_rates_of_a_port_are_those_of_its_traffic(switch, ovstool):
    with flowing(switch.box, udp(1, 2, "10M", payload=1000)):
        rows = [json.loads(line) for line in ovstool("stats eth1 eth2 --rate --interval 1 --count 3 -f json").stdout.splitlines()]
    for port, way in (("eth1", "rx"), ("eth2", "tx")):
        measured = [row for row in rows if row["port"] == port]
        assert len(measured) == 3
        assert sum(row[f"{way}_bps"] for row in measured) / 3 == pytest.approx(10e6 * 1042 / 1000, rel=0.05)
        assert sum(row[f"{way}_pps"] for row in measured) / 3 == pytest.approx(10e6 / 8 / 1000, rel=0.05)


@pytest.mark.parametrize("datapath", ["kernel"], indirect=True)  # elsewhere set_queue has no effect
@measured
def test_rates_of_queues_are_those_of_their_traffic(switch, ovstool):
    assert ovstool("qos set eth2 --max-rate 20mbit --queue 0:max=8mbit --queue 1:max=2mbit").code == 0
    switch.tool("ovs-ofctl", "add-flow", "br0", "in_port=eth3,actions=set_queue:1,normal")
    with flowing(switch.box, tcp(1, 2), tcp(3, 2)):
        rows = [json.loads(line) for line in ovstool("stats eth2 --queues --rate --interval 3 --count 1 -f json").stdout.splitlines()]
    rates = {row["queue"]: row["tx_bps"] for row in rows}
    assert rates[0] == pytest.approx(8e6, rel=0.05)
    assert rates[1] == pytest.approx(2e6, rel=0.05)
