"""What a bridge has in ovs-vswitchd alone, with an ovs-ofctl of the test: read in a fixed order, and changed step by step."""

from ovstool.host import Finished
from ovstool.switch import Switch
from ovstool.switch.ofctl import OfctlBridge
from ovstool.switch.snapshot import contents
from ovstool.switch.snapshot.contents import Contents

FLOWS = """NXST_FLOW reply (xid=0x4):
 cookie=0x0, duration=1.5s, table=10, n_packets=0, n_bytes=0, priority=5 actions=drop
 cookie=0x0, duration=1.5s, table=2, n_packets=0, n_bytes=0, priority=5,in_port=9 actions=drop
 cookie=0x0, duration=1.5s, table=2, n_packets=0, n_bytes=0, priority=50 actions=output:11
"""
GROUPS = """OFPST_GROUP_DESC reply (OF1.5) (xid=0x2):
 group_id=10,type=all,bucket=bucket_id:0,actions=drop
 group_id=9,type=all,bucket=bucket_id:0,actions=drop
"""
METERS = """OFPST_METER_CONFIG reply (OF1.5) (xid=0x2):
meter=10 kbps bands=
type=drop rate=5

meter=2 kbps burst stats bands=
type=drop rate=5 burst_size=3
type=drop rate=7 burst_size=4
"""
FOUND = Contents(
    ["table=2,priority=50 actions=output:11", "table=2,priority=5,in_port=9 actions=drop", "table=10,priority=5 actions=drop"],
    ["group_id=9,type=all,bucket=bucket_id:0,actions=drop", "group_id=10,type=all,bucket=bucket_id:0,actions=drop"],
    [
        "meter=2 kbps burst stats bands= type=drop rate=5 burst_size=3 type=drop rate=7 burst_size=4",
        "meter=10 kbps bands= type=drop rate=5",
    ],
)


class Host:
    """A host whose ovs-ofctl reports these contents; ``changes`` are its other commands, with their input."""

    name = "h1"

    def __init__(self, flows=FLOWS, groups=GROUPS, meters=METERS):
        self._reports = {"dump-flows": flows, "dump-groups": groups, "dump-meters": meters}
        self.changes, self.asked = [], []

    def run(self, argv, timeout_s, stdin=b""):
        command = [word for word in argv[3:] if word not in ("--", "unix:x")]
        self.asked += command[:1]
        if command[0] in self._reports:
            return Finished(0, self._reports[command[0]], "")
        self.changes.append(" ".join([*command, *stdin.decode().splitlines()]))
        return Finished(0, "", "")

    def stream(self, argv, timeout_s, pause_s=None):
        assert "--names" not in argv  # ports by number
        yield self._reports["dump-flows"].encode()
        return Finished(0, "", "")


def bridge_of(host, *protocols):
    return OfctlBridge(Switch(host=host), "br0", "unix:x", protocols)


def made(wanted, *protocols, **found):
    host = Host(**found)
    contents.make(bridge_of(host, *protocols), wanted)
    return host.changes


def test_contents_are_read_in_order():
    lost = set()
    assert contents.read(bridge_of(Host()), lost) == FOUND and lost == set()
    assert contents.read(bridge_of(Host(groups="", meters="OFPST_METER_CONFIG reply (OF1.3) (xid=0x2):\n")), lost) == Contents(
        FOUND.flows, [], []
    )


def test_what_an_old_openflow_does_not_tell():
    lost, host = set(), Host()
    assert contents.read(bridge_of(host, "OpenFlow10"), lost) == FOUND._replace(meters=[]) and "dump-meters" not in host.asked
    assert lost == {"flags of flows, such as send_flow_rem, which OpenFlow10 does not report"}


def test_what_is_there_stays():
    assert made(FOUND) == []
    assert made(Contents([], [], []), flows="", groups="", meters="") == []


def test_each_step_finds_what_it_refers_to():
    """Meters come before groups, groups before flows, and deletions last."""
    other_meter, other_group = "meter=10 kbps bands= type=drop rate=6", "group_id=9,type=all,bucket=bucket_id:0,actions=output:1"
    new_meter, new_group = "meter=3 kbps bands= type=drop rate=6", "group_id=8,type=all,bucket=bucket_id:0,actions=meter:3"
    assert made(Contents([], [other_group, new_group], [other_meter, new_meter])) == [
        f"mod-meter {other_meter}",
        f"add-meter {new_meter}",
        f"--bundle add-groups - modify {other_group} add {new_group}",
        "del-flows",
        "--bundle add-groups - delete group_id=10",
        "del-meter meter=2",
    ]


def test_flows_without_bundles():
    assert made(Contents(FOUND.flows[:1], FOUND.groups, []), "OpenFlow10") == ["add-flows - delete table=2,priority=50 actions=output:11"]
    assert made(Contents(FOUND.flows, [], []), "OpenFlow10") == ["add-groups - delete group_id=9 delete group_id=10"]


def test_ports_with_other_numbers():
    assert contents.renumbered(FOUND, {}) == FOUND
    flows = ["table=2,priority=50 actions=output:9", "table=2,priority=5,in_port=19 actions=drop", FOUND.flows[2]]
    assert contents.renumbered(FOUND, {"9": "19", "11": "9"}) == FOUND._replace(flows=flows)
