"""ovstool shell"""

import argparse
import cmd
import shlex
import sys
from typing import Any

from ovstool.command import Command, report
from ovstool.commands import COMMANDS, NOUNS
from ovstool.errors import UsageError, quote

_LONGEST_LINE = 2**16  # characters; shlex takes a time that grows with the square of a word


class Shell(Command):
    """Start an interactive shell, in which commands need no 'ovstool' in front

    Common options given to 'ovstool shell' apply to every command in it. 'quit' or Ctrl-D leaves the shell.
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
