"""sFlow, compared with the rows of ovs-vsctl."""

import os
import signal

import pytest

COLUMNS = ("agent", "targets", "sampling", "polling", "header")


def exported(switch, bridge: str) -> dict | None:
    """The sFlow row of a bridge as ovs-vsctl prints it."""
    sflow = next(row["sflow"] for row in switch.rows("Bridge", "name", "sflow") if row["name"] == bridge)
    return next(({column: row[column] for column in COLUMNS} for row in switch.rows("sFlow") if row["_uuid"] == sflow), None)


@pytest.fixture
def two(switch):
    switch.vsctl("add-br br1 -- set bridge br1 datapath_type=dummy")
    return switch


def test_the_same_row_as_ovs_vsctl(two, ovstool):
    two.tool(
        "ovs-vsctl", "--", "--id=@s", "create", "sFlow", "agent=eth0", 'target="10.0.0.5:6343"', "header=128", "sampling=64", "polling=10",
        "--", "set", "Bridge", "br0", "sflow=@s",
    )  # fmt: skip
    command = "sflow enable {} --agent eth0 --collector 10.0.0.5:6343 --header 128 --sampling 64 --polling 10 --force"
    assert ovstool(command.format("br1")).stdout == "br1: created\n"
    assert exported(two, "br1") == exported(two, "br0") != None  # noqa: E711
    assert ovstool(command.format("br0")).stdout == "br0: unchanged\n"
    row = {"agent": "eth0", "targets": ["10.0.0.5:6343"], "sampling": 64, "polling": 10, "header": 128}
    assert ovstool("sflow list -f json").json == [{"bridge": "br0"} | row, {"bridge": "br1"} | row]


@pytest.mark.parametrize(
    ("collectors", "targets"),
    [
        (["10.0.0.5"], ["10.0.0.5:6343"]),
        (["10.0.0.5:1234"], ["10.0.0.5:1234"]),
        (["[2001:db8::5]"], ["[2001:db8::5]:6343"]),
        (["[2001:db8::5]:1234"], ["[2001:db8::5]:1234"]),
        (["10.0.0.5", "10.0.0.6:7"], ["10.0.0.5:6343", "10.0.0.6:7"]),
        (["10.0.0.5", "10.0.0.5:6343", "[::ffff:10.0.0.5]"], ["10.0.0.5:6343"]),
        (["[2001:DB8:0::5]", "[2001:db8::5]:6343"], ["[2001:db8::5]:6343"]),
        (["[fe80::1%lo]:7"], ["[fe80::1%lo]:7"]),
    ],
)
def test_collectors(switch, ovstool, collectors, targets):
    ovstool(["sflow", "enable", "--agent", "lo", "--force", *(f"--collector={collector}" for collector in collectors)])
    assert sorted(ovstool("sflow list -f json").json[0]["targets"]) == targets
    assert switch.rows("sFlow", "targets")[0]["targets"] == (targets[0] if len(targets) == 1 else ["set", targets])


def test_a_host_name_is_resolved(switch, ovstool):
    result = ovstool("sflow enable --collector localhost --agent lo --force")
    assert result.code == 0 and "localhost" in result.stderr and result.stderr.count("\n") == 1
    assert ovstool("sflow list -f json").json[0]["targets"] in (["127.0.0.1:6343"], ["[::1]:6343"])


def test_defaults(switch, ovstool):
    assert ovstool("sflow enable --collector 127.0.0.1 --agent lo").stdout == "br0: created\n"
    assert exported(switch, "br0") == {
        "agent": "lo",
        "targets": "127.0.0.1:6343",
        "sampling": ["set", []],
        "polling": ["set", []],
        "header": ["set", []],
    }
    assert ovstool("sflow list -f json").json == [
        {"bridge": "br0", "agent": "lo", "targets": ["127.0.0.1:6343"], "sampling": 400, "polling": 30, "header": 128}
    ]


def test_no_agent_is_the_interface_on_the_route(switch, ovstool):
    assert ovstool("sflow enable --collector 127.0.0.1").code == 0
    assert exported(switch, "br0")["agent"] == "lo"


