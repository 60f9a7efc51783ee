"""sflow check finds nothing wrong where samples are what was asked for, whatever the datapath."""

from traffic import flowing, udp


def test_nothing_is_wrong(switch, ovstool):
    enabled = ovstool("sflow enable br0 --collector 10.0.0.3 --agent br0 --sampling 20 --polling 20")
    assert enabled.code == 0, enabled.stderr
    before = switch.rows("sFlow")
    idle = ovstool("sflow check --for 1 -f json")
    assert (idle.code, idle.json) == (0, []) and "no packet was sampled" in idle.stderr, idle
    with flowing(switch.box, udp(1, 2, "8M", payload=1000)):
        busy = ovstool("sflow check -f json")
    assert (busy.code, busy.json, busy.stderr) == (0, [], "")
    assert switch.rows("sFlow") == before
