"""How the meter handles ports that appear, disappear and change their numbers, and those whose packets ovs-vswitchd counts itself.

The database is a real one, which each test changes as ovs-vswitchd would; a peer at the bridge's socket has counters for all ports.
"""

import json
import socket
import struct
import subprocess
import time
from contextlib import closing, contextmanager

import pytest
from test_openflow_peers import HELLO, answer, peer
from test_openflow_peers import place as place  # the fixture

from ovstool.errors import UsageError
from ovstool.switch import Switch
from ovstool.switch.sampling import Meter, SamplingSpec

WHY = "ovs-vswitchd updates the counters of tunnels and patch ports only every {} s"
S = 20  # limits what hangs


def transact(place, *operations: dict) -> None:
    argv = ["ovsdb-client", "transact", f"unix:{place}/db.sock", json.dumps(["Open_vSwitch", *operations])]
    said = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    assert "error" not in said, said


def interface(name: str, **columns) -> dict:
    return {"op": "update", "table": "Interface", "where": [["name", "==", name]], "row": columns}


def added(name: str, bridge: str = "br0", **columns) -> list[dict]:
    """The operations that add a port to a bridge."""
    return [
        {"op": "insert", "table": "Interface", "uuid-name": f"i_{name}", "row": {"name": name, **columns}},
        {"op": "insert", "table": "Port", "uuid-name": f"p_{name}", "row": {"name": name, "interfaces": ["named-uuid", f"i_{name}"]}},
        {"op": "mutate", "table": "Bridge", "where": [["name", "==", bridge]],
         "mutations": [["ports", "insert", ["set", [["named-uuid", f"p_{name}"]]]]]},
    ]  # fmt: skip


@pytest.fixture
def ports(place):
    """eth1 with number 1, vx0 and pa0, whose packets ovs-vswitchd counts, and eth3, which is not open; other_config is empty."""
    transact(
        place,
        {"op": "update", "table": "Bridge", "where": [["name", "==", "br0"]], "row": {"ports": ["set", []]}},
        {"op": "update", "table": "Open_vSwitch", "where": [], "row": {"other_config": ["map", []]}},
    )
    transact(
        place,
        *(
            op
            for name, number, kind in (("eth1", 1, ""), ("vx0", 3, "vxlan"), ("pa0", 4, "patch"))
            for op in added(name, ofport=number, type=kind)
        ),
        *added("eth3"),
    )
    return place


def counting(*numbers: int):
    """A peer with counters for these ports, or for the requested one: as many packets as the port's number."""

    def handler(stream: socket.socket) -> None:
        stream.sendall(HELLO)
        while header := stream.recv(8, socket.MSG_WAITALL):
            _, kind, length, xid = struct.unpack("!BBHI", header)
            body = stream.recv(length - 8, socket.MSG_WAITALL)
            if kind == 0:
                continue
            (asked,) = struct.unpack("!I", body[8:12])
            wanted = [number for number in numbers if asked in (number, 0xFFFFFFFF)]
            stream.sendall(answer(4, b"".join(struct.pack("!H2xIII8Q", 80, number, 9, 0, number, *[0] * 7) for number in wanted), xid=xid))

    return handler


@contextmanager
def metering(place, *names: str, **spec):
    switch = Switch(db=f"unix:{place}/db.sock")
    with closing(switch), closing(Meter(switch, SamplingSpec(names, **spec))) as meter:
        yield meter, switch


def counted(readings) -> dict[str, int | None]:
    return {reading.port: reading.counters.get("rx_packets") for reading in readings}


def counted_at_last(meter: Meter, expected: dict) -> None:
    """Read until the database has reported a change and the reading is as expected."""
    end = time.monotonic() + S
    while (found := counted(meter.read_again())) != expected:
        assert time.monotonic() < end, found
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("names", "spec", "every", "note"),
    [
        (("eth1",), {"interval_s": 0.1}, "0.5", None),
        (("vx0",), {"interval_s": 0}, "0.5", None),
        (("vx0",), {"interval_s": 0.1, "queues": True}, "0.5", None),
        (("vx0",), {"interval_s": 0.1, "source": "ovsdb"}, "0.5", None),
        (("vx0", "pa0"), {"interval_s": 1}, "0.5", "pa0, vx0: {}, so these rates may be off by 50%"),
        (("vx0", "eth1"), {"interval_s": 0.5}, "0.5", "vx0: {}, so these rates may be off by 100%"),
        ((), {"interval_s": 0.4}, "0.5", "pa0, vx0: null, because {}; try: --interval 1"),
        ((), {"interval_s": 60, "bursts": True}, "0.5", "pa0, vx0: null, because {}; try: --rate --interval 1"),
        ((), {"interval_s": 4, "bridge": "br0"}, "0.5", "pa0, vx0: {}, so these rates may be off by 12%"),
    ],
)
def test_for_which_intervals_tunnels_are_counted(ports, names, spec, every, note):
    with metering(ports, *names, **spec) as (meter, switch):
        meter.set_interval(meter._spec.interval_s)
        assert switch.notes == ([] if note is None else [note.format(WHY.format(every))])


@pytest.mark.parametrize("spec", [{"interval_s": 0.4}, {"interval_s": 60, "bursts": True}])
def test_a_tunnel_that_is_named_is_refused(ports, spec):
    with metering(ports, "vx0", "eth1", **spec) as (meter, switch), pytest.raises(UsageError) as caught:
        meter.set_interval(meter._spec.interval_s)
    assert (caught.value.what, caught.value.why, caught.value.hint) == (
        "vx0",
        WHY.format("0.5"),
        "--rate --interval 1" if spec.get("bursts") else "--interval 1",
    )
    assert switch.notes == []


