"""The pages of ``ovstool help``: their content, their order, and that they fit any window."""

import io
import re

import pytest

from ovstool.commands import COMMANDS, NOUNS
from ovstool.commands.help_pages import ENVIRONMENT, FORMATS, TASKS, shared_options
from ovstool.shell import App
from ovstool.terminal.formats import TABLE_STYLES, Formatters

WITH_VERBS = sorted(NOUNS.keys() - COMMANDS.keys())
PAGES = ["", "options", *WITH_VERBS, *COMMANDS]
COMMON = [option for action in shared_options()[0] for option in action.option_strings]
OUTPUT = [option for action in shared_options()[1] for option in action.option_strings]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def ran(line: str, stdout: io.StringIO | None = None) -> tuple[int, str, str]:
    app = App(stdout=stdout or io.StringIO(), stderr=io.StringIO())
    code = app.run(line.split())
    return code, app.stdout.getvalue(), app.stderr.getvalue()


def lines_of(words: str) -> list[str]:
    code, text, said = ran(f"help {words}")
    assert (code, said) == (0, "")
    return text.splitlines()


@pytest.fixture(autouse=True)
def window(monkeypatch):
    """Sets the width of the window, initially 80 columns."""

    def set_width(columns: int) -> None:
        monkeypatch.setenv("COLUMNS", str(columns))

    set_width(80)
    return set_width


def options_named_in(lines: list[str]) -> set[str]:
    """The options that have their own line."""
    return set(re.findall(r"--?[a-zA-Z][\w-]*", "\n".join(re.findall(r"^  (-.*?)(?:  |$)", "\n".join(lines), re.MULTILINE))))


HELP_OF_COMPLETE = """\
usage: ovstool complete [SHELL] [options]

Print the completion script for bash, zsh or fish.

examples:
  ovstool complete | sudo tee /usr/share/bash-completion/completions/ovstool
  ovstool complete zsh | sudo tee /usr/local/share/zsh/site-functions/_ovstool
  ovstool complete fish | sudo tee /etc/fish/completions/ovstool.fish

With this script, Tab completes commands, options and their values, hosts, and
the bridges, ports and queues of the switch named with --db or --host, or of the
default switch. If a switch does not answer quickly, nothing is completed. Tab
never asks for a password.

Packages and 'pip install' install the scripts where the shells look for them.
In a virtual environment (venv, pipx) install them yourself, then open a new
shell:
  ovstool complete bash > ~/.local/share/bash-completion/completions/ovstool
  ovstool complete zsh > DIRECTORY/_ovstool    # a directory in $fpath
  ovstool complete fish > ~/.config/fish/completions/ovstool.fish

For bash without the bash-completion package, or zsh without a directory of your
own in $fpath, put one of these into ~/.bashrc or ~/.zshrc:
  source <(ovstool complete bash)
  source <(ovstool complete zsh)

arguments:
  SHELL                 the shell to complete in: bash, zsh, fish (default:
                        bash)

common options:  ovstool help options
"""


def test_a_page_of_help():
    code, page, said = ran("help complete")
    assert (code, said, page) == (0, "", HELP_OF_COMPLETE)
    assert ran("complete -h")[1] == ran("-h complete")[1] == ran("complete x --db y --help")[1] == page
    assert ran("complete -- -h")[0] == 2
    assert ran("help port list")[1].startswith("usage: ovstool port list [BRIDGE...] [options]\n\nList ports.\n\n")


def test_what_a_page_has_and_in_which_order():
    heads = [line for line in lines_of("qos unsteer") if re.match(r"[a-z ]+:", line)]
    assert heads == [
        "usage: ovstool qos unsteer PORT [options]", "examples:", "arguments:", "options:",
        "common and output options:  ovstool help options",
    ]  # fmt: skip
    assert lines_of("qos steer")[0] == "usage: ovstool qos steer PORT --queue ID --match MATCH [options]"
    page = "\n".join(lines_of("qos set"))
    assert page.index("\nexamples:\n") < page.index("\nThe command describes") < page.index("\narguments:\n") < page.index("\noptions:\n")
    assert "usage: ovstool sandbox run [options] -- COMMAND..." in lines_of("sandbox run")


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"shell", "version"}))
def test_what_matters_is_on_the_first_screen(name):
    usage, blank, *rest = lines_of(name)[:24]
    assert usage.startswith(f"usage: ovstool {name}") and "[options]" in usage and not blank
    head = next(place for place, line in enumerate(rest) if line in ("example:", "examples:"))
    sentence = " ".join(rest[: head - 1])
    assert sentence[0].isupper() and sentence.endswith(".") and rest[head - 1] == ""
    assert any(line.startswith(f"  ovstool {name}") for line in rest[head + 1 :])


@pytest.mark.parametrize("name", COMMANDS)
def test_options_that_all_commands_have_are_on_one_line(name):
    lines = lines_of(name)
    assert not options_named_in(lines) & {*COMMON, *OUTPUT}
    assert re.fullmatch(r"common (and output )?options:  ovstool help options", lines[-1])
    app = App()
    parser = app.command_manager.find_command(name.split())[0](app, None, name).get_parser(name)
    own = {option for action in parser._actions for option in action.option_strings} - {*COMMON, *OUTPUT}
    assert options_named_in(lines) == own


