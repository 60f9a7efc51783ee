"""Remedies for pasting: a shell must read exactly their words, for the switch that the user selected and no other."""

import shlex
import subprocess

import pytest

from ovstool import remedy
from ovstool.host import CommandLine, Tls
from ovstool.host.address import Target
from ovstool.switch import Finding

HERE = remedy.Naming(None, False, None, None, Tls())
FAR = HERE._replace(target=Target("h1", "op@h1:2222"))
CLEAR = ("ovstool", "qos", "clear", "eth1")
TC = ("tc", "qdisc", "del", "dev", "eth1", "clsact")
VSCTL = ("ovs-vsctl", "remove", "Open_vSwitch", ".", "other_config", "stats-update-interval")
OFCTL = ("ovs-ofctl", "--bundle", "add-flows", "br0")
KEYS = Tls("k.pem", "my cert.pem", "ca.pem")
SSL = HERE._replace(db="ssl:10.0.0.1:6640", tls=KEYS)
OF_TLS = "--private-key k.pem --certificate 'my cert.pem' --ca-cert ca.pem"
HOSTILE = ["a b", "a && b", "it's", '"', "$(id)", "`id`", "a;b", "a|b>c", "*", "~", "#", "\\", "-rf", "", "ü", "\t", "a\nb"]


@pytest.mark.parametrize(
    ("command", "naming", "text"),
    [
        (CLEAR, HERE, "ovstool qos clear eth1"),
        (CLEAR, HERE._replace(db="unix:/a b/db.sock"), "ovstool --db 'unix:/a b/db.sock' qos clear eth1"),
        (CLEAR, HERE._replace(db="unix:/x", assumed_db="unix:/x"), "ovstool qos clear eth1"),
        (CLEAR, HERE._replace(db="unix:/x", assumed_db="unix:/y"), "ovstool --db unix:/x qos clear eth1"),
        (CLEAR, HERE._replace(sudo=True), "ovstool qos clear eth1"),  # an option for remote hosts
        (CLEAR, FAR, "ovstool -H op@h1:2222 qos clear eth1"),
        (CLEAR, FAR._replace(sudo=True, db="tcp:127.0.0.1:6640"), "ovstool -H op@h1:2222 --sudo --db tcp:127.0.0.1:6640 qos clear eth1"),
        (CLEAR, SSL, f"ovstool --db ssl:10.0.0.1:6640 {OF_TLS} qos clear eth1"),
        (CLEAR, HERE._replace(tls=Tls(ca_cert="ca.pem")), "ovstool --ca-cert ca.pem qos clear eth1"),
        (VSCTL, HERE, shlex.join(VSCTL)),
        # ovs-vsctl neither reads $OVSTOOL_DB nor has -H.
        (VSCTL, HERE._replace(db="unix:/x", assumed_db="unix:/x"), f"ovs-vsctl --db=unix:/x {shlex.join(VSCTL[1:])}"),
        (VSCTL, SSL, f"ovs-vsctl --db=ssl:10.0.0.1:6640 {OF_TLS} {shlex.join(VSCTL[1:])}"),
        (VSCTL, FAR, f"ssh -p 2222 op@h1 '{shlex.join(VSCTL)}'"),
        (VSCTL, FAR._replace(db="unix:/x", sudo=True), f"ssh -p 2222 op@h1 'sudo -n ovs-vsctl --db=unix:/x {shlex.join(VSCTL[1:])}'"),
        (TC, HERE, shlex.join(TC)),
        (TC, SSL, shlex.join(TC)),
        (TC, FAR, f"ssh -p 2222 op@h1 '{shlex.join(TC)}'"),
        (TC, FAR._replace(target=Target("h1", "h1"), sudo=True), f"ssh h1 'sudo -n {shlex.join(TC)}'"),
    ],
)
def test_a_command_selects_the_same_switch(command, naming, text):
    assert remedy.text([command], naming) == text


