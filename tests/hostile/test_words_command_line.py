"""Arguments that scripts send by mistake: ``--`` as a value, and invalid numbers, for each option of each command, new ones included."""

import argparse
import io
import subprocess
import sys
from functools import cache
from itertools import product

import pytest

from ovstool.commands import COMMANDS
from ovstool.errors import of_the_machine
from ovstool.parser import common_defaults
from ovstool.shell import App

SAMPLES = {"--queue": "1", "--match": "ip", "--file": "flows", "--collector": "127.0.0.1", "--rate": "1mbit"}


@cache
def parser_of(name: str) -> argparse.ArgumentParser:
    app = App()
    command_class, _, _ = app.command_manager.find_command(name.split())
    return command_class(app, app.options, name).get_parser(f"ovstool {name}")


def least(parser: argparse.ArgumentParser, but: argparse.Action) -> list[str]:
    """The other arguments that the command requires."""
    words = []
    for action in parser._actions:
        if action.required and action is not but and action.nargs not in ("*", "?"):
            option = action.option_strings[-1:]
            words += [*option, SAMPLES.get(option[0], "x") if option else "x"]
    return words


COMMON = vars(common_defaults())  # the same for all commands
SAMPLED = ("version", "port add", "stats record")
OPTIONS = {
    f"{name} {action.option_strings[-1]}": (name, action.dest)
    for name in COMMANDS
    for action in parser_of(name)._actions
    if action.option_strings and action.nargs is None and (name in SAMPLED or action.dest not in COMMON)
}
EACH = pytest.mark.parametrize(("name", "dest"), OPTIONS.values(), ids=OPTIONS)


@pytest.fixture
def typed(monkeypatch):
    """Parse words: the exit code, and the arguments that the command would have been run with."""

    def typed(words: list[str], name: str = "version") -> tuple[int, argparse.Namespace | None, str]:
        app = App(stdout=io.StringIO(), stderr=io.StringIO())
        seen: list[argparse.Namespace] = []
        command_class, _, _ = app.command_manager.find_command(name.split())
        monkeypatch.setattr(command_class, "run", lambda self, args: seen.append(args) or 0)
        code = app.run(words)
        return code, seen[0] if seen else None, app.stderr.getvalue()

    return typed


def option(name: str, dest: str) -> tuple[argparse.Action, list[str]]:
    parser = parser_of(name)
    action = next(action for action in parser._actions if action.dest == dest and action.nargs is None)
    return action, [*name.split(), *least(parser, action)]


def made_of(action: argparse.Action, text: str):
    """The value of the option, or None if it is refused."""
    try:
        value = action.type(text) if action.type else text
    except (argparse.ArgumentTypeError, ValueError):
        return None
    if action.choices and value not in action.choices:
        return None
    return [value] if isinstance(action, argparse._AppendAction) else value


@EACH
def test_two_dashes_as_the_value_of_an_option(typed, name, dest):
    action, words = option(name, dest)
    spellings = [f"{o}={'--'}" for o in action.option_strings] + [f"{o}--" for o in action.option_strings if len(o) == 2]
    for spelling in spellings:
        code, args, said = typed([*words, spelling], name)
        wanted = made_of(action, "--")
        if wanted is None:
            assert (code, args) == (2, None), spelling
            assert said.startswith("ovstool: ") and said.count("\n") == 1 and "\\x00" not in said
        else:
            assert (code, args and getattr(args, dest)) == (0, wanted), spelling


@EACH
def test_words_after_two_dashes_are_not_values(typed, name, dest):
    action, words = option(name, dest)
    for behind in ([], ["x"], ["--"], ["-t", "5"]):
        code, args, said = typed([*words, action.option_strings[-1], "--", *behind], name)
        assert (code, args) == (2, None) and "\0" not in said and "\\x00" not in said


@pytest.mark.parametrize("words", [["--db=--"], ["--inventory=--"], ["-H--"], ["--host=--"], ["-qH--"], ["--private-key=--"]])
@pytest.mark.parametrize("before", [True, False])
def test_common_options_before_and_after_the_words(typed, words, before):
    code, args, _ = typed([*words, "version"] if before else ["version", *words])
    assert code == 0
    assert "--" in (args.db, args.inventory, args.private_key, *(args.hosts or ()))


@pytest.mark.parametrize(
    "words", [["-t--"], ["-t=--"], ["--timeout=--"], ["--parallel=--"], ["--db", "--"], ["-t", "--"], ["-q", "-H", "--"]]
)
def test_common_options_that_are_refused(typed, words):
    assert typed([*words, "version"])[:2] == (2, None)


@pytest.mark.parametrize(
    ("words", "ports"),
    [
        (["--"], []),
        (["--", "--"], ["--"]),
        (["--", "--", "--"], ["--", "--"]),
        (["a", "--", "b", "--db=x", "-t"], ["a", "b", "--db=x", "-t"]),
        (["--db=--", "a", "--", "--db=--"], ["a", "--db=--"]),
        (["-qt5", "--", "-t--"], ["-t--"]),
    ],
)
def test_arguments_after_two_dashes(typed, words, ports):
    code, args, _ = typed(["stats", *words], "stats")
    assert (code, args and args.ports) == (0, ports)


def test_types_are_checked_after_two_dashes_too(typed):
    assert typed(["flow", "list", "--", ""], "flow list")[0] == typed(["flow", "list", ""], "flow list")[0] == 2
    code, _, said = typed(["version", "--", "a\x1b", "--x"])
    assert code == 2 and "\\x1b --x" in said and "\\x00" not in said


