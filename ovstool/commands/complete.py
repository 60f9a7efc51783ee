"""ovstool complete"""

import argparse

from ovstool.command import Command
from ovstool.commands import COMMANDS, NOUNS
from ovstool.errors import UsageError, quote
from ovstool.terminal import completion


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
        if parsed_args.shell != "bash":
            raise UsageError(quote(parsed_args.shell), "there is no completion for this shell", "ovstool complete bash")
        self.app.stdout.write(completion.bash(self.app, COMMANDS, NOUNS))
