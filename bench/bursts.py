"""Policing bursts: the share of the policing rate that one TCP flow reaches with the default burst of ``police set``, and with others.

On the kernel datapath: on this machine where it has the module openvswitch, else in the lab of tests/kernel. To run it alone:
``python3 bench/bursts.py [BURST...] [delay=20ms...]``, with the Python that ovstool is installed for. A BURST is a share of the bits that
the rate passes in a second (0.25), that plus some kbit (0.2+100), or `default`. Each figure is for 10 s of one flow, as a share of the
rate: the payload, and the Ethernet frames that carry it. The policer sees large packets with one header, so it counts fewer bits.
"""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/kernel"))
import traffic
import uml

from ovstool import sandbox
from ovstool.switch.police import default_burst_kbit

FOR_S = 10
_AT_ONCE = [(1, 2, 5, 10, 50), (100, 200), (500,), (1000,)]  # Mbit/s, in groups that the lab's single core can carry at the same time
_PAIRS = max(map(len, _AT_ONCE))
_LIMIT_S = 3600


def burst_kbit(burst: str, rate_kbps: int) -> int:
    if burst == "default":
        return default_burst_kbit(rate_kbps)
    share, _, kbit = burst.partition("+")
    return round(float(share) * rate_kbps + float(kbit or 0))


def measure(bursts: list[str], delays: list[str]) -> None:
    """Measure in this kernel; a delay (in netem's syntax) applies to the acknowledgements."""
    ports = [f"eth{index + 1}" for index in range(2 * _PAIRS)]
    with tempfile.TemporaryDirectory(prefix="ovstool-bursts-", dir="/tmp") as directory:
        box, _ = sandbox.start(Path(directory), "system", ports)
        try:
            for delay in delays:
                for receiver in list(box.hosts)[1::2]:
                    _run("tc", "-n", receiver, "qdisc", "replace", "dev", "eth0", "root", "netem", "delay", delay, "limit", "100000")
                for burst in bursts:
                    for rates in _AT_ONCE:
                        for line in _measure(box, burst, rates):
                            print(f"{delay:6} {line}", flush=True)
        finally:
            sandbox.stop(Path(directory))


def _measure(box: sandbox.Sandbox, burst: str, rates: tuple[int, ...]) -> list[str]:
    bursts = [burst_kbit(burst, rate * 1000) for rate in rates]
    words: list[str] = []
    for index, (rate, kbit) in enumerate(zip(rates, bursts, strict=True)):
        settings = [f"ingress_policing_rate={rate * 1000}", f"ingress_policing_burst={kbit}"]
        words += ["--", "set", "interface", f"eth{2 * index + 1}", *settings]
    _run("ovs-vsctl", f"--db={box.db}", *words)
    flows = [traffic.tcp(2 * index + 1, 2 * index + 2) for index in range(len(rates))]
    return [
        f"{burst:10} {rate:5} Mbit/s  burst {kbit:8} kbit  payload {arrived.payload_bps / rate / 1e4:6.1f}%  frames {arrived.frames_bps / rate / 1e4:6.1f}%"
        for rate, kbit, arrived in zip(rates, bursts, traffic.send(box, *flows, for_s=FOR_S), strict=True)
    ]


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True)


def main(words: list[str]) -> int:
    delays = [word.removeprefix("delay=") for word in words if word.startswith("delay=")] or ["0ms"]
    bursts = [word for word in words if not word.startswith("delay=")] or ["default"]
    if not sandbox._system_problem():
        measure(bursts, delays)
        return 0
    if problem := uml.problem():
        sys.exit(f"bursts.py {problem}")
    root = Path(__file__).resolve().parent.parent
    return uml.main(f"cd {shlex.quote(str(root))} && PYTHONPATH=. {shlex.join([sys.executable, *sys.argv])}", _LIMIT_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
