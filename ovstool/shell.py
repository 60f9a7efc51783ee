"""The cliff application: from argv to a command, and from its end to an exit code."""

import argparse
import copy
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import takewhile
from typing import Any, TextIO

import cliff.app
from cliff.commandmanager import CommandManager

from ovstool.command import Parser, add_common_options, common_defaults, report
from ovstool.commands import COMMANDS, NOUNS
from ovstool.errors import Exit, UsageError, quote

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

    def __init__(self, stdout: TextIO | None = None, stderr: TextIO | None = None):
        super().__init__(DESCRIPTION, None, Commands(), stdout=stdout, stderr=stderr)
        self.options = common_defaults()

    def build_option_parser(self, description: str | None, version: str | None, argparse_kwargs: Any = None) -> argparse.ArgumentParser:
        parser = Parser(prog="ovstool", description=description, usage="ovstool [common options] NOUN [VERB] [arguments] [options]")
        parser.add_argument("--version", action="store_true", help="show the version and exit")
        add_common_options(parser)
        return parser

    def run(self, argv: list[str]) -> int:
        try:
            count = _leading_options(self.parser, argv)
            self.options = self.parser.parse_args(argv[:count], self.options)
            words = argv[count:]
            if self.options.version or self.options.help or not words:
                words = ["version"] if self.options.version else ["help", *_words_of(words)]
            return self.run_subcommand(words)
        except UsageError as error:
            return report(error, self.options.debug, self.stderr)

    def run_subcommand(self, argv: list[str]) -> int:
        """Run the command that the words name. Its errors are reported here and in ``Command.run``, and nowhere else."""
        try:
            _require_utf8(argv)
            if {"-h", "--help"} & set(_before_double_dash(argv)):
                argv = ["help", *_words_of(argv)]
            command_class, name, rest = self.command_manager.find_command(argv)
            command = command_class(self, self.options, cmd_name=name)
            parser = command.get_parser(f"{self.NAME} {name}")
            args = _parse(parser, rest, copy.copy(self.options))
            _log(args.verbose_level, self.stderr)
            return command.run(args)
        except OSError as error:
            # What is still in the buffer cannot be written either; without this the interpreter would complain at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if isinstance(error, BrokenPipeError):
                return Exit.BROKEN_PIPE
            return report(error, self.options.debug or "--debug" in argv, self.stderr)
        except KeyboardInterrupt:
            return Exit.INTERRUPTED
        except Exception as error:
            return report(error, self.options.debug or "--debug" in argv, self.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """The console script; returns the exit code."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull)
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:  # closed by the caller; a socket must not get its number
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            setattr(sys, name, open(number, "w", closefd=False))
    # Buffered even with PYTHONUNBUFFERED, where Python drops the rest of a partial write without a word; and a name that the
    # terminal's encoding cannot show is escaped.
    sys.stdout = open(1, "w", encoding=sys.stdout.encoding, errors="backslashreplace", closefd=False)
    return App().run(list(sys.argv[1:] if argv is None else argv))


def _log(verbose_level: int, stderr: TextIO) -> None:
    """With -v say what is asked of the switch. Other libraries' loggers stay as they are: quiet below a warning."""
    logging.basicConfig(format="ovstool: %(message)s", stream=stderr)
    logging.getLogger("ovstool").setLevel(logging.INFO if verbose_level > 1 else logging.WARNING)


def _leading_options(parser: argparse.ArgumentParser, argv: list[str]) -> int:
    """How many words at the beginning are common options and their values."""
    index = 0
    while index < len(argv) and argv[index].startswith("-") and argv[index] != "-":
        action = parser._option_string_actions.get(argv[index])
        index += 2 if action and action.nargs is None else 1
    return min(index, len(argv))


def _parse(parser: argparse.ArgumentParser, words: list[str], defaults: argparse.Namespace) -> argparse.Namespace:
    """Parse options and positionals in any order. What follows ``--`` is positional, whatever it looks like."""
    head = _before_double_dash(words)
    tail = words[len(head) + 1 :]
    # argparse has read "--" differently in almost every release, so it is not shown one: stand-ins take the places of
    # the words behind it.
    stand_ins = {f"\0{index}": word for index, word in enumerate(tail)}
    args = parser.parse_intermixed_args([*head, *stand_ins], defaults)
    for name, value in vars(args).items():
        if isinstance(value, str):
            setattr(args, name, stand_ins.get(value, value))
        elif isinstance(value, list) and name != "columns":
            setattr(args, name, [stand_ins.get(item, item) if isinstance(item, str) else item for item in value])
    return args


def _words_of(argv: list[str]) -> list[str]:
    """The command words, which end at the first option."""
    return list(takewhile(lambda word: not word.startswith("-"), argv))


def _before_double_dash(words: list[str]) -> list[str]:
    return words[: words.index("--")] if "--" in words else words


def _require_utf8(words: list[str]) -> None:
    for word in words:
        if not word.isascii() and any("\ud800" <= c <= "\udfff" for c in word):
            raise UsageError(quote(word), "not valid UTF-8")
        if "\0" in word:
            raise UsageError(quote(word), "a NUL character cannot be meant")


def _unknown(words: list[str]) -> UsageError:
    typed = " ".join(words[:2])
    if words[0] in NOUNS and words[0] not in COMMANDS:
        verbs = ", ".join(name.split()[1] for name in COMMANDS if name.startswith(f"{words[0]} "))
        if len(words) == 1 or words[1].startswith("-"):
            return UsageError(words[0], "a verb is missing", f"ovstool {words[0]} and one of {verbs}")
        return UsageError(words[0], f"{quote(words[1])} is none of its verbs", f"ovstool {words[0]} and one of {verbs}")
    from difflib import get_close_matches

    prefixed = [name for name in COMMANDS if all(full.startswith(word) for full, word in zip(name.split(), words, strict=False))]
    near = prefixed or get_close_matches(typed, COMMANDS, 3, 0.5) or get_close_matches(words[0], NOUNS, 2, 0.6)
    hint = " or ".join(f"ovstool {name}" for name in near[:3]) or "ovstool help"
    return UsageError(quote(typed), "unknown command", hint)
