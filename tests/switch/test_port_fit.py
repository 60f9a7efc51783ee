"""Whether a port fits its Open vSwitch: the types, the version, other tunnels, and the peers of patch ports."""

from contextlib import closing

import pytest

from ovstool.errors import Conflict, OvstoolError, Refused, UsageError
from ovstool.ovsdb.transaction import Query, Transaction
from ovstool.switch import Finding, Switch
from ovstool.switch.accepts import port_fit, port_modes

PATIENCE_S = 300  # the timeout covers all that a test asks of one Switch, and the machine may be busy
HERE = "gre,internal,patch,system,vxlan"
MADE = """
    add-br br1 -- set bridge br1 datapath_type=dummy -- add-br br2 -- set bridge br2 datapath_type=netdev
    -- add-port br1 p2 -- set interface p2 type=patch options:peer=p1 -- add-port br2 p3 -- set interface p3 type=patch options:peer=p1
    -- add-port br0 t0 -- set interface t0 type=gre options:remote_ip=192.0.2.1
"""
GRE = {"remote_ip": "192.0.2.9"}


@pytest.fixture(scope="module")
def running(running_switch):
    with running_switch("dummy") as switch:
        switch.vsctl(" ".join(MADE.split()))
        yield switch


@pytest.fixture
def txn(running):
    """A transaction on a switch whose Open vSwitch is 3.1 and has a few types."""
    running.vsctl(f"--no-wait set open_vswitch . iface_types={HERE} ovs_version=3.1.0")
    with closing(Switch(running.box.db, timeout_s=PATIENCE_S)) as asked:
        yield Transaction(asked.client)


def row(name: str, kind: str = "", **options: str) -> dict:
    return {"name": name, "type": kind, "options": ["map", list(options.items())]}


def refusal(txn: Transaction, before: dict | None, after: dict, asked: dict) -> tuple[type[OvstoolError], str]:
    with pytest.raises(OvstoolError) as refused:
        port_fit.check(txn, before, after, asked)
    return type(refused.value), str(refused.value)


@pytest.mark.parametrize(
    ("before", "after", "asked"),
    [
        (None, row("eth9"), {}),
        (None, row("g1", "gre", **GRE), GRE),
        (None, row("g1", "gre", **GRE, key="5"), GRE | {"key": "5"}),
        (None, row("t0", "gre", remote_ip="192.0.2.1"), {"remote_ip": "192.0.2.1"}),  # its own peer
        (None, row("g1", "vxlan", remote_ip="192.0.2.1"), {"remote_ip": "192.0.2.1"}),  # of another type
        (None, row("br0", "internal"), {}),
        (None, row("br0"), {}),  # refused by the database
        (row("br0", "internal"), row("br0", "internal"), {}),
        (row("eth1"), row("eth1", "internal"), {}),
        (row("eth1", "internal"), row("eth1"), {}),
        (row("dp0", "nosuch"), row("dp0", "nosuch", a="b"), {}),  # it had this type before
        (row("eth1", "", a="b"), row("eth1", "internal", a="b"), {"a": "b"}),
        (row("x1", "system", a="b"), row("x1", "system", a="b"), {}),
        (row("x1", "", a="b"), row("x1", "system", a="b"), {}),
        (row("g1", "gre", **GRE, nosuch="1"), row("g1", "gre", **GRE, nosuch="1", ttl="5"), {"ttl": "5"}),
    ],
)
def test_ports_that_fit(txn, before, after, asked):
    found = port_fit.check(txn, before, after, asked)
    assert found == (port_modes.of_options("eth1", "internal", ["a"]) if asked == {"a": "b"} else [])


NO_TYPE = "this Open vSwitch does not support type {}; it supports gre, internal, patch, system, vxlan"
LONG = "a-name-of-16-byt"
LOCAL = "the local port of a bridge is internal, whatever its type says"