def test_the_page_of_options_has_each_of_them():
    lines = lines_of("options")
    assert options_named_in(lines) == {*COMMON, *OUTPUT, "--version"}
    assert {"--timeout", "--host", "-n", "--sort-column"} <= {*COMMON, *OUTPUT}
    heads = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert [head.partition(" (")[0] for head in heads[:5]] == ["options:", *["common options"] * 4]
    assert heads[5:] == ["output options:", "formats of -f:", "environment:"]
    assert {line.split()[0] for line in lines if line} >= {*ENVIRONMENT, "table", "json", "shell"}
    assert lines == lines_of("options extra") == ran("-h options")[1].splitlines() == ran("options --help")[1].splitlines()


def test_each_format_is_described():
    named = {name for names in FORMATS for name in names.removesuffix(", ...").split(", ")}
    assert named - {"github"} == {*Formatters()} - {*TABLE_STYLES} and "github" in TABLE_STYLES


@pytest.mark.parametrize("columns", [20, 40, 80, 120])
@pytest.mark.parametrize("page", PAGES)
def test_no_line_is_wider_than_the_window(window, page, columns):
    """Only commands to be copied may be wider; they stay whole in any window, and fit 80 columns."""
    window(columns)
    wide = [line for line in lines_of(page) if len(line) > columns]
    assert [line for line in wide if columns >= 80 or not re.match(r"  (?:ovs|eval |source |sudo |  \S)", line)] == []
    window(200)
    assert {re.sub(r"^ +", "", line) for line in wide} <= {re.sub(r"^ +", "", line) for line in lines_of(page)}
    assert max(map(len, lines_of(page))) <= 100


def test_a_page_is_as_wide_as_the_window(window):
    for columns in (60, 80, 100):
        window(columns)
        assert columns - 8 < max(len(line) for line in lines_of("police check") if not line.startswith("  ovstool")) <= columns


def test_help_of_a_noun():
    assert lines_of("qos")[:10] == [
        "usage: ovstool qos VERB [arguments] [options]", "", "Shape what a port sends: rates and queues (egress QoS).", "",
        "examples:", "  ovstool qos set eth1 --max-rate 200mbit --queue 1:min=50mbit", "  ovstool qos explain eth1", "",
        "commands:", "  ovstool qos set      Shape what ports send: a rate and queues (egress QoS)",
    ]  # fmt: skip
    assert lines_of("qos")[-1] == "help for one command:  ovstool help qos VERB"
    assert ran("qos -h") == ran("help qos") == ran("-h qos --db x")
    assert TASKS.keys() == set(WITH_VERBS)
    for noun in WITH_VERBS:
        assert [name for name in COMMANDS if name.startswith(f"{noun} ") and f"  ovstool {name} " not in ran(f"help {noun}")[1]] == []


def test_help_of_a_command_that_others_begin_with():
    assert ran("help stats eth1") == ran("help stats")
    assert lines_of("stats")[0] == "usage: ovstool stats [PORT...] [options]" and lines_of("stats record")[0].startswith(
        "usage: ovstool stats record FILE "
    )
    place = lines_of("stats").index("see also:")
    assert [line.split()[:3] for line in lines_of("stats")[place + 1 : place + 3]] == [
        ["ovstool", "stats", verb] for verb in ("record", "plot")
    ]
    for page in (lines_of("stats")[2], *(line for line in lines_of("") if line.startswith("  stats"))):
        assert all(word in page for word in ("counters", "rates", "bursts", "live", "record", "plot"))


def test_help_of_all(window):
    page = lines_of("")
    assert page[:5] == [
        "usage: ovstool [common options] NOUN [VERB] [arguments] [options]", "",
        "The command line for Open vSwitch: one command for each job, safe to repeat.", "", "nouns:",
    ]  # fmt: skip
    end = 5 + len(NOUNS)
    assert page[5:end] == [f"  {noun:<10}{text}" for noun, text in NOUNS.items()] and page[end : end + 2] == ["", "more:"]
    assert len(page) == end + 4
    assert ran("") == ran("help") == ran("-h") == ran("--help")
    assert lines_of("help") == ran("help -h")[1].splitlines() and lines_of("help")[0] == "usage: ovstool help [WORD...] [options]"


@pytest.mark.parametrize("words", ["nonsense", "qos nonsense", "options-x", "stats\0"])
def test_help_for_an_unknown_command(words):
    code, page, said = ran(f"help {words}")
    assert (code, page, said.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("qos sett", "ovstool help qos set"),
        ("qos xyzzy", "ovstool help qos"),
        ("add-br br3", "ovstool help bridge add"),
        ("ports", "ovstool help port list"),
        ("counters", "ovstool help stats"),
        ("p", "ovstool help port list or ovstool help port show or ovstool help port add"),
        ("fdb/show", "ovstool help"),
        ("xyzzy", "ovstool help"),
    ],
)
def test_a_suggested_command_has_a_page(words, meant):
    code, out, err = ran(f"help {words}")
    assert (code, out) == (2, "") and err.endswith(f"; try: {meant}\n")


def test_heads_are_bold_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    bold = ran("help qos set", Terminal())[1]
    assert re.findall(r"\x1b\[1m(.*?)\x1b\[0m", bold) == ["usage:", "examples:", "arguments:", "options:"]
    plain = ran("help qos set")[1]
    assert "\x1b" not in plain and re.sub(r"\x1b\[[01]m", "", bold) == plain
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            assert ran("help qos set", Terminal())[1] == plain
