"""Tab on a switch: in bash, zsh and fish, each on its own terminal, and the requests to the database, ovs-vswitchd and the machine.

The database has no ovs-vswitchd; tests that need one use the switch ``unchanged``.
"""

import os
import shutil
import socket

import pytest
from tab_keys import Shell

from ovstool.completion import live, tab
from ovstool.completion.command_line import COMMANDS
from ovstool.sandbox import Sandbox

SHELLS = ("bash", "zsh", "fish")
HOSTILE = [
    "$(touch gone)",
    "`touch gone`",
    ";touch gone",
    "a b",
    "c'd",
    'f"g',
    "g\\h",
    "k:l",
    "n*o",
    "{p,q}",
    "r|t&u",
    "ñandú",
    "v!w",
    "~y",
    "=z",
]
HIDDEN = ["x\ny", "x\x1b]0;gone\x07", "x\u202ey", "x\ty"]
SHAPED = {"type": "linux-htb", "queues": {0: {}, 1: {}, 20: {}}}
PORTS = {
    "eth1": {"qos": SHAPED},
    "eth2": {"interfaces": {"eth2": {"external_ids": {"iface-id": "vif:2"}, "mac_in_use": "02:00:00:00:00:02", "ofport": 2}}},
    "bond0": {"interfaces": {"slow1": {}, "slow2": {}}, "bond_mode": "balance-slb"},
    "bond1": {"interfaces": {"quiet1": {}, "quiet2": {}}},
    "-dash": {},
}


@pytest.fixture(scope="module")
def filled(database):
    database.put({"br0": {"ports": PORTS}, "br-int": {}, "hostile": {"ports": {name: {} for name in [*HOSTILE, *HIDDEN]}}})
    return database


def environ_of(box: Sandbox) -> dict[str, str]:
    kept = ("PATH", "LANG")
    return {key: value for key, value in os.environ.items() if key in kept} | box.environ


@pytest.fixture(scope="module", params=SHELLS)
def shell(request, filled, tmp_path_factory):
    """A shell on the filled database, with the ovstool under test."""
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    shell = Shell(request.param, environ_of(filled.switch.box), tmp_path_factory.mktemp(request.param))
    yield shell
    shell.close()


# --- in shells


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("ovstool qos st", "ovstool qos steer "),
        ("ovstool --db unix:/nosuch bridge sho", "ovstool --db unix:/nosuch bridge show "),
        ("ovstool port list -c ofp", "ovstool port list -c ofport "),
        ("ovstool bridge list --format=js", "ovstool bridge list --format=json "),
        ("ovstool bridge show br-", "ovstool bridge show br-int "),
        ("ovstool port show slow", "ovstool port show slow"),
        ("ovstool port show iface-id:", "ovstool port show iface-id:vif:2 "),
        ("ovstool port show iface-id:vif:", "ovstool port show iface-id:vif:2 "),
        ("ovstool port show ofport:br0", "ovstool port show ofport:br0/"),
        ("ovstool qos steer eth1 --queue 2", "ovstool qos steer eth1 --queue 20 "),
        ("ovstool qos set eth1 --queue 1:min=5mbit,ma", "ovstool qos set eth1 --queue 1:min=5mbit,max="),
        ("ovstool port show -", "ovstool port show --"),
        ("ovstool port show -- -d", "ovstool port show -- -dash "),
        ("ovstool bridge list | ovstool qos expl", "ovstool bridge list | ovstool qos explain "),
        ("ovstool flow add br0 --file flo", "ovstool flow add br0 --file flows.txt "),
        ("ovstool flow add br0 --file=flo", "ovstool flow add br0 --file=flows.txt "),
        ('ovstool port show "et', 'ovstool port show "eth'),
        ("ovstool bridge show 'br-", "ovstool bridge show 'br-int' "),
        ("~/ovstool qos expl", "~/ovstool qos explain "),
        ("ovstool monitor --until 'eth2 link_", "ovstool monitor --until 'eth2 link_state="),
        ("ovstool monitor --until 'eth2 link_state=u", "ovstool monitor --until 'eth2 link_state=up' "),
        ("ovstool monitor --until 'eth2 ta", "ovstool monitor --until 'eth2 tag"),
        ("ovstool monitor --until 'eth", "ovstool monitor --until 'eth"),
        ('ovstool stats --until "eth2 rx_b', 'ovstool stats --until "eth2 rx_bps'),
    ],
)
def test_what_becomes_of_a_line(shell, typed, becomes):
    (shell.folder / "flows.txt").touch()
    assert shell.becomes(typed, becomes), shell.tab(typed)


