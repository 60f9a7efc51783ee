"""An interrupted deletion leaves a port that can be deleted again, and never flows that steer into queues of a deleted port."""

from forked import FORKS
from ovsdb_proxy import proxy

COMMAND = "port del eth1"


def test_port_del_that_is_killed_at_any_step(switch, ovstool):
    for after in range(100):
        ovstool("port add br0 eth1")
        ovstool("qos set eth1 --max-rate 10mbit --queue 1:max=5mbit")
        assert ovstool("qos steer eth1 --queue 1 --match ip,nw_dst=10.0.0.1").code == 0
        with proxy(switch.box.directory, after) as between:
            process = FORKS.start(["--db", f"unix:{between.address}", *COMMAND.split()], switch.environ)
            while not between.stopped.wait(0.02) and process.poll() is None:
                pass
            process.kill()
            process.wait()
        steering = "set_queue" in switch.tool("ovs-ofctl", "dump-flows", "br0")
        there = "eth1" in switch.vsctl("list-ports br0").split()
        assert there or not steering, after
        if not between.stopped.is_set():
            break
        assert ovstool(f"{COMMAND} --if-exists").code == 0  # which finishes what was started
        assert "set_queue" not in switch.tool("ovs-ofctl", "dump-flows", "br0") and switch.orphans() == []
    assert after > 5 and not there
