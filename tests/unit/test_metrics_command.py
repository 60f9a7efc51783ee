"""``ovstool metrics`` around what is read: options, formats, files, hosts that do not answer, and what it hands to the server."""

import io
import shlex
import stat
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from ovstool.commands import metrics as command
from ovstool.errors import Exit, NotFound, OvstoolError, Refused, TimedOut, Unreachable
from ovstool.metrics import serving
from ovstool.metrics.reading import Reading
from ovstool.reach import Reach
from ovstool.shell import App
from ovstool.switch.connections import Connections

UP, DOWN = "ovstool_up 1\n", "ovstool_up 0\n"


class Switches:
    """Switches that are not there: what each fails with, how they were reached, and what was asked of them."""

    def __init__(self) -> None:
        self.failures: dict[str, OvstoolError] = {}
        self.reached: list[Reach] = []
        self.asked: list[tuple] = []

    @contextmanager
    def switch(self, reach: Reach, answer):
        self.reached.append(reach)
        yield SimpleNamespace(name=answer.target.name if answer.target else "", notes=answer.notes)

    def reader(self, kind: str):
        def read(switch, ports, with_checks):
            self.asked.append((kind, switch.name, ports, with_checks))
            switch.notes.append("a note")
            if switch.name in self.failures:
                raise self.failures[switch.name]
            return Reading({"ovstool_up": {(): 1}, "ovs_manager_connected": {("\u2192\x1b",): 0}})

        return read


@pytest.fixture(autouse=True)
def switches(monkeypatch) -> Switches:
    for name in ("OVSTOOL_DB", "OVSTOOL_HOST", "OVS_CTL_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    found = Switches()
    monkeypatch.setattr(Reach, "switch", lambda reach, answer: found.switch(reach, answer))
    for kind in ("read", "read_present"):
        monkeypatch.setattr(command.metrics, kind, found.reader(kind))
    return found


def ran(line: str, stdout: io.TextIOBase | None = None) -> tuple[int, str, str]:
    app = App(stdout=stdout or io.StringIO(), stderr=io.StringIO())
    code = app.run(["metrics", *shlex.split(line)])
    return code, app.stdout.getvalue() if stdout is None else "", app.stderr.getvalue()


def test_formats():
    code, text, said = ran("")
    assert (code, said) == (Exit.OK, "ovstool: note: a note\n") and UP in text and text.endswith("# EOF\n")
    text = ran("-f prometheus")[1]
    assert UP in text and "# EOF" not in text
    assert ran("-f value -c metric -c value")[1] == "ovstool_up 1\novs_manager_connected 0\n"
    assert '"labels": {"target": "' in ran("-f json")[1].replace("\n", "").replace("  ", "")


def test_what_is_asked_for(switches):
    for line in ("", "eth1 eth2 --checks"):
        ran(line)
    assert switches.asked == [("read", "", None, False), ("read", "", ["eth1", "eth2"], True)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--listen :1 --textfile a.prom", "--listen: does not go with --textfile; try: one of them"),
        ("--listen :1 -f json", "--listen: does not go with -f or -c; try: one of them"),
        ("--listen :1 -c value", "--listen: does not go with -f or -c; try: one of them"),
        ("--web-config web.yml", "--web-config: is only for --listen; try: --listen :PORT"),
        ("--textfile a.prom -f json", "-f json: cannot be read by node_exporter's textfile collector; try: --textfile FILE without -f"),
        ("--textfile a.prom -f openmetrics", "-f openmetrics: cannot be read by node_exporter's textfile collector; try: "),
        ("-c value", "-f openmetrics: has no columns; try: -f json, or -f value"),
        ("--sort-column value", "-f openmetrics: has no columns; try: -f json, or -f value"),
        ("-f prometheus -c value", "-f prometheus: has no columns; try: -f json, or -f value"),
        ("-f json -c nosuch", "column nosuch: no such column; try: metric, labels, value, host"),
    ],
)
def test_options_that_contradict(switches, line, said):
    code, out, err = ran(line)
    assert (code, out, switches.asked) == (Exit.USAGE, "", []) and err.startswith(f"ovstool: {said}") and err.count("\n") == 1


@pytest.mark.parametrize("option", ["--textfile", "--listen", "--web-config"])
def test_options_without_a_value(option):
    code, out, err = ran(f"{option} ''")
    assert (code, out) == (Exit.USAGE, "") and f"{option}: empty" in err


# --- switches that do not answer


@pytest.mark.parametrize("error", [Refused("x", "no"), TimedOut("x", "no"), Unreachable("x", "no")])
def test_a_switch_that_does_not_answer_is_down(switches, error):
    switches.failures[""] = error
    code, text, _ = ran("")
    assert code == error.exit_code and DOWN in text and text.endswith("# EOF\n")
    assert ran("-f json")[:2] == (error.exit_code, "")


def test_nothing_is_written_about_a_port_that_is_not_there(switches, tmp_path):
    switches.failures[""] = NotFound("port x", "no such port")
    assert ran("x")[:2] == (Exit.NOT_FOUND, "")
    assert ran(f"x --textfile {tmp_path}/a.prom")[0] == Exit.NOT_FOUND and not any(tmp_path.iterdir())


