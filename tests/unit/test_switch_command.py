"""What every command for switches does around its function: which switches it asks, how it prints their answers, and how it ends.

The commands here need no switch, because a connection is made only when a command uses it; the named hosts are never contacted.
"""

import argparse
import copy
import io
import json
import os
import signal
import time
from functools import partial

import pytest

from ovstool.answers import Table
from ovstool.command import Command, report
from ovstool.commands.flow import FlowWriter
from ovstool.errors import Exit, NotFound, Refused, Unreachable, UsageError
from ovstool.host import CommandLine, Tls, local
from ovstool.shell import App
from ovstool.stream import Sample, SwitchStream
from ovstool.switch import Change, Finding
from ovstool.switch.flow import FlowChanges
from ovstool.switch_command import SwitchChecker, SwitchCommand, SwitchLister, SwitchShow, SwitchWriter


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in ("OVSTOOL_DB", "OVSTOOL_HOST", "OVS_CTL_TIMEOUT", "CLIFF_MAX_TERM_WIDTH", "CLIFF_FIT_WIDTH"):
        monkeypatch.delenv(name, raising=False)


def prepared(command_class: type[Command], line: str = "", stdout: io.StringIO | None = None) -> tuple[Command, argparse.Namespace]:
    app = App(stdout=stdout or io.StringIO(), stderr=io.StringIO())
    command = command_class(app, app.options, "x")
    return command, command.get_parser("ovstool x").parse_words(line.split(), copy.copy(app.options))


