"""Counters, compared with those of ovs-vsctl; packets are put into the dummy devices."""

import json

FRAME = "ffffffffffff0200000000010800" + "00" * 46
COUNTERS = ["rx_packets", "rx_bytes", "rx_dropped", "rx_errors", "tx_packets", "tx_bytes", "tx_dropped", "tx_errors"]


def receive(switch, port: str, count: int) -> None:
    """Let a port receive frames, and wait until ovs-vswitchd has written that into the database."""
    for _ in range(count):
        switch.tool("ovs-appctl", "-t", str(next(switch.box.directory.glob("ovs-vswitchd.*.ctl"))), "netdev-dummy/receive", port, FRAME)
    condition = {"op": "wait", "timeout": 20000, "table": "Interface", "where": [["name", "==", port]], "columns": ["statistics"],
                 "until": "!=", "rows": [{"statistics": statistics(switch, port)}]}  # fmt: skip
    switch.vsctl("set open_vswitch . other_config:stats-update-interval=5000")
    assert switch.tool("ovsdb-client", "transact", json.dumps(["Open_vSwitch", condition])) == "[{}]"


def statistics(switch, port: str) -> list:
    return next(row["statistics"] for row in switch.rows("Interface", "name", "statistics") if row["name"] == port)


def test_the_same_numbers_as_ovs_vsctl(switch, ovstool):
    receive(switch, "eth1", 3)
    theirs = dict(statistics(switch, "eth1")[1])
    for source in ("", "--source ovsdb", "--source auto"):
        ours = ovstool(f"stats eth1 -f json {source}").json[0]
        assert ours == {"port": "eth1"} | {counter: theirs.get(counter) for counter in COUNTERS}
        assert (ours["rx_packets"], ours["rx_bytes"]) == (3, 180)
        long = ovstool(f"stats eth1 --long -f json {source}").json[0]
        assert {name: value for name, value in long.items() if value is not None and name != "port"} == theirs


def test_get_interface_br0_statistics(switch, ovstool):
    text = switch.vsctl("get Interface br0 statistics")
    theirs = {name: int(value) for name, value in (pair.split("=") for pair in text.strip("{}").split(", "))}
    ours = ovstool("stats br0 --long -f json").json[0]
    assert {name: value for name, value in ours.items() if value is not None and name != "port"} == theirs


def test_which_ports(switch, ovstool):
    switch.vsctl("add-br br1 -- set bridge br1 datapath_type=dummy -- add-bond br1 bond0 eth8 eth9")

    def ports(words: str) -> list[str]:
        return [row["port"] for row in ovstool(f"stats {words} -f json").json]

    assert ports("") == ["br0", "br1", "eth1", "eth2", "eth8", "eth9"]
    assert ports("--bridge br1") == ["br1", "eth8", "eth9"]
    assert ports("eth2 eth1 eth2") == ["eth2", "eth1"]
    assert ports("bond0") == ports("eth8 eth9") == ["eth8", "eth9"]
    assert ports("bond0 --bridge br1 eth8") == ["eth8", "eth9"]


def test_what_a_device_does_not_count_is_null(switch, ovstool):
    row = ovstool("stats eth1 -f json").json[0]
    theirs = dict(statistics(switch, "eth1")[1])
    assert [name for name in COUNTERS if row[name] is None] == [name for name in COUNTERS if name not in theirs] != []
    assert "-" in ovstool("stats eth1").stdout.split()
