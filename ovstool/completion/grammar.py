"""The grammar of a command line, and what is expected at the cursor. Pure; the commands themselves are in ``command_line``.

Words are parsed as in ``shell.py`` and ``parser.py``: options in any order among the arguments, none abbreviated.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

Values = str | tuple[str, ...]  # the possible words, or the name of their kind; empty for free text


class Option(NamedTuple):
    """An option of a command. ``values`` None: it takes none. ``excludes``: options that cannot be combined with it.

    ``rare`` are values that are offered only if none of ``values`` starts with the text typed; of a condition they are its fields.
    """

    names: tuple[str, ...]
    values: Values | None
    about: str
    repeats: bool = False
    excludes: tuple[str, ...] = ()
    rare: tuple[str, ...] = ()


class Argument(NamedTuple):
    """A positional argument of a command; ``repeats``: it may be given any number of times."""

    values: Values
    repeats: bool = False


class Columns(NamedTuple):
    """The columns of a command's output if these options are given."""

    options: tuple[str, ...]
    names: tuple[str, ...]


class Command(NamedTuple):
    """A command. ``output``: its kind of output options, "rows" or "object"; empty for a command without."""

    about: str
    arguments: tuple[Argument, ...]
    options: tuple[Option, ...]
    output: str
    columns: tuple[Columns, ...] = ()


class Commands(NamedTuple):
    """The whole command line: nouns with descriptions, commands by name, and the options that many commands share."""

    nouns: dict[str, str]
    commands: dict[str, Command]
    common: tuple[Option, ...]
    output: dict[str, tuple[Option, ...]]

    def options_of(self, command: Command | None) -> tuple[Option, ...]:
        return (*command.options, *self.output.get(command.output, ()), *self.common) if command else self.common

    def verbs(self, noun: str) -> list[str]:
        return [name.split()[1] for name in self.commands if name.startswith(f"{noun} ")]


class Scan:
    """The words of a line, parsed one after the other.

    ``given`` has the values of each option, by the first of its names; ``pending`` is an option whose value comes next.
    """

    def __init__(self, commands: Commands, words: Iterable[str]):
        self._commands = commands
        self.name: list[str] = []  # the words of the command
        self.given: dict[str, list[str]] = {}
        self.arguments: list[str] = []
        self.pending: Option | None = None
        self.literal = False  # after --
        self._verb_may_come = False
        for word in words:
            self._take(word)

    @property
    def command(self) -> Command | None:
        return self._commands.commands.get(" ".join(self.name))

    @property
    def verbs(self) -> list[str]:
        """The verbs that the next word may be."""
        return self._commands.verbs(self.name[0]) if self._verb_may_come else []

    def option(self, name: str) -> Option | None:
        return next((option for option in self._commands.options_of(self.command) if name in option.names), None)

    def joined(self, word: str) -> tuple[Option | None, int]:
        """The option that has its value in the same word, as in ``--db=unix:`` and ``-fjson``, and where the value starts."""
        if word.startswith("--"):
            name, equals, _ = word.partition("=")
            found = self.option(name) if equals else None
            return (found if found and found.values is not None else None), len(name) + 1
        for place, letter in enumerate(word[1:], 2):
            found = self.option(f"-{letter}")
            if found and found.values is not None:
                return (found if place < len(word) else None), place
        return None, 0

    def _take(self, word: str) -> None:
        may_be_verb, self._verb_may_come = self._verb_may_come, False
        if self.pending:
            self._give(self.pending, word)
            self.pending = None
        elif self.literal:
            self.arguments.append(word)
        elif word == "--":
            self.literal = True
        elif word.startswith("-") and word != "-":
            self._take_option(word)
        elif not self.name:
            self.name = [word]
            self._verb_may_come = True
        elif may_be_verb and (word in self._commands.verbs(self.name[0]) or not self.command):
            self.name.append(word)
        else:
            self.arguments.append(word)

    def _take_option(self, word: str) -> None:
        found, begin = self.joined(word)
        if found:
            self._give(found, word[begin:])
            return
        names = [word] if word.startswith("--") else [f"-{letter}" for letter in word[1:]]
        for option in filter(None, map(self.option, names)):
            if option.values is not None:
                self.pending = option
                return
            self._give(option, "")

    def _give(self, option: Option, value: str) -> None:
        self.given.setdefault(option.names[0], []).append(value)


class Place(NamedTuple):
    """The position of the cursor: what is given elsewhere on the line, and what is expected here.

    Exactly one of these is expected: an option (``is_option``); a value of ``values``, or else of ``rare``, preceded by ``head`` in the same
    word; or, with neither, a word of a command's name. ``own`` are the values that the same option or argument has already.
    """

    scan: Scan
    given: dict[str, list[str]]
    typed: str
    head: str = ""
    values: Values | None = None
    own: Sequence[str] = ()
    is_option: bool = False
    rare: Sequence[str] = ()


def place(commands: Commands, before: Sequence[str], current: str, after: Sequence[str]) -> Place:
    """What is expected at the cursor; the words do not include the program."""
    scan = Scan(commands, before)
    is_option = not (scan.pending or scan.literal) and current.startswith("-")
    given = Scan(commands, [*before, *([] if is_option else [current or "-"]), *after]).given
    if scan.pending:
        return _value(scan, given, scan.pending, "", current)
    if is_option:
        joined, begin = scan.joined(current)
        if joined:
            return _value(scan, given, joined, current[:begin], current[begin:])
        return Place(scan, given, current, is_option="=" not in current)
    return Place(scan, given, current, values=_argument(scan), own=scan.arguments)


def _value(scan: Scan, given: dict[str, list[str]], option: Option, head: str, typed: str) -> Place:
    return Place(scan, given, typed, head, option.values, scan.given.get(option.names[0], ()), rare=option.rare)


def _argument(scan: Scan) -> Values | None:
    """What the next argument of the command may be."""
    for number, argument in enumerate(scan.command.arguments if scan.command else ()):
        if argument.repeats or number == len(scan.arguments):
            return argument.values
    return None
