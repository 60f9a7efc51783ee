"""sflow check finds nothing wrong where the samples are as configured, on each datapath."""

from sflow_collector import collecting
from traffic import flowing, udp


def test_nothing_is_wrong(switch, ovstool):
    enable = "sflow enable br0 --collector 10.0.0.3 --agent br0 --polling 20 --sampling"
    with collecting(["ip", "netns", "exec", list(switch.box.hosts)[2]], "10.0.0.3"):
        enabled = ovstool(f"{enable} 10000000")  # so rarely because the datagrams themselves are packets of br0
        assert enabled.code == 0, enabled.stderr
        before = switch.rows("sFlow")
        idle = ovstool("sflow check --for 1 -f json")
        assert (idle.code, idle.json) == (0, []) and "no packet was sampled" in idle.stderr, idle
        assert switch.rows("sFlow") == before
        enabled = ovstool(f"{enable} 20")
        assert enabled.code == 0, enabled.stderr
        before = switch.rows("sFlow")
        with flowing(switch.box, udp(1, 2, "8M", payload=1000)):
            busy = ovstool("sflow check -f json")
    assert (busy.code, busy.json, busy.stderr.count("\n")) == (0, [], 2)
    assert "caught: sampling 1 in 20, " in busy.stderr and "delivery to 10.0.0.3:6343 is not checked" in busy.stderr
    assert switch.rows("sFlow") == before
