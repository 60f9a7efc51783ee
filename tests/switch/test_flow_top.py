"""The flows with the most traffic, exact to the last digit: given dumps, and a clock that only sleep advances."""

import os
from contextlib import closing

import pytest

from ovstool.errors import UsageError
from ovstool.switch import Switch
from ovstool.switch.flow import top

# By table, priority and match: the age in seconds, packets and bytes at the start and at the end of the interval.
COUNTED = {
    "table=0, {} priority=5,ip,in_port=1 actions=output:2": ((100, 10, 1000), (110.5, 31, 3625)),
    "table=0, {} priority=6,ip,in_port=1 actions=drop": ((100, 10, 1000), (110, 10, 1000)),
    "table=1, {} priority=5,ip,in_port=1 actions=drop": ((100, 90, 9000), (107, 91, 10000)),
    # Added again: counters continue but the age restarts, so the interval is measured by our own clock.
    "table=0, {} priority=4,tcp actions=drop": ((50, 5, 500), (2, 8, 600)),
    "table=0, {} priority=4,sctp actions=drop": ((50, 5, 500), (50, 6, 501)),
    # One of both counters was reset, or the flow is new: everything counted belongs to the interval.
    "table=0, {} priority=3,udp actions=drop": ((50, 5, 500), (4, 2, 510)),
    "table=0, {} priority=3,udp6 actions=drop": ((50, 5, 500), (4, 6, 490)),
    "table=0, {} priority=2,arp actions=drop": (None, (0, 3, 0)),
    "table=0, {} priority=2,rarp actions=drop": (None, (3, 0, 0)),
    "table=0, {} priority=1,icmp actions=drop": ((50, 5, 500), None),
    "table=0, {} priority=1,ipv6 actions=NORMAL": ((50, 1, None), (60, 2, None)),
}
ROWS = [
    (0, 5, "0x7", "ip,in_port=eth1", "output:eth2", 2000.0, 2.0, 10.5),
    (1, 5, "0x7", "ip,in_port=eth1", "drop", 1142.857, 0.143, 7.0),
    (0, 3, "0x7", "udp", "drop", 1020.0, 0.5, 4.0),
    (0, 3, "0x7", "udp6", "drop", 980.0, 1.5, 4.0),
    (0, 4, "0x7", "tcp", "drop", 80.0, 0.3, 10.0),
    (0, 4, "0x7", "sctp", "drop", 0.8, 0.1, 10.0),
    (0, 2, "0x7", "arp", "drop", 0.0, 3000.0, 0.001),
    (0, 1, "0x7", "ipv6", "NORMAL", 0.0, 0.1, 10.0),
]


def dumped(which: int) -> str:
    lines = ["OFPST_FLOW reply (OF1.5) (xid=0x2):"]
    for place, counters in COUNTED.items():
        if counters[which]:
            age, packets, octets = counters[which]
            n_bytes = "" if octets is None else f"n_bytes={octets}, "
            lines.append(f" cookie=0x7, duration={age}s, {place.format(f'n_packets={packets}, {n_bytes}idle_age=0,')}")
    return "\n".join(lines) + "\n"


class Clock:
    """A clock that only sleep advances."""

    def __init__(self):
        self.now, self.slept = 1000.0, []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


@pytest.fixture(scope="module")
def shared(running_switch):
    with running_switch("dummy") as switch:
        yield switch


@pytest.fixture
def clock(shared, tmp_path, monkeypatch):
    """An ovs-ofctl that dumps the flows above, first at the start and then at the end, and otherwise runs the real one."""
    clock = Clock()
    monkeypatch.setattr(top, "time", clock)
    for which in (0, 1):
        # ovs-vswitchd assigns port numbers in the order in which it finds the ports.
        numbers = {port: shared.vsctl(f"get interface {port} ofport") for port in ("eth1", "eth2")}
        text = dumped(which).replace("in_port=1", f"in_port={numbers['eth1']}").replace("output:2", f"output:{numbers['eth2']}")
        (tmp_path / f"dump{which}").write_text(text)
    (tmp_path / "ovs-ofctl").write_text(
        f"#!/bin/sh\ncase $* in *dump-flows*) cat {tmp_path}/dump0; ln -f {tmp_path}/dump1 {tmp_path}/dump0;;"
        f' *) PATH=${{PATH#*:}} exec ovs-ofctl "$@";; esac\n'
    )
    (tmp_path / "ovs-ofctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return clock


@pytest.mark.parametrize(
    ("by", "limit", "rows"),
    [
        ("bytes", 99, ROWS),
        ("bytes", 2, ROWS[:2]),
        ("packets", 99, [ROWS[n] for n in (6, 0, 3, 2, 4, 1, 5, 7)]),
        ("packets", 1, [ROWS[6]]),
    ],
)
def test_the_flows_with_the_most_traffic(shared, clock, by, limit, rows):
    with closing(Switch(db=shared.box.db)) as switch:
        assert top.top(switch, top.TopSpec("br0", None, None, by, limit), 10.0) == rows
    assert clock.slept == [10.0]


@pytest.mark.parametrize(("interval_s", "is_too_long"), [(29, False), (30, True), (40, True)])
def test_an_interval_has_to_fit_into_the_time_allowed(shared, clock, interval_s, is_too_long):
    with closing(Switch(db=shared.box.db, timeout_s=30)) as switch:
        if not is_too_long:
            assert len(top.top(switch, top.TopSpec("br0", None, None, "bytes", 99), interval_s)) == len(ROWS)
            return
        with pytest.raises(UsageError) as failure:
            top.top(switch, top.TopSpec("br0", None, None, "bytes", 99), interval_s)
    assert str(failure.value) == f"--interval {interval_s}: longer than the time allowed (30 s); try: -t {interval_s + 30}"
    assert clock.slept == []
