"""Commands about ovstool itself: help, version, completion, the interactive shell."""

import argparse
import cmd
import shlex
import sys
from typing import Any

from ovstool import __version__
from ovstool.command import Command, docstring, report
from ovstool.commands import COMMANDS, NOUNS
from ovstool.errors import UsageError, quote

_MORE = """\
'ovstool help NOUN' lists its commands, 'ovstool help NOUN VERB' explains one, 'ovstool --help' the options of all.
No switch at hand? 'ovstool sandbox start' makes one to try things on."""
_LONGEST_LINE = 2**16  # characters; shlex takes a time that grows with the square of a word


class Help(Command):
    """Show help for ovstool, a noun or a command

    Examples:
      ovstool help
      ovstool help qos
      ovstool help qos set
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("words", metavar="WORD", nargs="*", help="words of a command")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.app.stdout.write(self._text(parsed_args.words))

    def _text(self, words: list[str]) -> str:
        manager = self.app.command_manager
        if not words and self.app.options.help:
            return self.app.parser.format_help()
        if not words:
            nouns = "\n".join(f"  {noun:<10}{summary}" for noun, summary in NOUNS.items())
            return f"{self.app.parser.format_usage()}\n{self.app.parser.description}\n\nnouns:\n{nouns}\n\n{_MORE}\n"
        verbs = [name for name in COMMANDS if name.startswith(f"{words[0]} ")]
        if verbs and " ".join(words[:2]) not in COMMANDS:
            if len(words) > 1:
                manager.find_command(words)  # raises, with the verbs that there are
            lines = [f"  {name:<16}{summary(manager.commands[name].load())}" for name in verbs]
            return f"{words[0]}: {NOUNS[words[0]]}\n\n" + "\n".join(lines) + "\n"
        command_class, name, _ = manager.find_command(words)
        return command_class(self.app, None, name).get_parser(f"ovstool {name}").format_help()


class Version(Command):
    """Show the version of ovstool"""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.app.stdout.write(f"ovstool {__version__}\n")


class Shell(Command):
    """Type commands one after the other, without 'ovstool' in front

    The common options given to 'ovstool shell' hold for all of them. 'quit' or Ctrl-D ends it.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        self.app.options = parsed_args
        prompt = _Prompt(self.app)
        prompt.cmdloop()
        return prompt.code


class _Prompt(cmd.Cmd):
    """The standard library's command loop; cliff's own is cmd2, with whose releases its completion breaks."""

    def __init__(self, app: Any):
        super().__init__(stdout=app.stdout)
        self.app = app
        self.code = 0
        self.prompt = "ovstool> " if sys.stdin.isatty() else ""

    def onecmd(self, line: str) -> bool:
        try:
            if len(line) > _LONGEST_LINE:
                raise ValueError(f"longer than {_LONGEST_LINE:,} characters")
            words = shlex.split(line, comments=True)
        except ValueError as error:
            self.code = report(UsageError(quote(line), str(error).lower()), False, self.app.stderr)
            return False
        if words[:1] == ["ovstool"]:  # as a hint or the README has it
            words = words[1:]
        if words in (["quit"], ["exit"], ["EOF"]):
            return True
        if words and words != ["shell"]:
            self.code = self.app.run_subcommand(words)
        return False

    def cmdloop(self, intro: Any = None) -> None:
        while True:
            try:
                super().cmdloop(intro)
                break
            except KeyboardInterrupt:  # a new line, as in any shell; a command that runs handles its own
                self.app.stdout.write("\n")
        if self.prompt:
            self.app.stdout.write("\n")

    def completenames(self, text: str, *ignored: Any) -> list[str]:
        return [f"{noun} " for noun in [*NOUNS, "quit"] if noun.startswith(text)]

    def completedefault(self, text: str, line: str, begidx: int, endidx: int) -> list[str]:
        before = line[:begidx].split()
        return [f"{name.split()[1]} " for name in COMMANDS if name.split()[:-1] == before and name.split()[-1].startswith(text)]


class Complete(Command):
    """Print the completion script for bash

    Example:
      ovstool complete | sudo tee /usr/share/bash-completion/completions/ovstool
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("shell", metavar="SHELL", nargs="?", default="bash", help="the shell to complete in: bash")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from ovstool.terminal import completion

        if parsed_args.shell != "bash":
            raise UsageError(quote(parsed_args.shell), "there is no completion for this shell", "ovstool complete bash")
        self.app.stdout.write(completion.bash(self.app))


def summary(command_class: type[Any]) -> str:
    """The first line of a command's docstring, which is its help."""
    return docstring(command_class).partition("\n")[0]
