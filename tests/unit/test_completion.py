"""What Tab offers without a shell or a switch; in each line, | marks the cursor."""

import pytest

from ovstool.commands import COMMANDS, NOUNS
from ovstool.completion import command_line, shell_line, tab
from ovstool.completion.grammar import Option
from ovstool.shell import App
from ovstool.switch.names import PortNames

THERE = {
    "bridges": ["br0", "br-int"],
    "ports": ["br0", "eth1", "eth2", "eth10", "-odd", "if 1"],
    "interfaces": ["eth1"],
    "devices": ["eth3", "eth4"],
    "queues": ["0", "1", "10"],
    "tables": ["0", "17"],
    "interface types": ["internal", "patch", "vxlan"],
    "datapath types": ["netdev", "system"],
    "hosts": ["@rack1", "@rack2", "leaf01", "leaf02", "spine1"],
    "iface-id": ["a1", "a2", "b:1"],
    "mac": ["02:00:00:00:00:01"],
    "ofports": ["1", "2"],
}


def offered(line, shell="zsh", there=THERE, **options):
    """The offered words, and the instructions to the script."""
    asked.clear()

    def ask(kind, *of):
        asked.append((kind, *of))
        return there.get(kind, ())

    before, _, after = line.partition("|")
    told, *words = tab.answer(shell, before, after, ask=ask, **options)
    return told, [word.partition("\t")[0] for word in words]


asked: list[tuple[str, ...]] = []
OF_QOS_SET = ["--type", "--max-rate", "--burst", "--queue", "--merge", "--force", "--other-config"]
OF_BRIDGE_ADD = ["--datapath-type", "--fail-mode", "--protocols", "--controller", "--external-id", "--other-config"]
QUEUE_KEYS = ["1:min=", "1:max=", "1:burst=", "1:priority=", "1:dscp="]

