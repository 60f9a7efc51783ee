"""ovstool help and ovstool version"""

import argparse
from typing import Any

from ovstool import __version__
from ovstool.command import Command, docstring
from ovstool.commands import COMMANDS, NOUNS

_MORE = """\
'ovstool help NOUN' lists its commands, 'ovstool help NOUN VERB' explains one, 'ovstool --help' the options of all.
No switch at hand? 'ovstool sandbox start' makes one to try things on."""


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
        with self.paged():
            self.app.stdout.write(self._text(parsed_args.words))

    def _text(self, words: list[str]) -> str:
        manager = self.app.command_manager
        if not words and self.app.options.help:
            return self.app.parser.format_help()
        if not words:
            nouns = "\n".join(f"  {noun:<10}{summary}" for noun, summary in NOUNS.items())
            return f"{self.app.parser.format_usage()}\n{self.app.parser.description}\n\nnouns:\n{nouns}\n\n{_MORE}\n"
        verbs = [name for name in COMMANDS if name.startswith(f"{words[0]} ")]
        if verbs and COMMANDS.keys().isdisjoint([words[0], " ".join(words[:2])]):
            if len(words) > 1:
                manager.find_command(words)  # raises, with the verbs that there are
            lines = [f"  {name:<16}{_summary(manager.commands[name].load())}" for name in verbs]
            return f"{words[0]}: {NOUNS[words[0]]}\n\n" + "\n".join(lines) + "\n"
        command_class, name, _ = manager.find_command(words)
        return command_class(self.app, None, name).get_parser(f"ovstool {name}").format_help()


class Version(Command):
    """Show the version of ovstool"""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.app.stdout.write(f"ovstool {__version__}\n")


def _summary(command_class: type[Any]) -> str:
    """The first line of a command's docstring, which is its help."""
    return docstring(command_class).partition("\n")[0]
