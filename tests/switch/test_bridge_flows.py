"""The announced loss of flows when a bridge changes is the real one, as checked with ovs-ofctl after the change."""

import io
import shlex

import pytest

from ovstool.shell import App

CONFLICT = 4
PRIMARY, LISTENING = "--controller tcp:127.0.0.1:1", "--controller ptcp:0:127.0.0.1"
# Settings from which each change starts, and whether it loses all flows, groups and meters: measured with 3.1 and read from the code of 2.13
# to 3.7.
COSTS = [
    ("", "--fail-mode secure"),
    ("", PRIMARY),
    ("", f"{PRIMARY} --fail-mode secure"),
    ("", "--datapath-type netdev"),
    ("--fail-mode secure", "--fail-mode standalone"),
    ("--fail-mode secure", "--unset fail_mode"),
    ("--fail-mode secure", f"{LISTENING} {PRIMARY}"),
    (LISTENING, "--fail-mode secure"),
    (PRIMARY, "--unset controller"),
    (PRIMARY, LISTENING),
    (f"{PRIMARY} --fail-mode secure", "--unset controller --fail-mode secure"),
]
COSTS_NOTHING = [
    ("", "--fail-mode standalone"),
    ("", LISTENING),
    ("", "--controller punix:nowhere"),
    ("", "--controller unix:/nowhere/at.all"),
    ("", "--datapath-type dummy"),
    ("", "--protocols OpenFlow13"),
    ("", "--other-config hwaddr=02:00:00:00:00:01 --other-config datapath-id=0000000000000001 --other-config disable-in-band=true"),
    ("--fail-mode standalone", "--unset fail_mode"),
    ("--fail-mode secure", LISTENING),
    (PRIMARY, "--fail-mode secure"),
    (PRIMARY, "--controller tcp:127.0.0.1:2 --controller tcp:127.0.0.1:1"),
    (PRIMARY, "--controller tcp:127.0.0.1:2"),
    (LISTENING, "--unset controller"),
]


class Bridge:
    """br1 of a switch that is shared by the tests of this module."""

    def __init__(self, switch):
        self.switch = switch

    def begin(self, settings: str) -> None:
        """Create br1 anew with these settings, and with a flow, a group and two meters."""
        made = self.run(f"bridge add br1 --datapath-type dummy {settings}")
        assert made[0] == 0, made
        self.ofctl("add-flow", "priority=5,ip,actions=drop")
        self.ofctl("add-group", "group_id=1,type=all")
        for meter in (1, 2):
            self.ofctl("add-meter", f"meter={meter},kbps,band=type=drop,rate=1000")

    def end(self) -> None:
        assert self.run("bridge del br1 --if-exists")[0] == 0

    def ofctl(self, command: str, *words: str) -> str:
        return self.switch.tool("ovs-ofctl", "-O", "OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15", command, "br1", *words)

    def left(self) -> tuple[int, int, int]:
        """The numbers of flows, groups and meters."""
        whole = ("dump-flows", "priority=5"), ("dump-groups", "group_id="), ("dump-meters", "meter=")
        return tuple(self.ofctl(command).count(each) for command, each in whole)

    def run(self, command: str, *options: str) -> tuple[int, str, str]:
        """The exit code and what was printed."""
        out, err = io.StringIO(), io.StringIO()
        code = App(out, err).run(["--db", self.switch.box.db, *options, *shlex.split(command)])
        return int(code), out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def shared(running_switch):
    with running_switch("dummy") as switch:
        yield Bridge(switch)


@pytest.fixture
def br1(shared):
    yield shared
    shared.end()


@pytest.mark.parametrize(("settings", "change"), COSTS)
def test_changes_that_lose_flows_are_refused(br1, settings, change):
    br1.begin(settings)
    before = br1.switch.dump()
    said = "ovstool: bridge br1: ovs-vswitchd deletes its 1 flow, 1 group and 2 meters with this change; try: --force\n"
    assert br1.run(f"bridge set br1 {change}") == br1.run(f"bridge set br1 {change} -n") == (CONFLICT, "", said)
    assert (br1.left(), br1.switch.dump()) == ((1, 1, 2), before)
    noted = "ovstool: note: br1: ovs-vswitchd deletes its 1 flow, 1 group and 2 meters with this change\n"
    code, _, errors = br1.run(f"bridge set br1 {change} --force -n")
    assert code == 0 and noted in errors and br1.left() == (1, 1, 2)
    assert br1.run(f"bridge set br1 {change} --force") == (0, "br1: updated\n", noted)
    assert br1.left() == (0, 0, 0)
    assert br1.run(f"bridge set br1 {change}") == (0, "br1: unchanged\n", "")


@pytest.mark.parametrize(("settings", "change"), COSTS_NOTHING)
def test_other_changes_are_not_refused(br1, settings, change):
    br1.begin(settings)
    code, printed, errors = br1.run(f"bridge set br1 {change}")
    assert code == 0 and printed.startswith("br1: u") and "deletes" not in errors
    assert br1.left() == (1, 1, 2)


