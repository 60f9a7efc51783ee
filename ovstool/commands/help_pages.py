"""The pages of ``ovstool help``, built from the parsers and docstrings of the commands.

The lines of a page fit the window. Examples and other text to be copied are never broken.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ovstool.parser import COMMON, OUTPUT, Parser, add_common_options, add_output_options
from ovstool.terminal.layout import GAP, hanging, width, wrapped

_WIDEST = 100  # characters; longer lines are hard to read
_HANG = 24  # column where the descriptions of options start
_PROGRAMS = ("ovs", "sudo ovs", "source ")  # indented lines that start with one of these are commands

MORE = {
    "ovstool help NOUN [VERB]": "the commands of a noun, or one with examples",
    "ovstool help options": "options of all commands, output formats",
}
# The most common uses of each noun with several commands.
TASKS = {
    "bridge": ["ovstool bridge add br0", "ovstool port add br0 eth1"],
    "port": ["ovstool port add br0 eth1 --tag 10", "ovstool port show eth1"],
    "flow": ["ovstool flow diff br0 --file flows.txt", "ovstool flow replace br0 --file flows.txt"],
    "police": ["ovstool police set eth1 --rate 10mbit", "ovstool police check eth1"],
    "qos": ["ovstool qos set eth1 --max-rate 200mbit --queue 1:min=50mbit", "ovstool qos explain eth1"],
    "sflow": ["ovstool sflow enable br0 --collector 10.0.0.5", "ovstool sflow check", "ovstool sflow listen --top"],
    "snapshot": ["ovstool snapshot save before.json", "ovstool snapshot restore before.json"],
    "sandbox": ["ovstool sandbox start", "ovstool sandbox run -- ovstool show", "ovstool sandbox stop"],
}
FORMATS = {
    "table": "columns for people, with units; fitted to the window on a terminal",
    "json": "a list of objects, or one object; numbers in base units (bit/s, bytes, seconds)",
    "yaml": "as json",
    "csv": "a header, then one line per row",
    "value": "values separated by spaces, - for none",
    "lines": "OBJECT: CHANGE, or OBJECT: COLUMN=VALUE ...; one line per object",
    "shell": "COLUMN=VALUE, quoted for eval where needed",
    "github, ...": "the table styles of tabulate, by name",
}
ENVIRONMENT = {
    "OVSTOOL_DB": "the database, as --db",
    "OVSTOOL_HOST": "the hosts, as --host",
    "OVSTOOL_READ_ONLY": "any value other than 0, as --read-only",
    "OVS_RUNDIR": "the run directory of Open vSwitch, which contains db.sock",
    "OVS_CTL_TIMEOUT": "seconds, as --timeout; 0: no limit",
    "XDG_CONFIG_HOME": "directory of ovstool/inventory.yaml (default: ~/.config)",
    "XDG_RUNTIME_DIR": "directory of the sandbox",
    "XDG_STATE_HOME": "directory of ovstool/history, what was typed in the shell (default: ~/.local/state)",
    "PAGER": "pager for output longer than the screen (default: less); cat or empty: none",
    "NO_COLOR": "any value: no colours",
    "CLIFF_MAX_TERM_WIDTH": "characters, as --max-width",
    "CLIFF_FIT_WIDTH": "1: as --fit-width",
}


class Style(NamedTuple):
    """How a page looks: ``window`` is its maximum width in characters, ``bold`` emphasizes its headings."""

    window: int
    bold: Callable[[str], str]

    @property
    def room(self) -> int:
        return min(self.window, _WIDEST)

    def head(self, name: str, text: str = "") -> Iterator[str]:
        """A heading, and the text on the same line."""
        first, *rest = hanging(f"{name}: {text}".rstrip(), self.room)
        yield first.replace(f"{name}:", self.bold(f"{name}:"), 1)
        yield from rest

    def section(self, name: str, entries: Mapping[str, str], hang: int) -> Iterator[str]:
        """A heading, and below it the entries."""
        yield ""
        yield from self.head(name)
        for word, meaning in entries.items():
            yield from self.entry(word, meaning, hang)

    def entry(self, word: str, meaning: str, hang: int) -> Iterator[str]:
        """A word and its meaning beside it, or below it if the window is narrow or the word long."""
        hang = hang if self.room >= hang + _HANG else 3 * GAP
        lead = f"{' ' * GAP}{word}"
        if width(lead) + GAP > hang:
            yield from hanging(lead, self.room)
            lead = ""
        for line in wrapped(meaning, max(1, self.room - hang)):
            yield lead.ljust(hang) + line
            lead = ""

    def paragraph(self, text: str) -> Iterator[str]:
        """Prose, and the indented lines below it: commands to copy, or a table."""
        prose, *indented = text.split("\n ", maxsplit=1)
        yield ""
        yield from wrapped(" ".join(prose.split()), self.room)
        for block in indented:
            lines = f" {block}".splitlines()
            yield from lines if block.strip().startswith(_PROGRAMS) else (part for line in lines for part in hanging(line, self.room))


class Docstring(NamedTuple):
    """The parts of a command's docstring: ``summary`` has no full stop, ``examples`` are lines for a shell."""

    summary: str
    paragraphs: Sequence[str]
    examples: Sequence[str]

    @classmethod
    def of(cls, text: str) -> "Docstring":
        summary, *paragraphs = text.split("\n\n")
        examples = [line.removeprefix("  ") for each in paragraphs if each.startswith("Example") for line in each.splitlines()[1:]]
        return cls(summary, [each for each in paragraphs if not each.startswith("Example")], examples)