@pytest.mark.parametrize(
    ("before", "after", "asked", "kind", "said"),
    [
        (None, row("x", "nosuch"), {}, Refused, "port x: " + NO_TYPE.format("nosuch")),
        (None, row("x", "vxlam"), {}, Refused, "port x: " + NO_TYPE.format("vxlam") + "; try: --type vxlan"),
        (None, row("x", "tap"), {}, Refused, "port x: " + NO_TYPE.format("tap")),
        (row("x"), row("x", "tap"), {}, Refused, "port x: " + NO_TYPE.format("tap")),
        (None, row("g1", "gre", remote_ip="192.0.2.1"), {"remote_ip": "192.0.2.1"}, Conflict,
         "port g1: t0 is already a gre tunnel with the same addresses, key and port; try: another --key or --remote-ip"),
        (row("g1", "gre", **GRE), row("g1", "gre", remote_ip="192.0.2.1"), {"remote_ip": "192.0.2.1"}, Conflict,
         "port g1: t0 is already a gre tunnel with the same addresses, key and port; try: another --key or --remote-ip"),
        (None, row("g1", "gre"), {}, UsageError, "port g1: gre needs the option remote_ip; try: --remote-ip IP"),
        (None, row("g1", "gre", **GRE, ttl="0"), GRE | {"ttl": "0"}, UsageError, "port g1: option ttl must be 1 to 255 or inherit, not 0"),
        (row("g1", "vxlan", **GRE, exts="gbp"), row("g1", "gre", **GRE, exts="gbp"), {}, UsageError,
         "port g1: gre has no option exts, which the port has; try: --unset options:exts"),
        (row("br0", "internal"), row("br0"), {}, UsageError, f"port br0: {LOCAL}"),
        (row("br0", "internal"), row("br0", "gre", **GRE), GRE, UsageError, f"port br0: {LOCAL}"),
        (None, row(LONG), {}, UsageError, f"port {LONG}: a device name has at most 15 bytes, so this would become {LONG[:15]}; try: a shorter name"),
        (None, row(LONG, "internal"), {}, UsageError, f"port {LONG}: a device name has at most 15 bytes, so this would become {LONG[:15]}; try: a shorter name"),
        (None, row("ovs-system"), {}, UsageError, "port ovs-system: Open vSwitch reserves this name for its own devices; try: another name"),
    ],
)  # fmt: skip
def test_ports_that_do_not(txn, before, after, asked, kind, said):
    assert refusal(txn, before, after, asked) == (kind, said)


def test_an_open_vswitch_with_dummy_devices(txn, running):
    """Such as in tests: names may be long, options are not checked, and tunnels are only names."""
    running.vsctl(f"--no-wait set open_vswitch . iface_types={HERE},dummy")
    assert port_fit.check(txn, None, row(LONG), {}) == []
    assert port_fit.check(txn, None, row("eth9", "", a="b"), {"a": "b"}) == []
    assert port_fit.check(txn, None, row("g1", "gre", remote_ip="192.0.2.1"), {"remote_ip": "192.0.2.1"}) == []


def test_without_known_types_any_is_accepted(txn, running):
    running.vsctl("--no-wait clear open_vswitch . iface_types")
    assert port_fit.check(txn, None, row("x", "nosuch"), {}) == []


def test_options_of_a_later_open_vswitch(txn, running):
    asked = GRE | {"later": "1"}
    assert refusal(txn, None, row("g1", "gre", **asked), asked)[0] is UsageError
    running.vsctl("--no-wait set open_vswitch . ovs_version=99.1")
    assert port_fit.check(txn, None, row("g1", "gre", **asked), asked) == port_modes.of_later("g1", "gre", ["later"])
    was = row("g1", "vxlan", **asked)
    assert port_fit.check(txn, was, row("g1", "gre", **asked), {}) == []  # reported where the option is set
    assert port_fit.check(txn, was, row("g1", "gre", **asked, ttl="5"), {"ttl": "5"}) == []
    assert "option ttl must be" in refusal(txn, None, row("g1", "gre", **asked, ttl="0"), asked | {"ttl": "0"})[1]


def nowhere(evidence: str, *remedy: tuple[str, ...]) -> Finding:
    return Finding("p1", "error", "the patch port leads nowhere", evidence, remedy)


SINGLE = {"bond_mode": ["set", []], "lacp": ["set", []]}


@pytest.mark.parametrize(
    ("peer", "found"),
    [
        ("p2", []),
        ("p3", [nowhere("br0 has a datapath of type dummy, br2 of type netdev")]),
        ("p4", [nowhere("there is no port p4", ("ovstool", "port", "add", "br1", "p4", "--peer", "p1"))]),
        ("eth1", [nowhere("eth1 is not a patch port")]),
        ("t0", [nowhere("t0 is not a patch port")]),
    ],
)
def test_where_a_patch_port_leads(txn, peer, found):
    member = row("p1", "patch", peer=peer)
    (eth2,) = txn.read(Query("Port", [["name", "==", "eth2"]], ("_uuid", "name", "interfaces")))
    assert port_fit.findings(txn, "br0", SINGLE | {"name": "p1"}, [member]) == found
    assert port_fit.findings(txn, "", SINGLE | eth2, [row("eth8"), row("eth9", "gre", peer="x"), member]) == found  # the bridge of eth2


def test_a_patch_port_that_leads_to_another_one(txn):
    member = row("p5", "patch", peer="p2")
    (finding,) = port_fit.findings(txn, "br0", SINGLE | {"name": "p5"}, [member])
    assert (finding.evidence, finding.remedy) == ("the peer of p2 is p1", (("ovstool", "port", "set", "p2", "--peer", "p5"),))
    assert port_fit.findings(txn, "br0", SINGLE | {"name": "p5"}, [row("p5", "patch")]) == []


def test_a_bond_is_checked_as_a_whole(txn):
    bond = {"name": "b0", "bond_mode": "balance-tcp", "lacp": ["set", []]}
    assert port_fit.findings(txn, "br0", bond, [row("eth8"), row("eth9")]) == port_modes.of_bond("b0", bond, 2) != []
    assert port_fit.findings(txn, "br0", bond, [row("eth8")]) == []
