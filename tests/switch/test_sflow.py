"""sFlow, compared with the rows of ovs-vsctl."""

import pytest

COLUMNS = ("agent", "targets", "sampling", "polling", "header")


def exported(switch, bridge: str) -> dict | None:
    """The sFlow row of a bridge, as ovs-vsctl tells it."""
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
        (["10.0.0.5", "10.0.0.5:6343"], ["10.0.0.5:6343"]),
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


def test_what_is_given_is_all_of_it(switch, ovstool):
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


@pytest.mark.parametrize("options", ["--collector 10.0.0.5", "--collector 10.0.0.5 --force", "--agent lo --collector localhost"])
def test_another_hosts_routes_and_names_are_not_taken_from_here(refused, options):
    assert "--agent" in refused(f"--db tcp:127.0.0.1:1 sflow enable {options}", 2)
    assert refused("--db tcp:127.0.0.1:1 sflow enable --agent eth0 --collector 10.0.0.5", 5)
