"""The direction of imports (CONTRIBUTING.md, "The floors"), sizes of modules, and what every command must have."""

import ast
import configparser
import functools
import re
import shlex
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import ovstool
from ovstool.command import docstring
from ovstool.commands import COMMANDS, NOUNS
from ovstool.commands.help_pages import TASKS, Docstring
from ovstool.shell import App, _leading_options

ROOT = Path(ovstool.__file__).parent
FILES = {path.relative_to(ROOT).with_suffix("").as_posix(): path for path in sorted(ROOT.rglob("*.py"))}
# The floors from the top down: a room may import from itself and from the floors below, and nothing else on its own floor.
FLOORS = [
    ("__main__",), ("shell",), ("hints",), ("commands/",), ("stream", "session/"), ("switch_command",), ("command", "completion/"), ("reach", "parser", "fleet", "remedy"), ("terminal/", "answers"),
    ("monitor/", "metrics/"), ("recording/", "sandbox/", "document/"), ("switch/checks/",), ("switch/",), ("ovsdb/", "openflow/", "sflow/"), ("host/",),
    ("rates", "pace", "conditions", "spreadsheet", "signals", "own_folder", "whole_file", "yaml_events"), ("units",), ("errors",), ("lazy_imports",),
]  # fmt: skip
# Libraries and parts of ovstool that only a few modules may import; a name that ends in / covers everything below it.
KNOWN_TO = {
    "argparse": ("shell", "parser", "command", "switch_command", "stream", "session/session", "commands/", "terminal/"),
    "cliff": ("shell", "command", "switch_command", "terminal/"),
    "paramiko": ("host/ssh/transport/", "host/ssh/connection", "host/ssh/keys"),
    "rich": ("terminal/live/",),
    "matplotlib": ("terminal/plots/plot_image",),
    "prometheus_client": ("metrics/serving/itself",),
    "yaml": ("yaml_events", "host/inventory/yaml_format", "document/tree", "terminal/formats"),
    "ovs": ("openflow/syntax/objects", "ovsdb/schema"),
    "ovstool.ovsdb": ("switch/", "ovsdb/", "document/", "monitor/", "metrics/"),
    "ovstool.openflow": ("switch/", "openflow/", "metrics/"),
    "ovstool.switch.checks": ("switch/checks/", "metrics/", "commands/"),
    "ovstool.host": (
        "host/",
        "ovsdb/",
        "openflow/",
        "sflow/",
        "switch/",
        "document/",
        "monitor/",
        "metrics/",
        "answers",
        "switch_command",
        "reach",
        "remedy",
        "completion/live",
        "terminal/diagrams/svg",
    ),
}
MOST_FILES = {"switch": 16, "commands": 28, "terminal/live": 14}  # per directory; some have a module for each noun or each live table
USUAL_FILES = 12
LONG = 350  # lines; a longer module says "long" in its docstring, and why
LONGEST_FUNCTION = 50


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(tree_of(path)))


def imports(path: Path):
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor(file: str) -> tuple[int, str]:
    """The number of a file's floor, and its room there."""
    for number, rooms in enumerate(FLOORS):
        for room in rooms:
            if file == room or (room.endswith("/") and file.startswith(room)):
                return number, room
    raise AssertionError(f"{file} is on no floor")


def room_of(name: str) -> str | None:
    """The file of ovstool that an imported name comes from; None if it is not part of ovstool."""
    words = name.split(".")
    if words[0] != "ovstool" or words == ["ovstool"]:
        return None
    tries = ("/".join(words[1:end]) for end in range(len(words), 1, -1))
    return next((file for at in tries for file in (at, f"{at}/__init__") if file in FILES), "__init__")


@pytest.mark.parametrize("file", sorted(FILES.keys() - {"__init__"}))
def test_imports_point_down(file):
    here, room = floor(file)
    there = [(name, floor(found)) for name in imports(FILES[file]) if (found := room_of(name)) and found != "__init__"]
    assert [name for name, (number, other) in there if number < here or (number == here and other != room)] == []


@pytest.mark.parametrize("file", FILES)
def test_only_few_modules_import_it(file):
    def may_import(name: str) -> bool:
        who = [who for known, who in KNOWN_TO.items() if f"{name}.".startswith(f"{known}.")]
        return all(any(file == at or (at.endswith("/") and file.startswith(at)) for at in places) for places in who)

    assert [name for name in imports(FILES[file]) if not may_import(name)] == []