LINES = {
    # nouns and verbs, after help too, and only where they belong
    "ovstool |": list(NOUNS),
    "ovstool s|": ["show", "stats", "sflow", "snapshot", "schema", "sandbox", "shell"],
    "ovstool -v --db unix:/x -H a q|": ["qos"],
    "ovstool --db=unix:/x q|": ["qos"],
    "ovstool qos s|": ["set", "show", "steer"],
    "ovstool nonsense x|": [],
    "ovstool qos nonsense |": [],
    "ovstool help p|": ["port", "police"],
    "ovstool help qos s|": ["set", "show", "steer"],
    "ovstool help qos set |": [],
    "ovstool stats r|": ["record"],
    "ovstool stats eth1 rec|": [],
    "ovstool -v qos g| --debug": ["gc"],
    # options of this command and common ones, before and after its words
    "ovstool --d|": ["--db", "--dry-run", "--debug"],
    "ovstool qos set eth1 --t|": ["--type", "--timeout"],
    "ovstool qos set --t| eth1": ["--type", "--timeout"],
    "ovstool qos set eth1 -|": None,
    "ovstool bridge list --s|": ["--sort-column", "--sort-ascending", "--sort-descending", "--sudo"],
    "ovstool bridge show br0 --s|": ["--sudo"],
    "ovstool flow add br0 --f|": ["--file", "--format", "--fit-width", "--fail-fast"],
    "ovstool bridge add br5 |": OF_BRIDGE_ADD,
    # an option is not offered again once given, nor are options that exclude it
    "ovstool qos set eth1 --type htb --ty|": [],
    "ovstool qos set eth1 --type=htb --ty|": [],
    "ovstool qos set eth1 --ty| --type htb": [],
    "ovstool qos set eth1 --queue 1 --qu|": ["--queue", "--quote", "--quiet"],
    "ovstool -H a -H b --ho|": ["--host"],
    "ovstool bridge list -f json --for|": [],
    "ovstool bridge list -fjson --for|": [],
    "ovstool bridge list -vf json --for|": [],
    "ovstool stats --rate --b|": ["--bridge"],
    "ovstool stats --b|": ["--bridge", "--bursts"],
    "ovstool bridge list --sort-descending --sort-|": ["--sort-column"],
    "ovstool -q bridge list --qu|": ["--quote"],
    # values of this command's option
    "ovstool port add br0 x --type |": ["internal", "patch", "vxlan"],
    "ovstool qos set eth1 --type h|": ["htb", "hfsc"],
    "ovstool qos set eth1 --type=linux-h|": ["--type=linux-htb", "--type=linux-hfsc"],
    "ovstool bridge add b --datapath-type |": ["netdev", "system"],
    "ovstool bridge add b --fail-mode s|": ["standalone", "secure"],
    "ovstool bridge add b --protocols OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,O|": [
        f"OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow1{minor}" for minor in (4, 5)
    ],
    "ovstool bridge set br0 --unset fail|": ["fail_mode"],
    "ovstool port set eth1 --bond-mode b|": ["balance-slb", "balance-tcp"],
    "ovstool port set eth1 --lacp |": ["active", "passive", "off"],
    "ovstool port set eth1 --vlan-mode native|": ["native-tagged", "native-untagged"],
    "ovstool stats --source |": ["auto", "openflow", "ovsdb"],
    "ovstool flow top br0 --by |": ["bytes", "packets"],
    "ovstool bridge list --quote |": ["all", "minimal", "none", "nonnumeric"],
    "ovstool bridge list -f js|": ["json"],
    "ovstool bridge list -f |": ["table", "json", "csv", "yaml", "value", "shell", "lines", "plain", "github"],
    "ovstool bridge list -f p|": ["plain"],
    "ovstool bridge list -f pi|": ["pipe"],
    "ovstool bridge list --format=simple|": ["--format=simple", "--format=simple_grid", "--format=simple_outline"],
    "ovstool flow list br0 -f f|": ["flows"],
    "ovstool flow list br0 -f fancy|": ["fancy_grid", "fancy_outline"],
    "ovstool bridge list -fjs|": ["-fjson"],
    "ovstool bridge list --format=js|": ["--format=json"],
    "ovstool sandbox start --datapath |": ["dummy", "netdev", "system"],
    "ovstool complete |": ["bash", "zsh", "fish"],
    "ovstool port set eth1 --tag |": [],
    "ovstool port set eth1 --option remote_i|": ["remote_ip="],
    "ovstool port set eth1 --option remote_ip=|": [],
    "ovstool port set eth1 --external-id i|": ["iface-id="],
    "ovstool qos set eth1 --type codel --other-config l|": ["latency=", "limit=", "loss="],
    "ovstool bridge set br0 --other-config=hw|": ["--other-config=hwaddr="],
    "ovstool bridge set br0 --external-id |": [],
    "ovstool --db |": ["unix:", "tcp:", "ssl:"],
    "ovstool --db tcp:|": [],
    # the columns of this command, each once
    "ovstool port list -c o|": ["ofport"],
    "ovstool bridge list -c |": ["bridge", "datapath_type", "fail_mode", "ports", "controllers", "sflow"],
    "ovstool bridge list -c ports -c p|": [],
    "ovstool bridge list --sort-column=p|": ["--sort-column=ports"],
    "ovstool bridge show br0 -c s|": ["sflow", "stp"],
    "ovstool stats -c rx_p|": ["rx_packets"],
    "ovstool stats -c rx_p| --rate": ["rx_pps"],
    "ovstool stats --queues --watch -c tx_|": ["tx_bps", "tx_pps"],
    "ovstool stats --bursts -c p9|": ["p95_bps", "p99_bps"],
    "ovstool qos check -c s|": ["severity"],
    "ovstool qos clear eth1 -c |": ["object", "change"],
    # names once each, and selectors once one is begun
    "ovstool bridge show |": ["br0", "br-int"],
    "ovstool bridge del br0 |": ["br-int"],
    "ovstool bridge add |": [],
    "ovstool stats --bridge |": ["br0", "br-int"],
    "ovstool port show |": ["br0", "eth1", "eth2", "eth10", "if 1"],
    "ovstool port show eth1|": ["eth1", "eth10"],
    "ovstool port del eth1 eth10 e|": ["eth2"],
    "ovstool port show eth1 |": [],
    "ovstool port show -- -|": ["-odd"],
    "ovstool port set eth1 --peer=-|": ["--peer=-odd"],
    "ovstool port set eth1 --peer -|": [],
    "ovstool port show i|": ["if 1", "iface-id:"],
    "ovstool port show iface-id:|": ["iface-id:a1", "iface-id:a2", "iface-id:b:1"],
    "ovstool port show mac:02|": ["mac:02:00:00:00:00:01"],
    "ovstool port show ofport:br|": ["ofport:br0/", "ofport:br-int/"],
    "ovstool port show ofport:br0/|": ["ofport:br0/1", "ofport:br0/2"],
    "ovstool port add br0 |": ["eth3", "eth4"],
    "ovstool port add br0 bond0 --bond eth3,|": ["eth3,eth4"],
    "ovstool stats plot f.csv |": [],
    "ovstool qos steer eth1 --queue 1|": ["1", "10"],
    "ovstool qos set eth1 --merge --queue |": ["0:", "1:", "10:"],
    "ovstool qos set eth1 --queue |": [],
    "ovstool qos set eth1 --queue 1|": ["1:"],
    "ovstool qos set eth1 --queue 1:|": QUEUE_KEYS,
    "ovstool qos set eth1 --queue 1:min=5mbit,m|": ["1:min=5mbit,max="],
    "ovstool qos set eth1 --queue=1:p|": ["--queue=1:priority="],
    "ovstool qos set eth1 --queue 1:min=|": [],
    "ovstool flow list br0 --table |": ["0", "17"],
    # a condition: an object, a field, and its value where it is a word; a single candidate must not end within the quotes
    "ovstool monitor --until 'eth|": ["eth1", "eth2", "eth10"],
    "ovstool monitor --until 'if|": [],
    'ovstool monitor --until \'"if 1" li|': ['"if 1" link_state=up', '"if 1" link_state=down'],
    "ovstool monitor --until 'eth2 link_state=d|": ["eth2 link_state=down"],
    "ovstool monitor --until 'eth2 ta|": ["eth2 tag", "eth2 tag="],
    "ovstool monitor --until 'eth2 tag=|": [],
    "ovstool monitor --until=link|": ["--until=link_state=up", "--until=link_state=down"],
    "ovstool stats --until 'eth2 rx_b|": ["eth2 rx_bps<", "eth2 rx_bps>"],
    "ovstool -H |": ["@rack1", "@rack2", "leaf01", "leaf02", "spine1"],
    "ovstool -H @|": ["@rack1", "@rack2"],
    "ovstool -H leaf01,le|": ["leaf01,leaf02"],
    "ovstool -H leaf01 -H le|": ["leaf02"],
    "ovstool -Hsp|": ["-Hspine1"],
    "ovstool -H admin@sp|": ["admin@spine1"],
    "ovstool --host=@rack1,@|": ["--host=@rack1,@rack2"],
    # the command at the cursor
    "ovstool bridge list | ovstool q|": None,
    "OVSTOOL_READ_ONLY=1 ovstool q|": ["qos"],
    "ovstool 'qos' \"se\"t eth1 --merge --queue 1|": ["0:", "1:", "10:"][1:],
    "ovstool $(date) qos |": [],
}


