"""external_ids and other_config that other programs have written next to ovstool's values survive every command."""

import json

import pytest

MARKED = {
    "Bridge": "other_config", "Port": "other_config", "Interface": "other_config", "QoS": "", "Queue": "", "sFlow": "", "Controller": "other_config",
    "Mirror": "", "NetFlow": "", "IPFIX": "other_config", "Flow_Table": "", "Open_vSwitch": "other_config",
}  # fmt: skip


@pytest.fixture
def marked(switch, ovstool):
    """A switch with rows in all these tables, each marked in external_ids, and in other_config with keys that ovstool ignores."""
    for command in (
        "qos set eth1 --max-rate 10mbit --queue 0:min=1mbit --queue 1:min=2mbit,dscp=10",
        "sflow enable --agent lo --collector 127.0.0.1 --sampling 64 --force",
        "bridge set br0 --controller tcp:127.0.0.1:1 --controller tcp:127.0.0.1:2",
    ):
        assert ovstool(f"{command} --no-wait").code == 0, command
    qos = switch.vsctl("get port eth1 qos")
    switch.vsctl(f"--no-wait set port eth2 qos={qos}")  # a row shared by two ports
    switch.vsctl(
        "--no-wait -- set bridge br0 mirrors=@m netflow=@n ipfix=@i flow_tables:1=@t -- --id=@m create Mirror name=m"
        " -- --id=@n create NetFlow targets='\"127.0.0.1:9\"' -- --id=@i create IPFIX sampling=1 -- --id=@t create Flow_Table name=t"
    )
    sets = []
    for table, config in MARKED.items():
        for number, row in enumerate(switch.rows(table, "_uuid")):
            sets.append(f"set {table} {row['_uuid'][1]} external_ids:theirs={table}{number}")
            if config:
                sets.append(f"set {table} {row['_uuid'][1]} {config}:theirs={table}{number}")
    switch.vsctl("--no-wait -- " + " -- ".join(sets))
    return switch


def marks(switch) -> set[tuple[str, str, str]]:
    """The table, column and value of each mark. A QoS or Queue row without one is an error, because it is a copy of a marked row."""
    lists = " -- ".join(f"--columns=external_ids{',' + config if config else ''} list {table}" for table, config in MARKED.items())
    found = set()
    for table, answer in zip(MARKED, switch.vsctl(f"--format=json -- {lists}").splitlines(), strict=True):
        read = json.loads(answer)
        for row in read["data"]:
            theirs = {column: dict(cell[1]).get("theirs") for column, cell in zip(read["headings"], row, strict=True)}
            assert table not in ("QoS", "Queue") or theirs["external_ids"]
            found |= {(table, column, mark) for column, mark in theirs.items() if mark}
    return found


STEPS = [
    # Commands on rows that two ports share, and on their own rows after that.
    "qos set eth1 --max-rate 20mbit --queue 0:min=1mbit --queue 1:min=3mbit", "qos set eth2 --type hfsc --max-rate 9mbit --queue 0 --queue 1",
    "qos set eth1 --merge --queue 1:max=9mbit", "qos set eth1 eth2 --max-rate 10mbit --queue 0:min=1mbit --queue 1:min=2mbit --force", "qos gc",
    "sflow enable --agent lo --collector 127.0.0.2 --force", "police set eth1 --rate 10mbit", "police clear eth1",
    "port set eth1 --tag 7 --external-id a=b", "port set eth1 --unset tag --unset external_ids:a", "port add br0 eth9", "port add br0 pat1 --peer pat2",
    "bridge set br0 --fail-mode secure --other-config a=b --external-id a=b", "bridge set br0 --protocols OpenFlow13",
    "bridge set br0 --controller tcp:127.0.0.1:3 --controller tcp:127.0.0.1:2 --controller tcp:127.0.0.1:1", "bridge set br0 --unset external_ids:a --unset other_config:a",
    "bridge add br1", "bridge del br1", "port del eth9 pat1",
]  # fmt: skip


def test_marks_of_others_stay(marked):
    """On each row that stays, and on rows that replace others."""
    before = marks(marked)
    assert {table for table, _, _ in before} == set(MARKED)
    for command in STEPS:
        result = marked.ovstool(command if "qos set" in command else f"{command} --no-wait")
        assert result.code == 0 and "unchanged" not in result.stdout, (command, result)
        assert before - marks(marked) == set(), command


def test_marks_are_deleted_only_with_their_rows(marked):
    before = marks(marked)
    for command, gone in (("sflow disable", {"sFlow"}), ("port del eth2", {"Port", "Interface"}), ("qos clear eth1", {"QoS", "Queue"})):
        assert marked.ovstool(f"{command} --no-wait").code == 0
        after = marks(marked)
        assert {table for table, _, _ in before - after} == gone
        before = after