@pytest.mark.parametrize(
    ("settings", "every"),
    [
        ({"max-revalidator": "2000"}, "2"), ({"max-revalidator": "99"}, "0.5"), ({"max-revalidator": "100"}, "0.1"),
        ({"max-idle": "300"}, "0.3"), ({"max-idle": "300", "max-revalidator": "200"}, "0.2"), ({"max-revalidator": "20000"}, "10"),
        ({"max-idle": "x", "max-revalidator": "y"}, "0.5"),
    ],
)  # fmt: skip
def test_how_often_ovs_vswitchd_counts_for_tunnels(ports, settings, every):
    transact(ports, {"op": "update", "table": "Open_vSwitch", "where": [], "row": {"other_config": ["map", list(settings.items())]}})
    with metering(ports, interval_s=0.05) as (meter, switch):
        meter.set_interval(meter._spec.interval_s)
        assert switch.notes == [f"pa0, vx0: null, because {WHY.format(every)}; try: --interval {2 * float(every):g}"]


def test_tunnels_are_left_out_of_intervals_that_are_too_short(ports):
    """Counters of the peer for other ports than the bridge's are ignored."""
    with peer(ports, counting(1, 3, 4, 9)):
        for interval_s, expected in ((0.4, None), (0.5, 3), (0, 3)):
            with metering(ports, interval_s=interval_s) as (meter, _):
                meter.set_interval(meter._spec.interval_s)
                found = counted(meter.read())
                assert (found["eth1"], found["vx0"], len(found)) == (1, expected, 3)
                assert meter.absent() == ["eth3"]


def test_readings_are_in_the_order_of_the_names(ports):
    with peer(ports, counting(1, 3, 4)), metering(ports, "pa0", "eth1", "vx0") as (meter, switch):
        assert [(reading.port, reading.bridge, reading.duration_s) for reading in meter.read()] == [
            ("pa0", "br0", 9.0), ("eth1", "br0", 9.0), ("vx0", "br0", 9.0),
        ]  # fmt: skip
        assert switch.notes == []


def test_a_port_with_a_new_number_disappears_and_returns(ports):
    with peer(ports, counting(1, 2, 5)), metering(ports, "eth1", "eth3", interval_s=0.01) as (meter, switch):
        assert counted(meter.read()) == {"eth1": 1} and meter.absent() == ["eth3"]
        assert switch.notes == ["eth3: gone or not open; waiting for it"]
        transact(ports, interface("eth1", ofport=5))
        counted_at_last(meter, {"eth1": 5})
        transact(ports, interface("eth3", ofport=2))
        counted_at_last(meter, {"eth1": 5, "eth3": 2})
        assert switch.notes[1:] == ["eth3: back"] and meter.absent() == []
        assert [reading.gap for reading in meter.read_again()] == [False, False]
        transact(ports, interface("eth1", ofport=-1))
        counted_at_last(meter, {"eth3": 2})
        assert switch.notes[2:] == ["eth1: gone or not open; waiting for it"] and meter.absent() == ["eth1"]


def test_a_port_that_is_deleted_is_not_read_under_its_number(ports):
    with peer(ports, counting(1, 3)), metering(ports, "eth1", "vx0", interval_s=0.01) as (meter, switch):
        assert counted(meter.read()) == {"eth1": 1, "vx0": 3}
        transact(ports, {"op": "update", "table": "Bridge", "where": [["name", "==", "br0"]], "row": {"ports": ["set", []]}})
        counted_at_last(meter, {})
        assert meter.absent() == ["eth1", "vx0"] and switch.notes == ["eth1, vx0: gone or not open; waiting for it"]


def test_new_ports_are_read_if_none_is_named(ports):
    with peer(ports, counting(1, 3, 4, 7)), metering(ports, interval_s=0.01) as (meter, _):
        meter.read()
        transact(ports, *added("eth7", ofport=7))
        counted_at_last(meter, {"eth1": 1, "vx0": 3, "pa0": 4, "eth7": 7})
        transact(ports, {"op": "update", "table": "Bridge", "where": [["name", "==", "br0"]], "row": {"ports": ["set", []]}})
        counted_at_last(meter, {})


def test_another_port_of_the_same_name_starts_over(ports):
    with peer(ports, counting(1, 2)), metering(ports, "eth1", interval_s=0.01) as (meter, _):
        assert [reading.gap for reading in meter.read()] == [False]
        transact(ports, {"op": "update", "table": "Bridge", "where": [["name", "==", "br0"]], "row": {"ports": ["set", []]}})
        transact(ports, *added("eth1", ofport=2))
        end = time.monotonic() + S
        while counted(readings := meter.read_again()) != {"eth1": 2}:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert [reading.gap for reading in readings] == [True]
        assert [reading.gap for reading in meter.read_again()] == [False]


def test_counters_of_the_database(ports):
    """With a few ports they are read with the first request, with many by another one."""
    transact(ports, interface("eth1", statistics=["map", [["rx_packets", 42]]]), interface("vx0", statistics=["map", [["rx_packets", 43]]]))
    for names in (("vx0", "eth1"), ()):
        with metering(ports, *names, source="ovsdb") as (meter, switch):
            found = meter.read()
            assert {port: number for port, number in counted(found).items() if number} == {"eth1": 42, "vx0": 43} and switch.notes == []
            assert all(
                reading.duration_s is None and reading.bridge == "br0" and abs(reading.time - time.time()) < 300 for reading in found
            )
    with metering(ports, "eth1", source="ovsdb", interval_s=5) as (meter, _):
        assert counted(meter.read()) == {"eth1": 42}
        transact(ports, interface("eth1", statistics=["map", [["rx_packets", 50]]]))
        assert counted(meter.read_again()) == {"eth1": 50}
