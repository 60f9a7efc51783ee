"""Changes of flows as lines of ovs-ofctl; tests/switch/test_as_ovs.py checks that they do the same."""

import shlex

import pytest

from ovstool.host import CommandLine
from ovstool.openflow import ofctl_line
from ovstool.openflow.syntax.given_flows import GivenFlows

ADD, DELETE = ["--bundle", "add-flows"], ["del-flows"]
BOTH = GivenFlows.checked(["ip actions=drop", "arp actions=drop"])
FILE = ["ip actions=drop", "", "# none"]


@pytest.mark.parametrize(
    ("bridge", "protocols", "command", "match", "typed"),
    [
        ("br0", (), DELETE, "", "-O OpenFlow14 del-flows br0"),
        ("br0", ("OpenFlow10",), DELETE, "ip", "-O OpenFlow10 del-flows br0 ip"),
        ("br0", ("OpenFlow13", "OpenFlow10"), ["--strict", *DELETE], "ip", "-O OpenFlow13 --strict del-flows br0 ip"),
        ("br0", ("OpenFlow15", "OpenFlow14"), DELETE, "", "-O OpenFlow15 del-flows br0"),
        ("br0", ("OpenFlow16",), DELETE, "", "-O OpenFlow14 del-flows br0"),
        ("-b", (), DELETE, "ip", "-O OpenFlow14 del-flows -- -b ip"),
        ("unix:/a b/br0.mgmt", (), DELETE, "", "-O OpenFlow14 del-flows 'unix:/a b/br0.mgmt'"),
    ],
)
def test_a_deletion(bridge, protocols, command, match, typed):
    line = ofctl_line.line(bridge, protocols, command, None, match)
    assert line == CommandLine(("ovs-ofctl", *shlex.split(typed)))


@pytest.mark.parametrize(
    ("flows", "command", "typed", "stdin", "file"),
    [
        (BOTH, ADD, "--bundle add-flows br0", tuple(BOTH.lines), None),
        (GivenFlows.checked(["add ip actions=drop # all"]), ADD, "add-flow br0 'ip actions=drop'", (), None),
        (GivenFlows(["add,table=0,ip,actions=drop"]), ADD, "add-flow br0 table=0,ip,actions=drop", (), None),
        (GivenFlows(["delete_strict,table=0,ip"]), ["add-flows"], "--strict del-flows br0 table=0,ip", (), None),
        (GivenFlows(["delete_strict,ip", "add,ip,actions=drop"]), ADD, "--bundle add-flows br0", ("delete_strict,ip", "add,ip,actions=drop"), None),
        (GivenFlows.checked(FILE, "f"), ADD, "--bundle add-flows br0", (), "f"),
        (GivenFlows.checked(FILE, "-"), ADD, "--bundle add-flows br0", (), "-"),
        (GivenFlows.checked(FILE, "-f"), ADD, "--bundle add-flows -- br0", (), "-f"),
        (GivenFlows.checked(['in_port="eth0.5-a_1" actions=output:"a\\u003Ab"'], "f"), ADD, "--bundle add-flows br0", (), "f"),
        # Text of the file that ovs-ofctl would read differently.
        (GivenFlows.checked(["add ip actions=drop"], "f"), ["--bundle", "replace-flows"], "--bundle replace-flows br0", ("ip actions=drop",), None),
        (GivenFlows.checked(['in_port="reaction" actions=drop'], "f"), ADD, r"""add-flow br0 'in_port="re\u0061ction" actions=drop'""", (), None),
        (GivenFlows.checked(['in_port="a,b" actions=drop', "#"], "f"), ADD, r"""add-flow br0 'in_port="a\u002cb" actions=drop'""", (), None),
    ],
)  # fmt: skip
def test_flows_that_are_given(flows, command, typed, stdin, file):
    line = ofctl_line.line("br0", (), command, flows, "")
    assert line == CommandLine(("ovs-ofctl", "-O", "OpenFlow14", *shlex.split(typed)), stdin, file)