def overview(parser: Parser, nouns: Mapping[str, str], style: Style) -> Iterator[str]:
    """The page for ovstool itself."""
    yield from style.head("usage", usage(parser))
    yield from style.paragraph(parser.description or "")
    yield from style.section("nouns", nouns, 12)
    yield from style.section("more", MORE, 28)


def of_noun(noun: str, summary: str, commands: Mapping[str, str], style: Style) -> Iterator[str]:
    """The page for a noun: its common uses, and its ``commands`` with their summaries."""
    yield from style.head("usage", f"ovstool {noun} VERB [arguments] [options]")
    yield from style.paragraph(f"{summary[0].upper()}{summary[1:]}.")
    yield from _examples(TASKS[noun], style)
    yield from style.section("commands", commands, max(map(len, commands)) + 2 * GAP)
    yield ""
    yield from hanging(f"help for one command:  ovstool help {noun} VERB", style.room)


def of_command(parser: Parser, commands: Mapping[str, str], style: Style) -> Iterator[str]:
    """The page for a command, most important parts first; ``commands`` are those that start with its name, with their summaries."""
    summary, paragraphs, examples = Docstring.of(parser.description or "")
    yield from style.head("usage", usage(parser))
    yield from style.paragraph(f"{summary}.")
    yield from _examples(examples, style)
    for paragraph in paragraphs:
        yield from style.paragraph(paragraph)
    own = parser.own_actions()
    for name, actions in (("arguments", [a for a in own if not a.option_strings]), ("options", [a for a in own if a.option_strings])):
        if actions:
            yield from style.section(name, _meanings(actions), _HANG)
    if commands:
        yield from style.section("see also", commands, max(map(len, commands)) + 2 * GAP)
    yield ""
    yield from hanging(f"{'common and output' if OUTPUT in parser.groups() else 'common'} options:  ovstool help options", style.room)


def of_options(parser: Parser, style: Style) -> Iterator[str]:
    """The page for the options that all commands share; ``parser`` is that of ovstool itself, with the common options."""
    yield from style.head("usage", usage(parser))
    yield from style.paragraph(
        "Every command takes the common options, before or after its name. The output options are for commands that print "
        "rows or an object, and come after the name."
    )
    for title, actions in (*parser.groups().items(), (OUTPUT, shared_options()[1])):
        if actions:
            yield from style.section(title, _meanings(actions), _HANG)
    yield from style.section("formats of -f", FORMATS, 15)
    yield from style.section("environment", ENVIRONMENT, _HANG)


def shared_options() -> tuple[list[argparse.Action], list[argparse.Action]]:
    """The common options and the output options, for the manual pages."""
    parser = Parser(prog="ovstool")
    add_common_options(parser)
    add_output_options(parser, "table", of_rows=True)
    groups = parser.groups()
    return [action for title in COMMON for action in groups[title]], groups[OUTPUT]


def usage(parser: Parser) -> str:
    """The usage line, without optional options."""
    if parser.usage:
        return parser.usage
    own = parser.own_actions()
    arguments = [_argument(action) for action in own if not action.option_strings]
    required = [f"{action.option_strings[0]} {action.metavar}" for action in own if action.option_strings and action.required]
    return " ".join([parser.prog, *arguments, *required, "[options]"])


def _argument(action: argparse.Action) -> str:
    name = str(action.metavar)
    return {"*": f"[{name}...]", "+": f"{name}...", "?": f"[{name}]"}.get(str(action.nargs), name)


def _meanings(actions: Iterable[argparse.Action]) -> dict[str, str]:
    return {_name(action): action.help or "" for action in actions}


def _name(action: argparse.Action) -> str:
    """An option with its value, ``-f, --format FORMAT``, or an argument."""
    if not action.option_strings:
        return str(action.metavar)
    value = "" if action.nargs == 0 else action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper()
    return f"{', '.join(action.option_strings)} {value}".rstrip()


def _examples(lines: Sequence[str], style: Style) -> Iterator[str]:
    if lines:
        yield ""
        yield from style.head("examples" if len(lines) > 1 else "example")
        yield from (f"{' ' * GAP}{line}" for line in lines)