@pytest.mark.parametrize("kind", ["primary", "service"])
def test_a_controller_with_an_explicit_type(br1, kind):
    """The type is fixed when ovs-vswitchd adds the controller; later changes of the column have no effect (ofservice_reconfigure)."""
    br1.begin("")
    target = "ptcp:0:127.0.0.1" if kind == "primary" else "tcp:127.0.0.1:1"
    br1.switch.vsctl(f"set bridge br1 controller=@c -- --id=@c create controller type={kind} target='\"{target}\"'")
    br1.ofctl("add-flow", "priority=5,ip,actions=drop")
    code, _, errors = br1.run("bridge set br1 --fail-mode secure")
    assert (code, "deletes its 1 flow" in errors) == ((0, False) if kind == "primary" else (CONFLICT, True))
    br1.run("bridge set br1 --fail-mode secure --force")
    assert br1.left()[0] == (1 if kind == "primary" else 0)


@pytest.mark.parametrize("protocols", ["OpenFlow13", "OpenFlow14", "OpenFlow15", "OpenFlow10"])
def test_whatever_version_the_bridge_speaks(br1, protocols):
    br1.begin("")
    br1.run(f"bridge set br1 --protocols {protocols}")
    code, _, errors = br1.run("bridge set br1 --fail-mode secure")
    counted = "1 flow " if protocols == "OpenFlow10" else "1 flow, 1 group and 2 meters "  # 1.0 has no others
    assert code == CONFLICT and f"its {counted}with this change" in errors


def test_the_default_flow_does_not_count(br1):
    assert br1.run("bridge add br1 --datapath-type dummy")[0] == 0
    for change in ("--fail-mode secure", "--fail-mode standalone", PRIMARY, "--unset controller", "--datapath-type netdev"):
        assert br1.run(f"bridge set br1 {change}") == (0, "br1: updated\n", "")
    br1.run("bridge set br1 --fail-mode secure")
    br1.ofctl("add-flow", "priority=0,actions=NORMAL")  # which counts where ovs-vswitchd adds no default flow
    assert br1.run(f"bridge set br1 {PRIMARY}")[0] == CONFLICT


def test_steering_flows_are_ours(br1):
    assert br1.run("bridge add br1 --datapath-type dummy")[0] == 0
    assert br1.run("port add br1 p1")[0] == 0
    assert br1.run("qos set p1 --max-rate 10mbit --queue 1:max=5mbit")[0] == 0
    assert br1.run("qos steer p1 --queue 1 --match ip,nw_dst=10.0.0.1")[0] == 0
    ours = "br1: ovs-vswitchd deletes its 1 flow with this change, 1 of them from 'qos steer'"
    assert f"note: {ours}\n" in br1.run("bridge set br1 --fail-mode secure -n")[2]
    br1.ofctl("add-flow", "priority=5,ip,actions=drop")
    both = "bridge br1: ovs-vswitchd deletes its 2 flows with this change, 1 of them from 'qos steer'; try: --force"
    assert br1.run("bridge set br1 --fail-mode secure") == (CONFLICT, "", f"ovstool: {both}\n")
    br1.ofctl("del-flows", "ip,nw_dst=0.0.0.0/0")
    assert br1.run("bridge set br1 --fail-mode secure")[:2] == (0, "br1: updated\n")


def test_without_openflow(br1, tmp_path):
    """Its sockets are expected next to the database's; here they are not."""
    br1.begin("")
    (tmp_path / "db.sock").symlink_to(f"{br1.switch.box.directory}/db.sock")
    elsewhere = ("--db", f"unix:{tmp_path}/db.sock")
    code, _, errors = br1.run("bridge set br1 --fail-mode secure", *elsewhere)
    assert code == CONFLICT and "how many is unknown" in errors and errors.endswith("; try: --force\n") and errors.count("\n") == 1
    assert br1.left() == (1, 1, 2)
    code, printed, errors = br1.run("bridge set br1 --fail-mode secure --force", *elsewhere)
    assert (code, printed) == (0, "br1: updated\n") and "note: br1: ovs-vswitchd deletes its flows, groups and meters" in errors
    assert "with it; how many is unknown" in br1.run("bridge del br1 -n", *elsewhere)[2]


def test_what_is_deleted_with_a_bridge_is_announced(br1):
    br1.begin("")
    code, _, errors = br1.run("bridge del br1 -n")
    assert code == 0 and "note: br1: ovs-vswitchd deletes its 1 flow, 1 group and 2 meters with it\n" in errors
    assert br1.run("bridge del br1") == (0, "br1: deleted\n", "")


def test_a_bridge_that_ovs_vswitchd_never_created_has_no_flows(switch, ovstool):
    switch.tool("ovs-appctl", "-t", "ovs-vswitchd", "exit")
    assert ovstool("--no-wait bridge add br1 --datapath-type dummy").code == 0
    result = ovstool("--no-wait bridge set br1 --fail-mode secure")
    assert (result.stdout, result.stderr) == ("br1: updated\n", "")
    assert ovstool("--no-wait bridge set br0 --fail-mode secure").code == CONFLICT  # ovs-save may restore the flows of br0
