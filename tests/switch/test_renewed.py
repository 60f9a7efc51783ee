"""The switch of a test is as after a start, whatever the previous test did to it."""

import os
import re
import signal

import pytest
from renewed import Renewed

# Something in each table that a test may fill, and in the root row.
CHANGES = [
    "set bridge br0 protocols=OpenFlow13 fail_mode=secure -- set-controller br0 ptcp:0:127.0.0.1 -- add-port br0 eth3 -- del-port eth2",
    "add-br br1 -- set bridge br1 datapath_type=dummy -- add-port br1 p1 tag=5",
    "set port eth1 qos=@q -- --id=@q create qos type=linux-htb queues=1=@a -- --id=@a create queue other-config:min-rate=1000",
    "create qos type=linux-htb -- create queue dscp=5 -- --id=@s create sFlow targets='\"127.0.0.1:1\"' -- set bridge br0 sflow=@s",
    "set open_vswitch . other_config:x=y external_ids:a=b -- set-manager ptcp:0:127.0.0.1",
]


def state(switch) -> tuple:
    kept = switch.rows("Open_vSwitch", "other_config", "external_ids", "manager_options", "ovs_version", "iface_types")
    flows = switch.tool("ovs-ofctl", "--no-stats", "dump-flows", "br0").splitlines()[1:]
    counts = [len(switch.rows(table)) for table in ("Bridge", "Port", "Interface", "QoS", "Queue", "sFlow", "Controller", "Manager")]
    return (
        re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", switch.dump()),
        kept,
        flows,
        counts,
        sorted(str(row["ofport"]) for row in switch.rows("Interface", "ofport")),
    )


def test_it_is_as_after_a_start(running_switch):
    with running_switch("dummy") as switch:
        renewed, at_first = Renewed(switch.box), state(switch)
        for changes in (*CHANGES, " -- ".join(CHANGES)):
            switch.vsctl(changes)
            switch.tool("ovs-ofctl", "-O", "OpenFlow10,OpenFlow13", "add-flow", "br0", "priority=7,actions=drop")
            (switch.box.directory / "flows.txt").write_text("of the test")
            assert renewed.renew(), changes
            assert state(switch) == at_first, changes
            assert not (switch.box.directory / "flows.txt").exists()


@pytest.mark.parametrize("daemon", ["ovs-vswitchd", "ovsdb-server"])
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_with_a_stopped_daemon_it_cannot_be_renewed(running_switch, daemon, number):
    with running_switch("dummy") as switch:
        renewed = Renewed(switch.box)
        pid = int((switch.box.directory / f"{daemon}.pid").read_text())
        os.kill(pid, number)
        assert not renewed.renew()
        if number == signal.SIGSTOP:
            os.kill(pid, signal.SIGCONT)