def test_rooms_are_small():
    folders = [file.rpartition("/")[0] for file in FILES if "/" in file]
    sizes = {folder: folders.count(folder) for folder in folders}
    most = {folder: MOST_FILES.get(folder, USUAL_FILES + 1) for folder in sizes}  # __init__ does not count
    assert {folder: size for folder, size in sizes.items() if size > most[folder]} == {}


@pytest.mark.parametrize("file", FILES)
def test_modules_and_functions_are_short(file):
    text, tree = FILES[file].read_text(), tree_of(FILES[file])
    assert "long" in (ast.get_docstring(tree) or "") or text.count("\n") <= LONG
    functions = [node for node in nodes_of(FILES[file]) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [f.name for f in functions if f.end_lineno - f.lineno >= LONGEST_FUNCTION and not f.name == "get_parser"] == []
    docstrings = [ast.get_docstring(node) or "" for node in (tree, *functions)]
    assert [text for text in docstrings if text.startswith("The same")] == [], "a docstring must stand alone"


def test_dataclasses_are_frozen():
    """All dataclasses are frozen, except those that are filled step by step."""
    filled = {"openflow/syntax/trace": ["Step", "Trace"]}
    for file, path in FILES.items():
        classes = [node for node in nodes_of(path) if isinstance(node, ast.ClassDef)]
        made = {node.name: [ast.unparse(by) for by in node.decorator_list if "dataclass" in ast.unparse(by)] for node in classes}
        changing = [name for name, by in made.items() if by and by != ["dataclass(frozen=True)"]]
        assert changing == filled.get(file, []), file


def test_imports_have_no_cycle():
    modules = {".".join(("ovstool", *file.split("/"))).removesuffix(".__init__"): path for file, path in FILES.items()}

    def imported(path: Path):
        for name in imports(path):
            while name and name not in modules:
                name = name.rpartition(".")[0]
            yield name

    TopologicalSorter({module: set(imported(path)) - {module, ""} for module, path in modules.items()}).prepare()


def test_no_module_has_a_vague_name():
    assert not {Path(file).name for file in FILES} & {"utils", "util", "helpers", "common", "misc", "base"}


def command_of(words: list[str]):
    """The command and its parsed arguments, as ``App.run_subcommand`` determines them."""
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
    for line in "\n".join(Docstring.of(docstring(type(command_of(name.split())[0]))).examples).replace("\\\n", "").splitlines()
    if line.startswith(("ovstool", "sudo ovstool"))
]


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"shell", "version"}))
def test_a_command_has_an_example(name):
    assert any(line.startswith(f"ovstool {name}") for of, line in EXAMPLES if of == name)


@pytest.mark.parametrize(("name", "line"), [*EXAMPLES, *((noun, line) for noun, lines in TASKS.items() for line in lines)])
def test_examples_parse(name, line):
    words = shlex.split(re.match(r"(?:[^|<>']|'.*?')*", line)[0])
    command_of(words[1:])[1]()


def test_the_version_is_that_of_the_package():
    setup = configparser.ConfigParser()
    setup.read(ROOT.parent / "setup.cfg")
    assert ovstool.__version__ == setup["metadata"]["version"]


def test_each_noun_has_a_command_and_each_command_a_noun():
    assert {name.split()[0] for name in COMMANDS} == set(NOUNS)


HEAVY = ("yaml", "ssl", "paramiko", "rich", "prettytable", "cmd2", "ovs", "wcwidth", "asyncio", "difflib", "unittest")
HEAVY += ("stevedore", "importlib.metadata", "logging.handlers", "autopage", "email", "random", "string", "selectors")
HEAVY += ("shutil", "shlex", "signal")
HEAVY += ("ovstool.openflow.accepts.fields", "ovstool.openflow.syntax.ofctl_errors")  # needed only for flows to write, and for errors


@pytest.mark.parametrize("command", ["stats -f json", "stats", "qos list -f csv", "qos check", "port show eth1"])
def test_a_read_imports_little(switch, command):
    code = (
        "import sys\nbefore = set(sys.modules)\nfrom ovstool import lazy_imports\n"
        f"with lazy_imports.in_force():\n    from ovstool.shell import main\n    code = main({shlex.split(command)!r})\n"
        "print(*sorted(set(sys.modules) - before), file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=switch.environ, capture_output=True, text=True, check=True)
    assert [name for name in HEAVY if name in done.stderr.split()] == []
