"""Counters over OpenFlow in each version, compared with what ovs-ofctl prints for the same bridge."""

import ofctl
import pytest
from ovs_version import OVS

from ovstool.switch import Switch

REFUSED = 6
VERSIONS = ["OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"]
FRAME = "ffffffffffff0200000000010800" + "00" * 46
COUNTERS = ["rx_packets", "rx_bytes", "rx_dropped", "rx_errors", "tx_packets", "tx_bytes", "tx_dropped", "tx_errors"]


def receive(switch, port: str) -> None:
    """Make a dummy port receive a frame, which is flooded."""
    control = str(next(switch.box.directory.glob("ovs-vswitchd.*.ctl")))
    switch.tool("ovs-appctl", "-t", control, "netdev-dummy/receive", port, FRAME)


def speak(switch, *versions: str) -> None:
    switch.vsctl(f"set bridge br0 protocols={','.join(versions)}")


def names(switch) -> dict[int, str]:
    """The ports by OpenFlow number."""
    return {row["ofport"]: row["name"] for row in switch.rows("Interface", "name", "ofport")}


def theirs(switch, version: str, bridge: str = "br0") -> dict[str, dict]:
    found = ofctl.port_stats(switch.tool("ovs-ofctl", "-O", version, "dump-ports", bridge))
    named = names(switch)
    return {named[number]: row for number, row in found.items()}


def queues(switch, version: str) -> dict[tuple[str, int], dict]:
    found = ofctl.queue_stats(switch.tool("ovs-ofctl", "-O", version, "queue-stats", "br0"))
    named = names(switch)
    return {(named[number], queue): row for (number, queue), row in found.items()}


def long_rows(rows: list[dict]) -> dict[str, dict]:
    """The rows of ``stats --long`` by port: the usual counters, null where unsupported, and the additional ones of a port."""
    return {
        row["port"]: {name: value for name, value in row.items() if name != "port" and (value is not None or name in COUNTERS)}
        for row in rows
    }


def long_expected(rows: dict[str, dict]) -> dict[str, dict]:
    return {port: {name: row[name] for name in COUNTERS} | ofctl.known(row) for port, row in rows.items()}


def client(switch):
    return Switch(db=switch.box.db).openflow("br0")


# --- counters of ports


@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_numbers_as_ovs_ofctl(switch, ovstool, version):
    speak(switch, version)
    for port in ("eth1", "eth1", "eth1", "eth2"):
        receive(switch, port)
    expected = theirs(switch, version)
    found = ovstool("stats -f json --long --source openflow")
    assert (found.code, found.stderr) == (0, "")
    assert long_rows(found.json) == long_expected(expected)
    assert (expected["eth1"]["rx_packets"], expected["eth2"]["tx_bytes"]) == (3, 180)
    assert expected["eth1"]["rx_errors"] is None  # the dummy device does not count them
    assert ("rx_custom_packets_1" in expected["eth1"]) == (version in VERSIONS[2:])
    # Ports given by name are requested one by one.
    named = ovstool("stats eth2 br0 -f json --source openflow").json
    assert named == [{"port": port} | {name: expected[port][name] for name in COUNTERS} for port in ("eth2", "br0")]


def test_ages_are_those_of_ovs_ofctl(switch):
    for version in VERSIONS:
        speak(switch, version)
        before = theirs(switch, version)
        connection = client(switch)
        ours = {names(switch)[port.port]: port.duration_s for port in connection.port_stats()}
        connection.close()
        after = theirs(switch, version)
        for port, age_s in ours.items():
            assert (age_s is None) == (version == "OpenFlow10")
            assert age_s is None or before[port]["duration"] <= age_s <= after[port]["duration"]


def test_the_highest_of_several_versions_is_spoken(switch):
    for versions, spoken in ((VERSIONS, 6), (VERSIONS[:3], 5), (["OpenFlow11", "OpenFlow13"], 4), (["OpenFlow10", "OpenFlow12"], 1)):
        speak(switch, *versions)
        connection = client(switch)
        assert connection.version == spoken
        assert len(connection.port_stats()) == 3
        connection.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_userspace_datapath(forwarding, version):
    """Its hosts may send now and then, so our values must be between ovs-ofctl's before and after."""
    speak(forwarding, version)
    before = theirs(forwarding, version)
    found = forwarding.ovstool("stats -f json --long --source openflow")
    after = theirs(forwarding, version)
    assert (found.code, found.stderr) == (0, "")
    rows = long_rows(found.json)
    assert list(rows) == ["br0", "eth1", "eth2"]
    for port, row in rows.items():
        assert row.keys() == ofctl.known(before[port]).keys() == ofctl.known(after[port]).keys()
        for name, value in row.items():
            assert before[port][name] <= value <= after[port][name]
    assert rows["eth1"]["rx_errors"] == 0  # a veth counts them


# --- queues


@pytest.fixture
def shaped(forwarding):
    """HTB on both ports; the first one's queue numbers have a gap, so that a number differs from its index."""
    forwarding.vsctl(
        "set port eth1 qos=@q1 -- set port eth2 qos=@q2 "
        "-- --id=@q1 create qos type=linux-htb other-config:max-rate=100000000 queues:0=@a queues:7=@b "
        "-- --id=@q2 create qos type=linux-htb other-config:max-rate=100000000 queues:0=@c "
        + " ".join(f"-- --id=@{queue} create queue other-config:min-rate=1000000" for queue in "abc")
    )
    yield forwarding
    forwarding.vsctl("clear port eth1 qos -- clear port eth2 qos -- --all destroy qos -- --all destroy queue")


