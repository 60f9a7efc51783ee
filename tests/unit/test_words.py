"""Options as values: what each option of each command becomes, its default, and the limits of its values."""

import argparse

import pytest

from ovstool.commands import COMMANDS
from ovstool.errors import UsageError
from ovstool.parser import common_defaults, time_for
from ovstool.shell import App
from ovstool.switch.accepts.qos_types import Shape
from ovstool.switch.qos import QueueSpec

OUTPUT = {
    "formatter": "table", "columns": [], "all_columns": False, "noindent": False, "max_width": 0, "fit_width": False, "print_empty": False,
    "quote_mode": "nonnumeric", "prefix": "",
}  # fmt: skip
SORTING = {"sort_columns": [], "sort_direction": None}
COMMON = {
    "db": None, "hosts": None, "usual_hosts": [], "inventory": None, "sudo": False, "parallel": 16, "fail_fast": False, "accept_new_host_key": False, "read_only": False,
    "private_key": None, "certificate": None, "ca_cert": None, "timeout": None, "no_wait": False, "dry_run": False, "as_ovs": False,
    "confirm_within": None,
    "verbose_level": 1,
    "debug": False, "help": False,
}  # fmt: skip


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in ("OVSTOOL_DB", "OVS_CTL_TIMEOUT", "CLIFF_MAX_TERM_WIDTH", "CLIFF_FIT_WIDTH", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def parsed(line: str | list[str]) -> dict:
    """All arguments that a command is run with."""
    app = App()
    command_class, name, rest = app.command_manager.find_command(line.split() if isinstance(line, str) else line)
    return vars(command_class(app, None, name).get_parser(f"ovstool {name}").parse_words(rest, common_defaults()))


def refusal(line: str | list[str]) -> str:
    with pytest.raises(UsageError) as refused:
        parsed(line)
    return str(refused.value)


BRIDGE = dict.fromkeys(["datapath_type", "fail_mode", "protocols", "controller", "external_id", "other_config"])
PORT = dict.fromkeys(["type", "tag", "trunk", "vlan_mode", "peer", "remote_ip", "key", "option", "external_id", "mtu", "bond_mode", "lacp"])
STATS = {"bridge": None, "source": "auto", "long": False, "queues": False, "rate": False, "bursts": False, "interval": None}
RECORDED = {"live": False, "interval": None}  # stats plot
LISTENING = dict.fromkeys(("port", "bind", "read", "agent", "count", "for_s", "pcap", "by", "interval", "limit")) | {"top": False}
STATS |= {"for_s": None, "count": None, "watch": False, "until": None}


@pytest.mark.parametrize(
    ("line", "own"),
    [
        ("show", {"bridges": []}),
        ("show br0 br1", {"bridges": ["br0", "br1"]}),
        ("bridge list", {}),
        ("bridge show br0", {"bridge": "br0"}),
        ("bridge add br0", {"bridge": "br0"} | BRIDGE),
        (
            "bridge add br0 --datapath-type netdev --fail-mode secure --protocols OpenFlow10,OpenFlow13 --protocols OpenFlow15 "
            "--controller tcp:192.0.2.1 --controller unix:/x --external-id a=b=c --external-id d= --other-config e=f --other-config g=h",
            {
                "bridge": "br0", "datapath_type": "netdev", "fail_mode": "secure", "protocols": [["OpenFlow10", "OpenFlow13"], ["OpenFlow15"]],
                "controller": ["tcp:192.0.2.1", "unix:/x"], "external_id": [("a", "b=c"), ("d", "")], "other_config": [("e", "f"), ("g", "h")],
            },
        ),
        ("bridge set br0", {"bridge": "br0", "unset": None, "force": False} | BRIDGE),
        (
            "bridge set br0 --unset fail-mode --unset other_config:hw-addr --unset external_ids: --force --fail-mode standalone",
            {
                "bridge": "br0", "unset": [("fail_mode", None), ("other_config", "hw-addr"), ("external_ids", "")], "force": True,
            } | BRIDGE | {"fail_mode": "standalone"},
        ),
        ("bridge del br0", {"bridges": ["br0"], "if_exists": False}),
        ("bridge del br0 br1 --if-exists", {"bridges": ["br0", "br1"], "if_exists": True}),
        ("port list", {"bridges": []}),
        ("port list br0 br1", {"bridges": ["br0", "br1"]}),
        ("port show eth1", {"port": "eth1"}),
        ("port add br0 eth1", {"bridge": "br0", "port": "eth1", "bond": None} | PORT),
        (
            "port add br0 bond0 --bond eth1,eth2 --bond eth3 --type system --tag 4095 --trunk 0,1 --trunk 2 --vlan-mode trunk --peer p "
            "--remote-ip i --key k --option a=b --option c=d --external-id e=f --external-id g=h --mtu 9000 --bond-mode active-backup --lacp off",
            {
                "bridge": "br0", "port": "bond0", "bond": [["eth1", "eth2"], ["eth3"]], "type": "system", "tag": 4095, "trunk": [[0, 1], [2]],
                "vlan_mode": "trunk", "peer": "p", "remote_ip": "i", "key": "k", "option": [("a", "b"), ("c", "d")],
                "external_id": [("e", "f"), ("g", "h")], "mtu": 9000, "bond_mode": "active-backup", "lacp": "off",
            },
        ),
        ("port set eth1", {"port": "eth1", "unset": None} | PORT),
        ("port set eth1 --unset mtu --unset trunk", {"port": "eth1", "unset": [("mtu_request", None), ("trunks", None)]} | PORT),
        (
            "port set eth1 --unset tag --unset options:a_b --lacp passive",
            {"port": "eth1", "unset": [("tag", None), ("options", "a_b")]} | PORT | {"lacp": "passive"},
        ),
        ("port del eth1 eth2", {"ports": ["eth1", "eth2"], "if_exists": False}),
        ("port del eth1 --if-exists", {"ports": ["eth1"], "if_exists": True}),
        ("stats", {"ports": []} | STATS),
        (
            "stats eth1 --bridge br0 eth2 --source ovsdb --long --queues --rate --interval 0.5 --for 2 --count 3",
            {
                "ports": ["eth1", "eth2"], "bridge": "br0", "source": "ovsdb", "long": True, "queues": True, "rate": True, "bursts": False,
                "interval": 0.5, "for_s": 2.0, "count": 3, "watch": False, "until": None,
            },
        ),
        ("stats --bursts --watch", {"ports": []} | STATS | {"bursts": True, "watch": True}),
        (
            "stats record f.csv",
            {"file": "f.csv", "ports": [], "bridge": None, "source": "auto", "interval": 1.0, "count": None, "for_s": None},
        ),
        (
            "stats record f.csv eth1 eth2 --bridge br0 --source openflow --interval 0.25 --count 7",
            {
                "file": "f.csv", "ports": ["eth1", "eth2"], "bridge": "br0", "source": "openflow", "interval": 0.25, "count": 7, "for_s": None,
            },
        ),
        (
            "stats record f.csv --for 1.5",
            {"file": "f.csv", "ports": [], "bridge": None, "source": "auto", "interval": 1.0, "count": None, "for_s": 1.5},
        ),
        ("stats plot f.csv", {"file": "f.csv", "ports": [], "output": None, "style": None, "packets": False} | RECORDED),
        (
            "stats plot f.csv eth1 eth2 -o x.svg --style line --packets",
            {"file": "f.csv", "ports": ["eth1", "eth2"], "output": "x.svg", "style": "line", "packets": True} | RECORDED,
        ),
        ("stats plot f.csv --output x --style step", {"file": "f.csv", "ports": [], "output": "x", "style": "step", "packets": False} | RECORDED),
        (
            "stats plot --live --interval 2 eth1",
            {"file": "eth1", "ports": [], "output": None, "style": None, "packets": False, "live": True, "interval": 2.0},
        ),
        ("stats --until rx_bps>5", {"ports": []} | STATS | {"until": "rx_bps>5"}),
        ("monitor", {"nouns": [], "until": None}),
        ("monitor port qos --until error", {"nouns": ["port", "qos"], "until": "error"}),
        ("flow list br0", {"bridge": "br0", "match": None, "table": None, "names": None, "parsed": False}),
        ("flow list br0 ip --table 254 --names --parsed", {"bridge": "br0", "match": "ip", "table": 254, "names": True, "parsed": True}),
        ("flow list br0 --no-names", {"bridge": "br0", "match": None, "table": None, "names": False, "parsed": False}),
        ("flow add br0", {"bridge": "br0", "flows": [], "file": None}),
        ("flow add br0 a b --file f", {"bridge": "br0", "flows": ["a", "b"], "file": "f"}),
        ("flow del br0", {"bridge": "br0", "match": None, "strict": False}),
        ("flow del br0 ip --strict", {"bridge": "br0", "match": "ip", "strict": True}),
        ("flow replace br0 --file f", {"bridge": "br0", "file": "f"}),
        ("flow diff br0 --file -", {"bridge": "br0", "file": "-"}),
        ("flow trace br0 ip", {"bridge": "br0", "flow": "ip"}),
        ("flow top br0", {"bridge": "br0", "match": None, "table": None, "interval": 1.0, "by": "bytes", "limit": None, "watch": False}),
        (
            "flow top br0 ip --table 0 --interval 2.5 --by packets --limit 3",
            {"bridge": "br0", "match": "ip", "table": 0, "interval": 2.5, "by": "packets", "limit": 3, "watch": False},
        ),
        ("flow top br0 --by bytes", {"bridge": "br0", "match": None, "table": None, "interval": 1.0, "by": "bytes", "limit": None, "watch": False}),
        ("sflow listen", LISTENING),
        (
            "sflow listen --port 0 --bind ::1 --agent a --agent 10.0.0.1 --count 2 --for 1.5 --pcap x --top --by src --interval 2 --limit 3",
            {
                "port": 0, "bind": "::1", "read": None, "agent": ["a", "10.0.0.1"], "count": 2, "for_s": 1.5, "pcap": "x", "top": True, "by": "src",
                "interval": 2.0, "limit": 3,
            },
        ),
        ("sflow listen --read -", LISTENING | {"read": "-"}),
        ("police set eth1 eth2", {"ports": ["eth1", "eth2"], "rate": None, "burst": None, "packet_rate": None, "packet_burst": None}),
        (
            "police set eth1 --rate 10mbit --burst 64kB --packet-rate 5000 --packet-burst 2000",
            {"ports": ["eth1"], "rate": 10**7, "burst": 512_000, "packet_rate": 5000, "packet_burst": 2000},
        ),
        ("police clear eth1 eth2", {"ports": ["eth1", "eth2"]}),
        ("police check", {"ports": []}),
        ("police check eth1 eth2", {"ports": ["eth1", "eth2"]}),
        ("police list", {}),
        ("sflow check", {"bridges": [], "for_s": 3}),
        ("sflow check br0 br1 --for 0.5", {"bridges": ["br0", "br1"], "for_s": 0.5}),
        (
            "qos set eth1 eth2",
            {
                "ports": ["eth1", "eth2"], "type": None, "max_rate": None, "burst": None, "queue": None, "merge": False, "force": False,
                "other_config": None,
            },
        ),
        (
            "qos set eth1 --type htb --max-rate 200mbit --burst 1kbit --queue 1:min=1k,max=2k,burst=3kbit,priority=4,dscp=5 --queue 0 --merge "
            "--force --other-config a=b --other-config c=d",
            {
                "ports": ["eth1"], "type": "linux-htb", "max_rate": 200_000_000, "burst": 1000,
                "queue": [(1, QueueSpec(Shape(1000, 2000, 3000, 4), 5)), (0, QueueSpec(Shape(), None))], "merge": True, "force": True,
                "other_config": [("a", "b"), ("c", "d")],
            },
        ),
        ("qos clear eth1 eth2", {"ports": ["eth1", "eth2"]}),
        ("qos list", {}),
        ("qos show eth1", {"port": "eth1"}),
        ("qos explain eth1", {"port": "eth1"}),
        ("qos check", {"ports": []}),
        ("qos check eth1 eth2", {"ports": ["eth1", "eth2"]}),
        ("qos gc", {}),
        ("qos steer eth1 --queue 1 --match ip", {"port": "eth1", "queue": 1, "match": "ip"}),
        ("qos unsteer eth1", {"port": "eth1", "queue": None, "match": None}),
        ("qos unsteer eth1 --queue 1 --match ip", {"port": "eth1", "queue": 1, "match": "ip"}),
        (
            "sflow enable",
            {"bridges": [], "collector": None, "agent": None, "sampling": None, "polling": None, "header": None, "force": False},
        ),
        (
            "sflow enable br0 br1 --collector 10.0.0.5 --collector [2001:db8::5]:6344 --agent lo --sampling 64 --polling 0 --header 128 --force",
            {
                "bridges": ["br0", "br1"], "collector": [("10.0.0.5", 6343), ("2001:db8::5", 6344)], "agent": "lo", "sampling": 64,
                "polling": 0, "header": 128, "force": True,
            },
        ),
        ("sflow disable", {"bridges": []}),
        ("sflow disable br0 br1", {"bridges": ["br0", "br1"]}),
        ("sflow list", {}),
        ("sandbox start", {"dir": None, "datapath": None}),
        ("sandbox stop", {"dir": None}),
        ("sandbox env", {"dir": None}),
        ("sandbox run -- a --b", {"dir": None, "datapath": None, "command": ["a", "--b"]}),
        ("sandbox run --datapath dummy", {"dir": None, "datapath": "dummy", "command": []}),
        ("sandbox shell --datapath netdev", {"dir": None, "datapath": "netdev"}),
        ("shell", {"file": None, "keep_going": False}),
        ("shell - --keep-going", {"file": "-", "keep_going": True}),
        ("complete", {"shell": "bash"}),
        ("complete zsh", {"shell": "zsh"}),
        ("help", {"words": []}),
        ("help a b c", {"words": ["a", "b", "c"]}),
        ("version", {}),
    ],
)  # fmt: skip
def test_what_a_command_is_run_with(line, own):
    args = parsed(line)
    assert {name: args.pop(name) for name in COMMON} == COMMON
    assert {name: value for name, value in args.items() if name not in OUTPUT and name not in SORTING} == own


CHANGES = (
    "bridge add|bridge set|bridge del|port add|port set|port del|flow add|flow del|flow replace|police set|police clear|qos set|qos clear"
)
CHANGES += (
    "|apply|confirm|undo|qos gc|qos steer|qos unsteer|sflow enable|sflow disable|sandbox start|sandbox stop|snapshot save|snapshot restore"
)
LEAST = {
    "qos steer": "x --queue 1 --match ip",
    "flow replace": "x --file f",
    "flow diff": "x --file f",
    "flow trace": "x ip",
    "port add": "x y",
    "undo": "0123abcd",
}
LEAST |= dict.fromkeys(
    "bridge list|port list|police list|police check|qos list|qos check|qos gc|sflow list|sflow check|sflow listen|topology|history|metrics|monitor|sandbox start|sandbox stop".split(
        "|"
    ),
    "",
)


@pytest.mark.parametrize("name", COMMANDS)
def test_default_output_formats(name):
    args = parsed(f"{name} {LEAST.get(name, 'x' if name not in ('version', 'schema', 'shell', 'sandbox env', 'sandbox shell') else '')}")
    if name in (
        "stats record",
        "stats plot",
        "sandbox env",
        "sandbox run",
        "sandbox shell",
        "schema",
        "shell",
        "complete",
        "help",
        "version",
    ):
        assert args.keys().isdisjoint(OUTPUT)
        return
    usual = (
        "lines"
        if name in CHANGES.split("|")
        else "value"
        if name == "flow diff"
        else "yaml"
        if name == "export"
        else None
        if name in ("flow top", "sflow listen", "metrics")
        else "table"
    )
    assert {key: args[key] for key in OUTPUT} == OUTPUT | {"formatter": usual}
    shows = ("show", "export", "topology", "bridge show", "port show", "flow trace", "qos show", "qos explain")
    assert {key: args[key] for key in SORTING if key in args} == ({} if name in shows else SORTING)


def test_output_options():
    said = parsed(
        "port list -f json -c a --column b --all-columns --noindent --max-width 5 --fit-width --print-empty --quote all --prefix p --sort-column c "
        "--sort-column d --sort-descending"
    )
    assert {key: said[key] for key in OUTPUT | SORTING} == {
        "formatter": "json", "columns": ["a", "b"], "all_columns": True, "noindent": True, "max_width": 5, "fit_width": True, "print_empty": True,
        "quote_mode": "all", "prefix": "p", "sort_columns": ["c", "d"], "sort_direction": "desc",
    }  # fmt: skip
    assert parsed("port list --sort-ascending --format github")["sort_direction"] == "asc"
    for mode in ("all", "minimal", "none", "nonnumeric"):
        assert parsed(f"port list --quote {mode}")["quote_mode"] == mode


def test_widths_of_the_environment(monkeypatch):
    monkeypatch.setenv("CLIFF_MAX_TERM_WIDTH", "70")
    monkeypatch.setenv("CLIFF_FIT_WIDTH", "1")
    assert [parsed("port list")[name] for name in ("max_width", "fit_width")] == [70, True]
    assert parsed("port list --max-width 0")["max_width"] == 0
    monkeypatch.setenv("CLIFF_FIT_WIDTH", "0")
    assert parsed("port list")["fit_width"] is False


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ("--db unix:/x", {"db": "unix:/x"}),
        ("-H a -H b,c --host d", {"hosts": ["a", "b,c", "d"]}),
        ("--inventory f", {"inventory": "f"}),
        ("--read-only", {"read_only": True}),
        ("--as-ovs", {"as_ovs": True}),
        ("--sudo --fail-fast --accept-new-host-key", {"sudo": True, "fail_fast": True, "accept_new_host_key": True}),
        ("--parallel 1", {"parallel": 1}),
        ("--parallel 1000", {"parallel": 1000}),
        ("--private-key a --certificate b --ca-cert c", {"private_key": "a", "certificate": "b", "ca_cert": "c"}),
        ("-t 0.001", {"timeout": 0.001}),
        ("--timeout 1000000", {"timeout": 10**6}),
        ("--confirm-within 60", {"confirm_within": 60}),
        ("--no-wait -n", {"no_wait": True, "dry_run": True}),
        ("--dry-run --debug", {"dry_run": True, "debug": True}),
        ("-v", {"verbose_level": 2}),
        ("-vv --verbose", {"verbose_level": 4}),
        ("-q", {"verbose_level": 0}),
        ("--quiet", {"verbose_level": 0}),
        ("-h", {"help": True}),
        ("--help", {"help": True}),
    ],
)
def test_common_options(words, changed):
    assert parsed(f"version {words}") == COMMON | changed