def test_several_hosts(switches):
    """Each is there once, whichever answered."""
    switches.failures["b"] = Unreachable("b", "no")
    code, text, said = ran("-H a,b")
    assert code == Exit.SOME_FAILED and text.count("ovstool_up{") == 2 and "ovstool: b: no\n" in said
    assert 'ovstool_up{host="a"} 1\n' in text and 'ovstool_up{host="b"} 0\n' in text
    switches.failures["a"] = Unreachable("a", "no")
    code, text, _ = ran("-H a,b")
    assert code == Exit.UNREACHABLE and text.count("ovstool_up{") == 2 and 'host="a"} 0\n' in text
    assert DOWN in ran("-H a")[1]


# --- where it goes


def test_a_file(switches, tmp_path):
    file = tmp_path / "a.prom"
    for answers in (UP, DOWN):
        code, out, said = ran(f"--textfile {file}")
        assert (out, said) == ("", "ovstool: note: a note\n" if code == Exit.OK else said) and answers in file.read_text()
        assert file.read_text().startswith("# HELP ovstool_up ") and "# EOF" not in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o644
        assert file.read_text() == ran("-f prometheus")[1]
        switches.failures[""] = Unreachable("x", "no")
    file.write_text("mine")
    code, out, said = ran(f"--textfile {file}")
    assert (code, file.read_text()) == (Exit.USAGE, "mine") and "something else" in said


def test_a_file_that_node_exporter_does_not_read(tmp_path):
    file = tmp_path / "a.txt"
    code, _, said = ran(f"--textfile {file} -q")
    assert (code, said) == (Exit.OK, "") and UP in file.read_text()
    assert f"{file}: node_exporter reads only files that end in .prom\n" in ran(f"--textfile {file}")[2]


def test_a_file_that_is_standard_output():
    code, text, said = ran("--textfile -")
    assert (code, said) == (Exit.OK, "ovstool: note: a note\n") and UP in text and "# EOF" not in text


class Stream(io.StringIO):
    """As ovstool's own streams: ``write`` escapes control characters, and ``draw`` does not."""

    encoding: str | None = None
    is_terminal = False

    def isatty(self) -> bool:
        return self.is_terminal

    def write(self, text: str) -> int:
        return super().write(text.replace("\x1b", "ESC"))

    def draw(self, text: str) -> int:
        return super().write(text)


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("encoding", [None, "utf-8", "UTF-8", "utf8"])
def test_control_characters_are_escaped_on_a_terminal_alone(monkeypatch, encoding, is_terminal):
    monkeypatch.setattr(Stream, "encoding", encoding)
    stdout = Stream()
    stdout.is_terminal = is_terminal
    assert ran("", stdout)[0] == Exit.OK
    assert ("\u2192ESC" in stdout.getvalue(), "\u2192\x1b" in stdout.getvalue()) == (is_terminal, not is_terminal)


def test_it_is_utf_8_whatever_the_locale():
    """What comes after it is in the encoding of the locale again."""
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="iso-8859-1")
    assert ran("", stdout)[0] == Exit.OK
    assert "\u2192".encode() in stdout.buffer.getvalue() and stdout.encoding == "iso-8859-1"


# --- what is handed to the server


@pytest.fixture
def handed(monkeypatch) -> list[tuple]:
    """The arguments of ``serving.serve`` and how often commands were ended."""
    found: list[tuple] = []
    monkeypatch.setattr(serving, "serve", lambda *words: found.append(words))
    monkeypatch.setattr(Connections, "end_commands", lambda connections: found.append(("ended",)))
    return found


def test_a_switch_to_serve(switches, handed):
    assert ran("--listen 127.0.0.1:9 --web-config web.yml --timeout 7")[:2] == (Exit.OK, "")
    [(readers, where, _), ended] = handed
    assert where == serving.Serving(serving.listening.Address("127.0.0.1", 9), "web.yml", 7) and ended == ("ended",)
    assert list(readers) == [""]
    reading, notes = readers[""](2.5)
    assert (reading.samples["ovstool_up"], notes) == ({(): 1}, ["a note"])
    assert switches.asked == [("read", "", None, False)]
    [reach] = switches.reached
    assert (reach.timeout_s, reach.batch) == (2.5, True) and reach.connections


def test_ports_to_serve(switches, handed):
    ran("eth1 eth2 --checks --listen :9")
    reading, notes = handed[0][0][""](2.5)
    assert (reading.samples["ovstool_up"], notes) == ({(): 1}, ["a note"])
    assert switches.asked == [("read_present", "", ["eth1", "eth2"], True)]


def test_hosts_to_serve(switches, handed):
    ran("-H a,b --listen :9")
    [(readers, _, _), _] = handed
    assert list(readers) == ["a", "b"] and readers["b"](1) and switches.asked[0][1] == "b"


@pytest.mark.parametrize(("count", "is_served"), [(500, True), (501, False)])
def test_how_many_hosts_are_served(handed, count, is_served):
    code, _, said = ran(f"--listen :9 -H {','.join(f'h{number}' for number in range(count))}")
    assert (code == Exit.OK, bool(handed)) == (is_served, is_served)
    assert is_served or said == f"ovstool: {count} hosts: at most 500 can be served; try: several commands, each for some of them\n"


def test_what_the_server_says(monkeypatch, handed):
    def serve(switches, where, voice) -> None:
        voice.note("serving")
        voice.report(Refused("x", "no"), "a")
        raise Refused("--listen", "in use")

    monkeypatch.setattr(serving, "serve", serve)
    code, _, said = ran("--listen :9")
    assert (code, said) == (Exit.REFUSED, "ovstool: note: serving\novstool: a: x: no\novstool: --listen: in use\n")
    assert handed == [("ended",)]