@pytest.mark.parametrize("version", VERSIONS)
def test_queues(shaped, version):
    speak(shaped, version)
    first, second = shaped.box.hosts
    shaped.tool("ip", "netns", "exec", second, "ping", "-c", "3", "-i", "0.05", "-W", "5", shaped.box.hosts[first])
    before = queues(shaped, version)
    found = shaped.ovstool("stats -f json --queues --source openflow")
    after = queues(shaped, version)
    assert (found.code, found.stderr) == (0, "")
    rows = {(row["port"], row["queue"]): row for row in found.json}
    assert list(rows) == sorted(before) == [("eth1", 0), ("eth1", 7), ("eth2", 0)]
    for key, row in rows.items():
        assert row.keys() == {"port", "queue", "tx_packets", "tx_bytes", "tx_errors"}
        for name in ("tx_packets", "tx_bytes", "tx_errors"):
            assert before[key][name] <= row[name] <= after[key][name]
    assert rows["eth1", 0]["tx_packets"] >= 3 and rows["eth1", 7]["tx_packets"] == 0
    one = shaped.ovstool("stats eth2 --queues -f json").json
    assert [(row["port"], row["queue"]) for row in one] == [("eth2", 0)]


def test_ports_without_queues_and_ports_that_do_not_exist(forwarding):
    for version in VERSIONS:
        speak(forwarding, version)
        connection = client(forwarding)
        assert connection.queue_stats() == connection.queue_stats([1, 2, 99]) == []
        assert [port.port for port in connection.port_stats([99, 1, 98, 65534])] == [1, 65534]
        connection.close()


# --- bridges of other kinds


def test_a_bridge_of_other_versions(switch, ovstool):
    speak(switch, "OpenFlow11", "OpenFlow12")
    result = ovstool("stats --source openflow")
    assert (result.code, result.stdout) == (REFUSED, "")
    assert result.stderr.count("\n") == 1 and "bridge br0: the bridge allows none of the OpenFlow versions" in result.stderr
    assert "--protocols" in result.stderr
    result = ovstool("stats -f json")
    assert result.code == 0 and result.json == ovstool("stats -f json --source ovsdb").json
    assert result.stderr.count("\n") == 1 and "bridge br0" in result.stderr and "these counters are from the database" in result.stderr
    result = ovstool("stats --queues")
    assert (result.code, result.stdout) == (REFUSED, "") and result.stderr.count("\n") == 1


def test_the_suggestion_of_the_error_works(switch, ovstool):
    speak(switch, "OpenFlow12")
    assert ovstool("stats --source openflow").code == REFUSED
    assert ovstool("bridge set br0 --protocols OpenFlow12,OpenFlow14").code == 0
    assert ovstool("stats --source openflow").code == 0


def test_a_bridge_that_belongs_to_a_controller(switch, ovstool):
    switch.vsctl("set-fail-mode br0 secure -- set-controller br0 tcp:127.0.0.1:1")
    receive(switch, "eth1")
    rows = ovstool("stats -f json --long --source openflow").json
    assert long_rows(rows) == long_expected(theirs(switch, "OpenFlow15"))
    assert rows[1]["rx_packets"] == 1


def test_bridges_of_different_versions_at_once(switch, ovstool):
    switch.vsctl("add-br br1 -- set bridge br1 datapath_type=dummy protocols=OpenFlow12 -- add-port br1 p1 -- set interface p1 type=dummy")
    speak(switch, "OpenFlow10")
    receive(switch, "eth1")
    result = ovstool("stats -f json")
    assert result.code == 0 and result.stderr.count("\n") == 1 and "bridge br1" in result.stderr
    rows = {row["port"]: row for row in result.json}
    assert list(rows) == ["br0", "br1", "eth1", "eth2", "p1"]
    assert (rows["eth1"]["rx_packets"], rows["eth2"]["tx_packets"]) == (1, 1)


def test_many_ports_come_in_several_parts(switch, ovstool):
    ports = [f"p{i:03}" for i in range(300)]
    switch.vsctl(" -- ".join(f"add-port br0 {port} -- set interface {port} type=dummy" for port in ports))
    for port in (ports[0], ports[-1]):
        receive(switch, port)
    for version in VERSIONS:
        speak(switch, version)
        result = ovstool("stats -f json --long --source openflow")
        assert result.code == 0
        assert {row["port"] for row in result.json} == {"br0", "eth1", "eth2", *ports}
        expected = theirs(switch, version)
        assert long_rows(result.json) == long_expected(expected)
        assert expected["br0"]["tx_packets"] == 2
        parts = switch.tool("ovs-ofctl", "-O", version, "dump-ports", "br0").count("OFPST_PORT reply")
        assert parts == {"OpenFlow10": 1, "OpenFlow13": 1}.get(version, 3 if OVS >= (2, 17) else 2)  # 2.13 reports fewer counters of a port
        connection, named = client(switch), names(switch)
        assert {named[port.port] for port in connection.port_stats()} == {"br0", "eth1", "eth2", *ports}
        connection.close()
        # More requests than are sent at once.
        assert [row["port"] for row in ovstool(["stats", *ports, "-f", "json", "--source", "openflow"]).json] == ports
