"""The tree of 'show', line by line, for given contents of the switch."""

from ovstool.commands.show import _lines

ETH = {
    "name": "eth1", "type": "system", "ofport": 1, "admin_state": "up", "link_state": "up", "options": {}, "police_rate": None,
    "police_packet_rate": None, "error": None,
}  # fmt: skip
PORT = {"port": "eth1", "fake_bridge": False, "tag": None, "trunks": [], "bond_mode": None, "lacp": None, "qos": None, "interfaces": [ETH]}
BRIDGE = {
    "bridge": "br0",
    "datapath_type": "system",
    "datapath_version": None,
    "fail_mode": None,
    "controllers": [],
    "sflow": None,
    "ports": [],
}


def port(**changed) -> list[str]:
    """The lines of a port, without those of its bridge."""
    return list(_lines({"ovs_version": None, "bridges": [BRIDGE | {"ports": [PORT | changed]}]}))[2:]


def interface(**changed) -> list[str]:
    return port(interfaces=[ETH | changed])


def test_a_switch_and_its_bridges():
    assert list(_lines({"ovs_version": None, "bridges": []})) == ["Open vSwitch"]
    controllers = [
        {"target": "tcp:192.0.2.1", "connected": True},
        {"target": "tcp:192.0.2.2", "connected": False},
        {"target": "ptcp:1", "connected": None},
    ]
    sflow = {"agent": "lo", "targets": ["10.0.0.5:6343", "10.0.0.6:6343"]}
    full = BRIDGE | {"fail_mode": "secure", "controllers": controllers, "sflow": sflow, "ports": [PORT]}
    assert list(_lines({"ovs_version": "3.1.0", "bridges": [BRIDGE, full | {"bridge": "br1"}]})) == [
        "Open vSwitch 3.1.0",
        "bridge br0  system",
        "bridge br1  system fail_mode secure",
        "  controller tcp:192.0.2.1  connected",
        "  controller tcp:192.0.2.2  NOT CONNECTED",
        "  controller ptcp:1  passive",
        "  sflow to 10.0.0.5:6343,10.0.0.6:6343  agent lo",
        "  port eth1  link up ofport 1",
    ]
    bare = BRIDGE | {"sflow": {"agent": None, "targets": ["10.0.0.5"]}}
    assert list(_lines({"ovs_version": None, "bridges": [bare]}))[2:] == ["  sflow to 10.0.0.5"]


def test_versions():
    """The version of Open vSwitch, and of each type of datapath that has a known one."""
    netdev = BRIDGE | {"datapath_type": "netdev", "datapath_version": "<built-in>"}
    system = BRIDGE | {"datapath_version": "2.17.9"}

    def first(ovs_version, *bridges):
        return next(_lines({"ovs_version": ovs_version, "bridges": bridges}))

    assert first("3.1.0") == "Open vSwitch 3.1.0"
    assert first("3.1.0", netdev, netdev) == "Open vSwitch 3.1.0, datapath netdev (built-in)"
    assert first("3.1.0", system, netdev) == "Open vSwitch 3.1.0, datapath netdev (built-in), datapath system 2.17.9"
    assert first(None, netdev) == "Open vSwitch, datapath netdev (built-in)"
    assert first("3.1\n", BRIDGE) == "Open vSwitch 3.1\\n"
    assert first(None, BRIDGE) == "Open vSwitch"


def test_ports():
    assert port() == ["  port eth1  link up ofport 1"]
    assert port(tag=0, fake_bridge=True) == ["  port eth1  link up ofport 1  fake bridge tag 0"]
    assert port(trunks=[5, 6], lacp="active") == ["  port eth1  link up ofport 1  trunks 5,6 lacp active"]
    shaped = {"type": "linux-htb", "max_rate": 10**7, "queues": 2}
    assert port(qos=shaped) == ["  port eth1  link up ofport 1  qos linux-htb 10 Mbit/s queues 2"]
    assert port(qos=shaped | {"max_rate": None, "queues": 0}) == ["  port eth1  link up ofport 1  qos linux-htb queues 0"]


def test_a_bond():
    members = [ETH | {"name": "eth8"}, ETH | {"name": "eth9", "error": "no such device", "ofport": None, "link_state": None}]
    assert port(port="bond0", bond_mode="balance-slb", interfaces=members) == [
        "  port bond0  bond balance-slb",
        "    interface eth8  link up ofport 1",
        "    interface eth9",
        "      ERROR: no such device",
    ]
    assert port(port="p0") == ["  port p0", "    interface eth1  link up ofport 1"]
    assert port(interfaces=[]) == ["  port eth1"]


def test_interfaces():
    assert interface(type="vxlan", options={"remote_ip": "192.0.2.1", "key": "5"}, link_state=None) == [
        "  port eth1  vxlan ofport 1  key=5 remote_ip=192.0.2.1"
    ]
    assert interface(admin_state="down") == ["  port eth1  admin down ofport 1"]
    assert interface(link_state="down", admin_state=None) == ["  port eth1  link down ofport 1"]
    assert interface(police_rate=10**6, police_packet_rate=1000) == [
        "  port eth1  link up ofport 1  policed to 1 Mbit/s  policed to 1000 packets/s"
    ]
    assert interface(police_rate=10**6) == ["  port eth1  link up ofport 1  policed to 1 Mbit/s"]
    assert interface(ofport=None, error="could not open\nit") == ["  port eth1  link up", "    ERROR: could not open\\nit"]
