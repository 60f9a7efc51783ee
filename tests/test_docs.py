"""The documentation is correct: its commands run and print what it shows, and manual pages and completions are complete and up to date."""

import configparser
import functools
import os
import re
import secrets
import select
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ovstool import sandbox
from ovstool.commands import COMMANDS, NOUNS
from ovstool.shell import App

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = {page.name: page.read_text() for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
RUN = [name for name, text in DOCUMENTS.items() if "```console" in text]
PAGES = sorted((ROOT / "man").glob("*.[17]"))
SCRIPTS = {shell: ROOT / "completions" / name for shell, name in (("bash", "ovstool.bash"), ("zsh", "_ovstool"), ("fish", "ovstool.fish"))}

# What may differ from run to run; everything else is compared word by word.
VARIES = [
    (r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", "MAC"),
    (r"\bofport \d{1,3}\b", "ofport N"),
    (r"\b(?:netdev|dummy)\b", "DATAPATH"),
    (r"^Open vSwitch.*", "Open vSwitch"),
    (r"-{3,}", "---"),
    (r" +", " "),
    (r" tx_packets \d+ tx_bytes \d+ tx_errors \d+", ""),  # of queues, which the dummy datapath lacks
]
# Reads a command, runs it and prints its exit code.
SHELL = """while IFS= read -r -d '' command; do (eval "$command") </dev/null >"$1.out" 2>"$1.err"; echo $?; done"""
COUNTERS = re.compile(r"\b\d+\b|(?<= )-(?=\s)")  # the dummy datapath lacks some


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A PATH on which ovstool is the one under test."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "ovstool").write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m ovstool "$@"\n')
    (folder / "ovstool").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}:/usr/sbin:/sbin"


@pytest.fixture
def new_shell(programs, tmp_path):
    """Starts a sandbox with a shell for a datapath, by default the best available; they end with the test."""
    with ExitStack() as stack:
        yield lambda datapath=None: stack.enter_context(_shell(programs, tmp_path, datapath))


@contextmanager
def _shell(path, folder, datapath):
    """A function that types a command into ``ovstool sandbox shell``, in one shell for all, and returns what it prints once it succeeds."""
    box, _ = sandbox.start(Path(f"/tmp/ovstool-docs-{secrets.token_hex(3)}"), datapath)
    files = folder / box.directory.name
    argv = ["ovstool", "sandbox", "run", "--dir", str(box.directory), "--", "bash", "-o", "pipefail", "-c", SHELL, "bash", str(files)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OVS", "CLIFF"))} | {"PATH": path}
    try:
        with subprocess.Popen(argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd=folder) as shell:
            yield functools.partial(type_in, shell, files)
            shell.stdin.close()
            assert shell.wait(timeout=60) == 0
    finally:
        sandbox.stop(box.directory)


def type_in(shell, files, command):
    shell.stdin.write(command.encode() + b"\0")
    assert select.select([shell.stdout], [], [], 60)[0], command
    code = int(shell.stdout.readline())
    printed = files.with_suffix(".out").read_text() + files.with_suffix(".err").read_text()
    assert code == 0, f"$ {command}\n{printed}"
    return printed


# --- README and docs


def shown_commands(text):
    """Each command of the console blocks, with the output shown below it."""
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = entry.partition("\n")
            yield command, output


def comparable(command, text):
    for pattern, word in VARIES:
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return COUNTERS.sub("N", text) if command.startswith("ovstool stats") else text


@pytest.mark.parametrize("name", RUN)
def test_what_is_shown_runs_as_written(name, new_shell):
    shell = new_shell()
    commands = list(shown_commands(DOCUMENTS[name]))
    assert len(commands) >= 3
    for command, shown in commands:
        printed = shell(command)
        # A line of three dots stands for any number of lines.
        pattern = re.escape(comparable(command, shown)).replace(re.escape("...\n"), r"(?:.*\n)*?")
        assert re.fullmatch(pattern, comparable(command, printed)), f"$ {command}\nshown:\n{shown}\nprinted:\n{printed}"


def test_the_tour_is_run():
    assert set(RUN) >= {"README.md", "tour.md", "output.md"}
    assert len(list(shown_commands(DOCUMENTS["tour.md"]))) > 20


def compared(name):
    """The command lines of a page that are shown as equivalent."""
    return re.findall(r"^\| `(ovs-vsctl [^`]*)`.* \| `(ovstool [^`]*)` \|$", DOCUMENTS[name], re.MULTILINE)


def test_both_columns_do_the_same(new_shell):
    rows = compared("from-ovs-vsctl.md")
    assert len(rows) > 10
    assert set(compared("README.md")) <= set(rows)
    columns = {
        "Bridge": "name",
        "Port": "name,tag,trunks,vlan_mode,bond_mode,lacp",
        "Interface": "name,type,options,ingress_policing_rate,ingress_policing_burst",
        "QoS": "type,other_config",
        "Queue": "other_config",
        "sFlow": "targets,sampling,polling",
    }
    theirs, ours = new_shell("dummy"), new_shell("dummy")
    for incantation, command in rows:
        states = []
        for shell, words in ((theirs, incantation), (ours, command)):
            shell(words)
            lists = " -- ".join(f"--columns={names} list {table}" for table, names in columns.items())
            states.append(sorted(shell(f"ovs-vsctl -f csv --no-heading {lists}").splitlines()))
        # ovs-vsctl leaves QoS and Queue rows behind, which is the subject of the next row of the table.
        if "del-br" not in incantation:
            assert states[0] == states[1], f"{incantation}\n{command}"


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_is_in_the_documents(noun):
    assert re.search(rf"ovstool {noun}\b", "".join(DOCUMENTS.values()))


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 200


def headings(text):
    """The anchors of a page, as GitHub generates them."""
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    folder = ROOT if name == "README.md" else ROOT / "docs"
    for link in re.findall(r"\]\(([^)]*)\)", DOCUMENTS[name]):
        path, _, anchor = link.partition("#")
        page = folder / path if path else folder / name
        assert page.is_file(), link
        assert not anchor or anchor in headings(page.read_text()), link


# --- manual pages and completion


def parser_of(name):
    app = App()
    return app.command_manager.find_command(name.split())[0](app, None, name).get_parser(f"ovstool {name}")


def plain_text(page):
    text = (ROOT / "man" / f"{page}.1").read_text()
    return re.sub(r"\\f[BIPR]", "", text).replace(r"\-", "-")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_in_the_manual(name):
    noun, overview = plain_text(f"ovstool-{name.split()[0]}"), plain_text("ovstool")
    assert f"ovstool {name}" in noun
    options = {option for action in parser_of(name)._actions for option in action.option_strings}
    assert {option for option in options if not re.search(rf"(?<![\w-]){option}(?![\w-])", noun + overview)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_manual_pages_are_clean(page):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_manual_pages_are_fresh(tmp_path):
    subprocess.run([sys.executable, ROOT / "man" / "generate.py", tmp_path], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    fresh = {page.name: page.read_text() for page in tmp_path.iterdir()}
    assert {page.name: page.read_text() for page in PAGES} == fresh, "run 'make generated'"


@pytest.mark.parametrize("shell", SCRIPTS)
def test_completion_is_fresh(shell, programs):
    done = subprocess.run(["ovstool", "complete", shell], env=os.environ | {"PATH": programs}, capture_output=True, text=True, check=True)
    assert SCRIPTS[shell].read_text() == done.stdout, "run 'make generated'"


def test_what_completion_knows_of_the_command_line_is_fresh(tmp_path):
    argv = [sys.executable, ROOT / "completions" / "generate.py", tmp_path / "fresh"]
    subprocess.run(argv, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    known = ROOT / "ovstool" / "completion" / "command_line.py"
    assert known.read_text() == (tmp_path / "fresh").read_text(), "run 'make generated'"


def test_completion_is_installed_where_shells_look_for_it():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    installed = setup["options.data_files"]
    folders = ["share/bash-completion/completions", "share/zsh/site-functions", "share/fish/vendor_completions.d"]
    assert {ROOT / installed[folder] for folder in folders} == set(SCRIPTS.values())


def complete(programs, *words):
    """What bash offers after these words; the last one is being typed."""
    script = 'source "$1"; COMP_LINE=$2; COMP_POINT=${#2}; _ovstool ovstool; echo "${COMPREPLY[@]}"'
    argv = ["bash", "-euc", script, "bash", str(SCRIPTS["bash"]), " ".join(("ovstool", *words))]
    environ = os.environ | {"PATH": programs, "OVS_RUNDIR": "/nonexistent"}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_bash_completes_words_and_options(programs):
    for shell, script in SCRIPTS.items():
        assert subprocess.run([shell, "-n", script], check=False).returncode == 0
    assert complete(programs, "qos", "s") == ["set", "show", "steer"]
    assert complete(programs, "br") == ["bridge"]
    assert complete(programs, "qos", "set", "eth1", "--ma") == ["--max-rate", "--max-width"]
    assert complete(programs, "bridge", "add", "br1", "--fail-mode", "s") == ["standalone", "secure"]
    assert complete(programs, "stats", "pl") == ["plot"]
    assert complete(programs, "stats", "record", "f.csv", "--fo") == ["--for"]
    assert complete(programs, "stats", "eth1", "--bur") == ["--bursts"]
    assert complete(programs, "nonsense", "x") == []
