"""The shape of the command line, which is the same for every command."""

import json

import pytest
from kill import kill

from ovstool.commands import COMMANDS, NOUNS


def test_alone_it_prints_a_short_help(unchanged):
    result = unchanged.ovstool("")
    assert (result.code, result.stderr) == (0, "")
    assert all(noun in result.stdout for noun in NOUNS)
    assert unchanged.ovstool("help").stdout == result.stdout
    assert unchanged.ovstool("-h").stdout == unchanged.ovstool("--help").stdout == result.stdout
    assert "--timeout" in unchanged.ovstool("help options").stdout


@pytest.mark.parametrize("name", [*COMMANDS, "bridge", "port", "qos", "police", "sflow", "sandbox"])
def test_every_command_and_noun_has_a_page(unchanged, name):
    page = unchanged.ovstool(f"{name} -h")
    assert (page.code, page.stderr) == (0, "")
    assert name in page.stdout


@pytest.mark.parametrize("name", ["qos set", "qos", "stats"])
def test_every_way_to_request_help(unchanged, name):
    spellings = (
        f"help {name}",
        f"{name} -h",
        f"{name} --help",
        f"-h {name}",
        f"{name} -h --db unix:/nosuch",
        f"--db unix:/nosuch {name} -h",
    )
    assert {(page.code, page.stdout) for page in map(unchanged.ovstool, spellings)} == {(0, unchanged.ovstool(f"{name} -h").stdout)}


@pytest.mark.parametrize(
    "words",
    [
        "br",
        "br li",
        "brdige list",
        "bridge",
        "bridge li",
        "bridge lsit",
        "bridge list list",
        "polic",
        "p",
        "qos se eth1",
        "QOS list",
        "list",
        "sho",
        "''",
        "'bridge list'",
        "help nosuch",
        "nosuch -h",
        "bridge nosuch -h",
        "help bridge nosuch",
        "- list",
        "-- nosuch",
        "bridge -- list",
        "\x1b[31m",
    ],
)
def test_words_are_never_abbreviated_or_guessed(refused, words):
    refused(words, 2)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("br li", "ovstool bridge list"),
        ("brdige list", "ovstool bridge list"),
        ("stat", "ovstool stats"),
        ("qos lst", "list"),
        ("bridge", "list, show, add, set, del"),
        ("potr list", "ovstool port list"),
    ],
)
def test_the_error_has_a_suggestion(refused, words, hint):
    assert hint in refused(words, 2).partition("; try: ")[2]


@pytest.mark.parametrize(
    "words",
    [
        "bridge list --form json",
        "bridge list --colum name",
        "--time 3 bridge list",
        "bridge list --timeo 3",
        "--d unix:/nosuch bridge list",
        "bridge list --nosuch",
        "bridge list -x",
        "bridge list -f",
        "bridge list --format",
        "--db",
        "--timeout",
        "-t",
        "bridge list -t",
        "bridge show",
        "bridge show br0 br1",
        "bridge add",
        "port add br0",
        "police set",
        "bridge list --no-wait=1",
        "bridge list --sort-ascending --sort-descending",
        "bridge list --quote some",
        "bridge list --max-width wide",
        "bridge list --prefix 1a",
    ],
)
def test_options_are_not_abbreviated_and_need_their_values(refused, words):
    refused(words, 2)


def test_common_options_may_stand_before_and_after_the_words(switch, ovstool):
    bare = {"OVSTOOL_DB": "", "OVS_RUNDIR": "/nosuch"}
    db = switch.box.db
    words = [
        f"--db {db} -t 5 port list -f json",
        f"port list --db {db} -f json",
        f"--db=unix:/nosuch port list -f json --db={db}",
        f"-q --debug --db {db} port list -vf json",
    ]
    answers = [ovstool(line, **bare) for line in words]
    assert {(answer.code, answer.stdout, answer.stderr) for answer in answers} == {(0, ovstool("port list -f json").stdout, "")}


@pytest.mark.parametrize(
    "words",
    [
        "police set eth1 --rate 1mbit -f json",
        "police set --rate 1mbit -f json eth1",
        "police set -f json eth1 --rate=1mbit",
        "police -f json set eth1",
    ],
)
def test_options_and_arguments_in_any_order(ovstool, words):
    result = ovstool(words)
    if words.startswith("police -f"):
        assert result.code == 2
    else:
        assert result.json == [{"object": "eth1", "change": "created"}]