def run(command_class: type[Command], line: str = "", stdout: io.StringIO | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    command, args = prepared(command_class, line, stdout)
    code = command.run(args)
    return code, command.app.stdout.getvalue(), command.app.stderr.getvalue()


def name_of(switch) -> str | None:
    return None if switch.host is local else switch.host.name


class Rows(SwitchLister):
    """Two rows of each switch"""

    columns = ("name", "n")

    def on_switch(self, switch, args):
        switch.notes.append("a note")
        switch.found.append(Finding("eth1", "error", "no flow", "queue 1", (("ovstool", "qos", "clear", "eth1"),)))
        return iter([("one", 1), (name_of(switch), None)])


NOTED = "ovstool: note: {}a note\novstool: note: {}eth1: no flow: queue 1; try: ovstool {}qos clear eth1\n"


def test_rows_of_one_switch_and_their_notes():
    assert run(Rows, "-f value") == (0, "one 1\n- -\n", NOTED.format("", "", ""))
    assert run(Rows, "-f value -q") == (0, "one 1\n- -\n", "")
    assert run(Rows, "-f value -q -v")[2] == NOTED.format("", "", "")
    assert run(Rows, "-f value -H a -c name") == (0, "one\na\n", NOTED.format("", "", "-H a "))
    assert run(Rows, "-f value -H a --sudo --db unix:/x -q -c n -c name")[1] == "one 1\na -\n"


def test_remedies_for_the_database_of_the_environment(monkeypatch):
    monkeypatch.setenv("OVSTOOL_DB", "unix:/x")
    assert run(Rows, "-f value")[2] == NOTED.format("", "", "")
    assert run(Rows, "-f value --db unix:/y --private-key k")[2] == NOTED.format("", "", "--db unix:/y --private-key k ")
    assert run(Rows, "-f value --db ssl:h:1 --private-key k")[2] == NOTED.format("", "", "--db ssl:h:1 --private-key k ")


def test_rows_of_several_switches_are_one_table():
    code, out, said = run(Rows, "-f json -H a,b")
    assert (code, json.loads(out)) == (
        0, [{"host": h, "name": n, "n": i} for h in "ab" for n, i in (("one", 1), (h, None))],
    )  # fmt: skip
    assert said == "".join(NOTED.format(f"{h}: ", f"{h}: ", f"-H {h} ") for h in "ab")
    assert run(Rows, "-f value -q -H a -H b -c n")[1] == "a 1\na -\nb 1\nb -\n"
    assert run(Rows, "-f value -q -H b,a,b -c name -c host")[1] == "b one\nb b\na one\na a\n"


def test_the_host_of_the_environment(monkeypatch):
    monkeypatch.setenv("OVSTOOL_HOST", "a,b")
    assert run(Rows, "-f value -q -c name")[1] == "a one\na a\nb one\nb b\n"
    assert run(Rows, "-f value -q -c name -H c")[1] == "one\nc\n"
    monkeypatch.setenv("OVSTOOL_HOST", "")
    assert run(Rows, "-f value -q -c name")[1] == "one\n-\n"


def test_columns_that_are_not_there():
    for line in ("-c nosuch", "--sort-column nosuch", "-H a,b -c nosuch"):
        assert run(Rows, line)[::2] == (2, "ovstool: column nosuch: no such column; try: name, n, host\n")
    assert run(Rows, "-f value -q -H a -c NAME --sort-column Name --sort-column n")[1] == "a\none\n"


class Either(SwitchLister):
    """Columns that depend on the switch"""

    def on_switch(self, switch, args):
        host = name_of(switch)
        return Table(("x", "y"), [(1, 2)]) if host == "a" else Table(("y", "z"), [(host, None)])


def test_tables_that_differ():
    assert run(Either, "-f json --noindent -H a,b") == (
        0, '[{"host": "a", "x": 1, "y": 2, "z": null}, {"host": "b", "x": null, "y": "b", "z": null}]\n', "",
    )  # fmt: skip
    assert run(Either, "-f json --noindent") == (0, '[{"y": null, "z": null}]\n', "")


ERRORS = {
    "a": NotFound("port x", "no such port"),
    "b": NotFound("port y", "no such port"),
    "c": Refused("port z", "refused"),
    "d": Unreachable("d: unix:/x", "gone"),
    "e": KeyError("e"),
}


class Fails(SwitchLister):
    """Fails on some hosts"""

    columns = ("name",)

    def on_switch(self, switch, args):
        switch.notes.append("tried")
        if error := ERRORS.get(name_of(switch)):
            raise error
        return [(name_of(switch),)]


A_BUG = "a bug in ovstool: KeyError: 'e'; try: the same command with --debug, and report what it prints"


@pytest.mark.parametrize(
    ("hosts", "code", "out", "said"),
    [
        ("x,y", 0, "x x\ny y\n", []),
        ("x,a", 8, "x x\n", ["a: port x: no such port"]),
        ("a,b", 3, "", ["a: port x: no such port", "b: port y: no such port"]),
        ("a,c", 8, "", ["a: port x: no such port", "c: port z: refused"]),
        ("d,x", 8, "x x\n", ["d: unix:/x: gone"]),
        ("x,e", 8, "x x\n", [f"e: {A_BUG}"]),
    ],
)
def test_hosts_that_fail(hosts, code, out, said):
    ended, printed, errors = run(Fails, f"-f value -H {hosts}")
    notes = [f"ovstool: note: {host}: tried" for host in hosts.split(",")]
    assert (ended, printed, errors.splitlines()) == (code, out, [*notes, *(f"ovstool: {line}" for line in said)])


def test_the_only_host_that_fails():
    assert run(Fails, "-f value -H a") == (3, "", "ovstool: note: tried\novstool: port x: no such port\n")
    assert "Traceback" in run(Fails, "-f value -H a --debug")[2] and "Traceback" in run(Fails, "-H a,x --debug")[2]


def test_no_more_hosts_are_started_after_a_failure():
    code, out, said = run(Fails, "-f value -q -H x,a,y,z --parallel 1 --fail-fast")
    assert (code, out, said) == (8, "x x\n", "ovstool: a: port x: no such port\n")
    assert run(Fails, "-f value -H x,a,y,z --parallel 1 --fail-fast")[2].endswith(
        "ovstool: note: not started because a host failed: y, z\n"
    )
    assert "not begun" not in run(Fails, "-f value -H x,a,y,z --parallel 1")[2]


class Stopped(SwitchWriter):
    """The person presses Ctrl-C while the second host is worked on"""

    def on_switch(self, switch, args):
        switch.notes.append("begun")
        if name_of(switch) == "b":
            raise NotFound("port x", "no such port")
        if name_of(switch) == "c":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        return [Change("x", "created")]


def test_ctrl_c_reports_what_is_done_and_what_is_unknown():
    command, args = prepared(Stopped, "-q -H a,b,c,d --parallel 1")
    with pytest.raises(KeyboardInterrupt):
        command.run(args)
    assert command.app.stdout.getvalue() == ""
    assert command.app.stderr.getvalue() == "ovstool: interrupted; done: a; unknown: c, d\novstool: b: port x: no such port\n"
    command, args = prepared(Stopped, "-H c,d --parallel 1")
    with pytest.raises(KeyboardInterrupt):
        command.run(args)
    assert command.app.stderr.getvalue() == "ovstool: note: c: begun\novstool: interrupted; done: none; unknown: c, d\n"


class Checks(SwitchChecker):
    """Finds something on the host b"""

    columns = ("name",)

    def on_switch(self, switch, args):
        return [("wrong",)] if name_of(switch) == "b" else []


def test_a_check_says_no_when_there_is_a_row():
    assert SwitchChecker.columns == ("port", "severity", "problem", "evidence", "remedy")
    assert run(Checks, "-f value -H a") == (0, "", "")
    assert run(Checks, "-f value -H b") == (1, "wrong\n", "")
    assert run(Checks, "-f value -H a,b") == (1, "b wrong\n", "")
    assert run(Checks, "-f value -H a,c") == (0, "", "")


class Shows(SwitchShow):
    """An object"""

    def on_switch(self, switch, args):
        host = name_of(switch)
        return Change("x", "created") if host == "a" else {"object": host, "more": [Change("y", "z")]}


def test_one_object():
    assert run(Shows, "-f json --noindent") == (0, '{"object": null, "more": [{"object": "y", "change": "z"}]}\n', "")
    assert run(Shows, "-f lines -H a") == (0, "object: x\nchange: created\n", "")
    assert run(Shows, "-f value -c change -H a") == (0, "created\n", "")
    assert run(Shows, "-f value -c nosuch -H a") == (2, "", "ovstool: column nosuch: no such column; try: object, change\n")


def test_the_objects_of_several_hosts():
    shown = [{"host": "a", "object": "x", "change": "created", "more": None}]
    shown += [{"host": "b", "object": "b", "change": None, "more": [{"object": "y", "change": "z"}]}]
    assert json.loads(run(Shows, "-f json -H a,b")[1]) == shown
    assert run(Shows, "-f value -H a,b -c object")[1] == "a x\nb b\n"
    lines = run(Shows, "-H a,b")[1].splitlines()
    assert [line for line in lines if line.startswith("host")] == ["host a", "host b"]
    assert sum(line.startswith("object") for line in lines) == 2 and run(Shows, "-H a")[1].splitlines()[0].split() == ["field", "value"]


class Writes(SwitchWriter):
    """Changes something"""

    def on_switch(self, switch, args):
        switch.planned.append({"op": "comment"})
        return [Change("x", "created"), Change(str(switch.dry_run), "unchanged")]


def test_a_change_and_a_dry_run():
    assert run(Writes) == (0, "x: created\nFalse: unchanged\n", "")
    would = "ovstool: note: {0}x: would be created\novstool: note: {0}True: would be unchanged\n"
    assert run(Writes, "-n") == (0, '["Open_vSwitch", {"op": "comment"}]\n', would.format(""))
    assert run(Writes, "-nq")[2] == ""
    lines = (
        '{"host": "a", "transact": ["Open_vSwitch", {"op": "comment"}]}\n{"host": "b", "transact": ["Open_vSwitch", {"op": "comment"}]}\n'
    )
    assert run(Writes, "-n -H a,b") == (0, lines, would.format("a ") + would.format("b "))
    assert run(Writes, "-f value -H a,b")[1] == "a x created\na False unchanged\nb x created\nb False unchanged\n"


class Flows(FlowWriter):
    """Changes flows"""

    def on_switch(self, switch, args):
        return FlowChanges([Change("br0", "updated")], ["+a", "-b\x1b"])


def test_a_change_of_flows_and_a_dry_run():
    assert run(Flows) == (0, "br0: updated\n", "") and run(Flows, "-f value -H a,b")[1] == "a br0 updated\nb br0 updated\n"
    assert run(Flows, "-n") == (0, "+a\n-b\\x1b\n", "ovstool: note: br0: would be updated\n")
    code, out, said = run(Flows, "-n -H a,b")
    assert (code, out) == (0, "a: +a\na: -b\\x1b\nb: +a\nb: -b\\x1b\n")
    assert said == "ovstool: note: a br0: would be updated\novstool: note: b br0: would be updated\n"


class Typed(Writes):
    """Changes something, as two programs would"""

    def on_switch(self, switch, args):
        assert switch.as_ovs is args.as_ovs
        switch.notes.append("a note")
        if switch.as_ovs:
            switch.same_lines += [CommandLine(("ovs-vsctl", "del-br", "x\x1b")), CommandLine(("ovs-ofctl", "add-flows", "br0"), ("a b",))]
        return super().on_switch(switch, args)


def test_the_lines_that_do_the_same(monkeypatch):
    """After all notes about a change, and in a dry run instead of the transaction."""
    lines = "ovs-vsctl{0} del-br 'x\\x1b'\nprintf '%s\\n' 'a b' | ovs-ofctl add-flows br0 -\n"
    note = "ovstool: note: a note\n"
    assert run(Typed) == (0, "x: created\nFalse: unchanged\n", note)
    assert run(Typed, "--as-ovs") == (0, "x: created\nFalse: unchanged\n", note + lines.format(""))
    assert run(Typed, "--as-ovs -q --db unix:/x/db.sock")[2] == lines.format(" --db=unix:/x/db.sock")
    would = "ovstool: note: x: would be created\novstool: note: True: would be unchanged\n"
    assert run(Typed, "--as-ovs -n --read-only") == (0, lines.format(""), would + note)
    assert run(Typed, "--as-ovs --read-only")[:2] == (2, "")
    assert run(Typed, "-n --as-ovs -H a,b -q")[1] == "".join(
        f"""ssh {h} 'ovs-vsctl del-br '"'"'x\\x1b'"'"''\nprintf '%s\\n' 'a b' | ssh {h} 'ovs-ofctl add-flows br0 -'\n""" for h in "ab"
    )
    assert run(Rows, "--as-ovs -f value -q")[1:] == ("one 1\n- -\n", "")
    # Where Open vSwitch's own tools find the switch by default, no target is given, but only on this machine.
    monkeypatch.setenv("OVS_RUNDIR", "/x")
    assert run(Typed, "--as-ovs -q --db unix:/x/db.sock")[2] == lines.format("")
    assert "'ovs-vsctl --db=unix:/x/db.sock del-br" in run(Typed, "--as-ovs -nq --db unix:/x/db.sock -H a")[1]


class Reached(SwitchShow):
    """How the switch is reached"""

    def on_switch(self, switch, args):
        far = None if switch.host is local else [switch.host.name, switch.host._sudo, switch.host._accept_new_key]
        left = round(switch.remaining_s())
        return {
            "db": switch.db,
            "tls": list(switch.tls),
            "s": [switch.timeout_s, left],
            "wait": switch.wait,
            "dry": switch.dry_run,
            "far": far,
        }


def test_how_the_common_options_select_a_switch(monkeypatch):
    def reached(line: str = "") -> dict:
        return json.loads(run(Reached, f"-f json {line}")[1])

    usual = {"db": None, "tls": [None, None, None], "s": [30.0, 30], "wait": True, "dry": False, "far": None}
    assert reached() == usual
    assert reached("--db tcp:127.0.0.1:1 -t 90 --no-wait -n") == usual | {
        "db": "tcp:127.0.0.1:1", "s": [90.0, 90], "wait": False, "dry": True,
    }  # fmt: skip
    assert reached("--private-key a --certificate b --ca-cert c") == usual | {"tls": ["a", "b", "c"]}
    assert reached("-H op@h:2222") == usual | {"far": ["op@h:2222", False, False]}
    assert reached("-H h --sudo") == usual | {"far": ["h", True, False]}
    assert reached("-H h --accept-new-host-key") == usual | {"far": ["h", False, True]}
    assert Tls("a", "b", "c") == ("a", "b", "c")
    monkeypatch.setenv("OVSTOOL_DB", "unix:/x")
    monkeypatch.setenv("OVS_CTL_TIMEOUT", "7")
    assert reached() == usual | {"db": "unix:/x", "s": [7.0, 7]}


class Closes(Rows):
    """Leaves its switch behind"""

    seen: list = []

    def on_switch(self, switch, args):
        for each in filter(lambda each: each is not local, (switch, switch.host)):
            each.close = partial(self.closed, each.close)
        return self.rows()

    def closed(self, close):
        self.seen.append("closed")
        close()

    def rows(self):
        self.seen.append("row")
        yield ("one", 1)
        raise Refused("x", "y")


def test_the_switch_stays_connected_until_the_last_row_and_no_longer():
    assert run(Closes, "-f value") == (6, "one 1\n", "ovstool: x: y\n")
    assert Closes.seen == ["row", "closed"]
    assert run(Closes, "-f value -H a") == (6, "one 1\n", "ovstool: x: y\n")
    assert Closes.seen[2:] == ["row", "closed", "closed"]


def both(command_class: type[Command], line: str) -> list[str]:
    """What appears on a terminal: standard output when it is flushed, standard error at once."""
    there = io.BytesIO()
    app = App(stdout=io.TextIOWrapper(there), stderr=io.TextIOWrapper(there, write_through=True))
    command = command_class(app, app.options, "x")
    command.run(command.get_parser("ovstool x").parse_words(line.split(), copy.copy(app.options)))
    return there.getvalue().decode().splitlines()


def test_notes_appear_below_the_output():
    assert [line[:14] for line in both(Rows, "-f value")] == ["one 1", "- -", "ovstool: note:", "ovstool: note:"]
    assert both(Fails, "-f value -q -H x,a") == ["x x", "ovstool: a: port x: no such port"]


def test_a_command_that_lacks_its_function_is_a_bug():
    class Half(SwitchStream):
        """Has no function"""

    command, args = prepared(Half)
    for ask in (command.on_switch, lambda _, args: command.row_class(args), lambda _, args: command.streams(args)):
        with pytest.raises(NotImplementedError):
            ask(None, args)
    with pytest.raises(NotImplementedError):
        SwitchCommand.emit_answers(command, args, [])


# --- streams of rows


class Beats(SwitchStream):
    """Two samples of two ports, but with --max-width 1 a row"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--watch", action="store_true")
        return parser

    def row_class(self, args):
        return Change

    def streams(self, args):
        return args.max_width != 1

    def on_switch(self, switch, args):
        if not self.streams(args):
            return Table(("object", "change"), [("once", name_of(switch))])
        return self.samples(switch)

    def samples(self, switch):
        switch.notes.append("before")
        yield Sample([Change("eth1", "created"), Change("eth2", "deleted")])
        switch.notes.append("between")
        if name_of(switch) == "a":
            raise Refused("x", "y")
        yield Sample([Change("eth1", "updated")], {"eth1": 5})
        switch.notes.append("after")


def test_a_stream_is_printed_as_it_comes_with_its_notes():
    notes = "ovstool: note: before\novstool: note: between\novstool: note: after\n"
    assert run(Beats, "-f value") == (0, "eth1 created\neth2 deleted\neth1 updated\n", notes)
    assert run(Beats, "-f json -c change -q --sort-column change --sort-descending") == (
        0, '{"change": "deleted"}\n{"change": "created"}\n{"change": "updated"}\n', "",
    )  # fmt: skip
    assert run(Beats, "-f value -H a") == (
        6,
        "eth1 created\neth2 deleted\n",
        "ovstool: note: before\novstool: note: between\novstool: x: y\n",
    )
    assert run(Beats, "-f value -q --max-width 1 -H b") == (0, "once b\n", "")
    assert run(Beats, "-q -c nosuch")[::2] == (2, "ovstool: column nosuch: no such column; try: object, change\n")
    assert Sample([]).link_speeds == {}


def test_streams_of_several_hosts():
    code, out, said = run(Beats, "-f value -H b,c")
    assert (code, sorted(out.splitlines())) == (
        0,
        sorted(f"{h} {row}" for h in "bc" for row in ("eth1 created", "eth2 deleted", "eth1 updated")),
    )
    assert sorted(said.splitlines()) == sorted(f"ovstool: note: {h}: {note}" for h in "bc" for note in ("before", "between", "after"))
    code, out, said = run(Beats, "-f csv -q -H a,b -c change")
    assert code == Exit.SOME_FAILED and said.endswith("ovstool: a: x: y\n") and out.startswith('"host","change"\n')
    assert run(Beats, "-f csv -q -H a,b --max-width 1")[1] == '"host","object","change"\n"a","once","a"\n"b","once","b"\n'


class Endless(Beats):
    """Goes on until nobody listens"""

    ended: list = []

    def samples(self, switch):
        try:
            while True:
                yield Sample([Change("eth1", "created")])
                time.sleep(0.01)
        finally:
            self.ended.append(name_of(switch))


class Gone(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


def test_a_closed_output_ends_all_hosts():
    command, args = prepared(Endless, "-f value -H a,b", Gone())
    with pytest.raises(BrokenPipeError):
        command.run(args)
    deadline = time.monotonic() + 30
    while len(Endless.ended) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(Endless.ended) == ["a", "b"]


@pytest.mark.parametrize(
    ("watch", "options", "term", "terminal", "live"),
    [
        (True, {}, "xterm", True, True),
        (False, {}, "xterm", True, False),
        (True, {"formatter": "json"}, "xterm", True, False),
        (True, {"columns": ["change"]}, "xterm", True, False),
        (True, {}, "dumb", True, False),
        (True, {}, None, True, False),
        (True, {}, "xterm", False, False),
        (False, {"formatter": "json", "columns": ["change"]}, "dumb", True, False),
        (True, {"formatter": "json"}, "dumb", True, False),
        (True, {"columns": ["change"]}, "dumb", True, False),
    ],
)
def test_when_a_table_stays_in_place(monkeypatch, watch, options, term, terminal, live):
    monkeypatch.setenv("TERM", term) if term else monkeypatch.delenv("TERM", raising=False)
    command, args = prepared(Beats, "", Screen() if terminal else None)
    assert bool(command.is_live(argparse.Namespace(**vars(args) | {"watch": watch} | options))) is live


# --- commands without a switch


class Says(Command):
    """What it is

    Examples:
      one
        two
    """

    def take_action(self, parsed_args):
        self.note("a\nnote", parsed_args)
        self.print_lines(["a\x1b", "b"])
        if parsed_args.sudo:
            raise UsageError("x", "y", "z")
        return Exit.NO if parsed_args.no_wait else None


class Bare(Says):
    __doc__ = None


def test_a_command_prints_lines_and_notes_and_ends():
    assert run(Says) == (0, "a\\x1b\nb\n", "ovstool: note: a\\nnote\n")
    assert run(Says, "-q --no-wait") == (1, "a\\x1b\nb\n", "")
    assert run(Says, "-q --sudo")[::2] == (2, "ovstool: x: y; try: z\n")
    assert run(Says, "-q --sudo --debug")[2].startswith("Traceback")
    command, _ = prepared(Says)
    assert (command.get_description(), command.cmd_name) == ("What it is\n\nExamples:\n  one\n    two", "x")
    assert prepared(Bare)[0].get_description() == ""


@pytest.mark.parametrize(
    ("error", "host", "code", "line"),
    [
        (UsageError("a", "b"), None, 2, "a: b"),
        (UsageError("a", "b", "c"), "h", 2, "h: a: b; try: c"),
        (UsageError("h", "b"), "h", 2, "h: b"),
        (UsageError("h: a", "b"), "h", 2, "h: a: b"),
        (UsageError("h2", "b"), "h", 2, "h: h2: b"),
        (OSError(28, "No space left on device"), "h", 6, "h: this machine: No space left on device"),
        (OSError(28, "No space left on device"), None, 6, "this machine: No space left on device"),
        (
            ValueError("a \n b" + "x" * 300),
            None,
            70,
            f"a bug in ovstool: ValueError: a b{'x' * 197}; try: the same command with --debug, and report what it prints",
        ),
        (ValueError("x"), "h", 70, "h: a bug in ovstool: ValueError: x; try: the same command with --debug, and report what it prints"),
    ],
)
def test_a_failure_is_a_line_and_a_code(error, host, code, line):
    said = io.StringIO()
    assert (report(error, False, said, host), said.getvalue()) == (code, f"ovstool: {line}\n")
    said = io.StringIO()
    assert report(error, True, said, host) == code
    assert said.getvalue().endswith(f"\novstool: {line}\n") and type(error).__name__ in said.getvalue().partition("ovstool: ")[0]
