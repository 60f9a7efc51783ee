"""The flows of a document: which bridges and versions of OpenFlow they are compared with, and what is said before anything is changed."""

from types import SimpleNamespace

import pytest
from test_document_reading import read

from ovstool.document import flows
from ovstool.document.applying.applied import Applied
from ovstool.document.flows import making
from ovstool.document.state import BridgeState
from ovstool.errors import Refused, Unreachable, UsageError
from ovstool.switch import Change
from ovstool.switch.flow import text, whole
from ovstool.switch.snapshot import contents

SWITCH = SimpleNamespace(require_host=lambda what: None, management_socket=lambda bridge: f"/run/{bridge}.mgmt")


def state(settings=None, **owners):
    """A switch with br0, which has these settings, and the port of each of its interfaces."""
    ports = dict.fromkeys(owners.values(), "")
    return SimpleNamespace(bridges={"br0": BridgeState("br0", "", settings or {}, ports, {})}, owners=owners)


def document(of_bridge, name="br0"):
    found = read(f"bridges: {{{name}: {of_bridge}}}")
    assert found.errors == []
    return found.document


@pytest.fixture
def asked(monkeypatch):
    """The bridges that are asked for their flows, and the ports that these are yet to get."""
    found = []

    def difference(bridge, wanted, new_ports):
        found.append((bridge.protocols, list(new_ports)))
        return whole.Differing(text.Difference(["arp actions=drop"], []), [])

    monkeypatch.setattr(whole, "difference", difference)
    return found


@pytest.mark.parametrize(
    ("declared", "there", "wanted_by", "asked_by"),
    [
        ("", None, (), ()), ("protocols: [OpenFlow13], ", None, ("OpenFlow13",), ()), ("", "OpenFlow14", ("OpenFlow14",), ("OpenFlow14",)),
        ("protocols: [OpenFlow13], ", "OpenFlow14", ("OpenFlow13",), ("OpenFlow14",)), ("protocols: null, ", "OpenFlow10", (), ("OpenFlow10",)),
    ],
)  # fmt: skip
def test_the_versions_of_openflow(asked, declared, there, wanted_by, asked_by):
    found = state({("protocols",): (there,)} if there else {}, eth1="eth1", m1="bond0")
    page = document(f"{{{declared}flows: [arp actions=drop], ports: {{eth1: , new1: , bond0: {{bond: {{interfaces: [m1, m2]}}}}}}}}")
    [each] = flows.compared(SWITCH, page, found)
    assert (each.bridge.protocols, each.present.protocols, each.bridge.socket) == (wanted_by, asked_by, "/run/br0.mgmt")
    assert asked == [(asked_by, ["new1", "m2"])]
    assert each.lines() == [" br0:", "-arp actions=drop"]


def test_a_bridge_that_is_not_there_yet(asked):
    [each] = flows.compared(SWITCH, document("{flows: [arp actions=drop, ip actions=drop]}", "new"), state())
    assert (each.present, asked, each.lines()) == (None, [], [" new:", "+arp actions=drop", "+ip actions=drop"])
    [each] = flows.compared(SWITCH, document("{protocols: [OpenFlow10], flows: []}", "new"), state())
    assert each.lines() == [] and each.pairs() == []


def test_versions_that_cannot_change_flows_as_a_whole(asked):
    old = state({("protocols",): ("OpenFlow10",)})
    with pytest.raises(Refused, match=r"needs OpenFlow 1\.3 or newer"):
        list(flows.compared(SWITCH, document("{flows: [arp actions=drop]}"), old))
    assert list(flows.compared(SWITCH, document("{flows: []}"), old)) and asked == [(("OpenFlow10",), [])]


def test_without_programs_on_the_host():
    def require_host(what):
        raise Unreachable(what, "needs a host")

    switch = SimpleNamespace(**vars(SWITCH) | {"require_host": require_host})
    with pytest.raises(Unreachable, match="the flows of a document: needs a host"):
        list(flows.compared(switch, document("{flows: []}"), state()))


@pytest.mark.parametrize(
    ("flow", "lost"),
    [
        ("in_port=old1 actions=drop", "old1"), ("arp actions=output:m1", "m1"), ("arp actions=output:eth1", None),
        ("arp actions=output:m2", None), ("arp actions=output:far1", None),
    ],
)  # fmt: skip
def test_flows_that_name_ports_which_leave(flow, lost):
    """A port that leaves, a member that a bond loses; not a member that moves to another port, nor a port of another bridge."""
    page = document(f"{{flows: [ip actions=drop, '{flow}'], ports: {{eth1: , bond0: {{bond: {{interfaces: [m2, m3]}}}}}}}}")
    found = state(eth1="eth1", old1="old1", m1="bond0", m2="bond0", far1="far1")
    leaving = {"br0": {"old1", "bond0"}}
    if not lost:
        flows.require_ports(page, found, leaving)
        return
    with pytest.raises(UsageError) as error:
        flows.require_ports(page, found, leaving)
    assert str(error.value) == f"page.yaml:1:42: names port {lost}, which this change removes; try: port {lost} in the document"


@pytest.fixture
def refusing(monkeypatch):
    """What is done to the flows of bridges: those of br1 are refused."""
    done = []

    def make(bridge, wanted, found):
        if bridge.name == "br1":
            raise Refused("flow actions=group:9", "no such group")
        done.append(f"{bridge.name} made")

    monkeypatch.setattr(whole, "make", make)
    monkeypatch.setattr(whole, "make_flags", lambda bridge, wanted, found: None)
    monkeypatch.setattr(contents, "read", lambda bridge, known: f"flows of {bridge.name}")
    monkeypatch.setattr(contents, "make", lambda bridge, had: done.append(f"{bridge.name} back to {had}"))
    return done


@pytest.mark.parametrize(("is_first_other", "said"), [(True, "the switch was put back as it was"), (False, "nothing was changed")])
def test_the_second_bridge_refuses_its_flows(monkeypatch, refusing, is_first_other, said):
    """The database has them already; of the flows, those of the first bridge were changed if they were others."""
    page = read("bridges: {br0: {flows: [arp actions=drop]}, br1: {flows: ['actions=group:9']}}").document
    bridges = {name: BridgeState(name, "", {}, {}, {}) for name in ("br0", "br1")}
    found = SimpleNamespace(bridges=bridges, owners={})

    def difference(bridge, wanted, new_ports=()):
        differs = bridge.name == "br1" or is_first_other
        return whole.Differing(text.Difference([], wanted.lines if differs else []), [])

    def write(build, committed, before_commit):
        txn = SimpleNamespace(writes=[])
        done = build(txn)
        before_commit(txn)
        committed(done)
        return done

    monkeypatch.setattr(whole, "difference", difference)
    looked = []
    switch = SimpleNamespace(**vars(SWITCH), write=write, rearm=lambda: None, same_lines=[], as_ovs=True, notes=[])
    steps = making._Apply(switch, list(flows.compared(switch, page, found)))
    applied = Applied([Change("br0", "unchanged")], [], [], [])
    with pytest.raises(Refused) as error:
        steps.run(lambda txn: applied, looked.append)
    assert str(error.value) == f"bridge br1: flow actions=group:9: no such group; {said}" and looked == [applied]
    assert refusing == ["br0 made", *(f"{name} back to flows of {name}" for name in ("br0", "br1") if is_first_other)]
