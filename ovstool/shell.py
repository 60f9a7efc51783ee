"""The cliff application: from argv to a command, and from its end to an exit code."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from itertools import takewhile
from typing import TYPE_CHECKING, Any, TextIO

import cliff.app
from cliff.commandmanager import CommandManager

from ovstool.command import report
from ovstool.commands import COMMANDS, NOUNS
from ovstool.errors import Exit, UsageError, one_line, quote
from ovstool.parser import Parser, add_common_options, before_double_dash, common_defaults
from ovstool.terminal.output import STDOUT, escape_standard_streams

if TYPE_CHECKING:
    from ovstool.switch.connections import Connections

_OF_OUTPUT = ("-f", "--format", "-c", "--column", "--sort-column")  # which common options are not, though they are typed before the words
DESCRIPTION = "The command line for Open vSwitch: one command for each job, safe to repeat."


class Commands(CommandManager):
    """cliff's table of commands without plugins and prefixes: what a word means never depends on what else is installed."""

    def _load_commands(self) -> None:
        self.commands = {name: EntryPoint(target) for name, target in COMMANDS.items()}  # type: ignore[misc]

    def add_command(self, name: str, command_class: type) -> None:
        """cliff adds its own ``help`` and ``complete``; ovstool's are in the table."""

    def find_command(self, argv: list[str]) -> tuple[Any, str, list[str]]:
        for count in (2, 1):
            name = " ".join(argv[:count])
            if name in self.commands and name.split() == argv[:count]:  # not one word with a space in it
                return self.commands[name].load(), name, argv[count:]
        raise _unknown(argv)


class EntryPoint:
    """A command by the name of its module and class, imported when it is run."""

    def __init__(self, target: str):
        self.value = f"ovstool.commands.{target}"

    def load(self) -> type:
        module, _, name = self.value.partition(":")
        return getattr(import_module(module), name)


class App(cliff.app.App):
    """ovstool. ``run`` takes a command line, ``run_subcommand`` one of the interactive shell."""

    NAME = "ovstool"
    parser: Parser

    def __init__(self, stdout: TextIO | None = None, stderr: TextIO | None = None):
        super().__init__(DESCRIPTION, None, Commands(), stdout=stdout, stderr=stderr)
        self.options = common_defaults()
        self.connections: Connections | None = None  # that outlive a command
        self._parsers: dict[str, Any] = {}  # of commands, which a shell may run again

    def build_option_parser(self, description: str | None, version: str | None, argparse_kwargs: Any = None) -> Parser:
        parser = Parser(prog="ovstool", description=description, usage="ovstool [common options] NOUN [VERB] [arguments] [options]")
        parser.add_argument("--version", action="store_true", help="show the version and exit")
        add_common_options(parser)
        return parser

    def run(self, argv: list[str]) -> int:
        try:
            count = self.count_options(argv)
            self.options = self.parser.parse_words(argv[:count], self.options)
            words = argv[count:]
            if self.options.version or self.options.help or not words:
                words = ["version"] if self.options.version else ["help", *_words_of(words)]
            return self.run_subcommand(words)
        except UsageError as error:
            return report(error, self.options.debug, self.stderr)

    def count_options(self, argv: list[str]) -> int:
        """How many words in front of those of a command are common options and their values. Raises UsageError."""
        count = _leading_options(self.parser, argv)
        _require_none_of_output(argv, count)
        _require_utf8(argv[:count])
        return count

    def run_subcommand(self, argv: list[str]) -> int:
        """Run the command that the words name. Its errors are reported here and in ``Command.run``, and nowhere else."""
        try:
            _require_utf8(argv)
            if {"-h", "--help"} & set(before_double_dash(argv)):
                argv = ["help", *_words_of(argv)]
            command_class, name, rest = self.command_manager.find_command(argv)
            command = command_class(self, self.options, cmd_name=name)
            if name not in self._parsers:
                self._parsers[name] = command.get_parser(f"{self.NAME} {name}")
            args = self._parsers[name].parse_words(rest, argparse.Namespace(**vars(self.options)))
            args.typed = argv
            _log(args.verbose_level, self.stderr)
            return command.run(args)
        except KeyboardInterrupt:
            return Exit.INTERRUPTED
        except BrokenPipeError as error:
            return Exit.BROKEN_PIPE if error.filename == STDOUT else report(error, self.options.debug, self.stderr)
        except Exception as error:
            return report(error, self.options.debug or "--debug" in argv, self.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """The console script; returns the exit code."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull)
    escape_standard_streams()
    code = App().run(list(sys.argv[1:] if argv is None else argv))
    with suppress(OSError):
        sys.stdout.flush()  # what a command had printed before it failed; one that succeeds has flushed it, and said what was wrong
    return code


class _OneLine(logging.Formatter):
    """What is logged, with its ends of lines escaped: no name can look like a line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))


def _log(verbose_level: int, stderr: TextIO) -> None:
    """With -v say what is asked of the switch. Other libraries' loggers stay as they are: quiet below a warning."""
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(_OneLine("ovstool: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("ovstool").setLevel(logging.INFO if verbose_level > 1 else logging.WARNING)


def _leading_options(parser: argparse.ArgumentParser, argv: list[str]) -> int:
    """How many words at the beginning are common options and their values."""
    index = 0
    while index < len(argv) and argv[index].startswith("-") and argv[index] != "-":
        index += 2 if _wants_next_word(parser, argv[index]) else 1
    return min(index, len(argv))


def _require_none_of_output(argv: list[str], count: int) -> None:
    """Raises UsageError when the last of ``count`` options before the command is for its output: commands have different ones."""
    option = argv[count - 1] if count else ""
    name = option.partition("=")[0]
    end = count + ("=" not in option)
    if name in _OF_OUTPUT and argv[end:]:
        import shlex  # for somebody's mistake

        words = ["ovstool", *argv[: count - 1], *argv[end:], option, *argv[count:end]]
        raise UsageError(name, "goes after the words of the command", shlex.join(words))


def _wants_next_word(parser: argparse.ArgumentParser, word: str) -> bool:
    """Whether the word behind an option is its value. Of letters that are joined, the first with a value has what is behind it."""
    with_value = {name for name, action in parser._option_string_actions.items() if action.nargs is None}
    if word.startswith("--"):
        return word in with_value
    return next((place for place in range(1, len(word)) if f"-{word[place]}" in with_value), 0) == len(word) - 1


def _words_of(argv: list[str]) -> list[str]:
    """The command words, which end at the first option."""
    return list(takewhile(lambda word: not word.startswith("-"), argv))


def _require_utf8(words: list[str]) -> None:
    for word in words:
        if not word.isascii() and any("\ud800" <= c <= "\udfff" for c in word):
            raise UsageError(quote(word), "not valid UTF-8")
        if "\0" in word:
            raise UsageError(quote(word), "contains a NUL character")


def _unknown(words: list[str]) -> UsageError:
    from ovstool import hints

    meant = hints.commands(words)
    if words[0] in NOUNS and words[0] not in COMMANDS:
        verbs = ", ".join(name.split()[1] for name in COMMANDS if name.startswith(f"{words[0]} "))
        if len(words) == 1 or words[1].startswith("-"):
            return UsageError(words[0], "a verb is missing", f"ovstool {words[0]} and one of {verbs}")
        hint = meant[0] if len(meant) == 1 else f"ovstool help {words[0]}"
        return UsageError(words[0], f"{quote(words[1])} is not one of its verbs ({verbs})", hint)
    return UsageError(quote(" ".join(words[:2])), "unknown command", " or ".join(meant) or "ovstool help")
