"""Deleting ports of mirrors: the database removes them from mirrors silently, so the command prints a note."""

import pytest

MIRROR = "-- set bridge br0 mirrors=@m -- --id=@e1 get port eth1 -- --id=@e2 get port eth2 -- --id=@l get port br0 -- --id=@m create mirror name=m"


@pytest.mark.parametrize(
    ("mirror", "said"),
    [
        ("output_port=@e1 select_all=true", "mirror m mirrors nothing from now on: eth1 was its output port"),
        ("output_port=@e1 output_vlan=9 select_all=true", "mirror m sends to VLAN 9 from now on: eth1 was its output port"),
        ("output_port=@e2 select_src_port=@e1", "mirror m no longer selects eth1, and mirrors nothing, as no port is left"),
        ("output_port=@e2 select_src_port=@e1 select_dst_port=@e1,@l", "mirror m no longer selects eth1"),
        ("output_port=@e2 select_src_port=@e1 select_all=true", None),
        ("output_port=@e2 select_src_port=@l", None),
    ],
)
def test_what_a_mirror_loses_is_noted(switch, ovstool, mirror, said):
    switch.vsctl(f"{MIRROR} {mirror}")
    notes = f"ovstool: note: {said}\n" if said else ""
    assert notes in ovstool("port del eth1 -n").stderr and len(switch.rows("Mirror")) == 1
    result = ovstool("port del eth1")
    assert (result.stdout, result.stderr) == ("eth1: deleted\n", notes)
    row = switch.rows("Mirror", "output_port", "select_src_port", "select_dst_port")[0]
    ports = switch.rows("Port", "_uuid")
    held = [u for value in row.values() for u in (value[1] if value[0] == "set" else [value])]
    assert all({"_uuid": u} in ports for u in held)  # as the note says
    assert ovstool("bridge del br0").stderr == "" and switch.rows("Mirror") == []