def test_after_two_dashes_everything_is_an_argument(switch, ovstool):
    words = ["port", "add", "br0", "--", "--rate"]
    assert ovstool(words).stderr.startswith("ovstool: port --rate: a name ")  # no suggestion for this one
    operations = [
        {"op": "insert", "table": "Interface", "uuid-name": "interface", "row": {"name": "--rate"}},
        {"op": "insert", "table": "Port", "uuid-name": "port", "row": {"name": "--rate", "interfaces": ["named-uuid", "interface"]}},
        {"op": "mutate", "table": "Bridge", "where": [], "mutations": [["ports", "insert", ["set", [["named-uuid", "port"]]]]]},
    ]
    switch.tool("ovsdb-client", "transact", json.dumps(["Open_vSwitch", *operations]))
    assert "--rate" in switch.vsctl("list-ports br0").split()
    assert ovstool(["port", "del", "--", "--rate"]).stdout == "--rate: deleted\n"
    assert ovstool(["port", "del", "--if-exists", "--", "-h", "--", "-x"]).stdout == "-h: unchanged\n--: unchanged\n-x: unchanged\n"


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x", "", "1e9", "1s"])
def test_invalid_timeouts(refused, text):
    refused(["bridge", "list", f"--timeout={text}"], 2)
    if text not in ("", "0"):  # for Open vSwitch's own tools 0 means no timeout
        refused("bridge list", 2, OVS_CTL_TIMEOUT=text)


# --- the environment


def test_where_the_switch_is_looked_for(switch, ovstool):
    elsewhere = {"OVSTOOL_DB": "unix:/nosuch/db.sock", "OVS_RUNDIR": "/nosuch"}
    assert ovstool("bridge list", **elsewhere).code == 5
    assert ovstool("bridge list", **elsewhere | {"OVSTOOL_DB": switch.box.db}).code == 0
    assert ovstool("bridge list", OVSTOOL_DB="", OVS_RUNDIR=str(switch.box.directory)).code == 0
    assert ovstool(f"bridge list --db {switch.box.db}", **elsewhere).code == 0
    assert ovstool("bridge list --db unix:/nosuch/db.sock").code == 5


def test_cliffs_variables(switch, ovstool):
    assert max(map(len, ovstool("port list", CLIFF_MAX_TERM_WIDTH="90").stdout.splitlines())) <= 100
    assert ovstool("port list", CLIFF_MAX_TERM_WIDTH="wide", CLIFF_FIT_WIDTH="1", COLUMNS="x").code == 0


@pytest.mark.parametrize(
    "db",
    [
        "nosuch",
        "unix",
        "unix:",
        "tcp:",
        "tcp:127.0.0.1",
        "tcp:127.0.0.1:0",
        "tcp:127.0.0.1:65536",
        "tcp:127.0.0.1:x",
        "http://x",
        "ssl:127.0.0.1:6640",
        "punix:/x",
        "unix:/" + "x" * 200,
        " ",
        "tcp::6640",
        "tcp:[::1]",
    ],
)
def test_invalid_targets(refused, db):
    refused(["bridge", "list", "--db", db], 2)


# --- dry runs and --no-wait

WRITES = [
    "bridge add br1 --datapath-type dummy", "bridge add br1 --datapath-type dummy --fail-mode secure --protocols OpenFlow13 --controller tcp:127.0.0.1:1 --external-id a=b",
    "bridge set br0 --fail-mode secure", "bridge del br0", "port add br0 eth3 --tag 5", "port set eth1 --trunk 1,2", "port del eth1",
    "port add br0 bond0 --bond eth8,eth9", "police set eth1 --rate 10mbit", "police clear eth2", "qos set eth1 --max-rate 200mbit --queue 0:min=1mbit",
    "qos set eth2 --merge --queue 1:max=5mbit", "qos clear eth2", "qos gc", "sflow enable br0 --collector 127.0.0.1 --agent lo --force",
]  # fmt: skip


def configure(switch) -> None:
    switch.vsctl("set port eth2 qos=@q -- --id=@q create qos type=linux-htb queues=0=@a -- --id=@a create queue other-config:min-rate=5")
    switch.vsctl("set interface eth2 ingress_policing_rate=10000")
    switch.tool("ovsdb-client", "transact", '["Open_vSwitch",{"op":"insert","table":"QoS","row":{"type":"left over"}}]')


@pytest.mark.parametrize(
    ("command", "code", "line"),
    [
        ("add-port br0 eth9 tag=5", 2, '"add-port br0": unknown command; try: ovstool port add br0 eth9 --tag 5'),
        ("port add br0 eth9 --vlan 5", 2, "port add: unrecognized arguments: --vlan 5; try: --tag or ovstool help port add"),
        ("port list -o json", 2, "port list: unrecognized arguments: -o; try: -f or ovstool help port list"),
        ("port list --json", 2, "port list: unrecognized arguments: --json; try: -f json or ovstool help port list"),
        ("stats -i", 2, "stats: unrecognized arguments: -i; try: ovstool help stats"),
        ("port show eth1 --n", 2, "port show: unrecognized arguments: --n; try: ovstool help port show"),
        ("port list --o json", 2, "port list: unrecognized arguments: --o; try: ovstool help port list"),
        ("port add eth9 br0", 3, "port add: eth9 is not a bridge, but br0 is; the bridge comes first; try: ovstool port add br0 eth9"),
        ("port add eth1 br0", 3, "port add: eth1 is not a bridge, but br0 is; the bridge comes first; try: ovstool port add br0 eth1"),
        ("port add eth8 eth9", 3, "bridge eth8: no such bridge; try: ovstool bridge list"),
        ("show eth1", 3, "bridge eth1: is a port, not a bridge; try: ovstool port show eth1"),
        ("flow list eth1", 3, "bridge eth1: is a port, not a bridge; try: ovstool port show eth1"),
        (
            "qos set eth1 --max-rate 100mbit --queue 1:50mbit", 2,
            "qos set: --queue: 1:50mbit: 50mbit: a rate without a name; try: 1:max=50mbit, or min=50mbit",
        ),
        ("qos set eth1 --queue 1:50", 2, "qos set: --queue: 1:50: 50: a rate without a name; try: 1:max=50, or min=50"),
        ("qos set eth1 --queue 1:x", 2, "qos set: --queue: 1:x: x: not of the form K=V; try: ovstool help qos set"),
    ],
)  # fmt: skip
def test_a_mistake_gets_a_suggestion(refused, command, code, line):
    assert refused(command, code) == line


