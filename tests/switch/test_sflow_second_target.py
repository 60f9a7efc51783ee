"""The target that sflow check adds to a row for a few seconds: distinguished from configuration, and removed when its check is gone."""

import socket

import pytest

ASKED = {"agent": "192.0.2.1", "targets": "10.0.0.5:6343", "polling": 20}
LEFT = {"targets": ["10.0.0.5:6343", "127.0.0.1:20001"], "polling": 1}
MARK = {"ovstool-check:127.0.0.1:20001": "polling was 20, is 1"}
REMOVED = "ovstool: note: 127.0.0.1:20001: removed from sFlow's targets, where an interrupted check had left it\n"


def put(database, **columns) -> None:
    database.put({"br0": {"sflow": ASKED | LEFT | {"external_ids": MARK} | columns}})


def row(database) -> dict | None:
    return database.tree()["br0"].get("sflow")


def test_a_leftover_is_removed_by_the_next_command(database):
    put(database)
    code, out, err = database.run("sflow list -f json")
    assert (code, err) == (0, REMOVED) and '"targets": ["10.0.0.5:6343"], "sampling": 400, "polling": 20' in out
    assert row(database) == ASKED
    put(database)
    code, out, err = database.run("sflow listen --port 0 --for 0.1")
    assert (code, row(database)) == (0, ASKED) and err.startswith(f"{REMOVED}ovstool: note: listening on UDP port ")
    assert database.run("sflow list")[2] == ""


@pytest.mark.parametrize(
    "command",
    [
        *("sflow list --read-only", "sflow list -n", "sflow check -n", "sflow disable -n", "bridge list", "show"),
        *("sflow listen --port 0 --for 0.1 --read-only", "sflow listen --read /dev/null"),
    ],
)
def test_reading_commands_leave_it_but_do_not_show_it(database, command):
    put(database)
    before = row(database)
    assert "20001" not in database.run(command)[1] and row(database) == before


def test_the_target_of_a_running_check_stays(database):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{listening.getsockname()[1]}"
        put(database, targets=["10.0.0.5:6343", target], external_ids={f"ovstool-check:{target}": "polling was 20, is 1"})
        before = row(database)
        assert [listed["targets"] for listed in database.ask("sflow list")] == [["10.0.0.5:6343"]]
        assert row(database) == before
        # Of two checks, the last one to end restores the interval.
        put(
            database,
            targets=["10.0.0.5:6343", "127.0.0.1:20001", target],
            external_ids=MARK | {f"ovstool-check:{target}": "polling was 20, is 1"},
        )
        assert database.run("sflow list")[2] == REMOVED
        assert row(database) == before


@pytest.mark.parametrize(
    ("changed", "after"),
    [
        ({"polling": 7}, ASKED | {"polling": 7}),  # set by another program meanwhile
        ({"external_ids": {"ovstool-check:127.0.0.1:20001": ""}, "polling": 20}, ASKED),
        ({"external_ids": {"ovstool-check:127.0.0.1:20001": "polling was unset, is 1"}}, {**ASKED, "polling": None}),
        ({"external_ids": MARK | {"rack": "7"}}, ASKED | {"external_ids": {"rack": "7"}}),
        ({"external_ids": {"ovstool-check:127.0.0.1:20001": f"polling was {2**62}, is 1"}}, ASKED | {"polling": 2**62}),
        ({"external_ids": {"ovstool-check:127.0.0.1:20001": f"polling was {10**19 - 1}, is 1"}}, ASKED | {"polling": 2**63 - 1}),
        ({"external_ids": {"ovstool-check:127.0.0.1:20001": "polling was x, is y"}}, ASKED | {"polling": 1}),
        ({"targets": ["10.0.0.5:6343", "10.0.0.6:1"]}, ASKED | {"targets": ["10.0.0.5:6343", "10.0.0.6:1"]}),
        ({"targets": "127.0.0.1:20001"}, None),  # another program has removed the collector
    ],
)
def test_changes_of_others_meanwhile_stay(database, changed, after):
    put(database, **changed)
    assert database.run("sflow list")[0] == 0
    assert row(database) == (after and {column: value for column, value in after.items() if value is not None})


ENABLE = "sflow enable br0 --collector 10.0.0.5 --agent 192.0.2.1 --force --polling"


def test_enable_does_not_take_it_for_a_collector(database):
    put(database)
    assert database.run(f"{ENABLE} 20")[1] == "br0: unchanged\n" and row(database) == ASKED
    put(database)
    assert database.run(f"{ENABLE} 1")[1] == "br0: updated\n" and row(database) == ASKED | {"polling": 1}


def test_a_row_that_bridges_share(database):
    shared = ASKED | LEFT | {"external_ids": MARK}
    database.put({"br0": {"sflow": shared}, "br1": {"sflow": shared}})
    assert database.run("sflow disable br0")[1] == "br0: deleted\n"
    assert database.tree() == {"br0": {}, "br1": {"sflow": ASKED}}


def test_hostile_content_does_no_harm(database):
    put(
        database,
        external_ids={"ovstool-check:": "", "ovstool-check:\x1b[31m; reboot": f"polling was {10**19}, is 1", "ovstool-check:x:٣": "\n"},
    )
    code, out, err = database.run("sflow list")
    assert code == 0 and "\x1b" not in out + err and err.count("\n") == 3
    assert row(database) == ASKED | LEFT


@pytest.mark.parametrize("command", ["sflow check", "sflow disable br0", "sflow list"])
def test_leftovers_are_not_mentioned_if_the_switch_is_unreachable(database, tmp_path, command):
    code, out, err = database.run(command, f"{tmp_path}/db.sock")
    assert (code, out, err.count("\n")) == (5, "", 1) and "interrupted check" not in err
