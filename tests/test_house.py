"""The directions of the house (CONTRIBUTING.md, Layout), and what every command has to have."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import ovstool
from ovstool.commands import COMMANDS, NOUNS
from ovstool.shell import App, _leading_options

ROOT = Path(ovstool.__file__).parent
FILES = {path.relative_to(ROOT).with_suffix("").as_posix(): path for path in sorted(ROOT.rglob("*.py"))}
WORDS = ("shell", "commands/", "terminal/completion", "__main__")  # who reads argv
# Who may import the module (a prefix of the importing files); whatever is not listed may be imported by nobody but the words.
MAY_IMPORT = {
    "ovstool.errors": ("",),
    "ovstool.lazy_imports": ("terminal/", "host/"),
    "ovstool.terminal.output": ("terminal/", "command", "recording"),
    "ovstool.terminal": ("terminal/", "command"),
    "ovstool.units": ("",),
    "ovstool.rates": ("",),
    "ovstool.host": ("host/", "ovsdb/", "openflow/", "sflow/", "switch/", "command"),
    "ovstool.ovsdb": ("ovsdb/", "switch/"),
    "ovstool.openflow": ("openflow/", "switch/"),
    "ovstool.sflow": ("sflow/", "switch/"),
    "ovstool.switch.checks": ("switch/checks/", "command"),
    "ovstool.switch": ("switch/", "command"),
    "ovstool.fleet": ("command",),
    "ovstool.recording": ("terminal/plot",),
    "ovstool.command": (),
    "argparse": ("terminal/", "command"),
    "cliff": ("terminal/", "command"),
    "paramiko": ("host/connection",),
    "rich": ("terminal/live",),
    "matplotlib": ("terminal/plot",),
    "ovs.flow": ("openflow/",),
}
NOT_BY_WORDS = ("ovstool.ovsdb", "ovstool.openflow", "ovstool.sflow", "ovstool.host", "paramiko", "rich", "matplotlib", "ovs.flow")


def imports(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def may_import(file: str, name: str) -> bool:
    for module, importers in MAY_IMPORT.items():  # the first that fits
        if f"{name}.".startswith(f"{module}."):
            allowed = importers if module in NOT_BY_WORDS else (*importers, *WORDS)
            return any(file == who or ((who.endswith("/") or not who) and file.startswith(who)) for who in allowed)
    return True


@pytest.mark.parametrize("file", FILES)
def test_imports_point_one_way(file):
    assert [name for name in imports(FILES[file]) if not may_import(file, name)] == []


def test_nothing_is_named_for_what_it_might_hold():
    assert not {Path(file).name for file in FILES} & {"utils", "util", "helpers", "common", "misc", "base"}


def command_of(words: list[str]):
    """The command, and its arguments parsed, as ``App.run_subcommand`` does it."""
    app = App()
    words = words[_leading_options(app.parser, words) :]
    command_class, name, rest = app.command_manager.find_command(words)
    command = command_class(app, app.options, name)
    return command, lambda: command.get_parser(f"ovstool {name}").parse_words(rest, app.options)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help_of_its_own(name):
    command, _ = command_of(name.split())
    summary, blank, *_ = [*type(command).__doc__.splitlines(), "", ""]
    assert 5 < len(summary) < 90 and summary[0].isupper() and not summary.endswith(".") and not blank
    for action in command.get_parser(name)._actions:
        assert action.help, f"{name} {action.dest} has no help"


EXAMPLES = [
    (name, line.strip())
    for name in COMMANDS
    for line in re.sub(r".*?\bExamples?:\n", "", type(command_of(name.split())[0]).__doc__, flags=re.DOTALL).splitlines()
    if line.strip().startswith(("ovstool", "sudo ovstool"))
]


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"shell", "version"}))
def test_a_command_has_an_example(name):
    assert any(line.startswith(f"ovstool {name}") for of, line in EXAMPLES if of == name)


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_examples_parse(name, line):
    words = shlex.split(line.partition("|")[0])
    command_of(words[1:])[1]()


def test_each_noun_has_a_command_and_each_command_a_noun():
    assert {name.split()[0] for name in COMMANDS} == set(NOUNS)


HEAVY = ("yaml", "ssl", "paramiko", "rich", "prettytable", "cmd2", "ovs", "wcwidth", "asyncio", "difflib", "unittest")
HEAVY += ("stevedore", "importlib.metadata", "logging.handlers", "autopage", "email", "random")


@pytest.mark.parametrize("command", ["stats -f json", "stats", "qos list -f csv", "port show eth1"])
def test_a_read_imports_little(switch, command):
    code = (
        "import sys\nbefore = set(sys.modules)\nfrom ovstool import lazy_imports\n"
        f"with lazy_imports.in_force():\n    from ovstool.shell import main\n    code = main({shlex.split(command)!r})\n"
        "print(*sorted(set(sys.modules) - before), file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=switch.environ, capture_output=True, text=True, check=True)
    assert [name for name in HEAVY if name in done.stderr.split()] == []