def test_the_switch_and_the_time_of_the_environment(monkeypatch):
    args = argparse.Namespace(timeout=None)
    assert time_for(args) == 30 and common_defaults().db is None
    for text, seconds in (("7.5", 7.5), ("0", 10**6), ("", 30)):
        monkeypatch.setenv("OVS_CTL_TIMEOUT", text)
        assert time_for(args) == seconds
    monkeypatch.setenv("OVS_CTL_TIMEOUT", "x")
    assert time_for(argparse.Namespace(timeout=2.0)) == 2.0
    with pytest.raises(UsageError, match=r"^OVS_CTL_TIMEOUT: x: not a number of seconds above 0$"):
        time_for(args)
    monkeypatch.setenv("OVSTOOL_DB", "unix:/x")
    assert common_defaults().db == "unix:/x"
    monkeypatch.setenv("OVSTOOL_DB", "")
    assert common_defaults().db is None


SECONDS = "a number of seconds above 0"
RATES = "stats --rate --interval", "stats record f.csv --interval"


@pytest.mark.parametrize(
    ("line", "least", "most"),
    [
        ("version --parallel", 1, 1000),
        ("port list --max-width", 0, 2**63 - 1),
        ("port add br0 p --tag", 0, 4095),
        ("port add br0 p --trunk", 0, 4095),
        ("port add br0 p --mtu", 68, 65535),
        ("flow list br0 --table", 0, 254),
        ("flow top br0 --table", 0, 254),
        ("flow top br0 --limit", 1, 10**6),
        ("sflow listen --port", 0, 65535),
        ("sflow listen --count", 1, 10**9),
        ("sflow listen --limit", 1, 10**4),
        ("stats --rate --count", 1, 10**9),
        ("stats record f.csv --count", 1, 10**9),
        ("police set eth1 --packet-rate", 1, 2**63 - 1),
        ("police set eth1 --packet-burst", 1, 2**63 - 1),
        ("qos steer eth1 --match ip --queue", 0, 2**32 - 2),
        ("qos unsteer eth1 --queue", 0, 2**32 - 2),
        ("sflow enable --polling", 0, 2**31 - 1),
    ],
)
def test_the_limits_of_whole_numbers(line, least, most):
    for value in (least, most):
        assert value in parsed(f"{line} {value}").values() or [[value]] in parsed(f"{line} {value}").values()
    words, _, option = line.rpartition(" ")
    name = max((name for name in COMMANDS if f"{words} ".startswith(f"{name} ")), key=len)
    for value in (least - 1, most + 1):
        said = f"{name}: {option}: {value}: not a whole number from {least} to {most}; try: ovstool help {name}"
        assert refusal(f"{words} {option}={value}") == said