@pytest.mark.parametrize("line", [line for line, words in LINES.items() if words is not None])
def test_what_is_offered(line):
    assert offered(line)[1] == LINES[line]


def test_every_option_of_a_command_and_no_letter():
    told, words = offered("ovstool qos set eth1 -|")
    assert told == "words" and set(OF_QOS_SET) < set(words) and "--db" in words and not [word for word in words if len(word) == 2]
    assert offered("ovstool qos set eth1 -v|")[1] == ["-v"]


@pytest.mark.parametrize("between", ["|", "||", "&&", ";", "&", "\n", "("])
def test_a_command_begins_after_another(between):
    read = shell_line.read("bash", f"ovstool bridge list {between} ovstool q", "")
    assert [word.text for word in read.before] == ["ovstool"] and read.current.text == "q"


def test_what_the_switch_is_asked():
    def asks(line):
        offered(line)
        return asked

    assert asks("ovstool qos set eth1 eth2 --merge --queue |") == [("queues", "eth1", "eth2")]
    assert asks("ovstool flow list br0 ip --table |") == [("tables", "br0")]
    assert asks("ovstool port show ofport:a/b/|") == [("ofports", "a/b")]
    assert asks("ovstool port show eth|") == [("ports", "eth")]
    for quiet in (
        "|",
        " --x|",
        " bridge list -c |",
        " bridge list -f |",
        " help |",
        " qos set p --type |",
        " --db unix:/|",
        " flow add b --file |",
    ):
        assert asks(f"ovstool{quiet}") == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ovstool port show |", "words"), ("ovstool --db |", "open"), ("ovstool qos set p --queue 1:|", "open"),
        ("ovstool flow add br0 --file |", "files "), ("ovstool flow add br0 --file=x|", "files --file="), ("ovstool --inventory |", "files "),
        ("ovstool --private-key |", "files "), ("ovstool stats record |", "files "), ("ovstool stats plot x -ox|", "files -o"),
        ("ovstool sandbox run -- |", "files "), ("ovstool bridge list > |", "files "), ("ovstool bridge list 2>>x|", "files "),
    ],
)  # fmt: skip
def test_the_instructions_to_the_script(line, told):
    assert offered(line)[0] == told


