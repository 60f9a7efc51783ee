"""Programs of a switch that lie, print nothing, never end, or close their outputs: an error in time, and never the exit code of a bug."""

import io
import os
import shlex
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ovstool.shell import App

REFUSED, TIMED_OUT = 6, 7
ROOM = 700 << 20  # bytes of address space; Python and its libraries need some 200 MiB

FLOW = " cookie=0x0, duration=1.5s, table=0, n_packets=0, n_bytes=0, priority=0 actions=NORMAL"
LIARS = {
    "says nothing": "exit 0",
    "fails without a word": "exit 1",
    "says garbage": "head -c 100000 /dev/urandom",
    "says a page of garbage": "yes 'garbage, = (\"' | head -n 3000",
    "says JSON that is none": "printf '[[[[[[[%0200000d' 0 | tr 0 '['",
    "says numbers without end": "printf ' cookie=0x0, duration=1.2.3s, table=%09000d, n_packets=%09000d, priority=%09000d actions=drop\\n' 1 2 3",
    "differs very much": "yes '-priority=5,ip actions=drop' | head -n 20000; exit 2",
    "differs by nothing": "exit 2",
}
ENDLESS = {
    "closes its outputs and sleeps": "exec >&- 2>&-; sleep 30",
    "sleeps": "exec sleep 30",
    "never ends": f"exec yes '{FLOW}'",
    "never ends a line": "exec tr '\\0' x </dev/zero",
    "complains without end": "exec yes complaint >&2",
}
COMMANDS = {
    "ovs-ofctl": [
        "flow list br0", "flow list br0 ip", "flow list br0 --parsed -f json", "flow add br0 ip,actions=drop", "flow del br0 ip", "flow del br0 ip --strict",
        "flow diff br0 --file FILE", "flow replace br0 --file FILE", "flow top br0 --interval 0.1",
        "qos steer eth1 --queue 1 --match ip", "qos unsteer eth1", "qos explain eth1", "qos check eth1",
    ],
    "ovs-appctl": ["flow trace br0 ip", "qos explain eth1"],
    "tc": ["qos explain eth1", "qos check eth1", "police check eth1"],
    "ip": ["qos check eth1", "sflow check"],
}  # fmt: skip


@pytest.fixture(scope="module")
def shaped(running_switch):
    with running_switch("dummy") as switch:
        switch.ovstool("qos set eth1 --type htb --max-rate 10mbit --queue 1:max=5mbit")
        (switch.box.directory / "some.flows").write_text("ip,actions=drop\n")
        yield switch


@contextmanager
def other_program(name: str, script: str) -> Iterator[str]:
    """A directory for PATH with a replacement for this program."""
    with tempfile.TemporaryDirectory(prefix="ovstool-test-", dir="/tmp") as place:
        path = Path(place) / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(stat.S_IRWXU)
        yield place


def words(switch, command: str) -> list[str]:
    return shlex.split(command.replace("FILE", str(switch.box.directory / "some.flows")))


def run(switch, command: str, program: str, script: str, timeout_s: float) -> subprocess.CompletedProcess:
    """Run ovstool where ``program`` is a replacement."""
    with other_program(program, script) as place:
        argv = ["prlimit", f"--as={ROOM}", sys.executable, "-m", "ovstool", "-t", str(timeout_s), *words(switch, command)]
        environ = switch.environ | {"PATH": f"{place}:{os.environ['PATH']}"}
        return subprocess.run(argv, env=environ, capture_output=True, text=True, errors="replace", timeout=30, check=False)


def here(switch, command: str, program: str, script: str, monkeypatch) -> subprocess.CompletedProcess:
    """Run it in this process, because there are many of these."""
    with other_program(program, script) as place:
        monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
        out, err = io.StringIO(), io.StringIO()
        argv = ["--db", f"unix:{switch.box.directory}/db.sock", "-t", "10", *words(switch, command)]
        code = App(out, err).run(argv)
        monkeypatch.undo()
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())


def held(done: subprocess.CompletedProcess, command: str) -> None:
    """Assert that it ended with an exit code of the manual page, and with printable error lines."""
    assert done.returncode in (0, 1, 2, 5, 6, 7), (command, done.stderr)
    assert "a bug in" not in done.stderr and "Traceback" not in done.stderr, (command, done.stderr)
    assert len(done.stderr) < 20_000 and done.stderr.replace("\n", "").isprintable(), command
    if done.returncode > 1:
        assert done.stderr.startswith("ovstool: "), done.stderr


@pytest.mark.parametrize("how", LIARS)
@pytest.mark.parametrize("program", COMMANDS)
def test_a_program_that_lies(shaped, monkeypatch, program, how):
    for command in COMMANDS[program]:
        held(here(shaped, command, program, LIARS[how], monkeypatch), command)