@pytest.mark.parametrize(
    ("line", "good", "bad"),
    [
        ("version --timeout", "0.0001 1000000", "0 0.0 1000001 -1 x"),
        ("flow top br0 --interval", "0.0001 1000000", "0 1000001"),
        ("stats --rate --interval", "0.001 1000000", "0.0009 0 1000001"),
        ("stats record f.csv --interval", "0.001 1000000", "0.0009 0 1000001"),
        ("stats --for", "0.0001 1000000", "0 1000001"),
        ("sflow listen --for", "0.0001 1000000", "0 1000001"),
        ("sflow listen --interval", "0.001 1000000", "0.0009 0 1000001"),
        ("stats record f.csv --for", "0.0001 1000000", "0 1000001"),
        ("sflow enable --sampling", "1 2", "0 4294967295 4294967296"),
        ("sflow enable --header", "1 612", "0 613 65535 65536"),
        ("qos set eth1 --queue", "0 4294967294 0:priority=0 0:priority=4294967295 0:dscp=0 0:dscp=63",
         "4294967295 0:priority=4294967296 0:dscp=64 0:min=0 1:"),
        ("bridge add br0 --protocols", "OpenFlow10 OpenFlow19", "OpenFlow9 OpenFlow100 openflow13 OpenFlow20 OpenFlow1x"),
        ("bridge add br0 --external-id", "a= a=b a=b=c", "a =b ="),
        ("bridge set br0 --unset", "fail_mode fail-mode external_ids:x", "nosuch nosuch:x :x"),
        ("port set eth1 --unset", "tag vlan-mode options:x", "nosuch fail_mode"),
    ],
)  # fmt: skip
def test_values_that_are_taken_and_that_are_not(line, good, bad):
    for text in good.split():
        assert parsed(f"{line} {text}")
    words, _, option = line.rpartition(" ")
    for text in bad.split():
        assert option in refusal(f"{words} {option}={text}"), text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("version --timeout=x", f"version: -t/--timeout: x: not {SECONDS}; try: ovstool help version"),
        ("version --db=", "version: --db: empty; try: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT"),
        ("stats --interval 0.0005", "stats: --interval: 0.0005: shorter than 0.001 s, the shortest time between two readings; try: ovstool help stats"),
        ("flow list br0 --names --no-names", "flow list: --no-names: not allowed with argument --names; try: ovstool help flow list"),
        ("stats --rate --bursts", "stats: --bursts: not allowed with argument --rate; try: ovstool help stats"),
        ("stats --count 1 --watch", "stats: --watch: not allowed with argument --count; try: ovstool help stats"),
        ("stats record f --count 1 --for 1", "stats record: --for: not allowed with argument --count; try: ovstool help stats record"),
        ("port list --sort-ascending --sort-descending",
         "port list: --sort-descending: not allowed with argument --sort-ascending; try: ovstool help port list"),
        ("flow replace br0", "flow replace: the following arguments are required: --file; try: ovstool help flow replace"),
        ("flow diff br0", "flow diff: the following arguments are required: --file; try: ovstool help flow diff"),
        ("flow trace br0", "flow trace: the following arguments are required: FLOW; try: ovstool help flow trace"),
        ("qos steer eth1", "qos steer: the following arguments are required: --queue, --match; try: ovstool help qos steer"),
        ("port add br0", "port add: the following arguments are required: PORT; try: ovstool help port add"),
        ("stats record", "stats record: the following arguments are required: FILE; try: ovstool help stats record"),
        ("port del", "port del: the following arguments are required: PORT; try: ovstool help port del"),
        ("police set", "police set: the following arguments are required: PORT; try: ovstool help police set"),
        ("bridge del", "bridge del: the following arguments are required: BRIDGE; try: ovstool help bridge del"),
        ("bridge add br0 --controller x", "bridge add: --controller: x: not a controller address such as tcp:192.0.2.1:6653; try: ovstool help bridge add"),
        ("bridge add br0 --protocols x", "bridge add: --protocols: x: not an OpenFlow version such as OpenFlow13; try: ovstool help bridge add"),
        ("port add br0 p --option x", "port add: --option: x: not of the form K=V; try: ovstool help port add"),
        ("port add br0 p --type=", "port add: --type: empty; try: ovstool help port add"),
        ("port add br0 p --bond=a,", "port add: --bond: empty; try: ovstool help port add"),
        ("port list --prefix 1a", "port list: --prefix: 1a: cannot begin the name of a shell variable; try: ovstool help port list"),
        ("port list --prefix é", "port list: --prefix: é: cannot begin the name of a shell variable; try: ovstool help port list"),
        ("qos set eth1 --queue =5", 'qos set: --queue: =5: no queue ID: it comes first; try: 0:=5'),
        ("qos set eth1 --queue 1=min=5", "qos set: --queue: 1=min=5: =: a colon follows the ID; try: 1:min=5"),
        ("qos set eth1 --queue min=5", "qos set: --queue: min=5: no queue ID: it comes first; try: 0:min=5"),
        ("qos set eth1 --queue 1:mim=5", "qos set: --queue: 1:mim=5: mim: no such key; try: min, max, burst, priority or dscp"),
        ("qos set eth1 --queue 1:min=5,min=6", "qos set: --queue: 1:min=5,min=6: min: given twice; try: ovstool help qos set"),
        ("qos set eth1 --queue 1:min", "qos set: --queue: 1:min: min: not of the form K=V; try: ovstool help qos set"),
        ("version --tiemout 3", "version: unrecognized arguments: --tiemout 3; try: --timeout or ovstool help version"),
        ("version --tiemout=3 x", "version: unrecognized arguments: --tiemout=3 x; try: --timeout or ovstool help version"),
        ("version --tiemout=012345678901234567890", "version: unrecognized arguments: --tiemout=012345678901234567890; try: --timeout or ovstool help version"),
        ("version --timeou 3", "version: unrecognized arguments: --timeou 3; try: --timeout or ovstool help version"),
        ("port add br0 eth1 tag=10", "port add: unrecognized arguments: tag=10; try: --tag 10 or ovstool help port add"),
        ("port set eth1 trunks=1,2 vlan_mode=trunk", "port set: unrecognized arguments: trunks=1,2 vlan_mode=trunk; try: --trunk 1,2 --vlan-mode trunk or ovstool help port set"),
        ("port set eth1 mtu_request=1400", "port set: unrecognized arguments: mtu_request=1400; try: --mtu 1400 or ovstool help port set"),
        ("port add br0 v0 options:remote_ip=192.0.2.1", "port add: unrecognized arguments: options:remote_ip=192.0.2.1; try: --option remote_ip=192.0.2.1 or ovstool help port add"),
        ("bridge set br0 stp_enable=true", "bridge set: unrecognized arguments: stp_enable=true; try: ovstool help bridge set"),
        ("bridge set br0 force=true", "bridge set: unrecognized arguments: force=true; try: ovstool help bridge set"),
        ("port list --if-exists", "port list: unrecognized arguments: --if-exists; try: ovstool help port list"),
        ("flow list br0 --no-stats", "flow list: unrecognized arguments: --no-stats; try: ovstool help flow list"),
        ("flow del br0 --table 0", "flow del: unrecognized arguments: --table 0; try: ovstool help flow del"),
        ("bridge add br0 --may-exist", "bridge add: --may-exist is not needed: an existing object with the same settings stays unchanged; try: the same command without it"),
        ("flow list br0 -O OpenFlow13", "flow list: -O is not needed: the OpenFlow version is negotiated with the bridge; try: the same command without it"),
        ("flow list br0 -OOpenFlow13", "flow list: -OOpenFlow13 is not needed: the OpenFlow version is negotiated with the bridge; try: the same command without it"),
        ("version --xyzzy", "version: unrecognized arguments: --xyzzy; try: ovstool help version"),
        ("version x", "version: unrecognized arguments: x; try: ovstool help version"),
        ("version -- --db", "version: unrecognized arguments: --db; try: --db or ovstool help version"),
        ("version --db -- x", "version: --db: value missing before --; try: ovstool help version"),
    ],
)  # fmt: skip
def test_errors_about_options(line, said):
    assert refusal(line) == said


