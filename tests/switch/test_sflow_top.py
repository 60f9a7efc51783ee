"""sflow listen --top compared with iperf3 on the userspace datapath: the traffic of a talker, estimated from sampled packets."""

import json
import signal
import subprocess
import sys
import time

SAMPLING, MBIT, SECONDS = 4, 20, 3
FRAMING = 14 + 20 + 8 + 4  # bytes in each packet that iperf3 does not count: Ethernet, IPv4, UDP, FCS


def test_the_estimate_agrees_with_iperf3(forwarding, ovstool):
    """Within twice the stated error: 95 of 100 estimates are within it, which ``make bench`` counts."""
    client, server = list(forwarding.box.hosts)[:2]
    inside = ["ip", "netns", "exec"]
    enabled = forwarding.ovstool(f"sflow enable br0 --collector 127.0.0.1 --agent 192.0.2.77 --polling 0 --sampling {SAMPLING} --force")
    assert enabled.code == 0, enabled
    listen = [*inside, forwarding.box.namespace, sys.executable, "-m", "ovstool", *"sflow listen --top -f json".split()]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with (
        subprocess.Popen([*inside, server, "iperf3", "-s", "-1"], stdout=subprocess.DEVNULL) as iperf,
        subprocess.Popen(listen, env=forwarding.environ, text=True, **streams) as listener,
    ):
        try:
            assert listener.stderr.readline() == "ovstool: note: listening on UDP port 6343\n"
            sent = iperf3(inside, client)
            time.sleep(2.5)  # the last samples are sent after a second, and talkers are printed every second
            listener.send_signal(signal.SIGINT)
            rows = json.loads(listener.communicate(timeout=60)[0])
        finally:
            listener.kill()
            iperf.kill()
            forwarding.vsctl("clear bridge br0 sflow")
    (row,) = [row for row in rows if (row["ip_proto"], row["dst_port"]) == (17, 5201)]
    told, true = row["bps"] * row["interval_s"] / 8, sent["bytes"] + sent["packets"] * FRAMING
    assert abs(told - true) <= 2 * told * row["error_percent"] / 100, (told, true, row)
    assert abs(row["error_percent"] - 196 * ((1 - 1 / SAMPLING) / row["samples"]) ** 0.5) < 0.1, "as the number of samples implies"


def iperf3(inside: list[str], client: str) -> dict:
    """What iperf3 reports to have sent as UDP; its server may not be listening yet."""
    argv = [*inside, client, "iperf3", "-c", "10.0.0.2", "-u", "-b", f"{MBIT}M", "-l", "1400", "-t", str(SECONDS), "-J"]
    deadline = time.monotonic() + 30
    while True:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0:
            return json.loads(done.stdout)["end"]["sum"]
        assert time.monotonic() < deadline, done
        time.sleep(0.2)