def test_sockets_after_unix(shell, filled):
    folder = f"unix:{filled.switch.box.directory}"
    for option in ("--db ", "--db="):
        assert shell.becomes(f"ovstool {option}{folder}/db.s", f"ovstool {option}{folder}/db.sock ")


def test_the_script_may_be_read_by_a_start_up_file(shell):
    if shell.name == "zsh":
        shell.run('unfunction _ovstool; compdef -d ovstool; source "$SCRIPT"')
    elif shell.name == "bash":
        shell.run("complete -r ovstool; source <(ovstool complete bash)")
    else:
        shell.run("complete -e ovstool; ovstool complete fish | source")
    assert shell.becomes("ovstool qos expl", "ovstool qos explain ")


def test_an_option_behind_the_cursor_is_in_force(shell):
    if shell.name == "fish":
        return  # bash does not report what is behind the cursor
    assert shell.tab("ovstool bridge show br-", behind=" --db unix:/nosuch") == "ovstool bridge show br- --db unix:/nosuch"
    space = "" if shell.name == "bash" else " "  # bash takes the one that exists
    expected = f"ovstool bridge show br-int{space} -f json"
    assert shell.becomes("ovstool bridge show br-", expected, behind=" -f json"), shell.tab("ovstool bridge show br-", behind=" -f json")


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_hostile_name_becomes_is_one_word(shell, name):
    """Typed just far enough to be unique; then the shell itself prints how it reads the line."""
    first = {"~": "\\~", "`": "\\`", "$": "\\$", ";": "\\;", "{": "\\{", "=": "\\="}.get(name[0], name[0])
    (shell.folder / "ovstool").rename(shell.folder / "kept")
    try:
        (shell.folder / "ovstool").write_text('#!/bin/sh\nif [ "$1" = complete ]; then exec kept "$@"; fi\nprintf "%s|" "$@" >told\n')
        (shell.folder / "ovstool").chmod(0o755)
        told = shell.folder / "told"
        for _ in range(4):  # Tab soon gives up, and a machine under load is slow
            shell.run(f"ovstool port show {first}\t")
            if told.read_text() == f"port|show|{name}|":
                break
        assert told.read_text() == f"port|show|{name}|"
    finally:
        (shell.folder / "kept").rename(shell.folder / "ovstool")
    assert not (shell.folder / "gone").exists()


def test_what_would_steer_the_terminal_is_not_shown(shell):
    assert shell.tab("ovstool port show x", "\t\t") == "ovstool port show x"
    assert "gone" not in shell.shown and "\u202e" not in shell.shown


def test_several_are_listed(shell):
    assert shell.lists("ovstool qos s", "set", "show", "steer"), shell.shown


# --- requests, in this process