def test_the_error_about_an_unknown_format():
    said = refusal("port list -f nosuch")
    assert said.startswith(
        "port list: -f/--format: nosuch: unknown format; the formats are csv, json, lines, shell, table, value, yaml, asciidoc, "
    )


@pytest.mark.parametrize(
    "line",
    "version --db=|bridge add br0 --datapath-type=|bridge add br0 --protocols=|bridge add br0 --controller=|port add br0 p --type=|"
    "port add br0 p --bond=|port add br0 p --peer=|port add br0 p --remote-ip=|port add br0 p --key=|port add br0 p --option=|"
    "port add br0 p --external-id=|port set eth1 --unset=|stats --bridge=|stats record f.csv --bridge=|flow add br0 --file=|"
    "flow replace br0 --file=|flow diff br0 --file=|qos steer eth1 --queue 1 --match=|qos unsteer eth1 --match=|sflow enable --collector=|"
    "sflow enable --agent=|sandbox start --dir=|sandbox run --dir=".split("|"),
)
def test_an_empty_value_is_refused(line):
    """A script's unset variable produces an empty value."""
    said = refusal(line)
    assert line.split()[-1].removesuffix("=") in said and ("empty" in said or '""' in said)


@pytest.mark.parametrize("verb", ["list", "add", "del", "replace", "diff", "trace", "top"])
def test_the_bridge_of_flows_has_a_name(verb):
    more = {"replace": ["--file", "f"], "diff": ["--file", "f"], "trace": ["ip"]}.get(verb, [])
    assert refusal(["flow", verb, "", *more]) == f"flow {verb}: BRIDGE: empty; try: ovstool help flow {verb}"