def test_sudo_without_a_host_says_that_it_does_nothing(ovstool):
    note = "ovstool: note: --sudo has no effect without --host: it applies to remote hosts only\n"
    assert (done := ovstool("port list --sudo -f json")).stderr == note and done.json
    assert ovstool("port list --sudo -q").stderr == ""


@pytest.mark.parametrize("command", WRITES)
def test_read_only_refuses_every_change(refused, switch, command):
    for words, environ in ((f"--read-only {command}", {}), (command, {"OVSTOOL_READ_ONLY": "1"}), (f"{command} --read-only", {})):
        assert refused(words, 2, **environ).endswith("changes the switch, which --read-only or $OVSTOOL_READ_ONLY forbids; try: --dry-run")
    assert switch.ovstool(command, OVSTOOL_READ_ONLY="0").code == 0


def test_read_only_allows_reading_and_dry_runs(ovstool):
    for command in ("show", "port list", "qos check", "stats --rate --interval 0.1", "port add br0 new --dry-run"):
        assert ovstool(command, OVSTOOL_READ_ONLY="1").code == 0


@pytest.mark.parametrize("command", WRITES)
def test_a_dry_run_changes_nothing_and_prints_the_transaction(switch, ovstool, command):
    configure(switch)
    before = switch.dump()
    planned = ovstool(f"{command} --dry-run")
    assert planned.code == 0
    assert switch.dump() == before
    assert all(line.startswith("ovstool: note: ") and "would be" in line for line in planned.stderr.splitlines()) and planned.stderr
    assert ovstool(f"-q {command} -n -f json").stdout.count('"op"') == planned.stdout.count('"op"')
    results = json.loads(switch.tool("ovsdb-client", "--timeout=20", "transact", planned.stdout))
    assert not [result for result in results if "error" in result]
    assert switch.dump() != before
    again = ovstool(f"{command} --if-exists" if " del" in command else command)
    name = "" if command == "qos gc" else command.removeprefix("port add br0 ").split()[0 if command.startswith("port add") else 2]
    assert (again.code, again.stdout) == (0, f"{name}: unchanged\n" if name else "")
    orphans = [row for row in switch.rows("QoS", "_uuid", "type") if f"QoS {row['_uuid'][1]}" in switch.orphans()]
    assert [row["type"] for row in orphans] == ([] if command == "qos gc" else ["left over"])


@pytest.mark.parametrize(
    "command",
    ["bridge add br0", "police clear eth1", "qos clear eth1", "qos gc", "port add br0 eth1", "bridge del br9 --if-exists", "sflow disable"],
)
def test_a_dry_run_without_changes_is_an_empty_transaction(switch, ovstool, command):
    assert json.loads(ovstool(f"{command} -n").stdout) == ["Open_vSwitch"]


@pytest.mark.parametrize("command", WRITES)
def test_twice_is_no_error_and_sends_no_write(switch, ovstool, command):
    configure(switch)
    first = ovstool(command)
    assert first.code == 0, first
    if " del" in command:
        assert ovstool(command).code == 3
        command += " --if-exists"
    config = switch.vsctl("get open_vswitch . next_cfg")
    second = ovstool(command)
    assert second.code == 0, second
    assert all(line.endswith(": unchanged") for line in second.stdout.splitlines())
    assert switch.vsctl("get open_vswitch . next_cfg") == config


@pytest.mark.parametrize("command", WRITES[::3])
def test_no_wait_does_not_ask_for_an_answer(switch, ovstool, command):
    configure(switch)
    config = switch.vsctl("get open_vswitch . next_cfg")
    kill(int((switch.box.directory / "ovs-vswitchd.pid").read_text()))
    assert ovstool(f"{command} --no-wait").code == 0
    assert switch.vsctl("--no-wait get open_vswitch . next_cfg") == config


def test_the_version(unchanged):
    assert unchanged.ovstool("version").stdout == unchanged.ovstool("--version").stdout
    assert unchanged.ovstool("version").stdout.startswith("ovstool ")