def offered(line, environ, monkeypatch):
    for name in ("OVSTOOL_DB", "OVS_RUNDIR", "OVSTOOL_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if "silent" not in line:
        monkeypatch.setattr(live, "_HERE_S", 30)  # a machine under load is slow
    _, *words = tab.answer("zsh", line, "")
    return sorted(word.partition("\t")[0] for word in words)


@pytest.fixture
def on_database(filled, monkeypatch):
    """``on_database("port show e")``: the completions."""
    return lambda words, **environ: offered(f"ovstool {words}", {"OVSTOOL_DB": filled.switch.box.db} | environ, monkeypatch)


@pytest.fixture
def on_switch(unchanged, monkeypatch):
    return lambda words: offered(f"ovstool {words}", unchanged.box.environ, monkeypatch)


def test_names_of_the_database(on_database):
    assert on_database("bridge show ") == ["br-int", "br0", "hostile"]
    assert on_database("port show b") == ["bond0", "bond1", "br-int", "br0"]
    assert on_database("port show slow") == ["slow1", "slow2"]
    assert on_database("port show quiet") == ["quiet1", "quiet2"]  # that bond is known only by its two interfaces
    assert on_database("port show ofport:br0/") == ["ofport:br0/2"]
    assert on_database("port show ofport:nosuch/") == []


def test_queues_of_the_ports_that_are_named(on_database):
    assert on_database("qos steer eth1 --queue ") == ["0", "1", "20"]
    assert on_database("qos set eth2 eth1 nosuch --merge --queue ") == ["0:", "1:", "20:"]
    assert on_database("qos unsteer eth2 --queue ") == on_database("qos unsteer nosuch --queue ") == []


def test_which_switch_is_asked(on_database, filled):
    db, nowhere = filled.switch.box.db, "unix:/nosuch/db.sock"
    assert on_database("bridge show br-", OVSTOOL_DB=nowhere) == []
    assert on_database(f"--db {db} bridge show br-", OVSTOOL_DB=nowhere) == ["br-int"]
    assert on_database(f"bridge show --db={db} br-", OVSTOOL_DB=nowhere) == ["br-int"]
    assert on_database("bridge show br-", OVSTOOL_DB="", OVS_RUNDIR=str(filled.switch.box.directory)) == ["br-int"]
    assert on_database("--db $(echo x) bridge show br-") == []  # only the shell knows which
    assert on_database("-H 127.0.0.1:1 bridge show br-") == on_database("bridge show br-", OVSTOOL_HOST="127.0.0.1:1") == []
    assert on_database("-H nonsense/ bridge show br-") == on_database("--db nonsense bridge show br-") == []


def test_devices_that_are_no_ports_yet(on_database, filled):
    assert "lo" not in on_database("port add br0 ") and "eth2" not in on_database("port add br0 ")
    here = {entry.name for entry in os.scandir("/sys/class/net") if entry.is_dir()} - {"lo", "eth1", "eth2"}
    assert {name for name in here if not name.startswith("ovs-")} <= set(on_database("port add br0 ")) <= here
    assert on_database("-H 127.0.0.1:1 port add br0 ") == []


def test_what_ovs_vswitchd_has(on_switch, unchanged):
    types = on_switch("port add br0 x --type ")
    assert {"internal", "patch", "vxlan"} <= set(types) and types == sorted(
        unchanged.vsctl("get Open_vSwitch . iface_types").strip("[]").replace('"', "").split(", ")
    )
    assert "dummy" in on_switch("bridge add x --datapath-type ")
    assert on_switch("flow list nosuch --table ") == []


def test_tables_that_have_flows(switch, monkeypatch):
    for version in ("OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"):
        switch.vsctl(f"set bridge br0 protocols={version}")
        switch.tool("ovs-ofctl", "-O", version, "add-flow", f"{switch.box.directory}/br0.mgmt", "table=17,actions=drop")
        assert offered("ovstool flow list br0 --table ", switch.box.environ, monkeypatch) == ["0", "17"], version


def test_columns_are_those_that_are_printed(unchanged):
    for words in ("show", "topology", "bridge list", "bridge show br0", "port list", "port show eth1", "qos show eth1", "qos explain eth1", "stats",
                  "stats --rate --interval 0.01", "flow list br0", "flow trace br0 in_port=eth1"):  # fmt: skip
        printed = unchanged.ovstool(f"{words} -f json").json
        name = " ".join(words.split()[:2]) if " ".join(words.split()[:2]) in COMMANDS.commands else words.split()[0]
        columns = next(each.names for each in COMMANDS.commands[name].columns if set(each.options) <= set(words.split()))
        assert set(printed[0] if isinstance(printed, list) else printed) == set(columns), words


def test_nobody_answers(on_database, tmp_path):
    """A server that accepts connections and sends nothing, one that sends nonsense, and a missing one."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen()
        assert on_database(f"--db unix:{tmp_path}/silent bridge show ") == []
    assert on_database(f"--db unix:{tmp_path}/silent bridge show ") == on_database("--db tcp:127.0.0.1:1 bridge show ") == []
    assert on_database("--db ssl:127.0.0.1:1 bridge show ") == []


def test_a_tab_says_nothing_but_its_answer(filled):
    for words in ("--db unix:/nosuch port show ", "-H nosuch.invalid port show ", "--inventory /nosuch -H @x port show "):
        done = filled.switch.ovstool(["complete", "--line", "bash", f"ovstool {words}", ""])
        assert (done.stdout, done.stderr, done.code) == ("words\n", "", 0), words