def test_auto_where_devices_have_no_speed(switch, ovstool):
    enabled = ovstool("sflow enable --collector 127.0.0.1 --sampling auto")
    assert (enabled.stdout, enabled.stderr) == ("br0: created\n", "ovstool: note: br0: auto chose 1 in 400 (no port tells its speed)\n")
    assert exported(switch, "br0")["sampling"] == 400
    assert ovstool("--read-only sflow enable --collector 127.0.0.1 --sampling auto").code == 2


def test_options_replace_the_whole_row(switch, ovstool):
    ovstool("sflow enable --collector 127.0.0.1 --agent lo --sampling 64")
    assert ovstool("sflow enable --collector 127.0.0.1 --agent lo --polling 5").stdout == "br0: updated\n"
    assert (exported(switch, "br0")["sampling"], exported(switch, "br0")["polling"]) == (["set", []], 5)
    assert len(switch.rows("sFlow")) == 1


def test_a_row_that_two_bridges_share_is_not_changed_under_one(two, ovstool):
    two.vsctl("set bridge br0 sflow=@s -- set bridge br1 sflow=@s -- --id=@s create sflow agent=lo targets='\"10.0.0.5:6343\"'")
    before = exported(two, "br1")
    assert ovstool("sflow enable br0 --collector 127.0.0.1").stdout == "br0: updated\n"
    assert exported(two, "br1") == before
    assert ovstool("sflow disable br0 br1").stdout == "br0: deleted\nbr1: deleted\n"
    assert two.rows("sFlow") == []
    assert ovstool("sflow disable br0").stdout == "br0: unchanged\n"


def test_zero_is_not_the_default(switch, ovstool):
    assert ovstool("sflow enable --agent lo --force --collector 127.0.0.1 --polling 0").stdout == "br0: created\n"
    assert switch.vsctl("--bare --columns=polling list sflow") == "0"
    assert ovstool("sflow list -f json").json[0]["polling"] == 0


def test_the_traffic_of_a_switch_that_hangs_is_not_waited_for(switch, ovstool):
    switch.vsctl(" ".join(f"-- add-br br{n} -- set bridge br{n} datapath_type=dummy" for n in range(1, 8)))
    os.kill(int((switch.box.directory / "ovs-vswitchd.pid").read_text()), signal.SIGSTOP)
    bridges = [f"br{n}" for n in range(8)]
    planned = ovstool(["--timeout", "7", "--dry-run", "sflow", "enable", *bridges, "--collector", "127.0.0.1", "--sampling", "9"])
    assert (planned.code, planned.stderr.count("would be created")) == (0, 8), planned.stderr


BAD = {
    # sflow_receiver.c drops a sample of more than 700 bytes; test_sflow_sent.py tests what arrives.
    "--collector 10.0.0.5 --header 613": "longer than 612",
    "--collector 10.0.0.5 --header 65536": "not a whole number",
    "--collector 10.0.0.5 --header 0": "not a whole number",
    "--collector 10.0.0.5 --sampling 0": "nor a whole number",  # no sFlow at all, in ofproto-dpif-sflow.c
    "--collector 10.0.0.5 --sampling 42949673": "up to 42949672",
    "--collector 10.0.0.5 --sampling fast": "neither auto nor a whole number",
    "--collector 10.0.0.5 --sampling 4294967297": "nor a whole number",
    "--collector 10.0.0.5 --polling -1": "not a whole number",
    "--collector 10.0.0.5:0": "a port from 1 to 65535",
    "--collector 10.0.0.5:65536": "a port from 1 to 65535",
    "--collector [fe80::1]": "needs the interface",  # EINVAL from connect(2), which disables sFlow
    "--collector [ff02::1]": "needs the interface",
    "--collector [fe80::1%]": "not HOST",
    "--collector 0.0.0.0": "not the address of a host",  # connect(2) takes it for this host
    "--collector [::]:6343": "not the address of a host",
    "--collector [::ffff:0.0.0.0]": "not the address of a host",
    "--collector 255.255.255.255": "not the address of a host",  # EACCES
    "--collector 10.0.0.5 --agent 0.0.0.0": "not an address that identifies",
    "--collector 10.0.0.5 --agent fe80::1%lo": "not an address that identifies",
    "--collector 10.0.0.5 --agent ''": "empty",
}