def test_a_long_message_is_cut():
    for length, cut in ((400, False), (401, True)):
        word = "x" * (length - len("unrecognized arguments: "))
        said = refusal(f"version {word}")
        assert said == f"version: unrecognized arguments: {word[: 400 - 24]}{'...' if cut else ''}; try: ovstool help version"


@pytest.mark.parametrize(
    "shown", ["--bond-mode", "--vlan-mode", "--lacp", "--fail-mode", "--by", "--source", "--style", "--quote", "--datapath", "--type"]
)
def test_all_choices_are_accepted(shown):
    line, choices = {
        "--bond-mode": ("port add br0 p", "active-backup balance-slb balance-tcp"),
        "--vlan-mode": ("port add br0 p", "access native-tagged native-untagged trunk dot1q-tunnel"),
        "--lacp": ("port add br0 p", "active passive off"),
        "--fail-mode": ("bridge add br0", "standalone secure"),
        "--by": ("flow top br0", "bytes packets"),
        "--source": ("stats", "auto openflow ovsdb"),
        "--style": ("stats plot f.csv", "step line"),
        "--quote": ("port list", "all minimal none nonnumeric"),
        "--datapath": ("sandbox start", "dummy netdev system"),
        "--type": (
            "qos set eth1",
            "linux-htb linux-hfsc linux-sfq linux-codel linux-fq_codel linux-netem linux-noop egress-policer trtcm-policer",
        ),
    }[shown]
    for choice in choices.split():
        assert choice in parsed(f"{line} {shown} {choice}").values()
    offered = refusal(f"{line} {shown} nosuch").partition("choose from ")[2].partition(")")[0]
    assert sorted(offered.replace("'", "").split(", ")) == sorted(choices.split())