@pytest.mark.parametrize("how", ENDLESS)
@pytest.mark.parametrize("program", COMMANDS)
def test_a_program_that_does_not_end(shaped, program, how):
    for command in COMMANDS[program][:: 4 if program == "ovs-ofctl" else 9]:
        done = run(shaped, command, program, ENDLESS[how], 0.5)
        held(done, command)


def test_empty_output_is_not_an_answer(shaped, monkeypatch):
    """The missing information is reported as unknown, and no change is reported as done."""
    for command in ("qos steer eth1 --queue 1 --match ip", "flow del br0 ip", "flow add br0 ip,actions=drop"):
        done = here(shaped, command, "ovs-ofctl", "exit 2", monkeypatch)
        assert done.returncode == REFUSED and done.stdout == "", (command, done)


@pytest.mark.parametrize("command", ["flow list br0", "flow top br0", "qos steer eth1 --queue 1 --match ip", "flow del br0 --dry-run"])
def test_endless_flows_are_abandoned(shaped, command):
    """Within the memory allowed here, and at the latest at the timeout."""
    script = f"case $* in *dump-flows*) exec yes '{FLOW}';; *) PATH=${{PATH#*:}} exec ovs-ofctl \"$@\";; esac"
    done = run(shaped, f"{command}", "ovs-ofctl", script, 3)
    assert done.returncode in (REFUSED, TIMED_OUT), done.stderr[-500:]
    assert done.stderr.startswith("ovstool: ovs-ofctl: ") and done.stderr.count("\n") == 1


LOGGED = (
    "2026-01-01T00:00:0{0}Z|0000{0}|ofp_match|INFO|normalization changed ofp_match, details:\n"
    "2026-01-01T00:00:0{0}Z|0000{0}|ofp_match|INFO| pre: tp_dst={0}{1}\n"
    "2026-01-01T00:00:0{0}Z|0000{0}|ofp_match|INFO|post: ip\n"
)


def test_ten_matches_that_were_reduced_are_noted_each_once(shaped, monkeypatch):
    for said, noted in (
        ("".join(LOGGED.format(n, "") for n in (1, 2, 2, 3)), [1, 2, 3]),
        ("".join(LOGGED.format(n, m) for n in (1, 2) for m in range(6)), [10, 11, 12, 13, 14, 15, 20, 21, 22, 23]),
    ):
        done = here(shaped, "flow list br0 -f json", "ovs-ofctl", f"cat >&2 <<'END'\n{said}END", monkeypatch)
        need = "a field needs its protocol, such as tcp (ovs-fields(7))"
        assert done.stderr.splitlines() == [f"ovstool: note: tp_dst={n} was taken as ip: {need}" for n in noted]
        assert (done.returncode, done.stdout) == (0, "[]\n")


def passing(command: str, script: str) -> str:
    """A replacement for one command of ovs-ofctl that runs the real program for all others."""
    return f'case " $* " in *\' {command} \'*) {script};; *) PATH=${{PATH#*:}} exec ovs-ofctl "$@";; esac'


@pytest.mark.parametrize(
    ("command", "of", "script", "code", "said"),
    [
        ("flow list br0 ip", "parse-flows", "exit 0", 6, "ovs-ofctl: does not say how it reads ip"),
        ("flow list br0 ip", "parse-flows", "echo OFPT_FLOW_MOD", 6, "ovs-ofctl: does not say how it reads ip"),
        ("qos steer eth1 --queue 1 --match ip", "parse-flows", "exit 0", 6, "ovs-ofctl: does not say how it reads ip"),
        (
            "flow diff br0 --file FILE",
            "diff-flows",
            "printf hello; exit 2",
            6,
            "ovs-ofctl: diff-flows printed something that ovstool does not understand: hello",
        ),
        ("flow diff br0 --file FILE", "diff-flows", "printf +ip,actions=drop", 6, "does not understand: +ip,actions=drop"),
        ("flow diff br0 --file FILE", "diff-flows", "echo ovs-ofctl: nonsense >&2; exit 1", 6, "ovs-ofctl: nonsense"),
        ("flow del br0 ip", "dump-flows", "echo ovs-ofctl: nonsense >&2; exit 1", 2, "match ip: nonsense"),
        ("flow del br0", "del-flows", "exit 1", 6, "ovs-ofctl: failed without an error message"),
        ("flow list br0", "dump-flows", "echo 'ovs-ofctl: x: failed to connect (Permission denied)' >&2; exit 1", 5, "sudo ovstool"),
    ],
)
def test_unexpected_output_of_one_command(shaped, monkeypatch, command, of, script, code, said):
    done = here(shaped, command, "ovs-ofctl", passing(of, script), monkeypatch)
    assert (done.returncode, done.stdout) == (code, "") and said in done.stderr.partition("\n")[0], done
