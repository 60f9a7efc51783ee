"""Rows of a bridge that the switch no longer has: a Flow_Sample_Collector_Set keeps them, and no command takes them for a bridge."""

import io
import shlex

import pytest

from ovstool.shell import App

NOT_FOUND, CONFLICT = 3, 4
KEEP = "-- --id=@b get Bridge br0 -- --id=@i create IPFIX targets='\"127.0.0.1:9\"' -- create Flow_Sample_Collector_Set id=1 bridge=@b ipfix=@i"


def test_a_bridge_is_deleted_whatever_refers_to_it(switch, ovstool):
    """ovs-vsctl deletes the Flow_Sample_Collector_Set of a bridge too."""
    switch.vsctl(f"--no-wait {KEEP}")
    ovstool("qos set eth1 --max-rate 10mbit --queue 0 --no-wait")
    assert ovstool("bridge del br0").stdout == "br0: deleted\n"
    assert all(switch.rows(table) == [] for table in ("Bridge", "Port", "Interface", "Flow_Sample_Collector_Set", "IPFIX", "QoS", "Queue"))
    assert ovstool("bridge del br0 --if-exists").stdout == "br0: unchanged\n"
    assert ovstool("bridge add br0 --datapath-type dummy").stdout == "br0: created\n"
    assert switch.vsctl("list-br") == "br0"


def unlist(switch) -> None:
    """Leave a switch with no bridge but br9, whose database still has all rows of br0."""
    switch.vsctl(f"--no-wait {KEEP}")
    switch.vsctl("--no-wait -- set port eth1 qos=@q -- --id=@q create QoS type=linux-htb other_config:max-rate=5000000")
    switch.vsctl("--no-wait -- set interface eth1 ingress_policing_rate=1000 external_ids:iface-id=vm1")
    switch.vsctl("--no-wait -- set bridge br0 sflow=@s -- --id=@s create sFlow targets='\"127.0.0.1:9\"'")
    switch.vsctl(f"--no-wait -- remove Open_vSwitch . bridges {switch.vsctl('get bridge br0 _uuid')}")
    assert [row["name"] for row in switch.rows("Bridge", "name")] == ["br0"] and switch.vsctl("list-br") == ""
    assert switch.ovstool("bridge add br9 --datapath-type dummy").stdout == "br9: created\n"


@pytest.fixture
def unlisted(switch):
    unlist(switch)
    return switch


def test_no_list_has_it(unlisted, ovstool):
    assert [row["bridge"] for row in ovstool("bridge list -f json").json] == ["br9"]
    assert [row["bridge"] for row in ovstool("show -f json").json["bridges"]] == ["br9"]
    assert [row["port"] for row in ovstool("port list -f json").json] == ["br9"]
    assert [row["port"] for row in ovstool("stats --source ovsdb -f json").json] == ["br9"]
    for command in ("qos list", "police list", "sflow list", "qos check", "police check", "sflow check"):
        assert ovstool(f"{command} -f json").json == [], command


@pytest.mark.parametrize(
    "command",
    [
        "bridge show br0", "bridge set br0 --fail-mode secure", "bridge del br0", "port list br0", "port show eth1", "port show iface-id:vm1",
        "port show ofport:br0/1", "port set eth1 --tag 1", "port del eth1", "port add br0 eth9", "qos set eth1 --max-rate 1mbit", "qos show eth1", "qos clear eth1",
        "police set eth1 --rate 1mbit", "sflow disable br0", "stats eth1", "show br0",
    ],
)  # fmt: skip
def test_it_is_not_found(unlisted_names, command):
    assert unlisted_names(command) == NOT_FOUND


@pytest.mark.parametrize("command", ["bridge add br0", "bridge add eth1", "port add br9 eth1", "port add br9 bond0 --bond eth1,eth7"])
def test_its_names_are_taken(unlisted_names, command):
    """A name is unique in its table, whatever keeps the row."""
    assert unlisted_names(command) == CONFLICT


def test_a_new_port_may_have_the_qos_that_it_keeps(unlisted, ovstool):
    """Any reference to a row counts, whether from a bridge of the switch or not."""
    u = unlisted.vsctl("get port eth1 qos")
    unlisted.vsctl(f"--no-wait -- add-port br9 p9 -- set port p9 qos={u}")
    assert ovstool("qos gc --no-wait").stdout == ""
    assert ovstool("qos clear p9 --no-wait").stdout == "p9: deleted\n"
    assert unlisted.vsctl("get port eth1 qos") == u and len(unlisted.rows("QoS")) == 1
    assert ovstool("bridge del br9 --no-wait").stdout == "br9: deleted\n"


@pytest.fixture(scope="module")
def unlisted_names(running_switch):
    """``unlisted_names(command)``: the exit code of a command that must change nothing, run in this process."""
    with running_switch("dummy") as switch:
        unlist(switch)
        before = switch.dump()

        def run(command: str) -> int:
            out, err = io.StringIO(), io.StringIO()
            code = App(out, err).run(["--db", switch.box.db, *shlex.split(command)])
            assert out.getvalue() == "" and err.getvalue().count("\n") == 1
            return code

        yield run
        assert switch.dump() == before