def test_the_default_switch_is_not_used_for_another(switch, ovstool):
    done = ovstool(["--db=--", "show"])
    assert (done.code, done.stdout) == (2, "")
    done = ovstool(["port", "add", "br0", "p1", "--type=--"])
    assert (done.code, "--" in done.stderr) == (6, True)  # like any unknown type


# --- numbers

NO_NUMBERS = ["", "--", "5" * 5000, "5\n", "5\0", "5,5_0", *"1_0 ٣ \uff11 ² ½ -5 0x10 1e3 nan inf -inf 1e400 infinity".split()]
NOT_PLAIN = ["+5", " 5", "5 "]  # allowed for a rate or a size


def is_number(action: argparse.Action) -> bool:
    value = made_of(action, "5")
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return isinstance(value, int | float) and not isinstance(value, bool)


NUMBERS = {key: where for key, where in OPTIONS.items() if is_number(option(*where)[0])}


def test_there_are_options_with_numbers():
    assert {"version --timeout", "port list --max-width", "stats --interval", "port add --tag", "qos set --max-rate"} <= NUMBERS.keys()


@pytest.mark.parametrize(("name", "dest"), NUMBERS.values(), ids=NUMBERS)
def test_a_number_is_plain_digits(typed, name, dest):
    action, words = option(name, dest)
    is_quantity = made_of(action, "5kbit") is not None
    for text in NO_NUMBERS if is_quantity else NO_NUMBERS + NOT_PLAIN:
        code, args, said = typed([*words, f"{action.option_strings[-1]}={text}"], name)
        assert (code, args) == (2, None), text
        assert said[:-1].isprintable() and len(said) < 1200


@pytest.mark.parametrize("text", ["10\u212abit", "1\u212a", "\u06f1\u06f0mbit", "10mbit\u2028", "\uff11mbit"])
def test_a_rate_with_lookalike_characters(typed, text):
    assert typed(["police", "set", "eth1", f"--rate={text}"], "police set")[0] == 2


def run(words: list[str], **environ: str) -> subprocess.CompletedProcess:
    argv = [sys.executable, "-m", "ovstool", *words]
    return subprocess.run(
        argv, env={"PATH": "/usr/bin:/bin"} | environ, capture_output=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("width", ["9" * 5000, "9" * 4000, "99999999999", "-5", "٣", "²", "0", "1", "wide", "1e3"])
def test_any_width_of_the_environment(width):
    """Another program's variable may have any value: an invalid width is ignored."""
    done = run(["help", "options"], COLUMNS=width, LINES=width, CLIFF_MAX_TERM_WIDTH=width)
    assert (done.returncode, done.stderr) == (0, b"") and b"--max-width" in done.stdout.replace(b"\n", b"").replace(b" ", b"")
    if width != "1":
        assert done.stdout == run(["help", "options"]).stdout


@pytest.mark.parametrize("text", ["1_0", "٣", " 5 ", "+5", "1e3", "nan", "9" * 5000])
def test_a_time_in_the_environment_that_is_no_number(text):
    done = run(["show", "--db", "unix:/nosuch"], OVS_CTL_TIMEOUT=text)
    assert done.returncode == 2 and done.stderr.startswith(b"ovstool: OVS_CTL_TIMEOUT: ") and done.stderr.count(b"\n") == 1


# --- lines of the shell, and little memory


@pytest.mark.parametrize("line", [b"a" * 5_000_000, b"show " + b"x " * 600_000, b"'" + b"a" * 2_000_000])
def test_a_long_line_of_the_shell(line):
    argv = [sys.executable, "-m", "ovstool", "shell", "--keep-going"]
    done = subprocess.run(argv, input=line + b"\nversion\n", capture_output=True, timeout=30, check=False)
    assert done.returncode == 2 and done.stdout.startswith(b"ovstool ")
    assert done.stderr == b"ovstool: stdin:1: the line: longer than 1 MiB\n"


def test_too_little_memory_at_any_moment():
    """Python raises SystemErrors of its own where it lacks the memory for a MemoryError."""
    assert of_the_machine(SystemError("error return without exception set")) == "this machine: out of memory"
    # The first module that main imports, and the first one after that.
    before = {"ovstool.lazy_imports": "import ovstool.__main__ as program\n"}
    before["ovstool.shell"] = f"{before['ovstool.lazy_imports']}import ovstool.lazy_imports\n"
    script = "import builtins, sys; sys.path_hooks[:] = []; sys.path_importer_cache.clear()\n"
    script += "class Full:\n  def find_spec(self, name, *rest):\n    if name == 'MODULE': raise ERROR\nsys.meta_path.insert(0, Full())\n"
    for module, error in product(before, ("SystemError('returned NULL without setting an exception')", "MemoryError()")):
        start = before[module] + script.replace("MODULE", module).replace("ERROR", error) + "program.main()"
        done = subprocess.run([sys.executable, "-c", start], capture_output=True, timeout=30, check=False)
        assert (done.returncode, done.stderr) == (6, b"ovstool: cannot be started: out of memory\n")


def test_a_long_error_of_an_import_is_one_line():
    page = ImportError("numpy's\npage")
    page.__cause__ = ImportError("libstdc++.so.6: failed to map segment from shared object")
    assert of_the_machine(page) == "a Python module cannot be imported: libstdc++.so.6: failed to map segment from shared object"
