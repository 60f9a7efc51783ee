"""What a bridge would lose, who controls it, and which mirrors use ports: decided and reported without a switch."""

import pytest

from ovstool.switch import losses
from ovstool.switch.losses import Contents, ControlSettings

RUNDIR = "/run/ovs"


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (Contents(1, 0, 0, 0), "1 flow"),
        (Contents(2, 0, 0, 0), "2 flows"),
        (Contents(0, 0, 1, 0), "1 group"),
        (Contents(0, 0, 0, 3), "3 meters"),
        (Contents(0, 0, 2, 1), "2 groups and 1 meter"),
        (Contents(5, 2, 1, 2), "5 flows, 1 group and 2 meters"),
    ],
)
def test_what_a_bridge_has_is_counted(contents, said):
    assert contents and str(contents) == said


def test_nothing_is_nothing():
    assert not Contents(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("contents", "is_ours"),
    [((2, 2, 0, 0), True), ((3, 2, 0, 0), False), ((2, 2, 1, 0), False), ((2, 2, 0, 1), False)],
)
def test_flows_are_ours_if_all_of_them_steer(contents, is_ours):
    assert Contents(*contents).is_ours is is_ours


@pytest.mark.parametrize(
    ("target", "is_heeded"),
    [
        ("tcp:127.0.0.1:1", True),
        ("ptcp:6653", True),
        ("ssl:a/b", True),
        ("unix:br0.c", True),
        ("punix:br0.c", True),
        ("unix:/run/ovs/c.sock", True),
        ("punix:/run/ovs/c.sock", True),
        ("unix:/run/ovs2/c.sock", False),
        ("punix:/tmp/c.sock", False),
        ("unix:c/d", False),
    ],
)
def test_only_sockets_in_the_run_directory_count(target, is_heeded):
    """Open vSwitch confines them there (remote_confined of bridge.c)."""
    assert losses.is_heeded(target, RUNDIR) is is_heeded


@pytest.mark.parametrize(
    ("controllers", "has_primary"),
    [
        ({}, False),
        ({"tcp:127.0.0.1:1": None}, True),
        ({"ssl:127.0.0.1:1": None}, True),
        ({"unix:/run/ovs/c.sock": None}, True),
        ({"unix:/tmp/c.sock": None}, False),
        ({"unix:/tmp/c.sock": "primary"}, False),
        ({"ptcp:": None, "pssl:": None, "punix:c": None}, False),
        ({"ptcp:": None, "tcp:127.0.0.1:1": None}, True),
        ({"ptcp:": "primary"}, True),
        ({"tcp:127.0.0.1:1": "service"}, False),
    ],
)
def test_the_primary_controller(controllers, has_primary):
    assert ControlSettings("", None, controllers).has_primary(RUNDIR) is has_primary


@pytest.mark.parametrize(("fail_mode", "is_secure"), [(None, False), ("standalone", False), ("secure", True)])
def test_secure(fail_mode, is_secure):
    assert ControlSettings("", fail_mode, {}).is_secure is is_secure


def mirror(name: str, **columns) -> dict:
    empty = {"select_all": False} | {c: ["set", []] for c in ("select_src_port", "select_dst_port", "output_port", "output_vlan")}
    return empty | {"name": name} | columns


A, B, C = (["uuid", letter * 4] for letter in "abc")


@pytest.mark.parametrize(
    ("row", "note"),
    [
        (mirror("m", output_port=A), "mirror m mirrors nothing from now on: eth-a was its output port"),
        (mirror("m", output_port=A, output_vlan=0), "mirror m sends to VLAN 0 from now on: eth-a was its output port"),
        (mirror("m", output_port=C, select_src_port=A), "mirror m no longer selects eth-a, and mirrors nothing, as no port is left"),
        (mirror("m", select_src_port=["set", [B, A]], select_dst_port=C), "mirror m no longer selects eth-a, eth-b"),
        (mirror("m", select_dst_port=B, select_src_port=C), "mirror m no longer selects eth-b"),
        (mirror("m", select_dst_port=B, select_all=True), None),
        (mirror("m", output_port=C, select_src_port=C), None),
        (mirror("m", output_vlan=5), None),
    ],
)
def test_what_a_mirror_loses(row, note):
    """When eth-a and eth-b are deleted and another port stays."""
    assert losses.of_mirrors([row], {"aaaa": "eth-a", "bbbb": "eth-b"}) == ([note] if note else [])


def test_mirrors_are_reported_by_name():
    rows = [mirror(name, output_port=A) for name in ("m2", "m1")]
    assert [note.split()[1] for note in losses.of_mirrors(rows, {"aaaa": "eth-a"})] == ["m1", "m2"]