def test_sockets_and_folders_after_unix(tmp_path, monkeypatch):
    import socket

    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / ".hidden").mkdir()
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(tmp_path / "db.sock"))
    assert sorted(offered(f"ovstool --db unix:{tmp_path}/|")[1]) == [f"unix:{tmp_path}/db.sock", f"unix:{tmp_path}/folder/"]
    assert offered(f"ovstool --db unix:{tmp_path}/.|")[1] == [f"unix:{tmp_path}/.hidden/"]
    assert offered(f"ovstool --db unix:{tmp_path}/nosuch/|") == ("words", [])
    assert offered(f"ovstool -H leaf01 --db unix:{tmp_path}/|")[1] == []  # a path on that host
    monkeypatch.setenv("OVSTOOL_HOST", "leaf01")
    assert offered(f"ovstool --db unix:{tmp_path}/|")[1] == []


# --- how a shell writes it

HOSTILE = ["$(reboot)", "`reboot`", "a;b", "a b", "a'b", 'a"b', "a\\b", "a*", "a!b", "~a", "{a,b}", "a|b&c", "<a>", "#a", "E[1-2]", "ñandú"]
NEVER = ["a\nb", "a\x1b[2Jb", "a\tb", "a\u202eb", "a\x7f", "\ud800", ""]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_bash_reads_a_name_as_it_is(name, quote):
    import subprocess

    told, words = offered(f"ovstool port show {quote}|", "bash", {"ports": [name]})
    if (quote, name) in (("'", "a'b"), ('"', "a!b")):
        assert words == []  # it cannot be typed there
        return
    script = f"PATH=/nonexistent; printf %s {quote}{words[0]}{quote}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert (told, done.stdout, done.stderr) == ("words", name, "")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_quote_by_themselves(shell, name):
    assert offered("ovstool port show |", shell, {"ports": [name]})[1] == [name]


@pytest.mark.parametrize("name", NEVER)
@pytest.mark.parametrize("shell", shell_line.SHELLS)
def test_control_characters_are_left_out(shell, name):
    assert offered("ovstool port show |", shell, {"ports": [name, "eth1"]})[1] == ["eth1"]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("iface-id:b|", ["b\\:1"[:1] + ":1"]), ("iface-id:b:|", ["1"]), ("iface-id\\:b|", ["iface-id:b:1"]), ('"iface-id:b|', ["iface-id:b:1"]),
        ("iface-id:'b|", ["b:1"]), ("'iface-id:'b|", ["b:1"]),
    ],
)  # fmt: skip
def test_bash_gets_the_part_after_its_last_word_break(typed, words):
    assert offered(f"ovstool port show {typed}", "bash")[1] == words


def test_bash_with_other_word_breaks():
    assert offered("ovstool port show iface-id:b|", "bash", breaks=" \t\n")[1] == ["iface-id:b:1"]
    assert offered("ovstool bridge list --format=js|", "bash", breaks=" =")[1] == ["json"]
    assert offered("ovstool -H admin@sp|", "bash")[1] == ["spine1"]