def test_values_that_would_be_ignored_or_misread(switch, ovstool):
    before = switch.dump()
    for words, why in BAD.items():
        result = ovstool(f"sflow enable {words} --force")
        assert (result.code, result.stdout, why in result.stderr, result.stderr.count("\n")) == (2, "", True, 1), (words, result.stderr)
    assert switch.dump() == before


def test_the_agent(switch, ovstool, refused):
    assert "agent nosuch: there is no such interface, so Open vSwitch would fall back to the source address" in refused(
        "sflow enable --collector 127.0.0.1 --agent nosuch", 6
    )
    forced = ovstool("sflow enable --collector 127.0.0.1 --agent nosuch --force")
    assert (forced.code, forced.stdout) == (0, "br0: created\n")
    assert forced.stderr.startswith(
        "ovstool: note: agent nosuch: there is no such interface, so Open vSwitch would fall back to the source address"
    )
    # An address is used unchanged (sflow_choose_agent_address of ofproto-dpif-sflow.c, from 2.10 on).
    foreign = "ovstool: note: agent {}: no interface of the switch's host has this address; collectors are told it all the same\n"
    for given, stored, said in (
        ("192.0.2.77", "192.0.2.77", foreign),
        ("2001:DB8:0::7", "2001:db8::7", foreign),
        ("127.0.0.1", "127.0.0.1", ""),
    ):
        enabled = ovstool(f"sflow enable --collector 127.0.0.1 --agent {given}")
        assert (enabled.stdout, enabled.stderr) == ("br0: updated\n", said.format(stored))
        assert exported(switch, "br0")["agent"] == stored
        assert ovstool(f"sflow enable --collector 127.0.0.1 --agent {given}").stdout == "br0: unchanged\n"


def test_a_header_too_long_with_tunnels_is_noted(switch, ovstool):
    assert ovstool("sflow enable --agent lo --collector 127.0.0.1 --header 472").stderr == ""
    assert "472 is safe for all" in ovstool("sflow enable --agent lo --collector 127.0.0.1 --header 473").stderr


def test_another_spelling_of_a_target_is_the_same_target(switch, ovstool):
    targets = """targets='["127.0.0.1", "[2001:DB8:0::5]:7"]'"""
    switch.vsctl(f"set bridge br0 sflow=@s -- --id=@s create sflow agent=lo {targets}")
    before = exported(switch, "br0")
    assert ovstool("sflow enable --agent lo --collector 127.0.0.1:6343 --collector [2001:db8::5]:7").stdout == "br0: unchanged\n"
    assert exported(switch, "br0") == before


def test_external_ids_of_others_stay_on_a_shared_row_and_on_its_copy(two, ovstool):
    """As where a program such as hsflowd, or an orchestrator, has added its own external_ids."""
    marks = ["map", [["owner", "hsflowd"], ["rack", "7"]]]
    two.vsctl(
        "set bridge br0 sflow=@s -- set bridge br1 sflow=@s -- --id=@s create sflow agent=lo targets='\"127.0.0.1:1\"'"
        " external_ids:owner=hsflowd external_ids:rack=7"
    )
    for words, rows in (("br0 --sampling 7", 2), ("br0 --sampling 8", 2), ("br1 --polling 3", 2), ("br0 br1 --collector 127.0.0.2", 2)):
        assert ovstool(f"sflow enable {words} --collector 127.0.0.1 --agent lo").code == 0
        assert [row["external_ids"] for row in two.rows("sFlow", "external_ids")] == [marks] * rows, words


@pytest.mark.parametrize("options", ["--collector 10.0.0.5", "--collector 10.0.0.5 --force", "--agent lo --collector localhost"])
def test_routes_and_names_of_another_host_are_not_looked_up_here(refused, options):
    assert "--agent" in refused(f"--db tcp:127.0.0.1:1 sflow enable {options}", 2)
    assert refused("--db tcp:127.0.0.1:1 sflow enable --agent eth0 --collector 10.0.0.5", 5)
