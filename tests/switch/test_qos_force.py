"""qos set --force: the QoS is installed again in new rows, or stays as it was."""

import json
import os
import signal

import pytest


def test_force_makes_new_rows(switch, ovstool):
    assert ovstool("qos set eth1 --max-rate 10mbit --queue 0").stdout == "eth1: created\n"
    before = switch.rows("QoS", "_uuid")
    assert ovstool("qos set eth1 --max-rate 10mbit --queue 0").stdout == "eth1: unchanged\n"
    planned = json.loads(ovstool("qos set eth1 --max-rate 10mbit --queue 0 --force --dry-run").stdout)
    assert planned[0] == "Open_vSwitch" and switch.rows("QoS", "_uuid") == before
    assert ovstool("qos set eth1 --max-rate 10mbit --queue 0 --force").stdout == "eth1: updated\n"
    assert switch.rows("QoS", "_uuid") != before and len(switch.rows("QoS")) == 1 and switch.orphans() == []
    assert ovstool("qos set eth1 --max-rate 10mbit --merge --force").code == 2


@pytest.mark.parametrize("wish", ["--queue 70000", "--type egress-policer", "--type fq_codel --other-config target=5ms"])
def test_a_refused_force_removes_nothing(switch, ovstool, wish):
    ovstool("qos set eth1 eth2 --max-rate 10mbit --queue 0:min=1mbit")
    before = switch.dump()
    assert ovstool(f"qos set eth1 eth2 {wish} --force").code == 2
    assert ovstool("qos set eth1 --max-rate 10mbit --force --no-wait").code == 2  # it must wait in between
    assert ovstool("qos set eth1 nosuch --max-rate 10mbit --force").code == 3
    assert switch.dump() == before


def test_force_without_ovs_vswitchd_removes_nothing(switch, ovstool):
    ovstool("qos set eth1 --max-rate 10mbit --queue 0:min=1mbit")
    before = switch.dump()
    pid = int((switch.box.directory / "ovs-vswitchd.pid").read_text())
    # One change more than ovs-vswitchd has applied, as when it stops halfway.
    os.kill(pid, signal.SIGSTOP)
    try:
        switch.vsctl("--no-wait set open_vswitch . next_cfg=1000")
        assert ovstool("qos set eth1 --max-rate 10mbit --queue 0:min=1mbit --force -t 1").code == 7
    finally:
        os.kill(pid, signal.SIGCONT)
    assert switch.dump() == before and switch.orphans() == []