def test_words_as_shells_read_them(monkeypatch):
    monkeypatch.setenv("HOME", "/home/x")
    monkeypatch.setenv("PORT", "eth1")

    def words(line, shell="bash"):
        return [word.text for word in shell_line.read(shell, f"{line} ", "").before]

    assert words("a 'b c' \"d\\$e\" f\\ g") == ["a", "b c", "d$e", "f g"]
    assert words("a $PORT ${PORT}x '$PORT' \"$PORT\"") == ["a", "eth1", "eth1x", "$PORT", "eth1"]
    assert words("a ~/b b~ ~") == ["a", "/home/x/b", "b~", "~"]
    assert words("a <in 2>&1 >out b 2>>x c") == ["a", "b", "c"]
    assert words("X=1 Y='2 3' a b=c") == ["a", "b=c"]
    assert shell_line.read("bash", "X=1 Y='2 3' a ", "").environ == {"X": "1", "Y": "2 3"}
    assert words(r"a 'it\'s' b", "fish") == ["a", "it's", "b"]
    assert [word.known for word in shell_line.read("zsh", "a $(b c) `d e` ", "").before] == [True, False, False]
    for unknown in ("$NOSUCHVARIABLE", "`b`", "$'b'", '"$(b)"'):
        assert not shell_line.read("bash", f"a {unknown}", "").current.known, unknown
    assert shell_line.read("bash", "a b", "c --db x; d").after[-1].text == "x"


# --- what is known of the command line

APP = App()


def parser_of(name):
    return APP.command_manager.find_command(name.split())[0](APP, None, name).get_parser(f"ovstool {name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_known_as_argparse_has_it(name):
    known = {each: option for option in command_line.COMMANDS.options_of(command_line.COMMANDS.commands[name]) for each in option.names}
    actions = {each: action for action in parser_of(name)._actions for each in action.option_strings}
    assert known.keys() == actions.keys()
    assert {each: option.values is None for each, option in known.items()} == {each: action.nargs == 0 for each, action in actions.items()}
    assert {each: known[each].values for each, action in actions.items() if action.choices and each != "--type"} == {
        each: tuple(action.choices) for each, action in actions.items() if action.choices and each != "--type"
    }


def test_every_value_is_of_a_kind_that_is_known():
    from ovstool.completion import candidates, live

    options = [option for command in command_line.COMMANDS.commands.values() for option in command_line.COMMANDS.options_of(command)]
    arguments = [argument for command in command_line.COMMANDS.commands.values() for argument in command.arguments]
    kinds = {each.values.removesuffix(",") for each in (*options, *arguments) if isinstance(each.values, str)}
    assert kinds - {"", "files", "devices"} <= candidates._KINDS.keys() | live._OF_SWITCH.keys()
    assert all(isinstance(option, Option) and option.about for option in options)


def test_the_scripts_may_pass_the_word_breaks(capfdbinary):
    assert tab.main(["bash", "ovstool sflow e", ""]) == tab.main(["bash", "ovstool sflow e", "", " =:"]) == 0
    assert capfdbinary.readouterr().out == b"words\nenable\n" * 2


def test_an_empty_request_gets_no_answer(capsys):
    assert [tab.main(words) for words in ([], ["csh", "a", "b"], ["bash", "a"], ["bash", "a", "b", "c", "d"])] == [2] * 4
    assert capsys.readouterr().out == ""


def test_names_that_begin_alike_are_one_piece_of_the_cached_text():
    names = ["p1", "p10", "p2", "br0", "bond0", "é", "p1\np3", "", "-x"]
    kept = PortNames.of("v", names)
    assert kept.beginning("") == sorted(name for name in names if "\n" not in name)
    for begin in ("p", "p1", "p10", "p100", "b", "br0", "bond", "a", "z", "é", "-", "p1\n", "\n"):
        assert kept.beginning(begin) == [name for name in kept.beginning("") if name.startswith(begin)], begin
    assert PortNames.of("v", []).beginning("") == PortNames.of("v", []).beginning("p") == []
