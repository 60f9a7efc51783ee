"""Checks on generated setups: in healthy ones they must find nothing; each known way of breaking one must be found.

``SETUPS=200 SEED=2`` tries more setups, and different ones.
"""

import broken
import pytest
import setups
from ovs_version import OVS
from severity import ERRORS, WARNINGS

from ovstool import sandbox


def findings(switch) -> list[tuple]:
    """The findings of both checks for all ports."""
    rows = [row for command in ("qos check", "police check") for row in setups.found(switch, command)]
    return [(row["port"], row["problem"], row["evidence"]) for row in rows]


def explained(made, found) -> list[str]:
    """Findings with their setups, for the failure message."""
    by_port = {port.name: str(setup) for setup in made for port in setup.ports}
    return [f"{port}: {problem}: {evidence} [{by_port.get(port)}]" for port, problem, evidence in found]


def test_healthy_setups_where_nothing_is_put_into_effect(switch):
    made = setups.Maker("dummy").setups(setups.wanted(16))
    setups.build(switch, made)
    assert explained(made, findings(switch)) == []


def test_healthy_setups_of_the_userspace_datapath(forwarding):
    made = setups.Maker("netdev", setups.qdiscs(forwarding)).setups(setups.wanted(12))
    setups.build(forwarding, made)
    try:
        assert explained(made, findings(forwarding)) == []
        for port in (port for setup in made for port in setup.ports if port.type not in (None, "noop") and port.queues):
            assert forwarding.ovstool(f"qos explain {port.name} -f json").json["problems"] == []
    finally:
        for setup in made:
            setups.remove(forwarding, setup)


@pytest.fixture
def led(switch):
    """``led(forms)``: two bridges with flows of these forms, each to its own queue of ``eth1``."""
    bridge = "add-br before -- set bridge before datapath_type=dummy -- add-port before in -- set interface in ofport_request=9"
    switch.vsctl(f"{bridge} {' '.join(setups.patched('before', 'x', 5, 'br0', 'y', 6))}")
    here, other = (int(switch.vsctl(f"get interface {name} ofport")) for name in ("eth1", "eth2"))

    def add(forms) -> dict[str, int]:
        queues = {form: number for number, form in enumerate(forms, 1)}
        switch.ovstool(
            ["qos", "set", "eth1", "--max-rate", "1gbit", *(word for n in (0, *queues.values()) for word in ("--queue", str(n)))]
        )
        for form, number in queues.items():
            said = setups.Said(forms[form], number, here, other, f"tcp,tp_dst={number}", number, 5, 6)
            setups.add(switch, "groups", "br0", said.of(said.leading.groups))
            setups.add(switch, "flows", "br0", said.of(said.leading.flows))
            setups.add(switch, "flows", "before", said.of(said.leading.before))
        return queues

    return add


def way_of(switch, form: str, leading: setups.Leading, number: int) -> str:
    """The datapath actions for a packet with the form's match, as ovs-vswitchd traces them."""
    bridge, port = ("before", "in") if leading.before else ("br0", "eth1" if form == "back" else "eth2")
    in_port = switch.vsctl(f"get interface {port} ofport")
    traced = switch.tool("ovs-appctl", "ofproto/trace", bridge, f"in_port={in_port},tcp,tcp_dst={number}")
    return "".join(line for line in traced.splitlines(keepends=True) if line.startswith("Datapath actions"))


def test_every_form_of_flows_that_leads_to_a_queue(switch, led):
    queues = led(setups.LEADINGS)
    for form, number in queues.items():
        way = way_of(switch, form, setups.LEADINGS[form], number)
        assert f"set(skb_priority({number:#x}))," in way or (form == "group that selects" and "recirc" in way), form
    assert findings(switch) == []
    switch.tool("ovs-ofctl", "del-flows", "br0")
    switch.tool("ovs-ofctl", "del-flows", "before")
    assert {problem for _, problem, _ in findings(switch)} == {"no flow leads to a queue"} and len(findings(switch)) == len(queues)


def test_forms_of_flows_that_lead_to_no_queue(switch, led):
    queues = led(setups.MISLEADINGS)
    for form, number in queues.items():
        way = way_of(switch, form, setups.MISLEADINGS[form], number)
        assert f"set(skb_priority({number:#x}))," not in way or form == "to another port", form
    assert [evidence.split(":")[0] for _, _, evidence in findings(switch)] == [f"queue {number}" for number in queues.values()]


# What only real devices show is tried on the userspace datapath, everything else where it is cheaper.
# Before 2.16 Open vSwitch does not police packets; from 3.2 on it gives tc 64-bit rates, and supports netem's jitter.
FINE = ("kpkts",) if OVS < (2, 16) else ("this Open vSwitch can hold", "jitter=") if OVS >= (3, 2) else ()
CASES = [case for case in broken.CASES if not any(word in case.problem or word in case.breaks for word in FINE)]
BROKEN = {"dummy": CASES, "netdev": [case for case in CASES if "dummy" not in case.where]}


@pytest.mark.parametrize("datapath", BROKEN)
def test_every_broken_setup_is_found(running_switch, datapath):
    if datapath == "netdev" and (problem := sandbox._netdev_problem()):
        pytest.skip(f"the netdev datapath {problem}")
    with running_switch(datapath, ()) as switch:
        broken.Bed(switch, datapath, BROKEN[datapath]).judge()


def test_every_problem_has_a_test():
    """Here, or in its own test where the setup needs more than a few commands."""
    shown = {case.problem for case in (*broken.CASES, *broken.WIDE)}
    assert ERRORS | WARNINGS == shown | broken.ELSEWHERE and not shown & broken.ELSEWHERE
