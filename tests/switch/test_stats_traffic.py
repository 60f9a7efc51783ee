"""Rates, queues and bursts of real traffic, compared with the kernel's own counters: the userspace datapath, veths and iperf3."""

import bisect
import json
import os
import subprocess
import sys
import tempfile
import time
from statistics import median

import pytest
from measuring import measured


@pytest.fixture
def switch(forwarding):
    return forwarding


class Traffic:
    """iperf3 from the first host to the second during the block, for at most ``for_s`` seconds."""

    def __init__(self, switch, *words: str, for_s: int = 30):
        self.hosts, self.words, self.for_s = list(switch.box.hosts), words, for_s

    def __enter__(self):
        client, server = self.hosts
        self.server = subprocess.Popen(["ip", "netns", "exec", server, "iperf3", "-s", "-1"], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            argv = ["ip", "netns", "exec", client, "iperf3", "-c", "10.0.0.2", "-t", str(self.for_s), *self.words]
            self.client = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            try:
                self.client.wait(1.5)  # refused until the server listens; otherwise traffic flows at full speed by now
            except subprocess.TimeoutExpired:
                return self
            assert time.monotonic() < deadline, self.client.communicate()[0]

    def __exit__(self, *_):
        for process in (self.client, self.server):
            process.kill()
            process.wait()
        self.client.stdout.close()


class Kernel:
    """The kernel's counters of a port in the switch's namespace, read repeatedly while a command runs."""

    READER = """
import os, sys, time
files = [os.open(f"/sys/class/net/{sys.argv[1]}/statistics/{name}", os.O_RDONLY) for name in ("rx_bytes", "tx_bytes")]
while os.getppid() == int(sys.argv[2]):
    begin = time.time()
    values = [int(os.pread(file, 32, 0)) for file in files]
    print(begin, time.time(), *values, flush=True)
    time.sleep(0.0005)
"""

    def __init__(self, switch, port: str):
        self.switch, self.port = switch, port

    def during(self, words: str) -> list[dict]:
        """Run a command and return its JSON lines; the kernel's counters meanwhile are kept."""
        with tempfile.TemporaryFile("w+") as log:
            argv = ["ip", "netns", "exec", self.switch.box.namespace, sys.executable, "-c", self.READER, self.port, str(os.getpid())]
            reader = subprocess.Popen(argv, stdout=log)
            try:
                deadline = time.monotonic() + 20
                while not os.fstat(log.fileno()).st_size:
                    assert time.monotonic() < deadline and reader.poll() is None
                    time.sleep(0.01)
                result = self.switch.ovstool(words)
                time.sleep(0.05)
            finally:
                reader.kill()
                reader.wait()
            log.seek(0)
            samples = [tuple(map(float, line.split())) for line in log if line.count(" ") == 3 and line.endswith("\n")]
        assert result.code == 0, result.stderr
        self.times = [(begin + end) / 2 for begin, end, *_ in samples]
        self.samples = samples
        return [json.loads(line) for line in result.stdout.splitlines()]

    def bytes_between(self, way: str, begin: float, end: float) -> float:
        """The number of bytes, as exactly as the readings around both moments allow."""
        return self._at(way, end) - self._at(way, begin)

    def _at(self, way: str, moment: float) -> float:
        index = bisect.bisect(self.times, moment)
        (t1, t2), column = self.times[index - 1 : index + 1], 2 if way == "rx" else 3
        one, two = self.samples[index - 1][column], self.samples[index][column]
        return one + (two - one) * (moment - t1) / (t2 - t1)


@pytest.mark.parametrize(("interval", "count"), [("1", 3), ("0.1", 25), ("0.02", 100)])
@measured
def test_rates_are_those_of_the_kernel(switch, interval, count):
    kernel = Kernel(switch, "eth2")
    with Traffic(switch, "-b", "40M"):
        rows = kernel.during(f"stats eth2 --rate --interval {interval} --count {count} -f json")
    assert len(rows) == count and not any(row["reset"] for row in rows)
    errors = []
    for row in rows:
        theirs = kernel.bytes_between("tx", row["time"] - row["interval_s"], row["time"]) * 8 / row["interval_s"]
        errors.append(abs(row["tx_bps"] - theirs) / max(theirs, 1))
    assert median(row["tx_bps"] for row in rows) > 20e6, "no traffic"
    # A single one may differ more if the machine stalled between two readings of the kernel's counters.
    assert median(errors) < 0.01, sorted(errors)
    whole_s = rows[-1]["time"] - rows[0]["time"] + rows[0]["interval_s"]
    theirs = kernel.bytes_between("tx", rows[-1]["time"] - whole_s, rows[-1]["time"])
    assert sum(row["tx_bps"] * row["interval_s"] / 8 for row in rows) == pytest.approx(theirs, rel=0.01)


@measured
def test_bursts_are_seen_that_an_average_hides(switch, ovstool):
    """Traffic of 20 Mbit/s on average in bursts of some hundred Mbit/s: iperf3 sends a second's share at once."""
    with Traffic(switch, "-u", "-b", "20M/1000", "-l", "1400"):
        bursts = {row["direction"]: row for row in ovstool("stats eth2 --bursts --interval 0.01 --for 4 -f json").json}
        even = ovstool("stats eth2 --rate --interval 3 -f json").json[0]
    sent = bursts["tx"]
    assert even["tx_bps"] < 40e6
    assert 0 < sent["mean_bps"] < 40e6
    assert sent["max_bps"] > 3 * sent["mean_bps"]
    assert sent["p50_bps"] <= sent["p95_bps"] <= sent["p99_bps"] <= sent["max_bps"]
    assert sent["windows"] > 100 and sent["interval_s"] < 0.03
    assert sent["limit_bps"] == 10_000_000_000, "the speed that a veth reports"


@measured
def test_a_full_link_is_one_long_burst(switch, ovstool):
    assert ovstool("qos set eth2 --max-rate 10mbit").code == 0
    try:
        with Traffic(switch):
            time.sleep(1)
            sent = ovstool("stats eth2 --bursts --interval 0.2 --for 4 -f json").json[1]
    finally:
        ovstool("qos clear eth2")
    assert (sent["direction"], sent["limit_bps"]) == ("tx", 10_000_000)
    # tc's rate of a class counts frames, so nearly all windows are above 95%.
    assert sent["mean_bps"] == pytest.approx(10e6, rel=0.06)
    assert sent["longest_above_s"] >= 0.8


@measured
def test_queues_count_what_they_send(switch, ovstool):
    assert ovstool("qos set eth2 --max-rate 20mbit --queue 0:min=1mbit --queue 7:min=1mbit").code == 0
    try:
        with Traffic(switch):
            first, second = (json.loads(line) for line in ovstool("stats eth2 --queues --rate --count 1 -f json").stdout.splitlines())
        assert (first["queue"], second["queue"]) == (0, 7)
        assert 16e6 < first["tx_bps"] < 22e6 and second["tx_bps"] == 0
        shown = {queue["queue"]: queue for queue in ovstool("qos show eth2 -f json").json["queues"]}
        counted = {row["queue"]: row for row in ovstool("stats eth2 --queues -f json").json}
        assert shown[0]["tx_bytes"] > 10**6 and shown[7]["tx_bytes"] == 0
        assert counted[0]["tx_bytes"] >= shown[0]["tx_bytes"] and counted[7]["tx_packets"] == 0
        text = switch.tool("ovs-ofctl", "queue-stats", "br0", "eth2")
        assert f"queue 7: bytes=0, pkts=0, errors={counted[7]['tx_errors']}" in text
    finally:
        ovstool("qos clear eth2")