def test_several_commands_are_one_line():
    assert remedy.text([TC, CLEAR, CLEAR], HERE) == f"{shlex.join(TC)} && ovstool qos clear eth1 && ovstool qos clear eth1"
    assert remedy.text([TC, CLEAR], FAR) == f"ssh -p 2222 op@h1 '{shlex.join(TC)}' && ovstool -H op@h1:2222 qos clear eth1"
    assert remedy.text([], FAR) == ""


def words_of(line: str, program: str) -> list[str]:
    """The words that the shell reads in a line, where ``program`` prints its arguments and other commands do nothing."""
    script = f"""{program}() {{ printf '%s\\0' "$@"; }}; {line}"""
    done = subprocess.run(["/bin/sh", "-c", script], env={"PATH": "/nonexistent"}, capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_one_word_to_a_shell(name):
    assert words_of(remedy.text([("ovstool", "qos", "clear", name)], HERE), "ovstool") == ["qos", "clear", name]
    named = HERE._replace(db=name or None)
    assert words_of(remedy.text([CLEAR], named), "ovstool") == [*(["--db", name] if name else []), "qos", "clear", "eth1"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_one_word_to_the_shell_of_a_remote_host(name):
    *_, host, line = words_of(remedy.text([("tc", "qdisc", "del", "dev", name, "root")], FAR), "ssh")
    assert host == "op@h1" and words_of(line, "tc") == ["qdisc", "del", "dev", name, "root"]


@pytest.mark.parametrize(
    ("typed", "naming", "text"),
    [
        (CommandLine(VSCTL), HERE, shlex.join(VSCTL)),
        (CommandLine(VSCTL), SSL, f"ovs-vsctl --db=ssl:10.0.0.1:6640 {OF_TLS} {shlex.join(VSCTL[1:])}"),
        (CommandLine(OFCTL, file="f.txt"), HERE, "ovs-ofctl --bundle add-flows br0 f.txt"),
        (CommandLine(OFCTL, file="my f"), HERE, "ovs-ofctl --bundle add-flows br0 'my f'"),
        (CommandLine(OFCTL, file="-"), HERE, "ovs-ofctl --bundle add-flows br0 -"),
        (CommandLine(OFCTL, file="my f"), FAR, "ssh -p 2222 op@h1 'ovs-ofctl --bundle add-flows br0 -' < 'my f'"),
        (CommandLine(OFCTL, file="-"), FAR, "ssh -p 2222 op@h1 'ovs-ofctl --bundle add-flows br0 -'"),
        (CommandLine(OFCTL, ("ip", "a b")), HERE, r"printf '%s\n' ip 'a b' | ovs-ofctl --bundle add-flows br0 -"),
        (CommandLine(OFCTL, ("ip",)), FAR._replace(sudo=True), r"printf '%s\n' ip | ssh -p 2222 op@h1 'sudo -n ovs-ofctl --bundle add-flows br0 -'"),
    ],
)  # fmt: skip
def test_a_command_with_its_input(typed, naming, text):
    assert remedy.line(typed, naming) == text


def test_a_row_has_the_remedy_as_text():
    finding = Finding("eth1", "error", "min above max", "queue 1: min 2, max 1", (CLEAR,), disables=True)
    [row] = remedy.rows([finding], FAR)
    assert (row.port, row.severity, row.problem, row.evidence) == ("eth1", "error", "min above max", "queue 1: min 2, max 1")
    assert row.remedy == "ovstool -H op@h1:2222 qos clear eth1"
    assert row.words == "eth1: min above max: queue 1: min 2, max 1; try: ovstool -H op@h1:2222 qos clear eth1"


def test_a_finding_of_no_port_and_without_a_remedy():
    [row] = remedy.rows([Finding(None, "warning", "it is so", "one can tell")], FAR)
    assert (row.remedy, row.words) == ("", "it is so: one can tell")