def test_prefixes_of_shell_variables():
    for prefix in ("", "_", "a1_", "A"):
        assert parsed(f"port list --prefix={prefix}")["prefix"] == prefix


@pytest.mark.parametrize(
    "target",
    "tcp:192.0.2.1 ssl:192.0.2.1 tcp:192.0.2.1:1 tcp:192.0.2.1:65535 tcp:[2001:db8::1] tcp:[2001:db8::1]:6653 tcp:2001:db8::1 tcp:[fe80::1%eth0]:1 "
    "tcp:host tcp:HOST.Example:6653 tcp:_x tcp:a-b.c ptcp: pssl: ptcp:0 ptcp:65535 ptcp:6653:192.0.2.1 pssl:6653:[2001:db8::1] ptcp::192.0.2.1 "
    f"unix:/x punix:/x tcp:{'a' * 253}".split(),
)
def test_a_controllers_address(target):
    assert parsed(f"bridge add br0 --controller {target}")["controller"] == [target]


@pytest.mark.parametrize(
    "target",
    "tcp: ssl: tcp tcp:192.0.2.1: tcp:192.0.2.1:0 tcp:192.0.2.1:65536 tcp:192.0.2.1:x tcp:192.0.2 tcp:192.0.2.256 tcp:1.2.3.4.5 tcp:-x tcp:.x tcp:a_b!c "
    "tcp:[2001:db8::1 tcp:[2001:db8::1]x tcp:[2001:db8::1]:0 tcp:[]:6653 tcp:2001:db8::g ptcp:65536 ptcp:x ptcp:-1 ptcp:6653:2001:db8::1 "
    f"ptcp:6653:192.0.2.256 unix: punix: udp:192.0.2.1 :192.0.2.1 unix:/a\x1b unix:/a|b tcp:12345 tcp:{'a' * 254}".split(),
)
def test_invalid_controller_addresses(target):
    with pytest.raises(UsageError):
        parsed(["bridge", "add", "br0", f"--controller={target.replace('|', ' ')}"])
