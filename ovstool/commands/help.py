"""ovstool help and ovstool version"""

import argparse
from collections.abc import Iterable, Iterator
from typing import Any

from ovstool import __version__
from ovstool.command import Command, docstring
from ovstool.commands import COMMANDS, NOUNS
from ovstool.errors import UsageError
from ovstool.terminal.output import canvas


class Help(Command):
    """Show help for ovstool, a noun, a command or the options of all commands

    Examples:
      ovstool help
      ovstool help qos
      ovstool help qos set
      ovstool help options
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("words", metavar="WORD", nargs="*", help="a noun, a command, or options")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from ovstool.terminal import colour
        from ovstool.terminal.window import window_width

        lines = self._page(parsed_args.words, window_width(), colour.bold_for(self.app.stdout))
        with self.paged():
            draw = canvas(self.app.stdout).write
            for line in lines:
                draw(f"{line}\n")

    def _page(self, words: list[str], window: int, bold: Any) -> Iterator[str]:
        """The lines of the page for these words. Raises UsageError for an unknown command."""
        from ovstool.commands import help_pages as pages

        style = pages.Style(window, bold)
        ovstool: Any = self.app.parser
        if not words:
            return pages.overview(ovstool, NOUNS, style)
        if words[0] == "options":
            return pages.of_options(ovstool, style)
        verbs = [name for name in COMMANDS if name.startswith(f"{words[0]} ")]
        is_noun = verbs and words[0] not in COMMANDS
        if is_noun and len(words) == 1:
            return pages.of_noun(words[0], NOUNS[words[0]], self._summaries(verbs), style)
        try:
            command_class, name, _ = self.app.command_manager.find_command(words)
        except UsageError as error:
            raise UsageError(error.what, error.why, " or ".join(map(_help_for, str(error.hint).split(" or ")))) from error
        parser: Any = command_class(self.app, None, name).get_parser(f"ovstool {name}")
        return pages.of_command(parser, self._summaries(verbs if name == words[0] else ()), style)

    def _summaries(self, names: Iterable[str]) -> dict[str, str]:
        """Commands as they are typed, with the first lines of their docstrings."""
        commands = self.app.command_manager.commands
        return {f"ovstool {name}": docstring(commands[name].load()).partition("\n")[0] for name in names}


def _help_for(hint: str) -> str:
    """The command that shows help for a suggested command; ``ovstool help`` if that is not one of ovstool's."""
    program, *words = hint.split()
    if program != "ovstool" or words[0] == "help":
        return hint if program == "ovstool" else "ovstool help"
    name = " ".join(words[:2])
    return f"ovstool help {name if name in COMMANDS else words[0]}"


class Version(Command):
    """Show the version of ovstool"""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.app.stdout.write(f"ovstool {__version__}\n")
