"""Names that a flow, a command line or the kernel would misread are refused for new objects; existing ones can be managed."""

import io
import json

import pytest

from ovstool.shell import App

USAGE = 2
MEANT_OTHERWISE = [
    "IN_PORT", "in_port", "Table", "NORMAL", "flood", "ALL", "CONTROLLER", "LOCAL", "any", "unset", "none", "0", "1", "65534", "007", "+5", "0x1F",
    "-y", "--", "actions", "a b", "a\tb", "a\nb", "a\x1b[31mb", "a\x7f", "a/b", ".", "..", "iface-id:x",
    "a\u2028b", "",
]  # fmt: skip


@pytest.mark.parametrize("name", MEANT_OTHERWISE, ids=repr)
def test_such_names_are_refused(names, name):
    for words in (
        ["port", "add", "br0", "--type=internal", "--", name],
        ["port", "add", "br0", "bond0", f"--bond={name},eth9"],
        ["bridge", "add", "--", name],
    ):
        assert names(words) == USAGE, words


@pytest.mark.parametrize("name", MEANT_OTHERWISE, ids=repr)
def test_such_peers_are_refused(names, name):
    assert names(["port", "add", "br0", "patch0", f"--peer={name}"]) == USAGE
    assert names(["port", "set", "eth1", "--type=patch", f"--option=peer={name}"]) == USAGE


def test_names_that_can_be_quoted_are_accepted(switch, ovstool):
    for number, name in enumerate(["a,b", "a=b", "a(b", "a)b", 'a"b', "a'b", "a#b", "eth0:1"]):
        assert ovstool(["port", "add", "br0", name]).code == 0, name
        flow = f"priority={number + 1},in_port={json.dumps(name, ensure_ascii=False)},actions=drop"
        assert [ovstool(["flow", "add", "br0", flow]).stdout for _ in range(2)] == [f"{flow}: created\n", f"{flow}: unchanged\n"]
        numbered = switch.tool(
            "ovs-ofctl", "--no-names", "dump-flows", "br0", f"in_port={switch.vsctl(f'get Interface {json.dumps(name)} ofport')}"
        )
        assert f"priority={number + 1}," in numbered, name


def test_names_without_a_device_may_be_longer(switch, ovstool):
    for words in (
        "vxlan-to-the-other-rack --type vxlan --remote-ip 192.0.2.7",
        "patch-to-the-other-bridge --peer patch-to-the-first-bridge",
    ):
        assert ovstool(f"port add br0 {words} --no-wait").code == 0
    assert ovstool("port add br0 bond-of-many-members --bond eth7,eth8 --no-wait").code == 0


def test_existing_objects_with_such_names_are_shown_and_deleted(switch, ovstool):
    theirs = ["IN_PORT", "0", "a,b", "a b", 'a"b', "actions", "a=b"]
    for name in theirs:
        switch.vsctl(f"--no-wait -- add-port br0 '{name}'")
    assert {row["port"] for row in ovstool("port list -f json").json} >= set(theirs)
    for name in theirs:
        assert ovstool(["port", "show", name, "-f", "json"]).json["port"] == name
    assert ovstool(["qos", "set", *theirs, "--max-rate", "1mbit", "--no-wait"]).code == 0
    assert ovstool(["qos", "list", "-f", "json"]).code == 0
    assert ovstool(["port", "del", "--no-wait", *theirs]).code == 0
    assert json.dumps(ovstool("port list -f json").json).count("IN_PORT") == 0 and switch.orphans() == []


@pytest.fixture(scope="module")
def names(running_switch):
    """``names(words)``: the exit code of a command that must change nothing, run in this process because there are hundreds."""
    with running_switch("dummy") as switch:
        before = switch.dump()

        def run(words: list[str]) -> int:
            out, err = io.StringIO(), io.StringIO()
            code = App(out, err).run(["--db", switch.box.db, *words[:2], "--no-wait", *words[2:]])
            assert err.getvalue().startswith("ovstool: ") and err.getvalue()[:-1].isprintable(), err.getvalue()
            return code

        yield run
        assert switch.dump() == before
